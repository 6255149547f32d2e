//! Ten and a hundred times as many rows, objects, series, and hours of history.

use std::{fs, sync::Arc};

use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::{Classifier, Rules, SourceScope, ZoneSpec},
    decode::Input,
    expose::{BuildInfo, Exposition, Format, SourceInfo, Static},
    ledger::Ledger,
    model::{
        Candidate, FlowCounts, FlowKey, Hour, Listed, NatDirection, ObjectDelta, ObjectId, RecordOutcome,
        Settled, Settlement, Timestamp,
    },
    pricing::PriceBook,
};

use super::{
    Outcome,
    fleet::{Exporter, Fleet, HOUR, NOW, SLOT, key, open, partition, runtime},
    hour::contents,
    meter::{Meter, Taken, millis, say},
    traffic::{self, Variant, ZONES},
};

const LIMITS: DigestLimits = DigestLimits { decompressed_bytes: 2 << 30, bad_rows: 0 };

pub(crate) fn run() -> Outcome {
    say(format_args!("{:<48} {:>12} {:>12}  {}", "work", "cpu", "grows", "more"));
    for rows in [10_000, 100_000, 1_000_000] {
        rows_of(rows)?;
    }
    for objects in [100, 1_000, 10_000] {
        objects_of(objects)?;
    }
    for series in [100, 1_000, 10_000] {
        series_of(series)?;
    }
    for hours in [24, 240, 2_400] {
        history_of(hours)?;
    }
    Ok(())
}

fn tell(what: &str, taken: Taken, more: &str) {
    say(format_args!("{what:<48} {:>9.2} ms {:>8} KiB  {more}", millis(taken.cpu), taken.grown_kib));
}

fn least_of(runs: usize, mut work: impl FnMut() -> Outcome) -> Result<Taken, Box<dyn std::error::Error>> {
    let mut least: Option<Taken> = None;
    for _ in 0..runs {
        let meter = Meter::begin();
        work()?;
        let taken = meter.end();
        least = Some(least.map_or(taken, |least| least.least(taken)));
    }
    least.ok_or_else(|| "no run".into())
}

fn classifier() -> Result<Classifier, Box<dyn std::error::Error>> {
    let mut zones = Vec::new();
    for (name, az_id, cidrs) in ZONES {
        let cidrs = cidrs.iter().map(|cidr| cidr.parse()).collect::<Result<_, _>>()?;
        let region = Some("ap-northeast-1".into());
        zones.push(ZoneSpec {
            name: name.into(),
            az_id: Some(az_id.into()),
            region,
            cidrs,
            logged: true,
            ..ZoneSpec::default()
        });
    }
    let source = SourceScope { name: "bench".into(), region: "ap-northeast-1".into() };
    Ok(Classifier::new(Rules { zones, ..Rules::default() }, &source, PriceBook::default(), None))
}

fn rows_of(rows: usize) -> Outcome {
    let file = Input::Whole(traffic::file(Variant::ALL[0].0, 1, rows).into());
    let classifier = classifier()?;
    let partition = partition("p/hour=00/x", traffic::HOUR);
    let taken =
        least_of(3, || match digest(file.clone(), &partition.clone().into(), &classifier, &LIMITS) {
            Settlement::Counted(_) => Ok(()),
            other => Err(format!("{other:?}").into()),
        })?;
    tell(&format!("one object of {rows} rows, Parquet GZIP"), taken, "");
    Ok(())
}

fn objects_of(objects: u32) -> Outcome {
    let dir = tempfile::tempdir()?;
    let fleet = Arc::new(Fleet::new(contents(50)?));
    fleet.add((0..objects).map(|number| {
        let at = NOW - SLOT * (1 + i64::from(number) % 500);
        key(at, 1, number, false)
    }));
    let runtime = runtime()?;
    let mut exporter = runtime.block_on(async { Exporter::new(fleet.clone(), &dir.path().join("s.db")) })?;
    let meter = Meter::begin();
    runtime.block_on(exporter.poll(NOW))?;
    let taken = meter.end();
    tell(
        &format!("{objects} new objects of 500 to 1,000 rows"),
        taken,
        &format!("{} requests, {} rows", fleet.requests(), exporter.shown().records.total()),
    );
    Ok(())
}

fn label_set(number: usize) -> FlowKey {
    FlowKey {
        src_zone: format!("zone-{:02}", number / 10 % 32).into(),
        dst_zone: format!("zone-{:02}", number / 320).into(),
        port_group: format!("service-{}", number % 10).into(),
        nat_direction: NatDirection::None,
    }
}

/// One object that has so many label sets, all in one hour.
fn commit(ledger: &mut Ledger, number: u32, series: usize, hour: Hour) -> Outcome {
    let at = hour.start().0;
    let key = key(at, 1, number, false);
    let mut delta = ObjectDelta::default();
    delta.records.add(RecordOutcome::Counted, 1);
    for one in 0..series {
        let counts = FlowCounts { flows: 1, packets: 10, bytes: 12_345_678, inter_az_bytes: 12_345_678 };
        delta.traffic.insert((hour, label_set(one).into()), counts);
    }
    let partition = partition(&key, at);
    let id = ObjectId { bucket: partition.bucket.clone(), key };
    let listed = Listed { id, size: 1, version: None };
    let candidate = Candidate { listed, source: "fleet".into(), partition };
    ledger.commit(
        &[Settled { candidate, settlement: Settlement::Counted(delta), fetched: 1 }],
        Timestamp(NOW),
    )?;
    Ok(())
}

fn series_of(series: usize) -> Outcome {
    let dir = tempfile::tempdir()?;
    let state = dir.path().join("s.db");
    let (mut ledger, _) = open(&state)?;
    let hour = Hour::of(Timestamp(NOW - 3 * HOUR));
    let mut number = 0;
    let taken = least_of(5, || {
        number += 1;
        commit(&mut ledger, number, series, hour)
    })?;
    super::fleet::read_through(&mut ledger, NOW - 100 * HOUR)?;
    tell(&format!("a commit that touches {series} label sets"), taken, "");
    let source = SourceInfo { url: "s3://fleet/".into(), region: "us-east-1".into(), filters: "none".into() };
    let exposition = Exposition::new(Static {
        loaded_at: Timestamp(NOW),
        build: BuildInfo::current(),
        sources: std::iter::once(("fleet".into(), source)).collect(),
        prices: std::collections::BTreeMap::new(),
        book: PriceBook::default(),
        budget_monthly_usd: None,
        source_budgets: std::collections::BTreeMap::new(),
        budget_inter_az_ratio: None,
        series_limit: 10_000,
        process: || None,
    });
    let mut bytes = 0;
    let taken = least_of(5, || {
        exposition.publish(Arc::new((*ledger.snapshot()).clone()));
        bytes = exposition.render(Timestamp(NOW), Format::OpenMetrics).len();
        Ok(())
    })?;
    tell(&format!("the first scrape of {series} label sets"), taken, &format!("{} KiB of text", bytes >> 10));
    let taken = least_of(5, || {
        exposition.render(Timestamp(NOW), Format::OpenMetrics);
        Ok(())
    })?;
    tell(&format!("a further scrape of {series} label sets"), taken, "");
    Ok(())
}

fn history_of(hours: i64) -> Outcome {
    const SERIES: usize = 100;
    let dir = tempfile::tempdir()?;
    let state = dir.path().join("s.db");
    let (mut ledger, _) = open(&state)?;
    for hour in (1..=hours).rev() {
        commit(&mut ledger, 0, SERIES, Hour::of(Timestamp(NOW - hour * HOUR)))?;
    }
    super::fleet::read_through(&mut ledger, NOW - 48 * HOUR)?;
    let mut number = 1;
    let taken = least_of(5, || {
        number += 1;
        commit(&mut ledger, number, SERIES, Hour::of(Timestamp(NOW - HOUR)))
    })?;
    drop(ledger);
    let size = fs::metadata(&state)?.len();
    let more = format!("{:.1} MiB of state", size as f64 / f64::from(1 << 20));
    tell(&format!("a commit after {hours} hours of {SERIES} label sets"), taken, &more);
    let taken = least_of(3, || open(&state).map(drop))?;
    tell(&format!("opening it after {hours} hours"), taken, "");
    Ok(())
}
