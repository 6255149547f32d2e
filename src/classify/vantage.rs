//! Which record of a doubly logged flow counts, and which leg of a NAT gateway a record is.

use crate::{
    decode::{Direction, InterfaceType},
    model::NatDirection,
};

/// What a record captured at a NAT gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leg {
    /// Between the client and the gateway.
    Client(NatDirection),
    /// Between the gateway and the remote side: the same bytes once more.
    Public,
}

/// One side of a record as a NAT gateway sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side {
    /// The plain address is a private address of this gateway.
    pub is_gateway: bool,
    /// Packet address against plain address: `None` where one of them is missing.
    pub translated: Option<bool>,
    /// There is a packet address.
    pub has_packet: bool,
    /// The endpoint lies in a configured CIDR or a private range.
    pub inside: bool,
}

/// The leg of a zonal gateway's record. Source: AWS, "Flow log record examples", traffic through a NAT gateway.
pub(super) fn zonal_leg(source: Side, destination: Side, direction: Direction) -> Leg {
    let out = Leg::Client(NatDirection::Out);
    let back = Leg::Client(NatDirection::In);
    match (source.is_gateway, destination.is_gateway) {
        (false, true) => known_gateway(destination, source, out),
        (true, false) => known_gateway(source, destination, back),
        _ if destination.translated == Some(true) => out,
        _ if source.translated == Some(true) => back,
        _ if source.has_packet && destination.has_packet => Leg::Public,
        // No packet addresses. One plain address is the gateway's own, which is private: a public one across from
        // it is the remote side.
        _ if source.inside && destination.inside => match direction {
            Direction::Egress => back,
            Direction::Ingress | Direction::Unknown => out,
        },
        _ => Leg::Public,
    }
}

/// The gateway's own address is on one side: the packet address there tells whether it stands for the client.
fn known_gateway(own: Side, other: Side, leg: Leg) -> Leg {
    match own.translated {
        Some(true) => leg,
        Some(false) => Leg::Public,
        None if other.inside => leg,
        None => Leg::Public,
    }
}

/// The leg of a regional gateway's record, which shows the client and the remote side as they are.
pub(super) fn regional_leg(source_inside: bool, destination_inside: bool) -> Leg {
    match (source_inside, destination_inside) {
        (true, false) => Leg::Client(NatDirection::Out),
        (false, true) => Leg::Client(NatDirection::In),
        _ => Leg::Public,
    }
}

/// Whether a record that is no NAT record counts where each flow counts once.
pub(super) fn sender_counts(at: InterfaceType, direction: Direction, source_logged: bool) -> bool {
    use InterfaceType::{NetworkLoadBalancer, TransitGateway, VpcEndpoint};
    match (at, direction) {
        (TransitGateway | NetworkLoadBalancer | VpcEndpoint, _) => false,
        (_, Direction::Egress) => true,
        (_, Direction::Ingress) => !source_logged,
        // The other record of the flow cannot be told apart: as where every record counts.
        (_, Direction::Unknown) => true,
    }
}
