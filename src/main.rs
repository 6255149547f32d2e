//! flowcost-exporter: parse, dispatch, exit code.

use std::{
    error::Error,
    io::{BufWriter, Write as _},
    process::ExitCode,
    sync::Arc,
};

use flowcost_exporter::{
    app::{self, AppError, Loader, Reloads},
    check,
    cli::{
        CheckArgs, Cli, Command, DemoArgs, EXIT_RUNTIME, EXIT_USAGE, ExportHistoryArgs, Flags, ListenHost,
        QuarantineAction, UsageError,
    },
    config::{self, Config, ConfigError, Setup, SetupError},
    demo, healthcheck,
    history::{self, HistoryError},
    ledger::Request,
    limits,
    quarantine::{self, QuarantineError},
};

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(usage) => {
            // A closed pipe is no reason to fail: the text was for whoever closed it.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(EXIT_USAGE));
        }
    };
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let flags = &cli.flags;
    let command = cli.command();
    flags.reject_unsupported(&command)?;
    let _logging = app::start_logging(flags.log_level, flags.log_format);
    match command {
        Command::Serve => serve(flags),
        Command::Demo(args) => demo(args, flags),
        Command::Check(args) => check(&load_all(flags)?, &args),
        Command::Quarantine(args) => quarantine(&load(flags)?, args.action),
        Command::ExportHistory(args) => export_history(flags, &args),
        Command::Healthcheck(args) => Ok(healthcheck::check(&args.url, limits::HEALTHCHECK_TIMEOUT)?),
    }
}

fn load(flags: &Flags) -> Result<Config, Failure> {
    Ok(Config::load(flags.config_file()?, &config::environment())?)
}

/// The configuration with that of the web server.
fn load_all(flags: &Flags) -> Result<Setup, Failure> {
    let web = flags.web_config_file.as_deref();
    Ok(Setup::load(flags.config_file()?, web, &config::environment())?)
}

fn serve(flags: &Flags) -> Result<(), Failure> {
    let setup = load_all(flags)?;
    let (file, web) = (flags.config_file()?.clone(), flags.web_config_file.clone());
    let again: Loader = Arc::new(move || Setup::load(&file, web.as_deref(), &config::environment()));
    let reloads = Reloads::new(again, flags.web_enable_lifecycle);
    Ok(app::serve(setup, &flags.listen_addresses(ListenHost::All), reloads)?)
}

fn demo(args: DemoArgs, flags: &Flags) -> Result<(), Failure> {
    let rows = args.rows_per_minute.map_or(demo::ROWS_PER_MINUTE, std::num::NonZeroU32::get);
    let loopback = ListenHost::Ip(std::net::Ipv4Addr::LOCALHOST.into());
    Ok(app::demo(args.dir, rows, args.history, &flags.listen_addresses(loopback), say)?)
}

/// Says what the configuration means; with `--reach`, also what its sources hold.
fn check(setup: &Setup, args: &CheckArgs) -> Result<(), Failure> {
    let Setup { config, web } = setup;
    say(&format!("{config}{web}"));
    if args.reach {
        let reach = app::block_on(check::reach(config, app::system_clock().now()))?;
        say(&reach.text);
        if !reach.ok {
            return Err(Failure::Runtime("check: not every source can be read".into()));
        }
    }
    say("check: ok\n");
    Ok(())
}

fn quarantine(config: &Config, action: QuarantineAction) -> Result<(), Failure> {
    let text = match action {
        QuarantineAction::List => quarantine::list(config)?,
        QuarantineAction::Retry(which) => quarantine::ask(config, Request::Retry, &which)?,
        QuarantineAction::Drop(which) => quarantine::ask(config, Request::Drop, &which)?,
    };
    say(&text);
    Ok(())
}

/// The history goes to stdout, and what there is to say of it to the log.
fn export_history(flags: &Flags, args: &ExportHistoryArgs) -> Result<(), Failure> {
    args.check()?;
    let config = load(flags)?;
    let out = BufWriter::with_capacity(limits::EXPORT_BUFFER_BYTES, std::io::stdout().lock());
    match history::export(&config, args, app::system_clock().now(), out) {
        Ok(done) if done.hours.is_empty() => tracing::warn!("no closed hour in this range, nothing exported"),
        Ok(done) => {
            let (from, to) = (done.hours.start.start(), done.hours.end.start());
            tracing::info!(%from, %to, series = done.series, samples = done.samples, "history exported");
        }
        Err(error) if error.is_closed_pipe() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn say(text: &str) {
    // A closed pipe is no reason to fail.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Why the process ends before its time, which decides the exit code.
enum Failure {
    /// The command line or the configuration is wrong.
    Usage(Box<dyn Error>),
    /// Anything else.
    Runtime(Box<dyn Error>),
}

impl Failure {
    /// Prints the chain of causes.
    fn report(self) -> ExitCode {
        let (error, code) = match self {
            Self::Usage(error) => (error, EXIT_USAGE),
            Self::Runtime(error) => (error, EXIT_RUNTIME),
        };
        let mut text = format!("flowcost-exporter: {}", error.to_string().trim_end());
        let mut cause = error.source();
        while let Some(next) = cause {
            text += &format!(": {next}");
            cause = next.source();
        }
        let _ = writeln!(std::io::stderr(), "{text}");
        ExitCode::from(code)
    }
}

impl From<UsageError> for Failure {
    fn from(error: UsageError) -> Self {
        Self::Usage(Box::new(error))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(Box::new(error))
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::Usage(Box::new(error))
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Self::Runtime(Box::new(error))
    }
}

impl From<QuarantineError> for Failure {
    fn from(error: QuarantineError) -> Self {
        Self::Runtime(Box::new(error))
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        Self::Runtime(Box::new(error))
    }
}

impl From<healthcheck::HealthError> for Failure {
    fn from(error: healthcheck::HealthError) -> Self {
        Self::Runtime(Box::new(error))
    }
}
