//! Many objects in memory, and an exporter that reads them.

use std::{
    collections::BTreeSet,
    error::Error,
    ops::Range,
    path::Path,
    sync::{
        Arc, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use flowcost_exporter::{
    accumulate::DigestLimits,
    classify::{Classifier, SourceScope},
    config::Config,
    demo::{self, file_path},
    discover::{Discovery, SourceSpec, layout::Layout},
    ledger::{self, Ledger},
    model::{
        Candidate, Clock, Hour, Listed, ObjectDelta, ObjectId, Partition, PartitionSpan, RecordOutcome,
        Settled, Settlement, Snapshot, Timestamp,
    },
    pipeline::{Pipeline, Settings, SharedLedger},
    reader::{SharedClassifier, Source},
    store::{FailureReason, ListRequest, ObjectStore, Operation, Page, StoreError},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// 2026-03-03T00:00:00Z
pub(crate) const NOW: i64 = 1_772_496_000;
pub(crate) const HOUR: i64 = 3_600;
pub(crate) const SLOT: i64 = 300;
pub(crate) const LOOKBACK_HOURS: i64 = 48;
const BUCKET: &str = "s3://logs";
const SOURCE: &str = "fleet";
const PAGE: usize = 1_000;

/// The key of a file; each account has its own. Daily partitions have no folder for the hour.
pub(crate) fn key(at: i64, account: u32, number: u32, daily: bool) -> String {
    const MARK: &str = "aws-account-id=";
    let path = file_path(Timestamp(at), number);
    let from = path.find(MARK).map_or(0, |at| at + MARK.len());
    let path = path.replace(&path[from..from + 12], &format!("{account:012}"));
    match (daily, path.find("/hour=")) {
        (true, Some(hour)) => format!("{}{}", &path[..hour], &path[hour + "/hour=00".len()..]),
        _ => path,
    }
}

/// The partition that a key of [`key`] is in.
pub(crate) fn partition(key: &str, at: i64) -> Partition {
    let end = key.rfind('/').map_or(0, |slash| slash + 1);
    let daily = !key[..end].contains("/hour=");
    let (start, span) = if daily {
        (at - at.rem_euclid(24 * HOUR), PartitionSpan::Day)
    } else {
        (at - at.rem_euclid(HOUR), PartitionSpan::Hour)
    };
    Partition { bucket: BUCKET.into(), prefix: key[..end].into(), start: Hour::of(Timestamp(start)), span }
}

/// Objects by key; each has one of a few contents.
#[derive(Default)]
pub(crate) struct Fleet {
    keys: RwLock<BTreeSet<String>>,
    contents: Vec<Bytes>,
    pub(crate) lists: AtomicU64,
    pub(crate) gets: AtomicU64,
}

impl Fleet {
    pub(crate) fn new(contents: Vec<Bytes>) -> Self {
        Self { contents, ..Self::default() }
    }

    pub(crate) fn add(&self, keys: impl IntoIterator<Item = String>) {
        self.keys.write().expect("no panic before").extend(keys);
    }

    pub(crate) fn requests(&self) -> u64 {
        self.lists.load(Ordering::Relaxed) + self.gets.load(Ordering::Relaxed)
    }

    /// What it lists an object with.
    pub(crate) fn size(&self, key: &str) -> u64 {
        self.content(key).len() as u64
    }

    fn content(&self, key: &str) -> Bytes {
        let sum: usize = key.bytes().rev().take(24).map(usize::from).sum();
        self.contents.get(sum % self.contents.len().max(1)).cloned().unwrap_or_default()
    }

    fn listed(&self, key: &str) -> Listed {
        listed(key, self.size(key))
    }
}

fn listed(key: &str, size: u64) -> Listed {
    let id = ObjectId { bucket: BUCKET.into(), key: key.to_owned() };
    Listed { id, size, version: Some("\"0123456789abcdef0123456789abcdef\"".to_owned()) }
}

#[async_trait]
impl ObjectStore for Fleet {
    async fn list(&self, request: ListRequest<'_>) -> Result<Page, StoreError> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        let keys = self.keys.read().expect("no panic before");
        let after = request.page.max(request.start_after).unwrap_or_default();
        let mut page = Page::default();
        let mut from = request.prefix.max(after).to_owned();
        while let Some(key) = keys.range(from.clone()..).find(|key| key.as_str() > after) {
            if !key.starts_with(request.prefix) {
                break;
            }
            let cut = key[request.prefix.len()..].find('/').filter(|_| request.delimited);
            if let Some(cut) = cut {
                let folder = &key[..=request.prefix.len() + cut];
                page.prefixes.push(folder.to_owned());
                from = format!("{folder}\u{10ffff}");
                continue;
            }
            let keys = keys.range(key.clone()..).take_while(|key| key.starts_with(request.prefix));
            page.objects.extend(keys.take(PAGE).map(|key| self.listed(key)));
            if page.objects.len() == PAGE {
                page.next = page.objects.last().map(|last| last.id.key.clone());
            }
            break;
        }
        Ok(page)
    }

    async fn get(&self, object: &Listed, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        let content = self.content(&object.id.key);
        let range = range.unwrap_or(0..content.len() as u64);
        if range.end > content.len() as u64 {
            let (operation, target) = (Operation::Get, object.id.to_string());
            return Err(StoreError { operation, target, reason: FailureReason::Other, source: None });
        }
        Ok(content.slice(range.start as usize..range.end as usize))
    }
}

/// The state of an exporter that reads one source.
pub(crate) fn open(state: &Path) -> Result<(Ledger, ledger::OpenReport), Box<dyn Error>> {
    let options = ledger::Options {
        series_limit: 10_000,
        sources: vec![ledger::SourceSpec { name: SOURCE.into(), url: "s3://logs/".to_owned() }],
        classifier_fingerprint: config()?.fingerprint(),
        prices: Vec::new(),
    };
    Ok(Ledger::open(state, &options, Timestamp(NOW))?)
}

fn config() -> Result<Config, Box<dyn Error>> {
    Ok(Config::parse("the demo's configuration", &demo::config_toml(Path::new("/tmp")), &[])?)
}

/// Objects of that size that were counted, each with one record and no traffic: what is left is the object.
pub(crate) fn know(
    ledger: &mut Ledger,
    keys: &[(String, i64)],
    size: impl Fn(&str) -> u64,
) -> Result<(), Box<dyn Error>> {
    let mut delta = ObjectDelta::default();
    delta.records.add(RecordOutcome::NoData, 1);
    for batch in keys.chunks(5_000) {
        let settled: Vec<Settled> = batch
            .iter()
            .map(|(key, at)| Settled {
                candidate: Candidate {
                    listed: listed(key, size(key)),
                    source: SOURCE.into(),
                    partition: partition(key, *at),
                },
                settlement: Settlement::Counted(delta.clone()),
                fetched: 1,
            })
            .collect();
        ledger.commit(&settled, Timestamp(NOW))?;
    }
    Ok(())
}

/// Everything up to now has been read, and what ended before `before` is sealed.
pub(crate) fn read_through(ledger: &mut Ledger, before: i64) -> Result<(), Box<dyn Error>> {
    use flowcost_exporter::event::ScanKind;
    ledger.set_begin(SOURCE, Timestamp(NOW - 4_000 * 24 * HOUR))?;
    ledger.finish_scan(SOURCE, Timestamp(NOW), ScanKind::Full)?;
    ledger.finish_scan(SOURCE, Timestamp(NOW), ScanKind::Late)?;
    ledger.seal(SOURCE, Timestamp(before))?;
    Ok(())
}

/// An exporter that polls when it is told to.
pub(crate) struct Exporter {
    pipeline: Pipeline,
    now: Arc<AtomicI64>,
    shown: watch::Receiver<Arc<Snapshot>>,
    stop: CancellationToken,
}

impl Exporter {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, state: &Path) -> Result<Self, Box<dyn Error>> {
        let (ledger, report) = open(state)?;
        let config = config()?;
        let scope = SourceScope { name: "logs".into(), region: demo::REGION.into() };
        let spec = SourceSpec {
            name: SOURCE.into(),
            bucket: BUCKET.into(),
            prefix: String::new(),
            region: demo::REGION.to_owned(),
            layout: Layout::parse("auto")?,
            accounts: Vec::new(),
            regions: Vec::new(),
            flow_log_ids: Vec::new(),
        };
        let settings = Settings {
            poll_interval: Duration::from_secs(60),
            lookback: Duration::from_secs((LOOKBACK_HOURS * HOUR).unsigned_abs()),
            keep: flowcost_exporter::limits::KEEP,
            start: None,
            concurrency: 4,
            object_bytes: 1 << 28,
            digest: DigestLimits { decompressed_bytes: 1 << 31, bad_rows: 0 },
        };
        let classifier = SharedClassifier::new(Classifier::new(config.rules, &scope, config.prices, None));
        let now = Arc::new(AtomicI64::new(NOW));
        let (wall, elapsed) = (now.clone(), now.clone());
        let clock = Clock::new(
            move || Timestamp(wall.load(Ordering::Relaxed)),
            move || Duration::from_secs((elapsed.load(Ordering::Relaxed) - NOW).unsigned_abs()),
        );
        let (publish, shown) = watch::channel(Arc::default());
        let pipeline = Pipeline::new(
            settings,
            vec![Source { discovery: Discovery::new(spec, store), classifier }],
            SharedLedger::new(ledger),
            report.unfinished,
            Arc::new(|_| {}),
            Arc::new(move |last| drop(publish.send(last))),
            clock,
        );
        Ok(Self { pipeline, now, shown, stop: CancellationToken::new() })
    }

    pub(crate) async fn poll(&mut self, now: i64) -> Result<(), Box<dyn Error>> {
        self.now.store(now, Ordering::Relaxed);
        Ok(self.pipeline.cycle(&self.stop).await?)
    }

    pub(crate) fn shown(&self) -> Arc<Snapshot> {
        self.shown.borrow().clone()
    }
}

/// As the program has it.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Box<dyn Error>> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}
