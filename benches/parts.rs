//! The parts of the way from an object to a scrape, each by itself: decode, classify, accumulate, commit, render.
//!
//! `cargo bench --bench parts [-- NAME]`

#[allow(dead_code, reason = "not every bench needs all of it")]
mod traffic;

use std::{collections::BTreeMap, hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use flowcost_exporter as flowcost;
use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::{Classifier, ObjectClassifier, Rules, SourceScope, ZoneSpec},
    decode::{DecodeLimits, FlowBatch, Input, Reader},
    expose::{BuildInfo, Exposition, Format, Static},
    ledger::{Ledger, Options, SourceSpec},
    model::{
        Candidate, Charge, ChargeCounts, FlowCounts, FlowKey, Hour, Listed, NanoUsd, NatDirection,
        ObjectDelta, ObjectId, Partition, PartitionSpan, RecordOutcome, Relation, Series, Settled,
        Settlement, Snapshot, Timestamp,
    },
    pricing::PriceBook,
};
use traffic::{HOUR, Variant, ZONES};

const ROWS: usize = 100_000;
const LIMITS: DecodeLimits = DecodeLimits { decompressed_bytes: 1 << 30 };

fn classifier() -> Classifier {
    let zones = ZONES.iter().map(|(name, az_id, cidrs)| ZoneSpec {
        name: (*name).into(),
        az_id: Some((*az_id).into()),
        region: Some("ap-northeast-1".into()),
        cidrs: cidrs.iter().map(|cidr| cidr.parse().expect("a network")).collect(),
        logged: true,
        ..ZoneSpec::default()
    });
    let source = SourceScope { name: "bench".into(), region: "ap-northeast-1".into() };
    Classifier::new(Rules { zones: zones.collect(), ..Rules::default() }, &source, PriceBook::default(), None)
}

fn partition() -> Partition {
    let start = Hour::of(Timestamp(HOUR));
    Partition { bucket: "b".into(), prefix: "p/".into(), start, span: PartitionSpan::Hour }
}

fn batches(file: &Input) -> Vec<FlowBatch> {
    let mut reader = Reader::open(file.clone(), &LIMITS).expect("a sound file");
    std::iter::from_fn(|| reader.next_batch().expect("a sound file")).collect()
}

fn objects(criterion: &mut Criterion) {
    let classifier = classifier();
    for variant in [Variant::Gzip, Variant::Snappy, Variant::Plain, Variant::Text] {
        let file = Input::Whole(traffic::file(variant, 1, ROWS).into());
        let mut group = criterion.benchmark_group(variant.name());
        group.throughput(Throughput::Elements(ROWS as u64)).sample_size(20);
        group.bench_function("decode", |bencher| {
            bencher.iter(|| {
                let mut reader = Reader::open(file.clone(), &LIMITS).expect("a sound file");
                while let Some(batch) = reader.next_batch().expect("a sound file") {
                    black_box(&batch);
                }
            });
        });
        let batches = batches(&file);
        group.bench_function("classify", |bencher| {
            bencher.iter(|| {
                let mut object = ObjectClassifier::new(&classifier, None, None);
                let mut sorted = Vec::new();
                for batch in &batches {
                    object.sort(batch, &mut sorted);
                    black_box(&sorted);
                }
            });
        });
        let limits = DigestLimits { decompressed_bytes: 1 << 30, bad_rows: 0 };
        group.bench_function("digest", |bencher| {
            bencher.iter(|| digest(file.clone(), &partition().into(), &classifier, &limits));
        });
        group.finish();
    }
}

/// Ten objects to a commit, each a page of its own keys; the state is on the disk of the folder for temporary files.
fn commit(criterion: &mut Criterion) {
    let file = Input::Whole(traffic::file(Variant::Gzip, 1, 20_000).into());
    let limits = DigestLimits { decompressed_bytes: 1 << 30, bad_rows: 0 };
    let settlement = digest(file, &partition().into(), &classifier(), &limits);
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        series_limit: 10_000,
        sources: vec![SourceSpec { name: "bench".into(), url: "s3://b/".into() }],
        classifier_fingerprint: String::new(),
        prices: Vec::new(),
    };
    let state = folder.path().join("flowcost.db");
    let (mut ledger, _) = Ledger::open(&state, &options, Timestamp(HOUR)).expect("a new state");
    let mut number = 0;
    let mut objects = || {
        let one = |number: u64| {
            let id = ObjectId { bucket: "b".into(), key: format!("p/{number}") };
            let listed = Listed { id, size: 1, version: None };
            let candidate = Candidate { listed, source: "bench".into(), partition: partition() };
            Settled { candidate, settlement: settlement.clone(), fetched: 1 }
        };
        number += 10;
        (number..number + 10).map(one).collect::<Vec<_>>()
    };
    criterion.bench_function("commit/10 objects", |bencher| {
        bencher.iter_batched(
            &mut objects,
            |objects| ledger.commit(&objects, Timestamp(HOUR)).expect("a commit"),
            BatchSize::PerIteration,
        );
    });
}

/// Sources, label sets and charges of a fleet: what the ledger of a large account holds.
const FLEET: (usize, u64) = (20, 2_000);

/// One object of a fleet's source: some label sets in each of its hours, and all charges.
fn delta(source: usize, hours: std::ops::Range<i64>, rows: u64) -> ObjectDelta {
    let mut delta = ObjectDelta { aws_region: "ap-northeast-1".into(), ..ObjectDelta::default() };
    delta.records.add(RecordOutcome::Counted, 1_000);
    delta.newest_record = Some(Timestamp(HOUR));
    for hour in hours.map(|hour| Hour(Hour::of(Timestamp(HOUR)).0 - hour)) {
        for row in 0..rows {
            let key = key((source as u64 * rows + row) % FLEET.1);
            let az = |zone: &Arc<str>| Some(Arc::clone(zone));
            let (src_az, dst_az) = (az(&key.src_zone), az(&key.dst_zone));
            let series = Series { key, src_az, dst_az, relation: Relation::InterAz };
            let counts = FlowCounts { flows: 10, packets: 20, bytes: 30, inter_az_bytes: 30 };
            delta.traffic.insert((hour, series.clone()), counts);
            let charge = Charge::ALL[row as usize % Charge::COUNT];
            let counts = ChargeCounts { bytes: 30, cost: NanoUsd(7), unpriced: 0 };
            delta.charges.insert((hour, series, charge), counts);
        }
    }
    delta
}

/// One object of each source to a commit, over a ledger that has all hours that a snapshot carries.
fn fleet(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let names: Vec<Arc<str>> = (0..FLEET.0).map(|source| format!("source-{source}").into()).collect();
    let of = |name: &Arc<str>| SourceSpec { name: name.clone(), url: format!("s3://{name}/") };
    let options = Options {
        series_limit: 10_000,
        sources: names.iter().map(of).collect(),
        classifier_fingerprint: String::new(),
        prices: Vec::new(),
    };
    let state = folder.path().join("flowcost.db");
    let (mut ledger, _) = Ledger::open(&state, &options, Timestamp(HOUR)).expect("a new state");
    let object = |number: usize, source: usize, delta: ObjectDelta| {
        let id = ObjectId { bucket: "b".into(), key: format!("p/{number}/{source}") };
        let listed = Listed { id, size: 1, version: None };
        let candidate = Candidate { listed, source: names[source].clone(), partition: partition() };
        Settled { candidate, settlement: Settlement::Counted(delta), fetched: 1 }
    };
    let past: Vec<Settled> =
        (0..FLEET.0).map(|source| object(0, source, delta(source, 0..1_080, Charge::COUNT as u64))).collect();
    ledger.commit(&past, Timestamp(HOUR)).expect("a commit");
    let wide: Vec<Settled> = (0..FLEET.0).map(|source| object(1, source, delta(source, 0..1, 100))).collect();
    ledger.commit(&wide, Timestamp(HOUR)).expect("a commit");
    let mut number = 1;
    let mut objects = || {
        number += 1;
        (0..FLEET.0).map(|source| object(number, source, delta(source, 0..2, 100))).collect::<Vec<_>>()
    };
    criterion.bench_function("commit/20 objects of 20 sources", |bencher| {
        bencher.iter_batched(
            &mut objects,
            |objects| ledger.commit(&objects, Timestamp(HOUR)).expect("a commit"),
            BatchSize::PerIteration,
        );
    });
    let mut small = || {
        number += 1;
        vec![object(number, number % FLEET.0, delta(number % FLEET.0, 0..1, 10))]
    };
    criterion.bench_function("commit/1 small object of 20 sources", |bencher| {
        bencher.iter_batched(
            &mut small,
            |objects| ledger.commit(&objects, Timestamp(HOUR)).expect("a commit"),
            BatchSize::PerIteration,
        );
    });
}

fn key(number: u64) -> FlowKey {
    FlowKey {
        src_zone: format!("zone-{}", number / 200).into(),
        dst_zone: format!("zone-{}", number / 20 % 10).into(),
        port_group: format!("group-{}", number % 20).into(),
        nat_direction: NatDirection::None,
    }
}

fn render(criterion: &mut Criterion) {
    let counts = FlowCounts { flows: 1 << 30, packets: 1 << 40, bytes: 1 << 50, inter_az_bytes: 1 << 49 };
    let snapshot = Snapshot {
        traffic: (0..2_000).map(|number| (key(number), counts)).collect(),
        first_scan_complete: true,
        ..Snapshot::default()
    };
    let exposition = Exposition::new(Static {
        loaded_at: Timestamp(HOUR),
        build: BuildInfo::current(),
        sources: BTreeMap::new(),
        prices: BTreeMap::new(),
        book: PriceBook::default(),
        budget_monthly_usd: None,
        source_budgets: BTreeMap::new(),
        budget_inter_az_ratio: None,
        series_limit: 10_000,
        process: || None,
    });
    exposition.publish(Arc::new(snapshot));
    criterion.bench_function("render/2000 series", |bencher| {
        bencher.iter(|| exposition.render(Timestamp(HOUR), Format::OpenMetrics));
    });
}

criterion_group!(parts, objects, commit, fleet, render);
criterion_main!(parts);
