//! Flow logs in layouts that the source does not read: what is left of a `layout` that was right until its flow log was
//! recreated.
//!
//! A layout in the same folders is seen by the scan itself. Plain folders beside Hive ones, or those of an organization, are
//! looked into here: a few at a time, in turn, one page each. Nothing is read of them.

use super::{Discovery, Folders, Listing, Root, allowed, allowed_id};
use crate::{
    discover::{layout::PathNames, window::Window},
    limits,
    model::{IgnoredKey, IgnoredKeys},
    store::StoreError,
};

impl Discovery {
    /// Adds to `ignored` what some folders of other layouts have in a window.
    ///
    /// # Errors
    /// When one of them cannot be listed. Those before it are noted.
    pub async fn look_elsewhere(
        &mut self,
        window: Window,
        ignored: &mut IgnoredKeys,
    ) -> Result<(), StoreError> {
        let mut folders = std::mem::take(&mut self.folders);
        let found = self.other_roots(&mut folders).await;
        self.folders = folders;
        for root in found? {
            let prefix = root.prefix.clone();
            let Some(mut listing) = Listing::new(root, prefix, window, true) else { continue };
            let Some(objects) = listing.next(&*self.store, window).await? else { continue };
            for listed in objects {
                let root = &listing.root;
                let Ok(parsed) = root.dates.parse(&self.spec.bucket, &root.prefix, &listed.id.key) else {
                    continue;
                };
                if window.contains(&parsed.partition)
                    && allowed_id(&self.spec.flow_log_ids, parsed.flow_log_id)
                {
                    ignored.note(IgnoredKey::OtherLayout, &listed.id.key);
                }
            }
        }
        Ok(())
    }

    /// Some roots of other layouts, below accounts that are seen without a request.
    async fn other_roots(&mut self, folders: &mut Folders) -> Result<Vec<Root>, StoreError> {
        let others = self.spec.layout.others();
        let mut roots = Vec::new();
        for head in others {
            let mut frontier = vec![(self.base(head), PathNames::default())];
            for depth in 0..head.len() {
                let known = frontier
                    .iter()
                    .all(|(prefix, _)| self.known_children(head, depth, prefix, folders).is_some());
                if !known {
                    frontier = self.some_of(frontier);
                }
                let mut next = Vec::new();
                for (prefix, names) in frontier {
                    let children = match self.known_children(head, depth, &prefix, folders) {
                        Some(children) => children,
                        // What is listed for this alone is not kept: it is to be looked at anew.
                        None => self.children(head, depth, &prefix, &mut Folders::new()).await?,
                    };
                    for segment in children {
                        let Some(found) = head.matches(depth, &segment) else { continue };
                        let account = found.account.or_else(|| names.account.clone());
                        let region = found.region.or_else(|| names.region.clone());
                        if allowed(&self.spec.accounts, account.as_deref())
                            && allowed(&self.spec.regions, region.as_deref())
                        {
                            next.push((format!("{prefix}{segment}/"), PathNames { account, region }));
                        }
                    }
                }
                frontier = next;
            }
            let dates = head.dates();
            let found = self.some_of(frontier).into_iter();
            roots.extend(found.map(|(prefix, names)| Root { prefix, dates: dates.clone(), names }));
        }
        self.other_turn = self.other_turn.wrapping_add(limits::OTHER_LAYOUT_FOLDERS);
        Ok(roots)
    }

    /// Those whose turn it is.
    fn some_of<T>(&self, mut all: Vec<T>) -> Vec<T> {
        let first = self.other_turn.checked_rem(all.len()).unwrap_or(0);
        all.rotate_left(first);
        all.truncate(limits::OTHER_LAYOUT_FOLDERS);
        all
    }
}
