//! Which partitions are open: pure arithmetic on moments.
//!
//! No decision here looks at a time that a store reports. The window only ever grows wider than `lookback`, never
//! narrower, so a key that is inside it and not yet settled is always found.

use std::time::Duration;

use crate::{
    limits,
    model::{Partition, Timestamp},
};

/// The stretch of time whose partitions are read. A partition is inside by its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Partitions that end later than this are open.
    pub from: Timestamp,
    /// Partitions that begin later than this are not read yet.
    pub until: Timestamp,
}

impl Window {
    /// Whether a partition is open.
    pub fn contains(&self, partition: &Partition) -> bool {
        partition.end() > self.from && partition.start.start() <= self.until
    }

    /// The open partitions that new objects are most likely in.
    #[must_use]
    pub fn recent(&self, now: Timestamp) -> Self {
        Self { from: self.from.max(now.minus(limits::RECENT_PARTITIONS)), until: self.until }
    }

    /// The partitions that left the window up to one lookback ago; what turns up there came too late. `begin` is where
    /// the source began: what lies before was never open, and is not late.
    pub fn late(&self, lookback: Duration, begin: Timestamp) -> Option<Self> {
        let from = self.from.minus(lookback).max(begin);
        (from < self.from).then_some(Self { from, until: self.from })
    }

    /// Whether a partition came too late for `open`: inside this late window and closed.
    pub fn is_late(&self, partition: &Partition, open: &Self) -> bool {
        partition.end() > self.from && partition.end() <= open.from
    }
}

/// Where a source begins at its first start.
pub fn begin(now: Timestamp, lookback: Duration, start: Option<Timestamp>) -> Timestamp {
    start.unwrap_or_else(|| now.minus(lookback))
}

/// The window of a source.
///
/// `scanned_through` is when all its open partitions were last listed and settled. After a time without that, the
/// window reaches back from there and not from now: what arrived meanwhile is not lost.
pub fn open(
    now: Timestamp,
    lookback: Duration,
    begin: Timestamp,
    scanned_through: Option<Timestamp>,
) -> Window {
    let from = match scanned_through {
        None => begin,
        Some(through) => through.min(now).minus(lookback).max(begin),
    };
    Window { from, until: now.plus(limits::FUTURE_PARTITIONS) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Hour, PartitionSpan};

    const HOUR: Duration = Duration::from_secs(3600);

    fn partition(hour: i64, span: PartitionSpan) -> Partition {
        Partition { bucket: "s3://b".into(), prefix: "p/".into(), start: Hour(hour), span }
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp(hour * 3600)
    }

    #[test]
    fn a_partition_is_inside_by_its_end() {
        let window = open(at(1000), 48 * HOUR, at(0), Some(at(1000)));
        assert!(!window.contains(&partition(951, PartitionSpan::Hour)), "ends exactly 48 h ago");
        assert!(window.contains(&partition(952, PartitionSpan::Hour)));
        assert!(window.contains(&partition(930, PartitionSpan::Day)), "its last hour is inside");
        assert!(!window.contains(&partition(928, PartitionSpan::Day)));
        assert!(window.contains(&partition(1001, PartitionSpan::Hour)), "a clock one hour ahead");
        assert!(!window.contains(&partition(1002, PartitionSpan::Hour)));
    }

    #[test]
    fn a_long_pause_does_not_close_partitions() {
        let window = open(at(1000), 48 * HOUR, at(0), Some(at(900)));
        assert_eq!(window.from, at(852));
        let back = open(at(800), 48 * HOUR, at(0), Some(at(900)));
        assert_eq!(back.from, at(752), "a clock that was set back widens the window");
    }

    #[test]
    fn the_first_scan_begins_where_it_is_told_and_nothing_before_is_ever_late() {
        let start = begin(at(1000), 48 * HOUR, Some(at(100)));
        assert_eq!(open(at(1000), 48 * HOUR, start, None).from, at(100));
        assert_eq!(
            open(at(1010), 48 * HOUR, start, None).from,
            at(100),
            "killed in the first scan: still the first"
        );
        let later = begin(at(1000), 48 * HOUR, None);
        let window = open(at(1001), 48 * HOUR, later, Some(at(1001)));
        assert_eq!(window.late(48 * HOUR, later), Some(Window { from: at(952), until: at(953) }));
        let late = window.late(48 * HOUR, later).expect("an hour left the window");
        assert!(late.is_late(&partition(952, PartitionSpan::Hour), &window));
        assert!(!late.is_late(&partition(951, PartitionSpan::Hour), &window), "before the beginning");
        assert!(!late.is_late(&partition(953, PartitionSpan::Hour), &window), "still open");
        assert_eq!(open(at(1000), 48 * HOUR, later, Some(at(1000))).late(48 * HOUR, later), None);
    }

    #[test]
    fn recent_is_the_last_hour_of_the_window() {
        let window = open(at(1000), 48 * HOUR, at(0), Some(at(1000)));
        assert_eq!(window.recent(at(1000)).from, at(999));
        let narrow = open(at(1000), HOUR / 2, at(0), Some(at(1000)));
        assert_eq!(narrow.recent(at(1000)).from, narrow.from);
    }
}
