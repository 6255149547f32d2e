//! Another configuration for a running exporter: SIGHUP, and POST to `/-/reload` where it is allowed.
//!
//! A reload is a stop and a start of the ingest loop without an end of the process: what is under way is let go as at
//! SIGTERM, the ledger goes over to the new configuration in one transaction, and a new loop begins. The server goes on
//! all the while. Invariant: whatever fails, the configuration before is in force to its last part.

use std::sync::Arc;

use tokio::{
    signal::unix,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    AppError, dead,
    ip_ranges::{Found, Watch},
    parts,
};
use crate::{
    config::{Config, IpRangesFile, Setup, SetupError},
    event::{Event, Observer},
    expose::{Exposition, Lifecycle, ReloadRequest, web::WebHandle},
    ledger::LedgerError,
    model::Clock,
    pipeline::{Pipeline, SharedLedger},
    reader::SharedClassifier,
    store::chain,
};

/// Reads the configuration again. Blocks.
pub type Loader = Arc<dyn Fn() -> Result<Setup, SetupError> + Send + Sync>;

/// Who asks for reloads, and how the configuration is read then.
pub struct Reloads {
    load: Loader,
    requests: mpsc::Receiver<ReloadRequest>,
    sender: mpsc::Sender<ReloadRequest>,
    over_http: bool,
}

impl Reloads {
    /// By [`Self::request`] and, if `over_http`, by requests to the server.
    pub fn new(load: Loader, over_http: bool) -> Self {
        let (sender, requests) = mpsc::channel(1);
        Self { load, requests, sender, over_http }
    }

    /// For the server.
    pub(super) fn lifecycle(&self) -> Lifecycle {
        self.over_http.then(|| self.sender.clone())
    }

    /// By SIGHUP too.
    pub(super) fn on_hangup(&self) -> Result<(), AppError> {
        let mut hangup = unix::signal(unix::SignalKind::hangup()).map_err(AppError::Start)?;
        let sender = self.sender.clone();
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                let (request, outcome) = oneshot::channel();
                if sender.send(request).await.is_err() || outcome.await.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    /// The next request, with how to read the configuration. Never one where there is nobody to ask.
    pub(super) async fn next(reloads: &mut Option<Self>) -> (ReloadRequest, Loader) {
        match reloads {
            Some(reloads) => match reloads.requests.recv().await {
                Some(request) => (request, reloads.load.clone()),
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

/// The ingest loop as a task.
pub(super) struct Ingest {
    pub(super) task: JoinHandle<Pipeline>,
    stop: CancellationToken,
}

impl Ingest {
    /// Runs it until it is stopped, or `stop` is.
    pub(super) fn start(mut pipeline: Pipeline, stop: &CancellationToken) -> Self {
        let stop = stop.child_token();
        let own = stop.clone();
        let task = tokio::spawn(async move {
            pipeline.run(own).await;
            pipeline
        });
        Self { task, stop }
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }
}

/// Why a reload did not happen.
pub(super) enum ReloadError {
    /// The new configuration is not taken; the one before is in force.
    Kept(String),
    /// The process cannot go on.
    Fatal(AppError),
}

impl From<String> for ReloadError {
    fn from(why: String) -> Self {
        Self::Kept(why)
    }
}

/// What a reload changes.
pub(super) struct Running {
    pub(super) config: Config,
    pub(super) ledger: SharedLedger,
    pub(super) exposition: Arc<Exposition>,
    pub(super) web: WebHandle,
    pub(super) observer: Observer,
    pub(super) clock: Clock,
    pub(super) stop: CancellationToken,
    /// Of the sources, in their order.
    pub(super) classifiers: Vec<SharedClassifier>,
    /// `None` only while it is being replaced.
    pub(super) ingest: Option<Ingest>,
}

impl Running {
    /// Reads the configuration, and puts it in force if it can be.
    pub(super) async fn reload(&mut self, load: Loader) -> Result<(), ReloadError> {
        let read = tokio::task::spawn_blocking(move || load());
        let loaded = tokio::select! {
            loaded = read => loaded,
            () = self.stop.cancelled() => return Err("the exporter is stopping".to_owned().into()),
        };
        let Setup { config, web } = match loaded {
            Ok(Ok(setup)) => setup,
            Ok(Err(error)) => return Err(error.to_string().trim_end().to_owned().into()),
            Err(error) => return Err(error.to_string().into()),
        };
        self.check_fixed(&config, web.options.tls.is_some())?;
        for warning in config.warnings.iter().chain(&web.warnings) {
            tracing::warn!("{warning}");
        }
        if config == self.config {
            self.exposition.reconfigure(parts::fixed(&config, self.clock.now()), None);
        } else {
            self.replace(config).await?;
        }
        self.web.replace(web.options);
        Ok(())
    }

    /// What only a start can change.
    fn check_fixed(&self, config: &Config, tls: bool) -> Result<(), String> {
        let (old, new) = (&self.config.state, &config.state);
        if old != new {
            return Err(format!(
                "state.path cannot change while the exporter runs (from {} to {}): restart it, or change it back",
                old.display(),
                new.display()
            ));
        }
        if self.web.current().tls.is_some() != tls {
            return Err(
                "tls_server_config cannot come or go while the exporter runs: restart it, or change it back"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Stops the ingest loop, and starts one with another configuration; with the one before, if the ledger cannot go
    /// over.
    async fn replace(&mut self, config: Config) -> Result<(), ReloadError> {
        let sources = parts::sources(&config, &self.observer).await;
        let sources = sources.map_err(|error| ReloadError::Kept(chain(&error)))?;
        let classifiers = parts::classifiers(&sources);
        let Some(ingest) = self.ingest.take() else { return Err("a reload is under way".to_owned().into()) };
        ingest.stop();
        // What is finished is committed; what is under way is found again.
        let mut pipeline = match ingest.task.await {
            Ok(pipeline) => pipeline,
            Err(error) => return Err(ReloadError::Fatal(dead("ingest loop", Err::<(), _>(error)))),
        };
        let (options, now) = (parts::ledger_options(&config), self.clock.now());
        let wanted = config.clone();
        let gone_over = self.ledger.with(move |ledger| {
            let report = ledger.reconfigure(&options, now)?;
            Ok::<_, LedgerError>((report, ledger.snapshot(), parts::ignored_starts(&wanted, ledger)))
        });
        let outcome = match gone_over.await {
            Ok((report, snapshot, ignored)) => {
                ignored.iter().for_each(|event| (self.observer)(event));
                if report.classifier_changed {
                    (self.observer)(&Event::ClassifierChanged);
                }
                self.exposition.reconfigure(parts::fixed(&config, now), Some(snapshot));
                pipeline.reconfigure(parts::settings(&config), sources, report.unfinished);
                (self.config, self.classifiers) = (config, classifiers);
                Ok(())
            }
            Err(error) => Err(ReloadError::Kept(chain(&error))),
        };
        self.ingest = Some(Ingest::start(pipeline, &self.stop));
        outcome
    }

    /// Takes over a replaced file of `aws.ip_ranges` while the ingest loop runs: objects whose decoding has begun keep
    /// the ranges before.
    pub(super) async fn take_ranges(&mut self, watch: &mut Watch, found: Found) {
        let Some(before) = self.config.aws.ip_ranges.clone() else { return };
        let (stamp, file) = found.into_parts();
        let taken = match file {
            Ok(file) if file == before => Ok(file),
            Ok(file) => self.judge_by(file).await,
            Err(error) => Err(error),
        };
        match taken {
            Ok(file) => {
                let (was_refused, path) = (watch.taken(stamp), file.path.clone());
                if was_refused || file != before {
                    (self.observer)(&Event::IpRangesReplaced {
                        path,
                        created: file.ranges.created.clone(),
                        networks: file.ranges.len(),
                        difference: file.ranges.since(&before.ranges),
                    });
                }
            }
            Err(error) => {
                if watch.refused(&error) {
                    (self.observer)(&Event::IpRangesKept { path: before.path, error });
                }
            }
        }
    }

    /// Puts other ranges in force, in the state first: a recount under them must not be refused.
    async fn judge_by(&mut self, file: IpRangesFile) -> Result<IpRangesFile, String> {
        let mut config = self.config.clone();
        config.aws.ip_ranges = Some(file.clone());
        let made = tokio::task::spawn_blocking(move || {
            let of = |source| parts::classifier(&config, source);
            (config.fingerprint(), config.sources.iter().map(of).collect::<Vec<_>>(), config)
        });
        let (fingerprint, classifiers, config) = made.await.map_err(|error| error.to_string())?;
        let noted = self.ledger.with(move |ledger| ledger.note_classifier(&fingerprint)).await;
        noted.map_err(|error| chain(&error))?;
        self.classifiers.iter().zip(classifiers).for_each(|(shared, classifier)| shared.replace(classifier));
        self.config = config;
        Ok(file)
    }
}
