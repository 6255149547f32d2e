//! Where an endpoint is: its label, its AZ, and by which step (semantics 2.9 to 2.23).

use std::sync::Arc;

use super::{
    facts::{EndFacts, Facts, Side},
    judge::Judge,
    taught::Answer,
};
use crate::{
    decode::AwsService,
    topology::{AzId, NetInfo, RangeService, RegionId, ZoneIndex},
};

/// The label of an endpoint, as small integers of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// A configured zone.
    Zone(ZoneIndex),
    /// An AZ that no zone has.
    Az(AzId),
    /// An address of AWS in a region.
    AwsRegion(RegionId),
    /// A service of AWS.
    Aws,
    /// A globally routable address.
    Internet,
    /// None of the others.
    Unknown,
}

/// Which step of semantics 2.14 gave a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the steps, by their order")]
pub(super) enum Step {
    Topology,
    /// The log won over the configuration (semantics 2.15).
    Log,
    OwnAz,
    Taught,
    NextHop,
    OtherScope,
    Inside,
    Range,
    Service,
    Internet,
}

/// An endpoint, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub label: Label,
    pub step: Step,
    pub az: Option<AzId>,
    pub region: Option<RegionId>,
    /// A configured zone or an AZ.
    pub place: bool,
    /// Its interfaces are covered by the flow logs, as far as its label says.
    pub logged: bool,
    pub inside: bool,
    /// A globally routable address in a zone outside.
    pub outside: bool,
    pub vpc: Option<Arc<str>>,
}

impl End {
    /// Whether it is inside, or its AZ is known.
    pub(super) fn is_ours(&self) -> bool {
        self.inside || self.az.is_some()
    }

    /// Whether it has a place, as far as anybody knows.
    pub(super) fn is_somewhere(&self) -> bool {
        self.inside || self.place
    }
}

impl Judge<'_> {
    /// Finds an endpoint. `taught` is what the object taught of its address.
    pub(super) fn end(&self, facts: &Facts, side: Side, taught: &Answer) -> End {
        let end = facts.end(side);
        let is_own = facts.own_side() == Some(side);
        let shows_own = is_own && facts.shows_own_side();
        let inside = end.private || end.net.zone.is_some() || shows_own || (end.is_v6() && taught.beside_own);
        let (label, step) = self.label(facts, side, (is_own, shows_own, inside), taught);
        let vpc = self.vpc(facts, end, (is_own, shows_own), taught);
        let zones = &self.topology.zones;
        let outside = !end.private && matches!(label, Label::Zone(zone) if zones.zone(zone).outside);
        let (az, region, logged) = match label {
            Label::Zone(zone) => {
                let zone = zones.zone(zone);
                (zone.az, zone.region, zone.logged)
            }
            Label::Az(az) => (Some(az), Some(self.names.az_region(az)), true),
            Label::AwsRegion(region) => (None, Some(region), false),
            Label::Unknown => (None, Some(self.names.key_region()), false),
            Label::Aws | Label::Internet => (None, None, false),
        };
        let place = matches!(label, Label::Zone(_) | Label::Az(_));
        End { label, step, az, region, place, logged, inside, outside, vpc }
    }

    fn label(
        &self,
        facts: &Facts,
        side: Side,
        (is_own, shows_own, inside): (bool, bool, bool),
        taught: &Answer,
    ) -> (Label, Step) {
        let end = facts.end(side);
        let speak = self.networks(facts.vpc).az_ids_speak;
        let own_az = facts.own_az.filter(|_| speak && shows_own);
        if let Some(index) = end.net.zone {
            let zone = self.topology.zones.zone(index);
            // The log wins where it cannot be wrong.
            let logged = if is_own {
                own_az.filter(|_| facts.is_sure())
            } else {
                taught.az.filter(|(_, sure)| *sure && speak).map(|(az, _)| az)
            };
            return match logged.filter(|az| Some(*az) != zone.az) {
                Some(az) => (self.names.label_of(az), Step::Log),
                None => (Label::Zone(index), Step::Topology),
            };
        }
        if let Some(az) = own_az {
            return (self.names.label_of(az), Step::OwnAz);
        }
        if let Some((az, _)) = taught.az.filter(|_| speak && !is_own) {
            return (self.names.label_of(az), Step::Taught);
        }
        let far = facts.own_side() == Some(side.other());
        if let Some(az) = facts.next_az.filter(|_| speak && far)
            && (end.private || end.is_v6())
            && !facts.next_hop.is_middlebox()
        {
            return (self.names.label_of(az), Step::NextHop);
        }
        // The own side of a VPC that is known lies in that VPC.
        let in_own_vpc = shows_own && self.vpcs.id(facts.vpc).is_some();
        if let Some(zone) = end.net.elsewhere.filter(|_| !in_own_vpc) {
            return (Label::Zone(zone), Step::OtherScope);
        }
        if inside {
            return (Label::Unknown, Step::Inside);
        }
        if let Some(range) = end.net.range {
            return (range.region.map_or(Label::Aws, Label::AwsRegion), Step::Range);
        }
        match end.service {
            AwsService::Other | AwsService::Amazon => (Label::Aws, Step::Service),
            AwsService::None | AwsService::Ec2 => (Label::Internet, Step::Internet),
        }
    }

    /// The VPC of an endpoint (semantics 2.20).
    fn vpc(
        &self,
        facts: &Facts,
        end: &EndFacts,
        (is_own, shows_own): (bool, bool),
        taught: &Answer,
    ) -> Option<Arc<str>> {
        let records = self.vpcs.id(facts.vpc);
        if shows_own && records.is_some() {
            return records.cloned();
        }
        let zone = |index: ZoneIndex| self.topology.zones.zone(index);
        if let Some(index) = end.net.zone
            && !zone(index).vpc_ids.is_empty()
        {
            return records.cloned();
        }
        if let Some(known) = taught.vpc.filter(|_| !is_own).and_then(|vpc| self.vpcs.id(vpc)) {
            return Some(known.clone());
        }
        let elsewhere = end.net.elsewhere.map(|index| &zone(index).vpc_ids[..]);
        if let Some([one]) = elsewhere { Some(one.clone()) } else { None }
    }

    /// Whether an endpoint is an address of EC2 in the key's region (semantics 7.5). A service that the record names
    /// goes before the file's.
    pub(super) fn is_regional_ec2(&self, end: &EndFacts, found: &End) -> bool {
        let named = matches!(end.service, AwsService::Other);
        let NetInfo { range, .. } = &end.net;
        found.step == Step::Range
            && !named
            && range.is_some_and(|range| {
                range.service == RangeService::Ec2 && range.region == Some(self.names.key_region())
            })
    }
}
