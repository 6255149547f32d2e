//! What the recording interface is, what its own side teaches, and who wins: semantics 2.5 to 2.8,
//! 2.13, 2.15, 2.17, 2.18, 2.23, 4.8 and 8.8 to 8.11. 100 GiB each.

use super::{
    bill::{TWO_AZS, TWO_ZONES, and},
    written::page,
    *,
};

pub(super) fn cases() -> Vec<Case> {
    [steps(), no_direction(), log_wins(), taught(), inside(), shared_own_sides(), hours()]
        .into_iter()
        .flatten()
        .collect()
}

/// An egress record whose plain and packet address differ, from `a` to `b`; which step it takes
/// shows in what it counts and charges.
fn steps() -> Vec<Case> {
    let plain = "
        counted 1
        a -> b: 100 GiB crossing
        inter_az 100 GiB 1.00
        ";
    let doubtful = "
        counted 1
        a -> b: 100 GiB crossing
        inter_az 100 GiB 1.00
        doubt interface 100 GiB
        ";
    let middlebox = "other_side 1";
    let differ = |header: &str, cells: &str| {
        format!(
            "
            {header} srcaddr  dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            {cells}  10.0.1.5 10.0.2.10 10.0.1.10   10.0.2.10   egress
            "
        )
    };
    let same = |header: &str, cells: &str| {
        format!(
            "
            {header} srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            {cells}  10.0.1.10 10.0.2.10 10.0.1.10   10.0.2.10   egress
            "
        )
    };
    let case = |name: &str, rows: String, right| page(name, TWO_ZONES, &rows, right);
    vec![
        case("an instance's interface", differ("instance_id", "i-1"), plain),
        case("no instance's interface", differ("instance_id", "-"), middlebox),
        case("no instance's interface, equal addresses", same("instance_id", "-"), plain),
        case(
            "no instance's interface, this account's",
            differ("instance_id account_id", "- 111122223333"),
            middlebox,
        ),
        case("no instance's interface, no account", differ("instance_id account_id", "- -"), middlebox),
        // AWS names an instance only to its owner.
        case(
            "no instance's interface, another account's: a shared VPC",
            differ("instance_id account_id", "- 444455556666"),
            doubtful,
        ),
        case(
            "no instance's interface, another account's, version 11",
            differ("instance_id account_id interface_type", "- 444455556666 -"),
            plain,
        ),
        case(
            "an instance's interface, another account's",
            differ("instance_id account_id", "i-1 444455556666"),
            plain,
        ),
        page(
            "no instance's interface, no account in the key",
            &and(TWO_ZONES, "[key]\nregion = \"us-east-1\""),
            &differ("instance_id account_id", "- 111122223333"),
            doubtful,
        ),
        case("no instance's interface, version 11", differ("instance_id interface_type", "- -"), middlebox),
        case("an ordinary interface, version 11", differ("interface_type", "-"), plain),
        case("an interface of an unknown type", differ("interface_type", "lambda"), plain),
        case("nothing says what the interface is", differ("interface_id", "eni-1"), doubtful),
        case("nothing says what the interface is, equal addresses", same("interface_id", "eni-1"), plain),
        // A type before the instance.
        case(
            "an instance's interface that is a transit gateway's",
            differ("instance_id interface_type", "i-1 transit_gateway"),
            middlebox,
        ),
        case("a firewall's endpoint", differ("interface_type", "gateway_load_balancer_endpoint"), middlebox),
        page(
            "a forwarder before everything else",
            &and(TWO_ZONES, "[[forwarder]]\nname = \"f\"\ninterface_ids = [\"eni-1\"]"),
            &same("interface_id instance_id interface_type", "eni-1 i-1 network_load_balancer"),
            middlebox,
        ),
        page(
            "a forwarder, no direction in this record",
            &and(TWO_ZONES, "[[forwarder]]\nname = \"f\"\ninterface_ids = [\"eni-1\"]"),
            "
            interface_id srcaddr   dstaddr   flow_direction
            eni-1        10.0.1.10 10.0.2.10 -
            ",
            middlebox,
        ),
        // Without the column every record counts, and a forwarder's are charged to nobody.
        page(
            "a forwarder, no directions",
            &and(TWO_ZONES, "[[forwarder]]\nname = \"f\"\ninterface_ids = [\"eni-1\"]"),
            "
            interface_id srcaddr   dstaddr
            eni-1        10.0.1.10 10.0.2.10
            ",
            "
            counted 1
            a -> b: 100 GiB crossing
            ",
        ),
        page(
            "one packet address is null: nothing to compare",
            TWO_ZONES,
            "
            instance_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            -           10.0.1.10 10.0.2.5  -           10.0.2.10   egress
            ",
            plain,
        ),
        page(
            "the far side may differ",
            TWO_ZONES,
            "
            instance_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            -           10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10   egress
            ",
            plain,
        ),
        // Under `every` a middlebox counts, but its inter-AZ traffic is somebody else's.
        page(
            "no instance's interface, every",
            &and(TWO_ZONES, "[counting]\nvantage = \"every\""),
            &differ("instance_id", "-"),
            "
            counted 1
            a -> b: 100 GiB crossing
            ",
        ),
    ]
}

fn no_direction() -> Vec<Case> {
    vec![
        // Without an own side nothing is compared, learned or contradicted.
        page(
            "no direction: no own side",
            TWO_AZS,
            "
            interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        -           use1-az2 10.0.1.5  10.0.3.10 10.0.1.10   10.0.3.10   -
            eni-2        -           use1-az2 10.0.3.5  10.0.1.10 10.0.3.10   10.0.1.10   sideways
            ",
            "
            counted 2
            a -> unknown: 100 GiB
            unknown -> a: 100 GiB
            doubt unknown_zone 200 GiB
            ",
        ),
        page(
            "no direction: both ends are taught by others",
            "",
            "
            interface_id az_id    srcaddr   dstaddr   flow_direction action
            eni-1        use1-az9 10.0.1.10 10.0.2.10 -              ACCEPT
            eni-2        use1-az1 10.0.1.10 10.0.9.9  egress         REJECT
            eni-3        use1-az2 10.0.2.10 10.0.9.9  egress         REJECT
            ",
            "
            counted 1
            rejected 2
            use1-az1 -> use1-az2: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "no direction: the next hop belongs to neither side",
            "",
            "
            next_hop_az_id srcaddr   dstaddr   flow_direction
            use1-az2       10.0.1.10 10.0.2.10 -
            ",
            "
            counted 1
            unknown -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
    ]
}

/// The log against the configuration (semantics 2.15).
fn log_wins() -> Vec<Case> {
    let rows = "
        interface_id instance_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
        eni-1        i-1         use1-az2 10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10   egress
        eni-2        i-2         use1-az2 10.0.1.10 10.0.2.5  10.0.1.10   10.0.2.10   ingress
        ";
    vec![
        // 10.0.1.10 lies in use1-az2, says its own node: at the far side as well.
        page(
            "another AZ id than the zone's: the log wins on both sides",
            TWO_AZS,
            rows,
            "
            counted 1
            other_side 1
            b -> b: 100 GiB
            relation b -> b: same-az use1-az2 use1-az2
            contradiction az_id 1
            ",
        ),
        // Not plain for sure: the configuration stays, and the contradiction is told all the same.
        page(
            "another AZ id than the zone's, and nobody is sure of the interface",
            TWO_AZS,
            rows,
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            inter_az 200 GiB 2.00
            doubt interface 100 GiB
            contradiction az_id 1
            ",
        )
        .without(&["instance_id"]),
        page(
            "another AZ id than the zone's, at a transit gateway: it stands elsewhere",
            TWO_AZS,
            "
            interface_id interface_type  az_id    srcaddr    dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-tgw      transit_gateway use1-az2 10.0.2.200 10.0.2.10 10.0.1.10   10.0.2.10   egress
            ",
            "other_side 1",
        ),
        page(
            "an AZ id that no zone has: the log wins",
            TWO_AZS,
            "
            interface_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        use1-az6 10.0.1.10 10.0.2.10 10.0.1.10   10.0.2.10   egress
            ",
            "
            counted 1
            use1-az6 -> b: 100 GiB crossing
            relation use1-az6 -> b: inter-az use1-az6 use1-az2
            inter_az 100 GiB 1.00
            contradiction az_id 1
            ",
        ),
        // An AZ id of another region: the far zone's region is another.
        page(
            "an AZ id of another region: the log wins",
            &and(TWO_AZS, "[prices]\ninter_region = 0.02"),
            "
            interface_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        euw1-az1 10.0.1.10 10.0.2.10 10.0.1.10   10.0.2.10   egress
            ",
            "
            counted 1
            euw1-az1 -> b: 100 GiB
            relation euw1-az1 -> b: inter-region euw1-az1 use1-az2
            contradiction az_id 1
            ",
        ),
        page(
            "an AZ id of another region, nobody is sure: both contradictions",
            TWO_AZS,
            "
            interface_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        euw1-az1 10.0.1.5  10.0.2.10 10.0.1.10   10.0.2.10   egress
            ",
            "
            counted 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            doubt interface 100 GiB
            contradiction az_id 1
            contradiction region 1
            ",
        ),
        page(
            "a zone whose region is not that of its AZ id",
            "[[zone]]\nname = \"a\"\naz_id = \"use1-az1\"\nregion = \"eu-west-1\"\ncidrs = [\"10.0.1.0/24\"]",
            "
            interface_id az_id    srcaddr   dstaddr   flow_direction
            eni-1        use1-az1 10.0.1.10 10.0.1.11 egress
            eni-1        use1-az1 10.0.1.10 10.0.1.11 egress
            ",
            "
            counted 2
            a -> a: 200 GiB
            contradiction region 2
            ",
        ),
        page(
            "an AZ id that says nothing contradicts nothing",
            TWO_AZS,
            "
            interface_id az_id   srcaddr   dstaddr   flow_direction
            eni-1        unknown 10.0.1.10 10.0.2.10 egress
            eni-1        -       10.0.1.10 10.0.2.10 egress
            ",
            "
            counted 2
            a -> b: 200 GiB crossing
            inter_az 200 GiB 2.00
            ",
        ),
        page(
            "AZ ids are silent: nothing is contradicted",
            TWO_ZONES,
            rows,
            "
            counted 1
            other_side 1
            a -> b: 100 GiB crossing
            inter_az 200 GiB 2.00
            ",
        ),
        // The node's own networks are outside: the log knows better.
        page(
            "an AZ id inside an outside zone",
            &and(TWO_AZS, "[[zone]]\nname = \"dc\"\noutside = true\ncidrs = [\"10.8.0.0/16\"]"),
            "
            interface_id az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        use1-az1 10.8.1.10 10.0.2.10 10.8.1.10   10.0.2.10   egress
            ",
            "
            counted 1
            a -> b: 100 GiB crossing
            inter_az 100 GiB 1.00
            contradiction az_id 1
            ",
        ),
        // Two interfaces are sure of two AZs: the far side stays, each own side is its own log's.
        page(
            "two sure AZs against the zone's: the far side stays",
            TWO_AZS,
            "
            interface_id instance_id az_id    srcaddr   dstaddr   flow_direction bytes
            eni-1        i-1         use1-az2 10.0.1.10 10.0.2.10 egress         1GiB
            eni-3        i-3         use1-az3 10.0.1.10 10.0.2.10 egress         2GiB
            eni-2        i-2         use1-az2 10.0.2.10 10.0.1.10 egress         4GiB
            ",
            "
            counted 3
            b -> b: 1 GiB
            use1-az3 -> b: 2 GiB crossing
            b -> a: 4 GiB crossing
            inter_az 6 GiB 0.06
            contradiction az_id 2
            ",
        ),
        // What is not sure does not overrule a configured far side, what is sure does.
        page(
            "an unsure AZ against the zone's: the far side stays",
            TWO_AZS,
            "
            interface_id instance_id az_id    srcaddr   dstaddr   flow_direction action
            eni-1        -           use1-az2 10.0.1.10 10.0.9.9  egress         REJECT
            eni-2        i-2         use1-az2 10.0.2.10 10.0.1.10 egress         ACCEPT
            ",
            "
            counted 1
            rejected 1
            b -> a: 100 GiB crossing
            inter_az 100 GiB 1.00
            contradiction az_id 1
            ",
        ),
    ]
}

/// What own sides teach about far sides.
fn taught() -> Vec<Case> {
    let far = |rows: &str| {
        format!(
            "
            interface_id instance_id interface_type az_id    srcaddr   dstaddr     pkt_srcaddr pkt_dstaddr flow_direction action log_status
            eni-1        i-1         -              use1-az1 10.0.1.10 10.0.2.10   10.0.1.10   10.0.2.10   egress         ACCEPT OK
            {rows}
            "
        )
    };
    let known = |outcomes: &str| {
        format!(
            "
            counted 1
            {outcomes}
            use1-az1 -> use1-az2: 100 GiB crossing
            inter_az 100 GiB 1.00
            "
        )
    };
    let unknown = |outcomes: &str| {
        format!(
            "
            counted 1
            {outcomes}
            use1-az1 -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            "
        )
    };
    let mut cases = Vec::new();
    for (name, row, taught, outcomes) in [
        (
            "a rejected record teaches",
            "eni-2 i-2 - use1-az2 10.0.2.10 10.0.9.9 10.0.2.10 10.0.9.9 egress REJECT OK",
            true,
            "rejected 1",
        ),
        (
            "a record without data does not teach",
            "eni-2 i-2 - use1-az2 10.0.2.10 10.0.9.9 10.0.2.10 10.0.9.9 egress ACCEPT NODATA",
            false,
            "nodata 1",
        ),
        (
            "a record that AWS lost does not teach",
            "eni-2 i-2 - use1-az2 10.0.2.10 10.0.9.9 10.0.2.10 10.0.9.9 egress ACCEPT SKIPDATA",
            false,
            "skipdata 1",
        ),
        (
            "a middlebox does not teach",
            "eni-2 - transit_gateway use1-az2 10.0.9.9 10.0.2.10 10.0.9.9 10.0.2.10 ingress REJECT OK",
            false,
            "rejected 1",
        ),
        (
            "a load balancer teaches of itself",
            "eni-2 - network_load_balancer use1-az2 10.0.9.9 10.0.2.10 10.0.9.9 10.0.2.10 ingress REJECT OK",
            true,
            "rejected 1",
        ),
        (
            "a load balancer that shows others does not teach",
            "eni-2 - network_load_balancer use1-az2 10.0.2.5 10.0.9.9 10.0.2.10 10.0.9.9 egress REJECT OK",
            false,
            "rejected 1",
        ),
        (
            "an interface of no instance that shows others does not teach",
            "eni-2 - - use1-az2 10.0.9.9 10.0.2.200 10.0.9.9 10.0.2.10 ingress REJECT OK",
            false,
            "rejected 1",
        ),
        (
            "an AZ id that says nothing does not teach",
            "eni-2 i-2 - internet 10.0.2.10 10.0.9.9 10.0.2.10 10.0.9.9 egress REJECT OK",
            false,
            "rejected 1",
        ),
        (
            "no direction does not teach",
            "eni-2 i-2 - use1-az2 10.0.2.10 10.0.9.9 10.0.2.10 10.0.9.9 - REJECT OK",
            false,
            "rejected 1",
        ),
        (
            "the far side does not teach",
            "eni-2 i-2 - use1-az2 10.0.2.10 10.0.9.9 10.0.2.10 10.0.9.9 ingress REJECT OK",
            false,
            "rejected 1",
        ),
        (
            "the plain address of a pod's node does not teach",
            "eni-2 i-2 - use1-az2 10.0.2.10 10.0.9.9 10.0.2.77 10.0.9.9 egress REJECT OK",
            false,
            "rejected 1",
        ),
    ] {
        let right = if taught { known(outcomes) } else { unknown(outcomes) };
        cases.push(page(name, "", &far(row), &right));
    }
    cases.extend([
        page(
            "a bad record does not teach",
            "",
            &far("eni-2 i-2 - use1-az2 10.0.2.10 10.0.9.9 10.0.2.10 nonsense egress ACCEPT OK"),
            &unknown("bad 1"),
        )
        .config(|config| config.bad_rows_per_object = 1),
        // It teaches, and there is no hop to it (semantics 6.13).
        page(
            "an endpoint teaches of itself",
            "",
            &far("eni-2 - vpc_endpoint use1-az2 10.0.2.10 10.0.9.9 10.0.2.10 10.0.9.9 egress REJECT OK"),
            "
            counted 1
            rejected 1
            use1-az1 -> use1-az2: 100 GiB crossing
            ",
        ),
        // The sure one goes first, whatever the order.
        page(
            "a sure AZ goes before an unsure one",
            "",
            &far("
            eni-2        i-2         -              use1-az2 10.0.2.5  10.0.9.9    10.0.2.10   10.0.9.9    egress         REJECT OK
            eni-3        -           -              use1-az3 10.0.2.10 10.0.9.9    -           10.0.9.9    egress         REJECT OK
            "),
            "
            counted 1
            rejected 2
            use1-az1 -> use1-az2: 100 GiB crossing
            inter_az 100 GiB 1.00
            contradiction forwarder 1
            ",
        ),
        page(
            "two unsure AZs are none",
            "",
            &far("
            eni-2        -           -              use1-az2 10.0.2.10 10.0.9.9    -           10.0.9.9    egress         REJECT OK
            eni-2        -           -              use1-az3 10.0.2.10 10.0.9.9    -           10.0.9.9    egress         REJECT OK
            "),
            &unknown("rejected 2"),
        ),
        page(
            "two sure AZs are none, whatever an unsure one says",
            "",
            &far("
            eni-2        i-2         -              use1-az2 10.0.2.10 10.0.9.9    10.0.2.10   10.0.9.9    egress         REJECT OK
            eni-2        i-2         -              use1-az3 10.0.2.10 10.0.9.9    10.0.2.10   10.0.9.9    egress         REJECT OK
            eni-2        -           -              use1-az2 10.0.2.10 10.0.9.9    -           10.0.9.9    egress         REJECT OK
            "),
            &unknown("rejected 3"),
        ),
        // A public address is taught by the interface whose plain address it is, and by no other.
        page(
            "a public address of an interface of its own",
            "",
            "
            interface_id az_id    srcaddr     dstaddr     pkt_srcaddr pkt_dstaddr flow_direction action
            eni-1        use1-az1 10.0.1.10   203.0.113.5 10.0.1.10   203.0.113.5 egress         ACCEPT
            eni-2        use1-az2 203.0.113.5 10.0.9.9    203.0.113.5 10.0.9.9    egress         REJECT
            ",
            "
            counted 1
            rejected 1
            use1-az1 -> use1-az2: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "a public address of somebody else",
            "",
            "
            interface_id instance_id az_id    srcaddr     dstaddr     pkt_srcaddr pkt_dstaddr flow_direction action traffic_path
            eni-1        i-1         use1-az1 10.0.1.10   203.0.113.5 10.0.1.10   203.0.113.5 egress         ACCEPT 1
            eni-2        i-2         use1-az2 10.0.1.20   10.0.9.9    203.0.113.5 10.0.9.9    egress         REJECT -
            ",
            "
            counted 1
            rejected 1
            use1-az1 -> internet: 100 GiB
            contradiction forwarder 1
            ",
        ),
        page(
            "an IPv6 address of a pod",
            "",
            "
            interface_id instance_id az_id    srcaddr     dstaddr        pkt_srcaddr        pkt_dstaddr        flow_direction action
            eni-1        i-1         use1-az1 10.0.1.10   2600:1f00::2:1 2600:1f00::1:1     2600:1f00::2:1     egress         ACCEPT
            eni-2        i-2         use1-az2 10.0.2.10   2600:1f00::1:1 2600:1f00::2:1     2600:1f00::1:1     egress         REJECT
            ",
            "
            counted 1
            rejected 1
            use1-az1 -> use1-az2: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        // It is not the interface's, and not the next hop's either.
        page(
            "a public own side of somebody else has no AZ",
            "[counting]\nvantage = \"every\"",
            "
            interface_id instance_id az_id    srcaddr     dstaddr     pkt_srcaddr pkt_dstaddr flow_direction
            eni-2        i-2         use1-az2 10.0.1.10   10.0.1.20   10.0.1.10   203.0.113.5 ingress
            ",
            "
            counted 1
            unknown -> internet: 100 GiB
            doubt unknown_zone 100 GiB
            contradiction forwarder 1
            ",
        ),
        // What the object taught is for far sides: a box in between learns nothing of its own side.
        page(
            "the own side of a middlebox is not taught",
            "[counting]\nvantage = \"every\"",
            "
            interface_id interface_type  az_id    srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        -               use1-az1 10.0.1.10 10.0.2.10 10.0.1.10   10.0.2.10   egress
            eni-tgw      transit_gateway use1-az1 10.0.7.7  10.0.2.10 10.0.1.10   10.0.2.10   egress
            ",
            "
            counted 2
            use1-az1 -> unknown: 100 GiB
            unknown -> unknown: 100 GiB
            doubt unknown_zone 200 GiB
            ",
        ),
        // Step 3 before step 4.
        page(
            "what the object taught before the next hop",
            "",
            "
            interface_id az_id    next_hop_az_id srcaddr   dstaddr   flow_direction action
            eni-1        use1-az1 use1-az3       10.0.1.10 10.0.2.10 egress         ACCEPT
            eni-2        use1-az2 -              10.0.2.10 10.0.9.9  egress         REJECT
            ",
            "
            counted 1
            rejected 1
            use1-az1 -> use1-az2: 100 GiB crossing
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "AZ ids are silent: nothing is taught",
            "[[zone]]\nname = \"x\"\ncidrs = [\"10.0.1.0/24\"]",
            "
            interface_id az_id    srcaddr   dstaddr   flow_direction action
            eni-1        use1-az1 10.0.1.10 10.0.2.10 egress         ACCEPT
            eni-2        use1-az2 10.0.2.10 10.0.9.9  egress         REJECT
            ",
            "
            counted 1
            rejected 1
            x -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            contradiction outside_networks 1
            ",
        ),
    ]);
    cases
}

/// What is inside without a zone (semantics 2.23).
fn inside() -> Vec<Case> {
    vec![
        // Nobody knows in which zone; it is not the internet, and charged towards it.
        page(
            "a public address of one's own is inside",
            "",
            "
            interface_id srcaddr      dstaddr     pkt_srcaddr  pkt_dstaddr flow_direction traffic_path
            eni-1        198.51.100.7 203.0.113.5 198.51.100.7 203.0.113.5 egress         8
            ",
            "
            counted 1
            unknown -> internet: 100 GiB
            internet_egress 100 GiB 9.00
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "a public address in a zone is inside",
            "[[zone]]\nname = \"pool\"\ncidrs = [\"198.51.100.0/24\"]",
            "
            srcaddr      dstaddr     traffic_path
            198.51.100.7 203.0.113.5 8
            ",
            "
            counted 1
            pool -> internet: 100 GiB
            internet_egress 100 GiB 9.00
            ",
        ),
        page(
            "a public address in no zone, and no direction: not inside",
            "",
            "
            srcaddr      dstaddr     traffic_path
            198.51.100.7 203.0.113.5 8
            ",
            "
            counted 1
            internet -> internet: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "IPv6 in one /56 with an own side that was rejected",
            "",
            "
            interface_id srcaddr            dstaddr            flow_direction action
            eni-1        10.0.1.10          2600:1f00:0:1ff::9 egress         ACCEPT
            eni-2        2600:1f00:0:100::1 2600:4700::1       egress         REJECT
            ",
            "
            counted 1
            rejected 1
            unknown -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        // The gateway's records teach nothing.
        page(
            "IPv6 in one /56 with an own side of a middlebox",
            "",
            "
            interface_id interface_type  srcaddr            dstaddr            flow_direction action traffic_path
            eni-1        -               10.0.1.10          2600:1f00:0:1ff::9 egress         ACCEPT 1
            eni-tgw      transit_gateway 2600:1f00:0:100::1 2600:4700::1       egress         REJECT -
            ",
            "
            counted 1
            rejected 1
            unknown -> internet: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "an inside address is never a service of AWS",
            TWO_ZONES,
            "
            srcaddr   dstaddr   pkt_dst_aws_service flow_direction
            10.0.1.10 10.0.9.9  S3                  egress
            ",
            "
            counted 1
            a -> unknown: 100 GiB
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "a service of AWS that is not EC2",
            TWO_ZONES,
            "
            srcaddr   dstaddr      pkt_dst_aws_service flow_direction traffic_path
            10.0.1.10 203.0.113.5  AMAZON              egress         8
            10.0.1.10 203.0.113.5  S3                  egress         8
            10.0.1.10 203.0.113.5  EC2                 egress         8
            ",
            "
            counted 3
            a -> aws: 200 GiB
            relation a -> aws: aws a -
            a -> internet: 100 GiB
            relation a -> internet: internet a -
            internet_egress 100 GiB 9.00
            doubt regional_public 100 GiB
            ",
        ),
        page(
            "from a service of AWS to the internet: the internet comes first",
            "",
            "
            srcaddr     dstaddr      pkt_src_aws_service
            203.0.113.5 198.51.100.7 S3
            ",
            "
            counted 1
            aws -> internet: 100 GiB
            relation aws -> internet: internet - -
            doubt unknown_zone 100 GiB
            ",
        ),
    ]
}

/// Two interfaces with one own side (semantics 8.9).
fn shared_own_sides() -> Vec<Case> {
    let rows = |second: &str| {
        format!(
            "
            interface_id instance_id vpc_id srcaddr   dstaddr   pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        i-1         vpc-a  10.0.1.10 10.0.2.10 10.0.1.10   10.0.2.10   egress
            {second}
            "
        )
    };
    let counted = "
        counted 2
        a -> b: 200 GiB crossing
        inter_az 200 GiB 2.00
        ";
    let doubtful = "
        counted 2
        a -> b: 200 GiB crossing
        inter_az 200 GiB 2.00
        contradiction forwarder 1
        ";
    vec![
        // Only the record that is not sure is told.
        page(
            "an unsure interface with another's own side",
            TWO_ZONES,
            &rows("eni-9 - vpc-a 10.0.1.10 10.0.2.10 - 10.0.2.10 egress"),
            doubtful,
        ),
        page(
            "a sure interface with another's own side",
            TWO_ZONES,
            &rows("eni-9 i-9 vpc-a 10.0.1.10 10.0.2.10 - 10.0.2.10 egress"),
            counted,
        ),
        page(
            "an unsure record of the same interface",
            TWO_ZONES,
            &rows("eni-1 - vpc-a 10.0.1.10 10.0.2.10 - 10.0.2.10 egress"),
            counted,
        ),
        page(
            "an unsure interface with an own side of another VPC",
            TWO_ZONES,
            &rows("eni-9 - vpc-b 10.0.1.10 10.0.2.10 - 10.0.2.10 egress"),
            counted,
        ),
        page(
            "an unsure interface without an id",
            TWO_ZONES,
            &rows("- - vpc-a 10.0.1.10 10.0.2.10 - 10.0.2.10 egress"),
            counted,
        ),
        // The box is configured, and its packets are told by that.
        page(
            "a forwarder with another's own side",
            &and(TWO_ZONES, "[[forwarder]]\nname = \"f\"\ninterface_ids = [\"eni-9\"]"),
            "
            interface_id srcaddr   dstaddr   flow_direction
            eni-1        10.0.1.10 10.0.2.10 egress
            eni-9        10.0.1.10 10.0.2.10 egress
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

/// Doubts and most contradictions have the hour of their record; what the whole object says of two
/// interfaces has the partition's first (semantics 8.7).
fn hours() -> Vec<Case> {
    vec![
        page(
            "contradictions and their hours",
            TWO_ZONES,
            "
            interface_id instance_id srcaddr   dstaddr     pkt_srcaddr pkt_dstaddr flow_direction action end
            eni-1        i-1         10.0.1.10 10.0.2.10   10.0.1.10   10.0.2.10   egress         REJECT 1765278000
            eni-9        -           10.0.1.10 10.0.2.10   -           10.0.2.10   egress         REJECT 1765278000
            eni-9        i-9         10.0.1.20 10.0.2.10   203.0.113.5 10.0.2.10   egress         REJECT 1765278000
            eni-7        -           10.0.3.20 10.0.2.10   10.0.3.20   10.0.2.10   egress         REJECT 1765278000
            ",
            "
            rejected 4
            contradiction forwarder 1
            contradiction forwarder 1 @+1
            contradiction outside_networks 1 @+1
            ",
        ),
        page(
            "doubts and their hours",
            TWO_ZONES,
            "
            interface_id srcaddr   dstaddr     pkt_srcaddr pkt_dstaddr flow_direction end        bytes
            eni-1        10.0.1.5  10.0.9.9    10.0.1.10   10.0.9.9    egress         1765278000 1GiB
            eni-1        10.0.1.10 203.0.113.5 10.0.1.10   203.0.113.5 egress         1765270800 2GiB
            ",
            "
            counted 2
            a -> unknown: 1 GiB @+1
            a -> internet: 2 GiB @-1
            internet_egress 2 GiB 0.18 @-1
            doubt unknown_zone 1 GiB @+1
            doubt interface 1 GiB @+1
            doubt egress_path 2 GiB @-1
            ",
        ),
    ]
}
