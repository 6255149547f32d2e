//! How far a source has come with what it has found: a first scan of months, or what came during a downtime.
//!
//! Refuses to know objects and the clock: it is told of numbers and of elapsed time. Invariant: objects that were known
//! stay known until the backlog is over, also when a cycle is cut short and lists anew what is left.

use std::time::Duration;

use crate::{event::Progress, limits};

/// The present backlog of a source, over as many cycles as it takes.
#[derive(Debug, Default)]
pub(super) struct Course {
    began: Duration,
    settled: u64,
    records: u64,
    known: u64,
    /// All of it has been found.
    listed: bool,
    /// All of it has been read or put back: the next cycle begins anew.
    over: bool,
    /// When something was said last, and the percentage then.
    said: Option<(Duration, u64)>,
}

impl Course {
    /// A cycle begins.
    pub(super) fn begin(&mut self, now: Duration) {
        if self.over || self.known == 0 {
            *self = Self { began: now, ..Self::default() };
        }
        self.listed = false;
    }

    /// Everything has been found.
    pub(super) fn all_listed(&mut self) {
        self.listed = true;
    }

    /// Everything that was found is settled or put back.
    pub(super) fn all_read(&mut self) {
        self.over = true;
    }

    /// An object is durable.
    pub(super) fn settle(&mut self, records: u64) {
        self.settled += 1;
        self.records = self.records.saturating_add(records);
    }

    /// Where it stands, with so many objects found and not settled, and whether it is time to say so.
    pub(super) fn look(&mut self, pending: u64, now: Duration) -> (Progress, bool) {
        self.known = self.known.max(self.settled + pending);
        let elapsed = now.saturating_sub(self.began);
        let left = self.known - self.settled;
        let remaining = (self.listed && self.settled > 0).then(|| {
            let millis = elapsed.as_millis() * u128::from(left) / u128::from(self.settled);
            Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
        });
        let progress = Progress {
            objects: self.known,
            settled: self.settled,
            records: self.records,
            listed: self.listed,
            elapsed,
            remaining,
        };
        let (last, percent) = self.said.unwrap_or((self.began, 0));
        let since = now.saturating_sub(last);
        let step =
            progress.percent() >= percent + limits::PROGRESS_PERCENT && since >= limits::PROGRESS_PAUSE;
        let due = self.settled > 0 && left > 0 && (step || since >= limits::PROGRESS_EVERY);
        if due {
            self.said = Some((now, progress.percent()));
        }
        (progress, due)
    }

    /// Ends a backlog that is over. Gives where it ended, if something was said of it on the way.
    pub(super) fn end(&mut self, now: Duration) -> Option<Progress> {
        if !self.over {
            return None;
        }
        let said = self.said.is_some();
        let (progress, _) = self.look(0, now);
        *self = Self { over: true, began: now, ..Self::default() };
        said.then_some(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn settle(course: &mut Course, objects: u64) {
        (0..objects).for_each(|_| course.settle(100));
    }

    #[test]
    fn a_backlog_is_told_of_at_steps_and_at_times_and_ends_once() {
        let mut course = Course::default();
        course.begin(at(1_000));
        assert!(!course.look(400, at(1_001)).1, "nothing is settled yet");
        settle(&mut course, 4);
        let (progress, due) = course.look(1_000 - 4, at(1_004));
        assert_eq!((progress.objects, progress.settled, progress.records), (1_000, 4, 400));
        assert!(!due && progress.remaining.is_none(), "not listed to the end: {progress:?}");
        course.all_listed();
        settle(&mut course, 96);
        let (progress, due) = course.look(900, at(1_010));
        assert!(due, "10 percent after 10 seconds");
        assert_eq!((progress.percent(), progress.remaining), (10, Some(at(90))));
        settle(&mut course, 100);
        assert!(!course.look(800, at(1_012)).1, "20 percent, but said just now");
        assert!(course.look(800, at(1_015)).1);
        settle(&mut course, 1);
        assert!(!course.look(799, at(1_044)).1);
        assert!(course.look(799, at(1_045)).1, "30 seconds");
        assert_eq!(course.end(at(1_050)), None, "it is not over");
        settle(&mut course, 799);
        assert!(!course.look(0, at(1_100)).1, "the end is told by itself");
        course.all_read();
        let end = course.end(at(1_100)).unwrap();
        assert_eq!((end.objects, end.settled, end.records, end.elapsed), (1_000, 1_000, 100_000, at(100)));
        assert_eq!(course.end(at(1_101)), None);
        assert_eq!(course.look(3, at(1_102)).0.objects, 3, "what was put back waits");
    }

    #[test]
    fn a_cycle_that_is_cut_short_forgets_nothing_and_a_quiet_one_says_nothing() {
        let mut course = Course::default();
        course.begin(at(0));
        settle(&mut course, 300);
        course.look(700, at(300));
        course.begin(at(300));
        let (progress, _) = course.look(0, at(301));
        assert_eq!((progress.objects, progress.settled), (1_000, 300), "listed anew");
        course.look(650, at(302));
        course.all_read();
        course.begin(at(400));
        assert_eq!(course.look(12, at(400)).0.objects, 12);
        settle(&mut course, 12);
        course.all_listed();
        course.all_read();
        assert!(!course.look(0, at(401)).1);
        assert_eq!(course.end(at(401)), None);
        assert_eq!(course.look(0, at(402)).0.objects, 0);
    }
}
