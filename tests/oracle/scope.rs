//! Scopes, ranks, and the networks that hold for a record: semantics 2.1 to 2.4.

use super::{OracleConfig, ScopeConfig, addr, addr::Addr};

/// The scope of a record (semantics 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) source: String,
    pub(super) account: Option<String>,
    pub(super) region: String,
    pub(super) vpc_id: Option<String>,
}

impl ScopeConfig {
    /// Returns whether all lists match; an empty one matches everywhere (semantics 2.1).
    pub(super) fn matches(&self, scope: &Scope) -> bool {
        let listed = |list: &Vec<String>, value: Option<&String>| {
            list.is_empty() || value.is_some_and(|value| list.contains(value))
        };
        listed(&self.sources, Some(&scope.source))
            && listed(&self.accounts, scope.account.as_ref())
            && listed(&self.regions, Some(&scope.region))
            && listed(&self.vpc_ids, scope.vpc_id.as_ref())
    }

    /// Returns the rank (semantics 2.3).
    pub(super) fn rank(&self) -> u8 {
        if !self.vpc_ids.is_empty() {
            1
        } else if !self.accounts.is_empty() || !self.regions.is_empty() {
            2
        } else if !self.sources.is_empty() {
            3
        } else {
            4
        }
    }

    /// Returns whether there can be a record that both match (semantics 2.10).
    pub(super) fn meets(&self, other: &Self) -> bool {
        let meet = |ours: &Vec<String>, theirs: &Vec<String>| {
            ours.is_empty() || theirs.is_empty() || ours.iter().any(|one| theirs.contains(one))
        };
        meet(&self.sources, &other.sources)
            && meet(&self.accounts, &other.accounts)
            && meet(&self.regions, &other.regions)
            && meet(&self.vpc_ids, &other.vpc_ids)
    }

    /// The same lists, whatever their order.
    pub(super) fn sorted(&self) -> Self {
        let mut sorted = self.clone();
        for list in [&mut sorted.sources, &mut sorted.accounts, &mut sorted.regions, &mut sorted.vpc_ids] {
            list.sort();
            list.dedup();
        }
        sorted
    }
}

/// Finds the entry with a network around an address, of those that match: the lowest rank first, in
/// it the longest prefix (semantics 2.3).
pub(super) fn look_up<'a>(
    address: Addr,
    scope: &Scope,
    entries: impl Iterator<Item = (usize, &'a ScopeConfig, &'a Vec<String>)>,
) -> Option<usize> {
    let mut best: Option<(u8, u32, usize)> = None;
    for (at, entry_scope, cidrs) in entries.filter(|(_, entry_scope, _)| entry_scope.matches(scope)) {
        for cidr in cidrs.iter().filter(|cidr| address.is_in(cidr)) {
            let (rank, len) = (entry_scope.rank(), addr::prefix_len(cidr));
            if best.is_none_or(|(best_rank, best_len, _)| {
                rank < best_rank || (rank == best_rank && len > best_len)
            }) {
                best = Some((rank, len, at));
            }
        }
    }
    best.map(|(_, _, at)| at)
}

/// Step 1 of the label: the configured zone of an address (semantics 2.14).
pub(super) fn zone_at(address: Addr, scope: &Scope, config: &OracleConfig) -> Option<usize> {
    let zones = config.zones.iter().enumerate();
    look_up(address, scope, zones.map(|(at, zone)| (at, &zone.scope, &zone.cidrs)))
}

/// Step 5 of the label: of the scopes that do not match, the only one with a network around the
/// address (semantics 2.14).
pub(super) fn zone_elsewhere(address: Addr, scope: &Scope, config: &OracleConfig) -> Option<usize> {
    let mut found: Option<(ScopeConfig, u32, usize)> = None;
    for (at, zone) in config.zones.iter().enumerate().filter(|(_, zone)| !zone.scope.matches(scope)) {
        for cidr in zone.cidrs.iter().filter(|cidr| address.is_in(cidr)) {
            let (other, len) = (zone.scope.sorted(), addr::prefix_len(cidr));
            match &found {
                Some((first, _, _)) if *first != other => return None,
                Some((_, longest, _)) if *longest >= len => {}
                _ => found = Some((other, len, at)),
            }
        }
    }
    found.map(|(_, _, at)| at)
}

/// Returns whether an address lies in `aws.public_cidrs`: any rank will do (semantics 2.3).
pub(super) fn is_public(address: Addr, scope: &Scope, config: &OracleConfig) -> bool {
    config
        .public_cidrs
        .iter()
        .any(|entry| entry.scope.matches(scope) && entry.cidrs.iter().any(|cidr| address.is_in(cidr)))
}

/// Returns whether an address lies in a network of a zone that holds for a record and is not
/// `outside`.
pub(super) fn in_a_network(address: Addr, scope: &Scope, config: &OracleConfig) -> bool {
    zone_at(address, scope, config).is_some_and(|at| !config.zones[at].outside)
}

/// Returns whether a configured zone holds for a record, is not `outside` and has networks
/// (semantics 3.5, 4.4 and 8.8).
pub(super) fn has_networks(scope: &Scope, config: &OracleConfig) -> bool {
    config.zones.iter().any(|zone| zone.scope.matches(scope) && !zone.outside && !zone.cidrs.is_empty())
}
