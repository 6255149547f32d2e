//! What can go wrong with the state file, each case with its remedy.

use std::{fmt, io, path::PathBuf};

use rusqlite::ErrorCode;

/// Who holds the lock of a state file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Process id, or `?` when the lock file does not say.
    pub pid: String,
    /// Host name, or `?` when the lock file does not say.
    pub host: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on host {}", self.pid, self.host)
    }
}

/// Why a state file cannot be used. Nothing is ever started over in silence: a missing file is the only fresh start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum OpenError {
    /// The folder of the state file does not exist.
    #[error("the folder {} of the state file does not exist: create it, or change state.path", .folder.display())]
    FolderMissing { folder: PathBuf },
    /// The file or its folder cannot be written.
    #[error("{} cannot be written: give this user write permission on the state file and its folder", .path.display())]
    NotWritable {
        path: PathBuf,
        #[source]
        source: Cause,
    },
    /// The file cannot be read.
    #[error("{} cannot be read: give this user read permission, or change state.path", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: Cause,
    },
    /// A read-only opening found no file.
    #[error("there is no state file {}: run the exporter first, or change state.path", .path.display())]
    Missing { path: PathBuf },
    /// The file has no bytes.
    #[error("{} is empty: restore it from a backup, or remove it to start over", .path.display())]
    Empty { path: PathBuf },
    /// The file belongs to something else.
    #[error("{} is not a state file of this program ({detail}): change state.path", .path.display())]
    Foreign { path: PathBuf, detail: String },
    /// The file is damaged.
    #[error(
        "{} is damaged ({detail}): restore it from a backup after moving it and its -wal and -shm files away; \
         moving them away without a backup starts over",
        .path.display()
    )]
    Corrupt { path: PathBuf, detail: String },
    /// The write-ahead log is there, but not the file that it belongs to.
    #[error(
        "{} is missing but its write-ahead log {} is there: put the file back, or remove the log to start over",
        .path.display(), .wal.display()
    )]
    Orphaned { path: PathBuf, wal: PathBuf },
    /// The file is an older copy of itself.
    #[error(
        "{} is older than what was committed to it: it has {settled} settled objects, and its mark {} says {marked}. \
         Put the newer file back; to go on with the older one on purpose, remove the mark",
        .path.display(), .mark.display()
    )]
    Older { path: PathBuf, mark: PathBuf, settled: u64, marked: u64 },
    /// The mark belongs to another file.
    #[error(
        "{} is not the state file that its mark {} belongs to: put that file back; to go on with this one on \
         purpose, remove the mark",
        .path.display(), .mark.display()
    )]
    Another { path: PathBuf, mark: PathBuf },
    /// The file was written by a later version of this program.
    #[error(
        "{} has version {found}, this program knows versions up to {known}: run the newer program again, or \
         restore a backup from before the upgrade",
        .path.display()
    )]
    Newer { path: PathBuf, found: i32, known: i32 },
    /// The file uses a word of a later program.
    #[error(
        "{} has the {table} {word:?}, which this program does not know: run the newer program again, or restore a \
         backup from before the upgrade",
        .path.display()
    )]
    NewerWord { path: PathBuf, table: &'static str, word: String },
    /// A reader found a file that the writer has not brought to this version yet.
    #[error(
        "{} has version {found} and is brought to version {known} when the exporter of this program opens it: start \
         that first, or use the older program",
        .path.display()
    )]
    NotMigrated { path: PathBuf, found: i32, known: i32 },
    /// Another exporter uses the file.
    #[error("{} is in use by {holder}: stop that one, or give this one its own state.path", .path.display())]
    Locked { path: PathBuf, holder: Holder },
    /// Another program, a database shell for example, holds a write lock.
    #[error("{} is locked for writing by another program: close it, then start again", .path.display())]
    Busy { path: PathBuf },
    /// There is no room, or the disk has a fault.
    #[error("{} cannot be used: make room on its disk and check the disk's health", .path.display())]
    Storage {
        path: PathBuf,
        #[source]
        source: Cause,
    },
}

/// What the operating system or SQLite said.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The operating system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl OpenError {
    /// The case that an answer of SQLite means.
    pub(super) fn from_sqlite(path: &std::path::Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::NotWritable { path, source: error.into() }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory) => {
                Self::Storage { path, source: error.into() }
            }
            // Not a database, malformed, a missing table or column, a value that no version of ours has written.
            // Words of the file may be among those of SQLite: the error stays one line.
            _ => Self::Corrupt { path, detail: error.to_string().replace(char::is_control, " ") },
        }
    }

    /// The case that an answer of the operating system means, for something that was to be written.
    pub(super) fn from_write(path: &std::path::Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::Other => {
                Self::Storage { path, source: source.into() }
            }
            _ => Self::NotWritable { path, source: source.into() },
        }
    }
}

/// Why the ledger did not do what it was asked. Nothing of what was asked has happened then.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite refused: disk full, I/O error, locked by another program. Worth trying again later.
    #[error("cannot {action}")]
    Storage {
        /// What was to be done.
        action: &'static str,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// A value in the file is not one that this program writes.
    #[error("the state file is damaged: {0}")]
    Corrupt(String),
    /// No configured source has this name.
    #[error("no source is called {0:?}")]
    UnknownSource(String),
    /// The key of an object does not lie in the partition that it is said to be of.
    #[error("object {object} is not in partition {prefix:?}")]
    Misplaced {
        /// Which object.
        object: crate::model::ObjectId,
        /// Prefix of the partition.
        prefix: std::sync::Arc<str>,
    },
}

impl LedgerError {
    /// What a person can do about it, where the state file is said to be.
    pub fn advice(&self) -> &'static str {
        let code = match self {
            Self::Storage { source, .. } => source.sqlite_error_code(),
            Self::Corrupt(_) | Self::UnknownSource(_) | Self::Misplaced { .. } => None,
        };
        match code {
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
                "make room on its disk, and see whether the disk is sound; ingest goes on by itself"
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                "give this user write permission on the file and its folder; ingest goes on by itself"
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "close the other program that writes to it; ingest goes on by itself"
            }
            // Not of the surroundings, so it will not pass by itself.
            _ => "if it comes back, restart the exporter: it checks the whole file and says what to do",
        }
    }
}

/// For `map_err`: what SQLite said, with what was to be done.
pub(super) fn while_doing(action: &'static str) -> impl Fn(rusqlite::Error) -> LedgerError {
    move |source| LedgerError::Storage { action, source }
}
