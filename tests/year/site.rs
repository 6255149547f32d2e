//! An exporter beside its oracle: what was configured, and what a scrape and the state file have to be.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::{
    DAY, HOUR, POLL,
    clock::show,
    exporter::Exporter,
    logs::{DB, EDGE, Logs, NAT, Subnet, WEB},
    oracle::{Names, Oracle, PRICES},
};

/// `state.keep`
const KEEP: i64 = 400 * DAY;
/// What the state of two years may have: some 10,000 hours of a dozen label sets, and the objects of two months.
const STATE_BYTES: u64 = 24 << 20;

/// Counters that the oracle knows.
const JUDGED: [&str; 11] = [
    "flowcost_bytes_total",
    "flowcost_packets_total",
    "flowcost_flows_total",
    "flowcost_inter_az_bytes_total",
    "flowcost_charged_bytes_total",
    "flowcost_cost_usd_total",
    "flowcost_source_bytes_total",
    "flowcost_source_cost_usd_total",
    "flowcost_records_total",
    "flowcost_objects_total",
    "flowcost_object_bytes_total",
];

/// What an operator has configured.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) names: Names,
    pub(super) sources: Vec<&'static str>,
}

impl Setup {
    pub(super) fn rename(&mut self, subnet: Subnet, name: &'static str) {
        self.names.insert(subnet, name);
    }

    fn toml(&self) -> String {
        let mut text = "keep = \"400d\"\n[budget]\nmonthly_usd = 3000\ninter_az_ratio = 0.6\n[ports]\nmatch = \"either\"\n[prices]\n"
            .to_owned();
        PRICES.iter().for_each(|(charge, nano)| {
            let usd = *nano as f64 / 1e9;
            text += &format!("{charge} = {usd}\n");
        });
        for source in &self.sources {
            text += &format!(
                "[[source]]\nname = \"{source}\"\nurl = \"s3://{source}/\"\nregion = \"us-east-1\"\n"
            );
            if *source == EDGE {
                text += "monthly_usd = 300\n";
            }
        }
        let mut zones: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (subnet, name) in &self.names {
            zones.entry(name).or_default().push(subnet.cidr());
        }
        for (name, cidrs) in zones {
            text += &format!("[[zone]]\nname = \"{name}\"\ncidrs = {cidrs:?}\n");
        }
        for (name, port) in [("db", DB), ("web", WEB)] {
            text += &format!("[[port_group]]\nname = \"{name}\"\nports = [{port}]\n");
        }
        let (interface, address) = NAT;
        let zone = self.names[&Subnet::A];
        text += &format!(
            "[[nat_gateway]]\nname = \"nat\"\nzone = \"{zone}\"\ninterface_ids = [\"{interface}\"]\n\
             private_ips = [\"{address}\"]\n"
        );
        text
    }
}

/// An exporter, what it was told, and what it should be.
pub(super) struct Site {
    pub(super) instance: &'static str,
    pub(super) setup: Setup,
    pub(super) exporter: Exporter,
    pub(super) oracle: Oracle,
    /// The oracle of the moment at which the state was copied.
    pub(super) backup: Option<Oracle>,
}

impl Site {
    pub(super) fn new(instance: &'static str, setup: Setup, now: i64) -> Self {
        let oracle = Oracle::new(setup.names.clone());
        Self { instance, setup, exporter: Exporter::new(now), oracle, backup: None }
    }

    pub(super) fn start(&mut self, logs: &Logs, now: i64) {
        self.exporter.set_clock(now);
        self.exporter.start(&self.setup.toml(), &logs.buckets);
        self.oracle.start(self.setup.names.clone(), &self.setup.sources);
    }

    /// A poll and a scrape, which has to be what the oracle says.
    pub(super) fn tick(&mut self, logs: &Logs, unreachable: &BTreeSet<&'static str>, now: i64) -> String {
        self.exporter.set_clock(now);
        if now % POLL == 0 || !self.exporter.has_polled() {
            let full = self.exporter.poll();
            self.oracle.poll(now, full, &logs.there, unreachable);
        }
        let text = self.exporter.scrape();
        let scrape = parse(&text);
        let mut wrong = self.oracle.retire(now, &scrape);
        wrong.extend(differences(&self.oracle.counters, &scrape));
        if now % DAY == DAY / 2 {
            wrong.extend(self.month(&scrape, now));
        }
        assert_eq!(wrong, [""; 0], "{}", show(now));
        text
    }

    /// What the month gauges have, and should not.
    fn month(&self, scrape: &BTreeMap<String, String>, now: i64) -> Vec<String> {
        let mut wrong = Vec::new();
        for (source, nano) in self.oracle.month_to_date(now) {
            let sample = format!("flowcost_source_month_to_date_usd{{source=\"{source}\"}}");
            let shown = scrape.get(&sample).map(|value| nano_usd(value));
            if shown != Some(nano) {
                wrong.push(format!("{sample} is {shown:?} and should be {nano}"));
            }
        }
        wrong
    }

    /// The state does not grow for ever: hours are kept apart as long as they should be and a day or two longer, and the file is
    /// not larger than they need.
    pub(super) fn check_size(&self) {
        let conn = Connection::open(self.exporter.state()).unwrap();
        let folded: i64 = conn.query_row("SELECT folded_before FROM state", [], |row| row.get(0)).unwrap();
        let kept = self.exporter.now() - folded;
        assert!((KEEP..KEEP + 3 * DAY).contains(&kept), "{kept} seconds are kept");
        let size = std::fs::metadata(self.exporter.state()).unwrap().len();
        assert!(size < STATE_BYTES, "the state has {size} bytes");
    }

    /// The hourly ledger is row by row that of the oracle, where hours are kept apart.
    pub(super) fn check_ledger(&mut self) {
        let conn = Connection::open(self.exporter.state()).unwrap();
        let folded: Option<i64> =
            conn.query_row("SELECT folded_before FROM state", [], |row| row.get(0)).unwrap();
        let from = folded.map_or(i64::MIN, |at| at / HOUR);
        let traffic = ledger_rows(&conn, "ledger", "''", &["flows", "packets", "bytes", "inter_az_bytes"]);
        let expected = self.oracle.traffic.range((from, "", [""; 4])..);
        let expected = expected
            .map(|((hour, source, labels), sums)| (row_name(*hour, source, *labels, ""), sums.to_vec()));
        assert_eq!(first_difference(&traffic, &expected.collect()), None);
        let charges = ledger_rows(&conn, "ledger_charges", "charge", &["bytes", "nano_usd"]);
        let expected = self.oracle.charges.range((from, "", [""; 4], "")..);
        let expected = expected.map(|((hour, source, labels, charge), sums)| {
            (row_name(*hour, source, *labels, charge), sums.to_vec())
        });
        assert_eq!(first_difference(&charges, &expected.collect()), None);
    }
}

fn row_name(hour: i64, source: &str, [src, dst, group, nat]: [&str; 4], charge: &str) -> String {
    format!("{} {source} {src} {dst} {group} {nat} {charge}", show(hour * HOUR))
}

/// A view of the ledger: a row's name, and its sums.
fn ledger_rows(conn: &Connection, view: &str, charge: &str, sums: &[&str]) -> BTreeMap<String, Vec<u64>> {
    let summed: String = sums.iter().map(|column| format!(", sum({column})")).collect();
    let sql = format!(
        "SELECT hour, source, src_zone, dst_zone, port_group, nat_direction, {charge}{summed} FROM {view} \
         GROUP BY 1, 2, 3, 4, 5, 6, 7"
    );
    let mut statement = conn.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| {
        let texts = (1..7).map(|at| row.get::<_, String>(at)).collect::<rusqlite::Result<Vec<_>>>()?;
        let labels = [&*texts[1], &*texts[2], &*texts[3], &*texts[4]];
        let name = row_name(row.get::<_, i64>(0)? / HOUR, &texts[0], labels, &texts[5]);
        let sums = (7..7 + sums.len()).map(|at| Ok(row.get::<_, i64>(at)?.unsigned_abs()));
        Ok((name, sums.collect::<rusqlite::Result<_>>()?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// The first row in which two ledgers are not the same.
fn first_difference(
    found: &BTreeMap<String, Vec<u64>>,
    expected: &BTreeMap<String, Vec<u64>>,
) -> Option<String> {
    let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let differs = names.into_iter().find(|name| found.get(*name) != expected.get(*name))?;
    Some(format!("{differs}: {:?}, should be {:?}", found.get(differs), expected.get(differs)))
}

fn parse(text: &str) -> BTreeMap<String, String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// Dollars as printed, in nano-dollars.
fn nano_usd(value: &str) -> u64 {
    (value.parse::<f64>().unwrap() * 1e9).round() as u64
}

/// Counters that are not what they should be.
fn differences(expected: &BTreeMap<String, u64>, scrape: &BTreeMap<String, String>) -> Vec<String> {
    let family = |sample: &str| sample.split('{').next().unwrap().to_owned();
    let judged = scrape.keys().filter(|sample| JUDGED.contains(&&*family(sample)));
    let all: BTreeSet<&String> = judged.chain(expected.keys()).collect();
    let mut wrong = Vec::new();
    for sample in all {
        let number = |value: &String| {
            if family(sample).ends_with("_usd_total") { nano_usd(value) } else { value.parse().unwrap() }
        };
        let (found, should) = (scrape.get(sample).map(number), expected.get(sample).copied().unwrap_or(0));
        if found != Some(should) {
            wrong.push(format!("{sample} is {found:?} and should be {should}"));
        }
    }
    wrong
}
