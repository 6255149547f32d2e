//! Time as whole UTC seconds and hours.

use std::{fmt, sync::Arc, time::Duration};

use time::UtcDateTime;

/// Seconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment, `duration` later (whole seconds).
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)))
    }

    /// This moment, `duration` earlier (whole seconds).
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)))
    }

    /// Calendar view, `None` outside the years -9999 to 9999.
    pub fn to_utc(self) -> Option<UtcDateTime> {
        UtcDateTime::from_unix_timestamp(self.0).ok()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, for example `2025-12-09T10:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_utc().and_then(|utc| utc.format(&time::format_description::well_known::Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "@{}", self.0),
        }
    }
}

/// A UTC hour: hours since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hour(pub i64);

impl Hour {
    /// Seconds in an hour.
    pub const SECONDS: i64 = 3600;

    /// The hour that contains a moment.
    pub fn of(at: Timestamp) -> Self {
        Self(at.0.div_euclid(Self::SECONDS))
    }

    /// Its first second.
    pub fn start(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(Self::SECONDS))
    }

    /// The first second after it.
    pub fn end(self) -> Timestamp {
        Timestamp(self.0.saturating_add(1).saturating_mul(Self::SECONDS))
    }
}

/// The clock as a value, so that only the composition root decides what time it is.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    monotonic: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Clock {
    /// A clock from its two readings: wall time, and elapsed time since any fixed moment.
    pub fn new(
        wall: impl Fn() -> Timestamp + Send + Sync + 'static,
        monotonic: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { wall: Arc::new(wall), monotonic: Arc::new(monotonic) }
    }

    /// A clock that stands still, for tests.
    pub fn fixed(at: Timestamp) -> Self {
        Self::new(move || at, || Duration::ZERO)
    }

    /// Wall time.
    pub fn now(&self) -> Timestamp {
        (self.wall)()
    }

    /// Time since a fixed moment; never goes back.
    pub fn elapsed(&self) -> Duration {
        (self.monotonic)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
