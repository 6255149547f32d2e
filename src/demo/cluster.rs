//! The synthetic cluster: its zones, network interfaces, pods, and who talks to whom.
//!
//! Refuses to know time, chance and files. It is the same cluster for every seed, so that one configuration fits all.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use crate::decode::{
    InterfaceType,
    encode::{Record, Text},
};

/// Account that owns the cluster and its flow log.
pub const ACCOUNT: &str = "123456789012";
/// Its only region.
pub const REGION: &str = "us-east-1";
/// The flow log.
pub const FLOW_LOG: &str = "fl-0123456789abcdef0";
/// Interface of the NAT gateway, which stands in the first zone.
pub const NAT_INTERFACE: &str = "eni-0a17f00d5ca1ab1e0";
/// Private address of the NAT gateway.
pub const NAT_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 240, 5);

const VPC: &str = "vpc-0d3m0c1057e2a9b41";
const WORKERS_PER_ZONE: usize = 4;

/// An availability zone with its three subnets.
pub struct Zone {
    /// The name in this account.
    pub name: &'static str,
    /// The id in the logs.
    pub az_id: &'static str,
    /// Primary addresses of the workers, their pods' addresses, and the public subnet.
    pub cidrs: [&'static str; 3],
}

/// The zones.
pub const ZONES: [Zone; 3] = [
    Zone { name: "us-east-1a", az_id: "use1-az1", cidrs: ["10.0.0.0/22", "10.0.64.0/19", "10.0.240.0/24"] },
    Zone { name: "us-east-1b", az_id: "use1-az2", cidrs: ["10.0.4.0/22", "10.0.96.0/19", "10.0.241.0/24"] },
    Zone { name: "us-east-1c", az_id: "use1-az3", cidrs: ["10.0.8.0/22", "10.0.128.0/19", "10.0.242.0/24"] },
];

/// What runs in the cluster: a log store with its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Agent,
    Gateway,
    Distributor,
    Ingester,
    Querier,
    Frontend,
    Scheduler,
    Compactor,
    IndexGateway,
    ChunksCache,
    ResultsCache,
    Dns,
    /// On the nodes with public addresses, in their network namespace.
    Proxy,
}

impl Service {
    const ALL: [Self; 13] = [
        Self::Agent,
        Self::Gateway,
        Self::Distributor,
        Self::Ingester,
        Self::Querier,
        Self::Frontend,
        Self::Scheduler,
        Self::Compactor,
        Self::IndexGateway,
        Self::ChunksCache,
        Self::ResultsCache,
        Self::Dns,
        Self::Proxy,
    ];

    /// Whether clients reach it through a Kubernetes service, which may prefer endpoints of their zone. Ingesters and
    /// schedulers are found in a ring, which spreads over the zones on purpose.
    pub(super) fn is_balanced(self) -> bool {
        !matches!(self, Self::Ingester | Self::Scheduler)
    }

    fn replicas(self) -> usize {
        match self {
            Self::Agent => ZONES.len() * WORKERS_PER_ZONE,
            Self::Ingester | Self::Querier => 6,
            Self::Gateway | Self::Distributor | Self::ChunksCache | Self::Proxy => 3,
            Self::Frontend | Self::Scheduler | Self::IndexGateway | Self::ResultsCache | Self::Dns => 2,
            Self::Compactor => 1,
        }
    }
}

/// Requests from one service to another, and their responses.
pub(super) struct Route {
    pub client: Service,
    pub server: Service,
    pub port: i32,
    /// IANA protocol number.
    pub protocol: i32,
    /// Share of all flows.
    pub weight: usize,
    /// GiB a month.
    pub request: f64,
    /// GiB a month.
    pub response: f64,
    /// How many of 100 flows stay inside a zone.
    pub local: u32,
}

const fn tcp(
    client: Service,
    server: Service,
    port: i32,
    weight: usize,
    request: f64,
    response: f64,
    local: u32,
) -> Route {
    Route { client, server, port, protocol: 6, weight, request, response, local }
}

/// Writes go agent, gateway, distributor, three ingesters; reads proxy, gateway, frontend, queriers, then ingesters,
/// index and caches. Weights follow the bytes, so that records are of like size.
pub(super) const ROUTES: [Route; 15] = {
    use Service::{
        Agent, ChunksCache, Compactor, Distributor, Dns, Frontend, Gateway, IndexGateway, Ingester, Proxy,
        Querier, ResultsCache, Scheduler,
    };
    [
        tcp(Agent, Gateway, 4080, 90, 2400.0, 40.0, 40),
        tcp(Gateway, Distributor, 4101, 90, 2400.0, 40.0, 60),
        tcp(Distributor, Ingester, 4202, 150, 5400.0, 90.0, 34),
        tcp(Querier, Ingester, 4202, 50, 50.0, 900.0, 34),
        tcp(Proxy, Gateway, 4080, 30, 30.0, 350.0, 60),
        tcp(Gateway, Frontend, 4104, 20, 20.0, 330.0, 50),
        tcp(Frontend, Scheduler, 4205, 10, 25.0, 10.0, 50),
        tcp(Querier, Scheduler, 4205, 15, 10.0, 40.0, 40),
        tcp(Querier, Frontend, 4204, 40, 900.0, 20.0, 40),
        tcp(Querier, IndexGateway, 4207, 20, 25.0, 220.0, 40),
        tcp(Compactor, IndexGateway, 4107, 5, 5.0, 30.0, 50),
        tcp(Querier, ChunksCache, 4090, 60, 90.0, 1300.0, 60),
        tcp(Ingester, ChunksCache, 4090, 40, 650.0, 15.0, 60),
        tcp(Frontend, ResultsCache, 4091, 20, 100.0, 260.0, 50),
        Route {
            client: Querier,
            server: Dns,
            port: 53,
            protocol: 17,
            weight: 60,
            request: 1.5,
            response: 3.0,
            local: 34,
        },
    ]
};

/// A network interface: what is the same in all records captured at it.
pub(super) struct Interface {
    /// A record with only the interface's own fields.
    pub blank: Record,
    pub primary: IpAddr,
    /// What a neighbour's record says of it.
    pub id: Text,
    pub subnet: Text,
}

/// An address behind an interface.
#[derive(Clone, Copy)]
pub(super) struct Endpoint {
    /// Index of the interface.
    pub interface: usize,
    pub address: IpAddr,
}

/// Pairs of client and server that are not on one node: traffic inside a node reaches no interface.
#[derive(Default)]
pub(super) struct Pairs {
    pub local: Vec<(Endpoint, Endpoint)>,
    pub remote: Vec<(Endpoint, Endpoint)>,
}

/// Everything that has an address.
pub(super) struct Topology {
    pub interfaces: Vec<Interface>,
    /// Interfaces of the private nodes.
    pub workers: Vec<usize>,
    /// Interfaces of the nodes with public addresses.
    pub public: Vec<usize>,
    /// Interface of the NAT gateway.
    pub nat: usize,
    /// One entry for each of [`ROUTES`].
    pub pairs: Vec<Pairs>,
}

impl Topology {
    /// Lays the cluster out.
    pub(super) fn new() -> Self {
        let shared = Shared::new();
        let mut interfaces = Vec::new();
        let mut add = |interface| {
            interfaces.push(interface);
            interfaces.len() - 1
        };
        let node = |net: u8, host: u8, zone: usize, kind: &str| {
            let serial = u32::from(net) << 8 | u32::from(host);
            let mut node = shared.interface([10, 0, net, host].into(), zone, kind, serial);
            node.blank.instance_id = Some(format!("i-0b9{serial:04x}77e{serial:04x}d1f").into());
            node
        };
        let mut workers = Vec::new();
        let mut public = Vec::new();
        for (zone, third) in (0..ZONES.len()).zip(0u8..) {
            for host in (11u8..).take(WORKERS_PER_ZONE) {
                workers.push(add(node(third * 4, host, zone, "private")));
            }
            public.push(add(node(240 + third, 11, zone, "public")));
        }
        let mut gateway = shared.interface(NAT_ADDRESS.into(), 0, "public", 0);
        gateway.id = Some(NAT_INTERFACE.into());
        gateway.blank.interface_id = gateway.id.clone();
        gateway.blank.interface_type = InterfaceType::NatGateway;
        let nat = add(gateway);
        let endpoints = place(&interfaces, &workers, &public);
        let pairs = ROUTES.iter().map(|route| pairs(route, &endpoints, &interfaces)).collect();
        Self { interfaces, workers, public, nat, pairs }
    }

    /// The primary address of an interface as an endpoint.
    pub(super) fn primary(&self, interface: usize) -> Endpoint {
        Endpoint { interface, address: self.interfaces[interface].primary }
    }
}

/// Text that many interfaces have in common, kept once.
struct Shared {
    account: Text,
    vpc: Text,
    region: Text,
    az_ids: Vec<Text>,
}

impl Shared {
    fn new() -> Self {
        Self {
            account: Some(ACCOUNT.into()),
            vpc: Some(VPC.into()),
            region: Some(REGION.into()),
            az_ids: ZONES.iter().map(|zone| Some(zone.az_id.into())).collect(),
        }
    }

    fn interface(&self, primary: IpAddr, zone: usize, kind: &str, serial: u32) -> Interface {
        let id: Arc<str> = format!("eni-0e71{serial:05x}f1a9{serial:04x}").into();
        let subnet: Arc<str> = format!("subnet-0{}5e{zone}b27c4d90a61{zone}", kind.len()).into();
        let blank = Record {
            version: Some(11),
            account_id: self.account.clone(),
            interface_id: Some(id.clone()),
            vpc_id: self.vpc.clone(),
            subnet_id: Some(subnet.clone()),
            region: self.region.clone(),
            az_id: self.az_ids[zone].clone(),
            ..Record::default()
        };
        Interface { blank, primary, id: Some(id), subnet: Some(subnet) }
    }
}

/// Spreads the replicas of each service over the zones, then over their nodes, each service from another start.
fn place(interfaces: &[Interface], workers: &[usize], public: &[usize]) -> Vec<Vec<Endpoint>> {
    let mut pods_on = vec![0u8; workers.len()];
    let mut endpoints = Vec::new();
    for (offset, service) in Service::ALL.into_iter().enumerate() {
        let replicas = (0..service.replicas()).map(|replica| {
            let zone = (replica + offset) % ZONES.len();
            if service == Service::Proxy {
                return Endpoint { interface: public[zone], address: interfaces[public[zone]].primary };
            }
            let slot = (replica / ZONES.len() + offset) % WORKERS_PER_ZONE;
            let worker = zone * WORKERS_PER_ZONE + slot;
            pods_on[worker] += 1;
            let net = u8::try_from(64 + 32 * zone + slot).expect("three zones of four workers fit");
            let address = [10, 0, net, 16 + pods_on[worker]].into();
            Endpoint { interface: workers[worker], address }
        });
        endpoints.push(replicas.collect());
    }
    endpoints
}

fn pairs(route: &Route, endpoints: &[Vec<Endpoint>], interfaces: &[Interface]) -> Pairs {
    let mut pairs = Pairs::default();
    for client in &endpoints[route.client as usize] {
        for server in &endpoints[route.server as usize] {
            let zone = |endpoint: &Endpoint| &interfaces[endpoint.interface].blank.az_id;
            if client.interface == server.interface {
                continue;
            }
            let list = if zone(client) == zone(server) { &mut pairs.local } else { &mut pairs.remote };
            list.push((*client, *server));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_address_is_inside_a_subnet_of_its_zone() {
        let topology = Topology::new();
        let zone_of = |address: IpAddr| {
            let inside = |cidr: &str| cidr.parse::<ipnet::IpNet>().unwrap().contains(&address);
            ZONES.iter().find(|zone| zone.cidrs.iter().any(|cidr| inside(cidr))).map(|zone| zone.az_id)
        };
        for interface in &topology.interfaces {
            assert_eq!(zone_of(interface.primary), interface.blank.az_id.as_deref());
        }
        for pairs in &topology.pairs {
            for (list, local) in [(&pairs.local, true), (&pairs.remote, false)] {
                for (client, server) in list {
                    assert_ne!(client.interface, server.interface);
                    assert_eq!(zone_of(client.address) == zone_of(server.address), local);
                    for end in [client, server] {
                        let az_id = topology.interfaces[end.interface].blank.az_id.as_deref();
                        assert_eq!(zone_of(end.address), az_id);
                    }
                }
            }
        }
    }

    #[test]
    fn every_route_has_pairs_and_every_interface_its_own_id() {
        let topology = Topology::new();
        for (pairs, route) in topology.pairs.iter().zip(&ROUTES) {
            assert!(!pairs.remote.is_empty(), "{:?} to {:?}", route.client, route.server);
        }
        let ids: BTreeSet<_> = topology.interfaces.iter().map(|interface| interface.id.clone()).collect();
        assert_eq!(ids.len(), topology.interfaces.len());
        for (index, service) in Service::ALL.into_iter().enumerate() {
            assert_eq!(service as usize, index, "endpoints are indexed by the service's number");
        }
    }
}
