//! The flags of `export-history`.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::UsageError;
use crate::{
    expose::{Step, catalog},
    limits,
    model::Timestamp,
};

/// Flags of `export-history`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ExportHistoryArgs {
    /// First moment: an RFC 3339 time, or a date for its midnight UTC [default: the ledger's first hour].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Timestamp>,
    /// Last moment; hours that are not settled are never exported [default: the last settled hour].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Option<Timestamp>,
    /// How often each series has a sample; between the ends of two hours on a straight line.
    #[arg(long, value_name = "STEP", value_enum, default_value_t = HistoryStep::FiveMinutes)]
    pub step: HistoryStep,
    /// Format of the text.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = HistoryFormat::Openmetrics)]
    pub format: HistoryFormat,
    /// Label for every series, as a scrape adds it: job=flowcost, instance=flowcost:9843. May be given several times.
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<ExtraLabel>,
}

/// How often each exported series has a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HistoryStep {
    /// Every five minutes.
    #[value(name = "5m")]
    FiveMinutes,
    /// At the end of every hour.
    #[value(name = "1h")]
    Hour,
}

impl From<HistoryStep> for Step {
    fn from(step: HistoryStep) -> Self {
        match step {
            HistoryStep::FiveMinutes => Self::FiveMinutes,
            HistoryStep::Hour => Self::Hour,
        }
    }
}

/// Format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HistoryFormat {
    /// OpenMetrics 1.0.0.
    Openmetrics,
}

/// A label that an export gives to every series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraLabel {
    /// A label name of Prometheus that the families do not have.
    pub name: String,
    /// Not empty: that would be the same as no label.
    pub value: String,
}

/// A text that is no extra label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtraLabelError {
    /// No name, no value, or neither.
    #[error("write NAME=VALUE, such as job=flowcost")]
    Form,
    /// Not a name.
    #[error("a label name has letters, digits and underscores, does not begin with a digit, nor with __")]
    Name,
    /// A name that says something else.
    #[error("{0} is a label of the exported series themselves")]
    Taken(String),
}

impl FromStr for ExtraLabel {
    type Err = ExtraLabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or(ExtraLabelError::Form)?;
        let (name, value) = (name.to_owned(), value.to_owned());
        if name.is_empty() || value.is_empty() {
            return Err(ExtraLabelError::Form);
        }
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain || name.starts_with("__") || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(ExtraLabelError::Name);
        }
        if catalog::CHARGED.contains(&name.as_str()) {
            return Err(ExtraLabelError::Taken(name));
        }
        Ok(Self { name, value })
    }
}

/// A moment of the command line.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    // A date alone is its first moment.
    let midnight = if text.len() == "2025-12-09".len() { "T00:00:00Z" } else { "" };
    OffsetDateTime::parse(&format!("{text}{midnight}"), &Rfc3339)
        .map(|at| Timestamp(at.unix_timestamp()))
        .map_err(|_| "write a date such as 2025-12-09, or a time such as 2025-12-09T10:00:00Z".to_owned())
}

impl ExportHistoryArgs {
    /// Refuses flags that contradict each other.
    pub fn check(&self) -> Result<(), UsageError> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(UsageError::EmptyRange { from, to });
        }
        let twice = |(at, label): &(usize, &ExtraLabel)| {
            self.labels[..*at].iter().any(|earlier| earlier.name == label.name)
        };
        if let Some((_, label)) = self.labels.iter().enumerate().find(twice) {
            return Err(UsageError::LabelTwice { name: label.name.clone() });
        }
        if self.labels.len() > limits::EXPORT_LABELS {
            return Err(UsageError::TooManyLabels { labels: self.labels.len() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::{Cli, Command};

    fn read(words: &str) -> Result<ExportHistoryArgs, String> {
        let words = format!("flowcost-exporter export-history {words}");
        let cli = Cli::read(words.split(' ').filter(|word| !word.is_empty()).map(OsString::from));
        match cli.map_err(|error| error.to_string())?.command() {
            Command::ExportHistory(args) => args.check().map(|()| args).map_err(|error| error.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn moments_are_dates_or_times() {
        let args = read("--from 2025-12-09 --to 2025-12-09T11:30:00+01:00").unwrap();
        assert_eq!((args.from, args.to), (Some(Timestamp(1_765_238_400)), Some(Timestamp(1_765_276_200))));
        let args = read("").unwrap();
        assert_eq!((args.from, args.to, args.step), (None, None, HistoryStep::FiveMinutes));
        assert_eq!(read("--step 1h --format openmetrics").unwrap().step, HistoryStep::Hour);
        for wrong in
            ["--from yesterday", "--from 2025-13-09", "--to 2025-12-09T10:00:00", "--step 1m", "--format csv"]
        {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(wrong.split(' ').nth(1).unwrap()), "{error}");
        }
        let error = read("--from 2025-12-10 --to 2025-12-09").unwrap_err();
        assert_eq!(error, "--from 2025-12-10T00:00:00Z is not before --to 2025-12-09T00:00:00Z");
        assert!(read("--from 2025-12-09 --to 2025-12-09").is_err());
    }

    #[test]
    fn labels_are_such_as_a_scrape_adds() {
        let args = read("--label job=flowcost --label instance=a=b:9843").unwrap();
        assert_eq!(args.labels[1], ExtraLabel { name: "instance".to_owned(), value: "a=b:9843".to_owned() });
        let wrong = [
            ("job", "write NAME=VALUE"),
            ("=x", "write NAME=VALUE"),
            ("job=", "write NAME=VALUE"),
            ("1a=x", "does not begin with a digit"),
            ("a-b=x", "letters, digits and underscores"),
            ("__name__=x", "nor with __"),
            ("src_zone=x", "src_zone is a label of the exported series"),
            ("charge=x", "charge is a label of the exported series"),
        ];
        for (label, message) in wrong {
            let error = read(&format!("--label {label}")).unwrap_err();
            assert!(error.contains(message), "{label}: {error}");
        }
        assert_eq!(read("--label job=a --label job=b").unwrap_err(), "--label job is there twice");
        let many: String = (0..17).map(|number| format!("--label l{number}=x ")).collect();
        assert_eq!(read(&many).unwrap_err(), "--label is there 17 times, at most 16 are allowed");
    }
}
