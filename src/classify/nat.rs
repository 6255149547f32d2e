//! Which leg of a NAT gateway a record is (section 3 of docs/semantics.md).

use super::{
    facts::{EndFacts, Facts, NatRules, Side},
    judge::Judge,
    taught::Answer,
};
use crate::{decode::Direction, model::NatDirection};

/// What a record captured at a NAT gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leg {
    /// Between the client and the gateway; whether that is doubtful.
    Client(NatDirection, bool),
    /// Between the gateway and the remote side: the same bytes once more.
    Public,
}

/// A side, as a NAT gateway's record shows it.
struct Seen {
    /// Its plain address is the gateway's.
    is_gateway: bool,
    /// Its packet address is the gateway's.
    is_packet_gateway: bool,
    packet_there: bool,
    translated: bool,
    untranslated: bool,
    inside: bool,
    /// In a network of a zone whose scope matches and that is not outside.
    in_zone: bool,
}

const OUT: Leg = Leg::Client(NatDirection::Out, false);
const IN: Leg = Leg::Client(NatDirection::In, false);

impl Judge<'_> {
    /// The leg of a NAT record. `inside` says which ends are.
    pub(super) fn leg(
        &self,
        facts: &Facts,
        (rules, gateway): (NatRules, Option<u32>),
        inside: [bool; 2],
        taught: [&Answer; 2],
    ) -> Leg {
        if rules == NatRules::Regional {
            return match inside {
                [true, false] => OUT,
                [false, true] => IN,
                _ => Leg::Public,
            };
        }
        let seen = |side: Side, inside: bool| {
            let end = facts.end(side);
            Seen {
                is_gateway: end.plain_is_nat,
                is_packet_gateway: end.packet_is_nat,
                packet_there: end.packet_there,
                translated: end.is_translated(),
                untranslated: end.same,
                inside,
                in_zone: end.is_in_zone(),
            }
        };
        let source = seen(Side::Source, inside[0]);
        let destination = seen(Side::Destination, inside[1]);
        if is_unlisted(&source, &destination) || is_unlisted(&destination, &source) {
            return Leg::Public;
        }
        match (source.is_gateway, destination.is_gateway) {
            (false, true) => return self.known(facts, gateway, &destination, &source, NatDirection::Out),
            (true, false) => return self.known(facts, gateway, &source, &destination, NatDirection::In),
            _ => {}
        }
        if destination.translated {
            return OUT;
        }
        if source.translated {
            return IN;
        }
        if source.packet_there && destination.packet_there {
            return Leg::Public;
        }
        let known = gateway.is_some_and(|at| self.topology.gateways[at as usize].has_addresses);
        let is_found = |side: usize, end: &EndFacts| !known && taught[side].is_nat && end.plain_there;
        match [is_found(0, &facts.source), is_found(1, &facts.destination)] {
            [false, true] => return self.client_or_public(facts, gateway, &source, NatDirection::Out),
            [true, false] => return self.client_or_public(facts, gateway, &destination, NatDirection::In),
            _ => {}
        }
        if !(source.inside && destination.inside) {
            return Leg::Public;
        }
        match facts.direction {
            Direction::Egress => IN,
            Direction::Ingress | Direction::Unknown => OUT,
        }
    }

    /// The gateway's own address is on one side: the packet address there tells whether it stands for the client.
    fn known(&self, facts: &Facts, gateway: Option<u32>, own: &Seen, other: &Seen, leg: NatDirection) -> Leg {
        match (own.packet_there, own.is_packet_gateway) {
            (true, false) => Leg::Client(leg, false),
            (true, true) => Leg::Public,
            (false, _) => self.client_or_public(facts, gateway, other, leg),
        }
    }

    /// Without packet addresses: the other end is a client if it lies in a zone's network. An end that is inside and in
    /// none can be a client as well as a private gateway's remote side (semantics 3.5).
    fn client_or_public(&self, facts: &Facts, gateway: Option<u32>, other: &Seen, leg: NatDirection) -> Leg {
        if other.in_zone {
            return Leg::Client(leg, false);
        }
        let is_public = self.signs.public_nats.contains(&gateway);
        if other.inside && (is_public || !self.networks(facts.vpc).has_networks) {
            return Leg::Client(leg, true);
        }
        Leg::Public
    }
}

/// Traffic of an address of the gateway that nobody listed (semantics 3.3).
fn is_unlisted(own: &Seen, other: &Seen) -> bool {
    own.translated && own.inside && !other.inside && other.untranslated
}
