//! How long a scrape takes while the exporter reads: the real binary has 2,048 label sets and counts objects that each
//! touch all of them, first three a second and then as many as it can, and 200 times a second somebody scrapes it, over
//! connections that stay open, half of them compressed. The time of a scrape is from when it was due. Prints figures and
//! judges none: `cargo bench --bench scrape`.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use flowcost_exporter::{
    decode::{
        Action, LogStatus,
        encode::{EncodeOptions, Record, parquet},
    },
    demo::{SLOT_SECONDS, file_path, slot_of},
    model::Timestamp,
};

type Failure = Box<dyn Error + Send + Sync>;

const ZONES: u32 = 16;
const GROUPS: u32 = 8;
const FILES: u32 = 3_000;
const ROWS: u32 = 20_480;
/// Of those the ones that come at the pace of 10,000 an hour.
const PACED: u32 = 45;
const PACE: Duration = Duration::from_millis(333);
const CLIENTS: u32 = 4;
/// Of each client: 200 a second in all.
const PERIOD: Duration = Duration::from_millis(20);
/// Without anything to read, before and after.
const QUIET: Duration = Duration::from_secs(5);

fn main() -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let (logs, made) = (dir.path().join("logs"), dir.path().join("made.parquet"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().cast_signed();
    let newest = slot_of(Timestamp(now - 2 * i64::from(SLOT_SECONDS)));
    fs::write(&made, parquet(&records(newest.0), &EncodeOptions::default())?)?;
    let arrive = |number: u32| -> Result<(), Failure> {
        let path = logs.join(file_path(Timestamp(newest.0 - i64::from(number % 5 * SLOT_SECONDS)), number));
        fs::create_dir_all(path.parent().ok_or("a folder")?)?;
        Ok(fs::hard_link(&made, path)?)
    };
    arrive(0)?;
    let config = dir.path().join("flowcost.toml");
    fs::write(&config, configuration(dir.path(), &logs)?)?;
    let mut exporter = Command::new(env!("CARGO_BIN_EXE_flowcost-exporter"))
        .args(["--web.listen-address", "127.0.0.1:0", "--config.file"])
        .arg(&config)
        .stderr(Stdio::piped())
        .spawn()?;
    let measured = measure(&mut exporter, &arrive);
    exporter.kill()?;
    exporter.wait()?;
    measured
}

/// Every pair of zones with every group, over and over.
fn records(end: i64) -> Vec<Record> {
    let one = |number: u32| {
        let address =
            |zone: u32| Some(Ipv4Addr::new(10, (zone % ZONES) as u8, 1, (number % 251) as u8).into());
        Record {
            srcaddr: address(number),
            dstaddr: address(number / ZONES),
            srcport: Some(50_000),
            dstport: Some(4_000 + (number / ZONES / ZONES % GROUPS).cast_signed()),
            protocol: Some(6),
            packets: Some(10),
            bytes: Some(12_345 + i64::from(number)),
            start: Some(end - 60),
            end: Some(end),
            action: Some(Action::Accept),
            log_status: LogStatus::Ok,
            ..Record::default()
        }
    };
    (0..ROWS).map(one).collect()
}

fn configuration(dir: &Path, logs: &Path) -> Result<String, Failure> {
    let mut text = format!(
        "[state]\npath = \"{}\"\n[ingest]\npoll_interval = \"1s\"\n[[source]]\nname = \"bench\"\n\
         url = \"file://{}/\"\nregion = \"ap-northeast-1\"\nlayout = \"hive-hourly\"\n",
        dir.join("flowcost.db").display(),
        logs.display()
    );
    for zone in 0..ZONES {
        writeln!(text, "[[zone]]\nname = \"ap-northeast-{zone}\"\ncidrs = [\"10.{zone}.0.0/16\"]")?;
    }
    for group in 0..GROUPS {
        writeln!(text, "[[port_group]]\nname = \"service-{group}\"\nports = [{}]", 4_000 + group)?;
    }
    Ok(text)
}

fn measure(exporter: &mut Child, arrive: &dyn Fn(u32) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut lines = BufReader::new(exporter.stderr.take().ok_or("piped")?).lines();
    let listening =
        lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("listening"))).ok_or("a line")??;
    let address =
        listening.split("address=").nth(1).and_then(|rest| rest.split(' ').next()).ok_or("an address")?;
    let address: SocketAddr = address.parse()?;
    std::thread::spawn(move || lines.for_each(drop));
    until_counted(address, 1, Duration::ZERO)?;
    phase("idle", exporter, address, || {
        pause(QUIET);
        Ok(())
    })?;
    phase("three objects a second", exporter, address, || {
        (1..PACED).try_for_each(|number| {
            pause(PACE);
            arrive(number)
        })?;
        until_counted(address, PACED, Duration::from_secs(1))
    })?;
    phase("a backlog at full speed", exporter, address, || {
        (PACED..FILES).try_for_each(arrive)?;
        until_counted(address, FILES, Duration::from_secs(1))
    })?;
    phase("idle again", exporter, address, || {
        pause(QUIET);
        Ok(())
    })
}

/// Scrapes while `work` goes on, and says how long that took.
fn phase(
    name: &str,
    exporter: &Child,
    address: SocketAddr,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let done = AtomicBool::new(false);
    let (before, began) = (cpu(exporter)?, Instant::now());
    let clients = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let done = &done;
                scope.spawn(move || client(address, number % 2 == 0, PERIOD / CLIENTS * number, done))
            })
            .collect();
        let worked = work();
        done.store(true, Ordering::Relaxed);
        let clients = clients.into_iter().map(|client| client.join().map_err(|_| "a client panicked")?);
        let clients = clients.collect::<Result<Vec<_>, Failure>>();
        worked.and(clients)
    })?;
    let (cpu, wall) = (cpu(exporter)? - before, began.elapsed().as_secs_f64());
    let mut out = std::io::stdout();
    let load = fs::read_to_string("/proc/loadavg")?;
    writeln!(
        out,
        "{name}: {wall:.1} s, {cpu:.1} s of the exporter's cpu, load {}",
        load.split(' ').next().unwrap_or("?")
    )?;
    for (gzip, word) in [(false, "plain"), (true, "gzip ")] {
        let of_kind = clients.iter().filter(|(kind, ..)| *kind == gzip);
        let mut times: Vec<Duration> = of_kind.clone().flat_map(|(_, times, _)| times).copied().collect();
        let bytes = of_kind.map(|(.., bytes)| *bytes).max().unwrap_or(0);
        times.sort_unstable();
        let at = |share: f64| {
            times
                .get((times.len().saturating_sub(1) as f64 * share) as usize)
                .map_or(0.0, Duration::as_secs_f64)
                * 1e3
        };
        writeln!(
            out,
            "  {word} {:>5} scrapes of up to {bytes} bytes: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            times.len(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0)
        )?;
    }
    Ok(())
}

type Scrapes = (bool, Vec<Duration>, usize);

/// Scrapes at a fixed pace, whatever the answers take.
fn client(address: SocketAddr, gzip: bool, offset: Duration, done: &AtomicBool) -> Result<Scrapes, Failure> {
    let mut connection = Connection::open(address)?;
    let (mut times, mut largest) = (Vec::new(), 0);
    let mut due = Instant::now() + offset;
    while !done.load(Ordering::Relaxed) {
        pause(due.saturating_duration_since(Instant::now()));
        largest = largest.max(connection.scrape(gzip)?.len());
        times.push(due.elapsed());
        due += PERIOD;
    }
    Ok((gzip, times, largest))
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::with_capacity(256 << 10, stream)))
    }

    /// As Prometheus asks, or as a person does.
    fn scrape(&mut self, gzip: bool) -> Result<Vec<u8>, Failure> {
        let how = if gzip {
            "Accept: application/openmetrics-text;version=1.0.0\r\nAccept-Encoding: gzip\r\n"
        } else {
            ""
        };
        write!(self.0.get_mut(), "GET /metrics HTTP/1.1\r\nHost: x\r\n{how}\r\n")?;
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            match line.trim().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse()?,
                None if line.trim().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }
}

/// Asks until so many objects are counted and shown.
fn until_counted(address: SocketAddr, objects: u32, every: Duration) -> Result<(), Failure> {
    let line = format!("flowcost_objects_total{{outcome=\"counted\"}} {objects}\n");
    // The first answer may come before anything is loaded.
    let mut connection = Connection::open(address)?;
    loop {
        let text = String::from_utf8(connection.scrape(false)?)?;
        if text.contains(&line) && text.contains("flowcost_ready 1\n") {
            return Ok(());
        }
        pause(every.max(Duration::from_millis(20)));
    }
}

/// User and system time of the exporter, in seconds.
fn cpu(exporter: &Child) -> Result<f64, Failure> {
    let stat = procfs::process::Process::new(exporter.id().cast_signed())?.stat()?;
    Ok((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}

#[allow(clippy::disallowed_methods, reason = "the pause is the load, nothing waits for anything")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
