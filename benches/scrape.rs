//! How long a scrape takes while the exporter reads: the real binary counts a backlog, and every few milliseconds somebody
//! scrapes it over a new connection. Prints figures and judges none: `cargo bench --bench scrape`.

use std::{
    error::Error,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use flowcost_exporter::{
    demo::{self, Cluster, LogFolder, SLOT_SECONDS, slot_of},
    model::Timestamp,
};

const FILES: u64 = 400;
const ROWS: usize = 20_000;
const PAUSE: Duration = Duration::from_millis(10);

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let logs = LogFolder::new(dir.path().to_owned(), Cluster::new(1));
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().cast_signed();
    let newest = slot_of(Timestamp(now));
    for index in 0..FILES.cast_signed() {
        let slot = Timestamp(newest.0 - index % 500 * i64::from(SLOT_SECONDS));
        logs.write_live(slot, slot.plus(Duration::from_secs(SLOT_SECONDS.into())), ROWS)?;
    }
    let config = dir.path().join("flowcost.toml");
    fs::write(&config, demo::config_toml(dir.path()))?;
    let mut exporter = Command::new(env!("CARGO_BIN_EXE_flowcost-exporter"))
        .args(["--web.listen-address", "127.0.0.1:0", "--config.file"])
        .arg(&config)
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(exporter.stderr.take().ok_or("piped")?).lines();
    let listening =
        lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("listening"))).ok_or("a line")??;
    let address =
        listening.split("address=").nth(1).and_then(|rest| rest.split(' ').next()).ok_or("an address")?;
    let address: SocketAddr = address.parse()?;
    std::thread::spawn(move || lines.for_each(drop));
    let measured = measure(address);
    exporter.kill()?;
    exporter.wait()?;
    let (mut times, spent, bytes) = measured?;
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let rows = FILES * ROWS as u64;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{rows} rows in {:.1} s, {} scrapes of up to {bytes} bytes",
        spent.as_secs_f64(),
        times.len()
    )?;
    writeln!(out, "p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.99), at(1.0))?;
    Ok(())
}

/// Scrapes until everything is counted: the time of each scrape, of all, and the largest answer.
fn measure(address: SocketAddr) -> Result<(Vec<Duration>, Duration, usize), Box<dyn Error>> {
    let counted = format!("flowcost_objects_total{{outcome=\"counted\"}} {FILES}\n");
    let (began, mut times, mut largest) = (Instant::now(), Vec::new(), 0);
    loop {
        let asked = Instant::now();
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        times.push(asked.elapsed());
        largest = largest.max(answer.len());
        if answer.contains(&counted) {
            return Ok((times, began.elapsed(), largest));
        }
        #[allow(clippy::disallowed_methods, reason = "the pause is the load, nothing waits for anything")]
        std::thread::sleep(PAUSE);
    }
}
