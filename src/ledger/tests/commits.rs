//! An object is counted once, whole, and in the same moment as its sums.

use super::*;

#[test]
fn an_object_counts_once_however_often_it_is_settled() {
    let place = Place::new();
    let mut ledger = place.open();
    let report = ledger.commit(&[counted(0, "x", 7), counted(0, "x", 7), counted(0, "y", 5)], NOW).unwrap();
    assert_eq!((report.objects, report.records, report.repeated), (2, 2, 1));
    let before = state(&ledger);
    assert_eq!(bytes(&before), 12);
    assert_eq!(before.objects.get(ObjectOutcome::Counted), 2);
    assert_eq!(before.records.total(), 2);
    assert_eq!(before.object_bytes, 20);
    assert_eq!(before.charges[&(Charge::InterAz, key("a", "b"))].cost, NanoUsd(12));
    assert_eq!(before.first_hour, Some(HOUR));
    assert_eq!(before.sources["ops"].newest_record, Some(Timestamp(NOW.0 - 10_000)));

    let report = ledger.commit(&[counted(0, "x", 7)], NOW).unwrap();
    assert_eq!((report.objects, report.repeated), (0, 1));
    drop(ledger);
    let mut ledger = place.open();
    assert_eq!(state(&ledger), before);
    ledger.commit(&[counted(0, "x", 7), counted(0, "y", 5)], NOW).unwrap();
    assert_eq!(state(&ledger), before);
}

#[test]
fn status_tells_what_was_settled() {
    let place = Place::new();
    let mut ledger = place.open();
    assert_eq!(outcome(&ledger, 0, "x"), None);
    let ignored = Settlement::Ignored(IgnoreReason::Filtered);
    ledger
        .commit(&[counted(0, "x", 7), settled(0, "f", ignored), settled(0, "e", Settlement::Empty)], NOW)
        .unwrap();
    for _ in 0..2 {
        let id = candidate(&partition(0), "x").listed.id;
        let known = ledger.status(&id, &partition(0)).unwrap().unwrap();
        let version = Some("v1".to_owned());
        let expected =
            Known { outcome: ObjectOutcome::Counted, reason: None, version, size: Some(100), sealed: false };
        assert_eq!(known, expected);
        let id = candidate(&partition(0), "f").listed.id;
        let known = ledger.status(&id, &partition(0)).unwrap().unwrap();
        assert_eq!(known.reason, Some(IgnoreReason::Filtered));
        assert_eq!(outcome(&ledger, 0, "e"), Some(ObjectOutcome::Empty));
        drop(ledger);
        ledger = place.open();
    }
}

#[test]
fn an_object_is_the_same_object_in_whatever_partition_a_layout_puts_it() {
    let place = Place::new();
    let mut ledger = place.open();
    let day = Partition { prefix: "logs/".into(), span: PartitionSpan::Day, ..partition(0) };
    let in_day = candidate(&day, "0/x");
    assert_eq!(in_day.listed.id, candidate(&partition(0), "x").listed.id);
    ledger.commit(&[counted(0, "x", 7)], NOW).unwrap();
    let again =
        Settled { candidate: in_day.clone(), settlement: Settlement::Counted(delta(0, "a", 7)), fetched: 10 };
    for _ in 0..2 {
        let known = ledger.status(&in_day.listed.id, &day).unwrap();
        assert_eq!(known.map(|known| known.outcome), Some(ObjectOutcome::Counted));
        assert_eq!(ledger.commit(std::slice::from_ref(&again), NOW).unwrap().repeated, 1);
        assert_eq!(bytes(&ledger.snapshot()), 7);
        ledger.seal("ops", Timestamp(i64::MAX)).unwrap();
    }
}

#[test]
fn legitimate_changes_count_and_move_the_object_out_of_quarantine() {
    let place = Place::new();
    let mut ledger = place.open();
    let first = [
        settled(0, "q", quarantined(QuarantineReason::Corrupt)),
        settled(0, "g", Settlement::Gone),
        settled(0, "l", Settlement::RefusedLate),
        settled(0, "f", Settlement::Ignored(IgnoreReason::Foreign)),
    ];
    ledger.commit(&first, NOW).unwrap();
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 1);
    let listed = ledger.quarantined().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].candidate, candidate(&partition(0), "q"));
    assert_eq!((listed[0].why.detail.as_str(), listed[0].since, listed[0].retries), ("row 7", NOW, 0));
    // Again quarantined for another reason: the particulars change, the count does not.
    ledger.commit(&[settled(0, "q", quarantined(QuarantineReason::Schema))], NOW).unwrap();
    assert_eq!(ledger.quarantined().unwrap()[0].why.reason, QuarantineReason::Schema);
    assert_eq!(ledger.snapshot().objects.get(ObjectOutcome::Quarantined), 1);

    let second: Vec<Settled> = ["q", "g", "l", "f"].map(|name| counted(0, name, 1)).into();
    assert_eq!(ledger.commit(&second, NOW).unwrap().objects, 4);
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 0);
    assert!(ledger.quarantined().unwrap().is_empty());
    let objects = ledger.snapshot().objects;
    assert_eq!(objects.get(ObjectOutcome::Counted), 4);
    assert_eq!(objects.get(ObjectOutcome::Quarantined), 1, "counters do not go down");
    assert_eq!(bytes(&ledger.snapshot()), 4);
    let before = state(&ledger);
    drop(ledger);
    assert_eq!(state(&place.open()), before);
}

#[test]
fn a_change_is_counted_once_a_version_and_changes_no_sum() {
    let place = Place::new();
    let mut ledger = place.open();
    let mut changed = settled(0, "x", Settlement::Mutated);
    changed.candidate.listed.version = Some("v2".into());
    changed.fetched = 0;
    assert_eq!(ledger.commit(std::slice::from_ref(&changed), NOW).unwrap().objects, 0, "unknown object");
    assert_eq!(outcome(&ledger, 0, "x"), None);
    ledger.commit(&[counted(0, "x", 7)], NOW).unwrap();
    let report = ledger.commit(&[changed.clone(), changed.clone()], NOW).unwrap();
    assert_eq!((report.objects, report.repeated), (1, 1));
    assert_eq!(ledger.commit(std::slice::from_ref(&changed), NOW).unwrap().objects, 0);
    drop(ledger);
    let mut ledger = place.open();
    assert_eq!(ledger.commit(std::slice::from_ref(&changed), NOW).unwrap().objects, 0);
    let known = ledger.status(&changed.candidate.listed.id, &partition(0)).unwrap().unwrap();
    assert_eq!((known.outcome, known.version.as_deref()), (ObjectOutcome::Counted, Some("v2")));
    assert_eq!(ledger.snapshot().objects.get(ObjectOutcome::Mutated), 1);
    assert_eq!(bytes(&ledger.snapshot()), 7);
}

#[test]
fn an_object_that_would_overflow_a_total_is_set_aside_and_the_rest_commits() {
    let place = Place::new();
    let mut ledger = place.open();
    let max = i64::MAX as u64;
    ledger.commit(&[counted(0, "big", max - 10)], NOW).unwrap();
    let mut absurd = delta(0, "a", 1);
    let moved = absurd.traffic.pop_first().unwrap();
    absurd.traffic.insert((Hour(i64::MAX), moved.0.1), moved.1);
    let mut huge = delta(0, "a", 1);
    huge.traffic.values_mut().for_each(|counts| counts.packets = u64::MAX);
    let batch = [
        counted(0, "fits", 4),
        counted(0, "over", 7),
        settled(0, "huge", Settlement::Counted(huge)),
        settled(0, "absurd", Settlement::Counted(absurd)),
        // Another series, same sum: `SELECT sum(bytes)` of a user must not overflow either.
        settled(0, "other", Settlement::Counted(delta(0, "c", 7))),
        counted(0, "fills", 6),
    ];
    let report = ledger.commit(&batch, NOW).unwrap();
    let names: Vec<&str> = report.overflowed.iter().map(|id| &id.key[7..]).collect();
    assert_eq!(names, ["over", "huge", "absurd", "other"]);
    assert_eq!((report.objects, report.records), (6, 2));
    assert_eq!(bytes(&ledger.snapshot()), max);
    assert_eq!(ledger.snapshot().records.total(), 3, "records of objects that are not counted do not count");
    assert_eq!(ledger.snapshot().objects.get(ObjectOutcome::Quarantined), 4);
    assert!(
        ledger.quarantined().unwrap().iter().all(|object| object.why.reason == QuarantineReason::Overflow)
    );
    let before = state(&ledger);
    drop(ledger);
    assert_eq!(state(&place.open()), before);
    assert_eq!(shell(&place.path(), "SELECT sum(bytes) FROM ledger"), i64::MAX);
}

#[test]
fn views_show_hours_as_numbers_and_as_text() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.commit(&[counted(0, "x", 7)], NOW).unwrap();
    let conn = Connection::open(place.path()).unwrap();
    let row: (i64, String, String, i64, i64) = conn
        .query_row("SELECT hour, hour_utc, src_zone, bytes, inter_az_bytes FROM ledger", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .unwrap();
    assert_eq!(row, (HOUR.start().0, "2025-12-09T10:00:00Z".into(), "a".into(), 7, 3));
    let row: (i64, String, i64, i64) = conn
        .query_row("SELECT hour, charge, bytes, nano_usd FROM ledger_charges", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    assert_eq!(row, (HOUR.start().0, "inter_az".into(), 3, 7));
}

#[test]
fn cost_by_hour_keeps_the_hours_that_a_projection_needs() {
    let place = Place::new();
    let mut ledger = place.open();
    // Days are kept or dropped whole, and the 14th hour is the first of a day.
    let hours = [0, 13, 14, limits::COST_HOURS];
    let batch = hours.map(|hour| counted(hour, &format!("o{hour}"), 1 + hour.unsigned_abs()));
    ledger.commit(&batch[..3], NOW).unwrap();
    assert_eq!(hourly_cost(&ledger.snapshot()).len(), 3);
    ledger.commit(&batch[3..], NOW).unwrap();
    assert_eq!(hourly_cost(&ledger.snapshot()).len(), 4);
    ledger.commit(&[counted(limits::COST_HOURS + 14, "w", 4), counted(0, "late", 9)], NOW).unwrap();
    let cost = hourly_cost(&ledger.snapshot());
    assert_eq!(cost.keys().map(|(hour, _)| hour.0 - HOUR.0).collect::<Vec<_>>(), [14, 1080, 1094]);
    assert_eq!(cost[&(Hour(HOUR.0 + 14), Charge::InterAz)], 15);
    assert_eq!(ledger.snapshot().first_hour, Some(HOUR));
    let before = state(&ledger);
    drop(ledger);
    assert_eq!(state(&place.open()), before);
}

#[test]
fn money_of_a_million_objects_is_exact() {
    let place = Place::new();
    let mut ledger = place.open();
    // A thousand objects a commit, a thousand deltas each in one: the sums see a million additions.
    let price = Price { per_gigabyte: NanoUsd(10_000_000), unit: crate::model::Gigabyte::Binary };
    let each = price.of(1 << 20).unwrap();
    let mut sum = ObjectDelta::default();
    for index in 0..1_000 {
        sum.records.add(RecordOutcome::Counted, 1);
        let zone = format!("z{}", index % 50);
        let at = (Hour(HOUR.0 + index / 250), series(&zone, "b"));
        let total = sum.charges.entry((at.0, at.1, Charge::NatHop)).or_default();
        *total = total.checked_add(ChargeCounts { bytes: 1 << 20, cost: each, unpriced: 0 }).unwrap();
    }
    for commit in 0..10 {
        let batch: Vec<Settled> = (0..100)
            .map(|object| settled(0, &format!("{commit}-{object}"), Settlement::Counted(sum.clone())))
            .collect();
        ledger.commit(&batch, NOW).unwrap();
    }
    let snapshot = ledger.snapshot();
    let cost: u64 = snapshot.charges.values().map(|counts| counts.cost.0).sum();
    assert_eq!(cost, 9_766 * 1_000_000);
    assert_eq!(snapshot.records.total(), 1_000_000);
    assert_eq!(shell(&place.path(), "SELECT sum(nano_usd) FROM ledger_charges"), 9_766 * 1_000_000);
    let by_hour: u64 = hourly_cost(&snapshot).values().sum();
    assert_eq!(by_hour, 9_766 * 1_000_000);
}

#[test]
fn mistakes_of_the_caller_change_nothing() {
    let place = Place::new();
    let mut ledger = place.open();
    let before = ledger.snapshot();
    let mut stranger = counted(0, "x", 1);
    stranger.candidate.source = "nobody".into();
    let error = ledger.commit(&[counted(0, "y", 1), stranger], NOW).unwrap_err();
    assert!(matches!(error, LedgerError::UnknownSource(_)), "{error}");
    let mut elsewhere = counted(0, "x", 1);
    elsewhere.candidate.partition = partition(1);
    let error = ledger.commit(&[counted(0, "y", 1), elsewhere], NOW).unwrap_err();
    assert!(matches!(error, LedgerError::Misplaced { .. }), "{error}");
    assert_eq!(ledger.snapshot(), before);
    assert_eq!(outcome(&ledger, 0, "y"), None);
    ledger.commit(&[counted(0, "y", 1)], NOW).unwrap();
    assert_eq!(bytes(&ledger.snapshot()), 1);
}

#[test]
fn the_writer_can_be_handed_to_another_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<Ledger>();
    assert_send::<LedgerReader>();
}
