//! Any key under any layout: a partition or a reason, and a boundary that sorts before the key.
#![no_main]

use std::sync::Arc;

use flowcost_exporter::discover::layout::Layout;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (layout, key) = text.split_once('\n').unwrap_or(("auto", text));
    let Ok(layout) = Layout::parse(layout) else { return };
    let bucket = Arc::from("s3://fuzz");
    for head in layout.heads() {
        let dates = head.dates();
        if let Ok(parsed) = dates.parse(&bucket, "", key) {
            assert!(key.starts_with(&*parsed.partition.prefix));
            let start = parsed.partition.start.start();
            assert!(*dates.boundary("", start, true) <= *key, "{key}: a listing from its day would miss it");
            assert!(*dates.boundary("", start, false) <= *key || dates.may_mix(), "{key}: a listing from its hour");
        }
    }
});
