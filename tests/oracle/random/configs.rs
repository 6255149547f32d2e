//! Random configurations. They are valid: what a configuration may not say is not compared.

use std::collections::BTreeMap;

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{ACCOUNTS, AZ_IDS, N, NAT_INTERFACES, REGIONS, SOURCES, TOKYO, VPCS, chance, word};
use crate::oracle::{
    ForwarderConfig, GatewayConfig, NoChargeConfig, OracleConfig, PublicConfig, RangeConfig, ScopeConfig,
    ServiceConfig, ZoneConfig, cases::written::CHARGES, config::PriceList,
};

const ZONE_NAMES: [&str; 5] = ["zone-a", "zone-b", "zone-c", "zone-d", "zone-e"];
const CIDRS: [&str; 15] = [
    "10.0.1.0/24",
    "10.0.2.0/24",
    "10.0.2.128/25",
    "10.0.2.200/32",
    "10.0.0.0/16",
    "10.1.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "203.0.113.0/24",
    "2001:db8:a::/48",
    "2001:db8::/32",
    "fd00:a::/64",
    "2600:1f00:0:100::/64",
    "0.0.0.0/0",
    "::/0",
];

/// Mostly everywhere.
fn scope() -> BoxedStrategy<ScopeConfig> {
    let some = |pool: &'static [&'static str]| prop_oneof![2 => Just(Vec::new()), 1 => word(pool).prop_map(|one| vec![one])];
    let narrow = (some(&SOURCES), some(&ACCOUNTS), some(&REGIONS[..2]), some(&VPCS)).prop_map(
        |(sources, accounts, regions, vpc_ids)| ScopeConfig { sources, accounts, regions, vpc_ids },
    );
    prop_oneof![3 => Just(ScopeConfig::default()), 2 => narrow].boxed()
}

/// Two entries may not claim one thing for one record with the same right.
fn clash(one: &ScopeConfig, other: &ScopeConfig) -> bool {
    one.rank() == other.rank() && one.meets(other)
}

/// Takes away from each entry what an earlier one claims already.
fn settle<T>(
    entries: &mut [T],
    scope: impl Fn(&T) -> ScopeConfig,
    claims: impl Fn(&mut T) -> &mut Vec<String>,
) {
    for at in 1..entries.len() {
        let (earlier, later) = entries.split_at_mut(at);
        let scope_of_later = scope(&later[0]);
        let rivals: Vec<String> = earlier
            .iter_mut()
            .filter(|entry| clash(&scope(entry), &scope_of_later))
            .flat_map(|entry| claims(entry).clone())
            .collect();
        claims(&mut later[0]).retain(|claim| !rivals.contains(claim));
    }
}

#[derive(Debug, Clone)]
struct DrawnZone {
    az_id: Option<String>,
    region: Option<String>,
    within: Option<usize>,
    outside: bool,
    logged: bool,
    cidrs: Vec<String>,
    scope: ScopeConfig,
}

fn zone() -> impl Strategy<Value = DrawnZone> {
    let az =
        (chance(7), word(&AZ_IDS), option::weighted(0.3, word(&REGIONS)), option::weighted(0.2, 0..4_usize));
    let flags = (chance(2), chance(8));
    let cidrs =
        prop_oneof![2 => Just(Vec::new()), 6 => vec(word(&CIDRS[..13]), 1..4), 1 => vec(word(&CIDRS), 1..3)];
    (az, flags, cidrs, scope()).prop_map(
        |((has_az, az_id, region, within), (outside, logged), cidrs, scope)| DrawnZone {
            az_id: has_az.then_some(az_id),
            region,
            within,
            outside,
            logged,
            cidrs,
            scope,
        },
    )
}

/// Half of them as they usually are: everywhere, with AZ ids of one region.
fn zones() -> impl Strategy<Value = Vec<ZoneConfig>> {
    (vec(zone(), 0..=5), any::<bool>()).prop_map(|(drawn, usual)| {
        let mut zones: Vec<ZoneConfig> = Vec::new();
        for (at, mut zone) in drawn.into_iter().enumerate() {
            if usual {
                zone.az_id = Some(AZ_IDS[at % 3].to_string());
                (zone.region, zone.outside, zone.scope) = (None, false, ScopeConfig::default());
            }
            let mut cidrs = zone.cidrs;
            cidrs.sort();
            cidrs.dedup();
            // A finer name has no AZ id of its own, and is not outside.
            let within =
                zone.within.filter(|within| *within < at && !zones[*within].outside && !zone.outside);
            zones.push(ZoneConfig {
                name: ZONE_NAMES[at].to_string(),
                az_id: zone.az_id.filter(|_| within.is_none() && !zone.outside),
                region: zone.region.filter(|_| !zone.outside),
                cidrs,
                logged: zone.logged,
                within: within.map(|within| ZONE_NAMES[within].to_string()),
                outside: zone.outside,
                scope: zone.scope,
            });
        }
        settle(&mut zones, |zone| zone.scope.clone(), |zone| &mut zone.cidrs);
        zones
    })
}

fn gateways(zones: &[ZoneConfig]) -> impl Strategy<Value = Vec<GatewayConfig>> + use<> {
    let names: Vec<String> =
        zones.iter().filter(|zone| !zone.outside).map(|zone| zone.name.clone()).collect();
    let zone = if names.is_empty() {
        Just(None).boxed()
    } else {
        prop_oneof![1 => Just(None), 5 => select(names).prop_map(Some)].boxed()
    };
    let gateway = (zone, chance(5), vec(word(&N), 0..3), chance(3), scope());
    vec(gateway, 0..=2).prop_map(|drawn| {
        let gateways =
            drawn.into_iter().enumerate().map(|(at, (zone, interface, mut ips, resource, scope))| {
                ips.sort();
                ips.dedup();
                // Only a regional gateway needs no zone.
                let zonal = zone.is_some();
                let list = |listed: bool, id: String| if listed { vec![id] } else { Vec::new() };
                GatewayConfig {
                    name: format!("nat-{at}"),
                    zone,
                    interface_ids: list(zonal && interface, NAT_INTERFACES[at].to_string()),
                    private_ips: if zonal { ips } else { Vec::new() },
                    resource_ids: list(resource || !zonal, format!("nat-{at}")),
                    scope,
                }
            });
        let mut gateways: Vec<_> = gateways.collect();
        settle(&mut gateways, |gateway| gateway.scope.clone(), |gateway| &mut gateway.private_ips);
        gateways.retain(|gateway| {
            let GatewayConfig { interface_ids, private_ips, resource_ids, .. } = gateway;
            !(interface_ids.is_empty() && private_ips.is_empty() && resource_ids.is_empty())
        });
        gateways
    })
}

fn forwarders() -> impl Strategy<Value = Vec<ForwarderConfig>> {
    let forwarder = scope().prop_map(|scope| ForwarderConfig {
        name: "firewall".to_string(),
        interface_ids: vec!["eni-fw".to_string()],
        scope,
    });
    prop_oneof![4 => Just(Vec::new()), 1 => forwarder.prop_map(|forwarder| vec![forwarder])]
}

/// At most one that lists interfaces: an address that two of them show would be nobody's.
fn services() -> impl Strategy<Value = Vec<ServiceConfig>> {
    let cidrs = vec(select(vec!["10.0.1.0/28", "10.0.2.0/24", "10.0.0.0/16", "fd00:a::/64"]), 0..4);
    let service =
        (cidrs, chance(5), select(vec!["both", "far_side", "far_side", "far_side", "free"]), scope());
    let several = vec(service, 1..3).prop_map(|drawn| {
        let services = drawn.into_iter().enumerate().map(|(at, (mut cidrs, interface, billing, scope))| {
            cidrs.sort_unstable();
            cidrs.dedup();
            let interface_ids = if at == 0 && (interface || cidrs.is_empty()) {
                vec!["eni-db".to_string()]
            } else {
                Vec::new()
            };
            ServiceConfig {
                name: format!("service-{at}"),
                cidrs: cidrs.into_iter().map(ToString::to_string).collect(),
                interface_ids,
                billing,
                scope,
            }
        });
        let mut services: Vec<_> = services.collect();
        settle(&mut services, |service| service.scope.clone(), |service| &mut service.cidrs);
        services.retain(|service| !service.cidrs.is_empty() || !service.interface_ids.is_empty());
        services
    });
    prop_oneof![1 => Just(Vec::new()), 2 => several]
}

fn prices() -> impl Strategy<Value = PriceList> {
    vec(option::weighted(0.5, 1..200_000_000_u64), CHARGES.len()).prop_map(|prices| {
        let priced = CHARGES.into_iter().zip(prices);
        priced.filter_map(|(charge, price)| price.map(|price| (charge, price))).collect()
    })
}

fn no_charge() -> impl Strategy<Value = Vec<NoChargeConfig>> {
    let cidr = select(vec!["10.0.1.0/24", "10.0.2.200/32", "203.0.113.0/24", "2001:db8::/32", "10.0.2.0/23"]);
    let entry = (select(&CHARGES[..]), vec(cidr.prop_map(ToString::to_string), 1..3), scope())
        .prop_map(|(charge, cidrs, scope)| NoChargeConfig { charge, cidrs, scope });
    vec(entry, 0..3)
}

fn public() -> impl Strategy<Value = Vec<PublicConfig>> {
    let cidr = select(vec!["10.0.1.0/24", "10.0.2.0/24", "2001:db8::/32"]);
    let entry = (vec(cidr.prop_map(ToString::to_string), 1..3), scope())
        .prop_map(|(cidrs, scope)| PublicConfig { cidrs, scope });
    prop_oneof![2 => Just(Vec::new()), 1 => vec(entry, 1..3)]
}

fn ranges() -> impl Strategy<Value = Option<Vec<RangeConfig>>> {
    // AWS's file has every network once more as AMAZON.
    let all = [
        ("203.0.113.0/24", "us-east-1", "EC2"),
        ("203.0.113.0/24", "us-east-1", "AMAZON"),
        ("203.0.113.128/25", TOKYO, "EC2"),
        ("198.51.100.0/24", "us-east-1", "S3"),
        ("198.51.100.0/24", "us-east-1", "EC2"),
        ("198.51.100.0/24", "us-east-1", "AMAZON"),
        ("8.8.8.0/24", "GLOBAL", "CLOUDFRONT"),
        ("2600:1f00::/24", "us-east-1", "EC2"),
        ("2600:1f00::/24", "us-east-1", "AMAZON"),
        ("2001:db8:b::/48", "eu-west-1", "EC2"),
        ("0.0.0.0/0", "eu-west-1", "AMAZON"),
    ];
    let some = vec(chance(7), all.len()).prop_map(move |keep| {
        let ranges = all.iter().zip(keep).filter(|(_, keep)| *keep).map(|((prefix, region, service), _)| {
            RangeConfig {
                prefix: (*prefix).to_string(),
                region: (*region).to_string(),
                service: (*service).to_string(),
            }
        });
        ranges.collect()
    });
    option::of(some)
}

/// A valid configuration.
pub(crate) fn config() -> impl Strategy<Value = OracleConfig> {
    let groups = select(vec![
        vec![],
        vec![("loki".to_string(), vec![(4101, 4107)])],
        vec![
            ("loki".to_string(), vec![(4101, 4101), (4102, 4107)]),
            ("gateway".to_string(), vec![(4080, 4080), (0, 0), (65_535, 65_535)]),
        ],
    ]);
    let choices = (
        select(vec!["either", "destination"]),
        select(vec!["auto", "auto", "every", "sender"]),
        chance(3),
        select(vec![1_u64 << 30, 1_000_000_000]),
        prop_oneof![1 => 0..3_u64, 4 => Just(1_000)],
        select(vec!["vpn", "direct_connect"]),
        select(vec!["endpoint", "endpoint", "client"]),
        chance(2),
    );
    let source = (word(&SOURCES), word(&REGIONS[..2]), word(&REGIONS[..2]));
    let money = (
        prices(),
        option::weighted(0.3, (word(&REGIONS), prices())),
        option::weighted(0.1, word(&REGIONS)),
        no_charge(),
    );
    let places = zones().prop_flat_map(|zones| {
        let gateways = gateways(&zones);
        (Just(zones), gateways, forwarders(), services(), public(), ranges())
    });
    (places, groups, choices, source, money).prop_map(|(places, port_groups, choices, source, money)| {
        OracleConfig {
            source: source.0,
            source_region: source.1,
            home_region: source.2,
            zones: places.0,
            gateways: places.1,
            forwarders: places.2,
            services: places.3,
            public_cidrs: places.4,
            peered: if choices.7 { vec![("vpc-b".to_string(), "vpc-a".to_string())] } else { Vec::new() },
            gateway_path: choices.5,
            ip_ranges: places.5,
            port_groups,
            port_match: choices.0,
            vantage: choices.1,
            endpoint_at: choices.6,
            rejected: choices.2,
            no_charge: money.3,
            price_region: money.2,
            prices: money.0,
            region_prices: money.1.into_iter().collect::<BTreeMap<_, _>>(),
            bytes_per_gb: choices.3,
            bad_rows_per_object: choices.4,
        }
    })
}
