//! Configurations: each folder of tests/configs has a file that is typed, and what comes of it.
//!
//! `in.toml` is the file, `environment` (optional) has NAME=value lines, and either `expected` has the summary of a valid
//! configuration or `error.txt` the whole report of an invalid one. UPDATE_GOLDEN=1 writes them anew.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use flowcost_exporter::{classify::Classifier, config::Config};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A state path that can be written, as the environment of a test.
fn writable_state() -> (tempfile::TempDir, Vec<(String, String)>) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("flowcost.db").display().to_string();
    (dir, vec![("FLOWCOST__STATE__PATH".to_owned(), path)])
}

fn environment(case: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(case.join("environment")).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

#[test]
fn every_case_is_read_as_it_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut cases: Vec<PathBuf> = fs::read_dir(folder("tests/configs"))
        .expect("the cases")
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() > 20, "the cases are gone");
    let mut wrong = Vec::new();
    for case in cases {
        let text = fs::read_to_string(case.join("in.toml")).expect("in.toml");
        let (file, other, got) = match Config::parse("in.toml", &text, &environment(&case)) {
            Ok(config) => ("expected", "error.txt", config.to_string()),
            Err(error) => ("error.txt", "expected", error.to_string()),
        };
        if update {
            fs::write(case.join(file), &got).expect("write");
            let _ = fs::remove_file(case.join(other));
        } else if fs::read_to_string(case.join(file)).unwrap_or_default() != got || case.join(other).exists()
        {
            wrong.push(format!("{}: {file} should be\n{got}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_shipped_configuration_is_valid_and_warns_of_nothing() {
    let (_dir, environment) = writable_state();
    let mut seen = Vec::new();
    for entry in fs::read_dir(folder("config")).expect("config/") {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let config = Config::load(&path, &environment).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(config.warnings, Vec::<String>::new(), "{}", path.display());
            seen.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    seen.sort();
    assert_eq!(
        seen,
        ["athena-daily.toml", "flowcost.toml", "loki-cluster.toml", "minimal.toml", "nat-gateway.toml"]
    );
}

/// Whether a line of flowcost.toml is a key behind this mark.
fn is_key(line: &str, mark: &str) -> bool {
    line.strip_prefix(mark).and_then(|rest| rest.split_once(" = ")).is_some_and(|(key, _)| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    })
}

/// flowcost.toml with some of its comments taken away.
fn uncommented(text: &str, mark: &str, take: impl Fn(usize, &str) -> bool) -> String {
    let line = |(number, line): (usize, &str)| {
        let text = if take(number, line) { line.strip_prefix(mark).unwrap_or(line) } else { line };
        format!("{text}\n")
    };
    text.lines().enumerate().map(line).collect()
}

#[test]
fn the_commented_defaults_are_the_defaults() {
    let (_dir, mut environment) = writable_state();
    let text = fs::read_to_string(folder("config/flowcost.toml")).expect("flowcost.toml");
    let base = Config::parse("flowcost.toml", &text, &environment).expect("valid as it is");
    let defaults: Vec<usize> =
        text.lines().enumerate().filter(|(_, line)| is_key(line, "#")).map(|(number, _)| number).collect();
    assert!(defaults.len() >= 20, "{} defaults", defaults.len());
    for number in &defaults {
        let line = text.lines().nth(*number).unwrap();
        if line.starts_with("#path = ") {
            continue; // below: it is the one that the environment of this test sets
        }
        let one = uncommented(&text, "#", |at, _| at == *number);
        assert_eq!(Config::parse("flowcost.toml", &one, &environment).as_ref(), Ok(&base), "{line}");
    }
    let all = uncommented(&text, "#", |at, _| defaults.contains(&at));
    assert_eq!(Config::parse("flowcost.toml", &all, &environment).as_ref(), Ok(&base), "all at once");
    environment.clear();
    let left_out = Config::parse("flowcost.toml", &text, &environment).expect("state beside the tests");
    assert_eq!(Config::parse("flowcost.toml", &all, &environment), Ok(left_out));
}

#[test]
fn the_commented_examples_are_valid() {
    let (_dir, environment) = writable_state();
    let text = fs::read_to_string(folder("config/flowcost.toml")).expect("flowcost.toml");
    let example = |line: &str| is_key(line, "# ") || line.starts_with("# [");
    let all = uncommented(&text, "# ", |_, line| example(line))
        .replace("/etc/flowcost/ip-ranges.json", "tests/configs/aws/ip-ranges.json");
    let config = Config::parse("flowcost.toml", &all, &environment).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.warnings, Vec::<String>::new());
    let rules = &config.rules;
    assert_eq!((rules.zones.len(), rules.port_groups.len(), rules.gateways.len()), (3, 1, 1));
    assert_eq!((rules.forwarders.len(), rules.services.len(), rules.no_charge.len()), (1, 1, 1));
    assert_eq!((rules.peered.len(), rules.public_nets.len(), config.prices.tiers.len()), (1, 2, 1));
    assert!(config.ip_ranges().is_some());
}

#[test]
fn the_commented_configuration_has_every_key() {
    let text = fs::read_to_string(folder("config/flowcost.toml")).expect("flowcost.toml");
    // Ask the parser itself: an unknown key in each table makes it list the known ones.
    let probe = "[state]\nqqqqqqqq = 1\n[ingest]\nqqqqqqqq = 1\n[[source]]\nqqqqqqqq = 1\n[[zone]]\nqqqqqqqq = 1\n\
                 [[port_group]]\nqqqqqqqq = 1\n[ports]\nqqqqqqqq = 1\n[[nat_gateway]]\nqqqqqqqq = 1\n\
                 [[forwarder]]\nqqqqqqqq = 1\n[[service]]\nqqqqqqqq = 1\n\
                 [aws]\nqqqqqqqq = 1\npublic_cidrs = [{qqqqqqqq = 1}]\n[counting]\nqqqqqqqq = 1\n\
                 [prices]\nqqqqqqqq = 1\nno_charge = [{qqqqqqqq = 1}]\n[prices.regions.us-east-1]\nqqqqqqqq = 1\n\
                 tiers = { qqqqqqqq = 1, inter_az = [{qqqqqqqq = 1}]}\n[budget]\nqqqqqqqq = 1\n[limits]\nqqqqqqqq = 1\n";
    let error = Config::parse("probe", probe, &[]).expect_err("full of unknown keys");
    let lists: Vec<&str> = error
        .problems
        .iter()
        .filter_map(|problem| problem.wanted.strip_prefix("unknown key; the keys here are "))
        .collect();
    assert_eq!(lists.len(), 19, "one for each table");
    for key in lists.iter().flat_map(|list| list.split(", ")) {
        let shown = text.contains(&format!("{key} = ")) || text.contains(&format!("[prices.{key}."));
        assert!(shown, "config/flowcost.toml does not show {key}");
    }
}

#[test]
fn the_filters_of_a_source_have_a_short_name() {
    let (_dir, environment) = writable_state();
    let filters = |lists: &str| {
        let text =
            format!("[[source]]\nname = \"s\"\nurl = \"s3://flow-logs/\"\nregion = \"us-east-1\"\n{lists}\n");
        Config::parse("in.toml", &text, &environment).unwrap().sources[0].filters()
    };
    assert_eq!(filters(""), "none");
    let two = filters("accounts = [\"111111111111\", \"222222222222\"]");
    assert!(two.len() == 8 && two.bytes().all(|byte| byte.is_ascii_hexdigit()), "{two}");
    assert_eq!(filters("accounts = [\"222222222222\", \"111111111111\"]"), two);
    let others = ["accounts = [\"111111111111\"]", "regions = [\"us-east-1\"]", "flow_log_ids = [\"fl-1\"]"];
    for other in others {
        assert_ne!(filters(other), two, "{other}");
    }
}

#[test]
fn the_policy_asks_for_two_actions_and_no_more() {
    let policy = fs::read_to_string(folder("config/iam-policy.json")).expect("iam-policy.json");
    let mut actions: Vec<&str> = policy
        .split('"')
        .filter(|word| word.starts_with("s3:") || word.contains('*') && !word.starts_with("arn:"))
        .collect();
    actions.sort_unstable();
    assert_eq!(actions, ["s3:GetObject", "s3:ListBucket"]);
}

#[test]
fn a_missing_large_or_binary_file_is_said_to_be_so() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let report = |name: &str| Config::load(&dir.path().join(name), &[]).expect_err(name).to_string();
    assert!(report("none.toml").contains("does not exist"));
    fs::write(dir.path().join("binary.toml"), [0xff, 0xfe, 0x00]).unwrap();
    assert!(report("binary.toml").contains("not text in UTF-8"));
    fs::write(dir.path().join("large.toml"), vec![b'#'; (16 << 20) + 1]).unwrap();
    assert!(report("large.toml").contains("larger than"));
    assert!(report("").contains("cannot be read"), "a folder");
}

#[test]
fn the_state_folder_must_take_new_files() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let text = fs::read_to_string(folder("config/minimal.toml")).expect("minimal.toml");
    let load = |path: &Path| {
        let environment = vec![("FLOWCOST__STATE__PATH".to_owned(), path.display().to_string())];
        Config::parse("minimal.toml", &text, &environment)
    };
    let path = dir.path().join("flowcost.db");
    assert_eq!(load(&path).expect("an empty folder").state, path);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the trial leaves nothing behind");
    let report = load(dir.path()).expect_err("a folder").to_string();
    assert!(report.contains("is a folder") && report.contains("FLOWCOST__STATE__PATH"), "{report}");
    // Where even root may not write.
    let report = load(Path::new("/proc/flowcost.db")).expect_err("no place for files").to_string();
    assert!(report.contains("cannot be written"), "{report}");
}

/// A configuration of many networks.
fn many_networks(
    zones: usize,
    of_each: usize,
    scope: impl Fn(usize) -> String,
    first: impl Fn(usize) -> u32,
) -> String {
    let mut text =
        String::from("[[source]]\nname = \"s\"\nurl = \"s3://flow-logs/\"\nregion = \"us-east-1\"\n");
    for zone in 0..zones {
        let network = |at: usize| {
            let address =
                std::net::Ipv4Addr::from(0x0a00_0000 + (first(zone) + u32::try_from(at).unwrap()) * 64);
            format!("\"{address}/26\"")
        };
        let cidrs: Vec<String> = (0..of_each).map(network).collect();
        let az = zone % 6 + 1;
        text += &format!(
            "[[zone]]\nname = \"zone {zone}\"\naz_id = \"use1-az{az}\"\ncidrs = [{}]\n",
            cidrs.join(", ")
        );
        text += &scope(zone);
    }
    text
}

/// 40,000 networks in 400 zones take a fraction of a second, and the time must not grow with the square of zones that
/// share them.
#[test]
fn forty_thousand_networks_load_at_once() {
    let (_dir, environment) = writable_state();
    let account = |zone| format!("accounts = [\"{zone:012}\"]\n");
    let load = |text: &str| {
        let began = Instant::now();
        let config = Config::parse("large", text, &environment).unwrap_or_else(|error| panic!("{error}"));
        (config, began.elapsed())
    };
    let apart = many_networks(400, 100, |_| String::new(), |zone| u32::try_from(zone * 100).unwrap());
    for text in [apart, many_networks(400, 100, account, |_| 0)] {
        let (config, loaded) = load(&text);
        let began = Instant::now();
        let scope = config.sources[0].scope();
        let classifier = Classifier::new(config.rules.clone(), &scope, config.prices.clone(), None);
        let built = began.elapsed();
        println!("{} bytes: read in {loaded:?}, classifier in {built:?}", text.len());
        assert!(loaded + built < Duration::from_secs(10), "{loaded:?} and {built:?}");
        drop(classifier);
    }
    // Each account has the same network: all pairs of these zones are 200 millions.
    let (_, loaded) = load(&many_networks(20_000, 1, account, |_| 0));
    println!("20,000 accounts with one network: read in {loaded:?}");
    assert!(loaded < Duration::from_secs(20), "{loaded:?}");
}

#[test]
fn more_zones_than_have_numbers_are_refused() {
    let text = many_networks(65_001, 0, |_| String::new(), |_| 0);
    let error = Config::parse("large", &text, &[]).expect_err("too many zones").to_string();
    assert!(error.contains("has 65001 zones; 65000 are the most there can be"), "{error}");
}
