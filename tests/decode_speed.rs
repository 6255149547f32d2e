//! How fast Parquet is read: `-- --ignored --nocapture decode_speed`.

use std::time::Instant;

use flowcost_exporter::{
    decode::{
        DecodeLimits, Input, Reader,
        encode::{Column, EncodeOptions, parquet},
    },
    demo::{Cluster, SEED, SLOT_SECONDS, slot_of},
    model::Timestamp,
};

/// Tuesday 2025-12-09, 14:02:03 UTC.
const NOW: Timestamp = Timestamp(1_765_288_923);

#[test]
#[ignore = "a measurement, not a test"]
fn decode_speed() {
    let rows = 500_000;
    let records = Cluster::new(SEED).records(slot_of(NOW), SLOT_SECONDS, rows);
    for (name, columns) in [("version 11", Column::ALL), ("version 5", Column::V5), ("version 2", Column::V2)]
    {
        let options = EncodeOptions { columns, ..EncodeOptions::default() };
        let file = bytes::Bytes::from(parquet(&records, &options).unwrap());
        let (mut open, mut all) = (f64::MAX, f64::MAX);
        for _ in 0..7 {
            let began = Instant::now();
            let limits = DecodeLimits { decompressed_bytes: 2 << 30 };
            let mut reader = Reader::open(Input::Whole(file.clone()), &limits).unwrap();
            open = open.min(began.elapsed().as_secs_f64());
            while reader.next_batch().unwrap().is_some() {}
            all = all.min(began.elapsed().as_secs_f64());
        }
        let rate = rows as f64 / all / 1e6;
        println!("{name}: {} bytes, opened in {:.0} us, {rate:.2} million rows/s", file.len(), open * 1e6);
    }
}
