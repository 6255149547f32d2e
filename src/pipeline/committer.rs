//! Batches: settled objects wait for each other and are made durable together.

use std::{collections::BTreeSet, sync::Arc};

use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Context, Done,
    overlaps::{Crowd, Found, Overlap, Overlaps},
    source::Backlog,
};
use crate::{
    discover::layout,
    event::Event,
    ledger::LedgerError,
    limits,
    model::{Charge, ObjectDelta, ObjectId, Quarantine, QuarantineReason, Remark, Settled, Settlement},
};

/// Commits what the readers have settled, in batches by objects, rows or time, whichever comes first.
#[derive(Debug, Default)]
pub(super) struct Committer {
    /// What has been said, so that it is said once.
    told: Told,
    told_limit: bool,
    overlaps: Overlaps,
}

impl Committer {
    /// Runs until all senders are gone. On a failed commit it stops the cycle and lets the rest go uncommitted.
    pub(super) async fn run(
        &mut self,
        context: &Context,
        backlogs: &[Arc<Backlog>],
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
            if let Err(error) = self.commit(context, backlogs, batch).await {
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
        backlogs: &[Arc<Backlog>],
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
            backlogs[source].committed(result.is_ok().then_some(records));
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
        for backlog in backlogs {
            backlog.tell(context);
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
                    self.told.news(&source, delta).iter().for_each(|event| context.tell(event));
                    let flow_log = layout::flow_log_of(&object.key);
                    let found = flow_log.map(|flow_log| self.overlaps.note(flow_log, delta));
                    let Found { crowd, pairs } = found.unwrap_or_default();
                    if let Some(Crowd { interface, flow_logs, pairs }) = crowd {
                        let source = source.clone();
                        context.tell(&Event::ManyFlowLogs { source, interface, flow_logs, pairs });
                    }
                    for Overlap { interface, first, second } in pairs {
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

/// Remarks and missing prices that have been told of; some hundred, then no more.
#[derive(Debug, Default)]
struct Told {
    /// With the source where the remark does not name a thing.
    remarks: BTreeSet<(Option<Arc<str>>, Remark)>,
    unpriced: BTreeSet<(Charge, Arc<str>)>,
}

impl Told {
    /// What a delta says that has not been said yet.
    fn news(&mut self, source: &Arc<str>, delta: &ObjectDelta) -> Vec<Event> {
        let mut events = Vec::new();
        for remark in &delta.hints.remarks {
            let unnamed = matches!(remark, Remark::EndpointWithoutRecords | Remark::TooManyAddresses);
            let of = unnamed.then(|| source.clone());
            if self.remarks.len() < limits::REMARKS && self.remarks.insert((of, remark.clone())) {
                events.push(Event::Remark { source: source.clone(), remark: remark.clone() });
            }
        }
        let unpriced = delta.charges.iter().filter(|(_, counts)| counts.unpriced > 0);
        for charge in unpriced.map(|((.., charge), _)| *charge).collect::<BTreeSet<_>>() {
            let aws_region = delta.aws_region.clone();
            if self.unpriced.len() < limits::REMARKS && self.unpriced.insert((charge, aws_region.clone())) {
                events.push(Event::Unpriced { source: source.clone(), charge, aws_region });
            }
        }
        events
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChargeCounts, FlowKey, Hints, Hour, NanoUsd};

    fn delta(remarks: &[Remark], unpriced: &[(Charge, u64)]) -> ObjectDelta {
        let counts = |unpriced| ChargeCounts { bytes: 9, cost: NanoUsd(0), unpriced };
        let row = |(hour, (charge, bytes)): (usize, &(Charge, u64))| {
            ((Hour(hour as i64), FlowKey::overflow().into(), *charge), counts(*bytes))
        };
        ObjectDelta {
            aws_region: "us-east-1".into(),
            charges: unpriced.iter().enumerate().map(row).collect(),
            hints: Hints { remarks: remarks.iter().cloned().collect(), ..Hints::default() },
            ..ObjectDelta::default()
        }
    }

    #[test]
    fn a_remark_is_told_once() {
        let mut told = Told::default();
        let forwarder = Remark::Forwarder { interface_id: "eni-1".into() };
        let said = delta(&[forwarder.clone(), Remark::TooManyAddresses], &[]);
        assert_eq!(told.news(&"ops".into(), &said).len(), 2);
        assert_eq!(told.news(&"ops".into(), &said).len(), 0);
        let events = told.news(&"net".into(), &said);
        assert!(
            matches!(&events[..], [Event::Remark { source, remark: Remark::TooManyAddresses }] if **source == *"net"),
            "what names nothing is told of each source: {events:?}"
        );
    }

    #[test]
    fn a_missing_price_is_told_once_for_each_charge_and_region() {
        let mut told = Told::default();
        let some = [(Charge::VpnEgress, 3), (Charge::VpnEgress, 4), (Charge::NatHop, 0)];
        let events = told.news(&"ops".into(), &delta(&[], &some));
        assert!(matches!(&events[..], [Event::Unpriced { charge: Charge::VpnEgress, .. }]), "{events:?}");
        assert!(told.news(&"ops".into(), &delta(&[], &some)).is_empty());
        let elsewhere = ObjectDelta { aws_region: "eu-west-1".into(), ..delta(&[], &some) };
        assert_eq!(told.news(&"ops".into(), &elsewhere).len(), 1);
    }

    #[test]
    fn what_is_told_is_bounded() {
        let mut told = Told::default();
        let mut count = 0;
        for number in 0..2 * limits::REMARKS {
            let remark = Remark::OtherScope { zone: number.to_string().into() };
            let aws_region: Arc<str> = number.to_string().into();
            let delta = ObjectDelta { aws_region, ..delta(&[remark], &[(Charge::NatHop, 1)]) };
            count += told.news(&"ops".into(), &delta).len();
        }
        assert_eq!(count, 2 * limits::REMARKS);
    }
}
