//! Zones, port groups, gateways, services and counting: the part of the configuration that says what a record means.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    gateways::{self, Interfaces},
    problems::Problems,
    raw::Table,
    scope::Placed,
    sources::Sources,
    values, zones,
};
use crate::classify::{EndpointAt, PortGroup, PortMatch, Rules, Vantage};

/// Reads all of it but what stands in `[aws]` and `[prices]`.
pub(super) fn read(
    root: &mut Table<'_>,
    sources: &Sources,
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Rules {
    let names = &sources.names[..];
    let zones = zones::read(root, names, problems, warnings);
    let port_groups = port_groups(root, problems);
    let mut section = root.table(problems, "ports");
    let words = [("either", PortMatch::Either), ("destination", PortMatch::Destination)];
    let port_match = section.or(problems, "match", PortMatch::Either, |node| values::one_of(node, &words));
    section.finish(problems);

    let mut interfaces = Interfaces::new();
    let gateways = gateways::nat_gateways(root, &zones, names, &mut interfaces, problems, warnings);
    let forwarders = gateways::forwarders(root, names, &mut interfaces, problems, warnings);
    let services = gateways::services(root, &gateways, names, problems, warnings);

    let mut section = root.table(problems, "counting");
    let words = [("auto", Vantage::Auto), ("every", Vantage::Every), ("sender", Vantage::Sender)];
    let vantage = section.or(problems, "vantage", Vantage::Auto, |node| values::one_of(node, &words));
    let words = [("endpoint", EndpointAt::Endpoint), ("client", EndpointAt::Client)];
    let endpoint_at = section
        .or(problems, "endpoint_processing_at", EndpointAt::Endpoint, |node| values::one_of(node, &words));
    let count_rejected = section.or(problems, "rejected", false, values::boolean);
    section.finish(problems);

    Rules {
        zones,
        port_groups,
        port_match,
        gateways,
        forwarders,
        services,
        endpoint_at,
        vantage,
        count_rejected,
        home_region: sources.home.clone().unwrap_or_default(),
        ..Rules::default()
    }
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

/// The values without their places.
pub(super) fn items<T>(placed: Vec<Placed<'_, T>>) -> Vec<T> {
    placed.into_iter().map(|(_, item)| item).collect()
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
