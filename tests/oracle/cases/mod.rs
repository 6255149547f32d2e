//! docs/semantics.md case by case: every row of its tables and the awkward ones, with the result
//! worked out by hand.
//!
//! The same cases judge the oracle and the exporter.

mod bill;
mod charges;
mod columns;
mod interfaces;
mod internet;
mod nat;
mod pages;
mod ports;
mod ranges;
mod regions;
mod time;
mod vantage;
mod vpcs;
pub(crate) mod written;
mod zones;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Columns, ForwarderConfig, GatewayConfig, NoChargeConfig, OracleConfig, Part, PublicConfig, Row,
    ScopeConfig, Series, Tables, ZoneConfig, all_columns,
};

/// 2025-12-09T10:00:00Z, where the partition of every case begins; a daily one begins at its
/// midnight.
pub(crate) const START: i64 = 1_765_274_400;
pub(crate) const HOUR: i64 = START / 3600;
pub(crate) const MIDNIGHT: i64 = START - 10 * 3600;
/// Bytes of a record, unless its case says otherwise: one gigabyte, so that money equals the price.
pub(crate) const GIB: i64 = 1 << 30;

pub(crate) const TOKYO: &str = "ap-northeast-1";

/// Zone `1a`.
const A1: &str = "10.0.128.10";
const A2: &str = "10.0.129.20";
const A6: &str = "2001:db8:a::1";
/// Zone `1c`.
const C1: &str = "10.0.132.10";
const C6: &str = "2001:db8:c::1";
/// Zone `use1`, of another region.
const U1: &str = "10.9.0.1";
/// Zone `dc`, which has no flow logs.
const D1: &str = "10.50.0.1";
/// Private, in no zone.
const P1: &str = "192.168.7.7";
const P2: &str = "192.168.8.8";
const P6: &str = "fd00:77::1";
/// Public.
const W1: &str = "203.0.113.5";
const W2: &str = "198.51.100.9";
const W6: &str = "2001:db8:ffff::5";
/// Private addresses of the gateways `nat-1a` and `nat-1c`.
const NA: &str = "10.0.136.5";
const NA6: &str = "fd00:a::5";
const NC: &str = "10.0.136.20";

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) config: OracleConfig,
    pub(crate) rows: Vec<Row>,
    pub(crate) columns: Columns,
    pub(crate) part: Part,
    /// AZs of labels that mean something else here than in [`standard`].
    azs: BTreeMap<String, String>,
    pub(crate) expect: Expect,
}

/// What a case gives.
pub(crate) enum Expect {
    /// Set aside whole.
    Quarantined,
    /// A single record with this outcome and nothing else.
    Dropped(&'static str),
    /// A single record with labels.
    Record(Record),
    /// Anything else, in full.
    Tables(Tables),
    /// The lines of a page.
    Lines(BTreeSet<String>),
}

pub(crate) struct Record {
    counted: bool,
    labels: [&'static str; 4],
    between_azs: bool,
    charges: Vec<&'static str>,
    doubts: Vec<&'static str>,
    contradictions: Vec<&'static str>,
    hour: i64,
}

impl Expect {
    /// Says how the expectation and what an object adds differ. Times are compared by their own
    /// test.
    pub(crate) fn check(&self, case: &Case, got: &Tables) -> Result<(), String> {
        if let Self::Lines(right) = self {
            return written::compare(right, got);
        }
        let want = Tables { newest: got.newest, ..self.tables(case) };
        if *got == want { Ok(()) } else { Err(format!("  want {want:?}\n  got  {got:?}")) }
    }

    fn tables(&self, case: &Case) -> Tables {
        let mut tables = Tables::default();
        match self {
            Self::Quarantined => tables.quarantined = true,
            Self::Dropped(outcome) => {
                tables.records.insert((*outcome).to_string(), 1);
            }
            Self::Tables(given) => return given.clone(),
            Self::Lines(_) => panic!("a page has no tables"),
            Self::Record(record) => {
                let [row] = case.rows.as_slice() else { panic!("{}: one row", case.name) };
                let series = case.series(record.labels, record.between_azs);
                let bytes = row.bytes.unwrap_or(0) as u128;
                let packets = if case.columns.contains("packets") { row.packets.unwrap_or(0) } else { 0 };
                let outcome = if record.counted { "counted" } else { "other_side" };
                tables.records.insert(outcome.to_string(), 1);
                if record.counted {
                    let between = if record.between_azs { bytes } else { 0 };
                    let sums = [1, packets as u128, bytes, between];
                    tables.traffic.insert((record.hour, series.clone()), sums);
                }
                for charge in &record.charges {
                    assert_eq!(bytes, GIB as u128, "{}: money is the price", case.name);
                    let key = (record.hour, series.clone(), (*charge).to_string());
                    let price = case.config.prices.get(charge).copied();
                    let unpriced = if price.is_none() { bytes } else { 0 };
                    tables.charges.insert(key, [bytes, price.unwrap_or(0).into(), unpriced]);
                }
                let about = |kinds: &[&str]| {
                    kinds.iter().map(|kind| (record.hour, kind.to_string())).collect::<Vec<_>>()
                };
                if bytes > 0 {
                    tables.doubts.extend(about(&record.doubts).into_iter().map(|key| (key, bytes)));
                }
                tables.contradictions.extend(about(&record.contradictions).into_iter().map(|key| (key, 1)));
            }
        }
        tables
    }

    fn charged(mut self, charges: &[&'static str]) -> Self {
        self.record().charges = charges.to_vec();
        self
    }

    /// Between two AZs of a region.
    fn between_azs(mut self) -> Self {
        self.record().between_azs = true;
        self
    }

    /// No doubts but these.
    fn doubts(mut self, kinds: &[&'static str]) -> Self {
        self.record().doubts = kinds.to_vec();
        self
    }

    fn contradicts(mut self, kinds: &[&'static str]) -> Self {
        self.record().contradictions = kinds.to_vec();
        self
    }

    /// The other side counts: doubts about counted records are none of it.
    fn other_side(mut self) -> Self {
        self.record().counted = false;
        self.doubts(&[])
    }

    fn group(mut self, group: &'static str) -> Self {
        self.record().labels[2] = group;
        self
    }

    fn hour(mut self, hour: i64) -> Self {
        self.record().hour = hour;
        self
    }

    fn record(&mut self) -> &mut Record {
        match self {
            Self::Record(record) => record,
            _ => panic!("only for records"),
        }
    }
}

fn labels([src, dst, group, nat]: [&str; 4]) -> super::Labels {
    (src.to_string(), dst.to_string(), group.to_string(), nat.to_string())
}

/// A counted record that is not a NAT record, not between AZs, without charges, in the partition's
/// hour, with doubt `unknown_zone` where a label is `unknown` (semantics 8.2).
fn counted(src: &'static str, dst: &'static str) -> Expect {
    let unknown = src == "unknown" || dst == "unknown";
    Expect::Record(Record {
        counted: true,
        labels: [src, dst, "other", "none"],
        between_azs: false,
        charges: Vec::new(),
        doubts: if unknown { vec!["unknown_zone"] } else { Vec::new() },
        contradictions: Vec::new(),
        hour: HOUR,
    })
}

/// A NAT record.
fn nat(direction: &'static str, src: &'static str, dst: &'static str) -> Expect {
    let mut expect = counted(src, dst).doubts(&[]);
    expect.record().labels[3] = direction;
    expect
}

fn crossing_series() -> Series {
    case("", flow(A1, C1), Expect::Quarantined).series(["1a", "1c", "other", "none"], true)
}

/// Between `1a` and `1c`, as most pairs of zones here: counted and charged.
fn crossing(src: &'static str, dst: &'static str) -> Expect {
    counted(src, dst).between_azs().charged(&["inter_az"])
}

fn case(name: impl Into<String>, row: Row, expect: Expect) -> Case {
    Case {
        name: name.into(),
        config: standard(),
        rows: vec![row],
        columns: without_ids(),
        part: Part::hour(START),
        azs: BTreeMap::new(),
        expect,
    }
}

/// All columns but `instance_id`: with it, a record whose plain and packet address differ was
/// captured at a middlebox unless it names an instance (semantics 2.5).
fn without_ids() -> Columns {
    let mut columns = all_columns();
    columns.remove("instance_id");
    columns
}

impl Case {
    /// A series with the AZs of its labels. Two regions have different AZs as well.
    fn series(&self, [src, dst, group, nat]: [&str; 4], between_azs: bool) -> Series {
        let az = |label: &str| match label {
            _ if self.azs.contains_key(label) => Some(self.azs[label].clone()),
            "internet" | "aws" | "unknown" => None,
            _ if label.starts_with("aws:") => None,
            "1a" => Some("apne1-az4".to_string()),
            "1c" => Some("apne1-az1".to_string()),
            "use1" => Some("use1-az1".to_string()),
            "dc" => Some("apne1-az9".to_string()),
            _ if label.contains("-az") => Some(label.to_string()),
            _ => panic!("{}: in which AZ is {label}?", self.name),
        };
        let (src_az, dst_az) = (az(src), az(dst));
        let relation = match (&src_az, &dst_az) {
            (Some(one), Some(other)) if one == other => "same-az",
            (Some(_), Some(_)) if between_azs => "inter-az",
            (Some(_), Some(_)) => "inter-region",
            _ if src == "internet" || dst == "internet" => "internet",
            _ if src.starts_with("aws") || dst.starts_with("aws") => "aws",
            _ => "unknown",
        };
        Series { labels: labels([src, dst, group, nat]), src_az, dst_az, relation: relation.to_string() }
    }

    /// Labels of this case with their AZs.
    fn azs(mut self, azs: &[(&str, &str)]) -> Self {
        self.azs.extend(azs.iter().map(|(label, az)| (label.to_string(), az.to_string())));
        self
    }

    /// Each of the zones of [`standard`] has an AZ of its own.
    fn own_azs(self) -> Self {
        self.azs(&["1a", "1c", "use1", "dc"].map(|label| (label, label)))
    }

    fn without(mut self, columns: &[&'static str]) -> Self {
        for column in columns {
            assert!(self.columns.remove(column), "{column}");
        }
        self
    }

    fn only(mut self, columns: Columns) -> Self {
        self.columns = columns;
        self
    }

    fn config(mut self, edit: impl FnOnce(&mut OracleConfig)) -> Self {
        edit(&mut self.config);
        self
    }

    fn and_rows(mut self, rows: impl IntoIterator<Item = Row>) -> Self {
        self.rows.extend(rows);
        self
    }

    /// What the object's key says.
    fn key(mut self, account: Option<&'static str>, region: Option<&'static str>) -> Self {
        self.part = Part { account, region, ..self.part };
        self
    }

    fn daily(mut self) -> Self {
        self.part = Part { start: MIDNIGHT, hours: 24, ..self.part };
        self
    }
}

fn s(text: &str) -> Option<String> {
    Some(text.to_string())
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// An accepted egress record of an ordinary interface: no port group, one gigabyte, inside the
/// partition's hour.
fn flow(src: &str, dst: &str) -> Row {
    Row {
        interface_id: s("eni-pod"),
        srcaddr: s(src),
        dstaddr: s(dst),
        pkt_srcaddr: s(src),
        pkt_dstaddr: s(dst),
        flow_direction: s("egress"),
        action: s("ACCEPT"),
        log_status: s("OK"),
        srcport: Some(40_000),
        dstport: Some(443),
        packets: Some(1_000),
        bytes: Some(GIB),
        start: Some(START + 60),
        end: Some(START + 119),
        traffic_path: Some(1),
        ..Row::default()
    }
}

/// The same as its receiver logs it.
fn ingress(src: &str, dst: &str) -> Row {
    // AWS writes traffic_path for egress only.
    edit(flow(src, dst), |row| {
        row.flow_direction = s("ingress");
        row.traffic_path = None;
    })
}

/// A record with packet addresses of its own, `-` for null.
fn seen(direction: &str, src: &str, dst: &str, pkt_src: &str, pkt_dst: &str) -> Row {
    edit(flow(src, dst), |row| {
        row.flow_direction = s(direction);
        row.pkt_srcaddr = s(pkt_src);
        row.pkt_dstaddr = s(pkt_dst);
    })
}

fn edit(mut row: Row, edit: impl FnOnce(&mut Row)) -> Row {
    edit(&mut row);
    row
}

fn zone(name: &str, az_id: Option<&str>, region: &str, cidrs: &[&str]) -> ZoneConfig {
    ZoneConfig {
        name: name.to_string(),
        az_id: az_id.map(ToString::to_string),
        region: Some(region.to_string()),
        cidrs: strings(cidrs),
        ..ZoneConfig::default()
    }
}

/// The configuration of most cases.
pub(crate) fn standard() -> OracleConfig {
    OracleConfig {
        zones: vec![
            zone("1a", Some("apne1-az4"), TOKYO, &["10.0.128.0/22", "10.0.136.0/28", "2001:db8:a::/48"]),
            zone("1c", Some("apne1-az1"), TOKYO, &["10.0.132.0/22", "10.0.136.16/28", "2001:db8:c::/48"]),
            zone("use1", Some("use1-az1"), "us-east-1", &["10.9.0.0/16"]),
            ZoneConfig { logged: false, ..zone("dc", Some("apne1-az9"), TOKYO, &["10.50.0.0/16"]) },
        ],
        gateways: vec![
            GatewayConfig {
                name: "nat-1a".to_string(),
                zone: Some("1a".to_string()),
                interface_ids: strings(&["eni-nat-a"]),
                private_ips: strings(&[NA, NA6]),
                ..GatewayConfig::default()
            },
            GatewayConfig {
                name: "nat-1c".to_string(),
                zone: Some("1c".to_string()),
                private_ips: strings(&[NC]),
                ..GatewayConfig::default()
            },
            GatewayConfig {
                name: "nat-regional".to_string(),
                zone: Some("1c".to_string()),
                resource_ids: strings(&["nat-0regional"]),
                ..GatewayConfig::default()
            },
        ],
        port_groups: vec![
            ("loki-http".to_string(), vec![(4101, 4101), (4102, 4107)]),
            ("gateway".to_string(), vec![(4080, 4080)]),
        ],
        prices: BTreeMap::from([
            ("inter_az", 10_000_000),
            ("inter_region", 20_000_000),
            ("nat_processing", 62_000_000),
            ("nat_hop", 11_000_000),
            ("internet_egress", 114_000_000),
            ("regional_public", 12_000_000),
            ("vpc_endpoint_processing", 13_000_000),
            ("transit_gateway_processing", 21_000_000),
            ("vpn_egress", 51_000_000),
            ("direct_connect_egress", 52_000_000),
        ]),
        bad_rows_per_object: 1_000,
        ..OracleConfig::of_region(TOKYO)
    }
}

/// No zone has an AZ id, so they do not speak (semantics 2.13).
fn forget_az_ids(config: &mut OracleConfig) {
    for zone in &mut config.zones {
        zone.az_id = None;
    }
}

macro_rules! parts {
    ($($part:ident)*) => {
        /// The tables of cases, by name.
        pub(crate) const PARTS: [&str; [$(stringify!($part)),*].len()] = [$(stringify!($part)),*];

        /// The cases of one table.
        pub(crate) fn table(name: &str) -> Vec<Case> {
            match name {
                $(stringify!($part) => $part::cases(),)*
                _ => panic!("no table {name}"),
            }
        }
    };
}

parts! { columns zones nat vantage ports charges time bill internet vpcs interfaces regions ranges pages }

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    PARTS.into_iter().flat_map(table).collect()
}
