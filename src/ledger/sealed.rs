//! Objects of sealed partitions: sorted lists of hashes, read from the file when asked for.
//!
//! An object is looked for in every sealed partition whose prefix its key begins with, not only in the one that the
//! present layout names: a changed layout must not count anything again.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    book::Digest,
    error::{LedgerError, while_doing},
};
use crate::{
    limits,
    model::{ObjectId, Partition},
};

/// What a sealed partition says about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SealedKind {
    /// Would be read if the configuration let it in.
    Ignored,
    /// Would be counted if the lookback reached it.
    RefusedLate,
    /// Done with.
    Settled,
}

/// Sorted hashes, end to end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HashList(Vec<u8>);

impl HashList {
    /// From any order; doubles are dropped.
    pub(super) fn from_digests(mut digests: Vec<Digest>) -> Self {
        digests.sort_unstable();
        digests.dedup();
        Self(digests.iter().flat_map(|digest| digest.0).collect())
    }

    fn from_blob(blob: Vec<u8>) -> Result<Self, LedgerError> {
        let list = Self(blob);
        let (entries, rest) = list.0.as_chunks::<{ Digest::BYTES }>();
        if !rest.is_empty() || !entries.is_sorted() {
            return Err(LedgerError::Corrupt(
                "a list of sealed objects is not a sorted list of hashes".into(),
            ));
        }
        Ok(list)
    }

    fn entries(&self) -> &[[u8; Digest::BYTES]] {
        self.0.as_chunks().0
    }

    pub(super) fn contains(&self, digest: Digest) -> bool {
        self.entries().binary_search(&digest.0).is_ok()
    }

    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> {
        self.entries().iter().map(|entry| Digest(*entry))
    }

    fn without(&self, some: &HashSet<Digest>) -> Self {
        Self(self.digests().filter(|digest| !some.contains(digest)).flat_map(|digest| digest.0).collect())
    }

    fn with(self, other: Self) -> Self {
        match (self.len(), other.len()) {
            (_, 0) => self,
            (0, _) => other,
            _ => Self::from_digests(self.digests().chain(other.digests()).collect()),
        }
    }

    fn len(&self) -> usize {
        self.0.len() / Digest::BYTES
    }
}

/// A row of `sealed`: of one partition, or of a day and its small hours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SealedSet {
    pub(super) counted: HashList,
    /// Done with, and not counted. Where it is `mixed` some are.
    pub(super) settled: HashList,
    pub(super) refused_late: HashList,
    pub(super) ignored: HashList,
    /// Those of `counted` that were replaced afterwards.
    pub(super) mutated: HashList,
    /// Those of `counted` whose sums are in the baseline too.
    pub(super) baseline: HashList,
    /// Version 1 of the file, which did not keep counted ones apart, sealed some.
    pub(super) mixed: bool,
}

impl SealedSet {
    /// Reads the lists of a partition; `None` when it was never sealed.
    pub(super) fn load(conn: &Connection, partition: i64) -> Result<Option<Self>, LedgerError> {
        let failed = while_doing("read a sealed partition");
        let mut statement = conn
            .prepare_cached(
                "SELECT mixed, counted, settled, refused_late, ignored, mutated, baseline
                 FROM sealed WHERE partition_id = ?",
            )
            .map_err(&failed)?;
        let row = statement
            .query_row([partition], |row| {
                let blobs: [Vec<u8>; 6] =
                    [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?];
                Ok((row.get(0)?, blobs))
            })
            .optional()
            .map_err(&failed)?;
        let Some((mixed, [counted, settled, refused_late, ignored, mutated, baseline])) = row else {
            return Ok(None);
        };
        Ok(Some(Self {
            counted: HashList::from_blob(counted)?,
            settled: HashList::from_blob(settled)?,
            refused_late: HashList::from_blob(refused_late)?,
            ignored: HashList::from_blob(ignored)?,
            mutated: HashList::from_blob(mutated)?,
            baseline: HashList::from_blob(baseline)?,
            mixed,
        }))
    }

    /// Writes the lists of a partition. The old row is deleted, not overwritten: only then does SQLite join the pages of
    /// rows that went from a page to an overflow page as they grew.
    pub(super) fn store(&self, conn: &Connection, partition: i64) -> rusqlite::Result<()> {
        conn.prepare_cached("DELETE FROM sealed WHERE partition_id = ?")?.execute([partition])?;
        conn.prepare_cached(
            "INSERT INTO sealed (partition_id, counted, settled, refused_late, ignored, mutated, baseline, mixed)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            partition,
            self.counted.0,
            self.settled.0,
            self.refused_late.0,
            self.ignored.0,
            self.mutated.0,
            self.baseline.0,
            self.mixed,
        ])?;
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rest, when something else is said of some objects.
    pub(super) fn without(&self, some: &HashSet<Digest>) -> Self {
        Self {
            counted: self.counted.without(some),
            settled: self.settled.without(some),
            refused_late: self.refused_late.without(some),
            ignored: self.ignored.without(some),
            mutated: self.mutated.without(some),
            baseline: self.baseline.without(some),
            mixed: self.mixed,
        }
    }

    /// What both say.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            counted: self.counted.with(other.counted),
            settled: self.settled.with(other.settled),
            refused_late: self.refused_late.with(other.refused_late),
            ignored: self.ignored.with(other.ignored),
            mutated: self.mutated.with(other.mutated),
            baseline: self.baseline.with(other.baseline),
            mixed: self.mixed || other.mixed,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.counted.len() + self.settled.len() + self.refused_late.len() + self.ignored.len()
    }

    fn find(&self, digest: Digest) -> Option<SealedKind> {
        if self.counted.contains(digest) || self.settled.contains(digest) {
            Some(SealedKind::Settled)
        } else if self.refused_late.contains(digest) {
            Some(SealedKind::RefusedLate)
        } else if self.ignored.contains(digest) {
            Some(SealedKind::Ignored)
        } else {
            None
        }
    }
}

/// Lists that were read lately. Holds at most [`limits::SEALED_CACHE_HASHES`] hashes, or one partition.
#[derive(Debug, Default)]
pub(super) struct SealedCache {
    sets: HashMap<i64, (u64, SealedSet)>,
    hashes: usize,
    clock: u64,
    /// For a partition the sealed ones at its prefix and above.
    above: HashMap<Partition, Arc<[i64]>>,
}

impl SealedCache {
    /// Forgets everything: partitions were sealed.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What the sealed partitions say about an object; the strongest word counts.
    pub(super) fn find(
        &mut self,
        conn: &Connection,
        id: &ObjectId,
        digest: Digest,
        partition: &Partition,
    ) -> Result<Option<SealedKind>, LedgerError> {
        let mut found = None;
        for place in self.places_above(conn, partition)?.iter() {
            found = found.max(self.find_in(conn, *place, digest)?);
        }
        // Folders below the partition's own: names of AWS have none, so this is for changed layouts.
        for (slash, _) in id.key.match_indices('/') {
            if slash + 1 > partition.prefix.len() {
                for place in places_at(conn, &id.bucket, &id.key[..=slash])? {
                    found = found.max(self.find_in(conn, place, digest)?);
                }
            }
        }
        Ok(found)
    }

    fn find_in(
        &mut self,
        conn: &Connection,
        partition: i64,
        digest: Digest,
    ) -> Result<Option<SealedKind>, LedgerError> {
        self.clock += 1;
        if let Some((used, set)) = self.sets.get_mut(&partition) {
            *used = self.clock;
            return Ok(set.find(digest));
        }
        let set = SealedSet::load(conn, partition)?.unwrap_or_default();
        let kind = set.find(digest);
        self.hashes += set.len();
        self.sets.insert(partition, (self.clock, set));
        while self.hashes > limits::SEALED_CACHE_HASHES && self.sets.len() > 1 {
            let oldest = self.sets.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id);
            if let Some((_, dropped)) = oldest.and_then(|id| self.sets.remove(&id)) {
                self.hashes -= dropped.len();
            }
        }
        Ok(kind)
    }

    fn places_above(&mut self, conn: &Connection, partition: &Partition) -> Result<Arc<[i64]>, LedgerError> {
        if let Some(places) = self.above.get(partition) {
            return Ok(places.clone());
        }
        let places = places_above(conn, partition)?;
        if self.above.len() >= limits::SEALED_CACHE_PARTITIONS {
            self.above.clear();
        }
        let places: Arc<[i64]> = places.into();
        self.above.insert(partition.clone(), places.clone());
        Ok(places)
    }
}

/// Sealed partitions at a partition's prefix and above, each once.
pub(super) fn places_above(conn: &Connection, partition: &Partition) -> Result<Vec<i64>, LedgerError> {
    let prefix = &*partition.prefix;
    let mut places = places_at(conn, &partition.bucket, prefix)?;
    if !prefix.is_empty() {
        places.extend(places_at(conn, &partition.bucket, "")?);
    }
    for (slash, _) in prefix.match_indices('/').filter(|(slash, _)| slash + 1 < prefix.len()) {
        places.extend(places_at(conn, &partition.bucket, &prefix[..=slash])?);
    }
    Ok(places)
}

/// Sealed partitions below a partition's prefix: those of the hours of a day, when the layout was another one.
pub(super) fn places_below(conn: &Connection, partition: &Partition) -> Result<Vec<i64>, LedgerError> {
    let sql = "SELECT p.id FROM partition p JOIN sealed s ON s.partition_id = p.id
        WHERE p.bucket = ? AND p.prefix > ? AND p.prefix < ?";
    let beyond = format!("{}\u{10ffff}", partition.prefix);
    ids(conn, sql, params![partition.bucket, partition.prefix, beyond])
}

/// Sealed partitions with exactly this prefix.
fn places_at(conn: &Connection, bucket: &str, prefix: &str) -> Result<Vec<i64>, LedgerError> {
    let sql = "SELECT p.id FROM partition p JOIN sealed s ON s.partition_id = p.id
        WHERE p.bucket = ? AND p.prefix = ?";
    ids(conn, sql, params![bucket, prefix])
}

fn ids(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<i64>, LedgerError> {
    let failed = while_doing("look for sealed partitions");
    let mut statement = conn.prepare_cached(sql).map_err(&failed)?;
    let rows = statement.query_map(params, |row| row.get(0)).map_err(&failed)?;
    rows.collect::<Result<_, _>>().map_err(&failed)
}
