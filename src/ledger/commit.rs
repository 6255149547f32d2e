//! One transaction: these objects are settled, and this is what they add.
//!
//! Everything is worked out in a [`Draft`] beside the memory of the ledger and written as it is worked out. Only
//! when the transaction is durable does the draft become the memory; when anything fails, both are as before.

use std::collections::HashMap;

use rusqlite::params;

use super::{
    CommitReport, Ledger,
    book::{Digest, Mark, OpenPartition, name_in},
    error::{LedgerError, while_doing},
    load::stored,
    objects::Objects,
    rows::{Before, Target},
    sealed::SealedKind,
    totals::{Sums, Totals},
    transition::{self, State, Step},
};
use crate::model::{
    Candidate, Hour, IgnoreReason, Listed, ObjectDelta, ObjectId, ObjectOutcome, Partition, Quarantine,
    QuarantineReason, RecordOutcome, Settled, Settlement, Snapshot, SourceProgress, Timestamp,
};

pub(super) const ACTION: &str = "commit a batch to the state file";

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
        loop {
            self.catch_up()?;
            let transaction = self.durable(ACTION)?;
            if !self.is_current().map_err(while_doing(ACTION))? {
                // A recount came between the two.
                continue;
            }
            let mut draft = Draft::new(self, at);
            for settled in batch {
                draft.settle(settled)?;
            }
            let changes = draft.finish()?;
            transaction.commit().map_err(while_doing(ACTION))?;
            return Ok(self.adopt(changes));
        }
    }

    /// The draft is durable: it becomes the memory. Cannot fail.
    fn adopt(&mut self, changes: Changes) -> CommitReport {
        let Changes { mut next, partitions, objects, quarantine, attempts, sums, report } = changes;
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
        self.names.adopt(sums.names);
        self.grand = sums.grand;
        self.newest_hour = sums.newest_hour;
        next.state_bytes = self.state_bytes();
        self.mark.advance(next.objects.total());
        self.snapshot = next.into();
        report
    }
}

/// What a commit changes in memory.
struct Changes {
    next: Snapshot,
    partitions: HashMap<i64, OpenPartition>,
    objects: Objects,
    quarantine: HashMap<Digest, Option<Mark>>,
    attempts: Vec<Digest>,
    sums: Sums,
    report: CommitReport,
}

/// A commit being worked out.
pub(super) struct Draft<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) at: Timestamp,
    pub(super) next: Snapshot,
    totals: Totals<'a>,
    pub(super) partitions: HashMap<i64, OpenPartition>,
    pub(super) partition_ids: HashMap<Partition, i64>,
    pub(super) next_partition: i64,
    pub(super) objects: Objects,
    pub(super) quarantine: HashMap<Digest, Option<Mark>>,
    pub(super) attempts: Vec<Digest>,
    report: CommitReport,
}

impl<'a> Draft<'a> {
    fn new(ledger: &'a Ledger, at: Timestamp) -> Self {
        let next = Snapshot::clone(&ledger.snapshot);
        Self {
            ledger,
            at,
            totals: Totals::new(&next, ledger.grand, &ledger.names, ledger.newest_hour, ledger.series_limit),
            next,
            partitions: HashMap::new(),
            partition_ids: HashMap::new(),
            next_partition: ledger.book.next_partition,
            objects: Objects::default(),
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
        let baseline = delta.is_some() && self.is_baseline(&settled.candidate.source);
        self.write_object(digest, listed, name, place, &before, target, baseline)?;
        if step == Step::Settle {
            self.next.object_bytes = plus(self.next.object_bytes, settled.fetched);
            self.count(target.state.outcome);
        }
        if let Some(delta) = delta {
            self.add(delta, &settled.candidate, source, baseline);
        }
        Ok(())
    }

    /// Whether what a source adds now is its past: the counters are shown, and its first scan is not complete. Prometheus
    /// would take it for traffic of this moment.
    fn is_baseline(&self, source: &str) -> bool {
        self.next.first_scan_complete && !self.next.sources.get(source).is_some_and(SourceProgress::is_read)
    }

    fn count(&mut self, outcome: ObjectOutcome) {
        self.next.objects.add(outcome, 1);
        self.report.objects += 1;
    }

    fn add(&mut self, delta: &ObjectDelta, candidate: &Candidate, source: i64, baseline: bool) {
        self.totals.add(&mut self.next, delta, source, baseline);
        self.report.records += delta.records.total();
        if let Some(progress) = self.next.sources.get_mut(&candidate.source) {
            // A clock that runs ahead somewhere else must not hide that a source has fallen silent.
            let newest = delta.newest_record.map(|newest| newest.min(self.at));
            progress.newest_record = progress.newest_record.max(newest);
            let first = first_hour(delta).into_iter().chain(progress.first_hour).min();
            progress.first_hour = first;
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
            "UPDATE object SET version = ?, size = ?, mutated = 1 WHERE partition_id = ? AND name = ?",
            params![listed.version, stored(listed.size), open.partition, name],
        )?;
        open.version = listed.version.as_deref().map(Box::from);
        open.size = listed.size;
        open.mutated = true;
        let print = self.ledger.book.objects.print(&listed.id);
        self.objects.insert(digest, print, open);
        self.count(ObjectOutcome::Mutated);
        Ok(())
    }

    /// Writes the sums and everything that there is once a commit.
    fn finish(mut self) -> Result<Changes, LedgerError> {
        let sources = self.ledger.sources.iter().map(|(name, source)| (source.id, name.clone())).collect();
        self.totals.finish(&mut self.next, &sources);
        self.next.last_commit = Some(self.at);
        self.totals.write(&self.ledger.conn, self.at).map_err(while_doing(ACTION))?;
        self.write_counters().map_err(while_doing(ACTION))?;
        if self.quarantine.values().any(Option::is_some) {
            for digest in self.ledger.trim_quarantine().map_err(while_doing(ACTION))? {
                self.quarantine.insert(digest, None);
            }
        }
        self.report.series_limit_reached = self.totals.limit_reached();
        Ok(Changes {
            sums: self.totals.into_sums(),
            next: self.next,
            partitions: self.partitions,
            objects: self.objects,
            quarantine: self.quarantine,
            attempts: self.attempts,
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
            let Some(progress) = new.sources.get(name) else { continue };
            if old.sources.get(name) != Some(progress) {
                let newest = progress.newest_record.map(|newest| newest.0);
                let first = progress.first_hour.map(|hour| hour.start().0);
                conn.prepare_cached("UPDATE source SET newest_record = ?, first_hour = ? WHERE id = ?")?
                    .execute(params![newest, first, source.id])?;
            }
        }
        conn.prepare_cached("UPDATE state SET object_bytes = ?, first_hour = ?, last_commit = ?")?.execute(
            params![stored(new.object_bytes), new.first_hour.map(|hour| hour.start().0), self.at.0],
        )?;
        Ok(())
    }
}

/// The first hour that an object has a record for. Records that are not traffic have no hour of their own: there the
/// hour of the newest stands for them, which is minutes later.
fn first_hour(delta: &ObjectDelta) -> Option<Hour> {
    let traffic = delta.traffic.keys().next().map(|(hour, _)| *hour);
    let charged = delta.charges.keys().next().map(|(hour, ..)| *hour);
    traffic.into_iter().chain(charged).chain(delta.newest_record.map(Hour::of)).min()
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
