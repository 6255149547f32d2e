//! What one flow record adds to, and how much.

use std::sync::Arc;

use super::Relation;

/// The label value of the overflow series: `other, other, other, none`.
pub const OVERFLOW_LABEL: &str = "other";

/// The region of what was billed without a region.
pub const UNKNOWN_REGION: &str = "unknown";

/// Zone names that mean something to the exporter and cannot be configured.
pub const RESERVED_ZONES: [&str; 4] = ["aws", "internet", "unknown", "other"];

/// Begins the labels of AWS's own addresses; the region follows.
pub const AWS_LABEL: &str = "aws:";

/// Which way a record crosses a NAT gateway, seen from the client behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatDirection {
    /// Not captured at a NAT gateway.
    None,
    /// From the client to the remote side.
    Out,
    /// From the remote side to the client.
    In,
}

impl NatDirection {
    /// All values, in label order.
    pub const ALL: [Self; 3] = [Self::None, Self::Out, Self::In];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Out => "out",
            Self::In => "in",
        }
    }

    /// The value of a label, as [`Self::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|direction| direction.as_str() == text)
    }
}

/// The four labels of every traffic series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Zone of the source endpoint.
    pub src_zone: Arc<str>,
    /// Zone of the destination endpoint.
    pub dst_zone: Arc<str>,
    /// Configured port group, or `other`.
    pub port_group: Arc<str>,
    /// NAT leg.
    pub nat_direction: NatDirection,
}

impl FlowKey {
    /// The one series that takes what exceeds the series limit.
    pub fn overflow() -> Self {
        let other: Arc<str> = Arc::from(OVERFLOW_LABEL);
        Self {
            src_zone: other.clone(),
            dst_zone: other.clone(),
            port_group: other,
            nat_direction: NatDirection::None,
        }
    }

    /// Whether this is [`FlowKey::overflow`]. No configured zone can be called `other`, so this is unambiguous.
    pub fn is_overflow(&self) -> bool {
        &*self.src_zone == OVERFLOW_LABEL
    }
}

/// What the ledger adds up by: the four labels, and what they stood for when the records were read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The four labels.
    pub key: FlowKey,
    /// AZ of the source, where it is known: an AZ id, or the name of a zone without one.
    pub src_az: Option<Arc<str>>,
    /// AZ of the destination.
    pub dst_az: Option<Arc<str>>,
    /// How the two stand to each other.
    pub relation: Relation,
}

impl From<FlowKey> for Series {
    /// A series of which nothing more is known.
    fn from(key: FlowKey) -> Self {
        Self { key, src_az: None, dst_az: None, relation: Relation::Unknown }
    }
}

/// Sums of the traffic counters of one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlowCounts {
    /// Flow records.
    pub flows: u64,
    /// Packets.
    pub packets: u64,
    /// Bytes: IP length with headers.
    pub bytes: u64,
    /// The part of `bytes` whose two zones are known, differ, and share a region.
    pub inter_az_bytes: u64,
}

impl FlowCounts {
    /// Sum, or `None` when a counter leaves the range of a signed 64-bit integer (what the ledger can store).
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            flows: add(self.flows, other.flows)?,
            packets: add(self.packets, other.packets)?,
            bytes: add(self.bytes, other.bytes)?,
            inter_az_bytes: add(self.inter_az_bytes, other.inter_az_bytes)?,
        })
    }

    /// Difference, or `None` when it would be negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self {
            flows: self.flows.checked_sub(other.flows)?,
            packets: self.packets.checked_sub(other.packets)?,
            bytes: self.bytes.checked_sub(other.bytes)?,
            inter_az_bytes: self.inter_az_bytes.checked_sub(other.inter_az_bytes)?,
        })
    }
}

/// SQLite integers are signed: a sum must stay inside `i64` to be kept exactly.
fn add(a: u64, b: u64) -> Option<u64> {
    a.checked_add(b).filter(|sum| *sum <= i64::MAX as u64)
}

/// Billed bytes and their price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChargeCounts {
    /// Bytes that the charge applies to.
    pub bytes: u64,
    /// What they cost at the prices in force when they were read.
    pub cost: super::NanoUsd,
    /// The part of `bytes` for which there was no price.
    pub unpriced: u64,
}

impl ChargeCounts {
    /// Sum, or `None` outside the range of a signed 64-bit integer.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            bytes: add(self.bytes, other.bytes)?,
            cost: self.cost.checked_add(other.cost)?,
            unpriced: add(self.unpriced, other.unpriced)?,
        })
    }

    /// Difference, or `None` when it would be negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self {
            bytes: self.bytes.checked_sub(other.bytes)?,
            cost: super::NanoUsd(self.cost.0.checked_sub(other.cost.0)?),
            unpriced: self.unpriced.checked_sub(other.unpriced)?,
        })
    }
}

/// What became of one record. Every record read has exactly one (invariant I5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RecordOutcome {
    /// Added to the traffic counters.
    Counted,
    /// The other interface of the same flow is the one that counts.
    OtherSide,
    /// The NAT gateway's public side, which repeats the bytes of its private side.
    NatPublicLeg,
    /// REJECT, and `counting.rejected` is off.
    Rejected,
    /// No traffic in the aggregation interval.
    NoData,
    /// AWS lost records in the aggregation interval.
    SkipData,
    /// Not readable as a record; see [`crate::limits`] and `limits.bad_rows_per_object`.
    Bad,
}

impl RecordOutcome {
    /// All outcomes, in label order of the exposition.
    pub const ALL: [Self; 7] = [
        Self::Counted,
        Self::OtherSide,
        Self::NatPublicLeg,
        Self::Rejected,
        Self::NoData,
        Self::SkipData,
        Self::Bad,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::OtherSide => "other_side",
            Self::NatPublicLeg => "nat_public_leg",
            Self::Rejected => "rejected",
            Self::NoData => "nodata",
            Self::SkipData => "skipdata",
            Self::Bad => "bad",
        }
    }
}

/// Number of records by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordCounts([u64; RecordOutcome::ALL.len()]);

impl RecordCounts {
    /// Records of one outcome.
    pub fn get(&self, outcome: RecordOutcome) -> u64 {
        self.0[outcome as usize]
    }

    /// Adds `count` records. Saturation is unreachable: it would take 2^64 records.
    pub fn add(&mut self, outcome: RecordOutcome, count: u64) {
        let slot = &mut self.0[outcome as usize];
        *slot = slot.saturating_add(count);
    }

    /// Adds another set of counts.
    pub fn merge(&mut self, other: &Self) {
        for outcome in RecordOutcome::ALL {
            self.add(outcome, other.get(outcome));
        }
    }

    /// All records.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}
