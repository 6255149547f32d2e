//! The state file: how much of it a sealed object is, what it takes to open it, and what sealing takes.

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

/// Before it everything is sealed; the beginning of a day.
const OLD: i64 = NOW - 2 * LOOKBACK_HOURS * HOUR;

pub(crate) fn run() -> Outcome {
    known()?;
    for (accounts, each) in [(1_000, 12), (100, 250)] {
        sealing(accounts, each)?;
    }
    Ok(())
}

/// A day hour by hour: each is read, then sealed.
fn sealing(accounts: usize, each: usize) -> Outcome {
    let dir = tempfile::tempdir()?;
    let (mut ledger, _) = open(&dir.path().join("flowcost.db"))?;
    say(format_args!("{accounts} accounts, {each} objects an hour each; an hour at a time, all accounts"));
    say(format_args!(
        "{:<8} {:>12} {:>12} {:>12} {:>12}",
        "hour", "settle, cpu", "written", "seal, cpu", "written"
    ));
    let mut all = [0.0; 4];
    for hour in 0..24 {
        let part = objects(accounts * each, each, accounts, OLD + (hour + 1) * HOUR);
        let (meter, from) = (Meter::begin(), written_kib());
        know(&mut ledger, &part, |_| 20_000)?;
        let (settle, settled) = (meter.end(), written_kib());
        let meter = Meter::begin();
        read_through(&mut ledger, NOW - LOOKBACK_HOURS * HOUR)?;
        let seal = meter.end();
        let mib = |kib: u64| kib as f64 / 1024.0;
        let line = [millis(settle.cpu), mib(settled - from), millis(seal.cpu), mib(written_kib() - settled)];
        all.iter_mut().zip(line).for_each(|(sum, one)| *sum += one);
        if [0, 11, 23].contains(&hour) {
            show(&hour.to_string(), line);
        }
    }
    show("all 24", all);
    Ok(())
}

fn show(what: &str, [settle, settled, seal, sealed]: [f64; 4]) {
    say(format_args!("{what:<8} {settle:>9.0} ms {settled:>8.1} MiB {seal:>9.0} ms {sealed:>8.1} MiB"));
}

/// Bytes that this process has handed to the system to write.
fn written_kib() -> u64 {
    let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap_or_default();
    line.parse::<u64>().unwrap_or(0) >> 10
}

fn known() -> Outcome {
    say(format_args!(
        "{:<50} {:>9} {:>11} {:>10} {:>12} {:>10} {:>11}",
        "known objects", "state", "an object", "one more", "open, cpu", "wall", "grows"
    ));
    let shapes = [(4, 1), (4, 50), (12, 1), (12, 50), (100, 1), (200, 50), (10_000, 1)];
    for (each, accounts) in shapes {
        // The file keeps room for objects that are in the lookback; what one object more takes is without it.
        let few = state(100_000, each, accounts, true, None)?;
        state(1_000_000, each, accounts, true, Some((100_000, few)))?;
    }
    let few = state(100_000, 200, 50, false, None)?;
    state(1_000_000, 200, 50, false, Some((100_000, few)))?;
    Ok(())
}

/// Prints one line; returns how many bytes the file grew by. `fewer` objects made it grow by less.
fn state(
    count: usize,
    each: usize,
    accounts: usize,
    sealed: bool,
    fewer: Option<(usize, u64)>,
) -> Result<u64, Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let state = dir.path().join("flowcost.db");
    let (mut ledger, _) = open(&state)?;
    // What is there before the first of them is none of theirs.
    let before = size(&state)?;
    // As it goes: an hour after the other is read, then sealed.
    let mut oldest_first = objects(count, each, accounts, if sealed { OLD } else { NOW });
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
    let one_more = fewer.map_or(String::new(), |(objects, of_them)| {
        format!("{:.1} bytes", (bytes - of_them) as f64 / (count - objects) as f64)
    });
    say(format_args!(
        "{:<50} {:>5.1} MiB {:>5.1} bytes {:>10} {:>9.0} ms {:>7.0} ms {:>7} KiB",
        format!("{count} {word}, {each} a folder, {accounts} accounts"),
        bytes as f64 / f64::from(1 << 20),
        bytes as f64 / count as f64,
        one_more,
        millis(taken.cpu),
        millis(taken.wall),
        taken.grown_kib,
    ));
    Ok(bytes)
}
