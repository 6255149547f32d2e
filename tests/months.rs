//! Months that are played hour by hour through the ledger, with a clock of their own.
//!
//! March 2026 begins on a Sunday. A gigabyte between zones costs a cent, and `Site::truth` is what the
//! month comes to if the traffic goes on as its function says.

use std::sync::Arc;

use flowcost_exporter::{
    decode::{
        Action, Direction, LogStatus,
        encode::{EncodeOptions, Record, parquet},
    },
    event::{Event, ScanKind},
    ledger::{Ledger, Options, SourceSpec},
    limits,
    model::{
        Candidate, Charge, ChargeCounts, FlowCounts, FlowKey, Gigabyte, Hour, Listed, NanoUsd, NatDirection,
        ObjectDelta, ObjectId, Partition, PartitionSpan, Price, RecordOutcome, Relation, Series, Settled,
        Settlement, Timestamp,
    },
    month::{MonthFigures, figures},
    pricing::PriceBook,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::{
    events::Recorder,
    world::{NOON, World, cycles},
};

const REGION: &str = "us-east-1";
const GB: u64 = 1 << 30;
const PRICE: u64 = 10_000_000;
const DAY: i64 = 24;

/// 2026-03-01T00:00:00Z
const MARCH: Hour = Hour(1_772_323_200 / 3_600);
const MARCH_HOURS: i64 = 31 * DAY;

/// The hour `hour` of a day of March 2026; day 0 is the last of February.
fn march(day: i64, hour: i64) -> Hour {
    Hour(MARCH.0 + (day - 1) * DAY + hour)
}

/// The gigabytes of an hour.
type Traffic = fn(Hour) -> u64;

/// By day 100, at night a fifth.
fn nights(hour: Hour) -> u64 {
    if (7..22).contains(&hour.0.rem_euclid(DAY)) { 100 } else { 20 }
}

/// The same, and at weekends two fifths of it.
fn weekends(hour: Hour) -> u64 {
    // 1970-01-01 was a Thursday: 2 and 3 are Saturday and Sunday.
    let weekend = [2, 3].contains(&hour.0.div_euclid(DAY).rem_euclid(7));
    if weekend { nights(hour) * 2 / 5 } else { nights(hour) }
}

fn ten_times(hour: Hour) -> u64 {
    nights(hour) * 10
}

fn ten_times_with_weekends(hour: Hour) -> u64 {
    weekends(hour) * 10
}

fn tiny(hour: Hour) -> u64 {
    nights(hour) / 50
}

/// What an hour logs.
#[derive(Debug, Clone, Copy)]
enum Log {
    /// Traffic of so many gigabytes.
    Traffic(u64),
    /// One record that says that there was none.
    NoData,
}

/// A state file, and what was configured.
struct Site {
    folder: TempDir,
    ledger: Ledger,
    sources: Vec<&'static str>,
    book: PriceBook,
    now: Timestamp,
    objects: u64,
}

impl Site {
    /// A fresh state with these sources.
    fn new(sources: &[&'static str], now: Timestamp) -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let book = PriceBook {
            overrides: [(Charge::InterAz, NanoUsd(PRICE))].into(),
            unit: Gigabyte::Binary,
            ..PriceBook::default()
        };
        let ledger = open(&folder, sources, now);
        Self { folder, ledger, sources: sources.to_vec(), book, now, objects: 0 }
    }

    /// Another configuration, as a reload has it.
    fn configure(&mut self, sources: &[&'static str]) {
        self.sources = sources.to_vec();
        self.ledger.reconfigure(&options(sources), self.now).unwrap();
    }

    /// A restart. The figures have to be the same after it.
    fn restart(&mut self) {
        let before = self.figures();
        let parked = tempfile::tempdir().unwrap();
        self.ledger = open(&parked, &[], self.now);
        self.ledger = open(&self.folder, &self.sources, self.now);
        assert_eq!(self.figures(), before, "a restart changes nothing");
    }

    fn figures(&self) -> MonthFigures {
        figures(&self.ledger.snapshot(), &self.book, self.now)
    }

    /// Says where a source begins, as its first scan does: 48 hours ago.
    fn begin(&mut self, source: &str) {
        let begin = self.now.minus(std::time::Duration::from_secs(48 * 3_600));
        self.ledger.set_begin(source, begin).unwrap();
    }

    /// Time passes, and a source logs these hours, which are read and committed now.
    fn read(&mut self, source: &str, hours: impl Iterator<Item = (Hour, Log)>) {
        let batch: Vec<Settled> = hours.map(|(hour, log)| self.object(source, hour, log)).collect();
        self.ledger.commit(&batch, self.now).unwrap();
    }

    /// A full scan of a source is complete.
    fn scan(&mut self, source: &str) {
        self.ledger.finish_scan(source, self.now, ScanKind::Full).unwrap();
    }

    /// Every hour up to `until`, and its logs, are there and read 35 minutes after its end. In steps of up to a day.
    fn play(&mut self, until: Hour, sources: &[(&'static str, Traffic)]) {
        while settled_at(until) > self.now {
            let from = Hour::of(self.now.minus(limits::HOUR_SETTLES_AFTER));
            let to = Hour((from.0 + DAY).min(until.0));
            self.now = settled_at(to);
            for (source, traffic) in sources {
                self.read(source, (from.0..to.0).map(|hour| (Hour(hour), Log::Traffic(traffic(Hour(hour))))));
            }
            for source in self.sources.clone() {
                self.scan(source);
            }
        }
    }

    fn object(&mut self, source: &str, hour: Hour, log: Log) -> Settled {
        self.objects += 1;
        let prefix = format!("{source}/{}/", hour.0);
        let id = ObjectId { bucket: "s3://logs".into(), key: format!("{prefix}{}", self.objects) };
        let partition = Partition {
            bucket: "s3://logs".into(),
            prefix: prefix.into(),
            start: hour,
            span: PartitionSpan::Hour,
        };
        let listed = Listed { id, size: 1, version: None };
        let price = self.book.quote(REGION, Charge::InterAz).unwrap().price;
        Settled {
            candidate: Candidate { listed, source: source.into(), partition },
            settlement: Settlement::Counted(delta(hour, log, price)),
            fetched: 1,
        }
    }
}

fn options(sources: &[&'static str]) -> Options {
    Options {
        series_limit: 100,
        sources: sources
            .iter()
            .map(|name| SourceSpec { name: (*name).into(), url: format!("s3://{name}/") })
            .collect(),
        classifier_fingerprint: String::new(),
        prices: Vec::new(),
    }
}

fn open(folder: &TempDir, sources: &[&'static str], now: Timestamp) -> Ledger {
    Ledger::open(&folder.path().join("state.db"), &options(sources), now).unwrap().0
}

/// When the hour before is settled, with its logs read.
fn settled_at(hour: Hour) -> Timestamp {
    Timestamp(hour.start().0 + 35 * 60)
}

/// An hour of an interface: its last record ends with it.
fn delta(hour: Hour, log: Log, price: Price) -> ObjectDelta {
    let mut delta = ObjectDelta {
        aws_region: REGION.into(),
        newest_record: Some(Timestamp(hour.end().0 - 10)),
        ..ObjectDelta::default()
    };
    match log {
        Log::NoData => delta.records.add(RecordOutcome::NoData, 1),
        Log::Traffic(gigabytes) => {
            // The last of them stands in the first minute of the next hour.
            delta.newest_record = Some(hour.end());
            delta.records.add(RecordOutcome::Counted, 1);
            let label: Arc<str> = "zone".into();
            let key = FlowKey {
                src_zone: label.clone(),
                dst_zone: label.clone(),
                port_group: label,
                nat_direction: NatDirection::None,
            };
            let series = Series { key, src_az: None, dst_az: None, relation: Relation::InterAz };
            let bytes = gigabytes * GB;
            let flow = FlowCounts { flows: 1, packets: 1, bytes, inter_az_bytes: bytes };
            let charge = ChargeCounts { bytes, cost: price.of(bytes).unwrap(), unpriced: 0 };
            delta.traffic.insert((hour, series.clone()), flow);
            delta.charges.insert((hour, series, Charge::InterAz), charge);
        }
    }
    delta
}

/// What hours of a source cost, in USD.
#[allow(clippy::cast_precision_loss, reason = "some thousand gigabytes")]
fn cost(traffic: Traffic, from: Hour, until: Hour) -> f64 {
    (from.0..until.0).map(|hour| traffic(Hour(hour))).sum::<u64>() as f64 * 0.01
}

fn march_of(traffic: Traffic) -> f64 {
    cost(traffic, MARCH, Hour(MARCH.0 + MARCH_HOURS))
}

fn to_date(figures: &MonthFigures) -> f64 {
    figures.to_date.iter().sum()
}

fn projected(figures: &MonthFigures) -> f64 {
    figures.projected.iter().sum()
}

#[track_caller]
fn assert_near(value: f64, truth: f64, percent: f64) {
    let off = (value / truth - 1.0).abs() * 100.0;
    assert!(off <= percent, "{value} is {off:.2} % off {truth}");
}

/// The sums of the sources are the totals.
#[track_caller]
fn assert_sums(figures: &MonthFigures) {
    let sum = |of: fn(&flowcost_exporter::month::SourceFigures) -> f64| -> f64 {
        figures.sources.values().map(of).sum()
    };
    assert!((sum(|of| of.to_date) - to_date(figures)).abs() < 1e-6, "{figures:?}");
    assert!((sum(|of| of.projected) - projected(figures)).abs() < 1e-6, "{figures:?}");
}

/// Whether the budget alert fires, as `alerts/flowcost.rules.yaml` has it.
fn over_budget(figures: &MonthFigures, budget: f64) -> bool {
    let week = limits::PROJECTION_HOURS.unsigned_abs();
    let old = figures.sources.values().filter(|of| of.projection_hours >= week).map(|of| of.projected);
    let sure = figures.projection_hours >= week || to_date(figures) > budget || old.sum::<f64>() > budget;
    projected(figures) > budget && sure
}

/// A site that has been reading since the middle of February, at the beginning of a day of March.
fn grown_up(source: &'static str, traffic: Traffic, day: i64) -> Site {
    let mut site = Site::new(&[source], settled_at(march(-13, 0)));
    site.begin(source);
    site.play(march(day, 0), &[(source, traffic)]);
    site
}

#[test]
fn a_month_of_an_undisturbed_source_is_near_its_end_from_its_first_day() {
    let mut site = grown_up("ops", weekends, 1);
    let truth = march_of(weekends);
    for day in 2..=31 {
        site.play(march(day, 0), &[("ops", weekends)]);
        let figures = site.figures();
        assert!((to_date(&figures) - cost(weekends, MARCH, march(day, 0))).abs() < 1e-6, "day {day}");
        assert_near(projected(&figures), truth, 3.0);
        assert_eq!((figures.coverage, figures.projection_hours), (1.0, 168));
        assert_sums(&figures);
    }
    site.play(march(32, 0), &[("ops", weekends)]);
    let april = site.figures();
    assert_eq!((to_date(&april), april.coverage), (0.0, 0.0), "none of its hours is settled yet");
    site.play(march(32, 1), &[("ops", weekends)]);
    assert_eq!(site.figures().coverage, 1.0);
}

#[test]
fn an_outage_stands_still_and_says_so_and_is_an_end_after_two_weeks() {
    let mut site = grown_up("net", nights, 1);
    site.configure(&["net", "ops"]);
    site.begin("ops");
    site.play(march(10, 0), &[("net", nights), ("ops", weekends)]);
    let before = site.figures();
    let ops = |figures: &MonthFigures| figures.sources["ops"];
    let truth = march_of(weekends);
    assert_eq!(ops(&before).coverage, Some(1.0));
    let mut coverage = 1.0;
    for day in 11..=17 {
        // Scans go on and find nothing of the one; the other one goes on.
        site.play(march(day, 0), &[("net", nights)]);
        let figures = site.figures();
        assert_eq!(ops(&figures).to_date, ops(&before).to_date, "it stands, day {day}");
        assert_eq!(ops(&figures).projected, ops(&before).projected, "day {day}");
        assert_near(ops(&figures).projected, truth, 5.0);
        let now = ops(&figures).coverage.unwrap();
        assert!(now < coverage && figures.coverage < 1.0, "coverage falls: {now} after {coverage}");
        assert_eq!(figures.sources["net"].coverage, Some(1.0), "only of the one that is out");
        coverage = now;
        assert_sums(&figures);
        site.restart();
    }
    site.play(march(23, 23), &[("net", nights)]);
    let last = site.figures();
    assert_eq!(ops(&last).projected, ops(&before).projected, "not yet two weeks");
    site.play(march(24, 2), &[("net", nights)]);
    let ended = site.figures();
    assert_eq!(ops(&ended).projected, ops(&before).to_date, "nothing more is expected");
    assert_eq!((ops(&ended).coverage, ended.coverage), (Some(1.0), 1.0));
    assert_eq!(ended.projection_hours, 168);
    site.restart();

    // It comes back, and what was missed with it.
    site.read(
        "ops",
        (march(10, 0).0..march(24, 2).0).map(|hour| (Hour(hour), Log::Traffic(weekends(Hour(hour))))),
    );
    let back = site.figures();
    let missed = cost(weekends, march(10, 0), march(24, 2));
    assert!((ops(&back).to_date - ops(&before).to_date - missed).abs() < 1e-6);
    assert_near(ops(&back).projected, truth, 5.0);
}

#[test]
fn a_source_that_cannot_be_listed_stands_still_and_does_not_end() {
    let mut site = grown_up("ops", nights, 5);
    let before = site.figures();
    site.now = settled_at(march(25, 0));
    let figures = site.figures();
    assert_eq!(to_date(&figures), to_date(&before));
    assert_eq!(projected(&figures), projected(&before));
    assert_near(figures.coverage, 4.0 / 24.0, 0.1);
}

#[test]
fn a_source_that_is_quiet_by_nature_settles_with_one_record_an_hour() {
    let mut site = grown_up("busy", nights, 5);
    site.configure(&["busy", "quiet"]);
    site.begin("quiet");
    let quiet = |site: &Site| site.figures().sources["quiet"];
    let one = |site: &mut Site, hour: Hour| {
        site.read("quiet", std::iter::once((hour, Log::NoData)));
        site.scan("quiet");
    };
    for hour in 0..30 {
        site.play(march(5, hour + 1), &[("busy", nights)]);
        one(&mut site, march(5, hour));
        // Its record of an hour ends in that hour: it settles the one before.
        let of = quiet(&site);
        let coverage = of.coverage.unwrap();
        let hours = f64::from(i32::try_from(hour).unwrap());
        assert_near(coverage + 1.0, hours / (hours + 1.0) + 1.0, 0.01);
        assert_eq!((of.to_date, of.projected), (0.0, 0.0));
    }
    // Then none for two days.
    let figures = site.figures();
    for hour in 30..78 {
        site.play(march(5, hour + 1), &[("busy", nights)]);
        let coverage = quiet(&site).coverage.unwrap();
        let hours = f64::from(i32::try_from(hour).unwrap());
        assert_near(coverage, 29.0 / (hours + 1.0), 0.01);
    }
    assert!(site.figures().coverage < 1.0);
    assert_near(projected(&site.figures()), projected(&figures), 1.0);
    // Then one.
    one(&mut site, march(5, 77));
    assert_near(quiet(&site).coverage.unwrap(), 77.0 / 78.0, 0.01);
    site.play(march(5, 79), &[("busy", nights)]);
    one(&mut site, march(5, 79));
    assert_eq!(quiet(&site).coverage, Some(1.0));
    assert_eq!(site.figures().coverage, 1.0);
    assert_sums(&site.figures());
    site.restart();
}

/// A large source that is added on the 10th, a Tuesday, its past of the two days before read at once or not there.
fn with_a_large_source(traffic: Traffic, has_past: bool) -> Site {
    let mut site = grown_up("ops", nights, 10);
    site.configure(&["ops", "big"]);
    site.begin("big");
    if has_past {
        let hours = march(8, 0).0..march(10, 0).0;
        site.read("big", hours.map(|hour| (Hour(hour), Log::Traffic(traffic(Hour(hour))))));
    }
    site
}

#[test]
fn a_ten_times_larger_source_that_is_added_is_near_the_truth_after_two_days() {
    for (has_past, from) in [(true, march(8, 0)), (false, march(10, 0))] {
        let mut site = with_a_large_source(ten_times, has_past);
        let truth = march_of(nights) + cost(ten_times, from, march(32, 0));
        site.play(march(12, 0), &[("ops", nights), ("big", ten_times)]);
        let figures = site.figures();
        assert_near(projected(&figures), truth, 10.0);
        assert_eq!(figures.coverage, 1.0, "hours before it are not its own");
        assert_eq!(figures.projection_hours, if has_past { 96 } else { 48 });
        assert_sums(&figures);
    }
}

#[test]
fn with_weekends_it_is_near_the_truth_after_seven_days() {
    for (has_past, from) in [(true, march(8, 0)), (false, march(10, 0))] {
        let mut site = with_a_large_source(ten_times_with_weekends, has_past);
        let truth = march_of(nights) + cost(ten_times_with_weekends, from, march(32, 0));
        for (day, percent) in [(12, 25.0), (17, 5.0), (24, 5.0), (31, 5.0)] {
            site.play(march(day, 0), &[("ops", nights), ("big", ten_times_with_weekends)]);
            assert_near(projected(&site.figures()), truth, percent);
        }
    }
}

#[test]
fn a_young_source_that_dwarfs_the_others_waits_unless_they_or_the_month_so_far_are_over_the_budget() {
    let mut site = with_a_large_source(ten_times, false);
    let all: [(&str, Traffic); 2] = [("ops", nights), ("big", ten_times)];
    site.play(march(12, 0), &all);
    let (ops, figures) = (march_of(nights), site.figures());
    assert!(!over_budget(&figures, ops * 2.0), "the young one alone would be over it");
    assert!(over_budget(&figures, ops * 0.9), "the old one alone is");
    assert!(over_budget(&figures, to_date(&figures) * 0.99), "so is the month so far");
    site.play(march(16, 23), &all);
    assert!(!over_budget(&site.figures(), ops * 4.0));
    site.play(march(17, 0), &all);
    assert!(over_budget(&site.figures(), ops * 4.0), "after seven days it counts");
}

#[test]
fn tiny_sources_that_are_added_every_week_keep_no_budget_alert_from_firing() {
    let names = ["one", "two", "three", "four"];
    let mut site = grown_up("ops", weekends, 1);
    let budget = march_of(weekends) * 0.95;
    let mut all: Vec<(&'static str, Traffic)> = vec![("ops", weekends)];
    for (week, name) in (0..).zip(names) {
        let day = 2 + week * 7;
        site.play(march(day, 0), &all);
        all.push((name, tiny));
        site.configure(&all.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        site.begin(name);
        for hours in [0, 1, 25, 72, 160] {
            site.play(march(day, hours), &all);
            let figures = site.figures();
            assert!(over_budget(&figures, budget), "day {day}, {hours} hours: {figures:?}");
            assert_eq!(figures.projection_hours, 168);
            assert!(figures.sources[name].projection_hours < 168);
        }
    }
}

#[test]
fn a_price_that_is_cut_is_in_the_projection_of_the_next_hour() {
    let mut site = grown_up("ops", weekends, 10);
    let before = site.figures();
    site.book.overrides.insert(Charge::InterAz, NanoUsd(PRICE / 10));
    let so_far = cost(weekends, MARCH, march(10, 0));
    let truth = so_far + cost(weekends, march(10, 0), march(32, 0)) / 10.0;
    assert_near(projected(&site.figures()), truth, 5.0);
    site.play(march(10, 1), &[("ops", weekends)]);
    let after = site.figures();
    assert_near(projected(&after), truth, 5.0);
    let hour = cost(weekends, march(10, 0), march(10, 1)) / 10.0;
    assert!((to_date(&after) - to_date(&before) - hour).abs() < 1e-9, "the past keeps its prices");
    assert_sums(&after);
}

#[test]
fn a_first_start_is_young_for_a_week_and_alerts_on_the_month_so_far_only() {
    // Thursday the 5th and Monday the 9th, at 06:00.
    for start in [march(5, 6), march(9, 6)] {
        let mut site = Site::new(&["ops"], settled_at(start));
        site.begin("ops");
        let begin = Hour(start.0 - 48);
        site.read("ops", (begin.0..start.0).map(|hour| (Hour(hour), Log::Traffic(weekends(Hour(hour))))));
        site.scan("ops");
        let figures = site.figures();
        assert_eq!(figures.projection_hours, 48);
        assert!((to_date(&figures) - cost(weekends, begin, start)).abs() < 1e-9);
        assert_near(
            figures.coverage * 1_000.0,
            48_000.0 / f64::from(i32::try_from(start.0 - MARCH.0).unwrap()),
            0.1,
        );
        let budget = projected(&figures) / 3.0;
        assert!(!over_budget(&figures, budget), "on the projection alone");
        assert!(over_budget(&figures, to_date(&figures) * 0.99));
        site.play(Hour(begin.0 + 167), &[("ops", weekends)]);
        assert!(!over_budget(&site.figures(), march_of(weekends) * 0.8));
        site.play(Hour(begin.0 + 168), &[("ops", weekends)]);
        assert!(over_budget(&site.figures(), march_of(weekends) * 0.8));
        // Hours before the state are projected as well: the traffic was there.
        assert_near(projected(&site.figures()), march_of(weekends), 5.0);
        site.restart();
    }
}

#[test]
fn a_source_that_is_taken_out_has_ended_and_one_that_comes_back_goes_on() {
    let mut site = grown_up("ops", nights, 3);
    site.configure(&["ops", "dev"]);
    site.begin("dev");
    site.play(march(15, 0), &[("ops", nights), ("dev", nights)]);
    let before = site.figures();
    site.configure(&["ops"]);
    let after = site.figures();
    assert_eq!(to_date(&after), to_date(&before));
    let dev = after.sources["dev"];
    assert_eq!((dev.projected, dev.coverage), (dev.to_date, None));
    assert_eq!(dev.to_date, before.sources["dev"].to_date);
    assert_eq!((after.coverage, after.projection_hours), (1.0, 168));
    assert_sums(&after);
    site.restart();
    site.configure(&["ops", "dev"]);
    assert_eq!(site.figures(), before);
    site.configure(&["ops"]);
    site.play(march(33, 0), &[("ops", nights)]);
    assert!(!site.figures().sources.contains_key("dev"), "in April it has no part");
}

#[test]
fn a_source_that_never_logged_anything_covers_nothing_until_it_has_ended() {
    let mut site = grown_up("ops", nights, 10);
    site.configure(&["ops", "mute"]);
    site.begin("mute");
    site.play(march(12, 0), &[("ops", nights)]);
    let figures = site.figures();
    assert_eq!(figures.sources["mute"].coverage, Some(0.0));
    assert!(figures.coverage < 1.0);
    assert_eq!(figures.projection_hours, 168, "and keeps no alert from firing");
    site.play(march(24, 0), &[("ops", nights)]);
    assert_eq!(site.figures().coverage, 1.0);
}

/// An object of so many hours before noon whose one record ends half an hour into it.
fn put(world: &World, hours_ago: i64, number: u32, record: Record) {
    let start = NOON - hours_ago * 3_600;
    let record = Record { start: Some(start), end: Some(start + 1_800), ..record };
    let content = parquet(&[record], &EncodeOptions::default()).unwrap();
    world.bucket.put(&World::key(111_111_111_111, hours_ago, number), content.into());
}

fn settled_hours(world: &World, now: i64) -> Option<f64> {
    let figures = figures(&world.last(), &PriceBook::default(), Timestamp(now));
    figures.sources["logs"].coverage.map(|coverage| coverage * (9.0 * 24.0 + 12.0))
}

#[test]
fn records_of_any_kind_settle_the_hours_before_them() {
    let traffic = Record {
        interface_id: Some("eni-1".into()),
        srcaddr: Some([10, 0, 0, 5].into()),
        dstaddr: Some([10, 0, 0, 6].into()),
        packets: Some(1),
        bytes: Some(100),
        log_status: LogStatus::Ok,
        flow_direction: Direction::Egress,
        ..Record::default()
    };
    let silent =
        |status| Record { interface_id: Some("eni-1".into()), log_status: status, ..Record::default() };
    let reject = Record { action: Some(Action::Reject), ..traffic.clone() };
    // March begins 228 hours before noon of the 10th; the state does ten hours before it.
    for last in [traffic.clone(), reject, silent(LogStatus::NoData), silent(LogStatus::SkipData)] {
        let world = World::new();
        put(&world, 10, 1, traffic.clone());
        put(&world, 5, 2, last);
        let run = || cycles(world.start(Arc::new(|_| {})), 1, &CancellationToken::new()).unwrap();
        run();
        // 02:00 to 06:00 are settled; the hour that it is in is not.
        assert_eq!(settled_hours(&world, NOON + 1_800).map(f64::round), Some(5.0));
        put(&world, 1, 3, silent(LogStatus::NoData));
        run();
        assert_eq!(settled_hours(&world, NOON + 1_800).map(f64::round), Some(9.0));
    }
}

#[test]
fn the_end_of_a_source_is_told_once_and_again_when_it_ends_again() {
    let world = World::new();
    world.put(111_111_111_111, 1, 1);
    let recorder = Recorder::new();
    let pipeline = world.start(recorder.observer());
    let told = || {
        let ended = |event: &Event| matches!(event, Event::SourceEnded { .. });
        recorder.events().iter().filter(|event| ended(event)).count()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut pipeline = pipeline;
        let stop = CancellationToken::new();
        let mut scan = async |days: u64| {
            world.pass(days * 24 * 3_600);
            for _ in 0..limits::FULL_SCAN_EVERY {
                pipeline.cycle(&stop).await.unwrap();
            }
        };
        scan(0).await;
        scan(13).await;
        assert_eq!(told(), 0);
        scan(2).await;
        scan(1).await;
        assert_eq!(told(), 1);
        world.put(111_111_111_111, -16 * 24 + 1, 2);
        scan(0).await;
        assert_eq!(told(), 1, "it is back");
        scan(15).await;
        assert_eq!(told(), 2);
    });
}
