//! The configuration: what was typed, and what it means.
//!
//! Refuses to start anything, and to stop at the first mistake: a file and its environment become either a [`Config`]
//! or the list of everything that is wrong with them. Invariant: a [`Config`] is valid; there is no other way to one
//! than [`Config::parse`]. Reads the file and tries whether the state can be written; no other I/O.

mod describe;
mod fingerprint;
mod problems;
mod raw;
mod sections;
mod sources;
mod topology;
mod values;
mod web;

use std::{
    fmt,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use fingerprint::fingerprint;
pub use problems::{ConfigError, Problem};
pub use raw::ENV_PREFIX;
pub use web::WebConfig;

use crate::{
    classify::Rules,
    discover::layout::Layout,
    limits::CONFIG_BYTES,
    model::{NanoUsd, Timestamp},
    pricing::PriceBook,
};
use problems::Problems;

/// A valid configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `state.path`: the SQLite file.
    pub state: PathBuf,
    /// `[ingest]`
    pub ingest: IngestConfig,
    /// `[[source]]`: at least one; their places do not overlap.
    pub sources: Vec<SourceConfig>,
    /// Zones, port groups, NAT gateways and counting.
    pub rules: Rules,
    /// `[prices]`: every charge that can occur has a price.
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

/// `[budget]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// What a month may cost.
    pub monthly: NanoUsd,
    /// The share of bytes that may cross zones, 0 to 1.
    pub inter_az_ratio: f64,
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
        match read_file(file, "config/minimal.toml is the shortest configuration to begin with") {
            Ok(text) => Self::parse(&name, &text, environment),
            Err(wanted) => {
                let problem = Problem {
                    key: "--config.file".to_owned(),
                    variable: None,
                    value: Some(name.clone()),
                    wanted,
                };
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
            return Err(ConfigError { file: name.to_owned(), problems: problems.into_vec() });
        }
        let mut root = raw.root();
        let state = sections::state(&mut root, &mut problems);
        let ingest = sections::ingest(&mut root, &mut problems);
        let (sources, home) = sources::read(&mut root, &mut problems, &mut warnings);
        let mut rules = topology::read(&mut root, home.as_ref(), &mut problems, &mut warnings);
        let prices = sections::prices(&mut root, &mut rules, &sources, &mut problems, &mut warnings);
        sections::require_prices(&prices, &rules, &sources, &mut problems, &mut warnings);
        let budget = sections::budget(&mut root, &mut problems);
        let limits = sections::limits(&mut root, &mut problems);
        root.finish(&mut problems);
        let problems = problems.into_vec();
        if problems.is_empty() {
            Ok(Self { state, ingest, sources, rules, prices, budget, limits, warnings, _checked: Checked })
        } else {
            Err(ConfigError { file: name.to_owned(), problems })
        }
    }

    /// A hash of the classification part, for the ledger. See [`fingerprint`].
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.rules)
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
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("does not exist; {hint}"),
        _ => format!("cannot be read: {error}"),
    };
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(CONFIG_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > CONFIG_BYTES {
        return Err(format!("is larger than {CONFIG_BYTES} bytes: this is no configuration file"));
    }
    String::from_utf8(bytes).map_err(|_| "is not text in UTF-8".to_owned())
}
