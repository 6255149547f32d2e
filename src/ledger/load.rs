//! The file into memory: what a start has to know, and no more. Names, particulars and hours stay in the file.

use std::{collections::BTreeMap, sync::Arc};

use rusqlite::{Connection, Row, types::Type};

use super::{
    Ledger, Source,
    book::{Attempt, Book, Digest, Interner, Mark, OpenObject, OpenPartition},
    counters::{Counter, CounterMeasure, Offsets},
    objects::FolderPrint,
    series::{Family, Meaning, Names},
    totals::{GrandTotal, first_cost_hour},
};
use crate::model::{
    Candidate, Charge, ChargeCounts, Contradiction, Doubt, FlowCounts, FlowKey, Hour, IgnoreReason, Listed,
    NanoUsd, NatDirection, ObjectCounts, ObjectId, ObjectOutcome, Partition, PartitionSpan, RecordCounts,
    RecordOutcome, Relation, Series, Snapshot, SourceProgress, SourceSums, Timestamp,
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

/// Billed bytes, those of them without a price, and money in three columns from `column` on.
pub(super) fn charge_counts(row: &Row<'_>, column: usize) -> rusqlite::Result<ChargeCounts> {
    Ok(ChargeCounts {
        bytes: unsigned(row, column)?,
        unpriced: unsigned(row, column + 1)?,
        cost: NanoUsd(unsigned(row, column + 2)?),
    })
}

/// A word of a table of words, by its code.
fn coded<T>(row: &Row<'_>, column: usize, of_code: fn(i64) -> Option<T>) -> rusqlite::Result<T> {
    let code: i64 = row.get(column)?;
    of_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, code))
}

/// A charge by its code.
pub(super) fn charge(row: &Row<'_>, column: usize) -> rusqlite::Result<Charge> {
    coded(row, column, Charge::of_code)
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
pub(super) fn label_sets(
    conn: &Connection,
    texts: &mut Interner,
) -> rusqlite::Result<BTreeMap<i64, FlowKey>> {
    let mut label_sets = BTreeMap::new();
    each(conn, "SELECT id, src_zone, dst_zone, port_group, nat_direction FROM label_set", [], |row| {
        label_sets.insert(row.get(0)?, flow_key(row, 1, texts)?);
        Ok(())
    })?;
    Ok(label_sets)
}

/// Series by id, each with the id of its label set.
pub(super) fn series(
    conn: &Connection,
    label_sets: &BTreeMap<i64, FlowKey>,
    texts: &mut Interner,
) -> rusqlite::Result<BTreeMap<i64, (i64, Series)>> {
    let mut series = BTreeMap::new();
    each(conn, "SELECT id, label_set_id, src_az, dst_az, relation_id FROM series", [], |row| {
        let key = known(label_sets, row, 1)?.clone();
        let mut az = |column| {
            let az = row.get_ref(column)?.as_str_or_null()?;
            Ok::<_, rusqlite::Error>(az.map(|az| texts.get(az)))
        };
        let (src_az, dst_az) = (az(2)?, az(3)?);
        let relation = coded(row, 4, Relation::of_code)?;
        series.insert(row.get(0)?, (row.get(1)?, Series { key, src_az, dst_az, relation }));
        Ok(())
    })?;
    Ok(series)
}

/// Names of a table by id.
pub(super) fn names(conn: &Connection, table: &str) -> rusqlite::Result<BTreeMap<i64, Arc<str>>> {
    let mut names = BTreeMap::new();
    each(conn, &format!("SELECT id, name FROM {table}"), [], |row| {
        names.insert(row.get(0)?, row.get(1)?);
        Ok(())
    })?;
    Ok(names)
}

/// What an id stands for; the file's foreign keys make sure that there is something.
pub(super) fn known<'a, T>(
    all: &'a BTreeMap<i64, T>,
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<&'a T> {
    let id = row.get(column)?;
    all.get(&id).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, id))
}

/// Totals of traffic by label set.
pub(super) fn traffic(
    conn: &Connection,
    label_sets: &BTreeMap<i64, FlowKey>,
) -> rusqlite::Result<BTreeMap<FlowKey, FlowCounts>> {
    let mut traffic = BTreeMap::new();
    let sql = "SELECT label_set_id, flows, packets, bytes, inter_az_bytes FROM traffic_total";
    each(conn, sql, [], |row| {
        traffic.insert(known(label_sets, row, 0)?.clone(), flow_counts(row, 1)?);
        Ok(())
    })?;
    Ok(traffic)
}

/// Totals of charges by charge and label set.
pub(super) fn charges(
    conn: &Connection,
    label_sets: &BTreeMap<i64, FlowKey>,
) -> rusqlite::Result<BTreeMap<(Charge, FlowKey), ChargeCounts>> {
    let mut charges = BTreeMap::new();
    let sql = "SELECT charge_id, label_set_id, bytes, unpriced_bytes, nano_usd FROM charge_total";
    each(conn, sql, [], |row| {
        charges.insert((charge(row, 0)?, known(label_sets, row, 1)?.clone()), charge_counts(row, 2)?);
        Ok(())
    })?;
    Ok(charges)
}

/// What a counter shows, given its sum in a column.
fn shown(row: &Row<'_>, column: usize, offsets: &Offsets, counter: Counter) -> rusqlite::Result<u64> {
    let sum = unsigned(row, column)?;
    let contradiction =
        || unexpected(column, Type::Integer, format!("{counter:?} has more outside than in its sum {sum}"));
    offsets.shown(counter, sum).ok_or_else(contradiction)
}

/// The traffic counters.
fn shown_traffic(
    conn: &Connection,
    label_sets: &BTreeMap<i64, FlowKey>,
    offsets: &Offsets,
) -> rusqlite::Result<BTreeMap<FlowKey, FlowCounts>> {
    let mut traffic = BTreeMap::new();
    let sql = "SELECT label_set_id, flows, packets, bytes, inter_az_bytes FROM traffic_total WHERE retired_at IS NULL";
    each(conn, sql, [], |row| {
        let id = row.get(0)?;
        let of = |at: usize| {
            shown(row, 1 + at, offsets, Counter::of_label_set(CounterMeasure::TRAFFIC[at], 0, id))
        };
        let counts = FlowCounts { flows: of(0)?, packets: of(1)?, bytes: of(2)?, inter_az_bytes: of(3)? };
        traffic.insert(known(label_sets, row, 0)?.clone(), counts);
        Ok(())
    })?;
    Ok(traffic)
}

/// The charge counters.
fn shown_charges(
    conn: &Connection,
    label_sets: &BTreeMap<i64, FlowKey>,
    offsets: &Offsets,
) -> rusqlite::Result<BTreeMap<(Charge, FlowKey), ChargeCounts>> {
    let mut charges = BTreeMap::new();
    let sql = "SELECT charge_id, label_set_id, bytes, unpriced_bytes, nano_usd FROM charge_total
        WHERE retired_at IS NULL";
    each(conn, sql, [], |row| {
        let (code, id) = (row.get(0)?, row.get(1)?);
        let of = |at: usize| {
            shown(row, 2 + at, offsets, Counter::of_label_set(CounterMeasure::CHARGE[at], code, id))
        };
        let counts = ChargeCounts { bytes: of(0)?, unpriced: of(1)?, cost: NanoUsd(of(2)?) };
        charges.insert((charge(row, 0)?, known(label_sets, row, 1)?.clone()), counts);
        Ok(())
    })?;
    Ok(charges)
}

/// Everything that memory holds of the file.
pub(super) struct Loaded {
    names: Names,
    grand: GrandTotal,
    generation: i64,
    sources: BTreeMap<Arc<str>, Source>,
    newest_hour: Option<Hour>,
    snapshot: Snapshot,
    book: Book,
}

impl Ledger {
    /// Reads it, and changes nothing. `sources` are the configured ones by name, with their ids.
    pub(super) fn load(&self, sources: &BTreeMap<Arc<str>, i64>) -> rusqlite::Result<Loaded> {
        let conn = &self.conn;
        let label_sets = label_sets(conn, &mut Interner::default())?;
        let offsets = Offsets::load(conn)?;
        let traffic = shown_traffic(conn, &label_sets, &offsets)?;
        let charges = shown_charges(conn, &label_sets, &offsets)?;
        let mut snapshot = Snapshot { traffic, charges, ..Snapshot::default() };
        load_counters(conn, &mut snapshot)?;
        load_doubts(conn, &offsets, &mut snapshot)?;
        let sources = load_sources(conn, sources, &mut snapshot)?;
        let newest_hour = self.newest_stored_hour()?;
        load_source_sums(conn, newest_hour, &offsets, &mut snapshot)?;
        let grand = GrandTotal::load(conn, &offsets, snapshot.records.total())?;
        snapshot.state_bytes = self.state_bytes();
        let names = load_names(conn, label_sets, &snapshot)?;
        let generation = self.stored_generation()?;
        Ok(Loaded { names, grand, generation, sources, newest_hour, snapshot, book: load_book(conn)? })
    }

    /// Makes it the memory.
    pub(super) fn take_over(&mut self, loaded: Loaded) {
        let (sources, book) = self.take_over_sums(loaded);
        self.sources = sources;
        self.book = book;
    }

    /// Makes names and sums the memory. Returns the rest.
    pub(super) fn take_over_sums(&mut self, loaded: Loaded) -> (BTreeMap<Arc<str>, Source>, Book) {
        let Loaded { names, grand, generation, sources, newest_hour, snapshot, book } = loaded;
        self.names = names;
        self.grand = grand;
        self.generation = generation;
        self.newest_hour = newest_hour;
        self.snapshot = snapshot.into();
        (sources, book)
    }
}

pub(super) fn load_names(
    conn: &Connection,
    label_sets: BTreeMap<i64, FlowKey>,
    snapshot: &Snapshot,
) -> rusqlite::Result<Names> {
    let mut names = Names::default();
    let series = series(conn, &label_sets, &mut Interner::default())?;
    for (id, key) in label_sets {
        names.add_label_set(id, key);
    }
    for (id, (_, Series { key, src_az, dst_az, relation })) in series {
        names.add_series(id, &key, Meaning { src_az, dst_az, relation });
    }
    for (id, name) in self::names(conn, "aws_region")? {
        names.add_region(id, name);
    }
    snapshot.traffic.keys().for_each(|key| names.show(key, Family::Traffic));
    snapshot.charges.keys().for_each(|(charge, key)| names.show(key, Family::Charge(*charge)));
    Ok(names)
}

/// What each source has added, by its name: sources that had one name after the other are added up.
fn load_source_sums(
    conn: &Connection,
    newest_hour: Option<Hour>,
    offsets: &Offsets,
    next: &mut Snapshot,
) -> rusqlite::Result<()> {
    let names = names(conn, "source")?;
    let mut by_source: BTreeMap<Arc<str>, SourceSums> =
        names.values().map(|name| (name.clone(), SourceSums::default())).collect();
    let mut sums = |row: &Row<'_>, take: &mut dyn FnMut(&mut SourceSums) -> rusqlite::Result<()>| {
        let name = known(&names, row, 0)?.clone();
        take(by_source.entry(name).or_default())
    };
    each(conn, "SELECT source_id, bytes FROM source_total", [], |row| {
        sums(row, &mut |sums| {
            sums.bytes += shown(row, 1, offsets, Counter::source_bytes(row.get(0)?))?;
            Ok(())
        })
    })?;
    each(conn, "SELECT source_id, charge_id, nano_usd FROM source_charge_total", [], |row| {
        sums(row, &mut |sums| {
            let counter = Counter::source_cost(row.get(0)?, row.get(1)?);
            sums.cost[charge(row, 1)? as usize].0 += shown(row, 2, offsets, counter)?;
            Ok(())
        })
    })?;
    if let Some(newest) = newest_hour {
        let regions = self::names(conn, "aws_region")?;
        let sql = "SELECT source_id, hour, charge_id, aws_region_id, bytes, nano_usd FROM charge_hour
            WHERE hour >= ?";
        each(conn, sql, [first_cost_hour(newest).start().0], |row| {
            sums(row, &mut |sums| {
                let region = known(&regions, row, 3)?;
                let (bytes, cost) = (unsigned(row, 4)?, NanoUsd(unsigned(row, 5)?));
                sums.hourly_cost.add(hour(row, 1)?, charge(row, 2)?, region, bytes, cost);
                Ok(())
            })
        })?;
    }
    next.by_source = by_source;
    Ok(())
}

fn load_doubts(conn: &Connection, offsets: &Offsets, next: &mut Snapshot) -> rusqlite::Result<()> {
    each(conn, "SELECT doubt_id, bytes FROM doubt_total", [], |row| {
        let bytes = shown(row, 1, offsets, Counter::doubt(row.get(0)?))?;
        next.doubts[coded(row, 0, Doubt::of_code)? as usize] = bytes;
        Ok(())
    })?;
    each(conn, "SELECT contradiction_id, records FROM contradiction_total", [], |row| {
        let records = shown(row, 1, offsets, Counter::contradiction(row.get(0)?))?;
        next.contradictions[coded(row, 0, Contradiction::of_code)? as usize] = records;
        Ok(())
    })?;
    let regions = names(conn, "aws_region")?;
    each(conn, "SELECT charge_id, aws_region_id, bytes FROM unpriced_total", [], |row| {
        let bytes = shown(row, 2, offsets, Counter::unpriced(row.get(0)?, row.get(1)?))?;
        next.unpriced.insert((charge(row, 0)?, known(&regions, row, 1)?.clone()), bytes);
        Ok(())
    })
}

fn load_sources(
    conn: &Connection,
    sources: &BTreeMap<Arc<str>, i64>,
    next: &mut Snapshot,
) -> rusqlite::Result<BTreeMap<Arc<str>, Source>> {
    let mut loaded = BTreeMap::new();
    for (name, id) in sources {
        let progress = progress_of(conn, *id)?;
        let begin = progress.begin;
        let mut source = Source { id: *id, begin, first_scan: None, last_late_scan: None };
        each(conn, "SELECT first_scan_at, last_late_scan FROM source WHERE id = ?", [id], |row| {
            source.first_scan = moment(row, 0)?;
            source.last_late_scan = moment(row, 1)?;
            Ok(())
        })?;
        next.sources.insert(name.clone(), progress);
        loaded.insert(name.clone(), source);
    }
    next.begin = conn.query_row("SELECT min(begin_at) FROM source", [], |row| moment(row, 0))?;
    Ok(loaded)
}

/// How far a source has come.
pub(super) fn progress_of(conn: &Connection, source: i64) -> rusqlite::Result<SourceProgress> {
    let mut progress = SourceProgress::default();
    let sql = "SELECT begin_at, scanned_through, newest_record, first_hour,
        (SELECT coalesce(sum(quarantined), 0) FROM partition WHERE source_id = source.id)
        FROM source WHERE id = ?";
    each(conn, sql, [source], |row| {
        progress.begin = moment(row, 0)?;
        progress.last_full_scan = moment(row, 1)?;
        progress.newest_record = moment(row, 2)?;
        progress.first_hour = moment(row, 3)?.map(Hour::of);
        progress.quarantined = unsigned(row, 4)?;
        Ok(())
    })?;
    Ok(progress)
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
    let sql = "SELECT partition_id, name, size, outcome, reason, version, mutated, baseline FROM object";
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
        let size = unsigned(row, 2)?;
        let (mutated, baseline) = (row.get(6)?, row.get(7)?);
        let object = OpenObject { partition: id, size, outcome, ignore, version, mutated, baseline };
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
