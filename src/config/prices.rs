//! `[prices]`: what a gigabyte costs, where the user knows better than the built-in table.

use std::sync::Arc;

use super::{
    problems::{Problems, nearest},
    raw::Table,
    scope,
    sources::Sources,
    topology::items,
    values,
};
use crate::{
    classify::{NoCharge, Rules},
    limits,
    model::{Charge, Gigabyte},
    pricing::{NanoGb, Overrides, PriceBook, REGIONS, Tier, Tiers},
};

/// Reads `[prices]`, with `no_charge` going into the rules.
pub(super) fn read(
    root: &mut Table<'_>,
    rules: &mut Rules,
    sources: &Sources,
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> PriceBook {
    let mut section = root.table(problems, "prices");
    let forced_region = section.optional(problems, "region", |node| {
        let region = values::region(node)?;
        if REGIONS.contains(&&*region) {
            return Ok(region);
        }
        let hint = nearest(&region, REGIONS).map(|near| format!("; did you mean \"{near}\"?"));
        Err(format!("is a region without built-in prices{}", hint.unwrap_or_default()))
    });
    let words = [("binary", Gigabyte::Binary), ("decimal", Gigabyte::Decimal)];
    let unit = section.or(problems, "gb", Gigabyte::Binary, |node| values::one_of(node, &words));
    let free = section.or(problems, "free_gb", NanoGb(0), values::gigabytes);
    let elsewhere = section.or(problems, "elsewhere_gb", NanoGb(0), values::gigabytes);
    let overrides = overrides(&mut section, problems);
    rules.no_charge = no_charge(&mut section, &sources.names, problems, warnings);
    let mut book = PriceBook { unit, overrides, forced_region, free, elsewhere, ..PriceBook::default() };
    let mut by_region = section.table(problems, "regions");
    for (region, mut table) in by_region.named_tables(problems) {
        check_region(region, &table, &book, sources, problems, warnings);
        let tiers = tiers(&mut table, problems);
        book.regions.insert(Arc::from(region), self::overrides(&mut table, problems));
        if !tiers.is_empty() {
            book.tiers.insert(Arc::from(region), tiers);
        }
        table.finish(problems);
    }
    section.finish(problems);
    book
}

/// A table of prices must be of a region that exists, and should be of one that is read.
fn check_region(
    region: &str,
    table: &Table<'_>,
    book: &PriceBook,
    sources: &Sources,
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) {
    let named = sources.list.iter().any(|source| source.known_regions().contains(region));
    if !REGIONS.contains(&region) && !named {
        let wanted = match nearest(region, REGIONS) {
            Some(near) => format!("{region:?} is no AWS region; did you mean [prices.regions.{near}]?"),
            None => format!("{region:?} is no AWS region and no region of a source"),
        };
        problems.at(table.path(), wanted);
        return;
    }
    let path = table.path();
    match &book.forced_region {
        Some(forced) if **forced != *region => {
            warnings
                .push(format!("[{path}] has no effect: prices.region = {forced:?} holds for all sources"));
        }
        Some(_) => {}
        None if sources.list.is_empty() || sources.list.iter().any(|source| source.reads_region(region)) => {}
        None => warnings.push(format!("[{path}] has no effect: no source has logs of this region")),
    }
}

fn overrides(table: &mut Table<'_>, problems: &mut Problems) -> Overrides {
    Charge::ALL
        .into_iter()
        .filter_map(|charge| {
            let price =
                table.optional(problems, charge.as_str(), |node| values::usd(node, limits::PRICE_USD))?;
            Some((charge, price))
        })
        .collect()
}

/// `tiers` of a region: for each charge the steps of its price.
fn tiers(table: &mut Table<'_>, problems: &mut Problems) -> Tiers {
    let mut section = table.table(problems, "tiers");
    let mut tiers = Tiers::new();
    for charge in Charge::ALL {
        let steps = section.tables(problems, charge.as_str());
        let (path, is_there) = (section.path_of(charge.as_str()), section.has(charge.as_str()));
        if steps.is_empty() && is_there && !problems.any_below(&path) {
            problems.at(
                &path,
                "is empty: write [{ to_gb = 10240, usd = 0.09 }, { usd = 0.07 }], or leave it out",
            );
        }
        let count = steps.len();
        let mut list: Vec<Tier> = Vec::new();
        for (at, mut step) in steps.into_iter().enumerate() {
            let is_last = at + 1 == count;
            let to = step.placed(problems, "to_gb", values::gigabytes);
            if !is_last && !step.has("to_gb") {
                problems.at(step.path_of("to_gb"), "is missing: only the last tier has no end");
            }
            if let Some((node, to)) = &to {
                let before = list.iter().filter_map(|tier| tier.to).next_back().unwrap_or_default();
                if is_last {
                    problems.push(node.problem(
                        "ends the last tier, which must be open: remove it, or add one without to_gb",
                    ));
                } else if *to <= before {
                    problems.push(node.problem(format!("must be more than {before}: tiers ascend")));
                }
            }
            let price = step.required(problems, "usd", "the price of a gigabyte in this tier", |node| {
                values::usd(node, limits::PRICE_USD)
            });
            step.finish(problems);
            if let Some((_, per_gigabyte)) = price {
                list.push(Tier { to: to.map(|(_, to)| to), per_gigabyte });
            }
        }
        if !list.is_empty() {
            tiers.insert(charge, list);
        }
    }
    section.finish(problems);
    tiers
}

/// `no_charge` (semantics 6.16): it stands with the prices and belongs to the rules.
fn no_charge(
    prices: &mut Table<'_>,
    sources: &[Arc<str>],
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Vec<NoCharge> {
    let mut exempt = Vec::new();
    for mut table in prices.tables(problems, "no_charge") {
        let words = Charge::ALL.map(|charge| (charge.as_str(), charge));
        let wanted = format!("one of {}", words.map(|(word, _)| word).join(", "));
        let charge = table.required(problems, "charge", &wanted, |node| values::one_of(node, &words));
        let cidrs = table.list(problems, "cidrs", values::cidr);
        let scope = scope::read(&mut table, sources, problems, warnings);
        if cidrs.is_empty() && !problems.any_below(&table.path_of("cidrs")) {
            let wanted =
                "is missing or empty: write the exempt networks, such as cidrs = [\"10.0.200.0/24\"]";
            problems.at(table.path_of("cidrs"), wanted);
        }
        table.finish(problems);
        if let Some((_, charge)) = charge {
            exempt.push(NoCharge { charge, cidrs: items(cidrs), scope });
        }
    }
    exempt
}
