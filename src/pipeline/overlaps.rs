//! Flow logs that cover the same interfaces: their traffic counts once for each of them, which nobody wants.
//!
//! Pure bookkeeping of what objects name. Two flow logs overlap when both have records of one interface over more hours
//! than the change from one flow log to its successor takes; of three or more a single hour is enough, so that the first
//! scan shows them. Memory is bounded: with many interfaces a sample of
//! them is watched, the same of every flow log.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    limits,
    model::{Hour, ObjectDelta},
};

/// A pair that was not known before, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Overlap {
    /// An interface that both cover.
    pub(super) interface: Arc<str>,
    pub(super) first: Arc<str>,
    pub(super) second: Arc<str>,
}

/// A flow log that joins two or more others over an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crowd {
    pub(super) interface: Arc<str>,
    /// All of them in the order of their ids.
    pub(super) flow_logs: Vec<Arc<str>>,
    /// Pairs of them that were not known before.
    pub(super) pairs: u64,
}

/// What an object has shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) crowd: Option<Crowd>,
    pub(super) pairs: Vec<Overlap>,
}

/// What has been seen in all sources.
#[derive(Debug, Default)]
pub(super) struct Overlaps {
    /// By hash of the interface: for each flow log, the first and the last hour with records.
    seen: BTreeMap<u64, BTreeMap<Arc<str>, (Hour, Hour)>>,
    flow_logs: BTreeSet<Arc<str>>,
    told: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Flow logs that are part of a crowd.
    crowded: BTreeSet<Arc<str>>,
    newest: Hour,
}

impl Overlaps {
    /// Notes what an object of a flow log has, and returns what is new.
    pub(super) fn note(&mut self, flow_log: &str, delta: &ObjectDelta) -> Found {
        let mut hours = delta.traffic.keys().map(|(hour, _)| *hour);
        let Some(first) = hours.next() else { return Found::default() };
        let last = hours.next_back().unwrap_or(first);
        self.forget(last);
        let flow_log = self.flow_log(flow_log);
        let mut found = Found::default();
        for (hash, interface) in &delta.hints.interfaces {
            let logs = self.seen.entry(*hash).or_default();
            if !logs.contains_key(&flow_log) && logs.len() >= limits::WATCHED_FLOW_LOGS {
                continue;
            }
            let own = logs.entry(flow_log.clone()).or_insert((first, last));
            *own = (own.0.min(first), own.1.max(last));
            let own = *own;
            let crowd = if self.crowded.contains(&flow_log) { Vec::new() } else { crowd(logs, own) };
            if crowd.len() >= limits::CROWD {
                let pairs = pairs_of(&crowd)
                    .filter(|pair| self.told.len() < limits::OVERLAPS && self.told.insert(pair.clone()));
                let pairs = pairs.count() as u64;
                self.crowded.insert(flow_log.clone());
                found.crowd = Some(Crowd { interface: interface.clone(), flow_logs: crowd, pairs });
            }
            for (other, hours) in logs.iter().filter(|(other, _)| **other != flow_log) {
                let shared = own.1.0.min(hours.1.0) - own.0.0.max(hours.0.0) + 1;
                let pair = (flow_log.clone().min(other.clone()), flow_log.clone().max(other.clone()));
                if shared < limits::SHARED_HOURS
                    || self.told.len() >= limits::OVERLAPS
                    || !self.told.insert(pair.clone())
                {
                    continue;
                }
                found.pairs.push(Overlap { interface: interface.clone(), first: pair.0, second: pair.1 });
            }
        }
        while self.seen.len() > limits::WATCHED_INTERFACES {
            self.seen.pop_last();
        }
        found
    }

    /// Once an hour, lets go of what has had no records for long.
    fn forget(&mut self, last: Hour) {
        if last <= self.newest {
            return;
        }
        self.newest = last;
        let oldest = Hour(last.0 - limits::WATCHED_HOURS);
        self.seen.retain(|_, logs| {
            logs.retain(|_, hours| hours.1 >= oldest);
            !logs.is_empty()
        });
        let seen = &self.seen;
        self.flow_logs.retain(|id| seen.values().any(|logs| logs.contains_key(id)));
        self.crowded.retain(|id| self.flow_logs.contains(id));
    }

    /// One `Arc` for equal ids.
    fn flow_log(&mut self, id: &str) -> Arc<str> {
        if let Some(known) = self.flow_logs.get(id) {
            return known.clone();
        }
        let new: Arc<str> = Arc::from(id);
        self.flow_logs.insert(new.clone());
        new
    }
}

/// The most flow logs that share one hour of `own`.
fn crowd(logs: &BTreeMap<Arc<str>, (Hour, Hour)>, own: (Hour, Hour)) -> Vec<Arc<str>> {
    let starts = logs.values().map(|hours| hours.0.max(own.0)).filter(|hour| *hour <= own.1);
    let at = |hour: Hour| logs.iter().filter(move |(_, hours)| (hours.0..=hours.1).contains(&hour));
    let most = starts.max_by_key(|hour| at(*hour).count());
    most.map_or_else(Vec::new, |hour| at(hour).map(|(id, _)| id.clone()).collect())
}

fn pairs_of(ids: &[Arc<str>]) -> impl Iterator<Item = (Arc<str>, Arc<str>)> {
    let later = |at: usize| ids[at + 1..].iter();
    ids.iter().enumerate().flat_map(move |(at, one)| later(at).map(move |other| (one.clone(), other.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FlowCounts, FlowKey, Hints};

    /// An object with records of these hours and interfaces.
    fn object(
        hours: std::ops::RangeInclusive<i64>,
        interfaces: impl IntoIterator<Item = u64>,
    ) -> ObjectDelta {
        let interfaces = interfaces.into_iter().map(|n| (n, Arc::from(format!("eni-{n}")))).collect();
        let traffic =
            hours.map(|hour| ((Hour(hour), FlowKey::overflow().into()), FlowCounts::default())).collect();
        ObjectDelta { traffic, hints: Hints { interfaces, ..Hints::default() }, ..ObjectDelta::default() }
    }

    fn pairs(found: &Found) -> Vec<(&str, &str, &str)> {
        found.pairs.iter().map(|one| (&*one.interface, &*one.first, &*one.second)).collect()
    }

    #[test]
    fn two_flow_logs_of_one_interface_are_told_of_once() {
        let mut overlaps = Overlaps::default();
        for hour in 10..13 {
            assert_eq!(overlaps.note("fl-b", &object(hour..=hour, [1, 2])), Found::default());
        }
        assert_eq!(overlaps.note("fl-a", &object(10..=10, [2, 3])), Found::default());
        assert_eq!(overlaps.note("fl-a", &object(11..=11, [2, 3])), Found::default());
        let found = overlaps.note("fl-a", &object(12..=12, [2, 3]));
        assert_eq!(pairs(&found), [("eni-2", "fl-a", "fl-b")]);
        assert_eq!(overlaps.note("fl-b", &object(10..=14, [1, 2, 3])), Found::default(), "said once");
    }

    #[test]
    fn eleven_flow_logs_over_one_interface_are_noticed_in_their_first_hour() {
        let mut overlaps = Overlaps::default();
        let (mut told, mut crowds) = (0, Vec::new());
        // As daily partitions are read: one flow log after the other.
        for log in 0..11 {
            let found = overlaps.note(&format!("fl-{log:02}"), &object(10..=10, [1, 2]));
            assert_eq!(found.pairs, []);
            told += found.crowd.as_ref().map_or(0, |crowd| crowd.pairs);
            crowds.extend(found.crowd.map(|crowd| (crowd.interface.to_string(), crowd.flow_logs.len())));
        }
        let expected: Vec<(String, usize)> = (3..=11).map(|logs| ("eni-1".to_owned(), logs)).collect();
        assert_eq!((crowds, told), (expected, 55));
        for hour in 11..14 {
            assert_eq!(overlaps.note("fl-05", &object(hour..=hour, [1, 2])), Found::default(), "said once");
        }
    }

    #[test]
    fn a_chain_of_successors_is_no_crowd() {
        let mut overlaps = Overlaps::default();
        for (log, hours) in [("fl-a", 0..=10), ("fl-b", 9..=20), ("fl-c", 19..=30), ("fl-d", 29..=40)] {
            assert_eq!(overlaps.note(log, &object(hours, [1])), Found::default(), "{log}");
        }
    }

    #[test]
    fn a_flow_log_and_its_successor_are_no_overlap() {
        let mut overlaps = Overlaps::default();
        for hour in 0..=30 {
            assert_eq!(overlaps.note("fl-old", &object(hour..=hour, [1])), Found::default());
        }
        // The old one's last records come an hour after the change.
        for hour in 29..=60 {
            assert_eq!(overlaps.note("fl-new", &object(hour..=hour, [1])), Found::default(), "{hour}");
        }
    }

    #[test]
    fn the_order_in_which_objects_are_read_does_not_matter() {
        let mut overlaps = Overlaps::default();
        assert_eq!(overlaps.note("fl-a", &object(14..=14, [1])), Found::default());
        assert_eq!(overlaps.note("fl-b", &object(12..=12, [1])), Found::default());
        assert_eq!(overlaps.note("fl-b", &object(14..=14, [1])), Found::default());
        assert_eq!(overlaps.note("fl-a", &object(12..=12, [1])).pairs.len(), 1);
    }

    #[test]
    fn nothing_counted_and_nothing_shared_is_no_overlap() {
        let mut overlaps = Overlaps::default();
        assert_eq!(overlaps.note("fl-a", &object(1..=9, [1])), Found::default());
        assert_eq!(overlaps.note("fl-b", &object(1..=9, [2])), Found::default());
        let rejected_only = ObjectDelta { traffic: BTreeMap::new(), ..object(1..=1, [1]) };
        assert_eq!(overlaps.note("fl-c", &rejected_only), Found::default());
    }

    #[test]
    fn memory_is_bounded_in_every_direction() {
        let mut overlaps = Overlaps::default();
        for n in 0..100_u64 {
            let interfaces = (0..100).map(|m| n * 100 + m);
            overlaps.note(&format!("fl-{n:x}"), &object(1..=9, interfaces.chain([0])));
        }
        assert_eq!(overlaps.seen.len(), limits::WATCHED_INTERFACES);
        assert!(overlaps.seen.values().all(|logs| logs.len() <= limits::WATCHED_FLOW_LOGS));
        assert!(overlaps.told.len() <= limits::OVERLAPS);
        overlaps.note("fl-new", &object(100..=100, [5]));
        assert_eq!((overlaps.seen.len(), overlaps.flow_logs.len()), (1, 1), "two days later");
    }
}
