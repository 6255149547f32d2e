//! The way over HTTP, from a server in a process of its own, against the way over files: large objects as they are on
//! a disk (`FLOWCOST_BENCH_FILES`, or some that are made here), and many small ones through the whole pipeline.

use std::{
    error::Error,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::{Classifier, Rules, SourceScope},
    fetch::{Fetched, fetch_or_begin},
    model::{Settlement, Timestamp},
    pricing::PriceBook,
    store::{ListRequest, ObjectStore, Patience, local::LocalStore, s3::S3Options},
};

use super::{
    Outcome,
    fleet::{Exporter, Fleet, NOW, SLOT, key, partition, runtime},
    hour::contents,
    meter::{Meter, Taken, say},
    support::s3::{S3Server, SECRET_KEY, connect},
    traffic::{self, Variant},
};

/// The word by which this program becomes the server.
pub(crate) const SERVE: &str = "serve-s3";
const BUCKET: &str = "logs";
const LIMITS: DigestLimits = DigestLimits { decompressed_bytes: 2 << 30, bad_rows: 0 };
const SMALL: u32 = 500;
const ROUNDS: usize = 5;
const FILES: u64 = 4;
const ROWS: usize = 500_000;

/// Serves the files of a folder, and small objects, until nobody holds its standard input any more.
pub(crate) fn serve(folder: &str) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = runtime.block_on(S3Server::start());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        server.put(BUCKET, name, fs::read(&path)?);
    }
    let contents = contents(50)?;
    for (at, key) in small().into_iter().enumerate() {
        server.put(BUCKET, &key, contents[at % contents.len()].clone());
    }
    say(format_args!("{}", server.url()));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn small() -> Vec<String> {
    (0..SMALL).map(|number| key(NOW - SLOT * (1 + i64::from(number) % 500), 1, number, false)).collect()
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([SERVE, folder.to_str().ok_or("a folder in UTF-8")?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().ok_or("piped")?).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }

    async fn store(&self) -> Arc<dyn ObjectStore> {
        let options = S3Options {
            source: "bench".into(),
            bucket: BUCKET.to_owned(),
            region: "eu-central-1".to_owned(),
            endpoint: Some(self.url.clone()),
            path_style: true,
            request_payer: false,
            observer: Arc::new(|_| {}),
            patience: Patience::default(),
        };
        Arc::new(connect(options, SECRET_KEY).await)
    }

    /// User and system time of the server so far, in seconds.
    fn cpu(&self) -> f64 {
        let stat = procfs::process::Process::new(self.child.id().cast_signed()).and_then(|one| one.stat());
        stat.map_or(0.0, |stat| (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends with its input.
        let _ = self.child.wait();
    }
}

pub(crate) fn run() -> Outcome {
    let made = tempfile::tempdir()?;
    let folder = match std::env::var("FLOWCOST_BENCH_FILES") {
        Ok(folder) => fs::canonicalize(folder)?,
        Err(_) => {
            for variant in [Variant::ALL[0].0, Variant::ALL[1].0] {
                for number in 0..FILES {
                    let path =
                        made.path().join(format!("{}-{number}.{}", variant.name(), variant.extension()));
                    fs::write(path, traffic::file(variant, number + 1, ROWS))?;
                }
            }
            made.path().to_owned()
        }
    };
    let server = Server::start(&folder)?;
    let runtime = runtime()?;
    let root = folder.to_str().ok_or("a folder in UTF-8")?.to_owned();
    let local: Arc<dyn ObjectStore> = Arc::new(LocalStore::new("bench".into(), &root, Arc::new(|_| {})));
    let remote = runtime.block_on(server.store());
    let inside = format!("{}/", root.trim_matches('/'));
    for variant in ["gzip", "snappy", "plain", "text"] {
        let mut best: [Option<(Taken, u64)>; 2] = [None, None];
        let mut served: f64 = f64::MAX;
        for _ in 0..ROUNDS {
            for (way, (store, prefix)) in [(&local, inside.as_str()), (&remote, "")].into_iter().enumerate() {
                let before = server.cpu();
                let meter = Meter::begin();
                let rows = runtime.block_on(read(store, &format!("{prefix}{variant}-")))?;
                let taken = meter.end();
                if way == 1 {
                    served = served.min(server.cpu() - before);
                }
                let least = best[way].map_or(taken, |(least, _)| least.least(taken));
                best[way] = Some((least, rows));
            }
        }
        let [Some((file, rows)), Some((s3, again))] = best else { continue };
        if rows == 0 || rows != again {
            continue;
        }
        let rate = |taken: Taken| rows as f64 / taken.wall.as_secs_f64() / 1e6;
        say(format_args!(
            "{variant:<7} {rows} rows: file {:.2} s cpu, {:.2} s, {:.1} M rows/s, +{} MiB; s3 {:.2} s cpu, {:.2} s, {:.1} M rows/s, +{} MiB; \
             server {served:.2} s cpu; s3/file cpu {:.2}, rate {:.2}",
            file.cpu.as_secs_f64(),
            file.wall.as_secs_f64(),
            rate(file),
            file.grown_kib >> 10,
            s3.cpu.as_secs_f64(),
            s3.wall.as_secs_f64(),
            rate(s3),
            s3.grown_kib >> 10,
            s3.cpu.as_secs_f64() / file.cpu.as_secs_f64(),
            rate(s3) / rate(file),
        ));
    }
    let fleet = Arc::new(Fleet::new(contents(50)?));
    fleet.add(small());
    for (name, store) in [("in memory", fleet as Arc<dyn ObjectStore>), ("over S3", remote)] {
        let dir = tempfile::tempdir()?;
        let mut exporter = runtime.block_on(async { Exporter::new(store, &dir.path().join("s.db")) })?;
        let before = server.cpu();
        let meter = Meter::begin();
        runtime.block_on(exporter.poll(NOW))?;
        let taken = meter.end();
        say(format_args!(
            "{SMALL} small objects {name}: {:.1} s cpu, {:.1} s passed, server {:.1} s cpu, {} records",
            taken.cpu.as_secs_f64(),
            taken.wall.as_secs_f64(),
            server.cpu() - before,
            exporter.shown().records.total(),
        ));
        let mut idle: Option<Taken> = None;
        for _ in 0..9 {
            let meter = Meter::begin();
            runtime.block_on(exporter.poll(NOW))?;
            let taken = meter.end();
            idle = Some(idle.map_or(taken, |idle| idle.least(taken)));
        }
        let meter = Meter::begin();
        runtime.block_on(exporter.poll(NOW))?;
        let full = meter.end();
        let idle = idle.ok_or("a poll")?;
        say(format_args!(
            "  then an idle poll {:.1} ms cpu, a full scan of them {:.1} ms cpu",
            super::meter::millis(idle.cpu),
            super::meter::millis(full.cpu)
        ));
    }
    Ok(())
}

/// Reads all objects below a prefix, as many at a time as `ingest.concurrency` says by default. Returns the records.
async fn read(store: &Arc<dyn ObjectStore>, prefix: &str) -> Result<u64, Box<dyn Error>> {
    let page = store.list(ListRequest { prefix, start_after: None, delimited: false, page: None }).await?;
    let source = SourceScope { name: "bench".into(), region: "ap-northeast-1".into() };
    let classifier = Arc::new(Classifier::new(Rules::default(), &source, PriceBook::default(), None));
    let partition = partition("p/hour=00/x", Timestamp(traffic::HOUR).0);
    let slots = Arc::new(tokio::sync::Semaphore::new(4));
    let mut objects = tokio::task::JoinSet::new();
    for listed in page.objects {
        let (store, classifier, partition) = (store.clone(), classifier.clone(), partition.clone());
        let slots = slots.clone();
        objects.spawn(async move {
            let _slot = slots.acquire_owned().await.map_err(|error| error.to_string())?;
            let fetched = fetch_or_begin(&store, &listed, 256 << 20).await;
            let Fetched { input, parts, .. } = fetched.map_err(|error| error.to_string())?;
            let work = move || digest(input, &partition.into(), &classifier, &LIMITS);
            let settlement = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?;
            if let Some(error) = parts.as_ref().and_then(|parts| parts.failure()) {
                return Err(error.to_string());
            }
            match settlement {
                Settlement::Counted(delta) => Ok(delta.records.total()),
                other => Err(format!("{other:?}")),
            }
        });
    }
    let mut rows = 0;
    while let Some(done) = objects.join_next().await {
        rows += done??;
    }
    Ok(rows)
}
