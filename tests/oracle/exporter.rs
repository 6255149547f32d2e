//! The exporter's side of a comparison: the same configuration in its types, and its results in the oracle's.

use std::sync::Arc;

use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::{Classifier, GatewaySpec, PortGroup, PortMatch, Rules, Vantage, ZoneSpec},
    decode::Input,
    model::{
        Charge, ChargeCounts, FlowCounts, FlowKey, Gigabyte, Hour, NanoUsd, Partition, PartitionSpan, Price,
        RecordCounts, RecordOutcome, Settlement,
    },
    pricing::Prices,
};

use super::{Columns, Labels, OracleConfig, Part, Row, Tables, text, write};

pub(crate) const BUCKET: &str = "s3://flow-logs";

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Text,
}

impl Format {
    pub(crate) const ALL: [Self; 2] = [Self::Parquet, Self::Text];
}

/// Writes the rows as a file, in the format and physical shape asked for, and digests it.
pub(crate) fn settle(
    rows: &[Row],
    columns: &Columns,
    part: Part,
    (format, physical): (Format, u64),
    config: &OracleConfig,
) -> Settlement {
    let file = match format {
        Format::Parquet => write::parquet(rows, columns, physical),
        Format::Text => text::text_gz(rows, columns, physical),
    };
    settle_file(file, part, config)
}

/// Digests a file.
pub(crate) fn settle_file(file: Vec<u8>, part: Part, config: &OracleConfig) -> Settlement {
    let limits = DigestLimits { decompressed_bytes: 1 << 30, bad_rows: config.bad_rows_per_object };
    digest(Input::Whole(file.into()), &partition(part), &classifier(config), &limits)
}

pub(crate) fn partition(part: Part) -> Partition {
    let hour = Hour(part.start / 3600);
    let (span, folder) = match part.hours {
        1 => (PartitionSpan::Hour, "hour"),
        24 => (PartitionSpan::Day, "day"),
        hours => panic!("no partition has {hours} hours"),
    };
    Partition {
        bucket: BUCKET.into(),
        prefix: format!("logs/{folder}={}/", hour.0).into(),
        start: hour,
        span,
    }
}

pub(crate) fn classifier(config: &OracleConfig) -> Classifier {
    let shared =
        |texts: &[String]| texts.iter().map(|text| Arc::from(text.as_str())).collect::<Vec<Arc<str>>>();
    let nets = |texts: &[String]| texts.iter().map(|text| text.parse().expect("a network")).collect();
    let rules = Rules {
        zones: config
            .zones
            .iter()
            .map(|zone| ZoneSpec {
                name: zone.name.as_str().into(),
                az_id: zone.az_id.as_deref().map(Into::into),
                region: zone.region.as_str().into(),
                cidrs: nets(&zone.cidrs),
                logged: zone.logged,
            })
            .collect(),
        port_groups: config
            .port_groups
            .iter()
            .map(|(name, ranges)| PortGroup {
                name: name.as_str().into(),
                ports: ranges.iter().map(|(low, high)| *low..=*high).collect(),
            })
            .collect(),
        port_match: match config.port_match {
            "either" => PortMatch::Either,
            "destination" => PortMatch::Destination,
            word => panic!("no port match {word}"),
        },
        gateways: config
            .gateways
            .iter()
            .map(|gateway| GatewaySpec {
                name: gateway.name.as_str().into(),
                zone: gateway.zone.as_str().into(),
                interface_ids: shared(&gateway.interface_ids),
                private_ips: gateway.private_ips.iter().map(|ip| ip.parse().expect("an address")).collect(),
                resource_ids: shared(&gateway.resource_ids),
            })
            .collect(),
        vantage: match config.vantage {
            "auto" => Vantage::Auto,
            "every" => Vantage::Every,
            "sender" => Vantage::Sender,
            word => panic!("no vantage {word}"),
        },
        count_rejected: config.rejected,
        no_charge: config.no_charge.iter().map(|(name, cidrs)| (charge(name), nets(cidrs))).collect(),
    };
    let mut prices = Prices::default();
    for (name, nanos) in &config.prices {
        let unit = match config.bytes_per_gb {
            1_000_000_000 => Gigabyte::Decimal,
            _ => Gigabyte::Binary,
        };
        assert_eq!(unit.bytes(), config.bytes_per_gb);
        prices.set(charge(name), Some(Price { per_gigabyte: NanoUsd(*nanos), unit }));
    }
    Classifier::new(rules, &config.source_region, prices)
}

fn charge(name: &str) -> Charge {
    Charge::parse(name).expect("a charge of the design")
}

/// A settlement in the oracle's words. Only what `digest` says of flow logs: counted, empty, quarantined.
pub(crate) fn tables(settlement: &Settlement) -> Tables {
    match settlement {
        Settlement::Counted(delta) => Tables {
            quarantined: false,
            records: records(&delta.records),
            traffic: delta
                .traffic
                .iter()
                .map(|((hour, key), counts)| ((hour.0, labels(key)), traffic_sums(counts)))
                .collect(),
            charges: delta
                .charges
                .iter()
                .map(|((hour, key, charge), counts)| {
                    ((hour.0, labels(key), charge.as_str().to_string()), charge_sums(counts))
                })
                .collect(),
        },
        Settlement::Empty => Tables::default(),
        Settlement::Quarantined(_) => Tables { quarantined: true, ..Tables::default() },
        other => panic!("digest gave {other:?}"),
    }
}

pub(crate) fn labels(key: &FlowKey) -> Labels {
    (
        key.src_zone.to_string(),
        key.dst_zone.to_string(),
        key.port_group.to_string(),
        key.nat_direction.as_str().to_string(),
    )
}

pub(crate) fn records(counts: &RecordCounts) -> std::collections::BTreeMap<String, u64> {
    RecordOutcome::ALL
        .into_iter()
        .map(|outcome| (outcome.as_str().to_string(), counts.get(outcome)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

pub(crate) fn traffic_sums(counts: &FlowCounts) -> [u128; 4] {
    [counts.flows, counts.packets, counts.bytes, counts.inter_az_bytes].map(u128::from)
}

pub(crate) fn charge_sums(counts: &ChargeCounts) -> [u128; 2] {
    [u128::from(counts.bytes), u128::from(counts.cost.0)]
}

/// A charge of no bytes may or may not have a row: nothing tells it from a charge that never was.
pub(crate) fn without_nothing(mut tables: Tables) -> Tables {
    tables.charges.retain(|_, sums| *sums != [0, 0]);
    tables
}
