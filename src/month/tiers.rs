//! What a month's bytes cost the payer: tiers, free bytes, and what is moved elsewhere.
//!
//! Counters and sources are at list price; only the gauges of a month come here. Refuses to know sources and hours.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    model::{Billed, Charge, Gigabyte, NanoUsd},
    pricing::{NanoGb, PriceBook, Tier},
};

/// What a charge of a month costs, in USD, from what is billed by region. Regions with tiers have the prices of these;
/// the others keep what they were billed.
///
/// Free bytes and those moved elsewhere are of the payer's internet egress over all regions. What is moved elsewhere
/// comes first: it uses up free bytes, and the rest of it pushes these bytes up the tiers. Regions share both by their bytes.
#[allow(
    clippy::cast_precision_loss,
    reason = "gauges of a month are floating point; no counter comes from here"
)]
pub(super) fn cost(book: &PriceBook, charge: Charge, by_region: &BTreeMap<Arc<str>, Billed>) -> f64 {
    let (free, elsewhere) = match charge {
        Charge::InternetEgress => (bytes_of(book.free, book.unit), bytes_of(book.elsewhere, book.unit)),
        _ => (0.0, 0.0),
    };
    let all = by_region.values().map(|billed| billed.bytes).sum::<u128>() as f64;
    let free = (free - elsewhere).max(0.0).min(all);
    let before = (elsewhere - bytes_of(book.free, book.unit)).max(0.0);
    let cost = |(region, billed): (&Arc<str>, &Billed)| {
        let list = nano_usd(billed.nano_usd);
        if billed.bytes == 0 {
            return list;
        }
        let bytes = billed.bytes as f64;
        let share = bytes / all;
        let charged = bytes - free * share;
        match book.tiers.get(book.priced_as(region)).and_then(|tiers| tiers.get(&charge)) {
            Some(tiers) => {
                let begin = before * share;
                ladder(tiers, book.unit, begin + charged) - ladder(tiers, book.unit, begin)
            }
            None => list * (charged / bytes),
        }
    };
    by_region.iter().map(cost).sum()
}

/// What the first `bytes` of a month cost.
#[allow(clippy::cast_precision_loss, reason = "as above")]
fn ladder(tiers: &[Tier], unit: Gigabyte, bytes: f64) -> f64 {
    let mut begin = 0.0;
    let mut cost = 0.0;
    for Tier { to, per_gigabyte: NanoUsd(price) } in tiers {
        let end = to.map_or(f64::INFINITY, |to| bytes_of(to, unit));
        let inside = (bytes.min(end) - begin).max(0.0);
        cost += inside / unit.bytes() as f64 * (*price as f64 / NanoUsd::PER_USD as f64);
        begin = end;
    }
    cost
}

#[allow(clippy::cast_precision_loss, reason = "as above")]
fn bytes_of(NanoGb(nano): NanoGb, unit: Gigabyte) -> f64 {
    nano as f64 / 1e9 * unit.bytes() as f64
}

#[allow(clippy::cast_precision_loss, reason = "as above")]
pub(super) fn nano_usd(nanos: u128) -> f64 {
    nanos as f64 / NanoUsd::PER_USD as f64
}
