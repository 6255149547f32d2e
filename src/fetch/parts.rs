//! A large object in parts, each fetched when it is decoded.
//!
//! The end is fetched at once: it says whether the object is still the one that was listed, and has the footer. All
//! else blocks the thread that decodes, but for what that thread has said it will want next of a store that is far
//! away. Invariant: after the first failure nothing more is given out, and the failure is kept: what was decoded up to
//! then is worth nothing.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::{runtime::Handle, task::JoinHandle, time::timeout};

use super::exactly;
use crate::{
    decode::Parts,
    limits,
    model::Listed,
    store::{FailureReason, ObjectStore, Operation, StoreError},
};

/// An object that is fetched as it is read.
pub struct ObjectParts {
    requests: Arc<Requests>,
    runtime: Handle,
    /// The end of the object.
    tail: Bytes,
    /// What was fetched last of what is small: where it begins, and its bytes.
    last: Mutex<(u64, Bytes)>,
    /// What was said to be wanted next. At most [`limits::AHEAD_BYTES`], which nobody waits for yet.
    ahead: Mutex<Vec<Ahead>>,
    failure: OnceLock<StoreError>,
}

/// One part that is being fetched before it is asked for. Ends with the object.
struct Ahead {
    range: Range<u64>,
    task: JoinHandle<Result<Bytes, StoreError>>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What fetches the parts of one object.
struct Requests {
    store: Arc<dyn ObjectStore>,
    listed: Listed,
    fetched: AtomicU64,
}

impl Requests {
    async fn part(&self, range: Range<u64>) -> Result<Bytes, StoreError> {
        let size = range.end - range.start;
        let request = self.store.get(&self.listed, Some(range));
        let answer = timeout(limits::OBJECT_DEADLINE, request).await.unwrap_or_else(|_| {
            Err(StoreError {
                operation: Operation::Get,
                target: self.listed.id.to_string(),
                reason: FailureReason::Timeout,
                source: None,
            })
        });
        let bytes = exactly(answer?, size, &self.listed)?;
        self.fetched.fetch_add(size, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl ObjectParts {
    /// Fetches the end of an object of more than [`limits::FOOTER_BYTES`].
    pub(super) async fn begin(store: Arc<dyn ObjectStore>, listed: &Listed) -> Result<Self, StoreError> {
        let start = listed.size.saturating_sub(limits::FOOTER_BYTES);
        let requests = Requests { store, listed: listed.clone(), fetched: AtomicU64::new(0) };
        Ok(Self {
            tail: requests.part(start..listed.size).await?,
            requests: Arc::new(requests),
            runtime: Handle::current(),
            last: Mutex::default(),
            ahead: Mutex::default(),
            failure: OnceLock::new(),
        })
    }

    /// Bytes fetched so far.
    pub fn bytes_fetched(&self) -> u64 {
        self.requests.fetched.load(Ordering::Relaxed)
    }

    /// Why a part could not be had.
    pub fn failure(&self) -> Option<&StoreError> {
        self.failure.get()
    }

    /// What is there of it without a request.
    fn at_hand(&self, last: &(u64, Bytes), range: &Range<u64>) -> Option<Bytes> {
        let tail_start = self.object_len() - self.tail.len() as u64;
        [(tail_start, &self.tail), (last.0, &last.1)].into_iter().find_map(|(start, bytes)| {
            let inside = start <= range.start && range.end <= start + bytes.len() as u64;
            inside.then(|| bytes.slice((range.start - start) as usize..(range.end - start) as usize))
        })
    }

    /// Fetches a part on the runtime, not here: threads that it makes are as nice as the one that makes them. For a file the
    /// way there would take a twentieth of all time; threads that are made to read it may step back.
    fn part(&self, range: Range<u64>) -> Result<Bytes, StoreError> {
        if self.requests.store.is_local() {
            return self.runtime.block_on(self.requests.part(range));
        }
        let mut task = self.begin_part(range);
        self.runtime.block_on(&mut task).unwrap_or_else(|error| {
            Err(StoreError {
                operation: Operation::Get,
                target: self.requests.listed.id.to_string(),
                reason: FailureReason::Other,
                source: Some(error.into()),
            })
        })
    }

    fn begin_part(&self, range: Range<u64>) -> JoinHandle<Result<Bytes, StoreError>> {
        let requests = Arc::clone(&self.requests);
        self.runtime.spawn(async move { requests.part(range).await })
    }

    /// What was expected, once it has come.
    fn expected(&self, range: &Range<u64>) -> Option<Result<Bytes, StoreError>> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let at = ahead.iter().position(|part| part.range == *range)?;
        let mut part = ahead.swap_remove(at);
        drop(ahead);
        // A task that ended with the runtime or in a panic has no answer: the next request shows it again.
        self.runtime.block_on(&mut part.task).ok()
    }
}

impl Parts for ObjectParts {
    fn object_len(&self) -> u64 {
        self.requests.listed.size
    }

    fn get(&self, range: Range<u64>) -> Option<Bytes> {
        if self.failure.get().is_some() {
            return None;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = self.at_hand(&last, &range) {
            return Some(bytes);
        }
        let size = (range.end - range.start) as usize;
        let answer = self.expected(&range).unwrap_or_else(|| {
            // A few bytes are where reading begins. Whoever jumps back and forth gets no more of them than the object
            // has.
            let small = is_small(&range) && self.bytes_fetched() <= self.object_len();
            let end = range.end.max(range.start.saturating_add(limits::PART_BYTES)).min(self.object_len());
            let wanted = if small { range.start..end } else { range.clone() };
            self.part(wanted)
        });
        match answer {
            Ok(bytes) => {
                let part = bytes.slice(..size);
                *last = if bytes.len() > size { (range.start, bytes) } else { (0, Bytes::new()) };
                Some(part)
            }
            Err(error) => {
                // The first is the one that is told of.
                let _ = self.failure.set(error);
                None
            }
        }
    }

    fn expect(&self, ranges: &[Range<u64>]) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.clear();
        let size = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.end - range.start));
        let is_vain = size > limits::AHEAD_BYTES || self.failure.get().is_some();
        if is_vain || self.requests.store.is_local() {
            return;
        }
        // Small ones are had together when the first of them is asked for.
        let wanted = ranges.iter().filter(|range| !is_small(range) && self.at_hand(&last, range).is_none());
        ahead
            .extend(wanted.map(|range| Ahead { range: range.clone(), task: self.begin_part(range.clone()) }));
    }
}

/// So small that those after it are fetched along.
fn is_small(range: &Range<u64>) -> bool {
    range.end - range.start < limits::FOOTER_BYTES
}

impl fmt::Debug for ObjectParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObjectParts").field(&self.requests.listed.id).finish()
    }
}
