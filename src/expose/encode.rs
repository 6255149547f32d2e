//! From a catalogue entry and its values to lines of the exposition.
//!
//! Refuses to know where values come from. Invariant: a family is written with exactly the labels of its entry, and a
//! family without samples is not written at all.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use super::catalog::{Kind, Metric};

/// A number as it is to be written: integers stay exact.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A whole number.
    Int(u64),
    /// A number with a fraction.
    Real(f64),
    /// Observations.
    Buckets {
        /// Sum of the observations.
        sum: f64,
        /// Upper bounds with the observations of each bucket alone, `+Inf` last.
        buckets: Vec<(f64, u64)>,
    },
}

/// Label values of one sample, in the order of the entry's label names.
struct Labels<'a>(&'a [&'static str], &'a [&'a str]);

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for (name, value) in self.0.iter().zip(self.1) {
            (*name, *value).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

/// One exposition under way.
pub(super) struct Families<'a>(DescriptorEncoder<'a>);

impl<'a> Families<'a> {
    /// Writes to what a registry hands to a collector.
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Writes one family.
    pub(super) fn family<'v, const N: usize>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([&'v str; N], Value)>,
    ) -> fmt::Result {
        assert_eq!(N, metric.labels.len(), "{} has other labels", metric.name);
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let kind = match metric.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        // The encoder builds the name from stem and unit, and adds `_total` to counters itself.
        let unit = metric.unit.map(|unit| Unit::Other(unit.to_owned()));
        let stem = match metric.unit.and_then(|unit| metric.family().strip_suffix(unit)) {
            Some(stem) => stem.trim_end_matches('_'),
            None => metric.family(),
        };
        let mut family = self.0.encode_descriptor(stem, metric.help, unit.as_ref(), kind)?;
        for (values, value) in samples {
            if N == 0 {
                sample(&mut family, metric.kind, &value)?;
            } else {
                let labels = Labels(metric.labels, &values);
                sample(&mut family.encode_family(&labels)?, metric.kind, &value)?;
            }
        }
        Ok(())
    }

    /// Writes a family of one sample without labels.
    pub(super) fn single(&mut self, metric: &Metric, value: impl Into<Option<Value>>) -> fmt::Result {
        self.family(metric, value.into().map(|value| ([], value)))
    }
}

fn sample(encoder: &mut MetricEncoder<'_>, kind: Kind, value: &Value) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Value::Int(value)) => encoder.encode_counter::<NoLabelSet, _, f64>(value, None),
        (Kind::Counter, Value::Real(value)) => encoder.encode_counter::<NoLabelSet, _, f64>(value, None),
        (Kind::Gauge, Value::Int(value)) => encoder.encode_gauge(value),
        (Kind::Gauge, Value::Real(value)) => encoder.encode_gauge(value),
        (Kind::Histogram, Value::Buckets { sum, buckets }) => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
        (kind, value) => unreachable!("a {} cannot show {value:?}", kind.as_str()),
    }
}
