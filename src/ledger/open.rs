//! Opening a state file: what may be used is used, and everything else is refused with its remedy.
//!
//! A missing file is the only fresh start. It is made under another name and renamed, so that a file under the
//! right name always has its tables.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, config::DbConfig, params,
};

use super::{
    Bounds, Ledger, OpenReport, Options, PriceInForce, audit,
    book::Book,
    error::{LedgerError, OpenError, while_doing},
    load::stored,
    lock::{LockFile, beside},
    mark::{self, Mark, Reached},
    schema::{self, APPLICATION_ID, VERSION},
    sealed::SealedCache,
    series::Names,
    sources,
    totals::GrandTotal,
};
use crate::{
    limits,
    model::{Snapshot, Timestamp},
};

/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Length of the header of an SQLite file.
const HEADER_BYTES: usize = 100;

/// Symbolic links followed one after another.
const LINKS: usize = 16;

/// Prepared statements kept: more than the ledger has.
const STATEMENTS: usize = 64;

impl Ledger {
    /// Opens the state for writing, as its only writer, or makes it when it is missing.
    ///
    /// # Errors
    /// See [`OpenError`]. The file is not changed then.
    pub fn open(path: &Path, options: &Options, now: Timestamp) -> Result<(Self, OpenReport), OpenError> {
        let path = resolve(path)?;
        let lock = LockFile::acquire(&path)?;
        let created = !exists(&path)?;
        let started_over = created && mark::exists(&path);
        if created {
            mark::remove(&path)?;
            create(&path, options, now)?;
        }
        check_writable(&path)?;
        let (conn, found) = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let failed = |error| OpenError::from_sqlite(&path, error);
        check_content(&path, &conn, found)?;
        let reached = Reached::of(&conn).map_err(failed)?;
        mark::check(&path, reached)?;
        prepare(&conn).map_err(failed)?;
        let mut ledger = Self {
            conn,
            path: path.clone(),
            series_limit: options.series_limit,
            bounds: Bounds::default(),
            sources: BTreeMap::new(),
            names: Names::default(),
            grand: GrandTotal::default(),
            generation: 0,
            newest_hour: None,
            book: Book::default(),
            sealed: RefCell::new(SealedCache::default()),
            snapshot: Arc::new(Snapshot::default()),
            mark: Mark::open(&path, reached)?,
            _lock: lock,
        };
        // What cannot be read to its end is refused before anything of it is changed: reading is part of the transaction.
        let transaction =
            Transaction::new_unchecked(&ledger.conn, TransactionBehavior::Immediate).map_err(failed)?;
        schema::migrate(&transaction, found).map_err(failed)?;
        schema::fill_words(&transaction).map_err(failed)?;
        check_words(&path, &transaction)?;
        let (sources, classifier_changed) = note_configuration(&transaction, options, now).map_err(failed)?;
        let loaded = ledger.load(&sources).map_err(failed)?;
        let unfinished = ledger.died_over(|id| named(&sources, id)).map_err(|error| match error {
            LedgerError::Storage { source, .. } => failed(source),
            other => damaged(&path, &other.to_string()),
        })?;
        release_log(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        use_write_ahead_log(&ledger.conn).map_err(failed)?;
        ledger.conn.pragma_update(None, "foreign_keys", true).map_err(failed)?;
        ledger.take_over(loaded);
        let fresh = !ledger.snapshot.first_scan_complete;
        let migrated_from = (found < VERSION).then_some(found);
        let report =
            OpenReport { created, started_over, migrated_from, fresh, classifier_changed, unfinished };
        Ok((ledger, report))
    }
}

impl Ledger {
    /// Goes over to another configuration, as opening the file with it would, in one transaction. The totals and what
    /// is settled stay as they are; sources that are gone keep their progress in the file.
    ///
    /// # Errors
    /// When SQLite cannot read or write. File and memory are as before then.
    pub fn reconfigure(&mut self, options: &Options, now: Timestamp) -> Result<OpenReport, LedgerError> {
        const ACTION: &str = "take over another configuration";
        let transaction = self.durable(ACTION)?;
        let (sources, classifier_changed) =
            note_configuration(&transaction, options, now).map_err(while_doing(ACTION))?;
        let loaded = self.load(&sources).map_err(while_doing(ACTION))?;
        let unfinished = self.died_over(|id| named(&sources, id))?;
        transaction.commit().map_err(while_doing(ACTION))?;
        self.take_over(loaded);
        self.series_limit = options.series_limit;
        self.sealed = RefCell::default();
        let fresh = !self.snapshot.first_scan_complete;
        Ok(OpenReport { fresh, classifier_changed, unfinished, ..OpenReport::default() })
    }
}

impl Ledger {
    /// Notes that the rules have changed, where nothing else of the configuration has. `false`: these were noted.
    ///
    /// # Errors
    /// When SQLite cannot read or write.
    pub fn note_classifier(&mut self, fingerprint: &str) -> Result<bool, LedgerError> {
        const ACTION: &str = "note a change of the rules";
        let transaction = self.durable(ACTION)?;
        let changed = note_classifier(&transaction, fingerprint).map_err(while_doing(ACTION))?;
        transaction.commit().map_err(while_doing(ACTION))?;
        Ok(changed)
    }
}

fn named(sources: &BTreeMap<Arc<str>, i64>, id: i64) -> Option<Arc<str>> {
    sources.iter().find(|(_, other)| **other == id).map(|(name, _)| name.clone())
}

/// The path with its folder checked and symbolic links followed, so that two names of one file share one lock, and
/// a link to a volume that is not there is not replaced by a new file.
fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let folder = folder_of(&path).to_owned();
        match fs::metadata(&folder) {
            Ok(metadata) if metadata.is_dir() => {}
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(OpenError::Unreadable { path: folder, source: error.into() });
            }
            _ => return Err(OpenError::FolderMissing { folder }),
        }
        match fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            // No link, or nothing there at all.
            Err(_) => return Ok(fs::canonicalize(&path).unwrap_or(path)),
        }
    }
    let source = std::io::Error::other("too many symbolic links");
    Err(OpenError::Unreadable { path, source: source.into() })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether there is a state file. A log without its file is not a missing state but a damaged one.
fn exists(path: &Path) -> Result<bool, OpenError> {
    match fs::metadata(path) {
        Ok(_) => return Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(OpenError::Unreadable { path: path.to_owned(), source: error.into() }),
    }
    let wal = beside(path, "-wal");
    if fs::metadata(&wal).is_ok_and(|metadata| metadata.len() > 0) {
        return Err(OpenError::Orphaned { path: path.to_owned(), wal });
    }
    Ok(false)
}

/// Makes a state file with tables and no content.
fn create(path: &Path, options: &Options, now: Timestamp) -> Result<(), OpenError> {
    let new = beside(path, ".new");
    for left_over in [new.clone(), beside(&new, "-journal"), beside(path, "-wal"), beside(path, "-shm")] {
        match fs::remove_file(&left_over) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(OpenError::from_write(&left_over, error));
            }
            _ => {}
        }
    }
    let failed = |error| OpenError::from_sqlite(path, error);
    let conn = Connection::open(&new).map_err(failed)?;
    fill(&conn, options, now).map_err(failed)?;
    conn.close().map_err(|(_, error)| failed(error))?;
    fs::rename(&new, path).map_err(|error| OpenError::from_write(path, error))?;
    let folder = folder_of(path);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| OpenError::from_write(folder, error))
}

fn fill(conn: &Connection, options: &Options, now: Timestamp) -> rusqlite::Result<()> {
    // Not yet in WAL mode: all there is must be in the one file that is renamed.
    conn.pragma_update(None, "synchronous", "FULL")?;
    let transaction = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    schema::create(conn)?;
    conn.execute(
        "INSERT INTO state (id, created_at, classifier, first_scan_complete, object_bytes) VALUES (1, ?, ?, 0, 0)",
        params![now.0, options.classifier_fingerprint],
    )?;
    transaction.commit()
}

fn check_writable(path: &Path) -> Result<(), OpenError> {
    match File::options().read(true).write(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if File::open(path).is_ok() => Err(OpenError::from_write(path, error)),
        Err(error) => Err(OpenError::Unreadable { path: path.to_owned(), source: error.into() }),
    }
}

/// Opens a file that is there and of this version.
pub(super) fn connect_current(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing { path: path.to_owned() });
    }
    let (conn, found) = connect(path, flags)?;
    if found < VERSION {
        return Err(OpenError::NotMigrated { path: path.to_owned(), found, known: VERSION });
    }
    Ok(conn)
}

/// Looks at the first bytes, then lets SQLite open the file: files of other programs are not touched. Returns the
/// version that the file has.
pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<(Connection, i32), OpenError> {
    check_head(path)?;
    let failed = |error| OpenError::from_sqlite(path, error);
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    // A log that does not belong to the file must not get into it, not even when a refused file is closed.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    conn.busy_timeout(limits::STATE_BUSY_TIMEOUT).map_err(failed)?;
    let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failed);
    if number("application_id")? != APPLICATION_ID {
        // SQLite takes a file that is shorter than a page for an empty one.
        return Err(damaged(path, "it is cut short"));
    }
    let found = number("user_version")?;
    if found > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    if found < 1 {
        return Err(damaged(path, &format!("no version of this program has written version {found}")));
    }
    Ok((conn, found))
}

/// Whether the file uses only words that this program knows.
pub(super) fn check_words(path: &Path, conn: &Connection) -> Result<(), OpenError> {
    match schema::unknown_word(conn).map_err(|error| OpenError::from_sqlite(path, error))? {
        None => Ok(()),
        Some((table, word)) => Err(OpenError::NewerWord { path: path.to_owned(), table, word }),
    }
}

/// Whether the header of the file is that of a state file (<https://www.sqlite.org/fileformat.html>, 1.3).
fn check_head(path: &Path) -> Result<(), OpenError> {
    let unreadable =
        |error: std::io::Error| OpenError::Unreadable { path: path.to_owned(), source: error.into() };
    let foreign = |detail: String| Err(OpenError::Foreign { path: path.to_owned(), detail });
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(HEADER_BYTES as u64).read_to_end(&mut head))
        .map_err(unreadable)?;
    if head.is_empty() {
        return Err(OpenError::Empty { path: path.to_owned() });
    }
    if head.iter().all(|byte| *byte == 0) {
        return Err(damaged(path, "it begins with zeros"));
    }
    if !head.starts_with(MAGIC) {
        return foreign("it is no SQLite file".to_owned());
    }
    if head.len() < HEADER_BYTES {
        return Err(damaged(path, "it is cut short"));
    }
    let application = &head[68..72];
    if application != APPLICATION_ID.to_be_bytes() {
        return foreign(format!("its application_id is {application:02x?}"));
    }
    Ok(())
}

fn damaged(path: &Path, detail: &str) -> OpenError {
    OpenError::Corrupt { path: path.to_owned(), detail: detail.to_owned() }
}

/// The file is accepted: from here on its write-ahead log is taken into it when it is closed.
pub(super) fn release_log(conn: &Connection) -> rusqlite::Result<bool> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
}

/// Reads every page once: damage is found now, not in the middle of the work.
fn check_content(path: &Path, conn: &Connection, version: i32) -> Result<(), OpenError> {
    let verdict: String = conn
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| OpenError::from_sqlite(path, error))?;
    if verdict != "ok" {
        // SQLite's own words, on more than one line.
        return Err(damaged(path, &verdict.replace(char::is_control, " ")));
    }
    match audit::contradiction(conn, version).map_err(|error| OpenError::from_sqlite(path, error))? {
        None => Ok(()),
        Some(contradiction) => Err(damaged(path, &contradiction)),
    }
}

fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "synchronous", "FULL")?;
    // Not while tables may be replaced: the first transaction brings an older file to this version.
    conn.pragma_update(None, "foreign_keys", false)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.query_row(&format!("PRAGMA journal_size_limit = {}", limits::STATE_LOG_BYTES), [], |_| Ok(()))
}

/// Where the file is not in this mode yet: the mode is part of the file, so this is a change, too.
fn use_write_ahead_log(conn: &Connection) -> rusqlite::Result<()> {
    // The answer is the mode that is in force; a file system without shared memory keeps the old one.
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
            Some(format!("the journal mode stays {mode}")),
        ));
    }
    Ok(())
}

/// Writes down what the file has to know of the configuration, inside a transaction. Returns the ids of the configured
/// sources by name, and whether the classifier is another one.
fn note_configuration(
    conn: &Connection,
    options: &Options,
    now: Timestamp,
) -> rusqlite::Result<(BTreeMap<Arc<str>, i64>, bool)> {
    let sources = sources::note(conn, &options.sources, now)?;
    for price in &options.prices {
        note_price(conn, price, now)?;
    }
    Ok((sources, note_classifier(conn, &options.classifier_fingerprint)?))
}

/// Whether the rules are others than before.
fn note_classifier(conn: &Connection, fingerprint: &str) -> rusqlite::Result<bool> {
    let changed = "UPDATE state SET classifier = ?1 WHERE classifier != ?1";
    Ok(conn.execute(changed, [fingerprint])? > 0)
}

/// Appends a price when it is not the one that was in force, and that there is none any more.
fn note_price(conn: &Connection, price: &PriceInForce, now: Timestamp) -> rusqlite::Result<()> {
    let PriceInForce { aws_region, charge, price } = price;
    let charge: i64 = charge.code();
    let last: Option<(Option<i64>, i64)> = conn
        .query_row(
            "SELECT nano_usd_per_gigabyte, gigabyte_bytes FROM price
             WHERE aws_region = ? AND charge_id = ? ORDER BY id DESC LIMIT 1",
            params![aws_region, charge],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let wanted = match (price, last) {
        (Some(price), _) => (Some(stored(price.per_gigabyte.0)), stored(price.unit.bytes())),
        (None, Some((Some(_), unit))) => (None, unit),
        (None, _) => return Ok(()),
    };
    if last != Some(wanted) {
        conn.execute(
            "INSERT INTO price (aws_region, charge_id, since, nano_usd_per_gigabyte, gigabyte_bytes)
             VALUES (?, ?, ?, ?, ?)",
            params![aws_region, charge, now.0, wanted.0, wanted.1],
        )?;
    }
    Ok(())
}
