//! What a configuration means, in words: the summary of `check`.

use std::{collections::BTreeSet, fmt};

use super::{
    Budget, Config, SourceConfig, TOPIC,
    scope::few,
    values::{show_duration, show_size},
};
use crate::{
    classify::{
        Billing, EndpointAt, ForwarderSpec, GatewayPath, GatewaySpec, NoCharge, PortMatch, PublicNets, Scope,
        ServiceSpec, Vantage, ZoneSpec,
    },
    limits,
    model::{Charge, Gigabyte, NanoUsd},
    pricing::{NanoGb, Origin, Tier},
    topology::{Zone, Zones},
};

/// Prints the summary: one line for each thing that was configured or follows from it.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |topic: &str, text: fmt::Arguments<'_>| writeln!(f, "{topic:<TOPIC$} {text}");
        let keep = match self.keep {
            limits::KEEP => String::new(),
            keep => format!(", hours of {}", show_duration(keep)),
        };
        line("state", format_args!("{}{keep}", self.state.display()))?;
        let ingest = &self.ingest;
        let start = ingest.start.map_or_else(|| "now - lookback".to_owned(), |start| start.to_string());
        line(
            "ingest",
            format_args!(
                "every {}, lookback {}, a fresh state starts at {start}, {} objects at a time",
                show_duration(ingest.poll_interval),
                show_duration(ingest.lookback),
                ingest.concurrency
            ),
        )?;
        for source in &self.sources {
            line("source", format_args!("{}", describe_source(source)))?;
        }
        let zones = Zones::new(&self.rules.zones, &self.rules.home_region);
        for (spec, zone) in self.rules.zones.iter().zip(zones.iter()) {
            line("zone", format_args!("{}", describe_zone(spec, zone, &zones)))?;
        }
        if self.rules.zones.is_empty() {
            line("zone", format_args!("none configured: the az-id columns of the logs name them"))?;
        }
        for group in &self.rules.port_groups {
            let ports = list(group.ports.iter().map(|range| match (range.start(), range.end()) {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            }));
            line("port group", format_args!("{:?}: {ports}", group.name))?;
        }
        let port_match = match self.rules.port_match {
            PortMatch::Either => "the destination port decides, then the source port",
            PortMatch::Destination => "the destination port decides",
        };
        line("ports", format_args!("{port_match}"))?;
        for gateway in &self.rules.gateways {
            line("nat gateway", format_args!("{}", describe_gateway(gateway)))?;
        }
        for forwarder in &self.rules.forwarders {
            line("forwarder", format_args!("{}", describe_forwarder(forwarder)))?;
        }
        for service in &self.rules.services {
            line("service", format_args!("{}", describe_service(service)))?;
        }
        for text in self.describe_aws() {
            line("aws", format_args!("{text}"))?;
        }
        let vantage = match self.rules.vantage {
            Vantage::Auto => "auto",
            Vantage::Every => "every",
            Vantage::Sender => "sender",
        };
        let rejected = if self.rules.count_rejected { "counted" } else { "not counted" };
        let endpoint = match self.rules.endpoint_at {
            EndpointAt::Endpoint => "the endpoint",
            EndpointAt::Client => "its clients",
        };
        line(
            "counting",
            format_args!(
                "vantage {vantage}, REJECT records {rejected}, processing of an interface endpoint at {endpoint}"
            ),
        )?;
        let unit = match self.prices.unit {
            Gigabyte::Binary => "2^30 bytes",
            Gigabyte::Decimal => "10^9 bytes",
        };
        line("prices", format_args!("USD per GB of {unit}"))?;
        for text in self.describe_prices() {
            line("price", format_args!("{text}"))?;
        }
        if (self.prices.free, self.prices.elsewhere) != (NanoGb(0), NanoGb(0)) {
            let (free, elsewhere) = (self.prices.free, self.prices.elsewhere);
            line("month", format_args!("{free} GB are free, {elsewhere} GB are moved elsewhere"))?;
        }
        for (region, tiers) in &self.prices.tiers {
            for (charge, tiers) in tiers {
                line("tiers", format_args!("{region} {}: {}", charge.as_str(), describe_tiers(tiers)))?;
            }
        }
        for NoCharge { charge, cidrs, scope } in &self.rules.no_charge {
            let scope = describe_scope(scope);
            line("no charge", format_args!("{}: {}{scope}", charge.as_str(), list(cidrs)))?;
        }
        line("budget", format_args!("{}", describe_budget(&self.budget)))?;
        let limits = &self.limits;
        line(
            "limits",
            format_args!(
                "{} series; objects up to {}, {} decompressed, {} bad rows in an object",
                limits.series,
                show_size(limits.object_bytes),
                show_size(limits.decompressed_bytes),
                limits.bad_rows_per_object
            ),
        )?;
        for warning in &self.warnings {
            line("warning", format_args!("{warning}"))?;
        }
        Ok(())
    }
}

impl Config {
    /// `[aws]`, as far as it says something.
    fn describe_aws(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(file) = &self.aws.ip_ranges {
            let of = file.ranges.created.as_deref().map(|at| format!(" of {at}")).unwrap_or_default();
            lines.push(format!(
                "address ranges: {}, {} networks{of}",
                file.path.display(),
                file.ranges.len()
            ));
        }
        if self.rules.gateway_path == GatewayPath::DirectConnect {
            lines.push("traffic path 3: Direct Connect".to_owned());
        }
        let pairs = self.rules.peered.iter().map(|(one, other)| format!("peered: {one} and {other}"));
        lines.extend(pairs);
        lines.extend(self.rules.public_nets.iter().map(|PublicNets { cidrs, scope }| {
            format!("to the internet without a NAT gateway: {}{}", list(cidrs), describe_scope(scope))
        }));
        lines
    }

    /// The prices in force, by region, each with where it comes from.
    fn describe_prices(&self) -> Vec<String> {
        let known = self.sources.iter().flat_map(SourceConfig::known_regions);
        let regions: BTreeSet<&str> = known.map(|region| self.prices.priced_as(region)).collect();
        let mut lines = Vec::new();
        for region in regions {
            for charge in Charge::ALL {
                let name = charge.as_str();
                lines.push(match self.prices.quote(region, charge) {
                    None => format!("{region} {name}: none, counts at 0"),
                    Some(quote) => {
                        let origin = match quote.origin {
                            Origin::RegionOverride => format!("[prices.regions.{region}]"),
                            Origin::Override => format!("prices.{name}"),
                            Origin::BuiltIn(row) => {
                                let unverified = if row.verified { "" } else { ", unverified" };
                                format!("list price, {}{unverified}, {}", row.as_of, row.source)
                            }
                        };
                        format!("{region} {name}: {} ({origin})", usd(quote.price.per_gigabyte))
                    }
                });
            }
        }
        lines
    }
}

fn describe_source(source: &SourceConfig) -> String {
    let all = |items: &[String], what: &str| {
        if items.is_empty() { format!("all {what}") } else { format!("{what} {}", items.join(" ")) }
    };
    let mut text = format!(
        "{:?}: {}, logs of {}, layout {}, {}, {}, {}",
        source.name,
        source.url,
        source.region,
        source.layout.as_str(),
        all(&source.accounts, "accounts"),
        all(&source.regions, "regions"),
        all(&source.flow_log_ids, "flow logs"),
    );
    if let Some(region) = &source.bucket_region {
        text += &format!(", bucket in {region}");
    }
    if let Some(endpoint) = &source.endpoint {
        text += &format!(", at {endpoint}");
    }
    if source.path_style {
        text += ", path style";
    }
    if source.request_payer {
        text += ", requester pays";
    }
    if let Some(monthly) = source.monthly {
        text += &format!(", budget {} USD a month", usd(monthly));
    }
    text
}

fn describe_budget(budget: &Budget) -> String {
    let monthly = budget.monthly.map(|monthly| format!("{} USD a month", usd(monthly)));
    let ratio = budget.inter_az_ratio.map(|ratio| format!("{ratio} of the bytes between zones"));
    let set = list(monthly.into_iter().chain(ratio));
    if set.is_empty() { "none".to_owned() } else { set }
}

fn describe_zone(spec: &ZoneSpec, zone: &Zone, zones: &Zones) -> String {
    let mut parts = Vec::new();
    parts.extend(zone.region.and_then(|region| zones.region_name(region)).map(ToString::to_string));
    if spec.outside {
        parts.push("outside".to_owned());
    } else if let Some(az) = zone.az.filter(|_| zone.has_az_id) {
        let around = if spec.az_id.is_none() && spec.within.is_none() { " by its networks" } else { "" };
        parts.push(format!("{}{around}", zones.az(az).name));
    }
    parts.extend(spec.within.iter().map(|outer| format!("in {outer:?}")));
    parts.extend(spec.cidrs.iter().map(ToString::to_string));
    if !spec.logged && !spec.outside {
        parts.push("not logged".to_owned());
    }
    format!("{:?}: {}{}", spec.name, parts.join(", "), describe_scope(&spec.scope))
}

fn describe_gateway(gateway: &GatewaySpec) -> String {
    let ids = gateway.interface_ids.iter().chain(&gateway.resource_ids).map(ToString::to_string);
    let all = list(ids.chain(gateway.private_ips.iter().map(ToString::to_string)));
    let zone = gateway.zone.as_ref().map_or_else(|| "no zone".to_owned(), |zone| format!("{zone:?}"));
    format!("{:?} in {zone}: {all}{}", gateway.name, describe_scope(&gateway.scope))
}

fn describe_forwarder(forwarder: &ForwarderSpec) -> String {
    let ForwarderSpec { name, interface_ids, scope } = forwarder;
    format!("{name:?}: {}{}", list(interface_ids), describe_scope(scope))
}

fn describe_service(service: &ServiceSpec) -> String {
    let ServiceSpec { name, cidrs, interface_ids, billing, scope } = service;
    let billing = match billing {
        Billing::Both => "both ends pay",
        Billing::FarSide => "the far side pays",
        Billing::Free => "nobody pays",
    };
    let all =
        list(cidrs.iter().map(ToString::to_string).chain(interface_ids.iter().map(ToString::to_string)));
    format!("{name:?}: {all}, {billing} between AZs{}", describe_scope(scope))
}

/// Where an entry holds, behind a comma; nothing where it holds everywhere.
fn describe_scope(scope: &Scope) -> String {
    match where_it_holds(scope) {
        everywhere if everywhere.is_empty() => everywhere,
        named => format!(", {named}"),
    }
}

/// Where an entry holds; nothing where it holds everywhere.
pub(super) fn where_it_holds(scope: &Scope) -> String {
    let Scope { sources, accounts, regions, vpc_ids } = scope;
    let mut parts: Vec<String> = Vec::new();
    if !sources.is_empty() {
        parts.push(format!("source {}", few(sources.iter().map(|name| format!("{name:?}")))));
    }
    for (what, list) in [("account", accounts), ("region", regions), ("VPC", vpc_ids)] {
        if !list.is_empty() {
            parts.push(format!("{what} {}", few(list.iter())));
        }
    }
    if parts.is_empty() { String::new() } else { format!("in {}", parts.join(", ")) }
}

fn describe_tiers(tiers: &[Tier]) -> String {
    list(tiers.iter().map(|Tier { to, per_gigabyte }| match to {
        Some(to) => format!("{} up to {to} GB", usd(*per_gigabyte)),
        None => usd(*per_gigabyte),
    }))
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// Dollars without the zeros that say nothing.
fn usd(amount: NanoUsd) -> String {
    let text = amount.to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
