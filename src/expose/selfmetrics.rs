//! Counters of what this process does, fed by events.
//!
//! Refuses to know what a flow record is: what is committed comes from the snapshot. Invariant: the label sets are
//! fixed by the configured sources and the enums; every one of them exists from the start, at 0.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::{
    catalog,
    encode::{Families, Value},
    flows::moment,
};
use crate::{
    event::{Event, Progress, ScanKind},
    limits,
    model::{IgnoredKey, IgnoredKeys, Timestamp},
    store::{FailureReason, Operation},
};

/// Upper bounds of the scan duration in seconds: a local folder takes milliseconds, a large bucket minutes.
const SCAN_SECONDS: [f64; 12] = [0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

const OPERATIONS: usize = Operation::ALL.len();
const REASONS: usize = FailureReason::ALL.len();

/// The counters, most of them by source.
#[derive(Debug, Clone)]
pub(super) struct SelfMetrics {
    /// Also of sources that a reload took away: should they come back, they go on.
    counts: BTreeMap<Arc<str>, SourceCounts>,
    shown: BTreeSet<Arc<str>>,
    /// Whether the last attempt to load the configuration succeeded.
    reload_successful: bool,
    /// The file of `aws.ip_ranges` is another than the one in force, and cannot be used.
    ip_ranges_kept: bool,
    commit_failures: u64,
}

#[derive(Debug, Clone, Default)]
struct SourceCounts {
    requests: [u64; OPERATIONS],
    failures: [[u64; REASONS]; OPERATIONS],
    scans: u64,
    scan_failures: u64,
    scan_time: Duration,
    /// Observations of each bucket alone; the last is `+Inf`.
    scan_buckets: [u64; SCAN_SECONDS.len() + 1],
    last_scan: Option<Timestamp>,
    pending: u64,
    progress: Progress,
    overlapping_flow_logs: u64,
    ignored: IgnoredKeys,
    /// Why the last scan has failed; `None` after one that has not.
    scan_failure: Option<Failure>,
    /// Why an object was last put back.
    object_failure: Option<Failure>,
}

/// What went wrong with a source last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// With its reason.
    pub(super) error: String,
    /// When it is tried again.
    pub(super) next_try: Timestamp,
}

impl SelfMetrics {
    /// All label sets at 0.
    pub(super) fn new<'a>(sources: impl IntoIterator<Item = &'a Arc<str>>) -> Self {
        let shown: BTreeSet<Arc<str>> = sources.into_iter().cloned().collect();
        let counts = shown.iter().map(|source| (source.clone(), SourceCounts::default())).collect();
        Self { counts, shown, reload_successful: true, ip_ranges_kept: false, commit_failures: 0 }
    }

    /// Goes over to other sources.
    pub(super) fn show<'a>(&mut self, sources: impl IntoIterator<Item = &'a Arc<str>>) {
        self.shown = sources.into_iter().cloned().collect();
        for source in &self.shown {
            self.counts.entry(source.clone()).or_default();
        }
        // Whoever renames sources at every reload must not fill the memory.
        while self.counts.len() > self.shown.len() + limits::RETIRED_SOURCES {
            let Some(gone) = self.counts.keys().find(|name| !self.shown.contains(*name)).cloned() else {
                break;
            };
            self.counts.remove(&gone);
        }
    }

    fn each(&self) -> impl Iterator<Item = (&str, &SourceCounts)> {
        self.shown.iter().filter_map(|name| Some((&**name, self.counts.get(name)?)))
    }

    /// Counts an event that happened at `at`. Events that a metric of the ledger tells of are not counted again here.
    pub(super) fn observe(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::StoreRequest { source, operation, failure } => {
                let Some(counts) = self.of(source) else { return };
                counts.requests[*operation as usize] += 1;
                if let Some(reason) = failure {
                    counts.failures[*operation as usize][*reason as usize] += 1;
                }
            }
            Event::ScanFinished { source, kind, duration, .. } => {
                let Some(counts) = self.of(source) else { return };
                counts.scans += 1;
                counts.scan_time = counts.scan_time.saturating_add(*duration);
                counts.scan_buckets[bucket(*duration)] += 1;
                // A scan for late objects looks outside the open partitions: it says nothing of freshness.
                if *kind != ScanKind::Late {
                    counts.last_scan = Some(at);
                    counts.scan_failure = None;
                }
            }
            Event::ScanFailed { source, kind, error, retry_in, .. } => {
                let Some(counts) = self.of(source) else { return };
                counts.scans += 1;
                counts.scan_failures += 1;
                if *kind != ScanKind::Late {
                    let next_try = at.plus(*retry_in);
                    counts.scan_failure = Some(Failure { error: error.clone(), next_try });
                }
            }
            Event::ObjectPutBack { source, error, retry_in, .. } => {
                let Some(counts) = self.of(source) else { return };
                counts.object_failure = Some(Failure { error: error.clone(), next_try: at.plus(*retry_in) });
            }
            Event::Pending { source, objects, progress } => {
                let Some(counts) = self.of(source) else { return };
                counts.pending = *objects;
                counts.progress = *progress;
            }
            Event::CommitFailed { .. } => self.commit_failures += 1,
            Event::OverlappingFlowLogs { source, .. } => {
                let Some(counts) = self.of(source) else { return };
                counts.overlapping_flow_logs += 1;
            }
            Event::ManyFlowLogs { source, pairs, .. } => {
                let Some(counts) = self.of(source) else { return };
                counts.overlapping_flow_logs += pairs;
            }
            Event::KeysIgnored { source, keys } => {
                let Some(counts) = self.of(source) else { return };
                counts.ignored.clone_from(keys);
            }
            Event::ConfigReloaded => (self.reload_successful, self.ip_ranges_kept) = (true, false),
            Event::ConfigReloadFailed { .. } => self.reload_successful = false,
            Event::IpRangesReplaced { .. } => self.ip_ranges_kept = false,
            Event::IpRangesKept { .. } => self.ip_ranges_kept = true,
            Event::CertificatesReloaded
            | Event::CertificatesKept { .. }
            | Event::CredentialsMissing { .. }
            | Event::BacklogProgress { .. }
            | Event::BacklogRead { .. }
            | Event::ObjectIgnored { .. }
            | Event::ObjectRefusedLate { .. }
            | Event::ObjectQuarantined { .. }
            | Event::QuarantineRetried { .. }
            | Event::QuarantineDropped { .. }
            | Event::ObjectGone { .. }
            | Event::ObjectMutated { .. }
            | Event::Committed { .. }
            | Event::SourceEnded { .. }
            | Event::FirstScanComplete { .. }
            | Event::SourceLeftBehind { .. }
            | Event::SourceJoined { .. }
            | Event::StartedOver
            | Event::ClassifierChanged
            | Event::StateMigrated { .. }
            | Event::Remark { .. }
            | Event::Unpriced { .. }
            | Event::ForeignRegion { .. }
            | Event::FlowLogsUnread { .. }
            | Event::NothingFits { .. }
            | Event::HandshakeFailed { .. }
            | Event::SeriesLimitReached
            | Event::PartitionsSealed { .. }
            | Event::HoursFolded { .. }
            | Event::StartIgnored { .. }
            | Event::LabelSetsRetired { .. } => {}
        }
    }

    /// When the open partitions of a source were last listed to the end by this process.
    pub(super) fn last_scan(&self, source: &str) -> Option<Timestamp> {
        self.counts.get(source).and_then(|counts| counts.last_scan)
    }

    /// Objects of a source that are found and not settled.
    pub(super) fn pending(&self, source: &str) -> u64 {
        self.counts.get(source).map_or(0, |counts| counts.pending)
    }

    /// Why the last scan of a source has failed, if it has; of one that is still `waited` for also why an object could
    /// not be read.
    pub(super) fn failure(&self, source: &str, waited: bool) -> Option<&Failure> {
        let counts = self.counts.get(source)?;
        counts.scan_failure.as_ref().or(counts.object_failure.as_ref().filter(|_| waited))
    }

    /// How far a source has come with its present backlog.
    pub(super) fn progress(&self, source: &str) -> Progress {
        self.counts.get(source).map(|counts| counts.progress).unwrap_or_default()
    }

    fn of(&mut self, source: &str) -> Option<&mut SourceCounts> {
        let counts = self.counts.get_mut(source);
        debug_assert!(counts.is_some(), "an event of a source that is not configured: {source}");
        counts
    }
}

/// The first bucket that a duration fits in.
fn bucket(duration: Duration) -> usize {
    let seconds = duration.as_secs_f64();
    SCAN_SECONDS.iter().position(|bound| seconds <= *bound).unwrap_or(SCAN_SECONDS.len())
}

/// The counters at the moment of a scrape, with the scans that earlier processes committed.
#[derive(Debug)]
pub(super) struct Counted {
    /// Counters of this process.
    pub(super) own: SelfMetrics,
    /// The last full scan that is committed, by source. `None` until the state is loaded: until then nobody knows.
    pub(super) committed_scans: Option<BTreeMap<Arc<str>, Timestamp>>,
}

impl Collector for Counted {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Families::new(encoder);
        let each = || self.own.each();
        let successful = self.own.reload_successful && !self.own.ip_ranges_kept;
        page.single(&catalog::RELOAD_SUCCESSFUL, Value::Int(u64::from(successful)))?;
        page.family(
            &catalog::OBJECTS_PENDING,
            each().map(|(source, counts)| ([source], Value::Int(counts.pending))),
        )?;
        page.family(
            &catalog::BACKLOG_OBJECTS,
            each().map(|(source, counts)| ([source], Value::Int(counts.progress.objects))),
        )?;
        page.family(
            &catalog::BACKLOG_SETTLED,
            each().map(|(source, counts)| ([source], Value::Int(counts.progress.settled))),
        )?;
        let remaining = each().filter_map(|(source, counts)| {
            let remaining = match counts.progress {
                Progress { objects: 0, .. } => Duration::ZERO,
                progress => progress.remaining?,
            };
            Some(([source], Value::Real(remaining.as_secs_f64())))
        });
        page.family(&catalog::BACKLOG_REMAINING, remaining)?;
        page.family(
            &catalog::OVERLAPPING_FLOW_LOGS,
            each().map(|(source, counts)| ([source], Value::Int(counts.overlapping_flow_logs))),
        )?;
        let ignored = each().flat_map(|(source, counts)| {
            IgnoredKey::ALL.map(|kind| ([source, kind.as_str()], Value::Int(counts.ignored.count(kind))))
        });
        page.family(&catalog::IGNORED_KEYS, ignored)?;
        let requests = each().flat_map(|(source, counts)| {
            Operation::ALL.map(|operation| {
                ([source, operation.as_str()], Value::Int(counts.requests[operation as usize]))
            })
        });
        page.family(&catalog::STORE_REQUESTS, requests)?;
        let failures = each().flat_map(|(source, counts)| {
            Operation::ALL.into_iter().flat_map(move |operation| {
                FailureReason::ALL.map(|reason| {
                    let count = counts.failures[operation as usize][reason as usize];
                    ([source, operation.as_str(), reason.as_str()], Value::Int(count))
                })
            })
        });
        page.family(&catalog::STORE_REQUEST_FAILURES, failures)?;
        page.family(&catalog::SCANS, each().map(|(source, counts)| ([source], Value::Int(counts.scans))))?;
        page.family(
            &catalog::SCAN_FAILURES,
            each().map(|(source, counts)| ([source], Value::Int(counts.scan_failures))),
        )?;
        page.family(
            &catalog::SCAN_DURATION,
            each().map(|(source, counts)| ([source], counts.scan_duration())),
        )?;
        let scans = self.committed_scans.iter().flat_map(|committed| {
            each().map(|(source, counts)| {
                ([source], moment(counts.last_scan.max(committed.get(source).copied())))
            })
        });
        page.family(&catalog::LAST_SCAN_SUCCESS, scans)?;
        page.single(&catalog::COMMIT_FAILURES, Value::Int(self.own.commit_failures))
    }
}

impl SourceCounts {
    fn scan_duration(&self) -> Value {
        let bounds = SCAN_SECONDS.into_iter().chain([f64::INFINITY]);
        Value::Buckets {
            sum: self.scan_time.as_secs_f64(),
            buckets: bounds.zip(self.scan_buckets.iter().copied()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> (SelfMetrics, Arc<str>) {
        let source: Arc<str> = Arc::from("a");
        (SelfMetrics::new([&source]), source)
    }

    fn finished(source: &Arc<str>, kind: ScanKind, millis: u64) -> Event {
        let duration = Duration::from_millis(millis);
        Event::ScanFinished { source: source.clone(), kind, listed: 1, found: 1, duration }
    }

    #[test]
    fn the_index_of_every_enum_value_is_its_place_in_all() {
        for (index, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, index);
        }
        for (index, reason) in FailureReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }

    #[test]
    fn a_failed_request_is_a_request_too() {
        let (mut own, source) = counts();
        for failure in [None, Some(FailureReason::Throttled)] {
            let event = Event::StoreRequest { source: source.clone(), operation: Operation::Get, failure };
            own.observe(&event, Timestamp(1));
        }
        let counts = &own.counts[&source];
        assert_eq!(counts.requests, [0, 2]);
        assert_eq!(counts.failures[Operation::Get as usize][FailureReason::Throttled as usize], 1);
        assert_eq!(counts.failures.as_flattened().iter().sum::<u64>(), 1);
    }

    #[test]
    fn only_scans_of_open_partitions_make_a_source_fresh() {
        let (mut own, source) = counts();
        own.observe(&finished(&source, ScanKind::Full, 70), Timestamp(10));
        own.observe(&finished(&source, ScanKind::Recent, 70), Timestamp(20));
        own.observe(&finished(&source, ScanKind::Late, 70), Timestamp(30));
        assert_eq!(own.last_scan(&source), Some(Timestamp(20)));
        let failed = Event::ScanFailed {
            source: source.clone(),
            kind: ScanKind::Full,
            reason: FailureReason::Denied,
            error: String::new(),
            retry_in: Duration::ZERO,
        };
        own.observe(&failed, Timestamp(40));
        assert_eq!(own.last_scan(&source), Some(Timestamp(20)));
        assert_eq!((own.counts[&source].scans, own.counts[&source].scan_failures), (4, 1));
    }

    #[test]
    fn a_source_that_comes_back_goes_on_and_those_that_do_not_are_bounded() {
        let (mut own, source) = counts();
        own.observe(&finished(&source, ScanKind::Full, 70), Timestamp(10));
        own.show(&["b".into()]);
        assert_eq!(own.each().map(|(name, _)| name).collect::<Vec<_>>(), ["b"]);
        own.observe(&finished(&source, ScanKind::Full, 70), Timestamp(11));
        own.show(&["a".into()]);
        assert_eq!(own.each().map(|(name, counts)| (name, counts.scans)).collect::<Vec<_>>(), [("a", 2)]);
        for round in 0..2 * limits::RETIRED_SOURCES {
            own.show(&[format!("{round}").into()]);
        }
        assert_eq!(own.counts.len(), 1 + limits::RETIRED_SOURCES);
    }

    #[test]
    fn durations_go_to_the_first_bucket_they_fit() {
        let (mut own, source) = counts();
        for millis in [10, 11, 300_000, 300_001] {
            own.observe(&finished(&source, ScanKind::Full, millis), Timestamp(1));
        }
        assert_eq!(own.counts[&source].scan_buckets, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(own.counts[&source].scan_time, Duration::from_millis(600_022));
    }
}
