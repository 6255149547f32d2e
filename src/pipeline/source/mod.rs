//! One source in one cycle: list, take the difference with what is settled, read what is left.
//!
//! `scan` lists and queues, `late` looks for what came too late, `read` settles one object at a
//! time; `backlog` knows what is under way or put back, `progress` how far that has come; `finish`
//! makes the end of a scan durable; `first` is what a source needs that has never been read;
//! `unread` tells of flow logs that the layout does not find.

mod backlog;
mod finish;
mod first;
mod late;
mod progress;
mod read;
mod scan;
mod unread;

use std::{collections::BTreeSet, mem::take, sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(super) use self::{
    backlog::Backlog,
    finish::Outcome,
    first::{AtWork, Turn},
};
use self::{first::Trouble, unread::Unread};
use super::{Context, Done, backoff, first_backoff};
use crate::{
    classify::Classifier,
    discover::window,
    event::{Event, ScanKind},
    limits,
    model::Candidate,
    reader,
    store::{StoreError, chain},
};

/// One source between cycles.
pub(super) struct Source {
    at: usize,
    name: Arc<str>,
    logs: reader::Source,
    backlog: Arc<Backlog>,
    told_regions: BTreeSet<String>,
    scan_failures: u32,
    /// Elapsed time before which it is left alone.
    not_before: Duration,
    full_due: bool,
    /// A first full scan is committed.
    read_once: bool,
    /// What kept the last scan of a source that was not read yet from its end.
    trouble: Option<Trouble>,
    /// It was said that nothing more of it is expected.
    told_ended: bool,
    unread: Unread,
}

impl Source {
    pub(super) fn new(at: usize, logs: reader::Source) -> Self {
        let name = logs.discovery.spec().name.clone();
        Self {
            at,
            backlog: Arc::new(Backlog::new(name.clone())),
            name,
            logs,
            told_regions: BTreeSet::new(),
            scan_failures: 0,
            not_before: Duration::ZERO,
            full_due: true,
            read_once: false,
            trouble: None,
            told_ended: false,
            unread: Unread::default(),
        }
    }

    pub(super) fn backlog(&self) -> Arc<Backlog> {
        self.backlog.clone()
    }

    pub(super) fn classifier(&self) -> Arc<Classifier> {
        self.logs.classifier.current()
    }

    pub(super) fn scan_all_next(&mut self) {
        self.full_due = true;
    }

    /// Whether an object is this source's.
    pub(super) fn owns(&self, candidate: &Candidate) -> bool {
        candidate.source == self.name
    }

    /// Lists and reads, also what was `asked` for in quarantine. Ends when everything found is with
    /// the committer or put back. A first scan that fails is tried again as long as other sources
    /// are at work.
    #[allow(clippy::too_many_arguments, reason = "what a source has in one cycle")]
    pub(super) async fn run(
        &mut self,
        context: &Context,
        turn: Turn,
        mut asked: Vec<Candidate>,
        done: mpsc::Sender<Done>,
        at_work: &AtWork,
        stop: &CancellationToken,
        enough: &CancellationToken,
    ) -> Option<Outcome> {
        let full = match turn {
            Turn::Poll { full } => full,
            Turn::FirstScans if self.next_first_scan().is_some() => true,
            Turn::FirstScans => return at_work.leave(None),
        };
        loop {
            let outcome = self.attempt(context, full, take(&mut asked), &done, stop, enough).await;
            if !self.tries_again(context, at_work, enough).await {
                return outcome;
            }
        }
    }

    /// One scan, if the source is due.
    async fn attempt(
        &mut self,
        context: &Context,
        full: bool,
        asked: Vec<Candidate>,
        done: &mpsc::Sender<Done>,
        stop: &CancellationToken,
        enough: &CancellationToken,
    ) -> Option<Outcome> {
        self.backlog.forget_in_flight();
        if context.clock.elapsed() < self.not_before {
            return None;
        }
        self.backlog.begin(context.clock.elapsed());
        self.look_whether_read(context).await;
        let full = full || self.full_due;
        let kind = if full { ScanKind::Full } else { ScanKind::Recent };
        if full && let Err(error) = until(stop, self.logs.discovery.find_roots()).await? {
            self.failed(context, kind, &error);
            return None;
        }
        self.tell_regions(context);
        let now = context.clock.now();
        let progress = self.progress(context, stop).await?;
        let begin = progress.begin;
        let read_before = self.backlog.reads();
        let open = window::open(now, context.settings.lookback, begin, progress.scanned_through);
        let scan = if full {
            self.logs.discovery.scan(open, true)
        } else {
            self.logs.discovery.scan_some(open.recent(now), context.settings.poll_interval)
        };
        let (candidates, queue) = mpsc::channel(limits::BACKLOG_OBJECTS);
        let list = self.list(context, kind, scan, asked, candidates, done, enough);
        let read = self.read(context, queue, done, stop, enough);
        let (scan, ()) = tokio::join!(list, read);
        let Some(mut scan) = scan.filter(|_| !enough.is_cancelled()) else {
            // Not to its end, so the next one looks at everything again.
            self.full_due = true;
            self.trouble = (self.backlog.reads() == read_before).then(Trouble::unreadable);
            return None;
        };
        if let Some(error) = scan.failure() {
            self.failed(context, kind, &error);
            return None;
        }
        self.scan_failures = 0;
        // Unless `finish` finds that it is read.
        self.trouble = Some(Trouble::unreadable());
        self.backlog.all_read();
        if !full {
            return None;
        }
        self.logs.discovery.learn(&scan);
        self.full_due = false;
        let _ = until(stop, self.tell_unread(context, open, scan.ignored().clone())).await;
        let late_due = progress
            .last_late_scan
            .is_none_or(|last| now >= last.plus(limits::LATE_SCAN_EVERY) || last > now);
        let late = match open.late(context.settings.lookback, begin).filter(|_| late_due) {
            Some(late) => self.refuse_late(context, late, open, done, enough).await.unwrap_or(false),
            None => false,
        };
        Some(Outcome { now, first: progress.scanned_through.is_none(), open_from: open.from, late })
    }

    fn failed(&mut self, context: &Context, kind: ScanKind, error: &StoreError) {
        self.full_due = true;
        self.scan_failures += 1;
        let retry_in = if self.read_once {
            backoff(context.settings.poll_interval, self.scan_failures)
        } else {
            first_backoff(self.scan_failures)
        };
        self.not_before = context.clock.elapsed() + retry_in;
        let (source, reason, error) = (self.name.clone(), error.reason, chain(error));
        self.trouble = Some(Trouble { reason: Some(reason), error: error.clone() });
        context.tell(&Event::ScanFailed { source, kind, reason, error, retry_in });
    }

    fn tell_regions(&mut self, context: &Context) {
        for region in self.logs.discovery.foreign_regions() {
            if self.told_regions.len() < limits::HINTS && !self.told_regions.contains(region) {
                self.told_regions.insert(region.to_owned());
                context.tell(&Event::ForeignRegion { source: self.name.clone(), region: Arc::from(region) });
            }
        }
    }
}

/// The value of a future, or `None` when the cycle is stopped first.
async fn until<T>(stop: &CancellationToken, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        value = future => Some(value),
    }
}
