//! The traffic that the benches read: a cluster of some thousand pods in three zones, a NAT gateway, and the internet.
//!
//! The columns are those of a custom format in use, 18 of version 5; two variants have more. The same seed gives the
//! same records.

use std::{net::Ipv4Addr, sync::Arc};

use fastrand::Rng;

use crate::flowcost::decode::{
    Action, Direction, InterfaceType, LogStatus,
    encode::{Codec, Column, EncodeOptions, ParquetEncoder, Record, TextEncoder, TrafficType},
};

const COLUMNS: &[Column] = &[
    Column::Version,
    Column::AccountId,
    Column::InstanceId,
    Column::InterfaceId,
    Column::PktSrcAddr,
    Column::SrcAddr,
    Column::SrcPort,
    Column::PktDstAddr,
    Column::DstAddr,
    Column::DstPort,
    Column::Protocol,
    Column::Packets,
    Column::Bytes,
    Column::Start,
    Column::End,
    Column::Action,
    Column::LogStatus,
    Column::AzId,
];

pub(crate) const REGION: &str = "ap-northeast-1";

/// Name, id, nodes and pods of each zone.
pub(crate) const ZONES: [(&str, &str, [&str; 2]); 3] = [
    ("ap-northeast-1a", "apne1-az4", ["10.0.0.0/22", "10.0.64.0/19"]),
    ("ap-northeast-1c", "apne1-az1", ["10.0.4.0/22", "10.0.96.0/19"]),
    ("ap-northeast-1d", "apne1-az2", ["10.0.8.0/22", "10.0.128.0/19"]),
];

pub(crate) const GROUPS: [(&str, &[(u16, u16)]); 5] = [
    ("loki-gateway", &[(4080, 4080)]),
    ("loki-cache", &[(4090, 4091)]),
    ("loki-http", &[(4101, 4107)]),
    ("loki-grpc", &[(4201, 4207)]),
    ("https", &[(443, 443)]),
];

pub(crate) struct Gateway {
    pub(crate) name: &'static str,
    pub(crate) zone: usize,
    pub(crate) interface: &'static str,
    pub(crate) address: Ipv4Addr,
}

pub(crate) const GATEWAYS: [Gateway; 2] = [
    Gateway {
        name: "nat",
        zone: 0,
        interface: "eni-0352f8c82da6aa229",
        address: Ipv4Addr::new(10, 0, 3, 250),
    },
    Gateway {
        name: "nat-1c",
        zone: 1,
        interface: "eni-0b1e6a9d4c27f5083",
        address: Ipv4Addr::new(10, 0, 7, 250),
    },
];

/// 2025-12-09T10:00:00Z
pub(crate) const HOUR: i64 = 1_765_274_400;

/// Values of `traffic_path`.
const SAME_VPC: i32 = 1;
const INTERNET_GATEWAY: i32 = 8;

/// A file has the records that ended in five minutes.
const SLOT: i64 = 300;

const NODES: usize = 40;
const PODS: usize = 25;
const PORTS: [i32; 10] = [4080, 4090, 4101, 4102, 4107, 4201, 4202, 4207, 443, 9090];

struct Node {
    interface: Arc<str>,
    interface_type: InterfaceType,
    instance: Arc<str>,
    az_id: Arc<str>,
    subnet: Arc<str>,
    address: Ipv4Addr,
    pods: Vec<Ipv4Addr>,
}

struct Traffic {
    rng: Rng,
    /// When its slot begins.
    slot: i64,
    nodes: Vec<Node>,
    /// Addresses on the internet; the first ones have most of the traffic.
    remotes: Vec<Ipv4Addr>,
    account: Arc<str>,
    region: Arc<str>,
    vpc: Arc<str>,
    /// Gateways with their zones; nodes of a zone without one use the first.
    nats: Vec<(usize, Node)>,
}

impl Traffic {
    fn new(seed: u64, gateways: &[Gateway]) -> Self {
        let mut rng = Rng::with_seed(9843);
        let mut node = |zone: usize, number: usize| Node {
            interface: format!("eni-{:017x}", rng.u64(..) >> 4 | 1 << 60)
                .chars()
                .take(21)
                .collect::<String>()
                .into(),
            instance: format!("i-{:017x}", rng.u64(..) >> 4 | 1 << 60)
                .chars()
                .take(19)
                .collect::<String>()
                .into(),
            interface_type: InterfaceType::Plain,
            az_id: ZONES[zone].1.into(),
            subnet: format!("subnet-{zone:017x}").into(),
            address: Ipv4Addr::new(10, 0, (zone * 4 + number / 200) as u8, (10 + number % 200) as u8),
            pods: (0..PODS)
                .map(|pod| {
                    let at = number * PODS + pod;
                    Ipv4Addr::new(10, 0, (64 + zone * 32 + at / 250) as u8, (at % 250) as u8)
                })
                .collect(),
        };
        let nodes: Vec<Node> = (0..ZONES.len())
            .flat_map(|zone| (0..NODES).map(move |number| (zone, number)))
            .map(|(zone, number)| node(zone, number))
            .collect();
        let nat = node(0, 0);
        let nats = gateways.iter().map(|gateway| {
            let node = Node {
                interface: gateway.interface.into(),
                interface_type: InterfaceType::NatGateway,
                instance: nat.instance.clone(),
                az_id: ZONES[gateway.zone].1.into(),
                subnet: format!("subnet-{:017x}", 16 + gateway.zone).into(),
                address: gateway.address,
                pods: Vec::new(),
            };
            (gateway.zone, node)
        });
        let nats = nats.collect();
        let remotes = (0..3_000)
            .map(|_| {
                Ipv4Addr::new(
                    *rng.choice(&[52, 54, 3, 13, 203]).unwrap_or(&52),
                    rng.u8(1..250),
                    rng.u8(..),
                    rng.u8(1..),
                )
            })
            .collect();
        let slot = HOUR + SLOT * (seed % 12).cast_signed();
        Self {
            rng: Rng::with_seed(seed),
            slot,
            nodes,
            remotes,
            account: "123456789012".into(),
            region: REGION.into(),
            vpc: "vpc-0e5a3c71f2b8d4906".into(),
            nats,
        }
    }

    /// At least so many records: all of each flow.
    fn records(&mut self, rows: usize, into: &mut Vec<Record>) {
        into.clear();
        while into.len() < rows {
            match self.rng.u32(..100) {
                0..70 => self.pods(into),
                70..82 => self.nat(into),
                82..95 => self.outside(into),
                95..98 => self.reject(into),
                _ => self.silence(into),
            }
        }
    }

    fn flow(&mut self) -> Record {
        let end = self.slot + self.rng.i64(0..SLOT);
        let u = self.rng.f64();
        let bytes = 52 + (200_000.0 * u * u * u) as i64;
        Record {
            version: Some(5),
            account_id: Some(self.account.clone()),
            region: Some(self.region.clone()),
            vpc_id: Some(self.vpc.clone()),
            tcp_flags: Some([18, 19, 2, 3][(bytes % 4) as usize]),
            traffic_type: Some(TrafficType::Ipv4),
            srcport: Some(self.rng.i32(32_768..61_000)),
            dstport: Some(PORTS[self.rng.usize(..PORTS.len())]),
            protocol: Some(6),
            packets: Some(1 + bytes / self.rng.i64(600..1_400)),
            bytes: Some(bytes),
            start: Some(end - self.rng.i64(0..60)),
            end: Some(end),
            action: Some(Action::Accept),
            log_status: LogStatus::Ok,
            ..Record::default()
        }
    }

    /// What arrives at an interface.
    fn received(
        node: &Node,
        flow: &Record,
        plain: (Ipv4Addr, Ipv4Addr),
        packet: (Ipv4Addr, Ipv4Addr),
    ) -> Record {
        Record {
            interface_id: Some(node.interface.clone()),
            interface_type: node.interface_type,
            instance_id: Some(node.instance.clone()),
            subnet_id: Some(node.subnet.clone()),
            az_id: Some(node.az_id.clone()),
            srcaddr: Some(plain.0.into()),
            dstaddr: Some(plain.1.into()),
            pkt_srcaddr: Some(packet.0.into()),
            pkt_dstaddr: Some(packet.1.into()),
            pkt_src_aws_service: aws_service(packet.0),
            pkt_dst_aws_service: aws_service(packet.1),
            flow_direction: Direction::Ingress,
            ..flow.clone()
        }
    }

    /// What leaves an interface, to another one or to the internet gateway.
    fn sent(
        node: &Node,
        flow: &Record,
        plain: (Ipv4Addr, Ipv4Addr),
        packet: (Ipv4Addr, Ipv4Addr),
        next: Option<&Node>,
    ) -> Record {
        Record {
            flow_direction: Direction::Egress,
            traffic_path: Some(if next.is_some() { SAME_VPC } else { INTERNET_GATEWAY }),
            next_hop_interface_id: next.map(|next| next.interface.clone()),
            next_hop_interface_type: next.map_or(InterfaceType::Plain, |next| next.interface_type),
            next_hop_subnet_id: next.map(|next| next.subnet.clone()),
            next_hop_az_id: next.map(|next| next.az_id.clone()),
            next_hop_vpc_id: next.and_then(|_| flow.vpc_id.clone()),
            ..Self::received(node, flow, plain, packet)
        }
    }

    /// Some pods talk more than others.
    fn some_node(&mut self) -> usize {
        self.rng.usize(..self.nodes.len()).min(self.rng.usize(..self.nodes.len()))
    }

    fn pods(&mut self, into: &mut Vec<Record>) {
        let (a, b) = (self.some_node(), self.some_node());
        let (p, q) = (self.rng.usize(..PODS), self.rng.usize(..PODS));
        let request = self.flow();
        let mut answer = self.flow();
        (answer.srcport, answer.dstport) = (request.dstport, request.srcport);
        let (a, b) = (&self.nodes[a], &self.nodes[b]);
        let (p, q) = (a.pods[p], b.pods[q]);
        into.push(Self::sent(a, &request, (a.address, q), (p, q), Some(b)));
        into.push(Self::received(b, &request, (p, b.address), (p, q)));
        into.push(Self::sent(b, &answer, (b.address, p), (q, p), Some(a)));
        into.push(Self::received(a, &answer, (q, a.address), (q, p)));
    }

    fn remote(&mut self) -> Ipv4Addr {
        let most = self.remotes.len();
        self.remotes[self.rng.usize(..most).min(self.rng.usize(..most)).min(self.rng.usize(..most))]
    }

    fn nat(&mut self, into: &mut Vec<Record>) {
        let (remote, client) = (self.remote(), self.some_node());
        let mut out = self.flow();
        out.dstport = Some(443);
        let mut back = self.flow();
        (back.srcport, back.dstport) = (Some(443), out.srcport);
        let own = self.nats.iter().find(|(zone, _)| *zone == client / NODES);
        let (_, nat) = own.unwrap_or(&self.nats[0]);
        let client = &self.nodes[client];
        let (c, n, r) = (client.address, nat.address, remote);
        into.push(Self::sent(client, &out, (c, r), (c, r), Some(nat)));
        into.push(Self::received(nat, &out, (c, n), (c, r)));
        into.push(Self::sent(nat, &out, (n, r), (n, r), None));
        into.push(Self::received(nat, &back, (r, n), (r, n)));
        into.push(Self::sent(nat, &back, (n, c), (r, c), Some(client)));
        into.push(Self::received(client, &back, (r, c), (r, c)));
    }

    fn outside(&mut self, into: &mut Vec<Record>) {
        let (remote, node) = (self.remote(), self.some_node());
        let (sent, mut received) = (self.flow(), self.flow());
        (received.srcport, received.dstport) = (sent.dstport, sent.srcport);
        let node = &self.nodes[node];
        into.push(Self::sent(node, &sent, (node.address, remote), (node.address, remote), None));
        into.push(Self::received(node, &received, (remote, node.address), (remote, node.address)));
    }

    fn reject(&mut self, into: &mut Vec<Record>) {
        let (remote, node) = (self.remote(), self.some_node());
        let flow = Record { action: Some(Action::Reject), ..self.flow() };
        let node = &self.nodes[node];
        into.push(Self::received(node, &flow, (remote, node.address), (remote, node.address)));
    }

    fn silence(&mut self, into: &mut Vec<Record>) {
        let node = self.some_node();
        let node = &self.nodes[node];
        into.push(Record {
            version: Some(5),
            account_id: Some(self.account.clone()),
            region: Some(self.region.clone()),
            vpc_id: Some(self.vpc.clone()),
            subnet_id: Some(node.subnet.clone()),
            interface_id: Some(node.interface.clone()),
            instance_id: Some(node.instance.clone()),
            az_id: Some(node.az_id.clone()),
            start: Some(self.slot),
            end: Some(self.slot + 60),
            log_status: LogStatus::NoData,
            ..Record::default()
        });
    }
}

/// By what AWS publishes of its addresses, roughly; nothing of inside addresses.
fn aws_service(address: Ipv4Addr) -> Option<Arc<str>> {
    match address.octets()[0] {
        52 => Some("S3".into()),
        54 => Some("EC2".into()),
        3 | 13 => Some("AMAZON".into()),
        _ => None,
    }
}

/// How the files of a run are written, and what of the cluster is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Gzip,
    Snappy,
    Plain,
    Text,
    /// The fields up to version 5, and nothing is configured but the source.
    WithoutZones,
    /// All fields, and two gateways.
    AllColumns,
}

impl Variant {
    pub(crate) const ALL: [(Self, &str); 6] = [
        (Self::Gzip, "gzip"),
        (Self::Snappy, "snappy"),
        (Self::Plain, "plain"),
        (Self::Text, "text"),
        (Self::WithoutZones, "v5-without-zones"),
        (Self::AllColumns, "v11-all-columns"),
    ];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(variant, _)| variant)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(variant, _)| *variant == self).map_or("", |(_, name)| name)
    }

    pub(crate) fn extension(self) -> &'static str {
        if self == Self::Text { "log.gz" } else { "parquet" }
    }

    pub(crate) fn gateways(self) -> &'static [Gateway] {
        if self == Self::AllColumns { &GATEWAYS } else { &GATEWAYS[..1] }
    }

    fn columns(self) -> &'static [Column] {
        match self {
            Self::Gzip | Self::Snappy | Self::Plain | Self::Text => COLUMNS,
            Self::WithoutZones => Column::V5,
            Self::AllColumns => Column::ALL,
        }
    }
}

const CHUNK: usize = 32 << 10;

/// One file of exactly so many records.
pub(crate) fn file(variant: Variant, seed: u64, rows: usize) -> Vec<u8> {
    let mut traffic = Traffic::new(seed, variant.gateways());
    let mut records = Vec::new();
    let mut each_chunk = |write: &mut dyn FnMut(&[Record])| {
        let mut left = rows;
        while left > 0 {
            let count = left.min(CHUNK);
            traffic.records(count, &mut records);
            write(&records[..count]);
            left -= count;
        }
    };
    if variant == Variant::Text {
        let mut file = TextEncoder::new(variant.columns());
        each_chunk(&mut |records| file.write(records));
        return file.finish();
    }
    let options = EncodeOptions {
        codec: if variant == Variant::Snappy { Codec::Snappy } else { Codec::Gzip },
        columns: variant.columns(),
        dictionaries: variant != Variant::Plain,
        ..EncodeOptions::default()
    };
    let mut file = ParquetEncoder::new(&options).expect("a schema of flow logs");
    each_chunk(&mut |records| file.write(records).expect("records of flow logs"));
    file.finish().expect("records of flow logs")
}
