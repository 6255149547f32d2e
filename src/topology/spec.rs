//! What the configuration says of the network, already validated: zones, gateways, forwarders, services.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use crate::model::Charge;

/// Where an entry holds: all lists must match, and an empty one matches everywhere (semantics 2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// Names of sources.
    pub sources: Vec<Arc<str>>,
    /// Accounts of keys.
    pub accounts: Vec<Arc<str>>,
    /// Regions of keys.
    pub regions: Vec<Arc<str>>,
    /// VPCs of records.
    pub vpc_ids: Vec<Arc<str>>,
}

impl Scope {
    /// The VPC of a scope that names exactly one.
    pub fn single_vpc(&self) -> Option<&Arc<str>> {
        match &self.vpc_ids[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Its rank: the lowest is looked at first (semantics 2.3).
    pub fn rank(&self) -> u8 {
        if !self.vpc_ids.is_empty() {
            1
        } else if !self.accounts.is_empty() || !self.regions.is_empty() {
            2
        } else if !self.sources.is_empty() {
            3
        } else {
            4
        }
    }

    /// Whether a record can be in both scopes.
    pub fn meets(&self, other: &Self) -> bool {
        fn meet(a: &[Arc<str>], b: &[Arc<str>]) -> bool {
            a.is_empty() || b.is_empty() || a.iter().any(|one| b.contains(one))
        }
        meet(&self.sources, &other.sources)
            && meet(&self.accounts, &other.accounts)
            && meet(&self.regions, &other.regions)
            && meet(&self.vpc_ids, &other.vpc_ids)
    }

    /// Whether objects of a source, account and region are in it, for one VPC of theirs at least.
    pub fn has_object(&self, source: &str, account: Option<&str>, region: &str) -> bool {
        let has = |list: &[Arc<str>], one: Option<&str>| {
            list.is_empty() || one.is_some_and(|one| list.iter().any(|name| **name == *one))
        };
        has(&self.sources, Some(source)) && has(&self.accounts, account) && has(&self.regions, Some(region))
    }
}

/// `[[zone]]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZoneSpec {
    /// The label value.
    pub name: Arc<str>,
    /// The id that the logs use.
    pub az_id: Option<Arc<str>>,
    /// Its AWS region, where it is given.
    pub region: Option<Arc<str>>,
    /// Its addresses.
    pub cidrs: Vec<IpNet>,
    /// Whether its interfaces are covered by the flow logs.
    pub logged: bool,
    /// `in`: the zone that this one is a finer name inside of.
    pub within: Option<Arc<str>>,
    /// On-premises networks, partners: no AZ.
    pub outside: bool,
    /// Where it holds.
    pub scope: Scope,
}

/// `[[nat_gateway]]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewaySpec {
    /// Its name in messages.
    pub name: Arc<str>,
    /// Name of the configured zone it stands in; a regional gateway has none.
    pub zone: Option<Arc<str>>,
    /// Its network interfaces, `eni-...`.
    pub interface_ids: Vec<Arc<str>>,
    /// Its private addresses.
    pub private_ips: Vec<IpAddr>,
    /// Ids of regional gateways, `nat-...`.
    pub resource_ids: Vec<Arc<str>>,
    /// Where its addresses hold; ids hold everywhere.
    pub scope: Scope,
}

/// `[[forwarder]]`: a host that forwards packets of others and is not a NAT gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwarderSpec {
    /// Its name in messages.
    pub name: Arc<str>,
    /// Its network interfaces, `eni-...`; at least one.
    pub interface_ids: Vec<Arc<str>>,
    /// Where traffic can take it.
    pub scope: Scope,
}

/// `[[service]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Its name in messages.
    pub name: Arc<str>,
    /// Its addresses.
    pub cidrs: Vec<IpNet>,
    /// Its network interfaces, `eni-...`.
    pub interface_ids: Vec<Arc<str>>,
    /// Who pays for its traffic between AZs.
    pub billing: Billing,
    /// Where its addresses hold; ids hold everywhere.
    pub scope: Scope,
}

/// `billing` of a service: whose record carries `inter_az` (semantics 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Billing {
    /// Both ends' records.
    Both,
    /// The other end's record.
    FarSide,
    /// Neither.
    Free,
}

/// An entry of `prices.no_charge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoCharge {
    /// The charge that is not taken.
    pub charge: Charge,
    /// Of which either end's addresses.
    pub cidrs: Vec<IpNet>,
    /// Where they hold.
    pub scope: Scope,
}

/// An entry of `aws.public_cidrs`: inside addresses that reach the internet without a NAT gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicNets {
    /// The addresses.
    pub cidrs: Vec<IpNet>,
    /// Where they hold.
    pub scope: Scope,
}

/// `aws.gateway_path`: what `traffic_path` 3, a virtual private gateway, leads through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GatewayPath {
    /// A VPN.
    #[default]
    Vpn,
    /// Direct Connect.
    DirectConnect,
}

/// `counting.endpoint_processing_at`: which records carry `vpc_endpoint_processing`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EndpointAt {
    /// Those of the interface endpoint itself.
    #[default]
    Endpoint,
    /// Those of its clients.
    Client,
}
