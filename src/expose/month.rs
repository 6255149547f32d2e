//! Month to date, projection and coverage: pure functions of the hourly cost and the clock.
//!
//! Refuses to know labels and formats. Invariant: money stays an integer until the one conversion at the end.

use std::collections::BTreeMap;

use time::Month as CalendarMonth;

use crate::{
    limits,
    model::{Charge, Hour, NanoUsd, Timestamp},
};

/// Settled hours whose mean carries the projection: seven days, so that every weekday counts once.
const MEAN_HOURS: i64 = 7 * 24;

/// Cost by hour, in the order of [`Charge::ALL`].
pub type HourlyCost = BTreeMap<Hour, [NanoUsd; Charge::ALL.len()]>;

/// What the month gauges show.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MonthFigures {
    /// Cost of the settled hours of the month, in USD, in the order of [`Charge::ALL`].
    pub to_date: [f64; Charge::ALL.len()],
    /// Cost expected for the whole month, in USD, in the order of [`Charge::ALL`].
    pub projected: [f64; Charge::ALL.len()],
    /// Covered hours by settled hours of the month; 0 while it has no settled hour.
    pub coverage: f64,
}

/// The figures of the calendar month (UTC) that `now` is in.
///
/// An hour is settled [`limits::HOUR_SETTLES_AFTER`] after its end, and covered if it is settled and not older than
/// `first_hour`. Hours without a row cost nothing: quiet hours and hours that were never read look the same here.
pub fn figures(cost: &HourlyCost, first_hour: Option<Hour>, now: Timestamp) -> MonthFigures {
    let Some((start, end)) = month_of(now) else {
        return MonthFigures::default();
    };
    // The first hour that is not settled: hour h is settled when its end plus the delay is not after now.
    let open = Hour::of(now.minus(limits::HOUR_SETTLES_AFTER));
    let settled = hours(start, open);
    let (covered, mean_from) = match first_hour {
        Some(first) => (hours(start.max(first), open), first.max(Hour(open.0 - MEAN_HOURS))),
        None => (0, open),
    };
    let uncovered = u128::from(hours(start, end) - covered);
    let mean_hours = u128::from(hours(mean_from, open));

    let mut figures = MonthFigures::default();
    for index in 0..Charge::ALL.len() {
        let to_date = sum(cost, index, start, open);
        // Half up to a whole nano-dollar, divided last: no mean is ever rounded and then multiplied.
        let rest = sum(cost, index, mean_from, open) * uncovered + mean_hours / 2;
        let rest = rest.checked_div(mean_hours).unwrap_or(0);
        figures.to_date[index] = usd(to_date);
        figures.projected[index] = usd(to_date + rest);
    }
    if settled > 0 {
        figures.coverage = ratio(covered, settled);
    }
    figures
}

/// First hour of the month, and first hour of the next.
fn month_of(now: Timestamp) -> Option<(Hour, Hour)> {
    let today = now.to_utc()?.date();
    let first = today.replace_day(1).ok()?;
    let year = if today.month() == CalendarMonth::December { today.year() + 1 } else { today.year() };
    let next = time::Date::from_calendar_date(year, today.month().next(), 1).ok()?;
    let hour = |date: time::Date| Hour::of(Timestamp(date.midnight().assume_utc().unix_timestamp()));
    Some((hour(first), hour(next)))
}

/// Number of hours from `from` up to and without `to`; 0 when the range is empty.
fn hours(from: Hour, to: Hour) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0)
}

/// Nano-dollars of one charge from `from` up to and without `to`.
fn sum(cost: &HourlyCost, charge: usize, from: Hour, to: Hour) -> u128 {
    if from >= to {
        return 0;
    }
    cost.range(from..to).map(|(_, row)| u128::from(row[charge].0)).sum()
}

#[allow(clippy::cast_precision_loss, reason = "the exposition is floating point by its format")]
fn usd(nanos: u128) -> f64 {
    nanos as f64 / NanoUsd::PER_USD as f64
}

#[allow(clippy::cast_precision_loss, reason = "a month has few hours")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use time::macros::utc_datetime;

    use super::*;

    const DOLLAR: u64 = NanoUsd::PER_USD;

    fn at(moment: time::UtcDateTime) -> Timestamp {
        Timestamp(moment.unix_timestamp())
    }

    fn hour(moment: time::UtcDateTime) -> Hour {
        Hour::of(at(moment))
    }

    /// `nanos` for the first charge in each hour of the range.
    fn flat(from: Hour, to: Hour, nanos: u64) -> HourlyCost {
        (from.0..to.0)
            .map(|hour| {
                let mut row = [NanoUsd(0); Charge::ALL.len()];
                row[0] = NanoUsd(nanos);
                (Hour(hour), row)
            })
            .collect()
    }

    fn first(figures: MonthFigures) -> (f64, f64, f64) {
        assert_eq!(figures.to_date[1..], [0.0; 4], "the other charges cost nothing");
        assert_eq!(figures.projected[1..], [0.0; 4], "the other charges cost nothing");
        (figures.to_date[0], figures.projected[0], figures.coverage)
    }

    #[test]
    fn an_hour_counts_from_half_an_hour_after_its_end() {
        let start = hour(utc_datetime!(2025-12-09 10:00));
        let cost = flat(start, Hour(start.0 + 1), DOLLAR);
        let before = figures(&cost, Some(start), at(utc_datetime!(2025-12-09 11:29:59)));
        assert_eq!(first(before), (0.0, 0.0, 0.0), "not settled: nothing to date, no mean");
        let after = figures(&cost, Some(start), at(utc_datetime!(2025-12-09 11:30:00)));
        let settled = 8 * 24 + 11;
        assert_eq!(first(after), (1.0, 1.0 + f64::from(31 * 24 - 1), 1.0 / f64::from(settled)));
    }

    #[test]
    fn a_month_that_just_began_projects_from_the_days_before_it() {
        let cost =
            flat(hour(utc_datetime!(2025-11-01 00:00)), hour(utc_datetime!(2025-12-01 00:00)), DOLLAR / 2);
        let began = Some(hour(utc_datetime!(2025-11-01 00:00)));
        // 23:00 of the last day settles at 00:30.
        let last = figures(&cost, began, at(utc_datetime!(2025-11-30 23:59:59)));
        assert_eq!(first(last), (0.5 * 719.0, 0.5 * 720.0, 1.0), "its last hour is still open");
        let turned = figures(&cost, began, at(utc_datetime!(2025-12-01 00:00:00)));
        assert_eq!(first(turned), (0.0, 0.5 * 744.0, 0.0), "nothing settled in December, mean from November");
        let later = figures(&cost, began, at(utc_datetime!(2025-12-01 01:30:00)));
        let mean = 0.5 * 167.0 / 168.0;
        assert_eq!(first(later).0, 0.0);
        assert!((first(later).1 - mean * 743.0).abs() < 1e-9, "a quiet settled hour lowers the mean");
        assert_eq!(first(later).2, 1.0);
    }

    #[test]
    fn a_year_ends_too() {
        let start = hour(utc_datetime!(2025-12-31 00:00));
        let cost = flat(start, Hour(start.0 + 48), DOLLAR);
        let (to_date, projected, coverage) =
            first(figures(&cost, Some(start), at(utc_datetime!(2026-01-01 10:30))));
        assert_eq!((to_date, projected, coverage), (10.0, 744.0, 1.0));
    }

    #[test]
    fn february_of_a_leap_year_has_29_days() {
        let start = hour(utc_datetime!(2028-02-01 00:00));
        let cost = flat(start, hour(utc_datetime!(2028-03-02 00:00)), DOLLAR);
        let (to_date, projected, coverage) =
            first(figures(&cost, Some(start), at(utc_datetime!(2028-02-29 12:30))));
        assert_eq!((to_date, projected, coverage), (f64::from(28 * 24 + 12), f64::from(29 * 24), 1.0));
        let march = first(figures(&cost, Some(start), at(utc_datetime!(2028-03-01 01:30))));
        assert_eq!(march, (1.0, 744.0, 1.0));
        let plain = hour(utc_datetime!(2027-02-01 00:00));
        let cost = flat(plain, hour(utc_datetime!(2027-03-01 00:00)), DOLLAR);
        let (_, projected, _) = first(figures(&cost, Some(plain), at(utc_datetime!(2027-02-28 12:30))));
        assert_eq!(projected, f64::from(28 * 24));
    }

    #[test]
    fn a_young_ledger_extends_its_mean_to_the_hours_before_it() {
        // The ledger began on the 20th; ten hours are settled, at two dollars each.
        let began = hour(utc_datetime!(2025-12-20 00:00));
        let cost = flat(began, Hour(began.0 + 10), 2 * DOLLAR);
        let (to_date, projected, coverage) =
            first(figures(&cost, Some(began), at(utc_datetime!(2025-12-20 10:30))));
        assert_eq!(to_date, 20.0);
        assert_eq!(projected, 20.0 + 2.0 * f64::from(31 * 24 - 10));
        assert_eq!(coverage, 10.0 / f64::from(19 * 24 + 10));
    }

    #[test]
    fn hours_that_were_never_read_cost_nothing_and_count_in_the_mean() {
        let began = hour(utc_datetime!(2025-12-01 00:00));
        let mut cost = flat(began, hour(utc_datetime!(2025-12-15 00:00)), DOLLAR);
        // Down for the whole 10th.
        for down in 0..24 {
            cost.remove(&Hour(began.0 + 9 * 24 + down));
        }
        let (to_date, projected, coverage) =
            first(figures(&cost, Some(began), at(utc_datetime!(2025-12-15 00:30))));
        assert_eq!(to_date, f64::from(13 * 24));
        assert_eq!(projected, 661.714_285_714, "312 + 408 x 144 / 168, to the nano-dollar");
        assert_eq!(coverage, 1.0);
    }

    #[test]
    fn no_ledger_and_a_ledger_that_begins_in_the_future_show_zeros() {
        let now = at(utc_datetime!(2025-12-15 12:00));
        assert_eq!(figures(&HourlyCost::new(), None, now), MonthFigures::default());
        let future = hour(utc_datetime!(2025-12-15 13:00));
        let cost = flat(future, Hour(future.0 + 1), DOLLAR);
        assert_eq!(figures(&cost, Some(future), now), MonthFigures::default());
    }

    #[test]
    fn the_division_comes_last_so_that_thirds_do_not_drift() {
        // One nano-dollar in three hours: a mean rounded first would be 0.
        let began = hour(utc_datetime!(2025-12-01 00:00));
        let cost = flat(began, Hour(began.0 + 1), 1);
        let (_, projected, _) = first(figures(&cost, Some(began), at(utc_datetime!(2025-12-01 03:30))));
        assert_eq!(projected, 248e-9, "1 + 741 / 3");
    }

    #[test]
    fn sums_beyond_64_bits_do_not_wrap() {
        let began = hour(utc_datetime!(2025-12-01 00:00));
        let cost = flat(began, Hour(began.0 + 100), u64::MAX);
        let (to_date, projected, _) = first(figures(&cost, Some(began), at(utc_datetime!(2025-12-05 04:30))));
        assert!((to_date / (100.0 * 18_446_744_073.709_55) - 1.0).abs() < 1e-12);
        assert!((projected / (744.0 * 18_446_744_073.709_55) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_clock_outside_the_calendar_shows_zeros() {
        assert_eq!(figures(&HourlyCost::new(), None, Timestamp(i64::MAX)), MonthFigures::default());
    }
}
