//! The real binary takes on other configurations while it runs: by SIGHUP and by POST, good ones and bad ones. Totals
//! are those of a run that nobody disturbed, no counter goes down, and what cannot be taken on changes nothing.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flowcost_exporter::{
    config::Config,
    demo::{self, Cluster, LogFolder, SLOT_SECONDS, slot_of},
    model::Timestamp,
};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::support::{
    exporter::{Exporter, PATIENCE},
    now,
    scrape::Scrape,
    sums::Sums,
    tls::Authority,
    watcher::Watcher,
};

const LIFECYCLE: &[&str] = &["--web.enable-lifecycle"];
const SUCCESSFUL: &str = "flowcost_config_last_reload_successful";
const SUCCESS_AT: &str = "flowcost_config_last_reload_success_timestamp_seconds";

/// A folder of logs beside files that are still to arrive in it, and a configuration.
struct Site {
    dir: TempDir,
    files: Vec<(PathBuf, Timestamp)>,
}

impl Site {
    /// Files of the last two hours, none of which has arrived.
    fn new(objects: usize) -> Self {
        Self::of(objects, 40)
    }

    fn of(objects: usize, records: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = LogFolder::new(dir.path().join("made"), Cluster::new(3));
        let newest = slot_of(now());
        let file = |index: usize| {
            let slot = Timestamp(newest.0 - (index % 24) as i64 * i64::from(SLOT_SECONDS));
            let end = slot.plus(Duration::from_secs(SLOT_SECONDS.into()));
            let path = made.write_live(slot, end, records).unwrap();
            (path.strip_prefix(dir.path().join("made")).unwrap().to_owned(), slot)
        };
        let files = (0..objects).map(file).collect();
        fs::create_dir(dir.path().join("logs")).unwrap();
        let site = Self { dir, files };
        site.configure(&[]);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("flowcost.toml")
    }

    /// Writes the configuration with some of its text replaced.
    fn configure(&self, changes: &[(&str, &str)]) {
        let mut text = demo::config_toml(&self.path("logs"))
            .replace("poll_interval = \"2s\"", "poll_interval = \"1s\"")
            .replace("logs/flowcost.db", "flowcost.db");
        for (old, new) in changes {
            assert!(text.contains(old), "{old}");
            text = text.replace(old, new);
        }
        fs::write(self.config(), text).unwrap();
    }

    fn arrive(&self, files: std::ops::Range<usize>) {
        for (file, _) in &self.files[files] {
            let target = self.path("logs").join(file);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::rename(self.path("made").join(file), target).unwrap();
        }
    }

    /// What all files add up to under the configuration as it is now.
    fn sums(&self) -> Scrape {
        self.sums_of(0..self.files.len())
    }

    /// What some files, which have arrived, add up to.
    fn sums_of(&self, files: std::ops::Range<usize>) -> Scrape {
        let config = Config::load(&self.config(), &[]).unwrap();
        let mut sums = Sums::new(&config);
        for (file, slot) in &self.files[files] {
            sums.add(&Bytes::from(fs::read(self.path("logs").join(file)).unwrap()), *slot, 1);
        }
        sums.scrape()
    }

    fn ask(&self, query: &str) -> i64 {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let conn = Connection::open_with_flags(self.path("flowcost.db"), flags).unwrap();
        conn.query_row(query, [], |row| row.get(0)).unwrap()
    }
}

/// Status and body of one request.
fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn post(exporter: &mut Exporter) -> (u16, String) {
    ask(exporter.address(), "POST", "/-/reload", "")
}

#[test]
fn reloads_under_load_lose_nothing_and_double_nothing() {
    let site = Site::new(360);
    site.arrive(0..60);
    let mut exporter = Exporter::start_as(&site.config(), LIFECYCLE, &[]);
    let watcher = Watcher::start();
    watcher.watched.look_at(exporter.address());
    let before = exporter.scrape();
    for round in 0..30 {
        site.arrive(60 + round * 10..70 + round * 10);
        // Sources, budget and concurrency change; what a record means does not.
        let budget = format!("monthly_usd = {round}.5");
        site.configure(&[
            ("name = \"demo\"", ["name = \"demo\"", "name = \"renamed\""][round % 2]),
            ("monthly_usd = 350.0", budget.as_str()),
            ("lookback = \"72h\"", "lookback = \"72h\"\nconcurrency = 2"),
        ]);
        if round % 3 == 0 {
            exporter.signal("HUP");
            exporter.wait_for("configuration reloaded");
        } else {
            assert_eq!(post(&mut exporter), (200, "the configuration is reloaded\n".to_owned()));
        }
    }
    let all = site.files.len() as u64;
    let done = |scrape: &Scrape| scrape.counted() == all && scrape.count("flowcost_ready") == 1;
    let scrape = exporter.scrape_until("all counted", done);
    assert_eq!(scrape.kept().to_string(), site.sums().to_string());
    assert!(scrape.to_string().contains("flowcost_budget_monthly_usd 29.5\n"), "{scrape}");
    assert_eq!(scrape.count(SUCCESSFUL), 1);
    assert!(scrape.count(SUCCESS_AT) >= before.count(SUCCESS_AT));
    // The counters of a source that went and came back have gone on.
    site.configure(&[]);
    assert_eq!(post(&mut exporter).0, 200);
    let (own, back) = ("flowcost_scans_total{source=\"demo\"}", exporter.scrape());
    assert!(back.count(own) >= before.count(own));
    site.configure(&[("name = \"demo\"", "name = \"renamed\"")]);
    assert_eq!(post(&mut exporter).0, 200);
    let own = "flowcost_scans_total{source=\"renamed\"}";
    assert!(exporter.scrape().count(own) >= scrape.count(own) && scrape.count(own) > 0);
    assert!(watcher.watched.seen().wrong.is_none(), "{:?}", watcher.watched.seen().wrong);
    assert!(watcher.watched.seen().scrapes > 30);
    exporter.terminate();
    assert!(exporter.end().success(), "{}", exporter.log());
}

#[test]
fn another_meaning_holds_for_what_is_read_from_then_on() {
    let site = Site::new(40);
    site.arrive(0..20);
    let mut exporter = Exporter::start_as(&site.config(), LIFECYCLE, &[]);
    let before = exporter.scrape_until("the first half", |scrape| {
        scrape.counted() == 20 && scrape.count("flowcost_ready") == 1
    });
    let prices = site.ask("SELECT count(*) FROM price");
    site.configure(&[
        ("name = \"loki-http\"", "name = \"chunks\""),
        ("[budget]", "[prices]\ninter_az = 0.02\n[budget]"),
    ]);
    assert_eq!(post(&mut exporter).0, 200);
    exporter.wait_for("new traffic gets the new labels");
    site.arrive(20..40);
    let after = exporter.scrape_until("the second half", |scrape| scrape.counted() == 40);
    assert_eq!(before.kept().broken_by(&after), [""; 0]);
    let text = after.to_string();
    assert!(text.contains("port_group=\"loki-http\"") && text.contains("port_group=\"chunks\""), "{text}");
    assert!(
        text.contains("flowcost_price_usd_per_gigabyte{charge=\"inter_az\",aws_region=\"us-east-1\"} 0.02"),
        "{text}"
    );
    assert_eq!(site.ask("SELECT count(*) FROM price"), prices + 1);
    // Records, flows and bytes are those of all files, whatever they are called.
    let expected = site.sums();
    for family in [
        "flowcost_bytes_total",
        "flowcost_flows_total",
        "flowcost_records_total",
        "flowcost_inter_az_bytes_total",
    ] {
        assert_eq!(after.sum(family), expected.sum(family), "{family}");
    }
}

#[test]
fn replaced_address_ranges_hold_for_objects_that_are_read_from_then_on() {
    let ranges = |prefix: &str| {
        format!(
            r#"{{"prefixes": [{{"ip_prefix": "{prefix}", "region": "us-east-1", "service": "AMAZON"}}]}}"#
        )
    };
    // Traffic depends on the hour of the test: with so many records there is some from AWS's range in any ten files.
    let site = Site::of(40, 400);
    // Renamed into place, as whoever replaces a file that is read should.
    let put = |text: &str| {
        fs::write(site.path("ranges.new"), text).unwrap();
        fs::rename(site.path("ranges.new"), site.path("ranges.json")).unwrap();
    };
    put(&ranges("192.0.2.0/24"));
    let key = format!("[aws]\nip_ranges = {:?}\n[budget]", site.path("ranges.json"));
    site.configure(&[("[budget]", &key)]);
    site.arrive(0..20);
    let mut exporter = Exporter::start(&site.config());
    let before = exporter.scrape_until("the first half", |scrape| {
        scrape.counted() == 20 && scrape.count("flowcost_ready") == 1
    });
    let in_ranges = |scrape: &Scrape| -> u64 {
        let text = scrape.to_string();
        let samples = text.lines().filter(|sample| {
            sample.starts_with("flowcost_bytes_total") && sample.contains("dst_zone=\"aws:us-east-1\"")
        });
        samples.map(|sample| sample.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    };
    assert_eq!(in_ranges(&before), 0, "{before}");

    put(&ranges("203.0.113.0/24"));
    exporter.wait_for("aws.ip_ranges was replaced");
    assert!(exporter.log().contains("added=1 removed=1 changed=0"), "{}", exporter.log());
    site.arrive(20..30);
    let after = exporter.scrape_until("the next ten", |scrape| scrape.counted() == 30);
    assert_eq!(before.kept().broken_by(&after), [""; 0]);
    let expected = in_ranges(&site.sums_of(20..30));
    assert!(expected > 0, "{after}");
    assert_eq!(in_ranges(&after), expected);

    // One that cannot be used changes nothing, and is seen.
    put("{\"prefixes\": [");
    exporter.wait_for("aws.ip_ranges on the disk cannot be used");
    site.arrive(30..40);
    let broken = exporter.scrape_until("the rest", |scrape| scrape.counted() == 40);
    assert_eq!(broken.count(SUCCESSFUL), 0);
    put(&ranges("203.0.113.0/24"));
    assert_eq!(in_ranges(&broken), in_ranges(&site.sums_of(20..40)), "the ranges before are in force");
    let mended = exporter.scrape_until("a file that can be used", |scrape| scrape.count(SUCCESSFUL) == 1);
    assert_eq!(broken.kept().broken_by(&mended), [""; 0]);
    exporter.terminate();
    assert!(exporter.end().success());
    // Nothing was read twice, and nothing was reloaded.
    let sizes = site.files.iter().map(|(file, _)| fs::metadata(site.path("logs").join(file)).unwrap().len());
    assert_eq!(mended.sum("flowcost_object_bytes_total"), Some(sizes.sum()));
    assert!(!exporter.log().contains("configuration reloaded"));
    assert_eq!(exporter.log().matches("cannot be used").count(), 1, "{}", exporter.log());
    // What a start with this file notes is what the running exporter has noted.
    let config = Config::load(&site.config(), &[]).unwrap();
    let noted = format!("SELECT classifier = '{}' FROM state", config.fingerprint());
    assert_eq!(site.ask(&noted), 1);
}

#[test]
fn what_cannot_be_taken_on_changes_nothing_and_is_told() {
    let site = Site::new(2);
    site.arrive(0..1);
    let mut exporter = Exporter::start_as(&site.config(), LIFECYCLE, &[]);
    let before = exporter.scrape_until("one counted", |scrape| scrape.counted() == 1);
    assert_eq!(before.count(SUCCESSFUL), 1);
    let bad: [(&[(&str, &str)], &str); 3] = [
        (
            &[("[budget]", "[budgte]"), ("monthly_usd = 350.0", "monthly_usd = \"much\"")],
            "unknown key; did you mean budget?",
        ),
        (&[("flowcost.db", "other.db")], "state.path cannot change while the exporter runs"),
        (&[("[state]", "[state")], "is not valid TOML"),
    ];
    for (changes, reason) in bad {
        site.configure(changes);
        let (status, body) = post(&mut exporter);
        assert_eq!(status, 500);
        assert!(body.contains(reason), "{body}");
        exporter.wait_for("configuration not reloaded");
        let scrape = exporter.scrape();
        assert_eq!(scrape.count(SUCCESSFUL), 0);
        assert_eq!(scrape.count(SUCCESS_AT), before.count(SUCCESS_AT));
        assert!(scrape.to_string().contains("flowcost_budget_monthly_usd 350.0\n"), "{scrape}");
    }
    fs::remove_file(site.config()).unwrap();
    assert!(post(&mut exporter).1.contains("does not exist"));
    // It reads on all the while.
    site.arrive(1..2);
    exporter.scrape_until("two counted", |scrape| scrape.counted() == 2);
    site.configure(&[("monthly_usd = 350.0", "monthly_usd = 7.0")]);
    exporter.signal("HUP");
    exporter.wait_for("configuration reloaded");
    let scrape = exporter.scrape();
    assert_eq!(scrape.count(SUCCESSFUL), 1);
    assert!(scrape.to_string().contains("flowcost_budget_monthly_usd 7.0\n"), "{scrape}");
    assert!(!site.path("other.db").exists());
}

#[test]
fn a_hangup_without_a_change_is_harmless_and_http_has_to_be_allowed() {
    let site = Site::new(1);
    site.arrive(0..1);
    let mut exporter = Exporter::start(&site.config());
    let before = exporter.scrape_until("one counted", |scrape| scrape.counted() == 1);
    let address = exporter.address();
    for method in ["POST", "PUT"] {
        let (status, body) = ask(address, method, "/-/reload", "");
        assert_eq!(status, 403);
        assert!(body.contains("--web.enable-lifecycle"), "{body}");
    }
    assert_eq!(ask(address, "GET", "/-/reload", "").0, 405);
    for _ in 0..3 {
        exporter.signal("HUP");
        exporter.wait_for("configuration reloaded");
    }
    assert_eq!(before.kept().broken_by(&exporter.scrape()), [""; 0]);
    assert_eq!(exporter.scrape().counted(), 1);
    exporter.terminate();
    assert!(exporter.end().success());
}

/// What is shown of a source that was removed: its sums, and its part of the month.
const STAYS: [&str; 5] = [
    "flowcost_source_bytes_total{",
    "flowcost_source_cost_usd_total{",
    "flowcost_source_month_to_date_usd{",
    "flowcost_source_projected_month_usd{",
    "flowcost_source_projection_hours{",
];

#[test]
fn sources_come_and_go() {
    let site = Site::new(3);
    site.arrive(0..1);
    let mut exporter = Exporter::start_as(&site.config(), LIFECYCLE, &[]);
    exporter.scrape_until("one counted", |scrape| scrape.counted() == 1);
    let more = site.path("more");
    let arrive_in_more = |file: usize| {
        let target = more.join(&site.files[file].0);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::rename(site.path("made").join(&site.files[file].0), target).unwrap();
    };
    arrive_in_more(1);
    let source = format!(
        "[[source]]\nname = \"more\"\nurl = \"file://{}/\"\nregion = \"us-east-1\"\nlayout = \"hive-hourly\"\n\n[budget]",
        more.display()
    );
    site.configure(&[("[budget]", source.as_str())]);
    assert_eq!(post(&mut exporter).0, 200);
    let both = exporter.scrape_until("two counted", |scrape| scrape.counted() == 2);
    assert!(both.to_string().contains("flowcost_objects_pending{source=\"more\"}"));
    site.configure(&[("name = \"demo\"", "name = \"alone\"")]);
    assert_eq!(post(&mut exporter).0, 200);
    let one = exporter.scrape();
    let text = one.to_string();
    let of_more = text.lines().filter(|line| line.contains("source=\"more\""));
    let others: Vec<_> =
        of_more.filter(|line| !STAYS.iter().any(|family| line.starts_with(family))).collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(one.counted(), 2, "what it has read stays");
    // The loop that read it has ended: in the time of three scans, which only the new one makes, it would have looked
    // at its sources, and have failed because the ledger has let go of them.
    arrive_in_more(2);
    let scans = "flowcost_scans_total{source=\"alone\"}";
    let later = exporter.scrape_until("scanned three times", |scrape| scrape.count(scans) > 2);
    assert_eq!(
        (later.counted(), later.count("flowcost_commit_failures_total")),
        (2, 0),
        "{}",
        exporter.log()
    );
    // Back again, it is not read again, but for what is new.
    site.configure(&[("[budget]", source.as_str())]);
    assert_eq!(post(&mut exporter).0, 200);
    let scans = "flowcost_scans_total{source=\"more\"}";
    let seen = both.count(scans);
    let again = |scrape: &Scrape| scrape.count(scans) > seen && scrape.counted() > 2;
    assert_eq!(exporter.scrape_until("scanned again", again).counted(), 3);
}

#[test]
fn passwords_change_by_reload_and_certificates_by_themselves() {
    let site = Site::new(1);
    let authority = Authority::new();
    authority.equip(site.dir.path());
    let hash = |password: &str| {
        bcrypt::hash_with_salt(password, 4, [9; 16]).unwrap().format_for_version(bcrypt::Version::TwoB)
    };
    let tls = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n";
    let write = |password: &str| {
        fs::write(site.path("web.yml"), format!("{tls}basic_auth_users:\n  ann: {}\n", hash(password)))
            .unwrap();
    };
    write("old");
    let web = site.path("web.yml").display().to_string();
    let mut exporter = Exporter::start_as(&site.config(), &["--web.config.file", &web], &[]);
    let address = exporter.address();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let get = |authority: &Authority, password: &str| {
        let header = format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("ann:{password}")));
        let client = authority.client();
        runtime.block_on(client.get(address, "/metrics", &header)).map(|(status, _)| status)
    };
    assert_eq!(get(&authority, "old").unwrap(), 200);
    write("new");
    assert_eq!(get(&authority, "old").unwrap(), 200, "nobody has asked for a reload");
    exporter.signal("HUP");
    exporter.wait_for("configuration reloaded");
    assert_eq!(get(&authority, "old").unwrap(), 401);
    assert_eq!(get(&authority, "new").unwrap(), 200);

    // TLS does not go away by a file that was cut short, nor by one that is empty.
    for text in ["", "tls_server_config:\n  cert_file: cert.pem\n"] {
        fs::write(site.path("web.yml"), text).unwrap();
        exporter.signal("HUP");
        exporter.wait_for("configuration not reloaded");
        assert_eq!(get(&authority, "new").unwrap(), 200);
    }
    write("new");

    // A key that does not fit the certificate stays outside.
    let renewed = Authority::new();
    let server = renewed.certify(&["127.0.0.1"]);
    fs::write(site.path("cert.pem"), &server.cert).unwrap();
    exporter.wait_for("certificates on the disk cannot be used");
    assert_eq!(get(&authority, "new").unwrap(), 200);
    fs::write(site.path("key.pem"), &server.key).unwrap();
    exporter.wait_for("certificates reloaded");
    assert_eq!(get(&renewed, "new").unwrap(), 200);
    assert!(get(&authority, "new").is_err());
    assert_eq!(exporter.log().matches("cannot be used").count(), 1, "{}", exporter.log());
    let deadline = Instant::now() + PATIENCE;
    exporter.terminate();
    assert!(exporter.end().success() && Instant::now() < deadline);
    let log = exporter.log();
    assert!(!log.contains("$2b$") && !log.contains("PRIVATE"), "{log}");
}

#[test]
fn tls_does_not_come_to_scrapers_that_have_not_been_told_of_it() {
    let site = Site::new(1);
    Authority::new().equip(site.dir.path());
    let web = site.path("web.yml");
    fs::write(&web, "").unwrap();
    let flags = ["--web.enable-lifecycle", "--web.config.file", web.to_str().unwrap()];
    let mut exporter = Exporter::start_as(&site.config(), &flags, &[]);
    exporter.scrape();
    fs::write(&web, "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n").unwrap();
    let (status, body) = post(&mut exporter);
    assert_eq!(status, 500, "{body}");
    assert!(body.contains("tls_server_config cannot come or go while the exporter runs"), "{body}");
    assert_eq!(exporter.scrape().count(SUCCESSFUL), 0);
}
