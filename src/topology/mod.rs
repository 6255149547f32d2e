//! The network as it is configured: which zone, gateway, service an address or an interface belongs to.
//!
//! Pure. Refuses to know records and charges, and where the configuration comes from. Entries have scopes: a [`View`] is
//! what the objects of one account and region see, and inside it some networks hold in one VPC only.

mod az;
mod ip_ranges;
mod nets;
pub mod spec;
mod view;
mod zones;

use std::{collections::HashMap, net::IpAddr, sync::Arc};

pub use az::region_of;
pub use ip_ranges::{IpRanges, IpRangesDifference, IpRangesError, RangeService};
pub use spec::{
    Billing, EndpointAt, ForwarderSpec, GatewayPath, GatewaySpec, NoCharge, PublicNets, Scope, ServiceSpec,
    ZoneSpec,
};
pub use view::{AwsRange, NetInfo, Networks, Sight, View};
pub use zones::{Az, AzId, RegionId, Zone, ZoneIndex, Zones};

use view::Views;

/// The entries of a configuration that a topology is made of.
#[derive(Debug, Clone, Copy)]
pub struct Entries<'a> {
    /// `[[zone]]`
    pub zones: &'a [ZoneSpec],
    /// `[[nat_gateway]]`
    pub gateways: &'a [GatewaySpec],
    /// `[[forwarder]]`
    pub forwarders: &'a [ForwarderSpec],
    /// `[[service]]`
    pub services: &'a [ServiceSpec],
    /// `prices.no_charge`
    pub no_charge: &'a [NoCharge],
    /// `aws.public_cidrs`
    pub public_nets: &'a [PublicNets],
    /// Region of the first source.
    pub home_region: &'a Arc<str>,
}

/// The source whose objects look at a topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceScope {
    /// Its name.
    pub name: Arc<str>,
    /// The region of its logs, where keys do not say it.
    pub region: Arc<str>,
}

/// What an interface id is known for. Ids hold whatever the scope (semantics 2.4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct InterfaceRole {
    /// Index of a NAT gateway.
    pub gateway: Option<u32>,
    /// Listed by a forwarder.
    pub forwarder: bool,
    /// Index of a service.
    pub service: Option<u32>,
}

/// A topology, built once for a source and shared by all its objects.
#[derive(Debug)]
pub struct Topology {
    /// Zones with their AZs and regions.
    pub zones: Zones,
    /// AZ, region and known private addresses of each NAT gateway.
    pub gateways: Vec<Gateway>,
    /// Who pays for each service, and whether it is known by addresses.
    pub services: Vec<Service>,
    /// The gateways that list a private address, whatever their scope.
    nat_addresses: HashMap<IpAddr, Vec<u32>>,
    interfaces: HashMap<Arc<str>, InterfaceRole>,
    resources: HashMap<Arc<str>, u32>,
    views: Views,
}

/// What of a NAT gateway bears on records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// AZ of its zone.
    pub az: Option<AzId>,
    /// Region of its zone; a gateway without one can be in any.
    pub region: Option<RegionId>,
    /// Whether interfaces are listed: another one that shows its address is another host's (semantics 3.2).
    pub has_interfaces: bool,
    /// Whether private addresses are listed.
    pub has_addresses: bool,
    /// The VPC of its scope, if it is one.
    pub vpc_id: Option<Arc<str>>,
}

/// What of a service bears on records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name in messages.
    pub name: Arc<str>,
    /// Who pays.
    pub billing: Billing,
    /// Whether networks are listed.
    pub has_cidrs: bool,
    /// Whether interfaces are listed.
    pub has_interfaces: bool,
}

impl Topology {
    /// Builds the topology of a source. The entries are valid: names are unique and every name that is used exists.
    pub fn new(entries: &Entries<'_>, source: &SourceScope, ranges: Option<&IpRanges>) -> Self {
        let mut zones = Zones::new(entries.zones, entries.home_region);
        let gateways = entries
            .gateways
            .iter()
            .map(|spec| {
                let zone =
                    spec.zone.as_ref().and_then(|zone| zones.by_name(zone)).map(|zone| zones.zone(zone));
                Gateway {
                    az: zone.and_then(|zone| zone.az),
                    region: zone.and_then(|zone| zone.region),
                    has_interfaces: !spec.interface_ids.is_empty(),
                    has_addresses: !spec.private_ips.is_empty(),
                    vpc_id: spec.scope.single_vpc().cloned(),
                }
            })
            .collect();
        let services = entries
            .services
            .iter()
            .map(|spec| Service {
                name: spec.name.clone(),
                billing: spec.billing,
                has_cidrs: !spec.cidrs.is_empty(),
                has_interfaces: !spec.interface_ids.is_empty(),
            })
            .collect();
        let mut interfaces: HashMap<Arc<str>, InterfaceRole> = HashMap::new();
        for (index, spec) in (0..).zip(entries.gateways) {
            for id in &spec.interface_ids {
                interfaces.entry(id.clone()).or_default().gateway = Some(index);
            }
        }
        for id in entries.forwarders.iter().flat_map(|spec| &spec.interface_ids) {
            interfaces.entry(id.clone()).or_default().forwarder = true;
        }
        for (index, spec) in (0..).zip(entries.services) {
            for id in &spec.interface_ids {
                interfaces.entry(id.clone()).or_default().service = Some(index);
            }
        }
        let mut nat_addresses: HashMap<IpAddr, Vec<u32>> = HashMap::new();
        for (index, spec) in (0..).zip(entries.gateways) {
            for ip in &spec.private_ips {
                nat_addresses.entry(*ip).or_default().push(index);
            }
        }
        let resources = (0..)
            .zip(entries.gateways)
            .flat_map(|(index, spec)| spec.resource_ids.iter().map(move |id| (id.clone(), index)))
            .collect();
        let views = Views::new(entries, source, ranges, &mut zones);
        Self { zones, gateways, services, nat_addresses, interfaces, resources, views }
    }

    /// What an interface id is known for.
    pub fn interface(&self, id: &str) -> InterfaceRole {
        self.interfaces.get(id).copied().unwrap_or_default()
    }

    /// The NAT gateways that list a private address, whatever their scope (semantics 3.3).
    pub fn gateways_at(&self, ip: IpAddr) -> &[u32] {
        self.nat_addresses.get(&ip).map_or(&[], |gateways| gateways)
    }

    /// The NAT gateway that lists a resource id.
    pub fn resource(&self, id: &str) -> Option<u32> {
        self.resources.get(id).copied()
    }

    /// What the objects of an account and region see.
    pub fn view(&self, account: Option<&str>, region: &str) -> Sight {
        self.views.sight(account, region)
    }
}
