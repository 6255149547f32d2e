//! Which column is which field, by name and by nothing else.
//!
//! The same for every format: section 1 of docs/semantics.md.
//! Refuses to know where a column stands and what type it has. Invariant: a field has at most one column.

use super::{ColumnSet, DecodeError, Field, refuse};
use crate::model::{IgnoreReason, QuarantineReason};

/// Where the fields are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Each field that is read, with the position of its column, in the order of [`Field::ALL`].
    pub columns: Vec<(Field, usize)>,
    /// The fields that are there, read or not.
    pub set: ColumnSet,
}

/// Finds the fields among the names of all columns (semantics 1.1). Refuses an object without a
/// required one, or with one twice (semantics 1.3); ignores a transit gateway's log (semantics 1.6).
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
            let detail = format!("no column {}{}", alternatives(needed), in_another_case(needed, &names));
            return Err(refuse(QuarantineReason::Schema, detail));
        }
    }
    columns.retain(|(field, _)| is_needed(*field, &set));
    Ok(Binding { columns, set })
}

/// Whether a field says anything in this company: the owner of an instance bears only on which side was recorded.
fn is_needed(field: Field, set: &ColumnSet) -> bool {
    match field {
        Field::InstanceId => set.contains(Field::FlowDirection),
        Field::AccountId => set.contains(Field::FlowDirection) && set.contains(Field::InstanceId),
        _ => true,
    }
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

/// Says that a column only has its name in another case (semantics 1.1).
fn in_another_case(fields: &[Field], names: &[String]) -> String {
    let is_like = |name: &&String| {
        fields.iter().any(|field| field.names().iter().any(|known| known.eq_ignore_ascii_case(name)))
    };
    let like = names.iter().find(is_like);
    like.map_or_else(String::new, |name| format!("; there is {name}, and names are in lower case"))
}

fn alternatives(fields: &[Field]) -> String {
    fields.iter().map(|field| field.name()).collect::<Vec<_>>().join(" or ")
}

/// Something that the exporter does only for objects that have certain columns (semantics 1.4).
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
const FEATURES: [(&str, &[&[Field]]); 20] = [
    ("endpoints by packet address (pods, not their node)", &[&[Field::PktSrcaddr], &[Field::PktDstaddr]]),
    ("zones by the interface's az_id", &[&[Field::AzId], &[Field::FlowDirection]]),
    ("zones by the next hop's az_id", &[&[Field::NextHopAzId], &[Field::FlowDirection]]),
    (
        "own interfaces told from load balancers and NAT instances",
        &[&[Field::InstanceId], &[Field::FlowDirection]],
    ),
    ("the same in VPCs shared with other accounts", &[&[Field::AccountId], &[Field::InstanceId]]),
    ("middleboxes by type", &[&[Field::InterfaceType]]),
    (
        "transit gateways and endpoints by the next hop",
        &[&[Field::NextHopInterfaceType], &[Field::FlowDirection]],
    ),
    ("VPCs told apart, peering", &[&[Field::VpcId]]),
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

    /// Semantics 1.2.
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
            ("SrcAddr DstAddr Bytes", "no column bytes; there is Bytes, and names are in lower case"),
            (
                "DST-ADDR SRCADDR bytes",
                "no column pkt_srcaddr or srcaddr; there is SRCADDR, and names are in lower case",
            ),
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

    /// Semantics 1.6.
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
