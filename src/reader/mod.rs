//! Reading flow logs without a ledger: list, fetch, decode, classify.
//!
//! [`Discovery::scan`] lists what a source has in a window, page by page. [`Reader::read`] fetches
//! an object and hands it to a fold on a decoder thread; a fold takes it whole, as
//! `accumulate::digest` does, or batch by batch with [`Object::each_batch`]. Refuses to know the
//! ledger, the clock and events: the caller decides what is read and what becomes of it. Invariant:
//! at most [`Limits::concurrency`] objects are under way, over all sources, none of more than
//! [`Limits::object_bytes`], and large ones are in memory by parts only.

mod decoders;
#[cfg(test)]
mod tests;

use std::{
    ops::ControlFlow,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use self::decoders::Decoders;
use crate::{
    classify::{Classifier, Meaning, ObjectClassifier},
    decode::{self, ColumnSet, DecodeError, DecodeLimits, FlowBatch, Input},
    discover::Discovery,
    fetch::{FetchError, Fetched, fetch_or_begin},
    limits,
    model::{Candidate, Listed, Origin, Quarantine, QuarantineReason},
    panics::{Caught, caught},
    store::{FailureReason, StoreError, chain},
};

/// What reading may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Objects under way at a time, over all sources; at least one.
    pub concurrency: usize,
    /// Size in bytes of the largest object that is fetched.
    pub object_bytes: u64,
}

/// One source of flow logs.
pub struct Source {
    /// Where its objects are, and how they are found.
    pub discovery: Discovery,
    /// How its records are judged.
    pub classifier: SharedClassifier,
}

/// The classifier of a source, which another one can replace between two objects: an object keeps the one that its
/// decoding began with.
#[derive(Clone)]
pub struct SharedClassifier(Arc<RwLock<Arc<Classifier>>>);

impl SharedClassifier {
    /// Begins with this one.
    pub fn new(classifier: impl Into<Arc<Classifier>>) -> Self {
        Self(Arc::new(RwLock::new(classifier.into())))
    }

    /// The one in force.
    pub fn current(&self) -> Arc<Classifier> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another one in force, for objects whose decoding has not begun.
    pub fn replace(&self, classifier: Classifier) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(classifier);
    }
}

/// Reads the objects of all sources.
#[derive(Debug)]
pub struct Reader {
    slots: Semaphore,
    object_bytes: u64,
    decoders: Decoders,
}

impl Reader {
    /// Starts no threads yet: they come and go with the work.
    pub fn new(limits: Limits) -> Self {
        let Limits { concurrency, object_bytes } = limits;
        Self { slots: Semaphore::new(concurrency.max(1)), object_bytes, decoders: Decoders::new() }
    }

    /// Sets other limits while nothing is being read. The threads stay.
    pub fn set_limits(&mut self, limits: Limits) {
        self.slots = Semaphore::new(limits.concurrency.max(1));
        self.object_bytes = limits.object_bytes;
    }

    /// Waits for a free slot and fetches an object; of a large one only the end. If the object was
    /// replaced after it was listed, `candidate` becomes what is there now.
    ///
    /// # Errors
    /// See [`Unread`].
    pub async fn open<'a>(
        &'a self,
        source: &'a Source,
        candidate: &mut Candidate,
    ) -> Result<Opened<'a>, Unread> {
        let slot = self.slots.acquire().await.expect("nobody closes it");
        let mut fetched = self.fetch(source, &candidate.listed).await;
        if matches!(&fetched, Err(Unread::Failed { reason: FailureReason::Changed, .. })) {
            let now = source.discovery.look_up(&candidate.listed.id.key).await;
            if let Ok(Some(listed)) = now
                && listed != candidate.listed
            {
                candidate.listed = listed;
                fetched = self.fetch(source, &candidate.listed).await;
            }
        }
        let origin = source.discovery.origin(&candidate.listed.id.key, candidate.partition.clone());
        Ok(Opened { reader: self, source, origin, fetched: fetched?, _slot: slot })
    }

    /// Opens an object and folds it.
    ///
    /// # Errors
    /// See [`Self::open`] and [`Opened::fold`].
    pub async fn read<T: Send + 'static>(
        &self,
        source: &Source,
        candidate: &mut Candidate,
        fold: impl FnOnce(Object<'_>) -> T + Send + 'static,
    ) -> Result<Read<T>, Unread> {
        self.open(source, candidate).await?.fold(fold).await
    }

    async fn fetch(&self, source: &Source, listed: &Listed) -> Result<Fetched, Unread> {
        let fetching = fetch_or_begin(source.discovery.store(), listed, self.object_bytes);
        match timeout(limits::OBJECT_DEADLINE, fetching).await {
            Ok(Ok(fetched)) => Ok(fetched),
            Ok(Err(FetchError::Store(error))) => Err(Unread::from(&error)),
            Ok(Err(FetchError::Quarantine(why))) => Err(Unread::Quarantined(why)),
            Err(_) => {
                let error = format!("not read within {} s", limits::OBJECT_DEADLINE.as_secs());
                Err(Unread::Failed { reason: FailureReason::Timeout, error })
            }
        }
    }
}

/// An object that has been fetched, or begun, and has not been decoded. Holds a slot of the reader.
pub struct Opened<'a> {
    reader: &'a Reader,
    source: &'a Source,
    origin: Origin,
    fetched: Fetched,
    _slot: SemaphorePermit<'a>,
}

impl Opened<'_> {
    /// Hands the object to `fold` on a decoder thread, where a panic ends nothing else.
    ///
    /// # Errors
    /// When a part of the object could not be fetched, whatever `fold` made of the rest.
    pub async fn fold<T: Send + 'static>(
        self,
        fold: impl FnOnce(Object<'_>) -> T + Send + 'static,
    ) -> Result<Read<T>, Unread> {
        let Fetched { input, bytes_fetched, parts } = self.fetched;
        let (origin, classifier) = (self.origin, self.source.classifier.current());
        let folding = self
            .reader
            .decoders
            .spawn(move || caught(|| fold(Object { input, origin: &origin, classifier: &classifier })));
        let value = match folding.await.map_err(|error| error.try_into_panic()) {
            Ok(value) => value.map_err(|panic| panicked(&panic)),
            Err(Ok(panic)) => Err(panicked(&Caught::of(&*panic))),
            // The threads end with the reader, which is borrowed here.
            Err(Err(_)) => std::future::pending().await,
        };
        if let Some(error) = parts.as_ref().and_then(|parts| parts.failure()) {
            return Err(error.into());
        }
        Ok(Read { value, bytes: parts.map_or(bytes_fetched, |parts| parts.bytes_fetched()) })
    }
}

/// An object as its fold gets it.
pub struct Object<'a> {
    /// Its bytes.
    pub input: Input,
    /// Where it comes from.
    pub origin: &'a Origin,
    /// How its records are judged.
    pub classifier: &'a Classifier,
}

impl<'a> Object<'a> {
    /// Hands the records to `fold` batch by batch, with their classifier, until `fold` breaks off.
    /// Returns the columns that the object has, and what the numbers of its records mean.
    ///
    /// # Errors
    /// When the object cannot be decoded, or `fold` refuses it.
    pub fn each_batch(
        self,
        limits: &DecodeLimits,
        mut fold: impl FnMut(&FlowBatch, &mut ObjectClassifier<'_>) -> Result<ControlFlow<()>, DecodeError>,
    ) -> Result<(ColumnSet, Meaning<'a>), DecodeError> {
        let mut reader = decode::Reader::open(self.input, limits)?;
        let Origin { account, region, .. } = self.origin;
        let mut classifier = ObjectClassifier::new(self.classifier, account.as_deref(), region.as_deref());
        while let Some(batch) = reader.next_batch()? {
            if fold(&batch, &mut classifier)?.is_break() {
                break;
            }
        }
        Ok((*reader.columns(), classifier.finish()))
    }
}

/// An object that was read.
#[derive(Debug)]
pub struct Read<T> {
    /// What was made of it; an error when that ended in a panic.
    pub value: Result<T, Quarantine>,
    /// Bytes fetched.
    pub bytes: u64,
}

/// Why an object was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// A request failed, after its retries.
    #[error("{error}")]
    Failed {
        /// Whether it is gone, archived, or worth another attempt.
        reason: FailureReason,
        /// The error with all its causes, on one line.
        error: String,
    },
    /// It is not to be read as it is; nothing was fetched.
    #[error("{0}")]
    Quarantined(Quarantine),
}

impl From<&StoreError> for Unread {
    fn from(error: &StoreError) -> Self {
        Self::Failed { reason: error.reason, error: chain(error) }
    }
}

/// Makes a panic over an object the reason for its quarantine.
fn panicked(panic: &Caught) -> Quarantine {
    let message: String = panic.message.chars().take(limits::DETAIL_BYTES / 8).collect();
    let place = panic.place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
    Quarantine {
        reason: QuarantineReason::Corrupt,
        detail: format!("the decoder panicked{place}: {message}"),
    }
}
