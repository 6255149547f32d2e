//! Reads what was queued: each object is settled, or put back until it is tried again.

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Source, until};
use crate::{
    event::Event,
    model::{Candidate, ObjectId, Quarantine, QuarantineReason, Settled, Settlement},
    pipeline::{Context, Done},
    reader::Unread,
    store::FailureReason,
};

impl Source {
    /// Reads until the queue is closed and empty, or there was enough.
    pub(super) async fn read(
        &self,
        context: &Context,
        mut queue: mpsc::Receiver<Candidate>,
        done: &mpsc::Sender<Done>,
        stop: &CancellationToken,
        enough: &CancellationToken,
    ) {
        stream::poll_fn(|task| queue.poll_recv(task))
            .for_each_concurrent(context.settings.concurrency, |candidate| async {
                if enough.is_cancelled() {
                    return;
                }
                let Some(settled) = self.settle(context, candidate, stop).await else { return };
                self.backlog.settled(&settled.candidate.listed.id);
                if settled.fetched > 0 {
                    self.backlog.count_read();
                }
                // Without a receiver the batch before has failed, and this object will be found
                // again.
                let _ = done.send(Done { settled, in_flight: Some(self.at) }).await;
            })
            .await;
    }

    /// Takes up an unfinished object once more, with nothing else under way.
    pub(in crate::pipeline) async fn retry(
        &self,
        context: &Context,
        candidate: Candidate,
        stop: &CancellationToken,
    ) -> Option<Done> {
        self.backlog.take_up(&candidate.listed.id);
        let settled = self.settle(context, candidate, stop).await?;
        self.backlog.settled(&settled.candidate.listed.id);
        Some(Done { settled, in_flight: Some(self.at) })
    }

    /// Fetches and digests one object. `None`: put back, or stopped.
    async fn settle(
        &self,
        context: &Context,
        mut candidate: Candidate,
        stop: &CancellationToken,
    ) -> Option<Settled> {
        let opened = match until(stop, context.reader.open(&self.logs, &mut candidate)).await? {
            Ok(opened) => opened,
            Err(unread) => return self.unread(context, candidate, unread),
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
        let (digest, limits) = (context.digest, context.settings.digest);
        let folding =
            opened.fold(move |object| digest(object.input, object.origin, object.classifier, &limits));
        let read = until(stop, folding).await;
        match read {
            Some(Ok(read)) => {
                let settlement = read.value.unwrap_or_else(Settlement::Quarantined);
                Some(Settled { candidate, settlement, fetched: read.bytes })
            }
            Some(Err(unread)) => {
                abandon(context, &candidate.listed.id).await;
                self.unread(context, candidate, unread)
            }
            None => {
                abandon(context, &candidate.listed.id).await;
                None
            }
        }
    }

    /// Settles an object that was not read for a reason that lasts; puts every other one back.
    fn unread(&self, context: &Context, candidate: Candidate, unread: Unread) -> Option<Settled> {
        let settlement = match unread {
            Unread::Quarantined(why) => Settlement::Quarantined(why),
            Unread::Failed { reason: FailureReason::NotFound, .. } => Settlement::Gone,
            Unread::Failed { reason: FailureReason::Archived, error } => {
                // Time does not change this, and a person who has it restored can ask for it.
                let detail = format!("restore it, then ask for a retry: {error}");
                Settlement::Quarantined(Quarantine { reason: QuarantineReason::Archived, detail })
            }
            Unread::Failed { reason, error } => {
                let object = candidate.listed.id.clone();
                let retry_in = self.backlog.put_back(candidate, reason, context.clock.elapsed());
                let source = self.name.clone();
                context.tell(&Event::ObjectPutBack { source, object, reason, error, retry_in });
                return None;
            }
        };
        Some(Settled { candidate, settlement, fetched: 0 })
    }
}

/// Forgets an attempt that the object is not to blame for.
async fn abandon(context: &Context, object: &ObjectId) {
    let object = object.clone();
    // Where even this cannot be written, the attempt stays noted: the safe side.
    let _ = context.ledger.with(move |ledger| ledger.abandon_decoding(&object)).await;
}
