//! Tests of the ledger. Helpers here; each file is one promise.

mod commits;
mod copies;
mod faults;
mod forgetting;
mod history;
mod limit;
mod model;
mod opening;
mod progress;
mod requests;
mod retire;
mod sealing;
mod sealing_model;
mod sources;
mod unchanged;
mod versions;

use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::model::{
    ChargeCounts, Contradiction, Doubt, FlowCounts, FlowKey, Listed, NanoUsd, NatDirection, ObjectDelta,
    PartitionSpan, Quarantine, QuarantineReason, RecordOutcome, Relation, Series, Settled, Settlement,
};

pub(super) const NOW: Timestamp = Timestamp(1_765_274_400); // 2025-12-09T10:00:00Z
pub(super) const HOUR: Hour = Hour(490_354);

/// A folder with a state file in it.
pub(super) struct Place(TempDir);

impl Place {
    pub(super) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join("flowcost.db")
    }

    pub(super) fn open(&self) -> Ledger {
        open(&self.path(), &options()).0
    }

    /// A copy of the files as they are on the disk now, as a crash would leave them.
    pub(super) fn crash_copy(&self) -> Self {
        let copy = Self::new();
        for suffix in [".mark", "", "-wal"] {
            let from = lock::beside(&self.path(), suffix);
            if from.exists() {
                std::fs::copy(from, lock::beside(&copy.path(), suffix)).unwrap();
            }
        }
        copy
    }
}

pub(super) fn open(path: &Path, options: &Options) -> (Ledger, OpenReport) {
    Ledger::open(path, options, NOW).unwrap()
}

pub(super) fn options() -> Options {
    Options {
        series_limit: 1_000,
        sources: vec![SourceSpec { name: "ops".into(), url: "s3://bucket/".into() }],
        classifier_fingerprint: "zones 1".into(),
        prices: Vec::new(),
    }
}

pub(super) fn with_sources(names: &[(&str, &str)]) -> Options {
    let sources =
        names.iter().map(|(name, url)| SourceSpec { name: (*name).into(), url: (*url).into() }).collect();
    Options { sources, ..options() }
}

pub(super) fn partition(hour: i64) -> Partition {
    Partition {
        bucket: "s3://bucket".into(),
        prefix: format!("logs/{hour}/").into(),
        start: Hour(HOUR.0 + hour),
        span: PartitionSpan::Hour,
    }
}

/// Keys outside all partitions.
pub(super) fn outside() -> Partition {
    Partition { bucket: "s3://bucket".into(), prefix: "".into(), start: Hour(0), span: PartitionSpan::Day }
}

pub(super) fn candidate(partition: &Partition, name: &str) -> Candidate {
    Candidate {
        listed: Listed {
            id: ObjectId { bucket: partition.bucket.clone(), key: format!("{}{name}", partition.prefix) },
            size: 100,
            version: Some("v1".into()),
        },
        source: "ops".into(),
        partition: partition.clone(),
    }
}

pub(super) fn settled(hour: i64, name: &str, settlement: Settlement) -> Settled {
    Settled { candidate: candidate(&partition(hour), name), settlement, fetched: 10 }
}

pub(super) fn key(src: &str, dst: &str) -> FlowKey {
    FlowKey {
        src_zone: src.into(),
        dst_zone: dst.into(),
        port_group: "other".into(),
        nat_direction: NatDirection::None,
    }
}

/// The series of these labels, each zone its own AZ.
pub(super) fn series(src: &str, dst: &str) -> Series {
    let (src_az, dst_az) = (Some(src.into()), Some(dst.into()));
    Series { key: key(src, dst), src_az, dst_az, relation: Relation::InterAz }
}

/// One record of `bytes` from `src` to zone b at `hour`, with a charge of as many nano-dollars, a part of them without a
/// price, a doubt and a contradiction.
pub(super) fn delta(hour: i64, src: &str, bytes: u64) -> ObjectDelta {
    let mut delta = ObjectDelta { aws_region: "us-east-1".into(), ..ObjectDelta::default() };
    delta.records.add(RecordOutcome::Counted, 1);
    let at = (Hour(HOUR.0 + hour), series(src, "b"));
    let counts = FlowCounts { flows: 1, packets: 2, bytes, inter_az_bytes: bytes / 2 };
    delta.charges.insert(
        (at.0, at.1.clone(), Charge::InterAz),
        ChargeCounts { bytes: bytes / 2, cost: NanoUsd(bytes), unpriced: bytes / 4 },
    );
    delta.doubts.insert((at.0, Doubt::Interface), bytes / 3);
    delta.contradictions.insert((at.0, Contradiction::AzId), 1);
    delta.traffic.insert(at, counts);
    delta.newest_record = Some(Timestamp(NOW.0 - 10_000 + hour));
    delta
}

pub(super) fn counted(hour: i64, name: &str, bytes: u64) -> Settled {
    settled(hour, name, Settlement::Counted(delta(hour, "a", bytes)))
}

pub(super) fn quarantined(reason: QuarantineReason) -> Settlement {
    Settlement::Quarantined(Quarantine { reason, detail: "row 7".into() })
}

pub(super) fn outcome(ledger: &Ledger, hour: i64, name: &str) -> Option<ObjectOutcome> {
    let id = candidate(&partition(hour), name).listed.id;
    ledger.status(&id, &partition(hour)).unwrap().map(|known| known.outcome)
}

pub(super) fn bytes(snapshot: &Snapshot) -> u64 {
    snapshot.traffic.values().map(|counts| counts.bytes).sum()
}

/// Cost by hour of all sources.
pub(super) fn hourly_cost(snapshot: &Snapshot) -> BTreeMap<(Hour, Charge), u64> {
    let mut cost = BTreeMap::new();
    for (hour, charge, _, _, nanos) in snapshot.by_source.values().flat_map(|sums| sums.hourly_cost.iter()) {
        *cost.entry((hour, charge)).or_default() += nanos.0;
    }
    cost
}

/// A snapshot without the size of the file, which is no state.
pub(super) fn state(ledger: &Ledger) -> Snapshot {
    Snapshot { state_bytes: 0, ..Snapshot::clone(&ledger.snapshot()) }
}

/// Sums of the hourly tables as a user's shell gives them.
pub(super) fn shell(path: &Path, sql: &str) -> i64 {
    let conn = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}
