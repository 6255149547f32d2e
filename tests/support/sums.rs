//! What a set of objects adds up to, worked out in the test's own process, in one go and without a ledger.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::Classifier,
    config::Config,
    decode::Input,
    expose::{BuildInfo, Exposition, Format, Static},
    model::{
        ChargeCounts, FlowCounts, Hour, ObjectDelta, ObjectOutcome, Partition, PartitionSpan, Settlement,
        Snapshot, Timestamp,
    },
};

use super::scrape::Scrape;

/// Sums of whole objects.
pub(crate) struct Sums<'a> {
    config: &'a Config,
    classifier: Classifier,
    snapshot: Snapshot,
}

impl<'a> Sums<'a> {
    /// Nothing yet. The configuration has one source.
    pub(crate) fn new(config: &'a Config) -> Self {
        let region = &config.sources[0].region;
        let prices = config.prices.for_region(region);
        Self {
            config,
            classifier: Classifier::new(config.rules.clone(), region, prices),
            snapshot: Snapshot { first_scan_complete: true, ..Snapshot::default() },
        }
    }

    /// Adds an object of an hourly partition, as often as it is there under different names.
    pub(crate) fn add(&mut self, content: &Bytes, slot: Timestamp, times: u64) {
        let partition = Partition {
            bucket: "file://".into(),
            prefix: "".into(),
            start: Hour::of(slot),
            span: PartitionSpan::Hour,
        };
        let limits = &self.config.limits;
        let limits = DigestLimits {
            decompressed_bytes: limits.decompressed_bytes,
            bad_rows: limits.bad_rows_per_object,
        };
        let settlement = digest(Input::Whole(content.clone()), &partition, &self.classifier, &limits);
        let Settlement::Counted(delta) = settlement else { panic!("{settlement:?}") };
        for _ in 0..times {
            self.add_delta(&delta);
        }
        self.snapshot.objects.add(ObjectOutcome::Counted, times);
        self.snapshot.object_bytes += content.len() as u64 * times;
    }

    fn add_delta(&mut self, delta: &ObjectDelta) {
        let Snapshot { traffic, charges, records, .. } = &mut self.snapshot;
        records.merge(&delta.records);
        for ((_, key), counts) in &delta.traffic {
            let sum: &mut FlowCounts = traffic.entry(key.clone()).or_default();
            *sum = sum.checked_add(*counts).expect("in range");
        }
        for ((_, key, charge), counts) in &delta.charges {
            let sum: &mut ChargeCounts = charges.entry((*charge, key.clone())).or_default();
            *sum = sum.checked_add(*counts).expect("in range");
        }
    }

    pub(crate) fn records(&self) -> u64 {
        self.snapshot.records.total()
    }

    /// The counters that an exporter shows which has counted all of it.
    pub(crate) fn scrape(&self) -> Scrape {
        let exposition = Exposition::new(Static {
            loaded_at: Timestamp(0),
            build: BuildInfo::current(),
            sources: BTreeSet::new(),
            prices: [].into(),
            budget_monthly_usd: None,
            budget_inter_az_ratio: None,
            series_limit: self.config.limits.series,
            process: || None,
        });
        exposition.publish(Arc::new(self.snapshot.clone()));
        Scrape::parse(&exposition.render(Timestamp(0), Format::Text)).kept()
    }
}
