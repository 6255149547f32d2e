//! What a valid configuration perhaps does not mean: contradictions, zones that keep AZ ids silent, missing prices.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    AwsConfig, SourceConfig,
    describe::where_it_holds,
    scope::{few, single},
};
use crate::{
    classify::{GatewayPath, Rules, Scope},
    model::Charge,
    pricing::{self, PriceBook},
    topology::{Zones, region_of},
};

/// Zones whose `region` is not that of their AZ, and those whose AZ id names no region.
pub(super) fn of_regions(rules: &Rules, zones: &Zones, warnings: &mut Vec<String>) {
    for (spec, zone) in rules.zones.iter().zip(zones.iter()) {
        if let (Some(az_id), None) = (&spec.az_id, &spec.region)
            && region_of(az_id).is_none()
        {
            warnings.push(format!(
                "zone {:?} has az_id = {az_id:?}, which begins like that of no known region, so that of the source is taken; \
                 correct it, or set region if it is right",
                zone.name
            ));
        }
        let Some((region, az)) = spec.region.as_deref().zip(zone.az.filter(|_| zone.has_az_id)) else {
            continue;
        };
        let az_id = &zones.az(az).name;
        if let Some(named) = region_of(az_id).filter(|named| *named != region) {
            warnings.push(format!(
                "zone {:?} has region = {region:?}, but its AZ {az_id:?} lies in {named}; leave out region, or correct \
                 one of the two",
                zone.name
            ));
        }
    }
}

/// Zones that keep AZ ids silent (semantics 2.13). Worth a word where other zones of the same records have their AZ.
pub(super) fn of_silent_zones(rules: &Rules, zones: &Zones, warnings: &mut Vec<String>) {
    let mut silent: BTreeMap<&Scope, Vec<&str>> = BTreeMap::new();
    // By the one account that they name, if so: not all pairs of thousands of accounts are compared.
    let mut with_az: BTreeMap<Option<&Arc<str>>, BTreeSet<&Scope>> = BTreeMap::new();
    for (spec, zone) in rules.zones.iter().zip(zones.iter()) {
        if zone.has_az_id && !zone.outside {
            with_az.entry(single(&spec.scope.accounts)).or_default().insert(&spec.scope);
        } else if zone.has_networks {
            silent.entry(&spec.scope).or_default().push(&zone.name);
        }
    }
    for (scope, names) in silent {
        let meets = |account: Option<&Arc<str>>| {
            with_az.get(&account).is_some_and(|scopes| scopes.iter().any(|other| other.meets(scope)))
        };
        let speaks_elsewhere = match single(&scope.accounts) {
            Some(account) => meets(Some(account)) || meets(None),
            None => with_az.keys().any(|account| meets(*account)),
        };
        if speaks_elsewhere {
            let place = match where_it_holds(scope) {
                everywhere if everywhere.is_empty() => everywhere,
                named => format!(" {named}"),
            };
            warnings.push(format!(
                "the az-id columns of the logs are not used{place}: no AZ is known of {}; add az_id, in, or a \
                 surrounding zone with az_id",
                few(names.iter().map(|name| format!("{name:?}")))
            ));
        }
    }
}

/// Charges that can occur and have no price: they count at 0 (semantics 6.20).
pub(super) fn of_prices(
    book: &PriceBook,
    rules: &Rules,
    zones: &Zones,
    sources: &[SourceConfig],
    aws: &AwsConfig,
    warnings: &mut Vec<String>,
) {
    let mut missing = BTreeSet::new();
    for region in sources.iter().flat_map(SourceConfig::known_regions) {
        let can_occur = |charge: &Charge| can_occur(*charge, region, rules, zones, aws);
        for charge in Charge::ALL.into_iter().filter(can_occur) {
            if book.quote(region, charge).is_none() {
                missing.insert((book.priced_as(region), charge));
            }
        }
    }
    for (region, charge) in missing {
        let name = charge.as_str();
        warnings.push(format!(
            "there is no price of {name} in {region}: its bytes are counted at a cost of 0; look up the USD per \
             GB at {} and write prices.regions.{region}.{name} = <price>",
            pricing::source_of(charge)
        ));
    }
}

/// Whether records of a region can carry a charge, as far as the configuration can tell: AZ ids, gateways and endpoints
/// may show in the logs without being configured.
fn can_occur(charge: Charge, region: &str, rules: &Rules, zones: &Zones, aws: &AwsConfig) -> bool {
    let path = rules.gateway_path;
    match charge {
        Charge::InterAz
        | Charge::NatProcessing
        | Charge::NatHop
        | Charge::InternetEgress
        | Charge::VpcEndpointProcessing
        | Charge::TransitGatewayProcessing => true,
        // The other end must be known to lie in another region: by the networks of a zone or by AWS's ranges.
        Charge::InterRegion => {
            let elsewhere = |other| zones.region_name(other).is_some_and(|other| **other != *region);
            let mut regions = zones.iter().filter(|zone| zone.has_networks).filter_map(|zone| zone.region);
            aws.ip_ranges.is_some() || regions.any(elsewhere)
        }
        Charge::RegionalPublic => aws.ip_ranges.is_some(),
        // The default path says nothing: many have neither.
        Charge::VpnEgress => path == GatewayPath::Vpn && zones.iter().any(|zone| zone.outside),
        Charge::DirectConnectEgress => path == GatewayPath::DirectConnect,
    }
}
