use super::*;

fn read(words: &str) -> Result<Cli, clap::Error> {
    Cli::read(format!("flowcost-exporter {words}").split_whitespace().map(OsString::from))
}

#[test]
fn the_definition_is_consistent() {
    Cli::definition().debug_assert();
}

#[test]
fn flags_stand_before_or_after_the_command_and_serve_is_the_default() {
    for words in ["--config.file a.toml", "--config.file=a.toml serve", "serve --config.file a.toml"] {
        let cli = read(words).unwrap();
        assert_eq!(cli.command(), Command::Serve, "{words}");
        assert_eq!(cli.flags.config_file().unwrap().to_str(), Some("a.toml"), "{words}");
    }
    for words in ["--log.level debug check --reach", "check --reach --log.level=debug"] {
        let cli = read(words).unwrap();
        assert_eq!(
            cli.command(),
            Command::Check(CheckArgs { reach: true, format: CheckFormat::Text }),
            "{words}"
        );
        assert_eq!(cli.flags.log_level(&cli.command()), LogLevel::Debug, "{words}");
    }
    let cli = read("demo --dir x --rows-per-minute 600 --log.format json").unwrap();
    let demo =
        DemoArgs { dir: Some(PathBuf::from("x")), rows_per_minute: NonZeroU32::new(600), history: None };
    assert_eq!(cli.command(), Command::Demo(demo));
    assert_eq!((cli.flags.log_format(), cli.flags.errors_are_logged()), (LogFormat::Json, true));
    assert_eq!(cli.flags.log_level(&cli.command()), LogLevel::Warn);
    let unasked = read("serve").unwrap().flags;
    assert_eq!(unasked.log_level(&Command::Serve), LogLevel::Info);
    assert_eq!((unasked.log_format(), unasked.errors_are_logged()), (LogFormat::Logfmt, false));
}

#[test]
fn the_quarantine_wants_keys_or_all() {
    let action = |words: &str| match read(words).map(|cli| cli.command()) {
        Ok(Command::Quarantine(args)) => Some(args.action),
        _ => None,
    };
    let keys = vec!["a/b".to_owned(), "s3://bucket/c".to_owned()];
    let some = Selection { keys, all: false };
    let all = Selection { keys: Vec::new(), all: true };
    assert_eq!(action("quarantine list --config.file x"), Some(QuarantineAction::List));
    assert_eq!(action("quarantine retry a/b s3://bucket/c"), Some(QuarantineAction::Retry(some)));
    assert_eq!(action("--config.file x quarantine drop --all"), Some(QuarantineAction::Drop(all)));
    for words in ["quarantine", "quarantine retry", "quarantine drop --all a/b", "quarantine list a/b"] {
        assert_eq!(read(words).unwrap_err().exit_code(), i32::from(EXIT_USAGE), "{words}");
    }
}

#[test]
fn the_listen_address_is_repeatable_and_has_a_default() {
    let cli = read("--web.listen-address :9843 --web.listen-address [::1]:0").unwrap();
    let typed: Vec<_> = cli.flags.listen_addresses(ListenHost::All).iter().map(ToString::to_string).collect();
    assert_eq!(typed, [":9843", "[::1]:0"]);
    let default = read("").unwrap().flags.listen_addresses(ListenHost::All);
    assert_eq!(default, [":9843".parse().unwrap()]);
}

#[test]
fn addresses_are_read_or_refused() {
    for text in [":0", "127.0.0.1:9843", "[::]:9843", "[fe80::1]:80", "localhost:9843", "metrics.example:80"]
    {
        assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
    }
    for text in
        ["", "9843", "localhost", ":", ":65536", "::1:80", "[::1]", "[1.2.3.4]:80", "a b:80", "http://x:80"]
    {
        assert_eq!(text.parse::<ListenAddress>(), Err(ListenAddressError), "{text}");
    }
}

#[test]
fn what_is_missing_or_not_supported_is_said() {
    let cli = read("serve").unwrap();
    assert_eq!(cli.flags.config_file(), Err(UsageError::NoConfigFile));
    assert_eq!(cli.flags.reject_unsupported(&cli.command()), Ok(()));
    for flag in ["--web.config.file web.yml", "--web.enable-lifecycle"] {
        let cli = read(&format!("serve {flag}")).unwrap();
        assert_eq!(cli.flags.reject_unsupported(&cli.command()), Ok(()));
        let cli = read(&format!("demo {flag}")).unwrap();
        let refused = cli.flags.reject_unsupported(&cli.command()).unwrap_err();
        assert_eq!(refused, UsageError::NotInDemo { flag: flag.split(' ').next().unwrap() });
    }
}

#[test]
fn a_flag_stands_only_under_the_commands_that_take_it() {
    let commands =
        ["serve", "demo", "check", "config", "quarantine", "export-history", "recount", "healthcheck"];
    let rest = [("config", "minimal"), ("quarantine", "list"), ("recount", "--from 2025-12-09")];
    for command in commands {
        let help = read(&format!("{command} --help")).unwrap_err().to_string();
        let more = rest.iter().find(|(of, _)| *of == command).map_or("", |(_, more)| *more);
        for (flag, takers) in FLAGS {
            let taken = takers.contains(&command);
            assert_eq!(
                help.contains(&format!("--{flag}")),
                taken,
                "--{flag} in the help of {command}: {help}"
            );
            let value = match flag {
                "web.enable-lifecycle" => "",
                "web.listen-address" => "=:1",
                _ => "=x",
            };
            for words in
                [format!("--{flag}{value} {command} {more}"), format!("{command} {more} --{flag}{value}")]
            {
                let cli = read(&words).unwrap();
                assert_eq!(cli.flags.reject_unsupported(&cli.command()).is_ok(), taken, "{words}");
            }
        }
        assert!(help.contains("--log.level"), "{help}");
    }
    let cli = read("check --web.listen-address :1").unwrap();
    let refused = cli.flags.reject_unsupported(&cli.command()).unwrap_err().to_string();
    assert_eq!(refused, "--web.listen-address is not a flag of `check`: remove it");
    let list = read("quarantine list --help").unwrap_err().to_string();
    assert!(!list.contains("--web.") && list.contains("--config.file"), "{list}");
    let usage = read("recount --help").unwrap_err().to_string();
    assert!(usage.contains("recount --config.file <FILE> --from <TIME> [--to <TIME>]"), "{usage}");
}

#[test]
fn exit_codes_are_those_of_the_contract() {
    for words in ["--help", "--version", "demo --help"] {
        assert_eq!(read(words).unwrap_err().exit_code(), 0, "{words}");
    }
    for words in ["--nonsense", "frobnicate", "--log.level loud", "demo --rows-per-minute 0", "--config.file"]
    {
        assert_eq!(read(words).unwrap_err().exit_code(), i32::from(EXIT_USAGE), "{words}");
    }
}
