//! Processor time and memory of this process.

use std::{
    fmt, fs,
    io::Write as _,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// One line of the report.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    // Nobody reads it, nothing to do.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// How busy the machine is with everything.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// User and system time so far, of all threads.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What some work took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    /// The highest resident size while it ran, above that before it.
    pub(crate) grown_kib: u64,
}

impl Taken {
    /// The cheaper of two.
    pub(crate) fn least(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.min(other.cpu),
            wall: self.wall.min(other.wall),
            grown_kib: self.grown_kib.min(other.grown_kib),
        }
    }
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Begins to measure; [`Meter::end`] says what it took.
pub(crate) struct Meter {
    cpu: Duration,
    wall: Instant,
    resident_kib: u64,
}

impl Meter {
    pub(crate) fn begin() -> Self {
        // The highest size begins anew; where that is not allowed, it is that of the whole life.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self { resident_kib: status("VmRSS:"), wall: Instant::now(), cpu: cpu() }
    }

    pub(crate) fn end(self) -> Taken {
        let (cpu, wall) = (cpu() - self.cpu, self.wall.elapsed());
        Taken { cpu, wall, grown_kib: status("VmHWM:").saturating_sub(self.resident_kib) }
    }
}

/// A line of `/proc/self/status`, in KiB.
pub(crate) fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
