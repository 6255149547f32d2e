//! A scraper that never looks away: it goes from process to process, and remembers every counter of the ledger that it
//! has seen. One that falls or disappears is what a test wants to hear of.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::{
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::JoinHandle,
    time::Duration,
};

use super::scrape::{self, Scrape};

/// Breath between two scrapes, so that the exporter has the machine for itself now and then.
const BREATH: Duration = Duration::from_millis(3);

/// A process that has been told of answers within this time, or is dead.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Whole answers of all processes.
    pub(crate) scrapes: u64,
    /// Answers of the process that is watched now.
    pub(crate) of_this: u64,
    /// The latest answer of any process.
    pub(crate) last: Scrape,
    /// Processes that have been killed.
    pub(crate) kills: u64,
    /// What must not have happened.
    pub(crate) wrong: Option<String>,
    address: Option<SocketAddr>,
    stop: bool,
}

/// Shared by the scraper and by those who wait for what it sees.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    seen: Mutex<Seen>,
    changed: Condvar,
}

impl Watched {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Changes something and tells all who wait.
    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen());
        self.changed.notify_all();
    }

    /// Another process is to be watched.
    pub(crate) fn look_at(&self, address: SocketAddr) {
        self.change(|seen| (seen.address, seen.of_this) = (Some(address), 0));
    }

    /// The process that was watched is gone.
    pub(crate) fn killed(&self) {
        self.change(|seen| {
            seen.address = None;
            seen.kills += 1;
        });
    }

    /// Waits until something was seen; `false` when it was not seen in time. A wrong that was seen ends the test.
    pub(crate) fn wait(&self, within: Duration, condition: impl Fn(&Seen) -> bool) -> bool {
        let waiting = |seen: &mut Seen| !condition(seen) && seen.wrong.is_none() && !seen.stop;
        let (seen, _) = self.changed.wait_timeout_while(self.seen(), within, waiting).unwrap();
        if let Some(wrong) = &seen.wrong {
            let wrong = wrong.clone();
            drop(seen);
            panic!("{wrong}");
        }
        condition(&seen)
    }
}

/// The scraper's thread. It ends with the value.
pub(crate) struct Watcher {
    pub(crate) watched: Arc<Watched>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    pub(crate) fn start() -> Self {
        let watched = Arc::new(Watched::default());
        let thread = std::thread::spawn({
            let watched = Arc::clone(&watched);
            move || watch(&watched)
        });
        Self { watched, thread: Some(thread) }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watched.change(|seen| seen.stop = true);
        if let Some(thread) = self.thread.take() {
            // What it has to say is in `wrong`.
            let _ = thread.join();
        }
    }
}

fn watch(watched: &Watched) {
    let mut kept = Scrape::default();
    loop {
        let at_rest = |seen: &mut Seen| seen.address.is_none() && !seen.stop;
        let seen = watched.changed.wait_while(watched.seen(), at_rest).unwrap();
        let (Some(address), false) = (seen.address, seen.stop) else { return };
        drop(seen);
        let answer = scrape::get(address, "/metrics");
        let still = |seen: &mut Seen| seen.address == Some(address) && !seen.stop;
        match answer {
            Ok((200, body)) => {
                let last = Scrape::parse(&body);
                let wrong = judge(&kept, &last);
                kept = last.kept();
                watched.change(|seen| {
                    seen.scrapes += 1;
                    seen.of_this += u64::from(seen.address == Some(address));
                    seen.last = last;
                    seen.wrong = seen.wrong.take().or(wrong);
                });
                drop(watched.changed.wait_timeout_while(watched.seen(), BREATH, still).unwrap());
            }
            // It is being killed: that is told in a moment. What lives on and does not answer is wrong.
            other => {
                let (mut seen, timeout) =
                    watched.changed.wait_timeout_while(watched.seen(), PATIENCE, still).unwrap();
                if timeout.timed_out() {
                    seen.wrong = Some(format!("a process that lives answers {other:?}"));
                }
            }
        }
    }
}

/// What is wrong with a scrape that comes after these counters.
fn judge(before: &Scrape, after: &Scrape) -> Option<String> {
    let broken = before.broken_by(after);
    if !broken.is_empty() {
        return Some(format!("counters went back: {broken:#?}"));
    }
    // All of a scrape is of one commit.
    let flows = after.sum("flowcost_flows_total")?;
    let records = after.count("flowcost_records_total{outcome=\"counted\"}");
    (flows != records).then(|| format!("{flows} flows but {records} counted records in one scrape"))
}
