//! A test in a process of its own: what it measures of the process, no other test adds to.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

/// Set in that process.
const ALONE: &str = "FLOWCOST_TEST_ALONE";

/// Runs `test`, which is all of the test called `name`, in a process of its own. A shell runs
/// `first` there, such as `ulimit -v 600000`.
#[allow(clippy::print_stdout, reason = "what the other process prints is what the test prints")]
pub(crate) fn alone(name: &str, first: &str, test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        test();
        return;
    }
    let mut child = Command::new("sh")
        .args(["-c", &format!("{first}; exec \"$0\" --exact {name} --nocapture 2>&1")])
        .arg(std::env::current_exe().unwrap())
        .env("RUST_TEST_THREADS", "1")
        .env(ALONE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut passed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap) {
        passed |= line.contains("1 passed");
        println!("{line}");
    }
    let status = child.wait().unwrap();
    assert!(status.success() && passed, "{name} in a process of its own: {status}, see above");
}
