//! NAT records and their legs: section 3 of docs/semantics.md.

use super::{
    GatewayConfig, OracleConfig, ZoneConfig,
    addr::Addr,
    interface,
    object::{Object, Seen},
    record::{Record, Side},
    scope::{self, Scope},
    zone::{self, Az},
};
use std::collections::BTreeSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leg {
    Out,
    In,
    Public,
}

/// How a record was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nat {
    /// Which configured gateway, if it is one.
    pub(super) gateway: Option<usize>,
    pub(super) regional: bool,
    /// By `interface_type` alone.
    pub(super) by_type: bool,
}

/// Recognises a NAT record by the first sign that holds (semantics 3.1).
pub(super) fn recognise(record: &Record, config: &OracleConfig) -> Option<Nat> {
    let listed = |lists: fn(&GatewayConfig) -> &Vec<String>, id: &Option<String>| {
        let id = id.as_ref()?;
        config.gateways.iter().position(|gateway| lists(gateway).contains(id))
    };
    let kind = record.interface_type.as_deref();
    // Ids are facts, whatever the scope (semantics 2.4).
    if let Some(gateway) = listed(|gateway| &gateway.interface_ids, &record.interface_id) {
        return Some(Nat { gateway: Some(gateway), regional: false, by_type: false });
    }
    let resource = listed(|gateway| &gateway.resource_ids, &record.resource_id);
    let named = record.resource_id.as_deref().is_some_and(|id| id.starts_with("nat-"));
    if (resource.is_some() || named) && kind != Some("nat_gateway") {
        return Some(Nat { gateway: resource, regional: true, by_type: false });
    }
    if kind == Some("regional_nat_gateway") {
        return Some(Nat { gateway: resource, regional: true, by_type: true });
    }
    // What a forwarder passes on has the gateway's addresses as well.
    if interface::is_forwarder(record.interface_id.as_ref(), config) {
        return None;
    }
    // Captured at the gateway means into it, or out of it. The destination comes first.
    for (address, fits) in [(record.dst.plain, !record.is_egress()), (record.src.plain, !record.is_ingress())]
    {
        let Some(address) = address.filter(|_| fits) else { continue };
        if let Some(gateway) = by_address(address, record, config) {
            return Some(Nat { gateway: Some(gateway), regional: false, by_type: false });
        }
    }
    (kind == Some("nat_gateway")).then_some(Nat { gateway: None, regional: false, by_type: true })
}

/// Finds the gateway of a private IP by scope. It is none where the record was captured at another
/// interface than the gateway's (semantics 3.2).
fn by_address(address: Addr, record: &Record, config: &OracleConfig) -> Option<usize> {
    let mut found: Vec<(u8, usize)> = Vec::new();
    for (at, gateway) in config.gateways.iter().enumerate() {
        if has_ip(address, gateway) && gateway.scope.matches(&record.scope) {
            found.push((gateway.scope.rank(), at));
        }
    }
    let (_, at) = found.into_iter().min()?;
    let ids = &config.gateways[at].interface_ids;
    let elsewhere = !ids.is_empty() && record.interface_id.as_ref().is_some_and(|id| !ids.contains(id));
    (!elsewhere).then_some(at)
}

fn has_ip(address: Addr, gateway: &GatewayConfig) -> bool {
    gateway.private_ips.iter().any(|ip| Addr::parse(ip) == Some(address))
}

/// The leg of a NAT record, and whether it carries doubt `nat_leg`.
pub(super) fn leg(seen: &Seen, nat: &Nat, object: &Object<'_>) -> (Leg, bool) {
    let record = &seen.record;
    let inside = |side| object.is_inside(seen, side);
    if nat.regional {
        // The client is the side that is inside (semantics 3.8).
        let leg = match (inside(Side::Source), inside(Side::Destination)) {
            (true, false) => Leg::Out,
            (false, true) => Leg::In,
            _ => Leg::Public,
        };
        return (leg, false);
    }
    // Traffic of a further address of the gateway (semantics 3.3).
    let further = |side: Side| {
        let (ours, theirs) = (record.side(side), record.side(side.other()));
        ours.differ() && inside(side) && !inside(side.other()) && theirs.same()
    };
    if further(Side::Source) || further(Side::Destination) {
        return (Leg::Public, false);
    }
    let is_n = |side: Side| {
        let gateway = nat.gateway.map(|gateway| &object.config.gateways[gateway]);
        let plain = record.side(side).plain;
        gateway.is_some_and(|gateway| plain.is_some_and(|plain| has_ip(plain, gateway)))
    };
    match (is_n(Side::Source), is_n(Side::Destination)) {
        (false, true) => beside_n(seen, Side::Destination, nat, object),
        (true, false) => beside_n(seen, Side::Source, nat, object),
        _ => without_n(seen, nat, object),
    }
}

/// The leg of a client at the other side of the gateway's address.
fn client_leg(gateway_side: Side) -> Leg {
    match gateway_side {
        Side::Destination => Leg::Out,
        Side::Source => Leg::In,
    }
}

/// One of the gateway's addresses is the plain one of one side (semantics 3.4).
fn beside_n(seen: &Seen, side: Side, nat: &Nat, object: &Object<'_>) -> (Leg, bool) {
    let Some(pkt) = seen.record.side(side).pkt else { return by_the_other_end(seen, side, nat, object) };
    let gateway = &object.config.gateways[nat.gateway.expect("a gateway with addresses")];
    (if has_ip(pkt, gateway) { Leg::Public } else { client_leg(side) }, false)
}

/// Asks whether the other end is a client (semantics 3.5).
fn by_the_other_end(seen: &Seen, side: Side, nat: &Nat, object: &Object<'_>) -> (Leg, bool) {
    let record = &seen.record;
    if scope::in_a_network(record.side(side.other()).end, &record.scope, object.config) {
        return (client_leg(side), false);
    }
    let inside = object.is_inside(seen, side.other());
    if inside && (!scope::has_networks(&record.scope, object.config) || is_public(nat, object)) {
        return (client_leg(side), true);
    }
    (Leg::Public, false)
}

/// Returns whether the object shows a gateway with an IPv4 end that is not inside; those that are not
/// configured are taken together (semantics 3.5).
fn is_public(nat: &Nat, object: &Object<'_>) -> bool {
    object.seen.iter().any(|other| {
        other.nat.as_ref().is_some_and(|other| other.gateway == nat.gateway)
            && [Side::Source, Side::Destination]
                .into_iter()
                .any(|side| !other.record.side(side).end.is_six() && !object.is_inside(other, side))
    })
}

fn has_known_ips(nat: &Nat, config: &OracleConfig) -> bool {
    nat.gateway.is_some_and(|gateway| !config.gateways[gateway].private_ips.is_empty())
}

/// Finds the addresses of zonal gateways of which none is known (semantics 3.7): what all records
/// of an interface have in common, and what they show as their own.
pub(super) fn find(object: &Object<'_>) -> BTreeSet<Addr> {
    let is_to_be_found = |nat: &Nat| !nat.regional && !has_known_ips(nat, object.config);
    let records = object.seen.iter().filter(|seen| seen.nat.as_ref().is_some_and(is_to_be_found));
    let records: Vec<&Record> = records.map(|seen| &seen.record).collect();
    let plain = |record: &Record| [record.src.plain, record.dst.plain];
    let mut found = BTreeSet::new();
    for record in &records {
        found.extend(record.own().and_then(|own| own.plain));
        // Those without an id count as one interface's.
        let mut common: BTreeSet<Addr> = plain(record).into_iter().flatten().collect();
        for other in records.iter().filter(|other| other.told_interface() == record.told_interface()) {
            common.retain(|address| plain(other).contains(&Some(*address)));
        }
        found.extend(common.first().filter(|_| common.len() == 1));
    }
    found
}

/// Returns whether an address is a NAT gateway's: configured, or found in the object (semantics
/// 6.11).
pub(super) fn is_gateways(address: Addr, scope: &Scope, object: &Object<'_>) -> bool {
    let mut gateways = object.config.gateways.iter();
    gateways.any(|gateway| has_ip(address, gateway) && gateway.scope.matches(scope))
        || object.nat_addresses.contains(&address)
}

/// No address of the gateway helps: the first that applies (semantics 3.6).
fn without_n(seen: &Seen, nat: &Nat, object: &Object<'_>) -> (Leg, bool) {
    let record = &seen.record;
    let inside = |side| object.is_inside(seen, side);
    if record.dst.differ() {
        return (Leg::Out, false);
    }
    if record.src.differ() {
        return (Leg::In, false);
    }
    if record.src.pkt.is_some() && record.dst.pkt.is_some() {
        return (Leg::Public, false);
    }
    let known = has_known_ips(nat, object.config);
    let found = &object.nat_addresses;
    let is_found = |side| !known && record.side(side).plain.is_some_and(|plain: Addr| found.contains(&plain));
    match (is_found(Side::Source), is_found(Side::Destination)) {
        (false, true) => return by_the_other_end(seen, Side::Destination, nat, object),
        (true, false) => return by_the_other_end(seen, Side::Source, nat, object),
        _ => {}
    }
    if !inside(Side::Source) || !inside(Side::Destination) {
        return (Leg::Public, false);
    }
    (if record.is_egress() { Leg::In } else { Leg::Out }, false)
}

/// The zone of a gateway. One without can be anywhere (semantics 6.14).
pub(super) fn zone<'a>(gateway: &GatewayConfig, config: &'a OracleConfig) -> Option<&'a ZoneConfig> {
    let name = gateway.zone.as_ref()?;
    Some(config.zones.iter().find(|zone| zone.name == *name).expect("a zone"))
}

/// The VPC that the scope of a configured gateway names, if it is one (semantics 6.5).
pub(super) fn vpc<'a>(nat: &Nat, config: &'a OracleConfig) -> Option<&'a String> {
    match config.gateways[nat.gateway?].scope.vpc_ids.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

/// Finds the AZ of the NAT gateway of a record (semantics 3.10).
pub(super) fn az(record: &Record, nat: &Nat, config: &OracleConfig) -> Option<Az> {
    if let Some(gateway) = nat.gateway {
        let gateway = &config.gateways[gateway];
        if let Some(zone) = self::zone(gateway, config) {
            return zone::az(zone, config);
        }
    }
    if record.interface_type.as_deref() != Some("nat_gateway") {
        return None;
    }
    let az_id = record.az_id.as_ref()?;
    let heard = zone::az_ids_speak(&record.scope, config) || zone::of_az_id(az_id, config).is_some();
    heard.then(|| Az::Id(az_id.clone()))
}
