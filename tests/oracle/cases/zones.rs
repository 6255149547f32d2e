//! Each step of the label (semantics 2.14), and what stops it.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    [by_cidr(), own_side(), far_side(), by_address()].into_iter().flatten().collect()
}

/// Step 1.
fn by_cidr() -> Vec<Case> {
    let nested = |config: &mut OracleConfig| {
        config.zones = vec![
            zone("wide", Some("apne1-az4"), TOKYO, &["10.0.0.0/8", "2001:db8::/32"]),
            zone("narrow", Some("apne1-az1"), TOKYO, &["10.0.0.0/16", "2001:db8:a::/64"]),
            zone("host", Some("apne1-az2"), TOKYO, &["10.0.0.7/32", "2001:db8:a::7/128"]),
        ];
        config.gateways.clear();
    };
    let cases = vec![
        case("longest prefix, IPv4", flow("10.0.0.6", "10.0.0.7"), crossing("narrow", "host")).config(nested),
        case("shorter prefix, IPv4", flow("10.1.0.6", "10.0.255.255"), crossing("wide", "narrow"))
            .config(nested),
        case("longest prefix, IPv6", flow("2001:db8:a::6", "2001:db8:a::7"), crossing("narrow", "host"))
            .config(nested),
        case("shorter prefix, IPv6", flow("2001:db8:a:1::6", "2001:db8:a::6"), crossing("wide", "narrow"))
            .config(nested),
        case(
            "the order of the zones decides nothing",
            flow("10.0.0.6", "10.0.0.7"),
            crossing("narrow", "host"),
        )
        .config(|config| {
            nested(config);
            config.zones.reverse();
        }),
        case("everything in one zone", flow(W1, "10.0.0.7"), crossing("all", "host")).config(|config| {
            nested(config);
            config.zones[0] = zone("all", Some("apne1-az3"), TOKYO, &["0.0.0.0/0"]);
        }),
    ];
    let azs = [("wide", "apne1-az4"), ("narrow", "apne1-az1"), ("host", "apne1-az2"), ("all", "apne1-az3")];
    let mut cases: Vec<_> = cases.into_iter().map(|case| case.azs(&azs)).collect();
    cases.extend([
        case("first and last address of a network", flow("10.0.131.255", "10.0.132.0"), crossing("1a", "1c")),
        case(
            "CIDR before the next hop",
            edit(flow(A1, C1), |row| row.next_hop_az_id = s("apne1-az4")),
            crossing("1a", "1c"),
        ),
        case(
            "CIDR before service",
            edit(flow(A1, C1), |row| row.pkt_dst_aws_service = s("AMAZON")),
            crossing("1a", "1c"),
        ),
        case(
            "CIDR of a public network before internet",
            edit(flow(A1, W1), |row| row.traffic_path = Some(8)),
            crossing("1a", "office"),
        )
        .config(|config| {
            config.zones.push(zone("office", Some("apne1-az8"), TOKYO, &["203.0.113.0/24"]));
        })
        .azs(&[("office", "apne1-az8")]),
    ]);
    cases
}

/// Step 2, and which side is the own one (semantics 2.6). An own side in none of the networks is a
/// contradiction (semantics 8.8).
fn own_side() -> Vec<Case> {
    let at = |row: Row, az_id: &str| edit(row, |row| row.az_id = s(az_id));
    let mut cases = vec![
        case(
            "egress: the source has the az_id",
            at(flow(P1, C1), "apne1-az4"),
            crossing("1a", "1c").contradicts(&["outside_networks"]),
        ),
        case("egress: the destination does not", at(flow(A1, P1), "apne1-az4"), counted("1a", "unknown")),
        case(
            "ingress: the destination has the az_id",
            at(ingress(D1, P1), "apne1-az4"),
            crossing("dc", "1a").contradicts(&["outside_networks"]),
        ),
        case("ingress: the source does not", at(ingress(P1, C1), "apne1-az1"), counted("unknown", "1c")),
        case(
            "no direction: nobody has it",
            edit(at(flow(P1, C1), "apne1-az4"), |row| row.flow_direction = None),
            counted("unknown", "1c"),
        ),
        case("no direction column: nobody has it", at(flow(P1, C1), "apne1-az4"), counted("unknown", "1c"))
            .without(&["flow_direction"]),
        case("az_id `-`", at(flow(P1, C1), "-"), counted("unknown", "1c").contradicts(&["outside_networks"])),
        case(
            "no az_id column",
            at(flow(P1, C1), "apne1-az4"),
            counted("unknown", "1c").contradicts(&["outside_networks"]),
        )
        .without(&["az_id"]),
        case(
            "a private packet address is a pod's",
            at(seen("egress", P2, C1, P1, C1), "apne1-az4"),
            crossing("1a", "1c").contradicts(&["outside_networks"]),
        ),
        case(
            "an absent packet address is the interface's",
            at(seen("egress", P1, C1, "-", C1), "apne1-az4"),
            crossing("1a", "1c").contradicts(&["outside_networks"]),
        ),
        case(
            "no packet columns: the interface's",
            at(flow(P1, C1), "apne1-az4"),
            crossing("1a", "1c").contradicts(&["outside_networks"]),
        )
        .without(&["pkt_srcaddr", "pkt_dstaddr"]),
        case(
            "no plain column: a private address",
            at(flow(P1, C1), "apne1-az4"),
            crossing("1a", "1c").contradicts(&["outside_networks"]),
        )
        .without(&["srcaddr"]),
        case(
            "mapped and plain are the same address",
            at(seen("egress", "192.168.7.7", C1, "::ffff:192.168.7.7", C1), "apne1-az4"),
            crossing("1a", "1c").contradicts(&["outside_networks"]),
        ),
        case(
            "a public address of one's own",
            at(flow(W6, C6), "apne1-az4"),
            crossing("1a", "1c").contradicts(&["outside_networks"]),
        ),
        case(
            "an az_id without a zone is a zone",
            at(flow(P1, C1), "apne1-az7"),
            crossing("apne1-az7", "1c").contradicts(&["outside_networks"]),
        ),
        case(
            "... of the region that it says",
            at(flow(P1, U1), "apne1-az7"),
            counted("apne1-az7", "use1").charged(&["inter_region"]).contradicts(&["outside_networks"]),
        ),
        // The key's region pays, and the source lies in another.
        case(
            "a zone of another region by its az_id",
            at(flow(P1, C1), "use1-az1"),
            counted("use1", "1c").contradicts(&["outside_networks"]),
        ),
        case(
            "a zone without cidrs",
            at(flow(P1, C1), "apne1-az2"),
            crossing("1d", "1c").contradicts(&["outside_networks"]),
        )
        .config(|config| config.zones.push(zone("1d", Some("apne1-az2"), TOKYO, &[])))
        .azs(&[("1d", "apne1-az2")]),
        case(
            "a zone by cidrs without az_id: az_ids are not heard",
            at(flow(P1, C1), "apne1-az4"),
            counted("unknown", "1c").contradicts(&["outside_networks"]),
        )
        .config(|config| config.zones[1].az_id = None)
        .azs(&[("1c", "1c")]),
        case(
            "... unknown ones neither",
            at(flow(P1, C1), "apne1-az7"),
            counted("unknown", "1c").contradicts(&["outside_networks"]),
        )
        .config(forget_az_ids)
        .own_azs(),
        case(
            "a zone without cidrs needs no az_id",
            at(flow(P1, C1), "apne1-az4"),
            crossing("1a", "1c").contradicts(&["outside_networks"]),
        )
        .config(|config| config.zones.push(zone("1d", None, TOKYO, &[]))),
        case("no zones at all", at(flow(P1, P2), "apne1-az4"), counted("apne1-az4", "unknown")).config(
            |config| {
                config.zones.clear();
                config.gateways.clear();
            },
        ),
        case(
            "az_id before service and internet",
            edit(at(flow(W6, C6), "apne1-az4"), |row| row.pkt_src_aws_service = s("AMAZON")),
            crossing("1a", "1c").contradicts(&["outside_networks"]),
        ),
    ];
    // What the box itself sends has its AZ, and not what it passes on.
    let itself = |charges: &[&'static str]| {
        counted("1a", "1c").between_azs().charged(charges).contradicts(&["outside_networks"])
    };
    for (interface_type, charges, own) in [
        ("transit_gateway", [].as_slice(), counted("unknown", "1c")),
        ("network_load_balancer", &[], itself(&["inter_az"])),
        ("vpc_endpoint", &["vpc_endpoint_processing"], itself(&["vpc_endpoint_processing"])),
        ("gateway_load_balancer_endpoint", &[], counted("unknown", "1c")),
    ] {
        let every = |config: &mut OracleConfig| config.vantage = "every";
        let at = |row: Row| edit(at(row, "apne1-az4"), |row| row.interface_type = s(interface_type));
        cases.extend([
            case(format!("the az_id of a {interface_type}, at its own address"), at(flow(P1, C1)), own)
                .config(every),
            case(
                format!("the az_id of a {interface_type} is not that of others"),
                at(seen("egress", P2, C1, P1, C1)),
                counted("unknown", "1c").charged(charges),
            )
            .config(every),
            case(
                format!("the az_id of a {interface_type} without packet addresses"),
                at(seen("egress", P1, C1, "-", C1)),
                counted("unknown", "1c").charged(charges),
            )
            .config(every),
        ]);
    }
    cases.extend([
        case(
            "the az_id of a nat_gateway is not the destination's",
            edit(at(seen("ingress", A1, P2, "-", "-"), "apne1-az4"), |row| {
                row.interface_type = s("nat_gateway")
            }),
            nat("out", "1a", "unknown").charged(&["nat_processing"]),
        ),
        case(
            "the az_id of a regional_nat_gateway is not the source's",
            edit(at(flow(P1, W1), "apne1-az4"), |row| row.interface_type = s("regional_nat_gateway")),
            nat("out", "unknown", "internet").charged(&["nat_processing", "internet_egress"]),
        ),
        case(
            "the az_id of a configured gateway is not the destination's",
            edit(at(seen("ingress", P1, P2, "-", "-"), "apne1-az1"), |row| row.interface_id = s("eni-nat-a")),
            nat("out", "unknown", "unknown").charged(&["nat_processing"]),
        ),
    ]);
    cases.push(case(
        "an interface type that is not a middlebox",
        edit(at(flow(P1, C1), "apne1-az4"), |row| row.interface_type = s("lambda")),
        crossing("1a", "1c").contradicts(&["outside_networks"]),
    ));
    cases
}

/// Step 4.
fn far_side() -> Vec<Case> {
    let towards = |row: Row, az_id: &str| edit(row, |row| row.next_hop_az_id = s(az_id));
    let mut cases = vec![
        case(
            "egress: the destination is behind the next hop",
            towards(flow(A1, P1), "apne1-az1"),
            crossing("1a", "1c"),
        ),
        case(
            "egress: the source is not",
            towards(flow(P1, C1), "apne1-az4"),
            counted("unknown", "1c").contradicts(&["outside_networks"]),
        ),
        case(
            "ingress: the source is behind the next hop",
            towards(ingress(P1, C1), "apne1-az9"),
            crossing("dc", "1c"),
        ),
        case(
            "ingress: the destination is not",
            towards(ingress(D1, P1), "apne1-az4"),
            counted("dc", "unknown").contradicts(&["outside_networks"]),
        ),
        case("public IPv4 is not", towards(flow(A1, W1), "apne1-az1"), counted("1a", "internet")),
        case("public IPv6 is", towards(flow(A6, W6), "apne1-az1"), crossing("1a", "1c")),
        case("private IPv6 is", towards(flow(A6, P6), "apne1-az1"), crossing("1a", "1c")),
        case(
            "a next hop without a zone is a zone",
            towards(flow(A1, P1), "apne1-az7"),
            crossing("1a", "apne1-az7"),
        ),
        case("next_hop_az_id `-`", towards(flow(A1, P1), "-"), counted("1a", "unknown")),
        case(
            "no direction: no far side",
            edit(towards(flow(A1, P1), "apne1-az1"), |row| row.flow_direction = s("sideways")),
            counted("1a", "unknown"),
        ),
        case(
            "next hop where az_ids are not heard",
            towards(flow(A1, P1), "apne1-az1"),
            counted("1a", "unknown"),
        )
        .config(|config| config.zones[0].az_id = None)
        .azs(&[("1a", "1a")]),
        case(
            "the next hop is a configured gateway",
            edit(towards(flow(A1, P1), "apne1-az1"), |row| row.next_hop_interface_id = s("eni-nat-a")),
            counted("1a", "unknown"),
        ),
        case(
            "the next hop is a forwarder",
            edit(towards(flow(A1, P1), "apne1-az1"), |row| row.next_hop_interface_id = s("eni-fw")),
            counted("1a", "unknown"),
        )
        .config(|config| {
            config.forwarders = vec![ForwarderConfig {
                name: "firewall".to_string(),
                interface_ids: strings(&["eni-fw"]),
                scope: ScopeConfig::default(),
            }];
        }),
        case(
            "the next hop is another interface",
            edit(towards(flow(A1, P1), "apne1-az1"), |row| row.next_hop_interface_id = s("eni-db")),
            crossing("1a", "1c"),
        ),
        case(
            "own and far side of one record",
            edit(towards(flow(P1, P2), "apne1-az1"), |row| row.az_id = s("apne1-az4")),
            crossing("1a", "1c").contradicts(&["outside_networks"]),
        ),
        case(
            "next hop before service",
            edit(towards(flow(A6, W6), "apne1-az1"), |row| row.pkt_dst_aws_service = s("S3")),
            crossing("1a", "1c"),
        ),
    ];
    for (kind, charges, contradictions) in [
        ("nat_gateway", [].as_slice(), [].as_slice()),
        ("regional_nat_gateway", &[], &[]),
        ("transit_gateway", &["transit_gateway_processing"], &[]),
        ("network_load_balancer", &[], &[]),
        // No record of the endpoint is here (semantics 8.10).
        ("vpc_endpoint", &[], &["endpoint"]),
        ("gateway_load_balancer_endpoint", &[], &[]),
    ] {
        cases.push(case(
            format!("the next hop is a {kind}"),
            edit(towards(flow(A1, P1), "apne1-az1"), |row| row.next_hop_interface_type = s(kind)),
            counted("1a", "unknown").charged(charges).contradicts(contradictions),
        ));
    }
    cases.push(case(
        "the next hop is of a plain type",
        edit(towards(flow(A1, P1), "apne1-az1"), |row| row.next_hop_interface_type = s("-")),
        crossing("1a", "1c"),
    ));
    cases
}

/// Steps 6 to 9, and which addresses are private (semantics 2.22).
fn by_address() -> Vec<Case> {
    let service = |name: &str| edit(flow(A1, W1), |row| row.pkt_dst_aws_service = s(name));
    let mut cases = vec![
        case("a service of AWS as destination", service("S3"), counted("1a", "aws")),
        case("any service of AWS", service("SOMETHING_NEW"), counted("1a", "aws")),
        case("EC2 is not a service", service("EC2"), counted("1a", "internet")),
        case("service `-`", service("-"), counted("1a", "internet")),
        case("no service column", service("S3"), counted("1a", "internet")).without(&["pkt_dst_aws_service"]),
        case(
            "the source's service is not the destination's",
            edit(flow(A1, W1), |row| row.pkt_src_aws_service = s("S3")),
            counted("1a", "internet"),
        ),
        case(
            "a service of AWS as source",
            edit(ingress(W1, A1), |row| row.pkt_src_aws_service = s("DYNAMODB")),
            counted("aws", "1a"),
        ),
        case(
            "a service of AWS at a private address",
            edit(flow(A1, P1), |row| row.pkt_dst_aws_service = s("S3")),
            counted("1a", "unknown"),
        ),
    ];
    for private in [
        "10.200.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "169.254.169.254",
        "127.0.0.1",
        "0.0.0.0",
        "224.0.0.251",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "::1",
        "::",
        "ff02::1",
        "::ffff:192.168.0.1",
        "64:ff9b::192.168.0.1",
    ] {
        cases.push(case(format!("{private} is unknown"), flow(A1, private), counted("1a", "unknown")));
    }
    for public in [
        "203.0.113.5",
        "192.0.2.1",
        "198.51.100.1",
        "8.8.8.8",
        "172.15.255.255",
        "172.32.0.0",
        "100.63.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "100.128.0.0",
        "11.0.0.0",
        "2001:db8::1",
        "2600:1f00::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ] {
        cases.push(case(format!("{public} is internet"), flow(A1, public), counted("1a", "internet")));
    }
    cases
}
