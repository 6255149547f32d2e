//! The real binary is killed, stopped and started twice, while objects keep arriving and a scraper watches. Whatever
//! happens, the end is that of a run that nobody disturbed (I1), and no counter goes down on the way (I2).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use flowcost_exporter::{
    app::{self, AppError},
    config::Config,
    demo::{self, Cluster, LogFolder, SLOT_SECONDS, slot_of},
    ledger::{self, Ledger, Measure, Table},
    limits,
    model::{ChargeCounts, Clock, FlowCounts, NanoUsd, Timestamp},
    store::Operation,
};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::{
    exporter::{Exporter, PATIENCE, S3_KEYS, s3_config},
    now,
    s3::{Fault, S3Server},
    scrape::{self, Scrape},
    sums::Sums,
    watcher::{Watched, Watcher},
};

/// How often the process is killed.
const KILLS: usize = 30;

/// Objects that are there before the first start.
const BACKLOG: usize = 200;

/// Most objects that arrive together.
const ARRIVALS: usize = 60;

/// All objects.
const OBJECTS: usize = 1_100;

/// Records of an object.
const ROWS: usize = 40;

/// Longest time that a process gets to come to the moment of its death.
const LIFE: Duration = Duration::from_millis(1_500);

/// A folder of logs beside the files that are still to arrive in it, and an exporter's configuration.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    /// Path below the folder, and slot.
    files: Vec<(PathBuf, Timestamp)>,
}

impl Site {
    /// Makes `objects` files of the last hours, none of which has arrived. Four of five are of the last hour, whose
    /// partitions are looked at in every poll; the others come late.
    pub(crate) fn new(objects: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = LogFolder::new(dir.path().join("made"), Cluster::new(1));
        let newest = slot_of(now());
        let slot_of_file = |index: usize| {
            let slots_ago = if index % 5 == 4 { 24 + index % 300 } else { index % 10 };
            Timestamp(newest.0 - slots_ago as i64 * i64::from(SLOT_SECONDS))
        };
        let file = |index| {
            let slot = slot_of_file(index);
            let path =
                made.write_live(slot, slot.plus(Duration::from_secs(SLOT_SECONDS.into())), ROWS).unwrap();
            (path.strip_prefix(dir.path().join("made")).unwrap().to_owned(), slot)
        };
        let files = (0..objects).map(file).collect();
        fs::create_dir(dir.path().join("logs")).unwrap();
        let site = Self { dir, files };
        site.configure("flowcost");
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes `<name>.toml` with the state in `<name>.db`.
    pub(crate) fn configure(&self, name: &str) -> PathBuf {
        let text = demo::config_toml(&self.path("logs"))
            .replace("poll_interval = \"2s\"", "poll_interval = \"1s\"")
            .replace("logs/flowcost.db", &format!("{name}.db"));
        assert!(text.contains("\"1s\"") && text.contains(&format!("{name}.db\"")), "{text}");
        let file = self.path(&format!("{name}.toml"));
        fs::write(&file, text).unwrap();
        file
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("flowcost.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("flowcost.db")
    }

    /// Lets some files arrive: each is there whole or not at all.
    pub(crate) fn arrive(&self, files: std::ops::Range<usize>) {
        for (file, _) in &self.files[files] {
            let target = self.path("logs").join(file);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::rename(self.path("made").join(file), target).unwrap();
        }
    }

    /// What all files that have arrived add up to.
    pub(crate) fn sums(&self) -> Scrape {
        let config = Config::load(&self.config(), &[]).unwrap();
        let mut sums = Sums::new(&config);
        for (file, slot) in &self.files {
            sums.add(&Bytes::from(fs::read(self.path("logs").join(file)).unwrap()), *slot, 1);
        }
        sums.scrape()
    }

    /// What a process that nobody disturbs shows when it has read everything.
    fn undisturbed(&self) -> Scrape {
        let mut exporter = Exporter::start(&self.configure("undisturbed"));
        read_all(&mut exporter, self.files.len())
    }
}

/// Waits until every object is counted.
pub(crate) fn read_all(exporter: &mut Exporter, objects: usize) -> Scrape {
    exporter.scrape_until("all counted", |scrape| {
        scrape.counted() == objects as u64 && scrape.count("flowcost_ready") == 1
    })
}

/// A number that a query of the state file gives; 0 where there is no file, or no table yet.
fn ask(state: &Path, query: &str) -> i64 {
    let number = |conn: Connection| conn.query_row(query, [], |row| row.get(0));
    Connection::open_with_flags(state, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(number).unwrap_or(0)
}

/// Objects that are being decoded, or wait for their commit.
fn under_way(state: &Path) -> i64 {
    ask(state, "SELECT count(*) FROM attempt")
}

/// Objects that the process has died over too often, set aside already or not.
fn died_over(state: &Path) -> i64 {
    let attempts = limits::DECODE_ATTEMPTS;
    ask(
        state,
        &format!(
            "SELECT (SELECT count(*) FROM attempt WHERE attempts >= {attempts}) + (SELECT count(*) FROM quarantine)"
        ),
    )
}

/// The ledger agrees with itself: the totals are the sums of the hours.
pub(crate) fn check_ledger(state: &Path) {
    let reader = Ledger::open_read_only(state).unwrap();
    let traffic = reader.sums(Table::Traffic, .., |row| row.labels.clone()).unwrap();
    let charges = reader.sums(Table::Charges, .., |row| (row.charge.unwrap(), row.labels.clone())).unwrap();
    let traffic = traffic.into_iter().map(|(key, sum)| {
        let of = |measure| sum.amounts.of(measure);
        let (flows, packets, bytes) = (of(Measure::Flows), of(Measure::Packets), of(Measure::Bytes));
        (key, FlowCounts { flows, packets, bytes, inter_az_bytes: of(Measure::InterAzBytes) })
    });
    let charges = charges.into_iter().map(|(key, sum)| {
        let of = |measure| sum.amounts.of(measure);
        let (bytes, unpriced) = (of(Measure::ChargedBytes), of(Measure::UnpricedBytes));
        (key, ChargeCounts { bytes, cost: NanoUsd(of(Measure::Cost)), unpriced })
    });
    let sums = ledger::Sums { traffic: traffic.collect(), charges: charges.collect() };
    let mut totals = reader.totals().unwrap();
    // Where a recount has left nothing of a label set, its row stays for the sake of its counter.
    totals.traffic.retain(|_, counts| *counts != FlowCounts::default());
    totals.charges.retain(|at, counts| *counts != ChargeCounts::default() || sums.charges.contains_key(at));
    assert_eq!(sums, totals);
}

/// What a user reads with the sqlite3 shell, hour by hour.
fn views(state: &Path) -> Vec<String> {
    let conn = Connection::open_with_flags(state, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let rows = |columns: &str, view: &str| {
        let sql = format!("SELECT concat_ws(' ', {columns}) FROM {view} ORDER BY 1");
        let mut statement = conn.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>()
    };
    let labels = "hour_utc, src_zone, dst_zone, port_group, nat_direction";
    let mut all = rows(&format!("{labels}, flows, packets, bytes, inter_az_bytes"), "ledger");
    all.extend(rows(&format!("{labels}, charge, bytes, nano_usd"), "ledger_charges"));
    all
}

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// As soon as it is there.
    Spawned,
    /// After some lines of its log.
    Lines(u32),
    /// After some scrapes.
    Scrapes(u64),
    /// While objects are decoded or wait for their commit.
    UnderWay,
    /// As soon as another reader of the file sees a batch: the scraper has not seen it yet.
    Committed,
}

impl Moment {
    fn draw(random: &mut fastrand::Rng) -> Self {
        match random.u32(..10) {
            0 => Self::Spawned,
            1..=2 => Self::Lines(random.u32(1..8)),
            3 => Self::Scrapes(random.u64(1..30)),
            4..=5 => Self::UnderWay,
            _ => Self::Committed,
        }
    }

    /// Waits for it, but no longer than [`LIFE`], and mostly a little longer: the process is to be met in the midst of
    /// things.
    fn wait(self, site: &Site, exporter: &mut Exporter, watched: &Watched, random: &mut fastrand::Rng) {
        let deadline = Instant::now() + LIFE;
        let left = || deadline.saturating_duration_since(Instant::now());
        let mut spread = 30_000;
        match self {
            Self::Spawned => {}
            Self::Lines(lines) => {
                watched.look_at(exporter.address());
                let _ = (0..lines).try_for_each(|_| exporter.line(left()).map(drop));
            }
            Self::Scrapes(scrapes) => {
                watched.look_at(exporter.address());
                watched.wait(left(), |seen| seen.of_this >= scrapes);
            }
            Self::UnderWay => {
                watched.look_at(exporter.address());
                while under_way(&site.state()) == 0 && !left().is_zero() {
                    let _ = exporter.line(Duration::from_millis(1));
                }
                spread = 5_000;
            }
            Self::Committed => {
                watched.look_at(exporter.address());
                let settled = || ask(&site.state(), "SELECT count(*) FROM object");
                let before = settled();
                while settled() <= before && !left().is_zero() {
                    let _ = exporter.line(Duration::from_micros(50));
                }
                return;
            }
        }
        let _ = exporter.line(Duration::from_micros(random.u64(..spread)));
    }
}

/// Lets the rest of the files arrive, some more whenever something was counted or the process was killed.
fn deliver(site: Arc<Site>, watched: Arc<Watched>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut random = fastrand::Rng::with_seed(2);
        let mut arrived = BACKLOG;
        while arrived < site.files.len() {
            let (counted, kills) = {
                let seen = watched.seen();
                (seen.last.counted(), seen.kills)
            };
            let next = site.files.len().min(arrived + random.usize(1..=ARRIVALS));
            site.arrive(arrived..next);
            arrived = next;
            let moved = watched.wait(PATIENCE, |seen| seen.last.counted() > counted || seen.kills > kills);
            assert!(moved, "nothing was counted while {arrived} objects were there");
        }
    })
}

/// How the processes died.
#[derive(Debug, Default)]
struct Deaths {
    /// With objects under way.
    inside_a_batch: u32,
    /// Before the first full scan was committed.
    inside_the_first_scan: u32,
    /// After objects that had seen three deaths were read again, alone.
    after_mending: u32,
}

#[test]
fn whenever_the_process_is_killed_nothing_is_lost_or_counted_twice() {
    let site = Arc::new(Site::new(OBJECTS));
    let began = Instant::now();
    site.arrive(0..BACKLOG);
    let watcher = Watcher::start();
    let watched = Arc::clone(&watcher.watched);
    let delivery = deliver(Arc::clone(&site), Arc::clone(&watched));
    let mut random = fastrand::Rng::with_seed(9_843);
    let mut deaths = Deaths::default();
    for _ in 0..KILLS {
        // The fourth death over an object, while it is read alone, is taken for its fault: then it stays aside. So a
        // process that has such objects to read may do that.
        let to_mend = died_over(&site.state()) > 0;
        let mut exporter = Exporter::start(&site.config());
        if to_mend {
            watched.look_at(exporter.address());
            let deadline = Instant::now() + PATIENCE;
            while died_over(&site.state()) > 0 {
                assert!(Instant::now() < deadline, "never read alone; the log:\n{}", exporter.log());
                let _ = exporter.line(Duration::from_millis(5));
            }
            deaths.after_mending += 1;
        }
        Moment::draw(&mut random).wait(&site, &mut exporter, &watched, &mut random);
        exporter.kill();
        watched.killed();
        deaths.inside_a_batch += u32::from(under_way(&site.state()) > 0);
        let scanned = ask(&site.state(), "SELECT first_scan_complete FROM state");
        deaths.inside_the_first_scan += u32::from(scanned == 0);
    }

    // The rest is read in peace, with one restart in good order, which also looks for what came late.
    let mut exporter = Exporter::start(&site.config());
    watched.look_at(exporter.address());
    delivery.join().expect("everything has arrived");
    exporter.terminate();
    watched.killed();
    assert_eq!(exporter.end().code(), Some(0), "{}", exporter.log());
    let mut exporter = Exporter::start(&site.config());
    watched.look_at(exporter.address());
    let last = read_all(&mut exporter, OBJECTS);
    let all = OBJECTS as u64;
    assert!(watched.wait(PATIENCE, |seen| seen.last.counted() == all), "the watcher sees it too");
    let scrapes = watched.seen().scrapes;
    eprintln!("{KILLS} kills, {scrapes} scrapes, {deaths:?}, {:?}", began.elapsed());
    assert!(deaths.inside_a_batch >= 3, "too few kills met the process at work: {deaths:?}");

    // An object that was set aside and then counted is in two of these counters; of the rest every byte is the same.
    let aside = "flowcost_objects_total{outcome=\"quarantined\"}";
    let kept = last.kept().without(aside);
    let undisturbed = site.undisturbed();
    assert_eq!(last.count("flowcost_objects_quarantined{source=\"demo\"}"), 0);
    assert_eq!(undisturbed.count(aside), 0);
    assert_eq!(kept, undisturbed.kept().without(aside), "as the undisturbed run");
    assert_eq!(kept, site.sums().without(aside), "as the sum of the objects");
    assert_eq!(under_way(&site.state()), 0);
    check_ledger(&site.state());
    assert_eq!(views(&site.state()), views(&site.path("undisturbed.db")));
}

/// An object waits for its commit while another one is not answered: so long a death is a death over it.
#[tokio::test]
async fn an_object_that_saw_three_deaths_is_set_aside_and_then_read_alone() {
    let site = Site::new(2);
    let server = S3Server::start().await;
    for (file, _) in &site.files {
        server.put("logs", file.to_str().unwrap(), fs::read(site.path("made").join(file)).unwrap());
    }
    let slow = site.files[1].0.to_str().unwrap().to_owned();
    server.set_fault(move |request| (request.key == slow).then_some(Fault::Hang));
    let config = site.path("s3.toml");
    fs::write(&config, s3_config(&server, "logs", site.dir.path())).unwrap();
    let start = || Exporter::start_with(&config, &S3_KEYS);
    for death in 1..=limits::DECODE_ATTEMPTS {
        let mut exporter = start();
        let deadline = Instant::now() + PATIENCE;
        let died = |least| {
            ask(&site.state(), &format!("SELECT count(*) FROM attempt WHERE attempts >= {least}")) == 1
        };
        while !died(death) {
            assert!(Instant::now() < deadline, "never under way; the log:\n{}", exporter.log());
            let _ = exporter.line(Duration::from_millis(1));
        }
        exporter.kill();
        assert!(died(death), "it was committed before it was killed");
    }
    server.clear_fault();
    let mut exporter = start();
    let last = read_all(&mut exporter, 2);
    let log = exporter.log();
    assert!(log.contains("message=\"object quarantined\"") && log.contains("reason=unfinished"), "{log}");
    let aside = "flowcost_objects_total{outcome=\"quarantined\"}";
    assert_eq!(last.count(aside), 1, "once set aside");
    assert_eq!(last.count("flowcost_objects_quarantined{source=\"demo\"}"), 0, "and not any more");
    let config = Config::load(&config, &[]).unwrap();
    let mut sums = Sums::new(&config);
    for (file, slot) in &site.files {
        sums.add(&Bytes::from(fs::read(site.path("made").join(file)).unwrap()), *slot, 1);
    }
    assert_eq!(last.kept().without(aside), sums.scrape().without(aside));
}

#[test]
fn sigterm_amid_the_backlog_ends_in_good_order() {
    let site = Site::new(600);
    site.arrive(0..600);
    let mut exporter = Exporter::start(&site.config());
    exporter.wait_for("message=committed");
    exporter.terminate();
    let asked = Instant::now();
    let status = exporter.end();
    assert_eq!(status.code(), Some(0), "{}", exporter.log());
    assert!(asked.elapsed() < limits::SHUTDOWN_GRACE, "{:?}; the log:\n{}", asked.elapsed(), exporter.log());
    let counted = ask(&site.state(), "SELECT objects FROM object_count WHERE outcome = 'counted'");
    assert!((1..600).contains(&counted), "{counted} objects: not amid the backlog");
    assert_eq!(
        under_way(&site.state()),
        0,
        "what was not committed leaves no trace: a stop is nobody's fault"
    );

    let mut exporter = Exporter::start(&site.config());
    assert!(exporter.scrape().counted() >= counted.cast_unsigned());
    assert_eq!(read_all(&mut exporter, 600).kept(), site.sums());
    check_ledger(&site.state());
}

#[tokio::test]
async fn sigterm_does_not_wait_for_a_store_that_hangs() {
    let site = Site::new(1);
    let server = S3Server::start().await;
    let (file, _) = &site.files[0];
    server.put("logs", file.to_str().unwrap(), fs::read(site.path("made").join(file)).unwrap());
    for operation in [Operation::Get, Operation::List] {
        server.set_fault(move |request| (request.operation == operation).then_some(Fault::Hang));
        let config = site.path("s3.toml");
        fs::write(&config, s3_config(&server, "logs", site.dir.path())).unwrap();
        let before = server.requests(operation);
        let mut exporter = Exporter::start_with(&config, &S3_KEYS);
        let asked = server.wait_until(|server| server.requests(operation) > before);
        tokio::time::timeout(PATIENCE, asked).await.expect("a request");
        exporter.terminate();
        let asked = Instant::now();
        assert_eq!(exporter.end().code(), Some(0), "{operation:?}; {}", exporter.log());
        assert!(asked.elapsed() < limits::SHUTDOWN_GRACE, "{operation:?}; the log:\n{}", exporter.log());
        assert!(!exporter.log().contains("grace"), "{operation:?}; the log:\n{}", exporter.log());
    }
}

#[test]
fn a_second_process_on_the_same_state_names_the_first() {
    let site = Site::new(5);
    site.arrive(0..5);
    let mut first = Exporter::start(&site.config());
    let before = read_all(&mut first, 5).kept();
    let mut second = Exporter::start(&site.config());
    assert_eq!(second.end().code(), Some(1));
    let last = second.log();
    let last = last.lines().last().expect("it says why");
    assert!(last.contains(&format!("{}", first.pid())) && last.contains("flowcost.db"), "{last}");
    assert_eq!(first.scrape().kept(), before, "the first has noticed nothing");
}

/// A clock is the one thing of the ingest loop that a test can break: here the loop panics in its second cycle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_ingest_loop_ends_the_process() {
    let site = Site::new(2);
    site.arrive(0..2);
    let config = Config::load(&site.config(), &[]).unwrap();
    let now = site.files[0].1;
    let listeners = app::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let address = listeners[0].local_addr().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let clock = Clock::new(move || now, {
        let broken = Arc::clone(&broken);
        move || {
            assert!(!broken.load(Ordering::SeqCst), "this clock is broken");
            Duration::ZERO
        }
    });
    let ended = tokio::spawn(app::run(config, listeners, clock, CancellationToken::new()));
    let ready = tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + PATIENCE;
        while scrape::get(address, "/-/ready").is_ok_and(|(status, _)| status != 200) {
            assert!(Instant::now() < deadline, "never ready");
        }
    });
    ready.await.unwrap();
    broken.store(true, Ordering::SeqCst);
    let ended = tokio::time::timeout(PATIENCE, ended).await.expect("it ends by itself").unwrap();
    let Err(AppError::Dead { task, why }) = ended else { panic!("{ended:?}") };
    assert_eq!(task, "ingest loop");
    assert!(why.contains("panic"), "{why}");
    assert!(scrape::get(address, "/metrics").is_err(), "a dead target is not scraped");
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        process::{Command, Stdio},
    };
    // Full from the beginning, and never read.
    let (unread, log) = std::io::pipe().unwrap();
    let mut filler = log.try_clone().unwrap();
    std::thread::spawn(move || filler.write_all(&[b' '; 1 << 20]));
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_flowcost-exporter"))
        .args(["demo", "--log.level", "trace", "--web.listen-address", "127.0.0.1:0", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    // The banner names the address.
    let mut banner = BufReader::new(child.stdout.take().unwrap()).lines();
    let line =
        banner.find_map(|line| line.unwrap().split_once("http://").map(|(_, rest)| rest.to_owned())).unwrap();
    let address = line.split('/').next().unwrap().parse().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut counted = 0;
    while counted < 578 {
        assert!(Instant::now() < deadline, "only {counted} objects");
        if let Ok((200, text)) = scrape::get(address, "/metrics") {
            counted = Scrape::parse(&text).count("flowcost_objects_total{outcome=\"counted\"}");
        }
    }
    let kill = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status();
    assert!(kill.unwrap().success());
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "SIGTERM did not end it");
        std::thread::yield_now();
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(unread);
}
