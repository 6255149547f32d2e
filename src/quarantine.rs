//! `quarantine list|retry|drop`: the objects that could not be read, for a person.
//!
//! Refuses to change what is known of an object: it notes what is asked, and the exporter does it. So each command may
//! run beside the exporter or without it.

use std::fmt::Write as _;

use crate::{
    cli::{
        Selection,
        table::{columns, plain},
    },
    config::Config,
    ledger::{Ledger, OpenError, QuarantinedObject, Request, RequestError},
};

/// Why a command has failed.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// The state cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nothing was asked.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// The objects in quarantine, as a table.
///
/// # Errors
/// When the state cannot be read.
pub fn list(config: &Config) -> Result<String, QuarantineError> {
    let (objects, all) = Ledger::open_read_only(&config.state)?.quarantined()?;
    let mut text = table(&objects);
    let more = all.saturating_sub(objects.len() as u64);
    if more > 0 {
        let _ = writeln!(text, "{more} more, of which no particulars are kept");
    }
    if text.is_empty() {
        text.push_str("nothing is in quarantine\n");
    }
    Ok(text)
}

/// Asks for objects to be read again or given up, and says what will happen when.
///
/// # Errors
/// When an object is not in quarantine, or the state cannot be written. Nothing is asked then.
pub fn ask(config: &Config, request: Request, which: &Selection) -> Result<String, QuarantineError> {
    let keys = (!which.all).then_some(which.keys.as_slice());
    let objects = Ledger::request(&config.state, request, keys)?;
    let what = match request {
        Request::Retry => "read again",
        Request::Drop => "dropped",
    };
    let number = match objects.len() {
        0 => return Ok("nothing is in quarantine\n".to_owned()),
        1 => "1 object".to_owned(),
        many => format!("{many} objects"),
    };
    let mut text = format!("{number} will be {what} at the exporter's next poll, or when it is started\n");
    let gone = |object: &&QuarantinedObject| {
        !config.sources.iter().any(|source| source.name == object.candidate.source)
    };
    let gone = objects.iter().filter(gone).count();
    if request == Request::Retry && gone > 0 {
        let _ = writeln!(text, "{gone} of them wait until their source is in the configuration again");
    }
    Ok(text)
}

/// One line for each object, in columns; nothing for none. What varies in length most stands last.
fn table(objects: &[QuarantinedObject]) -> String {
    if objects.is_empty() {
        return String::new();
    }
    const HEADINGS: [&str; 7] = ["SOURCE", "REASON", "SINCE", "SIZE", "ASKED", "KEY", "DETAIL"];
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(objects.iter().map(|object| {
        let listed = &object.candidate.listed;
        let reason = object.why.reason.as_str().to_owned();
        let asked = object.request.map_or("-", Request::as_str).to_owned();
        let (source, key) = (plain(&object.candidate.source), plain(&listed.id.to_string()));
        let size = listed.size.to_string();
        [source, reason, object.since.to_string(), size, asked, key, plain(&object.why.detail)]
    }));
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Candidate, Hour, Listed, ObjectId, Partition, PartitionSpan, Quarantine, QuarantineReason, Timestamp,
    };

    #[test]
    fn the_table_is_in_columns_and_controls_no_terminal() {
        let object = |key: &str, reason, size| QuarantinedObject {
            candidate: Candidate {
                listed: Listed {
                    id: ObjectId { bucket: "s3://logs".into(), key: key.to_owned() },
                    size,
                    version: None,
                },
                source: "ops".into(),
                partition: Partition {
                    bucket: "s3://logs".into(),
                    prefix: "".into(),
                    start: Hour(0),
                    span: PartitionSpan::Hour,
                },
            },
            why: Quarantine { reason, detail: "row 7\u{1b}[31m".to_owned() },
            since: Timestamp(1_765_274_400),
            retries: 0,
            request: (size == 5).then_some(Request::Drop),
        };
        let objects = [
            object("a", QuarantineReason::TooLarge, 5),
            object("long/key", QuarantineReason::Schema, 123_456),
        ];
        assert_eq!(
            table(&objects),
            "SOURCE  REASON     SINCE                 SIZE    ASKED  KEY                 DETAIL\n\
             ops     too_large  2025-12-09T10:00:00Z  5       drop   s3://logs/a         row 7\\u{1b}[31m\n\
             ops     schema     2025-12-09T10:00:00Z  123456  -      s3://logs/long/key  row 7\\u{1b}[31m\n"
        );
        assert_eq!(table(&[]), "");
    }
}
