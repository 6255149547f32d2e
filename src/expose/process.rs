//! The usual metrics of a process, from `/proc`.
//!
//! Refuses to know anything of this program. Invariant: what cannot be read is absent, never 0.

use std::{fmt, sync::OnceLock};

use procfs::{
    ProcResult,
    process::{LimitValue, Process},
};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::{
    catalog,
    encode::{Families, Value},
};

/// What `/proc/self` says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcessStats {
    /// User and system processor time in seconds.
    pub cpu_seconds: f64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Virtual memory in bytes.
    pub virtual_bytes: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// Limit of open file descriptors, where there is one.
    pub max_fds: Option<u64>,
    /// Start in Unix seconds.
    pub start_seconds: f64,
}

/// Reads the running process; `None` where `/proc` is not there or not readable.
pub fn read() -> Option<ProcessStats> {
    stats().ok()
}

#[allow(clippy::cast_precision_loss, reason = "ticks since boot are far below 2^53")]
fn stats() -> ProcResult<ProcessStats> {
    /// The boot time is derived from the clock and wavers by a second: the start is fixed at the first reading.
    static START: OnceLock<f64> = OnceLock::new();

    let process = Process::myself()?;
    let stat = process.stat()?;
    let ticks = procfs::ticks_per_second() as f64;
    let max_fds = match process.limits()?.max_open_files.soft_limit {
        LimitValue::Unlimited => None,
        LimitValue::Value(limit) => Some(limit),
    };
    let started = procfs::boot_time_secs()? as f64 + stat.starttime as f64 / ticks;
    Ok(ProcessStats {
        cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
        resident_bytes: stat.rss * procfs::page_size(),
        virtual_bytes: stat.vsize,
        open_fds: process.fd_count()? as u64,
        max_fds,
        start_seconds: *START.get_or_init(|| started),
    })
}

impl Collector for ProcessStats {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Families::new(encoder);
        page.single(&catalog::PROCESS_CPU, Value::Real(self.cpu_seconds))?;
        page.single(&catalog::PROCESS_RESIDENT, Value::Int(self.resident_bytes))?;
        page.single(&catalog::PROCESS_VIRTUAL, Value::Int(self.virtual_bytes))?;
        page.single(&catalog::PROCESS_OPEN_FDS, Value::Int(self.open_fds))?;
        page.single(&catalog::PROCESS_MAX_FDS, self.max_fds.map(Value::Int))?;
        page.single(&catalog::PROCESS_START, Value::Real(self.start_seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_read() {
        let stats = read().expect("Linux");
        assert!(stats.resident_bytes > 0 && stats.virtual_bytes >= stats.resident_bytes);
        assert!(stats.open_fds > 2);
        assert!(stats.start_seconds > 1.6e9, "after 2020: {}", stats.start_seconds);
        assert_eq!(read().expect("Linux").start_seconds, stats.start_seconds);
    }
}
