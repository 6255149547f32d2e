//! Forgetting in good order: names of objects whose partition cannot be listed any more, and single hours that are
//! so old that only the totals need them. Neither changes a total or a counter.
//!
//! The hashes of a small hour go into the row of its day: a row costs the prefix twice, in the table and in its index,
//! which is more than the hashes of a dozen objects. An hour whose folder is not one of its day's, that is large or that has
//! objects in quarantine has a row of its own. Whoever looks for an object looks in both.

use std::collections::{HashMap, HashSet};

use rusqlite::params;

use super::{
    Ledger,
    book::{Digest, OpenObject, day_of, is_outside},
    error::{LedgerError, while_doing},
    load,
    sealed::{HashList, SealedSet, places_above, places_below},
    transition::is_open_to_change,
};
use crate::{
    limits,
    model::{Hour, ObjectOutcome, Partition, Snapshot, Timestamp},
};

const SEAL: &str = "seal partitions";
const FOLD: &str = "fold old hours";

/// The tables that keep hours apart. Totals have what they lose, or nobody needs it any more.
const HOURLY: [&str; 7] = [
    "traffic_hour",
    "charge_hour",
    "doubt_hour",
    "contradiction_hour",
    "fixed_hour",
    "baseline_traffic_hour",
    "baseline_charge_hour",
];

/// A query over all hourly tables.
fn hourly(select: &str, filter: &str) -> String {
    HOURLY.map(|table| format!("{select} FROM {table} {filter}")).join(" UNION ALL ")
}

/// Hashes of one partition's objects, by what the sealed partition will say about them.
#[derive(Debug, Default)]
struct Leaving {
    counted: Vec<Digest>,
    settled: Vec<Digest>,
    refused_late: Vec<Digest>,
    ignored: Vec<Digest>,
    /// Of those that are counted.
    mutated: Vec<Digest>,
    baseline: Vec<Digest>,
    /// All of them, and those that are to be read if they should come back.
    all: HashSet<Digest>,
}

impl Leaving {
    fn take(&mut self, digest: Digest, object: &OpenObject) {
        self.all.insert(digest);
        match object.outcome {
            ObjectOutcome::Counted => {
                self.counted.push(digest);
                self.mutated.extend(object.mutated.then_some(digest));
                self.baseline.extend(object.baseline.then_some(digest));
            }
            ObjectOutcome::RefusedLate => self.refused_late.push(digest),
            ObjectOutcome::Ignored if is_open_to_change(object.ignore) => self.ignored.push(digest),
            ObjectOutcome::Gone => {}
            _ => self.settled.push(digest),
        }
    }

    /// What is said of them, and of which objects that is the newer word.
    fn said(self) -> (SealedSet, HashSet<Digest>) {
        let set = SealedSet {
            counted: HashList::from_digests(self.counted),
            settled: HashList::from_digests(self.settled),
            refused_late: HashList::from_digests(self.refused_late),
            ignored: HashList::from_digests(self.ignored),
            mutated: HashList::from_digests(self.mutated),
            baseline: HashList::from_digests(self.baseline),
            mixed: false,
        };
        (set, self.all)
    }
}

impl Ledger {
    /// Seals the partitions of a source, and of sources that are not configured any more, that end before a moment.
    /// Returns how many.
    ///
    /// # Errors
    /// When SQLite cannot write. Some partitions may be sealed then, each of them wholly.
    pub fn seal(&mut self, source: &str, before: Timestamp) -> Result<u64, LedgerError> {
        let source = self.source(source)?.id;
        let mut leaving: Vec<i64> = self
            .book
            .partitions
            .iter()
            .filter(|(_, open)| open.source == source || self.source_name(open.source).is_none())
            .filter(|(_, open)| !is_outside(&open.partition) && open.partition.end() < before)
            .map(|(id, _)| *id)
            .collect();
        // The hours of a day one after the other, so that the row of the day is written once for most of them.
        leaving.sort_unstable_by_key(|id| &self.book.partitions[id].partition);
        for chunk in leaving.chunks(limits::SEAL_PARTITIONS) {
            self.seal_partitions(chunk)?;
        }
        if !leaving.is_empty() {
            self.refresh_size();
        }
        Ok(leaving.len() as u64)
    }

    fn seal_partitions(&mut self, ids: &[i64]) -> Result<(), LedgerError> {
        let mut leaving: HashMap<i64, Leaving> = ids.iter().map(|id| (*id, Leaving::default())).collect();
        for (digest, object) in self.book.objects.iter() {
            if let Some(partition) = leaving.get_mut(&object.partition) {
                partition.take(*digest, object);
            }
        }
        let transaction = self.durable(SEAL)?;
        let mut next_partition = self.book.next_partition;
        for id in ids {
            self.seal_partition(*id, leaving.remove(id).unwrap_or_default(), &mut next_partition)?;
        }
        transaction.commit().map_err(while_doing(SEAL))?;

        self.book.next_partition = next_partition;
        let sealed: HashSet<i64> = ids.iter().copied().collect();
        self.book.objects.retain(|_, object| !sealed.contains(&object.partition));
        self.book.attempts.retain(|_, attempt| !sealed.contains(&attempt.partition));
        for id in ids {
            if let Some(open) = self.book.partitions.remove(id) {
                self.book.partition_ids.remove(&open.partition);
            }
        }
        self.sealed.borrow_mut().clear();
        Ok(())
    }

    /// Writes what is to be remembered of a partition: in its own row or, of a small hour, in that of its day. The
    /// newer word about an object holds, wherever the older one is.
    fn seal_partition(&self, id: i64, leaving: Leaving, next: &mut i64) -> Result<(), LedgerError> {
        let partition = &self.book.partitions[&id].partition;
        let (said, newer) = leaving.said();
        let mut places = places_above(&self.conn, partition)?;
        places.extend(places_below(&self.conn, partition)?);
        for place in places.into_iter().filter(|place| *place != id) {
            let old = SealedSet::load(&self.conn, place)?.unwrap_or_default();
            let kept = old.without(&newer);
            if kept != old {
                self.seal_row(place, &kept).map_err(while_doing(SEAL))?;
            }
        }
        let mut own = SealedSet::load(&self.conn, id)?.unwrap_or_default().without(&newer).with(said);
        if !own.is_empty() && !self.has_quarantined(id).map_err(while_doing(SEAL))? {
            own = self.move_to_day(id, own, next)?;
        }
        self.close(id).and_then(|()| self.seal_row(id, &own)).map_err(while_doing(SEAL))
    }

    /// Puts hashes of an hour into the row of its day where there is room. Returns what is left.
    fn move_to_day(&self, hour: i64, own: SealedSet, next: &mut i64) -> Result<SealedSet, LedgerError> {
        let open = &self.book.partitions[&hour];
        let Some(day) = day_of(&open.partition) else { return Ok(own) };
        let place = self.partition_row(&day).map_err(while_doing(SEAL))?;
        let of_day = match place {
            Some(place) => SealedSet::load(&self.conn, place)?.unwrap_or_default(),
            None => SealedSet::default(),
        };
        if of_day.len() + own.len() > self.bounds.day_hashes {
            return Ok(own);
        }
        let place = place.map_or_else(|| self.add_day(&day, open.source, next), Ok);
        place.and_then(|place| self.seal_row(place, &of_day.with(own))).map_err(while_doing(SEAL))?;
        Ok(SealedSet::default())
    }

    fn close(&self, id: i64) -> rusqlite::Result<()> {
        self.run("DELETE FROM object WHERE partition_id = ?", id)?;
        self.run("DELETE FROM attempt WHERE partition_id = ?", id)?;
        self.run("UPDATE partition SET open = 0 WHERE id = ?", id)
    }

    fn seal_row(&self, id: i64, set: &SealedSet) -> rusqlite::Result<()> {
        if !set.is_empty() {
            return set.store(&self.conn, id);
        }
        // Nothing to remember here: it was only ever opened, all of its objects are gone, or its day has them.
        self.run("DELETE FROM sealed WHERE partition_id = ?", id)?;
        self.run(
            "DELETE FROM partition WHERE id = ?1 AND open = 0 AND quarantined = 0
                AND NOT EXISTS (SELECT 1 FROM quarantine WHERE partition_id = ?1)",
            id,
        )
    }

    fn run(&self, sql: &str, id: i64) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([id]).map(drop)
    }

    /// Whether rows of the quarantine, or the number of quarantined objects, need the partition.
    fn has_quarantined(&self, id: i64) -> rusqlite::Result<bool> {
        self.conn
            .prepare_cached(
                "SELECT quarantined > 0 OR EXISTS (SELECT 1 FROM quarantine WHERE partition_id = ?1)
                 FROM partition WHERE id = ?1",
            )?
            .query_row([id], |row| row.get(0))
    }

    /// The row of a day that has none yet.
    fn add_day(&self, day: &Partition, source: i64, next: &mut i64) -> rusqlite::Result<i64> {
        let id = *next;
        self.insert_partition(day, source, id, false)?;
        *next += 1;
        Ok(id)
    }

    /// Drops the hours before `before` from the hourly tables. The totals have them. Returns how many hours.
    ///
    /// # Errors
    /// When SQLite cannot write. Some hours may be folded then, each of them wholly.
    pub fn fold(&mut self, before: Hour) -> Result<u64, LedgerError> {
        let mut folded = 0;
        while let Some(first) = self.oldest_hour().map_err(while_doing(FOLD))?.filter(|hour| *hour < before) {
            let until = before.min(Hour(first.0.saturating_add(limits::FOLD_HOURS)));
            folded += self.fold_hours(until)?;
        }
        if folded > 0 {
            self.refresh_size();
        }
        Ok(folded)
    }

    fn fold_hours(&mut self, until: Hour) -> Result<u64, LedgerError> {
        let failed = while_doing(FOLD);
        let transaction = self.durable(FOLD)?;
        let hours: u64 = transaction
            .query_row(
                &format!("SELECT count(DISTINCT hour) FROM ({})", hourly("SELECT hour", "WHERE hour < ?1")),
                [until.start().0],
                |row| load::unsigned(row, 0),
            )
            .map_err(&failed)?;
        for table in HOURLY {
            let sql = format!("DELETE FROM {table} WHERE hour < ?");
            transaction.execute(&sql, params![until.start().0]).map_err(&failed)?;
        }
        let sql = "UPDATE state SET folded_before = max(coalesce(folded_before, ?1), ?1)";
        transaction.execute(sql, params![until.start().0]).map_err(&failed)?;
        let newest = self.newest_stored_hour().map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        self.newest_hour = newest;
        if self.snapshot.by_source.values().any(|sums| sums.hourly_cost.begins_before(until)) {
            let mut next = Snapshot::clone(&self.snapshot);
            next.by_source.values_mut().for_each(|sums| sums.hourly_cost.forget_before(until));
            self.snapshot = next.into();
        }
        Ok(hours)
    }

    /// The first hour of the hourly tables.
    fn oldest_hour(&self) -> rusqlite::Result<Option<Hour>> {
        let sql = format!("SELECT min(hour) FROM ({})", hourly("SELECT min(hour) AS hour", ""));
        self.conn.query_row(&sql, [], |row| Ok(load::moment(row, 0)?.map(Hour::of)))
    }

    /// The last hour that has traffic or a charge.
    pub(super) fn newest_stored_hour(&self) -> rusqlite::Result<Option<Hour>> {
        let sql = "SELECT max(hour) FROM (SELECT max(hour) AS hour FROM traffic_hour
            UNION ALL SELECT max(hour) FROM charge_hour)";
        self.conn.query_row(sql, [], |row| Ok(load::moment(row, 0)?.map(Hour::of)))
    }

    fn refresh_size(&mut self) {
        let mut next = Snapshot::clone(&self.snapshot);
        next.state_bytes = self.state_bytes();
        self.snapshot = next.into();
    }
}
