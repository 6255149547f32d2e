//! What a recount has read, in tables of its own until it is swapped.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{Recount, RecountError, RecountObjects, RecountPrices, Recounted, objects::Seen};
use crate::{
    ledger::{
        additions::Additions,
        book::{Digest, Interner},
        load::{self, stored},
        series::Names,
        totals::{GrandTotal, Totals},
    },
    model::{Charge, Gigabyte, NanoUsd, ObjectDelta, Price, Snapshot, Timestamp},
};

/// What the process of a recount holds of the file, until somebody else changes it.
pub(super) struct Memory {
    version: i64,
    names: Names,
    shown: Snapshot,
}

impl Recount {
    /// Puts what some objects add to the staging tables. One that is there already is left out.
    ///
    /// # Errors
    /// When it is not under way any more, the rules have changed, or the file cannot be written.
    pub fn stage(&mut self, objects: &mut RecountObjects, batch: Vec<Recounted>) -> Result<(), RecountError> {
        let failed = self.failed();
        let transaction =
            Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate).map_err(&failed)?;
        self.check_under_way()?;
        let version =
            transaction.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(&failed)?;
        let known = self.memory.take_if(|memory| memory.version == version);
        let mut memory = match known {
            Some(memory) => memory,
            None => self.load_memory(version).map_err(&failed)?,
        };
        let prices = match self.wish.prices {
            RecountPrices::Then => Some(PriceHistory::load(&transaction).map_err(&failed)?),
            RecountPrices::Now => None,
        };
        let mut staged = Vec::new();
        for baseline in [false, true] {
            let limit = self.wish.series_limit;
            let mut next = memory.shown.clone();
            let mut totals = Totals::new(&next, GrandTotal::default(), &memory.names, None, limit);
            for one in &batch {
                let hash = Digest::of(&one.id);
                if objects.by_hash.get(&hash).is_none_or(|counted| counted.baseline != baseline) {
                    continue;
                }
                let source = self.sources.get(&one.source).copied().ok_or(RecountError::NotUnderWay)?;
                let sql = "INSERT OR IGNORE INTO recount_object (hash) VALUES (?)";
                staged.push(hash);
                if transaction.execute(sql, [hash.0]).map_err(&failed)? == 0 {
                    continue;
                }
                let delta = self.within(&one.delta, prices.as_ref())?;
                if !totals.fits(&delta) {
                    return Err(RecountError::Overflow);
                }
                totals.add(&mut next, &delta, source, false);
            }
            let (rows, names) = totals.into_rows();
            names.write(&transaction).map_err(&failed)?;
            let added = names.into_added();
            if added.has_rows() {
                transaction.execute("UPDATE state SET generation = generation + 1", []).map_err(&failed)?;
            }
            memory.names.adopt(added);
            for (key, _) in rows.traffic.values() {
                next.traffic.entry(key.clone()).or_default();
            }
            for ((charge, _), (key, _)) in &rows.charges {
                next.charges.entry((*charge, key.clone())).or_default();
            }
            memory.shown = next;
            rows.write_staging(&transaction, baseline).map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)?;
        for hash in staged {
            if let Some(counted) = objects.by_hash.get_mut(&hash) {
                counted.seen = Seen::Done;
            }
        }
        self.memory = Some(memory);
        Ok(())
    }

    /// Ids and label sets as the file has them, those of the staging tables included.
    fn load_memory(&self, version: i64) -> rusqlite::Result<Memory> {
        let conn = &self.conn;
        let label_sets = load::label_sets(conn, &mut Interner::default())?;
        // Those that are not on /metrics, too: they take no new place there.
        let mut shown = Snapshot {
            traffic: load::traffic(conn, &label_sets)?,
            charges: load::charges(conn, &label_sets)?,
            ..Snapshot::default()
        };
        let sql = "SELECT DISTINCT s.label_set_id FROM recount_traffic t JOIN series s ON s.id = t.series_id";
        load::each(conn, sql, [], |row| {
            shown.traffic.entry(load::known(&label_sets, row, 0)?.clone()).or_default();
            Ok(())
        })?;
        let sql = "SELECT DISTINCT s.label_set_id, t.charge_id FROM recount_charge t JOIN series s ON s.id = t.series_id";
        load::each(conn, sql, [], |row| {
            let key = load::known(&label_sets, row, 0)?.clone();
            shown.charges.entry((load::charge(row, 1)?, key)).or_default();
            Ok(())
        })?;
        let names = load::load_names(conn, label_sets, &shown)?;
        Ok(Memory { version, names, shown })
    }

    /// The part of a delta that lies in the hours, at the wanted prices.
    fn within(
        &self,
        delta: &ObjectDelta,
        prices: Option<&PriceHistory>,
    ) -> Result<ObjectDelta, RecountError> {
        let hours = &self.wish.hours;
        let mut within = delta.clone();
        within.traffic.retain(|(hour, _), _| hours.contains(hour));
        within.charges.retain(|(hour, ..), _| hours.contains(hour));
        within.doubts.retain(|(hour, _), _| hours.contains(hour));
        within.contradictions.retain(|(hour, _), _| hours.contains(hour));
        if let Some(prices) = prices {
            for ((hour, _, charge), counts) in &mut within.charges {
                let Some(price) = prices.at(&delta.aws_region, *charge, hour.end()) else { continue };
                let cost = price.map_or(Some(NanoUsd(0)), |price| price.of(counts.bytes));
                counts.cost = cost.ok_or(RecountError::Overflow)?;
                counts.unpriced = if price.is_some() { 0 } else { counts.bytes };
            }
        }
        Ok(within)
    }
}

/// Prices one after the other, each from a moment on; `None` where there was none.
type Noted = Vec<(Timestamp, Option<Price>)>;

/// The prices that there ever were by region and charge, as the exporter noted them.
struct PriceHistory(BTreeMap<(String, Charge), Noted>);

impl PriceHistory {
    fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let sql = "SELECT aws_region, charge_id, since, nano_usd_per_gigabyte, gigabyte_bytes FROM price ORDER BY id";
        load::each(conn, sql, [], |row| {
            let unit = match row.get::<_, i64>(4)? {
                1_000_000_000 => Gigabyte::Decimal,
                _ => Gigabyte::Binary,
            };
            let nano: Option<i64> = row.get(3)?;
            let nano = nano.map(|_| load::unsigned(row, 3)).transpose()?;
            let price = nano.map(|nano| Price { per_gigabyte: NanoUsd(nano), unit });
            let at = (row.get(0)?, load::charge(row, 1)?);
            all.entry(at).or_default().push((Timestamp(row.get(2)?), price));
            Ok(())
        })?;
        Ok(Self(all))
    }

    /// The price at a moment; before the first one that was noted, that one. `None`: nothing was noted.
    fn at(&self, aws_region: &str, charge: Charge, at: Timestamp) -> Option<Option<Price>> {
        let all = self.0.get(&(aws_region.to_owned(), charge))?;
        let last = all.iter().rev().find(|(since, _)| *since <= at);
        Some(last.or_else(|| all.first())?.1)
    }
}

impl Additions {
    /// Adds them to the staging tables of a recount.
    fn write_staging(&self, conn: &Connection, baseline: bool) -> rusqlite::Result<()> {
        let mut add = conn.prepare_cached(
            "INSERT INTO recount_traffic
                (hour, series_id, source_id, baseline, flows, packets, bytes, inter_az_bytes)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (hour, series_id, source_id, baseline) DO UPDATE SET flows = flows + excluded.flows,
                packets = packets + excluded.packets, bytes = bytes + excluded.bytes,
                inter_az_bytes = inter_az_bytes + excluded.inter_az_bytes",
        )?;
        for ((hour, series, source), counts) in &self.traffic_hours {
            let values = [counts.flows, counts.packets, counts.bytes, counts.inter_az_bytes].map(stored);
            let [flows, packets, bytes, inter_az] = values;
            let at = hour.start().0;
            add.execute(params![at, series, source, baseline, flows, packets, bytes, inter_az])?;
        }
        let mut add = conn.prepare_cached(
            "INSERT INTO recount_charge (hour, series_id, charge_id, source_id, aws_region_id, baseline, bytes,
                unpriced_bytes, nano_usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (hour, series_id, charge_id, source_id, aws_region_id, baseline) DO UPDATE SET
                bytes = bytes + excluded.bytes, unpriced_bytes = unpriced_bytes + excluded.unpriced_bytes,
                nano_usd = nano_usd + excluded.nano_usd",
        )?;
        for ((hour, series, charge, source, region), counts) in &self.charge_hours {
            let [bytes, unpriced, cost] = [counts.bytes, counts.unpriced, counts.cost.0].map(stored);
            let (at, charge) = (hour.start().0, charge.code());
            add.execute(params![at, series, charge, source, region, baseline, bytes, unpriced, cost])?;
        }
        let mut add = conn.prepare_cached(
            "INSERT INTO recount_doubt (hour, source_id, doubt_id, bytes) VALUES (?, ?, ?, ?)
             ON CONFLICT (hour, source_id, doubt_id) DO UPDATE SET bytes = bytes + excluded.bytes",
        )?;
        for ((hour, source, doubt), bytes) in &self.doubts {
            add.execute(params![hour.start().0, source, doubt.code(), stored(*bytes)])?;
        }
        let mut add = conn.prepare_cached(
            "INSERT INTO recount_contradiction (hour, source_id, contradiction_id, records) VALUES (?, ?, ?, ?)
             ON CONFLICT (hour, source_id, contradiction_id) DO UPDATE SET records = records + excluded.records",
        )?;
        for ((hour, source, kind), records) in &self.contradictions {
            add.execute(params![hour.start().0, source, kind.code(), stored(*records)])?;
        }
        Ok(())
    }
}
