//! Bytes to records: the one shape that every input format is turned into.
//!
//! Refuses to know zones, gateways and prices. A batch says what the file says: nothing is dropped, guessed or
//! corrected here, and a value that cannot be read is marked as such.

pub mod columns;
pub mod encode;
pub mod guard;
pub mod parquet;
pub mod text;

use std::{net::IpAddr, sync::Arc};

/// A column of few distinct values: each row points at one of them.
///
/// Work that depends on the value alone is done once per distinct value. The values need not be distinct, so a
/// decoder that has no dictionary may give every row its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DictColumn<T> {
    /// The values.
    pub values: Vec<T>,
    /// For each row the index of its value; always inside `values`.
    pub index: Vec<u32>,
}

impl<T> DictColumn<T> {
    /// The value of a row.
    pub fn get(&self, row: usize) -> &T {
        &self.values[self.index[row] as usize]
    }
}

/// An address as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddrCell {
    /// Null, `-` or empty.
    Null,
    /// Not an address.
    Bad,
    /// An address; IPv4-mapped IPv6 addresses are IPv4 already.
    Ip(IpAddr),
}

/// An integer as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntCell {
    /// Null, `-` or empty.
    Null,
    /// Not an integer, or outside the range of `i64`.
    Bad,
    /// A value.
    Value(i64),
}

/// Integers of a column, packed: two values at the lower end of `i64`, which no flow log field can have, stand for
/// null and for unreadable. They are read back as such only by [`IntColumn::get`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntColumn(Vec<i64>);

impl IntColumn {
    const NULL: i64 = i64::MIN;
    const BAD: i64 = i64::MIN + 1;

    /// An empty column with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        Self(Vec::with_capacity(rows))
    }

    /// Appends a cell. The two lowest values of `i64` are unreadable: no field can have them.
    pub fn push(&mut self, cell: IntCell) {
        self.0.push(match cell {
            IntCell::Null => Self::NULL,
            IntCell::Bad => Self::BAD,
            IntCell::Value(value) if value <= Self::BAD => Self::BAD,
            IntCell::Value(value) => value,
        });
    }

    /// The cell of a row.
    pub fn get(&self, row: usize) -> IntCell {
        match self.0[row] {
            Self::NULL => IntCell::Null,
            Self::BAD => IntCell::Bad,
            value => IntCell::Value(value),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `log-status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStatus {
    /// `-`, empty or null.
    Null,
    /// `OK`, or a word that is none of the others: the record counts.
    Ok,
    /// No traffic in the interval.
    NoData,
    /// Records were lost in the interval.
    SkipData,
}

/// `action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `ACCEPT`, null, or an unknown word: only `REJECT` rejects.
    Accept,
    /// `REJECT`.
    Reject,
}

/// `flow-direction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Null or an unknown word.
    Unknown,
    /// Into the interface.
    Ingress,
    /// Out of the interface.
    Egress,
}

/// `interface-type` and `next-hop-interface-type` of version 11.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceType {
    /// `-`, null, or a type that is no middlebox.
    Plain,
    /// `nat_gateway`
    NatGateway,
    /// `regional_nat_gateway`
    RegionalNatGateway,
    /// `transit_gateway`
    TransitGateway,
    /// `network_load_balancer`
    NetworkLoadBalancer,
    /// `vpc_endpoint`
    VpcEndpoint,
}

/// `pkt-src-aws-service` and `pkt-dst-aws-service`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsService {
    /// Null: the address is no AWS service's.
    None,
    /// `EC2`: an instance, which is no service in the sense of zones.
    Ec2,
    /// Any other.
    Other,
}

/// Text that is only compared: interface, resource and zone ids. `None` is null, `-` or empty.
pub type TextColumn = DictColumn<Option<Arc<str>>>;

/// Some records of one object, in columns. A column is `None` when the object does not have the field; all columns
/// that are there have `rows` rows.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the fields are the fields of AWS's documentation, under their own names")]
pub struct FlowBatch {
    /// Number of records.
    pub rows: usize,
    /// Number of records of the object before these.
    pub first_row: u64,
    /// Per row, set only when the row itself is malformed (wrong number of fields in text). Empty: none is.
    pub malformed: Vec<bool>,
    pub interface_id: Option<TextColumn>,
    pub resource_id: Option<TextColumn>,
    pub interface_type: Option<DictColumn<InterfaceType>>,
    pub az_id: Option<TextColumn>,
    pub next_hop_interface_id: Option<TextColumn>,
    pub next_hop_interface_type: Option<DictColumn<InterfaceType>>,
    pub next_hop_az_id: Option<TextColumn>,
    pub srcaddr: Option<DictColumn<AddrCell>>,
    pub dstaddr: Option<DictColumn<AddrCell>>,
    pub pkt_srcaddr: Option<DictColumn<AddrCell>>,
    pub pkt_dstaddr: Option<DictColumn<AddrCell>>,
    pub pkt_src_aws_service: Option<DictColumn<AwsService>>,
    pub pkt_dst_aws_service: Option<DictColumn<AwsService>>,
    pub flow_direction: Option<DictColumn<Direction>>,
    pub action: Option<DictColumn<Action>>,
    pub log_status: Option<DictColumn<LogStatus>>,
    pub srcport: Option<IntColumn>,
    pub dstport: Option<IntColumn>,
    pub packets: Option<IntColumn>,
    pub bytes: IntColumn,
    /// Unix seconds.
    pub start: Option<IntColumn>,
    /// Unix seconds.
    pub end: Option<IntColumn>,
    pub traffic_path: Option<IntColumn>,
}
