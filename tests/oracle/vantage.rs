//! Which of two records of a flow counts: section 4 of docs/semantics.md.

use super::{
    end::End,
    interface::Interface,
    object::{Object, Seen},
};

/// Returns whether a record that is not a NAT record counts, and whether one that does not carries
/// doubt `far_side` (semantics 8.6).
pub(super) fn counts(object: &Object<'_>, seen: &Seen, src: &End) -> (bool, bool) {
    let Seen { record, interface, .. } = seen;
    // Under `every`, and without the column, all count (semantics 4.1, 4.5 and 4.6).
    if object.config.vantage == "every" || !object.columns.contains("flow_direction") {
        return (true, false);
    }
    match interface {
        // Captured between the endpoints, but for what the box itself sends (semantics 4.3).
        Interface::Middlebox(_) => {
            let sends = interface.is_a("network_load_balancer") || interface.is_a("vpc_endpoint");
            (record.is_egress() && sends && record.src.same(), false)
        }
        Interface::Forwarder | Interface::NatGateway => (false, false),
        Interface::Plain { .. } if record.is_egress() => {
            // A public source that is not the interface was forwarded (semantics 4.3).
            (!seen.shows_another(object.config), false)
        }
        Interface::Plain { .. } if record.is_ingress() => {
            // Ingress counts only if the source is not logged (semantics 4.2 and 4.4).
            match src.logged {
                Some(true) => (false, false),
                None if src.label == "unknown" && !object.networks_are_known(record) => (false, true),
                // The interface behind one that forwards records the same bytes (semantics 4.8).
                _ if object.forwards(record) => (false, true),
                _ => (true, false),
            }
        }
        // Direction null (semantics 4.5).
        Interface::Plain { .. } => (true, false),
    }
}
