//! Lists to the end and queues what is not settled.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Source, until};
use crate::{
    discover::{Found, Scan},
    event::{Event, ScanKind},
    ledger::LedgerError,
    model::{Candidate, ObjectId},
    pipeline::{
        Context, Done,
        difference::{Work, decide, drop_unchanged},
    },
};

impl Source {
    /// Lists to the end and passes on what is not settled. `None` when it was stopped.
    #[allow(clippy::too_many_arguments, reason = "what a source has in one cycle")]
    pub(super) async fn list(
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
        let mut queued: BTreeSet<ObjectId> = BTreeSet::new();
        for candidate in self.backlog.due(began) {
            queued.insert(candidate.listed.id.clone());
            self.queue(&candidates, candidate, stop).await?;
        }
        // One that could not be read waits like any other. What is new is read before what was
        // asked for.
        asked.retain(|candidate| !self.backlog.has(&candidate.listed.id));
        queued.extend(asked.iter().map(|candidate| candidate.listed.id.clone()));
        let mut new = 0;
        while let Some(found) = until(stop, scan.next()).await? {
            for work in self.difference(context, found, stop).await? {
                match work {
                    Work::Read(candidate) if queued.contains(&candidate.listed.id) => {}
                    Work::Read(candidate) => {
                        if self.backlog.is_waiting(&candidate, began) {
                            continue;
                        }
                        new += 1;
                        self.queue(&candidates, candidate, stop).await?;
                    }
                    Work::Settle(settled) => {
                        until(stop, done.send(Done { settled: *settled, in_flight: None })).await?.ok()?;
                    }
                }
            }
            self.backlog.tell(context);
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
            self.backlog.all_listed();
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
        self.backlog.take_up(&candidate.listed.id);
        until(stop, candidates.send(candidate)).await?.ok()
    }

    /// What of a page is to be done: the difference with what is settled.
    pub(super) async fn difference(
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
                // Without the set of settled keys nothing can be decided: the cycle ends as if it
                // were stopped, and the next one looks again.
                context.ledger_failed(error, stop);
                None
            }
        }
    }
}
