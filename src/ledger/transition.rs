//! What settling an object means when it has been settled before. A pure table.

use crate::model::{IgnoreReason, ObjectOutcome};

/// What an object is, or is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) outcome: ObjectOutcome,
    /// With [`ObjectOutcome::Ignored`].
    pub(super) ignore: Option<IgnoreReason>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: this is a repetition.
    Skip,
    /// Settle and count it.
    Settle,
    /// The outcome is the same with other particulars: write them, count nothing.
    Refresh,
    /// Only remember the new version, and count `mutated`.
    Mutate,
}

/// The step from what an object is to what it is to become.
pub(super) fn step(from: Option<State>, to: State) -> Step {
    use ObjectOutcome as O;
    let Some(from) = from else {
        // A change of something that was never settled is no change; the object will be read.
        return if to.outcome == O::Mutated { Step::Skip } else { Step::Settle };
    };
    match (from.outcome, to.outcome) {
        (_, O::Mutated) => Step::Mutate,
        // Final.
        (O::Counted | O::Empty | O::Mutated, _) => Step::Skip,
        (O::Ignored, _) if !is_open_to_change(from.ignore) => Step::Skip,
        (O::Ignored, O::Ignored) if from.ignore == to.ignore => Step::Skip,
        (O::Ignored, O::Ignored) | (O::Quarantined, O::Quarantined) => Step::Refresh,
        (O::Gone, O::Gone) | (O::RefusedLate, O::RefusedLate) => Step::Skip,
        // It stays listed as quarantined, so that it can still be retried.
        (O::Quarantined, O::RefusedLate) => Step::Skip,
        (O::Ignored | O::Gone | O::RefusedLate | O::Quarantined, _) => Step::Settle,
    }
}

/// Whether a changed configuration may read an ignored object. What the object itself has shown stays true, and what
/// a person has given up stays given up.
pub(super) fn is_open_to_change(reason: Option<IgnoreReason>) -> bool {
    match reason {
        Some(IgnoreReason::Filtered | IgnoreReason::Foreign) | None => true,
        Some(IgnoreReason::Folder | IgnoreReason::TransitGateway | IgnoreReason::Dropped) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(word: &str) -> State {
        let (outcome, ignore) = word.split_once(' ').unwrap_or((word, ""));
        State { outcome: ObjectOutcome::parse(outcome).unwrap(), ignore: IgnoreReason::parse(ignore) }
    }

    #[test]
    fn every_pair_has_its_step() {
        let states = [
            "counted",
            "empty",
            "ignored filtered",
            "ignored foreign",
            "ignored folder",
            "ignored transit_gateway",
            "ignored dropped",
            "refused_late",
            "quarantined",
            "gone",
        ];
        // Columns: to counted, empty, ignored filtered, ignored foreign, ignored folder, ignored transit_gateway,
        // ignored dropped, refused_late, quarantined, gone, mutated. S settle, . skip, r refresh, m mutate. Nothing is
        // ever settled as dropped: that is done to the row of the quarantine.
        let table = [
            (None, "SSSSSSSSSS."),
            (Some("counted"), "..........m"),
            (Some("empty"), "..........m"),
            (Some("ignored filtered"), "SS.rrrrSSSm"),
            (Some("ignored foreign"), "SSr.rrrSSSm"),
            (Some("ignored folder"), "..........m"),
            (Some("ignored transit_gateway"), "..........m"),
            (Some("ignored dropped"), "..........m"),
            (Some("refused_late"), "SSSSSSS.SSm"),
            (Some("quarantined"), "SSSSSSS.rSm"),
            (Some("gone"), "SSSSSSSSS.m"),
        ];
        for (from, steps) in table {
            for (to, expected) in states.iter().chain(&["mutated"]).zip(steps.chars()) {
                let got = match step(from.map(state), state(to)) {
                    Step::Skip => '.',
                    Step::Settle => 'S',
                    Step::Refresh => 'r',
                    Step::Mutate => 'm',
                };
                assert_eq!(got, expected, "{from:?} -> {to}");
            }
        }
    }
}
