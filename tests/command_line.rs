//! The command line from outside: exit codes, and what a stranger reads.

use std::process::{Command, Output};

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowcost-exporter"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).envs(environment.iter().copied());
    command.output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_valid_configuration_is_explained_and_ok() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let state = dir.path().join("flowcost.db").display().to_string();
    let environment = [("FLOWCOST__STATE__PATH", state.as_str())];
    for arguments in
        [["check", "--config.file", "config/minimal.toml"], ["--config.file", "config/minimal.toml", "check"]]
    {
        let output = run(&arguments, &environment);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).ends_with("check: ok\n"), "{}", text(&output.stdout));
        assert!(
            text(&output.stdout)
                .contains("price        us-east-1 inter_az: 0.01 (list price, 2026, https://")
        );
    }
}

/// Arguments, environment, and a part of the message.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

#[test]
fn what_is_wrong_before_anything_starts_exits_with_2() {
    let cases: [Case; 15] = [
        (&[], &[], "--config.file is missing"),
        (&["check"], &[], "flowcost-exporter demo"),
        (&["--config.file", "no-such-file.toml"], &[], "does not exist"),
        (&["check", "--config.file", "Cargo.toml"], &[], "unknown key"),
        (
            &["check", "--config.file", "config/minimal.toml"],
            &[("FLOWCOST__NONSENSE", "1")],
            "FLOWCOST__NONSENSE",
        ),
        (
            &["--web.config.file", "no-such.yml", "--config.file", "no-such.toml"],
            &[],
            "no-such.yml: 1 problem",
        ),
        (&["demo", "--web.config.file", "web.yml"], &[], "--web.config.file is not for the demo"),
        (&["demo", "--config.file", "x.toml"], &[], "--config.file is not a flag of `demo`: remove it"),
        (
            &["check", "--web.listen-address", ":1"],
            &[],
            "--web.listen-address is not a flag of `check`: remove it",
        ),
        (&["export-history"], &[], "--config.file is missing"),
        (&["export-history", "--from", "2025-12-09", "--to", "2025-12-08"], &[], "is not before --to"),
        (&["recount"], &[], "--from <TIME>"),
        (&["recount", "--abort", "--from", "2025-12-09"], &[], "cannot be used with"),
        (&["recount", "--from", "2025-12-09", "--to", "2025-12-08"], &[], "is not before --to"),
        (&["--web.listen-address", "9843"], &[], "write HOST:PORT"),
    ];
    for (arguments, environment, message) in cases {
        let output = run(arguments, environment);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn a_history_that_is_not_there_exits_with_1_and_writes_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let state = dir.path().join("flowcost.db").display().to_string();
    let arguments = ["export-history", "--config.file", "config/minimal.toml"];
    let output = run(&arguments, &[("FLOWCOST__STATE__PATH", state.as_str())]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("there is no state file") && stderr.contains("run the exporter first"),
        "{stderr}"
    );
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn the_configurations_to_begin_with_come_out_of_the_binary() {
    for (which, file) in [("minimal", "config/minimal.toml"), ("example", "config/flowcost.toml")] {
        let output = run(&["config", which], &[]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        assert_eq!(text(&output.stdout), std::fs::read_to_string(path).unwrap());
    }
}

/// A folder with a configuration of two sources, one of them a folder that is missing.
fn two_sources(more: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("flowcost.toml");
    let config = format!(
        "[state]\npath = \"{0}/flowcost.db\"\n\
         [[source]]\nname = \"here\"\nurl = \"file://{0}/gone/\"\nregion = \"us-east-1\"\n\
         [[source]]\nname = \"there\"\nurl = \"s3://My_Bucket/\"\nregion = \"eu-west-1\"\n{more}",
        dir.path().display()
    );
    std::fs::write(&path, config).unwrap();
    (dir, path.display().to_string())
}

#[test]
fn check_answers_in_json_too() {
    let (dir, path) = two_sources("");
    let output = run(&["check", "--format", "json", "--config.file", &path], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["schema"], &answer["ok"]), (&1.into(), &true.into()), "{answer:#}");
    let warnings = answer["warnings"].to_string();
    let gone = dir.path().join("gone").display().to_string();
    assert!(warnings.contains(&format!("there is no folder {gone}")), "{answer:#}");
    assert!(warnings.contains("source \\\"there\\\", url (line 9): AWS has no bucket"), "{answer:#}");
    assert!(answer["summary"].as_array().unwrap().iter().any(|line| line["topic"] == "ingest"), "{answer:#}");

    let (_dir, path) =
        two_sources("[ingest]\nlookbak = \"1h\"\n[[zone]]\nname = \"a\"\ncidrs = [\"10.0.0.1/24\"]\n");
    let output = run(&["check", "--format", "json", "--config.file", &path], &[]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), String::new()));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["ok"], false, "{answer:#}");
    let problems: Vec<(&str, u64)> = answer["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["key"].as_str().unwrap(), one["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(problems, [("ingest.lookbak", 12), ("zone[0].cidrs[0]", 15)], "{answer:#}");
}

#[test]
fn check_reach_answers_in_json_too() {
    let (_dir, path) = two_sources("endpoint = \"http://127.0.0.1:1\"\n");
    let output = run(
        &["check", "--reach", "--format", "json", "--config.file", &path],
        &[("AWS_EC2_METADATA_DISABLED", "true")],
    );
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let reach = &answer["reach"];
    assert_eq!((&answer["ok"], &reach["ok"]), (&false.into(), &false.into()), "{answer:#}");
    assert_eq!(reach["sources"][0]["source"], "here");
    assert!(reach["sources"][0]["error"].as_str().unwrap().contains("not_found"), "{answer:#}");
    assert_eq!(reach["sources"][0]["sample"]["bytes"], 0);
}

#[test]
fn an_error_that_ends_a_command_is_in_the_format_that_was_asked_for() {
    let (_dir, path) = two_sources("[ingest]\nlookbak = \"1h\"\n");
    let said = |format: &[&str]| {
        let output = run(&[format, &["--config.file", &path]].concat(), &[]);
        assert_eq!(output.status.code(), Some(2));
        text(&output.stderr)
    };
    assert!(said(&[]).contains("  line 12: ingest.lookbak = \"1h\"\n"), "{}", said(&[]));
    let json: serde_json::Value = serde_json::from_str(&said(&["--log.format=json"])).unwrap();
    assert_eq!(
        (&json["level"], &json["key"], &json["line"]),
        (&"ERROR".into(), &"ingest.lookbak".into(), &12.into())
    );
    let logfmt = said(&["--log.format=logfmt"]);
    assert!(logfmt.lines().count() == 1 && logfmt.contains(" key=ingest.lookbak "), "{logfmt}");
    // 2026-03-10T12:00:00.123Z
    let moment = logfmt.strip_prefix("ts=").and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(moment.len() == 24 && moment.as_bytes()[19] == b'.' && moment.ends_with('Z'), "{logfmt}");
    assert!(said(&["--log.format=short"]).contains("  line 12: ingest.lookbak = \"1h\"\n"));
}

/// Until it listens, or ends.
#[test]
fn serve_says_what_it_starts_with_and_listens_after_the_lock() {
    let (dir, path) = two_sources("endpoint = \"http://127.0.0.1:1\"\n");
    let serve = ["--config.file", path.as_str(), "--web.listen-address", "127.0.0.1:0"];
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowcost-exporter"));
        command.args(serve).env("AWS_EC2_METADATA_DISABLED", "true").stderr(std::process::Stdio::piped());
        command.spawn().expect("the program runs")
    };
    let mut first = start();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(first.stderr.take().unwrap()));
    let mut next = || lines.next().unwrap().unwrap();
    let line = std::iter::repeat_with(&mut next).find(|line| line.contains("message=starting")).unwrap();
    for part in ["sources=2", "names=\"here, there\"", "zones=0", "state=new", "objects=0", "flowcost.db"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    // The first scan may have failed in between.
    let line = std::iter::repeat_with(&mut next).find(|line| !line.contains("level=error")).unwrap();
    assert!(line.contains("message=listening") && line.contains("address=127.0.0.1:"), "{line}");
    let second = start().wait_with_output().unwrap();
    let said = text(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(!said.contains("message=listening"), "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with("ts=") && last.contains("level=error") && last.contains("cannot go on"),
        "{said}"
    );
    first.kill().unwrap();
    first.wait().unwrap();
    drop(dir);
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [["--help"], ["--version"]] {
        let output = run(&arguments, &[]);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("flowcost-exporter"));
    }
}

#[test]
fn a_demo_that_cannot_listen_writes_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().join("new").display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let output = run(&["demo", "--dir", &folder, "--web.listen-address", &address], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains(&format!("cannot listen on {address}")),
        "{}",
        text(&output.stderr)
    );
    assert!(!dir.path().join("new").exists(), "no folder is left");
}

/// The writer of sample logs must not outlive what serves them.
#[test]
fn a_demo_that_cannot_use_its_state_ends_and_says_why() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().display().to_string();
    std::fs::write(dir.path().join("flowcost.db"), "not a database, but long enough to look like one")
        .unwrap();
    let arguments = ["demo", "--dir", &folder, "--web.listen-address", "127.0.0.1:0"];
    let mut child = Command::new("timeout");
    child.args(["60", env!("CARGO_BIN_EXE_flowcost-exporter")]).args(arguments);
    let output = child.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("flowcost.db"), "{}", text(&output.stderr));
}
