//! The rows of single objects in a commit: `object`, `quarantine`, `partition`, `attempt`, and the draft of the book
//! that goes with them.

use rusqlite::params;

use super::{
    book::{Digest, Mark, OpenObject, OpenPartition, is_outside, name_in, shortened},
    commit::{ACTION, Draft},
    error::{LedgerError, while_doing},
    load::stored,
    transition::State,
};
use crate::{
    limits,
    model::{IgnoreReason, Listed, ObjectId, ObjectOutcome, Partition, Quarantine, Settlement},
};

/// What an object was before its settlement.
pub(super) struct Before {
    pub(super) state: Option<State>,
    pub(super) open: Option<OpenObject>,
    pub(super) mark: Option<Mark>,
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
pub(super) struct Target<'a> {
    pub(super) state: State,
    pub(super) why: Option<&'a Quarantine>,
}

impl<'a> Target<'a> {
    pub(super) fn of(settlement: &'a Settlement) -> Self {
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

impl Draft<'_> {
    #[allow(clippy::too_many_arguments, reason = "what a row has")]
    pub(super) fn write_object(
        &mut self,
        digest: Digest,
        listed: &Listed,
        name: &str,
        place: i64,
        before: &Before,
        target: Target<'_>,
        baseline: bool,
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
            "INSERT INTO object
                (partition_id, name, version, size, outcome, reason, settled_at, mutated, baseline)
             VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)
             ON CONFLICT (partition_id, name) DO UPDATE SET version = excluded.version, size = excluded.size,
                outcome = excluded.outcome, reason = excluded.reason, settled_at = excluded.settled_at,
                mutated = 0, baseline = excluded.baseline",
            params![
                place,
                name,
                listed.version,
                size,
                outcome.as_str(),
                target.reason(),
                self.at.0,
                baseline
            ],
        )?;
        let object = OpenObject {
            partition: place,
            size: listed.size,
            outcome,
            ignore: target.state.ignore,
            version: listed.version.as_deref().map(Box::from),
            mutated: false,
            baseline,
        };
        let print = self.ledger.book.objects.print(&listed.id);
        self.objects.insert(digest, print, object);
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
        // A request is used up when decoding begins. Of an object that did not come to that it is used up here.
        let undecoded = !self.attempts.contains(&digest);
        let reason = why.reason.as_str();
        let retries = self
            .ledger
            .conn
            .prepare_cached(
                "INSERT INTO quarantine (partition_id, name, version, size, reason, detail, since, retries)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (partition_id, name) DO UPDATE SET version = excluded.version, size = excluded.size,
                    reason = excluded.reason, detail = excluded.detail,
                    retries = retries + (?9 AND request IS 'retry'),
                    request = CASE WHEN ?9 THEN nullif(request, 'retry') ELSE request END
                 RETURNING retries",
            )
            .and_then(|mut insert| {
                let row =
                    params![place, name, listed.version, size, reason, detail, self.at.0, retries, undecoded];
                insert.query_row(row, |row| row.get(0))
            })
            .map_err(while_doing(ACTION))?;
        self.quarantine.insert(digest, Some(Mark { partition: place, retries, asked: false }));
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
    pub(super) fn open_partition(&mut self, partition: &Partition, source: i64) -> Result<i64, LedgerError> {
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

    pub(super) fn is_full(&self, partition: &Partition) -> bool {
        let known =
            self.partition_ids.get(partition).or_else(|| self.ledger.book.partition_ids.get(partition));
        let open =
            known.and_then(|id| self.partitions.get(id).or_else(|| self.ledger.book.partitions.get(id)));
        is_outside(partition) && open.is_some_and(|open| open.objects >= self.ledger.bounds.foreign_keys)
    }

    /// The name of an object in the partition that it was in.
    pub(super) fn name_at<'b>(&self, id: &'b ObjectId, partition: i64) -> Result<&'b str, LedgerError> {
        let open = self.partitions.get(&partition).or_else(|| self.ledger.book.partitions.get(&partition));
        match open {
            Some(open) => name_in(id, &open.partition),
            None => name_in(id, &self.ledger.read_partition(partition)?),
        }
    }

    pub(super) fn end_attempt(&mut self, digest: Digest, id: &ObjectId) -> Result<(), LedgerError> {
        let Some(attempt) = self.ledger.book.attempts.get(&digest) else { return Ok(()) };
        let name = self.name_at(id, attempt.partition)?;
        self.execute(
            "DELETE FROM attempt WHERE partition_id = ? AND name = ?",
            params![attempt.partition, name],
        )?;
        self.attempts.push(digest);
        Ok(())
    }

    pub(super) fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<(), LedgerError> {
        self.ledger
            .conn
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map(drop)
            .map_err(while_doing(ACTION))
    }
}
