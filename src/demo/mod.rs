//! The demo: a synthetic cluster that writes real flow-log files in the layout of AWS, and keeps writing.
//!
//! Refuses to know the clock, tasks and the terminal: the composition root owns the loop and prints. What it does is
//! a function of the folder, the seed and the times it is given. The tests and benches use the same cluster.

mod cluster;
mod past;
mod traffic;
mod writer;

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use bytesize::ByteSize;
pub use cluster::{ACCOUNT, FLOW_LOG, NAT_ADDRESS, NAT_INTERFACE, REGION, ZONES, Zone};
pub use past::Past;
pub use traffic::Cluster;
pub use writer::{DemoError, HISTORY_ROWS, LogFolder, SLOT_SECONDS, file_path, partition, slot_of};

use self::writer::io_error;
use crate::{config::quoted, limits, model::Timestamp};

/// The seed of the demo: everybody sees the same cluster live the same life.
pub const SEED: u64 = 9843;

/// Records a minute where nothing else is asked for.
pub const ROWS_PER_MINUTE: u32 = 1_200;

/// Days of history that a new folder starts with.
pub const HISTORY_DAYS: u32 = 2;

/// Fewest records of a live file: enough for the flow with the most records to find room in most files.
const LIVE_ROWS: usize = 12;

/// Name of the state file in the folder.
const STATE: &str = "flowcost.db";

/// First line of a configuration that the demo may overwrite.
const HEADER: &str =
    "# Written by `flowcost-exporter demo`, anew at every start: copy it before changing it.";

/// A folder that lives.
pub struct Demo {
    /// Where its files are; absolute, links resolved.
    pub dir: PathBuf,
    /// How to read them; also in the folder as `flowcost.toml`.
    pub config_toml: String,
    /// Files that were added to the history.
    pub history: Vec<PathBuf>,
    /// What was asked for and is not done, for a person.
    pub note: Option<String>,
    logs: LogFolder,
    rows_per_minute: u32,
    written_until: Timestamp,
}

impl Demo {
    /// Makes the folder ready: the configuration, and the `history` (two days, unless more is asked for) where it is
    /// missing. Without `dir` a new folder is made in the system's folder for temporary files. Blocks for a second or
    /// two on the first start, and for as long again for each two weeks of history.
    ///
    /// # Errors
    /// When the folder cannot be written, its `flowcost.toml` is somebody else's, or it has been read already with a
    /// shorter history.
    pub fn prepare(
        dir: Option<PathBuf>,
        rows_per_minute: u32,
        history: Option<Duration>,
        now: Timestamp,
    ) -> Result<Self, DemoError> {
        let dir = match dir {
            Some(dir) => {
                fs::create_dir_all(&dir).map_err(io_error("create", &dir))?;
                dir
            }
            None => temporary_folder(now)?,
        };
        let dir = dir.canonicalize().map_err(io_error("resolve", &dir))?;
        if dir.to_str().is_none() {
            return Err(DemoError::NotUtf8(dir));
        }
        let config_path = dir.join("flowcost.toml");
        let present = read_config(&config_path)?;
        let usual = Duration::from_secs(u64::from(HISTORY_DAYS) * 86_400);
        let is_read = dir.join(STATE).exists();
        let past = Past::choose(present.as_deref(), is_read, history, usual, now)?;
        let note =
            history.filter(|_| present.is_some()).and_then(|asked| Past::note(past, asked, usual, now));
        let config_toml = config_with_past(&dir, past);
        fs::write(&config_path, &config_toml).map_err(io_error("write", &config_path))?;
        let mut cluster = Cluster::new(SEED);
        if let Some(past) = past {
            cluster = cluster.preferring_close(past.close_from);
        }
        let logs = LogFolder::new(dir.clone(), cluster);
        let history = match past {
            Some(past) => logs.write_long_history(past.begin, now, HISTORY_DAYS)?,
            None => logs.write_history(now, HISTORY_DAYS)?,
        };
        // An earlier run may have been inside the same slot: what it wrote is not written again.
        let slot = slot_of(now);
        let written_until = if logs.is_filled(slot)? { now } else { slot };
        let rows_per_minute = rows_per_minute.clamp(1, limits::DEMO_ROWS_PER_MINUTE);
        Ok(Self { dir, config_toml, history, note, logs, rows_per_minute, written_until })
    }

    /// Writes what the cluster has done since the last call, as one file; nothing when no second has passed. After
    /// a pause longer than a slot (a laptop asleep) only the last slot's length is written.
    ///
    /// # Errors
    /// When the folder cannot be written. The next call covers the same time again.
    pub fn write_until(&mut self, now: Timestamp) -> Result<Option<PathBuf>, DemoError> {
        let earliest = now.minus(Duration::from_secs(u64::from(SLOT_SECONDS)));
        let from = self.written_until.max(earliest);
        if from >= now {
            return Ok(None);
        }
        let seconds = usize::try_from(now.0 - from.0).unwrap_or(0);
        let rows = (self.rows_per_minute as usize * seconds / 60).max(LIVE_ROWS);
        let path = self.logs.write_live(from, now, rows)?;
        self.written_until = now;
        Ok(Some(path))
    }
}

/// A new folder that only its owner can read. The number is the moment, counted up where that is taken.
fn temporary_folder(now: Timestamp) -> Result<PathBuf, DemoError> {
    let mut number = now.0;
    loop {
        let dir = std::env::temp_dir().join(format!("flowcost-demo-{number}"));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            result => return result.map(|()| dir.clone()).map_err(io_error("create", &dir)),
        }
    }
}

/// The configuration that an earlier start has left.
fn read_config(path: &Path) -> Result<Option<String>, DemoError> {
    match fs::read_to_string(path) {
        Ok(present) if !present.starts_with(HEADER) => Err(DemoError::ForeignConfig(path.to_owned())),
        Ok(present) => Ok(Some(present)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", path)(error)),
    }
}

/// The configuration that reads the demo's folder, with the state file in the same folder. `dir` is absolute.
pub fn config_toml(dir: &Path) -> String {
    config_with_past(dir, None)
}

fn config_with_past(dir: &Path, past: Option<Past>) -> String {
    let state = quoted(&dir.join(STATE).to_string_lossy());
    let past = past.map_or_else(String::new, |past| past.lines());
    let url = quoted(&format!("file://{}/", dir.to_string_lossy().trim_end_matches('/')));
    let mut zones = String::new();
    for Zone { name, az_id, cidrs: [nodes, pods, public] } in &ZONES {
        write!(
            zones,
            r#"
[[zone]]
name = "{name}"
az_id = "{az_id}"
cidrs = ["{nodes}", "{pods}", "{public}"]   # nodes, pods, public subnet
"#
        )
        .expect("a string takes every text");
    }
    let nat_zone = ZONES[0].name;
    format!(
        r#"{HEADER}
# Read it with:  flowcost-exporter --config.file flowcost.toml

[state]
path = {state}

[ingest]
poll_interval = "2s"
lookback = "72h"
{past}
[[source]]
name = "demo"
url = {url}
region = "{REGION}"
layout = "hive-hourly"
{zones}
[[port_group]]
name = "loki-gateway"
ports = [4080]

[[port_group]]
name = "loki-cache"
ports = [4090, 4091]

[[port_group]]
name = "loki-http"
ports = ["4101-4107"]

[[port_group]]
name = "loki-grpc"
ports = ["4201-4207"]

[[port_group]]
name = "dns"
ports = [53]

[[port_group]]
name = "https"
ports = [443]

[[nat_gateway]]
name = "nat-1a"
zone = "{nat_zone}"
interface_ids = ["{NAT_INTERFACE}"]
private_ips = ["{NAT_ADDRESS}"]

[budget]
monthly_usd = 350.0
inter_az_ratio = 0.30
"#
    )
}

/// What a newcomer reads when the demo is up, on a terminal of 80 x 24: the address, and four things to try.
pub fn banner(address: SocketAddr, dir: &Path) -> String {
    let word = |path: &Path| shell_word(&path.to_string_lossy());
    format!(
        r#"
http://{address}/ says how it goes, /metrics has the numbers.
A synthetic cluster writes its flow logs to {dir}.

1. What does the traffic between zones cost, and where does the month end?
   curl -s http://{address}/metrics | grep -E \
     '^flowcost_(source_cost|month_to_date|projected_month)_usd.*"inter_az"'

2. Watch it in Prometheus, and ask it for the second line:
   scrape_configs: [{{job_name: flowcost, scrape_interval: 5s,
     static_configs: [{{targets: ["{address}"]}}]}}]
   sum by (src_zone) (rate(flowcost_bytes_total{{nat_direction="none"}}[1m]))

3. Ask the ledger, hour by hour:
   sqlite3 -readonly -header {ledger} \
     'SELECT * FROM ledger ORDER BY 1 DESC LIMIT 5'

4. Get its past as metrics, to be loaded into a Prometheus:
   flowcost-exporter export-history > history.om \
     --config.file {config}

Ctrl-C stops it; it goes on with: demo --dir {folder}
"#,
        dir = dir.display(),
        ledger = word(&dir.join(STATE)),
        config = word(&dir.join("flowcost.toml")),
        folder = word(dir),
    )
}

/// What a newcomer reads when the demo has ended: what is left, and how large it is. Looks at, and names, only what the
/// demo wrote: the folder may be the user's own.
pub fn farewell(dir: &Path) -> String {
    let of_file = |end| fs::metadata(dir.join(format!("{STATE}{end}"))).map_or(0, |file| file.len());
    let state: u64 = ["", "-wal", "-shm"].into_iter().map(of_file).sum();
    let size = ByteSize(size_of(&dir.join("AWSLogs")) + state);
    let word = shell_word(&dir.to_string_lossy());
    format!(
        "\nStopped. {size} of flow logs and state are left in {}; to remove them:\n\
         cd {word} && rm -r AWSLogs flowcost.db* flowcost.toml\n",
        dir.display()
    )
}

/// Bytes of the files below a folder, as far as they can be seen.
fn size_of(dir: &Path) -> u64 {
    let mut bytes = 0;
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// Text as one word of a POSIX shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
