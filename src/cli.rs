//! The command line: what was typed, in the spelling of the Prometheus exporters.
//!
//! Refuses to know what a configuration means and what a command does: it only says which command, with which flags.

mod export;
mod recount;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString, fmt, net::IpAddr, num::NonZeroU32, path::PathBuf, str::FromStr, sync::LazyLock,
    time::Duration,
};

use clap::{Args, CommandFactory, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub use self::export::{ExportHistoryArgs, ExtraLabel, ExtraLabelError, HistoryFormat, HistoryStep};
pub use self::recount::{PricesOf, RecountArgs};
use crate::{limits, model::Timestamp};

/// Exit code of a run that failed.
pub const EXIT_RUNTIME: u8 = 1;

/// Exit code of a wrong command line or an invalid configuration.
pub const EXIT_USAGE: u8 = 2;

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "flowcost-exporter",
    about = "Prometheus exporter that turns AWS VPC Flow Logs into exact, priced traffic counters",
    after_help = "Without a command it serves. Try `flowcost-exporter demo`: it needs no configuration and no cloud."
)]
pub struct Cli {
    /// What to do; `None` is [`Command::Serve`].
    #[command(subcommand)]
    command: Option<Command>,
    /// Before or after the command.
    #[command(flatten)]
    pub flags: Flags,
}

/// Flags before or after the command, as far as it takes them.
#[derive(Debug, Clone, Args)]
pub struct Flags {
    /// Configuration in TOML; FLOWCOST__SECTION__KEY variables override its plain keys.
    #[arg(long = "config.file", value_name = "FILE", global = true)]
    config_file: Option<PathBuf>,
    /// Address to serve on; may be given several times [default: :9843, in the demo 127.0.0.1:9843].
    #[arg(long = "web.listen-address", value_name = "HOST:PORT", global = true)]
    listen: Vec<ListenAddress>,
    /// TLS and authentication, in YAML, in the format of the Prometheus exporters.
    #[arg(long = "web.config.file", value_name = "FILE", global = true)]
    pub web_config_file: Option<PathBuf>,
    /// Let POST requests to /-/reload reload the configuration, as SIGHUP does.
    #[arg(long = "web.enable-lifecycle", global = true)]
    pub web_enable_lifecycle: bool,
    /// Minimum level to log [default: info, in the demo warn].
    #[arg(long = "log.level", value_name = "LEVEL", value_enum, global = true)]
    log_level: Option<LogLevel>,
    /// Format of log lines [default: logfmt]; where it is given, also of the error that a command ends with.
    #[arg(long = "log.format", value_name = "FORMAT", value_enum, global = true)]
    log_format: Option<LogFormat>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Read flow logs and serve metrics (the default).
    Serve,
    /// Show it at work: write sample flow logs, read and serve them. No configuration, no cloud.
    Demo(DemoArgs),
    /// Validate the configuration and say what it means.
    Check(CheckArgs),
    /// Print a configuration to begin with.
    Config(ConfigArgs),
    /// See the objects that could not be read; have them read again, or give them up.
    Quarantine(QuarantineArgs),
    /// Write the hourly ledger to stdout as OpenMetrics with timestamps, to be loaded into Prometheus or VictoriaMetrics.
    ExportHistory(ExportHistoryArgs),
    /// Read hours of the past again under today's rules and put them in the place of what was counted. No counter of
    /// /metrics moves. Works beside a running exporter and without one; killed, it goes on where it was.
    Recount(RecountArgs),
    /// Ask a running exporter whether it is healthy; for containers without a shell.
    Healthcheck(HealthcheckArgs),
}

/// Flags of `healthcheck`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct HealthcheckArgs {
    /// What to ask.
    #[arg(long, value_name = "URL", default_value = crate::healthcheck::DEFAULT_URL)]
    pub url: String,
}

/// Flags of `demo`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct DemoArgs {
    /// Folder for the sample logs and the state [default: a temporary one].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Flow records to write per minute.
    #[arg(long, value_name = "N")]
    pub rows_per_minute: Option<NonZeroU32>,
    /// Past of a new folder, such as 60d; beyond two days with one file an hour, and with a change half-way that keeps
    /// more traffic inside the zones [default: 2d].
    #[arg(long, value_name = "DURATION", value_parser = history)]
    pub history: Option<Duration>,
}

/// How long a past the demo can have.
fn history(text: &str) -> Result<Duration, String> {
    let length = humantime::parse_duration(text).map_err(|error| format!("{error}; write such as 60d"))?;
    if limits::DEMO_HISTORY.contains(&length) {
        return Ok(length);
    }
    let days = |length: &Duration| length.as_secs() / 86_400;
    Err(format!("write {}d to {}d", days(limits::DEMO_HISTORY.start()), days(limits::DEMO_HISTORY.end())))
}

/// Flags of `check`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct CheckArgs {
    /// Also list each source, say what the columns of its objects enable, and read a sample: how much of the traffic is
    /// known, and what would mend the rest.
    #[arg(long)]
    pub reach: bool,
    /// For a person, or for a program.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: CheckFormat,
}

/// Flags of `config`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ConfigArgs {
    /// Which one.
    #[arg(value_enum)]
    pub which: ConfigSample,
}

/// A configuration to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConfigSample {
    /// The shortest one.
    Minimal,
    /// Every key, explained.
    Example,
}

/// How `check` says what it finds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For a person.
    #[default]
    Text,
    /// One JSON object, with the version of its schema.
    Json,
}

/// What to do with the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct QuarantineArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: QuarantineAction,
}

/// What to do with the quarantine. Each works beside a running exporter and without one.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum QuarantineAction {
    /// List the objects and why they are there.
    List,
    /// Have objects read again, at the exporter's next poll or next start.
    Retry(Selection),
    /// Give objects up for good, at the exporter's next poll or next start: they are never read.
    Drop(Selection),
}

/// Which objects.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Selection {
    /// Keys as `list` shows them, with or without their bucket.
    #[arg(value_name = "KEY", required_unless_present = "all")]
    pub keys: Vec<String>,
    /// All that are listed.
    #[arg(long, conflicts_with = "keys")]
    pub all: bool,
}

/// Minimum level to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `key=value` pairs.
    Logfmt,
    /// One JSON object a line.
    Json,
    /// Time of day, level and message, for a person at a terminal; no colours.
    Short,
}

/// An address to serve on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// Which of this machine's addresses.
    pub host: ListenHost,
    /// TCP port; 0 takes a free one.
    pub port: u16,
}

/// Which of this machine's addresses to serve on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenHost {
    /// All of them, IPv6 and IPv4.
    All,
    /// This one.
    Ip(IpAddr),
    /// Those that the name resolves to.
    Name(String),
}

impl ListenAddress {
    /// The port that `--web.listen-address` has by default.
    pub const DEFAULT_PORT: u16 = 9843;
}

/// A text that is no address to serve on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write HOST:PORT, such as :9843 (all addresses), 127.0.0.1:9843 or [::1]:9843")]
pub struct ListenAddressError;

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(ListenAddressError)?;
        let port = port.parse().map_err(|_| ListenAddressError)?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match (host, bracketed) {
            ("", _) => ListenHost::All,
            (_, Some(v6)) => ListenHost::Ip(IpAddr::V6(v6.parse().map_err(|_| ListenAddressError)?)),
            (host, None) => match host.parse() {
                // Without brackets nobody can tell the address from the port.
                Ok(IpAddr::V6(_)) => return Err(ListenAddressError),
                Ok(ip) => ListenHost::Ip(ip),
                Err(_) if is_host_name(host) => ListenHost::Name(host.to_owned()),
                Err(_) => return Err(ListenAddressError),
            },
        };
        Ok(Self { host, port })
    }
}

fn is_host_name(text: &str) -> bool {
    text.len() <= 253 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            ListenHost::All => write!(f, ":{}", self.port),
            ListenHost::Ip(IpAddr::V6(v6)) => write!(f, "[{v6}]:{}", self.port),
            ListenHost::Ip(ip) => write!(f, "{ip}:{}", self.port),
            ListenHost::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// A flag that is missing or cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// The command needs a configuration.
    #[error(
        "--config.file is missing\n\n  \
         flowcost-exporter --config.file flowcost.toml    serve what the configuration names\n  \
         flowcost-exporter demo                           see it at work without a configuration\n\n\
         `config minimal` prints the shortest configuration, `config example` one that explains every key."
    )]
    NoConfigFile,
    /// The demo has nothing to protect and no file to reload; to ignore the flag would be to serve unprotected.
    #[error(
        "{flag} is not for the demo, which serves plain HTTP on loopback and has no configuration: remove the flag"
    )]
    NotInDemo {
        /// As typed.
        flag: &'static str,
    },
    /// To ignore the flag would be to do less than was asked for.
    #[error("{flag} is not a flag of `{command}`: remove it")]
    #[allow(missing_docs, reason = "named by the message")]
    NotOfCommand { flag: &'static str, command: &'static str },
    /// No moment lies in the range.
    #[error("--from {from} is not before --to {to}")]
    #[allow(missing_docs, reason = "named by the message")]
    EmptyRange { from: Timestamp, to: Timestamp },
    /// A series can have a label once.
    #[error("--label {name} is there twice")]
    #[allow(missing_docs, reason = "named by the message")]
    LabelTwice { name: String },
    /// More labels than a scrape would add.
    #[error("--label is there {labels} times, at most {} are allowed", limits::EXPORT_LABELS)]
    #[allow(missing_docs, reason = "named by the message")]
    TooManyLabels { labels: usize },
}

impl Cli {
    /// Reads the arguments of a process, its name first. The error also carries `--help` and `--version`.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::from_arg_matches(&Self::definition().try_get_matches_from(arguments)?)
    }

    /// The definition, in which each command shows the flags that it takes and no others. All stand before a command, so
    /// those that it does not take are known there, too, or they could not be named in the refusal.
    fn definition() -> clap::Command {
        let mut definition = <Self as CommandFactory>::command().version(version());
        let flags: Vec<clap::Arg> = definition.get_arguments().cloned().collect();
        let commands: Vec<String> =
            definition.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        for name in commands {
            let refused = flags.iter().filter(|flag| {
                let long = flag.get_long().unwrap_or_default();
                FLAGS.iter().any(|(of, commands)| *of == long && !commands.contains(&&*name))
            });
            let hidden: Vec<clap::Arg> = refused.map(|flag| flag.clone().hide(true)).collect();
            definition = definition.mut_subcommand(&name, |command| command.args(hidden));
        }
        definition
    }

    /// What to do.
    pub fn command(&self) -> Command {
        self.command.clone().unwrap_or(Command::Serve)
    }
}

/// Flags that not every command takes, with those that do.
const FLAGS: [(&str, &[&str]); 4] = [
    ("config.file", &["serve", "check", "quarantine", "export-history", "recount"]),
    ("web.listen-address", &["serve", "demo"]),
    ("web.config.file", &["serve", "check"]),
    ("web.enable-lifecycle", &["serve"]),
];

/// With the revision, where it was known when this was built.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let revision = option_env!("FLOWCOST_REVISION").filter(|revision| !revision.is_empty());
        let revision = revision.map(|revision| format!(" (revision {revision})")).unwrap_or_default();
        format!("{}{revision}", env!("CARGO_PKG_VERSION"))
    });
    &VERSION
}

impl Command {
    /// As it is typed.
    fn name(&self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Demo(_) => "demo",
            Self::Check(_) => "check",
            Self::Config(_) => "config",
            Self::Quarantine(_) => "quarantine",
            Self::ExportHistory(_) => "export-history",
            Self::Recount(_) => "recount",
            Self::Healthcheck(_) => "healthcheck",
        }
    }
}

impl Flags {
    /// Refuses flags that a command does not take.
    pub fn reject_unsupported(&self, command: &Command) -> Result<(), UsageError> {
        let given = [
            ("--config.file", self.config_file.is_some()),
            ("--web.listen-address", !self.listen.is_empty()),
            ("--web.config.file", self.web_config_file.is_some()),
            ("--web.enable-lifecycle", self.web_enable_lifecycle),
        ];
        let command = command.name();
        for (flag, _) in given.iter().filter(|(_, given)| *given) {
            if FLAGS.iter().any(|(of, commands)| *of == &flag[2..] && !commands.contains(&command)) {
                let demo = command == "demo" && flag.starts_with("--web.");
                return Err(if demo {
                    UsageError::NotInDemo { flag }
                } else {
                    UsageError::NotOfCommand { flag, command }
                });
            }
        }
        Ok(())
    }

    /// The configuration file of a command that needs one.
    pub fn config_file(&self) -> Result<&PathBuf, UsageError> {
        self.config_file.as_ref().ok_or(UsageError::NoConfigFile)
    }

    /// The minimum level to log. The demo has a terminal to itself, and four things to try on it.
    pub fn log_level(&self, command: &Command) -> LogLevel {
        let usual = if matches!(command, Command::Demo(_)) { LogLevel::Warn } else { LogLevel::Info };
        self.log_level.unwrap_or(usual)
    }

    /// The format of log lines.
    pub fn log_format(&self) -> LogFormat {
        self.log_format.unwrap_or(LogFormat::Logfmt)
    }

    /// Whether errors that end a command are log lines too: someone has asked for a format that programs read.
    pub fn errors_are_logged(&self) -> bool {
        matches!(self.log_format, Some(LogFormat::Logfmt | LogFormat::Json))
    }

    /// Where to serve: what was typed, else the default port on `host`.
    pub fn listen_addresses(&self, host: ListenHost) -> Vec<ListenAddress> {
        if self.listen.is_empty() {
            vec![ListenAddress { host, port: ListenAddress::DEFAULT_PORT }]
        } else {
            self.listen.clone()
        }
    }
}
