//! Batches: settled objects wait for each other and are made durable together.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Context, Done,
    overlaps::{Overlap, Overlaps},
    source::Counters,
};
use crate::{
    discover::layout,
    event::Event,
    ledger::LedgerError,
    limits,
    model::{ObjectId, Quarantine, QuarantineReason, Settled, Settlement},
};

/// Commits what the readers have settled, in batches by objects, rows or time, whichever comes first.
#[derive(Debug, Default)]
pub(super) struct Committer {
    /// Remarks that have been made, so that each is made once.
    told_az_ids: BTreeSet<(Arc<str>, Arc<str>)>,
    told_limit: bool,
    overlaps: Overlaps,
}

impl Committer {
    /// Runs until all senders are gone. On a failed commit it stops the cycle and lets the rest go uncommitted.
    pub(super) async fn run(
        &mut self,
        context: &Context,
        counters: &[Arc<Counters>],
        mut queue: mpsc::Receiver<Done>,
        stop: &CancellationToken,
    ) -> Result<(), LedgerError> {
        while let Some(first) = queue.recv().await {
            let mut batch = vec![first];
            let mut rows = rows_of(&batch[0].settled);
            let fill = async {
                while batch.len() < limits::COMMIT_OBJECTS && rows < limits::COMMIT_ROWS {
                    let Some(next) = queue.recv().await else { break };
                    rows += rows_of(&next.settled);
                    batch.push(next);
                }
            };
            // When the time is up the batch is what it is.
            let _ = timeout(limits::COMMIT_DELAY, fill).await;
            if let Err(error) = self.commit(context, counters, batch).await {
                stop.cancel();
                let mut lost = Vec::new();
                while let Some(done) = queue.recv().await {
                    lost.push(done.settled.candidate.listed.id);
                }
                abandon(context, lost).await;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes a batch durable, shows it and tells of it. An empty batch is nothing to do.
    pub(super) async fn commit(
        &mut self,
        context: &Context,
        counters: &[Arc<Counters>],
        batch: Vec<Done>,
    ) -> Result<(), LedgerError> {
        if batch.is_empty() {
            return Ok(());
        }
        let in_flight: Vec<(usize, u64)> =
            batch.iter().filter_map(|done| Some((done.in_flight?, records_of(&done.settled)))).collect();
        let mut settled: Vec<Settled> = batch.into_iter().map(|done| done.settled).collect();
        // Arrival within a batch is chance; the order of keys is not.
        settled.sort_by(|a, b| a.candidate.listed.id.cmp(&b.candidate.listed.id));
        let at = context.clock.now();
        let (result, settled) = context
            .ledger
            .with(move |ledger| {
                (ledger.commit(&settled, at).map(|report| (report, ledger.snapshot())), settled)
            })
            .await;
        for (source, records) in in_flight {
            counters[source].in_flight.fetch_sub(1, Ordering::Relaxed);
            if result.is_ok() {
                counters[source].settle(records);
            }
        }
        let (report, snapshot) = match result {
            Ok(committed) => committed,
            Err(error) => {
                abandon(context, settled.into_iter().map(|one| one.candidate.listed.id).collect()).await;
                return Err(error);
            }
        };
        context.show(snapshot).await;
        self.tell(context, &settled, report.series_limit_reached);
        for object in report.overflowed {
            let source = settled.iter().find(|one| one.candidate.listed.id == object);
            if let Some(source) = source.map(|one| one.candidate.source.clone()) {
                let detail = "a total would be larger than a 64-bit integer".to_owned();
                let why = Quarantine { reason: QuarantineReason::Overflow, detail };
                context.tell(&Event::ObjectQuarantined { source, object, why });
            }
        }
        context.tell(&Event::Committed { objects: report.objects, records: report.records, at });
        for counters in counters {
            counters.tell(context);
        }
        Ok(())
    }

    /// Tells of what is durable now, never before.
    fn tell(&mut self, context: &Context, settled: &[Settled], series_limit_reached: bool) {
        for one in settled {
            let source = one.candidate.source.clone();
            let object = one.candidate.listed.id.clone();
            match &one.settlement {
                Settlement::Counted(delta) => {
                    for (zone, az_id) in &delta.hints.missing_az_ids {
                        let fresh = self.told_az_ids.len() < limits::HINTS
                            && self.told_az_ids.insert((zone.clone(), az_id.clone()));
                        if fresh {
                            context.tell(&Event::AzIdMissing { zone: zone.clone(), az_id: az_id.clone() });
                        }
                    }
                    let flow_log = layout::flow_log_of(&object.key);
                    let found = flow_log.map(|flow_log| self.overlaps.note(flow_log, delta));
                    for Overlap { interface, first, second } in found.into_iter().flatten() {
                        let source = source.clone();
                        context.tell(&Event::OverlappingFlowLogs { source, interface, first, second });
                    }
                }
                Settlement::Empty => {}
                Settlement::Ignored(reason) => {
                    context.tell(&Event::ObjectIgnored { source, object, reason: *reason });
                }
                Settlement::RefusedLate => context.tell(&Event::ObjectRefusedLate { source, object }),
                Settlement::Quarantined(why) => {
                    context.tell(&Event::ObjectQuarantined { source, object, why: why.clone() });
                }
                Settlement::Gone => context.tell(&Event::ObjectGone { source, object }),
                Settlement::Mutated => context.tell(&Event::ObjectMutated { source, object }),
            }
        }
        if series_limit_reached && !self.told_limit {
            self.told_limit = true;
            context.tell(&Event::SeriesLimitReached);
        }
    }
}

/// Objects that were read but not committed: nothing was wrong with them, so the journal forgets their attempt.
async fn abandon(context: &Context, objects: Vec<ObjectId>) {
    context
        .ledger
        .with(move |ledger| {
            for object in &objects {
                // Where even this cannot be written, the attempt stays noted: the safe side.
                let _ = ledger.abandon_decoding(object);
            }
        })
        .await;
}

fn records_of(settled: &Settled) -> u64 {
    match &settled.settlement {
        Settlement::Counted(delta) => delta.records.total(),
        _ => 0,
    }
}

fn rows_of(settled: &Settled) -> usize {
    match &settled.settlement {
        Settlement::Counted(delta) => delta.traffic.len() + delta.charges.len(),
        _ => 1,
    }
}
