//! What happens, as a closed set. Log lines and self-metrics both follow from these values, so they cannot disagree.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tracing::{debug, error, info, trace, warn};

use crate::{
    limits,
    model::{Charge, IgnoreReason, IgnoredKey, IgnoredKeys, ObjectId, Quarantine, Remark, Timestamp},
    store::{FailureReason, Operation},
    topology::IpRangesDifference,
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
    /// A request was not sent because there are no credentials, in the many words of the SDK.
    CredentialsMissing { source: Arc<str>, tried: String },
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
    /// Nothing was heard of a source for so long that nothing more is expected of it. Told once, until it is heard again.
    SourceEnded { source: Arc<str>, newest_record: Option<Timestamp> },
    /// Every source has been read once: the flow families are shown from here on.
    FirstScanComplete { objects: u64 },
    /// A source could not be read in all this time: the flow families are shown without it.
    SourceLeftBehind { source: Arc<str>, reason: Option<FailureReason>, error: String },
    /// A source was read for the first time, later than the others.
    SourceJoined { source: Arc<str> },
    /// The state file is missing although there had been one.
    StartedOver,
    /// The state file had the form of an older program, which cannot open it any more.
    StateMigrated { state: PathBuf, from: i32 },
    /// Zones, port groups, NAT gateways or counting rules differ from those of the last run.
    ClassifierChanged,
    /// The records say something of the configuration. Told once for each thing.
    Remark { source: Arc<str>, remark: Remark },
    /// A charge has no price in a region, so its bytes count at 0. Told once for each charge and region.
    Unpriced { source: Arc<str>, charge: Charge, aws_region: Arc<str> },
    /// A source has logs of a region that is not its own; they are priced at the source's region.
    ForeignRegion { source: Arc<str>, region: Arc<str> },
    /// What a full scan has listed and left alone by its name.
    KeysIgnored { source: Arc<str>, keys: IgnoredKeys },
    /// Keys that look like flow logs are not read. Said once in [`limits::UNREAD_EVERY`] for each reason.
    FlowLogsUnread { source: Arc<str>, reason: IgnoredKey, objects: u64, example: String, layout: Arc<str> },
    /// Nothing below the url fits the layout. Said once in [`limits::UNREAD_EVERY`].
    NothingFits { source: Arc<str>, layout: Arc<str> },
    /// Two flow logs cover the same interface at the same time. Said once for each pair.
    OverlappingFlowLogs { source: Arc<str>, interface: Arc<str>, first: Arc<str>, second: Arc<str> },
    /// Three or more flow logs cover the same interface in the same hour, `pairs` pairs of them new. Said once for each
    /// flow log that joins them.
    ManyFlowLogs { source: Arc<str>, interface: Arc<str>, flow_logs: Vec<Arc<str>>, pairs: u64 },
    /// The series limit is reached: new label sets go to the overflow series.
    SeriesLimitReached,
    /// Partitions left the window and are kept as hashes.
    PartitionsSealed { partitions: u64 },
    /// Hours older than the ledger keeps are only in the totals now.
    HoursFolded { hours: u64 },
    /// `ingest.start` is not where a source of an existing state began.
    StartIgnored { source: Arc<str>, start: Timestamp, begin: Timestamp },
    /// Label sets that the rules cannot produce any more, and to which nothing was added for long, left /metrics.
    LabelSetsRetired { label_sets: u64 },
    /// The configuration was read again and is in force.
    ConfigReloaded,
    /// The configuration was read again and cannot be used; the one before stays in force.
    ConfigReloadFailed { error: String },
    /// The file of `aws.ip_ranges` was replaced, and holds for objects that are read from here on.
    IpRangesReplaced {
        path: PathBuf,
        created: Option<String>,
        networks: usize,
        difference: IpRangesDifference,
    },
    /// The file of `aws.ip_ranges` was replaced by one that cannot be used. Told once for each reason.
    IpRangesKept { path: PathBuf, error: String },
    /// A TLS handshake was not finished.
    HandshakeFailed { peer: SocketAddr, error: String },
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
            Self::CredentialsMissing { source, tried } => debug!(%source, %tried, "no credentials"),
            Self::ScanFinished { source, kind, listed, found, duration, .. } => {
                let seconds = duration.as_secs_f64();
                if *found > 0 {
                    info!(%source, kind = kind.as_str(), listed, found, seconds, "scan finished");
                } else {
                    debug!(%source, kind = kind.as_str(), listed, found, seconds, "scan finished");
                }
            }
            Self::ScanFailed { source, kind, reason, error, retry_in } => {
                let (kind, retry_in) = (kind.as_str(), pause(*retry_in));
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
                let retry_in = pause(*retry_in);
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
                let (state, retry_in) = (state.display(), pause(*retry_in));
                error!(%state, %error, advice, retry_in, "commit failed: ingest waits, the last committed state stays served");
            }
            Self::SourceEnded { source, newest_record } => {
                let newest_record = newest_record.map_or_else(|| "never".to_owned(), |at| at.to_string());
                let advice = "take the source out of the configuration, or repair its flow logs";
                let silent = pause(limits::SOURCE_SILENT);
                warn!(%source, %newest_record, silent, advice, "no record of the source for so long: it has ended, and the projection expects no more of it");
            }
            Self::FirstScanComplete { objects } => info!(objects, "first full scan committed, ready"),
            Self::SourceLeftBehind { source, reason, error } => {
                let reason = reason.map_or("unread", FailureReason::as_str);
                let waited = pause(limits::FIRST_SCAN_WAIT);
                error!(%source, reason, %error, waited, "source not read yet: the others are served without it, it joins after its first full scan");
            }
            Self::SourceJoined { source } => {
                info!(%source, "first full scan of the source committed, it counts from here on");
            }
            Self::StartedOver => {
                let advice = "if that was not meant, stop, remove the new file and put the old one back";
                warn!(advice, "the state file was missing although there had been one: counting begins anew");
            }
            Self::StateMigrated { state, from } => {
                let state = state.display();
                info!(%state, from, "state file brought to the version of this program; older ones cannot open it any more");
            }
            Self::ClassifierChanged => {
                info!(
                    "zones, port groups, NAT gateways or counting have changed: new traffic gets the new labels"
                );
            }
            Self::Remark { source, remark } => log_remark(source, remark),
            Self::Unpriced { source, charge, aws_region } => {
                let charge = charge.as_str();
                let advice = format!("set {charge} in [prices.regions.{aws_region}]");
                warn!(%source, charge, %aws_region, advice, "charge has no price in this region: its bytes count at 0");
            }
            Self::ForeignRegion { source, region } => {
                let advice = "give the region a [[source]] of its own, or name the wanted ones in regions";
                warn!(%source, %region, advice, "logs of another region are priced at the rates of the source's region");
            }
            Self::KeysIgnored { source, keys } => {
                let [foreign, folder, filtered, other_layout, other_name] =
                    IgnoredKey::ALL.map(|kind| keys.count(kind));
                trace!(%source, foreign, folder, filtered, other_layout, other_name, "keys left alone");
            }
            Self::FlowLogsUnread { source, reason, objects, example, layout } => {
                let advice = unread_advice(*reason);
                warn!(%source, reason = reason.as_str(), objects, %example, %layout, advice, "keys that look like flow logs are not read");
            }
            Self::NothingFits { source, layout } => {
                let advice =
                    "check url and layout; a new flow log delivers its first files within some minutes";
                warn!(%source, %layout, advice, "no account and region below the url fits the layout: nothing is read");
            }
            Self::OverlappingFlowLogs { source, interface, first, second } => {
                let advice = "name the one to be read in flow_log_ids of the source";
                warn!(%source, %interface, %first, %second, advice, "two flow logs cover the same interface: its traffic counts twice");
            }
            Self::ManyFlowLogs { source, interface, flow_logs, .. } => {
                let count = flow_logs.len();
                let advice = "name the one to be read in flow_log_ids of the source";
                let flow_logs = flow_logs.join(", ");
                warn!(%source, %interface, count, %flow_logs, advice, "many flow logs cover the same interface: its traffic counts once for each");
            }
            Self::SeriesLimitReached => {
                warn!("limits.series is reached: new label sets are counted in the series \"other\"");
            }
            Self::PartitionsSealed { partitions } => debug!(partitions, "partitions sealed"),
            Self::ConfigReloaded => info!("configuration reloaded"),
            Self::ConfigReloadFailed { error } => {
                error!(%error, "configuration not reloaded, the one before stays in force");
            }
            Self::IpRangesReplaced { path, created, networks, difference } => {
                let IpRangesDifference { added, removed, changed } = difference;
                let path = path.display();
                info!(
                    %path, created, networks, added, removed, changed,
                    "aws.ip_ranges was replaced: objects read from now on are judged by it"
                );
            }
            Self::IpRangesKept { path, error } => {
                warn!(path = %path.display(), %error, "aws.ip_ranges on the disk cannot be used, the one before stays in force");
            }
            Self::HandshakeFailed { peer, error } => debug!(%peer, %error, "TLS handshake failed"),
            Self::CertificatesReloaded => info!("certificates reloaded"),
            Self::CertificatesKept { error } => {
                error!(%error, "certificates on the disk cannot be used, the ones before stay in force");
            }
            Self::HoursFolded { hours } => info!(hours, "hours older than state.keep folded into the totals"),
            Self::StartIgnored { source, start, begin } => warn!(
                %source, %start, %begin,
                "ingest.start is ignored: it is for a fresh state, and this source has begun already; to correct hours that \
                 were counted, use recount; to count earlier ones, give the exporter another state.path"
            ),
            Self::LabelSetsRetired { label_sets } => info!(
                label_sets,
                "took label sets off the metrics that the configuration cannot produce any more; reports keep them"
            ),
        }
    }
}

/// What to do about keys that look like flow logs and are not read.
pub fn unread_advice(reason: IgnoredKey) -> &'static str {
    match reason {
        IgnoredKey::OtherLayout => {
            "set layout = \"auto\", or to what the flow log writes now; move old files out of the url"
        }
        _ => {
            "name files as AWS does, or write a template for layout, if they are flow logs; move them out of the url, if not"
        }
    }
}

/// A duration with its unit, in whole seconds, such as `1m 30s`.
fn pause(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

/// Names the thing and what to do about it.
fn log_remark(source: &str, remark: &Remark) {
    match remark {
        Remark::ZoneWithoutAzId { zone, az_id } => {
            let advice = format!("add az_id = \"{az_id}\" to zone \"{zone}\"");
            warn!(%source, %zone, %az_id, advice, "zone has no az_id, so the AZ ids of the logs are not used");
        }
        Remark::OtherAzId { zone, configured, logged } => {
            let advice = format!("correct az_id or cidrs of zone \"{zone}\"");
            warn!(%source, %zone, %configured, %logged, advice, "interfaces in the networks of a zone have another AZ id");
        }
        Remark::OtherRegion { zone, configured, az_id } => {
            let advice = format!("correct region or az_id of zone \"{zone}\"");
            warn!(%source, %zone, %configured, %az_id, advice, "AZ id belongs to another region than its zone");
        }
        Remark::OddPath { path, src_zone, dst_zone } => {
            let advice = "correct region, az_id or cidrs of one of the two zones";
            warn!(%source, path, %src_zone, %dst_zone, advice, "traffic_path does not fit the regions of the two zones");
        }
        Remark::OutsideNetworks { network, az_id } => {
            let zone =
                az_id.as_ref().map_or_else(|| "its zone".to_owned(), |az_id| format!("the zone of {az_id}"));
            let advice = format!("add the network to the cidrs of {zone}");
            warn!(%source, %network, advice, "interfaces lie outside all configured networks");
        }
        Remark::Forwarder { interface_id } => {
            let advice = format!("add it: [[forwarder]] interface_ids = [\"{interface_id}\"]");
            warn!(%source, %interface_id, advice, "interface records packets of other hosts and is not a configured forwarder");
        }
        Remark::EndpointWithoutRecords => {
            let advice = "log the endpoint's interfaces, or set counting.endpoint_processing_at = \"client\"";
            warn!(%source, advice, "interface endpoint is in use but not logged, so its processing is not charged");
        }
        Remark::OtherScope { zone } => {
            let advice = "nothing if the networks are peered; else add those of this scope";
            warn!(%source, %zone, advice, "addresses are known in the scope of another zone only");
        }
        Remark::BetweenVpcs { one, other } => {
            let advice = format!(
                "if they are peered, add [\"{one}\", \"{other}\"] to aws.peered, or log traffic-path"
            );
            warn!(%source, vpc = %one, other_vpc = %other, advice, "nothing says how two VPCs are connected, so inter_az is not charged between them");
        }
        Remark::ServiceWithoutCidrs { service } => {
            let advice = format!("add cidrs to service \"{service}\"");
            warn!(%source, %service, advice, "service is listed by its interfaces alone, so other objects do not know it");
        }
        Remark::TooManyAddresses => {
            let advice = "give the zones their cidrs, so that AZs need not be learned from the logs";
            warn!(%source, advice, "object has too many addresses to learn their AZs from it");
        }
    }
}
