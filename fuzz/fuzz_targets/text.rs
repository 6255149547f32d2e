//! Any text, gzipped, and anything that begins like a gzip file, through the whole digest: no panic, no hang, and every
//! record has one outcome.
#![no_main]

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;

#[path = "../digest.rs"]
mod digest;

fuzz_target!(|data: &[u8]| {
    let object = if data.starts_with(&[0x1f, 0x8b]) {
        data.to_vec()
    } else {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    };
    digest::digest(object);
});
