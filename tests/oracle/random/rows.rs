//! Random rows: of hosts that behave, and of cells that do not belong together.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{ACCOUNTS, AZ_IDS, HOSTS, N, NAT_INTERFACES, VPCS, chance, word};
use crate::oracle::{
    Row,
    cases::{GIB, MIDNIGHT, START},
};

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
    "198.19.7.7",
    "2001:db8:a::1",
    "fd00:a::1",
    "2600:1f00:0:100::1",
    "2600:1f00:0:1ff::2",
];
const REMOTES: [&str; 9] = [
    "203.0.113.5",
    "203.0.113.200",
    "198.51.100.9",
    "8.8.8.8",
    "2001:db8:b::1",
    "2600:1f00::1",
    "::ffff:203.0.113.5",
    "64:ff9b::203.0.113.5",
    "64:ff9b::10.0.9.9",
];
const ODD: [&str; 22] = [
    "0.0.0.0",
    "0.0.0.1",
    "255.255.255.255",
    "127.0.0.1",
    "169.254.1.1",
    "100.64.0.1",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "198.17.255.255",
    "224.0.0.1",
    "240.0.0.1",
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "fc00::1",
    "::ffff:10.0.1.10",
    "::10.0.1.10",
    "::ffff:0.0.0.0",
    "64:ff9b:1::1",
];
const GARBAGE: [&str; 4] = ["host", "10.0.0.256", "10.0.1.0/24", "fe80::1%eth0"];
const NULLS: [&str; 2] = ["-", ""];
const RESOURCES: [&str; 4] = ["nat-0", "nat-1", "nat-9", "tgw-1"];
const TYPES: [&str; 7] = [
    "nat_gateway",
    "regional_nat_gateway",
    "transit_gateway",
    "network_load_balancer",
    "vpc_endpoint",
    "gateway_load_balancer_endpoint",
    "lambda",
];
const ODD_AZ_IDS: [&str; 4] = ["aws", "unknown", "aws:us-east-1", "euw1-az2"];

/// Nulls of all three kinds with `nulls` parts in 10, else a word of the pool.
fn cell(nulls: u32, pool: &'static [&'static str]) -> BoxedStrategy<Option<String>> {
    prop_oneof![
        nulls.div_ceil(2) => Just(None),
        (nulls / 2).max(1) => word(&NULLS).prop_map(Some),
        10 - nulls => word(pool).prop_map(Some),
    ]
    .boxed()
}

/// A network interface: its addresses, and what its records always say.
#[derive(Debug, Clone)]
struct Host {
    interface_id: Option<String>,
    primary: String,
    pod: String,
    az_id: Option<String>,
    vpc_id: Option<String>,
    instance_id: Option<String>,
    account_id: Option<String>,
    interface_type: Option<String>,
}

fn host() -> impl Strategy<Value = Host> {
    let ids = (
        prop_oneof![8 => word(&HOSTS).prop_map(Some), 1 => word(&NAT_INTERFACES).prop_map(Some), 1 => Just(None)],
        prop_oneof![12 => word(&AZ_IDS).prop_map(Some), 1 => word(&ODD_AZ_IDS).prop_map(Some), 2 => Just(None),
            1 => Just(Some("z".repeat(128))), 1 => Just(Some("z".repeat(129)))],
        cell(2, &VPCS),
        cell(5, &["i-1", "i-2"]),
        cell(3, &ACCOUNTS),
        cell(7, &TYPES),
    );
    // Some have public addresses of their own, or pass on what others send.
    let address = || prop_oneof![12 => word(&CLIENTS), 1 => word(&REMOTES[..4])];
    (ids, address(), address(), chance(6)).prop_map(|(ids, primary, pod, plain)| Host {
        interface_id: ids.0,
        pod: if plain { primary.clone() } else { pod },
        primary,
        az_id: ids.1,
        vpc_id: ids.2,
        instance_id: ids.3,
        account_id: ids.4,
        interface_type: ids.5,
    })
}

/// srcaddr, dstaddr, pkt_srcaddr, pkt_dstaddr, flow_direction.
type Path = (Option<String>, Option<String>, Option<String>, Option<String>, Option<String>);

fn direction() -> BoxedStrategy<Option<String>> {
    prop_oneof![
        6 => Just(Some("egress".to_string())),
        6 => Just(Some("ingress".to_string())),
        2 => Just(None),
        1 => select(vec!["-", "", "sideways"]).prop_map(|word| Some(word.to_string())),
    ]
    .boxed()
}

fn address() -> BoxedStrategy<String> {
    prop_oneof![60 => word(&CLIENTS), 25 => word(&REMOTES), 20 => word(&N), 10 => word(&ODD), 1 => word(&GARBAGE)]
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

/// Addresses at random, and the legs of a NAT gateway.
fn path() -> BoxedStrategy<Path> {
    let independent = (address_cell(1), address_cell(1), address_cell(8), address_cell(8), direction());
    let leg =
        (0..4_usize, word(&CLIENTS), word(&N), word(&REMOTES), direction(), any::<bool>(), any::<bool>())
            .prop_map(|(leg, client, n, remote, way, keep_src, keep_dst)| {
                let (way_of_leg, src, dst, pkt_src, pkt_dst) = leg_of(leg, client, n, remote);
                let way = if way.is_some() { Some(way_of_leg.to_string()) } else { None };
                let keep = |keep, text| if keep { Some(text) } else { None };
                (Some(src), Some(dst), keep(keep_src, pkt_src), keep(keep_dst, pkt_dst), way)
            });
    prop_oneof![3 => independent, 4 => leg].boxed()
}

fn port() -> BoxedStrategy<Option<i64>> {
    prop_oneof![
        60 => select(vec![4101_i64, 4102, 4080, 443, 40_000, 0, 65_535]).prop_map(Some),
        4 => Just(None),
        1 => select(vec![-1_i64, 65_536, 70_000]).prop_map(Some),
    ]
    .boxed()
}

fn amount(huge: bool) -> BoxedStrategy<Option<i64>> {
    let some = prop_oneof![
        4 => 0..2_000_i64,
        2 => select(vec![53, 54, GIB, GIB / 2 + 1, 3 * GIB]),
        1 => 0..(1_i64 << 45),
    ];
    let odd = select(vec![None, Some(-1), Some(-GIB)]);
    let large = select(vec![i64::MAX, i64::MAX - 1, i64::MAX / 2, 1 << 62]);
    if huge {
        prop_oneof![120 => some.prop_map(Some), 1 => odd, 2 => large.prop_map(Some)].boxed()
    } else {
        prop_oneof![80 => some.prop_map(Some), 1 => odd].boxed()
    }
}

fn moment() -> BoxedStrategy<Option<i64>> {
    const DAY: i64 = 24 * 3600;
    prop_oneof![
        12 => (START - 7200..START + 7200).prop_map(Some),
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

/// Everything of a row but its addresses and whose it is.
fn rest(huge: bool) -> impl Strategy<Value = Row> {
    let next_hop = (cell(8, &["eni-1", "eni-nat-0", "eni-fw"]), cell(8, &TYPES), cell(6, &AZ_IDS));
    let services = (cell(9, &["S3", "EC2", "AMAZON"]), cell(9, &["S3", "EC2", "DYNAMODB"]));
    let words = (
        prop_oneof![8 => Just(Some("ACCEPT".to_string())), 3 => cell(3, &["REJECT", "MAYBE"])],
        prop_oneof![
            30 => Just(Some("OK".to_string())),
            2 => cell(7, &["OK", "FINE"]),
            1 => cell(1, &["NODATA", "SKIPDATA"]),
        ],
    );
    let numbers = (port(), port(), amount(huge), amount(huge), moment(), moment());
    let traffic_path = option::of(select(vec![0_i64, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9]));
    let unreadable = (0..60_u8, select(&crate::oracle::NUMBERS[..]));
    (next_hop, services, words, numbers, traffic_path, 0..40_u8, unreadable).prop_map(
        |(next_hop, services, words, numbers, traffic_path, silence, unreadable)| {
            let mut row = Row {
                next_hop_interface_id: next_hop.0,
                next_hop_interface_type: next_hop.1,
                next_hop_az_id: next_hop.2,
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
                ..Row::default()
            };
            if unreadable.0 == 0 {
                row.unreadable.insert(unreadable.1);
            }
            if silence == 39 {
                // As AWS writes NODATA.
                (row.bytes, row.packets) = (None, None);
            }
            row
        },
    )
}

/// What a host logs of a flow with another host, or with anything else.
fn by_host(hosts: Vec<Host>, huge: bool) -> impl Strategy<Value = Row> {
    let hosts = (select(hosts.clone()), select(hosts), address());
    (hosts, direction(), 0..10_u8, rest(huge)).prop_map(|((own, other, stranger), way, kind, mut row)| {
        let far = if kind < 6 { other.pod } else { stranger.clone() };
        // Sometimes it passes on what somebody else sent.
        let pkt = if kind == 9 { stranger } else { own.pod };
        let egress = way.as_deref() == Some("egress");
        let (src, dst) = ((own.primary, pkt), (far.clone(), far));
        let (src, dst) = if egress { (src, dst) } else { (dst, src) };
        (row.srcaddr, row.pkt_srcaddr) = (Some(src.0), Some(src.1));
        (row.dstaddr, row.pkt_dstaddr) = (Some(dst.0), Some(dst.1));
        row.flow_direction = way;
        row.interface_id = own.interface_id;
        row.instance_id = own.instance_id;
        row.account_id = own.account_id;
        row.vpc_id = own.vpc_id;
        row.interface_type = own.interface_type;
        row.az_id = own.az_id;
        silenced(row)
    })
}

/// Cells that need not belong together.
fn by_nobody(huge: bool) -> impl Strategy<Value = Row> {
    let ids = (
        prop_oneof![3 => cell(4, &HOSTS), 2 => cell(2, &NAT_INTERFACES)],
        cell(8, &RESOURCES),
        cell(6, &TYPES),
        cell(4, &AZ_IDS),
        cell(6, &["i-1", "i-2"]),
        cell(5, &ACCOUNTS),
        cell(3, &VPCS),
    );
    (ids, path(), rest(huge)).prop_map(|(ids, path, row)| {
        silenced(Row {
            interface_id: ids.0,
            resource_id: ids.1,
            interface_type: ids.2,
            az_id: ids.3,
            instance_id: ids.4,
            account_id: ids.5,
            vpc_id: ids.6,
            srcaddr: path.0,
            dstaddr: path.1,
            pkt_srcaddr: path.2,
            pkt_dstaddr: path.3,
            flow_direction: path.4,
            ..row
        })
    })
}

/// A NAT gateway, or something that looks like one: its addresses, and what its records always say.
#[derive(Debug, Clone)]
struct Gateway {
    interface_id: Option<String>,
    resource_id: Option<String>,
    interface_type: Option<String>,
    addresses: Vec<String>,
    az_id: Option<String>,
    vpc_id: Option<String>,
    packets: bool,
    directions: bool,
    /// The remotes of a private one are private.
    private: bool,
}

fn gateway() -> impl Strategy<Value = Gateway> {
    let ids = (
        prop_oneof![6 => word(&NAT_INTERFACES).prop_map(Some), 1 => word(&HOSTS).prop_map(Some), 2 => Just(None)],
        cell(8, &RESOURCES),
        prop_oneof![4 => word(&TYPES[..1]).prop_map(Some), 3 => Just(None), 1 => word(&TYPES).prop_map(Some)],
        cell(3, &AZ_IDS),
        cell(3, &VPCS),
    );
    let flags = (any::<bool>(), chance(7), chance(4));
    (ids, vec(word(&N), 1..3), flags).prop_map(|(ids, addresses, flags)| Gateway {
        interface_id: ids.0,
        resource_id: ids.1,
        interface_type: ids.2,
        addresses,
        az_id: ids.3,
        vpc_id: ids.4,
        packets: flags.0,
        directions: flags.1,
        private: flags.2,
    })
}

/// A leg of a connection through a NAT gateway, as the gateway logs it.
fn by_gateway(gateways: Vec<Gateway>, huge: bool) -> impl Strategy<Value = Row> {
    let ends = (word(&CLIENTS), prop_oneof![4 => word(&REMOTES), 1 => word(&ODD)], word(&CLIENTS));
    (select(gateways), ends, any::<bool>(), 0..4_usize, rest(huge)).prop_map(
        |(gateway, (client, remote, private_remote), second, leg, row)| {
            let n = gateway.addresses[usize::from(second) % gateway.addresses.len()].clone();
            let remote = if gateway.private { private_remote } else { remote };
            let (way, src, dst, pkt_src, pkt_dst) = leg_of(leg, client, n, remote);
            let packet = |text| gateway.packets.then_some(text);
            silenced(Row {
                srcaddr: Some(src),
                dstaddr: Some(dst),
                pkt_srcaddr: packet(pkt_src),
                pkt_dstaddr: packet(pkt_dst),
                flow_direction: gateway.directions.then(|| way.to_string()),
                interface_id: gateway.interface_id,
                resource_id: gateway.resource_id,
                interface_type: gateway.interface_type,
                az_id: gateway.az_id,
                vpc_id: gateway.vpc_id,
                ..row
            })
        },
    )
}

/// Direction, srcaddr, dstaddr, pkt_srcaddr, pkt_dstaddr.
fn leg_of(
    leg: usize,
    client: String,
    n: String,
    remote: String,
) -> (&'static str, String, String, String, String) {
    match leg {
        0 => ("ingress", client.clone(), n, client, remote),
        1 => ("egress", n.clone(), remote.clone(), n, remote),
        2 => ("ingress", remote.clone(), n.clone(), remote, n),
        _ => ("egress", n, client.clone(), remote, client),
    }
}

/// AWS writes no addresses where it writes neither bytes nor packets.
fn silenced(mut row: Row) -> Row {
    if row.bytes.is_none() && row.packets.is_none() {
        row.srcaddr = Some("-".to_string());
        row.dstaddr = Some("-".to_string());
        (row.pkt_srcaddr, row.pkt_dstaddr) = (None, None);
    }
    row
}

/// Up to `most` rows of a few hosts, of NAT gateways and of nobody.
pub(super) fn rows(most: usize, huge: bool) -> impl Strategy<Value = Vec<Row>> {
    (vec(host(), 1..5), vec(gateway(), 1..3)).prop_flat_map(move |(hosts, gateways)| {
        let row = prop_oneof![
            6 => by_host(hosts, huge),
            2 => by_gateway(gateways, huge),
            3 => by_nobody(huge),
        ];
        vec(row, 0..=most)
    })
}
