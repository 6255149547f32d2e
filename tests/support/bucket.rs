//! A bucket in memory, behind the same trait as the real ones, that fails as told.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use bytes::Bytes;
use flowcost_exporter::{
    model::{Listed, ObjectId},
    store::{FailureReason, ListRequest, ObjectStore, Operation, Page, StoreError},
};

/// Keys on one page, unless told otherwise: few, so that small buckets have several pages.
const PAGE: usize = 7;

struct Inner {
    name: Arc<str>,
    page: usize,
    objects: BTreeMap<String, (Bytes, u64)>,
    versions: u64,
    get_faults: BTreeMap<String, FailureReason>,
    list_fault: Option<usize>,
    denied: bool,
    lists: usize,
    gets: Vec<String>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            name: "s3://logs".into(),
            page: PAGE,
            objects: BTreeMap::new(),
            versions: 0,
            get_faults: BTreeMap::new(),
            list_fault: None,
            denied: false,
            lists: 0,
            gets: Vec::new(),
        }
    }
}

/// Cheap to clone; all clones are the same bucket.
#[derive(Clone, Default)]
pub(crate) struct Bucket(Arc<Mutex<Inner>>);

impl Bucket {
    /// Another one, called `name`.
    pub(crate) fn named(name: &str) -> Self {
        Self(Arc::new(Mutex::new(Inner { name: name.into(), ..Inner::default() })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(crate) fn put(&self, key: &str, content: Bytes) {
        let mut inner = self.inner();
        inner.versions += 1;
        let version = inner.versions;
        inner.objects.insert(key.to_owned(), (content, version));
    }

    pub(crate) fn delete(&self, key: &str) {
        self.inner().objects.remove(key);
    }

    /// Every read of this key fails until [`Bucket::heal`].
    pub(crate) fn fail(&self, key: &str, reason: FailureReason) {
        self.inner().get_faults.insert(key.to_owned(), reason);
    }

    /// The listing after this many more pages fails, once.
    pub(crate) fn fail_list_after(&self, pages: usize) {
        let mut inner = self.inner();
        inner.list_fault = Some(inner.lists + pages);
    }

    /// Every listing is denied until [`Bucket::heal`].
    pub(crate) fn deny(&self) {
        self.inner().denied = true;
    }

    pub(crate) fn heal(&self) {
        let mut inner = self.inner();
        inner.get_faults.clear();
        inner.list_fault = None;
        inner.denied = false;
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.inner().objects.contains_key(key)
    }

    pub(crate) fn content(&self, key: &str) -> Bytes {
        self.inner().objects[key].0.clone()
    }

    /// Keys on one page from here on.
    pub(crate) fn set_page(&self, keys: usize) {
        self.inner().page = keys;
    }

    /// Pages listed so far.
    pub(crate) fn lists(&self) -> usize {
        self.inner().lists
    }

    pub(crate) fn version(&self, key: &str) -> u64 {
        self.inner().objects[key].1
    }

    /// Keys that were read, in order.
    pub(crate) fn gets(&self) -> Vec<String> {
        self.inner().gets.clone()
    }
}

fn error(operation: Operation, target: &str, reason: FailureReason) -> StoreError {
    StoreError { operation, target: target.to_owned(), reason, source: None }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn list(&self, request: ListRequest<'_>) -> Result<Page, StoreError> {
        let mut inner = self.inner();
        let page = inner.page;
        inner.lists += 1;
        if inner.denied {
            return Err(error(Operation::List, request.prefix, FailureReason::Denied));
        }
        if inner.list_fault.is_some_and(|at| inner.lists > at) {
            inner.list_fault = None;
            return Err(error(Operation::List, request.prefix, FailureReason::Throttled));
        }
        let after = request.page.or(request.start_after).unwrap_or_default();
        let from = request.prefix.max(after).to_owned();
        let below = inner
            .objects
            .range(from..)
            .take_while(|(key, _)| key.starts_with(request.prefix))
            .filter(|(key, _)| key.as_str() > after);
        if request.delimited {
            let mut prefixes: Vec<String> = below
                .filter_map(|(key, _)| {
                    let slash = key[request.prefix.len()..].find('/')?;
                    Some(key[..=request.prefix.len() + slash].to_owned())
                })
                .collect();
            prefixes.dedup();
            return Ok(Page { prefixes, ..Page::default() });
        }
        let mut objects: Vec<Listed> = below
            .take(page + 1)
            .map(|(key, (content, version))| Listed {
                id: ObjectId { bucket: inner.name.clone(), key: key.clone() },
                size: content.len() as u64,
                version: Some(version.to_string()),
            })
            .collect();
        let more = objects.len() > page;
        objects.truncate(page);
        let next = more.then(|| objects[page - 1].id.key.clone());
        Ok(Page { objects, prefixes: Vec::new(), next })
    }

    async fn get(&self, object: &Listed, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
        let mut inner = self.inner();
        let key = &object.id.key;
        inner.gets.push(key.clone());
        if let Some(reason) = inner.get_faults.get(key) {
            return Err(error(Operation::Get, key, *reason));
        }
        let Some((content, version)) = inner.objects.get(key) else {
            return Err(error(Operation::Get, key, FailureReason::NotFound));
        };
        if object.version.as_deref() != Some(&version.to_string()) {
            return Err(error(Operation::Get, key, FailureReason::Changed));
        }
        Ok(match range {
            Some(range) => content.slice(range.start as usize..range.end as usize),
            None => content.clone(),
        })
    }
}
