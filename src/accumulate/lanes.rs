//! Sums of records that are alike: one lane for each number of a verdict in each hour.
//!
//! Adding to a lane checks nothing. Invariant: before a batch is added it has been seen that no sum over all records
//! so far can leave the range of `i64`; a batch that could is summed otherwise.

use std::ops::Range;

use crate::{
    classify::ObjectClassifier,
    decode::{FlowBatch, IntColumn},
    limits,
    model::{Hour, RecordOutcome},
};

/// One sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lane {
    pub flows: u64,
    pub packets: u64,
    pub bytes: u64,
}

impl Lane {
    /// Only `packets` can be null, which is below zero.
    fn add(&mut self, bytes: i64, packets: i64) {
        self.flows += 1;
        self.packets += packets.max(0).unsigned_abs();
        self.bytes += bytes.unsigned_abs();
    }
}

/// What is added of some records. `times` and `packets` may be empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Records<'b> {
    pub sorted: &'b [u32],
    pub times: &'b [i64],
    pub bytes: &'b [i64],
    pub packets: &'b [i64],
}

impl<'b> Records<'b> {
    /// Those from a row on.
    pub(super) fn from(&self, row: usize) -> Self {
        let Self { sorted, times, bytes, packets } = self;
        let rest = |cells: &'b [i64]| cells.get(row..).unwrap_or_default();
        Self { sorted: &sorted[row..], times: rest(times), bytes: rest(bytes), packets: rest(packets) }
    }
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// As many lanes in each hour as there are verdicts.
    hours: Vec<(Hour, Vec<Lane>)>,
    /// Whether the records of a verdict have an hour.
    traffic: Vec<bool>,
    /// What no sum can be above.
    most: u64,
}

impl Lanes {
    /// Whether no sum can overflow with the records of this batch; then it is taken for added. Once one could, none fits.
    pub(super) fn have_room_for(&mut self, batch: &FlowBatch) -> bool {
        let highest = |column: &IntColumn| {
            let bits = column.cells().iter().fold(0, |bits, cell| bits | (*cell).max(0));
            bits.unsigned_abs()
        };
        let highest = highest(&batch.bytes).max(batch.packets.as_ref().map_or(0, highest));
        let most = highest.saturating_mul(batch.rows as u64).saturating_add(self.most);
        let fits = most <= i64::MAX as u64;
        // From then on sums are elsewhere that this knows nothing of.
        self.most = if fits { most } else { u64::MAX };
        fits
    }

    /// Whether there are so many lanes that they should be emptied and begun anew.
    pub(super) fn are_full(&self) -> bool {
        self.hours.len().saturating_mul(self.traffic.len()) > limits::LANES
    }

    /// Begins anew. They have to be empty.
    pub(super) fn clear(&mut self) {
        self.hours = Vec::new();
        self.traffic = Vec::new();
    }

    /// Makes a lane for each verdict, in every hour.
    pub(super) fn make_room(&mut self, object: &ObjectClassifier<'_>) {
        for number in self.traffic.len()..object.verdicts() {
            let outcome = object.verdict(number as u32).outcome;
            self.traffic.push(matches!(outcome, RecordOutcome::Counted | RecordOutcome::OtherSide));
        }
        for (_, lanes) in &mut self.hours {
            lanes.resize(self.traffic.len(), Lane::default());
        }
    }

    /// Whether the records of a verdict are in the traffic of an hour, or are only counted.
    pub(super) fn is_traffic(&self, number: u32) -> bool {
        self.traffic[number as usize]
    }

    /// Where the lanes of an hour are. `None` when there are too many already for another one; never of the first.
    pub(super) fn place(&mut self, hour: Hour) -> Option<usize> {
        let known = self.hours.iter().position(|(known, _)| *known == hour);
        if known.is_some() {
            return known;
        }
        let lanes = (self.hours.len() + 1).saturating_mul(self.traffic.len());
        if !self.hours.is_empty() && lanes > limits::LANES {
            return None;
        }
        self.hours.push((hour, vec![Lane::default(); self.traffic.len()]));
        Some(self.hours.len() - 1)
    }

    /// Adds record after record to the lanes of one hour, up to the first that has to be looked at: one without a lane, or
    /// with a time that is not among these seconds. Says how many were added, and the latest time of their traffic.
    pub(super) fn add_while(
        &mut self,
        place: usize,
        seconds: &Range<i64>,
        records: &Records<'_>,
    ) -> (usize, i64) {
        let Self { hours, traffic, .. } = self;
        let lanes = &mut hours[place].1[..traffic.len()];
        let mut newest = i64::MIN;
        let Records { sorted, times, bytes, packets } = records;
        for (row, number) in sorted.iter().enumerate() {
            let number = *number as usize;
            let (Some(lane), Some(time)) = (lanes.get_mut(number), times.get(row)) else {
                return (row, newest);
            };
            if !seconds.contains(time) {
                return (row, newest);
            }
            if *time > newest && traffic[number] {
                newest = *time;
            }
            lane.add(bytes[row], packets.get(row).copied().unwrap_or(0));
        }
        (sorted.len(), newest)
    }

    /// Adds one record.
    pub(super) fn add(&mut self, place: usize, number: u32, bytes: i64, packets: i64) {
        self.hours[place].1[number as usize].add(bytes, packets);
    }

    /// All sums that are not zero: hour, number of the verdict, and the lane, which is empty then.
    pub(super) fn drain(&mut self) -> Vec<(Hour, u32, Lane)> {
        let hours = self.hours.iter_mut();
        let lanes = hours.flat_map(|(hour, lanes)| {
            let lanes = lanes.iter_mut().map(std::mem::take).enumerate();
            lanes.map(|(number, lane)| (*hour, number as u32, lane))
        });
        lanes.filter(|(_, _, lane)| lane.flows > 0).collect()
    }
}
