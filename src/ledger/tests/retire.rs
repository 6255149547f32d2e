//! Label sets that leave /metrics, and how they come back.

use super::*;
use crate::event::ScanKind;

fn later(days: i64) -> Timestamp {
    Timestamp(NOW.0 + days * 86_400)
}

fn row(hour: i64, name: &str, zone: &str) -> Settled {
    settled(hour, name, Settlement::Counted(delta(hour, zone, 8)))
}

fn zones(ledger: &Ledger) -> Vec<(String, u64)> {
    let snapshot = ledger.snapshot();
    snapshot.traffic.iter().map(|(key, counts)| (key.src_zone.to_string(), counts.bytes)).collect()
}

#[test]
fn a_label_set_that_left_makes_room_and_comes_back_at_0() {
    let place = Place::new();
    let limited = Options { series_limit: 3, ..options() };
    let mut ledger = open(&place.path(), &limited).0;
    ledger.commit(&[row(0, "x", "a"), row(0, "y", "b"), row(0, "z", "c")], NOW).unwrap();
    assert_eq!(zones(&ledger), [("a".into(), 8), ("b".into(), 8), ("other".into(), 8)]);
    ledger.commit(&[row(1, "w", "b")], later(40)).unwrap();
    let gone = |key: &FlowKey| !["a", "b"].contains(&&*key.src_zone);
    assert_eq!(ledger.retire(later(20), later(50), |_| true).unwrap(), 0, "all can come back");
    assert_eq!(ledger.retire(later(20), later(50), gone).unwrap(), 1, "b has not stood still");
    ledger.commit(&[row(2, "v", "c")], later(51)).unwrap();
    assert_eq!(zones(&ledger), [("b".into(), 16), ("c".into(), 8), ("other".into(), 8)], "a has made room");
    assert_eq!(ledger.retire(later(90), later(91), gone).unwrap(), 1);
    ledger.commit(&[row(3, "u", "a")], later(92)).unwrap();
    for _ in 0..2 {
        assert_eq!(zones(&ledger), [("a".into(), 8), ("c".into(), 8), ("other".into(), 8)], "not at 16");
        assert_eq!(ledger.snapshot().by_source["ops"].bytes, 6 * 8, "sources have no label sets");
        drop(ledger);
        ledger = open(&place.path(), &limited).0;
    }
    let reader = Ledger::open_read_only(&place.path()).unwrap();
    let bytes: u64 = reader.totals().unwrap().traffic.values().map(|counts| counts.bytes).sum();
    assert_eq!(bytes, 6 * 8, "the ledger has everything");
}

#[test]
fn what_cannot_be_written_changes_nothing() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.commit(&[row(0, "x", "a")], NOW).unwrap();
    let before = state(&ledger);
    ledger
        .conn
        .execute_batch(
            "CREATE TEMP TRIGGER fault BEFORE UPDATE ON main.charge_total BEGIN SELECT raise(ABORT, 'no'); END",
        )
        .unwrap();
    ledger.retire(later(1), later(2), |_| false).unwrap_err();
    assert_eq!(state(&ledger), before);
    ledger.conn.execute_batch("DROP TRIGGER fault").unwrap();
    assert_eq!(ledger.retire(later(1), later(2), |_| false).unwrap(), 1);
    assert!(ledger.snapshot().traffic.is_empty() && ledger.snapshot().charges.is_empty());
}

/// The history shows what /metrics showed: it ends where the series left, and begins at 0 where it came back.
#[test]
fn the_history_of_a_series_that_left_ends_or_falls_to_0() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.commit(&[row(0, "x", "a"), row(0, "y", "b")], NOW).unwrap();
    ledger.retire(later(1), HOUR_10, |_| false).unwrap();
    ledger.commit(&[row(12, "z", "a")], later(1)).unwrap();
    ledger.finish_scan("ops", later(2), ScanKind::Full).unwrap();
    let reader = Ledger::open_read_only(&place.path()).unwrap();
    let at = |hour: i64| Hour(HOUR.0 + hour);
    for measure in [Measure::Bytes, Measure::Cost] {
        let series = reader.history_series(measure.table(), &(at(-1)..at(20))).unwrap();
        let [a, b] = &series[..] else { panic!("{series:?}") };
        assert_eq!((a.begins, a.ends, a.before(measure)), (at(0), at(20), 0));
        assert_eq!(a.falls(measure), BTreeMap::from([(at(10), 8)]));
        let added = reader.hours_of(measure, a).unwrap();
        assert_eq!((added.len(), added[0], added[12], added.iter().sum()), (20, 8, 8, 16_u64));
        assert_eq!((b.begins, b.ends), (at(0), at(10)));
        let after = reader.history_series(measure.table(), &(at(11)..at(20))).unwrap();
        assert_eq!(after.iter().map(|one| one.before(measure)).collect::<Vec<_>>(), [0], "b is not there");
    }
}

/// In the hour `HOUR + 10`.
const HOUR_10: Timestamp = Timestamp(NOW.0 + 10 * 3600 + 5);
