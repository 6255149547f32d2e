//! flowcost-exporter: parse, dispatch, exit code.

use std::{
    error::Error,
    io::{BufWriter, IsTerminal as _, Write as _},
    process::ExitCode,
    sync::Arc,
};

use flowcost_exporter::{
    app::{self, AppError, Loader, Reloads},
    check,
    cli::{
        CheckArgs, CheckFormat, Cli, Command, ConfigArgs, ConfigSample, DemoArgs, EXIT_RUNTIME, EXIT_USAGE,
        ExportHistoryArgs, Flags, ListenHost, LogFormat, QuarantineAction, RecountArgs, UsageError,
    },
    config::{self, Config, ConfigError, Problem, Setup, SetupError, TOPIC},
    demo, healthcheck,
    history::{self, HistoryError},
    ledger::Request,
    limits,
    quarantine::{self, QuarantineError},
    recount,
    store::chain,
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
    let flags = &cli.flags;
    let logging = app::start_logging(flags.log_level(&cli.command()), flags.log_format());
    let code = match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let served = matches!((cli.command(), &failure), (Command::Serve, Failure::Runtime(_)));
            let logged = flags.errors_are_logged() || served && flags.log_format() == LogFormat::Logfmt;
            if logged {
                failure.log();
            } else {
                failure.print();
            }
            failure.code()
        }
    };
    // Writes what is queued.
    drop(logging);
    code
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let flags = &cli.flags;
    let command = cli.command();
    flags.reject_unsupported(&command)?;
    match command {
        Command::Serve => serve(flags),
        Command::Demo(args) => demo(args, flags),
        Command::Check(args) => check(flags, &args),
        Command::Config(ConfigArgs { which }) => {
            say(match which {
                ConfigSample::Minimal => config::MINIMAL,
                ConfigSample::Example => config::EXAMPLE,
            });
            Ok(())
        }
        Command::Quarantine(args) => quarantine(&load(flags)?, args.action),
        Command::ExportHistory(args) => export_history(flags, &args),
        Command::Recount(args) => recount(flags, &args),
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
    Ok(app::demo(args.dir, rows, args.history, &flags.listen_addresses(loopback), &say)?)
}

/// Says what the configuration means; with `--reach`, also what its sources hold.
fn check(flags: &Flags, args: &CheckArgs) -> Result<(), Failure> {
    let json = args.format == CheckFormat::Json;
    let setup = load_all(flags).and_then(|setup| {
        app::check_environment(&setup.config)?;
        Ok(setup)
    });
    let setup = match setup {
        Err(Failure::Config(error)) if json => {
            say(&format!("{:#}\n", check::problems(&error)));
            return Err(Failure::Said(EXIT_USAGE));
        }
        setup => setup?,
    };
    let hints = check::missing_folders(&setup.config);
    if !json {
        say(&format!("{}{}", setup.config, setup.web));
        hints.iter().for_each(|hint| say(&format!("{:<TOPIC$} {hint}\n", "warning")));
    }
    let reach = if args.reach { Some(check::reach(&setup.config, app::system_clock().now())?) } else { None };
    match &reach {
        _ if json => say(&format!("{:#}\n", check::summary(&setup, &hints, reach.as_ref()))),
        Some(reach) => say(&reach.text),
        None => say("check: ok\n"),
    }
    match reach {
        Some(reach) if !reach.ok && json => Err(Failure::Said(EXIT_RUNTIME)),
        Some(reach) if !reach.ok => Err(Failure::Runtime("check: the verdict says what is missing".into())),
        _ => Ok(()),
    }
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
            for source in &done.unsettled {
                tracing::warn!(
                    %source,
                    "this source has not settled all of these hours, and they are older than ingest.lookback: what it \
                     still brings for them will be missing"
                );
            }
            let (from, to) = (done.hours.start.start(), done.hours.end.start());
            tracing::info!(%from, %to, series = done.series, samples = done.samples, "history exported");
        }
        Err(error) if error.is_closed_pipe() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// What has changed goes to stdout; how far it has come to a terminal only.
fn recount(flags: &Flags, args: &RecountArgs) -> Result<(), Failure> {
    args.check()?;
    let config = load(flags)?;
    let progress = |text: &str| {
        if std::io::stderr().is_terminal() {
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    };
    say(&recount::run(&config, args, &app::system_clock(), &progress)?);
    Ok(())
}

fn say(text: &str) {
    // A closed pipe is no reason to fail.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Why the process ends before its time, which decides the exit code.
enum Failure {
    /// The command line is wrong.
    Usage(Box<dyn Error>),
    /// A configuration is.
    Config(SetupError),
    /// Anything else.
    Runtime(Box<dyn Error>),
    /// It has been said.
    Said(u8),
}

impl Failure {
    fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) | Self::Config(_) => EXIT_USAGE,
            Self::Runtime(_) => EXIT_RUNTIME,
            Self::Said(code) => *code,
        })
    }

    /// The chain of causes.
    fn text(&self) -> String {
        match self {
            Self::Usage(error) | Self::Runtime(error) => chain(&**error),
            Self::Config(error) => error.to_string(),
            Self::Said(_) => String::new(),
        }
    }

    fn print(&self) {
        if !matches!(self, Self::Said(_)) {
            let _ = writeln!(std::io::stderr(), "flowcost-exporter: {}", self.text().trim_end());
        }
    }

    /// As lines of the log: a configuration's problems are one each.
    fn log(&self) {
        match self {
            Self::Said(_) => {}
            Self::Usage(_) | Self::Runtime(_) => {
                tracing::error!(error = self.text().trim_end(), "cannot go on")
            }
            Self::Config(SetupError(errors)) => {
                let all =
                    errors.iter().flat_map(|error| error.problems.iter().map(move |one| (&error.file, one)));
                for (file, problem) in all {
                    let Problem { key, line, value, wanted, variable, .. } = problem;
                    tracing::error!(%file, line, key, variable, value, wanted, "invalid configuration");
                }
            }
        }
    }
}

impl From<UsageError> for Failure {
    fn from(error: UsageError) -> Self {
        Self::Usage(Box::new(error))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(SetupError(vec![error]))
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::Config(error)
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        match error {
            // A variable is as much a configuration as a file.
            AppError::Environment(error) => {
                let problem = Problem { wanted: chain(&error), ..Problem::default() };
                let (file, problems) = ("environment".to_owned(), vec![problem]);
                Self::Config(SetupError(vec![ConfigError { file, problems }]))
            }
            error => Self::Runtime(Box::new(error)),
        }
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

impl From<recount::Failure> for Failure {
    fn from(error: recount::Failure) -> Self {
        Self::Runtime(Box::new(error))
    }
}

impl From<healthcheck::HealthError> for Failure {
    fn from(error: healthcheck::HealthError) -> Self {
        Self::Runtime(Box::new(error))
    }
}
