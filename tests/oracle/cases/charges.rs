//! What is charged, and what is not: section 6 of docs/semantics.md.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    [inter_az(), inter_region(), internet_egress(), nat_charges(), money()].into_iter().flatten().collect()
}

fn exempt(charge: &'static str, cidr: &'static str) -> impl FnOnce(&mut OracleConfig) {
    move |config| {
        let cidrs = strings(&[cidr]);
        config.no_charge = vec![NoChargeConfig { charge, cidrs, scope: ScopeConfig::default() }];
    }
}

fn public(cidr: &'static str) -> impl FnOnce(&mut OracleConfig) {
    move |config| {
        let cidrs = strings(&[cidr]);
        config.public_cidrs = vec![PublicConfig { cidrs, scope: ScopeConfig::default() }];
    }
}

fn forwarder(interface_id: &str) -> ForwarderConfig {
    ForwarderConfig {
        name: "firewall".to_string(),
        interface_ids: strings(&[interface_id]),
        scope: ScopeConfig::default(),
    }
}

fn path(row: Row, path: Option<i64>) -> Row {
    edit(row, |row| row.traffic_path = path)
}

/// Semantics 6.2; the bytes between AZs stay where the charge goes (semantics 2.24). Each side
/// pays (semantics 6.1), and exemptions are those of semantics 6.16.
fn inter_az() -> Vec<Case> {
    let free = || counted("1a", "1c").between_azs();
    vec![
        case("inter_az: the sender pays", flow(A1, C1), crossing("1a", "1c")),
        case("inter_az: the receiver pays as well", ingress(A1, C1), crossing("1a", "1c").other_side()),
        case("inter_az: the other way", flow(C1, A1), crossing("1c", "1a")),
        case("inter_az: not inside a zone", flow(A1, A2), counted("1a", "1a")),
        case(
            "inter_az: not from unknown",
            flow(P1, A1),
            counted("unknown", "1a").contradicts(&["outside_networks"]),
        ),
        case("inter_az: not to unknown", flow(A1, P1), counted("1a", "unknown")),
        case("inter_az: unlogged zones are zones", flow(A1, D1), crossing("1a", "dc")),
        case("inter_az: traffic_path 7 ends it", path(flow(A1, C1), Some(7)), free()),
        case("inter_az: other paths do not", path(flow(A1, C1), Some(4)), crossing("1a", "1c")),
        case(
            "inter_az: the path between regions is odd here",
            path(flow(A1, C1), Some(5)),
            crossing("1a", "1c").contradicts(&["path"]),
        ),
        case(
            "inter_az: at a gateway_load_balancer_endpoint",
            edit(flow(A1, C1), |row| row.interface_type = s("gateway_load_balancer_endpoint")),
            counted("1a", "1c").between_azs().other_side(),
        ),
        case(
            "inter_az: towards a transit gateway",
            edit(flow(A1, C1), |row| row.next_hop_interface_type = s("transit_gateway")),
            free().charged(&["transit_gateway_processing"]),
        ),
        // No record of the endpoint is here (semantics 8.10).
        case(
            "inter_az: towards an interface endpoint",
            edit(flow(A1, C1), |row| row.next_hop_interface_type = s("vpc_endpoint")),
            free().contradicts(&["endpoint"]),
        ),
        case(
            "inter_az: towards a load balancer",
            edit(flow(A1, C1), |row| row.next_hop_interface_type = s("network_load_balancer")),
            crossing("1a", "1c"),
        ),
        case("inter_az: no path does not", path(flow(A1, C1), None), crossing("1a", "1c")),
        case("inter_az: no charge for the source", flow(A1, C1), free())
            .config(exempt("inter_az", "10.0.128.8/29")),
        case("inter_az: no charge for the destination", flow(A1, C1), free())
            .config(exempt("inter_az", "10.0.132.10/32")),
        case("inter_az: no charge for IPv6", flow(A6, C6), free())
            .config(exempt("inter_az", "2001:db8:c::/48")),
        case("inter_az: no charge for somebody else", flow(A1, C1), crossing("1a", "1c"))
            .config(exempt("inter_az", "10.0.128.0/29")),
        case("inter_az: another charge's exemption", flow(A1, C1), crossing("1a", "1c"))
            .config(exempt("inter_region", "10.0.0.0/8")),
        case(
            "inter_az: exempt is the endpoint, not the interface",
            seen("egress", A2, C1, A1, C1),
            crossing("1a", "1c"),
        )
        .config(exempt("inter_az", "10.0.129.0/24")),
        case(
            "inter_az: at a transit gateway",
            edit(flow(A1, C1), |row| row.interface_type = s("transit_gateway")),
            counted("1a", "1c").between_azs().other_side(),
        ),
    ]
}

/// Semantics 6.3.
fn inter_region() -> Vec<Case> {
    let charged = |src, dst| counted(src, dst).charged(&["inter_region"]);
    vec![
        case("inter_region: the sender pays", flow(A1, U1), charged("1a", "use1")),
        // The bill of another region.
        case("inter_region: the other way", flow(U1, A1), counted("use1", "1a")),
        case("inter_region: the other way, its own key", flow(U1, A1), charged("use1", "1a"))
            .key(None, Some("us-east-1")),
        case(
            "inter_region: the path between AZs is odd here",
            path(flow(A1, U1), Some(4)),
            charged("1a", "use1").contradicts(&["path"]),
        ),
        case(
            "inter_region: ... and not odd where nothing is charged",
            path(ingress(D1, U1), Some(4)),
            counted("dc", "use1"),
        ),
        case(
            "inter_region: at a transit gateway",
            edit(flow(A1, U1), |row| row.interface_type = s("transit_gateway")),
            counted("1a", "use1").other_side(),
        ),
        case("inter_region: the receiver does not", ingress(D1, U1), counted("dc", "use1")),
        case(
            "inter_region: the receiver does not, as the other side",
            ingress(A1, U1),
            counted("1a", "use1").other_side(),
        ),
        case("inter_region: without a direction", flow(A1, U1), charged("1a", "use1"))
            .without(&["flow_direction"]),
        case(
            "inter_region: direction null",
            edit(flow(A1, U1), |row| row.flow_direction = None),
            charged("1a", "use1"),
        ),
        case("inter_region: traffic_path 7 ends it", path(flow(A1, U1), Some(7)), counted("1a", "use1")),
        case("inter_region: traffic_path 5", path(flow(A1, U1), Some(5)), charged("1a", "use1")),
        case("inter_region: no charge", flow(A1, U1), counted("1a", "use1"))
            .config(exempt("inter_region", "10.9.0.0/16")),
        // An inside address without a zone is of the key's region (semantics 2.23).
        case(
            "inter_region: from unknown",
            flow(P1, U1),
            counted("unknown", "use1").charged(&["inter_region"]).contradicts(&["outside_networks"]),
        ),
        case("inter_region: not to unknown", flow(A1, P1), counted("1a", "unknown")),
        case("inter_region: to unknown, another key", flow(U1, P1), counted("use1", "unknown"))
            .key(None, Some("us-east-1")),
    ]
}

/// Semantics 6.6, 6.10 and 6.14; what a gateway endpoint and `aws` end is semantics 6.13. A way
/// that is not logged is a doubt (semantics 8.3).
fn internet_egress() -> Vec<Case> {
    let charged = |src| counted(src, "internet").charged(&["internet_egress"]);
    let out = |src| path(flow(src, W1), Some(8));
    let out6 = |dst| path(flow(A6, dst), Some(8));
    let doubtful = || charged("1a").doubts(&["egress_path"]);
    let at = |kind: &str, row: Row| edit(row, |row| row.interface_type = s(kind));
    let no_gateways = |config: &mut OracleConfig| config.gateways.clear();
    let foreign_gateway = |config: &mut OracleConfig| {
        for gateway in &mut config.gateways {
            gateway.zone = Some("use1".to_string());
        }
    };
    vec![
        case("internet_egress: by the internet gateway", out(A1), charged("1a")),
        case("internet_egress: by path 2", path(out(A1), Some(2)), charged("1a")),
        case("internet_egress: by path 6", path(out(A1), Some(6)), charged("1a")),
        case(
            "internet_egress: from a private address",
            out(P1),
            charged("unknown").contradicts(&["outside_networks"]),
        ),
        case(
            "internet_egress: from IPv6",
            edit(out(A6), |row| {
                row.dstaddr = s(W6);
                row.pkt_dstaddr = s(W6);
            }),
            charged("1a"),
        ),
        case(
            "internet_egress: from a zone by az_id",
            edit(out(W2), |row| row.az_id = s("apne1-az4")),
            charged("1a").contradicts(&["outside_networks"]),
        ),
        // Its own plain address, and so an address of the VPC (semantics 2.23).
        case(
            "internet_egress: from a public address of its own",
            out(W2),
            charged("unknown").contradicts(&["outside_networks"]),
        ),
        case(
            "internet_egress: not from the internet",
            edit(out(W2), |row| row.srcaddr = s(A1)),
            counted("internet", "internet").other_side().contradicts(&["forwarder"]),
        ),
        case(
            "internet_egress: not from the internet, no direction",
            out(W2),
            counted("internet", "internet").doubts(&["unknown_zone"]),
        )
        .without(&["flow_direction"]),
        case(
            "internet_egress: not of ingress",
            edit(out(A1), |row| row.flow_direction = s("ingress")),
            counted("1a", "internet").other_side().contradicts(&["outside_networks"]),
        ),
        case(
            "internet_egress: not of what comes in",
            path(ingress(W1, A1), Some(8)),
            counted("internet", "1a"),
        ),
        case("internet_egress: not by path 1", path(out(A1), Some(1)), counted("1a", "internet")),
        case(
            "internet_egress: not by path 3",
            path(out(A1), Some(3)),
            counted("1a", "internet").charged(&["vpn_egress"]),
        ),
        case("internet_egress: not by path 4", path(out(A1), Some(4)), counted("1a", "internet")),
        case("internet_egress: not by path 9", path(out(A1), Some(9)), counted("1a", "internet")),
        case("internet_egress: not by path 7", path(out(A1), Some(7)), counted("1a", "internet")),
        case(
            "internet_egress: no path, a gateway may be in between",
            path(out(A1), None),
            counted("1a", "internet").doubts(&["egress_path"]),
        ),
        case(
            "internet_egress: path 0 is null",
            path(out(A1), Some(0)),
            counted("1a", "internet").doubts(&["egress_path"]),
        ),
        case("internet_egress: no path, no gateways", path(out(A1), None), doubtful()).config(no_gateways),
        case("internet_egress: path 0, no gateways", path(out(A1), Some(0)), doubtful()).config(no_gateways),
        case("internet_egress: no path, gateways of another region", path(out(A1), None), doubtful())
            .config(foreign_gateway),
        case(
            "internet_egress: no path, gateways of the key's region",
            path(out(A1), None),
            counted("1a", "internet").doubts(&["egress_path"]),
        )
        .config(foreign_gateway)
        .key(None, Some("us-east-1")),
        case(
            "internet_egress: no path, a forwarder",
            path(out(A1), None),
            counted("1a", "internet").doubts(&["egress_path"]),
        )
        .config(|config| {
            no_gateways(config);
            config.forwarders = vec![forwarder("eni-fw")];
        }),
        case("internet_egress: no path, a forwarder elsewhere", path(out(A1), None), doubtful()).config(
            |config| {
                no_gateways(config);
                config.forwarders = vec![forwarder("eni-fw")];
                config.forwarders[0].scope.sources = strings(&["other"]);
            },
        ),
        case("internet_egress: no path, public_cidrs", path(out(A1), None), charged("1a"))
            .config(public("10.0.128.0/24")),
        case(
            "internet_egress: no path, public_cidrs of others",
            path(out(A1), None),
            counted("1a", "internet").doubts(&["egress_path"]),
        )
        .config(public("10.0.129.0/24")),
        case(
            "internet_egress: path 1 before public_cidrs",
            path(out(A1), Some(1)),
            counted("1a", "internet"),
        )
        .config(public("10.0.128.0/24")),
        case(
            "internet_egress: the next hop is a NAT gateway",
            edit(path(out(A1), None), |row| row.next_hop_interface_type = s("nat_gateway")),
            counted("1a", "internet"),
        )
        .config(no_gateways),
        case(
            "internet_egress: the next hop is a regional NAT gateway, whatever the path",
            edit(out(A1), |row| row.next_hop_interface_type = s("regional_nat_gateway")),
            counted("1a", "internet"),
        ),
        case(
            "internet_egress: the next hop is a configured NAT gateway",
            edit(out(A1), |row| row.next_hop_interface_id = s("eni-nat-a")),
            counted("1a", "internet"),
        ),
        case("internet_egress: no path, IPv6", path(out6(W6), None), charged("1a")),
        case("internet_egress: path 1, IPv6", path(out6(W6), Some(1)), counted("1a", "internet")),
        case(
            "internet_egress: IPv6 towards a NAT gateway",
            edit(path(out6(W6), None), |row| row.next_hop_interface_type = s("nat_gateway")),
            counted("1a", "internet"),
        ),
        case(
            "internet_egress: no path, NAT64",
            path(out6("64:ff9b::203.0.113.5"), None),
            counted("1a", "internet").doubts(&["egress_path"]),
        ),
        case("internet_egress: path 8, NAT64", out6("64:ff9b::cb00:7105"), charged("1a")),
        case("internet_egress: path 1, no gateways", path(out(A1), Some(1)), counted("1a", "internet"))
            .config(no_gateways),
        case("internet_egress: no path column, no gateways", out(A1), doubtful())
            .config(no_gateways)
            .without(&["traffic_path"]),
        case("internet_egress: no path column", out(A1), counted("1a", "internet").doubts(&["egress_path"]))
            .without(&["traffic_path"]),
        case("internet_egress: no direction", out(A1), charged("1a")).without(&["flow_direction"]),
        case(
            "internet_egress: not to aws",
            edit(out(A1), |row| row.pkt_dst_aws_service = s("S3")),
            counted("1a", "aws"),
        ),
        case(
            "internet_egress: to EC2",
            edit(out(A1), |row| row.pkt_dst_aws_service = s("EC2")),
            charged("1a").doubts(&["regional_public"]),
        ),
        case("internet_egress: not to unknown", path(flow(A1, P1), Some(8)), counted("1a", "unknown")),
        case("internet_egress: no charge", out(A1), counted("1a", "internet"))
            .config(exempt("internet_egress", "203.0.113.0/24")),
        case(
            "internet_egress: at a load balancer",
            edit(out(A1), |row| row.interface_type = s("network_load_balancer")),
            charged("1a"),
        ),
        case(
            "internet_egress: at a load balancer, the address of somebody else",
            edit(out(A1), |row| {
                row.interface_type = s("network_load_balancer");
                row.srcaddr = s(A2);
            }),
            counted("1a", "internet").other_side(),
        ),
        case(
            "internet_egress: at a load balancer, no direction: nobody's own address",
            edit(out(A1), |row| row.interface_type = s("network_load_balancer")),
            counted("1a", "internet"),
        )
        .without(&["flow_direction"]),
        case("internet_egress: at an endpoint", at("vpc_endpoint", out(A1)), {
            counted("1a", "internet").charged(&["vpc_endpoint_processing"])
        }),
        case(
            "internet_egress: at a transit gateway",
            at("transit_gateway", out(A1)),
            counted("1a", "internet").other_side(),
        ),
        case(
            "internet_egress: behind a firewall's endpoint",
            at("gateway_load_balancer_endpoint", out(A1)),
            charged("1a").other_side(),
        ),
        case(
            "internet_egress: behind a firewall's endpoint, no path",
            at("gateway_load_balancer_endpoint", path(out(A1), None)),
            counted("1a", "internet").other_side(),
        ),
        case("internet_egress: behind a forwarder", out(A1), charged("1a").other_side())
            .config(|config| config.forwarders = vec![forwarder("eni-pod")]),
        case(
            "internet_egress: behind a forwarder, by path 6",
            path(out(A1), Some(6)),
            charged("1a").other_side(),
        )
        .config(|config| config.forwarders = vec![forwarder("eni-pod")]),
        case(
            "internet_egress: at a forwarder, path 1",
            path(out(A1), Some(1)),
            counted("1a", "internet").other_side(),
        )
        .config(|config| config.forwarders = vec![forwarder("eni-pod")]),
        case(
            "internet_egress: at a forwarder, no path",
            path(out6(W6), None),
            counted("1a", "internet").other_side(),
        )
        .config(|config| config.forwarders = vec![forwarder("eni-pod")]),
    ]
}

/// Semantics 6.4 and 6.5, and 6.6 behind a gateway.
fn nat_charges() -> Vec<Case> {
    let at_gateway = |row: Row| edit(row, |row| row.interface_id = s("eni-nat-a"));
    let out = |client| at_gateway(seen("ingress", client, NA, client, W1));
    let back = |client| at_gateway(seen("egress", NA, client, W1, client));
    vec![
        case(
            "NAT out, client in the gateway's zone",
            out(A1),
            nat("out", "1a", "internet").charged(&["nat_processing", "internet_egress"]),
        ),
        case(
            "NAT out, client in another zone",
            out(C1),
            nat("out", "1c", "internet").charged(&["nat_processing", "nat_hop", "internet_egress"]),
        ),
        case(
            "NAT in, client in the gateway's zone",
            back(A1),
            nat("in", "internet", "1a").charged(&["nat_processing"]),
        ),
        case(
            "NAT in, client in another zone",
            back(C1),
            nat("in", "internet", "1c").charged(&["nat_processing", "nat_hop"]),
        ),
        case(
            "NAT out, client unknown",
            out(P1),
            nat("out", "unknown", "internet").charged(&["nat_processing", "internet_egress"]),
        ),
        case(
            "NAT out to aws",
            edit(out(C1), |row| row.pkt_dst_aws_service = s("S3")),
            nat("out", "1c", "aws").charged(&["nat_processing", "nat_hop"]),
        ),
        case(
            "NAT in from aws",
            edit(back(C1), |row| row.pkt_src_aws_service = s("S3")),
            nat("in", "aws", "1c").charged(&["nat_processing", "nat_hop"]),
        ),
        case(
            "NAT out with traffic_path 7",
            path(out(C1), Some(7)),
            nat("out", "1c", "internet").charged(&["nat_processing", "nat_hop"]),
        ),
        case(
            "NAT out without a path",
            path(out(A1), None),
            nat("out", "1a", "internet").charged(&["nat_processing", "internet_egress"]),
        ),
        case(
            "NAT between zones: no inter_az",
            at_gateway(seen("ingress", A1, NA, A1, C1)),
            nat("out", "1a", "1c").between_azs().charged(&["nat_processing"]),
        ),
        case(
            "NAT between regions: no inter_region",
            at_gateway(seen("egress", NA, A1, U1, A1)),
            nat("in", "use1", "1a").charged(&["nat_processing"]),
        ),
        case(
            "NAT inside a zone: processing stays",
            at_gateway(seen("ingress", C1, NA, C1, "10.0.133.1")),
            nat("out", "1c", "1c").charged(&["nat_processing", "nat_hop"]),
        ),
        case(
            "NAT without processing charge",
            out(C1),
            nat("out", "1c", "internet").charged(&["nat_hop", "internet_egress"]),
        )
        .config(exempt("nat_processing", "10.0.132.0/22")),
        case(
            "NAT without hop charge",
            out(C1),
            nat("out", "1c", "internet").charged(&["nat_processing", "internet_egress"]),
        )
        .config(exempt("nat_hop", "203.0.113.5/32")),
        case(
            "NAT without egress charge",
            out(C1),
            nat("out", "1c", "internet").charged(&["nat_processing", "nat_hop"]),
        )
        .config(exempt("internet_egress", "10.0.132.10/32")),
        case(
            "the gateway's own address exempts nobody",
            out(C1),
            nat("out", "1c", "internet").charged(&["nat_processing", "nat_hop", "internet_egress"]),
        )
        .config(exempt("nat_processing", "10.0.136.5/32")),
    ]
}

/// Semantics 6.17 to 6.20.
fn money() -> Vec<Case> {
    let bytes = |bytes| edit(flow(A1, C1), |row| row.bytes = Some(bytes));
    let tables = |flows: u64, bytes: u128, nanos: u128| {
        let key = crossing_series();
        Expect::Tables(Tables {
            records: BTreeMap::from([("counted".to_string(), flows)]),
            traffic: [((HOUR, key.clone()), [u128::from(flows), u128::from(flows) * 1_000, bytes, bytes])]
                .into(),
            charges: [((HOUR, key, "inter_az".to_string()), [bytes, nanos, 0])].into(),
            ..Tables::default()
        })
    };
    vec![
        // 10^7 / 2^30 nano-dollars a byte: 53 bytes are 0.494, 54 bytes are 0.503, 1 TiB is 1024
        // times the price.
        case("money below a half", bytes(53), tables(1, 53, 0)),
        case("money above a half", bytes(54), tables(1, 54, 1)),
        case("money of a sum is rounded once", bytes(27), tables(2, 54, 1)).and_rows([bytes(27)]),
        case("money of much", bytes(1 << 40), tables(1, 1 << 40, 10_240_000_000)),
        case("half a nano-dollar rounds up", bytes(1), tables(1, 1, 1)).config(|config| {
            config.prices.insert("inter_az", 1 << 29);
        }),
        case("money by the decimal gigabyte", bytes(GIB), tables(1, 1 << 30, 10_737_418)).config(|config| {
            config.bytes_per_gb = 1_000_000_000;
        }),
        case(
            "a charge without a price costs nothing",
            flow(A1, U1),
            counted("1a", "use1").charged(&["inter_region"]),
        )
        .config(|config| {
            config.prices.remove("inter_region");
        }),
    ]
}
