//! Small files that claim much, or become much: refused, with memory and time to spare.
//!
//! The measurements run in processes of their own, which may not have more than a gigabyte of address space: an
//! allocation beyond that ends them.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::{Command, Stdio},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    decode::Input,
    limits,
    model::Settlement,
};
use parquet::basic::Compression;

use crate::{
    fixtures_parquet::{classifier, files, origin},
    support::craft::{
        DELTA_BYTE_ARRAY, DELTA_LENGTH_BYTE_ARRAY, PLAIN, RLE_DICTIONARY, RawPage, data, dictionary, file,
        footer, gzip, gzip_zeros, same_row_group, varint,
    },
};

/// Kibibytes of address space that a measured process may have.
const ADDRESS_SPACE: u64 = 1 << 20;

/// Resident memory that it may have reached, in bytes.
const RESIDENT: u64 = 300 << 20;

const MIB: i64 = 1 << 20;

/// A file and what is said of it.
struct Bomb {
    name: &'static str,
    file: Vec<u8>,
    reason: &'static str,
    says: &'static str,
}

fn plain(text: &str, values: i64) -> RawPage {
    let one = [&u32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat();
    let body = one.repeat(usize::try_from(values).unwrap());
    data(values, PLAIN, body.len() as i64, body)
}

/// A flow log whose `bytes` are sound and whose addresses are these.
fn addresses(rows: i64, kind: &str, source: Vec<RawPage>) -> Vec<u8> {
    let bytes = vec![1_u8; 8 * usize::try_from(rows).unwrap()];
    let columns = [
        (format!("required {kind} srcaddr"), source),
        ("required binary dstaddr (UTF8)".to_owned(), vec![plain("10.0.0.2", rows)]),
        ("required int64 bytes".to_owned(), vec![data(rows, PLAIN, bytes.len() as i64, bytes)]),
    ];
    let columns: Vec<_> = columns.iter().map(|(field, pages)| (field.as_str(), pages.clone())).collect();
    file(rows, Compression::UNCOMPRESSED, &columns)
}

/// A flow log whose `bytes` are these pages; the rest is as small as it can be.
fn bytes(rows: i64, codec: Compression, pack: impl Fn(&[u8]) -> Vec<u8>, pages: Vec<RawPage>) -> Vec<u8> {
    // One value in the dictionary, and one run of it: bit width 0, so the run has no value to repeat.
    let source = || {
        let one = [&8_u32.to_le_bytes()[..], b"10.0.0.1"].concat();
        let mut runs = vec![0];
        varint(u64::try_from(rows).unwrap() << 1, &mut runs);
        let size = runs.len() as i64;
        vec![dictionary(1, 12, pack(&one)), data(rows, RLE_DICTIONARY, size, pack(&runs))]
    };
    let columns = [
        ("required binary srcaddr (UTF8)", source()),
        ("required binary dstaddr (UTF8)", source()),
        ("required int64 bytes", pages),
    ];
    file(rows, codec, &columns)
}

/// `DELTA_BINARY_PACKED` numbers, all the same, in one block of 2^30: the widths of its miniblocks are 0.
fn same_lengths(length: i64, count: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(1 << 30, &mut out);
    varint(1, &mut out);
    varint(count, &mut out);
    varint(u64::try_from(length).unwrap() << 1, &mut out);
    out.extend([0, 0]);
    out
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap()
}

#[allow(clippy::too_many_lines, reason = "a list")]
fn bombs() -> Vec<Bomb> {
    let bomb = |name, reason, says, file| Bomb { name, file, reason, says };
    let (gzip_codec, zstd_codec) =
        (Compression::GZIP(Default::default()), Compression::ZSTD(Default::default()));
    let gigabyte = gzip_zeros(1_100);
    let rows_of = |mebibytes: i64| mebibytes * MIB / 8;
    let zeros = vec![0_u8; 48 << 20];
    let mut lengths_2_40 = same_lengths(8, 1 << 40);
    lengths_2_40.extend(b"10.0.0.1");
    let long = "10.0.0.1".repeat(20_000);
    let mut long_dictionary = u32::try_from(long.len()).unwrap().to_le_bytes().to_vec();
    long_dictionary.extend(long.as_bytes());
    // One long value, then thousands that keep all of it.
    let mut prefixes = Vec::new();
    for (first, rest) in [(0, long.len() as i64), (long.len() as i64, 0)] {
        varint(128, &mut prefixes);
        varint(1, &mut prefixes);
        varint(8_000, &mut prefixes);
        varint((first as u64) << 1, &mut prefixes);
        for block in 0..63 {
            // The first difference leads to the value that all others have: all in 32 bits.
            varint(0, &mut prefixes);
            prefixes.push(if block == 0 { 32 } else { 0 });
            if block == 0 {
                let step = (rest - first) as i32;
                prefixes.extend(step.to_le_bytes());
                prefixes.extend([0; 127 * 4]);
            }
        }
    }
    prefixes.extend(long.as_bytes());
    let mut everywhere = vec![("required int64 bytes".to_owned(), vec![])];
    for name in ["srcaddr", "dstaddr", "srcport", "dstport", "packets", "start", "end"] {
        everywhere.push((format!("required int64 {name}"), vec![]));
    }
    for (field, pages) in &mut everywhere {
        if field.contains("addr") {
            *field = field.replace("int64", "fixed_len_byte_array(8)");
        }
        *pages = vec![data(rows_of(48), PLAIN, 48 * MIB, gzip(&zeros))];
    }
    let everywhere: Vec<_> =
        everywhere.iter().map(|(field, pages)| (field.as_str(), pages.clone())).collect();
    let mut deep = vec![0x29, 0xfc];
    varint(4_000, &mut deep);
    deep.extend([0x55, 0x02, 0].repeat(4_000));
    deep.push(0);
    let mut wide = vec![0x59, 0xfc];
    varint(5 << 20, &mut wide);
    wide.extend([0x18, 0, 0].repeat(5 << 20));
    wide.push(0);
    let mut header = vec![0x15, 0, 0x15, 0x10, 0x15, 0x10, 0x2c, 0x15, 2, 0x15, 0, 0x15, 6, 0x15, 6];
    header.extend([0x1c, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0, 0]);
    let header_only = {
        let mut raw = bytes(1, gzip_codec, gzip, vec![data(1, PLAIN, 8, gzip(&[0; 8]))]);
        let at = raw.len() - 8 - u32::from_le_bytes(raw[raw.len() - 8..][..4].try_into().unwrap()) as usize;
        // The last page is that of `bytes`; what stands in its place has the same length.
        let page = at - 28 - 15;
        let start = (page..at).find(|start| raw[*start..].starts_with(&[0x15, 0, 0x15, 16, 0x15])).unwrap();
        let end = start + header.len();
        raw[start..end].copy_from_slice(&header);
        raw
    };
    vec![
        bomb("gzip page of 1.1 GB, as it says", "too_large", "a page that decompresses to", {
            bytes(1_000, gzip_codec, gzip, vec![data(1_000, PLAIN, 1_100 * MIB, gigabyte.clone())])
        }),
        bomb("gzip page of 1.1 GB, as pages of 50 MiB", "too_large", "limits.decompressed_bytes", {
            let page = data(rows_of(50), PLAIN, 50 * MIB, gzip_zeros(50));
            bytes(rows_of(1_100), gzip_codec, gzip, vec![page; 22])
        }),
        bomb("gzip page of 1.1 GB that says 8 KiB", "corrupt", "does not decompress to the 8192 bytes", {
            bytes(1_024, gzip_codec, gzip, vec![data(1_024, PLAIN, 8_192, gigabyte.clone())])
        }),
        bomb(
            "gzip dictionary of 1.1 GB that says 8 bytes",
            "corrupt",
            "does not decompress to the 8 bytes",
            {
                let pages = vec![dictionary(1, 8, gigabyte), data(4, RLE_DICTIONARY, 2, gzip(&[0, 8]))];
                bytes(4, gzip_codec, gzip, pages)
            },
        ),
        bomb("snappy page of a few bytes that says 2 GB", "too_large", "a page that decompresses to", {
            let page = data(1_000, PLAIN, 2_000 * MIB, snappy(&[0; 64]));
            bytes(1_000, Compression::SNAPPY, snappy, vec![page])
        }),
        bomb(
            "snappy page of a few bytes that says 60 MiB",
            "corrupt",
            "cannot be 62914560 bytes of SNAPPY",
            {
                bytes(
                    1_000,
                    Compression::SNAPPY,
                    snappy,
                    vec![data(1_000, PLAIN, 60 * MIB, snappy(&[0; 64]))],
                )
            },
        ),
        bomb(
            "snappy page with more values than bytes",
            "corrupt",
            "does not decompress to the 4096 bytes",
            bytes(512, Compression::SNAPPY, snappy, vec![data(512, PLAIN, 4_096, snappy(&[0; 4_000]))]),
        ),
        bomb("zstd page of 48 MiB that says 8 KiB", "corrupt", "zstd", {
            bytes(1_024, zstd_codec, zstd, vec![data(1_024, PLAIN, 8_192, zstd(&zeros))])
        }),
        bomb("a page of 48 MiB in each of eight columns", "too_large", "bytes at a time", {
            file(rows_of(48), gzip_codec, &everywhere)
        }),
        bomb("a dictionary of 2^31 numbers", "corrupt", "a dictionary of 2147483647 values", {
            let pages =
                vec![dictionary(i64::from(i32::MAX), 8, vec![0; 8]), data(4, RLE_DICTIONARY, 2, vec![0, 8])];
            bytes(4, Compression::UNCOMPRESSED, <[u8]>::to_vec, pages)
        }),
        bomb("a dictionary of 15 million empty texts", "too_large", "bytes at a time", {
            let empty = data(4, RLE_DICTIONARY, 2, vec![0, 8]);
            addresses(4, "binary", vec![dictionary(15 << 20, 60 * MIB, vec![0; 60 << 20]), empty])
        }),
        bomb("one long text in a dictionary, 8000 times", "corrupt", "a text of 160000 bytes", {
            let size = long_dictionary.len() as i64;
            let mut runs = vec![0];
            varint(8_000 << 1, &mut runs);
            let runs = data(8_000, RLE_DICTIONARY, runs.len() as i64, runs);
            addresses(
                8_100,
                "binary",
                vec![dictionary(1, size, long_dictionary), runs, plain("10.0.0.1", 100)],
            )
        }),
        bomb("one long text, and 7999 that keep it", "corrupt", "a text of 160000 bytes", {
            addresses(8_000, "binary", vec![data(8_000, DELTA_BYTE_ARRAY, prefixes.len() as i64, prefixes)])
        }),
        bomb("2^40 lengths", "corrupt", "1099511627776 lengths of 4 values", {
            let page = data(4, DELTA_LENGTH_BYTE_ARRAY, lengths_2_40.len() as i64, lengths_2_40.clone());
            addresses(4, "binary", vec![page])
        }),
        bomb("2^40 prefixes", "corrupt", "1099511627776 lengths of 4 values", {
            addresses(4, "binary", vec![data(4, DELTA_BYTE_ARRAY, lengths_2_40.len() as i64, lengths_2_40)])
        }),
        bomb("120 million lengths in six bytes", "too_large", "bytes at a time", {
            let lengths = same_lengths(0, 120 << 20);
            let pages = vec![data(120 << 20, DELTA_LENGTH_BYTE_ARRAY, lengths.len() as i64, lengths)];
            let one = || vec![data(120 << 20, RLE_DICTIONARY, 2, vec![0, 8])];
            let columns = [
                ("required binary srcaddr", pages),
                (
                    "required binary dstaddr",
                    [vec![dictionary(1, 5, b"\x01\0\0\0-".to_vec())], one()].concat(),
                ),
                ("required int64 bytes", [vec![dictionary(1, 8, vec![0; 8])], one()].concat()),
            ];
            file(120 << 20, Compression::UNCOMPRESSED, &columns)
        }),
        bomb("two billion rows in a run", "too_large", "limits.decompressed_bytes", {
            let rows = i64::from(i32::MAX);
            let pages = vec![dictionary(1, 8, vec![0; 8]), data(rows, RLE_DICTIONARY, 2, vec![0, 8])];
            bytes(rows, Compression::UNCOMPRESSED, <[u8]>::to_vec, pages)
        }),
        bomb("addresses of 1 GB each, all null", "schema", "column srcaddr", {
            addresses(4, "fixed_len_byte_array(1000000000)", vec![data(4, PLAIN, 0, vec![])])
        }),
        bomb("a row group of one page, a thousand times", "corrupt", "shares its bytes with others", {
            let one = bytes(8, gzip_codec, gzip, vec![data(8, PLAIN, 64, gzip(&[1; 64]))]);
            same_row_group(one, 1_000)
        }),
        bomb("a page header with 8 GB of statistics", "corrupt", "a page header", header_only),
        bomb("a schema of 4000 levels", "too_large", "levels of nesting", footer(&deep)),
        bomb("a footer of five million notes", "too_large", "list elements", footer(&wide)),
    ]
}

fn limits() -> DigestLimits {
    DigestLimits { decompressed_bytes: 2 << 30, bad_rows: 0 }
}

/// Highest resident memory so far, from a process's `status`.
fn peak(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// A command that may not have more than so much address space.
fn bounded(program: &Path) -> Command {
    let mut command = Command::new("sh");
    // Threads keep heaps of their own in the address space, whether they use them or not.
    command.env("MALLOC_ARENA_MAX", "2").env("RUST_MIN_STACK", "2097152");
    command.arg("-c").arg(format!("ulimit -v {ADDRESS_SPACE} && exec \"$0\" \"$@\" 2>&1")).arg(program);
    command
}

const ONE: &str = "FLOWCOST_TEST_BOMB";

/// Runs in a process of its own, started by the test below; alone it does nothing.
#[test]
fn one_bomb() {
    let Ok(path) = std::env::var(ONE) else { return };
    let input = Input::Whole(fs::read(path).unwrap().into());
    let began = Instant::now();
    let settled =
        panic::catch_unwind(AssertUnwindSafe(|| digest(input, &origin(), &classifier(), &limits())));
    let said = match settled {
        Ok(Settlement::Quarantined(why)) => format!("{}: {}", why.reason.as_str(), why.detail),
        Ok(other) => format!("{other:?}"),
        Err(_) => "panicked".to_owned(),
    };
    println!("\nBOMB\t{said}\t{}\t{}", peak("self"), began.elapsed().as_millis());
}

/// What came of a file in a process of its own: the settlement, resident bytes at most, milliseconds.
fn measured(file: &[u8]) -> Result<(String, u64, u64), String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.parquet");
    fs::write(&path, file).unwrap();
    let output = bounded(&std::env::current_exe().unwrap())
        .args(["bombs::one_bomb", "--exact", "--nocapture"])
        .env(ONE, &path)
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().find_map(|line| line.strip_prefix("BOMB\t"));
    let words: Vec<&str> = line.unwrap_or_default().split('\t').collect();
    let [said, peak, took] = words[..] else { return Err(format!("{} {stdout}", output.status)) };
    Ok((said.to_owned(), peak.parse().unwrap(), took.parse().unwrap()))
}

#[test]
fn every_bomb_is_refused_within_its_memory() {
    let mut wrong = String::new();
    for bomb in bombs() {
        match measured(&bomb.file) {
            Ok((said, peak, took)) => {
                println!("{}, {} bytes: {said}; {} MiB, {took} ms", bomb.name, bomb.file.len(), peak >> 20);
                let expected = said.starts_with(bomb.reason) && said.contains(bomb.says);
                if !expected || peak > RESIDENT || took > 10_000 {
                    let _ = writeln!(wrong, "{}: {said}, {} MiB, {took} ms", bomb.name, peak >> 20);
                }
            }
            Err(error) => drop(writeln!(wrong, "{}: {error}", bomb.name)),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The most that is read stays within the same memory: pages and dictionaries as large as they may be.
#[test]
fn what_is_just_let_through_stays_within_the_memory() {
    let rows = 60 * MIB / 8;
    let zeros = vec![0_u8; 60 << 20];
    let page = || vec![data(rows, PLAIN, 60 * MIB, gzip(&zeros))];
    let addresses = || {
        let one = [&8_u32.to_le_bytes()[..], b"10.0.0.1"].concat();
        let mut runs = vec![0];
        varint(u64::try_from(rows).unwrap() << 1, &mut runs);
        vec![dictionary(1, 12, gzip(&one)), data(rows, RLE_DICTIONARY, runs.len() as i64, gzip(&runs))]
    };
    let columns = [
        ("required binary srcaddr", addresses()),
        ("required binary dstaddr", addresses()),
        ("required int64 bytes", page()),
        ("required int64 packets", page()),
    ];
    let pages = file(rows, Compression::GZIP(Default::default()), &columns);

    let names: Vec<u8> = (0..1_500_000)
        .flat_map(|at| [&8_u32.to_le_bytes()[..], format!("{at:08}").as_bytes()].concat())
        .collect();
    let mut keys = vec![21];
    for key in 0..100_u32 {
        varint(8_192 << 1, &mut keys);
        keys.extend(&(key * 14_999).to_le_bytes()[..3]);
    }
    let rows = 819_200;
    let column = || {
        vec![dictionary(1, 12, [&8_u32.to_le_bytes()[..], b"10.0.0.1"].concat()), {
            let mut runs = vec![0];
            varint(819_200 << 1, &mut runs);
            data(rows, RLE_DICTIONARY, runs.len() as i64, runs)
        }]
    };
    let columns = [
        (
            "required binary interface_id",
            vec![
                dictionary(1_500_000, names.len() as i64, names),
                data(rows, RLE_DICTIONARY, keys.len() as i64, keys),
            ],
        ),
        ("required binary srcaddr", column()),
        ("required binary dstaddr", column()),
        (
            "required int64 bytes",
            vec![dictionary(1, 8, vec![0; 8]), data(rows, RLE_DICTIONARY, 4, vec![0, 0x80, 0x80, 0x64])],
        ),
    ];
    let dictionaries = file(rows, Compression::UNCOMPRESSED, &columns);

    for (name, file) in [("pages", pages), ("dictionaries", dictionaries)] {
        let (said, peak, took) = measured(&file).unwrap();
        println!("{name}: {} bytes, {} MiB, {took} ms", file.len(), peak >> 20);
        assert!(said.starts_with("Counted"), "{name}: {said}");
        assert!(peak < RESIDENT, "{name}: {} MiB", peak >> 20);
    }
}

/// The program itself, with all bombs and one sound file in a folder.
#[test]
fn the_program_sets_every_bomb_aside_and_counts_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let day = time::OffsetDateTime::from_unix_timestamp(now as i64).unwrap();
    let (year, month, day) = (day.year(), u8::from(day.month()), day.day());
    let folder = dir
        .path()
        .join(format!("logs/AWSLogs/123456789012/vpcflowlogs/ap-northeast-1/{year:04}/{month:02}/{day:02}"));
    fs::create_dir_all(&folder).unwrap();
    let name = |at: usize| {
        let stamp = format!("{year:04}{month:02}{day:02}T0000Z");
        folder.join(format!("123456789012_vpcflowlogs_ap-northeast-1_fl-1234_{stamp}_{at:08x}.log.parquet"))
    };
    let bombs = bombs();
    for (at, bomb) in bombs.iter().enumerate() {
        fs::write(name(at), &bomb.file).unwrap();
    }
    fs::write(name(bombs.len()), &files("parquet")["pyarrow-v1-gzip"]).unwrap();
    let config = dir.path().join("flowcost.toml");
    let logs = dir.path().join("logs").display().to_string();
    let state = dir.path().join("flowcost.db").display().to_string();
    let text = format!(
        "[state]\npath = \"{state}\"\n[[source]]\nname = \"bombs\"\nurl = \"file://{logs}/\"\n\
         region = \"ap-northeast-1\"\n[[zone]]\nname = \"a\"\ncidrs = [\"10.0.0.0/16\"]\n\
         [prices]\ninternet_egress = 0.1\n"
    );
    fs::write(&config, text).unwrap();
    let mut program = bounded(Path::new(env!("CARGO_BIN_EXE_flowcost-exporter")))
        .args(["serve", "--web.listen-address", "127.0.0.1:0", "--config.file"])
        .arg(&config)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut quarantined, mut ready, mut log) = (0, String::new(), String::new());
    for line in BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap) {
        quarantined += usize::from(line.contains("object quarantined"));
        let _ = writeln!(log, "{line}");
        if line.contains("first full scan committed") {
            ready = line;
            break;
        }
    }
    let peak = (!ready.is_empty()).then(|| peak(&program.id().to_string()));
    let _ = program.kill();
    program.wait().unwrap();
    println!("{quarantined} set aside, {} MiB at most; {ready}", peak.unwrap_or(0) >> 20);
    assert!(peak.is_some_and(|peak| peak < RESIDENT), "{peak:?} {log}");
    assert_eq!(quarantined, bombs.len(), "{log}");
    assert!(ready.contains("objects=1"), "{ready}");
}

#[test]
fn what_is_held_at_a_time_is_below_what_is_measured() {
    const { assert!(limits::PARQUET_OPEN_BYTES < RESIDENT) };
}
