use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::Hour;

/// Tuesday 2025-12-09, 14:02:03 UTC.
const NOW: Timestamp = Timestamp(1_765_288_923);

/// All files below a folder, relative to it, with their content.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

fn logs(dir: &Path) -> LogFolder {
    LogFolder::new(dir.to_owned(), Cluster::new(SEED))
}

/// `now` a whole hour and a bit after the beginning of a short history.
fn young(dir: &Path) -> Vec<PathBuf> {
    for slot in 0..576 - 15 {
        // Slots that are filled already, so that only the last 15 are written.
        let slot = Timestamp(slot_of(NOW).0 - 2 * 86_400 + slot * 300);
        let path = dir.join(file_path(slot, 0));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    logs(dir).write_history(NOW, 2).unwrap()
}

#[test]
fn paths_are_those_of_the_hive_hourly_layout() {
    assert_eq!(slot_of(NOW), Timestamp(1_765_288_800));
    assert_eq!(
        file_path(slot_of(NOW), 0xab),
        "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2025/month=12/day=09/\
         hour=14/123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20251209T1400Z_000000ab.log.parquet"
    );
    assert!(file_path(Timestamp(951_782_100), 1).contains("month=02/day=28/hour=23/"));
    assert!(partition(Hour(0)).ends_with("year=1970/month=01/day=01/hour=00"));
}

#[test]
fn history_is_the_same_everywhere_and_is_written_once() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let written = young(one.path());
    assert_eq!(written.len(), 15);
    young(two.path());
    let before = tree(one.path());
    assert_eq!(before, tree(two.path()), "same names, same bytes");
    assert!(before.keys().all(|name| !name.ends_with(".part")));
    assert_eq!(logs(one.path()).write_history(NOW, 2).unwrap(), Vec::<PathBuf>::new());
    assert_eq!(tree(one.path()), before);
    let later = NOW.plus(Duration::from_secs(600));
    assert_eq!(logs(one.path()).write_history(later, 2).unwrap().len(), 2, "only the slots since");
    let last = written.last().unwrap().to_str().unwrap();
    assert!(last.contains("_20251209T1355Z_"), "a slot that is not over is not history: {last}");
}

#[test]
fn live_files_are_new_even_for_the_same_stretch() {
    let dir = tempfile::tempdir().unwrap();
    let logs = logs(dir.path());
    let to = NOW.plus(Duration::from_secs(3));
    let paths: BTreeSet<_> = (0..3).map(|_| logs.write_live(NOW, to, 20).unwrap()).collect();
    assert_eq!((paths.len(), tree(dir.path()).len()), (3, 3));
    let across = logs.write_live(Timestamp(1_765_288_798), Timestamp(1_765_288_801), 20).unwrap();
    assert!(across.to_str().unwrap().contains("/hour=14/"), "the slot is that of the last second");
    let before = logs.write_live(Timestamp(1_765_288_797), Timestamp(1_765_288_800), 20).unwrap();
    assert!(before.to_str().unwrap().contains("_20251209T1355Z_"));
}

#[test]
fn a_live_file_never_takes_the_name_of_a_history_file() {
    let dir = tempfile::tempdir().unwrap();
    let slot = slot_of(NOW);
    let live = logs(dir.path()).write_live(slot, Timestamp(slot.0 + 300), HISTORY_ROWS).unwrap();
    let later = Timestamp(slot.0 + 300);
    assert!(logs(dir.path()).is_filled(slot).unwrap());
    let history = logs(dir.path()).write_history(later, 1).unwrap();
    assert!(!history.contains(&live), "what was written live is not written again");
    assert_eq!(history.len(), 287);
}

#[test]
fn a_demo_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    young(dir.path());
    let mut demo = Demo::prepare(Some(dir.path().to_owned()), 600, None, NOW).unwrap();
    assert_eq!(demo.history, Vec::<PathBuf>::new());
    let begun = demo.write_until(NOW).unwrap().expect("the slot up to now");
    assert!(begun.to_str().unwrap().contains("_20251209T1400Z_"));
    assert_eq!(demo.write_until(NOW).unwrap(), None, "no second has passed");
    assert!(demo.write_until(NOW.minus(Duration::from_secs(5))).unwrap().is_none(), "a clock set back");
    assert!(demo.write_until(NOW.plus(Duration::from_secs(2))).unwrap().is_some());

    let files = tree(dir.path()).len();
    let mut again =
        Demo::prepare(Some(dir.path().to_owned()), 600, None, NOW.plus(Duration::from_secs(9))).unwrap();
    assert_eq!(again.write_until(NOW.plus(Duration::from_secs(9))).unwrap(), None, "this slot has files");
    assert_eq!(tree(dir.path()).len(), files);
    assert!(again.write_until(NOW.plus(Duration::from_secs(100_000))).unwrap().is_some(), "a laptop asleep");
}

#[test]
fn a_long_history_is_hours_and_then_slots_and_begins_where_the_configuration_says() {
    let dir = tempfile::tempdir().unwrap();
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let short = Demo::prepare(Some(dir.path().to_owned()), 600, days(3), NOW).unwrap();
    // A day in files of an hour, then the rest of the hour two days ago in files of a slot.
    assert_eq!(short.history.len(), 24 + 2 * 288);
    let config: toml::Table = short.config_toml.parse().unwrap();
    assert_eq!(config["ingest"]["start"].as_str(), Some("2025-12-06T14:00:00Z"));
    let first = short.history[0].to_str().unwrap();
    assert!(first.contains("/day=06/hour=14/") && first.contains("_20251206T1400Z_"), "{first}");
    let later = NOW.plus(Duration::from_secs(86_400));
    let again = Demo::prepare(Some(dir.path().to_owned()), 600, days(3), later).unwrap();
    assert_eq!(again.config_toml, short.config_toml, "the folder keeps its past");
    assert_eq!(again.history.len(), 288, "only the day since");
    fs::write(dir.path().join(STATE), "").unwrap();
    let longer = Demo::prepare(Some(dir.path().to_owned()), 600, days(9), later);
    assert!(matches!(longer.err().unwrap(), DemoError::ShorterPast));
}

#[test]
fn the_configuration_is_in_the_folder_and_only_there_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    young(dir.path());
    let demo = Demo::prepare(Some(dir.path().to_owned()), 600, None, NOW).unwrap();
    let path = dir.path().join("flowcost.toml");
    assert_eq!(fs::read_to_string(&path).unwrap(), demo.config_toml);
    assert!(Demo::prepare(Some(dir.path().to_owned()), 600, None, NOW).is_ok(), "its own file");
    fs::write(&path, "[state]\n").unwrap();
    let error = Demo::prepare(Some(dir.path().to_owned()), 600, None, NOW).err().unwrap();
    assert!(matches!(error, DemoError::ForeignConfig(found) if found == path));
    assert_eq!(fs::read_to_string(&path).unwrap(), "[state]\n");
}

#[test]
fn the_configuration_is_toml_and_names_what_the_cluster_has() {
    let text = config_toml(Path::new("/tmp/a \"b\" \\c"));
    let config: toml::Table = text.parse().unwrap();
    assert_eq!(config["state"]["path"].as_str(), Some("/tmp/a \"b\" \\c/flowcost.db"));
    assert_eq!(config["source"][0]["url"].as_str(), Some("file:///tmp/a \"b\" \\c/"));
    assert_eq!(config["zone"].as_array().unwrap().len(), 3);
    for zone in config["zone"].as_array().unwrap() {
        for cidr in zone["cidrs"].as_array().unwrap() {
            let net: ipnet::IpNet = cidr.as_str().unwrap().parse().unwrap();
            assert_eq!(net, net.trunc(), "no host bits");
        }
    }
    let gateway = &config["nat_gateway"][0];
    assert_eq!(gateway["interface_ids"][0].as_str(), Some(NAT_INTERFACE));
    assert_eq!(gateway["private_ips"][0].as_str(), Some("10.0.240.5"));
    assert_eq!(gateway["zone"], config["zone"][0]["name"]);
}

#[test]
fn the_banner_can_be_pasted() {
    let text = banner("127.0.0.1:9843".parse().unwrap(), Path::new("/tmp/it's here"));
    assert!(text.contains("curl -s http://127.0.0.1:9843/metrics"));
    assert!(text.contains(r"sqlite3 -readonly -header '/tmp/it'\''s here/flowcost.db'"));
    assert!(text.contains(r#"targets: ["127.0.0.1:9843"]"#));
    assert_eq!(shell_word("/tmp/plain-1"), "/tmp/plain-1");
}

#[test]
fn the_banner_fits_a_terminal_of_80_by_24() {
    let text = banner("127.0.0.1:9843".parse().unwrap(), Path::new("/tmp/flowcost-demo-1796074693"));
    let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
    assert_eq!(wide, Vec::<&str>::new());
    // One line is left for the cursor.
    assert!(text.lines().count() <= 23, "{} lines", text.lines().count());
}

#[test]
fn what_is_left_is_named_with_its_size() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("AWSLogs")).unwrap();
    fs::write(dir.path().join("AWSLogs/a"), vec![0; 1 << 20]).unwrap();
    fs::write(dir.path().join("flowcost.db"), vec![0; 1 << 20]).unwrap();
    // What lies beside them is the user's own.
    fs::write(dir.path().join("thesis.txt"), vec![b'x'; 3 << 20]).unwrap();
    let said = farewell(dir.path());
    assert!(
        said.contains("2.0 MiB of flow logs and state are left in ") && said.contains("rm -r "),
        "{said}"
    );
}

#[test]
fn without_a_folder_a_new_one_is_made() {
    let (one, two) = (temporary_folder(NOW).unwrap(), temporary_folder(NOW).unwrap());
    assert_ne!(one, two);
    fs::remove_dir(one).unwrap();
    fs::remove_dir(two).unwrap();
}
