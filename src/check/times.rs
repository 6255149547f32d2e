//! How an object has its times: what is read in another way than it stands there is said.

use std::fmt::Write as _;

use crate::decode::{FlowBatch, IntCell, TimeUnit};

/// How some records have their times.
#[derive(Debug, Default)]
pub(super) struct Times {
    unit: TimeUnit,
    /// Records whose time cannot be read, and all.
    unreadable: (usize, usize),
}

impl Times {
    pub(super) fn of(batch: &FlowBatch) -> Self {
        let times = batch.end.as_ref().or(batch.start.as_ref());
        let is_bad = |row: &usize| times.is_some_and(|times| times.get(*row) == IntCell::Bad);
        let unreadable = (0..batch.rows).filter(is_bad).count();
        Self { unit: batch.time_unit, unreadable: (unreadable, batch.rows) }
    }

    /// Says what is not as AWS writes it.
    pub(super) fn write(&self, text: &mut String) {
        if self.unit > TimeUnit::Seconds {
            let unit = self.unit.as_str();
            let _ = writeln!(text, "  note start and end are Unix {unit}, by their size: read as seconds");
        }
        if let (unreadable @ 1.., all) = self.unreadable {
            let _ = writeln!(
                text,
                "  note the time is not a number in {unreadable} of the first {all} records: \
                 they count in the hour of the key"
            );
        }
    }
}
