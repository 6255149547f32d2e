//! Random configurations, rows and files. Everything is drawn from small pools, so that rules meet each other.

use std::collections::BTreeMap;

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    Columns, GatewayConfig, NUMBERS, OracleConfig, Part, Row, TEXTS, ZoneConfig, all_columns,
    cases::{GIB, HOUR, MIDNIGHT, START, TOKYO},
};

/// A file: its rows, which columns it has, which partition it is in, and how it is written (see `write`).
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) rows: Vec<Row>,
    pub(crate) columns: Columns,
    pub(crate) part: Part,
    /// Gzip text, or Parquet.
    pub(crate) text: bool,
    /// 0 is the plainest way; every other value is some mixture of all ways.
    pub(crate) physical: u64,
}

const ZONE_NAMES: [&str; 4] = ["zone-a", "zone-b", "zone-c", "zone-d"];
const AZ_IDS: [&str; 4] = ["az-1", "az-2", "az-3", "az-4"];
/// Each belongs to at most one zone: two zones with the same network are no valid configuration.
const CIDRS: [&str; 14] = [
    "10.0.1.0/24",
    "10.0.2.0/24",
    "10.0.2.128/25",
    "10.0.2.200/32",
    "10.0.0.0/16",
    "10.1.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "203.0.113.0/24",
    "2001:db8:a::/48",
    "2001:db8::/32",
    "fd00:a::/64",
    "0.0.0.0/0",
    "::/0",
];
/// Gateway addresses.
const N: [&str; 4] = ["10.0.1.5", "10.0.2.5", "10.77.0.5", "fd00:a::5"];
const CLIENTS: [&str; 14] = [
    "10.0.1.10",
    "10.0.1.11",
    "10.0.2.10",
    "10.0.2.130",
    "10.0.2.200",
    "10.0.9.9",
    "10.1.0.5",
    "172.16.9.9",
    "192.168.0.1",
    "10.99.0.1",
    "2001:db8:a::1",
    "fd00:a::1",
    "fd00:77::1",
    "::ffff:10.0.1.10",
];
const REMOTES: [&str; 7] = [
    "203.0.113.5",
    "198.51.100.9",
    "8.8.8.8",
    "2001:db8:b::1",
    "2600:1f00::1",
    "::ffff:203.0.113.5",
    "11.0.0.0",
];
const ODD: [&str; 20] = [
    "0.0.0.0",
    "0.0.0.1",
    "255.255.255.255",
    "127.0.0.1",
    "169.254.1.1",
    "100.64.0.1",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "fc00::1",
    "::ffff:10.0.1.5",
    "::10.0.1.10",
    "::ffff:0.0.0.0",
];
const GARBAGE: [&str; 4] = ["host", "10.0.0.256", "10.0.1.0/24", "fe80::1%eth0"];
const NULLS: [&str; 2] = ["-", ""];
const INTERFACES: [&str; 4] = ["eni-pod", "eni-nat-1", "eni-nat-2", "eni-db"];
const RESOURCES: [&str; 4] = ["nat-1", "nat-2", "nat-9", "tgw-1"];
const TYPES: [&str; 6] = [
    "nat_gateway",
    "regional_nat_gateway",
    "transit_gateway",
    "network_load_balancer",
    "vpc_endpoint",
    "lambda",
];

fn word(pool: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(pool).prop_map(ToString::to_string)
}

/// Nulls of all three kinds with `nulls` parts in 10, else a word of the pool.
fn cell(nulls: u32, pool: &'static [&'static str]) -> BoxedStrategy<Option<String>> {
    prop_oneof![
        nulls.div_ceil(2) => Just(None),
        (nulls / 2).max(1) => word(&NULLS).prop_map(Some),
        10 - nulls => word(pool).prop_map(Some),
    ]
    .boxed()
}

fn address() -> BoxedStrategy<String> {
    prop_oneof![
        60 => word(&CLIENTS),
        25 => word(&REMOTES),
        25 => word(&N),
        15 => word(&ODD),
        1 => word(&GARBAGE),
    ]
    .boxed()
}

fn address_cell(nulls: u32) -> BoxedStrategy<Option<String>> {
    prop_oneof![
        nulls => Just(None),
        1 => word(&NULLS).prop_map(Some),
        20 => address().prop_map(Some),
    ]
    .boxed()
}

/// srcaddr, dstaddr, pkt_srcaddr, pkt_dstaddr, flow_direction.
type Path = (Option<String>, Option<String>, Option<String>, Option<String>, Option<String>);

fn direction() -> BoxedStrategy<Option<String>> {
    prop_oneof![
        5 => Just(Some("egress".to_string())),
        5 => Just(Some("ingress".to_string())),
        1 => Just(None),
        1 => select(vec!["-", "", "sideways"]).prop_map(|word| Some(word.to_string())),
    ]
    .boxed()
}

/// Addresses at random, and addresses that belong together: what an interface sees of a flow, or a gateway of a leg.
fn path() -> BoxedStrategy<Path> {
    let independent = (address_cell(1), address_cell(1), address_cell(8), address_cell(8), direction());
    let same = (address(), address(), direction())
        .prop_map(|(src, dst, way)| (Some(src.clone()), Some(dst.clone()), Some(src), Some(dst), way));
    let leg =
        (0..4_usize, word(&CLIENTS), word(&N), word(&REMOTES), direction(), any::<bool>(), any::<bool>())
            .prop_map(|(leg, client, n, remote, way, keep_src, keep_dst)| {
                let (way_of_leg, src, dst, pkt_src, pkt_dst) = match leg {
                    0 => ("ingress", client.clone(), n, client, remote),
                    1 => ("egress", n.clone(), remote.clone(), n, remote),
                    2 => ("ingress", remote.clone(), n.clone(), remote, n),
                    _ => ("egress", n, client.clone(), remote, client),
                };
                let way = if way.is_some() { Some(way_of_leg.to_string()) } else { None };
                let keep = |keep, text| if keep { Some(text) } else { None };
                (Some(src), Some(dst), keep(keep_src, pkt_src), keep(keep_dst, pkt_dst), way)
            });
    prop_oneof![3 => same, 2 => independent, 4 => leg].boxed()
}

fn port() -> BoxedStrategy<Option<i64>> {
    prop_oneof![
        40 => select(vec![4101_i64, 4102, 4080, 443, 40_000, 0, 65_535]).prop_map(Some),
        4 => Just(None),
        1 => select(vec![-1_i64, 65_536, 70_000]).prop_map(Some),
    ]
    .boxed()
}

/// `huge`: numbers that make sums overflow.
fn amount(huge: bool) -> BoxedStrategy<Option<i64>> {
    let some = prop_oneof![
        4 => 0..2_000_i64,
        2 => select(vec![53, 54, GIB, GIB / 2 + 1, 3 * GIB]),
        1 => 0..(1_i64 << 45),
    ];
    let odd = select(vec![None, Some(-1), Some(-GIB)]);
    let large = select(vec![i64::MAX, i64::MAX - 1, i64::MAX / 2, 1 << 62]);
    if huge {
        prop_oneof![60 => some.prop_map(Some), 1 => odd, 2 => large.prop_map(Some)].boxed()
    } else {
        prop_oneof![60 => some.prop_map(Some), 1 => odd].boxed()
    }
}

fn moment() -> BoxedStrategy<Option<i64>> {
    const DAY: i64 = 24 * 3600;
    prop_oneof![
        8 => (START - 7200..START + 7200).prop_map(Some),
        2 => select(vec![
            START - DAY,
            START - DAY - 1,
            START + 3600 + DAY,
            START + 3600 + DAY + 1,
            MIDNIGHT - DAY,
            MIDNIGHT - DAY - 1,
            MIDNIGHT + 2 * DAY,
            MIDNIGHT + 2 * DAY + 1,
            START + 3599,
            START + 3600,
        ])
        .prop_map(Some),
        1 => select(vec![0, -1, START * 1000, i64::MAX, 1 << 40]).prop_map(Some),
        2 => Just(None),
    ]
    .boxed()
}

/// A row. `huge` as in [`amount`].
pub(crate) fn row(huge: bool) -> impl Strategy<Value = Row> {
    let who = (
        cell(4, &INTERFACES),
        cell(9, &RESOURCES),
        cell(8, &TYPES),
        cell(4, &["az-1", "az-2", "az-3", "az-9"]),
        cell(8, &INTERFACES),
        cell(8, &TYPES),
        cell(5, &["az-1", "az-2", "az-4", "az-8"]),
    );
    let services = (cell(8, &["S3", "EC2", "AMAZON"]), cell(8, &["S3", "EC2", "DYNAMODB"]));
    let words = (
        prop_oneof![8 => Just(Some("ACCEPT".to_string())), 4 => cell(3, &["REJECT", "MAYBE"])],
        prop_oneof![
            20 => Just(Some("OK".to_string())),
            2 => cell(7, &["OK", "FINE"]),
            1 => cell(1, &["NODATA", "SKIPDATA"]),
        ],
    );
    let numbers = (port(), port(), amount(huge), amount(huge), moment(), moment());
    let traffic_path = option::of(select(vec![0_i64, 1, 2, 3, 5, 7, 8, 8]));
    (who, path(), services, words, numbers, traffic_path, 0..40_u8).prop_map(
        |(who, path, services, words, numbers, traffic_path, silence)| {
            let mut row = Row {
                interface_id: who.0,
                resource_id: who.1,
                interface_type: who.2,
                az_id: who.3,
                next_hop_interface_id: who.4,
                next_hop_interface_type: who.5,
                next_hop_az_id: who.6,
                srcaddr: path.0,
                dstaddr: path.1,
                pkt_srcaddr: path.2,
                pkt_dstaddr: path.3,
                flow_direction: path.4,
                pkt_src_aws_service: services.0,
                pkt_dst_aws_service: services.1,
                action: words.0,
                log_status: words.1,
                srcport: numbers.0,
                dstport: numbers.1,
                packets: numbers.2,
                bytes: numbers.3,
                start: numbers.4,
                end: numbers.5,
                traffic_path,
            };
            if silence == 39 {
                // As AWS writes NODATA.
                row.srcaddr = Some("-".to_string());
                row.dstaddr = Some("-".to_string());
                (row.pkt_srcaddr, row.pkt_dstaddr, row.bytes, row.packets) = (None, None, None, None);
            }
            row
        },
    )
}

/// Most columns, sometimes all, rarely too few.
fn columns() -> impl Strategy<Value = Columns> {
    let optional: Vec<&'static str> = TEXTS
        .into_iter()
        .chain(NUMBERS)
        .filter(|name| !matches!(*name, "bytes" | "srcaddr" | "dstaddr"))
        .collect();
    let some = vec(0..10_u8, optional.len()).prop_map(move |keep| {
        let mut columns: Columns =
            optional.iter().zip(keep).filter(|(_, keep)| *keep != 9).map(|(name, _)| *name).collect();
        columns.extend(["bytes", "srcaddr", "dstaddr"]);
        columns
    });
    let dropped = select(TEXTS.into_iter().chain(NUMBERS).collect::<Vec<_>>());
    prop_oneof![
        2 => Just(all_columns()),
        1 => Just(super::version_2()),
        4 => some,
        1 => vec(dropped, 1..8).prop_map(|dropped| {
            let mut columns = all_columns();
            for name in dropped {
                columns.remove(name);
            }
            columns
        }),
    ]
}

/// A file of up to `rows` rows.
pub(crate) fn file(rows: usize, huge: bool) -> impl Strategy<Value = File> {
    let part = prop_oneof![
        Just(Part { start: START, hours: 1 }),
        Just(Part { start: MIDNIGHT, hours: 24 }),
        Just(Part { start: (HOUR + 1) * 3600, hours: 1 }),
    ];
    let way = (any::<bool>(), prop_oneof![1 => Just(0), 6 => any::<u64>()]);
    (vec(row(huge), 0..=rows), columns(), part, way)
        .prop_map(|(rows, columns, part, (text, physical))| File { rows, columns, part, text, physical })
}

fn zones() -> impl Strategy<Value = Vec<ZoneConfig>> {
    let az_ids = prop_oneof![Just(10_u8), Just(7), Just(0)];
    let zone = (0..10_u8, any::<bool>(), 0..6_u8);
    (vec(zone, 0..=4), az_ids, vec(0..5_usize, CIDRS.len()), 0..5_u8).prop_map(
        |(drawn, with_az_id, owners, everything)| {
            drawn
                .into_iter()
                .enumerate()
                .map(|(index, (az_id, home, logged))| ZoneConfig {
                    name: ZONE_NAMES[index].to_string(),
                    az_id: (az_id < with_az_id).then(|| AZ_IDS[index].to_string()),
                    region: if home || index == 0 { TOKYO } else { "us-east-1" }.to_string(),
                    cidrs: CIDRS
                        .iter()
                        .zip(&owners)
                        // Networks of everything are rare, or they would hide the rest.
                        .filter(|(cidr, owner)| {
                            **owner == index + 1 && (!cidr.ends_with("/0") || everything == 4)
                        })
                        .map(|(cidr, _)| (*cidr).to_string())
                        .collect(),
                    logged: logged != 0,
                })
                .collect()
        },
    )
}

fn gateways(zones: usize) -> impl Strategy<Value = Vec<GatewayConfig>> {
    // A gateway stands in a zone; without zones there is none.
    let most = if zones == 0 { 0 } else { 2 };
    vec((0..zones.max(1), any::<bool>(), vec(0..3_u8, N.len()), any::<bool>()), 0..=most)
        .prop_map(|drawn| {
            drawn
                .into_iter()
                .enumerate()
                .map(|(index, (zone, interface, ips, resource))| GatewayConfig {
                    name: format!("nat-{index}"),
                    zone: ZONE_NAMES[zone].to_string(),
                    interface_ids: if interface {
                        vec![format!("eni-nat-{}", index + 1)]
                    } else {
                        Vec::new()
                    },
                    private_ips: N
                        .iter()
                        .zip(ips)
                        .filter(|(_, owner)| usize::from(*owner) == index + 1)
                        .map(|(ip, _)| (*ip).to_string())
                        .collect(),
                    resource_ids: if resource { vec![format!("nat-{}", index + 1)] } else { Vec::new() },
                })
                .collect::<Vec<_>>()
        })
        .prop_map(|mut gateways| {
            // An address belongs to one gateway.
            let mut seen = std::collections::BTreeSet::new();
            for gateway in &mut gateways {
                gateway.private_ips.retain(|ip| seen.insert(ip.clone()));
            }
            gateways
        })
}

fn prices() -> impl Strategy<Value = BTreeMap<&'static str, u64>> {
    const CHARGES: [&str; 5] = ["inter_az", "inter_region", "nat_processing", "nat_hop", "internet_egress"];
    vec(prop_oneof![1 => Just(None), 6 => (1..200_000_000_u64).prop_map(Some)], CHARGES.len()).prop_map(
        |prices| {
            CHARGES
                .into_iter()
                .zip(prices)
                .filter_map(|(charge, price)| price.map(|price| (charge, price)))
                .collect()
        },
    )
}

fn no_charge() -> impl Strategy<Value = Vec<(&'static str, Vec<String>)>> {
    let charge = select(vec!["inter_az", "inter_region", "nat_processing", "nat_hop", "internet_egress"]);
    let cidr = select(vec!["10.0.1.0/24", "10.0.2.200/32", "203.0.113.0/24", "2001:db8::/32", "10.0.0.0/8"]);
    vec((charge, vec(cidr.prop_map(ToString::to_string), 1..3)), 0..3)
}

/// A valid configuration.
pub(crate) fn config() -> impl Strategy<Value = OracleConfig> {
    let groups = select(vec![
        vec![],
        vec![("loki".to_string(), vec![(4101, 4107)])],
        vec![
            ("loki".to_string(), vec![(4101, 4101), (4102, 4107)]),
            ("gateway".to_string(), vec![(4080, 4080), (0, 0), (65_535, 65_535)]),
        ],
    ]);
    let choices = (
        select(vec!["either", "destination"]),
        select(vec!["auto", "every", "sender"]),
        any::<bool>(),
        select(vec![1_u64 << 30, 1_000_000_000]),
        prop_oneof![1 => 0..3_u64, 4 => Just(1_000)],
    );
    zones().prop_flat_map(move |zones| {
        let gateways = gateways(zones.len());
        (Just(zones), gateways, groups.clone(), choices.clone(), prices(), no_charge()).prop_map(
            |(zones, gateways, port_groups, choices, prices, no_charge)| OracleConfig {
                source_region: TOKYO.to_string(),
                zones,
                gateways,
                port_groups,
                port_match: choices.0,
                vantage: choices.1,
                rejected: choices.2,
                no_charge,
                prices,
                bytes_per_gb: choices.3,
                bad_rows_per_object: choices.4,
            },
        )
    })
}
