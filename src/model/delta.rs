//! What one object adds to the totals.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Charge, ChargeCounts, Contradiction, Doubt, FlowCounts, Hour, RecordCounts, Series, Timestamp};

/// The sums of one object. The pure result of reading it: the same bytes and the same classifier give the same delta.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectDelta {
    /// Region of the object's key, whose prices the charges have.
    pub aws_region: Arc<str>,
    /// Records read, by outcome.
    pub records: RecordCounts,
    /// Traffic by hour and series.
    pub traffic: BTreeMap<(Hour, Series), FlowCounts>,
    /// Billed bytes and money by hour, series and charge.
    pub charges: BTreeMap<(Hour, Series, Charge), ChargeCounts>,
    /// Bytes that may have been counted or charged wrongly, by hour and reason.
    pub doubts: BTreeMap<(Hour, Doubt), u64>,
    /// Records that disagree with the topology, by hour and kind.
    pub contradictions: BTreeMap<(Hour, Contradiction), u64>,
    /// The latest believable end of a record, of whatever outcome.
    pub newest_record: Option<Timestamp>,
    /// What the records say about the configuration.
    pub hints: Hints,
}

/// Remarks for the operator that fall out of reading. They do not change any sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// At most [`crate::limits::HINTS`], each told once.
    pub remarks: BTreeSet<Remark>,
    /// Network interfaces of the records, by hash: those with the lowest hashes, at most
    /// [`crate::limits::OBJECT_INTERFACES`]. Objects that share interfaces therefore share samples.
    pub interfaces: BTreeMap<u64, Arc<str>>,
}

/// One remark about the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remark {
    /// A zone with networks has no AZ id, so AZ ids of the logs are not used; the id that its records show.
    ZoneWithoutAzId {
        /// Name of the zone.
        zone: Arc<str>,
        /// What the records show.
        az_id: Arc<str>,
    },
    /// An interface in a zone's networks shows another AZ id than the zone has.
    OtherAzId {
        /// Name of the zone.
        zone: Arc<str>,
        /// The zone's.
        configured: Arc<str>,
        /// The records'.
        logged: Arc<str>,
    },
    /// An AZ id belongs to another region than the zone says.
    OtherRegion {
        /// Label of the zone.
        zone: Arc<str>,
        /// The zone's.
        configured: Arc<str>,
        /// The AZ id of the records.
        az_id: Arc<str>,
    },
    /// The traffic path does not fit the regions of the two zones.
    OddPath {
        /// `traffic_path`
        path: i64,
        /// Label of the source's zone.
        src_zone: Arc<str>,
        /// Label of the destination's zone.
        dst_zone: Arc<str>,
    },
    /// Addresses of interfaces lie in no network of the configuration: the /24 or /64 of one.
    OutsideNetworks {
        /// The network.
        network: Arc<str>,
        /// What its records show, if anything.
        az_id: Option<Arc<str>>,
    },
    /// An interface that records packets of other hosts: it wants a `[[forwarder]]`.
    Forwarder {
        /// The interface.
        interface_id: Arc<str>,
    },
    /// Clients' records name an interface endpoint, but the object has no records of one.
    EndpointWithoutRecords,
    /// Addresses were found in the networks of another scope only: peering.
    OtherScope {
        /// Name of the zone.
        zone: Arc<str>,
    },
    /// Two VPCs exchange traffic between AZs, and no sign says how they are connected: the lower id first.
    BetweenVpcs {
        /// One.
        one: Arc<str>,
        /// The other.
        other: Arc<str>,
    },
    /// A service that is listed by its interfaces alone.
    ServiceWithoutCidrs {
        /// Its name.
        service: Arc<str>,
    },
    /// An object with so many addresses that nothing could be learned from it.
    TooManyAddresses,
}
