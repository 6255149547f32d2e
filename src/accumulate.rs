//! `digest`: the bytes of one object in, what they add out. The pure heart.
//!
//! Records that are alike are summed in lanes, by the number that the classifier gives them; what numbers mean, names and
//! charges come in at the end. The same bytes, origin and classifier give the same settlement, whenever and however often. An
//! object counts whole or not at all (semantics 1.19).

mod lanes;

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use hashbrown::HashMap;
use lanes::{Lane, Lanes, Records};

use crate::{
    classify::{ALONE, Alone, Classifier, Meaning, ObjectClassifier, VerdictKey},
    decode::{
        DecodeError, DecodeLimits, DictionaryId, Field, FlowBatch, Input, IntColumn, Reader, TextColumn,
    },
    limits,
    model::{
        Charge, ChargeCounts, Contradiction, Doubt, FlowCounts, FlowKey, Hints, Hour, NanoUsd, ObjectDelta,
        Origin, Partition, Quarantine, QuarantineReason, RecordCounts, RecordOutcome, Series, Settlement,
        Timestamp,
    },
};

/// What one object may cost and contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestLimits {
    /// Bytes after decompression of what is read.
    pub decompressed_bytes: u64,
    /// Bad records that an object may have and still count.
    pub bad_rows: u64,
}

/// Reads an object and sums its records.
pub fn digest(input: Input, origin: &Origin, classifier: &Classifier, limits: &DigestLimits) -> Settlement {
    match read(input, origin, classifier, limits) {
        Ok(delta) if delta.records.total() == 0 => Settlement::Empty,
        Ok(delta) => Settlement::Counted(delta),
        Err(DecodeError::Quarantine(why)) => Settlement::Quarantined(why),
        Err(DecodeError::Ignore(reason)) => Settlement::Ignored(reason),
    }
}

fn read(
    input: Input,
    origin: &Origin,
    classifier: &Classifier,
    limits: &DigestLimits,
) -> Result<ObjectDelta, DecodeError> {
    let decode_limits = DecodeLimits { decompressed_bytes: limits.decompressed_bytes };
    let mut reader = Reader::open(input, &decode_limits)?;
    reader.only_needed_starts();
    let mut object = ObjectClassifier::new(classifier, origin.account.as_deref(), origin.region.as_deref());
    let mut sums = Sums::new(&origin.partition);
    let mut sorted = Vec::with_capacity(limits::BATCH_ROWS);
    while let Some(batch) = reader.next_batch()? {
        if let Some(interfaces) = &batch.interface_id {
            sums.note_interfaces(interfaces);
        }
        object.sort(&batch, &mut sorted);
        sums.add_sorted(&batch, &sorted, &mut object)?;
        sums.merge(&mut object)?;
        if sums.lanes.are_too_many().map_err(field_overflow)? || object.has_too_many_kinds() {
            return Err(too_many(limits::OBJECT_LANES));
        }
        let bad = sums.bad;
        if bad > limits.bad_rows {
            return Err(DecodeError::Quarantine(Quarantine {
                reason: QuarantineReason::BadRows,
                detail: format!(
                    "{bad} bad rows or more; limits.bad_rows_per_object is {}; the first is {}",
                    limits.bad_rows,
                    sums.first_bad.unwrap_or_default()
                ),
            }));
        }
    }
    sums.finish(object, classifier)
}

fn overflow(what: &str) -> DecodeError {
    DecodeError::Quarantine(Quarantine {
        reason: QuarantineReason::Overflow,
        detail: format!("{what} is larger than a 64-bit integer"),
    })
}

fn field_overflow(field: Field) -> DecodeError {
    overflow(&format!("the sum of column {}", field.name()))
}

fn too_many(most: usize) -> DecodeError {
    DecodeError::Quarantine(Quarantine {
        reason: QuarantineReason::TooLarge,
        detail: format!("more than {most} different sums: zones, port groups, hours and charges"),
    })
}

/// The sum, or the field that overflows.
fn added(sum: FlowCounts, more: FlowCounts) -> Result<FlowCounts, Field> {
    sum.checked_add(more).ok_or_else(|| {
        let only_packets = FlowCounts { packets: more.packets, ..FlowCounts::default() };
        if sum.checked_add(only_packets).is_none() { Field::Packets } else { Field::Bytes }
    })
}

fn cells(column: &Option<IntColumn>) -> &[i64] {
    column.as_ref().map_or(&[], IntColumn::cells)
}

/// Sums under the numbers of one object's classifier; what they mean is put in at the end.
struct Sums<'p> {
    partition: &'p Partition,
    earliest: Timestamp,
    latest: Timestamp,
    bad: u64,
    /// For a person: its number, and what is wrong with it.
    first_bad: Option<String>,
    newest: Option<Timestamp>,
    interfaces: BTreeMap<u64, Arc<str>>,
    /// The dictionary of interfaces that was looked at last, and how many of its values.
    noted: Option<(DictionaryId, usize)>,
    lanes: Lanes,
}

impl<'p> Sums<'p> {
    fn new(partition: &'p Partition) -> Self {
        Self {
            partition,
            earliest: partition.start.start().minus(limits::RECORD_TIME_TOLERANCE),
            latest: partition.end().plus(limits::RECORD_TIME_TOLERANCE),
            bad: 0,
            first_bad: None,
            newest: None,
            interfaces: BTreeMap::new(),
            noted: None,
            lanes: Lanes::default(),
        }
    }

    /// Adds up what the classifier does not tell apart any more.
    fn merge(&mut self, object: &mut ObjectClassifier<'_>) -> Result<(), DecodeError> {
        loop {
            let too_many = self.lanes.are_too_many().map_err(field_overflow)?;
            let Some(merged) = object.take_merged(too_many) else { return Ok(()) };
            self.lanes.merge(&merged).map_err(field_overflow)?;
        }
    }

    /// Adds the records of a batch, each under its number.
    fn add_sorted(
        &mut self,
        batch: &FlowBatch,
        sorted: &[u32],
        object: &mut ObjectClassifier<'_>,
    ) -> Result<(), DecodeError> {
        let (end, start) = (cells(&batch.end), cells(&batch.start));
        let time_of = |row: usize| {
            let present = |cells: &[i64]| cells.get(row).copied().filter(|at| *at > IntColumn::HIGHEST_MARK);
            present(end).or_else(|| present(start))
        };
        let records = Records {
            sorted,
            times: if end.is_empty() { start } else { end },
            bytes: cells(&batch.bytes),
            packets: cells(&batch.packets),
        };
        let fits = self.lanes.have_room_for(batch);
        self.lanes.make_room(object.numbers()).map_err(field_overflow)?;
        // The hour whose lanes are at hand, and the seconds that belong to it.
        let mut at_hand: Option<(usize, std::ops::Range<i64>)> = None;
        let mut row = 0;
        loop {
            if let Some((place, seconds)) = at_hand.as_ref().filter(|_| fits) {
                let (added, newest) = self.lanes.add_while(*place, seconds, &records.from(row));
                if newest > i64::MIN {
                    self.newest = self.newest.max(Some(Timestamp(newest)));
                }
                row += added;
            }
            let Some(number) = sorted.get(row) else { return Ok(()) };
            let (number, lane) = if *number == ALONE {
                match object.alone(batch, row) {
                    Ok(Alone { number, bytes, packets }) => (number, Lane { flows: 1, packets, bytes }),
                    Err(_) => {
                        self.note_bad(batch, row);
                        row += 1;
                        continue;
                    }
                }
            } else {
                let packets = records.packets.get(row).copied().unwrap_or(0).max(0).unsigned_abs();
                (*number, Lane { flows: 1, packets, bytes: records.bytes[row].unsigned_abs() })
            };
            let hour = self.hour(time_of(row));
            // What is no traffic has no sums that matter.
            let lane = if object.is_traffic(number) { lane } else { Lane { flows: 1, ..Lane::default() } };
            self.lanes.add(hour, number, lane).map_err(|field| {
                let number = batch.first_row + row as u64;
                overflow(&format!("row {number}: the sum of column {}", field.name()))
            })?;
            if let Some(place) = self.lanes.place(hour) {
                let seconds = hour.start().max(self.earliest).0..hour.end().0.min(self.latest.0 + 1);
                at_hand = Some((place, seconds));
            }
            row += 1;
        }
    }

    fn note_bad(&mut self, batch: &FlowBatch, row: usize) {
        self.bad += 1;
        if self.first_bad.is_none() {
            let number = batch.first_row + row as u64;
            self.first_bad = Some(format!("row {number}: {}", batch.fault(row)));
        }
    }

    /// Keeps the interfaces with the lowest hashes. Looks at distinct values, not at records, and not at what is too long
    /// for an id.
    fn note_interfaces(&mut self, column: &TextColumn) {
        let known = self.noted.filter(|(dictionary, _)| *dictionary == column.dictionary);
        let known = known.map_or(0, |(_, values)| values);
        self.noted = Some((column.dictionary, column.values.len().max(known)));
        for id in
            column.values.iter().skip(known).flatten().filter(|id| id.len() <= limits::INTERFACE_ID_BYTES)
        {
            let mut hasher = DefaultHasher::new();
            id.hash(&mut hasher);
            let hash = hasher.finish();
            let full = self.interfaces.len() >= limits::OBJECT_INTERFACES;
            if full && self.interfaces.last_key_value().is_some_and(|(last, _)| *last <= hash) {
                continue;
            }
            if self.interfaces.insert(hash, id.clone()).is_none() && full {
                self.interfaces.pop_last();
            }
        }
    }

    /// Finds the hour of a record: that of its time (semantics 9.1), unless the time is not
    /// believed (semantics 9.2). Keeps the newest time that is (semantics 9.3).
    fn hour(&mut self, time: Option<i64>) -> Hour {
        match time.map(Timestamp).filter(|at| (self.earliest..=self.latest).contains(at)) {
            Some(at) => {
                self.newest = self.newest.max(Some(at));
                Hour::of(at)
            }
            None => self.partition.start,
        }
    }

    /// Puts names and charges to the sums.
    fn finish(
        self,
        object: ObjectClassifier<'_>,
        classifier: &Classifier,
    ) -> Result<ObjectDelta, DecodeError> {
        let aws_region = object.region().clone();
        let prices = classifier.prices(&aws_region);
        let meaning = object.finish();
        let mut found = Found::default();
        found.records.add(RecordOutcome::Bad, self.bad);
        for (hour, number, lane) in self.lanes.into_sums() {
            found.add(hour, &meaning, number, lane).map_err(field_overflow)?;
            if found.traffic.len() + found.charged.len() > limits::OBJECT_SUMS {
                return Err(too_many(limits::OBJECT_SUMS));
            }
        }
        if meaning.forwarded > 0 {
            let sum = found.contradictions.entry((self.partition.start, Contradiction::Forwarder));
            *sum.or_default() += meaning.forwarded;
        }
        let Found { records, traffic, charged, doubts, contradictions } = found;
        let mut names = HashMap::new();
        let mut name = |key: VerdictKey| names.entry(key).or_insert_with(|| series(&meaning, key)).clone();
        let mut named: BTreeMap<(Hour, Series), FlowCounts> = BTreeMap::new();
        for ((hour, key), counts) in traffic {
            // A zone can be named like another's AZ id only by mistake; even then nothing is lost.
            let sum = named.entry((hour, name(key))).or_default();
            *sum = added(*sum, counts).map_err(field_overflow)?;
        }
        let mut billed: BTreeMap<(Hour, Series, Charge), u64> = BTreeMap::new();
        for ((hour, key, charge), bytes) in charged {
            let sum = billed.entry((hour, name(key), charge)).or_default();
            *sum = checked(*sum, bytes).ok_or_else(|| overflow("the sum of column bytes for a charge"))?;
        }
        // The prices of now stay with what the object adds (semantics 6.21).
        let charges = billed
            .into_iter()
            .map(|((hour, series, charge), bytes)| {
                let counts = match prices.get(charge) {
                    Some(price) => {
                        let cost = price.of(bytes);
                        let cost = cost.ok_or_else(|| overflow("the cost of the sum of column bytes"))?;
                        ChargeCounts { bytes, cost, unpriced: 0 }
                    }
                    None => ChargeCounts { bytes, cost: NanoUsd(0), unpriced: bytes },
                };
                Ok(((hour, series, charge), counts))
            })
            .collect::<Result<_, DecodeError>>()?;
        Ok(ObjectDelta {
            aws_region,
            records,
            traffic: named,
            charges,
            doubts,
            contradictions,
            newest_record: self.newest,
            hints: Hints { remarks: meaning.remarks, interfaces: self.interfaces },
        })
    }
}

/// Sums under what numbers mean.
#[derive(Default)]
struct Found {
    records: RecordCounts,
    traffic: HashMap<(Hour, VerdictKey), FlowCounts>,
    charged: HashMap<(Hour, VerdictKey, Charge), u64>,
    doubts: BTreeMap<(Hour, Doubt), u64>,
    contradictions: BTreeMap<(Hour, Contradiction), u64>,
}

impl Found {
    /// Adds a lane (semantics 1.18). An error is the field whose sum overflows.
    fn add(&mut self, hour: Hour, meaning: &Meaning<'_>, number: u32, lane: Lane) -> Result<(), Field> {
        let verdict = &meaning.verdicts[number as usize];
        let Lane { flows, packets, bytes } = lane;
        self.records.add(verdict.outcome, flows);
        for kind in verdict.contradictions.iter() {
            *self.contradictions.entry((hour, kind)).or_default() += flows;
        }
        let counted = verdict.outcome == RecordOutcome::Counted;
        if !counted && verdict.outcome != RecordOutcome::OtherSide {
            return Ok(());
        }
        if counted {
            let inter_az_bytes = if verdict.inter_az { bytes } else { 0 };
            let sum = self.traffic.entry((hour, verdict.key)).or_default();
            *sum = added(*sum, FlowCounts { flows, packets, bytes, inter_az_bytes })?;
        }
        for charge in verdict.charges.iter() {
            let sum = self.charged.entry((hour, verdict.key, charge)).or_default();
            *sum = checked(*sum, bytes).ok_or(Field::Bytes)?;
        }
        for doubt in verdict.doubts.iter() {
            let sum = self.doubts.entry((hour, doubt)).or_default();
            *sum = checked(*sum, bytes).ok_or(Field::Bytes)?;
        }
        Ok(())
    }
}

/// The sum, inside what the ledger can keep.
fn checked(sum: u64, more: u64) -> Option<u64> {
    sum.checked_add(more).filter(|sum| *sum <= i64::MAX as u64)
}

fn series(meaning: &Meaning<'_>, key: VerdictKey) -> Series {
    Series {
        key: FlowKey {
            src_zone: meaning.label(key.source),
            dst_zone: meaning.label(key.destination),
            port_group: meaning.group(key.port_group),
            nat_direction: key.nat_direction,
        },
        src_az: key.source_az.map(|az| meaning.az(az)),
        dst_az: key.destination_az.map(|az| meaning.az(az)),
        relation: key.relation,
    }
}

#[cfg(test)]
#[path = "accumulate/tests.rs"]
mod tests;
