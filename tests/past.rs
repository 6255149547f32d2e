//! What changes the past of a ledger while its counters stand still (I1, I2): sources that are added, labels that are gone.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicUsize},
};

use flowcost_exporter::{
    cli::{ExportHistoryArgs, HistoryFormat, HistoryStep},
    config::Config,
    event::Observer,
    history,
    ledger::{Ledger, Measure, Table},
    model::{FlowCounts, Hour, NatDirection, ObjectDelta, Snapshot, Timestamp},
};
use tokio_util::sync::CancellationToken;

use crate::{
    ingest::{ends_at, quiet_crashes},
    support::{
        bucket::Bucket,
        world::{NOON, World, cycles},
    },
};

const OPS: u64 = 111_111_111_111;
const NET: u64 = 222_222_222_222;

fn nobody() -> Observer {
    Arc::new(|_| {})
}

fn run(world: &World, count: usize) {
    cycles(world.start(nobody()), count, &CancellationToken::new()).unwrap();
}

/// A world that is read to its end and shown, and the keys that it has.
fn shown() -> (World, Vec<String>) {
    let world = World::new();
    let keys: Vec<String> = (0..10).map(|n| world.put(OPS, i64::from(n) * 2, n)).collect();
    run(&world, 2);
    assert!(world.last().first_scan_complete);
    (world, keys)
}

/// A second source with two days of flow logs, some in hours that the first one has too.
fn added(world: &World) -> (Bucket, Vec<String>) {
    let bucket = Bucket::named("s3://added");
    let keys: Vec<String> = (0..12).map(|n| World::key(NET, i64::from(n) * 4, 100 + n)).collect();
    for (n, key) in (0..).zip(&keys) {
        bucket.put(key, world.content(i64::from(n) * 4, 100 + n));
    }
    world.add_source(&bucket);
    (bucket, keys)
}

/// What the counters come to, label sets and sources alike; a series that is not there is 0.
pub(crate) fn counters(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (key, FlowCounts { flows, packets, bytes, inter_az_bytes }) in &snapshot.traffic {
        let values = [("flows", flows), ("packets", packets), ("bytes", bytes), ("inter-az", inter_az_bytes)];
        all.extend(values.map(|(what, value)| (format!("{what} {key:?}"), *value)));
    }
    for ((charge, key), counts) in &snapshot.charges {
        all.insert(format!("charged {charge:?} {key:?}"), counts.bytes);
        all.insert(format!("cost {charge:?} {key:?}"), counts.cost.0);
    }
    for (name, sums) in &snapshot.by_source {
        all.insert(format!("source {name}"), sums.bytes);
        all.extend(sums.cost.iter().enumerate().map(|(at, cost)| (format!("source {name} {at}"), cost.0)));
    }
    all.extend(snapshot.doubts.iter().enumerate().map(|(at, bytes)| (format!("doubt {at}"), *bytes)));
    let unpriced = snapshot.unpriced.iter();
    all.extend(unpriced.map(|((charge, region), bytes)| (format!("unpriced {charge:?} {region}"), *bytes)));
    let contradictions = snapshot.contradictions.iter().enumerate();
    all.extend(contradictions.map(|(at, records)| (format!("contradiction {at}"), *records)));
    all.retain(|_, value| *value > 0);
    all
}

/// Money that the month gauges know of.
fn month(snapshot: &Snapshot) -> u64 {
    let hours = snapshot.by_source.values().flat_map(|sums| sums.hourly_cost.iter());
    hours.map(|(.., cost)| cost.0).sum()
}

/// Money of whole objects.
fn money(world: &World, keys: &[String]) -> u64 {
    keys.iter().flat_map(|key| world.delta(key).charges.into_values()).map(|counts| counts.cost.0).sum()
}

/// The export ends where the counters are, and none of its series ever goes down.
fn assert_export_joins(world: &World) {
    let config = format!(
        "[state]\npath = \"{}\"\n{}",
        world.state().display(),
        ["logs", "added"]
            .map(|name| format!(
                "[[source]]\nname = \"{name}\"\nurl = \"s3://{name}/\"\nregion = \"us-east-1\"\n"
            ))
            .join("")
    );
    let config = Config::parse("past", &config, &[]).unwrap();
    let now = Timestamp(NOON + 7200);
    let (from, to) = (None, None);
    let args = ExportHistoryArgs {
        from,
        to,
        step: HistoryStep::Hour,
        format: HistoryFormat::Openmetrics,
        labels: Vec::new(),
    };
    let mut text = Vec::new();
    let hours = history::export(&config, &args, now, &mut text).unwrap().hours;
    let text = String::from_utf8(text).unwrap();
    let reader = Ledger::open_read_only(&world.state()).unwrap();
    let mut ends = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("flowcost_bytes_total")) {
        let (series, rest) = line.rsplit_once("} ").unwrap();
        let value: u64 = rest.split(' ').next().unwrap().parse().unwrap();
        let last = ends.insert(series.to_owned(), value);
        assert!(last <= Some(value), "{line} after {last:?}");
    }
    // What is later than the export: hours that were not settled.
    let rest = hours.end..Hour(hours.end.0 + 100);
    let later: BTreeMap<_, u64> = reader
        .history_series(Table::Traffic, &rest)
        .unwrap()
        .into_iter()
        .map(|one| (one.key.clone(), reader.hours_of(Measure::Bytes, &one).unwrap().iter().sum()))
        .collect();
    let snapshot = world.last();
    assert!(!ends.is_empty() && ends.len() <= snapshot.traffic.len());
    for (key, counts) in &snapshot.traffic {
        let labels = format!(
            "flowcost_bytes_total{{src_zone=\"{}\",dst_zone=\"{}\",port_group=\"{}\",nat_direction=\"{}\"",
            key.src_zone,
            key.dst_zone,
            key.port_group,
            key.nat_direction.as_str()
        );
        let (end, later) = (ends.get(&labels).unwrap_or(&0), later.get(key).unwrap_or(&0));
        assert_eq!(end + later, counts.bytes, "{key:?}");
    }
}

#[test]
fn a_source_that_is_added_moves_no_counter_by_its_past_wherever_the_process_is_killed() {
    quiet_crashes();
    for event in 0.. {
        let (world, mut keys) = shown();
        let before = world.last();
        let (bucket, past) = added(&world);
        let seen = Arc::new(AtomicUsize::new(0));
        let observer = ends_at(event, seen.clone(), || panic!("crash"));
        let crashed = cycles(world.start(observer), 2, &CancellationToken::new()).is_err();
        run(&world, 2);
        for snapshot in world.shown.lock().unwrap().iter().filter(|snapshot| snapshot.first_scan_complete) {
            assert_eq!(counters(snapshot), counters(&before), "killed at event {event}");
        }
        world.assert_monotone();
        let after = world.last();
        assert!(after.traffic.len() > before.traffic.len(), "series of the past are there, at 0");
        keys.extend(past);
        assert_eq!(month(&after), money(&world, &keys), "the months have the whole");
        assert_eq!(ledger_bytes(&world), keys.iter().map(|key| bytes_of(&world, key)).sum::<u64>());
        world.pass(7200);
        run(&world, 1);
        assert_export_joins(&world);

        // From here on the source counts as any other.
        let live = World::key(NET, 0, 500);
        bucket.put(&live, world.content(0, 500));
        run(&world, 2);
        let delta = world.delta(&live);
        let (now, then) = (world.last(), &before.by_source["logs"]);
        assert_eq!(now.by_source["added"].bytes, none_bytes(&delta));
        assert_eq!(now.by_source["logs"].bytes, then.bytes);
        world.assert_monotone();
        assert_export_joins(&world);
        if !crashed {
            assert!(event > 10, "only {event} events");
            return;
        }
    }
}

fn none_bytes(delta: &ObjectDelta) -> u64 {
    let none = delta.traffic.iter().filter(|((_, series), _)| series.key.nat_direction == NatDirection::None);
    none.map(|(_, counts)| counts.bytes).sum()
}

fn bytes_of(world: &World, key: &str) -> u64 {
    world.delta(key).traffic.values().map(|counts| counts.bytes).sum()
}

fn ledger_bytes(world: &World) -> u64 {
    let reader = Ledger::open_read_only(&world.state()).unwrap();
    reader.totals().unwrap().traffic.values().map(|counts| counts.bytes).sum()
}

#[test]
fn a_port_group_that_is_gone_leaves_the_metrics_after_30_days_of_silence() {
    let mut world = World::new();
    let keys: Vec<String> = (0..10).map(|n| world.put(OPS, i64::from(n), n)).collect();
    run(&world, 2);
    let dns = |snapshot: &Snapshot| snapshot.traffic.keys().filter(|key| &*key.port_group == "dns").count();
    let before = world.last();
    assert!(dns(&before) > 0);
    world.change_rules(|text| text.replace("\"dns\"", "\"names\""));
    for (days, gone) in [(0, false), (29, false), (2, true)] {
        world.pass(days * 86_400);
        world.put(OPS, -24 * if gone { 31 } else { days.cast_signed() }, 50);
        run(&world, 1);
        // The objects of this poll are seen by the next one: only they say that time went on.
        run(&world, 1);
        assert_eq!(dns(&world.last()) == 0, gone, "after {days} days more");
    }
    let after = world.last();
    for (key, counts) in &after.traffic {
        let earlier = before.traffic.get(key).copied().unwrap_or_default();
        assert!(counts.bytes >= earlier.bytes, "{key:?}");
    }
    assert!(
        before
            .traffic
            .keys()
            .filter(|key| &*key.port_group != "dns")
            .all(|key| after.traffic.contains_key(key))
    );
    assert!(ledger_bytes(&world) >= keys.iter().map(|key| bytes_of(&world, key)).sum::<u64>());
}
