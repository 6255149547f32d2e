//! Log lines on stderr.
//!
//! Lines go through a bounded queue to a thread of their own. When nobody reads stderr and the pipe is full, lines
//! are dropped: reading, serving and stopping never wait for the log.

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub use crate::cli::{LogFormat, LogLevel};
use crate::limits;

/// Writes what is queued when it is dropped, as far as that is possible at once.
pub struct LogGuard(#[allow(dead_code, reason = "held for its drop")] WorkerGuard);

/// Starts logging for the whole process, as long as the guard is kept. Of the libraries only warnings are shown.
pub fn start(level: LogLevel, format: LogFormat) -> LogGuard {
    let own = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let libraries = if level == LogLevel::Error { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{libraries},flowcost_exporter={own}"));
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(limits::LOG_LINES)
        .lossy(true)
        .finish(std::io::stderr());
    let layer = match format {
        LogFormat::Logfmt => tracing_logfmt::builder()
            .with_target(false)
            .with_span_name(false)
            .layer()
            .with_writer(writer)
            .boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_target(false)
            .with_writer(writer)
            .boxed(),
    };
    // Only tests start it twice; the first one stays.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    LogGuard(guard)
}
