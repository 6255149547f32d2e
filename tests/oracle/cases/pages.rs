//! Small inputs that went wrong once, each standing for a kind.

use super::{written::page, *};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        page(
            "a pod as a zone",
            r#"
            [[zone]]
            name = "1c"
            az_id = "use1-az3"
            cidrs = ["10.0.130.0/24"]
            [[zone]]
            name = "loki-read-0"
            in = "1c"
            cidrs = ["10.0.130.18/32"]
            "#,
            "
            srcaddr     dstaddr     dstport flow_direction bytes
            10.0.130.18 10.0.130.77 4101    egress         1GiB
            ",
            "
            counted 1
            loki-read-0 -> 1c: 1 GiB
            ",
        ),
        // Records of VPC Block Public Access have no bytes.
        page(
            "a REJECT without bytes",
            r#"
            [[zone]]
            name = "a"
            cidrs = ["10.0.0.0/24"]
            [[zone]]
            name = "b"
            cidrs = ["10.0.1.0/24"]
            "#,
            "
            interface_id srcaddr      dstaddr   flow_direction action bytes
            eni-01       10.0.0.10    10.0.1.20 egress         ACCEPT 1GiB
            eni-01       198.51.100.9 10.0.0.10 ingress        REJECT -
            ",
            "
            counted 1
            rejected 1
            a -> b: 1 GiB crossing
            inter_az 1 GiB 0.01
            ",
        ),
        page(
            "a REJECT without bytes counts",
            "[counting]\nrejected = true\n[[zone]]\nname = \"a\"\ncidrs = [\"10.0.0.0/24\"]",
            "
            interface_id srcaddr      dstaddr   flow_direction action bytes
            eni-01       198.51.100.9 10.0.0.10 ingress        REJECT -
            ",
            "
            counted 1
            internet -> a: 0 B
            ",
        ),
        page(
            "IPv6 egress beside a NAT gateway",
            r#"
            [[zone]]
            name = "a"
            cidrs = ["10.0.1.0/24", "2001:db8:0:1::/64"]
            [[nat_gateway]]
            name = "n"
            zone = "a"
            interface_ids = ["eni-0nat"]
            "#,
            "
            interface_id srcaddr           dstaddr         flow_direction bytes
            eni-01       2001:db8:0:1::10  2606:4700::1111 egress         1GiB
            ",
            "
            counted 1
            a -> internet: 1 GiB
            internet_egress 1 GiB 0.09
            ",
        ),
        page(
            "a node's own AZ id against the zone",
            r#"
            [[zone]]
            name = "x"
            az_id = "use1-az4"
            cidrs = ["10.0.1.0/24"]
            [[zone]]
            name = "y"
            az_id = "use1-az6"
            cidrs = ["10.0.2.0/24"]
            "#,
            "
            interface_id instance_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr az_id    flow_direction bytes
            eni-01       i-01        10.0.2.10 10.0.1.10 10.0.2.10   10.0.1.10   use1-az4 egress         1GiB
            ",
            "
            counted 1
            x -> x: 1 GiB
            contradiction az_id 1
            ",
        ),
        page(
            "a private NAT gateway in the default format",
            r#"
            [[zone]]
            name = "a"
            cidrs = ["10.0.1.0/24"]
            [[nat_gateway]]
            name = "n"
            zone = "a"
            interface_ids = ["eni-0nat"]
            private_ips = ["100.64.1.220"]
            "#,
            "
            account_id   interface_id srcaddr      dstaddr      bytes
            111122223333 eni-0nat     10.0.1.10    100.64.1.220 1GiB
            111122223333 eni-0nat     100.64.1.220 192.168.7.7  1GiB
            111122223333 eni-0nat     192.168.7.7  100.64.1.220 4GiB
            111122223333 eni-0nat     100.64.1.220 10.0.1.10    4GiB
            ",
            "
            counted 2
            nat_public_leg 2
            a -> unknown out: 1 GiB
            unknown -> a in: 4 GiB
            nat_processing 5 GiB 0.225
            ",
        ),
    ];
    cases.extend(secondary_address());
    cases.extend(shortest_configuration());
    cases.extend(addresses_of_objects());
    cases.extend(gateways_of_objects());
    cases.extend(ends_of_charges());
    cases
}

/// Traffic to a secondary private address shows the primary one as plain address.
fn secondary_address() -> Vec<Case> {
    let rows = "
        interface_id srcaddr     dstaddr     pkt_srcaddr pkt_dstaddr flow_direction bytes
        eni-0nat     10.0.2.30   10.0.1.220  10.0.2.30   203.0.113.5 ingress        1GiB
        eni-0nat     10.0.1.220  203.0.113.5 10.0.1.221  203.0.113.5 egress         1GiB
        eni-0nat     203.0.113.5 10.0.1.220  203.0.113.5 10.0.1.221  ingress        10GiB
        eni-0nat     10.0.1.220  10.0.2.30   203.0.113.5 10.0.2.30   egress         10GiB
        ";
    let right = "
        counted 2
        nat_public_leg 2
        a -> internet out: 1 GiB
        internet -> a in: 10 GiB
        nat_processing 11 GiB 0.495
        internet_egress 1 GiB 0.09
        ";
    let gateway = |addresses: &str| {
        format!(
            "[[zone]]\nname = \"a\"\ncidrs = [\"10.0.0.0/16\"]\n[[nat_gateway]]\nname = \"n\"\nzone = \"a\"\n\
             interface_ids = [\"eni-0nat\"]\nprivate_ips = [{addresses}]"
        )
    };
    vec![
        page("a NAT gateway's secondary address", &gateway("\"10.0.1.220\", \"10.0.1.221\""), rows, right),
        page("a NAT gateway's secondary address, by its interface", &gateway(""), rows, right),
        page("a NAT gateway's secondary address that nobody listed", &gateway("\"10.0.1.220\""), rows, right),
        page(
            "a NAT gateway's secondary address, by its type",
            "[[zone]]\nname = \"a\"\ncidrs = [\"10.0.0.0/16\"]",
            &rows
                .replace("eni-0nat ", "eni-0nat nat_gateway ")
                .replace("interface_id ", "interface_id interface_type "),
            right,
        ),
    ]
}

fn shortest_configuration() -> Vec<Case> {
    let header =
        "interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr az-id flow-direction traffic-path bytes";
    let sender = "
        eni-01 10.0.1.10 10.0.2.10 10.0.1.10 10.0.2.10 use1-az1 egress 1 1GiB
        eni-01 10.0.1.10 10.0.1.11 10.0.1.10 10.0.1.11 use1-az1 egress 1 1GiB";
    let receiver = "
        eni-02 10.0.1.10 10.0.2.10 10.0.1.10 10.0.2.10 use1-az2 ingress - 1GiB
        eni-03 10.0.1.10 10.0.1.11 10.0.1.10 10.0.1.11 use1-az1 ingress - 1GiB";
    vec![
        page(
            "the shortest configuration",
            "",
            &format!("{header}{sender}{receiver}"),
            "
            counted 2
            other_side 2
            use1-az1 -> use1-az2: 1 GiB crossing
            use1-az1 -> use1-az1: 1 GiB
            inter_az 2 GiB 0.02
            ",
        ),
        page(
            "the shortest configuration, the senders' object",
            "",
            &format!("{header}{sender}"),
            "
            counted 2
            use1-az1 -> unknown: 2 GiB
            doubt unknown_zone 2 GiB
            ",
        ),
        page(
            "the shortest configuration, the receivers' object",
            "",
            &format!("{header}{receiver}"),
            "
            other_side 2
            doubt far_side 2 GiB
            ",
        ),
    ]
}

/// What random objects found about addresses that an object teaches.
fn addresses_of_objects() -> Vec<Case> {
    vec![
        page(
            "an address taught in its NAT64 form",
            "",
            "
            interface_id srcaddr   dstaddr             az_id    flow_direction
            eni-1        10.0.1.10 64:ff9b::10.0.2.10  use1-az1 egress
            eni-2        10.0.1.10 10.0.2.10           use1-az2 ingress
            ",
            "
            counted 1
            other_side 1
            use1-az1 -> use1-az2: 100 GiB crossing
            inter_az 200 GiB 2.00
            ",
        ),
        page(
            "an own side without AZ and VPC beside another VPC's",
            "",
            "
            interface_id vpc_id az_id    srcaddr   dstaddr   flow_direction
            eni-1        vpc-a  use1-az2 10.0.2.10 10.0.9.9  egress
            eni-2        -      -        10.0.2.10 10.0.9.9  egress
            eni-3        -      use1-az1 10.0.1.10 10.0.2.10 egress
            ",
            "
            counted 3
            use1-az2 -> unknown: 100 GiB
            unknown -> unknown: 100 GiB
            use1-az1 -> use1-az2: 100 GiB crossing
            inter_az 100 GiB 1.00
            doubt unknown_zone 200 GiB
            ",
        ),
        page(
            "IPv6 in the /56 of an own side, at a forwarder",
            "[counting]\nvantage = \"every\"\n[[forwarder]]\nname = \"f\"\ninterface_ids = [\"eni-f\"]",
            "
            interface_id srcaddr           dstaddr           flow_direction
            eni-f        2001:db8:0:101::1 2001:db8:0:102::1 ingress
            eni-1        2001:db8:0:103::1 10.0.9.9          egress
            ",
            "
            counted 2
            unknown -> unknown: 200 GiB
            doubt unknown_zone 200 GiB
            ",
        ),
        page(
            "IPv6 from the internet at an interface that forwards",
            "",
            "
            interface_id srcaddr      dstaddr   pkt_srcaddr  pkt_dstaddr flow_direction
            eni-1        2600:1f00::1 10.0.1.10 2600:1f00::1 203.0.113.5 ingress
            ",
            "
            other_side 1
            doubt far_side 100 GiB
            contradiction forwarder 1
            ",
        ),
        page(
            "a rejected record with an address that cannot be read",
            "[[zone]]\nname = \"a\"\ncidrs = [\"10.0.1.0/24\"]",
            "
            interface_id srcaddr  dstaddr pkt_srcaddr pkt_dstaddr flow_direction action
            eni-1        10.7.7.7 host    10.7.7.7    10.0.1.10   egress         REJECT
            ",
            "rejected 1",
        ),
    ]
}

/// What random objects found about NAT gateways whose addresses an object shows.
fn gateways_of_objects() -> Vec<Case> {
    let zone_and_gateway = r#"
        [[zone]]
        name = "a"
        cidrs = ["10.9.0.0/16"]
        [[nat_gateway]]
        name = "n"
        zone = "a"
        interface_ids = ["eni-0nat"]
        "#;
    let by_type = |interface: &str| {
        format!(
            "
            interface_id interface_type srcaddr   dstaddr
            {interface}  nat_gateway    10.0.2.10 10.0.1.5
            {interface}  nat_gateway    10.0.1.5  10.0.2.20
            "
        )
    };
    let found = "
        counted 2
        unknown -> unknown out: 100 GiB
        unknown -> unknown in: 100 GiB
        nat_processing 200 GiB 9.00
        doubt nat_leg 200 GiB
        ";
    vec![
        page(
            "a NAT gateway's record without a plain destination",
            zone_and_gateway,
            "
            interface_id srcaddr   dstaddr pkt_dstaddr
            eni-0nat     10.0.1.10 -       10.0.2.5
            ",
            "nat_public_leg 1",
        ),
        page(
            "an address that the records of a NAT gateway's interface have in common",
            "",
            &by_type("eni-7"),
            found,
        ),
        page("an address that NAT records without an interface have in common", "", &by_type("-"), found),
        // What comes from the gateway was charged there.
        page(
            "a firewall behind a NAT gateway that was found, no directions",
            "[[forwarder]]\nname = \"f\"\ninterface_ids = [\"eni-f\"]",
            "
            interface_id interface_type srcaddr   dstaddr     traffic_path
            eni-7        nat_gateway    10.0.2.10 10.0.1.5    -
            eni-7        nat_gateway    10.0.1.5  10.0.2.20   -
            eni-f        -              10.0.1.5  203.0.113.5 8
            ",
            "
            counted 3
            unknown -> unknown out: 100 GiB
            unknown -> unknown in: 100 GiB
            unknown -> internet: 100 GiB
            nat_processing 200 GiB 9.00
            doubt nat_leg 200 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "a firewall behind an address that is a NAT gateway's elsewhere",
            &format!(
                "{zone_and_gateway}private_ips = [\"10.0.1.5\"]\nvpc_ids = [\"vpc-b\"]\n
                [[forwarder]]\nname = \"f\"\ninterface_ids = [\"eni-f\"]"
            ),
            "
            interface_id vpc_id srcaddr  dstaddr     flow_direction traffic_path
            eni-f        vpc-a  10.0.1.5 203.0.113.5 egress         8
            ",
            "
            other_side 1
            internet_egress 100 GiB 9.00
            ",
        ),
        // Its records show other hosts' addresses as its own side, whose VPC they do not tell.
        page(
            "a client at a NAT gateway's own side",
            &format!("{zone_and_gateway}[[zone]]\nname = \"b\"\ncidrs = [\"10.0.2.0/24\"]"),
            "
            interface_id vpc_id srcaddr     dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-0nat     vpc-b  203.0.113.5 10.0.2.10 203.0.113.9 -           ingress
            eni-1        vpc-a  203.0.113.5 10.0.2.10 203.0.113.5 10.0.2.10   ingress
            ",
            "
            counted 2
            internet -> b in: 100 GiB
            internet -> b: 100 GiB
            nat_processing 100 GiB 4.50
            nat_hop 100 GiB 1.00
            ",
        ),
        page(
            "a sign of peering at a NAT gateway is none",
            "",
            "
            interface_id interface_type vpc_id az_id    srcaddr   dstaddr   flow_direction traffic_path
            eni-1        -              vpc-a  use1-az1 10.0.1.10 10.1.2.10 egress         -
            eni-2        -              vpc-b  use1-az2 10.1.2.10 10.0.1.10 egress         -
            eni-7        nat_gateway    vpc-c  use1-az1 10.1.2.10 10.0.1.10 -              4
            ",
            "
            counted 3
            use1-az1 -> use1-az2: 100 GiB crossing
            use1-az2 -> use1-az1: 100 GiB crossing
            use1-az2 -> use1-az1 out: 100 GiB crossing
            nat_processing 100 GiB 4.50
            doubt between_vpcs 200 GiB
            ",
        ),
    ]
}

/// What random objects found about ends, and the charges that depend on them.
fn ends_of_charges() -> Vec<Case> {
    let partner = "[[zone]]\nname = \"partner\"\noutside = true\ncidrs = [\"203.0.113.0/24\"]";
    let elsewhere = format!("{partner}\nvpc_ids = [\"vpc-b\"]");
    let ranges = "[aws]\nip_ranges = [\"54.72.0.0/16 eu-west-1 EC2\"]\n[prices]\ninter_region = 0.02";
    vec![
        page(
            "a partner of another scope, on the way to the internet",
            &elsewhere,
            "
            srcaddr   dstaddr     flow_direction traffic_path
            10.0.1.10 203.0.113.5 egress         8
            ",
            "
            counted 1
            unknown -> partner: 100 GiB
            internet_egress 100 GiB 9.00
            doubt unknown_zone 100 GiB
            ",
        ),
        // It is neither inside nor in an AZ.
        page(
            "a partner of another scope sends",
            &elsewhere,
            "
            srcaddr     dstaddr     traffic_path
            203.0.113.5 198.51.100.9 8
            ",
            "
            counted 1
            partner -> internet: 100 GiB
            ",
        ),
        page(
            "an exempt way to what may be EC2 of the region",
            "[prices]\nno_charge = [{ charge = \"internet_egress\", cidrs = [\"203.0.113.0/24\"] }]",
            "
            srcaddr   dstaddr     pkt_dst_aws_service flow_direction traffic_path
            10.0.1.10 203.0.113.5 EC2                 egress         8
            ",
            "
            counted 1
            unknown -> internet: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "a source of another region than the key's, towards a third",
            ranges,
            "
            az_id    srcaddr   dstaddr   flow_direction traffic_path
            usw2-az1 10.0.1.10 54.72.0.9 egress         8
            ",
            "
            counted 1
            usw2-az1 -> aws:eu-west-1: 100 GiB
            inter_region 100 GiB 2.00
            ",
        ),
        page(
            "an interface of a service that pays, the other end of one that does not, version 2",
            r#"
            [[zone]]
            name = "a"
            cidrs = ["10.0.1.0/24"]
            [[zone]]
            name = "b"
            cidrs = ["10.0.2.0/24"]
            [[service]]
            name = "x"
            billing = "both"
            interface_ids = ["eni-x"]
            [[service]]
            name = "y"
            billing = "far_side"
            cidrs = ["10.0.2.48/28"]
            "#,
            "
            interface_id srcaddr   dstaddr
            eni-x        10.0.1.10 10.0.2.50
            eni-y        10.0.1.10 10.0.2.50
            ",
            "
            counted 2
            a -> b: 200 GiB crossing
            inter_az 200 GiB 2.00
            doubt own_side 100 GiB
            ",
        ),
        page(
            "a client that a NAT gateway's scope puts into another VPC",
            r#"
            [[zone]]
            name = "a"
            az_id = "use1-az1"
            [[nat_gateway]]
            name = "n"
            zone = "a"
            interface_ids = ["eni-0nat"]
            vpc_ids = ["vpc-a"]
            "#,
            "
            interface_id vpc_id az_id    srcaddr   dstaddr     flow_direction
            eni-1        vpc-b  use1-az2 10.0.2.10 10.0.9.9    egress
            eni-0nat     -      -        10.0.2.10 203.0.113.5 ingress
            ",
            "
            counted 2
            use1-az2 -> unknown: 100 GiB
            use1-az2 -> internet out: 100 GiB
            nat_processing 100 GiB 4.50
            internet_egress 100 GiB 9.00
            doubt unknown_zone 100 GiB
            doubt nat_leg 100 GiB
            ",
        ),
    ]
}
