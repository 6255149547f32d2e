//! Integration tests, one binary; the file names are the table of contents.

mod support;

mod s3_faults;
mod store_contract;
