//! Whether the tables of a file agree with each other. Pages of two ages (a file beside the write-ahead log of
//! another moment) can be a sound database that contradicts itself: then it is refused, not counted on.

use rusqlite::Connection;

use super::{book::Digest, load::unsigned};

/// What counted and empty objects there ever were, and what is known of them: such objects are never forgotten.
/// `sealed` may hold others as well. Version 1 did not keep counted ones apart there.
fn known(version: i32) -> String {
    let sealed = if version == 1 { "length(settled)" } else { "length(counted) + length(settled)" };
    format!(
        "SELECT
            (SELECT coalesce(sum(objects), 0) FROM object_count WHERE outcome IN ('counted', 'empty')),
            (SELECT count(*) FROM object WHERE outcome IN ('counted', 'empty')),
            (SELECT coalesce(sum({sealed}), 0) FROM sealed)"
    )
}

/// Tables that have a total and hours, and what they keep.
type Kept = &'static [(&'static str, &'static [&'static str])];

const TRAFFIC: &[&str] = &["flows", "packets", "bytes", "inter_az_bytes"];

const KEPT_1: Kept = &[("traffic", TRAFFIC), ("charge", &["bytes", "nano_usd"])];

const KEPT: Kept = &[
    ("traffic", TRAFFIC),
    ("charge", &["bytes", "unpriced_bytes", "nano_usd"]),
    ("doubt", &["bytes"]),
    ("contradiction", &["records"]),
    ("baseline_traffic", TRAFFIC),
    ("baseline_charge", &["bytes", "unpriced_bytes", "nano_usd"]),
];

/// Sums that are the same, told in two ways.
const SAME: [(&str, &str, &str); 3] = [
    (
        "sources",
        "SELECT sum(bytes) FROM source_total",
        "SELECT sum(bytes) FROM traffic_total t JOIN label_set l ON l.id = t.label_set_id
            WHERE l.nat_direction = 'none'",
    ),
    (
        "the charges of sources",
        "SELECT sum(nano_usd) FROM source_charge_total",
        "SELECT sum(nano_usd) FROM charge_total",
    ),
    (
        "unpriced bytes",
        "SELECT sum(bytes) FROM unpriced_total",
        "SELECT sum(unpriced_bytes) FROM charge_total",
    ),
];

/// The first contradiction of a file of some version, in words.
pub(super) fn contradiction(conn: &Connection, version: i32) -> rusqlite::Result<Option<String>> {
    let (ever, open, sealed) = conn.query_row(&known(version), [], |row| {
        Ok((unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?))
    })?;
    let known = open + sealed / Digest::BYTES as u64;
    if known < ever {
        return Ok(Some(format!("{ever} objects were counted but only {known} are known")));
    }
    let folded: bool = conn.query_row("SELECT folded_before IS NOT NULL FROM state", [], |row| row.get(0))?;
    for (table, columns) in if version == 1 { KEPT_1 } else { KEPT } {
        let sums = columns.iter().map(|column| format!("coalesce(sum({column}), 0)")).collect::<Vec<_>>();
        let sums = |kept: &str| -> rusqlite::Result<Vec<u64>> {
            conn.query_row(&format!("SELECT {} FROM {table}_{kept}", sums.join(", ")), [], |row| {
                (0..columns.len()).map(|column| unsigned(row, column)).collect()
            })
        };
        let (total, hours) = (sums("total")?, sums("hour")?);
        let agree = if folded {
            total.iter().zip(&hours).all(|(total, hours)| total >= hours)
        } else {
            total == hours
        };
        if !agree {
            return Ok(Some(format!(
                "the totals in {table}_total are not the sums of the hours in {table}_hour"
            )));
        }
    }
    for (what, one, other) in SAME.into_iter().filter(|_| version > 1) {
        let sum = |sql| conn.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        if sum(one)?.unwrap_or(0) != sum(other)?.unwrap_or(0) {
            return Ok(Some(format!("the totals of {what} are not those of all series")));
        }
    }
    Ok(None)
}
