//! The traffic that the benches read: a cluster of some thousand pods in three zones, a NAT gateway, and the internet.
//!
//! The columns are those of a custom format in use, 18 of version 5. The same seed gives the same records.

use std::{net::Ipv4Addr, sync::Arc};

use fastrand::Rng;

use crate::flowcost::decode::{
    Action, LogStatus,
    encode::{Codec, Column, EncodeOptions, ParquetEncoder, Record, TextEncoder},
};

pub(crate) const COLUMNS: &[Column] = &[
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

pub(crate) const NAT_INTERFACE: &str = "eni-0352f8c82da6aa229";
pub(crate) const NAT_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 3, 250);

/// 2025-12-09T10:00:00Z
pub(crate) const HOUR: i64 = 1_765_274_400;

/// A file has the records that ended in five minutes.
const SLOT: i64 = 300;

const NODES: usize = 40;
const PODS: usize = 25;
const PORTS: [i32; 10] = [4080, 4090, 4101, 4102, 4107, 4201, 4202, 4207, 443, 9090];

struct Node {
    interface: Arc<str>,
    instance: Arc<str>,
    az_id: Arc<str>,
    address: Ipv4Addr,
    pods: Vec<Ipv4Addr>,
}

pub(crate) struct Traffic {
    rng: Rng,
    /// When its slot begins.
    slot: i64,
    nodes: Vec<Node>,
    /// Addresses on the internet; the first ones have most of the traffic.
    remotes: Vec<Ipv4Addr>,
    account: Arc<str>,
    nat: Node,
}

impl Traffic {
    pub(crate) fn new(seed: u64) -> Self {
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
            az_id: ZONES[zone].1.into(),
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
        let mut nat = node(0, 0);
        nat.interface = NAT_INTERFACE.into();
        nat.address = NAT_ADDRESS;
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
        Self { rng: Rng::with_seed(seed), slot, nodes, remotes, account: "123456789012".into(), nat }
    }

    /// At least so many records: all of each flow.
    pub(crate) fn records(&mut self, rows: usize, into: &mut Vec<Record>) {
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

    fn at(node: &Node, flow: &Record, plain: (Ipv4Addr, Ipv4Addr), packet: (Ipv4Addr, Ipv4Addr)) -> Record {
        Record {
            interface_id: Some(node.interface.clone()),
            instance_id: Some(node.instance.clone()),
            az_id: Some(node.az_id.clone()),
            srcaddr: Some(plain.0.into()),
            dstaddr: Some(plain.1.into()),
            pkt_srcaddr: Some(packet.0.into()),
            pkt_dstaddr: Some(packet.1.into()),
            ..flow.clone()
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
        into.push(Self::at(a, &request, (a.address, q), (p, q)));
        into.push(Self::at(b, &request, (p, b.address), (p, q)));
        into.push(Self::at(b, &answer, (b.address, p), (q, p)));
        into.push(Self::at(a, &answer, (q, a.address), (q, p)));
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
        let (c, n, r) = (self.nodes[client].address, NAT_ADDRESS, remote);
        let (client, nat) = (&self.nodes[client], &self.nat);
        into.push(Self::at(client, &out, (c, r), (c, r)));
        into.push(Self::at(nat, &out, (c, n), (c, r)));
        into.push(Self::at(nat, &out, (n, r), (n, r)));
        into.push(Self::at(nat, &back, (r, n), (r, n)));
        into.push(Self::at(nat, &back, (n, c), (r, c)));
        into.push(Self::at(client, &back, (r, c), (r, c)));
    }

    fn outside(&mut self, into: &mut Vec<Record>) {
        let (remote, node) = (self.remote(), self.some_node());
        let (sent, mut received) = (self.flow(), self.flow());
        (received.srcport, received.dstport) = (sent.dstport, sent.srcport);
        let node = &self.nodes[node];
        into.push(Self::at(node, &sent, (node.address, remote), (node.address, remote)));
        into.push(Self::at(node, &received, (remote, node.address), (remote, node.address)));
    }

    fn reject(&mut self, into: &mut Vec<Record>) {
        let (remote, node) = (self.remote(), self.some_node());
        let flow = Record { action: Some(Action::Reject), ..self.flow() };
        let node = &self.nodes[node];
        into.push(Self::at(node, &flow, (remote, node.address), (remote, node.address)));
    }

    fn silence(&mut self, into: &mut Vec<Record>) {
        let node = self.some_node();
        let node = &self.nodes[node];
        into.push(Record {
            version: Some(5),
            account_id: Some(self.account.clone()),
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

/// How the files of a run are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Gzip,
    Snappy,
    Plain,
    Text,
}

impl Variant {
    pub(crate) const ALL: [(Self, &str); 4] =
        [(Self::Gzip, "gzip"), (Self::Snappy, "snappy"), (Self::Plain, "plain"), (Self::Text, "text")];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(variant, _)| variant)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(variant, _)| *variant == self).map_or("", |(_, name)| name)
    }

    pub(crate) fn extension(self) -> &'static str {
        if self == Self::Text { "log.gz" } else { "parquet" }
    }
}

const CHUNK: usize = 32 << 10;

/// One file of exactly so many records.
pub(crate) fn file(variant: Variant, seed: u64, rows: usize) -> Vec<u8> {
    let mut traffic = Traffic::new(seed);
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
        let mut file = TextEncoder::new(COLUMNS);
        each_chunk(&mut |records| file.write(records));
        return file.finish();
    }
    let options = EncodeOptions {
        codec: if variant == Variant::Snappy { Codec::Snappy } else { Codec::Gzip },
        columns: COLUMNS,
        dictionaries: variant != Variant::Plain,
        ..EncodeOptions::default()
    };
    let mut file = ParquetEncoder::new(&options).expect("a schema of flow logs");
    each_chunk(&mut |records| file.write(records).expect("records of flow logs"));
    file.finish().expect("records of flow logs")
}
