//! Objects that came after their partition had left the window: named and refused, once a day.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Source, until};
use crate::{
    discover::window::Window,
    event::{Event, ScanKind},
    limits,
    model::{Settled, Settlement},
    pipeline::{Context, Done, difference::Work},
    store::chain,
};

impl Source {
    /// Looks for objects that came after their partition had left the window. `None` when it was
    /// stopped.
    pub(super) async fn refuse_late(
        &self,
        context: &Context,
        late: Window,
        open: Window,
        done: &mpsc::Sender<Done>,
        stop: &CancellationToken,
    ) -> Option<bool> {
        let mut scan = self.logs.discovery.scan(late, true);
        while let Some(found) = until(stop, scan.next()).await? {
            let found =
                found.into_iter().filter(|one| one.ignored.is_none() && late.is_late(&one.partition, &open));
            for work in self.difference(context, found.collect(), stop).await? {
                let Work::Read(candidate) = work else { continue };
                if self.backlog.has(&candidate.listed.id) {
                    continue;
                }
                let settled = Settled { candidate, settlement: Settlement::RefusedLate, fetched: 0 };
                until(stop, done.send(Done { settled, in_flight: None })).await?.ok()?;
            }
        }
        let failure = scan.failure();
        if let Some(error) = &failure {
            // The open partitions were listed all the same; the next full scan looks for late ones
            // again.
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
