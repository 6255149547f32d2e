//! Bad days of S3, from the listing to the totals: the real store and the real pipeline on a server that fails as
//! told. Whatever it does, once it stops the totals are exact (I1), and meanwhile nothing goes down and nothing else
//! is held up (I2, I4).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use flowcost_exporter::{
    event::Event,
    limits,
    model::ObjectOutcome,
    pipeline::Pipeline,
    store::{FailureReason, Operation, Patience, s3::S3Store},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{
    events::Recorder,
    exporter::PATIENCE,
    s3::{Fault, RequestInfo, S3Server, SECRET_KEY, connect},
    world::{NOON, World},
};

const A: u64 = 111_111_111_111;
const B: u64 = 222_222_222_222;
const BUCKET: &str = "logs";

/// Long for a request on loopback, also on a busy machine; short for a test that waits for it to end.
const SHORT: Duration = Duration::from_millis(400);

/// A world whose objects are on a server.
struct Site {
    world: World,
    server: S3Server,
    recorder: Recorder,
    keys: Vec<String>,
}

impl Site {
    async fn new() -> Self {
        let server = S3Server::start().await;
        server.create_bucket(BUCKET);
        // Few keys on a page, so that there are later pages.
        server.set_page_size(4);
        Self { world: World::in_memory(), server, recorder: Recorder::new(), keys: Vec::new() }
    }

    /// With objects of the last hours.
    async fn with(objects: u32) -> Self {
        let mut site = Self::new().await;
        for number in 0..objects {
            site.put(A, i64::from(number % 6), number);
        }
        site
    }

    fn put(&mut self, account: u64, hours_ago: i64, number: u32) -> String {
        let key = self.world.put(account, hours_ago, number);
        self.server.put(BUCKET, &key, self.world.bucket.content(&key));
        self.keys.push(key.clone());
        key
    }

    async fn store(&self) -> S3Store {
        let mut options = self.server.options(BUCKET, self.recorder.observer());
        options.source = "logs".into();
        options.patience =
            Patience { answer: SHORT, stall: SHORT, list: 4 * SHORT, object: 4 * SHORT, ..options.patience };
        connect(options, SECRET_KEY).await
    }

    /// A new process.
    async fn start(&self) -> Pipeline {
        let store = Arc::new(self.store().await);
        self.world.start_on(store, self.recorder.observer(), |_| {})
    }

    fn counted(&self) -> usize {
        usize::try_from(self.world.last().objects.get(ObjectOutcome::Counted)).unwrap()
    }

    /// After the last fault: as long as the longest pause, then everything is there.
    async fn recover(&self, pipeline: &mut Pipeline) {
        self.server.clear_fault();
        for _ in 0..2 * limits::FULL_SCAN_EVERY {
            if self.counted() == self.keys.len() && self.world.last().first_scan_complete {
                break;
            }
            self.world.pass(limits::OBJECT_RETRY_MAX.as_secs() / 8);
            cycle(pipeline).await;
        }
        let mut keys = self.keys.clone();
        keys.sort();
        self.world.assert_counted(&keys);
        self.world.assert_monotone();
        assert!(self.world.last().first_scan_complete);
    }

    /// Failed scans, and why.
    fn failed_scans(&self) -> Vec<FailureReason> {
        let failed = |event| match event {
            Event::ScanFailed { reason, .. } => Some(reason),
            _ => None,
        };
        self.recorder.events().into_iter().filter_map(failed).collect()
    }

    fn put_back(&self) -> Vec<FailureReason> {
        let put_back = |event| match event {
            Event::ObjectPutBack { reason, .. } => Some(reason),
            _ => None,
        };
        self.recorder.events().into_iter().filter_map(put_back).collect()
    }
}

/// Whatever the store does, a cycle ends: far later than the patience of these tests adds up to, it has failed.
async fn cycle(pipeline: &mut Pipeline) {
    let ended = timeout(PATIENCE, pipeline.cycle(&CancellationToken::new())).await;
    ended.expect("the end of the cycle: something waits for the store without a bound").unwrap();
}

/// Objects that cannot be read for a while hold up nothing, and count when they can.
async fn one_object_is_spoiled(fault: Fault, reason: FailureReason) {
    let mut site = Site::with(12).await;
    let spoiled = site.keys[5].clone();
    let broken = fault.clone();
    site.server.set_fault(move |request| (request.key == spoiled).then(|| broken.clone()));
    let mut pipeline = site.start().await;
    cycle(&mut pipeline).await;
    assert_eq!(site.counted(), 11, "{fault:?}: all but the one");
    assert_eq!(site.put_back(), [reason], "{fault:?}");
    assert!(site.world.last().first_scan_complete, "{fault:?}: a single object holds nothing up");
    // The next ones flow while it is waiting.
    site.put(B, 0, 70);
    site.world.pass(60);
    for _ in 0..limits::FULL_SCAN_EVERY {
        cycle(&mut pipeline).await;
    }
    assert_eq!(site.counted(), 12, "{fault:?}");
    site.recover(&mut pipeline).await;
}

/// While a fault is in the way of every listing, nothing is complete; afterwards all is there.
async fn listings_are_spoiled(
    fault: impl Fn(&RequestInfo) -> Option<Fault> + Send + Sync + 'static,
) -> Vec<FailureReason> {
    let site = Site::with(12).await;
    site.server.set_fault(move |request| match request.operation {
        Operation::List => fault(request),
        Operation::Get => None,
    });
    let mut pipeline = site.start().await;
    cycle(&mut pipeline).await;
    assert!(!site.world.last().first_scan_complete, "half a listing is no complete scan");
    let before = site.server.requests(Operation::List);
    cycle(&mut pipeline).await;
    assert_eq!(site.server.requests(Operation::List), before, "it backs off");
    let failed = site.failed_scans();
    site.recover(&mut pipeline).await;
    failed
}

/// Faults of later pages, which come after keys.
fn later_page(fault: Fault) -> impl Fn(&RequestInfo) -> Option<Fault> + Send + Sync + 'static {
    move |request| request.query.contains_key("continuation-token").then(|| fault.clone())
}

#[tokio::test]
async fn an_object_that_is_denied() {
    one_object_is_spoiled(Fault::AccessDenied, FailureReason::Denied).await;
}

#[tokio::test]
async fn an_object_whose_connection_breaks_mid_body() {
    one_object_is_spoiled(Fault::ResetMidBody(1_000), FailureReason::Network).await;
}

#[tokio::test]
async fn an_object_that_is_cut_short_without_a_word() {
    one_object_is_spoiled(Fault::ShortBody(1_000), FailureReason::Network).await;
}

#[tokio::test]
async fn an_object_of_another_length_than_announced() {
    one_object_is_spoiled(Fault::WrongContentLength(1_000), FailureReason::Other).await;
}

#[tokio::test]
async fn an_object_that_drips() {
    one_object_is_spoiled(Fault::Drip(Duration::from_millis(10)), FailureReason::Timeout).await;
}

#[tokio::test]
async fn an_object_that_never_answers() {
    one_object_is_spoiled(Fault::Hang, FailureReason::Timeout).await;
}

#[tokio::test]
async fn an_object_that_stops_in_the_middle() {
    one_object_is_spoiled(Fault::HangMidBody(1_000), FailureReason::Timeout).await;
}

#[tokio::test]
async fn an_object_with_a_flipped_byte() {
    one_object_is_spoiled(Fault::FlipByte(1_000), FailureReason::Network).await;
}

#[tokio::test]
async fn an_object_that_meets_a_server_fault() {
    one_object_is_spoiled(Fault::InternalError, FailureReason::Server).await;
}

#[tokio::test]
async fn pages_that_give_their_own_token_again() {
    let failed = listings_are_spoiled(later_page(Fault::RepeatToken)).await;
    assert_eq!(failed, [FailureReason::Other]);
}

/// Listings of accounts have no keys by which a page could be known again.
#[tokio::test]
async fn accounts_whose_pages_give_their_own_token_again() {
    let mut site = Site::new().await;
    for account in 0..6 {
        site.put(A + u64::from(account), 1, account);
    }
    site.server.set_fault(later_page(Fault::RepeatToken));
    let mut pipeline = site.start().await;
    cycle(&mut pipeline).await;
    assert_eq!(site.failed_scans(), [FailureReason::Other]);
    assert_eq!(site.server.requests(Operation::List), 2, "it is noticed at once");
    assert!(!site.world.last().first_scan_complete);
    site.recover(&mut pipeline).await;
}

#[tokio::test]
async fn pages_with_keys_that_came_before() {
    let failed = listings_are_spoiled(later_page(Fault::StalePage)).await;
    assert_eq!(failed, [FailureReason::Other]);
}

#[tokio::test]
async fn pages_that_break_off() {
    let failed = listings_are_spoiled(later_page(Fault::CutXml(700))).await;
    assert_eq!(failed, [FailureReason::Other]);
}

#[tokio::test]
async fn pages_that_are_no_xml() {
    assert_eq!(listings_are_spoiled(|_| Some(Fault::BadXml)).await, [FailureReason::Other]);
    assert_eq!(listings_are_spoiled(later_page(Fault::BadXml)).await, [FailureReason::Other]);
}

#[tokio::test]
async fn a_listing_that_never_answers() {
    assert_eq!(listings_are_spoiled(later_page(Fault::Hang)).await, [FailureReason::Timeout]);
}

#[tokio::test]
async fn a_listing_that_drips() {
    let failed = listings_are_spoiled(later_page(Fault::Drip(Duration::from_millis(20)))).await;
    assert_eq!(failed, [FailureReason::Timeout]);
}

#[tokio::test]
async fn a_bucket_that_is_not_there() {
    let missing = Fault::Answer(404, "<Error><Code>NoSuchBucket</Code></Error>".to_owned());
    assert_eq!(listings_are_spoiled(move |_| Some(missing.clone())).await, [FailureReason::NotFound]);
}

/// Case 24: a store that refuses everything is asked ever more rarely, what is committed stays served, and a second
/// source or a restart is not needed to come back.
async fn storm(fault: Fault, reason: FailureReason) {
    let mut site = Site::with(12).await;
    let mut pipeline = site.start().await;
    cycle(&mut pipeline).await;
    let before = site.world.last();
    let broken = fault.clone();
    site.server.set_fault(move |_| Some(broken.clone()));
    site.put(A, 0, 50);
    let asked = site.server.log().len();
    // An hour of polls.
    for _ in 0..60 {
        site.world.pass(60);
        cycle(&mut pipeline).await;
    }
    let attempts = if reason.is_transient() { limits::STORE_ATTEMPTS as usize } else { 1 };
    let requests = site.server.log().len() - asked;
    // One every ten minutes once the pause is at its longest, a few more on the way there.
    assert!((attempts * 5..=attempts * 20).contains(&requests), "{fault:?}: {requests} requests in an hour");
    assert!(
        site.failed_scans().iter().all(|failed| *failed == reason),
        "{fault:?}: {:?}",
        site.failed_scans()
    );
    assert_eq!(site.world.last().traffic, before.traffic, "{fault:?}: committed numbers stay served");
    assert_eq!(site.counted(), 12);
    site.recover(&mut pipeline).await;
}

#[tokio::test]
async fn a_storm_of_throttling() {
    storm(Fault::Throttle, FailureReason::Throttled).await;
}

#[tokio::test]
async fn a_storm_of_server_faults() {
    storm(Fault::InternalError, FailureReason::Server).await;
}

#[tokio::test]
async fn credentials_that_expired() {
    storm(Fault::ExpiredToken, FailureReason::Denied).await;
}

#[tokio::test]
async fn clocks_that_disagree() {
    storm(Fault::Skewed, FailureReason::Denied).await;
}

#[tokio::test]
async fn connections_that_are_reset() {
    storm(Fault::Reset, FailureReason::Network).await;
}

#[tokio::test]
async fn an_object_that_is_gone_after_it_was_listed_counts_when_it_is_back() {
    let site = Site::with(6).await;
    let gone = site.keys[2].clone();
    site.server.set_fault(move |request| (request.key == gone).then_some(Fault::NoSuchKey));
    let mut pipeline = site.start().await;
    cycle(&mut pipeline).await;
    assert_eq!(site.world.last().objects.get(ObjectOutcome::Gone), 1);
    assert_eq!(site.put_back(), [], "it is settled, and not asked for again and again");
    site.recover(&mut pipeline).await;
}

/// The same records in other bytes: another ETag, another length.
fn rewritten(content: &Bytes) -> Bytes {
    // Bytes behind the footer would be no Parquet; an unused span before it is.
    let at = content.len() - 8;
    let footer = u32::from_le_bytes(content[at..at + 4].try_into().unwrap()) as usize;
    [&content[..at - footer], &[0; 16], &content[at - footer..]].concat().into()
}

#[tokio::test]
async fn an_object_that_is_replaced_between_listing_and_reading_counts_once_as_it_is() {
    let site = Site::with(6).await;
    let key = site.keys[3].clone();
    let other = rewritten(&site.world.bucket.content(&key));
    let replaced = Mutex::new(false);
    site.server.set_fault(move |request| {
        let first = request.key == key && !std::mem::replace(&mut *replaced.lock().unwrap(), true);
        (first && request.if_match.is_some()).then(|| Fault::Replace(other.clone()))
    });
    let mut pipeline = site.start().await;
    cycle(&mut pipeline).await;
    assert_eq!(site.counted(), 6, "it is looked up and read as it is now");
    site.recover(&mut pipeline).await;
}

/// Case 10: a store without ETags, and one whose ETags are others after a copy. The same key is the same object.
#[tokio::test]
async fn etags_that_are_missing_or_changed_by_a_copy_count_nothing_again() {
    let site = Site::with(6).await;
    site.server.hide_etags();
    let mut pipeline = site.start().await;
    for _ in 0..limits::FULL_SCAN_EVERY + 1 {
        cycle(&mut pipeline).await;
    }
    drop(pipeline);
    site.recover(&mut site.start().await).await;
    assert_eq!(site.server.requests(Operation::Get), 6, "nothing is read again");

    let site = Site::with(6).await;
    cycle(&mut site.start().await).await;
    for key in &site.keys {
        site.server.put(BUCKET, key, rewritten(&site.world.bucket.content(key)));
    }
    let mut pipeline = site.start().await;
    cycle(&mut pipeline).await;
    assert_eq!(site.world.last().objects.get(ObjectOutcome::Mutated), 6, "seen, and told of");
    cycle(&mut pipeline).await;
    assert_eq!(site.server.requests(Operation::Get), 6, "nothing is read again");
    site.recover(&mut pipeline).await;
}

#[tokio::test]
async fn an_empty_bucket_is_a_complete_scan() {
    let mut site = Site::new().await;
    let mut pipeline = site.start().await;
    cycle(&mut pipeline).await;
    assert!(site.world.last().first_scan_complete && site.failed_scans().is_empty());
    site.put(A, 1, 1);
    site.recover(&mut pipeline).await;
}

/// A fault for a request, drawn from the whole list; many requests have none.
fn draw(
    request: &RequestInfo,
    random: &mut fastrand::Rng,
    contents: &BTreeMap<String, Bytes>,
) -> Option<Fault> {
    let rate = if request.operation == Operation::List { 1 } else { 5 };
    if random.u32(0..10) >= rate {
        return None;
    }
    let at = random.usize(0..4_000);
    let both = |random: &mut fastrand::Rng| match random.u32(0..9) {
        0 => Fault::Throttle,
        1 => Fault::InternalError,
        2 => Fault::AccessDenied,
        3 => Fault::ExpiredToken,
        4 => Fault::Skewed,
        5 => Fault::Reset,
        6 => Fault::ResetMidBody(at),
        7 => Fault::Answer(502, "<html>Bad gateway</html>".to_owned()),
        _ => Fault::Answer(404, "<html>No such page</html>".to_owned()),
    };
    // What costs time is rare.
    if random.u32(0..30) == 0 {
        return Some(match random.u32(0..3) {
            0 => Fault::Hang,
            1 => Fault::HangMidBody(at),
            _ => Fault::Drip(Duration::from_millis(10)),
        });
    }
    Some(match (request.operation, random.u32(0..10)) {
        (Operation::List, 0) => Fault::BadXml,
        (Operation::List, 1) => Fault::RepeatToken,
        (Operation::List, 2) => Fault::StalePage,
        (Operation::List, 3) => Fault::CutXml(at),
        (Operation::List, 4) => Fault::Answer(404, "<Error><Code>NoSuchBucket</Code></Error>".to_owned()),
        (Operation::Get, 0) => Fault::NoSuchKey,
        (Operation::Get, 1) => Fault::ShortBody(at),
        (Operation::Get, 2) => Fault::WrongContentLength(at as u64),
        (Operation::Get, 3) => Fault::FlipByte(at % 500),
        (Operation::Get, 4) => Fault::Replace(rewritten(contents.get(&request.key)?)),
        _ => both(random),
    })
}

/// `FLOWCOST_WALK_SECONDS` walks longer, `FLOWCOST_WALK_SEED` elsewhere.
#[tokio::test]
async fn a_random_walk_over_all_faults_ends_with_exact_totals() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let seconds = number("FLOWCOST_WALK_SECONDS").unwrap_or(20);
    let mut random = fastrand::Rng::with_seed(number("FLOWCOST_WALK_SEED").unwrap_or(5));
    let mut site = Site::new().await;
    let contents: Arc<Mutex<BTreeMap<String, Bytes>>> = Arc::default();
    let mut pipeline = site.start().await;
    let (began, mut starts, mut cycles) = (Instant::now(), 1, 0);
    let drawn: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    while began.elapsed() < Duration::from_secs(seconds) {
        for _ in 0..random.u32(0..4) {
            let account = if random.bool() { A } else { B };
            // Up to eight hours late: far inside the lookback, as long as faults may last.
            let hours_ago = random.i64(0..9) - (site.world.clock().now().0 - NOON) / 3600;
            let key = site.put(account, hours_ago, u32::try_from(site.keys.len()).unwrap());
            contents.lock().unwrap().insert(key.clone(), site.world.bucket.content(&key));
        }
        if random.u32(0..4) == 0 {
            site.server.clear_fault();
        } else {
            let dice = Mutex::new(random.fork());
            let (contents, drawn) = (contents.clone(), drawn.clone());
            site.server.set_fault(move |request| {
                let fault = draw(request, &mut dice.lock().unwrap(), &contents.lock().unwrap())?;
                let name = format!("{fault:?}");
                let name = name.split(['(', ' ']).next().unwrap().to_owned();
                *drawn.lock().unwrap().entry(name).or_default() += 1;
                Some(fault)
            });
        }
        cycle(&mut pipeline).await;
        cycles += 1;
        site.world.pass(random.u64(10..900));
        if random.u32(0..12) == 0 {
            drop(pipeline);
            pipeline = site.start().await;
            starts += 1;
        }
    }
    let drawn = drawn.lock().unwrap().clone();
    site.recover(&mut pipeline).await;
    eprintln!(
        "{} objects, {cycles} cycles, {starts} starts, {} requests, faults {drawn:?}",
        site.keys.len(),
        site.server.log().len()
    );
    assert!(drawn.len() >= 15, "nearly every fault has been met: {drawn:?}");
    assert_eq!(
        site.world.last().objects.get(ObjectOutcome::Quarantined),
        0,
        "the store's faults are not the objects'"
    );
}
