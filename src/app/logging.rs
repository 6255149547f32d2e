//! Log lines on stderr.
//!
//! Lines go through a bounded queue to a thread of their own. When nobody reads stderr and the pipe is full, lines
//! are dropped: reading, serving and stopping never wait for the log.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt,
    panic::{self, PanicHookInfo},
};

use time::{OffsetDateTime, format_description::FormatItem, macros::format_description};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer as _,
    filter::Targets,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer, time::FormatTime},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

pub use crate::cli::{LogFormat, LogLevel};
use crate::{aws, limits, panics, store::s3::PART_CHECKSUM_LOG};

/// Writes what is queued when it is dropped, as far as that is possible at once.
pub struct LogGuard(#[allow(dead_code, reason = "held for its drop")] WorkerGuard);

/// Starts logging for the whole process, as long as the guard is kept. Of the libraries only warnings are shown, and some
/// of the SDK's, which the program says better or need not say, with debug only.
pub fn start(level: LogLevel, format: LogFormat) -> LogGuard {
    let own = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    let quiet = if own >= Level::DEBUG { Level::WARN } else { Level::ERROR };
    let filter = Targets::new()
        .with_default(own.min(Level::WARN))
        .with_targets(aws::CREDENTIALS_LOG.map(|target| (target, quiet)))
        .with_target(PART_CHECKSUM_LOG, quiet)
        .with_target("flowcost_exporter", own);
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(limits::LOG_LINES)
        .lossy(true)
        .finish(std::io::stderr());
    let layer = match format {
        LogFormat::Logfmt => tracing_logfmt::builder()
            .with_target(false)
            .with_span_name(false)
            .with_timestamp(false)
            .layer()
            .map_event_format(Stamped)
            .with_writer(writer)
            .boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_target(false)
            .with_timer(UTC_MILLIS)
            .with_writer(writer)
            .boxed(),
        LogFormat::Short => tracing_subscriber::fmt::layer()
            .compact()
            .with_ansi(false)
            .with_target(false)
            .with_timer(TIME_OF_DAY)
            .with_writer(writer)
            .boxed(),
    };
    // Only tests start it twice; the first one stays.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    panic::set_hook(Box::new(log_panic));
    LogGuard(guard)
}

/// A panic is one line of the log, in its format. What is caught where other people's data is read has one already: that
/// of the object which is set aside.
fn log_panic(info: &PanicHookInfo<'_>) {
    if panics::is_caught(info) {
        return;
    }
    let thread = std::thread::current();
    let (thread, place) =
        (thread.name().unwrap_or("without a name"), panics::place(info).unwrap_or_default());
    let message = info.payload_as_str().unwrap_or("without a message");
    let trace = Backtrace::capture();
    let backtrace = (trace.status() == BacktraceStatus::Captured).then(|| trace.to_string());
    tracing::error!(panic = message, place, thread, backtrace, "panicked");
}

/// The moment of a line, in UTC.
struct Time(&'static [FormatItem<'static>]);

const UTC_MILLIS: Time =
    Time(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"));
const TIME_OF_DAY: Time = Time(format_description!("[hour]:[minute]:[second]"));

impl FormatTime for Time {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let text = OffsetDateTime::now_utc().format(self.0).map_err(|_| fmt::Error)?;
        writer.write_str(&text)
    }
}

/// Lines that begin with `ts=` in milliseconds: those of the library have nanoseconds.
struct Stamped<F>(F);

impl<S, N, F> FormatEvent<S, N> for Stamped<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str("ts=")?;
        UTC_MILLIS.format_time(&mut writer)?;
        writer.write_char(' ')?;
        self.0.format_event(context, writer, event)
    }
}
