//! The folder of log files: names, partitions, and files that appear whole.
//!
//! Refuses to know the clock and what the records say. A file is written under a name that ends in `.part` and
//! renamed, so that a reader sees all of it or nothing. A slot of five minutes that has a file is never filled again.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    cluster::{ACCOUNT, FLOW_LOG, REGION},
    traffic::Cluster,
};
use crate::{
    decode::encode::{self, EncodeError, EncodeOptions, Record},
    model::{Hour, Timestamp},
};

/// Seconds between two deliveries of AWS: the time in a file's name is the beginning of such a slot.
pub const SLOT_SECONDS: u32 = 300;

const HOUR_SECONDS: u32 = 3_600;
const SLOTS_AN_HOUR: usize = (HOUR_SECONDS / SLOT_SECONDS) as usize;

/// Records of a slot in the history. Every zone pair and service is there every hour, and two days are written in a
/// moment.
pub const HISTORY_ROWS: usize = 120;

/// The demo's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file or folder cannot be read or written.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The records do not make a file.
    #[error("cannot encode {}", path.display())]
    Encode {
        /// The file that was to be.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: EncodeError,
    },
    /// The folder has a configuration that the demo has not written.
    #[error("{} was not written by the demo: choose another folder", .0.display())]
    ForeignConfig(PathBuf),
    /// What has been read began later.
    #[error(
        "the folder was read with a shorter history before, and what lies before that would not be read any more: \
         choose another folder"
    )]
    ShorterPast,
    /// The path of the folder cannot be put into the configuration.
    #[error("{} is not UTF-8: choose another folder", .0.display())]
    NotUtf8(PathBuf),
}

/// Names the operation and the path of a failed call.
pub(super) fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DemoError {
    move |source| DemoError::Io { operation, path: path.to_owned(), source }
}

/// The beginning of the slot that contains a moment.
pub fn slot_of(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(i64::from(SLOT_SECONDS)))
}

/// The hive-hourly partition of an hour, relative to the folder, without a slash at the end.
///
/// # Panics
/// Outside the years -9999 to 9999.
pub fn partition(hour: Hour) -> String {
    let utc = hour.start().to_utc().expect("a time that a flow log can have");
    format!(
        "AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/aws-region={REGION}/year={:04}/month={:02}/day={:02}/hour={:02}",
        utc.year(),
        u8::from(utc.month()),
        utc.day(),
        utc.hour()
    )
}

/// `20251209T1000Z`
fn stamp(slot: Timestamp) -> String {
    let utc = slot.to_utc().expect("a time that a flow log can have");
    let (year, month, day) = utc.to_calendar_date();
    format!("{year:04}{:02}{day:02}T{:02}{:02}Z", u8::from(month), utc.hour(), utc.minute())
}

/// The path of a file relative to the folder; `hash` keeps the files of a slot apart.
pub fn file_path(slot: Timestamp, hash: u32) -> String {
    let (folder, stamp) = (partition(Hour::of(slot)), stamp(slot));
    format!("{folder}/{ACCOUNT}_vpcflowlogs_{REGION}_{FLOW_LOG}_{stamp}_{hash:08x}.log.parquet")
}

/// Writes a cluster's logs into a folder.
pub struct LogFolder {
    dir: PathBuf,
    cluster: Cluster,
}

impl LogFolder {
    /// Touches nothing.
    pub fn new(dir: PathBuf, cluster: Cluster) -> Self {
        Self { dir, cluster }
    }

    /// One file for each complete slot of the last `days` days that has none yet. Names and contents depend on the
    /// seed and the slot only. Returns the new files in the order of their slots.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn write_history(&self, now: Timestamp, days: u32) -> Result<Vec<PathBuf>, DemoError> {
        let first = slot_of(now.minus(Duration::from_secs(u64::from(days) * 86_400)));
        self.write_slots(first, slot_of(now))
    }

    fn write_slots(&self, mut slot: Timestamp, end: Timestamp) -> Result<Vec<PathBuf>, DemoError> {
        let mut written = Vec::new();
        let (mut hour, mut filled) = (None, BTreeSet::new());
        while slot < end {
            if hour.replace(Hour::of(slot)) != Some(Hour::of(slot)) {
                filled = self.filled(Hour::of(slot))?;
            }
            if !filled.contains(&stamp(slot)) {
                let records = self.cluster.records(slot, SLOT_SECONDS, HISTORY_ROWS);
                let path = self.dir.join(file_path(slot, self.hash(slot, u64::from(SLOT_SECONDS))));
                self.write(&path, &records)?;
                written.push(path);
            }
            slot = slot.plus(Duration::from_secs(u64::from(SLOT_SECONDS)));
        }
        Ok(written)
    }

    /// The same from the hour of `begin` on, with one file for each hour that has none until the last `days` days: as
    /// many records an hour, in a twelfth of the files.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn write_long_history(
        &self,
        begin: Timestamp,
        now: Timestamp,
        days: u32,
    ) -> Result<Vec<PathBuf>, DemoError> {
        let fine = Hour::of(now.minus(Duration::from_secs(u64::from(days) * 86_400)));
        let mut written = Vec::new();
        for hour in (Hour::of(begin).0..fine.0).map(Hour) {
            if self.filled(hour)?.is_empty() {
                let records = self.cluster.records(hour.start(), HOUR_SECONDS, HISTORY_ROWS * SLOTS_AN_HOUR);
                let path =
                    self.dir.join(file_path(hour.start(), self.hash(hour.start(), u64::from(HOUR_SECONDS))));
                self.write(&path, &records)?;
                written.push(path);
            }
        }
        written.extend(self.write_slots(fine.start(), slot_of(now))?);
        Ok(written)
    }

    /// One file with the records of `from` up to, not including, `to`; its slot is that of its last second. Never
    /// touches a file that is there.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write_live(&self, from: Timestamp, to: Timestamp, rows: usize) -> Result<PathBuf, DemoError> {
        let seconds = u32::try_from(to.0 - from.0).unwrap_or(0).max(1);
        let records = self.cluster.records(from, seconds, rows);
        let slot = slot_of(Timestamp(from.0 + i64::from(seconds) - 1));
        let mut salt = 1;
        let path = loop {
            // The shifted salt keeps live names apart from those of the history, which use the bare seconds.
            let hash = self.hash(from, u64::from(seconds) | salt << 32);
            let path = self.dir.join(file_path(slot, hash));
            if !path.try_exists().map_err(io_error("read", &path))? {
                break path;
            }
            salt += 1;
        };
        self.write(&path, &records)?;
        Ok(path)
    }

    /// Whether a slot has a file.
    ///
    /// # Errors
    /// When its partition cannot be read.
    pub fn is_filled(&self, slot: Timestamp) -> Result<bool, DemoError> {
        Ok(self.filled(Hour::of(slot))?.contains(&stamp(slot)))
    }

    /// The stamps of an hour's files.
    fn filled(&self, hour: Hour) -> Result<BTreeSet<String>, DemoError> {
        let folder = self.dir.join(partition(hour));
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries.map_err(io_error("list", &folder))?,
        };
        let mut stamps = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(io_error("list", &folder))?.file_name();
            let Some(name) = name.to_str().filter(|name| name.ends_with(".log.parquet")) else { continue };
            stamps.extend(name.split('_').nth(4).map(str::to_owned));
        }
        Ok(stamps)
    }

    #[allow(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
    fn hash(&self, start: Timestamp, salt: u64) -> u32 {
        self.cluster.hash(start.0.cast_unsigned(), salt) as u32
    }

    fn write(&self, path: &Path, records: &[Record]) -> Result<(), DemoError> {
        let bytes = encode::parquet(records, &EncodeOptions::default())
            .map_err(|source| DemoError::Encode { path: path.to_owned(), source })?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io_error("create", folder))?;
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        fs::write(&part, bytes).map_err(io_error("write", &part))?;
        fs::rename(&part, path).map_err(io_error("rename", &part))
    }
}
