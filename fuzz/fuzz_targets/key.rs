//! Any key under any layout and root: a partition or a reason, and a listing that begins before the key.
//!
//! The input is three lines: layout, root, key.
#![no_main]

use std::sync::Arc;

use flowcost_exporter::{
    discover::{layout::Layout, window::Window},
    model::PartitionSpan,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let (Some(layout), Some(root), Some(key)) = (lines.next(), lines.next(), lines.next()) else { return };
    let Ok(layout) = Layout::parse(layout) else { return };
    let bucket = Arc::from("s3://fuzz");
    // A listing gives no keys but those below its root.
    if !key.starts_with(root) {
        return;
    }
    for head in layout.heads() {
        let dates = head.dates();
        if let Ok(parsed) = dates.parse(&bucket, root, key) {
            assert!(key.starts_with(&*parsed.partition.prefix));
            let start = parsed.partition.start.start();
            let window = Window { from: start, until: start };
            for whole_day in [true, false] {
                if !whole_day && dates.may_mix() && parsed.partition.span == PartitionSpan::Day {
                    continue;
                }
                let begin = dates.seek(root, &window, whole_day, "").expect("the window has a partition");
                assert!(*begin < *key, "{key}: a listing of its time begins behind it");
                let at = dates.seek(root, &window, whole_day, key);
                assert_eq!(at.as_deref(), Some(key), "{key}: a listing that has come to it goes on elsewhere");
            }
        }
    }
});
