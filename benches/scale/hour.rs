//! An hour of a large organisation: new objects every five minutes, a poll every minute, a full lookback behind it.

use std::sync::Arc;

use bytes::Bytes;
use flowcost_exporter::{
    decode::encode::{EncodeOptions, parquet},
    demo::{Cluster, SLOT_SECONDS},
    model::{ObjectOutcome, Timestamp},
};

use super::{
    Outcome,
    fleet::{Exporter, Fleet, HOUR, LOOKBACK_HOURS, NOW, SLOT, key, know, open, read_through, runtime},
    meter::{Meter, say, status},
};

const OBJECTS_AN_HOUR: u32 = 10_000;
const ACCOUNTS: u32 = 50;
const HOURS: i64 = 3;
const CONTENTS: usize = 50;

/// Objects that differ, of 500 to 1,000 records.
pub(crate) fn contents(count: usize) -> Result<Vec<Bytes>, Box<dyn std::error::Error>> {
    let cluster = Cluster::new(1);
    let one = |number: usize| {
        let rows = 500 + 500 * number / count.max(2).saturating_sub(1);
        let records = cluster.records(Timestamp(NOW - SLOT), SLOT_SECONDS, rows.min(1_000));
        Ok(parquet(&records, &EncodeOptions::default())?.into())
    };
    (0..count).map(one).collect()
}

/// The objects of a slot, over all accounts.
fn slot(at: i64) -> Vec<(String, i64)> {
    let count = OBJECTS_AN_HOUR / 12;
    (0..count).map(|number| (key(at, number % ACCOUNTS + 1, number, false), at)).collect()
}

pub(crate) fn run() -> Outcome {
    let dir = tempfile::tempdir()?;
    let state = dir.path().join("flowcost.db");
    let (mut ledger, _) = open(&state)?;
    let fleet = Arc::new(Fleet::new(contents(CONTENTS)?));
    for hour in (1..=LOOKBACK_HOURS).rev() {
        let known: Vec<_> = (0..12).flat_map(|index| slot(NOW - hour * HOUR + index * SLOT)).collect();
        know(&mut ledger, &known, |key| fleet.size(key))?;
        fleet.add(known.into_iter().map(|(key, _)| key));
    }
    read_through(&mut ledger, NOW - LOOKBACK_HOURS * HOUR)?;
    let known = ledger.snapshot().objects.get(ObjectOutcome::Counted);
    drop(ledger);
    let runtime = runtime()?;
    let mut exporter = runtime.block_on(async { Exporter::new(fleet.clone(), &state) })?;
    say(format_args!("{known} known objects in the lookback, {ACCOUNTS} accounts"));
    let mut before = exporter.shown().objects.get(ObjectOutcome::Counted).max(known);
    for hour in 0..HOURS {
        let requests = fleet.requests();
        let meter = Meter::begin();
        runtime.block_on(async {
            for minute in 0..60 {
                let now = NOW + hour * HOUR + minute * 60;
                if minute % 5 == 0 {
                    fleet.add(slot(now - now.rem_euclid(SLOT)).into_iter().map(|(key, _)| key));
                }
                exporter.poll(now).await?;
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        })?;
        let taken = meter.end();
        let counted = exporter.shown().objects.get(ObjectOutcome::Counted);
        say(format_args!(
            "hour {}: {} objects, {:.1} s of cpu, {:.1} s passed, {} requests, {} MiB resident, load {}",
            hour + 1,
            counted - before,
            taken.cpu.as_secs_f64(),
            taken.wall.as_secs_f64(),
            fleet.requests() - requests,
            status("VmRSS:") >> 10,
            super::meter::load(),
        ));
        before = counted;
    }
    Ok(())
}
