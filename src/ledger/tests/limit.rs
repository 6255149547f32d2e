//! Series stay within the limit and sums stay exact (I6).

use proptest::prelude::*;

use super::*;

fn limited(path: &Path, limit: usize) -> Ledger {
    open(path, &Options { series_limit: limit, ..options() }).0
}

fn sums(snapshot: &Snapshot) -> (FlowCounts, ChargeCounts) {
    let traffic = snapshot.traffic.values().fold(FlowCounts::default(), |a, b| a.checked_add(*b).unwrap());
    let charges = snapshot.charges.values().fold(ChargeCounts::default(), |a, b| a.checked_add(*b).unwrap());
    (traffic, charges)
}

#[test]
fn keys_are_admitted_in_order_and_the_excess_goes_to_other() {
    let place = Place::new();
    let mut ledger = limited(&place.path(), 3);
    let mut wide = ObjectDelta::default();
    for (src, bytes) in [("d", 8), ("c", 4), ("b", 2), ("a", 1)] {
        wide.traffic.append(&mut delta(0, src, bytes).traffic);
    }
    let report = ledger.commit(&[settled(0, "x", Settlement::Counted(wide))], NOW).unwrap();
    assert!(report.series_limit_reached);
    let traffic = ledger.snapshot().traffic.clone();
    let got: Vec<(&str, u64)> = traffic.iter().map(|(key, counts)| (&*key.src_zone, counts.bytes)).collect();
    assert_eq!(got, [("a", 1), ("b", 2), ("other", 12)]);
    assert_eq!(shell(&place.path(), "SELECT bytes FROM ledger WHERE src_zone = 'other'"), 12);
    let known = ObjectDelta { charges: BTreeMap::new(), ..delta(0, "a", 1) };
    let report = ledger.commit(&[settled(0, "known", Settlement::Counted(known))], NOW).unwrap();
    assert!(!report.series_limit_reached, "a known key is no news");
}

#[test]
fn a_lowered_limit_keeps_what_there_is() {
    let place = Place::new();
    let mut ledger = limited(&place.path(), 100);
    let batch: Vec<Settled> =
        ["p", "q", "r", "s"].map(|src| settled(0, src, Settlement::Counted(delta(0, src, 1)))).into();
    ledger.commit(&batch, NOW).unwrap();
    drop(ledger);
    let mut ledger = limited(&place.path(), 2);
    let batch = [
        settled(0, "t", Settlement::Counted(delta(0, "t", 1))),
        settled(0, "u", Settlement::Counted(delta(0, "p", 1))),
    ];
    ledger.commit(&batch, NOW).unwrap();
    let snapshot = ledger.snapshot();
    assert_eq!(snapshot.traffic[&key("p", "b")].bytes, 2);
    assert_eq!(snapshot.traffic[&FlowKey::overflow()].bytes, 1);
    assert_eq!(snapshot.traffic.len(), 5);
    assert_eq!(snapshot.charges.len(), 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sums_are_exact_at_every_limit(
        limit in 1_usize..20,
        objects in prop::collection::vec(
            prop::collection::vec((0_u64..12, 0_i64..3, 0_usize..5, 1_u64..1_000), 1..8), 1..24),
    ) {
        let place = Place::new();
        let mut ledger = limited(&place.path(), limit);
        let mut expected = (FlowCounts::default(), ChargeCounts::default());
        for (index, rows) in objects.iter().enumerate() {
            let mut sum = ObjectDelta::default();
            for (zone, hour, charge, bytes) in rows {
                let at = (Hour(HOUR.0 + hour), series(&format!("z{zone}"), "b"));
                let counts = FlowCounts { flows: 1, packets: 2, bytes: *bytes, inter_az_bytes: bytes / 3 };
                let cost = ChargeCounts { bytes: *bytes, cost: NanoUsd(bytes * 7), unpriced: bytes / 5 };
                expected.0 = expected.0.checked_add(counts).unwrap();
                expected.1 = expected.1.checked_add(cost).unwrap();
                let entry = sum.charges.entry((at.0, at.1.clone(), Charge::ALL[*charge])).or_default();
                *entry = entry.checked_add(cost).unwrap();
                let entry = sum.traffic.entry(at).or_default();
                *entry = entry.checked_add(counts).unwrap();
            }
            ledger.commit(&[settled(0, &index.to_string(), Settlement::Counted(sum))], NOW).unwrap();
            if index % 7 == 3 {
                let before = state(&ledger);
                drop(ledger);
                ledger = limited(&place.path(), limit);
                prop_assert_eq!(state(&ledger), before);
            }
        }
        let snapshot = ledger.snapshot();
        prop_assert_eq!(sums(&snapshot), expected);
        prop_assert!(snapshot.traffic.len() <= limit);
        prop_assert!(snapshot.charges.len() <= limit.max(Charge::COUNT));
        let hourly = shell(&place.path(), "SELECT sum(bytes + packets + flows + inter_az_bytes) FROM ledger");
        let FlowCounts { flows, packets, bytes, inter_az_bytes } = expected.0;
        prop_assert_eq!(hourly as u64, flows + packets + bytes + inter_az_bytes);
        let hourly = shell(&place.path(), "SELECT sum(nano_usd) FROM ledger_charges");
        prop_assert_eq!(hourly as u64, expected.1.cost.0);
    }
}
