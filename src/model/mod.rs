//! Vocabulary: the values that the stages hand to each other.
//!
//! Knows no input format, no storage and no exposition format; does no I/O. Bytes, money and time are exact
//! integers here and everywhere below.

mod delta;
mod flow;
mod money;
mod object;
mod snapshot;
mod time;

pub use delta::{Hints, ObjectDelta};
pub use flow::{
    Charge, ChargeCounts, FlowCounts, FlowKey, NatDirection, OVERFLOW_LABEL, RESERVED_ZONES, RecordCounts,
    RecordOutcome,
};
pub use money::{Gigabyte, NanoUsd, Price};
pub use object::{
    Candidate, IgnoreReason, Listed, ObjectCounts, ObjectId, ObjectOutcome, Partition, PartitionSpan,
    Quarantine, QuarantineReason, Settled, Settlement,
};
pub use snapshot::{Snapshot, SourceProgress};
pub use time::{Clock, Hour, Timestamp};
