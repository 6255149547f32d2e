//! One ingest cycle: find what is new in every source, read it, commit it, tell of it.
//!
//! Completion is per object: a slow, denied or broken object holds up nothing but itself. What has been committed
//! when a cycle is cut short stays; the rest is found again, because it is not in the set of settled keys.

mod committer;
mod decoders;
mod difference;
mod overlaps;
mod progress;
mod source;

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError, TryLockError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use committer::Committer;
use decoders::Decoders;
use source::Source;
pub(crate) use source::panicked;

use crate::{
    accumulate::{DigestLimits, digest},
    classify::Classifier,
    decode::Input,
    discover::SourceSpec,
    event::{Event, Observer},
    ledger::{Ledger, LedgerError},
    limits,
    model::{
        Candidate, Clock, Hour, Partition, Quarantine, QuarantineReason, Settled, Settlement, Snapshot,
        Timestamp,
    },
    store::{ObjectStore, chain},
};

/// What the cycle needs to know of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Pause between the beginnings of two cycles.
    pub poll_interval: Duration,
    /// How old a partition may be and still be read.
    pub lookback: Duration,
    /// Where a source begins at its first start; default: one lookback ago.
    pub start: Option<Timestamp>,
    /// Objects fetched and decoded at a time, over all sources.
    pub concurrency: usize,
    /// Largest object that is fetched.
    pub object_bytes: u64,
    /// What one object may cost and contain.
    pub digest: DigestLimits,
}

/// One source with what reads and judges it.
pub struct SourceParts {
    /// What to look for.
    pub spec: SourceSpec,
    /// Where.
    pub store: Arc<dyn ObjectStore>,
    /// How its records are judged.
    pub classifier: Arc<Classifier>,
}

/// Reads one object: what it adds, or why it adds nothing.
pub type Digest = fn(Input, &Partition, &Classifier, &DigestLimits) -> Settlement;

/// Takes every committed snapshot.
pub type Publish = Arc<dyn Fn(Arc<Snapshot>) + Send + Sync>;

/// What all stages of a cycle share.
struct Context {
    settings: Settings,
    ledger: SharedLedger,
    observer: Observer,
    publish: Publish,
    clock: Clock,
    digest: Digest,
    decoders: Decoders,
    slots: Semaphore,
    /// Why a reader of the ledger ended the cycle.
    failure: Mutex<Option<LedgerError>>,
}

impl Context {
    /// A reader of the ledger cannot go on: the cycle ends as if it were stopped, and the next one looks again.
    fn ledger_failed(&self, error: LedgerError, stop: &CancellationToken) {
        stop.cancel();
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn take_failure(&self) -> Result<(), LedgerError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    fn tell(&self, event: &Event) {
        (self.observer)(event);
    }

    /// Shows a committed snapshot. Its text may be made at once, which takes a while.
    async fn show(&self, snapshot: Arc<Snapshot>) {
        let publish = Arc::clone(&self.publish);
        on_blocking_pool(move || publish(snapshot)).await;
    }
}

/// The ledger behind its lock. All access is on the blocking pool, but for a glance: a commit waits for the disk, and a
/// scrape must not wait for that.
#[derive(Clone)]
pub struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    /// Shares a ledger.
    pub fn new(ledger: Ledger) -> Self {
        Self(Arc::new(Mutex::new(ledger)))
    }

    /// Does something with the ledger, on the blocking pool.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Ledger) -> T + Send + 'static,
    ) -> T {
        let ledger = self.0.clone();
        on_blocking_pool(move || {
            // The ledger changes its memory only after the transaction that makes the change durable, so a panic
            // cannot have left it half changed.
            work(&mut ledger.lock().unwrap_or_else(PoisonError::into_inner))
        })
        .await
    }

    /// Does something with the ledger's memory at once, unless it is at work for somebody else. Not for what reads the
    /// disk, which would hold up a thread of the runtime.
    pub(crate) fn glance<T>(&self, look: impl FnOnce(&Ledger) -> T) -> Option<T> {
        match self.0.try_lock() {
            Ok(ledger) => Some(look(&ledger)),
            Err(TryLockError::Poisoned(ledger)) => Some(look(&ledger.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Waits for what would hold up a thread of the runtime. A panic goes on where it is waited for.
async fn on_blocking_pool<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being dropped: nobody is left to take a result.
            Err(_) => std::future::pending().await,
        },
    }
}

/// What travels from the readers to the committer.
struct Done {
    settled: Settled,
    /// Index of the source, where the object was in flight.
    in_flight: Option<usize>,
}

/// The ingest loop.
pub struct Pipeline {
    context: Context,
    sources: Vec<Source>,
    committer: Committer,
    /// Objects that the process has died over too often, to be set aside first.
    unfinished: Vec<Candidate>,
    polls: u32,
}

impl Pipeline {
    /// Puts the parts together. Does nothing yet. `unfinished` is what the ledger reported when it was opened.
    pub fn new(
        settings: Settings,
        sources: Vec<SourceParts>,
        ledger: SharedLedger,
        unfinished: Vec<Candidate>,
        observer: Observer,
        publish: Publish,
        clock: Clock,
    ) -> Self {
        let slots = slots(&settings);
        Self {
            sources: numbered(sources),
            context: Context {
                settings,
                ledger,
                observer,
                publish,
                clock,
                digest,
                decoders: Decoders::new(),
                slots,
                failure: Mutex::new(None),
            },
            committer: Committer::default(),
            unfinished,
            polls: 0,
        }
    }

    /// Reads objects in another way: a test has no object over which the decoders are known to panic.
    pub fn reading_by(mut self, digest: Digest) -> Self {
        self.context.digest = digest;
        self
    }

    /// Goes over to another configuration, between two runs. The ledger has gone over before, and reported `unfinished`.
    /// What has been said once is not said again.
    pub fn reconfigure(&mut self, settings: Settings, sources: Vec<SourceParts>, unfinished: Vec<Candidate>) {
        self.sources = numbered(sources);
        self.context.slots = slots(&settings);
        self.context.settings = settings;
        self.unfinished = unfinished;
        // The next cycle is one that looks at everything.
        self.polls = 0;
    }

    /// Cycles until it is told to stop. Returns only then: a fault of the disk or of a source makes it wait and try
    /// again, with the last committed state still shown.
    pub async fn run(&mut self, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let began = self.context.clock.elapsed();
            let pause = match self.cycle(&stop).await {
                Ok(()) => {
                    failures = 0;
                    self.context.settings.poll_interval
                }
                Err(error) => {
                    failures += 1;
                    let retry_in = backoff(self.context.settings.poll_interval, failures);
                    let state = self.context.ledger.with(|ledger| ledger.path().to_owned()).await;
                    let advice = error.advice();
                    self.context.tell(&Event::CommitFailed { state, error: chain(&error), advice, retry_in });
                    retry_in
                }
            };
            let spent = self.context.clock.elapsed().saturating_sub(began);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause.saturating_sub(spent)) => {}
            }
        }
    }

    /// One cycle over all sources. An error is one of the ledger: nothing of the failed batch counts.
    pub async fn cycle(&mut self, stop: &CancellationToken) -> Result<(), LedgerError> {
        let beat = self.polls.is_multiple_of(limits::FULL_SCAN_EVERY);
        self.polls = self.polls.wrapping_add(1);
        let context = &self.context;
        let stop = stop.child_token();
        let counters: Vec<_> = self.sources.iter().map(Source::counters).collect();
        let unfinished = self.unfinished.iter().map(set_aside).collect();
        self.committer.commit(context, &counters, unfinished).await?;
        self.unfinished.clear();
        let requests = context.ledger.with(|ledger| ledger.take_requests()).await?;
        if requests.dropped > 0 {
            context.tell(&Event::QuarantineDropped { objects: requests.dropped });
        }
        let (done, queue) = mpsc::channel(limits::COMMIT_OBJECTS);
        let enough = stop.child_token();
        let scans = join_all(self.sources.iter_mut().map(|source| {
            let asked = requests.retry.iter().filter(|candidate| source.owns(candidate)).cloned().collect();
            source.run(context, beat, asked, done.clone(), &stop, &enough)
        }));
        let scans = async {
            let mut scans = pin!(scans);
            tokio::select! {
                outcomes = &mut scans => return outcomes,
                () = tokio::time::sleep(limits::CYCLE_BUDGET) => enough.cancel(),
            }
            scans.await
        };
        // The committer ends when the last sender is gone: each scan drops its own.
        drop(done);
        let (outcomes, committed) = tokio::join!(scans, self.committer.run(context, &counters, queue, &stop));
        let committed = context.take_failure().and(committed);
        if committed.is_err() {
            self.sources.iter_mut().for_each(Source::scan_all_next);
        }
        committed?;
        if stop.is_cancelled() {
            return Ok(());
        }
        let mut finished = Ok(());
        for (source, outcome) in self.sources.iter_mut().zip(outcomes) {
            if let Err(error) = source.finish(context, outcome).await {
                source.scan_all_next();
                finished = Err(error);
            }
        }
        finished?;
        if beat {
            self.retry_unfinished(&stop).await?;
            self.fold().await?;
        }
        self.publish().await;
        Ok(())
    }

    /// Tries objects that the process died over once more, alone: most were only under way when something else
    /// ended the process.
    async fn retry_unfinished(&mut self, stop: &CancellationToken) -> Result<(), LedgerError> {
        let counters: Vec<_> = self.sources.iter().map(Source::counters).collect();
        for candidate in self.context.ledger.with(|ledger| ledger.unfinished()).await? {
            let Some(source) = self.sources.iter().find(|source| source.owns(&candidate)) else { continue };
            if let Some(done) = source.retry(&self.context, candidate, stop).await {
                self.committer.commit(&self.context, &counters, vec![done]).await?;
            }
        }
        Ok(())
    }

    /// Lets go of what is older than the ledger keeps.
    async fn fold(&self) -> Result<(), LedgerError> {
        let now = Hour::of(self.context.clock.now());
        let fold = move |ledger: &mut Ledger| {
            // A clock that runs far ahead must not fold what is recent by the records.
            let Some(newest) = ledger.newest_hour() else { return Ok(0) };
            ledger.fold(Hour(now.min(newest).0 - limits::LEDGER_HOURS))
        };
        let hours = self.context.ledger.with(fold).await?;
        if hours > 0 {
            self.context.tell(&Event::HoursFolded { hours });
        }
        Ok(())
    }

    /// Shows what is committed now.
    pub async fn publish(&self) {
        let snapshot = self.context.ledger.with(|ledger| ledger.snapshot()).await;
        self.context.show(snapshot).await;
    }
}

fn slots(settings: &Settings) -> Semaphore {
    Semaphore::new(settings.concurrency.max(1))
}

fn numbered(sources: Vec<SourceParts>) -> Vec<Source> {
    sources.into_iter().enumerate().map(|(at, parts)| Source::new(at, parts)).collect()
}

fn set_aside(candidate: &Candidate) -> Done {
    let detail = format!("the process ended {} times while decoding it", limits::DECODE_ATTEMPTS);
    let settlement = Settlement::Quarantined(Quarantine { reason: QuarantineReason::Unfinished, detail });
    Done { settled: Settled { candidate: candidate.clone(), settlement, fetched: 0 }, in_flight: None }
}

/// Doubles with every failure, with jitter, up to the longest pause.
fn backoff(first: Duration, failures: u32) -> Duration {
    let ceiling =
        first.saturating_mul(1 << failures.min(16)).clamp(first, limits::SCAN_BACKOFF_MAX.max(first));
    first + ceiling.saturating_sub(first).mul_f64(fastrand::f64())
}
