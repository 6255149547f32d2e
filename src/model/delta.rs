//! What one object adds to the totals.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Charge, ChargeCounts, FlowCounts, FlowKey, Hour, RecordCounts, Timestamp};

/// The sums of one object. The pure result of reading it: the same bytes and the same classifier give the same delta.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectDelta {
    /// Records read, by outcome.
    pub records: RecordCounts,
    /// Traffic by hour and key.
    pub traffic: BTreeMap<(Hour, FlowKey), FlowCounts>,
    /// Billed bytes and money by hour, key and charge.
    pub charges: BTreeMap<(Hour, FlowKey, Charge), ChargeCounts>,
    /// The latest believable end of a record.
    pub newest_record: Option<Timestamp>,
    /// What the records say about the configuration.
    pub hints: Hints,
}

/// Remarks for the operator that fall out of reading. They do not change any sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Zones configured by CIDR without an `az_id`, with the id that the records show for them: (zone, az_id).
    pub missing_az_ids: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Network interfaces of the records, by hash: those with the lowest hashes, at most
    /// [`crate::limits::OBJECT_INTERFACES`]. Objects that share interfaces therefore share samples.
    pub interfaces: BTreeMap<u64, Arc<str>>,
}
