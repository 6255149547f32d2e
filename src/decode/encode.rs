//! Records to bytes: files as AWS delivers them, for the demo, the tests and the benches.
//!
//! Refuses to know what a record means, and which records make sense together: it writes what it is given, absurd
//! values included. Names are underscored, integers have the widths of AWS's field list, text without a value is
//! `-` and a number without a value is null. That is Parquet; in text names are hyphenated and nothing is `-` everywhere.

mod text;

use std::{fmt::Write as _, net::IpAddr, sync::Arc};

use arrow::{
    array::{ArrayRef, Int32Builder, Int64Builder, StringBuilder},
    datatypes::{DataType, Field, Schema},
    error::ArrowError,
    record_batch::RecordBatch,
};
use parquet::{
    arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions},
    basic::{Compression, GzipLevel, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};

use super::{Action, Direction, InterfaceType, LogStatus};
use crate::limits;

pub use text::{TextEncoder, text_gz};

/// Text of a record. `None` is written as `-`.
pub type Text = Option<Arc<str>>;

/// `type`: the family of the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrafficType {
    /// `IPv4`
    Ipv4,
    /// `IPv6`
    Ipv6,
}

/// One flow record with the fields of version 11 that bear on traffic and cost. The default has no value anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the fields of AWS's documentation, under their own names")]
pub struct Record {
    pub version: Option<i32>,
    pub account_id: Text,
    pub interface_id: Text,
    pub srcaddr: Option<IpAddr>,
    pub dstaddr: Option<IpAddr>,
    pub srcport: Option<i32>,
    pub dstport: Option<i32>,
    pub protocol: Option<i32>,
    pub packets: Option<i64>,
    /// IP length with headers, summed over the packets.
    pub bytes: Option<i64>,
    /// Unix seconds.
    pub start: Option<i64>,
    /// Unix seconds.
    pub end: Option<i64>,
    pub action: Option<Action>,
    pub log_status: LogStatus,
    pub vpc_id: Text,
    pub subnet_id: Text,
    pub instance_id: Text,
    pub tcp_flags: Option<i32>,
    pub traffic_type: Option<TrafficType>,
    pub pkt_srcaddr: Option<IpAddr>,
    pub pkt_dstaddr: Option<IpAddr>,
    pub region: Text,
    pub az_id: Text,
    pub pkt_src_aws_service: Text,
    pub pkt_dst_aws_service: Text,
    pub flow_direction: Direction,
    pub traffic_path: Option<i32>,
    pub resource_id: Text,
    pub interface_type: InterfaceType,
    pub next_hop_interface_id: Text,
    pub next_hop_subnet_id: Text,
    pub next_hop_az_id: Text,
    pub next_hop_vpc_id: Text,
    pub next_hop_interface_type: InterfaceType,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            version: None,
            account_id: None,
            interface_id: None,
            srcaddr: None,
            dstaddr: None,
            srcport: None,
            dstport: None,
            protocol: None,
            packets: None,
            bytes: None,
            start: None,
            end: None,
            action: None,
            log_status: LogStatus::Null,
            vpc_id: None,
            subnet_id: None,
            instance_id: None,
            tcp_flags: None,
            traffic_type: None,
            pkt_srcaddr: None,
            pkt_dstaddr: None,
            region: None,
            az_id: None,
            pkt_src_aws_service: None,
            pkt_dst_aws_service: None,
            flow_direction: Direction::Unknown,
            traffic_path: None,
            resource_id: None,
            interface_type: InterfaceType::Plain,
            next_hop_interface_id: None,
            next_hop_subnet_id: None,
            next_hop_az_id: None,
            next_hop_vpc_id: None,
            next_hop_interface_type: InterfaceType::Plain,
        }
    }
}

/// The value of one field, in the width that AWS gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text.
    Text(Option<&'a str>),
    /// An address, which files have as text.
    Address(Option<IpAddr>),
    /// A 32-bit integer.
    Int(Option<i32>),
    /// A 64-bit integer.
    Long(Option<i64>),
}

/// Declares [`Column`]: each field once, with its name in Parquet and where its value is.
macro_rules! columns {
    ($($column:ident $name:literal $kind:ident($record:ident) => $value:expr;)*) => {
        /// A field that can be written.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the variants are the fields of AWS's documentation")]
        pub enum Column { $($column),* }

        impl Column {
            /// All fields, in the order of AWS's documentation.
            pub const ALL: &[Self] = &[$(Self::$column),*];

            /// The name in Parquet files; text files have hyphens for the underscores.
            pub fn name(self) -> &'static str {
                match self { $(Self::$column => $name),* }
            }

            /// The value of a record's field.
            pub fn value(self, record: &Record) -> Value<'_> {
                match self { $(Self::$column => { let $record = record; Value::$kind($value) }),* }
            }
        }
    };
}

columns! {
    Version "version" Int(r) => r.version;
    AccountId "account_id" Text(r) => r.account_id.as_deref();
    InterfaceId "interface_id" Text(r) => r.interface_id.as_deref();
    SrcAddr "srcaddr" Address(r) => r.srcaddr;
    DstAddr "dstaddr" Address(r) => r.dstaddr;
    SrcPort "srcport" Int(r) => r.srcport;
    DstPort "dstport" Int(r) => r.dstport;
    Protocol "protocol" Int(r) => r.protocol;
    Packets "packets" Long(r) => r.packets;
    Bytes "bytes" Long(r) => r.bytes;
    Start "start" Long(r) => r.start;
    End "end" Long(r) => r.end;
    Action "action" Text(r) => r.action.map(action);
    LogStatus "log_status" Text(r) => log_status(r.log_status);
    VpcId "vpc_id" Text(r) => r.vpc_id.as_deref();
    SubnetId "subnet_id" Text(r) => r.subnet_id.as_deref();
    InstanceId "instance_id" Text(r) => r.instance_id.as_deref();
    TcpFlags "tcp_flags" Int(r) => r.tcp_flags;
    Type "type" Text(r) => r.traffic_type.map(traffic_type);
    PktSrcAddr "pkt_srcaddr" Address(r) => r.pkt_srcaddr;
    PktDstAddr "pkt_dstaddr" Address(r) => r.pkt_dstaddr;
    Region "region" Text(r) => r.region.as_deref();
    AzId "az_id" Text(r) => r.az_id.as_deref();
    PktSrcAwsService "pkt_src_aws_service" Text(r) => r.pkt_src_aws_service.as_deref();
    PktDstAwsService "pkt_dst_aws_service" Text(r) => r.pkt_dst_aws_service.as_deref();
    FlowDirection "flow_direction" Text(r) => flow_direction(r.flow_direction);
    TrafficPath "traffic_path" Int(r) => r.traffic_path;
    ResourceId "resource_id" Text(r) => r.resource_id.as_deref();
    InterfaceType "interface_type" Text(r) => interface_type(r.interface_type);
    NextHopInterfaceId "next_hop_interface_id" Text(r) => r.next_hop_interface_id.as_deref();
    NextHopSubnetId "next_hop_subnet_id" Text(r) => r.next_hop_subnet_id.as_deref();
    NextHopAzId "next_hop_az_id" Text(r) => r.next_hop_az_id.as_deref();
    NextHopVpcId "next_hop_vpc_id" Text(r) => r.next_hop_vpc_id.as_deref();
    NextHopInterfaceType "next_hop_interface_type" Text(r) => interface_type(r.next_hop_interface_type);
}

impl Column {
    /// The fields of the default format (version 2).
    pub const V2: &[Self] = Self::ALL.split_at(14).0;

    /// The fields of the versions up to 5: what most custom formats choose from.
    pub const V5: &[Self] = Self::ALL.split_at(27).0;

    fn field(self) -> Field {
        let data_type = match self.value(&Record::default()) {
            Value::Text(_) | Value::Address(_) => DataType::Utf8,
            Value::Int(_) => DataType::Int32,
            Value::Long(_) => DataType::Int64,
        };
        Field::new(self.name(), data_type, true)
    }

    fn array(self, records: &[Record]) -> ArrayRef {
        match self.value(&Record::default()) {
            Value::Text(_) | Value::Address(_) => self.text_array(records),
            Value::Int(_) => {
                let mut builder = Int32Builder::with_capacity(records.len());
                records.iter().for_each(|record| match self.value(record) {
                    Value::Int(value) => builder.append_option(value),
                    other => unreachable!("{} is an Int for every record, not {other:?}", self.name()),
                });
                Arc::new(builder.finish())
            }
            Value::Long(_) => {
                let mut builder = Int64Builder::with_capacity(records.len());
                records.iter().for_each(|record| match self.value(record) {
                    Value::Long(value) => builder.append_option(value),
                    other => unreachable!("{} is a Long for every record, not {other:?}", self.name()),
                });
                Arc::new(builder.finish())
            }
        }
    }

    fn text_array(self, records: &[Record]) -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(records.len(), records.len() * 16);
        for record in records {
            match self.value(record) {
                Value::Text(Some(text)) => builder.append_value(text),
                Value::Address(Some(address)) => {
                    write!(builder, "{address}").expect("a string builder takes every text");
                    builder.append_value("");
                }
                _ => builder.append_value("-"),
            }
        }
        Arc::new(builder.finish())
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Accept => "ACCEPT",
        Action::Reject => "REJECT",
    }
}

fn log_status(status: LogStatus) -> Option<&'static str> {
    match status {
        LogStatus::Null => None,
        LogStatus::Ok => Some("OK"),
        LogStatus::NoData => Some("NODATA"),
        LogStatus::SkipData => Some("SKIPDATA"),
    }
}

fn traffic_type(family: TrafficType) -> &'static str {
    match family {
        TrafficType::Ipv4 => "IPv4",
        TrafficType::Ipv6 => "IPv6",
    }
}

fn flow_direction(direction: Direction) -> Option<&'static str> {
    match direction {
        Direction::Unknown => None,
        Direction::Ingress => Some("ingress"),
        Direction::Egress => Some("egress"),
    }
}

fn interface_type(kind: InterfaceType) -> Option<&'static str> {
    match kind {
        InterfaceType::Plain => None,
        InterfaceType::NatGateway => Some("nat_gateway"),
        InterfaceType::RegionalNatGateway => Some("regional_nat_gateway"),
        InterfaceType::TransitGateway => Some("transit_gateway"),
        InterfaceType::NetworkLoadBalancer => Some("network_load_balancer"),
        InterfaceType::VpcEndpoint => Some("vpc_endpoint"),
        InterfaceType::GatewayLoadBalancerEndpoint => Some("gateway_load_balancer_endpoint"),
    }
}

/// Codec of the Parquet columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Codec {
    /// What AWS writes.
    #[default]
    Gzip,
    /// What many rewriting tools write.
    Snappy,
    /// None.
    Uncompressed,
    /// What newer rewriting tools write.
    Zstd,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeOptions<'a> {
    /// Codec of the columns.
    pub codec: Codec,
    /// Which fields, in which order.
    pub columns: &'a [Column],
    /// Rows of one row group; at least 1.
    pub row_group_rows: usize,
    /// Whether values are written once and rows point at them, or every row has its own.
    pub dictionaries: bool,
}

impl Default for EncodeOptions<'_> {
    fn default() -> Self {
        Self { codec: Codec::Gzip, columns: Column::ALL, row_group_rows: 128 << 10, dictionaries: true }
    }
}

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The columns do not make a table: a column twice, for example.
    #[error("flow records cannot be put into columns")]
    Columns(#[source] ArrowError),
    /// The Parquet writer refused.
    #[error("flow records cannot be written as Parquet")]
    Parquet(#[source] ParquetError),
}

/// A Parquet file being written, for more records than fit in memory at once.
pub struct ParquetEncoder<'a> {
    columns: &'a [Column],
    schema: Arc<Schema>,
    writer: ArrowWriter<Vec<u8>>,
}

impl<'a> ParquetEncoder<'a> {
    /// An empty file.
    ///
    /// # Errors
    /// When the Parquet writer refuses the schema.
    pub fn new(options: &EncodeOptions<'a>) -> Result<Self, EncodeError> {
        let codec = match options.codec {
            Codec::Gzip => Compression::GZIP(GzipLevel::default()),
            Codec::Snappy => Compression::SNAPPY,
            Codec::Uncompressed => Compression::UNCOMPRESSED,
            Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
        };
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_dictionary_enabled(options.dictionaries)
            .set_max_row_group_row_count(Some(options.row_group_rows.max(1)))
            .set_created_by(concat!("flowcost-exporter ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let fields: Vec<Field> = options.columns.iter().map(|column| column.field()).collect();
        let schema = Arc::new(Schema::new(fields));
        // Without the Arrow schema in the footer: files of AWS have none, and a reader must not lean on it.
        let writer_options =
            ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), writer_options)
            .map_err(EncodeError::Parquet)?;
        Ok(Self { columns: options.columns, schema, writer })
    }

    /// Appends records.
    ///
    /// # Errors
    /// When the columns do not make a table or the Parquet writer refuses.
    pub fn write(&mut self, records: &[Record]) -> Result<(), EncodeError> {
        for chunk in records.chunks(limits::BATCH_ROWS) {
            let arrays = self.columns.iter().map(|column| column.array(chunk)).collect();
            let batch = RecordBatch::try_new(self.schema.clone(), arrays).map_err(EncodeError::Columns)?;
            self.writer.write(&batch).map_err(EncodeError::Parquet)?;
        }
        Ok(())
    }

    /// The finished file.
    ///
    /// # Errors
    /// When the Parquet writer refuses.
    pub fn finish(self) -> Result<Vec<u8>, EncodeError> {
        self.writer.into_inner().map_err(EncodeError::Parquet)
    }
}

/// One Parquet file with these records.
///
/// # Errors
/// When the columns do not make a table or the Parquet writer refuses.
pub fn parquet(records: &[Record], options: &EncodeOptions<'_>) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = ParquetEncoder::new(options)?;
    encoder.write(records)?;
    encoder.finish()
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
