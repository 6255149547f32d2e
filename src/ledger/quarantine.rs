//! Objects that were set aside: listed with their particulars, as many as [`limits::QUARANTINE_ROWS`].

use rusqlite::{Connection, params_from_iter};

use super::{
    Ledger, LedgerReader, OpenError,
    book::Digest,
    error::{LedgerError, while_doing},
    load,
    requests::Request,
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
    /// What a person has asked for and is not done yet.
    pub request: Option<Request>,
}

/// Rows of the quarantine: all, or those with a request.
pub(super) fn rows(conn: &Connection, request: Option<Request>) -> rusqlite::Result<Vec<QuarantinedObject>> {
    let wanted = if request.is_some() { "WHERE q.request = ?1" } else { "" };
    let sql = format!(
        "SELECT {}, q.name, q.size, q.version, s.name, q.reason, q.detail, q.since, q.retries, q.request
         FROM quarantine q JOIN partition p ON p.id = q.partition_id JOIN source s ON s.id = p.source_id
         {wanted} ORDER BY p.bucket, p.prefix, q.name",
        load::PARTITION_COLUMNS
    );
    let mut objects = Vec::new();
    load::each(conn, &sql, params_from_iter(request.map(Request::as_str)), |row| {
        let base = load::PARTITION_WIDTH;
        let source: String = row.get(base + 3)?;
        objects.push(QuarantinedObject {
            candidate: load::candidate(row, source.into())?,
            why: Quarantine {
                reason: load::word(row, base + 4, QuarantineReason::parse)?,
                detail: row.get(base + 5)?,
            },
            since: Timestamp(row.get(base + 6)?),
            retries: row.get(base + 7)?,
            request: match row.get_ref(base + 8)?.as_str_or_null()? {
                Some(_) => Some(load::word(row, base + 8, Request::parse)?),
                None => None,
            },
        });
        Ok(())
    })?;
    Ok(objects)
}

impl LedgerReader {
    /// Objects in quarantine whose particulars are kept, as [`Ledger::quarantined`] has them, and how many there
    /// are in all.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn quarantined(&self) -> Result<(Vec<QuarantinedObject>, u64), OpenError> {
        let all = "SELECT coalesce(sum(quarantined), 0) FROM partition";
        rows(&self.conn, None)
            .and_then(|rows| Ok((rows, self.conn.query_row(all, [], |row| load::unsigned(row, 0))?)))
            .map_err(|error| self.failed(error))
    }
}

impl Ledger {
    /// Objects in quarantine whose particulars are kept, in the order of bucket and key prefix. An object of a
    /// source that is not configured any more has the source's last name.
    pub fn quarantined(&self) -> Result<Vec<QuarantinedObject>, LedgerError> {
        rows(&self.conn, None).map_err(while_doing("read the quarantine"))
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

    /// Drops the particulars of the oldest beyond the bound, those that wait for something last. They stay
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
                    ORDER BY (reason = 'unfinished' AND retries = 0) OR request IS NOT NULL, since, partition_id, name LIMIT ?)
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
