//! Which records of a batch are alike: those that differ in nothing that judging can depend on, but for the addresses
//! that the object may teach.
//!
//! The signature of a record is the classes of its values side by side in one number. Invariant: all that
//! [`Row`](super::record::Row) reads of a record, but for the numbers that it hands on, is in its signature; a record
//! whose numbers are not sound has none and is looked at by itself.

use std::{fmt, hash::Hash};

use hashbrown::HashMap;

use super::{
    facts::Path,
    ports::PortTable,
    values::{Addresses, Meanings, Values, class_of, is_same},
};
use crate::{
    decode::{AddrCell, DictColumn, Field, FlowBatch, IntColumn},
    limits,
};

/// In place of the number of a record: it has to be looked at by itself.
pub const ALONE: u32 = u32::MAX;

/// What a signature is written in. The highest bit is set where a record has none and is looked at by itself.
trait Word: Copy + Eq + Hash + Default + fmt::Debug {
    /// Bits that a signature can have.
    const SIGNATURE_BITS: u32;
    /// That of a record that has none.
    const NONE: Self;

    fn put(&mut self, class: u64, shift: u32);
    /// Takes the signature away where the sign is set.
    fn take_if_negative(&mut self, cell: u64);
    fn is_some(self) -> bool;
    /// A place in [`Known::front`].
    fn place(self) -> usize;
}

/// Spreads its bits over a word, highest first: 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Word for u64 {
    const SIGNATURE_BITS: u32 = 63;
    const NONE: Self = 1 << 63;

    #[inline]
    fn put(&mut self, class: u64, shift: u32) {
        *self |= class << shift;
    }

    #[inline]
    fn take_if_negative(&mut self, cell: u64) {
        *self |= cell & Self::NONE;
    }

    #[inline]
    fn is_some(self) -> bool {
        self & Self::NONE == 0
    }

    #[inline]
    fn place(self) -> usize {
        (self.wrapping_mul(SPREAD) >> (Self::BITS - FRONT.trailing_zeros())) as usize
    }
}

impl Word for u128 {
    const SIGNATURE_BITS: u32 = 127;
    const NONE: Self = 1 << 127;

    #[inline]
    fn put(&mut self, class: u64, shift: u32) {
        *self |= Self::from(class) << shift;
    }

    #[inline]
    fn take_if_negative(&mut self, cell: u64) {
        *self |= (Self::from(cell) << 64) & Self::NONE;
    }

    #[inline]
    fn is_some(self) -> bool {
        self & Self::NONE == 0
    }

    #[inline]
    fn place(self) -> usize {
        let high = ((self >> 64) as u64).wrapping_mul(SPREAD);
        (high ^ self as u64).place()
    }
}

/// The numbers of the signatures that an object has shown.
#[derive(Debug, Default)]
pub(super) struct Signer {
    layout: Layout,
    narrow: Memo<u64>,
    /// For the few objects whose signatures have more bits.
    wide: Memo<u128>,
}

impl Signer {
    /// Finds for each record of a batch the number that records like it have, or [`ALONE`]. `number` numbers a row
    /// whose like has not been seen.
    pub(super) fn sort(
        &mut self,
        values: &Values,
        ports: &PortTable,
        batch: &FlowBatch,
        sorted: &mut Vec<u32>,
        number: impl FnMut(usize) -> u32,
    ) {
        sorted.clear();
        sorted.resize(batch.rows, ALONE);
        let layout = Layout::of(values, ports, batch);
        if layout != self.layout {
            self.forget();
        }
        let bits = layout.bits;
        self.layout = layout;
        if bits <= u64::SIGNATURE_BITS {
            self.narrow.sort(values, ports, batch, sorted, number);
        } else if bits <= u128::SIGNATURE_BITS {
            self.wide.sort(values, ports, batch, sorted, number);
        }
    }

    /// Numbers are given anew.
    pub(super) fn forget(&mut self) {
        self.narrow.known.clear();
        self.wide.known.clear();
    }

    #[cfg(test)]
    pub(super) fn bits(&self) -> u32 {
        self.layout.bits
    }
}

/// The signatures of a batch, and the numbers of those that have been seen.
#[derive(Debug)]
struct Memo<W> {
    signatures: Vec<W>,
    known: Known<W>,
}

impl<W: Word> Default for Memo<W> {
    fn default() -> Self {
        Self { signatures: Vec::new(), known: Known::default() }
    }
}

impl<W: Word> Memo<W> {
    fn sort(
        &mut self,
        values: &Values,
        ports: &PortTable,
        batch: &FlowBatch,
        sorted: &mut [u32],
        mut number: impl FnMut(usize) -> u32,
    ) {
        let Self { signatures, known } = self;
        if known.is_full() {
            known.clear();
        }
        signatures.clear();
        signatures.resize(batch.rows, W::default());
        Signatures { signatures, shift: 0 }.fill(values, ports, batch);
        for (row, (signature, found)) in signatures.iter().zip(sorted).enumerate() {
            *found = match known.front(*signature) {
                Some(number) => number,
                None if !signature.is_some() => ALONE,
                None => known.find_or_insert(*signature, || number(row)),
            };
        }
    }
}

/// The numbers of the signatures that have been seen.
#[derive(Debug)]
struct Known<W> {
    /// Those that were asked for last; empty before the first.
    front: Box<[(W, u32)]>,
    all: HashMap<W, u32>,
}

const FRONT: usize = 1 << 11;

impl<W: Word> Default for Known<W> {
    fn default() -> Self {
        Self { front: Box::default(), all: HashMap::new() }
    }
}

impl<W: Word> Known<W> {
    #[inline]
    fn front(&self, signature: W) -> Option<u32> {
        let (known, number) = self.front.get(signature.place())?;
        (*known == signature).then_some(*number)
    }

    fn find_or_insert(&mut self, signature: W, number: impl FnOnce() -> u32) -> u32 {
        if self.front.is_empty() {
            self.front = vec![(W::NONE, ALONE); FRONT].into();
        }
        let number = *self.all.entry(signature).or_insert_with(number);
        self.front[signature.place()] = (signature, number);
        number
    }

    fn is_full(&self) -> bool {
        self.all.len() > limits::SIGNATURES
    }

    fn clear(&mut self) {
        self.all = HashMap::new();
        self.front.fill((W::NONE, ALONE));
    }
}

/// Which bits of a signature are whose. As long as it is the same, equal numbers are equal signatures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Layout {
    /// For each column the bits of its classes; `None` where there is no such column.
    columns: Vec<Option<u32>>,
    bits: u32,
    epoch: u64,
}

impl Layout {
    fn of(values: &Values, ports: &PortTable, batch: &FlowBatch) -> Self {
        let mut columns = Vec::with_capacity(32);
        columns.extend(Field::ALL.into_iter().map(|field| Some(classes(field, values, batch)?.bits)));
        for (plain, packet) in sides(values, batch) {
            columns.push(plain.map(|_| values.book.bits()));
            columns.push(packet.map(|_| values.book.bits()));
            columns.push(plain.and(packet).map(|_| 1));
        }
        let has = |column: &Option<IntColumn>, bits| column.as_ref().map(|_| bits);
        columns.push(has(&batch.srcport, 0).or(has(&batch.dstport, 0)).map(|_| ports.bits()));
        columns.push(has(&batch.traffic_path, Path::BITS));
        let bits = columns.iter().flatten().sum();
        Self { columns, bits, epoch: values.epoch }
    }
}

/// A column whose values have classes: the index, and the classes of its values with their bits.
#[derive(Clone, Copy)]
struct Classes<'v> {
    index: &'v [u32],
    classes: &'v [u32],
    bits: u32,
}

/// The part that a field has in a signature by its classes. Every field that is read has its part here, or where it is
/// said.
fn classes<'v>(field: Field, values: &'v Values, batch: &'v FlowBatch) -> Option<Classes<'v>> {
    fn of<'v, T, V: Hash + Eq + Clone>(
        column: &'v Option<DictColumn<T>>,
        meanings: &'v Meanings<V>,
    ) -> Option<Classes<'v>> {
        let index = index(column)?;
        Some(Classes { index, classes: &meanings.classes, bits: meanings.bits() })
    }
    match field {
        Field::AccountId => of(&batch.account_id, &values.account_id),
        Field::InterfaceId => of(&batch.interface_id, &values.interface_id),
        Field::VpcId => of(&batch.vpc_id, &values.vpc_id),
        Field::InstanceId => of(&batch.instance_id, &values.instance_id),
        Field::ResourceId => of(&batch.resource_id, &values.resource_id),
        Field::InterfaceType => of(&batch.interface_type, &values.interface_type),
        Field::AzId => of(&batch.az_id, &values.az_id),
        Field::NextHopInterfaceId => of(&batch.next_hop_interface_id, &values.next_hop_interface_id),
        Field::NextHopInterfaceType => of(&batch.next_hop_interface_type, &values.next_hop_interface_type),
        Field::NextHopAzId => of(&batch.next_hop_az_id, &values.next_hop_az_id),
        Field::PktSrcAwsService => of(&batch.pkt_src_aws_service, &values.pkt_src_aws_service),
        Field::PktDstAwsService => of(&batch.pkt_dst_aws_service, &values.pkt_dst_aws_service),
        Field::FlowDirection => of(&batch.flow_direction, &values.flow_direction),
        Field::Action => of(&batch.action, &values.action),
        Field::LogStatus => of(&batch.log_status, &values.log_status),
        // See `sides`.
        Field::Srcaddr | Field::Dstaddr | Field::PktSrcaddr | Field::PktDstaddr => None,
        // See `Signatures::ports` and `path_class`.
        Field::Srcport | Field::Dstport | Field::TrafficPath => None,
        // Handed on as they are; a record whose numbers are not sound has no signature: see `unsound`.
        Field::Packets | Field::Bytes | Field::Start | Field::End => None,
    }
}

fn index<T>(column: &Option<DictColumn<T>>) -> Option<&[u32]> {
    column.as_ref().map(|column| &column.index[..])
}

/// A column of addresses: the index, and the tags of its values.
type AddressColumn<'v> = Option<(&'v [u32], &'v [u64])>;

/// Plain and packet addresses of the source, and of the destination.
fn sides<'v>(values: &'v Values, batch: &'v FlowBatch) -> [(AddressColumn<'v>, AddressColumn<'v>); 2] {
    fn column<'v>(column: &'v Option<DictColumn<AddrCell>>, values: &'v Addresses) -> AddressColumn<'v> {
        index(column).map(|index| (index, &values.tags[..]))
    }
    [
        (column(&batch.srcaddr, &values.srcaddr), column(&batch.pkt_srcaddr, &values.pkt_srcaddr)),
        (column(&batch.dstaddr, &values.dstaddr), column(&batch.pkt_dstaddr, &values.pkt_dstaddr)),
    ]
}

/// What of `traffic_path` is told apart: a value that is not readable is null (semantics 1.10).
pub(super) fn path_class(cell: i64) -> u64 {
    match u8::try_from(cell) {
        Ok(path @ 0..=Path::HIGHEST) => u64::from(path),
        _ if cell <= IntColumn::HIGHEST_MARK => 0,
        _ => u64::from(Path::OTHER),
    }
}

/// Signatures in the making: column after column takes the next bits.
struct Signatures<'s, W> {
    signatures: &'s mut [W],
    shift: u32,
}

impl<W: Word> Signatures<'_, W> {
    fn fill(&mut self, values: &Values, ports: &PortTable, batch: &FlowBatch) {
        for column in Field::ALL.into_iter().filter_map(|field| classes(field, values, batch)) {
            if column.bits > 0 {
                add_classes(self.signatures, column.index, column.classes, self.shift);
                self.shift += column.bits;
            }
        }
        for (plain, packet) in sides(values, batch) {
            match (plain, packet) {
                (Some(plain), Some(packet)) => self.addresses(plain, packet, values.book.bits()),
                (Some(one), None) | (None, Some(one)) => self.address(one, values.book.bits()),
                (None, None) => {}
            }
        }
        self.ports(ports, batch);
        if let Some(path) = &batch.traffic_path {
            for (signature, cell) in self.signatures.iter_mut().zip(path.cells()) {
                signature.put(path_class(*cell), self.shift);
            }
        }
        for (signature, malformed) in self.signatures.iter_mut().zip(&batch.malformed) {
            if *malformed {
                *signature = W::NONE;
            }
        }
        let cells = |column| Option::as_ref(column).map_or(&[][..], IntColumn::cells);
        unsound(self.signatures, cells(&batch.bytes), cells(&batch.packets));
    }

    fn address(&mut self, one: (&[u32], &[u64]), bits: u32) {
        add_address(self.signatures, one, self.shift);
        self.shift += bits;
    }

    /// Both addresses of a side, and whether they are the same.
    fn addresses(&mut self, plain: (&[u32], &[u64]), packet: (&[u32], &[u64]), bits: u32) {
        add_addresses(self.signatures, plain, packet, bits, self.shift);
        self.shift += 2 * bits + 1;
    }

    fn ports(&mut self, ports: &PortTable, batch: &FlowBatch) {
        let source = batch.srcport.as_ref().map(IntColumn::cells);
        let destination = batch.dstport.as_ref().map(IntColumn::cells);
        if source.or(destination).is_none() {
            return;
        }
        let none = vec![IntColumn::NULL; if source.and(destination).is_none() { batch.rows } else { 0 }];
        let (source, destination) = (source.unwrap_or(&none), destination.unwrap_or(&none));
        add_ports(self.signatures, source, destination, ports, self.shift);
        self.shift += ports.bits();
    }
}

// Each pass is a function of its own, so that all that it needs stays in registers.

#[inline(never)]
fn add_classes<W: Word>(signatures: &mut [W], index: &[u32], classes: &[u32], shift: u32) {
    for (signature, at) in signatures.iter_mut().zip(index) {
        signature.put(u64::from(classes[*at as usize]), shift);
    }
}

#[inline(never)]
fn add_address<W: Word>(signatures: &mut [W], (index, tags): (&[u32], &[u64]), shift: u32) {
    for (signature, at) in signatures.iter_mut().zip(index) {
        signature.put(class_of(tags[*at as usize]), shift);
    }
}

#[inline(never)]
fn add_addresses<W: Word>(
    signatures: &mut [W],
    (plain_index, plain_tags): (&[u32], &[u64]),
    (packet_index, packet_tags): (&[u32], &[u64]),
    bits: u32,
    shift: u32,
) {
    for ((signature, plain), packet) in signatures.iter_mut().zip(plain_index).zip(packet_index) {
        let (plain, packet) = (plain_tags[*plain as usize], packet_tags[*packet as usize]);
        let classes = (class_of(packet) << bits) | class_of(plain);
        signature.put((classes << 1) | u64::from(is_same(plain, packet)), shift);
    }
}

#[inline(never)]
fn add_ports<W: Word>(
    signatures: &mut [W],
    source: &[i64],
    destination: &[i64],
    ports: &PortTable,
    shift: u32,
) {
    const HIGHEST: u64 = u16::MAX as u64;
    for ((signature, source), destination) in signatures.iter_mut().zip(source).zip(destination) {
        let group = ports.find_cells(*source, *destination);
        signature.put(u64::from(group.index()), shift);
        if (source | destination).cast_unsigned() > HIGHEST {
            let sound = |cell: i64| cell.cast_unsigned() <= HIGHEST || cell == IntColumn::NULL;
            if !(sound(*source) && sound(*destination)) {
                *signature = W::NONE;
            }
        }
    }
}

/// Takes the signature of records whose numbers are not sound. The sign is the bit of no signature, too: bytes must not be negative,
/// and of packets only null may be, which alone has no other bit.
#[inline(never)]
fn unsound<W: Word>(signatures: &mut [W], bytes: &[i64], packets: &[i64]) {
    for (signature, bytes) in signatures.iter_mut().zip(bytes) {
        signature.take_if_negative(bytes.cast_unsigned());
    }
    for (signature, packets) in signatures.iter_mut().zip(packets) {
        signature.take_if_negative((packets & packets.wrapping_sub(1)).cast_unsigned());
    }
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
