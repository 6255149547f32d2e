//! Gzip text logs as they are found: known formats with sums worked out by hand, damage, and bombs.

use std::{collections::BTreeMap, io::Write as _, path::Path};

use flate2::{Compression, write::GzEncoder};
use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    decode::Input,
    model::{QuarantineReason, Settlement},
};

use crate::{
    oracle::{
        GatewayConfig, OracleConfig, Part, Tables, ZoneConfig,
        cases::{HOUR, START, TOKYO},
        exporter,
    },
    support::alone::alone,
};

pub(crate) const PART: Part = Part::hour(START);

pub(crate) fn config() -> OracleConfig {
    let zone = |name: &str, az_id: &str, cidrs: &[&str]| ZoneConfig {
        name: name.to_owned(),
        az_id: Some(az_id.to_owned()),
        region: Some(TOKYO.to_owned()),
        cidrs: cidrs.iter().map(|cidr| (*cidr).to_owned()).collect(),
        ..ZoneConfig::default()
    };
    OracleConfig {
        zones: vec![
            zone("1a", "apne1-az4", &["10.0.128.0/22", "10.0.32.0/21", "2001:db8:a::/48"]),
            zone("1c", "apne1-az1", &["10.0.132.0/22", "10.0.40.0/21", "2001:db8:c::/48"]),
        ],
        port_groups: vec![("loki".to_owned(), vec![(4080, 4080), (4101, 4107)])],
        ..OracleConfig::of_region(TOKYO)
    }
}

pub(crate) fn with_gateway() -> OracleConfig {
    let gateway = GatewayConfig {
        name: "nat-1a".to_owned(),
        zone: Some("1a".to_owned()),
        interface_ids: vec!["eni-0352f8c82da6aa229".to_owned()],
        private_ips: vec!["10.0.136.5".to_owned()],
        ..GatewayConfig::default()
    };
    OracleConfig { gateways: vec![gateway], ..config() }
}

pub(crate) fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/text").join(name);
    std::fs::read_to_string(path).unwrap()
}

pub(crate) fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::default());
    file.write_all(text.as_ref()).unwrap();
    file.finish().unwrap()
}

/// Records by outcome; traffic as `hour src dst group nat: flows packets bytes inter-zone-bytes`; charges as
/// `charge src dst nat: bytes`.
fn lines(tables: &Tables) -> Vec<String> {
    assert!(!tables.quarantined);
    let records = tables.records.iter().map(|(outcome, count)| format!("{outcome} {count}"));
    let traffic = tables.traffic.iter().map(|((hour, series), sums)| {
        let (src, dst, group, nat) = &series.labels;
        format!("{:+} {src} {dst} {group} {nat}: {sums:?}", hour - HOUR)
    });
    let mut charged: BTreeMap<String, u128> = BTreeMap::new();
    for ((_, series, charge), [bytes, ..]) in &tables.charges {
        let (src, dst, _, nat) = &series.labels;
        *charged.entry(format!("{charge} {src} {dst} {nat}")).or_default() += bytes;
    }
    let charges = charged.into_iter().map(|(key, bytes)| format!("{key}: {bytes}"));
    records.chain(traffic).chain(charges).collect()
}

fn sums(name: &str, config: &OracleConfig) -> Vec<String> {
    lines(&exporter::tables(&exporter::settle_file(gzip(fixture(name)), PART, config)))
}

#[test]
fn the_default_format() {
    let want = [
        "counted 7",
        "nodata 1",
        "rejected 1",
        "skipdata 1",
        "+0 1a 1a loki none: [1, 3, 100, 0]",
        "+0 1a 1c loki none: [1, 1, 1, 1]",
        "+0 1a 1c other none: [1, 6, 1000000, 1000000]",
        "+0 1a internet other none: [1, 4, 1000, 0]",
        "+0 1a unknown other none: [1, 7, 10000000, 0]",
        "+0 1c 1a loki none: [1, 2, 10, 10]",
        "+1 internet 1a other none: [1, 5, 10000, 0]",
        "inter_az 1a 1c none: 1000001",
        "inter_az 1c 1a none: 10",
        "internet_egress 1a internet none: 1000",
    ];
    assert_eq!(sums("default-14-fields.txt", &config()), want);
}

#[test]
fn a_custom_format_of_18_fields_with_packet_addresses() {
    let want = [
        "counted 4",
        "nat_public_leg 2",
        "nodata 1",
        "rejected 1",
        "+0 1a 1c loki none: [1, 3, 100, 100]",
        "+0 1c internet other none: [1, 4, 1000, 0]",
        "+0 1c internet other out: [1, 1, 1, 0]",
        "+0 internet 1c other in: [1, 2, 10, 0]",
        "inter_az 1a 1c none: 100",
        "internet_egress 1c internet out: 1",
        "nat_hop 1c internet out: 1",
        "nat_hop internet 1c in: 10",
        "nat_processing 1c internet out: 1",
        "nat_processing internet 1c in: 10",
    ];
    assert_eq!(sums("custom-18-fields.txt", &with_gateway()), want);
}

#[test]
fn a_custom_format_of_19_fields_without_times_and_status_under_both_spellings() {
    let want = [
        "counted 5",
        "nat_public_leg 2",
        "nodata 1",
        "other_side 1",
        "rejected 1",
        "+0 1a 1c loki none: [1, 4, 1000, 1000]",
        "+0 1a aws other out: [1, 3, 100, 0]",
        "+0 1c internet other out: [1, 1, 1, 0]",
        "+0 internet 1a other none: [1, 5, 10000, 0]",
        "+0 internet 1c other in: [1, 2, 10, 0]",
        "inter_az 1a 1c none: 2000",
        "internet_egress 1c internet out: 1",
        "nat_hop 1c internet out: 1",
        "nat_hop internet 1c in: 10",
        "nat_processing 1a aws out: 100",
        "nat_processing 1c internet out: 1",
        "nat_processing internet 1c in: 10",
    ];
    assert_eq!(sums("custom-19-fields.txt", &with_gateway()), want);
    assert_eq!(sums("custom-19-fields-underscores.txt", &with_gateway()), want);
}

#[test]
fn a_day_of_all_formats_put_together() {
    let names = ["default-14-fields.txt", "custom-18-fields.txt", "custom-19-fields-underscores.txt"];
    let texts = names.map(fixture);
    let one_by_one: Vec<u8> = texts.iter().flat_map(gzip).collect();
    let without_last_line_ends: Vec<u8> = texts.iter().flat_map(|text| gzip(text.trim_end())).collect();
    let want = exporter::settle_file(gzip(texts.concat()), PART, &with_gateway());
    let Settlement::Counted(delta) = &want else { panic!("{want:?}") };
    assert_eq!(delta.records.total(), 28);
    for file in [one_by_one, without_last_line_ends] {
        assert_eq!(exporter::settle_file(file, PART, &with_gateway()), want);
    }
}

#[test]
fn what_is_wrong_is_said_with_its_row() {
    let row = "10.0.128.10 10.0.132.10 1 2 3 4\n";
    let head = "srcaddr dstaddr srcport dstport packets bytes\n";
    for bad in [
        "10.0.128.10 10.0.132.10 1 2 3",
        "10.0.128.10 10.0.132.10 1 2 3 -",
        "10.0.128.10 10.0.132.10 1 2 3 4.5",
        "10.0.128.10 10.0.132.10 1 2 3 -4",
        "10.0.128.10 10.0.132.10 1 2 99999999999999999999 4",
        "10.0.128.10 10.0.132.10 70000 2 3 4",
        "10.0.128.10 ::x 1 2 3 4",
        "- 10.0.132.10 1 2 3 4",
    ] {
        // In the second batch, so that rows are counted over batches, and after a header, which is no row.
        let text = [head, &row.repeat(9_000), head, row, bad, "\n", bad].concat();
        let Settlement::Quarantined(why) = exporter::settle_file(gzip(text), PART, &config()) else {
            panic!("{bad}: not refused")
        };
        assert_eq!(why.reason, QuarantineReason::BadRows);
        assert!(why.detail.contains("2 bad rows") && why.detail.contains("row 9001"), "{bad}: {why}");
    }
    let large = format!("10.0.128.10 10.0.132.10 1 2 3 {}\n", i64::MAX);
    let text = [head, &row.repeat(9_000), &large].concat();
    let Settlement::Quarantined(why) = exporter::settle_file(gzip(text), PART, &config()) else {
        panic!("not refused")
    };
    assert_eq!(why.reason, QuarantineReason::Overflow);
    assert!(why.detail.contains("row 9000"), "{why}");
}

/// A gigabyte of text must not need a gigabyte of memory: the process does not have it.
#[test]
fn bombs_are_refused_or_read_with_little_memory() {
    alone("text_files::bombs_are_refused_or_read_with_little_memory", "ulimit -v 600000", bombs);
}

fn bombs() {
    const MIB: usize = 1 << 20;
    let settle = |file: Vec<u8>, decompressed_bytes: u64| {
        assert!(file.len() < 40 * MIB, "{} bytes are no bomb", file.len());
        let limits = DigestLimits { decompressed_bytes, bad_rows: 0 };
        digest(Input::Whole(file.into()), &exporter::origin(PART), &exporter::classifier(&config()), &limits)
    };
    let refused = |settlement: Settlement, reason: QuarantineReason| match settlement {
        Settlement::Quarantined(why) if why.reason == reason => {}
        other => panic!("not {reason:?}: {other:?}"),
    };
    let head = gzip("srcaddr dstaddr bytes vpc-id interface-id\n");
    let times = |block: &[u8], times: usize| [head.clone(), gzip(block).repeat(times)].concat();
    let no_limit = u64::MAX;

    // One line of a gigabyte, in a megabyte.
    refused(settle(times(&vec![0; MIB], 1024), no_limit), QuarantineReason::Corrupt);

    // A gigabyte of long lines: read to the end, or to the limit.
    let line = |id: &str, fill: usize| format!("10.0.128.1 10.0.132.1 1 {} {id}\n", "v".repeat(fill));
    let long = times(line("eni-0a1", 65_000).repeat(16).as_bytes(), 1024);
    match settle(long.clone(), no_limit) {
        Settlement::Counted(delta) => assert_eq!(delta.records.total(), 16 * 1024),
        other => panic!("{other:?}"),
    }
    refused(settle(long, 512 << 20), QuarantineReason::TooLarge);

    // Long values, all different, in a column whose values are remembered.
    let ids = (0..8192).flat_map(|row| gzip(line(&format!("{row}{}", "i".repeat(60_000)), 1)));
    match settle(head.iter().copied().chain(ids).collect(), no_limit) {
        Settlement::Counted(delta) => assert_eq!(delta.records.total(), 8192),
        other => panic!("{other:?}"),
    }

    // The same in one whose values are told to people.
    let az = gzip("srcaddr dstaddr bytes vpc-id az-id flow-direction\n");
    let ids = (0..8192).flat_map(|row| gzip(line(&format!("{row}{} egress", "a".repeat(60_000)), 1)));
    match settle(az.into_iter().chain(ids).collect(), no_limit) {
        Settlement::Counted(delta) => assert_eq!(delta.records.total(), 8192),
        other => panic!("{other:?}"),
    }

    // Wide headers, each another.
    let header = |at: usize| format!("srcaddr dstaddr bytes n{at}{}\n", " v".repeat(900));
    let headers: Vec<u8> = (0..1_000).flat_map(|at| gzip(header(at))).collect();
    assert_eq!(settle(headers, no_limit), Settlement::Empty);

    let peak = procfs::process::Process::myself().unwrap().status().unwrap().vmhwm.unwrap();
    assert!(peak < 64 << 10, "{peak} KiB");
}
