//! Moments, written as people write them.

use time::UtcDateTime;

/// The Unix second of a minute, as `at!(2026-04-07 10:00)`.
macro_rules! at {
    ($($moment:tt)*) => { time::macros::utc_datetime!($($moment)*).unix_timestamp() };
}
pub(super) use at;

/// The first second of the month of a moment.
pub(super) fn month_of(now: i64) -> i64 {
    let day = UtcDateTime::from_unix_timestamp(now).unwrap().replace_day(1).unwrap();
    day.unix_timestamp().div_euclid(86_400) * 86_400
}

/// A moment as people read it.
pub(super) fn show(at: i64) -> String {
    let utc = UtcDateTime::from_unix_timestamp(at).unwrap();
    format!("{} {:02}:{:02}", utc.date(), utc.hour(), utc.minute())
}
