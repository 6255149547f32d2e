//! Programs that do not come with Rust. A test that needs one is `#[ignore]`d with that as the
//! reason; `tests/run` installs all of them and fails if a test did not run.

use std::{
    env,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// Returns Python with the packages of `tests/requirements.txt`: `FLOWCOST_TEST_PYTHON`, else the
/// environment that `tests/run` makes.
pub(crate) fn python() -> Command {
    Command::new(env::var_os("FLOWCOST_TEST_PYTHON").unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/bin/python").into_os_string()
    }))
}

/// Returns `FLOWCOST_PROMTOOL`, else the promtool in `PATH`.
pub(crate) fn promtool() -> Command {
    Command::new(env::var_os("FLOWCOST_PROMTOOL").unwrap_or_else(|| "promtool".into()))
}

/// Returns the Prometheus in `PATH`.
pub(crate) fn prometheus() -> Command {
    Command::new("prometheus")
}

/// Runs a program, which must succeed, with `input` on its standard input. Returns its output.
pub(crate) fn pipe(command: &mut Command, input: &str) -> String {
    let name = format!("{command:?}");
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{}", missing(&name, &error)));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it can be waited for");
    writer.join().expect("no panic").expect("it reads its input");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}\n{stdout}{stderr}", output.status);
    stdout.into_owned()
}

/// Says how to get a program that does not start.
pub(crate) fn missing(name: &str, error: &std::io::Error) -> String {
    format!("{name}: {error}; tests/run installs what is missing")
}
