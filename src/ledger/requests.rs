//! What a person asks of objects in quarantine: to read them again, or to give them up.
//!
//! A request is one word in the row of the object. Whoever asks writes nothing else, and needs no lock: the exporter
//! does what was asked, at its next poll or its next start. Invariant: only the one writer changes what is known of
//! an object, so a request can neither lose nor double anything, whenever it comes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use super::{
    Ledger, OpenError, QuarantinedObject,
    book::{Digest, span_hours},
    error::{LedgerError, while_doing},
    load, open, quarantine,
};
use crate::model::{Candidate, IgnoreReason, ObjectId, ObjectOutcome, Snapshot};

const TAKE: &str = "read the requests of the quarantine";
const DROP: &str = "drop objects from the quarantine";

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Read it again.
    Retry,
    /// Forget its particulars and never read it again.
    Drop,
}

impl Request {
    /// The word in the state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Drop => "drop",
        }
    }

    /// The request of a word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Retry, Self::Drop].into_iter().find(|request| request.as_str() == text)
    }
}

/// What was asked and can be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// Objects of configured sources to read again. They stay asked for until [`Ledger::begin_decoding`].
    pub retry: Vec<Candidate>,
    /// Objects that were dropped just now.
    pub dropped: u64,
}

/// Why nothing was asked.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum RequestError {
    /// The state file cannot be used.
    #[error(transparent)]
    Open(OpenError),
    /// The exporter, or another program, has been writing for seconds.
    #[error("{} is being written to: try again in a moment", .path.display())]
    Busy { path: PathBuf },
    /// Some objects are not there to be asked for.
    #[error("not in quarantine, so nothing was asked: {}", .keys.join(", "))]
    Unknown { keys: Vec<String> },
    /// The key is in more than one bucket.
    #[error("in quarantine in more than one bucket, so nothing was asked: {key}; write it with its bucket")]
    Ambiguous { key: String },
}

impl From<OpenError> for RequestError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Busy { path } => Self::Busy { path },
            other => Self::Open(other),
        }
    }
}

impl Ledger {
    /// Asks for something, beside a running exporter or without one. `keys` are keys as they are, or with their
    /// bucket, as in `s3://bucket/key`; `None` is every object whose particulars are kept. A later request for an
    /// object replaces an earlier one. Returns what was asked for, all or nothing.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn request(
        path: &Path,
        request: Request,
        keys: Option<&[String]>,
    ) -> Result<Vec<QuarantinedObject>, RequestError> {
        if !path.exists() {
            return Err(OpenError::Missing { path: path.to_owned() }.into());
        }
        let (conn, _) = open::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let failed = |error| RequestError::from(OpenError::from_sqlite(path, error));
        open::release_log(&conn).map_err(failed)?;
        let transaction =
            Transaction::new_unchecked(&conn, TransactionBehavior::Immediate).map_err(failed)?;
        let mut objects = quarantine::rows(&transaction, None).map_err(failed)?;
        if let Some(keys) = keys {
            objects = select(objects, keys)?;
        }
        note(&transaction, request, &objects).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(objects)
    }

    /// Drops what is to be dropped, and says what is to be read again.
    ///
    /// # Errors
    /// When SQLite cannot read or write. Nothing is dropped then.
    pub fn take_requests(&mut self) -> Result<Requests, LedgerError> {
        let retry = quarantine::rows(&self.conn, Some(Request::Retry)).map_err(while_doing(TAKE))?;
        let retry = retry.into_iter().map(|object| object.candidate);
        let retry = retry.filter(|candidate| self.sources.contains_key(&candidate.source)).collect();
        let dropped = self.drop_requested()?;
        Ok(Requests { retry, dropped })
    }

    fn drop_requested(&mut self) -> Result<u64, LedgerError> {
        let any = "SELECT EXISTS (SELECT 1 FROM quarantine WHERE request = 'drop')";
        let any: bool = self
            .conn
            .prepare_cached(any)
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .map_err(while_doing(TAKE))?;
        if !any {
            return Ok(0);
        }
        let transaction = self.durable(DROP)?;
        let dropped = delete(&transaction).map_err(while_doing(DROP))?;
        transaction.commit().map_err(while_doing(DROP))?;

        let mut next = Snapshot::clone(&self.snapshot);
        for (digest, source) in &dropped {
            self.book.quarantine.remove(digest);
            if let Some(open) = self.book.objects.get_mut(digest) {
                (open.outcome, open.ignore) = (ObjectOutcome::Ignored, Some(IgnoreReason::Dropped));
            }
            let name = self.source_name(*source);
            if let Some(progress) = name.and_then(|name| next.sources.get_mut(name)) {
                progress.quarantined = progress.quarantined.saturating_sub(1);
            }
        }
        next.state_bytes = self.state_bytes();
        self.snapshot = next.into();
        Ok(dropped.len() as u64)
    }
}

/// The objects that the keys name, each once.
fn select(objects: Vec<QuarantinedObject>, keys: &[String]) -> Result<Vec<QuarantinedObject>, RequestError> {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, object) in objects.iter().enumerate() {
        let id: &ObjectId = &object.candidate.listed.id;
        places.entry(id.to_string()).or_default().push(at);
        places.entry(id.key.clone()).or_default().push(at);
    }
    let mut wanted = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    for key in keys {
        match places.get(key).map(Vec::as_slice) {
            Some([at]) => drop(wanted.insert(*at)),
            Some(_) => return Err(RequestError::Ambiguous { key: key.clone() }),
            None => drop(unknown.insert(key.clone())),
        }
    }
    if !unknown.is_empty() {
        return Err(RequestError::Unknown { keys: unknown.into_iter().collect() });
    }
    let wanted = objects.into_iter().enumerate().filter(|(at, _)| wanted.contains(at));
    Ok(wanted.map(|(_, object)| object).collect())
}

fn note(conn: &Connection, request: Request, objects: &[QuarantinedObject]) -> rusqlite::Result<()> {
    let mut update = conn.prepare(
        "UPDATE quarantine SET request = ?1 WHERE name = ?2 AND partition_id =
            (SELECT id FROM partition WHERE bucket = ?3 AND prefix = ?4 AND start = ?5 AND span_hours = ?6)",
    )?;
    for object in objects {
        let Candidate { listed, partition, .. } = &object.candidate;
        let name = &listed.id.key[partition.prefix.len()..];
        let start = partition.start.start().0;
        update.execute(params![
            request.as_str(),
            name,
            partition.bucket,
            partition.prefix,
            start,
            span_hours(partition.span)
        ])?;
    }
    Ok(())
}

/// Deletes the rows that are to be dropped. The objects of open partitions become ignored ones; those of sealed
/// partitions are among the settled hashes already. Returns each object with its source.
fn delete(conn: &Connection) -> rusqlite::Result<Vec<(Digest, i64)>> {
    let sql = "SELECT p.bucket, p.prefix, q.name, p.id, p.source_id
        FROM quarantine q JOIN partition p ON p.id = q.partition_id WHERE q.request = 'drop'";
    let mut rows: Vec<(Digest, i64, String, i64)> = Vec::new();
    load::each(conn, sql, [], |row| {
        rows.push((load::joined_digest(row)?, row.get(3)?, row.get(2)?, row.get(4)?));
        Ok(())
    })?;
    let mut object = conn.prepare_cached(
        "UPDATE object SET outcome = 'ignored', reason = ? WHERE partition_id = ? AND name = ?",
    )?;
    let mut partition =
        conn.prepare_cached("UPDATE partition SET quarantined = quarantined - 1 WHERE id = ?")?;
    for (_, id, name, _) in &rows {
        object.execute(params![IgnoreReason::Dropped.as_str(), id, name])?;
        partition.execute([id])?;
    }
    conn.prepare_cached("DELETE FROM quarantine WHERE request = 'drop'")?.execute([])?;
    Ok(rows.into_iter().map(|(digest, _, _, source)| (digest, source)).collect())
}
