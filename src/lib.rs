//! Prometheus exporter that turns AWS VPC Flow Logs into exact, priced traffic counters.
//!
//! ```text
//!             S3 or a local folder                                             Prometheus
//!                  |                                                               ^
//!   discover -> fetch -> [ decode -> classify -> accumulate ] -> ledger.commit -> expose
//!   Backlog     Bytes     FlowBatch   FlowKey     ObjectDelta      Ledger          Snapshot
//!   (I/O)       (I/O)     (------ one pure function: digest ------) (I/O, SQLite)  (read only)
//!                  pipeline drives it; reader lists, fetches and decodes; event tells of it; app owns the tasks
//! ```
//!
//! State = progress + totals: one value, one transition, one transaction. An object in S3 is the atom.
//!
//! - I1 Totals are the sum of the deltas of the objects marked counted.
//! - I2 No traffic, charge, record or object counter ever goes down, not even across a restart.
//! - I3 Progress is a set of keys: late, re-listed, out-of-order and duplicated listings change nothing.
//! - I4 One bad object cannot stop, crash or starve the others.
//! - I5 Every record read has exactly one outcome. An object counts whole or not at all.
//! - I6 The number of series is bounded, and the excess goes to one series so that sums stay exact.
//! - I7 The exposition is byte-for-byte the same for the same state.
//! - I8 Stale is visible, and a dead ingest loop ends the process.
//!
//! Modules in the order of the data:

// A dependency in Cargo.toml that nothing here uses. Unit tests see those of the tests as well.
#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod model;

pub mod limits;

pub mod panics;

pub mod event;

pub mod aws;

pub mod store;

pub mod discover;

pub mod fetch;

pub mod decode;

pub mod topology;

pub mod classify;

pub mod pricing;

pub mod month;

pub mod accumulate;

pub mod ledger;

pub mod expose;

pub mod reader;

pub mod pipeline;

pub mod app;

pub mod check;

pub mod quarantine;

pub mod history;

pub mod recount;

pub mod config;

pub mod cli;

pub mod healthcheck;

pub mod demo;
