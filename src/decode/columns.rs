//! Which column is which field, by name and by nothing else.
//!
//! The same for every format: Parquet writes the names with underscores, text with hyphens, both are accepted.
//! Refuses to know where a column stands and what type it has. Invariant: a field has at most one column.

use super::{DecodeError, refuse};
use crate::model::{IgnoreReason, QuarantineReason};

/// The fields that are read. Everything else in a flow log is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the fields of AWS's documentation, under their own names")]
#[repr(u8)]
pub enum Field {
    InterfaceId,
    ResourceId,
    InterfaceType,
    AzId,
    NextHopInterfaceId,
    NextHopInterfaceType,
    NextHopAzId,
    Srcaddr,
    Dstaddr,
    PktSrcaddr,
    PktDstaddr,
    PktSrcAwsService,
    PktDstAwsService,
    FlowDirection,
    Action,
    LogStatus,
    Srcport,
    Dstport,
    Packets,
    Bytes,
    Start,
    End,
    TrafficPath,
}

impl Field {
    /// All fields.
    pub const ALL: [Self; 23] = [
        Self::InterfaceId,
        Self::ResourceId,
        Self::InterfaceType,
        Self::AzId,
        Self::NextHopInterfaceId,
        Self::NextHopInterfaceType,
        Self::NextHopAzId,
        Self::Srcaddr,
        Self::Dstaddr,
        Self::PktSrcaddr,
        Self::PktDstaddr,
        Self::PktSrcAwsService,
        Self::PktDstAwsService,
        Self::FlowDirection,
        Self::Action,
        Self::LogStatus,
        Self::Srcport,
        Self::Dstport,
        Self::Packets,
        Self::Bytes,
        Self::Start,
        Self::End,
        Self::TrafficPath,
    ];

    /// The name as Parquet has it, with underscores.
    pub fn name(self) -> &'static str {
        self.names()[0]
    }

    /// AWS's name first, then those that converted files use. An earlier name wins over a later one.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::InterfaceId => &["interface_id"],
            Self::ResourceId => &["resource_id"],
            Self::InterfaceType => &["interface_type"],
            Self::AzId => &["az_id"],
            Self::NextHopInterfaceId => &["next_hop_interface_id"],
            Self::NextHopInterfaceType => &["next_hop_interface_type"],
            Self::NextHopAzId => &["next_hop_az_id"],
            Self::Srcaddr => &["srcaddr", "src_addr"],
            Self::Dstaddr => &["dstaddr", "dst_addr"],
            Self::PktSrcaddr => &["pkt_srcaddr", "pkt_src_addr"],
            Self::PktDstaddr => &["pkt_dstaddr", "pkt_dst_addr"],
            Self::PktSrcAwsService => &["pkt_src_aws_service"],
            Self::PktDstAwsService => &["pkt_dst_aws_service"],
            Self::FlowDirection => &["flow_direction"],
            Self::Action => &["action"],
            Self::LogStatus => &["log_status", "flowlogstatus"],
            Self::Srcport => &["srcport", "src_port"],
            Self::Dstport => &["dstport", "dst_port"],
            Self::Packets => &["packets"],
            Self::Bytes => &["bytes"],
            Self::Start => &["start", "windowstart"],
            Self::End => &["end", "windowend"],
            Self::TrafficPath => &["traffic_path"],
        }
    }

    /// What its values are.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::InterfaceId | Self::ResourceId | Self::AzId => Kind::Text,
            Self::NextHopInterfaceId | Self::NextHopAzId => Kind::Text,
            Self::Srcaddr | Self::Dstaddr | Self::PktSrcaddr | Self::PktDstaddr => Kind::Address,
            Self::InterfaceType | Self::NextHopInterfaceType => Kind::InterfaceType,
            Self::PktSrcAwsService | Self::PktDstAwsService => Kind::AwsService,
            Self::FlowDirection => Kind::Direction,
            Self::Action => Kind::Action,
            Self::LogStatus => Kind::LogStatus,
            Self::Srcport | Self::Dstport | Self::Packets | Self::Bytes => Kind::Integer,
            Self::Start | Self::End | Self::TrafficPath => Kind::Integer,
        }
    }

    fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Address,
    InterfaceType,
    AwsService,
    Direction,
    Action,
    LogStatus,
    Integer,
}

/// Which fields an object has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ColumnSet(u32);

impl ColumnSet {
    /// Whether the object has a field.
    pub fn contains(&self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// The fields, in the order of [`Field::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Field> + '_ {
        Field::ALL.into_iter().filter(|field| self.contains(*field))
    }
}

impl FromIterator<Field> for ColumnSet {
    fn from_iter<T: IntoIterator<Item = Field>>(fields: T) -> Self {
        Self(fields.into_iter().fold(0, |set, field| set | field.bit()))
    }
}

/// Where the fields are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Each field that is there, with the position of its column, in the order of [`Field::ALL`].
    pub columns: Vec<(Field, usize)>,
    /// The same fields, without their positions.
    pub set: ColumnSet,
}

/// Finds the fields among the names of all columns. Names are compared exactly but for hyphens, which are
/// underscores. Refuses an object without `bytes` or without the addresses of either side, and one where two columns
/// have the same name; a transit gateway's log is to be ignored.
pub fn bind<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Binding, DecodeError> {
    let names: Vec<String> = names.into_iter().map(|name| name.replace('-', "_")).collect();
    let mut columns = Vec::with_capacity(Field::ALL.len());
    for field in Field::ALL {
        if let Some(position) = find(field, &names)? {
            columns.push((field, position));
        }
    }
    let set: ColumnSet = columns.iter().map(|(field, _)| *field).collect();
    if !set.contains(Field::InterfaceId) && names.iter().any(|name| name.starts_with("tgw_")) {
        return Err(DecodeError::Ignore(IgnoreReason::TransitGateway));
    }
    for needed in
        [&[Field::Bytes][..], &[Field::PktSrcaddr, Field::Srcaddr], &[Field::PktDstaddr, Field::Dstaddr]]
    {
        if !needed.iter().any(|field| set.contains(*field)) {
            return Err(refuse(QuarantineReason::Schema, format!("no column {}", alternatives(needed))));
        }
    }
    Ok(Binding { columns, set })
}

fn find(field: Field, columns: &[String]) -> Result<Option<usize>, DecodeError> {
    for name in field.names() {
        let mut positions = columns.iter().enumerate().filter(|(_, column)| column == name);
        if let Some((position, _)) = positions.next() {
            return match positions.next() {
                None => Ok(Some(position)),
                Some(_) => Err(refuse(QuarantineReason::Schema, format!("two columns are called {name}"))),
            };
        }
    }
    Ok(None)
}

fn alternatives(fields: &[Field]) -> String {
    fields.iter().map(|field| field.name()).collect::<Vec<_>>().join(" or ")
}

/// Something that the exporter does only for objects that have certain columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// What it does.
    pub name: &'static str,
    /// Whether the columns are there.
    pub enabled: bool,
    /// The columns that would enable it; empty when it is.
    pub missing: String,
}

/// Each feature with what it needs: one of every group.
const FEATURES: [(&str, &[&[Field]]); 15] = [
    ("endpoints by packet address (pods, not their node)", &[&[Field::PktSrcaddr], &[Field::PktDstaddr]]),
    ("zones by the interface's az_id", &[&[Field::AzId], &[Field::FlowDirection]]),
    ("zones by the next hop's az_id", &[&[Field::NextHopAzId], &[Field::FlowDirection]]),
    ("zone aws", &[&[Field::PktSrcAwsService], &[Field::PktDstAwsService]]),
    ("vantage sender (each flow once)", &[&[Field::FlowDirection]]),
    ("NAT gateways by interface_id", &[&[Field::InterfaceId]]),
    ("NAT gateways by type", &[&[Field::InterfaceType]]),
    ("regional NAT gateways", &[&[Field::ResourceId]]),
    ("exact NAT legs", &[&[Field::Srcaddr], &[Field::Dstaddr], &[Field::PktSrcaddr], &[Field::PktDstaddr]]),
    ("internet_egress by traffic_path", &[&[Field::TrafficPath]]),
    ("port groups by destination port", &[&[Field::Dstport]]),
    ("port groups of replies", &[&[Field::Srcport]]),
    ("hours by the record's own time", &[&[Field::End, Field::Start]]),
    ("packets", &[&[Field::Packets]]),
    ("rejected records told apart", &[&[Field::Action]]),
];

/// What the columns of an object enable and what they rule out, for `check --reach`.
pub fn features(columns: &ColumnSet) -> Vec<Feature> {
    FEATURES
        .iter()
        .map(|(name, needs)| {
            let unmet = needs.iter().filter(|group| !group.iter().any(|field| columns.contains(*field)));
            let missing: Vec<String> = unmet.map(|group| alternatives(group)).collect();
            Feature { name, enabled: missing.is_empty(), missing: missing.join(", ") }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(header: &str) -> Vec<(&'static str, usize)> {
        let binding = bind(header.split(' ')).unwrap();
        binding.columns.iter().map(|(field, position)| (field.name(), *position)).collect()
    }

    fn refused(header: &str) -> String {
        match bind(header.split(' ')) {
            Err(DecodeError::Quarantine(why)) if why.reason == QuarantineReason::Schema => why.detail,
            other => panic!("{header}: {other:?}"),
        }
    }

    #[test]
    fn every_field_is_found_by_its_name_with_underscores_and_with_hyphens() {
        let names = Field::ALL.map(Field::name);
        assert_eq!(bind(names).unwrap().columns, Field::ALL.into_iter().zip(0..).collect::<Vec<_>>());
        let hyphens = names.map(|name| name.replace('_', "-"));
        assert_eq!(bind(hyphens.iter().map(String::as_str)).unwrap(), bind(names).unwrap());
        assert_eq!(bind(names).unwrap().set.iter().count(), Field::ALL.len());
    }

    #[test]
    fn position_and_company_of_a_column_do_not_matter() {
        assert_eq!(
            bound("version dstaddr ecs-cluster-arn bytes srcaddr"),
            [("srcaddr", 4), ("dstaddr", 1), ("bytes", 3)]
        );
    }

    #[test]
    fn names_of_converted_files_are_understood() {
        assert_eq!(
            bound("pkt_src_addr pkt_dst_addr src_addr dst_addr src_port dst_port bytes"),
            [
                ("srcaddr", 2),
                ("dstaddr", 3),
                ("pkt_srcaddr", 0),
                ("pkt_dstaddr", 1),
                ("srcport", 4),
                ("dstport", 5),
                ("bytes", 6)
            ]
        );
        assert_eq!(
            bound("srcaddr dstaddr bytes windowstart windowend flowlogstatus"),
            [("srcaddr", 0), ("dstaddr", 1), ("log_status", 5), ("bytes", 2), ("start", 3), ("end", 4)]
        );
    }

    #[test]
    fn the_canonical_name_wins_over_its_alias_in_any_order() {
        for (header, position) in
            [("windowstart start srcaddr dstaddr bytes", 1), ("start windowstart srcaddr dstaddr bytes", 0)]
        {
            assert!(bound(header).contains(&("start", position)), "{header}");
        }
    }

    #[test]
    fn a_required_column_that_is_missing_is_named() {
        for (header, detail) in [
            ("srcaddr dstaddr packets", "no column bytes"),
            ("srcaddr bytes", "no column pkt_dstaddr or dstaddr"),
            ("pkt-srcaddr bytes", "no column pkt_dstaddr or dstaddr"),
            ("dstaddr bytes", "no column pkt_srcaddr or srcaddr"),
            ("SrcAddr DstAddr Bytes", "no column bytes"),
            ("", "no column bytes"),
        ] {
            assert_eq!(refused(header), detail, "{header}");
        }
        assert_eq!(bound("pkt-srcaddr dstaddr bytes").len(), 3, "packet and plain address may be mixed");
    }

    #[test]
    fn one_name_twice_is_refused() {
        assert_eq!(refused("srcaddr dstaddr bytes bytes"), "two columns are called bytes");
        assert_eq!(refused("az-id az_id srcaddr dstaddr bytes"), "two columns are called az_id");
        assert_eq!(bound("srcaddr dstaddr bytes tcp_flags tcp_flags").len(), 3, "of fields that are read");
    }

    #[test]
    fn transit_gateway_logs_are_ignored() {
        for header in [
            "version resource-type account-id tgw-id srcaddr dstaddr bytes",
            "tgw_id tgw_attachment_id srcaddr dstaddr packets",
        ] {
            assert_eq!(
                bind(header.split(' ')),
                Err(DecodeError::Ignore(IgnoreReason::TransitGateway)),
                "{header}"
            );
        }
        assert_eq!(bound("interface_id tgw_id srcaddr dstaddr bytes").len(), 4);
    }

    #[test]
    fn features_name_what_is_missing() {
        let all: ColumnSet = Field::ALL.into_iter().collect();
        assert!(features(&all).iter().all(|feature| feature.enabled && feature.missing.is_empty()));
        let version_2 = bind(["srcaddr", "dstaddr", "bytes", "start", "action"]).unwrap().set;
        let missing: Vec<_> =
            features(&version_2).into_iter().map(|feature| (feature.name, feature.missing)).collect();
        for (name, wants) in [
            ("exact NAT legs", "pkt_srcaddr, pkt_dstaddr"),
            ("vantage sender (each flow once)", "flow_direction"),
            ("hours by the record's own time", ""),
            ("zones by the interface's az_id", "az_id, flow_direction"),
        ] {
            assert!(missing.contains(&(name, wants.to_string())), "{name}: {missing:?}");
        }
    }
}
