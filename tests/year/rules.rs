//! The rules of `alerts/` over all that was scraped: the scrapes become blocks of a Prometheus, which works out the recording
//! rules that alerts need, and each alert's expression at every step. `for` and `keep_firing_for` are applied here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::{self, File},
    io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{STEP, clock::show, oracle::PRICES};
use crate::support::tools;

/// Points that Prometheus gives for one question at the most.
const POINTS: i64 = 10_000;

#[derive(Deserialize)]
struct Document {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    record: Option<String>,
    alert: Option<String>,
    expr: String,
    #[serde(rename = "for")]
    pending: Option<String>,
    keep_firing_for: Option<String>,
}

impl Rule {
    /// Names of metrics in the expression, recorded ones included.
    fn uses(&self) -> BTreeSet<&str> {
        let words = self.expr.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
        words
            .filter(|word| *word == "up" || word.starts_with("flowcost_") || word.starts_with("job"))
            .collect()
    }
}

fn seconds(duration: Option<&String>) -> i64 {
    let parsed = duration.map_or(Duration::ZERO, |text| humantime::parse_duration(text).unwrap());
    parsed.as_secs().cast_signed()
}

/// An alert that fires: from its first step to its last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Firing {
    pub(super) alert: String,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) labels: BTreeMap<String, String>,
}

impl fmt::Display for Firing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { alert, from, to, labels } = self;
        write!(f, "{alert} {} to {} {labels:?}", show(*from), show(*to))
    }
}

/// Scrapes on their way to Prometheus.
pub(super) struct Scrapes {
    folder: tempfile::TempDir,
    file: BufWriter<File>,
    rules: Vec<Rule>,
    /// Families that a rule asks for.
    families: BTreeSet<String>,
}

impl Scrapes {
    pub(super) fn new() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts/flowcost.rules.yaml");
        let document: Document = serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let rules: Vec<Rule> = document.groups.into_iter().flat_map(|group| group.rules).collect();
        let families = rules.iter().flat_map(Rule::uses).map(str::to_owned).collect();
        let folder = tempfile::tempdir().unwrap();
        let file = BufWriter::new(File::create(folder.path().join("scrapes.om")).unwrap());
        Self { folder, file, rules, families }
    }

    /// An answer of a target.
    pub(super) fn add(&mut self, instance: &str, text: &str, now: i64) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let (family, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            // Those of charges that this network never has are many, and all 0.
            let charge = labels.split("charge=\"").nth(1).and_then(|rest| rest.split('"').next());
            let nothing = charge.is_some_and(|charge| PRICES.iter().all(|(name, _)| *name != charge));
            if self.families.contains(family) && !nothing {
                let comma = if labels == "}" { "" } else { "," };
                writeln!(
                    self.file,
                    "{family}{{job=\"flowcost\",instance=\"{instance}\"{comma}{labels} {value} {now}"
                )
                .unwrap();
            }
        }
        self.up(instance, true, now);
    }

    /// Whether a target has answered.
    pub(super) fn up(&mut self, instance: &str, answered: bool, now: i64) {
        let value = u8::from(answered);
        writeln!(self.file, "up{{job=\"flowcost\",instance=\"{instance}\"}} {value} {now}").unwrap();
    }

    /// Every time that an alert has fired, in a stretch of time.
    pub(super) fn firings(mut self, from: i64, to: i64) -> Vec<Firing> {
        writeln!(self.file, "# EOF").unwrap();
        self.file.flush().unwrap();
        let data = self.folder.path().join("data");
        let scrapes = self.folder.path().join("scrapes.om");
        import(&scrapes, &data);
        let mut server = Server::start(&data);
        for level in self.levels() {
            let recorded = self.folder.path().join("recorded.om");
            server.record(&level, from, to, &recorded);
            drop(server);
            import(&recorded, &data);
            server = Server::start(&data);
        }
        let alerts = self.rules.iter().filter(|rule| rule.alert.is_some());
        let mut firings: Vec<Firing> = alerts.flat_map(|alert| server.firings(alert, from, to)).collect();
        firings.sort_by(|a, b| (a.from, a).cmp(&(b.from, b)));
        firings
    }

    /// The recording rules that alerts need, in the order in which they can be worked out.
    fn levels(&self) -> Vec<Vec<&Rule>> {
        let recorded: BTreeMap<&str, &Rule> =
            self.rules.iter().filter_map(|rule| Some((rule.record.as_deref()?, rule))).collect();
        let mut missing: BTreeSet<&str> = BTreeSet::new();
        let mut wanted: Vec<&Rule> = self.rules.iter().filter(|rule| rule.alert.is_some()).collect();
        while let Some(rule) = wanted.pop() {
            let used = rule.uses().into_iter().filter(|name| recorded.contains_key(name));
            wanted.extend(used.filter(|name| missing.insert(name)).map(|name| recorded[name]));
        }
        let mut levels = Vec::new();
        while !missing.is_empty() {
            let ready = |name: &&&str| recorded[**name].uses().iter().all(|used| !missing.contains(used));
            let level: Vec<&str> = missing.iter().filter(ready).copied().collect();
            assert!(!level.is_empty(), "rules go in a circle: {missing:?}");
            missing.retain(|name| !level.contains(name));
            levels.push(level.into_iter().map(|name| recorded[name]).collect());
        }
        levels
    }
}

/// Makes blocks of a file. Every block is one more reading of it, so that they are as long as can be.
fn import(file: &Path, data: &Path) {
    let mut promtool = tools::promtool();
    promtool.args(["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=15000h", "-q"]);
    tools::pipe(promtool.arg(file).arg(data), "");
    fs::remove_file(file).unwrap();
}

/// A Prometheus over the blocks, which scrapes nothing. It ends with the value.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(data: &Path) -> Self {
        let config: PathBuf = data.join("../prometheus.yml");
        fs::write(&config, "").unwrap();
        let mut command: Command = tools::prometheus();
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .args(["--storage.tsdb.retention.time=100y", "--web.listen-address=127.0.0.1:0"])
            .args(["--query.max-samples=1000000000", "--query.timeout=10m"])
            .arg(format!("--query.lookback-delta={}s", STEP + 60));
        let spawned = command.stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{}", tools::missing("prometheus", &error)));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let (mut address, mut log) = (None, Vec::new());
        for line in lines.by_ref() {
            if line.contains("Listening on") {
                address = line.split("address=").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
            }
            let ready = line.contains("ready to receive web requests");
            log.push(line);
            if ready {
                break;
            }
        }
        // Its log must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.unwrap_or_else(|| panic!("it does not listen: {log:#?}")) }
    }

    /// Writes down what recording rules come to. `promtool tsdb create-blocks-from rules` would look between two scrapes, at a
    /// moment of its own.
    fn record(&self, rules: &[&Rule], from: i64, to: i64, file: &Path) {
        let mut text = BufWriter::new(File::create(file).unwrap());
        for rule in rules {
            let name = rule.record.as_deref().unwrap();
            for Series { mut metric, values } in self.range(&rule.expr, from, to) {
                metric.remove("__name__");
                let labels: Vec<String> =
                    metric.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
                let labels = labels.join(",");
                for (at, value) in values {
                    writeln!(text, "{name}{{{labels}}} {value} {at}").unwrap();
                }
            }
        }
        writeln!(text, "# EOF").unwrap();
        text.flush().unwrap();
    }

    /// When an alert fires.
    fn firings(&self, rule: &Rule, from: i64, to: i64) -> Vec<Firing> {
        let mut active: BTreeMap<BTreeMap<String, String>, Vec<i64>> = BTreeMap::new();
        for Series { mut metric, values } in self.range(&rule.expr, from, to) {
            metric.remove("__name__");
            active.entry(metric).or_default().extend(values.into_iter().map(|(at, _)| at));
        }
        let (pending, kept) = (seconds(rule.pending.as_ref()), seconds(rule.keep_firing_for.as_ref()));
        let alert = rule.alert.clone().unwrap();
        let of = |(labels, times): (BTreeMap<String, String>, Vec<i64>)| {
            let spans = firing(&times, pending, kept);
            let make = |(from, to)| Firing { alert: alert.clone(), from, to, labels: labels.clone() };
            spans.into_iter().map(make).collect::<Vec<_>>()
        };
        active.into_iter().flat_map(of).collect()
    }

    /// The series of an expression, each in as many parts as there are answers.
    fn range(&self, query: &str, from: i64, to: i64) -> Vec<Series> {
        let (mut start, mut series) = (from, Vec::new());
        while start <= to {
            let end = to.min(start + (POINTS - 1) * STEP);
            series.extend(self.ask(query, start, end).data.result);
            start = end + STEP;
        }
        series
    }

    fn ask(&self, query: &str, start: i64, end: i64) -> Answer {
        let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
        let path = format!("/api/v1/query_range?start={start}&end={end}&step={STEP}&query={query}");
        let mut stream = TcpStream::connect(self.address).unwrap();
        // Of version 1.0: no answer in chunks.
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{query}: {answer}");
        serde_json::from_str(body).unwrap()
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    values: Vec<(i64, String)>,
}

/// From the steps at which an expression has a value, those at which its alert fires: once it had one for `pending` seconds, and
/// for `kept` seconds after the last one.
fn firing(times: &[i64], pending: i64, kept: i64) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    let mut run = times.first().map_or((0, 0), |first| (*first, *first));
    let mut end = |(from, to): (i64, i64)| {
        let from = from + pending;
        match spans.last_mut() {
            // What fires goes on.
            Some((_, last)) if from - pending <= *last + kept.max(STEP) => *last = to.max(*last),
            _ if from <= to => spans.push((from, to)),
            _ => {}
        }
    };
    for at in times {
        if *at > run.1 + STEP {
            end(run);
            run = (*at, *at);
        }
        run.1 = *at;
    }
    if !times.is_empty() {
        end(run);
    }
    spans
}
