//! Whether the tables of a file agree with each other. Pages of two ages (a file beside the write-ahead log of
//! another moment) can be a sound database that contradicts itself: then it is refused, not counted on.

use rusqlite::Connection;

use super::{book::Digest, load::unsigned};

/// What counted and empty objects there ever were, and what is known of them: such objects are never forgotten.
/// `sealed` may hold others as well.
const KNOWN: &str = "SELECT
    (SELECT coalesce(sum(objects), 0) FROM object_count WHERE outcome IN ('counted', 'empty')),
    (SELECT count(*) FROM object WHERE outcome IN ('counted', 'empty')),
    (SELECT coalesce(sum(length(settled)), 0) FROM sealed)";

/// Sums of all series: by total, by hour.
const SUMS: [(&str, &str); 2] = [
    (
        "SELECT coalesce(sum(flows), 0), coalesce(sum(packets), 0), coalesce(sum(bytes), 0),
            coalesce(sum(inter_az_bytes), 0) FROM traffic_",
        "traffic",
    ),
    ("SELECT coalesce(sum(bytes), 0), coalesce(sum(nano_usd), 0), 0, 0 FROM charge_", "charges"),
];

/// The first contradiction, in words. Uses only what every version of the file has.
pub(super) fn contradiction(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let (ever, open, sealed) =
        conn.query_row(KNOWN, [], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?)))?;
    let known = open + sealed / Digest::BYTES as u64;
    if known < ever {
        return Ok(Some(format!("{ever} objects were counted but only {known} are known")));
    }
    let folded: bool = conn.query_row("SELECT folded_before IS NOT NULL FROM state", [], |row| row.get(0))?;
    for (sql, what) in SUMS {
        let sums = |table: &str| -> rusqlite::Result<[u64; 4]> {
            conn.query_row(&format!("{sql}{table}"), [], |row| {
                Ok([unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?, unsigned(row, 3)?])
            })
        };
        let (total, hours) = (sums("total")?, sums("hour")?);
        let agree = if folded {
            total.iter().zip(&hours).all(|(total, hours)| total >= hours)
        } else {
            total == hours
        };
        if !agree {
            return Ok(Some(format!("the totals of {what} are not the sums of its hours")));
        }
    }
    Ok(None)
}
