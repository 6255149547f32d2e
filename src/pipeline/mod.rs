//! One ingest cycle: find what is new in every source, read it, commit it, tell of it.
//!
//! Completion is per object: a slow, denied or broken object holds up nothing but itself. What has been committed
//! when a cycle is cut short stays; the rest is found again, because it is not in the set of settled keys.

mod committer;
mod difference;
mod overlaps;
mod source;

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError, TryLockError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use committer::Committer;
use source::{AtWork, Source, Turn};

use crate::{
    accumulate::{DigestLimits, digest},
    classify::Classifier,
    decode::Input,
    event::{Event, Observer},
    ledger::{Ledger, LedgerError, Requests},
    limits,
    model::{
        Candidate, Clock, Hour, ObjectOutcome, Origin, Quarantine, QuarantineReason, Settled, Settlement,
        Snapshot, SourceProgress, Timestamp,
    },
    reader::{self, Reader},
    store::chain,
};

/// What the cycle needs to know of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Pause between the beginnings of two cycles.
    pub poll_interval: Duration,
    /// How old a partition may be and still be read.
    pub lookback: Duration,
    /// How long the ledger keeps hours apart.
    pub keep: Duration,
    /// Where a source begins at its first start; default: one lookback ago.
    pub start: Option<Timestamp>,
    /// Objects fetched and decoded at a time, over all sources.
    pub concurrency: usize,
    /// Largest object that is fetched.
    pub object_bytes: u64,
    /// What one object may cost and contain.
    pub digest: DigestLimits,
}

/// Reads one object: what it adds, or why it adds nothing.
pub type Digest = fn(Input, &Origin, &Classifier, &DigestLimits) -> Settlement;

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
    reader: Reader,
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
        sources: Vec<reader::Source>,
        ledger: SharedLedger,
        unfinished: Vec<Candidate>,
        observer: Observer,
        publish: Publish,
        clock: Clock,
    ) -> Self {
        Self {
            sources: numbered(sources),
            context: Context {
                reader: Reader::new(read_limits(&settings)),
                settings,
                ledger,
                observer,
                publish,
                clock,
                digest,
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
    pub fn reconfigure(
        &mut self,
        settings: Settings,
        sources: Vec<reader::Source>,
        unfinished: Vec<Candidate>,
    ) {
        self.sources = numbered(sources);
        self.context.reader.set_limits(read_limits(&settings));
        self.context.settings = settings;
        self.unfinished = unfinished;
        // The next cycle is one that looks at everything.
        self.polls = 0;
    }

    /// Cycles until it is told to stop. Returns only then: a fault of the disk or of a source makes it wait and try
    /// again, with the last committed state still shown.
    pub async fn run(&mut self, stop: CancellationToken) {
        let mut failures = 0;
        let mut poll_at = Duration::ZERO;
        let mut first_scan = None;
        while !stop.is_cancelled() {
            let began = self.context.clock.elapsed();
            let ended = if first_scan.is_some() {
                self.turn(Turn::FirstScans, &stop).await
            } else {
                poll_at = began.saturating_add(self.context.settings.poll_interval);
                self.cycle(&stop).await
            };
            failures = if ended.is_ok() { 0 } else { failures + 1 };
            if let Err(error) = ended {
                let retry_in = backoff(self.context.settings.poll_interval, failures);
                poll_at = began.saturating_add(retry_in);
                let state = self.context.ledger.with(|ledger| ledger.path().to_owned()).await;
                let advice = error.advice();
                self.context.tell(&Event::CommitFailed { state, error: chain(&error), advice, retry_in });
            }
            first_scan = self.next_first_scan().filter(|at| failures == 0 && *at < poll_at);
            let due = first_scan.unwrap_or(poll_at);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(due.saturating_sub(self.context.clock.elapsed())) => {}
            }
        }
    }

    /// When the next first scan that has failed is tried again, in elapsed time.
    fn next_first_scan(&self) -> Option<Duration> {
        self.sources.iter().filter_map(Source::next_first_scan).min()
    }

    /// One cycle over all sources. An error is one of the ledger: nothing of the failed batch counts.
    pub async fn cycle(&mut self, stop: &CancellationToken) -> Result<(), LedgerError> {
        let full = self.polls.is_multiple_of(limits::FULL_SCAN_EVERY);
        self.polls = self.polls.wrapping_add(1);
        self.turn(Turn::Poll { full }, stop).await
    }

    async fn turn(&mut self, turn: Turn, stop: &CancellationToken) -> Result<(), LedgerError> {
        let context = &self.context;
        let stop = stop.child_token();
        let backlogs: Vec<_> = self.sources.iter().map(Source::backlog).collect();
        let unfinished = self.unfinished.iter().map(set_aside).collect();
        self.committer.commit(context, &backlogs, unfinished).await?;
        self.unfinished.clear();
        let requests = match turn {
            Turn::Poll { .. } => {
                let requests = context.ledger.with(|ledger| {
                    ledger.catch_up()?;
                    ledger.take_requests()
                });
                requests.await?
            }
            Turn::FirstScans => Requests::default(),
        };
        if requests.dropped > 0 {
            context.tell(&Event::QuarantineDropped { objects: requests.dropped });
        }
        let (done, queue) = mpsc::channel(limits::COMMIT_OBJECTS);
        let enough = stop.child_token();
        let at_work = AtWork::new(self.sources.len());
        let scans = join_all(self.sources.iter_mut().map(|source| {
            let asked = requests.retry.iter().filter(|candidate| source.owns(candidate)).cloned().collect();
            source.run(context, turn, asked, done.clone(), &at_work, &stop, &enough)
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
        let (outcomes, committed) = tokio::join!(scans, self.committer.run(context, &backlogs, queue, &stop));
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
        self.show_without_unread().await?;
        if turn == (Turn::Poll { full: true }) {
            self.retry_unfinished(&stop).await?;
            self.fold().await?;
            self.retire().await?;
        }
        self.publish().await;
        Ok(())
    }

    /// Shows the flow families although some sources have not been read yet, when they were waited for long enough and
    /// only their faults keep them: while they are busy with a long backlog the others wait.
    async fn show_without_unread(&self) -> Result<(), LedgerError> {
        let now = self.context.clock.now();
        let snapshot = self.context.ledger.with(|ledger| ledger.snapshot()).await;
        if snapshot.first_scan_complete {
            return Ok(());
        }
        let read = |source: &Source| snapshot.sources.get(source.name()).is_some_and(SourceProgress::is_read);
        let unread: Vec<&Source> = self.sources.iter().filter(|source| !read(source)).collect();
        if !unread.iter().all(|source| source.is_in_trouble()) {
            return Ok(());
        }
        let show = move |ledger: &mut Ledger| ledger.show_without_unread(now, limits::FIRST_SCAN_WAIT);
        if !self.context.ledger.with(show).await? {
            return Ok(());
        }
        self.publish().await;
        for source in unread {
            source.tell_left_behind(&self.context);
        }
        let objects = snapshot.objects.get(ObjectOutcome::Counted);
        self.context.tell(&Event::FirstScanComplete { objects });
        Ok(())
    }

    /// Tries objects that the process died over once more, alone: most were only under way when something else
    /// ended the process.
    async fn retry_unfinished(&mut self, stop: &CancellationToken) -> Result<(), LedgerError> {
        let backlogs: Vec<_> = self.sources.iter().map(Source::backlog).collect();
        for candidate in self.context.ledger.with(|ledger| ledger.unfinished()).await? {
            let Some(source) = self.sources.iter().find(|source| source.owns(&candidate)) else { continue };
            if let Some(done) = source.retry(&self.context, candidate, stop).await {
                self.committer.commit(&self.context, &backlogs, vec![done]).await?;
            }
        }
        Ok(())
    }

    /// Lets go of what is older than the ledger keeps.
    async fn fold(&self) -> Result<(), LedgerError> {
        let now = Hour::of(self.context.clock.now());
        let keep = i64::try_from(self.context.settings.keep.as_secs()).unwrap_or(i64::MAX) / Hour::SECONDS;
        let fold = move |ledger: &mut Ledger| {
            // A clock that runs far ahead must not fold what is recent by the records.
            let Some(newest) = ledger.newest_hour() else { return Ok(0) };
            ledger.fold(Hour(now.min(newest).0 - keep))
        };
        let hours = self.context.ledger.with(fold).await?;
        if hours > 0 {
            self.context.tell(&Event::HoursFolded { hours });
        }
        Ok(())
    }

    /// Takes label sets off the metrics that no source's rules can produce any more.
    async fn retire(&self) -> Result<(), LedgerError> {
        let now = self.context.clock.now();
        let classifiers: Vec<_> = self.sources.iter().map(Source::classifier).collect();
        let retire = move |ledger: &mut Ledger| {
            // A clock that runs far ahead makes nothing old.
            let Some(newest) = ledger.newest_hour() else { return Ok(0) };
            let since = now.min(newest.end()).minus(limits::RETIRES_AFTER);
            ledger.retire(since, now, |key| classifiers.iter().any(|rules| rules.can_produce(key)))
        };
        let label_sets = self.context.ledger.with(retire).await?;
        if label_sets > 0 {
            self.context.tell(&Event::LabelSetsRetired { label_sets });
        }
        Ok(())
    }

    /// Shows what is committed now.
    pub async fn publish(&self) {
        let snapshot = self.context.ledger.with(|ledger| ledger.snapshot()).await;
        self.context.show(snapshot).await;
    }
}

fn read_limits(settings: &Settings) -> reader::Limits {
    reader::Limits { concurrency: settings.concurrency, object_bytes: settings.object_bytes }
}

fn numbered(sources: Vec<reader::Source>) -> Vec<Source> {
    sources.into_iter().enumerate().map(|(at, logs)| Source::new(at, logs)).collect()
}

fn set_aside(candidate: &Candidate) -> Done {
    let detail = format!("the process ended {} times while decoding it", limits::DECODE_ATTEMPTS);
    let settlement = Settlement::Quarantined(Quarantine { reason: QuarantineReason::Unfinished, detail });
    Done { settled: Settled { candidate: candidate.clone(), settlement, fetched: 0 }, in_flight: None }
}

/// The same for a source that has never been read: seconds.
fn first_backoff(failures: u32) -> Duration {
    backoff(limits::FIRST_SCAN_RETRY, failures).min(limits::FIRST_SCAN_RETRY_MAX)
}

/// Doubles with every failure, with jitter, up to the longest pause.
fn backoff(first: Duration, failures: u32) -> Duration {
    let ceiling =
        first.saturating_mul(1 << failures.min(16)).clamp(first, limits::SCAN_BACKOFF_MAX.max(first));
    first + ceiling.saturating_sub(first).mul_f64(fastrand::f64())
}
