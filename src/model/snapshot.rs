//! What is committed, as one immutable value: everything a scrape shows comes from one of these.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Charge, ChargeCounts, FlowCounts, FlowKey, Hour, NanoUsd, ObjectCounts, RecordCounts, Timestamp,
};

/// Committed state at one commit. Cheap to share, never changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Totals of the traffic counters. At most `limits.series` keys.
    pub traffic: BTreeMap<FlowKey, FlowCounts>,
    /// Totals of the charges. At most `limits.series` keys.
    pub charges: BTreeMap<(Charge, FlowKey), ChargeCounts>,
    /// Cost by hour, in the order of [`Charge::ALL`], of the hours that month to date and projection can need.
    pub hourly_cost: Arc<BTreeMap<Hour, [NanoUsd; Charge::ALL.len()]>>,
    /// The first hour that the ledger has ever had a record for.
    pub first_hour: Option<Hour>,
    /// Records read, by outcome.
    pub records: RecordCounts,
    /// Objects settled, by outcome.
    pub objects: ObjectCounts,
    /// Bytes fetched for settled objects.
    pub object_bytes: u64,
    /// Progress by source name.
    pub sources: BTreeMap<Arc<str>, SourceProgress>,
    /// Whether a first full scan has been committed, ever. Until then the flow families stay hidden.
    pub first_scan_complete: bool,
    /// Size of the state file with its write-ahead log, in bytes.
    pub state_bytes: u64,
    /// The moment of the last commit.
    pub last_commit: Option<Timestamp>,
}

/// What is committed for one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceProgress {
    /// The latest believable end of a record.
    pub newest_record: Option<Timestamp>,
    /// When a complete scan of all its open partitions was last committed.
    pub last_full_scan: Option<Timestamp>,
    /// Objects in quarantine now.
    pub quarantined: u64,
}
