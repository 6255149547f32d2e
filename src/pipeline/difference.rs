//! The difference of a listing with what is settled: which keys are to be read, which to be settled by their names alone,
//! and which, nearly all of them, ask for nothing.

use std::sync::Arc;

use crate::{
    discover::Found,
    ledger::{Known, Ledger},
    model::{Candidate, IgnoreReason, ObjectOutcome, Settled, Settlement},
};

/// What is to be done with a key.
pub(super) enum Work {
    Read(Candidate),
    Settle(Box<Settled>),
}

/// Leaves out what is as it was settled and asks for nothing.
pub(super) fn drop_unchanged(ledger: &Ledger, found: &mut Vec<Found>) {
    let mut unchanged = ledger.unchanged();
    found.retain(|one| {
        let outcome = unchanged.outcome(&one.listed, &one.partition);
        !outcome.is_some_and(|known| verdict(one.ignored, Some(known), false) == Verdict::Nothing)
    });
}

/// What is to be done with a key of which that is known.
pub(super) fn decide(source: &Arc<str>, found: Found, known: Option<Known>) -> Option<Work> {
    let changed = known.as_ref().is_some_and(|known| {
        known.version.is_some() && found.listed.version.is_some() && known.version != found.listed.version
    });
    let ignored = found.ignored;
    let candidate = found.into_candidate(source.clone());
    let settle =
        |candidate, settlement| Some(Work::Settle(Box::new(Settled { candidate, settlement, fetched: 0 })));
    match verdict(ignored, known.map(|known| (known.outcome, known.reason)), changed) {
        Verdict::Nothing => None,
        Verdict::Read => Some(Work::Read(candidate)),
        Verdict::Ignore(reason) => settle(candidate, Settlement::Ignored(reason)),
        Verdict::Mutated => settle(candidate, Settlement::Mutated),
    }
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Nothing,
    Read,
    Ignore(IgnoreReason),
    Mutated,
}

/// By why it is not to be read, what is known of it, and whether that was of another version.
fn verdict(
    ignored: Option<IgnoreReason>,
    known: Option<(ObjectOutcome, Option<IgnoreReason>)>,
    changed: bool,
) -> Verdict {
    match (ignored, known) {
        (Some(reason), None) => Verdict::Ignore(reason),
        (Some(_), Some(_)) => Verdict::Nothing,
        (None, None | Some((ObjectOutcome::RefusedLate | ObjectOutcome::Gone, _))) => Verdict::Read,
        (
            None,
            Some((ObjectOutcome::Ignored, Some(IgnoreReason::TransitGateway | IgnoreReason::Dropped))),
        ) => Verdict::Nothing,
        (None, Some((ObjectOutcome::Ignored, _))) => Verdict::Read,
        // Write-once objects that differ are another object in a quarantined one's place.
        (None, Some((ObjectOutcome::Quarantined, _))) => {
            if changed {
                Verdict::Read
            } else {
                Verdict::Nothing
            }
        }
        (None, Some((ObjectOutcome::Counted | ObjectOutcome::Empty | ObjectOutcome::Mutated, _))) => {
            if changed {
                Verdict::Mutated
            } else {
                Verdict::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ledger::{Options, SourceSpec},
        model::{Hour, Listed, ObjectDelta, ObjectId, Partition, PartitionSpan, Timestamp},
        pipeline::SharedLedger,
    };

    const NOW: Timestamp = Timestamp(1_765_274_400);

    fn partition() -> Partition {
        let start = Hour::of(NOW);
        Partition { bucket: "s3://b".into(), prefix: "logs/".into(), start, span: PartitionSpan::Hour }
    }

    fn found(name: &str, version: &str, ignored: Option<IgnoreReason>) -> Found {
        let partition = partition();
        let id = ObjectId { bucket: partition.bucket.clone(), key: format!("logs/{name}") };
        Found { listed: Listed { id, size: 1, version: Some(version.to_owned()) }, partition, ignored }
    }

    fn settlements() -> Vec<(String, Settlement)> {
        use crate::model::{Quarantine, QuarantineReason};
        let why = Quarantine { reason: QuarantineReason::Corrupt, detail: String::new() };
        [
            Settlement::Counted(ObjectDelta::default()),
            Settlement::Empty,
            Settlement::Ignored(IgnoreReason::Filtered),
            Settlement::Ignored(IgnoreReason::TransitGateway),
            Settlement::RefusedLate,
            Settlement::Quarantined(why),
            Settlement::Gone,
        ]
        .into_iter()
        .map(|settlement| (format!("{settlement:?}"), settlement))
        .collect()
    }

    /// A ledger that knows an object of each settlement, as version `a`.
    fn ledger(dir: &tempfile::TempDir) -> Ledger {
        let options = Options {
            series_limit: 10,
            sources: vec![SourceSpec { name: "ops".into(), url: "s3://b/".to_owned() }],
            classifier_fingerprint: String::new(),
            prices: Vec::new(),
        };
        let (mut ledger, _) = Ledger::open(&dir.path().join("flowcost.db"), &options, NOW).unwrap();
        let settle = |(name, settlement): (String, Settlement)| {
            let Found { listed, partition, .. } = found(&name, "a", None);
            Settled {
                candidate: Candidate { listed, source: "ops".into(), partition },
                settlement,
                fetched: 0,
            }
        };
        ledger.commit(&settlements().into_iter().map(settle).collect::<Vec<_>>(), NOW).unwrap();
        ledger
    }

    #[test]
    fn what_is_left_out_at_a_glance_is_what_would_have_nothing_done_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(&dir);
        let mut left_out = 0;
        for (name, _) in settlements().into_iter().chain([("new".to_owned(), Settlement::Gone)]) {
            for version in ["a", "b"] {
                for ignored in [None, Some(IgnoreReason::Filtered), Some(IgnoreReason::Foreign)] {
                    let one = found(&name, version, ignored);
                    let known = ledger.status(&one.listed.id, &one.partition).unwrap();
                    let nothing = decide(&"ops".into(), one.clone(), known).is_none();
                    let mut page = vec![one];
                    drop_unchanged(&ledger, &mut page);
                    assert!(nothing || !page.is_empty(), "{name} {version} {ignored:?}");
                    // Of the same version all of them are known at a glance.
                    assert!(page.is_empty() == (nothing && version == "a"), "{name} {version} {ignored:?}");
                    left_out += usize::from(page.is_empty());
                }
            }
        }
        assert_eq!(
            left_out,
            7 * 2 + 4,
            "all that is filtered, and counted, empty, transit gateway, quarantined"
        );
    }

    #[test]
    fn a_glance_does_not_wait() {
        let dir = tempfile::tempdir().unwrap();
        let shared = SharedLedger::new(ledger(&dir));
        let at_work = shared.clone();
        let (begun, wait) = std::sync::mpsc::channel();
        let (go, end) = std::sync::mpsc::channel::<()>();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let work = runtime.spawn(async move {
            at_work
                .with(move |_| {
                    begun.send(()).unwrap();
                    end.recv().unwrap();
                })
                .await;
        });
        wait.recv().unwrap();
        assert_eq!(shared.glance(|_| ()), None, "a commit is under way");
        go.send(()).unwrap();
        runtime.block_on(work).unwrap();
        assert_eq!(shared.glance(|_| ()), Some(()));
    }
}
