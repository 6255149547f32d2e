//! Small hours share the row of their day, and nothing is forgotten or believed wrongly for it.

use super::*;

const ALL: Timestamp = Timestamp(i64::MAX);

/// Midnight of the day of [`HOUR`].
const DAY: i64 = HOUR.0 - HOUR.0 % 24;

pub(super) const FOLDER: &str =
    "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2025/month=12";

/// An hour as AWS lays it out.
fn hour(of: i64) -> Partition {
    hour_below(FOLDER, of)
}

pub(super) fn hour_below(folder: &str, of: i64) -> Partition {
    let (day, hour) = (of.div_euclid(24), of.rem_euclid(24));
    Partition {
        bucket: "s3://bucket".into(),
        prefix: format!("{folder}/day={:02}/hour={hour:02}/", 9 + day).into(),
        start: Hour(DAY + of),
        span: PartitionSpan::Hour,
    }
}

/// The day that it lies in, which may have objects of its own.
pub(super) fn day_above(hour: &Partition) -> Partition {
    let prefix = hour.prefix.rsplit_once("hour=").unwrap().0;
    let start = Hour(hour.start.0 - hour.start.0 % 24);
    Partition { prefix: prefix.into(), start, span: PartitionSpan::Day, ..hour.clone() }
}

pub(super) fn at(partition: &Partition, name: &str, settlement: Settlement) -> Settled {
    Settled { candidate: candidate(partition, name), settlement, fetched: 1 }
}

fn count(partition: &Partition, name: &str, bytes: u64) -> Settled {
    at(partition, name, Settlement::Counted(delta(0, "a", bytes)))
}

fn word(ledger: &Ledger, partition: &Partition, name: &str) -> Option<ObjectOutcome> {
    let id = candidate(partition, name).listed.id;
    ledger.status(&id, partition).unwrap().map(|known| known.outcome)
}

/// Prefixes of the partitions that have hashes, with the numbers of hashes.
fn rows(place: &Place) -> Vec<(String, [i64; 3])> {
    let conn = Connection::open(place.path()).unwrap();
    let mut statement = conn
        .prepare(
            "SELECT p.prefix, (length(counted) + length(settled)) / 16, length(refused_late) / 16, length(ignored) / 16
             FROM partition p JOIN sealed ON partition_id = id ORDER BY 1",
        )
        .unwrap();
    let folder_of = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let rows = statement.query_map([], |row| {
        let short = folder_of(row)?.replace(FOLDER, "");
        Ok((short, [row.get(1)?, row.get(2)?, row.get(3)?]))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn partitions(place: &Place) -> i64 {
    shell(&place.path(), "SELECT count(*) FROM partition")
}

#[test]
fn small_hours_are_in_the_row_of_their_day() {
    let place = Place::new();
    let mut ledger = place.open();
    let late = at(&hour(5), "late", Settlement::RefusedLate);
    let filtered = at(&hour(23), "filtered", Settlement::Ignored(IgnoreReason::Filtered));
    let gone = at(&hour(23), "gone", Settlement::Gone);
    ledger.commit(&[count(&hour(0), "x", 1), late, filtered, gone, count(&hour(24), "y", 2)], NOW).unwrap();
    assert_eq!(ledger.seal("ops", ALL).unwrap(), 4);
    let expected = [("/day=09/".to_owned(), [1, 1, 1]), ("/day=10/".to_owned(), [1, 0, 0])];
    assert_eq!(rows(&place), expected);
    assert_eq!(partitions(&place), 2, "the hours have no rows");
    for _ in 0..2 {
        use ObjectOutcome as O;
        assert_eq!(word(&ledger, &hour(0), "x"), Some(O::Counted));
        assert_eq!(word(&ledger, &day_above(&hour(0)), "hour=00/x"), Some(O::Counted), "by another layout");
        let id = candidate(&hour(0), "x").listed.id;
        assert!(ledger.status(&id, &outside()).unwrap().is_some(), "by a layout that knows no such keys");
        assert_eq!(word(&ledger, &hour(5), "late"), Some(O::RefusedLate));
        assert_eq!(word(&ledger, &hour(23), "filtered"), Some(O::Ignored));
        assert_eq!(word(&ledger, &hour(23), "gone"), None);
        assert_eq!(word(&ledger, &hour(24), "y"), Some(O::Counted));
        assert_eq!(word(&ledger, &hour(1), "x"), None, "another key");
        assert_eq!(ledger.commit(&[count(&hour(0), "x", 1)], NOW).unwrap().repeated, 1);
        drop(ledger);
        ledger = place.open();
    }
    assert_eq!(bytes(&ledger.snapshot()), 3);
}

#[test]
fn which_folders_have_a_day_above_them() {
    let day = |prefix: &str, start: i64, span| {
        let partition = Partition { prefix: prefix.into(), start: Hour(start), span, ..hour(0) };
        book::day_of(&partition).map(|day| (day.prefix.to_string(), day.start.0 - DAY, day.span))
    };
    let some = |prefix: &str| Some((prefix.to_owned(), 0, PartitionSpan::Day));
    let plain = "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2025/12/09/";
    assert_eq!(day(&format!("{plain}07/"), DAY + 7, PartitionSpan::Hour), some(plain));
    assert_eq!(day("2025-12-09/h23/", DAY + 23, PartitionSpan::Hour), some("2025-12-09/"));
    // All days would be in one folder.
    assert_eq!(day("logs/2025-12-09-07/", DAY + 7, PartitionSpan::Hour), None);
    assert_eq!(day("logs/2025/12/0907/", DAY + 7, PartitionSpan::Hour), None);
    // Of another hour, no folder, no hour, the epoch.
    assert_eq!(day(&format!("{plain}07/"), DAY + 8, PartitionSpan::Hour), None);
    assert_eq!(day("07/", DAY + 7, PartitionSpan::Hour), None);
    assert_eq!(day("", DAY, PartitionSpan::Hour), None);
    assert_eq!(day(&format!("{plain}00/"), DAY, PartitionSpan::Day), None);
    assert_eq!(day("1970/01/01/07/", 7, PartitionSpan::Hour), None);
}

#[test]
fn hours_that_do_not_fit_have_rows_of_their_own() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.bounds.day_hashes = 5;
    let fill = |ledger: &mut Ledger, of: i64, names: std::ops::Range<i64>| {
        let batch: Vec<Settled> = names.map(|name| count(&hour(of), &format!("o{name}"), 1)).collect();
        ledger.commit(&batch, NOW).unwrap();
        ledger.seal("ops", ALL).unwrap();
    };
    fill(&mut ledger, 0, 0..3);
    fill(&mut ledger, 1, 0..3);
    fill(&mut ledger, 2, 0..2);
    let at_first = [("/day=09/".to_owned(), [5, 0, 0]), ("/day=09/hour=01/".to_owned(), [3, 0, 0])];
    assert_eq!(rows(&place), at_first);
    // More of an hour that is in the row of the day, and of one that is not.
    fill(&mut ledger, 0, 3..5);
    fill(&mut ledger, 1, 3..4);
    let then = [("/day=09/", [5, 0, 0]), ("/day=09/hour=00/", [2, 0, 0]), ("/day=09/hour=01/", [4, 0, 0])];
    assert_eq!(rows(&place), then.map(|(prefix, lists)| (prefix.to_owned(), lists)));
    let everything =
        [(0, 5), (1, 4), (2, 2)].into_iter().flat_map(|(of, names)| (0..names).map(move |n| (of, n)));
    for (of, name) in everything {
        let again = ledger.commit(&[count(&hour(of), &format!("o{name}"), 1)], NOW).unwrap();
        assert_eq!(again.repeated, 1, "hour {of}, o{name}");
    }
    assert_eq!(bytes(&ledger.snapshot()), 11);
}

#[test]
fn the_newer_word_holds_wherever_the_older_one_is() {
    let late = |of: i64, name: &str| at(&hour(of), name, Settlement::RefusedLate);
    for room in [limits::SEALED_DAY_HASHES, 1, 0] {
        let place = Place::new();
        let mut ledger = place.open();
        ledger.bounds.day_hashes = room;
        ledger
            .commit(&[late(0, "counted"), late(0, "gone"), late(0, "filtered"), late(0, "late")], NOW)
            .unwrap();
        ledger.seal("ops", ALL).unwrap();
        // The lookback reaches them, and the other room is taken.
        ledger.bounds.day_hashes = limits::SEALED_DAY_HASHES - room;
        let gone = at(&hour(0), "gone", Settlement::Gone);
        let filtered = at(&hour(0), "filtered", Settlement::Ignored(IgnoreReason::Filtered));
        let batch = [count(&hour(0), "counted", 1), gone, filtered, count(&hour(0), "new", 1)];
        assert_eq!(ledger.commit(&batch, NOW).unwrap().objects, 4);
        ledger.seal("ops", ALL).unwrap();
        for _ in 0..2 {
            use ObjectOutcome as O;
            assert_eq!(word(&ledger, &hour(0), "counted"), Some(O::Counted));
            assert_eq!(word(&ledger, &hour(0), "gone"), None);
            assert_eq!(word(&ledger, &hour(0), "filtered"), Some(O::Ignored));
            assert_eq!(word(&ledger, &hour(0), "late"), Some(O::RefusedLate));
            assert_eq!(word(&ledger, &hour(0), "new"), Some(O::Counted));
            drop(ledger);
            ledger = place.open();
        }
        let hashes = "SELECT sum(length(counted) + length(settled) + length(refused_late) + length(ignored)) FROM sealed";
        assert_eq!(shell(&place.path(), hashes), 4 * 16, "each object once, in one list");
    }
}

#[test]
fn a_day_of_which_nothing_is_left_has_no_row() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.commit(&[at(&hour(0), "x", Settlement::RefusedLate)], NOW).unwrap();
    ledger.seal("ops", ALL).unwrap();
    ledger.commit(&[at(&hour(0), "x", Settlement::Gone)], NOW).unwrap();
    ledger.seal("ops", ALL).unwrap();
    assert_eq!((rows(&place), partitions(&place)), (Vec::new(), 0));
    // Ids are not given twice.
    ledger.commit(&[count(&hour(0), "x", 1), count(&hour(1), "x", 1)], NOW).unwrap();
    ledger.seal("ops", ALL).unwrap();
    ledger.commit(&[count(&hour(2), "x", 1), count(&hour(30), "x", 1)], NOW).unwrap();
    assert_eq!(partitions(&place), 3);
    assert_eq!(bytes(&ledger.snapshot()), 4);
}

#[test]
fn a_day_that_has_objects_itself_keeps_them_apart() {
    let day = day_above(&hour(0));
    let own = || [count(&day, "own", 1), at(&day, "own late", Settlement::RefusedLate)];
    // The day is open, was sealed before, or is sealed at the same time.
    for order in ["open", "sealed", "together"] {
        let place = Place::new();
        let mut ledger = place.open();
        ledger.commit(&own(), NOW).unwrap();
        if order == "sealed" {
            ledger.seal("ops", ALL).unwrap();
        }
        ledger
            .commit(&[count(&hour(0), "x", 1), at(&hour(0), "late", Settlement::RefusedLate)], NOW)
            .unwrap();
        let until = if order == "open" { day.end() } else { ALL };
        assert_eq!(ledger.seal("ops", until).unwrap(), if order == "together" { 2 } else { 1 });
        for _ in 0..3 {
            use ObjectOutcome as O;
            assert_eq!(word(&ledger, &day, "own"), Some(O::Counted), "{order}");
            assert_eq!(word(&ledger, &day, "own late"), Some(O::RefusedLate), "{order}");
            assert_eq!(word(&ledger, &hour(0), "x"), Some(O::Counted), "{order}");
            assert_eq!(word(&ledger, &day, "hour=00/x"), Some(O::Counted), "{order}");
            assert_eq!(word(&ledger, &hour(0), "late"), Some(O::RefusedLate), "{order}");
            drop(ledger);
            ledger = place.open();
            ledger.seal("ops", ALL).unwrap();
        }
        assert_eq!(rows(&place), [("/day=09/".to_owned(), [2, 2, 0])], "{order}");
        assert_eq!(partitions(&place), 1);
        assert_eq!(ledger.commit(&own(), NOW).unwrap().repeated, 2);
        assert_eq!(bytes(&ledger.snapshot()), 2);
    }
}

#[test]
fn an_hour_with_objects_in_quarantine_keeps_its_row_until_they_are_out() {
    let place = Place::new();
    let mut ledger = place.open();
    let bad = |name: &str| at(&hour(3), name, quarantined(QuarantineReason::Schema));
    ledger.bounds.quarantine_rows = 2;
    ledger
        .commit(&[bad("a"), bad("b"), bad("c"), count(&hour(3), "x", 1), count(&hour(4), "y", 1)], NOW)
        .unwrap();
    ledger.seal("ops", ALL).unwrap();
    let apart = [("/day=09/".to_owned(), [1, 0, 0]), ("/day=09/hour=03/".to_owned(), [4, 0, 0])];
    assert_eq!(rows(&place), apart);
    drop(ledger);
    let mut ledger = place.open();
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 3);
    let listed = ledger.quarantined().unwrap();
    assert_eq!(listed.len(), 2, "particulars of the newest");
    // One is read again, one is given up; both are found by their keys.
    let [retry, given_up] = [0, 1].map(|at| listed[at].candidate.clone());
    let key = |candidate: &Candidate| [candidate.listed.id.key.clone()];
    Ledger::request(&place.path(), Request::Retry, Some(&key(&retry))).unwrap();
    Ledger::request(&place.path(), Request::Drop, Some(&key(&given_up))).unwrap();
    let requests = ledger.take_requests().unwrap();
    assert_eq!((requests.retry, requests.dropped), (vec![retry.clone()], 1));
    ledger.begin_decoding(&retry).unwrap();
    let now_good =
        Settled { candidate: retry, settlement: Settlement::Counted(delta(0, "a", 1)), fetched: 1 };
    ledger.commit(std::slice::from_ref(&now_good), NOW).unwrap();
    ledger.seal("ops", ALL).unwrap();
    assert_eq!(ledger.snapshot().sources["ops"].quarantined, 1, "without particulars, still counted");
    assert_eq!(rows(&place), apart);
    ledger.commit(&[count(&hour(3), "z", 1)], NOW).unwrap();
    ledger.seal("ops", ALL).unwrap();
    assert_eq!(rows(&place)[1], ("/day=09/hour=03/".to_owned(), [5, 0, 0]));

    // Another hour, all of whose objects come out again.
    ledger.commit(&[at(&hour(5), "q", quarantined(QuarantineReason::Schema))], NOW).unwrap();
    ledger.seal("ops", ALL).unwrap();
    assert_eq!(partitions(&place), 3);
    ledger.commit(&[count(&hour(5), "q", 1)], NOW).unwrap();
    ledger.seal("ops", ALL).unwrap();
    assert_eq!(partitions(&place), 2);
    assert_eq!(rows(&place)[0], ("/day=09/".to_owned(), [2, 0, 0]));
    assert_eq!(ledger.commit(&[count(&hour(5), "q", 1), now_good], NOW).unwrap().repeated, 2);
}

#[test]
fn two_sources_that_share_a_folder_share_its_row() {
    let place = Place::new();
    let both = with_sources(&[("ops", "s3://bucket/"), ("other", "s3://bucket/AWSLogs/")]);
    let mut ledger = open(&place.path(), &both).0;
    let others = |mut settled: Settled| {
        settled.candidate.source = "other".into();
        settled
    };
    let bad = at(&day_above(&hour(0)), "bad", quarantined(QuarantineReason::Schema));
    ledger.commit(&[count(&hour(0), "x", 1), others(count(&hour(1), "y", 1)), others(bad)], NOW).unwrap();
    for source in ["ops", "other", "ops"] {
        ledger.seal(source, ALL).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(rows(&place), [("/day=09/".to_owned(), [3, 0, 0])]);
        let quarantined = ["ops", "other"].map(|name| ledger.snapshot().sources[name].quarantined);
        assert_eq!(quarantined, [0, 1]);
        drop(ledger);
        ledger = open(&place.path(), &both).0;
    }
    assert_eq!(ledger.commit(&[count(&hour(1), "y", 1)], NOW).unwrap().repeated, 1, "whoever asks");
}

/// A failure at any table leaves file and memory as they were.
#[test]
fn sealing_that_fails_changes_nothing() {
    let faults = ["INSERT ON main.partition", "INSERT ON main.sealed", "DELETE ON main.sealed"];
    let faults = [&faults[..], &["DELETE ON main.object", "DELETE ON main.partition"]].concat();
    for fault in faults {
        let place = Place::new();
        let mut ledger = place.open();
        ledger.commit(&[count(&hour(0), "x", 1)], NOW).unwrap();
        ledger.seal("ops", ALL).unwrap();
        let late = at(&hour(1), "late", Settlement::RefusedLate);
        ledger.commit(&[count(&hour(0), "y", 1), late, count(&hour(24), "z", 1)], NOW).unwrap();
        let book = |ledger: &Ledger| {
            let mut ids: Vec<i64> = ledger.book.partitions.keys().copied().collect();
            ids.sort_unstable();
            (ids, ledger.book.objects.len(), ledger.book.next_partition)
        };
        let (before, rows_before) = (book(&ledger), rows(&place));
        let trigger =
            format!("CREATE TEMP TRIGGER fault BEFORE {fault} BEGIN SELECT raise(ABORT, 'no'); END");
        ledger.conn.execute_batch(&trigger).unwrap();
        assert!(ledger.seal("ops", ALL).is_err(), "{fault}");
        assert_eq!((book(&ledger), rows(&place)), (before, rows_before), "{fault}");
        let copy = place.crash_copy();
        ledger.conn.execute_batch("DROP TRIGGER fault").unwrap();
        for (mut ledger, place) in [(ledger, place), (copy.open(), copy)] {
            assert_eq!(ledger.seal("ops", ALL).unwrap(), 3, "{fault}");
            let expected = [("/day=09/".to_owned(), [2, 1, 0]), ("/day=10/".to_owned(), [1, 0, 0])];
            assert_eq!(rows(&place), expected, "{fault}");
            for (of, name) in [(0, "x"), (0, "y"), (24, "z")] {
                assert_eq!(word(&ledger, &hour(of), name), Some(ObjectOutcome::Counted));
            }
        }
    }
}

/// Bytes of the state file for each sealed object: `accounts` with hourly folders of `each` objects, read and sealed
/// hour after hour.
fn bytes_of_an_object(accounts: i64, each: i64, hours: i64) -> f64 {
    let place = Place::new();
    let mut ledger = place.open();
    let empty = std::fs::metadata(place.path()).unwrap().len();
    for of in 0..hours {
        let objects = (0..accounts * each).map(|number| {
            let folder = FOLDER.replace("123456789012", &format!("{:012}", number / each));
            at(&hour_below(&folder, of), &format!("o{number}.log.parquet"), Settlement::Empty)
        });
        ledger.commit(&objects.collect::<Vec<_>>(), NOW).unwrap();
        ledger.seal("ops", ALL).unwrap();
    }
    // The log is taken into the file.
    drop(ledger);
    let grown = std::fs::metadata(place.path()).unwrap().len() - empty;
    grown as f64 / (accounts * each * hours) as f64
}

#[test]
fn a_sealed_object_takes_less_than_25_bytes() {
    for (accounts, each, hours) in [(1, 12, 30 * 24), (20, 12, 48), (1, 100, 48), (1, 300, 24)] {
        let bytes = bytes_of_an_object(accounts, each, hours);
        eprintln!("{accounts} accounts, {each} objects a folder: {bytes:.1} bytes an object");
        assert!(bytes < 25.0, "{accounts} accounts, {each} objects a folder: {bytes:.1} bytes an object");
    }
}
