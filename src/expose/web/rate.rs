//! `rate_limit`: requests over all connections, as a token bucket.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// One request an interval, and a number of them at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Time in which a request is earned; not zero.
    pub interval: Duration,
    /// Requests that can be saved up; at least 1.
    pub burst: u32,
}

/// The time that is saved up: a request costs one interval of it.
#[derive(Debug)]
pub(in super::super) struct Bucket {
    limit: RateLimit,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    saved: Duration,
    seen: Option<Duration>,
}

impl Bucket {
    /// Full.
    pub(super) fn new(limit: RateLimit) -> Self {
        let state = State { saved: limit.interval.saturating_mul(limit.burst), seen: None };
        Self { limit, state: Mutex::new(state) }
    }

    /// Whether there is room for a request at the elapsed time `now`. If so, it is used up.
    pub(in super::super) fn take(&self, now: Duration) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_sub(state.seen.unwrap_or(now));
        state.seen = Some(now);
        let full = self.limit.interval.saturating_mul(self.limit.burst);
        state.saved = state.saved.saturating_add(passed).min(full);
        match state.saved.checked_sub(self.limit.interval) {
            Some(rest) => {
                state.saved = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_an_interval() {
        let bucket = Bucket::new(RateLimit { interval: Duration::from_secs(2), burst: 3 });
        let taken = |at: u64| bucket.take(Duration::from_secs(at));
        assert_eq!([taken(100), taken(100), taken(100), taken(100)], [true, true, true, false]);
        assert_eq!([taken(101), taken(102), taken(103), taken(104)], [false, true, false, true]);
        assert_eq!([taken(900), taken(900), taken(900), taken(900)], [true, true, true, false]);
    }
}
