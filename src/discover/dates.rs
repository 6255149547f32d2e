//! The grammar of keys below a root: which of them are flow logs, and of which hour or day.
//!
//! Pure. A key alone decides, and never gives the time of a record. Months, days and hours may stand without their leading
//! zero, as writers other than AWS's spell them.

use std::sync::Arc;

use super::{
    layout::{Captured, HourUse, Names, Segment, Template, Token},
    names::{aws_flow_log_id, find_flow_log_id},
    window::Window,
};
use crate::model::{Hour, IgnoreReason, IgnoredKey, Partition, PartitionSpan};

/// The grammar of keys below a root: dates, then file names.
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
    pub(super) fn new(template: Arc<Template>) -> Self {
        Self { template }
    }

    /// Where a listing below a root goes on that has come to the key `at`: `at` itself inside a partition of the window,
    /// else a text that sorts before all keys of the window that come after `at`; `None` when there can be none. With an
    /// empty `at`, where it begins. With `whole_day`, also daily partitions beside hourly ones are found.
    pub fn seek(&self, root: &str, window: &Window, whole_day: bool, at: &str) -> Option<String> {
        let days = whole_day || self.template.hour == HourUse::Absent;
        self.template.order.seek(root, window, days, at)
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
        let (start, span) = self.folder(folder).ok_or(IgnoreReason::Foreign)?;
        let flow_log_id = self.flow_log_id(name)?;
        let prefix = Arc::from(&key[..key.len() - name.len()]);
        Ok(ParsedKey { partition: Partition { bucket: bucket.clone(), prefix, start, span }, flow_log_id })
    }

    /// The hour or day of a folder.
    fn folder(&self, folder: &str) -> Option<(Hour, PartitionSpan)> {
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
            return None;
        }
        let mut captured = Captured::default();
        let fits = tail.iter().zip(&segments).all(|(segment, text)| segment.capture(text, &mut captured));
        captured.first_hour().filter(|_| fits).map(|start| (start, span))
    }

    /// What a foreign key below a root is: one that looks like a flow log is worth a word.
    pub(super) fn stranger(&self, root: &str, key: &str) -> IgnoredKey {
        let Some((folder, name)) = key.strip_prefix(root).and_then(|below| below.rsplit_once('/')) else {
            return IgnoredKey::Foreign;
        };
        let is_file = name.ends_with(".gz") || name.ends_with(".parquet");
        if self.folder(folder).is_some() {
            return if is_file || name.contains("_vpcflowlogs_") {
                IgnoredKey::OtherName
            } else {
                IgnoredKey::Foreign
            };
        }
        let is_named = match self.template.names {
            Names::Aws => aws_flow_log_id(name).is_some(),
            // Where names are free, the date has to say it: all of it but the hour, or more than it.
            Names::Free => is_file && (aws_flow_log_id(name).is_some() || self.is_of_another_depth(folder)),
        };
        if is_named { IgnoredKey::OtherLayout } else { IgnoredKey::Foreign }
    }

    /// Whether a folder has the date of this layout with an hour too few or too many.
    fn is_of_another_depth(&self, folder: &str) -> bool {
        let above = folder.rsplit_once('/').is_some_and(|(above, _)| self.folder(above).is_some());
        let tail = &self.template.tail;
        let segments: Vec<&str> = folder.split('/').collect();
        let mut captured = Captured::default();
        above
            || segments.len() + 1 == tail.len()
                && tail.iter().zip(&segments).all(|(segment, text)| segment.capture(text, &mut captured))
                && captured.first_hour().is_some()
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

#[cfg(test)]
mod tests {
    use super::{super::layout::Layout, *};
    use crate::model::Timestamp;

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
    fn a_listing_begins_before_its_partition_and_after_the_one_before() {
        let window =
            Window { from: Timestamp((DAY + 10) * 3600 + 1800), until: Timestamp((DAY + 30) * 3600) };
        for (text, hourly) in [("hourly", true), ("hive-hourly", true), ("auto", true), ("daily", false)] {
            let layout = Layout::parse(text).expect("layout");
            let dates = layout.heads().next().expect("one").dates();
            let hive = text.starts_with("hive");
            let key = |day: u8, hour: u8| match (hive, hourly) {
                (true, _) => format!("r/year=2025/month=12/day={day:02}/hour={hour:02}/x"),
                (false, true) => format!("r/2025/12/{day:02}/{hour:02}/x"),
                (false, false) => format!("r/2025/12/{day:02}/x"),
            };
            let begin = dates.seek("r/", &window, false, "").expect("a beginning");
            assert!(begin < key(9, 10), "{text}: {begin}");
            assert!(begin > if hourly { key(9, 9) } else { key(8, 0) }, "{text}: {begin}");
            let day = dates.seek("r/", &window, true, "").expect("a beginning");
            assert!(day < key(9, 0) && day > key(8, 23), "{text}: {day}");
        }
    }

    #[test]
    fn leading_zeros_may_be_left_out() {
        let id = Some("fl-0a1b2c3d".to_owned());
        // 2025-03-09T05:00:00Z
        let march = (DAY / 24 - 275) * 24;
        let (hour, day) = ((march + 5, PartitionSpan::Hour, id.clone()), (march, PartitionSpan::Day, id));
        for month in ["3", "03"] {
            for d in ["9", "09"] {
                let plain = format!("r/2025/{month}/{d}/");
                let hive = format!("r/year=2025/month={month}/day={d}/");
                assert_eq!(parse("daily", "r/", &format!("{plain}{NAME}")), Ok(day.clone()));
                assert_eq!(parse("hive-daily", "r/", &format!("{hive}{NAME}")), Ok(day.clone()));
                assert_eq!(parse("auto", "r/", &format!("{hive}{NAME}")), Ok(day.clone()));
                for h in ["5", "05"] {
                    assert_eq!(parse("hourly", "r/", &format!("{plain}{h}/{NAME}")), Ok(hour.clone()));
                    assert_eq!(
                        parse("hive-hourly", "r/", &format!("{hive}hour={h}/{NAME}")),
                        Ok(hour.clone())
                    );
                    let free = format!("r/2025-{month}-{d}T{h}/{NAME}");
                    assert_eq!(parse("{year}-{month}-{day}T{hour}", "r/", &free), Ok(hour.clone()));
                }
            }
        }
        for (layout, folder) in [
            ("hourly", "2025/003/9/5"),
            ("hourly", "2025/3/9/005"),
            ("hourly", "2025/0/9/5"),
            ("hourly", "2025/3/0/5"),
            ("hourly", "2025/3/9/"),
            ("hourly", "2025/3/9/5x"),
            ("hourly", "25/3/9/5"),
            ("hourly", "2025/+3/9/5"),
            // Nothing says where one ends and the next begins.
            ("{year}{month}{day}", "2025309"),
            ("{year}{month}{day}", "2025039"),
            ("{year}-{month}-{day}{hour}", "2025-03-095"),
            ("{year}/{month}/{day}/{hour}00", "2025/03/09/500"),
        ] {
            let key = format!("r/{folder}/{NAME}");
            assert_eq!(parse(layout, "r/", &key), Err(IgnoreReason::Foreign), "{layout}: {key}");
        }
        assert!(parse("{year}{month}{day}{hour}", "r/", &format!("r/2025030905/{NAME}")).is_ok());
        assert!(parse("{year}{month}/{day}", "r/", &format!("r/20253/9/{NAME}")).is_ok());
    }

    #[test]
    fn what_looks_like_a_flow_log_and_is_none_of_the_layout_has_a_word() {
        use IgnoredKey::{Foreign, OtherLayout, OtherName};
        for (layout, below, kind) in [
            ("hourly", format!("2025/12/09/{NAME}"), OtherLayout),
            ("daily", format!("2025/12/09/10/{NAME}"), OtherLayout),
            ("auto", format!("2025/12/{NAME}"), OtherLayout),
            ("auto", format!("2025/13/09/{NAME}"), OtherLayout),
            ("auto", NAME.to_owned(), Foreign),
            ("auto", format!("backup/{NAME}"), OtherLayout),
            ("auto", "2025/12/09/compacted.parquet".to_owned(), OtherName),
            ("auto", format!("2025/12/09/10/{NAME}.tmp"), OtherName),
            ("auto", "2025/12/09/10/x.csv".to_owned(), Foreign),
            ("auto", "backup/compacted.parquet".to_owned(), Foreign),
            ("{year}/{month}/{day}/{hour}", "2025/12/09/x.parquet".to_owned(), OtherLayout),
            ("{year}/{month}/{day}/{hour}", "2025/12/09/10/30/x.parquet".to_owned(), OtherLayout),
            ("{year}/{month}/{day}", "2025/12/09/10/x.gz".to_owned(), OtherLayout),
            ("{year}/{month}/{day}", "2025/12/09/_SUCCESS".to_owned(), Foreign),
            ("{year}/{month}/{day}", "backup/x.gz".to_owned(), Foreign),
            ("{year}/{month}/{day}", format!("backup/{NAME}"), OtherLayout),
        ] {
            let dates = Layout::parse(layout).unwrap().heads().next().unwrap().dates();
            let key = format!("r/{below}");
            assert!(dates.parse(&Arc::from("s3://b"), "r/", &key).is_err(), "{layout}: {key}");
            assert_eq!(dates.stranger("r/", &key), kind, "{layout}: {key}");
        }
    }
}
