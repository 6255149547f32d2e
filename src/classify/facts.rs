//! What of a record bears on its meaning, and nothing else: small values that can be compared.
//!
//! Records with equal facts mean the same, but for what the object teaches of their addresses. Invariant: judging reads
//! facts, what was taught, and what the object as a whole shows; never a record.

use super::GroupId;
use crate::{
    decode::{AwsService, Direction, InterfaceType},
    topology::{AzId, NetInfo},
};

/// What becomes of a record before its traffic is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Status {
    /// No traffic in the interval.
    NoData,
    /// Records were lost in the interval.
    SkipData,
    /// REJECT, and these do not count.
    Rejected,
    /// To be judged.
    Accepted,
}

/// A side of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
        }
    }
}

/// What the recording interface is (semantics 2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Captured {
    /// A NAT gateway, and whose rules its records follow.
    Nat { rules: NatRules, gateway: Option<u32> },
    /// A configured forwarder.
    Forwarder,
    /// A middlebox by its type.
    Middlebox(InterfaceType),
    /// A middlebox, by what it shows.
    Between,
    /// An endpoint's own.
    Plain {
        sure: bool,
        /// It may stand between the endpoints.
        doubtful: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum NatRules {
    Zonal,
    Regional,
}

/// One side of a record, without what the object teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct EndFacts {
    /// What is known of the endpoint's address.
    pub net: NetInfo,
    pub family: Family,
    pub private: bool,
    /// What `pkt_*_aws_service` names.
    pub service: AwsService,
    /// The NAT gateway that has the plain address, by scope.
    pub plain_gateway: Option<u32>,
    /// The plain address is the recording NAT gateway's, whatever its scope.
    pub plain_is_nat: bool,
    /// The packet address is.
    pub packet_is_nat: bool,
    pub plain_there: bool,
    pub packet_there: bool,
    /// Plain and packet address are there and equal.
    pub same: bool,
}

/// How an endpoint's address is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Family {
    V4,
    /// IPv4 inside 64:ff9b::/96.
    Nat64,
    V6,
}

impl EndFacts {
    /// Plain and packet address are there and differ.
    pub(super) fn is_translated(&self) -> bool {
        self.plain_there && self.packet_there && !self.same
    }

    /// The endpoint's address is the plain one.
    pub(super) fn is_plain_address(&self) -> bool {
        self.plain_there && (self.same || !self.packet_there)
    }

    /// In a network of a zone that is not outside.
    pub(super) fn is_in_zone(&self) -> bool {
        self.net.zone.is_some() && !self.net.outside
    }

    pub(super) fn is_v6(&self) -> bool {
        self.family == Family::V6
    }

    /// Whether the address can be its interface's own: pods live on secondary addresses; a public IPv4 address that is
    /// not the plain one is somebody else's (semantics 2.17).
    pub(super) fn can_be_own(&self) -> bool {
        self.private || self.is_v6() || self.is_plain_address() || self.is_in_zone()
    }

    /// A packet address that is globally routable IPv4 and not the plain one: it was forwarded (semantics 4.3, 8.9).
    pub(super) fn is_forwarded(&self) -> bool {
        self.is_translated() && !self.can_be_own()
    }
}

/// `traffic_path`: 0 stands for null, all values that say nothing of their own are one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Path(pub u8);

impl Path {
    /// Values that mean something. Others are [`Self::OTHER`].
    pub(super) const HIGHEST: u8 = 8;
    pub(super) const OTHER: u8 = 9;
    /// Bits that hold them all.
    pub(super) const BITS: u32 = 4;

    /// Another resource in the same VPC, middleboxes included.
    pub(super) const SAME_VPC: Self = Self(1);
    /// A virtual private gateway.
    pub(super) const VIRTUAL_GATEWAY: Self = Self(3);
    /// Peering inside the region.
    pub(super) const PEERING: Self = Self(4);
    /// Peering with another region.
    pub(super) const PEERING_ABROAD: Self = Self(5);
    /// A gateway endpoint.
    pub(super) const GATEWAY_ENDPOINT: Self = Self(7);

    pub(super) fn is_null(self) -> bool {
        self.0 == 0
    }

    /// Whether traffic to the internet leaves by an internet gateway or a local gateway: 8 and 2, 6.
    pub(super) fn leads_out(self) -> bool {
        matches!(self.0, 8 | 2 | 6)
    }
}

/// Where the traffic goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NextHop {
    pub kind: InterfaceType,
    /// A configured NAT gateway.
    pub gateway: bool,
    /// A configured forwarder.
    pub forwarder: bool,
}

impl NextHop {
    pub(super) fn is_nat(self) -> bool {
        self.gateway || matches!(self.kind, InterfaceType::NatGateway | InterfaceType::RegionalNatGateway)
    }

    pub(super) fn is_middlebox(self) -> bool {
        self.gateway || self.forwarder || self.kind != InterfaceType::Plain
    }
}

/// What of a record bears on its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Facts {
    pub status: Status,
    /// The object has directions here: its records teach and are taught.
    pub learns: bool,
    /// The object has VPCs here.
    pub has_vpcs: bool,
    /// The object has next hops here.
    pub has_next_hops: bool,
    /// Each flow counts once, where it was sent from (semantics 4.2).
    pub sender: bool,
    pub direction: Direction,
    pub captured: Captured,
    pub source: EndFacts,
    pub destination: EndFacts,
    /// AZ of the recording interface.
    pub own_az: Option<AzId>,
    /// AZ of the next hop.
    pub next_az: Option<AzId>,
    pub next_hop: NextHop,
    /// The record's VPC: an index of [`super::taught::Vpcs`].
    pub vpc: u16,
    pub path: Path,
    pub port_group: GroupId,
    /// The service that lists the interface.
    pub own_service: Option<u32>,
    pub has_interface: bool,
    /// `interface_type` says that it is a NAT gateway.
    pub typed_nat: bool,
}

impl Facts {
    /// The side of the recording interface.
    pub(super) fn own_side(&self) -> Option<Side> {
        match self.direction {
            Direction::Egress => Some(Side::Source),
            Direction::Ingress => Some(Side::Destination),
            Direction::Unknown => None,
        }
    }

    pub(super) fn end(&self, side: Side) -> &EndFacts {
        match side {
            Side::Source => &self.source,
            Side::Destination => &self.destination,
        }
    }

    pub(super) fn own_end(&self) -> Option<&EndFacts> {
        self.own_side().map(|side| self.end(side))
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self.captured, Captured::Plain { .. })
    }

    /// A load balancer at its own address, which pays like an endpoint (semantics 6.11).
    pub(super) fn is_balancer_itself(&self) -> bool {
        self.is_box_itself() && self.captured == Captured::Middlebox(InterfaceType::NetworkLoadBalancer)
    }

    /// A load balancer or an interface endpoint at its own address: what it sends itself (semantics 2.14, 4.3).
    pub(super) fn is_box_itself(&self) -> bool {
        use InterfaceType::{NetworkLoadBalancer, VpcEndpoint};
        matches!(self.captured, Captured::Middlebox(NetworkLoadBalancer | VpcEndpoint))
            && self.own_end().is_some_and(|own| own.same)
    }

    /// Whether the own side is known to be the interface's: it has its AZ and VPC, and teaches them (semantics 2.17).
    pub(super) fn shows_own_side(&self) -> bool {
        (self.is_plain() || self.is_box_itself())
            && self.own_end().is_some_and(|own| (own.plain_there || own.packet_there) && own.can_be_own())
    }

    /// A forwarder's record of traffic that leaves to the internet, or a firewall endpoint's.
    pub(super) fn is_way_out_of_forwarder(&self) -> bool {
        let forwards = matches!(
            self.captured,
            Captured::Forwarder | Captured::Middlebox(InterfaceType::GatewayLoadBalancerEndpoint)
        );
        forwards && self.path.leads_out()
    }

    /// Whether the interface is an endpoint's own beyond doubt.
    pub(super) fn is_sure(&self) -> bool {
        matches!(self.captured, Captured::Plain { sure: true, .. }) || self.is_box_itself()
    }
}
