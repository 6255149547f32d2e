//! The last transaction of a recount: staged rows take the place of the hours, totals and baseline follow, and every
//! counter gets what its sum has changed by as an adjustment, so that it stands still.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use rusqlite::{Connection, params};

use crate::{
    ledger::{
        book::Interner,
        counters::{Cause, Counter, adjust, sums},
        load,
    },
    model::{Charge, FlowKey, Hour, NanoUsd, Timestamp},
};

/// What a recount has changed of a label set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `None`: traffic.
    pub charge: Option<Charge>,
    /// The label set.
    pub key: FlowKey,
    /// Bytes, and money of a charge, before.
    pub before: (u64, NanoUsd),
    /// And after.
    pub after: (u64, NanoUsd),
}

/// Why there was no swap.
#[derive(Debug)]
pub(super) enum SwapError {
    Sqlite(rusqlite::Error),
    /// A sum leaves the range of the file.
    Overflow,
}

impl From<rusqlite::Error> for SwapError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The hours of the recount that are not skipped, of a table with a column `hour`.
const HOURS: &str = "hour >= ?1 AND hour < ?2 AND hour NOT IN
    (SELECT hour FROM recount_skipped WHERE recount_id = ?3)";

/// A table of hours, its totals, and where its new rows come from.
struct Swapped {
    hourly: &'static str,
    /// Keys of its rows beside the hour.
    keys: &'static str,
    values: &'static [&'static str],
    /// What the new rows are read from: it has all keys.
    staged: &'static str,
    totals: &'static [Totals],
}

/// Sums of the rows of a table of hours.
struct Totals {
    table: &'static str,
    keys: &'static [&'static str],
    /// Column of the total, and what is added up.
    values: &'static [(&'static str, &'static str)],
    /// Of the rows, with their labels.
    filter: &'static str,
    /// It says when it was last changed, and whether it is on /metrics.
    shown: bool,
}

const FLOWS: &[&str] = &["flows", "packets", "bytes", "inter_az_bytes"];
const FLOW_SUMS: &[(&str, &str)] =
    &[("flows", "flows"), ("packets", "packets"), ("bytes", "bytes"), ("inter_az_bytes", "inter_az_bytes")];
const MONEY: &[&str] = &["bytes", "unpriced_bytes", "nano_usd"];
const MONEY_SUMS: &[(&str, &str)] =
    &[("bytes", "bytes"), ("unpriced_bytes", "unpriced_bytes"), ("nano_usd", "nano_usd")];

const SWAPPED: [Swapped; 6] = [
    Swapped {
        hourly: "traffic_hour",
        keys: "series_id, source_id",
        values: FLOWS,
        staged: "recount_traffic",
        totals: &[
            Totals {
                table: "traffic_total",
                keys: &["label_set_id"],
                values: FLOW_SUMS,
                filter: "",
                shown: true,
            },
            Totals {
                table: "source_total",
                keys: &["source_id"],
                values: &[("bytes", "bytes")],
                filter: "AND nat_direction = 'none'",
                shown: false,
            },
        ],
    },
    Swapped {
        hourly: "charge_hour",
        keys: "series_id, charge_id, source_id, aws_region_id",
        values: MONEY,
        staged: "recount_charge",
        totals: &[
            Totals {
                table: "charge_total",
                keys: &["charge_id", "label_set_id"],
                values: MONEY_SUMS,
                filter: "",
                shown: true,
            },
            Totals {
                table: "source_charge_total",
                keys: &["source_id", "charge_id"],
                values: &[("nano_usd", "nano_usd")],
                filter: "",
                shown: false,
            },
            Totals {
                table: "unpriced_total",
                keys: &["charge_id", "aws_region_id"],
                values: &[("bytes", "unpriced_bytes")],
                filter: "AND unpriced_bytes > 0",
                shown: false,
            },
        ],
    },
    Swapped {
        hourly: "baseline_traffic_hour",
        keys: "label_set_id, source_id",
        values: FLOWS,
        staged: "(SELECT t.*, s.label_set_id FROM recount_traffic t JOIN series s ON s.id = t.series_id WHERE baseline = 1)",
        totals: &[Totals {
            table: "baseline_traffic_total",
            keys: &["label_set_id", "source_id"],
            values: FLOW_SUMS,
            filter: "",
            shown: false,
        }],
    },
    Swapped {
        hourly: "baseline_charge_hour",
        keys: "label_set_id, charge_id, source_id, aws_region_id",
        values: MONEY,
        staged: "(SELECT t.*, s.label_set_id FROM recount_charge t JOIN series s ON s.id = t.series_id WHERE baseline = 1)",
        totals: &[Totals {
            table: "baseline_charge_total",
            keys: &["charge_id", "label_set_id", "source_id", "aws_region_id"],
            values: MONEY_SUMS,
            filter: "",
            shown: false,
        }],
    },
    Swapped {
        hourly: "doubt_hour",
        keys: "source_id, doubt_id",
        values: &["bytes"],
        staged: "recount_doubt",
        totals: &[Totals {
            table: "doubt_total",
            keys: &["doubt_id"],
            values: &[("bytes", "bytes")],
            filter: "",
            shown: false,
        }],
    },
    Swapped {
        hourly: "contradiction_hour",
        keys: "source_id, contradiction_id",
        values: &["records"],
        staged: "recount_contradiction",
        totals: &[Totals {
            table: "contradiction_total",
            keys: &["contradiction_id"],
            values: &[("records", "records")],
            filter: "",
            shown: false,
        }],
    },
];

impl Swapped {
    fn run(&self, conn: &Connection, range: &Placed, now: Timestamp) -> rusqlite::Result<()> {
        let labelled = match self.keys.split(", ").next() {
            Some("series_id") => {
                format!(
                    "{} JOIN series ON series.id = series_id JOIN label_set ON label_set.id = label_set_id",
                    self.hourly
                )
            }
            _ => self.hourly.to_owned(),
        };
        for total in self.totals {
            total.change(conn, &labelled, range, now, "-")?;
        }
        let Self { hourly, keys, staged, .. } = self;
        conn.execute(&format!("DELETE FROM {hourly} WHERE {HOURS}"), range.params())?;
        let values = self.values.join(", ");
        let sums = self.values.iter().map(|value| format!("sum({value})")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "INSERT INTO {hourly} (hour, {keys}, {values})
             SELECT hour, {keys}, {sums} FROM {staged} WHERE {HOURS} GROUP BY hour, {keys}"
        );
        conn.execute(&sql, range.params())?;
        for total in self.totals {
            total.change(conn, &labelled, range, now, "+")?;
        }
        Ok(())
    }
}

impl Totals {
    /// Adds the rows of the hours, or takes them off.
    fn change(
        &self,
        conn: &Connection,
        labelled: &str,
        range: &Placed,
        now: Timestamp,
        sign: &str,
    ) -> rusqlite::Result<()> {
        let Self { table, filter, .. } = self;
        let keys = self.keys.join(", ");
        let columns = self.values.iter().map(|(column, _)| *column).collect::<Vec<_>>().join(", ");
        let sums = self.values.iter().map(|(_, of)| format!("sum({of})")).collect::<Vec<_>>().join(", ");
        let update =
            self.values.iter().map(|(column, _)| format!("{column} = {column} {sign} excluded.{column}"));
        let update = update.collect::<Vec<_>>().join(", ");
        // What was on no family before begins hidden: it shows when there is traffic of it again.
        let (more, moment) = match self.shown {
            true => (", changed_at, retired_at", format!(", {0}, {0}", now.0)),
            false => ("", String::new()),
        };
        let sql = format!(
            "INSERT INTO {table} ({keys}, {columns}{more})
             SELECT {keys}, {sums}{moment} FROM {labelled} WHERE {HOURS} {filter} GROUP BY {keys}
             ON CONFLICT ({keys}) DO UPDATE SET {update}"
        );
        conn.execute(&sql, range.params()).map(drop)
    }
}

/// The hours of a recount, as parameters.
struct Placed {
    from: i64,
    to: i64,
    id: i64,
}

impl Placed {
    fn params(&self) -> [i64; 3] {
        [self.from, self.to, self.id]
    }
}

/// Swaps the hours. To be called inside a transaction. Returns what has changed, label set by label set.
pub(super) fn swap(
    conn: &Connection,
    id: i64,
    hours: &Range<Hour>,
    skipped: &BTreeMap<Hour, String>,
    now: Timestamp,
) -> Result<Vec<Change>, SwapError> {
    let range = Placed { from: hours.start.start().0, to: hours.end.start().0, id };
    for (hour, reason) in skipped {
        let sql = "INSERT INTO recount_skipped (recount_id, hour, reason) VALUES (?, ?, ?)";
        conn.execute(sql, params![id, hour.start().0, reason])?;
    }
    let (sums_before, rows_before) = (sums(conn)?, amounts(conn, &range)?);
    let known = shown_rows(conn)?;
    for one in &SWAPPED {
        one.run(conn, &range, now)?;
    }
    let (sums_after, rows_after) = (sums(conn)?, amounts(conn, &range)?);
    let counters: BTreeSet<&Counter> = sums_before.keys().chain(sums_after.keys()).collect();
    for counter in counters {
        let of = |sums: &BTreeMap<Counter, i128>| sums.get(counter).copied().unwrap_or(0);
        let change = of(&sums_after) - of(&sums_before);
        if change != 0 {
            let change = i64::try_from(change).map_err(|_| SwapError::Overflow)?;
            let is_new = counter.row().is_some_and(|row| !known.contains(&row));
            let (cause, cause_id) = if is_new { (Cause::Retired, now.0) } else { (Cause::Recount, id) };
            adjust(conn, cause, cause_id, *counter, change)?;
        }
    }
    let sql = "UPDATE state SET generation = generation + 1, first_hour = min(first_hour, coalesce(
        (SELECT min(hour) FROM traffic_hour), first_hour))";
    conn.execute(sql, [])?;
    clear_staging(conn)?;
    conn.execute("UPDATE recount SET ended_at = ?, outcome = 'done' WHERE id = ?", [now.0, id])?;
    Ok(changes(conn, &rows_before, &rows_after)?)
}

/// Empties the tables of what a recount has read.
pub(super) fn clear_staging(conn: &Connection) -> rusqlite::Result<()> {
    let staging = ["object", "traffic", "charge", "doubt", "contradiction"];
    staging.iter().try_for_each(|table| conn.execute(&format!("DELETE FROM recount_{table}"), []).map(drop))
}

/// Charge, 0 for traffic, and label set of the rows that totals have.
fn shown_rows(conn: &Connection) -> rusqlite::Result<BTreeSet<(i64, i64)>> {
    let mut rows = BTreeSet::new();
    let sql = "SELECT 0, label_set_id FROM traffic_total UNION ALL SELECT charge_id, label_set_id FROM charge_total";
    load::each(conn, sql, [], |row| {
        rows.insert((row.get(0)?, row.get(1)?));
        Ok(())
    })?;
    Ok(rows)
}

/// Bytes and money of the hours by charge, 0 for traffic, and label set.
type Rows = BTreeMap<(i64, i64), (u64, NanoUsd)>;

fn amounts(conn: &Connection, range: &Placed) -> rusqlite::Result<Rows> {
    let mut rows = Rows::new();
    let sql = format!(
        "SELECT 0, label_set_id, sum(bytes), 0 FROM traffic_hour JOIN series ON series.id = series_id
            WHERE {HOURS} GROUP BY 2
         UNION ALL SELECT charge_id, label_set_id, sum(bytes), sum(nano_usd) FROM charge_hour
            JOIN series ON series.id = series_id WHERE {HOURS} GROUP BY 1, 2"
    );
    load::each(conn, &sql, range.params(), |row| {
        let amounts = (load::unsigned(row, 2)?, NanoUsd(load::unsigned(row, 3)?));
        rows.insert((row.get(0)?, row.get(1)?), amounts);
        Ok(())
    })?;
    Ok(rows)
}

fn changes(conn: &Connection, before: &Rows, after: &Rows) -> rusqlite::Result<Vec<Change>> {
    let label_sets = load::label_sets(conn, &mut Interner::default())?;
    let mut changes = Vec::new();
    for at in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let of = |rows: &Rows| rows.get(at).copied().unwrap_or_default();
        let (before, after) = (of(before), of(after));
        if let Some(key) = label_sets.get(&at.1).filter(|_| before != after) {
            changes.push(Change { charge: Charge::of_code(at.0), key: key.clone(), before, after });
        }
    }
    changes.sort_by(|a, b| (a.charge, &a.key).cmp(&(b.charge, &b.key)));
    Ok(changes)
}
