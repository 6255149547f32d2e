//! A large object in parts, each fetched when it is decoded.
//!
//! The end is fetched at once: it says whether the object is still the one that was listed, and has the footer. All
//! else blocks the thread that decodes. Invariant: after the first failure nothing more is given out, and the failure
//! is kept: what was decoded up to then is worth nothing.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::{runtime::Handle, time::timeout};

use super::exactly;
use crate::{
    decode::Parts,
    limits,
    model::Listed,
    store::{FailureReason, ObjectStore, Operation, StoreError},
};

/// An object that is fetched as it is read.
pub struct ObjectParts {
    store: Arc<dyn ObjectStore>,
    listed: Listed,
    runtime: Handle,
    /// The end of the object.
    tail: Bytes,
    /// What was fetched last of what is small: where it begins, and its bytes.
    last: Mutex<(u64, Bytes)>,
    fetched: AtomicU64,
    failure: OnceLock<StoreError>,
}

impl ObjectParts {
    /// Fetches the end of an object of more than [`limits::FOOTER_BYTES`].
    pub(super) async fn begin(store: Arc<dyn ObjectStore>, listed: &Listed) -> Result<Self, StoreError> {
        let start = listed.size.saturating_sub(limits::FOOTER_BYTES);
        let size = listed.size - start;
        let tail = exactly(store.get(listed, Some(start..listed.size)).await?, size, listed)?;
        Ok(Self {
            store,
            listed: listed.clone(),
            runtime: Handle::current(),
            tail,
            last: Mutex::default(),
            fetched: AtomicU64::new(size),
            failure: OnceLock::new(),
        })
    }

    /// Bytes fetched so far.
    pub fn bytes_fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Why a part could not be had.
    pub fn failure(&self) -> Option<&StoreError> {
        self.failure.get()
    }

    fn fetch(&self, range: Range<u64>) -> Result<Bytes, StoreError> {
        let size = range.end - range.start;
        let request =
            async { timeout(limits::OBJECT_DEADLINE, self.store.get(&self.listed, Some(range))).await };
        let answer = self.runtime.block_on(request).unwrap_or_else(|_| {
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

impl Parts for ObjectParts {
    fn object_len(&self) -> u64 {
        self.listed.size
    }

    fn get(&self, range: Range<u64>) -> Option<Bytes> {
        if self.failure.get().is_some() {
            return None;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let tail_start = self.listed.size - self.tail.len() as u64;
        for (start, bytes) in [(tail_start, &self.tail), (last.0, &last.1)] {
            if start <= range.start && range.end <= start + bytes.len() as u64 {
                return Some(bytes.slice((range.start - start) as usize..(range.end - start) as usize));
            }
        }
        // A few bytes are where reading begins. Whoever jumps back and forth gets no more of them than the object has.
        let end = range.end.max(range.start.saturating_add(limits::PART_BYTES)).min(self.listed.size);
        let size = (range.end - range.start) as usize;
        let ahead = size < limits::FOOTER_BYTES as usize && self.bytes_fetched() <= self.listed.size;
        let wanted = if ahead { range.start..end } else { range.clone() };
        match self.fetch(wanted) {
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
}

impl fmt::Debug for ObjectParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObjectParts").field(&self.listed.id).finish()
    }
}
