//! What is asked of the quarantine is done once, by the writer, and loses and doubles nothing.

use super::*;
use crate::ledger::{Request, RequestError};

const ALL: Timestamp = Timestamp(i64::MAX);

fn ask(place: &Place, request: Request, keys: &[&str]) -> Result<usize, RequestError> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    Ledger::request(&place.path(), request, Some(&keys)).map(|objects| objects.len())
}

fn ask_all(place: &Place, request: Request) -> usize {
    Ledger::request(&place.path(), request, None).unwrap().len()
}

fn keys(candidates: &[Candidate]) -> Vec<&str> {
    candidates.iter().map(|candidate| candidate.listed.id.key.as_str()).collect()
}

/// Two objects in quarantine, one of them in a sealed partition, and a counted one.
fn ledger(place: &Place) -> Ledger {
    let mut ledger = place.open();
    let bad = || quarantined(QuarantineReason::Format);
    let batch = [settled(0, "old", bad()), settled(30, "new", bad()), counted(30, "x", 1)];
    ledger.commit(&batch, NOW).unwrap();
    assert_eq!(ledger.seal("ops", Timestamp(partition(0).end().0 + 1)).unwrap(), 1);
    ledger
}

#[test]
fn a_request_is_taken_beside_the_writer_and_without_it() {
    let place = Place::new();
    let mut ledger = ledger(&place);
    assert_eq!(ledger.take_requests().unwrap(), Default::default());
    assert_eq!(ask(&place, Request::Retry, &["logs/0/old"]).unwrap(), 1);
    assert_eq!(keys(&ledger.take_requests().unwrap().retry), ["logs/0/old"]);
    drop(ledger);
    assert_eq!(ask(&place, Request::Retry, &["s3://bucket/logs/30/new", "logs/30/new"]).unwrap(), 1);
    let mut ledger = place.open();
    let retry = ledger.take_requests().unwrap().retry;
    assert_eq!(keys(&retry), ["logs/0/old", "logs/30/new"]);
    assert_eq!(retry[0], candidate(&partition(0), "old"), "all that is needed to read it");
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 2, "asking changes nothing");
    let (listed, all) = Ledger::open_read_only(&place.path()).unwrap().quarantined().unwrap();
    assert_eq!(all, 2);
    assert!(listed.iter().all(|object| object.request == Some(Request::Retry)));
    assert_eq!(listed, ledger.quarantined().unwrap());
}

#[test]
fn a_retry_counts_once_or_stays_and_no_counter_goes_down() {
    let place = Place::new();
    let mut ledger = ledger(&place);
    assert_eq!(ask_all(&place, Request::Retry), 2);
    let retry = ledger.take_requests().unwrap().retry;
    retry.iter().for_each(|candidate| ledger.begin_decoding(candidate).unwrap());
    assert_eq!(ledger.take_requests().unwrap().retry, [], "used up by the decoding");
    let batch = [counted(0, "old", 2), settled(30, "new", quarantined(QuarantineReason::Schema))];
    assert_eq!(ledger.commit(&batch, NOW).unwrap().objects, 1);
    ledger.commit(&batch, NOW).unwrap();
    for _ in 0..2 {
        let snapshot = ledger.snapshot();
        assert_eq!(bytes(&snapshot), 3);
        assert_eq!(snapshot.objects.get(ObjectOutcome::Quarantined), 2, "a counter");
        assert_eq!(snapshot.objects.get(ObjectOutcome::Counted), 2);
        assert_eq!(snapshot.sources["ops"].quarantined, 1);
        let left = ledger.quarantined().unwrap();
        assert_eq!((left[0].why.reason, left[0].retries), (QuarantineReason::Schema, 1));
        assert_eq!(ledger.take_requests().unwrap(), Default::default());
        drop(ledger);
        ledger = place.open();
    }
    ledger.seal("ops", ALL).unwrap();
    assert_eq!(ledger.commit(&[counted(0, "old", 2)], NOW).unwrap().repeated, 1);
}

#[test]
fn an_object_that_kills_the_process_is_not_taken_up_again_unasked() {
    let place = Place::new();
    let mut ledger = ledger(&place);
    ask(&place, Request::Retry, &["logs/30/new"]).unwrap();
    let retry = ledger.take_requests().unwrap().retry;
    ledger.begin_decoding(&retry[0]).unwrap();
    let copy = place.crash_copy();
    assert_eq!(copy.open().take_requests().unwrap().retry, []);
    // A stop in good order is no fault of the object's: the request stands.
    ledger.abandon_decoding(&retry[0].listed.id).unwrap();
    assert_eq!(ledger.take_requests().unwrap().retry, retry);
    assert_eq!(ledger.quarantined().unwrap()[1].retries, 0);
    // But none is made up for an object that was read again for another reason.
    ledger.begin_decoding(&candidate(&partition(0), "old")).unwrap();
    ledger.abandon_decoding(&candidate(&partition(0), "old").listed.id).unwrap();
    assert_eq!(ledger.take_requests().unwrap().retry, retry);
}

#[test]
fn what_is_dropped_is_forgotten_and_stays_known() {
    let place = Place::new();
    let mut ledger = ledger(&place);
    ask_all(&place, Request::Retry);
    assert_eq!(ask_all(&place, Request::Drop), 2, "the later word holds");
    assert_eq!(ledger.take_requests().unwrap(), Requests { retry: Vec::new(), dropped: 2 });
    for _ in 0..2 {
        assert_eq!(ledger.snapshot().sources["ops"].quarantined, 0);
        assert_eq!(ledger.snapshot().objects.get(ObjectOutcome::Quarantined), 2, "a counter");
        assert_eq!(ledger.snapshot().objects.get(ObjectOutcome::Ignored), 0);
        assert_eq!(ledger.quarantined().unwrap(), []);
        assert_eq!(outcome(&ledger, 0, "old"), Some(ObjectOutcome::Counted), "final, by its hash");
        let known = ledger.status(&candidate(&partition(30), "new").listed.id, &partition(30));
        let known = known.unwrap().unwrap();
        assert_eq!((known.outcome, known.reason), (ObjectOutcome::Ignored, Some(IgnoreReason::Dropped)));
        drop(ledger);
        ledger = place.open();
    }
    let late = [
        counted(0, "old", 1),
        counted(30, "new", 1),
        settled(30, "new", quarantined(QuarantineReason::Format)),
    ];
    assert_eq!(ledger.commit(&late, NOW).unwrap().repeated, 3);
    ledger.seal("ops", ALL).unwrap();
    assert_eq!(ledger.commit(&late, NOW).unwrap().repeated, 3);
    assert_eq!(bytes(&ledger.snapshot()), 1);
}

#[test]
fn a_word_of_last_minute_is_not_lost() {
    let place = Place::new();
    let mut ledger = ledger(&place);
    ask(&place, Request::Retry, &["logs/30/new"]).unwrap();
    let retry = ledger.take_requests().unwrap().retry;
    ask(&place, Request::Drop, &["logs/30/new"]).unwrap();
    ledger.begin_decoding(&retry[0]).unwrap();
    ledger.commit(&[settled(30, "new", quarantined(QuarantineReason::Schema))], NOW).unwrap();
    assert_eq!(ledger.take_requests().unwrap().dropped, 1);
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 1);
}

#[test]
fn all_or_nothing_is_asked() {
    let place = Place::new();
    assert!(matches!(ask(&place, Request::Drop, &["x"]), Err(RequestError::Open(OpenError::Missing { .. }))));
    let mut ledger = ledger(&place);
    let unknown = ask(&place, Request::Drop, &["logs/0/old", "logs/30/x", "logs/0/ol"]);
    let Err(RequestError::Unknown { keys }) = unknown else { panic!("{unknown:?}") };
    assert_eq!(keys, ["logs/0/ol", "logs/30/x"]);
    let mut elsewhere = settled(30, "new", quarantined(QuarantineReason::Format));
    elsewhere.candidate.partition.bucket = "s3://other".into();
    elsewhere.candidate.listed.id.bucket = "s3://other".into();
    ledger.commit(&[elsewhere], NOW).unwrap();
    assert!(matches!(ask(&place, Request::Drop, &["logs/30/new"]), Err(RequestError::Ambiguous { .. })));
    assert_eq!(ledger.take_requests().unwrap(), Default::default());
    assert_eq!(ask(&place, Request::Drop, &["s3://other/logs/30/new"]).unwrap(), 1);
    assert_eq!(ledger.take_requests().unwrap().dropped, 1);
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 2);
}

#[test]
fn a_request_of_a_source_that_is_not_configured_waits() {
    let place = Place::new();
    drop(ledger(&place));
    ask_all(&place, Request::Retry);
    let (mut other, _) = open(&place.path(), &with_sources(&[("b", "s3://b/")]));
    assert_eq!(other.take_requests().unwrap().retry, []);
    ask(&place, Request::Drop, &["logs/0/old"]).unwrap();
    assert_eq!(other.take_requests().unwrap().dropped, 1, "to give up needs no source");
    drop(other);
    let mut ledger = place.open();
    assert_eq!(keys(&ledger.take_requests().unwrap().retry), ["logs/30/new"]);
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 1);
}
