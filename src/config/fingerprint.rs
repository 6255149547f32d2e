//! A hash of everything that decides what records mean, so that the ledger can tell when it changed.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::{
    classify::{
        Billing, EndpointAt, ForwarderSpec, GatewayPath, GatewaySpec, NoCharge, PortGroup, PortMatch,
        PublicNets, Rules, Scope, ServiceSpec, Vantage, ZoneSpec,
    },
    topology::{IpRanges, RangeService},
};

/// Hexadecimal SHA-256 of the rules and of AWS's address ranges. The same ones give the same text in every version; the
/// order in which entries, and items of their lists, stand in the file does not matter. Prices are not part of it.
pub fn fingerprint(rules: &Rules, ranges: Option<&IpRanges>) -> String {
    // Each struct is taken apart whole: a new field must be put in here, or left out on purpose.
    let Rules {
        zones,
        port_groups,
        port_match,
        gateways,
        forwarders,
        services,
        public_nets,
        peered,
        gateway_path,
        endpoint_at,
        vantage,
        count_rejected,
        no_charge,
        home_region,
    } = rules;
    let mut lines: Vec<String> = Vec::new();
    lines.extend(zones.iter().map(zone));
    lines.extend(port_groups.iter().map(|PortGroup { name, ports }| {
        let ports = sorted_by(ports, |range| format!("{:05}-{:05}", range.start(), range.end()));
        line("port_group", &[name, &ports])
    }));
    lines.extend(gateways.iter().map(gateway));
    lines.extend(forwarders.iter().map(|ForwarderSpec { name, interface_ids, scope }| {
        line("forwarder", &[name, &sorted(interface_ids), &place(scope)])
    }));
    lines.extend(services.iter().map(service));
    lines.extend(no_charge.iter().map(|NoCharge { charge, cidrs, scope }| {
        line("no_charge", &[charge.as_str(), &sorted(cidrs), &place(scope)])
    }));
    lines.extend(
        public_nets
            .iter()
            .map(|PublicNets { cidrs, scope }| line("public_cidrs", &[&sorted(cidrs), &place(scope)])),
    );
    lines.extend(peered.iter().map(|(one, other)| {
        let (one, other) = (one.min(other), one.max(other));
        line("peered", &[one, other])
    }));
    let port_match = match port_match {
        PortMatch::Either => "either",
        PortMatch::Destination => "destination",
    };
    let vantage = match vantage {
        Vantage::Auto => "auto",
        Vantage::Every => "every",
        Vantage::Sender => "sender",
    };
    let gateway_path = match gateway_path {
        GatewayPath::Vpn => "vpn",
        GatewayPath::DirectConnect => "direct_connect",
    };
    let endpoint_at = match endpoint_at {
        EndpointAt::Endpoint => "endpoint",
        EndpointAt::Client => "client",
    };
    let rejected = count_rejected.to_string();
    lines.push(line("counting", &[port_match, vantage, &rejected, endpoint_at, gateway_path, home_region]));
    lines.sort_unstable();
    let ranges = ranges.map(|ranges| line("ip_ranges", &[&hash_of_ranges(ranges)]));
    hash(lines.into_iter().chain(ranges))
}

fn zone(zone: &ZoneSpec) -> String {
    let ZoneSpec { name, az_id, region, cidrs, logged, within, outside, scope } = zone;
    let fields = [az_id, region, within].map(|field| field.as_deref().unwrap_or_default());
    let [az_id, region, within] = fields;
    let (cidrs, scope) = (sorted(cidrs), place(scope));
    line("zone", &[name, az_id, region, &cidrs, &logged.to_string(), within, &outside.to_string(), &scope])
}

fn gateway(gateway: &GatewaySpec) -> String {
    let GatewaySpec { name, zone, interface_ids, private_ips, resource_ids, scope } = gateway;
    let (interfaces, addresses) = (sorted(interface_ids), sorted(private_ips));
    let zone = zone.as_deref().unwrap_or_default();
    line("nat_gateway", &[name, zone, &interfaces, &addresses, &sorted(resource_ids), &place(scope)])
}

fn service(service: &ServiceSpec) -> String {
    let ServiceSpec { name, cidrs, interface_ids, billing, scope } = service;
    let billing = match billing {
        Billing::Both => "both",
        Billing::FarSide => "far_side",
        Billing::Free => "free",
    };
    line("service", &[name, &sorted(cidrs), &sorted(interface_ids), billing, &place(scope)])
}

/// A short hash of some lists, whatever the order of their items.
pub(super) fn of_lists<'a>(lists: impl IntoIterator<Item = &'a Vec<String>>) -> String {
    let mut short = hash(lists.into_iter().map(|list| line("list", &[&sorted(list)])));
    short.truncate(8);
    short
}

/// A scope as one field.
fn place(scope: &Scope) -> String {
    let Scope { sources, accounts, regions, vpc_ids } = scope;
    let lists = [sources, accounts, regions, vpc_ids];
    // Names of sources may contain anything.
    lists.map(|list| sorted_by(list, |item| format!("{}:{item}", item.len()))).join(";")
}

/// What the ranges say, not how: AWS dates the file anew without a change.
fn hash_of_ranges(ranges: &IpRanges) -> String {
    hash(ranges.iter().map(|(network, region, service)| {
        let service = match service {
            RangeService::Amazon => "amazon",
            RangeService::Ec2 => "ec2",
            RangeService::Named => "named",
        };
        format!("{network} {} {service}\n", region.unwrap_or("-"))
    }))
}

fn hash(texts: impl Iterator<Item = String>) -> String {
    let mut hasher = Sha256::new();
    texts.for_each(|text| hasher.update(text));
    hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
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
    use crate::model::Charge;

    fn zone(name: &str, cidr: &str) -> ZoneSpec {
        ZoneSpec {
            name: Arc::from(name),
            cidrs: vec![cidr.parse().unwrap()],
            logged: true,
            ..ZoneSpec::default()
        }
    }

    type Named<T> = (&'static str, T);
    type ScopeOf = fn(&mut Rules) -> &mut Scope;
    type ListOf = fn(&mut Scope) -> &mut Vec<Arc<str>>;

    fn names(list: &[&str]) -> Vec<Arc<str>> {
        list.iter().map(|name| Arc::from(*name)).collect()
    }

    /// Rules with two of everything.
    fn rules() -> Rules {
        let scope = Scope {
            sources: names(&["s", "t"]),
            accounts: names(&["111111111111", "222222222222"]),
            regions: names(&["eu-west-1", "us-east-1"]),
            vpc_ids: names(&["vpc-1", "vpc-2"]),
        };
        let nets = |texts: [&str; 2]| texts.map(|text| text.parse().unwrap()).to_vec();
        let group = |name: &str, ports| PortGroup { name: Arc::from(name), ports };
        let gateway = |name: &str| GatewaySpec {
            name: Arc::from(name),
            zone: Some(Arc::from("a")),
            interface_ids: names(&["eni-1", "eni-2"]),
            private_ips: ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap()).to_vec(),
            resource_ids: names(&["nat-1", "nat-2"]),
            scope: scope.clone(),
        };
        let forwarder = |name: &str| ForwarderSpec {
            name: Arc::from(name),
            interface_ids: names(&["eni-3", "eni-4"]),
            scope: scope.clone(),
        };
        let service = |name: &str| ServiceSpec {
            name: Arc::from(name),
            cidrs: nets(["10.0.2.0/24", "10.0.3.0/24"]),
            interface_ids: names(&["eni-5", "eni-6"]),
            billing: Billing::Both,
            scope: scope.clone(),
        };
        let no_charge =
            |charge| NoCharge { charge, cidrs: nets(["10.0.4.0/24", "10.0.5.0/24"]), scope: scope.clone() };
        let public = |nets: Vec<ipnet::IpNet>| PublicNets { cidrs: nets, scope: scope.clone() };
        Rules {
            zones: vec![
                ZoneSpec {
                    cidrs: nets(["10.0.0.0/24", "10.1.0.0/24"]),
                    scope: scope.clone(),
                    ..zone("a", "::/0")
                },
                zone("b", "10.0.1.0/24"),
            ],
            port_groups: vec![group("web", vec![80..=80, 443..=443]), group("ssh", vec![22..=22])],
            gateways: vec![gateway("n"), gateway("m")],
            forwarders: vec![forwarder("f"), forwarder("g")],
            services: vec![service("x"), service("y")],
            public_nets: vec![
                public(nets(["10.0.6.0/24", "10.0.7.0/24"])),
                public(nets(["10.0.8.0/24", "::/0"])),
            ],
            peered: vec![("vpc-1".into(), "vpc-2".into()), ("vpc-1".into(), "vpc-3".into())],
            no_charge: vec![no_charge(Charge::InterAz), no_charge(Charge::InternetEgress)],
            home_region: "us-east-1".into(),
            ..Rules::default()
        }
    }

    #[test]
    fn order_does_not_matter() {
        let mut same = rules();
        same.zones.reverse();
        same.zones[1].cidrs.reverse();
        same.port_groups.reverse();
        same.port_groups[1].ports.reverse();
        same.gateways.reverse();
        same.gateways[0].interface_ids.reverse();
        same.gateways[0].private_ips.reverse();
        same.gateways[0].resource_ids.reverse();
        same.forwarders.reverse();
        same.forwarders[0].interface_ids.reverse();
        same.services.reverse();
        same.services[0].cidrs.reverse();
        same.services[0].interface_ids.reverse();
        same.public_nets.reverse();
        same.public_nets[0].cidrs.reverse();
        same.peered.reverse();
        same.peered[0] = (same.peered[0].1.clone(), same.peered[0].0.clone());
        same.no_charge.reverse();
        same.no_charge[0].cidrs.reverse();
        let scope = &mut same.zones[1].scope;
        for list in [&mut scope.sources, &mut scope.accounts, &mut scope.regions, &mut scope.vpc_ids] {
            list.reverse();
        }
        assert_eq!(fingerprint(&same, None), fingerprint(&rules(), None));
    }

    /// The fields are those that the functions above take apart.
    #[test]
    fn every_field_matters() {
        let scopes: [Named<ScopeOf>; 6] = [
            ("zone", |rules| &mut rules.zones[0].scope),
            ("nat_gateway", |rules| &mut rules.gateways[0].scope),
            ("forwarder", |rules| &mut rules.forwarders[0].scope),
            ("service", |rules| &mut rules.services[0].scope),
            ("public_cidrs", |rules| &mut rules.public_nets[0].scope),
            ("no_charge", |rules| &mut rules.no_charge[0].scope),
        ];
        let lists: [Named<ListOf>; 4] = [
            ("sources", |scope| &mut scope.sources),
            ("accounts", |scope| &mut scope.accounts),
            ("regions", |scope| &mut scope.regions),
            ("vpc_ids", |scope| &mut scope.vpc_ids),
        ];
        let fields: [Named<fn(&mut Rules)>; 31] = [
            ("zone.name", |rules| rules.zones[0].name = "c".into()),
            ("zone.az_id", |rules| rules.zones[0].az_id = Some("use1-az1".into())),
            ("zone.region", |rules| rules.zones[0].region = Some("us-east-2".into())),
            ("zone.cidrs", |rules| rules.zones[0].cidrs.truncate(1)),
            ("zone.logged", |rules| rules.zones[0].logged = false),
            ("zone.in", |rules| rules.zones[0].within = Some("b".into())),
            ("zone.outside", |rules| rules.zones[0].outside = true),
            ("port_group.name", |rules| rules.port_groups[0].name = "www".into()),
            ("port_group.ports", |rules| rules.port_groups[0].ports[0] = 80..=81),
            ("ports.match", |rules| rules.port_match = PortMatch::Destination),
            ("nat_gateway.name", |rules| rules.gateways[0].name = "o".into()),
            ("nat_gateway.zone", |rules| rules.gateways[0].zone = Some("b".into())),
            ("nat_gateway.interface_ids", |rules| rules.gateways[0].interface_ids.truncate(1)),
            ("nat_gateway.private_ips", |rules| rules.gateways[0].private_ips.truncate(1)),
            ("nat_gateway.resource_ids", |rules| rules.gateways[0].resource_ids.truncate(1)),
            ("forwarder.name", |rules| rules.forwarders[0].name = "h".into()),
            ("forwarder.interface_ids", |rules| rules.forwarders[0].interface_ids.truncate(1)),
            ("service.name", |rules| rules.services[0].name = "z".into()),
            ("service.cidrs", |rules| rules.services[0].cidrs.truncate(1)),
            ("service.interface_ids", |rules| rules.services[0].interface_ids.truncate(1)),
            ("service.billing far_side", |rules| rules.services[0].billing = Billing::FarSide),
            ("service.billing free", |rules| rules.services[0].billing = Billing::Free),
            ("public_cidrs", |rules| rules.public_nets[0].cidrs.truncate(1)),
            ("peered", |rules| rules.peered.truncate(1)),
            ("gateway_path", |rules| rules.gateway_path = GatewayPath::DirectConnect),
            ("endpoint_processing_at", |rules| rules.endpoint_at = EndpointAt::Client),
            ("vantage", |rules| rules.vantage = Vantage::Sender),
            ("rejected", |rules| rules.count_rejected = true),
            ("home region", |rules| rules.home_region = "eu-west-1".into()),
            ("no_charge.charge", |rules| rules.no_charge[0].charge = Charge::NatHop),
            ("no_charge.cidrs", |rules| rules.no_charge[0].cidrs.truncate(1)),
        ];
        let mut prints = vec![("nothing".to_owned(), fingerprint(&rules(), None))];
        for (what, change) in fields {
            let mut other = rules();
            change(&mut other);
            prints.push((what.to_owned(), fingerprint(&other, None)));
        }
        for (entry, scope) in scopes {
            for (what, list) in lists {
                let mut other = rules();
                list(scope(&mut other)).pop();
                prints.push((format!("{entry}.{what}"), fingerprint(&other, None)));
            }
        }
        for (at, (what, print)) in prints.iter().enumerate() {
            for (earlier, other) in &prints[..at] {
                assert_ne!(print, other, "{what} and {earlier}");
            }
        }
    }

    #[test]
    fn items_of_neighbouring_lists_are_not_mixed_up() {
        let with = |sources: &[&str], accounts: &[&str]| {
            let scope = Scope { sources: names(sources), accounts: names(accounts), ..Scope::default() };
            let zones = vec![ZoneSpec { scope, ..zone("a", "10.0.0.0/24") }];
            fingerprint(&Rules { zones, ..Rules::default() }, None)
        };
        assert_ne!(with(&["111111111111"], &[]), with(&[], &["111111111111"]));
        assert_ne!(with(&["a,1:b"], &[]), with(&["a", "b"], &[]));
    }

    #[test]
    fn address_ranges_matter_by_what_they_say() {
        let file = |date: &str, prefixes: [&str; 2]| {
            let of = |prefix: &str| {
                format!(r#"{{"ip_prefix": "{prefix}", "region": "us-east-1", "service": "EC2"}}"#)
            };
            let text = format!(
                r#"{{"createDate": "{date}", "prefixes": [{}], "ipv6_prefixes": []}}"#,
                prefixes.map(of).join(", ")
            );
            IpRanges::parse(text.as_bytes()).unwrap()
        };
        let print = |ranges: &IpRanges| fingerprint(&rules(), Some(ranges));
        let base = print(&file("2026-11-01", ["3.0.0.0/15", "52.0.0.0/15"]));
        assert_eq!(base, print(&file("2026-11-02", ["52.0.0.0/15", "3.0.0.0/15"])));
        assert_ne!(base, print(&file("2026-11-01", ["3.0.0.0/15", "52.0.0.0/16"])));
        assert_ne!(base, fingerprint(&rules(), None));
    }

    #[test]
    fn the_hash_is_the_same_in_every_version() {
        // printf 'counting\n6:either\n4:auto\n5:false\n8:endpoint\n3:vpn\n0:\n' | sha256sum
        assert_eq!(
            fingerprint(&Rules::default(), None),
            "f7de4e9eaae343b8aecf7aef1b98dcc1dd96aea7a6577e03c897aaf5d271700b"
        );
    }
}
