//! What the numbers have to be: plain arithmetic on the flows that were logged, and on when they were there to be read. Knows
//! the configuration by its subnets and names, and nothing of how the exporter works them out.
//!
//! Money is in nano-dollars. A sample is named as the exposition prints it.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem::take,
};

use super::{
    DAY, HOUR,
    clock::{month_of, show},
    logs::{DB, Flow, Subnet, flows, packets},
};

/// Objects of partitions this old are read when they turn up.
const LOOKBACK: i64 = 48 * HOUR;
/// A label set that nothing can bring forth any more leaves after so much silence.
const RETIRES: i64 = 30 * DAY;

/// Nano-dollars a gigabyte (2^30 bytes), as the configuration has them.
pub(super) const PRICES: [(&str, u64); 4] = [
    ("inter_az", 10_000_000),
    ("nat_processing", 45_000_000),
    ("nat_hop", 10_000_000),
    ("internet_egress", 90_000_000),
];

/// The names that the configuration gives.
pub(super) type Names = BTreeMap<Subnet, &'static str>;

/// Source zone, destination zone, port group, NAT direction.
type Labels = [&'static str; 4];

/// What one flow adds to one label set.
struct Share {
    labels: Labels,
    packets: u64,
    bytes: u64,
    crosses: bool,
    /// Charge and its bytes.
    charged: Vec<(&'static str, u64)>,
}

/// A row of the hourly ledger: hour, source, labels; flows, packets, bytes, bytes between zones.
pub(super) type Traffic = BTreeMap<(i64, &'static str, Labels), [u64; 4]>;
/// The same and the charge; bytes, nano-dollars.
pub(super) type Charges = BTreeMap<(i64, &'static str, Labels, &'static str), [u64; 2]>;

/// How far a source has been read.
#[derive(Debug, Clone)]
struct Reading {
    /// Two days before its first poll.
    begin: Option<i64>,
    /// When all its open partitions were listed last.
    scanned: Option<i64>,
    late_scan: Option<i64>,
    /// The end of its newest record.
    newest: Option<i64>,
    settled: BTreeSet<i64>,
    /// It came after the others were shown: what its first scan finds is its past, which no counter has.
    added: bool,
    full_due: bool,
}

/// One exporter, as it should be. A clone is a backup.
#[derive(Debug, Clone)]
pub(super) struct Oracle {
    names: Names,
    sources: BTreeMap<&'static str, Reading>,
    /// Every counter that is not 0.
    pub(super) counters: BTreeMap<String, u64>,
    /// When a label set last had traffic.
    last: BTreeMap<Labels, i64>,
    pub(super) traffic: Traffic,
    pub(super) charges: Charges,
}

impl Oracle {
    pub(super) fn new(names: Names) -> Self {
        Self {
            names,
            sources: BTreeMap::new(),
            counters: BTreeMap::new(),
            last: BTreeMap::new(),
            traffic: Traffic::new(),
            charges: Charges::new(),
        }
    }

    /// The exporter starts, with this configuration.
    pub(super) fn start(&mut self, names: Names, sources: &[&'static str]) {
        self.names = names;
        let added = !self.sources.is_empty();
        for name in sources {
            let settled = BTreeSet::new();
            let fresh = Reading {
                begin: None,
                scanned: None,
                late_scan: None,
                newest: None,
                settled,
                added,
                full_due: true,
            };
            self.sources.entry(name).or_insert(fresh).full_due = true;
        }
    }

    /// One look at the buckets. `there` is what lies in them, `unreachable` cannot be listed. Every `full` one lists all that
    /// is open, the others what ended within the hour.
    pub(super) fn poll(
        &mut self,
        now: i64,
        full: bool,
        there: &BTreeMap<&'static str, BTreeMap<i64, u64>>,
        unreachable: &BTreeSet<&'static str>,
    ) {
        // Taken out meanwhile, as counting changes all the rest.
        for (source, mut reading) in take(&mut self.sources) {
            if unreachable.contains(source) {
                reading.full_due = true;
                self.sources.insert(source, reading);
                continue;
            }
            let full = full || reading.full_due;
            let begin = *reading.begin.get_or_insert(now - LOOKBACK);
            let open = reading.scanned.map_or(begin, |scanned| begin.max(scanned - LOOKBACK));
            let from = if full { open } else { open.max(now - HOUR) };
            let baseline = reading.added && reading.scanned.is_none();
            let new = |hours: &BTreeSet<i64>, from: i64, to: i64| -> Vec<(i64, u64)> {
                // By the ends of their partitions: later than `from`, not later than `to`.
                let all = there[source].range(from.div_euclid(HOUR)..to.div_euclid(HOUR));
                all.filter(|(hour, _)| !hours.contains(hour)).map(|(hour, size)| (*hour, *size)).collect()
            };
            for (hour, size) in new(&reading.settled, from, now + HOUR) {
                reading.settled.insert(hour);
                reading.newest = reading.newest.max(Some((hour + 1) * HOUR - 1));
                self.count(source, hour, size, baseline);
            }
            if full {
                let late_from = begin.max(open - LOOKBACK);
                let due = reading.late_scan.is_none_or(|last| now >= last + DAY);
                if late_from < open && due {
                    for (hour, _) in new(&reading.settled, late_from, open) {
                        reading.settled.insert(hour);
                        self.add("flowcost_objects_total{outcome=\"refused_late\"}".into(), 1);
                    }
                    reading.late_scan = Some(now);
                }
                reading.scanned = Some(now);
            }
            reading.full_due = false;
            self.sources.insert(source, reading);
        }
    }

    fn add(&mut self, sample: String, value: u64) {
        *self.counters.entry(sample).or_default() += value;
    }

    /// An object is counted.
    fn count(&mut self, source: &'static str, hour: i64, size: u64, baseline: bool) {
        self.add("flowcost_objects_total{outcome=\"counted\"}".into(), 1);
        self.add("flowcost_object_bytes_total".into(), size);
        for flow in flows(source, hour) {
            for (outcome, records) in outcomes(flow) {
                self.add(format!("flowcost_records_total{{outcome=\"{outcome}\"}}"), records);
            }
            for share in self.shares(flow) {
                self.write_down(source, hour, &share);
                let last = self.last.entry(share.labels).or_insert(hour);
                *last = hour.max(*last);
                if !baseline {
                    self.show(source, &share);
                }
            }
        }
    }

    /// Adds to the counters.
    fn show(&mut self, source: &str, share: &Share) {
        let [src, dst, group, nat] = share.labels;
        let labels =
            format!("src_zone=\"{src}\",dst_zone=\"{dst}\",port_group=\"{group}\",nat_direction=\"{nat}\"");
        let crossing = if share.crosses { share.bytes } else { 0 };
        for (family, value) in
            [("flows", 1), ("packets", share.packets), ("bytes", share.bytes), ("inter_az_bytes", crossing)]
        {
            self.add(format!("flowcost_{family}_total{{{labels}}}"), value);
        }
        if nat == "none" {
            self.add(format!("flowcost_source_bytes_total{{source=\"{source}\"}}"), share.bytes);
        }
        for (charge, bytes) in &share.charged {
            let (with, cost) = (format!("charge=\"{charge}\""), cost(charge, *bytes));
            self.add(format!("flowcost_charged_bytes_total{{{with},{labels}}}"), *bytes);
            self.add(format!("flowcost_cost_usd_total{{{with},{labels}}}"), cost);
            self.add(format!("flowcost_source_cost_usd_total{{source=\"{source}\",{with}}}"), cost);
        }
    }

    /// Adds to the hourly ledger.
    fn write_down(&mut self, source: &'static str, hour: i64, share: &Share) {
        let crossing = if share.crosses { share.bytes } else { 0 };
        let row = self.traffic.entry((hour, source, share.labels)).or_default();
        for (sum, more) in row.iter_mut().zip([1, share.packets, share.bytes, crossing]) {
            *sum += more;
        }
        for (charge, bytes) in &share.charged {
            let row = self.charges.entry((hour, source, share.labels, charge)).or_default();
            row[0] += bytes;
            row[1] += cost(charge, *bytes);
        }
    }

    /// Hours are read again under the names of now: the ledger changes, no counter does.
    pub(super) fn recount(&mut self, hours: std::ops::Range<i64>) {
        self.traffic.retain(|(hour, ..), _| !hours.contains(hour));
        self.charges.retain(|(hour, ..), _| !hours.contains(hour));
        for (source, reading) in self.sources.clone() {
            for hour in reading.settled.range(hours.clone()) {
                for share in
                    flows(source, *hour).into_iter().flat_map(|flow| self.shares(flow)).collect::<Vec<_>>()
                {
                    self.write_down(source, *hour, &share);
                }
            }
        }
    }

    fn shares(&self, flow: Flow) -> Vec<Share> {
        match flow {
            Flow::Direct { from, to, port, bytes, both } => {
                let (src, dst) = (self.names[&from], self.names[&to]);
                let crosses = src != dst;
                // Each side that is logged pays.
                let charged = crosses.then_some(("inter_az", if both { 2 * bytes } else { bytes }));
                let group = if port == DB { "db" } else { "web" };
                let labels = [src, dst, group, "none"];
                vec![Share {
                    labels,
                    packets: packets(bytes),
                    bytes,
                    crosses,
                    charged: charged.into_iter().collect(),
                }]
            }
            Flow::ThroughNat { from, bytes } => {
                let src = self.names[&from];
                let share = |nat, charged| Share {
                    labels: [src, "internet", "web", nat],
                    packets: packets(bytes),
                    bytes,
                    crosses: false,
                    charged,
                };
                let hop = (src != self.names[&Subnet::A]).then_some(("nat_hop", bytes));
                let charges = [("nat_processing", bytes), ("internet_egress", bytes)].into_iter().chain(hop);
                vec![share("none", Vec::new()), share("out", charges.collect())]
            }
        }
    }

    /// Whether a label set with this name in it may be gone from the counters, and whether it has to be.
    fn retired(&self, labels: &Labels, now: i64) -> (bool, bool) {
        let known = |name: &str| name == "internet" || self.names.values().any(|known| *known == name);
        let silent = now - (self.last[labels] + 1) * HOUR;
        let obsolete = !known(labels[0]) || !known(labels[1]);
        (obsolete && silent > RETIRES - HOUR, obsolete && silent > RETIRES + DAY)
    }

    /// Lets label sets go that no flow can have any more and that are not in a scrape. Those that should have gone are
    /// complained of.
    pub(super) fn retire(&mut self, now: i64, shown: &BTreeMap<String, String>) -> Vec<String> {
        let mut complaints = Vec::new();
        for labels in self.last.keys().copied().collect::<Vec<_>>() {
            let (may, must) = self.retired(&labels, now);
            if !may {
                continue;
            }
            let [src, dst, group, nat] = labels;
            let labels_text = format!(
                "src_zone=\"{src}\",dst_zone=\"{dst}\",port_group=\"{group}\",nat_direction=\"{nat}\""
            );
            if !shown.contains_key(&format!("flowcost_bytes_total{{{labels_text}}}")) {
                self.counters.retain(|sample, _| !sample.contains(&labels_text));
                self.last.remove(&labels);
            } else if must {
                complaints.push(format!("{labels_text} should be gone by {}", show(now)));
            }
        }
        complaints
    }

    /// Cost of the month so far by source: of hours that ended half an hour ago, that a complete scan is half an hour past, and
    /// that a record of the source has come to.
    pub(super) fn month_to_date(&self, now: i64) -> BTreeMap<&'static str, u64> {
        let from = month_of(now).div_euclid(HOUR);
        let settles = |at: i64| (at - HOUR / 2).div_euclid(HOUR);
        let sum = |(source, reading): (&&'static str, &Reading)| {
            let scanned = reading.scanned.map_or(i64::MIN, settles);
            let heard = reading.newest.map_or(i64::MIN, |newest| newest.div_euclid(HOUR));
            let until = settles(now).min(scanned).min(heard).max(from);
            let hours = self.charges.range((from, "", [""; 4], "")..(until, "", [""; 4], ""));
            let own = hours.filter(|((_, name, ..), _)| name == source);
            (*source, own.map(|(_, row)| row[1]).sum())
        };
        self.sources.iter().map(sum).collect()
    }

    /// Bytes and nano-dollars of the whole ledger.
    pub(super) fn ledger_sums(&self) -> [u64; 2] {
        [self.traffic.values().map(|row| row[2]).sum(), self.charges.values().map(|row| row[1]).sum()]
    }
}

/// How many records of which outcome a flow is logged in.
fn outcomes(flow: Flow) -> Vec<(&'static str, u64)> {
    match flow {
        Flow::Direct { both: false, .. } => vec![("counted", 1)],
        Flow::Direct { both: true, .. } => vec![("counted", 1), ("other_side", 1)],
        Flow::ThroughNat { .. } => vec![("counted", 2), ("nat_public_leg", 1)],
    }
}

/// Nano-dollars, rounded half up.
fn cost(charge: &str, bytes: u64) -> u64 {
    let price = PRICES.iter().find(|(name, _)| *name == charge).unwrap().1;
    let exact = u128::from(bytes) * u128::from(price);
    u64::try_from((exact + (1 << 29)) >> 30).unwrap()
}
