//! Any text, gzipped, through the whole digest: no panic, no hang, and every record has one outcome.
#![no_main]

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;

#[path = "../digest.rs"]
mod digest;

fuzz_target!(|data: &[u8]| {
    // The first byte decides whether the bytes are the text or the gzip itself.
    let Some((first, rest)) = data.split_first() else { return };
    let object = if first & 1 == 0 {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(rest).expect("memory");
        encoder.finish().expect("memory")
    } else {
        rest.to_vec()
    };
    digest::digest(object);
});
