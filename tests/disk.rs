//! What happens to the state file of the real binary: a disk that is full, a folder that cannot be written, a file
//! that was damaged or replaced. It is refused with its remedy, or goes on; it is never begun anew in silence.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use flowcost_exporter::limits;
use rustix::process::{Pid, Resource, Rlimit, geteuid, prlimit};

use crate::{
    kill::{Site, check_ledger, read_all},
    support::{exporter::Exporter, scrape},
};

const BINARY: &str = env!("CARGO_BIN_EXE_flowcost-exporter");

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Ends by itself with exit code 1; gives the last line of its log.
fn refused(mut exporter: Exporter) -> String {
    assert_eq!(exporter.end().code(), Some(1), "{}", exporter.log());
    exporter.log().lines().last().expect("it says why").to_owned()
}

/// No file of a process may grow beyond this; `None` for no limit. To the process that is a full disk.
fn limit_files(exporter: &Exporter, bytes: Option<u64>) {
    let pid = Pid::from_raw(exporter.pid().cast_signed()).unwrap();
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None }).expect("a process of ours");
}

#[test]
fn a_full_disk_stops_ingest_and_nothing_else_until_there_is_room() {
    let site = Site::new(60);
    site.arrive(0..20);
    // The signal of the limit is not what a full disk sends.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", BINARY]);
    let mut exporter = Exporter::start_by(command, &site.config());
    let before = read_all(&mut exporter, 20);
    assert_eq!(before.count("flowcost_commit_failures_total"), 0);

    limit_files(&exporter, Some(4_096));
    site.arrive(20..60);
    exporter.wait_for("commit failed");
    let full =
        exporter.scrape_until("failed twice", |scrape| scrape.count("flowcost_commit_failures_total") > 1);
    assert_eq!(full.kept(), before.kept(), "what is committed stays served");
    let log = exporter.log();
    let line = log.lines().find(|line| line.contains("commit failed")).unwrap();
    let state = format!("state={}", site.state().display());
    assert!(line.contains(&state) && line.contains("make room on its disk"), "{line}");
    for path in ["/-/healthy", "/-/ready"] {
        let answer = scrape::get(exporter.address(), path);
        assert!(matches!(answer, Ok((200, _))), "{path}: {answer:?}");
    }

    limit_files(&exporter, None);
    let after = read_all(&mut exporter, 60);
    assert_eq!(after.kept(), site.sums());
    exporter.kill();
    let mut exporter = Exporter::start(&site.config());
    assert_eq!(read_all(&mut exporter, 60).kept(), site.sums());
    check_ledger(&site.state());
}

#[test]
fn what_cannot_be_written_is_named_with_its_remedy() {
    let site = Site::new(1);
    let all_may_read =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    all_may_read(site.dir.path(), 0o755);
    // Permissions mean nothing to root, so the binary runs as nobody then; its own folder may be closed to nobody.
    let binary = site.path("binary");
    // Copied by another process: a file that this one, or a child between fork and exec, has open for
    // writing cannot be executed.
    let copied = Command::new("cp").args([BINARY.as_ref(), binary.as_os_str()]).status().expect("cp");
    assert!(copied.success());
    let command = || {
        let mut command = Command::new(&binary);
        if geteuid().is_root() {
            command.uid(65_534).gid(65_534);
        }
        command
    };
    let folder = site.path("folder");
    fs::create_dir(&folder).unwrap();
    let text = fs::read_to_string(site.config()).unwrap().replace("flowcost.db", "folder/flowcost.db");
    fs::write(site.config(), text).unwrap();
    all_may_read(&folder, 0o555);
    // The configuration's own check sees it first.
    let mut exporter = Exporter::start_by(command(), &site.config());
    assert_eq!(exporter.end().code(), Some(2), "{}", exporter.log());
    let log = exporter.log();
    assert!(log.contains("state.path") && log.contains("folder: Permission denied"), "{log}");

    all_may_read(&folder, 0o777);
    let mut exporter = Exporter::start(&site.config());
    exporter.scrape_until("loaded", |scrape| scrape.count("flowcost_state_bytes") > 0);
    exporter.terminate();
    exporter.end();
    for entry in fs::read_dir(&folder).unwrap() {
        all_may_read(&entry.unwrap().path(), 0o666);
    }
    all_may_read(&folder.join("flowcost.db"), 0o444);
    let line = refused(Exporter::start_by(command(), &site.config()));
    assert!(line.contains("flowcost.db") && line.contains("give this user write permission"), "{line}");
    all_may_read(&folder.join("flowcost.db"), 0o666);
    let mut exporter = Exporter::start_by(command(), &site.config());
    exporter.scrape_until("loaded", |scrape| scrape.count("flowcost_state_bytes") > 0);
}

#[test]
fn torn_and_replaced_states_are_refused_with_a_remedy_that_works() {
    let site = Site::new(40);
    site.arrive(0..10);
    let mut exporter = Exporter::start(&site.config());
    read_all(&mut exporter, 10);
    exporter.terminate();
    exporter.end();
    let old = fs::read(site.state()).unwrap();
    site.arrive(10..40);
    let mut exporter = Exporter::start(&site.config());
    let whole = read_all(&mut exporter, 40).kept();
    exporter.kill();
    let names = ["", "-wal", ".mark"].map(|suffix| beside(&site.state(), suffix));
    let kept = names.each_ref().map(|name| fs::read(name).unwrap());
    let file = &kept[0];

    let zeros = vec![0; file.len()];
    let mut torn = file.clone();
    torn[8_192..24_576].fill(0);
    type Case<'a> = (&'a str, Option<&'a [u8]>, bool, &'a str);
    let cases: [Case<'_>; 8] = [
        ("cut in half", Some(&file[..file.len() / 2]), true, "is damaged"),
        ("cut in half, without its log", Some(&file[..file.len() / 2]), false, "is damaged"),
        ("zeros", Some(&zeros), true, "is damaged"),
        ("some pages zeros, without its log", Some(&torn), false, "is damaged"),
        ("empty", Some(&[]), true, "is empty"),
        ("gone, but not its log", None, true, "write-ahead log"),
        ("an older copy", Some(&old), false, "is older than what was committed"),
        ("its log lost", Some(file), false, "is older than what was committed"),
    ];
    for (name, content, log, expected) in cases {
        match content {
            Some(content) => fs::write(&names[0], content).unwrap(),
            None => fs::remove_file(&names[0]).unwrap(),
        }
        drop(fs::remove_file(beside(&site.state(), "-shm")));
        if log {
            fs::write(&names[1], &kept[1]).unwrap()
        } else {
            drop(fs::remove_file(&names[1]))
        }
        let line = refused(Exporter::start(&site.config()));
        assert!(line.contains(expected) && line.contains("flowcost.db"), "{name}: {line}");
    }
    // The remedies: all files as they were, or the word that the older one is meant.
    for (name, content) in names.iter().zip(&kept) {
        fs::write(name, content).unwrap();
    }
    drop(fs::remove_file(beside(&site.state(), "-shm")));
    let mut exporter = Exporter::start(&site.config());
    assert_eq!(exporter.scrape_until("loaded", |scrape| scrape.counted() == 40).kept(), whole);
    exporter.terminate();
    exporter.end();
    fs::write(&names[0], &old).unwrap();
    fs::remove_file(&names[2]).unwrap();
    let mut exporter = Exporter::start(&site.config());
    assert_eq!(
        read_all(&mut exporter, 40).kept(),
        site.sums(),
        "what came after the copy is read again, once"
    );
}

#[test]
fn sigterm_does_not_wait_for_a_state_that_takes_long_to_open() {
    let site = Site::new(1);
    // To open a pipe waits for its other end: a file on a disk that does not answer.
    let made = Command::new("mkfifo").arg(site.state()).status().expect("mkfifo");
    assert!(made.success());
    let mut exporter = Exporter::start(&site.config());
    exporter.wait_for("message=\"opening the state\"");
    exporter.terminate();
    let asked = Instant::now();
    assert_eq!(exporter.end().code(), Some(0), "{}", exporter.log());
    assert!(asked.elapsed() < limits::SHUTDOWN_GRACE, "{:?}", asked.elapsed());
    assert!(!exporter.log().contains("message=listening"), "{}", exporter.log());
}
