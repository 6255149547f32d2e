//! What the outside sees: `/metrics`, the probes and the landing page.
//!
//! The only place with `prometheus_client` and `hyper` in it. Refuses to know how state comes about: it shows the last
//! snapshot it was given, the configuration, and counts of the events it was told. Invariant: the same state at the
//! same moment gives the same bytes (I7), and one scrape shows one snapshot.

pub mod catalog;
mod encode;
mod flows;
mod format;
mod history;
mod landing;
mod process;
mod rendered;
mod routes;
mod scrapes;
mod selfmetrics;
mod server;
pub mod web;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard},
};

use prometheus_client::registry::Registry;

pub use format::Format;
pub use history::{HistoryFamily, HistoryWriter, SeriesLabels, Step};
pub use process::{ProcessStats, read as read_process};
pub use routes::{Lifecycle, ReloadRequest};
pub use server::{Bounds, Drained, Site, serve};

use crate::{
    event::Event,
    model::{Charge, Price, Snapshot, SourceProgress, Timestamp},
    pricing::PriceBook,
};
use rendered::{FlowTexts, Rendered};
use selfmetrics::{Failure, SelfMetrics};

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildInfo {
    /// Version of the package.
    pub version: String,
    /// Source revision.
    pub revision: String,
}

impl BuildInfo {
    /// Of this program. The revision is what `FLOWCOST_REVISION` said when it was built.
    pub fn current() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: option_env!("FLOWCOST_REVISION")
                .filter(|one| !one.is_empty())
                .unwrap_or("unknown")
                .to_owned(),
        }
    }
}

/// What a scrape shows of the configuration. Another one takes its place when the configuration is reloaded.
#[derive(Debug, Clone)]
pub struct Static {
    /// When the configuration was loaded.
    pub loaded_at: Timestamp,
    /// Version and revision.
    pub build: BuildInfo,
    /// The configured sources, by name.
    pub sources: BTreeMap<Arc<str>, SourceInfo>,
    /// Prices in force, by charge and AWS region.
    pub prices: BTreeMap<(Charge, Arc<str>), Price>,
    /// What a month's bytes cost now.
    pub book: PriceBook,
    /// `budget.monthly_usd`
    pub budget_monthly_usd: Option<f64>,
    /// `monthly_usd` of the sources that have it.
    pub source_budgets: BTreeMap<Arc<str>, f64>,
    /// `budget.inter_az_ratio`
    pub budget_inter_az_ratio: Option<f64>,
    /// `limits.series`
    pub series_limit: usize,
    /// Where the process metrics come from: [`read_process`], or a fixed answer in tests.
    pub process: fn() -> Option<ProcessStats>,
}

/// What a source reads, for those who compare exporters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// With its last slash.
    pub url: String,
    /// Of its logs.
    pub region: Arc<str>,
    /// A hash of its lists, or `none`.
    pub filters: String,
}

/// Whether the exporter has something to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// No state is loaded.
    Loading,
    /// A fresh state whose first full scan is not committed yet.
    FirstScan,
    /// The flow families are shown.
    Ready,
}

impl Readiness {
    /// Why, in a few words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "the state is not loaded yet",
            Self::FirstScan => "the first full scan is not committed yet",
            Self::Ready => "ready",
        }
    }
}

/// All that can be shown. Shared by the tasks that feed it and the server that reads it.
#[derive(Debug)]
pub struct Exposition {
    /// Together, so that no scrape sees the state under one configuration and the prices of another.
    shown: RwLock<Shown>,
    own: Mutex<SelfMetrics>,
}

#[derive(Debug, Clone)]
struct Shown {
    fixed: Arc<Static>,
    snapshot: Option<Arc<Snapshot>>,
    /// Texts of this snapshot and of no other.
    texts: Arc<FlowTexts>,
}

impl Shown {
    fn show(&mut self, snapshot: Arc<Snapshot>, texts: FlowTexts) {
        if !self.is_showing(&snapshot) {
            self.snapshot = Some(snapshot);
            self.texts = Arc::new(texts);
        }
    }

    /// After a cycle without a commit it is the same one, and its texts stay.
    fn is_showing(&self, snapshot: &Arc<Snapshot>) -> bool {
        self.snapshot.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, snapshot))
    }

    /// Whether the state is loaded and a source has had no full scan yet.
    fn is_waiting_for(&self, source: &str) -> bool {
        let progress = |snapshot: &Arc<Snapshot>| snapshot.sources.get(source).copied().unwrap_or_default();
        self.snapshot.as_ref().is_some_and(|snapshot| !progress(snapshot).is_read())
    }

    /// The flow families; `None` while no state is loaded.
    fn flows(&self, format: Format) -> Option<&Arc<Rendered>> {
        self.snapshot.as_ref().map(|snapshot| self.texts.of(snapshot, format))
    }
}

impl Exposition {
    /// Nothing loaded, nothing counted.
    pub fn new(fixed: Static) -> Self {
        let own = Mutex::new(SelfMetrics::new(fixed.sources.keys()));
        let shown = Shown { fixed: Arc::new(fixed), snapshot: None, texts: Arc::default() };
        Self { shown: RwLock::new(shown), own }
    }

    /// Goes over to another configuration, and to the state as it is under that one; `None`: which has not changed.
    /// What has been counted stays.
    pub fn reconfigure(&self, fixed: Static, snapshot: Option<Arc<Snapshot>>) {
        self.own().show(fixed.sources.keys());
        let mut shown = self.shown_mut();
        shown.fixed = Arc::new(fixed);
        if let Some(snapshot) = snapshot {
            shown.show(snapshot, FlowTexts::default());
        }
    }

    /// Counts an event that happened at `at`.
    pub fn observe(&self, event: &Event, at: Timestamp) {
        self.own().observe(event, at);
    }

    /// Shows this state from now on. If the one before was scraped, the next scrape finds this one's text: until it is
    /// made the one before is shown, and none has to wait.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        let before = self.shown();
        if !before.is_showing(&snapshot) {
            let texts = before.texts.made_of(&snapshot);
            self.shown_mut().show(snapshot, texts);
        }
    }

    /// Whether the state is loaded and has had its first full scan.
    pub fn readiness(&self) -> Readiness {
        readiness(self.shown().snapshot.as_deref())
    }

    /// Why a source cannot be scanned, or not be read for the first time, and when that is tried again.
    fn failure(&self, shown: &Shown, source: &str) -> Option<String> {
        let waited = shown.is_waiting_for(source);
        let own = self.own();
        own.failure(source, waited)
            .map(|Failure { error, next_try }| format!("{error}; next try at {next_try}"))
    }

    /// Readiness in words, and each source that is waited for or cannot be scanned.
    fn readiness_text(&self) -> (Readiness, String) {
        let shown = self.shown();
        let readiness = readiness(shown.snapshot.as_deref());
        let mut text = format!("{}\n", readiness.as_str());
        for source in shown.fixed.sources.keys() {
            let state = match self.failure(&shown, source) {
                Some(failure) => failure,
                None if !shown.is_waiting_for(source) => continue,
                None => landing::course(&self.own().progress(source)),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "source {source}: {state}");
        }
        (readiness, text)
    }

    /// One scrape.
    pub fn render(&self, now: Timestamp, format: Format) -> String {
        let (flows, rest) = self.parts(now, format);
        flows.map_or_else(String::new, |flows| flows.text.clone()) + &rest
    }

    /// The same as what is shared with all scrapes of a commit, and what follows it.
    fn parts(&self, now: Timestamp, format: Format) -> (Option<Arc<Rendered>>, String) {
        let shown = self.shown();
        let rest = self.rest(&shown, now, format);
        (shown.flows(format).cloned(), rest)
    }

    /// One scrape, compressed.
    pub fn render_gzip(&self, now: Timestamp, format: Format) -> Vec<u8> {
        let shown = self.shown();
        let rest = self.rest(&shown, now, format);
        let nothing = Arc::default();
        format::gzip(shown.flows(format).unwrap_or(&nothing).deflated(), rest.as_bytes())
    }

    /// All that comes after the flow families.
    fn rest(&self, shown: &Shown, now: Timestamp, format: Format) -> String {
        let Shown { fixed, snapshot, .. } = shown;
        let committed_scans = snapshot.as_ref().map(|snapshot| {
            let of =
                |(name, source): (&Arc<str>, &SourceProgress)| Some((name.clone(), source.last_full_scan?));
            snapshot.sources.iter().filter_map(of).collect()
        });
        let counted = selfmetrics::Counted { own: self.own().clone(), committed_scans };
        let mut registry = Registry::default();
        let committed = flows::Committed { snapshot: snapshot.clone(), fixed: fixed.clone(), now };
        registry.register_collector(Box::new(committed));
        registry.register_collector(Box::new(counted));
        if let Some(process) = (fixed.process)() {
            registry.register_collector(Box::new(process));
        }
        let exposition = rendered::encoded(&registry);
        match format {
            Format::OpenMetrics => exposition,
            Format::Text => format::text_from_openmetrics(&exposition),
        }
    }

    fn shown(&self) -> Shown {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn shown_mut(&self) -> RwLockWriteGuard<'_, Shown> {
        self.shown.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&self) -> MutexGuard<'_, SelfMetrics> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn readiness(snapshot: Option<&Snapshot>) -> Readiness {
    match snapshot {
        None => Readiness::Loading,
        Some(snapshot) if !snapshot.first_scan_complete => Readiness::FirstScan,
        Some(_) => Readiness::Ready,
    }
}
