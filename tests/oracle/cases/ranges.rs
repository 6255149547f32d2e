//! AWS's address ranges: semantics 7.4 and 7.5, and what 6.3, 6.7 and 6.13 make of them. 100 GiB
//! each, at the list prices of us-east-1.

use super::{
    bill::{TWO_ZONES, and},
    written::page,
    *,
};

/// As in AWS's file, every network is there once more as AMAZON.
const RANGES: &str = r#"
    ip_ranges = [
        "52.95.0.0/16 us-east-1 AMAZON", "52.95.0.0/16 us-east-1 EC2",
        "52.216.0.0/15 us-east-1 AMAZON", "52.216.0.0/15 us-east-1 EC2", "52.216.0.0/15 us-east-1 S3",
        "52.218.0.0/17 eu-west-1 AMAZON", "52.218.0.0/17 eu-west-1 S3",
        "54.72.0.0/16 eu-west-1 EC2", "54.72.0.0/16 eu-west-1 AMAZON",
        "13.32.0.0/15 GLOBAL CLOUDFRONT", "13.32.0.0/15 GLOBAL AMAZON",
        "99.77.0.0/16 us-east-1 AMAZON",
        "2600:1f00::/24 us-east-1 EC2", "2600:1f00::/24 us-east-1 AMAZON",
    ]
"#;

pub(super) fn cases() -> Vec<Case> {
    [labels(), through_nat(), direct(), other_regions()].into_iter().flatten().collect()
}

fn with(rest: &str) -> String {
    format!("{TWO_ZONES}[aws]\n{RANGES}\n{rest}")
}

const GATEWAY: &str = "[[nat_gateway]]\nname = \"n\"\nzone = \"a\"\ninterface_ids = [\"eni-nat\"]\n";

/// To an address by path 1, which nothing is charged for.
fn labels() -> Vec<Case> {
    let towards = |name: &str, address: &str, service: &str, right: &str| {
        page(
            name,
            &with(""),
            &format!(
                "srcaddr dstaddr pkt_dst_aws_service flow_direction traffic_path
                10.0.1.10 {address} {service} egress 1"
            ),
            right,
        )
    };
    let label = |label: &str| format!("counted 1\na -> {label}: 100 GiB\nrelation a -> {label}: aws a -");
    let unknown = "
        counted 1
        a -> unknown: 100 GiB
        doubt unknown_zone 100 GiB
        ";
    vec![
        towards("an address of EC2", "52.95.0.10", "-", &label("aws:us-east-1")),
        towards("an address of S3", "52.216.0.10", "-", &label("aws:us-east-1")),
        towards("an address of S3 of another region", "52.218.0.10", "-", &label("aws:eu-west-1")),
        towards("an address of everywhere", "13.32.0.10", "-", &label("aws")),
        towards("an address of AMAZON", "99.77.0.10", "-", &label("aws:us-east-1")),
        towards("the service is S3, the address EC2's", "52.95.0.10", "S3", &label("aws:us-east-1")),
        towards("the service is S3, the address nobody's", "203.0.113.5", "S3", &label("aws")),
        towards(
            "the service is EC2, the address nobody's",
            "203.0.113.5",
            "EC2",
            "counted 1\na -> internet: 100 GiB\nrelation a -> internet: internet a -",
        ),
        towards("an IPv6 address of EC2", "2600:1f00::10", "-", &label("aws:us-east-1")),
        towards("a NAT64 address of S3", "64:ff9b::34d8:000a", "-", &label("aws:us-east-1")),
        towards("a private address", "10.9.9.9", "S3", unknown),
        page(
            "a network longer than that of another region",
            &with("").replace("99.77.0.0/16 us-east-1", "52.95.128.0/17 eu-west-1"),
            "
            srcaddr   dstaddr     flow_direction traffic_path
            10.0.1.10 52.95.127.1 egress         1
            10.0.1.10 52.95.128.1 egress         1
            ",
            "
            counted 2
            a -> aws:us-east-1: 100 GiB
            a -> aws:eu-west-1: 100 GiB
            ",
        ),
        // A zone goes before the ranges, and so does an own side's /56.
        page(
            "a zone of EC2's addresses",
            &with("[[zone]]\nname = \"pool\"\ncidrs = [\"52.95.0.0/24\"]"),
            "
            srcaddr   dstaddr     flow_direction traffic_path
            10.0.1.10 52.95.0.10  egress         1
            ",
            "
            counted 1
            a -> pool: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "the VPC's own IPv6 block lies in EC2's ranges",
            &with(""),
            "
            srcaddr            dstaddr            flow_direction traffic_path
            2600:1f00:0:100::1 2600:1f00:0:1ff::1 egress         8
            ",
            "
            counted 1
            unknown -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            contradiction outside_networks 1
            ",
        ),
        page(
            "the VPC's own IPv6 zone lies in EC2's ranges",
            &with("[[zone]]\nname = \"six\"\ncidrs = [\"2600:1f00:0:100::/64\", \"2600:1f00:0:200::/64\"]"),
            "
            srcaddr            dstaddr            flow_direction traffic_path
            2600:1f00:0:100::1 2600:1f00:0:200::1 egress         8
            ",
            "
            counted 1
            six -> six: 100 GiB
            ",
        ),
        page(
            "from a service to a client",
            &with(""),
            "
            srcaddr     dstaddr   flow_direction
            52.216.0.10 10.0.1.10 ingress
            ",
            "
            counted 1
            aws:us-east-1 -> a: 100 GiB
            ",
        ),
        page(
            "no ranges: the service alone speaks",
            TWO_ZONES,
            "
            srcaddr   dstaddr     pkt_dst_aws_service flow_direction traffic_path
            10.0.1.10 52.95.0.10  EC2                 egress         8
            10.0.1.10 52.216.0.10 S3                  egress         8
            ",
            "
            counted 2
            a -> internet: 100 GiB
            a -> aws: 100 GiB
            internet_egress 100 GiB 9.00
            doubt regional_public 100 GiB
            ",
        ),
    ]
}

fn through_nat() -> Vec<Case> {
    let up = |remote: &str| {
        format!(
            "
            interface_id next_hop_interface_type srcaddr    dstaddr    pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        nat_gateway             10.0.1.10  {remote}   10.0.1.10   {remote}    egress
            eni-nat      -                       10.0.1.10  10.0.1.220 10.0.1.10   {remote}    ingress
            eni-nat      -                       10.0.1.220 {remote}   10.0.1.220  {remote}    egress
            "
        )
    };
    let config = with(GATEWAY);
    vec![
        page(
            "EC2 of the own region through a NAT gateway",
            &config,
            &up("52.95.0.10"),
            "
            counted 2
            nat_public_leg 1
            a -> aws:us-east-1: 100 GiB
            a -> aws:us-east-1 out: 100 GiB
            nat_processing 100 GiB 4.50
            regional_public 100 GiB 1.00
            ",
        ),
        page(
            "EC2 of the own region through a NAT gateway, version 5",
            &config,
            &up("52.95.0.10"),
            "
            counted 2
            nat_public_leg 1
            a -> aws:us-east-1: 100 GiB
            a -> aws:us-east-1 out: 100 GiB
            nat_processing 100 GiB 4.50
            regional_public 100 GiB 1.00
            ",
        )
        .without(&["next_hop_interface_type"]),
        page(
            "EC2 of the own region, down through a NAT gateway",
            &config,
            "
            interface_id srcaddr    dstaddr    pkt_srcaddr pkt_dstaddr flow_direction
            eni-nat      52.95.0.10 10.0.1.220 52.95.0.10  10.0.1.220  ingress
            eni-nat      10.0.1.220 10.0.1.10  52.95.0.10  10.0.1.10   egress
            eni-1        52.95.0.10 10.0.1.10  52.95.0.10  10.0.1.10   ingress
            ",
            "
            counted 2
            nat_public_leg 1
            aws:us-east-1 -> a in: 100 GiB
            aws:us-east-1 -> a: 100 GiB
            nat_processing 100 GiB 4.50
            regional_public 100 GiB 1.00
            ",
        ),
        page(
            "S3 of the own region through a NAT gateway",
            &config,
            &up("52.216.0.10"),
            "
            counted 2
            nat_public_leg 1
            a -> aws:us-east-1: 100 GiB
            a -> aws:us-east-1 out: 100 GiB
            nat_processing 100 GiB 4.50
            ",
        ),
        page(
            "EC2 of another region through a NAT gateway",
            &and(&config, "[prices]\ninter_region = 0.02"),
            &up("54.72.0.10"),
            "
            counted 2
            nat_public_leg 1
            a -> aws:eu-west-1: 100 GiB
            a -> aws:eu-west-1 out: 100 GiB
            nat_processing 100 GiB 4.50
            inter_region 100 GiB 2.00
            ",
        ),
        page(
            "global addresses through a NAT gateway",
            &config,
            &up("13.32.0.10"),
            "
            counted 2
            nat_public_leg 1
            a -> aws: 100 GiB
            a -> aws out: 100 GiB
            nat_processing 100 GiB 4.50
            ",
        ),
        page(
            "EC2 of the own region through a regional NAT gateway",
            &with(""),
            "
            resource_id srcaddr    dstaddr     flow_direction
            nat-0abc    10.0.1.10  52.95.0.10  ingress
            nat-0abc    52.95.7.7  52.95.0.10  egress
            ",
            "
            counted 1
            nat_public_leg 1
            a -> aws:us-east-1 out: 100 GiB
            nat_processing 100 GiB 4.50
            regional_public 100 GiB 1.00
            ",
        ),
    ]
}

fn direct() -> Vec<Case> {
    let up = "
        srcaddr   dstaddr    flow_direction traffic_path
        10.0.1.10 52.95.0.10 egress         8
        ";
    let down = "
        srcaddr    dstaddr   flow_direction
        52.95.0.10 10.0.1.10 ingress
        ";
    let nothing = "
        counted 1
        aws:us-east-1 -> a: 100 GiB
        ";
    let charged = "
        counted 1
        aws:us-east-1 -> a: 100 GiB
        regional_public 100 GiB 1.00
        doubt regional_public 100 GiB
        ";
    let up_charged = "
        counted 1
        a -> aws:us-east-1: 100 GiB
        regional_public 100 GiB 1.00
        doubt regional_public 100 GiB
        ";
    let up_free = "
        counted 1
        a -> aws:us-east-1: 100 GiB
        ";
    vec![
        page("EC2 of the own region by the internet gateway", &with(""), up, up_charged),
        page("EC2 of the own region, version 2", &with(""), up, up_charged)
            .without(&["flow_direction", "traffic_path"]),
        page("EC2 of the own region, a NAT gateway beside it", &with(GATEWAY), up, up_charged),
        page("EC2 of the own region, no path, a NAT gateway beside it", &with(GATEWAY), up, up_free)
            .without(&["traffic_path"]),
        page("EC2 of the own region, answers", &with(""), down, charged),
        page("EC2 of the own region, answers, a NAT gateway beside it", &with(GATEWAY), down, nothing),
        page(
            "EC2 of the own region, answers to public_cidrs",
            &with(&format!("public_cidrs = [\"10.0.1.0/28\"]\n{GATEWAY}")),
            down,
            charged,
        ),
        page(
            "EC2 of the own region, answers at a forwarder",
            &with("[[forwarder]]\nname = \"f\"\ninterface_ids = [\"eni-1\"]"),
            down,
            nothing,
        ),
        page(
            "EC2 of the own region by a gateway endpoint's path",
            &with(""),
            "
            srcaddr   dstaddr    flow_direction traffic_path
            10.0.1.10 52.95.0.10 egress         7
            ",
            up_free,
        ),
        page(
            "EC2 of the own region, no charge",
            &with("[prices]\nno_charge = [{ charge = \"regional_public\", cidrs = [\"52.95.0.0/24\"] }]"),
            up,
            up_free,
        ),
        // The record's service goes before the file's.
        page(
            "a service in EC2's ranges, by the record",
            &with(""),
            "
            srcaddr   dstaddr    pkt_dst_aws_service flow_direction traffic_path
            10.0.1.10 52.95.0.10 DYNAMODB            egress         8
            10.0.1.10 52.95.0.10 AMAZON              egress         7
            ",
            "
            counted 2
            a -> aws:us-east-1: 200 GiB
            ",
        ),
        page(
            "AMAZON in the record is not a service",
            &with(""),
            "
            srcaddr   dstaddr    pkt_dst_aws_service flow_direction traffic_path
            10.0.1.10 52.95.0.10 AMAZON              egress         8
            ",
            up_charged,
        ),
        page(
            "the record says EC2, the file S3",
            &with(""),
            "
            srcaddr   dstaddr     pkt_dst_aws_service flow_direction traffic_path
            10.0.1.10 52.216.0.10 EC2                 egress         8
            ",
            up_free,
        ),
        page(
            "S3 by a gateway endpoint, version 2",
            &with(""),
            "
            srcaddr   dstaddr
            10.0.1.10 52.216.0.10
            ",
            up_free,
        ),
        page(
            "S3 by a gateway endpoint, version 2, both ways",
            &with(GATEWAY),
            "
            srcaddr     dstaddr
            10.0.1.10   52.216.0.10
            52.216.0.10 10.0.1.10
            ",
            "
            counted 2
            a -> aws:us-east-1: 100 GiB
            aws:us-east-1 -> a: 100 GiB
            ",
        ),
        // At a middlebox nothing of this is taken.
        page(
            "EC2 of the own region at a transit gateway",
            &with(""),
            "
            interface_type  srcaddr   dstaddr    flow_direction traffic_path
            transit_gateway 10.0.1.10 52.95.0.10 egress         8
            ",
            "other_side 1",
        ),
        page(
            "EC2 of the own region at a load balancer",
            &with(""),
            "
            interface_type        srcaddr   dstaddr    pkt_srcaddr pkt_dstaddr flow_direction traffic_path
            network_load_balancer 10.0.1.10 52.95.0.10 10.0.1.10   52.95.0.10  egress         8
            ",
            up_charged,
        ),
        // The record of the client behind the firewall has path 1.
        page(
            "EC2 of the own region behind a firewall's endpoint",
            &with(""),
            "
            interface_type                 srcaddr   dstaddr    flow_direction traffic_path
            gateway_load_balancer_endpoint 10.0.1.10 52.95.0.10 egress         8
            gateway_load_balancer_endpoint 10.0.1.10 52.95.0.10 egress         1
            ",
            "
            other_side 2
            regional_public 100 GiB 1.00
            ",
        ),
    ]
}

fn other_regions() -> Vec<Case> {
    let config = with("[prices]\ninter_region = 0.02");
    let to = |path: &str, direction: &str| {
        format!("srcaddr dstaddr flow_direction traffic_path\n10.0.1.10 54.72.0.10 {direction} {path}")
    };
    let charged = "
        counted 1
        a -> aws:eu-west-1: 100 GiB
        inter_region 100 GiB 2.00
        ";
    let free = "
        counted 1
        a -> aws:eu-west-1: 100 GiB
        ";
    vec![
        page("EC2 of another region by the internet gateway", &config, &to("8", "egress"), charged),
        page("EC2 of another region by a path within the VPC", &config, &to("1", "egress"), free),
        page("EC2 of another region, no path", &config, &to("-", "egress"), charged),
        page(
            "EC2 of another region, no path, a NAT gateway beside it",
            &and(&with(GATEWAY), "[prices]\ninter_region = 0.02"),
            &to("-", "egress"),
            free,
        ),
        page(
            "EC2 of another region that comes in",
            &config,
            "
            srcaddr    dstaddr   flow_direction
            54.72.0.10 10.0.1.10 ingress
            ",
            "
            counted 1
            aws:eu-west-1 -> a: 100 GiB
            ",
        ),
        // The key's region is what is another.
        page(
            "EC2 of the key's region, which is not the zone's",
            &and("[key]\nregion = \"eu-west-1\"\n", &config),
            &to("8", "egress"),
            "
            counted 1
            a -> aws:eu-west-1: 100 GiB
            regional_public 100 GiB 1.00
            doubt regional_public 100 GiB
            ",
        ),
        page(
            "EC2 of another region at a forwarder",
            &and(
                &config.replace(
                    "[prices]",
                    "[[forwarder]]\nname = \"f\"\ninterface_ids = [\"eni-1\"]\n[prices]",
                ),
                "",
            ),
            "
            interface_id srcaddr   dstaddr    flow_direction traffic_path
            eni-1        10.0.1.10 54.72.0.10 egress         8
            eni-1        10.0.1.10 54.72.0.10 egress         -
            ",
            "
            other_side 2
            inter_region 100 GiB 2.00
            ",
        ),
    ]
}
