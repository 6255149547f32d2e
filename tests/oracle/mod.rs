//! The independent judge of the numbers: docs/semantics.md again, as naively as it can be written.
//!
//! Record by record, strings and wide integers everywhere, an object read as often as a rule asks
//! for it. Shares nothing with the exporter's decoding, topology, classification, prices and sums:
//! where the two disagree, one of them misreads the rules. Comments cite the clause that a step
//! follows.

pub(crate) mod addr;
pub(crate) mod cases;
mod charge;
pub(crate) mod config;
mod contradiction;
mod end;
pub(crate) mod exporter;
mod interface;
mod nat;
mod object;
mod price;
pub(crate) mod random;
mod ranges;
mod record;
mod scope;
mod service;
pub(crate) mod text;
mod vantage;
pub(crate) mod write;
mod zone;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use config::{
    ForwarderConfig, GatewayConfig, NoChargeConfig, OracleConfig, PublicConfig, RangeConfig, ScopeConfig,
    ServiceConfig, ZoneConfig,
};
use object::Object;

macro_rules! columns {
    ($texts:ident: $($text:ident)*; $numbers:ident: $($number:ident)*;) => {
        /// One record as it stands in the file. `None` is null; a text may also say null as `-` or
        /// as nothing.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[allow(missing_docs, reason = "AWS's field names")]
        pub(crate) struct Row {
            $(pub(crate) $text: Option<String>,)*
            $(pub(crate) $number: Option<i64>,)*
            /// Columns of numbers in which something else stands (semantics 1.10).
            pub(crate) unreadable: BTreeSet<&'static str>,
        }

        /// Every text column that the rules read.
        pub(crate) const $texts: [&str; [$(stringify!($text)),*].len()] = [$(stringify!($text)),*];

        /// Every column of numbers that the rules read.
        pub(crate) const $numbers: [&str; [$(stringify!($number)),*].len()] = [$(stringify!($number)),*];

        impl Row {
            pub(crate) fn text(&self, column: &str) -> Option<&str> {
                match column {
                    $(stringify!($text) => self.$text.as_deref(),)*
                    _ => panic!("{column} is not a text column"),
                }
            }

            pub(crate) fn number(&self, column: &str) -> Option<i64> {
                match column {
                    $(stringify!($number) => self.$number,)*
                    _ => panic!("{column} is not a column of numbers"),
                }
            }

            pub(crate) fn set_text(&mut self, column: &str, text: String) {
                match column {
                    $(stringify!($text) => self.$text = Some(text),)*
                    _ => panic!("{column} is not a text column"),
                }
            }

            pub(crate) fn set_number(&mut self, column: &str, number: Option<i64>) {
                match column {
                    $(stringify!($number) => self.$number = number,)*
                    _ => panic!("{column} is not a column of numbers"),
                }
            }
        }
    };
}

columns! {
    TEXTS:
        interface_id resource_id instance_id account_id vpc_id interface_type az_id
        next_hop_interface_id next_hop_interface_type next_hop_az_id
        srcaddr dstaddr pkt_srcaddr pkt_dstaddr pkt_src_aws_service pkt_dst_aws_service
        flow_direction action log_status;
    NUMBERS: srcport dstport packets bytes start end traffic_path;
}

/// The columns that a file has, by their Parquet names.
pub(crate) type Columns = BTreeSet<&'static str>;

/// All columns.
pub(crate) fn all_columns() -> Columns {
    TEXTS.into_iter().chain(NUMBERS).collect()
}

/// The columns of the default (version 2) format that matter.
pub(crate) fn version_2() -> Columns {
    BTreeSet::from([
        "account_id",
        "interface_id",
        "srcaddr",
        "dstaddr",
        "srcport",
        "dstport",
        "packets",
        "bytes",
        "start",
        "end",
        "action",
        "log_status",
    ])
}

/// Which partition an object is in, and what its key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// When the partition begins, in Unix seconds.
    pub(crate) start: i64,
    pub(crate) hours: i64,
    pub(crate) account: Option<&'static str>,
    pub(crate) region: Option<&'static str>,
}

impl Part {
    /// An hour's partition whose keys name neither account nor region.
    pub(crate) const fn hour(start: i64) -> Self {
        Self { start, hours: 1, account: None, region: None }
    }
}

/// Source zone, destination zone, port group, NAT direction.
pub(crate) type Labels = (String, String, String, String);

/// A label set with its AZs (semantics 6.17), and how its ends stand to each other (semantics 9.4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    pub(crate) src_az: Option<String>,
    pub(crate) dst_az: Option<String>,
    pub(crate) relation: String,
}

impl From<Labels> for Series {
    /// A series of which nothing more is known.
    fn from(labels: Labels) -> Self {
        Self { labels, src_az: None, dst_az: None, relation: String::new() }
    }
}

/// Flows, packets, bytes, inter-AZ bytes.
pub(crate) type Traffic = BTreeMap<(i64, Series), [u128; 4]>;

/// Bytes, nano-dollars, and the bytes without a price.
pub(crate) type Charges = BTreeMap<(i64, Series, String), [u128; 3]>;

/// What one object adds. The hour is in hours since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    pub(crate) quarantined: bool,
    pub(crate) records: BTreeMap<String, u64>,
    pub(crate) traffic: Traffic,
    pub(crate) charges: Charges,
    /// Bytes by hour and kind.
    pub(crate) doubts: BTreeMap<(i64, String), u128>,
    /// Records by hour and kind.
    pub(crate) contradictions: BTreeMap<(i64, String), u64>,
    /// The latest believed time (semantics 9.3).
    pub(crate) newest: Option<i64>,
}

impl Tables {
    fn quarantine() -> Self {
        Self { quarantined: true, ..Self::default() }
    }

    /// The same without AZs, relations, doubts, contradictions and times: what older expectations
    /// say.
    pub(crate) fn labels_only(self) -> Self {
        let mut sums = Self { quarantined: self.quarantined, records: self.records, ..Self::default() };
        for ((hour, series), values) in self.traffic {
            add(sums.traffic.entry((hour, series.labels.into())).or_default(), &values);
        }
        for ((hour, series, charge), values) in self.charges {
            add(sums.charges.entry((hour, series.labels.into(), charge)).or_default(), &values);
        }
        sums
    }
}

fn add<const N: usize>(sums: &mut [u128; N], values: &[u128; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

/// Works out what the rows of one object, in a file with these columns, add to the sums.
pub(crate) fn judge(rows: &[Row], columns: &Columns, part: Part, config: &OracleConfig) -> Tables {
    // What is required (semantics 1.3).
    let has = |name| columns.contains(name);
    if !has("bytes") || !(has("srcaddr") || has("pkt_srcaddr")) || !(has("dstaddr") || has("pkt_dstaddr")) {
        return Tables::quarantine();
    }

    let object = Object::read(rows, columns, part, config);
    let mut tables = Tables { newest: object.newest, ..Tables::default() };
    for outcome in &object.dropped {
        *tables.records.entry((*outcome).to_string()).or_default() += 1;
    }
    for seen in &object.seen {
        let verdict = object.verdict(seen);
        *tables.records.entry(verdict.outcome.to_string()).or_default() += 1;
        let (hour, bytes) = (seen.record.hour, seen.record.bytes);
        // Only counted records add to traffic, `other_side` ones to charges as well (semantics
        // 1.18).
        if verdict.outcome == "counted" {
            let inter_az = if verdict.inter_az { bytes } else { 0 };
            let sums = tables.traffic.entry((hour, verdict.series.clone())).or_default();
            add(sums, &[1, seen.record.packets, bytes, inter_az]);
        }
        for charge in verdict.charges {
            let key = (hour, verdict.series.clone(), charge.to_string());
            tables.charges.entry(key).or_default()[0] += bytes;
        }
        for doubt in verdict.doubts {
            *tables.doubts.entry((hour, doubt.to_string())).or_default() += bytes;
        }
        for (hour, kind) in verdict.contradictions {
            *tables.contradictions.entry((hour, kind.to_string())).or_default() += 1;
        }
    }

    // An object counts whole or not at all (semantics 1.19): first its bad records ...
    if tables.records.get("bad").copied().unwrap_or(0) > config.bad_rows_per_object {
        return Tables::quarantine();
    }
    for ((_, _, charge), [bytes, nanos, unpriced]) in &mut tables.charges {
        let price = price::of(charge, &object.key_region(), config);
        *nanos = price::money(*bytes, price, config.bytes_per_gb);
        *unpriced = if price.is_none() { *bytes } else { 0 };
    }
    // ... then for its sums. Those of doubts are among them: no counter could hold them either.
    let too_large = |sums: &[u128]| sums.iter().any(|sum| *sum > i64::MAX as u128);
    if tables.traffic.values().any(|sums| too_large(sums))
        || tables.charges.values().any(|sums| too_large(sums))
        || tables.doubts.values().any(|sum| too_large(&[*sum]))
    {
        return Tables::quarantine();
    }
    // A doubt about no bytes is none.
    tables.doubts.retain(|_, bytes| *bytes > 0);
    tables
}

/// Sum of several objects, as the totals of a ledger are.
pub(crate) fn add_up(objects: &[Tables]) -> Tables {
    let mut sum = Tables::default();
    for object in objects.iter().filter(|object| !object.quarantined) {
        for (outcome, count) in &object.records {
            *sum.records.entry(outcome.clone()).or_default() += count;
        }
        for (key, values) in &object.traffic {
            add(sum.traffic.entry(key.clone()).or_default(), values);
        }
        for (key, values) in &object.charges {
            add(sum.charges.entry(key.clone()).or_default(), values);
        }
        for (key, bytes) in &object.doubts {
            *sum.doubts.entry(key.clone()).or_default() += bytes;
        }
        for (key, count) in &object.contradictions {
            *sum.contradictions.entry(key.clone()).or_default() += count;
        }
        sum.newest = sum.newest.max(object.newest);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every case by hand against the oracle: who judges the judge.
    #[test]
    fn the_oracle_gives_every_hand_computed_case() {
        let mut wrong = Vec::new();
        for case in cases::cases() {
            let got = judge(&case.rows, &case.columns, case.part, &case.config);
            if let Err(why) = case.expect.check(&case, &got) {
                wrong.push(format!("{}\n{why}", case.name));
            }
        }
        assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    }

    /// Of every outcome but `bad` (semantics 9.3), as far as it is believed.
    #[test]
    fn the_newest_record_is_the_latest_believed_time() {
        let part = Part::hour(cases::START);
        let row = |end: i64, status: &str, source: &str| Row {
            srcaddr: Some(source.to_string()),
            dstaddr: Some("10.0.0.2".to_string()),
            bytes: Some(1),
            end: Some(cases::START + end),
            log_status: Some(status.to_string()),
            ..Row::default()
        };
        let config = OracleConfig { bad_rows_per_object: 1, ..OracleConfig::default() };
        let newest =
            |rows: &[Row]| judge(rows, &all_columns(), part, &config).newest.map(|time| time - cases::START);
        let counted = row(10, "OK", "10.0.0.1");
        assert_eq!(newest(std::slice::from_ref(&counted)), Some(10));
        assert_eq!(newest(&[counted.clone(), row(20, "NODATA", "-")]), Some(20));
        assert_eq!(newest(&[counted.clone(), row(20, "OK", "nonsense")]), Some(10));
        assert_eq!(newest(&[counted.clone(), row(25 * 3600, "SKIPDATA", "-")]), Some(25 * 3600));
        assert_eq!(newest(&[counted, row(25 * 3600 + 1, "SKIPDATA", "-")]), Some(10));
        assert_eq!(newest(&[row(-25 * 3600, "OK", "10.0.0.1")]), None);
        assert_eq!(
            newest(&[Row { end: None, start: Some(cases::START + 5), ..row(0, "OK", "10.0.0.1") }]),
            Some(5)
        );
        assert_eq!(newest(&[Row { end: None, ..row(0, "OK", "10.0.0.1") }]), None);
    }

    #[test]
    fn cases_have_names_of_their_own_and_are_many() {
        let cases = cases::cases();
        let names: BTreeSet<_> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len(), "a name twice");
        assert!(cases.len() >= 900, "{} cases", cases.len());
    }
}
