//! What one record means: its zones, its NAT leg, whether it counts, and what it is charged for.
//!
//! Pure functions of the configuration and one record. Refuses to know where records come from, what a sum is, or
//! what anything costs.

pub mod charges;
pub mod ports;
pub mod vantage;
pub mod zones;

use std::{ops::RangeInclusive, sync::Arc};

use ipnet::IpNet;

use crate::model::Charge;

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
    pub private_ips: Vec<std::net::IpAddr>,
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
