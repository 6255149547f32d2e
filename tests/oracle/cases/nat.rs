//! The legs of a NAT gateway, and how a record is recognised as one of its own: section 3 of
//! docs/semantics.md.

use super::*;

const PUBLIC: Expect = Expect::Dropped("nat_public_leg");
/// A gateway that the configuration does not know, in none of the zones.
const NX: &str = "10.77.0.5";
const NO_PACKETS: [&str; 2] = ["pkt_srcaddr", "pkt_dstaddr"];

pub(super) fn cases() -> Vec<Case> {
    [
        legs_with_n(),
        legs_without_n(),
        no_packet_columns(),
        recognition(),
        zonal_before_regional(),
        not_recognised(),
        regional(),
        gateway_zone(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `out` to the internet, client and gateway in `1a`.
fn out() -> Expect {
    nat("out", "1a", "internet").charged(&["nat_processing", "internet_egress"])
}

/// `in` from the internet, client and gateway in `1a`.
fn back() -> Expect {
    nat("in", "internet", "1a").charged(&["nat_processing"])
}

/// The four legs of one connection, as (name, direction, srcaddr, dstaddr, pkt_srcaddr,
/// pkt_dstaddr).
fn legs(n: &str) -> [(&'static str, Row); 4] {
    [
        ("client -> NAT", seen("ingress", A1, n, A1, W1)),
        ("NAT -> remote", seen("egress", n, W1, n, W1)),
        ("remote -> NAT", seen("ingress", W1, n, W1, n)),
        ("NAT -> client", seen("egress", n, A1, W1, A1)),
    ]
}

fn results() -> [Expect; 4] {
    [out(), PUBLIC, PUBLIC, back()]
}

/// The four legs under one heading, each row changed by `edit_row`.
fn four(heading: &str, n: &str, results: [Expect; 4], edit_row: impl Fn(&mut Row)) -> Vec<Case> {
    legs(n)
        .into_iter()
        .zip(results)
        .map(|((leg, row), expect)| case(format!("{heading}: {leg}"), edit(row, &edit_row), expect))
        .collect()
}

fn at_gateway(row: &mut Row) {
    row.interface_id = s("eni-nat-a");
}

fn of_type(row: &mut Row) {
    row.interface_type = s("nat_gateway");
}

/// Semantics 3.3, and 3.7 for the public legs.
fn legs_with_n() -> Vec<Case> {
    let mut cases = four("N known, by interface", NA, results(), at_gateway);
    cases.extend(four("N known, by private ip", NA, results(), |row| row.interface_id = None));
    cases.extend(four("N known, direction null", NA, results(), |row| {
        row.interface_id = None;
        row.flow_direction = None;
    }));
    cases.extend(
        four("N known, no direction column", NA, results(), |row| row.interface_id = None)
            .into_iter()
            .map(|case| case.without(&["flow_direction"])),
    );
    cases.extend(four("N known, IPv6", NA6, results(), at_gateway));
    cases.extend(four("N known, by private ip and type", NA, results(), |row| {
        row.interface_id = None;
        of_type(row);
    }));
    cases.extend(
        four("N known, under every", NA, results(), at_gateway)
            .into_iter()
            .map(|case| case.config(|config| config.vantage = "every")),
    );
    cases.extend([
        case(
            "N mapped in one column is N",
            edit(seen("ingress", W1, "::ffff:10.0.136.5", W1, NA), at_gateway),
            PUBLIC,
        ),
        case(
            "N as destination, packet destination null",
            edit(seen("ingress", A1, NA, A1, "-"), at_gateway),
            nat("out", "1a", "1a").charged(&["nat_processing"]),
        ),
        case(
            "N as source, packet source null",
            edit(seen("egress", NA, A1, "-", A1), at_gateway),
            nat("in", "1a", "1a").charged(&["nat_processing"]),
        ),
        case(
            "N as destination, packet destination null, remote",
            edit(seen("ingress", W1, NA, W1, "-"), at_gateway),
            PUBLIC,
        ),
        case(
            "N as source, packet source null, remote",
            edit(seen("egress", NA, W1, "-", W1), at_gateway),
            PUBLIC,
        ),
        case("N decides, not the direction", edit(seen("egress", A1, NA, A1, W1), at_gateway), out()),
        case("N on both sides: as without N", edit(seen("ingress", NA, NA6, NA, NA6), at_gateway), PUBLIC),
        case(
            "another gateway's N is not this one's",
            edit(seen("ingress", NC, NA, NC, NA), at_gateway),
            PUBLIC,
        ),
        case(
            "a gateway behind a gateway",
            edit(seen("ingress", NC, NA, NC, W1), at_gateway),
            nat("out", "1c", "internet").charged(&["nat_processing", "nat_hop", "internet_egress"]),
        ),
    ]);
    cases
}

/// Semantics 3.5.
fn legs_without_n() -> Vec<Case> {
    let mut cases = four("N unknown", NX, results(), of_type);
    cases.extend(four("N unknown, no direction", NX, results(), |row| {
        of_type(row);
        row.flow_direction = None;
    }));
    // A second address of a configured gateway that its list does not have.
    cases.extend(four("another address of the gateway", "10.0.136.6", results(), at_gateway));
    cases.extend([
        case(
            "N unknown: only the packet destination differs, source null",
            edit(seen("ingress", A1, NX, "-", W1), of_type),
            out(),
        ),
        case(
            "N unknown: only the packet source differs, destination null",
            edit(seen("egress", NX, A1, W1, "-"), of_type),
            back(),
        ),
        case(
            "N unknown: both packet addresses differ",
            edit(seen("ingress", A2, NX, A1, W1), of_type),
            out(),
        ),
        case(
            "N unknown: one packet address, and it differs from nothing: as without packet columns",
            edit(seen("egress", NX, A1, "-", A1), of_type),
            nat("in", "unknown", "1a").charged(&["nat_processing"]),
        ),
        case("N unknown: packet columns alone say nothing", edit(flow(A1, W1), of_type), PUBLIC)
            .without(&["srcaddr", "dstaddr"]),
    ]);
    cases
}

/// Semantics 3.4, and 3.5 where N is not known.
fn no_packet_columns() -> Vec<Case> {
    let none = |cases: Vec<Case>| cases.into_iter().map(|case| case.without(&NO_PACKETS)).collect::<Vec<_>>();
    // Without packet columns the remote side of a client's leg is not to be seen: the gateway's own
    // zone stands there.
    let with_n = || {
        [
            nat("out", "1a", "1a").charged(&["nat_processing"]),
            PUBLIC,
            PUBLIC,
            nat("in", "1a", "1a").charged(&["nat_processing"]),
        ]
    };
    let without_n = || {
        [
            nat("out", "1a", "unknown").charged(&["nat_processing"]),
            PUBLIC,
            PUBLIC,
            nat("in", "unknown", "1a").charged(&["nat_processing"]),
        ]
    };
    let mut cases = none(four("no packet columns, N known", NA, with_n(), at_gateway));
    cases.extend(none(four("no packet columns, N known by private ip", NA, with_n(), |row| {
        row.interface_id = None
    })));
    cases.extend(none(four("no packet columns, N known, direction null", NA, with_n(), |row| {
        row.interface_id = None;
        row.flow_direction = None;
    })));
    cases.extend(none(four("no packet columns, N unknown", NX, without_n(), of_type)));
    let one_way = edit(seen("sideways", A1, NX, "-", "-"), of_type);
    cases.extend(none(vec![
        case(
            "no packet columns, N unknown, no direction: out",
            one_way,
            nat("out", "1a", "unknown").charged(&["nat_processing"]),
        ),
        case(
            "no packet columns: a private address outside the networks is a remote",
            edit(ingress(P1, NA), at_gateway),
            PUBLIC,
        ),
        case(
            "no packet columns: a client in a public zone",
            edit(flow(NA, A6), at_gateway),
            nat("in", "1a", "1a").charged(&["nat_processing"]),
        ),
        case(
            "no packet columns: a client in another zone",
            edit(ingress(C1, NA), at_gateway),
            nat("out", "1c", "1a").between_azs().charged(&["nat_processing", "nat_hop"]),
        ),
    ]));
    cases
}

/// Semantics 3.1 and 3.2.
fn recognition() -> Vec<Case> {
    vec![
        case(
            "private ip: a gateway without a list of interfaces vetoes nothing",
            edit(seen("ingress", C1, NC, C1, W1), |row| row.interface_id = s("eni-whatever")),
            nat("out", "1c", "internet").charged(&["nat_processing", "internet_egress"]),
        ),
        case(
            "private ip: interface_id `-` vetoes nothing",
            edit(seen("ingress", A1, NA, A1, W1), |row| row.interface_id = s("-")),
            out(),
        ),
        case("private ip: no interface_id column vetoes nothing", seen("ingress", A1, NA, A1, W1), out())
            .without(&["interface_id"]),
        case(
            "private ip: an unknown direction is null",
            edit(seen("sideways", A1, NA, A1, W1), |row| row.interface_id = None),
            out(),
        ),
        case(
            "private ip of two gateways: the destination of ingress",
            edit(seen("ingress", NC, NA, NC, W1), |row| row.interface_id = None),
            nat("out", "1c", "internet").charged(&["nat_processing", "nat_hop", "internet_egress"]),
        ),
        case(
            "private ip of two gateways: the source of egress",
            edit(seen("egress", NC, NA, W1, NA), |row| row.interface_id = None),
            nat("in", "internet", "1a").charged(&["nat_processing", "nat_hop"]),
        ),
        case(
            "the interface decides before the private ip",
            edit(seen("ingress", A1, NC, A1, W1), at_gateway),
            out(),
        ),
        case(
            "the interface needs no private ip of its own",
            edit(seen("ingress", C1, NX, C1, W1), at_gateway),
            nat("out", "1c", "internet").charged(&["nat_processing", "nat_hop", "internet_egress"]),
        ),
    ]
}

/// The interface decides before the resource and the type (semantics 3.1): a regional gateway has
/// no interface of its own.
fn zonal_before_regional() -> Vec<Case> {
    let mut cases = four("a configured interface with a resource_id", NA, results(), |row| {
        at_gateway(row);
        row.resource_id = s("nat-0unheard");
    });
    cases.extend(four("a configured interface of regional type", NA, results(), |row| {
        at_gateway(row);
        row.interface_type = s("regional_nat_gateway");
    }));
    cases.push(case(
        "the resource decides before the private ip",
        edit(seen("egress", NA, W1, NA, W1), |row| {
            row.interface_id = None;
            row.resource_id = s("nat-0unheard");
        }),
        out(),
    ));
    cases
}

/// Semantics 3.2 and 3.9.
fn not_recognised() -> Vec<Case> {
    vec![
        case(
            "the client's own interface sees no NAT",
            edit(flow(A1, W1), |row| row.traffic_path = Some(8)),
            counted("1a", "internet").charged(&["internet_egress"]),
        ),
        case("the client's own interface sees no NAT, reply", ingress(W1, A1), counted("internet", "1a")),
        case(
            "private ip: sent to it, but captured at the sender",
            edit(flow(A1, NA), |row| row.interface_id = None),
            counted("1a", "1a"),
        ),
        case(
            "private ip: sent by it, but captured at the receiver",
            edit(ingress(NA, A1), |row| row.interface_id = None),
            counted("1a", "1a").other_side(),
        ),
        case(
            "private ip: captured at an interface that is not the gateway's",
            seen("ingress", A1, NA, A1, W1),
            counted("1a", "internet").other_side().contradicts(&["forwarder"]),
        ),
        case(
            "private ip only as packet address",
            seen("ingress", A1, C1, A1, NA),
            counted("1a", "1a").other_side(),
        ),
        case(
            "an interface of no gateway",
            seen("ingress", A1, NX, A1, W1),
            counted("1a", "internet").other_side().contradicts(&["forwarder"]),
        ),
        case(
            "a transit gateway translates as well, but is not a NAT gateway",
            edit(seen("ingress", NX, C1, A1, C1), |row| row.interface_type = s("transit_gateway")),
            counted("1a", "1c").between_azs().other_side(),
        ),
        case(
            "a resource that is not a NAT gateway",
            edit(flow(A1, C1), |row| row.resource_id = s("tgw-0123")),
            crossing("1a", "1c"),
        ),
    ]
}

/// Semantics 3.6.
fn regional() -> Vec<Case> {
    let with = |id: &str, direction: &str, src: &str, dst: &str| {
        edit(flow(src, dst), |row| {
            row.interface_id = s("-");
            row.resource_id = s(id);
            row.flow_direction = s(direction);
        })
    };
    let mut cases = Vec::new();
    // The configured one stands in 1c.
    for (id, hop) in [("nat-0regional", true), ("nat-0unheard", false)] {
        let (out_charges, in_charges): (&[&str], &[&str]) = if hop {
            (&["nat_processing", "nat_hop", "internet_egress"], &["nat_processing", "nat_hop"])
        } else {
            (&["nat_processing", "internet_egress"], &["nat_processing"])
        };
        cases.extend([
            case(
                format!("{id}: client -> remote"),
                with(id, "ingress", A1, W1),
                nat("out", "1a", "internet").charged(out_charges),
            ),
            case(format!("{id}: NAT public -> remote"), with(id, "egress", W2, W1), PUBLIC),
            case(format!("{id}: remote -> NAT public"), with(id, "ingress", W1, W2), PUBLIC),
            case(
                format!("{id}: remote -> client"),
                with(id, "egress", W1, A1),
                nat("in", "internet", "1a").charged(in_charges),
            ),
            case(format!("{id}: private on both sides"), with(id, "ingress", A1, C1), PUBLIC),
            case(
                format!("{id}: a client outside the zones"),
                with(id, "ingress", P1, W1),
                nat("out", "unknown", "internet").charged(&["nat_processing", "internet_egress"]),
            ),
            case(
                format!("{id}: no packet columns"),
                with(id, "ingress", A1, W1),
                nat("out", "1a", "internet").charged(out_charges),
            )
            .without(&NO_PACKETS),
            case(
                format!("{id}: no direction column"),
                with(id, "egress", W1, A1),
                nat("in", "internet", "1a").charged(in_charges),
            )
            .without(&["flow_direction"]),
        ]);
    }
    let by_type = |row: Row| {
        edit(row, |row| {
            row.resource_id = None;
            row.interface_type = s("regional_nat_gateway");
        })
    };
    cases.extend([
        case(
            "regional, client in the gateway's zone",
            with("nat-0regional", "ingress", C1, W1),
            nat("out", "1c", "internet").charged(&["nat_processing", "internet_egress"]),
        ),
        case("regional by interface_type, out", by_type(with("-", "ingress", A1, W1)), out()),
        case("regional by interface_type, in", by_type(with("-", "egress", W1, A1)), back()),
        case("regional by interface_type, public", by_type(with("-", "egress", W2, W1)), PUBLIC),
        case("regional, a public zone is inside", with("nat-0unheard", "ingress", A6, W6), out()),
        case("regional, IPv6 remote to a public zone", with("nat-0unheard", "egress", W6, A6), back()),
        case("no resource_id column", with("nat-0regional", "egress", A1, C1), crossing("1a", "1c"))
            .without(&["resource_id"]),
    ]);
    cases
}

/// Semantics 3.8.
fn gateway_zone() -> Vec<Case> {
    let at = |az_id: &str| {
        edit(seen("ingress", A1, NX, A1, W1), |row| {
            of_type(row);
            row.az_id = s(az_id);
        })
    };
    let hop = || nat("out", "1a", "internet").charged(&["nat_processing", "nat_hop", "internet_egress"]);
    vec![
        case("the gateway's zone by its az_id: the client's", at("apne1-az4"), out()),
        case("the gateway's zone by its az_id: another", at("apne1-az1"), hop()),
        case("the gateway's zone by an az_id without a zone", at("apne1-az7"), hop()),
        case("the gateway's zone is not known", at("-"), out()),
        case("the gateway's zone, no az_id column", at("apne1-az1"), out()).without(&["az_id"]),
        case("the gateway's zone, az_ids not heard, one that no zone names", at("apne1-az7"), out())
            .config(forget_az_ids)
            .own_azs(),
        case("the gateway's zone, az_ids not heard, one that a zone names", at("apne1-az1"), hop())
            .config(|config| config.zones[0].az_id = None)
            .azs(&[("1a", "1a")]),
        case(
            "a nat_gateway with a resource_id is zonal",
            edit(at("apne1-az1"), |row| row.resource_id = s("nat-0unheard")),
            hop(),
        ),
        case(
            "a nat_gateway with a resource_id is zonal: its public leg",
            edit(seen("egress", NX, W1, NX, W1), |row| {
                of_type(row);
                row.resource_id = s("nat-0unheard");
            }),
            PUBLIC,
        ),
        case(
            "the configured zone before the az_id",
            edit(seen("ingress", A1, NA, A1, W1), |row| {
                at_gateway(row);
                of_type(row);
                row.az_id = s("apne1-az1");
            }),
            out(),
        ),
        case(
            "the az_id of a regional gateway is not its zone",
            edit(flow(A1, W1), |row| {
                row.resource_id = s("nat-0unheard");
                row.az_id = s("apne1-az1");
            }),
            out(),
        ),
    ]
}
