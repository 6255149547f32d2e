//! Questions to the state file beside a running writer: all answers are of the same commit.
//!
//! `sums` adds up hours by any key, `history` goes through them series by series. Memory follows
//! the number of groups, and the hours of one series. Nothing is sorted, so nothing needs a
//! temporary file: the program may run where only the state's folder can be written.

mod history;
mod sums;

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Connection, OpenFlags};

pub use self::{
    history::HistorySeries,
    sums::{Amounts, HourRow, Measure, Sum, Table},
};
use super::{Ledger, OpenError, SourceSpec, book::Interner, load, open, sources};
use crate::{
    limits,
    model::{Charge, ChargeCounts, FlowCounts, FlowKey, Hour, Series, Timestamp},
};

/// Sums of both families, of all time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// Traffic by label set.
    pub traffic: BTreeMap<FlowKey, FlowCounts>,
    /// Charges by charge and label set.
    pub charges: BTreeMap<(Charge, FlowKey), ChargeCounts>,
}

/// A view of the state file that does not change while it lives.
#[derive(Debug)]
pub struct LedgerReader {
    pub(super) conn: Connection,
    path: PathBuf,
    label_sets: BTreeMap<i64, FlowKey>,
    /// Each with the id of its label set.
    series: BTreeMap<i64, (i64, Series)>,
    sources: BTreeMap<i64, Arc<str>>,
    regions: BTreeMap<i64, Arc<str>>,
}

impl Ledger {
    /// Opens the state for reading. It takes no lock and may be used beside the writer.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_read_only(path: &Path) -> Result<LedgerReader, OpenError> {
        let conn = open::connect_current(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let failed = |error| OpenError::from_sqlite(path, error);
        // Reading the label sets takes the read lock, which fixes the moment that is seen.
        conn.execute_batch("BEGIN").map_err(failed)?;
        let mut texts = Interner::default();
        let label_sets = load::label_sets(&conn, &mut texts).map_err(failed)?;
        open::check_words(path, &conn)?;
        let series = load::series(&conn, &label_sets, &mut texts).map_err(failed)?;
        let sources = load::names(&conn, "source").map_err(failed)?;
        let regions = load::names(&conn, "aws_region").map_err(failed)?;
        Ok(LedgerReader { conn, path: path.to_owned(), label_sets, series, sources, regions })
    }
}

impl LedgerReader {
    /// Returns the sums of all time: those of [`Self::sums`] and what has been folded.
    pub fn totals(&self) -> Result<Sums, OpenError> {
        let totals = || {
            let traffic = load::traffic(&self.conn, &self.label_sets)?;
            Ok(Sums { traffic, charges: load::charges(&self.conn, &self.label_sets)? })
        };
        totals().map_err(|error| self.failed(error))
    }

    /// Returns the hours for which nothing is expected any more: those that had settled when these
    /// sources were last scanned. `None` while one of them never has been.
    ///
    /// The clock alone closes no hour: while the exporter is down, nobody reads it.
    pub fn closed_hours(
        &self,
        sources: &[SourceSpec],
        now: Timestamp,
    ) -> Result<Option<Range<Hour>>, OpenError> {
        let closed = || {
            let Some(through) = self.read_through(sources)? else { return Ok(None) };
            let end = Hour::of(now.min(through).minus(limits::HOUR_SETTLES_AFTER));
            Ok(Some(self.first_hour()?.unwrap_or(end)..end))
        };
        closed().map_err(|error| self.failed(error))
    }

    /// Returns the moment through which all of the sources have been read.
    fn read_through(&self, sources: &[SourceSpec]) -> rusqlite::Result<Option<Timestamp>> {
        // Before, /metrics shows no flow families.
        let sql = "SELECT first_scan_complete FROM state";
        if !self.conn.query_row(sql, [], |row| row.get::<_, bool>(0))? {
            return Ok(None);
        }
        let mut through = BTreeMap::new();
        load::each(&self.conn, "SELECT id, scanned_through FROM source", [], |row| {
            through.insert(row.get::<_, i64>(0)?, load::moment(row, 1)?);
            Ok(())
        })?;
        // `None` is the least: a source that nobody has read to its end holds all back.
        let ids = sources::ids(&self.conn, sources)?;
        Ok(ids.into_iter().map(|id| through.get(&id?).copied().flatten()).min().flatten())
    }

    fn first_hour(&self) -> rusqlite::Result<Option<Hour>> {
        let sql = "SELECT min(hour) FROM (SELECT min(hour) AS hour FROM traffic_hour
            UNION ALL SELECT min(hour) FROM charge_hour)";
        Ok(self.conn.query_row(sql, [], |row| load::moment(row, 0))?.map(Hour::of))
    }

    pub(in crate::ledger) fn failed(&self, error: rusqlite::Error) -> OpenError {
        OpenError::from_sqlite(&self.path, error)
    }
}
