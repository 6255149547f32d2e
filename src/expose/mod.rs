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
mod month;
mod process;
mod routes;
mod selfmetrics;
mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use prometheus_client::{encoding::text, registry::Registry};

pub use format::Format;
pub use history::{HistoryFamily, HistoryWriter, SeriesLabels, Step};
pub use month::{HourlyCost, MonthFigures, figures as month_figures};
pub use process::{ProcessStats, read as read_process};
pub use server::{Bounds, Drained, serve};

use crate::{
    event::Event,
    model::{Charge, Price, Snapshot, SourceProgress, Timestamp},
};
use selfmetrics::SelfMetrics;

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
            revision: option_env!("FLOWCOST_REVISION").unwrap_or("unknown").to_owned(),
        }
    }
}

/// What does not change while the process runs.
#[derive(Debug, Clone)]
pub struct Static {
    /// Version and revision.
    pub build: BuildInfo,
    /// Names of the configured sources.
    pub sources: BTreeSet<Arc<str>>,
    /// Prices in force, by charge and AWS region.
    pub prices: BTreeMap<(Charge, Arc<str>), Price>,
    /// `budget.monthly_usd`
    pub budget_monthly_usd: Option<f64>,
    /// `budget.inter_az_ratio`
    pub budget_inter_az_ratio: Option<f64>,
    /// `limits.series`
    pub series_limit: usize,
    /// Where the process metrics come from: [`read_process`], or a fixed answer in tests.
    pub process: fn() -> Option<ProcessStats>,
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
    fixed: Arc<Static>,
    snapshot: RwLock<Option<Arc<Snapshot>>>,
    own: Mutex<SelfMetrics>,
}

impl Exposition {
    /// Nothing loaded, nothing counted.
    pub fn new(fixed: Static) -> Self {
        let own = Mutex::new(SelfMetrics::new(&fixed.sources));
        Self { fixed: Arc::new(fixed), snapshot: RwLock::new(None), own }
    }

    /// Counts an event that happened at `at`.
    pub fn observe(&self, event: &Event, at: Timestamp) {
        self.own().observe(event, at);
    }

    /// Shows this state from now on.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }

    /// Whether the state is loaded and has had its first full scan.
    pub fn readiness(&self) -> Readiness {
        readiness(self.snapshot().as_deref())
    }

    /// One scrape.
    pub fn render(&self, now: Timestamp, format: Format) -> String {
        let snapshot = self.snapshot();
        let committed_scans = snapshot.as_ref().map(|snapshot| {
            let of =
                |(name, source): (&Arc<str>, &SourceProgress)| Some((name.clone(), source.last_full_scan?));
            snapshot.sources.iter().filter_map(of).collect()
        });
        let counted = selfmetrics::Counted { own: self.own().clone(), committed_scans };
        let mut registry = Registry::default();
        let committed = flows::Committed { snapshot, fixed: self.fixed.clone(), now };
        registry.register_collector(Box::new(committed));
        registry.register_collector(Box::new(counted));
        if let Some(process) = (self.fixed.process)() {
            registry.register_collector(Box::new(process));
        }
        let mut exposition = String::new();
        text::encode(&mut exposition, &registry).expect("a string takes every write");
        match format {
            Format::OpenMetrics => exposition,
            Format::Text => format::text_from_openmetrics(&exposition),
        }
    }

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
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
