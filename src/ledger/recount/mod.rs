//! A recount: hours of the past read again under today's rules, beside a running writer or without one.
//!
//! What is read goes to staging tables, with the hashes of the objects, in one transaction for some objects: killed, it goes
//! on where it was. `swap` puts it in the place of the hours in one more transaction, with an adjustment for every
//! counter, so that none of them moves. Objects that the writer commits meanwhile are read before that transaction
//! succeeds. The writer notices by `state.generation` that somebody else has changed names or sums.

mod error;
mod objects;
mod staging;
mod swap;

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

pub use self::{
    error::RecountError,
    objects::{Finding, RecountObjects},
    swap::Change,
};
use self::{
    objects::{Counted, Seen, reaches, tolerance},
    staging::Memory,
};
use super::{
    Ledger, LedgerReader, OpenError, SourceSpec,
    book::Digest,
    error::LedgerError,
    load::{self, PARTITION_COLUMNS, PARTITION_WIDTH, stored},
    open,
    sealed::SealedSet,
    sources,
};
use crate::{
    limits,
    model::{Candidate, Hour, ObjectDelta, ObjectId, Timestamp},
};

/// Which prices the hours get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecountPrices {
    /// Those that were in force at the end of each hour.
    Then,
    /// Those of the configuration.
    Now,
}

impl RecountPrices {
    fn as_str(self) -> &'static str {
        match self {
            Self::Then => "then",
            Self::Now => "now",
        }
    }
}

/// What is to be recounted.
#[derive(Debug, Clone)]
pub struct RecountWish {
    /// The hours.
    pub hours: Range<Hour>,
    /// At which prices.
    pub prices: RecountPrices,
    /// Fingerprint of the configured rules.
    pub classifier: String,
    /// So long after their end hours are closed that a source has not settled.
    pub lookback: Duration,
    /// The configured sources.
    pub sources: Vec<SourceSpec>,
    /// `limits.series`
    pub series_limit: usize,
}

/// What an object adds under today's rules.
#[derive(Debug, Clone)]
pub struct Recounted {
    /// Which object.
    pub id: ObjectId,
    /// Name of its source.
    pub source: Arc<str>,
    /// What it adds, in all its hours.
    pub delta: ObjectDelta,
}

/// How an attempt to finish ended.
#[derive(Debug)]
pub enum Finish {
    /// These were counted meanwhile and are to be read first.
    Late(Vec<Candidate>),
    /// It is done.
    Done(Vec<swap::Change>),
}

/// A recount, from the first look to its end.
pub struct Recount {
    conn: Connection,
    path: PathBuf,
    wish: RecountWish,
    sources: BTreeMap<Arc<str>, i64>,
    id: Option<i64>,
    memory: Option<Memory>,
}

impl Ledger {
    /// Looks whether a recount can be made, and takes up the one that is under way where it is the same. Changes nothing.
    ///
    /// # Errors
    /// See [`RecountError`].
    pub fn recount(path: &Path, wish: RecountWish, now: Timestamp) -> Result<Recount, RecountError> {
        let reader = Self::open_read_only(path)?;
        let closed = reader.closed_hours(&wish.sources, wish.lookback, now)?.ok_or(RecountError::NotReady)?;
        drop(reader);
        if wish.hours.is_empty() || wish.hours.end > closed.hours.end {
            return Err(RecountError::Unsettled { end: closed.hours.end.start() });
        }
        let conn = connect(path)?;
        let mut recount =
            Recount { conn, path: path.to_owned(), wish, sources: BTreeMap::new(), id: None, memory: None };
        recount.check_begin()?;
        Ok(recount)
    }

    /// Gives up the recount that is under way: nothing of it has changed anything yet.
    ///
    /// # Errors
    /// When there is none, or the file cannot be written.
    pub fn abort_recount(path: &Path, now: Timestamp) -> Result<(), RecountError> {
        let conn = connect(path)?;
        let failed = failed(path);
        let transaction =
            Transaction::new_unchecked(&conn, TransactionBehavior::Immediate).map_err(&failed)?;
        let sql = "UPDATE recount SET ended_at = ?, outcome = 'aborted' WHERE ended_at IS NULL";
        if conn.execute(sql, [now.0]).map_err(&failed)? == 0 {
            return Err(RecountError::NotUnderWay);
        }
        swap::clear_staging(&conn).map_err(&failed)?;
        transaction.commit().map_err(&failed)
    }
}

impl LedgerReader {
    /// Returns the hours of the recount that is under way.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn recount_under_way(&self) -> Result<Option<Range<Hour>>, OpenError> {
        let sql = "SELECT from_hour, to_hour FROM recount WHERE ended_at IS NULL";
        let hours = self.conn.query_row(sql, [], |row| Ok(load::hour(row, 0)?..load::hour(row, 1)?));
        hours.optional().map_err(|error| self.failed(error))
    }
}

fn connect(path: &Path) -> Result<Connection, RecountError> {
    let conn = open::connect_current(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    open::check_words(path, &conn)?;
    let failed = failed(path);
    open::release_log(&conn).map_err(&failed)?;
    conn.pragma_update(None, "synchronous", "FULL").map_err(&failed)?;
    conn.pragma_update(None, "foreign_keys", true).map_err(&failed)?;
    conn.pragma_update(None, "temp_store", "MEMORY").map_err(&failed)?;
    Ok(conn)
}

fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> RecountError + use<> {
    let path = path.to_owned();
    move |error| OpenError::from_sqlite(&path, error).into()
}

impl Recount {
    fn failed(&self) -> impl Fn(rusqlite::Error) -> RecountError + use<> {
        failed(&self.path)
    }

    fn check_begin(&mut self) -> Result<(), RecountError> {
        self.check_rules()?;
        let failed = self.failed();
        let ids = sources::ids(&self.conn, &self.wish.sources).map_err(&failed)?;
        let known = self.wish.sources.iter().zip(ids);
        self.sources = known.filter_map(|(source, id)| Some((source.name.clone(), id?))).collect();
        self.check_folded()?;
        let sql = "SELECT id, from_hour, to_hour, prices, classifier FROM recount WHERE ended_at IS NULL";
        let under_way: Option<(i64, i64, i64, String, String)> = self
            .conn
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
            .optional()
            .map_err(&failed)?;
        let Some((id, from, to, prices, classifier)) = under_way else { return Ok(()) };
        let wish = &self.wish;
        let range = (wish.hours.start.start().0, wish.hours.end.start().0);
        if (from, to) != range || prices != wish.prices.as_str() || classifier != wish.classifier {
            return Err(RecountError::UnderWay { from: Timestamp(from), to: Timestamp(to) });
        }
        self.id = Some(id);
        Ok(())
    }

    /// The rules of the file are those of the configuration.
    fn check_rules(&self) -> Result<(), RecountError> {
        let sql = "SELECT classifier FROM state";
        let rules: String = self.conn.query_row(sql, [], |row| row.get(0)).map_err(self.failed())?;
        if rules == self.wish.classifier { Ok(()) } else { Err(RecountError::OtherRules) }
    }

    fn check_folded(&self) -> Result<(), RecountError> {
        let sql = "SELECT folded_before FROM state";
        let first = self.conn.query_row(sql, [], |row| load::moment(row, 0)).map_err(self.failed())?;
        match first.filter(|first| self.wish.hours.start.start() < *first) {
            Some(first) => Err(RecountError::Folded { first }),
            None => Ok(()),
        }
    }

    /// Whether one is under way that this goes on with.
    pub fn is_resumed(&self) -> bool {
        self.id.is_some()
    }

    /// The days in which the objects lie.
    pub fn days(&self) -> Range<Timestamp> {
        let Range { start, end } = &self.wish.hours;
        let first = start.0.saturating_sub(tolerance()).div_euclid(24) * 24;
        let last = (end.0.saturating_add(tolerance()) + 23).div_euclid(24) * 24;
        Hour(first).start()..Hour(last).start()
    }

    /// What was counted in partitions that may have records of the hours.
    ///
    /// # Errors
    /// When that is not known, or too much.
    pub fn objects(&self) -> Result<RecountObjects, RecountError> {
        let hours = self.wish.hours.clone();
        let mut objects = RecountObjects { by_hash: HashMap::new(), hours: hours.clone() };
        let failed = self.failed();
        let days = self.days();
        let sql = format!(
            "SELECT {PARTITION_COLUMNS}, o.name, o.size, o.version, o.mutated, o.baseline, p.source_id
             FROM partition p JOIN object o ON o.partition_id = p.id
             WHERE o.outcome = 'counted' AND p.start < ?2 AND p.start + p.span_hours * 3600 > ?1"
        );
        load::each(&self.conn, &sql, [days.start.0, days.end.0], |row| {
            let Candidate { listed, partition, .. } = load::candidate(row, Arc::from(""))?;
            if reaches(&partition, &hours) {
                let at = PARTITION_WIDTH + 3;
                let counted = Counted {
                    place: partition,
                    mutated: row.get(at)?,
                    baseline: row.get(at + 1)?,
                    open: Some((listed.clone(), row.get(at + 2)?)),
                    seen: Seen::No,
                };
                objects.add(Digest::of(&listed.id), counted);
            }
            Ok(())
        })
        .map_err(&failed)?;
        self.add_sealed(&mut objects, &days)?;
        load::each(&self.conn, "SELECT hash FROM recount_object", [], |row| {
            if let Some(counted) = objects.by_hash.get_mut(&Digest(row.get(0)?)) {
                counted.seen = Seen::Done;
            }
            Ok(())
        })
        .map_err(&failed)?;
        if objects.by_hash.len() > limits::RECOUNT_OBJECTS {
            return Err(RecountError::TooMany { most: limits::RECOUNT_OBJECTS });
        }
        Ok(objects)
    }

    fn add_sealed(&self, objects: &mut RecountObjects, days: &Range<Timestamp>) -> Result<(), RecountError> {
        let failed = self.failed();
        let mut places = Vec::new();
        let sql = format!(
            "SELECT {PARTITION_COLUMNS}, p.id FROM partition p JOIN sealed s ON s.partition_id = p.id
             WHERE p.start < ?2 AND p.start + p.span_hours * 3600 > ?1"
        );
        load::each(&self.conn, &sql, [days.start.0, days.end.0], |row| {
            places.push((load::partition(row)?, row.get::<_, i64>(PARTITION_WIDTH)?));
            Ok(())
        })
        .map_err(&failed)?;
        for (place, id) in places {
            let set =
                SealedSet::load(&self.conn, id).map_err(|error| self.damaged(error))?.unwrap_or_default();
            if set.mixed && reaches(&place, &self.wish.hours) {
                return Err(RecountError::SealedByVersion1 { from: place.start.start(), to: place.end() });
            }
            for digest in set.counted.digests() {
                let counted = Counted {
                    place: place.clone(),
                    open: None,
                    mutated: set.mutated.contains(digest),
                    baseline: set.baseline.contains(digest),
                    seen: Seen::No,
                };
                objects.add(digest, counted);
            }
        }
        Ok(())
    }

    fn damaged(&self, error: LedgerError) -> RecountError {
        match error {
            LedgerError::Storage { source, .. } => self.failed()(source),
            other => OpenError::Corrupt { path: self.path.clone(), detail: other.to_string() }.into(),
        }
    }

    /// Notes that it is under way, unless it is.
    ///
    /// # Errors
    /// When the file cannot be written, or somebody else has begun one.
    pub fn begin(&mut self, objects: u64, bytes: u64, now: Timestamp) -> Result<(), RecountError> {
        if self.id.is_some() {
            return Ok(());
        }
        let RecountWish { hours, prices, classifier, .. } = &self.wish;
        let (from, to) = (hours.start.start(), hours.end.start());
        let sql =
            "INSERT INTO recount (from_hour, to_hour, prices, classifier, objects, object_bytes, begun_at)
            SELECT ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM recount WHERE ended_at IS NULL)
            RETURNING id";
        let values =
            params![from.0, to.0, prices.as_str(), classifier, stored(objects), stored(bytes), now.0];
        let begun = self.conn.query_row(sql, values, |row| row.get(0)).optional().map_err(self.failed())?;
        self.id = Some(begun.ok_or(RecountError::UnderWay { from, to })?);
        Ok(())
    }

    fn check_under_way(&self) -> Result<(), RecountError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM recount WHERE id IS ? AND ended_at IS NULL)";
        let is: bool = self.conn.query_row(sql, [self.id], |row| row.get(0)).map_err(self.failed())?;
        if !is {
            return Err(RecountError::NotUnderWay);
        }
        self.check_rules()
    }

    /// Puts what was staged in the place of the hours, but of the skipped ones, unless objects were counted meanwhile.
    ///
    /// # Errors
    /// When it is not under way any more, hours were folded, or the file cannot be written. Nothing has changed then.
    pub fn finish(
        &mut self,
        objects: &mut RecountObjects,
        skipped: &BTreeMap<Hour, String>,
        now: Timestamp,
    ) -> Result<Finish, RecountError> {
        let failed = self.failed();
        self.memory = None;
        let transaction =
            Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate).map_err(&failed)?;
        self.check_under_way()?;
        self.check_folded()?;
        let late = self.late(objects)?;
        if !late.is_empty() {
            return Ok(Finish::Late(late));
        }
        let id = self.id.ok_or(RecountError::NotUnderWay)?;
        let changes =
            swap::swap(&transaction, id, &self.wish.hours, skipped, now).map_err(|error| match error {
                swap::SwapError::Sqlite(error) => failed(error),
                swap::SwapError::Overflow => RecountError::Overflow,
            })?;
        transaction.commit().map_err(&failed)?;
        self.id = None;
        Ok(Finish::Done(changes))
    }

    /// What was counted since the objects were looked for.
    fn late(&self, objects: &mut RecountObjects) -> Result<Vec<Candidate>, RecountError> {
        let names: BTreeMap<i64, Arc<str>> =
            self.sources.iter().map(|(name, id)| (*id, name.clone())).collect();
        let mut late = Vec::new();
        for (hash, now) in self.objects()?.by_hash {
            let known = objects.by_hash.get(&hash);
            if now.seen == Seen::Done || known.is_some_and(|known| known.seen != Seen::Waits) {
                continue;
            }
            if let Some((listed, source)) = now.open.clone().filter(|_| !now.mutated)
                && let Some(source) = names.get(&source)
            {
                late.push(Candidate { listed, source: source.clone(), partition: now.place.clone() });
                objects.by_hash.insert(hash, Counted { seen: Seen::Waits, ..now });
            } else {
                // Sealed or replaced meanwhile, so it has to be listed.
                return Err(RecountError::UnderWay {
                    from: self.wish.hours.start.start(),
                    to: self.wish.hours.end.start(),
                });
            }
        }
        late.sort_by(|a, b| a.listed.id.cmp(&b.listed.id));
        Ok(late)
    }
}

impl Ledger {
    /// Takes over names and sums that a recount has changed. Returns whether there were any.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn catch_up(&mut self) -> Result<bool, LedgerError> {
        const ACTION: &str = "read what a recount has changed";
        let failed = super::error::while_doing(ACTION);
        if self.stored_generation().map_err(&failed)? == self.generation {
            return Ok(false);
        }
        let sources = self.sources.iter().map(|(name, source)| (name.clone(), source.id)).collect();
        let transaction = self.conn.unchecked_transaction().map_err(&failed)?;
        let loaded = self.load(&sources).map_err(&failed)?;
        drop(transaction);
        self.take_over_sums(loaded);
        Ok(true)
    }

    /// Whether names and sums are as the file has them.
    pub(super) fn is_current(&self) -> rusqlite::Result<bool> {
        Ok(self.stored_generation()? == self.generation)
    }

    pub(super) fn stored_generation(&self) -> rusqlite::Result<i64> {
        self.conn.prepare_cached("SELECT generation FROM state")?.query_row([], |row| row.get(0))
    }
}
