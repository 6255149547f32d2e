//! The objects that a recount has to read: what was counted, and what of it was found.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use crate::{
    ledger::book::Digest,
    limits,
    model::{Hour, Listed, ObjectId, Partition},
};

/// A counted object that the recount has to read.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    /// The partition that the ledger knows it in; for one of a sealed hour that of its day.
    pub(super) place: Partition,
    /// Where its name is still known: the object and its source.
    pub(super) open: Option<(Listed, i64)>,
    pub(super) mutated: bool,
    pub(super) baseline: bool,
    pub(super) seen: Seen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It has not been listed.
    No,
    /// It has been listed, and is read or need not be.
    Done,
    /// It has been listed and is to be read.
    Waits,
    /// It cannot be read: its hours stay as they are.
    Failed,
}

/// What a listed object is to a recount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Nothing: it was never counted, it lies elsewhere, or it has been read.
    Skip,
    /// To be read.
    Read,
    /// It is not what was counted.
    Changed,
}

/// The counted objects of the partitions that may have records of the hours.
#[derive(Debug)]
pub struct RecountObjects {
    pub(super) by_hash: HashMap<Digest, Counted>,
    pub(super) hours: Range<Hour>,
}

impl RecountObjects {
    /// Adds an object unless it is there: where a layout changed, an open partition, which comes first, has the newer word.
    /// Takes one more than a recount may read, so that too many are noticed, and then no more.
    pub(super) fn add(&mut self, hash: Digest, counted: Counted) {
        if self.by_hash.len() <= limits::RECOUNT_OBJECTS {
            self.by_hash.entry(hash).or_insert(counted);
        }
    }

    /// Says what to do with a listed object.
    pub fn find(&mut self, listed: &Listed, partition: &Partition) -> Finding {
        let reached = reaches(partition, &self.hours);
        let Some(counted) = self.by_hash.get_mut(&Digest::of(&listed.id)) else { return Finding::Skip };
        if counted.seen != Seen::No {
            return Finding::Skip;
        }
        if !reached {
            counted.seen = Seen::Done;
            return Finding::Skip;
        }
        let changed = counted.open.as_ref().is_some_and(|(known, _)| {
            known.size != listed.size || known.version.is_some() && known.version != listed.version
        });
        if changed || counted.mutated {
            counted.seen = Seen::Failed;
            return Finding::Changed;
        }
        counted.seen = Seen::Waits;
        Finding::Read
    }

    /// Gives an object up, and returns the hours that stay as they are because of it.
    pub fn fail(&mut self, id: &ObjectId) -> Range<Hour> {
        let Some(counted) = self.by_hash.get_mut(&Digest::of(id)) else { return Hour(0)..Hour(0) };
        counted.seen = Seen::Failed;
        let place = counted.place.clone();
        self.touched(&place)
    }

    /// Gives up all that were not listed. Returns the partitions, how many objects of each are gone, and the hours that
    /// stay as they are because of them.
    pub fn fail_missing(&mut self) -> Vec<(Partition, u64, Range<Hour>)> {
        let mut gone: BTreeMap<Partition, u64> = BTreeMap::new();
        for counted in self.by_hash.values_mut().filter(|counted| counted.seen == Seen::No) {
            counted.seen = Seen::Failed;
            *gone.entry(counted.place.clone()).or_default() += 1;
        }
        gone.into_iter().map(|(place, count)| (place.clone(), count, self.touched(&place))).collect()
    }

    /// The hours of the recount that records of a partition's objects can have.
    fn touched(&self, place: &Partition) -> Range<Hour> {
        let tolerance = tolerance();
        let first = place.start.0.saturating_sub(tolerance).max(self.hours.start.0);
        let end = Hour::of(place.end()).0.saturating_add(tolerance).min(self.hours.end.0);
        Hour(first)..Hour(end.max(first))
    }
}

/// How many hours a believable record can be from its partition.
pub(super) fn tolerance() -> i64 {
    i64::try_from(limits::RECORD_TIME_TOLERANCE.as_secs()).unwrap_or(i64::MAX) / Hour::SECONDS
}

/// Whether an object of a partition can have records of some hours.
pub(super) fn reaches(partition: &Partition, hours: &Range<Hour>) -> bool {
    partition.start.0 < hours.end.0.saturating_add(tolerance())
        && Hour::of(partition.end()).0 > hours.start.0.saturating_sub(tolerance())
}
