//! The file into memory: what a start has to know, and no more. Names, particulars and hours stay in the file.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use rusqlite::{Connection, Row, types::Type};

use super::{
    Ledger, Source, Sums,
    book::{Attempt, Book, Digest, Interner, Mark, OpenObject, OpenPartition},
    objects::FolderPrint,
    schema::charge_code,
    totals::first_cost_hour,
};
use crate::model::{
    Candidate, Charge, ChargeCounts, FlowCounts, FlowKey, Hour, IgnoreReason, Listed, NanoUsd, NatDirection,
    ObjectCounts, ObjectId, ObjectOutcome, Partition, PartitionSpan, RecordCounts, RecordOutcome, Snapshot,
    SourceProgress, Timestamp,
};

/// What [`partition`] reads, of a table called `p`.
pub(super) const PARTITION_COLUMNS: &str = "p.bucket, p.prefix, p.start, p.span_hours";

/// How many columns that are.
pub(super) const PARTITION_WIDTH: usize = 4;

/// A word of a closed set.
pub(super) fn word<T>(row: &Row<'_>, column: usize, parse: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| unexpected(column, Type::Text, format!("unknown word {text:?}")))
}

/// A count, a size or a sum: never negative.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// A count, a size or a sum as the file can hold it. Sums are kept in range; no store has objects beyond it.
pub(super) fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unexpected(column: usize, kind: Type, what: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, what.into())
}

/// A partition in the first columns of a row, as [`PARTITION_COLUMNS`] names them.
pub(super) fn partition(row: &Row<'_>) -> rusqlite::Result<Partition> {
    let span = match row.get(3)? {
        1 => PartitionSpan::Hour,
        24 => PartitionSpan::Day,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(3, other)),
    };
    Ok(Partition { bucket: row.get(0)?, prefix: row.get(1)?, start: hour(row, 2)?, span })
}

/// A candidate: a partition, then name, size and version.
pub(super) fn candidate(row: &Row<'_>, source: Arc<str>) -> rusqlite::Result<Candidate> {
    let partition = partition(row)?;
    let name = row.get_ref(PARTITION_WIDTH)?.as_str()?;
    let id = ObjectId { bucket: partition.bucket.clone(), key: format!("{}{name}", partition.prefix) };
    let size = unsigned(row, PARTITION_WIDTH + 1)?;
    let version = row.get(PARTITION_WIDTH + 2)?;
    Ok(Candidate { listed: Listed { id, size, version }, source, partition })
}

pub(super) fn hour(row: &Row<'_>, column: usize) -> rusqlite::Result<Hour> {
    Ok(Hour::of(Timestamp(row.get(column)?)))
}

pub(super) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp))
}

/// Labels in four columns from `column` on.
pub(super) fn flow_key(row: &Row<'_>, column: usize, texts: &mut Interner) -> rusqlite::Result<FlowKey> {
    let mut text = |offset| Ok::<_, rusqlite::Error>(texts.get(row.get_ref(column + offset)?.as_str()?));
    Ok(FlowKey {
        src_zone: text(0)?,
        dst_zone: text(1)?,
        port_group: text(2)?,
        nat_direction: word(row, column + 3, NatDirection::parse)?,
    })
}

/// Traffic sums in four columns from `column` on.
pub(super) fn flow_counts(row: &Row<'_>, column: usize) -> rusqlite::Result<FlowCounts> {
    Ok(FlowCounts {
        flows: unsigned(row, column)?,
        packets: unsigned(row, column + 1)?,
        bytes: unsigned(row, column + 2)?,
        inter_az_bytes: unsigned(row, column + 3)?,
    })
}

/// Billed bytes and money in two columns from `column` on.
pub(super) fn charge_counts(row: &Row<'_>, column: usize) -> rusqlite::Result<ChargeCounts> {
    Ok(ChargeCounts { bytes: unsigned(row, column)?, cost: NanoUsd(unsigned(row, column + 1)?) })
}

/// A charge by its number.
pub(super) fn charge(row: &Row<'_>, column: usize) -> rusqlite::Result<Charge> {
    let code: i64 = row.get(column)?;
    Charge::ALL
        .into_iter()
        .find(|charge| charge_code(*charge) == code)
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(column, code))
}

/// Runs a query and hands every row to `take`.
pub(super) fn each(
    conn: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}

/// Label sets by id.
pub(super) fn series(conn: &Connection) -> rusqlite::Result<BTreeMap<i64, FlowKey>> {
    let mut texts = Interner::default();
    let mut series = BTreeMap::new();
    each(conn, "SELECT id, src_zone, dst_zone, port_group, nat_direction FROM series", [], |row| {
        series.insert(row.get(0)?, flow_key(row, 1, &mut texts)?);
        Ok(())
    })?;
    Ok(series)
}

/// The label set of an id; the file's foreign keys make sure that there is one.
pub(super) fn key_of(
    series: &BTreeMap<i64, FlowKey>,
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<FlowKey> {
    let id = row.get(column)?;
    series.get(&id).cloned().ok_or(rusqlite::Error::IntegralValueOutOfRange(column, id))
}

/// Totals of both families.
pub(super) fn totals(conn: &Connection, series: &BTreeMap<i64, FlowKey>) -> rusqlite::Result<Sums> {
    let mut sums = Sums::default();
    let sql = "SELECT series_id, flows, packets, bytes, inter_az_bytes FROM traffic_total";
    each(conn, sql, [], |row| {
        sums.traffic.insert(key_of(series, row, 0)?, flow_counts(row, 1)?);
        Ok(())
    })?;
    each(conn, "SELECT charge_id, series_id, bytes, nano_usd FROM charge_total", [], |row| {
        sums.charges.insert((charge(row, 0)?, key_of(series, row, 1)?), charge_counts(row, 2)?);
        Ok(())
    })?;
    Ok(sums)
}

/// Everything that memory holds of the file.
pub(super) struct Loaded {
    series: HashMap<FlowKey, i64>,
    sources: BTreeMap<Arc<str>, Source>,
    newest_hour: Option<Hour>,
    snapshot: Snapshot,
    book: Book,
}

impl Ledger {
    /// Reads it, and changes nothing. `sources` are the configured ones by name, with their ids.
    pub(super) fn load(&self, sources: &BTreeMap<Arc<str>, i64>) -> rusqlite::Result<Loaded> {
        let series = series(&self.conn)?;
        let Sums { traffic, charges } = totals(&self.conn, &series)?;
        let mut snapshot = Snapshot { traffic, charges, ..Snapshot::default() };
        load_counters(&self.conn, &mut snapshot)?;
        let sources = load_sources(&self.conn, sources, &mut snapshot)?;
        let newest_hour = self.edge_hour("max")?;
        if let Some(newest) = newest_hour {
            snapshot.hourly_cost = hourly_cost(&self.conn, first_cost_hour(newest))?.into();
        }
        snapshot.state_bytes = self.state_bytes();
        let series = series.into_iter().map(|(id, key)| (key, id)).collect();
        Ok(Loaded { series, sources, newest_hour, snapshot, book: load_book(&self.conn)? })
    }

    /// Makes it the memory.
    pub(super) fn take_over(&mut self, loaded: Loaded) {
        let Loaded { series, sources, newest_hour, snapshot, book } = loaded;
        self.series = series;
        self.sources = sources;
        self.newest_hour = newest_hour;
        self.snapshot = snapshot.into();
        self.book = book;
    }
}

fn load_sources(
    conn: &Connection,
    sources: &BTreeMap<Arc<str>, i64>,
    next: &mut Snapshot,
) -> rusqlite::Result<BTreeMap<Arc<str>, Source>> {
    let mut loaded = BTreeMap::new();
    for (name, id) in sources {
        let mut progress = SourceProgress::default();
        let mut source = Source { id: *id, begin: None, last_late_scan: None };
        let sql = "SELECT begin_at, last_late_scan, scanned_through, newest_record,
            (SELECT coalesce(sum(quarantined), 0) FROM partition WHERE source_id = source.id)
            FROM source WHERE id = ?";
        each(conn, sql, [id], |row| {
            source.begin = moment(row, 0)?;
            source.last_late_scan = moment(row, 1)?;
            progress.last_full_scan = moment(row, 2)?;
            progress.newest_record = moment(row, 3)?;
            progress.quarantined = unsigned(row, 4)?;
            Ok(())
        })?;
        next.sources.insert(name.clone(), progress);
        loaded.insert(name.clone(), source);
    }
    Ok(loaded)
}

fn load_counters(conn: &Connection, next: &mut Snapshot) -> rusqlite::Result<()> {
    let sql = "SELECT object_bytes, first_hour, last_commit, first_scan_complete FROM state";
    conn.query_row(sql, [], |row| {
        next.object_bytes = unsigned(row, 0)?;
        next.first_hour = moment(row, 1)?.map(Hour::of);
        next.last_commit = moment(row, 2)?;
        next.first_scan_complete = row.get(3)?;
        Ok(())
    })?;
    let mut records = RecordCounts::default();
    each(conn, "SELECT outcome, records FROM record_count", [], |row| {
        let parse = |text: &str| RecordOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == text);
        records.add(word(row, 0, parse)?, unsigned(row, 1)?);
        Ok(())
    })?;
    let mut objects = ObjectCounts::default();
    each(conn, "SELECT outcome, objects FROM object_count", [], |row| {
        objects.add(word(row, 0, ObjectOutcome::parse)?, unsigned(row, 1)?);
        Ok(())
    })?;
    (next.records, next.objects) = (records, objects);
    Ok(())
}

fn hourly_cost(
    conn: &Connection,
    first: Hour,
) -> rusqlite::Result<BTreeMap<Hour, [NanoUsd; Charge::ALL.len()]>> {
    let mut cost = BTreeMap::new();
    let sql =
        "SELECT hour, charge_id, sum(nano_usd) FROM charge_hour WHERE hour >= ? GROUP BY hour, charge_id";
    each(conn, sql, [first.start().0], |row| {
        let hours = cost.entry(hour(row, 0)?).or_insert([NanoUsd(0); _]);
        hours[charge(row, 1)? as usize] = NanoUsd(unsigned(row, 2)?);
        Ok(())
    })?;
    Ok(cost)
}

fn load_book(conn: &Connection) -> rusqlite::Result<Book> {
    let mut book = Book::default();
    let mut texts = Interner::default();
    let sql = format!("SELECT {PARTITION_COLUMNS}, p.id, p.source_id FROM partition p WHERE p.open = 1");
    each(conn, &sql, [], |row| {
        let mut partition = partition(row)?;
        partition.bucket = texts.get(&partition.bucket);
        let (id, source) = (row.get(PARTITION_WIDTH)?, row.get(PARTITION_WIDTH + 1)?);
        book.open(id, OpenPartition { partition, source, objects: 0 });
        Ok(())
    })?;
    let last: Option<i64> = conn.query_row("SELECT max(id) FROM partition", [], |row| row.get(0))?;
    book.next_partition = last.unwrap_or(0) + 1;

    let mut folder: Option<(i64, FolderPrint)> = None;
    let sql = "SELECT partition_id, name, size, outcome, reason, version FROM object";
    each(conn, sql, [], |row| {
        let id = row.get(0)?;
        // The file may have rows of a partition that is not open only if something else wrote to it.
        let Some(open) = book.partitions.get_mut(&id) else {
            return Err(rusqlite::Error::IntegralValueOutOfRange(0, id));
        };
        open.objects += 1;
        let (bucket, prefix, name) =
            (&open.partition.bucket, &open.partition.prefix, row.get_ref(1)?.as_str()?);
        let digest = Digest::of_parts(bucket, prefix, name);
        let print = match &folder {
            Some((last, folder)) if *last == id => folder.of(name),
            _ => folder.insert((id, book.objects.folder(bucket, prefix))).1.of(name),
        };
        let outcome = word(row, 3, ObjectOutcome::parse)?;
        let ignore = match outcome {
            ObjectOutcome::Ignored => Some(word(row, 4, IgnoreReason::parse)?),
            _ => None,
        };
        let version = row.get_ref(5)?.as_str_or_null()?.map(Box::from);
        let object = OpenObject { partition: id, size: unsigned(row, 2)?, outcome, ignore, version };
        book.objects.add(digest, print, object);
        Ok(())
    })?;
    book.objects.found();
    let sql = "SELECT p.bucket, p.prefix, q.name, p.id, q.retries
        FROM quarantine q JOIN partition p ON p.id = q.partition_id";
    each(conn, sql, [], |row| {
        let mark = Mark { partition: row.get(3)?, retries: row.get(4)?, asked: false };
        book.quarantine.insert(joined_digest(row)?, mark);
        Ok(())
    })?;
    let sql = "SELECT p.bucket, p.prefix, a.name, p.id, a.attempts
        FROM attempt a JOIN partition p ON p.id = a.partition_id";
    each(conn, sql, [], |row| {
        let attempt = Attempt { partition: row.get(3)?, count: row.get(4)? };
        book.attempts.insert(joined_digest(row)?, attempt);
        Ok(())
    })?;
    Ok(book)
}

/// Of bucket, prefix and name in the first three columns.
pub(super) fn joined_digest(row: &Row<'_>) -> rusqlite::Result<Digest> {
    let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str()?);
    Ok(Digest::of_parts(text(0)?, text(1)?, text(2)?))
}
