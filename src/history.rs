//! `export-history`: the hourly ledger as counters with timestamps, for a database of metrics that was not there yet.
//!
//! Reads the state file as it is at one moment, beside a running exporter or without it. Invariant: what a series grows
//! by from the beginning of an hour to its end is what the ledger has for that hour.

use std::{
    io::{self, Write},
    ops::Range,
    sync::Arc,
};

use crate::{
    app,
    cli::ExportHistoryArgs,
    config::Config,
    expose::{HistoryFamily, HistoryWriter, SeriesLabels},
    ledger::{Ledger, LedgerReader, Measure, OpenError, Table},
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
    /// Sources that have not settled all of the hours.
    pub unsettled: Vec<Arc<str>>,
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
    let (hours, unsettled) = closed_hours(&reader, config, args, now)?;
    let labels = args.labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect();
    let mut writer = HistoryWriter::new(out, args.step.into(), labels);
    let mut count = 0;
    for table in Table::ALL.into_iter().filter(|_| !hours.is_empty()) {
        let series = reader.history_series(table, &hours)?;
        for family in HistoryFamily::ALL {
            let measure = measure(family);
            if measure.table() != table {
                continue;
            }
            let labels = series.iter().map(|one| SeriesLabels { charge: one.charge, key: one.key.clone() });
            let beginnings = writer.family(family, labels.collect())?;
            for (one, beginning) in series.iter().zip(&beginnings) {
                let added = reader.hours_of(measure, one)?;
                let falls = one.falls(measure);
                writer.series(family, beginning, one.begins, one.before(measure), &added, &falls)?;
            }
            count += series.len() as u64;
        }
    }
    let samples = writer.finish()?;
    Ok(Exported { hours, series: count, samples, unsettled })
}

/// The closed hours of the range that was asked for, and the sources that have not settled them all.
fn closed_hours(
    reader: &LedgerReader,
    config: &Config,
    args: &ExportHistoryArgs,
    now: Timestamp,
) -> Result<(Range<Hour>, Vec<Arc<str>>), HistoryError> {
    let sources = app::ledger_sources(config);
    let closed = reader.closed_hours(&sources, config.ingest.lookback, now)?.ok_or(HistoryError::NotReady)?;
    let Range { mut start, mut end } = closed.hours;
    if let Some(from) = args.from {
        start = start.max(Hour::of(Timestamp(from.0.saturating_add(Hour::SECONDS - 1))));
    }
    if let Some(to) = args.to {
        end = end.min(Hour::of(to));
    }
    let unsettled = if start < end { closed.unsettled(end) } else { Vec::new() };
    Ok((start..end, unsettled))
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
