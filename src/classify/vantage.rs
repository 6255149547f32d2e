//! Which record of a doubly logged flow counts (section 4 of docs/semantics.md).

use super::{
    ends::{End, Label},
    facts::{Captured, Facts},
    judge::Judge,
};
use crate::decode::Direction;

/// Whether a record counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vantage {
    Counts,
    /// Another record of the same flow counts.
    OtherSide,
    /// Another record should count, but it is not certain that there is one (semantics 8.6).
    OtherSideInDoubt,
}

impl Judge<'_> {
    /// Whether a record that is not a NAT record counts. `forwards`: its interface forwards packets of others.
    pub(super) fn vantage(&self, facts: &Facts, source: &End, forwards: bool) -> Vantage {
        if !facts.sender {
            return Vantage::Counts;
        }
        match facts.captured {
            Captured::Forwarder | Captured::Between | Captured::Nat { .. } => return Vantage::OtherSide,
            // What a load balancer or an endpoint sends itself has no other sender's record.
            Captured::Middlebox(_) if facts.direction == Direction::Egress && facts.is_box_itself() => {
                return Vantage::Counts;
            }
            Captured::Middlebox(_) => return Vantage::OtherSide,
            Captured::Plain { .. } => {}
        }
        match facts.direction {
            Direction::Egress if facts.source.is_forwarded() => Vantage::OtherSide,
            Direction::Egress => Vantage::Counts,
            // The other record of the flow cannot be told apart: as where every record counts.
            Direction::Unknown => Vantage::Counts,
            Direction::Ingress if source.logged => Vantage::OtherSide,
            Direction::Ingress if source.label == Label::Unknown && !self.networks_are_known(facts.vpc) => {
                Vantage::OtherSideInDoubt
            }
            Direction::Ingress if forwards => Vantage::OtherSideInDoubt,
            Direction::Ingress => Vantage::Counts,
        }
    }

    /// Whether an address without a zone can only be one of somebody else (semantics 4.4).
    fn networks_are_known(&self, vpc: u16) -> bool {
        self.networks(vpc).has_networks && !self.lessons.outside.contains(&vpc)
    }
}
