//! `check --reach`, the program itself against a folder.

use std::{
    path::Path,
    process::{Command, Output},
};

use flowcost_exporter::{
    decode::encode::{Column, EncodeOptions, parquet},
    demo::Cluster,
    model::Timestamp,
};

use crate::support::now;

const A: u64 = 111_111_111_111;

/// The folder of today, or of this hour, in a layout.
fn folder(layout: &str) -> String {
    let utc = now().to_utc().unwrap();
    let (year, month, day, hour) = (utc.year(), u8::from(utc.month()), utc.day(), utc.hour());
    let plain = format!("AWSLogs/{A}/vpcflowlogs/us-east-1/{year}/{month:02}/{day:02}");
    let hive = format!(
        "AWSLogs/aws-account-id={A}/aws-service=vpcflowlogs/aws-region=us-east-1/year={year}/month={month:02}/day={day:02}"
    );
    match layout {
        "daily" => plain,
        "hourly" => format!("{plain}/{hour:02}"),
        "hive-daily" => hive,
        "hive-hourly" => format!("{hive}/hour={hour:02}"),
        other => panic!("{other}"),
    }
}

fn records(columns: &[Column]) -> Vec<u8> {
    let records = Cluster::new(7).records(Timestamp(now().0 - 300), 300, 20);
    parquet(&records, &EncodeOptions { columns, ..EncodeOptions::default() }).unwrap()
}

fn write(logs: &Path, layout: &str, flow_log: &str, extension: &str, content: impl AsRef<[u8]>) {
    let folder = logs.join(folder(layout));
    std::fs::create_dir_all(&folder).unwrap();
    let name = format!("{A}_vpcflowlogs_us-east-1_{flow_log}_20260310T0000Z_abcd.{extension}");
    std::fs::write(folder.join(name), content).unwrap();
}

/// A temporary folder with a configuration for the logs in it.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "[state]\npath = \"{0}/flowcost.db\"\n\
         [[source]]\nname = \"folder\"\nurl = \"file://{0}/logs/\"\nregion = \"us-east-1\"\n",
        dir.path().display()
    );
    std::fs::write(dir.path().join("flowcost.toml"), config).unwrap();
    std::fs::create_dir(dir.path().join("logs")).unwrap();
    dir
}

fn reach(dir: &tempfile::TempDir) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_flowcost-exporter"))
        .args(["check", "--reach", "--config.file"])
        .arg(dir.path().join("flowcost.toml"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text)
}

/// What is said of the object that was opened of a layout and format.
fn opened<'a>(text: &'a str, kind: &str) -> &'a str {
    let begin = text.find(&format!("({kind})\n")).unwrap_or_else(|| panic!("no {kind} in {text}"));
    let rest = &text[begin..];
    rest[1..].find("opened ").map_or(rest, |end| &rest[..=end])
}

#[test]
fn every_layout_and_format_is_named_with_what_it_enables_and_what_is_missing() {
    let dir = place();
    let logs = dir.path().join("logs");
    write(&logs, "hive-hourly", "fl-0a", "log.parquet", records(Column::ALL));
    write(&logs, "hive-hourly", "fl-0b", "log.parquet", records(Column::ALL));
    write(&logs, "daily", "fl-0c", "log.parquet", records(Column::V2));
    // What it is by its name; what it holds, its first bytes say.
    write(&logs, "hourly", "fl-0d", "log.gz", records(Column::V5));
    std::fs::write(logs.join(folder("daily")).join("notes.txt"), "x").unwrap();
    let (output, text) = reach(&dir);
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "found hive-hourly, Parquet: 2 objects of fl-0a, fl-0b\n",
        "found daily, Parquet: 1 object of fl-0c\n",
        "found hourly, text: 1 object of fl-0d\n",
        "other keys: 1\n",
        "check: ok\n",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    let all = opened(&text, "hive-hourly, Parquet");
    assert!(!all.contains("  no   ") && !all.contains("for the rest"), "{all}");
    let two = opened(&text, "daily, Parquet");
    assert!(two.contains("yes  packets\n") && two.contains("no   vantage sender"), "{two}");
    let rest = two.lines().find(|line| line.contains("for the rest")).unwrap();
    for field in ["flow-direction", "az-id", "pkt-srcaddr", "traffic-path"] {
        assert!(rest.contains(field), "{rest}");
    }
    let five = opened(&text, "hourly, text");
    assert!(five.contains("yes  vantage sender") && five.contains("next-hop-az-id"), "{five}");
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_still_told() {
    let dir = place();
    let logs = dir.path().join("logs");
    write(&logs, "daily", "fl-0a", "log.parquet", records(Column::ALL));
    write(&logs, "hive-daily", "fl-0b", "log.parquet", "this is no flow log");
    let cut = records(Column::ALL);
    write(&logs, "hive-hourly", "fl-0c", "log.parquet", &cut[..cut.len() - 9]);
    let (output, text) = reach(&dir);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(opened(&text, "daily, Parquet").contains("yes  zone aws"), "{text}");
    for kind in ["hive-daily, Parquet", "hive-hourly, Parquet"] {
        assert!(opened(&text, kind).contains("would be quarantined: "), "{text}");
    }
    assert!(text.contains("2 of what was opened cannot be read\n"), "{text}");
}

#[test]
fn a_folder_without_flow_logs_is_said_to_be_so() {
    let dir = place();
    let (output, text) = reach(&dir);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("look at url and layout"), "{text}");
    write(&dir.path().join("logs"), "daily", "fl-0a", "csv", "x");
    let (output, text) = reach(&dir);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("other keys: 1\n") && text.contains("is the flow log active"), "{text}");
}
