//! Adding deltas to the totals, inside the range of the file's integers and inside the series limit.
//!
//! Invariant (I6): a delta that is added is in the sums to the last byte, under its own label set or under the
//! overflow set. Admission follows the order of the batch and then of the keys, so it is deterministic.

use std::{collections::BTreeMap, sync::Arc};

use rusqlite::Connection;

use super::{
    additions::{Additions, FITS},
    counters::{CounterMeasure, Offsets},
    load::unsigned,
    series::{Added, Family, Names, NewNames},
};
use crate::{
    limits,
    model::{
        Charge, ChargeCounts, FlowCounts, FlowKey, Hour, HourlyCost, NanoUsd, ObjectDelta, RecordOutcome,
        Series, Snapshot, Timestamp,
    },
};

/// Why a subtraction cannot fail: what goes to the baseline goes to the ledger too.
const PART: &str = "the baseline is a part of the ledger";

/// Sums over all series and charges. Kept inside `i64` so that every part, and `sum()` in a shell, is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GrandTotal {
    flows: u128,
    packets: u128,
    bytes: u128,
    inter_az_bytes: u128,
    charged_bytes: u128,
    unpriced_bytes: u128,
    nano_usd: u128,
    doubtful_bytes: u128,
    contradictions: u128,
    records: u128,
}

impl GrandTotal {
    /// Of the file. Where a counter shows more than its sum, what it shows: both stay in range.
    pub(super) fn load(conn: &Connection, offsets: &Offsets, records: u64) -> rusqlite::Result<Self> {
        use CounterMeasure as M;
        let columns = |sql: &str, measures: &[M]| -> rusqlite::Result<Vec<u128>> {
            conn.query_row(sql, [], |row| {
                let sum = |(at, measure): (usize, &M)| {
                    Ok(u128::from(unsigned(row, at)?) + offsets.excess(*measure))
                };
                measures.iter().enumerate().map(sum).collect()
            })
        };
        let traffic = columns(
            "SELECT coalesce(sum(flows), 0), coalesce(sum(packets), 0), coalesce(sum(bytes), 0),
                coalesce(sum(inter_az_bytes), 0) FROM traffic_total",
            &M::TRAFFIC,
        )?;
        let charges = columns(
            "SELECT coalesce(sum(bytes), 0), coalesce(sum(unpriced_bytes), 0), coalesce(sum(nano_usd), 0)
             FROM charge_total",
            &M::CHARGE,
        )?;
        let doubts = columns("SELECT coalesce(sum(bytes), 0) FROM doubt_total", &[M::DoubtfulBytes])?;
        let sql = "SELECT coalesce(sum(records), 0) FROM contradiction_total";
        let contradictions = columns(sql, &[M::ContradictingRecords])?;
        Ok(Self {
            flows: traffic[0],
            packets: traffic[1],
            bytes: traffic[2],
            inter_az_bytes: traffic[3],
            charged_bytes: charges[0],
            unpriced_bytes: charges[1],
            nano_usd: charges[2],
            doubtful_bytes: doubts[0],
            contradictions: contradictions[0],
            records: records.into(),
        })
    }

    fn traffic(mut self, counts: &FlowCounts) -> Self {
        self.flows += u128::from(counts.flows);
        self.packets += u128::from(counts.packets);
        self.bytes += u128::from(counts.bytes);
        self.inter_az_bytes += u128::from(counts.inter_az_bytes);
        self
    }

    fn charge(mut self, counts: &ChargeCounts) -> Self {
        self.charged_bytes += u128::from(counts.bytes);
        self.unpriced_bytes += u128::from(counts.unpriced);
        self.nano_usd += u128::from(counts.cost.0);
        self
    }

    fn with(self, delta: &ObjectDelta) -> Self {
        let sum = delta.traffic.values().fold(self, Self::traffic);
        let mut sum = delta.charges.values().fold(sum, Self::charge);
        sum.doubtful_bytes += total(delta.doubts.values());
        sum.contradictions += total(delta.contradictions.values());
        // One by one: the total of a delta saturates.
        for outcome in RecordOutcome::ALL {
            sum.records += u128::from(delta.records.get(outcome));
        }
        sum
    }

    fn is_in_range(&self) -> bool {
        let Self { flows, packets, bytes, inter_az_bytes, charged_bytes, unpriced_bytes, .. } = *self;
        let Self { nano_usd, doubtful_bytes, contradictions, records, .. } = *self;
        let traffic = [flows, packets, bytes, inter_az_bytes];
        let charges = [charged_bytes, unpriced_bytes, nano_usd];
        let mut all = traffic.into_iter().chain(charges).chain([doubtful_bytes, contradictions, records]);
        all.all(|sum| sum <= i64::MAX as u128)
    }
}

fn total<'a>(counts: impl IntoIterator<Item = &'a u64>) -> u128 {
    counts.into_iter().map(|count| u128::from(*count)).sum()
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

    /// Whether there is a place for one more label set.
    fn admit(&mut self) -> bool {
        let admitted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        self.exceeded |= !admitted;
        admitted
    }
}

/// What one commit adds.
#[derive(Debug)]
pub(super) struct Totals<'a> {
    grand: GrandTotal,
    names: NewNames<'a>,
    traffic_room: Room,
    charge_room: Room,
    overflow: Series,
    rows: Additions,
    /// The part of `rows` that the counters do not show.
    baseline: Additions,
    /// Names of the regions in `rows`.
    regions: BTreeMap<i64, Arc<str>>,
    newest_hour: Option<Hour>,
}

/// What becomes of the memory with a commit.
#[derive(Debug)]
pub(super) struct Sums {
    pub(super) grand: GrandTotal,
    pub(super) names: Added,
    pub(super) newest_hour: Option<Hour>,
}

impl<'a> Totals<'a> {
    pub(super) fn new(
        committed: &Snapshot,
        grand: GrandTotal,
        names: &'a Names,
        newest_hour: Option<Hour>,
        limit: usize,
    ) -> Self {
        let overflow = FlowKey::overflow();
        let traffic_used = committed.traffic.len() - usize::from(committed.traffic.contains_key(&overflow));
        let overflowed = |charge: &Charge| committed.charges.contains_key(&(*charge, overflow.clone()));
        let charges_used = committed.charges.len() - Charge::ALL.iter().copied().filter(overflowed).count();
        Self {
            grand,
            names: NewNames::new(names),
            traffic_room: Room::new(limit, 1, traffic_used),
            charge_room: Room::new(limit, Charge::COUNT, charges_used),
            overflow: overflow.into(),
            rows: Additions::default(),
            baseline: Additions::default(),
            regions: BTreeMap::new(),
            newest_hour,
        }
    }

    /// Whether all sums stay in range with this delta, and its hours can be written as seconds.
    pub(super) fn fits(&self, delta: &ObjectDelta) -> bool {
        let traffic = delta.traffic.keys().map(|(hour, _)| *hour);
        let charges = delta.charges.keys().map(|(hour, ..)| *hour);
        let doubts = delta.doubts.keys().map(|(hour, _)| *hour);
        let contradictions = delta.contradictions.keys().map(|(hour, _)| *hour);
        let mut hours = traffic.chain(charges).chain(doubts).chain(contradictions);
        hours.all(|hour| Hour::of(hour.start()) == hour) && self.grand.with(delta).is_in_range()
    }

    /// Adds a delta that fits, of an object of a source. With `baseline` to the ledger only, not to the counters.
    pub(super) fn add(&mut self, next: &mut Snapshot, delta: &ObjectDelta, source: i64, baseline: bool) {
        self.grand = self.grand.with(delta);
        next.records.merge(&delta.records);
        for ((hour, series), counts) in &delta.traffic {
            self.see(next, *hour);
            let (label_set, key, id) = self.admit(series, Family::Traffic);
            if baseline {
                self.baseline.add_traffic((*hour, label_set, source), label_set, &key, *counts);
            }
            self.rows.add_traffic((*hour, id, source), label_set, &key, *counts);
        }
        if !delta.charges.is_empty() {
            self.add_charges(next, delta, source, baseline);
        }
        for ((hour, doubt), bytes) in &delta.doubts {
            self.rows.add_doubt((*hour, source, *doubt), *bytes);
            if baseline {
                self.baseline.add_doubt((*hour, source, *doubt), *bytes);
            }
        }
        for ((hour, kind), records) in &delta.contradictions {
            self.rows.add_contradiction((*hour, source, *kind), *records);
            if baseline {
                self.baseline.add_contradiction((*hour, source, *kind), *records);
            }
        }
    }

    fn add_charges(&mut self, next: &mut Snapshot, delta: &ObjectDelta, source: i64, baseline: bool) {
        let (region, name) = self.names.region(&delta.aws_region);
        for ((hour, series, charge), counts) in &delta.charges {
            self.see(next, *hour);
            let (label_set, key, id) = self.admit(series, Family::Charge(*charge));
            if baseline {
                let at = (*hour, label_set, *charge, source, region);
                self.baseline.add_charge(at, label_set, &key, *counts);
            }
            self.rows.add_charge((*hour, id, *charge, source, region), label_set, &key, *counts);
        }
        self.regions.insert(region, name);
    }

    /// The label set that stands for that of a series in a family, itself or the overflow set, and the id of the series.
    fn admit(&mut self, series: &Series, family: Family) -> (i64, FlowKey, i64) {
        let room = match family {
            Family::Traffic => &mut self.traffic_room,
            Family::Charge(_) => &mut self.charge_room,
        };
        let key = &series.key;
        let series = if self.names.has(key, family) || (!key.is_overflow() && room.admit()) {
            series
        } else {
            &self.overflow
        };
        let (label_set, id) = self.names.ids(&series.key, series, family);
        (label_set, series.key.clone(), id)
    }

    fn see(&mut self, next: &mut Snapshot, hour: Hour) {
        self.newest_hour = self.newest_hour.max(Some(hour));
        next.first_hour = Some(next.first_hour.map_or(hour, |first| first.min(hour)));
    }

    /// Whether something went to an overflow set for want of room.
    pub(super) fn limit_reached(&self) -> bool {
        self.traffic_room.exceeded || self.charge_room.exceeded
    }

    /// Brings the snapshot up to date. `names` are those of the sources.
    pub(super) fn finish(&self, next: &mut Snapshot, names: &BTreeMap<i64, Arc<str>>) {
        let hidden = &self.baseline;
        for (label_set, (key, counts)) in &self.rows.traffic {
            let hidden = hidden.traffic.get(label_set).map(|(_, counts)| *counts).unwrap_or_default();
            let total = next.traffic.entry(key.clone()).or_default();
            *total = total.checked_add(counts.checked_sub(hidden).expect(PART)).expect(FITS);
        }
        for (at, (key, counts)) in &self.rows.charges {
            let hidden = hidden.charges.get(at).map(|(_, counts)| *counts).unwrap_or_default();
            let total = next.charges.entry((at.0, key.clone())).or_default();
            *total = total.checked_add(counts.checked_sub(hidden).expect(PART)).expect(FITS);
        }
        for (at @ (charge, region), bytes) in &self.rows.unpriced {
            let hidden = hidden.unpriced.get(at).copied().unwrap_or(0);
            *next.unpriced.entry((*charge, self.regions[region].clone())).or_default() += bytes - hidden;
        }
        for (source, bytes) in &self.rows.source_bytes {
            let hidden = hidden.source_bytes.get(source).copied().unwrap_or(0);
            next.by_source.entry(names[source].clone()).or_default().bytes += bytes - hidden;
        }
        for (at @ (source, charge), cost) in &self.rows.source_cost {
            let hidden = hidden.source_cost.get(at).copied().unwrap_or(NanoUsd(0));
            let sums = next.by_source.entry(names[source].clone()).or_default();
            sums.cost[*charge as usize].0 += cost.0 - hidden.0;
        }
        for (at @ (_, _, doubt), bytes) in &self.rows.doubts {
            next.doubts[*doubt as usize] += bytes - hidden.doubts.get(at).copied().unwrap_or(0);
        }
        for (at @ (_, _, kind), records) in &self.rows.contradictions {
            let hidden = hidden.contradictions.get(at).copied().unwrap_or(0);
            next.contradictions[*kind as usize] += records - hidden;
        }
        let Some(first) = self.newest_hour.map(first_cost_hour) else { return };
        for ((hour, _, charge, source, region), counts) in &self.rows.charge_hours {
            if *hour >= first {
                let region = &self.regions[region];
                let sums = next.by_source.entry(names[source].clone()).or_default();
                sums.hourly_cost.add(*hour, *charge, region, counts.bytes, counts.cost);
            }
        }
        next.by_source.values_mut().for_each(|sums| sums.hourly_cost.keep_from(first));
    }

    /// Writes what was added.
    pub(super) fn write(&self, conn: &Connection, at: Timestamp) -> rusqlite::Result<()> {
        self.names.write(conn)?;
        self.rows.write(conn, at)?;
        self.baseline.write_baseline(conn)
    }

    /// What was added, and the names that it needs.
    pub(super) fn into_rows(self) -> (Additions, NewNames<'a>) {
        (self.rows, self.names)
    }

    pub(super) fn into_sums(self) -> Sums {
        Sums { grand: self.grand, names: self.names.into_added(), newest_hour: self.newest_hour }
    }
}

/// The first hour of which a snapshot carries what is billed.
pub(super) fn first_cost_hour(newest: Hour) -> Hour {
    HourlyCost::kept_from(Hour(newest.0.saturating_sub(limits::COST_HOURS)))
}
