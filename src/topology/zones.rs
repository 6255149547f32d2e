//! Configured zones: their AZs, regions, and which of them an AZ id names.

use std::{collections::HashMap, sync::Arc};

use ipnet::IpNet;

use super::{Scope, ZoneSpec, region_of};
use crate::limits;

/// Place of a configured zone, in the order of the configuration.
pub type ZoneIndex = u32;

/// An AZ, as a small integer of one topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AzId(pub(crate) u32);

/// A region, as a small integer of one topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionId(pub(crate) u32);

/// What of a configured zone bears on records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The label value.
    pub name: Arc<str>,
    /// `None` for zones outside.
    pub az: Option<AzId>,
    /// `None` for zones outside.
    pub region: Option<RegionId>,
    /// Whether its AZ is one that the logs can name, rather than one of its own.
    pub has_az_id: bool,
    /// Whether it has networks and is not outside.
    pub has_networks: bool,
    /// Whether its interfaces are covered by the flow logs.
    pub logged: bool,
    /// On-premises networks, partners.
    pub outside: bool,
    /// VPCs of its scope.
    pub vpc_ids: Vec<Arc<str>>,
}

/// An AZ that the configuration has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Az {
    /// Its id, or the name of a zone with an AZ of its own.
    pub name: Arc<str>,
    /// The region that its id names.
    pub region: Option<RegionId>,
    /// The zone whose label it has, where one has this `az_id`.
    pub zone: Option<ZoneIndex>,
}

/// All configured zones.
#[derive(Debug, Default)]
pub struct Zones {
    list: Vec<Zone>,
    azs: Vec<Az>,
    by_name: HashMap<Arc<str>, ZoneIndex>,
    by_az_id: HashMap<Arc<str>, AzId>,
    regions: Vec<Arc<str>>,
    region_ids: HashMap<Arc<str>, RegionId>,
}

impl Zones {
    /// Places configured zones. They are valid: `in` names a zone and does not lead in a circle.
    pub fn new(specs: &[ZoneSpec], home_region: &Arc<str>) -> Self {
        let mut zones = Self {
            by_name: (0..).zip(specs).map(|(index, spec)| (spec.name.clone(), index)).collect(),
            ..Self::default()
        };
        for spec in specs {
            if let Some(az_id) = &spec.az_id {
                zones.az_of_id(az_id);
            }
        }
        let family = Family { specs, by_name: zones.by_name.clone(), around: Around::new(specs) };
        // An AZ of its own, by the zone that has it.
        let mut own_azs: HashMap<ZoneIndex, AzId> = HashMap::new();
        for (index, spec) in (0..).zip(specs) {
            let root = family.root(index);
            let az_id = &specs[root as usize].az_id;
            let az = match az_id {
                _ if spec.outside => None,
                Some(az_id) => Some(zones.az_of_id(az_id)),
                None => Some(
                    *own_azs
                        .entry(root)
                        .or_insert_with(|| zones.push_az(specs[root as usize].name.clone(), None, None)),
                ),
            };
            let region = family.region(index, home_region);
            let region = (!spec.outside).then(|| zones.region(&region));
            zones.list.push(Zone {
                name: spec.name.clone(),
                az,
                region,
                has_az_id: az_id.is_some(),
                has_networks: !spec.cidrs.is_empty() && !spec.outside,
                logged: spec.logged && !spec.outside,
                outside: spec.outside,
                vpc_ids: spec.scope.vpc_ids.clone(),
            });
            if let (Some(az_id), Some(az)) = (&spec.az_id, az) {
                let AzId(at) = az;
                let names_it = zones.azs[at as usize].zone.is_none_or(|other| {
                    label_order(spec, az_id) < label_order(&specs[other as usize], az_id)
                });
                if names_it {
                    zones.azs[at as usize].zone = Some(index);
                }
            }
        }
        zones
    }

    /// A configured zone.
    pub fn zone(&self, index: ZoneIndex) -> &Zone {
        &self.list[index as usize]
    }

    /// All configured zones, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.list.iter()
    }

    /// A zone by its name.
    pub fn by_name(&self, name: &str) -> Option<ZoneIndex> {
        self.by_name.get(name).copied()
    }

    /// An AZ that the configuration has.
    pub fn az(&self, AzId(at): AzId) -> &Az {
        &self.azs[at as usize]
    }

    /// How many AZs the configuration has: others are numbered from here on.
    pub fn az_count(&self) -> u32 {
        self.azs.len() as u32
    }

    /// The AZ of an id, where the configuration has it.
    pub fn by_az_id(&self, az_id: &str) -> Option<AzId> {
        self.by_az_id.get(az_id).copied()
    }

    /// The name of a region that the configuration has.
    pub fn region_name(&self, RegionId(at): RegionId) -> Option<&Arc<str>> {
        self.regions.get(at as usize)
    }

    /// How many regions the configuration has: others are numbered from here on.
    pub fn region_count(&self) -> u32 {
        self.regions.len() as u32
    }

    /// A region that the configuration has.
    pub fn region_id(&self, name: &str) -> Option<RegionId> {
        self.region_ids.get(name).copied()
    }

    /// A region, which the configuration has from now on.
    pub(super) fn region(&mut self, name: &Arc<str>) -> RegionId {
        if let Some(id) = self.region_ids.get(name) {
            return *id;
        }
        let id = RegionId(self.regions.len() as u32);
        self.regions.push(name.clone());
        self.region_ids.insert(name.clone(), id);
        id
    }

    fn az_of_id(&mut self, az_id: &Arc<str>) -> AzId {
        if let Some(az) = self.by_az_id.get(az_id) {
            return *az;
        }
        let region = region_of(az_id).map(|region| self.region(&Arc::from(region)));
        let az = self.push_az(az_id.clone(), region, None);
        self.by_az_id.insert(az_id.clone(), az);
        az
    }

    fn push_az(&mut self, name: Arc<str>, region: Option<RegionId>, zone: Option<ZoneIndex>) -> AzId {
        self.azs.push(Az { name, region, zone });
        AzId(self.azs.len() as u32 - 1)
    }
}

/// Of several zones with an AZ id the first names it: one without networks, else the one with most addresses, ties by
/// name (semantics 2.11).
fn label_order<'a>(spec: &'a ZoneSpec, az_id: &str) -> (bool, std::cmp::Reverse<u128>, &'a str) {
    debug_assert_eq!(spec.az_id.as_deref(), Some(az_id));
    let addresses = |net: &IpNet| match net {
        IpNet::V4(net) => 1_u128 << (32 - net.prefix_len()),
        IpNet::V6(net) => 1_u128.checked_shl(128 - u32::from(net.prefix_len())).unwrap_or(u128::MAX),
    };
    // Networks of a zone may lie inside each other.
    let total = IpNet::aggregate(&spec.cidrs).iter().map(addresses).fold(0, u128::saturating_add);
    (!spec.cidrs.is_empty(), std::cmp::Reverse(total), &spec.name)
}

/// Zones and those around them, by `in` or by their networks.
struct Family<'s> {
    specs: &'s [ZoneSpec],
    by_name: HashMap<Arc<str>, ZoneIndex>,
    around: Around<'s>,
}

impl Family<'_> {
    /// The zone that a zone has its AZ from: itself, where it has an AZ id or nothing is around it (semantics 2.10).
    fn root(&self, index: ZoneIndex) -> ZoneIndex {
        let mut at = index;
        // Circles are refused by the configuration.
        for _ in 0..limits::ZONE_DEPTH {
            match self.outer(at) {
                Some(outer) if self.specs[at as usize].az_id.is_none() => at = outer,
                _ => break,
            }
        }
        at
    }

    fn outer(&self, index: ZoneIndex) -> Option<ZoneIndex> {
        let spec = &self.specs[index as usize];
        match &spec.within {
            Some(name) => self.by_name.get(name).copied(),
            None => self.around.zone(spec),
        }
    }

    /// The region of a zone: what it says, what its AZ id says, else that of the zone around it (semantics 2.12).
    fn region(&self, index: ZoneIndex, home: &Arc<str>) -> Arc<str> {
        let mut at = index;
        for _ in 0..limits::ZONE_DEPTH {
            let spec = &self.specs[at as usize];
            let named = || spec.az_id.as_deref().and_then(region_of).map(Arc::from);
            if let Some(region) = spec.region.clone().or_else(named) {
                return region;
            }
            match self.outer(at) {
                Some(outer) if spec.az_id.is_none() => at = outer,
                _ => break,
            }
        }
        home.clone()
    }
}

/// Finds the networks around networks.
struct Around<'s> {
    specs: &'s [ZoneSpec],
    /// Networks of zones with an AZ id, in order of their first address, wider ones first.
    networks: Vec<(IpNet, ZoneIndex)>,
}

impl<'s> Around<'s> {
    fn new(specs: &'s [ZoneSpec]) -> Self {
        let with = (0..).zip(specs).filter(|(_, spec)| spec.az_id.is_some() && !spec.outside);
        let mut networks: Vec<_> =
            with.flat_map(|(index, spec)| spec.cidrs.iter().map(move |net| (*net, index))).collect();
        networks.sort_by_key(|(net, _)| (net.network(), net.prefix_len()));
        Self { specs, networks }
    }

    /// The zone around the first network of a zone, if the longest networks around all of them have one AZ id.
    fn zone(&self, spec: &ZoneSpec) -> Option<ZoneIndex> {
        if spec.az_id.is_some() || spec.outside {
            return None;
        }
        let az_id = |zone: ZoneIndex| &self.specs[zone as usize].az_id;
        let mut found: Option<ZoneIndex> = None;
        for net in &spec.cidrs {
            let zone = self.longest(net, &spec.scope)?;
            if found.is_some_and(|found| az_id(found) != az_id(zone)) {
                return None;
            }
            found.get_or_insert(zone);
        }
        found
    }

    fn longest(&self, net: &IpNet, scope: &Scope) -> Option<ZoneIndex> {
        // A network around this one begins at one of its prefixes: at most 129 look-ups.
        for length in (0..=net.prefix_len()).rev() {
            let wider = IpNet::new(net.network(), length).ok()?.trunc();
            let key = (wider.network(), wider.prefix_len());
            let from = self.networks.partition_point(|(net, _)| (net.network(), net.prefix_len()) < key);
            let same = self.networks[from..].iter().take_while(|(found, _)| *found == wider);
            let meets = |zone: &ZoneIndex| self.specs[*zone as usize].scope.meets(scope);
            let mut zones = same.map(|(_, zone)| *zone).filter(meets);
            if let Some(first) = zones.next() {
                let az_id = |zone: ZoneIndex| &self.specs[zone as usize].az_id;
                return zones.all(|other| az_id(other) == az_id(first)).then_some(first);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str, az_id: Option<&str>, cidrs: &[&str]) -> ZoneSpec {
        ZoneSpec {
            name: name.into(),
            az_id: az_id.map(Arc::from),
            cidrs: cidrs.iter().map(|net| net.parse().unwrap()).collect(),
            logged: true,
            ..ZoneSpec::default()
        }
    }

    fn azs(specs: &[ZoneSpec]) -> Vec<Option<String>> {
        let zones = Zones::new(specs, &"us-east-1".into());
        zones.iter().map(|zone| zone.az.map(|az| zones.az(az).name.to_string())).collect()
    }

    fn names(names: &[&str]) -> Vec<Option<String>> {
        names.iter().map(|name| (!name.is_empty()).then(|| (*name).to_owned())).collect()
    }

    #[test]
    fn a_finer_name_has_the_az_of_what_is_around_it() {
        let within = |name: &str, outer: &str, cidrs: &[&str]| ZoneSpec {
            within: Some(outer.into()),
            ..zone(name, None, cidrs)
        };
        let with_id = zone("a", Some("use1-az1"), &["10.0.0.0/16"]);
        let narrow = zone("b", Some("use1-az2"), &["10.0.1.0/24"]);
        let pod = zone("pod", None, &["10.0.1.7/32"]);
        let two = zone("two", None, &["10.0.1.8/32", "10.0.2.8/32"]);
        let outside = ZoneSpec { outside: true, ..zone("office", None, &["192.168.0.0/16"]) };
        assert_eq!(
            azs(&[with_id, narrow, pod, two, outside]),
            names(&["use1-az1", "use1-az2", "use1-az2", "two", ""]),
            "the longest network around decides; two AZs around are none"
        );
        let plain = zone("x", None, &["10.0.0.0/16"]);
        let inner = within("y", "x", &["10.9.0.1/32"]);
        let innermost = within("z", "y", &["10.9.0.2/32"]);
        assert_eq!(azs(&[innermost, inner, plain]), names(&["x", "x", "x"]), "also of a zone without AZ id");
    }

    #[test]
    fn an_az_id_is_labelled_by_one_of_its_zones() {
        let label = |specs: &[ZoneSpec]| {
            let zones = Zones::new(specs, &"us-east-1".into());
            let az = zones.by_az_id("use1-az1").unwrap();
            zones.zone(zones.az(az).zone.unwrap()).name.to_string()
        };
        let small = zone("small", Some("use1-az1"), &["10.0.0.0/24"]);
        let large = zone("large", Some("use1-az1"), &["10.1.0.0/16"]);
        let other = zone("a", Some("use1-az1"), &["10.2.0.0/24"]);
        let bare = zone("zz", Some("use1-az1"), &[]);
        assert_eq!(label(&[small.clone(), large.clone()]), "large");
        assert_eq!(label(&[small.clone(), other]), "a");
        let twice = zone("twice", Some("use1-az1"), &["10.3.0.0/24", "10.3.0.0/25", "10.3.0.128/25"]);
        assert_eq!(label(&[twice, small.clone()]), "small", "an address is counted once");
        assert_eq!(label(&[small, large, bare]), "zz");
    }

    #[test]
    fn a_region_is_said_by_the_zone_its_az_id_or_what_is_around() {
        let region = |specs: &[ZoneSpec]| {
            let zones = Zones::new(specs, &"eu-west-1".into());
            let name = |zone: &Zone| zones.region_name(zone.region.unwrap()).unwrap().to_string();
            zones.iter().map(name).collect::<Vec<_>>()
        };
        let said =
            ZoneSpec { region: Some("ap-south-1".into()), ..zone("a", Some("use1-az1"), &["10.0.0.0/16"]) };
        let by_id = zone("b", Some("use2-az1"), &["10.1.0.0/16"]);
        let inside = zone("c", None, &["10.0.7.0/24"]);
        let alone = zone("d", None, &["10.9.0.0/16"]);
        let also = zone("e", Some("use1-az1"), &["10.2.0.0/16"]);
        let both = zone("f", None, &["10.0.8.0/24", "10.2.8.0/24"]);
        assert_eq!(
            region(&[said, by_id, inside, alone, also, both]),
            ["ap-south-1", "us-east-2", "ap-south-1", "eu-west-1", "us-east-1", "ap-south-1"],
            "of several zones around the first network's"
        );
    }
}
