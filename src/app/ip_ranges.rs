//! AWS's address ranges are replaced while the exporter runs: by a job that fetches them, by a mount.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::config::IpRangesFile;

/// By what a file is known to be the same: path, time of modification and size.
type Stamp = (PathBuf, SystemTime, u64);

/// Looks at the file of `aws.ip_ranges` once a poll.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The file that was taken over last. What could not be read or used is read again at every poll.
    seen: Option<Stamp>,
    /// What was told of a file that cannot be used.
    told: Option<String>,
}

/// A file that may be another than the one in force.
#[derive(Debug)]
pub(super) struct Found {
    stamp: Option<Stamp>,
    pub(super) file: Result<IpRangesFile, String>,
}

impl Watch {
    /// Waits until the file has to be looked at; never, where there is none. Nothing is lost when it is dropped.
    pub(super) async fn next(&self, path: Option<&Path>, every: Duration) -> Found {
        let Some(path) = path else { return std::future::pending().await };
        loop {
            tokio::time::sleep(every).await;
            let (path, seen) = (path.to_owned(), self.seen.clone());
            if let Ok(Some(found)) = tokio::task::spawn_blocking(move || look(path, seen.as_ref())).await {
                return found;
            }
        }
    }

    /// The file is in force. Whether one that could not be used was told of before.
    pub(super) fn taken(&mut self, stamp: Option<Stamp>) -> bool {
        self.seen = stamp;
        self.told.take().is_some()
    }

    /// The file cannot be used. `false`: that was told.
    pub(super) fn refused(&mut self, why: &str) -> bool {
        self.seen = None;
        let new = self.told.as_deref() != Some(why);
        self.told = Some(why.to_owned());
        new
    }
}

impl Found {
    pub(super) fn into_parts(self) -> (Option<Stamp>, Result<IpRangesFile, String>) {
        (self.stamp, self.file)
    }
}

/// The file, unless it is the one that was seen. Its stamp is older than what is read of it: whatever is written
/// meanwhile is found at the next look.
fn look(path: PathBuf, seen: Option<&Stamp>) -> Option<Found> {
    let stamp = fs::metadata(&path).and_then(|found| Ok((path.clone(), found.modified()?, found.len()))).ok();
    if stamp.is_some() && stamp.as_ref() == seen {
        return None;
    }
    Some(Found { stamp, file: IpRangesFile::read(path) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGES: &str =
        r#"{"prefixes": [{"ip_prefix": "3.0.0.0/15", "region": "us-east-1", "service": "EC2"}]}"#;

    #[test]
    fn a_file_is_read_again_when_it_is_another_and_as_long_as_it_cannot_be_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ip-ranges.json");
        let mut watch = Watch::default();
        let look = |watch: &Watch| super::look(path.clone(), watch.seen.as_ref()).map(Found::into_parts);

        let (_, missing) = look(&watch).unwrap();
        let why = missing.unwrap_err();
        assert!(why.starts_with("does not exist"), "{why}");
        assert!(watch.refused(&why) && !watch.refused(&why), "told once");
        fs::write(&path, RANGES).unwrap();
        let (stamp, file) = look(&watch).unwrap();
        assert_eq!(file.unwrap().ranges.len(), 1);
        assert!(watch.taken(stamp), "it was told of");
        assert!(look(&watch).is_none(), "the same");

        fs::write(&path, &RANGES[..40]).unwrap();
        let (_, cut) = look(&watch).unwrap();
        assert!(watch.refused(&cut.unwrap_err()));
        assert!(look(&watch).is_some(), "it is looked at until it is whole");
        fs::write(&path, RANGES.replace("3.0", "4.0")).unwrap();
        let (stamp, file) = look(&watch).unwrap();
        assert!(file.is_ok() && watch.taken(stamp) && look(&watch).is_none());
    }
}
