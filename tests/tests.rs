//! Integration tests, one binary; the file names are the table of contents.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod support;

mod architecture;
mod demo_folder;
mod exposition;
mod kill;
mod s3_faults;
mod scale;
mod server;
mod store_contract;
