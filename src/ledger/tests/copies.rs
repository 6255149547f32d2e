//! A state that is replaced by an older copy, wholly or in part, is refused with its remedy; an honest one never is.

use std::fs;

use super::*;

/// The files of a state, as somebody would copy them: the file, its log, its mark.
struct Files([Option<Vec<u8>>; 3]);

const SUFFIXES: [&str; 3] = ["", "-wal", ".mark"];
const LOG: usize = 1;
const MARK: usize = 2;

impl Files {
    fn of(place: &Place) -> Self {
        let read = |suffix| fs::read(lock::beside(&place.path(), suffix)).ok();
        // A log without frames is no log.
        Self(SUFFIXES.map(read).map(|content| content.filter(|content| !content.is_empty())))
    }

    fn put(&self, place: &Place) {
        for (suffix, content) in SUFFIXES.iter().zip(&self.0) {
            let path = lock::beside(&place.path(), suffix);
            match content {
                Some(content) => fs::write(path, content).unwrap(),
                None => drop(fs::remove_file(path)),
            }
        }
        drop(fs::remove_file(lock::beside(&place.path(), "-shm")));
    }

    /// These files, but one of them from elsewhere.
    fn with(&self, which: usize, other: &Self) -> Self {
        let mut files = Self(self.0.clone());
        files.0[which].clone_from(&other.0[which]);
        files
    }
}

/// Objects of a round: many pages.
const OBJECTS: i64 = 2_000;

/// Each round in hours of its own, so that its rows are on other pages.
fn round(round: i64) -> Vec<Settled> {
    (0..OBJECTS).map(|index| counted(round * 7 + index % 7, &format!("{round} {index}"), 10)).collect()
}

fn try_open(place: &Place) -> Result<Ledger, OpenError> {
    Ledger::open(&place.path(), &options(), NOW).map(|(ledger, _)| ledger)
}

/// Refused, and not a byte of it is changed.
fn refused(place: &Place, name: &str) -> OpenError {
    let before = Files::of(place).0;
    let error = match try_open(place) {
        Ok(ledger) => panic!("{name}: opened with {:?}", ledger.snapshot().objects),
        Err(error) => error,
    };
    assert_eq!(Files::of(place).0, before, "{name}: a refused file is not touched");
    let text = error.to_string();
    assert!(text.contains("flowcost.db"), "{name}: {text}");
    error
}

/// A state after some commits, closed in good order; the same after more, and as a kill would leave it then.
fn ages(place: &Place) -> (Files, Files, Files) {
    let mut ledger = place.open();
    ledger.commit(&round(0), NOW).unwrap();
    drop(ledger);
    let old = Files::of(place);
    let mut ledger = place.open();
    ledger.commit(&round(1), NOW).unwrap();
    drop(ledger);
    let new = Files::of(place);
    let mut ledger = place.open();
    ledger.commit(&round(2), NOW).unwrap();
    let killed = Files::of(place);
    assert!(killed.0[LOG].as_ref().is_some_and(|log| !log.is_empty()), "the commit is in the log");
    (old, new, killed)
}

#[test]
fn an_older_copy_is_refused_until_its_mark_is_removed() {
    let place = Place::new();
    let (old, new, killed) = ages(&place);
    for (name, newer) in [("a closed file", &new), ("a file with its log", &killed)] {
        let mut replaced = old.with(MARK, newer);
        replaced.0[LOG] = None;
        replaced.put(&place);
        let error = refused(&place, name);
        let text = error.to_string();
        assert!(matches!(error, OpenError::Older { settled: 2_000, .. }), "{name}: {error:?}");
        assert!(text.contains("flowcost.db.mark") && text.contains("remove the mark"), "{name}: {text}");
    }
    // The remedies: the newer file, or the word that the older one is meant.
    killed.put(&place);
    assert_eq!(try_open(&place).unwrap().snapshot().objects.total(), 6_000);
    old.with(MARK, &killed).put(&place);
    fs::remove_file(lock::beside(&place.path(), ".mark")).unwrap();
    let mut ledger = try_open(&place).unwrap();
    for index in 0..3 {
        ledger.commit(&round(index), NOW).unwrap();
    }
    assert_eq!(bytes(&ledger.snapshot()), 60_000, "what came after the copy is read again, once");
    drop(ledger);
    drop(try_open(&place).unwrap());
}

#[test]
fn a_file_and_a_log_of_two_ages_are_refused_or_right() {
    let place = Place::new();
    let (old, _, killed) = ages(&place);
    // The log of a killed process beside an older file: what the log lacks is missing in the file.
    let mixed = old.with(LOG, &killed).with(MARK, &killed);
    mixed.put(&place);
    let error = refused(&place, "an older file under a newer log");
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
    // The same without the mark: it is the contradiction that is noticed.
    let mut unmarked = old.with(LOG, &killed);
    unmarked.0[MARK] = None;
    unmarked.put(&place);
    let error = refused(&place, "an older file under a newer log, without a mark");
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
    // An older log on a newer file takes pages back.
    let later = Place::new();
    killed.put(&later);
    let mut ledger = later.open();
    ledger.commit(&round(3), NOW).unwrap();
    drop(ledger);
    let newest = Files::of(&later);
    newest.with(LOG, &killed).put(&later);
    let error = refused(&later, "an older log on a newer file");
    assert!(matches!(error, OpenError::Older { .. } | OpenError::Corrupt { .. }), "{error:?}");
    // Without its log a killed process's file is an older copy.
    let mut bare = killed.with(MARK, &killed);
    bare.0[LOG] = None;
    bare.put(&place);
    assert!(matches!(refused(&place, "the log is gone"), OpenError::Older { .. }));
}

#[test]
fn the_state_of_another_exporter_is_refused() {
    let place = Place::new();
    ages(&place);
    let mark = fs::read(lock::beside(&place.path(), ".mark")).unwrap();
    let other = Place::new();
    let (mut ledger, _) = Ledger::open(&other.path(), &options(), Timestamp(NOW.0 + 1)).unwrap();
    for index in 0..9 {
        ledger.commit(&round(index), NOW).unwrap();
    }
    drop(ledger);
    fs::write(lock::beside(&other.path(), ".mark"), mark).unwrap();
    let error = refused(&other, "another state");
    assert!(matches!(error, OpenError::Another { .. }), "{error:?}");
}

#[test]
fn a_mark_that_lags_or_says_nothing_refuses_nothing() {
    let place = Place::new();
    let (old, _, killed) = ages(&place);
    let mut marks = vec![None, old.0[MARK].clone(), Some(Vec::new()), Some(vec![0; 42])];
    marks.push(Some(b"\xff\xfe no text".to_vec()));
    marks.push(Some(b"12".to_vec()));
    for mark in marks {
        let mut files = Files(killed.0.clone());
        files.0[MARK].clone_from(&mark);
        files.put(&place);
        drop(try_open(&place).unwrap());
        let written = Files::of(&place).0[MARK].clone();
        assert_eq!(written, killed.0[MARK], "the mark is right again after {mark:?}");
    }
}

#[test]
fn a_mark_that_cannot_be_written_is_said_at_the_start() {
    let place = Place::new();
    ages(&place);
    let mark = lock::beside(&place.path(), ".mark");
    fs::remove_file(&mark).unwrap();
    fs::create_dir(&mark).unwrap();
    let error = try_open(&place).expect_err("a folder in its place");
    assert!(error.to_string().contains("flowcost.db.mark"), "{error}");
}

#[test]
fn a_missing_file_that_had_been_there_starts_over_and_says_so() {
    let place = Place::new();
    ages(&place);
    fs::remove_file(place.path()).unwrap();
    drop(fs::remove_file(lock::beside(&place.path(), "-wal")));
    let (ledger, report) = open(&place.path(), &options());
    assert!(report.created && report.started_over);
    drop(ledger);
    assert!(!open(&place.path(), &options()).1.started_over);
    assert!(!open(&Place::new().path(), &options()).1.started_over);
}

/// The way to a smaller file that docs/state-file.md names.
#[test]
fn a_copy_by_vacuum_into_is_the_same_state_and_smaller() {
    let place = Place::new();
    let mut ledger = place.open();
    (0..3).for_each(|age| drop(ledger.commit(&round(age), NOW).unwrap()));
    ledger.seal("ops", Timestamp(i64::MAX)).unwrap();
    ledger.fold(Hour(HOUR.0 + 100)).unwrap();
    let before = state(&ledger);
    drop(ledger);
    let small = Place::new();
    let vacuum = format!("VACUUM INTO '{}'", small.path().display());
    Connection::open(place.path()).unwrap().execute_batch(&vacuum).unwrap();
    let size = |place: &Place| fs::metadata(place.path()).unwrap().len();
    assert!(size(&small) < size(&place), "{} of {}", size(&small), size(&place));
    assert_eq!(shell(&small.path(), "PRAGMA freelist_count"), 0);
    fs::copy(lock::beside(&place.path(), ".mark"), lock::beside(&small.path(), ".mark")).unwrap();
    assert_eq!(state(&try_open(&small).unwrap()), before);
}

#[test]
fn tables_that_contradict_each_other_are_damage() {
    for (name, sql) in [
        ("objects that were counted are not known", "DELETE FROM object WHERE name LIKE '1 %'"),
        ("an hour is of another age", "UPDATE traffic_hour SET bytes = bytes - 1 WHERE series_id = 1"),
        ("a total is of another age", "UPDATE traffic_total SET packets = packets - 1"),
        ("a charge is of another age", "DELETE FROM charge_hour WHERE hour % 7200 = 0"),
        ("a doubt is of another age", "UPDATE doubt_total SET bytes = bytes + 1"),
        ("a contradiction is of another age", "DELETE FROM contradiction_hour"),
        ("a source is of another age", "UPDATE source_total SET bytes = bytes - 1"),
        ("the cost of a source is of another age", "DELETE FROM source_charge_total"),
        ("a region is of another age", "UPDATE unpriced_total SET bytes = bytes - 1"),
        (
            "an hour is above its total",
            "UPDATE state SET folded_before = 0; UPDATE traffic_total SET flows = 1",
        ),
    ] {
        let place = Place::new();
        drop(ages(&place));
        Connection::open(place.path()).unwrap().execute_batch(sql).unwrap();
        let error = try_open(&place).expect_err(name);
        assert!(matches!(error, OpenError::Corrupt { .. }), "{name}: {error:?}");
    }
}
