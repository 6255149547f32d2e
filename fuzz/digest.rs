//! The digest of one object, as the pipeline asks for it.
#![allow(dead_code, reason = "each target uses its part")]

use std::sync::{Arc, OnceLock};

use flowcost_exporter::{
    accumulate::{self, DigestLimits},
    classify::{Classifier, Rules, SourceScope, ZoneSpec},
    decode::Input,
    model::{Hour, Partition, PartitionSpan, Settlement},
    pricing::PriceBook,
};

fn classifier() -> &'static Classifier {
    static CLASSIFIER: OnceLock<Classifier> = OnceLock::new();
    CLASSIFIER.get_or_init(|| {
        let zone = |name: &str, cidr: &str| ZoneSpec {
            name: Arc::from(name),
            az_id: None,
            region: Some(Arc::from("us-east-1")),
            cidrs: vec![cidr.parse().expect("a CIDR")],
            logged: true,
            ..ZoneSpec::default()
        };
        let rules = Rules { zones: vec![zone("a", "10.0.0.0/17"), zone("b", "10.0.128.0/17")], ..Rules::default() };
        let source = SourceScope { name: "logs".into(), region: "us-east-1".into() };
        Classifier::new(rules, &source, PriceBook::default(), None)
    })
}

pub fn digest(object: Vec<u8>) -> Settlement {
    let partition = Partition {
        bucket: Arc::from("s3://fuzz"),
        prefix: Arc::from("p/"),
        start: Hour(490_354),
        span: PartitionSpan::Hour,
    };
    let limits = DigestLimits { decompressed_bytes: 16 << 20, bad_rows: 4 };
    let settlement = accumulate::digest(Input::Whole(object.into()), &partition.into(), classifier(), &limits);
    if let Settlement::Counted(delta) = &settlement {
        assert!(delta.records.total() > 0, "an object without records is empty");
    }
    settlement
}

pub fn digest_caught(object: Vec<u8>) {
    // The result of a panic is quarantine; there is nothing left to check.
    let _ = std::panic::catch_unwind(|| digest(object));
}
