//! What would mend a sample, as pieces of configuration that can be pasted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use super::{
    advice::{gib, percent, with_bytes},
    sample::{Gateway, Sample},
};
use crate::{
    classify::{Rules, ZoneSpec},
    config::quoted,
    decode::Field,
    limits,
    model::Remark,
};

/// How much a piece of configuration matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Without it traffic is unknown, in doubt, or contradicts the configuration.
    Mend,
    /// It gives names, or is right only where somebody knows more than the logs say.
    Suggestion,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Mend => "mend",
            Self::Suggestion => "suggestion",
        }
    }
}

/// What to write into the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) reason: String,
    /// Whole tables with their headers; empty where only a person can say what to write.
    pub(super) toml: String,
}

/// What a sample shows to be missing or wrong.
pub(super) fn of(sample: &Sample, rules: &Rules) -> Vec<Piece> {
    Mends::of(sample, rules).pieces
}

/// What is to change in a zone that is there.
#[derive(Default)]
struct Change {
    reasons: Vec<String>,
    cidrs: Vec<String>,
    az_id: Option<Arc<str>>,
}

/// Pieces of configuration, each with its reason.
#[derive(Default)]
struct Mends {
    pieces: Vec<Piece>,
    /// By name: a zone is written once, with all that changes.
    zones: BTreeMap<Arc<str>, Change>,
    /// AZ ids that have got a zone.
    named: BTreeSet<Arc<str>>,
}

impl Mends {
    fn of(sample: &Sample, rules: &Rules) -> Self {
        let mut mends = Self::default();
        mends.networks(sample, rules);
        mends.az_ids(sample);
        mends.gateways(sample, rules);
        mends.remarks(sample);
        mends.peerings(sample, rules);
        mends.changed_zones(rules);
        mends.ports(sample);
        mends
    }

    fn push(&mut self, reason: impl Into<String>, toml: impl Into<String>) {
        self.add(Kind::Mend, reason.into(), toml.into());
    }

    fn suggest(&mut self, reason: impl Into<String>, toml: impl Into<String>) {
        self.add(Kind::Suggestion, reason.into(), toml.into());
    }

    fn add(&mut self, kind: Kind, reason: String, toml: String) {
        let piece = Piece { kind, reason, toml };
        if !self.pieces.contains(&piece) {
            self.pieces.push(piece);
        }
    }

    fn change(&mut self, zone: &Arc<str>, reason: String) -> &mut Change {
        let change = self.zones.entry(zone.clone()).or_default();
        change.reasons.push(reason);
        change
    }

    /// Zones that are there, as they would be.
    fn changed_zones(&mut self, rules: &Rules) {
        for (name, Change { reasons, cidrs, az_id }) in std::mem::take(&mut self.zones) {
            let Some(spec) = rules.zones.iter().find(|spec| spec.name == name) else { continue };
            let reason = format!("{};\nin place of [[zone]] {}", reasons.join(";\n"), quoted(&name));
            self.push(reason, zone(spec, az_id, &cidrs));
        }
    }

    /// Pairs of VPCs that may be peered, with those that are known to be: the key is there once.
    fn peerings(&mut self, sample: &Sample, rules: &Rules) {
        let pairs: Vec<_> = sample
            .remarks
            .iter()
            .filter_map(|remark| match remark {
                Remark::BetweenVpcs { one, other } => Some((one, other)),
                _ => None,
            })
            .collect();
        if pairs.is_empty() {
            return;
        }
        let reasons: Vec<String> = pairs.iter().map(|(one, other)| format!("{one} and {other}")).collect();
        let known = rules.peered.iter().map(|(one, other)| (one, other));
        let all: Vec<String> = known.chain(pairs).map(|(one, other)| list(&[one, other])).collect();
        self.push(
            format!(
                "{} exchange traffic between AZs that is not charged;\nfor those that are peered, in [aws]",
                reasons.join(", ")
            ),
            format!("[aws]\npeered = [{}]", all.join(", ")),
        );
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
                    let nets = nets.into_iter().map(str::to_owned);
                    self.change(&zone.name, reason).cidrs.extend(nets);
                }
                None => {
                    self.push(reason, format!("{}\ncidrs = {}", new_zone(&az_id), list(&nets)));
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
            self.suggest(
                format!("no zone has {}; it is its own label until one does", with_bytes(&az_id, bytes)),
                new_zone(&az_id),
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
            self.suggest(
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
            self.suggest(
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
            self.suggest(format!("no zone has {az_id}, where a NAT gateway stands"), new_zone(az_id));
        }
        Some(az_id.clone())
    }

    fn remarks(&mut self, sample: &Sample) {
        let mut forwarders = 0;
        for remark in &sample.remarks {
            match remark {
                // Told with the networks.
                Remark::OutsideNetworks { .. } => {}
                Remark::ZoneWithoutAzId { zone, az_id } => {
                    let reason = "AZ ids of the logs are not used, because one zone has none".to_owned();
                    self.change(zone, reason).az_id = Some(az_id.clone());
                }
                Remark::OtherAzId { zone, configured, logged } => {
                    let reason = format!(
                        "interfaces in the networks of zone \"{zone}\" show {logged}, but it is configured as {configured}:\ncorrect its cidrs, or its az_id"
                    );
                    self.change(zone, reason).az_id = Some(logged.clone());
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
                Remark::OtherScope { zone } => self.suggest(
                    format!(
                        "addresses were found in zone \"{zone}\" only, whose scope is another one: right for peered\nnetworks, else list those of this scope"
                    ),
                    "",
                ),
                // Told together.
                Remark::BetweenVpcs { .. } => {}
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
        self.suggest(
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
    let mut toml = format!("[[nat_gateway]]\nname = {}\n", quoted(name));
    match &gateway.resource_id {
        Some(resource_id) if gateway.regional => drop(writeln!(toml, "resource_ids = [\"{resource_id}\"]")),
        _ => drop(writeln!(toml, "interface_ids = [\"{id}\"]")),
    }
    if let Some(zone) = zone {
        let _ = writeln!(toml, "zone = {}", quoted(&zone));
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

/// A zone that is not there, by its AZ.
fn new_zone(az_id: &str) -> String {
    let az_id = quoted(az_id);
    format!("[[zone]]\nname = {az_id}\naz_id = {az_id}")
}

/// A zone that is there, with more networks and another AZ.
fn zone(spec: &ZoneSpec, other: Option<Arc<str>>, more: &[String]) -> String {
    let ZoneSpec { name, az_id, region, cidrs, logged, within, outside, scope } = spec;
    let mut toml = format!("[[zone]]\nname = {}", quoted(name));
    let texts =
        [("az_id", other.as_ref().or(az_id.as_ref())), ("region", region.as_ref()), ("in", within.as_ref())];
    for (key, text) in texts {
        if let Some(text) = text {
            let _ = write!(toml, "\n{key} = {}", quoted(text));
        }
    }
    let cidrs: Vec<String> = cidrs.iter().map(ToString::to_string).chain(more.iter().cloned()).collect();
    let names = |list: &'_ [Arc<str>]| list.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let lists = [
        ("cidrs", cidrs),
        ("sources", names(&scope.sources)),
        ("accounts", names(&scope.accounts)),
        ("regions", names(&scope.regions)),
        ("vpc_ids", names(&scope.vpc_ids)),
    ];
    for (key, items) in lists {
        if !items.is_empty() {
            let items: Vec<&str> = items.iter().map(String::as_str).collect();
            let _ = write!(toml, "\n{key} = {}", list(&items));
        }
    }
    for (key, value, usual) in [("logged", *logged, true), ("outside", *outside, false)] {
        if value != usual {
            let _ = write!(toml, "\n{key} = {value}");
        }
    }
    toml
}

fn list(items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}
