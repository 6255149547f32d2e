//! Which side of a doubly logged flow counts: section 4 of docs/semantics.md.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    let every = |config: &mut OracleConfig| config.vantage = "every";
    let sender = |config: &mut OracleConfig| config.vantage = "sender";
    let mut cases = vec![
        case("auto, egress", flow(A1, A2), counted("1a", "1a")),
        case("auto, ingress from a logged zone", ingress(A1, A2), counted("1a", "1a").other_side()),
        case(
            "auto, ingress from another logged zone is charged",
            ingress(A1, C1),
            crossing("1a", "1c").other_side(),
        ),
        case("auto, ingress from an unlogged zone", ingress(D1, C1), crossing("dc", "1c")),
        case(
            "auto, ingress from a zone of another region",
            ingress(U1, C1),
            counted("use1", "1c").other_side(),
        ),
        case("auto, ingress from the internet", ingress(W1, C1), counted("internet", "1c")),
        // Nothing of the object lies outside the networks: they are known, and P1 is not logged.
        case("auto, ingress from unknown", ingress(P1, C1), counted("unknown", "1c")),
        case(
            "auto, ingress from aws",
            edit(ingress(W1, C1), |row| row.pkt_src_aws_service = s("S3")),
            counted("aws", "1c"),
        ),
        case(
            "auto, ingress from a zone that only its az_id names",
            edit(ingress(P1, C1), |row| row.next_hop_az_id = s("apne1-az7")),
            crossing("apne1-az7", "1c").other_side(),
        ),
        case(
            "auto, ingress from an unlogged zone by az_id",
            edit(ingress(P1, C1), |row| row.next_hop_az_id = s("apne1-az9")),
            crossing("dc", "1c"),
        ),
        case(
            "auto, no direction in this record",
            edit(flow(A1, C1), |row| row.flow_direction = s("-")),
            crossing("1a", "1c"),
        ),
        case(
            "auto, an unknown direction",
            edit(flow(A1, C1), |row| row.flow_direction = s("sideways")),
            crossing("1a", "1c"),
        ),
        // Semantics 4.5.
        case("auto, no direction column", ingress(A1, C1), crossing("1a", "1c")).without(&["flow_direction"]),
        // Semantics 4.1.
        case("every, egress", flow(A1, C1), crossing("1a", "1c")).config(every),
        case("every, ingress from a logged zone", ingress(A1, C1), crossing("1a", "1c")).config(every),
        // Semantics 4.2 and 4.3.
        case("sender, egress", flow(A1, C1), crossing("1a", "1c")).config(sender),
        case("sender, ingress from a logged zone", ingress(A1, C1), crossing("1a", "1c").other_side())
            .config(sender),
        case("sender, ingress from the internet", ingress(W1, C1), counted("internet", "1c")).config(sender),
        case("sender, no direction column", ingress(A1, C1), crossing("1a", "1c"))
            .config(sender)
            .without(&["flow_direction"]),
        case(
            "sender, no direction column, at a transit gateway",
            edit(flow(A1, C1), |row| row.interface_type = s("transit_gateway")),
            counted("1a", "1c").between_azs(),
        )
        .config(sender)
        .without(&["flow_direction"]),
        // Semantics 4.7.
        case(
            "a NAT leg into the gateway counts under sender",
            edit(seen("ingress", A1, NA, A1, W1), |row| row.interface_id = s("eni-nat-a")),
            nat("out", "1a", "internet").charged(&["nat_processing", "internet_egress"]),
        )
        .config(sender),
        case(
            "a NAT's public leg does not count under every",
            edit(seen("egress", NA, W1, NA, W1), |row| row.interface_id = s("eni-nat-a")),
            Expect::Dropped("nat_public_leg"),
        )
        .config(every),
    ];
    // Semantics 4.3. Only what a load balancer or an endpoint sends at its own address counts, and
    // of that only a load balancer pays between AZs (semantics 6.11).
    for (kind, sends, charges) in [
        ("transit_gateway", false, [].as_slice()),
        ("network_load_balancer", true, &["inter_az"]),
        ("vpc_endpoint", true, &["vpc_endpoint_processing"]),
        ("gateway_load_balancer_endpoint", false, &[]),
    ] {
        let at = |row: Row| edit(row, |row| row.interface_type = s(kind));
        let between = |src, charges| counted(src, "1c").between_azs().charged(charges);
        let processing: &[&str] = if kind == "vpc_endpoint" { &["vpc_endpoint_processing"] } else { &[] };
        let other_side = |charges| between("1a", charges).other_side();
        cases.extend([
            case(
                format!("auto, egress at a {kind}, its own address"),
                at(flow(A1, C1)),
                if sends { between("1a", charges) } else { other_side(charges) },
            ),
            case(
                format!("auto, egress at a {kind}, the address of somebody else"),
                at(seen("egress", A2, C1, A1, C1)),
                other_side(processing),
            ),
            case(
                format!("auto, egress at a {kind}, no packet address"),
                at(seen("egress", A1, C1, "-", C1)),
                other_side(processing),
            ),
            case(
                format!("auto, ingress at a {kind}"),
                at(ingress(D1, C1)),
                between("dc", charges).other_side(),
            ),
            case(
                format!("auto, ingress at a {kind}, the address of somebody else"),
                at(seen("ingress", D1, "10.0.132.9", D1, C1)),
                between("dc", processing).other_side(),
            ),
            case(
                format!("auto, no direction at a {kind}"),
                edit(at(flow(A1, C1)), |row| row.flow_direction = None),
                other_side(processing),
            ),
            case(format!("every, at a {kind}"), at(flow(A1, C1)), between("1a", charges)).config(every),
            case(
                format!("every, at a {kind}, the address of somebody else"),
                at(seen("egress", A2, C1, A1, C1)),
                between("1a", processing),
            )
            .config(every),
        ]);
    }
    cases
}
