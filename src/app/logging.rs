//! Log lines on stderr.

use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub use crate::cli::{LogFormat, LogLevel};

/// Starts logging for the whole process. Of the libraries only warnings are shown.
pub fn start(level: LogLevel, format: LogFormat) {
    let own = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let libraries = if level == LogLevel::Error { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{libraries},flowcost_exporter={own}"));
    let layer = match format {
        LogFormat::Logfmt => {
            let layer = tracing_logfmt::builder().with_target(false).with_span_name(false).layer();
            layer.with_writer(std::io::stderr).boxed()
        }
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_target(false)
            .with_writer(std::io::stderr)
            .boxed(),
    };
    // Only tests start it twice; the first one stays.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}
