//! The state file: how much of it a sealed object is, and what it takes to open it.

use std::{fs, path::Path};

use super::{
    Outcome,
    fleet::{HOUR, LOOKBACK_HOURS, NOW, key, know, open, read_through},
    meter::{Meter, Taken, millis, say},
};

/// Objects in partitions of so many each, one partition an hour for each account.
fn objects(count: usize, each: usize, accounts: usize, until: i64) -> Vec<(String, i64)> {
    let one = |number: usize| {
        let partition = number / each;
        let (hour, account) = (partition / accounts, partition % accounts);
        let at = until - (hour as i64 + 1) * HOUR;
        (key(at, account as u32 + 1, (number % each) as u32, false), at)
    };
    (0..count).map(one).collect()
}

fn size(state: &Path) -> Result<u64, Box<dyn std::error::Error>> {
    Ok(fs::metadata(state)?.len())
}

pub(crate) fn run() -> Outcome {
    const OLD: i64 = NOW - 2 * LOOKBACK_HOURS * HOUR;
    say(format_args!(
        "{:<44} {:>9} {:>11} {:>12} {:>10} {:>11}",
        "known objects", "state", "an object", "open, cpu", "wall", "grows"
    ));
    for (count, each, accounts, sealed) in [
        (100_000, 12, 1, true),
        (100_000, 100, 1, true),
        (100_000, 200, 50, true),
        (100_000, 10_000, 1, true),
        (1_000_000, 12, 1, true),
        (1_000_000, 200, 50, true),
        (1_000_000, 10_000, 1, true),
        (100_000, 200, 50, false),
        (1_000_000, 200, 50, false),
    ] {
        let dir = tempfile::tempdir()?;
        let state = dir.path().join("flowcost.db");
        let (mut ledger, _) = open(&state)?;
        // What is there before the first of them is none of theirs.
        let before = size(&state)?;
        // As it goes: an hour after the other is read, then sealed.
        let known = objects(count, each, accounts, if sealed { OLD } else { NOW });
        let mut oldest_first = known;
        oldest_first.reverse();
        for part in oldest_first.chunks((each * accounts).max(20_000)) {
            know(&mut ledger, part, |_| 20_000)?;
            if sealed {
                read_through(&mut ledger, NOW - LOOKBACK_HOURS * HOUR)?;
            }
        }
        // When it is closed the log is taken into the file.
        drop(ledger);
        let bytes = size(&state)? - before;
        let mut least: Option<Taken> = None;
        for _ in 0..3 {
            let meter = Meter::begin();
            let (ledger, _) = open(&state)?;
            let taken = meter.end();
            drop(ledger);
            least = Some(least.map_or(taken, |least| least.least(taken)));
        }
        let taken = least.ok_or("a run")?;
        let word = if sealed { "sealed" } else { "in the lookback" };
        say(format_args!(
            "{:<44} {:>5.1} MiB {:>5.1} bytes {:>9.0} ms {:>7.0} ms {:>7} KiB",
            format!("{count} {word}, {each} a folder"),
            bytes as f64 / f64::from(1 << 20),
            bytes as f64 / count as f64,
            millis(taken.cpu),
            millis(taken.wall),
            taken.grown_kib,
        ));
    }
    Ok(())
}
