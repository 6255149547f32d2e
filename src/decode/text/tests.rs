use std::{io::Write as _, net::IpAddr};

use bytes::Bytes;
use flate2::{Compression, GzBuilder, write::GzEncoder};

use super::*;
use crate::{
    decode::{
        Action, AddrCell, DictColumn, Field, IntColumn, LogStatus, Reader, SparseBytes, TextColumn,
        encode::{Column, Record, text_gz},
    },
    model::{IgnoreReason, Quarantine},
};

const LIMITS: DecodeLimits = DecodeLimits { decompressed_bytes: 64 << 20 };

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    file.write_all(text.as_ref()).unwrap();
    file.finish().unwrap()
}

fn gzips(members: &[&str]) -> Vec<u8> {
    members.iter().flat_map(gzip).collect()
}

fn read_within(file: Vec<u8>, limits: &DecodeLimits) -> Result<Vec<FlowBatch>, DecodeError> {
    let mut reader = Reader::open(Input::Whole(file.into()), limits)?;
    let mut batches = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        assert!((1..=limits::BATCH_ROWS).contains(&batch.rows));
        batches.push(batch);
    }
    Ok(batches)
}

fn read(file: Vec<u8>) -> Result<Vec<FlowBatch>, DecodeError> {
    read_within(file, &LIMITS)
}

fn read_one(file: Vec<u8>) -> FlowBatch {
    let mut batches = read(file).unwrap();
    assert_eq!(batches.len(), 1);
    batches.remove(0)
}

fn refused(file: Vec<u8>) -> Quarantine {
    match read(file) {
        Err(DecodeError::Quarantine(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

fn ints(column: &IntColumn) -> Vec<Option<i64>> {
    let value = |cell| match cell {
        IntCell::Value(value) => Some(value),
        IntCell::Null => None,
        IntCell::Bad => panic!("a bad cell"),
    };
    (0..column.len()).map(|row| value(column.get(row))).collect()
}

fn cells<T: Clone>(column: &Option<DictColumn<T>>) -> Vec<T> {
    let column = column.as_ref().unwrap();
    (0..column.index.len()).map(|row| column.get(row).clone()).collect()
}

fn words(column: &Option<TextColumn>) -> Vec<Option<String>> {
    cells(column).into_iter().map(|cell| cell.map(|word| word.to_string())).collect()
}

fn ip(text: &str) -> AddrCell {
    AddrCell::Ip(text.parse::<IpAddr>().unwrap())
}

/// The bytes of all rows of all batches.
fn all_bytes(file: Vec<u8>) -> Vec<Option<i64>> {
    read(file).unwrap().iter().flat_map(|batch| ints(batch.bytes.as_ref().unwrap())).collect()
}

const HEAD: &str = "srcaddr dstaddr bytes";

fn lines(range: std::ops::Range<i64>) -> String {
    range.map(|bytes| format!("10.0.0.1 10.0.0.2 {bytes}\n")).collect()
}

#[test]
fn the_default_format() {
    let batch = read_one(gzip(
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n\
         2 123456789012 eni-1 10.0.0.1 2001:db8::1 443 40000 6 3 1500 1765274400 1765274459 ACCEPT OK\n\
         2 123456789012 eni-2 10.0.0.1 10.0.0.2 22 - 6 1 40 1765274400 1765274459 REJECT OK\n\
         2 123456789012 eni-1 - - - - - - - 1765274400 1765274459 - NODATA\n",
    ));
    assert_eq!((batch.rows, batch.first_row), (3, 0));
    assert!(batch.malformed.is_empty());
    assert_eq!(cells(&batch.srcaddr), [ip("10.0.0.1"), ip("10.0.0.1"), AddrCell::Null]);
    assert_eq!(cells(&batch.dstaddr), [ip("2001:db8::1"), ip("10.0.0.2"), AddrCell::Null]);
    assert_eq!(ints(batch.srcport.as_ref().unwrap()), [Some(443), Some(22), None]);
    assert_eq!(ints(batch.dstport.as_ref().unwrap()), [Some(40_000), None, None]);
    assert_eq!(ints(batch.packets.as_ref().unwrap()), [Some(3), Some(1), None]);
    assert_eq!(ints(batch.bytes.as_ref().unwrap()), [Some(1500), Some(40), None]);
    assert_eq!(ints(batch.end.as_ref().unwrap()), [Some(1_765_274_459); 3]);
    assert_eq!(cells(&batch.action), [Action::Accept, Action::Reject, Action::Accept]);
    assert_eq!(cells(&batch.log_status), [LogStatus::Ok, LogStatus::Ok, LogStatus::NoData]);
    assert_eq!(words(&batch.interface_id), ["eni-1", "eni-2", "eni-1"].map(|id| Some(id.to_owned())));
    assert_eq!(batch.interface_id.unwrap().values.len(), 2, "a value is there once");
    assert!(batch.pkt_srcaddr.is_none() && batch.az_id.is_none());
}

#[test]
fn any_subset_in_any_order_under_either_spelling() {
    for (header, line) in [
        ("bytes srcaddr dstaddr", "7 10.0.0.1 10.0.0.2"),
        ("bytes pkt-srcaddr vpc-id pkt-dstaddr", "7 10.0.0.1 vpc-1 10.0.0.2"),
        ("pkt_dst_addr bytes pkt_src_addr from-2031", "10.0.0.2 7 10.0.0.1 x"),
        ("dst_addr from-2031 and-2032 and-2033 and-2034 src_addr bytes", "10.0.0.2 a b c d 10.0.0.1 7"),
    ] {
        let batch = read_one(gzip(format!("{header}\n{line}\n")));
        let src = if batch.srcaddr.is_some() { &batch.srcaddr } else { &batch.pkt_srcaddr };
        let dst = if batch.dstaddr.is_some() { &batch.dstaddr } else { &batch.pkt_dstaddr };
        assert_eq!(
            (cells(src), cells(dst), ints(batch.bytes.as_ref().unwrap())),
            (vec![ip("10.0.0.1")], vec![ip("10.0.0.2")], vec![Some(7)]),
            "{header}"
        );
    }
}

#[test]
fn every_field_arrives_where_parquet_puts_it() {
    let record = Record {
        bytes: Some(5),
        srcaddr: Some([10, 0, 0, 1].into()),
        dstaddr: Some([10, 0, 0, 2].into()),
        az_id: Some("use1-az1".into()),
        traffic_path: Some(0),
        ..Record::default()
    };
    let records = [record.clone(), Record { traffic_path: Some(8), ..record }];
    let from_text = read_one(text_gz(&records, Column::ALL));
    let parquet = crate::decode::encode::parquet(&records, &Default::default()).unwrap();
    let from_parquet = read_one(parquet);
    let reader = Reader::open(Input::Whole(text_gz(&records, Column::ALL).into()), &LIMITS).unwrap();
    assert_eq!(reader.columns().iter().collect::<Vec<_>>(), Field::ALL);
    for field in Field::ALL {
        let shown =
            |batch: &FlowBatch| (0..batch.rows).map(|row| batch.shown(field, row)).collect::<Vec<_>>();
        assert!(shown(&from_text).iter().all(Option::is_some), "{field:?}");
        assert_eq!(shown(&from_text), shown(&from_parquet), "{field:?}");
    }
    assert_eq!(ints(from_text.traffic_path.as_ref().unwrap()), [None, Some(8)]);
}

#[test]
fn line_ends_of_all_kinds() {
    for text in [
        "srcaddr dstaddr bytes\n10.0.0.1 10.0.0.2 1\n10.0.0.1 10.0.0.2 2\n",
        "srcaddr dstaddr bytes\n10.0.0.1 10.0.0.2 1\n10.0.0.1 10.0.0.2 2",
        "srcaddr dstaddr bytes\r\n10.0.0.1 10.0.0.2 1\r\n10.0.0.1 10.0.0.2 2\r\n",
        "srcaddr dstaddr bytes\r\n10.0.0.1 10.0.0.2 1\r\n10.0.0.1 10.0.0.2 2\r",
        "\n\r\nsrcaddr dstaddr bytes\n\n\n10.0.0.1 10.0.0.2 1\r\n\r\n10.0.0.1 10.0.0.2 2\n\n",
    ] {
        assert_eq!(all_bytes(gzip(text)), [Some(1), Some(2)], "{text:?}");
    }
}

#[test]
fn objects_without_records() {
    for file in [
        gzip(""),
        gzip("\n\r\n\n"),
        gzip("srcaddr dstaddr bytes"),
        gzip("srcaddr dstaddr bytes\r\n"),
        gzips(&["", "", "srcaddr dstaddr bytes\n", "srcaddr dstaddr bytes\n", ""]),
        gzips(&["srcaddr dstaddr bytes\n", "bytes dstaddr srcaddr\n"]),
        [gzip(""), vec![0; 1024]].concat(),
    ] {
        assert_eq!(read(file).unwrap().len(), 0);
    }
}

#[test]
fn all_members_are_read() {
    let text = format!("{HEAD}\n{}", lines(0..100));
    let want: Vec<_> = (0..100).map(Some).collect();
    // Members may end anywhere, in the middle of a number too.
    for size in [1, 2, 3, 10, 21, 22, 23, 1000] {
        let file: Vec<u8> = text.as_bytes().chunks(size).flat_map(gzip).collect();
        assert_eq!(all_bytes(file), want, "{size}");
    }
    let wide = format!(
        "version vpc-id {HEAD} region az-id start end log-status\n2 v 10.0.0.1 10.0.0.2 7 r z 1 2 OK\n"
    );
    for at in 0..wide.len() {
        let (first, second) = wide.split_at(at);
        assert_eq!(all_bytes(gzips(&[first, second])), [Some(7)], "a header goes on too: {second:?}");
        let before = format!("{HEAD}\n{}", lines(1..2));
        let file = gzips(&[before.as_str(), first, second]);
        assert_eq!(all_bytes(file), [Some(1), Some(7)], "so does a later one: {second:?}");
        let file = gzips(&[before.trim_end(), first, second]);
        assert_eq!(all_bytes(file), [Some(1), Some(7)], "after a line without an end: {second:?}");
    }
    let with_all_headers = GzBuilder::new().filename("a").comment("b").extra(vec![1; 300]).mtime(7);
    let mut second = with_all_headers.write(Vec::new(), Compression::none());
    second.write_all(lines(50..100).as_bytes()).unwrap();
    let first = gzip(format!("{HEAD}\n{}", lines(0..50)));
    assert_eq!(all_bytes([first, gzip(""), second.finish().unwrap()].concat()), want);
}

#[test]
fn padding_is_accepted_and_anything_else_refused() {
    let whole = gzip(format!("{HEAD}\n{}", lines(0..3)));
    for zeros in [1, 7, 10_240] {
        assert_eq!(all_bytes([whole.clone(), vec![0; zeros]].concat()).len(), 3);
    }
    for (tail, part) in [
        (&b"x"[..], "gzip member 2"),
        (b"\x1f", "gzip member 2"),
        (b"\x1f\x8b\x08", "gzip member 2"),
        (b"10.0.0.1 10.0.0.2 4\n", "gzip member 2"),
        (b"\0\0\0x", "bytes after the end of gzip member 1"),
        (b"\0\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", "bytes after the end of gzip member 1"),
    ] {
        let why = refused([&whole[..], tail].concat());
        assert!(why.reason == QuarantineReason::Corrupt && why.detail.contains(part), "{tail:?}: {why}");
    }
}

/// Semantics 1.5.
#[test]
fn a_header_that_comes_again_is_no_record() {
    let other = "bytes vpc-id dstaddr srcaddr\n3 vpc-1 10.0.0.2 10.0.0.1\n4 vpc-1 10.0.0.2 10.0.0.1\n";
    let first = "srcaddr dstaddr bytes\n10.0.0.1 10.0.0.2 1\n10.0.0.1 10.0.0.2 2\n";
    let fifth = "srcaddr dstaddr bytes\n10.0.0.1 10.0.0.2 5\n";
    for (members, want) in [
        (&[first, first][..], &[1, 2, 1, 2][..]),
        (&[first, other], &[1, 2, 3, 4]),
        (&[first, other, fifth], &[1, 2, 3, 4, 5]),
        // Without the line end of the member before.
        (&[first.trim_end(), fifth], &[1, 2, 5]),
        (&[first.trim_end(), "", other.trim_end(), fifth], &[1, 2, 3, 4, 5]),
        (&[HEAD, first], &[1, 2]),
        (&[HEAD, first], &[1, 2]),
        // As many columns under other names: nothing but the header tells.
        (&[first, "bytes dstaddr srcaddr\n7 10.0.0.2 10.0.0.1\n"], &[1, 2, 7]),
        // With names of a version to come.
        (&[first, "a-1 b-2 c-3 d-4 e-5 bytes dstaddr srcaddr\n1 2 3 4 5 8 10.0.0.2 10.0.0.1\n"], &[1, 2, 8]),
    ] {
        let want: Vec<_> = want.iter().map(|bytes| Some(*bytes)).collect();
        assert_eq!(all_bytes(gzips(members)), want, "{members:?}");
        if members.iter().rev().skip(1).all(|member| member.ends_with('\n')) {
            assert_eq!(all_bytes(gzip(members.concat())), want, "in one member: {members:?}");
        }
    }
    let batches = read(gzips(&[first, other, fifth])).unwrap();
    let places: Vec<_> = batches.iter().map(|batch| (batch.first_row, batch.rows)).collect();
    assert_eq!(places, [(0, 2), (2, 2), (4, 1)], "headers are no rows");
    assert!(batches.iter().all(|batch| cells(&batch.srcaddr).iter().all(|cell| *cell == ip("10.0.0.1"))));
}

#[test]
fn a_later_header_that_cannot_be_used_is_refused_with_its_line() {
    let first = format!("{HEAD}\n{}", lines(0..2));
    for (later, part) in [
        ("srcaddr dstaddr packets\n", "line 4: no column bytes"),
        ("version tgw-id srcaddr dstaddr bytes\n", "line 4: a transit_gateway header"),
        ("srcaddr dstaddr bytes bytes\n", "line 4: two columns are called bytes"),
    ] {
        let why = refused(gzip(format!("{first}{later}")));
        assert_eq!((why.reason, why.detail.as_str()), (QuarantineReason::Schema, part));
    }
}

#[test]
fn more_headers_than_there_can_be_are_refused() {
    let twice = "srcaddr dstaddr bytes\nbytes srcaddr dstaddr\n";
    let most = limits::TEXT_HEADERS as usize;
    assert_eq!(read(gzip(twice.repeat(most / 2))).unwrap().len(), 0);
    assert_eq!(refused(gzip(twice.repeat(most / 2 + 1))).reason, QuarantineReason::Corrupt);
    let same = "srcaddr dstaddr bytes\n".repeat(most * 2);
    assert_eq!(read(gzip(same)).unwrap().len(), 0, "one and the same may come as often as it likes");
}

#[test]
fn more_columns_than_there_can_be_are_refused() {
    let most = limits::TEXT_COLUMNS - 3;
    let (names, values) = (" name".repeat(most), " value".repeat(most));
    assert_eq!(all_bytes(gzip(format!("{HEAD}{names}\n10.0.0.1 10.0.0.2 7{values}\n"))), [Some(7)]);
    let why = refused(gzip(format!("{HEAD}{names} name\n10.0.0.1 10.0.0.2 7{values} value\n")));
    assert_eq!((why.reason, why.detail.as_str()), (QuarantineReason::Schema, "more than 1000 columns"));
}

#[test]
fn schemas_that_are_refused_or_ignored() {
    for (header, detail) in [
        ("srcaddr dstaddr packets", "no column bytes"),
        ("version account-id bytes", "no column pkt_srcaddr or srcaddr"),
        ("srcaddr dstaddr bytes bytes", "two columns are called bytes"),
        ("2 123456789012 eni-1 10.0.0.1", "the first line is not a header: no column bytes"),
        (
            "srcaddr\tdstaddr\tbytes",
            "the first line is not a header: columns parted by tabs: part them by single spaces, without quotes",
        ),
    ] {
        let why = refused(gzip(format!("{header}\n")));
        assert_eq!((why.reason, why.detail.as_str()), (QuarantineReason::Schema, detail), "{header}");
    }
    let transit = "version resource-type account-id tgw-id tgw-attachment-id srcaddr dstaddr bytes\n";
    let ignored = read(gzip(transit)).unwrap_err();
    assert_eq!(ignored, DecodeError::Ignore(IgnoreReason::TransitGateway));
}

/// Such a record is bad whatever it says (semantics 1.14).
#[test]
fn a_line_with_another_number_of_fields_is_malformed() {
    for (line, malformed) in [
        ("10.0.0.1 10.0.0.2 7", false),
        ("10.0.0.1 10.0.0.2 -", false),
        ("10.0.0.1 10.0.0.2 ", false),
        ("- - -", false),
        ("10.0.0.1 10.0.0.2", true),
        ("10.0.0.1 10.0.0.2 7 8", true),
        ("10.0.0.1 10.0.0.2 7 ", true),
        (" 10.0.0.1 10.0.0.2 7", true),
        ("10.0.0.1  10.0.0.2 7", true),
        ("10.0.0.1\t10.0.0.2\t7", true),
        ("10.0.0.1 10.0.0.2\t7", true),
        (" ", true),
        ("\0", true),
        ("\u{feff}", true),
        ("bytes of an unknown kind", true),
    ] {
        let batch = read_one(gzip(format!("{HEAD}\n10.0.0.1 10.0.0.2 1\n{line}\n10.0.0.1 10.0.0.2 3\n")));
        let want = if malformed { vec![false, true, false] } else { vec![] };
        assert_eq!(batch.malformed, want, "{line:?}");
        assert_eq!(batch.rows, 3, "{line:?}");
        let bytes = ints(batch.bytes.as_ref().unwrap());
        assert_eq!((bytes[0], bytes[2]), (Some(1), Some(3)), "{line:?}");
        assert_eq!(cells(&batch.srcaddr).len(), 3);
    }
}

#[test]
fn numbers_that_are_none_are_marked() {
    for (bytes, cell) in [
        ("x", IntCell::Bad),
        ("1.5", IntCell::Bad),
        ("99999999999999999999", IntCell::Bad),
        ("-9223372036854775808", IntCell::Bad),
        ("-1", IntCell::Value(-1)),
        ("-", IntCell::Null),
        ("", IntCell::Null),
    ] {
        let batch = read_one(gzip(format!("packets srcaddr dstaddr bytes\n{bytes} 10.0.0.1 x {bytes}\n")));
        assert_eq!(batch.bytes.as_ref().unwrap().get(0), cell, "{bytes}");
        assert_eq!(batch.packets.unwrap().get(0), cell, "{bytes}");
        assert!(batch.malformed.is_empty());
        assert_eq!(*batch.dstaddr.unwrap().get(0), AddrCell::Bad);
    }
}

#[test]
fn batches_have_a_fixed_number_of_rows_and_know_their_place() {
    let rows = 2 * limits::BATCH_ROWS as i64 + 5;
    let batches = read(gzip(format!("{HEAD}\n{}", lines(0..rows)))).unwrap();
    let places: Vec<_> = batches.iter().map(|batch| (batch.first_row, batch.rows)).collect();
    let full = limits::BATCH_ROWS;
    assert_eq!(places, [(0, full), (full as u64, full), (2 * full as u64, 5)]);
    let bytes: Vec<_> = batches.iter().flat_map(|batch| ints(batch.bytes.as_ref().unwrap())).collect();
    assert_eq!(bytes, (0..rows).map(Some).collect::<Vec<_>>());
    let dictionary = |batch: &FlowBatch| batch.srcaddr.as_ref().unwrap().dictionary;
    assert!(batches.iter().all(|batch| dictionary(batch) == dictionary(&batches[0])), "it goes on");
    assert_eq!(batches[2].srcaddr.as_ref().unwrap().values.len(), 2, "a value is there once");
}

#[test]
fn a_batch_of_long_lines_is_a_small_one() {
    let long = "x".repeat(60_000);
    let text: String = (0..200).map(|row| format!("10.0.0.1 10.0.0.2 {row} {row}{long}\n")).collect();
    let batches = read(gzip(format!("{HEAD} interface-id\n{text}"))).unwrap();
    assert!(batches.len() >= 2 && batches.iter().all(|batch| batch.rows <= 71), "{}", batches.len());
    let ids: Vec<_> = batches.iter().flat_map(|batch| words(&batch.interface_id)).collect();
    let want = (0..200).map(|row| Some(format!("{row}{long}"))).collect::<Vec<_>>();
    assert!(ids == want, "values survive that their column begins anew");
}

#[test]
fn many_distinct_values_are_told_apart() {
    let rows = 3 * limits::INTERNED_VALUES as u32;
    let address = |row: u32| IpAddr::from((row % 50_000).to_be_bytes());
    let text: String = (0..rows).map(|row| format!("{} 10.0.0.2 {row}\n", address(row))).collect();
    let batches = read(gzip(format!("{HEAD}\n{text}"))).unwrap();
    let got: Vec<_> = batches.iter().flat_map(|batch| cells(&batch.srcaddr)).collect();
    let want: Vec<_> = (0..rows).map(|row| AddrCell::Ip(address(row))).collect();
    assert!(got == want);
}

#[test]
fn the_line_cap() {
    let filled = |bytes: usize| {
        let tail = " 10.0.0.1 10.0.0.2 7";
        format!("vpc-id {HEAD}\n{}{tail}\n", "v".repeat(bytes - tail.len()))
    };
    assert_eq!(all_bytes(gzip(filled(limits::TEXT_LINE_BYTES))), [Some(7)]);
    for text in [
        filled(limits::TEXT_LINE_BYTES + 1),
        filled(limits::TEXT_LINE_BYTES + 1).trim_end().to_owned(),
        filled(10 << 20),
        format!("{HEAD}\n{}", "\0".repeat(10 << 20)),
    ] {
        let why = refused(gzip(text));
        assert_eq!(
            (why.reason, why.detail.as_str()),
            (QuarantineReason::Corrupt, "line 2 is longer than 65536 bytes")
        );
    }
    let header = refused(gzip("x".repeat(limits::TEXT_LINE_BYTES + 1)));
    assert_eq!(header.detail, "line 1 is longer than 65536 bytes");
}

#[test]
fn the_output_cap() {
    let text = format!("{HEAD}\n{}", lines(0..1000));
    let cap = |bytes: usize| DecodeLimits { decompressed_bytes: bytes as u64 };
    assert_eq!(read_within(gzip(&text), &cap(text.len())).unwrap()[0].rows, 1000);
    match read_within(gzip(&text), &cap(text.len() - 1)) {
        Err(DecodeError::Quarantine(why)) => {
            assert_eq!(why.reason, QuarantineReason::TooLarge);
            assert_eq!(why.detail, format!("decompresses to more than {} bytes", text.len() - 1));
        }
        other => panic!("{other:?}"),
    }
    let members: Vec<u8> = text.as_bytes().chunks(100).flat_map(gzip).collect();
    assert!(read_within(members, &cap(text.len() - 1)).is_err(), "all members count");
}

#[test]
fn every_truncation_is_refused() {
    let members = gzips(&[&format!("{HEAD}\n{}", lines(0..3)), &lines(3..5)]);
    let first = gzip(format!("{HEAD}\n{}", lines(0..3))).len();
    for len in 1..members.len() {
        if len == first {
            // Nothing in the object tells; the store compares what came with what was announced.
            assert_eq!(all_bytes(members[..len].to_vec()).len(), 3);
            continue;
        }
        let why = refused(members[..len].to_vec());
        let reason = if len == 1 { QuarantineReason::Format } else { QuarantineReason::Corrupt };
        assert_eq!(why.reason, reason, "{len}: {why}");
    }
}

#[test]
fn checksum_and_length_are_verified() {
    let file = gzip(format!("{HEAD}\n{}", lines(0..3)));
    for at in file.len() - 8..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert_eq!(refused(changed).reason, QuarantineReason::Corrupt, "{at}");
    }
}

#[test]
fn a_sparse_object_is_read_across_its_parts_and_not_across_holes() {
    let file = Bytes::from(gzip(format!("{HEAD}\n{}", lines(0..500))));
    let middle = file.len() / 2;
    let whole = |from: usize| SparseBytes {
        len: file.len() as u64,
        chunks: [(0, file.slice(..middle)), (from as u64, file.slice(from..))].into(),
    };
    let read = |sparse| {
        let mut reader = Reader::open(Input::Sparse(sparse), &LIMITS)?;
        reader.next_batch().map(|batch| batch.unwrap().rows)
    };
    assert_eq!(read(whole(middle)).unwrap(), 500);
    assert!(matches!(
        read(whole(middle + 1)),
        Err(DecodeError::Quarantine(Quarantine { reason: QuarantineReason::Corrupt, .. }))
    ));
}

#[test]
fn headers_are_told_from_records() {
    use header::{Look, look};
    for line in [
        "version account-id interface-id srcaddr dstaddr srcport dstport",
        "region vpc_id az_id x y",
        "windowstart windowend flowlogstatus",
        "a b c d e f g bytes srcaddr dstaddr",
        "tgw-id tgw-attachment-id a b",
        "bytes",
    ] {
        assert_eq!(look(line.as_bytes()), Look::Header, "{line}");
    }
    for line in [
        "2 123456789012 eni-1 10.0.0.1 10.0.0.2 443 40000 6 3 1500 1765274400 1765274459 ACCEPT OK",
        "2 unknown eni-1 - - - - - - - 1765274400 1765274459 - NODATA",
        "us-east-1 vpc-1 use1-az1 bytes 10.0.0.1",
        "",
        "bytes? srcaddr? dstaddr",
        "SRCADDR DSTADDR BYTES",
    ] {
        assert_eq!(look(line.as_bytes()), Look::Record, "{line}");
    }
    for line in [
        "10.0.0.1 10.0.0.2 7srcaddr dstaddr bytes",
        "10.0.0.1 10.0.0.2 7 srcaddr dstaddr bytes",
        "\u{feff}version account-id interface-id",
        "srcaddr dstaddr\t bytes",
        "a b c d e srcaddr dstaddr",
    ] {
        assert_eq!(look(line.as_bytes()), Look::Fragment, "{line}");
    }
}

#[test]
fn a_header_that_is_not_whole_is_refused_with_its_line() {
    let first = format!("{HEAD}\n{}", lines(1..3));
    let first = first.trim_end();
    for text in [
        // In one member nothing tells where the record ends.
        format!("{first}bytes dstaddr srcaddr\n7 10.0.0.2 10.0.0.1\n"),
        format!("{first}{HEAD}\n10.0.0.1 10.0.0.2 7\n"),
    ] {
        let why = refused(gzip(text));
        assert_eq!(
            (why.reason, why.detail.as_str()),
            (QuarantineReason::Corrupt, "line 3: a header that is not whole")
        );
    }
    // A name that begins in one member and ends in the next, after a record that does, too.
    let wide = format!("{HEAD} packets\n10.0.0.1 10.0.0.2 1 1234");
    for cut in 1..4 {
        let (begin, end) = wide.split_at(wide.len() - cut);
        let file = gzips(&[begin, end, "pkt-", "srcaddr dstaddr bytes packets\n10.0.0.1 10.0.0.2 7 5\n"]);
        let batches = read(file).unwrap();
        assert_eq!(batches.len(), 2);
        assert_eq!(ints(batches[0].packets.as_ref().unwrap()), [Some(1234)], "the value is whole");
        assert!(batches[1].pkt_srcaddr.is_some() && batches[1].srcaddr.is_none());
    }
}
