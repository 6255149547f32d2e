//! The flags of `recount`.

use clap::{Args, ValueEnum};

use super::{UsageError, export::moment};
use crate::model::Timestamp;

/// Flags of `recount`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(
    override_usage = "flowcost-exporter recount --config.file <FILE> --from <TIME> [--to <TIME>] [OPTIONS]\n       \
                            flowcost-exporter recount --config.file <FILE> --abort"
)]
pub struct RecountArgs {
    /// First moment: an RFC 3339 time, or a date for its midnight UTC; its hour is the first.
    #[arg(long, value_name = "TIME", value_parser = moment, required_unless_present = "abort")]
    pub from: Option<Timestamp>,
    /// Last moment [default: the last settled hour].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Option<Timestamp>,
    /// Prices that the hours get: those in force at the end of each hour, or those of the configuration.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = PricesOf::Then)]
    pub prices: PricesOf,
    /// Leave the hours of objects that are gone, replaced or unreadable as they are, and recount the others.
    #[arg(long)]
    pub skip_hours: bool,
    /// Say which hours and objects would be read and what stands against it. Opens no object and changes nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Give up a recount that was begun.
    #[arg(long, conflicts_with_all = ["from", "to", "skip_hours", "dry_run"])]
    pub abort: bool,
}

/// Whose prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PricesOf {
    /// At the end of each hour.
    Then,
    /// Today's.
    Now,
}

impl RecountArgs {
    /// Whether hours get the prices of the configuration.
    pub fn prices_now(&self) -> bool {
        self.prices == PricesOf::Now
    }

    /// Refuses a range without a moment.
    pub fn check(&self) -> Result<(), UsageError> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from >= to => Err(UsageError::EmptyRange { from, to }),
            _ => Ok(()),
        }
    }
}
