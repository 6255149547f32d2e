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
    let cases: [Case; 10] = [
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
        (&["export-history"], &[], "--config.file is missing"),
        (&["export-history", "--from", "2025-12-09", "--to", "2025-12-08"], &[], "is not before --to"),
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
fn help_and_version_are_no_errors() {
    for arguments in [["--help"], ["--version"]] {
        let output = run(&arguments, &[]);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("flowcost-exporter"));
    }
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
