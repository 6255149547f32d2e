//! The journal of decoding: an object that kills the process must not kill it for ever.
//!
//! A row is written before an object is decoded and removed by the commit that settles it, so the rows that a start
//! finds belong to objects over which the process has died, or beside which it was killed. The journal survives
//! the end of the process; that it may be lost with the power costs nothing but another attempt.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::{
    Ledger,
    book::{Attempt, Digest, Mark, OpenPartition, name_in, span_hours},
    error::{LedgerError, while_doing},
    load,
};
use crate::{
    limits,
    model::{Candidate, ObjectId, Partition},
};

const BEGIN: &str = "journal the decoding of an object";
const ABANDON: &str = "take back the journal of an object";

impl Ledger {
    /// Notes that an object is about to be decoded. For an object in quarantine it notes the retry instead, and uses
    /// up the request for it: an object that kills the process is not taken up again unasked.
    ///
    /// # Errors
    /// When SQLite cannot write; nothing is noted then.
    pub fn begin_decoding(&mut self, candidate: &Candidate) -> Result<(), LedgerError> {
        let source = self.source(&candidate.source)?.id;
        let listed = &candidate.listed;
        let name = name_in(&listed.id, &candidate.partition)?;
        let digest = Digest::of(&listed.id);
        if let Some(mark) = self.book.quarantine.get(&digest).copied() {
            return self.begin_retry(&listed.id, mark);
        }
        if let Some(attempt) = self.book.attempts.get(&digest).copied() {
            return self.set_attempts(&listed.id, attempt, attempt.count.saturating_add(1), BEGIN);
        }
        let transaction = self.quick(BEGIN)?;
        let (place, owner) = match self.book.partition_ids.get(&candidate.partition) {
            Some(id) => (*id, None),
            None => self
                .open_partition_row(&candidate.partition, source, self.book.next_partition)
                .map(|(id, owner)| (id, Some(owner)))
                .map_err(while_doing(BEGIN))?,
        };
        transaction
            .prepare_cached(
                "INSERT INTO attempt (partition_id, name, source_id, version, size, attempts)
                 VALUES (?, ?, ?, ?, ?, 1)",
            )
            .and_then(|mut insert| {
                let size = load::stored(listed.size);
                insert.execute(params![place, name, source, listed.version, size])
            })
            .map_err(while_doing(BEGIN))?;
        transaction.commit().map_err(while_doing(BEGIN))?;
        if let Some(source) = owner {
            let partition = candidate.partition.clone();
            self.book.open(place, OpenPartition { partition, source, objects: 0 });
        }
        self.book.attempts.insert(digest, Attempt { partition: place, count: 1 });
        Ok(())
    }

    /// Takes one [`Self::begin_decoding`] back: the attempt ended without the death of the process.
    ///
    /// # Errors
    /// When SQLite cannot write; the attempt stays noted then.
    pub fn abandon_decoding(&mut self, id: &ObjectId) -> Result<(), LedgerError> {
        let digest = Digest::of(id);
        if let Some(attempt) = self.book.attempts.get(&digest).copied() {
            return self.set_attempts(id, attempt, attempt.count.saturating_sub(1), ABANDON);
        }
        match self.book.quarantine.get(&digest).copied() {
            Some(mark) => self.abandon_retry(id, mark),
            None => Ok(()),
        }
    }

    fn set_attempts(
        &mut self,
        id: &ObjectId,
        attempt: Attempt,
        count: u32,
        action: &'static str,
    ) -> Result<(), LedgerError> {
        let name = name_in(id, &self.book.partitions[&attempt.partition].partition)?;
        let digest = Digest::of(id);
        if count == 0 {
            let sql = "DELETE FROM attempt WHERE partition_id = ? AND name = ?";
            self.write_quickly(sql, params![attempt.partition, name], action)?;
            self.book.attempts.remove(&digest);
        } else {
            let sql = "UPDATE attempt SET attempts = ?3 WHERE partition_id = ?1 AND name = ?2";
            self.write_quickly(sql, params![attempt.partition, name, count], action)?;
            self.book.attempts.insert(digest, Attempt { count, ..attempt });
        }
        Ok(())
    }

    fn begin_retry(&mut self, id: &ObjectId, mark: Mark) -> Result<(), LedgerError> {
        let place = self.place_of(mark.partition)?;
        let name = name_in(id, &place)?;
        let transaction = self.quick(BEGIN)?;
        let of = params![mark.partition, name];
        let asked = transaction
            .prepare_cached("SELECT request IS 'retry' FROM quarantine WHERE partition_id = ? AND name = ?")
            .and_then(|mut select| select.query_row(of, |row| row.get(0)).optional())
            .map_err(while_doing(BEGIN))?
            .unwrap_or(false);
        transaction
            .prepare_cached(
                "UPDATE quarantine SET retries = retries + 1, request = nullif(request, 'retry')
                 WHERE partition_id = ? AND name = ?",
            )
            .and_then(|mut update| update.execute(of))
            .map_err(while_doing(BEGIN))?;
        transaction.commit().map_err(while_doing(BEGIN))?;
        self.book.quarantine.insert(Digest::of(id), Mark { retries: mark.retries + 1, asked, ..mark });
        Ok(())
    }

    fn abandon_retry(&mut self, id: &ObjectId, mark: Mark) -> Result<(), LedgerError> {
        let place = self.place_of(mark.partition)?;
        let name = name_in(id, &place)?;
        let retries = mark.retries.saturating_sub(1);
        let request = mark.asked.then_some("retry");
        let sql = "UPDATE quarantine SET retries = ?3, request = coalesce(request, ?4)
             WHERE partition_id = ?1 AND name = ?2";
        self.write_quickly(sql, params![mark.partition, name, retries, request], ABANDON)?;
        self.book.quarantine.insert(Digest::of(id), Mark { retries, asked: false, ..mark });
        Ok(())
    }

    fn place_of(&self, id: i64) -> Result<Partition, LedgerError> {
        match self.book.partitions.get(&id) {
            Some(open) => Ok(open.partition.clone()),
            None => self.read_partition(id),
        }
    }

    fn write_quickly(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        action: &'static str,
    ) -> Result<(), LedgerError> {
        let transaction = self.quick(action)?;
        transaction
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map_err(while_doing(action))?;
        transaction.commit().map_err(while_doing(action))
    }

    /// Objects that the process has died over too often, of sources that have a name. Meant for when nothing is being
    /// decoded: the journal has that, too.
    pub(super) fn died_over(
        &self,
        name_of: impl Fn(i64) -> Option<Arc<str>>,
    ) -> Result<Vec<Candidate>, LedgerError> {
        let failed = while_doing("read the journal of decoding");
        let mut statement = self
            .conn
            .prepare(&format!(
                "SELECT {}, a.name, a.size, a.version, a.source_id
                 FROM attempt a JOIN partition p ON p.id = a.partition_id
                 WHERE a.attempts >= ? ORDER BY p.bucket, p.prefix, a.name",
                load::PARTITION_COLUMNS
            ))
            .map_err(&failed)?;
        let rows = statement
            .query_map([limits::DECODE_ATTEMPTS], |row| {
                let source: i64 = row.get(load::PARTITION_WIDTH + 3)?;
                Ok(name_of(source).map(|name| load::candidate(row, name)).transpose())
            })
            .map_err(&failed)?;
        rows.map(|row| row.and_then(|candidate| candidate))
            .filter_map(Result::transpose)
            .collect::<Result<_, _>>()
            .map_err(&failed)
    }

    /// Marks the row of a partition as open and returns its id and source; makes it when there is none.
    pub(super) fn open_partition_row(
        &self,
        partition: &Partition,
        source: i64,
        next_id: i64,
    ) -> rusqlite::Result<(i64, i64)> {
        let start = partition.start.start().0;
        let span = span_hours(partition.span);
        let known = self
            .conn
            .prepare_cached(
                "UPDATE partition SET open = 1 WHERE bucket = ? AND prefix = ? AND start = ? AND span_hours = ?
                 RETURNING id, source_id",
            )?
            .query_row(params![partition.bucket, partition.prefix, start, span], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        if let Some(known) = known {
            return Ok(known);
        }
        self.insert_partition(partition, source, next_id, true)?;
        Ok((next_id, source))
    }

    pub(super) fn insert_partition(
        &self,
        partition: &Partition,
        source: i64,
        id: i64,
        open: bool,
    ) -> rusqlite::Result<()> {
        let (start, span) = (partition.start.start().0, span_hours(partition.span));
        self.conn
            .prepare_cached(
                "INSERT INTO partition (id, source_id, bucket, prefix, start, span_hours, open, quarantined)
                 VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            )?
            .execute(params![id, source, partition.bucket, partition.prefix, start, span, open])
            .map(drop)
    }

    /// The id of a partition, open or not.
    pub(super) fn partition_row(&self, partition: &Partition) -> rusqlite::Result<Option<i64>> {
        let (start, span) = (partition.start.start().0, span_hours(partition.span));
        self.conn
            .prepare_cached(
                "SELECT id FROM partition WHERE bucket = ? AND prefix = ? AND start = ? AND span_hours = ?",
            )?
            .query_row(params![partition.bucket, partition.prefix, start, span], |row| row.get(0))
            .optional()
    }

    /// A partition that is not open.
    pub(super) fn read_partition(&self, id: i64) -> Result<Partition, LedgerError> {
        let sql = format!("SELECT {} FROM partition p WHERE p.id = ?", load::PARTITION_COLUMNS);
        self.conn
            .prepare_cached(&sql)
            .and_then(|mut select| select.query_row([id], load::partition))
            .map_err(while_doing("read a partition"))
    }
}
