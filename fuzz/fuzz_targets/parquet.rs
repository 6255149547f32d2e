//! Any bytes as a Parquet object through the whole digest, behind the guard. Panics inside the decoder library are
//! what the pipeline turns into quarantine; they are caught here the same way and are no finding.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../digest.rs"]
mod digest;

fuzz_target!(
    init: {
        // libFuzzer's hook aborts at every panic; the pipeline catches those of the decoder.
        std::panic::set_hook(Box::new(|_| {}));
    },
    |data: &[u8]| digest::digest_caught(data.to_vec())
);
