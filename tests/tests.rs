//! Integration tests, one binary; the file names are the table of contents.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod oracle;
mod support;

mod absurd;
mod architecture;
mod aws_environment;
mod aws_errors;
mod bill;
mod bombs;
mod citations;
mod command_line;
mod configs;
mod contributing;
mod crash;
mod demo_folder;
mod disk;
mod exposition;
mod first_start;
mod fixtures_parquet;
mod history;
mod ingest;
mod kill;
mod layouts;
mod least_power;
mod months;
mod mutations;
mod odd_files;
mod parity;
mod past;
mod pipeline_property;
mod prometheus;
mod promises;
mod quarantine;
mod reach;
mod recount;
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
mod toolkit;
mod web;
mod year;
