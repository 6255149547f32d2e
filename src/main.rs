//! flowcost-exporter: parse, dispatch, exit code.

use std::{error::Error, io::Write as _, process::ExitCode};

use flowcost_exporter::{
    cli::{CheckArgs, Cli, Command, EXIT_RUNTIME, EXIT_USAGE, Flags, UsageError},
    config::{self, Config, ConfigError},
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
    cli.flags.reject_unsupported()?;
    match cli.command() {
        Command::Serve => serve(&load(&cli.flags)?),
        Command::Demo(_) => Err(Failure::Runtime("demo is not part of this build yet".into())),
        Command::Check(args) => check(&load(&cli.flags)?, &args),
    }
}

fn load(flags: &Flags) -> Result<Config, Failure> {
    Ok(Config::load(flags.config_file()?, &config::environment())?)
}

fn serve(_config: &Config) -> Result<(), Failure> {
    Err(Failure::Runtime("serve is not part of this build yet".into()))
}

/// Says what the configuration means; with `--reach`, also what its sources hold.
fn check(config: &Config, args: &CheckArgs) -> Result<(), Failure> {
    say(&config.to_string());
    if args.reach {
        reach(config)?;
    }
    say("check: ok\n");
    Ok(())
}

fn reach(_config: &Config) -> Result<(), Failure> {
    Err(Failure::Runtime("check --reach is not part of this build yet".into()))
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
