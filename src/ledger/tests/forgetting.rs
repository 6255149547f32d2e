//! Sealing and folding lose names and hours, never a count, and never the knowledge that something was settled.

use super::*;

const ALL: Timestamp = Timestamp(i64::MAX);

#[test]
fn a_sealed_partition_knows_its_objects_by_hash() {
    let place = Place::new();
    let mut ledger = place.open();
    let batch = [
        counted(0, "x", 7),
        settled(0, "late", Settlement::RefusedLate),
        settled(0, "filtered", Settlement::Ignored(IgnoreReason::Filtered)),
        settled(0, "transit", Settlement::Ignored(IgnoreReason::TransitGateway)),
        settled(0, "gone", Settlement::Gone),
        settled(0, "bad", quarantined(QuarantineReason::Format)),
        counted(1, "y", 5),
    ];
    ledger.commit(&batch, NOW).unwrap();
    let before = state(&ledger);
    assert_eq!(ledger.seal("ops", partition(0).end()).unwrap(), 0, "ends before, not at");
    assert_eq!(ledger.seal("ops", Timestamp(partition(0).end().0 + 1)).unwrap(), 1);
    assert_eq!(state(&ledger), before);
    for _ in 0..2 {
        use ObjectOutcome as O;
        assert_eq!(outcome(&ledger, 0, "x"), Some(O::Counted));
        assert_eq!(outcome(&ledger, 0, "late"), Some(O::RefusedLate));
        assert_eq!(outcome(&ledger, 0, "filtered"), Some(O::Ignored));
        assert_eq!(outcome(&ledger, 0, "transit"), Some(O::Counted), "final");
        assert_eq!(outcome(&ledger, 0, "gone"), None);
        assert_eq!(outcome(&ledger, 0, "bad"), Some(O::Quarantined));
        assert_eq!(outcome(&ledger, 0, "never seen"), None);
        assert_eq!(outcome(&ledger, 1, "y"), Some(O::Counted));
        assert_eq!(ledger.quarantined().unwrap().len(), 1);
        let known = ledger.status(&batch[0].candidate.listed.id, &partition(0)).unwrap().unwrap();
        assert!(known.sealed && known.version.is_none());
        drop(ledger);
        ledger = place.open();
        assert_eq!(state(&ledger), before);
    }
    assert_eq!(shell(&place.path(), "SELECT count(*) FROM object"), 1);
    let repeated = ledger.commit(&batch[..1], NOW).unwrap();
    assert_eq!((repeated.objects, repeated.repeated), (0, 1));
}

#[test]
fn a_sealed_partition_takes_late_objects_and_can_come_back_into_the_window() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.commit(&[counted(0, "x", 1), settled(0, "late", Settlement::RefusedLate)], NOW).unwrap();
    ledger.seal("ops", ALL).unwrap();
    ledger.commit(&[settled(0, "later", Settlement::RefusedLate)], NOW).unwrap();
    assert_eq!(outcome(&ledger, 0, "later"), Some(ObjectOutcome::RefusedLate));
    assert_eq!(ledger.seal("ops", ALL).unwrap(), 1);
    assert_eq!(outcome(&ledger, 0, "later"), Some(ObjectOutcome::RefusedLate));
    let again = ledger.commit(&[settled(0, "late", Settlement::RefusedLate)], NOW).unwrap();
    assert_eq!(again.repeated, 1);
    assert_eq!(ledger.snapshot().objects.get(ObjectOutcome::RefusedLate), 2);
    // The lookback is enlarged: both are counted, once.
    let batch = [counted(0, "late", 2), counted(0, "later", 4), counted(0, "x", 1), counted(0, "new", 8)];
    assert_eq!(ledger.commit(&batch, NOW).unwrap().objects, 3);
    assert_eq!(bytes(&ledger.snapshot()), 15);
    ledger.seal("ops", ALL).unwrap();
    drop(ledger);
    let mut ledger = place.open();
    assert_eq!(ledger.commit(&batch, NOW).unwrap().objects, 0);
    assert_eq!(bytes(&ledger.snapshot()), 15);
    let blob = "SELECT length(counted) + 1000 * length(refused_late || settled) FROM sealed";
    assert_eq!(shell(&place.path(), blob), 4 * 16, "each object once, in one list");
}

#[test]
fn a_quarantined_object_of_a_sealed_partition_can_still_be_counted() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger
        .commit(&[settled(0, "bad", quarantined(QuarantineReason::Format)), counted(0, "x", 1)], NOW)
        .unwrap();
    ledger.seal("ops", ALL).unwrap();
    drop(ledger);
    let mut ledger = place.open();
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 1);
    // Still bad, for another reason; then readable.
    ledger.commit(&[settled(0, "bad", quarantined(QuarantineReason::Schema))], NOW).unwrap();
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 1);
    ledger.seal("ops", ALL).unwrap();
    assert_eq!(ledger.quarantined().unwrap()[0].why.reason, QuarantineReason::Schema);
    assert_eq!(ledger.commit(&[counted(0, "bad", 2)], NOW).unwrap().objects, 1);
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 0);
    assert!(ledger.quarantined().unwrap().is_empty());
    ledger.seal("ops", ALL).unwrap();
    assert_eq!(ledger.commit(&[counted(0, "bad", 2)], NOW).unwrap().repeated, 1);
    assert_eq!(bytes(&ledger.snapshot()), 3);
    assert_eq!(ledger.snapshot().objects.get(ObjectOutcome::Quarantined), 1);
}

#[test]
fn quarantine_keeps_the_newest_particulars_and_those_that_wait_for_their_retry() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.bounds.quarantine_rows = 2;
    ledger.commit(&[settled(0, "u", quarantined(QuarantineReason::Unfinished))], NOW).unwrap();
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        let at = Timestamp(NOW.0 + 1 + i64::try_from(index).unwrap());
        ledger.commit(&[settled(0, name, quarantined(QuarantineReason::Schema))], at).unwrap();
    }
    let kept = |ledger: &Ledger| -> Vec<String> {
        ledger.quarantined().unwrap().into_iter().map(|object| object.candidate.listed.id.key).collect()
    };
    assert_eq!(kept(&ledger), ["logs/0/c", "logs/0/u"]);
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 4);
    assert_eq!(outcome(&ledger, 0, "a"), Some(ObjectOutcome::Quarantined));
    let before = state(&ledger);
    drop(ledger);
    let mut ledger = place.open();
    assert_eq!(state(&ledger), before);
    ledger.commit(&[counted(0, "a", 1)], NOW).unwrap();
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 3);
    ledger.seal("ops", ALL).unwrap();
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 3);
    assert!(outcome(&ledger, 0, "b").is_some(), "settled for good");
}

#[test]
fn keys_outside_partitions_are_never_sealed_and_bounded() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.bounds.foreign_keys = 3;
    let foreign = |name: &str| Settled {
        candidate: candidate(&outside(), name),
        settlement: Settlement::Ignored(IgnoreReason::Foreign),
        fetched: 0,
    };
    let batch: Vec<Settled> = ["a", "b", "c", "d", "e"].map(foreign).into();
    assert_eq!(ledger.commit(&batch, NOW).unwrap().objects, 3);
    assert_eq!(ledger.seal("ops", ALL).unwrap(), 0);
    for name in ["a", "e", "unheard of"] {
        let known = ledger.status(&candidate(&outside(), name).listed.id, &outside()).unwrap().unwrap();
        assert_eq!((known.outcome, known.reason), (ObjectOutcome::Ignored, Some(IgnoreReason::Foreign)));
    }
    assert_eq!(ledger.commit(&batch, NOW).unwrap().objects, 0);
    assert_eq!(ledger.snapshot().objects.get(ObjectOutcome::Ignored), 3);
    // A new layout gives two of them a partition; one was forgotten, one remembered. Both count.
    let place_of = Partition { prefix: "".into(), ..partition(0) };
    let batch = ["a", "e"].map(|name| Settled {
        candidate: candidate(&place_of, name),
        settlement: Settlement::Counted(delta(0, "a", 1)),
        fetched: 0,
    });
    assert_eq!(ledger.commit(&batch, NOW).unwrap().objects, 2);
    assert_eq!(
        ledger.commit(&[foreign("f"), foreign("g")], NOW).unwrap().objects,
        1,
        "one place is free again"
    );
    let before = state(&ledger);
    drop(ledger);
    let ledger = place.open();
    assert_eq!(state(&ledger), before);
    assert_eq!(ledger.book.partitions.values().map(|open| open.objects).sum::<usize>(), 5);
}

#[test]
fn partitions_of_sources_that_are_gone_are_sealed_along() {
    let place = Place::new();
    let both = with_sources(&[("ops", "s3://bucket/"), ("old", "s3://old/")]);
    let mut ledger = open(&place.path(), &both).0;
    let old = Partition { bucket: "s3://old".into(), ..partition(0) };
    let other = Settled {
        candidate: Candidate { source: "old".into(), ..candidate(&old, "x") },
        settlement: Settlement::Empty,
        fetched: 0,
    };
    ledger.commit(&[counted(0, "x", 1), other], NOW).unwrap();
    drop(ledger);
    assert_eq!(open(&place.path(), &both).0.seal("old", ALL).unwrap(), 1);
    assert_eq!(place.open().seal("ops", ALL).unwrap(), 1);
    let mut ledger = open(&place.path(), &both).0;
    ledger
        .commit(
            &[Settled {
                candidate: Candidate { source: "old".into(), ..candidate(&old, "y") },
                settlement: Settlement::Empty,
                fetched: 0,
            }],
            NOW,
        )
        .unwrap();
    drop(ledger);
    assert_eq!(place.open().seal("ops", ALL).unwrap(), 1, "the other one's, which is not configured");
}

#[test]
fn old_hours_leave_the_hourly_tables_and_the_totals_stay() {
    let place = Place::new();
    let mut ledger = place.open();
    let batch: Vec<Settled> = (0..200)
        .map(|hour| counted(hour * 10, &format!("o{hour}"), 1))
        .chain([counted(2_000, "last", 1)])
        .collect();
    ledger.commit(&batch, NOW).unwrap();
    let before = state(&ledger);
    assert_eq!(ledger.fold(HOUR).unwrap(), 0);
    let limit = Hour(HOUR.0 + 505);
    assert_eq!(ledger.fold(limit).unwrap(), 51);
    assert_eq!(state(&ledger), before, "cost by hour is younger than what is folded");
    assert_eq!(shell(&place.path(), "SELECT count(*) FROM ledger"), 150);
    assert_eq!(shell(&place.path(), "SELECT count(*) FROM ledger_charges"), 150);
    assert_eq!(shell(&place.path(), "SELECT count(*) FROM ledger_doubts"), 150);
    assert_eq!(shell(&place.path(), "SELECT count(*) FROM ledger_contradictions"), 150);
    assert_eq!(shell(&place.path(), "SELECT bytes FROM traffic_total"), 201);
    drop(ledger);
    let mut ledger = place.open();
    assert_eq!(state(&ledger), before);
    assert_eq!(ledger.commit(&batch, NOW).unwrap().objects, 0);
    assert_eq!(ledger.fold(Hour(HOUR.0 + 10_000)).unwrap(), 150);
    assert_eq!(bytes(&ledger.snapshot()), 201);
    assert!(hourly_cost(&ledger.snapshot()).is_empty());
    assert_eq!(ledger.snapshot().first_hour, Some(HOUR));
    let before = state(&ledger);
    drop(ledger);
    assert_eq!(state(&place.open()), before);
}

#[test]
fn a_reader_sees_one_commit_beside_the_writer() {
    let place = Place::new();
    assert!(matches!(Ledger::open_read_only(&place.path()), Err(OpenError::Missing { .. })));
    let mut ledger = place.open();
    ledger
        .commit(&[counted(3, "x", 7), settled(1, "y", Settlement::Counted(delta(1, "c", 5)))], NOW)
        .unwrap();
    let reader = Ledger::open_read_only(&place.path()).unwrap();
    ledger
        .commit(&[counted(2, "z", 100), settled(2, "n", Settlement::Counted(delta(2, "new", 1)))], NOW)
        .unwrap();
    ledger.fold(Hour(HOUR.0 + 3)).unwrap();
    let read = |reader: &LedgerReader| {
        let by_hour = |measure: Measure| {
            let sums = reader.sums(measure.table(), .., |row| row.hour.0 - HOUR.0).unwrap();
            sums.into_iter().map(move |(hour, sum)| (hour, sum.amounts.of(measure)))
        };
        let hours = by_hour(Measure::Bytes).zip(by_hour(Measure::Cost));
        hours.map(|((hour, bytes), (same, cost))| (hour, same - hour, bytes, cost)).collect::<Vec<_>>()
    };
    assert_eq!(read(&reader), [(1, 0, 5, 5), (3, 0, 7, 7)]);
    assert_eq!(reader.totals().unwrap().traffic.len(), 2);
    let reader = Ledger::open_read_only(&place.path()).unwrap();
    assert_eq!(read(&reader), [(3, 0, 7, 7)]);
    let Sums { traffic, charges } = reader.totals().unwrap();
    assert_eq!(traffic, ledger.snapshot().traffic);
    assert_eq!(charges, ledger.snapshot().charges);
}
