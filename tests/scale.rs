//! Two thousand objects of a thousand records each, over the S3 protocol, by the real binary: exact, and small.

use std::{collections::BTreeMap, fs, time::Instant};

use bytes::Bytes;
use flowcost_exporter::{
    config::Config,
    decode::encode::{EncodeOptions, parquet},
    demo::{Cluster, SLOT_SECONDS, file_path, slot_of},
    model::Timestamp,
    store::Operation,
};

use crate::support::{
    exporter::{Exporter, S3_KEYS, s3_config},
    now,
    s3::S3Server,
    scrape,
    sums::Sums,
};

/// Objects that differ.
const DISTINCT: u32 = 50;

/// Names that each of them has.
const COPIES: u32 = 40;

/// Records of an object.
const ROWS: usize = 1_000;

/// Most memory that the exporter may ever have had resident.
const RESIDENT_BYTES: u64 = 150 << 20;

/// Fills a bucket, a slot for each distinct object, and gives those.
fn fill(server: &S3Server, bucket: &str) -> BTreeMap<Timestamp, Bytes> {
    let cluster = Cluster::new(3);
    let newest = slot_of(now());
    let object = |index: u32| {
        let slot = Timestamp(newest.0 - i64::from(index * SLOT_SECONDS));
        let records = cluster.records(slot, SLOT_SECONDS, ROWS);
        let content = Bytes::from(parquet(&records, &EncodeOptions::default()).unwrap());
        for copy in 0..COPIES {
            server.put(bucket, &file_path(slot, copy), content.clone());
        }
        (slot, content)
    };
    (0..DISTINCT).map(object).collect()
}

/// The highest resident size that a process has had, in bytes.
fn peak_resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a Linux process");
    line.trim().strip_suffix(" kB").and_then(|kib| kib.parse::<u64>().ok()).expect("a size") << 10
}

#[tokio::test]
async fn two_thousand_objects_over_s3_are_counted_exactly_in_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let server = S3Server::start().await;
    let objects = fill(&server, "logs");
    let file = dir.path().join("flowcost.toml");
    fs::write(&file, s3_config(&server, "logs", dir.path())).unwrap();

    let began = Instant::now();
    let mut exporter = Exporter::start_with(&file, &S3_KEYS);
    let last = exporter.scrape_until("ready", |scrape| scrape.count("flowcost_ready") == 1);
    let elapsed = began.elapsed();
    let peak = peak_resident(exporter.pid());
    let (status, _) = scrape::get(exporter.address(), "/-/ready").unwrap();
    assert_eq!(status, 200);

    let config = Config::load(&file, &[]).unwrap();
    let mut sums = Sums::new(&config);
    for (slot, content) in &objects {
        sums.add(content, *slot, COPIES.into());
    }
    let all = u64::from(DISTINCT * COPIES);
    assert_eq!((last.counted(), sums.records()), (all, all * ROWS as u64));
    assert_eq!(last.kept(), sums.scrape());

    let requests = |operation: Operation| {
        let word = operation.as_str();
        let counted = format!("flowcost_store_requests_total{{source=\"demo\",operation=\"{word}\"}}");
        (last.count(&counted), server.requests(operation))
    };
    let (gets, lists) = (requests(Operation::Get), requests(Operation::List));
    assert_eq!(gets, (all, all), "one request for each object, counted as the server counts");
    assert_eq!(lists.0, lists.1, "listings are counted as the server counts");

    let mib = peak >> 20;
    eprintln!("{all} objects of {ROWS} records in {elapsed:?}, {mib} MiB at most, {} listings", lists.0);
    assert!(peak < RESIDENT_BYTES, "{mib} MiB resident");
}
