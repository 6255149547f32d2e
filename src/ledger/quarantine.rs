//! Objects that were set aside: listed with their particulars, as many as [`limits::QUARANTINE_ROWS`].

use super::{
    Ledger,
    book::Digest,
    error::{LedgerError, while_doing},
    load,
};
use crate::model::{Candidate, Quarantine, QuarantineReason, Timestamp};

/// An object in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedObject {
    /// The object as it was listed.
    pub candidate: Candidate,
    /// Why it is here.
    pub why: Quarantine,
    /// Since when.
    pub since: Timestamp,
    /// How often it was taken up again.
    pub retries: u32,
}

impl Ledger {
    /// Objects in quarantine whose particulars are kept, in the order of bucket and key prefix. An object of a
    /// source that is not configured any more has the source's last name.
    pub fn quarantined(&self) -> Result<Vec<QuarantinedObject>, LedgerError> {
        let failed = while_doing("read the quarantine");
        let mut statement = self
            .conn
            .prepare_cached(&format!(
                "SELECT {}, q.name, q.size, q.version, s.name, q.reason, q.detail, q.since, q.retries
                 FROM quarantine q JOIN partition p ON p.id = q.partition_id JOIN source s ON s.id = p.source_id
                 ORDER BY p.bucket, p.prefix, q.name",
                load::PARTITION_COLUMNS
            ))
            .map_err(&failed)?;
        let rows = statement
            .query_map([], |row| {
                let base = load::PARTITION_WIDTH;
                let source: String = row.get(base + 3)?;
                Ok(QuarantinedObject {
                    candidate: load::candidate(row, source.into())?,
                    why: Quarantine {
                        reason: load::word(row, base + 4, QuarantineReason::parse)?,
                        detail: row.get(base + 5)?,
                    },
                    since: Timestamp(row.get(base + 6)?),
                    retries: row.get(base + 7)?,
                })
            })
            .map_err(&failed)?;
        rows.collect::<Result<_, _>>().map_err(&failed)
    }

    /// Unfinished objects of configured sources that have not had their one retry alone.
    /// [`Ledger::begin_decoding`] uses it up, even if the process dies over it; [`Ledger::abandon_decoding`] gives
    /// it back.
    pub fn unfinished(&self) -> Result<Vec<Candidate>, LedgerError> {
        let mut all = self.quarantined()?;
        all.retain(|object| {
            object.why.reason == QuarantineReason::Unfinished
                && object.retries == 0
                && self.sources.contains_key(&object.candidate.source)
        });
        Ok(all.into_iter().map(|object| object.candidate).collect())
    }

    /// Drops the particulars of the oldest beyond the bound, those that wait for their retry last. They stay
    /// counted. Returns what was dropped.
    pub(super) fn trim_quarantine(&self) -> rusqlite::Result<Vec<Digest>> {
        let rows: i64 =
            self.conn.prepare_cached("SELECT count(*) FROM quarantine")?.query_row([], |row| row.get(0))?;
        let excess = rows - load::stored(self.bounds.quarantine_rows as u64);
        if excess <= 0 {
            return Ok(Vec::new());
        }
        let dropped = self
            .conn
            .prepare_cached(
                "DELETE FROM quarantine WHERE (partition_id, name) IN (
                    SELECT partition_id, name FROM quarantine
                    ORDER BY (reason = 'unfinished' AND retries = 0), since, partition_id, name LIMIT ?)
                 RETURNING partition_id, name",
            )?
            .query_map([excess], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<Vec<(i64, String)>>>()?;
        let mut prefix = self.conn.prepare_cached("SELECT bucket, prefix FROM partition WHERE id = ?")?;
        dropped
            .into_iter()
            .map(|(partition, name)| {
                let place = prefix.query_row([partition], |row| Ok((row.get(0)?, row.get(1)?)));
                place.map(|(bucket, prefix): (String, String)| Digest::of_parts(&bucket, &prefix, &name))
            })
            .collect()
    }
}
