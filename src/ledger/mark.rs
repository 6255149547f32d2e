//! The mark beside the state: how far it had come. Written after each commit that settles objects, so that a state
//! file that was replaced by an older copy is noticed.
//!
//! Invariant: the mark never leads. Objects ever settled only grow in number, and the commit that they are in is on
//! the disk before the mark is written. A mark that lags, or is not there, therefore says nothing; one that leads
//! says that commits are missing. It is not waited for: a loss of power may take it back, which is a lag.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{error::OpenError, load::unsigned, lock::beside};

/// What is expected of a mark; the rest of a longer file is not read.
const BYTES: u64 = 128;

/// Where a state has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    /// When the state was made: its identity. Unix seconds.
    created_at: i64,
    /// Objects ever settled.
    settled: u64,
}

/// The open file.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    reached: Reached,
}

impl Reached {
    /// Of a state file.
    pub(super) fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let sql =
            "SELECT (SELECT created_at FROM state), (SELECT coalesce(sum(objects), 0) FROM object_count)";
        conn.query_row(sql, [], |row| Ok(Self { created_at: row.get(0)?, settled: unsigned(row, 1)? }))
    }

    /// What a mark says; `None` where it says nothing: it was lost, or a loss of power has emptied it.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let created_at = words.next()?.parse().ok()?;
        Some(Self { created_at, settled: words.next()?.parse().ok()? })
    }

    /// Always of the same length, so that a later one replaces an earlier one whole.
    fn line(self) -> String {
        format!("{:020} {:020}\n", self.created_at, self.settled)
    }
}

/// Where the mark of a state file is.
pub(super) fn path_of(state: &Path) -> PathBuf {
    beside(state, ".mark")
}

/// Whether there was a state file here.
pub(super) fn exists(state: &Path) -> bool {
    path_of(state).exists()
}

/// Refuses a state that has come less far than its mark.
pub(super) fn check(state: &Path, reached: Reached) -> Result<(), OpenError> {
    let path = path_of(state);
    let mut text = String::new();
    match File::open(&path).and_then(|file| file.take(BYTES).read_to_string(&mut text)) {
        Ok(_) => {}
        // No text at all, as after a loss of power.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => return Ok(()),
        Err(error) => return Err(OpenError::Unreadable { path, source: error.into() }),
    }
    let Some(marked) = Reached::parse(&text) else { return Ok(()) };
    let state = state.to_owned();
    if marked.created_at != reached.created_at {
        return Err(OpenError::Another { path: state, mark: path });
    }
    if marked.settled > reached.settled {
        return Err(OpenError::Older {
            path: state,
            mark: path,
            settled: reached.settled,
            marked: marked.settled,
        });
    }
    Ok(())
}

/// A state that is made anew begins without a mark.
pub(super) fn remove(state: &Path) -> Result<(), OpenError> {
    let path = path_of(state);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(OpenError::from_write(&path, error)),
        _ => Ok(()),
    }
}

impl Mark {
    /// Takes the mark up where the state is.
    pub(super) fn open(state: &Path, reached: Reached) -> Result<Self, OpenError> {
        let path = path_of(state);
        let failed = |error| OpenError::from_write(&path, error);
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let line = reached.line();
        file.write_all_at(line.as_bytes(), 0).map_err(failed)?;
        // Shorter, never longer: where this fails the rest is not read.
        let _ = file.set_len(line.len() as u64);
        Ok(Self { file, reached })
    }

    /// After a commit. Where it cannot be written it lags.
    pub(super) fn advance(&mut self, settled: u64) {
        if settled > self.reached.settled {
            self.reached.settled = settled;
            let _ = self.file.write_all_at(self.reached.line().as_bytes(), 0);
        }
    }
}
