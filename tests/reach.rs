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
    // Most of the traffic is there without a zone, as it is in version 2's fields.
    assert_eq!(output.status.code(), Some(1), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "found hive-hourly, Parquet: 2 objects of fl-0a, fl-0b\n",
        "found daily, Parquet: 1 object of fl-0c\n",
        "found hourly, text: 1 object of fl-0d\n",
        "  sample: 4 objects, 80 records, ",
        "have an end without a zone",
        "other keys: 1\n",
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

/// Files of other tools: what is read in another way than it stands there, and what is not read at all.
#[test]
fn files_of_other_tools_are_told_of() {
    let dir = place();
    let logs = dir.path().join("logs");
    let fixture = |name: &str| {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
    };
    write(&logs, "hourly", "fl-0a", "log.parquet", fixture("parquet/pyarrow-epoch-milliseconds.parquet"));
    write(&logs, "daily", "fl-0b", "log.parquet", fixture("refused/encrypted-footer.parquet"));
    write(&logs, "hive-daily", "fl-0c", "log.gz", "{\"message\":\"2 1 eni-1\"}\n");
    let (_, text) = reach(&dir);
    let note = "note start and end are Unix milliseconds, by their size: read as seconds\n";
    assert!(opened(&text, "hourly, Parquet").contains(note), "{text}");
    let encrypted = "would be quarantined: format: the footer is encrypted: write the file without";
    assert!(opened(&text, "daily, Parquet").contains(encrypted), "{text}");
    let firehose =
        "would be quarantined: format: JSON lines of Amazon Data Firehose: let the flow log deliver";
    assert!(opened(&text, "hive-daily, text").contains(firehose), "{text}");
    assert_eq!(text.matches("by their size").count(), 1, "{text}");
    // Times in words are no numbers: the hour is that of the key, which is said.
    let dir = place();
    let row = "10.0.1.4 10.0.1.5 840 2026-03-10T00:00:00Z".to_owned();
    let lines = ["srcaddr dstaddr bytes end".to_owned(), row.clone(), row];
    write_text(&dir.path().join("logs"), "abcd", &lines);
    let (_, text) = reach(&dir);
    let note =
        "note the time is not a number in 2 of the first 2 records: they count in the hour of the key\n";
    assert!(opened(&text, "hourly, text").contains(note), "{text}");
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

/// A text object of this hour, delivered in slot 0000Z like all of [`write`], with the last of a name's parts.
fn write_text(logs: &Path, part: &str, lines: &[String]) {
    let folder = logs.join(folder("hourly"));
    std::fs::create_dir_all(&folder).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, (lines.join("\n") + "\n").as_bytes()).unwrap();
    let name = format!("{A}_vpcflowlogs_us-east-1_fl-0a_20260310T0000Z_{part}.log.gz");
    std::fs::write(folder.join(name), gz.finish().unwrap()).unwrap();
}

/// One record of an instance: its own address and AZ, what it sends, and where to.
fn sends(interface: &str, own: &str, az_id: &str, to: &str, port: u16, bytes: u64) -> String {
    let at = now().0;
    format!("{interface} i-1 {own} {to} {own} {to} 40000 {port} 1 {bytes} {at} {at} {az_id} egress -")
}

const FIELDS: &str = "interface-id instance-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr srcport dstport packets bytes \
                      start end az-id flow-direction interface-type";

/// The lines of configuration that the answer has, without the indentation.
fn toml_of(text: &str) -> String {
    let begin = text.find("to mend it, in the configuration:\n").unwrap_or_else(|| panic!("{text}"));
    let lines = text[begin..].lines().filter(|line| line.starts_with("    "));
    lines.map(|line| line.trim_start().to_owned() + "\n").collect()
}

fn add_to_config(dir: &tempfile::TempDir, toml: &str) {
    let file = dir.path().join("flowcost.toml");
    let config = std::fs::read_to_string(&file).unwrap() + toml;
    std::fs::write(file, config).unwrap();
}

#[test]
fn what_it_says_to_write_makes_the_traffic_known() {
    let dir = place();
    let zones = "[[zone]]\nname = \"a\"\naz_id = \"use1-az1\"\ncidrs = [\"10.0.1.0/24\"]\n";
    add_to_config(&dir, zones);
    let logs = dir.path().join("logs");
    // Twenty objects of one slot: 300 KiB within a zone, 600 KiB towards a network that nothing shows, 100 KiB of an AZ
    // that no zone has.
    for part in 0..20 {
        let lines = [
            FIELDS.to_owned(),
            sends("eni-a", "10.0.1.10", "use1-az1", "10.0.1.11", 443, 15 << 10),
            sends("eni-a", "10.0.1.10", "use1-az1", "10.9.0.7", 9999, 30 << 10),
            sends("eni-b", "10.0.2.10", "use1-az2", "10.0.1.11", 443, 5 << 10),
        ];
        write_text(&logs, &format!("{part:08x}"), &lines);
    }
    let (output, text) = reach(&dir);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for line in [
        "  sample: 20 objects, 60 records, 1000.00 KiB counted\n",
        "     40.0 %  both AZs known\n",
        "     30.0 %  within one AZ\n",
        "     10.0 %  between AZs\n",
        "  doubt unknown_zone: 60.0 %: an end has no zone; see the networks below\n",
        "no zone has, and no AZ id is logged for:\n    #   10.9.0.0/24 (600.00 KiB)\n",
        "no zone has 10.0.2.0/24; interfaces there show use1-az2\n",
        "the busiest ports in \"other\": 9999 (60.0 %), 443 (40.0 %); a name for the first\n",
    ] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    assert_eq!(
        text.lines().last(),
        Some(
            "verdict: 40.0 % of bytes known; 60.0 % have an end without a zone, 2 things to mend above, 1 suggestion above"
        )
    );

    add_to_config(&dir, &toml_of(&text));
    let (output, text) = reach(&dir);
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // A name for a port is nothing that is wrong.
    assert_eq!(
        text.lines().last(),
        Some("verdict: 100.0 % of bytes known; nothing to mend, 1 suggestion above")
    );
    assert!(
        !text.contains("to mend it") && text.contains("  suggestions for the configuration:\n"),
        "{text}"
    );
    add_to_config(&dir, "[[port_group]]\nname = \"web\"\nports = [443]\n");
    let (_, text) = reach(&dir);
    assert_eq!(text.lines().last(), Some("verdict: 100.0 % of bytes known; nothing to mend"));
}

#[test]
fn a_silent_zone_a_forwarder_and_a_nat_gateway_are_named_with_what_to_write() {
    let dir = place();
    add_to_config(&dir, "[[zone]]\nname = \"a\"\ncidrs = [\"10.0.1.0/24\"]\n");
    let at = now().0;
    let nat = |pair: &str, bytes: u32, direction: &str| {
        format!("eni-9 - {pair} 40000 443 1 {bytes} {at} {at} use1-az1 {direction} nat_gateway")
    };
    let lines = [
        FIELDS.to_owned(),
        sends("eni-a", "10.0.1.10", "use1-az1", "10.0.1.11", 443, 1 << 20),
        // An interface that sends what somebody else did.
        format!(
            "eni-f i-f 10.0.1.9 10.0.1.10 203.0.113.9 10.0.1.10 443 40000 1 1 {at} {at} use1-az1 egress -"
        ),
        // Another, of which nothing is said.
        format!(
            "eni-g - 10.0.1.8 10.0.1.10 198.51.100.9 10.0.1.10 443 40000 1 1 {at} {at} use1-az1 egress -"
        ),
        nat("10.0.1.10 10.0.1.200 10.0.1.10 203.0.113.9", 4096, "ingress"),
        nat("10.0.1.200 203.0.113.9 10.0.1.200 203.0.113.9", 4096, "egress"),
    ];
    write_text(&dir.path().join("logs"), "00000000", &lines);
    let (output, text) = reach(&dir);
    for line in [
        "    # AZ ids of the logs are not used, because one zone has none;\n    # in place of [[zone]] \"a\"\n    [[zone]]\n    \
         name = \"a\"\n    az_id = \"use1-az1\"\n    cidrs = [\"10.0.1.0/24\"]\n",
        "eni-f records packets of other hosts",
        "    [[forwarder]]\n    name = \"eni-f\"\n    interface_ids = [\"eni-f\"]\n",
        "    [[nat_gateway]]\n    name = \"eni-9\"\n    interface_ids = [\"eni-9\"]\n    zone = \"a\"\n",
        "    private_ips = [\"10.0.1.200\"]\n",
        "eni-g records packets of other hosts, and no type is logged for it",
        "    interface_ids = [\"eni-g\"]\n    zone = \"a\"\n    private_ips = [\"10.0.1.8\"]\n",
    ] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    assert_eq!(output.status.code(), Some(0), "{text}");
    // All of it can be pasted, the zone in place of the one that is there.
    let file = dir.path().join("flowcost.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let rest = before.replace("[[zone]]\nname = \"a\"\ncidrs = [\"10.0.1.0/24\"]\n", "");
    std::fs::write(&file, rest + &toml_of(&text)).unwrap();
    let (output, pasted) = reach(&dir);
    assert_eq!(output.status.code(), Some(0), "{pasted}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!pasted.contains("AZ ids of the logs are not used"), "{pasted}");
    std::fs::write(&file, before).unwrap();
    // One that is known by its addresses needs no entry.
    add_to_config(
        &dir,
        "[[nat_gateway]]\nname = \"nat\"\nzone = \"a\"\nprivate_ips = [\"10.0.1.200\", \"10.0.1.8\"]\n",
    );
    let (_, text) = reach(&dir);
    assert!(!text.contains("\n    [[nat_gateway]]"), "{text}");
}

#[test]
fn a_sample_is_of_one_slot_and_of_so_many_bytes() {
    let dir = place();
    let logs = dir.path().join("logs");
    for part in 0..60 {
        let lines = [FIELDS.to_owned(), sends("eni-a", "10.0.1.10", "use1-az1", "10.0.1.10", 443, 1 << 20)];
        write_text(&logs, &format!("{part:08x}"), &lines);
    }
    let (output, text) = reach(&dir);
    assert!(text.contains("  sample: 24 objects, 24 records, 24.00 MiB counted\n"), "{text}");
    assert!(
        text.contains("no zone has use1-az1 (24.00 MiB); it is its own label until one does\n"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(0), "{text}");
}

#[test]
fn nothing_counted_is_nothing_known() {
    let dir = place();
    let at = now().0;
    let nodata = format!("eni-a - - - - - - - - - {at} {at} - - -");
    write_text(&dir.path().join("logs"), "00000000", &[FIELDS.to_owned(), nodata]);
    let (output, text) = reach(&dir);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().last(), Some("verdict: no counted traffic in the sample; nothing to mend"));
}

#[test]
fn what_the_lists_of_a_source_keep_out_is_named_with_the_list() {
    let dir = place();
    let logs = dir.path().join("logs");
    write(&logs, "hive-hourly", "fl-0a", "log.parquet", records(Column::ALL));
    write(&logs, "hive-hourly", "fl-0b", "log.parquet", records(Column::ALL));
    let with = |line: &str| {
        let file = dir.path().join("flowcost.toml");
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, before.clone() + line).unwrap();
        let answer = reach(&dir);
        std::fs::write(&file, before).unwrap();
        answer
    };
    let (output, text) = with("accounts = [\"222222222222\"]\n");
    assert_eq!(output.status.code(), Some(1), "{text}");
    let said = "  excluded by accounts = [\"222222222222\"]: 111111111111\n  nothing is left to read: ";
    assert!(text.contains(said), "{text}");
    let (_, text) = with("regions = [\"eu-west-1\"]\n");
    assert!(text.contains("  excluded by regions = [\"eu-west-1\"]: us-east-1\n"), "{text}");
    let (_, text) = with("flow_log_ids = [\"fl-0c\"]\n");
    let said = "  excluded by flow_log_ids = [\"fl-0c\"]: fl-0a (1 object), fl-0b (1 object)\n  nothing is left to read: ";
    assert!(text.contains(said), "{text}");
    let (_, text) = with("flow_log_ids = [\"fl-0b\"]\n");
    assert!(text.contains("  excluded by flow_log_ids = [\"fl-0b\"]: fl-0a (1 object)\n  opened "), "{text}");
}

#[test]
fn a_layout_that_no_longer_fits_is_named_with_a_key() {
    for (wanted, now) in [("hourly", "daily"), ("hourly", "hive-hourly"), ("hive-daily", "hourly")] {
        let dir = place();
        let logs = dir.path().join("logs");
        let config = dir.path().join("flowcost.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let line = format!("layout = \"{wanted}\"\nregion =");
        std::fs::write(&config, text.replacen("region =", &line, 1)).unwrap();
        write(&logs, now, "fl-0b", "log.parquet", records(Column::ALL));
        let (output, text) = reach(&dir);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("not read, other_layout: 1 key like "), "{wanted}, now {now}: {text}");
        assert!(text.contains("set layout = \"auto\""), "{text}");
        write(&logs, wanted, "fl-0a", "log.parquet", records(Column::ALL));
        let (_, text) = reach(&dir);
        assert!(text.contains(&format!("found {wanted}, Parquet: 1 object of fl-0a")), "{text}");
        assert!(text.contains("not read, other_layout: 1 key like "), "{wanted}, now {now}: {text}");
    }
}
