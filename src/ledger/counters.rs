//! Which part of the ledger's sums the counters of /metrics do not show.
//!
//! Invariant (I1, I2): a counter is its sum of all time without its part of the baseline and its adjustments. Whatever
//! changes a sum without being new traffic changes the other two in the same transaction, so that the counter stands
//! still.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};

use super::load;
use crate::model::Timestamp;

/// A kind of counter, by its word in the table `adjustment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CounterMeasure {
    Flows,
    Packets,
    Bytes,
    InterAzBytes,
    ChargedBytes,
    UnpricedBytes,
    NanoUsd,
    SourceBytes,
    SourceNanoUsd,
    RegionUnpricedBytes,
    DoubtfulBytes,
    ContradictingRecords,
}

impl CounterMeasure {
    const ALL: [Self; 12] = [
        Self::Flows,
        Self::Packets,
        Self::Bytes,
        Self::InterAzBytes,
        Self::ChargedBytes,
        Self::UnpricedBytes,
        Self::NanoUsd,
        Self::SourceBytes,
        Self::SourceNanoUsd,
        Self::RegionUnpricedBytes,
        Self::DoubtfulBytes,
        Self::ContradictingRecords,
    ];

    /// Those of traffic by label set, in the order of the tables' columns.
    pub(super) const TRAFFIC: [Self; 4] = [Self::Flows, Self::Packets, Self::Bytes, Self::InterAzBytes];

    /// Those of charges by label set.
    pub(super) const CHARGE: [Self; 3] = [Self::ChargedBytes, Self::UnpricedBytes, Self::NanoUsd];

    fn as_str(self) -> &'static str {
        match self {
            Self::Flows => "flows",
            Self::Packets => "packets",
            Self::Bytes => "bytes",
            Self::InterAzBytes => "inter_az_bytes",
            Self::ChargedBytes => "charged_bytes",
            Self::UnpricedBytes => "unpriced_bytes",
            Self::NanoUsd => "nano_usd",
            Self::SourceBytes => "source_bytes",
            Self::SourceNanoUsd => "source_nano_usd",
            Self::RegionUnpricedBytes => "region_unpriced_bytes",
            Self::DoubtfulBytes => "doubtful_bytes",
            Self::ContradictingRecords => "contradicting_records",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == text)
    }
}

/// One counter of /metrics: what is not a label of its measure is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Counter {
    measure: CounterMeasure,
    label_set: i64,
    charge: i64,
    source: i64,
    aws_region: i64,
    kind: i64,
}

impl Counter {
    const fn new(measure: CounterMeasure) -> Self {
        Self { measure, label_set: 0, charge: 0, source: 0, aws_region: 0, kind: 0 }
    }

    pub(super) const fn of_label_set(measure: CounterMeasure, charge: i64, label_set: i64) -> Self {
        Self { label_set, charge, ..Self::new(measure) }
    }

    /// Charge, 0 for traffic, and label set of one by label set.
    pub(super) fn row(&self) -> Option<(i64, i64)> {
        (self.label_set != 0).then_some((self.charge, self.label_set))
    }

    /// Reads one in the first columns, in the order of the table.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            measure: load::word(row, 0, CounterMeasure::parse)?,
            label_set: row.get(1)?,
            charge: row.get(2)?,
            source: row.get(3)?,
            aws_region: row.get(4)?,
            kind: row.get(5)?,
        })
    }

    pub(super) const fn source_bytes(source: i64) -> Self {
        Self { source, ..Self::new(CounterMeasure::SourceBytes) }
    }

    pub(super) const fn source_cost(source: i64, charge: i64) -> Self {
        Self { source, charge, ..Self::new(CounterMeasure::SourceNanoUsd) }
    }

    pub(super) const fn unpriced(charge: i64, aws_region: i64) -> Self {
        Self { charge, aws_region, ..Self::new(CounterMeasure::RegionUnpricedBytes) }
    }

    pub(super) const fn doubt(kind: i64) -> Self {
        Self { kind, ..Self::new(CounterMeasure::DoubtfulBytes) }
    }

    pub(super) const fn contradiction(kind: i64) -> Self {
        Self { kind, ..Self::new(CounterMeasure::ContradictingRecords) }
    }
}

/// Why a counter stays below its sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The part of the baseline of what has no table of its own there.
    Baseline,
    /// The label set left /metrics at a moment, which is the id of the cause, and begins at 0 when it is back.
    Retired,
    /// A recount, whose id is that of the cause.
    Recount,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Retired => "retired",
            Self::Recount => "recount",
        }
    }
}

/// Adds to the adjustment of a counter.
pub(super) fn adjust(
    conn: &Connection,
    cause: Cause,
    cause_id: i64,
    counter: Counter,
    amount: i64,
) -> rusqlite::Result<()> {
    let Counter { measure, label_set, charge, source, aws_region, kind } = counter;
    let mut add = conn.prepare_cached(
        "INSERT INTO adjustment (cause, cause_id, measure, label_set_id, charge_id, source_id, aws_region_id, kind_id,
            amount) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (measure, label_set_id, charge_id, source_id, aws_region_id, kind_id, cause, cause_id)
         DO UPDATE SET amount = amount + excluded.amount",
    )?;
    let (cause, measure) = (cause.as_str(), measure.as_str());
    add.execute(params![cause, cause_id, measure, label_set, charge, source, aws_region, kind, amount])?;
    Ok(())
}

/// What the counters do not show, of all that differ from their sum.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    all: BTreeMap<Counter, i128>,
    /// The parts of it by which counters fell when they left /metrics.
    retired: BTreeMap<Counter, Vec<(Timestamp, i128)>>,
}

/// The parts of the baseline, in the columns of `adjustment`.
const BASELINE: [(&str, &str, &str); 10] = [
    ("flows", "label_set_id, 0, 0, 0, 0, flows", "baseline_traffic_total"),
    ("packets", "label_set_id, 0, 0, 0, 0, packets", "baseline_traffic_total"),
    ("bytes", "label_set_id, 0, 0, 0, 0, bytes", "baseline_traffic_total"),
    ("inter_az_bytes", "label_set_id, 0, 0, 0, 0, inter_az_bytes", "baseline_traffic_total"),
    ("charged_bytes", "label_set_id, charge_id, 0, 0, 0, bytes", "baseline_charge_total"),
    ("unpriced_bytes", "label_set_id, charge_id, 0, 0, 0, unpriced_bytes", "baseline_charge_total"),
    ("nano_usd", "label_set_id, charge_id, 0, 0, 0, nano_usd", "baseline_charge_total"),
    (
        "source_bytes",
        "0, 0, source_id, 0, 0, bytes",
        "baseline_traffic_total t JOIN label_set l ON l.id = t.label_set_id AND l.nat_direction = 'none'",
    ),
    ("source_nano_usd", "0, charge_id, source_id, 0, 0, nano_usd", "baseline_charge_total"),
    ("region_unpriced_bytes", "0, charge_id, 0, aws_region_id, 0, unpriced_bytes", "baseline_charge_total"),
];

/// The sums of all time, in the columns of `adjustment`.
const SUMS: [(&str, &str, &str); 12] = [
    ("flows", "label_set_id, 0, 0, 0, 0, flows", "traffic_total"),
    ("packets", "label_set_id, 0, 0, 0, 0, packets", "traffic_total"),
    ("bytes", "label_set_id, 0, 0, 0, 0, bytes", "traffic_total"),
    ("inter_az_bytes", "label_set_id, 0, 0, 0, 0, inter_az_bytes", "traffic_total"),
    ("charged_bytes", "label_set_id, charge_id, 0, 0, 0, bytes", "charge_total"),
    ("unpriced_bytes", "label_set_id, charge_id, 0, 0, 0, unpriced_bytes", "charge_total"),
    ("nano_usd", "label_set_id, charge_id, 0, 0, 0, nano_usd", "charge_total"),
    ("source_bytes", "0, 0, source_id, 0, 0, bytes", "source_total"),
    ("source_nano_usd", "0, charge_id, source_id, 0, 0, nano_usd", "source_charge_total"),
    ("region_unpriced_bytes", "0, charge_id, 0, aws_region_id, 0, bytes", "unpriced_total"),
    ("doubtful_bytes", "0, 0, 0, 0, doubt_id, bytes", "doubt_total"),
    ("contradicting_records", "0, 0, 0, 0, contradiction_id, records", "contradiction_total"),
];

fn select(tables: &[(&str, &str, &str)]) -> String {
    let select = |(measure, columns, table): &(&str, &str, &str)| {
        format!("SELECT '{measure}', {columns} FROM {table}")
    };
    tables.iter().map(select).collect::<Vec<_>>().join(" UNION ALL ")
}

/// The sum of all time of every counter without its part of the baseline tables: what an adjustment is of.
pub(super) fn sums(conn: &Connection) -> rusqlite::Result<BTreeMap<Counter, i128>> {
    let mut sums: BTreeMap<Counter, i128> = BTreeMap::new();
    for (tables, sign) in [(&SUMS[..], 1), (&BASELINE[..], -1)] {
        load::each(conn, &select(tables), [], |row| {
            *sums.entry(Counter::read(row)?).or_default() += sign * i128::from(row.get::<_, i64>(6)?);
            Ok(())
        })?;
    }
    Ok(sums)
}

impl Offsets {
    /// Reads baseline and adjustments.
    pub(super) fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let columns = "measure, label_set_id, charge_id, source_id, aws_region_id, kind_id, amount";
        let adjustment = format!("SELECT {columns} FROM adjustment");
        let mut offsets = Self::default();
        load::each(conn, &format!("{} UNION ALL {adjustment}", select(&BASELINE)), [], |row| {
            *offsets.all.entry(Counter::read(row)?).or_default() += i128::from(row.get::<_, i64>(6)?);
            Ok(())
        })?;
        let retired = format!("SELECT {columns}, cause_id FROM adjustment WHERE cause = ? ORDER BY cause_id");
        load::each(conn, &retired, [Cause::Retired.as_str()], |row| {
            let (amount, at) = (row.get::<_, i64>(6)?.into(), Timestamp(row.get(7)?));
            offsets.retired.entry(Counter::read(row)?).or_default().push((at, amount));
            Ok(())
        })?;
        Ok(offsets)
    }

    /// When a counter left /metrics, and by how much it fell.
    pub(super) fn retired(&self, counter: Counter) -> &[(Timestamp, i128)] {
        self.retired.get(&counter).map_or(&[], Vec::as_slice)
    }

    /// What a counter does not show of its sum; negative where it shows more.
    pub(super) fn of(&self, counter: Counter) -> i128 {
        self.all.get(&counter).copied().unwrap_or(0)
    }

    /// What a counter shows, given its sum. `None`: the file contradicts itself.
    pub(super) fn shown(&self, counter: Counter, sum: u64) -> Option<u64> {
        u64::try_from(i128::from(sum) - self.of(counter)).ok()
    }

    /// By how much the counters of a measure exceed their sums, all together.
    pub(super) fn excess(&self, measure: CounterMeasure) -> u128 {
        let of = self.all.iter().filter(|(counter, _)| counter.measure == measure);
        of.map(|(_, offset)| offset.min(&0).unsigned_abs()).sum()
    }
}
