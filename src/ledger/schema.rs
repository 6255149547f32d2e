//! The tables of the state file. They are part of the product: users read them with the sqlite3 shell.
//!
//! A file of an older version is brought to this one in a single transaction: the tables that have changed step aside,
//! are made anew as [`TABLES`] says, filled from the old ones, and the old ones go. So there is one description of a
//! table, and a migrated file has the shape of a new one. Tables that nothing fills yet are there so that what fills
//! them needs no migration.

use rusqlite::{Connection, config::DbConfig, params};

use crate::model::{Charge, Contradiction, Doubt, Relation};

/// Marks the file as ours (`PRAGMA application_id`): "FLOW" in ASCII.
pub(super) const APPLICATION_ID: i32 = 0x464C_4F57;

/// The version that this program writes (`PRAGMA user_version`).
pub(super) const VERSION: i32 = 2;

/// The row of `source` and of `aws_region` that stands for what version 1 did not keep apart.
pub(super) const UNKNOWN: i64 = 0;

/// Its name in both.
pub(super) const UNKNOWN_NAME: &str = crate::model::UNKNOWN_REGION;

/// Makes the tables of a new file. To be called inside a transaction.
pub(super) fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(OBJECTS)?;
    conn.execute_batch(TABLES)?;
    fill_words(conn)?;
    conn.pragma_update(None, "user_version", VERSION)
}

/// Brings a file of an older version to [`VERSION`]. To be called inside a transaction on a connection that does not
/// enforce foreign keys: rows refer to tables that are replaced meanwhile.
pub(super) fn migrate(conn: &Connection, from: i32) -> rusqlite::Result<()> {
    if from == VERSION {
        return Ok(());
    }
    assert_eq!(from, 1, "other versions were refused");
    // Otherwise the references of other tables would follow the old table to its new name.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, true)?;
    let migrated = migrate_1(conn);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, false)?;
    migrated?;
    conn.pragma_update(None, "user_version", VERSION)
}

/// Tables of version 1 that have changed.
const CHANGED_SINCE_1: [&str; 11] = [
    "state",
    "source",
    "object",
    "sealed",
    "series",
    "charge",
    "traffic_total",
    "traffic_hour",
    "charge_total",
    "charge_hour",
    "price",
];

fn migrate_1(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("DROP VIEW ledger; DROP VIEW ledger_charges")?;
    for table in CHANGED_SINCE_1 {
        conn.execute_batch(&format!("ALTER TABLE {table} RENAME TO old_{table}"))?;
    }
    conn.execute_batch(TABLES)?;
    fill_words(conn)?;
    conn.execute_batch(FROM_1)?;
    for table in CHANGED_SINCE_1 {
        conn.execute_batch(&format!("DROP TABLE old_{table}"))?;
    }
    Ok(())
}

/// Brings the tables of words up to what this program knows. Codes are never used again, so a new word is one more row.
pub(super) fn fill_words(conn: &Connection) -> rusqlite::Result<()> {
    for (table, words) in words() {
        let sql = format!(
            "INSERT INTO {table} (id, name) VALUES (?, ?)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE name IS NOT excluded.name"
        );
        let mut insert = conn.prepare(&sql)?;
        for (code, name) in words {
            insert.execute(params![code, name])?;
        }
    }
    Ok(())
}

/// A table of words, and the codes and names that this program knows.
fn words() -> [(&'static str, Vec<(i64, &'static str)>); 4] {
    [
        ("charge", Charge::ALL.map(|word| (word.code(), word.as_str())).into()),
        ("doubt", Doubt::ALL.map(|word| (word.code(), word.as_str())).into()),
        ("contradiction", Contradiction::ALL.map(|word| (word.code(), word.as_str())).into()),
        ("relation", Relation::ALL.map(|word| (word.code(), word.as_str())).into()),
    ]
}

/// Where the words of each table are used.
const USES: [(&str, &str); 4] = [
    ("charge", "charge_total WHERE charge_id"),
    ("doubt", "doubt_total WHERE doubt_id"),
    ("contradiction", "contradiction_total WHERE contradiction_id"),
    ("relation", "series WHERE relation_id"),
];

/// A word that the file uses and this program does not know, with the table it stands in: a later program of the same
/// version of the file has written it.
pub(super) fn unknown_word(conn: &Connection) -> rusqlite::Result<Option<(&'static str, String)>> {
    for ((table, words), (_, used)) in words().into_iter().zip(USES) {
        let sql = format!("SELECT id, name FROM {table} WHERE EXISTS (SELECT 1 FROM {used} = {table}.id)");
        let mut used = conn.prepare(&sql)?;
        let mut rows = used.query([])?;
        while let Some(row) = rows.next()? {
            let code: i64 = row.get(0)?;
            if words.iter().all(|(known, _)| *known != code) {
                return Ok(Some((table, row.get(1)?)));
            }
        }
    }
    Ok(None)
}

// What the words of the tables leave open: `sealed` has, with a day, the hashes of its small hours as well (`seal`).
// Such an hour has no row in `partition` then; a day may have one without ever having been a partition of a layout.

/// Tables that are today as version 1 made them.
const OBJECTS: &str = "
CREATE TABLE partition (
    -- a folder of objects of one hour or one day
    id          INTEGER PRIMARY KEY,
    source_id   INTEGER NOT NULL REFERENCES source (id),
    bucket      TEXT NOT NULL,              -- s3://bucket or file://
    prefix      TEXT NOT NULL,              -- what the keys begin with; for keys outside all partitions the source's
    start       INTEGER NOT NULL,           -- first hour, unix seconds; 0 for keys outside all partitions
    span_hours  INTEGER NOT NULL CHECK (span_hours IN (1, 24)),
    open        INTEGER NOT NULL CHECK (open IN (0, 1)), -- 1: has rows in object or attempt
    quarantined INTEGER NOT NULL CHECK (quarantined >= 0), -- its objects in quarantine now
    UNIQUE (bucket, prefix, start, span_hours)
) STRICT;
CREATE INDEX partition_open ON partition (id) WHERE open = 1;

CREATE TABLE quarantine (
    -- particulars of quarantined objects, of the newest some thousands
    partition_id INTEGER NOT NULL REFERENCES partition (id),
    name         TEXT NOT NULL,             -- the key without the partition's prefix
    version      TEXT,
    size         INTEGER NOT NULL,          -- bytes
    reason       TEXT NOT NULL,
    detail       TEXT NOT NULL,             -- for a person
    since        INTEGER NOT NULL,          -- unix seconds
    retries      INTEGER NOT NULL,          -- how often it was taken up again
    request      TEXT CHECK (request IN ('retry', 'drop')), -- what a person asked for and is not done yet
    PRIMARY KEY (partition_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX quarantine_request ON quarantine (request) WHERE request IS NOT NULL;

CREATE TABLE attempt (
    -- objects being decoded now, or when the process was killed
    partition_id INTEGER NOT NULL REFERENCES partition (id),
    name         TEXT NOT NULL,             -- the key without the partition's prefix
    source_id    INTEGER NOT NULL REFERENCES source (id),
    version      TEXT,
    size         INTEGER NOT NULL,          -- bytes
    attempts     INTEGER NOT NULL,          -- begun and not ended
    PRIMARY KEY (partition_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE record_count (
    outcome TEXT PRIMARY KEY,
    records INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE object_count (
    outcome TEXT PRIMARY KEY,
    objects INTEGER NOT NULL                -- ever settled this way; an object counted after a retry is in two
) STRICT, WITHOUT ROWID;
";

/// All other tables, and the views.
const TABLES: &str = "
CREATE TABLE state (
    -- one row: what there is once
    id                  INTEGER PRIMARY KEY CHECK (id = 1),
    created_at          INTEGER NOT NULL,   -- unix seconds
    classifier          TEXT NOT NULL,      -- fingerprint of zones, port groups, NAT gateways and counting rules
    first_scan_complete INTEGER NOT NULL CHECK (first_scan_complete IN (0, 1)), -- the flow families are shown
    first_hour          INTEGER,            -- first hour that ever had a record, folded or not; unix seconds
    folded_before       INTEGER,            -- hours before this one are only in the totals; unix seconds
    object_bytes        INTEGER NOT NULL,   -- bytes fetched for settled objects
    last_commit         INTEGER,            -- unix seconds
    shard               TEXT,               -- the part of all objects that this state counts, as 2/5; NULL: all
    generation          INTEGER NOT NULL DEFAULT 0 -- how often a recount has changed names or sums beside the writer
) STRICT;

CREATE TABLE source (
    -- progress of a source. Its identity is the url; where several have one, the url and the name. 0 is not a source
    -- but the past of a file of version 1, which did not keep sources apart
    id              INTEGER PRIMARY KEY,
    url             TEXT NOT NULL,
    name            TEXT NOT NULL,          -- as last configured
    begin_at        INTEGER,                -- start of its first window; nothing before it is late; unix seconds
    first_scan_at   INTEGER,                -- when its first complete scan was committed; unix seconds
    scanned_through INTEGER,                -- last complete scan of all its open partitions; unix seconds
    last_late_scan  INTEGER,                -- last search for objects that came too late; unix seconds
    newest_record   INTEGER,                -- latest believable end of a record of any kind; unix seconds
    first_hour      INTEGER,                -- first hour with a record of any kind; of a file of version 1 since then; unix seconds
    removed_at      INTEGER,                -- when it was found not to be configured any more; unix seconds
    UNIQUE (url, name)
) STRICT;

CREATE TABLE object (
    -- objects of partitions that can still be listed
    partition_id INTEGER NOT NULL REFERENCES partition (id),
    name         TEXT NOT NULL,             -- the key without the partition's prefix
    version      TEXT,                      -- ETag, or modification time of a local file, when it was settled
    size         INTEGER NOT NULL,          -- bytes
    outcome      TEXT NOT NULL,             -- counted, empty, ignored, refused_late, quarantined, gone
    reason       TEXT,                      -- why it was ignored or quarantined
    settled_at   INTEGER NOT NULL,          -- unix seconds
    mutated      INTEGER NOT NULL CHECK (mutated IN (0, 1)), -- 1: it was replaced after it had been settled
    baseline     INTEGER NOT NULL CHECK (baseline IN (0, 1)), -- 1: its sums are in baseline too
    PRIMARY KEY (partition_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE sealed (
    -- objects of partitions that have left the window. Each list is sorted; an entry is the first 16 bytes of
    -- SHA-256(bucket, a zero byte, key)
    partition_id INTEGER PRIMARY KEY REFERENCES partition (id),
    counted      BLOB NOT NULL,             -- counted
    settled      BLOB NOT NULL,             -- empty, quarantined, and what is no flow log at all
    refused_late BLOB NOT NULL,             -- would be counted if the lookback reached them again
    ignored      BLOB NOT NULL,             -- would be read if the configuration let them in
    mutated      BLOB NOT NULL,             -- those of counted that were replaced afterwards
    baseline     BLOB NOT NULL,             -- those of counted whose sums are in baseline too
    mixed        INTEGER NOT NULL CHECK (mixed IN (0, 1)) -- 1: version 1 sealed some, with counted ones in settled
) STRICT;

CREATE TABLE label_set (
    -- the labels of a series of /metrics; other, other, other, none takes what exceeds the series limit
    id            INTEGER PRIMARY KEY,
    src_zone      TEXT NOT NULL,
    dst_zone      TEXT NOT NULL,
    port_group    TEXT NOT NULL,
    nat_direction TEXT NOT NULL CHECK (nat_direction IN ('none', 'out', 'in')),
    UNIQUE (src_zone, dst_zone, port_group, nat_direction)
) STRICT;

CREATE TABLE charge (
    -- what AWS bills. Like the next three tables it has the words that the program knows, which adds them when it opens
    -- the file
    id   INTEGER PRIMARY KEY,               -- from 1: by the byte; from 1000: by the hour
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE doubt (
    -- why bytes may have been counted or charged wrongly
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE contradiction (
    -- what records and topology can disagree about
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE relation (
    -- how the two ends of a record stand to each other
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE aws_region (
    -- regions of keys; 0 where version 1 did not keep it
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO aws_region (id, name) VALUES (0, 'unknown');

CREATE TABLE series (
    -- a label set with what its labels stood for when the records were read
    id           INTEGER PRIMARY KEY,
    label_set_id INTEGER NOT NULL REFERENCES label_set (id),
    src_az       TEXT,                      -- AZ of the source; NULL: not known
    dst_az       TEXT,                      -- AZ of the destination
    relation_id  INTEGER NOT NULL REFERENCES relation (id)
) STRICT;
CREATE UNIQUE INDEX series_identity
    ON series (label_set_id, relation_id, coalesce(src_az, ''), coalesce(dst_az, ''));

CREATE TABLE traffic_total (
    -- sums of all time
    label_set_id   INTEGER PRIMARY KEY REFERENCES label_set (id),
    flows          INTEGER NOT NULL,
    packets        INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    inter_az_bytes INTEGER NOT NULL,        -- part of bytes between different known AZs of a region
    changed_at     INTEGER NOT NULL,        -- when something was last added; unix seconds
    retired_at     INTEGER                  -- since when it is not on /metrics; unix seconds; NULL: it is
) STRICT;

CREATE TABLE traffic_hour (
    -- the same by UTC hour, for state.keep
    hour           INTEGER NOT NULL CHECK (hour % 3600 = 0), -- unix seconds of its start
    series_id      INTEGER NOT NULL REFERENCES series (id),
    source_id      INTEGER NOT NULL REFERENCES source (id),
    flows          INTEGER NOT NULL,
    packets        INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    inter_az_bytes INTEGER NOT NULL,
    PRIMARY KEY (hour, series_id, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE charge_total (
    -- sums of all time
    charge_id      INTEGER NOT NULL REFERENCES charge (id),
    label_set_id   INTEGER NOT NULL REFERENCES label_set (id),
    bytes          INTEGER NOT NULL,        -- bytes that the charge applies to
    unpriced_bytes INTEGER NOT NULL,        -- part of bytes that had no price
    nano_usd       INTEGER NOT NULL,        -- 10^-9 USD, at the prices in force when the records were read
    changed_at     INTEGER NOT NULL,        -- as in traffic_total
    retired_at     INTEGER,
    PRIMARY KEY (charge_id, label_set_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE charge_hour (
    -- the same by UTC hour, for state.keep
    hour           INTEGER NOT NULL CHECK (hour % 3600 = 0), -- unix seconds of its start
    series_id      INTEGER NOT NULL REFERENCES series (id),
    charge_id      INTEGER NOT NULL REFERENCES charge (id),
    source_id      INTEGER NOT NULL REFERENCES source (id),
    aws_region_id  INTEGER NOT NULL REFERENCES aws_region (id), -- of the objects' keys
    bytes          INTEGER NOT NULL,
    unpriced_bytes INTEGER NOT NULL,
    nano_usd       INTEGER NOT NULL,
    PRIMARY KEY (hour, series_id, charge_id, source_id, aws_region_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE unpriced_total (
    -- the unpriced bytes of charge_total by region
    charge_id     INTEGER NOT NULL REFERENCES charge (id),
    aws_region_id INTEGER NOT NULL REFERENCES aws_region (id),
    bytes         INTEGER NOT NULL,
    PRIMARY KEY (charge_id, aws_region_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE source_total (
    -- the bytes of traffic_total with nat_direction none, by source
    source_id INTEGER PRIMARY KEY REFERENCES source (id),
    bytes     INTEGER NOT NULL
) STRICT;

CREATE TABLE source_charge_total (
    -- the money of charge_total by source
    source_id INTEGER NOT NULL REFERENCES source (id),
    charge_id INTEGER NOT NULL REFERENCES charge (id),
    nano_usd  INTEGER NOT NULL,
    PRIMARY KEY (source_id, charge_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE doubt_total (
    -- bytes in doubt of all time
    doubt_id INTEGER PRIMARY KEY REFERENCES doubt (id),
    bytes    INTEGER NOT NULL
) STRICT;

CREATE TABLE doubt_hour (
    -- the same by UTC hour, for state.keep
    hour      INTEGER NOT NULL CHECK (hour % 3600 = 0), -- unix seconds of its start
    source_id INTEGER NOT NULL REFERENCES source (id),
    doubt_id  INTEGER NOT NULL REFERENCES doubt (id),
    bytes     INTEGER NOT NULL,
    PRIMARY KEY (hour, source_id, doubt_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE contradiction_total (
    -- contradicting records of all time
    contradiction_id INTEGER PRIMARY KEY REFERENCES contradiction (id),
    records          INTEGER NOT NULL
) STRICT;

CREATE TABLE contradiction_hour (
    -- the same by UTC hour, for state.keep
    hour             INTEGER NOT NULL CHECK (hour % 3600 = 0), -- unix seconds of its start
    source_id        INTEGER NOT NULL REFERENCES source (id),
    contradiction_id INTEGER NOT NULL REFERENCES contradiction (id),
    records          INTEGER NOT NULL,
    PRIMARY KEY (hour, source_id, contradiction_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE fixed_hour (
    -- what is billed by the hour, as discovery found it; belongs to no source and to no counter
    hour          INTEGER NOT NULL CHECK (hour % 3600 = 0), -- unix seconds of its start
    account       TEXT NOT NULL,
    aws_region_id INTEGER NOT NULL REFERENCES aws_region (id),
    charge_id     INTEGER NOT NULL REFERENCES charge (id),
    units         INTEGER NOT NULL,         -- gateways or addresses that were there in this hour
    nano_usd      INTEGER NOT NULL,
    PRIMARY KEY (hour, account, aws_region_id, charge_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE price (
    -- prices in force, one row at each change; the row with the highest id of a region and charge is the present one
    id                    INTEGER PRIMARY KEY,
    aws_region            TEXT NOT NULL,
    charge_id             INTEGER NOT NULL REFERENCES charge (id),
    since                 INTEGER NOT NULL, -- unix seconds
    nano_usd_per_gigabyte INTEGER,          -- NULL: none any more
    gigabyte_bytes        INTEGER NOT NULL, -- 2^30 or 10^9
    tiers                 TEXT              -- JSON, as in the configuration; NULL: none
) STRICT;

CREATE TABLE baseline_traffic_total (
    -- what a source that was added later committed before its first complete scan: part of the ledger, not of /metrics,
    -- whose counters are the sums of all time without their part of the baseline and their adjustments
    label_set_id   INTEGER NOT NULL REFERENCES label_set (id),
    source_id      INTEGER NOT NULL REFERENCES source (id),
    flows          INTEGER NOT NULL,
    packets        INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    inter_az_bytes INTEGER NOT NULL,
    PRIMARY KEY (label_set_id, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE baseline_traffic_hour (
    hour           INTEGER NOT NULL CHECK (hour % 3600 = 0),
    label_set_id   INTEGER NOT NULL REFERENCES label_set (id),
    source_id      INTEGER NOT NULL REFERENCES source (id),
    flows          INTEGER NOT NULL,
    packets        INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    inter_az_bytes INTEGER NOT NULL,
    PRIMARY KEY (hour, label_set_id, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE baseline_charge_total (
    charge_id      INTEGER NOT NULL REFERENCES charge (id),
    label_set_id   INTEGER NOT NULL REFERENCES label_set (id),
    source_id      INTEGER NOT NULL REFERENCES source (id),
    aws_region_id  INTEGER NOT NULL REFERENCES aws_region (id),
    bytes          INTEGER NOT NULL,
    unpriced_bytes INTEGER NOT NULL,
    nano_usd       INTEGER NOT NULL,
    PRIMARY KEY (charge_id, label_set_id, source_id, aws_region_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE baseline_charge_hour (
    hour           INTEGER NOT NULL CHECK (hour % 3600 = 0),
    label_set_id   INTEGER NOT NULL REFERENCES label_set (id),
    charge_id      INTEGER NOT NULL REFERENCES charge (id),
    source_id      INTEGER NOT NULL REFERENCES source (id),
    aws_region_id  INTEGER NOT NULL REFERENCES aws_region (id),
    bytes          INTEGER NOT NULL,
    unpriced_bytes INTEGER NOT NULL,
    nano_usd       INTEGER NOT NULL,
    PRIMARY KEY (hour, label_set_id, charge_id, source_id, aws_region_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE adjustment (
    -- by how much a counter of /metrics is to stay below its sum of all time, beside the tables of the baseline. A label
    -- that the counter does not have is 0 here, and so is a kind
    cause         TEXT NOT NULL,            -- baseline: of doubts and contradictions, which have no such table; recount;
                                            -- retired: the label set left /metrics and begins at 0 when it is back
    cause_id      INTEGER NOT NULL,         -- of a recount its id, of retired the moment in unix seconds, else 0
    measure       TEXT NOT NULL,            -- flows, packets, bytes, inter_az_bytes; with a charge charged_bytes,
                                            -- unpriced_bytes, nano_usd; source_bytes, source_nano_usd;
                                            -- region_unpriced_bytes; doubtful_bytes, contradicting_records
    label_set_id  INTEGER NOT NULL,
    charge_id     INTEGER NOT NULL,
    source_id     INTEGER NOT NULL,
    aws_region_id INTEGER NOT NULL,
    kind_id       INTEGER NOT NULL,         -- of a doubt or contradiction
    amount        INTEGER NOT NULL,         -- may be negative
    PRIMARY KEY (measure, label_set_id, charge_id, source_id, aws_region_id, kind_id, cause, cause_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE recount (
    -- hours that were, or are being, read again under later rules
    id           INTEGER PRIMARY KEY,
    from_hour    INTEGER NOT NULL,          -- unix seconds
    to_hour      INTEGER NOT NULL,          -- the first hour after it
    prices       TEXT NOT NULL CHECK (prices IN ('then', 'now')),
    classifier   TEXT NOT NULL,             -- fingerprint of the rules; it goes on only under the same
    objects      INTEGER NOT NULL,          -- to be read
    object_bytes INTEGER NOT NULL,          -- their size
    begun_at     INTEGER NOT NULL,          -- unix seconds
    ended_at     INTEGER,                   -- unix seconds; NULL: under way
    outcome      TEXT CHECK (outcome IN ('done', 'aborted'))
) STRICT;
CREATE UNIQUE INDEX recount_under_way ON recount ((ended_at IS NULL)) WHERE ended_at IS NULL;

CREATE TABLE recount_skipped (
    -- hours of its range that a recount leaves as they are
    recount_id INTEGER NOT NULL REFERENCES recount (id),
    hour       INTEGER NOT NULL CHECK (hour % 3600 = 0),
    reason     TEXT NOT NULL,
    PRIMARY KEY (recount_id, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE recount_object (
    -- objects that the recount under way has read
    hash BLOB PRIMARY KEY                   -- as in sealed
) STRICT, WITHOUT ROWID;

CREATE TABLE recount_traffic (
    -- what the recount under way has found, until it takes the place of the hourly rows
    hour           INTEGER NOT NULL CHECK (hour % 3600 = 0),
    series_id      INTEGER NOT NULL REFERENCES series (id),
    source_id      INTEGER NOT NULL REFERENCES source (id),
    baseline       INTEGER NOT NULL CHECK (baseline IN (0, 1)), -- 1: of objects whose sums are in baseline
    flows          INTEGER NOT NULL,
    packets        INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    inter_az_bytes INTEGER NOT NULL,
    PRIMARY KEY (hour, series_id, source_id, baseline)
) STRICT, WITHOUT ROWID;

CREATE TABLE recount_charge (
    hour           INTEGER NOT NULL CHECK (hour % 3600 = 0),
    series_id      INTEGER NOT NULL REFERENCES series (id),
    charge_id      INTEGER NOT NULL REFERENCES charge (id),
    source_id      INTEGER NOT NULL REFERENCES source (id),
    aws_region_id  INTEGER NOT NULL REFERENCES aws_region (id),
    baseline       INTEGER NOT NULL CHECK (baseline IN (0, 1)),
    bytes          INTEGER NOT NULL,
    unpriced_bytes INTEGER NOT NULL,
    nano_usd       INTEGER NOT NULL,
    PRIMARY KEY (hour, series_id, charge_id, source_id, aws_region_id, baseline)
) STRICT, WITHOUT ROWID;

CREATE TABLE recount_doubt (
    hour      INTEGER NOT NULL CHECK (hour % 3600 = 0),
    source_id INTEGER NOT NULL REFERENCES source (id),
    doubt_id  INTEGER NOT NULL REFERENCES doubt (id),
    bytes     INTEGER NOT NULL,
    PRIMARY KEY (hour, source_id, doubt_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE recount_contradiction (
    hour             INTEGER NOT NULL CHECK (hour % 3600 = 0),
    source_id        INTEGER NOT NULL REFERENCES source (id),
    contradiction_id INTEGER NOT NULL REFERENCES contradiction (id),
    records          INTEGER NOT NULL,
    PRIMARY KEY (hour, source_id, contradiction_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE import_object (
    -- what `import` was told of objects and the writer has not settled yet
    bucket      TEXT NOT NULL,              -- s3://bucket or file://
    key         TEXT NOT NULL,
    source_id   INTEGER NOT NULL REFERENCES source (id),
    version     TEXT,                       -- ETag, or modification time of a local file
    size        INTEGER NOT NULL,           -- bytes
    classifier  TEXT NOT NULL,              -- fingerprint of the rules that the sums were made by
    form        INTEGER NOT NULL,           -- of delta
    delta       BLOB NOT NULL,              -- what the object adds
    imported_at INTEGER NOT NULL,           -- unix seconds
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE topology (
    -- what discovery found last; a start that cannot ask goes on with it
    account     TEXT NOT NULL,
    aws_region  TEXT NOT NULL,
    fetched_at  INTEGER NOT NULL,           -- when it was last read whole; unix seconds
    changed_at  INTEGER NOT NULL,           -- since when it has been as it is; unix seconds
    fingerprint TEXT NOT NULL,              -- of content
    form        INTEGER NOT NULL,           -- of content
    content     TEXT NOT NULL,              -- JSON: zones, gateways, services, peerings
    PRIMARY KEY (account, aws_region)
) STRICT, WITHOUT ROWID;

CREATE TABLE talker_list (
    id         INTEGER PRIMARY KEY,
    definition TEXT NOT NULL UNIQUE         -- as in talkers.by
) STRICT;

CREATE TABLE talker_day (
    -- what a list has of a UTC day beside its keys
    list_id INTEGER NOT NULL REFERENCES talker_list (id),
    day     INTEGER NOT NULL CHECK (day % 86400 = 0), -- unix seconds of its start
    others  INTEGER NOT NULL,               -- bytes of keys without a row in talker
    error   INTEGER NOT NULL,               -- sum of the largest values that objects left out
    sealed  INTEGER NOT NULL CHECK (sealed IN (0, 1)), -- 1: cut to talkers.keep rows
    PRIMARY KEY (list_id, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE talker (
    -- sums by key and day. The true value lies between bytes and bytes + the day's error - known
    list_id INTEGER NOT NULL REFERENCES talker_list (id),
    day     INTEGER NOT NULL CHECK (day % 86400 = 0),
    key     TEXT NOT NULL,                  -- JSON array, in the order of the list's definition
    flows   INTEGER NOT NULL,
    packets INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    known   INTEGER NOT NULL,               -- part of the day's error of objects that kept this key
    PRIMARY KEY (list_id, day, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE talker_series (
    -- the counters of /metrics; all that has no series of its own is in the one with an empty key
    list_id     INTEGER NOT NULL REFERENCES talker_list (id),
    key         TEXT NOT NULL,
    bytes       INTEGER NOT NULL,           -- since it joined; what /metrics shows
    joined_at   INTEGER NOT NULL,           -- unix seconds
    below_since INTEGER,                    -- first day that it was not among the first; unix seconds
    left_at     INTEGER,                    -- unix seconds; NULL: it is shown
    PRIMARY KEY (list_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE bill_file (
    -- parts of the bill that were read; one that is unchanged is not read again
    id      INTEGER PRIMARY KEY,
    url     TEXT NOT NULL UNIQUE,
    form    TEXT NOT NULL,                  -- cur, focus, cost_explorer
    month   INTEGER NOT NULL,               -- unix seconds of its start
    version TEXT,
    size    INTEGER NOT NULL,               -- bytes
    read_at INTEGER NOT NULL                -- unix seconds
) STRICT;

CREATE TABLE bill (
    -- what the bill says
    file_id       INTEGER NOT NULL REFERENCES bill_file (id),
    start         INTEGER NOT NULL,         -- unix seconds
    span_hours    INTEGER NOT NULL,         -- 1, 24, or those of the month
    account       TEXT NOT NULL,
    aws_region    TEXT NOT NULL,
    charge_id     INTEGER NOT NULL REFERENCES charge (id),
    usage_type    TEXT NOT NULL,            -- AWS's word
    bytes         INTEGER,                  -- NULL: billed by the hour
    nano_usd      INTEGER NOT NULL,         -- unblended; credits are negative
    list_nano_usd INTEGER,                  -- at list price, where the bill says it
    PRIMARY KEY (file_id, start, span_hours, account, aws_region, charge_id, usage_type)
) STRICT, WITHOUT ROWID;

CREATE VIEW ledger AS
    -- traffic by hour, labels, source and AZs
    SELECT t.hour AS hour, strftime('%Y-%m-%dT%H:%M:%SZ', t.hour, 'unixepoch') AS hour_utc,
        l.src_zone, l.dst_zone, l.port_group, l.nat_direction,
        t.flows, t.packets, t.bytes, t.inter_az_bytes,
        o.name AS source, r.name AS relation, s.src_az, s.dst_az
    FROM traffic_hour t JOIN series s ON s.id = t.series_id JOIN label_set l ON l.id = s.label_set_id
        JOIN relation r ON r.id = s.relation_id JOIN source o ON o.id = t.source_id;

CREATE VIEW ledger_charges AS
    -- billed bytes and money by hour, labels, charge, source, region and AZs
    SELECT h.hour AS hour, strftime('%Y-%m-%dT%H:%M:%SZ', h.hour, 'unixepoch') AS hour_utc,
        l.src_zone, l.dst_zone, l.port_group, l.nat_direction,
        c.name AS charge, h.bytes, h.nano_usd,
        o.name AS source, r.name AS relation, s.src_az, s.dst_az, a.name AS aws_region, h.unpriced_bytes
    FROM charge_hour h JOIN series s ON s.id = h.series_id JOIN label_set l ON l.id = s.label_set_id
        JOIN relation r ON r.id = s.relation_id JOIN source o ON o.id = h.source_id
        JOIN charge c ON c.id = h.charge_id JOIN aws_region a ON a.id = h.aws_region_id;

CREATE VIEW ledger_doubts AS
    -- bytes that may have been counted or charged wrongly, by hour, source and kind; a byte can be in several kinds
    SELECT d.hour AS hour, strftime('%Y-%m-%dT%H:%M:%SZ', d.hour, 'unixepoch') AS hour_utc,
        o.name AS source, k.name AS kind, d.bytes
    FROM doubt_hour d JOIN source o ON o.id = d.source_id JOIN doubt k ON k.id = d.doubt_id;

CREATE VIEW ledger_contradictions AS
    -- records that disagree with the topology, by hour, source and kind
    SELECT c.hour AS hour, strftime('%Y-%m-%dT%H:%M:%SZ', c.hour, 'unixepoch') AS hour_utc,
        o.name AS source, k.name AS kind, c.records
    FROM contradiction_hour c JOIN source o ON o.id = c.source_id
        JOIN contradiction k ON k.id = c.contradiction_id;

CREATE VIEW ledger_fixed AS
    -- what is billed by the hour
    SELECT f.hour AS hour, strftime('%Y-%m-%dT%H:%M:%SZ', f.hour, 'unixepoch') AS hour_utc,
        f.account, a.name AS aws_region, c.name AS charge, f.units, f.nano_usd
    FROM fixed_hour f JOIN aws_region a ON a.id = f.aws_region_id JOIN charge c ON c.id = f.charge_id;
";

/// Fills the tables from those of version 1. Its rows were not kept apart by source, region or AZ.
const FROM_1: &str = "
INSERT INTO state (id, created_at, classifier, first_scan_complete, first_hour, folded_before, object_bytes,
        last_commit)
    SELECT id, created_at, classifier, first_scan_complete, first_hour, folded_before, object_bytes, last_commit
    FROM old_state;
INSERT INTO source (id, url, name) VALUES (0, '', 'unknown');
INSERT INTO source (id, url, name, begin_at, first_scan_at, scanned_through, last_late_scan, newest_record, first_hour)
    SELECT id, url, name, begin_at, scanned_through, scanned_through, last_late_scan, newest_record,
        newest_record - newest_record % 3600
    FROM old_source;
INSERT INTO object (partition_id, name, version, size, outcome, reason, settled_at, mutated, baseline)
    SELECT partition_id, name, version, size, outcome, reason, settled_at, 0, 0 FROM old_object;
INSERT INTO sealed (partition_id, counted, settled, refused_late, ignored, mutated, baseline, mixed)
    SELECT partition_id, x'', settled, refused_late, ignored, x'', x'', 1 FROM old_sealed;
INSERT INTO label_set (id, src_zone, dst_zone, port_group, nat_direction)
    SELECT id, src_zone, dst_zone, port_group, nat_direction FROM old_series;
INSERT INTO series (id, label_set_id, relation_id)
    SELECT id, id, (SELECT id FROM relation WHERE name = CASE
        WHEN 'internet' IN (src_zone, dst_zone) THEN 'internet'
        WHEN 'aws' IN (src_zone, dst_zone) THEN 'aws'
        ELSE 'unknown' END)
    FROM old_series;
INSERT INTO traffic_total (label_set_id, flows, packets, bytes, inter_az_bytes, changed_at)
    SELECT series_id, flows, packets, bytes, inter_az_bytes,
        (SELECT coalesce(last_commit, created_at) FROM old_state)
    FROM old_traffic_total;
INSERT INTO traffic_hour (hour, series_id, source_id, flows, packets, bytes, inter_az_bytes)
    SELECT hour, series_id, 0, flows, packets, bytes, inter_az_bytes FROM old_traffic_hour;
INSERT INTO charge_total (charge_id, label_set_id, bytes, unpriced_bytes, nano_usd, changed_at)
    SELECT charge_id, series_id, bytes, 0, nano_usd, (SELECT coalesce(last_commit, created_at) FROM old_state)
    FROM old_charge_total;
INSERT INTO charge_hour (hour, series_id, charge_id, source_id, aws_region_id, bytes, unpriced_bytes, nano_usd)
    SELECT hour, series_id, charge_id, 0, 0, bytes, 0, nano_usd FROM old_charge_hour;
INSERT INTO source_total (source_id, bytes)
    SELECT 0, coalesce(sum(bytes), 0) FROM old_traffic_total t JOIN old_series s ON s.id = t.series_id
    WHERE s.nat_direction = 'none';
INSERT INTO source_charge_total (source_id, charge_id, nano_usd)
    SELECT 0, charge_id, sum(nano_usd) FROM old_charge_total GROUP BY charge_id;
INSERT INTO price (id, aws_region, charge_id, since, nano_usd_per_gigabyte, gigabyte_bytes)
    SELECT id, aws_region, charge_id, since, nano_usd_per_gigabyte, gigabyte_bytes FROM old_price;
";
