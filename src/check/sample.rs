//! What the records of a few objects show, in numbers: how much of the traffic has a place, and what stands where the
//! configuration has nothing.
//!
//! Pure: the same objects give the same sample. Refuses to know what would mend it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    ops::ControlFlow,
    sync::Arc,
};

use ipnet::IpNet;

use crate::{
    classify::{ALONE, Alone, GroupId, Label, Meaning, ObjectClassifier},
    decode::{
        Account, AddrCell, ColumnSet, DecodeError, DecodeLimits, DictColumn, Direction, FlowBatch, IntCell,
        IntColumn, InterfaceType, TextColumn,
    },
    limits,
    model::{Doubt, NatDirection, RecordOutcome, Relation, Remark},
    reader::Object,
};

/// What was seen. Bytes are those of counted records without a NAT direction, unless a field says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// Objects that were read.
    pub objects: u64,
    /// Their records, of any outcome.
    pub records: u64,
    /// All bytes.
    pub bytes: u64,
    /// By how the ends stand to each other.
    pub relations: BTreeMap<Relation, u64>,
    /// Bytes of which an AZ is known at both ends.
    pub both_azs: u64,
    /// By kind of doubt; those of NAT records and of other sides are not in [`Self::bytes`].
    pub doubts: BTreeMap<Doubt, u64>,
    /// The /24 or /64 of ends that have no zone.
    pub networks: BTreeMap<IpNet, Network>,
    /// AZ ids that are labels because no zone has them.
    pub az_ids: BTreeMap<Arc<str>, u64>,
    /// NAT gateways by interface, with the bytes of clients' legs.
    pub gateways: BTreeMap<Arc<str>, Gateway>,
    /// Interfaces that show packets of other hosts, and of which neither type nor instance is logged.
    pub between: BTreeMap<Arc<str>, Gateway>,
    /// Ports of records whose port group is `other`: the lower one of each.
    pub ports: BTreeMap<u16, u64>,
    /// What the records say about the configuration.
    pub remarks: BTreeSet<Remark>,
    /// The fields of the objects.
    pub columns: Option<ColumnSet>,
}

/// A network in which addresses have no zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Network {
    /// Bytes to and from there.
    pub bytes: u64,
    /// What its interfaces say of themselves.
    pub az_ids: BTreeSet<Arc<str>>,
}

/// A NAT gateway as its records show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gateway {
    /// Bytes of its clients.
    pub bytes: u64,
    /// Its AZ.
    pub az_id: Option<Arc<str>>,
    /// Its id, `nat-...`.
    pub resource_id: Option<Arc<str>>,
    /// Its private addresses.
    pub private_ips: BTreeSet<IpAddr>,
    /// It is a regional one.
    pub regional: bool,
}

/// Records that are alike in all that a sample asks of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    number: u32,
    seen: Option<Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Seen {
    source: Option<IpNet>,
    destination: Option<IpNet>,
    port: Option<u16>,
    /// Whose record it is: the source's or the destination's.
    own: Direction,
    interface_id: Option<Arc<str>>,
    az_id: Option<Arc<str>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    records: u64,
    bytes: u64,
}

/// Reads the records of an object, of a large one the first.
pub(super) fn take(object: Object<'_>, limits: &DecodeLimits) -> Result<Sample, DecodeError> {
    let mut counts: HashMap<Key, Counts> = HashMap::new();
    let mut sample = Sample { objects: 1, ..Sample::default() };
    let mut sorted = Vec::new();
    let account = object.origin.account.as_deref().and_then(|account| account.parse().ok());
    let (columns, meaning) = object.each_batch(limits, |batch, classifier| {
        classifier.sort(batch, &mut sorted);
        for (row, number) in sorted.iter().enumerate() {
            sample.records += 1;
            let Some((number, bytes)) = look(batch, row, *number, classifier) else { continue };
            let full = counts.len() >= limits::REACH_KINDS;
            let seen = (!full).then(|| Seen::of(batch, row));
            let count = counts.entry(Key { number, seen }).or_default();
            count.records += 1;
            count.bytes = count.bytes.saturating_add(bytes);
            sample.note_gateway(batch, row, account);
        }
        while let Some(merged) = classifier.take_merged(false) {
            for (mut key, more) in std::mem::take(&mut counts) {
                key.number = merged[key.number as usize];
                let count = counts.entry(key).or_default();
                count.records += more.records;
                count.bytes = count.bytes.saturating_add(more.bytes);
            }
        }
        let enough = sample.records >= limits::REACH_RECORDS || classifier.has_too_many_kinds();
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    sample.columns = Some(columns);
    for (key, count) in &counts {
        sample.add(&meaning, key, *count);
    }
    sample.remarks = meaning.remarks;
    sample.bound();
    Ok(sample)
}

/// The number of a record, and its bytes; nothing of a bad one.
fn look(
    batch: &FlowBatch,
    row: usize,
    number: u32,
    classifier: &mut ObjectClassifier<'_>,
) -> Option<(u32, u64)> {
    if number == ALONE {
        let Alone { number, bytes, .. } = classifier.alone(batch, row).ok()?;
        return Some((number, bytes));
    }
    let bytes = match batch.bytes.as_ref().map(|bytes| bytes.get(row)) {
        Some(IntCell::Value(bytes)) => bytes.unsigned_abs(),
        _ => 0,
    };
    Some((number, bytes))
}

impl Seen {
    fn of(batch: &FlowBatch, row: usize) -> Self {
        let port = |column: &Option<IntColumn>| match column.as_ref().map(|cells| cells.get(row)) {
            Some(IntCell::Value(port)) => u16::try_from(port).ok(),
            _ => None,
        };
        let ports = [port(&batch.srcport), port(&batch.dstport)];
        let address = |packet: &Option<_>, plain: &Option<_>| {
            ip(packet, row).or_else(|| ip(plain, row)).and_then(network_of)
        };
        let text = |column: &Option<TextColumn>| column.as_ref().and_then(|column| column.get(row).clone());
        Self {
            source: address(&batch.pkt_srcaddr, &batch.srcaddr),
            destination: address(&batch.pkt_dstaddr, &batch.dstaddr),
            port: ports.into_iter().flatten().min(),
            own: batch.flow_direction.as_ref().map_or(Direction::Unknown, |column| *column.get(row)),
            interface_id: text(&batch.interface_id),
            az_id: text(&batch.az_id),
        }
    }
}

fn ip(column: &Option<DictColumn<AddrCell>>, row: usize) -> Option<IpAddr> {
    match column.as_ref()?.get(row) {
        AddrCell::Ip(ip) => Some(*ip),
        AddrCell::Nat64(v4) => Some(IpAddr::V4(*v4)),
        AddrCell::Null | AddrCell::Bad => None,
    }
}

fn network_of(address: IpAddr) -> Option<IpNet> {
    let length = if address.is_ipv4() { 24 } else { 64 };
    IpNet::new(address, length).ok().map(|net| net.trunc())
}

impl Sample {
    /// Takes what a record shows of an interface that is a NAT gateway, or may be one.
    fn note_gateway(&mut self, batch: &FlowBatch, row: usize, account: Option<u64>) {
        let kind = batch.interface_type.as_ref().map_or(InterfaceType::Plain, |column| *column.get(row));
        let regional = kind == InterfaceType::RegionalNatGateway;
        let (plain, packet) = match batch.flow_direction.as_ref().map(|column| *column.get(row)) {
            Some(Direction::Egress) => (ip(&batch.srcaddr, row), ip(&batch.pkt_srcaddr, row)),
            Some(Direction::Ingress) => (ip(&batch.dstaddr, row), ip(&batch.pkt_dstaddr, row)),
            Some(Direction::Unknown) | None => (None, None),
        };
        let gateways = match kind {
            InterfaceType::NatGateway | InterfaceType::RegionalNatGateway => &mut self.gateways,
            InterfaceType::Plain => {
                let has_instance = batch.instance_id.as_ref().is_some_and(|column| *column.get(row));
                let others = batch.account_id.as_ref().is_some_and(|column| match column.get(row) {
                    Account::Id(id) => account.is_some_and(|account| account != *id),
                    Account::Null | Account::Other => false,
                });
                let differ = plain.zip(packet).is_some_and(|(plain, packet)| plain != packet);
                if has_instance || others || !differ {
                    return;
                }
                &mut self.between
            }
            InterfaceType::TransitGateway
            | InterfaceType::NetworkLoadBalancer
            | InterfaceType::VpcEndpoint
            | InterfaceType::GatewayLoadBalancerEndpoint => return,
        };
        let text = |column: &Option<TextColumn>| column.as_ref().and_then(|column| column.get(row).clone());
        let Some(id) = text(&batch.interface_id) else { return };
        if gateways.len() >= limits::REACH_ENTRIES && !gateways.contains_key(&id) {
            return;
        }
        let gateway = gateways.entry(id).or_default();
        gateway.regional |= regional;
        if gateway.az_id.is_none() {
            gateway.az_id = text(&batch.az_id);
        }
        if gateway.resource_id.is_none() {
            gateway.resource_id = text(&batch.resource_id);
        }
        if !regional && gateway.private_ips.len() < limits::REACH_LINES {
            gateway.private_ips.extend(plain);
        }
    }

    fn add(&mut self, meaning: &Meaning<'_>, key: &Key, Counts { bytes, .. }: Counts) {
        let verdict = &meaning.verdicts[key.number as usize];
        let charged = matches!(verdict.outcome, RecordOutcome::Counted | RecordOutcome::OtherSide);
        if !charged {
            return;
        }
        for doubt in verdict.doubts.iter() {
            add(&mut self.doubts, doubt, bytes);
        }
        let seen = key.seen.as_ref();
        let id = seen.and_then(|seen| seen.interface_id.as_ref());
        if let Some(between) = id.and_then(|id| self.between.get_mut(id)) {
            between.bytes = between.bytes.saturating_add(bytes);
        }
        if verdict.key.nat_direction != NatDirection::None {
            if let Some(gateway) = id.and_then(|id| self.gateways.get_mut(id)) {
                gateway.bytes = gateway.bytes.saturating_add(bytes);
            }
            return;
        }
        if verdict.outcome != RecordOutcome::Counted {
            return;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        add(&mut self.relations, verdict.key.relation, bytes);
        if verdict.key.source_az.is_some() && verdict.key.destination_az.is_some() {
            self.both_azs = self.both_azs.saturating_add(bytes);
        }
        let ends = [
            (verdict.key.source, seen.and_then(|seen| seen.source), Direction::Egress),
            (verdict.key.destination, seen.and_then(|seen| seen.destination), Direction::Ingress),
        ];
        let mut azs = BTreeSet::new();
        for (label, network, direction) in ends {
            match (label, network) {
                (Label::Unknown, Some(network)) => {
                    let network = self.networks.entry(network).or_default();
                    network.bytes = network.bytes.saturating_add(bytes);
                    let own = seen.filter(|seen| seen.own == direction);
                    network.az_ids.extend(own.and_then(|seen| seen.az_id.clone()));
                }
                (Label::Az(az), _) => drop(azs.insert(meaning.az(az))),
                _ => {}
            }
        }
        for az_id in azs {
            add(&mut self.az_ids, az_id, bytes);
        }
        if verdict.key.port_group == GroupId::OTHER
            && let Some(port) = seen.and_then(|seen| seen.port)
        {
            add(&mut self.ports, port, bytes);
        }
    }

    /// Adds what another object shows.
    pub(super) fn merge(&mut self, other: Self) {
        fn sum<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
            from.into_iter().for_each(|(key, bytes)| add(into, key, bytes));
        }
        self.objects += other.objects;
        self.records += other.records;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.both_azs = self.both_azs.saturating_add(other.both_azs);
        sum(&mut self.relations, other.relations);
        sum(&mut self.doubts, other.doubts);
        sum(&mut self.az_ids, other.az_ids);
        sum(&mut self.ports, other.ports);
        for (net, more) in other.networks {
            let network = self.networks.entry(net).or_default();
            network.bytes = network.bytes.saturating_add(more.bytes);
            network.az_ids.extend(more.az_ids);
        }
        for (into, from) in [(&mut self.gateways, other.gateways), (&mut self.between, other.between)] {
            for (id, more) in from {
                let gateway = into.entry(id).or_default();
                gateway.bytes = gateway.bytes.saturating_add(more.bytes);
                gateway.regional |= more.regional;
                gateway.az_id = gateway.az_id.take().or(more.az_id);
                gateway.resource_id = gateway.resource_id.take().or(more.resource_id);
                gateway.private_ips.extend(more.private_ips);
            }
        }
        self.remarks.extend(other.remarks);
        self.columns = self.columns.or(other.columns);
        self.bound();
    }

    /// Keeps the largest entries of what can be many.
    fn bound(&mut self) {
        fn largest<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, bytes: impl Fn(&V) -> u64) {
            if map.len() <= limits::REACH_ENTRIES {
                return;
            }
            let mut sizes: Vec<_> =
                map.iter().map(|(key, value)| (Reverse(bytes(value)), key.clone())).collect();
            sizes.sort_unstable();
            let least = sizes.swap_remove(limits::REACH_ENTRIES);
            map.retain(|key, value| (Reverse(bytes(value)), key) < (least.0, &least.1));
        }
        largest(&mut self.networks, |network| network.bytes);
        largest(&mut self.az_ids, |bytes| *bytes);
        largest(&mut self.ports, |bytes| *bytes);
        largest(&mut self.gateways, |gateway| gateway.bytes);
        largest(&mut self.between, |gateway| gateway.bytes);
        while self.remarks.len() > limits::REACH_ENTRIES {
            self.remarks.pop_last();
        }
    }

    /// Bytes of which an end has no place and no name.
    pub(super) fn unknown(&self) -> u64 {
        self.doubts.get(&Doubt::UnknownZone).copied().unwrap_or(0)
    }
}

fn add<K: Ord>(sums: &mut BTreeMap<K, u64>, key: K, bytes: u64) {
    let sum = sums.entry(key).or_default();
    *sum = sum.saturating_add(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_entries_as_many_are_kept_as_there_is_room_for() {
        let ports = (0..=limits::REACH_ENTRIES as u16).map(|port| (port, 7)).collect();
        let mut sample = Sample { ports, ..Sample::default() };
        sample.bound();
        assert_eq!(sample.ports.len(), limits::REACH_ENTRIES);
        assert!(sample.ports.keys().copied().eq(0..limits::REACH_ENTRIES as u16));
    }

    #[test]
    fn a_sum_stops_at_the_largest_number() {
        let mut sums = BTreeMap::from([(1, u64::MAX - 1)]);
        add(&mut sums, 1, 5);
        assert_eq!(sums[&1], u64::MAX);
    }
}
