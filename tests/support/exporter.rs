//! The real binary as a child process: on a free port, followed through its log, ended in one way or another.
//!
//! Every wait has a deadline, and the failure shows the log so far. The child dies with the value.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use flowcost_exporter::demo;

use super::{
    s3::{ACCESS_KEY, S3Server, SECRET_KEY},
    scrape::{self, Scrape},
};

/// Long for whatever the exporter does, short for a person who waits for a test to fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What an exporter needs in its environment to read from an [`S3Server`].
pub(crate) const S3_KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];

/// The demo's configuration, but for a bucket of a server, and with the state in `dir`. It polls once an hour.
pub(crate) fn s3_config(server: &S3Server, bucket: &str, dir: &Path) -> String {
    let local = format!("url = \"file://{}/\"", dir.display());
    let remote = format!("url = \"s3://{bucket}/\"\nendpoint = \"{}\"\npath_style = true", server.url());
    let text = demo::config_toml(dir).replace(&local, &remote).replace("\"2s\"", "\"1h\"");
    assert!(text.contains(&remote) && text.contains("\"1h\""), "{text}");
    text
}

/// A running exporter.
pub(crate) struct Exporter {
    child: Child,
    lines: Receiver<String>,
    log: Vec<String>,
    address: Option<SocketAddr>,
}

impl Exporter {
    /// Starts it on a free port of 127.0.0.1.
    pub(crate) fn start(config: &Path) -> Self {
        Self::start_with(config, &[])
    }

    /// The same with some variables in its environment.
    pub(crate) fn start_with(config: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_as(config, &[], environment)
    }

    /// The same with more arguments.
    pub(crate) fn start_as(config: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowcost-exporter"));
        command
            .args(["--web.listen-address", "127.0.0.1:0", "--config.file"])
            .arg(config)
            .args(arguments)
            .envs(environment.iter().copied());
        Self::spawn(command)
    }

    /// The same by a command that takes the arguments.
    pub(crate) fn start_by(mut command: Command, config: &Path) -> Self {
        command.args(["--web.listen-address", "127.0.0.1:0", "--config.file"]).arg(config);
        Self::spawn(command)
    }

    /// Of a command that becomes the exporter, listening on port 0.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        // It ends with the child, whose end closes the pipe.
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines, log: Vec::new(), address: None }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything of the log that has been looked at.
    pub(crate) fn log(&self) -> String {
        self.log.join("\n")
    }

    /// The next line of the log.
    pub(crate) fn line(&mut self, within: Duration) -> Result<&str, RecvTimeoutError> {
        let line = self.lines.recv_timeout(within)?;
        if line.contains("message=listening") {
            let address = line.split(' ').find_map(|word| word.strip_prefix("address="));
            self.address = Some(address.and_then(|address| address.parse().ok()).expect("an address"));
        }
        self.log.push(line);
        Ok(self.log.last().expect("just pushed"))
    }

    /// Waits for a line of the log.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.line(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(text) => return,
                Ok(_) => {}
                Err(why) => panic!("{why}: no line with {text:?} in the log:\n{}", self.log()),
            }
        }
    }

    /// Where it listens. Bound is not loaded: the first answer may take a moment.
    pub(crate) fn address(&mut self) -> SocketAddr {
        if self.address.is_none() {
            self.wait_for("message=listening");
        }
        self.address.expect("set with the line")
    }

    /// One scrape, which has to succeed.
    pub(crate) fn scrape(&mut self) -> Scrape {
        match scrape::get(self.address(), "/metrics") {
            Ok((200, body)) => Scrape::parse(&body),
            other => panic!("no scrape but {other:?}; the log:\n{}", self.log()),
        }
    }

    /// Scrapes until a scrape shows something.
    pub(crate) fn scrape_until(&mut self, what: &str, condition: impl Fn(&Scrape) -> bool) -> Scrape {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let scrape = self.scrape();
            if condition(&scrape) {
                return scrape;
            }
            assert!(Instant::now() < deadline, "never {what}; the log:\n{}\n{scrape}", self.log());
            // What changes a scrape mostly comes with a line.
            let _ = self.line(Duration::from_millis(20));
        }
    }

    /// SIGKILL. It must have been alive.
    pub(crate) fn kill(mut self) {
        use std::os::unix::process::ExitStatusExt as _;
        self.child.kill().expect("it is a child of ours");
        let status = self.child.wait().expect("it is a child of ours");
        while self.line(PATIENCE).is_ok() {}
        assert_eq!(status.signal(), Some(9), "it ended by itself, {status}; the log:\n{}", self.log());
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status();
        assert!(kill.expect("a shell").success());
    }

    /// Waits for its end. The pipe of its log closes just before.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.line(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return self.child.wait().expect("it is a child of ours");
                }
                Err(RecvTimeoutError::Timeout) => panic!("it does not end; the log:\n{}", self.log()),
            }
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // Of one that has ended this is nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
