//! Files that passed through other hands: what no common writer makes, page by page, and what is said of what is not a
//! flow log at all.

use std::{fs, path::Path, time::Duration};

use flowcost_exporter::{
    accumulate::digest,
    decode::Input,
    model::{Quarantine, QuarantineReason, RecordOutcome, Settlement},
};
use parquet::basic::Compression;

use crate::{
    fixtures_parquet::{LIMITS, classifier, files, origin},
    support::{
        craft::{DELTA_LENGTH_BYTE_ARRAY, PLAIN, RawPage, data, file, gzip},
        exporter::{Exporter, PATIENCE},
        now,
    },
};

fn settled(file: &[u8]) -> Settlement {
    digest(Input::Whole(file.to_vec().into()), &origin(), &classifier(), &LIMITS)
}

fn refused(file: &[u8]) -> Quarantine {
    match settled(file) {
        Settlement::Quarantined(why) => why,
        other => panic!("not refused: {other:?}"),
    }
}

/// Values as they are, each text behind its length.
fn texts(values: &[&[u8]]) -> Vec<u8> {
    values.iter().flat_map(|text| [&(text.len() as u32).to_le_bytes()[..], text].concat()).collect()
}

fn page(rows: i64, encoding: i64, body: Vec<u8>) -> RawPage {
    data(rows, encoding, body.len() as i64, body)
}

/// A flow log whose `bytes` and source addresses are these.
fn log(rows: i64, bytes: (&str, RawPage), source: (&str, RawPage)) -> Vec<u8> {
    let destination = page(rows, PLAIN, texts(&vec![&b"10.0.1.5"[..]; rows as usize]));
    let columns = [
        (source.0, vec![source.1]),
        ("required binary dstaddr (UTF8)", vec![destination]),
        (bytes.0, vec![bytes.1]),
    ];
    file(rows, Compression::UNCOMPRESSED, &columns)
}

/// The sum of all bytes that are counted.
fn bytes_of(file: &[u8]) -> u64 {
    match settled(file) {
        Settlement::Counted(delta) => delta.traffic.values().map(|counts| counts.bytes).sum(),
        other => panic!("not counted: {other:?}"),
    }
}

/// Semantics 1.8: as Hive and old versions of Spark write decimals, in as many bytes as each needs, or in more than any
/// number has.
#[test]
fn decimals_in_texts_of_bytes_are_numbers() {
    let sources = || page(3, PLAIN, texts(&[&b"10.0.1.4"[..]; 3]));
    let long = [&[0; 20][..], &[1, 0]].concat();
    let decimals = |kind, values: [&[u8]; 3]| {
        log(3, (kind, page(3, PLAIN, texts(&values))), ("required binary srcaddr (UTF8)", sources()))
    };
    let whole = "required binary bytes (DECIMAL(38,0))";
    assert_eq!(bytes_of(&decimals(whole, [&[7], &[1, 0], &long])), 7 + 256 + 256);
    let hundredths = "required binary bytes (DECIMAL(38,2))";
    assert_eq!(bytes_of(&decimals(hundredths, [&[100], &[0, 200], &[0]])), 1 + 2);
    let why = refused(&decimals(hundredths, [&[100], &[101], &[0]]));
    assert_eq!(why.reason, QuarantineReason::BadRows);
    let says = "row 1: column bytes: 101e-2 of a DECIMAL column is not a 64-bit integer";
    assert!(why.detail.contains(says), "{why}");
    let why = refused(&decimals(whole, [&[7], &[1; 20], &[0]]));
    assert!(why.detail.contains("row 1: column bytes: a number of a DECIMAL column has more than"), "{why}");
    let why = refused(&decimals(whole, [&[7], &[0xff], &[0]]));
    assert!(why.detail.contains("row 1: column bytes: -1"), "{why}");
}

/// A flat column has the levels 0 and 1. A run of another one would be rows that are there, or none, as the reader likes.
#[test]
fn definition_levels_above_the_highest_are_corrupt() {
    let runs = |level: u8| [&[2, 0, 0, 0, 10 << 1, level][..]].concat();
    let numbers = |level| [runs(level), [5_i64.to_le_bytes(); 10].concat()].concat();
    let plain = |level| [runs(level), texts(&[&b"10.0.1.4"[..]; 10])].concat();
    // Deltas of the lengths: blocks of 128 in 4, ten values, the first 8; one block without any difference.
    let lengths = [&[0x80, 1, 4, 10, 16, 0, 0, 0, 0, 0][..], &b"10.0.1.4".repeat(10)].concat();
    let delta = |level| [runs(level), lengths.clone()].concat();
    let make = |bytes, encoding, source: Vec<u8>| {
        let source = ("optional binary srcaddr (UTF8)", page(10, encoding, source));
        log(10, ("optional int64 bytes", page(10, PLAIN, bytes)), source)
    };
    assert_eq!(bytes_of(&make(numbers(1), PLAIN, plain(1))), 50, "what is read here");
    assert_eq!(bytes_of(&make(numbers(1), DELTA_LENGTH_BYTE_ARRAY, delta(1))), 50, "what the library reads");
    for level in [2, 3, 0x80, 0xff] {
        for (file, column) in [
            (make(numbers(level), PLAIN, plain(1)), "bytes"),
            (make(numbers(1), PLAIN, plain(level)), "srcaddr"),
            (make(numbers(level), DELTA_LENGTH_BYTE_ARRAY, delta(1)), "bytes"),
            (make(numbers(1), DELTA_LENGTH_BYTE_ARRAY, delta(level)), "srcaddr"),
        ] {
            let why = refused(&file);
            assert_eq!(why.reason, QuarantineReason::Corrupt, "{why}");
            let says = format!("column {column}: a definition level of {level} where the highest is 1");
            assert_eq!(why.detail, says);
        }
    }
    let none = refused(&make(numbers(0), PLAIN, plain(1)));
    assert_eq!(none.reason, QuarantineReason::BadRows, "level 0: there are no bytes");
}

/// Pages of version 2 that are compressed and say that they are not: by whomever, where the sizes show it.
#[test]
fn the_flag_of_a_page_is_not_believed_against_its_sizes() {
    const WRITER: &[u8] = b"parquet-cpp version";
    for (name, file) in files("old").into_iter().filter(|(name, _)| name.contains("-v2-")) {
        let at = file.windows(WRITER.len()).rposition(|part| part == WRITER).unwrap();
        let mut another = file.clone();
        another[at..at + WRITER.len()].copy_from_slice(b"nobody-knows writer");
        assert_eq!(settled(&another), settled(&file), "{name}");
        assert_eq!(records_of(&file), 240, "{name}");
    }
}

const RECORD: &str =
    "2 123456789012 eni-0a 10.0.1.4 10.0.1.5 443 40000 6 10 840 1765249200 1765249260 ACCEPT OK\n";

/// What there is under the keys of flow logs when they came another way, or are something else.
#[test]
fn what_is_not_a_flow_log_says_what_it_is_and_what_to_do() {
    let envelope = format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"1","logEvents":[{{"id":"1","message":"{}"}}]}}"#,
        RECORD.trim_end()
    );
    let firehose = format!("{{\"message\":\"{}\"}}\n", RECORD.trim_end()).repeat(3);
    let exported = format!("2025-12-09T03:00:00.000Z {RECORD}").repeat(3);
    let header = "version account-id interface-id srcaddr dstaddr bytes\n";
    let to_s3 = "let the flow log deliver to S3 itself (destination type s3)";
    for (object, reason, says) in [
        (
            gzip(RECORD.repeat(3).as_bytes()),
            "schema",
            format!(
                "the first line is not a header: records without a header line, as CloudWatch Logs and Firehose have them: {to_s3}"
            ),
        ),
        (
            gzip(firehose.as_bytes()),
            "format",
            format!("gzip, and in it JSON lines of Amazon Data Firehose: {to_s3}"),
        ),
        (
            gzip(envelope.as_bytes()),
            "format",
            format!("gzip, and in it JSON of a CloudWatch Logs subscription: {to_s3}"),
        ),
        // Members, and JSON in a line that is longer than any.
        (gzip(envelope.as_bytes()).repeat(3), "format", "JSON of a CloudWatch Logs subscription".to_owned()),
        (
            gzip(envelope.repeat(10_000).as_bytes()),
            "format",
            "JSON of a CloudWatch Logs subscription".to_owned(),
        ),
        (
            gzip(exported.as_bytes()),
            "schema",
            "an export of CloudWatch Logs, a time before each record".to_owned(),
        ),
        (gzip(&gzip(header.as_bytes())), "format", "gzip, and in it gzip: decompress it once".to_owned()),
        (
            gzip(&files("parquet")["pyarrow-v1-none"]),
            "format",
            "gzip, and in it Parquet: store it as it is".to_owned(),
        ),
        (gzip(header.replace(' ', ",").as_bytes()), "schema", "columns parted by commas".to_owned()),
        (firehose.clone().into_bytes(), "format", format!("JSON lines of Amazon Data Firehose: {to_s3}")),
        (
            header.as_bytes().to_vec(),
            "format",
            "flow log text that is not compressed: store it as gzip".to_owned(),
        ),
        (RECORD.as_bytes().to_vec(), "format", "flow log text that is not compressed".to_owned()),
        (
            zstd::bulk::compress(header.as_bytes(), 1).unwrap(),
            "format",
            "Zstandard: store it as gzip text".to_owned(),
        ),
        (b"Obj\x01\x04\x14avro.codec".to_vec(), "format", "Avro: convert it to Parquet".to_owned()),
        (b"ORC\x0a\x03".to_vec(), "format", "ORC: convert it to Parquet".to_owned()),
        (b"PK\x03\x04\x14\0".to_vec(), "format", "a ZIP archive: store each file in it by itself".to_owned()),
        (b"<!DOCTYPE html><html>".to_vec(), "format", "an HTML page".to_owned()),
        (
            b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>".to_vec(),
            "format",
            "an error of S3 in XML: copy the object again".to_owned(),
        ),
        (vec![0; 5_000], "format", "begins with 1024 zeros".to_owned()),
    ] {
        let why = refused(&object);
        assert_eq!(why.reason.as_str(), reason, "{why}");
        assert!(why.detail.contains(&says), "{why} instead of {says}");
    }
    for empty in [Vec::new(), gzip(b""), gzip(b"\n"), gzip(header.as_bytes())] {
        assert_eq!(settled(&empty), Settlement::Empty);
    }
}

fn put(logs: &Path, name: &str, content: &[u8]) {
    let utc = now().to_utc().unwrap();
    let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
    let folder = format!("AWSLogs/111111111111/vpcflowlogs/us-east-1/{year}/{month:02}/{day:02}");
    fs::create_dir_all(logs.join(&folder)).unwrap();
    let name = format!("111111111111_vpcflowlogs_us-east-1_fl-0a_20260310T0000Z_{name}.log.parquet");
    fs::write(logs.join(folder).join(name), content).unwrap();
}

/// Files over which the library is known to panic: one line of the log for each, in its format, and nothing else.
#[test]
fn a_panic_of_the_library_is_one_line_of_the_log() {
    let poison = files("regressions");
    for (format, arguments) in [
        ("json", &["--log.format", "json"][..]),
        ("logfmt", &["--log.format", "logfmt", "--log.level", "debug"][..]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for (name, file) in &poison {
            put(&dir.path().join("logs"), name, file);
        }
        let config = format!(
            "[state]\npath = \"{0}/flowcost.db\"\n\
             [[source]]\nname = \"folder\"\nurl = \"file://{0}/logs/\"\nregion = \"us-east-1\"\n",
            dir.path().display()
        );
        fs::write(dir.path().join("flowcost.toml"), config).unwrap();
        let environment = [("RUST_BACKTRACE", "1")];
        let mut exporter = Exporter::start_as(&dir.path().join("flowcost.toml"), arguments, &environment);
        let deadline = std::time::Instant::now() + PATIENCE;
        let mut lines: Vec<String> = Vec::new();
        while lines.iter().filter(|line| line.contains("object quarantined")).count() < poison.len() {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            match exporter.line(left.max(Duration::from_millis(1))) {
                Ok(line) => lines.push(line.to_owned()),
                Err(why) => panic!("{why}: {lines:#?}"),
            }
        }
        for line in &lines {
            let is_line = match format {
                "json" => serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line.is_object()),
                _ => line.starts_with("ts="),
            };
            assert!(is_line, "not a line of {format}: {line}");
        }
        let of = |name: &str| lines.iter().filter(|line| line.contains(name)).count();
        for name in poison.keys() {
            assert_eq!(of(&format!("_{name}.log.parquet")), 1, "{name}: {lines:#?}");
        }
        let panics = lines.iter().filter(|line| line.contains("panicked")).collect::<Vec<_>>();
        assert!(!panics.is_empty(), "nothing panics any more: {lines:#?}");
        for line in panics {
            assert!(line.contains("the decoder panicked at ") && !line.contains(".cargo/"), "{line}");
        }
    }
}

/// Records of any outcome that a file has.
fn records_of(file: &[u8]) -> u64 {
    match settled(file) {
        Settlement::Counted(delta) => delta.records.total(),
        other => panic!("not counted: {other:?}"),
    }
}

/// A file that says nothing wrong counts as before, also beside fields that are new to it.
#[test]
fn sound_neighbours_count() {
    for name in ["pyarrow-v1-lz4", "pyarrow-v2-brotli", "pyarrow-bloom-filters"] {
        assert_eq!(records_of(&files("parquet")[name]), 240, "{name}");
    }
    let delta = match settled(&files("parquet")["pyarrow-nan-is-null"]) {
        Settlement::Counted(delta) => delta,
        other => panic!("{other:?}"),
    };
    assert_eq!(delta.records.get(RecordOutcome::Bad), 0, "NaN is null");
}
