//! State files of every version open in every later one, for ever: `tests/fixtures/state` has one of each. A file
//! there is never made anew. A new version adds its entry to [`VERSIONS`] and its file, which
//! `MAKE_FIXTURES=1` writes where it is missing.

use std::fs;

use super::*;

/// What stands in the file of a version. All are made by [`fill`] of their time.
struct Version {
    number: i32,
    counted: u64,
    bytes: u64,
    hours: usize,
    nano_usd: u64,
    /// Name of the source that has the sums.
    source: &'static str,
    doubtful_bytes: u64,
    contradictions: u64,
    unpriced_bytes: u64,
}

const VERSIONS: &[Version] = &[
    Version {
        number: 1,
        counted: 66,
        bytes: 2_277,
        hours: 5,
        nano_usd: 1_925,
        source: "unknown",
        doubtful_bytes: 0,
        contradictions: 0,
        unpriced_bytes: 0,
    },
    Version {
        number: 2,
        counted: 66,
        bytes: 2_277,
        hours: 5,
        nano_usd: 1_925,
        source: "ops",
        doubtful_bytes: 737,
        contradictions: 66,
        unpriced_bytes: 544,
    },
];

fn file(version: i32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/state/v{version}.db"))
}

/// A copy of a version's file; where the file is kept, nothing is written.
fn copy(version: i32) -> Place {
    let place = Place::new();
    fs::copy(file(version), place.path()).unwrap();
    place
}

/// Two sources, two prices, every outcome, a sealed partition, a folded hour, a request, an attempt.
fn fill(place: &Place) {
    let options = described();
    let mut ledger = open(&place.path(), &options).0;
    ledger.set_begin("ops", NOW).unwrap();
    let mut batch: Vec<Settled> = (0..66)
        .map(|index| counted(index % 6, &format!("object {index}"), 2 + index.cast_unsigned()))
        .collect();
    batch.push(settled(2, "empty", Settlement::Empty));
    batch.push(settled(2, "folder/", Settlement::Ignored(IgnoreReason::Folder)));
    batch.push(settled(2, "late", Settlement::RefusedLate));
    batch.push(settled(2, "gone", Settlement::Gone));
    batch.push(settled(3, "bad", quarantined(QuarantineReason::Schema)));
    batch.push(settled(3, "worse", quarantined(QuarantineReason::Corrupt)));
    ledger.commit(&batch, NOW).unwrap();
    let mut changed = candidate(&partition(5), "object 5");
    changed.listed.version = Some("v2".into());
    let changed = Settled { candidate: changed, settlement: Settlement::Mutated, fetched: 0 };
    ledger.commit(&[changed], NOW).unwrap();
    ledger.finish_scan("ops", NOW, crate::event::ScanKind::Full).unwrap();
    ledger.finish_scan("ops", NOW, crate::event::ScanKind::Late).unwrap();
    ledger.seal("ops", partition(1).end()).unwrap();
    ledger.fold(Hour(HOUR.0 + 1)).unwrap();
    ledger.begin_decoding(&candidate(&partition(5), "under way")).unwrap();
    drop(ledger);
    let key = candidate(&partition(3), "worse").listed.id.key;
    Ledger::request(&place.path(), Request::Retry, Some(&[key])).unwrap();
}

fn described() -> Options {
    let price = |charge, nano| PriceInForce {
        aws_region: "us-east-1".to_owned(),
        charge,
        price: Some(Price { per_gigabyte: NanoUsd(nano), unit: crate::model::Gigabyte::Binary }),
    };
    Options {
        sources: vec![
            SourceSpec { name: "ops".into(), url: "s3://bucket/".into() },
            SourceSpec { name: "other".into(), url: "s3://other/".into() },
        ],
        prices: vec![price(Charge::InterAz, 10_000_000), price(Charge::NatProcessing, 45_000_000)],
        ..options()
    }
}

#[test]
fn this_version_has_its_file() {
    let last = VERSIONS.last().unwrap();
    assert_eq!(last.number, schema::VERSION, "a new version adds its entry and its file");
    assert_eq!(VERSIONS.len(), usize::try_from(schema::VERSION).unwrap());
    if std::env::var_os("MAKE_FIXTURES").is_some() && !file(last.number).exists() {
        let place = Place::new();
        fill(&place);
        fs::copy(place.path(), file(last.number)).unwrap();
    }
    // The file is what this program makes of the same things today.
    let place = Place::new();
    fill(&place);
    let (made, kept) = (dump(&place), dump(&copy(last.number)));
    for (made, kept) in made.iter().zip(&kept) {
        assert_eq!(made, kept);
    }
    assert_eq!(made.len(), kept.len());
}

/// Every row of every table, as text.
fn dump(place: &Place) -> Vec<String> {
    let conn = Connection::open(place.path()).unwrap();
    let tables = column(&conn, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name");
    drop(conn);
    let table_rows = |table: &String| {
        let mut all = rows(place, &format!("SELECT * FROM {table}"));
        all.sort();
        all.into_iter().map(move |row| format!("{table}: {row}")).collect::<Vec<_>>()
    };
    tables.iter().flat_map(table_rows).collect()
}

fn column(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Every row of a query, as text.
fn rows(place: &Place, sql: &str) -> Vec<String> {
    let conn = Connection::open(place.path()).unwrap();
    let mut statement = conn.prepare(sql).unwrap();
    let columns = statement.column_count();
    let mut found = statement.query([]).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = found.next().unwrap() {
        let values = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap()));
        rows.push(values.collect::<Vec<_>>().join(", "));
    }
    rows
}

#[test]
fn every_version_opens_with_its_totals_and_goes_on() {
    for version in VERSIONS {
        let place = copy(version.number);
        let (mut ledger, report) = open(&place.path(), &described());
        assert!(!report.created && !report.classifier_changed && report.unfinished.is_empty());
        check(&ledger, version);
        // The same again changes nothing, something new adds to it.
        let again: Vec<Settled> =
            (0..66).map(|index| counted(index % 6, &format!("object {index}"), 9)).collect();
        assert_eq!(ledger.commit(&again, NOW).unwrap().repeated, 66);
        check(&ledger, version);
        ledger.commit(&[counted(4, "new", 1_000)], NOW).unwrap();
        assert_eq!(bytes(&ledger.snapshot()), version.bytes + 1_000);
        drop(ledger);
        let ledger = open(&place.path(), &described()).0;
        assert_eq!(bytes(&ledger.snapshot()), version.bytes + 1_000, "and after the next start");
        assert_eq!(shell(&place.path(), "PRAGMA user_version"), i64::from(schema::VERSION));
    }
}

fn check(ledger: &Ledger, version: &Version) {
    let snapshot = ledger.snapshot();
    assert_eq!(bytes(&snapshot), version.bytes);
    let cost: u64 = snapshot.charges.values().map(|counts| counts.cost.0).sum();
    assert_eq!(snapshot.records.get(RecordOutcome::Counted), version.counted);
    for outcome in ObjectOutcome::ALL {
        let expected = match outcome {
            ObjectOutcome::Counted => version.counted,
            ObjectOutcome::Quarantined => 2,
            _ => 1,
        };
        assert_eq!(snapshot.objects.get(outcome), expected, "{outcome:?}");
    }
    assert_eq!(snapshot.doubts.iter().sum::<u64>(), version.doubtful_bytes);
    assert_eq!(snapshot.contradictions.iter().sum::<u64>(), version.contradictions);
    assert_eq!(snapshot.unpriced.values().sum::<u64>(), version.unpriced_bytes);
    for (name, sums) in &snapshot.by_source {
        let is_it = **name == *version.source;
        assert_eq!(sums.bytes, if is_it { version.bytes } else { 0 }, "{name}");
        assert_eq!(sums.cost[Charge::InterAz as usize].0, if is_it { cost } else { 0 }, "{name}");
    }
    assert!(snapshot.first_hour == Some(HOUR) && snapshot.last_commit == Some(NOW));
    assert_eq!(snapshot.sources["ops"].last_full_scan, Some(NOW));
    assert_eq!(snapshot.sources["ops"].quarantined, 2);
    // In version 1 it begins with its newest record: what came before is of a source that is not known.
    let first_hour = if version.number == 1 { HOUR } else { Hour(HOUR.0 - 3) };
    assert_eq!(snapshot.sources["ops"].first_hour, Some(first_hour));
    assert_eq!((snapshot.sources["ops"].begin, snapshot.begin), (Some(NOW), Some(NOW)));
    assert_eq!(snapshot.sources["other"].first_hour, None);
    assert!(snapshot.sources["other"].last_full_scan.is_none() && !snapshot.first_scan_complete);
    let hours = hourly_cost(&snapshot);
    assert_eq!(hours.len(), version.hours);
    let by_hour: u64 = hours.values().sum();
    assert_eq!(by_hour, version.nano_usd, "without the folded hour");
    assert!(cost > by_hour, "the totals have it");
    assert_eq!(ledger.scan_progress("ops").unwrap().begin, NOW);
    assert_eq!(outcome(ledger, 0, "object 0"), Some(ObjectOutcome::Counted), "sealed");
    assert_eq!(outcome(ledger, 4, "object 4"), Some(ObjectOutcome::Counted));
    assert_eq!(outcome(ledger, 3, "bad"), Some(ObjectOutcome::Quarantined));
    assert_eq!(outcome(ledger, 3, "never seen"), None);
    let listed = ledger.quarantined().unwrap();
    let requests: Vec<_> = listed.iter().map(|object| (object.why.reason, object.request)).collect();
    assert!(requests.contains(&(QuarantineReason::Corrupt, Some(Request::Retry))), "{requests:?}");
    assert!(requests.contains(&(QuarantineReason::Schema, None)), "{requests:?}");
}

/// Whichever way a file came to its shape, by migration or from nothing, the shape is one.
#[test]
fn a_migrated_file_has_the_shape_of_a_new_one() {
    let shape = |place: &Place| {
        let sql = "SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_master ORDER BY 1";
        column(&Connection::open(place.path()).unwrap(), sql)
    };
    let new = Place::new();
    drop(new.open());
    for version in VERSIONS {
        let place = copy(version.number);
        drop(open(&place.path(), &described()));
        assert_eq!(shape(&place), shape(&new), "version {}", version.number);
    }
}

/// What a user's queries of version 1 said of its file they say of the migrated one, to the last row.
#[test]
fn the_views_of_version_1_say_what_they_said() {
    let labels = "hour, hour_utc, src_zone, dst_zone, port_group, nat_direction";
    let traffic =
        format!("SELECT {labels}, flows, packets, bytes, inter_az_bytes FROM ledger ORDER BY 1, 3, 4");
    let charges = format!("SELECT {labels}, charge, bytes, nano_usd FROM ledger_charges ORDER BY 1, 3, 4, 7");
    let others = [
        "SELECT * FROM partition",
        "SELECT * FROM quarantine",
        "SELECT * FROM attempt",
        "SELECT * FROM record_count",
        "SELECT * FROM object_count",
        "SELECT id, url, name, begin_at, scanned_through, last_late_scan, newest_record FROM source WHERE id > 0",
        "SELECT partition_id, name, version, size, outcome, reason, settled_at FROM object",
        "SELECT partition_id, settled, refused_late, ignored FROM sealed",
        "SELECT id, aws_region, charge_id, since, nano_usd_per_gigabyte, gigabyte_bytes FROM price",
        "SELECT created_at, classifier, first_scan_complete, first_hour, folded_before, object_bytes, last_commit
            FROM state",
    ];
    let place = copy(1);
    let all = |place: &Place| {
        let queries = [&*traffic, &*charges].into_iter().chain(others);
        queries.map(|sql| rows(place, sql)).collect::<Vec<_>>()
    };
    // Only what is configured may change something, and it is configured as it was.
    let before = all(&place);
    assert!(before[0].len() > 4 && before[1].len() > 4);
    let (ledger, report) = open(&place.path(), &described());
    assert_eq!(report.migrated_from, Some(1));
    drop(ledger);
    for (after, before) in all(&place).iter().zip(&before) {
        assert_eq!(after, before);
    }
    assert_eq!(open(&place.path(), &described()).1.migrated_from, None);
    let unknown = "SELECT count(*) FROM ledger_charges WHERE source = 'unknown' AND aws_region = 'unknown'
        AND relation = 'unknown' AND src_az IS NULL AND dst_az IS NULL AND unpriced_bytes = 0";
    assert_eq!(shell(&place.path(), unknown), before[1].len() as i64);
    let broken = "SELECT count(*) FROM pragma_foreign_key_check";
    assert_eq!(shell(&place.path(), broken), 0);
    assert_eq!(shell(&place.path(), "SELECT sum(mixed) = count(*) FROM sealed"), 1);
}

/// What the labels say of a relation is known of the past too.
#[test]
fn the_relation_of_the_past_follows_from_its_labels() {
    let place = copy(1);
    let conn = Connection::open(place.path()).unwrap();
    conn.execute_batch(
        "UPDATE series SET dst_zone = 'internet' WHERE id = (SELECT min(id) FROM series);
         INSERT INTO series (src_zone, dst_zone, port_group, nat_direction) VALUES ('aws', 'a', 'other', 'none')",
    )
    .unwrap();
    drop(conn);
    drop(open(&place.path(), &described()));
    let relations = "SELECT r.name FROM series s JOIN relation r ON r.id = s.relation_id ORDER BY s.id";
    let conn = Connection::open(place.path()).unwrap();
    assert_eq!(column(&conn, relations), ["internet", "aws"]);
}

/// Killed amid the migration, with part of it in the log already, the file is what it was.
#[test]
fn a_migration_that_is_killed_leaves_version_1() {
    let place = copy(1);
    let before = dump(&place);
    let conn = Connection::open(place.path()).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA cache_size = 1; PRAGMA foreign_keys = OFF")
        .unwrap();
    let transaction = Transaction::new_unchecked(&conn, TransactionBehavior::Immediate).unwrap();
    schema::migrate(&transaction, 1).unwrap();
    let killed = place.crash_copy();
    assert!(fs::metadata(lock::beside(&killed.path(), "-wal")).unwrap().len() > 4_096, "some of it is there");
    drop(transaction);
    let again = place.crash_copy();
    for place in [killed, again] {
        assert_eq!(shell(&place.path(), "PRAGMA user_version"), 1);
        assert_eq!(dump(&place), before);
        let (ledger, report) = open(&place.path(), &described());
        assert_eq!(report.migrated_from, Some(1));
        check(&ledger, &VERSIONS[0]);
    }
}

/// A reader does not bring a file to this version, and says who does. A request for the quarantine needs no such thing.
#[test]
fn a_reader_refuses_a_file_that_is_not_migrated() {
    let place = copy(1);
    let error = Ledger::open_read_only(&place.path()).unwrap_err();
    assert!(matches!(error, OpenError::NotMigrated { found: 1, known: 2, .. }), "{error}");
    let key = candidate(&partition(3), "bad").listed.id.key;
    assert_eq!(Ledger::request(&place.path(), Request::Drop, Some(&[key])).unwrap().len(), 1);
    assert_eq!(shell(&place.path(), "PRAGMA user_version"), 1);
}

/// A migration that fails half-way leaves the file as it was.
#[test]
fn migrations_are_all_or_nothing() {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch("CREATE TABLE series (theirs INTEGER)").unwrap();
    let transaction = Transaction::new_unchecked(&conn, TransactionBehavior::Immediate).unwrap();
    assert!(schema::create(&transaction).is_err(), "the name is taken");
    drop(transaction);
    assert_eq!(column(&conn, "SELECT name FROM sqlite_master WHERE type = 'table'"), ["series"]);
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 0);
    let place = copy(1);
    let conn = Connection::open(place.path()).unwrap();
    conn.execute_batch("CREATE TABLE talker (theirs INTEGER)").unwrap();
    drop(conn);
    let before = dump(&place);
    let error = Ledger::open(&place.path(), &described(), NOW).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert_eq!(dump(&place), before);
}
