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
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

pub use self::{
    history::HistorySeries,
    sums::{Amounts, HourRow, Measure, Sum, Table},
};
use super::{Ledger, OpenError, SourceSpec, book::Interner, load, open, sources};
use crate::{
    limits,
    model::{Charge, ChargeCounts, FlowCounts, FlowKey, Hour, Series, SourceProgress, Timestamp},
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

/// The hours for which nothing is expected any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedHours {
    /// From the first that the ledger has.
    pub hours: Range<Hour>,
    /// Up to which hour each source has settled them; `None`: it was never read to its end.
    settled: BTreeMap<Arc<str>, Option<Hour>>,
}

impl ClosedHours {
    /// Returns the sources that have not settled all hours before `end`.
    pub fn unsettled(&self, end: Hour) -> Vec<Arc<str>> {
        let open = self.settled.iter().filter(|(_, until)| until.is_none_or(|until| until < end));
        open.map(|(source, _)| source.clone()).collect()
    }
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

    /// Returns the hours for which nothing is expected any more: those that all of these sources
    /// have settled, and those that ended `lookback` ago. `None` before the flow families are shown.
    ///
    /// The clock alone closes no hour: while the exporter is down, nobody reads it. So `lookback` is
    /// counted back from the last complete scan of any of the sources.
    pub fn closed_hours(
        &self,
        sources: &[SourceSpec],
        lookback: Duration,
        now: Timestamp,
    ) -> Result<Option<ClosedHours>, OpenError> {
        let closed = || {
            // Before, /metrics shows no flow families.
            let sql = "SELECT first_scan_complete FROM state";
            if !self.conn.query_row(sql, [], |row| row.get::<_, bool>(0))? {
                return Ok(None);
            }
            let mut settled = BTreeMap::new();
            let mut last_scan = None;
            for (source, id) in sources.iter().zip(sources::ids(&self.conn, sources)?) {
                let progress =
                    id.map_or(Ok(SourceProgress::default()), |id| load::progress_of(&self.conn, id))?;
                // Of a source that was never read to its end nothing is known.
                let until = progress.is_read().then(|| progress.settled_until(now));
                settled.insert(source.name.clone(), until);
                last_scan = last_scan.max(progress.last_full_scan);
            }
            let Some(last_scan) = last_scan else { return Ok(None) };
            let seen = now.min(last_scan);
            let due = Hour::of(seen.minus(limits::HOUR_SETTLES_AFTER));
            let overdue = Hour::of(seen.minus(lookback.max(limits::HOUR_SETTLES_AFTER)));
            // `None` is the least.
            let all = settled.values().min().copied().flatten();
            let end = all.map_or(overdue, |all| all.clamp(overdue, due));
            Ok(Some(ClosedHours { hours: self.first_hour()?.unwrap_or(end)..end, settled }))
        };
        closed().map_err(|error| self.failed(error))
    }

    /// Returns the first moment whose hours are kept; those before are only in the totals.
    pub fn kept_from(&self) -> Result<Option<Timestamp>, OpenError> {
        let sql = "SELECT folded_before FROM state";
        self.conn.query_row(sql, [], |row| load::moment(row, 0)).map_err(|error| self.failed(error))
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
