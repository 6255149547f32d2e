//! What a configuration means, in words: the summary of `check`.

use std::fmt;

use super::{
    Config, SourceConfig,
    values::{show_duration, show_size},
};
use crate::{
    classify::{GatewaySpec, PortMatch, Vantage, ZoneSpec},
    model::{Charge, Gigabyte, NanoUsd},
    pricing::Origin,
};

/// Prints the summary: one line for each thing that was configured or follows from it.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |topic: &str, text: fmt::Arguments<'_>| writeln!(f, "{topic:<12} {text}");
        line("state", format_args!("{}", self.state.display()))?;
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
        for zone in &self.rules.zones {
            line("zone", format_args!("{}", describe_zone(zone)))?;
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
        let vantage = match self.rules.vantage {
            Vantage::Auto => "auto",
            Vantage::Every => "every",
            Vantage::Sender => "sender",
        };
        let rejected = if self.rules.count_rejected { "counted" } else { "not counted" };
        line("counting", format_args!("vantage {vantage}, REJECT records {rejected}"))?;
        let unit = match self.prices.unit {
            Gigabyte::Binary => "2^30 bytes",
            Gigabyte::Decimal => "10^9 bytes",
        };
        line("prices", format_args!("USD per GB of {unit}"))?;
        for text in self.describe_prices() {
            line("price", format_args!("{text}"))?;
        }
        for (charge, cidrs) in &self.rules.no_charge {
            line("no charge", format_args!("{}: {}", charge.as_str(), list(cidrs)))?;
        }
        let budget = &self.budget;
        line(
            "budget",
            format_args!(
                "{} USD a month, {} of the bytes between zones",
                usd(budget.monthly),
                budget.inter_az_ratio
            ),
        )?;
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
    /// The prices in force, by region, each with where it comes from.
    fn describe_prices(&self) -> Vec<String> {
        let mut regions: Vec<&str> = self.sources.iter().map(|s| self.prices.priced_as(&s.region)).collect();
        regions.sort_unstable();
        regions.dedup();
        let mut lines = Vec::new();
        for region in regions {
            for charge in Charge::ALL {
                let name = charge.as_str();
                lines.push(match self.prices.quote(region, charge) {
                    None => format!("{region} {name}: none"),
                    Some(quote) => {
                        let origin = match quote.origin {
                            Origin::RegionOverride => format!("[prices.regions.{region}]"),
                            Origin::Override => format!("prices.{name}"),
                            Origin::BuiltIn(row) => format!("list price, {}, {}", row.as_of, row.source),
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
    text
}

fn describe_zone(zone: &ZoneSpec) -> String {
    let az_id = zone.az_id.as_deref().map(|az_id| format!(", {az_id}")).unwrap_or_default();
    let cidrs = if zone.cidrs.is_empty() { String::new() } else { format!(", {}", list(&zone.cidrs)) };
    let logged = if zone.logged { "" } else { ", not logged" };
    format!("{:?}: {}{az_id}{cidrs}{logged}", zone.name, zone.region)
}

fn describe_gateway(gateway: &GatewaySpec) -> String {
    let ids = gateway.interface_ids.iter().chain(&gateway.resource_ids).map(ToString::to_string);
    let all = list(ids.chain(gateway.private_ips.iter().map(ToString::to_string)));
    format!("{:?} in {:?}: {all}", gateway.name, gateway.zone)
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// Dollars without the zeros that say nothing.
fn usd(amount: NanoUsd) -> String {
    let text = amount.to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
