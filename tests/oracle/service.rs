//! Who pays between a service and another end: semantics 7.1 to 7.3.

use super::{
    ServiceConfig,
    object::{Object, Seen},
    record::Side,
    scope,
};

/// Returns whether `inter_az` is taken from a record, and whether that is doubt `own_side`.
pub(super) fn pays(object: &Object<'_>, seen: &Seen) -> (bool, bool) {
    let record = &seen.record;
    let services = &object.config.services;
    let [src, dst] = [Side::Source, Side::Destination].map(|side| at_end(object, seen, side));
    let listed = record
        .interface_id
        .as_ref()
        .and_then(|id| services.iter().position(|service| service.interface_ids.contains(id)));
    let billing = |service: Option<usize>| service.map_or("none", |service| services[service].billing);

    match record.own_side() {
        Some(own_side) => {
            let far = if own_side == Side::Source { dst } else { src };
            let own = listed.or_else(|| by_network(object, seen, own_side));
            (shares(billing(own), billing(far)), false)
        }
        None if listed.is_some() => {
            // The interface says whose record it is: the far side is the end of another service, if
            // any.
            let is_free = |end: Option<usize>| billing(end.filter(|_| end != listed)) == "free";
            (!is_free(src) && !is_free(dst) && shares(billing(listed), "none"), false)
        }
        None => without_a_side(record.interface_id.is_some(), src, dst, services),
    }
}

/// Whether the record of `own` is charged (semantics 7.1), also between two services (semantics
/// 7.2).
fn shares(own: &str, far: &str) -> bool {
    own != "far_side" && own != "free" && far != "free"
}

/// No direction, and no service lists the interface (semantics 7.3).
fn without_a_side(
    has_interface: bool,
    src: Option<usize>,
    dst: Option<usize>,
    services: &[ServiceConfig],
) -> (bool, bool) {
    let ends: Vec<&ServiceConfig> = [src, dst].into_iter().flatten().map(|at| &services[at]).collect();
    if ends.iter().any(|service| service.billing == "free") {
        return (false, false);
    }
    let far_sides: Vec<_> = ends.iter().filter(|service| service.billing == "far_side").collect();
    if far_sides.len() == 2 {
        return (false, false);
    }
    // An interface that a service does not list is not the service's, if it lists any.
    let unclear = far_sides.iter().any(|service| !has_interface || service.interface_ids.is_empty());
    (true, unclear)
}

/// The service in whose networks an end lies.
fn by_network(object: &Object<'_>, seen: &Seen, side: Side) -> Option<usize> {
    let services = object.config.services.iter().enumerate();
    scope::look_up(
        seen.record.side(side).end,
        &seen.record.scope,
        services.map(|(at, service)| (at, &service.scope, &service.cidrs)),
    )
}

/// The service whose address an end is: by its networks, else by what the interfaces of one that
/// lists only these show in the object (semantics 7.3).
fn at_end(object: &Object<'_>, seen: &Seen, side: Side) -> Option<usize> {
    let address = seen.record.side(side).end;
    let services = object.config.services.iter().enumerate();
    by_network(object, seen, side).or_else(|| {
        // What is shown is a fact, whatever the scope (semantics 2.4).
        services.filter(|(_, service)| service.cidrs.is_empty()).map(|(at, _)| at).find(|at| {
            object.seen.iter().any(|other| {
                let id = other.record.interface_id.as_ref();
                other.teaches(object.config)
                    && id.is_some_and(|id| object.config.services[*at].interface_ids.contains(id))
                    && other.record.own().is_some_and(|own| own.end == address)
            })
        })
    })
}
