//! Port groups (semantics 5.1 and 5.2).

use super::*;

pub(super) fn cases() -> Vec<Case> {
    let ports = |src: Option<i64>, dst: Option<i64>| {
        edit(flow(A1, A2), |row| {
            row.srcport = src;
            row.dstport = dst;
        })
    };
    let in_group = |group| counted("1a", "1a").group(group);
    let destination = |config: &mut OracleConfig| config.port_match = "destination";
    let mut cases = vec![
        case("the destination port's group", ports(Some(40_000), Some(4080)), in_group("gateway")),
        case("the source port's group: a reply", ports(Some(4080), Some(40_000)), in_group("gateway")),
        case("the destination port first", ports(Some(4080), Some(4101)), in_group("loki-http")),
        case("no group", ports(Some(40_000), Some(50_000)), in_group("other")),
        case("destination only: its group", ports(Some(40_000), Some(4080)), in_group("gateway"))
            .config(destination),
        case("destination only: not the source's", ports(Some(4080), Some(40_000)), in_group("other"))
            .config(destination),
        case("no destination port: the source's", ports(Some(4080), None), in_group("gateway")),
        case("no source port", ports(None, Some(4080)), in_group("gateway")),
        case("no ports", ports(None, None), in_group("other")),
        case("no port columns", ports(Some(4080), Some(4080)), in_group("other"))
            .without(&["srcport", "dstport"]),
        case("no destination port column", ports(Some(4080), Some(4101)), in_group("gateway"))
            .without(&["dstport"]),
        case("no source port column", ports(Some(4080), Some(40_000)), in_group("other"))
            .without(&["srcport"]),
        case("no groups configured", ports(Some(4080), Some(4101)), in_group("other"))
            .config(|config| config.port_groups.clear()),
        case("ports 0 and 65535 in a group", ports(Some(0), Some(65_535)), in_group("ends"))
            .config(|config| config.port_groups.push(("ends".to_string(), vec![(0, 0), (65_535, 65_535)]))),
    ];
    for (port, group) in
        [(4100, "other"), (4101, "loki-http"), (4102, "loki-http"), (4107, "loki-http"), (4108, "other")]
    {
        cases.push(case(format!("port {port}"), ports(Some(40_000), Some(port)), in_group(group)));
    }
    cases
}
