//! Billed bytes and money by hour, charge and AWS region, in days that copies share.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{Charge, Hour, NanoUsd};

/// Hours of a day.
const HOURS: i64 = 24;

/// A charge, and the region whose prices it had.
pub type Tariff = (Charge, Arc<str>);

/// What is billed in one hour.
type Cells = [(u64, NanoUsd); HOURS as usize];

/// The hours of a day, of what is billed in it.
type Day = BTreeMap<Tariff, Box<Cells>>;

/// Sums of what is billed, as wide as sums over hours and sources can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Billed {
    /// Bytes that a charge applies to.
    pub bytes: u128,
    /// Nano-dollars at the prices in force when they were read.
    pub nano_usd: u128,
}

impl Billed {
    /// Adds another sum.
    pub fn add(&mut self, more: Self) {
        self.bytes += more.bytes;
        self.nano_usd += more.nano_usd;
    }
}

/// What one source was billed by hour, charge and region. A copy shares every day until one of the two changes it, so
/// that a commit copies the days that it adds to and no others. An hour without billed bytes is as one that is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HourlyCost(Arc<BTreeMap<i64, Arc<Day>>>);

/// The day of an hour, and which of its hours that is.
fn day_of(hour: Hour) -> (i64, usize) {
    (hour.0.div_euclid(HOURS), usize::try_from(hour.0.rem_euclid(HOURS)).unwrap_or(0))
}

/// The first hour of the day that an hour lies in: days are kept or dropped whole.
fn day_start(hour: Hour) -> Hour {
    Hour(hour.0.saturating_sub(hour.0.rem_euclid(HOURS)))
}

impl HourlyCost {
    /// The first hour of the days that [`Self::keep_from`] keeps.
    pub fn kept_from(first: Hour) -> Hour {
        day_start(first)
    }

    /// Whether nothing is billed in any hour.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds to an hour. The ledger keeps the sum of all hours in range.
    pub fn add(&mut self, hour: Hour, charge: Charge, region: &Arc<str>, bytes: u64, cost: NanoUsd) {
        if bytes == 0 && cost == NanoUsd(0) {
            return;
        }
        let (day, at) = day_of(hour);
        let day = Arc::make_mut(Arc::make_mut(&mut self.0).entry(day).or_default());
        let (sum, money) = &mut day.entry((charge, region.clone())).or_default()[at];
        *sum = sum.saturating_add(bytes);
        money.0 = money.0.saturating_add(cost.0);
    }

    /// Drops the days before the one of `first`.
    pub fn keep_from(&mut self, first: Hour) {
        let (first, _) = day_of(first);
        if self.0.first_key_value().is_some_and(|(day, _)| *day < first) {
            let days = Arc::make_mut(&mut self.0);
            *days = days.split_off(&first);
        }
    }

    /// Whether something may be billed in an hour before `until`.
    pub fn begins_before(&self, until: Hour) -> bool {
        self.0.first_key_value().is_some_and(|(day, _)| Hour(day * HOURS) < until)
    }

    /// Drops all hours before `until`.
    pub fn forget_before(&mut self, until: Hour) {
        self.keep_from(until);
        let (day, at) = day_of(until);
        if !self.0.get(&day).is_some_and(|first| first.values().any(|cells| is_billed(&cells[..at]))) {
            return;
        }
        let days = Arc::make_mut(&mut self.0);
        if let Some(first) = days.get_mut(&day) {
            let first = Arc::make_mut(first);
            first.values_mut().for_each(|cells| cells[..at].fill(Default::default()));
            first.retain(|_, cells| is_billed(&cells[..]));
            if first.is_empty() {
                days.remove(&day);
            }
        }
    }

    /// Sums of a range of hours by charge and region.
    pub fn sums(&self, hours: Range<Hour>) -> BTreeMap<Tariff, Billed> {
        let mut sums = BTreeMap::new();
        if hours.is_empty() {
            return sums;
        }
        let ((first, _), (last, _)) = (day_of(hours.start), day_of(hours.end));
        for (day, tariffs) in self.0.range(first..=last) {
            let at = |bound: Hour| usize::try_from((bound.0 - day * HOURS).clamp(0, HOURS)).unwrap_or(0);
            let inside = at(hours.start)..at(hours.end);
            for (tariff, cells) in &**tariffs {
                let mut sum = Billed::default();
                for (bytes, cost) in &cells[inside.clone()] {
                    sum.add(Billed { bytes: (*bytes).into(), nano_usd: cost.0.into() });
                }
                if sum != Billed::default() {
                    sums.entry(tariff.clone()).or_insert_with(Billed::default).add(sum);
                }
            }
        }
        sums
    }

    /// All that is billed: hour, charge, region, bytes and money.
    pub fn iter(&self) -> impl Iterator<Item = (Hour, Charge, &Arc<str>, u64, NanoUsd)> {
        self.0.iter().flat_map(|(day, tariffs)| {
            tariffs.iter().flat_map(move |((charge, region), cells)| {
                let hours = (0..).map(move |at| Hour(day * HOURS + at));
                hours
                    .zip(cells.iter())
                    .filter(|(_, (bytes, cost))| *bytes > 0 || cost.0 > 0)
                    .map(move |(hour, (bytes, cost))| (hour, *charge, region, *bytes, *cost))
            })
        })
    }
}

fn is_billed(cells: &[(u64, NanoUsd)]) -> bool {
    cells.iter().any(|(bytes, cost)| *bytes > 0 || cost.0 > 0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Op {
        Add(i64, usize, usize, u64, u64),
        Keep(i64),
        Forget(i64),
    }

    const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let hour = -60_i64..60;
        let amount = 0_u64..3;
        let add = (hour.clone(), 0..Charge::COUNT, 0..2_usize, amount.clone(), amount);
        prop::collection::vec(
            prop_oneof![
                6 => add.prop_map(|(h, c, r, b, n)| Op::Add(h, c, r, b, n)),
                1 => hour.clone().prop_map(Op::Keep),
                1 => hour.prop_map(Op::Forget),
            ],
            0..60,
        )
    }

    type Key = (Hour, Charge, &'static str);

    proptest! {
        #[test]
        fn it_is_a_map_of_hours(ops in ops(), range in (-70_i64..70, -70_i64..70)) {
            let (mut cost, mut map) = (HourlyCost::default(), BTreeMap::<Key, (u64, u64)>::new());
            let mut copies = Vec::new();
            for op in ops {
                copies.push((cost.clone(), map.clone()));
                match op {
                    Op::Add(hour, charge, region, bytes, nanos) => {
                        let (charge, region) = (Charge::ALL[charge], REGIONS[region]);
                        cost.add(Hour(hour), charge, &region.into(), bytes, NanoUsd(nanos));
                        let sum = map.entry((Hour(hour), charge, region)).or_default();
                        *sum = (sum.0 + bytes, sum.1 + nanos);
                    }
                    Op::Keep(hour) => {
                        cost.keep_from(Hour(hour));
                        let first = HourlyCost::kept_from(Hour(hour));
                        map.retain(|(hour, ..), _| *hour >= first);
                    }
                    Op::Forget(hour) => {
                        cost.forget_before(Hour(hour));
                        map.retain(|(other, ..), _| *other >= Hour(hour));
                    }
                }
            }
            copies.push((cost, map));
            let hours = Hour(range.0)..Hour(range.1);
            for (cost, mut map) in copies {
                map.retain(|_, sum| *sum != (0, 0));
                let all: BTreeMap<_, _> = cost
                    .iter()
                    .map(|(hour, charge, region, bytes, cost)| ((hour, charge, &**region), (bytes, cost.0)))
                    .collect();
                prop_assert_eq!(&all, &map.iter().map(|(key, sum)| (*key, *sum)).collect());
                prop_assert_eq!(cost.is_empty(), map.is_empty());
                let mut expected = BTreeMap::<Tariff, Billed>::new();
                for ((_, charge, region), (bytes, nanos)) in map.iter().filter(|((hour, ..), _)| hours.contains(hour)) {
                    let more = Billed { bytes: (*bytes).into(), nano_usd: (*nanos).into() };
                    expected.entry((*charge, (*region).into())).or_default().add(more);
                }
                prop_assert_eq!(cost.sums(hours.clone()), expected);
            }
        }
    }

    #[test]
    fn a_copy_shares_the_days_that_do_not_change() {
        let mut cost = HourlyCost::default();
        let region: Arc<str> = "us-east-1".into();
        (0..1_080).for_each(|hour| cost.add(Hour(hour), Charge::NatHop, &region, 1, NanoUsd(1)));
        let before = cost.clone();
        cost.add(Hour(1_000), Charge::NatHop, &region, 1, NanoUsd(1));
        let days = |cost: &HourlyCost| cost.0.values().map(Arc::as_ptr).collect::<BTreeSet<_>>();
        assert_eq!(days(&before).difference(&days(&cost)).count(), 1);
    }
}
