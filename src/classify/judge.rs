//! What one record means, on one page: ends, NAT leg, vantage, charges, doubts.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    GroupId, Rules,
    charges::Found,
    ends::{End, Label},
    facts::{Captured, Facts, Path, Side, Status},
    names::Names,
    nat::Leg,
    taught::{Answer, Lessons, Vpcs},
    vantage::Vantage,
};
use crate::{
    decode::InterfaceType,
    model::{
        Charge, ChargeSet, Contradiction, ContradictionSet, Doubt, DoubtSet, NatDirection, RecordOutcome,
        Relation,
    },
    topology::{AzId, EndpointAt, Networks, Topology},
};

/// What records that are alike mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// What becomes of them.
    pub outcome: RecordOutcome,
    /// What they add to. Meaningful only for records that are counted or charged.
    pub key: VerdictKey,
    /// Whether both AZs are known, differ, and share a region.
    pub inter_az: bool,
    /// What they are charged for.
    pub charges: ChargeSet,
    /// What may be wrong about it.
    pub doubts: DoubtSet,
    /// What disagrees with the topology.
    pub contradictions: ContradictionSet,
}

/// A series as small integers of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerdictKey {
    /// Label of the source.
    pub source: Label,
    /// Label of the destination.
    pub destination: Label,
    /// Port group.
    pub port_group: GroupId,
    /// NAT leg.
    pub nat_direction: NatDirection,
    /// AZ of the source.
    pub source_az: Option<AzId>,
    /// AZ of the destination.
    pub destination_az: Option<AzId>,
    /// How the ends stand to each other.
    pub relation: Relation,
}

impl Verdict {
    pub(super) fn without_traffic(outcome: RecordOutcome) -> Self {
        Self {
            outcome,
            key: VerdictKey {
                source: Label::Unknown,
                destination: Label::Unknown,
                port_group: GroupId::OTHER,
                nat_direction: NatDirection::None,
                source_az: None,
                destination_az: None,
                relation: Relation::Unknown,
            },
            inter_az: false,
            charges: ChargeSet::NONE,
            doubts: DoubtSet::NONE,
            contradictions: ContradictionSet::NONE,
        }
    }
}

/// What the records of an object show together.
#[derive(Debug, Clone, Default)]
pub(super) struct Signs {
    /// There is a record of a NAT gateway.
    pub nat: bool,
    /// There is a record of an interface endpoint.
    pub endpoint: bool,
    /// NAT gateways with an end that is not inside; all those that nobody listed are one.
    pub public_nats: BTreeSet<Option<u32>>,
    /// Pairs of VPCs with a sign of peering, the lower name first.
    pub peered: BTreeSet<[Arc<str>; 2]>,
    /// Pairs of VPCs that a transit gateway connects.
    pub in_transit: BTreeSet<[Arc<str>; 2]>,
}

impl Signs {
    fn pair([a, b]: [&Arc<str>; 2]) -> [Arc<str>; 2] {
        if a < b { [a.clone(), b.clone()] } else { [b.clone(), a.clone()] }
    }

    pub(super) fn are_peered(&self, pair: [&Arc<str>; 2]) -> bool {
        self.peered.contains(&Self::pair(pair))
    }

    pub(super) fn are_in_transit(&self, pair: [&Arc<str>; 2]) -> bool {
        self.in_transit.contains(&Self::pair(pair))
    }
}

/// All that a record is judged by, beside its own facts.
pub(super) struct Judge<'o> {
    pub topology: &'o Topology,
    pub rules: &'o Rules,
    pub names: &'o Names<'o>,
    pub vpcs: &'o Vpcs,
    /// What each VPC's records see, by number.
    pub networks: &'o [Networks],
    pub lessons: &'o Lessons,
    pub signs: &'o Signs,
}

/// What was found out about a record on the way to its verdict.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub verdict: Verdict,
    pub source: Option<End>,
    pub destination: Option<End>,
    /// A charge between two VPCs was left out because no sign says how they are connected. Told of every record, while
    /// the doubt is told of counted ones only.
    pub between_vpcs: bool,
}

impl Judge<'_> {
    pub(super) fn networks(&self, vpc: u16) -> Networks {
        self.networks[usize::from(vpc)]
    }

    /// Judges a record. `taught` is what the object taught of the addresses of source and destination.
    pub(super) fn judge(&self, facts: &Facts, taught: [&Answer; 2]) -> Judged {
        let outcome = match facts.status {
            Status::NoData => Some(RecordOutcome::NoData),
            Status::SkipData => Some(RecordOutcome::SkipData),
            Status::Rejected => Some(RecordOutcome::Rejected),
            Status::Accepted => None,
        };
        if let Some(outcome) = outcome {
            let mut verdict = Verdict::without_traffic(outcome);
            if facts.status == Status::Rejected {
                verdict.contradictions = self.contradictions(facts, taught);
            }
            return Judged { verdict, source: None, destination: None, between_vpcs: false };
        }
        let source = self.end(facts, Side::Source, taught[0]);
        let destination = self.end(facts, Side::Destination, taught[1]);
        let (outcome, nat, mut doubts) = self.outcome(facts, (&source, &destination), taught);
        let mut contradictions = self.contradictions(facts, taught);
        if outcome == RecordOutcome::NatPublicLeg {
            let mut verdict = Verdict::without_traffic(outcome);
            verdict.contradictions = contradictions;
            let (source, destination) = (Some(source), Some(destination));
            return Judged { verdict, source, destination, between_vpcs: false };
        }
        let found = Found { facts, nat, source: &source, destination: &destination, taught };
        let (charges, doubtful) = self.charges(&found);
        if outcome == RecordOutcome::Counted && nat == NatDirection::None {
            // One end of what an interface records is ours: if it is not known, nothing is (semantics 8.2).
            let unknown = [source.label, destination.label].contains(&Label::Unknown)
                || !(source.is_somewhere() || destination.is_somewhere());
            let doubtful_interface = matches!(facts.captured, Captured::Plain { doubtful: true, .. });
            doubts = doubtful
                .with(Doubt::UnknownZone, unknown)
                .with(Doubt::EgressPath, self.is_egress_path_doubtful(&found))
                .with(Doubt::Interface, doubtful_interface);
        }
        contradictions = contradictions.with(Contradiction::Path, is_odd_path(facts, &found, charges));
        let verdict = Verdict {
            outcome,
            key: VerdictKey {
                source: source.label,
                destination: destination.label,
                port_group: facts.port_group,
                nat_direction: nat,
                source_az: source.az,
                destination_az: destination.az,
                relation: relation(&source, &destination),
            },
            inter_az: found.is_inter_az(),
            charges,
            doubts,
            contradictions,
        };
        let between_vpcs = doubtful.contains(Doubt::BetweenVpcs);
        Judged { verdict, source: Some(source), destination: Some(destination), between_vpcs }
    }

    /// Outcome, NAT direction, and the doubts that come with them.
    fn outcome(
        &self,
        facts: &Facts,
        (source, destination): (&End, &End),
        taught: [&Answer; 2],
    ) -> (RecordOutcome, NatDirection, DoubtSet) {
        if let Captured::Nat { rules, gateway } = facts.captured {
            let inside = [source.inside, destination.inside];
            return match self.leg(facts, (rules, gateway), inside, taught) {
                Leg::Public => (RecordOutcome::NatPublicLeg, NatDirection::None, DoubtSet::NONE),
                Leg::Client(direction, doubtful) => {
                    let doubts = DoubtSet::NONE.with(Doubt::NatLeg, doubtful);
                    (RecordOutcome::Counted, direction, doubts)
                }
            };
        }
        let forwards = taught.iter().any(|answer| answer.forwards);
        let far_side = |doubtful| DoubtSet::NONE.with(Doubt::FarSide, doubtful);
        match self.vantage(facts, source, forwards) {
            Vantage::Counts => (RecordOutcome::Counted, NatDirection::None, DoubtSet::NONE),
            Vantage::OtherSide => (RecordOutcome::OtherSide, NatDirection::None, far_side(false)),
            Vantage::OtherSideInDoubt => (RecordOutcome::OtherSide, NatDirection::None, far_side(true)),
        }
    }

    /// What a record says against the topology (semantics 8.7 to 8.11), but for its path.
    fn contradictions(&self, facts: &Facts, taught: [&Answer; 2]) -> ContradictionSet {
        use Contradiction::{AzId as OtherAz, Endpoint, Forwarder, OutsideNetworks, Region};
        let networks = self.networks(facts.vpc);
        let own = facts.own_end().filter(|_| facts.shows_own_side());
        let zone = own.and_then(|own| own.net.zone).map(|zone| self.topology.zones.zone(zone));
        let own_az = facts.own_az.filter(|_| networks.az_ids_speak);
        let other_az = own_az.is_some_and(|az| zone.is_some_and(|zone| zone.az != Some(az)));
        let end = |side: Side| {
            let taught = taught[usize::from(side == Side::Destination)];
            self.end(facts, side, taught)
        };
        let other_region = own.is_some()
            && own_az.and_then(|az| self.names.named_region(az)).is_some_and(|named| {
                facts.own_side().map(end).and_then(|own| own.region).is_some_and(|region| region != named)
            });
        let outside = own.is_some_and(|own| own.net.zone.is_none()) && networks.has_networks;
        let forwarded = facts.is_plain() && facts.own_end().is_some_and(|own| own.is_forwarded());
        let endpoint = self.rules.endpoint_at == EndpointAt::Endpoint
            && facts.is_plain()
            && facts.next_hop.kind == InterfaceType::VpcEndpoint
            && !self.signs.endpoint;
        ContradictionSet::NONE
            .with(OtherAz, other_az)
            .with(Region, other_region)
            .with(OutsideNetworks, outside)
            .with(Forwarder, forwarded)
            .with(Endpoint, endpoint)
    }

    /// Adds what a record shows of how two VPCs are connected (semantics 6.12).
    pub(super) fn note_connection(&self, facts: &Facts, taught: [&Answer; 2], signs: &mut Signs) {
        if facts.status != Status::Accepted || matches!(facts.captured, Captured::Nat { .. }) {
            return;
        }
        let source = self.end(facts, Side::Source, taught[0]);
        let destination = self.end(facts, Side::Destination, taught[1]);
        let found =
            Found { facts, nat: NatDirection::None, source: &source, destination: &destination, taught };
        if let Some(pair) = found.two_vpcs() {
            if facts.path == Path::PEERING {
                signs.peered.insert(Signs::pair(pair));
            }
            if found.enters_transit() {
                signs.in_transit.insert(Signs::pair(pair));
            }
        }
    }
}

/// The traffic path does not fit the regions of the ends (semantics 8.8).
fn is_odd_path(facts: &Facts, found: &Found<'_>, charges: ChargeSet) -> bool {
    match facts.path {
        Path::PEERING => charges.contains(Charge::InterRegion),
        Path::PEERING_ABROAD => {
            found.source.region.is_some() && found.source.region == found.destination.region
        }
        _ => false,
    }
}

/// How two ends stand to each other (semantics 9.4).
fn relation(source: &End, destination: &End) -> Relation {
    if let Some((a, b)) = source.az.zip(destination.az) {
        return match source.region == destination.region {
            _ if a == b => Relation::SameAz,
            true => Relation::InterAz,
            false => Relation::InterRegion,
        };
    }
    let labels = [source.label, destination.label];
    if labels.contains(&Label::Internet) {
        Relation::Internet
    } else if labels.iter().any(|label| matches!(label, Label::Aws | Label::AwsRegion(_))) {
        Relation::Aws
    } else {
        Relation::Unknown
    }
}
