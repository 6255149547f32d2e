//! What an object teaches about its own records: semantics 2.17 to 2.20, 4.8, 6.12 to 6.14 and 7.3.
//!
//! Everything is read twice at least: once to learn, once to judge. The bound of semantics 2.19
//! lies far above what the oracle is asked to read.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Columns, OracleConfig, Part, Row, Series,
    addr::Addr,
    charge, contradiction,
    end::{self, End},
    interface::{self, Interface},
    nat::{self, Leg, Nat},
    record::{self, Named, Reading, Record, Side},
    scope, vantage,
    zone::Az,
};

/// A record that teaches (semantics 2.17).
pub(super) struct Seen {
    pub(super) record: Record,
    pub(super) nat: Option<Nat>,
    pub(super) interface: Interface,
}

impl Seen {
    /// Returns whether this is the traffic of a box itself (semantics 2.14).
    fn is_box_itself(&self) -> bool {
        let kind = self.interface.is_a("network_load_balancer") || self.interface.is_a("vpc_endpoint");
        kind && self.record.own().is_some_and(Named::same)
    }

    /// Returns whether the interface is plain for sure, or counts as such (semantics 2.14).
    pub(super) fn is_sure(&self) -> bool {
        self.interface.is_sure() || self.is_box_itself()
    }

    /// Returns whether the own side is the interface's, and teaches: pods live on secondary
    /// addresses; a public IPv4 address that is not the plain one is somebody else's (semantics
    /// 2.17).
    pub(super) fn teaches(&self, config: &OracleConfig) -> bool {
        let Some(own) = self.record.own() else { return false };
        (self.interface.is_plain() || self.is_box_itself())
            && (own.end.is_private()
                || own.end.is_six()
                || scope::in_a_network(own.end, &self.record.scope, config)
                || own.plain == Some(own.end))
    }

    /// Returns whether the packet address of the own side is somebody else's (semantics 2.17).
    pub(super) fn shows_another(&self, config: &OracleConfig) -> bool {
        self.record.own().is_some_and(|own| {
            own.differ()
                && own.end.is_public_four()
                && !scope::in_a_network(own.end, &self.record.scope, config)
        })
    }

    /// Returns whether a side is the own one, and teaches.
    pub(super) fn teaches_of(&self, side: Side, config: &OracleConfig) -> bool {
        self.record.own_side() == Some(side) && self.teaches(config)
    }
}

/// The AZ ids that own sides at one address showed.
#[derive(Default)]
pub(super) struct Taught {
    for_sure: BTreeSet<String>,
    otherwise: BTreeSet<String>,
}

impl Taught {
    /// Two AZs of equal rank are none (semantics 2.17).
    pub(super) fn az(&self) -> Option<&String> {
        if self.for_sure.is_empty() { only(&self.otherwise) } else { only(&self.for_sure) }
    }

    pub(super) fn az_for_sure(&self) -> Option<&String> {
        only(&self.for_sure)
    }
}

fn only<T: Ord>(items: &BTreeSet<T>) -> Option<&T> {
    items.first().filter(|_| items.len() == 1)
}

type Vpc = Option<String>;

pub(super) struct Object<'a> {
    pub(super) config: &'a OracleConfig,
    pub(super) columns: &'a Columns,
    pub(super) part: Part,
    /// The latest believed time of records that are not bad (semantics 9.3).
    pub(super) newest: Option<i64>,
    /// Outcomes of records that teach nothing.
    pub(super) dropped: Vec<&'static str>,
    pub(super) seen: Vec<Seen>,
    pub(super) nat_records: bool,
    /// Addresses of NAT gateways that were found (semantics 3.7).
    pub(super) nat_addresses: BTreeSet<Addr>,
    pub(super) endpoint_records: bool,
    taught: BTreeMap<(Addr, Vpc), Taught>,
    /// Own sides under the condition of semantics 2.17, by VPC.
    own_sides: BTreeMap<Vpc, BTreeSet<Addr>>,
    /// Interfaces that teach, by what they show as own side.
    interfaces: BTreeMap<(Addr, Vpc), BTreeSet<String>>,
    /// Own plain addresses of interfaces that forward (semantics 4.8).
    forwarding: BTreeSet<(Addr, Vpc)>,
    peered: BTreeSet<(String, String)>,
    transit: BTreeSet<(String, String)>,
}

/// What becomes of a record.
pub(super) struct Verdict {
    pub(super) outcome: &'static str,
    pub(super) series: Series,
    pub(super) inter_az: bool,
    pub(super) charges: Vec<&'static str>,
    pub(super) doubts: Vec<&'static str>,
    /// With their hours.
    pub(super) contradictions: Vec<(i64, &'static str)>,
}

/// Two VPCs in either order.
pub(super) fn pair(one: &str, other: &str) -> (String, String) {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    (low.to_string(), high.to_string())
}

impl<'a> Object<'a> {
    pub(super) fn read(rows: &[Row], columns: &'a Columns, part: Part, config: &'a OracleConfig) -> Self {
        let mut object = Self {
            config,
            columns,
            part,
            newest: None,
            dropped: Vec::new(),
            seen: Vec::new(),
            nat_records: false,
            nat_addresses: BTreeSet::new(),
            endpoint_records: false,
            taught: BTreeMap::new(),
            own_sides: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            forwarding: BTreeSet::new(),
            peered: BTreeSet::new(),
            transit: BTreeSet::new(),
        };
        for row in rows {
            match record::read(row, columns, part, config) {
                Reading::Bad => object.dropped.push("bad"),
                Reading::Silent(outcome, time) => {
                    object.dropped.push(outcome);
                    object.newest = object.newest.max(time);
                }
                Reading::Record(record, time) => {
                    object.newest = object.newest.max(time);
                    let nat = nat::recognise(&record, config);
                    let interface = interface::of(&record, nat.as_ref(), columns, config);
                    object.nat_records |= nat.is_some();
                    object.endpoint_records |= interface.is_a("vpc_endpoint");
                    object.seen.push(Seen { record: *record, nat, interface });
                }
            }
        }
        object.nat_addresses = nat::find(&object);
        for at in 0..object.seen.len() {
            object.learn(at);
        }
        // What connects two VPCs is known only when the VPCs are, and what becomes of records.
        for at in 0..object.seen.len() {
            object.learn_connections(at);
        }
        object
    }

    fn learn(&mut self, at: usize) {
        let seen = &self.seen[at];
        let Seen { record, interface, .. } = seen;
        let Some(own) = record.own() else { return };
        let vpc = record.scope.vpc_id.clone();
        if let Some(plain) = own.plain
            && interface.is_plain()
            && seen.shows_another(self.config)
        {
            self.forwarding.insert((plain, vpc.clone()));
        }
        if !seen.teaches(self.config) {
            return;
        }
        if let Some(id) = &record.interface_id {
            self.interfaces.entry((own.end, vpc.clone())).or_default().insert(id.clone());
        }
        self.own_sides.entry(vpc.clone()).or_default().insert(own.end);
        if record.az_id.is_some() || vpc.is_some() {
            let taught = self.taught.entry((own.end, vpc)).or_default();
            let ids = if seen.is_sure() { &mut taught.for_sure } else { &mut taught.otherwise };
            ids.extend(record.az_id.clone());
        }
    }

    /// Signs that two VPCs are peered, or connected by a transit gateway, of `counted` and
    /// `other_side` records (semantics 6.12).
    fn learn_connections(&mut self, at: usize) {
        let seen = &self.seen[at];
        let (src, dst) = (end::of(self, seen, Side::Source), end::of(self, seen, Side::Destination));
        if seen.nat.is_some() || !matches!(self.outcome(seen, &src).0, "counted" | "other_side") {
            return;
        }
        let (Some(one), Some(other)) = (&src.vpc, &dst.vpc) else { return };
        if one == other {
            return;
        }
        let between = pair(one, other);
        if seen.record.traffic_path == Some(4) {
            self.peered.insert(between.clone());
        }
        if charge::crosses_transit_gateway(seen, &src, &dst) {
            self.transit.insert(between);
        }
    }

    pub(super) fn key_region(&self) -> String {
        self.part.region.unwrap_or(&self.config.source_region).to_string()
    }

    /// What the object taught for an address: what the record's own VPC did, else what another VPC
    /// did, if it is one (semantics 2.17).
    pub(super) fn taught(&self, address: Addr, vpc: &Vpc) -> Option<(&Vpc, &Taught)> {
        let known = self.taught.range((address, None)..).take_while(|((known, _), _)| *known == address);
        let known: Vec<_> = known.map(|((_, vpc), taught)| (vpc, taught)).collect();
        let own = known.iter().find(|(taught_vpc, _)| *taught_vpc == vpc);
        own.or(known.first().filter(|_| known.len() == 1)).copied()
    }

    /// Returns whether an endpoint is inside (semantics 2.23).
    pub(super) fn is_inside(&self, seen: &Seen, side: Side) -> bool {
        let address = seen.record.side(side).end;
        address.is_private()
            || scope::zone_at(address, &seen.record.scope, self.config).is_some()
            || seen.teaches_of(side, self.config)
            || (address.is_six() && self.own_sides.values().flatten().any(|own| own.shares_56(address)))
    }

    /// Returns whether the networks of a record's scope are known (semantics 4.4).
    pub(super) fn networks_are_known(&self, record: &Record) -> bool {
        let covered = |address: &Addr| scope::zone_at(*address, &record.scope, self.config).is_some();
        scope::has_networks(&record.scope, self.config)
            && self.own_sides.get(&record.scope.vpc_id).is_none_or(|own| own.iter().all(covered))
    }

    /// Returns whether the interface of a record forwards (semantics 4.8).
    pub(super) fn forwards(&self, record: &Record) -> bool {
        let plain = record.own().and_then(|own| own.plain);
        plain.is_some_and(|plain| self.forwarding.contains(&(plain, record.scope.vpc_id.clone())))
    }

    /// Returns whether another interface shows the own side of a record (semantics 8.9).
    pub(super) fn shares_own_side(&self, record: &Record) -> bool {
        let (Some(own), Some(id)) = (record.own(), &record.interface_id) else { return false };
        let shown = self.interfaces.get(&(own.end, record.scope.vpc_id.clone()));
        shown.is_some_and(|interfaces| interfaces.iter().any(|other| other != id))
    }

    /// Returns whether an egress record of the same VPC names a next hop of this kind on the way to
    /// an address (semantics 6.13).
    pub(super) fn next_hop_to(&self, address: Addr, kind: &str, vpc: &Vpc) -> bool {
        self.seen.iter().any(|Seen { record, nat, interface }| {
            record.is_egress()
                && (interface.is_plain() || nat.is_some())
                && record.next_hop_is(kind)
                && record.dst.end == address
                && record.scope.vpc_id == *vpc
        })
    }

    /// Returns whether an address is an interface endpoint's own (semantics 6.13).
    pub(super) fn is_endpoints(&self, address: Addr, vpc: &Vpc) -> bool {
        self.seen.iter().any(|seen| {
            seen.interface.is_a("vpc_endpoint")
                && seen.is_box_itself()
                && seen.record.own().is_some_and(|own| own.end == address)
                && seen.record.scope.vpc_id == *vpc
        })
    }

    /// Returns whether there is a sign that two VPCs are peered (semantics 6.12).
    pub(super) fn are_peered(&self, one: &str, other: &str) -> bool {
        let between = pair(one, other);
        self.peered.contains(&between)
            || self.config.peered.iter().any(|(one, other)| pair(one, other) == between)
    }

    pub(super) fn share_transit_gateway(&self, one: &str, other: &str) -> bool {
        self.transit.contains(&pair(one, other))
    }

    /// What becomes of a record, its leg, and the doubt that comes with these.
    fn outcome(&self, seen: &Seen, src: &End) -> (&'static str, Option<Leg>, Option<&'static str>) {
        let leg = seen.nat.as_ref().map(|nat| nat::leg(seen, nat, self));
        match leg {
            _ if seen.record.rejected => ("rejected", leg.map(|(leg, _)| leg), None),
            // Public legs carry no doubt: their bytes are nowhere (semantics 8.5).
            Some((Leg::Public, _)) => ("nat_public_leg", Some(Leg::Public), None),
            // NAT records are not subject to the vantage (semantics 3.9 and 4.7).
            Some((leg, doubt)) => ("counted", Some(leg), doubt.then_some("nat_leg")),
            None => match vantage::counts(self, seen, src) {
                (true, _) => ("counted", None, None),
                (false, doubt) => ("other_side", None, doubt.then_some("far_side")),
            },
        }
    }

    /// Judges a record.
    pub(super) fn verdict(&self, seen: &Seen) -> Verdict {
        let record = &seen.record;
        let (src, dst) = (end::of(self, seen, Side::Source), end::of(self, seen, Side::Destination));
        let (outcome, leg, doubt) = self.outcome(seen, &src);
        let adds = matches!(outcome, "counted" | "other_side");
        let (charges, doubts_of_charges) =
            if adds { charge::charges(self, seen, leg, &src, &dst) } else { (Vec::new(), Vec::new()) };
        let contradictions = contradiction::of(self, seen, &src, &dst, &charges, adds);

        let mut doubts: Vec<&'static str> = doubt.into_iter().collect();
        // All others are of counted records (semantics 8.1).
        if leg.is_none() && outcome == "counted" {
            doubts.extend(doubts_of_charges);
            doubts.extend(contradiction::doubts(self, seen, &src, &dst));
        }
        Verdict {
            outcome,
            inter_az: relation(&src, &dst) == "inter-az",
            charges,
            doubts,
            contradictions,
            series: series(record, leg, &src, &dst),
        }
    }
}

fn series(record: &Record, leg: Option<Leg>, src: &End, dst: &End) -> Series {
    // Every other record has the direction `none` (semantics 3.11).
    let direction = match leg {
        Some(Leg::Out) => "out",
        Some(Leg::In) => "in",
        Some(Leg::Public) | None => "none",
    };
    Series {
        labels: (src.label.clone(), dst.label.clone(), record.port_group.clone(), direction.to_string()),
        src_az: src.az.as_ref().map(Az::name),
        dst_az: dst.az.as_ref().map(Az::name),
        relation: relation(src, dst).to_string(),
    }
}

/// How the ends stand to each other (semantics 9.4). `inter-az` is also what makes inter-AZ bytes
/// (semantics 2.24).
pub(super) fn relation(src: &End, dst: &End) -> &'static str {
    let labelled = |test: fn(&str) -> bool| test(&src.label) || test(&dst.label);
    match (&src.az, &dst.az) {
        (Some(one), Some(other)) if one == other => "same-az",
        (Some(_), Some(_)) if src.region == dst.region => "inter-az",
        (Some(_), Some(_)) => "inter-region",
        _ if labelled(|label| label == "internet") => "internet",
        _ if labelled(end::is_aws) => "aws",
        _ => "unknown",
    }
}
