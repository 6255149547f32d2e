//! The house: which module may use which, and which crate has which room.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Ranks from the top down. A module uses modules of lower ranks only; within a rank nobody knows each other, but for
/// those that stand in one inner list.
const RANKS: &[&[&str]] = &[
    &["main", "cli", "config", "app", "demo", "check", "quarantine", "history", "recount", "healthcheck"],
    &["pipeline"],
    &["reader"],
    &["discover", "fetch", "accumulate", "ledger", "expose"],
    &["aws", "store", "decode", "classify", "pricing", "month", "event"],
    &["topology"],
    &["model", "limits", "panics"],
];

/// Ranks whose modules may use each other: the composition root is several files, and so is the vocabulary.
const OPEN_RANKS: &[usize] = &[0, 4, 6];

/// Crates and the only place that may name them.
const ROOMS: &[(&str, &[&str])] = &[
    ("aws_config", &["aws/"]),
    ("aws_credential_types", &["aws/"]),
    ("aws_smithy", &["aws/"]),
    ("aws_types", &["aws/"]),
    ("aws_sdk", &["store/s3.rs", "store/s3_errors.rs"]),
    ("arrow::", &["decode/"]),
    ("parquet::", &["decode/"]),
    ("snap::", &["decode/"]),
    ("zstd::", &["decode/"]),
    ("lz4_flex::", &["decode/"]),
    ("brotli_decompressor::", &["decode/"]),
    ("prometheus_client", &["expose/"]),
    ("hyper::", &["expose/", "aws/"]),
    ("hyper_util", &["expose/", "aws/"]),
    ("rustls::", &["expose/web/", "healthcheck.rs", "aws/"]),
    ("bcrypt::", &["expose/web/"]),
    ("x509_parser::", &["expose/web/"]),
    ("base64::", &["expose/web/"]),
    ("figment", &["config.rs", "config/"]),
    ("serde_saphyr", &["config/"]),
    ("toml_edit", &["config/"]),
    ("rusqlite", &["ledger/"]),
    ("tokio::spawn", &["app.rs", "app/"]),
    ("SystemTime::now", &["app.rs", "app/"]),
    ("Instant::now", &["app.rs", "app/"]),
];

/// The Rust files of a folder of the package.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() { walk(&path, into) } else { into.push(path) }
        }
    }
    let mut files = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files
}

fn manifest() -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    fs::read_to_string(path).expect("Cargo.toml").parse().expect("TOML")
}

fn sources() -> BTreeMap<String, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    rust_files("src")
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&src).expect("below").to_str().expect("utf-8").to_owned();
            let text = fs::read_to_string(&path).expect("readable");
            (name, code(&text))
        })
        .collect()
}

/// The text without comments and without unit tests at its end.
fn code(text: &str) -> String {
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn module_of(file: &str) -> &str {
    file.split(['/', '.']).next().expect("name")
}

fn rank(module: &str) -> Option<usize> {
    RANKS.iter().position(|rank| rank.contains(&module))
}

/// The modules of this crate that a text names: after `crate::`, also inside `crate::{...}`.
fn uses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(character),
                    _ => {}
                }
            }
            found.push(word);
        } else {
            found.push(rest.to_owned());
        }
    }
    found
        .into_iter()
        .map(|path| path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn imports_go_down_only() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let from = rank(module).unwrap_or_else(|| panic!("{file} has no place in the house"));
        for used in uses(&text) {
            let Some(to) = rank(&used) else { continue };
            let allowed = used == module || to > from || (to == from && OPEN_RANKS.contains(&from));
            if !allowed {
                wrong.push(format!("{file} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that do not go down: {wrong:#?}");
}

#[test]
fn every_crate_has_its_room() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        for (name, rooms) in ROOMS {
            if text.contains(name) && !rooms.iter().any(|room| file.starts_with(room)) {
                wrong.push(format!("{file} names {name}, which belongs in {rooms:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn stages_do_not_log() {
    let wrong: Vec<_> = sources()
        .into_iter()
        .filter(|(file, text)| {
            let top = ["main", "cli", "config", "app", "demo", "check", "healthcheck", "event"]
                .contains(&module_of(file));
            !top && text.contains("tracing::")
        })
        .map(|(file, _)| file)
        .collect();
    assert!(wrong.is_empty(), "these should return a value or an event: {wrong:?}");
}

/// The compiler names a dependency that the library does not use; this is for those of tests and benches.
#[test]
fn every_dev_dependency_is_used() {
    let files = ["src", "tests", "benches"].into_iter().flat_map(rust_files);
    let text: String = files.map(|path| fs::read_to_string(path).expect("readable")).collect();
    let used: BTreeSet<&str> = text
        .split("::")
        .filter_map(|path| path.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next())
        .collect();
    let manifest = manifest();
    let declared = manifest["dev-dependencies"].as_table().expect("a table");
    let unused: Vec<_> =
        declared.keys().filter(|name| !used.contains(name.replace('-', "_").as_str())).collect();
    assert!(unused.is_empty(), "no test and no bench uses {unused:?}");
}

/// An object over which a decoder panics is set aside only where a panic can be caught.
#[test]
fn a_panic_ends_a_task_and_not_the_process() {
    let manifest = manifest();
    for profile in ["dev", "release"] {
        let panic = manifest["profile"][profile].get("panic").and_then(|panic| panic.as_str());
        assert_eq!(panic, Some("unwind"), "{profile}");
    }
}

/// The table of what must be survived: every case has its defence and its test, both of which are there, and each test
/// was seen to fail without the defence.
#[test]
fn every_hostile_case_has_a_defence_and_a_test_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (_, section) = text.split_once("\n## Hostile cases\n").expect("its section");
    let section = section.split("\n## ").next().expect("its text");
    let mut cases = BTreeSet::new();
    let mut wrong = Vec::new();
    for row in section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| case")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [case, defence, tests, red] = cells[..] else { panic!("a row of {} cells: {row}", cells.len()) };
        let number = case.split_once(' ').and_then(|(number, _)| number.parse::<u32>().ok());
        cases.insert(number.unwrap_or_else(|| panic!("no number: {row}")));
        for file in quoted(defence) {
            if !root.join("src").join(file).exists() {
                wrong.push(format!("{case}: there is no src/{file}"));
            }
        }
        for test in quoted(tests) {
            if !is_test(root, test) {
                wrong.push(format!("{case}: there is no test {test}"));
            }
        }
        if quoted(defence).next().is_none() || quoted(tests).next().is_none() || red != "yes" {
            wrong.push(format!("{case}: a cell is empty"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(cases, (1..=42).collect());
}

/// What stands in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Whether a test of this name, `file::function` or `module::tests::function`, is in its file.
fn is_test(root: &Path, name: &str) -> bool {
    let Some((path, function)) = name.rsplit_once("::") else { return false };
    let path = path.replace("::", "/");
    let inner = path.trim_end_matches("/tests");
    let files = [
        format!("tests/{path}.rs"),
        format!("src/{path}.rs"),
        format!("src/{inner}.rs"),
        format!("src/{inner}/mod.rs"),
        format!("src/{inner}_tests.rs"),
    ];
    files.iter().filter_map(|file| fs::read_to_string(root.join(file)).ok()).any(|text| {
        text.match_indices(&format!("fn {function}(")).any(|(at, _)| {
            let before: Vec<&str> = text[..at].lines().rev().take(4).map(str::trim).collect();
            before.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
        })
    })
}

#[test]
fn the_checks_see_what_they_look_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(is_test(root, "architecture::the_checks_see_what_they_look_for"));
    assert!(is_test(root, "ledger::tests::opening::an_empty_file"));
    assert!(!is_test(root, "architecture::quoted") && !is_test(root, "ledger::tests::opening::no_such_test"));
    assert_eq!(quoted("a `b` c `d::e`").collect::<Vec<_>>(), ["b", "d::e"]);
    assert_eq!(uses("use crate::{model::{A, B}, store::C};"), ["model", "store"]);
    assert_eq!(uses("crate::ledger::Ledger"), ["ledger"]);
    assert_eq!(code("a // tokio::spawn\n#[cfg(test)]\nmod tests { x }"), "a ");
}
