//! The objects of open partitions: found by their hash, and faster by the line that a listing has of them.
//!
//! Who an object is, its [`Digest`] says and nothing else. A full scan asks for every object of the window, though, and
//! nearly all of them are as they were. For these there is a second, cheaper way in: a [`Print`] of bucket and key,
//! together with size and version.
//!
//! A print is 128 bits under a key drawn at random for this process, so that nobody outside can make two keys meet, and
//! by chance among a million it happens once in 10^26 times. Where even that happened, size and version (in S3 the MD5 of
//! the content) would have to be the same as well. Whatever does not agree in all of it is asked for by its digest.

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};

use hashbrown::HashTable;

#[cfg(doc)]
use super::Ledger;
use super::book::{Digest, OpenObject};
use crate::model::{IgnoreReason, Listed, ObjectId, ObjectOutcome, Partition};

/// How far from the place of the one before an object is looked for.
const NEAR: usize = 4;

/// A key under the hash of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print(pub(super) u64, pub(super) u64);

/// The hash of this process. What it makes of an input tells nothing of what it makes of another, so the two halves of a
/// print are those of two inputs.
#[derive(Debug, Clone, Default)]
struct Keyed(RandomState);

/// Keys of one folder: their common beginning has been hashed.
#[derive(Debug, Clone)]
pub(super) struct FolderPrint(DefaultHasher, DefaultHasher);

impl FolderPrint {
    /// Of the object of this folder that has this name.
    pub(super) fn of(&self, name: &str) -> Print {
        let half = |hasher: &DefaultHasher| {
            let mut hasher = hasher.clone();
            hasher.write(name.as_bytes());
            hasher.finish()
        };
        Print(half(&self.0), half(&self.1))
    }
}

#[derive(Debug)]
struct Entry {
    digest: Digest,
    print: Print,
    object: OpenObject,
}

/// A map of [`OpenObject`] by [`Digest`]. Its entries lie in the order in which they came, which is about that of the
/// listings, so that a scan goes through memory from one end to the other.
#[derive(Debug, Default)]
pub(super) struct Objects {
    entries: Vec<Entry>,
    by_digest: HashTable<u32>,
    by_print: HashTable<u32>,
    keyed: Keyed,
}

impl Objects {
    /// Prints of the objects whose keys begin with `prefix`. It is the same print wherever a key is cut.
    pub(super) fn folder(&self, bucket: &str, prefix: &str) -> FolderPrint {
        let half = |number: u64| {
            let mut hasher = self.keyed.0.build_hasher();
            hasher.write_u64(number);
            for part in [bucket.as_bytes(), &[0], prefix.as_bytes()] {
                hasher.write(part);
            }
            hasher
        };
        FolderPrint(half(0), half(1))
    }

    pub(super) fn print(&self, id: &ObjectId) -> Print {
        self.folder(&id.bucket, "").of(&id.key)
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<&OpenObject> {
        self.find(digest).map(|at| &self.entries[at].object)
    }

    /// To change what is known of an object. Who it is stays.
    pub(super) fn get_mut(&mut self, digest: &Digest) -> Option<&mut OpenObject> {
        self.find(digest).map(|at| &mut self.entries[at].object)
    }

    /// The object that a listing has exactly as it was settled: same key, same size, same version. It is looked for near
    /// a place first. `None` says nothing: [`Self::get`] knows.
    pub(super) fn unchanged(
        &self,
        listed: &Listed,
        print: Print,
        near: usize,
    ) -> Option<(usize, &OpenObject)> {
        let at = self.find_print(print, near)?;
        let object = &self.entries[at].object;
        let same = object.size == listed.size
            && object.version.is_some()
            && object.version.as_deref() == listed.version.as_deref();
        same.then_some((at, object))
    }

    /// Objects are read some at a time, so that neighbours in a listing are close to each other here. Looking there first
    /// saves the way through the table, whose places are all over memory.
    fn find_print(&self, print: Print, near: usize) -> Option<usize> {
        let from = near.saturating_sub(NEAR).min(self.entries.len());
        let until = near.saturating_add(NEAR).min(self.entries.len());
        if let Some(after) = self.entries[from..until].iter().position(|entry| entry.print == print) {
            return Some(from + after);
        }
        let found = self.by_print.find(print.0, |at| self.entries[*at as usize].print == print);
        found.map(|at| *at as usize)
    }

    /// Adds or replaces an object.
    pub(super) fn insert(&mut self, digest: Digest, print: Print, object: OpenObject) {
        if let Some(at) = self.find(&digest) {
            self.entries[at].object = object;
            return;
        }
        self.entries.push(Entry { digest, print, object });
        self.index(self.entries.len() - 1);
    }

    /// Adds an object that is not found before [`Self::found`]: tables that grow with every object of a large file would
    /// be made many times over.
    pub(super) fn add(&mut self, digest: Digest, print: Print, object: OpenObject) {
        self.entries.push(Entry { digest, print, object });
    }

    /// Makes found what was added. Of an object that was added twice the last word holds.
    pub(super) fn found(&mut self) {
        self.by_digest = HashTable::with_capacity(self.len());
        self.by_print = HashTable::with_capacity(self.len());
        for at in 0..self.len() {
            if self.find(&self.entries[at].digest).is_some() {
                let all = std::mem::take(self);
                self.keyed = all.keyed.clone();
                return self.extend(all);
            }
            self.index(at);
        }
    }

    /// Adds or replaces all of `others`, in their order.
    pub(super) fn extend(&mut self, others: Self) {
        for Entry { digest, print, object } in others.entries {
            self.insert(digest, print, object);
        }
    }

    /// Drops the objects that do not pass.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Digest, &OpenObject) -> bool) {
        const DROPPED: u32 = u32::MAX;
        let mut kept = 0;
        let mut moved = Vec::with_capacity(self.len());
        self.entries.retain(|entry| {
            let keep = keep(&entry.digest, &entry.object);
            moved.push(if keep { kept } else { DROPPED });
            kept += u32::from(keep);
            keep
        });
        if self.entries.len() == moved.len() {
            return;
        }
        let mut follow = |at: &mut u32| {
            *at = moved[*at as usize];
            *at != DROPPED
        };
        self.by_digest.retain(&mut follow);
        self.by_print.retain(&mut follow);
        if self.entries.len() < self.entries.capacity() / 4 {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        let (entries, keyed) = (&self.entries, &self.keyed);
        self.by_digest.shrink_to_fit(|at| keyed.hash(&entries[*at as usize].digest));
        self.by_print.shrink_to_fit(|at| entries[*at as usize].print.0);
        self.entries.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Digest, &OpenObject)> {
        self.entries.iter().map(|entry| (&entry.digest, &entry.object))
    }

    fn find(&self, digest: &Digest) -> Option<usize> {
        let found =
            self.by_digest.find(self.keyed.hash(digest), |at| self.entries[*at as usize].digest == *digest);
        found.map(|at| *at as usize)
    }

    fn index(&mut self, at: usize) {
        let (entries, keyed) = (&self.entries, &self.keyed);
        let Entry { digest, print, .. } = &entries[at];
        let at = u32::try_from(at).expect("2^32 objects of open partitions would be 300 GB");
        self.by_digest.insert_unique(keyed.hash(digest), at, |at| keyed.hash(&entries[*at as usize].digest));
        self.by_print.insert_unique(print.0, at, |at| entries[*at as usize].print.0);
    }
}

/// Tells of the objects of open partitions that are listed exactly as they were settled, most cheaply when they come
/// folder by folder. Reads memory only.
#[derive(Debug)]
pub struct Unchanged<'a> {
    objects: &'a Objects,
    folder: Option<(Partition, FolderPrint)>,
    /// Where the next one is likely to be.
    next: usize,
}

impl<'a> Unchanged<'a> {
    pub(super) fn of(objects: &'a Objects) -> Self {
        Self { objects, folder: None, next: 0 }
    }

    /// What became of an object of `partition`, if it is in the ledger with the same size and version. `None` says
    /// nothing: [`Ledger::status`] knows.
    pub fn outcome(
        &mut self,
        listed: &Listed,
        partition: &Partition,
    ) -> Option<(ObjectOutcome, Option<IgnoreReason>)> {
        let name = listed.id.key.strip_prefix(&*partition.prefix)?;
        if listed.id.bucket != partition.bucket {
            return None;
        }
        let print = match &self.folder {
            Some((last, folder)) if last == partition => folder.of(name),
            _ => {
                let folder = self.objects.folder(&partition.bucket, &partition.prefix);
                self.folder.insert((partition.clone(), folder)).1.of(name)
            }
        };
        let (at, object) = self.objects.unchanged(listed, print, self.next)?;
        self.next = at + 1;
        Some((object.outcome, object.ignore))
    }
}

impl Keyed {
    /// Where a digest is in the table. Under a key, for digests of names can be chosen.
    fn hash(&self, digest: &Digest) -> u64 {
        self.0.hash_one(digest)
    }
}
