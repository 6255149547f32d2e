//! What is committed, as one immutable value: everything a scrape shows comes from one of these.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Charge, ChargeCounts, Contradiction, Doubt, FlowCounts, FlowKey, Hour, HourlyCost, NanoUsd, ObjectCounts,
    RecordCounts, Timestamp,
};
use crate::limits;

/// Committed state at one commit. Cheap to share, never changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Totals of the traffic counters. At most `limits.series` keys.
    pub traffic: BTreeMap<FlowKey, FlowCounts>,
    /// Totals of the charges. At most `limits.series` keys.
    pub charges: BTreeMap<(Charge, FlowKey), ChargeCounts>,
    /// Sums by name of a source, of all sources that there ever were.
    pub by_source: BTreeMap<Arc<str>, SourceSums>,
    /// Charged bytes that had no price, by charge and AWS region.
    pub unpriced: BTreeMap<(Charge, Arc<str>), u64>,
    /// Bytes that may have been counted or charged wrongly, in the order of [`Doubt::ALL`].
    pub doubts: [u64; Doubt::COUNT],
    /// Records that disagree with the topology, in the order of [`Contradiction::ALL`].
    pub contradictions: [u64; Contradiction::COUNT],
    /// The first hour that the ledger has ever had traffic or a charge for.
    pub first_hour: Option<Hour>,
    /// Where the first source began that there ever was.
    pub begin: Option<Timestamp>,
    /// Records read, by outcome.
    pub records: RecordCounts,
    /// Objects settled, by outcome.
    pub objects: ObjectCounts,
    /// Bytes fetched for settled objects.
    pub object_bytes: u64,
    /// Progress by source name.
    pub sources: BTreeMap<Arc<str>, SourceProgress>,
    /// Whether the flow families are shown: every source had its first full scan, or those without one were waited for
    /// long enough. Never undone. What a source commits between this and its own first full scan is its past.
    pub first_scan_complete: bool,
    /// Size of the state file with its write-ahead log, in bytes.
    pub state_bytes: u64,
    /// The moment of the last commit.
    pub last_commit: Option<Timestamp>,
}

/// What one source adds to the totals. The sums over all sources are those of [`Snapshot::traffic`] and
/// [`Snapshot::charges`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceSums {
    /// Bytes of traffic with NAT direction `none`.
    pub bytes: u64,
    /// Cost, in the order of [`Charge::ALL`].
    pub cost: [NanoUsd; Charge::COUNT],
    /// What is billed by hour, of the hours that month to date and projection can need.
    pub hourly_cost: HourlyCost,
}

/// How far one configured source has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceProgress {
    /// Start of its first window.
    pub begin: Option<Timestamp>,
    /// The first hour that it has had a record for, of whatever outcome.
    pub first_hour: Option<Hour>,
    /// The latest believable end of a record, of whatever outcome.
    pub newest_record: Option<Timestamp>,
    /// When a complete scan of all its open partitions was last committed.
    pub last_full_scan: Option<Timestamp>,
    /// Objects in quarantine now.
    pub quarantined: u64,
}

impl SourceProgress {
    /// Whether the source had its first full scan.
    pub fn is_read(&self) -> bool {
        self.last_full_scan.is_some()
    }

    /// The first hour that has not settled at `now`; those before it have.
    ///
    /// An hour settles [`limits::HOUR_SETTLES_AFTER`] after its end, when a complete scan and a record say that the
    /// source has come past it. So an outage stands still instead of looking like quiet traffic. Hours of a source that
    /// has ended settle by the clock.
    pub fn settled_until(&self, now: Timestamp) -> Hour {
        let heard = self.heard_until(now);
        if self.has_ended() { heard.max(settles(now)) } else { heard }
    }

    /// The same, whether or not the source has ended.
    pub fn heard_until(&self, now: Timestamp) -> Hour {
        let due = settles(now);
        let first = self.first(now);
        let scanned = self.last_full_scan.map_or(first, settles);
        let heard = self.newest_record.map_or(first, Hour::of);
        due.min(scanned).min(heard).max(first)
    }

    /// The first hour of its own; the first that has not settled, before it began.
    pub fn first(&self, now: Timestamp) -> Hour {
        self.first_hour.or(self.begin.map(Hour::of)).unwrap_or_else(|| settles(now))
    }

    /// Whether nothing was heard of the source for so long that nothing more is expected. Only scans that are complete
    /// can tell: one that cannot be listed is out of order, not at its end.
    pub fn has_ended(&self) -> bool {
        let heard = self.newest_record.or(self.begin);
        heard.zip(self.last_full_scan).is_some_and(|(heard, scan)| scan > heard.plus(limits::SOURCE_SILENT))
    }
}

/// The first hour that has not settled by the clock alone.
fn settles(at: Timestamp) -> Hour {
    Hour::of(at.minus(limits::HOUR_SETTLES_AFTER))
}
