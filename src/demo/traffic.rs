//! What the cluster's interfaces log in a stretch of time.
//!
//! Refuses to know files and the clock. The same seed, stretch and number of rows give the same records; the bytes
//! follow the time of day and week and do not depend on the number of rows, only their grain does.

use std::net::IpAddr;

use fastrand::Rng;

use super::cluster::{Endpoint, ROUTES, Route, Topology, ZONES};
use crate::{
    decode::{
        Action, Direction, LogStatus,
        encode::{Record, Text, TrafficType},
    },
    model::Timestamp,
};

/// Percent of the mean traffic, by hour of the UTC day; their mean is 100.
const HOURS: [u32; 24] = [
    80, 70, 62, 56, 52, 50, 54, 62, 74, 88, 100, 112, 124, 136, 146, 152, 154, 150, 142, 130, 118, 106, 96,
    86,
];
/// Percent of the mean traffic, from Thursday on (the first day of Unix time); their mean is 100.
const DAYS: [u32; 7] = [110, 107, 80, 78, 105, 109, 111];

const GIB: f64 = (1u64 << 30) as f64;
const MONTH_SECONDS: f64 = 30.0 * 86_400.0;
/// Longest aggregation interval of the flow log.
const WINDOW: i64 = 60;

/// How many of 100 flows stay inside a zone once services route that way: not all, for a zone without a server of a kind
/// goes on using the others'.
const LOCAL_WHEN_CLOSE: u32 = 90;

/// Something that leaves records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A request and its response between two pods, by the number of the route.
    Route(usize),
    /// A node and the internet through the NAT gateway.
    NatInternet,
    /// A node and an AWS service through the NAT gateway.
    NatService,
    /// A user on the internet and a public node.
    User,
    /// A node and S3 through the gateway endpoint.
    S3,
    /// Refused traffic.
    Reject,
    /// An idle interface.
    NoData,
    /// An interface whose records were lost.
    SkipData,
}

impl Kind {
    const OTHERS: [(Self, usize); 7] = [
        (Self::NatInternet, 30),
        (Self::NatService, 30),
        (Self::User, 60),
        (Self::S3, 90),
        (Self::Reject, 50),
        (Self::NoData, 39),
        (Self::SkipData, 1),
    ];

    fn rows(self) -> usize {
        match self {
            Self::Route(_) => 4,
            Self::NatInternet | Self::NatService => 6,
            Self::User | Self::S3 => 2,
            Self::Reject | Self::NoData | Self::SkipData => 1,
        }
    }

    /// GiB a month towards the server and back.
    fn volume(self) -> (f64, f64) {
        match self {
            Self::Route(route) => (ROUTES[route].request, ROUTES[route].response),
            Self::NatInternet => (300.0, 250.0),
            Self::NatService => (100.0, 560.0),
            Self::User => (90.0, 1150.0),
            Self::S3 => (2000.0, 1000.0),
            Self::Reject | Self::NoData | Self::SkipData => (0.0, 0.0),
        }
    }
}

/// A small Kubernetes cluster in three zones, with a log store, a NAT gateway and users on the internet.
pub struct Cluster {
    seed: u64,
    topology: Topology,
    /// Each kind as often as its weight says: drawing one is one index.
    lots: Vec<Kind>,
    /// From when on clients prefer a server in their own zone, where the server lets them.
    close_from: Option<Timestamp>,
    s3: Text,
    amazon: Text,
}

impl Cluster {
    /// The cluster; the seed decides only what happens in it.
    pub fn new(seed: u64) -> Self {
        let routes = ROUTES.iter().enumerate().map(|(index, route)| (Kind::Route(index), route.weight));
        let lots =
            routes.chain(Kind::OTHERS).flat_map(|(kind, weight)| std::iter::repeat_n(kind, weight)).collect();
        Self {
            seed,
            topology: Topology::new(),
            lots,
            close_from: None,
            s3: Some("S3".into()),
            amazon: Some("AMAZON".into()),
        }
    }

    /// The same cluster, whose services route within the zone from `since` on (Kubernetes'
    /// `trafficDistribution: PreferClose`).
    #[must_use]
    pub fn preferring_close(self, since: Timestamp) -> Self {
        Self { close_from: Some(since), ..self }
    }

    /// How many of 100 flows of a route stay inside a zone.
    fn local(&self, route: &Route, at: i64) -> u32 {
        match self.close_from {
            Some(since) if at >= since.0 && route.server.is_balanced() => LOCAL_WHEN_CLOSE.max(route.local),
            _ => route.local,
        }
    }

    /// A number that depends on the seed and nothing else but `a` and `b`.
    pub(super) fn hash(&self, a: u64, b: u64) -> u64 {
        [a, b].iter().fold(self.seed, |state, value| splitmix(state ^ splitmix(*value)))
    }

    /// Exactly `rows` records whose `end` lies in the stretch. Their bytes are what the cluster moves in that time
    /// (some 21 TiB a month without the NAT gateway's own records) and do not depend on `rows`: few rows are large.
    ///
    /// All records of one flow are there: both interfaces of a flow inside the cluster, all four legs and the
    /// client's own records of one through the NAT gateway.
    pub fn records(&self, slot_start: Timestamp, slot_seconds: u32, rows: usize) -> Vec<Record> {
        let start = slot_start.0;
        let mut rng = Rng::with_seed(self.hash(start.cast_unsigned(), u64::from(slot_seconds)));
        let mut plan = Vec::new();
        let mut left = rows;
        loop {
            let kind = self.lots[rng.usize(..self.lots.len())];
            if kind.rows() > left {
                break;
            }
            left -= kind.rows();
            plan.push(kind);
        }
        // What is too little for the flow that was drawn goes to idle interfaces.
        let flows = plan.len();
        plan.extend(std::iter::repeat_n(Kind::NoData, left));
        let seconds = i64::from(slot_seconds.max(1));
        let middle = start + seconds / 2;
        let share = GIB * seconds as f64 / MONTH_SECONDS * self.activity(middle) / flows.max(1) as f64;
        let mut sheet =
            Sheet { cluster: self, rng, start, seconds, share, records: Vec::with_capacity(rows) };
        for kind in plan {
            sheet.add(kind);
        }
        sheet.records
    }

    /// Traffic at a moment, as a part of its mean. Only sums and products, so it is the same on every machine.
    fn activity(&self, at: i64) -> f64 {
        let hour = at.div_euclid(3600);
        let part = at.rem_euclid(3600) as f64 / 3600.0;
        let level = |hour: i64| {
            let day = DAYS[hour.div_euclid(24).rem_euclid(7) as usize];
            f64::from(HOURS[hour.rem_euclid(24) as usize] * day) / 10_000.0
        };
        let noise = self.hash(at.div_euclid(300).cast_unsigned(), 1) % 31;
        (level(hour) * (1.0 - part) + level(hour + 1) * part) * (0.85 + noise as f64 / 100.0)
    }
}

/// The finaliser of SplitMix64: every bit of the input reaches every bit of the result.
fn splitmix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// One direction of a conversation.
#[derive(Clone)]
struct Flow {
    protocol: i32,
    srcport: i32,
    dstport: i32,
    bytes: i64,
    packets: i64,
    tcp_flags: i32,
}

impl Flow {
    fn translated(&self, port: i32, outward: bool) -> Self {
        let mut flow = self.clone();
        *(if outward { &mut flow.srcport } else { &mut flow.dstport }) = port;
        flow
    }
}

/// When an interface saw a flow.
#[derive(Clone, Copy)]
struct Window {
    start: i64,
    end: i64,
}

/// Records in the making.
struct Sheet<'a> {
    cluster: &'a Cluster,
    rng: Rng,
    start: i64,
    seconds: i64,
    /// Bytes that one flow has for each GiB a month, were all flows of one kind.
    share: f64,
    records: Vec<Record>,
}

impl Sheet<'_> {
    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Route(route) => self.route(kind, route),
            Kind::NatInternet => {
                let remote = [203, 0, 113, self.rng.u8(1..=40)];
                self.nat(kind, remote.into(), &None);
            }
            Kind::NatService => {
                let (remote, service) = if self.rng.bool() {
                    ([52, 216, self.rng.u8(..), self.rng.u8(1..255)], &self.cluster.s3)
                } else {
                    ([54, 239, self.rng.u8(..), self.rng.u8(1..255)], &self.cluster.amazon)
                };
                self.nat(kind, remote.into(), service);
            }
            Kind::User => self.user(kind),
            Kind::S3 => self.s3(kind),
            Kind::Reject => self.reject(),
            Kind::NoData => self.silence(LogStatus::NoData),
            Kind::SkipData => self.silence(LogStatus::SkipData),
        }
    }

    /// Two directions of one conversation.
    fn conversation(&mut self, kind: Kind, protocol: i32, port: i32) -> (Flow, Flow) {
        let lots = &self.cluster.lots;
        let weight = match kind {
            Kind::Route(route) => ROUTES[route].weight,
            _ => Kind::OTHERS.iter().find(|(other, _)| *other == kind).map_or(1, |(_, weight)| *weight),
        };
        let scale = self.share * lots.len() as f64 / weight as f64;
        let (request, response) = kind.volume();
        let client = self.rng.i32(32_768..61_000);
        let flags: [i32; 4] = [2, 3, 0, 0];
        let flags = flags[self.rng.usize(..flags.len())];
        let answer = if flags == 0 { 0 } else { flags | 16 };
        let (flags, answer) = if protocol == 6 { (flags, answer) } else { (0, 0) };
        (
            self.flow(protocol, (client, port), request * scale, flags),
            self.flow(protocol, (port, client), response * scale, answer),
        )
    }

    fn flow(&mut self, protocol: i32, ports: (i32, i32), mean: f64, tcp_flags: i32) -> Flow {
        // 3u^2 of a uniform u has the mean 1: many small flows and some large ones.
        let u = self.rng.f64();
        let bytes = ((mean * 3.0 * u * u) as i64).max(52);
        let packets = 1 + bytes / self.rng.i64(600..1_400);
        Flow { protocol, srcport: ports.0, dstport: ports.1, bytes, packets, tcp_flags }
    }

    fn window(&mut self) -> Window {
        let end = self.start + self.rng.i64(0..self.seconds);
        Window { start: end - self.rng.i64(0..WINDOW), end }
    }

    /// The same flow as another interface saw it: a little earlier or later.
    fn elsewhere(&mut self, window: Window) -> Window {
        let start = window.start - self.rng.i64(1..=3);
        let end = (window.end + self.rng.i64(-2..=2)).clamp(self.start, self.start + self.seconds - 1);
        Window { start, end: end.max(start) }
    }

    /// A record with the interface, the flow and the time, addresses as in the packets.
    fn record(&self, interface: usize, direction: Direction, flow: &Flow, time: Window) -> Record {
        Record {
            srcport: Some(flow.srcport),
            dstport: Some(flow.dstport),
            protocol: Some(flow.protocol),
            packets: Some(flow.packets),
            bytes: Some(flow.bytes),
            start: Some(time.start),
            end: Some(time.end),
            action: Some(Action::Accept),
            log_status: LogStatus::Ok,
            tcp_flags: Some(flow.tcp_flags),
            traffic_type: Some(TrafficType::Ipv4),
            flow_direction: direction,
            ..self.cluster.topology.interfaces[interface].blank.clone()
        }
    }

    fn next_hop(&self, record: &mut Record, interface: usize) {
        let hop = &self.cluster.topology.interfaces[interface];
        record.next_hop_interface_id.clone_from(&hop.id);
        record.next_hop_subnet_id.clone_from(&hop.subnet);
        record.next_hop_az_id.clone_from(&hop.blank.az_id);
        record.next_hop_vpc_id.clone_from(&hop.blank.vpc_id);
        record.next_hop_interface_type = hop.blank.interface_type;
    }

    /// One direction between two interfaces of the cluster, logged at both. Each shows its own primary address
    /// where the packet has a pod's.
    fn logged_twice(&mut self, src: Endpoint, dst: Endpoint, flow: &Flow) {
        let primary = |end: Endpoint| self.cluster.topology.interfaces[end.interface].primary;
        let (src_primary, dst_primary) = (primary(src), primary(dst));
        let sent = self.window();
        let received = self.elsewhere(sent);
        let mut egress = self.record(src.interface, Direction::Egress, flow, sent);
        addresses(&mut egress, (src_primary, dst.address), (src.address, dst.address));
        egress.traffic_path = Some(1);
        self.next_hop(&mut egress, dst.interface);
        let mut ingress = self.record(dst.interface, Direction::Ingress, flow, received);
        addresses(&mut ingress, (src.address, dst_primary), (src.address, dst.address));
        self.next_hop(&mut ingress, src.interface);
        self.records.extend([egress, ingress]);
    }

    fn route(&mut self, kind: Kind, index: usize) {
        let route = &ROUTES[index];
        let pairs = &self.cluster.topology.pairs[index];
        let local = self.rng.u32(..100) < self.cluster.local(route, self.start) && !pairs.local.is_empty();
        let pairs = if local { &pairs.local } else { &pairs.remote };
        let (client, server) = pairs[self.rng.usize(..pairs.len())];
        let (request, response) = self.conversation(kind, route.protocol, route.port);
        self.logged_twice(client, server, &request);
        self.logged_twice(server, client, &response);
    }

    /// The four legs at the gateway, and the client's own two records, where only the next hop tells of it.
    fn nat(&mut self, kind: Kind, remote: IpAddr, service: &Text) {
        let topology = &self.cluster.topology;
        let workers = &topology.workers;
        let client = topology.primary(workers[self.rng.usize(..workers.len())]);
        let nat = topology.primary(topology.nat);
        let (out, back) = self.conversation(kind, 6, 443);
        let port = self.rng.i32(1_024..65_536);
        let times = [self.window(), self.window()];
        let (c, n, r) = (client.address, nat.address, remote);
        // Where, which way, addresses of the interface's view and of the packets, the flow, path and next hop.
        let (ingress, egress) = (Direction::Ingress, Direction::Egress);
        let legs = [
            (client.interface, egress, (c, r), (c, r), out.clone(), Some(1), Some(nat.interface)),
            (nat.interface, ingress, (c, n), (c, r), out.clone(), None, Some(client.interface)),
            (nat.interface, egress, (n, r), (n, r), out.translated(port, true), Some(8), None),
            (nat.interface, ingress, (r, n), (r, n), back.translated(port, false), None, None),
            (nat.interface, egress, (n, c), (r, c), back.clone(), Some(1), Some(client.interface)),
            (client.interface, ingress, (r, c), (r, c), back, None, Some(nat.interface)),
        ];
        for (number, (interface, direction, plain, packet, flow, path, hop)) in legs.into_iter().enumerate() {
            let time = self.elsewhere(times[number / 3]);
            let mut record = self.record(interface, direction, &flow, time);
            addresses(&mut record, plain, packet);
            record.traffic_path = path;
            if let Some(hop) = hop {
                self.next_hop(&mut record, hop);
            }
            services(&mut record, remote, service);
            self.records.push(record);
        }
    }

    fn user(&mut self, kind: Kind) {
        let topology = &self.cluster.topology;
        let public = topology.primary(topology.public[self.rng.usize(..ZONES.len())]);
        let user = [198, 51, 100, self.rng.u8(1..255)].into();
        let (request, response) = self.conversation(kind, 6, 443);
        self.outside(public, user, (&response, &request), 8, &None);
    }

    fn s3(&mut self, kind: Kind) {
        let topology = &self.cluster.topology;
        let workers = &topology.workers;
        let client = topology.primary(workers[self.rng.usize(..workers.len())]);
        let bucket = [52, 217, self.rng.u8(..), self.rng.u8(1..255)].into();
        let (put, get) = self.conversation(kind, 6, 443);
        self.outside(client, bucket, (&put, &get), 7, &self.cluster.s3);
    }

    /// What an interface sends to and gets from an address outside the cluster.
    fn outside(
        &mut self,
        inside: Endpoint,
        remote: IpAddr,
        flows: (&Flow, &Flow),
        path: i32,
        service: &Text,
    ) {
        let (time, later) = (self.window(), self.window());
        let (here, there) = (inside.address, remote);
        let mut sent = self.record(inside.interface, Direction::Egress, flows.0, time);
        addresses(&mut sent, (here, there), (here, there));
        sent.traffic_path = Some(path);
        services(&mut sent, remote, service);
        let mut received = self.record(inside.interface, Direction::Ingress, flows.1, later);
        addresses(&mut received, (there, here), (there, here));
        services(&mut received, remote, service);
        self.records.extend([sent, received]);
    }

    /// Scanners of the internet knock at public nodes.
    fn reject(&mut self) {
        let topology = &self.cluster.topology;
        let public = topology.primary(topology.public[self.rng.usize(..ZONES.len())]);
        let scanner = [192, 0, 2, self.rng.u8(1..255)].into();
        let ports: [i32; 6] = [22, 23, 445, 3389, 6379, 8080];
        let packets = self.rng.i64(1..=3);
        let flow = Flow {
            protocol: 6,
            srcport: self.rng.i32(1_024..65_536),
            dstport: ports[self.rng.usize(..ports.len())],
            bytes: packets * 40,
            packets,
            tcp_flags: 2,
        };
        let time = self.window();
        let mut record = self.record(public.interface, Direction::Ingress, &flow, time);
        addresses(&mut record, (scanner, public.address), (scanner, public.address));
        record.action = Some(Action::Reject);
        self.records.push(record);
    }

    /// An interface of which nothing is known for an interval.
    fn silence(&mut self, log_status: LogStatus) {
        let interfaces = &self.cluster.topology.interfaces;
        let blank = interfaces[self.rng.usize(..interfaces.len())].blank.clone();
        let time = self.window();
        self.records.push(Record { log_status, start: Some(time.start), end: Some(time.end), ..blank });
    }
}

fn addresses(record: &mut Record, plain: (IpAddr, IpAddr), packet: (IpAddr, IpAddr)) {
    (record.srcaddr, record.dstaddr) = (Some(plain.0), Some(plain.1));
    (record.pkt_srcaddr, record.pkt_dstaddr) = (Some(packet.0), Some(packet.1));
}

/// Names the service on the side of the packet that has its address.
fn services(record: &mut Record, remote: IpAddr, service: &Text) {
    if record.pkt_dstaddr == Some(remote) {
        record.pkt_dst_aws_service.clone_from(service);
    } else {
        record.pkt_src_aws_service.clone_from(service);
    }
}

#[cfg(test)]
#[path = "traffic_tests.rs"]
mod tests;
