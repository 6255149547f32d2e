//! Thirty days in minutes: a clock that is told the time, an object every five minutes, a poll after each. Prints what the
//! process holds at the end of each day, and judges nothing: `cargo bench --bench soak [-- DAYS]`.

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
    accumulate::DigestLimits,
    classify::Classifier,
    config::Config,
    demo::{self, Cluster, LogFolder, SLOT_SECONDS, slot_of},
    discover::{SourceSpec, layout::Layout},
    ledger::{self, Ledger},
    model::{Clock, ObjectOutcome, Timestamp},
    pipeline::{Pipeline, Publish, Settings, SharedLedger, SourceParts},
    store::local::{BUCKET, LocalStore},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// 2026-03-01T00:00:00Z
const BEGIN: i64 = 1_772_323_200;
const ROWS: usize = 60;
const SLOTS_OF_A_DAY: i64 = 24 * 12;
/// Polls at the end of a day for which there is nothing new.
const IDLE_POLLS: u32 = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let days = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(30);
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

fn pipeline(
    folder: &Path,
    state: &Path,
    now: &Arc<AtomicI64>,
    publish: Publish,
) -> Result<Pipeline, Box<dyn Error>> {
    let config = Config::parse("the demo's configuration", &demo::config_toml(folder), &[])?;
    let prices = config.prices.for_region(demo::REGION);
    let options = ledger::Options {
        series_limit: config.limits.series,
        sources: vec![ledger::SourceSpec { name: "soak".into(), url: "file:///soak/".to_owned() }],
        classifier_fingerprint: config.fingerprint(),
        prices: Vec::new(),
    };
    let (ledger, report) = Ledger::open(state, &options, Timestamp(BEGIN))?;
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
    let classifier = Arc::new(Classifier::new(config.rules, demo::REGION, prices));
    let settings = Settings {
        poll_interval: Duration::from_secs(60),
        lookback: Duration::from_secs(48 * 3600),
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
        vec![SourceParts { spec, store: Arc::new(store), classifier }],
        SharedLedger::new(ledger),
        report.unfinished,
        Arc::new(|_| {}),
        publish,
        clock,
    ))
}
