//! The label, AZ, region and VPC of an endpoint: semantics 2.14 to 2.20.

use super::{
    interface,
    object::{Object, Seen},
    ranges,
    record::Side,
    scope,
    zone::{self, Az},
};

#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) label: String,
    /// Known means that this is known (semantics 2.16).
    pub(super) az: Option<Az>,
    pub(super) region: Option<String>,
    /// Whether it is logged, of a place (semantics 2.16 and 4.4).
    pub(super) logged: Option<bool>,
    pub(super) inside: bool,
    /// A globally routable address in a zone `outside` (semantics 6.6 and 8.3).
    pub(super) outside: bool,
    pub(super) vpc: Option<String>,
    /// The configured zone of its address, step 1.
    pub(super) configured: Option<usize>,
    /// An EC2 address of the key's region (semantics 7.5).
    pub(super) ec2_here: bool,
}

impl End {
    pub(super) fn known(&self) -> bool {
        self.az.is_some()
    }
}

/// Returns whether a label is one of steps 7 and 8.
pub(super) fn is_aws(label: &str) -> bool {
    label == "aws" || label.starts_with("aws:")
}

/// A label of steps 1 to 5, with what follows from it.
struct Place {
    label: String,
    az: Option<Az>,
    region: Option<String>,
    logged: bool,
    outside: bool,
}

fn configured(at: usize, object: &Object<'_>) -> Place {
    let zone = &object.config.zones[at];
    Place {
        label: zone.name.clone(),
        az: zone::az(zone, object.config),
        region: zone::region(zone, object.config),
        logged: zone.logged && !zone.outside,
        outside: zone.outside,
    }
}

/// The zone of an AZ id (semantics 2.11), whose region is what the id says, else the key's
/// (semantics 2.12).
fn of_az_id(az_id: &str, object: &Object<'_>) -> Place {
    let az = Some(Az::Id(az_id.to_string()));
    match zone::of_az_id(az_id, object.config) {
        Some(zone) => Place {
            label: zone.name.clone(),
            az,
            region: zone::region(zone, object.config),
            logged: zone.logged,
            outside: false,
        },
        None => Place {
            label: az_id.to_string(),
            az,
            region: Some(zone::region_of_az_id(az_id).map_or_else(|| object.key_region(), str::to_string)),
            logged: true,
            outside: false,
        },
    }
}

/// Steps 1 to 5 (semantics 2.14).
fn place(object: &Object<'_>, seen: &Seen, side: Side) -> Option<Place> {
    let record = &seen.record;
    let config = object.config;
    let address = record.side(side).end;
    let own = record.own_side() == Some(side);
    let far = record.own_side() == Some(side.other());
    let speak = zone::az_ids_speak(&record.scope, config);
    let teaches = seen.teaches_of(side, config);
    let taught = object.taught(address, &record.scope.vpc_id).map(|(_, taught)| taught);

    if let Some(at) = scope::zone_at(address, &record.scope, config) {
        let place = configured(at, object);
        // The log wins (semantics 2.15), at far sides as well (semantics 2.18).
        let logged = if own {
            record.az_id.as_ref().filter(|_| teaches && seen.is_sure())
        } else {
            taught.and_then(|taught| taught.az_for_sure())
        };
        return Some(match logged {
            Some(az_id) if speak && place.az != Some(Az::Id(az_id.clone())) => of_az_id(az_id, object),
            _ => place,
        });
    }
    if speak {
        if let Some(az_id) = &record.az_id
            && teaches
        {
            return Some(of_az_id(az_id, object));
        }
        if let Some(az_id) = taught.and_then(|taught| taught.az())
            && !own
        {
            return Some(of_az_id(az_id, object));
        }
        if let Some(az_id) = &record.next_hop_az_id
            && far
            && (address.is_private() || address.is_six())
            && record.next_hop_interface_type.is_none()
            && !is_gateway(record.next_hop_interface_id.as_ref(), object)
            && !interface::is_forwarder(record.next_hop_interface_id.as_ref(), config)
        {
            return Some(of_az_id(az_id, object));
        }
    }
    if teaches && record.scope.vpc_id.is_some() {
        return None;
    }
    scope::zone_elsewhere(address, &record.scope, config).map(|at| configured(at, object))
}

/// Returns whether an interface is a configured NAT gateway's.
pub(super) fn is_gateway(interface_id: Option<&String>, object: &Object<'_>) -> bool {
    interface_id
        .is_some_and(|id| object.config.gateways.iter().any(|gateway| gateway.interface_ids.contains(id)))
}

/// Works out what an endpoint is.
pub(super) fn of(object: &Object<'_>, seen: &Seen, side: Side) -> End {
    let record = &seen.record;
    let address = record.side(side).end;
    let place = place(object, seen, side);
    let inside = object.is_inside(seen, side);
    let service = record.side(side).service.as_deref();
    let mut end = End {
        label: String::new(),
        az: None,
        region: None,
        logged: None,
        inside,
        outside: !address.is_private() && place.as_ref().is_some_and(|place| place.outside),
        vpc: vpc(object, seen, side),
        configured: scope::zone_at(address, &record.scope, object.config),
        ec2_here: false,
    };
    if let Some(place) = place {
        end.label = place.label;
        end.az = place.az;
        end.region = place.region;
        end.logged = Some(place.logged);
    } else if inside {
        // Steps 6 to 9. An inside endpoint without a zone is of the key's region (semantics 2.23).
        end.label = "unknown".to_string();
        end.region = Some(object.key_region());
    } else if let Some((region, service)) = ranges::look_up(address, service, object.config) {
        end.label = region.as_ref().map_or_else(|| "aws".to_string(), |region| format!("aws:{region}"));
        end.ec2_here = service == "EC2" && region == Some(object.key_region());
        end.region = region;
    } else if service.is_some_and(|service| service != "EC2") {
        end.label = "aws".to_string();
    } else {
        end.label = "internet".to_string();
    }
    end
}

/// Finds the VPC of an endpoint (semantics 2.20).
fn vpc(object: &Object<'_>, seen: &Seen, side: Side) -> Option<String> {
    let record = &seen.record;
    let config = object.config;
    let address = record.side(side).end;
    let ours = record.scope.vpc_id.clone();
    if seen.teaches_of(side, config) && ours.is_some() {
        return ours;
    }
    let names_vpcs = |at: usize| !config.zones[at].scope.vpc_ids.is_empty();
    if scope::zone_at(address, &record.scope, config).is_some_and(names_vpcs) {
        return ours;
    }
    let taught = object.taught(address, &ours).and_then(|(vpc, _)| vpc.clone());
    if taught.is_some() && record.own_side() != Some(side) {
        return taught;
    }
    if scope::zone_at(address, &record.scope, config).is_some() {
        return None;
    }
    let elsewhere = scope::zone_elsewhere(address, &record.scope, config)?;
    match config.zones[elsewhere].scope.vpc_ids.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}
