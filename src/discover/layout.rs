//! The layouts of a source: what its keys look like down to where dates begin ([`super::dates`] goes on there).
//!
//! Pure. Refuses to know what is listed when.
//! Source of the AWS layouts: AWS, "Publish flow logs to Amazon S3", section on file paths. Some central accounts put the
//! id of their organization behind `AWSLogs/`, as CloudTrail does for a trail of an organization.

use std::sync::{Arc, LazyLock};

use time::{Date, Month};

pub use super::names::{delivery_of, flow_log_of, is_account, is_flow_log_id, is_organization, is_region};
use super::{dates::Dates, order::Order};
use crate::model::{Hour, Timestamp};

/// A part of one path segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Token(Token),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Organization,
    Account,
    Region,
    Year,
    Month,
    Day,
    Hour,
}

impl Token {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "account" => Self::Account,
            "region" => Self::Region,
            "year" => Self::Year,
            "month" => Self::Month,
            "day" => Self::Day,
            "hour" => Self::Hour,
            _ => return None,
        })
    }

    pub(super) fn is_date(self) -> bool {
        matches!(self, Self::Year | Self::Month | Self::Day | Self::Hour)
    }
}

/// One path segment, without its slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment(pub(super) Vec<Part>);

/// What the tokens of a path stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Captured {
    account: Option<String>,
    region: Option<String>,
    year: Option<i32>,
    month: Option<u8>,
    day: Option<u8>,
    hour: Option<u8>,
}

impl Segment {
    pub(super) fn tokens(&self) -> impl Iterator<Item = Token> {
        self.0.iter().filter_map(|part| match part {
            Part::Token(token) => Some(*token),
            Part::Literal(_) => None,
        })
    }

    /// The text of a segment that has no tokens.
    fn literal(&self) -> Option<String> {
        self.0
            .iter()
            .map(|part| match part {
                Part::Literal(text) => Some(text.as_str()),
                Part::Token(_) => None,
            })
            .collect()
    }

    /// Whether a month, day or hour at this place may stand without its leading zero: only where the text around it says
    /// where it ends.
    pub(super) fn may_be_short(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map(|before| &self.0[before]);
        let apart = match before {
            None | Some(Part::Literal(_) | Part::Token(Token::Year)) => true,
            Some(Part::Token(_)) => false,
        };
        let ends = match self.0.get(at + 1) {
            None => true,
            Some(Part::Literal(next)) => !next.starts_with(|first: char| first.is_ascii_digit()),
            Some(Part::Token(_)) => false,
        };
        apart && ends
    }

    /// Matches a whole segment.
    pub(super) fn capture(&self, text: &str, into: &mut Captured) -> bool {
        let mut rest = text;
        for (at, part) in self.0.iter().enumerate() {
            match part {
                Part::Literal(literal) => match rest.strip_prefix(literal.as_str()) {
                    Some(after) => rest = after,
                    None => return false,
                },
                Part::Token(token) => {
                    let length = match token {
                        Token::Account => 12,
                        Token::Year => 4,
                        Token::Month | Token::Day | Token::Hour => {
                            let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
                            if digits == 1 && self.may_be_short(at) { 1 } else { 2 }
                        }
                        Token::Organization | Token::Region => match self.0.get(at + 1) {
                            Some(Part::Literal(next)) => rest.find(next.as_str()).unwrap_or(rest.len()),
                            _ => rest.len(),
                        },
                    };
                    let Some(value) = rest.get(..length) else { return false };
                    if !into.set(*token, value) {
                        return false;
                    }
                    rest = &rest[length..];
                }
            }
        }
        rest.is_empty()
    }
}

impl Captured {
    /// Takes the text of a token; false when it cannot be one.
    fn set(&mut self, token: Token, text: &str) -> bool {
        fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
        }
        match token {
            Token::Organization => return is_organization(text),
            Token::Account if is_account(text) => self.account = Some(text.to_owned()),
            Token::Region if is_region(text) => self.region = Some(text.to_owned()),
            Token::Account | Token::Region => return false,
            Token::Year => self.year = number(text),
            Token::Month => self.month = number(text),
            Token::Day => self.day = number(text),
            Token::Hour => self.hour = number(text).filter(|hour| *hour < 24),
        }
        match token {
            Token::Organization | Token::Account | Token::Region => true,
            Token::Year => self.year.is_some(),
            Token::Month => self.month.is_some(),
            Token::Day => self.day.is_some(),
            Token::Hour => self.hour.is_some(),
        }
    }

    pub(super) fn first_hour(&self) -> Option<Hour> {
        let month = Month::try_from(self.month?).ok()?;
        let date = Date::from_calendar_date(self.year?, month, self.day?).ok()?;
        let midnight = date.midnight().assume_utc().unix_timestamp();
        Some(Hour(Hour::of(Timestamp(midnight)).0 + i64::from(self.hour.unwrap_or(0))))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HourUse {
    Absent,
    Required,
    /// Daily and hourly partitions side by side.
    Either,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// `{account}_vpcflowlogs_{region}_{fl-id}_{time}_{hash}.log.{gz,parquet}`. A file of another name beside AWS's
    /// own may repeat their records (compaction): it is ignored, not guessed at.
    Aws,
    /// Any `.gz` or `.parquet`.
    Free,
}

/// One shape of keys, relative to the prefix of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    head: Vec<Segment>,
    pub(super) tail: Vec<Segment>,
    pub(super) hour: HourUse,
    pub(super) names: Names,
    pub(super) order: Order,
}

/// The layout of a source: one or more shapes of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    text: String,
    templates: Vec<Template>,
}

/// What is wrong with a layout text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Neither a known word nor a template.
    #[error(
        "is no layout: use auto, daily, hourly, hive-daily, hive-hourly, or a template with {{year}}, {{month}} and {{day}}"
    )]
    Unknown,
    /// A token that does not exist.
    #[error(
        "has the unknown token {{{0}}}: the tokens are {{account}}, {{region}}, {{year}}, {{month}}, {{day}} and {{hour}}"
    )]
    Token(String),
    /// A brace without its partner.
    #[error("has a brace that is not closed")]
    Brace,
    /// The same token twice.
    #[error("has the token {{{0}}} twice")]
    Twice(&'static str),
    /// Date tokens missing or out of order.
    #[error(
        "needs {{year}}, {{month}}, {{day}} and then perhaps {{hour}}, in this order and after {{account}} and {{region}}: a listing must be in the order of time"
    )]
    Order,
    /// Empty segments or a leading slash.
    #[error("must not begin with a slash or contain an empty path segment")]
    Empty,
}

const PLAIN: &str = "AWSLogs/{account}/vpcflowlogs/{region}/{year}/{month}/{day}/{hour}/";
const HIVE: &str = "AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/year={year}/month={month}/day={day}/hour={hour}/";

impl Layout {
    /// Reads `layout` of a source.
    pub fn parse(text: &str) -> Result<Self, LayoutError> {
        let aws = |templates: &[&str], hour| {
            let plain: Vec<Template> = templates
                .iter()
                .map(|text| Template::parse(text).map(|t| Template { hour, names: Names::Aws, ..t }))
                .collect::<Result<_, _>>()?;
            let of_organization: Vec<Template> = plain.iter().map(Template::of_organization).collect();
            Ok([plain, of_organization].concat())
        };
        let templates = match text {
            "auto" => aws(&[PLAIN, HIVE], HourUse::Either)?,
            "daily" => aws(&[PLAIN], HourUse::Absent)?,
            "hourly" => aws(&[PLAIN], HourUse::Required)?,
            "hive-daily" => aws(&[HIVE], HourUse::Absent)?,
            "hive-hourly" => aws(&[HIVE], HourUse::Required)?,
            template if template.contains('{') => vec![Template::parse(template)?],
            _ => return Err(LayoutError::Unknown),
        };
        Ok(Self { text: text.to_owned(), templates })
    }

    /// The layouts of AWS whose folders this one does not look into; none where that is no matter of folders.
    pub(super) fn others(&self) -> Vec<Head<'static>> {
        static AUTO: LazyLock<Option<Layout>> = LazyLock::new(|| Layout::parse("auto").ok());
        let own: Vec<&[Segment]> = self.templates.iter().map(|template| template.head.as_slice()).collect();
        if self.templates.iter().any(|template| template.names == Names::Free) {
            return Vec::new();
        }
        let all = AUTO.iter().flat_map(Layout::heads);
        all.filter(|head| !own.contains(&head.template.head.as_slice())).collect()
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The steps from the prefix of a source down to where dates begin, one list for each shape.
    pub fn heads(&self) -> impl Iterator<Item = Head<'_>> {
        self.templates.iter().map(|template| Head { template })
    }
}

impl Template {
    fn parse(text: &str) -> Result<Self, LayoutError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let segments = text.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        let tokens: Vec<Token> = segments.iter().flat_map(Segment::tokens).collect();
        for (token, name) in [
            (Token::Account, "account"),
            (Token::Region, "region"),
            (Token::Year, "year"),
            (Token::Month, "month"),
            (Token::Day, "day"),
            (Token::Hour, "hour"),
        ] {
            if tokens.iter().filter(|t| **t == token).count() > 1 {
                return Err(LayoutError::Twice(name));
            }
        }
        let dates: Vec<Token> = tokens.iter().copied().skip_while(|token| !token.is_date()).collect();
        let hour = match dates.as_slice() {
            [Token::Year, Token::Month, Token::Day] => HourUse::Absent,
            [Token::Year, Token::Month, Token::Day, Token::Hour] => HourUse::Required,
            _ => return Err(LayoutError::Order),
        };
        let split = segments.iter().position(|s| s.tokens().any(Token::is_date)).ok_or(LayoutError::Order)?;
        let mut head = segments;
        let tail = head.split_off(split);
        // An account in front of the year within one segment would put the range listing out of order.
        if tail.iter().flat_map(Segment::tokens).any(|token| !token.is_date()) {
            return Err(LayoutError::Order);
        }
        let order = Order::new(&tail);
        Ok(Self { head, tail, hour, names: Names::Free, order })
    }

    /// The same below the folder of an organization.
    fn of_organization(&self) -> Self {
        let mut own = self.clone();
        own.head.insert(1, Segment(vec![Part::Token(Token::Organization)]));
        own
    }
}

fn segment(text: &str) -> Result<Segment, LayoutError> {
    if text.is_empty() {
        return Err(LayoutError::Empty);
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(open);
        if !before.is_empty() {
            parts.push(Part::Literal(before.to_owned()));
        }
        let close = after.find('}').filter(|_| after.starts_with('{')).ok_or(LayoutError::Brace)?;
        let name = &after[1..close];
        parts.push(Part::Token(Token::parse(name).ok_or_else(|| LayoutError::Token(name.to_owned()))?));
        rest = &after[close + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    Ok(Segment(parts))
}

/// The way from a source's prefix to its roots.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    template: &'a Template,
}

/// A step of that way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The next segment is this text.
    Fixed(String),
    /// The next segment is to be looked up, and matched with [`Head::matches`].
    Open,
}

impl<'a> Head<'a> {
    /// Number of segments.
    pub fn len(&self) -> usize {
        self.template.head.len()
    }

    /// Whether it is one of AWS's own, which begin with `AWSLogs/` wherever the prefix of the source ends.
    pub fn is_aws(&self) -> bool {
        self.template.names == Names::Aws
    }

    /// Whether dates begin at the prefix itself.
    pub fn is_empty(&self) -> bool {
        self.template.head.is_empty()
    }

    /// The segment at a depth.
    pub fn step(&self, depth: usize) -> Step {
        self.template.head[depth].literal().map_or(Step::Open, Step::Fixed)
    }

    /// Whether a segment (without slash) fits at a depth, and the account or region it names.
    pub fn matches(&self, depth: usize, segment: &str) -> Option<PathNames> {
        let mut captured = Captured::default();
        self.template.head[depth]
            .capture(segment, &mut captured)
            .then_some(PathNames { account: captured.account, region: captured.region })
    }

    /// The grammar below a root.
    pub fn dates(&self) -> Dates {
        Dates::new(Arc::new(self.template.clone()))
    }
}

/// The account and region that a path segment names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathNames {
    /// Account id.
    pub account: Option<String>,
    /// Region.
    pub region: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_that_cannot_be_listed_in_order_are_refused() {
        for (text, error) in [
            ("weekly", LayoutError::Unknown),
            ("{year}/{month}/", LayoutError::Order),
            ("{day}/{month}/{year}/", LayoutError::Order),
            ("{year}/{month}/{day}/{account}/", LayoutError::Order),
            ("{account}-{year}/{month}/{day}/", LayoutError::Order),
            ("{year}/{year}/{month}/{day}/", LayoutError::Twice("year")),
            ("{week}/{year}/{month}/{day}", LayoutError::Token("week".to_owned())),
            ("{year/{month}/{day}", LayoutError::Brace),
            ("year}/{month}/{day}", LayoutError::Brace),
            ("/{year}/{month}/{day}", LayoutError::Empty),
        ] {
            assert_eq!(Layout::parse(text), Err(error), "{text}");
        }
    }
}
