//! Reading the tree key by key: what is asked for is checked, what nobody asks for is a problem.
//!
//! Refuses to know where the tree comes from, and what any key means. A value of the wrong type is a problem like any
//! other, so one mistake never hides the next.

use figment::value::{Dict, Value};

use super::{ENV_PREFIX, Raw, Syntax};
use crate::config::problems::{Problem, Problems, nearest, show, show_number};

/// What a problem shows in place of a secret.
const HIDDEN: &str = "(not shown)";

impl Raw {
    /// The top level.
    pub(in crate::config) fn root(&self) -> Table<'_> {
        Table { raw: self, path: String::new(), dict: Some(&self.tree), asked: Vec::new() }
    }
}

/// A value, and where it stands.
#[derive(Clone)]
pub(in crate::config) struct Node<'a> {
    raw: &'a Raw,
    /// Its key path.
    pub(in crate::config) path: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    /// The variable that set it.
    fn variable(&self) -> Option<String> {
        let name = &self.raw.figment.get_metadata(self.value.tag())?.name;
        name.starts_with(ENV_PREFIX).then(|| name.to_string())
    }

    /// What is wrong with this value.
    pub(in crate::config) fn problem(&self, wanted: impl Into<String>) -> Problem {
        Problem {
            key: self.path.clone(),
            variable: self.variable(),
            value: show(self.value),
            wanted: wanted.into(),
            ..Problem::default()
        }
    }

    /// Its text, if it is one. A TOML date without quotes is read as the text it was typed as.
    pub(in crate::config) fn text(&self) -> Option<&'a str> {
        match self.value {
            Value::String(_, text) => Some(text),
            Value::Dict(_, dict) => dict.get("$__toml_private_datetime")?.as_str(),
            _ => None,
        }
    }

    /// Its number in plain decimals, if it is one. Variables are text: there the text is the number.
    pub(in crate::config) fn number(&self) -> Option<String> {
        match self.value {
            Value::Num(_, number) => Some(show_number(*number)),
            Value::String(_, text) if self.variable().is_some() => Some(text.trim().to_owned()),
            _ => None,
        }
    }

    /// The same problem with a value that must not be repeated.
    pub(in crate::config) fn secret_problem(&self, wanted: impl Into<String>) -> Problem {
        Problem { value: Some(HIDDEN.to_owned()), ..self.problem(wanted) }
    }

    /// Its truth value, if it is one.
    pub(in crate::config) fn boolean(&self) -> Option<bool> {
        match (self.value, self.variable()) {
            (Value::Bool(_, flag), _) => Some(*flag),
            (Value::String(_, text), Some(_)) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Its keys, if it is a table.
    pub(in crate::config) fn table(&self) -> Option<Table<'a>> {
        let Value::Dict(_, dict) = self.value else { return None };
        Some(Table { raw: self.raw, path: self.path.clone(), dict: Some(dict), asked: Vec::new() })
    }

    /// Its items, if it is a list.
    pub(in crate::config) fn items(&self) -> Option<Vec<Node<'a>>> {
        let Value::Array(_, items) = self.value else { return None };
        let path = |index: usize| match self.raw.syntax {
            Syntax::Toml => format!("{}[{index}]", self.path),
            // These lists are of single words, which show which one is meant.
            Syntax::Yaml => self.path.clone(),
        };
        let node = |(index, value)| Node { raw: self.raw, path: path(index), value };
        Some(items.iter().enumerate().map(node).collect())
    }
}

/// A table of the tree. Whoever reads it asks for its keys one by one and ends with [`Table::finish`].
pub(in crate::config) struct Table<'a> {
    raw: &'a Raw,
    path: String,
    /// `None` where something else than a table stands, which is a problem already told.
    dict: Option<&'a Dict>,
    asked: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// The path of one of its keys.
    pub(in crate::config) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Its own path.
    pub(in crate::config) fn path(&self) -> &str {
        &self.path
    }

    /// The value of a key.
    fn node(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.asked.push(key);
        // YAML has keys without a value, which is as good as no key.
        let value = self.dict?.get(key).filter(|value| !matches!(value, Value::Empty(..)))?;
        Some(Node { raw: self.raw, path: self.path_of(key), value })
    }

    /// The value of a key that may be left out, with its place for later remarks.
    pub(in crate::config) fn placed<T>(
        &mut self,
        problems: &mut Problems,
        key: &'static str,
        parse: impl FnOnce(&Node<'a>) -> Result<T, String>,
    ) -> Option<(Node<'a>, T)> {
        let node = self.node(key)?;
        match parse(&node) {
            Ok(value) => Some((node, value)),
            Err(wanted) => {
                problems.push(node.problem(wanted));
                None
            }
        }
    }

    /// The value of a key that may be left out.
    pub(in crate::config) fn optional<T>(
        &mut self,
        problems: &mut Problems,
        key: &'static str,
        parse: impl FnOnce(&Node<'a>) -> Result<T, String>,
    ) -> Option<T> {
        self.placed(problems, key, parse).map(|(_, value)| value)
    }

    /// A text that must not be repeated in a problem.
    pub(in crate::config) fn secret<T>(
        &mut self,
        problems: &mut Problems,
        key: &'static str,
        parse: impl FnOnce(&'a str) -> Result<T, String>,
    ) -> Option<T> {
        let node = self.node(key)?;
        match node.text().ok_or_else(|| "must be a text".to_owned()).and_then(parse) {
            Ok(value) => Some(value),
            Err(wanted) => {
                problems.push(node.secret_problem(wanted));
                None
            }
        }
    }

    /// The value of a key, or its default.
    pub(in crate::config) fn or<T>(
        &mut self,
        problems: &mut Problems,
        key: &'static str,
        default: T,
        parse: impl FnOnce(&Node<'a>) -> Result<T, String>,
    ) -> T {
        self.optional(problems, key, parse).unwrap_or(default)
    }

    /// The value of a key that must be there.
    pub(in crate::config) fn required<T>(
        &mut self,
        problems: &mut Problems,
        key: &'static str,
        wanted: &str,
        parse: impl FnOnce(&Node<'a>) -> Result<T, String>,
    ) -> Option<(Node<'a>, T)> {
        if let Some(dict) = self.dict
            && !dict.contains_key(key)
        {
            problems.at(self.path_of(key), format!("is missing: {wanted}"));
        }
        self.placed(problems, key, parse)
    }

    /// The good items of a list; a list that is left out is empty.
    pub(in crate::config) fn list<T>(
        &mut self,
        problems: &mut Problems,
        key: &'static str,
        parse: impl Fn(&Node<'a>) -> Result<T, String>,
    ) -> Vec<(Node<'a>, T)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let Some(items) = node.items() else {
            problems.push(node.problem(match self.raw.syntax {
                Syntax::Toml => format!("must be a list in brackets: {key} = [ ... ]"),
                Syntax::Yaml => format!("must be a list: {key}: [ ... ], or lines that begin with a dash"),
            }));
            return Vec::new();
        };
        let mut good = Vec::new();
        for item in items {
            match parse(&item) {
                Ok(value) => good.push((item, value)),
                Err(wanted) => problems.push(item.problem(wanted)),
            }
        }
        good
    }

    /// Whether it has no key.
    pub(in crate::config) fn is_empty(&self) -> bool {
        self.dict.is_some_and(|dict| dict.is_empty())
    }

    /// Whether a key is there, good or bad. Does not count as asking for it.
    pub(in crate::config) fn has(&self, key: &str) -> bool {
        self.dict.is_some_and(|dict| dict.contains_key(key))
    }

    /// A table under a key; empty where it is left out.
    pub(in crate::config) fn table(&mut self, problems: &mut Problems, key: &'static str) -> Table<'a> {
        let empty = Table { raw: self.raw, path: self.path_of(key), dict: Some(&EMPTY), asked: Vec::new() };
        let Some(node) = self.node(key) else { return empty };
        if let Value::Dict(_, dict) = node.value {
            return Table { dict: Some(dict), ..empty };
        }
        let path = &node.path;
        problems.at(
            path,
            match self.raw.syntax {
                Syntax::Toml => {
                    format!("must be a table: write [{path}] on a line of its own, its keys below it")
                }
                Syntax::Yaml => format!(
                    "must be a mapping: write {key}: on a line of its own, its keys indented below it"
                ),
            },
        );
        Table { dict: None, ..empty }
    }

    /// The tables of a list of tables; empty where it is left out.
    pub(in crate::config) fn tables(&mut self, problems: &mut Problems, key: &'static str) -> Vec<Table<'a>> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let wanted = format!("must be a list of tables: write [[{}]] in double brackets for each", node.path);
        let Some(items) = node.items() else {
            problems.at(&node.path, wanted);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            match item.table() {
                Some(table) => tables.push(table),
                None => problems.push(item.problem(wanted.clone())),
            }
        }
        tables
    }

    /// The tables under keys that the user chooses.
    pub(in crate::config) fn named_tables(&mut self, problems: &mut Problems) -> Vec<(&'a str, Table<'a>)> {
        let mut tables = Vec::new();
        for (name, value) in self.dict.into_iter().flatten() {
            let path = self.path_of(name);
            if let Value::Dict(_, dict) = value {
                tables.push((
                    name.as_str(),
                    Table { raw: self.raw, path, dict: Some(dict), asked: Vec::new() },
                ));
            } else {
                let node = Node { raw: self.raw, path, value };
                problems.push(node.problem(format!("must be a table: write [{}]", node.path)));
            }
        }
        tables
    }

    /// The keys that the user chooses, with their values.
    pub(in crate::config) fn entries(&mut self) -> Vec<(&'a str, Node<'a>)> {
        let dict = self.dict.take();
        let node = |(key, value): (&'a String, &'a Value)| {
            (key.as_str(), Node { raw: self.raw, path: self.path_of(key), value })
        };
        dict.into_iter().flatten().map(node).collect()
    }

    /// Tells of every key that nobody asked for.
    pub(in crate::config) fn finish(self, problems: &mut Problems) {
        for (key, value) in self.dict.into_iter().flatten() {
            if self.asked.contains(&key.as_str()) {
                continue;
            }
            let node = Node { raw: self.raw, path: self.path_of(key), value };
            let wanted = match nearest(key, self.asked.iter().copied()) {
                Some(near) => format!("unknown key; did you mean {near}?"),
                None => format!("unknown key; the keys here are {}", self.asked.join(", ")),
            };
            problems.push(node.problem(wanted));
        }
    }
}

static EMPTY: Dict = Dict::new();
