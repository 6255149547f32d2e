//! Text logs with bytes changed, moved, cut off: what is counted is what a naive reader makes of the same lines, or the
//! object does not count at all.
//!
//! `FLOWCOST_MUTATIONS=N` runs N mutations of each fixture instead of some thousands, `FLOWCOST_MUTATION_SEED` starts
//! elsewhere.

use std::collections::BTreeMap;

use fastrand::Rng;
use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    decode::Input,
    model::{QuarantineReason, Settlement},
};

use crate::{
    oracle::{Columns, NUMBERS, OracleConfig, Row, TEXTS, exporter, judge},
    text_files::{PART, config, fixture, gzip, with_gateway},
};

const FIXTURES: [&str; 4] = [
    "default-14-fields.txt",
    "custom-18-fields.txt",
    "custom-19-fields.txt",
    "custom-19-fields-underscores.txt",
];

fn rounds(usual: usize) -> usize {
    std::env::var("FLOWCOST_MUTATIONS").map_or(usual, |count| count.parse().unwrap())
}

fn seed() -> u64 {
    std::env::var("FLOWCOST_MUTATION_SEED").map_or(1, |seed| seed.parse().unwrap())
}

/// Damage of the file: what is counted is what was written, or nothing is.
#[test]
fn a_damaged_file_counts_right_or_not_at_all() {
    for (at, name) in FIXTURES.into_iter().enumerate() {
        let file = gzip(fixture(name));
        let config = config();
        let settle = settler(&config);
        let whole = settle(file.clone());
        for len in 1..file.len() {
            assert!(
                matches!(settle(file[..len].to_vec()), Settlement::Quarantined(_)),
                "{name} cut at {len}"
            );
        }
        let mut rng = Rng::with_seed(seed() + ((at as u64) << 40));
        let (mut quarantined, rounds) = (0, rounds(5_000));
        for round in 0..rounds {
            let mut changed = file.clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..changed.len());
                changed[at] = rng.u8(..);
            }
            match settle(changed) {
                Settlement::Quarantined(_) => quarantined += 1,
                other => assert_eq!(other, whole, "{name}, round {round}"),
            }
        }
        assert!(quarantined > rounds / 20 * 19, "{name}: {quarantined}");
    }
}

/// Damage of the records before they were compressed: line by line the sums are those of a naive reader.
#[test]
fn damaged_records_count_as_a_naive_reader_counts_them() {
    for (at, name) in FIXTURES.into_iter().enumerate() {
        let text = fixture(name).into_bytes();
        let records = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let config = OracleConfig { bad_rows_per_object: 1_000, ..with_gateway() };
        let settle = settler(&config);
        let mut rng = Rng::with_seed(seed() + ((at as u64) << 40));
        let mut outcomes = BTreeMap::new();
        for round in 0..rounds(2_500) {
            let changed = [&text[..records], &damage(&text[records..], &mut rng)].concat();
            let (rows, columns) = read(&changed);
            let want = judge(&rows, &columns, PART, &config);
            let settlement = settle(gzip(&changed));
            *outcomes.entry(settlement.outcome().as_str()).or_insert(0) += 1;
            match settlement {
                Settlement::Empty => assert!(rows.is_empty(), "{name}, round {round}"),
                Settlement::Ignored(why) => panic!("{name}, round {round}: {why:?}"),
                settlement => assert_eq!(
                    exporter::without_nothing(exporter::tables(&settlement)),
                    exporter::without_nothing(want),
                    "{name}, round {round}: {settlement:?}\n{}",
                    String::from_utf8_lossy(&changed)
                ),
            }
        }
        assert!(outcomes["counted"] > outcomes.values().sum::<usize>() / 2, "{name}: {outcomes:?}");
    }
}

/// Damage anywhere, the header too: no panic, no hang, and every line is accounted for.
#[test]
fn a_damaged_text_is_counted_line_by_line_or_quarantined() {
    for (at, name) in FIXTURES.into_iter().enumerate() {
        let text = fixture(name).into_bytes();
        let config = OracleConfig { bad_rows_per_object: 1_000, ..with_gateway() };
        let settle = settler(&config);
        let mut rng = Rng::with_seed(seed() + ((at as u64) << 40));
        let mut outcomes = BTreeMap::new();
        for round in 0..rounds(5_000) {
            let changed = damage(&text, &mut rng);
            let lines =
                changed.split(|byte| *byte == b'\n').filter(|line| !matches!(line, [] | [b'\r'])).count();
            let settlement = settle(gzip(&changed));
            *outcomes.entry(settlement.outcome().as_str()).or_insert(0) += 1;
            match settlement {
                // All lines but headers, and there is one at least.
                Settlement::Counted(delta) => {
                    assert!(delta.records.total() < lines as u64, "{name}, round {round}: {delta:?}");
                }
                Settlement::Quarantined(why) => {
                    use QuarantineReason::{Corrupt, Overflow, Schema};
                    let known = matches!(why.reason, Corrupt | Schema | Overflow);
                    assert!(known, "{name}, round {round}: {why}");
                }
                Settlement::Empty => {}
                other => panic!("{name}, round {round}: {other:?}"),
            }
        }
        assert!(outcomes["counted"] > 10 * outcomes["quarantined"] / 5, "{name}: {outcomes:?}");
    }
}

/// One to four changes.
fn damage(text: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut changed = text.to_vec();
    for _ in 0..rng.usize(1..5) {
        if changed.is_empty() {
            break;
        }
        let at = rng.usize(..changed.len());
        match rng.u8(..7) {
            0 => changed[at] = rng.u8(..),
            1 => changed[at] = *rng.choice(b"\n\r -0").unwrap(),
            2 => drop(changed.remove(at)),
            3 => changed.insert(at, rng.u8(..)),
            4 => changed[at] = rng.u8(b'0'..=b'9'),
            5 => changed.truncate(at.max(1)),
            _ => {
                let end = rng.usize(at..changed.len());
                let piece = changed[at..=end].to_vec();
                changed.splice(at..at, piece);
            }
        }
    }
    changed
}

/// The lines as the oracle takes them. The first is the header, and no other is one.
fn read(text: &[u8]) -> (Vec<Row>, Columns) {
    let mut lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let header = String::from_utf8(lines.next().unwrap().to_vec()).unwrap();
    let names: Vec<Option<&'static str>> = header.split(' ').map(known).collect();
    let rows = lines.filter(|line| !line.is_empty()).map(|line| row(line, &names)).collect();
    (rows, names.into_iter().flatten().collect())
}

fn known(name: &str) -> Option<&'static str> {
    let name = name.replace('-', "_");
    let name = match name.as_str() {
        "src_addr" => "srcaddr",
        "dst_addr" => "dstaddr",
        "pkt_src_addr" => "pkt_srcaddr",
        "pkt_dst_addr" => "pkt_dstaddr",
        "src_port" => "srcport",
        "dst_port" => "dstport",
        "windowstart" => "start",
        "windowend" => "end",
        "flowlogstatus" => "log_status",
        name => name,
    };
    TEXTS.into_iter().chain(NUMBERS).find(|known| *known == name)
}

fn row(line: &[u8], names: &[Option<&'static str>]) -> Row {
    let fields: Vec<String> =
        line.split(|byte| *byte == b' ').map(|field| String::from_utf8_lossy(field).into_owned()).collect();
    let mut row = Row::default();
    if fields.len() != names.len() {
        // What the oracle calls bad, whatever else the record says.
        row.bytes = Some(-1);
        return row;
    }
    for (name, field) in names.iter().zip(fields) {
        let Some(name) = name else { continue };
        if NUMBERS.contains(name) {
            // A number outside the range of the field is as bad as no number; times and paths that are none are null.
            let number = match field.as_str() {
                "" | "-" => None,
                text => text.parse().map_or_else(|_| no_number(name), Some),
            };
            row.set_number(name, number);
        } else {
            row.set_text(name, field);
        }
    }
    row
}

fn no_number(name: &str) -> Option<i64> {
    (!matches!(name, "start" | "end" | "traffic_path")).then_some(-1)
}

fn settler(config: &OracleConfig) -> impl Fn(Vec<u8>) -> Settlement {
    let (classifier, origin) = (exporter::classifier(config), exporter::origin(PART));
    let limits = DigestLimits { decompressed_bytes: 1 << 20, bad_rows: config.bad_rows_per_object };
    move |file| digest(Input::Whole(file.into()), &origin, &classifier, &limits)
}
