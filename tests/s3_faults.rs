//! What S3 does on a bad day: every fault ends in exact bytes or in a named error, and every request is counted.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use flowcost_exporter::{
    limits,
    model::{Listed, ObjectId},
    store::{
        FailureReason, ListRequest, ObjectStore, Operation, Page, Patience, StoreError, chain, s3::S3Store,
    },
};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::support::{
    events::Recorder,
    exporter::PATIENCE,
    s3::{Fault, RequestInfo, S3Server, SECRET_KEY, connect},
};

const BUCKET: &str = "logs";
const KEY: &str = "AWSLogs/a.parquet";

/// A server with one object, a store on it and what the store said.
struct Scene {
    server: S3Server,
    store: S3Store,
    recorder: Recorder,
    content: Bytes,
    object: Listed,
}

impl Scene {
    async fn new() -> Self {
        Self::with_deadlines(|_| ()).await
    }

    async fn with_deadlines(change: impl FnOnce(&mut Patience)) -> Self {
        let server = S3Server::start().await;
        let content: Bytes = (0..300_000u32).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
        let tag = server.put(BUCKET, KEY, content.clone());
        let recorder = Recorder::new();
        let mut options = server.options(BUCKET, recorder.observer());
        change(&mut options.patience);
        let store = connect(options, SECRET_KEY).await;
        let object = Listed {
            id: ObjectId { bucket: Arc::from("s3://logs"), key: KEY.to_owned() },
            size: content.len() as u64,
            version: Some(tag),
        };
        Self { server, store, recorder, content, object }
    }

    async fn list(&self) -> Result<Page, StoreError> {
        let request = ListRequest { prefix: "", start_after: None, delimited: false, page: None };
        in_time(self.store.list(request)).await
    }

    async fn get(&self) -> Result<Bytes, StoreError> {
        in_time(self.store.get(&self.object, None)).await
    }

    /// The ends of the requests so far; there were as many as the server saw.
    fn ends(&self, operation: Operation) -> Vec<Option<FailureReason>> {
        let requests = self.recorder.store_requests();
        let ends: Vec<_> = requests.iter().filter(|(of, _)| *of == operation).map(|(_, end)| *end).collect();
        assert_eq!(ends.len() as u64, self.server.requests(operation), "requests told and seen");
        ends
    }

    fn gets(&self) -> Vec<RequestInfo> {
        self.server.log().into_iter().filter(|request| request.operation == Operation::Get).collect()
    }
}

/// Whatever the server does, a request ends: one that has no bound fails here.
async fn in_time<T>(request: impl Future<Output = T>) -> T {
    timeout(PATIENCE, request).await.expect("the end of the request: it has no bound")
}

#[tokio::test]
async fn passing_faults_are_tried_again() {
    for (fault, reason) in [
        (Fault::Throttle, FailureReason::Throttled),
        (Fault::InternalError, FailureReason::Server),
        (Fault::Answer(502, "<html>Bad gateway</html>".to_owned()), FailureReason::Server),
        (Fault::Answer(503, String::new()), FailureReason::Throttled),
        (Fault::Reset, FailureReason::Network),
    ] {
        let scene = Scene::new().await;
        let faults = || [fault.clone(), fault.clone()];
        scene.server.set_faults(Operation::List, faults());
        assert_eq!(scene.list().await.expect("the third try").objects, std::slice::from_ref(&scene.object));
        assert_eq!(scene.ends(Operation::List), [Some(reason), Some(reason), None], "{fault:?}");

        scene.server.set_faults(Operation::Get, faults());
        assert_eq!(scene.get().await.expect("the third try"), scene.content);
        assert_eq!(scene.ends(Operation::Get), [Some(reason), Some(reason), None], "{fault:?}");
    }
}

#[tokio::test]
async fn attempts_are_limited() {
    let scene = Scene::new().await;
    scene.server.set_fault(|_| Some(Fault::Throttle));
    assert_eq!(scene.get().await.expect_err("always").reason, FailureReason::Throttled);
    assert_eq!(scene.list().await.expect_err("always").reason, FailureReason::Throttled);
    assert_eq!(scene.ends(Operation::Get).len(), limits::STORE_ATTEMPTS as usize);
    assert_eq!(scene.ends(Operation::List).len(), limits::STORE_ATTEMPTS as usize);
}

#[tokio::test]
async fn lasting_faults_are_not_tried_again() {
    for (fault, reason) in [
        (Fault::AccessDenied, FailureReason::Denied),
        (Fault::ExpiredToken, FailureReason::Denied),
        (Fault::NoSuchKey, FailureReason::NotFound),
        (Fault::Archived, FailureReason::Archived),
        (Fault::Answer(404, "<html>No such page</html>".to_owned()), FailureReason::Other),
        (Fault::Answer(412, String::new()), FailureReason::Changed),
        (Fault::Answer(301, String::new()), FailureReason::Other),
    ] {
        let scene = Scene::new().await;
        scene.server.set_fault(move |_| Some(fault.clone()));
        let error = scene.get().await.expect_err("it cannot succeed");
        assert_eq!(error.reason, reason, "{}", chain(&error));
        assert_eq!(scene.ends(Operation::Get), [Some(reason)]);
    }
}

#[tokio::test]
async fn a_broken_range_goes_on_where_it_stopped() {
    let scene = Scene::new().await;
    scene.server.set_faults(Operation::Get, [Fault::ResetMidBody(100_000), Fault::ShortBody(50_000)]);
    let bytes = scene.store.get(&scene.object, Some(10_000..290_000)).await.expect("the third try");
    assert!(bytes == scene.content[10_000..290_000], "not the bytes asked for");
    let network = Some(FailureReason::Network);
    assert_eq!(scene.ends(Operation::Get), [network, network, None]);
    let gets = scene.gets();
    let starts: Vec<u64> = gets.iter().map(|get| range_start(get).expect("a range")).collect();
    assert_eq!(starts[0], 10_000);
    assert!(starts[0] < starts[1] && starts[1] < starts[2], "nothing was kept: {starts:?}");
    assert!(gets.iter().all(|get| get.if_match == scene.object.version), "a part was not pinned");
}

fn range_start(get: &RequestInfo) -> Option<u64> {
    get.range.as_deref()?.strip_prefix("bytes=")?.split_once('-')?.0.parse().ok()
}

#[tokio::test]
async fn a_broken_whole_object_is_read_anew_so_that_its_checksum_holds() {
    for fault in [Fault::ResetMidBody(200_000), Fault::ShortBody(200_000), Fault::FlipByte(299_999)] {
        let scene = Scene::new().await;
        scene.server.set_faults(Operation::Get, [fault]);
        assert!(scene.get().await.expect("the second try") == scene.content, "not the bytes of the object");
        assert_eq!(scene.ends(Operation::Get), [Some(FailureReason::Network), None]);
        assert!(scene.gets().iter().all(|get| get.range.is_none() && get.if_match == scene.object.version));
    }
}

#[tokio::test]
async fn an_object_replaced_between_two_parts_is_changed() {
    let scene = Scene::new().await;
    let other = Bytes::from(vec![0; scene.content.len()]);
    scene.server.set_faults(Operation::Get, [Fault::ResetMidBody(100_000), Fault::Replace(other)]);
    let error = scene.store.get(&scene.object, Some(0..290_000)).await.expect_err("half old, half new");
    assert_eq!(error.reason, FailureReason::Changed, "{}", chain(&error));
    assert_eq!(scene.ends(Operation::Get), [Some(FailureReason::Network), Some(FailureReason::Changed)]);
}

#[tokio::test]
async fn wrong_lengths_are_errors() {
    for announced in [299_999, 300_001, 0] {
        let scene = Scene::new().await;
        scene.server.set_fault(move |_| Some(Fault::WrongContentLength(announced)));
        let error = scene.get().await.expect_err("the length is another");
        assert_eq!(error.reason, FailureReason::Other, "{announced}: {}", chain(&error));
    }
    // Cut short without a word about the length, every time.
    let scene = Scene::new().await;
    scene.server.set_fault(|_| Some(Fault::ShortBody(299_999)));
    assert_eq!(scene.get().await.expect_err("always short").reason, FailureReason::Network);
}

/// Long enough for a request to arrive on a busy machine.
const SHORT: Duration = Duration::from_millis(400);

#[tokio::test]
async fn silence_and_dripping_end_as_timeouts() {
    type Case = (Fault, fn(&mut Patience), usize);
    let drip = Fault::Drip(Duration::from_millis(10));
    let attempts = limits::STORE_ATTEMPTS as usize;
    let cases: [Case; 5] = [
        // Every attempt has its limit ...
        (Fault::Hang, |patience| patience.answer = SHORT, attempts),
        (Fault::HangMidBody(1_000), |patience| patience.stall = SHORT, attempts),
        (drip.clone(), |patience| patience.stall = SHORT, attempts),
        // ... and all of them together have one.
        (Fault::Hang, |patience| patience.object = SHORT, 1),
        (drip, |patience| patience.object = SHORT, 1),
    ];
    join_all(cases.map(async |(fault, deadlines, attempts)| {
        let scene = Scene::with_deadlines(deadlines).await;
        let spoiled = fault.clone();
        scene.server.set_fault(move |_| Some(spoiled.clone()));
        assert_eq!(scene.get().await.expect_err("no end").reason, FailureReason::Timeout, "{fault:?}");
        assert_eq!(scene.ends(Operation::Get), vec![Some(FailureReason::Timeout); attempts], "{fault:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_silent_listing_ends_as_timeout() {
    let scene = Scene::with_deadlines(|patience| patience.list = SHORT).await;
    scene.server.set_fault(|_| Some(Fault::Hang));
    assert_eq!(scene.list().await.expect_err("no end").reason, FailureReason::Timeout);
    assert_eq!(scene.ends(Operation::List), [Some(FailureReason::Timeout)]);
}

#[tokio::test]
async fn a_listing_is_never_part_of_one() {
    let cut = |keys: &str, rest: &str| {
        format!(
            "<ListBucketResult><KeyCount>2</KeyCount>{rest}<Contents><Key>{keys}</Key><Size>1</Size></Contents>"
        )
    };
    let truncated = "<IsTruncated>true</IsTruncated>";
    for (fault, reason) in [
        (Fault::BadXml, FailureReason::Other),
        (Fault::Answer(200, String::new()), FailureReason::Other),
        // Breaks off between two keys: the count says so.
        (Fault::Answer(200, cut("a", "<IsTruncated>false</IsTruncated>")), FailureReason::Other),
        // Says that there is more, but not where.
        (
            Fault::Answer(200, cut("a", truncated).replace(">2<", ">1<") + "</ListBucketResult>"),
            FailureReason::Other,
        ),
        // Does not say whether there is more.
        (
            Fault::Answer(200, cut("a", "").replace(">2<", ">1<") + "</ListBucketResult>"),
            FailureReason::Other,
        ),
        (Fault::NoSuchKey, FailureReason::NotFound),
        (Fault::AccessDenied, FailureReason::Denied),
    ] {
        let scene = Scene::new().await;
        let name = format!("{fault:?}");
        scene.server.set_fault(move |_| Some(fault.clone()));
        let error = scene.list().await.expect_err(&name);
        assert_eq!(error.reason, reason, "{name}: {}", chain(&error));
        assert_eq!(scene.ends(Operation::List), [Some(reason)], "{name}");
    }
    let scene = Scene::new().await;
    scene.server.set_faults(Operation::List, [Fault::ResetMidBody(100)]);
    assert_eq!(scene.list().await.expect("the second try").objects.len(), 1);
    assert_eq!(scene.ends(Operation::List), [Some(FailureReason::Network), None]);
}

#[tokio::test]
async fn odd_keys_and_missing_etags_survive() {
    let scene = Scene::new().await;
    let odd = ["bell\u{7}/a", "new\nline", "plus+space %2B", "ü/日本"];
    for key in odd {
        scene.server.put(BUCKET, key, key.as_bytes().to_vec());
    }
    scene.server.hide_etags();
    let objects = scene.list().await.expect("a page").objects;
    assert_eq!(objects.len(), odd.len() + 1);
    assert!(objects.iter().all(|object| object.version.is_none()));
    for object in objects.iter().filter(|object| object.id.key != KEY) {
        let bytes = scene.store.get(object, None).await.expect("its bytes");
        assert_eq!(bytes, object.id.key.as_bytes());
    }
    // Nothing to pin a second part to: it starts over.
    scene.server.set_faults(Operation::Get, [Fault::ResetMidBody(100_000)]);
    let unpinned = Listed { version: None, ..scene.object.clone() };
    let bytes = scene.store.get(&unpinned, Some(0..290_000)).await.expect("the second try");
    assert!(bytes == scene.content[..290_000], "not the bytes asked for");
    assert_eq!(range_start(scene.gets().last().expect("there were some")), Some(0));
}

#[tokio::test]
async fn a_wrong_secret_is_denied_and_not_repeated_to_anyone() {
    let server = S3Server::start().await;
    server.create_bucket(BUCKET);
    let recorder = Recorder::new();
    let options = server.options(BUCKET, recorder.observer());
    let store = connect(options, "a-secret-that-nobody-may-see").await;
    let request = ListRequest { prefix: "", start_after: None, delimited: false, page: None };
    let error = store.list(request).await.expect_err("the signature is wrong");
    assert_eq!(error.reason, FailureReason::Denied, "{}", chain(&error));
    let text = format!("{} {error:?}", chain(&error));
    assert!(!text.contains("a-secret") && !text.contains("Signature="), "{text}");
    assert_eq!(recorder.store_requests(), [(Operation::List, Some(FailureReason::Denied))]);
}

#[tokio::test]
async fn a_closed_port_is_a_network_fault() {
    let server = S3Server::start().await;
    let recorder = Recorder::new();
    let store = server.store(BUCKET, recorder.observer()).await;
    drop(server);
    let request = ListRequest { prefix: "", start_after: None, delimited: false, page: None };
    let error = store.list(request).await.expect_err("nobody listens");
    assert_eq!(error.reason, FailureReason::Network, "{}", chain(&error));
    let failed = (Operation::List, Some(FailureReason::Network));
    assert_eq!(recorder.store_requests(), vec![failed; limits::STORE_ATTEMPTS as usize]);
}
