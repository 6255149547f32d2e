//! The hours series by series: with what was before, they are the totals.

use proptest::prelude::*;

use super::*;
use crate::event::ScanKind;

const MEASURES: [Measure; 6] = [
    Measure::Bytes,
    Measure::Packets,
    Measure::Flows,
    Measure::InterAzBytes,
    Measure::ChargedBytes,
    Measure::Cost,
];

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
        Measure::Cost => charge.cost.0,
    }
}

/// Everything that the range must hold, told from the hours as they are read one by one.
fn check(reader: &LedgerReader, hours: std::ops::Range<Hour>) {
    let totals = reader.totals().unwrap();
    let mut rows = BTreeMap::new();
    let keep = |hour, sums| {
        rows.insert(hour, sums);
        Ok::<_, OpenError>(())
    };
    reader.for_each_hour(keep).unwrap();
    for measure in MEASURES {
        let all = reader.history_series(measure, &hours).unwrap();
        assert!(all.is_sorted_by(|a, b| (a.charge, &a.key) < (b.charge, &b.key)));
        for one in &all {
            let of = |from: Hour, to: Hour| -> u64 {
                let range = if from < to { rows.range(from..to) } else { rows.range(to..to) };
                range.map(|(_, sums)| value(measure, sums, one)).sum()
            };
            let added = reader.hours_of(measure, one, hours.end).unwrap();
            let expected: Vec<u64> =
                (one.begins.0..hours.end.0).map(|hour| of(Hour(hour), Hour(hour + 1))).collect();
            assert_eq!(added, expected);
            let later = of(hours.end, Hour(i64::MAX));
            let end = one.before + added.iter().sum::<u64>();
            assert_eq!(end + later, value(measure, &totals, one), "{measure:?}");
            assert!(one.begins >= hours.start && one.begins < hours.end);
            if one.begins > hours.start {
                assert_eq!(
                    (one.before, of(Hour(i64::MIN), one.begins)),
                    (0, 0),
                    "it begins with its first row"
                );
            }
        }
        let there = rows.range(..hours.end).map(|(_, sums)| (sums.traffic.len(), sums.charges.len()));
        let charged = matches!(measure, Measure::ChargedBytes | Measure::Cost);
        assert!(there.fold(0, |most, (a, b)| most.max(if charged { b } else { a })) <= all.len());
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
        let reader = Ledger::open_read_only(&place.path()).unwrap();
        let start = Hour(HOUR.0 + range.0);
        check(&reader, start..Hour(start.0 + range.1));
        let first = reader.first_hour().unwrap();
        let expected = rows.iter().map(|(hour, ..)| Hour(HOUR.0 + hour)).filter(|hour| hour.0 >= HOUR.0 + fold).min();
        prop_assert_eq!(first, expected);
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
    for measure in MEASURES {
        let found = reader.history_series(measure, &range).unwrap();
        let found: Vec<_> =
            found.iter().map(|one| (&*one.key.src_zone, one.begins.0 - HOUR.0, one.before > 0)).collect();
        assert_eq!(found, [("early", 10, true), ("folded", 10, true), ("inside", 12, false)], "{measure:?}");
    }
}

#[test]
fn the_least_of_the_sources_says_how_far_all_have_been_read() {
    let place = Place::new();
    let (one, two) = ("s3://one/", "s3://two/");
    let (mut ledger, _) = open(&place.path(), &with_sources(&[("one", one), ("two", two)]));
    let read = |urls: &[&str]| {
        let reader = Ledger::open_read_only(&place.path()).unwrap();
        reader.read_through(urls.iter().copied()).unwrap()
    };
    let unread = ReadThrough { first_scan_complete: false, all: None };
    assert_eq!(read(&[one, two]), unread);
    ledger.finish_scan("one", NOW, ScanKind::Full).unwrap();
    assert_eq!(read(&[one, two]), unread);
    assert_eq!(read(&[one]), ReadThrough { all: Some(NOW), ..unread });
    ledger.finish_scan("two", Timestamp(NOW.0 + 60), ScanKind::Full).unwrap();
    assert_eq!(read(&[one, two]), ReadThrough { first_scan_complete: true, all: Some(NOW) });
    assert_eq!(read(&[two, "s3://new/"]).all, None);
}
