//! Sums of records that are alike: one lane for each number of the classifier in each hour.
//!
//! Adding to a lane checks nothing. Invariant: before a batch is added it has been seen that no sum over all records
//! so far can leave the range of `i64`; a batch that could is added with checks.

use std::ops::Range;

use hashbrown::HashMap;

use crate::{
    decode::{Field, FlowBatch, IntColumn},
    limits,
    model::Hour,
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

    /// The sum, or the field that overflows.
    pub(super) fn checked_add(self, other: Self) -> Result<Self, Field> {
        let add = |a: u64, b: u64, field| a.checked_add(b).filter(|sum| *sum <= i64::MAX as u64).ok_or(field);
        Ok(Self {
            flows: self.flows + other.flows,
            packets: add(self.packets, other.packets, Field::Packets)?,
            bytes: add(self.bytes, other.bytes, Field::Bytes)?,
        })
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
    /// The lanes of each hour, as many as there are numbers.
    hours: Vec<(Hour, Vec<Lane>)>,
    /// How many numbers there are.
    numbers: usize,
    /// Lanes for which there is no room above.
    sparse: HashMap<(Hour, u32), Lane>,
    is_sparse: bool,
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
        let highest = [&batch.bytes, &batch.packets].into_iter().flatten().map(highest).max().unwrap_or(0);
        let most = highest.saturating_mul(batch.rows as u64).saturating_add(self.most);
        let fits = most <= i64::MAX as u64;
        self.most = if fits { most } else { u64::MAX };
        fits
    }

    /// Makes a lane for each number, in every hour, or sees that there is no room for so many.
    pub(super) fn make_room(&mut self, numbers: usize) -> Result<(), Field> {
        self.numbers = numbers;
        self.is_sparse |= self.hours.len().saturating_mul(numbers) > limits::LANES;
        self.gather()?;
        for (_, lanes) in &mut self.hours {
            lanes.resize(numbers, Lane::default());
        }
        Ok(())
    }

    /// Has all lanes looked up once there was no room for some: numbers only grow.
    fn gather(&mut self) -> Result<(), Field> {
        if !self.is_sparse {
            return Ok(());
        }
        for (key, lane) in lanes_of(std::mem::take(&mut self.hours)) {
            let sum = self.sparse.entry(key).or_default();
            *sum = sum.checked_add(lane)?;
        }
        Ok(())
    }

    /// Whether there are more sums than any flow log has, whatever the order of records.
    pub(super) fn are_too_many(&mut self) -> Result<bool, Field> {
        self.gather()?;
        Ok(self.sparse.len() > limits::OBJECT_LANES)
    }

    /// Adds up what has become the same: for each old number the new one.
    pub(super) fn merge(&mut self, merged: &[u32]) -> Result<(), Field> {
        let old = std::mem::take(&mut self.hours);
        let sparse = std::mem::take(&mut self.sparse);
        let mut sums: HashMap<(Hour, u32), Lane> = HashMap::new();
        for ((hour, number), lane) in lanes_of(old).chain(sparse) {
            let sum = sums.entry((hour, merged[number as usize])).or_default();
            *sum = sum.checked_add(lane)?;
        }
        self.numbers = merged.iter().max().map_or(0, |most| *most as usize + 1);
        self.is_sparse = false;
        for ((hour, number), lane) in sums {
            self.add(hour, number, lane)?;
        }
        Ok(())
    }

    /// Where the lanes of an hour are. `None` when there are too many already for another one.
    pub(super) fn place(&mut self, hour: Hour) -> Option<usize> {
        let known = self.hours.iter().position(|(known, _)| *known == hour);
        if known.is_some() {
            return known;
        }
        self.is_sparse |= (self.hours.len() + 1).saturating_mul(self.numbers) > limits::LANES;
        if self.is_sparse {
            return None;
        }
        self.hours.push((hour, vec![Lane::default(); self.numbers]));
        Some(self.hours.len() - 1)
    }

    /// Adds record after record to the lanes of one hour, up to the first that has to be looked at: one without a lane, or
    /// with a time that is not among these seconds. Says how many were added, and the latest time of them.
    pub(super) fn add_while(
        &mut self,
        place: usize,
        seconds: &Range<i64>,
        records: &Records<'_>,
    ) -> (usize, i64) {
        let lanes = &mut self.hours[place].1[..self.numbers];
        let mut newest = i64::MIN;
        let Records { sorted, times, bytes, packets } = records;
        for (row, number) in sorted.iter().enumerate() {
            let (Some(lane), Some(time)) = (lanes.get_mut(*number as usize), times.get(row)) else {
                return (row, newest);
            };
            if !seconds.contains(time) {
                return (row, newest);
            }
            newest = newest.max(*time);
            lane.add(bytes[row], packets.get(row).copied().unwrap_or(0));
        }
        (sorted.len(), newest)
    }

    /// Adds one record. An error is the field whose sum overflows.
    pub(super) fn add(&mut self, hour: Hour, number: u32, lane: Lane) -> Result<(), Field> {
        let sum = match self.place(hour).and_then(|place| self.hours[place].1.get_mut(number as usize)) {
            Some(sum) => sum,
            None => self.sparse.entry((hour, number)).or_default(),
        };
        *sum = sum.checked_add(lane)?;
        Ok(())
    }

    /// All sums that are not zero: hour, number and lane. A number can have two lanes in an hour.
    pub(super) fn into_sums(self) -> impl Iterator<Item = (Hour, u32, Lane)> {
        let all = lanes_of(self.hours).chain(self.sparse);
        all.map(|((hour, number), lane)| (hour, number, lane))
    }
}

fn lanes_of(hours: Vec<(Hour, Vec<Lane>)>) -> impl Iterator<Item = ((Hour, u32), Lane)> {
    let all = hours
        .into_iter()
        .flat_map(|(hour, lanes)| (0..).zip(lanes).map(move |(number, lane)| ((hour, number), lane)));
    all.filter(|(_, lane)| lane.flows > 0)
}
