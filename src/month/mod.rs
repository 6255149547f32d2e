//! Month to date, projection and coverage: pure functions of what is committed, the prices in force and the clock.
//!
//! Refuses to know labels and formats. Invariant: sums over sources stay integers until the one conversion at the end.
//!
//! - `hours` says which hours of a source are settled.
//! - `tiers` turns a month's bytes into what the payer is billed.

mod hours;
#[cfg(test)]
mod tests;
mod tiers;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use hours::SourceHours;
use tiers::nano_usd;

use crate::{
    limits,
    model::{Billed, Charge, Hour, OVERFLOW_LABEL, Snapshot, SourceSums, Tariff, Timestamp, UNKNOWN_REGION},
    pricing::PriceBook,
};

/// What the month gauges show.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MonthFigures {
    /// Cost of the settled hours of the month, in USD, in the order of [`Charge::ALL`]; tiers applied.
    pub to_date: [f64; Charge::COUNT],
    /// Cost expected for the whole month, likewise.
    pub projected: [f64; Charge::COUNT],
    /// Settled source-hours by those that could be; 0 while there are none.
    pub coverage: f64,
    /// Settled hours that carry the projection: the fewest among the sources that matter for it, at most
    /// [`limits::PROJECTION_HOURS`].
    pub projection_hours: u64,
    /// The same by source, for those that are configured and those with cost in this month.
    pub sources: BTreeMap<Arc<str>, SourceFigures>,
}

/// The month of a source, at list price.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SourceFigures {
    /// Cost of its settled hours, in USD.
    pub to_date: f64,
    /// Cost expected for the whole month, in USD.
    pub projected: f64,
    /// Settled hours by those that could be; `None` for a source that is not configured any more.
    pub coverage: Option<f64>,
    /// Settled hours that carry the projection. One that has ended has nothing to be carried: it counts as old.
    pub projection_hours: u64,
}

/// The figures of the calendar month (UTC) that `now` is in.
pub fn figures(snapshot: &Snapshot, book: &PriceBook, now: Timestamp) -> MonthFigures {
    let Some(month) = hours::month_of(now) else { return MonthFigures::default() };
    let (mut to_date, mut projected) = (Sums::default(), Sums::default());
    let mut figures = MonthFigures::default();
    let mut covered = (0, 0);
    let mut weights = Vec::new();
    for (name, of) in all(snapshot, &month, now) {
        let none = SourceSums::default();
        let billed = &snapshot.by_source.get(name).unwrap_or(&none).hourly_cost;
        let so_far = billed.sums(of.settled.clone());
        let to_come = expected(billed.sums(of.mean.clone()), &of, book);
        let own = (money(&so_far), money(&to_come));
        let is_configured = snapshot.sources.contains_key(name);
        if !is_configured && own.0 == 0 {
            continue;
        }
        let hours = if of.ended { limits::PROJECTION_HOURS.unsigned_abs() } else { of.mean_hours() };
        covered = (covered.0 + of.covered.0, covered.1 + of.covered.1);
        weights.push((own.0 + own.1, hours));
        figures.sources.insert(
            name.clone(),
            SourceFigures {
                to_date: nano_usd(own.0),
                projected: nano_usd(own.0 + own.1),
                coverage: is_configured.then(|| ratio(of.covered)),
                projection_hours: hours,
            },
        );
        to_date.add(book, &so_far);
        projected.add(book, &so_far);
        projected.add(book, &to_come);
    }
    for charge in Charge::ALL {
        let cost = |sums: &Sums| sums.0.get(&charge).map_or(0.0, |sums| tiers::cost(book, charge, sums));
        figures.to_date[charge as usize] = cost(&to_date);
        figures.projected[charge as usize] = cost(&projected);
    }
    figures.coverage = ratio(covered);
    figures.projection_hours = least(&weights);
    figures
}

/// The hours of all sources: those that are configured, and those that were.
fn all<'a>(
    snapshot: &'a Snapshot,
    month: &Range<Hour>,
    now: Timestamp,
) -> impl Iterator<Item = (&'a Arc<str>, SourceHours)> {
    let removed = snapshot.by_source.keys().filter(|name| !snapshot.sources.contains_key(*name));
    let removed = removed.map(|name| (name, SourceHours::of_removed(month)));
    let configured = snapshot.sources.iter();
    let configured =
        configured.map(move |(name, progress)| (name, SourceHours::of(progress, snapshot, month, now)));
    configured.chain(removed).collect::<Vec<_>>().into_iter()
}

/// What is billed by charge and by the region whose prices hold.
#[derive(Debug, Default)]
struct Sums(BTreeMap<Charge, BTreeMap<Arc<str>, Billed>>);

impl Sums {
    fn add(&mut self, book: &PriceBook, billed: &BTreeMap<Tariff, Billed>) {
        for ((charge, region), more) in billed {
            let region = book.forced_region.as_ref().unwrap_or(region);
            self.0.entry(*charge).or_default().entry(region.clone()).or_default().add(*more);
        }
    }
}

fn money(billed: &BTreeMap<Tariff, Billed>) -> u128 {
    billed.values().map(|billed| billed.nano_usd).sum()
}

/// What the hours that are not settled are expected to be billed: the mean of `recent` at the prices in force.
fn expected(
    recent: BTreeMap<Tariff, Billed>,
    of: &SourceHours,
    book: &PriceBook,
) -> BTreeMap<Tariff, Billed> {
    let (hours, unsettled) = (u128::from(of.mean_hours()), u128::from(of.unsettled));
    if hours == 0 || unsettled == 0 {
        return BTreeMap::new();
    }
    // Divided last: no mean is ever rounded and then multiplied. Half up to whole bytes and nano-dollars.
    let times = |sum: u128, price: u128, unit: u128| {
        let divisor = hours * unit;
        (sum * unsettled * price + divisor / 2) / divisor
    };
    let scale = |((charge, region), sum): (Tariff, Billed)| {
        let price = book.quote(&region, charge).map(|quote| quote.price);
        let nano_usd = match price {
            Some(price) => times(sum.bytes, price.per_gigabyte.0.into(), price.unit.bytes().into()),
            // Which prices these bytes would have is not known any more.
            None if [OVERFLOW_LABEL, UNKNOWN_REGION].contains(&&*region) => times(sum.nano_usd, 1, 1),
            None => 0,
        };
        ((charge, region), Billed { bytes: times(sum.bytes, 1, 1), nano_usd })
    };
    recent.into_iter().map(scale).collect()
}

/// The fewest hours among the sources with a share in the projection that matters; among all while nothing costs
/// anything.
fn least(weights: &[(u128, u64)]) -> u64 {
    let all: u128 = weights.iter().map(|(money, _)| money).sum();
    let matters = |(money, _): &&(u128, u64)| *money * 100 >= all * limits::PROJECTION_PERCENT;
    weights.iter().filter(matters).map(|(_, hours)| *hours).min().unwrap_or(0)
}

#[allow(clippy::cast_precision_loss, reason = "a month has few hours")]
fn ratio((part, whole): (u64, u64)) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
