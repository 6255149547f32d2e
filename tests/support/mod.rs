//! What the integration tests share.

pub(crate) mod events;
pub(crate) mod exporter;
mod memory;
pub(crate) mod s3;
pub(crate) mod scrape;
pub(crate) mod sums;
pub(crate) mod watcher;
