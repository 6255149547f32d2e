//! What the values of a batch's dictionaries mean, worked out once per value of a dictionary.
//!
//! Values that mean the same have the same class, a small number, so that records can be compared by those.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use hashbrown::HashMap;

use super::{ChargeSet, Classifier, ZoneId, zones};
use crate::{
    decode::{AddrCell, DictColumn, DictionaryId, FlowBatch},
    limits,
    model::RESERVED_ZONES,
};

/// The values of one column: what each means, and its class.
#[derive(Debug)]
pub(super) struct Meanings<V, K = V> {
    dictionary: Option<DictionaryId>,
    pub values: Vec<V>,
    pub classes: Vec<u32>,
    numbers: HashMap<K, u32>,
}

impl<V, K> Default for Meanings<V, K> {
    fn default() -> Self {
        Self { dictionary: None, values: Vec::new(), classes: Vec::new(), numbers: HashMap::new() }
    }
}

impl<V, K: Hash + Eq> Meanings<V, K> {
    /// Looks at the values that have not been seen yet; says how many had been.
    fn learn<T>(&mut self, column: Option<&DictColumn<T>>, mut meaning: impl FnMut(&T) -> (V, K)) -> usize {
        let Some(column) = column else {
            self.forget();
            return 0;
        };
        if self.dictionary != Some(column.dictionary) {
            self.forget();
            self.dictionary = Some(column.dictionary);
        }
        let known = self.values.len();
        for value in column.values.iter().skip(known) {
            let (value, class) = meaning(value);
            let next = self.numbers.len() as u32;
            self.values.push(value);
            self.classes.push(*self.numbers.entry(class).or_insert(next));
        }
        known
    }

    fn forget(&mut self) {
        self.dictionary = None;
        self.values.clear();
        self.classes.clear();
    }

    /// Bits that hold every class.
    pub(super) fn bits(&self) -> u32 {
        usize::BITS - self.numbers.len().saturating_sub(1).leading_zeros()
    }
}

impl<V: Hash + Eq + Clone> Meanings<V> {
    fn learn_all<T>(&mut self, column: Option<&DictColumn<T>>, mut meaning: impl FnMut(&T) -> V) {
        self.learn(column, |value| {
            let meaning = meaning(value);
            (meaning.clone(), meaning)
        });
    }
}

/// What is known of an address by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct AddrInfo {
    pub cell: AddrCell,
    pub zone: Option<ZoneId>,
    pub private: bool,
    pub gateway: Option<usize>,
    pub exempt: ChargeSet,
}

impl AddrInfo {
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self.cell {
            AddrCell::Ip(ip) => Some(ip),
            AddrCell::Null | AddrCell::Bad => None,
        }
    }

    /// In a configured CIDR or a private range.
    pub(super) fn is_inside(&self) -> bool {
        self.zone.is_some() || self.private
    }

    fn class(&self) -> AddrClass {
        let kind = match self.cell {
            AddrCell::Null => AddrKind::Null,
            AddrCell::Bad => AddrKind::Bad,
            AddrCell::Ip(IpAddr::V4(_)) => AddrKind::V4,
            AddrCell::Ip(IpAddr::V6(_)) => AddrKind::V6,
        };
        AddrClass { kind, zone: self.zone, private: self.private, gateway: self.gateway, exempt: self.exempt }
    }
}

pub(super) const ABSENT: AddrInfo =
    AddrInfo { cell: AddrCell::Null, zone: None, private: false, gateway: None, exempt: ChargeSet::NONE };

/// All of [`AddrInfo`] that a verdict can depend on, but for whether two addresses are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AddrClass {
    kind: AddrKind,
    zone: Option<ZoneId>,
    private: bool,
    gateway: Option<usize>,
    exempt: ChargeSet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum AddrKind {
    Null,
    Bad,
    V4,
    V6,
}

/// A column of addresses.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    pub meanings: Meanings<AddrInfo, AddrClass>,
    /// For each value a number that only the same address has; one of [`NO_ADDRESS`] for what is none.
    pub numbers: Vec<u64>,
}

/// What is no address is not the same as what is none on the other side, either.
const NO_ADDRESS: [u64; 2] = [u64::MAX, u64::MAX - 1];

/// Numbers of IPv6 addresses start above those of IPv4.
const FIRST_V6: u64 = 1 << 32;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct ResourceInfo {
    pub gateway: Option<usize>,
    pub regional: bool,
}

/// The zones that only this object's az_ids have named.
#[derive(Debug)]
pub(super) struct AzZones<'a> {
    pub classifier: &'a Classifier,
    pub names: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, ZoneId>,
}

impl<'a> AzZones<'a> {
    pub(super) fn new(classifier: &'a Classifier) -> Self {
        Self { classifier, names: Vec::new(), ids: HashMap::new() }
    }

    /// The zone of an az_id: the configured one, else one that goes by the az_id itself.
    pub(super) fn zone(&mut self, az_id: &Arc<str>) -> Option<ZoneId> {
        if let Some(zone) = self.classifier.by_az_id.get(az_id) {
            return Some(*zone);
        }
        // It becomes a label, so it is bound like a configured name; no az_id of AWS comes near.
        let is_name = az_id.len() <= limits::NAME_CHARS && !RESERVED_ZONES.contains(&&**az_id);
        if !self.classifier.az_ids_speak || !is_name {
            return None;
        }
        if let Some(zone) = self.ids.get(az_id) {
            return Some(*zone);
        }
        let at = usize::from(ZoneId::FIRST_KNOWN) + self.classifier.rules.zones.len() + self.names.len();
        let zone = ZoneId(u16::try_from(at).ok().filter(|at| *at < u16::MAX)?);
        self.names.push(az_id.clone());
        self.ids.insert(az_id.clone(), zone);
        Some(zone)
    }
}

/// What the values of a batch mean, column by column.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub srcaddr: Addresses,
    pub dstaddr: Addresses,
    pub pkt_srcaddr: Addresses,
    pub pkt_dstaddr: Addresses,
    v6: HashMap<Ipv6Addr, u64>,
    /// `(az_id, its zone)`
    pub az_id: Meanings<Option<(Arc<str>, Option<ZoneId>)>>,
    pub next_hop_az_id: Meanings<Option<ZoneId>>,
    /// Index of the gateway; whether there is an id at all.
    pub interface_id: Meanings<(Option<usize>, bool)>,
    pub next_hop_interface_id: Meanings<bool>,
    pub resource_id: Meanings<ResourceInfo>,
    pub interface_type: Meanings<u8>,
    pub next_hop_interface_type: Meanings<u8>,
    pub pkt_src_aws_service: Meanings<u8>,
    pub pkt_dst_aws_service: Meanings<u8>,
    pub flow_direction: Meanings<u8>,
    pub action: Meanings<u8>,
    pub log_status: Meanings<u8>,
}

impl Values {
    /// Learns what the values of a batch mean, as far as the batches before did not have them.
    pub(super) fn learn(&mut self, zones: &mut AzZones<'_>, batch: &FlowBatch) {
        self.addresses(zones.classifier, batch);
        let classifier = zones.classifier;
        let mut az_zone =
            |text: &Option<Arc<str>>| text.as_ref().map(|az_id| (az_id.clone(), zones.zone(az_id)));
        self.az_id.learn_all(batch.az_id.as_ref(), &mut az_zone);
        self.next_hop_az_id
            .learn_all(batch.next_hop_az_id.as_ref(), |text| az_zone(text).and_then(|(_, zone)| zone));
        self.interface_id.learn_all(batch.interface_id.as_ref(), |text| {
            (text.as_ref().and_then(|id| classifier.by_interface.get(id).copied()), text.is_some())
        });
        self.next_hop_interface_id.learn_all(batch.next_hop_interface_id.as_ref(), |text| {
            text.as_ref().is_some_and(|id| classifier.by_interface.contains_key(id))
        });
        self.resource_id.learn_all(batch.resource_id.as_ref(), |text| {
            let gateway = text.as_ref().and_then(|id| classifier.by_resource.get(id).copied());
            let named = text.as_ref().is_some_and(|id| id.starts_with("nat-"));
            ResourceInfo { gateway, regional: gateway.is_some() || named }
        });
        self.interface_type.learn_all(batch.interface_type.as_ref(), |value| *value as u8);
        self.next_hop_interface_type.learn_all(batch.next_hop_interface_type.as_ref(), |value| *value as u8);
        self.pkt_src_aws_service.learn_all(batch.pkt_src_aws_service.as_ref(), |value| *value as u8);
        self.pkt_dst_aws_service.learn_all(batch.pkt_dst_aws_service.as_ref(), |value| *value as u8);
        self.flow_direction.learn_all(batch.flow_direction.as_ref(), |value| *value as u8);
        self.action.learn_all(batch.action.as_ref(), |value| *value as u8);
        self.log_status.learn_all(batch.log_status.as_ref(), |value| *value as u8);
    }

    fn addresses(&mut self, classifier: &Classifier, batch: &FlowBatch) {
        let Self { srcaddr, dstaddr, pkt_srcaddr, pkt_dstaddr, v6, .. } = self;
        if v6.len() > limits::INTERNED_VALUES {
            v6.clear();
            for column in [&mut *srcaddr, &mut *dstaddr, &mut *pkt_srcaddr, &mut *pkt_dstaddr] {
                column.meanings.forget();
            }
        }
        for (into, column, no_address) in [
            (srcaddr, &batch.srcaddr, NO_ADDRESS[0]),
            (dstaddr, &batch.dstaddr, NO_ADDRESS[0]),
            (pkt_srcaddr, &batch.pkt_srcaddr, NO_ADDRESS[1]),
            (pkt_dstaddr, &batch.pkt_dstaddr, NO_ADDRESS[1]),
        ] {
            let known = into.meanings.learn(column.as_ref(), |cell| {
                let info = classifier.address(*cell);
                (info, info.class())
            });
            into.numbers.truncate(known);
            into.numbers.extend(into.meanings.values[known..].iter().map(|info| match info.ip() {
                None => no_address,
                Some(IpAddr::V4(ip)) => u64::from(u32::from(ip)),
                Some(IpAddr::V6(ip)) => {
                    let next = FIRST_V6 + v6.len() as u64;
                    *v6.entry(ip).or_insert(next)
                }
            }));
        }
    }
}

impl Classifier {
    fn address(&self, cell: AddrCell) -> AddrInfo {
        let AddrCell::Ip(ip) = cell else { return AddrInfo { cell, ..ABSENT } };
        let exempt = self
            .rules
            .no_charge
            .iter()
            .filter(|(_, nets)| nets.iter().any(|net| net.contains(&ip)))
            .fold(ChargeSet::NONE, |set, (charge, _)| set.with(*charge, true));
        AddrInfo {
            cell,
            zone: self.cidrs.find(ip),
            private: zones::is_private(ip),
            gateway: self.by_private_ip.get(&ip).copied(),
            exempt,
        }
    }
}
