//! Sums are kept by source, and all of them together are the totals.

use super::*;
use crate::{event::ScanKind, model::SourceSums};

const TWO: [(&str, &str); 2] = [("ops", "s3://bucket/"), ("net", "s3://net/")];

/// An object of a source, in a partition of its own.
fn of(source: &str, name: &str, delta: ObjectDelta) -> Settled {
    let place = Partition { prefix: format!("{source}/").into(), ..partition(0) };
    let candidate = Candidate { source: source.into(), ..candidate(&place, name) };
    Settled { candidate, settlement: Settlement::Counted(delta), fetched: 1 }
}

fn bytes_of(ledger: &Ledger) -> Vec<(String, u64)> {
    let snapshot = ledger.snapshot();
    snapshot.by_source.iter().map(|(name, sums)| (name.to_string(), sums.bytes)).collect()
}

#[test]
fn the_sums_of_the_sources_are_the_totals() {
    let place = Place::new();
    let mut ledger = open(&place.path(), &with_sources(&TWO)).0;
    let mut nat = delta(0, "a", 100);
    nat.traffic = std::mem::take(&mut nat.traffic)
        .into_iter()
        .map(|((hour, mut series), counts)| {
            series.key.nat_direction = NatDirection::Out;
            ((hour, series), counts)
        })
        .collect();
    let batch = [of("ops", "x", delta(0, "a", 7)), of("net", "y", delta(1, "a", 5)), of("net", "z", nat)];
    ledger.commit(&batch, NOW).unwrap();
    for _ in 0..2 {
        let snapshot = ledger.snapshot();
        assert_eq!(
            bytes_of(&ledger),
            [("net".into(), 5), ("ops".into(), 7)],
            "without the leg of the NAT gateway"
        );
        let SourceSums { cost, hourly_cost, .. } = &snapshot.by_source["net"];
        assert_eq!(cost[Charge::InterAz as usize], NanoUsd(105));
        let hours: Vec<_> = hourly_cost
            .iter()
            .map(|(hour, _, region, bytes, cost)| (hour.0 - HOUR.0, &**region, bytes, cost.0))
            .collect();
        assert_eq!(hours, [(0, "us-east-1", 50, 100), (1, "us-east-1", 2, 5)]);
        assert_eq!(snapshot.doubts[Doubt::Interface as usize], 2 + 1 + 33);
        assert_eq!(snapshot.contradictions[Contradiction::AzId as usize], 3);
        assert_eq!(snapshot.unpriced[&(Charge::InterAz, "us-east-1".into())], 1 + 1 + 25);
        drop(ledger);
        ledger = open(&place.path(), &with_sources(&TWO)).0;
        assert_eq!(state(&ledger), Snapshot { state_bytes: 0, ..Snapshot::clone(&snapshot) });
    }
    let sum = |view: &str, what: &str| {
        shell(&place.path(), &format!("SELECT sum({what}) FROM {view} WHERE source = 'net'"))
    };
    assert_eq!(sum("ledger", "bytes"), 105);
    assert_eq!(sum("ledger_charges", "nano_usd * (aws_region = 'us-east-1')"), 105);
    assert_eq!(sum("ledger_charges", "unpriced_bytes"), 26);
    assert_eq!(sum("ledger_doubts", "bytes * (kind = 'interface')"), 34);
    assert_eq!(sum("ledger_contradictions", "records * (kind = 'az_id')"), 2);
    let meaning = "SELECT count(*) FROM ledger WHERE relation = 'inter-az' AND src_az = 'a' AND dst_az = 'b'";
    assert_eq!(shell(&place.path(), meaning), 3);
}

#[test]
fn a_source_keeps_its_sums_whatever_becomes_of_its_name() {
    let place = Place::new();
    let mut ledger = open(&place.path(), &with_sources(&TWO)).0;
    ledger.commit(&[of("ops", "x", delta(0, "a", 7)), of("net", "y", delta(0, "a", 5))], NOW).unwrap();
    ledger.set_begin("ops", NOW).unwrap();
    ledger.finish_scan("ops", NOW, ScanKind::Full).unwrap();
    let renamed = with_sources(&[("operations", "s3://bucket/"), TWO[1]]);
    ledger.reconfigure(&renamed, NOW).unwrap();
    assert_eq!(bytes_of(&ledger), [("net".into(), 5), ("operations".into(), 7)]);
    assert!(ledger.scan_progress("operations").unwrap().scanned_through.is_some());
    // Another account in the same bucket, with a source of its own.
    let shared = with_sources(&[("new", "s3://bucket/"), ("operations", "s3://bucket/")]);
    ledger.reconfigure(&shared, Timestamp(NOW.0 + 60)).unwrap();
    assert!(ledger.scan_progress("operations").unwrap().scanned_through.is_some(), "it keeps its progress");
    assert!(ledger.scan_progress("new").is_none());
    ledger.commit(&[of("new", "z", delta(0, "a", 1))], NOW).unwrap();
    let all = [("net".to_owned(), 5), ("new".to_owned(), 1), ("operations".to_owned(), 7)];
    assert_eq!(bytes_of(&ledger), all, "one that is not configured any more is still a part of the totals");
    let removed =
        "SELECT group_concat(name || removed_at) IS 'net' || ? FROM source WHERE removed_at IS NOT NULL";
    let removed = removed.replace('?', &(NOW.0 + 60).to_string());
    assert_eq!(shell(&place.path(), &removed), 1);
    drop(ledger);
    let ledger = open(&place.path(), &with_sources(&TWO)).0;
    let all = [("net".into(), 5), ("new".into(), 1), ("operations".into(), 7), ("ops".into(), 0)];
    assert_eq!(bytes_of(&ledger), all, "two rows have the url, and none of them the name");
    assert_eq!(shell(&place.path(), "SELECT count(*) FROM source WHERE removed_at IS NOT NULL"), 2);
}

#[test]
fn sources_that_had_one_name_one_after_the_other_are_added_up() {
    let place = Place::new();
    let mut ledger = place.open();
    ledger.commit(&[of("ops", "x", delta(0, "a", 7))], NOW).unwrap();
    ledger.reconfigure(&with_sources(&[("ops", "s3://moved/")]), NOW).unwrap();
    assert_eq!(bytes_of(&ledger), [("ops".into(), 7)]);
    ledger.commit(&[of("ops", "y", delta(0, "a", 5))], NOW).unwrap();
    let before = state(&ledger);
    assert_eq!(bytes_of(&ledger), [("ops".into(), 12)]);
    drop(ledger);
    assert_eq!(state(&open(&place.path(), &with_sources(&[("ops", "s3://moved/")])).0), before);
}

#[test]
fn records_from_the_future_are_as_new_as_their_commit() {
    let place = Place::new();
    let mut ledger = place.open();
    let newest = |at| ObjectDelta { newest_record: Some(Timestamp(NOW.0 + at)), ..ObjectDelta::default() };
    for (name, record, commit, expected) in [("x", -9, 0, -9), ("y", 500, 60, 60), ("z", 500, 90, 90)] {
        let one = of("ops", name, newest(record));
        ledger.commit(&[one], Timestamp(NOW.0 + commit)).unwrap();
        let newest = ledger.snapshot().sources["ops"].newest_record;
        assert_eq!(newest, Some(Timestamp(NOW.0 + expected)));
    }
}

#[test]
fn labels_that_keep_changing_their_meaning_are_summed_as_not_known() {
    let place = Place::new();
    let mut ledger = place.open();
    let settle = |ledger: &mut Ledger, number: usize| {
        let mut delta = ObjectDelta::default();
        let series = Series { src_az: Some(format!("az{number}").into()), ..series("a", "b") };
        delta.traffic.insert((HOUR, series), FlowCounts { bytes: 1, ..FlowCounts::default() });
        ledger.commit(&[of("ops", &number.to_string(), delta)], NOW).unwrap();
    };
    for number in 0..10 {
        settle(&mut ledger, number);
    }
    drop(ledger);
    let mut ledger = place.open();
    settle(&mut ledger, 10);
    assert_eq!(ledger.snapshot().traffic[&key("a", "b")].bytes, 11);
    let count = |what: &str| shell(&place.path(), &format!("SELECT sum(bytes) FROM ledger WHERE {what}"));
    assert_eq!(count("relation = 'inter-az' AND src_az IS NOT NULL"), limits::SERIES_MEANINGS as i64);
    assert_eq!(count("relation = 'unknown' AND src_az IS NULL AND dst_az IS NULL"), 7);
    assert_eq!(shell(&place.path(), "SELECT count(*) FROM label_set"), 1);
}

#[test]
fn regions_are_bounded() {
    let place = Place::new();
    let mut ledger = place.open();
    let excess = 3;
    for number in 0..limits::AWS_REGIONS + excess {
        let region = format!("region-{number:03}").into();
        let delta = ObjectDelta { aws_region: region, ..delta(0, "a", 8) };
        ledger.commit(&[of("ops", &number.to_string(), delta)], NOW).unwrap();
    }
    ledger
        .commit(&[of("ops", "none", ObjectDelta { aws_region: "".into(), ..delta(0, "a", 8) })], NOW)
        .unwrap();
    let before = state(&ledger);
    assert_eq!(before.unpriced.len(), limits::AWS_REGIONS + 1, "one place has what version 1 did not know");
    assert_eq!(before.unpriced[&(Charge::InterAz, "other".into())], 2 * (excess as u64 + 1));
    assert_eq!(before.unpriced[&(Charge::InterAz, "unknown".into())], 2);
    assert_eq!(before.unpriced[&(Charge::InterAz, "region-000".into())], 2);
    drop(ledger);
    assert_eq!(state(&place.open()), before);
}
