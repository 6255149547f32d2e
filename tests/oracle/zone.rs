//! AZs and regions of zones, and what AZ ids say: semantics 2.9 to 2.13.

use super::{OracleConfig, ZoneConfig, addr, scope::Scope};

/// Where something stands. Compared instead of labels (semantics 2.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Az {
    /// An AZ id.
    Id(String),
    /// The AZ of a zone of which nobody says in which AZ it lies: its own.
    Own(String),
}

impl Az {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Id(name) | Self::Own(name) => name.clone(),
        }
    }
}

fn named<'a>(name: &str, config: &'a OracleConfig) -> &'a ZoneConfig {
    config.zones.iter().find(|zone| zone.name == name).expect("`in` names a zone")
}

/// The zones with an AZ id whose networks lie most closely around a network (semantics 2.10).
fn around<'a>(zone: &ZoneConfig, cidr: &str, config: &'a OracleConfig) -> Vec<&'a ZoneConfig> {
    let mut found: Vec<(u32, &ZoneConfig)> = Vec::new();
    for other in &config.zones {
        if other.az_id.is_none() || other.outside || !other.scope.meets(&zone.scope) {
            continue;
        }
        for outer in other.cidrs.iter().filter(|outer| addr::contains(outer, cidr)) {
            found.push((addr::prefix_len(outer), other));
        }
    }
    let longest = found.iter().map(|(len, _)| *len).max();
    found.into_iter().filter(|(len, _)| Some(*len) == longest).map(|(_, zone)| zone).collect()
}

/// The AZ id of the zones around all networks of a zone, if it is one.
fn contained_in(zone: &ZoneConfig, config: &OracleConfig) -> Option<String> {
    let mut found = None;
    for cidr in &zone.cidrs {
        let around = around(zone, cidr, config);
        if around.is_empty() {
            return None;
        }
        for other in around {
            match &found {
                Some(id) if *id != other.az_id => return None,
                _ => found = Some(other.az_id.clone()),
            }
        }
    }
    found.flatten()
}

/// Finds the AZ of a configured zone; one that is `outside` has none (semantics 2.10).
pub(super) fn az(zone: &ZoneConfig, config: &OracleConfig) -> Option<Az> {
    if zone.outside {
        return None;
    }
    if let Some(id) = &zone.az_id {
        return Some(Az::Id(id.clone()));
    }
    if let Some(within) = &zone.within {
        return az(named(within, config), config);
    }
    Some(contained_in(zone, config).map_or_else(|| Az::Own(zone.name.clone()), Az::Id))
}

/// Finds the region of a configured zone (semantics 2.12); one that is `outside` has none
/// (semantics 2.10).
pub(super) fn region(zone: &ZoneConfig, config: &OracleConfig) -> Option<String> {
    if zone.outside {
        return None;
    }
    if zone.region.is_some() {
        return zone.region.clone();
    }
    if let Some(region) = zone.az_id.as_deref().and_then(region_of_az_id) {
        return Some(region.to_string());
    }
    if let Some(within) = &zone.within {
        return region(named(within, config), config);
    }
    // A zone whose AZ is that of the zones around it lies where they lie: an AZ is not in two
    // regions.
    if zone.az_id.is_none()
        && contained_in(zone, config).is_some()
        && let Some(other) = zone.cidrs.first().and_then(|cidr| around(zone, cidr, config).first().copied())
    {
        return region(other, config);
    }
    Some(config.home_region.clone())
}

/// Returns whether AZ ids speak for a record (semantics 2.13): every zone of its scope that has
/// networks has an AZ that AZ ids name as well.
pub(super) fn az_ids_speak(scope: &Scope, config: &OracleConfig) -> bool {
    config
        .zones
        .iter()
        .filter(|zone| zone.scope.matches(scope) && !zone.cidrs.is_empty() && !zone.outside)
        .all(|zone| matches!(az(zone, config), Some(Az::Id(_))))
}

/// Returns whether an AZ id says something: it is a zone's, or can be a label (semantics 2.11).
pub(super) fn says_something(az_id: &str, config: &OracleConfig) -> bool {
    let reserved = ["aws", "internet", "unknown", "other"].contains(&az_id) || az_id.starts_with("aws:");
    of_az_id(az_id, config).is_some() || (az_id.len() <= 128 && !reserved)
}

/// Finds the configured zone of an AZ id, whatever its scope (semantics 2.4 and 2.11).
pub(super) fn of_az_id<'a>(az_id: &str, config: &'a OracleConfig) -> Option<&'a ZoneConfig> {
    let mut zones: Vec<&ZoneConfig> =
        config.zones.iter().filter(|zone| !zone.outside && zone.az_id.as_deref() == Some(az_id)).collect();
    zones.sort_by_key(|zone| {
        (!zone.cidrs.is_empty(), std::cmp::Reverse(addr::addresses(&zone.cidrs)), zone.name.clone())
    });
    zones.first().copied()
}

/// The codes that AZ ids begin with, and their regions (semantics 2.12): `use1-az1`, and the Local
/// Zone `usw2-lax1-az1`. AWS's list of regions names the AZ ids of each.
const CODES: [(&str, &str); 38] = [
    ("afs1", "af-south-1"),
    ("ape1", "ap-east-1"),
    ("ape2", "ap-east-2"),
    ("apne1", "ap-northeast-1"),
    ("apne2", "ap-northeast-2"),
    ("apne3", "ap-northeast-3"),
    ("aps1", "ap-south-1"),
    ("aps2", "ap-south-2"),
    ("apse1", "ap-southeast-1"),
    ("apse2", "ap-southeast-2"),
    ("apse3", "ap-southeast-3"),
    ("apse4", "ap-southeast-4"),
    ("apse5", "ap-southeast-5"),
    ("apse6", "ap-southeast-6"),
    ("apse7", "ap-southeast-7"),
    ("cac1", "ca-central-1"),
    ("caw1", "ca-west-1"),
    ("cnn1", "cn-north-1"),
    ("cnnw1", "cn-northwest-1"),
    ("euc1", "eu-central-1"),
    ("euc2", "eu-central-2"),
    ("eun1", "eu-north-1"),
    ("eus1", "eu-south-1"),
    ("eus2", "eu-south-2"),
    ("euw1", "eu-west-1"),
    ("euw2", "eu-west-2"),
    ("euw3", "eu-west-3"),
    ("ilc1", "il-central-1"),
    ("mec1", "me-central-1"),
    ("mes1", "me-south-1"),
    ("mxc1", "mx-central-1"),
    ("sae1", "sa-east-1"),
    ("use1", "us-east-1"),
    ("use2", "us-east-2"),
    ("usge1", "us-gov-east-1"),
    ("usgw1", "us-gov-west-1"),
    ("usw1", "us-west-1"),
    ("usw2", "us-west-2"),
];

/// Reads the region out of an AZ id.
pub(super) fn region_of_az_id(az_id: &str) -> Option<&'static str> {
    let (code, _) = az_id.split_once('-')?;
    CODES.into_iter().find(|(known, _)| *known == code).map(|(_, region)| region)
}
