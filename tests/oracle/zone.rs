//! 5.2: zone of an endpoint, first match wins.

use super::{OracleConfig, ZoneConfig, addr, addr::Addr, record::Fields};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

pub(super) struct Zone {
    pub(super) label: String,
    /// Only known zones have a region: configured ones, and zones that the logs name by az_id.
    pub(super) region: Option<String>,
    pub(super) logged: bool,
}

impl Zone {
    pub(super) fn known(&self) -> bool {
        self.region.is_some()
    }

    fn configured(zone: &ZoneConfig) -> Self {
        Self { label: zone.name.clone(), region: Some(zone.region.clone()), logged: zone.logged }
    }

    fn reserved(label: &str) -> Self {
        Self { label: label.to_string(), region: None, logged: false }
    }
}

/// Step 1: "longest matching configured CIDR".
pub(super) fn by_cidr(address: Addr, config: &OracleConfig) -> Option<&ZoneConfig> {
    let mut best: Option<(u32, &ZoneConfig)> = None;
    for zone in &config.zones {
        for cidr in &zone.cidrs {
            let len = addr::prefix_len(cidr);
            if address.is_in(cidr) && best.is_none_or(|(best, _)| len > best) {
                best = Some((len, zone));
            }
        }
    }
    best.map(|(_, zone)| zone)
}

/// "Steps 2 and 3 speak only if no zone is configured by cidrs or every such zone has its az_id".
pub(super) fn az_ids_speak(config: &OracleConfig) -> bool {
    config.zones.iter().filter(|zone| !zone.cidrs.is_empty()).all(|zone| zone.az_id.is_some())
}

/// "`az_id` -> the zone with that az_id"; "An az_id that no zone names is used as the label itself: a known zone, of
/// the source's region, logged."
fn by_az_id(az_id: &str, config: &OracleConfig) -> Zone {
    match config.zones.iter().find(|zone| zone.az_id.as_deref() == Some(az_id)) {
        Some(zone) => Zone::configured(zone),
        None => Zone { label: az_id.to_string(), region: Some(config.source_region.clone()), logged: true },
    }
}

/// "Middleboxes: interface types nat_gateway, regional_nat_gateway, transit_gateway, network_load_balancer,
/// vpc_endpoint, and every configured gateway."
fn is_middlebox_type(interface_type: Option<&str>) -> bool {
    matches!(
        interface_type,
        Some(
            "nat_gateway"
                | "regional_nat_gateway"
                | "transit_gateway"
                | "network_load_balancer"
                | "vpc_endpoint"
        )
    )
}

fn is_gateway_interface(interface_id: Option<&str>, config: &OracleConfig) -> bool {
    config
        .gateways
        .iter()
        .any(|gateway| gateway.interface_ids.iter().any(|id| Some(id.as_str()) == interface_id))
}

pub(super) fn of(fields: &Fields, side: Side, is_nat: bool, config: &OracleConfig) -> Zone {
    let (endpoint, plain, pkt, service) = match side {
        Side::Source => (fields.src, fields.plain_src, fields.pkt_src, &fields.src_service),
        Side::Destination => (fields.dst, fields.plain_dst, fields.pkt_dst, &fields.dst_service),
    };
    if let Some(zone) = by_cidr(endpoint, config) {
        return Zone::configured(zone);
    }
    // "egress: source; ingress: destination"
    let own_side = match side {
        Side::Source => fields.is_egress(),
        Side::Destination => fields.is_ingress(),
    };
    let far_side = match side {
        Side::Source => fields.is_ingress(),
        Side::Destination => fields.is_egress(),
    };
    if az_ids_speak(config) {
        // Step 2: "only where the packet address equals the interface address and the interface is no NAT, transit or
        // load-balancer one"; "an absent packet address equals the interface's".
        let same_address = plain.is_some() && (pkt.is_none() || pkt == plain);
        let middlebox = is_nat
            || is_middlebox_type(fields.interface_type.as_deref())
            || is_gateway_interface(fields.interface_id.as_deref(), config);
        if let Some(az_id) = &fields.az_id
            && own_side
            && same_address
            && !middlebox
        {
            return by_az_id(az_id, config);
        }
        // Step 3: "when the far address is private (IPv4) or IPv6 and the next hop is no middlebox".
        let next_hop_middlebox = is_middlebox_type(fields.next_hop_interface_type.as_deref())
            || is_gateway_interface(fields.next_hop_interface_id.as_deref(), config);
        if let Some(az_id) = &fields.next_hop_az_id
            && far_side
            && (endpoint.is_six() || endpoint.is_private())
            && !next_hop_middlebox
        {
            return by_az_id(az_id, config);
        }
    }
    // Step 4: "`aws` if the side's `pkt_*_aws_service` names a service other than EC2".
    if service.as_deref().is_some_and(|service| service != "EC2") {
        return Zone::reserved("aws");
    }
    // Steps 5 and 6.
    Zone::reserved(if endpoint.is_private() { "unknown" } else { "internet" })
}

/// 5.3: "The NAT's zone: the configured one, else for interface_type nat_gateway the record's az_id, else none."
pub(super) fn of_nat(fields: &Fields, gateway: Option<usize>, config: &OracleConfig) -> Option<String> {
    if let Some(gateway) = gateway {
        return Some(config.gateways[gateway].zone.clone());
    }
    if fields.interface_type.as_deref() != Some("nat_gateway") {
        return None;
    }
    let az_id = fields.az_id.as_deref()?;
    match config.zones.iter().find(|zone| zone.az_id.as_deref() == Some(az_id)) {
        Some(zone) => Some(zone.name.clone()),
        // A raw label only where raw labels are used at all, else one zone would go by two names.
        None => az_ids_speak(config).then(|| az_id.to_string()),
    }
}
