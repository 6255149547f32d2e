//! Which charges a record carries (sections 6 and 7 of docs/semantics.md). What they cost is not known here.

use std::sync::Arc;

use super::{
    ends::{End, Label},
    facts::{Captured, EndFacts, Facts, Path, Side},
    judge::Judge,
    taught::{Answer, Via},
};
use crate::{
    decode::{AwsService, Direction, InterfaceType},
    model::{Charge, ChargeSet, Doubt, DoubtSet, NatDirection},
    topology::{AzId, Billing, EndpointAt, GatewayPath},
};

/// A record whose ends have been found.
pub(super) struct Found<'f> {
    pub facts: &'f Facts,
    pub nat: NatDirection,
    pub source: &'f End,
    pub destination: &'f End,
    pub taught: [&'f Answer; 2],
}

impl Found<'_> {
    fn is_nat(&self) -> bool {
        self.nat != NatDirection::None
    }

    fn is_ingress(&self) -> bool {
        self.facts.direction == Direction::Ingress
    }

    fn end(&self, side: Side) -> &End {
        match side {
            Side::Source => self.source,
            Side::Destination => self.destination,
        }
    }

    fn taught(&self, side: Side) -> &Answer {
        match side {
            Side::Source => self.taught[0],
            Side::Destination => self.taught[1],
        }
    }

    /// Both AZs are known, differ, and share a region.
    pub(super) fn is_inter_az(&self) -> bool {
        self.differ() && self.source.region == self.destination.region
    }

    fn differ(&self) -> bool {
        self.azs().is_some_and(|(source, destination)| source != destination)
    }

    fn azs(&self) -> Option<(AzId, AzId)> {
        self.source.az.zip(self.destination.az)
    }

    /// The two VPCs, where the ends are known to lie in two.
    pub(super) fn two_vpcs(&self) -> Option<[&Arc<str>; 2]> {
        let (source, destination) = (self.source.vpc.as_ref()?, self.destination.vpc.as_ref()?);
        (source != destination).then_some([source, destination])
    }

    /// Traffic into a transit gateway, at its sender (semantics 6.9).
    pub(super) fn enters_transit(&self) -> bool {
        let facts = self.facts;
        !self.is_nat()
            && facts.is_plain()
            && facts.direction == Direction::Egress
            && (facts.next_hop.kind == InterfaceType::TransitGateway
                || (facts.path == Path::SAME_VPC && self.two_vpcs().is_some()))
    }

    /// Where charges between endpoints are taken: not at what stands between them (semantics 6.11).
    fn is_end_to_end(&self) -> bool {
        self.facts.is_plain() || self.facts.is_balancer_itself()
    }

    /// An internet path that only a forwarder's own record shows: that of its client has path 1 (semantics 6.11).
    fn is_way_out_of_forwarder(&self) -> bool {
        // What a NAT gateway sends through a firewall was charged at the gateway.
        let of_nat = self.facts.source.net.gateway.is_some() || self.taught[0].is_nat;
        self.facts.is_way_out_of_forwarder() && !self.facts.next_hop.is_nat() && !of_nat
    }

    /// Traffic that stays behind a transit gateway or an interface endpoint, in either direction (semantics 6.13).
    fn is_through_box(&self) -> bool {
        use InterfaceType::{TransitGateway, VpcEndpoint};
        let far = self.facts.own_side().map(|own| self.taught(own.other()));
        matches!(self.facts.next_hop.kind, TransitGateway | VpcEndpoint)
            || far.is_some_and(|far| far.via.is_some())
    }

    /// Whether the destination is reached over the internet: a globally routable address of partners is, too, where the
    /// record says so (semantics 6.6).
    fn is_towards_internet(&self) -> bool {
        self.destination.label == Label::Internet || self.destination.outside
    }

    /// The path, or the gateway, says that traffic leaves to the internet.
    fn surely_leaves(&self) -> bool {
        self.nat == NatDirection::Out || self.facts.path.leads_out()
    }

    fn is_to_aws(&self) -> bool {
        matches!(self.destination.label, Label::Aws | Label::AwsRegion(_))
    }
}

impl Judge<'_> {
    /// The charges of a record, and what is doubtful about them.
    pub(super) fn charges(&self, found: &Found<'_>) -> (ChargeSet, DoubtSet) {
        let Found { facts, source, destination, .. } = found;
        let nat = found.is_nat();
        let (inter_az, mut doubts) = self.inter_az(found);
        let out_to_internet = self.leaves(found);
        let to_internet = found.is_towards_internet()
            && out_to_internet
            && (destination.label == Label::Internet || found.surely_leaves());
        let regional = self.regional(found, out_to_internet);
        let exempt = facts.source.net.exempt.union(facts.destination.net.exempt);
        if exempt.contains(Charge::InterAz) {
            doubts = DoubtSet::NONE;
        }
        let ec2_somewhere = to_internet && facts.destination.service == AwsService::Ec2;
        let doubtful = (regional && !exempt.contains(Charge::RegionalPublic))
            || (ec2_somewhere && !exempt.contains(Charge::InternetEgress));
        doubts = doubts.with(Doubt::RegionalPublic, doubtful);
        let vpn = !nat
            && !found.is_ingress()
            && facts.path == Path::VIRTUAL_GATEWAY
            && source.is_ours()
            && destination.az.is_none();
        let (vpn_charge, direct) = match self.rules.gateway_path {
            GatewayPath::Vpn => (vpn, false),
            GatewayPath::DirectConnect => (false, vpn),
        };
        let charges = ChargeSet::NONE
            .with(Charge::InterAz, inter_az)
            .with(Charge::InterRegion, self.inter_region(found, out_to_internet))
            .with(Charge::NatProcessing, nat)
            .with(Charge::NatHop, nat && self.nat_hop(found))
            .with(Charge::InternetEgress, to_internet)
            .with(Charge::RegionalPublic, regional)
            .with(Charge::VpcEndpointProcessing, self.endpoint_processing(facts))
            .with(Charge::TransitGatewayProcessing, found.enters_transit())
            .with(Charge::VpnEgress, vpn_charge)
            .with(Charge::DirectConnectEgress, direct);
        (charges.without(exempt), doubts)
    }

    /// `inter_az` (semantics 6.2, 6.11 to 6.13, 7.1 to 7.3).
    fn inter_az(&self, found: &Found<'_>) -> (bool, DoubtSet) {
        let facts = found.facts;
        let crosses = !found.is_nat()
            && found.is_inter_az()
            && found.is_end_to_end()
            && !found.is_through_box()
            && facts.path != Path::GATEWAY_ENDPOINT;
        let (pays, doubts) = if crosses { self.billed_side(found) } else { (false, DoubtSet::NONE) };
        if !pays {
            return (false, DoubtSet::NONE);
        }
        if let Some(pair) = found.two_vpcs()
            && facts.path != Path::PEERING
            && !self.are_peered(pair)
        {
            let in_doubt = !found.enters_transit() && !self.signs.are_in_transit(pair);
            return (false, DoubtSet::NONE.with(Doubt::BetweenVpcs, in_doubt));
        }
        (true, doubts)
    }

    fn are_peered(&self, pair: [&Arc<str>; 2]) -> bool {
        let [a, b] = pair;
        let configured = |(x, y): &(Arc<str>, Arc<str>)| (x == a && y == b) || (x == b && y == a);
        self.signs.are_peered(pair) || self.rules.peered.iter().any(configured)
    }

    /// Whether the side that logged a record pays for it: services have their own billing.
    fn billed_side(&self, found: &Found<'_>) -> (bool, DoubtSet) {
        let facts = found.facts;
        let own = facts.own_side();
        let service_of = |side: Side| {
            let listed = facts.own_service.filter(|_| own == Some(side));
            listed.or(facts.end(side).net.service).or(found.taught(side).service)
        };
        let services = [service_of(Side::Source), service_of(Side::Destination)];
        let billing = |service: u32| self.topology.services[service as usize].billing;
        if services.iter().flatten().any(|service| billing(*service) == Billing::Free) {
            return (false, DoubtSet::NONE);
        }
        // A service's interface says whose record it is, even without a direction.
        if let Some(service) = facts.own_service.filter(|_| own.is_none()) {
            return (billing(service) == Billing::Both, DoubtSet::NONE);
        }
        let [of_source, of_destination] =
            services.map(|service| service.filter(|at| billing(*at) == Billing::FarSide));
        let (service, side) = match (of_source, of_destination) {
            (Some(_), Some(_)) => return (false, DoubtSet::NONE),
            (None, None) => return (true, DoubtSet::NONE),
            (Some(service), None) => (service, Side::Source),
            (None, Some(service)) => (service, Side::Destination),
        };
        let lists_others = facts.has_interface && self.topology.services[service as usize].has_interfaces;
        match own {
            Some(own) => (own != side, DoubtSet::NONE),
            None => (true, DoubtSet::NONE.with(Doubt::OwnSide, !lists_others)),
        }
    }

    /// Whether traffic leaves towards the internet, or would if its destination were there (semantics 6.6, 6.10).
    fn leaves(&self, found: &Found<'_>) -> bool {
        let facts = found.facts;
        match found.nat {
            NatDirection::Out => facts.path != Path::GATEWAY_ENDPOINT,
            NatDirection::In => false,
            NatDirection::None => {
                !found.is_ingress()
                    && found.source.is_ours()
                    && ((found.is_end_to_end() && self.takes_internet_gateway(facts))
                        || found.is_way_out_of_forwarder())
            }
        }
    }

    /// The way to the internet, by the first sign (semantics 6.10).
    fn takes_internet_gateway(&self, facts: &Facts) -> bool {
        if facts.next_hop.is_nat() {
            false
        } else if !facts.path.is_null() {
            facts.path.leads_out()
        } else {
            facts.destination.is_v6() || !self.has_nat_gateway(facts) || facts.source.net.public
        }
    }

    /// Whether traffic could have taken a NAT gateway (semantics 6.14).
    fn has_nat_gateway(&self, facts: &Facts) -> bool {
        let here = self.names.key_region();
        self.signs.nat
            || self.networks(facts.vpc).has_forwarder
            || self.topology.gateways.iter().any(|gateway| gateway.region.is_none_or(|region| region == here))
    }

    fn inter_region(&self, found: &Found<'_>, leaves: bool) -> bool {
        let Found { source, destination, facts, .. } = found;
        let here = self.names.key_region();
        match destination.label {
            Label::AwsRegion(region) => region != here && leaves,
            _ if found.is_nat() || found.is_ingress() || !found.is_end_to_end() => false,
            _ if facts.path == Path::GATEWAY_ENDPOINT || found.is_to_aws() => false,
            _ => {
                let regions = source.region.zip(destination.region);
                source.region == Some(here)
                    && regions.is_some_and(|(source, destination)| source != destination)
            }
        }
    }

    /// `regional_public` (semantics 6.7).
    fn regional(&self, found: &Found<'_>, leaves: bool) -> bool {
        let facts = found.facts;
        let is_ec2 = |side: Side| self.is_regional_ec2(facts.end(side), found.end(side));
        match found.nat {
            NatDirection::Out => is_ec2(Side::Destination),
            NatDirection::In => is_ec2(Side::Source),
            NatDirection::None if found.is_ingress() => {
                let own: &EndFacts = &facts.destination;
                is_ec2(Side::Source)
                    && found.is_end_to_end()
                    && found.destination.is_ours()
                    && (own.net.public || !self.has_nat_gateway(facts))
            }
            NatDirection::None => is_ec2(Side::Destination) && leaves,
        }
    }

    /// `nat_hop` (semantics 6.5).
    fn nat_hop(&self, found: &Found<'_>) -> bool {
        let facts = found.facts;
        let (Captured::Nat { gateway, .. }, Some(client)) = (facts.captured, found.client()) else {
            return false;
        };
        let through_transit = facts.next_hop.kind == InterfaceType::TransitGateway
            || (facts.own_side() != Some(client) && found.taught(client).via == Some(Via::TransitGateway));
        let client = found.end(client);
        let gateway = gateway.map(|at| &self.topology.gateways[at as usize]);
        let az = match gateway {
            Some(gateway) => gateway.az,
            None => facts.own_az.filter(|az| {
                let configured = az.0 < self.topology.zones.az_count();
                facts.typed_nat && (configured || self.networks(facts.vpc).az_ids_speak)
            }),
        };
        let vpc = self.vpcs.id(facts.vpc).or_else(|| gateway.and_then(|gateway| gateway.vpc_id.as_ref()));
        let other_vpc = vpc.zip(client.vpc.as_ref()).is_some_and(|(gateway, client)| gateway != client);
        !through_transit && !other_vpc && az.zip(client.az).is_some_and(|(gateway, client)| gateway != client)
    }

    fn endpoint_processing(&self, facts: &Facts) -> bool {
        match self.rules.endpoint_at {
            EndpointAt::Endpoint => facts.captured == Captured::Middlebox(InterfaceType::VpcEndpoint),
            EndpointAt::Client => facts.is_plain() && facts.next_hop.kind == InterfaceType::VpcEndpoint,
        }
    }

    /// Traffic to the internet whose path nobody knows (semantics 8.3).
    pub(super) fn is_egress_path_doubtful(&self, found: &Found<'_>) -> bool {
        let facts = found.facts;
        found.is_towards_internet()
            && !found.is_ingress()
            && found.source.is_ours()
            && facts.path.is_null()
            && !facts.next_hop.is_nat()
            && !facts.destination.is_v6()
            && !facts.source.net.public
    }
}

impl Found<'_> {
    /// The side of the client behind a NAT gateway.
    fn client(&self) -> Option<Side> {
        match self.nat {
            NatDirection::Out => Some(Side::Source),
            NatDirection::In => Some(Side::Destination),
            NatDirection::None => None,
        }
    }
}
