//! The hourly ledger series by series, for the export of the history.
//!
//! Memory follows the number of series, and of one series its hours: sums are gathered in one pass over the table, and
//! the hours of a series are looked up by key. Nothing is sorted, so nothing needs a temporary file: the program may
//! run where only the state's folder can be written.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use super::{LedgerReader, OpenError, load, schema::charge_code};
use crate::model::{Charge, FlowKey, Hour, Timestamp};

/// A sum that the ledger keeps by hour and of all time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Bytes of traffic.
    Bytes,
    /// Packets.
    Packets,
    /// Flow records.
    Flows,
    /// Bytes between two zones of a region.
    InterAzBytes,
    /// Bytes that a charge applies to.
    ChargedBytes,
    /// Money, in nano-dollars.
    Cost,
}

impl Measure {
    /// Whether its series are of a charge.
    fn charged(self) -> bool {
        matches!(self, Self::ChargedBytes | Self::Cost)
    }

    fn column(self) -> &'static str {
        match self {
            Self::Bytes | Self::ChargedBytes => "bytes",
            Self::Packets => "packets",
            Self::Flows => "flows",
            Self::InterAzBytes => "inter_az_bytes",
            Self::Cost => "nano_usd",
        }
    }

    /// What `charge_id` is called in the tables: those of the traffic have none.
    fn charge_id(self) -> &'static str {
        if self.charged() { "charge_id" } else { "0" }
    }

    fn tables(self) -> (&'static str, &'static str) {
        if self.charged() { ("charge_hour", "charge_total") } else { ("traffic_hour", "traffic_total") }
    }

    /// What is above 0 wherever there was anything: all series of a table begin together, also those that stay at 0.
    fn presence(self) -> &'static str {
        if self.charged() { "bytes" } else { "flows" }
    }
}

/// A series of a measure, as it stands before the first hour of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistorySeries {
    /// Of the charge families.
    pub charge: Option<Charge>,
    /// The four labels.
    pub key: FlowKey,
    /// The first hour it is there: the first of the range where it was there before, else the first with a row.
    pub begins: Hour,
    /// What it has come to before that hour, folded hours included.
    pub before: u64,
    id: i64,
}

/// How far the sources have been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadThrough {
    /// The first scan of all sources was complete. Before, /metrics shows no flow families.
    pub first_scan_complete: bool,
    /// The moment through which all of them have been read; `None` while one has not been, ever.
    pub all: Option<Timestamp>,
}

/// What one pass over a table says of a series.
#[derive(Default)]
struct Seen {
    /// Hours of the range and later.
    since: u64,
    presence_since: u64,
    /// It has a row before the range.
    earlier: bool,
    first: Option<Hour>,
}

impl LedgerReader {
    /// How far the sources with these urls have been read.
    pub fn read_through<'a>(
        &self,
        urls: impl IntoIterator<Item = &'a str>,
    ) -> Result<ReadThrough, OpenError> {
        let read = || {
            let sql = "SELECT first_scan_complete FROM state";
            let first_scan_complete = self.conn.query_row(sql, [], |row| row.get(0))?;
            let mut through = HashMap::new();
            load::each(&self.conn, "SELECT url, scanned_through FROM source", [], |row| {
                through.insert(row.get::<_, String>(0)?, load::moment(row, 1)?);
                Ok(())
            })?;
            // `None` is the least: a source that nobody has read to its end holds all back.
            let all = urls.into_iter().map(|url| through.get(url).copied().flatten()).min().flatten();
            Ok(ReadThrough { first_scan_complete, all })
        };
        read().map_err(|error| self.failed(error))
    }

    /// The first hour that is kept apart.
    pub fn first_hour(&self) -> Result<Option<Hour>, OpenError> {
        let sql = "SELECT min(hour) FROM (SELECT min(hour) AS hour FROM traffic_hour
            UNION ALL SELECT min(hour) FROM charge_hour)";
        let first = self.conn.query_row(sql, [], |row| load::moment(row, 0));
        Ok(first.map_err(|error| self.failed(error))?.map(Hour::of))
    }

    /// The series that are there before the end of `hours`, in the order of /metrics.
    pub fn history_series(
        &self,
        measure: Measure,
        hours: &Range<Hour>,
    ) -> Result<Vec<HistorySeries>, OpenError> {
        self.series_of(measure, hours).map_err(|error| self.failed(error))
    }

    fn series_of(&self, measure: Measure, hours: &Range<Hour>) -> rusqlite::Result<Vec<HistorySeries>> {
        let seen = self.pass(measure, hours.start)?;
        let (column, charge_id, presence) = (measure.column(), measure.charge_id(), measure.presence());
        let (_, totals) = measure.tables();
        let sql = format!("SELECT {charge_id}, series_id, {column}, {presence} FROM {totals}");
        let nothing = Seen::default();
        let mut series = BTreeMap::new();
        load::each(&self.conn, &sql, [], |row| {
            let (charge_id, id): (i64, i64) = (row.get(0)?, row.get(1)?);
            let seen = seen.get(&(charge_id, id)).unwrap_or(&nothing);
            let before = |column, since| {
                let total = load::unsigned(row, column)?;
                let disagrees = rusqlite::Error::IntegralValueOutOfRange(column, row.get(column)?);
                total.checked_sub(since).ok_or(disagrees)
            };
            let (value, presence) = (before(2, seen.since)?, before(3, seen.presence_since)?);
            let begins = match seen.first {
                _ if seen.earlier || presence > 0 => hours.start,
                Some(first) if first < hours.end => first,
                _ => return Ok(()),
            };
            let charge = if measure.charged() { Some(load::charge(row, 0)?) } else { None };
            let key = load::key_of(&self.series, row, 1)?;
            let one = HistorySeries { charge, key: key.clone(), begins, before: value, id };
            series.insert((charge, key), one);
            Ok(())
        })?;
        Ok(series.into_values().collect())
    }

    fn pass(&self, measure: Measure, start: Hour) -> rusqlite::Result<HashMap<(i64, i64), Seen>> {
        let (column, charge_id, presence) = (measure.column(), measure.charge_id(), measure.presence());
        let (hourly, _) = measure.tables();
        let mut seen = HashMap::<(i64, i64), Seen>::new();
        let sql = format!("SELECT {charge_id}, series_id, hour, {column}, {presence} FROM {hourly}");
        load::each(&self.conn, &sql, [], |row| {
            let one = seen.entry((row.get(0)?, row.get(1)?)).or_default();
            let hour = load::hour(row, 2)?;
            if hour < start {
                one.earlier = true;
                return Ok(());
            }
            // No sum over a column can overflow: the ledger sees to it.
            one.since = one.since.saturating_add(load::unsigned(row, 3)?);
            one.presence_since = one.presence_since.saturating_add(load::unsigned(row, 4)?);
            one.first = Some(one.first.map_or(hour, |first| first.min(hour)));
            Ok(())
        })?;
        Ok(seen)
    }

    /// What each hour from the beginning of a series up to, not including, `end` has added to it.
    pub fn hours_of(
        &self,
        measure: Measure,
        series: &HistorySeries,
        end: Hour,
    ) -> Result<Vec<u64>, OpenError> {
        let begins = series.begins;
        let mut hours = vec![0; usize::try_from(end.0 - begins.0).unwrap_or(0)];
        if hours.is_empty() {
            return Ok(hours);
        }
        let (hourly, _) = measure.tables();
        let (column, charge_id) = (measure.column(), measure.charge_id());
        let sql = format!(
            "WITH RECURSIVE h (hour) AS (SELECT ?1 UNION ALL SELECT hour + 3600 FROM h WHERE hour + 3600 < ?2)
             SELECT t.hour, t.{column} FROM h CROSS JOIN {hourly} t
             ON t.hour = h.hour AND t.series_id = ?3 AND {charge_id} = ?4"
        );
        let charge = series.charge.map_or(0, charge_code);
        let params = [begins.start().0, end.start().0, series.id, charge];
        let read = load::each(&self.conn, &sql, params, |row| {
            let at = usize::try_from(load::hour(row, 0)?.0 - begins.0).unwrap_or(usize::MAX);
            let amount = load::unsigned(row, 1)?;
            if let Some(hour) = hours.get_mut(at) {
                *hour = amount;
            }
            Ok(())
        });
        read.map_err(|error| self.failed(error))?;
        Ok(hours)
    }
}
