//! The composition root: the only place that spawns tasks and reads the clock.
//!
//! Everything is built here from a valid configuration, started in one order and stopped in the opposite one. If the
//! ingest loop or the server ends by itself, so does the process: a scrape target that is there but dead would be
//! worse than none.

mod certificates;
mod ip_ranges;
mod logging;
mod parts;
mod reload;

use std::{
    future::Future,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::{
    net::TcpListener, runtime::Runtime, signal::unix, sync::oneshot, task::JoinHandle, time::timeout,
};
use tokio_util::sync::CancellationToken;

pub use logging::{LogFormat, LogGuard, LogLevel, start as start_logging};
pub(crate) use parts::{ledger_sources, source};
use reload::{Ingest, ReloadError, Running};
pub use reload::{Loader, Reloads};

use crate::{
    aws::{self, EnvironmentError},
    cli::{ListenAddress, ListenHost},
    config::{Config, ConfigError, Location, Setup},
    demo::{self, Demo, DemoError},
    event::{Event, Observer},
    expose::{self, Exposition, Site, web::WebHandle},
    ledger::{Ledger, OpenError, OpenReport},
    limits,
    model::{Clock, ObjectOutcome, Snapshot, Timestamp},
    pipeline::{Pipeline, Publish, SharedLedger},
};

/// Why the process cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The runtime or the signal handlers could not be set up.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}; --web.listen-address names another")]
    Listen {
        /// As typed.
        address: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The state file cannot be used.
    #[error(transparent)]
    State(#[from] OpenError),
    /// The environment of AWS tools cannot be used.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// A task that runs for ever has ended.
    #[error("the {task} has ended: {why}")]
    Dead {
        /// Which one.
        task: &'static str,
        /// The panic, as far as it has a text.
        why: String,
    },
    /// The sample logs cannot be written.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The demo's own configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// The clock of this machine.
pub fn system_clock() -> Clock {
    let began = Instant::now();
    let wall = || {
        // Before 1970 only on a machine whose clock is not set.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    };
    Clock::new(wall, move || began.elapsed())
}

/// Reads and serves until SIGTERM or SIGINT; reloads on SIGHUP.
pub fn serve(setup: Setup, listen: &[ListenAddress], reloads: Reloads) -> Result<(), AppError> {
    let runtime = runtime(local_folders(&setup.config))?;
    let result = runtime.block_on(async {
        let stop = stop_on_signals()?;
        reloads.on_hangup()?;
        let listeners = bind(listen).await?;
        run_with(setup, Some(reloads), listeners, system_clock(), stop).await
    });
    runtime.shutdown_timeout(limits::SHUTDOWN_GRACE);
    result
}

/// Writes sample logs, reads and serves them, until SIGTERM or SIGINT. `say` gets what a person at a terminal wants
/// to read; it has no type of its own, or the binary would be all of `serve` once more.
pub fn demo(
    dir: Option<PathBuf>,
    rows_per_minute: u32,
    history: Option<Duration>,
    listen: &[ListenAddress],
    say: &dyn Fn(&str),
) -> Result<(), AppError> {
    let clock = system_clock();
    // Before anything is written: an address that is taken must not leave a folder. Its own is the only one.
    let runtime = runtime(1)?;
    let listeners = runtime.block_on(bind(listen))?;
    if let Some(history) = history {
        say(&format!("Writing the flow logs of {} days...\n", history.as_secs() / 86_400));
    }
    let demo = Demo::prepare(dir, rows_per_minute, history, clock.now())?;
    demo.note.iter().for_each(|note| say(note));
    let dir = demo.dir.clone();
    let config = Config::parse("the demo's configuration", &demo.config_toml, &[])?;
    let result = runtime.block_on(async {
        let stop = stop_on_signals()?;
        if let Some(address) = addresses(&listeners).next() {
            say(&demo::banner(address, &demo.dir));
        }
        let writer = tokio::spawn(write_logs(demo, clock.clone(), stop.clone()));
        let served = run(config, listeners, clock, stop.clone()).await;
        // It may have ended by itself: then nobody else stops the writer.
        stop.cancel();
        let written = writer.await.unwrap_or_else(|error| {
            Err(AppError::Dead { task: "writer of sample logs", why: error.to_string() })
        });
        served.and(written)
    });
    runtime.shutdown_timeout(limits::SHUTDOWN_GRACE);
    say(&demo::farewell(&dir));
    result
}

/// A new file every few seconds. Ends the process when it cannot write.
async fn write_logs(mut demo: Demo, clock: Clock, stop: CancellationToken) -> Result<(), AppError> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(limits::DEMO_FILE_EVERY) => {}
        }
        let now = clock.now();
        let written = tokio::task::spawn_blocking(move || {
            let written = demo.write_until(now);
            (demo, written)
        });
        match written.await {
            Ok((returned, Ok(_))) => demo = returned,
            Ok((_, Err(error))) => {
                stop.cancel();
                return Err(error.into());
            }
            Err(error) => {
                stop.cancel();
                return Err(AppError::Dead { task: "writer of sample logs", why: error.to_string() });
            }
        }
    }
}

/// Sources that are folders of this machine.
fn local_folders(config: &Config) -> usize {
    config.sources.iter().filter(|source| matches!(source.location, Location::Local { .. })).count()
}

/// Whether sources in S3 can be asked at all, as far as variables and profiles say. Asks nobody.
///
/// # Errors
/// When one of these cannot be used.
pub fn check_environment(config: &Config) -> Result<(), AppError> {
    let s3 = config.sources.iter().find(|source| matches!(source.location, Location::S3 { .. }));
    match s3 {
        Some(source) => Ok(block_on(aws::connect(&source.region))?.map(drop)?),
        None => Ok(()),
    }
}

/// Two workers serve and wait; the blocking pool writes the ledger and reads files; the pipeline decodes on threads of
/// its own. Threads come and go with the work, which `ingest.concurrency` bounds; a reload may raise that. Folders that
/// do not answer hold their threads for ever.
fn runtime(local_folders: usize) -> Result<Runtime, AppError> {
    let concurrency = usize::try_from(*limits::CONCURRENCY.end()).unwrap_or(usize::MAX);
    let folders = local_folders + limits::RELOADED_FOLDERS;
    let blocking_threads = concurrency + limits::BLOCKING_THREADS + folders * limits::LOCAL_REQUESTS;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(blocking_threads)
        .enable_all()
        .build()
        .map_err(AppError::Start)
}

fn stop_on_signals() -> Result<CancellationToken, AppError> {
    let stop = CancellationToken::new();
    let mut terminate = unix::signal(unix::SignalKind::terminate()).map_err(AppError::Start)?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt()).map_err(AppError::Start)?;
    let token = stop.clone();
    tokio::spawn(async move {
        let signal = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        token.cancel();
        tracing::info!(signal, "stopping");
    });
    Ok(stop)
}

/// Binds every address before anything else is done, so that a second process fails fast.
pub async fn bind(listen: &[ListenAddress]) -> Result<Vec<TcpListener>, AppError> {
    let mut listeners = Vec::new();
    for address in listen {
        let port = address.port;
        let bound = match &address.host {
            ListenHost::Ip(ip) => TcpListener::bind((*ip, port)).await,
            ListenHost::Name(name) => TcpListener::bind((name.as_str(), port)).await,
            // One socket takes both families, but where the machine has no IPv6.
            ListenHost::All => match TcpListener::bind(("::", port)).await {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    TcpListener::bind(("0.0.0.0", port)).await
                }
                bound => bound,
            },
        };
        listeners.push(bound.map_err(|source| AppError::Listen { address: address.to_string(), source })?);
    }
    Ok(listeners)
}

fn addresses(listeners: &[TcpListener]) -> impl Iterator<Item = SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok())
}

/// Opens the state, then reads and serves until `stop`, or until one of the two ends by itself.
pub async fn run(
    config: Config,
    listeners: Vec<TcpListener>,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), AppError> {
    run_with(config.into(), None, listeners, clock, stop).await
}

/// The same with a web configuration and with reloads.
///
/// The listeners are bound but nothing is answered before the state is loaded: a scrape must never see a counter
/// lower than it was before a restart.
pub async fn run_with(
    setup: Setup,
    mut reloads: Option<Reloads>,
    listeners: Vec<TcpListener>,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), AppError> {
    let Setup { config, web } = setup;
    for warning in config.warnings.iter().chain(&web.warnings) {
        tracing::warn!("{warning}");
    }
    let web = WebHandle::new(web.options);
    let Some(mut running) = begin(config, web.clone(), clock.clone(), stop.clone()).await? else {
        return Ok(());
    };
    let observer = running.observer.clone();
    let web = web.observed_by(observer.clone());
    let watch = tokio::spawn(certificates::watch(web.clone(), observer.clone(), stop.child_token()));
    // After the lock: a second process must not say that it serves.
    let tls = web.current().tls.is_some();
    for address in addresses(&listeners) {
        tracing::info!(%address, tls, "listening");
    }
    let server_stop = CancellationToken::new();
    let lifecycle = reloads.as_ref().and_then(Reloads::lifecycle);
    let site = Site { exposition: running.exposition.clone(), clock, web, lifecycle };
    let mut server = {
        let stop = server_stop.clone();
        let shutdown = async move { stop.cancelled().await };
        tokio::spawn(expose::serve(listeners, site, expose::Bounds::default(), shutdown))
    };
    let mut ranges = ip_ranges::Watch::default();
    let died = loop {
        let (file, poll) = (running.config.aws.ip_ranges.as_ref(), running.config.ingest.poll_interval);
        // It is away only while a reload replaces it.
        let Some(ingest) = &mut running.ingest else { break None };
        let (answer, load) = tokio::select! {
            () = stop.cancelled() => break None,
            ended = &mut ingest.task => break (!stop.is_cancelled()).then(|| dead("ingest loop", ended)),
            ended = &mut server => break Some(dead("web server", ended)),
            request = Reloads::next(&mut reloads) => request,
            found = ranges.next(file.map(|file| &*file.path), poll) => {
                running.take_ranges(&mut ranges, found).await;
                continue;
            }
        };
        let outcome = match running.reload(load).await {
            Ok(()) => {
                ranges = ip_ranges::Watch::default();
                Ok(())
            }
            Err(ReloadError::Kept(error)) => Err(error),
            Err(ReloadError::Fatal(error)) => break Some(error),
        };
        observer(&match &outcome {
            Ok(()) => Event::ConfigReloaded,
            Err(error) => Event::ConfigReloadFailed { error: error.clone() },
        });
        // Whoever asked may have gone.
        let _ = answer.send(outcome);
    };
    drop(reloads);
    watch.abort();
    server_stop.cancel();
    // The last batch is committed and open responses are finished, or the grace period is over.
    if let Some(ingest) = running.ingest.take() {
        ingest.stop();
        ended_in_time(ingest.task).await;
    }
    ended_in_time(server).await;
    died.map_or(Ok(()), Err)
}

/// Opens the state and starts the ingest loop, unless it is to end before that.
async fn begin(
    config: Config,
    web: WebHandle,
    clock: Clock,
    stop: CancellationToken,
) -> Result<Option<Running>, AppError> {
    // A large state takes its time.
    tracing::info!(path = %config.state.display(), "opening the state");
    let opened = tokio::select! {
        () = stop.cancelled() => return Ok(None),
        opened = open(&config, clock.now())? => opened,
    };
    let (ledger, report) = opened.map_err(|_| dead_in("opening of the state", "it panicked"))??;
    let exposition = Arc::new(Exposition::new(parts::fixed(&config, clock.now())));
    let observer = observer(exposition.clone(), clock.clone());
    if report.started_over {
        observer(&Event::StartedOver);
    }
    if let Some(from) = report.migrated_from {
        observer(&Event::StateMigrated { state: ledger.path().to_owned(), from });
    }
    if report.classifier_changed {
        observer(&Event::ClassifierChanged);
    }
    tell_start(&config, &report, &ledger.snapshot());
    parts::ignored_starts(&config, &ledger).iter().for_each(|event| observer(event));
    exposition.publish(ledger.snapshot());
    let publish: Publish = {
        let exposition = exposition.clone();
        Arc::new(move |snapshot| exposition.publish(snapshot))
    };
    let sources = parts::sources(&config, &observer).await?;
    let classifiers = parts::classifiers(&sources);
    let ledger = SharedLedger::new(ledger);
    let pipeline = Pipeline::new(
        parts::settings(&config),
        sources,
        ledger.clone(),
        report.unfinished,
        observer.clone(),
        publish,
        clock.clone(),
    );
    let ingest = Some(Ingest::start(pipeline, &stop));
    Ok(Some(Running { config, ledger, exposition, web, observer, clock, stop, classifiers, ingest }))
}

/// One line on what is about to run.
fn tell_start(config: &Config, report: &OpenReport, snapshot: &Snapshot) {
    let sources = config.sources.iter().map(|source| &*source.name).take(limits::NAMES_LISTED);
    let sources = sources.collect::<Vec<_>>().join(", ");
    let state = match report {
        OpenReport { created: true, .. } => "new",
        OpenReport { fresh: true, .. } => "resuming its first scan",
        OpenReport { .. } => "resuming",
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        sources = config.sources.len(),
        names = sources,
        zones = config.rules.zones.len(),
        path = %config.state.display(),
        state,
        objects = snapshot.objects.get(ObjectOutcome::Counted),
        last_commit = snapshot.last_commit.map(tracing::field::display),
        budget_usd = config.budget.monthly.map(crate::model::NanoUsd::as_usd),
        "starting"
    );
}

fn dead<T>(task: &'static str, ended: Result<T, tokio::task::JoinError>) -> AppError {
    let why = ended.err().map_or_else(|| "without a reason".to_owned(), |error| error.to_string());
    dead_in(task, why)
}

fn dead_in(task: &'static str, why: impl Into<String>) -> AppError {
    AppError::Dead { task, why: why.into() }
}

async fn ended_in_time<T>(task: JoinHandle<T>) {
    if !task.is_finished() && timeout(limits::SHUTDOWN_GRACE + Duration::from_secs(1), task).await.is_err() {
        tracing::warn!(
            "not everything ended within the grace period; what was not committed will be read again"
        );
    }
}

type Opened = Result<(Ledger, OpenReport), OpenError>;

/// Opens the state on a thread of its own, which nobody waits for when the process is to end: a large file takes long
/// to check, and one on a disk that does not answer takes for ever.
fn open(config: &Config, now: Timestamp) -> Result<oneshot::Receiver<Opened>, AppError> {
    let path = config.state.clone();
    let options = parts::ledger_options(config);
    let (sender, opened) = oneshot::channel();
    let work = move || drop(sender.send(Ledger::open(&path, &options, now)));
    std::thread::Builder::new().name("state".to_owned()).spawn(work).map_err(AppError::Start)?;
    Ok(opened)
}

/// Every event is counted and logged, here and nowhere else.
fn observer(exposition: Arc<Exposition>, clock: Clock) -> Observer {
    Arc::new(move |event| {
        exposition.observe(event, clock.now());
        event.log();
    })
}

/// Runs a future to its end on a small runtime, for commands that are done in a moment. The binary must not call it: the
/// compiler would build all that the future does once more.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, AppError> {
    let runtime = runtime(1)?;
    let value = runtime.block_on(future);
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(value)
}
