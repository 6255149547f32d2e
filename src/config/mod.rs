//! The configuration: what was typed, and what it means.
//!
//! Refuses to start anything, and to stop at the first mistake: a file and its environment become either a [`Config`]
//! or the list of everything that is wrong with them. Invariant: a [`Config`] is valid; there is no other way to one
//! than [`Config::parse`]. Reads the files that it names and tries whether the state can be written; no other I/O.

mod aws;
mod describe;
mod fingerprint;
mod gateways;
mod places;
mod prices;
mod problems;
mod quoted;
mod raw;
mod remarks;
mod scope;
mod sections;
mod sources;
mod topology;
mod values;
mod web;
mod zones;

use std::{
    collections::BTreeSet,
    fmt,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use fingerprint::fingerprint;
pub use problems::{ConfigError, Problem};
pub(crate) use quoted::quoted;
pub use raw::ENV_PREFIX;
pub(crate) use scope::few;
pub use web::WebConfig;

use crate::{
    classify::{Rules, SourceScope},
    discover::layout::Layout,
    limits::CONFIG_BYTES,
    model::{NanoUsd, Timestamp},
    pricing::PriceBook,
    topology::{IpRanges, Zones},
};
use places::Places;
use problems::Problems;

/// The shortest configuration.
pub const MINIMAL: &str = include_str!("../../config/minimal.toml");

/// A configuration with every key, explained.
pub const EXAMPLE: &str = include_str!("../../config/flowcost.toml");

/// Width of the topics that begin the lines of a summary.
pub const TOPIC: usize = 12;

/// A valid configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `state.path`: the SQLite file.
    pub state: PathBuf,
    /// `state.keep`: how long the ledger keeps hours apart.
    pub keep: Duration,
    /// `[ingest]`
    pub ingest: IngestConfig,
    /// `[[source]]`: at least one; their places do not overlap.
    pub sources: Vec<SourceConfig>,
    /// Zones, port groups, NAT gateways and counting.
    pub rules: Rules,
    /// `[aws]`, as far as it is not in the rules.
    pub aws: AwsConfig,
    /// `[prices]`: a charge that can occur and has none is warned of.
    pub prices: PriceBook,
    /// `[budget]`
    pub budget: Budget,
    /// `[limits]`
    pub limits: Limits,
    /// What is allowed and perhaps not meant: for the log at start-up and for `check`.
    pub warnings: Vec<String>,
    /// Keeps others from putting one together that was never checked.
    _checked: Checked,
}

/// Made by [`Config::parse`] only.
#[derive(Debug, Clone, PartialEq)]
struct Checked;

/// `[ingest]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestConfig {
    /// Time between two scans of a source.
    pub poll_interval: Duration,
    /// How old a partition may be for its objects to be counted.
    pub lookback: Duration,
    /// How far back a fresh state begins; `None`: `lookback`.
    pub start: Option<Timestamp>,
    /// Objects read at the same time.
    pub concurrency: usize,
}

/// `[[source]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// Its name in log and labels.
    pub name: Arc<str>,
    /// `s3://bucket/`, `s3://bucket/prefix/` or `file:///folder/`, always with its last slash.
    pub url: String,
    /// The same, taken apart.
    pub location: Location,
    /// The region of its logs, which also picks its prices.
    pub region: Arc<str>,
    /// The region of the bucket where that is another one.
    pub bucket_region: Option<String>,
    /// The grammar of its keys.
    pub layout: Layout,
    /// Accounts to read; empty: all.
    pub accounts: Vec<String>,
    /// Regions to read; empty: all.
    pub regions: Vec<String>,
    /// Flow logs to read; empty: all.
    pub flow_log_ids: Vec<String>,
    /// Url of an S3-compatible store, without a slash at its end; `None`: AWS.
    pub endpoint: Option<String>,
    /// Whether the bucket is named in the path rather than in the host.
    pub path_style: bool,
    /// Whether requests say that whoever asks pays for them.
    pub request_payer: bool,
    /// What a month of it may cost, at list price.
    pub monthly: Option<NanoUsd>,
}

impl SourceConfig {
    /// What its records have in common where scopes are compared.
    pub fn scope(&self) -> SourceScope {
        SourceScope { name: self.name.clone(), region: self.region.clone() }
    }

    /// The lists that choose among the keys, as eight hexadecimal digits; `none` where all are empty. The order of their
    /// items does not matter.
    pub fn filters(&self) -> String {
        let lists = [&self.accounts, &self.regions, &self.flow_log_ids];
        if lists.iter().all(|list| list.is_empty()) {
            return "none".to_owned();
        }
        fingerprint::of_lists(lists)
    }

    /// The regions that are known to be read: those it is limited to, and its own.
    pub fn known_regions(&self) -> BTreeSet<&str> {
        let named = self.regions.iter().filter(|_| sources::has_token(&self.layout, "region"));
        named.map(String::as_str).chain([&*self.region]).collect()
    }

    /// Whether keys of a region would be read.
    fn reads_region(&self, region: &str) -> bool {
        *self.region == *region
            || sources::has_token(&self.layout, "region")
                && (self.regions.is_empty() || self.regions.iter().any(|one| one == region))
    }
}

/// `[aws]`, as far as it is not in the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsConfig {
    /// `aws.ip_ranges`, as the file was when it was read.
    pub ip_ranges: Option<IpRangesFile>,
}

/// AWS's file of its address ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpRangesFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub ranges: Arc<IpRanges>,
}

/// Where a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A bucket.
    S3 {
        /// Its name.
        bucket: String,
        /// What keys begin with: empty, or ending in a slash.
        prefix: String,
    },
    /// A folder.
    Local {
        /// Its absolute path.
        root: PathBuf,
    },
}

impl Location {
    /// The url, always with its last slash.
    pub fn url(&self) -> String {
        match self {
            Self::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
            Self::Local { root } => {
                let path = root.display().to_string();
                format!("file://{}/", path.trim_end_matches('/'))
            }
        }
    }
}

/// `[budget]`: what is not set is not watched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// What a month may cost.
    pub monthly: Option<NanoUsd>,
    /// The share of bytes that may cross zones, 0 to 1.
    pub inter_az_ratio: Option<f64>,
}

/// `[limits]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Series of each traffic and charge family, the overflow series included.
    pub series: usize,
    /// Largest object that is fetched, in bytes.
    pub object_bytes: u64,
    /// Most bytes that an object may decompress to.
    pub decompressed_bytes: u64,
    /// Unreadable rows that an object may have and still count.
    pub bad_rows_per_object: u64,
}

impl Config {
    /// Reads a file, with the `FLOWCOST__` variables of `environment` on top. See [`environment`].
    pub fn load(file: &Path, environment: &[(String, String)]) -> Result<Self, ConfigError> {
        let name = file.display().to_string();
        match read_file(file, "`flowcost-exporter config minimal` prints the shortest one to begin with") {
            Ok(text) => Self::parse(&name, &text, environment),
            Err(wanted) => {
                let key = "--config.file".to_owned();
                let problem = Problem { key, value: Some(name.clone()), wanted, ..Problem::default() };
                Err(ConfigError { file: name, problems: vec![problem] })
            }
        }
    }

    /// Makes sense of the text of a file. `name` is what errors call it.
    pub fn parse(name: &str, text: &str, environment: &[(String, String)]) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let mut warnings = Vec::new();
        let raw = raw::Raw::merge(text, environment, &mut problems);
        if problems.any_below("") {
            // Not even TOML: what the keys lack would only hide it.
            return Err(problems.of(name, text));
        }
        let mut root = raw.root();
        let (state, keep) = sections::state(&mut root, &mut problems);
        let ingest = sections::ingest(&mut root, &mut problems);
        let sources = sources::read(&mut root, &mut problems, &mut warnings);
        let mut rules = topology::read(&mut root, &sources, &mut problems, &mut warnings);
        let aws = aws::read(&mut root, &mut rules, &sources.names, &mut problems, &mut warnings);
        let prices = prices::read(&mut root, &mut rules, &sources, &mut problems, &mut warnings);
        let budget = sections::budget(&mut root, &mut problems);
        let limits = sections::limits(&mut root, &mut problems);
        root.finish(&mut problems);
        if problems.any() {
            return Err(problems.of(name, text));
        }
        let sources = sources.list;
        let zones = Zones::new(&rules.zones, &rules.home_region);
        remarks::of_regions(&rules, &zones, &mut warnings);
        remarks::of_silent_zones(&rules, &zones, &mut warnings);
        remarks::of_prices(&prices, &rules, &zones, &sources, &aws, &mut warnings);
        let places = Places::new(text);
        warnings.iter_mut().for_each(|warning| *warning = places.named(warning));
        Ok(Self {
            state,
            keep,
            ingest,
            sources,
            rules,
            aws,
            prices,
            budget,
            limits,
            warnings,
            _checked: Checked,
        })
    }

    /// AWS's address ranges, where the user has brought them.
    pub fn ip_ranges(&self) -> Option<&IpRanges> {
        self.aws.ip_ranges.as_ref().map(|file| &*file.ranges)
    }

    /// A hash of the classification part, for the ledger. See [`fingerprint`].
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.rules, self.ip_ranges())
    }
}

/// Everything that a start and a reload read.
#[derive(Debug, Clone)]
pub struct Setup {
    /// `--config.file`
    pub config: Config,
    /// `--web.config.file`
    pub web: WebConfig,
}

impl From<Config> for Setup {
    fn from(config: Config) -> Self {
        Self { config, web: WebConfig::default() }
    }
}

impl Setup {
    /// Reads both files, with the `FLOWCOST__` variables of `environment` on top of the first.
    ///
    /// # Errors
    /// Everything that is wrong with either.
    pub fn load(
        file: &Path,
        web: Option<&Path>,
        environment: &[(String, String)],
    ) -> Result<Self, SetupError> {
        let config = Config::load(file, environment);
        let web = web.map_or_else(|| Ok(WebConfig::default()), WebConfig::load);
        match (config, web) {
            (Ok(config), Ok(web)) => Ok(Self { config, web }),
            (config, web) => Err(SetupError([config.err(), web.err()].into_iter().flatten().collect())),
        }
    }
}

/// Configuration files that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SetupError(pub Vec<ConfigError>);

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// The variables of this process that mean the exporter.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with(ENV_PREFIX))
        .collect()
}

/// The text of a configuration file, or what would be right. `hint` is for one that is not there.
fn read_file(file: &Path, hint: &str) -> Result<String, String> {
    let bytes = read_bytes(file, CONFIG_BYTES, hint, "a configuration file")?;
    String::from_utf8(bytes).map_err(|_| "is not text in UTF-8".to_owned())
}

/// A file of at most so many bytes, or what would be right.
fn read_bytes(file: &Path, most: u64, hint: &str, what: &str) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("does not exist; {hint}"),
        _ => format!("cannot be read: {error}"),
    };
    let mut bytes = Vec::new();
    File::open(file).and_then(|opened| opened.take(most + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(format!("is larger than {most} bytes: not {what}"));
    }
    Ok(bytes)
}
