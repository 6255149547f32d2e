//! How long a store waits and how often it tries again. Pure: the pauses are returned, not slept.

use std::time::Duration;

use super::FailureReason;
use crate::limits;

/// The deadlines and pauses of one store. [`Patience::default`] is what `limits` says; tests shorten it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From the start of an attempt to the headers of its answer; for a listing page to its end.
    pub answer: Duration,
    /// The span in which a body must make [`limits::STORE_STALL_BYTES`] of progress.
    pub stall: Duration,
    /// One listing page over all its attempts.
    pub list: Duration,
    /// One object, or range of it, over all its attempts.
    pub object: Duration,
    /// First pause between attempts; doubles each time.
    pub backoff: Duration,
    /// Longest pause between attempts.
    pub backoff_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: limits::STORE_ANSWER,
            stall: limits::STORE_STALL,
            list: limits::LIST_DEADLINE,
            object: limits::OBJECT_DEADLINE,
            backoff: limits::STORE_BACKOFF,
            backoff_max: limits::STORE_BACKOFF_MAX,
        }
    }
}

/// The attempts that one request has left.
#[derive(Debug)]
pub(super) struct Retry {
    left: u32,
    pause: Duration,
    pause_max: Duration,
}

impl Retry {
    pub(super) fn new(patience: &Patience) -> Self {
        Self { left: limits::STORE_ATTEMPTS, pause: patience.backoff, pause_max: patience.backoff_max }
    }

    /// How long to wait before the next attempt, with full jitter so that many clients spread; `None` if there is
    /// no use or no attempt left. To be asked once per failed attempt.
    pub(super) fn after(&mut self, reason: FailureReason) -> Option<Duration> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 || !reason.is_transient() {
            return None;
        }
        let ceiling = self.pause.min(self.pause_max);
        self.pause = ceiling.saturating_mul(2);
        Some(ceiling.mul_f64(fastrand::f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_their_ceiling_and_attempts_end() {
        let patience = Patience {
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_millis(150),
            ..Patience::default()
        };
        let mut retry = Retry::new(&patience);
        let ceilings = [100, 150, 150].map(Duration::from_millis);
        for ceiling in ceilings.into_iter().take(limits::STORE_ATTEMPTS as usize - 1) {
            let pause = retry.after(FailureReason::Throttled).expect("attempts are left");
            assert!(pause <= ceiling, "{pause:?} is above {ceiling:?}");
        }
        assert_eq!(retry.after(FailureReason::Throttled), None);
    }

    #[test]
    fn lasting_reasons_are_not_tried_again() {
        for reason in FailureReason::ALL.into_iter().filter(|reason| !reason.is_transient()) {
            assert_eq!(Retry::new(&Patience::default()).after(reason), None, "{reason:?}");
        }
    }
}
