//! CONTRIBUTING.md against the repository: its table of environment variables is complete, and the
//! files that it names exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Where variables are read.
const FOLDERS: [&str; 5] = ["src", "tests", "benches", "fuzz", "scripts"];

/// Not sources: environments of configuration cases, and what fuzzing leaves behind.
const SKIPPED: [&str; 5] = ["tests/configs", "fuzz/target", "fuzz/corpus", "fuzz/artifacts", "fuzz/seeds"];

/// What comes before the name of a variable that is read.
const READS: [&str; 5] = ["env::var(\"", "env::var_os(\"", "option_env!(\"", "environ.get(\"", "getenv(\""];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root().join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        if SKIPPED.iter().any(|skipped| folder == root().join(skipped)) {
            continue;
        }
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

/// Returns the name of a variable that a text begins with.
fn name(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    let name = &text[..end.unwrap_or(text.len())];
    name.starts_with(|c: char| c.is_ascii_uppercase()).then_some(name)
}

/// Returns the variables that a source reads or mentions. Overrides of configuration keys, which
/// have two underscores, are left out.
fn variables(text: &str) -> BTreeSet<&str> {
    let prefix = concat!("FLOWCOST", "_");
    let own = text.match_indices(prefix).filter_map(|(at, _)| {
        let whole = name(&text[at..])?;
        let rest = &whole[prefix.len()..];
        let inside = text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        (!inside && !rest.is_empty() && !rest.starts_with('_')).then_some(whole)
    });
    let read = READS
        .iter()
        .flat_map(|before| text.match_indices(before).filter_map(|(at, _)| name(&text[at + before.len()..])));
    // In shell scripts, those with a default.
    let defaulted = text.match_indices("${").filter_map(|(at, _)| {
        let whole = name(&text[at + 2..])?;
        text[at + 2 + whole.len()..].starts_with(":-").then_some(whole)
    });
    own.chain(read).chain(defaulted).collect()
}

/// Returns the first cells of the table of variables.
fn documented(page: &str) -> BTreeSet<&str> {
    let (_, section) = page.split_once("\n## Environment variables\n").expect("its section");
    let section = section.split("\n## ").next().expect("its text");
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

#[test]
fn the_table_of_variables_is_that_of_the_code() {
    let page = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let documented = documented(&page);
    let mut read: BTreeMap<String, String> = BTreeMap::new();
    for path in files() {
        // Fixtures are not text.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        read.extend(variables(&text).into_iter().map(|name| (name.to_owned(), file.clone())));
    }
    assert!(read.len() > 10, "they are not found: {read:?}");
    let missing: Vec<_> = read.iter().filter(|(name, _)| !documented.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "not in the table of CONTRIBUTING.md: {missing:#?}");
    let gone: Vec<_> = documented.iter().filter(|name| !read.contains_key(**name)).collect();
    assert!(gone.is_empty(), "in the table of CONTRIBUTING.md, and read nowhere: {gone:#?}");
}

/// Returns the paths of the repository that stand in backticks, without wildcards.
fn paths(page: &str) -> impl Iterator<Item = &str> {
    let words = page.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
    words.filter(|word| {
        let top = word.split('/').next().unwrap_or_default();
        word.contains('/')
            && ["alerts", "config", "docs", "grafana"].iter().chain(&FOLDERS).any(|folder| *folder == top)
            && !word.contains(['*', '<'])
    })
}

#[test]
fn the_files_that_it_names_are_there() {
    let page = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let named: BTreeSet<&str> = paths(&page).collect();
    assert!(named.len() > 40, "they are not found: {named:?}");
    let gone: Vec<_> = named.iter().filter(|path| !root().join(path).exists()).collect();
    assert!(gone.is_empty(), "CONTRIBUTING.md names what is not there: {gone:#?}");
}

#[test]
fn the_checks_see_what_they_look_for() {
    let own = concat!("FLOWCOST", "_X1");
    let text = format!(
        "a {own}=1 {0}_A__B NOT_{own} env::var(\"A_B\") env::var(lower) ${{C:-1}} ${{D}} ${{1:-x}} os.environ.get(\"E\")",
        concat!("FLOWCOST", "_")
    );
    assert_eq!(variables(&text), BTreeSet::from(["A_B", "C", "E", own]));
    let page = "x\n## Environment variables\n\n| variable | what |\n|---|---|\n| `A` | `b` |\n\n## Next\n| `C` | |\n";
    assert_eq!(documented(page), BTreeSet::from(["A"]));
    let page = "`tests/run` runs `cargo test` and `sh tests/no_such > docs/x` `tests/*.rs` `a/b`";
    assert_eq!(paths(page).collect::<Vec<_>>(), ["tests/run", "tests/no_such", "docs/x"]);
}
