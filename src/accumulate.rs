//! `digest`: the bytes of one object in, what they add out. The pure heart.
//!
//! Records that are alike are summed in lanes, by the number that the classifier gives them; names and charges come in
//! at the end. The same bytes, partition and classifier give the same settlement, whenever and however often. An object counts
//! whole or not at all.

mod lanes;

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use lanes::{Lane, Lanes, Records};

use crate::{
    classify::{ALONE, Classifier, ObjectClassifier, Verdict, VerdictKey},
    decode::{
        DecodeError, DecodeLimits, DictionaryId, Field, FlowBatch, Input, IntColumn, Reader, TextColumn,
    },
    limits,
    model::{
        Charge, ChargeCounts, FlowCounts, FlowKey, Hints, Hour, NanoUsd, ObjectDelta, Partition, Quarantine,
        QuarantineReason, RecordCounts, RecordOutcome, Settlement, Timestamp,
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
pub fn digest(
    input: Input,
    partition: &Partition,
    classifier: &Classifier,
    limits: &DigestLimits,
) -> Settlement {
    match read(input, partition, classifier, limits) {
        Ok(delta) if delta.records.total() == 0 => Settlement::Empty,
        Ok(delta) => Settlement::Counted(delta),
        Err(DecodeError::Quarantine(why)) => Settlement::Quarantined(why),
        Err(DecodeError::Ignore(reason)) => Settlement::Ignored(reason),
    }
}

fn read(
    input: Input,
    partition: &Partition,
    classifier: &Classifier,
    limits: &DigestLimits,
) -> Result<ObjectDelta, DecodeError> {
    let decode_limits = DecodeLimits { decompressed_bytes: limits.decompressed_bytes };
    let mut reader = Reader::open(input, &decode_limits)?;
    reader.only_needed_starts();
    let mut object = ObjectClassifier::new(classifier);
    let mut sums = Sums::new(partition);
    let mut sorted = Vec::with_capacity(limits::BATCH_ROWS);
    while let Some(batch) = reader.next_batch()? {
        if let Some(interfaces) = &batch.interface_id {
            sums.note_interfaces(interfaces);
        }
        if sums.lanes.are_full() {
            sums.flush(&object)?;
            sums.lanes.clear();
            object.forget_verdicts();
        }
        object.sort(&batch, &mut sorted);
        if sums.lanes.have_room_for(&batch) {
            sums.add_sorted(&batch, &sorted, &mut object)?;
        } else {
            sums.flush(&object)?;
            sums.lanes.clear();
            object.forget_verdicts();
            for row in 0..batch.rows {
                sums.add_alone(&batch, row, &mut object)?;
            }
        }
        sums.are_few()?;
        let bad = sums.records.get(RecordOutcome::Bad);
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
    sums.flush(&object)?;
    sums.are_few()?;
    sums.finish(object, classifier)
}

fn overflow(what: &str) -> DecodeError {
    DecodeError::Quarantine(Quarantine {
        reason: QuarantineReason::Overflow,
        detail: format!("{what} is larger than a 64-bit integer"),
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

/// Sums under the small integers of one classifier; names are put in at the end.
struct Sums<'p> {
    partition: &'p Partition,
    earliest: Timestamp,
    latest: Timestamp,
    records: RecordCounts,
    /// For a person: its number, and what is wrong with it.
    first_bad: Option<String>,
    traffic: HashMap<(Hour, VerdictKey), FlowCounts>,
    charged: HashMap<(Hour, VerdictKey, Charge), u64>,
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
            records: RecordCounts::default(),
            first_bad: None,
            traffic: HashMap::new(),
            charged: HashMap::new(),
            newest: None,
            interfaces: BTreeMap::new(),
            noted: None,
            lanes: Lanes::default(),
        }
    }

    /// Adds the records of a batch, each under the number that it was sorted under. [`Lanes::have_room_for`] has seen
    /// that no sum can overflow.
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
            bytes: batch.bytes.cells(),
            packets: cells(&batch.packets),
        };
        self.lanes.make_room(object);
        // Any hour will do for what is no traffic.
        let (mut place, mut seconds) = (self.lanes.place(self.partition.start).unwrap_or(0), 0..0);
        let mut row = 0;
        loop {
            let (added, newest) = self.lanes.add_while(place, &seconds, &records.from(row));
            if newest > i64::MIN {
                self.newest = self.newest.max(Some(Timestamp(newest)));
            }
            row += added;
            let Some(number) = sorted.get(row) else { return Ok(()) };
            let mut alone = *number == ALONE;
            if !alone && self.lanes.is_traffic(*number) {
                let hour = self.hour(time_of(row));
                match self.lanes.place(hour) {
                    Some(found) => {
                        place = found;
                        seconds = hour.start().max(self.earliest).0..hour.end().0.min(self.latest.0 + 1);
                    }
                    None => alone = true,
                }
            }
            if alone {
                self.add_alone(batch, row, object)?;
            } else {
                let packets = records.packets.get(row).copied().unwrap_or(0);
                self.lanes.add(place, *number, records.bytes[row], packets);
            }
            row += 1;
        }
    }

    /// Adds a record of the batch that was sorted last by itself.
    fn add_alone(
        &mut self,
        batch: &FlowBatch,
        row: usize,
        object: &mut ObjectClassifier<'_>,
    ) -> Result<(), DecodeError> {
        let verdict = object.judge(batch, row);
        let number = batch.first_row + row as u64;
        if verdict.outcome == RecordOutcome::Bad && self.first_bad.is_none() {
            self.first_bad = Some(format!("row {number}: {}", batch.fault(row)));
        }
        self.add(&verdict)
            .map_err(|field| overflow(&format!("row {number}: the sum of column {}", field.name())))
    }

    /// Puts what is in the lanes where it belongs.
    fn flush(&mut self, object: &ObjectClassifier<'_>) -> Result<(), DecodeError> {
        let too_large = |field: Field| overflow(&format!("the sum of column {}", field.name()));
        for (hour, number, Lane { flows, packets, bytes }) in self.lanes.drain() {
            let verdict = object.verdict(number);
            self.records.add(verdict.outcome, flows);
            if verdict.outcome == RecordOutcome::Counted {
                let inter_az_bytes = if verdict.inter_az { bytes } else { 0 };
                let sum = self.traffic.entry((hour, verdict.key)).or_default();
                *sum =
                    added(*sum, FlowCounts { flows, packets, bytes, inter_az_bytes }).map_err(too_large)?;
            }
            for charge in verdict.charges.iter() {
                let sum = self.charged.entry((hour, verdict.key, charge)).or_default();
                let added = sum.checked_add(bytes).filter(|sum| *sum <= i64::MAX as u64);
                *sum = added.ok_or_else(|| too_large(Field::Bytes))?;
            }
        }
        Ok(())
    }

    /// Refuses what has more sums than any flow log.
    fn are_few(&self) -> Result<(), DecodeError> {
        let most = limits::OBJECT_SUMS;
        if self.traffic.len() + self.charged.len() <= most {
            return Ok(());
        }
        Err(DecodeError::Quarantine(Quarantine {
            reason: QuarantineReason::TooLarge,
            detail: format!("more than {most} different sums: zones, port groups, hours and charges"),
        }))
    }

    /// Adds one record; an error is the field whose sum overflows.
    fn add(&mut self, verdict: &Verdict) -> Result<(), Field> {
        self.records.add(verdict.outcome, 1);
        let counted = verdict.outcome == RecordOutcome::Counted;
        if !counted && verdict.outcome != RecordOutcome::OtherSide {
            return Ok(());
        }
        let hour = self.hour(verdict.time);
        if counted {
            let one = FlowCounts {
                flows: 1,
                packets: verdict.packets,
                bytes: verdict.bytes,
                inter_az_bytes: if verdict.inter_az { verdict.bytes } else { 0 },
            };
            let sum = self.traffic.entry((hour, verdict.key)).or_default();
            *sum = added(*sum, one)?;
        }
        for charge in verdict.charges.iter() {
            let sum = self.charged.entry((hour, verdict.key, charge)).or_default();
            let added = sum.checked_add(verdict.bytes).filter(|sum| *sum <= i64::MAX as u64);
            *sum = added.ok_or(Field::Bytes)?;
        }
        Ok(())
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

    /// The hour of a record: that of its time, unless the time is absurd for where the record was found.
    fn hour(&mut self, time: Option<i64>) -> Hour {
        match time.map(Timestamp).filter(|at| (self.earliest..=self.latest).contains(at)) {
            Some(at) => {
                self.newest = self.newest.max(Some(at));
                Hour::of(at)
            }
            None => self.partition.start,
        }
    }

    fn finish(
        self,
        object: ObjectClassifier<'_>,
        classifier: &Classifier,
    ) -> Result<ObjectDelta, DecodeError> {
        let mut names = HashMap::new();
        let mut name = |key: VerdictKey| {
            names
                .entry(key)
                .or_insert_with(|| FlowKey {
                    src_zone: object.zone_name(key.src_zone),
                    dst_zone: object.zone_name(key.dst_zone),
                    port_group: object.group_name(key.port_group),
                    nat_direction: key.nat_direction,
                })
                .clone()
        };
        let mut traffic: BTreeMap<(Hour, FlowKey), FlowCounts> = BTreeMap::new();
        for ((hour, key), counts) in self.traffic {
            // A zone can be named like another's az_id only by mistake; even then nothing is lost.
            let sum = traffic.entry((hour, name(key))).or_default();
            *sum = added(*sum, counts)
                .map_err(|field| overflow(&format!("the sum of column {}", field.name())))?;
        }
        let mut billed: BTreeMap<(Hour, FlowKey, Charge), u64> = BTreeMap::new();
        for ((hour, key, charge), bytes) in self.charged {
            let sum = billed.entry((hour, name(key), charge)).or_default();
            let added = sum.checked_add(bytes).filter(|sum| *sum <= i64::MAX as u64);
            *sum = added.ok_or_else(|| overflow("the sum of column bytes for a charge"))?;
        }
        let charges = billed
            .into_iter()
            .map(|((hour, key, charge), bytes)| {
                let cost = match classifier.prices().get(charge) {
                    Some(price) => {
                        price.of(bytes).ok_or_else(|| overflow("the cost of the sum of column bytes"))?
                    }
                    None => NanoUsd(0),
                };
                Ok(((hour, key, charge), ChargeCounts { bytes, cost }))
            })
            .collect::<Result<_, DecodeError>>()?;
        Ok(ObjectDelta {
            records: self.records,
            traffic,
            charges,
            newest_record: self.newest,
            hints: Hints { missing_az_ids: object.into_missing_az_ids(), interfaces: self.interfaces },
        })
    }
}

#[cfg(test)]
#[path = "accumulate/tests.rs"]
mod tests;
