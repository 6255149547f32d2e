use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use super::*;
use crate::{
    classify::{
        Classifier, ForwarderSpec, GatewaySpec, NoCharge, ObjectClassifier, PortGroup, PortMatch, Rules,
        Scope, ServiceSpec, SourceScope, Vantage, ZoneSpec,
    },
    decode::{
        Action, DecodeLimits, Direction, Input, InterfaceType, LogStatus, Reader,
        encode::{Column, EncodeOptions, Record, TrafficType, parquet, text_gz},
    },
    model::Charge,
    pricing::PriceBook,
    topology::Billing,
};

const LIMITS: DecodeLimits = DecodeLimits { decompressed_bytes: 1 << 30 };

fn classifier(rules: Rules) -> Classifier {
    let source = SourceScope { name: "logs".into(), region: "here".into() };
    Classifier::new(rules, &source, PriceBook::default(), None)
}

fn object(classifier: &Classifier) -> ObjectClassifier<'_> {
    ObjectClassifier::new(classifier, Some("111122223333"), Some("here"))
}

#[test]
fn a_traffic_path_is_what_the_rules_tell_apart() {
    for (path, class) in [
        (0, 0),
        (IntColumn::NULL, 0),
        (IntColumn::HIGHEST_MARK, 0),
        (7, 7),
        (8, 8),
        (9, 9),
        (300, 9),
        (-1, 9),
    ] {
        assert_eq!(path_class(path), class, "{path}");
    }
}

fn rules(random: &mut fastrand::Rng) -> Rules {
    let zone = |name: &str, az_id: Option<&str>, cidrs: &[&str], region: &str| ZoneSpec {
        name: name.into(),
        az_id: az_id.map(Arc::from),
        region: Some(region.into()),
        cidrs: cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect(),
        logged: name.len() % 2 == 1,
        ..ZoneSpec::default()
    };
    let all_have_az_ids = random.bool();
    let in_vpc = Scope { vpc_ids: vec!["vpc-2".into()], ..Scope::default() };
    Rules {
        zones: vec![
            zone("a", Some("az1"), &["10.0.0.0/24", "fd00:a::/32"], "here"),
            zone("b", all_have_az_ids.then_some("az2"), &["10.0.1.0/24"], "here"),
            zone("far", Some("az9"), &["10.9.0.0/24"], "there"),
            ZoneSpec { scope: in_vpc.clone(), ..zone("a2", Some("az3"), &["10.0.0.0/24"], "here") },
        ],
        port_groups: vec![
            PortGroup { name: "http".into(), ports: vec![80..=80, 4101..=4107] },
            PortGroup { name: "dns".into(), ports: vec![53..=53] },
        ],
        port_match: if random.bool() { PortMatch::Either } else { PortMatch::Destination },
        gateways: vec![
            GatewaySpec {
                name: "nat".into(),
                zone: Some("a".into()),
                interface_ids: vec!["eni-nat".into()],
                private_ips: vec!["10.0.0.9".parse().unwrap()],
                ..GatewaySpec::default()
            },
            GatewaySpec {
                name: "regional".into(),
                zone: Some("b".into()),
                private_ips: vec!["10.0.1.9".parse().unwrap()],
                resource_ids: vec!["nat-1".into()],
                ..GatewaySpec::default()
            },
        ],
        forwarders: vec![ForwarderSpec {
            name: "firewall".into(),
            interface_ids: vec!["eni-fw".into()],
            scope: in_vpc,
        }],
        services: vec![ServiceSpec {
            name: "db".into(),
            cidrs: Vec::new(),
            interface_ids: vec!["eni-2".into()],
            billing: Billing::FarSide,
            scope: Scope::default(),
        }],
        vantage: *random.choice(&[Vantage::Auto, Vantage::Every, Vantage::Sender]).unwrap(),
        count_rejected: random.bool(),
        no_charge: vec![NoCharge {
            charge: Charge::InterAz,
            cidrs: vec!["10.0.1.4/32".parse().unwrap()],
            scope: Scope::default(),
        }],
        home_region: "here".into(),
        ..Rules::default()
    }
}

fn record(random: &mut fastrand::Rng) -> Record {
    let mut record = Record::default();
    for column in Column::ALL {
        vary(&mut record, *column, random);
    }
    // Most records are of interfaces that show what is in the packets.
    if random.bool() {
        (record.pkt_srcaddr, record.pkt_dstaddr) = (record.srcaddr, record.dstaddr);
    }
    record
}

/// Gives a column one of the values that differ in meaning. Without `_`: a new column has to vary, too.
fn vary(record: &mut Record, column: Column, random: &mut fastrand::Rng) {
    const ADDRESSES: [&str; 13] = [
        "10.0.0.4",
        "10.0.0.5",
        "10.0.0.9",
        "10.0.1.4",
        "10.0.1.9",
        "10.9.0.1",
        "192.168.0.1",
        "52.1.2.3",
        "52.1.2.4",
        "fd00:a::1",
        "2600::1",
        "64:ff9b::10.0.0.4",
        "64:ff9b::52.1.2.3",
    ];
    fn one<T: Copy>(random: &mut fastrand::Rng, of: &[T]) -> T {
        *random.choice(of).unwrap()
    }
    fn text(random: &mut fastrand::Rng, of: &[&str]) -> Option<Arc<str>> {
        Some(one(random, of)).filter(|text| !text.is_empty()).map(Arc::from)
    }
    fn address(random: &mut fastrand::Rng) -> Option<IpAddr> {
        (random.u8(..) > 20).then(|| one(random, &ADDRESSES).parse().unwrap())
    }
    fn port(random: &mut fastrand::Rng) -> Option<i32> {
        one(random, &[None, Some(80), Some(53), Some(50_000), Some(70_000), Some(-1)])
    }
    fn kind(random: &mut fastrand::Rng) -> InterfaceType {
        const KINDS: [InterfaceType; 8] = [
            InterfaceType::Plain,
            InterfaceType::Plain,
            InterfaceType::NatGateway,
            InterfaceType::RegionalNatGateway,
            InterfaceType::TransitGateway,
            InterfaceType::VpcEndpoint,
            InterfaceType::NetworkLoadBalancer,
            InterfaceType::GatewayLoadBalancerEndpoint,
        ];
        one(random, &KINDS)
    }
    match column {
        Column::Version => record.version = one(random, &[None, Some(2), Some(11)]),
        Column::AccountId => record.account_id = text(random, &["", "111122223333", "444455556666"]),
        Column::InterfaceId => {
            record.interface_id = text(random, &["", "eni-1", "eni-2", "eni-nat", "eni-fw"])
        }
        Column::SrcAddr => record.srcaddr = address(random),
        Column::DstAddr => record.dstaddr = address(random),
        Column::SrcPort => record.srcport = port(random),
        Column::DstPort => record.dstport = port(random),
        Column::Protocol => record.protocol = one(random, &[None, Some(6), Some(17)]),
        Column::Packets => record.packets = one(random, &[None, Some(3), Some(-1)]),
        Column::Bytes => record.bytes = one(random, &[None, Some(100), Some(200), Some(300), Some(-5)]),
        Column::Start => record.start = one(random, &[None, Some(1_765_274_300)]),
        Column::End => record.end = Some(1_765_274_400 + random.i64(0..600)),
        Column::Action => {
            record.action = one(random, &[Some(Action::Accept), Some(Action::Accept), Some(Action::Reject)]);
        }
        Column::LogStatus => {
            const ALL: [LogStatus; 4] = [LogStatus::Ok, LogStatus::Ok, LogStatus::Null, LogStatus::SkipData];
            record.log_status = one(random, &ALL);
        }
        Column::VpcId => record.vpc_id = text(random, &["", "vpc-1", "vpc-2"]),
        Column::SubnetId => record.subnet_id = text(random, &["", "subnet-1", "subnet-2"]),
        Column::InstanceId => record.instance_id = text(random, &["", "i-1", "i-2"]),
        Column::TcpFlags => record.tcp_flags = one(random, &[None, Some(2), Some(19)]),
        Column::Type => {
            const FAMILIES: [Option<TrafficType>; 3] =
                [None, Some(TrafficType::Ipv4), Some(TrafficType::Ipv6)];
            record.traffic_type = one(random, &FAMILIES);
        }
        Column::PktSrcAddr => record.pkt_srcaddr = address(random),
        Column::PktDstAddr => record.pkt_dstaddr = address(random),
        Column::Region => record.region = text(random, &["", "here", "there"]),
        Column::AzId => record.az_id = text(random, &["", "az1", "az2", "az7"]),
        Column::PktSrcAwsService => record.pkt_src_aws_service = text(random, &["", "S3", "EC2", "AMAZON"]),
        Column::PktDstAwsService => record.pkt_dst_aws_service = text(random, &["", "S3", "EC2", "AMAZON"]),
        Column::FlowDirection => {
            const ALL: [Direction; 3] = [Direction::Ingress, Direction::Egress, Direction::Unknown];
            record.flow_direction = one(random, &ALL);
        }
        Column::TrafficPath => {
            const PATHS: [i32; 9] = [0, 1, 2, 3, 4, 5, 7, 8, -3];
            record.traffic_path = random.bool().then(|| one(random, &PATHS));
        }
        Column::ResourceId => record.resource_id = text(random, &["", "", "nat-1", "nat-2", "vpce-1"]),
        Column::InterfaceType => record.interface_type = kind(random),
        Column::NextHopInterfaceId => record.next_hop_interface_id = text(random, &["", "eni-2", "eni-nat"]),
        Column::NextHopSubnetId => record.next_hop_subnet_id = text(random, &["", "subnet-3"]),
        Column::NextHopAzId => record.next_hop_az_id = text(random, &["", "az1", "az8"]),
        Column::NextHopVpcId => record.next_hop_vpc_id = text(random, &["", "vpc-2"]),
        Column::NextHopInterfaceType => record.next_hop_interface_type = kind(random),
    }
}

/// The guard below is one only if no column that is read stands still.
#[test]
fn every_column_that_is_read_varies() {
    let mut random = fastrand::Rng::with_seed(1);
    let records: Vec<Record> = (0..200).map(|_| record(&mut random)).collect();
    for field in Field::ALL {
        let column = Column::ALL.iter().find(|column| column.name() == field.name());
        let column = column.unwrap_or_else(|| panic!("{} cannot be written", field.name()));
        let values: BTreeSet<String> =
            records.iter().map(|record| format!("{:?}", column.value(record))).collect();
        assert!(values.len() > 1, "{} is always {values:?}", field.name());
    }
}

/// Records with one signature have the number that each of them has by itself, whatever columns there are.
#[test]
fn a_signature_has_the_number_of_each_of_its_records() {
    let mut alike = 0;
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let classifier = classifier(rules(&mut random));
        let records: Vec<Record> = (0..3_000).map(|_| record(&mut random)).collect();
        let needed = [Column::SrcAddr, Column::DstAddr, Column::Bytes];
        let columns: Vec<Column> = Column::ALL
            .iter()
            .copied()
            .filter(|column| needed.contains(column) || random.u8(..) < 200)
            .collect();
        let file = if random.bool() {
            text_gz(&records, &columns)
        } else {
            let options =
                EncodeOptions { columns: &columns, row_group_rows: 700, ..EncodeOptions::default() };
            parquet(&records, &options).unwrap()
        };
        let mut reader = Reader::open(Input::Whole(file.into()), &LIMITS).unwrap();
        let mut object = object(&classifier);
        let mut sorted = Vec::new();
        while let Some(batch) = reader.next_batch().unwrap() {
            object.sort(&batch, &mut sorted);
            for (row, number) in sorted.iter().enumerate().filter(|(_, number)| **number != ALONE) {
                let alone = object.alone(&batch, row).map(|alone| alone.number);
                assert_eq!(alone, Ok(*number), "seed {seed}, row {row}, {columns:?}");
                alike += 1;
            }
        }
        object.finish();
    }
    assert!(alike > 10_000, "{alike}");
}

/// More addresses and AZ ids than are remembered: what is forgotten is learned anew, and means the same.
#[test]
fn what_is_forgotten_means_the_same_when_it_is_learned_anew() {
    let zones = rules(&mut fastrand::Rng::with_seed(1)).zones;
    let classifier = classifier(Rules {
        zones: zones.into_iter().filter(|zone| zone.az_id.is_some()).collect(),
        ..Rules::default()
    });
    let mut random = fastrand::Rng::with_seed(2);
    let rows = 4 * limits::ADDRESSES;
    let records: Vec<Record> = (0..rows as u128)
        .map(|row| {
            let new = IpAddr::V6(((0x2600 << 112) | (row / 3)).into());
            let old = IpAddr::V6(((0x2600 << 112) | (u128::from(random.u16(..)) << 64)).into());
            Record {
                srcaddr: Some(new),
                pkt_srcaddr: Some(if random.bool() { new } else { old }),
                dstaddr: Some("10.0.0.4".parse().unwrap()),
                bytes: Some(100),
                az_id: Some(format!("az-{}", row / 2).into()),
                log_status: LogStatus::Ok,
                ..Record::default()
            }
        })
        .collect();
    let columns = [
        Column::SrcAddr,
        Column::PktSrcAddr,
        Column::DstAddr,
        Column::Bytes,
        Column::AzId,
        Column::LogStatus,
    ];
    for dictionaries in [true, false] {
        let options = EncodeOptions { columns: &columns, dictionaries, ..EncodeOptions::default() };
        let file = parquet(&records, &options).unwrap();
        let mut reader = Reader::open(Input::Whole(file.into()), &LIMITS).unwrap();
        let mut object = object(&classifier);
        let mut sorted = Vec::new();
        while let Some(batch) = reader.next_batch().unwrap() {
            object.sort(&batch, &mut sorted);
            for (row, number) in sorted.iter().enumerate() {
                let alone = object.alone(&batch, row).map(|alone| alone.number);
                assert_eq!(alone, Ok(*number), "row {}", batch.first_row + row as u64);
            }
        }
        let most = limits::ADDRESSES + 5 * limits::SHARED_VALUES;
        assert!(object.addresses() <= most, "{}", object.addresses());
    }
}

/// The widest signature that a configuration can ask for has room, so that no object is looked at record by record.
#[test]
fn the_signatures_of_the_largest_configuration_have_room() {
    let zones = 1_000_u32;
    let zone = |at: u32| ZoneSpec {
        name: format!("zone {at}").into(),
        az_id: Some(format!("az{at}").into()),
        region: Some(format!("region {}", at % 36).into()),
        cidrs: vec![format!("10.{}.{}.0/26", at / 256, at % 256).parse().unwrap()],
        logged: at.is_multiple_of(2),
        ..ZoneSpec::default()
    };
    let gateway = |at: u32| GatewaySpec {
        name: format!("gateway {at}").into(),
        zone: Some(format!("zone {at}").into()),
        interface_ids: vec![format!("eni-{at}").into()],
        private_ips: vec![IpAddr::from([10, (at / 256) as u8, (at % 256) as u8, 1])],
        resource_ids: vec![format!("nat-{at}").into()],
        ..GatewaySpec::default()
    };
    let group =
        |at: u32| PortGroup { name: format!("group {at}").into(), ports: vec![at as u16..=at as u16] };
    let exempt = |charge: Charge| NoCharge {
        charge,
        cidrs: vec!["10.0.0.0/9".parse().unwrap()],
        scope: Scope::default(),
    };
    let classifier = classifier(Rules {
        zones: (0..zones).map(zone).collect(),
        port_groups: (0..zones).map(group).collect(),
        gateways: (0..zones).map(gateway).collect(),
        no_charge: Charge::ALL.map(exempt).to_vec(),
        ..Rules::default()
    });
    let mut random = fastrand::Rng::with_seed(3);
    let records: Vec<Record> = (0..4 * zones)
        .map(|at| {
            let mut record = record(&mut random);
            let (at, far) = (at % zones, random.u32(..zones));
            let address = |zone: u32, host| IpAddr::from([10, (zone / 256) as u8, (zone % 256) as u8, host]);
            (record.srcaddr, record.dstaddr) = (Some(address(at, 1)), Some(address(far, 2)));
            (record.pkt_srcaddr, record.pkt_dstaddr) = (Some(address(far, 1)), Some(address(at, 3)));
            record.interface_id = Some(format!("eni-{far}").into());
            record.resource_id = Some(format!("nat-{at}").into());
            record.vpc_id = Some(format!("vpc-{}", far % 50).into());
            record.az_id = Some(format!("az{far}").into());
            record.next_hop_az_id = Some(format!("az{at}").into());
            record.bytes = Some(1);
            record.packets = Some(1);
            (record.srcport, record.dstport) = (Some(far as i32), Some(at as i32));
            record.log_status = LogStatus::Ok;
            record
        })
        .collect();
    let file = text_gz(&records, Column::ALL);
    let mut reader = Reader::open(Input::Whole(file.into()), &LIMITS).unwrap();
    let (mut object, mut sorted) = (object(&classifier), Vec::new());
    while let Some(batch) = reader.next_batch().unwrap() {
        object.sort(&batch, &mut sorted);
        let bits = object.signature_bits();
        assert!(bits > u64::SIGNATURE_BITS, "{bits} bits need no wide signature");
        assert!(bits <= u128::SIGNATURE_BITS, "{bits} bits");
        assert!(sorted.iter().all(|number| *number != ALONE));
        for (row, number) in sorted.iter().enumerate() {
            assert_eq!(object.alone(&batch, row).map(|alone| alone.number), Ok(*number), "row {row}");
        }
    }
}
