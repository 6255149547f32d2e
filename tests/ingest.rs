//! The ingest cycle against a bucket in memory: what is found, what is counted, and what a crash leaves.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use flowcost_exporter::{
    decode::{
        Direction, LogStatus,
        encode::{EncodeOptions, Record, parquet},
    },
    event::{Event, Observer},
    model::{IgnoreReason, ObjectOutcome, Settled, Settlement},
    store::FailureReason,
};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::support::{
    events::Recorder,
    world::{NOON, World, cycles},
};

const A: u64 = 111_111_111_111;
const B: u64 = 222_222_222_222;

fn nobody() -> Observer {
    Arc::new(|_| {})
}

fn run(world: &World, count: usize) {
    cycles(world.start(nobody()), count, &CancellationToken::new()).unwrap();
}

#[test]
fn everything_inside_lookback_is_counted_once_and_the_families_wait_for_the_first_scan() {
    let world = World::new();
    let keys: Vec<String> = (0..20).map(|n| world.put(A, i64::from(n) * 2, n)).collect();
    let old = world.put(A, 60, 99);
    run(&world, 3);
    world.assert_counted(&keys);
    assert!(!world.bucket.gets().contains(&old));
    let shown = world.shown.lock().unwrap();
    assert!(!shown[0].first_scan_complete && shown.last().unwrap().first_scan_complete);
    let complete = shown.iter().find(|snapshot| snapshot.first_scan_complete).unwrap();
    assert_eq!(complete.objects.get(ObjectOutcome::Counted), 20, "not before everything is committed");
    drop(shown);
    run(&world, 2);
    world.assert_counted(&keys);
    assert_eq!(world.bucket.gets().len(), keys.len(), "nothing is read again");
}

#[test]
fn a_late_object_counts_inside_lookback_and_is_refused_outside() {
    let world = World::new();
    let mut keys = vec![world.put(A, 47, 1), world.put(A, 1, 2)];
    run(&world, 1);
    keys.push(world.put(A, 40, 3));
    run(&world, 1);
    world.assert_counted(&keys);

    // The partition of 47 hours ago leaves the window.
    world.pass(3 * 3600);
    run(&world, 1);
    let late = world.put(A, 47, 4);
    let recorder = Recorder::new();
    world.pass(25 * 3600);
    cycles(world.start(recorder.observer()), 1, &CancellationToken::new()).unwrap();
    world.assert_counted(&keys);
    assert_eq!(world.last().objects.get(ObjectOutcome::RefusedLate), 1);
    let named = recorder
        .events()
        .into_iter()
        .any(|event| matches!(event, Event::ObjectRefusedLate { object, .. } if object.key == late));
    assert!(named, "the log names it");
    world.pass(25 * 3600);
    run(&world, 1);
    assert_eq!(world.last().objects.get(ObjectOutcome::RefusedLate), 1, "once");
}

#[test]
fn what_is_older_than_the_beginning_is_not_late() {
    let world = World::new();
    world.put(A, 50, 1);
    let keys = vec![world.put(A, 2, 2)];
    run(&world, 1);
    world.pass(30 * 3600);
    run(&world, 2);
    world.assert_counted(&keys);
    assert_eq!(world.last().objects.get(ObjectOutcome::RefusedLate), 0);
}

#[test]
fn after_a_pause_longer_than_lookback_nothing_is_missing() {
    let world = World::new();
    let mut keys = vec![world.put(A, 3, 1)];
    run(&world, 1);
    for n in 0..12 {
        keys.push(world.put(A, -i64::from(n) * 10, 10 + n));
    }
    world.pass(120 * 3600);
    run(&world, 1);
    world.assert_counted(&keys);
}

/// However much there is from before, a cold start asks for the window.
#[test]
fn what_is_older_than_the_window_is_not_listed() {
    let pages = |old: u32| {
        let world = World::new();
        let keys: Vec<String> = (0..6).map(|n| world.put(A, i64::from(n), n)).collect();
        for number in 0..old {
            let key = World::key(A, 72 + i64::from(number % 100), number);
            world.bucket.put(&key, bytes::Bytes::from_static(b"old"));
        }
        run(&world, 2);
        world.assert_counted(&keys);
        world.bucket.lists()
    };
    assert_eq!(pages(0), pages(3_000));
}

#[test]
fn accounts_that_appear_while_running_are_found() {
    let world = World::new();
    let mut keys = vec![world.put(A, 1, 1)];
    let recorder = Recorder::new();
    let pipeline = world.start(recorder.observer());
    let bucket = world.bucket.clone();
    let new = World::key(B, 1, 2);
    let content = world.content(1, 2);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut pipeline = pipeline;
        let stop = CancellationToken::new();
        pipeline.cycle(&stop).await.unwrap();
        bucket.put(&new, content);
        for _ in 0..flowcost_exporter::limits::FULL_SCAN_EVERY {
            pipeline.cycle(&stop).await.unwrap();
        }
    });
    keys.push(new);
    world.assert_counted(&keys);
}

#[test]
fn a_listing_that_breaks_off_keeps_what_it_found_and_completes_nothing() {
    let world = World::new();
    let keys: Vec<String> = (0..20).map(|n| world.put(A, i64::from(n), n)).collect();
    // Two listings look for accounts and regions; then the second page of keys fails.
    world.bucket.fail_list_after(3);
    run(&world, 1);
    let half = world.last();
    assert!(!half.first_scan_complete);
    let counted = half.objects.get(ObjectOutcome::Counted);
    assert!(counted > 0 && counted < 20, "{counted}");
    run(&world, 1);
    world.assert_counted(&keys);
    assert!(world.last().first_scan_complete);
}

#[test]
fn an_object_that_cannot_be_read_holds_up_nothing_and_is_tried_again() {
    let world = World::new();
    let keys: Vec<String> = (0..10).map(|n| world.put(A, i64::from(n), n)).collect();
    world.bucket.fail(&keys[9], FailureReason::Denied);
    world.bucket.fail(&keys[5], FailureReason::Throttled);
    let recorder = Recorder::new();
    let pipeline = world.start(recorder.observer());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut pipeline = pipeline;
        let stop = CancellationToken::new();
        pipeline.cycle(&stop).await.unwrap();
        assert_eq!(world.last().objects.get(ObjectOutcome::Counted), 8);
        assert!(world.last().first_scan_complete, "single denied objects do not hold up the scan");
        let reads = world.bucket.gets().len();
        pipeline.cycle(&stop).await.unwrap();
        assert_eq!(world.bucket.gets().len(), reads, "not before it is due");
        world.pass(31);
        pipeline.cycle(&stop).await.unwrap();
        assert_eq!(world.bucket.gets().len(), reads + 2);
        world.bucket.heal();
        world.pass(31);
        pipeline.cycle(&stop).await.unwrap();
        assert_eq!(world.bucket.gets().len(), reads + 2, "the pause doubles");
        world.pass(31);
        pipeline.cycle(&stop).await.unwrap();
    });
    world.assert_counted(&keys);
    let pending = recorder.events().into_iter().rev().find_map(|event| match event {
        Event::Pending { objects, .. } => Some(objects),
        _ => None,
    });
    assert_eq!(pending, Some(0));
}

#[test]
fn a_long_backlog_is_told_of_on_the_way_and_at_its_end() {
    let world = World::new();
    let keys: Vec<String> = (0..200).map(|n| world.put(A, i64::from(n % 40), n)).collect();
    let recorder = Recorder::new();
    let (record, pass) = (recorder.observer(), world.passing());
    let observer: Observer = Arc::new(move |event| {
        if matches!(event, Event::Committed { .. }) {
            pass(31);
        }
        record(event);
    });
    cycles(world.start(observer), 2, &CancellationToken::new()).unwrap();
    let records: u64 = keys.iter().map(|key| world.delta(key).records.total()).sum();
    let (mut told, mut ended, mut last) = (Vec::new(), Vec::new(), None);
    for event in recorder.events() {
        match event {
            Event::BacklogProgress { progress, .. } => told.push(progress),
            Event::BacklogRead { progress, .. } => ended.push(progress),
            Event::Pending { progress, .. } => last = Some(progress),
            _ => {}
        }
    }
    assert!(told.len() >= 2 && told.is_sorted_by_key(|one| one.settled), "{told:?}");
    for one in &told {
        assert!(one.settled > 0 && one.settled < one.objects && one.objects <= 200, "{one:?}");
        assert_eq!(one.remaining.is_some(), one.listed, "{one:?}");
    }
    assert!(told.iter().any(|one| one.objects == 200 && one.listed), "{told:?}");
    let [end] = ended[..] else { panic!("{ended:?}") };
    assert_eq!((end.objects, end.settled, end.records), (200, 200, records));
    assert_eq!(last.map(|progress| (progress.objects, progress.settled)), Some((0, 0)));
}

#[test]
fn while_everything_is_denied_the_window_stays_open() {
    let world = World::new();
    let mut keys = vec![world.put(A, 1, 1)];
    run(&world, 1);
    keys.extend((2..6).map(|n| world.put(A, 0, n)));
    for key in &keys {
        world.bucket.fail(key, FailureReason::Denied);
    }
    for _ in 0..4 {
        world.pass(24 * 3600);
        run(&world, 1);
    }
    world.bucket.heal();
    run(&world, 1);
    world.assert_counted(&keys);
}

#[test]
fn objects_that_are_no_flow_logs_each_get_their_outcome() {
    let world = World::new();
    let keys = vec![world.put(A, 1, 1), world.put(A, 1, 2)];
    let folder = keys[0][..=keys[0].rfind('/').unwrap()].to_owned();
    world.bucket.put(&folder, bytes::Bytes::new());
    world.bucket.put(&format!("{folder}notes.txt"), bytes::Bytes::from_static(b"x"));
    world.bucket.put(&World::key(A, 1, 3), bytes::Bytes::new());
    world.bucket.put(&World::key(A, 1, 4), bytes::Bytes::from_static(b"this is no Parquet file"));
    run(&world, 2);
    run(&world, 1);
    world.assert_counted(&keys);
    let objects = world.last().objects;
    assert_eq!(objects.get(ObjectOutcome::Ignored), 2);
    assert_eq!(objects.get(ObjectOutcome::Empty), 1);
    assert_eq!(objects.get(ObjectOutcome::Quarantined), 1);
    assert_eq!(world.last().sources["logs"].quarantined, 1);
}

#[test]
fn an_object_that_is_replaced_is_not_counted_again() {
    let world = World::new();
    let keys = [world.put(A, 1, 1)];
    run(&world, 1);
    let before = world.last();
    world.bucket.put(&keys[0], world.content(1, 5));
    run(&world, 2);
    run(&world, 1);
    let after = world.last();
    assert_eq!(after.traffic, before.traffic);
    assert_eq!(after.objects.get(ObjectOutcome::Mutated), 1);
}

#[test]
fn an_object_that_is_gone_before_it_is_read_counts_when_it_comes_back() {
    let world = World::new();
    let keys = vec![world.put(A, 1, 1), world.put(A, 1, 2)];
    world.bucket.fail(&keys[1], FailureReason::NotFound);
    run(&world, 1);
    assert_eq!(world.last().objects.get(ObjectOutcome::Gone), 1);
    let content = world.bucket.content(&keys[1]);
    world.bucket.delete(&keys[1]);
    world.bucket.heal();
    run(&world, 1);
    world.bucket.put(&keys[1], content);
    run(&world, 1);
    world.assert_counted(&keys);
}

/// An object of that hour with traffic inside one zone: nothing of it is charged.
fn put_uncharged(world: &World, hours_ago: i64, number: u32) {
    let start = NOON - hours_ago * 3600;
    let record = Record {
        interface_id: Some("eni-1".into()),
        srcaddr: Some([10, 0, 0, 5].into()),
        dstaddr: Some([10, 0, 0, 6].into()),
        packets: Some(1),
        bytes: Some(100),
        start: Some(start),
        end: Some(start + 60),
        log_status: LogStatus::Ok,
        flow_direction: Direction::Egress,
        ..Record::default()
    };
    let content = parquet(&[record], &EncodeOptions::default()).unwrap();
    world.bucket.put(&World::key(A, hours_ago, number), content.into());
}

#[test]
fn a_clock_that_runs_ahead_folds_no_hour_that_is_recent_by_the_records() {
    let world = World::new();
    let hours = || {
        let conn = rusqlite::Connection::open(world.state()).unwrap();
        conn.query_row("SELECT group_concat(DISTINCT hour) FROM ledger", [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    let day = 24 * 3600;
    let hour_of = |hours_ago: i64| (NOON - hours_ago * 3600).to_string();
    put_uncharged(&world, 1, 1);
    run(&world, 1);
    assert!(world.last().by_source["logs"].hourly_cost.is_empty() && !world.last().traffic.is_empty());
    world.pass(500 * day);
    run(&world, 1);
    assert_eq!(hours(), hour_of(1), "only the clock says that it is old");
    put_uncharged(&world, -500 * 24 + 1, 2);
    run(&world, 1);
    assert_eq!(hours(), hour_of(-500 * 24 + 1), "now the records say so too");
    assert_eq!(world.last().objects.get(ObjectOutcome::Counted), 2);
    world.assert_monotone();
}

/// An observer that ends the cycle at the n-th event, by a panic or by a stop.
pub(crate) fn ends_at(
    event: usize,
    seen: Arc<AtomicUsize>,
    end: impl Fn() + Send + Sync + 'static,
) -> Observer {
    Arc::new(move |_| {
        if seen.fetch_add(1, Ordering::Relaxed) == event {
            end();
        }
    })
}

/// A world with a little of everything, for endings.
fn eventful() -> (World, Vec<String>) {
    let world = World::new();
    let keys: Vec<String> = (0..9).map(|n| world.put(A, i64::from(n % 4), n)).collect();
    world.bucket.put(&World::key(A, 2, 50), bytes::Bytes::from_static(b"no Parquet"));
    world.bucket.put(&World::key(A, 2, 51), bytes::Bytes::new());
    (world, keys)
}

/// Panics called "crash" are not printed.
pub(crate) fn quiet_crashes() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let ours = info.payload().downcast_ref::<&str>().is_some_and(|text| *text == "crash");
        if !ours {
            hook(info);
        }
    }));
}

fn settle_and_compare(world: &World, keys: &[String], event: usize) {
    run(world, 2);
    let compared = catch_unwind(AssertUnwindSafe(|| {
        world.assert_counted(keys);
        world.assert_monotone();
        assert_eq!(world.last().objects.get(ObjectOutcome::Quarantined), 1);
        assert_eq!(world.last().objects.get(ObjectOutcome::Empty), 1);
    }));
    assert!(compared.is_ok(), "ended at event {event}");
}

#[test]
fn a_crash_at_every_event_of_the_cycle_loses_nothing_and_doubles_nothing() {
    quiet_crashes();
    for event in 0.. {
        let (world, keys) = eventful();
        let seen = Arc::new(AtomicUsize::new(0));
        let observer = ends_at(event, seen.clone(), || panic!("crash"));
        let crashed = cycles(world.start(observer), 2, &CancellationToken::new()).is_err();
        settle_and_compare(&world, &keys, event);
        if !crashed {
            assert!(event > 10, "only {event} events");
            return;
        }
    }
}

#[test]
fn a_stop_at_every_event_of_the_cycle_loses_nothing_and_doubles_nothing() {
    for event in 0.. {
        let (world, keys) = eventful();
        let seen = Arc::new(AtomicUsize::new(0));
        let stop = CancellationToken::new();
        let token = stop.clone();
        let observer = ends_at(event, seen.clone(), move || token.cancel());
        cycles(world.start(observer), 2, &stop).unwrap();
        settle_and_compare(&world, &keys, event);
        if !stop.is_cancelled() {
            assert!(event > 10, "only {event} events");
            return;
        }
    }
}

#[test]
fn an_object_that_the_process_dies_over_is_set_aside_and_tried_once_more_alone() {
    let world = World::new();
    let keys: Vec<String> = (0..3).map(|n| world.put(A, 1, n)).collect();
    for _ in 0..3 {
        // Three deaths with this object under way: the journal is written, nothing is committed.
        let (mut ledger, report) = world.open();
        assert!(report.unfinished.is_empty());
        ledger.begin_decoding(&world.candidate(&keys[1])).unwrap();
    }
    let recorder = Recorder::new();
    cycles(world.start(recorder.observer()), 1, &CancellationToken::new()).unwrap();
    assert_eq!(world.last().objects.get(ObjectOutcome::Quarantined), 1, "set aside first");
    world.assert_counted(&keys);
    let last = world.bucket.gets().pop();
    assert_eq!(last.as_ref(), Some(&keys[1]), "after everything else");
    assert_eq!(world.last().sources["logs"].quarantined, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Invariant I3: any arrival order and any interleaving of scans and restarts gives the same totals.
    #[test]
    fn any_order_of_arrival_gives_the_same_totals(
        arrivals in prop::collection::vec((0_i64..40, 0_u32..64, 0_u8..4), 1..30),
    ) {
        let world = World::new();
        let mut keys = Vec::new();
        for (hours_ago, number, then) in arrivals {
            let key = world.put(if number % 2 == 0 { A } else { B }, hours_ago, number);
            if !keys.contains(&key) {
                keys.push(key);
            }
            match then {
                0 => run(&world, 1),
                1 => world.pass(60),
                _ => {}
            }
        }
        run(&world, 1);
        keys.sort();
        world.assert_monotone();
        // An object that was put twice was replaced; with the same content that changes nothing.
        world.assert_counted(&keys);
    }
}

#[test]
fn one_denied_object_in_a_quiet_source_holds_up_nothing() {
    let world = World::new();
    let mut keys = vec![world.put(A, 1, 1)];
    let denied = world.put(A, 1, 2);
    world.bucket.fail(&denied, FailureReason::Denied);
    run(&world, 1);
    assert!(world.last().first_scan_complete);
    // New objects are read by recent scans; the full ones in between find nothing but the denied object.
    let pipeline = world.start(nobody());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut pipeline = pipeline;
        let stop = CancellationToken::new();
        for round in 0..3_u32 {
            pipeline.cycle(&stop).await.unwrap();
            keys.push(world.put(A, 0, 10 + round));
            for _ in 1..flowcost_exporter::limits::FULL_SCAN_EVERY {
                world.pass(60);
                pipeline.cycle(&stop).await.unwrap();
            }
        }
        world.pass(60);
        pipeline.cycle(&stop).await.unwrap();
    });
    world.assert_counted(&keys);
    let through = world.last().sources["logs"].last_full_scan.unwrap();
    assert_eq!(through, world.clock().now(), "the window moves on");
}

#[test]
fn when_a_part_of_the_source_is_denied_the_window_waits_for_it() {
    let world = World::new();
    let mut keys: Vec<String> = (0..15).map(|n| world.put(B, 1, n)).collect();
    for key in &keys {
        world.bucket.fail(key, FailureReason::Denied);
    }
    keys.push(world.put(A, 1, 99));
    run(&world, 1);
    assert!(!world.last().first_scan_complete, "an account that was never read is no complete scan");
    for day in 1..5 {
        world.pass(24 * 3600);
        keys.push(world.put(A, -24 * day, 200));
        run(&world, 1);
    }
    world.bucket.heal();
    run(&world, 1);
    world.assert_counted(&keys);
    assert!(world.last().first_scan_complete);
}

#[test]
fn a_denied_part_that_stays_denied_does_not_hide_the_rest_for_ever() {
    let world = World::new();
    for n in 0..15 {
        world.bucket.fail(&world.put(B, 1, n), FailureReason::Denied);
    }
    let keys = vec![world.put(A, 1, 99)];
    let pipeline = world.start(nobody());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut pipeline = pipeline;
        let stop = CancellationToken::new();
        for _ in 0..3 * flowcost_exporter::limits::FULL_SCAN_EVERY {
            pipeline.cycle(&stop).await.unwrap();
            world.pass(60);
        }
    });
    assert!(world.last().first_scan_complete);
    world.assert_counted(&keys);
}

#[test]
fn an_object_that_changes_between_listing_and_reading_is_read_as_it_is_now() {
    let world = World::new();
    let keys = vec![world.put(A, 1, 1), world.put(A, 1, 2)];
    world.bucket.fail(&keys[1], FailureReason::Changed);
    let pipeline = world.start(nobody());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut pipeline = pipeline;
        let stop = CancellationToken::new();
        pipeline.cycle(&stop).await.unwrap();
        assert_eq!(world.last().objects.get(ObjectOutcome::Counted), 1);
        world.bucket.put(&keys[1], world.content(1, 2));
        world.bucket.heal();
        pipeline.cycle(&stop).await.unwrap();
    });
    world.assert_counted(&keys);
}

#[test]
fn a_sealed_partition_whose_objects_are_gone_does_not_stop_the_sealing() {
    let world = World::new();
    let key = world.put(A, 40, 1);
    let (mut ledger, _) = world.open();
    let settled = |settlement| [Settled { candidate: world.candidate(&key), settlement, fetched: 0 }];
    let now = world.clock().now();
    ledger.commit(&settled(Settlement::Ignored(IgnoreReason::Filtered)), now).unwrap();
    assert_eq!(ledger.seal("logs", now).unwrap(), 1);
    // The filter is taken away, and the object is gone: nothing of the partition is left to remember.
    ledger.commit(&settled(Settlement::Gone), now).unwrap();
    assert_eq!(ledger.seal("logs", now).unwrap(), 1);
    assert_eq!(ledger.snapshot().objects.get(ObjectOutcome::Gone), 1);
}
