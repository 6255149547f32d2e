//! Names behind the small integers of one object: zones, AZs and regions, those included that only the object has.

use std::sync::Arc;

use hashbrown::HashMap;

use super::ends::Label;
use crate::{
    limits,
    model::{AWS_LABEL, RESERVED_ZONES},
    topology::{AzId, RegionId, Topology, region_of},
};

/// The names of one object.
#[derive(Debug)]
pub(super) struct Names<'t> {
    topology: &'t Topology,
    key_region: RegionId,
    /// AZs behind those of the configuration: id, and the region that it names.
    azs: Vec<(Arc<str>, Option<RegionId>)>,
    az_ids: HashMap<Arc<str>, AzId>,
    /// Regions behind those of the configuration.
    regions: Vec<Arc<str>>,
}

impl<'t> Names<'t> {
    pub(super) fn new(topology: &'t Topology, key_region: &Arc<str>) -> Self {
        let mut names = Self {
            topology,
            key_region: RegionId(0),
            azs: Vec::new(),
            az_ids: HashMap::new(),
            regions: Vec::new(),
        };
        names.key_region = names.region(key_region);
        names
    }

    pub(super) fn key_region(&self) -> RegionId {
        self.key_region
    }

    fn region(&mut self, name: &str) -> RegionId {
        let zones = &self.topology.zones;
        if let Some(id) = zones.region_id(name) {
            return id;
        }
        let known = self.regions.iter().position(|known| **known == *name);
        let at = known.unwrap_or_else(|| {
            self.regions.push(name.into());
            self.regions.len() - 1
        });
        RegionId(zones.region_count() + at as u32)
    }

    /// The AZ of an id; `None` where it cannot be one (semantics 2.11).
    pub(super) fn az(&mut self, az_id: &Arc<str>) -> Option<AzId> {
        let zones = &self.topology.zones;
        if let Some(az) = zones.by_az_id(az_id).or_else(|| self.az_ids.get(az_id).copied()) {
            return Some(az);
        }
        // It becomes a label.
        let is_reserved = RESERVED_ZONES.contains(&&**az_id) || az_id.starts_with(AWS_LABEL);
        let is_name = az_id.len() <= limits::NAME_CHARS && !is_reserved;
        if !is_name || self.azs.len() >= limits::OBJECT_AZS {
            return None;
        }
        let region = region_of(az_id).map(|region| self.region(region));
        let az = AzId(zones.az_count() + self.azs.len() as u32);
        self.azs.push((az_id.clone(), region));
        self.az_ids.insert(az_id.clone(), az);
        Some(az)
    }

    fn own(&self, AzId(at): AzId) -> Option<&(Arc<str>, Option<RegionId>)> {
        self.azs.get(at.checked_sub(self.topology.zones.az_count())? as usize)
    }

    /// The label of an AZ id.
    pub(super) fn label_of(&self, az: AzId) -> Label {
        match self.own(az) {
            Some(_) => Label::Az(az),
            None => self.topology.zones.az(az).zone.map_or(Label::Az(az), Label::Zone),
        }
    }

    /// The region that an AZ id names.
    pub(super) fn named_region(&self, az: AzId) -> Option<RegionId> {
        match self.own(az) {
            Some((_, region)) => *region,
            None => self.topology.zones.az(az).region,
        }
    }

    /// The region of an AZ that is its own label: what it names, else the key's.
    pub(super) fn az_region(&self, az: AzId) -> RegionId {
        self.named_region(az).unwrap_or(self.key_region)
    }

    pub(super) fn az_name(&self, az: AzId) -> Arc<str> {
        match self.own(az) {
            Some((id, _)) => id.clone(),
            None => self.topology.zones.az(az).name.clone(),
        }
    }

    pub(super) fn region_name(&self, region: RegionId) -> Arc<str> {
        let zones = &self.topology.zones;
        zones
            .region_name(region)
            .cloned()
            .unwrap_or_else(|| self.regions[(region.0 - zones.region_count()) as usize].clone())
    }

    /// The label value of a zone.
    pub(super) fn label(&self, label: Label) -> Arc<str> {
        match label {
            Label::Zone(zone) => self.topology.zones.zone(zone).name.clone(),
            Label::Az(az) => self.az_name(az),
            Label::AwsRegion(region) => format!("{AWS_LABEL}{}", self.region_name(region)).into(),
            Label::Aws => Arc::from("aws"),
            Label::Internet => Arc::from("internet"),
            Label::Unknown => Arc::from("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Entries, SourceScope};

    #[test]
    fn an_az_id_that_is_a_reserved_name_says_nothing() {
        let region: Arc<str> = "us-east-1".into();
        let entries = Entries {
            zones: &[],
            gateways: &[],
            forwarders: &[],
            services: &[],
            no_charge: &[],
            public_nets: &[],
            home_region: &region,
        };
        let source = SourceScope { name: "logs".into(), region: region.clone() };
        let topology = Topology::new(&entries, &source, None);
        let mut names = Names::new(&topology, &region);
        for az_id in ["aws", "internet", "unknown", "other", "aws:us-east-1"] {
            assert_eq!(names.az(&az_id.into()), None, "{az_id}");
        }
        assert!(names.az(&"use1-az1".into()).is_some());
    }
}
