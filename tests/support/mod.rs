//! What the integration tests share.

pub(crate) mod bucket;
pub(crate) mod craft;
pub(crate) mod events;
mod memory;
pub(crate) mod s3;
pub(crate) mod world;
