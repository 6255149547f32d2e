//! An exporter on a clock that is told what time it is: the real configuration, pipeline, ledger and exposition. Processes are
//! started and end; what they leave is the state file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use flowcost_exporter::{
    accumulate::DigestLimits,
    classify::Classifier,
    config::{Config, SourceConfig},
    discover::{Discovery, SourceSpec},
    event::Observer,
    expose::{BuildInfo, Exposition, Format, SourceInfo, Static},
    ledger::{self, Ledger, PriceInForce, RecountPrices, RecountWish},
    limits,
    model::{Charge, Clock, Hour, NanoUsd, Price, Timestamp},
    pipeline::{Pipeline, Settings, SharedLedger},
    reader::{SharedClassifier, Source},
    recount::{self, Job},
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::clock::at;
use crate::support::bucket::Bucket;

type Buckets = BTreeMap<&'static str, Bucket>;

pub(super) struct Exporter {
    folder: tempfile::TempDir,
    now: Arc<AtomicI64>,
    runtime: Runtime,
    process: Option<Process>,
}

/// What a process has in its memory.
struct Process {
    config: Config,
    pipeline: Pipeline,
    exposition: Arc<Exposition>,
    polls: u32,
}

impl Exporter {
    /// Nothing runs, and there is no state.
    pub(super) fn new(now: i64) -> Self {
        let memory = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { folder, now: Arc::new(AtomicI64::new(now)), runtime, process: None }
    }

    pub(super) fn state(&self) -> PathBuf {
        self.folder.path().join("flowcost.db")
    }

    pub(super) fn runs(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn set_clock(&self, now: i64) {
        self.now.store(now, Ordering::Relaxed);
    }

    fn clock(&self) -> Clock {
        let (wall, elapsed) = (self.now.clone(), self.now.clone());
        Clock::new(
            move || Timestamp(wall.load(Ordering::Relaxed)),
            move || {
                Duration::from_secs((elapsed.load(Ordering::Relaxed) - at!(2025-01-01 00:00)).unsigned_abs())
            },
        )
    }

    /// Starts a process with a configuration, which says everything but where the state is.
    pub(super) fn start(&mut self, config: &str, buckets: &Buckets) {
        assert!(!self.runs());
        let text = format!("[state]\npath = {:?}\n{config}", self.state());
        let config = Config::parse("year", &text, &[]).unwrap();
        assert_eq!(config.warnings, [""; 0]);
        let clock = self.clock();
        let (ledger, report) = Ledger::open(&self.state(), &ledger_options(&config), clock.now()).unwrap();
        let exposition = Arc::new(Exposition::new(fixed(&config, clock.now())));
        exposition.publish(ledger.snapshot());
        let observer: Observer = {
            let (exposition, clock) = (exposition.clone(), clock.clone());
            Arc::new(move |event| exposition.observe(event, clock.now()))
        };
        let publish = {
            let exposition = exposition.clone();
            Arc::new(move |snapshot| exposition.publish(snapshot))
        };
        let pipeline = Pipeline::new(
            settings(&config),
            sources(&config, buckets),
            SharedLedger::new(ledger),
            report.unfinished,
            observer,
            publish,
            clock,
        );
        self.process = Some(Process { config, pipeline, exposition, polls: 0 });
    }

    /// The process ends. Whatever it had not committed is gone.
    pub(super) fn stop(&mut self) {
        self.process = None;
    }

    pub(super) fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Whether the process has looked at the buckets.
    pub(super) fn has_polled(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.polls > 0)
    }

    /// One poll. Returns whether it looked at everything that is open.
    pub(super) fn poll(&mut self) -> bool {
        let process = self.process.as_mut().unwrap();
        let full = process.polls.is_multiple_of(limits::FULL_SCAN_EVERY);
        process.polls += 1;
        self.runtime.block_on(process.pipeline.cycle(&CancellationToken::new())).unwrap();
        full
    }

    /// What a scrape is answered, as OpenMetrics.
    pub(super) fn scrape(&self) -> String {
        let process = self.process.as_ref().unwrap();
        process.exposition.render(self.clock().now(), Format::OpenMetrics)
    }

    /// `recount` beside the process, under its configuration. Returns how many sums have changed.
    pub(super) fn recount(&self, hours: Range<i64>, buckets: &Buckets) -> usize {
        let config = &self.process.as_ref().unwrap().config;
        let job = Job {
            state: self.state(),
            wish: RecountWish {
                hours: Hour(hours.start)..Hour(hours.end),
                prices: RecountPrices::Then,
                classifier: config.fingerprint(),
                sources: ledger_sources(config),
                series_limit: config.limits.series,
                lookback: config.ingest.lookback,
            },
            skip_hours: false,
            dry_run: false,
            object_bytes: config.limits.object_bytes,
            digest: settings(config).digest,
        };
        let (clock, mut quiet) = (self.clock(), |_| {});
        let work = recount::recount(&job, sources(config, buckets), &clock, &mut quiet);
        self.runtime.block_on(work).unwrap().changes.unwrap().len()
    }

    /// Copies the state file of an exporter that does not run.
    pub(super) fn copy_state(&self, name: &str) {
        assert!(!self.runs());
        fs::copy(self.state(), self.folder.path().join(name)).unwrap();
    }

    /// Puts a copy in the place of the state, on purpose: the mark that would tell an older file is removed with the rest.
    pub(super) fn put_back(&self, name: &str) {
        assert!(!self.runs());
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|file| file.to_string_lossy().starts_with("flowcost.db")) {
                fs::remove_file(path).unwrap();
            }
        }
        fs::copy(self.folder.path().join(name), self.state()).unwrap();
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        poll_interval: config.ingest.poll_interval,
        lookback: config.ingest.lookback,
        keep: config.keep,
        start: None,
        concurrency: config.ingest.concurrency,
        object_bytes: config.limits.object_bytes,
        digest: DigestLimits {
            decompressed_bytes: config.limits.decompressed_bytes,
            bad_rows: config.limits.bad_rows_per_object,
        },
    }
}

fn sources(config: &Config, buckets: &Buckets) -> Vec<Source> {
    let source = |source: &SourceConfig| {
        let spec = SourceSpec {
            name: source.name.clone(),
            bucket: format!("s3://{}", source.name).into(),
            prefix: String::new(),
            region: source.region.to_string(),
            layout: source.layout.clone(),
            accounts: Vec::new(),
            regions: Vec::new(),
            flow_log_ids: Vec::new(),
        };
        let classifier =
            Classifier::new(config.rules.clone(), &source.scope(), config.prices.clone(), config.ip_ranges());
        Source {
            discovery: Discovery::new(spec, Arc::new(buckets[&*source.name].clone())),
            classifier: SharedClassifier::new(classifier),
        }
    };
    config.sources.iter().map(source).collect()
}

fn ledger_sources(config: &Config) -> Vec<ledger::SourceSpec> {
    let spec =
        |source: &SourceConfig| ledger::SourceSpec { name: source.name.clone(), url: source.url.clone() };
    config.sources.iter().map(spec).collect()
}

fn prices(config: &Config) -> BTreeMap<(Charge, Arc<str>), Price> {
    let regions: BTreeSet<&Arc<str>> = config.sources.iter().map(|source| &source.region).collect();
    let of = |region: &Arc<str>| {
        let prices = config.prices.for_region(region);
        prices.iter().map(|(charge, price)| ((charge, region.clone()), price)).collect::<Vec<_>>()
    };
    regions.into_iter().flat_map(of).collect()
}

fn ledger_options(config: &Config) -> ledger::Options {
    let in_force = prices(config).into_iter().map(|((charge, region), price)| PriceInForce {
        aws_region: region.to_string(),
        charge,
        price: Some(price),
    });
    ledger::Options {
        series_limit: config.limits.series,
        sources: ledger_sources(config),
        classifier_fingerprint: config.fingerprint(),
        prices: in_force.collect(),
    }
}

fn fixed(config: &Config, loaded_at: Timestamp) -> Static {
    let info = |source: &SourceConfig| SourceInfo {
        url: source.url.clone(),
        region: source.region.clone(),
        filters: source.filters(),
    };
    let budget = |source: &SourceConfig| Some((source.name.clone(), source.monthly?.as_usd()));
    Static {
        loaded_at,
        build: BuildInfo::current(),
        sources: config.sources.iter().map(|source| (source.name.clone(), info(source))).collect(),
        prices: prices(config),
        book: config.prices.clone(),
        budget_monthly_usd: config.budget.monthly.map(NanoUsd::as_usd),
        budget_inter_az_ratio: config.budget.inter_az_ratio,
        source_budgets: config.sources.iter().filter_map(budget).collect(),
        series_limit: config.limits.series,
        process: || None,
    }
}
