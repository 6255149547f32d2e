//! Every metric, once: its name, kind, labels, unit, help, and whether it survives a restart.
//!
//! The only file with metric names in it: the encoders take entries from here and METRICS.md is [`markdown`]. Refuses
//! to know any value. Invariant: an entry that is shown is in [`SECTIONS`], and an entry in [`SECTIONS`] can be shown.

use std::fmt::Write;

use crate::{
    model::{Charge, Contradiction, Doubt, IgnoredKey, NatDirection, ObjectOutcome, RecordOutcome},
    store::{FailureReason, Operation},
};

/// What the numbers of a metric do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

impl Kind {
    /// The word in `# TYPE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name of its samples; a histogram adds `_bucket`, `_sum` and `_count`.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its label names, in the order of the exposition.
    pub labels: &'static [&'static str],
    /// What its numbers are in, where they have a unit. The name carries it.
    pub unit: Option<&'static str>,
    /// Whether its value comes from the state file and so continues after a restart.
    pub persistent: bool,
    /// What it says.
    pub help: &'static str,
}

impl Metric {
    /// The family name of OpenMetrics, where a counter drops its `_total`.
    pub fn family(&self) -> &'static str {
        match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Kind::Gauge | Kind::Histogram => self.name,
        }
    }

    /// The names that its samples have, for checks of dashboards and alerts.
    pub fn sample_names(&self) -> Vec<String> {
        match self.kind {
            Kind::Counter | Kind::Gauge => vec![self.name.to_owned()],
            Kind::Histogram => {
                ["_bucket", "_sum", "_count"].iter().map(|suffix| format!("{}{suffix}", self.name)).collect()
            }
        }
    }

    const fn new(kind: Kind, name: &'static str, unit: &'static str, help: &'static str) -> Self {
        let unit = if unit.is_empty() { None } else { Some(unit) };
        Self { name, kind, labels: &[], unit, persistent: false, help }
    }

    const fn labels(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }

    const fn kept(self) -> Self {
        Self { persistent: true, ..self }
    }
}

const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric::new(Kind::Counter, name, unit, help)
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric::new(Kind::Gauge, name, unit, help)
}

/// The labels of the traffic families.
pub const FLOW: &[&str] = &["src_zone", "dst_zone", "port_group", "nat_direction"];
/// The labels of the charge families.
pub const CHARGED: &[&str] = &["charge", "src_zone", "dst_zone", "port_group", "nat_direction"];
const SOURCE: &[&str] = &["source"];
const CHARGE: &[&str] = &["charge"];
const OUTCOME: &[&str] = &["outcome"];
const KIND: &[&str] = &["kind"];

/// Traffic in bytes.
pub const BYTES: Metric =
    counter("flowcost_bytes_total", "bytes", "Bytes of counted flow records: IP length with headers.")
        .labels(FLOW)
        .kept();
/// Traffic in packets.
pub const PACKETS: Metric =
    counter("flowcost_packets_total", "", "Packets of counted flow records.").labels(FLOW).kept();
/// Traffic in records.
pub const FLOWS: Metric = counter("flowcost_flows_total", "", "Counted flow records.").labels(FLOW).kept();
/// Traffic between zones of a region.
pub const INTER_AZ_BYTES: Metric = counter(
    "flowcost_inter_az_bytes_total",
    "bytes",
    "The part of flowcost_bytes_total whose two zones are known, differ, and share a region. It has the same label \
     sets as flowcost_bytes_total, zeros included.",
)
.labels(FLOW)
.kept();
/// What is billed, in bytes.
pub const CHARGED_BYTES: Metric = counter(
    "flowcost_charged_bytes_total",
    "bytes",
    "Bytes that a charge applies to. One record can carry several charges.",
)
.labels(CHARGED)
.kept();
/// What is billed, in money.
pub const COST: Metric = counter(
    "flowcost_cost_usd_total",
    "usd",
    "Charged bytes times the price in force when they were read. A price change never rewrites the past.",
)
.labels(CHARGED)
.kept();
/// Charged bytes that cost nothing because nobody knows what they cost.
pub const UNPRICED_BYTES: Metric = counter(
    "flowcost_unpriced_bytes_total",
    "bytes",
    "The part of flowcost_charged_bytes_total that had no price when it was read, by region of the logs: it counts at a \
     cost of 0. Absent for charges that have always had a price.",
)
.labels(&["charge", "aws_region"])
.kept();
/// Bytes by source.
pub const SOURCE_BYTES: Metric = counter(
    "flowcost_source_bytes_total",
    "bytes",
    "Bytes of counted flow records by source. Their sum is that of flowcost_bytes_total with nat_direction none.",
)
.labels(SOURCE)
.kept();
/// Money by source.
pub const SOURCE_COST: Metric = counter(
    "flowcost_source_cost_usd_total",
    "usd",
    "Cost by source and charge. Its sum is that of flowcost_cost_usd_total.",
)
.labels(&["source", "charge"])
.kept();
/// What a source reads.
pub const SOURCE_INFO: Metric = gauge(
    "flowcost_source_info",
    "",
    "1, with the url and the region of a configured source; filters is a hash of its accounts, regions and \
     flow_log_ids, or none. Two exporters with the same three count the same traffic twice.",
)
.labels(&["source", "url", "region", "filters"]);
/// Whether a source has been read.
pub const SOURCE_READY: Metric = gauge(
    "flowcost_source_ready",
    "",
    "1 once the first full scan of a source is committed, else 0: then /-/ready and the page at / say what it waits for.",
)
.labels(SOURCE)
.kept();
/// Bytes that may be wrong.
pub const DOUBTFUL_BYTES: Metric = counter(
    "flowcost_doubtful_bytes_total",
    "bytes",
    "Bytes that may have been counted or charged wrongly, because the records do not tell. A byte can be in several \
     kinds. Those of far_side are not in flowcost_bytes_total: they were left to another record, which may not exist.",
)
.labels(KIND)
.kept();
/// Records that disagree with the configuration.
pub const CONTRADICTIONS: Metric = counter(
    "flowcost_topology_contradictions_total",
    "",
    "Records that disagree with the configured or discovered topology. The log names each disagreement once.",
)
.labels(KIND)
.kept();
/// Prices in force.
pub const PRICE: Metric = gauge(
    "flowcost_price_usd_per_gigabyte",
    "usd_per_gigabyte",
    "Price in force now, for logs of sources in this AWS region.",
)
.labels(&["charge", "aws_region"]);
/// Money of this month.
pub const MONTH_TO_DATE: Metric = gauge(
    "flowcost_month_to_date_usd",
    "usd",
    "Cost of the settled hours of this calendar month (UTC), over all sources, with the configured tiers. An hour of a \
     source is settled 30 minutes after its end, when a complete scan and a record of any kind are past it.",
)
.labels(CHARGE)
.kept();
/// Money expected for this month.
pub const PROJECTED_MONTH: Metric = gauge(
    "flowcost_projected_month_usd",
    "usd",
    "Month to date, and for the hours of each source that are not settled the mean bytes of its last 168 settled hours at \
     the prices in force, with the configured tiers. 0 until an hour is settled.",
)
.labels(CHARGE)
.kept();
/// How much of the month is known.
pub const MONTH_COVERAGE: Metric = gauge(
    "flowcost_month_coverage_ratio",
    "ratio",
    "Settled hours of the sources in this calendar month by those that ended 30 minutes ago or more; 0 while there are \
     none. Hours before the first one of the state are not settled.",
)
.kept();
/// How old the projection is.
pub const PROJECTION_HOURS: Metric = gauge(
    "flowcost_projection_hours",
    "",
    "Settled hours that carry the projection, 168 at most: the fewest among the sources with 5 % of it or more. Below 168 \
     not every weekday is in it.",
)
.kept();
/// Money of this month by source.
pub const SOURCE_MONTH_TO_DATE: Metric =
    gauge("flowcost_source_month_to_date_usd", "usd", "Month to date of a source, at list price.")
        .labels(SOURCE)
        .kept();
/// Money expected for this month by source.
pub const SOURCE_PROJECTED_MONTH: Metric = gauge(
    "flowcost_source_projected_month_usd",
    "usd",
    "Projection of a source, at list price. A source without a record for 14 days has ended, and so has one that is not \
     configured any more: nothing more is expected of it.",
)
.labels(SOURCE)
.kept();
/// How much of the month of a source is known.
pub const SOURCE_MONTH_COVERAGE: Metric = gauge(
    "flowcost_source_month_coverage_ratio",
    "ratio",
    "Settled hours of a source in this calendar month by those that ended 30 minutes ago or more. It falls while nothing \
     of the source is read.",
)
.labels(SOURCE)
.kept();
/// How old the projection of a source is.
pub const SOURCE_PROJECTION_HOURS: Metric = gauge(
    "flowcost_source_projection_hours",
    "",
    "Settled hours that carry the projection of a source, 168 at most; 168 for one that has ended.",
)
.labels(SOURCE)
.kept();
/// The configured budget of a source.
pub const SOURCE_BUDGET: Metric = gauge(
    "flowcost_source_budget_monthly_usd",
    "usd",
    "Configured budget of a source for a month, at list price. Absent where none is set.",
)
.labels(SOURCE);
/// The configured budget.
pub const BUDGET_MONTHLY: Metric = gauge(
    "flowcost_budget_monthly_usd",
    "usd",
    "Configured budget of a month, to compare the projection with. Absent where none is set.",
);
/// The configured limit of the cross-zone share.
pub const BUDGET_INTER_AZ: Metric = gauge(
    "flowcost_budget_inter_az_ratio",
    "ratio",
    "Configured share of traffic between zones, to compare the measured share with. Absent where none is set.",
);
/// Records by outcome.
pub const RECORDS: Metric = counter(
    "flowcost_records_total",
    "",
    "Flow records read, by what became of them. Every record has exactly one outcome.",
)
.labels(OUTCOME)
.kept();
/// Objects by outcome.
pub const OBJECTS: Metric =
    counter("flowcost_objects_total", "", "Objects settled, by what became of them.").labels(OUTCOME).kept();
/// Bytes fetched.
pub const OBJECT_BYTES: Metric =
    counter("flowcost_object_bytes_total", "bytes", "Bytes fetched from the store for settled objects.")
        .kept();
/// Objects not read yet.
pub const OBJECTS_PENDING: Metric =
    gauge("flowcost_objects_pending", "", "Objects that are found and not settled yet.").labels(SOURCE);
/// Size of what there is to read.
pub const BACKLOG_OBJECTS: Metric = gauge(
    "flowcost_backlog_objects",
    "",
    "Objects of the present backlog, settled ones included: all that were found since nothing was left to read. Grows \
     while the backlog is being listed; 0 when there is none.",
)
.labels(SOURCE);
/// How much of it is read.
pub const BACKLOG_SETTLED: Metric = gauge(
    "flowcost_backlog_settled_objects",
    "",
    "Objects of the present backlog that are settled, by this process.",
)
.labels(SOURCE);
/// How long it takes.
pub const BACKLOG_REMAINING: Metric = gauge(
    "flowcost_backlog_remaining_seconds",
    "seconds",
    "Time until the present backlog is read, if it goes on as until now; 0 when there is none. Absent while it is being \
     listed or nothing of it is settled.",
)
.labels(SOURCE);
/// Objects set aside.
pub const OBJECTS_QUARANTINED: Metric = gauge(
    "flowcost_objects_quarantined",
    "",
    "Objects that are set aside now because they could not be read.",
)
.labels(SOURCE)
.kept();
/// Flow logs that count the same traffic.
pub const OVERLAPPING_FLOW_LOGS: Metric = gauge(
    "flowcost_overlapping_flow_logs",
    "",
    "Pairs of flow logs that were seen to cover the same network interface at the same time since this process began: \
     the traffic of such an interface counts once for each of them.",
)
.labels(SOURCE);
/// Keys that are left alone.
pub const IGNORED_KEYS: Metric = gauge(
    "flowcost_ignored_keys",
    "",
    "Keys that the last full scan listed and that are not read because of their names, by reason. other_layout and \
     other_name look like flow logs: traffic may be missing. Folders of a layout that is not read are looked into by sample.",
)
.labels(&["source", "reason"]);
/// Requests to the store.
pub const STORE_REQUESTS: Metric = counter(
    "flowcost_store_requests_total",
    "",
    "Requests to the store, each retry and each failure included.",
)
.labels(&["source", "operation"]);
/// Failed requests to the store.
pub const STORE_REQUEST_FAILURES: Metric =
    counter("flowcost_store_request_failures_total", "", "Requests to the store that failed, by reason.")
        .labels(&["source", "operation", "reason"]);
/// Scans.
pub const SCANS: Metric =
    counter("flowcost_scans_total", "", "Scans of a source that ended, failed ones included.").labels(SOURCE);
/// Failed scans.
pub const SCAN_FAILURES: Metric =
    counter("flowcost_scan_failures_total", "", "Scans of a source that could not list it to its end.")
        .labels(SOURCE);
/// Duration of scans.
pub const SCAN_DURATION: Metric = Metric::new(
    Kind::Histogram,
    "flowcost_scan_duration_seconds",
    "seconds",
    "How long a scan took that listed its source to the end.",
)
.labels(SOURCE);
/// Freshness of the listing.
pub const LAST_SCAN_SUCCESS: Metric = gauge(
    "flowcost_last_scan_success_timestamp_seconds",
    "seconds",
    "Unix time at which a scan last listed the open partitions of a source to the end; 0 if never.",
)
.labels(SOURCE)
.kept();
/// Trouble with the state.
pub const COMMIT_FAILURES: Metric = counter(
    "flowcost_commit_failures_total",
    "",
    "Cycles that ended because the state file could not be read or written: a full disk, a fault of it, another \
     program that writes. What is committed stays served, and ingest goes on when the disk does.",
);
/// Freshness of the state.
pub const LAST_COMMIT: Metric = gauge(
    "flowcost_last_commit_timestamp_seconds",
    "seconds",
    "Unix time of the last commit to the state file; 0 if never.",
)
.kept();
/// Freshness of the data.
pub const NEWEST_RECORD: Metric = gauge(
    "flowcost_newest_record_timestamp_seconds",
    "seconds",
    "Unix time of the latest end of a record of a source, whatever became of the record unless it was bad, and not \
     later than its commit; 0 if it has none.",
)
.labels(SOURCE)
.kept();
/// Label sets in use.
pub const SERIES: Metric =
    gauge("flowcost_series", "", "Label sets of flowcost_bytes_total, the overflow set included; counted also while they are not shown yet.").kept();
/// Label sets allowed.
pub const SERIES_LIMIT: Metric = gauge(
    "flowcost_series_limit",
    "",
    "Label sets that each traffic and charge family may have. What exceeds it is summed in one set: other, other, \
     other, none.",
);
/// Size of the state.
pub const STATE_BYTES: Metric =
    gauge("flowcost_state_bytes", "bytes", "Size of the state file with its write-ahead log.").kept();
/// Readiness.
pub const READY: Metric = gauge(
    "flowcost_ready",
    "",
    "1 once the state is loaded and the flow families are shown, else 0: on a fresh state when every source had its \
     first full scan, or 15 minutes after the first of them where another one cannot be read.",
);
/// Whether the configuration on the disk is the one in force.
pub const RELOAD_SUCCESSFUL: Metric = gauge(
    "flowcost_config_last_reload_successful",
    "",
    "1 if the last attempt to load the configuration succeeded, and the file of aws.ip_ranges on the disk can be used, else \
     0: then what was before is still in force.",
);
/// Age of the configuration.
pub const RELOAD_SUCCESS: Metric = gauge(
    "flowcost_config_last_reload_success_timestamp_seconds",
    "seconds",
    "Unix time at which the configuration in force was loaded.",
);
/// What runs.
pub const BUILD_INFO: Metric =
    gauge("flowcost_build_info", "", "1, with the version and the source revision of the running program.")
        .labels(&["version", "revision"]);
/// Processor time.
pub const PROCESS_CPU: Metric =
    counter("process_cpu_seconds_total", "seconds", "User and system processor time spent.");
/// Resident memory.
pub const PROCESS_RESIDENT: Metric =
    gauge("process_resident_memory_bytes", "bytes", "Resident memory of the process.");
/// Virtual memory.
pub const PROCESS_VIRTUAL: Metric =
    gauge("process_virtual_memory_bytes", "bytes", "Virtual memory of the process.");
/// Open file descriptors.
pub const PROCESS_OPEN_FDS: Metric = gauge("process_open_fds", "", "Open file descriptors.");
/// Limit of open file descriptors.
pub const PROCESS_MAX_FDS: Metric = gauge(
    "process_max_fds",
    "",
    "File descriptors that the process may open; absent where there is no limit.",
);
/// Start of the process.
pub const PROCESS_START: Metric =
    gauge("process_start_time_seconds", "seconds", "Unix time at which the process started.");

/// A group of metrics in METRICS.md.
#[derive(Debug)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// What is true of the whole group.
    pub text: &'static str,
    /// Its metrics.
    pub metrics: &'static [Metric],
}

/// The whole catalogue, in the order of METRICS.md.
pub const SECTIONS: &[Section] = &[
    Section {
        title: "Traffic",
        text: "On a fresh state they appear once the first full scan of every source is committed, so that the first \
               backlog is never seen as a burst; 15 minutes after the first of them without those that cannot be read, \
               which `flowcost_source_ready` names. After a restart they are there at once. The four families always have the same label sets. The \
               series with `nat_direction` `out` and `in` are the NAT gateway's view of traffic that the client's own \
               interface logs as `none`: sums over all traffic take `nat_direction=\"none\"`. Values are exact \
               integers here; Prometheus keeps 53 bits of them.",
        metrics: &[BYTES, PACKETS, FLOWS, INTER_AZ_BYTES],
    },
    Section {
        title: "Charges",
        text: "The counters appear together with the traffic families. Money is kept as integer nano-dollars and \
               becomes a floating-point number only here.",
        metrics: &[CHARGED_BYTES, COST, UNPRICED_BYTES, PRICE],
    },
    Section {
        title: "Sources",
        text: "The sums appear together with the traffic families, with all charges, and are outside `limits.series`. A source \
               that is not configured any more keeps what it has added; a renamed one goes on under its new name.",
        metrics: &[SOURCE_BYTES, SOURCE_COST, SOURCE_INFO],
    },
    Section {
        title: "Doubt",
        text: "All kinds exist from the start. What they mean: docs/semantics.md, section 8.",
        metrics: &[DOUBTFUL_BYTES, CONTRADICTIONS],
    },
    Section {
        title: "Month and budget",
        text: "Computed at each scrape from the hourly ledger, the prices in force and the clock; docs/months.md says how. \
               Of sources, the configured ones and those with cost in this month.",
        metrics: &[
            MONTH_TO_DATE,
            PROJECTED_MONTH,
            MONTH_COVERAGE,
            PROJECTION_HOURS,
            BUDGET_MONTHLY,
            BUDGET_INTER_AZ,
            SOURCE_MONTH_TO_DATE,
            SOURCE_PROJECTED_MONTH,
            SOURCE_MONTH_COVERAGE,
            SOURCE_PROJECTION_HOURS,
            SOURCE_BUDGET,
        ],
    },
    Section {
        title: "Records and objects",
        text: "From committed state; all outcomes exist from the start.",
        metrics: &[
            RECORDS,
            OBJECTS,
            OBJECT_BYTES,
            OBJECTS_PENDING,
            BACKLOG_OBJECTS,
            BACKLOG_SETTLED,
            BACKLOG_REMAINING,
            OBJECTS_QUARANTINED,
            SERIES,
            SERIES_LIMIT,
            STATE_BYTES,
        ],
    },
    Section {
        title: "Freshness and readiness",
        text: "Alert on the age of these, `time() - <metric>`: a number that stands still looks like quiet traffic.",
        metrics: &[NEWEST_RECORD, LAST_SCAN_SUCCESS, LAST_COMMIT, READY, SOURCE_READY],
    },
    Section {
        title: "This process",
        text: "What this process has done and seen: these begin at 0 with every start.",
        metrics: &[
            STORE_REQUESTS,
            STORE_REQUEST_FAILURES,
            SCANS,
            SCAN_FAILURES,
            COMMIT_FAILURES,
            SCAN_DURATION,
            OVERLAPPING_FLOW_LOGS,
            IGNORED_KEYS,
            RELOAD_SUCCESSFUL,
            RELOAD_SUCCESS,
        ],
    },
    Section {
        title: "Process",
        text: "The usual ones. Absent where `/proc` cannot be read.",
        metrics: &[
            BUILD_INFO,
            PROCESS_CPU,
            PROCESS_RESIDENT,
            PROCESS_VIRTUAL,
            PROCESS_OPEN_FDS,
            PROCESS_MAX_FDS,
            PROCESS_START,
        ],
    },
];

/// All metrics, in the order of METRICS.md.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    SECTIONS.iter().flat_map(|section| section.metrics)
}

/// METRICS.md.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         Generated from `src/expose/catalog.rs`; a test keeps the two equal (`UPDATE_GOLDEN=1` rewrites this file).\n\
         \"Kept\" metrics come from the state file and continue after a restart. No sample carries a timestamp.\n",
    );
    for section in SECTIONS {
        let _ = write!(
            page,
            "\n## {}\n\n{}\n\n| metric | type | labels | unit | kept | meaning |\n|---|---|---|---|---|---|\n",
            section.title, section.text
        );
        for metric in section.metrics {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} | {} |",
                metric.name,
                metric.kind.as_str(),
                labels.join(", "),
                metric.unit.unwrap_or_default(),
                if metric.persistent { "yes" } else { "no" },
                metric.help
            );
        }
    }
    page.push_str("\n## Label values\n\n| label | values |\n|---|---|\n");
    for (label, values) in label_values() {
        let _ = writeln!(page, "| `{label}` | {values} |");
    }
    page
}

/// What each label can say.
fn label_values() -> [(&'static str, String); 19] {
    let list =
        |values: &[&str]| values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    let zone = "a configured zone, an AZ id of the logs that no zone names, or `aws`, `internet`, `unknown`, `other`";
    [
        ("src_zone", zone.to_owned()),
        ("dst_zone", zone.to_owned()),
        ("port_group", "a configured port group, or `other`".to_owned()),
        ("nat_direction", list(&NatDirection::ALL.map(NatDirection::as_str))),
        ("charge", list(&Charge::ALL.map(Charge::as_str))),
        ("aws_region (prices)", "the region of a configured source".to_owned()),
        (
            "aws_region (unpriced bytes)",
            "the region of a key, else of its source; `other` beyond so many; `unknown` as below".to_owned(),
        ),
        ("kind (doubt)", list(&Doubt::ALL.map(Doubt::as_str))),
        ("kind (contradictions)", list(&Contradiction::ALL.map(Contradiction::as_str))),
        ("outcome (records)", list(&RecordOutcome::ALL.map(RecordOutcome::as_str))),
        ("outcome (objects)", list(&ObjectOutcome::ALL.map(ObjectOutcome::as_str))),
        (
            "source",
            "the name of a configured source; of the sums also one that was configured, and `unknown`: the past of a \
             state file of version 1, which did not keep sources apart"
                .to_owned(),
        ),
        ("operation", list(&Operation::ALL.map(Operation::as_str))),
        ("reason", list(&FailureReason::ALL.map(FailureReason::as_str))),
        ("reason (ignored keys)", list(&IgnoredKey::ALL.map(IgnoredKey::as_str))),
        ("url", "`source.url`, always with its last slash".to_owned()),
        ("region", "`source.region`".to_owned()),
        ("filters", "eight hexadecimal digits, or `none`".to_owned()),
        ("version, revision", "of the running program; `unknown` where the build was not told".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_used_once_and_follows_the_conventions() {
        let mut seen = BTreeSet::new();
        for metric in all() {
            assert!(seen.insert(metric.family()), "{} is there twice", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            if let Some(unit) = metric.unit {
                assert!(
                    metric.family().ends_with(&format!("_{unit}")),
                    "{} does not end in {unit}",
                    metric.name
                );
            }
        }
    }

    #[test]
    fn help_needs_no_escaping_in_either_format_and_no_cell_of_the_table_breaks() {
        for metric in all() {
            assert!(!metric.help.contains(['\\', '"', '\n', '|']), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }

    #[test]
    fn a_histogram_has_three_sample_names() {
        assert_eq!(BYTES.sample_names(), [BYTES.name]);
        assert_eq!(SCAN_DURATION.sample_names().len(), 3);
    }
}
