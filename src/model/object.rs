//! Objects: the atoms of progress. An object is counted whole or not at all.

use std::{fmt, sync::Arc};

use super::{Hour, ObjectDelta, Timestamp};

/// The identity of an object: where it is kept, and its exact key. Same identity, same object, for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// `s3://bucket`, or `file://` for local files.
    pub bucket: Arc<str>,
    /// The key in the bucket; for local files the absolute path without its leading slash.
    pub key: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

/// How much time a partition covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartitionSpan {
    /// `.../DD/HH/`
    Hour,
    /// `.../DD/`
    Day,
}

/// A folder of objects that belongs to one hour or one day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// Bucket of its objects, as in [`ObjectId::bucket`].
    pub bucket: Arc<str>,
    /// What the keys of its objects begin with, up to and including the slash after the date.
    pub prefix: Arc<str>,
    /// Its first hour.
    pub start: Hour,
    /// One hour or 24.
    pub span: PartitionSpan,
}

impl Partition {
    /// The first second after it.
    pub fn end(&self) -> Timestamp {
        match self.span {
            PartitionSpan::Hour => self.start.end(),
            PartitionSpan::Day => Hour(self.start.0 + 23).end(),
        }
    }
}

/// Where an object comes from, as far as its key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The partition of its key.
    pub partition: Partition,
    /// The account of its key.
    pub account: Option<Arc<str>>,
    /// The region of its key.
    pub region: Option<Arc<str>>,
}

impl From<Partition> for Origin {
    /// An object whose key names neither account nor region.
    fn from(partition: Partition) -> Self {
        Self { partition, account: None, region: None }
    }
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which object.
    pub id: ObjectId,
    /// Its size in bytes.
    pub size: u64,
    /// What changes when the content is replaced: the ETag in S3, the modification time of a local file. May be
    /// missing. Pins the read and detects `mutated`; never decides whether an object is counted.
    pub version: Option<String>,
}

/// An object that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The object as listed.
    pub listed: Listed,
    /// Name of the source that found it.
    pub source: Arc<str>,
    /// The partition that its key names.
    pub partition: Partition,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ObjectOutcome {
    /// Its records are in the totals.
    Counted,
    /// It has no records.
    Empty,
    /// It is no flow log of this source.
    Ignored,
    /// It turned up after its partition had left the window.
    RefusedLate,
    /// It could not be read as a flow log.
    Quarantined,
    /// It was listed, but gone when it was to be read.
    Gone,
    /// It changed after it had been counted; its records are not counted again.
    Mutated,
}

impl ObjectOutcome {
    /// All outcomes, in label order of the exposition.
    pub const ALL: [Self; 7] = [
        Self::Counted,
        Self::Empty,
        Self::Ignored,
        Self::RefusedLate,
        Self::Quarantined,
        Self::Gone,
        Self::Mutated,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Empty => "empty",
            Self::Ignored => "ignored",
            Self::RefusedLate => "refused_late",
            Self::Quarantined => "quarantined",
            Self::Gone => "gone",
            Self::Mutated => "mutated",
        }
    }

    /// The outcome of a label value.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// Number of objects by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectCounts([u64; ObjectOutcome::ALL.len()]);

impl ObjectCounts {
    /// Objects of one outcome.
    pub fn get(&self, outcome: ObjectOutcome) -> u64 {
        self.0[outcome as usize]
    }

    /// Adds `count` objects. Saturation is unreachable: it would take 2^64 objects.
    pub fn add(&mut self, outcome: ObjectOutcome, count: u64) {
        let slot = &mut self.0[outcome as usize];
        *slot = slot.saturating_add(count);
    }

    /// Objects of all outcomes: grows with everything that is settled.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Why an object is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IgnoreReason {
    /// The key does not follow the source's layout.
    Foreign,
    /// A "folder": a zero-byte key that ends in a slash.
    Folder,
    /// The account, region or flow-log id is not among those the source names.
    Filtered,
    /// A transit gateway flow log.
    TransitGateway,
    /// It was in quarantine, and a person has given it up.
    Dropped,
}

impl IgnoreReason {
    /// All reasons.
    pub const ALL: [Self; 5] =
        [Self::Foreign, Self::Folder, Self::Filtered, Self::TransitGateway, Self::Dropped];

    /// The word in log and state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Folder => "folder",
            Self::Filtered => "filtered",
            Self::TransitGateway => "transit_gateway",
            Self::Dropped => "dropped",
        }
    }

    /// The reason of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// What a listed key is that is not read because of its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum IgnoredKey {
    /// Not a flow log.
    Foreign,
    /// See [`IgnoreReason::Folder`].
    Folder,
    /// See [`IgnoreReason::Filtered`].
    Filtered,
    /// A flow log by its name, in a folder that the source's layout does not read.
    OtherLayout,
    /// In a folder of flow logs, of their kind of file, and not named like one.
    OtherName,
}

impl IgnoredKey {
    /// All of them, in label order of the exposition.
    pub const ALL: [Self; 5] =
        [Self::Foreign, Self::Folder, Self::Filtered, Self::OtherLayout, Self::OtherName];

    /// The word in log and label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Folder => "folder",
            Self::Filtered => "filtered",
            Self::OtherLayout => "other_layout",
            Self::OtherName => "other_name",
        }
    }

    /// Whether it looks like a flow log, so that traffic may be missing.
    pub fn looks_like_a_flow_log(self) -> bool {
        matches!(self, Self::OtherLayout | Self::OtherName)
    }
}

/// The ignored keys of a listing, with the last one of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoredKeys([(u64, Option<String>); IgnoredKey::ALL.len()]);

impl IgnoredKeys {
    /// Notes one more.
    pub fn note(&mut self, kind: IgnoredKey, key: &str) {
        let (count, last) = &mut self.0[kind as usize];
        *count = count.saturating_add(1);
        if kind.looks_like_a_flow_log() {
            last.get_or_insert_default().clear();
            last.get_or_insert_default().push_str(key);
        }
    }

    /// How many of a kind.
    pub fn count(&self, kind: IgnoredKey) -> u64 {
        self.0[kind as usize].0
    }

    /// The last one of a kind that looks like a flow log.
    pub fn example(&self, kind: IgnoredKey) -> Option<&str> {
        self.0[kind as usize].1.as_deref()
    }
}

/// Why an object is quarantined: a closed set, the same word in log, state and command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuarantineReason {
    /// A required column is missing, or a column has a type that cannot hold its field.
    Schema,
    /// Neither Parquet nor gzip text, encrypted, or with a codec or encoding that is not supported.
    Format,
    /// The bytes contradict themselves: cut short, wrong counts, a decoder error or panic.
    Corrupt,
    /// Larger than `limits.object_bytes`, or would decompress to more than `limits.decompressed_bytes`.
    TooLarge,
    /// More bad rows than `limits.bad_rows_per_object`.
    BadRows,
    /// A sum left the range of 64-bit integers.
    Overflow,
    /// The process died three times while decoding it.
    Unfinished,
    /// In a storage class that has to be restored before it can be read.
    Archived,
}

impl QuarantineReason {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::Schema,
        Self::Format,
        Self::Corrupt,
        Self::TooLarge,
        Self::BadRows,
        Self::Overflow,
        Self::Unfinished,
        Self::Archived,
    ];

    /// The word in log, state and command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Format => "format",
            Self::Corrupt => "corrupt",
            Self::TooLarge => "too_large",
            Self::BadRows => "bad_rows",
            Self::Overflow => "overflow",
            Self::Unfinished => "unfinished",
            Self::Archived => "archived",
        }
    }

    /// The reason of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// A reason with the particulars: the row, the column, the size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// The kind of fault.
    pub reason: QuarantineReason,
    /// What exactly, for a person.
    pub detail: String,
}

impl fmt::Display for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.as_str(), self.detail)
    }
}

/// The end of an object's way, with what it adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Read; these are its sums.
    Counted(ObjectDelta),
    /// Read, no records.
    Empty,
    /// Not a flow log of this source.
    Ignored(IgnoreReason),
    /// Too late.
    RefusedLate,
    /// Not readable.
    Quarantined(Quarantine),
    /// Not there any more.
    Gone,
    /// Changed after it was settled: only remembered and counted as `mutated`.
    Mutated,
}

impl Settlement {
    /// The counter it belongs to.
    pub fn outcome(&self) -> ObjectOutcome {
        match self {
            Self::Counted(_) => ObjectOutcome::Counted,
            Self::Empty => ObjectOutcome::Empty,
            Self::Ignored(_) => ObjectOutcome::Ignored,
            Self::RefusedLate => ObjectOutcome::RefusedLate,
            Self::Quarantined(_) => ObjectOutcome::Quarantined,
            Self::Gone => ObjectOutcome::Gone,
            Self::Mutated => ObjectOutcome::Mutated,
        }
    }
}

/// What the ledger commits for one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The object, its source and partition.
    pub candidate: Candidate,
    /// What became of it.
    pub settlement: Settlement,
    /// Bytes fetched to find out.
    pub fetched: u64,
}
