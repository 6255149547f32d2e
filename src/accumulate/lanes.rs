//! Sums of records that are alike: one lane for each number of a verdict in each hour.
//!
//! Adding to a lane checks nothing. Invariant: before a batch is added it has been seen that no sum over all records
//! so far can leave the range of `i64`; a batch that could is summed otherwise.

use crate::{
    classify::ObjectClassifier,
    decode::{FlowBatch, IntColumn},
    model::{Hour, RecordOutcome},
};

/// One sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lane {
    pub flows: u64,
    pub packets: u64,
    pub bytes: u64,
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

    /// Where the lanes of an hour are.
    pub(super) fn place(&mut self, hour: Hour) -> usize {
        self.hours.iter().position(|(known, _)| *known == hour).unwrap_or_else(|| {
            self.hours.push((hour, vec![Lane::default(); self.traffic.len()]));
            self.hours.len() - 1
        })
    }

    #[inline]
    pub(super) fn add(&mut self, place: usize, number: u32, bytes: u64, packets: u64) {
        let lane = &mut self.hours[place].1[number as usize];
        lane.flows += 1;
        lane.packets += packets;
        lane.bytes += bytes;
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
