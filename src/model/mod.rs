//! Vocabulary: the values that the stages hand to each other.
//!
//! Knows no input format, no storage and no exposition format; does no I/O. Bytes, money and time are exact
//! integers here and everywhere below.

mod charge;
mod delta;
mod doubt;
mod flow;
mod hourly;
pub mod inventory;
mod money;
mod object;
mod snapshot;
mod time;

pub use charge::{Charge, ChargeSet};
pub use delta::{Hints, ObjectDelta, Remark};
pub use doubt::{Contradiction, ContradictionSet, Doubt, DoubtSet, Relation};
pub use flow::{
    AWS_LABEL, ChargeCounts, FlowCounts, FlowKey, NatDirection, OVERFLOW_LABEL, RESERVED_ZONES, RecordCounts,
    RecordOutcome, Series, UNKNOWN_REGION,
};
pub use hourly::{Billed, HourlyCost, Tariff};
pub use money::{Gigabyte, NanoUsd, Price};
pub use object::{
    Candidate, IgnoreReason, IgnoredKey, IgnoredKeys, Listed, ObjectCounts, ObjectId, ObjectOutcome, Origin,
    Partition, PartitionSpan, Quarantine, QuarantineReason, Settled, Settlement,
};
pub use snapshot::{Snapshot, SourceProgress, SourceSums};
pub use time::{Clock, Hour, Timestamp};
