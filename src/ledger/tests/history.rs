//! The hours series by series: with what was before, they are the totals.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::event::ScanKind;

fn value(measure: Measure, sums: &Sums, series: &HistorySeries) -> u64 {
    let traffic = sums.traffic.get(&series.key).copied().unwrap_or_default();
    let charge = series.charge.and_then(|charge| sums.charges.get(&(charge, series.key.clone())));
    let charge = charge.copied().unwrap_or_default();
    match measure {
        Measure::Bytes => traffic.bytes,
        Measure::Packets => traffic.packets,
        Measure::Flows => traffic.flows,
        Measure::InterAzBytes => traffic.inter_az_bytes,
        Measure::ChargedBytes => charge.bytes,
        Measure::UnpricedBytes => charge.unpriced,
        Measure::Cost => charge.cost.0,
    }
}

/// Everything that the range must hold, told from its rows one by one.
fn check(reader: &LedgerReader, hours: std::ops::Range<Hour>) {
    let totals = reader.totals().unwrap();
    for measure in Measure::ALL {
        let row = |row: HourRow<'_>| (row.hour, row.charge, row.series.key.clone());
        let rows = reader.sums(measure.table(), .., row).unwrap();
        let all = reader.history_series(measure.table(), &hours).unwrap();
        assert!(all.is_sorted_by(|a, b| (a.charge, &a.key) < (b.charge, &b.key)));
        for one in &all {
            let of = |from: Hour, to: Hour| -> u64 {
                let of = |(hour, charge, key): &(Hour, Option<Charge>, FlowKey)| {
                    (from..to).contains(hour) && *charge == one.charge && *key == one.key
                };
                rows.iter().filter(|(row, _)| of(row)).map(|(_, sum)| sum.amounts.of(measure)).sum()
            };
            let added = reader.hours_of(measure, one).unwrap();
            let expected: Vec<u64> =
                (one.begins.0..hours.end.0).map(|hour| of(Hour(hour), Hour(hour + 1))).collect();
            assert_eq!(added, expected);
            let later = of(hours.end, Hour(i64::MAX));
            let end = one.before(measure) + i128::from(added.iter().sum::<u64>() + later);
            assert_eq!(end, i128::from(value(measure, &totals, one)), "{measure:?}");
            assert!(one.begins >= hours.start && one.begins < hours.end);
            if one.begins > hours.start {
                assert_eq!(
                    (one.before(measure), of(Hour(i64::MIN), one.begins)),
                    (0, 0),
                    "it begins with its first row"
                );
            }
        }
        let there = rows.keys().filter(|(hour, ..)| *hour < hours.end);
        let there: BTreeSet<_> = there.map(|(_, charge, key)| (*charge, key)).collect();
        assert!(there.is_subset(&all.iter().map(|one| (one.charge, &one.key)).collect()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_hours_of_a_range_and_what_was_before_are_the_totals(
        rows in prop::collection::vec((0_i64..400, 0_u8..4, 0_u64..1 << 40), 1..40),
        fold in 0_i64..100,
        range in (0_i64..420, 1_i64..420),
    ) {
        let place = Place::new();
        let mut ledger = place.open();
        let batch: Vec<Settled> = rows.iter().enumerate().map(|(number, (hour, zone, bytes))| {
            let delta = delta(*hour, &format!("z{zone}"), *bytes);
            settled(*hour, &format!("o{number}"), Settlement::Counted(delta))
        }).collect();
        ledger.commit(&batch, NOW).unwrap();
        ledger.fold(Hour(HOUR.0 + fold)).unwrap();
        let now = Hour(HOUR.0 + 500).start();
        ledger.finish_scan("ops", now, ScanKind::Full).unwrap();
        let reader = Ledger::open_read_only(&place.path()).unwrap();
        let start = Hour(HOUR.0 + range.0);
        check(&reader, start..Hour(start.0 + range.1));
        let closed = reader.closed_hours(&options().sources, now).unwrap().unwrap();
        let first = rows.iter().map(|(hour, ..)| Hour(HOUR.0 + hour)).filter(|hour| hour.0 >= HOUR.0 + fold).min();
        let end = Hour(HOUR.0 + 499);
        prop_assert_eq!(closed, first.unwrap_or(end)..end);
    }
}

#[test]
fn a_series_begins_with_its_first_row_or_with_the_range_if_it_was_there_before() {
    let place = Place::new();
    let mut ledger = place.open();
    let row = |hour, zone: &str| settled(hour, zone, Settlement::Counted(delta(hour, zone, 10)));
    ledger.commit(&[row(1, "folded"), row(5, "early"), row(12, "inside"), row(20, "later")], NOW).unwrap();
    ledger.fold(Hour(HOUR.0 + 2)).unwrap();
    let reader = Ledger::open_read_only(&place.path()).unwrap();
    let range = Hour(HOUR.0 + 10)..Hour(HOUR.0 + 15);
    for measure in Measure::ALL {
        let found = reader.history_series(measure.table(), &range).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|one| (&*one.key.src_zone, one.begins.0 - HOUR.0, one.before(measure) > 0))
            .collect();
        assert_eq!(found, [("early", 10, true), ("folded", 10, true), ("inside", 12, false)], "{measure:?}");
    }
}

#[test]
fn a_charge_that_came_to_nothing_is_there_from_its_first_row() {
    let place = Place::new();
    let mut ledger = place.open();
    let row = |hour| settled(hour, "none", Settlement::Counted(delta(hour, "none", 0)));
    ledger.commit(&[row(5), row(12)], NOW).unwrap();
    let reader = Ledger::open_read_only(&place.path()).unwrap();
    for (from, begins) in [(4, 5), (10, 10)] {
        let range = Hour(HOUR.0 + from)..Hour(HOUR.0 + 15);
        let found = reader.history_series(Table::Charges, &range).unwrap();
        assert_eq!(found.iter().map(|one| one.begins.0 - HOUR.0).collect::<Vec<_>>(), [begins]);
        assert!(Measure::ALL.iter().all(|measure| found[0].before(*measure) == 0));
    }
}

#[test]
fn the_least_of_the_sources_and_the_clock_say_which_hours_are_closed() {
    let place = Place::new();
    let (one, two) = (("one", "s3://one/"), ("two", "s3://two/"));
    let (mut ledger, _) = open(&place.path(), &with_sources(&[one, two]));
    let later = |hours: i64| Timestamp(NOW.0 + hours * 3600);
    let closed = |sources: &[(&str, &str)], now| {
        let reader = Ledger::open_read_only(&place.path()).unwrap();
        let hours = reader.closed_hours(&with_sources(sources).sources, now).unwrap();
        hours.map(|hours| hours.end.0 - HOUR.0)
    };
    assert_eq!(closed(&[one, two], later(9)), None);
    ledger.finish_scan("one", later(3), ScanKind::Full).unwrap();
    assert_eq!(closed(&[one, two], later(9)), None);
    assert_eq!(closed(&[one], later(9)), None, "until all of them are read there is a hole");
    ledger.finish_scan("two", later(5), ScanKind::Full).unwrap();
    assert_eq!(closed(&[one, two], later(9)), Some(2), "half an hour after its end");
    assert_eq!(closed(&[two], later(9)), Some(4));
    assert_eq!(closed(&[("renamed", "s3://two/")], later(9)), Some(4));
    assert_eq!(closed(&[one, two], later(1)), Some(0), "a clock that was set back");
    assert_eq!(closed(&[two, ("new", "s3://new/")], later(9)), None);
    assert_eq!(
        closed(&[two, ("new", "s3://two/")], later(9)),
        None,
        "one that shares a url is another source"
    );
}
