//! Adding deltas to the totals, inside the range of the file's integers and inside the series limit.
//!
//! Invariant (I6): a delta that is added is in the sums to the last byte, under its own label set or under the
//! overflow set. Admission follows the order of the batch and then of the keys, so it is deterministic.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use rusqlite::{Connection, params};

use super::{load::stored, schema::charge_code};
use crate::{
    limits,
    model::{Charge, ChargeCounts, FlowCounts, FlowKey, Hour, NanoUsd, ObjectDelta, RecordOutcome, Snapshot},
};

/// Why an addition cannot fail: [`Totals::fits`] has looked at the sum over all series.
const FITS: &str = "the sum over all series is in range, so each part is";

/// Sums over all series and charges. Kept inside `i64` so that every part, and `sum()` in a shell, is.
#[derive(Debug, Clone, Copy, Default)]
struct GrandTotal {
    flows: u128,
    packets: u128,
    bytes: u128,
    inter_az_bytes: u128,
    charged_bytes: u128,
    nano_usd: u128,
    records: u128,
}

impl GrandTotal {
    fn traffic(mut self, counts: &FlowCounts) -> Self {
        self.flows += u128::from(counts.flows);
        self.packets += u128::from(counts.packets);
        self.bytes += u128::from(counts.bytes);
        self.inter_az_bytes += u128::from(counts.inter_az_bytes);
        self
    }

    fn charge(mut self, counts: &ChargeCounts) -> Self {
        self.charged_bytes += u128::from(counts.bytes);
        self.nano_usd += u128::from(counts.cost.0);
        self
    }

    fn with(self, delta: &ObjectDelta) -> Self {
        let sum = delta.traffic.values().fold(self, Self::traffic);
        let mut sum = delta.charges.values().fold(sum, Self::charge);
        // One by one: the total of a delta saturates.
        for outcome in RecordOutcome::ALL {
            sum.records += u128::from(delta.records.get(outcome));
        }
        sum
    }

    fn is_in_range(&self) -> bool {
        let Self { flows, packets, bytes, inter_az_bytes, charged_bytes, nano_usd, records } = *self;
        [flows, packets, bytes, inter_az_bytes, charged_bytes, nano_usd, records]
            .into_iter()
            .all(|sum| sum <= i64::MAX as u128)
    }
}

/// Label sets of one family that may still be admitted, beside the reserved overflow sets.
#[derive(Debug, Clone, Copy)]
struct Room {
    left: usize,
    exceeded: bool,
}

impl Room {
    fn new(limit: usize, reserved: usize, used: usize) -> Self {
        Self { left: limit.saturating_sub(reserved).saturating_sub(used), exceeded: false }
    }

    /// The key that stands for `key`: itself, or the overflow set.
    fn admit(&mut self, key: &FlowKey, known: bool) -> FlowKey {
        if known {
            return key.clone();
        }
        if !key.is_overflow() {
            if self.left > 0 {
                self.left -= 1;
                return key.clone();
            }
            self.exceeded = true;
        }
        FlowKey::overflow()
    }
}

/// What one commit adds.
#[derive(Debug)]
pub(super) struct Totals {
    grand: GrandTotal,
    traffic_room: Room,
    charge_room: Room,
    traffic: BTreeSet<FlowKey>,
    charges: BTreeSet<(Charge, FlowKey)>,
    traffic_hours: BTreeMap<(Hour, FlowKey), FlowCounts>,
    charge_hours: BTreeMap<(Hour, FlowKey, Charge), ChargeCounts>,
    newest_hour: Option<Hour>,
}

impl Totals {
    pub(super) fn new(committed: &Snapshot, newest_hour: Option<Hour>, limit: usize) -> Self {
        let grand = committed.traffic.values().fold(GrandTotal::default(), GrandTotal::traffic);
        let mut grand = committed.charges.values().fold(grand, GrandTotal::charge);
        grand.records = committed.records.total().into();
        let traffic_used = committed.traffic.keys().filter(|key| !key.is_overflow()).count();
        let charges_used = committed.charges.keys().filter(|(_, key)| !key.is_overflow()).count();
        Self {
            grand,
            traffic_room: Room::new(limit, 1, traffic_used),
            charge_room: Room::new(limit, Charge::ALL.len(), charges_used),
            traffic: BTreeSet::new(),
            charges: BTreeSet::new(),
            traffic_hours: BTreeMap::new(),
            charge_hours: BTreeMap::new(),
            newest_hour,
        }
    }

    /// Whether all sums stay in range with this delta, and its hours can be written as seconds.
    pub(super) fn fits(&self, delta: &ObjectDelta) -> bool {
        let traffic = delta.traffic.keys().map(|(hour, _)| *hour);
        let mut hours = traffic.chain(delta.charges.keys().map(|(hour, ..)| *hour));
        hours.all(|hour| Hour::of(hour.start()) == hour) && self.grand.with(delta).is_in_range()
    }

    /// Adds a delta that fits.
    pub(super) fn add(&mut self, next: &mut Snapshot, delta: &ObjectDelta) {
        self.grand = self.grand.with(delta);
        next.records.merge(&delta.records);
        for ((hour, key), counts) in &delta.traffic {
            self.see(next, *hour);
            let key = self.traffic_room.admit(key, next.traffic.contains_key(key));
            let total = next.traffic.entry(key.clone()).or_default();
            *total = total.checked_add(*counts).expect(FITS);
            let row = self.traffic_hours.entry((*hour, key.clone())).or_default();
            *row = row.checked_add(*counts).expect(FITS);
            self.traffic.insert(key);
        }
        for ((hour, key, charge), counts) in &delta.charges {
            self.see(next, *hour);
            let series = (*charge, key.clone());
            let series = (*charge, self.charge_room.admit(key, next.charges.contains_key(&series)));
            let total = next.charges.entry(series.clone()).or_default();
            *total = total.checked_add(*counts).expect(FITS);
            let row = self.charge_hours.entry((*hour, series.1.clone(), *charge)).or_default();
            *row = row.checked_add(*counts).expect(FITS);
            self.charges.insert(series);
        }
    }

    fn see(&mut self, next: &mut Snapshot, hour: Hour) {
        self.newest_hour = self.newest_hour.max(Some(hour));
        next.first_hour = Some(next.first_hour.map_or(hour, |first| first.min(hour)));
    }

    pub(super) fn newest_hour(&self) -> Option<Hour> {
        self.newest_hour
    }

    /// Whether something went to an overflow set for want of room.
    pub(super) fn limit_reached(&self) -> bool {
        self.traffic_room.exceeded || self.charge_room.exceeded
    }

    /// Brings the cost by hour up to date with what was added.
    pub(super) fn finish_hourly_cost(&self, next: &mut Snapshot) {
        let Some(first) = self.newest_hour.map(first_cost_hour) else { return };
        if self.charge_hours.is_empty() && next.hourly_cost.keys().next().is_none_or(|hour| *hour >= first) {
            return;
        }
        let cost = Arc::make_mut(&mut next.hourly_cost);
        *cost = cost.split_off(&first);
        for ((hour, _, charge), counts) in &self.charge_hours {
            if *hour >= first {
                let sum = &mut cost.entry(*hour).or_insert([NanoUsd(0); _])[*charge as usize];
                *sum = sum.checked_add(counts.cost).expect(FITS);
            }
        }
    }

    /// Writes what was added, and returns the label sets that got an id.
    pub(super) fn write(
        &self,
        conn: &Connection,
        next: &Snapshot,
        series: &HashMap<FlowKey, i64>,
    ) -> rusqlite::Result<HashMap<FlowKey, i64>> {
        let mut ids = SeriesIds { conn, known: series, new: HashMap::new() };
        let mut upsert = conn.prepare_cached(
            "INSERT INTO traffic_total (series_id, flows, packets, bytes, inter_az_bytes) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (series_id) DO UPDATE SET flows = excluded.flows, packets = excluded.packets,
                bytes = excluded.bytes, inter_az_bytes = excluded.inter_az_bytes",
        )?;
        for key in &self.traffic {
            let c = next.traffic[key];
            let [flows, packets, bytes, inter_az_bytes] = flow_columns(c);
            upsert.execute(params![ids.get(key)?, flows, packets, bytes, inter_az_bytes])?;
        }
        let mut upsert = conn.prepare_cached(
            "INSERT INTO traffic_hour (hour, series_id, flows, packets, bytes, inter_az_bytes)
             VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (hour, series_id) DO UPDATE SET flows = flows + excluded.flows,
                packets = packets + excluded.packets, bytes = bytes + excluded.bytes,
                inter_az_bytes = inter_az_bytes + excluded.inter_az_bytes",
        )?;
        for ((hour, key), c) in &self.traffic_hours {
            let [flows, packets, bytes, inter_az_bytes] = flow_columns(*c);
            let id = ids.get(key)?;
            upsert.execute(params![hour.start().0, id, flows, packets, bytes, inter_az_bytes])?;
        }
        let mut upsert = conn.prepare_cached(
            "INSERT INTO charge_total (charge_id, series_id, bytes, nano_usd) VALUES (?, ?, ?, ?)
             ON CONFLICT (charge_id, series_id) DO UPDATE SET
                bytes = excluded.bytes, nano_usd = excluded.nano_usd",
        )?;
        for (charge, key) in &self.charges {
            let c = next.charges[&(*charge, key.clone())];
            let (bytes, cost) = (stored(c.bytes), stored(c.cost.0));
            upsert.execute(params![charge_code(*charge), ids.get(key)?, bytes, cost])?;
        }
        let mut upsert = conn.prepare_cached(
            "INSERT INTO charge_hour (hour, series_id, charge_id, bytes, nano_usd) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (hour, series_id, charge_id) DO UPDATE SET
                bytes = bytes + excluded.bytes, nano_usd = nano_usd + excluded.nano_usd",
        )?;
        for ((hour, key, charge), c) in &self.charge_hours {
            let (bytes, cost) = (stored(c.bytes), stored(c.cost.0));
            let id = ids.get(key)?;
            upsert.execute(params![hour.start().0, id, charge_code(*charge), bytes, cost])?;
        }
        Ok(ids.new)
    }
}

fn flow_columns(c: FlowCounts) -> [i64; 4] {
    [c.flows, c.packets, c.bytes, c.inter_az_bytes].map(stored)
}

/// The first hour whose cost a snapshot carries.
pub(super) fn first_cost_hour(newest: Hour) -> Hour {
    Hour(newest.0.saturating_sub(limits::COST_HOURS))
}

/// Ids of label sets, those of this commit included.
struct SeriesIds<'a> {
    conn: &'a Connection,
    known: &'a HashMap<FlowKey, i64>,
    new: HashMap<FlowKey, i64>,
}

impl SeriesIds<'_> {
    fn get(&mut self, key: &FlowKey) -> rusqlite::Result<i64> {
        if let Some(id) = self.known.get(key).or_else(|| self.new.get(key)) {
            return Ok(*id);
        }
        let id = self
            .conn
            .prepare_cached(
                "INSERT INTO series (src_zone, dst_zone, port_group, nat_direction) VALUES (?, ?, ?, ?)
                 RETURNING id",
            )?
            .query_row(
                params![key.src_zone, key.dst_zone, key.port_group, key.nat_direction.as_str()],
                |row| row.get(0),
            )?;
        self.new.insert(key.clone(), id);
        Ok(id)
    }
}
