//! What a header looks like among the lines.

use crate::{
    decode::{Field, columns},
    limits,
};

/// Names of flow logs that no field is read from, versions 2 to 11.
const NOT_READ: [&str; 35] = [
    "version",
    "protocol",
    "subnet_id",
    "tcp_flags",
    "type",
    "region",
    "sublocation_type",
    "sublocation_id",
    "ecs_cluster_arn",
    "ecs_cluster_name",
    "ecs_container_instance_arn",
    "ecs_container_instance_id",
    "ecs_container_id",
    "ecs_second_container_id",
    "ecs_service_name",
    "ecs_task_definition_arn",
    "ecs_task_arn",
    "ecs_task_id",
    "reject_reason",
    "encryption_status",
    "instance_tag",
    "instance_tag_2",
    "interface_tag",
    "interface_tag_2",
    "asg_tag",
    "asg_tag_2",
    "next_hop_subnet_id",
    "next_hop_vpc_id",
    // Transit gateway logs.
    "resource_type",
    "packets_lost_no_route",
    "packets_lost_blackhole",
    "packets_lost_mtu_exceeded",
    "packets_lost_ttl_expired",
    "tgw_id",
    "tgw_attachment_id",
];

/// What a line that is no record of the columns in force is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// All of it could be names, and half of it are names of flow logs, or it has all that is required: so a header
    /// with many names of a later version is one, too.
    Header,
    /// Several names of flow logs and something else: a header that is damaged, or that follows a record without a
    /// line end. What the lines after it are bound by cannot be known.
    Fragment,
    /// Neither.
    Record,
}

/// Looks at a line. No record has names of fields in it, but for one by chance.
pub(super) fn look(line: &[u8]) -> Look {
    let (mut fields, mut known, mut names_only) = (0_usize, 0_usize, true);
    for field in line.split(|byte| *byte == b' ').take(limits::TEXT_COLUMNS) {
        fields += 1;
        known += usize::from(is_name(field));
        names_only &= could_be_name(field);
    }
    let binds = || columns::bind(names(line).iter().map(String::as_str)).is_ok();
    match known {
        1.. if names_only && (known * 2 >= fields || binds()) => Look::Header,
        2.. => Look::Fragment,
        _ => Look::Record,
    }
}

/// How many names of flow logs a line has.
pub(in crate::decode) fn names_of_flow_logs(line: &[u8]) -> usize {
    let fields = line.split(|byte| *byte == b' ').take(limits::TEXT_COLUMNS);
    fields.filter(|field| is_name(field)).count()
}

/// Whether a line begins with a name of flow logs that is whole.
pub(super) fn begins_with_name(line: &[u8]) -> bool {
    line.split(|byte| *byte == b' ').next().is_some_and(is_name)
}

/// Letters, digits, hyphens and underscores, a letter first: no address, number or null is like that.
fn could_be_name(field: &[u8]) -> bool {
    field.first().is_some_and(u8::is_ascii_alphabetic)
        && field.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The fields of a header, at most one more than [`limits::TEXT_COLUMNS`]. What is not UTF-8 gets replacement characters: it can equal no name.
pub(super) fn names(line: &[u8]) -> Vec<String> {
    let fields = line.split(|byte| *byte == b' ').take(limits::TEXT_COLUMNS + 1);
    fields.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

fn is_name(field: &[u8]) -> bool {
    let is = |name: &&str| {
        name.len() == field.len()
            && name.bytes().zip(field).all(|(a, b)| a == *b || (a == b'_' && *b == b'-'))
    };
    Field::ALL.iter().any(|field| field.names().iter().any(&is)) || NOT_READ.iter().any(is)
}
