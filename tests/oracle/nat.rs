//! 5.3: NAT records and their legs.

use super::{OracleConfig, addr::Addr, record::Fields, zone};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leg {
    /// No NAT record.
    None,
    Out,
    In,
    Public,
}

/// How a record was recognised.
pub(super) struct Nat {
    /// Which configured gateway, if it is one.
    pub(super) gateway: Option<usize>,
    regional: bool,
}

/// "A record is a NAT record when its `interface_id`, `resource_id` or version-11 `interface_type` says so, or when one
/// of its plain addresses is a configured NAT private IP and it was captured there".
pub(super) fn recognise(fields: &Fields, config: &OracleConfig) -> Option<Nat> {
    let listed = |lists: fn(&super::GatewayConfig) -> &Vec<String>, id: &Option<String>| {
        let id = id.as_ref()?;
        config.gateways.iter().position(|gateway| lists(gateway).contains(id))
    };
    // The first sign decides whose rules hold. A configured interface is a zonal gateway's: regional ones have none.
    if let Some(gateway) = listed(|gateway| &gateway.interface_ids, &fields.interface_id) {
        return Some(Nat { gateway: Some(gateway), regional: false });
    }
    // "Regional NAT (any resource_id `nat-...`, configured or not ...)"
    if let Some(gateway) = listed(|gateway| &gateway.resource_ids, &fields.resource_id) {
        return Some(Nat { gateway: Some(gateway), regional: true });
    }
    if fields.resource_id.as_deref().is_some_and(|id| id.starts_with("nat-"))
        || fields.interface_type.as_deref() == Some("regional_nat_gateway")
    {
        return Some(Nat { gateway: None, regional: true });
    }
    // "flow_direction fits that side, or is absent; never when the record has an interface_id that the gateway's list
    // lacks". The destination side first; captured at the gateway means: into it, or out of it.
    let vetoed = |gateway: &super::GatewayConfig| {
        !gateway.interface_ids.is_empty()
            && fields.interface_id.as_ref().is_some_and(|id| !gateway.interface_ids.contains(id))
    };
    let direction_unknown = fields.direction.is_none();
    for (address, fits) in [
        (fields.plain_dst, fields.is_ingress() || direction_unknown),
        (fields.plain_src, fields.is_egress() || direction_unknown),
    ] {
        let Some(address) = address.filter(|_| fits) else { continue };
        let found =
            config.gateways.iter().position(|gateway| is_one_of(address, gateway) && !vetoed(gateway));
        if found.is_some() {
            return Some(Nat { gateway: found, regional: false });
        }
    }
    if fields.interface_type.as_deref() == Some("nat_gateway") {
        return Some(Nat { gateway: None, regional: false });
    }
    None
}

fn is_one_of(address: Addr, gateway: &super::GatewayConfig) -> bool {
    gateway.private_ips.iter().any(|ip| Addr::parse(ip) == Some(address))
}

/// "the client is the side inside a zone or a private range"
fn inside(address: Addr, config: &OracleConfig) -> bool {
    address.is_private() || zone::by_cidr(address, config).is_some()
}

pub(super) fn leg(fields: &Fields, nat: &Nat, config: &OracleConfig) -> Leg {
    if nat.regional {
        // "private -> public is `out`, public -> private is `in`, the rest `nat_public_leg`"
        return match (inside(fields.src, config), inside(fields.dst, config)) {
            (true, false) => Leg::Out,
            (false, true) => Leg::In,
            _ => Leg::Public,
        };
    }
    let is_n = |address: Option<Addr>| match (address, nat.gateway) {
        (Some(address), Some(gateway)) => is_one_of(address, &config.gateways[gateway]),
        _ => false,
    };
    match (is_n(fields.plain_dst), is_n(fields.plain_src)) {
        // "dstaddr = N, pkt_dstaddr != N: out"; "dstaddr = N, pkt_dstaddr = N: nat_public_leg"
        (true, false) => beside_n(fields.plain_dst, fields.pkt_dst, fields.src, Leg::Out, config),
        // "srcaddr = N, pkt_srcaddr != N: in"; "srcaddr = N, pkt_srcaddr = N: nat_public_leg"
        (false, true) => beside_n(fields.plain_src, fields.pkt_src, fields.dst, Leg::In, config),
        // "A plain address that is none of the configured ones: as without N."
        _ => without_n(fields, config),
    }
}

/// N stands on one side; `other` is the endpoint on the other side.
fn beside_n(
    plain: Option<Addr>,
    pkt: Option<Addr>,
    other: Addr,
    private_leg: Leg,
    config: &OracleConfig,
) -> Leg {
    let is_private_leg = match pkt {
        Some(_) => pkt != plain,
        None => inside(other, config),
    };
    if is_private_leg { private_leg } else { Leg::Public }
}

/// "Without N: compare plain with packet address."
fn without_n(fields: &Fields, config: &OracleConfig) -> Leg {
    let differ = |plain: Option<Addr>, pkt: Option<Addr>| plain.is_some() && pkt.is_some() && plain != pkt;
    if differ(fields.plain_dst, fields.pkt_dst) {
        return Leg::Out;
    }
    if differ(fields.plain_src, fields.pkt_src) {
        return Leg::In;
    }
    if fields.pkt_src.is_some() && fields.pkt_dst.is_some() {
        return Leg::Public;
    }
    // "Both sides private and no packet columns: ingress is `out`, egress is `in`." A public side is never the
    // client's: the plain addresses of a record at the gateway always include the gateway's own.
    if inside(fields.src, config) && inside(fields.dst, config) {
        return if fields.is_egress() { Leg::In } else { Leg::Out };
    }
    Leg::Public
}
