//! `recount`: hours of the past read again under today's rules, while an exporter runs or not.
//!
//! Refuses to know the tables: what was counted, what is staged and how hours are swapped is the ledger's. Invariant: an hour
//! is replaced only when every object that was counted and may have records in it has been read; otherwise it stays, or
//! nothing happens.

mod report;

use std::{collections::BTreeMap, fmt, ops::Range, path::PathBuf, sync::Arc};

use crate::{
    accumulate::{DigestLimits, digest},
    app::{self, AppError},
    cli::{RecountArgs, table::plain},
    config::Config,
    discover::window::Window,
    ledger::{
        Change, Finding, Finish, Ledger, Recount, RecountError, RecountObjects, RecountPrices, RecountWish,
        Recounted,
    },
    limits,
    model::{Candidate, Clock, Hour, ObjectDelta, Settlement, Timestamp},
    reader::{self, Reader, Unread},
    store::{StoreError, chain},
};

/// Why hours were not recounted.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum Failure {
    /// The state does not allow it.
    #[error(transparent)]
    Ledger(#[from] RecountError),
    /// There is no runtime.
    #[error(transparent)]
    App(#[from] AppError),
    /// A source cannot be listed.
    #[error("source {source_name:?} cannot be listed: {error}")]
    Listing { source_name: Arc<str>, error: String },
    /// A source cannot be asked now.
    #[error(
        "{object} cannot be read at the moment: {error}\nRun the same command again: it goes on from here"
    )]
    Unreachable { object: String, error: String },
    /// Not every object can be read as it was.
    #[error(
        "nothing was changed, because {problems}--skip-hours leaves their hours as they are and recounts the others"
    )]
    Refused { problems: Problems },
}

/// Objects that cannot be recounted, each with its reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    lines: Vec<String>,
    more: usize,
    /// The hours that they leave as they are.
    skipped: BTreeMap<Hour, String>,
}

impl Problems {
    fn add(&mut self, what: String, hours: Range<Hour>, reason: &str) {
        for hour in (hours.start.0..hours.end.0).map(Hour) {
            self.skipped.entry(hour).or_insert_with(|| reason.to_owned());
        }
        if self.lines.len() < limits::RECOUNT_LINES {
            self.lines.push(plain(&what));
        } else {
            self.more += 1;
        }
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not every counted object can be read again:\n")?;
        for line in &self.lines {
            writeln!(f, "  {line}")?;
        }
        if self.more > 0 {
            writeln!(f, "  and {} more", self.more)?;
        }
        Ok(())
    }
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Job {
    /// The state file.
    pub state: PathBuf,
    /// Which hours, and how.
    pub wish: RecountWish,
    /// Hours with objects that cannot be read stay as they are.
    pub skip_hours: bool,
    /// Only look.
    pub dry_run: bool,
    /// Largest object that is fetched, in bytes.
    pub object_bytes: u64,
    /// What one object may cost and contain.
    pub digest: DigestLimits,
}

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Everything is listed; so much is to be read.
    Listed {
        /// Objects, each of them a request.
        objects: u64,
        /// Their size.
        bytes: u64,
        /// It goes on with one that was under way.
        resumed: bool,
    },
    /// It is under way: killed from here on, it can be gone on with.
    Begun,
    /// So many objects are staged.
    Staged {
        /// Objects.
        done: u64,
        /// Of so many.
        of: u64,
    },
    /// So many objects were counted meanwhile, and are read too.
    Late(u64),
}

/// What came of it.
#[derive(Debug)]
pub struct Done {
    /// Objects that were listed to be read.
    pub objects: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// The same by source.
    pub by_source: BTreeMap<Arc<str>, (u64, u64)>,
    /// What has changed; `None` after a dry run.
    pub changes: Option<Vec<Change>>,
    /// Objects that could not be read; their hours are as they were.
    pub problems: Problems,
}

/// Does what the command line says.
///
/// # Errors
/// See [`Failure`].
pub fn run(
    config: &Config,
    args: &RecountArgs,
    clock: &Clock,
    say: &(dyn Fn(&str) + Sync),
) -> Result<String, Failure> {
    if args.abort {
        Ledger::abort_recount(&config.state, clock.now())?;
        return Ok("the recount is given up; nothing was changed\n".to_owned());
    }
    let (job, kept_from) = job(config, args, clock.now())?;
    let mut tell = |step: Step| say(&report::progress(&step));
    let done = app::block_on(async {
        let mut sources = Vec::new();
        for source in &config.sources {
            sources.push(app::source(config, source, Arc::new(|_| {})).await?);
        }
        recount(&job, sources, clock, &mut tell).await
    })??;
    Ok(report::of(&job, &done, kept_from))
}

/// What to do, and, where a dry run cannot go as far back as was asked, how far it goes.
fn job(config: &Config, args: &RecountArgs, now: Timestamp) -> Result<(Job, Option<Timestamp>), Failure> {
    let sources = app::ledger_sources(config);
    let start = Hour::of(args.from.unwrap_or(now));
    let end = match args.to {
        // An hour that has begun at `to` is in it.
        Some(to) => Hour::of(Timestamp(to.0.saturating_add(Hour::SECONDS - 1))),
        None => {
            let reader = Ledger::open_read_only(&config.state).map_err(RecountError::from)?;
            let under_way = reader.recount_under_way().map_err(RecountError::from)?;
            match under_way.filter(|hours| hours.start == start) {
                // Meant is the one that was begun, though more hours have settled since.
                Some(hours) => hours.end,
                None => {
                    let closed = reader
                        .closed_hours(&sources, config.ingest.lookback, now)
                        .map_err(RecountError::from)?;
                    closed.ok_or(RecountError::NotReady)?.hours.end
                }
            }
        }
    };
    let prices = if args.prices_now() { RecountPrices::Now } else { RecountPrices::Then };
    let kept_from = if args.dry_run {
        let reader = Ledger::open_read_only(&config.state).map_err(RecountError::from)?;
        let kept_from = reader.kept_from().map_err(RecountError::from)?;
        // Not one of the hours: that is an error.
        kept_from.filter(|kept| start.start() < *kept && *kept < end.start())
    } else {
        None
    };
    let start = kept_from.map_or(start, Hour::of);
    let job = Job {
        state: config.state.clone(),
        wish: RecountWish {
            hours: start..end.max(start),
            prices,
            classifier: config.fingerprint(),
            lookback: config.ingest.lookback,
            sources,
            series_limit: config.limits.series,
        },
        skip_hours: args.skip_hours,
        dry_run: args.dry_run,
        object_bytes: config.limits.object_bytes,
        digest: DigestLimits {
            decompressed_bytes: config.limits.decompressed_bytes,
            bad_rows: config.limits.bad_rows_per_object,
        },
    };
    Ok((job, kept_from))
}

/// Lists, reads, stages, swaps. Objects are read one after another, so that an exporter beside it keeps its share.
///
/// # Errors
/// See [`Failure`]. Whatever was staged is gone on with by the next call.
pub async fn recount(
    job: &Job,
    mut sources: Vec<reader::Source>,
    clock: &Clock,
    tell: &mut (dyn FnMut(Step) + Send),
) -> Result<Done, Failure> {
    let mut recount = Ledger::recount(&job.state, job.wish.clone(), clock.now())?;
    let mut objects = recount.objects()?;
    let mut problems = Problems::default();
    let mut work = Vec::new();
    for source in &mut sources {
        list(source, recount.days(), &mut objects, &mut work, &mut problems).await?;
    }
    for (place, count, hours) in objects.fail_missing() {
        let what = format!("{count} of {}/{} are gone, or no source lists them", place.bucket, place.prefix);
        problems.add(what, hours, "gone");
    }
    let listed = work.len() as u64;
    let bytes = work.iter().map(|candidate| candidate.listed.size).sum();
    let mut by_source: BTreeMap<Arc<str>, (u64, u64)> = BTreeMap::new();
    for source in &sources {
        by_source.entry(source.discovery.spec().name.clone()).or_default();
    }
    for Candidate { source, listed, .. } in &work {
        let of = by_source.entry(source.clone()).or_default();
        *of = (of.0 + 1, of.1 + listed.size);
    }
    tell(Step::Listed { objects: listed, bytes, resumed: recount.is_resumed() });
    if job.dry_run {
        return Ok(Done { objects: listed, bytes, by_source, changes: None, problems });
    }
    if !problems.is_empty() && !job.skip_hours {
        return Err(Failure::Refused { problems });
    }
    recount.begin(listed, bytes, clock.now())?;
    tell(Step::Begun);
    let reader = Reader::new(reader::Limits { concurrency: 1, object_bytes: job.object_bytes });
    let mut reading = Reading { job, sources: &sources, reader, problems };
    loop {
        reading.stage(&mut recount, &mut objects, work, tell).await?;
        if !reading.problems.is_empty() && !job.skip_hours {
            return Err(Failure::Refused { problems: reading.problems });
        }
        match recount.finish(&mut objects, &reading.problems.skipped, clock.now())? {
            Finish::Late(late) => {
                tell(Step::Late(late.len() as u64));
                work = late;
            }
            Finish::Done(changes) => {
                return Ok(Done {
                    objects: listed,
                    bytes,
                    by_source,
                    changes: Some(changes),
                    problems: reading.problems,
                });
            }
        }
    }
}

/// Lists the days of a source, and notes what is to be read.
async fn list(
    source: &mut reader::Source,
    days: Range<Timestamp>,
    objects: &mut RecountObjects,
    work: &mut Vec<Candidate>,
    problems: &mut Problems,
) -> Result<(), Failure> {
    let name = source.discovery.spec().name.clone();
    let failed =
        |error: &StoreError| Failure::Listing { source_name: name.clone(), error: plain(&chain(error)) };
    source.discovery.find_roots().await.map_err(|error| failed(&error))?;
    let window = Window { from: days.start, until: Timestamp(days.end.0.saturating_sub(1)) };
    let mut scan = source.discovery.scan(window, true);
    while let Some(page) = scan.next().await {
        for found in page.into_iter().filter(|found| found.ignored.is_none()) {
            match objects.find(&found.listed, &found.partition) {
                Finding::Skip => {}
                Finding::Read => work.push(found.into_candidate(name.clone())),
                Finding::Changed => {
                    let hours = objects.fail(&found.listed.id);
                    problems.add(format!("{} was replaced", found.listed.id), hours, "replaced");
                }
            }
        }
    }
    scan.failure().map_or(Ok(()), |error| Err(failed(&error)))
}

/// Reading objects one after another.
struct Reading<'a> {
    job: &'a Job,
    sources: &'a [reader::Source],
    reader: Reader,
    problems: Problems,
}

impl Reading<'_> {
    async fn stage(
        &mut self,
        recount: &mut Recount,
        objects: &mut RecountObjects,
        work: Vec<Candidate>,
        tell: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), Failure> {
        let of = work.len() as u64;
        let mut done = 0;
        let mut batch = Vec::new();
        for candidate in work {
            done += 1;
            match self.read(&candidate).await? {
                Ok(delta) => {
                    let (id, source) = (candidate.listed.id, candidate.source);
                    batch.push(Recounted { id, source, delta });
                }
                Err(why) => {
                    let hours = objects.fail(&candidate.listed.id);
                    self.problems.add(format!("{}: {why}", candidate.listed.id), hours, &why);
                }
            }
            if batch.len() >= limits::RECOUNT_BATCH || done == of {
                recount.stage(objects, std::mem::take(&mut batch))?;
                tell(Step::Staged { done, of });
            }
        }
        Ok(())
    }

    /// What an object adds, or why it never will.
    async fn read(&self, wanted: &Candidate) -> Result<Result<ObjectDelta, String>, Failure> {
        let source = self.sources.iter().find(|source| source.discovery.spec().name == wanted.source);
        let Some(source) = source else { return Ok(Err("its source is not configured".to_owned())) };
        let mut candidate = wanted.clone();
        let limits = self.job.digest;
        let opened = match self.reader.open(source, &mut candidate).await {
            Ok(_) if candidate.listed != wanted.listed => return Ok(Err("it was replaced".to_owned())),
            Ok(opened) => opened,
            Err(unread) => return self.unread(wanted, unread),
        };
        let folding = opened.fold(move |one| digest(one.input, one.origin, one.classifier, &limits));
        match folding.await {
            Ok(read) => Ok(match read.value {
                Ok(Settlement::Counted(delta)) => Ok(delta),
                Ok(Settlement::Empty) => Ok(ObjectDelta::default()),
                Ok(Settlement::Quarantined(why)) | Err(why) => Err(why.to_string()),
                Ok(_) => Err("it is not a flow log any more".to_owned()),
            }),
            Err(unread) => self.unread(wanted, unread),
        }
    }

    fn unread(&self, wanted: &Candidate, unread: Unread) -> Result<Result<ObjectDelta, String>, Failure> {
        use crate::store::FailureReason as Reason;
        match unread {
            Unread::Quarantined(why) => Ok(Err(why.to_string())),
            Unread::Failed { reason: Reason::NotFound | Reason::Archived | Reason::Denied, error } => {
                Ok(Err(error))
            }
            Unread::Failed { error, .. } => {
                let object = plain(&wanted.listed.id.to_string());
                Err(Failure::Unreachable { object, error: plain(&error) })
            }
        }
    }
}
