//! Values that no flow can have: nothing wraps round, and who is set aside is told the row and the column.

use std::collections::BTreeMap;

use flowcost_exporter::model::{QuarantineReason, RecordOutcome, Settlement};

use crate::oracle::{
    Columns, OracleConfig, Part, Row, ZoneConfig,
    cases::{START, TOKYO},
    exporter::{self, Format},
    version_2,
};

fn config(bad_rows: u64) -> OracleConfig {
    OracleConfig {
        zones: vec![ZoneConfig {
            name: "a".to_owned(),
            cidrs: vec!["10.0.0.0/16".to_owned()],
            ..ZoneConfig::default()
        }],
        vantage: "every",
        prices: BTreeMap::from([("internet_egress", 1_000_000_000_000)]),
        bad_rows_per_object: bad_rows,
        ..OracleConfig::of_region(TOKYO)
    }
}

fn columns() -> Columns {
    let mut columns = version_2();
    columns.extend(["pkt_srcaddr", "pkt_dstaddr"]);
    columns
}

fn row() -> Row {
    Row {
        srcaddr: Some("10.0.0.1".to_owned()),
        dstaddr: Some("10.0.0.2".to_owned()),
        srcport: Some(4_000),
        dstport: Some(443),
        bytes: Some(100),
        packets: Some(1),
        start: Some(START),
        end: Some(START + 60),
        action: Some("ACCEPT".to_owned()),
        log_status: Some("OK".to_owned()),
        ..Row::default()
    }
}

/// Some sound rows, then this one, then sound rows again; several batches of them.
fn settle(at: usize, change: impl Fn(&mut Row), bad_rows: u64) -> Settlement {
    let mut rows = vec![row(); 10_000];
    change(&mut rows[at]);
    let part = Part::hour(START);
    let [parquet, text] =
        Format::ALL.map(|format| exporter::settle(&rows, &columns(), part, (format, 0), &config(bad_rows)));
    assert_eq!(parquet, text, "both formats say the same");
    parquet
}

type Change = fn(&mut Row);

#[test]
fn an_absurd_value_is_named_with_its_row_and_column() {
    let cases: [(Change, &str); 12] = [
        (|row| row.bytes = Some(-5), "column bytes: -5"),
        (|row| row.bytes = Some(i64::MIN), "column bytes: no 64-bit integer"),
        (|row| row.bytes = None, "column bytes: no value"),
        (|row| row.packets = Some(-1), "column packets: -1"),
        (|row| row.srcport = Some(70_000), "column srcport: 70000"),
        (|row| row.dstport = Some(-1), "column dstport: -1"),
        (|row| row.dstport = Some(i64::MAX), "column dstport: 9223372036854775807"),
        (|row| row.srcaddr = Some("10.0.0.256".to_owned()), "column srcaddr: no address"),
        (|row| row.pkt_srcaddr = Some("ten".to_owned()), "column pkt_srcaddr: no address"),
        (|row| row.pkt_dstaddr = Some("1::2::3".to_owned()), "column pkt_dstaddr: no address"),
        (|row| row.srcaddr = None, "columns srcaddr and pkt_srcaddr: no value"),
        (|row| row.dstaddr = Some("-".to_owned()), "columns dstaddr and pkt_dstaddr: no value"),
    ];
    for (change, says) in cases {
        for at in [0, 8_191, 9_999] {
            let Settlement::Quarantined(why) = settle(at, change, 0) else { panic!("{says}") };
            let detail =
                format!("1 bad rows or more; limits.bad_rows_per_object is 0; the first is row {at}: {says}");
            assert_eq!((why.reason, why.detail), (QuarantineReason::BadRows, detail));
        }
        let Settlement::Counted(delta) = settle(5_000, change, 1) else { panic!("{says}") };
        assert_eq!(delta.records.get(RecordOutcome::Bad), 1, "{says}");
        assert_eq!(delta.records.get(RecordOutcome::Counted), 9_999, "{says}");
    }
}

#[test]
fn a_sum_that_does_not_fit_names_the_row_and_the_column() {
    let cases: [(Change, &str); 3] = [
        (|row| row.bytes = Some(i64::MAX), "row 9000: the sum of column bytes"),
        (|row| row.packets = Some(i64::MAX), "row 9000: the sum of column packets"),
        (
            |row| {
                row.dstaddr = Some("8.8.8.8".to_owned());
                row.bytes = Some(i64::MAX);
            },
            "the cost of the sum of column bytes",
        ),
    ];
    for (change, says) in cases {
        let Settlement::Quarantined(why) = settle(9_000, change, 0) else { panic!("{says}") };
        let detail = format!("{says} is larger than a 64-bit integer");
        assert_eq!((why.reason, why.detail), (QuarantineReason::Overflow, detail));
    }
}

/// Times are labels, not sums: none is absurd enough to set the object aside.
#[test]
fn times_cannot_overflow() {
    let cases: [Change; 5] = [
        |row| row.end = Some(i64::MAX),
        |row| row.end = Some(i64::MIN + 2),
        |row| row.end = Some(START - 3_600),
        |row| (row.start, row.end) = (Some(i64::MAX), None),
        |row| (row.start, row.end) = (Some(i64::MIN), Some(-1)),
    ];
    for change in cases {
        let Settlement::Counted(delta) = settle(9_999, change, 0) else { panic!() };
        assert_eq!(delta.records.get(RecordOutcome::Counted), 10_000);
    }
}
