//! The exposition: golden scrapes of both formats, read again by parsers that are not ours, and METRICS.md.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::Read as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use flowcost_exporter::{
    event::{Event, Progress, ScanKind},
    expose::{BuildInfo, Exposition, Format, ProcessStats, SourceInfo, Static, catalog},
    model::{
        Charge, ChargeCounts, Contradiction, Doubt, FlowCounts, FlowKey, Gigabyte, Hour, HourlyCost, NanoUsd,
        NatDirection, ObjectOutcome, Price, RecordOutcome, Snapshot, SourceProgress, SourceSums, Timestamp,
    },
    pricing::PriceBook,
    store::{FailureReason, Operation},
};

use crate::support::tools;

/// 2025-12-09T10:00:00Z
pub(crate) const NOW: Timestamp = Timestamp(1_765_274_400);

/// A zone that both formats must carry unharmed.
const NASTY: &str = "a \"quoted\" \\n back\\slash\nnew line, {braces}=\"x\"} # EOF \u{1F99D} \u{2028}\r\t";

fn key(src: &str, dst: &str, group: &str, nat_direction: NatDirection) -> FlowKey {
    FlowKey { src_zone: src.into(), dst_zone: dst.into(), port_group: group.into(), nat_direction }
}

fn counts(flows: u64, packets: u64, bytes: u64, inter_az_bytes: u64) -> FlowCounts {
    FlowCounts { flows, packets, bytes, inter_az_bytes }
}

/// A state with a bit of everything.
pub(crate) fn snapshot() -> Snapshot {
    let (a, c) = ("ap-northeast-1a", "ap-northeast-1c");
    let mut snapshot = Snapshot {
        object_bytes: 123_456,
        first_scan_complete: true,
        state_bytes: 65_536,
        last_commit: Some(Timestamp(NOW.0 - 30)),
        first_hour: Some(Hour::of(Timestamp(NOW.0 - 72 * 3600))),
        begin: Some(Timestamp(NOW.0 - 72 * 3600)),
        ..Snapshot::default()
    };
    snapshot.traffic = BTreeMap::from([
        (key(a, c, "ingester", NatDirection::None), counts(3, 40, 5_000, 5_000)),
        (key(a, a, "other", NatDirection::None), counts(1, 2, 300, 0)),
        (key(a, "internet", "other", NatDirection::Out), counts(7, 70, 9_007_199_254_740_993, 0)),
        (key(NASTY, "unknown", NASTY, NatDirection::None), counts(1, 1, 64, 0)),
        (FlowKey::overflow(), counts(2, 2, 128, 64)),
    ]);
    let charge = |bytes, cost| ChargeCounts { bytes, cost: NanoUsd(cost), unpriced: 0 };
    snapshot.charges = BTreeMap::from([
        ((Charge::InterAz, key(a, c, "ingester", NatDirection::None)), charge(5_000, 46_566)),
        (
            (Charge::NatProcessing, key(a, "internet", "other", NatDirection::Out)),
            charge(1 << 40, 63_488_000_000),
        ),
    ]);
    let mut hourly_cost = HourlyCost::default();
    for back in 2..=72 {
        let hour = Hour(Hour::of(NOW).0 - back);
        hourly_cost.add(hour, Charge::InterAz, &"ap-northeast-1".into(), 25 << 30, NanoUsd(250_000_000));
    }
    let mut ops = SourceSums { bytes: 5_428, hourly_cost, ..SourceSums::default() };
    ops.cost[Charge::InterAz as usize] = NanoUsd(46_566);
    let mut unknown = SourceSums { bytes: 64, ..SourceSums::default() };
    unknown.cost[Charge::NatProcessing as usize] = NanoUsd(63_488_000_000);
    let removed = SourceSums::default();
    let by_source = [("eks-ops", ops), ("removed", removed), ("unknown", unknown)];
    snapshot.by_source = by_source.map(|(name, sums)| (name.into(), sums)).into();
    snapshot.unpriced = BTreeMap::from([((Charge::VpnEgress, "eu-west-1".into()), 9_007_199_254_740_993)]);
    snapshot.doubts[Doubt::EgressPath as usize] = 4_096;
    snapshot.contradictions[Contradiction::Forwarder as usize] = 12;
    snapshot.records.add(RecordOutcome::Counted, 14);
    snapshot.records.add(RecordOutcome::NoData, 2);
    snapshot.objects.add(ObjectOutcome::Counted, 3);
    snapshot.objects.add(ObjectOutcome::Quarantined, 1);
    let progress = SourceProgress {
        begin: snapshot.begin,
        first_hour: snapshot.first_hour,
        newest_record: Some(Timestamp(NOW.0 - 600)),
        last_full_scan: Some(Timestamp(NOW.0 - 7200)),
        quarantined: 1,
    };
    snapshot.sources = BTreeMap::from([(Arc::from("eks-ops"), progress), (Arc::from("removed"), progress)]);
    snapshot
}

fn info(url: &str) -> SourceInfo {
    SourceInfo { url: url.to_owned(), region: "ap-northeast-1".into(), filters: "none".to_owned() }
}

pub(crate) fn settings() -> Static {
    let price = |nanos| Price { per_gigabyte: NanoUsd(nanos), unit: Gigabyte::Binary };
    let region: Arc<str> = Arc::from("ap-northeast-1");
    Static {
        loaded_at: Timestamp(NOW.0 - 3_600),
        build: BuildInfo { version: "1.2.3".to_owned(), revision: "0123abc".to_owned() },
        sources: ["eks-ops", "new & <empty>"].map(|name| (name.into(), info("s3://flow-logs/"))).into(),
        prices: BTreeMap::from([
            ((Charge::InterAz, region.clone()), price(10_000_000)),
            ((Charge::NatProcessing, region), price(62_000_000)),
        ]),
        book: PriceBook::default(),
        budget_monthly_usd: Some(500.0),
        source_budgets: BTreeMap::from([(Arc::from("eks-ops"), 120.5)]),
        budget_inter_az_ratio: Some(0.3),
        series_limit: 10_000,
        process: || {
            Some(ProcessStats {
                cpu_seconds: 1.25,
                resident_bytes: 40_000_000,
                virtual_bytes: 900_000_000,
                open_fds: 17,
                max_fds: Some(1_048_576),
                start_seconds: 1_765_270_000.5,
            })
        },
    }
}

/// The fixture with some events.
fn exposition() -> Exposition {
    let exposition = Exposition::new(settings());
    exposition.publish(Arc::new(snapshot()));
    let source: Arc<str> = Arc::from("eks-ops");
    let progress = Progress {
        objects: 12,
        settled: 8,
        records: 9_000,
        listed: true,
        elapsed: Duration::from_secs(20),
        remaining: Some(Duration::from_secs(10)),
    };
    let events = [
        Event::StoreRequest { source: source.clone(), operation: Operation::List, failure: None },
        Event::StoreRequest {
            source: source.clone(),
            operation: Operation::Get,
            failure: Some(FailureReason::Throttled),
        },
        Event::ScanFinished {
            source: source.clone(),
            kind: ScanKind::Recent,
            listed: 5,
            found: 1,
            duration: Duration::from_millis(420),
        },
        Event::Pending { source, objects: 4, progress },
    ];
    for event in &events {
        exposition.observe(event, Timestamp(NOW.0 - 60));
    }
    exposition
}

/// Compares a file of the repository with what the code says; `UPDATE_GOLDEN=1` writes it instead.
fn assert_golden(path: &str, actual: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, actual).expect("the repository is writable");
        return;
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    let differs = expected.lines().zip(actual.lines()).position(|(old, new)| old != new);
    assert!(
        expected == actual,
        "{path} differs from the code, first in line {:?}; UPDATE_GOLDEN=1 rewrites it",
        differs.map(|line| line + 1)
    );
}

#[test]
fn golden_scrapes() {
    let exposition = exposition();
    assert_golden("tests/golden/openmetrics.txt", &exposition.render(NOW, Format::OpenMetrics));
    assert_golden("tests/golden/text.txt", &exposition.render(NOW, Format::Text));
}

/// What is kept from scrape to scrape must never be what has changed in between.
#[test]
fn a_scrape_after_others_is_as_if_it_were_the_first() {
    let shown = exposition();
    let mut last = snapshot();
    let asked =
        || Event::StoreRequest { source: "eks-ops".into(), operation: Operation::List, failure: None };
    let same = |last: &Snapshot, requests: i64, now: Timestamp| {
        let fresh = exposition();
        fresh.publish(Arc::new(last.clone()));
        (0..requests).for_each(|_| fresh.observe(&asked(), NOW));
        for format in [Format::OpenMetrics, Format::Text] {
            let scrape = shown.render(now, format);
            assert!(scrape == fresh.render(now, format), "{scrape}");
            let mut plain = String::new();
            let gzip = shown.render_gzip(now, format);
            flate2::read::GzDecoder::new(&*gzip).read_to_string(&mut plain).expect("gzip");
            assert!(plain == scrape, "{plain}");
        }
    };
    same(&last, 0, NOW);
    // The clock, and what happens without a commit.
    same(&last, 0, Timestamp(NOW.0 + 86_400));
    shown.observe(&asked(), NOW);
    same(&last, 1, NOW);
    // Commits: of traffic, of none, and of a state that is not to be seen yet.
    for change in [
        |last: &mut Snapshot| last.traffic.values_mut().for_each(|counts| counts.bytes += 1),
        |last: &mut Snapshot| last.object_bytes += 1,
        |last: &mut Snapshot| last.first_scan_complete = false,
        |last: &mut Snapshot| last.first_scan_complete = true,
    ] {
        change(&mut last);
        shown.publish(Arc::new(last.clone()));
        same(&last, 1, NOW);
    }
}

#[test]
fn metrics_md_is_the_catalogue() {
    assert_golden("METRICS.md", &catalog::markdown());
}

#[test]
fn the_same_state_gives_the_same_bytes() {
    for format in [Format::Text, Format::OpenMetrics] {
        assert_eq!(exposition().render(NOW, format), exposition().render(NOW, format));
    }
}

#[test]
fn a_full_scrape_shows_every_family_of_the_catalogue_and_no_other() {
    let scrape = exposition().render(NOW, Format::Text);
    let shown: BTreeSet<&str> = scrape
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|rest| rest.split(' ').next())
        .collect();
    let known: BTreeSet<&str> = catalog::all().map(|metric| metric.name).collect();
    assert_eq!(shown, known);
    assert_eq!(scrape.matches("# TYPE ").count(), known.len(), "a family is there once");
}

#[test]
fn no_metric_is_named_outside_the_catalogue() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/expose");
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("src/expose is there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            no_metric_is_named_in(&path);
        }
    }
}

fn no_metric_is_named_in(path: &Path) {
    if path.file_name().is_some_and(|name| name != "catalog.rs") {
        let source = fs::read_to_string(path).expect("readable");
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        assert!(!code.contains("\"flowcost_") && !code.contains("\"process_"), "{}", path.display());
    }
}

/// What the independent parser understood.
pub(crate) fn parse(scrape: &str, format: &str) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parse_exposition.py");
    let understood = tools::pipe(tools::python().arg(script).arg(format), scrape);
    understood.lines().map(str::to_owned).collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
#[ignore = "needs Python with prometheus_client: tests/run"]
fn an_independent_parser_reads_both_formats_alike() {
    let exposition = exposition();
    let openmetrics = parse(&exposition.render(NOW, Format::OpenMetrics), "openmetrics");
    let text = parse(&exposition.render(NOW, Format::Text), "text");
    let sorted = |lines: &[String]| {
        let mut samples: Vec<String> = lines.iter().filter(|line| !line.starts_with('#')).cloned().collect();
        samples.sort();
        samples
    };
    assert_eq!(sorted(&openmetrics), sorted(&text), "the formats carry the same samples");
    for metric in catalog::all() {
        let family = format!("# {} {}", metric.family(), metric.kind.as_str());
        assert!(openmetrics.contains(&family), "{family} in {openmetrics:#?}");
        assert!(text.contains(&family), "{family} in {text:#?}");
    }
    for (key, counts) in &snapshot().traffic {
        let line = format!(
            "{}\tdst_zone={},nat_direction={},port_group={},src_zone={}\t",
            catalog::PACKETS.name,
            hex(&key.dst_zone),
            hex(key.nat_direction.as_str()),
            hex(&key.port_group),
            hex(&key.src_zone)
        );
        let found = openmetrics.iter().find_map(|sample| sample.strip_prefix(&line));
        assert_eq!(found, Some(format!("{:?}", counts.packets as f64).as_str()), "{line}");
    }
}

#[test]
#[ignore = "needs promtool: tests/run"]
fn promtool_has_nothing_to_say() {
    // It takes a count of settled hours for a time in another unit than seconds.
    let scrape = exposition().render(NOW, Format::Text).replace("_projection_hours", "_projection");
    assert_eq!(tools::pipe(tools::promtool().args(["check", "metrics"]), &scrape), "");
}

/// Samples of one family, by name.
fn samples<'a>(scrape: &'a str, name: &str) -> Vec<&'a str> {
    let of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    scrape.lines().filter(of).collect()
}

#[test]
fn before_the_state_is_loaded_nothing_of_it_is_shown() {
    let exposition = Exposition::new(settings());
    let scrape = exposition.render(NOW, Format::Text);
    let shown = |name: &str| scrape.contains(&format!("# TYPE {name} "));
    assert!(
        !shown(catalog::RECORDS.name) && !shown(catalog::MONTH_TO_DATE.name) && !shown(catalog::BYTES.name)
    );
    assert!(
        shown(catalog::STORE_REQUESTS.name) && shown(catalog::PRICE.name) && shown(catalog::BUILD_INFO.name)
    );
    assert_eq!(samples(&scrape, catalog::READY.name), ["flowcost_ready 0"]);
}

#[test]
fn the_flow_families_wait_for_the_first_full_scan_and_the_rest_does_not() {
    let exposition = Exposition::new(settings());
    let fresh = Snapshot { first_scan_complete: false, ..snapshot() };
    exposition.publish(Arc::new(fresh));
    let scrape = exposition.render(NOW, Format::Text);
    for hidden in [
        catalog::BYTES,
        catalog::PACKETS,
        catalog::FLOWS,
        catalog::INTER_AZ_BYTES,
        catalog::CHARGED_BYTES,
        catalog::COST,
        catalog::UNPRICED_BYTES,
        catalog::SOURCE_BYTES,
        catalog::SOURCE_COST,
    ] {
        assert!(!scrape.contains(&format!("# TYPE {} ", hidden.name)), "{}", hidden.name);
    }
    assert_eq!(samples(&scrape, catalog::RECORDS.name).len(), RecordOutcome::ALL.len());
    assert_eq!(samples(&scrape, catalog::READY.name), ["flowcost_ready 0"]);

    exposition.publish(Arc::new(snapshot()));
    let scrape = exposition.render(NOW, Format::Text);
    assert_eq!(samples(&scrape, catalog::BYTES.name).len(), 5);
    assert_eq!(samples(&scrape, catalog::SOURCE_COST.name).len(), 3 * Charge::COUNT);
    assert_eq!(samples(&scrape, catalog::READY.name), ["flowcost_ready 1"]);
}

#[test]
fn label_values_known_in_advance_exist_from_the_start() {
    let exposition = Exposition::new(settings());
    exposition.publish(Arc::new(Snapshot::default()));
    let scrape = exposition.render(NOW, Format::Text);
    let expected = [
        (catalog::RECORDS, RecordOutcome::ALL.len()),
        (catalog::OBJECTS, ObjectOutcome::ALL.len()),
        (catalog::DOUBTFUL_BYTES, Doubt::COUNT),
        (catalog::CONTRADICTIONS, Contradiction::COUNT),
        (catalog::MONTH_TO_DATE, Charge::ALL.len()),
        (catalog::PROJECTED_MONTH, Charge::ALL.len()),
        (catalog::STORE_REQUESTS, 2 * Operation::ALL.len()),
        (catalog::STORE_REQUEST_FAILURES, 2 * Operation::ALL.len() * FailureReason::ALL.len()),
        (catalog::SCANS, 2),
        (catalog::SCAN_FAILURES, 2),
        (catalog::LAST_SCAN_SUCCESS, 2),
        (catalog::NEWEST_RECORD, 2),
        (catalog::OBJECTS_PENDING, 2),
        (catalog::OBJECTS_QUARANTINED, 2),
    ];
    for (metric, count) in expected {
        let samples = samples(&scrape, metric.name);
        assert_eq!(samples.len(), count, "{}", metric.name);
        assert!(
            samples.iter().all(|sample| sample.ends_with(" 0") || sample.ends_with(" 0.0")),
            "{samples:?}"
        );
    }
}

#[test]
fn bytes_beyond_2_to_the_53_are_written_exactly() {
    let scrape = exposition().render(NOW, Format::OpenMetrics);
    assert!(samples(&scrape, catalog::BYTES.name).iter().any(|line| line.ends_with(" 9007199254740993")));
}

/// Case by case the same number everywhere: a scrape that mixes two commits shows two.
#[test]
fn a_scrape_beside_commits_is_of_one_commit() {
    let committed = |number: u64| {
        let mut snapshot = Snapshot { first_scan_complete: true, ..Snapshot::default() };
        for zone in ["a", "b", "c"] {
            let key = key(zone, "b", "other", NatDirection::None);
            snapshot.traffic.insert(key.clone(), counts(number, number, number, number));
            let counts = ChargeCounts { bytes: number, cost: NanoUsd(number), unpriced: 0 };
            snapshot.charges.insert((Charge::InterAz, key), counts);
        }
        snapshot.records.add(RecordOutcome::Counted, number);
        Arc::new(snapshot)
    };
    let exposition = Exposition::new(settings());
    exposition.publish(committed(1));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let numbers = (2..).take_while(|_| !done.load(std::sync::atomic::Ordering::SeqCst));
            numbers.for_each(|number| exposition.publish(committed(number)));
        });
        let mut seen = BTreeSet::new();
        let mut mixed = None;
        for _ in 0..300 {
            let scrape = exposition.render(NOW, Format::OpenMetrics);
            let metrics = [
                catalog::BYTES,
                catalog::PACKETS,
                catalog::FLOWS,
                catalog::INTER_AZ_BYTES,
                catalog::CHARGED_BYTES,
            ];
            let lines = metrics.iter().flat_map(|metric| samples(&scrape, metric.name));
            let numbers: BTreeSet<u64> =
                lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
            if numbers.len() != 1 {
                mixed = Some(numbers);
                break;
            }
            seen.extend(numbers);
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(mixed, None);
        assert!(seen.len() > 10, "commits and scrapes were at the same time: {seen:?}");
    });
}

#[test]
fn the_traffic_families_have_the_same_label_sets() {
    let scrape = exposition().render(NOW, Format::Text);
    let labels = |name: &str| -> Vec<String> {
        let cut = |line: &str| line[name.len()..line.rfind(' ').expect("a value")].to_owned();
        samples(&scrape, name).into_iter().map(cut).collect()
    };
    for metric in [catalog::PACKETS, catalog::FLOWS, catalog::INTER_AZ_BYTES] {
        assert_eq!(labels(metric.name), labels(catalog::BYTES.name), "{}", metric.name);
    }
}

#[test]
fn a_source_that_is_not_configured_any_more_is_not_shown_and_the_later_scan_counts() {
    let exposition = Exposition::new(settings());
    exposition.publish(Arc::new(snapshot()));
    let scrape = exposition.render(NOW, Format::Text);
    let sums = |line: &&str| line.starts_with("flowcost_source_");
    let removed: Vec<&str> = scrape.lines().filter(|line| line.contains("\"removed\"")).collect();
    assert!(
        !removed.is_empty() && removed.iter().all(sums),
        "its sums are a part of the totals: {removed:?}"
    );
    let committed =
        format!("flowcost_last_scan_success_timestamp_seconds{{source=\"eks-ops\"}} {}", NOW.0 - 7200);
    assert!(scrape.contains(&committed), "committed by an earlier process");
    let scrape = self::exposition().render(NOW, Format::Text);
    let own = format!("flowcost_last_scan_success_timestamp_seconds{{source=\"eks-ops\"}} {}", NOW.0 - 60);
    assert!(scrape.contains(&own));
}

proptest::proptest! {
    /// A label value cannot end a line, a sample or an exposition, whatever it says.
    #[test]
    fn any_label_value_stays_inside_its_sample(zone in ".{0,40}|(# EOF|# UNIT a b|[\"\\\\\n ])+") {
        let exposition = Exposition::new(settings());
        let traffic = BTreeMap::from([(key(&zone, "b", "other", NatDirection::None), counts(1, 2, 3, 0))]);
        exposition.publish(Arc::new(Snapshot { traffic, first_scan_complete: true, ..Snapshot::default() }));
        let (open, text) = (exposition.render(NOW, Format::OpenMetrics), exposition.render(NOW, Format::Text));
        let lines = |scrape: &str| -> Vec<String> {
            scrape.split('\n').filter(|line| !line.starts_with("# ")).map(str::to_owned).collect()
        };
        proptest::prop_assert_eq!(lines(&open), lines(&text));
        let sample = samples(&text, catalog::PACKETS.name);
        let value = sample[0].strip_prefix("flowcost_packets_total{src_zone=\"").expect("its first label");
        let (value, rest) = value.rsplit_once("\",dst_zone=\"b\"").expect("its second label");
        proptest::prop_assert_eq!(rest, ",port_group=\"other\",nat_direction=\"none\"} 2");
        let mut plain = String::new();
        let mut characters = value.chars();
        while let Some(character) = characters.next() {
            proptest::prop_assert!(character != '"' && character != '\n');
            plain.push(if character == '\\' {
                characters.next().map(|escaped| if escaped == 'n' { '\n' } else { escaped }).expect("one more")
            } else {
                character
            });
        }
        proptest::prop_assert_eq!(plain, zone);
    }
}
