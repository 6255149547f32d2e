//! Where the keys of a TOML text stand: the line, and the name of the entry, for whoever must correct them.
//!
//! Refuses to know what a key means. The text has been read before; this looks at it only when something is to be said.

use std::fmt::Write as _;

use toml_edit::{ImDocument, Item, TableLike, Value};

use super::problems::Problem;

/// Lists of tables, whose entries go by their names.
const NAMED: [&str; 6] = ["source", "zone", "port_group", "nat_gateway", "forwarder", "service"];

/// A text whose keys can be found.
pub(super) struct Places<'a> {
    text: &'a str,
    document: Option<ImDocument<&'a str>>,
}

/// A place on the way along a path.
enum At<'a> {
    Table(&'a dyn TableLike),
    Item(&'a Item),
    Value(&'a Value),
}

impl<'a> At<'a> {
    fn key(&self, key: &str) -> Option<(Option<usize>, Self)> {
        let table = match self {
            Self::Table(table) => *table,
            Self::Item(item) => item.as_table_like()?,
            Self::Value(value) => value.as_inline_table()? as &dyn TableLike,
        };
        let (key, item) = table.get_key_value(key)?;
        Some((key.span().map(|span| span.start), Self::Item(item)))
    }

    fn index(&self, index: usize) -> Option<(Option<usize>, Self)> {
        let array = match self {
            Self::Item(Item::ArrayOfTables(tables)) => {
                let table = tables.get(index)?;
                return Some((table.span().map(|span| span.start), Self::Table(table)));
            }
            Self::Item(item) => item.as_array()?,
            Self::Value(value) => value.as_array()?,
            Self::Table(_) => return None,
        };
        let value = array.get(index)?;
        Some((value.span().map(|span| span.start), Self::Value(value)))
    }

    fn text(&self) -> Option<&'a str> {
        match self {
            Self::Item(item) => item.as_str(),
            Self::Value(value) => value.as_str(),
            Self::Table(_) => None,
        }
    }
}

impl<'a> Places<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, document: ImDocument::parse(text).ok() }
    }

    /// The value of a path, and where it stands; of a key that is not there, where its table does.
    fn find(&self, path: &str) -> (Option<usize>, Option<At<'_>>) {
        let Some(document) = &self.document else { return (None, None) };
        let (mut offset, mut at) = (None, At::Item(document.as_item()));
        for part in path.split('.') {
            let (key, indices) = part.split_once('[').map_or((part, ""), |(key, rest)| (key, rest));
            let indices = indices.split(['[', ']']).filter_map(|index| index.parse().ok());
            let Some((found, mut next)) = at.key(key) else { return (offset, None) };
            offset = found.or(offset);
            for index in indices {
                let Some((found, below)) = next.index(index) else { return (None, None) };
                (offset, next) = (found.or(offset), below);
            }
            at = next;
        }
        (offset, Some(at))
    }

    /// The line of a path, from 1.
    fn line(&self, path: &str) -> Option<usize> {
        let offset = self.find(path).0?;
        Some(self.text[..offset].matches('\n').count() + 1)
    }

    /// A path with the name of its entry in place of its number.
    fn label(&self, path: &str) -> String {
        let Some((table, rest)) = path.split_once('[').filter(|(table, _)| NAMED.contains(table)) else {
            return path.to_owned();
        };
        let (index, rest) = rest.split_once(']').unwrap_or((rest, ""));
        let name = self.find(&format!("{table}[{index}].name")).1.and_then(|at| at.text().map(str::to_owned));
        let mut label = table.to_owned();
        if let Some(name) = name {
            // Writing to a string cannot fail.
            let _ = write!(label, " {name:?}");
        }
        match rest.strip_prefix('.') {
            Some(key) => format!("{label}, {key}"),
            None => label,
        }
    }

    /// A sentence in which numbered entries are named, with their lines.
    pub(super) fn named(&self, text: &str) -> String {
        let is_path = |c: char| c.is_ascii_alphanumeric() || "._-[]".contains(c);
        let mut named = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(begin) = rest.find(is_path) {
            let word = &rest[begin..];
            let end = word.find(|c| !is_path(c)).unwrap_or(word.len());
            let path = word[..end].trim_end_matches('.');
            named += &rest[..begin];
            let numbered = path.split_once('[').is_some_and(|(table, _)| NAMED.contains(&table));
            match numbered.then(|| self.line(path)).flatten() {
                Some(line) => named += &format!("{} (line {line})", self.label(path)),
                None => named += path,
            }
            rest = &word[path.len()..];
            if path.is_empty() {
                named += &word[..end];
                rest = &word[end..];
            }
        }
        named + rest
    }

    /// Gives a problem of the file its line, and its entry a name.
    pub(super) fn place(&self, problem: Problem) -> Problem {
        let line = if problem.variable.is_some() { None } else { self.line(&problem.key) };
        let label = line.map(|_| self.label(&problem.key));
        Problem { line, label, wanted: self.named(&problem.wanted), ..problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[state]\npath = \"x\"\n\n[[zone]]\nname = \"a\"\ncidrs = [\n  \"10.0.0.0/24\",\n  \"10.0.1.0/24\",\n]\n\
                        [[zone]]\naz_id = \"use1-az1\"\n[prices]\nno_charge = [{ charge = \"inter_az\" }]\n\
                        [prices.regions.us-east-1]\ninter_az = 1\n";

    #[test]
    fn a_key_is_found_by_its_line_and_an_entry_by_its_name() {
        let places = Places::new(TEXT);
        for (path, line, label) in [
            ("state.path", 2, "state.path"),
            ("zone[0].name", 5, "zone \"a\", name"),
            ("zone[0].cidrs[1]", 8, "zone \"a\", cidrs[1]"),
            ("zone[0].region", 4, "zone \"a\", region"),
            ("zone[1]", 10, "zone"),
            ("prices.no_charge[0].charge", 13, "prices.no_charge[0].charge"),
            ("prices.regions.us-east-1.inter_az", 15, "prices.regions.us-east-1.inter_az"),
        ] {
            assert_eq!((places.line(path), places.label(path).as_str()), (Some(line), label), "{path}");
        }
        assert_eq!(places.line("source"), None);
    }

    #[test]
    fn a_sentence_names_the_entries_that_it_numbers() {
        let places = Places::new(TEXT);
        let text = "is the same as zone[0].name; see zone[1] (and b[2], zone[7].x, 10.0.0.0/8).";
        let named =
            "is the same as zone \"a\", name (line 5); see zone (line 10) (and b[2], zone[7].x, 10.0.0.0/8).";
        assert_eq!(places.named(text), named);
        assert_eq!(places.named(""), "");
    }
}
