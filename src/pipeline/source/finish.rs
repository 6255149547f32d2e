//! How far a source has been read: where it begins, and what a complete scan makes durable.

use tokio_util::sync::CancellationToken;

use super::Source;
use crate::{
    discover::window,
    event::{Event, ScanKind},
    ledger::{LedgerError, ScanProgress},
    model::{ObjectOutcome, SourceProgress, Timestamp},
    pipeline::Context,
};

/// A scan that has listed all open partitions to their ends.
pub(in crate::pipeline) struct Outcome {
    pub(super) now: Timestamp,
    /// None has been complete before.
    pub(super) first: bool,
    /// Partitions that end earlier have left the window.
    pub(super) open_from: Timestamp,
    /// Objects that came too late were looked for as well.
    pub(super) late: bool,
}

impl Source {
    /// How far the source has been read. Where it begins is fixed here, once for ever: after the
    /// store has answered, so that a host that boots with a wrong clock and no network does not fix
    /// it at a wrong time.
    pub(super) async fn progress(&self, context: &Context, stop: &CancellationToken) -> Option<ScanProgress> {
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

    /// Makes the end of a scan durable, after everything that it found.
    pub(in crate::pipeline) async fn finish(
        &mut self,
        context: &Context,
        outcome: Option<Outcome>,
    ) -> Result<(), LedgerError> {
        if let Some(progress) = self.backlog.end(context.clock.elapsed()) {
            context.tell(&Event::BacklogRead { source: self.name.clone(), progress });
        }
        self.backlog.tell(context);
        let Some(outcome) = outcome else { return Ok(()) };
        let through = self.backlog.read_through(&outcome, context.settings.lookback);
        let Some(through) = through else { return Ok(()) };
        self.backlog.scan_done();
        let name = self.name.clone();
        let (all_read, sealed, snapshot) = context
            .ledger
            .with(move |ledger| {
                if outcome.late {
                    ledger.finish_scan(&name, outcome.now, ScanKind::Late)?;
                }
                let all_read = ledger.finish_scan(&name, through, ScanKind::Full)?;
                let sealed = ledger.seal(&name, outcome.open_from)?;
                Ok::<_, LedgerError>((all_read, sealed, ledger.snapshot()))
            })
            .await?;
        self.read_once = true;
        let joined = outcome.first && !all_read && snapshot.first_scan_complete;
        let objects = snapshot.objects.get(ObjectOutcome::Counted);
        if let Some(progress) = snapshot.sources.get(&self.name) {
            self.tell_ended(context, progress);
        }
        context.show(snapshot).await;
        if sealed > 0 {
            context.tell(&Event::PartitionsSealed { partitions: sealed });
        }
        if all_read {
            context.tell(&Event::FirstScanComplete { objects });
        }
        if joined {
            context.tell(&Event::SourceJoined { source: self.name.clone() });
        }
        Ok(())
    }

    fn tell_ended(&mut self, context: &Context, progress: &SourceProgress) {
        let ended = progress.has_ended();
        if ended && !self.told_ended {
            let newest_record = progress.newest_record;
            context.tell(&Event::SourceEnded { source: self.name.clone(), newest_record });
        }
        self.told_ended = ended;
    }
}
