//! What a set of objects adds up to, worked out in the test's own process, in one go and without a ledger.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::Classifier,
    config::Config,
    decode::Input,
    expose::{BuildInfo, Exposition, Format, Static},
    model::{
        ChargeCounts, FlowCounts, Hour, NatDirection, ObjectDelta, ObjectOutcome, Partition, PartitionSpan,
        Settlement, Snapshot, SourceSums, Timestamp,
    },
    pricing::PriceBook,
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
        let (rules, prices) = (config.rules.clone(), config.prices.clone());
        let [source] = &config.sources[..] else { panic!("one source") };
        let mut snapshot = Snapshot { first_scan_complete: true, ..Snapshot::default() };
        snapshot.by_source.insert(source.name.clone(), SourceSums::default());
        Self {
            config,
            classifier: Classifier::new(rules, &source.scope(), prices, config.ip_ranges()),
            snapshot,
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
        let settlement = digest(Input::Whole(content.clone()), &partition.into(), &self.classifier, &limits);
        let Settlement::Counted(delta) = settlement else { panic!("{settlement:?}") };
        for _ in 0..times {
            self.add_delta(&delta);
        }
        self.snapshot.objects.add(ObjectOutcome::Counted, times);
        self.snapshot.object_bytes += content.len() as u64 * times;
    }

    fn add_delta(&mut self, delta: &ObjectDelta) {
        let Snapshot { traffic, charges, records, by_source, unpriced, doubts, contradictions, .. } =
            &mut self.snapshot;
        records.merge(&delta.records);
        let source = by_source.values_mut().next().expect("the one source");
        for ((_, series), counts) in &delta.traffic {
            if series.key.nat_direction == NatDirection::None {
                source.bytes += counts.bytes;
            }
            let sum: &mut FlowCounts = traffic.entry(series.key.clone()).or_default();
            *sum = sum.checked_add(*counts).expect("in range");
        }
        for ((_, series, charge), counts) in &delta.charges {
            source.cost[*charge as usize].0 += counts.cost.0;
            if counts.unpriced > 0 {
                *unpriced.entry((*charge, delta.aws_region.clone())).or_default() += counts.unpriced;
            }
            let sum: &mut ChargeCounts = charges.entry((*charge, series.key.clone())).or_default();
            *sum = sum.checked_add(*counts).expect("in range");
        }
        delta.doubts.iter().for_each(|((_, kind), bytes)| doubts[*kind as usize] += bytes);
        delta.contradictions.iter().for_each(|((_, kind), count)| contradictions[*kind as usize] += count);
    }

    pub(crate) fn records(&self) -> u64 {
        self.snapshot.records.total()
    }

    /// The counters that an exporter shows which has counted all of it.
    pub(crate) fn scrape(&self) -> Scrape {
        let exposition = Exposition::new(Static {
            loaded_at: Timestamp(0),
            build: BuildInfo::current(),
            sources: BTreeMap::new(),
            prices: [].into(),
            book: PriceBook::default(),
            budget_monthly_usd: None,
            source_budgets: BTreeMap::new(),
            budget_inter_az_ratio: None,
            series_limit: self.config.limits.series,
            process: || None,
        });
        exposition.publish(Arc::new(self.snapshot.clone()));
        Scrape::parse(&exposition.render(Timestamp(0), Format::Text)).kept()
    }
}
