//! A scraper: one request over a plain socket, and the samples of its answer as they were printed.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::LazyLock,
    time::Duration,
};

use flowcost_exporter::expose::catalog::{self, Kind};

/// Longest silence of a server that is alive.
const SILENCE: Duration = Duration::from_secs(20);

/// Counters that live in the ledger: what no restart may change.
static KEPT: LazyLock<Vec<&str>> = LazyLock::new(|| {
    catalog::all()
        .filter(|metric| metric.kind == Kind::Counter && metric.persistent)
        .map(|metric| metric.name)
        .collect()
});

/// The samples of an answer: name with labels, and value, both as printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scrape(BTreeMap<String, String>);

impl Scrape {
    pub(crate) fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            samples
                .filter_map(|line| line.rsplit_once(' '))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// A whole number; 0 where there is no such sample.
    pub(crate) fn count(&self, sample: &str) -> u64 {
        self.0.get(sample).map_or(0, |value| value.parse().expect("a whole number"))
    }

    /// Sum over the samples of a family of whole numbers; `None` when it has none.
    pub(crate) fn sum(&self, family: &str) -> Option<u64> {
        let of_family = self.0.iter().filter(|(sample, _)| family_of(sample) == family);
        of_family.map(|(_, value)| value.parse::<u64>().expect("a whole number")).reduce(|a, b| a + b)
    }

    /// Number of objects whose records are in the totals.
    pub(crate) fn counted(&self) -> u64 {
        self.count("flowcost_objects_total{outcome=\"counted\"}")
    }

    /// The counters that live in the ledger, and nothing else.
    pub(crate) fn kept(&self) -> Self {
        let kept = self.0.iter().filter(|(sample, _)| KEPT.contains(&family_of(sample)));
        Self(kept.map(|(sample, value)| (sample.clone(), value.clone())).collect())
    }

    /// Leaves a sample out.
    pub(crate) fn without(mut self, sample: &str) -> Self {
        self.0.remove(sample).expect("the sample is there");
        self
    }

    fn is_of_a_former_name(&self, sample: &str) -> bool {
        let Some((_, labels)) = sample.split_once("{source=\"") else { return false };
        let name = labels.split('"').next().unwrap_or_default();
        sample.starts_with("flowcost_source_")
            && !self.0.contains_key(&format!("flowcost_source_ready{{source=\"{name}\"}}"))
    }

    /// Samples of this one that are gone or lower in a later one. The sums of a source that got another name go on under
    /// that.
    pub(crate) fn broken_by(&self, later: &Self) -> Vec<String> {
        let judge = |(sample, before): (&String, &String)| match later.0.get(sample) {
            None if later.is_of_a_former_name(sample) => None,
            None => Some(format!("{sample} was {before} and is gone")),
            Some(after) if is_lower(after, before) => Some(format!("{sample} fell from {before} to {after}")),
            Some(_) => None,
        };
        self.0.iter().filter_map(judge).collect()
    }
}

impl fmt::Display for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(sample, value)| writeln!(f, "{sample} {value}"))
    }
}

fn family_of(sample: &str) -> &str {
    sample.split('{').next().expect("there is always a first part")
}

/// Whole numbers exactly, the rest as floating point.
fn is_lower(after: &str, before: &str) -> bool {
    match (after.parse::<u64>(), before.parse::<u64>()) {
        (Ok(after), Ok(before)) => after < before,
        _ => after.parse::<f64>().expect("a number") < before.parse().expect("a number"),
    }
}

/// Status and body of one request. An answer that is not whole is an error.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, SILENCE)?;
    stream.set_read_timeout(Some(SILENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    if length != Some(body.len()) {
        return Err(cut());
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut)?;
    Ok((status, body.to_owned()))
}

#[test]
fn a_counter_that_falls_or_goes_is_seen() {
    let before = Scrape::parse("# HELP a b\na{x=\"y z\"} 9007199254740993\nb 1.5\n");
    assert_eq!(before.broken_by(&before), [""; 0]);
    let grown = Scrape::parse("a{x=\"y z\"} 9007199254740994\nb 1.5\nc 1");
    assert_eq!(before.broken_by(&grown), [""; 0]);
    let fallen = Scrape::parse("a{x=\"y z\"} 9007199254740992\nb 1.25\n");
    assert_eq!(before.broken_by(&fallen).len(), 2);
    assert_eq!(before.broken_by(&Scrape::default()).len(), 2);
}
