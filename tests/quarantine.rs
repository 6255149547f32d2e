//! Objects in quarantine: read again or given up on request, beside a running exporter and without one.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, atomic::AtomicUsize},
};

use bytes::Bytes;
use flowcost_exporter::{
    accumulate::digest,
    decode::{
        Input,
        encode::{EncodeOptions, parquet},
    },
    demo::Cluster,
    event::Event,
    ledger::{Ledger, Request},
    model::{ObjectOutcome, Quarantine, QuarantineReason, Timestamp},
    pipeline::{Digest, Pipeline},
    store::FailureReason,
};
use tokio_util::sync::CancellationToken;

use crate::{
    ingest,
    support::{
        events::Recorder,
        exporter::Exporter,
        now,
        world::{World, cycles},
    },
};

const A: u64 = 111_111_111_111;

fn ask(world: &World, request: Request, keys: &[String]) {
    Ledger::request(&world.state(), request, Some(keys)).unwrap();
}

/// One more cycle of a pipeline that goes on.
fn cycle(pipeline: &mut Pipeline) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(pipeline.cycle(&CancellationToken::new())).unwrap();
}

/// Whether objects were quarantined, counted, and are in quarantine now.
fn counts(world: &World) -> (u64, u64, u64) {
    let last = world.last();
    let objects = last.objects;
    let counted = objects.get(ObjectOutcome::Counted);
    (objects.get(ObjectOutcome::Quarantined), counted, last.sources["logs"].quarantined)
}

/// A world with a good object and a bad one, which is in quarantine, of the same hour.
fn with_bad() -> (World, Vec<String>, Pipeline, Recorder) {
    let world = World::new();
    let keys = vec![world.put(A, 1, 1), World::key(A, 1, 2)];
    world.bucket.put(&keys[1], Bytes::from_static(b"this is no flow log"));
    let recorder = Recorder::new();
    let mut pipeline = world.start(recorder.observer());
    cycle(&mut pipeline);
    assert_eq!(counts(&world), (1, 1, 1));
    (world, keys, pipeline, recorder)
}

#[test]
fn a_retry_that_fails_again_changes_no_count_and_is_not_repeated() {
    let (world, keys, mut pipeline, recorder) = with_bad();
    ask(&world, Request::Retry, &keys[1..]);
    let before = world.bucket.gets().len();
    for _ in 0..12 {
        cycle(&mut pipeline);
    }
    assert_eq!(world.bucket.gets().len(), before + 1, "once");
    assert_eq!(counts(&world), (1, 1, 1));
    world.assert_counted(&keys[..1]);
    let told = recorder.events().into_iter().filter_map(|event| match event {
        Event::QuarantineRetried { objects, .. } => Some(("retried", objects)),
        Event::ObjectQuarantined { why, .. } => {
            assert_eq!(why.reason, QuarantineReason::Format);
            Some(("quarantined", 1))
        }
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [("quarantined", 1), ("retried", 1), ("quarantined", 1)]);
}

#[test]
fn a_retry_counts_an_object_whose_partition_has_left_the_window_even_when_it_was_repaired() {
    for replaced in [false, true] {
        let (world, keys, mut pipeline, _) = with_bad();
        let mut counted = keys[..1].to_vec();
        world.pass(80 * 3600);
        for _ in 0..10 {
            cycle(&mut pipeline);
        }
        let before = world.bucket.gets().len();
        if replaced {
            world.bucket.put(&keys[1], world.content(1, 2));
            counted = keys.clone();
        }
        for _ in 0..10 {
            cycle(&mut pipeline);
        }
        assert_eq!(world.bucket.gets().len(), before, "nobody looks there any more");
        ask(&world, Request::Retry, &keys[1..]);
        cycle(&mut pipeline);
        // What is there now is another version: it is looked up, and read when it is due.
        world.pass(31);
        cycle(&mut pipeline);
        world.assert_counted(&counted);
        assert_eq!(counts(&world), if replaced { (1, 2, 0) } else { (1, 1, 1) });
        for _ in 0..10 {
            cycle(&mut pipeline);
        }
        cycles_again(&world, pipeline);
        world.assert_counted(&counted);
        world.assert_monotone();
    }
}

#[test]
fn a_panic_over_one_object_sets_it_aside_and_ends_nothing_else() {
    let world = World::new();
    let mut keys: Vec<String> = (1..=8).map(|number| world.put(A, 1, number)).collect();
    let poison = keys.remove(2);
    world.bucket.put(&poison, Bytes::from_static(b"poison"));
    let digest: Digest = |input, partition, classifier, limits| match &input {
        Input::Whole(bytes) if **bytes == *b"poison" => panic!("index {} is out of bounds", bytes.len()),
        _ => digest(input, partition, classifier, limits),
    };
    let recorder = Recorder::new();
    let mut pipeline = world.start(recorder.observer()).reading_by(digest);
    cycle(&mut pipeline);
    assert_eq!(counts(&world), (1, 7, 1));
    world.assert_counted(&keys);
    assert!(world.last().first_scan_complete, "it holds nothing up");
    let told: Vec<_> = recorder.events().into_iter().filter_map(quarantined).collect();
    let detail = "the decoder panicked: index 6 is out of bounds".to_owned();
    assert_eq!(told, [(poison.clone(), Quarantine { reason: QuarantineReason::Corrupt, detail })]);

    // The loop goes on, and does not try the object again unasked: neither this process nor the next one.
    keys.push(world.put(A, 0, 9));
    for _ in 0..12 {
        cycle(&mut pipeline);
    }
    drop(pipeline);
    cycle(&mut world.start(recorder.observer()).reading_by(digest));
    let reads = world.bucket.gets().iter().filter(|key| **key == poison).count();
    assert_eq!((reads, counts(&world)), (1, (1, 8, 1)));
    world.assert_counted(&keys);
    world.assert_monotone();
}

fn quarantined(event: Event) -> Option<(String, Quarantine)> {
    match event {
        Event::ObjectQuarantined { object, why, .. } => Some((object.key, why)),
        _ => None,
    }
}

#[test]
fn an_archived_object_is_set_aside_and_counts_once_it_was_restored_and_asked_for() {
    let world = World::new();
    let keys = vec![world.put(A, 1, 1), world.put(A, 1, 2)];
    world.bucket.fail(&keys[1], FailureReason::Archived);
    let mut pipeline = world.start(Recorder::new().observer());
    for _ in 0..25 {
        cycle(&mut pipeline);
        world.pass(60);
    }
    assert_eq!(counts(&world), (1, 1, 1));
    assert!(world.last().first_scan_complete, "it holds nothing up");
    let reads = || world.bucket.gets().iter().filter(|key| **key == keys[1]).count();
    assert_eq!(reads(), 1, "nobody restores it by asking again and again");
    // Asked for too early: it stays, and is not asked for again.
    ask(&world, Request::Retry, &keys[1..]);
    for _ in 0..12 {
        cycle(&mut pipeline);
    }
    assert_eq!((reads(), counts(&world)), (2, (1, 1, 1)));
    world.bucket.heal();
    ask(&world, Request::Retry, &keys[1..]);
    cycle(&mut pipeline);
    assert_eq!(counts(&world), (1, 2, 0));
    world.assert_counted(&keys);
}

/// What another process makes of the state.
fn cycles_again(world: &World, pipeline: Pipeline) {
    drop(pipeline);
    cycles(world.start(Recorder::new().observer()), 2, &CancellationToken::new()).unwrap();
}

#[test]
fn a_request_waits_for_the_next_start_and_for_the_store() {
    let (world, keys, pipeline, _) = with_bad();
    drop(pipeline);
    ask(&world, Request::Retry, &keys[1..]);
    world.bucket.fail(&keys[1], FailureReason::Denied);
    let mut pipeline = world.start(Recorder::new().observer());
    cycle(&mut pipeline);
    drop(pipeline);
    // Neither the start nor the failure has used it up.
    world.bucket.heal();
    world.bucket.delete(&keys[1]);
    let mut pipeline = world.start(Recorder::new().observer());
    cycle(&mut pipeline);
    assert_eq!(counts(&world), (1, 1, 0));
    assert_eq!(world.last().objects.get(ObjectOutcome::Gone), 1);
}

#[test]
fn a_retry_that_waits_for_the_store_does_not_hold_the_window() {
    let (world, keys, mut pipeline, _) = with_bad();
    world.pass(80 * 3600);
    (0..10).for_each(|_| cycle(&mut pipeline));
    world.bucket.fail(&keys[1], FailureReason::Denied);
    ask(&world, Request::Retry, &keys[1..]);
    for _ in 0..20 {
        cycle(&mut pipeline);
        world.pass(60);
    }
    // Nothing was read; the last poll was a full scan.
    let through = world.last().sources["logs"].last_full_scan.unwrap();
    assert_eq!(through, world.clock().now().minus(std::time::Duration::from_secs(60)));
}

#[test]
fn what_is_dropped_is_never_read_again_not_even_when_it_is_replaced() {
    let (world, keys, mut pipeline, recorder) = with_bad();
    ask(&world, Request::Drop, &keys[1..]);
    cycle(&mut pipeline);
    assert_eq!(counts(&world), (1, 1, 0));
    let dropped = |event: &Event| matches!(event, Event::QuarantineDropped { objects: 1 });
    assert_eq!(recorder.events().iter().filter(|event| dropped(event)).count(), 1);
    let reads = world.bucket.gets().len();
    world.bucket.put(&keys[1], world.content(1, 2));
    for _ in 0..11 {
        cycle(&mut pipeline);
    }
    world.pass(80 * 3600);
    for _ in 0..11 {
        cycle(&mut pipeline);
    }
    cycles_again(&world, pipeline);
    assert_eq!(world.bucket.gets().len(), reads);
    world.assert_counted(&keys[..1]);
    assert_eq!(counts(&world), (1, 1, 0));
}

#[test]
fn a_crash_at_every_event_of_a_retry_loses_nothing_and_doubles_nothing() {
    ingest::quiet_crashes();
    for event in 0.. {
        let (world, keys, pipeline, _) = with_bad();
        drop(pipeline);
        let good = world.content(1, 2);
        // Outside the window, so that nothing but the request can lead to it.
        world.pass(80 * 3600);
        cycles(world.start(Recorder::new().observer()), 1, &CancellationToken::new()).unwrap();
        world.bucket.put(&keys[1], good);
        ask(&world, Request::Retry, &keys[1..]);
        let seen = Arc::new(AtomicUsize::new(0));
        let mut pipeline = world.start(ingest::ends_at(event, seen, || panic!("crash")));
        let crashed = catch_unwind(AssertUnwindSafe(|| {
            cycle(&mut pipeline);
            world.pass(31);
            cycle(&mut pipeline);
        }));
        drop(pipeline);
        let mut pipeline = world.start(Recorder::new().observer());
        for _ in 0..3 {
            cycle(&mut pipeline);
            world.pass(31);
        }
        if world.last().sources["logs"].quarantined == 1 {
            // Used up by a decoding that the process died in.
            let (ledger, all) = Ledger::open_read_only(&world.state()).unwrap().quarantined().unwrap();
            assert_eq!((ledger[0].request, ledger[0].retries, all), (None, 1, 1), "event {event}");
            ask(&world, Request::Retry, &keys[1..]);
            cycle(&mut pipeline);
            world.pass(31);
            cycle(&mut pipeline);
        }
        world.assert_counted(&keys);
        world.assert_monotone();
        assert_eq!(counts(&world), (1, 2, 0), "event {event}");
        if crashed.is_ok() {
            assert!(event > 6, "only {event} events");
            return;
        }
    }
}

#[test]
fn retries_come_after_what_is_new() {
    let (world, keys, mut pipeline, _) = with_bad();
    ask(&world, Request::Retry, &keys[1..]);
    let new: Vec<String> = (10..20).map(|number| world.put(A, 0, number)).collect();
    let before = world.bucket.gets().len();
    cycle(&mut pipeline);
    let gets = world.bucket.gets();
    assert_eq!(gets.len() - before, new.len() + 1);
    // Three are read at a time.
    assert!(gets[gets.len() - 3..].contains(&keys[1]), "{gets:?}");
}

/// A folder with a configuration, its state, and flow logs of the present hour: one good, one not.
struct Folder {
    dir: tempfile::TempDir,
    bad: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "[state]\npath = \"{0}/flowcost.db\"\n[ingest]\npoll_interval = \"1s\"\n\
             [[source]]\nname = \"folder\"\nurl = \"file://{0}/logs/\"\nregion = \"us-east-1\"\n",
            dir.path().display()
        );
        std::fs::write(dir.path().join("flowcost.toml"), config).unwrap();
        let now = now();
        let utc = now.to_utc().unwrap();
        let folder = dir.path().join(format!(
            "logs/AWSLogs/{A}/vpcflowlogs/us-east-1/{}/{:02}/{:02}",
            utc.year(),
            u8::from(utc.month()),
            utc.day()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |n| folder.join(format!("{A}_vpcflowlogs_us-east-1_fl-0a_20260310T0000Z_{n}.log.parquet"));
        let records = Cluster::new(7).records(Timestamp(now.0 - 300), 300, 20);
        std::fs::write(file(1), parquet(&records, &EncodeOptions::default()).unwrap()).unwrap();
        std::fs::write(file(2), "this is no flow log").unwrap();
        Self { bad: file(2), dir }
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowcost-exporter"));
        command.arg("--config.file").arg(self.dir.path().join("flowcost.toml")).args(words);
        command.output().unwrap()
    }

    /// Standard output of a run that has to succeed.
    fn says(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn fails(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.run(words);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn serve(&self) -> Exporter {
        Exporter::start(&self.dir.path().join("flowcost.toml"))
    }
}

fn key_of(path: &Path) -> String {
    format!("file://{}", path.display())
}

#[test]
fn the_commands_work_beside_a_running_exporter_and_without_one() {
    let folder = Folder::new();
    let (code, stderr) = folder.fails(&["quarantine", "list"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("run the exporter first"), "{stderr}");

    let key = key_of(&folder.bad);
    let mut exporter = folder.serve();
    exporter.wait_for("first full scan committed");
    let list = folder.says(&["quarantine", "list"]);
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 2, "{list}");
    assert!(lines[0].starts_with("SOURCE  REASON  SINCE"), "{list}");
    assert!(lines[1].starts_with("folder  format  20") && lines[1].contains(&key), "{list}");

    let said = folder.says(&["quarantine", "retry", &key]);
    assert_eq!(said, "1 object will be read again at the exporter's next poll, or when it is started\n");
    exporter.wait_for("objects in quarantine are read again");
    exporter.wait_for("object quarantined");

    let (code, stderr) = folder.fails(&["quarantine", "drop", &key, "no/such/key"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("not in quarantine, so nothing was asked: no/such/key"), "{stderr}");
    exporter.kill();

    // Killed: the commands go on, and the next start does what was asked.
    assert!(folder.says(&["quarantine", "list"]).contains(&key));
    folder.says(&["quarantine", "drop", "--all"]);
    assert!(folder.says(&["quarantine", "list"]).contains("  drop   file://"));
    let mut exporter = folder.serve();
    exporter.wait_for("objects dropped from quarantine");
    assert_eq!(folder.says(&["quarantine", "list"]), "nothing is in quarantine\n");
    assert_eq!(folder.says(&["quarantine", "retry", "--all"]), "nothing is in quarantine\n");

    let (code, stderr) = folder.fails(&["quarantine", "retry"]);
    assert_eq!(code, Some(2), "{stderr}");
}
