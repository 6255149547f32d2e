//! What fails leaves no trace; what is committed survives (I1).

use super::*;

fn batch(round: i64) -> Vec<Settled> {
    let mut batch: Vec<Settled> =
        (0..4).map(|index| counted(index, &format!("r{round}-{index}"), 10)).collect();
    batch.push(settled(5, &format!("q{round}"), quarantined(QuarantineReason::Schema)));
    batch.push(counted(10 + round, "new partition", 1));
    let aws_region = format!("region-{round}").into();
    let delta = ObjectDelta { aws_region, ..delta(round, &format!("z{round}"), 3) };
    batch.push(settled(round, "new key", Settlement::Counted(delta)));
    batch
}

/// A commit that fails in a way, and the same commit afterwards.
fn fails_without_trace(name: &str, advice: &str, fault: impl Fn(&Connection), repair: impl Fn(&Connection)) {
    let (place, other) = (Place::new(), Place::new());
    let (mut ledger, mut twin) = (place.open(), other.open());
    for each in [&mut ledger, &mut twin] {
        each.commit(&batch(1), NOW).unwrap();
        each.begin_decoding(&candidate(&partition(2), "r2-2")).unwrap();
    }
    let before = ledger.snapshot();
    let book = format!("{:?}", sorted(&ledger));
    fault(&ledger.conn);
    for _ in 0..2 {
        let error = ledger.commit(&batch(2), NOW).expect_err(name);
        assert!(matches!(error, LedgerError::Storage { .. }), "{name}: {error:?}");
        assert!(std::error::Error::source(&error).is_some());
        assert!(error.advice().contains(advice), "{name}: {}", error.advice());
        assert_eq!(ledger.snapshot(), before, "{name}");
        assert_eq!(format!("{:?}", sorted(&ledger)), book, "{name}");
        let copy = place.crash_copy().open_at_limit();
        assert_eq!(copy, state(&ledger), "{name}: the file is as before");
    }
    repair(&ledger.conn);
    for each in [&mut ledger, &mut twin] {
        each.commit(&batch(2), NOW).unwrap();
    }
    assert_eq!(state(&ledger), state(&twin), "{name}");
    assert_eq!(sorted(&ledger), sorted(&twin), "{name}");
    let expected = state(&ledger);
    drop(ledger);
    assert_eq!(state(&place.open()), expected, "{name}");
}

impl Place {
    fn open_at_limit(&self) -> Snapshot {
        state(&self.open())
    }
}

/// The book in a fixed order.
fn sorted(ledger: &Ledger) -> (BTreeMap<Digest, book::OpenObject>, BTreeMap<i64, usize>, Vec<i64>) {
    (
        ledger.book.objects.iter().map(|(digest, object)| (*digest, object.clone())).collect(),
        ledger.book.partitions.iter().map(|(id, open)| (*id, open.objects)).collect(),
        ledger.book.attempts.values().map(|attempt| attempt.partition).collect(),
    )
}

#[test]
fn a_full_disk() {
    fails_without_trace(
        "full",
        "make room on its disk",
        |conn| {
            let pages: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
            // Fill what is free, then allow no more.
            conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
            conn.execute_batch(
                "CREATE TEMP TRIGGER grow AFTER INSERT ON object BEGIN
                    UPDATE object SET version = hex(zeroblob(40000)) WHERE name = NEW.name; END",
            )
            .unwrap();
        },
        |conn| {
            conn.execute_batch("DROP TRIGGER grow").unwrap();
            conn.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(())).unwrap();
        },
    );
}

#[test]
fn a_file_that_became_read_only() {
    fails_without_trace(
        "read-only",
        "give this user write permission",
        |conn| conn.pragma_update(None, "query_only", true).unwrap(),
        |conn| conn.pragma_update(None, "query_only", false).unwrap(),
    );
}

#[test]
fn another_program_that_writes() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.conn.busy_timeout(std::time::Duration::ZERO).unwrap();
    let shell = Connection::open(place.path()).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = ledger.snapshot();
    let error = ledger.commit(&batch(1), NOW).unwrap_err();
    assert!(error.advice().contains("close the other program"), "{error:?}");
    assert_eq!(ledger.snapshot(), before);
    shell.execute_batch("ROLLBACK").unwrap();
    ledger.commit(&batch(1), NOW).unwrap();
    // One that only reads is no hindrance.
    shell.execute_batch("BEGIN; SELECT * FROM ledger").unwrap();
    ledger.commit(&batch(2), NOW).unwrap();
    assert_eq!(ledger.snapshot().objects.get(ObjectOutcome::Counted), 12);
}

#[test]
fn a_failure_at_every_table() {
    let tables = [
        ("INSERT", "object"),
        ("INSERT", "partition"),
        ("INSERT", "quarantine"),
        ("UPDATE", "partition"),
        ("DELETE", "attempt"),
        ("INSERT", "label_set"),
        ("INSERT", "series"),
        ("INSERT", "aws_region"),
        ("INSERT", "traffic_total"),
        ("INSERT", "traffic_hour"),
        ("INSERT", "charge_total"),
        ("INSERT", "charge_hour"),
        ("INSERT", "unpriced_total"),
        ("INSERT", "source_total"),
        ("INSERT", "source_charge_total"),
        ("INSERT", "doubt_total"),
        ("INSERT", "doubt_hour"),
        ("INSERT", "contradiction_total"),
        ("INSERT", "contradiction_hour"),
        ("INSERT", "record_count"),
        ("INSERT", "object_count"),
        ("UPDATE", "source"),
        ("UPDATE", "state"),
    ];
    for (what, table) in tables {
        fails_without_trace(
            table,
            "restart the exporter",
            |conn| {
                let raise = "BEGIN SELECT raise(ABORT, 'no'); END";
                let sql = format!("CREATE TEMP TRIGGER fault BEFORE {what} ON main.{table} {raise}");
                conn.execute_batch(&sql).unwrap();
            },
            |conn| conn.execute_batch("DROP TRIGGER fault").unwrap(),
        );
    }
}

#[test]
fn other_writes_fail_without_trace_too() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.commit(&batch(1), NOW).unwrap();
    ledger.begin_decoding(&candidate(&partition(2), "half")).unwrap();
    let before = ledger.snapshot();
    ledger.conn.pragma_update(None, "query_only", true).unwrap();
    let id = candidate(&partition(2), "half").listed.id;
    let poison = candidate(&partition(5), "q1");
    assert!(ledger.begin_decoding(&candidate(&partition(9), "x")).is_err());
    assert!(ledger.begin_decoding(&candidate(&partition(2), "half")).is_err());
    assert!(ledger.begin_decoding(&poison).is_err());
    assert!(ledger.abandon_decoding(&id).is_err());
    assert!(ledger.seal("ops", Timestamp(i64::MAX)).is_err());
    assert!(ledger.fold(Hour(i64::MAX / 3600)).is_err());
    assert!(ledger.set_begin("ops", NOW).is_err());
    assert!(ledger.finish_scan("ops", NOW, crate::event::ScanKind::Full).is_err());
    assert_eq!(ledger.snapshot(), before);
    assert_eq!(ledger.scan_progress("ops"), None);
    assert_eq!(ledger.book.attempts.len(), 1);
    assert_eq!(ledger.book.partitions.len(), 6);
    assert_eq!(ledger.quarantined().unwrap()[0].retries, 0);
    assert_eq!(outcome(&ledger, 2, "r1-2"), Some(ObjectOutcome::Counted));
    ledger.conn.pragma_update(None, "query_only", false).unwrap();
    assert_eq!(ledger.seal("ops", Timestamp(i64::MAX)).unwrap(), 6);
    assert!(ledger.fold(Hour(i64::MAX / 3600)).unwrap() > 0);
}

/// Whatever part of the log reaches the disk, the state is that of some commit, and reading everything again gives
/// the same end: nothing lost, nothing twice. Where the mark reached the disk, a cut that takes back what had been
/// committed is refused: that disk had promised to keep it.
#[test]
fn a_log_cut_anywhere_is_some_commit_and_reading_again_completes_it() {
    let place = Place::new();
    let mut ledger = place.open();
    let mut states = vec![state(&ledger)];
    for round in 0..8 {
        ledger.commit(&batch(round), NOW).unwrap();
        states.push(state(&ledger));
    }
    let crashed = place.crash_copy();
    let log = std::fs::read(lock::beside(&crashed.path(), "-wal")).unwrap();
    assert!(log.len() > 50_000);
    let mut random = fastrand::Rng::with_seed(1);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let copy = crashed.crash_copy();
        let wal = lock::beside(&copy.path(), "-wal");
        std::fs::write(&wal, &log[..random.usize(..=log.len())]).unwrap();
        let refused = match Ledger::open(&copy.path(), &options(), NOW) {
            Ok((ledger, _)) => {
                assert_eq!(state(&ledger), states[8], "nothing that was committed is missing");
                false
            }
            Err(OpenError::Older { .. }) => true,
            Err(other) => panic!("{other:?}"),
        };
        if refused {
            std::fs::remove_file(lock::beside(&copy.path(), ".mark")).unwrap();
        }
        let mut ledger = copy.open();
        let found = states.iter().position(|known| *known == state(&ledger));
        seen.insert(found.expect("the state after some commit"));
        for round in 0..8 {
            ledger.commit(&batch(round), NOW).unwrap();
        }
        assert_eq!(state(&ledger), states[8]);
    }
    assert!(seen.len() > 4, "the cuts fall into different commits: {seen:?}");
}
