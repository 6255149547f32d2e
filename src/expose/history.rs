//! The history as OpenMetrics: the traffic and charge families of /metrics, each sample with its timestamp.
//!
//! Refuses to know where the hours come from. Invariants: names, labels and metadata are written by the encoder of
//! /metrics, from the catalogue; the samples of a family stand together, those of a series in ascending order of time,
//! as OpenMetrics demands. Memory holds the label sets of one family and one line.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write},
};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Registry};

use super::{
    catalog::{self, Metric},
    encode::{Families, Value},
};
use crate::model::{Charge, FlowKey, Hour, NanoUsd};

/// A family that has a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryFamily {
    /// `flowcost_bytes_total`
    Bytes,
    /// `flowcost_packets_total`
    Packets,
    /// `flowcost_flows_total`
    Flows,
    /// `flowcost_inter_az_bytes_total`
    InterAzBytes,
    /// `flowcost_charged_bytes_total`
    ChargedBytes,
    /// `flowcost_cost_usd_total`
    Cost,
}

impl HistoryFamily {
    /// All of them, in the order of /metrics.
    pub const ALL: [Self; 6] =
        [Self::Bytes, Self::Packets, Self::Flows, Self::InterAzBytes, Self::ChargedBytes, Self::Cost];

    fn metric(self) -> &'static Metric {
        match self {
            Self::Bytes => &catalog::BYTES,
            Self::Packets => &catalog::PACKETS,
            Self::Flows => &catalog::FLOWS,
            Self::InterAzBytes => &catalog::INTER_AZ_BYTES,
            Self::ChargedBytes => &catalog::CHARGED_BYTES,
            Self::Cost => &catalog::COST,
        }
    }
}

/// How often a series has a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Every five minutes, on a straight line between the ends of two hours: what Prometheus looks back for a sample,
    /// so that graphs have no gaps.
    FiveMinutes,
    /// At the end of every hour.
    Hour,
}

impl Step {
    fn seconds(self) -> i64 {
        match self {
            Self::FiveMinutes => 300,
            Self::Hour => Hour::SECONDS,
        }
    }
}

/// The labels of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesLabels {
    /// Of the charge families.
    pub charge: Option<Charge>,
    /// The four.
    pub key: FlowKey,
}

/// Writes a history family by family, series by series.
pub struct HistoryWriter<W> {
    out: W,
    step: Step,
    labels: Vec<(String, String)>,
    samples: u64,
}

impl<W: Write> HistoryWriter<W> {
    /// Writes nothing yet. Every series gets the extra `labels`: names that the families have not, none twice.
    pub fn new(out: W, step: Step, labels: Vec<(String, String)>) -> Self {
        Self { out, step, labels, samples: 0 }
    }

    /// Writes the head of a family. Returns how the lines of its series begin; nothing at all for no series.
    ///
    /// # Errors
    /// When the text cannot be written.
    pub fn family(&mut self, family: HistoryFamily, series: Vec<SeriesLabels>) -> io::Result<Vec<String>> {
        let labels = self.labels.iter().map(|(name, value)| (name.clone().into(), value.clone().into()));
        let mut registry = Registry::with_labels(labels);
        let count = series.len();
        registry.register_collector(Box::new(Blank { metric: family.metric(), series }));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a string takes every write");
        let mut beginnings = Vec::with_capacity(count);
        for line in text.lines().filter(|line| *line != EOF) {
            if line.starts_with('#') {
                writeln!(self.out, "{line}")?;
            } else {
                // Label values may have spaces; the number after the last one is a zero.
                beginnings.push(line.trim_end_matches(|c| c != ' ').to_owned());
            }
        }
        assert_eq!(beginnings.len(), count, "one line for each series");
        Ok(beginnings)
    }

    /// Writes a series: what it was `before` the hour in which it `begins`, as of its first moment, and then what
    /// each hour has added; from the start of an hour of `falls` on it is so much lower. `beginning` is of the same family. Money is in nano-dollars.
    ///
    /// # Errors
    /// When the text cannot be written.
    pub fn series(
        &mut self,
        family: HistoryFamily,
        beginning: &str,
        begins: Hour,
        before: i128,
        hours: &[u64],
        falls: &BTreeMap<Hour, i128>,
    ) -> io::Result<()> {
        let steps = Hour::SECONDS / self.step.seconds();
        let mut at = begins.start().0;
        let mut value = before;
        self.sample(family, beginning, value, at)?;
        for (hour, added) in (begins.0..).map(Hour).zip(hours) {
            value -= falls.get(&hour).copied().unwrap_or(0);
            for step in 1..=steps {
                at += self.step.seconds();
                self.sample(family, beginning, value + i128::from(part(*added, step, steps)), at)?;
            }
            value += i128::from(*added);
        }
        Ok(())
    }

    fn sample(&mut self, family: HistoryFamily, beginning: &str, value: i128, at: i64) -> io::Result<()> {
        self.samples += 1;
        match family {
            HistoryFamily::Cost => {
                let sign = if value < 0 { "-" } else { "" };
                let cost = NanoUsd(u64::try_from(value.unsigned_abs()).unwrap_or(u64::MAX));
                writeln!(self.out, "{beginning}{sign}{cost} {at}")
            }
            _ => writeln!(self.out, "{beginning}{value} {at}"),
        }
    }

    /// Writes the end mark and everything that is held back. Returns the number of samples.
    ///
    /// # Errors
    /// When the text cannot be written.
    pub fn finish(mut self) -> io::Result<u64> {
        writeln!(self.out, "{EOF}")?;
        self.out.flush()?;
        Ok(self.samples)
    }
}

/// The last line of an exposition.
const EOF: &str = "# EOF";

/// What a straight line over an hour has reached after some of its steps; all of it after the last.
fn part(added: u64, step: i64, steps: i64) -> u64 {
    let (step, steps) = (step.unsigned_abs(), steps.unsigned_abs());
    added / steps * step + added % steps * step / steps
}

/// A family in which every series is 0.
#[derive(Debug)]
struct Blank {
    metric: &'static Metric,
    series: Vec<SeriesLabels>,
}

impl Collector for Blank {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Families::new(encoder);
        let charged = self.metric.labels == catalog::CHARGED;
        if charged {
            let samples = self.series.iter().map(|SeriesLabels { charge, key }| {
                let charge = charge.expect("a series of a charge family has a charge").as_str();
                let [src, dst, group, nat] = labels(key);
                ([charge, src, dst, group, nat], Value::Int(0))
            });
            page.family(self.metric, samples)
        } else {
            page.family(self.metric, self.series.iter().map(|series| (labels(&series.key), Value::Int(0))))
        }
    }
}

fn labels(key: &FlowKey) -> [&str; 4] {
    [&key.src_zone, &key.dst_zone, &key.port_group, key.nat_direction.as_str()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NatDirection;

    fn one(zone: &str, charge: Option<Charge>) -> Vec<SeriesLabels> {
        let key = FlowKey {
            src_zone: zone.into(),
            dst_zone: "b".into(),
            port_group: "dns".into(),
            nat_direction: NatDirection::None,
        };
        vec![SeriesLabels { charge, key }]
    }

    fn write(step: Step, labels: &[(&str, &str)], work: impl Fn(&mut HistoryWriter<&mut Vec<u8>>)) -> String {
        let mut text = Vec::new();
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut writer = HistoryWriter::new(&mut text, step, labels);
        work(&mut writer);
        writer.finish().unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn lines_are_those_of_metrics_with_a_timestamp() {
        let none = BTreeMap::new();
        let text = write(Step::Hour, &[("job", "flow \"cost\"")], |writer| {
            for (family, charge) in
                [(HistoryFamily::Bytes, None), (HistoryFamily::Cost, Some(Charge::NatHop))]
            {
                let beginnings = writer.family(family, one("a 1\n", charge)).unwrap();
                writer
                    .series(family, &beginnings[0], Hour(490_354), 5, &[7, 0, 1_000_000_000], &none)
                    .unwrap();
            }
            assert!(writer.family(HistoryFamily::Flows, Vec::new()).unwrap().is_empty());
        });
        assert_eq!(
            text,
            "# HELP flowcost_bytes Bytes of counted flow records: IP length with headers.\n\
             # TYPE flowcost_bytes counter\n\
             # UNIT flowcost_bytes bytes\n\
             flowcost_bytes_total{job=\"flow \\\"cost\\\"\",src_zone=\"a 1\\n\",dst_zone=\"b\",port_group=\"dns\",nat_direction=\"none\"} 5 1765274400\n\
             flowcost_bytes_total{job=\"flow \\\"cost\\\"\",src_zone=\"a 1\\n\",dst_zone=\"b\",port_group=\"dns\",nat_direction=\"none\"} 12 1765278000\n\
             flowcost_bytes_total{job=\"flow \\\"cost\\\"\",src_zone=\"a 1\\n\",dst_zone=\"b\",port_group=\"dns\",nat_direction=\"none\"} 12 1765281600\n\
             flowcost_bytes_total{job=\"flow \\\"cost\\\"\",src_zone=\"a 1\\n\",dst_zone=\"b\",port_group=\"dns\",nat_direction=\"none\"} 1000000012 1765285200\n\
             # HELP flowcost_cost_usd Charged bytes times the price in force when they were read. A price change never rewrites the past.\n\
             # TYPE flowcost_cost_usd counter\n\
             # UNIT flowcost_cost_usd usd\n\
             flowcost_cost_usd_total{job=\"flow \\\"cost\\\"\",charge=\"nat_hop\",src_zone=\"a 1\\n\",dst_zone=\"b\",port_group=\"dns\",nat_direction=\"none\"} 0.000000005 1765274400\n\
             flowcost_cost_usd_total{job=\"flow \\\"cost\\\"\",charge=\"nat_hop\",src_zone=\"a 1\\n\",dst_zone=\"b\",port_group=\"dns\",nat_direction=\"none\"} 0.000000012 1765278000\n\
             flowcost_cost_usd_total{job=\"flow \\\"cost\\\"\",charge=\"nat_hop\",src_zone=\"a 1\\n\",dst_zone=\"b\",port_group=\"dns\",nat_direction=\"none\"} 0.000000012 1765281600\n\
             flowcost_cost_usd_total{job=\"flow \\\"cost\\\"\",charge=\"nat_hop\",src_zone=\"a 1\\n\",dst_zone=\"b\",port_group=\"dns\",nat_direction=\"none\"} 1.000000012 1765285200\n\
             # EOF\n"
        );
    }

    #[test]
    fn five_minutes_are_a_straight_line_that_never_falls_and_is_exact_at_the_end() {
        for added in [0, 1, 11, 12, 13, 1_000_003, i64::MAX as u64] {
            let line: Vec<u64> = (1..=12).map(|step| part(added, step, 12)).collect();
            assert!(line.is_sorted(), "{line:?}");
            assert_eq!(line[11], added);
            for (step, value) in (1_u128..).zip(&line) {
                assert_eq!(u128::from(*value), u128::from(added) * step / 12);
            }
        }
        let text = write(Step::FiveMinutes, &[], |writer| {
            let beginnings = writer.family(HistoryFamily::Packets, one("a", None)).unwrap();
            writer
                .series(HistoryFamily::Packets, &beginnings[0], Hour(1), 100, &[24, 6], &BTreeMap::new())
                .unwrap();
        });
        let samples: Vec<(i64, u64)> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let mut words = line.rsplit(' ');
                let at = words.next().unwrap().parse().unwrap();
                (at, words.next().unwrap().parse().unwrap())
            })
            .collect();
        assert_eq!(samples.len(), 25);
        assert_eq!((samples[0], samples[1], samples[12]), ((3600, 100), (3900, 102), (7200, 124)));
        assert_eq!((samples[13], samples[14], samples[24]), ((7500, 124), (7800, 125), (10_800, 130)));
        assert!(samples.windows(2).all(|pair| pair[1].0 == pair[0].0 + 300));
    }
}
