//! The exporter's side of a comparison: the same configuration in its types, and its results in the
//! oracle's.

use std::{collections::BTreeMap, io::Write as _, sync::Arc};

use flate2::{Compression, write::GzEncoder};
use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::{
        Billing, Classifier, EndpointAt, ForwarderSpec, GatewayPath, GatewaySpec, NoCharge, PortGroup,
        PortMatch, PublicNets, Rules, Scope, ServiceSpec, SourceScope, Vantage, ZoneSpec,
    },
    decode::Input,
    model::{
        Charge, ChargeCounts, FlowCounts, FlowKey, Gigabyte, Hour, NanoUsd, Origin, Partition, PartitionSpan,
        RecordCounts, RecordOutcome, Settlement,
    },
    pricing::{Overrides, PriceBook},
    topology::IpRanges,
};

use super::{
    Columns, Labels, OracleConfig, Part, Row, ScopeConfig, Series, Tables, config::PriceList, text, write,
};

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
    digest(Input::Whole(file.into()), &origin(part), &classifier(config), &limits)
}

/// Where the key of an object puts it.
pub(crate) fn origin(part: Part) -> Origin {
    Origin {
        partition: partition(part),
        account: part.account.map(Into::into),
        region: part.region.map(Into::into),
    }
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
    let source =
        SourceScope { name: config.source.as_str().into(), region: config.source_region.as_str().into() };
    Classifier::new(rules(config), &source, price_book(config), ip_ranges(config).as_ref())
}

/// AWS's `ip-ranges.json` as far as it is read, as it is or gzipped.
fn ip_ranges(config: &OracleConfig) -> Option<IpRanges> {
    let ranges = config.ip_ranges.as_ref()?;
    let list = |six: bool| {
        let key = if six { "ipv6_prefix" } else { "ip_prefix" };
        let entries = ranges.iter().filter(|range| range.prefix.contains(':') == six).map(|range| {
            format!(
                r#"{{"{key}": "{}", "region": "{}", "service": "{}", "network_border_group": "{}"}}"#,
                range.prefix, range.region, range.service, range.region
            )
        });
        entries.collect::<Vec<_>>().join(", ")
    };
    let json = format!(
        r#"{{"syncToken": "1765274400", "createDate": "2025-12-09-10-00-00", "prefixes": [{}], "ipv6_prefixes": [{}]}}"#,
        list(false),
        list(true)
    );
    let file = if ranges.len().is_multiple_of(2) { json.into_bytes() } else { gzip(json.as_bytes()) };
    Some(IpRanges::parse(&file).expect("a file of AWS's form"))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::default());
    file.write_all(text).expect("memory takes everything");
    file.finish().expect("memory takes everything")
}

fn shared(texts: &[String]) -> Vec<Arc<str>> {
    texts.iter().map(|text| Arc::from(text.as_str())).collect()
}

fn nets(texts: &[String]) -> Vec<ipnet::IpNet> {
    texts.iter().map(|text| text.parse().expect("a network")).collect()
}

fn scope(scope: &ScopeConfig) -> Scope {
    Scope {
        sources: shared(&scope.sources),
        accounts: shared(&scope.accounts),
        regions: shared(&scope.regions),
        vpc_ids: shared(&scope.vpc_ids),
    }
}

fn rules(config: &OracleConfig) -> Rules {
    Rules {
        zones: zones(config),
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
        gateways: gateways(config),
        forwarders: config
            .forwarders
            .iter()
            .map(|forwarder| ForwarderSpec {
                name: forwarder.name.as_str().into(),
                interface_ids: shared(&forwarder.interface_ids),
                scope: scope(&forwarder.scope),
            })
            .collect(),
        services: services(config),
        public_nets: config
            .public_cidrs
            .iter()
            .map(|entry| PublicNets { cidrs: nets(&entry.cidrs), scope: scope(&entry.scope) })
            .collect(),
        peered: config
            .peered
            .iter()
            .map(|(one, other)| (one.as_str().into(), other.as_str().into()))
            .collect(),
        gateway_path: match config.gateway_path {
            "vpn" => GatewayPath::Vpn,
            "direct_connect" => GatewayPath::DirectConnect,
            word => panic!("no gateway path {word}"),
        },
        endpoint_at: match config.endpoint_at {
            "endpoint" => EndpointAt::Endpoint,
            "client" => EndpointAt::Client,
            word => panic!("no place of endpoint processing {word}"),
        },
        vantage: match config.vantage {
            "auto" => Vantage::Auto,
            "every" => Vantage::Every,
            "sender" => Vantage::Sender,
            word => panic!("no vantage {word}"),
        },
        count_rejected: config.rejected,
        no_charge: config
            .no_charge
            .iter()
            .map(|entry| NoCharge {
                charge: charge(entry.charge),
                cidrs: nets(&entry.cidrs),
                scope: scope(&entry.scope),
            })
            .collect(),
        home_region: config.home_region.as_str().into(),
    }
}

fn zones(config: &OracleConfig) -> Vec<ZoneSpec> {
    config
        .zones
        .iter()
        .map(|zone| ZoneSpec {
            name: zone.name.as_str().into(),
            az_id: zone.az_id.as_deref().map(Into::into),
            region: zone.region.as_deref().map(Into::into),
            cidrs: nets(&zone.cidrs),
            logged: zone.logged,
            within: zone.within.as_deref().map(Into::into),
            outside: zone.outside,
            scope: scope(&zone.scope),
        })
        .collect()
}

fn gateways(config: &OracleConfig) -> Vec<GatewaySpec> {
    config
        .gateways
        .iter()
        .map(|gateway| GatewaySpec {
            name: gateway.name.as_str().into(),
            zone: gateway.zone.as_deref().map(Into::into),
            interface_ids: shared(&gateway.interface_ids),
            private_ips: gateway.private_ips.iter().map(|ip| ip.parse().expect("an address")).collect(),
            resource_ids: shared(&gateway.resource_ids),
            scope: scope(&gateway.scope),
        })
        .collect()
}

fn services(config: &OracleConfig) -> Vec<ServiceSpec> {
    config
        .services
        .iter()
        .map(|service| ServiceSpec {
            name: service.name.as_str().into(),
            cidrs: nets(&service.cidrs),
            interface_ids: shared(&service.interface_ids),
            billing: match service.billing {
                "both" => Billing::Both,
                "far_side" => Billing::FarSide,
                "free" => Billing::Free,
                word => panic!("no billing {word}"),
            },
            scope: scope(&service.scope),
        })
        .collect()
}

fn price_book(config: &OracleConfig) -> PriceBook {
    let overrides = |list: &PriceList| -> Overrides {
        list.iter().map(|(name, nanos)| (charge(name), NanoUsd(*nanos))).collect()
    };
    let unit = if config.bytes_per_gb == 1_000_000_000 { Gigabyte::Decimal } else { Gigabyte::Binary };
    assert_eq!(unit.bytes(), config.bytes_per_gb);
    PriceBook {
        unit,
        overrides: overrides(&config.prices),
        regions: config
            .region_prices
            .iter()
            .map(|(region, list)| (region.as_str().into(), overrides(list)))
            .collect(),
        forced_region: config.price_region.as_deref().map(Into::into),
        ..PriceBook::default()
    }
}

fn charge(name: &str) -> Charge {
    Charge::parse(name).expect("a charge of the design")
}

/// A settlement in the oracle's words. Only what `digest` says of flow logs: counted, empty,
/// quarantined.
pub(crate) fn tables(settlement: &Settlement) -> Tables {
    match settlement {
        Settlement::Counted(delta) => Tables {
            quarantined: false,
            records: records(&delta.records),
            traffic: delta
                .traffic
                .iter()
                .map(|((hour, key), counts)| ((hour.0, series(key)), traffic_sums(counts)))
                .collect(),
            charges: delta
                .charges
                .iter()
                .map(|((hour, key, charge), counts)| {
                    ((hour.0, series(key), charge.as_str().to_string()), charge_sums(counts))
                })
                .collect(),
            doubts: delta
                .doubts
                .iter()
                .map(|((hour, doubt), bytes)| ((hour.0, doubt.as_str().to_string()), u128::from(*bytes)))
                .collect(),
            contradictions: delta
                .contradictions
                .iter()
                .map(|((hour, kind), count)| ((hour.0, kind.as_str().to_string()), *count))
                .collect(),
            newest: delta.newest_record.map(|time| time.0),
        },
        Settlement::Empty => Tables::default(),
        Settlement::Quarantined(_) => Tables { quarantined: true, ..Tables::default() },
        other => panic!("digest gave {other:?}"),
    }
}

pub(crate) fn series(series: &flowcost_exporter::model::Series) -> Series {
    Series {
        labels: labels(&series.key),
        src_az: series.src_az.as_deref().map(str::to_string),
        dst_az: series.dst_az.as_deref().map(str::to_string),
        relation: series.relation.as_str().to_string(),
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

pub(crate) fn records(counts: &RecordCounts) -> BTreeMap<String, u64> {
    RecordOutcome::ALL
        .into_iter()
        .map(|outcome| (outcome.as_str().to_string(), counts.get(outcome)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

pub(crate) fn traffic_sums(counts: &FlowCounts) -> [u128; 4] {
    [counts.flows, counts.packets, counts.bytes, counts.inter_az_bytes].map(u128::from)
}

pub(crate) fn charge_sums(counts: &ChargeCounts) -> [u128; 3] {
    [counts.bytes, counts.cost.0, counts.unpriced].map(u128::from)
}

/// A charge of no bytes and a doubt about none may or may not have a row: nothing tells them from
/// one that never was.
pub(crate) fn without_nothing(mut tables: Tables) -> Tables {
    tables.charges.retain(|_, sums| *sums != [0, 0, 0]);
    tables.doubts.retain(|_, bytes| *bytes > 0);
    tables
}
