//! `[[zone]]`: where addresses and AZ ids belong.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ipnet::IpNet;

use super::{
    problems::Problems,
    raw::Table,
    scope::{self, Claims, Placed},
    topology::{items, once},
    values,
};
use crate::{
    classify::{Scope, ZoneSpec},
    limits,
};

/// A zone as it was typed.
struct Typed<'a> {
    path: String,
    name: Option<Placed<'a, Arc<str>>>,
    az_id: Option<Placed<'a, Arc<str>>>,
    within: Option<Placed<'a, Arc<str>>>,
    spec: ZoneSpec,
}

/// Reads all zones. `sources` are the names that scopes can have.
pub(super) fn read(
    root: &mut Table<'_>,
    sources: &[Arc<str>],
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Vec<ZoneSpec> {
    let tables = root.tables(problems, "zone");
    if tables.len() > limits::ZONES {
        problems
            .at("zone", format!("has {} zones; {} are the most there can be", tables.len(), limits::ZONES));
        return Vec::new();
    }
    let (mut names, mut networks) = (BTreeMap::new(), Claims::default());
    let mut zones = Vec::new();
    for table in tables {
        let zone = one(table, sources, &mut networks, problems, warnings);
        if let Some(name) = &zone.name {
            once(
                problems,
                &mut names,
                name,
                "give each zone its own name, or put all its networks into one [[zone]]",
            );
        }
        zones.push(zone);
    }
    check_labels(&zones, problems);
    check_within(&zones, problems, warnings);
    zones.into_iter().filter(|zone| zone.name.is_some()).map(|zone| zone.spec).collect()
}

fn one<'a>(
    mut table: Table<'a>,
    sources: &[Arc<str>],
    claims: &mut Claims<IpNet>,
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Typed<'a> {
    let name = table.required(problems, "name", "it becomes the label value of the zone", values::zone_name);
    let az_id = table.placed(problems, "az_id", values::az_id);
    let region = table.placed(problems, "region", values::region);
    let networks = table.list(problems, "cidrs", values::cidr);
    let logged = table.placed(problems, "logged", values::boolean);
    let within = table.placed(problems, "in", values::name);
    let outside = table.or(problems, "outside", false, values::boolean);
    let scope = Arc::new(scope::read(&mut table, sources, problems, warnings));
    let path = table.path().to_owned();
    let has_no_cidrs = networks.is_empty() && !problems.any_below(&table.path_of("cidrs"));
    if has_no_cidrs && outside {
        let wanted =
            "is outside and has no cidrs, so nothing can be in it: write cidrs = [\"192.168.0.0/16\"]";
        problems.at(&path, wanted);
    } else if has_no_cidrs && !table.has("az_id") {
        let wanted = "has neither az_id nor cidrs, so nothing can be in it: write cidrs = [\"10.0.0.0/22\"], az_id = \"use1-az1\" or both";
        problems.at(&path, wanted);
    }
    if outside {
        let wanted = "cannot be in a zone that is outside: on-premises networks and partners have no AZ; remove it, or outside = true";
        for (node, _) in [&az_id, &within].into_iter().flatten() {
            problems.push(node.problem(wanted));
        }
        if let Some((node, true)) = &logged {
            problems.push(node.problem(
                "cannot be true in a zone that is outside: flow logs cover interfaces in AWS only; remove it",
            ));
        }
        warnings.extend(region.iter().map(|(node, _)| {
            format!("{} has no effect: a zone that is outside has no AWS region", node.path)
        }));
    }
    let wanted = "a network belongs to one zone (a longer prefix inside it may belong to another)";
    networks.iter().for_each(|network| claims.claim(problems, &scope, network, wanted));
    table.finish(problems);
    let value = |placed: &Option<Placed<'_, Arc<str>>>| placed.as_ref().map(|(_, value)| value.clone());
    let spec = ZoneSpec {
        name: value(&name).unwrap_or_default(),
        az_id: value(&az_id),
        region: value(&region).filter(|_| !outside),
        cidrs: items(networks),
        logged: !outside && logged.is_none_or(|(_, logged)| logged),
        within: value(&within),
        outside,
        scope: Scope::clone(&scope),
    };
    Typed { path, name, az_id, within, spec }
}

/// A zone must not have the name that the logs give to another one.
fn check_labels(zones: &[Typed<'_>], problems: &mut Problems) {
    let mut az_ids: HashMap<&Arc<str>, &str> = HashMap::new();
    for (node, az_id) in zones.iter().filter_map(|zone| zone.az_id.as_ref()) {
        az_ids.entry(az_id).or_insert(&node.path);
    }
    for zone in zones {
        let Some((node, name)) = &zone.name else { continue };
        if let Some(owner) = az_ids.get(name).filter(|_| zone.spec.az_id.as_ref() != Some(name)) {
            problems.push(
                node.problem(format!("is the az_id of another zone ({owner}); the two would share a label")),
            );
        }
    }
}

/// `in` names another zone, inside AWS, and leads out of itself again.
fn check_within(zones: &[Typed<'_>], problems: &mut Problems, warnings: &mut Vec<String>) {
    let mut by_name: HashMap<&Arc<str>, usize> = HashMap::new();
    for (at, zone) in zones.iter().enumerate() {
        if let Some((_, name)) = &zone.name {
            by_name.entry(name).or_insert(at);
        }
    }
    let outer = |zone: &Typed<'_>| zone.within.as_ref().and_then(|(_, name)| by_name.get(name).copied());
    for (at, zone) in zones.iter().enumerate() {
        let Some((node, name)) = &zone.within else { continue };
        if zone.spec.outside {
            // Told already.
            continue;
        }
        let Some(outer_at) = outer(zone) else {
            let names = zones.iter().filter_map(|zone| zone.name.as_ref()).map(|(_, name)| &**name);
            if let Err(wanted) = scope::known(node, names, "zone") {
                problems.push(node.problem(wanted));
            }
            continue;
        };
        let around = &zones[outer_at];
        if outer_at == at {
            problems.push(node.problem("is the zone itself; name the zone around it"));
        } else if around.spec.outside {
            problems.push(node.problem(format!(
                "is outside ({}), and has no AZ that this zone could share; name a zone inside AWS",
                around.path
            )));
        } else if let (Some(own), Some(other)) = (&zone.spec.az_id, &around.spec.az_id)
            && own != other
        {
            warnings.push(format!(
                "zone {:?} has az_id = {own:?}, but in = {name:?} with az_id = {other:?}; leave out one of the two",
                zone.spec.name
            ));
        }
    }
    let mut told_of_depth = false;
    for (at, zone) in zones.iter().enumerate() {
        let Some((node, _)) = &zone.within else { continue };
        let mut chain = vec![at];
        while let Some(next) = chain.last().and_then(|last| outer(&zones[*last])) {
            if chain.contains(&next) {
                // Each circle once, at its first member; a zone in itself is told already.
                if next == at && chain.len() > 1 && chain.iter().min() == Some(&at) {
                    let names = chain.iter().map(|at| format!("{:?}", zones[*at].spec.name));
                    problems.push(node.problem(format!(
                        "leads in a circle ({}): remove it from one of them",
                        scope::few(names)
                    )));
                }
                break;
            }
            if chain.len() > limits::ZONE_DEPTH {
                if !told_of_depth {
                    let wanted = format!("is more than {} zones deep; name a wider one", limits::ZONE_DEPTH);
                    problems.push(node.problem(wanted));
                }
                told_of_depth = true;
                break;
            }
            chain.push(next);
        }
    }
}
