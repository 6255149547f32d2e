//! A classifier at work on one object.
//!
//! Records get numbers as they come: those with equal facts one number, and where the object may teach of their
//! addresses one for each address. What a number means is found at the end, when the object has taught all that it can,
//! so that the order of rows never matters (semantics 2.19).

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use hashbrown::HashMap;

use super::{
    Classifier,
    ends::{Label, Step},
    facts::{Captured, EndFacts, Facts, NatRules, Side, Status},
    judge::{Judge, Judged, Signs, Verdict},
    names::Names,
    record::{Bad, Numbers, Row},
    signature::{ALONE, Signer},
    taught::{Answer, Lesson, Lessons, Via, Vpcs},
    values::{Desk, Values},
};
use crate::{
    decode::{Direction, FlowBatch, InterfaceType},
    limits,
    model::{Contradiction, RecordOutcome, Remark},
    topology::{Networks, Sight},
};

/// A classifier at work on one object.
#[derive(Debug)]
pub struct ObjectClassifier<'c> {
    classifier: &'c Classifier,
    sight: Sight,
    account: Option<u64>,
    names: Names<'c>,
    vpcs: Vpcs,
    /// What each VPC's records see, by number.
    networks: Vec<Networks>,
    values: Values,
    signer: Signer,
    kinds: Kinds,
    open: OpenNumbers,
    lessons: Lessons,
    signs: Signs,
    keeps: bool,
}

/// What a record that is looked at by itself is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alone {
    /// Its number.
    pub number: u32,
    /// Its bytes.
    pub bytes: u64,
    /// Its packets.
    pub packets: u64,
}

/// In a memo's number: records of this kind have a number for each address. Without it the number is final.
const OPEN: u32 = 1 << 31;

/// A kind of records: equal facts.
#[derive(Debug)]
struct Kind {
    facts: Facts,
    openness: Openness,
    /// What its records teach of their own side, without the interface.
    lesson: Option<Lesson>,
    /// Its own side shows a packet of another host.
    forwards: bool,
    /// A NAT gateway whose address is to be found.
    finds_nat: bool,
    /// A NAT gateway of which no address is known: its own side shows one.
    nat_side: bool,
    /// What stands before its far side.
    via: Option<Via>,
}

impl Kind {
    /// Whether its records have to be looked at one by one in an object that teaches.
    fn is_open(&self) -> bool {
        self.openness != Openness::Closed
            || self.lesson.is_some()
            || self.forwards
            || self.finds_nat
            || self.nat_side
            || self.via.is_some()
    }
}

/// Of which addresses the meaning of a kind of records depends on what the object teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Openness {
    Closed,
    /// The far side, which is at a public address or not.
    Far {
        side: Side,
        public: bool,
    },
    /// The own side: its interface may forward. And the far side, at a public address.
    FarAndOwn {
        side: Side,
        public: bool,
    },
    /// Both, of a record without a direction or of a NAT gateway whose address is to be found.
    Both,
}

#[derive(Debug, Default)]
struct Kinds {
    list: Vec<Kind>,
    /// Some kind is open: addresses must be remembered, and records looked at.
    are_open: bool,
    known: HashMap<Facts, u32>,
    too_many: bool,
}

/// Numbers of records whose meaning waits for what the object teaches.
#[derive(Debug, Default)]
struct OpenNumbers {
    /// For each number its kind, and places of the source's and destination's address, and of the own plain address;
    /// counted from 1, 0 is none.
    list: Vec<Waiting>,
    known: HashMap<Waiting, u32>,
    /// Those that were asked for last.
    front: Box<[(Waiting, u32)]>,
    /// How many of them have an address.
    waiting: usize,
    /// There are more addresses than can be remembered.
    overflowed: bool,
    /// What is not asked for any more.
    given_up: GivenUp,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Waiting {
    kind: u32,
    source: u32,
    destination: u32,
    /// The own plain address.
    own: u32,
}

impl Waiting {
    fn has_address(&self) -> bool {
        self.source != 0 || self.destination != 0 || self.own != 0
    }
}

/// How much of the object's teaching is given up (semantics 2.19).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum GivenUp {
    #[default]
    Nothing,
    PublicAddresses,
    Everything,
}

const FRONT: usize = 1 << 12;

impl OpenNumbers {
    #[inline]
    fn number(&mut self, waiting: Waiting) -> u32 {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let Waiting { kind, source, destination, own } = waiting;
        let mixed = u64::from(kind) ^ (u64::from(source | destination) << 20) ^ (u64::from(own) << 42);
        let slot = (mixed.wrapping_mul(SPREAD) >> (64 - FRONT.trailing_zeros())) as usize;
        match self.front.get(slot) {
            Some((known, number)) if *known == waiting => *number,
            _ => self.number_behind(waiting, slot),
        }
    }

    #[inline(never)]
    fn number_behind(&mut self, waiting: Waiting, slot: usize) -> u32 {
        let next = self.list.len() as u32;
        let number = *self.known.entry(waiting).or_insert(next);
        if number == next {
            self.list.push(waiting);
            self.waiting += usize::from(waiting.has_address());
        }
        if self.front.is_empty() {
            self.front = vec![(Waiting { kind: u32::MAX, ..Waiting::default() }, 0); FRONT].into();
        }
        self.front[slot] = (waiting, number);
        number
    }
}

impl<'c> ObjectClassifier<'c> {
    /// Begins an object, of which the key says account and region.
    pub fn new(classifier: &'c Classifier, account: Option<&str>, region: Option<&str>) -> Self {
        let sight = classifier.topology.view(account, region.unwrap_or_default());
        let names = Names::new(&classifier.topology, &sight.region);
        Self {
            classifier,
            account: account.and_then(|account| account.parse().ok()),
            networks: vec![sight.view.networks(None)],
            sight,
            names,
            vpcs: Vpcs::default(),
            values: Values::default(),
            signer: Signer::default(),
            kinds: Kinds::default(),
            open: OpenNumbers::default(),
            lessons: Lessons::default(),
            signs: Signs::default(),
            keeps: false,
        }
    }

    /// Region of the key, else of the source: whose prices hold.
    pub fn region(&self) -> &Arc<str> {
        &self.sight.region
    }

    /// Sorts the records of a batch: for each one a number, or [`ALONE`]. What numbers mean is [found](Self::finish) at the
    /// end.
    pub fn sort(&mut self, batch: &FlowBatch, sorted: &mut Vec<u32>) {
        self.learn(batch);
        let Self { classifier, values, signer, kinds, open, signs, networks, .. } = self;
        let networks = &*networks;
        signer.sort(values, &classifier.ports, batch, sorted, |row| {
            let read = Row {
                topology: &classifier.topology,
                rules: &classifier.rules,
                ports: &classifier.ports,
                batch,
                values,
                row,
            }
            .read();
            // Somebody will want to know the row of a bad one.
            let Ok((facts, _)) = read else { return ALONE };
            let kind = kinds.number(facts, &Context { classifier, networks }, signs);
            if kinds.list[kind as usize].is_open() {
                kind | OPEN
            } else {
                open.number(Waiting { kind, ..Waiting::default() })
            }
        });
        if kinds.are_open {
            for (row, number) in sorted.iter_mut().enumerate() {
                if *number & OPEN != 0 && *number != ALONE {
                    *number = self.look(batch, row, *number & !OPEN);
                }
            }
        }
    }

    /// Looks at a record of the batch that was [sorted](Self::sort) last by itself.
    ///
    /// # Errors
    /// When it cannot be read as a record.
    pub fn alone(&mut self, batch: &FlowBatch, row: usize) -> Result<Alone, Bad> {
        let Self { classifier, values, kinds, signs, networks, .. } = self;
        let (facts, Numbers { bytes, packets }) = Row {
            topology: &classifier.topology,
            rules: &classifier.rules,
            ports: &classifier.ports,
            batch,
            values,
            row,
        }
        .read()?;
        let kind = kinds.number(facts, &Context { classifier, networks }, signs);
        let number = self.look(batch, row, kind);
        Ok(Alone { number, bytes, packets })
    }

    /// How many numbers there are so far.
    pub fn numbers(&self) -> usize {
        self.open.list.len()
    }

    /// How many addresses are remembered.
    #[cfg(test)]
    pub(super) fn addresses(&self) -> usize {
        self.values.book.len()
    }

    /// How many bits the signatures of the last batch have.
    #[cfg(test)]
    pub(super) fn signature_bits(&self) -> u32 {
        self.signer.bits()
    }

    /// Whether records with this number are traffic, whose sums must not overflow.
    pub fn is_traffic(&self, number: u32) -> bool {
        let kind = self.open.list[number as usize].kind;
        self.kinds.list[kind as usize].facts.status == Status::Accepted
    }

    /// Whether records differ in more ways than those of any flow log.
    pub fn has_too_many_kinds(&self) -> bool {
        self.kinds.too_many
    }

    /// Numbers that have become the same since this was asked last: for each old one the new one, all of which are lower
    /// than the number of new ones.
    /// `too_many_sums`: the caller has more sums than it wants to have.
    pub fn take_merged(&mut self, too_many_sums: bool) -> Option<Vec<u32>> {
        self.open.given_up = match self.open.given_up {
            GivenUp::Everything => return None,
            GivenUp::Nothing | GivenUp::PublicAddresses if self.open.overflowed => GivenUp::Everything,
            _ if self.open.waiting <= limits::OPEN_SUMS && !too_many_sums => return None,
            GivenUp::Nothing => GivenUp::PublicAddresses,
            GivenUp::PublicAddresses => GivenUp::Everything,
        };
        if self.open.given_up == GivenUp::Everything {
            self.lessons.give_up();
        }
        let old = std::mem::take(&mut self.open.list);
        self.open.known.clear();
        self.open.front = Box::default();
        self.open.waiting = 0;
        let merged = old.into_iter().map(|waiting| {
            let openness = self.kinds.list[waiting.kind as usize].openness;
            self.open.number(keep(waiting, openness, self.open.given_up))
        });
        let merged = merged.collect();
        // Final numbers of kinds without addresses are other ones now.
        self.signer.forget();
        Some(merged)
    }

    fn learn(&mut self, batch: &FlowBatch) {
        // Once an address may be asked for, none is forgotten.
        self.keeps |= batch.flow_direction.is_some() || self.kinds.are_open;
        let mut desk = Desk {
            topology: &self.classifier.topology,
            view: &self.sight.view,
            account: self.account,
            names: &mut self.names,
            vpcs: &mut self.vpcs,
            keeps: self.keeps && self.open.given_up != GivenUp::Everything,
        };
        self.open.overflowed |= self.values.learn(&mut desk, batch);
        for number in self.networks.len()..self.vpcs.len() {
            let id = self.vpcs.id(number as u16).map(|id| &**id);
            self.networks.push(self.sight.view.networks(id));
        }
    }

    /// Takes what a record teaches, and finds its number.
    fn look(&mut self, batch: &FlowBatch, row: usize, number: u32) -> u32 {
        let kind = &self.kinds.list[number as usize];
        let values = &self.values;
        let place = |column: &Option<crate::decode::DictColumn<_>>, of: &super::values::Addresses| {
            column
                .as_ref()
                .map_or(0, |column| values.book.taught_at(of.places[column.index[row] as usize]) + 1)
        };
        let plain = |side: Side| match side {
            // Null has a place in the book, but is no address.
            _ if !kind.facts.end(side).plain_there => 0,
            Side::Source => place(&batch.srcaddr, &values.srcaddr),
            Side::Destination => place(&batch.dstaddr, &values.dstaddr),
        };
        let endpoint = |side: Side| match (side, kind.facts.end(side).packet_there) {
            (Side::Source, true) => place(&batch.pkt_srcaddr, &values.pkt_srcaddr),
            (Side::Destination, true) => place(&batch.pkt_dstaddr, &values.pkt_dstaddr),
            (side, false) => plain(side),
        };
        let interface = || {
            let column = batch.interface_id.as_ref();
            column.map_or(0, |column| {
                values.interfaces.numbers.get(column.index[row] as usize).copied().unwrap_or(0)
            })
        };
        if let Some(own) = kind.facts.own_side() {
            if let Some(lesson) = &kind.lesson
                && let at @ 1.. = endpoint(own)
            {
                let lesson = Lesson { interface: interface(), ..*lesson };
                let v6 = || v6_at(values, at);
                self.lessons.take(at - 1, &lesson, v6);
            }
            if kind.forwards
                && let at @ 1.. = plain(own)
            {
                self.lessons.note_forwarder(kind.facts.vpc, at - 1, interface());
            }
        }
        if let Some(via) = kind.via
            && let Some(own) = kind.facts.own_side()
            && let at @ 1.. = endpoint(own.other())
        {
            self.lessons.note_via(kind.facts.vpc, at - 1, via);
        }
        if kind.nat_side
            && let Some(own) = kind.facts.own_side()
            && let at @ 1.. = plain(own)
        {
            self.lessons.note_nat_side(at - 1);
        }
        if kind.finds_nat {
            let places = [Side::Source, Side::Destination].map(|side| plain(side).checked_sub(1));
            self.lessons.note_nat(interface(), places);
        }
        let mut waiting = Waiting { kind: number, ..Waiting::default() };
        match kind.openness {
            Openness::Closed => {}
            Openness::Far { side, .. } => waiting.put(side, endpoint(side)),
            Openness::FarAndOwn { side, .. } => {
                waiting.put(side, endpoint(side));
                waiting.own = plain(side.other());
            }
            Openness::Both => {
                waiting.put(Side::Source, endpoint(Side::Source));
                waiting.put(Side::Destination, endpoint(Side::Destination));
            }
        }
        let waiting = keep(waiting, kind.openness, self.open.given_up);
        self.open.number(waiting)
    }

    fn judge<'o>(&'o self, signs: &'o Signs) -> Judge<'o> {
        Judge {
            topology: &self.classifier.topology,
            rules: &self.classifier.rules,
            names: &self.names,
            vpcs: &self.vpcs,
            networks: &self.networks,
            lessons: &self.lessons,
            signs,
        }
    }

    /// Finds what the numbers mean. [`Self::take_merged`] must have been asked until it had nothing to say.
    pub fn finish(mut self) -> Meaning<'c> {
        let mut signs = std::mem::take(&mut self.signs);
        let nats = self.lessons.nat_addresses();
        let nowhere = Answer::default();
        let answers = |waiting: &Waiting, kind: &Kind| {
            let vpc = kind.facts.vpc;
            let answer = |place: u32| {
                let Some(place) = place.checked_sub(1) else { return nowhere.clone() };
                let mut answer = self.lessons.answer(place, vpc, v6_at(&self.values, place + 1));
                answer.is_nat = nats.contains(&place);
                answer
            };
            let mut source = answer(waiting.source);
            let mut destination = answer(waiting.destination);
            if let Some(own) = waiting.own.checked_sub(1) {
                let forwards = self.lessons.forwards(own, vpc);
                match kind.facts.own_side() {
                    Some(Side::Source) => source.forwards = forwards,
                    _ => destination.forwards = forwards,
                }
            }
            (source, destination)
        };
        if self.vpcs.len() > 1 || self.classifier.has_vpc_scopes {
            let mut noted = Signs { peered: BTreeSet::new(), in_transit: BTreeSet::new(), ..signs.clone() };
            for waiting in &self.open.list {
                let kind = &self.kinds.list[waiting.kind as usize];
                let (source, destination) = answers(waiting, kind);
                self.judge(&signs).note_connection(&kind.facts, [&source, &destination], &mut noted);
            }
            signs = noted;
        }
        let judge = self.judge(&signs);
        let mut remarks = Remarks::default();
        let mut last: Option<(u32, Answer, Answer, Verdict)> = None;
        let mut verdicts = Vec::with_capacity(self.open.list.len());
        for waiting in &self.open.list {
            let kind = &self.kinds.list[waiting.kind as usize];
            let (source, destination) = answers(waiting, kind);
            // Numbers of a kind mostly come one after another and were taught the same.
            if let Some((known, a, b, verdict)) = &last
                && *known == waiting.kind
                && *a == source
                && *b == destination
            {
                verdicts.push(*verdict);
                continue;
            }
            let judged = judge.judge(&kind.facts, [&source, &destination]);
            remarks.of_record(&judge, &kind.facts, &judged, [&source, &destination]);
            verdicts.push(judged.verdict);
            last = Some((waiting.kind, source, destination, judged.verdict));
        }
        remarks.of_object(&judge, &self);
        let shared = self.lessons.shared();
        let forwarded = shared.iter().map(|one| one.records).sum();
        Meaning { verdicts, forwarded, remarks: remarks.0, names: self.names, classifier: self.classifier }
    }
}

impl Waiting {
    fn put(&mut self, side: Side, place: u32) {
        match side {
            Side::Source => self.source = place,
            Side::Destination => self.destination = place,
        }
    }
}

/// What is left of a number's addresses when some are given up.
fn keep(waiting: Waiting, openness: Openness, given_up: GivenUp) -> Waiting {
    let bare = Waiting { kind: waiting.kind, ..Waiting::default() };
    match (given_up, openness) {
        (GivenUp::Nothing, _) => waiting,
        (GivenUp::Everything, _) => bare,
        (GivenUp::PublicAddresses, Openness::Far { public: true, .. }) => bare,
        (GivenUp::PublicAddresses, Openness::FarAndOwn { public: true, .. }) => {
            Waiting { own: waiting.own, ..bare }
        }
        (GivenUp::PublicAddresses, _) => waiting,
    }
}

fn v6_at(values: &Values, place: u32) -> Option<Ipv6Addr> {
    match values.book.address(place.checked_sub(1)?)? {
        IpAddr::V6(v6) => Some(v6),
        IpAddr::V4(_) => None,
    }
}

/// What a kind of records is looked at with.
struct Context<'k> {
    classifier: &'k Classifier,
    networks: &'k [Networks],
}

impl Kinds {
    fn number(&mut self, facts: Facts, context: &Context<'_>, signs: &mut Signs) -> u32 {
        if let Some(number) = self.known.get(&facts) {
            return *number;
        }
        let teaches = matches!(facts.status, Status::Accepted | Status::Rejected);
        signs.nat |= teaches && matches!(facts.captured, Captured::Nat { .. });
        signs.endpoint |= teaches && facts.captured == Captured::Middlebox(InterfaceType::VpcEndpoint);
        if let Captured::Nat { gateway, .. } = facts.captured
            && teaches
        {
            let is_remote = |end: &EndFacts| !(end.private || end.is_v6() || end.net.zone.is_some());
            if is_remote(&facts.source) || is_remote(&facts.destination) {
                signs.public_nats.insert(gateway);
            }
        }
        self.too_many |= self.list.len() >= limits::OBJECT_KINDS;
        let number = self.list.len() as u32;
        let kind = context.kind(facts);
        self.are_open |= kind.is_open();
        self.list.push(kind);
        self.known.insert(facts, number);
        number
    }
}

impl Context<'_> {
    fn kind(&self, facts: Facts) -> Kind {
        let speaks = matches!(facts.status, Status::Accepted | Status::Rejected);
        let teaches = facts.learns && speaks;
        let networks = self.networks[usize::from(facts.vpc)];
        let own = facts.own_end().filter(|_| teaches);
        let lesson = own.filter(|_| facts.shows_own_side()).map(|own| Lesson {
            vpc: facts.vpc,
            interface: 0,
            az: facts.own_az,
            sure: facts.is_sure(),
            service: facts
                .own_service
                .filter(|at| !self.classifier.topology.services[*at as usize].has_cidrs),
            outside: own.net.zone.is_none() && networks.has_networks,
            endpoint: facts.captured == Captured::Middlebox(InterfaceType::VpcEndpoint),
        });
        let gateway_known = |gateway: Option<u32>| {
            gateway.is_some_and(|at| self.classifier.topology.gateways[at as usize].has_addresses)
        };
        let unknown_nat = match facts.captured {
            Captured::Nat { rules: NatRules::Zonal, gateway } => speaks && !gateway_known(gateway),
            _ => false,
        };
        let has_packets = facts.source.packet_there && facts.destination.packet_there;
        let asks_nat = unknown_nat && !has_packets;
        let via = match facts.next_hop.kind {
            InterfaceType::TransitGateway => Some(Via::TransitGateway),
            InterfaceType::VpcEndpoint => Some(Via::Endpoint),
            _ => None,
        };
        let tells_via = teaches
            && facts.direction == Direction::Egress
            && matches!(facts.captured, Captured::Plain { .. } | Captured::Nat { .. });
        Kind {
            openness: if (teaches || asks_nat || facts.is_way_out_of_forwarder())
                && facts.status == Status::Accepted
            {
                self.openness(&facts, asks_nat)
            } else {
                Openness::Closed
            },
            lesson,
            forwards: facts.is_plain() && own.is_some_and(|own| own.is_forwarded()),
            finds_nat: unknown_nat,
            nat_side: teaches && unknown_nat,
            via: via.filter(|_| tells_via),
            facts,
        }
    }

    fn openness(&self, facts: &Facts, asks_nat: bool) -> Openness {
        let Some(own) = facts.own_side() else { return Openness::Both };
        let own_end = facts.end(own);
        // Whether it is inside is for other own sides to say.
        let is_stray = own_end.is_v6() && own_end.net.zone.is_none() && !facts.shows_own_side();
        if asks_nat || is_stray || facts.is_way_out_of_forwarder() {
            return Openness::Both;
        }
        let networks = self.networks[usize::from(facts.vpc)];
        let side = own.other();
        let far = facts.end(side);
        let public = !far.private && !far.is_v6() && far.net.zone.is_none();
        let teachable = networks.az_ids_speak
            || facts.has_vpcs
            || facts.has_next_hops
            || far.is_v6()
            || self.classifier.has_services_by_interface;
        // Only a source that is not logged can make an ingress record count.
        let zone = far.net.zone.or(far.net.elsewhere).map(|zone| self.classifier.topology.zones.zone(zone));
        let may_count = self.classifier.has_unlogged_zones
            || zone.map_or(!far.private || networks.has_networks, |zone| !zone.logged);
        if side == Side::Source && facts.is_plain() && facts.sender && may_count {
            Openness::FarAndOwn { side, public }
        } else if teachable {
            Openness::Far { side, public }
        } else {
            Openness::Closed
        }
    }
}

/// What the numbers of an object mean.
#[derive(Debug)]
pub struct Meaning<'c> {
    /// For each number.
    pub verdicts: Vec<Verdict>,
    /// Records at interfaces that show another interface's address (second half of semantics 8.9).
    pub forwarded: u64,
    /// What the records say about the configuration.
    pub remarks: BTreeSet<Remark>,
    names: Names<'c>,
    classifier: &'c Classifier,
}

impl Meaning<'_> {
    /// The label value of an endpoint.
    pub fn label(&self, label: Label) -> Arc<str> {
        self.names.label(label)
    }

    /// The name of an AZ.
    pub fn az(&self, az: crate::topology::AzId) -> Arc<str> {
        self.names.az_name(az)
    }

    /// The label value of a port group.
    pub fn group(&self, group: super::GroupId) -> Arc<str> {
        self.classifier.group_name(group)
    }
}

/// Remarks about the configuration, as far as there is room.
#[derive(Default)]
struct Remarks(BTreeSet<Remark>);

impl Remarks {
    fn add(&mut self, remark: impl FnOnce() -> Remark) {
        if self.0.len() < limits::HINTS {
            self.0.insert(remark());
        }
    }

    fn of_record(&mut self, judge: &Judge<'_>, facts: &Facts, judged: &Judged, taught: [&Answer; 2]) {
        let zones = &judge.topology.zones;
        let own = facts.own_end().filter(|_| facts.shows_own_side());
        let own_zone = own.and_then(|own| own.net.zone).map(|zone| zones.zone(zone));
        if let (Some(zone), Some(az)) = (own_zone, facts.own_az) {
            let silent = !judge.networks(facts.vpc).az_ids_speak;
            if silent
                && zone.has_networks
                && !zone.has_az_id
                && matches!(judged.verdict.outcome, RecordOutcome::Counted | RecordOutcome::OtherSide)
            {
                self.add(|| Remark::ZoneWithoutAzId {
                    zone: zone.name.clone(),
                    az_id: judge.names.az_name(az),
                });
            }
        }
        for kind in judged.verdict.contradictions.iter() {
            match kind {
                Contradiction::AzId => {
                    if let (Some(zone), Some(az)) = (own_zone, facts.own_az) {
                        self.add(|| Remark::OtherAzId {
                            zone: zone.name.clone(),
                            configured: zone.az.map(|az| judge.names.az_name(az)).unwrap_or_default(),
                            logged: judge.names.az_name(az),
                        });
                    }
                }
                Contradiction::Region => {
                    if let (Some(side), Some(az)) = (facts.own_side(), facts.own_az) {
                        let end = judge.end(facts, side, taught[usize::from(side == Side::Destination)]);
                        self.add(|| Remark::OtherRegion {
                            zone: judge.names.label(end.label),
                            configured: end
                                .region
                                .map(|region| judge.names.region_name(region))
                                .unwrap_or_default(),
                            az_id: judge.names.az_name(az),
                        });
                    }
                }
                Contradiction::Path => self.add(|| Remark::OddPath {
                    path: i64::from(facts.path.0),
                    src_zone: judge.names.label(judged.verdict.key.source),
                    dst_zone: judge.names.label(judged.verdict.key.destination),
                }),
                Contradiction::Endpoint => self.add(|| Remark::EndpointWithoutRecords),
                // Named by their addresses and interfaces: see `of_object`.
                Contradiction::OutsideNetworks | Contradiction::Forwarder => {}
            }
        }
        let ends = [&judged.source, &judged.destination];
        if judged.between_vpcs
            && let [Some(one), Some(other)] = ends.map(|end| end.as_ref().and_then(|end| end.vpc.clone()))
        {
            let (one, other) = if one < other { (one, other) } else { (other, one) };
            self.add(|| Remark::BetweenVpcs { one, other });
        }
        for (side, end) in [(Side::Source, &judged.source), (Side::Destination, &judged.destination)] {
            if end.as_ref().is_some_and(|end| end.step == Step::OtherScope)
                && let Some(zone) = facts.end(side).net.elsewhere
            {
                self.add(|| Remark::OtherScope { zone: zones.zone(zone).name.clone() });
            }
            if let Some(service) = taught[usize::from(side == Side::Destination)].service {
                let service = &judge.topology.services[service as usize];
                if !service.has_cidrs {
                    self.add(|| Remark::ServiceWithoutCidrs { service: service.name.clone() });
                }
            }
        }
    }

    fn of_object(&mut self, judge: &Judge<'_>, object: &ObjectClassifier<'_>) {
        if object.open.given_up != GivenUp::Nothing {
            self.add(|| Remark::TooManyAddresses);
        }
        let interfaces = &object.values.interfaces;
        let shared = object.lessons.shared();
        let forwarding = object.lessons.forwarding_interfaces().chain(shared.iter().map(|one| one.interface));
        let names: BTreeSet<&Arc<str>> = forwarding.filter_map(|number| interfaces.name(number)).collect();
        for interface_id in names {
            self.add(|| Remark::Forwarder { interface_id: interface_id.clone() });
        }
        let outside: BTreeSet<(Arc<str>, Option<Arc<str>>)> = object
            .lessons
            .outside_networks()
            .filter_map(|(place, az)| {
                let network = network_of(object.values.book.address(place)?);
                Some((network, az.map(|az| judge.names.az_name(az))))
            })
            .collect();
        for (network, az_id) in outside {
            self.add(|| Remark::OutsideNetworks { network, az_id });
        }
    }
}

/// The /24 or /64 of an address, as for a person.
fn network_of(address: IpAddr) -> Arc<str> {
    let length = if address.is_ipv4() { 24 } else { 64 };
    let net = ipnet::IpNet::new(address, length).map(|net| net.trunc().to_string());
    net.unwrap_or_default().into()
}
