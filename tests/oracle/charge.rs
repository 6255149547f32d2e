//! 5.6: what a record is charged for.

use super::{
    OracleConfig,
    nat::{Leg, Nat},
    record::Fields,
    zone::{self, Zone},
};

/// "both zones known, same region, different"
pub(super) fn between_zones(src: &Zone, dst: &Zone) -> bool {
    src.known() && dst.known() && src.region == dst.region && src.label != dst.label
}

pub(super) fn charges(
    fields: &Fields,
    nat: Option<&Nat>,
    leg: Leg,
    src: &Zone,
    dst: &Zone,
    config: &OracleConfig,
) -> Vec<&'static str> {
    let mut charges = Vec::new();
    let is_nat = matches!(leg, Leg::Out | Leg::In);
    // "Same zone, towards `aws` and traffic_path 7 end the zone and internet charges only: NAT processing stays."
    let ended = fields.traffic_path == Some(7) || (src.known() && dst.known() && src.label == dst.label);

    if !is_nat && !ended && between_zones(src, dst) {
        charges.push("inter_az");
    }
    // "not NAT; both zones known, different regions; any record that is not ingress"
    if !is_nat && !ended && src.known() && dst.known() && src.region != dst.region && !fields.is_ingress() {
        charges.push("inter_region");
    }
    if is_nat {
        charges.push("nat_processing");
        // "NAT records `out` and `in` whose client zone and NAT zone are known and differ"
        let client = if leg == Leg::Out { src } else { dst };
        let gateway = nat.and_then(|nat| zone::of_nat(fields, nat.gateway, config));
        if client.known() && gateway.is_some_and(|gateway| gateway != client.label) {
            charges.push("nat_hop");
        }
    }
    let towards_internet = dst.label == "internet" && !dst.known() && !ended;
    let egress = if is_nat {
        // "NAT `out` towards `internet`"
        leg == Leg::Out
    } else {
        // "else a record from a zone or private address to `internet` that is not ingress and whose `traffic_path` is
        // 8 or 2, or absent while no NAT gateway of the source's region is known"
        let path = match fields.traffic_path {
            Some(path) => path == 8 || path == 2,
            None => !gateway_in_source_region(config),
        };
        (src.known() || fields.src.is_private()) && !fields.is_ingress() && path
    };
    if towards_internet && egress {
        charges.push("internet_egress");
    }

    // "`no_charge`: either endpoint in the CIDRs, that charge only."
    charges.retain(|charge| {
        !config.no_charge.iter().any(|(exempt, cidrs)| {
            exempt == charge && cidrs.iter().any(|cidr| fields.src.is_in(cidr) || fields.dst.is_in(cidr))
        })
    });
    charges
}

fn gateway_in_source_region(config: &OracleConfig) -> bool {
    config.gateways.iter().any(|gateway| {
        config.zones.iter().any(|zone| zone.name == gateway.zone && zone.region == config.source_region)
    })
}
