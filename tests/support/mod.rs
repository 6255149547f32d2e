//! What the integration tests share.

pub(crate) mod events;
pub(crate) mod s3;
