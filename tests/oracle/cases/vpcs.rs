//! Scopes, VPCs, and what connects them: semantics 2.1 to 2.4, 2.17 to 2.20 and 6.12. 100 GiB each,
//! at the list prices of us-east-1.

use super::{
    bill::{TWO_ZONES, and},
    written::page,
    *,
};

pub(super) fn cases() -> Vec<Case> {
    [transit_gateway(), peering(), scopes(), ranks(), ids(), exemptions(), learning()]
        .into_iter()
        .flatten()
        .collect()
}

/// Zone `a` in one VPC, zone `b` in another; the zones do not say so.
const APART: &str = r#"
    [[zone]]
    name = "a"
    cidrs = ["10.0.1.0/24"]
    [[zone]]
    name = "b"
    cidrs = ["10.1.2.0/24"]
"#;

/// The zones say so.
const SCOPED: &str = r#"
    [[zone]]
    name = "a"
    cidrs = ["10.0.1.0/24"]
    vpc_ids = ["vpc-a"]
    [[zone]]
    name = "b"
    cidrs = ["10.1.2.0/24"]
    vpc_ids = ["vpc-b"]
"#;

/// From a pod in one VPC through two attachments to a pod in the other.
const TRANSIT: &str = "
    interface_id instance_id vpc_id interface_type  next_hop_interface_type srcaddr    dstaddr    pkt_srcaddr pkt_dstaddr flow_direction traffic_path
    eni-1        i-1         vpc-a  -               transit_gateway         10.0.1.10  10.1.2.10  10.0.1.10   10.1.2.10   egress         1
    eni-tgw-a    -           vpc-a  transit_gateway -                       10.0.1.10  10.0.1.200 10.0.1.10   10.1.2.10   ingress        -
    eni-tgw-b    -           vpc-b  transit_gateway -                       10.1.2.200 10.1.2.10  10.0.1.10   10.1.2.10   egress         1
    eni-2        i-2         vpc-b  -               -                       10.0.1.10  10.1.2.10  10.0.1.10   10.1.2.10   ingress        -
";
const TRANSIT_BILL: &str = "
    counted 1
    other_side 3
    a -> b: 100 GiB crossing
    transit_gateway_processing 100 GiB 2.00
";
const VERSION_11: [&str; 2] = ["interface_type", "next_hop_interface_type"];

fn transit_gateway() -> Vec<Case> {
    let receiver = "
        interface_id instance_id vpc_id srcaddr    dstaddr    pkt_srcaddr pkt_dstaddr flow_direction
        eni-2        i-2         vpc-b  10.0.1.10  10.1.2.10  10.0.1.10   10.1.2.10   ingress
        ";
    vec![
        page("a transit gateway, version 11", APART, TRANSIT, TRANSIT_BILL),
        page("a transit gateway, version 11, zones by VPC", SCOPED, TRANSIT, TRANSIT_BILL),
        page("a transit gateway, version 11, no instance-id", APART, TRANSIT, TRANSIT_BILL)
            .without(&["instance_id"]),
        page("a transit gateway, version 5", APART, TRANSIT, TRANSIT_BILL).without(&VERSION_11),
        page("a transit gateway, version 5, zones by VPC", SCOPED, TRANSIT, TRANSIT_BILL).without(&VERSION_11),
        // The sender's record is free by its next hop. Nothing tells the receiver's from peering.
        page(
            "a transit gateway, version 11, nobody says which VPC",
            APART,
            TRANSIT,
            "
            counted 1
            other_side 3
            a -> b: 100 GiB crossing
            transit_gateway_processing 100 GiB 2.00
            inter_az 100 GiB 1.00
            ",
        )
        .without(&["vpc_id"]),
        // The same amount under another name.
        page(
            "a transit gateway, version 5, nobody says which VPC",
            APART,
            TRANSIT,
            "
            counted 1
            other_side 3
            a -> b: 100 GiB crossing
            inter_az 200 GiB 2.00
            ",
        )
        .without(&["interface_type", "next_hop_interface_type", "vpc_id"]),
        // Nothing says that the attachments are boxes in between. They count, they teach, and they
        // show the own sides of others.
        page(
            "a transit gateway, version 5 without instance-id, nobody says which VPC",
            APART,
            TRANSIT,
            "
            counted 2
            other_side 2
            a -> b: 200 GiB crossing
            inter_az 400 GiB 4.00
            doubt interface 100 GiB
            contradiction forwarder 2
            ",
        )
        .without(&["interface_type", "next_hop_interface_type", "vpc_id", "instance_id"]),
        page(
            "a transit gateway, another account's attachments: AWS does not name its instances",
            APART,
            "
            interface_id instance_id account_id   srcaddr    dstaddr    pkt_srcaddr pkt_dstaddr flow_direction
            eni-tgw-b    -           444455556666 10.1.2.200 10.1.2.10  10.0.1.10   10.1.2.10   egress
            eni-tgw-c    -           111122223333 10.1.2.201 10.1.2.10  10.0.1.10   10.1.2.10   egress
            ",
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            doubt interface 100 GiB
            ",
        ),
        page(
            "a transit gateway, the receiver's object, zones by VPC: no sign of peering",
            SCOPED,
            receiver,
            "other_side 1",
        ),
        page(
            "a transit gateway, the receiver's object: the sender's VPC is not known",
            APART,
            receiver,
            "
            other_side 1
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "a transit gateway and its replies",
            APART,
            "
            interface_id instance_id vpc_id traffic_path srcaddr    dstaddr    pkt_srcaddr pkt_dstaddr flow_direction bytes
            eni-1        i-1         vpc-a  1            10.0.1.10  10.1.2.10  10.0.1.10   10.1.2.10   egress         100GiB
            eni-2        i-2         vpc-b  -            10.0.1.10  10.1.2.10  10.0.1.10   10.1.2.10   ingress        100GiB
            eni-2        i-2         vpc-b  1            10.1.2.10  10.0.1.10  10.1.2.10   10.0.1.10   egress         10GiB
            eni-1        i-1         vpc-a  -            10.1.2.10  10.0.1.10  10.1.2.10   10.0.1.10   ingress        10GiB
            ",
            "
            counted 2
            other_side 2
            a -> b: 100 GiB crossing
            b -> a: 10 GiB crossing
            transit_gateway_processing 110 GiB 2.20
            ",
        ),
        page(
            "path 1 to a place whose VPC nobody knows: no transit gateway",
            APART,
            "
            interface_id vpc_id srcaddr    dstaddr    flow_direction traffic_path
            eni-1        vpc-a  10.0.1.10  10.1.2.10  egress         1
            ",
            "
            counted 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "from a transit gateway: the sender has paid",
            APART,
            "
            interface_type next_hop_interface_type srcaddr    dstaddr    flow_direction
            -              transit_gateway         10.0.1.10  10.1.2.10  ingress
            ",
            "other_side 1",
        ),
        page(
            "a transit gateway to a place that nobody knows, version 11",
            APART,
            "
            interface_type next_hop_interface_type srcaddr    dstaddr    flow_direction
            -              transit_gateway         10.0.1.10  10.7.7.7   egress
            ",
            "
            counted 1
            a -> unknown: 100 GiB
            transit_gateway_processing 100 GiB 2.00
            doubt unknown_zone 100 GiB
            ",
        ),
    ]
}

fn peering() -> Vec<Case> {
    let up = |path: &str| {
        format!(
            "
            interface_id instance_id vpc_id traffic_path srcaddr    dstaddr    flow_direction
            eni-1        i-1         vpc-a  {path}       10.0.1.10  10.1.2.10  egress
            eni-2        i-2         vpc-b  -            10.0.1.10  10.1.2.10  ingress
            "
        )
    };
    let sign = |path: &str, action: &str, interface_type: &str| {
        format!(
            "
            interface_id interface_type   vpc_id traffic_path srcaddr    dstaddr    flow_direction action   bytes
            eni-1        -                vpc-a  -            10.0.1.10  10.1.2.10  egress         ACCEPT   100GiB
            eni-3        {interface_type} vpc-b  {path}       10.1.2.33  10.0.1.33  egress         {action} 1GiB
            "
        )
    };
    let peered = "
        counted 1
        other_side 1
        a -> b: 100 GiB crossing
        inter_az 200 GiB 2.00
        ";
    let no_sign = "
        counted 1
        other_side 1
        a -> b: 100 GiB crossing
        doubt between_vpcs 100 GiB
        ";
    vec![
        page("two VPCs, path 4: peered", APART, &up("4"), peered),
        page("two VPCs, path 4, zones by VPC: peered", SCOPED, &up("4"), peered),
        page("two VPCs, no path: no sign", APART, &up("-"), no_sign),
        page("two VPCs, no path, zones by VPC: no sign", SCOPED, &up("-"), no_sign),
        page("two VPCs, another path: no sign", APART, &up("8"), no_sign),
        page(
            "two VPCs, no path, peered by configuration",
            &and(APART, "[aws]\npeered = [[\"vpc-b\", \"vpc-a\"]]"),
            &up("-"),
            peered,
        ),
        page(
            "two VPCs, no path, others are peered",
            &and(APART, "[aws]\npeered = [[\"vpc-b\", \"vpc-c\"]]"),
            &up("-"),
            no_sign,
        ),
        // The sign is in a record of other hosts of the two.
        page(
            "two VPCs, the sign in another record",
            SCOPED,
            &sign("4", "ACCEPT", "-"),
            "
            counted 2
            a -> b: 100 GiB crossing
            b -> a: 1 GiB crossing
            inter_az 101 GiB 1.01
            ",
        ),
        page(
            "two VPCs, the sign in a record that does not count",
            SCOPED,
            &sign("4", "ACCEPT", "transit_gateway"),
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "two VPCs, the sign in a rejected record",
            SCOPED,
            &sign("4", "REJECT", "-"),
            "
            counted 1
            rejected 1
            a -> b: 100 GiB crossing
            doubt between_vpcs 100 GiB
            ",
        ),
        page(
            "two VPCs, the sign of a transit gateway in another record",
            SCOPED,
            &sign("1", "ACCEPT", "-"),
            "
            counted 2
            a -> b: 100 GiB crossing
            b -> a: 1 GiB crossing
            transit_gateway_processing 1 GiB 0.02
            ",
        ),
        page(
            "two VPCs, the sign of a transit gateway in a rejected record",
            SCOPED,
            &sign("1", "REJECT", "-"),
            "
            counted 1
            rejected 1
            a -> b: 100 GiB crossing
            doubt between_vpcs 100 GiB
            ",
        ),
        // What one record shows as peered is peered, whatever else connects the two.
        page(
            "two VPCs, both signs",
            SCOPED,
            "
            interface_id vpc_id traffic_path srcaddr    dstaddr    flow_direction bytes
            eni-1        vpc-a  1            10.0.1.10  10.1.2.10  egress         100GiB
            eni-3        vpc-b  4            10.1.2.33  10.0.1.33  egress         1GiB
            ",
            "
            counted 2
            a -> b: 100 GiB crossing
            b -> a: 1 GiB crossing
            inter_az 101 GiB 1.01
            transit_gateway_processing 100 GiB 2.00
            ",
        ),
        page(
            "two VPCs in one AZ",
            r#"
            [[zone]]
            name = "a"
            az_id = "use1-az1"
            cidrs = ["10.0.1.0/24"]
            vpc_ids = ["vpc-a"]
            [[zone]]
            name = "b"
            az_id = "use1-az1"
            cidrs = ["10.1.2.0/24"]
            vpc_ids = ["vpc-b"]
            "#,
            &up("-"),
            "
            counted 1
            other_side 1
            a -> b: 100 GiB
            relation a -> b: same-az use1-az1 use1-az1
            ",
        ),
        page(
            "two VPCs, a service that is free besides: no doubt",
            &and(SCOPED, "[[service]]\nname = \"s\"\nbilling = \"free\"\ncidrs = [\"10.1.2.0/24\"]"),
            &up("-"),
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            ",
        ),
    ]
}

fn scopes() -> Vec<Case> {
    let two_accounts = r#"
        [[zone]]
        name = "shop-a"
        cidrs = ["10.0.1.0/24"]
        accounts = ["111122223333"]
        [[zone]]
        name = "shop-b"
        cidrs = ["10.0.2.0/24"]
        accounts = ["111122223333"]
        [[zone]]
        name = "bank"
        cidrs = ["10.0.0.0/16"]
        accounts = ["444455556666"]
        "#;
    let pods = "
        srcaddr   dstaddr   flow_direction
        10.0.1.10 10.0.2.10 egress
        ";
    let of_account = |key: &str| format!("[key]\n{key}\nregion = \"us-east-1\"\n{two_accounts}");
    vec![
        page(
            "two VPCs with one network, the first account",
            &of_account("account = \"111122223333\""),
            pods,
            "
            counted 1
            shop-a -> shop-b: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "two VPCs with one network, the second account",
            &of_account("account = \"444455556666\""),
            pods,
            "
            counted 1
            bank -> bank: 100 GiB
            relation bank -> bank: same-az bank bank
            ",
        ),
        // Both other scopes have the addresses.
        page(
            "two VPCs with one network, a third account",
            &of_account("account = \"777788889999\""),
            pods,
            "
            counted 1
            unknown -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "two VPCs with one network, no account in the key",
            &of_account(""),
            pods,
            "
            counted 1
            unknown -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        // Only one other scope has the first address, but both have the second.
        page(
            "the only other scope that has an address",
            &of_account("account = \"777788889999\"").replace("10.0.0.0/16", "10.0.2.0/23"),
            pods,
            "
            counted 1
            shop-a -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "the only other scope that has an address: its longest network",
            r#"
            [[zone]]
            name = "wide"
            cidrs = ["10.0.0.0/16"]
            accounts = ["444455556666"]
            [[zone]]
            name = "narrow"
            cidrs = ["10.0.2.0/24"]
            accounts = ["444455556666"]
            "#,
            pods,
            "
            counted 1
            wide -> narrow: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "a zone of another source, and one of this",
            r#"
            [[zone]]
            name = "here"
            cidrs = ["10.0.1.0/24"]
            sources = ["logs"]
            [[zone]]
            name = "there"
            cidrs = ["10.0.0.0/16"]
            sources = ["other"]
            "#,
            pods,
            "
            counted 1
            here -> there: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "a zone of a region: the key's",
            "[key]\nregion = \"sa-east-1\"\n[[zone]]\nname = \"sp\"\ncidrs = [\"10.0.0.0/16\"]\nregions = [\"sa-east-1\"]",
            pods,
            "
            counted 1
            sp -> sp: 100 GiB
            ",
        ),
        page(
            "a zone of a region: the source's where the key has none",
            "[key]\n[source]\nregion = \"sa-east-1\"\n[[zone]]\nname = \"sp\"\ncidrs = [\"10.0.0.0/16\"]\nregions = [\"sa-east-1\"]",
            pods,
            "
            counted 1
            sp -> sp: 100 GiB
            ",
        ),
        // All lists of an entry must match; another scope has it by itself, though.
        page(
            "a zone of an account and a region, of which one matches",
            r#"
            [[zone]]
            name = "x"
            cidrs = ["10.0.1.0/24"]
            accounts = ["111122223333"]
            regions = ["sa-east-1"]
            [[zone]]
            name = "y"
            cidrs = ["10.0.1.0/24"]
            accounts = ["444455556666"]
            regions = ["us-east-1"]
            "#,
            pods,
            "
            counted 1
            unknown -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        // An address in a network of another scope is not inside by it.
        page(
            "a public address of another account's network",
            "[[zone]]\nname = \"pool\"\ncidrs = [\"203.0.113.0/24\"]\naccounts = [\"444455556666\"]",
            "
            srcaddr   dstaddr     flow_direction traffic_path
            10.0.1.10 203.0.113.5 egress         8
            ",
            "
            counted 1
            unknown -> pool: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
    ]
}

/// The narrowest scope first, whatever the length of the prefix (semantics 2.3).
fn ranks() -> Vec<Case> {
    let zones = [
        ("by-vpc", "10.0.0.0/8", "vpc_ids = [\"vpc-a\"]"),
        ("by-account", "10.0.0.0/12", "accounts = [\"111122223333\"]"),
        ("by-region", "10.0.1.0/24", "regions = [\"us-east-1\"]"),
        ("by-source", "10.0.1.0/25", "sources = [\"logs\"]"),
        ("everywhere", "10.0.1.10/32", ""),
    ];
    let config = |from: usize| {
        let zones = zones[from..].iter();
        zones.fold(String::new(), |text, (name, cidr, scope)| {
            text + &format!("[[zone]]\nname = \"{name}\"\ncidrs = [\"{cidr}\"]\n{scope}\n")
        })
    };
    let rows = "
        vpc_id srcaddr   dstaddr   flow_direction
        vpc-a  10.0.1.10 10.0.1.10 egress
        ";
    let mut cases = Vec::new();
    // Accounts and regions are one rank, in which the longer prefix wins.
    for (from, found) in
        [(0, "by-vpc"), (1, "by-region"), (2, "by-region"), (3, "by-source"), (4, "everywhere")]
    {
        cases.push(page(
            &format!("the narrowest scope: {found}, of {} zones", zones.len() - from),
            &config(from),
            rows,
            &format!("counted 1\n{found} -> {found}: 100 GiB"),
        ));
    }
    cases.push(page(
        "the narrowest scope without this address",
        &config(0).replace("10.0.0.0/8", "10.7.0.0/16"),
        rows,
        "
        counted 1
        by-region -> by-region: 100 GiB
        ",
    ));
    cases.push(
        page(
            "the narrowest scope, no VPC logged",
            &config(0),
            rows,
            "
        counted 1
        by-region -> by-region: 100 GiB
        ",
        )
        .without(&["vpc_id"]),
    );
    cases
}

/// Ids hold everywhere (semantics 2.4).
fn ids() -> Vec<Case> {
    let other = "accounts = [\"444455556666\"]";
    let gateway =
        |rest: &str| and(TWO_ZONES, &format!("[[nat_gateway]]\nname = \"n\"\nzone = \"a\"\n{other}\n{rest}"));
    let leg = "
        interface_id resource_id srcaddr   dstaddr    pkt_srcaddr pkt_dstaddr flow_direction
        eni-nat      nat-0abc    10.0.1.10 10.0.1.220 10.0.1.10   203.0.113.5 ingress
        ";
    let out = "
        counted 1
        a -> internet out: 100 GiB
        nat_processing 100 GiB 4.50
        internet_egress 100 GiB 9.00
        ";
    vec![
        page(
            "the interface of another account's gateway",
            &gateway("interface_ids = [\"eni-nat\"]"),
            leg,
            out,
        ),
        page(
            "the resource of another account's gateway",
            &gateway("resource_ids = [\"nat-0abc\"]"),
            leg,
            out,
        ),
        page(
            "the address of another account's gateway: somebody else's",
            &gateway("private_ips = [\"10.0.1.220\"]"),
            leg,
            "
            other_side 1
            contradiction forwarder 1
            ",
        )
        .without(&["resource_id"]),
        page(
            "the address of a gateway in two VPCs: the narrower scope's",
            &format!(
                "{TWO_ZONES}
                [[nat_gateway]]
                name = \"everywhere\"
                zone = \"b\"
                private_ips = [\"10.0.1.220\"]
                [[nat_gateway]]
                name = \"here\"
                zone = \"a\"
                private_ips = [\"10.0.1.220\"]
                vpc_ids = [\"vpc-a\"]"
            ),
            "
            vpc_id srcaddr   dstaddr    pkt_srcaddr pkt_dstaddr flow_direction
            vpc-a  10.0.1.10 10.0.1.220 10.0.1.10   203.0.113.5 ingress
            vpc-b  10.0.1.10 10.0.1.220 10.0.1.10   203.0.113.5 ingress
            ",
            // The other gateway stands in b: a hop.
            "
            counted 2
            a -> internet out: 200 GiB
            nat_processing 200 GiB 9.00
            internet_egress 200 GiB 18.00
            nat_hop 100 GiB 1.00
            ",
        ),
        page(
            "the AZ id of another account's zone",
            &format!("[[zone]]\nname = \"x\"\naz_id = \"use1-az1\"\n{other}"),
            "
            az_id    srcaddr   dstaddr   flow_direction
            use1-az1 10.0.1.10 10.0.1.11 egress
            ",
            "
            counted 1
            x -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        // Whether AZ ids speak is asked of the record's own scope.
        page(
            "AZ ids are silent in one VPC only",
            r#"
            [[zone]]
            name = "x"
            cidrs = ["10.0.0.0/16"]
            vpc_ids = ["vpc-x"]
            "#,
            "
            vpc_id az_id    srcaddr   dstaddr   flow_direction
            vpc-x  use1-az1 10.0.1.10 10.0.1.11 egress
            vpc-y  use1-az1 10.2.1.10 10.2.1.11 egress
            vpc-x  use1-az1 10.3.1.10 10.0.1.11 egress
            ",
            "
            counted 3
            x -> x: 100 GiB
            use1-az1 -> unknown: 100 GiB
            unknown -> x: 100 GiB
            doubt unknown_zone 200 GiB
            contradiction outside_networks 1
            ",
        ),
        page(
            "the interface of another account's forwarder",
            &and(TWO_ZONES, &format!("[[forwarder]]\nname = \"f\"\ninterface_ids = [\"eni-1\"]\n{other}")),
            "
            interface_id srcaddr   dstaddr   flow_direction
            eni-1        10.0.1.10 10.0.2.10 egress
            ",
            "other_side 1",
        ),
        page(
            "the interface of another account's service",
            &and(
                TWO_ZONES,
                &format!(
                    "[[service]]\nname = \"s\"\nbilling = \"far_side\"\ninterface_ids = [\"eni-1\"]\n{other}"
                ),
            ),
            "
            interface_id srcaddr   dstaddr   flow_direction
            eni-1        10.0.1.10 10.0.2.10 egress
            eni-2        10.0.1.10 10.0.2.10 ingress
            ",
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
    ]
}

fn exemptions() -> Vec<Case> {
    let rows = "
        vpc_id srcaddr   dstaddr   flow_direction
        vpc-a  10.0.1.10 10.0.2.10 egress
        vpc-b  10.0.1.10 10.0.2.10 egress
        ";
    let exempt = |entries: &str| and(TWO_ZONES, &format!("[prices]\nno_charge = [{entries}]"));
    vec![
        page(
            "no charge in one VPC",
            &exempt("{ charge = \"inter_az\", cidrs = [\"10.0.2.0/24\"], vpc_ids = [\"vpc-a\"] }"),
            rows,
            "
            counted 2
            a -> b: 200 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        // Any rank will do: the narrower entry does not hide the wider one.
        page(
            "no charge by an entry of any rank",
            &exempt(
                "{ charge = \"inter_az\", cidrs = [\"10.0.9.0/24\"], vpc_ids = [\"vpc-a\"] }, \
                 { charge = \"inter_az\", cidrs = [\"10.0.2.0/24\"] }",
            ),
            rows,
            "
            counted 2
            a -> b: 200 GiB crossing
            ",
        ),
    ]
}

/// What an object teaches is kept by VPC (semantics 2.17).
fn learning() -> Vec<Case> {
    vec![
        page(
            "one address in two VPCs: the record's own VPC teaches",
            "",
            "
            interface_id vpc_id az_id    srcaddr   dstaddr   flow_direction action bytes
            eni-1        vpc-a  use1-az1 10.0.1.10 10.0.2.10 egress         ACCEPT 1GiB
            eni-2        vpc-a  use1-az2 10.0.2.10 10.0.9.9  egress         REJECT 1GiB
            eni-3        vpc-b  use1-az3 10.0.2.10 10.0.9.9  egress         REJECT 1GiB
            ",
            "
            counted 1
            rejected 2
            use1-az1 -> use1-az2: 1 GiB crossing
            inter_az 1 GiB 0.01
            ",
        ),
        page(
            "one address in another VPC: it teaches",
            "",
            "
            interface_id vpc_id az_id    srcaddr   dstaddr   flow_direction action traffic_path
            eni-1        vpc-a  use1-az1 10.0.1.10 10.0.2.10 egress         ACCEPT 4
            eni-3        vpc-b  use1-az3 10.0.2.10 10.0.9.9  egress         REJECT -
            ",
            "
            counted 1
            rejected 1
            use1-az1 -> use1-az3: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "one address in two other VPCs: nobody teaches",
            "",
            "
            interface_id vpc_id az_id    srcaddr   dstaddr   flow_direction action traffic_path
            eni-1        vpc-a  use1-az1 10.0.1.10 10.0.2.10 egress         ACCEPT 4
            eni-2        vpc-b  use1-az2 10.0.2.10 10.0.9.9  egress         REJECT -
            eni-3        vpc-c  use1-az2 10.0.2.10 10.0.9.9  egress         REJECT -
            ",
            "
            counted 1
            rejected 2
            use1-az1 -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "one address in two VPCs, no VPC logged: two AZs are none",
            "",
            "
            interface_id az_id    srcaddr   dstaddr   flow_direction action
            eni-1        use1-az1 10.0.1.10 10.0.2.10 egress         ACCEPT
            eni-2        use1-az2 10.0.2.10 10.0.9.9  egress         REJECT
            eni-3        use1-az3 10.0.2.10 10.0.9.9  egress         REJECT
            ",
            "
            counted 1
            rejected 2
            use1-az1 -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            contradiction forwarder 2
            ",
        ),
        // The own VPC knows the address, though in two AZs; the other VPC is not asked.
        page(
            "one address in two AZs of the own VPC",
            "",
            "
            interface_id vpc_id az_id    srcaddr   dstaddr   flow_direction action
            eni-1        vpc-a  use1-az1 10.0.1.10 10.0.2.10 egress         ACCEPT
            eni-2        vpc-a  use1-az2 10.0.2.10 10.0.9.9  egress         REJECT
            eni-3        vpc-a  use1-az3 10.0.2.10 10.0.9.9  egress         REJECT
            eni-4        vpc-b  use1-az2 10.0.2.10 10.0.9.9  egress         REJECT
            ",
            "
            counted 1
            rejected 3
            use1-az1 -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            contradiction forwarder 2
            ",
        ),
        page(
            "the VPC of an address, and no AZ: two VPCs",
            SCOPED,
            "
            interface_id vpc_id srcaddr   dstaddr   flow_direction action
            eni-1        vpc-a  10.0.1.10 10.1.2.10 egress         ACCEPT
            eni-3        vpc-b  10.1.2.10 10.0.9.9  egress         REJECT
            ",
            "
            counted 1
            rejected 1
            a -> b: 100 GiB crossing
            doubt between_vpcs 100 GiB
            ",
        ),
        // Whether networks are known is asked of the record's own VPC.
        page(
            "an own side outside the networks of another VPC",
            TWO_ZONES,
            "
            interface_id vpc_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction bytes
            eni-2        vpc-a  10.0.3.10 10.0.2.10 10.0.3.10   10.0.2.10   ingress        100GiB
            eni-3        vpc-b  10.7.3.77 10.0.2.10 10.7.3.77   10.0.2.10   egress         1GiB
            ",
            "
            counted 2
            unknown -> b: 101 GiB
            doubt unknown_zone 101 GiB
            contradiction outside_networks 1
            ",
        ),
        page(
            "an own side outside the networks of the same VPC",
            TWO_ZONES,
            "
            interface_id vpc_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction bytes
            eni-2        vpc-a  10.0.3.10 10.0.2.10 10.0.3.10   10.0.2.10   ingress        100GiB
            eni-3        vpc-a  10.7.3.77 10.0.2.10 10.7.3.77   10.0.2.10   egress         1GiB
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
        // One of the two, and nobody knows which: no sign is asked for.
        page(
            "a zone of two other VPCs",
            r#"
            [[zone]]
            name = "a"
            cidrs = ["10.0.1.0/24"]
            vpc_ids = ["vpc-a"]
            [[zone]]
            name = "b"
            cidrs = ["10.1.2.0/24"]
            vpc_ids = ["vpc-b", "vpc-c"]
            "#,
            "
            interface_id vpc_id srcaddr   dstaddr   flow_direction
            eni-1        vpc-a  10.0.1.10 10.1.2.10 egress
            ",
            "
            counted 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        // The zone names two VPCs, and a far side in it is of the record's own.
        page(
            "a zone of two VPCs",
            r#"
            [[zone]]
            name = "a"
            cidrs = ["10.0.1.0/24"]
            vpc_ids = ["vpc-a", "vpc-b"]
            [[zone]]
            name = "b"
            cidrs = ["10.1.2.0/24"]
            vpc_ids = ["vpc-a", "vpc-b"]
            "#,
            "
            interface_id vpc_id srcaddr   dstaddr   flow_direction action
            eni-1        vpc-a  10.0.1.10 10.1.2.10 egress         ACCEPT
            eni-3        vpc-b  10.1.2.10 10.0.9.9  egress         REJECT
            ",
            "
            counted 1
            rejected 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
    ]
}
