//! What happens, as a closed set. Log lines and self-metrics both follow from these values, so they cannot disagree.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tracing::{debug, error, info, trace, warn};

use crate::{
    model::{IgnoreReason, ObjectId, Quarantine, Timestamp},
    store::{FailureReason, Operation},
};

/// Takes every event. The composition root gives one that logs and counts.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// Which partitions a scan lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanKind {
    /// Those that end within the last hour, at every poll.
    Recent,
    /// The whole lookback, on the slower beat.
    Full,
    /// Between one and two lookbacks, once a day, for objects that came too late.
    Late,
}

impl ScanKind {
    /// The word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recent => "recent",
            Self::Full => "full",
            Self::Late => "late",
        }
    }
}

/// How far a source has come with its present backlog: everything that was found since nothing was left to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Objects, settled ones included. Grows until all are `listed`.
    pub objects: u64,
    /// Those of them that are settled.
    pub settled: u64,
    /// Records of these.
    pub records: u64,
    /// All of the backlog has been found.
    pub listed: bool,
    /// Since it began.
    pub elapsed: Duration,
    /// Until its end, if it goes on like this; `None` while that cannot be known.
    pub remaining: Option<Duration>,
}

impl Progress {
    /// Of 100 objects so many are settled.
    pub fn percent(&self) -> u64 {
        self.settled.saturating_mul(100).checked_div(self.objects).unwrap_or(100)
    }
}

/// One thing that happened.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the fields are the log fields, named once here")]
pub enum Event {
    /// One request to a store was answered or given up, retries each on their own.
    StoreRequest { source: Arc<str>, operation: Operation, failure: Option<FailureReason> },
    /// A source was listed to its end.
    ScanFinished { source: Arc<str>, kind: ScanKind, listed: u64, found: u64, duration: Duration },
    /// A source could not be listed to its end. What was found until then is kept.
    ScanFailed { source: Arc<str>, kind: ScanKind, reason: FailureReason, error: String, retry_in: Duration },
    /// Number of objects of a source that are found but not settled, and how far it has come.
    Pending { source: Arc<str>, objects: u64, progress: Progress },
    /// A backlog takes its time: a sign of life.
    BacklogProgress { source: Arc<str>, progress: Progress },
    /// Such a backlog is read.
    BacklogRead { source: Arc<str>, progress: Progress },
    /// An object cannot be read now and will be tried again.
    ObjectPutBack {
        source: Arc<str>,
        object: ObjectId,
        reason: FailureReason,
        error: String,
        retry_in: Duration,
    },
    /// An object is no flow log of its source.
    ObjectIgnored { source: Arc<str>, object: ObjectId, reason: IgnoreReason },
    /// An object came after its partition had left the window.
    ObjectRefusedLate { source: Arc<str>, object: ObjectId },
    /// An object was set aside.
    ObjectQuarantined { source: Arc<str>, object: ObjectId, why: Quarantine },
    /// Objects in quarantine are read again because a person asked for it.
    QuarantineRetried { source: Arc<str>, objects: u64 },
    /// Objects left the quarantine because a person gave them up.
    QuarantineDropped { objects: u64 },
    /// An object was gone before it could be read.
    ObjectGone { source: Arc<str>, object: ObjectId },
    /// An object changed after it had been settled.
    ObjectMutated { source: Arc<str>, object: ObjectId },
    /// A batch is durable.
    Committed { objects: u64, records: u64, at: Timestamp },
    /// A batch could not be made durable; nothing of it counts and its objects will be read again.
    CommitFailed { state: PathBuf, error: String, advice: &'static str, retry_in: Duration },
    /// Every source has been read once: the flow families are shown from here on.
    FirstScanComplete { objects: u64 },
    /// The state file is missing although there had been one.
    StartedOver,
    /// Zones, port groups, NAT gateways or counting rules differ from those of the last run.
    ClassifierChanged,
    /// The records show the az_id of a zone that is configured without one.
    AzIdMissing { zone: Arc<str>, az_id: Arc<str> },
    /// A source has logs of a region that is not its own; they are priced at the source's region.
    ForeignRegion { source: Arc<str>, region: Arc<str> },
    /// Two flow logs cover the same interface at the same time. Said once for each pair.
    OverlappingFlowLogs { source: Arc<str>, interface: Arc<str>, first: Arc<str>, second: Arc<str> },
    /// The series limit is reached: new label sets go to the overflow series.
    SeriesLimitReached,
    /// Partitions left the window and are kept as hashes.
    PartitionsSealed { partitions: u64 },
    /// Hours older than the ledger keeps are only in the totals now.
    HoursFolded { hours: u64 },
    /// The configuration was read again and is in force.
    ConfigReloaded,
    /// The configuration was read again and cannot be used; the one before stays in force.
    ConfigReloadFailed { error: String },
    /// The web server's certificates were replaced on the disk, and new connections get the new ones.
    CertificatesReloaded,
    /// The web server's certificates were replaced on the disk by some that cannot be used.
    CertificatesKept { error: String },
}

impl Event {
    /// Writes the event to the log. Errors are what an operator must act on, warnings what he should know, info what
    /// went as it should.
    #[allow(clippy::too_many_lines, reason = "one arm for each event")]
    pub fn log(&self) {
        match self {
            Self::StoreRequest { source, operation, failure: Some(reason) } => {
                debug!(%source, operation = operation.as_str(), reason = reason.as_str(), "store request failed");
            }
            Self::StoreRequest { source, operation, failure: None } => {
                trace!(%source, operation = operation.as_str(), "store request answered");
            }
            Self::ScanFinished { source, kind, listed, found, duration, .. } => {
                let seconds = duration.as_secs_f64();
                if *found > 0 {
                    info!(%source, kind = kind.as_str(), listed, found, seconds, "scan finished");
                } else {
                    debug!(%source, kind = kind.as_str(), listed, found, seconds, "scan finished");
                }
            }
            Self::ScanFailed { source, kind, reason, error, retry_in } => {
                let retry_in = retry_in.as_secs();
                let kind = kind.as_str();
                error!(%source, kind, reason = reason.as_str(), %error, retry_in, "scan failed, what was found is kept");
            }
            Self::Pending { source, objects, .. } => trace!(%source, objects, "objects pending"),
            Self::BacklogProgress { source, progress } => {
                let Progress { objects, settled, records, listed, remaining, .. } = *progress;
                let percent = progress.percent();
                let eta = match remaining {
                    Some(time) => time.as_secs().to_string(),
                    None => "unknown".to_owned(),
                };
                let message = if listed { "reading" } else { "reading, and still listing" };
                info!(%source, settled, objects, percent, records, eta_seconds = %eta, "{message}");
            }
            Self::BacklogRead { source, progress } => {
                let Progress { settled, records, elapsed, .. } = *progress;
                info!(%source, settled, records, seconds = elapsed.as_secs(), "backlog read");
            }
            Self::ObjectPutBack { source, object, reason, error, retry_in } => {
                let retry_in = retry_in.as_secs();
                warn!(%source, %object, reason = reason.as_str(), %error, retry_in, "object not read, will be tried again");
            }
            Self::ObjectIgnored { source, object, reason } => {
                debug!(%source, %object, reason = reason.as_str(), "object ignored");
            }
            Self::ObjectRefusedLate { source, object } => {
                warn!(%source, %object, "object refused: its partition has left ingest.lookback; enlarge that to count it");
            }
            Self::ObjectQuarantined { source, object, why } => {
                error!(%source, %object, reason = why.reason.as_str(), detail = %why.detail, "object quarantined");
            }
            Self::QuarantineRetried { source, objects } => {
                info!(%source, objects, "objects in quarantine are read again, as asked");
            }
            Self::QuarantineDropped { objects } => {
                info!(objects, "objects dropped from quarantine, as asked")
            }
            Self::ObjectGone { source, object } => warn!(%source, %object, "object gone before it was read"),
            Self::ObjectMutated { source, object } => {
                warn!(%source, %object, "object changed after it was settled, it is not counted again");
            }
            Self::Committed { objects, records, .. } => info!(objects, records, "committed"),
            Self::CommitFailed { state, error, advice, retry_in } => {
                let (state, retry_in) = (state.display(), retry_in.as_secs());
                error!(%state, %error, advice, retry_in, "commit failed: ingest waits, the last committed state stays served");
            }
            Self::FirstScanComplete { objects } => info!(objects, "first full scan committed, ready"),
            Self::StartedOver => {
                let advice = "if that was not meant, stop, remove the new file and put the old one back";
                warn!(advice, "the state file was missing although there had been one: counting begins anew");
            }
            Self::ClassifierChanged => {
                info!(
                    "zones, port groups, NAT gateways or counting have changed: new traffic gets the new labels"
                );
            }
            Self::AzIdMissing { zone, az_id } => {
                let advice = format!("add az_id = \"{az_id}\" to zone \"{zone}\"");
                warn!(%zone, %az_id, advice, "zone has no az_id, so the az-id columns of the logs are not used");
            }
            Self::ForeignRegion { source, region } => {
                let advice = "give the region a [[source]] of its own, or name the wanted ones in regions";
                warn!(%source, %region, advice, "logs of another region are priced at the rates of the source's region");
            }
            Self::OverlappingFlowLogs { source, interface, first, second } => {
                let advice = "name the one to be read in flow_log_ids of the source";
                warn!(%source, %interface, %first, %second, advice, "two flow logs cover the same interface: its traffic counts twice");
            }
            Self::SeriesLimitReached => {
                warn!("limits.series is reached: new label sets are counted in the series \"other\"");
            }
            Self::PartitionsSealed { partitions } => debug!(partitions, "partitions sealed"),
            Self::ConfigReloaded => info!("configuration reloaded"),
            Self::ConfigReloadFailed { error } => {
                error!(%error, "configuration not reloaded, the one before stays in force");
            }
            Self::CertificatesReloaded => info!("certificates reloaded"),
            Self::CertificatesKept { error } => {
                error!(%error, "certificates on the disk cannot be used, the ones before stay in force");
            }
            Self::HoursFolded { hours } => info!(hours, "hours older than 400 days folded into the totals"),
        }
    }
}
