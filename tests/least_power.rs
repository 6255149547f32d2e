//! The real binary with nothing that it does not need: no capability, and one folder to write to. And with secrets, none
//! of which may come out of it.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use flowcost_exporter::demo::{self, Cluster, LogFolder, SLOT_SECONDS, slot_of};

use crate::support::{
    exporter::{Exporter, s3_config},
    now,
    s3::{Fault, S3Server},
    tls::Authority,
};

/// Everything below a folder, with what a write would change.
fn contents(folder: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        found.insert(entry.path(), (metadata.len(), metadata.modified().unwrap()));
        if metadata.is_dir() {
            found.extend(contents(&entry.path()));
        }
    }
    found
}

fn set_writable(folder: &Path, writable: bool) {
    for path in contents(folder).into_keys().chain([folder.to_owned()]) {
        let mode = match (path.is_dir(), writable) {
            (true, true) => 0o755,
            (true, false) => 0o555,
            (false, true) => 0o644,
            (false, false) => 0o444,
        };
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
}

/// The exporter's command without any capability. Root without them is bound by the permissions of files.
fn without_capabilities() -> Command {
    let binary = env!("CARGO_BIN_EXE_flowcost-exporter");
    let mut command = Command::new("setpriv");
    command.args(["--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all"]);
    if has_capabilities() {
        command.arg("--bounding-set=-all");
    }
    command.arg(binary);
    command
}

fn has_capabilities() -> bool {
    status_of("self", "CapEff") != 0
}

/// A line of capabilities of a process.
fn status_of(process: &str, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

/// Files that a process has open for writing.
fn open_for_writing(pid: u32) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let entry = entry.unwrap().path();
        let (Ok(target), Some(number)) = (fs::read_link(&entry), entry.file_name()) else { continue };
        let info = format!("/proc/{pid}/fdinfo/{}", number.to_string_lossy());
        let Ok(info) = fs::read_to_string(info) else { continue };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        let writes = u32::from_str_radix(flags.trim(), 8).unwrap() & 0o3 != 0;
        if writes && target.is_absolute() && !target.starts_with("/dev") {
            files.push(target);
        }
    }
    files
}

#[test]
fn it_needs_no_capability_and_one_folder_to_write_to() {
    let dir = tempfile::tempdir().unwrap();
    let (rest, state) = (dir.path().join("rest"), dir.path().join("state"));
    for folder in ["logs", "home", "tmp"] {
        fs::create_dir_all(rest.join(folder)).unwrap();
    }
    fs::create_dir(&state).unwrap();
    let logs = LogFolder::new(rest.join("logs"), Cluster::new(5));
    let slot = slot_of(now());
    logs.write_live(slot, slot.plus(Duration::from_secs(SLOT_SECONDS.into())), 40).unwrap();
    let text = demo::config_toml(&rest.join("logs"))
        .replace(
            &rest.join("logs/flowcost.db").display().to_string(),
            &state.join("flowcost.db").display().to_string(),
        )
        .replace("\"2s\"", "\"1s\"");
    assert!(text.contains("state/flowcost.db"), "{text}");
    fs::write(rest.join("flowcost.toml"), text).unwrap();
    Authority::new().equip(&rest);
    let users = format!("basic_auth_users:\n  ann: $2y$04${}\n", ".".repeat(53));
    fs::write(rest.join("web.yml"), users).unwrap();
    set_writable(&rest, false);
    let before = contents(&rest);

    let mut command = without_capabilities();
    command
        .args(["--web.listen-address", "127.0.0.1:0", "--config.file"])
        .arg(rest.join("flowcost.toml"))
        .current_dir(&rest)
        // The one of this process may be a file.
        .stdout(Stdio::null())
        .env("HOME", rest.join("home"))
        .env("TMPDIR", rest.join("tmp"))
        .env("SQLITE_TMPDIR", rest.join("tmp"));
    let mut exporter = Exporter::spawn(command);
    exporter.scrape_until("ready", |scrape| scrape.counted() == 1 && scrape.count("flowcost_ready") == 1);
    let process = exporter.pid().to_string();
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status_of(&process, capabilities), 0, "{capabilities}");
    }
    assert_eq!(status_of(&process, "NoNewPrivs"), 1);
    let written = open_for_writing(exporter.pid());
    assert!(written.len() >= 2 && written.iter().all(|file| file.starts_with(&state)), "{written:?}");
    exporter.signal("HUP");
    exporter.wait_for("configuration reloaded");
    exporter.terminate();
    assert!(exporter.end().success(), "{}", exporter.log());
    assert_eq!(contents(&rest), before);
    set_writable(&rest, true);
}

#[test]
fn no_secret_is_in_the_log_or_in_an_error() {
    const SECRETS: [&str; 4] =
        ["qK7+secret/access=key", "session-token-hunter2", "hunter2-password", "hunter2-url"];
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(S3Server::start());
    server.set_fault(|_| Some(Fault::AccessDenied));
    let config = dir.path().join("flowcost.toml");
    let good = s3_config(&server, "logs", dir.path()).replace("\"1h\"", "\"1s\"");
    fs::write(&config, &good).unwrap();
    let hash = bcrypt::hash_with_salt(SECRETS[2], 4, [1; 16]).unwrap().to_string();
    fs::write(dir.path().join("web.yml"), format!("basic_auth_users:\n  ann: {hash}\n")).unwrap();
    let web = dir.path().join("web.yml").display().to_string();
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRETS[0]),
        ("AWS_SESSION_TOKEN", SECRETS[1]),
    ];
    let mut exporter =
        Exporter::start_as(&config, &["--web.config.file", &web, "--log.level", "trace"], &keys);
    exporter.wait_for("scan failed");
    // Mistakes that have a secret in them, found at a reload.
    let mistakes = [
        (config.clone(), good.replace("s3://logs/", "s3://key:hunter2-url@logs/")),
        (config.clone(), good.replace("endpoint = \"http://", "endpoint = \"http://key:hunter2-url@")),
        (dir.path().join("web.yml"), format!("basic_auth_users:\n  ann: {}\n", SECRETS[2])),
        (dir.path().join("web.yml"), format!("tls_server_config:\n  key: {}\n  cert: x\n", SECRETS[2])),
        (dir.path().join("web.yml"), format!("basic_auth_users:\n  ann: \"{}\n", SECRETS[2])),
    ];
    for (file, text) in mistakes {
        let before = fs::read_to_string(&file).unwrap();
        fs::write(&file, text).unwrap();
        exporter.signal("HUP");
        exporter.wait_for("configuration not reloaded");
        fs::write(&file, before).unwrap();
    }
    exporter.terminate();
    assert!(exporter.end().success(), "{}", exporter.log());
    let log = exporter.log();
    for secret in SECRETS.iter().chain([&hash.as_str()]) {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
