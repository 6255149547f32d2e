//! What is logged: some flows an hour by a formula, as the lines that AWS writes of them. Knows nothing of the exporter.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use time::UtcDateTime;

use super::{HOUR, clock::at};
use crate::support::bucket::Bucket;

pub(super) const PROD: &str = "prod";
pub(super) const EDGE: &str = "edge";
pub(super) const DATA: &str = "data";

const GIB: u64 = 1 << 30;
/// A lifecycle rule of the bucket expires objects after so many hours.
const EXPIRES: i64 = 60 * 24;

/// Subnets, each in one AZ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subnet {
    A,
    B,
    C,
    /// New in the second year; in the AZ of B.
    D,
}

impl Subnet {
    pub(super) fn cidr(self) -> String {
        format!("10.0.{}.0/20", 16 * self as u8)
    }

    fn address(self, host: u8) -> String {
        format!("10.0.{}.{host}", 16 * self as u8)
    }
}

/// The port of a database, and the port of the web.
pub(super) const DB: u16 = 5432;
pub(super) const WEB: u16 = 443;

/// A NAT gateway in A.
pub(super) const NAT: (&str, &str) = ("eni-nat", "10.0.0.100");
const FAR: &str = "198.51.100.7";

/// What moves in an hour.
#[derive(Debug, Clone, Copy)]
pub(super) enum Flow {
    /// From one subnet to another, logged at the sender's interface, and at the receiver's where `both` says so.
    Direct { from: Subnet, to: Subnet, port: u16, bytes: u64, both: bool },
    /// From a subnet through the NAT gateway to the internet: logged at the client's interface and twice at the gateway's.
    ThroughNat { from: Subnet, bytes: u64 },
}

/// Percent of the traffic of a working hour: nights have a fifth, weekends two fifths.
fn shape(hour: i64) -> u64 {
    let day = if (7..22).contains(&hour.rem_euclid(24)) { 100 } else { 20 };
    // 1970-01-01 was a Thursday: 2 and 3 are Saturday and Sunday.
    if [2, 3].contains(&hour.div_euclid(24).rem_euclid(7)) { day * 2 / 5 } else { day }
}

/// The flows that a source logs in an hour.
pub(super) fn flows(source: &str, hour: i64) -> Vec<Flow> {
    // No round numbers, so that every rounding of money is in it.
    let odd = hour.unsigned_abs() % 9_973 * 1_013;
    let gib = |busy: u64| busy * GIB * shape(hour) / 100 + odd;
    let since = |then: i64| hour * HOUR >= then;
    let direct = |from, to, port, bytes, both| Flow::Direct { from, to, port, bytes, both };
    let (a, b, c, d) = (Subnet::A, Subnet::B, Subnet::C, Subnet::D);
    match source {
        PROD => {
            let busy = match () {
                () if since(at!(2027-11-02 06:00)) => 60,
                () if since(at!(2027-10-14 06:00)) => 400,
                () if since(at!(2027-09-06 06:00)) => 30,
                () => 100,
            };
            vec![
                direct(a, b, DB, gib(busy), true),
                direct(b, b, DB, gib(140), true),
                direct(a, a, WEB, gib(300), true),
                Flow::ThroughNat { from: c, bytes: gib(10) },
            ]
        }
        EDGE => vec![direct(b, c, DB, gib(40), false)],
        DATA => {
            let mut all = vec![direct(a, c, WEB, gib(60), true)];
            if since(at!(2027-02-01 00:00)) {
                all.extend([direct(d, b, WEB, gib(20), true), direct(a, d, WEB, gib(10), true)]);
            }
            all
        }
        other => panic!("no source {other}"),
    }
}

/// A line of a flow log.
struct Line {
    interface: String,
    plain: [String; 2],
    packet: [String; 2],
    port: u16,
    bytes: u64,
    direction: &'static str,
}

fn lines(flow: Flow) -> Vec<Line> {
    match flow {
        Flow::Direct { from, to, port, bytes, both } => {
            let ends = [from.address(10), to.address(20)];
            let line = |subnet: Subnet, host: u8, direction| Line {
                interface: format!("eni-{subnet:?}{host}"),
                plain: ends.clone(),
                packet: ends.clone(),
                port,
                bytes,
                direction,
            };
            let far = both.then(|| line(to, 20, "ingress"));
            [line(from, 10, "egress")].into_iter().chain(far).collect()
        }
        Flow::ThroughNat { from, bytes } => {
            let client = from.address(10);
            let line = |interface: &str, plain: [&str; 2], packet: [&str; 2], direction| Line {
                interface: interface.to_owned(),
                plain: plain.map(str::to_owned),
                packet: packet.map(str::to_owned),
                port: WEB,
                bytes,
                direction,
            };
            let (nat, address) = NAT;
            vec![
                line(&format!("eni-{from:?}10"), [&client, FAR], [&client, FAR], "egress"),
                line(nat, [&client, address], [&client, FAR], "ingress"),
                line(nat, [address, FAR], [address, FAR], "egress"),
            ]
        }
    }
}

/// Packets of so many bytes.
pub(super) fn packets(bytes: u64) -> u64 {
    bytes / 1_400 + 1
}

/// The object of an hour: gzip text, with the fields of a custom format.
fn object(source: &str, hour: i64) -> Bytes {
    const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
        action log-status pkt-srcaddr pkt-dstaddr flow-direction\n";
    let (account, start, end) = (account(source), hour * HOUR, (hour + 1) * HOUR - 1);
    let mut text = GzEncoder::new(Vec::new(), Compression::fast());
    text.write_all(HEADER.as_bytes()).unwrap();
    for Line { interface, plain: [src, dst], packet: [pkt_src, pkt_dst], port, bytes, direction } in
        flows(source, hour).into_iter().flat_map(lines)
    {
        let packets = packets(bytes);
        writeln!(
            text,
            "5 {account} {interface} {src} {dst} 40000 {port} 6 {packets} {bytes} {start} {end} ACCEPT OK {pkt_src} {pkt_dst} \
             {direction}"
        )
        .unwrap();
    }
    text.finish().unwrap().into()
}

fn account(source: &str) -> String {
    let number = [PROD, EDGE, DATA].iter().position(|name| *name == source).unwrap() + 1;
    number.to_string().repeat(12)
}

fn key(source: &str, hour: i64) -> String {
    let utc = UtcDateTime::from_unix_timestamp(hour * HOUR).unwrap();
    let (year, month, day, hour) = (utc.year(), u8::from(utc.month()), utc.day(), utc.hour());
    let account = account(source);
    format!(
        "AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region=us-east-1/year={year}/month={month:02}/\
         day={day:02}/hour={hour:02}/{account}_vpcflowlogs_us-east-1_fl-0a_{year}{month:02}{day:02}T{hour:02}00Z_0a.log.gz"
    )
}

/// The buckets, and what lies in them.
#[derive(Default)]
pub(super) struct Logs {
    pub(super) buckets: BTreeMap<&'static str, Bucket>,
    /// Size of the object of each hour that is there, by source.
    pub(super) there: BTreeMap<&'static str, BTreeMap<i64, u64>>,
    /// Hours that were logged and are not delivered, of the sources whose delivery is out of order.
    held: BTreeMap<&'static str, BTreeSet<i64>>,
}

impl Logs {
    /// From now on a source has logs, beginning with this hour.
    pub(super) fn open(&mut self, source: &'static str, from: i64, to: i64) {
        let bucket = Bucket::named(&format!("s3://{source}"));
        bucket.set_page(1_000);
        self.buckets.insert(source, bucket);
        self.there.insert(source, BTreeMap::new());
        (from..to).for_each(|hour| self.put(source, hour));
    }

    /// An hour is over: every source delivers its object, and what is too old expires.
    pub(super) fn hour_over(&mut self, hour: i64) {
        for source in self.buckets.keys().copied().collect::<Vec<_>>() {
            match self.held.get_mut(source) {
                Some(held) => drop(held.insert(hour)),
                None => self.put(source, hour),
            }
            if self.there.get_mut(source).unwrap().remove(&(hour - EXPIRES)).is_some() {
                self.buckets[source].delete(&key(source, hour - EXPIRES));
            }
        }
    }

    /// Delivery stops.
    pub(super) fn hold(&mut self, source: &'static str) {
        self.held.insert(source, BTreeSet::new());
    }

    /// Delivery goes on, with what was held.
    pub(super) fn deliver_held(&mut self, source: &'static str) {
        self.held.remove(source).unwrap().into_iter().for_each(|hour| self.put(source, hour));
    }

    /// Delivery goes on; what was held is lost.
    pub(super) fn lose_held(&mut self, source: &str) {
        self.held.remove(source).unwrap();
    }

    fn put(&mut self, source: &'static str, hour: i64) {
        let object = object(source, hour);
        self.there.get_mut(source).unwrap().insert(hour, object.len() as u64);
        self.buckets[source].put(&key(source, hour), object);
    }
}
