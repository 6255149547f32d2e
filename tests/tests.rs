//! Integration tests, one binary; the file names are the table of contents.

mod exposition;
mod server;
