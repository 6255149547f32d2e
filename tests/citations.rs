//! docs/semantics.md and the code that cites it: every citation names a clause, every clause is
//! cited.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Section and number, as in `2.3`.
type Clause = (u32, u32);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join("docs/semantics.md")).expect("docs/semantics.md")
}

/// Reads `2.3` out of a word with punctuation around it.
fn clause(word: &str) -> Option<Clause> {
    let digits = word.trim_matches(|character: char| !character.is_ascii_digit());
    let (section, number) = digits.split_once('.')?;
    Some((section.parse().ok()?, number.parse().ok()?))
}

/// The clauses of the page in its order, each with the section under whose heading it stands. A
/// clause begins a line, or a row of a table, with its number in bold.
fn clauses(page: &str) -> Vec<(u32, Clause)> {
    let mut section = 0;
    let mut found = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        }
        let bold = line.trim_start_matches(['|', ' ']).strip_prefix("**");
        let number = bold.and_then(|rest| rest.split_once("**")).map(|(number, _)| number);
        found.extend(number.and_then(clause).map(|clause| (section, clause)));
    }
    found
}

/// The clauses that a text cites: `semantics 2.3`, also `semantics 2.3, 2.4 and 3.1`, also across a
/// line break in a comment.
fn citations(text: &str) -> BTreeSet<Clause> {
    let mut found = BTreeSet::new();
    let mut citing = false;
    for word in text.split_whitespace().filter(|word| !matches!(*word, "//" | "///" | "//!")) {
        let number = if citing { clause(word) } else { None };
        citing = word.to_lowercase().ends_with("semantics") || number.is_some() || (citing && word == "and");
        found.extend(number);
    }
    found
}

/// Every Rust file below `src` and `tests` with its text, this one excepted.
fn files() -> BTreeMap<String, String> {
    fn walk(folder: &Path, into: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("below").display().to_string();
                into.insert(name, fs::read_to_string(&path).expect("readable"));
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(&root().join("src"), &mut files);
    walk(&root().join("tests"), &mut files);
    files.remove("tests/citations.rs").expect("this file");
    files
}

#[test]
fn clauses_stand_in_their_sections_and_rise() {
    let clauses = clauses(&page());
    assert!(clauses.len() > 50, "{} clauses", clauses.len());
    let astray: Vec<_> = clauses.iter().filter(|(section, clause)| *section != clause.0).collect();
    assert!(astray.is_empty(), "under the heading of another section: {astray:?}");
    let unordered: Vec<_> =
        clauses.windows(2).filter(|pair| pair[0].1 >= pair[1].1).map(|pair| pair[1].1).collect();
    assert!(unordered.is_empty(), "twice, or below one with a higher number: {unordered:?}");
}

#[test]
fn every_citation_names_a_clause() {
    let clauses: BTreeSet<_> = clauses(&page()).into_iter().map(|(_, clause)| clause).collect();
    let mut wrong = Vec::new();
    for (file, text) in files() {
        let dangling = citations(&text).into_iter().filter(|clause| !clauses.contains(clause));
        wrong.extend(dangling.map(|(section, number)| format!("{file}: semantics {section}.{number}")));
    }
    assert!(wrong.is_empty(), "docs/semantics.md has no such clause: {wrong:#?}");
}

#[test]
fn every_clause_is_cited() {
    let cited: BTreeSet<_> = files().values().flat_map(|text| citations(text)).collect();
    let uncited: Vec<_> = clauses(&page())
        .into_iter()
        .map(|(_, clause)| clause)
        .filter(|clause| !cited.contains(clause))
        .collect();
    assert!(uncited.is_empty(), "neither src nor tests cite {uncited:?}");
}

#[test]
fn citations_and_clauses_are_recognised() {
    let cited = "// (semantics 1.2, 1.3 and\n    /// 2.10): see 3.4, semantics\n//! 4.5. semantics of 5.6";
    assert_eq!(citations(cited), BTreeSet::from([(1, 2), (1, 3), (2, 10), (4, 5)]));
    let page = "## 1 A\n**1.1** a 1.9\n| **1.2** | b |\n## B\n**2.1** c\n**bold** d";
    assert_eq!(clauses(page), [(1, (1, 1)), (1, (1, 2)), (0, (2, 1))]);
}
