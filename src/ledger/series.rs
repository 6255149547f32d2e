//! Ids of label sets, series and regions, in memory.
//!
//! A series is a label set with what its labels stood for: the AZs of both ends and how they stand to each other.
//! Invariant: a commit gives ids in a [`NewNames`] beside the memory and writes their rows; they become known when it
//! is durable.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use rusqlite::{Connection, params};

use super::schema::{UNKNOWN, UNKNOWN_NAME};
use crate::{
    limits,
    model::{Charge, FlowKey, OVERFLOW_LABEL, Relation, Series},
};

/// A family of /metrics that the series limit binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Traffic.
    Traffic,
    /// One charge.
    Charge(Charge),
}

impl Family {
    fn bit(self) -> u64 {
        match self {
            Self::Traffic => 1,
            Self::Charge(charge) => 2 << charge as u8,
        }
    }
}

const _: () = assert!(Charge::COUNT < u64::BITS as usize, "a family has a bit");

/// What the labels of a series stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) src_az: Option<Arc<str>>,
    pub(super) dst_az: Option<Arc<str>>,
    pub(super) relation: Relation,
}

impl Meaning {
    /// Nothing is known of them.
    const UNKNOWN: Self = Self { src_az: None, dst_az: None, relation: Relation::Unknown };

    fn is(&self, series: &Series) -> bool {
        self.relation == series.relation && self.src_az == series.src_az && self.dst_az == series.dst_az
    }
}

/// What is known of a label set.
#[derive(Debug, Clone)]
pub(super) struct LabelSet {
    id: i64,
    /// The families that have it.
    families: u64,
    series: Vec<(Meaning, i64)>,
}

/// All that have an id.
#[derive(Debug, Default)]
pub(super) struct Names {
    label_sets: HashMap<FlowKey, LabelSet>,
    regions: HashMap<Arc<str>, i64>,
    last_label_set: i64,
    last_series: i64,
    last_region: i64,
}

impl Names {
    pub(super) fn add_label_set(&mut self, id: i64, key: FlowKey) {
        self.last_label_set = self.last_label_set.max(id);
        self.label_sets.insert(key, LabelSet { id, families: 0, series: Vec::new() });
    }

    /// Adds a series of a label set that is known.
    pub(super) fn add_series(&mut self, id: i64, key: &FlowKey, meaning: Meaning) {
        self.last_series = self.last_series.max(id);
        if let Some(set) = self.label_sets.get_mut(key) {
            set.series.push((meaning, id));
        }
    }

    pub(super) fn add_region(&mut self, id: i64, name: Arc<str>) {
        self.last_region = self.last_region.max(id);
        self.regions.insert(name, id);
    }

    /// Notes that a family has a label set.
    pub(super) fn show(&mut self, key: &FlowKey, family: Family) {
        if let Some(set) = self.label_sets.get_mut(key) {
            set.families |= family.bit();
        }
    }

    /// Notes that no family has a label set any more.
    pub(super) fn hide(&mut self, key: &FlowKey) {
        if let Some(set) = self.label_sets.get_mut(key) {
            set.families = 0;
        }
    }

    /// The label sets with one of these ids, in their order.
    pub(super) fn label_sets_among(&self, ids: &HashSet<i64>) -> Vec<(i64, FlowKey)> {
        let among = self.label_sets.iter().filter(|(_, set)| ids.contains(&set.id));
        let mut among: Vec<_> = among.map(|(key, set)| (set.id, key.clone())).collect();
        among.sort_unstable_by_key(|(id, _)| *id);
        among
    }

    /// What a commit has added is durable.
    pub(super) fn adopt(&mut self, added: Added) {
        self.last_label_set = added.last_label_set;
        self.last_series = added.last_series;
        self.last_region = added.last_region;
        self.label_sets.extend(added.label_sets);
        self.regions.extend(added.regions);
    }
}

/// What a commit adds to [`Names`]: label sets as they are then.
#[derive(Debug, Default)]
pub(super) struct Added {
    label_sets: HashMap<FlowKey, LabelSet>,
    regions: Vec<(Arc<str>, i64)>,
    last_label_set: i64,
    last_series: i64,
    last_region: i64,
    /// Rows to be written.
    new_label_sets: Vec<(i64, FlowKey)>,
    new_series: Vec<(i64, i64, Meaning)>,
}

impl Added {
    /// Whether something was not there before.
    pub(super) fn has_rows(&self) -> bool {
        !(self.new_label_sets.is_empty() && self.new_series.is_empty() && self.regions.is_empty())
    }
}

/// The ids of a commit that is being worked out.
#[derive(Debug)]
pub(super) struct NewNames<'a> {
    known: &'a Names,
    added: Added,
}

impl<'a> NewNames<'a> {
    pub(super) fn new(known: &'a Names) -> Self {
        let Names { last_label_set, last_series, last_region, .. } = *known;
        Self { known, added: Added { last_label_set, last_series, last_region, ..Added::default() } }
    }

    fn get(&self, key: &FlowKey) -> Option<&LabelSet> {
        self.added.label_sets.get(key).or_else(|| self.known.label_sets.get(key))
    }

    /// Whether a family has a label set.
    pub(super) fn has(&self, key: &FlowKey, family: Family) -> bool {
        self.get(key).is_some_and(|set| set.families & family.bit() != 0)
    }

    /// The id of a label set, which `family` has from here on, and of the series with the meaning of `series`.
    pub(super) fn ids(&mut self, key: &FlowKey, series: &Series, family: Family) -> (i64, i64) {
        if let Some(set) = self.get(key).filter(|set| set.families & family.bit() != 0)
            && let Some((_, id)) = set.series.iter().find(|(meaning, _)| meaning.is(series))
        {
            return (set.id, *id);
        }
        self.add(key, series, family)
    }

    fn add(&mut self, key: &FlowKey, series: &Series, family: Family) -> (i64, i64) {
        let added = &mut self.added;
        let set = added.label_sets.entry(key.clone()).or_insert_with(|| {
            self.known.label_sets.get(key).cloned().unwrap_or_else(|| {
                added.last_label_set += 1;
                added.new_label_sets.push((added.last_label_set, key.clone()));
                LabelSet { id: added.last_label_set, families: 0, series: Vec::new() }
            })
        });
        set.families |= family.bit();
        let find = |set: &LabelSet, wanted: &Series| {
            set.series.iter().find(|(meaning, _)| meaning.is(wanted)).map(|(_, id)| *id)
        };
        if let Some(id) = find(set, series) {
            return (set.id, id);
        }
        // Labels that keep changing their meaning would make a row an hour for each of them.
        let told_apart = set.series.iter().filter(|(meaning, _)| *meaning != Meaning::UNKNOWN).count();
        let series = if told_apart < limits::SERIES_MEANINGS { series } else { &Series::from(key.clone()) };
        let id = find(set, series).unwrap_or_else(|| {
            let Series { src_az, dst_az, relation, .. } = series.clone();
            let meaning = Meaning { src_az, dst_az, relation };
            added.last_series += 1;
            added.new_series.push((added.last_series, set.id, meaning.clone()));
            set.series.push((meaning, added.last_series));
            added.last_series
        });
        (set.id, id)
    }

    /// The id of a region, and the name that it goes by: `other` when there are too many, `unknown` without a name.
    pub(super) fn region(&mut self, name: &Arc<str>) -> (i64, Arc<str>) {
        if name.is_empty() {
            return (UNKNOWN, Arc::from(UNKNOWN_NAME));
        }
        if let Some(id) = self.find_region(name) {
            return (id, Arc::clone(name));
        }
        let count = self.known.regions.len() + self.added.regions.len();
        let name = if count < limits::AWS_REGIONS { Arc::clone(name) } else { Arc::from(OVERFLOW_LABEL) };
        let id = self.find_region(&name).unwrap_or_else(|| {
            self.added.last_region += 1;
            self.added.regions.push((name.clone(), self.added.last_region));
            self.added.last_region
        });
        (id, name)
    }

    fn find_region(&self, name: &str) -> Option<i64> {
        let added = self.added.regions.iter().find(|(known, _)| **known == *name).map(|(_, id)| *id);
        added.or_else(|| self.known.regions.get(name).copied())
    }

    /// Writes the rows of what is new.
    pub(super) fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        let mut insert = conn.prepare_cached(
            "INSERT INTO label_set (id, src_zone, dst_zone, port_group, nat_direction) VALUES (?, ?, ?, ?, ?)",
        )?;
        for (id, key) in &self.added.new_label_sets {
            let nat = key.nat_direction.as_str();
            insert.execute(params![id, key.src_zone, key.dst_zone, key.port_group, nat])?;
        }
        let mut insert = conn.prepare_cached(
            "INSERT INTO series (id, label_set_id, src_az, dst_az, relation_id) VALUES (?, ?, ?, ?, ?)",
        )?;
        for (id, label_set, meaning) in &self.added.new_series {
            let Meaning { src_az, dst_az, relation } = meaning;
            insert.execute(params![id, label_set, src_az, dst_az, relation.code()])?;
        }
        let mut insert = conn.prepare_cached("INSERT INTO aws_region (id, name) VALUES (?, ?)")?;
        for (name, id) in &self.added.regions {
            insert.execute(params![id, name])?;
        }
        Ok(())
    }

    pub(super) fn into_added(self) -> Added {
        self.added
    }
}
