//! What the values of a batch's dictionaries mean, worked out once per value of a dictionary.
//!
//! Values that mean the same have the same class, a small number, so that records can be compared by those.

use std::{hash::Hash, net::IpAddr, sync::Arc};

use hashbrown::HashMap;

use super::{
    facts::{EndFacts, Family},
    names::Names,
    taught::Vpcs,
};
use crate::{
    decode::{Account, AddrCell, AwsService, DictColumn, DictionaryId, FlowBatch, InterfaceType},
    limits,
    topology::{AzId, InterfaceRole, NetInfo, Topology, View},
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct AddrInfo {
    cell: AddrKind,
    pub private: bool,
    base: NetInfo,
    /// In the VPCs that have networks of their own.
    by_vpc: Box<[(u16, NetInfo)]>,
    /// The NAT gateways that have it, whatever their scope.
    gateways: Box<[u32]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum AddrKind {
    Null,
    Bad,
    Ip(Family),
}

impl AddrInfo {
    fn none(cell: AddrKind) -> Self {
        Self {
            cell,
            private: false,
            base: NetInfo::default(),
            by_vpc: Box::default(),
            gateways: Box::default(),
        }
    }

    /// A side without an address.
    pub(super) fn nowhere() -> EndFacts {
        EndFacts {
            net: NetInfo::default(),
            family: Family::V4,
            private: false,
            service: AwsService::None,
            plain_gateway: None,
            plain_is_nat: false,
            packet_is_nat: false,
            plain_there: false,
            packet_there: false,
            same: false,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.cell == AddrKind::Null
    }

    pub(super) fn is_bad(&self) -> bool {
        self.cell == AddrKind::Bad
    }

    pub(super) fn family(&self) -> Option<Family> {
        match self.cell {
            AddrKind::Ip(family) => Some(family),
            AddrKind::Null | AddrKind::Bad => None,
        }
    }

    /// Whether it is a private address of a NAT gateway.
    pub(super) fn is_of_gateway(&self, gateway: u32) -> bool {
        self.gateways.contains(&gateway)
    }

    /// What is known of it in records of a VPC.
    pub(super) fn net(&self, vpc: u16) -> &NetInfo {
        self.by_vpc.iter().find(|(of, _)| *of == vpc).map_or(&self.base, |(_, net)| net)
    }

    /// A side of a record.
    pub(super) fn end(
        plain: &Self,
        packet: &Self,
        same: bool,
        vpc: u16,
        service: AwsService,
    ) -> Option<EndFacts> {
        let endpoint = if packet.is_null() { plain } else { packet };
        Some(EndFacts {
            net: *endpoint.net(vpc),
            family: endpoint.family()?,
            private: endpoint.private,
            service,
            plain_gateway: plain.net(vpc).gateway,
            plain_is_nat: false,
            packet_is_nat: false,
            plain_there: plain.family().is_some(),
            packet_there: packet.family().is_some(),
            same,
        })
    }
}

/// An address that a record does not have.
pub(super) static ABSENT: std::sync::LazyLock<AddrInfo> =
    std::sync::LazyLock::new(|| AddrInfo::none(AddrKind::Null));

/// A column of addresses.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    dictionary: Option<DictionaryId>,
    /// For each value its place in the [book](AddressBook::info).
    pub places: Vec<u32>,
    /// For each value its class, above [`NUMBER_BITS`] that only the same address has.
    pub tags: Vec<u64>,
}

/// IPv4 addresses have the numbers that they are, however they are written.
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

/// What addresses are looked at with.
type Eyes<'e> = (&'e Topology, &'e View);

/// All addresses of an object: the columns have the same ones, row group after row group.
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    /// What each is, and which address that is.
    known: Vec<(AddrInfo, AddrCell)>,
    v4: HashMap<u32, Place>,
    v6: HashMap<u128, Place>,
    nat64: HashMap<u32, Place>,
    /// What is no address, as [`Self::none`] numbers it.
    none: [Option<Place>; 4],
    classes: HashMap<AddrInfo, u64>,
    /// VPCs with networks of their own.
    vpcs: Vec<(u16, Arc<str>)>,
    /// Of NAT64 addresses the places of the IPv4 addresses that they carry.
    carried: HashMap<u32, u32>,
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
        &self.known[place as usize].0
    }

    /// The address at a place.
    pub(super) fn address(&self, place: u32) -> Option<IpAddr> {
        ip(self.known[place as usize].1)
    }

    /// The place under which an address is taught: one, however it is written (semantics 1.11).
    #[inline]
    pub(super) fn taught_at(&self, place: u32) -> u32 {
        if self.carried.is_empty() { place } else { self.carried.get(&place).copied().unwrap_or(place) }
    }

    /// Bits that hold every class.
    pub(super) fn bits(&self) -> u32 {
        usize::BITS - self.classes.len().saturating_sub(1).leading_zeros()
    }

    /// Looks at the values that have not been seen yet. `no_address` is another for either side of a record.
    fn learn(
        &mut self,
        column: &Option<DictColumn<AddrCell>>,
        eyes: Eyes<'_>,
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
                AddrCell::Nat64(ip) => self.nat64.get(&u32::from(*ip)).copied(),
                AddrCell::Null | AddrCell::Bad => self.none[Self::none(cell, no_address)],
            };
            let place = known.unwrap_or_else(|| self.meet(*cell, eyes, no_address));
            into.places.push(place.at);
            into.tags.push(place.tag);
        }
    }

    #[cold]
    fn meet(&mut self, cell: AddrCell, eyes: Eyes<'_>, no_address: u8) -> Place {
        let info = self.look(cell, eyes);
        let at = self.known.len() as u32;
        let number = match cell {
            AddrCell::Ip(IpAddr::V4(ip)) | AddrCell::Nat64(ip) => u64::from(u32::from(ip)),
            AddrCell::Ip(IpAddr::V6(_)) => FIRST_V6 + u64::from(at),
            AddrCell::Null | AddrCell::Bad => NO_ADDRESS | u64::from(no_address),
        };
        let next = self.classes.len() as u64;
        let class = *self.classes.entry(info.clone()).or_insert(next);
        self.known.push((info, cell));
        let place = Place { at, tag: (class << NUMBER_BITS) | number };
        self.put(cell, no_address, place);
        if let AddrCell::Nat64(ip) = cell {
            let known = self.v4.get(&u32::from(ip)).copied();
            let plain = known.unwrap_or_else(|| self.meet(AddrCell::Ip(ip.into()), eyes, no_address));
            self.carried.insert(at, plain.at);
        }
        place
    }

    fn put(&mut self, cell: AddrCell, no_address: u8, place: Place) {
        match cell {
            AddrCell::Ip(IpAddr::V4(ip)) => drop(self.v4.insert(u32::from(ip), place)),
            AddrCell::Ip(IpAddr::V6(ip)) => drop(self.v6.insert(u128::from(ip), place)),
            AddrCell::Nat64(ip) => drop(self.nat64.insert(u32::from(ip), place)),
            AddrCell::Null | AddrCell::Bad => self.none[Self::none(&cell, no_address)] = Some(place),
        }
    }

    fn look(&self, cell: AddrCell, (topology, view): Eyes<'_>) -> AddrInfo {
        let Some(ip) = ip(cell) else {
            return AddrInfo::none(if cell == AddrCell::Bad { AddrKind::Bad } else { AddrKind::Null });
        };
        let base = view.find(ip, None);
        let by_vpc = self.vpcs.iter().map(|(number, id)| (*number, view.find(ip, Some(id))));
        AddrInfo {
            cell: AddrKind::Ip(match cell {
                AddrCell::Nat64(_) => Family::Nat64,
                _ if ip.is_ipv4() => Family::V4,
                _ => Family::V6,
            }),
            private: is_private(ip),
            base,
            by_vpc: by_vpc.filter(|(_, net)| *net != base).collect(),
            gateways: topology.gateways_at(ip).into(),
        }
    }

    /// Null or bad, on one side or the other.
    fn none(cell: &AddrCell, no_address: u8) -> usize {
        usize::from(matches!(cell, AddrCell::Bad)) * 2 + usize::from(no_address)
    }

    /// Places are given anew; classes stay.
    fn forget(&mut self) {
        let (classes, vpcs) = (std::mem::take(&mut self.classes), std::mem::take(&mut self.vpcs));
        *self = Self { classes, vpcs, ..Self::default() };
    }

    /// One more VPC with networks of its own: places stay, and every class is given anew.
    fn add_vpc(&mut self, number: u16, id: &Arc<str>, eyes: Eyes<'_>) {
        self.vpcs.push((number, id.clone()));
        self.classes.clear();
        let known = std::mem::take(&mut self.known);
        let none = std::mem::take(&mut self.none);
        for place in none.into_iter().flatten() {
            let info = &known[place.at as usize].0;
            let next = self.classes.len() as u64;
            self.classes.entry(info.clone()).or_insert(next);
        }
        self.known.reserve(known.len());
        for (at, (info, cell)) in (0..).zip(known) {
            let info = if info.family().is_some() { self.look(cell, eyes) } else { info };
            let next = self.classes.len() as u64;
            let class = *self.classes.entry(info.clone()).or_insert(next);
            let tag = |number: u64| (class << NUMBER_BITS) | number;
            match cell {
                AddrCell::Ip(IpAddr::V4(ip)) | AddrCell::Nat64(ip) => {
                    self.put(cell, 0, Place { at, tag: tag(u64::from(u32::from(ip))) });
                }
                AddrCell::Ip(IpAddr::V6(_)) => {
                    self.put(cell, 0, Place { at, tag: tag(FIRST_V6 + u64::from(at)) });
                }
                AddrCell::Null | AddrCell::Bad => {
                    for (slot, place) in none.iter().enumerate() {
                        if place.is_some_and(|place| place.at == at) {
                            let tag = tag(NO_ADDRESS | (slot as u64 & 1));
                            self.none[slot] = Some(Place { at, tag });
                        }
                    }
                }
            }
            self.known.push((info, cell));
        }
    }
}

fn ip(cell: AddrCell) -> Option<IpAddr> {
    match cell {
        AddrCell::Ip(ip) => Some(ip),
        AddrCell::Nat64(v4) => Some(v4.into()),
        AddrCell::Null | AddrCell::Bad => None,
    }
}

/// Whether an address is private (semantics 2.22). Documentation ranges are not: AWS's own examples use them as
/// internet addresses.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (18..20).contains(&b))
                || v4.is_link_local()
                || v4.is_loopback()
                || v4.is_unspecified()
                || a >= 224
        }
        IpAddr::V6(v6) => {
            v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct ResourceInfo {
    pub gateway: Option<u32>,
    pub regional: bool,
}

/// What is known of an interface id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct InterfaceInfo {
    pub role: InterfaceRole,
    pub there: bool,
}

/// Whose an interface is, seen from the object's key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// Null, or no such column.
    #[default]
    Unsaid,
    /// The account of the key.
    Key,
    Another,
}

/// A number for each interface of an object, so that two can be told apart.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    dictionary: Option<DictionaryId>,
    /// For each value of the dictionary; 0 where there is none.
    pub numbers: Vec<u32>,
    known: HashMap<Arc<str>, u32>,
    pub names: Vec<Arc<str>>,
}

impl Interfaces {
    fn learn(&mut self, column: Option<&DictColumn<Option<Arc<str>>>>) {
        let dictionary = column.map(|column| column.dictionary);
        if dictionary.is_none() || self.dictionary != dictionary {
            self.numbers.clear();
            self.dictionary = dictionary;
        }
        for id in column.iter().flat_map(|column| column.values.iter()).skip(self.numbers.len()) {
            let number = id.as_ref().map_or(0, |id| {
                if let Some(number) = self.known.get(id) {
                    return *number;
                }
                if self.names.len() >= limits::LESSONS || id.len() > limits::NAME_CHARS {
                    return 0;
                }
                self.names.push(id.clone());
                self.known.insert(id.clone(), self.names.len() as u32);
                self.names.len() as u32
            });
            self.numbers.push(number);
        }
    }

    /// The interface of a number.
    pub(super) fn name(&self, number: u32) -> Option<&Arc<str>> {
        self.names.get((number as usize).checked_sub(1)?)
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
    pub account_id: Meanings<Owner>,
    pub az_id: Meanings<Option<AzId>>,
    pub next_hop_az_id: Meanings<Option<AzId>>,
    pub interface_id: Meanings<InterfaceInfo>,
    pub interfaces: Interfaces,
    pub vpc_id: Meanings<u16>,
    pub instance_id: Meanings<bool>,
    pub next_hop_interface_id: Meanings<InterfaceRole>,
    pub resource_id: Meanings<ResourceInfo>,
    pub interface_type: Meanings<InterfaceType>,
    pub next_hop_interface_type: Meanings<InterfaceType>,
    pub pkt_src_aws_service: Meanings<AwsService>,
    pub pkt_dst_aws_service: Meanings<AwsService>,
    pub flow_direction: Meanings<u8>,
    pub action: Meanings<u8>,
    pub log_status: Meanings<u8>,
    /// Classes of one epoch are not those of another.
    pub epoch: u64,
}

/// What the values of an object are looked at with.
pub(super) struct Desk<'d, 't> {
    pub topology: &'d Topology,
    pub view: &'d View,
    /// Account of the object's key.
    pub account: Option<u64>,
    pub names: &'d mut Names<'t>,
    pub vpcs: &'d mut Vpcs,
    /// Whether addresses must be remembered: they may be taught.
    pub keeps: bool,
}

impl Values {
    /// Learns what the values of a batch mean, as far as the batches before did not have them. Says whether the object
    /// has come to have more addresses than are remembered.
    pub(super) fn learn(&mut self, desk: &mut Desk<'_, '_>, batch: &FlowBatch) -> bool {
        let Desk { topology, view, account, names, vpcs, .. } = desk;
        let before = vpcs.len();
        self.vpc_id.learn(batch.vpc_id.as_ref(), &mut self.epoch, |text| {
            text.as_ref().map_or(0, |id| vpcs.number(id))
        });
        for number in before..vpcs.len() {
            let number = number as u16;
            if let Some(id) = vpcs.id(number).filter(|id| view.has_vpc(id)) {
                self.book.add_vpc(number, id, (topology, view));
                self.forget_places();
                self.epoch += 1;
            }
        }
        let epoch = &mut self.epoch;
        self.account_id.learn(batch.account_id.as_ref(), epoch, |owner| match owner {
            Account::Null => Owner::Unsaid,
            Account::Id(id) if Some(*id) == *account => Owner::Key,
            Account::Id(_) | Account::Other => Owner::Another,
        });
        self.az_id.learn(batch.az_id.as_ref(), epoch, |text| text.as_ref().and_then(|id| names.az(id)));
        self.next_hop_az_id
            .learn(batch.next_hop_az_id.as_ref(), epoch, |text| text.as_ref().and_then(|id| names.az(id)));
        self.interface_id.learn(batch.interface_id.as_ref(), epoch, |text| InterfaceInfo {
            role: text.as_ref().map(|id| topology.interface(id)).unwrap_or_default(),
            there: text.is_some(),
        });
        self.next_hop_interface_id.learn(batch.next_hop_interface_id.as_ref(), epoch, |text| {
            text.as_ref().map(|id| topology.interface(id)).unwrap_or_default()
        });
        self.resource_id.learn(batch.resource_id.as_ref(), epoch, |text| {
            let gateway = text.as_ref().and_then(|id| topology.resource(id));
            let named = text.as_ref().is_some_and(|id| id.starts_with("nat-"));
            ResourceInfo { gateway, regional: gateway.is_some() || named }
        });
        self.instance_id.learn(batch.instance_id.as_ref(), epoch, |there| *there);
        self.interface_type.learn(batch.interface_type.as_ref(), epoch, |value| *value);
        self.next_hop_interface_type.learn(batch.next_hop_interface_type.as_ref(), epoch, |value| *value);
        self.pkt_src_aws_service.learn(batch.pkt_src_aws_service.as_ref(), epoch, |value| *value);
        self.pkt_dst_aws_service.learn(batch.pkt_dst_aws_service.as_ref(), epoch, |value| *value);
        self.flow_direction.learn(batch.flow_direction.as_ref(), epoch, |value| *value as u8);
        self.action.learn(batch.action.as_ref(), epoch, |value| *value as u8);
        self.log_status.learn(batch.log_status.as_ref(), epoch, |value| *value as u8);
        self.interfaces.learn(batch.interface_id.as_ref());
        self.addresses(desk, batch)
    }

    fn forget_places(&mut self) {
        for column in [&mut self.srcaddr, &mut self.dstaddr, &mut self.pkt_srcaddr, &mut self.pkt_dstaddr] {
            *column = Addresses::default();
        }
    }

    fn addresses(&mut self, desk: &Desk<'_, '_>, batch: &FlowBatch) -> bool {
        let columns = [&self.srcaddr, &self.dstaddr, &self.pkt_srcaddr, &self.pkt_dstaddr];
        let alive: usize = columns.iter().map(|column| column.tags.len()).sum();
        if !desk.keeps && self.book.len() > limits::ADDRESSES + alive {
            // What has old places goes.
            self.book.forget();
            self.forget_places();
        }
        let Self { srcaddr, dstaddr, pkt_srcaddr, pkt_dstaddr, book, .. } = self;
        let eyes = (desk.topology, desk.view);
        book.learn(&batch.srcaddr, eyes, 0, srcaddr);
        book.learn(&batch.dstaddr, eyes, 0, dstaddr);
        book.learn(&batch.pkt_srcaddr, eyes, 1, pkt_srcaddr);
        book.learn(&batch.pkt_dstaddr, eyes, 1, pkt_dstaddr);
        desk.keeps && book.len() > limits::LEARNED_ADDRESSES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    #[test]
    fn private_is_what_the_rules_list() {
        for address in [
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "169.254.169.254",
            "127.0.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "::1",
            "::",
            "ff02::1",
        ] {
            assert!(is_private(ip(address)), "{address}");
        }
        for address in [
            "8.8.8.8",
            "172.32.0.1",
            "172.15.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "198.17.255.255",
            "198.20.0.1",
            "203.0.113.5",
            "198.51.100.1",
            "192.0.2.1",
            "169.253.0.1",
            "0.0.0.1",
            "2001:db8::1",
            "2600::1",
            "fec0::1",
            "64:ff9b::1",
        ] {
            assert!(!is_private(ip(address)), "{address}");
        }
    }
}
