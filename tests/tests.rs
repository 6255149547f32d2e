//! Integration tests, one binary; the file names are the table of contents.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

mod s3_faults;
mod store_contract;
