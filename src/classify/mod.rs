//! What one record means: its zones, its NAT leg, whether it counts, and what it is charged for.
//!
//! Pure functions of the configuration and one record. Refuses to know where records come from, what a sum is, or
//! what anything costs.

pub mod charges;
mod meanings;
pub mod ports;
mod record;
mod shapes;
pub mod vantage;
pub mod zones;

use std::{net::IpAddr, ops::RangeInclusive, sync::Arc};

use hashbrown::HashMap;
use ipnet::IpNet;

use crate::{model::Charge, pricing::Prices};

pub use charges::ChargeSet;
pub use ports::GroupId;
pub use record::{Verdict, VerdictKey};
pub use shapes::{ALONE, ObjectClassifier};
pub use zones::ZoneId;

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
    /// Which side of a doubly logged flow counts.
    pub vantage: Vantage,
    /// Whether REJECT records count.
    pub count_rejected: bool,
    /// Endpoints that are exempt from a charge.
    pub no_charge: Vec<(Charge, Vec<IpNet>)>,
}

/// `[[zone]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneSpec {
    /// The label value.
    pub name: Arc<str>,
    /// The id that the logs use.
    pub az_id: Option<Arc<str>>,
    /// Its AWS region.
    pub region: Arc<str>,
    /// Its addresses.
    pub cidrs: Vec<IpNet>,
    /// Whether its interfaces are covered by the flow logs.
    pub logged: bool,
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

/// `[[nat_gateway]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySpec {
    /// Its name in messages.
    pub name: Arc<str>,
    /// Name of the configured zone it stands in.
    pub zone: Arc<str>,
    /// Its network interfaces, `eni-...`.
    pub interface_ids: Vec<Arc<str>>,
    /// Its private addresses.
    pub private_ips: Vec<IpAddr>,
    /// Ids of regional gateways, `nat-...`.
    pub resource_ids: Vec<Arc<str>>,
}

/// `counting.vantage`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Vantage {
    /// `Sender` for objects that have `flow_direction`, else `Every`.
    #[default]
    Auto,
    /// Every record counts.
    Every,
    /// Each flow counts once, where it was sent from if that is logged.
    Sender,
}

/// The configuration in the form in which records are judged: built once, shared by all objects of a source.
#[derive(Debug)]
pub struct Classifier {
    rules: Rules,
    prices: Prices,
    cidrs: zones::CidrTable,
    ports: ports::PortTable,
    /// Region of each configured zone, as an index; 0 is the region of the source.
    zone_regions: Vec<u16>,
    by_az_id: HashMap<Arc<str>, ZoneId>,
    by_interface: HashMap<Arc<str>, usize>,
    by_resource: HashMap<Arc<str>, usize>,
    by_private_ip: HashMap<IpAddr, usize>,
    /// Whether az_ids may name zones: else one zone could go by its name and by its az_id.
    az_ids_speak: bool,
    gateway_in_region: bool,
    /// The zone of each gateway.
    gateway_zones: Vec<Option<ZoneId>>,
}

impl Classifier {
    /// Builds the classifier of one source. `rules` are valid: names are unique and every gateway's zone exists.
    pub fn new(rules: Rules, source_region: &str, prices: Prices) -> Self {
        let zone_id = |at: usize| {
            ZoneId(ZoneId::FIRST_KNOWN + u16::try_from(at).unwrap_or(u16::MAX - ZoneId::FIRST_KNOWN))
        };
        let mut regions: Vec<&str> = vec![source_region];
        let zone_regions = rules
            .zones
            .iter()
            .map(|zone| {
                let at = regions.iter().position(|region| **region == *zone.region).unwrap_or_else(|| {
                    regions.push(&zone.region);
                    regions.len() - 1
                });
                u16::try_from(at).unwrap_or(u16::MAX)
            })
            .collect::<Vec<_>>();
        let cidrs: Vec<_> = rules
            .zones
            .iter()
            .enumerate()
            .flat_map(|(at, zone)| zone.cidrs.iter().map(move |net| (*net, zone_id(at))))
            .collect();
        let zone_region_of =
            |name: &str| rules.zones.iter().find(|zone| *zone.name == *name).map(|zone| &*zone.region);
        fn index<K: std::hash::Hash + Eq + Clone>(
            gateways: &[GatewaySpec],
            keys: impl Fn(&GatewaySpec) -> &Vec<K>,
        ) -> HashMap<K, usize> {
            gateways
                .iter()
                .enumerate()
                .flat_map(|(at, gateway)| keys(gateway).iter().map(move |key| (key.clone(), at)))
                .collect()
        }
        Self {
            cidrs: zones::CidrTable::new(&cidrs),
            ports: ports::PortTable::new(&rules.port_groups, rules.port_match),
            by_az_id: rules
                .zones
                .iter()
                .enumerate()
                .filter_map(|(at, zone)| Some((zone.az_id.clone()?, zone_id(at))))
                .collect(),
            by_interface: index(&rules.gateways, |gateway| &gateway.interface_ids),
            by_resource: index(&rules.gateways, |gateway| &gateway.resource_ids),
            by_private_ip: index(&rules.gateways, |gateway| &gateway.private_ips),
            az_ids_speak: rules.zones.iter().all(|zone| zone.cidrs.is_empty() || zone.az_id.is_some()),
            gateway_in_region: rules
                .gateways
                .iter()
                .any(|gateway| zone_region_of(&gateway.zone) == Some(source_region)),
            gateway_zones: rules
                .gateways
                .iter()
                .map(|gateway| rules.zones.iter().position(|zone| zone.name == gateway.zone).map(zone_id))
                .collect(),
            zone_regions,
            rules,
            prices,
        }
    }

    /// What charges cost for this source.
    pub fn prices(&self) -> &Prices {
        &self.prices
    }

    /// The configuration of a zone, `None` for reserved zones and for those known only by their az_id.
    fn spec(&self, zone: ZoneId) -> Option<&ZoneSpec> {
        self.rules.zones.get(usize::from(zone.0.checked_sub(ZoneId::FIRST_KNOWN)?))
    }

    /// The region of a known zone: zones known only by their az_id are in the source's.
    fn region(&self, zone: ZoneId) -> u16 {
        zone.0
            .checked_sub(ZoneId::FIRST_KNOWN)
            .and_then(|at| self.zone_regions.get(usize::from(at)))
            .copied()
            .unwrap_or(0)
    }

    fn is_logged(&self, zone: ZoneId) -> bool {
        zone.is_known() && self.spec(zone).is_none_or(|spec| spec.logged)
    }

    /// The label value of a port group.
    pub fn group_name(&self, group: GroupId) -> Arc<str> {
        group
            .configured()
            .and_then(|at| self.rules.port_groups.get(at))
            .map_or_else(|| Arc::from(crate::model::OVERFLOW_LABEL), |group| group.name.clone())
    }
}
