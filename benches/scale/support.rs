//! The S3 server of the tests.

#[path = "../../tests/support/memory.rs"]
pub(crate) mod memory;
#[path = "../../tests/support/s3.rs"]
pub(crate) mod s3;
