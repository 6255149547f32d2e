//! How far the demo's past reaches, and what changed on the way.
//!
//! It is decided once for a folder and kept in its configuration, so that a later start goes on with the same life.

use std::time::Duration;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::writer::DemoError;
use crate::model::{Hour, Timestamp};

/// The past of a folder, where it is longer than the usual two days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// The first hour of it.
    pub begin: Timestamp,
    /// From here on requests prefer an endpoint in their own zone.
    pub close_from: Timestamp,
}

const CLOSE: &str = "# Services route within their zone (trafficDistribution: PreferClose) from ";
const START: &str = "start = \"";

impl Past {
    /// A past of this length. The change is a rollout in the middle of it, at midnight.
    fn new(length: Duration, now: Timestamp) -> Self {
        let begin = Hour::of(now.minus(length)).start();
        let middle = now.minus(length / 2).0;
        Self { begin, close_from: Timestamp(middle - middle.rem_euclid(86_400)) }
    }

    /// What the folder's configuration of an earlier start says.
    fn read(config: &str) -> Option<Self> {
        let moment =
            |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok().map(|at| Timestamp(at.unix_timestamp()));
        let find = |prefix| config.lines().find_map(|line| line.strip_prefix(prefix));
        let begin = moment(find(START)?.trim_end_matches('"'))?;
        Some(Self { begin, close_from: moment(find(CLOSE)?)? })
    }

    /// The past of a folder whose configuration was `config`: the one it has, or, where nothing has been read yet, the
    /// one that is asked for.
    ///
    /// # Errors
    /// When the folder is read already and cannot get a longer past.
    pub(super) fn choose(
        config: Option<&str>,
        is_read: bool,
        asked: Option<Duration>,
        usual: Duration,
        now: Timestamp,
    ) -> Result<Option<Self>, DemoError> {
        let present = config.and_then(Self::read);
        let asked = asked.filter(|length| *length > usual).map(|length| Self::new(length, now));
        match (present, asked) {
            (Some(present), Some(asked)) if asked.begin < present.begin && is_read => {
                Err(DemoError::ShorterPast)
            }
            (Some(present), Some(asked)) if asked.begin < present.begin => Ok(Some(asked)),
            (Some(present), _) => Ok(Some(present)),
            (None, Some(_)) if is_read => Err(DemoError::ShorterPast),
            (None, asked) => Ok(asked),
        }
    }

    /// Says so where a folder that is there already has another history than was asked for.
    pub(super) fn note(
        past: Option<Self>,
        asked: Duration,
        usual: Duration,
        now: Timestamp,
    ) -> Option<String> {
        let days = |length: Duration| length.as_secs() / 86_400;
        let asked = days(asked);
        match past {
            Some(Self { begin, .. }) => {
                let has = u64::try_from(now.0 - begin.0).unwrap_or(0) / 86_400;
                (has != asked).then(|| {
                    format!(
                        "The folder has its history of {has} days already, from {begin}: --history {asked}d changes \
                         nothing, another --dir would.\n"
                    )
                })
            }
            None => (asked != days(usual)).then(|| {
                format!(
                    "The folder has the usual history of {} days already: --history {asked}d changes nothing, another \
                     --dir would.\n",
                    days(usual)
                )
            }),
        }
    }

    /// Its lines in the section `[ingest]` of the configuration.
    pub(super) fn lines(&self) -> String {
        format!("{START}{}\"\n{CLOSE}{}\n", self.begin, self.close_from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-12-09T14:02:03Z
    const NOW: Timestamp = Timestamp(1_765_288_923);
    const DAY: Duration = Duration::from_secs(86_400);

    fn choose(config: Option<&str>, is_read: bool, days: u32) -> Result<Option<Past>, DemoError> {
        Past::choose(config, is_read, Some(DAY * days), DAY * 2, NOW)
    }

    #[test]
    fn a_past_is_found_again_in_its_own_lines() {
        let past = choose(None, false, 60).unwrap().unwrap();
        assert_eq!(past.begin.to_string(), "2025-10-10T14:00:00Z");
        assert_eq!(past.close_from.to_string(), "2025-11-09T00:00:00Z");
        let config = format!("[ingest]\n{}\n[[source]]\n", past.lines());
        assert_eq!(Past::read(&config), Some(past));
        for days in [2, 30, 60] {
            assert_eq!(choose(Some(&config), true, days).unwrap(), Some(past), "what is there stays");
        }
        assert_eq!(Past::choose(Some(&config), true, None, DAY * 2, NOW).unwrap(), Some(past));
    }

    #[test]
    fn a_folder_with_another_history_than_was_asked_for_says_so() {
        let note = |past, days| Past::note(past, DAY * days, DAY * 2, NOW);
        let sixty = choose(None, false, 60).unwrap();
        assert_eq!(note(sixty, 60), None);
        let said = note(sixty, 30).unwrap();
        assert!(
            said.contains("60 days already, from 2025-10-10T14:00:00Z: --history 30d changes nothing"),
            "{said}"
        );
        assert_eq!(note(None, 2), None);
        assert!(note(None, 1).unwrap().contains("usual history of 2 days already: --history 1d"));
    }

    #[test]
    fn a_folder_that_is_read_gets_no_longer_past() {
        let thirty = choose(None, false, 30).unwrap().unwrap().lines();
        assert!(matches!(choose(Some(&thirty), true, 60), Err(DemoError::ShorterPast)));
        assert!(matches!(choose(Some("[ingest]\n"), true, 60), Err(DemoError::ShorterPast)));
        assert_eq!(choose(Some(&thirty), false, 60).unwrap(), choose(None, false, 60).unwrap());
        assert_eq!(choose(Some("[ingest]\n"), true, 2).unwrap(), None);
        assert_eq!(choose(None, false, 1).unwrap(), None);
    }
}
