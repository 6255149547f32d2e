//! The ledger: which objects are settled, and what they add up to. One SQLite file, one writer.
//!
//! Refuses to know what a flow log is, what anything costs, and what time it is: deltas, prices and moments are
//! handed in. Invariant (I1): the totals are the sum of the deltas of the objects marked counted, because both
//! change in one transaction; memory follows only when that transaction is durable.
//!
//! - `objects` knows the objects that can still be listed, `book` what else is known of single ones.
//! - `open` checks the file and brings up [`Ledger`]; `load` reads it into memory; `schema` has the tables.
//! - `audit` asks whether the tables agree; `mark` notices that a file was replaced by an older copy.
//! - `sources` says which row a configured source has.
//! - `commit` settles objects; `transition` decides what settling an object again means; `totals` adds up, under the
//!   ids of `series`, what `additions` writes.
//! - `counters` says which part of the sums the counters of /metrics do not show.
//! - `attempts` journals what is being decoded, `quarantine` lists what was set aside, `scans` keeps progress.
//! - `recount` takes hours that are read again, beside the writer, and puts them in the place of the old ones.
//! - `retire` takes label sets off /metrics that stand still and cannot come back.
//! - `seal` forgets names of partitions that have left the window, and hours that are only in the totals.
//! - `query` reads the file beside a running writer; `requests` asks the writer for something through the file.

mod additions;
mod attempts;
mod audit;
mod book;
mod commit;
mod counters;
mod error;
mod load;
mod lock;
mod mark;
mod objects;
mod open;
mod quarantine;
mod query;
mod recount;
mod requests;
mod retire;
mod rows;
mod scans;
mod schema;
mod seal;
mod sealed;
mod series;
mod sources;
#[cfg(test)]
mod tests;
mod totals;
mod transition;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use error::{Cause, Holder, LedgerError, OpenError};
pub use objects::Unchanged;
pub use quarantine::QuarantinedObject;
pub use query::{Amounts, ClosedHours, HistorySeries, HourRow, LedgerReader, Measure, Sum, Sums, Table};
pub use recount::{
    Change, Finding, Finish, Recount, RecountError, RecountObjects, RecountPrices, RecountWish, Recounted,
};
pub use requests::{Request, RequestError, Requests};
pub use scans::ScanProgress;

use self::{
    book::{Book, Digest},
    error::while_doing,
    sealed::{SealedCache, SealedKind},
    series::Names,
    totals::GrandTotal,
};
use crate::{
    limits,
    model::{
        Candidate, Charge, Hour, IgnoreReason, ObjectId, ObjectOutcome, Partition, Price, Snapshot, Timestamp,
    },
};

/// What the ledger has to know of the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// Label sets of the traffic families, and of the charge families, the overflow sets included.
    pub series_limit: usize,
    /// The configured sources. Names are unique; several may have one url.
    pub sources: Vec<SourceSpec>,
    /// Changes when the same object would give another delta.
    pub classifier_fingerprint: String,
    /// Prices in force from now on.
    pub prices: Vec<PriceInForce>,
}

/// A configured source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpec {
    /// The label. May change where no other source has the url.
    pub name: Arc<str>,
    /// The identity, together with the name where several sources have it.
    pub url: String,
}

/// A price of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceInForce {
    /// Where it holds.
    pub aws_region: String,
    /// For what.
    pub charge: Charge,
    /// How much; `None`: nothing.
    pub price: Option<Price>,
}

/// What was found in the state file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// There was no file; it has been created.
    pub created: bool,
    /// There had been one before.
    pub started_over: bool,
    /// The version that the file had, where it was an older one. Older programs cannot open it any more.
    pub migrated_from: Option<i32>,
    /// No first full scan of all sources has ever been committed.
    pub fresh: bool,
    /// Zones, port groups, NAT gateways or counting rules differ from those of the last run.
    pub classifier_changed: bool,
    /// Objects of configured sources that the process has died over too often while decoding them. To be settled
    /// as quarantined, `unfinished`.
    pub unfinished: Vec<Candidate>,
}

/// What the ledger knows of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What became of it. For objects of sealed partitions `Counted` stands for every outcome that is final.
    pub outcome: ObjectOutcome,
    /// Why it was ignored; for objects of sealed partitions `Filtered`.
    pub reason: Option<IgnoreReason>,
    /// Version when it was settled. Not kept for objects of sealed partitions.
    pub version: Option<String>,
    /// Size in bytes when it was settled. Not kept for objects of sealed partitions.
    pub size: Option<u64>,
    /// Known by its hash only: neither version nor size can be compared.
    pub sealed: bool,
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitReport {
    /// Objects that were settled by it.
    pub objects: u64,
    /// Records that were added by it.
    pub records: u64,
    /// Settlements that were left out because their objects had been settled before.
    pub repeated: u64,
    /// Objects that were quarantined because a total would have left the range of 64-bit integers.
    pub overflowed: Vec<ObjectId>,
    /// Something went to an overflow series.
    pub series_limit_reached: bool,
}

/// Bounds that tests make small.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    foreign_keys: usize,
    quarantine_rows: usize,
    day_hashes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            foreign_keys: limits::FOREIGN_KEYS,
            quarantine_rows: limits::QUARANTINE_ROWS,
            day_hashes: limits::SEALED_DAY_HASHES,
        }
    }
}

/// A configured source and what is kept of it beside the snapshot.
#[derive(Debug, Clone)]
struct Source {
    id: i64,
    begin: Option<Timestamp>,
    first_scan: Option<Timestamp>,
    last_late_scan: Option<Timestamp>,
}

/// The one writer of a state file. All methods block on the disk.
pub struct Ledger {
    conn: Connection,
    path: PathBuf,
    series_limit: usize,
    bounds: Bounds,
    /// Configured sources by name.
    sources: BTreeMap<Arc<str>, Source>,
    /// What has an id.
    names: Names,
    /// The sums over all that the snapshot has.
    grand: GrandTotal,
    /// `state.generation` when names and sums were read.
    generation: i64,
    /// The latest hour of the hourly tables.
    newest_hour: Option<Hour>,
    book: Book,
    sealed: RefCell<SealedCache>,
    /// The committed sums: the truth in memory, and what the scrapes see.
    snapshot: Arc<Snapshot>,
    mark: mark::Mark,
    /// Last: the connection is closed before the lock is released.
    _lock: lock::LockFile,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Ledger {
    /// The state file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last hour that has a record, charged or not.
    pub fn newest_hour(&self) -> Option<Hour> {
        self.newest_hour
    }

    /// Everything that is committed, as one value.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.clone()
    }

    /// For a listing: which of its objects are exactly as they were settled.
    pub fn unchanged(&self) -> Unchanged<'_> {
        Unchanged::of(&self.book.objects)
    }

    /// What is known of an object that was found in `partition`. `None`: it is to be read.
    pub fn status(&self, id: &ObjectId, partition: &Partition) -> Result<Option<Known>, LedgerError> {
        let digest = Digest::of(id);
        if let Some(open) = self.book.objects.get(&digest) {
            return Ok(Some(Known {
                outcome: open.outcome,
                reason: open.ignore,
                version: open.version.as_deref().map(str::to_owned),
                size: Some(open.size),
                sealed: false,
            }));
        }
        let by_hash =
            |outcome, reason| Ok(Some(Known { outcome, reason, version: None, size: None, sealed: true }));
        if self.book.quarantine.contains_key(&digest) {
            return by_hash(ObjectOutcome::Quarantined, None);
        }
        if self.is_full(partition) {
            return by_hash(ObjectOutcome::Ignored, Some(IgnoreReason::Foreign));
        }
        match self.sealed.borrow_mut().find(&self.conn, id, digest, partition)? {
            None => Ok(None),
            Some(SealedKind::Settled) => by_hash(ObjectOutcome::Counted, None),
            Some(SealedKind::RefusedLate) => by_hash(ObjectOutcome::RefusedLate, None),
            Some(SealedKind::Ignored) => by_hash(ObjectOutcome::Ignored, Some(IgnoreReason::Filtered)),
        }
    }

    /// Whether a partition of foreign keys remembers as many as it may.
    fn is_full(&self, partition: &Partition) -> bool {
        book::is_outside(partition)
            && self
                .book
                .partition_ids
                .get(partition)
                .and_then(|id| self.book.partitions.get(id))
                .is_some_and(|open| open.objects >= self.bounds.foreign_keys)
    }

    fn source(&self, name: &str) -> Result<&Source, LedgerError> {
        self.sources.get(name).ok_or_else(|| LedgerError::UnknownSource(name.to_owned()))
    }

    /// Name of a source that is configured.
    fn source_name(&self, id: i64) -> Option<&Arc<str>> {
        self.sources.iter().find(|(_, source)| source.id == id).map(|(name, _)| name)
    }

    /// A transaction that is on the disk when it is committed.
    fn durable(&self, action: &'static str) -> Result<Transaction<'_>, LedgerError> {
        self.begin("FULL").map_err(while_doing(action))
    }

    /// A transaction that survives the end of the process when it is committed, but not a loss of power. The next
    /// durable one takes it along.
    fn quick(&self, action: &'static str) -> Result<Transaction<'_>, LedgerError> {
        self.begin("NORMAL").map_err(while_doing(action))
    }

    fn begin(&self, synchronous: &str) -> rusqlite::Result<Transaction<'_>> {
        if !self.conn.is_autocommit() {
            // A rollback that failed earlier; the pragma below has no effect inside a transaction.
            self.conn.execute_batch("ROLLBACK")?;
        }
        self.conn.pragma_update(None, "synchronous", synchronous)?;
        Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate)
    }

    /// Size of the file with its write-ahead log.
    fn state_bytes(&self) -> u64 {
        state_bytes(&self.path)
    }
}

/// Size of a state file with its write-ahead log, as far as the operating system tells it.
fn state_bytes(path: &Path) -> u64 {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    size(path).saturating_add(size(&lock::beside(path, "-wal")))
}
