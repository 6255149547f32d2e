//! What a commit adds to the tables of sums, row by row.
//!
//! Every row is added to what the file has, totals and hours alike, so the two cannot drift apart.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{
    counters::{Cause, Counter, adjust},
    load::stored,
};
use crate::model::{
    Charge, ChargeCounts, Contradiction, Doubt, FlowCounts, FlowKey, Hour, NanoUsd, NatDirection, Timestamp,
};

/// Sums by the keys of their tables. Numbers are ids: of label sets, series, sources and regions.
#[derive(Debug, Default)]
pub(super) struct Additions {
    pub(super) traffic: BTreeMap<i64, (FlowKey, FlowCounts)>,
    pub(super) traffic_hours: BTreeMap<(Hour, i64, i64), FlowCounts>,
    pub(super) charges: BTreeMap<(Charge, i64), (FlowKey, ChargeCounts)>,
    pub(super) charge_hours: BTreeMap<(Hour, i64, Charge, i64, i64), ChargeCounts>,
    pub(super) unpriced: BTreeMap<(Charge, i64), u64>,
    pub(super) source_bytes: BTreeMap<i64, u64>,
    pub(super) source_cost: BTreeMap<(i64, Charge), NanoUsd>,
    pub(super) doubts: BTreeMap<(Hour, i64, Doubt), u64>,
    pub(super) contradictions: BTreeMap<(Hour, i64, Contradiction), u64>,
}

/// Why an addition cannot fail: the ledger has looked at the sum over all series.
pub(super) const FITS: &str = "the sum over all series is in range, so each part is";

impl Additions {
    /// Adds traffic of a row by hour, series and source.
    pub(super) fn add_traffic(
        &mut self,
        row: (Hour, i64, i64),
        label_set: i64,
        key: &FlowKey,
        counts: FlowCounts,
    ) {
        if key.nat_direction == NatDirection::None {
            *self.source_bytes.entry(row.2).or_default() += counts.bytes;
        }
        let (_, total) =
            self.traffic.entry(label_set).or_insert_with(|| (key.clone(), FlowCounts::default()));
        *total = total.checked_add(counts).expect(FITS);
        let row = self.traffic_hours.entry(row).or_default();
        *row = row.checked_add(counts).expect(FITS);
    }

    /// Adds to a row of charges by hour, series, charge, source and region.
    pub(super) fn add_charge(
        &mut self,
        row: (Hour, i64, Charge, i64, i64),
        label_set: i64,
        key: &FlowKey,
        counts: ChargeCounts,
    ) {
        let (_, _, charge, source, region) = row;
        let total = self.charges.entry((charge, label_set));
        let (_, total) = total.or_insert_with(|| (key.clone(), ChargeCounts::default()));
        *total = total.checked_add(counts).expect(FITS);
        let row = self.charge_hours.entry(row).or_default();
        *row = row.checked_add(counts).expect(FITS);
        self.source_cost.entry((source, charge)).or_default().0 += counts.cost.0;
        if counts.unpriced > 0 {
            *self.unpriced.entry((charge, region)).or_default() += counts.unpriced;
        }
    }

    /// Adds doubtful bytes.
    pub(super) fn add_doubt(&mut self, row: (Hour, i64, Doubt), bytes: u64) {
        *self.doubts.entry(row).or_default() += bytes;
    }

    /// Adds contradicting records.
    pub(super) fn add_contradiction(&mut self, row: (Hour, i64, Contradiction), records: u64) {
        *self.contradictions.entry(row).or_default() += records;
    }

    /// Adds them to the file. The rows that they refer to are there.
    pub(super) fn write(&self, conn: &Connection, at: Timestamp) -> rusqlite::Result<()> {
        self.write_traffic(conn, at)?;
        self.write_charges(conn, at)?;
        self.write_sources(conn)?;
        self.write_doubts(conn)?;
        self.write_contradictions(conn)
    }

    fn write_traffic(&self, conn: &Connection, at: Timestamp) -> rusqlite::Result<()> {
        let mut add = conn.prepare_cached(
            "INSERT INTO traffic_total (label_set_id, flows, packets, bytes, inter_az_bytes, changed_at)
             VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (label_set_id) DO UPDATE SET flows = flows + excluded.flows,
                packets = packets + excluded.packets, bytes = bytes + excluded.bytes,
                inter_az_bytes = inter_az_bytes + excluded.inter_az_bytes,
                changed_at = excluded.changed_at, retired_at = NULL",
        )?;
        for (label_set, (_, counts)) in &self.traffic {
            let [flows, packets, bytes, inter_az_bytes] = flow_columns(*counts);
            add.execute(params![label_set, flows, packets, bytes, inter_az_bytes, at.0])?;
        }
        let mut add = conn.prepare_cached(
            "INSERT INTO traffic_hour (hour, series_id, source_id, flows, packets, bytes, inter_az_bytes)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (hour, series_id, source_id) DO UPDATE SET flows = flows + excluded.flows,
                packets = packets + excluded.packets, bytes = bytes + excluded.bytes,
                inter_az_bytes = inter_az_bytes + excluded.inter_az_bytes",
        )?;
        for ((hour, series, source), counts) in &self.traffic_hours {
            let [flows, packets, bytes, inter_az_bytes] = flow_columns(*counts);
            add.execute(params![hour.start().0, series, source, flows, packets, bytes, inter_az_bytes])?;
        }
        Ok(())
    }

    fn write_charges(&self, conn: &Connection, at: Timestamp) -> rusqlite::Result<()> {
        let mut add = conn.prepare_cached(
            "INSERT INTO charge_total (charge_id, label_set_id, bytes, unpriced_bytes, nano_usd, changed_at)
             VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (charge_id, label_set_id) DO UPDATE SET bytes = bytes + excluded.bytes,
                unpriced_bytes = unpriced_bytes + excluded.unpriced_bytes,
                nano_usd = nano_usd + excluded.nano_usd, changed_at = excluded.changed_at, retired_at = NULL",
        )?;
        for ((charge, label_set), (_, counts)) in &self.charges {
            let [bytes, unpriced, cost] = charge_columns(*counts);
            add.execute(params![charge.code(), label_set, bytes, unpriced, cost, at.0])?;
        }
        let mut add = conn.prepare_cached(
            "INSERT INTO charge_hour
                (hour, series_id, charge_id, source_id, aws_region_id, bytes, unpriced_bytes, nano_usd)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (hour, series_id, charge_id, source_id, aws_region_id) DO UPDATE SET
                bytes = bytes + excluded.bytes, unpriced_bytes = unpriced_bytes + excluded.unpriced_bytes,
                nano_usd = nano_usd + excluded.nano_usd",
        )?;
        for ((hour, series, charge, source, region), counts) in &self.charge_hours {
            let [bytes, unpriced, cost] = charge_columns(*counts);
            let (hour, charge) = (hour.start().0, charge.code());
            add.execute(params![hour, series, charge, source, region, bytes, unpriced, cost])?;
        }
        let mut add = conn.prepare_cached(
            "INSERT INTO unpriced_total (charge_id, aws_region_id, bytes) VALUES (?, ?, ?)
             ON CONFLICT (charge_id, aws_region_id) DO UPDATE SET bytes = bytes + excluded.bytes",
        )?;
        for ((charge, region), bytes) in &self.unpriced {
            add.execute(params![charge.code(), region, stored(*bytes)])?;
        }
        Ok(())
    }

    fn write_sources(&self, conn: &Connection) -> rusqlite::Result<()> {
        let mut add = conn.prepare_cached(
            "INSERT INTO source_total (source_id, bytes) VALUES (?, ?)
             ON CONFLICT (source_id) DO UPDATE SET bytes = bytes + excluded.bytes",
        )?;
        for (source, bytes) in &self.source_bytes {
            add.execute(params![source, stored(*bytes)])?;
        }
        let mut add = conn.prepare_cached(
            "INSERT INTO source_charge_total (source_id, charge_id, nano_usd) VALUES (?, ?, ?)
             ON CONFLICT (source_id, charge_id) DO UPDATE SET nano_usd = nano_usd + excluded.nano_usd",
        )?;
        for ((source, charge), cost) in &self.source_cost {
            add.execute(params![source, charge.code(), stored(cost.0)])?;
        }
        Ok(())
    }

    fn write_doubts(&self, conn: &Connection) -> rusqlite::Result<()> {
        let mut total = conn.prepare_cached(
            "INSERT INTO doubt_total (doubt_id, bytes) VALUES (?, ?)
             ON CONFLICT (doubt_id) DO UPDATE SET bytes = bytes + excluded.bytes",
        )?;
        let mut hourly = conn.prepare_cached(
            "INSERT INTO doubt_hour (hour, source_id, doubt_id, bytes) VALUES (?, ?, ?, ?)
             ON CONFLICT (hour, source_id, doubt_id) DO UPDATE SET bytes = bytes + excluded.bytes",
        )?;
        for ((hour, source, doubt), bytes) in &self.doubts {
            total.execute(params![doubt.code(), stored(*bytes)])?;
            hourly.execute(params![hour.start().0, source, doubt.code(), stored(*bytes)])?;
        }
        Ok(())
    }

    fn write_contradictions(&self, conn: &Connection) -> rusqlite::Result<()> {
        let mut total = conn.prepare_cached(
            "INSERT INTO contradiction_total (contradiction_id, records) VALUES (?, ?)
             ON CONFLICT (contradiction_id) DO UPDATE SET records = records + excluded.records",
        )?;
        let mut hourly = conn.prepare_cached(
            "INSERT INTO contradiction_hour (hour, source_id, contradiction_id, records) VALUES (?, ?, ?, ?)
             ON CONFLICT (hour, source_id, contradiction_id) DO UPDATE SET
                records = records + excluded.records",
        )?;
        for ((hour, source, kind), records) in &self.contradictions {
            total.execute(params![kind.code(), stored(*records)])?;
            hourly.execute(params![hour.start().0, source, kind.code(), stored(*records)])?;
        }
        Ok(())
    }
}

impl Additions {
    /// Adds them to the baseline. Rows that otherwise have a series have its label set here.
    pub(super) fn write_baseline(&self, conn: &Connection) -> rusqlite::Result<()> {
        let update = "DO UPDATE SET flows = flows + excluded.flows, packets = packets + excluded.packets,
            bytes = bytes + excluded.bytes, inter_az_bytes = inter_az_bytes + excluded.inter_az_bytes";
        let mut total = conn.prepare_cached(&format!(
            "INSERT INTO baseline_traffic_total (label_set_id, source_id, flows, packets, bytes, inter_az_bytes)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (label_set_id, source_id) {update}"
        ))?;
        let mut hourly = conn.prepare_cached(&format!(
            "INSERT INTO baseline_traffic_hour
                (hour, label_set_id, source_id, flows, packets, bytes, inter_az_bytes)
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hour, label_set_id, source_id) {update}"
        ))?;
        for ((hour, label_set, source), counts) in &self.traffic_hours {
            let [flows, packets, bytes, inter_az_bytes] = flow_columns(*counts);
            total.execute(params![label_set, source, flows, packets, bytes, inter_az_bytes])?;
            hourly.execute(params![
                hour.start().0,
                label_set,
                source,
                flows,
                packets,
                bytes,
                inter_az_bytes
            ])?;
        }
        self.write_baseline_charges(conn)?;
        for ((_, _, doubt), bytes) in &self.doubts {
            adjust(conn, Cause::Baseline, 0, Counter::doubt(doubt.code()), stored(*bytes))?;
        }
        for ((_, _, kind), records) in &self.contradictions {
            adjust(conn, Cause::Baseline, 0, Counter::contradiction(kind.code()), stored(*records))?;
        }
        Ok(())
    }

    fn write_baseline_charges(&self, conn: &Connection) -> rusqlite::Result<()> {
        let update = "DO UPDATE SET bytes = bytes + excluded.bytes,
            unpriced_bytes = unpriced_bytes + excluded.unpriced_bytes, nano_usd = nano_usd + excluded.nano_usd";
        let mut total = conn.prepare_cached(&format!(
            "INSERT INTO baseline_charge_total
                (charge_id, label_set_id, source_id, aws_region_id, bytes, unpriced_bytes, nano_usd)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (charge_id, label_set_id, source_id, aws_region_id) {update}"
        ))?;
        let mut hourly = conn.prepare_cached(&format!(
            "INSERT INTO baseline_charge_hour
                (hour, label_set_id, charge_id, source_id, aws_region_id, bytes, unpriced_bytes, nano_usd)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (hour, label_set_id, charge_id, source_id, aws_region_id) {update}"
        ))?;
        for ((hour, label_set, charge, source, region), counts) in &self.charge_hours {
            let ([bytes, unpriced, cost], charge) = (charge_columns(*counts), charge.code());
            total.execute(params![charge, label_set, source, region, bytes, unpriced, cost])?;
            let hour = hour.start().0;
            hourly.execute(params![hour, label_set, charge, source, region, bytes, unpriced, cost])?;
        }
        Ok(())
    }
}

fn flow_columns(counts: FlowCounts) -> [i64; 4] {
    [counts.flows, counts.packets, counts.bytes, counts.inter_az_bytes].map(stored)
}

fn charge_columns(counts: ChargeCounts) -> [i64; 3] {
    [counts.bytes, counts.unpriced, counts.cost.0].map(stored)
}
