//! What the values of a batch's dictionaries mean, worked out once per value of a dictionary.
//!
//! Values that mean the same have the same class, a small number, so that records can be compared by those.

use std::{hash::Hash, net::IpAddr, sync::Arc};

use hashbrown::HashMap;

use super::{ChargeSet, Classifier, ZoneId, zones};
use crate::{
    decode::{AddrCell, DictColumn, DictionaryId, FlowBatch},
    limits,
    model::RESERVED_ZONES,
};

/// The values of one column: what each means, and its class.
#[derive(Debug)]
pub(super) struct Meanings<V> {
    dictionary: Option<DictionaryId>,
    pub values: Vec<V>,
    pub classes: Vec<u32>,
    numbers: HashMap<V, u32>,
}

impl<V> Default for Meanings<V> {
    fn default() -> Self {
        Self { dictionary: None, values: Vec::new(), classes: Vec::new(), numbers: HashMap::new() }
    }
}

impl<V: Hash + Eq + Clone> Meanings<V> {
    /// Looks at the values that have not been seen yet. Counts `epoch` up when classes are given anew.
    fn learn<T>(
        &mut self,
        column: Option<&DictColumn<T>>,
        epoch: &mut u64,
        mut meaning: impl FnMut(&T) -> V,
    ) {
        let Some(column) = column else { return self.forget() };
        if self.numbers.len() > limits::CLASSES + self.values.len() {
            self.forget();
            self.numbers = HashMap::new();
            *epoch += 1;
        }
        if self.dictionary != Some(column.dictionary) {
            self.forget();
            self.dictionary = Some(column.dictionary);
        }
        for value in column.values.iter().skip(self.values.len()) {
            let value = meaning(value);
            let next = self.numbers.len() as u32;
            self.classes.push(*self.numbers.entry(value.clone()).or_insert(next));
            self.values.push(value);
        }
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
    dictionary: Option<DictionaryId>,
    /// For each value its place in the [book](AddressBook::info).
    pub places: Vec<u32>,
    /// For each value its class, above [`NUMBER_BITS`] that only the same address has.
    pub tags: Vec<u64>,
}

/// IPv4 addresses have the numbers that they are.
const FIRST_V6: u64 = 1 << 32;

/// What is no address is not the same as what is none on the other side, either: see [`AddressBook::learn`].
const NO_ADDRESS: u64 = 1 << 33;

/// Bits of a tag that tell addresses apart; above them is the class.
const NUMBER_BITS: u32 = 34;

/// Whether two tags are of the same address.
pub(super) fn is_same(a: u64, b: u64) -> bool {
    (a ^ b) << (u64::BITS - NUMBER_BITS) == 0
}

/// The class of a tag.
pub(super) fn class_of(tag: u64) -> u64 {
    tag >> NUMBER_BITS
}

/// All addresses of an object: the columns have the same ones, row group after row group.
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    /// What each is.
    known: Vec<AddrInfo>,
    v4: HashMap<u32, Place>,
    v6: HashMap<u128, Place>,
    /// What is no address, as [`Self::none`] numbers it.
    none: [Option<Place>; 4],
    classes: HashMap<AddrClass, u64>,
}

/// A place in the book with its tag, so that most look-ups need not go there.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: u32,
    tag: u64,
}

impl AddressBook {
    /// Addresses that are remembered.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// What is known of the address at a place.
    pub(super) fn info(&self, place: u32) -> &AddrInfo {
        &self.known[place as usize]
    }

    /// Bits that hold every class.
    pub(super) fn bits(&self) -> u32 {
        usize::BITS - self.classes.len().saturating_sub(1).leading_zeros()
    }

    /// Looks at the values that have not been seen yet. `no_address` is another for either side of a record.
    fn learn(
        &mut self,
        column: &Option<DictColumn<AddrCell>>,
        classifier: &Classifier,
        no_address: u8,
        into: &mut Addresses,
    ) {
        let dictionary = column.as_ref().map(|column| column.dictionary);
        if dictionary.is_none() || into.dictionary != dictionary {
            into.places.clear();
            into.tags.clear();
            into.dictionary = dictionary;
        }
        let cells = column.iter().flat_map(|column| column.values.iter()).skip(into.places.len());
        for cell in cells {
            let known = match cell {
                AddrCell::Ip(IpAddr::V4(ip)) => self.v4.get(&u32::from(*ip)).copied(),
                AddrCell::Ip(IpAddr::V6(ip)) => self.v6.get(&u128::from(*ip)).copied(),
                AddrCell::Null | AddrCell::Bad => self.none[Self::none(cell, no_address)],
            };
            let place = known.unwrap_or_else(|| self.meet(*cell, classifier, no_address));
            into.places.push(place.at);
            into.tags.push(place.tag);
        }
    }

    #[cold]
    fn meet(&mut self, cell: AddrCell, classifier: &Classifier, no_address: u8) -> Place {
        let info = classifier.address(cell);
        let at = self.known.len() as u32;
        self.known.push(info);
        let number = match cell {
            AddrCell::Ip(IpAddr::V4(ip)) => u64::from(u32::from(ip)),
            AddrCell::Ip(IpAddr::V6(_)) => FIRST_V6 + u64::from(at),
            AddrCell::Null | AddrCell::Bad => NO_ADDRESS | u64::from(no_address),
        };
        let next = self.classes.len() as u64;
        let class = *self.classes.entry(info.class()).or_insert(next);
        let place = Place { at, tag: (class << NUMBER_BITS) | number };
        match cell {
            AddrCell::Ip(IpAddr::V4(ip)) => drop(self.v4.insert(u32::from(ip), place)),
            AddrCell::Ip(IpAddr::V6(ip)) => drop(self.v6.insert(u128::from(ip), place)),
            AddrCell::Null | AddrCell::Bad => self.none[Self::none(&cell, no_address)] = Some(place),
        }
        place
    }

    /// Null or bad, on one side or the other.
    fn none(cell: &AddrCell, no_address: u8) -> usize {
        usize::from(matches!(cell, AddrCell::Bad)) * 2 + usize::from(no_address)
    }

    /// Places are given anew; classes stay.
    fn forget(&mut self) {
        *self = Self { classes: std::mem::take(&mut self.classes), ..Self::default() };
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct ResourceInfo {
    pub gateway: Option<usize>,
    pub regional: bool,
}

/// What is known of an az_id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct AzInfo {
    pub zone: Option<ZoneId>,
    /// The az_id itself, unless it is too long for one.
    pub name: Option<Arc<str>>,
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

    fn info(&mut self, az_id: &Arc<str>) -> AzInfo {
        // It is shown to people, so it is bound like a configured name; no az_id of AWS comes near.
        let is_name = az_id.len() <= limits::NAME_CHARS;
        AzInfo { zone: self.zone(az_id), name: is_name.then(|| az_id.clone()) }
    }

    /// The zone of an az_id: the configured one, else one that goes by the az_id itself.
    pub(super) fn zone(&mut self, az_id: &Arc<str>) -> Option<ZoneId> {
        if let Some(zone) = self.classifier.by_az_id.get(az_id) {
            return Some(*zone);
        }
        // It becomes a label.
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
    pub book: AddressBook,
    pub az_id: Meanings<AzInfo>,
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
    /// Classes of one epoch are not those of another.
    pub epoch: u64,
}

impl Values {
    /// Learns what the values of a batch mean, as far as the batches before did not have them.
    pub(super) fn learn(&mut self, zones: &mut AzZones<'_>, batch: &FlowBatch) {
        self.addresses(zones.classifier, batch);
        let classifier = zones.classifier;
        let epoch = &mut self.epoch;
        self.az_id.learn(batch.az_id.as_ref(), epoch, |text| {
            text.as_ref().map(|az_id| zones.info(az_id)).unwrap_or_default()
        });
        self.next_hop_az_id.learn(batch.next_hop_az_id.as_ref(), epoch, |text| {
            text.as_ref().and_then(|az_id| zones.zone(az_id))
        });
        self.interface_id.learn(batch.interface_id.as_ref(), epoch, |text| {
            (text.as_ref().and_then(|id| classifier.by_interface.get(id).copied()), text.is_some())
        });
        self.next_hop_interface_id.learn(batch.next_hop_interface_id.as_ref(), epoch, |text| {
            text.as_ref().is_some_and(|id| classifier.by_interface.contains_key(id))
        });
        self.resource_id.learn(batch.resource_id.as_ref(), epoch, |text| {
            let gateway = text.as_ref().and_then(|id| classifier.by_resource.get(id).copied());
            let named = text.as_ref().is_some_and(|id| id.starts_with("nat-"));
            ResourceInfo { gateway, regional: gateway.is_some() || named }
        });
        self.interface_type.learn(batch.interface_type.as_ref(), epoch, |value| *value as u8);
        self.next_hop_interface_type
            .learn(batch.next_hop_interface_type.as_ref(), epoch, |value| *value as u8);
        self.pkt_src_aws_service.learn(batch.pkt_src_aws_service.as_ref(), epoch, |value| *value as u8);
        self.pkt_dst_aws_service.learn(batch.pkt_dst_aws_service.as_ref(), epoch, |value| *value as u8);
        self.flow_direction.learn(batch.flow_direction.as_ref(), epoch, |value| *value as u8);
        self.action.learn(batch.action.as_ref(), epoch, |value| *value as u8);
        self.log_status.learn(batch.log_status.as_ref(), epoch, |value| *value as u8);
    }

    fn addresses(&mut self, classifier: &Classifier, batch: &FlowBatch) {
        let Self { srcaddr, dstaddr, pkt_srcaddr, pkt_dstaddr, book, .. } = self;
        let alive = srcaddr.tags.len() + dstaddr.tags.len() + pkt_srcaddr.tags.len() + pkt_dstaddr.tags.len();
        if book.len() > limits::ADDRESSES + alive {
            // What has old places goes.
            book.forget();
            for column in [&mut *srcaddr, &mut *dstaddr, &mut *pkt_srcaddr, &mut *pkt_dstaddr] {
                *column = Addresses::default();
            }
        }
        book.learn(&batch.srcaddr, classifier, 0, srcaddr);
        book.learn(&batch.dstaddr, classifier, 0, dstaddr);
        book.learn(&batch.pkt_srcaddr, classifier, 1, pkt_srcaddr);
        book.learn(&batch.pkt_dstaddr, classifier, 1, pkt_dstaddr);
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
