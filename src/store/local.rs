//! Objects as files: a synced folder, a test, the demo. Same rules as S3: keys in byte order, sets of keys, pinned
//! reads.
//!
//! Refuses to know why a file is there. An object is a regular file below the root, at most
//! [`limits::LOCAL_DEPTH`] folders deep, whose path is UTF-8 and none of whose names begins with a dot or ends in
//! `.tmp` or `.part`; writers rename into place. Links to files and folders are followed, links back to an enclosing
//! folder are not. A page holds one folder's worth of names at most, and of those only the ones it may need.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{sync::Semaphore, time::timeout};

use super::{
    Failure, FailureReason, ListRequest, ObjectStore, Operation, Page, Patience, StoreError, spare::Spare,
};
use crate::{
    event::{Event, Observer},
    limits,
    model::{Listed, ObjectId},
};

/// What object ids of files have for a bucket.
pub const BUCKET: &str = "file://";

/// One folder with all that is below it.
pub struct LocalStore {
    source: Arc<str>,
    observer: Observer,
    root: Arc<Root>,
    /// One for each thread that is in the file system, or stuck there.
    threads: Arc<Semaphore>,
    patience: Patience,
}

struct Root {
    bucket: Arc<str>,
    path: PathBuf,
    /// What every key begins with, up to and including the slash after the root's name.
    prefix: String,
    page_keys: usize,
    spare: Spare,
}

impl LocalStore {
    /// A store of the files below `root`, an absolute path in UTF-8. Does no I/O: a missing root shows in the first
    /// request, as [`FailureReason::NotFound`].
    pub fn new(source: Arc<str>, root: &str, observer: Observer) -> Self {
        Self::with_page_keys(source, root, observer, usize::try_from(limits::LIST_PAGE_KEYS).unwrap_or(1))
    }

    /// The same with pages of another size, which has to be at least 1.
    pub fn with_page_keys(source: Arc<str>, root: &str, observer: Observer, page_keys: usize) -> Self {
        let trimmed = root.trim_matches('/');
        let prefix = if trimmed.is_empty() { String::new() } else { format!("{trimmed}/") };
        let path = PathBuf::from(format!("/{trimmed}"));
        let spare = Spare::default();
        let root = Root { bucket: BUCKET.into(), path, prefix, page_keys: page_keys.max(1), spare };
        let threads = Arc::new(Semaphore::new(limits::LOCAL_REQUESTS));
        Self { source, observer, root: Arc::new(root), threads, patience: Patience::default() }
    }

    /// Runs one request where it may block, but does not wait for ever, and tells of it.
    async fn request<T: Send + 'static>(
        &self,
        operation: Operation,
        target: String,
        work: impl FnOnce(&Root) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (root, threads) = (Arc::clone(&self.root), Arc::clone(&self.threads));
        let deadline = match operation {
            Operation::List => self.patience.list,
            Operation::Get => self.patience.object,
        };
        let request = async move {
            // Kept until the thread comes back, also when nobody waits for it any more.
            let permit = threads.acquire_owned().await;
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                work(&root)
            })
            .await
            .unwrap_or_else(|error| Err(Failure::new(FailureReason::Other, error.to_string())))
        };
        let result = timeout(deadline, request).await.unwrap_or_else(|_| {
            Err(Failure::new(
                FailureReason::Timeout,
                format!("the folder did not answer within {deadline:?}"),
            ))
        });
        let failure = result.as_ref().err().map(|failure| failure.reason);
        (self.observer)(&Event::StoreRequest { source: Arc::clone(&self.source), operation, failure });
        result.map_err(|failure| failure.into_error(operation, target))
    }
}

#[async_trait]
impl ObjectStore for LocalStore {
    async fn list(&self, request: ListRequest<'_>) -> Result<Page, StoreError> {
        let prefix = request.prefix.to_owned();
        let after = request.page.max(request.start_after).unwrap_or_default().to_owned();
        let delimited = request.delimited;
        let target = format!("{BUCKET}/{prefix}");
        self.request(Operation::List, target, move |root| root.list(&prefix, after, delimited)).await
    }

    async fn get(&self, object: &Listed, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
        let (object, target) = (object.clone(), object.id.to_string());
        self.request(Operation::Get, target, move |root| root.get(&object, range)).await
    }
}

impl Root {
    fn list(&self, prefix: &str, after: String, delimited: bool) -> Result<Page, Failure> {
        let metadata = fs::metadata(&self.path).map_err(|error| failure_of(&self.path, &error))?;
        if !metadata.is_dir() {
            return Err(Failure::new(FailureReason::NotFound, "the root is no folder"));
        }
        let mut walk =
            Walk { root: self, prefix, after, delimited, page: Page::default(), parents: Vec::new() };
        walk.folder(&self.path, &self.prefix, &metadata)?;
        Ok(walk.page)
    }

    fn get(&self, object: &Listed, range: Option<Range<u64>>) -> Result<Bytes, Failure> {
        let range = range.unwrap_or(0..object.size);
        if range.start > range.end || range.end > object.size {
            let detail = format!("range {range:?} of an object of {} bytes", object.size);
            return Err(Failure::new(FailureReason::Other, detail));
        }
        if !object.id.key.starts_with(&self.prefix) {
            return Err(Failure::new(FailureReason::Other, "the file is outside the root"));
        }
        let path = Path::new("/").join(&object.id.key);
        self.read(&path, object, &range).map_err(|error| match error {
            // A file that is not found is settled for good; a folder that is away for a moment must not do that.
            ReadError::Io(error) if error.kind() == io::ErrorKind::NotFound && !self.path.is_dir() => {
                Failure::new(FailureReason::Other, format!("{}: no such folder", self.path.display()))
            }
            ReadError::Io(error) => failure_of(&path, &error),
            ReadError::Changed(detail) => Failure::new(FailureReason::Changed, detail),
        })
    }

    fn read(&self, path: &Path, object: &Listed, range: &Range<u64>) -> Result<Bytes, ReadError> {
        // Before opening: to open a pipe would wait for its writer.
        if !fs::metadata(path)?.is_file() {
            return Err(ReadError::Changed("no regular file any more".to_owned()));
        }
        let mut file = File::open(path)?;
        check_unchanged(object, &file.metadata()?)?;
        file.seek(SeekFrom::Start(range.start))?;
        let length = range.end - range.start;
        // The file has just been seen to be as long as listed.
        let mut lent = self.spare.lend(usize::try_from(length).unwrap_or(0));
        let bytes = lent.bytes();
        file.by_ref().take(length).read_to_end(bytes)?;
        if bytes.len() as u64 != length {
            return Err(ReadError::Changed(format!("{} bytes instead of {length}", bytes.len())));
        }
        // Nobody overwrote it under the reader's eyes, either.
        check_unchanged(object, &file.metadata()?)?;
        Ok(lent.freeze())
    }
}

enum ReadError {
    Io(io::Error),
    Changed(String),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn check_unchanged(object: &Listed, metadata: &Metadata) -> Result<(), ReadError> {
    let version = version_of(metadata);
    if metadata.len() != object.size || object.version.as_ref().is_some_and(|listed| *listed != version) {
        let listed = object.version.as_deref().unwrap_or("unknown");
        return Err(ReadError::Changed(format!("version {version} instead of {listed}")));
    }
    Ok(())
}

/// Modification time in nanoseconds since 1970, and size.
fn version_of(metadata: &Metadata) -> String {
    let nanos = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    format!("{nanos}-{}", metadata.len())
}

fn failure_of(path: &Path, error: &io::Error) -> Failure {
    let reason = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FailureReason::NotFound,
        io::ErrorKind::PermissionDenied => FailureReason::Denied,
        io::ErrorKind::TimedOut => FailureReason::Timeout,
        _ => FailureReason::Server,
    };
    Failure::new(reason, format!("{}: {error}", path.display()))
}

/// Errors that say that an entry went away, or never led anywhere: the entry is skipped.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// One page under way. Keys come in byte order because a folder sorts as its name with a slash.
struct Walk<'a> {
    root: &'a Root,
    prefix: &'a str,
    /// Keys up to and including this one are not wanted.
    after: String,
    delimited: bool,
    page: Page,
    /// Device and inode of the folders from the root to the one being read.
    parents: Vec<(u64, u64)>,
}

impl Walk<'_> {
    /// Adds what a folder has; `true` when the page is full.
    fn folder(&mut self, path: &Path, key: &str, metadata: &Metadata) -> Result<bool, Failure> {
        let identity = (metadata.dev(), metadata.ino());
        if self.parents.contains(&identity) || self.parents.len() > limits::LOCAL_DEPTH {
            return Ok(false);
        }
        self.parents.push(identity);
        let full = self.entries(path, key);
        self.parents.pop();
        full
    }

    fn entries(&mut self, path: &Path, key: &str) -> Result<bool, Failure> {
        let mut done = String::new();
        loop {
            let (batch, more) = match self.next_entries(path, key, &done) {
                Ok(found) => found,
                Err(error) if is_gone(&error) => return Ok(false),
                Err(error) => return Err(failure_of(path, &error)),
            };
            for (name, metadata) in batch {
                if self.entry(&path.join(name.trim_end_matches('/')), &format!("{key}{name}"), &metadata)? {
                    return Ok(true);
                }
                done = name;
            }
            if !more {
                return Ok(false);
            }
        }
    }

    /// Adds a file, or a folder (its key ends in a slash); `true` when the page is full.
    fn entry(&mut self, path: &Path, key: &str, metadata: &Metadata) -> Result<bool, Failure> {
        let is_folder = key.ends_with('/');
        if is_folder && !self.is_cut(key) {
            return self.folder(path, key, metadata);
        }
        if self.page.objects.len() + self.page.prefixes.len() == self.root.page_keys {
            let last_object = self.page.objects.last().map(|object| object.id.key.as_str());
            let last_prefix = self.page.prefixes.last().map(String::as_str);
            self.page.next = last_object.max(last_prefix).map(str::to_owned);
            return Ok(true);
        }
        if is_folder {
            self.page.prefixes.push(key.to_owned());
        } else {
            self.page.objects.push(Listed {
                id: ObjectId { bucket: Arc::clone(&self.root.bucket), key: key.to_owned() },
                size: metadata.len(),
                version: Some(version_of(metadata)),
            });
        }
        Ok(false)
    }

    /// The first wanted entries of a folder after `done`, folders with a slash, and whether there are more. Bounded:
    /// no more than fill a page, however many files there are.
    fn next_entries(
        &self,
        path: &Path,
        key: &str,
        done: &str,
    ) -> io::Result<(BTreeMap<String, Metadata>, bool)> {
        let mut first: BTreeMap<String, Metadata> = BTreeMap::new();
        let room = self.root.page_keys + 1;
        let mut more = false;
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let hidden = name.starts_with('.') || name.ends_with(".tmp") || name.ends_with(".part");
            if hidden || !self.may_want(key, &name) {
                continue;
            }
            if first.len() == room && first.last_key_value().is_some_and(|(last, _)| name > *last) {
                more = true;
                continue;
            }
            let metadata = match fs::metadata(entry.path()) {
                Ok(metadata) => metadata,
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(error),
            };
            let name = match metadata.file_type() {
                kind if kind.is_dir() => name + "/",
                kind if kind.is_file() => name,
                _ => continue,
            };
            if name.as_str() > done && self.wants(&format!("{key}{name}")) {
                first.insert(name, metadata);
            }
            if first.len() > room {
                first.pop_last();
                more = true;
            }
        }
        Ok((first, more))
    }

    /// Whether the answer has a folder as a prefix, and nothing of what is in it.
    fn is_cut(&self, folder: &str) -> bool {
        self.delimited && folder.len() > self.prefix.len() && folder.starts_with(self.prefix)
    }

    /// Whether an entry, file or folder, can have to do with the request: cheap, asked before the file system is.
    fn may_want(&self, folder: &str, name: &str) -> bool {
        let key = format!("{folder}{name}");
        self.wants(&key) || self.wants(&(key + "/"))
    }

    /// Whether a file, or anything in a folder (with its slash), is part of the answer.
    fn wants(&self, key: &str) -> bool {
        if !key.ends_with('/') {
            return key.starts_with(self.prefix) && key > self.after.as_str();
        }
        let below = key.starts_with(self.prefix) || self.prefix.starts_with(key);
        // A folder with the last key in it may have more; a prefix that was the last of a page is done with.
        let on_the_way = self.after.starts_with(key) && !(self.after == key && self.is_cut(key));
        below && (key > self.after.as_str() || on_the_way)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[tokio::test]
    async fn a_folder_that_does_not_answer_takes_so_many_threads_and_no_more() {
        let folder = std::env::temp_dir().display().to_string();
        let mut store = LocalStore::new("test".into(), &folder, Arc::new(|_| {}));
        store.patience.list = Duration::from_millis(50);
        let (held, answers) = (Arc::clone(&store.root), mpsc::channel::<()>());
        let answer = Arc::new(std::sync::Mutex::new(answers.1));
        for asked in 0..limits::LOCAL_REQUESTS + 3 {
            let answer = Arc::clone(&answer);
            let hang = move |_: &Root| {
                // Until the sender is gone.
                let _ = answer.lock().map(|answer| answer.recv());
                Ok(())
            };
            let request = store.request(Operation::List, "x".into(), hang);
            let ended = timeout(Duration::from_secs(60), request).await.expect("it waits without a bound");
            let error = ended.expect_err("no answer");
            assert_eq!(error.reason, FailureReason::Timeout);
            // This function, the store, and one for each thread that is stuck.
            let stuck = Arc::strong_count(&held) - 2;
            assert_eq!(stuck, limits::LOCAL_REQUESTS.min(asked + 1));
        }
        drop(answers.0);
        store.patience.list = Duration::from_secs(60);
        store.request(Operation::List, "x".into(), |_| Ok(())).await.expect("the folder answers again");
    }
}
