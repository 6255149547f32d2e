//! Forgetting in good order: names of objects whose partition cannot be listed any more, and single hours that are
//! so old that only the totals need them. Neither changes a total or a counter.

use std::collections::{HashMap, HashSet};

use rusqlite::params;

use super::{
    Ledger,
    book::{Digest, OpenObject, is_outside},
    error::{LedgerError, while_doing},
    load,
    sealed::{HashList, SealedSet},
    transition::is_open_to_change,
};
use crate::{
    limits,
    model::{Hour, ObjectOutcome, Snapshot, Timestamp},
};

const SEAL: &str = "seal partitions";
const FOLD: &str = "fold old hours";

/// Hashes of one partition's objects, by what the sealed partition will say about them.
#[derive(Debug, Default)]
struct Leaving {
    settled: Vec<Digest>,
    refused_late: Vec<Digest>,
    ignored: Vec<Digest>,
    /// All of them, and those that are to be read if they should come back.
    all: HashSet<Digest>,
}

impl Leaving {
    fn take(&mut self, digest: Digest, object: &OpenObject) {
        self.all.insert(digest);
        match object.outcome {
            ObjectOutcome::RefusedLate => self.refused_late.push(digest),
            ObjectOutcome::Ignored if is_open_to_change(object.ignore) => self.ignored.push(digest),
            ObjectOutcome::Gone => {}
            _ => self.settled.push(digest),
        }
    }

    /// With what was sealed before; the newer word about an object holds.
    fn merged(self, old: &SealedSet) -> SealedSet {
        let Self { settled, refused_late, ignored, all } = self;
        let join = |mut new: Vec<Digest>, old: &HashList| {
            new.extend(old.digests().filter(|digest| !all.contains(digest)));
            HashList::from_digests(new)
        };
        SealedSet {
            settled: join(settled, &old.settled),
            refused_late: join(refused_late, &old.refused_late),
            ignored: join(ignored, &old.ignored),
        }
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
        leaving.sort_unstable();
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
        for id in ids {
            let old = SealedSet::load(&transaction, *id)?.unwrap_or_default();
            let set = leaving.remove(id).unwrap_or_default().merged(&old);
            self.seal_rows(*id, &set).map_err(while_doing(SEAL))?;
        }
        transaction.commit().map_err(while_doing(SEAL))?;

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

    fn seal_rows(&self, id: i64, set: &SealedSet) -> rusqlite::Result<()> {
        let run = |sql| self.conn.prepare_cached(sql).and_then(|mut statement| statement.execute([id]));
        run("DELETE FROM object WHERE partition_id = ?")?;
        run("DELETE FROM attempt WHERE partition_id = ?")?;
        if set.is_empty() {
            // Nothing to remember: it was only ever opened, or all of its objects are gone.
            // Hashes of an earlier sealing may still refer to it.
            run("DELETE FROM sealed WHERE partition_id = ?")?;
            run("DELETE FROM partition WHERE id = ?")?;
        } else {
            set.store(&self.conn, id)?;
            run("UPDATE partition SET open = 0 WHERE id = ?")?;
        }
        Ok(())
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
                "SELECT count(*) FROM (SELECT hour FROM traffic_hour WHERE hour < ?1
                 UNION SELECT hour FROM charge_hour WHERE hour < ?1)",
                [until.start().0],
                |row| load::unsigned(row, 0),
            )
            .map_err(&failed)?;
        for sql in ["DELETE FROM traffic_hour WHERE hour < ?", "DELETE FROM charge_hour WHERE hour < ?"] {
            transaction.execute(sql, params![until.start().0]).map_err(&failed)?;
        }
        let sql = "UPDATE state SET folded_before = max(coalesce(folded_before, ?1), ?1)";
        transaction.execute(sql, params![until.start().0]).map_err(&failed)?;
        let newest = self.edge_hour("max").map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        self.newest_hour = newest;
        if self.snapshot.hourly_cost.keys().next().is_some_and(|hour| *hour < until) {
            let mut next = Snapshot::clone(&self.snapshot);
            let cost = std::sync::Arc::make_mut(&mut next.hourly_cost);
            *cost = cost.split_off(&until);
            self.snapshot = next.into();
        }
        Ok(hours)
    }

    fn oldest_hour(&self) -> rusqlite::Result<Option<Hour>> {
        self.edge_hour("min")
    }

    /// The first (`min`) or last (`max`) hour of the hourly tables.
    pub(super) fn edge_hour(&self, edge: &str) -> rusqlite::Result<Option<Hour>> {
        let sql = format!(
            "SELECT {edge}(hour) FROM (SELECT {edge}(hour) AS hour FROM traffic_hour
             UNION ALL SELECT {edge}(hour) FROM charge_hour)"
        );
        let seconds: Option<i64> = self.conn.query_row(&sql, [], |row| row.get(0))?;
        Ok(seconds.map(|seconds| Hour::of(Timestamp(seconds))))
    }

    fn refresh_size(&mut self) {
        let mut next = Snapshot::clone(&self.snapshot);
        next.state_bytes = self.state_bytes();
        self.snapshot = next.into();
    }
}
