//! One record as it is read: section 1 of docs/semantics.md, and the time and ports of sections 5
//! and 9.

use super::{Columns, OracleConfig, Part, Row, addr::Addr, scope::Scope, zone};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
        }
    }
}

/// What a record says of one side. Nulls are `None`.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) plain: Option<Addr>,
    pub(super) pkt: Option<Addr>,
    /// The endpoint (semantics 1.12).
    pub(super) end: Addr,
    pub(super) service: Option<String>,
}

impl Named {
    /// Both addresses are there and equal.
    pub(super) fn same(&self) -> bool {
        self.plain.is_some() && self.plain == self.pkt
    }

    /// Both addresses are there and differ.
    pub(super) fn differ(&self) -> bool {
        self.plain.is_some() && self.pkt.is_some() && self.plain != self.pkt
    }
}

/// A record that is neither bad nor without data. Nulls are `None`.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) interface_id: Option<String>,
    pub(super) resource_id: Option<String>,
    pub(super) instance_id: Option<String>,
    pub(super) account_id: Option<String>,
    /// One of the words of semantics 1.13.
    pub(super) interface_type: Option<String>,
    /// An AZ id that says something (semantics 2.11).
    pub(super) az_id: Option<String>,
    pub(super) next_hop_interface_id: Option<String>,
    pub(super) next_hop_interface_type: Option<String>,
    pub(super) next_hop_az_id: Option<String>,
    /// `ingress` or `egress`.
    pub(super) direction: Option<String>,
    pub(super) traffic_path: Option<i64>,
    pub(super) src: Named,
    pub(super) dst: Named,
    pub(super) scope: Scope,
    pub(super) port_group: String,
    pub(super) rejected: bool,
    pub(super) packets: u128,
    pub(super) bytes: u128,
    pub(super) hour: i64,
}

impl Record {
    /// Returns the interface that the object can teach about (semantics 1.13).
    pub(super) fn told_interface(&self) -> Option<&String> {
        self.interface_id.as_ref().filter(|id| id.len() <= LONGEST_ID)
    }

    pub(super) fn is_ingress(&self) -> bool {
        self.direction.as_deref() == Some("ingress")
    }

    pub(super) fn is_egress(&self) -> bool {
        self.direction.as_deref() == Some("egress")
    }

    pub(super) fn side(&self, side: Side) -> &Named {
        match side {
            Side::Source => &self.src,
            Side::Destination => &self.dst,
        }
    }

    /// The side of the recording interface, where there is a direction (semantics 2.6).
    pub(super) fn own_side(&self) -> Option<Side> {
        match self.direction.as_deref() {
            Some("egress") => Some(Side::Source),
            Some("ingress") => Some(Side::Destination),
            _ => None,
        }
    }

    pub(super) fn own(&self) -> Option<&Named> {
        self.own_side().map(|side| self.side(side))
    }

    pub(super) fn next_hop_is(&self, word: &str) -> bool {
        self.next_hop_interface_type.as_deref() == Some(word)
    }
}

/// What a row is.
pub(super) enum Reading {
    Bad,
    /// `nodata` or `skipdata`, with its believed time.
    Silent(&'static str, Option<i64>),
    /// Anything else, with its believed time.
    Record(Box<Record>, Option<i64>),
}

enum Number {
    Null,
    Whole(i64),
    Unreadable,
}

struct Cells<'a> {
    row: &'a Row,
    columns: &'a Columns,
}

impl Cells<'_> {
    /// A text: null, `-` and empty are null (semantics 1.7), and so is every row of a missing
    /// column (semantics 1.4).
    fn text(&self, name: &str) -> Option<String> {
        if !self.columns.contains(name) {
            return None;
        }
        match self.row.text(name) {
            None | Some("-" | "") => None,
            Some(other) => Some(other.to_string()),
        }
    }

    fn number(&self, name: &str) -> Number {
        if !self.columns.contains(name) {
            return Number::Null;
        }
        if self.row.unreadable.contains(name) {
            return Number::Unreadable;
        }
        self.row.number(name).map_or(Number::Null, Number::Whole)
    }

    /// A number that is null where it cannot be read (semantics 1.10).
    fn lenient(&self, name: &str) -> Option<i64> {
        match self.number(name) {
            Number::Whole(number) => Some(number),
            Number::Null | Number::Unreadable => None,
        }
    }

    /// A time in the unit that its size shows, rounded down to seconds (semantics 1.8).
    fn seconds(&self, name: &str) -> Option<i64> {
        let time = self.lenient(name)?;
        let digits = if time > 0 { time.ilog10() + 1 } else { 0 };
        Some(match digits {
            ..=11 => time,
            12..=14 => time / 1_000,
            15..=17 => time / 1_000_000,
            _ => time / 1_000_000_000,
        })
    }

    /// A number of at least 0, null, or a reason to call the record bad (semantics 1.15).
    fn amount(&self, name: &str) -> Result<Option<u128>, ()> {
        match self.number(name) {
            Number::Null => Ok(None),
            Number::Whole(number) => u128::try_from(number).map(Some).map_err(|_| ()),
            Number::Unreadable => Err(()),
        }
    }

    /// Text that is not an address is bad in any of the four columns (semantics 1.15).
    fn address(&self, name: &str) -> Result<Option<Addr>, ()> {
        match self.text(name) {
            None => Ok(None),
            Some(text) => Addr::parse(&text).map(Some).ok_or(()),
        }
    }

    /// A side; without an address it is bad (semantics 1.15).
    fn side(&self, plain: &str, pkt: &str, service: &str) -> Result<Named, ()> {
        let (plain, pkt) = (self.address(plain)?, self.address(pkt)?);
        // The packet address, else the plain one (semantics 1.12).
        let end = pkt.or(plain).ok_or(())?;
        Ok(Named { plain, pkt, end, service: self.text(service) })
    }

    /// An unknown word is null (semantics 1.13).
    fn word(&self, name: &str, words: &[&str]) -> Option<String> {
        self.text(name).filter(|word| words.contains(&word.as_str()))
    }
}

/// Bytes of the longest id that tells a VPC or an interface from others (semantics 1.13).
const LONGEST_ID: usize = 128;

const INTERFACE_TYPES: [&str; 6] = [
    "nat_gateway",
    "regional_nat_gateway",
    "transit_gateway",
    "network_load_balancer",
    "vpc_endpoint",
    "gateway_load_balancer_endpoint",
];

pub(super) fn read(row: &Row, columns: &Columns, part: Part, config: &OracleConfig) -> Reading {
    let cells = Cells { row, columns };
    let time = believed(cells.seconds("end").or_else(|| cells.seconds("start")), part);

    // The outcome is the first that applies (semantics 1.14).
    let no_address = ["srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr"]
        .into_iter()
        .all(|name| cells.text(name).is_none());
    match cells.text("log_status").as_deref() {
        Some("NODATA") => return Reading::Silent("nodata", time),
        Some("SKIPDATA") => return Reading::Silent("skipdata", time),
        // Without a status: nothing in it (semantics 1.16).
        None if matches!(cells.number("bytes"), Number::Null) && no_address => {
            return Reading::Silent("nodata", time);
        }
        _ => {}
    }
    // No other word rejects (semantics 1.13).
    let reject = cells.text("action").as_deref() == Some("REJECT");
    let rejected = reject && !config.rejected;
    // A record that will not count cannot be bad for its numbers (semantics 1.14).
    match fields(&cells, reject, part, time, config) {
        Ok(mut record) => {
            record.rejected = rejected;
            Reading::Record(Box::new(record), time)
        }
        Err(()) if rejected => Reading::Silent("rejected", time),
        Err(()) => Reading::Bad,
    }
}

fn fields(
    cells: &Cells<'_>,
    reject: bool,
    part: Part,
    time: Option<i64>,
    config: &OracleConfig,
) -> Result<Record, ()> {
    let src = cells.side("srcaddr", "pkt_srcaddr", "pkt_src_aws_service")?;
    let dst = cells.side("dstaddr", "pkt_dstaddr", "pkt_dst_aws_service")?;
    let numbers = (|| {
        let bytes = match cells.amount("bytes")? {
            Some(bytes) => bytes,
            // Null is 0 in a REJECT record only, and in packets always (semantics 1.9).
            None if reject => 0,
            None => return Err(()),
        };
        let packets = cells.amount("packets")?.unwrap_or(0);
        // A null port has no group (semantics 1.9).
        let (srcport, dstport) = (cells.amount("srcport")?, cells.amount("dstport")?);
        if [srcport, dstport].into_iter().flatten().any(|port| port > 65_535) {
            return Err(());
        }
        Ok((bytes, packets, srcport, dstport))
    })();
    // A record that is rejected teaches whatever its numbers are.
    let (bytes, packets, srcport, dstport) =
        if reject && !config.rejected { numbers.unwrap_or((0, 0, None, None)) } else { numbers? };
    let says = |name| cells.text(name).filter(|az_id| zone::says_something(az_id, config));
    Ok(Record {
        interface_id: cells.text("interface_id"),
        resource_id: cells.text("resource_id"),
        instance_id: cells.text("instance_id"),
        account_id: cells.text("account_id"),
        interface_type: cells.word("interface_type", &INTERFACE_TYPES),
        az_id: says("az_id"),
        next_hop_interface_id: cells.text("next_hop_interface_id"),
        next_hop_interface_type: cells.word("next_hop_interface_type", &INTERFACE_TYPES),
        next_hop_az_id: says("next_hop_az_id"),
        direction: cells.word("flow_direction", &["ingress", "egress"]),
        // 0 is null (semantics 1.7).
        traffic_path: cells.lenient("traffic_path").filter(|path| *path != 0),
        src,
        dst,
        scope: Scope {
            source: config.source.clone(),
            account: part.account.map(ToString::to_string),
            region: part.region.unwrap_or(&config.source_region).to_string(),
            vpc_id: cells.text("vpc_id").filter(|id| id.len() <= LONGEST_ID),
        },
        port_group: port_group(srcport, dstport, config),
        rejected: false,
        packets,
        bytes,
        hour: time.unwrap_or(part.start).div_euclid(3600),
    })
}

/// Finds the group of the destination port, else of the source port (semantics 5.1), unless only
/// the destination is looked at (semantics 5.2).
fn port_group(srcport: Option<u128>, dstport: Option<u128>, config: &OracleConfig) -> String {
    let group = |port: Option<u128>| {
        let port = port?;
        config
            .port_groups
            .iter()
            .find(|(_, ranges)| {
                ranges.iter().any(|(low, high)| (u128::from(*low)..=u128::from(*high)).contains(&port))
            })
            .map(|(name, _)| name.clone())
    };
    let mut found = group(dstport);
    if found.is_none() && config.port_match == "either" {
        found = group(srcport);
    }
    found.unwrap_or_else(|| "other".to_string())
}

/// Returns a time (semantics 9.1) if it is believed (semantics 9.2).
fn believed(time: Option<i64>, part: Part) -> Option<i64> {
    const DAY: i128 = 24 * 3600;
    let first = i128::from(part.start);
    let last = first + i128::from(part.hours) * 3600;
    time.filter(|time| (first - DAY..=last + DAY).contains(&i128::from(*time)))
}
