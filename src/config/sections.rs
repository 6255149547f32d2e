//! The plain sections: state, ingest, prices, budget, limits. And the check that every charge has its price.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    Budget, IngestConfig, Limits, SourceConfig,
    problems::{Problems, nearest},
    raw::Table,
    sources::hint_unknown,
    topology,
    values::{self, Parsed},
};
use crate::{
    classify::Rules,
    limits,
    model::{Charge, Gigabyte, NanoUsd},
    pricing::{self, Overrides, PriceBook, REGIONS},
};

/// `[state]`: the path of the file. Its folder must exist and take new files, which is tried here.
pub(super) fn state(root: &mut Table<'_>, problems: &mut Problems) -> PathBuf {
    let mut section = root.table(problems, "state");
    let default = PathBuf::from("flowcost.db");
    let typed = section.placed(problems, "path", |node| values::text(node).map(PathBuf::from));
    let key = section.path_of("path");
    section.finish(problems);
    let path = typed.as_ref().map_or(&default, |(_, path)| path);
    if let Err(wanted) = writable(path) {
        match &typed {
            Some((node, _)) => problems.push(node.problem(wanted)),
            None => problems
                .at(key, format!("is left out, and the default \"flowcost.db\" does not do: {wanted}")),
        }
    }
    typed.map_or(default, |(_, path)| path)
}

/// Tries what SQLite will need: new files in the folder. The file itself is the ledger's business: opening and closing
/// it here would drop the locks that this process may have on it.
fn writable(path: &Path) -> Parsed<()> {
    if path.is_dir() {
        return Err("is a folder; name a file in it, such as \"flowcost.db\"".to_owned());
    }
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(format!("needs the folder {folder:?}, which does not exist; create it or name another"));
    }
    let failed =
        |what: &Path, error: io::Error| Err(format!("cannot be written: {}: {error}", what.display()));
    let probe = folder.join(format!(".flowcost-probe-{}", std::process::id()));
    // A probe of a process that died here, with the same id, as containers have it.
    let _ = std::fs::remove_file(&probe);
    match OpenOptions::new().write(true).create_new(true).open(&probe) {
        Err(error) => failed(folder, error),
        Ok(_) => std::fs::remove_file(&probe).or_else(|error| failed(&probe, error)),
    }
}

/// `[ingest]`
pub(super) fn ingest(root: &mut Table<'_>, problems: &mut Problems) -> IngestConfig {
    let mut section = root.table(problems, "ingest");
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let poll_interval = section.or(problems, "poll_interval", Duration::from_secs(60), |node| {
        values::duration(node, &limits::POLL_INTERVAL)
    });
    let lookback =
        section.or(problems, "lookback", hours(48), |node| values::duration(node, &limits::LOOKBACK));
    let start = section.optional(problems, "start", values::moment);
    let concurrency =
        section.or(problems, "concurrency", 4, |node| values::integer(node, &limits::CONCURRENCY));
    section.finish(problems);
    IngestConfig { poll_interval, lookback, start, concurrency: to_usize(concurrency) }
}

/// `[budget]`
pub(super) fn budget(root: &mut Table<'_>, problems: &mut Problems) -> Budget {
    let mut section = root.table(problems, "budget");
    let monthly = section.or(problems, "monthly_usd", NanoUsd(500 * NanoUsd::PER_USD), |node| {
        match values::usd(node, limits::BUDGET_USD)? {
            NanoUsd(0) => Err("must be more than 0".to_owned()),
            budget => Ok(budget),
        }
    });
    let inter_az_ratio = section.or(problems, "inter_az_ratio", 0.30, values::ratio);
    section.finish(problems);
    Budget { monthly, inter_az_ratio }
}

/// `[limits]`
pub(super) fn limits(root: &mut Table<'_>, problems: &mut Problems) -> Limits {
    let mut section = root.table(problems, "limits");
    let series = section.or(problems, "series", 10_000, |node| values::integer(node, &limits::SERIES));
    let object_bytes =
        section.or(problems, "object_bytes", 256 << 20, |node| values::size(node, &limits::OBJECT_BYTES));
    let decompressed_bytes = section
        .or(problems, "decompressed_bytes", 2 << 30, |node| values::size(node, &limits::DECOMPRESSED_BYTES));
    let bad_rows_per_object =
        section.or(problems, "bad_rows_per_object", 0, |node| values::integer(node, &(0..=u64::MAX)));
    section.finish(problems);
    Limits { series: to_usize(series), object_bytes, decompressed_bytes, bad_rows_per_object }
}

/// A number whose range was checked against a bound far below that of any `usize`.
fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// `[prices]`, with `no_charge` going into the rules.
pub(super) fn prices(
    root: &mut Table<'_>,
    rules: &mut Rules,
    sources: &[SourceConfig],
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
    let overrides = overrides(&mut section, problems);
    rules.no_charge = topology::no_charge(&mut section, problems);
    let mut by_region = section.table(problems, "regions");
    let mut regions = BTreeMap::new();
    for (region, mut table) in by_region.named_tables(problems) {
        let used = sources.iter().any(|source| *source.region == *region);
        if !REGIONS.contains(&region) && !used {
            let wanted = match nearest(region, REGIONS) {
                Some(near) => format!("{region:?} is no AWS region; did you mean [prices.regions.{near}]?"),
                None => format!("{region:?} is no AWS region and no region of a source"),
            };
            problems.at(table.path(), wanted);
        } else if !sources.is_empty() && !used && forced_region.as_deref() != Some(region) {
            warnings.push(format!("[{}] has no effect: no source has logs of this region", table.path()));
        }
        regions.insert(Arc::from(region), self::overrides(&mut table, problems));
        table.finish(problems);
    }
    section.finish(problems);
    PriceBook { unit, overrides, regions, forced_region }
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

/// Every charge that can occur must have a price, for each source:
/// - `inter_az` and `internet_egress` always can: zone ids turn up in the logs without being configured;
/// - `nat_processing` and `nat_hop` where a gateway is configured in the source's region. NAT records of gateways that
///   nobody configured are recognised too, but must not keep a user from starting who has none: that is a warning;
/// - `inter_region` where zones of two regions can meet.
pub(super) fn require_prices(
    book: &PriceBook,
    rules: &Rules,
    sources: &[SourceConfig],
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) {
    let zone_regions = meeting_regions(rules, sources);
    let gateway_regions: BTreeSet<&str> = rules
        .gateways
        .iter()
        .filter_map(|gateway| rules.zones.iter().find(|zone| zone.name == gateway.zone))
        .map(|zone| &*zone.region)
        .collect();
    let stray_gateway =
        gateway_regions.iter().any(|region| sources.iter().all(|source| *source.region != **region));
    // What was typed but refused is not missing.
    let refused = |region: &str, charge: Charge, problems: &Problems| {
        let key = charge.as_str();
        problems.any_below(&format!("prices.{key}"))
            || problems.any_below(&format!("prices.regions.{region}.{key}"))
    };
    let mut told = BTreeSet::new();
    let mut missing_ones = Vec::new();
    for source in sources {
        let region = book.priced_as(&source.region);
        for charge in Charge::ALL {
            if book.quote(&source.region, charge).is_some() || refused(region, charge, problems) {
                continue;
            }
            let can_occur = match charge {
                Charge::InterAz | Charge::InternetEgress => true,
                Charge::NatProcessing | Charge::NatHop => {
                    stray_gateway || gateway_regions.contains(&*source.region)
                }
                Charge::InterRegion => zone_regions.len() > 1,
            };
            if can_occur && told.insert((region, charge)) {
                let wanted = missing(charge, region, source, &zone_regions);
                missing_ones.push((format!("prices.{}", charge.as_str()), wanted));
            } else if !can_occur && charge == Charge::NatProcessing && told.insert((region, charge)) {
                warnings.push(format!(
                    "there is no price of nat_processing in {region}: should the logs show a NAT gateway, its bytes \
                     will be counted at a cost of 0; set prices.nat_processing"
                ));
            }
        }
    }
    for (key, wanted) in missing_ones {
        problems.at(key, wanted);
    }
}

/// The regions whose zones can be the two ends of one record.
fn meeting_regions<'a>(rules: &'a Rules, sources: &'a [SourceConfig]) -> BTreeSet<&'a str> {
    let mut regions: BTreeSet<&str> =
        rules.zones.iter().map(|zone| &*zone.region).filter(|r| !r.is_empty()).collect();
    // Zone ids that no zone names belong to the source's region, but speak only if no zone goes by networks alone.
    let az_ids_speak = rules.zones.iter().all(|zone| zone.cidrs.is_empty() || zone.az_id.is_some());
    if az_ids_speak && !rules.zones.is_empty() {
        regions.extend(sources.iter().map(|source| &*source.region));
    }
    regions
}

fn missing(charge: Charge, region: &str, source: &SourceConfig, zone_regions: &BTreeSet<&str>) -> String {
    let key = charge.as_str();
    let page = match charge {
        Charge::NatProcessing => pricing::NAT_SOURCE,
        _ => pricing::TRANSFER_SOURCE,
    };
    let why = match charge {
        Charge::InterRegion => {
            let regions: Vec<&str> = zone_regions.iter().copied().collect();
            format!(
                "there are zones of several regions ({}) and no built-in price of {key}",
                regions.join(", ")
            )
        }
        _ => format!("there is no built-in price of {key} in {region} (region of source {:?})", source.name),
    };
    let why = if region == &*source.region || charge == Charge::InterRegion {
        why
    } else {
        format!("there is no built-in price of {key} in {region} (prices.region)")
    };
    let hint = hint_unknown(region).map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!(
        "is missing: {why}{hint}. Look up the USD per GB at {page} and write either\n\
         {key} = <price> under [prices], for all regions, or\n\
         {key} = <price> under [prices.regions.{region}], for this one; 0 if it does not matter"
    )
}
