//! A hash of everything that decides how records are classified, so that the ledger can tell when it changed.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::classify::{PortMatch, Rules, Vantage};

/// Hexadecimal SHA-256 of the rules. The same rules give the same text in every version; the order in which zones,
/// groups and gateways stand in the file does not matter. Prices are not part of it.
pub fn fingerprint(rules: &Rules) -> String {
    let mut lines: Vec<String> = Vec::new();
    for zone in &rules.zones {
        let az_id = zone.az_id.as_deref().unwrap_or("");
        let cidrs = sorted(&zone.cidrs);
        lines.push(line("zone", &[&zone.name, az_id, &zone.region, &cidrs, &zone.logged.to_string()]));
    }
    for group in &rules.port_groups {
        let ports = sorted_by(&group.ports, |range| format!("{:05}-{:05}", range.start(), range.end()));
        lines.push(line("port_group", &[&group.name, &ports]));
    }
    for gateway in &rules.gateways {
        let (interfaces, addresses) = (sorted(&gateway.interface_ids), sorted(&gateway.private_ips));
        let resources = sorted(&gateway.resource_ids);
        lines.push(line("nat_gateway", &[&gateway.name, &gateway.zone, &interfaces, &addresses, &resources]));
    }
    for (charge, cidrs) in &rules.no_charge {
        lines.push(line("no_charge", &[charge.as_str(), &sorted(cidrs)]));
    }
    let port_match = match rules.port_match {
        PortMatch::Either => "either",
        PortMatch::Destination => "destination",
    };
    let vantage = match rules.vantage {
        Vantage::Auto => "auto",
        Vantage::Every => "every",
        Vantage::Sender => "sender",
    };
    lines.push(line("counting", &[port_match, vantage, &rules.count_rejected.to_string()]));
    lines.sort_unstable();
    let digest = Sha256::digest(lines.concat());
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Fields with their lengths in front: names may contain any separator.
fn line(kind: &str, fields: &[&str]) -> String {
    fields.iter().fold(format!("{kind}\n"), |line, field| line + &format!("{}:{field}\n", field.len()))
}

fn sorted<T: ToString>(items: &[T]) -> String {
    sorted_by(items, T::to_string)
}

fn sorted_by<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    let mut texts: Vec<String> = items.iter().map(text).collect();
    texts.sort_unstable();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        classify::{PortGroup, ZoneSpec},
        model::Charge,
    };

    fn zone(name: &str, cidr: &str) -> ZoneSpec {
        ZoneSpec {
            name: Arc::from(name),
            az_id: None,
            region: Arc::from("us-east-1"),
            cidrs: vec![cidr.parse().unwrap()],
            logged: true,
        }
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let base = Rules {
            zones: vec![zone("a", "10.0.0.0/24"), zone("b", "10.0.1.0/24")],
            port_groups: vec![PortGroup { name: Arc::from("web"), ports: vec![80..=80, 443..=443] }],
            ..Rules::default()
        };
        let mut same = base.clone();
        same.zones.reverse();
        same.port_groups[0].ports.reverse();
        assert_eq!(fingerprint(&same), fingerprint(&base));

        let change = |change: fn(&mut Rules)| {
            let mut other = base.clone();
            change(&mut other);
            fingerprint(&other)
        };
        let changes = [
            change(|rules| rules.zones[0].name = Arc::from("c")),
            change(|rules| rules.zones[0].az_id = Some(Arc::from("use1-az1"))),
            change(|rules| rules.zones[0].region = Arc::from("us-east-2")),
            change(|rules| rules.zones[0].logged = false),
            change(|rules| rules.zones[0].cidrs.clear()),
            change(|rules| rules.port_groups[0].ports[0] = 80..=81),
            change(|rules| rules.port_match = PortMatch::Destination),
            change(|rules| rules.vantage = Vantage::Sender),
            change(|rules| rules.count_rejected = true),
            change(|rules| rules.no_charge.push((Charge::InterAz, vec!["10.0.0.0/8".parse().unwrap()]))),
        ];
        let mut distinct: Vec<&String> = changes.iter().collect();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), changes.len());
        assert!(!changes.contains(&fingerprint(&base)));
    }

    #[test]
    fn the_hash_is_the_same_in_every_version() {
        // printf 'counting\n6:either\n4:auto\n5:false\n' | sha256sum
        assert_eq!(
            fingerprint(&Rules::default()),
            "0dfa66bc82564b7b85f63ec6dbdce83b06dc3543e6b7d79837c21ff9b5d07bbf"
        );
    }
}
