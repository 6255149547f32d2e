//! What a bill says: pods, load balancers, databases, endpoints, transit gateways. 100 GiB each, at
//! the list prices of us-east-1.

use super::{written::page, *};

/// Two subnets; nobody says in which AZs they lie.
pub(super) const TWO_ZONES: &str = r#"
    [[zone]]
    name = "a"
    cidrs = ["10.0.1.0/24", "2001:db8:0:a::/64"]
    [[zone]]
    name = "b"
    cidrs = ["10.0.2.0/24", "2001:db8:0:b::/64"]
"#;

/// The same with their AZs.
pub(super) const TWO_AZS: &str = r#"
    [[zone]]
    name = "a"
    az_id = "use1-az1"
    cidrs = ["10.0.1.0/24"]
    [[zone]]
    name = "b"
    az_id = "use1-az2"
    cidrs = ["10.0.2.0/24"]
"#;

pub(super) fn cases() -> Vec<Case> {
    [pods(), pods_without_zones(), missing_subnet(), load_balancer(), database(), endpoint(), boxes()]
        .into_iter()
        .flatten()
        .collect()
}

/// Together with more of a configuration.
pub(super) fn and(one: &str, other: &str) -> String {
    format!("{one}{other}")
}

/// Two pods on secondary addresses of their nodes, as both nodes log it.
const PODS: &str = "
    interface_id instance_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
    eni-1        i-1         10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10   egress
    eni-2        i-2         10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10   ingress
";
const PODS_BILL: &str = "
    counted 1
    other_side 1
    a -> b: 100 GiB crossing
    inter_az 200 GiB 2.00
";

fn pods() -> Vec<Case> {
    vec![
        page("pods, zones by complete networks", TWO_ZONES, PODS, PODS_BILL),
        page(
            "pods, their relation: zones without an AZ are AZs of their own",
            TWO_ZONES,
            PODS,
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            relation a -> b: inter-az a b
            inter_az 200 GiB 2.00
            ",
        ),
        // Plain and packet address differ, and nothing says that the interface is an instance's.
        page(
            "pods, version 5 without instance-id",
            TWO_ZONES,
            PODS,
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            inter_az 200 GiB 2.00
            doubt interface 100 GiB
            ",
        )
        .without(&["instance_id"]),
        page(
            "pods, version 11 without instance-id",
            TWO_ZONES,
            "
            interface_id interface_type srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        -              10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10   egress
            eni-2        -              10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10   ingress
            ",
            PODS_BILL,
        ),
        // Without a direction both records count, as the older scripts had it; both were billed.
        page(
            "pods, version 2",
            TWO_ZONES,
            "
            account_id   interface_id srcaddr  dstaddr
            111122223333 eni-1        10.0.1.5 10.0.2.10
            111122223333 eni-2        10.0.1.10 10.0.2.5
            ",
            "
            counted 2
            a -> b: 200 GiB crossing
            inter_az 200 GiB 2.00
            ",
        ),
        page(
            "pods, both directions",
            TWO_ZONES,
            "
            interface_id instance_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction bytes
            eni-1        i-1         10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10   egress         100GiB
            eni-2        i-2         10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10   ingress        100GiB
            eni-2        i-2         10.0.2.5  10.0.1.10 10.0.2.10   10.0.1.10   egress         10GiB
            eni-1        i-1         10.0.2.10 10.0.1.5  10.0.2.10   10.0.1.10   ingress        10GiB
            ",
            "
            counted 2
            other_side 2
            a -> b: 100 GiB crossing
            b -> a: 10 GiB crossing
            inter_az 220 GiB 2.20
            ",
        ),
        page(
            "pods, IPv6",
            TWO_ZONES,
            "
            interface_id srcaddr            dstaddr            pkt_srcaddr        pkt_dstaddr        flow_direction
            eni-1        2001:db8:0:a::10   2001:db8:0:b::10   2001:db8:0:a::10   2001:db8:0:b::10   egress
            eni-2        2001:db8:0:a::10   2001:db8:0:b::10   2001:db8:0:a::10   2001:db8:0:b::10   ingress
            ",
            PODS_BILL,
        ),
        page(
            "pods, the sender's object",
            TWO_ZONES,
            "
            interface_id instance_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        i-1         10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10   egress
            ",
            "
            counted 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "pods, the receiver's object",
            TWO_ZONES,
            "
            interface_id instance_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-2        i-2         10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10   ingress
            ",
            "
            other_side 1
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "pods, the receiver's object, and the sender has no logs",
            r#"
            [[zone]]
            name = "a"
            logged = false
            cidrs = ["10.0.1.0/24"]
            [[zone]]
            name = "b"
            cidrs = ["10.0.2.0/24"]
            "#,
            "
            interface_id instance_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-2        i-2         10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10   ingress
            ",
            "
            counted 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "pods, every",
            &and(TWO_ZONES, "[counting]\nvantage = \"every\""),
            PODS,
            "
            counted 2
            a -> b: 200 GiB crossing
            inter_az 200 GiB 2.00
            ",
        ),
        page(
            "pods, rejected",
            TWO_ZONES,
            "
            interface_id instance_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction action
            eni-1        i-1         10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10   egress         REJECT
            eni-2        i-2         10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10   ingress        REJECT
            ",
            "rejected 2",
        ),
        page(
            "pods, rejected records count",
            &and(TWO_ZONES, "[counting]\nrejected = true"),
            "
            interface_id instance_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction action
            eni-1        i-1         10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10   egress         REJECT
            eni-2        i-2         10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10   ingress        REJECT
            ",
            PODS_BILL,
        ),
        page(
            "pods of one zone",
            TWO_ZONES,
            "
            interface_id instance_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        i-1         10.0.1.5  10.0.1.20 10.0.1.10   10.0.1.20   egress
            eni-2        i-2         10.0.1.10 10.0.1.6  10.0.1.10   10.0.1.20   ingress
            ",
            "
            counted 1
            other_side 1
            a -> a: 100 GiB
            relation a -> a: same-az a a
            ",
        ),
        // 10^7 nano-dollars a GiB: 107 bytes are 0.997 nano-dollars, rounded once for the series.
        page(
            "pods, a few bytes",
            TWO_ZONES,
            "
            interface_id instance_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction bytes
            eni-1        i-1         10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10   egress         53
            eni-2        i-2         10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10   ingress        54
            ",
            "
            counted 1
            other_side 1
            a -> b: 53 B crossing
            inter_az 107 B 0.000000001
            ",
        ),
        page(
            "pods, the key of another region: zones lie where the first source does",
            &and(TWO_ZONES, "[key]\nregion = \"sa-east-1\""),
            PODS,
            PODS_BILL,
        ),
        page("pods, a key without account and region", &and(TWO_ZONES, "[key]"), PODS, PODS_BILL),
        page(
            "pods, no charge",
            &and(
                TWO_ZONES,
                r#"[prices]
                no_charge = [{ charge = "inter_az", cidrs = ["10.0.2.10/32"] }]"#,
            ),
            PODS,
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            ",
        ),
    ]
}

/// Nodes of which only the log says in which AZ they lie.
const PODS_AZ: &str = "
    interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
    eni-1        i-1         use1-az1 10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10   egress
    eni-2        i-2         use1-az2 10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10   ingress
";
const PODS_AZ_BILL: &str = "
    counted 1
    other_side 1
    use1-az1 -> use1-az2: 100 GiB crossing
    relation use1-az1 -> use1-az2: inter-az use1-az1 use1-az2
    inter_az 200 GiB 2.00
";

fn pods_without_zones() -> Vec<Case> {
    vec![
        page("pods without zones, both sides in one object", "", PODS_AZ, PODS_AZ_BILL),
        page(
            "pods without zones, no instance-id",
            "",
            PODS_AZ,
            "
            counted 1
            other_side 1
            use1-az1 -> use1-az2: 100 GiB crossing
            inter_az 200 GiB 2.00
            doubt interface 100 GiB
            ",
        )
        .without(&["instance_id"]),
        page(
            "pods without zones, the sender's object",
            "",
            "
            interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        i-1         use1-az1 10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10   egress
            ",
            "
            counted 1
            use1-az1 -> unknown: 100 GiB
            relation use1-az1 -> unknown: unknown use1-az1 -
            doubt unknown_zone 100 GiB
            ",
        ),
        // The bytes are left to a record of the sender that may not exist.
        page(
            "pods without zones, the receiver's object",
            "",
            "
            interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-2        i-2         use1-az2 10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10   ingress
            ",
            "
            other_side 1
            doubt far_side 100 GiB
            ",
        ),
        page(
            "pods without zones, the next hop names the far side",
            "",
            "
            instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction next_hop_az_id
            i-1         use1-az1 10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10   egress         use1-az2
            ",
            "
            counted 1
            use1-az1 -> use1-az2: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        // No column says whose record it is: nothing is learned.
        page(
            "pods without zones, version 4 without direction",
            "",
            "
            instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr
            i-1         use1-az1 10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10
            i-2         use1-az2 10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10
            ",
            "
            counted 2
            unknown -> unknown: 200 GiB
            doubt unknown_zone 200 GiB
            ",
        ),
        page(
            "two plain instances without zones, the eighteen fields of the shortest configuration",
            "",
            "
            interface-id srcaddr   dstaddr   pkt-srcaddr pkt-dstaddr az-id    flow-direction traffic-path \
             pkt-src-aws-service pkt-dst-aws-service
            eni-1        10.0.1.10 10.0.2.10 10.0.1.10   10.0.2.10   use1-az1 egress  1 - -
            eni-2        10.0.1.10 10.0.2.10 10.0.1.10   10.0.2.10   use1-az2 ingress - - -
            ",
            PODS_AZ_BILL,
        ),
        page(
            "two plain instances without zones, two regions",
            "[prices]\ninter_region = 0.02",
            "
            interface_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction next_hop_az_id
            eni-1        use1-az1 10.0.1.10 10.9.2.10 10.0.1.10   10.9.2.10   egress         euw1-az2
            ",
            "
            counted 1
            use1-az1 -> euw1-az2: 100 GiB
            relation use1-az1 -> euw1-az2: inter-region use1-az1 euw1-az2
            inter_region 100 GiB 2.00
            ",
        ),
        page(
            "IPv6 pods without zones",
            "",
            "
            interface_id az_id    srcaddr            dstaddr            pkt_srcaddr        pkt_dstaddr        flow_direction
            eni-1        use1-az1 2600:1f00:1:100::1 2600:1f00:1:101::1 2600:1f00:1:100::1 2600:1f00:1:101::1 egress
            eni-2        use1-az2 2600:1f00:1:100::1 2600:1f00:1:101::1 2600:1f00:1:100::1 2600:1f00:1:101::1 ingress
            ",
            PODS_AZ_BILL,
        ),
        // In one /56 with an own side: inside, and not the internet.
        page(
            "IPv6 pods without zones, the sender's object",
            "",
            "
            interface_id az_id    srcaddr            dstaddr            pkt_srcaddr        pkt_dstaddr        flow_direction traffic_path
            eni-1        use1-az1 2600:1f00:1:100::1 2600:1f00:1:1ff::1 2600:1f00:1:100::1 2600:1f00:1:1ff::1 egress -
            eni-1        use1-az1 2600:1f00:1:100::1 2600:1f00:1:200::1 2600:1f00:1:100::1 2600:1f00:1:200::1 egress -
            ",
            "
            counted 2
            use1-az1 -> unknown: 100 GiB
            use1-az1 -> internet: 100 GiB
            internet_egress 100 GiB 9.00
            doubt unknown_zone 100 GiB
            ",
        ),
    ]
}

/// A subnet that came later is not among the networks.
fn missing_subnet() -> Vec<Case> {
    let both = "
        interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
        eni-1        i-1         use1-az1 10.0.1.5  10.0.3.10 10.0.1.10   10.0.3.10   egress
        eni-2        i-2         use1-az2 10.0.1.10 10.0.3.5  10.0.1.10   10.0.3.10   ingress
        ";
    vec![
        page(
            "a subnet missing from the networks, AZ ids",
            TWO_AZS,
            both,
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            inter_az 200 GiB 2.00
            contradiction outside_networks 1
            ",
        ),
        page(
            "a subnet missing from the networks, the sender's",
            TWO_AZS,
            "
            interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        i-1         use1-az1 10.0.3.5  10.0.2.10 10.0.3.10   10.0.2.10   egress
            eni-2        i-2         use1-az2 10.0.3.10 10.0.2.5  10.0.3.10   10.0.2.10   ingress
            ",
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            inter_az 200 GiB 2.00
            contradiction outside_networks 1
            ",
        ),
        page(
            "a subnet missing from the networks, the sender's object",
            TWO_AZS,
            "
            interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        i-1         use1-az1 10.0.1.5  10.0.3.10 10.0.1.10   10.0.3.10   egress
            ",
            "
            counted 1
            a -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "a subnet missing from the networks, the receiver's object",
            TWO_AZS,
            "
            interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-2        i-2         use1-az2 10.0.1.10 10.0.3.5  10.0.1.10   10.0.3.10   ingress
            ",
            "
            other_side 1
            inter_az 100 GiB 1.00
            contradiction outside_networks 1
            ",
        ),
        // The networks hold every own side of this object, so that 10.0.3.10 seems to have no logs.
        page(
            "a subnet missing from the networks, seen from a known one",
            TWO_AZS,
            "
            interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-2        i-2         use1-az2 10.0.3.10 10.0.2.5  10.0.3.10   10.0.2.10   ingress
            ",
            "
            counted 1
            unknown -> b: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        // Another own side outside shows that the networks are not complete.
        page(
            "a subnet missing from the networks, and the object shows it",
            TWO_AZS,
            "
            interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction bytes
            eni-2        i-2         use1-az2 10.0.3.10 10.0.2.5  10.0.3.10   10.0.2.10   ingress        100GiB
            eni-3        i-3         -        10.0.3.77 10.0.2.10 10.0.3.77   10.0.2.10   egress         1GiB
            ",
            "
            counted 1
            other_side 1
            unknown -> b: 1 GiB
            doubt unknown_zone 1 GiB
            doubt far_side 100 GiB
            contradiction outside_networks 1
            ",
        ),
        page(
            "two of three zones, AZ ids",
            TWO_AZS,
            "
            interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        i-1         use1-az1 10.0.1.5  10.0.3.10 10.0.1.10   10.0.3.10   egress
            eni-3        i-3         use1-az3 10.0.1.10 10.0.3.5  10.0.1.10   10.0.3.10   ingress
            ",
            "
            counted 1
            other_side 1
            a -> use1-az3: 100 GiB crossing
            relation a -> use1-az3: inter-az use1-az1 use1-az3
            inter_az 200 GiB 2.00
            contradiction outside_networks 1
            ",
        ),
        page(
            "two of three zones, zones without AZ ids: they do not speak",
            TWO_ZONES,
            "
            interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        i-1         use1-az1 10.0.1.5  10.0.3.10 10.0.1.10   10.0.3.10   egress
            eni-3        i-3         use1-az3 10.0.1.10 10.0.3.5  10.0.1.10   10.0.3.10   ingress
            ",
            "
            counted 1
            other_side 1
            a -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            contradiction outside_networks 1
            ",
        ),
        page(
            "two of three zones, an outside one besides: AZ ids speak",
            &and(TWO_AZS, "[[zone]]\nname = \"dc\"\noutside = true\ncidrs = [\"172.16.0.0/12\"]"),
            both,
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            inter_az 200 GiB 2.00
            contradiction outside_networks 1
            ",
        ),
    ]
}

/// An application load balancer in `a`, a target in `b`.
fn load_balancer() -> Vec<Case> {
    let rows = "
        interface_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
        eni-alb      10.0.1.50 10.0.2.10 10.0.1.50   10.0.2.10   egress
        eni-2        10.0.1.50 10.0.2.10 10.0.1.50   10.0.2.10   ingress
        ";
    let target_only = "
        interface_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
        eni-2        10.0.1.50 10.0.2.10 10.0.1.50   10.0.2.10   ingress
        ";
    let service = |rest: &str| and(TWO_ZONES, &format!("[[service]]\nname = \"alb\"\n{rest}"));
    let free = "
        counted 1
        other_side 1
        a -> b: 100 GiB crossing
        ";
    vec![
        page(
            "a load balancer that is free",
            &service("billing = \"free\"\ncidrs = [\"10.0.1.48/28\"]"),
            rows,
            free,
        ),
        page(
            "a load balancer that is free, by its interface",
            &service("billing = \"free\"\ninterface_ids = [\"eni-alb\"]"),
            rows,
            free,
        ),
        page(
            "a load balancer that is free, the target's object",
            &service("billing = \"free\"\ncidrs = [\"10.0.1.48/28\"]"),
            target_only,
            "other_side 1",
        ),
        // Nothing in this object says that 10.0.1.50 is the load balancer's.
        page(
            "a load balancer that is free, by its interface, the target's object",
            &service("billing = \"free\"\ninterface_ids = [\"eni-alb\"]"),
            target_only,
            "
            other_side 1
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "a load balancer that is free, replies",
            &service("billing = \"free\"\ncidrs = [\"10.0.1.48/28\"]"),
            "
            interface_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-2        10.0.2.10 10.0.1.50 10.0.2.10   10.0.1.50   egress
            eni-alb      10.0.2.10 10.0.1.50 10.0.2.10   10.0.1.50   ingress
            ",
            "
            counted 1
            other_side 1
            b -> a: 100 GiB crossing
            ",
        ),
        page(
            "a load balancer that is free, version 2",
            &service("billing = \"free\"\ncidrs = [\"10.0.1.48/28\"]"),
            rows,
            "
            counted 2
            a -> b: 200 GiB crossing
            ",
        )
        .without(&["pkt_srcaddr", "pkt_dstaddr", "flow_direction"]),
        page(
            "a load balancer that is free, IPv6",
            &service("billing = \"free\"\ncidrs = [\"2001:db8:0:a::50/128\"]"),
            "
            interface_id srcaddr          dstaddr          flow_direction
            eni-alb      2001:db8:0:a::50 2001:db8:0:b::10 egress
            eni-2        2001:db8:0:a::50 2001:db8:0:b::10 ingress
            ",
            free,
        ),
        page(
            "a load balancer of which both pay",
            &service("billing = \"both\"\ncidrs = [\"10.0.1.48/28\"]"),
            rows,
            PODS_BILL,
        ),
        page(
            "a load balancer of another account",
            &service("billing = \"free\"\ncidrs = [\"10.0.1.48/28\"]\naccounts = [\"444455556666\"]"),
            rows,
            PODS_BILL,
        ),
        page(
            "a load balancer of this account",
            &service("billing = \"free\"\ncidrs = [\"10.0.1.48/28\"]\naccounts = [\"111122223333\"]"),
            rows,
            free,
        ),
    ]
}

/// A managed database in `b`, a client in `a`.
fn database() -> Vec<Case> {
    let up = "
        interface_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
        eni-1        10.0.1.10 10.0.2.50 10.0.1.10   10.0.2.50   egress
        eni-db       10.0.1.10 10.0.2.50 10.0.1.10   10.0.2.50   ingress
        ";
    let service = |rest: &str| {
        and(TWO_ZONES, &format!("[[service]]\nname = \"orders-db\"\nbilling = \"far_side\"\n{rest}"))
    };
    let by_networks = service("cidrs = [\"10.0.2.48/28\"]");
    let by_interface = service("interface_ids = [\"eni-db\"]");
    let by_both = service("cidrs = [\"10.0.2.48/28\"]\ninterface_ids = [\"eni-db\"]");
    let one_pays = "
        counted 1
        other_side 1
        a -> b: 100 GiB crossing
        inter_az 100 GiB 1.00
        ";
    let version_2 = ["pkt_srcaddr", "pkt_dstaddr", "flow_direction"];
    vec![
        page("a database: its client pays", &by_networks, up, one_pays),
        page("a database by its interface: its client pays", &by_interface, up, one_pays),
        page(
            "a database: its client pays for replies",
            &by_networks,
            "
            interface_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-db       10.0.2.50 10.0.1.10 10.0.2.50   10.0.1.10   egress
            eni-1        10.0.2.50 10.0.1.10 10.0.2.50   10.0.1.10   ingress
            ",
            "
            counted 1
            other_side 1
            b -> a: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "a database, its own object",
            &by_networks,
            "
            interface_id srcaddr   dstaddr   flow_direction
            eni-db       10.0.1.10 10.0.2.50 ingress
            ",
            "other_side 1",
        ),
        page("a database without the interface's id", &by_networks, up, one_pays).without(&["interface_id"]),
        // The database's address at another interface: the record is not the database's own.
        page(
            "a database's address at another interface",
            &by_interface,
            "
            interface_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-db       10.0.2.50 10.0.1.10 10.0.2.50   10.0.1.10   egress
            eni-9        10.0.2.50 10.0.1.10 10.0.2.50   10.0.1.10   egress
            ",
            "
            counted 2
            b -> a: 200 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        // The service says which addresses are its own, and this is none of them: the client's record
        // does not know it, its own interface does.
        page(
            "a database's interface with an address outside its networks",
            &by_both.replace("far_side", "free"),
            "
            interface_id srcaddr   dstaddr   flow_direction
            eni-1        10.0.1.10 10.0.2.99 egress
            eni-db       10.0.1.10 10.0.2.99 ingress
            ",
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        // Whose record it is cannot be told: both are charged.
        page(
            "a database, version 2",
            &by_networks,
            up,
            "
            counted 2
            a -> b: 200 GiB crossing
            inter_az 200 GiB 2.00
            doubt own_side 200 GiB
            ",
        )
        .without(&version_2),
        page(
            "a database, version 2, by its interface",
            &by_both,
            up,
            "
            counted 2
            a -> b: 200 GiB crossing
            inter_az 100 GiB 1.00
            ",
        )
        .without(&version_2),
        page(
            "a database, version 2, by its interface, which is null",
            &by_both,
            "
            interface_id srcaddr   dstaddr
            -            10.0.1.10 10.0.2.50
            eni-db       10.0.1.10 10.0.2.50
            ",
            "
            counted 2
            a -> b: 200 GiB crossing
            inter_az 100 GiB 1.00
            doubt own_side 100 GiB
            ",
        ),
        page(
            "a database in its client's zone",
            &by_networks,
            "
            interface_id srcaddr   dstaddr
            eni-2        10.0.2.10 10.0.2.50
            ",
            "
            counted 1
            b -> b: 100 GiB
            ",
        ),
    ]
    .into_iter()
    .chain(two_services())
    .collect()
}

/// The services `x` in `a` and `y` in `b`, as both log what `x` sends (semantics 7.2).
fn two_services() -> Vec<Case> {
    let rows = "
        interface_id srcaddr   dstaddr   flow_direction
        eni-x        10.0.1.50 10.0.2.50 egress
        eni-y        10.0.1.50 10.0.2.50 ingress
        ";
    let mut cases = Vec::new();
    // Who pays, of the records of x and of y.
    for (x, y, bill) in [
        ("both", "both", "inter_az 200 GiB 2.00"),
        ("both", "far_side", "inter_az 100 GiB 1.00"),
        ("far_side", "both", "inter_az 100 GiB 1.00"),
        ("far_side", "far_side", ""),
        ("free", "both", ""),
        ("far_side", "free", ""),
        ("free", "free", ""),
    ] {
        let config = format!(
            "{TWO_ZONES}
            [[service]]
            name = \"x\"
            billing = \"{x}\"
            cidrs = [\"10.0.1.48/28\"]
            [[service]]
            name = \"y\"
            billing = \"{y}\"
            cidrs = [\"10.0.2.48/28\"]"
        );
        cases.push(page(
            &format!("two services, {x} and {y}"),
            &config,
            rows,
            &format!(
                "
                counted 1
                other_side 1
                a -> b: 100 GiB crossing
                {bill}
                "
            ),
        ));
        let unclear = x != y && [x, y].contains(&"far_side") && [x, y].contains(&"both");
        cases.push(
            page(
                &format!("two services, {x} and {y}, version 2"),
                &config,
                rows,
                &format!(
                    "
                    counted 2
                    a -> b: 200 GiB crossing
                    {}
                    ",
                    if unclear { "inter_az 200 GiB 2.00\ndoubt own_side 200 GiB" } else { bill }
                ),
            )
            .without(&["flow_direction"]),
        );
    }
    cases
}

/// A client in `a`, an interface endpoint in `b`.
fn endpoint() -> Vec<Case> {
    let header = "interface_id srcaddr dstaddr pkt_srcaddr pkt_dstaddr flow_direction interface_type next_hop_interface_type bytes";
    let client = "eni-1    10.0.1.10 10.0.2.99 10.0.1.10 10.0.2.99 egress  -            vpc_endpoint 100GiB";
    let endpoint =
        "eni-vpce 10.0.1.10 10.0.2.99 10.0.1.10 10.0.2.99 ingress vpc_endpoint -            100GiB";
    let reply = "eni-vpce 10.0.2.99 10.0.1.10 10.0.2.99 10.0.1.10 egress  vpc_endpoint -            10GiB";
    let received = "eni-1    10.0.2.99 10.0.1.10 10.0.2.99 10.0.1.10 ingress -            vpc_endpoint 10GiB";
    let rows = |rows: &[&str]| format!("{header}\n{}", rows.join("\n"));
    let at_client = and(TWO_ZONES, "[counting]\nendpoint_processing_at = \"client\"");
    vec![
        page(
            "an interface endpoint: no hop, but processing",
            TWO_ZONES,
            &rows(&[client, endpoint]),
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            vpc_endpoint_processing 100 GiB 1.00
            ",
        ),
        page(
            "an interface endpoint: both directions",
            TWO_ZONES,
            &rows(&[client, endpoint, reply, received]),
            "
            counted 2
            other_side 2
            a -> b: 100 GiB crossing
            b -> a: 10 GiB crossing
            vpc_endpoint_processing 110 GiB 1.10
            ",
        ),
        page(
            "an interface endpoint: processing at the client",
            &at_client,
            &rows(&[client, endpoint, reply, received]),
            "
            counted 2
            other_side 2
            a -> b: 100 GiB crossing
            b -> a: 10 GiB crossing
            vpc_endpoint_processing 110 GiB 1.10
            ",
        ),
        page(
            "an interface endpoint without records: nothing is charged, and it shows",
            TWO_ZONES,
            &rows(&[client]),
            "
            counted 1
            a -> b: 100 GiB crossing
            contradiction endpoint 1
            ",
        ),
        page(
            "an interface endpoint without records: processing at the client",
            &at_client,
            &rows(&[client]),
            "
            counted 1
            a -> b: 100 GiB crossing
            vpc_endpoint_processing 100 GiB 1.00
            ",
        ),
        page(
            "an interface endpoint without records, the client was rejected",
            TWO_ZONES,
            "
            srcaddr   dstaddr   flow_direction interface_type next_hop_interface_type action
            10.0.1.10 10.0.2.99 egress         -              vpc_endpoint            REJECT
            ",
            "
            rejected 1
            contradiction endpoint 1
            ",
        ),
        page(
            "an interface endpoint: no charge for its processing",
            &and(
                TWO_ZONES,
                "[prices]\nno_charge = [{ charge = \"vpc_endpoint_processing\", cidrs = [\"10.0.2.99/32\"] }]",
            ),
            &rows(&[client, endpoint]),
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            ",
        ),
        // Nothing tells the endpoint from a pod in the other zone.
        page(
            "an interface endpoint, version 5",
            TWO_ZONES,
            &rows(&[client, endpoint]),
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            inter_az 200 GiB 2.00
            ",
        )
        .without(&["interface_type", "next_hop_interface_type"]),
    ]
}

/// What an endpoint and a load balancer send at their own address has no other sender's record.
fn boxes() -> Vec<Case> {
    let rows = "
        interface_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction interface_type        bytes
        eni-vpce     use1-az1 10.0.1.99 10.0.1.10 10.0.1.99   10.0.1.10   egress         vpc_endpoint          10GiB
        eni-nlb      use1-az1 10.0.1.60 10.0.1.10 10.0.1.60   10.0.1.10   egress         network_load_balancer 10GiB
        eni-1        use1-az1 10.0.1.99 10.0.1.10 10.0.1.99   10.0.1.10   ingress        -                     10GiB
        eni-1        use1-az1 10.0.1.60 10.0.1.10 10.0.1.60   10.0.1.10   ingress        -                     10GiB
        ";
    vec![
        page(
            "from an endpoint and a load balancer to their client",
            TWO_ZONES,
            rows,
            "
            counted 2
            other_side 2
            a -> a: 20 GiB
            vpc_endpoint_processing 10 GiB 0.10
            ",
        ),
        page(
            "from an endpoint and a load balancer to their client, no zones",
            "",
            rows,
            "
            counted 2
            other_side 2
            use1-az1 -> use1-az1: 20 GiB
            vpc_endpoint_processing 10 GiB 0.10
            ",
        ),
        page(
            "from a load balancer to another AZ: both ends pay",
            TWO_ZONES,
            "
            interface_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction interface_type
            eni-nlb      10.0.1.60 10.0.2.10 10.0.1.60   10.0.2.10   egress         network_load_balancer
            eni-2        10.0.1.60 10.0.2.10 10.0.1.60   10.0.2.10   ingress        -
            eni-2        10.0.2.10 10.0.1.60 10.0.2.10   10.0.1.60   egress         -
            eni-nlb      10.0.2.10 10.0.1.60 10.0.2.10   10.0.1.60   ingress        network_load_balancer
            ",
            "
            counted 2
            other_side 2
            a -> b: 100 GiB crossing
            b -> a: 100 GiB crossing
            inter_az 400 GiB 4.00
            ",
        ),
        // The client's address is kept: the load balancer's own records repeat other hosts' bytes.
        page(
            "a load balancer that keeps its clients' addresses",
            TWO_ZONES,
            "
            interface_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction interface_type
            eni-1        10.0.1.10 10.0.1.60 10.0.1.10   10.0.1.60   egress         -
            eni-nlb      10.0.1.10 10.0.1.60 10.0.1.10   10.0.1.60   ingress        network_load_balancer
            eni-nlb      10.0.1.60 10.0.2.10 10.0.1.10   10.0.2.10   egress         network_load_balancer
            eni-2        10.0.1.10 10.0.2.10 10.0.1.10   10.0.2.10   ingress        -
            ",
            "
            counted 1
            other_side 3
            a -> a: 100 GiB
            inter_az 100 GiB 1.00
            ",
        ),
    ]
}
