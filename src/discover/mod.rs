//! Which objects a source has: accounts and regions, then every key of a stretch of time, page by page.
//!
//! Progress is a set of keys. A scan returns every key of its stretch whatever was seen before; whoever asks takes the
//! difference with what is settled. Refuses to know what has been counted, and never uses a time of the store.

pub mod dates;
pub mod layout;
mod listing;
mod names;
mod order;
mod strangers;
pub mod window;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use dates::{Dates, ParsedKey};
use layout::{Head, Layout, PathNames, Step};
use listing::{Listing, Pages};
use window::Window;

use crate::{
    limits,
    model::{
        Candidate, Hour, IgnoreReason, IgnoredKey, IgnoredKeys, Listed, Origin, Partition, PartitionSpan,
    },
    store::{FailureReason, ListRequest, ObjectStore, Operation, StoreError},
};

/// What to look for in one source.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// Its name in log and labels.
    pub name: Arc<str>,
    /// As in [`crate::model::ObjectId::bucket`].
    pub bucket: Arc<str>,
    /// What its keys begin with: empty, or ending in a slash.
    pub prefix: String,
    /// The region of its logs.
    pub region: String,
    /// The grammar of its keys.
    pub layout: Layout,
    /// Accounts to read; empty: all.
    pub accounts: Vec<String>,
    /// Regions to read; empty: all.
    pub regions: Vec<String>,
    /// Flow logs to read; empty: all.
    pub flow_log_ids: Vec<String>,
}

/// A place below which keys go by date: one account and region, for the layouts of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Root {
    prefix: String,
    dates: Dates,
    names: PathNames,
}

/// One source, with the accounts and regions that were found in it.
pub struct Discovery {
    spec: SourceSpec,
    store: Arc<dyn ObjectStore>,
    roots: Vec<Root>,
    excluded: Excluded,
    /// Roots whose last full scan saw no daily partition: their recent scans may begin at an hour.
    hourly: BTreeSet<String>,
    /// The root whose turn it is.
    turn: usize,
    /// The folders that were found when accounts and regions were last looked for.
    folders: Folders,
    /// The folder of another layout whose turn it is.
    other_turn: usize,
}

/// The names of folders, by the prefix that they are below.
type Folders = BTreeMap<String, Vec<String>>;

/// What the lists of a source have kept out when its accounts and regions were last looked for, at most
/// [`limits::HINTS`] of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excluded {
    /// By `accounts`.
    pub accounts: BTreeSet<String>,
    /// By `regions`.
    pub regions: BTreeSet<String>,
}

impl Excluded {
    /// Whether a folder is wanted. If not, notes by which list.
    fn admits(&mut self, spec: &SourceSpec, names: &PathNames) -> bool {
        let lists = [
            (&spec.accounts, &names.account, &mut self.accounts),
            (&spec.regions, &names.region, &mut self.regions),
        ];
        let mut admitted = true;
        for (wanted, found, excluded) in lists {
            let Some(found) = found.as_deref().filter(|found| !allowed(wanted, Some(found))) else {
                continue;
            };
            admitted = false;
            if excluded.len() < limits::HINTS {
                excluded.insert(found.to_owned());
            }
        }
        admitted
    }
}

/// A key, and what it is by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// As listed.
    pub listed: Listed,
    /// The partition that it names. Keys outside every partition share one that stands for the source.
    pub partition: Partition,
    /// Why it is not to be read, if it is not.
    pub ignored: Option<IgnoreReason>,
}

impl Found {
    /// The object as one that is to be read.
    pub fn into_candidate(self, source: Arc<str>) -> Candidate {
        Candidate { listed: self.listed, source, partition: self.partition }
    }
}

impl Discovery {
    /// A source of which nothing is known yet.
    pub fn new(spec: SourceSpec, store: Arc<dyn ObjectStore>) -> Self {
        Self {
            spec,
            store,
            roots: Vec::new(),
            excluded: Excluded::default(),
            hourly: BTreeSet::new(),
            turn: 0,
            folders: Folders::new(),
            other_turn: 0,
        }
    }

    /// What is looked for.
    pub fn spec(&self) -> &SourceSpec {
        &self.spec
    }

    /// Where it is looked for.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The regions that were found and are not the source's own.
    pub fn foreign_regions(&self) -> BTreeSet<&str> {
        let regions = self.roots.iter().filter_map(|root| root.names.region.as_deref());
        regions.filter(|region| *region != self.spec.region).collect()
    }

    /// What the lists of the source have kept out.
    pub fn excluded(&self) -> &Excluded {
        &self.excluded
    }

    /// The prefixes below which keys go by date.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.roots.iter().map(|root| root.prefix.as_str())
    }

    /// The partition that stands for all keys outside every partition. It is never sealed.
    pub fn outside(&self) -> Partition {
        outside(&self.spec)
    }

    /// Where an object of a partition comes from: the account and region that its key names.
    pub fn origin(&self, key: &str, partition: Partition) -> Origin {
        let root = self.roots.iter().find(|root| key.starts_with(&root.prefix));
        let name = |name: fn(&PathNames) -> &Option<String>| {
            root.and_then(|root| name(&root.names).as_deref()).map(Arc::from)
        };
        Origin { partition, account: name(|names| &names.account), region: name(|names| &names.region) }
    }

    /// Looks for accounts and regions anew. On failure the ones known before stay.
    pub async fn find_roots(&mut self) -> Result<(), StoreError> {
        let mut listings = Folders::new();
        let mut excluded = Excluded::default();
        let mut roots = Vec::new();
        for head in self.spec.layout.heads() {
            let mut frontier = vec![(self.base(head), PathNames::default())];
            for depth in 0..head.len() {
                let mut next = Vec::new();
                for (prefix, known) in frontier {
                    for segment in self.children(head, depth, &prefix, &mut listings).await? {
                        let Some(names) = head.matches(depth, &segment) else { continue };
                        if !excluded.admits(&self.spec, &names) {
                            continue;
                        }
                        let names = PathNames {
                            account: names.account.or_else(|| known.account.clone()),
                            region: names.region.or_else(|| known.region.clone()),
                        };
                        next.push((format!("{prefix}{segment}/"), names));
                    }
                }
                frontier = next;
                if frontier.len() > limits::ROOTS {
                    return Err(nonsense(&self.spec, "more accounts and regions than one source may have"));
                }
            }
            let dates = head.dates();
            roots.extend(frontier.into_iter().map(|(prefix, names)| Root {
                prefix,
                dates: dates.clone(),
                names,
            }));
        }
        (self.roots, self.excluded, self.folders) = (roots, excluded, listings);
        Ok(())
    }

    /// Where the head of a layout begins: at the prefix, or for AWS's layouts at the `AWSLogs/` that is part of it.
    fn base(&self, head: Head<'_>) -> String {
        let prefix = &self.spec.prefix;
        let inside =
            if prefix.starts_with("AWSLogs/") { Some(0) } else { prefix.find("/AWSLogs/").map(|at| at + 1) };
        match inside.filter(|_| head.is_aws()) {
            Some(at) => prefix[..at].to_owned(),
            None => prefix.clone(),
        }
    }

    /// The folders below a prefix, where no request is needed to know them.
    fn known_children(
        &self,
        head: Head<'_>,
        depth: usize,
        prefix: &str,
        listings: &Folders,
    ) -> Option<Vec<String>> {
        if let Some(rest) = self.spec.prefix.strip_prefix(prefix)
            && let Some((segment, _)) = rest.split_once('/')
        {
            return Some(vec![segment.to_owned()]);
        }
        if let Step::Fixed(segment) = head.step(depth) {
            return Some(vec![segment]);
        }
        listings.get(prefix).cloned()
    }

    async fn children(
        &self,
        head: Head<'_>,
        depth: usize,
        prefix: &str,
        listings: &mut Folders,
    ) -> Result<Vec<String>, StoreError> {
        if let Some(known) = self.known_children(head, depth, prefix, listings) {
            return Ok(known);
        }
        let mut pages = Pages::new(prefix.to_owned(), None, true);
        let mut segments = Vec::new();
        while let Some(page) = pages.next(&*self.store).await? {
            let below =
                page.prefixes.iter().filter_map(|child| child.strip_prefix(prefix)?.strip_suffix('/'));
            segments.extend(below.map(str::to_owned));
            if segments.len() > limits::ROOTS {
                return Err(nonsense(&self.spec, "more accounts and regions than one source may have"));
            }
        }
        listings.insert(prefix.to_owned(), segments.clone());
        Ok(segments)
    }

    /// A scan of every key of a window. `whole_days` also finds daily partitions that began to appear beside hourly
    /// ones; a full scan sets it.
    pub fn scan(&self, window: Window, whole_days: bool) -> Scan {
        self.scan_of(self.roots.iter(), window, whole_days)
    }

    /// A scan of a window at every poll, in between full ones: of all roots, or where they are many, of some in turn, so
    /// that each is listed every [`limits::LIST_ROOT_EVERY`].
    pub fn scan_some(&mut self, window: Window, poll_interval: Duration) -> Scan {
        let turns = limits::LIST_ROOT_EVERY.as_secs() / poll_interval.as_secs().max(1);
        let turns = usize::try_from(turns).unwrap_or(usize::MAX).max(1);
        let count = self.roots.len().div_ceil(turns).max(limits::ROOTS_PER_POLL).min(self.roots.len());
        let first = self.turn.checked_rem(self.roots.len()).unwrap_or(0);
        self.turn = first + count;
        self.scan_of(self.roots.iter().cycle().skip(first).take(count), window, false)
    }

    fn scan_of<'a>(&self, roots: impl Iterator<Item = &'a Root>, window: Window, whole_days: bool) -> Scan {
        let roots = roots.map(|root| {
            let whole_day = root.dates.may_mix() && (whole_days || !self.hourly.contains(&root.prefix));
            let narrowed = self.spec.prefix.starts_with(&root.prefix);
            let prefix = if narrowed { self.spec.prefix.clone() } else { root.prefix.clone() };
            Listing::new(root.clone(), prefix, window, whole_day)
        });
        Scan {
            spec: self.spec.clone(),
            store: Arc::clone(&self.store),
            window,
            rest: roots.flatten().collect::<Vec<_>>().into_iter(),
            current: None,
            listed: 0,
            ignored: IgnoredKeys::default(),
            failure: None,
            daily: BTreeSet::new(),
            done: BTreeSet::new(),
        }
    }

    /// Learns from a finished full scan which roots have hourly partitions only.
    pub fn learn(&mut self, scan: &Scan) {
        self.hourly = scan.done.difference(&scan.daily).cloned().collect();
    }

    /// Lists one object as it is now.
    pub async fn look_up(&self, key: &str) -> Result<Option<Listed>, StoreError> {
        // In byte order the key itself comes before all others that begin with it.
        let request = ListRequest { prefix: key, start_after: None, delimited: false, page: None };
        let page = self.store.list(request).await?;
        Ok(page.objects.into_iter().find(|listed| listed.id.key == key))
    }
}

fn outside(spec: &SourceSpec) -> Partition {
    Partition {
        bucket: spec.bucket.clone(),
        prefix: Arc::from(spec.prefix.as_str()),
        start: Hour(0),
        span: PartitionSpan::Day,
    }
}

fn allowed(wanted: &[String], found: Option<&str>) -> bool {
    wanted.is_empty() || found.is_none_or(|found| wanted.iter().any(|one| one == found))
}

fn nonsense(spec: &SourceSpec, what: &str) -> StoreError {
    listing_error(&format!("{}/{}", spec.bucket, spec.prefix), what)
}

fn listing_error(target: &str, what: &str) -> StoreError {
    StoreError {
        operation: Operation::List,
        target: target.to_owned(),
        reason: FailureReason::Other,
        source: Some(what.into()),
    }
}

/// A scan under way. Ask [`Scan::next`] until it returns `None`, then look at [`Scan::failure`].
pub struct Scan {
    spec: SourceSpec,
    store: Arc<dyn ObjectStore>,
    window: Window,
    rest: std::vec::IntoIter<Listing>,
    current: Option<Listing>,
    listed: u64,
    ignored: IgnoredKeys,
    failure: Option<StoreError>,
    daily: BTreeSet<String>,
    done: BTreeSet<String>,
}

impl Scan {
    /// Some more keys of the window, in the order of the listing. A root that cannot be listed is left, the others go
    /// on; the scan as a whole has then failed.
    pub async fn next(&mut self) -> Option<Vec<Found>> {
        loop {
            if self.current.is_none() {
                self.current = Some(self.rest.next()?);
            }
            let listing = self.current.as_mut()?;
            match listing.next(&*self.store, self.window).await {
                Ok(Some(objects)) => {
                    self.listed += objects.len() as u64;
                    let root = &listing.root;
                    let found = read_page(&self.spec, self.window, root, objects, &mut self.ignored);
                    if found
                        .iter()
                        .any(|one| one.ignored.is_none() && one.partition.span == PartitionSpan::Day)
                    {
                        self.daily.insert(root.prefix.clone());
                    }
                    return Some(found);
                }
                Ok(None) => {
                    self.done.insert(listing.root.prefix.clone());
                    self.current = None;
                }
                Err(error) => {
                    self.failure.get_or_insert(error);
                    self.current = None;
                }
            }
        }
    }

    /// Keys that were listed and are not to be read by their names alone.
    pub fn ignored(&self) -> &IgnoredKeys {
        &self.ignored
    }

    /// Keys that were listed.
    pub fn listed(&self) -> u64 {
        self.listed
    }

    /// Whether some root could not be listed to its end.
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Why it is not complete. Takes the error.
    pub fn failure(&mut self) -> Option<StoreError> {
        self.failure.take()
    }
}

/// The keys of a page that belong to the window.
fn read_page(
    spec: &SourceSpec,
    window: Window,
    root: &Root,
    objects: Vec<Listed>,
    ignored: &mut IgnoredKeys,
) -> Vec<Found> {
    let mut found = Vec::with_capacity(objects.len());
    let mut last: Option<Partition> = None;
    for listed in objects {
        match root.dates.parse_beside(last.as_ref(), &spec.bucket, &root.prefix, &listed.id.key) {
            Ok(ParsedKey { partition, flow_log_id }) => {
                if last.as_ref() != Some(&partition) {
                    last = Some(partition.clone());
                }
                if !window.contains(&partition) {
                    continue;
                }
                let wanted = allowed_id(&spec.flow_log_ids, flow_log_id);
                let reason = (!wanted).then_some(IgnoreReason::Filtered);
                if !wanted {
                    ignored.note(IgnoredKey::Filtered, &listed.id.key);
                }
                found.push(Found { listed, partition, ignored: reason });
            }
            Err(reason) => {
                let kind = match reason {
                    IgnoreReason::Folder => IgnoredKey::Folder,
                    _ => root.dates.stranger(&root.prefix, &listed.id.key),
                };
                ignored.note(kind, &listed.id.key);
                found.push(Found { listed, partition: outside(spec), ignored: Some(reason) });
            }
        }
    }
    found
}

/// A key that names no flow log cannot be one of the wanted.
fn allowed_id(wanted: &[String], found: Option<&str>) -> bool {
    wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|one| one == found))
}

#[cfg(test)]
mod tests;
