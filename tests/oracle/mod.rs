//! The independent judge of the numbers: section 5 of the design again, as naively as it can be written.
//!
//! Record by record, strings and wide integers everywhere, no table that is looked up twice. Shares nothing with the
//! exporter's decoding, classification, prices and sums: where the two disagree, one of them misreads the design.
//! Comments quote the sentence that a step follows, with its section.

pub(crate) mod addr;
pub(crate) mod cases;
mod charge;
pub(crate) mod exporter;
mod nat;
pub(crate) mod random;
mod record;
pub(crate) mod text;
pub(crate) mod write;
mod zone;

use std::collections::{BTreeMap, BTreeSet};

use record::Reading;

/// One record as it stands in the file. `None` is null; a text may also say null as `-` or as nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "AWS's field names")]
pub(crate) struct Row {
    pub(crate) interface_id: Option<String>,
    pub(crate) resource_id: Option<String>,
    pub(crate) interface_type: Option<String>,
    pub(crate) az_id: Option<String>,
    pub(crate) next_hop_interface_id: Option<String>,
    pub(crate) next_hop_interface_type: Option<String>,
    pub(crate) next_hop_az_id: Option<String>,
    pub(crate) srcaddr: Option<String>,
    pub(crate) dstaddr: Option<String>,
    pub(crate) pkt_srcaddr: Option<String>,
    pub(crate) pkt_dstaddr: Option<String>,
    pub(crate) pkt_src_aws_service: Option<String>,
    pub(crate) pkt_dst_aws_service: Option<String>,
    pub(crate) flow_direction: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) log_status: Option<String>,
    pub(crate) srcport: Option<i64>,
    pub(crate) dstport: Option<i64>,
    pub(crate) packets: Option<i64>,
    pub(crate) bytes: Option<i64>,
    pub(crate) start: Option<i64>,
    pub(crate) end: Option<i64>,
    pub(crate) traffic_path: Option<i64>,
}

/// The columns that a file has, by their Parquet names.
pub(crate) type Columns = BTreeSet<&'static str>;

/// Every text column of section 5.
pub(crate) const TEXTS: [&str; 16] = [
    "interface_id",
    "resource_id",
    "interface_type",
    "az_id",
    "next_hop_interface_id",
    "next_hop_interface_type",
    "next_hop_az_id",
    "srcaddr",
    "dstaddr",
    "pkt_srcaddr",
    "pkt_dstaddr",
    "pkt_src_aws_service",
    "pkt_dst_aws_service",
    "flow_direction",
    "action",
    "log_status",
];

/// Every integer column of section 5.
pub(crate) const NUMBERS: [&str; 7] =
    ["srcport", "dstport", "packets", "bytes", "start", "end", "traffic_path"];

/// All columns.
pub(crate) fn all_columns() -> Columns {
    TEXTS.into_iter().chain(NUMBERS).collect()
}

/// The columns of the default (version 2) format that matter.
pub(crate) fn version_2() -> Columns {
    BTreeSet::from([
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

impl Row {
    pub(crate) fn text(&self, column: &str) -> Option<&str> {
        let cell = match column {
            "interface_id" => &self.interface_id,
            "resource_id" => &self.resource_id,
            "interface_type" => &self.interface_type,
            "az_id" => &self.az_id,
            "next_hop_interface_id" => &self.next_hop_interface_id,
            "next_hop_interface_type" => &self.next_hop_interface_type,
            "next_hop_az_id" => &self.next_hop_az_id,
            "srcaddr" => &self.srcaddr,
            "dstaddr" => &self.dstaddr,
            "pkt_srcaddr" => &self.pkt_srcaddr,
            "pkt_dstaddr" => &self.pkt_dstaddr,
            "pkt_src_aws_service" => &self.pkt_src_aws_service,
            "pkt_dst_aws_service" => &self.pkt_dst_aws_service,
            "flow_direction" => &self.flow_direction,
            "action" => &self.action,
            "log_status" => &self.log_status,
            _ => panic!("{column} is no text column"),
        };
        cell.as_deref()
    }

    pub(crate) fn number(&self, column: &str) -> Option<i64> {
        match column {
            "srcport" => self.srcport,
            "dstport" => self.dstport,
            "packets" => self.packets,
            "bytes" => self.bytes,
            "start" => self.start,
            "end" => self.end,
            "traffic_path" => self.traffic_path,
            _ => panic!("{column} is no integer column"),
        }
    }

    pub(crate) fn set_text(&mut self, column: &str, text: String) {
        let cell = match column {
            "interface_id" => &mut self.interface_id,
            "resource_id" => &mut self.resource_id,
            "interface_type" => &mut self.interface_type,
            "az_id" => &mut self.az_id,
            "next_hop_interface_id" => &mut self.next_hop_interface_id,
            "next_hop_interface_type" => &mut self.next_hop_interface_type,
            "next_hop_az_id" => &mut self.next_hop_az_id,
            "srcaddr" => &mut self.srcaddr,
            "dstaddr" => &mut self.dstaddr,
            "pkt_srcaddr" => &mut self.pkt_srcaddr,
            "pkt_dstaddr" => &mut self.pkt_dstaddr,
            "pkt_src_aws_service" => &mut self.pkt_src_aws_service,
            "pkt_dst_aws_service" => &mut self.pkt_dst_aws_service,
            "flow_direction" => &mut self.flow_direction,
            "action" => &mut self.action,
            "log_status" => &mut self.log_status,
            _ => panic!("{column} is no text column"),
        };
        *cell = Some(text);
    }

    pub(crate) fn set_number(&mut self, column: &str, number: Option<i64>) {
        let cell = match column {
            "srcport" => &mut self.srcport,
            "dstport" => &mut self.dstport,
            "packets" => &mut self.packets,
            "bytes" => &mut self.bytes,
            "start" => &mut self.start,
            "end" => &mut self.end,
            "traffic_path" => &mut self.traffic_path,
            _ => panic!("{column} is no integer column"),
        };
        *cell = number;
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZoneConfig {
    pub(crate) name: String,
    pub(crate) az_id: Option<String>,
    pub(crate) region: String,
    pub(crate) cidrs: Vec<String>,
    pub(crate) logged: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GatewayConfig {
    pub(crate) name: String,
    pub(crate) zone: String,
    pub(crate) interface_ids: Vec<String>,
    pub(crate) private_ips: Vec<String>,
    pub(crate) resource_ids: Vec<String>,
}

/// The part of the configuration that section 5 reads, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OracleConfig {
    pub(crate) source_region: String,
    pub(crate) zones: Vec<ZoneConfig>,
    pub(crate) gateways: Vec<GatewayConfig>,
    /// Name, and inclusive ranges of ports.
    pub(crate) port_groups: Vec<(String, Vec<(u16, u16)>)>,
    /// `either` or `destination`.
    pub(crate) port_match: &'static str,
    /// `auto`, `every` or `sender`.
    pub(crate) vantage: &'static str,
    pub(crate) rejected: bool,
    /// Charge and networks.
    pub(crate) no_charge: Vec<(&'static str, Vec<String>)>,
    /// Charge to nano-dollars for one gigabyte.
    pub(crate) prices: BTreeMap<&'static str, u64>,
    pub(crate) bytes_per_gb: u64,
    pub(crate) bad_rows_per_object: u64,
}

/// When the partition of an object begins (Unix seconds) and how many hours it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) start: i64,
    pub(crate) hours: i64,
}

/// Source zone, destination zone, port group, NAT direction.
pub(crate) type Labels = (String, String, String, String);

/// Flows, packets, bytes, inter-zone bytes.
pub(crate) type Traffic = BTreeMap<(i64, Labels), [u128; 4]>;

/// Bytes and nano-dollars.
pub(crate) type Charges = BTreeMap<(i64, Labels, String), [u128; 2]>;

/// What one object adds. The hour is in hours since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    pub(crate) quarantined: bool,
    pub(crate) records: BTreeMap<String, u64>,
    pub(crate) traffic: Traffic,
    pub(crate) charges: Charges,
}

impl Tables {
    fn quarantine() -> Self {
        Self { quarantined: true, ..Self::default() }
    }
}

/// What the design says that the rows of one object, in a file with these columns, add to the sums.
pub(crate) fn judge(rows: &[Row], columns: &Columns, part: Part, config: &OracleConfig) -> Tables {
    // 5.1: "Required: `bytes`, and a source and a destination address (`pkt_*` or plain)."
    let has = |name| columns.contains(name);
    if !has("bytes") || !(has("srcaddr") || has("pkt_srcaddr")) || !(has("dstaddr") || has("pkt_dstaddr")) {
        return Tables::quarantine();
    }

    let mut tables = Tables::default();
    for row in rows {
        let reading = record::read(row, columns, part, config);
        *tables.records.entry(reading.outcome().to_string()).or_default() += 1;
        let Reading::Accepted(record) = reading else { continue };
        if record.counted {
            let sums = tables.traffic.entry((record.hour, record.labels.clone())).or_default();
            sums[0] += 1;
            sums[1] += record.packets;
            sums[2] += record.bytes;
            sums[3] += if record.between_zones { record.bytes } else { 0 };
        }
        for charge in &record.charges {
            let key = (record.hour, record.labels.clone(), (*charge).to_string());
            tables.charges.entry(key).or_default()[0] += record.bytes;
        }
    }

    // 4: `bad_rows_per_object`; 1: "An object counts whole or not at all."
    if tables.records.get("bad").copied().unwrap_or(0) > config.bad_rows_per_object {
        return Tables::quarantine();
    }
    for ((_, _, charge), [bytes, nanos]) in &mut tables.charges {
        *nanos = money(*bytes, config.prices.get(charge.as_str()).copied(), config.bytes_per_gb);
    }
    // 5.1: "An overflowing sum quarantines the object."
    let too_large = |sums: &[u128]| sums.iter().any(|sum| *sum > i64::MAX as u128);
    if tables.traffic.values().any(|sums| too_large(sums))
        || tables.charges.values().any(|sums| too_large(sums))
    {
        return Tables::quarantine();
    }
    tables
}

/// 5.6: "Money of an object = price x bytes summed per (hour, labels, charge), rounded once, half up."
/// A charge that has no price costs nothing, but its bytes count.
pub(crate) fn money(bytes: u128, nanos_per_gb: Option<u64>, bytes_per_gb: u64) -> u128 {
    let product = bytes * u128::from(nanos_per_gb.unwrap_or(0));
    let gb = u128::from(bytes_per_gb);
    let whole = product / gb;
    let rest = product % gb;
    if rest * 2 >= gb { whole + 1 } else { whole }
}

/// Sum of several objects, as the totals of a ledger are.
pub(crate) fn add_up(objects: &[Tables]) -> Tables {
    let mut sum = Tables::default();
    for object in objects.iter().filter(|object| !object.quarantined) {
        for (outcome, count) in &object.records {
            *sum.records.entry(outcome.clone()).or_default() += count;
        }
        for (key, sums) in &object.traffic {
            let slot = sum.traffic.entry(key.clone()).or_default();
            for (slot, value) in slot.iter_mut().zip(sums) {
                *slot += value;
            }
        }
        for (key, sums) in &object.charges {
            let slot = sum.charges.entry(key.clone()).or_default();
            for (slot, value) in slot.iter_mut().zip(sums) {
                *slot += value;
            }
        }
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
            let got = judge(&case.rows, &case.columns, cases::part(&case), &case.config);
            let want = case.expect.tables(&case);
            if got != want {
                wrong.push(format!("{}\n  want {want:?}\n  got  {got:?}", case.name));
            }
        }
        assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn cases_have_names_of_their_own_and_are_many() {
        let cases = cases::cases();
        let names: BTreeSet<_> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len(), "a name twice");
        assert!(cases.len() >= 120, "{} cases", cases.len());
    }

    #[test]
    fn money_is_rounded_half_up() {
        assert_eq!(money(1 << 30, Some(10_000_000), 1 << 30), 10_000_000);
        assert_eq!(money(53, Some(10_000_000), 1 << 30), 0);
        assert_eq!(money(54, Some(10_000_000), 1 << 30), 1);
        assert_eq!(money(1, Some(500_000_000), 1_000_000_000), 1);
        assert_eq!(money(1, Some(499_999_999), 1_000_000_000), 0);
        assert_eq!(money(7, None, 1 << 30), 0);
    }
}
