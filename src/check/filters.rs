//! What the lists of a source keep out of what was found, in words.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    config::{SourceConfig, few},
    discover::Excluded,
};

/// Accounts and regions that were found and are not in the lists.
pub(super) fn of_folders(source: &SourceConfig, excluded: &Excluded) -> Vec<String> {
    let lists =
        [("accounts", &source.accounts, &excluded.accounts), ("regions", &source.regions, &excluded.regions)];
    let line = |(key, list, found): (&str, &Vec<String>, &BTreeSet<String>)| {
        (!found.is_empty()).then(|| format!("excluded by {key} = {list:?}: {}", few(found.iter())))
    };
    lists.into_iter().filter_map(line).collect()
}

/// Flow logs that were found and are not in `flow_log_ids`, with their objects.
pub(super) fn of_flow_logs(source: &SourceConfig, found: &BTreeMap<String, u64>) -> Vec<String> {
    if found.is_empty() {
        return Vec::new();
    }
    let one = |(id, objects): (&String, &u64)| {
        let id = if id.is_empty() { "no flow log id in the name" } else { id };
        format!("{id} ({objects} object{})", if *objects == 1 { "" } else { "s" })
    };
    vec![format!("excluded by flow_log_ids = {:?}: {}", source.flow_log_ids, few(found.iter().map(one)))]
}
