//! What a source needs that has never been read to its end: to be tried again within seconds, and a
//! word on why it keeps the others waiting.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::Source;
use crate::{event::Event, pipeline::Context, store::FailureReason};

/// Which sources a cycle is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipeline) enum Turn {
    /// All of them; `full`: with all their open partitions.
    Poll { full: bool },
    /// Those whose first scan has failed and is due again.
    FirstScans,
}

/// How many sources are at work in a cycle. One that waits for its next try is not.
pub(in crate::pipeline) struct AtWork {
    sources: AtomicUsize,
    nobody: CancellationToken,
}

impl AtWork {
    pub(in crate::pipeline) fn new(sources: usize) -> Self {
        Self { sources: AtomicUsize::new(sources), nobody: CancellationToken::new() }
    }

    /// Counts one source less, and passes on what it has found.
    pub(super) fn leave<T>(&self, outcome: T) -> T {
        if self.sources.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.nobody.cancel();
        }
        outcome
    }

    fn come_back(&self) {
        self.sources.fetch_add(1, Ordering::Relaxed);
    }
}

/// What keeps a first scan from its end, other than the length of the backlog.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) reason: Option<FailureReason>,
    pub(super) error: String,
}

impl Trouble {
    /// The source can be listed, but that is all.
    pub(super) fn unreadable() -> Self {
        Self { reason: None, error: "objects are listed but cannot be read".to_owned() }
    }
}

impl Source {
    pub(in crate::pipeline) fn name(&self) -> &str {
        &self.name
    }

    /// Whether something keeps the first scan from its end. Not while it is only long, or done.
    pub(in crate::pipeline) fn is_in_trouble(&self) -> bool {
        !self.read_once && self.trouble.is_some()
    }

    /// Says that the others are shown without this source.
    pub(in crate::pipeline) fn tell_left_behind(&self, context: &Context) {
        let Some(Trouble { reason, error }) = self.trouble.clone() else { return };
        context.tell(&Event::SourceLeftBehind { source: self.name.clone(), reason, error });
    }

    /// When a first scan that has failed is tried again, in elapsed time.
    pub(in crate::pipeline) fn next_first_scan(&self) -> Option<Duration> {
        (!self.read_once && self.scan_failures > 0).then_some(self.not_before)
    }

    /// Waits for the next try of a first scan that has failed, as long as other sources are at work:
    /// after that it is for another cycle.
    pub(super) async fn tries_again(
        &self,
        context: &Context,
        at_work: &AtWork,
        enough: &CancellationToken,
    ) -> bool {
        at_work.leave(());
        let Some(due) = self.next_first_scan() else { return false };
        tokio::select! {
            biased;
            () = at_work.nobody.cancelled() => return false,
            () = enough.cancelled() => return false,
            () = tokio::time::sleep(due.saturating_sub(context.clock.elapsed())) => {}
        }
        at_work.come_back();
        true
    }

    /// Asks the ledger whether a first full scan is committed.
    pub(super) async fn look_whether_read(&mut self, context: &Context) {
        if !self.read_once {
            let name = self.name.clone();
            let progress = context.ledger.with(move |ledger| ledger.scan_progress(&name)).await;
            self.read_once = progress.is_some_and(|progress| progress.scanned_through.is_some());
        }
    }
}
