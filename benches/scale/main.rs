//! What the exporter costs as its work grows: known objects, sealed objects, an hour of a large organisation, rows and
//! series, and the way over S3. Simulated clock, objects in memory. Prints figures and judges none.
//!
//! ```text
//! cargo bench --bench scale [-- PART...]
//!     idle     polls with nothing new over known objects
//!     state    the state file by sealed object, and what it takes to open it
//!     hour     10,000 new objects an hour
//!     growth   1x, 10x, 100x of rows, objects, series and history
//!     s3       the way over HTTP against that over files, server in a process of its own
//! ```
//!
//! Times are processor time of this process, user and system, the least of several runs.

mod fleet;
mod growth;
mod hour;
mod idle;
mod meter;
mod over_s3;
mod state;
#[allow(clippy::unwrap_used, unreachable_pub, missing_docs, reason = "as the tests have it")]
mod support;
#[allow(dead_code, reason = "not every bench needs all of it")]
#[path = "../traffic.rs"]
mod traffic;

use std::error::Error;

use flowcost_exporter as flowcost;

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

type Part = (&'static str, fn() -> Outcome);

const PARTS: [Part; 5] = [
    ("idle", idle::run),
    ("state", state::run),
    ("hour", hour::run),
    ("growth", growth::run),
    ("s3", over_s3::run),
];

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let [over_s3::SERVE, folder] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return over_s3::serve(folder);
    }
    for (name, run) in PARTS {
        if words.is_empty() || words.iter().any(|word| word == name) {
            meter::say(format_args!("== {name} (load {})", meter::load()));
            run()?;
        }
    }
    Ok(())
}
