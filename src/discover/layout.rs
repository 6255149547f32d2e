//! The grammar of keys: which keys of a source are flow logs, and of which hour or day.
//!
//! Pure. Refuses to know what is listed when; a key alone decides, and never gives the time of a record.
//! Source of the AWS layouts: AWS, "Publish flow logs to Amazon S3", section on file paths.

use std::sync::Arc;

use time::{Date, Month};

use crate::model::{Hour, IgnoreReason, Partition, PartitionSpan, Timestamp};

/// A part of one path segment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Token(Token),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
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

    fn is_date(self) -> bool {
        matches!(self, Self::Year | Self::Month | Self::Day | Self::Hour)
    }
}

/// One path segment, without its slash.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment(Vec<Part>);

/// What the tokens of a path stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Captured {
    account: Option<String>,
    region: Option<String>,
    year: Option<i32>,
    month: Option<u8>,
    day: Option<u8>,
    hour: Option<u8>,
}

impl Segment {
    fn tokens(&self) -> impl Iterator<Item = Token> {
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

    /// Matches a whole segment.
    fn capture(&self, text: &str, into: &mut Captured) -> bool {
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
                        Token::Month | Token::Day | Token::Hour => 2,
                        Token::Region => match self.0.get(at + 1) {
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
            Token::Account if is_account(text) => self.account = Some(text.to_owned()),
            Token::Region if is_region(text) => self.region = Some(text.to_owned()),
            Token::Account | Token::Region => return false,
            Token::Year => self.year = number(text),
            Token::Month => self.month = number(text),
            Token::Day => self.day = number(text),
            Token::Hour => self.hour = number(text).filter(|hour| *hour < 24),
        }
        match token {
            Token::Account | Token::Region => true,
            Token::Year => self.year.is_some(),
            Token::Month => self.month.is_some(),
            Token::Day => self.day.is_some(),
            Token::Hour => self.hour.is_some(),
        }
    }

    fn first_hour(&self) -> Option<Hour> {
        let month = Month::try_from(self.month?).ok()?;
        let date = Date::from_calendar_date(self.year?, month, self.day?).ok()?;
        let midnight = date.midnight().assume_utc().unix_timestamp();
        Some(Hour(Hour::of(Timestamp(midnight)).0 + i64::from(self.hour.unwrap_or(0))))
    }
}

/// Whether a text is an AWS account id: twelve digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text has the form of an AWS region, such as `us-gov-west-1`.
pub fn is_region(text: &str) -> bool {
    let text = text.as_bytes();
    let Some(last) = text.iter().rposition(|byte| *byte == b'-') else { return false };
    let (words, number) = (&text[..last], &text[last + 1..]);
    let mut count = 0;
    for word in words.split(|byte| *byte == b'-') {
        let fits = if count == 0 { (2..=4).contains(&word.len()) } else { !word.is_empty() };
        if !fits || !word.iter().all(u8::is_ascii_lowercase) {
            return false;
        }
        count += 1;
    }
    (2..=4).contains(&count) && (1..=2).contains(&number.len()) && number.iter().all(u8::is_ascii_digit)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HourUse {
    Absent,
    Required,
    /// Daily and hourly partitions side by side.
    Either,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// `{account}_vpcflowlogs_{region}_{fl-id}_{time}_{hash}.log.{gz,parquet}`. A file of another name beside AWS's
    /// own may repeat their records (compaction): it is ignored, not guessed at.
    Aws,
    /// Any `.gz` or `.parquet`.
    Free,
}

/// One shape of keys, relative to the prefix of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Template {
    head: Vec<Segment>,
    tail: Vec<Segment>,
    hour: HourUse,
    names: Names,
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
        let aws = |template: &str, hour| {
            Template::parse(template).map(|t| Template { hour, names: Names::Aws, ..t })
        };
        let templates = match text {
            "auto" => vec![aws(PLAIN, HourUse::Either)?, aws(HIVE, HourUse::Either)?],
            "daily" => vec![aws(PLAIN, HourUse::Absent)?],
            "hourly" => vec![aws(PLAIN, HourUse::Required)?],
            "hive-daily" => vec![aws(HIVE, HourUse::Absent)?],
            "hive-hourly" => vec![aws(HIVE, HourUse::Required)?],
            template if template.contains('{') => vec![Template::parse(template)?],
            _ => return Err(LayoutError::Unknown),
        };
        Ok(Self { text: text.to_owned(), templates })
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
        Ok(Self { head, tail, hour, names: Names::Free })
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
        Dates { template: Arc::new(self.template.clone()) }
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

/// The grammar of keys below a root: dates, then file names. Keys in byte order are in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dates {
    template: Arc<Template>,
}

/// A key that is a flow log by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedKey<'k> {
    /// The hour or day it lies in.
    pub partition: Partition,
    /// Its flow log, where the name tells.
    pub flow_log_id: Option<&'k str>,
}

impl Dates {
    /// A text that sorts before every key of the partitions that contain or follow a moment. With `whole_day` also
    /// before all daily partitions of that day.
    pub fn boundary(&self, root: &str, from: Timestamp, whole_day: bool) -> String {
        let mut text = root.to_owned();
        let Some(utc) = from.to_utc() else { return text };
        if utc.year() < 0 {
            return text;
        }
        let stop_before_hour = whole_day || self.template.hour == HourUse::Absent;
        for (depth, segment) in self.template.tail.iter().enumerate() {
            if depth > 0 {
                text.push('/');
            }
            for part in &segment.0 {
                match part {
                    Part::Literal(literal) => text.push_str(literal),
                    Part::Token(Token::Year) => text.push_str(&format!("{:04}", utc.year())),
                    Part::Token(Token::Month) => text.push_str(&format!("{:02}", u8::from(utc.month()))),
                    Part::Token(Token::Day) => {
                        text.push_str(&format!("{:02}", utc.day()));
                        if stop_before_hour {
                            return text;
                        }
                    }
                    Part::Token(Token::Hour) => {
                        text.push_str(&format!("{:02}", utc.hour()));
                        return text;
                    }
                    Part::Token(Token::Account | Token::Region) => {}
                }
            }
        }
        text
    }

    /// Whether daily and hourly partitions can be mixed.
    pub fn may_mix(&self) -> bool {
        self.template.hour == HourUse::Either
    }

    /// Reads a key below a root as [`Self::parse`] does, beside one below the same root whose partition is `known`: most
    /// keys of a listing lie in the folder of the one before, and the folder alone says which partition it is.
    pub fn parse_beside<'k>(
        &self,
        known: Option<&Partition>,
        bucket: &Arc<str>,
        root: &str,
        key: &'k str,
    ) -> Result<ParsedKey<'k>, IgnoreReason> {
        if let Some(known) = known
            && let Some(name) = key.strip_prefix(&*known.prefix)
            && !name.is_empty()
            && !name.contains('/')
        {
            return Ok(ParsedKey { partition: known.clone(), flow_log_id: self.flow_log_id(name)? });
        }
        self.parse(bucket, root, key)
    }

    /// Reads a key below a root. `root` ends with a slash or is empty.
    pub fn parse<'k>(
        &self,
        bucket: &Arc<str>,
        root: &str,
        key: &'k str,
    ) -> Result<ParsedKey<'k>, IgnoreReason> {
        if key.ends_with('/') {
            return Err(IgnoreReason::Folder);
        }
        let below = key.strip_prefix(root).ok_or(IgnoreReason::Foreign)?;
        let (folder, name) = below.rsplit_once('/').ok_or(IgnoreReason::Foreign)?;
        let segments: Vec<&str> = folder.split('/').collect();
        let tail = &self.template.tail;
        let (expected, span) = match self.template.hour {
            HourUse::Absent if self.hourly_segments() => (tail.len() - 1, PartitionSpan::Day),
            HourUse::Absent => (tail.len(), PartitionSpan::Day),
            HourUse::Required => (tail.len(), PartitionSpan::Hour),
            HourUse::Either if segments.len() == tail.len() - 1 => (tail.len() - 1, PartitionSpan::Day),
            HourUse::Either => (tail.len(), PartitionSpan::Hour),
        };
        if segments.len() != expected {
            return Err(IgnoreReason::Foreign);
        }
        let mut captured = Captured::default();
        if !tail.iter().zip(&segments).all(|(segment, text)| segment.capture(text, &mut captured)) {
            return Err(IgnoreReason::Foreign);
        }
        let start = captured.first_hour().ok_or(IgnoreReason::Foreign)?;
        let flow_log_id = self.flow_log_id(name)?;
        let prefix = Arc::from(&key[..key.len() - name.len()]);
        Ok(ParsedKey { partition: Partition { bucket: bucket.clone(), prefix, start, span }, flow_log_id })
    }

    /// AWS's daily layouts are its hourly ones without their last segment.
    fn hourly_segments(&self) -> bool {
        self.template.tail.iter().flat_map(Segment::tokens).any(|token| token == Token::Hour)
    }

    fn flow_log_id<'k>(&self, name: &'k str) -> Result<Option<&'k str>, IgnoreReason> {
        match self.template.names {
            Names::Free if name.ends_with(".gz") || name.ends_with(".parquet") => Ok(find_flow_log_id(name)),
            Names::Free => Err(IgnoreReason::Foreign),
            Names::Aws => aws_flow_log_id(name).map(Some).ok_or(IgnoreReason::Foreign),
        }
    }
}

/// The `fl-...` of a free name: hexadecimal digits after `fl-`, at a word's beginning.
fn find_flow_log_id(name: &str) -> Option<&str> {
    name.split(['_', '.']).find(|word| is_flow_log_id(word))
}

/// The flow log of a key, where its name tells.
pub fn flow_log_of(key: &str) -> Option<&str> {
    find_flow_log_id(key.rsplit('/').next().unwrap_or(key))
}

/// The delivery that the name of a key tells: `20260310T0005Z` of AWS's names.
pub fn delivery_of(key: &str) -> Option<&str> {
    key.rsplit('/').next().unwrap_or(key).split('_').find(|part| is_delivery_time(part))
}

fn is_delivery_time(text: &str) -> bool {
    text.len() == 14 && text.as_bytes()[8] == b'T' && text.ends_with('Z')
}

/// Whether a text is a flow log id.
pub fn is_flow_log_id(text: &str) -> bool {
    text.strip_prefix("fl-")
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The flow log id of a file name as AWS writes it. Every listed key comes by here.
fn aws_flow_log_id(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(".log.gz").or_else(|| name.strip_suffix(".log.parquet"))?;
    let (account, rest) = cut(stem)?;
    let (region, rest) = cut(rest.strip_prefix("vpcflowlogs_")?)?;
    let (id, rest) = cut(rest)?;
    let (time, hash) = cut(rest)?;
    let is_hash = !hash.is_empty() && !hash.starts_with('_');
    (is_account(account) && is_region(region) && is_flow_log_id(id) && is_delivery_time(time) && is_hash)
        .then_some(id)
}

/// The word before the first underscore, and what comes after. Words are short: a plain loop is the fastest.
fn cut(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == b'_')?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "123456789012_vpcflowlogs_us-east-1_fl-0a1b2c3d_20251209T1000Z_5d41402a.log.parquet";

    fn parse(
        layout: &str,
        root: &str,
        key: &str,
    ) -> Result<(i64, PartitionSpan, Option<String>), IgnoreReason> {
        let layout = Layout::parse(layout).expect("layout");
        let head = layout.heads().last().expect("one");
        head.dates().parse(&Arc::from("s3://b"), root, key).map(|parsed| {
            (parsed.partition.start.0, parsed.partition.span, parsed.flow_log_id.map(str::to_owned))
        })
    }

    // 2025-12-09T00:00:00Z / 3600
    const DAY: i64 = 490_344;

    #[test]
    fn a_key_is_read_beside_any_other_as_by_itself() {
        let names = [NAME, "", "x", "x/", "2/x", &NAME.replace("0a1b2c3d", "99")].map(str::to_owned);
        let folders = ["2025/12/09/", "2025/12/09/10/", "2025/12/09/11/", "2025/12/1/", "2025/12/", ""];
        for layout in ["daily", "hourly", "auto", "{year}/{month}/{day}/", "{year}-{month}-{day}"] {
            let dates = Layout::parse(layout).unwrap().heads().next().unwrap().dates();
            let keys: Vec<String> = folders
                .iter()
                .flat_map(|folder| names.iter().map(move |name| format!("r/{folder}{name}")))
                .collect();
            let bucket = Arc::from("s3://b");
            for known in keys.iter().filter_map(|key| dates.parse(&bucket, "r/", key).ok()) {
                for key in &keys {
                    let beside = dates.parse_beside(Some(&known.partition), &bucket, "r/", key);
                    assert_eq!(beside, dates.parse(&bucket, "r/", key), "{layout}: {key} beside {known:?}");
                }
            }
        }
    }

    #[test]
    fn every_layout_reads_its_keys() {
        let id = Some("fl-0a1b2c3d".to_owned());
        let hour = Ok((DAY + 10, PartitionSpan::Hour, id.clone()));
        let day = Ok((DAY, PartitionSpan::Day, id));
        assert_eq!(parse("hourly", "r/", &format!("r/2025/12/09/10/{NAME}")), hour);
        assert_eq!(parse("daily", "r/", &format!("r/2025/12/09/{NAME}")), day);
        assert_eq!(parse("hive-hourly", "r/", &format!("r/year=2025/month=12/day=09/hour=10/{NAME}")), hour);
        assert_eq!(parse("hive-daily", "r/", &format!("r/year=2025/month=12/day=09/{NAME}")), day);
        assert_eq!(parse("auto", "r/", &format!("r/year=2025/month=12/day=09/hour=10/{NAME}")), hour);
        assert_eq!(parse("auto", "r/", &format!("r/year=2025/month=12/day=09/{NAME}")), day);
        let free = "x/{year}-{month}-{day}T{hour}/";
        assert_eq!(parse(free, "", "2025-12-09T10/any.gz"), Ok((DAY + 10, PartitionSpan::Hour, None)));
        assert_eq!(
            parse(free, "", "2025-12-09T10/fl-12ab_x.parquet").expect("ok").2,
            Some("fl-12ab".to_owned())
        );
    }

    #[test]
    fn other_keys_are_ignored_with_a_reason() {
        for key in [
            format!("r/2025/12/09/10/{NAME}.tmp"),
            format!("r/2025/12/32/10/{NAME}"),
            format!("r/2025/02/30/10/{NAME}"),
            format!("r/2025/12/09/24/{NAME}"),
            format!("r/2025/12/09/10/11/{NAME}"),
            format!("r/2025/12/{NAME}"),
            format!("r/{NAME}"),
            "r/2025/12/09/10/compacted.parquet".to_owned(),
            "r/2025/12/09/10/é.parquet".to_owned(),
            "r/é025/12/09/10/x".to_owned(),
            "elsewhere/x".to_owned(),
            String::new(),
        ] {
            assert_eq!(parse("hourly", "r/", &key), Err(IgnoreReason::Foreign), "{key}");
        }
        assert_eq!(parse("hourly", "r/", &format!("r/2025/12/09/{NAME}")), Err(IgnoreReason::Foreign));
        assert_eq!(parse("daily", "r/", &format!("r/2025/12/09/10/{NAME}")), Err(IgnoreReason::Foreign));
        assert_eq!(parse("hourly", "r/", "r/2025/12/09/10/"), Err(IgnoreReason::Folder));
    }

    #[test]
    fn the_boundary_sorts_before_its_partition_and_after_the_one_before() {
        let from = Timestamp((DAY + 10) * 3600 + 1800);
        for (text, hourly) in [("hourly", true), ("hive-hourly", true), ("auto", true), ("daily", false)] {
            let layout = Layout::parse(text).expect("layout");
            let dates = layout.heads().next().expect("one").dates();
            let hive = text.starts_with("hive");
            let key = |day: u8, hour: u8| match (hive, hourly) {
                (true, _) => format!("r/year=2025/month=12/day={day:02}/hour={hour:02}/x"),
                (false, true) => format!("r/2025/12/{day:02}/{hour:02}/x"),
                (false, false) => format!("r/2025/12/{day:02}/x"),
            };
            let boundary = dates.boundary("r/", from, false);
            assert!(boundary < key(9, 10), "{text}: {boundary}");
            assert!(boundary > if hourly { key(9, 9) } else { key(8, 0) }, "{text}: {boundary}");
            let day = dates.boundary("r/", from, true);
            assert!(day < key(9, 0) && day > key(8, 23), "{text}: {day}");
        }
    }

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

    /// The same by the words of a text, slowly.
    fn by_words(name: &str) -> Option<&str> {
        fn region(text: &str) -> bool {
            let words: Vec<&str> = text.split('-').collect();
            let [area, middle @ .., last] = words.as_slice() else { return false };
            let letters =
                |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
            (3..=5).contains(&words.len())
                && (2..=4).contains(&area.len())
                && letters(area)
                && middle.iter().all(letters)
                && (1..=2).contains(&last.len())
                && last.bytes().all(|byte| byte.is_ascii_digit())
        }
        let stem = name.strip_suffix(".log.gz").or_else(|| name.strip_suffix(".log.parquet"))?;
        match *stem.split('_').collect::<Vec<_>>() {
            [account, "vpcflowlogs", place, id, time, hash, ..]
                if is_account(account)
                    && region(place)
                    && is_flow_log_id(id)
                    && (time.len() == 14 && time.as_bytes()[8] == b'T' && time.ends_with('Z'))
                    && !hash.is_empty() =>
            {
                Some(id)
            }
            _ => None,
        }
    }

    #[test]
    fn a_name_is_read_as_its_words_say() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut read = 0;
        for round in 0..100_000 {
            let mut name: Vec<char> = NAME.chars().collect();
            for _ in 0..round % 3 {
                let at = random.usize(0..name.len());
                let one = random.choice(['_', '-', '.', 'a', '1', 'z', 'Z', 'T', 'é']).unwrap_or('_');
                match random.u8(0..3) {
                    0 => name[at] = one,
                    1 => name.insert(at, one),
                    _ => drop(name.remove(at)),
                }
            }
            let name: String = name.into_iter().collect();
            assert_eq!(aws_flow_log_id(&name), by_words(&name), "{name}");
            read += usize::from(by_words(&name).is_some());
        }
        assert!((40_000..90_000).contains(&read), "{read} of them are names");
    }

    #[test]
    fn regions_and_accounts() {
        for region in
            ["us-east-1", "us-gov-west-1", "cn-north-1", "ap-southeast-10", "us-iso-east-1", "mx-central-1"]
        {
            assert!(is_region(region), "{region}");
        }
        for other in ["us-east", "useast1", "US-EAST-1", "us--1", "", "us-east-1a", "a-b-c"] {
            assert!(!is_region(other), "{other}");
        }
        assert!(is_account("123456789012") && !is_account("12345678901x") && !is_account("1234"));
    }
}
