//! A recount in words.

use std::{fmt::Write as _, ops::Range};

use super::{Done, Job, Step};
use crate::{
    cli::table::{columns, plain},
    ledger::Change,
    limits,
    model::Timestamp,
};

/// How far it has come, as one line.
pub(super) fn progress(step: &Step) -> String {
    match step {
        Step::Listed { objects, bytes, resumed } => {
            let goes_on = if *resumed { ", going on with a recount that was under way" } else { "" };
            format!(
                "{objects} objects to read: {objects} requests or more, {}{goes_on}\n",
                bytesize::ByteSize(*bytes)
            )
        }
        Step::Begun => String::new(),
        Step::Staged { done, of } => format!("{done} of {of} objects read\n"),
        Step::Late(objects) => format!("{objects} objects were counted meanwhile\n"),
    }
}

/// What would be done, for a person, or what has changed: one line for each label set and charge.
pub(super) fn of(job: &Job, done: &Done, kept_from: Option<Timestamp>) -> String {
    let mut text = String::new();
    let Some(changes) = &done.changes else {
        write_dry(&mut text, job, done, kept_from);
        return text;
    };
    if !done.problems.is_empty() {
        let _ = writeln!(text, "{}", done.problems);
    }
    let Range { start, end } = &job.wish.hours;
    let (all, left) = (hours(job), done.problems.skipped.len());
    if left == all {
        let _ = writeln!(text, "nothing was recounted: all {all} hours stay as they were");
        return text;
    }
    let of = match left {
        0 => format!("{all} hours"),
        _ => format!("{} of {all} hours, {left} stay as they were", all - left),
    };
    let _ = writeln!(text, "recounted {} to {}: {of}", start.start(), end.start());
    if changes.is_empty() {
        let _ = writeln!(text, "every label set and charge is as it was");
        return text;
    }
    let mut rows = vec![
        ["WHAT", "FROM", "TO", "PORTS", "NAT", "BYTES BEFORE", "AFTER", "USD BEFORE", "AFTER"]
            .map(str::to_owned),
    ];
    for Change { charge, key, before, after } in changes.iter().take(limits::RECOUNT_LINES) {
        let usd = |cost: crate::model::NanoUsd| charge.map_or_else(|| "-".to_owned(), |_| cost.to_string());
        rows.push([
            charge.map_or("traffic", |charge| charge.as_str()).to_owned(),
            key.src_zone.to_string(),
            key.dst_zone.to_string(),
            key.port_group.to_string(),
            key.nat_direction.as_str().to_owned(),
            before.0.to_string(),
            after.0.to_string(),
            usd(before.1),
            usd(after.1),
        ]);
    }
    text += &columns(&rows);
    if let Some(more) = changes.len().checked_sub(limits::RECOUNT_LINES).filter(|more| *more > 0) {
        let _ = writeln!(text, "and {more} more");
    }
    text
}

fn hours(job: &Job) -> usize {
    let Range { start, end } = &job.wish.hours;
    usize::try_from(end.0 - start.0).unwrap_or(0)
}

/// What a recount would read, and what stands against it.
fn write_dry(text: &mut String, job: &Job, done: &Done, kept_from: Option<Timestamp>) {
    let Range { start, end } = &job.wish.hours;
    if let Some(kept_from) = kept_from {
        let _ = writeln!(
            text,
            "hours before {kept_from} are only in the totals (state.keep) and cannot be recounted: use --from {kept_from}"
        );
    }
    let _ = writeln!(text, "would recount {} to {}: {} hours", start.start(), end.start(), hours(job));
    for (source, (objects, bytes)) in &done.by_source {
        let (source, size) = (plain(source), bytesize::ByteSize(*bytes));
        let _ = writeln!(text, "  source {source}: {objects} objects to read, {size}");
    }
    let (objects, size) = (done.objects, bytesize::ByteSize(done.bytes));
    let _ = writeln!(text, "  in all {objects} objects, each a request or more, {size}");
    if !done.problems.is_empty() {
        let left = done.problems.skipped.len();
        let _ = writeln!(
            text,
            "{}so it would be refused; with --skip-hours {left} hours stay as they are",
            done.problems
        );
    }
    let _ = writeln!(text, "no object was opened, and nothing was changed");
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::{
        accumulate::DigestLimits,
        ledger::{RecountPrices, RecountWish},
        model::Hour,
        recount::Problems,
    };

    /// Four hours from 2025-12-09T10:00:00Z on.
    fn job() -> Job {
        let first = Hour::of(Timestamp(1_765_274_400));
        Job {
            state: "flowcost.db".into(),
            wish: RecountWish {
                hours: first..Hour(first.0 + 4),
                prices: RecountPrices::Then,
                classifier: String::new(),
                lookback: Duration::from_secs(48 * 3600),
                sources: Vec::new(),
                series_limit: 10,
            },
            skip_hours: true,
            dry_run: false,
            object_bytes: 1,
            digest: DigestLimits { decompressed_bytes: 1, bad_rows: 0 },
        }
    }

    fn done(changes: Option<Vec<Change>>, left: i64) -> Done {
        let mut problems = Problems::default();
        if left > 0 {
            let first = job().wish.hours.start;
            problems.add("s3://b/k was replaced".to_owned(), first..Hour(first.0 + left), "replaced");
        }
        let by_source = BTreeMap::from([("one".into(), (2, 2048)), ("two".into(), (0, 0))]);
        Done { objects: 2, bytes: 2048, by_source, changes, problems }
    }

    #[test]
    fn what_was_recounted_is_said_and_what_was_not() {
        let said = |left| of(&job(), &done(Some(Vec::new()), left), None);
        let all = "recounted 2025-12-09T10:00:00Z to 2025-12-09T14:00:00Z: 4 hours\nevery label set";
        assert!(said(0).starts_with(all), "{}", said(0));
        assert!(
            said(1).contains("to 2025-12-09T14:00:00Z: 3 of 4 hours, 1 stay as they were\n"),
            "{}",
            said(1)
        );
        let none = said(4);
        assert!(none.contains("s3://b/k was replaced\n"), "{none}");
        assert!(none.ends_with("\nnothing was recounted: all 4 hours stay as they were\n"), "{none}");
        assert!(!none.contains("recounted 2025"), "{none}");
    }

    #[test]
    fn a_dry_run_says_the_range_the_sources_and_what_stands_against_it() {
        let kept = Timestamp(1_765_274_400);
        let said = of(&job(), &done(None, 2), Some(kept));
        for line in [
            "hours before 2025-12-09T10:00:00Z are only in the totals (state.keep) and cannot be recounted",
            "would recount 2025-12-09T10:00:00Z to 2025-12-09T14:00:00Z: 4 hours\n",
            "  source one: 2 objects to read, 2.0 KiB\n",
            "  source two: 0 objects to read, 0 B\n",
            "s3://b/k was replaced\nso it would be refused; with --skip-hours 2 hours stay as they are\n",
            "\nno object was opened, and nothing was changed\n",
        ] {
            assert!(said.contains(line), "no {line:?} in {said}");
        }
        assert!(!of(&job(), &done(None, 0), None).contains("refused"));
    }
}
