//! The plain sections: state, ingest, budget, limits.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Budget, IngestConfig, Limits,
    problems::Problems,
    raw::{Node, Table},
    values::{self, Parsed},
};
use crate::{limits, model::NanoUsd};

/// `[state]`: the path of the file, and how long it keeps hours apart. Its folder must exist and take new files, which
/// is tried here.
pub(super) fn state(root: &mut Table<'_>, problems: &mut Problems) -> (PathBuf, Duration) {
    let mut section = root.table(problems, "state");
    let default = PathBuf::from("flowcost.db");
    let typed = section.placed(problems, "path", |node| values::text(node).map(PathBuf::from));
    let keep = section.or(problems, "keep", limits::KEEP, |node| values::duration(node, &limits::KEEPS));
    let key = section.path_of("path");
    section.finish(problems);
    let path = typed.as_ref().map_or(&default, |(_, path)| path);
    if let Err(wanted) = writable(path) {
        match &typed {
            Some((node, _)) => problems.push(node.problem(wanted)),
            None => problems
                .at(key, format!("is left out, and the default \"flowcost.db\" does not do: {wanted}")),
        }
    }
    (typed.map_or(default, |(_, path)| path), keep)
}

/// Tries what SQLite will need: new files in the folder. The file itself is the ledger's business: opening and closing
/// it here would drop the locks that this process may have on it.
fn writable(path: &Path) -> Parsed<()> {
    if path.is_dir() {
        return Err("is a folder; name a file in it, such as \"flowcost.db\"".to_owned());
    }
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(format!("needs the folder {folder:?}, which does not exist; create it or name another"));
    }
    let failed =
        |what: &Path, error: io::Error| Err(format!("cannot be written: {}: {error}", what.display()));
    let probe = folder.join(format!(".flowcost-probe-{}", std::process::id()));
    // A probe of a process that died here, with the same id, as containers have it.
    let _ = std::fs::remove_file(&probe);
    match OpenOptions::new().write(true).create_new(true).open(&probe) {
        Err(error) => failed(folder, error),
        Ok(_) => std::fs::remove_file(&probe).or_else(|error| failed(&probe, error)),
    }
}

/// `[ingest]`
pub(super) fn ingest(root: &mut Table<'_>, problems: &mut Problems) -> IngestConfig {
    let mut section = root.table(problems, "ingest");
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let poll_interval = section.or(problems, "poll_interval", Duration::from_secs(60), |node| {
        values::duration(node, &limits::POLL_INTERVAL)
    });
    let lookback =
        section.or(problems, "lookback", hours(48), |node| values::duration(node, &limits::LOOKBACK));
    let start = section.optional(problems, "start", values::moment);
    let concurrency =
        section.or(problems, "concurrency", 4, |node| values::integer(node, &limits::CONCURRENCY));
    section.finish(problems);
    IngestConfig { poll_interval, lookback, start, concurrency: to_usize(concurrency) }
}

/// `[budget]`
pub(super) fn budget(root: &mut Table<'_>, problems: &mut Problems) -> Budget {
    let mut section = root.table(problems, "budget");
    let monthly = section.optional(problems, "monthly_usd", monthly_usd);
    let inter_az_ratio = section.optional(problems, "inter_az_ratio", values::ratio);
    section.finish(problems);
    Budget { monthly, inter_az_ratio }
}

/// What a month may cost.
pub(super) fn monthly_usd(node: &Node<'_>) -> Parsed<NanoUsd> {
    match values::usd(node, limits::BUDGET_USD)? {
        NanoUsd(0) => Err("must be more than 0".to_owned()),
        budget => Ok(budget),
    }
}

/// `[limits]`
pub(super) fn limits(root: &mut Table<'_>, problems: &mut Problems) -> Limits {
    let mut section = root.table(problems, "limits");
    let series = section.or(problems, "series", 10_000, |node| values::integer(node, &limits::SERIES));
    let object_bytes =
        section.or(problems, "object_bytes", 256 << 20, |node| values::size(node, &limits::OBJECT_BYTES));
    let decompressed_bytes = section
        .or(problems, "decompressed_bytes", 2 << 30, |node| values::size(node, &limits::DECOMPRESSED_BYTES));
    let bad_rows_per_object =
        section.or(problems, "bad_rows_per_object", 0, |node| values::integer(node, &(0..=u64::MAX)));
    section.finish(problems);
    Limits { series: to_usize(series), object_bytes, decompressed_bytes, bad_rows_per_object }
}

/// A number whose range was checked against a bound far below that of any `usize`.
fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
