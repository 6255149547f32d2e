//! Where objects are: list keys and read bytes, and nothing else.
//!
//! Refuses to know what a flow log is. A store returns every object of a listing and exactly the bytes that an
//! object has, or an error; it never returns part of either as if it were all.

mod answer;
pub mod local;
mod retry;
pub mod s3;
mod s3_errors;
mod spare;

use std::{error::Error, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{limits, model::Listed};
pub use retry::Patience;

/// One page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Objects, in ascending order of their keys.
    pub objects: Vec<Listed>,
    /// With a delimiter: the distinct next path segments below the prefix, each as a full prefix with its slash.
    pub prefixes: Vec<String>,
    /// What to ask the next page with; `None` at the end.
    pub next: Option<String>,
}

/// What to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRequest<'a> {
    /// Keys begin with this.
    pub prefix: &'a str,
    /// Keys are greater than this, in byte order (only where there is no delimiter).
    pub start_after: Option<&'a str>,
    /// Whether keys are cut at the next slash and returned as prefixes.
    pub delimited: bool,
    /// [`Page::next`] of the page before.
    pub page: Option<&'a str>,
}

/// A place that has objects.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// One page of a listing.
    async fn list(&self, request: ListRequest<'_>) -> Result<Page, StoreError>;

    /// The bytes of an object, or of a range of it. Pinned to [`Listed::version`] where that is known: a replaced
    /// object is [`FailureReason::Changed`], never a mixture. The result has exactly the length asked for.
    async fn get(&self, object: &Listed, range: Option<Range<u64>>) -> Result<Bytes, StoreError>;

    /// Whether its bytes are on this machine: to get them is work for its processors and not a wait, so that nothing is won
    /// by asking for them ahead.
    fn is_local(&self) -> bool {
        false
    }
}

/// Which operation a request was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// One page of a listing.
    List,
    /// An object or a range of it.
    Get,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 2] = [Self::List, Self::Get];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "get",
        }
    }
}

/// Why a request failed: the label value, the log field and the decision to retry follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureReason {
    /// The store asked to slow down.
    Throttled,
    /// No permission, or no valid credentials.
    Denied,
    /// No such bucket, folder or object.
    NotFound,
    /// No answer in time, or an answer slower than the minimum throughput.
    Timeout,
    /// The object is not the one that was listed any more.
    Changed,
    /// The object is in an archive: it cannot be read before somebody has it restored.
    Archived,
    /// The connection could not be made or broke.
    Network,
    /// The store reported a fault of its own.
    Server,
    /// Anything else: an answer that makes no sense, a client-side fault.
    Other,
}

impl FailureReason {
    /// All reasons, in label order of the exposition.
    pub const ALL: [Self; 9] = [
        Self::Throttled,
        Self::Denied,
        Self::NotFound,
        Self::Timeout,
        Self::Changed,
        Self::Archived,
        Self::Network,
        Self::Server,
        Self::Other,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Timeout => "timeout",
            Self::Changed => "changed",
            Self::Archived => "archived",
            Self::Network => "network",
            Self::Server => "server",
            Self::Other => "other",
        }
    }

    /// Whether the same request can succeed a moment later.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Timeout | Self::Network | Self::Server)
    }
}

/// A failed request, after its retries.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {target}: {reason}", operation = .operation.as_str(), reason = .reason.as_str())]
pub struct StoreError {
    /// What was asked.
    pub operation: Operation,
    /// Of what: bucket and prefix, or bucket and key.
    pub target: String,
    /// Why it failed.
    pub reason: FailureReason,
    /// The cause, where there is one.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// An error with all its causes, outermost first, on one line: for log fields and for people.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Why one attempt failed: what becomes a [`StoreError`] when there is no further one.
#[derive(Debug)]
struct Failure {
    reason: FailureReason,
    detail: String,
}

impl Failure {
    fn new(reason: FailureReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: shortened(detail.into()) }
    }

    fn into_error(self, operation: Operation, target: String) -> StoreError {
        StoreError { operation, target, reason: self.reason, source: Some(Box::new(Detail(self.detail))) }
    }
}

/// The text of a cause. The errors of the libraries end here, so that only what was chosen is shown.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Detail(String);

/// At most [`limits::DETAIL_BYTES`] of a text that somebody else wrote, on one line.
fn shortened(text: String) -> String {
    let mut text = text.replace(char::is_control, " ");
    if text.len() > limits::DETAIL_BYTES {
        text.truncate(text.floor_char_boundary(limits::DETAIL_BYTES));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_names_every_cause_once() {
        let error = Failure::new(FailureReason::Denied, "HTTP 403\nAccessDenied")
            .into_error(Operation::Get, "s3://logs/a.parquet".to_owned());
        assert_eq!(error.to_string(), "get s3://logs/a.parquet: denied");
        assert_eq!(chain(&error), "get s3://logs/a.parquet: denied: HTTP 403 AccessDenied");
    }

    #[test]
    fn detail_is_bounded_at_a_character() {
        let text = shortened("é".repeat(limits::DETAIL_BYTES));
        assert_eq!(text.len(), limits::DETAIL_BYTES);
    }
}
