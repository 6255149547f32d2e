//! One record: 5.1 (columns and outcomes), 5.4 (vantage), 5.5 (port group), 5.7 (time).

use super::{
    Columns, Labels, OracleConfig, Part, Row,
    addr::Addr,
    charge,
    nat::{self, Leg},
    zone,
};

/// What became of a record.
pub(super) enum Reading {
    /// An outcome without traffic and without charges.
    Dropped(&'static str),
    /// `counted` or `other_side`.
    Accepted(Accepted),
}

impl Reading {
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Dropped(outcome) => outcome,
            Self::Accepted(record) if record.counted => "counted",
            Self::Accepted(_) => "other_side",
        }
    }
}

pub(super) struct Accepted {
    pub(super) counted: bool,
    pub(super) hour: i64,
    pub(super) labels: Labels,
    pub(super) packets: u128,
    pub(super) bytes: u128,
    pub(super) between_zones: bool,
    pub(super) charges: Vec<&'static str>,
}

/// A record whose addresses have been read: what zones, NAT and charges look at. Nulls are `None`.
pub(super) struct Fields {
    pub(super) interface_id: Option<String>,
    pub(super) resource_id: Option<String>,
    pub(super) interface_type: Option<String>,
    pub(super) az_id: Option<String>,
    pub(super) next_hop_interface_id: Option<String>,
    pub(super) next_hop_interface_type: Option<String>,
    pub(super) next_hop_az_id: Option<String>,
    pub(super) src_service: Option<String>,
    pub(super) dst_service: Option<String>,
    /// `ingress`, `egress`, or `None` for null and for any other word.
    pub(super) direction: Option<String>,
    pub(super) traffic_path: Option<i64>,
    pub(super) plain_src: Option<Addr>,
    pub(super) plain_dst: Option<Addr>,
    pub(super) pkt_src: Option<Addr>,
    pub(super) pkt_dst: Option<Addr>,
    /// The endpoints.
    pub(super) src: Addr,
    pub(super) dst: Addr,
}

impl Fields {
    pub(super) fn is_ingress(&self) -> bool {
        self.direction.as_deref() == Some("ingress")
    }

    pub(super) fn is_egress(&self) -> bool {
        self.direction.as_deref() == Some("egress")
    }
}

/// 5.1: "A string null is null, `-` or empty"; an absent column is null in every row.
fn text(row: &Row, columns: &Columns, name: &str) -> Option<String> {
    if !columns.contains(name) {
        return None;
    }
    match row.text(name) {
        None | Some("-" | "") => None,
        Some(other) => Some(other.to_string()),
    }
}

fn number(row: &Row, columns: &Columns, name: &str) -> Option<i64> {
    if columns.contains(name) { row.number(name) } else { None }
}

pub(super) fn read(row: &Row, columns: &Columns, part: Part, config: &OracleConfig) -> Reading {
    let text = |name| text(row, columns, name);
    let number = |name| number(row, columns, name);

    // 5.1: "Outcome of a record, first match: nodata/skipdata, bad, rejected, nat_public_leg, other_side, counted."
    let bytes = number("bytes");
    let no_address =
        ["srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr"].into_iter().all(|name| text(name).is_none());
    match text("log_status").as_deref() {
        Some("NODATA") => return Reading::Dropped("nodata"),
        Some("SKIPDATA") => return Reading::Dropped("skipdata"),
        // "Without a `log_status` column a record with null bytes and null addresses is NODATA."
        None if bytes.is_none() && no_address => return Reading::Dropped("nodata"),
        _ => {}
    }

    // "Bad row: ... bytes or packets negative or no number"; "Absent or null `packets` is 0."
    let Some(bytes) = bytes.filter(|bytes| *bytes >= 0) else { return Reading::Dropped("bad") };
    let packets = number("packets").unwrap_or(0);
    if packets < 0 {
        return Reading::Dropped("bad");
    }
    // "... a port outside 0..65535"
    let (srcport, dstport) = (number("srcport"), number("dstport"));
    if [srcport, dstport].into_iter().flatten().any(|port| !(0..=65535).contains(&port)) {
        return Reading::Dropped("bad");
    }
    // "... no address in an OK record"; text that is no address is one, too.
    let address = |name| match text(name) {
        None => Ok(None),
        Some(text) => Addr::parse(&text).map(Some).ok_or(()),
    };
    let (Ok(plain_src), Ok(plain_dst), Ok(pkt_src), Ok(pkt_dst)) =
        (address("srcaddr"), address("dstaddr"), address("pkt_srcaddr"), address("pkt_dstaddr"))
    else {
        return Reading::Dropped("bad");
    };
    // "Endpoints: `pkt_srcaddr`/`pkt_dstaddr` where present and not null, else `srcaddr`/`dstaddr`."
    let (Some(src), Some(dst)) = (pkt_src.or(plain_src), pkt_dst.or(plain_dst)) else {
        return Reading::Dropped("bad");
    };

    // "only REJECT rejects"
    if text("action").as_deref() == Some("REJECT") && !config.rejected {
        return Reading::Dropped("rejected");
    }

    let fields = Fields {
        interface_id: text("interface_id"),
        resource_id: text("resource_id"),
        interface_type: text("interface_type"),
        az_id: text("az_id"),
        next_hop_interface_id: text("next_hop_interface_id"),
        next_hop_interface_type: text("next_hop_interface_type"),
        next_hop_az_id: text("next_hop_az_id"),
        src_service: text("pkt_src_aws_service"),
        dst_service: text("pkt_dst_aws_service"),
        direction: text("flow_direction").filter(|word| word == "ingress" || word == "egress"),
        // "traffic_path 0 is null too"
        traffic_path: number("traffic_path").filter(|path| *path != 0),
        plain_src,
        plain_dst,
        pkt_src,
        pkt_dst,
        src,
        dst,
    };

    let nat = nat::recognise(&fields, config);
    let leg = match &nat {
        None => Leg::None,
        Some(nat) => nat::leg(&fields, nat, config),
    };
    if leg == Leg::Public {
        return Reading::Dropped("nat_public_leg");
    }
    let src_zone = zone::of(&fields, zone::Side::Source, nat.is_some(), config);
    let dst_zone = zone::of(&fields, zone::Side::Destination, nat.is_some(), config);

    let counted = leg != Leg::None || counts(&fields, columns, &src_zone, config);
    let charges = charge::charges(&fields, nat.as_ref(), leg, &src_zone, &dst_zone, config);
    Reading::Accepted(Accepted {
        counted,
        hour: hour(number("start"), number("end"), part),
        between_zones: charge::between_zones(&src_zone, &dst_zone),
        labels: (
            src_zone.label,
            dst_zone.label,
            port_group(srcport, dstport, config),
            match leg {
                Leg::Out => "out",
                Leg::In => "in",
                Leg::None | Leg::Public => "none",
            }
            .to_string(),
        ),
        packets: u128::try_from(packets).expect("not negative"),
        bytes: u128::try_from(bytes).expect("not negative"),
        charges,
    })
}

/// 5.4, for records that are no NAT record. `true`: counted; `false`: other_side.
fn counts(fields: &Fields, columns: &Columns, src_zone: &zone::Zone, config: &OracleConfig) -> bool {
    // "`auto`: `sender` if the object has `flow_direction`, else `every`." "Under `sender` an object without
    // `flow_direction` counts as `every`."
    let sender = config.vantage != "every" && columns.contains("flow_direction");
    if !sender {
        return true;
    }
    // "records captured at a transit gateway, load balancer or endpoint interface do not count"
    if matches!(
        fields.interface_type.as_deref(),
        Some("transit_gateway" | "network_load_balancer" | "vpc_endpoint")
    ) {
        return false;
    }
    // "egress records count; ingress records count only when the source is not in a logged zone"
    // A record without a direction counts as under `every`.
    !(fields.is_ingress() && src_zone.known() && src_zone.logged)
}

/// 5.5: "The group of the destination port, else (match = either) of the source port, else `other`."
fn port_group(srcport: Option<i64>, dstport: Option<i64>, config: &OracleConfig) -> String {
    let group = |port: Option<i64>| {
        let port = port?;
        config
            .port_groups
            .iter()
            .find(|(_, ranges)| {
                ranges.iter().any(|(low, high)| (i64::from(*low)..=i64::from(*high)).contains(&port))
            })
            .map(|(name, _)| name.clone())
    };
    let mut found = group(dstport);
    if found.is_none() && config.port_match == "either" {
        found = group(srcport);
    }
    found.unwrap_or_else(|| "other".to_string())
}

/// 5.7: "The hour of a record is the UTC hour of its `end` (else `start`, else the object's partition; a daily one
/// gives its first hour). A time more than 24 h before the partition's start or after its end is not believed."
fn hour(start: Option<i64>, end: Option<i64>, part: Part) -> i64 {
    const DAY: i128 = 24 * 3600;
    let first = i128::from(part.start);
    let last = first + i128::from(part.hours) * 3600;
    let time = match end.or(start) {
        Some(time) if i128::from(time) >= first - DAY && i128::from(time) <= last + DAY => time,
        _ => part.start,
    };
    time.div_euclid(3600)
}
