//! A sample in words, with the configuration that would mend what it shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use super::sample::{Gateway, Sample};
use crate::{
    classify::{Rules, ZoneSpec},
    decode::Field,
    limits,
    model::{Doubt, Relation, Remark},
};

/// Writes what a sample shows, and what to write into the configuration.
pub(super) fn write(text: &mut String, sample: &Sample, rules: &Rules) {
    let Sample { objects, records, bytes, .. } = sample;
    let s = if *objects == 1 { "" } else { "s" };
    let _ = writeln!(text, "sample: {objects} object{s}, {records} records, {} counted", gib(*bytes));
    if *bytes > 0 {
        write_shares(text, sample);
    }
    write_doubts(text, sample);
    Mends::of(sample, rules).write(text);
}

/// What to write into the configuration: reason, and lines of TOML.
pub(super) fn mends(sample: &Sample, rules: &Rules) -> Vec<(String, String)> {
    Mends::of(sample, rules).pieces
}

/// The last line: how much of all samples has a name at both ends, and where to look first.
pub(super) fn verdict(sample: &Sample, unread: usize) -> (String, bool) {
    let unknown = sample.unknown();
    let known = sample.bytes.saturating_sub(unknown);
    let mut text = if sample.bytes == 0 {
        "verdict: no counted traffic in the sample".to_owned()
    } else {
        format!("verdict: {} % of bytes known", percent(known, sample.bytes))
    };
    let ok = u128::from(known) * 10 > u128::from(sample.bytes) * 9;
    let mut notes = Vec::new();
    if unread > 0 {
        let s = if unread == 1 { "" } else { "s" };
        notes.push(format!("{unread} source{s} cannot be read"));
    }
    if unknown > 0 {
        notes.push(format!("{} % have an end without a zone", percent(unknown, sample.bytes)));
    }
    let others = sample.doubts.iter().filter(|(doubt, bytes)| **doubt != Doubt::UnknownZone && **bytes > 0);
    if let Some((doubt, _)) = others.clone().max_by_key(|(_, bytes)| **bytes) {
        let more = others.count() - 1;
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        notes.push(format!("doubts: {}{more}", doubt.as_str()));
    }
    if notes.is_empty() {
        notes.push("nothing to mend".to_owned());
    }
    let _ = writeln!(text, "; {}", notes.join(", "));
    (text, ok && unread == 0)
}

fn write_shares(text: &mut String, sample: &Sample) {
    let share = |bytes: u64| percent(bytes, sample.bytes);
    let of = |relation: Relation| sample.relations.get(&relation).copied().unwrap_or(0);
    let _ = writeln!(text, "  {:>5} %  both AZs known", share(sample.both_azs));
    for (relation, words) in [
        (Relation::SameAz, "within one AZ"),
        (Relation::InterAz, "between AZs"),
        (Relation::InterRegion, "between regions"),
        (Relation::Internet, "to or from the internet"),
        (Relation::Aws, "to or from addresses of AWS"),
    ] {
        if of(relation) > 0 {
            let _ = writeln!(text, "  {:>5} %  {words}", share(of(relation)));
        }
    }
}

fn write_doubts(text: &mut String, sample: &Sample) {
    for (doubt, bytes) in sample.doubts.iter().filter(|(_, bytes)| **bytes > 0) {
        // The bytes of NAT records and of other sides are not among those that count.
        let share = match doubt {
            Doubt::NatLeg | Doubt::FarSide => gib(*bytes),
            _ => format!("{} %", percent(*bytes, sample.bytes)),
        };
        let _ = writeln!(text, "doubt {}: {share}: {}", doubt.as_str(), remedy(*doubt, sample));
    }
}

/// What a doubt means, and what ends it.
fn remedy(doubt: Doubt, sample: &Sample) -> &'static str {
    let has = |field| sample.columns.is_none_or(|columns| columns.contains(field));
    match doubt {
        Doubt::UnknownZone if !has(Field::AzId) || !has(Field::FlowDirection) => {
            "an end has no zone; list the networks of every zone, or log az-id and flow-direction"
        }
        Doubt::UnknownZone => "an end has no zone; see the networks below",
        Doubt::EgressPath if !has(Field::TrafficPath) => {
            "traffic to the internet whose way is not logged; log traffic-path, or list aws.public_cidrs"
        }
        Doubt::EgressPath => {
            "traffic to the internet whose way is not logged; list addresses without a NAT gateway in aws.public_cidrs"
        }
        Doubt::Interface => {
            "the recording interface may stand between the ends; log instance-id and interface-type"
        }
        Doubt::BetweenVpcs => {
            "two VPCs, and nothing says how they are connected; list pairs in aws.peered, or log traffic-path"
        }
        Doubt::RegionalPublic => {
            "public addresses of EC2 in the region; some services there cost nothing, exempt them in prices.no_charge"
        }
        Doubt::OwnSide => "whose record it is is not logged; log flow-direction and interface-id",
        Doubt::NatLeg => {
            "which side of a NAT gateway is the client's is not certain; list the networks of the zones"
        }
        Doubt::FarSide => {
            "left to the sender's record, which may not exist; list its network in a zone, with logged = false if it has no flow log"
        }
    }
}

/// Pieces of configuration, each with its reason.
#[derive(Default)]
struct Mends {
    /// Reason, and lines of TOML.
    pieces: Vec<(String, String)>,
    /// AZ ids that have got a zone.
    named: BTreeSet<Arc<str>>,
}

impl Mends {
    fn of(sample: &Sample, rules: &Rules) -> Self {
        let mut mends = Self::default();
        mends.networks(sample, rules);
        mends.az_ids(sample);
        mends.gateways(sample, rules);
        mends.remarks(sample, rules);
        mends.ports(sample);
        mends
    }

    fn push(&mut self, reason: impl Into<String>, toml: impl Into<String>) {
        let piece = (reason.into(), toml.into());
        if !self.pieces.contains(&piece) {
            self.pieces.push(piece);
        }
    }

    fn write(self, text: &mut String) {
        if self.pieces.is_empty() {
            return;
        }
        let _ = writeln!(text, "to mend it, in the configuration:");
        for (reason, toml) in self.pieces {
            for line in reason.lines() {
                let _ = writeln!(text, "  # {line}");
            }
            for line in toml.lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
    }

    /// The largest networks without a zone, by the AZ that their interfaces show.
    fn networks(&mut self, sample: &Sample, rules: &Rules) {
        let mut found: BTreeMap<String, (u64, BTreeSet<Arc<str>>)> = BTreeMap::new();
        for (net, network) in &sample.networks {
            found.insert(net.to_string(), (network.bytes, network.az_ids.clone()));
        }
        for remark in &sample.remarks {
            if let Remark::OutsideNetworks { network, az_id } = remark {
                found.entry(network.to_string()).or_default().1.extend(az_id.clone());
            }
        }
        let mut largest: Vec<_> = found.into_iter().collect();
        largest.sort_by(|(a, (a_bytes, _)), (b, (b_bytes, _))| b_bytes.cmp(a_bytes).then_with(|| a.cmp(b)));
        largest.truncate(limits::REACH_LINES);
        let mut of_az: BTreeMap<Arc<str>, Vec<(String, u64)>> = BTreeMap::new();
        let mut nowhere = Vec::new();
        for (network, (bytes, az_ids)) in largest {
            match az_ids.first() {
                Some(az_id) if az_ids.len() == 1 => {
                    of_az.entry(az_id.clone()).or_default().push((network, bytes));
                }
                _ => nowhere.push((network, bytes, az_ids)),
            }
        }
        for (az_id, networks) in of_az {
            let said: Vec<String> = networks.iter().map(|(net, bytes)| with_bytes(net, *bytes)).collect();
            let nets: Vec<&str> = networks.iter().map(|(net, _)| net.as_str()).collect();
            let reason = format!("no zone has {}; interfaces there show {az_id}", said.join(", "));
            match rules.zones.iter().find(|zone| zone.az_id.as_deref() == Some(&*az_id)) {
                Some(zone) => {
                    self.push(format!("{reason}; in [[zone]] \"{}\"", zone.name), cidrs(zone, &nets))
                }
                None => {
                    self.push(
                        reason,
                        format!("[[zone]]\nname = \"{az_id}\"\naz_id = \"{az_id}\"\ncidrs = {}", list(&nets)),
                    );
                    self.named.insert(az_id);
                }
            }
        }
        let (split, bare): (Vec<_>, Vec<_>) =
            nowhere.into_iter().partition(|(_, _, az_ids)| !az_ids.is_empty());
        for (network, bytes, az_ids) in split {
            let ids: Vec<&str> = az_ids.iter().map(|az_id| &**az_id).collect();
            let network = with_bytes(&network, bytes);
            self.push(
                format!(
                    "no zone has {network}; interfaces there show {}: list its subnets",
                    ids.join(" and ")
                ),
                "",
            );
        }
        if !bare.is_empty() {
            let said: Vec<String> = bare.iter().map(|(net, bytes, _)| with_bytes(net, *bytes)).collect();
            let nets: Vec<&str> = bare.iter().map(|(net, ..)| net.as_str()).collect();
            let reason = format!("no zone has, and no AZ id is logged for:\n  {}\n", said.join("\n  "));
            // Where AZ ids are logged, what has none is probably not in AWS.
            if sample.columns.is_some_and(|columns| columns.contains(Field::AzId)) {
                self.push(
                    reason + "add what is in AWS to the cidrs of its zone; the rest is",
                    format!("[[zone]]\nname = \"outside\"\noutside = true\ncidrs = {}", list(&nets)),
                );
            } else {
                self.push(
                    reason
                        + "log az-id, or write a zone for each AZ with its subnets, such as\n\
                              [[zone]] name = \"a\", az_id = \"use1-az1\", cidrs = [\"10.0.0.0/20\"];\n\
                              networks that are not in AWS go into one with outside = true",
                    "",
                );
            }
        }
    }

    fn az_ids(&mut self, sample: &Sample) {
        for (az_id, bytes) in by_bytes(&sample.az_ids) {
            if self.named.contains(&az_id) {
                continue;
            }
            self.push(
                format!("no zone has {}; it is its own label until one does", with_bytes(&az_id, bytes)),
                format!("[[zone]]\nname = \"{az_id}\"\naz_id = \"{az_id}\""),
            );
        }
    }

    fn gateways(&mut self, sample: &Sample, rules: &Rules) {
        let is_gateway = |id: &str, gateway: &Gateway| {
            rules.gateways.iter().any(|spec| {
                spec.interface_ids.iter().any(|one| **one == *id)
                    || gateway.resource_id.as_ref().is_some_and(|id| spec.resource_ids.contains(id))
                    || gateway.private_ips.iter().any(|ip| spec.private_ips.contains(ip))
            })
        };
        for (id, gateway) in largest(&sample.gateways, is_gateway) {
            let size = gib(gateway.bytes);
            let zone = self.zone_of(gateway, sample, rules);
            self.push(
                format!("a NAT gateway known by its type only ({size} of its clients); with an entry, logs without types know it too"),
                nat_gateway(id, gateway, zone),
            );
        }
        let is_known = |id: &str, gateway: &Gateway| {
            is_gateway(id, gateway)
                || rules.forwarders.iter().any(|spec| spec.interface_ids.iter().any(|one| **one == *id))
        };
        for (id, gateway) in largest(&sample.between, is_known) {
            let zone = self.zone_of(gateway, sample, rules);
            self.push(
                format!(
                    "{id} records packets of other hosts, and no type is logged for it; right for a load balancer\nor transit gateway; for a NAT instance or firewall: [[forwarder]] name = \"...\", interface_ids = [\"{id}\"];\nfor a NAT gateway:"
                ),
                nat_gateway(id, gateway, zone),
            );
        }
    }

    /// The zone of a gateway, which is added if there is none.
    fn zone_of(&mut self, gateway: &Gateway, sample: &Sample, rules: &Rules) -> Option<Arc<str>> {
        let az_id = gateway.az_id.as_ref()?;
        if let Some(zone) = rules.zones.iter().find(|zone| zone.az_id.as_ref() == Some(az_id)) {
            return Some(zone.name.clone());
        }
        let silent = sample.remarks.iter().find_map(|remark| match remark {
            Remark::ZoneWithoutAzId { zone, az_id: shown } if shown == az_id => Some(zone.clone()),
            _ => None,
        });
        if silent.is_some() {
            return silent;
        }
        if self.named.insert(az_id.clone()) && !sample.az_ids.contains_key(az_id) {
            self.push(
                format!("no zone has {az_id}, where a NAT gateway stands"),
                format!("[[zone]]\nname = \"{az_id}\"\naz_id = \"{az_id}\""),
            );
        }
        Some(az_id.clone())
    }

    fn remarks(&mut self, sample: &Sample, rules: &Rules) {
        let mut forwarders = 0;
        for remark in &sample.remarks {
            match remark {
                // Told with the networks.
                Remark::OutsideNetworks { .. } => {}
                Remark::ZoneWithoutAzId { zone, az_id } => self.push(
                    format!("AZ ids of the logs are not used, because one zone has none; in [[zone]] \"{zone}\""),
                    format!("az_id = \"{az_id}\""),
                ),
                Remark::OtherAzId { zone, configured, logged } => {
                    let cidrs = rules.zones.iter().find(|spec| spec.name == *zone).map(|spec| cidrs(spec, &[]));
                    self.push(
                        format!(
                            "interfaces in the networks of zone \"{zone}\" show {logged}, but it is configured as {configured}:\ncorrect its az_id or"
                        ),
                        cidrs.unwrap_or_default(),
                    );
                }
                Remark::OtherRegion { zone, configured, az_id } => self.push(
                    format!("zone \"{zone}\" is in {configured}, but its interfaces show {az_id}: correct its region"),
                    "",
                ),
                Remark::OddPath { path, src_zone, dst_zone } => self.push(
                    format!(
                        "traffic_path {path} does not fit the regions of \"{src_zone}\" and \"{dst_zone}\": correct one of them"
                    ),
                    "",
                ),
                Remark::Forwarder { interface_id } => {
                    forwarders += 1;
                    if forwarders <= limits::REACH_LINES {
                        self.push(
                            format!(
                                "{interface_id} records packets of other hosts; if it is a NAT gateway, list it as [[nat_gateway]], else"
                            ),
                            format!("[[forwarder]]\nname = \"{interface_id}\"\ninterface_ids = [\"{interface_id}\"]"),
                        );
                    }
                }
                Remark::EndpointWithoutRecords => self.push(
                    "an interface endpoint is in use but not logged, so its processing is not charged",
                    "[counting]\nendpoint_processing_at = \"client\"",
                ),
                Remark::OtherScope { zone } => self.push(
                    format!(
                        "addresses were found in zone \"{zone}\" only, whose scope is another one: right for peered\nnetworks, else list those of this scope"
                    ),
                    "",
                ),
                Remark::BetweenVpcs { one, other } => self.push(
                    format!("{one} and {other} exchange traffic between AZs that is not charged; if they are peered"),
                    format!("[aws]\npeered = [[\"{one}\", \"{other}\"]]"),
                ),
                Remark::ServiceWithoutCidrs { service } => self.push(
                    format!("service \"{service}\" is known by its interfaces only: other objects do not know its addresses;\nadd its cidrs"),
                    "",
                ),
                Remark::TooManyAddresses => self.push(
                    "an object had too many addresses to learn from it: list the networks of the zones",
                    "",
                ),
            }
        }
    }

    fn ports(&mut self, sample: &Sample) {
        let ports = by_bytes(&sample.ports);
        if ports.is_empty() || sample.bytes == 0 {
            return;
        }
        // Below a hundredth a name is not worth its series.
        let busy =
            ports.into_iter().filter(|(_, bytes)| u128::from(*bytes) * 100 >= u128::from(sample.bytes));
        let busy: Vec<(u16, u64)> = busy.collect();
        if busy.is_empty() {
            return;
        }
        let said: Vec<String> = busy
            .iter()
            .map(|(port, bytes)| format!("{port} ({} %)", percent(*bytes, sample.bytes)))
            .collect();
        let (first, _) = busy[0];
        self.push(
            format!("the busiest ports in \"other\": {}; a name for the first", said.join(", ")),
            format!("[[port_group]]\nname = \"port-{first}\"\nports = [{first}]"),
        );
    }
}

/// The largest that are not known.
fn largest(
    found: &BTreeMap<Arc<str>, Gateway>,
    is_known: impl Fn(&str, &Gateway) -> bool,
) -> Vec<(&Arc<str>, &Gateway)> {
    let mut all: Vec<_> = found.iter().filter(|(id, gateway)| !is_known(id, gateway)).collect();
    all.sort_by_key(|(id, gateway)| (std::cmp::Reverse(gateway.bytes), *id));
    all.truncate(limits::REACH_LINES);
    all
}

fn nat_gateway(id: &str, gateway: &Gateway, zone: Option<Arc<str>>) -> String {
    let name = gateway.resource_id.as_deref().unwrap_or(id);
    let mut toml = format!("[[nat_gateway]]\nname = \"{name}\"\n");
    match &gateway.resource_id {
        Some(resource_id) if gateway.regional => drop(writeln!(toml, "resource_ids = [\"{resource_id}\"]")),
        _ => drop(writeln!(toml, "interface_ids = [\"{id}\"]")),
    }
    if let Some(zone) = zone {
        let _ = writeln!(toml, "zone = \"{zone}\"");
    }
    if !gateway.private_ips.is_empty() {
        let ips: Vec<String> = gateway.private_ips.iter().map(ToString::to_string).collect();
        let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
        let _ = writeln!(toml, "private_ips = {}", list(&ips));
    }
    toml
}

fn by_bytes<K: Ord + Clone>(map: &BTreeMap<K, u64>) -> Vec<(K, u64)> {
    let mut all: Vec<(K, u64)> = map.iter().map(|(key, bytes)| (key.clone(), *bytes)).collect();
    all.sort_by(|(a, a_bytes), (b, b_bytes)| b_bytes.cmp(a_bytes).then_with(|| a.cmp(b)));
    all.truncate(limits::REACH_LINES);
    all
}

/// The networks of a zone with more of them.
fn cidrs(zone: &ZoneSpec, more: &[&str]) -> String {
    let known: Vec<String> = zone.cidrs.iter().map(ToString::to_string).collect();
    let all: Vec<&str> = known.iter().map(String::as_str).chain(more.iter().copied()).collect();
    format!("cidrs = {}", list(&all))
}

fn list(items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
    format!("[{}]", items.join(", "))
}

fn with_bytes(name: &str, bytes: u64) -> String {
    if bytes == 0 { name.to_owned() } else { format!("{name} ({})", gib(bytes)) }
}

/// Tenths of a percent, rounded down, so that only all of it is 100.
fn percent(part: u64, whole: u64) -> String {
    let tenths = (u128::from(part) * 1_000).checked_div(u128::from(whole)).unwrap_or(0);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// GiB with two places, or MiB and less where that would be 0.
fn gib(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (unit, name) in UNITS {
        if bytes >= unit {
            let hundredths = u128::from(bytes) * 100 / u128::from(unit);
            return format!("{}.{:02} {name}", hundredths / 100, hundredths % 100);
        }
    }
    format!("{bytes} B")
}
