//! The state file read beside a running writer, from one moment to the end: all answers are of the same commit.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, OpenFlags};

use super::{Ledger, OpenError, load, open};
use crate::model::{Charge, ChargeCounts, FlowCounts, FlowKey, Hour, Timestamp};

/// Sums of both families: of one hour, or of all time.
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
    path: std::path::PathBuf,
    pub(super) series: BTreeMap<i64, FlowKey>,
}

impl Ledger {
    /// Opens the state for reading. It takes no lock and may be used beside the writer.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_read_only(path: &Path) -> Result<LedgerReader, OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        let conn = open::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let failed = |error| OpenError::from_sqlite(path, error);
        // Reading the label sets takes the read lock, which fixes the moment that is seen.
        conn.execute_batch("BEGIN").map_err(failed)?;
        let series = load::series(&conn).map_err(failed)?;
        Ok(LedgerReader { conn, path: path.to_owned(), series })
    }
}

impl LedgerReader {
    /// Sums of all time, folded hours included. What they exceed the sum over [`Self::for_each_hour`] by has been
    /// folded.
    pub fn totals(&self) -> Result<Sums, OpenError> {
        load::totals(&self.conn, &self.series).map_err(|error| self.failed(error))
    }

    /// Hands every hour that has rows to `visit`, in ascending order, until `visit` returns an error.
    pub fn for_each_hour<E: From<OpenError>>(
        &self,
        mut visit: impl FnMut(Hour, Sums) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut hours = Vec::new();
        let sql =
            "SELECT DISTINCT hour FROM traffic_hour UNION SELECT DISTINCT hour FROM charge_hour ORDER BY 1";
        load::each(&self.conn, sql, [], |row| {
            hours.push(Hour::of(Timestamp(row.get(0)?)));
            Ok(())
        })
        .map_err(|error| self.failed(error))?;
        for hour in hours {
            let rows = self.hour(hour).map_err(|error| self.failed(error))?;
            visit(hour, rows)?;
        }
        Ok(())
    }

    fn hour(&self, hour: Hour) -> rusqlite::Result<Sums> {
        let mut rows = Sums::default();
        let sql = "SELECT series_id, flows, packets, bytes, inter_az_bytes FROM traffic_hour WHERE hour = ?";
        load::each(&self.conn, sql, [hour.start().0], |row| {
            rows.traffic.insert(load::key_of(&self.series, row, 0)?, load::flow_counts(row, 1)?);
            Ok(())
        })?;
        let sql = "SELECT charge_id, series_id, bytes, nano_usd FROM charge_hour WHERE hour = ?";
        load::each(&self.conn, sql, [hour.start().0], |row| {
            let key = (load::charge(row, 0)?, load::key_of(&self.series, row, 1)?);
            rows.charges.insert(key, load::charge_counts(row, 2)?);
            Ok(())
        })?;
        Ok(rows)
    }

    pub(super) fn failed(&self, error: rusqlite::Error) -> OpenError {
        OpenError::from_sqlite(&self.path, error)
    }
}
