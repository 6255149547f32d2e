//! Any bytes as a state file: it opens as what it is or is refused, and is never changed by a refusal.
#![no_main]

use flowcost_exporter::{
    ledger::{Ledger, Options},
    model::Timestamp,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.db");
    std::fs::write(&path, data).expect("a file");
    let options = Options {
        series_limit: 100,
        sources: Vec::new(),
        classifier_fingerprint: String::new(),
        prices: Vec::new(),
    };
    match Ledger::open(&path, &options, Timestamp(0)) {
        Ok((ledger, _)) => {
            let _ = ledger.quarantined();
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(std::fs::read(&path).expect("still there"), data, "a refusal changes nothing");
        }
    }
});
