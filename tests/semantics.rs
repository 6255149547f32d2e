//! What one record means: every case of docs/semantics.md, through real files of both formats and
//! the real digest.

use crate::oracle::{
    cases::{self, PARTS},
    exporter::{self, Format},
    judge,
};

/// 0 is the plain way to write a file; the others mix types, codecs, names and order.
const SHAPES: [u64; 6] = [0, 1, 2, 3, 4, 5];

fn check(part: &str) {
    let mut wrong = Vec::new();
    for case in cases::table(part) {
        let ways = Format::ALL.into_iter().flat_map(|format| SHAPES.map(|shape| (format, shape)));
        for way in ways {
            let settlement = exporter::settle(&case.rows, &case.columns, case.part, way, &case.config);
            let got = exporter::without_nothing(exporter::tables(&settlement));
            // By hand only what the case is about is worked out; the oracle says the rest.
            let whole = exporter::without_nothing(judge(&case.rows, &case.columns, case.part, &case.config));
            let right = case.expect.check(&case, &got);
            if right.is_err() || got != whole {
                let why = right.err().unwrap_or_else(|| format!("  want {whole:?}\n  got  {got:?}"));
                let reason = if got.quarantined { format!("\n  {settlement:?}") } else { String::new() };
                wrong.push(format!("{} ({way:?})\n{why}{reason}", case.name));
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
fn what_a_bill_says_of_pods_and_services() {
    check("bill");
}

#[test]
fn ways_to_the_internet_and_to_other_regions() {
    check("internet");
}

#[test]
fn scopes_and_connections_of_vpcs() {
    check("vpcs");
}

#[test]
fn interfaces_and_what_they_teach() {
    check("interfaces");
}

#[test]
fn azs_and_regions_of_zones() {
    check("regions");
}

#[test]
fn address_ranges_of_aws() {
    check("ranges");
}

#[test]
fn small_inputs_that_went_wrong_once() {
    check("pages");
}

#[test]
fn no_part_is_left_out() {
    let own = include_str!("semantics.rs");
    let is_checked = |part: &&&str| own.contains(&format!("\n    check(\"{part}\");\n"));
    let left_out: Vec<_> = PARTS.iter().filter(|part| !is_checked(part)).collect();
    assert!(left_out.is_empty(), "no test checks {left_out:?}");
}
