//! A first start with a source that cannot be read: the others wait for it so long and no longer.

use std::time::Duration;

use flowcost_exporter::{event::Event, limits, pipeline::Pipeline, store::FailureReason};
use tokio_util::sync::CancellationToken;

use crate::support::{bucket::Bucket, events::Recorder, world::World};

const A: u64 = 111_111_111_111;
const B: u64 = 222_222_222_222;
const WAIT: u64 = limits::FIRST_SCAN_WAIT.as_secs();

/// A source that can be read and one that cannot.
struct Site {
    world: World,
    bad: Bucket,
    recorder: Recorder,
}

impl Site {
    fn new() -> Self {
        let (world, bad) = (World::new(), Bucket::default());
        world.put(A, 1, 1);
        bad.put(&World::key(B, 1, 2), world.content(1, 2));
        bad.deny();
        Self { world, bad, recorder: Recorder::new() }
    }

    fn start(&self) -> Pipeline {
        let sources =
            vec![self.world.source("good", &self.world.bucket), self.world.source("bad", &self.bad)];
        self.world.start_all(sources, self.recorder.observer())
    }

    fn shown(&self) -> bool {
        self.world.last().first_scan_complete
    }

    fn left_behind(&self) -> Vec<(String, Option<FailureReason>)> {
        let behind = |event| match event {
            Event::SourceLeftBehind { source, reason, .. } => Some((source.to_string(), reason)),
            _ => None,
        };
        self.recorder.events().into_iter().filter_map(behind).collect()
    }

    fn joined(&self) -> usize {
        self.recorder.events().iter().filter(|event| matches!(event, Event::SourceJoined { .. })).count()
    }
}

async fn poll(site: &Site, pipeline: &mut Pipeline, seconds: u64) {
    site.world.pass(seconds);
    pipeline.cycle(&CancellationToken::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fifteen_minutes_after_the_first_source_the_rest_is_shown_and_the_bad_one_joins_later() {
    let site = Site::new();
    let mut pipeline = site.start();
    poll(&site, &mut pipeline, 0).await;
    assert!(!site.shown());
    poll(&site, &mut pipeline, WAIT - 1).await;
    assert!(!site.shown() && site.left_behind().is_empty());
    poll(&site, &mut pipeline, 1).await;
    assert!(site.shown());
    assert_eq!(site.left_behind(), [("bad".to_owned(), Some(FailureReason::Denied))]);
    assert!(!site.world.last().sources["bad"].is_read());

    // From here on they stay shown, and a new process has them at once.
    drop(pipeline);
    let mut pipeline = site.start();
    assert!(site.shown());
    site.bad.heal();
    poll(&site, &mut pipeline, limits::FIRST_SCAN_RETRY_MAX.as_secs()).await;
    assert!(site.world.last().sources["bad"].is_read());
    assert_eq!((site.left_behind().len(), site.joined()), (1, 1));
    site.world.assert_monotone();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_before_one_source_has_been_read() {
    let site = Site::new();
    site.world.bucket.deny();
    let mut pipeline = site.start();
    for _ in 0..3 {
        poll(&site, &mut pipeline, WAIT).await;
    }
    assert!(!site.shown());
    site.world.bucket.heal();
    site.bad.heal();
    poll(&site, &mut pipeline, WAIT).await;
    assert!(site.shown() && site.left_behind().is_empty() && site.joined() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_objects_are_all_denied_is_left_behind_too() {
    let site = Site::new();
    site.bad.heal();
    site.bad.fail(&World::key(B, 1, 2), FailureReason::Denied);
    let mut pipeline = site.start();
    poll(&site, &mut pipeline, 0).await;
    poll(&site, &mut pipeline, WAIT).await;
    assert!(site.shown());
    assert_eq!(site.left_behind(), [("bad".to_owned(), None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_first_scan_is_tried_again_within_seconds() {
    let site = Site::new();
    let mut pipeline = site.start();
    let retries = || -> Vec<u64> {
        let retry = |event| match event {
            Event::ScanFailed { source, retry_in, .. } => Some((source, retry_in.as_secs())),
            _ => None,
        };
        site.recorder.events().into_iter().filter_map(retry).map(|(_, seconds)| seconds).collect()
    };
    for failures in 1..9 {
        poll(&site, &mut pipeline, limits::FIRST_SCAN_RETRY_MAX.as_secs()).await;
        assert_eq!(retries().len(), failures);
    }
    assert!(retries()[0] < 5, "{:?}", retries());
    assert!(retries().iter().all(|seconds| *seconds <= limits::FIRST_SCAN_RETRY_MAX.as_secs()));
}

/// The loop itself, in real time: the poll interval is a minute, and the second try does not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn the_loop_wakes_for_a_first_scan_and_lists_nothing_else() {
    let site = Site::new();
    let mut pipeline = site.start();
    let stop = CancellationToken::new();
    let own = stop.clone();
    let task = tokio::spawn(async move { pipeline.run(own).await });
    let failures = || {
        let failed = |event: &Event| matches!(event, Event::ScanFailed { .. });
        site.recorder.events().iter().filter(|event| failed(event)).count()
    };
    let polled = || site.world.last().sources["good"].is_read();
    let tries = async {
        while !polled() || failures() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let lists = site.world.bucket.lists();
        // The clock of the test goes ahead of the pause, which is real.
        site.world.pass(5);
        while failures() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        lists
    };
    let lists = tokio::time::timeout(Duration::from_secs(30), tries).await.expect("a second try in seconds");
    assert_eq!(site.world.bucket.lists(), lists);
    stop.cancel();
    task.await.unwrap();
}
