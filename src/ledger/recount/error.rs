//! Why there is no recount, or it cannot go on: each case with its remedy.

use std::path::PathBuf;

use crate::{ledger::OpenError, model::Timestamp};

/// Why there is no recount, or it cannot go on.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum RecountError {
    /// The state file cannot be used.
    #[error(transparent)]
    Open(OpenError),
    /// Somebody else has been writing for seconds.
    #[error("{} is being written to: try again in a moment", .path.display())]
    Busy { path: PathBuf },
    /// The state was last written under other rules.
    #[error(
        "the state was last written under other rules than the configuration has: restart or reload the exporter \
         with this configuration first, or wait for its next poll where only the file of aws.ip_ranges was replaced"
    )]
    OtherRules,
    /// Another one has to end first.
    #[error(
        "a recount of {from} to {to} is under way: run that again to go on with it, with the same --prices, or \
         give it up with recount --abort"
    )]
    UnderWay { from: Timestamp, to: Timestamp },
    /// There is nothing to abort, or somebody else has ended it.
    #[error("no recount is under way")]
    NotUnderWay,
    /// Hours without rows.
    #[error("hours before {first} are only in the totals (state.keep): recount from there on")]
    Folded { first: Timestamp },
    /// Hours that are not over.
    #[error("hours from {end} on are not settled yet: recount up to there")]
    Unsettled { end: Timestamp },
    /// Some source was never read to its end.
    #[error("the state is not complete: let the exporter run until /-/ready answers 200")]
    NotReady,
    /// Which objects were counted is not known.
    #[error(
        "which objects of {from} to {to} were counted is not known: version 1 of the state sealed them. Recount later \
         hours"
    )]
    SealedByVersion1 { from: Timestamp, to: Timestamp },
    /// More than are kept in memory.
    #[error("more than {most} objects are to be read: recount fewer hours at a time")]
    TooMany { most: usize },
    /// A sum leaves the range of the file.
    #[error("a sum would be larger than a 64-bit integer")]
    Overflow,
}

impl From<OpenError> for RecountError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Busy { path } => Self::Busy { path },
            other => Self::Open(other),
        }
    }
}
