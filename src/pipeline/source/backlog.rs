//! The objects that a source has found and that are not durable: under way, or put back for later.
//!
//! Refuses to know stores and the ledger. Bounded: what does not fit is found again by the next
//! full scan, and the window does not move on before.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{finish::Outcome, progress::Course};
use crate::{
    event::{Event, Progress},
    limits,
    model::{Candidate, ObjectId, Timestamp},
    pipeline::Context,
    store::FailureReason,
};

/// The backlog of one source, also while it runs.
#[derive(Debug)]
pub(in crate::pipeline) struct Backlog {
    source: Arc<str>,
    /// Objects found and neither put back nor committed.
    in_flight: AtomicU64,
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

impl Backlog {
    pub(super) fn new(source: Arc<str>) -> Self {
        Self {
            source,
            in_flight: AtomicU64::new(0),
            put_back: Mutex::default(),
            read: AtomicU64::new(0),
            overflowed: AtomicBool::new(false),
            course: Mutex::default(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<ObjectId, PutBack>> {
        self.put_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what a cycle that was cut short has left under way.
    pub(super) fn forget_in_flight(&self) {
        self.in_flight.store(0, Ordering::Relaxed);
        self.waiting().values_mut().for_each(|one| one.in_flight = false);
    }

    /// Begins a cycle.
    pub(super) fn begin(&self, now: Duration) {
        self.course().begin(now);
    }

    /// Notes that everything has been found.
    pub(super) fn all_listed(&self) {
        self.course().all_listed();
    }

    /// Notes that everything that was found is settled or put back.
    pub(super) fn all_read(&self) {
        self.course().all_read();
    }

    /// Ends a backlog that is over: see [`Course::end`].
    pub(super) fn end(&self, now: Duration) -> Option<Progress> {
        self.course().end(now)
    }

    /// Returns the objects that were put back and are due.
    pub(super) fn due(&self, now: Duration) -> Vec<Candidate> {
        let waiting = self.waiting();
        waiting.values().filter(|one| one.due <= now).map(|one| one.candidate.clone()).collect()
    }

    /// Whether an object was put back, due or not.
    pub(super) fn has(&self, object: &ObjectId) -> bool {
        self.waiting().contains_key(object)
    }

    /// Whether an object that was put back is not due yet. A new version of it is due at once.
    pub(super) fn is_waiting(&self, candidate: &Candidate, now: Duration) -> bool {
        let waiting = self.waiting();
        waiting.get(&candidate.listed.id).is_some_and(|one| {
            one.in_flight || (one.due > now && one.candidate.listed.version == candidate.listed.version)
        })
    }

    /// Counts an object as under way.
    pub(super) fn take_up(&self, object: &ObjectId) {
        if let Some(waiting) = self.waiting().get_mut(object) {
            waiting.in_flight = true;
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes out an object that is settled and on its way to the committer.
    pub(super) fn settled(&self, object: &ObjectId) {
        self.waiting().remove(object);
    }

    /// How many objects have been read since the last scan that was complete.
    pub(super) fn reads(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Counts an object as fetched and read.
    pub(super) fn count_read(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that an object is durable, with so many records; with `None`, that its commit failed.
    pub(in crate::pipeline) fn committed(&self, records: Option<u64>) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(records) = records {
            self.course().settle(records);
        }
    }

    /// Puts back an object that is under way. Returns when it is tried again.
    pub(super) fn put_back(&self, candidate: Candidate, reason: FailureReason, now: Duration) -> Duration {
        let retry_in = self.remember(candidate, reason, now);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        retry_in
    }

    fn remember(&self, candidate: Candidate, reason: FailureReason, now: Duration) -> Duration {
        let object = candidate.listed.id.clone();
        let mut waiting = self.waiting();
        if reason == FailureReason::Changed {
            // What was listed is not there any more: only a new listing can say what is.
            waiting.remove(&object);
            return Duration::ZERO;
        }
        let failures = waiting.get(&object).map_or(0, |one| one.failures) + 1;
        let retry_in =
            limits::OBJECT_RETRY.saturating_mul(1 << (failures - 1).min(10)).min(limits::OBJECT_RETRY_MAX);
        if waiting.len() >= limits::BACKLOG_OBJECTS && failures == 1 {
            self.overflowed.store(true, Ordering::Relaxed);
        } else {
            waiting.insert(object, PutBack { candidate, failures, due: now + retry_in, in_flight: false });
        }
        retry_in
    }

    /// Returns up to when a complete scan has read the source; `None` while a first scan is not
    /// complete.
    ///
    /// Single objects that cannot be read do not hold anything up. But when nothing could be read,
    /// or more than a few objects could not, it may be a whole account or the whole source that is
    /// denied: then the window must not move on before these had their chance.
    pub(super) fn read_through(&self, outcome: &Outcome, lookback: Duration) -> Option<Timestamp> {
        if self.overflowed.swap(false, Ordering::Relaxed) {
            return None;
        }
        let waiting = self.waiting();
        // What was asked for in quarantine may lie outside the window, which has nothing to wait
        // for there.
        let waiting: Vec<&PutBack> =
            waiting.values().filter(|one| one.candidate.partition.end() > outcome.open_from).collect();
        let nothing_read = self.reads() == 0;
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
        let held = oldest.plus(lookback).minus(Duration::from_secs(1));
        Some(held.max(outcome.now.minus(limits::HELD_BACK)).min(outcome.now))
    }

    /// Notes that a complete scan is durable: what is read from now on counts for the next one.
    pub(super) fn scan_done(&self) {
        self.read.store(0, Ordering::Relaxed);
    }

    /// Tells how many objects are found but not settled, and now and then how far it has come.
    pub(in crate::pipeline) fn tell(&self, context: &Context) {
        let waiting = self.waiting().values().filter(|one| !one.in_flight).count();
        let objects = self.in_flight.load(Ordering::Relaxed) + waiting as u64;
        let (progress, due) = self.course().look(objects, context.clock.elapsed());
        context.tell(&Event::Pending { source: self.source.clone(), objects, progress });
        if due {
            context.tell(&Event::BacklogProgress { source: self.source.clone(), progress });
        }
    }
}
