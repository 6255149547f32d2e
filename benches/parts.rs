//! The parts of the way from an object to a scrape, each by itself: decode, classify, accumulate, commit, render.
//!
//! `cargo bench --bench parts [-- NAME]`

#[allow(dead_code, reason = "not every bench needs all of it")]
mod traffic;

use std::{
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
    sync::Arc,
};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use flowcost_exporter as flowcost;
use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::{Classifier, ObjectClassifier, Rules, ZoneSpec},
    decode::{DecodeLimits, FlowBatch, Input, Reader},
    expose::{BuildInfo, Exposition, Format, Static},
    ledger::{Ledger, Options, SourceSpec},
    model::{
        Candidate, FlowCounts, FlowKey, Hour, Listed, NatDirection, ObjectId, Partition, PartitionSpan,
        Settled, Snapshot, Timestamp,
    },
    pricing::Prices,
};
use traffic::{HOUR, Variant, ZONES};

const ROWS: usize = 100_000;
const LIMITS: DecodeLimits = DecodeLimits { decompressed_bytes: 1 << 30 };

fn classifier() -> Classifier {
    let zones = ZONES.iter().map(|(name, az_id, cidrs)| ZoneSpec {
        name: (*name).into(),
        az_id: Some((*az_id).into()),
        region: "ap-northeast-1".into(),
        cidrs: cidrs.iter().map(|cidr| cidr.parse().expect("a network")).collect(),
        logged: true,
    });
    Classifier::new(Rules { zones: zones.collect(), ..Rules::default() }, "ap-northeast-1", Prices::default())
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
    for (variant, name) in Variant::ALL {
        let file = Input::Whole(traffic::file(variant, 1, ROWS).into());
        let mut group = criterion.benchmark_group(name);
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
                let mut object = ObjectClassifier::new(&classifier);
                let mut sorted = Vec::new();
                for batch in &batches {
                    object.sort(batch, &mut sorted);
                    black_box(&sorted);
                }
            });
        });
        let limits = DigestLimits { decompressed_bytes: 1 << 30, bad_rows: 0 };
        group.bench_function("digest", |bencher| {
            bencher.iter(|| digest(file.clone(), &partition(), &classifier, &limits));
        });
        group.finish();
    }
}

/// Ten objects to a commit, each a page of its own keys; the state is on the disk of the folder for temporary files.
fn commit(criterion: &mut Criterion) {
    let file = Input::Whole(traffic::file(Variant::Gzip, 1, 20_000).into());
    let limits = DigestLimits { decompressed_bytes: 1 << 30, bad_rows: 0 };
    let settlement = digest(file, &partition(), &classifier(), &limits);
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

fn render(criterion: &mut Criterion) {
    let key = |number: u64| FlowKey {
        src_zone: format!("zone-{}", number / 200).into(),
        dst_zone: format!("zone-{}", number / 20 % 10).into(),
        port_group: format!("group-{}", number % 20).into(),
        nat_direction: NatDirection::None,
    };
    let counts = FlowCounts { flows: 1 << 30, packets: 1 << 40, bytes: 1 << 50, inter_az_bytes: 1 << 49 };
    let snapshot = Snapshot {
        traffic: (0..2_000).map(|number| (key(number), counts)).collect(),
        first_scan_complete: true,
        ..Snapshot::default()
    };
    let exposition = Exposition::new(Static {
        loaded_at: Timestamp(HOUR),
        build: BuildInfo::current(),
        sources: BTreeSet::new(),
        prices: BTreeMap::new(),
        budget_monthly_usd: None,
        budget_inter_az_ratio: None,
        series_limit: 10_000,
        process: || None,
    });
    exposition.publish(Arc::new(snapshot));
    criterion.bench_function("render/2000 series", |bencher| {
        bencher.iter(|| exposition.render(Timestamp(HOUR), Format::OpenMetrics));
    });
}

criterion_group!(parts, objects, commit, render);
criterion_main!(parts);
