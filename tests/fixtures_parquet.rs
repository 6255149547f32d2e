//! Files of every make have the same records, and give the same sums as those that `tests/fixtures/make.py` added up;
//! files that must not count say why.

use std::{
    collections::BTreeMap,
    fs, panic,
    path::{Path, PathBuf},
};

use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::Classifier,
    decode::Input,
    model::{Origin, Settlement},
};

use crate::oracle::{OracleConfig, Part, Tables, ZoneConfig, exporter};

/// The hour that the records are in, but for some at its edges.
const PART: Part = Part::hour(1_765_249_200);

pub(crate) const LIMITS: DigestLimits = DigestLimits { decompressed_bytes: 64 << 20, bad_rows: 0 };

/// A folder of `tests/fixtures`.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The Parquet files of such a folder, by name.
pub(crate) fn files(name: &str) -> BTreeMap<String, Vec<u8>> {
    files_in(&folder(name))
}

fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect()
}

/// The configuration that `make.py` knows.
pub(crate) fn classifier() -> Classifier {
    let zone = |name: &str, cidrs: [&str; 2]| ZoneConfig {
        name: name.to_owned(),
        cidrs: cidrs.map(str::to_owned).to_vec(),
        ..ZoneConfig::default()
    };
    exporter::classifier(&OracleConfig {
        zones: vec![
            zone("ap-northeast-1a", ["10.0.0.0/17", "fd00:a::/32"]),
            zone("ap-northeast-1c", ["10.0.128.0/17", "fd00:c::/32"]),
        ],
        port_groups: vec![
            ("loki-grpc".to_owned(), vec![(4201, 4207)]),
            ("https".to_owned(), vec![(443, 443)]),
        ],
        vantage: "every",
        prices: BTreeMap::from([("inter_az", 10_000_000), ("internet_egress", 114_000_000)]),
        ..OracleConfig::of_region("ap-northeast-1")
    })
}

pub(crate) fn origin() -> Origin {
    exporter::origin(PART)
}

fn settled(file: &[u8]) -> Settlement {
    digest(Input::Whole(file.to_vec().into()), &origin(), &classifier(), &LIMITS)
}

/// Lines of words between tabs.
fn lines(name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(folder(name)).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

pub(crate) fn expected() -> Tables {
    let mut tables = Tables::default();
    let labels = |words: &[String]| (words[0].clone(), words[1].clone(), words[2].clone(), words[3].clone());
    let number = |word: &String| word.parse::<u128>().unwrap();
    for words in lines("expected.tsv") {
        match words[0].as_str() {
            "records" => {
                tables.records.insert(words[1].clone(), words[2].parse().unwrap());
            }
            "traffic" => {
                let sums = [6, 7, 8, 9].map(|at: usize| number(&words[at]));
                tables.traffic.insert((words[1].parse().unwrap(), labels(&words[2..]).into()), sums);
            }
            _ => {
                let [bytes, nanos] = [7, 8].map(|at: usize| number(&words[at]));
                let key = (words[1].parse().unwrap(), labels(&words[2..]).into(), words[6].clone());
                tables.charges.insert(key, [bytes, nanos, 0]);
            }
        }
    }
    assert!(tables.charges.len() > 5 && tables.traffic.len() > 20, "there is something to compare");
    tables
}

#[test]
fn every_make_gives_the_same_sums() {
    let (expected, mut wrong, mut compared) = (expected(), Vec::new(), 0);
    let more = std::env::var_os("FLOWCOST_FIXTURES").map(|folder| files_in(Path::new(&folder)));
    for (name, file) in [files("parquet"), files("old")].into_iter().chain(more).flatten() {
        let settlement = settled(&file);
        if name.contains("-empty-no-") {
            if settlement != Settlement::Empty {
                wrong.push(format!("{name}: {settlement:?}"));
            }
            continue;
        }
        match &settlement {
            Settlement::Counted(_) if exporter::tables(&settlement).labels_only() == expected => {
                compared += 1
            }
            Settlement::Counted(_) => {
                let got = exporter::tables(&settlement).labels_only();
                let traffic = got.traffic.iter().find(|(key, sums)| expected.traffic.get(key) != Some(sums));
                let charges = got.charges.iter().find(|(key, sums)| expected.charges.get(key) != Some(sums));
                wrong.push(format!("{name}: other sums, {:?}, {traffic:?}, {charges:?}", got.records));
            }
            other => wrong.push(format!("{name}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(compared > 90, "{compared} files");
}

#[test]
fn what_must_not_count_says_why() {
    let files = files("refused");
    for words in lines("refused/refused.tsv") {
        let file = &files[words[0].trim_end_matches(".parquet")];
        match settled(file) {
            Settlement::Quarantined(why) => {
                assert_eq!(why.reason.as_str(), words[1], "{}: {why}", words[0]);
                assert!(why.detail.contains(&words[2]), "{}: {why} instead of {}", words[0], words[2]);
            }
            other => panic!("{}: {other:?}", words[0]),
        }
    }
}

/// Files that once got the better of the decoder. Those called panic-* still may: its panics are quarantine.
#[test]
fn what_was_found_once_does_not_count() {
    let files = files("regressions");
    assert!(!files.is_empty());
    for (name, file) in files {
        match panic::catch_unwind(|| settled(&file)) {
            Ok(Settlement::Quarantined(_)) => {}
            Err(_) if name.starts_with("panic-") => {}
            other => panic!("{name}: {other:?}"),
        }
    }
}
