//! Parity with a pandas analyzer of hourly Parquet files: zone by the third octet, filter by destination port, every
//! record counts. With vantage `every`, match `destination` and REJECT counted the exporter gives its numbers.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::select};

use crate::oracle::{
    Columns, OracleConfig, Part, Row, Tables, ZoneConfig, add_up,
    cases::{START, TOKYO},
    exporter::{self, Format},
};

const NEW_PORTS: [i64; 17] =
    [4080, 4090, 4091, 4101, 4102, 4103, 4104, 4105, 4106, 4107, 4201, 4202, 4203, 4204, 4205, 4206, 4207];
const OLD_PORTS: [i64; 4] = [3100, 8080, 9095, 11_211];
const NEW_GROUPS: [&str; 4] = ["loki-gateway", "loki-cache", "loki-http", "loki-grpc"];
const OLD_GROUPS: [&str; 1] = ["loki-before"];

/// The Loki cluster: its zones, its port plan.
fn config() -> OracleConfig {
    let zone = |name: &str, cidr: &str| ZoneConfig {
        name: name.to_string(),
        cidrs: vec![cidr.to_string()],
        ..ZoneConfig::default()
    };
    let group = |name: &str, ranges: &[(u16, u16)]| (name.to_string(), ranges.to_vec());
    OracleConfig {
        zones: vec![zone("ap-northeast-1a", "10.0.128.0/22"), zone("ap-northeast-1c", "10.0.132.0/22")],
        port_groups: vec![
            group("loki-gateway", &[(4080, 4080)]),
            group("loki-cache", &[(4090, 4091)]),
            group("loki-http", &[(4101, 4107)]),
            group("loki-grpc", &[(4201, 4207)]),
            group("loki-before", &[(3100, 3100), (8080, 8080), (9095, 9095), (11_211, 11_211)]),
        ],
        port_match: "destination",
        vantage: "every",
        rejected: true,
        prices: BTreeMap::from([("inter_az", 10_000_000), ("internet_egress", 114_000_000)]),
        ..OracleConfig::of_region(TOKYO)
    }
}

/// The 14 fields of its format, as far as they matter.
fn columns() -> Columns {
    let mut columns = crate::oracle::version_2();
    columns.remove("interface_id");
    columns
}

fn row() -> impl Strategy<Value = Row> {
    let address = prop_oneof![
        8 => (128..136_u8, any::<u8>()).prop_map(|(third, fourth)| format!("10.0.{third}.{fourth}")),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(third, fourth)| format!("10.0.{third}.{fourth}")),
        1 => select(vec!["10.1.128.5", "11.0.130.7", "52.219.4.1", "172.31.129.9", "2600:1f00::1"])
            .prop_map(ToString::to_string),
    ];
    let ports: Vec<i64> =
        NEW_PORTS.into_iter().chain(OLD_PORTS).chain([443, 4081, 4100, 4108, 4200, 4208, 40_000]).collect();
    let bytes = prop_oneof![40..2_000_000_i64, 0..(1_i64 << 42)];
    (
        (address.clone(), address),
        (select(ports.clone()), select(ports)),
        (bytes, 1..1_000_i64),
        START..START + 3600,
        select(vec!["ACCEPT", "ACCEPT", "REJECT"]),
        select(vec!["OK", "OK", "OK", "OK", "OK", "OK", "NODATA"]),
    )
        .prop_map(|((src, dst), (srcport, dstport), (bytes, packets), end, action, status)| {
            let times = Row {
                start: Some(end - 60),
                end: Some(end),
                log_status: Some(status.to_string()),
                ..Row::default()
            };
            if status == "NODATA" {
                return times;
            }
            Row {
                srcaddr: Some(src),
                dstaddr: Some(dst),
                srcport: Some(srcport),
                dstport: Some(dstport),
                bytes: Some(bytes),
                packets: Some(packets),
                action: Some(action.to_string()),
                ..times
            }
        })
}

/// What the analyzer prints.
#[derive(Debug, Default, PartialEq)]
struct Report {
    total_bytes: u128,
    cross_az_bytes: u128,
    cross_az_percentage: f64,
    zones: BTreeMap<(String, String), (u64, u128)>,
}

impl Report {
    #[allow(clippy::cast_precision_loss, reason = "the analyzer divides floating-point numbers")]
    fn of(zones: BTreeMap<(String, String), (u64, u128)>) -> Self {
        let cross = |(src, dst): &(String, String)| src != dst && src != "unknown" && dst != "unknown";
        let total_bytes = zones.values().map(|(_, bytes)| bytes).sum();
        let cross_az_bytes = zones.iter().filter(|(pair, _)| cross(pair)).map(|(_, (_, bytes))| bytes).sum();
        let percentage = |cross: u128, total: u128| cross as f64 / total as f64 * 100.0;
        Self {
            total_bytes,
            cross_az_bytes,
            cross_az_percentage: if total_bytes > 0 { percentage(cross_az_bytes, total_bytes) } else { 0.0 },
            zones,
        }
    }
}

/// The analyzer, line by line: split the address at its dots, compare the octets, filter, group by, sum.
fn analyze(rows: &[Row], ports: &[i64]) -> Report {
    fn zone(address: &str) -> &'static str {
        let parts: Vec<&str> = address.split('.').collect();
        if parts.len() == 4 && parts[0] == "10" && parts[1] == "0" {
            let third: u32 = parts[2].parse().unwrap();
            if (128..=131).contains(&third) {
                return "ap-northeast-1a";
            }
            if (132..=135).contains(&third) {
                return "ap-northeast-1c";
            }
        }
        "unknown"
    }
    let mut zones: BTreeMap<(String, String), (u64, u128)> = BTreeMap::new();
    for row in rows {
        if !row.dstport.is_some_and(|port| ports.contains(&port)) {
            continue;
        }
        let pair = (
            zone(row.srcaddr.as_deref().unwrap()).to_string(),
            zone(row.dstaddr.as_deref().unwrap()).to_string(),
        );
        let sums = zones.entry(pair).or_default();
        sums.0 += 1;
        sums.1 += row.bytes.unwrap() as u128;
    }
    Report::of(zones)
}

/// The same report from the exporter's series of these port groups. The analyzer knows zones and nothing else.
fn report(tables: &Tables, groups: &[&str]) -> Report {
    let known = |zone: &str| if zone.starts_with("ap-") { zone.to_string() } else { "unknown".to_string() };
    let mut zones: BTreeMap<(String, String), (u64, u128)> = BTreeMap::new();
    for ((_, series), [flows, _, bytes, _]) in &tables.traffic {
        let (src, dst, group, nat) = &series.labels;
        assert_eq!(nat, "none");
        if groups.contains(&group.as_str()) {
            let sums = zones.entry((known(src), known(dst))).or_default();
            sums.0 += u64::try_from(*flows).unwrap();
            sums.1 += bytes;
        }
    }
    Report::of(zones)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_numbers_of_the_pandas_analyzer(
        files in vec(vec(row(), 0..60), 1..5),
        physical in any::<u64>(),
    ) {
        let config = config();
        let part = Part::hour(START);
        let objects: Vec<Tables> = files
            .iter()
            .zip((0..).map(|at| physical.wrapping_add(at)))
            .map(|(rows, physical)| {
                let way = (Format::Parquet, physical);
                exporter::tables(&exporter::settle(rows, &columns(), part, way, &config))
            })
            .collect();
        prop_assert!(objects.iter().all(|object| !object.quarantined));
        let exported = add_up(&objects);
        let rows: Vec<Row> = files.into_iter().flatten().collect();

        for (ports, groups) in [(&NEW_PORTS[..], &NEW_GROUPS[..]), (&OLD_PORTS[..], &OLD_GROUPS[..])] {
            let pandas = analyze(&rows, ports);
            let ours = report(&exported, groups);
            // Zone pairs, connections, bytes and the percentage: equal.
            prop_assert_eq!(&ours, &pandas);

            let of_groups = |group: &str| groups.contains(&group);
            let between: u128 = exported
                .traffic
                .iter()
                .filter(|((_, series), _)| of_groups(&series.labels.2))
                .map(|(_, sums)| sums[3])
                .sum();
            prop_assert_eq!(between, pandas.cross_az_bytes);

            // cost = cross / 2^30 * 0.01 dollars = cross * 10^7 / 2^30 nano-dollars, rounded half up once for every
            // object and series: off by half a nano-dollar each at most.
            let billed = |charges: &mut dyn Iterator<Item = [u128; 3]>| {
                charges.fold((0_u128, 0_u128, 0_u128), |(bytes, nanos, roundings), sums| {
                    (bytes + sums[0], nanos + sums[1], roundings + 1)
                })
            };
            let (bytes, nanos, roundings) = billed(
                &mut objects
                    .iter()
                    .flat_map(|object| &object.charges)
                    .filter(|((_, series, charge), _)| charge == "inter_az" && of_groups(&series.labels.2))
                    .map(|(_, sums)| *sums),
            );
            prop_assert_eq!(bytes, pandas.cross_az_bytes);
            let exact = pandas.cross_az_bytes * 10_000_000;
            prop_assert!((nanos << 30).abs_diff(exact) <= roundings << 29, "{} {} {}", nanos, exact, roundings);
            #[allow(clippy::cast_precision_loss, reason = "the analyzer's own formula")]
            {
                let dollars = pandas.cross_az_bytes as f64 / f64::from(1_u32 << 30) * 0.01;
                let ours = nanos as f64 / 1e9;
                prop_assert!((ours - dollars).abs() <= 0.5e-9 * roundings as f64 + dollars * 1e-12);
            }
        }
    }
}
