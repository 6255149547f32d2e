//! Ways to the internet and to other regions: NAT gateways and instances, IPv6, public load
//! balancers, Local Zones, VPNs. 100 GiB each, at the list prices of us-east-1.

use super::{
    bill::{TWO_ZONES, and},
    written::page,
    *,
};

pub(super) fn cases() -> Vec<Case> {
    [gateway(), gateway_version_2(), hop(), private_gateway(), instance(), other_ways(), regions(), vpn()]
        .into_iter()
        .flatten()
        .collect()
}

fn with_gateway(rest: &str) -> String {
    and(TWO_ZONES, &format!("[[nat_gateway]]\nname = \"n\"\nzone = \"a\"\n{rest}\n"))
}

/// The client's record, and two of the gateway's. 10.0.1.220 is the gateway.
const UP: &str = "
    interface_id interface_type next_hop_interface_type srcaddr    dstaddr     pkt_srcaddr pkt_dstaddr flow_direction
    eni-1        -              nat_gateway             10.0.1.10  203.0.113.5 10.0.1.10   203.0.113.5 egress
    eni-nat      nat_gateway    -                       10.0.1.10  10.0.1.220  10.0.1.10   203.0.113.5 ingress
    eni-nat      nat_gateway    -                       10.0.1.220 203.0.113.5 10.0.1.220  203.0.113.5 egress
";
const UP_BILL: &str = "
    counted 2
    nat_public_leg 1
    a -> internet: 100 GiB
    a -> internet out: 100 GiB
    nat_processing 100 GiB 4.50
    internet_egress 100 GiB 9.00
";
/// The same where the client's record does not say which way it goes.
const UP_DOUBT: &str = "
    counted 2
    nat_public_leg 1
    a -> internet: 100 GiB
    a -> internet out: 100 GiB
    nat_processing 100 GiB 4.50
    internet_egress 100 GiB 9.00
    doubt egress_path 100 GiB
";

fn gateway() -> Vec<Case> {
    let regional = "
        interface_id resource_id srcaddr    dstaddr     pkt_srcaddr pkt_dstaddr flow_direction
        eni-1        -           10.0.1.10  203.0.113.5 10.0.1.10   203.0.113.5 egress
        -            nat-0abc    10.0.1.10  203.0.113.5 10.0.1.10   203.0.113.5 ingress
        -            nat-0abc    52.1.1.1   203.0.113.5 52.1.1.1    203.0.113.5 egress
        ";
    vec![
        page("up through a NAT gateway that nobody configured, version 11", TWO_ZONES, UP, UP_BILL),
        page("up through a NAT gateway that nobody configured, no next hop", TWO_ZONES, UP, UP_DOUBT)
            .without(&["next_hop_interface_type"]),
        page(
            "up through a NAT gateway that is configured, version 5",
            &with_gateway("interface_ids = [\"eni-nat\"]"),
            UP,
            UP_DOUBT,
        )
        .without(&["interface_type", "next_hop_interface_type"]),
        page(
            "up through a NAT gateway by its address, version 5",
            &with_gateway("private_ips = [\"10.0.1.220\"]"),
            UP,
            UP_DOUBT,
        )
        .without(&["interface_type", "next_hop_interface_type"]),
        // Nothing here is NAT's: the gateway looks like a host that forwards. Its first record
        // shows a public packet destination, and the client's and its own way up are both charged.
        page(
            "up through a NAT gateway that nobody configured, version 5",
            TWO_ZONES,
            UP,
            "
            counted 2
            other_side 1
            a -> internet: 200 GiB
            internet_egress 200 GiB 18.00
            doubt egress_path 200 GiB
            contradiction forwarder 1
            ",
        )
        .without(&["interface_type", "next_hop_interface_type"]),
        page("up through a regional NAT gateway that nobody configured", TWO_ZONES, regional, UP_DOUBT),
        page(
            "up through a regional NAT gateway that is configured",
            &with_gateway("resource_ids = [\"nat-0abc\"]"),
            regional,
            UP_DOUBT,
        ),
        page(
            "up through a regional NAT gateway, version 11",
            TWO_ZONES,
            "
            interface_id interface_type       next_hop_interface_type srcaddr    dstaddr     flow_direction
            eni-1        -                    regional_nat_gateway    10.0.1.10  203.0.113.5 egress
            -            regional_nat_gateway -                       10.0.1.10  203.0.113.5 ingress
            -            regional_nat_gateway -                       52.1.1.1   203.0.113.5 egress
            ",
            UP_BILL,
        ),
        page("up through a regional NAT gateway, no direction", TWO_ZONES, regional, UP_DOUBT)
            .without(&["flow_direction"]),
        page(
            "down through a regional NAT gateway",
            TWO_ZONES,
            "
            interface_id resource_id srcaddr     dstaddr    flow_direction
            -            nat-0abc    203.0.113.5 52.1.1.1   ingress
            -            nat-0abc    203.0.113.5 10.0.2.10  egress
            eni-2        -           203.0.113.5 10.0.2.10  ingress
            ",
            "
            counted 2
            nat_public_leg 1
            internet -> b in: 100 GiB
            internet -> b: 100 GiB
            nat_processing 100 GiB 4.50
            ",
        ),
        // The own IPv6 side in the object makes the whole /56 inside.
        page(
            "a regional NAT gateway, an IPv6 client outside the networks",
            TWO_ZONES,
            "
            interface_id resource_id srcaddr              dstaddr              flow_direction
            eni-1        -           2600:1f00:1:100::10  2600:1f00:1:101::10  egress
            -            nat-0abc    2600:1f00:1:1aa::10  2606:4700::1111      ingress
            ",
            "
            counted 2
            unknown -> unknown: 100 GiB
            unknown -> internet out: 100 GiB
            nat_processing 100 GiB 4.50
            internet_egress 100 GiB 9.00
            doubt unknown_zone 100 GiB
            contradiction outside_networks 1
            ",
        ),
        page(
            "a gateway's interface of another account: ids hold everywhere",
            &with_gateway("interface_ids = [\"eni-nat\"]\naccounts = [\"444455556666\"]"),
            UP,
            UP_DOUBT,
        )
        .without(&["interface_type", "next_hop_interface_type"]),
    ]
}

/// Packet addresses are not there: the far side of a client's leg is the gateway itself.
fn gateway_version_2() -> Vec<Case> {
    let version_2 =
        ["interface_type", "next_hop_interface_type", "pkt_srcaddr", "pkt_dstaddr", "flow_direction"];
    vec![
        // Both the client's record and the gateway's look like internet egress.
        page(
            "up through a NAT gateway that nobody configured, version 2",
            TWO_ZONES,
            UP,
            "
            counted 3
            a -> internet: 200 GiB
            a -> a: 100 GiB
            internet_egress 200 GiB 18.00
            doubt egress_path 200 GiB
            ",
        )
        .without(&version_2),
        page(
            "up through a NAT gateway that is configured, version 2",
            &with_gateway("interface_ids = [\"eni-nat\"]\nprivate_ips = [\"10.0.1.220\"]"),
            UP,
            "
            counted 2
            nat_public_leg 1
            a -> internet: 100 GiB
            a -> a out: 100 GiB
            nat_processing 100 GiB 4.50
            doubt egress_path 100 GiB
            ",
        )
        .without(&version_2),
        // 10.0.1.220 is in every record of the interface, and in no other both.
        page(
            "up through a NAT gateway by its interface, version 2",
            &with_gateway("interface_ids = [\"eni-nat\"]"),
            UP,
            "
            counted 2
            nat_public_leg 1
            a -> internet: 100 GiB
            a -> a out: 100 GiB
            nat_processing 100 GiB 4.50
            doubt egress_path 100 GiB
            ",
        )
        .without(&version_2),
    ]
}

/// The hop between the client's AZ and the gateway's (semantics 6.5 and 3.10).
fn hop() -> Vec<Case> {
    let gateway = with_gateway("interface_ids = [\"eni-nat\"]\nprivate_ips = [\"10.0.1.220\"]");
    // The client's VPC is known by its own record.
    let vpcs = "
        interface_id vpc_id srcaddr    dstaddr     pkt_srcaddr pkt_dstaddr flow_direction traffic_path
        eni-2        vpc-b  10.0.2.10  203.0.113.5 10.0.2.10   203.0.113.5 egress         1
        eni-nat      vpc-a  10.0.2.10  10.0.1.220  10.0.2.10   203.0.113.5 ingress        -
        ";
    let hopping = "
        counted 2
        b -> internet: 100 GiB
        b -> internet out: 100 GiB
        nat_processing 100 GiB 4.50
        internet_egress 100 GiB 9.00
        nat_hop 100 GiB 1.00
        ";
    let none = "
        counted 2
        b -> internet: 100 GiB
        b -> internet out: 100 GiB
        nat_processing 100 GiB 4.50
        internet_egress 100 GiB 9.00
        ";
    vec![
        page("a hop to the gateway, nobody says which VPC", &gateway, vpcs, hopping).without(&["vpc_id"]),
        page("no hop to a gateway in another VPC", &gateway, vpcs, none),
        page(
            "a hop to a gateway in the same VPC",
            &gateway,
            "
            interface_id vpc_id srcaddr    dstaddr     pkt_srcaddr pkt_dstaddr flow_direction traffic_path
            eni-2        vpc-a  10.0.2.10  203.0.113.5 10.0.2.10   203.0.113.5 egress         1
            eni-nat      vpc-a  10.0.2.10  10.0.1.220  10.0.2.10   203.0.113.5 ingress        -
            ",
            hopping,
        ),
        page(
            "no hop from a gateway through a transit gateway",
            &gateway,
            "
            interface_id srcaddr     dstaddr    pkt_srcaddr pkt_dstaddr flow_direction next_hop_interface_type
            eni-nat      10.0.1.220  10.0.2.10  203.0.113.5 10.0.2.10   egress         transit_gateway
            ",
            "
            counted 1
            internet -> b in: 100 GiB
            nat_processing 100 GiB 4.50
            ",
        ),
        page(
            "a hop to a gateway by its AZ id",
            "[[zone]]\nname = \"b\"\naz_id = \"use1-az2\"\ncidrs = [\"10.0.2.0/24\"]",
            "
            interface_id interface_type az_id    srcaddr    dstaddr     pkt_srcaddr pkt_dstaddr flow_direction
            eni-nat      nat_gateway    use1-az1 10.0.2.10  10.0.1.220  10.0.2.10   203.0.113.5 ingress
            ",
            "
            counted 1
            b -> internet out: 100 GiB
            nat_processing 100 GiB 4.50
            internet_egress 100 GiB 9.00
            nat_hop 100 GiB 1.00
            ",
        ),
        // AZ ids do not speak, and no zone has this one.
        page(
            "no hop to a gateway whose AZ id nobody knows",
            TWO_ZONES,
            "
            interface_id interface_type az_id    srcaddr    dstaddr     pkt_srcaddr pkt_dstaddr flow_direction
            eni-nat      nat_gateway    use1-az1 10.0.2.10  10.0.1.220  10.0.2.10   203.0.113.5 ingress
            ",
            "
            counted 1
            b -> internet out: 100 GiB
            nat_processing 100 GiB 4.50
            internet_egress 100 GiB 9.00
            ",
        ),
        // The zone of the gateway is a finer name in the client's AZ.
        page(
            "no hop to a gateway in a zone of the client's AZ",
            r#"
            [[zone]]
            name = "b"
            cidrs = ["10.0.2.0/24"]
            [[zone]]
            name = "public-b"
            in = "b"
            cidrs = ["10.0.1.0/24"]
            [[nat_gateway]]
            name = "n"
            zone = "public-b"
            interface_ids = ["eni-nat"]
            "#,
            "
            interface_id srcaddr    dstaddr     pkt_srcaddr pkt_dstaddr flow_direction
            eni-nat      10.0.2.10  10.0.1.220  10.0.2.10   203.0.113.5 ingress
            ",
            "
            counted 1
            b -> internet out: 100 GiB
            nat_processing 100 GiB 4.50
            internet_egress 100 GiB 9.00
            ",
        ),
    ]
}

/// A private NAT gateway: the remote is private as well.
fn private_gateway() -> Vec<Case> {
    let rows = "
        interface_id srcaddr      dstaddr      bytes
        eni-0nat     10.0.1.10    100.64.1.220 1GiB
        eni-0nat     100.64.1.220 192.168.7.7  1GiB
        eni-0nat     192.168.7.7  100.64.1.220 4GiB
        eni-0nat     100.64.1.220 10.0.1.10    4GiB
        ";
    let right = "
        counted 2
        nat_public_leg 2
        a -> unknown out: 1 GiB
        unknown -> a in: 4 GiB
        nat_processing 5 GiB 0.225
        ";
    let nowhere = "
        [[zone]]
        name = \"a\"
        az_id = \"use1-az1\"
        [[nat_gateway]]
        name = \"n\"
        zone = \"a\"
        interface_ids = [\"eni-0nat\"]
        private_ips = [\"100.64.1.220\"]
        ";
    // Both ends are inside, and every leg may be a client's.
    let doubtful = "
        counted 4
        unknown -> unknown out: 5 GiB
        unknown -> unknown in: 5 GiB
        nat_processing 10 GiB 0.45
        doubt nat_leg 10 GiB
        ";
    vec![
        page(
            "a private NAT gateway, version 2",
            &with_gateway("interface_ids = [\"eni-0nat\"]\nprivate_ips = [\"100.64.1.220\"]"),
            rows,
            right,
        ),
        page(
            "a private NAT gateway, version 2, by its interface",
            &with_gateway("interface_ids = [\"eni-0nat\"]"),
            rows,
            right,
        ),
        page(
            "a private NAT gateway, version 2, by its address",
            &with_gateway("private_ips = [\"100.64.1.220\"]"),
            rows,
            right,
        ),
        page("a private NAT gateway, version 2, no networks", nowhere, rows, doubtful),
        page(
            "a private NAT gateway, version 2, an outside network only",
            &and(nowhere, "[[zone]]\nname = \"dc\"\noutside = true\ncidrs = [\"192.168.0.0/16\"]"),
            rows,
            "
            counted 4
            unknown -> unknown out: 1 GiB
            dc -> unknown out: 4 GiB
            unknown -> dc in: 1 GiB
            unknown -> unknown in: 4 GiB
            nat_processing 10 GiB 0.45
            doubt nat_leg 10 GiB
            ",
        ),
        // Both addresses are in every record: which is the gateway's is not known, nor the
        // direction.
        page(
            "a private NAT gateway, version 2, one record, by its interface",
            &with_gateway("interface_ids = [\"eni-0nat\"]"),
            "
            interface_id srcaddr      dstaddr      bytes
            eni-0nat     100.64.1.220 10.0.1.10    4GiB
            ",
            "
            counted 1
            unknown -> a out: 4 GiB
            nat_processing 4 GiB 0.18
            ",
        ),
        page(
            "a private NAT gateway, one record, by its interface: the direction tells",
            &with_gateway("interface_ids = [\"eni-0nat\"]"),
            "
            interface_id srcaddr      dstaddr      bytes flow_direction
            eni-0nat     100.64.1.220 10.0.1.10    4GiB  egress
            ",
            "
            counted 1
            unknown -> a in: 4 GiB
            nat_processing 4 GiB 0.18
            ",
        ),
        // One private IP is known, though not the one of these records: the others are not guessed.
        page(
            "a private NAT gateway, version 2, by another address",
            &with_gateway("interface_ids = [\"eni-0nat\"]\nprivate_ips = [\"10.0.1.99\"]"),
            "
            interface_id srcaddr      dstaddr      bytes
            eni-0nat     10.0.1.10    100.64.1.220 1GiB
            eni-0nat     100.64.1.220 10.0.1.11    4GiB
            ",
            "
            counted 2
            a -> unknown out: 1 GiB
            unknown -> a out: 4 GiB
            nat_processing 5 GiB 0.225
            ",
        ),
        page(
            "a NAT gateway, version 2, one record with a public end, by its interface",
            &with_gateway("interface_ids = [\"eni-0nat\"]"),
            "
            interface_id srcaddr      dstaddr
            eni-0nat     10.0.1.220   203.0.113.5
            ",
            "nat_public_leg 1",
        ),
        page(
            "a private NAT gateway with packet addresses",
            &with_gateway("interface_ids = [\"eni-0nat\"]\nprivate_ips = [\"100.64.1.220\"]"),
            "
            interface_id srcaddr      dstaddr      pkt_srcaddr  pkt_dstaddr  flow_direction bytes
            eni-0nat     10.0.1.10    100.64.1.220 10.0.1.10    192.168.7.7  ingress        1GiB
            eni-0nat     100.64.1.220 192.168.7.7  100.64.1.220 192.168.7.7  egress         1GiB
            eni-0nat     192.168.7.7  100.64.1.220 192.168.7.7  100.64.1.220 ingress        4GiB
            eni-0nat     100.64.1.220 10.0.1.10    192.168.7.7  10.0.1.10    egress         4GiB
            ",
            right,
        ),
    ]
}

/// A NAT instance at 10.0.1.20: 1 GiB out, 10 GiB in, as the client and the instance log it.
const INSTANCE: &str = "
    interface_id srcaddr     dstaddr     pkt_srcaddr pkt_dstaddr flow_direction traffic_path bytes
    eni-1        10.0.1.10   203.0.113.5 10.0.1.10   203.0.113.5 egress         1            1GiB
    eni-nat      10.0.1.10   10.0.1.20   10.0.1.10   203.0.113.5 ingress        -            1GiB
    eni-nat      10.0.1.20   203.0.113.5 10.0.1.20   203.0.113.5 egress         8            1GiB
    eni-nat      203.0.113.5 10.0.1.20   203.0.113.5 10.0.1.20   ingress        -            10GiB
    eni-nat      10.0.1.20   10.0.1.10   203.0.113.5 10.0.1.10   egress         1            10GiB
    eni-1        203.0.113.5 10.0.1.10   203.0.113.5 10.0.1.10   ingress        -            10GiB
";

fn instance() -> Vec<Case> {
    let forwarder = and(TWO_ZONES, "[[forwarder]]\nname = \"fck-nat\"\ninterface_ids = [\"eni-nat\"]\n");
    vec![
        page(
            "a NAT instance as a forwarder",
            &forwarder,
            INSTANCE,
            "
            counted 2
            other_side 4
            a -> internet: 1 GiB
            internet -> a: 10 GiB
            internet_egress 1 GiB 0.09
            ",
        ),
        // 12 GiB, and it shows.
        page(
            "a NAT instance that nobody configured",
            TWO_ZONES,
            INSTANCE,
            "
            counted 3
            other_side 3
            a -> internet: 2 GiB
            internet -> a: 10 GiB
            internet_egress 1 GiB 0.09
            doubt far_side 10 GiB
            contradiction forwarder 2
            ",
        ),
        page(
            "a NAT instance that nobody configured, with instance-id",
            TWO_ZONES,
            "
            interface_id instance_id srcaddr     dstaddr     pkt_srcaddr pkt_dstaddr flow_direction traffic_path bytes
            eni-nat      i-nat       203.0.113.5 10.0.1.20   203.0.113.5 10.0.1.20   ingress        -            10GiB
            eni-nat      i-nat       10.0.1.20   10.0.1.10   203.0.113.5 10.0.1.10   egress         1            10GiB
            ",
            "
            other_side 2
            doubt far_side 10 GiB
            contradiction forwarder 1
            ",
        ),
        // No record of the object shows that the interface forwards.
        page(
            "a NAT instance that nobody configured, one record",
            TWO_ZONES,
            "
            interface_id srcaddr     dstaddr     pkt_srcaddr pkt_dstaddr flow_direction bytes
            eni-nat      203.0.113.5 10.0.1.20   203.0.113.5 10.0.1.20   ingress        10GiB
            ",
            "
            counted 1
            internet -> a: 10 GiB
            ",
        ),
        page(
            "a NAT instance in its VPC",
            TWO_ZONES,
            "
            interface_id vpc_id srcaddr     dstaddr     pkt_srcaddr pkt_dstaddr flow_direction bytes
            eni-nat      vpc-a  203.0.113.5 10.0.1.20   203.0.113.5 10.0.1.20   ingress        10GiB
            eni-nat      vpc-a  10.0.1.20   10.0.1.10   203.0.113.5 10.0.1.10   egress         10GiB
            ",
            "
            other_side 2
            doubt far_side 10 GiB
            contradiction forwarder 1
            ",
        ),
        // Another interface in another VPC has its address: nothing is said of that one.
        page(
            "a NAT instance in another VPC",
            TWO_ZONES,
            "
            interface_id vpc_id srcaddr     dstaddr     pkt_srcaddr pkt_dstaddr flow_direction bytes
            eni-1        vpc-a  203.0.113.5 10.0.1.20   203.0.113.5 10.0.1.20   ingress        10GiB
            eni-nat      vpc-b  10.0.1.20   10.0.1.10   203.0.113.5 10.0.1.10   egress         1GiB
            ",
            "
            counted 1
            other_side 1
            internet -> a: 10 GiB
            contradiction forwarder 1
            ",
        ),
        page(
            "a NAT instance as a forwarder, no paths",
            &forwarder,
            INSTANCE,
            "
            counted 2
            other_side 4
            a -> internet: 1 GiB
            internet -> a: 10 GiB
            doubt egress_path 1 GiB
            ",
        )
        .without(&["traffic_path"]),
        page(
            "a NAT instance that nobody configured, no paths",
            TWO_ZONES,
            INSTANCE,
            "
            counted 3
            other_side 3
            a -> internet: 2 GiB
            internet -> a: 10 GiB
            internet_egress 2 GiB 0.18
            doubt egress_path 2 GiB
            doubt far_side 10 GiB
            contradiction forwarder 2
            ",
        )
        .without(&["traffic_path"]),
        page(
            "a NAT instance as a forwarder, every",
            &and(&forwarder, "[counting]\nvantage = \"every\""),
            INSTANCE,
            "
            counted 6
            a -> internet: 3 GiB
            internet -> a: 30 GiB
            internet_egress 1 GiB 0.09
            ",
        ),
    ]
}

fn other_ways() -> Vec<Case> {
    let gateway = with_gateway("interface_ids = [\"eni-nat\"]");
    let six = "
        interface_id srcaddr          dstaddr         flow_direction traffic_path
        eni-1        2001:db8:0:a::10 2606:4700::1111 egress         -
        ";
    let answer = "
        interface_id srcaddr   dstaddr     srcport dstport
        eni-alb      10.0.1.50 203.0.113.5 443     51000
        ";
    let charged = "
        counted 1
        a -> internet: 100 GiB
        internet_egress 100 GiB 9.00
        ";
    let doubtful = "
        counted 1
        a -> internet: 100 GiB
        doubt egress_path 100 GiB
        ";
    let public = |rest: &str| and(&gateway, rest);
    vec![
        page("IPv6 by an egress-only gateway beside a NAT gateway", &gateway, six, charged),
        page("IPv6 by an egress-only gateway beside a NAT gateway, no paths", &gateway, six, charged)
            .without(&["traffic_path"]),
        page("IPv6 by an egress-only gateway beside a NAT gateway, version 2", &gateway, six, charged)
            .without(&["traffic_path", "flow_direction"]),
        page(
            "IPv6 by an egress-only gateway, no zones",
            "",
            six,
            "
            counted 1
            unknown -> internet: 100 GiB
            internet_egress 100 GiB 9.00
            doubt unknown_zone 100 GiB
            ",
        ),
        // Neither end is known to be inside, though one of them is.
        page(
            "IPv6 without zones and direction",
            "",
            six,
            "
            counted 1
            internet -> internet: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        )
        .without(&["flow_direction"]),
        page(
            "IPv6 that comes in",
            &gateway,
            "
            interface_id srcaddr         dstaddr          flow_direction
            eni-1        2606:4700::1111 2001:db8:0:a::10 ingress
            ",
            "
            counted 1
            internet -> a: 100 GiB
            ",
        ),
        page("a public load balancer answers, a NAT gateway beside it", &gateway, answer, doubtful),
        page(
            "a public load balancer answers from public_cidrs",
            &public("[aws]\npublic_cidrs = [\"10.0.1.48/28\"]"),
            answer,
            charged,
        ),
        page(
            "a public load balancer answers from public_cidrs of another VPC",
            &public("[[aws.public]]\ncidrs = [\"10.0.1.48/28\"]\nvpc_ids = [\"vpc-b\"]"),
            answer,
            doubtful,
        ),
        page(
            "a public load balancer answers from public_cidrs of its VPC",
            &public("[[aws.public]]\ncidrs = [\"10.0.1.48/28\"]\nvpc_ids = [\"vpc-b\"]"),
            "
            vpc_id srcaddr   dstaddr     srcport dstport
            vpc-b  10.0.1.50 203.0.113.5 443     51000
            ",
            charged,
        ),
        page(
            "a public load balancer answers, no NAT gateway",
            TWO_ZONES,
            answer,
            "
            counted 1
            a -> internet: 100 GiB
            internet_egress 100 GiB 9.00
            doubt egress_path 100 GiB
            ",
        ),
        page(
            "a Local Zone, by its own internet gateway",
            &gateway,
            "
            srcaddr   dstaddr     flow_direction traffic_path
            10.0.1.50 203.0.113.5 egress         6
            ",
            charged,
        ),
        page(
            "an Outpost's local gateway, towards on-premises",
            &gateway,
            "
            srcaddr   dstaddr     flow_direction traffic_path
            10.0.1.50 192.168.7.7 egress         6
            ",
            "
            counted 1
            a -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "NAT64 to a private host",
            TWO_ZONES,
            "
            srcaddr          dstaddr            flow_direction traffic_path
            2001:db8:0:a::10 64:ff9b::10.0.9.9  egress         -
            ",
            "
            counted 1
            a -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "NAT64 to a pod of another zone",
            TWO_ZONES,
            "
            srcaddr          dstaddr             flow_direction traffic_path
            2001:db8:0:a::10 64:ff9b::10.0.2.10  egress         -
            ",
            "
            counted 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "NAT64 to the internet beside a NAT gateway",
            &gateway,
            "
            srcaddr          dstaddr                flow_direction traffic_path
            2001:db8:0:a::10 64:ff9b::203.0.113.5   egress         -
            ",
            doubtful,
        ),
    ]
}

fn regions() -> Vec<Case> {
    let two = r#"
        [[zone]]
        name = "a"
        cidrs = ["10.0.1.0/24"]
        [[zone]]
        name = "x"
        region = "eu-west-1"
        cidrs = ["10.9.0.0/16"]
        [prices]
        inter_region = 0.02
        "#;
    let rows = "
        interface_id srcaddr   dstaddr
        eni-1        10.0.1.10 10.9.0.10
        ";
    let egress = |key: &str| {
        page(
            &format!("one bucket, two regions: {key}"),
            &and(TWO_ZONES, &format!("[key]\naccount = \"111122223333\"\nregion = \"{key}\"")),
            "
            srcaddr   dstaddr     flow_direction traffic_path
            10.0.1.10 203.0.113.5 egress         8
            ",
            match key {
                "us-east-1" => {
                    "
                    counted 1
                    a -> internet: 100 GiB
                    internet_egress 100 GiB 9.00
                    "
                }
                "sa-east-1" => {
                    "
                    counted 1
                    a -> internet: 100 GiB
                    internet_egress 100 GiB 15.00
                    "
                }
                _ => {
                    "
                    counted 1
                    a -> internet: 100 GiB
                    unpriced internet_egress 100 GiB
                    "
                }
            },
        )
    };
    vec![
        egress("us-east-1"),
        egress("sa-east-1"),
        egress("cn-north-1"),
        page(
            "one region's prices for all",
            &and(TWO_ZONES, "[key]\nregion = \"sa-east-1\"\n[prices]\nregion = \"us-east-1\""),
            "
            srcaddr   dstaddr     flow_direction traffic_path
            10.0.1.10 203.0.113.5 egress         8
            ",
            "
            counted 1
            a -> internet: 100 GiB
            internet_egress 100 GiB 9.00
            ",
        ),
        page(
            "a region's own price before the general one",
            &and(
                TWO_ZONES,
                "[prices]\ninternet_egress = 0.05\n[prices.regions.us-east-1]\ninternet_egress = 0.04",
            ),
            "
            srcaddr   dstaddr     flow_direction traffic_path
            10.0.1.10 203.0.113.5 egress         8
            ",
            "
            counted 1
            a -> internet: 100 GiB
            internet_egress 100 GiB 4.00
            ",
        ),
        page(
            "two regions, version 2, the sender's object",
            two,
            rows,
            "
            counted 1
            a -> x: 100 GiB
            relation a -> x: inter-region a x
            inter_region 100 GiB 2.00
            ",
        ),
        page(
            "two regions, version 2, the receiver's object",
            &and("[key]\nregion = \"eu-west-1\"", two),
            rows,
            "
            counted 1
            a -> x: 100 GiB
            ",
        ),
        page(
            "two regions, replies, the sender's object",
            &and("[key]\nregion = \"eu-west-1\"", two),
            "
            srcaddr   dstaddr
            10.9.0.10 10.0.1.10
            ",
            "
            counted 1
            x -> a: 100 GiB
            inter_region 100 GiB 2.00
            ",
        ),
        page(
            "two regions, without a price",
            &two.replace("inter_region", "nat_hop"),
            rows,
            "
            counted 1
            a -> x: 100 GiB
            unpriced inter_region 100 GiB
            ",
        ),
        page(
            "two regions, peered",
            two,
            "
            srcaddr   dstaddr   flow_direction traffic_path
            10.0.1.10 10.9.0.10 egress         5
            ",
            "
            counted 1
            a -> x: 100 GiB
            inter_region 100 GiB 2.00
            ",
        ),
        // Peered within a region, says the log.
        page(
            "two regions, an odd path",
            two,
            "
            srcaddr   dstaddr   flow_direction traffic_path
            10.0.1.10 10.9.0.10 egress         4
            10.0.1.10 10.0.1.11 egress         5
            ",
            "
            counted 2
            a -> x: 100 GiB
            a -> a: 100 GiB
            inter_region 100 GiB 2.00
            contradiction path 2
            ",
        ),
        page(
            "two regions, rejected: nothing is charged, and no path is odd",
            two,
            "
            srcaddr   dstaddr   flow_direction traffic_path action
            10.0.1.10 10.9.0.10 egress         4            REJECT
            10.0.1.10 10.0.1.11 egress         5            REJECT
            ",
            "rejected 2",
        ),
    ]
}

/// A virtual private gateway (semantics 6.15).
fn vpn() -> Vec<Case> {
    let outside = and(TWO_ZONES, "[[zone]]\nname = \"dc\"\noutside = true\ncidrs = [\"192.168.0.0/16\"]\n");
    let rows = "
        srcaddr   dstaddr     flow_direction traffic_path
        10.0.1.10 192.168.7.7 egress         3
        ";
    vec![
        page(
            "a VPN to on-premises",
            &outside,
            rows,
            "
            counted 1
            a -> dc: 100 GiB
            relation a -> dc: unknown a -
            unpriced vpn_egress 100 GiB
            ",
        ),
        page(
            "a VPN to on-premises, priced",
            &and(&outside, "[prices]\nvpn_egress = 0.05"),
            rows,
            "
            counted 1
            a -> dc: 100 GiB
            vpn_egress 100 GiB 5.00
            ",
        ),
        page(
            "Direct Connect to on-premises",
            &and(
                &outside,
                "[aws]\ngateway_path = \"direct_connect\"\n[prices]\ndirect_connect_egress = 0.02",
            ),
            rows,
            "
            counted 1
            a -> dc: 100 GiB
            direct_connect_egress 100 GiB 2.00
            ",
        ),
        page(
            "a VPN to an address that no zone has",
            TWO_ZONES,
            rows,
            "
            counted 1
            a -> unknown: 100 GiB
            unpriced vpn_egress 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "a VPN from on-premises",
            &outside,
            "
            srcaddr     dstaddr   flow_direction traffic_path
            192.168.7.7 10.0.1.10 ingress        -
            ",
            "
            counted 1
            dc -> a: 100 GiB
            ",
        ),
        page(
            "path 3 between two AZs: no VPN",
            TWO_ZONES,
            "
            srcaddr   dstaddr   flow_direction traffic_path
            10.0.1.10 10.0.2.10 egress         3
            ",
            "
            counted 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        // Not inter-AZ, not inter-region, whatever the region of the key.
        page(
            "on-premises without a VPN's path",
            &and(&outside, "[key]\nregion = \"sa-east-1\""),
            "
            srcaddr   dstaddr     flow_direction traffic_path
            10.0.1.10 192.168.7.7 egress         1
            ",
            "
            counted 1
            a -> dc: 100 GiB
            ",
        ),
    ]
}
