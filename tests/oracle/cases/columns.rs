//! Columns, nulls, bad rows, outcomes: section 1 of docs/semantics.md.

use super::super::version_2;
use super::*;

pub(super) fn cases() -> Vec<Case> {
    [endpoints(), statuses(), bad_rows(), unreadable(), actions(), whole_objects()]
        .into_iter()
        .flatten()
        .collect()
}

/// Semantics 1.3, 1.4, 1.9, 1.11 and 1.12.
fn endpoints() -> Vec<Case> {
    let no_packets = ["pkt_srcaddr", "pkt_dstaddr"];
    vec![
        case("plain and packet addresses agree", flow(A1, C1), crossing("1a", "1c")),
        case("the packet addresses are the endpoints", seen("egress", P1, A2, A1, C1), crossing("1a", "1c")),
        case("packet address `-`: the plain one", seen("egress", A1, C1, "-", "-"), crossing("1a", "1c")),
        case("packet address empty: the plain one", seen("egress", A1, C1, "", ""), crossing("1a", "1c")),
        case(
            "packet address null: the plain one",
            edit(flow(A1, C1), |row| {
                row.pkt_srcaddr = None;
                row.pkt_dstaddr = None;
            }),
            crossing("1a", "1c"),
        ),
        case(
            "one packet address null: each side for itself",
            seen("egress", A1, A2, "-", C1),
            crossing("1a", "1c"),
        ),
        case("no packet columns", flow(A1, C1), crossing("1a", "1c")).without(&no_packets),
        case("no plain columns", flow(A1, C1), crossing("1a", "1c")).without(&["srcaddr", "dstaddr"]),
        case("plain source and packet destination only", flow(A1, C1), crossing("1a", "1c"))
            .without(&["pkt_srcaddr", "dstaddr"]),
        case("packet source and plain destination only", flow(A1, C1), crossing("1a", "1c"))
            .without(&["srcaddr", "pkt_dstaddr"]),
        case("version 2 columns", flow(A1, C1), crossing("1a", "1c")).only(version_2()),
        case("required columns only", flow(A1, C1), crossing("1a", "1c"))
            .only(Columns::from(["bytes", "srcaddr", "dstaddr"])),
        case("IPv6 endpoints", flow(A6, C6), crossing("1a", "1c")),
        case("IPv4-mapped IPv6 is IPv4", flow("::ffff:10.0.128.10", "::FFFF:a00:840a"), crossing("1a", "1c")),
        case("no bytes column", flow(A1, C1), Expect::Quarantined).without(&["bytes"]),
        case("no source column", flow(A1, C1), Expect::Quarantined).without(&["srcaddr", "pkt_srcaddr"]),
        case("no destination column", flow(A1, C1), Expect::Quarantined).without(&["dstaddr", "pkt_dstaddr"]),
        case("no packets column: 0 packets", flow(A1, C1), crossing("1a", "1c")).without(&["packets"]),
        case("packets null: 0 packets", edit(flow(A1, C1), |row| row.packets = None), crossing("1a", "1c")),
        case(
            "zero bytes count as a flow",
            edit(flow(A1, A2), |row| {
                row.bytes = Some(0);
                row.packets = Some(0);
            }),
            counted("1a", "1a"),
        ),
    ]
}

fn silent() -> Row {
    Row { log_status: s("NODATA"), interface_id: s("eni-pod"), start: Some(START), ..Row::default() }
}

/// Semantics 1.13 and 1.16.
fn statuses() -> Vec<Case> {
    vec![
        case("NODATA", silent(), Expect::Dropped("nodata")),
        case("SKIPDATA", edit(silent(), |row| row.log_status = s("SKIPDATA")), Expect::Dropped("skipdata")),
        case(
            "NODATA is not a bad row, whatever else it says",
            edit(flow("nonsense", C1), |row| {
                row.log_status = s("NODATA");
                row.bytes = Some(-1);
                row.dstport = Some(70_000);
            }),
            Expect::Dropped("nodata"),
        ),
        case(
            "SKIPDATA is not rejected",
            edit(flow(A1, C1), |row| {
                row.log_status = s("SKIPDATA");
                row.action = s("REJECT");
            }),
            Expect::Dropped("skipdata"),
        ),
        case("no log_status column, nothing in it", silent(), Expect::Dropped("nodata"))
            .without(&["log_status"]),
        case(
            "no log_status column, addresses `-`",
            edit(silent(), |row| {
                row.srcaddr = s("-");
                row.dstaddr = s("");
            }),
            Expect::Dropped("nodata"),
        )
        .without(&["log_status"]),
        case(
            "log_status null, nothing in it",
            edit(silent(), |row| row.log_status = None),
            Expect::Dropped("nodata"),
        ),
        case(
            "log_status `-`, nothing in it",
            edit(silent(), |row| row.log_status = s("-")),
            Expect::Dropped("nodata"),
        ),
        case("no log_status column, a record", flow(A1, C1), crossing("1a", "1c")).without(&["log_status"]),
        case(
            "log_status null, a record",
            edit(flow(A1, C1), |row| row.log_status = None),
            crossing("1a", "1c"),
        ),
        case(
            "an unknown log_status counts",
            edit(flow(A1, C1), |row| row.log_status = s("FINE")),
            crossing("1a", "1c"),
        ),
        case(
            "an unknown log_status with nothing in it is bad",
            edit(silent(), |row| row.log_status = s("FINE")),
            Expect::Dropped("bad"),
        ),
    ]
}

/// Semantics 1.15.
fn bad_rows() -> Vec<Case> {
    let mut cases = vec![
        case("OK without bytes", edit(flow(A1, C1), |row| row.bytes = None), Expect::Dropped("bad")),
        case("OK with nothing in it", edit(silent(), |row| row.log_status = s("OK")), Expect::Dropped("bad")),
        case(
            "no status, addresses but no bytes",
            edit(flow(A1, C1), |row| row.bytes = None),
            Expect::Dropped("bad"),
        )
        .without(&["log_status"]),
        case(
            "no status, bytes but no addresses",
            edit(silent(), |row| row.bytes = Some(40)),
            Expect::Dropped("bad"),
        )
        .without(&["log_status"]),
        case("bytes negative", edit(flow(A1, C1), |row| row.bytes = Some(-1)), Expect::Dropped("bad")),
        case("packets negative", edit(flow(A1, C1), |row| row.packets = Some(-1)), Expect::Dropped("bad")),
        case("no source in an OK record", seen("egress", "-", C1, "-", C1), Expect::Dropped("bad")),
        case("no destination in an OK record", seen("egress", A1, "-", A1, ""), Expect::Dropped("bad")),
        case(
            "a text that is not an address, in srcaddr",
            seen("egress", "10.0.0.256", C1, A1, C1),
            Expect::Dropped("bad"),
        ),
        case(
            "a text that is not an address, in dstaddr",
            seen("egress", A1, "host", A1, C1),
            Expect::Dropped("bad"),
        ),
        case(
            "a text that is not an address, in pkt_srcaddr",
            seen("egress", A1, C1, "10.0.0", C1),
            Expect::Dropped("bad"),
        ),
        case(
            "a text that is not an address, in pkt_dstaddr",
            seen("egress", A1, C1, A1, "10.0.0.1/8"),
            Expect::Dropped("bad"),
        ),
        case(
            "a record that is rejected cannot be bad for its numbers",
            edit(flow(A1, C1), |row| {
                row.action = s("REJECT");
                row.bytes = Some(-5);
                row.packets = Some(-5);
                row.dstport = Some(70_000);
            }),
            Expect::Dropped("rejected"),
        ),
        case(
            "a null port is not a port",
            edit(flow(A1, C1), |row| {
                row.srcport = None;
                row.dstport = None;
            }),
            crossing("1a", "1c"),
        ),
        case(
            "the lowest and the highest port",
            edit(flow(A1, C1), |row| {
                row.srcport = Some(0);
                row.dstport = Some(65_535);
            }),
            crossing("1a", "1c"),
        ),
    ];
    for port in [-1, 65_536, 70_000, i64::MAX] {
        cases.push(case(
            format!("source port {port}"),
            edit(flow(A1, C1), |row| row.srcport = Some(port)),
            Expect::Dropped("bad"),
        ));
        cases.push(case(
            format!("destination port {port}"),
            edit(flow(A1, C1), |row| row.dstport = Some(port)),
            Expect::Dropped("bad"),
        ));
    }
    cases
}

/// Semantics 1.8 and 1.10: what is not a whole number is null in times and paths, and bad
/// elsewhere.
fn unreadable() -> Vec<Case> {
    let garble = |row: Row, columns: &[&'static str]| edit(row, |row| row.unreadable.extend(columns));
    let reject = |row: Row| edit(row, |row| row.action = s("REJECT"));
    let mut cases = vec![
        case("the end cannot be read: the start", garble(flow(A1, C1), &["end"]), crossing("1a", "1c")),
        case(
            "neither time can be read: the partition's hour",
            garble(
                edit(flow(A1, C1), |row| {
                    row.start = Some(START + 3600);
                    row.end = Some(START + 3600);
                }),
                &["start", "end"],
            ),
            crossing("1a", "1c"),
        ),
        case(
            "a path that cannot be read is null",
            garble(edit(flow(A1, W1), |row| row.traffic_path = Some(8)), &["traffic_path"]),
            counted("1a", "internet").doubts(&["egress_path"]),
        ),
        case(
            "what cannot be read is not null",
            garble(edit(silent(), |row| row.log_status = None), &["bytes"]),
            Expect::Dropped("bad"),
        ),
        case(
            "a record that is rejected may have numbers that cannot be read",
            reject(garble(flow(A1, C1), &["bytes", "packets", "srcport", "dstport"])),
            Expect::Dropped("rejected"),
        ),
        case(
            "a record that is rejected may have no addresses",
            reject(seen("egress", "-", "-", "-", "-")),
            Expect::Dropped("rejected"),
        ),
        case(
            "a record that is rejected may have addresses that are none",
            reject(seen("egress", "host", C1, A1, C1)),
            Expect::Dropped("rejected"),
        ),
        case(
            "REJECT with nothing in it and no status has no data",
            edit(reject(silent()), |row| row.log_status = None),
            Expect::Dropped("nodata"),
        ),
        case(
            "REJECT without bytes counts as no bytes, where it is asked for",
            reject(edit(flow(A1, A2), |row| row.bytes = None)),
            counted("1a", "1a"),
        )
        .config(|config| config.rejected = true),
        case(
            "REJECT with bytes that cannot be read is bad, where it is asked for",
            reject(garble(flow(A1, A2), &["bytes"])),
            Expect::Dropped("bad"),
        )
        .config(|config| config.rejected = true),
        case(
            "REJECT with a port that is not a port is bad, where it is asked for",
            reject(edit(flow(A1, A2), |row| row.dstport = Some(65_536))),
            Expect::Dropped("bad"),
        )
        .config(|config| config.rejected = true),
    ];
    for column in ["bytes", "packets", "srcport", "dstport"] {
        cases.push(case(
            format!("{column} that cannot be read"),
            garble(flow(A1, C1), &[column]),
            Expect::Dropped("bad"),
        ));
    }
    cases
}

/// Semantics 1.13, and the order of semantics 1.14.
fn actions() -> Vec<Case> {
    let reject = |row: Row| edit(row, |row| row.action = s("REJECT"));
    vec![
        case("REJECT", reject(flow(A1, C1)), Expect::Dropped("rejected")),
        case("REJECT counts where it is asked for", reject(flow(A1, C1)), crossing("1a", "1c"))
            .config(|config| config.rejected = true),
        case(
            "REJECT as the other side, where it is asked for, is charged",
            reject(ingress(A1, C1)),
            crossing("1a", "1c").other_side(),
        )
        .config(|config| config.rejected = true),
        case("REJECT before other_side", reject(ingress(A1, C1)), Expect::Dropped("rejected")),
        case(
            "REJECT before nat_public_leg",
            reject(edit(flow(NA, W1), |row| row.interface_id = s("eni-nat-a"))),
            Expect::Dropped("rejected"),
        ),
        case(
            "an unknown action counts",
            edit(flow(A1, C1), |row| row.action = s("MAYBE")),
            crossing("1a", "1c"),
        ),
        case("action null counts", edit(flow(A1, C1), |row| row.action = None), crossing("1a", "1c")),
        case("no action column", flow(A1, C1), crossing("1a", "1c")).without(&["action"]),
    ]
}

/// Semantics 1.18 and 1.19.
fn whole_objects() -> Vec<Case> {
    let bad = || edit(flow(A1, A2), |row| row.bytes = Some(-1));
    let huge = |src, dst| edit(flow(src, dst), |row| row.bytes = Some(i64::MAX));
    let traffic = |rows: &[([&str; 4], [u128; 4])]| {
        let series = |key| case("", flow(A1, A2), Expect::Quarantined).series(key, false);
        rows.iter().map(|(key, sums)| ((HOUR, series(*key)), *sums)).collect()
    };
    let max = i64::MAX as u128;
    vec![
        case("one bad row more than the limit: nothing counts", flow(A1, A2), Expect::Quarantined)
            .and_rows([bad()])
            .config(|config| config.bad_rows_per_object = 0),
        case(
            "as many bad rows as the limit",
            flow(A1, A2),
            Expect::Tables(Tables {
                records: BTreeMap::from([("counted".to_string(), 1), ("bad".to_string(), 2)]),
                traffic: traffic(&[(["1a", "1a", "other", "none"], [1, 1_000, GIB as u128, 0])]),
                ..Tables::default()
            }),
        )
        .and_rows([bad(), bad()])
        .config(|config| config.bad_rows_per_object = 2),
        case(
            "records of one key add up",
            flow(A1, A2),
            Expect::Tables(Tables {
                records: BTreeMap::from([("counted".to_string(), 3)]),
                traffic: traffic(&[(["1a", "1a", "other", "none"], [3, 3_000, 3 * GIB as u128, 0])]),
                ..Tables::default()
            }),
        )
        .and_rows([flow(A2, A1), flow(A1, A1)]),
        case("bytes overflow", huge(A1, A2), Expect::Quarantined).and_rows([flow(A1, A2)]),
        case("packets overflow", flow(A1, A2), Expect::Quarantined)
            .and_rows([edit(flow(A1, A2), |row| row.packets = Some(i64::MAX))]),
        // Each of the two sums is not too large, but that of their doubt is.
        case("doubts overflow", huge(A1, P1), Expect::Quarantined).and_rows([huge(C1, P1)]),
        case(
            "the largest sum that is not too large",
            edit(flow(A1, A2), |row| row.bytes = Some(i64::MAX - 1)),
            Expect::Tables(Tables {
                records: BTreeMap::from([("counted".to_string(), 2)]),
                traffic: traffic(&[(["1a", "1a", "other", "none"], [2, 2_000, max, 0])]),
                ..Tables::default()
            }),
        )
        .and_rows([edit(flow(A1, A2), |row| row.bytes = Some(1))]),
        case(
            "keys overflow each for itself",
            huge(A1, A2),
            Expect::Tables(Tables {
                records: BTreeMap::from([("counted".to_string(), 2)]),
                traffic: traffic(&[
                    (["1a", "1a", "other", "none"], [1, 1_000, max, 0]),
                    (["1c", "1c", "other", "none"], [1, 1_000, max, 0]),
                ]),
                ..Tables::default()
            }),
        )
        .and_rows([huge(C1, C1)]),
    ]
}
