//! An exporter without a network: a bucket in memory, a clock that is told what time it is, and the real ledger.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::{Classifier, SourceScope},
    config::Config,
    decode::{
        Input,
        encode::{EncodeOptions, parquet},
    },
    demo::{self, Cluster, partition},
    discover::{Discovery, SourceSpec, layout::Layout},
    event::Observer,
    ledger::{self, Ledger, OpenReport, RecountPrices, RecountWish},
    model::{
        Candidate, Clock, Hour, Listed, ObjectDelta, ObjectId, Origin, Partition, PartitionSpan, Settlement,
        Snapshot, Timestamp,
    },
    pipeline::{Pipeline, Settings, SharedLedger},
    reader::{SharedClassifier, Source},
    recount::{self, Done, Job, Step},
    store::ObjectStore,
};
use tokio_util::sync::CancellationToken;

use super::bucket::Bucket;

/// 2026-03-10T12:00:00Z
pub(crate) const NOON: i64 = 1_773_144_000;
const LOOKBACK: Duration = Duration::from_secs(48 * 3600);

pub(crate) struct World {
    pub(crate) bucket: Bucket,
    folder: tempfile::TempDir,
    now: Arc<AtomicI64>,
    elapsed: Arc<AtomicU64>,
    classifier: Arc<Classifier>,
    rules_fingerprint: String,
    cluster: Cluster,
    pub(crate) shown: Arc<Mutex<Vec<Arc<Snapshot>>>>,
    /// The bucket of a second source, once there is one.
    added: Mutex<Option<Bucket>>,
    /// Length of the write-ahead log when something was last shown: up to here it is on the disk.
    pub(crate) durable: Arc<AtomicU64>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    /// With its state in memory where the system has a place for that: for many states whose disk is simulated.
    pub(crate) fn in_memory() -> Self {
        let memory = std::path::Path::new("/dev/shm");
        Self::in_folder(tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn in_folder(folder: tempfile::TempDir) -> Self {
        let config = Config::parse("demo", &demo::config_toml(folder.path()), &[]).unwrap();
        let scope = SourceScope { name: "logs".into(), region: demo::REGION.into() };
        Self {
            bucket: Bucket::default(),
            folder,
            now: Arc::new(AtomicI64::new(NOON)),
            elapsed: Arc::new(AtomicU64::new(0)),
            rules_fingerprint: config.fingerprint(),
            classifier: Arc::new(Classifier::new(config.rules, &scope, config.prices, None)),
            cluster: Cluster::new(7),
            shown: Arc::default(),
            added: Mutex::default(),
            durable: Arc::default(),
        }
    }

    /// From the next start on the demo's configuration has other rules.
    pub(crate) fn change_rules(&mut self, change: impl FnOnce(String) -> String) {
        let text = change(demo::config_toml(self.folder.path()));
        let config = Config::parse("changed", &text, &[]).unwrap();
        assert_ne!(config.fingerprint(), self.rules_fingerprint);
        self.rules_fingerprint = config.fingerprint();
        let scope = SourceScope { name: "logs".into(), region: demo::REGION.into() };
        self.classifier = Arc::new(Classifier::new(config.rules, &scope, config.prices, None));
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }

    pub(crate) fn clock(&self) -> Clock {
        let (now, elapsed) = (self.now.clone(), self.elapsed.clone());
        Clock::new(
            move || Timestamp(now.load(Ordering::Relaxed)),
            move || Duration::from_secs(elapsed.load(Ordering::Relaxed)),
        )
    }

    /// Lets time pass, for wall and pauses alike.
    pub(crate) fn pass(&self, seconds: u64) {
        self.passing()(seconds);
    }

    /// The same, to be handed to an observer.
    pub(crate) fn passing(&self) -> impl Fn(u64) + Send + Sync + 'static {
        let (now, elapsed) = (self.now.clone(), self.elapsed.clone());
        move |seconds| {
            now.fetch_add(i64::try_from(seconds).unwrap(), Ordering::Relaxed);
            elapsed.fetch_add(seconds, Ordering::Relaxed);
        }
    }

    /// The key of an object of the hour that began `hours_ago` before noon.
    pub(crate) fn key(account: u64, hours_ago: i64, number: u32) -> String {
        let hour = Hour(NOON / 3600 - hours_ago);
        let folder = partition(hour).replace(demo::ACCOUNT, &account.to_string());
        format!("{folder}/{account}_vpcflowlogs_us-east-1_fl-0a_20260310T0000Z_{number:08x}.log.parquet")
    }

    /// Twelve or so records of that hour.
    pub(crate) fn content(&self, hours_ago: i64, number: u32) -> Bytes {
        let begin = Timestamp(NOON - hours_ago * 3600 + i64::from(number % 11) * 300);
        let records = self.cluster.records(begin, 300, 12 + number as usize % 9);
        parquet(&records, &EncodeOptions::default()).unwrap().into()
    }

    /// Puts an object of that hour and returns its key.
    pub(crate) fn put(&self, account: u64, hours_ago: i64, number: u32) -> String {
        let key = Self::key(account, hours_ago, number);
        self.bucket.put(&key, self.content(hours_ago, number));
        key
    }

    /// An object as discovery would hand it on.
    pub(crate) fn candidate(&self, key: &str) -> Candidate {
        let id = ObjectId { bucket: "s3://logs".into(), key: key.to_owned() };
        let size = self.bucket.content(key).len() as u64;
        let version = Some(self.bucket.version(key).to_string());
        Candidate {
            listed: Listed { id, size, version },
            source: "logs".into(),
            partition: partition_of(key),
        }
    }

    /// What one object adds, read straight from its bytes.
    pub(crate) fn delta(&self, key: &str) -> ObjectDelta {
        self.delta_of(key, partition_of(key))
    }

    /// The same for an object of any layout.
    pub(crate) fn delta_in(&self, key: &str, start: Hour, span: PartitionSpan) -> ObjectDelta {
        let prefix = key[..=key.rfind('/').unwrap()].into();
        self.delta_of(key, Partition { bucket: "s3://logs".into(), prefix, start, span })
    }

    fn delta_of(&self, key: &str, partition: Partition) -> ObjectDelta {
        let origin = origin_of(key, partition);
        let added = self.added.lock().unwrap().clone().filter(|bucket| bucket.has(key));
        let bucket = added.as_ref().unwrap_or(&self.bucket);
        match digest(Input::Whole(bucket.content(key)), &origin, &self.classifier, &LIMITS) {
            Settlement::Counted(delta) => delta,
            other => panic!("{key}: {other:?}"),
        }
    }

    /// From the next start on there is a second source, `added`, with this bucket.
    pub(crate) fn add_source(&self, bucket: &Bucket) {
        *self.added.lock().unwrap() = Some(bucket.clone());
    }

    pub(crate) fn options(&self) -> ledger::Options {
        let sources = self.ledger_sources();
        ledger::Options {
            series_limit: 1_000,
            sources,
            classifier_fingerprint: self.rules_fingerprint.clone(),
            prices: Vec::new(),
        }
    }

    fn ledger_sources(&self) -> Vec<ledger::SourceSpec> {
        let spec = |name: &str| ledger::SourceSpec { name: name.into(), url: format!("s3://{name}/") };
        let mut sources = vec![spec("logs")];
        sources.extend(self.added.lock().unwrap().is_some().then(|| spec("added")));
        sources
    }

    pub(crate) fn open(&self) -> (Ledger, OpenReport) {
        self.open_as(&self.options())
    }

    fn open_as(&self, options: &ledger::Options) -> (Ledger, OpenReport) {
        Ledger::open(&self.state(), options, Timestamp(self.now.load(Ordering::Relaxed))).unwrap()
    }

    /// An exporter that opens the state as a new process would.
    pub(crate) fn start(&self, observer: Observer) -> Pipeline {
        self.start_with(observer, |_| {})
    }

    /// The same with another source.
    pub(crate) fn start_with(&self, observer: Observer, change: impl FnOnce(&mut SourceSpec)) -> Pipeline {
        self.start_on(Arc::new(self.bucket.clone()), observer, change)
    }

    /// The same on another store.
    pub(crate) fn start_on(
        &self,
        store: Arc<dyn ObjectStore>,
        observer: Observer,
        change: impl FnOnce(&mut SourceSpec),
    ) -> Pipeline {
        let mut spec = spec("logs");
        change(&mut spec);
        self.start_all(self.sources(spec, store), observer)
    }

    /// A source of this name, with everything that is in a bucket.
    pub(crate) fn source(&self, name: &str, bucket: &Bucket) -> Source {
        let discovery = Discovery::new(spec(name), Arc::new(bucket.clone()));
        Source { discovery, classifier: SharedClassifier::new(self.classifier.clone()) }
    }

    /// An exporter of these sources.
    pub(crate) fn start_all(&self, sources: Vec<Source>, observer: Observer) -> Pipeline {
        let spec = |name: &Arc<str>| ledger::SourceSpec { name: name.clone(), url: format!("s3://{name}/") };
        let names = sources.iter().map(|source| &source.discovery.spec().name);
        let options = ledger::Options { sources: names.map(spec).collect(), ..self.options() };
        let (ledger, report) = self.open_as(&options);
        self.shown.lock().unwrap().push(ledger.snapshot());
        let (shown, durable, log) =
            (self.shown.clone(), self.durable.clone(), self.state().with_extension("db-wal"));
        let settings = Settings {
            poll_interval: Duration::from_secs(60),
            lookback: LOOKBACK,
            keep: flowcost_exporter::limits::KEEP,
            start: None,
            concurrency: 3,
            object_bytes: 1 << 20,
            digest: LIMITS,
        };
        Pipeline::new(
            settings,
            sources,
            SharedLedger::new(ledger),
            report.unfinished,
            observer,
            Arc::new(move |snapshot| {
                durable.store(std::fs::metadata(&log).map_or(0, |log| log.len()), Ordering::SeqCst);
                shown.lock().unwrap().push(snapshot);
            }),
            self.clock(),
        )
    }

    /// The sources, the added one included.
    fn sources(&self, spec: SourceSpec, store: Arc<dyn ObjectStore>) -> Vec<Source> {
        let added = self.added.lock().unwrap().clone().map(|bucket| {
            let spec = SourceSpec { name: "added".into(), bucket: "s3://added".into(), ..spec.clone() };
            (spec, Arc::new(bucket) as Arc<dyn ObjectStore>)
        });
        let source = |(spec, store)| Source {
            discovery: Discovery::new(spec, store),
            classifier: SharedClassifier::new(self.classifier.clone()),
        };
        [(spec, store)].into_iter().chain(added).map(source).collect()
    }

    /// What `recount` would do for some hours before noon.
    pub(crate) fn job(&self, hours: std::ops::Range<i64>) -> Job {
        let hour = |ago: i64| Hour(NOON / 3600 - ago);
        Job {
            state: self.state(),
            wish: RecountWish {
                hours: hour(hours.end)..hour(hours.start),
                prices: RecountPrices::Then,
                classifier: self.rules_fingerprint.clone(),
                lookback: LOOKBACK,
                sources: self.ledger_sources(),
                series_limit: 1_000,
            },
            skip_hours: false,
            dry_run: false,
            object_bytes: 1 << 20,
            digest: LIMITS,
        }
    }

    /// Recounts, on a runtime of its own.
    pub(crate) fn recount(
        &self,
        job: &Job,
        tell: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Done, recount::Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sources = self.sources(spec("logs"), Arc::new(self.bucket.clone()));
        runtime.block_on(recount::recount(job, sources, &self.clock(), tell))
    }

    /// The last state that was shown.
    pub(crate) fn last(&self) -> Arc<Snapshot> {
        self.shown.lock().unwrap().last().unwrap().clone()
    }

    /// Totals are exactly those of the given objects.
    pub(crate) fn assert_counted(&self, keys: &[String]) {
        assert_totals(&self.last(), keys.iter().map(|key| self.delta(key)));
    }

    /// What was shown never went down.
    pub(crate) fn assert_monotone(&self) {
        for pair in self.shown.lock().unwrap().windows(2) {
            assert_not_lower(&pair[0], &pair[1]);
        }
    }
}

/// What is looked for in a source: all there is.
fn spec(name: &str) -> SourceSpec {
    SourceSpec {
        name: name.into(),
        bucket: "s3://logs".into(),
        prefix: String::new(),
        region: demo::REGION.to_owned(),
        layout: Layout::parse("auto").unwrap(),
        accounts: Vec::new(),
        regions: Vec::new(),
        flow_log_ids: Vec::new(),
    }
}

const LIMITS: DigestLimits = DigestLimits { decompressed_bytes: 1 << 24, bad_rows: 0 };

/// Invariant I1, by adding up anew.
pub(crate) fn assert_totals(shown: &Snapshot, deltas: impl Iterator<Item = ObjectDelta>) {
    let mut expected = Snapshot::default();
    let mut objects = 0;
    for delta in deltas {
        objects += 1;
        expected.records.merge(&delta.records);
        for ((_, series), counts) in delta.traffic {
            let sum = expected.traffic.entry(series.key).or_default();
            *sum = sum.checked_add(counts).unwrap();
        }
        for ((_, series, charge), counts) in delta.charges {
            let sum = expected.charges.entry((charge, series.key)).or_default();
            *sum = sum.checked_add(counts).unwrap();
        }
    }
    assert_eq!(shown.records, expected.records);
    assert_eq!(shown.traffic, expected.traffic);
    assert_eq!(shown.charges, expected.charges);
    assert_eq!(shown.objects.get(flowcost_exporter::model::ObjectOutcome::Counted), objects);
}

/// Invariant I2.
fn assert_not_lower(before: &Snapshot, after: &Snapshot) {
    for (key, counts) in &before.traffic {
        let now = after.traffic.get(key).copied().unwrap_or_default();
        assert!(
            now.bytes >= counts.bytes && now.flows >= counts.flows && now.packets >= counts.packets,
            "{key:?}"
        );
    }
    for (key, counts) in &before.charges {
        let now = after.charges.get(key).copied().unwrap_or_default();
        assert!(now.bytes >= counts.bytes && now.cost >= counts.cost, "{key:?}");
    }
    for outcome in flowcost_exporter::model::ObjectOutcome::ALL {
        assert!(after.objects.get(outcome) >= before.objects.get(outcome), "{outcome:?}");
    }
    for outcome in flowcost_exporter::model::RecordOutcome::ALL {
        assert!(after.records.get(outcome) >= before.records.get(outcome), "{outcome:?}");
    }
    assert!(after.object_bytes >= before.object_bytes);
}

/// A few cycles on a runtime of their own; when this returns, nothing of the pipeline is left.
pub(crate) fn cycles(pipeline: Pipeline, count: usize, stop: &CancellationToken) -> std::thread::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let stop = stop.clone();
    let mut pipeline = pipeline;
    let task = runtime.spawn(async move {
        for _ in 0..count {
            pipeline.cycle(&stop).await.unwrap();
        }
    });
    let result = runtime.block_on(task);
    // Waits for what is still decoding.
    drop(runtime);
    result.map_err(|error| error.into_panic())
}

/// The partition that a key of [`World::key`] names.
fn partition_of(key: &str) -> Partition {
    let number = |name: &str| key.split(name).nth(1).unwrap()[..2].parse::<i64>().unwrap();
    let start = Hour(NOON / 3600 - 12 + (number("day=") - 10) * 24 + number("hour="));
    let prefix = key[..=key.rfind('/').unwrap()].into();
    Partition { bucket: "s3://logs".into(), prefix, start, span: PartitionSpan::Hour }
}

/// The origin of an object, by the folders of AWS's layouts in its key.
fn origin_of(key: &str, partition: Partition) -> Origin {
    let below = key.split_once("AWSLogs/").map_or("", |(_, below)| below);
    let folders: Vec<&str> = below.split('/').collect();
    let name = |at: usize, prefix: &str| {
        let folder = folders.get(at)?;
        Some(Arc::from(folder.strip_prefix(prefix).unwrap_or(folder)))
    };
    let (account, region) =
        if below.is_empty() { (None, None) } else { (name(0, "aws-account-id="), name(2, "aws-region=")) };
    Origin { partition, account, region }
}
