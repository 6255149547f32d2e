//! What a loss of power or a kill leaves of the state files, at whatever byte: nothing is lost, nothing counts twice,
//! and nothing that was shown goes down.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use flowcost_exporter::{event::Observer, model::ObjectOutcome};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use crate::support::world::{World, cycles};

const A: u64 = 111_111_111_111;

/// Lives that end in a crash, of one state. At the fourth death over an object it would stay aside, as it should.
const LIVES: usize = 3;

/// States that are crashed; `FLOWCOST_CRASHES` asks for so many crashes instead.
const STATES: u64 = 334;

/// What was on the disk, and what the world had seen, at one moment.
#[derive(Clone)]
struct Moment {
    shown: usize,
    durable: usize,
    mark: Option<Vec<u8>>,
    log: Vec<u8>,
    file: Vec<u8>,
}

fn beside(world: &World, suffix: &str) -> PathBuf {
    let mut path = world.state().into_os_string();
    path.push(suffix);
    path.into()
}

impl Moment {
    fn of(world: &Files) -> Self {
        // First what may lag.
        let shown = world.shown.lock().unwrap().len();
        let durable = world.durable.load(Ordering::SeqCst);
        let mark = fs::read(&world.mark).ok();
        let log = fs::read(&world.log).unwrap_or_default();
        let file = fs::read(&world.file).unwrap();
        Self { shown, durable: usize::try_from(durable).unwrap(), mark, log, file }
    }
}

/// Where the state is, for an observer.
struct Files {
    file: PathBuf,
    log: PathBuf,
    mark: PathBuf,
    shown: Arc<Mutex<Vec<Arc<flowcost_exporter::model::Snapshot>>>>,
    durable: Arc<std::sync::atomic::AtomicU64>,
}

/// One life: at some event of it the power fails, or a little later, in the midst of whatever is written then.
fn crash(world: &World, random: &mut fastrand::Rng) {
    let files = Arc::new(Files {
        file: world.state(),
        log: beside(world, "-wal"),
        mark: beside(world, ".mark"),
        shown: world.shown.clone(),
        durable: world.durable.clone(),
    });
    let (first, later) = (random.usize(..40), random.usize(..6));
    let checkpoint = random.u8(..4) == 0;
    let seen = AtomicUsize::new(0);
    let moments: Arc<Mutex<(Option<Moment>, Option<Moment>)>> = Arc::default();
    let stop = CancellationToken::new();
    let observer: Observer = {
        let (files, moments, stop) = (files.clone(), moments.clone(), stop.clone());
        Arc::new(move |_| {
            let event = seen.fetch_add(1, Ordering::SeqCst);
            if checkpoint && event + 2 == first {
                // Another program may have the log taken into the file at any time.
                let shell = Connection::open(&files.file).unwrap();
                let _ = shell.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            }
            let mut moments = moments.lock().unwrap();
            if event >= first && moments.0.is_none() {
                moments.0 = Some(Moment::of(&files));
            }
            if event >= first + later && moments.1.is_none() {
                moments.1 = Some(Moment::of(&files));
                stop.cancel();
            }
        })
    };
    let mut pipeline = world.start(observer);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..2 {
            pipeline.cycle(&stop).await.unwrap();
        }
    });
    // Before the file is closed, which cleans up.
    let last = Moment::of(&files);
    drop(pipeline);
    drop(runtime);
    let (first, later) = std::mem::take(&mut *moments.lock().unwrap());
    // A life that has no such event ends at its end.
    let later = later.unwrap_or(last);
    leave(world, first.unwrap_or_else(|| later.clone()), later, random);
}

/// What is found after the crash: everything that was shown at the first moment, and any part of what was written
/// between that and the later one; what the disk had not got round to is missing or zero.
fn leave(world: &World, first: Moment, later: Moment, random: &mut fastrand::Rng) {
    let least = first.durable.min(first.log.len()).min(later.log.len());
    let cut = random.usize(least..=later.log.len());
    let mut log = later.log;
    match random.u8(..3) {
        0 => log[cut..].fill(0),
        1 => log[cut..].iter_mut().for_each(|byte| *byte = random.u8(..)),
        _ => log.truncate(cut),
    }
    fs::write(world.state(), later.file).unwrap();
    fs::write(beside(world, "-wal"), log).unwrap();
    match first.mark {
        Some(mark) => fs::write(beside(world, ".mark"), mark).unwrap(),
        None => drop(fs::remove_file(beside(world, ".mark"))),
    }
    drop(fs::remove_file(beside(world, "-shm")));
    world.shown.lock().unwrap().truncate(first.shown);
}

fn crashed_and_recovered(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::in_memory();
    let mut keys = Vec::new();
    let mut number = 0;
    let mut arrive = |world: &World, random: &mut fastrand::Rng| {
        for _ in 0..random.u32(1..6) {
            keys.push(world.put(A, random.i64(0..5), number));
            number += 1;
        }
        keys.clone()
    };
    world.bucket.put(&World::key(A, 2, 5_000), bytes::Bytes::from_static(b"no Parquet"));
    for _ in 0..LIVES {
        arrive(&world, &mut random);
        crash(&world, &mut random);
        world.pass(random.u64(..120));
    }
    let keys = arrive(&world, &mut random);
    cycles(world.start(Arc::new(|_| {})), 2, &CancellationToken::new()).unwrap();
    world.assert_counted(&keys);
    world.assert_monotone();
    assert!(world.last().first_scan_complete);
    assert!(world.last().objects.get(ObjectOutcome::Quarantined) >= 1);
    assert_eq!(world.last().sources["logs"].quarantined, 1);
}

/// Every second seed from `first` on: two tests share the work. Returns how many crashes there were.
fn crashes(first: u64) -> usize {
    let asked = std::env::var("FLOWCOST_CRASHES").ok().map(|count| count.parse::<u64>().unwrap());
    let states = asked.map_or(STATES, |count| count.div_ceil(LIVES as u64));
    let mut crashes = 0;
    for seed in (first..states).step_by(2) {
        let recovered = std::panic::catch_unwind(|| crashed_and_recovered(seed));
        assert!(recovered.is_ok(), "seed {seed}");
        crashes += LIVES;
    }
    crashes
}

#[test]
fn five_hundred_losses_of_power_lose_nothing_and_double_nothing() {
    eprintln!("{} crashes: nothing lost, nothing twice, nothing down", crashes(0));
}

#[test]
fn five_hundred_other_losses_of_power_lose_nothing_and_double_nothing() {
    eprintln!("{} crashes: nothing lost, nothing twice, nothing down", crashes(1));
}
