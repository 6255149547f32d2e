//! One transaction: these objects are settled, and this is what they add.
//!
//! Everything is worked out in a [`Draft`] beside the memory of the ledger and written as it is worked out. Only
//! when the transaction is durable does the draft become the memory; when anything fails, both are as before.

use std::collections::HashMap;

use rusqlite::params;

use super::{
    CommitReport, Ledger,
    book::{Digest, Mark, OpenObject, OpenPartition, is_outside, name_in, shortened},
    error::{LedgerError, while_doing},
    load::stored,
    sealed::SealedKind,
    totals::Totals,
    transition::{self, State, Step},
};
use crate::{
    limits,
    model::{
        Candidate, FlowKey, Hour, IgnoreReason, Listed, ObjectDelta, ObjectId, ObjectOutcome, Partition,
        Quarantine, QuarantineReason, RecordOutcome, Settled, Settlement, Snapshot, Timestamp,
    },
};

const ACTION: &str = "commit a batch to the state file";

impl Ledger {
    /// Settles objects, all or none. An object that is settled already is left alone unless this is a legitimate
    /// change; the same object twice in one batch counts once.
    ///
    /// # Errors
    /// When SQLite cannot make it durable, or an object has an unknown source or lies outside its partition. Then
    /// nothing has changed, in memory as in the file.
    pub fn commit(&mut self, batch: &[Settled], at: Timestamp) -> Result<CommitReport, LedgerError> {
        if batch.is_empty() {
            return Ok(CommitReport::default());
        }
        let transaction = self.durable(ACTION)?;
        let mut draft = Draft::new(self, at);
        for settled in batch {
            draft.settle(settled)?;
        }
        let changes = draft.finish()?;
        transaction.commit().map_err(while_doing(ACTION))?;
        Ok(self.adopt(changes))
    }

    /// The draft is durable: it becomes the memory. Cannot fail.
    fn adopt(&mut self, changes: Changes) -> CommitReport {
        let Changes { mut next, partitions, objects, quarantine, attempts, series, newest_hour, report } =
            changes;
        for (id, partition) in partitions {
            self.book.open(id, partition);
        }
        self.book.objects.extend(objects);
        for (digest, mark) in quarantine {
            match mark {
                Some(mark) => self.book.quarantine.insert(digest, mark),
                None => self.book.quarantine.remove(&digest),
            };
        }
        for digest in attempts {
            self.book.attempts.remove(&digest);
        }
        self.series.extend(series);
        self.newest_hour = newest_hour;
        next.state_bytes = self.state_bytes();
        self.snapshot = next.into();
        report
    }
}

/// What a commit changes in memory.
struct Changes {
    next: Snapshot,
    partitions: HashMap<i64, OpenPartition>,
    objects: HashMap<Digest, OpenObject>,
    quarantine: HashMap<Digest, Option<Mark>>,
    attempts: Vec<Digest>,
    series: HashMap<FlowKey, i64>,
    newest_hour: Option<Hour>,
    report: CommitReport,
}

/// A commit being worked out.
struct Draft<'a> {
    ledger: &'a Ledger,
    at: Timestamp,
    next: Snapshot,
    totals: Totals,
    partitions: HashMap<i64, OpenPartition>,
    partition_ids: HashMap<Partition, i64>,
    next_partition: i64,
    objects: HashMap<Digest, OpenObject>,
    quarantine: HashMap<Digest, Option<Mark>>,
    attempts: Vec<Digest>,
    report: CommitReport,
}

/// What an object was before its settlement.
struct Before {
    state: Option<State>,
    open: Option<OpenObject>,
    mark: Option<Mark>,
}

impl Before {
    /// The partition that counts it as quarantined.
    fn quarantined_in(&self) -> Option<i64> {
        match &self.open {
            Some(open) => (open.outcome == ObjectOutcome::Quarantined).then_some(open.partition),
            None => self.mark.map(|mark| mark.partition),
        }
    }
}

/// What an object is to become, without its delta.
#[derive(Clone, Copy)]
struct Target<'a> {
    state: State,
    why: Option<&'a Quarantine>,
}

impl<'a> Target<'a> {
    fn of(settlement: &'a Settlement) -> Self {
        let (ignore, why) = match settlement {
            Settlement::Ignored(reason) => (Some(*reason), None),
            Settlement::Quarantined(why) => (None, Some(why)),
            _ => (None, None),
        };
        Self { state: State { outcome: settlement.outcome(), ignore }, why }
    }

    fn reason(&self) -> Option<&'static str> {
        self.why.map(|why| why.reason.as_str()).or(self.state.ignore.map(IgnoreReason::as_str))
    }
}

impl<'a> Draft<'a> {
    fn new(ledger: &'a Ledger, at: Timestamp) -> Self {
        let next = Snapshot::clone(&ledger.snapshot);
        Self {
            ledger,
            at,
            totals: Totals::new(&next, ledger.newest_hour, ledger.series_limit),
            next,
            partitions: HashMap::new(),
            partition_ids: HashMap::new(),
            next_partition: ledger.book.next_partition,
            objects: HashMap::new(),
            quarantine: HashMap::new(),
            attempts: Vec::new(),
            report: CommitReport::default(),
        }
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), LedgerError> {
        let Candidate { listed, source, partition } = &settled.candidate;
        let source = self.ledger.source(source)?.id;
        let name = name_in(&listed.id, partition)?;
        let digest = Digest::of(&listed.id);
        self.end_attempt(digest, &listed.id)?;

        let before = self.before(digest, &listed.id, partition)?;
        let mut target = Target::of(&settled.settlement);
        let mut step = transition::step(before.state, target.state);
        let overflow;
        let mut delta = None;
        if let (Step::Settle, Settlement::Counted(counted)) = (step, &settled.settlement) {
            if self.totals.fits(counted) {
                delta = Some(counted);
            } else {
                overflow = overflow_of(&listed.id);
                self.report.overflowed.push(listed.id.clone());
                target = Target {
                    state: State { outcome: ObjectOutcome::Quarantined, ignore: None },
                    why: Some(&overflow),
                };
                step = transition::step(before.state, target.state);
            }
        }
        let forgotten = target.state.outcome == ObjectOutcome::Ignored
            && before.state.is_none()
            && self.is_full(partition);
        if step == Step::Skip || forgotten {
            self.report.repeated += 1;
            return Ok(());
        }
        if step == Step::Mutate {
            return self.mutate(digest, listed, before);
        }
        let place = self.open_partition(partition, source)?;
        self.write_object(digest, listed, name, place, &before, target)?;
        if step == Step::Settle {
            self.next.object_bytes = plus(self.next.object_bytes, settled.fetched);
            self.count(target.state.outcome);
        }
        if let Some(delta) = delta {
            self.add(delta, &settled.candidate);
        }
        Ok(())
    }

    fn count(&mut self, outcome: ObjectOutcome) {
        self.next.objects.add(outcome, 1);
        self.report.objects += 1;
    }

    fn add(&mut self, delta: &ObjectDelta, candidate: &Candidate) {
        self.totals.add(&mut self.next, delta);
        self.report.records += delta.records.total();
        if let Some(progress) = self.next.sources.get_mut(&candidate.source) {
            progress.newest_record = progress.newest_record.max(delta.newest_record);
        }
    }

    fn before(&self, digest: Digest, id: &ObjectId, partition: &Partition) -> Result<Before, LedgerError> {
        let book = &self.ledger.book;
        let open = self.objects.get(&digest).or_else(|| book.objects.get(&digest)).cloned();
        let mark = match self.quarantine.get(&digest) {
            Some(mark) => *mark,
            None => book.quarantine.get(&digest).copied(),
        };
        let state = if let Some(open) = &open {
            Some(State { outcome: open.outcome, ignore: open.ignore })
        } else if mark.is_some() {
            Some(State { outcome: ObjectOutcome::Quarantined, ignore: None })
        } else {
            let sealed = self.ledger.sealed.borrow_mut().find(&self.ledger.conn, id, digest, partition)?;
            sealed.map(|kind| match kind {
                SealedKind::Settled => State { outcome: ObjectOutcome::Counted, ignore: None },
                SealedKind::RefusedLate => State { outcome: ObjectOutcome::RefusedLate, ignore: None },
                SealedKind::Ignored => {
                    State { outcome: ObjectOutcome::Ignored, ignore: Some(IgnoreReason::Filtered) }
                }
            })
        };
        Ok(Before { state, open, mark })
    }

    /// Remembers the new version and counts the change, once a change.
    fn mutate(&mut self, digest: Digest, listed: &Listed, before: Before) -> Result<(), LedgerError> {
        let changed = before
            .open
            .filter(|open| open.version.as_deref() != listed.version.as_deref() || open.size != listed.size);
        // Of an object in a sealed partition no version is known, so there is no change to be seen.
        let Some(mut open) = changed else {
            self.report.repeated += 1;
            return Ok(());
        };
        let name = self.name_at(&listed.id, open.partition)?;
        self.execute(
            "UPDATE object SET version = ?, size = ? WHERE partition_id = ? AND name = ?",
            params![listed.version, stored(listed.size), open.partition, name],
        )?;
        open.version = listed.version.as_deref().map(Box::from);
        open.size = listed.size;
        self.objects.insert(digest, open);
        self.count(ObjectOutcome::Mutated);
        Ok(())
    }

    fn write_object(
        &mut self,
        digest: Digest,
        listed: &Listed,
        name: &str,
        place: i64,
        before: &Before,
        target: Target<'_>,
    ) -> Result<(), LedgerError> {
        let from = before.open.as_ref().map(|open| open.partition);
        if let Some(from) = from.filter(|from| *from != place) {
            let old_name = self.name_at(&listed.id, from)?;
            self.execute("DELETE FROM object WHERE partition_id = ? AND name = ?", params![from, old_name])?;
            self.partition_mut(from).objects -= 1;
        }
        if from != Some(place) {
            self.partition_mut(place).objects += 1;
        }
        let (outcome, size) = (target.state.outcome, stored(listed.size));
        self.execute(
            "INSERT INTO object (partition_id, name, version, size, outcome, reason, settled_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (partition_id, name) DO UPDATE SET version = excluded.version, size = excluded.size,
                outcome = excluded.outcome, reason = excluded.reason, settled_at = excluded.settled_at",
            params![place, name, listed.version, size, outcome.as_str(), target.reason(), self.at.0],
        )?;
        self.objects.insert(
            digest,
            OpenObject {
                partition: place,
                size: listed.size,
                outcome,
                ignore: target.state.ignore,
                version: listed.version.as_deref().map(Box::from),
            },
        );
        self.write_quarantine(digest, listed, name, place, before, target.why)
    }

    fn write_quarantine(
        &mut self,
        digest: Digest,
        listed: &Listed,
        name: &str,
        place: i64,
        before: &Before,
        why: Option<&Quarantine>,
    ) -> Result<(), LedgerError> {
        if let Some(from) = before.quarantined_in() {
            self.shift_quarantined(from, -1)?;
        }
        if let Some(mark) = before.mark.filter(|mark| why.is_none() || mark.partition != place) {
            let old_name = self.name_at(&listed.id, mark.partition)?;
            self.execute(
                "DELETE FROM quarantine WHERE partition_id = ? AND name = ?",
                params![mark.partition, old_name],
            )?;
            self.quarantine.insert(digest, None);
        }
        let Some(why) = why else { return Ok(()) };
        self.shift_quarantined(place, 1)?;
        let retries = before.mark.map_or(0, |mark| mark.retries);
        let detail = shortened(&why.detail, limits::DETAIL_BYTES);
        let size = stored(listed.size);
        self.execute(
            "INSERT INTO quarantine (partition_id, name, version, size, reason, detail, since, retries)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (partition_id, name) DO UPDATE SET version = excluded.version, size = excluded.size,
                reason = excluded.reason, detail = excluded.detail",
            params![place, name, listed.version, size, why.reason.as_str(), detail, self.at.0, retries],
        )?;
        self.quarantine.insert(digest, Some(Mark { partition: place, retries }));
        Ok(())
    }

    /// Changes the number of quarantined objects of a partition, and the gauge of its source.
    fn shift_quarantined(&mut self, partition: i64, by: i64) -> Result<(), LedgerError> {
        let source: i64 = self
            .ledger
            .conn
            .prepare_cached(
                "UPDATE partition SET quarantined = quarantined + ? WHERE id = ? RETURNING source_id",
            )
            .and_then(|mut update| update.query_row([by, partition], |row| row.get(0)))
            .map_err(while_doing(ACTION))?;
        self.shift_gauge(source, by);
        Ok(())
    }

    fn shift_gauge(&mut self, source: i64, by: i64) {
        let name = self.ledger.source_name(source);
        if let Some(progress) = name.and_then(|name| self.next.sources.get_mut(name)) {
            progress.quarantined = progress.quarantined.saturating_add_signed(by);
        }
    }

    /// The id of a partition, which is open from here on and belongs to `source`.
    fn open_partition(&mut self, partition: &Partition, source: i64) -> Result<i64, LedgerError> {
        let known =
            self.partition_ids.get(partition).or_else(|| self.ledger.book.partition_ids.get(partition));
        let (id, owner) = if let Some(id) = known.copied() {
            (id, self.partition_mut(id).source)
        } else {
            let (id, owner) = self
                .ledger
                .open_partition_row(partition, source, self.next_partition)
                .map_err(while_doing(ACTION))?;
            self.next_partition = self.next_partition.max(id + 1);
            self.partition_ids.insert(partition.clone(), id);
            self.partitions
                .insert(id, OpenPartition { partition: partition.clone(), source: owner, objects: 0 });
            (id, owner)
        };
        if owner != source {
            // Another url leads to the same folder now: what is in quarantine there is this source's.
            let quarantined: i64 = self
                .ledger
                .conn
                .prepare_cached("UPDATE partition SET source_id = ? WHERE id = ? RETURNING quarantined")
                .and_then(|mut update| update.query_row([source, id], |row| row.get(0)))
                .map_err(while_doing(ACTION))?;
            self.shift_gauge(owner, -quarantined);
            self.shift_gauge(source, quarantined);
            self.partition_mut(id).source = source;
        }
        Ok(id)
    }

    /// An open partition, to be changed.
    fn partition_mut(&mut self, id: i64) -> &mut OpenPartition {
        let book = &self.ledger.book;
        self.partitions.entry(id).or_insert_with(|| book.partitions[&id].clone())
    }

    fn is_full(&self, partition: &Partition) -> bool {
        let known =
            self.partition_ids.get(partition).or_else(|| self.ledger.book.partition_ids.get(partition));
        let open =
            known.and_then(|id| self.partitions.get(id).or_else(|| self.ledger.book.partitions.get(id)));
        is_outside(partition) && open.is_some_and(|open| open.objects >= self.ledger.bounds.foreign_keys)
    }

    /// The name of an object in the partition that it was in.
    fn name_at<'b>(&self, id: &'b ObjectId, partition: i64) -> Result<&'b str, LedgerError> {
        let open = self.partitions.get(&partition).or_else(|| self.ledger.book.partitions.get(&partition));
        match open {
            Some(open) => name_in(id, &open.partition),
            None => name_in(id, &self.ledger.read_partition(partition)?),
        }
    }

    fn end_attempt(&mut self, digest: Digest, id: &ObjectId) -> Result<(), LedgerError> {
        let Some(attempt) = self.ledger.book.attempts.get(&digest) else { return Ok(()) };
        let name = self.name_at(id, attempt.partition)?;
        self.execute(
            "DELETE FROM attempt WHERE partition_id = ? AND name = ?",
            params![attempt.partition, name],
        )?;
        self.attempts.push(digest);
        Ok(())
    }

    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<(), LedgerError> {
        self.ledger
            .conn
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map(drop)
            .map_err(while_doing(ACTION))
    }

    /// Writes the sums and everything that there is once a commit.
    fn finish(mut self) -> Result<Changes, LedgerError> {
        self.totals.finish_hourly_cost(&mut self.next);
        self.next.last_commit = Some(self.at);
        let conn = &self.ledger.conn;
        let series = self.totals.write(conn, &self.next, &self.ledger.series).map_err(while_doing(ACTION))?;
        self.write_counters().map_err(while_doing(ACTION))?;
        if self.quarantine.values().any(Option::is_some) {
            for digest in self.ledger.trim_quarantine().map_err(while_doing(ACTION))? {
                self.quarantine.insert(digest, None);
            }
        }
        self.report.series_limit_reached = self.totals.limit_reached();
        Ok(Changes {
            newest_hour: self.totals.newest_hour(),
            next: self.next,
            partitions: self.partitions,
            objects: self.objects,
            quarantine: self.quarantine,
            attempts: self.attempts,
            series,
            report: self.report,
        })
    }

    fn write_counters(&self) -> rusqlite::Result<()> {
        let (conn, old, new) = (&self.ledger.conn, &self.ledger.snapshot, &self.next);
        for outcome in RecordOutcome::ALL {
            if old.records.get(outcome) != new.records.get(outcome) {
                conn.prepare_cached("INSERT OR REPLACE INTO record_count (outcome, records) VALUES (?, ?)")?
                    .execute(params![outcome.as_str(), stored(new.records.get(outcome))])?;
            }
        }
        for outcome in ObjectOutcome::ALL {
            if old.objects.get(outcome) != new.objects.get(outcome) {
                conn.prepare_cached("INSERT OR REPLACE INTO object_count (outcome, objects) VALUES (?, ?)")?
                    .execute(params![outcome.as_str(), stored(new.objects.get(outcome))])?;
            }
        }
        for (name, source) in &self.ledger.sources {
            if let Some(newest) = new.sources.get(name).and_then(|progress| progress.newest_record) {
                conn.prepare_cached(
                    "UPDATE source SET newest_record = ? WHERE id = ? AND newest_record IS NOT ?",
                )?
                .execute(params![newest.0, source.id, newest.0])?;
            }
        }
        conn.prepare_cached("UPDATE state SET object_bytes = ?, first_hour = ?, last_commit = ?")?.execute(
            params![stored(new.object_bytes), new.first_hour.map(|hour| hour.start().0), self.at.0],
        )?;
        Ok(())
    }
}

fn overflow_of(id: &ObjectId) -> Quarantine {
    Quarantine {
        reason: QuarantineReason::Overflow,
        detail: format!("a total would exceed {} with the records of {id}", i64::MAX),
    }
}

/// Sum of fetched bytes, inside what the file can hold.
fn plus(sum: u64, bytes: u64) -> u64 {
    sum.saturating_add(bytes).min(i64::MAX as u64)
}
