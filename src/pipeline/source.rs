//! One source in one cycle: list, take the difference with what is settled, read what is left.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::{
    sync::mpsc,
    time::{error::Elapsed, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Context, Done, SourceParts, backoff,
    difference::{Work, decide, drop_unchanged},
    progress::Course,
};
use crate::{
    classify::Classifier,
    discover::{self, Discovery, Found, Scan, window},
    event::{Event, ScanKind},
    fetch::{FetchError, Fetched, fetch_or_begin},
    ledger::{LedgerError, ScanProgress},
    limits,
    model::{
        Candidate, Listed, ObjectId, ObjectOutcome, Quarantine, QuarantineReason, Settled, Settlement,
        Timestamp,
    },
    store::{FailureReason, ObjectStore, StoreError, chain},
};

/// One source between cycles.
pub(super) struct Source {
    at: usize,
    name: Arc<str>,
    discovery: Discovery,
    store: Arc<dyn ObjectStore>,
    classifier: Arc<Classifier>,
    counters: Arc<Counters>,
    told_regions: BTreeSet<String>,
    scan_failures: u32,
    /// Elapsed time before which it is left alone.
    not_before: Duration,
    full_due: bool,
}

/// What others may see of a source while it runs.
#[derive(Debug)]
pub(super) struct Counters {
    source: Arc<str>,
    /// Objects found and neither put back nor committed.
    pub(super) in_flight: AtomicU64,
    put_back: Mutex<BTreeMap<ObjectId, PutBack>>,
    /// Objects fetched and read since the last scan that was complete.
    read: AtomicU64,
    /// More objects were put back than are remembered.
    overflowed: AtomicBool,
    course: Mutex<Course>,
}

/// An object that could not be read, until it is tried again.
#[derive(Debug, Clone)]
struct PutBack {
    candidate: Candidate,
    failures: u32,
    due: Duration,
    /// It is being tried again right now.
    in_flight: bool,
}

impl Counters {
    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<ObjectId, PutBack>> {
        self.put_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn course(&self) -> std::sync::MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object of this source, with so many records, is not in flight any more but durable.
    pub(super) fn settle(&self, records: u64) {
        self.course().settle(records);
    }

    /// Tells how many objects are found but not settled, and now and then how far it has come.
    pub(super) fn tell(&self, context: &Context) {
        let waiting = self.waiting().values().filter(|one| !one.in_flight).count();
        let objects = self.in_flight.load(Ordering::Relaxed) + waiting as u64;
        let (progress, due) = self.course().look(objects, context.clock.elapsed());
        context.tell(&Event::Pending { source: self.source.clone(), objects, progress });
        if due {
            context.tell(&Event::BacklogProgress { source: self.source.clone(), progress });
        }
    }
}

/// A scan that has listed all open partitions to their ends.
pub(super) struct Outcome {
    now: Timestamp,
    /// None has been complete before.
    first: bool,
    /// Partitions that end earlier have left the window.
    open_from: Timestamp,
    /// Objects that came too late were looked for as well.
    late: bool,
}

impl Source {
    pub(super) fn new(at: usize, parts: SourceParts) -> Self {
        let name = parts.spec.name.clone();
        Self {
            at,
            counters: Arc::new(Counters {
                source: name.clone(),
                in_flight: AtomicU64::new(0),
                put_back: Mutex::default(),
                read: AtomicU64::new(0),
                overflowed: AtomicBool::new(false),
                course: Mutex::default(),
            }),
            name,
            discovery: Discovery::new(parts.spec),
            store: parts.store,
            classifier: parts.classifier,
            told_regions: BTreeSet::new(),
            scan_failures: 0,
            not_before: Duration::ZERO,
            full_due: true,
        }
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    pub(super) fn scan_all_next(&mut self) {
        self.full_due = true;
    }

    /// How far the source has been read. Where it begins is fixed here, once for ever: after the store has answered,
    /// so that a host that boots with a wrong clock and no network does not fix it at a wrong time.
    async fn progress(&self, context: &Context, stop: &CancellationToken) -> Option<ScanProgress> {
        let begin = window::begin(context.clock.now(), context.settings.lookback, context.settings.start);
        let name = self.name.clone();
        let progress = context.ledger.with(move |ledger| {
            if ledger.scan_progress(&name).is_none() {
                ledger.set_begin(&name, begin)?;
            }
            Ok::<_, LedgerError>(ledger.scan_progress(&name))
        });
        match progress.await {
            Ok(progress) => progress,
            Err(error) => {
                context.ledger_failed(error, stop);
                None
            }
        }
    }

    /// Lists and reads, also what was `asked` for in quarantine. Ends when everything found is with the committer or
    /// put back.
    pub(super) async fn run(
        &mut self,
        context: &Context,
        beat: bool,
        asked: Vec<Candidate>,
        done: mpsc::Sender<Done>,
        stop: &CancellationToken,
        enough: &CancellationToken,
    ) -> Option<Outcome> {
        self.counters.in_flight.store(0, Ordering::Relaxed);
        self.counters.waiting().values_mut().for_each(|one| one.in_flight = false);
        if context.clock.elapsed() < self.not_before {
            return None;
        }
        self.counters.course().begin(context.clock.elapsed());
        let full = beat || self.full_due;
        let kind = if full { ScanKind::Full } else { ScanKind::Recent };
        if full && let Err(error) = until(stop, self.discovery.find_roots(&*self.store)).await? {
            self.failed(context, kind, &error);
            return None;
        }
        self.tell_regions(context);
        let now = context.clock.now();
        let progress = self.progress(context, stop).await?;
        let begin = progress.begin;
        let open = window::open(now, context.settings.lookback, begin, progress.scanned_through);
        let scan = if full {
            self.discovery.scan(open, true)
        } else {
            self.discovery.scan_some(open.recent(now), context.settings.poll_interval)
        };
        let (candidates, backlog) = mpsc::channel(limits::BACKLOG_OBJECTS);
        let list = self.list(context, kind, scan, asked, candidates, &done, enough);
        let read = self.read(context, backlog, &done, stop, enough);
        let (scan, ()) = tokio::join!(list, read);
        let Some(mut scan) = scan.filter(|_| !enough.is_cancelled()) else {
            // Not to its end, so the next one looks at everything again.
            self.full_due = true;
            return None;
        };
        if let Some(error) = scan.failure() {
            self.failed(context, kind, &error);
            return None;
        }
        self.scan_failures = 0;
        self.counters.course().all_read();
        if !full {
            return None;
        }
        self.discovery.learn(&scan);
        self.full_due = false;
        let late_due = progress
            .last_late_scan
            .is_none_or(|last| now >= last.plus(limits::LATE_SCAN_EVERY) || last > now);
        let late = match open.late(context.settings.lookback, begin).filter(|_| late_due) {
            Some(late) => self.refuse_late(context, late, open, &done, enough).await.unwrap_or(false),
            None => false,
        };
        Some(Outcome { now, first: progress.scanned_through.is_none(), open_from: open.from, late })
    }

    /// Makes the end of a scan durable, after everything that it found.
    pub(super) async fn finish(
        &mut self,
        context: &Context,
        outcome: Option<Outcome>,
    ) -> Result<(), LedgerError> {
        let ended = self.counters.course().end(context.clock.elapsed());
        if let Some(progress) = ended {
            context.tell(&Event::BacklogRead { source: self.name.clone(), progress });
        }
        self.counters.tell(context);
        let Some(outcome) = outcome else { return Ok(()) };
        let Some(through) = self.read_through(context, &outcome) else { return Ok(()) };
        self.counters.read.store(0, Ordering::Relaxed);
        let name = self.name.clone();
        let (first, sealed, snapshot) = context
            .ledger
            .with(move |ledger| {
                if outcome.late {
                    ledger.finish_scan(&name, outcome.now, ScanKind::Late)?;
                }
                let first = ledger.finish_scan(&name, through, ScanKind::Full)?;
                let sealed = ledger.seal(&name, outcome.open_from)?;
                Ok::<_, LedgerError>((first, sealed, ledger.snapshot()))
            })
            .await?;
        let objects = snapshot.objects.get(ObjectOutcome::Counted);
        context.show(snapshot).await;
        if sealed > 0 {
            context.tell(&Event::PartitionsSealed { partitions: sealed });
        }
        if first {
            context.tell(&Event::FirstScanComplete { objects });
        }
        Ok(())
    }

    /// Up to when a complete scan has read the source; `None` while a first scan is not complete.
    ///
    /// Single objects that cannot be read do not hold anything up. But when nothing could be read, or more than a
    /// few objects could not, it may be a whole account or the whole source that is denied: then the window must not
    /// move on before these had their chance.
    fn read_through(&self, context: &Context, outcome: &Outcome) -> Option<Timestamp> {
        if self.counters.overflowed.swap(false, Ordering::Relaxed) {
            return None;
        }
        let waiting = self.counters.waiting();
        // What was asked for in quarantine may lie outside the window, which has nothing to wait for there.
        let waiting: Vec<&PutBack> =
            waiting.values().filter(|one| one.candidate.partition.end() > outcome.open_from).collect();
        let nothing_read = self.counters.read.load(Ordering::Relaxed) == 0;
        let single = waiting.len() <= limits::HELD_BACK_OBJECTS && !nothing_read;
        let Some(oldest) = waiting.iter().map(|one| one.candidate.partition.end()).min().filter(|_| !single)
        else {
            return Some(outcome.now);
        };
        let tried = waiting.iter().all(|one| one.failures >= limits::FIRST_SCAN_TRIES);
        if outcome.first && (nothing_read || !tried) {
            return None;
        }
        // The latest moment at which the oldest of them is still inside the window.
        let held = oldest.plus(context.settings.lookback).minus(Duration::from_secs(1));
        Some(held.max(outcome.now.minus(limits::HELD_BACK)).min(outcome.now))
    }

    fn failed(&mut self, context: &Context, kind: ScanKind, error: &StoreError) {
        self.full_due = true;
        self.scan_failures += 1;
        let retry_in = backoff(context.settings.poll_interval, self.scan_failures);
        self.not_before = context.clock.elapsed() + retry_in;
        let source = self.name.clone();
        context.tell(&Event::ScanFailed {
            source,
            kind,
            reason: error.reason,
            error: chain(error),
            retry_in,
        });
    }

    fn tell_regions(&mut self, context: &Context) {
        for region in self.discovery.foreign_regions() {
            if self.told_regions.len() < limits::HINTS && !self.told_regions.contains(region) {
                self.told_regions.insert(region.to_owned());
                context.tell(&Event::ForeignRegion { source: self.name.clone(), region: Arc::from(region) });
            }
        }
    }

    /// Lists to the end and passes on what is not settled. `None` when it was stopped.
    #[allow(clippy::too_many_arguments, reason = "what a source has in one cycle")]
    async fn list(
        &self,
        context: &Context,
        kind: ScanKind,
        mut scan: Scan,
        mut asked: Vec<Candidate>,
        candidates: mpsc::Sender<Candidate>,
        done: &mpsc::Sender<Done>,
        stop: &CancellationToken,
    ) -> Option<Scan> {
        let began = context.clock.elapsed();
        let due: Vec<Candidate> = {
            let waiting = self.counters.waiting();
            waiting.values().filter(|one| one.due <= began).map(|one| one.candidate.clone()).collect()
        };
        let mut queued: BTreeSet<ObjectId> = BTreeSet::new();
        for candidate in due {
            queued.insert(candidate.listed.id.clone());
            self.queue(&candidates, candidate, stop).await?;
        }
        // One that could not be read waits like any other. What is new is read before what was asked for.
        asked.retain(|candidate| !self.counters.waiting().contains_key(&candidate.listed.id));
        queued.extend(asked.iter().map(|candidate| candidate.listed.id.clone()));
        let mut new = 0;
        while let Some(found) = until(stop, scan.next(&*self.store)).await? {
            for work in self.difference(context, found, stop).await? {
                match work {
                    Work::Read(candidate) if queued.contains(&candidate.listed.id) => {}
                    Work::Read(candidate) => {
                        if self.is_waiting(&candidate, began) {
                            continue;
                        }
                        new += 1;
                        self.queue(&candidates, candidate, stop).await?;
                    }
                    Work::Settle(settled) => {
                        until(stop, done.send(Done { settled, in_flight: None })).await?.ok()?;
                    }
                }
            }
            self.counters.tell(context);
        }
        if !asked.is_empty() {
            let source = self.name.clone();
            context.tell(&Event::QuarantineRetried { source, objects: asked.len() as u64 });
        }
        for candidate in asked {
            self.queue(&candidates, candidate, stop).await?;
        }
        let duration = context.clock.elapsed().saturating_sub(began);
        if !scan.has_failed() {
            self.counters.course().all_listed();
            context.tell(&Event::ScanFinished {
                source: self.name.clone(),
                kind,
                listed: scan.listed(),
                found: new,
                duration,
            });
        }
        Some(scan)
    }

    async fn queue(
        &self,
        candidates: &mpsc::Sender<Candidate>,
        candidate: Candidate,
        stop: &CancellationToken,
    ) -> Option<()> {
        if let Some(waiting) = self.counters.waiting().get_mut(&candidate.listed.id) {
            waiting.in_flight = true;
        }
        self.counters.in_flight.fetch_add(1, Ordering::Relaxed);
        until(stop, candidates.send(candidate)).await?.ok()
    }

    /// Whether an object that was put back is not due yet. A new version of it is due at once.
    fn is_waiting(&self, candidate: &Candidate, now: Duration) -> bool {
        let waiting = self.counters.waiting();
        waiting.get(&candidate.listed.id).is_some_and(|one| {
            one.in_flight || (one.due > now && one.candidate.listed.version == candidate.listed.version)
        })
    }

    /// What of a page is to be done: the difference with what is settled.
    async fn difference(
        &self,
        context: &Context,
        mut found: Vec<Found>,
        stop: &CancellationToken,
    ) -> Option<Vec<Work>> {
        // Of a page with nothing new that is all: no other thread, and nothing is copied.
        let glanced = context.ledger.glance(|ledger| drop_unchanged(ledger, &mut found)).is_some();
        if found.is_empty() {
            return Some(Vec::new());
        }
        let source = self.name.clone();
        let work = context.ledger.with(move |ledger| {
            if !glanced {
                drop_unchanged(ledger, &mut found);
            }
            let mut work = Vec::new();
            for one in found {
                let known = ledger.status(&one.listed.id, &one.partition)?;
                work.extend(decide(&source, one, known));
            }
            Ok::<_, LedgerError>(work)
        });
        match work.await {
            Ok(work) => Some(work),
            Err(error) => {
                // Without the set of settled keys nothing can be decided: the cycle ends as if it were stopped, and
                // the next one looks again.
                context.ledger_failed(error, stop);
                None
            }
        }
    }

    async fn read(
        &self,
        context: &Context,
        mut backlog: mpsc::Receiver<Candidate>,
        done: &mpsc::Sender<Done>,
        stop: &CancellationToken,
        enough: &CancellationToken,
    ) {
        stream::poll_fn(|task| backlog.poll_recv(task))
            .for_each_concurrent(context.settings.concurrency, |candidate| async {
                if enough.is_cancelled() {
                    return;
                }
                let Some(settled) = self.settle(context, candidate, stop).await else { return };
                self.counters.waiting().remove(&settled.candidate.listed.id);
                if settled.fetched > 0 {
                    self.counters.read.fetch_add(1, Ordering::Relaxed);
                }
                // Without a receiver the batch before has failed, and this object will be found again.
                let _ = done.send(Done { settled, in_flight: Some(self.at) }).await;
            })
            .await;
    }

    /// Takes up an unfinished object once more, with nothing else under way.
    pub(super) async fn retry(
        &self,
        context: &Context,
        candidate: Candidate,
        stop: &CancellationToken,
    ) -> Option<Done> {
        self.counters.in_flight.fetch_add(1, Ordering::Relaxed);
        let settled = self.settle(context, candidate, stop).await?;
        self.counters.waiting().remove(&settled.candidate.listed.id);
        Some(Done { settled, in_flight: Some(self.at) })
    }

    /// Whether an object is this source's.
    pub(super) fn owns(&self, candidate: &Candidate) -> bool {
        candidate.source == self.name
    }

    /// Fetches and digests one object. `None`: put back, or stopped.
    async fn settle(
        &self,
        context: &Context,
        mut candidate: Candidate,
        stop: &CancellationToken,
    ) -> Option<Settled> {
        let _slot = until(stop, context.slots.acquire()).await?.ok()?;
        let mut fetched = until(stop, self.fetch(context, &candidate.listed)).await?;
        if matches!(&fetched, Ok(Err(FetchError::Store(error))) if error.reason == FailureReason::Changed) {
            // It was replaced after it was listed, and no scan may come by here again.
            let now = discover::look_up(&*self.store, &candidate.listed.id.key);
            if let Ok(Some(listed)) = until(stop, now).await?
                && listed != candidate.listed
            {
                candidate.listed = listed;
                fetched = until(stop, self.fetch(context, &candidate.listed)).await?;
            }
        }
        let fetched = match fetched {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(FetchError::Quarantine(why))) => {
                return Some(Settled { candidate, settlement: Settlement::Quarantined(why), fetched: 0 });
            }
            Ok(Err(FetchError::Store(error))) if error.reason == FailureReason::NotFound => {
                return Some(Settled { candidate, settlement: Settlement::Gone, fetched: 0 });
            }
            Ok(Err(FetchError::Store(error))) if error.reason == FailureReason::Archived => {
                // Time does not change this, and a person who has it restored can ask for it.
                let detail = format!("restore it, then ask for a retry: {}", chain(&error));
                let why = Quarantine { reason: QuarantineReason::Archived, detail };
                return Some(Settled { candidate, settlement: Settlement::Quarantined(why), fetched: 0 });
            }
            Ok(Err(FetchError::Store(error))) => {
                self.put_back(context, candidate, error.reason, chain(&error));
                return None;
            }
            Err(_) => {
                let error = format!("not read within {} s", limits::OBJECT_DEADLINE.as_secs());
                self.put_back(context, candidate, FailureReason::Timeout, error);
                return None;
            }
        };
        let noted = {
            let candidate = candidate.clone();
            context.ledger.with(move |ledger| ledger.begin_decoding(&candidate)).await
        };
        if let Err(error) = noted {
            // The disk's fault, not the object's.
            context.ledger_failed(error, stop);
            return None;
        }
        let digest = context.digest;
        let classifier = self.classifier.clone();
        let partition = candidate.partition.clone();
        let digest_limits = context.settings.digest;
        let Fetched { input, bytes_fetched, parts } = fetched;
        let decoding = context.decoders.spawn(move || digest(input, &partition, &classifier, &digest_limits));
        let settlement = match until(stop, decoding).await {
            Some(Ok(settlement)) => settlement,
            Some(Err(error)) if error.is_panic() => Settlement::Quarantined(panicked(error)),
            // Stopped, by us or with the runtime.
            Some(Err(_)) | None => {
                let object = candidate.listed.id;
                // A stop is no fault of the object's.
                let _ = context.ledger.with(move |ledger| ledger.abandon_decoding(&object)).await;
                return None;
            }
        };
        if let Some(error) = parts.as_ref().and_then(|parts| parts.failure()) {
            // Whatever was made of it: not all of it was there.
            let object = candidate.listed.id.clone();
            let _ = context.ledger.with(move |ledger| ledger.abandon_decoding(&object)).await;
            if error.reason == FailureReason::NotFound {
                return Some(Settled { candidate, settlement: Settlement::Gone, fetched: 0 });
            }
            self.put_back(context, candidate, error.reason, chain(error));
            return None;
        }
        let fetched = parts.map_or(bytes_fetched, |parts| parts.bytes_fetched());
        Some(Settled { candidate, settlement, fetched })
    }

    async fn fetch(
        &self,
        context: &Context,
        listed: &Listed,
    ) -> Result<Result<Fetched, FetchError>, Elapsed> {
        let limit = context.settings.object_bytes;
        timeout(limits::OBJECT_DEADLINE, fetch_or_begin(&self.store, listed, limit)).await
    }

    fn put_back(&self, context: &Context, candidate: Candidate, reason: FailureReason, error: String) {
        let object = candidate.listed.id.clone();
        let mut waiting = self.counters.waiting();
        if reason == FailureReason::Changed {
            // What was listed is not there any more: only a new listing can say what is.
            waiting.remove(&object);
            drop(waiting);
            self.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
            let source = self.name.clone();
            let retry_in = Duration::ZERO;
            context.tell(&Event::ObjectPutBack { source, object, reason, error, retry_in });
            return;
        }
        let failures = waiting.get(&object).map_or(0, |one| one.failures) + 1;
        let retry_in =
            limits::OBJECT_RETRY.saturating_mul(1 << (failures - 1).min(10)).min(limits::OBJECT_RETRY_MAX);
        // Beyond the bound it is found again by the next full scan, and the window does not move on before.
        if waiting.len() >= limits::BACKLOG_OBJECTS && failures == 1 {
            self.counters.overflowed.store(true, Ordering::Relaxed);
        } else {
            let due = context.clock.elapsed() + retry_in;
            waiting.insert(object.clone(), PutBack { candidate, failures, due, in_flight: false });
        }
        drop(waiting);
        self.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
        let source = self.name.clone();
        context.tell(&Event::ObjectPutBack { source, object, reason, error, retry_in });
    }

    /// Looks for objects that came after their partition had left the window. `None` when it was stopped.
    async fn refuse_late(
        &self,
        context: &Context,
        late: window::Window,
        open: window::Window,
        done: &mpsc::Sender<Done>,
        stop: &CancellationToken,
    ) -> Option<bool> {
        let mut scan = self.discovery.scan(late, true);
        while let Some(found) = until(stop, scan.next(&*self.store)).await? {
            let found =
                found.into_iter().filter(|one| one.ignored.is_none() && late.is_late(&one.partition, &open));
            for work in self.difference(context, found.collect(), stop).await? {
                let Work::Read(candidate) = work else { continue };
                if self.counters.waiting().contains_key(&candidate.listed.id) {
                    continue;
                }
                let settled = Settled { candidate, settlement: Settlement::RefusedLate, fetched: 0 };
                until(stop, done.send(Done { settled, in_flight: None })).await?.ok()?;
            }
        }
        let failure = scan.failure();
        if let Some(error) = &failure {
            // The open partitions were listed all the same; the next full scan looks for late ones again.
            context.tell(&Event::ScanFailed {
                source: self.name.clone(),
                kind: ScanKind::Late,
                reason: error.reason,
                error: chain(error),
                retry_in: context.settings.poll_interval * limits::FULL_SCAN_EVERY,
            });
        }
        Some(failure.is_none())
    }
}

/// What a panic over an object makes of it.
pub(crate) fn panicked(error: tokio::task::JoinError) -> Quarantine {
    let detail = match error.try_into_panic() {
        Ok(panic) => panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "without a message".to_owned()),
        Err(error) => error.to_string(),
    };
    let detail: String = detail.chars().take(limits::DETAIL_BYTES / 4).collect();
    Quarantine { reason: QuarantineReason::Corrupt, detail: format!("the decoder panicked: {detail}") }
}

/// The value of a future, or `None` when the cycle is stopped first.
async fn until<T>(stop: &CancellationToken, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        value = future => Some(value),
    }
}
