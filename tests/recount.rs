//! Hours that are read again under later rules: they are what a fresh state would have, all others stay, and no counter
//! moves, wherever it is killed and whatever arrives meanwhile.

use std::{
    fs,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use flowcost_exporter::{
    event::Observer,
    ledger::{Ledger, Measure, RecountError, RecountPrices, Table},
    model::{Charge, Hour, Snapshot, Timestamp},
    recount::{Failure, Step},
    store::FailureReason,
};
use proptest::prelude::*;
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use crate::{
    ingest::quiet_crashes,
    kill::{Site, check_ledger, read_all},
    past::counters,
    support::{
        bucket::Bucket,
        exporter::Exporter,
        world::{NOON, World, cycles},
    },
};

const OPS: u64 = 111_111_111_111;

fn nobody() -> Observer {
    Arc::new(|_| {})
}

fn run(world: &World, count: usize) {
    cycles(world.start(nobody()), count, &CancellationToken::new()).unwrap();
}

/// Every row of the views, of some hours before noon.
fn rows(state: &Path, hours: Range<i64>) -> Vec<String> {
    let conn = Connection::open(state).unwrap();
    let mut all = Vec::new();
    for (view, columns) in [
        (
            "ledger",
            "src_zone, dst_zone, port_group, nat_direction, source, relation, src_az, dst_az, flows, packets, bytes, inter_az_bytes",
        ),
        (
            "ledger_charges",
            "src_zone, dst_zone, port_group, nat_direction, source, charge, aws_region, bytes, unpriced_bytes, nano_usd",
        ),
        ("ledger_doubts", "source, kind, bytes"),
        ("ledger_contradictions", "source, kind, records"),
    ] {
        let sql = format!(
            "SELECT concat_ws(' ', '{view}', hour_utc, {columns}) FROM {view} WHERE hour >= ? AND hour < ? ORDER BY 1"
        );
        let mut statement = conn.prepare(&sql).unwrap();
        let range = [NOON - hours.end * 3600, NOON - hours.start * 3600];
        let found = statement.query_map(range, |row| row.get::<_, String>(0)).unwrap();
        all.extend(found.map(Result::unwrap));
    }
    all
}

/// Files and memory agree, and the file agrees with itself: that is looked at when it is opened.
fn reopened(world: &World) -> Arc<Snapshot> {
    world.open().0.snapshot()
}

/// The export ends where the counters are; what is not on /metrics has a past that begins at 0, and ends.
fn assert_export_joins(world: &World) {
    let reader = Ledger::open_read_only(&world.state()).unwrap();
    let snapshot = reopened(world);
    let hour = |ago: i64| Hour(NOON / 3600 - ago);
    let mut hidden = 0;
    for one in reader.history_series(Table::Traffic, &(hour(200)..hour(-200))).unwrap() {
        let added: u64 = reader.hours_of(Measure::Bytes, &one).unwrap().iter().sum();
        let fell: i128 = one.falls(Measure::Bytes).range(..one.ends).map(|(_, fall)| fall).sum();
        let end = one.before(Measure::Bytes) + i128::from(added) - fell;
        match snapshot.traffic.get(&one.key) {
            Some(counts) => assert_eq!(end, i128::from(counts.bytes), "{:?}", one.key),
            None => {
                assert!(one.before(Measure::Bytes) == 0 && end >= 0 && one.ends < hour(-200), "{one:?}");
                hidden += 1;
            }
        }
    }
    assert!(hidden > 0, "labels that are only in the past");
}

fn change_rules(world: &mut World) {
    world.change_rules(|text| text.replace("\"dns\"", "\"names\"") + "\n[counting]\nvantage = \"every\"\n");
}

/// A state of a day and a half, shown, whose first days are sealed; and time has passed.
fn old(objects: impl IntoIterator<Item = (i64, u32)>) -> World {
    let world = World::new();
    for (hours_ago, number) in objects {
        world.put(OPS, hours_ago, number);
    }
    run(&world, 1);
    world.pass(2 * 3600);
    run(&world, 1);
    world
}

#[test]
fn hours_are_what_a_fresh_state_has_wherever_it_is_killed_and_counters_stand_still() {
    quiet_crashes();
    let objects = || (0..70).map(|n| (i64::from(n) / 2, n));
    let mut fresh = World::new();
    objects().for_each(|(hours_ago, number)| drop(fresh.put(OPS, hours_ago, number)));
    change_rules(&mut fresh);
    run(&fresh, 1);
    for kill in 1.. {
        let mut world = old(objects());
        change_rules(&mut world);
        run(&world, 1);
        let before = world.last();
        let untouched = |world: &World| [rows(&world.state(), -3..5), rows(&world.state(), 30..90)];
        let outside = untouched(&world);
        let mut steps = 0;
        let mut tell = |_| {
            steps += 1;
            if steps == kill {
                panic!("crash");
            }
        };
        let job = world.job(5..30);
        let killed = catch_unwind(AssertUnwindSafe(|| world.recount(&job, &mut tell))).is_err();
        if killed {
            assert_eq!(untouched(&world), outside);
            assert_eq!(counters(&reopened(&world)), counters(&before), "killed at step {kill}");
            let mut resumed = false;
            let mut look = |step| resumed |= matches!(step, Step::Listed { resumed: true, .. });
            world.recount(&job, &mut look).unwrap();
            assert_eq!(resumed, kill > 1, "from the second step on it is under way");
        }
        assert_eq!(rows(&world.state(), 5..30), rows(&fresh.state(), 5..30), "killed at step {kill}");
        assert_eq!(untouched(&world), outside);
        let after = reopened(&world);
        assert_eq!(counters(&after), counters(&before), "no counter moves");
        assert_eq!(after.traffic.keys().collect::<Vec<_>>(), before.traffic.keys().collect::<Vec<_>>());
        assert_export_joins(&world);
        // It goes on as if nothing had happened.
        world.put(OPS, -1, 900);
        run(&world, 1);
        world.assert_monotone();
        let settled = world.recount(&job, &mut |_| {}).unwrap();
        assert_eq!(settled.changes.unwrap(), [], "the second time nothing changes");
        if !killed {
            assert!(kill > 4, "only {kill} steps");
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn under_the_same_rules_nothing_changes(
        objects in prop::collection::vec((0_i64..40, 0_u32..64), 1..30),
        added in prop::collection::vec((0_i64..40, 100_u32..164), 0..10),
        range in (2_i64..30, 1_i64..40),
        days in 0_u64..5,
    ) {
        let world = old(objects);
        let bucket = Bucket::named("s3://added");
        for (hours_ago, number) in added {
            bucket.put(&World::key(222_222_222_222, hours_ago, number), world.content(hours_ago, number));
        }
        // Both are heard until now, or hours were not settled.
        world.put(OPS, 0, 64);
        bucket.put(&World::key(222_222_222_222, 0, 164), world.content(0, 164));
        world.add_source(&bucket);
        run(&world, 1);
        // After some days everything is sealed and known by its hashes only.
        world.pass(days * 86_400);
        run(&world, 2);
        let before = (rows(&world.state(), -100..200), world.last());
        let done = world.recount(&world.job(range.0..range.0 + range.1), &mut |_| {}).unwrap();
        prop_assert_eq!(done.changes.unwrap(), []);
        prop_assert_eq!(rows(&world.state(), -100..200), before.0);
        let after = reopened(&world);
        prop_assert_eq!(Snapshot { state_bytes: 0, ..Snapshot::clone(&after) },
            Snapshot { state_bytes: 0, ..Snapshot::clone(&before.1) });
    }
}

#[test]
fn what_is_counted_meanwhile_is_in_it_and_the_writer_goes_on() {
    let mut world = old((0..40).map(|n| (i64::from(n) / 2, n)));
    change_rules(&mut world);
    // A writer that is there all the while.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut pipeline = world.start(nobody());
    let stop = CancellationToken::new();
    runtime.block_on(pipeline.cycle(&stop)).unwrap();
    let before = world.last();
    let mut late = 0;
    let mut arrived = false;
    let mut tell = |step| match step {
        Step::Begun if !arrived => {
            arrived = true;
            world.put(OPS, 7, 300);
            world.put(OPS, 1, 301);
            std::thread::scope(|scope| {
                let cycles =
                    scope.spawn(|| (0..11).for_each(|_| runtime.block_on(pipeline.cycle(&stop)).unwrap()));
                cycles.join().unwrap();
            });
        }
        Step::Late(objects) => late += objects,
        _ => {}
    };
    world.recount(&world.job(3..25), &mut tell).unwrap();
    assert_eq!(late, 2, "the last hour can have records of these hours, too");
    let beside = counters(&world.last());
    assert!(beside != counters(&before), "the writer has counted both");
    assert_eq!(counters(&reopened_beside(&world)), beside);
    // The writer takes the new sums over, and adds to them.
    world.put(OPS, -1, 302);
    for _ in 0..11 {
        runtime.block_on(pipeline.cycle(&stop)).unwrap();
    }
    world.assert_monotone();
    drop(pipeline);
    drop(runtime);
    let (memory, file) = (world.last(), reopened(&world));
    assert_eq!(counters(&memory), counters(&file));
    assert_eq!(memory.by_source, file.by_source, "months too");
    let mut fresh = World::new();
    fresh.bucket = world.bucket.clone();
    change_rules(&mut fresh);
    run(&fresh, 1);
    assert_eq!(rows(&world.state(), 3..25), rows(&fresh.state(), 3..25));
}

#[test]
fn what_is_counted_and_replaced_meanwhile_is_found_by_the_next_run() {
    let mut world = old((0..40).map(|n| (i64::from(n) / 2, n)));
    change_rules(&mut world);
    run(&world, 1);
    let key = World::key(OPS, 7, 300);
    let mut late = 0;
    let mut tell = |step| match step {
        Step::Begun => {
            // Outside of the runtime that calls.
            let beside = || std::thread::scope(|scope| scope.spawn(|| run(&world, 1)).join().unwrap());
            world.put(OPS, 7, 300);
            beside();
            world.bucket.put(&key, world.content(7, 301));
            beside();
        }
        Step::Late(objects) => late += objects,
        _ => {}
    };
    // What was counted cannot be read any more, and what is there now was not counted.
    let Err(Failure::Ledger(RecountError::UnderWay { .. })) = world.recount(&world.job(3..25), &mut tell)
    else {
        panic!("what is there now is not what was counted")
    };
    assert_eq!(late, 0);
    let before = rows(&world.state(), 3..25);
    let Err(Failure::Refused { problems }) = world.recount(&world.job(3..25), &mut |_| {}) else {
        panic!("nothing stood against it")
    };
    let text = problems.to_string();
    assert!(text.contains(&format!("{key} was replaced")), "{text}");
    let job = flowcost_exporter::recount::Job { skip_hours: true, ..world.job(3..25) };
    world.recount(&job, &mut |_| {}).unwrap();
    assert_eq!(rows(&world.state(), 3..25), before, "a day around it stays");
}

/// What the file says while a writer has it.
fn reopened_beside(world: &World) -> Snapshot {
    let copy = tempfile::tempdir().unwrap();
    let vacuum = format!("VACUUM INTO '{}'", copy.path().join("copy.db").display());
    Connection::open(world.state()).unwrap().execute_batch(&vacuum).unwrap();
    let options = world.options();
    let ledger = Ledger::open(&copy.path().join("copy.db"), &options, world.clock().now()).unwrap().0;
    Snapshot::clone(&ledger.snapshot())
}

#[test]
fn objects_that_cannot_be_read_again_stand_against_it_or_keep_their_hours() {
    let mut world = old((0..60).map(|n| (i64::from(n), n)).filter(|(hours, _)| *hours < 47));
    change_rules(&mut world);
    run(&world, 1);
    let (gone, denied, replaced) = (World::key(OPS, 8, 8), World::key(OPS, 9, 9), World::key(OPS, 10, 10));
    let content = world.bucket.content(&gone);
    world.bucket.delete(&gone);
    world.bucket.fail(&denied, FailureReason::Denied);
    world.bucket.put(&replaced, world.content(10, 11));
    let (before, near) = (rows(&world.state(), -3..90), rows(&world.state(), -3..33));
    let Err(Failure::Refused { problems }) = world.recount(&world.job(3..40), &mut |_| {}) else {
        panic!("nothing stood against it")
    };
    let text = problems.to_string();
    assert!(text.contains("gone") && text.contains(&replaced), "{text}");
    assert_eq!(rows(&world.state(), -3..90), before);
    world.bucket.put(&gone, content);
    let dry = world.recount(
        &flowcost_exporter::recount::Job { dry_run: true, skip_hours: true, ..world.job(3..40) },
        &mut |_| {},
    );
    assert!(dry.unwrap().changes.is_none());
    let job = flowcost_exporter::recount::Job { skip_hours: true, ..world.job(3..40) };
    let counted = counters(&world.last());
    world.recount(&job, &mut |_| {}).unwrap();
    let after = rows(&world.state(), -3..90);
    assert_ne!(after, before, "hours far from them");
    // A day around each of their partitions.
    assert_eq!(rows(&world.state(), -3..33), near);
    assert_eq!(counters(&reopened(&world)), counted);
    let skipped: i64 = Connection::open(world.state())
        .unwrap()
        .query_row("SELECT count(*) FROM recount_skipped", [], |row| row.get(0))
        .unwrap();
    assert!(skipped > 24, "{skipped}");
}

#[test]
fn what_cannot_be_recounted_is_refused_and_one_is_under_way_at_a_time() {
    let mut world = old((0..40).map(|n| (i64::from(n) / 2, n)));
    change_rules(&mut world);
    let refused = |world: &World, hours| match world.recount(&world.job(hours), &mut |_| {}) {
        Err(Failure::Ledger(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(&world, 5..20), RecountError::OtherRules), "the exporter has the old ones");
    run(&world, 1);
    assert!(matches!(refused(&world, -5..20), RecountError::Unsettled { .. }));
    assert!(matches!(refused(&world, 10..10), RecountError::Unsettled { .. }), "no hour at all");
    quiet_crashes();
    let mut tell = |step| assert!(!matches!(step, Step::Begun), "crash");
    let killed = catch_unwind(AssertUnwindSafe(|| world.recount(&world.job(5..20), &mut tell)));
    assert!(killed.is_err());
    assert!(matches!(refused(&world, 5..19), RecountError::UnderWay { .. }));
    let under_way = Ledger::open_read_only(&world.state()).unwrap().recount_under_way().unwrap();
    assert_eq!(under_way, Some(world.job(5..20).wish.hours), "which a command without --to goes on with");
    Ledger::abort_recount(&world.state(), world.clock().now()).unwrap();
    let again = Ledger::abort_recount(&world.state(), world.clock().now());
    assert!(matches!(again, Err(RecountError::NotUnderWay)));
    assert!(world.recount(&world.job(5..19), &mut |_| {}).unwrap().changes.unwrap().len() > 1);
    let conn = Connection::open(world.state()).unwrap();
    conn.execute("UPDATE state SET folded_before = ?", [NOON - 10 * 3600]).unwrap();
    assert!(matches!(refused(&world, 5..20), RecountError::Folded { .. }));
}

#[test]
fn prices_are_those_at_the_end_of_each_hour_or_todays() {
    let world = old((0..40).map(|n| (i64::from(n) / 2, n)));
    let cost = |world: &World| -> i64 {
        let conn = Connection::open(world.state()).unwrap();
        let sql = "SELECT sum(nano_usd) FROM ledger_charges WHERE charge = 'inter_az' AND hour < ?";
        conn.query_row(sql, [NOON - 5 * 3600], |row| row.get(0)).unwrap()
    };
    let (today, counted) = (cost(&world), counters(&world.last()));
    let conn = Connection::open(world.state()).unwrap();
    let note = "INSERT INTO price (aws_region, charge_id, since, nano_usd_per_gigabyte, gigabyte_bytes)
        VALUES ('us-east-1', ?, ?, ?, 1073741824)";
    for (since, nano) in [(0, 20_000_000), (NOON - 5 * 3600 + 1, 10_000_000)] {
        conn.execute(note, [Charge::InterAz.code(), since, nano]).unwrap();
    }
    world.recount(&world.job(2..25), &mut |_| {}).unwrap();
    assert!((cost(&world) - 2 * today).abs() < 2_000, "{} {today}", cost(&world));
    let mut job = world.job(2..25);
    job.wish.prices = RecountPrices::Now;
    world.recount(&job, &mut |_| {}).unwrap();
    assert_eq!(cost(&world), today);
    assert_eq!(counters(&reopened(&world)), counted);
}

#[test]
fn a_write_that_fails_changes_nothing_and_the_next_run_goes_on() {
    let mut world = old((0..30).map(|n| (i64::from(n), n)));
    change_rules(&mut world);
    run(&world, 1);
    let (before, counted) = (rows(&world.state(), -3..90), counters(&world.last()));
    let job = world.job(3..25);
    let conn = Connection::open(world.state()).unwrap();
    for fault in [
        "INSERT ON recount_object",
        "INSERT ON recount_traffic",
        "UPDATE ON traffic_total",
        "INSERT ON charge_hour",
        "DELETE ON traffic_hour",
        "INSERT ON adjustment",
        "DELETE ON recount_object",
        "UPDATE ON recount",
    ] {
        let sql = format!("CREATE TRIGGER fault BEFORE {fault} BEGIN SELECT raise(ABORT, 'no'); END");
        conn.execute_batch(&sql).unwrap();
        let failed = world.recount(&job, &mut |_| {});
        assert!(matches!(failed, Err(Failure::Ledger(_))), "{fault}: {failed:?}");
        conn.execute_batch("DROP TRIGGER fault").unwrap();
        assert_eq!(rows(&world.state(), -3..90), before, "{fault}");
        assert_eq!(counters(&reopened(&world)), counted, "{fault}");
    }
    assert_ne!(world.recount(&job, &mut |_| {}).unwrap().changes.unwrap(), []);
    assert_eq!(counters(&reopened(&world)), counted);
    let staged = "SELECT (SELECT count(*) FROM recount_object) + (SELECT count(*) FROM recount_traffic)
        + (SELECT count(*) FROM recount_charge) + (SELECT count(*) FROM recount_doubt)";
    assert_eq!(conn.query_row(staged, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

/// The real binary beside the real exporter, killed again and again.
#[test]
fn the_command_beside_a_running_exporter_is_killed_and_ends_right() {
    const OBJECTS: usize = 400;
    let site = Site::new(OBJECTS);
    site.arrive(0..OBJECTS);
    let rename = |name: &str| {
        let file = site.configure(name);
        let text = fs::read_to_string(&file).unwrap().replace("\"dns\"", "\"names\"");
        fs::write(&file, text).unwrap();
        file
    };
    let mut exporter = Exporter::start(&site.config());
    read_all(&mut exporter, OBJECTS);
    let config = rename("flowcost");
    exporter.signal("HUP");
    exporter.wait_for("configuration reloaded");
    let before = exporter.scrape_until("goes on", |scrape| scrape.count("flowcost_ready") == 1);
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowcost-exporter"));
        command.args(["recount", "--from", "2020-01-01", "--config.file"]).arg(&config);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..12 {
        let mut child = command().spawn().unwrap();
        let deadline = Instant::now() + Duration::from_millis(random.u64(1..250));
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
        check_ledger(&site.state());
    }
    let done = command().output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && text.starts_with("recounted 2"), "{text}{done:?}");
    check_ledger(&site.state());
    let after = exporter.scrape();
    assert_eq!(before.broken_by(&after), Vec::<String>::new());
    assert_eq!(after.kept().to_string(), before.kept().to_string());
    let mut fresh = Exporter::start(&rename("fresh"));
    read_all(&mut fresh, OBJECTS);
    let conn = Connection::open(site.state()).unwrap();
    let sql = "SELECT max(to_hour) FROM recount WHERE outcome = 'done'";
    let to: i64 = conn.query_row(sql, [], |row| row.get(0)).unwrap();
    let until = |state: &Path| rows(state, (NOON - to) / 3600..1_000_000);
    assert_eq!(until(&site.state()), until(&site.path("fresh.db")));
    assert!(until(&site.state()).iter().any(|row| row.contains("names")));

    // A dry run goes as far back as it can, and says so; a recount is refused.
    conn.execute("UPDATE state SET folded_before = ?", [to - 7200]).unwrap();
    let dry = command().args(["--dry-run", "--to"]).arg(Timestamp(to).to_string()).output().unwrap();
    let text = String::from_utf8_lossy(&dry.stdout).into_owned();
    let (from, until) = (Timestamp(to - 7200), Timestamp(to));
    assert!(
        text.starts_with(&format!("hours before {from} are only in the totals (state.keep)")),
        "{text}{dry:?}"
    );
    assert!(text.contains(&format!("would recount {from} to {until}: 2 hours\n")), "{text}");
    assert!(text.contains("  source ") && text.ends_with("nothing was changed\n"), "{text}");
    let refused = command().output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("recount from there on"), "{refused:?}");
}
