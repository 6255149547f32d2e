//! Random configurations, rows and files. Everything is drawn from small pools, so that rules meet
//! each other: objects learn, and what they learn disagrees.

mod configs;
mod rows;

pub(crate) use configs::config;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    Columns, NUMBERS, Part, Row, TEXTS, all_columns,
    cases::{HOUR, MIDNIGHT, START, TOKYO},
};

/// A file: its rows, which columns it has, where its key puts it, and how it is written (see
/// `write`).
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) rows: Vec<Row>,
    pub(crate) columns: Columns,
    pub(crate) part: Part,
    /// Gzip text, or Parquet.
    pub(crate) text: bool,
    /// 0 is the plainest way; every other value is some mixture of all ways.
    pub(crate) physical: u64,
}

const ACCOUNTS: [&str; 2] = ["111122223333", "444455556666"];
const VPCS: [&str; 2] = ["vpc-a", "vpc-b"];
const SOURCES: [&str; 2] = ["logs", "other"];
const REGIONS: [&str; 4] = ["us-east-1", TOKYO, "eu-west-1", "cn-north-1"];
const AZ_IDS: [&str; 6] = ["use1-az1", "use1-az2", "use1-az3", "apne1-az1", "apne1-az4", "az-9"];
/// Gateway addresses.
const N: [&str; 4] = ["10.0.1.5", "10.0.2.5", "10.77.0.5", "fd00:a::5"];
const NAT_INTERFACES: [&str; 2] = ["eni-nat-0", "eni-nat-1"];
const HOSTS: [&str; 4] = ["eni-1", "eni-2", "eni-db", "eni-fw"];

fn word(pool: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(pool).prop_map(ToString::to_string)
}

/// Parts in 10 that hold.
fn chance(parts: u8) -> impl Strategy<Value = bool> {
    (0..10_u8).prop_map(move |drawn| drawn < parts)
}

/// Most columns, sometimes all, rarely too few.
fn columns() -> impl Strategy<Value = Columns> {
    let all = || TEXTS.into_iter().chain(NUMBERS);
    let optional: Vec<&'static str> =
        all().filter(|name| !matches!(*name, "bytes" | "srcaddr" | "dstaddr")).collect();
    let some = vec(0..10_u8, optional.len()).prop_map(move |keep| {
        let mut columns: Columns =
            optional.iter().zip(keep).filter(|(_, keep)| *keep != 9).map(|(name, _)| *name).collect();
        columns.extend(["bytes", "srcaddr", "dstaddr"]);
        columns
    });
    let without = |dropped: Vec<&'static str>| {
        let mut columns = all_columns();
        columns.retain(|name| !dropped.contains(name));
        columns
    };
    // What versions 5 and 11 of the format lack, and what matters most.
    let groups = select(vec![
        vec!["interface_type", "next_hop_interface_id", "next_hop_interface_type", "next_hop_az_id"],
        vec!["instance_id"],
        vec!["instance_id", "interface_type"],
        vec!["vpc_id"],
        vec!["traffic_path"],
        vec!["az_id", "next_hop_az_id"],
        vec!["pkt_srcaddr", "pkt_dstaddr"],
        vec!["flow_direction"],
        vec!["flow_direction", "pkt_srcaddr", "pkt_dstaddr"],
    ]);
    prop_oneof![
        4 => Just(all_columns()),
        1 => Just(super::version_2()),
        4 => some,
        6 => vec(groups, 1..3).prop_map(move |groups| without(groups.concat())),
        1 => vec(select(all().collect::<Vec<_>>()), 1..8).prop_map(without),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let time = select(vec![(START, 1), (MIDNIGHT, 24), ((HOUR + 1) * 3600, 1)]);
    let account = prop_oneof![1 => Just(None), 6 => select(&ACCOUNTS[..]).prop_map(Some)];
    let region = prop_oneof![2 => Just(None), 8 => select(&REGIONS[..2]).prop_map(Some), 1 => select(&REGIONS[2..]).prop_map(Some)];
    (time, account, region).prop_map(|((start, hours), account, region)| Part {
        start,
        hours,
        account,
        region,
    })
}

/// A file of up to `rows` rows. `huge`: numbers that make sums overflow.
pub(crate) fn file(rows: usize, huge: bool) -> impl Strategy<Value = File> {
    let way = (any::<bool>(), prop_oneof![1 => Just(0), 6 => any::<u64>()]);
    (rows::rows(rows, huge), columns(), part(), way)
        .prop_map(|(rows, columns, part, (text, physical))| File { rows, columns, part, text, physical })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};

    use super::*;
    use crate::oracle::{cases::written::CHARGES, judge};

    /// A rule that random objects never meet is not compared.
    #[test]
    fn random_objects_meet_every_outcome_doubt_contradiction_and_charge() {
        let mut runner = TestRunner::deterministic();
        let mut met: BTreeMap<String, u64> = BTreeMap::new();
        for _ in 0..2_000 {
            let config = config().new_tree(&mut runner).unwrap().current();
            let file = file(40, false).new_tree(&mut runner).unwrap().current();
            let tables = judge(&file.rows, &file.columns, file.part, &config);
            let mut words: Vec<String> =
                tables.records.keys().map(|word| format!("outcome {word}")).collect();
            words.extend(tables.doubts.keys().map(|(_, kind)| format!("doubt {kind}")));
            words.extend(tables.contradictions.keys().map(|(_, kind)| format!("contradiction {kind}")));
            words.extend(tables.charges.keys().map(|(_, _, charge)| format!("charge {charge}")));
            words.extend(tables.charges.values().filter(|sums| sums[2] > 0).map(|_| "unpriced".to_string()));
            for (_, series) in tables.traffic.keys() {
                words.push(format!("relation {}", series.relation));
                words.push(format!("direction {}", series.labels.3));
                words.extend([&series.labels.0, &series.labels.1].map(|label| match label.split_once(':') {
                    Some((aws, _)) => format!("label {aws}:"),
                    None => format!("label {label}"),
                }));
            }
            words.extend(tables.quarantined.then(|| "quarantined".to_string()));
            words.sort();
            words.dedup();
            for word in words {
                *met.entry(word).or_default() += 1;
            }
        }
        let expected = [
            (
                "outcome",
                &["counted", "other_side", "nat_public_leg", "rejected", "nodata", "skipdata", "bad"][..],
            ),
            (
                "doubt",
                &[
                    "unknown_zone",
                    "egress_path",
                    "interface",
                    "between_vpcs",
                    "own_side",
                    "regional_public",
                    "nat_leg",
                    "far_side",
                ],
            ),
            ("contradiction", &["az_id", "region", "path", "outside_networks", "forwarder", "endpoint"]),
            ("charge", &CHARGES),
            ("relation", &["same-az", "inter-az", "inter-region", "internet", "aws", "unknown"]),
            ("direction", &["none", "out", "in"]),
            ("label", &["aws", "aws:", "internet", "unknown", "use1-az1", "zone-a", "zone-e"]),
        ];
        let rare: Vec<String> = expected
            .into_iter()
            .flat_map(|(kind, words)| words.iter().map(move |word| format!("{kind} {word}")))
            .chain(["unpriced".to_string(), "quarantined".to_string()])
            .filter(|word| met.get(word).copied().unwrap_or(0) < 10)
            .collect();
        assert!(rare.is_empty(), "in fewer than ten of 2,000 objects: {rare:?} of {met:#?}");
    }
}
