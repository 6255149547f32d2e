//! The tables of the state file. They are part of the product: users read them with the sqlite3 shell.
//!
//! A released migration is never edited; a new shape is one more entry of [`MIGRATIONS`].

use rusqlite::Connection;

use crate::model::Charge;

/// Marks the file as ours (`PRAGMA application_id`): "FLOW" in ASCII.
pub(super) const APPLICATION_ID: i32 = 0x464C_4F57;

/// The version that this program writes (`PRAGMA user_version`).
pub(super) const VERSION: i32 = 1;

/// Entry `n` turns version `n` into `n + 1`. Version 0 is an empty file.
const MIGRATIONS: [&str; VERSION as usize] = [V1];

/// Brings a file of version `from` to [`VERSION`]. To be called inside a transaction.
pub(super) fn migrate(conn: &Connection, from: i32) -> rusqlite::Result<()> {
    let done = usize::try_from(from).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(done) {
        conn.execute_batch(migration)?;
    }
    conn.pragma_update(None, "user_version", VERSION)
}

/// The number that stands for a charge in `charge_hour` and `charge_total`. Never reused.
pub(super) fn charge_code(charge: Charge) -> i64 {
    match charge {
        Charge::InterAz => 1,
        Charge::InterRegion => 2,
        Charge::NatProcessing => 3,
        Charge::NatHop => 4,
        Charge::InternetEgress => 5,
    }
}

// What the words of the tables leave open: `sealed` has, with a day, the hashes of its small hours as well (`seal`).
// Such an hour has no row in `partition` then; a day may have one without ever having been a partition of a layout.
const V1: &str = "
CREATE TABLE state (
    -- one row: what there is once
    id                  INTEGER PRIMARY KEY CHECK (id = 1),
    created_at          INTEGER NOT NULL,   -- unix seconds
    classifier          TEXT NOT NULL,      -- fingerprint of zones, port groups, NAT gateways and counting rules
    first_scan_complete INTEGER NOT NULL CHECK (first_scan_complete IN (0, 1)), -- every source was read once
    first_hour          INTEGER,            -- first hour that ever had a record, folded or not; unix seconds
    folded_before       INTEGER,            -- hours before this one are only in the totals; unix seconds
    object_bytes        INTEGER NOT NULL,   -- bytes fetched for settled objects
    last_commit         INTEGER             -- unix seconds
) STRICT;

CREATE TABLE source (
    -- progress of a source; its identity is the url, its name may change
    id              INTEGER PRIMARY KEY,
    url             TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,          -- as last configured
    begin_at        INTEGER,                -- start of its first window; nothing before it is late; unix seconds
    scanned_through INTEGER,                -- last complete scan of all its open partitions; unix seconds
    last_late_scan  INTEGER,                -- last search for objects that came too late; unix seconds
    newest_record   INTEGER                 -- latest believable end of a record; unix seconds
) STRICT;

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

CREATE TABLE object (
    -- objects of partitions that can still be listed
    partition_id INTEGER NOT NULL REFERENCES partition (id),
    name         TEXT NOT NULL,             -- the key without the partition's prefix
    version      TEXT,                      -- ETag, or modification time of a local file, when it was settled
    size         INTEGER NOT NULL,          -- bytes
    outcome      TEXT NOT NULL,             -- counted, empty, ignored, refused_late, quarantined, gone
    reason       TEXT,                      -- why it was ignored or quarantined
    settled_at   INTEGER NOT NULL,          -- unix seconds
    PRIMARY KEY (partition_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE sealed (
    -- objects of partitions that have left the window. Each list is sorted; an entry is the first 16 bytes of
    -- SHA-256(bucket, a zero byte, key)
    partition_id INTEGER PRIMARY KEY REFERENCES partition (id),
    settled      BLOB NOT NULL,             -- counted, empty, quarantined, and what is no flow log at all
    refused_late BLOB NOT NULL,             -- would be counted if the lookback reached them again
    ignored      BLOB NOT NULL              -- would be read if the configuration let them in
) STRICT;

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

CREATE TABLE series (
    -- label sets; other, other, other, none takes what exceeds the series limit
    id            INTEGER PRIMARY KEY,
    src_zone      TEXT NOT NULL,
    dst_zone      TEXT NOT NULL,
    port_group    TEXT NOT NULL,
    nat_direction TEXT NOT NULL CHECK (nat_direction IN ('none', 'out', 'in')),
    UNIQUE (src_zone, dst_zone, port_group, nat_direction)
) STRICT;

CREATE TABLE charge (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO charge (id, name) VALUES
    (1, 'inter_az'), (2, 'inter_region'), (3, 'nat_processing'), (4, 'nat_hop'), (5, 'internet_egress');

CREATE TABLE traffic_total (
    -- sums of all time: what /metrics shows
    series_id      INTEGER PRIMARY KEY REFERENCES series (id),
    flows          INTEGER NOT NULL,
    packets        INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    inter_az_bytes INTEGER NOT NULL         -- part of bytes between different known zones of a region
) STRICT;

CREATE TABLE traffic_hour (
    -- the same by UTC hour, for 400 days
    hour           INTEGER NOT NULL CHECK (hour % 3600 = 0), -- unix seconds of its start
    series_id      INTEGER NOT NULL REFERENCES series (id),
    flows          INTEGER NOT NULL,
    packets        INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    inter_az_bytes INTEGER NOT NULL,
    PRIMARY KEY (hour, series_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE charge_total (
    -- sums of all time: what /metrics shows
    charge_id INTEGER NOT NULL REFERENCES charge (id),
    series_id INTEGER NOT NULL REFERENCES series (id),
    bytes     INTEGER NOT NULL,             -- bytes that the charge applies to
    nano_usd  INTEGER NOT NULL,             -- 10^-9 USD, at the prices in force when the records were read
    PRIMARY KEY (charge_id, series_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE charge_hour (
    -- the same by UTC hour, for 400 days
    hour      INTEGER NOT NULL CHECK (hour % 3600 = 0), -- unix seconds of its start
    series_id INTEGER NOT NULL REFERENCES series (id),
    charge_id INTEGER NOT NULL REFERENCES charge (id),
    bytes     INTEGER NOT NULL,
    nano_usd  INTEGER NOT NULL,
    PRIMARY KEY (hour, series_id, charge_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE price (
    -- prices in force, one row at each change; the row with the highest id of a region and charge is the present one
    id                    INTEGER PRIMARY KEY,
    aws_region            TEXT NOT NULL,
    charge_id             INTEGER NOT NULL REFERENCES charge (id),
    since                 INTEGER NOT NULL, -- unix seconds
    nano_usd_per_gigabyte INTEGER NOT NULL,
    gigabyte_bytes        INTEGER NOT NULL  -- 2^30 or 10^9
) STRICT;

CREATE VIEW ledger AS
    -- traffic by hour and labels
    SELECT t.hour AS hour, strftime('%Y-%m-%dT%H:%M:%SZ', t.hour, 'unixepoch') AS hour_utc,
        s.src_zone, s.dst_zone, s.port_group, s.nat_direction,
        t.flows, t.packets, t.bytes, t.inter_az_bytes
    FROM traffic_hour t JOIN series s ON s.id = t.series_id;

CREATE VIEW ledger_charges AS
    -- billed bytes and money by hour, labels and charge
    SELECT h.hour AS hour, strftime('%Y-%m-%dT%H:%M:%SZ', h.hour, 'unixepoch') AS hour_utc,
        s.src_zone, s.dst_zone, s.port_group, s.nat_direction,
        c.name AS charge, h.bytes, h.nano_usd
    FROM charge_hour h JOIN series s ON s.id = h.series_id JOIN charge c ON c.id = h.charge_id;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charge_table_and_the_codes_agree() {
        let conn = Connection::open_in_memory().unwrap();
        migrate(&conn, 0).unwrap();
        for charge in Charge::ALL {
            let name: String = conn
                .query_row("SELECT name FROM charge WHERE id = ?", [charge_code(charge)], |row| row.get(0))
                .unwrap();
            assert_eq!(name, charge.as_str());
        }
        let rows: u32 = conn.query_row("SELECT count(*) FROM charge", [], |row| row.get(0)).unwrap();
        assert_eq!(rows as usize, Charge::ALL.len());
    }
}
