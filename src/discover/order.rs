//! Where in a listing the partitions of a window are.
//!
//! A store lists keys in byte order. That is the order of time where months, days and hours have two digits; without
//! leading zeros October comes before September. So a window is a few stretches of the listing, and whoever comes to the
//! end of one goes on at the beginning of the next. Invariant: no spelling of a partition of the window is jumped over,
//! also where several stand side by side.

use super::{
    layout::{Part, Segment, Token},
    window::Window,
};
use crate::model::{Hour, Timestamp};

/// The date tokens of a layout, and the text around them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// Before the year.
    lead: String,
    levels: Vec<Level>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Level {
    token: Token,
    /// It may stand without its leading zero.
    short: bool,
    /// Up to the next token, or to the name of the file.
    after: String,
}

/// Year, month, day, hour.
type Date = [i32; 4];

/// What is looked for.
struct Search<'a> {
    levels: &'a [Level],
    first: Date,
    last: Date,
    at: &'a str,
}

impl Order {
    /// The order of folders of this form.
    pub(super) fn new(tail: &[Segment]) -> Self {
        let mut order = Self::default();
        for segment in tail {
            for (at, part) in segment.0.iter().enumerate() {
                match part {
                    Part::Literal(text) => order.text().push_str(text),
                    Part::Token(token) => {
                        let short = *token != Token::Year && segment.may_be_short(at);
                        order.levels.push(Level { token: *token, short, after: String::new() });
                    }
                }
            }
            order.text().push('/');
        }
        order
    }

    /// The text behind what there is so far.
    fn text(&mut self) -> &mut String {
        self.levels.last_mut().map_or(&mut self.lead, |level| &mut level.after)
    }

    /// See [`super::dates::Dates::seek`]; `days` are looked for instead of hours.
    pub(super) fn seek(&self, root: &str, window: &Window, days: bool, at: &str) -> Option<String> {
        let depth = if days { self.levels.len().min(3) } else { self.levels.len() };
        let first = date(window.from).unwrap_or([0, 1, 1, 0]);
        let last = date(window.until).unwrap_or([9999, 12, 31, 23]);
        let search = Search { levels: &self.levels[..depth], first, last, at };
        search.below(&format!("{root}{}", self.lead), 0, true, true)
    }
}

/// `None` outside the years that have four digits.
fn date(at: Timestamp) -> Option<Date> {
    let utc = Hour::of(at).start().to_utc().filter(|utc| utc.year() >= 0)?;
    Some([utc.year(), u8::from(utc.month()).into(), utc.day().into(), utc.hour().into()])
}

impl Search<'_> {
    /// Where it goes on below `path`, which has the first `depth` tokens; they are those of the first or of the last date
    /// as told.
    fn below(&self, path: &str, depth: usize, is_first: bool, is_last: bool) -> Option<String> {
        let level = &self.levels[depth];
        let (least, most) = match level.token {
            Token::Year => (self.first[0], self.last[0]),
            Token::Month => (1, 12),
            Token::Day => (1, 31),
            _ => (0, 23),
        };
        let from = if is_first { self.first[depth] } else { least };
        let until = if is_last { self.last[depth] } else { most };
        let mut texts = Vec::new();
        for value in from..=until {
            let width = if level.token == Token::Year { 4 } else { 2 };
            texts.push((format!("{path}{value:0width$}{}", level.after), value));
            if level.short && value < 10 {
                texts.push((format!("{path}{value}{}", level.after), value));
            }
        }
        texts.sort_unstable();
        texts.into_iter().find_map(|(text, value)| self.within(&text, value, depth, is_first, is_last))
    }

    /// The same for one text of a token.
    fn within(&self, text: &str, value: i32, depth: usize, is_first: bool, is_last: bool) -> Option<String> {
        let inside = self.at.starts_with(text);
        if !inside && text < self.at {
            return None;
        }
        if depth + 1 < self.levels.len() {
            let is_first = is_first && value == self.first[depth];
            let is_last = is_last && value == self.last[depth];
            return self.below(text, depth + 1, is_first, is_last);
        }
        if inside {
            return Some(self.at.to_owned());
        }
        // Without what comes after, so that it sorts before the folder itself.
        let start = text.strip_suffix(self.levels[depth].after.as_str()).filter(|start| *start > self.at);
        Some(start.unwrap_or(text).to_owned())
    }
}
