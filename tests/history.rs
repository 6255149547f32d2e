//! The exported history against the ledger that it is of: hour by hour, day by day, and with what /metrics shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, BufRead as _, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use flowcost_exporter::{
    cli::{ExportHistoryArgs, ExtraLabel, HistoryFormat, HistoryStep},
    config::Config,
    demo,
    event::ScanKind,
    expose::{Exposition, Format},
    history::{self, Exported, HistoryError},
    ledger::{self, Ledger},
    model::{
        Candidate, Charge, ChargeCounts, FlowCounts, FlowKey, Hour, Listed, NanoUsd, NatDirection,
        ObjectDelta, ObjectId, Partition, PartitionSpan, Settled, Settlement, Snapshot, Timestamp,
    },
};
use proptest::prelude::*;

use crate::{
    exposition::{parse, settings},
    support::tools,
};

/// 2025-12-01T00:00:00Z, a midnight.
const MIDNIGHT: Hour = Hour(490_152);
const DAY: i64 = 24;
/// Long after all hours of these tests.
const NOW: Timestamp = Timestamp(MIDNIGHT.0 * 3600 + 30 * 86_400);

/// One row of the ledger: hour since midnight, number of the label set, bytes.
type Row = (i64, u8, u64);

/// A state file with rows, read to its end.
struct State {
    folder: tempfile::TempDir,
    config: Config,
}

impl State {
    fn new(rows: &[Row], fold: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::parse("demo", &demo::config_toml(folder.path()), &[]).unwrap();
        let state = Self { folder, config };
        let mut ledger = state.open();
        state.add(&mut ledger, "first", rows);
        ledger.finish_scan("demo", NOW, ScanKind::Full).unwrap();
        ledger.fold(Hour(MIDNIGHT.0 + fold)).unwrap();
        state
    }

    fn open(&self) -> Ledger {
        let source = &self.config.sources[0];
        let options = ledger::Options {
            series_limit: 1_000,
            sources: vec![ledger::SourceSpec { name: source.name.clone(), url: source.url.clone() }],
            classifier_fingerprint: String::new(),
            prices: Vec::new(),
        };
        Ledger::open(&self.config.state, &options, NOW).unwrap().0
    }

    /// Counts an object for each row.
    fn add(&self, ledger: &mut Ledger, name: &str, rows: &[Row]) {
        let partition = Partition {
            bucket: "file://".into(),
            prefix: "logs/".into(),
            start: MIDNIGHT,
            span: PartitionSpan::Day,
        };
        let settled = rows.iter().enumerate().map(|(number, row)| {
            let id = ObjectId { bucket: "file://".into(), key: format!("logs/{name}-{number}") };
            Settled {
                candidate: Candidate {
                    listed: Listed { id, size: 1, version: None },
                    source: "demo".into(),
                    partition: partition.clone(),
                },
                settlement: Settlement::Counted(delta(*row)),
                fetched: 1,
            }
        });
        ledger.commit(&settled.collect::<Vec<_>>(), NOW).unwrap();
    }

    fn export(&self, args: &ExportHistoryArgs) -> (String, Exported) {
        let mut text = Vec::new();
        let done = history::export(&self.config, args, NOW, &mut text).unwrap();
        (String::from_utf8(text).unwrap(), done)
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::clone(&self.open().snapshot())
    }
}

fn key(number: u8) -> FlowKey {
    FlowKey {
        src_zone: ["a", "b \"x\"", "internet"][usize::from(number) % 3].into(),
        dst_zone: "c\\".into(),
        port_group: format!("group {}", number / 3).into(),
        nat_direction: NatDirection::ALL[usize::from(number) % 3],
    }
}

fn delta((hour, number, bytes): Row) -> ObjectDelta {
    let at = (Hour(MIDNIGHT.0 + hour), key(number));
    let mut delta = ObjectDelta { newest_record: Some(NOW), ..ObjectDelta::default() };
    let inter_az_bytes = if number.is_multiple_of(2) { bytes } else { 0 };
    let counts = FlowCounts { flows: 1, packets: 1 + bytes / 1_000, bytes, inter_az_bytes };
    if number.is_multiple_of(2) {
        let charge = Charge::ALL[usize::from(number) % 5];
        let cost = ChargeCounts { bytes, cost: NanoUsd(bytes * 7 / 5), unpriced: 0 };
        delta.charges.insert((at.0, at.1.clone().into(), charge), cost);
    }
    delta.traffic.insert((at.0, at.1.into()), counts);
    delta
}

fn args(step: HistoryStep) -> ExportHistoryArgs {
    ExportHistoryArgs { from: None, to: None, step, format: HistoryFormat::Openmetrics, labels: Vec::new() }
}

/// Values by series and time, in the smallest unit: money in nano-dollars.
type Samples = BTreeMap<String, BTreeMap<i64, u64>>;

fn samples(text: &str) -> Samples {
    let mut samples = Samples::new();
    let mut order = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (rest, at) = line.rsplit_once(' ').unwrap();
        let (series, value) = rest.rsplit_once(' ').unwrap();
        let value = match value.split_once('.') {
            Some((dollars, nanos)) => {
                assert_eq!(nanos.len(), 9, "{line}");
                dollars.parse::<u64>().unwrap() * NanoUsd::PER_USD + nanos.parse::<u64>().unwrap()
            }
            None => value.parse().unwrap(),
        };
        let at = at.parse().unwrap();
        if order.last() != Some(&series.to_owned()) {
            order.push(series.to_owned());
        }
        let earlier = samples.entry(series.to_owned()).or_default();
        assert!(earlier.last_key_value().is_none_or(|(last, _)| *last < at), "time goes on: {line}");
        earlier.insert(at, value);
    }
    assert_eq!(order.len(), samples.len(), "the samples of a series stand together");
    samples
}

/// What the ledger has for each series and hour, written down from the rows themselves.
fn expected(rows: &[Row]) -> BTreeMap<String, BTreeMap<i64, u64>> {
    let mut sums = BTreeMap::<String, BTreeMap<i64, u64>>::new();
    for row in rows {
        let delta = delta(*row);
        let labels = |key: &FlowKey| {
            let text = |label: &str| label.replace('\\', "\\\\").replace('"', "\\\"");
            format!(
                "src_zone=\"{}\",dst_zone=\"{}\",port_group=\"{}\",nat_direction=\"{}\"}}",
                text(&key.src_zone),
                text(&key.dst_zone),
                text(&key.port_group),
                key.nat_direction.as_str()
            )
        };
        let mut add = |series: String, value: u64| {
            *sums.entry(series).or_default().entry(MIDNIGHT.0 + row.0).or_default() += value;
        };
        for ((_, series), counts) in &delta.traffic {
            let key = &series.key;
            let FlowCounts { flows, packets, bytes, inter_az_bytes } = counts;
            add(format!("flowcost_flows_total{{{}", labels(key)), *flows);
            add(format!("flowcost_packets_total{{{}", labels(key)), *packets);
            add(format!("flowcost_bytes_total{{{}", labels(key)), *bytes);
            add(format!("flowcost_inter_az_bytes_total{{{}", labels(key)), *inter_az_bytes);
        }
        for ((_, series, charge), counts) in &delta.charges {
            let labels = format!("charge=\"{}\",{}", charge.as_str(), labels(&series.key));
            add(format!("flowcost_charged_bytes_total{{{labels}"), counts.bytes);
            add(format!("flowcost_cost_usd_total{{{labels}"), counts.cost.0);
        }
    }
    sums
}

/// Every hour of the range, and so every day of it, is what the ledger has; and the end is the total without what
/// comes later.
fn check(rows: &[Row], fold: i64, hours: (i64, i64), step: HistoryStep) {
    let state = State::new(rows, fold);
    let moment = |hour: i64| Some(Hour(MIDNIGHT.0 + hour).start());
    let (text, done) =
        state.export(&ExportHistoryArgs { from: moment(hours.0), to: moment(hours.1), ..args(step) });
    assert!(text.ends_with("# EOF\n"));
    let samples = samples(&text);
    assert_eq!(samples.len() as u64, done.series);
    assert_eq!(samples.values().map(|one| one.len() as u64).sum::<u64>(), done.samples);
    let expected = expected(rows);
    for (series, by_hour) in &expected {
        let of =
            |from: i64, to: i64| -> u64 { by_hour.range(from..to.max(from)).map(|(_, value)| value).sum() };
        let there = !done.hours.is_empty() && by_hour.range(..done.hours.end.0).next().is_some();
        let Some(values) = samples.get(series) else {
            assert!(!there, "{series} is missing in\n{text}");
            continue;
        };
        assert!(there, "{series} has nothing to show");
        let first = values.first_key_value().map(|(at, value)| (*at / 3600, *value)).unwrap();
        if first.0 > done.hours.start.0 {
            assert_eq!(first.1, 0, "a series that begins on the way begins at 0");
            assert!(by_hour.range(..first.0).next().is_none());
        }
        assert_eq!(first.1, of(i64::MIN, first.0));
        for hour in first.0..done.hours.end.0 {
            let (from, to) = (values[&(hour * 3600)], values[&((hour + 1) * 3600)]);
            assert_eq!(to - from, of(hour, hour + 1), "{series} at hour {hour}");
            let between = values.range(hour * 3600..=(hour + 1) * 3600);
            let between: Vec<u64> = between.map(|(_, value)| *value).collect();
            assert!(between.is_sorted());
            assert_eq!(between.len(), if step == HistoryStep::Hour { 2 } else { 13 });
        }
    }
    assert!(samples.keys().all(|series| expected.contains_key(series)));
    assert_joins_metrics(&state, &samples, &expected, done.hours.end);
}

/// /metrics has the same series, and shows what was exported and the hours after it.
fn assert_joins_metrics(state: &State, samples: &Samples, expected: &Samples, end: Hour) {
    let exposition = Exposition::new(settings());
    exposition.publish(state.snapshot().into());
    let scrape = exposition.render(NOW, Format::OpenMetrics);
    let live: BTreeMap<&str, &str> = scrape
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(name, _)| name.contains("_zone="))
        .collect();
    assert_eq!(live.keys().copied().collect::<BTreeSet<_>>(), expected.keys().map(String::as_str).collect());
    for (series, values) in samples {
        let last = values.last_key_value().map(|(_, value)| *value).unwrap();
        let later: u64 = expected[series].range(end.0..).map(|(_, value)| value).sum();
        let shown = if series.starts_with("flowcost_cost_usd_total") {
            (live[series.as_str()].parse::<f64>().unwrap() * 1e9).round() as u64
        } else {
            live[series.as_str()].parse().unwrap()
        };
        assert_eq!(last + later, shown, "{series}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_hour_of_the_export_is_the_ledgers(
        rows in prop::collection::vec((0_i64..6 * DAY, 0_u8..9, 0_u64..1 << 33), 1..60),
        fold in prop_oneof![3 => Just(0), 1 => 0_i64..3 * DAY],
        from in prop_oneof![Just(0_i64), 0_i64..6 * DAY],
        length in 1_i64..7 * DAY,
        fine in any::<bool>(),
    ) {
        let step = if fine { HistoryStep::FiveMinutes } else { HistoryStep::Hour };
        check(&rows, fold, (from, from + length), step);
    }
}

/// Three days with quiet nights, a series that is late and one that ends.
fn three_days() -> Vec<Row> {
    let busy = (0..3 * DAY).filter(|hour| (6..22).contains(&(hour % DAY)));
    let busy = busy.map(|hour| (hour, 0, 1_000_003 * (1 + hour.unsigned_abs())));
    busy.chain([(1, 1, 77), (30, 4, 5_000_000_011), (71, 4, 13), (71, 6, 1)]).collect()
}

/// Some hours in either step, with a label that has to be escaped.
fn labelled() -> [ExportHistoryArgs; 2] {
    let to = Some(Hour(MIDNIGHT.0 + 32).start());
    [HistoryStep::FiveMinutes, HistoryStep::Hour].map(|step| {
        let from = (step == HistoryStep::FiveMinutes).then(|| Hour(MIDNIGHT.0 + 27).start());
        let label = ExtraLabel { name: "job".to_owned(), value: "flow \"cost\"".to_owned() };
        ExportHistoryArgs { from, to, labels: vec![label], ..args(step) }
    })
}

#[test]
fn the_same_state_gives_the_same_bytes() {
    let state = State::new(&three_days(), 0);
    for args in labelled() {
        let (text, done) = state.export(&args);
        assert!(done.samples > 0);
        assert_eq!(state.export(&args), (text, done));
    }
}

#[test]
#[ignore = "needs Python with prometheus_client: tests/run"]
fn an_independent_parser_accepts_the_export() {
    let state = State::new(&three_days(), 0);
    for args in labelled() {
        let (text, done) = state.export(&args);
        // It refuses families in pieces, doubled series, and time that goes back.
        let understood = parse(&text, "openmetrics");
        let lines = understood.iter().filter(|line| !line.starts_with('#'));
        assert_eq!(lines.clone().count() as u64, done.samples);
        let job = "flow \"cost\"".bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert!(lines.clone().all(|line| line.contains(&format!("job={job}"))));
    }
}

#[test]
fn only_closed_hours_that_were_read_are_exported() {
    let state = State::new(&three_days(), 0);
    let hours = |now: Timestamp| {
        let done = history::export(&state.config, &args(HistoryStep::Hour), now, io::sink()).unwrap();
        done.hours.end.0 - MIDNIGHT.0
    };
    let at = |hour: i64, seconds: i64| Timestamp((MIDNIGHT.0 + hour) * 3600 + seconds);
    assert_eq!((hours(at(10, 1799)), hours(at(10, 1800)), hours(at(11, 0))), (9, 10, 10));
    // Nobody has read further than this, whatever the clock says.
    let mut ledger = state.open();
    ledger.finish_scan("demo", at(20, 0), ScanKind::Full).unwrap();
    assert_eq!((hours(NOW), hours(at(10, 1800))), (19, 10));
    // Half hours belong to the hours they are in: only whole ones are inside a range.
    let cut = ExportHistoryArgs { from: Some(at(2, 1)), to: Some(at(5, 3599)), ..args(HistoryStep::Hour) };
    let (_, done) = state.export(&cut);
    assert_eq!((done.hours.start.0 - MIDNIGHT.0, done.hours.end.0 - MIDNIGHT.0), (3, 5));
    let empty = ExportHistoryArgs { from: Some(at(100, 0)), ..args(HistoryStep::Hour) };
    let (text, done) = state.export(&empty);
    assert_eq!((text.as_str(), done.samples, done.hours.is_empty()), ("# EOF\n", 0, true));
}

#[test]
fn what_is_not_read_to_its_end_has_no_history() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::parse("demo", &demo::config_toml(folder.path()), &[]).unwrap();
    let state = State { folder, config };
    let export = || history::export(&state.config, &args(HistoryStep::Hour), NOW, io::sink());
    assert!(matches!(export(), Err(HistoryError::Open(ledger::OpenError::Missing { .. }))));
    let mut ledger = state.open();
    state.add(&mut ledger, "first", &three_days());
    assert!(matches!(export(), Err(HistoryError::NotReady)));
    ledger.finish_scan("demo", NOW, ScanKind::Full).unwrap();
    assert!(export().is_ok());
}

#[test]
fn an_export_is_of_one_moment_beside_a_writer() {
    /// Counts more traffic as soon as the first piece is written.
    struct Meddler<'a>(&'a State, Ledger, Vec<u8>, bool);
    impl Write for Meddler<'_> {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            if !std::mem::replace(&mut self.3, true) {
                self.0.add(&mut self.1, "second", &[(1, 0, 999), (2, 8, 999), (100, 1, 999)]);
                self.1.fold(Hour(MIDNIGHT.0 + DAY)).unwrap();
            }
            self.2.write(piece)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let state = State::new(&three_days(), 0);
    let (before, _) = state.export(&args(HistoryStep::Hour));
    let mut meddler = Meddler(&state, state.open(), Vec::new(), false);
    history::export(&state.config, &args(HistoryStep::Hour), NOW, &mut meddler).unwrap();
    assert_eq!(String::from_utf8(meddler.2).unwrap(), before);
    assert_ne!(state.export(&args(HistoryStep::Hour)).0, before);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let state = State::new(&three_days(), 0);
    let config = state.folder.path().join("flowcost.toml");
    fs::write(&config, demo::config_toml(state.folder.path())).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_flowcost-exporter"))
        .args(["export-history", "--config.file"])
        .arg(&config)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("# HELP flowcost_bytes"), "{first}");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs promtool, which must succeed.
fn promtool(arguments: &[&str], folder: &Path) -> String {
    let output = tools::promtool().args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{}", tools::missing("promtool", &error)));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "needs promtool: tests/run"]
fn promtool_makes_blocks_whose_days_are_those_of_the_ledger() {
    let rows = three_days();
    let state = State::new(&rows, 0);
    let expected = expected(&rows);
    for step in [HistoryStep::FiveMinutes, HistoryStep::Hour] {
        let folder: PathBuf = state.folder.path().join(format!("{step:?}"));
        fs::create_dir(&folder).unwrap();
        let (text, done) =
            state.export(&ExportHistoryArgs { to: Some(Hour(MIDNIGHT.0 + 3 * DAY).start()), ..args(step) });
        fs::write(folder.join("history.om"), text).unwrap();
        promtool(&["tsdb", "create-blocks-from", "openmetrics", "history.om", "blocks"], &folder);
        // The dump wants the write-ahead log of a whole database.
        fs::create_dir(folder.join("blocks/wal")).unwrap();
        let dump = promtool(&["tsdb", "dump", "blocks"], &folder);
        // Lines of the form {__name__="a", b="c"} value milliseconds; labels in alphabetical order.
        let mut stored = BTreeMap::<String, BTreeMap<i64, f64>>::new();
        for line in dump.lines() {
            let mut words = line.rsplitn(3, ' ');
            let at: i64 = words.next().unwrap().parse().unwrap();
            let value: f64 = words.next().unwrap().parse().unwrap();
            stored.entry(words.next().unwrap().to_owned()).or_default().insert(at / 1000, value);
        }
        assert_eq!(stored.values().map(|one| one.len() as u64).sum::<u64>(), done.samples);
        assert_eq!(stored.len(), expected.len());
        for day in 0..3 {
            let (from, to) = (MIDNIGHT.0 + day * DAY, MIDNIGHT.0 + (day + 1) * DAY);
            // By family: what all series have grown by, from midnight to midnight.
            let mut grown = BTreeMap::<String, f64>::new();
            for (series, values) in &stored {
                let family = series.split('"').nth(1).unwrap().to_owned();
                let at = |hour: i64| values.get(&(hour * 3600)).copied().unwrap_or(0.0);
                *grown.entry(family).or_default() += at(to) - at(from);
            }
            for (family, grown) in grown {
                let of_family =
                    expected.iter().filter(|(series, _)| series.starts_with(&format!("{family}{{")));
                let ledger: u64 =
                    of_family.flat_map(|(_, hours)| hours.range(from..to).map(|(_, v)| v)).sum();
                let scale = if family == "flowcost_cost_usd_total" { 1e9 } else { 1.0 };
                assert_eq!((grown * scale).round() as u64, ledger, "{family} on day {day}");
            }
        }
    }
}
