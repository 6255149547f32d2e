//! Which files are used, and which are refused with what remedy. Never a silent new start.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use super::*;

fn refused(place: &Place) -> OpenError {
    let before = fs::read(place.path()).ok();
    let error = Ledger::open(&place.path(), &options(), NOW).unwrap_err();
    assert_eq!(fs::read(place.path()).ok(), before, "a refused file is not touched");
    assert!(error.to_string().contains("flowcost.db"), "{error}");
    error
}

/// A state with some content in more than a page or two, closed.
fn filled() -> Place {
    let place = Place::new();
    let mut ledger = place.open();
    let batch: Vec<Settled> =
        (0..500).map(|index| counted(index % 9, &format!("object {index}"), 1)).collect();
    ledger.commit(&batch, NOW).unwrap();
    place
}

#[test]
fn a_missing_file_is_a_fresh_start() {
    let place = Place::new();
    let (ledger, report) = open(&place.path(), &options());
    assert!(report.created && report.fresh);
    assert!(ledger.snapshot().state_bytes > 4_096);
    let name = |name: &str| place.0.path().join(name).exists();
    assert!(name("flowcost.db") && name("flowcost.db.lock") && !name("flowcost.db.new"));
    assert_eq!(shell(&place.path(), "PRAGMA application_id"), i64::from(schema::APPLICATION_ID));
    assert_eq!(shell(&place.path(), "PRAGMA user_version"), i64::from(schema::VERSION));
    drop(ledger);
    assert!(!open(&place.path(), &options()).1.created);
}

#[test]
fn a_start_that_was_killed_while_making_the_file_is_a_fresh_start() {
    let place = Place::new();
    fs::write(lock::beside(&place.path(), ".new"), b"half a file").unwrap();
    fs::write(lock::beside(&place.path(), ".new-journal"), b"half a journal").unwrap();
    assert!(open(&place.path(), &options()).1.created);
    assert!(!lock::beside(&place.path(), ".new").exists());
}

#[test]
fn a_missing_folder() {
    let place = Place::new();
    let error = Ledger::open(&place.0.path().join("no/flowcost.db"), &options(), NOW).unwrap_err();
    assert!(matches!(&error, OpenError::FolderMissing { folder } if folder.ends_with("no")), "{error}");
}

/// SQLite finds nothing wrong with it, and the configuration has changed since: that must not be written down first.
#[test]
fn content_that_means_nothing_is_refused_before_anything_is_written() {
    for journal in ["WAL", "DELETE"] {
        let place = filled();
        let conn = Connection::open(place.path()).unwrap();
        conn.execute("UPDATE record_count SET outcome = 'eaten'", []).unwrap();
        conn.query_row(&format!("PRAGMA journal_mode = {journal}"), [], |_| Ok(())).unwrap();
        conn.close().unwrap();
        let before = fs::read(place.path()).unwrap();
        let changed = Options { classifier_fingerprint: "another".to_owned(), ..options() };
        let error = Ledger::open(&place.path(), &changed, NOW).unwrap_err();
        assert!(error.to_string().contains("flowcost.db"), "{error}");
        assert!(fs::read(place.path()).unwrap() == before, "{journal}: a refused file is not touched");
    }
}

#[test]
fn an_empty_file() {
    let place = Place::new();
    fs::write(place.path(), b"").unwrap();
    assert!(matches!(refused(&place), OpenError::Empty { .. }));
    assert!(matches!(Ledger::open_read_only(&place.path()), Err(OpenError::Empty { .. })));
}

#[test]
fn files_of_others() {
    let place = Place::new();
    fs::write(place.path(), b"a shopping list\n".repeat(500)).unwrap();
    assert!(matches!(refused(&place), OpenError::Foreign { .. }));
    fs::remove_file(place.path()).unwrap();
    Connection::open(place.path()).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(refused(&place), OpenError::Foreign { .. }));
    assert!(matches!(Ledger::open_read_only(&place.path()), Err(OpenError::Foreign { .. })));
}

#[test]
fn damaged_files() {
    let whole = fs::read(filled().path()).unwrap();
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 6] = [
        ("cut in half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("cut inside the header", |bytes| bytes.truncate(50)),
        ("cut inside the first page", |bytes| bytes.truncate(300)),
        ("cut after the first page", |bytes| bytes.truncate(4_096)),
        ("zeros all over", |bytes| bytes.fill(0)),
        ("zeros behind the first page", |bytes| bytes[4_096..].fill(0)),
    ];
    for (name, damage) in damages {
        let place = Place::new();
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(place.path(), bytes).unwrap();
        let error = refused(&place);
        assert!(matches!(error, OpenError::Corrupt { .. }), "{name}: {error:?}");
    }
}

/// An index that is not asked at the start is read all the same.
#[test]
fn damage_that_no_query_of_the_start_meets() {
    let place = filled();
    let sql = "SELECT rootpage FROM sqlite_master WHERE name = 'quarantine_request'";
    let page = usize::try_from(shell(&place.path(), sql)).unwrap();
    let mut bytes = fs::read(place.path()).unwrap();
    bytes[(page - 1) * 4_096..page * 4_096].fill(0);
    fs::write(place.path(), bytes).unwrap();
    let error = refused(&place);
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
}

#[test]
fn flipped_bytes_never_panic_and_mostly_refuse() {
    let whole = fs::read(filled().path()).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..60 {
        let place = Place::new();
        let mut bytes = whole.clone();
        let at = random.usize(100..bytes.len());
        let end = (at + 64).min(bytes.len());
        bytes[at..end].fill_with(|| random.u8(..));
        fs::write(place.path(), bytes).unwrap();
        // Some flips are in unused space or inside a text; none may be a panic.
        let _ = Ledger::open(&place.path(), &options(), NOW);
    }
}

#[test]
fn a_file_that_lost_a_table_or_has_a_strange_word_is_damaged() {
    for sql in [
        "DROP TABLE charge_hour",
        "UPDATE object SET outcome = 'misplaced'",
        "UPDATE traffic_total SET bytes = -1",
        "UPDATE unpriced_total SET bytes = -1; UPDATE charge_total SET unpriced_bytes = -1;
            UPDATE charge_hour SET unpriced_bytes = -1",
        "UPDATE partition SET open = 0",
        "PRAGMA user_version = 0",
        "DELETE FROM state",
    ] {
        let place = filled();
        Connection::open(place.path()).unwrap().execute_batch(sql).unwrap();
        let error = Ledger::open(&place.path(), &options(), NOW).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{sql}: {error:?}");
    }
}

#[test]
fn a_file_of_a_later_version() {
    let place = filled();
    Connection::open(place.path()).unwrap().pragma_update(None, "user_version", 3).unwrap();
    let error = refused(&place);
    assert!(matches!(error, OpenError::Newer { found: 3, known: 2, .. }), "{error}");
}

/// A later program may have charges of its own without another version of the file. They matter where they are used.
#[test]
fn words_of_a_later_program() {
    let place = filled();
    let conn = Connection::open(place.path()).unwrap();
    conn.execute_batch("INSERT INTO charge (id, name) VALUES (77, 'tea'), (1001, 'rent')").unwrap();
    drop(place.open());
    conn.execute_batch(
        "INSERT INTO charge_total SELECT 77, label_set_id, bytes, unpriced_bytes, nano_usd, changed_at, retired_at
            FROM charge_total;
         INSERT INTO charge_hour SELECT hour, series_id, 77, source_id, aws_region_id, bytes, unpriced_bytes, nano_usd
            FROM charge_hour;
         UPDATE source_charge_total SET nano_usd = 2 * nano_usd; UPDATE unpriced_total SET bytes = 2 * bytes",
    )
    .unwrap();
    drop(conn);
    let error = refused(&place);
    assert!(matches!(&error, OpenError::NewerWord { table: "charge", word, .. } if word == "tea"), "{error}");
    let error = Ledger::open_read_only(&place.path()).unwrap_err();
    assert!(matches!(error, OpenError::NewerWord { .. }), "{error}");
}

/// The words of a file that an older program made are brought up to those of this one.
#[test]
fn a_start_brings_the_words_up_to_date() {
    let place = filled();
    let conn = Connection::open(place.path()).unwrap();
    let words = || {
        ["charge", "doubt", "contradiction", "relation"]
            .map(|table| shell(&place.path(), &format!("SELECT count(*) FROM {table}")))
    };
    let all = words();
    assert_eq!(all[0] as usize, Charge::COUNT);
    conn.execute_batch(
        "PRAGMA foreign_keys = OFF; DELETE FROM charge WHERE id > 5; DELETE FROM doubt WHERE id > 5;
         DELETE FROM contradiction WHERE id > 5; UPDATE relation SET name = 'old ' || name",
    )
    .unwrap();
    drop(conn);
    drop(place.open());
    assert_eq!(words(), all);
    assert_eq!(shell(&place.path(), "SELECT count(*) FROM relation WHERE name LIKE 'old %'"), 0);
}

#[test]
fn a_log_without_its_file() {
    let place = filled();
    fs::remove_file(place.path()).unwrap();
    fs::write(lock::beside(&place.path(), "-wal"), b"some frames").unwrap();
    assert!(matches!(refused(&place), OpenError::Orphaned { .. }));
}

#[test]
fn a_symbolic_link_is_followed_and_never_replaced() {
    let place = Place::new();
    let target = place.0.path().join("volume");
    std::os::unix::fs::symlink(target.join("real.db"), place.path()).unwrap();
    let error = Ledger::open(&place.path(), &options(), NOW).unwrap_err();
    assert!(matches!(&error, OpenError::FolderMissing { folder } if *folder == target), "{error:?}");
    fs::create_dir(&target).unwrap();
    assert!(open(&place.path(), &options()).1.created);
    assert!(target.join("real.db").exists());
    assert!(fs::symlink_metadata(place.path()).unwrap().is_symlink());
    let around = place.0.path().join("around.db");
    std::os::unix::fs::symlink(&around, &around).unwrap();
    let error = Ledger::open(&around, &options(), NOW).unwrap_err();
    assert!(matches!(error, OpenError::Unreadable { .. }), "{error:?}");
}

#[test]
fn a_folder_in_the_place_of_the_file() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    let error = Ledger::open(&place.path(), &options(), NOW).unwrap_err();
    assert!(matches!(error, OpenError::Unreadable { .. } | OpenError::NotWritable { .. }), "{error:?}");
}

#[test]
fn what_cannot_be_written() {
    let place = Place::new();
    fs::create_dir(lock::beside(&place.path(), ".lock")).unwrap();
    let error = Ledger::open(&place.path(), &options(), NOW).unwrap_err();
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error:?}");

    let place = filled();
    let read_only = |path: &Path| {
        let mut permissions = fs::metadata(path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(path, permissions).unwrap();
        fs::File::options().write(true).open(path).is_err()
    };
    // A privileged user may write all the same; then there is nothing to refuse.
    if read_only(&place.path()) {
        assert!(matches!(refused(&place), OpenError::NotWritable { .. }));
    }
    let error = |kind: std::io::ErrorKind| OpenError::from_write(Path::new("x"), kind.into());
    assert!(matches!(error(std::io::ErrorKind::PermissionDenied), OpenError::NotWritable { .. }));
    assert!(matches!(error(std::io::ErrorKind::ReadOnlyFilesystem), OpenError::NotWritable { .. }));
    assert!(matches!(error(std::io::ErrorKind::StorageFull), OpenError::Storage { .. }));
}

#[test]
fn answers_of_sqlite_become_cases() {
    let place = filled();
    let error = OpenError::from_sqlite(
        &place.path(),
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None),
    );
    assert!(matches!(error, OpenError::Busy { .. }));
}

#[test]
fn a_second_handle_is_refused_and_told_the_holder() {
    let place = Place::new();
    let first = place.open();
    let error = refused(&place);
    let OpenError::Locked { holder, .. } = &error else { panic!("{error:?}") };
    assert_eq!(holder.pid, std::process::id().to_string());
    assert!(!holder.host.is_empty() && holder.host != "?");
    assert!(error.to_string().contains(&holder.pid) && error.to_string().contains(&holder.host));
    // Another name of the same file is the same file.
    let link = place.0.path().join("link.db");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    assert!(matches!(Ledger::open(&link, &options(), NOW), Err(OpenError::Locked { .. })));
    drop(first);
    drop(place.open());
    fs::write(lock::beside(&place.path(), ".lock"), b"1 some host, long ago, with quite a lot of text\n")
        .unwrap();
    drop(place.open());
}

const HOLD: &str = "FLOWCOST_TEST_HOLD";

/// Not a test of its own: the second process of the next one.
#[test]
fn holder_process() {
    let Some(path) = std::env::var_os(HOLD) else { return };
    let mut ledger = open(Path::new(&path), &options()).0;
    ledger.commit(&[counted(0, "x", 7)], NOW).unwrap();
    ledger.begin_decoding(&candidate(&partition(0), "poison")).unwrap();
    println!("holding");
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn another_process_holds_the_lock_until_it_is_killed() {
    let place = Place::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::tests::opening::holder_process", "--nocapture"])
        .env(HOLD, place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("holding")));
    let error = refused_by_lock(&place);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(error, child.id().to_string());
    let ledger = place.open();
    assert_eq!(bytes(&ledger.snapshot()), 7, "committed before the kill");
    assert_eq!(shell(&place.path(), "SELECT attempts FROM attempt"), 1, "journalled before the kill");
}

fn refused_by_lock(place: &Place) -> String {
    match Ledger::open(&place.path(), &options(), NOW) {
        Err(OpenError::Locked { holder, .. }) => holder.pid,
        other => panic!("{other:?}"),
    }
}
