//! `export-history`: the hourly ledger as counters with timestamps, for a database of metrics that was not there yet.
//!
//! Reads the state file as it is at one moment, beside a running exporter or without it. Invariant: what a series grows
//! by from the beginning of an hour to its end is what the ledger has for that hour.

use std::{
    io::{self, Write},
    ops::Range,
};

use crate::{
    cli::ExportHistoryArgs,
    config::Config,
    expose::{HistoryFamily, HistoryWriter, SeriesLabels},
    ledger::{Ledger, LedgerReader, Measure, OpenError},
    limits,
    model::{Hour, Timestamp},
};

/// Why there is no history, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The state cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ledger still has holes.
    #[error(
        "not every source has been read to its end yet, so the history has holes: let the exporter run until \
         /-/ready answers 200, then export again"
    )]
    NotReady,
    /// The text has nowhere to go.
    #[error("cannot write the history")]
    Write(#[from] io::Error),
}

impl HistoryError {
    /// Whoever was reading has seen enough.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The hours, as far as there are any.
    pub hours: Range<Hour>,
    /// Series of all families.
    pub series: u64,
    /// Samples of all series.
    pub samples: u64,
}

/// Writes the closed hours of the ledger to `out`, in many small pieces.
///
/// # Errors
/// When the state cannot be read, is not complete, or `out` cannot be written.
pub fn export(
    config: &Config,
    args: &ExportHistoryArgs,
    now: Timestamp,
    out: impl Write,
) -> Result<Exported, HistoryError> {
    let reader = Ledger::open_read_only(&config.state)?;
    let hours = closed_hours(&reader, config, args, now)?;
    let labels = args.labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect();
    let mut writer = HistoryWriter::new(out, args.step.into(), labels);
    let mut count = 0;
    for family in HistoryFamily::ALL {
        if hours.is_empty() {
            break;
        }
        let measure = measure(family);
        let series = reader.history_series(measure, &hours)?;
        let labels = series.iter().map(|one| SeriesLabels { charge: one.charge, key: one.key.clone() });
        let beginnings = writer.family(family, labels.collect())?;
        for (one, beginning) in series.iter().zip(&beginnings) {
            let added = reader.hours_of(measure, one, hours.end)?;
            writer.series(family, beginning, one.begins, one.before, &added)?;
        }
        count += series.len() as u64;
    }
    let samples = writer.finish()?;
    Ok(Exported { hours, series: count, samples })
}

/// The hours of the range that nothing is expected for any more: settled at the end of the last scan that was
/// complete. While the exporter does not run the clock closes no hour, because nobody has read it.
fn closed_hours(
    reader: &LedgerReader,
    config: &Config,
    args: &ExportHistoryArgs,
    now: Timestamp,
) -> Result<Range<Hour>, HistoryError> {
    let read = reader.read_through(config.sources.iter().map(|source| source.url.as_str()))?;
    let through = read.all.filter(|_| read.first_scan_complete).ok_or(HistoryError::NotReady)?;
    let mut end = Hour::of(now.min(through).minus(limits::HOUR_SETTLES_AFTER));
    let mut start = reader.first_hour()?.unwrap_or(end);
    if let Some(from) = args.from {
        start = start.max(Hour::of(Timestamp(from.0.saturating_add(Hour::SECONDS - 1))));
    }
    if let Some(to) = args.to {
        end = end.min(Hour::of(to));
    }
    Ok(start..end)
}

fn measure(family: HistoryFamily) -> Measure {
    match family {
        HistoryFamily::Bytes => Measure::Bytes,
        HistoryFamily::Packets => Measure::Packets,
        HistoryFamily::Flows => Measure::Flows,
        HistoryFamily::InterAzBytes => Measure::InterAzBytes,
        HistoryFamily::ChargedBytes => Measure::ChargedBytes,
        HistoryFamily::Cost => Measure::Cost,
    }
}
