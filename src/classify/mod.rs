//! What one record means: its zones, its NAT leg, whether it counts, and what it is charged for.
//!
//! Pure functions of the configuration and the records of one object. Refuses to know where records come from, what a
//! sum is, or what anything costs. The rules are docs/semantics.md.

mod charges;
mod ends;
mod facts;
mod judge;
mod names;
mod nat;
mod object;
pub mod ports;
mod record;
mod signature;
mod taught;
mod values;
mod vantage;

use std::{ops::RangeInclusive, sync::Arc};

use crate::{
    model::{AWS_LABEL, FlowKey, OVERFLOW_LABEL, RESERVED_ZONES},
    pricing::{PriceBook, Prices},
    topology::{Entries, IpRanges, Topology, region_of},
};

pub use ends::Label;
pub use judge::{Verdict, VerdictKey};
pub use object::{Alone, Meaning, ObjectClassifier};
pub use ports::GroupId;
pub use record::Bad;
pub use signature::ALONE;

pub use crate::topology::{
    Billing, EndpointAt, ForwarderSpec, GatewayPath, GatewaySpec, NoCharge, PublicNets, Scope, ServiceSpec,
    SourceScope, ZoneSpec,
};

/// The classification part of the configuration, already validated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Zones, in the order of the configuration.
    pub zones: Vec<ZoneSpec>,
    /// Port groups; no port is in two.
    pub port_groups: Vec<PortGroup>,
    /// Which port decides.
    pub port_match: PortMatch,
    /// NAT gateways.
    pub gateways: Vec<GatewaySpec>,
    /// Hosts that forward packets.
    pub forwarders: Vec<ForwarderSpec>,
    /// Services with billing of their own.
    pub services: Vec<ServiceSpec>,
    /// Addresses that reach the internet without a NAT gateway.
    pub public_nets: Vec<PublicNets>,
    /// Pairs of VPCs that are peered.
    pub peered: Vec<(Arc<str>, Arc<str>)>,
    /// What a virtual private gateway leads through.
    pub gateway_path: GatewayPath,
    /// Which records carry the processing of interface endpoints.
    pub endpoint_at: EndpointAt,
    /// Which side of a doubly logged flow counts.
    pub vantage: Vantage,
    /// Whether REJECT records count.
    pub count_rejected: bool,
    /// Endpoints that are exempt from a charge.
    pub no_charge: Vec<NoCharge>,
    /// Region of the first source, where a zone belongs whose region nothing else says.
    pub home_region: Arc<str>,
}

/// `[[port_group]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortGroup {
    /// The label value.
    pub name: Arc<str>,
    /// Its ports.
    pub ports: Vec<RangeInclusive<u16>>,
}

/// `ports.match`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PortMatch {
    /// The destination port, else the source port.
    #[default]
    Either,
    /// Only the destination port.
    Destination,
}

/// `counting.vantage`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Vantage {
    /// `Sender` for objects that have `flow_direction`, else `Every` (semantics 4.6).
    #[default]
    Auto,
    /// Every record counts (semantics 4.1).
    Every,
    /// Each flow counts once, where it was sent from if that is logged (semantics 4.2).
    Sender,
}

/// The configuration in the form in which records are judged: built once, shared by all objects of a source.
#[derive(Debug)]
pub struct Classifier {
    topology: Topology,
    rules: Rules,
    ports: ports::PortTable,
    prices: PriceBook,
    /// Some service is listed by its interfaces only.
    has_services_by_interface: bool,
    /// Some zone holds in named VPCs only.
    has_vpc_scopes: bool,
    /// Some zone is not covered by the flow logs.
    has_unlogged_zones: bool,
    /// Addresses of AWS have labels of their own.
    has_ranges: bool,
}

impl Classifier {
    /// Builds the classifier of one source. `rules` are valid: names are unique and every name that is used exists.
    pub fn new(rules: Rules, source: &SourceScope, prices: PriceBook, ranges: Option<&IpRanges>) -> Self {
        let entries = Entries {
            zones: &rules.zones,
            gateways: &rules.gateways,
            forwarders: &rules.forwarders,
            services: &rules.services,
            no_charge: &rules.no_charge,
            public_nets: &rules.public_nets,
            home_region: &rules.home_region,
        };
        Self {
            topology: Topology::new(&entries, source, ranges),
            ports: ports::PortTable::new(&rules.port_groups, rules.port_match),
            has_services_by_interface: rules.services.iter().any(|service| service.cidrs.is_empty()),
            has_unlogged_zones: rules.zones.iter().any(|zone| !zone.logged || zone.outside),
            has_ranges: ranges.is_some(),
            has_vpc_scopes: rules.zones.iter().any(|zone| !zone.scope.vpc_ids.is_empty()),
            rules,
            prices,
        }
    }

    /// Whether a record could have these labels. Where that is not known, it could.
    pub fn can_produce(&self, key: &FlowKey) -> bool {
        let group = |group: &PortGroup| group.name == key.port_group;
        let is_group = &*key.port_group == OVERFLOW_LABEL || self.rules.port_groups.iter().any(group);
        is_group && self.has_label(&key.src_zone) && self.has_label(&key.dst_zone)
    }

    fn has_label(&self, label: &str) -> bool {
        let zones = &self.topology.zones;
        let is_az_id = || match zones.by_az_id(label) {
            Some(az) => zones.az(az).zone.is_none(),
            // The ids of a region that is newer than this program end in the same way.
            None => region_of(label).is_some() || label.contains("-az"),
        };
        RESERVED_ZONES.contains(&label)
            || zones.by_name(label).is_some()
            || self.has_ranges && label.starts_with(AWS_LABEL)
            || is_az_id()
    }

    /// What charges cost for objects whose key has this region.
    pub fn prices(&self, region: &str) -> Prices {
        self.prices.for_region(region)
    }

    /// The label value of a port group.
    pub fn group_name(&self, group: GroupId) -> Arc<str> {
        group
            .configured()
            .and_then(|at| self.rules.port_groups.get(at))
            .map_or_else(|| Arc::from(crate::model::OVERFLOW_LABEL), |group| group.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NatDirection;

    #[test]
    fn labels_that_the_rules_cannot_produce_are_those_of_names_that_are_gone() {
        let zone = |name: &str, az_id: Option<&str>| ZoneSpec {
            name: name.into(),
            az_id: az_id.map(Into::into),
            ..ZoneSpec::default()
        };
        let rules = Rules {
            zones: vec![zone("1a", Some("use1-az1")), zone("vpn", None)],
            port_groups: vec![PortGroup { name: "http".into(), ports: vec![80..=80] }],
            home_region: "us-east-1".into(),
            ..Rules::default()
        };
        let source = SourceScope { name: "ops".into(), region: "us-east-1".into() };
        let plain = Classifier::new(rules.clone(), &source, PriceBook::default(), None);
        let ranges = IpRanges::default();
        let with_ranges = Classifier::new(rules, &source, PriceBook::default(), Some(&ranges));
        let can = |rules: &Classifier, src: &str, dst: &str, group: &str| {
            let (src_zone, dst_zone, port_group) = (src.into(), dst.into(), group.into());
            rules.can_produce(&FlowKey { src_zone, dst_zone, port_group, nat_direction: NatDirection::Out })
        };
        for label in ["1a", "vpn", "internet", "aws", "unknown", "other", "use1-az2"] {
            assert!(can(&plain, label, "1a", "http") && can(&plain, "1a", label, "other"), "{label}");
        }
        for label in ["1b", "use1-az1", "aws:us-east-1"] {
            assert!(!can(&plain, label, "1a", "http") && !can(&plain, "1a", label, "http"), "{label}");
        }
        assert!(can(&with_ranges, "1a", "aws:us-east-1", "http"));
        assert!(!can(&plain, "1a", "1a", "https"));
    }
}
