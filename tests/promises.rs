//! The names that users rely on against `docs/promises.txt`: metrics, rules, alerts, configuration
//! keys, columns of views.
//!
//! The list is written by hand only: UPDATE_GOLDEN does not touch it. CHANGELOG.md names each
//! addition and removal since its first version.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use flowcost_exporter::{
    config::{Config, ConfigError, ENV_PREFIX, WebConfig},
    expose::catalog,
    ledger::{Ledger, Options},
    model::Timestamp,
};
use sha2::{Digest as _, Sha256};

/// SHA-256 of the lines of the first list. It never changes: later additions and removals are lines
/// of their own.
const FIRST_LIST: &str = "ba1d5538e8da615da0380c2e5d643c4186ae50535ce82e71cababb31283de278";

/// Levels of tables that a configuration may have, so that the search for keys ends.
const DEPTH: usize = 6;

/// A key that no table has, and that is not close to any that one has.
const STRANGER: &str = "qqqqqqqq";

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect(name)
}

/// The lines of the list: the first ones, those added since (`+`), those removed since (`-`).
#[derive(Debug, Default, PartialEq, Eq)]
struct List<'a> {
    first: Vec<&'a str>,
    added: Vec<&'a str>,
    removed: Vec<&'a str>,
}

impl<'a> List<'a> {
    fn parse(text: &'a str) -> Self {
        let mut list = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split_at_checked(2) {
                Some(("+ ", name)) => list.added.push(name),
                Some(("- ", name)) => list.removed.push(name),
                _ => list.first.push(line),
            }
        }
        list
    }

    fn digest(&self) -> String {
        let digest = Sha256::digest(self.first.join("\n"));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the names that are promised now.
    fn names(&self) -> BTreeSet<&'a str> {
        let removed: BTreeSet<&str> = self.removed.iter().copied().collect();
        self.first.iter().chain(&self.added).copied().filter(|name| !removed.contains(name)).collect()
    }

    /// Returns what is wrong with the list, given the names of the code and the changelog.
    fn problems(&self, code: &BTreeSet<String>, changelog: &str) -> Vec<String> {
        let names = self.names();
        let mut problems = Vec::new();
        for lines in [&self.first, &self.added, &self.removed] {
            for pair in lines.windows(2).filter(|pair| pair[0] >= pair[1]) {
                problems.push(format!("is out of order, or there twice: {}", pair[1]));
            }
        }
        for name in code.iter().filter(|name| !names.contains(name.as_str())) {
            problems.push(if self.removed.contains(&name.as_str()) {
                format!("is back: {name}\n    remove the line `- {name}` from docs/promises.txt")
            } else {
                format!(
                    "is new: {name}\n    add the line `+ {name}` to docs/promises.txt by hand, and to \
                     CHANGELOG.md a line that names it"
                )
            });
        }
        for name in names.iter().filter(|name| !code.contains(**name)) {
            problems.push(format!(
                "is promised and gone: {name}\n    restore it; or, if the next version may break it, add the \
                 line `- {name}` to docs/promises.txt by hand (instead of its line with `+`, if it has one), \
                 and to CHANGELOG.md a line that names it"
            ));
        }
        let changes =
            self.added.iter().map(|name| ('+', name)).chain(self.removed.iter().map(|name| ('-', name)));
        for (sign, line) in changes {
            let name = line.split(' ').nth(1).unwrap_or_default();
            if name.is_empty() || !names_it(changelog, name) {
                problems.push(format!("is not in CHANGELOG.md: {name:?}, of the line `{sign} {line}`"));
            }
        }
        problems
    }
}

/// Returns whether a text has a name, other than as a part of a longer one.
fn names_it(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    text.match_indices(name).any(|(at, _)| {
        !text[..at].ends_with(|c| is_word(c) || c == '.') && !text[at + name.len()..].starts_with(is_word)
    })
}

fn metrics() -> impl Iterator<Item = String> {
    catalog::all().map(|metric| {
        let line = format!("metric {} {} {}", metric.name, metric.kind.as_str(), metric.labels.join(","));
        line.trim_end().to_owned()
    })
}

#[derive(serde::Deserialize)]
struct RuleFile {
    groups: Vec<Group>,
}

#[derive(serde::Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(serde::Deserialize)]
struct Rule {
    record: Option<String>,
    alert: Option<String>,
}

fn rules() -> Vec<String> {
    let file: RuleFile = serde_saphyr::from_str(&read("alerts/flowcost.rules.yaml")).expect("rules");
    let name = |rule: Rule| match (rule.record, rule.alert) {
        (Some(record), None) => format!("rule {record}"),
        (None, Some(alert)) => format!("alert {alert}"),
        other => panic!("a rule records or alerts: {other:?}"),
    };
    file.groups.into_iter().flat_map(|group| group.rules).map(name).collect()
}

fn views() -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flowcost.db");
    let options = Options {
        series_limit: 10,
        sources: Vec::new(),
        classifier_fingerprint: String::new(),
        prices: Vec::new(),
    };
    drop(Ledger::open(&path, &options, Timestamp(0)).unwrap());
    let conn = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT format('view %s.%s', v.name, c.name) FROM sqlite_schema v, pragma_table_info(v.name) c
        WHERE v.type = 'view'";
    let mut columns = conn.prepare(sql).unwrap();
    columns.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Asks a parser for its keys: an unknown key in a table makes it list the known ones.
struct Probe<'a> {
    /// What stands between a key and its value.
    is: &'a str,
    /// The problems of a text.
    parse: &'a dyn Fn(&str) -> ConfigError,
}

impl Probe<'_> {
    /// Returns the keys of the table at `path`, into which `text` puts the unknown key.
    fn table(&self, text: &str, path: &str) -> Option<Vec<String>> {
        let path = format!("{path}{STRANGER}");
        let problem = (self.parse)(text).problems.into_iter().find(|problem| problem.key == path)?;
        let keys = problem.wanted.strip_prefix("unknown key; the keys here are ")?;
        Some(keys.split(", ").filter(|key| !key.is_empty()).map(str::to_owned).collect())
    }

    /// Collects the keys below a table that are no tables. The table's keys stand between `before` and
    /// `after`.
    fn leaves(&self, [before, after]: [&str; 2], path: &str, name: &str, into: &mut BTreeSet<String>) {
        assert!(name.matches('.').count() <= DEPTH, "{name}");
        let (is, stranger) = (self.is, format!("{STRANGER}{}1", self.is));
        let keys = self.table(&format!("{before}{stranger}{after}"), path);
        for key in keys.unwrap_or_else(|| panic!("{path} is not a table")) {
            // A table, a list of tables, a table of tables whose names the user chooses.
            let forms = [
                (format!("{key}{is}{{"), "}", format!("{path}{key}."), format!("{name}{key}.")),
                (format!("{key}{is}[{{"), "}]", format!("{path}{key}[0]."), format!("{name}{key}.")),
                (
                    format!("{key}{is}{{us-east-1{is}{{"),
                    "}}",
                    format!("{path}{key}.us-east-1."),
                    format!("{name}{key}.*."),
                ),
            ];
            let is_table = |(open, close, path, _): &&(String, &str, String, String)| {
                self.table(&format!("{before}{open}{stranger}{close}{after}"), path).is_some()
            };
            match forms.iter().find(is_table) {
                Some((open, close, path, name)) => {
                    self.leaves([&format!("{before}{open}"), &format!("{close}{after}")], path, name, into);
                }
                None => drop(into.insert(format!("{name}{key}"))),
            }
        }
    }
}

fn keys() -> BTreeSet<String> {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("flowcost.db").display().to_string();
    let environment = [(format!("{ENV_PREFIX}STATE__PATH"), state)];
    let toml = |text: &str| Config::parse("probe", text, &environment).expect_err("an unknown key");
    let mut keys = BTreeSet::new();
    Probe { is: " = ", parse: &toml }.leaves(["", ""], "", "config ", &mut keys);

    let yaml = |text: &str| WebConfig::parse("probe", text, dir.path()).expect_err("an unknown key");
    Probe { is: ": ", parse: &yaml }.leaves(["", ""], "", "web ", &mut keys);
    keys
}

/// Returns all names of the code.
fn code() -> BTreeSet<String> {
    metrics().chain(rules()).chain(views()).chain(keys()).collect()
}

#[test]
fn every_name_is_promised_and_every_change_is_in_the_changelog() {
    let text = read("docs/promises.txt");
    let list = List::parse(&text);
    let code = code();
    let mut problems = list.problems(&code, &read("CHANGELOG.md"));
    if list.digest() != FIRST_LIST {
        problems.push(
            "a line of the first list was edited: keep it, and write additions and removals as lines with + and -"
                .to_owned(),
        );
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &code {
        *kinds.entry(name.split(' ').next().unwrap_or_default()).or_default() += 1;
    }
    let kinds: Vec<&str> = kinds.into_iter().filter(|(_, count)| *count > 9).map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["alert", "config", "metric", "rule", "view", "web"], "names of a kind are not found");
}

#[test]
fn an_addition_a_removal_and_a_silent_changelog_are_noticed() {
    let list =
        List::parse("# note\nmetric a counter x\nmetric b gauge\n\n+ config s.key\n- metric gone gauge\n");
    let code = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let told = "Added `s.key`; removed gone.";
    let sound = code(&["metric a counter x", "metric b gauge", "config s.key"]);
    assert_eq!(list.problems(&sound, told), Vec::<String>::new());
    for (names, changelog, expected) in [
        (&["metric a counter x", "config s.key"][..], told, &["is promised and gone: metric b gauge"][..]),
        (
            &["metric a counter x,y", "metric b gauge", "config s.key"],
            told,
            &["is new: metric a counter x,y", "is promised and gone: metric a counter x"],
        ),
        (
            &["metric a counter x", "metric b gauge", "config s.key"],
            "Added `s.key_file`, `as.key` and `t.s.key`.",
            &["is not in CHANGELOG.md: \"s.key\"", "is not in CHANGELOG.md: \"gone\""],
        ),
        (
            &["metric a counter x", "metric b gauge", "config s.key", "metric gone gauge"],
            told,
            &["is back: metric gone gauge"],
        ),
    ] {
        let problems = list.problems(&code(names), changelog);
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        assert!(problems.iter().zip(expected).all(|(found, part)| found.starts_with(part)), "{problems:#?}");
    }
    let twice = List::parse("metric b gauge\nmetric a counter x\nmetric a counter x\n+ config s.key\n");
    let problems = twice.problems(&sound, told);
    assert_eq!(problems, ["is out of order, or there twice: metric a counter x"; 2]);
    assert_ne!(list.digest(), twice.digest());
}
