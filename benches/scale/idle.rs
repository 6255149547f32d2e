//! Polls with nothing new: over objects that are listed and looked up, and over those that are past.

use std::sync::Arc;

use flowcost_exporter::store::{ListRequest, ObjectStore as _};

use super::{
    Outcome,
    fleet::{Exporter, Fleet, HOUR, LOOKBACK_HOURS, NOW, key, know, open, read_through, runtime},
    meter::{Meter, Taken, millis, say, status},
};

/// Polls after the first, which is a full scan, as every tenth is.
const POLLS: usize = 40;

/// Objects over so many hours up to now.
fn spread(objects: usize, hours: i64, until: i64, daily: bool) -> Vec<(String, i64)> {
    let step = (hours * HOUR) as f64 / objects as f64;
    let one = |number: usize| {
        let at = until - 1 - (number as f64 * step) as i64;
        (key(at, 1, u32::try_from(number).unwrap_or(0), daily), at)
    };
    (0..objects).map(one).collect()
}

pub(crate) fn run() -> Outcome {
    say(format_args!(
        "{:<52} {:>9} {:>10} {:>10} {:>11} {:>11} {:>9}  {}",
        "known objects",
        "a poll",
        "full scan",
        "requests",
        "poll grows",
        "scan grows",
        "resident",
        "what the bench's own store takes of a full scan"
    ));
    let day = NOW + 23 * HOUR;
    for objects in [1_000, 10_000, 100_000] {
        let found = spread(objects, LOOKBACK_HOURS, NOW, false);
        measure(&format!("{objects} in the lookback of 48 h, by hour"), found, NOW)?;
    }
    for objects in [1_000, 10_000, 100_000] {
        let found = spread(objects, 23, day, true);
        measure(&format!("{objects} of the day that it is, one folder"), found, day)?;
    }
    for objects in [1_000, 10_000, 100_000, 1_000_000] {
        let old = NOW - 2 * LOOKBACK_HOURS * HOUR;
        let found = spread(objects, objects as i64 / 100, old, false);
        measure(&format!("{objects} older, sealed, 100 an hour"), found, NOW)?;
    }
    Ok(())
}

fn measure(name: &str, known: Vec<(String, i64)>, now: i64) -> Outcome {
    let dir = tempfile::tempdir()?;
    let state = dir.path().join("flowcost.db");
    let (mut ledger, _) = open(&state)?;
    let fleet = Arc::new(Fleet::new(Vec::new()));
    know(&mut ledger, &known, |key| fleet.size(key))?;
    read_through(&mut ledger, now - LOOKBACK_HOURS * HOUR)?;
    drop(ledger);
    // The one just before the first that a full scan lists.
    let listed = known.iter().filter(|(_, at)| *at >= now - (LOOKBACK_HOURS + 24) * HOUR).map(|(key, _)| key);
    let oldest = listed.min().map(|key| key[..key.len() - 1].to_owned());
    fleet.add(known.into_iter().map(|(key, _)| key));
    let runtime = runtime()?;
    let (poll, scan, listing, requests, exporter) = runtime.block_on(async {
        let mut exporter = Exporter::new(fleet.clone(), &state)?;
        exporter.poll(now).await?;
        let (mut poll, mut scan): (Option<Taken>, Option<Taken>) = (None, None);
        let mut requests = 0;
        for number in 1..=POLLS {
            let before = fleet.requests();
            let meter = Meter::begin();
            exporter.poll(now).await?;
            let taken = meter.end();
            let least = if number % 10 == 0 { &mut scan } else { &mut poll };
            *least = Some(least.map_or(taken, |least| least.least(taken)));
            if number == 1 {
                requests = fleet.requests() - before;
            }
        }
        let (poll, scan) = (poll.ok_or("a poll")?, scan.ok_or("a scan")?);
        let mut listing: Option<Taken> = None;
        for _ in 0..5 {
            let (meter, mut page) = (Meter::begin(), oldest.clone());
            while let Some(after) = page {
                let prefix = "AWSLogs/";
                let request = ListRequest { prefix, start_after: None, delimited: false, page: Some(&after) };
                page = fleet.list(request).await?.next;
            }
            let taken = meter.end();
            listing = Some(listing.map_or(taken, |least| least.least(taken)));
        }
        let listing = listing.ok_or("a listing")?;
        Ok::<_, Box<dyn std::error::Error>>((poll, scan, listing, requests, exporter))
    })?;
    let read = fleet.gets.load(std::sync::atomic::Ordering::Relaxed);
    if read > 0 {
        return Err(format!("{read} objects were read that were known").into());
    }
    say(format_args!(
        "{name:<52} {:>6.2} ms {:>7.2} ms {requests:>10} {:>7} KiB {:>7} KiB {:>5} MiB  {:.2} ms",
        millis(poll.cpu),
        millis(scan.cpu),
        poll.grown_kib,
        scan.grown_kib,
        status("VmRSS:") >> 10,
        millis(listing.cpu),
    ));
    drop(exporter);
    Ok(())
}
