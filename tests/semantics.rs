//! What one record means: every case of section 5, through real files of both formats and the real digest.

use crate::oracle::{
    cases::{self, PARTS},
    exporter::{self, Format},
};

/// 0 is the plain way to write a file; the others mix types, codecs, names and order.
const SHAPES: [u64; 6] = [0, 1, 2, 3, 4, 5];

fn check(part: &str) {
    let mut wrong = Vec::new();
    for case in cases::table(part) {
        let want = case.expect.tables(&case);
        let ways = Format::ALL.into_iter().flat_map(|format| SHAPES.map(|shape| (format, shape)));
        for way in ways {
            let settlement =
                exporter::settle(&case.rows, &case.columns, cases::part(&case), way, &case.config);
            let got = exporter::tables(&settlement);
            if got != want {
                let why = if got.quarantined { format!("{settlement:?}") } else { format!("{got:?}") };
                wrong.push(format!("{} ({way:?})\n  want {want:?}\n  got  {why}", case.name));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn columns_nulls_bad_rows_and_outcomes() {
    check("columns");
}

#[test]
fn zone_of_an_endpoint() {
    check("zones");
}

#[test]
fn nat_legs() {
    check("nat");
}

#[test]
fn vantage() {
    check("vantage");
}

#[test]
fn port_groups() {
    check("ports");
}

#[test]
fn charges_and_money() {
    check("charges");
}

#[test]
fn hour_of_a_record() {
    check("time");
}

#[test]
fn no_part_is_left_out() {
    assert_eq!(PARTS, ["columns", "zones", "nat", "vantage", "ports", "charges", "time"]);
}
