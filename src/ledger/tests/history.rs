//! The hours series by series: with what was before, they are the totals.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::event::ScanKind;

const LOOKBACK: Duration = Duration::from_secs(48 * 3600);

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
        let closed = reader.closed_hours(&options().sources, LOOKBACK, now).unwrap().unwrap().hours;
        let first = rows.iter().map(|(hour, ..)| Hour(HOUR.0 + hour)).filter(|hour| hour.0 >= HOUR.0 + fold).min();
        // Nothing was heard for so long that the source has ended.
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

/// Two sources, and which hours are closed: end, counted from the first hour, and who has not settled them.
struct Two {
    place: Place,
    ledger: Ledger,
}

const ONE: (&str, &str) = ("one", "s3://one/");
const TWO: (&str, &str) = ("two", "s3://two/");

impl Two {
    fn new() -> Self {
        let place = Place::new();
        let (ledger, _) = open(&place.path(), &with_sources(&[ONE, TWO]));
        let mut two = Self { place, ledger };
        two.hear("one", 1);
        two.hear("two", 1);
        two
    }

    /// A record of a source that ends at the beginning of an hour.
    fn hear(&mut self, source: &str, hour: i64) {
        let heard = later(hour);
        let mut delta = delta(hour - 1, "a", 1);
        delta.newest_record = Some(heard);
        let mut one = settled(hour - 1, &format!("{source}-{hour}"), Settlement::Counted(delta));
        one.candidate.source = source.into();
        self.ledger.commit(&[one], heard).unwrap();
    }

    fn scan(&mut self, source: &str, hour: i64) {
        self.ledger.finish_scan(source, later(hour), ScanKind::Full).unwrap();
    }

    fn closed(&self, sources: &[(&str, &str)], now: Timestamp) -> Option<(i64, Vec<Arc<str>>)> {
        let reader = Ledger::open_read_only(&self.place.path()).unwrap();
        let closed = reader.closed_hours(&with_sources(sources).sources, LOOKBACK, now).unwrap()?;
        Some((closed.hours.end.0 - HOUR.0, closed.unsettled(closed.hours.end)))
    }
}

fn later(hours: i64) -> Timestamp {
    Timestamp(HOUR.start().0 + hours * 3600)
}

#[test]
fn an_hour_is_closed_when_every_source_has_settled_it() {
    let mut two = Two::new();
    assert_eq!(two.closed(&[ONE, TWO], later(9)), None);
    two.hear("one", 8);
    two.scan("one", 3);
    assert_eq!(two.closed(&[ONE, TWO], later(9)), None);
    assert_eq!(two.closed(&[ONE], later(9)), None, "until all of them are read there is a hole");
    two.hear("two", 8);
    two.scan("two", 5);
    let all = |end| Some((end, vec![]));
    assert_eq!(two.closed(&[ONE, TWO], later(9)), all(2), "half an hour after its end");
    assert_eq!(two.closed(&[TWO], later(9)), all(4));
    assert_eq!(two.closed(&[("renamed", "s3://two/")], later(9)), all(4));
    two.scan("one", 9);
    two.scan("two", 9);
    assert_eq!(two.closed(&[ONE, TWO], later(9)), all(8), "as far as was heard of them");
    two.hear("one", 10);
    two.scan("one", 12);
    two.scan("two", 12);
    assert_eq!(two.closed(&[ONE, TWO], later(12)), all(8), "one of them is not enough");
    assert_eq!(two.closed(&[ONE], later(12)), all(10));
    assert_eq!(two.closed(&[ONE, TWO], later(8)), all(7), "a clock that was set back");
}

#[test]
fn an_hour_that_is_older_than_the_lookback_is_closed_without_those_that_have_not_settled_it() {
    let mut two = Two::new();
    two.hear("one", 8);
    two.hear("two", 100);
    two.scan("one", 100);
    two.scan("two", 100);
    let without_one = |end| Some((end, vec!["one".into()]));
    assert_eq!(two.closed(&[ONE, TWO], later(100)), without_one(100 - 48));
    assert_eq!(two.closed(&[TWO], later(100)), Some((99, vec![])));
    // While the exporter is down, no hour is closed by the clock.
    assert_eq!(two.closed(&[ONE, TWO], later(300)), without_one(100 - 48));
    // A source that was never read is in the baseline until it is.
    let new = ("new", "s3://new/");
    let without_new = Some((100 - 48, vec!["new".into()]));
    assert_eq!(two.closed(&[TWO, new], later(100)), without_new);
    let shared = ("new", "s3://two/");
    assert_eq!(
        two.closed(&[TWO, shared], later(100)),
        without_new,
        "one that shares a url is another source"
    );
    // Silent for 14 days it has ended, and holds nothing back.
    let silent = 8 + 14 * 24 + 1;
    two.hear("two", silent);
    two.scan("one", silent);
    two.scan("two", silent);
    assert_eq!(two.closed(&[ONE, TWO], later(silent)), Some((silent - 1, vec![])));
}
