//! How far each source has been read.

use std::time::Duration;

use rusqlite::params;

use super::{
    Ledger,
    error::{LedgerError, while_doing},
};
use crate::{
    event::ScanKind,
    model::{Snapshot, SourceProgress, Timestamp},
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
        let mut next = Snapshot::clone(&self.snapshot);
        next.begin = Some(next.begin.map_or(begin, |first| first.min(begin)));
        if let Some(progress) = next.sources.get_mut(source) {
            progress.begin = Some(begin);
        }
        self.snapshot = next.into();
        Ok(())
    }

    /// Notes that a source was listed to its end and everything found was settled or put back. Durable. Returns
    /// whether with this every configured source has been read for the first time. A recent scan leaves no trace.
    pub fn finish_scan(&mut self, source: &str, at: Timestamp, kind: ScanKind) -> Result<bool, LedgerError> {
        let id = self.source(source)?.id;
        let columns = match kind {
            ScanKind::Recent => return Ok(false),
            ScanKind::Full => "first_scan_at = coalesce(first_scan_at, ?1), scanned_through = ?1",
            ScanKind::Late => "last_late_scan = ?1",
        };
        let mut next = Snapshot::clone(&self.snapshot);
        if kind == ScanKind::Full
            && let Some(progress) = next.sources.get_mut(source)
        {
            progress.last_full_scan = Some(at);
        }
        let all_read = next.sources.values().all(SourceProgress::is_read);
        let first = kind == ScanKind::Full && all_read && !next.first_scan_complete;
        next.first_scan_complete |= first;

        let failed = while_doing("write the end of a scan");
        let transaction = self.durable("write the end of a scan")?;
        transaction
            .prepare_cached(&format!("UPDATE source SET {columns} WHERE id = ?2"))
            .and_then(|mut update| update.execute(params![at.0, id]))
            .map_err(&failed)?;
        if first {
            transaction.execute("UPDATE state SET first_scan_complete = 1", []).map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)?;

        if let Some(known) = self.sources.get_mut(source) {
            match kind {
                ScanKind::Recent => {}
                ScanKind::Full => known.first_scan = known.first_scan.or(Some(at)),
                ScanKind::Late => known.last_late_scan = Some(at),
            }
        }
        next.state_bytes = self.state_bytes();
        self.snapshot = next.into();
        Ok(first)
    }

    /// Shows the flow families from now on without the sources that have not been read yet, if another one was read
    /// `wait` ago. Durable: they stay shown, and what these sources commit later is that of added ones. Returns whether
    /// this has changed anything.
    pub fn show_without_unread(&mut self, now: Timestamp, wait: Duration) -> Result<bool, LedgerError> {
        let first = self.sources.values().filter_map(|source| source.first_scan).min();
        // A clock that was set back must not hide them for longer.
        let over = first.is_some_and(|first| now >= first.plus(wait) || now < first);
        if self.snapshot.first_scan_complete || !over {
            return Ok(false);
        }
        let failed = while_doing("show the flow families");
        let transaction = self.durable("show the flow families")?;
        transaction.execute("UPDATE state SET first_scan_complete = 1", []).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        self.snapshot = Snapshot { first_scan_complete: true, ..Snapshot::clone(&self.snapshot) }.into();
        Ok(true)
    }
}
