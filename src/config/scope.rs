//! Scopes: where an entry holds, and which entries would claim the same thing in one place.

use std::{collections::HashMap, fmt, hash::Hash, sync::Arc};

use super::{
    problems::{Problems, nearest},
    raw::{Node, Table},
    sources::unfamiliar,
    values::{self, Parsed},
};
use crate::{classify::Scope, limits};

/// A value and the place it was read from.
pub(super) type Placed<'a, T> = (Node<'a>, T);

/// Reads the scope of a table. `sources` are the names of all sources, the flawed ones included. The lists are sets:
/// sorted, each item once.
pub(super) fn read(
    table: &mut Table<'_>,
    sources: &[Arc<str>],
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Scope {
    let source = |node: &Node<'_>| known(node, sources.iter().map(|name| &**name), "source");
    let scope = Scope {
        sources: set(table.list(problems, "sources", source)),
        accounts: set(table.list(problems, "accounts", |node| values::account(node).map(Arc::from))),
        regions: set(table.list(problems, "regions", values::region)),
        vpc_ids: set(table.list(problems, "vpc_ids", |node| values::aws_id(node, "vpc-"))),
    };
    warnings.extend(scope.regions.iter().filter_map(|region| unfamiliar(&table.path_of("regions"), region)));
    scope
}

/// The items of a list in which neither order nor repetition means anything.
pub(super) fn set<T: Ord>(placed: Vec<Placed<'_, T>>) -> Vec<T> {
    let mut items: Vec<T> = placed.into_iter().map(|(_, item)| item).collect();
    items.sort_unstable();
    items.dedup();
    items
}

/// The name of something that is configured elsewhere; `what` it is, as in `[[what]]`.
pub(super) fn known<'n>(
    node: &Node<'_>,
    names: impl Iterator<Item = &'n str> + Clone,
    what: &str,
) -> Parsed<Arc<str>> {
    let typed = values::text(node)?;
    if names.clone().any(|name| name == typed) {
        return Ok(Arc::from(typed));
    }
    if let Some(near) = nearest(typed, names.clone()) {
        return Err(format!("is not a configured {what}; did you mean {near:?}?"));
    }
    if names.clone().next().is_none() {
        return Err(format!("is not a configured {what}: there is no [[{what}]] yet"));
    }
    Err(format!("is not a configured {what}; there are {}", few(names.map(|name| format!("{name:?}")))))
}

/// The first of many things, and how many more there are.
pub(crate) fn few<T: fmt::Display>(items: impl Iterator<Item = T> + Clone) -> String {
    let shown: Vec<String> = items.clone().take(limits::NAMES_LISTED).map(|item| item.to_string()).collect();
    match items.skip(limits::NAMES_LISTED).count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What belongs to one entry in each place: networks of zones and services, addresses of gateways.
///
/// Two entries may have the same one in scopes of different ranks, and in scopes that cannot meet.
pub(super) struct Claims<K>(HashMap<(K, u8), Claimed>);

/// The claims on one thing in one rank: thousands of accounts may share a network, so those of other accounts are not
/// looked at.
#[derive(Debug, Default)]
struct Claimed {
    /// Scope and path of each.
    all: Vec<(Arc<Scope>, String)>,
    /// Indexes into `all`, by the [`main_name`] of the scope.
    by_name: HashMap<Option<Arc<str>>, Vec<usize>>,
}

impl<K> Default for Claims<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Copy + Eq + Hash> Claims<K> {
    /// Takes something for an entry, or tells of the entry that has it already.
    pub(super) fn claim(
        &mut self,
        problems: &mut Problems,
        scope: &Arc<Scope>,
        (node, key): &Placed<'_, K>,
        wanted: &str,
    ) {
        let claimed = self.0.entry((*key, scope.rank())).or_default();
        match claimed.by(scope) {
            Some((other, path)) => {
                let both = if other == scope { "" } else { ", and records can be in both scopes" };
                problems.push(node.problem(format!("is the same as {path}{both}; {wanted}")));
            }
            None => claimed.add(scope, node.path.clone()),
        }
    }
}

impl Claimed {
    fn add(&mut self, scope: &Arc<Scope>, path: String) {
        self.by_name.entry(main_name(scope)).or_default().push(self.all.len());
        self.all.push((scope.clone(), path));
    }

    /// The first claim whose scope can meet this one.
    fn by(&self, scope: &Scope) -> Option<&(Arc<Scope>, String)> {
        let meets = |claim: &&(Arc<Scope>, String)| claim.0.meets(scope);
        let Some(name) = main_name(scope) else { return self.all.iter().find(meets) };
        [Some(name), None]
            .iter()
            .filter_map(|name| self.by_name.get(name))
            .flat_map(|places| places.iter().map(|at| &self.all[*at]))
            .find(meets)
    }
}

/// The one item of the list that gives a scope its rank: scopes of one rank with two different ones do not meet.
fn main_name(scope: &Scope) -> Option<Arc<str>> {
    let list = match scope.rank() {
        1 => &scope.vpc_ids,
        2 => &scope.accounts,
        3 => &scope.sources,
        _ => return None,
    };
    single(list).cloned()
}

/// The item of a list that has only one.
pub(super) fn single(list: &[Arc<str>]) -> Option<&Arc<str>> {
    match list {
        [one] => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any scopes of one rank, against a look at each pair.
    #[test]
    fn a_claim_is_found_whichever_list_its_scope_names() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut found = [0; 2];
        for _ in 0..2_000 {
            let mut list = |names: &[&str]| -> Vec<Arc<str>> {
                names.iter().filter(|_| random.u8(..10) < 3).map(|name| Arc::from(*name)).collect()
            };
            let mut scope = || Scope {
                sources: list(&["s", "t"]),
                accounts: list(&["1", "2", "3"]),
                regions: list(&["r", "q"]),
                vpc_ids: list(&["v", "w", "x"]),
            };
            let scopes: Vec<Arc<Scope>> = (0..12).map(|_| Arc::new(scope())).collect();
            for rank in 1..=4 {
                let mut claimed = Claimed::default();
                for scope in scopes.iter().filter(|scope| scope.rank() == rank) {
                    let meets = claimed.all.iter().any(|(other, _)| other.meets(scope));
                    assert_eq!(claimed.by(scope).is_some(), meets, "{scope:?} {claimed:?}");
                    found[usize::from(meets)] += 1;
                    claimed.add(scope, String::new());
                }
            }
        }
        assert!(found.iter().all(|count| *count > 1_000), "{found:?}");
    }

    #[test]
    fn many_names_are_cut_short() {
        assert_eq!(few([1, 2].iter()), "1, 2");
        assert_eq!(few([0; 23].iter()), format!("{}0 and 3 more", "0, ".repeat(19)));
    }
}
