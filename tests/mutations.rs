//! Fixtures with bytes changed, moved, cut off: each ends in sums over exactly the rows that its footer claims, or set
//! aside. No panic gets past the place where the pipeline catches it, nothing hangs, memory stays flat.
//!
//! `FLOWCOST_MUTATIONS=N` runs N mutations of each fixture (`FLOWCOST_MUTATE=part-of-a-name` picks some) instead of
//! what fits into a few seconds. `FLOWCOST_MUTATION_SEED` starts elsewhere. What is wrong is written to
//! `target/mutations` with its seed.

use std::{
    collections::BTreeMap,
    fs,
    panic::{self, AssertUnwindSafe},
    path::Path,
    time::{Duration, Instant},
};

use flowcost_exporter::{
    accumulate::digest,
    classify::Classifier,
    decode::Input,
    model::{Origin, RecordOutcome, Settlement},
};
use parquet::file::metadata::ParquetMetaDataReader;

use crate::{
    fixtures_parquet::{LIMITS, classifier, files, origin},
    oracle::exporter,
    support::alone::alone,
};

/// Time for all fixtures together when no number of mutations is asked for.
const BUDGET: Duration = Duration::from_secs(20);

/// Longest that a mutated fixture of some kilobytes may take: the sound ones take milliseconds.
const SLOW: Duration = Duration::from_secs(5);

/// Highest resident memory of the test process. The largest dictionary and pages that the guard lets through are
/// [`flowcost_exporter::limits::PARQUET_OPEN_BYTES`].
const MEMORY: u64 = 300 << 20;

/// How one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    SameSums,
    OtherSums,
    Empty,
    Ignored,
    Quarantined,
    Panicked,
    Wrong,
}

#[test]
fn a_mutated_file_counts_whole_or_not_at_all() {
    alone("mutations::a_mutated_file_counts_whole_or_not_at_all", ":", mutations);
}

#[allow(clippy::print_stdout, reason = "the figures of a test")]
fn mutations() {
    let asked = std::env::var("FLOWCOST_MUTATIONS").ok().map(|count| count.parse::<u64>().unwrap());
    let wanted = std::env::var("FLOWCOST_MUTATE").unwrap_or_default();
    let seed = std::env::var("FLOWCOST_MUTATION_SEED").map_or(1, |seed| seed.parse().unwrap());
    let fixtures: BTreeMap<String, Vec<u8>> =
        files("parquet").into_iter().filter(|(name, _)| name.contains(&wanted)).collect();
    let share = BUDGET / u32::try_from(fixtures.len()).unwrap();
    let judge = Judge { classifier: classifier(), origin: origin() };
    // What the decoder says when it panics is in the quarantine's detail; here it would be thousands of backtraces.
    panic::set_hook(Box::new(|_| {}));
    let mut totals: BTreeMap<End, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut panics: BTreeMap<String, String> = BTreeMap::new();
    for (at, (name, file)) in fixtures.iter().enumerate() {
        let began = Instant::now();
        let sound = judge.settle(file).unwrap();
        let mut random = fastrand::Rng::with_seed(seed + ((at as u64) << 40));
        let mut ends: BTreeMap<End, u64> = BTreeMap::new();
        let mut slowest = Duration::ZERO;
        let mut count = 0;
        while asked.map_or_else(|| began.elapsed() < share, |asked| count < asked) {
            let mutated = mutate(file, &mut random);
            let one = Instant::now();
            let (end, what) = judge.judge(&mutated, &sound);
            let took = one.elapsed();
            slowest = slowest.max(took);
            if end == End::Wrong || took > SLOW {
                let kept = keep(&format!("{name}-{count}"), &mutated);
                wrong.push(format!("{kept}: {end:?} in {took:?}: {what}"));
            }
            if end == End::Panicked && asked.is_some() && panics.len() < 100 {
                panics.entry(what).or_insert_with(|| keep(&format!("{name}-{count}"), &mutated));
            }
            *ends.entry(end).or_default() += 1;
            count += 1;
        }
        for (end, count) in &ends {
            *totals.entry(*end).or_default() += count;
        }
        if asked.is_some() {
            let memory = peak() >> 20;
            println!("{name}: {ends:?}, slowest {slowest:?}, peak {memory} MiB, {:?}", began.elapsed());
        }
    }
    let _ = panic::take_hook();
    println!("{totals:?}, peak {} MiB\nthe decoder's panics, and where first: {panics:#?}", peak() >> 20);
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    assert!(peak() < MEMORY, "{} bytes resident", peak());
    let done: u64 = totals.values().sum();
    assert!(done > 1_000 && totals.get(&End::Quarantined) > totals.get(&End::OtherSums), "{totals:?}");
}

/// Puts a file where it can be looked at.
fn keep(name: &str, file: &[u8]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mutations");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.parquet"));
    fs::write(&path, file).unwrap();
    path.display().to_string()
}

struct Judge {
    classifier: Classifier,
    origin: Origin,
}

impl Judge {
    /// As the pipeline does it: a panic is caught where the task ends.
    fn settle(&self, file: &[u8]) -> Result<Settlement, String> {
        let input = Input::Whole(file.to_vec().into());
        panic::catch_unwind(AssertUnwindSafe(|| digest(input, &self.origin, &self.classifier, &LIMITS)))
            .map_err(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                    .unwrap_or_default()
            })
    }

    fn judge(&self, file: &[u8], sound: &Settlement) -> (End, String) {
        match self.settle(file) {
            Err(text) => (End::Panicked, text),
            Ok(Settlement::Quarantined(_)) => (End::Quarantined, String::new()),
            Ok(Settlement::Ignored(_)) => (End::Ignored, String::new()),
            Ok(Settlement::Empty) if file.is_empty() => (End::Empty, String::new()),
            Ok(Settlement::Empty) => match rows(file) {
                Some(0) => (End::Empty, String::new()),
                rows => (End::Wrong, format!("empty, but the footer claims {rows:?} rows")),
            },
            Ok(counted @ Settlement::Counted(_)) => {
                let Settlement::Counted(delta) = &counted else { unreachable!() };
                let records = delta.records.total();
                let flows: u64 = delta.traffic.values().map(|sums| sums.flows).sum();
                if Some(records) != rows(file) || flows != delta.records.get(RecordOutcome::Counted) {
                    let rows = rows(file);
                    return (End::Wrong, format!("{records} records, {flows} flows, {rows:?} rows"));
                }
                let same = exporter::tables(&counted) == exporter::tables(sound);
                (if same { End::SameSums } else { End::OtherSums }, String::new())
            }
            Ok(other) => (End::Wrong, format!("{other:?}")),
        }
    }
}

/// The rows that the footer claims.
fn rows(file: &[u8]) -> Option<u64> {
    let (rest, tail) = file.split_last_chunk::<8>()?;
    let size = u32::from_le_bytes(*tail.first_chunk::<4>()?) as usize;
    let footer = rest.get(rest.len().checked_sub(size)?..)?;
    let meta = panic::catch_unwind(|| ParquetMetaDataReader::decode_metadata(footer)).ok()?.ok()?;
    u64::try_from(meta.file_metadata().num_rows()).ok()
}

/// One to four changes, each somewhere, the footer and the beginnings of pages more often than their share.
fn mutate(file: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut file = file.to_vec();
    let footer =
        file.last_chunk::<8>().map_or(0, |tail| u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    for _ in 0..random.usize(1..=4) {
        let len = file.len();
        // More than what is moved at a time.
        if len <= 16 {
            break;
        }
        let footer_start = len.saturating_sub(footer as usize + 8);
        let at = if random.u8(..) < 100 { random.usize(footer_start..len) } else { random.usize(..len) };
        match random.u8(0..12) {
            0..=3 => file[at] ^= 1 << random.u8(0..8),
            4..=5 => file[at] = random.u8(..),
            6 => file[at] = *random.choice([0, 1, 0x7f, 0x80, 0xff, 0xfe].iter()).unwrap(),
            7 => {
                let end = (at + random.usize(1..=8)).min(len);
                let value = *random.choice([0, 0xff, 0x7f].iter()).unwrap();
                file[at..end].fill(value);
            }
            8 => {
                let end = (at + random.usize(1..=16)).min(len);
                let to = random.usize(..len - (end - at));
                file.copy_within(at..end, to);
            }
            9 => {
                let end = (at + random.usize(1..=8)).min(len);
                file.drain(at..end);
            }
            10 => {
                let bytes: Vec<u8> = (0..random.usize(1..=8)).map(|_| random.u8(..)).collect();
                file.splice(at..at, bytes);
            }
            _ => file.truncate(if random.bool() { at } else { len - random.usize(1..16) }),
        }
    }
    file
}

/// Highest resident memory of this process so far, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
