//! What the integration tests share.

pub(crate) mod alone;
pub(crate) mod bucket;
pub(crate) mod craft;
pub(crate) mod events;
pub(crate) mod exporter;
mod memory;
pub(crate) mod network;
pub(crate) mod s3;
pub(crate) mod scrape;
pub(crate) mod sums;
pub(crate) mod tls;
pub(crate) mod tools;
pub(crate) mod watcher;
pub(crate) mod world;

use std::time::{SystemTime, UNIX_EPOCH};

use flowcost_exporter::model::Timestamp;

/// The time of day, for tests of the real binary, whose clock nobody can set.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp(since.as_secs().cast_signed())
}
