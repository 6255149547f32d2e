//! `[[nat_gateway]]`, `[[forwarder]]`, `[[service]]`: interfaces and addresses with rules of their own.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
};

use super::{
    problems::Problems,
    raw::{Node, Table},
    scope::{self, Claims},
    topology::{items, once},
    values::{self, Parsed},
};
use crate::classify::{Billing, ForwarderSpec, GatewaySpec, Scope, ServiceSpec, ZoneSpec};

/// Interface ids, with the paths where they are listed.
pub(super) type Interfaces = BTreeMap<Arc<str>, String>;

/// Reads `[[nat_gateway]]`; `interfaces` gets theirs.
pub(super) fn nat_gateways(
    root: &mut Table<'_>,
    zones: &[ZoneSpec],
    sources: &[Arc<str>],
    interfaces: &mut Interfaces,
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Vec<GatewaySpec> {
    let (mut names, mut resources, mut addresses) = (BTreeMap::new(), BTreeMap::new(), Claims::default());
    let mut gateways = Vec::new();
    for mut table in root.tables(problems, "nat_gateway") {
        let name = table.required(problems, "name", "any name, for messages", values::name);
        let zone = table.optional(problems, "zone", |node| zone_inside(node, zones));
        let interface_ids = table.list(problems, "interface_ids", |node| values::aws_id(node, "eni-"));
        let private_ips = table.list(problems, "private_ips", values::address);
        let resource_ids = table.list(problems, "resource_ids", |node| values::aws_id(node, "nat-"));
        let scope = Arc::new(scope::read(&mut table, sources, problems, warnings));
        let lists = ["interface_ids", "private_ips", "resource_ids"];
        if interface_ids.is_empty()
            && private_ips.is_empty()
            && resource_ids.is_empty()
            && !lists.iter().any(|list| problems.any_below(&table.path_of(list)))
        {
            let wanted = "cannot be recognised in the logs: give interface_ids = [\"eni-...\"], private_ips = [\"10.0.136.5\"] or, for a regional gateway, resource_ids = [\"nat-...\"]";
            problems.at(table.path(), wanted);
        }
        let zonal = !interface_ids.is_empty() || !private_ips.is_empty();
        if zonal && zone.is_none() && !problems.any_below(&table.path_of("zone")) {
            let wanted = "is missing: the name of the [[zone]] that the gateway stands in; only a regional gateway, by resource_ids, has none";
            problems.at(table.path_of("zone"), wanted);
        }
        let wanted = "it belongs to one gateway or forwarder";
        interface_ids.iter().for_each(|id| once(problems, interfaces, id, wanted));
        let wanted = "it belongs to one gateway";
        private_ips.iter().for_each(|address| addresses.claim(problems, &scope, address, wanted));
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
        if let Some((_, name)) = name {
            gateways.push(GatewaySpec {
                name,
                zone,
                interface_ids: items(interface_ids),
                private_ips: items(private_ips),
                resource_ids: items(resource_ids),
                scope: Scope::clone(&scope),
            });
        }
    }
    gateways
}

/// The zone of a gateway, which is not outside.
fn zone_inside(node: &Node<'_>, zones: &[ZoneSpec]) -> Parsed<Arc<str>> {
    let name = scope::known(node, zones.iter().map(|zone| &*zone.name), "zone")?;
    match zones.iter().find(|zone| zone.name == name) {
        Some(zone) if zone.outside => {
            Err("is a zone that is outside; name the zone of the AZ that the gateway stands in".to_owned())
        }
        _ => Ok(name),
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

/// Reads `[[forwarder]]`. `interfaces` are those of the gateways, and get theirs.
pub(super) fn forwarders(
    root: &mut Table<'_>,
    sources: &[Arc<str>],
    interfaces: &mut Interfaces,
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Vec<ForwarderSpec> {
    let mut names = BTreeMap::new();
    let mut forwarders = Vec::new();
    for mut table in root.tables(problems, "forwarder") {
        let name = table.required(problems, "name", "any name, for messages", values::name);
        let interface_ids = table.list(problems, "interface_ids", |node| values::aws_id(node, "eni-"));
        let scope = scope::read(&mut table, sources, problems, warnings);
        let key = table.path_of("interface_ids");
        if interface_ids.is_empty() && !problems.any_below(&key) {
            let wanted = "is missing or empty: write the interfaces that forward, such as interface_ids = [\"eni-0352f8c82da6aa229\"]";
            problems.at(key, wanted);
        }
        let wanted = "it belongs to one gateway or forwarder";
        interface_ids.iter().for_each(|id| once(problems, interfaces, id, wanted));
        if let Some(name) = &name {
            once(problems, &mut names, name, "give each forwarder its own name");
        }
        table.finish(problems);
        if let Some((_, name)) = name {
            forwarders.push(ForwarderSpec { name, interface_ids: items(interface_ids), scope });
        }
    }
    forwarders
}

/// Reads `[[service]]`.
pub(super) fn services(
    root: &mut Table<'_>,
    gateways: &[GatewaySpec],
    sources: &[Arc<str>],
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Vec<ServiceSpec> {
    let of_gateways: HashMap<&Arc<str>, &Arc<str>> = gateways
        .iter()
        .flat_map(|gateway| gateway.interface_ids.iter().map(|id| (id, &gateway.name)))
        .collect();
    let (mut names, mut interfaces, mut networks) = (BTreeMap::new(), BTreeMap::new(), Claims::default());
    let words = [("both", Billing::Both), ("far_side", Billing::FarSide), ("free", Billing::Free)];
    let mut services = Vec::new();
    for mut table in root.tables(problems, "service") {
        let name = table.required(problems, "name", "any name, for messages", values::name);
        let cidrs = table.list(problems, "cidrs", values::cidr);
        let interface_ids = table.list(problems, "interface_ids", |node| values::aws_id(node, "eni-"));
        let wanted = "who pays for its traffic between AZs: \"both\", \"far_side\" or \"free\"";
        let billing = table.required(problems, "billing", wanted, |node| values::one_of(node, &words));
        let scope = Arc::new(scope::read(&mut table, sources, problems, warnings));
        let flawed = ["cidrs", "interface_ids"].iter().any(|list| problems.any_below(&table.path_of(list)));
        if cidrs.is_empty() && interface_ids.is_empty() && !flawed {
            let wanted = "has neither cidrs nor interface_ids, so nothing can be of it: write cidrs = [\"10.0.140.0/28\"], interface_ids = [\"eni-...\"] or both";
            problems.at(table.path(), wanted);
        }
        let wanted = "a network belongs to one service (a longer prefix inside it may belong to another)";
        cidrs.iter().for_each(|network| networks.claim(problems, &scope, network, wanted));
        for placed in &interface_ids {
            once(problems, &mut interfaces, placed, "it belongs to one service");
            let (node, id) = placed;
            if let Some(gateway) = of_gateways.get(id) {
                let wanted = format!("is an interface of the NAT gateway {gateway:?}; leave it out here");
                problems.push(node.problem(wanted));
            }
        }
        if let Some(name) = &name {
            once(problems, &mut names, name, "give each service its own name");
        }
        if let Some((_, Billing::FarSide | Billing::Free)) = billing
            && let Some((_, name)) = &name
            && cidrs.is_empty()
            && !interface_ids.is_empty()
        {
            warnings.push(format!(
                "service {name:?} lists interfaces only: records of other interfaces are known to be of it only in \
                 objects that show its addresses; add its cidrs"
            ));
        }
        table.finish(problems);
        if let (Some((_, name)), Some((_, billing))) = (name, billing) {
            services.push(ServiceSpec {
                name,
                cidrs: items(cidrs),
                interface_ids: items(interface_ids),
                billing,
                scope: Scope::clone(&scope),
            });
        }
    }
    services
}
