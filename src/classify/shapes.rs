//! The records of a batch, sorted by what they are: records that differ in nothing that a verdict can depend on are
//! judged once.
//!
//! The shape of a record is the classes of its values side by side in one number. Invariant: all that
//! [`Row::judge`] reads of a record, but for the numbers that it hands on, is in its shape; a record whose numbers are
//! not sound has none and is judged alone.

use std::{collections::BTreeSet, sync::Arc};

use hashbrown::HashMap;

use super::{
    ChargeSet, Classifier, GroupId, Verdict, VerdictKey, ZoneId,
    meanings::{Addresses, AzZones, Values, class_of, is_same},
    ports::PortTable,
    record::Row,
};
use crate::{
    decode::{AddrCell, DictColumn, FlowBatch, IntColumn},
    limits,
    model::RecordOutcome,
};

/// In place of the number of a verdict: the record has to be judged alone.
pub const ALONE: u32 = u32::MAX;

/// The shape of a record that has none.
const NO_SHAPE: u64 = 1 << 63;

/// Bits that a shape can have.
const SHAPE_BITS: u32 = 63;

/// A classifier at work on one object: it remembers what the object's values mean, which shapes it has judged, and the
/// zones that only this object's az_ids have named.
#[derive(Debug)]
pub struct ObjectClassifier<'a> {
    zones: AzZones<'a>,
    values: Values,
    missing_az_ids: BTreeSet<(Arc<str>, Arc<str>)>,
    shapes: Vec<u64>,
    layout: Layout,
    judged: Judged,
    verdicts: Vec<Verdict>,
    numbers: HashMap<(RecordOutcome, VerdictKey, bool, ChargeSet), u32>,
}

impl<'a> ObjectClassifier<'a> {
    /// Begins an object.
    pub fn new(classifier: &'a Classifier) -> Self {
        Self {
            zones: AzZones::new(classifier),
            values: Values::default(),
            missing_az_ids: BTreeSet::new(),
            shapes: Vec::new(),
            layout: Layout::default(),
            judged: Judged::default(),
            verdicts: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// Judges the records of a batch one by one, in order.
    pub fn classify(&mut self, batch: &FlowBatch, mut each: impl FnMut(usize, Verdict)) {
        self.values.learn(&mut self.zones, batch);
        for row in 0..batch.rows {
            let verdict = self.judge(batch, row);
            each(row, verdict);
        }
    }

    /// Sorts the records of a batch: for each one the number of its [verdict](Self::verdict), or [`ALONE`].
    pub fn sort(&mut self, batch: &FlowBatch, sorted: &mut Vec<u32>) {
        self.values.learn(&mut self.zones, batch);
        sorted.clear();
        let layout = Layout::of(&self.values, self.zones.classifier, batch);
        if layout.bits > SHAPE_BITS {
            sorted.resize(batch.rows, ALONE);
            return;
        }
        if layout != self.layout || self.judged.is_full() {
            self.judged.clear();
            self.layout = layout;
        }
        let mut shapes = std::mem::take(&mut self.shapes);
        shapes.clear();
        shapes.resize(batch.rows, 0);
        Shapes { shapes: &mut shapes, shift: 0 }.fill(&self.values, self.zones.classifier, batch);
        sorted.resize(batch.rows, ALONE);
        for (row, (shape, number)) in shapes.iter().zip(sorted).enumerate() {
            *number = match self.judged.front(*shape) {
                Some(number) => number,
                None if *shape & NO_SHAPE != 0 => ALONE,
                None => self.judge_shape(batch, row, *shape),
            };
        }
        self.shapes = shapes;
    }

    /// What all records with this number are, without their numbers and time.
    pub fn verdict(&self, number: u32) -> &Verdict {
        &self.verdicts[number as usize]
    }

    /// Gives verdicts numbers anew.
    pub fn forget_verdicts(&mut self) {
        self.verdicts.clear();
        self.numbers = HashMap::new();
        self.judged.clear();
    }

    /// How many verdicts there are so far.
    pub fn verdicts(&self) -> usize {
        self.verdicts.len()
    }

    /// Judges a record of the batch that was [sorted](Self::sort) last.
    pub fn judge(&mut self, batch: &FlowBatch, row: usize) -> Verdict {
        Row { classifier: self.zones.classifier, batch, values: &self.values, row }
            .judge(&mut self.missing_az_ids)
    }

    fn judge_shape(&mut self, batch: &FlowBatch, row: usize, shape: u64) -> u32 {
        if let Some(number) = self.judged.find(shape) {
            return number;
        }
        let verdict = self.judge(batch, row);
        let number = if verdict.outcome == RecordOutcome::Bad {
            // Somebody will want to know its row.
            ALONE
        } else {
            let Verdict { outcome, key, inter_az, charges, .. } = verdict;
            let next = self.verdicts.len() as u32;
            let number = *self.numbers.entry((outcome, key, inter_az, charges)).or_insert(next);
            if number == next {
                self.verdicts.push(Verdict { bytes: 0, packets: 0, time: None, ..verdict });
            }
            number
        };
        self.judged.insert(shape, number);
        number
    }

    /// The label value of a zone.
    pub fn zone_name(&self, zone: ZoneId) -> Arc<str> {
        match zone {
            ZoneId::AWS => Arc::from("aws"),
            ZoneId::INTERNET => Arc::from("internet"),
            ZoneId::UNKNOWN => Arc::from("unknown"),
            known => match self.zones.classifier.spec(known) {
                Some(spec) => spec.name.clone(),
                None => {
                    let at = usize::from(known.0)
                        - usize::from(ZoneId::FIRST_KNOWN)
                        - self.zones.classifier.rules.zones.len();
                    self.zones.names[at].clone()
                }
            },
        }
    }

    /// The label value of a port group.
    pub fn group_name(&self, group: GroupId) -> Arc<str> {
        self.zones.classifier.group_name(group)
    }

    /// Zones that are configured without the az_id that the records show for them.
    pub fn into_missing_az_ids(self) -> BTreeSet<(Arc<str>, Arc<str>)> {
        self.missing_az_ids
    }
}

/// The verdicts of the shapes that have been seen.
#[derive(Debug)]
struct Judged {
    /// Those that were asked for last.
    front: Box<[(u64, u32)]>,
    all: HashMap<u64, u32>,
}

const FRONT: usize = 1 << 11;

impl Default for Judged {
    fn default() -> Self {
        Self { front: vec![(NO_SHAPE, ALONE); FRONT].into(), all: HashMap::new() }
    }
}

impl Judged {
    fn place(shape: u64) -> usize {
        (shape.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FRONT.trailing_zeros())) as usize
    }

    #[inline]
    fn front(&self, shape: u64) -> Option<u32> {
        let (known, number) = self.front[Self::place(shape)];
        (known == shape).then_some(number)
    }

    fn find(&mut self, shape: u64) -> Option<u32> {
        let number = *self.all.get(&shape)?;
        self.front[Self::place(shape)] = (shape, number);
        Some(number)
    }

    fn insert(&mut self, shape: u64, number: u32) {
        self.all.insert(shape, number);
        self.front[Self::place(shape)] = (shape, number);
    }

    fn is_full(&self) -> bool {
        self.all.len() > limits::SHAPES
    }

    fn clear(&mut self) {
        self.all = HashMap::new();
        self.front.fill((NO_SHAPE, ALONE));
    }
}

/// Which bits of a shape are whose. As long as it is the same, equal numbers are equal shapes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Layout {
    /// For each column the bits of its classes; `None` where there is no such column.
    columns: Vec<Option<u32>>,
    bits: u32,
    epoch: u64,
}

impl Layout {
    fn of(values: &Values, classifier: &Classifier, batch: &FlowBatch) -> Self {
        let mut columns = Vec::with_capacity(32);
        each_column(values, batch, |index, _, bits| {
            columns.push(index.map(|_| bits));
        });
        for (plain, packet) in sides(values, batch) {
            columns.push(plain.map(|_| values.book.bits()));
            columns.push(packet.map(|_| values.book.bits()));
            columns.push(plain.and(packet).map(|_| 1));
        }
        let has = |column: &Option<IntColumn>, bits| column.as_ref().map(|_| bits);
        let ports = classifier.ports.bits();
        columns.push(has(&batch.srcport, 0).or(has(&batch.dstport, 0)).map(|_| ports));
        columns.push(has(&batch.traffic_path, PATH_BITS));
        let bits = columns.iter().flatten().sum();
        Self { columns, bits, epoch: values.epoch }
    }
}

/// The index of each column of dictionaries but addresses, its classes and their bits, always in the same order.
fn each_column<'v>(
    values: &'v Values,
    batch: &'v FlowBatch,
    mut each: impl FnMut(Option<&'v [u32]>, &'v [u32], u32),
) {
    macro_rules! columns {
        ($($column:ident)*) => {
            $(each(index(&batch.$column), &values.$column.classes, values.$column.bits());)*
        };
    }
    columns!(
        interface_id resource_id interface_type az_id next_hop_interface_id next_hop_interface_type
        next_hop_az_id pkt_src_aws_service pkt_dst_aws_service flow_direction action log_status
    );
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

/// Bits of [`path_class`].
const PATH_BITS: u32 = 2;

/// What of `traffic_path` bears on charges: none, the gateway endpoint, an internet gateway, any other.
fn path_class(cell: i64) -> u64 {
    match cell {
        i64::MIN..=0 => u64::from(cell < 0 && cell > IntColumn::HIGHEST_MARK) * 3,
        7 => 1,
        2 | 8 => 2,
        _ => 3,
    }
}

/// Shapes in the making: column after column takes the next bits.
struct Shapes<'s> {
    shapes: &'s mut [u64],
    shift: u32,
}

impl Shapes<'_> {
    fn fill(&mut self, values: &Values, classifier: &Classifier, batch: &FlowBatch) {
        each_column(values, batch, |index, classes, bits| {
            if let Some(index) = index {
                self.classes(index, classes, bits);
            }
        });
        for (plain, packet) in sides(values, batch) {
            match (plain, packet) {
                (Some(plain), Some(packet)) => self.addresses(plain, packet, values.book.bits()),
                (Some(one), None) | (None, Some(one)) => self.address(one, values.book.bits()),
                (None, None) => {}
            }
        }
        self.ports(classifier, batch);
        if let Some(path) = &batch.traffic_path {
            for (shape, cell) in self.shapes.iter_mut().zip(path.cells()) {
                *shape |= path_class(*cell) << self.shift;
            }
        }
        for (shape, malformed) in self.shapes.iter_mut().zip(&batch.malformed) {
            *shape |= u64::from(*malformed) << SHAPE_BITS;
        }
        unsound(self.shapes, batch.bytes.cells(), batch.packets.as_ref().map_or(&[], IntColumn::cells));
    }

    fn classes(&mut self, index: &[u32], classes: &[u32], bits: u32) {
        if bits == 0 {
            return;
        }
        add_classes(self.shapes, index, classes, self.shift);
        self.shift += bits;
    }

    fn address(&mut self, one: (&[u32], &[u64]), bits: u32) {
        add_address(self.shapes, one, self.shift);
        self.shift += bits;
    }

    /// Both addresses of a side, and whether they are the same.
    fn addresses(&mut self, plain: (&[u32], &[u64]), packet: (&[u32], &[u64]), bits: u32) {
        add_addresses(self.shapes, plain, packet, bits, self.shift);
        self.shift += 2 * bits + 1;
    }

    fn ports(&mut self, classifier: &Classifier, batch: &FlowBatch) {
        let source = batch.srcport.as_ref().map(IntColumn::cells);
        let destination = batch.dstport.as_ref().map(IntColumn::cells);
        if source.or(destination).is_none() {
            return;
        }
        let none = vec![IntColumn::NULL; if source.and(destination).is_none() { batch.rows } else { 0 }];
        let (source, destination) = (source.unwrap_or(&none), destination.unwrap_or(&none));
        add_ports(self.shapes, source, destination, &classifier.ports, self.shift);
        self.shift += classifier.ports.bits();
    }
}

// Each pass is a function of its own, so that all that it needs stays in registers.

#[inline(never)]
fn add_classes(shapes: &mut [u64], index: &[u32], classes: &[u32], shift: u32) {
    for (shape, at) in shapes.iter_mut().zip(index) {
        *shape |= u64::from(classes[*at as usize]) << shift;
    }
}

#[inline(never)]
fn add_address(shapes: &mut [u64], (index, tags): (&[u32], &[u64]), shift: u32) {
    for (shape, at) in shapes.iter_mut().zip(index) {
        *shape |= class_of(tags[*at as usize]) << shift;
    }
}

#[inline(never)]
fn add_addresses(
    shapes: &mut [u64],
    (plain_index, plain_tags): (&[u32], &[u64]),
    (packet_index, packet_tags): (&[u32], &[u64]),
    bits: u32,
    shift: u32,
) {
    for ((shape, plain), packet) in shapes.iter_mut().zip(plain_index).zip(packet_index) {
        let (plain, packet) = (plain_tags[*plain as usize], packet_tags[*packet as usize]);
        let classes = (class_of(packet) << bits) | class_of(plain);
        *shape |= ((classes << 1) | u64::from(is_same(plain, packet))) << shift;
    }
}

#[inline(never)]
fn add_ports(shapes: &mut [u64], source: &[i64], destination: &[i64], ports: &PortTable, shift: u32) {
    const HIGHEST: u64 = u16::MAX as u64;
    for ((shape, source), destination) in shapes.iter_mut().zip(source).zip(destination) {
        let group = ports.find_cells(*source, *destination);
        *shape |= u64::from(group.index()) << shift;
        if (source | destination).cast_unsigned() > HIGHEST {
            let sound = |cell: i64| cell.cast_unsigned() <= HIGHEST || cell == IntColumn::NULL;
            *shape |= u64::from(!(sound(*source) && sound(*destination))) << SHAPE_BITS;
        }
    }
}

/// Takes the shape of records whose numbers are not sound. The sign is the bit of no shape, too: bytes must not be negative,
/// and of packets only null may be, which alone has no other bit.
#[inline(never)]
fn unsound(shapes: &mut [u64], bytes: &[i64], packets: &[i64]) {
    for (shape, bytes) in shapes.iter_mut().zip(bytes) {
        *shape |= bytes.cast_unsigned() & NO_SHAPE;
    }
    for (shape, packets) in shapes.iter_mut().zip(packets) {
        *shape |= (packets & packets.wrapping_sub(1)).cast_unsigned() & NO_SHAPE;
    }
}

#[cfg(test)]
#[path = "shapes_tests.rs"]
mod tests;
