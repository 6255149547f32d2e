//! What is wrong with a configuration: all of it at once, each problem with its key, its value and what would be right.

use std::fmt;

use figment::value::{Empty, Num, Value};

use super::places::Places;

/// Characters of a value that a problem shows.
const SHOWN_CHARS: usize = 80;

/// One thing that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key, such as `zone[1].cidrs[0]`; lists count from 0. Empty for the file as a whole.
    pub key: String,
    /// The line of the file, from 1, as far as it is known.
    pub line: Option<usize>,
    /// The key with the name of its entry in place of its number, where it has a line.
    pub label: Option<String>,
    /// The environment variable that set it, where one did.
    pub variable: Option<String>,
    /// What stands there; `None` where nothing does, or a whole table.
    pub value: Option<String>,
    /// What is wrong and what would be right.
    pub wanted: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            f.write_str("  ")?;
            if let Some(line) = self.line {
                write!(f, "line {line}: ")?;
            }
            f.write_str(self.label.as_ref().unwrap_or(&self.key))?;
            if let Some(variable) = &self.variable {
                write!(f, " (set by {variable})")?;
            }
            match &self.value {
                Some(value) => writeln!(f, " = {value}")?,
                None => writeln!(f)?,
            }
        }
        for line in self.wanted.trim_end().lines() {
            writeln!(f, "      {line}")?;
        }
        Ok(())
    }
}

/// The problems found so far, in the order in which the keys are read.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// A problem of a key that has no value to show.
    pub(super) fn at(&mut self, key: impl Into<String>, wanted: impl Into<String>) {
        self.push(Problem { key: key.into(), wanted: wanted.into(), ..Problem::default() });
    }

    /// Whether the value at a key, or inside it, has a problem already.
    pub(super) fn any_below(&self, key: &str) -> bool {
        self.0.iter().any(|problem| match problem.key.strip_prefix(key) {
            Some(rest) => rest.is_empty() || rest.starts_with(['.', '[']),
            None => false,
        })
    }

    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// All of them as the fault of a TOML file with this text, each with its line and in their order.
    pub(super) fn of(self, file: &str, text: &str) -> ConfigError {
        let places = Places::new(text);
        let mut problems: Vec<Problem> = self.0.into_iter().map(|one| places.place(one)).collect();
        problems.sort_by_key(|problem| problem.line);
        ConfigError { file: file.to_owned(), problems }
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, as it was typed.
    pub file: String,
    /// Everything that is wrong with it; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        writeln!(f, "{}: {count} problem{}", self.file, if count == 1 { "" } else { "s" })?;
        for problem in &self.problems {
            write!(f, "\n{problem}")?;
        }
        Ok(())
    }
}

/// A value as the file would have it, cut short; `None` for a table.
pub(super) fn show(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Char(_, one) => format!("{:?}", one.to_string()),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Num(_, number) => show_number(*number),
        Value::Empty(_, Empty::None | Empty::Unit) => "nothing".to_owned(),
        Value::Array(_, items) => {
            let shown: Vec<String> =
                items.iter().map(|item| show(item).unwrap_or_else(|| "{...}".to_owned())).collect();
            format!("[{}]", shown.join(", "))
        }
        Value::Dict(..) => return None,
    };
    let text = without_credentials(text);
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((cut, _)) => Some(format!("{}...", &text[..cut])),
        None => Some(text),
    }
}

/// Leaves out what stands between `://` and `@` in a url: no place of the configuration takes a user and a password
/// there, and whoever typed them does not want to read them in a log.
fn without_credentials(text: String) -> String {
    let mut shown = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("://") {
        shown += before;
        shown += "://";
        let end = after.find(['"', ' ', ',']).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                shown += "...";
                &after[at..]
            }
            None => after,
        };
    }
    shown + rest
}

/// A number in plain decimals: the shortest text that reads back as the same number.
pub(super) fn show_number(number: Num) -> String {
    match (number.to_i128(), number.to_u128(), number.to_f64()) {
        (Some(integer), _, _) => integer.to_string(),
        (_, Some(integer), _) => integer.to_string(),
        (_, _, Some(float)) => float.to_string(),
        _ => "a number".to_owned(),
    }
}

/// The name that a mistyped one is nearest to, if it is near at all.
pub(super) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let reach = (typed.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (distance(&typed.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= reach)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein distance in characters. Both texts are keys or names, so the quadratic cost is small.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["poll_interval", "lookback", "start", "concurrency"];
        assert_eq!(nearest("pol_interval", known), Some("poll_interval"));
        assert_eq!(nearest("Lookback", known), Some("lookback"));
        assert_eq!(nearest("concurency", known), Some("concurrency"));
        assert_eq!(nearest("retention", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn values_are_shown_as_toml_and_cut_short() {
        assert_eq!(show(&Value::from("a\"b")).as_deref(), Some("\"a\\\"b\""));
        assert_eq!(show(&Value::from(0.01)).as_deref(), Some("0.01"));
        assert_eq!(show(&Value::from(-3)).as_deref(), Some("-3"));
        assert_eq!(show(&Value::from(vec![1, 2])).as_deref(), Some("[1, 2]"));
        let url = Value::from(vec!["s3://id:se/cr@et@bucket/", "http://x/", "https://u:p@h"]);
        let shown = "[\"s3://...@bucket/\", \"http://x/\", \"https://...@h\"]";
        assert_eq!(show(&url).as_deref(), Some(shown));
        let long = show(&Value::from("x".repeat(500))).unwrap();
        assert_eq!(long.chars().count(), SHOWN_CHARS + 3);
    }
}
