//! Integration tests, one binary; the file names are the table of contents.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod oracle;
mod support;

mod absurd;
mod architecture;
mod bombs;
mod command_line;
mod configs;
mod crash;
mod demo_folder;
mod disk;
mod exposition;
mod fixtures_parquet;
mod history;
mod ingest;
mod kill;
mod layouts;
mod least_power;
mod mutations;
mod parity;
mod pipeline_property;
mod prometheus;
mod quarantine;
mod reach;
mod reload;
mod s3_faults;
mod s3_walk;
mod scale;
mod semantics;
mod server;
mod state_mutations;
mod store_contract;
mod text_damage;
mod text_files;
mod web;
