//! Scrapes under way: rendered, and not yet sent to their end.
//!
//! Bounds the memory of responses that are not read. Invariant: clients that take a response and do not read it keep
//! nobody out for longer than twice the patience.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// The places that scrapes take.
#[derive(Debug)]
pub(super) struct Scrapes {
    places: Arc<Semaphore>,
    patience: Duration,
    taken: Mutex<Taken>,
}

/// Who has a place, in the order in which they were taken.
#[derive(Debug, Default)]
struct Taken {
    last: u64,
    holders: BTreeMap<u64, CancellationToken>,
}

/// A place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    scrapes: Arc<Scrapes>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.scrapes.taken().holders.remove(&self.id);
    }
}

impl Scrapes {
    pub(super) fn new(places: usize, patience: Duration) -> Arc<Self> {
        Arc::new(Self { places: Arc::new(Semaphore::new(places)), patience, taken: Mutex::default() })
    }

    /// A place for the connection that `close` ends. Those that have had theirs for longer than the patience make
    /// room; `None` when even that does not help.
    pub(super) async fn admit(self: &Arc<Self>, close: &CancellationToken) -> Option<Place> {
        let now = self.taken().last;
        let permit = match timeout(self.patience, self.places.clone().acquire_owned()).await {
            Ok(permit) => permit,
            Err(_) => {
                self.close_until(now);
                timeout(self.patience, self.places.clone().acquire_owned()).await.ok()?
            }
        };
        let permit = permit.ok()?;
        let mut taken = self.taken();
        taken.last += 1;
        let id = taken.last;
        taken.holders.insert(id, close.clone());
        Some(Place { id, scrapes: self.clone(), _permit: permit })
    }

    /// Ends the connections whose places were taken at a moment, that one included.
    fn close_until(&self, moment: u64) {
        for close in self.taken().holders.range(..=moment).map(|(_, close)| close) {
            close.cancel();
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
