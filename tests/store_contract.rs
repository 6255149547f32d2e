//! What every store promises, asked of each of them: complete listings in byte order, exact bytes, pinned reads.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use flowcost_exporter::{
    model::Listed,
    store::{FailureReason, ListRequest, ObjectStore, Operation, Page, local::LocalStore},
};
use tempfile::TempDir;

use crate::support::{events::Recorder, s3::S3Server};

/// A place to put objects, and what their keys begin with there.
enum Backend {
    S3(S3Server),
    Local { folder: TempDir, puts: AtomicU64 },
}

impl Backend {
    async fn all() -> [Self; 2] {
        let server = S3Server::start().await;
        server.create_bucket("logs");
        let folder = tempfile::tempdir().expect("a temporary folder");
        [Self::S3(server), Self::Local { folder, puts: AtomicU64::new(0) }]
    }

    fn base(&self) -> String {
        match self {
            Self::S3(_) => "base/".to_owned(),
            Self::Local { folder, .. } => {
                format!("{}/", folder.path().to_str().expect("UTF-8").trim_start_matches('/'))
            }
        }
    }

    fn put(&self, key: &str, content: &'static [u8]) {
        match self {
            Self::S3(server) => drop(server.put("logs", &format!("base/{key}"), content)),
            Self::Local { folder, puts } => {
                let path = folder.path().join(key);
                fs::create_dir_all(path.parent().expect("it has one")).unwrap();
                fs::write(&path, content).unwrap();
                let at = UNIX_EPOCH + Duration::from_secs(puts.fetch_add(1, Ordering::Relaxed));
                File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
            }
        }
    }

    fn delete(&self, key: &str) {
        match self {
            Self::S3(server) => server.delete("logs", &format!("base/{key}")),
            Self::Local { folder, .. } => fs::remove_file(folder.path().join(key)).unwrap(),
        }
    }

    async fn store(&self, page_keys: usize, recorder: &Recorder) -> Box<dyn ObjectStore> {
        match self {
            Self::S3(server) => {
                server.set_page_size(page_keys);
                Box::new(server.store("logs", recorder.observer()).await)
            }
            Self::Local { folder, .. } => {
                let root = folder.path().to_str().expect("UTF-8");
                Box::new(LocalStore::with_page_keys("test".into(), root, recorder.observer(), page_keys))
            }
        }
    }

    /// A store whose bucket or root folder is not there.
    async fn missing(&self) -> Box<dyn ObjectStore> {
        let observer = Recorder::new().observer();
        match self {
            Self::S3(server) => Box::new(server.store("no-such-bucket", observer).await),
            Self::Local { folder, .. } => {
                let root: PathBuf = folder.path().join("no-such-folder");
                Box::new(LocalStore::new("test".into(), root.to_str().expect("UTF-8"), observer))
            }
        }
    }
}

/// All pages of a listing, with every promise about a single page checked.
async fn pages(store: &dyn ObjectStore, request: ListRequest<'_>, page_keys: usize) -> (Page, usize) {
    let (mut all, mut count) = (Page::default(), 0);
    let mut token: Option<String> = None;
    loop {
        let page = store.list(ListRequest { page: token.as_deref(), ..request }).await.expect("a page");
        assert!(page.objects.len() + page.prefixes.len() <= page_keys, "{page:?}");
        all.objects.extend(page.objects);
        all.prefixes.extend(page.prefixes);
        count += 1;
        match page.next {
            Some(next) => assert_ne!(token.replace(next.clone()), Some(next), "paging stands still"),
            None => return (all, count),
        }
    }
}

fn request<'a>(prefix: &'a str, start_after: Option<&'a str>, delimited: bool) -> ListRequest<'a> {
    ListRequest { prefix, start_after, delimited, page: None }
}

async fn only_object(store: &dyn ObjectStore, prefix: &str) -> Listed {
    let page = store.list(request(prefix, None, false)).await.expect("a page");
    let [object] = &page.objects[..] else { panic!("not one object: {page:?}") };
    object.clone()
}

/// Keys whose order is easily got wrong: a folder sorts as its name with a slash.
const KEYS: [&str; 15] = [
    "AWSLogs/1/a.parquet",
    "AWSLogs/10/a.parquet",
    "AWSLogs/2/deep/er/file",
    "a b+c%41&d=e",
    "a-b/1",
    "a.b",
    "a/1",
    "a/10",
    "a/b/c",
    "a/b/d",
    "a0",
    "ab/1",
    "é/ü",
    "z",
    "zz/<&>\"'",
];

#[tokio::test]
async fn listing_is_complete_and_in_byte_order() {
    for backend in Backend::all().await {
        for key in KEYS {
            backend.put(key, b"x");
        }
        let base = backend.base();
        let keys: BTreeSet<String> = KEYS.iter().map(|key| format!("{base}{key}")).collect();
        for page_keys in [1, 2, 3, 7, 1_000] {
            let store = backend.store(page_keys, &Recorder::new()).await;
            let afters = KEYS.into_iter().chain(["", "a/", "a/b", "a/b/", "a/zzz", "a!", "zz/~", "~"]);
            for after in afters.map(|after| format!("{base}{after}")) {
                for prefix in ["", "a", "a/", "a/b/", "AWSLogs/1", "AWSLogs/1/", "nothing/", "zz/<"] {
                    let prefix = format!("{base}{prefix}");
                    let (page, _) =
                        pages(&*store, request(&prefix, Some(after.as_str()), false), page_keys).await;
                    let found: Vec<&String> = page.objects.iter().map(|object| &object.id.key).collect();
                    let expected: Vec<&String> =
                        keys.iter().filter(|key| key.starts_with(&prefix) && **key > after).collect();
                    assert_eq!(found, expected, "prefix {prefix}, after {after}, pages of {page_keys}");
                    assert_eq!(page.prefixes, Vec::<String>::new());
                }
            }
        }
    }
}

#[tokio::test]
async fn delimited_listing_gives_each_next_segment_once() {
    for backend in Backend::all().await {
        for key in KEYS {
            backend.put(key, b"x");
        }
        let base = backend.base();
        for page_keys in [1, 2, 3, 1_000] {
            let store = backend.store(page_keys, &Recorder::new()).await;
            for prefix in ["", "a", "a/", "a/b", "AWSLogs/", "AWSLogs/1", "nothing/"] {
                let (mut objects, mut folders) = (BTreeSet::new(), BTreeSet::new());
                for rest in KEYS.iter().filter_map(|key| key.strip_prefix(prefix)) {
                    match rest.split_once('/') {
                        Some((segment, _)) => folders.insert(format!("{base}{prefix}{segment}/")),
                        None => objects.insert(format!("{base}{prefix}{rest}")),
                    };
                }
                let prefix = format!("{base}{prefix}");
                let (page, _) = pages(&*store, request(&prefix, None, true), page_keys).await;
                let found: Vec<String> = page.objects.into_iter().map(|object| object.id.key).collect();
                assert_eq!(found, Vec::from_iter(objects), "objects below {prefix}, pages of {page_keys}");
                assert_eq!(page.prefixes, Vec::from_iter(folders), "below {prefix}, pages of {page_keys}");
            }
        }
    }
}

#[tokio::test]
async fn every_request_is_one_event_and_pages_are_full() {
    for backend in Backend::all().await {
        for key in ["1", "2", "3", "4", "5"] {
            backend.put(key, b"x");
        }
        let recorder = Recorder::new();
        let store = backend.store(2, &recorder).await;
        let (page, count) = pages(&*store, request(&backend.base(), None, false), 2).await;
        assert_eq!((page.objects.len(), count), (5, 3));
        store.get(&page.objects[0], None).await.expect("its bytes");
        let list = (Operation::List, None);
        assert_eq!(recorder.store_requests(), [list, list, list, (Operation::Get, None)]);
    }
}

#[tokio::test]
async fn get_returns_exactly_the_bytes_asked_for() {
    for backend in Backend::all().await {
        backend.put("a", b"0123456789");
        let store = backend.store(1_000, &Recorder::new()).await;
        let object = only_object(&*store, &backend.base()).await;
        assert_eq!(object.size, 10);
        assert!(object.version.is_some());
        for (range, expected) in [
            (None, &b"0123456789"[..]),
            (Some(0..10), b"0123456789"),
            (Some(0..1), b"0"),
            (Some(3..7), b"3456"),
            (Some(9..10), b"9"),
            (Some(4..4), b""),
        ] {
            assert_eq!(store.get(&object, range.clone()).await.expect("bytes"), expected, "{range:?}");
        }
        let unversioned = Listed { version: None, ..object.clone() };
        assert_eq!(store.get(&unversioned, Some(3..7)).await.expect("bytes"), &b"3456"[..]);
        let error = store.get(&object, Some(5..11)).await.expect_err("it has only 10 bytes");
        assert_eq!(error.reason, FailureReason::Other);
    }
}

#[tokio::test]
async fn empty_objects_are_read_as_such() {
    for backend in Backend::all().await {
        backend.put("empty", b"");
        let store = backend.store(1_000, &Recorder::new()).await;
        let object = only_object(&*store, &backend.base()).await;
        assert_eq!(object.size, 0);
        assert_eq!(store.get(&object, None).await.expect("no bytes"), &b""[..]);
    }
}

#[tokio::test]
async fn replaced_objects_are_changed_and_never_a_mixture() {
    for backend in Backend::all().await {
        backend.put("a", b"old content");
        let store = backend.store(1_000, &Recorder::new()).await;
        let listed = only_object(&*store, &backend.base()).await;
        backend.put("a", b"new content");
        for range in [None, Some(0..3)] {
            let error = store.get(&listed, range).await.expect_err("the version is another");
            assert_eq!(error.reason, FailureReason::Changed);
        }
        let relisted = only_object(&*store, &backend.base()).await;
        assert_ne!(relisted.version, listed.version);
        assert_eq!(store.get(&relisted, None).await.expect("bytes"), &b"new content"[..]);

        // Without a version, another size gives it away.
        let unversioned = Listed { version: None, ..relisted };
        backend.put("a", b"a longer content");
        for range in [None, Some(0..3)] {
            let error = store.get(&unversioned, range).await.expect_err("the size is another");
            assert_eq!(error.reason, FailureReason::Changed);
        }
    }
}

#[tokio::test]
async fn missing_things_are_not_found() {
    for backend in Backend::all().await {
        backend.put("a", b"x");
        let store = backend.store(1_000, &Recorder::new()).await;
        let listed = only_object(&*store, &backend.base()).await;
        backend.delete("a");
        let error = store.get(&listed, None).await.expect_err("it is gone");
        assert_eq!(error.reason, FailureReason::NotFound);

        let missing = backend.missing().await;
        let error = missing.list(request(&backend.base(), None, false)).await.expect_err("no bucket");
        assert_eq!(error.reason, FailureReason::NotFound);
        // An object whose whole store is away is not gone.
        let mut elsewhere = listed.clone();
        elsewhere.id.key = format!("{}no-such-folder/a", backend.base());
        let error = missing.get(&elsewhere, None).await.expect_err("no bucket");
        assert_eq!(error.reason, FailureReason::Other);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn local_folders_hide_what_is_no_object() {
    use std::os::unix::{ffi::OsStrExt as _, fs::symlink};

    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    let write = |path: &Path| {
        fs::create_dir_all(path.parent().expect("it has one")).unwrap();
        fs::write(path, b"x").unwrap();
    };
    for hidden in [".a", ".git/a", "a.tmp", "b.parquet.part", "c.part/a"] {
        write(&root.join(hidden));
    }
    write(&root.join(std::ffi::OsStr::from_bytes(b"not-\xff-utf8")));
    write(&root.join("2025/12/a.parquet"));
    symlink(root, root.join("2025/12/back")).unwrap();
    symlink(root.join("2025/12/self"), root.join("2025/12/self")).unwrap();
    symlink(root.join("nowhere"), root.join("dangling")).unwrap();
    symlink(root.join("2025/12/a.parquet"), root.join("2025/12/link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let mut deep = root.to_owned();
    deep.extend(vec!["d"; 40]);
    write(&deep.join("too-deep"));

    let root = root.to_str().expect("UTF-8");
    let store = LocalStore::new("test".into(), root, Recorder::new().observer());
    let page = store.list(request(&format!("{}/", &root[1..]), None, false)).await.expect("a page");
    let found: Vec<String> = page.objects.iter().map(|object| object.id.to_string()).collect();
    assert_eq!(found, ["a.parquet", "link"].map(|name| format!("file://{root}/2025/12/{name}")));
    assert_eq!(page.next, None);
    assert_eq!(store.get(&page.objects[1], None).await.expect("bytes"), &b"x"[..]);
}
