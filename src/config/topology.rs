//! Zones, port groups, NAT gateways and counting: the part of the configuration that says what a record means.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use super::{
    problems::{Problems, nearest},
    raw::{Node, Table},
    values,
};
use crate::{
    classify::{GatewaySpec, PortGroup, PortMatch, Rules, Vantage, ZoneSpec},
    model::Charge,
};

/// A value and the place it was read from.
type Placed<'a, T> = (Node<'a>, T);

/// Reads all of it. `home` is the region of the first source, where a zone without a region belongs.
pub(super) fn read(
    root: &mut Table<'_>,
    home: Option<&Arc<str>>,
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Rules {
    let zones = zones(root, home, problems);
    let port_groups = port_groups(root, problems);
    let mut section = root.table(problems, "ports");
    let words = [("either", PortMatch::Either), ("destination", PortMatch::Destination)];
    let port_match = section.or(problems, "match", PortMatch::Either, |node| values::one_of(node, &words));
    section.finish(problems);

    let gateways = gateways(root, &zones, problems, warnings);

    let mut section = root.table(problems, "counting");
    let words = [("auto", Vantage::Auto), ("every", Vantage::Every), ("sender", Vantage::Sender)];
    let vantage = section.or(problems, "vantage", Vantage::Auto, |node| values::one_of(node, &words));
    let count_rejected = section.or(problems, "rejected", false, values::boolean);
    section.finish(problems);

    warn_of_silent_zones(&zones, warnings);
    Rules { zones, port_groups, port_match, gateways, vantage, count_rejected, no_charge: Vec::new() }
}

/// Tells of a value that an earlier place has already.
pub(super) fn once<'a, T: Ord + Clone>(
    problems: &mut Problems,
    seen: &mut BTreeMap<T, String>,
    (node, value): &Placed<'a, T>,
    wanted: &str,
) {
    match seen.get(value) {
        Some(first) => problems.push(node.problem(format!("is the same as {first}; {wanted}"))),
        None => {
            seen.insert(value.clone(), node.path.clone());
        }
    }
}

fn zones(root: &mut Table<'_>, home: Option<&Arc<str>>, problems: &mut Problems) -> Vec<ZoneSpec> {
    let (mut names, mut az_ids, mut cidrs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut zones = Vec::new();
    let mut named = Vec::new();
    for mut table in root.tables(problems, "zone") {
        let name = table.required(problems, "name", "it becomes the label value of the zone", values::label);
        let az_id = table.placed(problems, "az_id", values::az_id);
        let region = table.optional(problems, "region", values::region);
        let networks = table.list(problems, "cidrs", values::cidr);
        let logged = table.or(problems, "logged", true, values::boolean);
        if !table.has("az_id") && (!table.has("cidrs") || is_empty_list(&networks, &table, problems)) {
            let wanted = "has neither az_id nor cidrs, so nothing can be in it: write cidrs = [\"10.0.0.0/22\"], az_id = \"use1-az1\" or both";
            problems.at(table.path(), wanted);
        }
        for network in &networks {
            once(
                problems,
                &mut cidrs,
                network,
                "a network belongs to one zone (a longer prefix inside it may belong to another)",
            );
        }
        if let Some(az_id) = &az_id {
            once(problems, &mut az_ids, az_id, "an az_id belongs to one zone");
        }
        if let Some(name) = &name {
            once(
                problems,
                &mut names,
                name,
                "give each zone its own name, or put all its networks into one [[zone]]",
            );
        }
        table.finish(problems);
        if let Some((node, name)) = name {
            zones.push(ZoneSpec {
                name: name.clone(),
                az_id: az_id.map(|(_, az_id)| az_id),
                region: region.or_else(|| home.cloned()).unwrap_or_else(|| Arc::from("")),
                cidrs: networks.into_iter().map(|(_, network)| network).collect(),
                logged,
            });
            named.push((node, name));
        }
    }
    for ((node, name), zone) in named.iter().zip(&zones) {
        if let Some(owner) = az_ids.get(name).filter(|_| zone.az_id.as_ref() != Some(name)) {
            problems.push(
                node.problem(format!("is the az_id of another zone ({owner}); the two would share a label")),
            );
        }
    }
    zones
}

/// Whether a list was written as `[]`, as opposed to one whose items were all refused.
fn is_empty_list<T>(good: &[T], table: &Table<'_>, problems: &Problems) -> bool {
    good.is_empty() && !problems.any_below(&table.path_of("cidrs"))
}

/// The az-id columns are silent while a zone goes by its networks alone. Worth a word where others have theirs.
fn warn_of_silent_zones(zones: &[ZoneSpec], warnings: &mut Vec<String>) {
    let without: Vec<String> = zones
        .iter()
        .filter(|zone| !zone.cidrs.is_empty() && zone.az_id.is_none())
        .map(|zone| format!("{:?}", zone.name))
        .collect();
    if !without.is_empty() && zones.iter().any(|zone| zone.az_id.is_some()) {
        warnings.push(format!(
            "the az-id columns of the logs are not used until every zone with cidrs has its az_id; missing: {}",
            without.join(", ")
        ));
    }
}

fn port_groups(root: &mut Table<'_>, problems: &mut Problems) -> Vec<PortGroup> {
    let mut names = BTreeMap::new();
    let mut groups: Vec<(String, PortGroup)> = Vec::new();
    for mut table in root.tables(problems, "port_group") {
        let name = table.required(problems, "name", "it becomes the label value of the group", values::label);
        let wanted = "write the ports of the group, such as ports = [4101, \"4102-4107\"]";
        if !table.has("ports") {
            problems.at(table.path_of("ports"), format!("is missing: {wanted}"));
        }
        let ports = table.list(problems, "ports", values::ports);
        if ports.is_empty() && table.has("ports") && !problems.any_below(&table.path_of("ports")) {
            problems.at(table.path_of("ports"), format!("is empty: {wanted}"));
        }
        for (node, range) in &ports {
            for (path, other) in &groups {
                let clash = other
                    .ports
                    .iter()
                    .find(|taken| taken.start() <= range.end() && range.start() <= taken.end());
                if let Some(taken) = clash {
                    let port = taken.start().max(range.start());
                    let wanted =
                        format!("port {port} is in {path} ({:?}) already; a port has one group", other.name);
                    problems.push(node.problem(wanted));
                }
            }
        }
        if let Some(name) = &name {
            once(problems, &mut names, name, "put all ports of a group into one [[port_group]]");
        }
        let path = table.path().to_owned();
        table.finish(problems);
        let name = name.map_or_else(|| Arc::from(""), |(_, name)| name);
        groups.push((path, PortGroup { name, ports: ports.into_iter().map(|(_, range)| range).collect() }));
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn gateways(
    root: &mut Table<'_>,
    zones: &[ZoneSpec],
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Vec<GatewaySpec> {
    let mut names = BTreeMap::new();
    let (mut interfaces, mut addresses, mut resources) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut gateways = Vec::new();
    for mut table in root.tables(problems, "nat_gateway") {
        let name = table.required(problems, "name", "any name, for messages", values::name);
        let zone =
            table.required(problems, "zone", "the name of the [[zone]] that the gateway stands in", |node| {
                known_zone(node, zones)
            });
        let interface_ids = table.list(problems, "interface_ids", |node| values::aws_id(node, "eni-"));
        let private_ips = table.list(problems, "private_ips", values::address);
        let resource_ids = table.list(problems, "resource_ids", |node| values::aws_id(node, "nat-"));
        let lists = ["interface_ids", "private_ips", "resource_ids"];
        if interface_ids.is_empty()
            && private_ips.is_empty()
            && resource_ids.is_empty()
            && !lists.iter().any(|list| problems.any_below(&table.path_of(list)))
        {
            let wanted = "cannot be recognised in the logs: give interface_ids = [\"eni-...\"], private_ips = [\"10.0.136.5\"] or, for a regional gateway, resource_ids = [\"nat-...\"]";
            problems.at(table.path(), wanted);
        }
        let wanted = "it belongs to one gateway";
        interface_ids.iter().for_each(|id| once(problems, &mut interfaces, id, wanted));
        private_ips.iter().for_each(|address| once(problems, &mut addresses, address, wanted));
        resource_ids.iter().for_each(|id| once(problems, &mut resources, id, wanted));
        if let Some(name) = &name {
            once(problems, &mut names, name, "give each gateway its own name");
        }
        warnings.extend(private_ips.iter().filter(|(_, ip)| is_public(ip)).map(|(node, ip)| {
            format!(
                "{} = \"{ip}\" is a public address; the logs show the private address of a NAT gateway",
                node.path
            )
        }));
        table.finish(problems);
        if let (Some((_, name)), Some((_, zone))) = (name, zone) {
            gateways.push(GatewaySpec {
                name,
                zone,
                interface_ids: items(interface_ids),
                private_ips: items(private_ips),
                resource_ids: items(resource_ids),
            });
        }
    }
    gateways
}

fn items<T>(placed: Vec<Placed<'_, T>>) -> Vec<T> {
    placed.into_iter().map(|(_, item)| item).collect()
}

fn known_zone(node: &Node<'_>, zones: &[ZoneSpec]) -> values::Parsed<Arc<str>> {
    let typed = values::text(node)?;
    let names = || zones.iter().map(|zone| &*zone.name);
    match zones.iter().find(|zone| &*zone.name == typed) {
        Some(zone) => Ok(zone.name.clone()),
        None if zones.is_empty() => {
            Err("is no zone: there is no [[zone]] yet; add the one it stands in".to_owned())
        }
        None => match nearest(typed, names()) {
            Some(near) => Err(format!("is no configured zone; did you mean {near:?}?")),
            None => {
                let known: Vec<String> = names().map(|name| format!("{name:?}")).collect();
                Err(format!("is no configured zone; there are {}", known.join(", ")))
            }
        },
    }
}

/// Outside the ranges that VPCs usually take their addresses from.
fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
            !(v4.is_private() || shared || v4.is_link_local())
        }
        IpAddr::V6(_) => false,
    }
}

/// `prices.no_charge`: it stands with the prices and belongs to the rules.
pub(super) fn no_charge(prices: &mut Table<'_>, problems: &mut Problems) -> Vec<(Charge, Vec<ipnet::IpNet>)> {
    let mut exempt = Vec::new();
    for mut table in prices.tables(problems, "no_charge") {
        let words = Charge::ALL.map(|charge| (charge.as_str(), charge));
        let wanted = format!("one of {}", words.map(|(word, _)| word).join(", "));
        let charge = table.required(problems, "charge", &wanted, |node| values::one_of(node, &words));
        let cidrs = table.list(problems, "cidrs", values::cidr);
        if cidrs.is_empty() && !problems.any_below(&table.path_of("cidrs")) {
            let wanted =
                "is missing or empty: write the exempt networks, such as cidrs = [\"10.0.200.0/24\"]";
            problems.at(table.path_of("cidrs"), wanted);
        }
        table.finish(problems);
        if let Some((_, charge)) = charge {
            exempt.push((charge, items(cidrs)));
        }
    }
    exempt
}
