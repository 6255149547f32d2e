//! What the EC2 API says that an account has in one region: subnets, NAT gateways, the interfaces that mean something.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

/// An account and a region: what is asked, refreshed and kept as one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The account that was asked, 12 digits.
    pub account: Arc<str>,
    /// The region that was asked.
    pub region: Arc<str>,
}

/// What one account has in one region. Its lists are sorted by id, so that equal answers are equal values whatever
/// order the API gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Availability zones under the names that this account has for them.
    pub zones: Vec<NamedZone>,
    /// Subnets that the account sees: its own, and those that are shared with it.
    pub subnets: Vec<Subnet>,
    /// NAT gateways that exist; deleted and failed ones are left out.
    pub gateways: Vec<NatGateway>,
    /// Interfaces that are not plainly an instance's own: see [`Interface`].
    pub interfaces: Vec<Interface>,
    /// VPC peering connections in force, the lower VPC id first.
    pub peered: Vec<(Arc<str>, Arc<str>)>,
    /// Public IPv4 addresses on interfaces, plain ones too: what is charged by the hour.
    pub public_ipv4: u64,
}

/// An availability zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedZone {
    /// `use1-az4`: the same in every account.
    pub id: Arc<str>,
    /// `us-east-1a`: this account's name for it.
    pub name: Arc<str>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    /// `subnet-...`
    pub id: Arc<str>,
    /// `vpc-...`
    pub vpc: Arc<str>,
    /// `use1-az4`
    pub az_id: Arc<str>,
    /// The account that owns it; another than the one asked in a shared VPC.
    pub owner: Arc<str>,
    /// Its IPv4 network and its IPv6 ones.
    pub cidrs: Vec<IpNet>,
}

/// A NAT gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NatGateway {
    /// `nat-...`
    pub id: Arc<str>,
    /// `vpc-...`
    pub vpc: Arc<str>,
    /// The subnet of a zonal one.
    pub subnet: Option<Arc<str>>,
    /// A regional one stands in every zone where it has an address.
    pub regional: bool,
    /// All its addresses, secondary ones too.
    pub addresses: Vec<GatewayAddress>,
}

/// An address of a NAT gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GatewayAddress {
    /// `eni-...`; regional ones have none that is the account's.
    pub interface: Option<Arc<str>>,
    /// The private address.
    pub private_ip: Option<IpAddr>,
    /// The public address; a private gateway has none.
    pub public_ip: Option<IpAddr>,
    /// `use1-az4`, of a regional one.
    pub az_id: Option<Arc<str>>,
}

/// An interface that says something of traffic: a middlebox's, a managed service's, one that forwards, or one with
/// prefixes. An instance's own is left out, however many there are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface {
    /// `eni-...`
    pub id: Arc<str>,
    /// What stands behind it.
    pub role: Role,
    /// `vpc-...`
    pub vpc: Arc<str>,
    /// `subnet-...`
    pub subnet: Arc<str>,
    /// `use1-az4`
    pub az_id: Arc<str>,
    /// All its private addresses, the primary one first.
    pub addresses: Vec<IpAddr>,
    /// Prefixes delegated to it, whose addresses are pods'.
    pub prefixes: Vec<IpNet>,
}

/// What stands behind an interface, by its type, requester and description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `nat_gateway`, `regional_nat_gateway`.
    NatGateway,
    /// `transit_gateway`.
    TransitGateway,
    /// `network_load_balancer`, or `ELB net/` of the requester amazon-elb.
    NetworkLoadBalancer,
    /// `vpc_endpoint`, an interface endpoint.
    VpcEndpoint,
    /// `gateway_load_balancer`, `gateway_load_balancer_endpoint`.
    GatewayLoadBalancer,
    /// An application or a classic load balancer: `ELB app/`, `ELB name` of the requester amazon-elb.
    LoadBalancer,
    /// A managed database, cache or file system whose far side AWS does not charge.
    ManagedService,
    /// An instance that does not check source and destination: it forwards.
    Forwarder,
    /// An instance with delegated prefixes.
    Prefixes,
}
