//! Cases as pages: a configuration, records and what is right, all as text.
//!
//! Records have a header of column names. Columns that a case does not care about are filled in: an
//! accepted record of 100 GiB inside the partition's hour. The object's key says account
//! 111122223333 and us-east-1, unless `[key]` says otherwise.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::{Case, Expect, GIB, HOUR, START};
use crate::oracle::{
    Columns, ForwarderConfig, GatewayConfig, NUMBERS, NoChargeConfig, OracleConfig, Part, PublicConfig,
    RangeConfig, Row, ScopeConfig, ServiceConfig, TEXTS, Tables, ZoneConfig, config::PriceList,
};

pub(crate) const CHARGES: [&str; 10] = [
    "inter_az",
    "inter_region",
    "nat_processing",
    "nat_hop",
    "internet_egress",
    "regional_public",
    "vpc_endpoint_processing",
    "transit_gateway_processing",
    "vpn_egress",
    "direct_connect_egress",
];

const DEFAULTS: [(&str, &str); 8] = [
    ("srcport", "40000"),
    ("dstport", "443"),
    ("packets", "1000"),
    ("bytes", "100GiB"),
    ("start", "1765274460"),
    ("end", "1765274519"),
    ("action", "ACCEPT"),
    ("log_status", "OK"),
];

/// A case whose sums are `right`, line by line as [`lines`] writes them.
pub(super) fn page(name: &str, configuration: &str, records: &str, right: &str) -> Case {
    let (config, part) = configured(configuration);
    let (columns, rows) = table(records);
    let right = right.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string).collect();
    Case {
        name: name.to_string(),
        config,
        rows,
        columns,
        part,
        azs: BTreeMap::new(),
        expect: Expect::Lines(right),
    }
}

fn table(records: &str) -> (Columns, Vec<Row>) {
    let mut lines = records.lines().map(str::trim).filter(|line| !line.is_empty());
    let known = |name: &str| {
        let name = name.replace('-', "_");
        let mut all = TEXTS.into_iter().chain(NUMBERS);
        all.find(|known| *known == name).unwrap_or_else(|| panic!("{name} is not a column"))
    };
    let header: Vec<&'static str> = lines.next().unwrap().split_whitespace().map(known).collect();
    let mut columns: Columns = header.iter().copied().collect();
    assert_eq!(columns.len(), header.len(), "a column twice");
    columns.extend(DEFAULTS.map(|(column, _)| column));
    let rows = lines.map(|line| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(cells.len(), header.len(), "{line}");
        let mut row = Row::default();
        for (column, cell) in DEFAULTS.into_iter().chain(header.iter().copied().zip(cells)) {
            if TEXTS.contains(&column) {
                row.set_text(column, cell.to_string());
            } else {
                row.set_number(column, (cell != "-").then(|| amount(cell)));
            }
        }
        row
    });
    (columns, rows.collect())
}

/// `100GiB`, `-5`, `53`.
fn amount(text: &str) -> i64 {
    match text.strip_suffix("GiB") {
        Some(number) => number.parse::<i64>().unwrap() * GIB,
        None => text.parse().unwrap(),
    }
}

/// What an object adds, a line each. Charges, doubts and contradictions are summed over their
/// series.
pub(crate) fn lines(tables: &Tables) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    if tables.quarantined {
        lines.insert("quarantined".to_string());
    }
    lines.extend(tables.records.iter().map(|(outcome, count)| format!("{outcome} {count}")));
    for ((hour, series), [_, _, bytes, inter_az]) in &tables.traffic {
        let (src, dst, group, nat) = &series.labels;
        let group = if group == "other" { String::new() } else { format!(" {group}") };
        let nat = if nat == "none" { String::new() } else { format!(" {nat}") };
        let crossing = match *inter_az {
            0 => String::new(),
            all if all == *bytes => " crossing".to_string(),
            some => format!(" crossing {}", size(some)),
        };
        lines.insert(format!("{src} -> {dst}{group}{nat}: {}{crossing}{}", size(*bytes), at(*hour)));
        let [src_az, dst_az] =
            [&series.src_az, &series.dst_az].map(|az| az.clone().unwrap_or_else(|| "-".to_string()));
        lines.insert(format!("relation {src} -> {dst}{nat}: {} {src_az} {dst_az}", series.relation));
    }
    let mut charges: BTreeMap<(String, i64), [u128; 3]> = BTreeMap::new();
    for ((hour, _, charge), values) in &tables.charges {
        let sums = charges.entry((charge.clone(), *hour)).or_default();
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
    }
    for ((charge, hour), [bytes, nanos, unpriced]) in charges {
        if unpriced > 0 {
            lines.insert(format!("unpriced {charge} {}{}", size(unpriced), at(hour)));
        }
        if unpriced < bytes {
            lines.insert(format!("{charge} {} {}{}", size(bytes), usd(nanos), at(hour)));
        }
    }
    for ((hour, kind), bytes) in &tables.doubts {
        lines.insert(format!("doubt {kind} {}{}", size(*bytes), at(*hour)));
    }
    for ((hour, kind), count) in &tables.contradictions {
        lines.insert(format!("contradiction {kind} {count}{}", at(*hour)));
    }
    lines
}

fn at(hour: i64) -> String {
    if hour == HOUR { String::new() } else { format!(" @{:+}", hour - HOUR) }
}

fn size(bytes: u128) -> String {
    match bytes {
        bytes if bytes > 0 && bytes % (GIB as u128) == 0 => format!("{} GiB", bytes / GIB as u128),
        bytes => format!("{bytes} B"),
    }
}

fn usd(nanos: u128) -> String {
    let text = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    let short = text.trim_end_matches('0');
    let decimals = short.len() - short.find('.').unwrap() - 1;
    if decimals < 2 { text[..text.len() - 7].to_string() } else { short.to_string() }
}

/// Says how a page and the sums of its object differ. Relations are compared where the page has
/// some.
pub(super) fn compare(right: &BTreeSet<String>, tables: &Tables) -> Result<(), String> {
    let mut got = lines(tables);
    if !right.iter().any(|line| line.starts_with("relation ")) {
        got.retain(|line| !line.starts_with("relation "));
    }
    let missing: Vec<_> = right.difference(&got).collect();
    let more: Vec<_> = got.difference(right).collect();
    if missing.is_empty() && more.is_empty() {
        return Ok(());
    }
    Err(format!("  not there: {missing:?}\n  instead:   {more:?}"))
}

/// A configuration in TOML, with the keys of a real one as far as the rules read them, and `[key]`
/// and `[source]` for where the object came from.
fn configured(text: &str) -> (OracleConfig, Part) {
    let mut page: Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut config = OracleConfig::default();
    let mut part = Part { start: START, hours: 1, account: Some("111122223333"), region: Some("us-east-1") };
    if let Some(mut key) = section(&mut page, "key") {
        let leak = |text: String| -> &'static str { text.leak() };
        part.account = text_of(&mut key, "account").map(leak);
        part.region = text_of(&mut key, "region").map(leak);
        done(key);
    }
    if let Some(mut source) = section(&mut page, "source") {
        config.source = text_of(&mut source, "name").unwrap_or(config.source);
        config.source_region = text_of(&mut source, "region").unwrap_or(config.source_region);
        config.home_region = text_of(&mut source, "first").unwrap_or(config.source_region.clone());
        done(source);
    }
    config.zones = entries(&mut page, "zone", |table| ZoneConfig {
        name: text_of(table, "name").unwrap(),
        az_id: text_of(table, "az_id"),
        region: text_of(table, "region"),
        cidrs: texts_of(table, "cidrs"),
        logged: flag(table, "logged", true),
        within: text_of(table, "in"),
        outside: flag(table, "outside", false),
        scope: scope_of(table),
    });
    config.gateways = entries(&mut page, "nat_gateway", |table| GatewayConfig {
        name: text_of(table, "name").unwrap(),
        zone: text_of(table, "zone"),
        interface_ids: texts_of(table, "interface_ids"),
        private_ips: texts_of(table, "private_ips"),
        resource_ids: texts_of(table, "resource_ids"),
        scope: scope_of(table),
    });
    config.forwarders = entries(&mut page, "forwarder", |table| ForwarderConfig {
        name: text_of(table, "name").unwrap(),
        interface_ids: texts_of(table, "interface_ids"),
        scope: scope_of(table),
    });
    config.services = entries(&mut page, "service", |table| ServiceConfig {
        name: text_of(table, "name").unwrap(),
        cidrs: texts_of(table, "cidrs"),
        interface_ids: texts_of(table, "interface_ids"),
        billing: word(text_of(table, "billing"), &["both", "far_side", "free"]).unwrap(),
        scope: scope_of(table),
    });
    if let Some(aws) = section(&mut page, "aws") {
        read_aws(aws, &mut config);
    }
    if let Some(mut counting) = section(&mut page, "counting") {
        let vantage = word(text_of(&mut counting, "vantage"), &["auto", "every", "sender"]);
        config.vantage = vantage.unwrap_or("auto");
        let at = word(text_of(&mut counting, "endpoint_processing_at"), &["endpoint", "client"]);
        config.endpoint_at = at.unwrap_or("endpoint");
        config.rejected = flag(&mut counting, "rejected", false);
        done(counting);
    }
    if let Some(prices) = section(&mut page, "prices") {
        read_prices(prices, &mut config);
    }
    done(page);
    (config, part)
}

fn read_aws(mut aws: Table, config: &mut OracleConfig) {
    let public = texts_of(&mut aws, "public_cidrs");
    if !public.is_empty() {
        config.public_cidrs.push(PublicConfig { cidrs: public, scope: ScopeConfig::default() });
    }
    config.public_cidrs.extend(entries(&mut aws, "public", |table| PublicConfig {
        cidrs: texts_of(table, "cidrs"),
        scope: scope_of(table),
    }));
    let path = word(text_of(&mut aws, "gateway_path"), &["vpn", "direct_connect"]);
    config.gateway_path = path.unwrap_or("vpn");
    // Here a list of `network region service`; there a file.
    if let Some(ranges) = aws.remove("ip_ranges") {
        let ranges = strings(&ranges).into_iter().map(|line| {
            let [prefix, region, service] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            RangeConfig { prefix: prefix.into(), region: region.into(), service: service.into() }
        });
        config.ip_ranges = Some(ranges.collect());
    }
    if let Some(peered) = aws.remove("peered") {
        for pair in peered.as_array().unwrap() {
            let [one, other] = &strings(pair)[..] else { panic!("{pair}") };
            config.peered.push((one.clone(), other.clone()));
        }
    }
    done(aws);
}

fn read_prices(mut prices: Table, config: &mut OracleConfig) {
    config.price_region = text_of(&mut prices, "region");
    if text_of(&mut prices, "gb").as_deref() == Some("decimal") {
        config.bytes_per_gb = 1_000_000_000;
    }
    config.no_charge = entries(&mut prices, "no_charge", |table| NoChargeConfig {
        charge: word(text_of(table, "charge"), &CHARGES).unwrap(),
        cidrs: texts_of(table, "cidrs"),
        scope: scope_of(table),
    });
    for (region, list) in section(&mut prices, "regions").unwrap_or_default() {
        config.region_prices.insert(region, price_list(list.as_table().unwrap().clone()));
    }
    config.prices = price_list(prices);
}

fn price_list(prices: Table) -> PriceList {
    let nanos = |usd: &Value| (usd.as_float().unwrap() * 1e9).round() as u64;
    prices.iter().map(|(name, usd)| (word(Some(name.clone()), &CHARGES).unwrap(), nanos(usd))).collect()
}

fn section(table: &mut Table, key: &str) -> Option<Table> {
    table.remove(key).map(|value| value.as_table().unwrap().clone())
}

fn entries<T>(table: &mut Table, key: &str, read: impl Fn(&mut Table) -> T) -> Vec<T> {
    let Some(list) = table.remove(key) else { return Vec::new() };
    let read = |entry: &Value| {
        let mut entry = entry.as_table().unwrap().clone();
        let value = read(&mut entry);
        done(entry);
        value
    };
    list.as_array().unwrap().iter().map(read).collect()
}

fn scope_of(table: &mut Table) -> ScopeConfig {
    ScopeConfig {
        sources: texts_of(table, "sources"),
        accounts: texts_of(table, "accounts"),
        regions: texts_of(table, "regions"),
        vpc_ids: texts_of(table, "vpc_ids"),
    }
}

fn text_of(table: &mut Table, key: &str) -> Option<String> {
    table.remove(key).map(|value| value.as_str().unwrap().to_string())
}

fn texts_of(table: &mut Table, key: &str) -> Vec<String> {
    table.remove(key).map(|value| strings(&value)).unwrap_or_default()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_string()).collect()
}

fn flag(table: &mut Table, key: &str, default: bool) -> bool {
    table.remove(key).map_or(default, |value| value.as_bool().unwrap())
}

fn word(text: Option<String>, words: &[&'static str]) -> Option<&'static str> {
    let known = |text: String| *words.iter().find(|word| **word == text).unwrap_or_else(|| panic!("{text}"));
    text.map(known)
}

fn done(table: Table) {
    assert!(table.is_empty(), "nothing reads {table:?}");
}
