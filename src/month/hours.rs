//! Which hours of a month a source has settled, which are still to come, and which carry its mean.
//!
//! Refuses to know bytes and money. Invariant: an hour of the month is settled, unsettled, or not the source's own.

use std::ops::Range;

use time::Month as CalendarMonth;

use crate::{
    limits,
    model::{Hour, Snapshot, SourceProgress, Timestamp},
};

/// First hour of the month (UTC) that a moment lies in, up to the first of the next.
pub(super) fn month_of(now: Timestamp) -> Option<Range<Hour>> {
    let today = now.to_utc()?.date();
    let first = today.replace_day(1).ok()?;
    let year = if today.month() == CalendarMonth::December { today.year() + 1 } else { today.year() };
    let next = time::Date::from_calendar_date(year, today.month().next(), 1).ok()?;
    let hour = |date: time::Date| Hour::of(Timestamp(date.midnight().assume_utc().unix_timestamp()));
    Some(hour(first)..hour(next))
}

/// The hours of a source, seen from a moment in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceHours {
    /// Settled hours of the month; what they were billed is the month to date.
    pub(super) settled: Range<Hour>,
    /// The last settled hours, whichever month they are in, whose mean stands for hours that are not settled.
    pub(super) mean: Range<Hour>,
    /// How many hours of the month are not settled.
    pub(super) unsettled: u64,
    /// Settled hours among those of the month that could be, and how many could be.
    pub(super) covered: (u64, u64),
    /// Nothing more is expected.
    pub(super) ended: bool,
}

impl SourceHours {
    /// Those of a configured source, by [`SourceProgress::settled_until`].
    pub(super) fn of(
        progress: &SourceProgress,
        snapshot: &Snapshot,
        month: &Range<Hour>,
        now: Timestamp,
    ) -> Self {
        let due = Hour::of(now.minus(limits::HOUR_SETTLES_AFTER));
        let (first, known) = (progress.first(now), progress.heard_until(now));
        let (until, ended) = (progress.settled_until(now), progress.has_ended());

        // Before the state's first hour nobody looked; a source that came later did not exist for it before.
        let unseen = match first_of_all(snapshot) {
            Some(seen) if is_original(progress, snapshot) => month.start..seen.clamp(month.start, month.end),
            _ => month.start..month.start,
        };
        let own = first.clamp(unseen.end, month.end);
        let within = |hour: Hour| hour.clamp(own, month.end);
        let to_come = if ended { 0 } else { count(&(within(until)..month.end)) };
        let settled = count(&(own..within(until)));
        let due_of_unseen = count(&(unseen.start..unseen.end.min(due)));
        Self {
            // All that the source was billed before is part of it, whether or not the hour is its own.
            settled: month.start..until.clamp(month.start, month.end),
            mean: first.max(Hour(known.0 - limits::PROJECTION_HOURS))..known,
            unsettled: count(&unseen) + to_come,
            covered: (settled, due_of_unseen + count(&(own..within(due.max(until))))),
            ended,
        }
    }

    /// Those of a source that is not configured any more: what it has is all that will come.
    pub(super) fn of_removed(month: &Range<Hour>) -> Self {
        Self {
            settled: month.clone(),
            mean: month.start..month.start,
            unsettled: 0,
            covered: (0, 0),
            ended: true,
        }
    }

    /// How many settled hours carry the projection.
    pub(super) fn mean_hours(&self) -> u64 {
        count(&self.mean)
    }
}

/// The first hour that any record ever was in.
fn first_of_all(snapshot: &Snapshot) -> Option<Hour> {
    snapshot.sources.values().filter_map(|source| source.first_hour).chain(snapshot.first_hour).min()
}

/// Whether a source has been there since the state began. Sources of a first start begin within one cycle.
fn is_original(progress: &SourceProgress, snapshot: &Snapshot) -> bool {
    let begins = progress.begin.zip(snapshot.begin);
    begins.is_some_and(|(own, first)| own <= first.plus(limits::FIRST_CYCLE))
}

/// How many hours a range has.
pub(super) fn count(hours: &Range<Hour>) -> u64 {
    u64::try_from(hours.end.0.saturating_sub(hours.start.0)).unwrap_or(0)
}
