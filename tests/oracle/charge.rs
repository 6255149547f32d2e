//! What a record is charged for: section 6 of docs/semantics.md.

use super::{
    end::{self, End},
    interface::Interface,
    nat::{self, Leg},
    object::{Object, Seen, relation},
    record::{Record, Side},
    scope, service, zone,
};

/// The charges of a record, and its doubts `between_vpcs`, `own_side` and `regional_public`
/// (semantics 8.4). They are each decided by themselves (semantics 6.1).
pub(super) fn charges(
    object: &Object<'_>,
    seen: &Seen,
    leg: Option<Leg>,
    src: &End,
    dst: &End,
) -> (Vec<&'static str>, Vec<&'static str>) {
    if leg == Some(Leg::Public) {
        // Public legs repeat bytes that are charged already (semantics 3.9).
        return (Vec::new(), Vec::new());
    }
    let mut doubts = Vec::new();
    let mut charges = match leg {
        Some(leg) => at_gateway(object, seen, leg, src, dst),
        None => elsewhere(object, seen, src, dst, &mut doubts),
    };
    charges.retain(|charge| !is_exempt(object, &seen.record, charge));
    // Semantics 8.4.
    let ec2 = seen.record.dst.service.as_deref() == Some("EC2");
    if charges.contains(&"regional_public") || (charges.contains(&"internet_egress") && ec2) {
        doubts.push("regional_public");
    }
    (charges, doubts)
}

/// Returns whether `prices.no_charge` takes a charge from a record, by either endpoint (semantics
/// 6.16); any rank will do (semantics 2.3).
fn is_exempt(object: &Object<'_>, record: &Record, charge: &str) -> bool {
    object.config.no_charge.iter().any(|entry| {
        entry.charge == charge
            && entry.scope.matches(&record.scope)
            && entry.cidrs.iter().any(|cidr| record.src.end.is_in(cidr) || record.dst.end.is_in(cidr))
    })
}

/// NAT's own rows.
fn at_gateway(object: &Object<'_>, seen: &Seen, leg: Leg, src: &End, dst: &End) -> Vec<&'static str> {
    let Seen { record, nat, .. } = seen;
    // Semantics 6.4.
    let mut charges = vec!["nat_processing"];
    let (client, remote) = if leg == Leg::Out { (src, dst) } else { (dst, src) };

    // Semantics 6.5. The record's VPC is the gateway's.
    let gateway_az = nat.as_ref().and_then(|nat| nat::az(record, nat, object.config));
    let scoped = nat.as_ref().and_then(|nat| nat::vpc(nat, object.config));
    let two_vpcs = match (&client.vpc, record.scope.vpc_id.as_ref().or(scoped)) {
        (Some(client), Some(gateway)) => client != gateway,
        _ => false,
    };
    let differ = client.az.is_some() && gateway_az.is_some() && client.az != gateway_az;
    // Semantics 6.13.
    let client_side = if leg == Leg::Out { Side::Source } else { Side::Destination };
    let address = record.side(client_side).end;
    let through = record.next_hop_is("transit_gateway")
        || (record.own_side() != Some(client_side)
            && object.next_hop_to(address, "transit_gateway", &record.scope.vpc_id));
    if differ && !two_vpcs && !through {
        charges.push("nat_hop");
    }
    // Semantics 6.3 and 6.6; a gateway endpoint ends both (semantics 6.13).
    if leg == Leg::Out && record.traffic_path != Some(7) {
        if is_another_region(object, dst) {
            charges.push("inter_region");
        }
        if dst.label == "internet" || dst.outside {
            charges.push("internet_egress");
        }
    }
    // Semantics 6.7.
    if remote.ec2_here {
        charges.push("regional_public");
    }
    charges
}

/// Every other record.
fn elsewhere(
    object: &Object<'_>,
    seen: &Seen,
    src: &End,
    dst: &End,
    doubts: &mut Vec<&'static str>,
) -> Vec<&'static str> {
    let Seen { record, interface, .. } = seen;
    let config = object.config;
    let path = record.traffic_path;
    let mut charges = Vec::new();
    // Never at a box in between, but for a load balancer's own traffic (semantics 6.11).
    let own_traffic = record.own().is_some_and(|own| own.same());
    let at_an_end = interface.is_plain() || (interface.is_a("network_load_balancer") && own_traffic);
    // What ends some charges (semantics 6.13).
    let ended = end::is_aws(&dst.label) || path == Some(7);

    // Semantics 6.2.
    let through = passes_a_box(object, record) || is_exempt(object, record, "inter_az");
    if relation(src, dst) == "inter-az" && at_an_end && !ended && !through {
        let (pays, unclear) = service::pays(object, seen);
        // Between two VPCs only where they are peered (semantics 6.12).
        let apart = match (&src.vpc, &dst.vpc) {
            (Some(one), Some(other)) if one != other && !object.are_peered(one, other) => Some((one, other)),
            _ => None,
        };
        match apart {
            None if pays => {
                charges.push("inter_az");
                doubts.extend(unclear.then_some("own_side"));
            }
            Some((one, other)) if pays && !object.share_transit_gateway(one, other) => {
                doubts.push("between_vpcs");
            }
            _ => {}
        }
    }

    // The client behind a box that forwards shows path 1 (semantics 6.11). What comes from a NAT
    // gateway was charged there.
    let by_the_gateway = matches!(path, Some(8 | 2 | 6));
    let forwards = (*interface == Interface::Forwarder || interface.is_a("gateway_load_balancer_endpoint"))
        && by_the_gateway
        && !nat::is_gateways(record.src.end, &record.scope, object);
    let leaves = leaves_for_the_internet(object, seen, src) && (at_an_end || forwards);

    // Semantics 6.3.
    let charged = if is_another_region(object, dst) {
        leaves
    } else {
        let apart = src.region.is_some() && dst.region.is_some() && src.region != dst.region;
        apart && src.region == Some(object.key_region()) && !record.is_ingress() && !ended && at_an_end
    };
    if charged {
        charges.push("inter_region");
    }

    // Semantics 6.6.
    if leaves && (dst.label == "internet" || (dst.outside && by_the_gateway)) {
        charges.push("internet_egress");
    }

    // Semantics 6.7.
    let comes_in = record.is_ingress()
        && src.ec2_here
        && (dst.inside || dst.known())
        && (scope::is_public(record.dst.end, &record.scope, config) || no_nat_gateway(object, seen));
    if (dst.ec2_here && leaves) || (comes_in && at_an_end) {
        charges.push("regional_public");
    }

    // Semantics 6.8.
    let at_endpoint = match config.endpoint_at {
        "endpoint" => interface.is_a("vpc_endpoint"),
        "client" => interface.is_plain() && record.next_hop_is("vpc_endpoint"),
        word => panic!("no endpoint_processing_at {word}"),
    };
    if at_endpoint {
        charges.push("vpc_endpoint_processing");
    }

    // Semantics 6.9.
    if crosses_transit_gateway(seen, src, dst) {
        charges.push("transit_gateway_processing");
    }

    // Semantics 6.15.
    if path == Some(3) && !record.is_ingress() && (src.inside || src.known()) && !dst.known() {
        charges.push(match config.gateway_path {
            "vpn" => "vpn_egress",
            "direct_connect" => "direct_connect_egress",
            word => panic!("no gateway_path {word}"),
        });
    }
    charges
}

/// Returns whether an end is labelled `aws:<another region>`.
fn is_another_region(object: &Object<'_>, end: &End) -> bool {
    end.label.strip_prefix("aws:").is_some_and(|region| region != object.key_region())
}

/// Returns whether a transit gateway or an interface endpoint stands between the ends, as this
/// record or another one shows (semantics 6.13).
fn passes_a_box(object: &Object<'_>, record: &Record) -> bool {
    let kinds = ["transit_gateway", "vpc_endpoint"];
    if kinds.into_iter().any(|kind| record.next_hop_is(kind)) {
        return true;
    }
    let Some(own_side) = record.own_side() else { return false };
    let (far, vpc) = (record.side(own_side.other()).end, &record.scope.vpc_id);
    kinds.into_iter().any(|kind| object.next_hop_to(far, kind, vpc)) || object.is_endpoints(far, vpc)
}

/// Returns whether a record sends into a transit gateway (semantics 6.9).
pub(super) fn crosses_transit_gateway(seen: &Seen, src: &End, dst: &End) -> bool {
    let two_vpcs = src.vpc.is_some() && dst.vpc.is_some() && src.vpc != dst.vpc;
    seen.interface.is_plain()
        && seen.record.is_egress()
        && (seen.record.next_hop_is("transit_gateway") || (seen.record.traffic_path == Some(1) && two_vpcs))
}

/// Returns whether internet egress would be charged if the destination were on the internet
/// (semantics 6.6): not ingress, from inside or a known source, and by the first of semantics 6.10
/// that applies.
fn leaves_for_the_internet(object: &Object<'_>, seen: &Seen, src: &End) -> bool {
    let record = &seen.record;
    if record.is_ingress() || !(src.inside || src.known()) {
        return false;
    }
    if next_hop_is_nat(object, seen) {
        return false;
    }
    match record.traffic_path {
        Some(path) => matches!(path, 8 | 2 | 6),
        None => {
            // A NAT64 address has been read as the IPv4 address that it carries.
            record.dst.end.is_six()
                || no_nat_gateway(object, seen)
                || scope::is_public(record.src.end, &record.scope, object.config)
        }
    }
}

/// Returns whether the next hop is a NAT gateway of any kind (semantics 6.10).
pub(super) fn next_hop_is_nat(object: &Object<'_>, seen: &Seen) -> bool {
    let record = &seen.record;
    record.next_hop_is("nat_gateway")
        || record.next_hop_is("regional_nat_gateway")
        || end::is_gateway(record.next_hop_interface_id.as_ref(), object)
}

/// Returns whether there is no NAT gateway for a record (semantics 6.14).
fn no_nat_gateway(object: &Object<'_>, seen: &Seen) -> bool {
    let config = object.config;
    let configured = config.gateways.iter().any(|gateway| {
        let Some(zone) = nat::zone(gateway, config) else { return true };
        zone::region(zone, config) == Some(object.key_region())
    });
    let forwarder = config.forwarders.iter().any(|forwarder| forwarder.scope.matches(&seen.record.scope));
    !configured && !object.nat_records && !forwarder
}
