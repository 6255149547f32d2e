//! Listings page by page: one of folders or keys, and that of a root, which jumps from one stretch of its window to the next.

use super::{Root, listing_error, window::Window};
use crate::{
    limits,
    model::Listed,
    store::{ListRequest, ObjectStore, Page, StoreError},
};

/// The listing of one root under way.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) root: Root,
    whole_day: bool,
    pages: Pages,
}

impl Listing {
    /// `None` when the window can have no key below the root.
    pub(super) fn new(root: Root, prefix: String, window: Window, whole_day: bool) -> Option<Self> {
        let after = root.dates.seek(&root.prefix, &window, whole_day, "")?;
        Some(Self { root, whole_day, pages: Pages::new(prefix, Some(after), false) })
    }

    /// The next page. Keys between the stretches of the window are jumped over, which never costs more requests than
    /// listing them: where the window has been left, the next page begins where it goes on.
    pub(super) async fn next(
        &mut self,
        store: &dyn ObjectStore,
        window: Window,
    ) -> Result<Option<Vec<Listed>>, StoreError> {
        let Some(page) = self.pages.next(store).await? else { return Ok(None) };
        if let Some(last) = page.objects.last().filter(|_| page.next.is_some()) {
            let at = last.id.key.as_str();
            match self.root.dates.seek(&self.root.prefix, &window, self.whole_day, at) {
                Some(on) if on != at => self.pages.jump(on),
                Some(_) => {}
                None => self.pages.end(),
            }
        }
        Ok(Some(page.objects))
    }
}

/// The pages of one listing, checked: a store that repeats a token or a key, or is out of order, would hide keys.
#[derive(Debug)]
pub(super) struct Pages {
    prefix: String,
    start_after: Option<String>,
    delimited: bool,
    token: Option<String>,
    last_key: Option<String>,
    count: usize,
    ended: bool,
}

impl Pages {
    pub(super) fn new(prefix: String, start_after: Option<String>, delimited: bool) -> Self {
        Self { prefix, start_after, delimited, token: None, last_key: None, count: 0, ended: false }
    }

    /// Goes on behind a text that comes after everything that was listed.
    fn jump(&mut self, to: String) {
        self.start_after = Some(to);
        self.token = None;
    }

    /// Lists no more.
    fn end(&mut self) {
        self.ended = true;
    }

    pub(super) async fn next(&mut self, store: &dyn ObjectStore) -> Result<Option<Page>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let request = ListRequest {
            prefix: &self.prefix,
            start_after: self.start_after.as_deref(),
            delimited: self.delimited,
            page: self.token.as_deref(),
        };
        let page = store.list(request).await?;
        self.count += 1;
        if self.count > limits::LIST_PAGES {
            return Err(listing_error(&self.prefix, "the listing has more pages than one source may have"));
        }
        let mut last_key = self.last_key.as_deref();
        for object in &page.objects {
            let key = object.id.key.as_str();
            if !key.starts_with(&self.prefix) {
                return Err(listing_error(&self.prefix, "the listing has keys outside its prefix"));
            }
            if last_key.is_some_and(|last| last >= key) {
                return Err(listing_error(&self.prefix, "the listing repeats keys or is out of order"));
            }
            last_key = Some(key);
        }
        if let Some(last) = page.objects.last() {
            self.last_key = Some(last.id.key.clone());
        }
        if page.next.is_some() && page.next == self.token {
            return Err(listing_error(&self.prefix, "the listing repeats a page token"));
        }
        self.ended = page.next.is_none();
        self.token.clone_from(&page.next);
        Ok(Some(page))
    }
}
