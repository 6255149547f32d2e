//! Two years of an exporter in production, played on a clock that is told what time it is: real logs, pipeline, state file
//! and exposition, the rules of `alerts/` in a real Prometheus, and an oracle that adds up what was logged.
//!
//! At every scrape every counter is what the oracle says; day by day the month to date is, month by month the hourly ledger is;
//! and the alerts that fire over the two years are those of `EXPECTED`, no other, none missing.

mod clock;
mod exporter;
mod logs;
mod oracle;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use clock::{at, month_of, show};
use exporter::Exporter;
use logs::{DATA, EDGE, Logs, NAT, PROD, Subnet};
use oracle::{Charges, Names, Oracle, PRICES, Traffic};
use rules::Scrapes;

const HOUR: i64 = 3_600;
/// Between two scrapes, and two polls. The windows of the rules hold as long as it divides an hour, a window of 20 minutes has
/// two samples, and Prometheus looks back a little further than it.
const STEP: i64 = 20 * 60;
const BEGIN: i64 = at!(2026-01-01 00:00);
const END: i64 = at!(2028-01-01 00:00);

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
struct Setup {
    names: Names,
    sources: Vec<&'static str>,
}

impl Setup {
    fn rename(&mut self, subnet: Subnet, name: &'static str) {
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
            text += &format!("[[source]]\nname = \"{source}\"\nurl = \"s3://{source}/\"\nregion = \"us-east-1\"\n");
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
        for (name, port) in [("db", logs::DB), ("web", logs::WEB)] {
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
struct Site {
    instance: &'static str,
    setup: Setup,
    exporter: Exporter,
    oracle: Oracle,
    backup: Option<Oracle>,
    times: [std::time::Duration; 4],
}

impl Site {
    fn new(instance: &'static str, setup: Setup, now: i64) -> Self {
        let oracle = Oracle::new(setup.names.clone());
        Self { instance, setup, exporter: Exporter::new(now), oracle, backup: None, times: Default::default() }
    }

    fn start(&mut self, logs: &Logs, now: i64) {
        self.exporter.set_clock(now);
        self.exporter.start(&self.setup.toml(), &logs.buckets);
        self.oracle.start(self.setup.names.clone(), &self.setup.sources);
    }

    /// A poll and a scrape, which has to be what the oracle says.
    fn tick(&mut self, logs: &Logs, unreachable: &BTreeSet<&'static str>, now: i64) -> String {
        self.exporter.set_clock(now);
        let t0 = std::time::Instant::now();
        if now % HOUR == 0 {
            let full = self.exporter.poll();
            self.oracle.poll(now, full, &logs.there, unreachable);
        }
        let t1 = std::time::Instant::now();
        let t2 = std::time::Instant::now();
        let text = self.exporter.scrape();
        let t3 = std::time::Instant::now();
        self.times[0] += t1 - t0; self.times[1] += t2 - t1; self.times[2] += t3 - t2;
        let scrape = parse(&text);
        let mut wrong = self.oracle.retire(now, &scrape);
        wrong.extend(differences(&self.oracle.counters, &scrape));
        if now.rem_euclid(24 * HOUR) == 12 * HOUR {
            wrong.extend(self.month(&scrape, now));
        }
        if !wrong.is_empty() {
            let conn = Connection::open(self.exporter.state()).unwrap();
            let mut st = conn.prepare("SELECT name, begin_at, scanned_through, last_late_scan FROM source").unwrap();
            let rows = st.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?, row.get::<_, Option<i64>>(3)?))).unwrap();
            for row in rows { let row = row.unwrap(); eprintln!("{} {:?} {:?} {:?}", row.0, row.1.map(show), row.2.map(show), row.3.map(show)); }
            self.oracle.debug();
        }
        assert_eq!(wrong, [""; 0], "{}", show(now));
        self.times[3] += t3.elapsed();
        if now == month_of(now) { eprintln!("cycle oracle render judge {:?}", self.times); }
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

    /// The hourly ledger is row by row that of the oracle, where hours are kept apart.
    fn check_ledger(&mut self) {
        let conn = Connection::open(self.exporter.state()).unwrap();
        let folded: Option<i64> =
            conn.query_row("SELECT folded_before FROM state", [], |row| row.get(0)).unwrap();
        let from = folded.map_or(i64::MIN, |at| at / HOUR);
        let traffic = ledger_rows(&conn, "ledger", "'' ", "flows, packets, bytes, inter_az_bytes", 4);
        let expected: Traffic = self.oracle.traffic.range((from, "", [""; 4])..).map(|(k, v)| (*k, *v)).collect();
        let expected: BTreeMap<_, _> = expected.into_iter().map(|((hour, source, labels), sums)| (row_name(hour, source, labels, ""), sums.to_vec())).collect();
        assert_eq!(first_difference(&traffic, &expected), None);
        let charges = ledger_rows(&conn, "ledger_charges", "charge", "bytes, nano_usd", 2);
        let expected: Charges = self.oracle.charges.range((from, "", [""; 4], "")..).map(|(k, v)| (*k, *v)).collect();
        let expected: BTreeMap<_, _> = expected.into_iter().map(|((hour, source, labels, charge), sums)| (row_name(hour, source, labels, charge), sums.to_vec())).collect();
        assert_eq!(first_difference(&charges, &expected), None);
    }
}

fn row_name(hour: i64, source: &str, [src, dst, group, nat]: [&str; 4], charge: &str) -> String {
    format!("{} {source} {src} {dst} {group} {nat} {charge}", show(hour * HOUR))
}

fn ledger_rows(conn: &Connection, view: &str, charge: &str, sums: &str, count: usize) -> BTreeMap<String, Vec<u64>> {
    let summed = sums.split(", ").map(|column| format!("sum({column})")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT hour, source, src_zone, dst_zone, port_group, nat_direction, {charge}, {summed} FROM {view} \
         GROUP BY 1, 2, 3, 4, 5, 6, 7"
    );
    let mut statement = conn.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| {
        let text = |at| row.get::<_, String>(at);
        let (labels, charge) = ([text(2)?, text(3)?, text(4)?, text(5)?], text(6)?);
        let name = row_name(row.get::<_, i64>(0)? / HOUR, &text(1)?, labels.each_ref().map(|label| &**label), &charge);
        let sums = (0..count).map(|at| Ok(row.get::<_, i64>(7 + at)?.unsigned_abs()));
        Ok((name, sums.collect::<rusqlite::Result<Vec<_>>>()?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// The first row in which two ledgers are not the same.
fn first_difference(found: &BTreeMap<String, Vec<u64>>, expected: &BTreeMap<String, Vec<u64>>) -> Option<String> {
    let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let differs = names.into_iter().find(|name| found.get(*name) != expected.get(*name))?;
    Some(format!("{differs}: {:?}, should be {:?}", found.get(differs), expected.get(differs)))
}

fn parse(text: &str) -> BTreeMap<String, String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.rsplit_once(' ')).map(|(name, value)| (name.into(), value.into())).collect()
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

/// All that there is.
struct Year {
    now: i64,
    logs: Logs,
    unreachable: BTreeSet<&'static str>,
    scrapes: Scrapes,
    main: Site,
    /// A second exporter that somebody has started.
    twin: Option<Site>,
}

impl Year {
    /// The first start, with two days of logs in the buckets.
    fn begin(setup: Setup) -> Self {
        let mut logs = Logs::default();
        let hour = BEGIN / HOUR;
        [PROD, EDGE].iter().for_each(|source| logs.open(source, hour - 72, hour));
        let mut main = Site::new("main:9843", setup, BEGIN);
        main.start(&logs, BEGIN);
        let (scrapes, unreachable) = (Scrapes::new(), BTreeSet::new());
        Self { now: BEGIN, logs, unreachable, scrapes, main, twin: None }
    }

    /// Time passes, up to a moment and no further.
    fn play(&mut self, until: i64) {
        while self.now < until {
            self.now += STEP;
            if self.now % HOUR == 0 {
                self.logs.hour_over(self.now / HOUR - 1);
            }
            if self.now == month_of(self.now) {
                self.main.check_ledger();
                eprintln!("{}", show(self.now));
            }
            for site in [Some(&mut self.main), self.twin.as_mut()].into_iter().flatten() {
                if site.exporter.runs() {
                    let text = site.tick(&self.logs, &self.unreachable, self.now);
                    self.scrapes.add(site.instance, &text, self.now);
                } else {
                    self.scrapes.up(site.instance, false, self.now);
                }
            }
        }
    }

    /// The state file is copied, between two processes.
    fn back_up(&mut self) {
        self.main.exporter.stop();
        self.main.exporter.copy_state("backup.db");
        self.main.backup = Some(self.main.oracle.clone());
        self.main.start(&self.logs, self.now);
    }

    /// The copy is put in the place of the state. What came since is read once more.
    fn restore(&mut self) {
        self.main.exporter.stop();
        self.main.exporter.put_back("backup.db");
        self.main.oracle = self.main.backup.take().unwrap();
        self.main.start(&self.logs, self.now);
    }

    fn recount(&mut self, hours: std::ops::Range<i64>) {
        let hours = hours.start / HOUR..hours.end / HOUR;
        let before = self.main.oracle.ledger_sums();
        self.main.oracle.recount(hours.clone());
        assert_ne!(self.main.oracle.ledger_sums(), before, "otherwise there is nothing to correct");
        assert!(self.main.exporter.recount(hours, &self.logs.buckets) > 0);
        self.main.check_ledger();
    }

    fn start_twin(&mut self) {
        let mut twin = Site::new("twin:9843", self.main.setup.clone(), self.now);
        twin.start(&self.logs, self.now);
        self.twin = Some(twin);
    }

    fn deny(&mut self, source: &'static str) {
        self.logs.buckets[source].deny();
        self.unreachable.insert(source);
    }

    fn allow(&mut self, source: &str) {
        self.logs.buckets[source].heal();
        self.unreachable.remove(source);
    }

    /// The process is started again, with another configuration.
    fn restart(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.main.setup);
        self.main.exporter.stop();
        self.main.start(&self.logs, self.now);
    }
}

#[test]
fn two_years_are_as_they_were_logged() {
    let names = BTreeMap::from([(Subnet::A, "a"), (Subnet::B, "b"), (Subnet::C, "c")]);
    let mut year = Year::begin(Setup { names, sources: vec![PROD, EDGE] });

    // A zone gets another name.
    year.play(at!(2026-04-07 10:00));
    year.restart(|setup| setup.rename(Subnet::C, "us-east-1c"));

    // A source is added, which has had logs for long.
    year.play(at!(2026-06-09 08:00));
    year.logs.open(DATA, year.now / HOUR - 14 * 24, year.now / HOUR);
    year.restart(|setup| setup.sources.push(DATA));

    // For a week nothing is delivered, and never will be.
    year.play(at!(2026-08-03 06:00));
    year.logs.hold(EDGE);
    year.play(at!(2026-08-10 06:00));
    year.logs.lose_held(EDGE);

    // For a week nothing is delivered; then all of it at once.
    year.play(at!(2026-10-05 06:00));
    year.logs.hold(EDGE);
    year.play(at!(2026-10-12 06:00));
    year.logs.deliver_held(EDGE);

    // The state is lost, and the backup of the day before put in its place.
    year.play(at!(2026-11-20 03:00));
    year.back_up();
    year.play(at!(2026-11-21 09:00));
    year.restore();

    // A new subnet is taken for a part of the wrong zone, for three weeks.
    year.play(at!(2027-02-01 00:00));
    year.restart(|setup| setup.rename(Subnet::D, "a"));
    year.play(at!(2027-02-22 09:00));
    year.restart(|setup| setup.rename(Subnet::D, "b"));
    year.play(at!(2027-02-22 13:00));
    year.recount(at!(2027-02-01 00:00)..at!(2027-02-22 09:00));

    // Somebody starts a second exporter over the same buckets.
    year.play(at!(2027-03-09 00:00));
    year.start_twin();
    year.play(at!(2027-03-14 00:00));
    year.twin = None;

    // For a week a bucket cannot be listed.
    year.play(at!(2027-05-10 06:00));
    year.deny(EDGE);
    year.play(at!(2027-05-17 06:00));
    year.allow(EDGE);

    // For a week the exporter is down.
    year.play(at!(2027-07-12 06:00));
    year.main.exporter.stop();
    year.play(at!(2027-07-19 06:00));
    year.restart(|_| {});

    // In September most of the traffic between zones is saved; in October it comes back fourfold, until November.
    year.play(END);
    year.main.check_ledger();
    eprintln!("{} played", show(year.now));
    let firings = year.scrapes.firings(BEGIN, year.now);
    firings.iter().for_each(|firing| eprintln!("{firing}"));
}
