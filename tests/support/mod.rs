//! What the integration tests share.

pub(crate) mod events;
mod memory;
pub(crate) mod s3;
