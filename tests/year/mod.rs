//! Two years of an exporter in production, played on a clock that is told what time it is: real logs, pipeline, state file
//! and exposition, the rules of `alerts/` in a real Prometheus, and an oracle that adds up what was logged.
//!
//! At every scrape every counter is what the oracle says; day by day the month to date is, month by month the hourly ledger is;
//! and the alerts that fire over the two years are those of `EXPECTED`, no other, none missing.

mod clock;
mod expected;
mod exporter;
mod logs;
mod oracle;
mod rules;
mod site;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use clock::{at, month_of};
use logs::{DATA, EDGE, Logs, PROD, Subnet};
use rules::Scrapes;
use site::{Setup, Site};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// Between two scrapes. It must divide the hour, so that windows and offsets of the rules begin and end at scrapes, and be no longer
/// than their shortest window in which something grows ([20m]); those for the last value ([10m] to [1h]) then end at one. Prometheus
/// looks back a little further than this.
const STEP: i64 = 20 * 60;
/// Between two polls: there is one object an hour.
const POLL: i64 = HOUR;
const BEGIN: i64 = at!(2026-01-01 00:00);
const END: i64 = at!(2028-01-01 00:00);

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

    fn recount(&mut self, hours: Range<i64>) {
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
#[ignore = "needs prometheus and promtool, and some minutes: tests/run"]
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
    year.play(at!(2027-02-22 20:00));
    year.recount(at!(2027-02-01 00:00)..at!(2027-02-22 09:00));

    // Somebody starts a second exporter over the same buckets.
    year.play(at!(2027-03-09 00:00));
    year.start_twin();
    year.play(at!(2027-03-14 00:00));
    year.twin = None;

    // For a week a bucket cannot be listed.
    year.play(at!(2027-05-10 06:00));
    year.deny(PROD);
    year.play(at!(2027-05-17 06:00));
    year.allow(PROD);

    // For a week the exporter is down.
    year.play(at!(2027-07-12 06:00));
    year.main.exporter.stop();
    year.play(at!(2027-07-19 06:00));
    year.restart(|_| {});

    // In September most of the traffic between zones is saved; in October it comes back fourfold, until November.
    year.play(END);
    year.main.check_ledger();
    year.main.check_size();

    let firings = year.scrapes.firings(BEGIN, END);
    let fired: String = firings.iter().map(|firing| format!("{firing}\n")).collect();
    assert_eq!(expected::surprises(&firings), [""; 0], "of these:\n{fired}");
}
