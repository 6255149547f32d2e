//! Scans, the first scan, the journal of decoding, and the configuration kept in the file.

use super::*;
use crate::{event::ScanKind, model::Gigabyte};

fn later(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds)
}

#[test]
fn progress_belongs_to_the_url() {
    let place = Place::new();
    let mut ledger = place.open();
    assert_eq!(ledger.scan_progress("ops"), None);
    assert_eq!(ledger.scan_progress("nobody"), None);
    ledger.set_begin("ops", NOW).unwrap();
    let begun = ScanProgress { begin: NOW, scanned_through: None, last_late_scan: None };
    assert_eq!(ledger.scan_progress("ops"), Some(begun));
    ledger.finish_scan("ops", later(1), ScanKind::Full).unwrap();
    ledger.finish_scan("ops", later(2), ScanKind::Late).unwrap();
    ledger.finish_scan("ops", later(3), ScanKind::Recent).unwrap();
    let done = ScanProgress { begin: NOW, scanned_through: Some(later(1)), last_late_scan: Some(later(2)) };
    assert_eq!(ledger.scan_progress("ops"), Some(done));
    assert_eq!(ledger.snapshot().sources["ops"].last_full_scan, Some(later(1)));
    drop(ledger);
    let renamed =
        open(&place.path(), &with_sources(&[("new name", "s3://bucket/"), ("ops", "s3://other/")])).0;
    assert_eq!(renamed.scan_progress("new name"), Some(done));
    assert_eq!(renamed.scan_progress("ops"), None);
}

#[test]
fn the_first_scan_is_complete_when_every_source_was_read() {
    let place = Place::new();
    let two = with_sources(&[("ops", "s3://bucket/"), ("dev", "s3://dev/")]);
    let (mut ledger, report) = open(&place.path(), &two);
    assert!(report.created && report.fresh && !report.classifier_changed);
    assert!(!ledger.finish_scan("ops", NOW, ScanKind::Full).unwrap());
    assert!(!ledger.finish_scan("ops", NOW, ScanKind::Full).unwrap());
    assert!(!ledger.finish_scan("dev", NOW, ScanKind::Late).unwrap());
    assert!(!ledger.snapshot().first_scan_complete);
    drop(ledger);
    let (mut ledger, report) = open(&place.path(), &two);
    assert!(report.fresh && !report.created, "killed inside the first backlog is still fresh");
    assert!(ledger.finish_scan("dev", NOW, ScanKind::Full).unwrap());
    assert!(ledger.snapshot().first_scan_complete);
    assert!(!ledger.finish_scan("dev", NOW, ScanKind::Full).unwrap(), "said once");
    drop(ledger);
    let three = with_sources(&[("ops", "s3://bucket/"), ("dev", "s3://dev/"), ("new", "s3://new/")]);
    let (ledger, report) = open(&place.path(), &three);
    assert!(!report.fresh && ledger.snapshot().first_scan_complete, "a new source does not reset it");
    assert!(ledger.finish_scan_is_unknown("nobody"));
}

#[test]
fn the_families_are_shown_without_a_source_that_was_waited_for_long_enough() {
    let wait = limits::FIRST_SCAN_WAIT;
    let end = NOW.plus(wait).0 - NOW.0;
    let place = Place::new();
    let two = with_sources(&[("ops", "s3://bucket/"), ("dev", "s3://dev/")]);
    let mut ledger = open(&place.path(), &two).0;
    assert!(!ledger.show_without_unread(later(10 * end), wait).unwrap(), "no source has been read");
    ledger.finish_scan("ops", NOW, ScanKind::Full).unwrap();
    ledger.finish_scan("ops", later(60), ScanKind::Full).unwrap();
    drop(ledger);
    let mut ledger = open(&place.path(), &two).0;
    assert!(!ledger.show_without_unread(later(end - 1), wait).unwrap());
    assert!(!ledger.snapshot().first_scan_complete);
    assert!(
        ledger.show_without_unread(later(end), wait).unwrap(),
        "counted from the first scan, over restarts"
    );
    assert!(ledger.snapshot().first_scan_complete);
    assert!(!ledger.show_without_unread(later(end), wait).unwrap(), "said once");
    drop(ledger);
    let (mut ledger, report) = open(&place.path(), &two);
    assert!(!report.fresh && ledger.snapshot().first_scan_complete, "after a restart they are there at once");
    assert_eq!(ledger.snapshot().sources["dev"].last_full_scan, None, "this one is still to join");
    assert!(!ledger.finish_scan("dev", later(2 * end), ScanKind::Full).unwrap());
}

impl Ledger {
    fn finish_scan_is_unknown(mut self, name: &str) -> bool {
        matches!(self.finish_scan(name, NOW, ScanKind::Full), Err(LedgerError::UnknownSource(_)))
    }
}

#[test]
fn a_changed_classifier_is_told_once() {
    let place = Place::new();
    drop(place.open());
    let changed = Options { classifier_fingerprint: "zones 2".into(), ..options() };
    assert!(open(&place.path(), &changed).1.classifier_changed);
    assert!(!open(&place.path(), &changed).1.classifier_changed);
}

#[test]
fn prices_are_appended_when_they_change() {
    let place = Place::new();
    let noted = |price| {
        let row = PriceInForce { aws_region: "eu-west-1".into(), charge: Charge::NatHop, price };
        drop(open(&place.path(), &Options { prices: vec![row], ..options() }));
        shell(&place.path(), "SELECT count(*) FROM price")
    };
    assert_eq!(noted(None), 0, "there never was one");
    let priced = |nanos, unit| noted(Some(Price { per_gigabyte: NanoUsd(nanos), unit }));
    assert_eq!(priced(10, Gigabyte::Binary), 1);
    assert_eq!(priced(10, Gigabyte::Binary), 1);
    assert_eq!(priced(11, Gigabyte::Binary), 2);
    assert_eq!(priced(11, Gigabyte::Decimal), 3);
    assert_eq!(priced(10, Gigabyte::Binary), 4, "back to an old price is a change too");
    assert_eq!(noted(None), 5);
    let none = "SELECT nano_usd_per_gigabyte IS NULL FROM price ORDER BY id DESC LIMIT 1";
    assert_eq!(shell(&place.path(), none), 1, "none any more");
    assert_eq!(noted(None), 5);
    assert_eq!(priced(10, Gigabyte::Binary), 6, "and one again");
}

/// As a kill would: nothing is taken back.
fn die_over(place: &Place, names: &[&str]) -> OpenReport {
    let mut ledger = place.open();
    for name in names {
        ledger.begin_decoding(&candidate(&partition(0), name)).unwrap();
    }
    drop(ledger);
    open(&place.path(), &options()).1
}

#[test]
fn an_object_that_the_process_dies_over_three_times_is_reported() {
    let place = Place::new();
    assert!(die_over(&place, &["poison", "neighbour"]).unfinished.is_empty());
    assert!(die_over(&place, &["poison"]).unfinished.is_empty());
    let mut ledger = place.open();
    // Ends without a death do not count.
    for _ in 0..5 {
        ledger.begin_decoding(&candidate(&partition(0), "poison")).unwrap();
        ledger.abandon_decoding(&candidate(&partition(0), "poison").listed.id).unwrap();
    }
    ledger.begin_decoding(&candidate(&partition(0), "neighbour")).unwrap();
    ledger.commit(&[counted(0, "neighbour", 1)], NOW).unwrap();
    drop(ledger);
    let report = die_over(&place, &["poison"]);
    assert_eq!(report.unfinished, [candidate(&partition(0), "poison")]);
    let mut ledger = place.open();
    assert_eq!(shell(&place.path(), "SELECT count(*) FROM attempt"), 1, "the neighbour's is gone");
    ledger.commit(&[settled(0, "poison", quarantined(QuarantineReason::Unfinished))], NOW).unwrap();
    assert_eq!(shell(&place.path(), "SELECT count(*) FROM attempt"), 0);
    drop(ledger);
    assert!(open(&place.path(), &options()).1.unfinished.is_empty());
}

#[test]
fn the_retry_alone_happens_once_whatever_becomes_of_it() {
    let place = Place::new();
    let poison = candidate(&partition(0), "poison");
    let mut ledger = place.open();
    ledger.commit(&[settled(0, "poison", quarantined(QuarantineReason::Unfinished))], NOW).unwrap();
    assert_eq!(ledger.unfinished().unwrap(), std::slice::from_ref(&poison));
    ledger.begin_decoding(&poison).unwrap();
    assert!(ledger.unfinished().unwrap().is_empty());
    ledger.abandon_decoding(&poison.listed.id).unwrap();
    assert_eq!(ledger.unfinished().unwrap().len(), 1, "the store failed, not the object");
    ledger.seal("ops", Timestamp(i64::MAX)).unwrap();
    ledger.begin_decoding(&poison).unwrap();
    drop(ledger);
    let (mut ledger, report) = open(&place.path(), &options());
    assert!(report.unfinished.is_empty());
    assert!(ledger.unfinished().unwrap().is_empty(), "killed over it: not again by itself");
    assert_eq!(ledger.quarantined().unwrap()[0].retries, 1);
    ledger.commit(&[counted(0, "poison", 4)], NOW).unwrap();
    assert_eq!(bytes(&ledger.snapshot()), 4, "still retried on demand");
}

#[test]
fn the_journal_is_in_the_file_without_a_commit() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.commit(&[counted(0, "x", 1)], NOW).unwrap();
    for _ in 0..3 {
        ledger.begin_decoding(&candidate(&partition(7), "poison")).unwrap();
    }
    let copy = place.crash_copy();
    assert_eq!(open(&copy.path(), &options()).1.unfinished.len(), 1);
    let sync: i64 = ledger.conn.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(sync, 1, "the journal does not wait for the disk");
    ledger.commit(&[counted(0, "y", 1)], NOW).unwrap();
    let sync: i64 = ledger.conn.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(sync, 2, "a commit does");
    // Left behind by an object that is not there any more: sealing clears it.
    ledger.seal("ops", Timestamp(i64::MAX)).unwrap();
    assert_eq!(shell(&place.path(), "SELECT count(*) FROM attempt"), 0);
    assert_eq!(shell(&place.path(), "SELECT count(*) FROM partition"), 1);
}
