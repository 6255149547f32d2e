//! What is known of single objects, in memory: those of open partitions, those in quarantine, those being decoded.
//!
//! Memory follows the window: an object of an open partition costs some 150 bytes, one of a sealed partition
//! nothing. Objects are told apart by 128 bits of SHA-256 over bucket and key.

use std::{collections::HashMap, sync::Arc};

use sha2::{Digest as _, Sha256};

use super::{error::LedgerError, objects::Objects};
use crate::model::{Hour, IgnoreReason, ObjectId, ObjectOutcome, Partition, PartitionSpan};

/// The identity of an object, shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Digest(pub(super) [u8; Digest::BYTES]);

impl Digest {
    pub(super) const BYTES: usize = 16;

    pub(super) fn of(id: &ObjectId) -> Self {
        Self::of_parts(&id.bucket, &id.key, "")
    }

    /// Of the object whose key is `prefix` followed by `name`.
    pub(super) fn of_parts(bucket: &str, prefix: &str, name: &str) -> Self {
        #[cfg(test)]
        MADE.with(|made| made.set(made.get() + 1));
        let hash = Sha256::new()
            .chain_update(bucket.as_bytes())
            .chain_update([0])
            .chain_update(prefix.as_bytes())
            .chain_update(name.as_bytes())
            .finalize();
        let mut short = [0; Self::BYTES];
        short.copy_from_slice(&hash[..Self::BYTES]);
        Self(short)
    }
}

#[cfg(test)]
thread_local!(static MADE: std::cell::Cell<u64> = const { std::cell::Cell::new(0) });

/// How many digests this thread has made: what a test can hold the cost of a listing to.
#[cfg(test)]
pub(super) fn digests_made() -> u64 {
    MADE.with(std::cell::Cell::get)
}

/// An object of an open partition. Its row in `object` says the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenObject {
    pub(super) partition: i64,
    pub(super) size: u64,
    pub(super) outcome: ObjectOutcome,
    pub(super) ignore: Option<IgnoreReason>,
    pub(super) version: Option<Box<str>>,
    /// It was replaced after it had been settled.
    pub(super) mutated: bool,
    /// Its sums are in the baseline too.
    pub(super) baseline: bool,
}

/// A partition with rows in `object` or `attempt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenPartition {
    pub(super) partition: Partition,
    pub(super) source: i64,
    /// Its rows in `object`.
    pub(super) objects: usize,
}

/// A row of `quarantine`, without the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) partition: i64,
    pub(super) retries: u32,
    /// Its decoding under way has used up a request.
    pub(super) asked: bool,
}

/// A row of `attempt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) partition: i64,
    pub(super) count: u32,
}

/// All of it. Changed only after the transaction that says the same is durable.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) partitions: HashMap<i64, OpenPartition>,
    pub(super) partition_ids: HashMap<Partition, i64>,
    pub(super) objects: Objects,
    pub(super) quarantine: HashMap<Digest, Mark>,
    pub(super) attempts: HashMap<Digest, Attempt>,
    /// The next free id, above all that the file has.
    pub(super) next_partition: i64,
}

impl Book {
    /// Adds or replaces an open partition.
    pub(super) fn open(&mut self, id: i64, partition: OpenPartition) {
        self.partition_ids.insert(partition.partition.clone(), id);
        self.partitions.insert(id, partition);
        self.next_partition = self.next_partition.max(id + 1);
    }
}

/// Whether a partition stands for the keys outside all partitions of its source: it begins with the epoch, is never
/// sealed, and remembers a bounded number of keys.
pub(super) fn is_outside(partition: &Partition) -> bool {
    partition.start == Hour(0) && partition.span == PartitionSpan::Day
}

/// The day that an hourly partition lies in, where its folder is one of the day's: the last part of its prefix has
/// the digits of the hour and no others, as `10/` or `hour=10/`, so the date is in what comes before it.
pub(super) fn day_of(partition: &Partition) -> Option<Partition> {
    let path = partition.prefix.strip_suffix('/')?;
    let above = path.rfind('/')? + 1;
    let digits: String = path[above..].chars().filter(char::is_ascii_digit).collect();
    let hour = partition.start.0.rem_euclid(24);
    let day = Partition {
        bucket: partition.bucket.clone(),
        prefix: path[..above].into(),
        start: Hour(partition.start.0 - hour),
        span: PartitionSpan::Day,
    };
    let is_its = partition.span == PartitionSpan::Hour && digits == format!("{hour:02}");
    (is_its && !is_outside(&day)).then_some(day)
}

/// Hours of a span, as the file has it.
pub(super) fn span_hours(span: PartitionSpan) -> i64 {
    match span {
        PartitionSpan::Hour => 1,
        PartitionSpan::Day => 24,
    }
}

/// The part of a key after its partition's prefix.
pub(super) fn name_in<'a>(id: &'a ObjectId, partition: &Partition) -> Result<&'a str, LedgerError> {
    id.key
        .strip_prefix(&*partition.prefix)
        .filter(|_| id.bucket == partition.bucket)
        .ok_or_else(|| LedgerError::Misplaced { object: id.clone(), prefix: partition.prefix.clone() })
}

/// The text without what exceeds `bytes`, cut between characters.
pub(super) fn shortened(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// One `Arc` for equal texts.
#[derive(Debug, Default)]
pub(super) struct Interner(std::collections::HashSet<Arc<str>>);

impl Interner {
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = Arc::from(text);
        self.0.insert(new.clone());
        new
    }
}
