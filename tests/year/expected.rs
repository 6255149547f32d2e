//! Which alerts two such years are to bring, and what is wrong with those that they brought.

use super::{
    DAY, HOUR,
    clock::{at, show},
    rules::Firing,
};

/// An alert that has to fire once.
struct Expected {
    alert: &'static str,
    /// A label value that tells it from others of its name.
    of: &'static str,
    /// What it is about begins, and by when the alert has to fire.
    from: i64,
    within: i64,
    /// What it is about ends, and by when the alert has to end.
    to: i64,
    after: i64,
}

/// A line of the table: what, of what, `from` and `within`, `to` and `after`.
type Line = (&'static str, &'static str, (i64, i64), (i64, i64));

#[rustfmt::skip]
fn expected() -> Vec<Expected> {
    let table: &[Line] = &[
        // Nothing of the one source is delivered.
        ("FlowcostIngestStalled", "edge", (at!(2026-08-03 06:00), 2 * HOUR), (at!(2026-08-10 06:00), 2 * HOUR)),
        ("FlowcostSourceMonthStandsStill", "edge", (at!(2026-08-03 06:00), 8 * HOUR), (at!(2026-08-10 06:00), 2 * HOUR)),
        // The same; what is delivered in the end is too late but for the last two days, which a look once a day finds.
        ("FlowcostIngestStalled", "edge", (at!(2026-10-05 06:00), 2 * HOUR), (at!(2026-10-12 06:00), 2 * HOUR)),
        ("FlowcostSourceMonthStandsStill", "edge", (at!(2026-10-05 06:00), 8 * HOUR), (at!(2026-10-12 06:00), 2 * HOUR)),
        ("FlowcostLateObjectsRefused", "main:9843", (at!(2026-10-12 06:00), 35 * HOUR), (at!(2026-10-13 06:00), 35 * HOUR)),
        // Two exporters, one job: each source twice, and twice the cost of last week once the second one has six hours to show.
        ("FlowcostSourceReadTwice", "s3://prod/", (at!(2027-03-09 00:00), HOUR), (at!(2027-03-14 00:00), HOUR)),
        ("FlowcostSourceReadTwice", "s3://edge/", (at!(2027-03-09 00:00), HOUR), (at!(2027-03-14 00:00), HOUR)),
        ("FlowcostSourceReadTwice", "s3://data/", (at!(2027-03-09 00:00), HOUR), (at!(2027-03-14 00:00), HOUR)),
        ("FlowcostCostJump", "flowcost", (at!(2027-03-09 06:00), 2 * HOUR), (at!(2027-03-14 00:00), HOUR)),
        // The largest source cannot be listed. Its counters stand still and its age grows as if it logged nothing.
        ("FlowcostScansFailing", "prod", (at!(2027-05-10 06:00), 2 * HOUR), (at!(2027-05-17 06:00), 2 * HOUR)),
        ("FlowcostIngestStalled", "prod", (at!(2027-05-10 06:00), 2 * HOUR), (at!(2027-05-17 06:00), 2 * HOUR)),
        ("FlowcostSourceMonthStandsStill", "prod", (at!(2027-05-10 06:00), 8 * HOUR), (at!(2027-05-17 06:00), 2 * HOUR)),
        // Nothing runs.
        ("FlowcostTargetAbsent", "main:9843", (at!(2027-07-12 06:00), HOUR), (at!(2027-07-19 06:00), HOUR)),
        // Traffic between zones grows: a jump until a week is over, the database beyond its share, and the month beyond its budget
        // until a week of November has shown that it is over.
        ("FlowcostCostJump", "flowcost", (at!(2027-10-14 06:00), 6 * HOUR), (at!(2027-10-21 06:00), 6 * HOUR)),
        ("FlowcostInterAzShareHighPortGroup", "db", (at!(2027-10-14 06:00), DAY), (at!(2027-11-02 06:00), DAY)),
        ("FlowcostProjectedCostNearBudget", "main:9843", (at!(2027-10-14 06:00), 4 * DAY), (at!(2027-10-18 06:00), 4 * DAY)),
        ("FlowcostProjectedCostOverBudget", "main:9843", (at!(2027-10-16 06:00), 5 * DAY), (at!(2027-11-02 06:00), 6 * DAY)),
        ("FlowcostProjectedCostNearBudget", "main:9843", (at!(2027-11-04 06:00), 4 * DAY), (at!(2027-11-06 06:00), 4 * DAY)),
    ];
    let line = |&(alert, of, (from, within), (to, after)): &Line| Expected { alert, of, from, within, to, after };
    table.iter().map(line).collect()
}

impl Expected {
    fn is(&self, firing: &Firing) -> bool {
        self.alert == firing.alert
            && firing.labels.values().any(|value| value == self.of)
            && (self.from..=self.from + self.within).contains(&firing.from)
            && (self.to..=self.to + self.after).contains(&firing.to)
    }
}

/// Alerts that fired and should not have, and those that should have and did not.
pub(super) fn surprises(firings: &[Firing]) -> Vec<String> {
    let mut missing = expected();
    let mut surprises = Vec::new();
    for firing in firings {
        match missing.iter().position(|expected| expected.is(firing)) {
            Some(at) => drop(missing.remove(at)),
            None => surprises.push(format!("unexpected: {firing}")),
        }
    }
    let missing = missing.iter().map(|Expected { alert, of, from, within, to, after }| {
        format!(
            "missing: {alert} of {of}, from {} to {}, until {} to {}",
            show(*from),
            show(from + within),
            show(*to),
            show(to + after)
        )
    });
    surprises.extend(missing);
    surprises
}
