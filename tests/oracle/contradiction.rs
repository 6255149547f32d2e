//! Doubts about counted records, and what records and topology disagree about: section 8 of
//! docs/semantics.md.

use super::{
    charge,
    end::End,
    interface::Interface,
    object::{Object, Seen},
    record::Side,
    scope,
    zone::{self, Az},
};

/// The doubts of a counted record that is not a NAT record (semantics 8.1), but for those of its
/// charges.
pub(super) fn doubts(object: &Object<'_>, seen: &Seen, src: &End, dst: &End) -> Vec<&'static str> {
    let Seen { record, interface, .. } = seen;
    let mut doubts = Vec::new();
    // Semantics 8.2.
    let nowhere = |end: &End| !end.inside && end.logged.is_none();
    if src.label == "unknown" || dst.label == "unknown" || (nowhere(src) && nowhere(dst)) {
        doubts.push("unknown_zone");
    }
    // Semantics 8.3.
    let to_the_internet = dst.label == "internet" || dst.outside;
    let leaves = (src.inside || src.known()) && to_the_internet && !record.is_ingress();
    let known_way = charge::next_hop_is_nat(object, seen)
        || record.dst.end.is_six()
        || scope::is_public(record.src.end, &record.scope, object.config);
    if leaves && record.traffic_path.is_none() && !known_way {
        doubts.push("egress_path");
    }
    // Semantics 8.4.
    if matches!(interface, Interface::Plain { doubt: true, .. }) {
        doubts.push("interface");
    }
    doubts
}

/// The contradictions of a record of any outcome that teaches, each with its hour (semantics 8.7).
pub(super) fn of(
    object: &Object<'_>,
    seen: &Seen,
    src: &End,
    dst: &End,
    charges: &[&'static str],
    adds: bool,
) -> Vec<(i64, &'static str)> {
    let Seen { record, interface, .. } = seen;
    let config = object.config;
    let mut found = Vec::new();
    let mut tell = |holds: bool, hour, kind| found.extend(holds.then_some((hour, kind)));
    let here = record.hour;

    // Semantics 8.8, the path.
    let odd_path = match record.traffic_path {
        Some(4) => charges.contains(&"inter_region"),
        Some(5) => src.region.is_some() && src.region == dst.region,
        _ => false,
    };
    tell(adds && odd_path, here, "path");
    // Semantics 8.10.
    let silent = config.endpoint_at != "client" && !object.endpoint_records;
    tell(silent && interface.is_plain() && record.next_hop_is("vpc_endpoint"), here, "endpoint");

    let Some(side) = record.own_side() else { return found };
    let teaches = seen.teaches(config);
    let end = if side == Side::Source { src } else { dst };

    // Semantics 8.8, the own side's AZ id, where AZ ids speak (semantics 8.11).
    let speak = teaches && zone::az_ids_speak(&record.scope, config);
    if let Some(az_id) = record.az_id.as_ref().filter(|_| speak) {
        let logged = Some(Az::Id(az_id.clone()));
        let zone = end.configured.map(|at| &config.zones[at]);
        tell(zone.is_some_and(|zone| zone::az(zone, config) != logged), here, "az_id");
        let place = end.region.as_deref().filter(|_| end.logged.is_some());
        let apart = match (zone::region_of_az_id(az_id), place) {
            (Some(of_id), Some(of_zone)) => of_id != of_zone,
            _ => false,
        };
        tell(apart, here, "region");
    }
    // Semantics 8.8, networks.
    let outside = end.configured.is_none() && scope::has_networks(&record.scope, config);
    tell(teaches && outside, here, "outside_networks");

    // Semantics 8.9. What the whole object says belongs to the partition's first hour (semantics
    // 8.7).
    if !interface.is_plain() {
        return found;
    }
    if seen.shows_another(config) {
        tell(true, here, "forwarder");
    } else if teaches && !interface.is_sure() && object.shares_own_side(record) {
        tell(true, object.part.start.div_euclid(3600), "forwarder");
    }
    found
}
