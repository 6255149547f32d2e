//! Thirty days in minutes: a clock that is told the time, an object every five minutes, a poll after each. Prints what the
//! process holds at the end of each day, and judges nothing: `cargo bench --bench soak [-- DAYS]`. With `-- state DAYS` only
//! the state file grows, by what the demo's cluster adds to it, and its size is printed every quarter.

use std::{
    error::Error,
    fs,
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::{Classifier, SourceScope},
    config::Config,
    decode::{
        Input,
        encode::{EncodeOptions, parquet},
    },
    demo::{self, Cluster, LogFolder, SLOT_SECONDS, slot_of},
    discover::{Discovery, SourceSpec, layout::Layout},
    ledger::{self, Ledger},
    limits,
    model::{
        Candidate, Clock, Hints, Hour, Listed, ObjectDelta, ObjectId, ObjectOutcome, Partition,
        PartitionSpan, Settled, Settlement, Timestamp,
    },
    pipeline::{Pipeline, Publish, Settings, SharedLedger},
    reader::{SharedClassifier, Source},
    store::local::{BUCKET, LocalStore},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// 2026-03-01T00:00:00Z
const BEGIN: i64 = 1_772_323_200;
const ROWS: usize = 60;
/// Of five minutes of the demo as it is when nobody asks for another.
const LIVE_ROWS: usize = 5 * demo::ROWS_PER_MINUTE as usize;
const SLOTS_OF_A_DAY: i64 = 24 * 12;
/// Polls at the end of a day for which there is nothing new.
const IDLE_POLLS: u32 = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let days = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(30);
    if std::env::args().any(|word| word == "state") {
        return grow(days);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(soak(days))
}

async fn soak(days: i64) -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let logs = LogFolder::new(dir.path().to_owned(), Cluster::new(1));
    let state = dir.path().join("flowcost.db");
    let now = Arc::new(AtomicI64::new(BEGIN));
    let (publish, shown) = watch::channel(Arc::default());
    let mut pipeline = pipeline(dir.path(), &state, &now, Arc::new(move |last| drop(publish.send(last))))?;
    let stop = CancellationToken::new();
    let mut out = std::io::stdout();
    writeln!(out, "day  objects  RSS MiB  descriptors  state MiB  log MiB  poll ms  idle poll ms")?;
    for day in 1..=days {
        let began = Instant::now();
        for slot in 0..SLOTS_OF_A_DAY {
            let at = BEGIN + ((day - 1) * SLOTS_OF_A_DAY + slot) * i64::from(SLOT_SECONDS);
            let slot = slot_of(Timestamp(at));
            let end = slot.plus(Duration::from_secs(SLOT_SECONDS.into()));
            logs.write_live(slot, end, ROWS)?;
            now.store(end.0 + 60, Ordering::Relaxed);
            pipeline.cycle(&stop).await?;
        }
        let busy = began.elapsed().as_secs_f64() * 1e3 / SLOTS_OF_A_DAY as f64;
        let began = Instant::now();
        for _ in 0..IDLE_POLLS {
            pipeline.cycle(&stop).await?;
        }
        let idle = began.elapsed().as_secs_f64() * 1e3 / f64::from(IDLE_POLLS);
        let own = procfs::process::Process::myself()?;
        let rss = own.status()?.vmrss.unwrap_or(0) as f64 / 1024.0;
        let mib = |path: &Path| fs::metadata(path).map_or(0.0, |file| file.len() as f64 / f64::from(1 << 20));
        writeln!(
            out,
            "{day:>3}  {:>7}  {rss:>7.1}  {:>11}  {:>9.2}  {:>7.2}  {busy:>7.2}  {idle:>12.2}",
            day * SLOTS_OF_A_DAY,
            own.fd_count()?,
            mib(&state),
            mib(&state.with_extension("db-wal")),
        )?;
    }
    let objects = shown.borrow().objects.get(ObjectOutcome::Counted);
    writeln!(out, "{objects} of {} objects counted", days * SLOTS_OF_A_DAY)?;
    Ok(())
}

/// Commits so many days of the demo's cluster, an object every five minutes, seals and folds as the pipeline does.
fn grow(days: i64) -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("flowcost.db");
    let config = Config::parse("the demo's configuration", &demo::config_toml(dir.path()), &[])?;
    let mut ledger = Ledger::open(&path, &options(&config), Timestamp(BEGIN))?.0;
    let made = slots(&config)?;
    let mut out = std::io::stdout();
    writeln!(out, "day  objects  label sets  state MiB")?;
    for day in 0..days {
        let midnight = Hour::of(Timestamp(BEGIN + day * 86_400));
        for hour in 0..24 {
            let start = Hour(midnight.0 + hour);
            let prefix = format!("var/flowlogs/{}/", demo::partition(start));
            let partition =
                Partition { bucket: BUCKET.into(), prefix: prefix.into(), start, span: PartitionSpan::Hour };
            let settled = (0..12).map(|slot| {
                let key = format!("{}{slot:02}_vpcflowlogs_us-east-1_fl-0a.log.parquet", partition.prefix);
                let id = ObjectId { bucket: partition.bucket.clone(), key };
                let listed = Listed { id, size: 60_000, version: Some(start.0.to_string()) };
                let delta = shifted(&made[(hour * 12 + slot) as usize], day * 24);
                Settled {
                    candidate: Candidate { listed, source: "soak".into(), partition: partition.clone() },
                    settlement: Settlement::Counted(delta),
                    fetched: 60_000,
                }
            });
            ledger.commit(&settled.collect::<Vec<_>>(), start.end())?;
        }
        let now = Hour(midnight.0 + 24);
        ledger.seal("soak", now.start().minus(Duration::from_secs(48 * 3600)))?;
        ledger.fold(Hour(now.0 - (limits::KEEP.as_secs() / 3600).cast_signed()))?;
        if (day + 1) % 91 == 0 || day + 1 == days {
            let size = fs::metadata(&path)?.len() as f64 / f64::from(1 << 20);
            let label_sets = ledger.snapshot().traffic.len();
            writeln!(
                out,
                "{:>3}  {:>7}  {label_sets:>10}  {size:>9.2}",
                day + 1,
                (day + 1) * SLOTS_OF_A_DAY
            )?;
        }
    }
    drop(ledger);
    let began = Instant::now();
    Ledger::open(&path, &options(&config), Timestamp(BEGIN))?;
    writeln!(out, "opened in {:.0} ms", began.elapsed().as_secs_f64() * 1e3)?;
    Ok(())
}

/// What each slot of a day adds.
fn slots(config: &Config) -> Result<Vec<ObjectDelta>, Box<dyn Error>> {
    let scope = SourceScope { name: "logs".into(), region: demo::REGION.into() };
    let classifier = Classifier::new(config.rules.clone(), &scope, config.prices.clone(), None);
    let cluster = Cluster::new(1);
    let mut made = Vec::new();
    for slot in 0..SLOTS_OF_A_DAY {
        let at = Timestamp(BEGIN + slot * i64::from(SLOT_SECONDS));
        let records = cluster.records(at, SLOT_SECONDS, LIVE_ROWS);
        let bytes = parquet(&records, &EncodeOptions::default())?;
        let partition = Partition {
            bucket: BUCKET.into(),
            prefix: "".into(),
            start: Hour::of(at),
            span: PartitionSpan::Hour,
        };
        let limits = DigestLimits { decompressed_bytes: 1 << 31, bad_rows: 0 };
        match digest(Input::Whole(bytes.into()), &partition.into(), &classifier, &limits) {
            Settlement::Counted(delta) => made.push(delta),
            other => return Err(format!("{other:?}").into()),
        }
    }
    Ok(made)
}

/// The same traffic some hours later.
fn shifted(delta: &ObjectDelta, by: i64) -> ObjectDelta {
    let later = |hour: &Hour| Hour(hour.0 + by);
    let mut next = ObjectDelta { hints: Hints::default(), ..delta.clone() };
    next.traffic = delta
        .traffic
        .iter()
        .map(|((hour, series), counts)| ((later(hour), series.clone()), *counts))
        .collect();
    let charges = delta.charges.iter();
    next.charges = charges
        .map(|((hour, series, charge), counts)| ((later(hour), series.clone(), *charge), *counts))
        .collect();
    next.doubts = delta.doubts.iter().map(|((hour, doubt), bytes)| ((later(hour), *doubt), *bytes)).collect();
    let contradictions = delta.contradictions.iter();
    next.contradictions =
        contradictions.map(|((hour, kind), records)| ((later(hour), *kind), *records)).collect();
    next
}

fn options(config: &Config) -> ledger::Options {
    ledger::Options {
        series_limit: config.limits.series,
        sources: vec![ledger::SourceSpec { name: "soak".into(), url: "file:///soak/".to_owned() }],
        classifier_fingerprint: config.fingerprint(),
        prices: Vec::new(),
    }
}

fn pipeline(
    folder: &Path,
    state: &Path,
    now: &Arc<AtomicI64>,
    publish: Publish,
) -> Result<Pipeline, Box<dyn Error>> {
    let config = Config::parse("the demo's configuration", &demo::config_toml(folder), &[])?;
    let scope = SourceScope { name: "logs".into(), region: demo::REGION.into() };
    let (ledger, report) = Ledger::open(state, &options(&config), Timestamp(BEGIN))?;
    let spec = SourceSpec {
        name: "soak".into(),
        bucket: BUCKET.into(),
        prefix: format!("{}/", folder.display().to_string().trim_matches('/')),
        region: demo::REGION.to_owned(),
        layout: Layout::parse("auto")?,
        accounts: Vec::new(),
        regions: Vec::new(),
        flow_log_ids: Vec::new(),
    };
    let store = LocalStore::new("soak".into(), &folder.display().to_string(), Arc::new(|_| {}));
    let classifier = SharedClassifier::new(Classifier::new(config.rules, &scope, config.prices, None));
    let settings = Settings {
        poll_interval: Duration::from_secs(60),
        lookback: Duration::from_secs(48 * 3600),
        keep: limits::KEEP,
        start: None,
        concurrency: 4,
        object_bytes: 1 << 28,
        digest: DigestLimits { decompressed_bytes: 1 << 31, bad_rows: 0 },
    };
    let wall = now.clone();
    let elapsed = now.clone();
    let clock = Clock::new(
        move || Timestamp(wall.load(Ordering::Relaxed)),
        move || Duration::from_secs((elapsed.load(Ordering::Relaxed) - BEGIN).unsigned_abs()),
    );
    Ok(Pipeline::new(
        settings,
        vec![Source { discovery: Discovery::new(spec, Arc::new(store)), classifier }],
        SharedLedger::new(ledger),
        report.unfinished,
        Arc::new(|_| {}),
        publish,
        clock,
    ))
}
