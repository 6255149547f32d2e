use std::collections::HashMap;

use super::*;
use crate::{
    classify::{Rules, SourceScope},
    decode::{
        Direction,
        encode::{Column, EncodeOptions, Record, parquet},
    },
    model::PartitionSpan,
    pricing::PriceBook,
};

const START: Hour = Hour(490_354);

fn partition() -> Partition {
    Partition { bucket: "b".into(), prefix: "p/".into(), start: START, span: PartitionSpan::Day }
}

fn classifier() -> Classifier {
    let source = SourceScope { name: "logs".into(), region: "here".into() };
    Classifier::new(Rules::default(), &source, PriceBook::default(), None)
}

fn digested(records: &[Record], columns: &[Column]) -> ObjectDelta {
    counted(&parquet(records, &EncodeOptions { columns, ..EncodeOptions::default() }).unwrap())
}

fn counted(file: &[u8]) -> ObjectDelta {
    let classifier = classifier();
    let limits = DigestLimits { decompressed_bytes: 1 << 30, bad_rows: 0 };
    match digest(Input::Whole(file.to_vec().into()), &partition().into(), &classifier, &limits) {
        Settlement::Counted(delta) => delta,
        other => panic!("{other:?}"),
    }
}

fn record(bytes: i64, end: i64, az_id: u32) -> Record {
    Record {
        srcaddr: Some("10.0.0.1".parse().unwrap()),
        dstaddr: Some("10.0.0.2".parse().unwrap()),
        bytes: Some(bytes),
        packets: Some(2),
        end: Some(end),
        flow_direction: Direction::Egress,
        az_id: Some(format!("az-{az_id}").into()),
        ..Record::default()
    }
}

const COLUMNS: [Column; 7] = [
    Column::SrcAddr,
    Column::DstAddr,
    Column::Bytes,
    Column::Packets,
    Column::End,
    Column::FlowDirection,
    Column::AzId,
];

/// More zones in more hours than there are lanes for: sums go elsewhere now and then, and stay exact.
#[test]
fn sums_are_exact_however_many_there_are() {
    let mut random = fastrand::Rng::with_seed(3);
    let (mut expected, mut newest) = (HashMap::new(), 0);
    let records: Vec<Record> = (0..60_000)
        .map(|_| {
            let end = START.start().0 + random.i64(-80_000..160_000);
            let (bytes, az_id) = (random.i64(0..1 << 40), random.u32(0..20_000));
            let sum: &mut (u64, u64) = expected.entry((end.div_euclid(3_600), az_id)).or_default();
            *sum = (sum.0 + 1, sum.1 + bytes.unsigned_abs());
            newest = newest.max(end);
            record(bytes, end, az_id)
        })
        .collect();
    let delta = digested(&records, &COLUMNS);
    assert_eq!(delta.traffic.len(), expected.len());
    for ((hour, az_id), (flows, bytes)) in expected {
        let az: Arc<str> = format!("az-{az_id}").into();
        let series = Series {
            key: FlowKey {
                src_zone: az.clone(),
                dst_zone: "unknown".into(),
                port_group: "other".into(),
                nat_direction: crate::model::NatDirection::None,
            },
            src_az: Some(az),
            dst_az: None,
            relation: crate::model::Relation::Unknown,
        };
        let sum = FlowCounts { flows, packets: 2 * flows, bytes, inter_az_bytes: 0 };
        assert_eq!(delta.traffic.get(&(Hour(hour), series)), Some(&sum), "{hour} {az_id}");
    }
    // Semantics 9.3.
    assert_eq!(delta.newest_record, Some(Timestamp(newest)));
    assert_eq!(delta.records.get(RecordOutcome::Counted), 60_000);
}

/// Sums that come near the largest there is are added record by record: exact up to it, refused above it by name.
#[test]
fn sums_up_to_the_largest_are_exact_and_the_next_is_refused() {
    let at = START.start().0;
    let mut records: Vec<Record> = (0..20_000).map(|_| record(1, at, 1)).collect();
    records.push(record(i64::MAX - 20_010, at, 1));
    records.extend((0..10).map(|_| record(1, at, 1)));
    let delta = digested(&records, &COLUMNS);
    assert_eq!(delta.traffic.values().map(|sum| sum.bytes).collect::<Vec<_>>(), [i64::MAX as u64]);
    records.push(record(1, at, 1));
    let file = parquet(&records, &EncodeOptions { columns: &COLUMNS, ..EncodeOptions::default() }).unwrap();
    let classifier = classifier();
    let limits = DigestLimits { decompressed_bytes: 1 << 30, bad_rows: 0 };
    match digest(Input::Whole(file.into()), &partition().into(), &classifier, &limits) {
        Settlement::Quarantined(why) => {
            assert_eq!(why.reason, QuarantineReason::Overflow);
            assert!(why.detail.starts_with("row 20011: the sum of column bytes"), "{}", why.detail);
        }
        other => panic!("{other:?}"),
    }
}

/// `start` is passed over while every record has an `end`, and caught up with where one has none
/// (semantics 9.1): across batches, and anew in each row group.
#[test]
fn a_start_is_read_where_an_end_is_missing() {
    const ROWS: usize = 60_000;
    let lacks_end =
        |row: usize| matches!(row, 20_000 | 20_001 | 39_999 | 59_999) || (45_000..45_020).contains(&row);
    let hour = |row: usize| START.start().0 + 3_600 * (row as i64 % 5);
    let records: Vec<Record> = (0..ROWS)
        .map(|row| Record {
            start: Some(hour(row) + 3_600),
            end: (!lacks_end(row)).then_some(hour(row)),
            ..record(1, 0, 1)
        })
        .collect();
    let mut expected: HashMap<Hour, u64> = HashMap::new();
    for row in 0..ROWS {
        let at = if lacks_end(row) { hour(row) + 3_600 } else { hour(row) };
        *expected.entry(Hour::of(Timestamp(at))).or_default() += 1;
    }
    let columns = [&COLUMNS[..], &[Column::Start]].concat();
    for row_group_rows in [40_000, 7_000, 100_000] {
        for dictionaries in [true, false] {
            let options =
                EncodeOptions { columns: &columns, row_group_rows, dictionaries, ..EncodeOptions::default() };
            let delta = counted(&parquet(&records, &options).unwrap());
            let flows: HashMap<Hour, u64> =
                delta.traffic.iter().map(|((hour, _), sum)| (*hour, sum.flows)).collect();
            assert_eq!(flows, expected, "{row_group_rows} {dictionaries}");
        }
    }
}

/// Row groups whose dictionaries are alike in size and place and differ in what they say: what was learned of one is never
/// taken for another's, whoever reads it.
#[test]
fn a_dictionary_is_never_taken_for_another() {
    let mut expected: HashMap<String, u64> = HashMap::new();
    let records: Vec<Record> = (0..40_000_u32)
        .map(|row| {
            let az_id = row / 500 * 3 + row % 10;
            *expected.entry(format!("az-{az_id}")).or_default() += u64::from(row);
            record(i64::from(row), START.start().0, az_id)
        })
        .collect();
    for row_group_rows in [500, 1_000, 4_500] {
        for dictionaries in [true, false] {
            let options =
                EncodeOptions { columns: &COLUMNS, row_group_rows, dictionaries, ..EncodeOptions::default() };
            let delta = counted(&parquet(&records, &options).unwrap());
            let bytes: HashMap<String, u64> = delta
                .traffic
                .iter()
                .map(|((_, series), sum)| (series.key.src_zone.to_string(), sum.bytes))
                .collect();
            assert_eq!(bytes, expected, "{row_group_rows} {dictionaries}");
        }
    }
}

/// A record between two AZs that go by their ids.
fn hop(number: u32, of: u32, end: i64) -> Record {
    Record { next_hop_az_id: Some(format!("az-{}", number / of).into()), ..record(1, end, number % of) }
}

/// So many sums that there are no lanes for a second hour: what belongs to others is summed record by record.
#[test]
fn hours_without_lanes_lose_nothing() {
    let columns = [&COLUMNS[..], &[Column::NextHopAzId]].concat();
    let start = START.start().0;
    let mut records: Vec<Record> = (0..360 * 360).map(|number| hop(number, 360, start)).collect();
    records.extend((0..60).flat_map(|hour| [hop(0, 360, start + 3_600 * (hour % 40)), hop(1, 360, start)]));
    let delta = counted(
        &parquet(&records, &EncodeOptions { columns: &columns, ..EncodeOptions::default() }).unwrap(),
    );
    let mut flows: HashMap<Hour, u64> = HashMap::new();
    delta.traffic.iter().for_each(|((hour, _), sum)| *flows.entry(*hour).or_default() += sum.flows);
    for hour in 0..40 {
        let often = if hour < 20 { 2 } else { 1 };
        let expected = if hour == 0 { 360 * 360 + 60 + often } else { often };
        assert_eq!(flows.get(&Hour(START.0 + hour)), Some(&expected), "{hour}");
    }
    assert_eq!(flows.len(), 40);
}

#[test]
fn an_object_of_too_many_sums_is_refused() {
    let columns = [&COLUMNS[..], &[Column::NextHopAzId]].concat();
    let records: Vec<Record> = (0..520 * 520).map(|number| hop(number, 520, START.start().0)).collect();
    let file = parquet(&records, &EncodeOptions { columns: &columns, ..EncodeOptions::default() }).unwrap();
    let classifier = classifier();
    let limits = DigestLimits { decompressed_bytes: 1 << 30, bad_rows: 0 };
    match digest(Input::Whole(file.into()), &partition().into(), &classifier, &limits) {
        Settlement::Quarantined(why) => assert_eq!(why.reason, QuarantineReason::TooLarge),
        other => panic!("{other:?}"),
    }
}
