//! The arithmetic of a month, over snapshots made by hand. `tests/months.rs` plays months through the ledger.

use time::{UtcDateTime, macros::utc_datetime};

use super::*;
use crate::{
    model::{HourlyCost, NanoUsd, SourceProgress},
    pricing::{NanoGb, Tier},
};

const DOLLAR: u64 = NanoUsd::PER_USD;
const GB: u64 = 1 << 30;
const REGION: &str = "us-east-1";

fn at(moment: UtcDateTime) -> Timestamp {
    Timestamp(moment.unix_timestamp())
}

fn hour(moment: UtcDateTime) -> Hour {
    Hour::of(at(moment))
}

/// A gigabyte of a zone crossing costs a dollar.
fn book() -> PriceBook {
    PriceBook { overrides: [(Charge::InterAz, NanoUsd(DOLLAR))].into(), ..PriceBook::default() }
}

/// So many gigabytes between zones in each hour of the range.
fn flat(from: Hour, to: Hour, gigabytes: u64) -> HourlyCost {
    let mut cost = HourlyCost::default();
    let (region, dollars) = (REGION.into(), NanoUsd(gigabytes * DOLLAR));
    (from.0..to.0).for_each(|hour| cost.add(Hour(hour), Charge::InterAz, &region, gigabytes * GB, dollars));
    cost
}

/// A state whose sources began together, each with what it was billed; all are scanned and heard at `now`.
fn state(sources: &[(&str, HourlyCost)], first: Hour, now: Timestamp) -> Snapshot {
    let begin = Some(first.start());
    let progress = SourceProgress {
        begin,
        first_hour: Some(first),
        newest_record: Some(now),
        last_full_scan: Some(now),
        quarantined: 0,
    };
    Snapshot {
        first_hour: Some(first),
        begin,
        sources: sources.iter().map(|(name, _)| ((*name).into(), progress)).collect(),
        by_source: sources
            .iter()
            .map(|(name, cost)| {
                ((*name).into(), SourceSums { hourly_cost: cost.clone(), ..SourceSums::default() })
            })
            .collect(),
        ..Snapshot::default()
    }
}

/// To date, projected and coverage of one source that is billed for crossings only.
fn one(cost: &HourlyCost, first: Hour, now: UtcDateTime) -> (f64, f64, f64) {
    let figures = figures(&state(&[("ops", cost.clone())], first, at(now)), &book(), at(now));
    let of = figures.sources["ops"];
    let index = Charge::InterAz as usize;
    assert_eq!(
        (of.to_date, of.projected, of.coverage),
        (figures.to_date[index], figures.projected[index], Some(figures.coverage)),
        "one source is all there is"
    );
    assert_eq!(figures.to_date.iter().sum::<f64>(), of.to_date, "the other charges cost nothing");
    assert_eq!(figures.projected.iter().sum::<f64>(), of.projected, "the other charges cost nothing");
    (of.to_date, of.projected, figures.coverage)
}

#[test]
fn an_hour_counts_from_half_an_hour_after_its_end() {
    let start = hour(utc_datetime!(2025-12-09 10:00));
    let cost = flat(start, Hour(start.0 + 1), 1);
    let before = one(&cost, start, utc_datetime!(2025-12-09 11:29:59));
    assert_eq!(before, (0.0, 0.0, 0.0), "not settled: nothing to date, no mean");
    let after = one(&cost, start, utc_datetime!(2025-12-09 11:30:00));
    let due = 8 * 24 + 11;
    assert_eq!(after, (1.0, 1.0 + f64::from(31 * 24 - 1), 1.0 / f64::from(due)));
}

#[test]
fn an_hour_counts_when_a_scan_and_a_record_are_past_it() {
    let start = hour(utc_datetime!(2025-12-01 00:00));
    let now = utc_datetime!(2025-12-09 12:00);
    let cost = flat(start, hour(now), 1);
    let settled = |change: fn(&mut SourceProgress)| {
        let mut state = state(&[("ops", cost.clone())], start, at(now));
        state.sources.values_mut().for_each(change);
        figures(&state, &book(), at(now)).to_date[Charge::InterAz as usize] - f64::from(8 * 24)
    };
    assert_eq!(settled(|_| {}), 11.0);
    let ten = |minutes: i64| Timestamp(at(utc_datetime!(2025-12-09 10:00)).0 + minutes * 60);
    assert_eq!(ten(0), Timestamp(1_765_274_400));
    assert_eq!(
        settled(|source| source.newest_record = Some(Timestamp(1_765_274_400))),
        10.0,
        "ends with the hour"
    );
    assert_eq!(settled(|source| source.newest_record = Some(Timestamp(1_765_274_399))), 9.0);
    assert_eq!(settled(|source| source.last_full_scan = Some(Timestamp(1_765_274_400 + 1_800))), 10.0);
    assert_eq!(settled(|source| source.last_full_scan = Some(Timestamp(1_765_274_400 + 1_799))), 9.0);
    assert_eq!(settled(|source| source.last_full_scan = None), f64::from(-8 * 24));
    assert_eq!(settled(|source| source.newest_record = None), f64::from(-8 * 24));
}

#[test]
fn a_month_that_just_began_projects_from_the_days_before_it() {
    let began = hour(utc_datetime!(2025-11-01 00:00));
    let cost = flat(began, hour(utc_datetime!(2025-12-01 00:00)), 2);
    // 23:00 of the last day settles at 00:30.
    let last = one(&cost, began, utc_datetime!(2025-11-30 23:59:59));
    assert_eq!(last, (2.0 * 719.0, 2.0 * 720.0, 1.0), "its last hour is still open");
    let turned = one(&cost, began, utc_datetime!(2025-12-01 00:00:00));
    assert_eq!(turned, (0.0, 2.0 * 744.0, 0.0), "nothing settled in December, mean from November");
    let later = one(&cost, began, utc_datetime!(2025-12-01 01:30:00));
    assert_eq!((later.0, later.2), (0.0, 1.0));
    assert!((later.1 - 2.0 * 167.0 / 168.0 * 743.0).abs() < 1e-8, "a quiet settled hour lowers the mean");
}

#[test]
fn a_year_ends_too() {
    let start = hour(utc_datetime!(2025-12-31 00:00));
    let cost = flat(start, Hour(start.0 + 48), 1);
    assert_eq!(one(&cost, start, utc_datetime!(2026-01-01 10:30)), (10.0, 744.0, 1.0));
}

#[test]
fn february_of_a_leap_year_has_29_days() {
    let start = hour(utc_datetime!(2028-02-01 00:00));
    let cost = flat(start, hour(utc_datetime!(2028-03-02 00:00)), 1);
    let february = one(&cost, start, utc_datetime!(2028-02-29 12:30));
    assert_eq!(february, (f64::from(28 * 24 + 12), f64::from(29 * 24), 1.0));
    assert_eq!(one(&cost, start, utc_datetime!(2028-03-01 01:30)), (1.0, 744.0, 1.0));
    let plain = hour(utc_datetime!(2027-02-01 00:00));
    let cost = flat(plain, hour(utc_datetime!(2027-03-01 00:00)), 1);
    assert_eq!(one(&cost, plain, utc_datetime!(2027-02-28 12:30)).1, f64::from(28 * 24));
}

#[test]
fn hours_before_the_state_are_projected_and_hours_before_a_later_source_are_not() {
    // The state began on the 20th; ten hours are settled, at two dollars each.
    let began = hour(utc_datetime!(2025-12-20 00:00));
    let now = utc_datetime!(2025-12-20 10:30);
    let cost = flat(began, Hour(began.0 + 10), 2);
    let (to_date, projected, coverage) = one(&cost, began, now);
    assert_eq!((to_date, projected), (20.0, 20.0 + 2.0 * f64::from(31 * 24 - 10)));
    assert_eq!(coverage, 10.0 / f64::from(19 * 24 + 10));

    let mut later = state(&[("ops", cost)], began, at(now));
    later.begin = Some(hour(utc_datetime!(2025-11-03 00:00)).start());
    later.first_hour = Some(hour(utc_datetime!(2025-11-03 00:00)));
    let figures = figures(&later, &book(), at(now));
    let of = figures.sources["ops"];
    assert_eq!((of.to_date, of.projected), (20.0, 20.0 + 2.0 * f64::from(12 * 24 - 10)));
    assert_eq!((of.coverage, of.projection_hours), (Some(1.0), 10));
}

/// What was billed before a later source's own hours is money all the same: a daily partition began before it.
#[test]
fn what_a_source_was_billed_before_it_began_is_part_of_the_month() {
    let now = utc_datetime!(2025-12-20 10:30);
    let first = hour(utc_datetime!(2025-12-20 00:00));
    let mut state = state(&[("ops", flat(Hour(first.0 - 5), Hour(first.0 + 10), 1))], first, at(now));
    state.begin = Some(Timestamp(0));
    let of = figures(&state, &book(), at(now)).sources["ops"];
    assert_eq!((of.to_date, of.projected), (15.0, 15.0 + f64::from(12 * 24 - 10)));
}

#[test]
fn what_is_to_come_has_the_prices_in_force() {
    let began = hour(utc_datetime!(2025-12-01 00:00));
    let now = utc_datetime!(2025-12-11 00:30);
    let state = state(&[("ops", flat(began, hour(now), 1))], began, at(now));
    let projected = |book: &PriceBook| figures(&state, book, at(now)).projected[Charge::InterAz as usize];
    assert_eq!(projected(&book()), 744.0);
    let tenth = PriceBook { overrides: [(Charge::InterAz, NanoUsd(DOLLAR / 10))].into(), ..book() };
    assert_eq!(projected(&tenth), 240.0 + 50.4);
    let free = PriceBook { overrides: [(Charge::InterAz, NanoUsd(0))].into(), ..book() };
    assert_eq!(projected(&free), 240.0);
    let of_region = PriceBook {
        regions: [(REGION.into(), [(Charge::InterAz, NanoUsd(2 * DOLLAR))].into())].into(),
        ..book()
    };
    assert_eq!(projected(&of_region), 240.0 + 1_008.0, "the more specific override wins");
    assert_eq!(projected(&PriceBook::default()), 240.0 + 5.04, "the built-in price");
}

#[test]
fn a_charge_without_a_price_is_expected_at_nothing_and_an_unknown_region_at_what_it_was() {
    let began = hour(utc_datetime!(2025-12-01 00:00));
    let now = utc_datetime!(2025-12-11 00:30);
    let mut cost = HourlyCost::default();
    for hour in began.0..hour(now).0 {
        cost.add(Hour(hour), Charge::VpnEgress, &REGION.into(), GB, NanoUsd(DOLLAR));
        cost.add(Hour(hour), Charge::InterRegion, &UNKNOWN_REGION.into(), GB, NanoUsd(DOLLAR));
        cost.add(Hour(hour), Charge::NatHop, &OVERFLOW_LABEL.into(), GB, NanoUsd(DOLLAR));
    }
    let figures = figures(&state(&[("ops", cost)], began, at(now)), &book(), at(now));
    assert_eq!(figures.projected[Charge::VpnEgress as usize], 240.0);
    assert_eq!(figures.projected[Charge::InterRegion as usize], 744.0);
    assert_eq!(figures.projected[Charge::NatHop as usize], 744.0);
}

#[test]
fn an_empty_state_and_one_that_begins_in_the_future_show_zeros() {
    let now = utc_datetime!(2025-12-15 12:00);
    assert_eq!(figures(&Snapshot::default(), &book(), at(now)), MonthFigures::default());
    let future = hour(utc_datetime!(2025-12-15 13:00));
    let cost = flat(future, Hour(future.0 + 1), 1);
    assert_eq!(one(&cost, future, now), (0.0, 0.0, 0.0));
}

#[test]
fn the_division_comes_last_so_that_thirds_do_not_drift() {
    // One byte and one nano-dollar in three hours: a mean rounded first would be 0.
    let began = hour(utc_datetime!(2025-12-01 00:00));
    let mut cost = HourlyCost::default();
    cost.add(began, Charge::InterAz, &REGION.into(), 1, NanoUsd(1));
    assert_eq!(one(&cost, began, utc_datetime!(2025-12-01 03:30)).1, 231e-9, "1 + 247 x 10^9 / 2^30");
}

#[test]
fn sums_beyond_64_bits_do_not_wrap() {
    let began = hour(utc_datetime!(2025-12-01 00:00));
    let mut cost = HourlyCost::default();
    (0..100).for_each(|hour| {
        cost.add(Hour(began.0 + hour), Charge::InterAz, &REGION.into(), u64::MAX, NanoUsd(u64::MAX));
    });
    let dear = PriceBook {
        overrides: [(Charge::InterAz, NanoUsd(limits::PRICE_USD * DOLLAR))].into(),
        ..PriceBook::default()
    };
    let now = at(utc_datetime!(2025-12-05 04:30));
    let figures = figures(&state(&[("ops", cost)], began, now), &dear, now);
    let (to_date, projected) = (figures.to_date[0], figures.projected[0]);
    assert!((to_date / (100.0 * 18_446_744_073.709_55) - 1.0).abs() < 1e-12);
    #[allow(clippy::cast_precision_loss, reason = "a few whole dollars")]
    let rest = 644.0 * 17_179_869_184.0 * limits::PRICE_USD as f64;
    assert!((projected / (to_date + rest) - 1.0).abs() < 1e-12, "{projected}");
}

#[test]
fn a_clock_outside_the_calendar_shows_zeros() {
    let state = state(&[("ops", flat(Hour(0), Hour(9), 1))], Hour(0), Timestamp(i64::MAX));
    assert_eq!(figures(&state, &book(), Timestamp(i64::MAX)), MonthFigures::default());
}

#[test]
fn a_clock_that_was_set_back_settles_no_hour_that_has_not_ended() {
    let began = hour(utc_datetime!(2025-12-01 00:00));
    let cost = flat(began, hour(utc_datetime!(2025-12-09 12:00)), 1);
    let state = state(&[("ops", cost)], began, at(utc_datetime!(2025-12-09 12:00)));
    let now = at(utc_datetime!(2025-12-05 00:30));
    let figures = figures(&state, &book(), now);
    assert_eq!((figures.to_date[0], figures.projected[0], figures.coverage), (96.0, 744.0, 1.0));
}

#[test]
fn the_projection_is_as_old_as_the_youngest_source_that_matters() {
    let now = utc_datetime!(2025-12-20 00:30);
    let (old, young) = (hour(utc_datetime!(2025-11-01 00:00)), hour(utc_datetime!(2025-12-19 12:00)));
    let hours = |gigabytes: u64| {
        let mut state = state(
            &[("old", flat(old, hour(now), 100)), ("young", flat(young, hour(now), gigabytes))],
            old,
            at(now),
        );
        let source = state.sources.get_mut("young").unwrap();
        (source.begin, source.first_hour) = (Some(young.start()), Some(young));
        let figures = figures(&state, &book(), at(now));
        let of = |name: &str| figures.sources[name].projection_hours;
        assert_eq!((of("old"), of("young")), (168, 12));
        figures.projection_hours
    };
    // Of the month the young one has 300 hours, the old one 744.
    assert_eq!(hours(14), 12, "5.3 %");
    assert_eq!(hours(13), 168, "4.98 %");
    assert_eq!(hours(0), 168);
}

#[test]
fn while_nothing_costs_anything_the_youngest_source_says_how_old_the_projection_is() {
    let began = hour(utc_datetime!(2025-12-01 00:00));
    let now = at(utc_datetime!(2025-12-03 00:30));
    let state = state(&[("ops", HourlyCost::default())], began, now);
    assert_eq!(figures(&state, &book(), now).projection_hours, 48);
}

fn egress(book: &PriceBook, regions: &[(&str, u64)]) -> f64 {
    let billed = |gigabytes: u64| Billed {
        bytes: u128::from(gigabytes * GB),
        // What the counters say: 0.09 each.
        nano_usd: u128::from(gigabytes * 90_000_000),
    };
    let regions = regions.iter().map(|(region, gigabytes)| ((*region).into(), billed(*gigabytes)));
    let cost = tiers::cost(book, Charge::InternetEgress, &regions.collect());
    (cost * 1e6).round() / 1e6
}

fn gb(gigabytes: u64) -> NanoGb {
    NanoGb(gigabytes * 1_000_000_000)
}

#[test]
fn tiers_free_bytes_and_what_is_moved_elsewhere() {
    let tier = |to: Option<u64>, price| Tier { to: to.map(gb), per_gigabyte: NanoUsd(price) };
    let steps = vec![tier(Some(1_000), 90_000_000), tier(Some(5_000), 80_000_000), tier(None, 50_000_000)];
    let tiers = [(Arc::from(REGION), [(Charge::InternetEgress, steps)].into())].into();
    let book = PriceBook { tiers, ..PriceBook::default() };
    assert_eq!(egress(&book, &[]), 0.0);
    assert_eq!(egress(&book, &[(REGION, 500)]), 45.0);
    assert_eq!(egress(&book, &[(REGION, 1_000)]), 90.0);
    assert_eq!(egress(&book, &[(REGION, 6_000)]), 90.0 + 320.0 + 50.0);
    assert_eq!(
        egress(&book, &[("eu-west-1", 6_000)]),
        540.0,
        "a region without tiers keeps what it was billed"
    );

    let free = PriceBook { free: gb(100), ..book.clone() };
    assert_eq!(egress(&free, &[(REGION, 60)]), 0.0);
    assert_eq!(egress(&free, &[(REGION, 600)]), 45.0);
    assert_eq!(egress(&free, &[(REGION, 1_100)]), 90.0, "tiers begin behind the free bytes");
    assert_eq!(
        egress(&free, &[(REGION, 150), ("eu-west-1", 50)]),
        6.75 + 2.25,
        "regions share them by their bytes"
    );

    let elsewhere = PriceBook { elsewhere: gb(700), ..book.clone() };
    assert_eq!(egress(&elsewhere, &[(REGION, 600)]), 27.0 + 24.0);
    let both = PriceBook { free: gb(100), elsewhere: gb(40), ..book.clone() };
    assert_eq!(egress(&both, &[(REGION, 160)]), 9.0, "40 of the free bytes are used up elsewhere");
    let both = PriceBook { free: gb(100), elsewhere: gb(1_050), ..book };
    assert_eq!(egress(&both, &[(REGION, 100)]), 4.5 + 4.0, "50 are left of the first tier");
}

/// Tiers are of the payer's month, not of one of its sources.
#[test]
fn sources_stay_at_list_price_and_the_total_has_tiers() {
    let began = hour(utc_datetime!(2025-12-01 00:00));
    let now = utc_datetime!(2025-12-11 00:30);
    let steps = vec![
        Tier { to: Some(gb(240)), per_gigabyte: NanoUsd(DOLLAR) },
        Tier { to: None, per_gigabyte: NanoUsd(DOLLAR / 2) },
    ];
    let tiers = [(Arc::from(REGION), [(Charge::InterAz, steps)].into())].into();
    let book = PriceBook { tiers, ..book() };
    let sources = [("a", flat(began, hour(now), 1)), ("b", flat(began, hour(now), 1))];
    let figures = figures(&state(&sources, began, at(now)), &book, at(now));
    assert_eq!((figures.sources["a"].to_date, figures.sources["b"].projected), (240.0, 744.0));
    assert_eq!(figures.to_date[Charge::InterAz as usize], 240.0 + 120.0);
    assert_eq!(figures.projected[Charge::InterAz as usize], 240.0 + (1_488.0 - 240.0) / 2.0);
}
