//! How far each source has been read.

use rusqlite::params;

use super::{
    Ledger,
    error::{LedgerError, while_doing},
};
use crate::{
    event::ScanKind,
    model::{Snapshot, Timestamp},
};

/// How far a source has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanProgress {
    /// Start of its first window: objects of partitions before it never count as late.
    pub begin: Timestamp,
    /// When a complete scan of all its open partitions was last committed.
    pub scanned_through: Option<Timestamp>,
    /// When objects that came too late were last looked for.
    pub last_late_scan: Option<Timestamp>,
}

impl Ledger {
    /// Progress of a configured source; `None` before [`Self::set_begin`].
    pub fn scan_progress(&self, source: &str) -> Option<ScanProgress> {
        let known = self.sources.get(source)?;
        Some(ScanProgress {
            begin: known.begin?,
            scanned_through: self.snapshot.sources.get(source).and_then(|progress| progress.last_full_scan),
            last_late_scan: known.last_late_scan,
        })
    }

    /// Fixes the start of a source's first window. Durable.
    pub fn set_begin(&mut self, source: &str, begin: Timestamp) -> Result<(), LedgerError> {
        let id = self.source(source)?.id;
        let failed = while_doing("write the begin of a source");
        let transaction = self.durable("write the begin of a source")?;
        transaction
            .execute("UPDATE source SET begin_at = ? WHERE id = ?", params![begin.0, id])
            .map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        if let Some(known) = self.sources.get_mut(source) {
            known.begin = Some(begin);
        }
        Ok(())
    }

    /// Notes that a source was listed to its end and everything found was settled or put back. Durable. Returns
    /// whether with this every configured source has been read for the first time. A recent scan leaves no trace.
    pub fn finish_scan(&mut self, source: &str, at: Timestamp, kind: ScanKind) -> Result<bool, LedgerError> {
        let id = self.source(source)?.id;
        let column = match kind {
            ScanKind::Recent => return Ok(false),
            ScanKind::Full => "scanned_through",
            ScanKind::Late => "last_late_scan",
        };
        let mut next = Snapshot::clone(&self.snapshot);
        if kind == ScanKind::Full
            && let Some(progress) = next.sources.get_mut(source)
        {
            progress.last_full_scan = Some(at);
        }
        let all_read = next.sources.values().all(|progress| progress.last_full_scan.is_some());
        let first = kind == ScanKind::Full && all_read && !next.first_scan_complete;
        next.first_scan_complete |= first;

        let failed = while_doing("write the end of a scan");
        let transaction = self.durable("write the end of a scan")?;
        transaction
            .prepare_cached(&format!("UPDATE source SET {column} = ? WHERE id = ?"))
            .and_then(|mut update| update.execute(params![at.0, id]))
            .map_err(&failed)?;
        if first {
            transaction.execute("UPDATE state SET first_scan_complete = 1", []).map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)?;

        if kind == ScanKind::Late
            && let Some(known) = self.sources.get_mut(source)
        {
            known.last_late_scan = Some(at);
        }
        next.state_bytes = self.state_bytes();
        self.snapshot = next.into();
        Ok(first)
    }
}
