use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    decode::InterfaceType,
    demo::cluster::{NAT_ADDRESS, NAT_INTERFACE},
};

/// Tuesday 2025-12-09, 14:00 UTC.
const SLOT: Timestamp = Timestamp(1_765_288_800);

fn slot(rows: usize) -> Vec<Record> {
    Cluster::new(1).records(SLOT, 300, rows)
}

fn inside(address: Option<IpAddr>) -> bool {
    matches!(address, Some(IpAddr::V4(ip)) if ip.is_private())
}

fn at_gateway(record: &Record) -> bool {
    record.interface_type == InterfaceType::NatGateway
}

/// The third octet of the cluster's addresses tells the zone: see the subnets.
fn zone(address: Option<IpAddr>) -> Option<usize> {
    let Some(IpAddr::V4(ip)) = address.filter(|_| inside(address)) else { return None };
    let third = usize::from(ip.octets()[2]);
    Some(match third {
        0..=63 => third / 4,
        64..=239 => (third - 64) / 32,
        _ => third - 240,
    })
}

#[test]
fn seed_and_slot_decide_the_records() {
    assert_eq!(slot(2_000), slot(2_000));
    assert_ne!(slot(2_000), Cluster::new(2).records(SLOT, 300, 2_000), "another seed");
    assert_ne!(slot(2_000), Cluster::new(1).records(Timestamp(SLOT.0 + 300), 300, 2_000), "another slot");
}

#[test]
fn there_are_as_many_records_as_asked_for() {
    for rows in [0, 1, 2, 5, 12, 100, 4_321] {
        assert_eq!(slot(rows).len(), rows);
    }
}

#[test]
fn records_end_inside_the_slot_and_start_at_most_an_interval_before() {
    for seconds in [1, 2, 300, 3600] {
        for record in Cluster::new(1).records(SLOT, seconds, 500) {
            let (start, end) = (record.start.unwrap(), record.end.unwrap());
            assert!((SLOT.0..SLOT.0 + i64::from(seconds)).contains(&end));
            assert!(start <= end && start > end - WINDOW - 8, "{start} to {end}");
        }
    }
}

#[test]
fn flows_inside_the_cluster_are_logged_at_both_interfaces() {
    let records = slot(5_000);
    let mut sides = [BTreeMap::<_, Vec<&Record>>::new(), BTreeMap::new()];
    for record in records.iter().filter(|r| inside(r.pkt_srcaddr) && inside(r.pkt_dstaddr) && !at_gateway(r))
    {
        let key = (
            (record.pkt_srcaddr, record.pkt_dstaddr, record.protocol, record.srcport, record.dstport),
            (record.bytes, record.packets, record.tcp_flags),
        );
        let side = usize::from(record.flow_direction == Direction::Ingress);
        sides[side].entry(key).or_default().push(record);
    }
    let [egress, ingress] = sides;
    assert!(egress.len() > 1_000);
    assert_eq!(egress.keys().collect::<Vec<_>>(), ingress.keys().collect::<Vec<_>>());
    for (sent, received) in egress.values().zip(ingress.values()) {
        assert_eq!(sent.len(), received.len());
        for (sent, received) in sent.iter().zip(received) {
            assert_ne!(sent.interface_id, received.interface_id);
            assert_ne!(sent.start, received.start, "the interfaces cut time differently");
            assert_eq!((sent.traffic_path, received.traffic_path), (Some(1), None));
            assert_eq!(sent.next_hop_interface_id, received.interface_id);
            assert_eq!(received.next_hop_interface_id, sent.interface_id);
            // The interface's side is its primary address, the far side is the packet's.
            assert_eq!((sent.dstaddr, received.srcaddr), (sent.pkt_dstaddr, received.pkt_srcaddr));
        }
    }
    let pods = records.iter().filter(|r| inside(r.srcaddr) && r.srcaddr != r.pkt_srcaddr && !at_gateway(r));
    assert!(pods.count() > 500, "pods hide behind their nodes' addresses");
}

#[test]
fn the_gateway_logs_four_legs_and_the_client_two() {
    let records = slot(5_000);
    let n = Some(IpAddr::from(NAT_ADDRESS));
    // The client's own record precedes the first leg.
    let first_leg = |r: &Record| at_gateway(r) && r.dstaddr == n && inside(r.pkt_srcaddr);
    let first_legs: Vec<usize> = (1..records.len()).filter(|index| first_leg(&records[*index])).collect();
    assert!(first_legs.len() > 50);
    let mut services = BTreeSet::new();
    for first in first_legs {
        let [client_out, leg1, leg2, leg3, leg4, client_in] = &records[first - 1..first + 5] else {
            panic!("six records")
        };
        let (c, r) = (leg1.srcaddr, leg1.pkt_dstaddr);
        assert!(inside(c) && !inside(r));
        let (ingress, egress) = (Direction::Ingress, Direction::Egress);
        let table = [
            (client_out, egress, c, r, c, r, Some(1)),
            (leg1, ingress, c, n, c, r, None),
            (leg2, egress, n, r, n, r, Some(8)),
            (leg3, ingress, r, n, r, n, None),
            (leg4, egress, n, c, r, c, Some(1)),
            (client_in, ingress, r, c, r, c, None),
        ];
        for (number, (record, direction, src, dst, pkt_src, pkt_dst, path)) in table.into_iter().enumerate() {
            assert_eq!((record.flow_direction, record.traffic_path), (direction, path), "leg {number}");
            assert_eq!((record.srcaddr, record.dstaddr), (src, dst), "leg {number}");
            assert_eq!((record.pkt_srcaddr, record.pkt_dstaddr), (pkt_src, pkt_dst), "leg {number}");
            let same = if number < 3 { client_out } else { client_in };
            assert_eq!((record.bytes, record.packets), (same.bytes, same.packets), "leg {number}");
            let gateway = (1..=4).contains(&number);
            assert_eq!(at_gateway(record), gateway, "leg {number}");
            assert_eq!(record.interface_id.as_deref() == Some(NAT_INTERFACE), gateway, "leg {number}");
            let hop = !gateway;
            assert_eq!(record.next_hop_interface_type == InterfaceType::NatGateway, hop, "leg {number}");
        }
        assert_eq!(leg1.srcport, client_out.srcport);
        assert_eq!((leg2.dstport, leg3.srcport), (Some(443), Some(443)));
        assert_eq!(leg2.srcport, leg3.dstport, "one port of the gateway");
        services.insert(leg1.pkt_dst_aws_service.clone());
    }
    assert_eq!(services.len(), 3, "the internet, S3 and other services: {services:?}");
}

#[test]
fn every_kind_of_record_is_there() {
    let records = slot(20_000);
    let count = |test: &dyn Fn(&&Record) -> bool| records.iter().filter(test).count();
    let skip = count(&|r| r.log_status == LogStatus::SkipData);
    let nodata = count(&|r| r.log_status == LogStatus::NoData);
    assert!(0 < skip && skip * 10 < nodata, "SKIPDATA is rare: {skip} of {nodata}");
    let silent = records.iter().filter(|r| r.log_status != LogStatus::Ok);
    for record in silent {
        assert!(record.srcaddr.is_none() && record.bytes.is_none() && record.action.is_none());
        assert!(record.interface_id.is_some() && record.az_id.is_some());
    }
    assert!(count(&|r| r.action == Some(Action::Reject)) > 100);
    assert!(count(&|r| r.traffic_path == Some(8) && !at_gateway(r)) > 100, "internet gateway");
    assert!(count(&|r| r.traffic_path == Some(7) && r.pkt_dst_aws_service.as_deref() == Some("S3")) > 100);
    assert!(count(&|r| r.dstport == Some(53) && r.protocol == Some(17)) > 100);
    for route in &ROUTES {
        assert!(count(&|r| r.dstport == Some(route.port)) > 0, "port {}", route.port);
    }
    for record in &records {
        let (Some(bytes), Some(packets)) = (record.bytes, record.packets) else { continue };
        assert!(packets > 0 && bytes / packets >= 26 && bytes / packets <= 1_500);
    }
}

#[test]
fn the_week_has_the_mean_it_says() {
    assert_eq!((HOURS.iter().sum::<u32>(), DAYS.iter().sum::<u32>()), (2_400, 700));
    let cluster = Cluster::new(1);
    let activity: Vec<f64> = (0..7 * 288).map(|slot| cluster.activity(SLOT.0 + slot * 300)).collect();
    let mean = activity.iter().sum::<f64>() / activity.len() as f64;
    assert!((mean - 1.0).abs() < 0.03, "{mean}");
    let at = |time: i64| cluster.activity(time);
    let (tuesday, night, sunday) = (SLOT.0, SLOT.0 - 9 * 3600, SLOT.0 + 5 * 86_400);
    assert!(at(tuesday) > at(night) && at(tuesday) > at(sunday));
}

/// Bytes of a week, at the prices of us-east-1 and by the shortest rule that fits this cluster.
#[derive(Default)]
struct Bill {
    counted: i64,
    cross: i64,
    usd: f64,
}

fn bill(days: i64, rows: usize) -> Bill {
    bill_of(&Cluster::new(crate::demo::SEED), days, rows)
}

fn bill_of(cluster: &Cluster, days: i64, rows: usize) -> Bill {
    let mut bill = Bill::default();
    for slot in 0..days * 24 {
        for record in cluster.records(Timestamp(SLOT.0 + slot * 3600), 3600, rows) {
            let Some(bytes) = record.bytes.filter(|_| record.action == Some(Action::Accept)) else {
                continue;
            };
            let (src, dst) = (zone(record.pkt_srcaddr), zone(record.pkt_dstaddr));
            let cross = src.is_some() && dst.is_some() && src != dst;
            let egress = record.flow_direction == Direction::Egress;
            let gib = bytes as f64 / GIB;
            if at_gateway(&record) {
                // Legs 1 and 4: the packet is not the gateway's own.
                let client = if egress { dst } else { src };
                if client.is_some() && record.pkt_srcaddr != Some(NAT_ADDRESS.into()) {
                    if record.pkt_dstaddr == Some(NAT_ADDRESS.into()) {
                        continue;
                    }
                    bill.usd += gib * 0.045;
                    bill.usd += if client == Some(0) { 0.0 } else { gib * 0.01 };
                    let internet = !egress && record.pkt_dst_aws_service.is_none();
                    bill.usd += if internet { gib * 0.09 } else { 0.0 };
                }
                continue;
            }
            bill.usd += if cross { gib * 0.01 } else { 0.0 };
            bill.usd += if egress && record.traffic_path == Some(8) { gib * 0.09 } else { 0.0 };
            if egress || src.is_none() {
                bill.counted += bytes;
                bill.cross += if cross { bytes } else { 0 };
            }
        }
    }
    bill
}

#[test]
fn a_month_is_near_the_budget_and_the_ratio_above_its_own() {
    let week = bill(7, 300);
    let month = week.usd / 7.0 * 30.0;
    let ratio = week.cross as f64 / week.counted as f64;
    let tib = week.counted as f64 / GIB / 1024.0 / 7.0 * 30.0;
    println!("{month:.2} USD a month, {tib:.1} TiB, {ratio:.3} between zones");
    assert!((330.0..430.0).contains(&month), "{month} USD");
    assert!((0.35..0.45).contains(&ratio), "{ratio}");
    assert!((18.0..24.0).contains(&tib), "{tib} TiB");
}

#[test]
fn few_rows_carry_the_same_bytes_as_many() {
    let (coarse, fine) = (bill(1, 120), bill(1, 4_000));
    let ratio = coarse.counted as f64 / fine.counted as f64;
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
}

#[test]
fn less_crosses_zones_once_services_route_within_them_and_nothing_else_changes() {
    let change = Timestamp(SLOT.0 + 86_400);
    let cluster = Cluster::new(crate::demo::SEED).preferring_close(change);
    let before = change.minus(std::time::Duration::from_secs(300));
    assert_eq!(cluster.records(before, 300, 500), Cluster::new(crate::demo::SEED).records(before, 300, 500));
    let (old, new) = (bill(1, 2_000), bill_of(&cluster.preferring_close(SLOT), 1, 2_000));
    let ratio = |bill: &Bill| bill.cross as f64 / bill.counted as f64;
    println!("{:.3} to {:.3} between zones", ratio(&old), ratio(&new));
    assert!((0.35..0.45).contains(&ratio(&old)) && (0.18..0.29).contains(&ratio(&new)));
    assert!((0.97..1.03).contains(&(new.counted as f64 / old.counted as f64)), "the same traffic");
}
