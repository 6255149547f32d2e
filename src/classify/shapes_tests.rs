use super::*;
use crate::{classify::Rules, pricing::Prices};

#[test]
fn an_az_id_that_is_no_name_is_no_label() {
    let classifier = Classifier::new(Rules::default(), "us-east-1", Prices::default());
    let mut zones = AzZones::new(&classifier);
    assert!(zones.zone(&Arc::from("use1-az1")).is_some());
    for odd in ["internet", "other", &"x".repeat(limits::NAME_CHARS + 1)] {
        assert_eq!(zones.zone(&Arc::from(odd)), None, "{odd}");
    }
}

#[test]
fn a_traffic_path_is_what_the_charges_make_of_it() {
    for (path, class) in
        [(0, 0), (IntColumn::NULL, 0), (IntColumn::HIGHEST_MARK, 0), (7, 1), (2, 2), (8, 2), (1, 3), (-1, 3)]
    {
        assert_eq!(path_class(path), class, "{path}");
    }
}

use std::net::IpAddr;

use crate::{
    classify::{GatewaySpec, PortGroup, PortMatch, Vantage, ZoneSpec},
    decode::{
        Action, DecodeLimits, Direction, Input, InterfaceType, LogStatus, Reader,
        encode::{Column, EncodeOptions, Record, parquet, text_gz},
    },
    model::Charge,
};

fn rules(random: &mut fastrand::Rng) -> Rules {
    let zone = |name: &str, az_id: Option<&str>, cidrs: &[&str], region: &str| ZoneSpec {
        name: name.into(),
        az_id: az_id.map(Arc::from),
        region: region.into(),
        cidrs: cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect(),
        logged: random_bool(name.len()),
    };
    let all_have_az_ids = random.bool();
    Rules {
        zones: vec![
            zone("a", Some("az1"), &["10.0.0.0/24", "fd00:a::/32"], "here"),
            zone("b", all_have_az_ids.then_some("az2"), &["10.0.1.0/24"], "here"),
            zone("far", Some("az9"), &["10.9.0.0/24"], "there"),
        ],
        port_groups: vec![
            PortGroup { name: "http".into(), ports: vec![80..=80, 4101..=4107] },
            PortGroup { name: "dns".into(), ports: vec![53..=53] },
        ],
        port_match: if random.bool() { PortMatch::Either } else { PortMatch::Destination },
        gateways: vec![
            GatewaySpec {
                name: "nat".into(),
                zone: "a".into(),
                interface_ids: vec!["eni-nat".into()],
                private_ips: vec!["10.0.0.9".parse().unwrap()],
                resource_ids: Vec::new(),
            },
            GatewaySpec {
                name: "regional".into(),
                zone: "b".into(),
                interface_ids: Vec::new(),
                private_ips: vec!["10.0.1.9".parse().unwrap()],
                resource_ids: vec!["nat-1".into()],
            },
        ],
        vantage: *random.choice(&[Vantage::Auto, Vantage::Every, Vantage::Sender]).unwrap(),
        count_rejected: random.bool(),
        no_charge: vec![(Charge::InterAz, vec!["10.0.1.4/32".parse().unwrap()])],
    }
}

fn random_bool(of: usize) -> bool {
    of % 2 == 1
}

fn record(random: &mut fastrand::Rng) -> Record {
    const ADDRESSES: [&str; 11] = [
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
    ];
    let address = |random: &mut fastrand::Rng| -> Option<IpAddr> {
        (random.u8(..) > 20).then(|| random.choice(&ADDRESSES).unwrap().parse().unwrap())
    };
    let text = |random: &mut fastrand::Rng, of: &[&str]| {
        random.choice(of).filter(|t| !t.is_empty()).map(|t| Arc::from(*t))
    };
    let port = |random: &mut fastrand::Rng| {
        *random.choice(&[None, Some(80), Some(53), Some(50_000), Some(70_000), Some(-1)]).unwrap()
    };
    let kind = |random: &mut fastrand::Rng| {
        *random
            .choice(&[
                InterfaceType::Plain,
                InterfaceType::Plain,
                InterfaceType::NatGateway,
                InterfaceType::RegionalNatGateway,
                InterfaceType::TransitGateway,
                InterfaceType::VpcEndpoint,
            ])
            .unwrap()
    };
    let plain = (address(random), address(random));
    let packet = if random.bool() { plain } else { (address(random), address(random)) };
    Record {
        interface_id: text(random, &["", "eni-1", "eni-2", "eni-nat"]),
        srcaddr: plain.0,
        dstaddr: plain.1,
        pkt_srcaddr: packet.0,
        pkt_dstaddr: packet.1,
        srcport: port(random),
        dstport: port(random),
        packets: *random.choice(&[None, Some(3), Some(-1)]).unwrap(),
        bytes: *random.choice(&[None, Some(100), Some(200), Some(300), Some(-5)]).unwrap(),
        end: Some(1_765_274_400 + random.i64(0..600)),
        action: *random.choice(&[Some(Action::Accept), Some(Action::Accept), Some(Action::Reject)]).unwrap(),
        log_status: *random
            .choice(&[LogStatus::Ok, LogStatus::Ok, LogStatus::Null, LogStatus::SkipData])
            .unwrap(),
        az_id: text(random, &["", "az1", "az2", "az7"]),
        pkt_src_aws_service: text(random, &["", "S3", "EC2"]),
        pkt_dst_aws_service: text(random, &["", "S3", "EC2"]),
        flow_direction: *random.choice(&[Direction::Ingress, Direction::Egress, Direction::Unknown]).unwrap(),
        traffic_path: *random.choice(&[None, Some(0), Some(1), Some(2), Some(7), Some(8), Some(-3)]).unwrap(),
        resource_id: text(random, &["", "", "nat-1", "nat-2", "vpce-1"]),
        interface_type: kind(random),
        next_hop_interface_id: text(random, &["", "eni-2", "eni-nat"]),
        next_hop_az_id: text(random, &["", "az1", "az8"]),
        next_hop_interface_type: kind(random),
        ..Record::default()
    }
}

/// Judging shapes gives what judging every record by itself gives, whatever columns there are.
#[test]
fn a_shape_is_judged_as_each_of_its_records() {
    let mut sorted_records = 0;
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let classifier = Classifier::new(rules(&mut random), "here", Prices::default());
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
            parquet(
                &records,
                &EncodeOptions { columns: &columns, row_group_rows: 700, ..EncodeOptions::default() },
            )
            .unwrap()
        };
        let limits = DecodeLimits { decompressed_bytes: 1 << 30 };
        let mut reader = Reader::open(Input::Whole(file.into()), &limits).unwrap();
        let mut sorting = ObjectClassifier::new(&classifier);
        let mut alone = ObjectClassifier::new(&classifier);
        let mut sorted = Vec::new();
        while let Some(batch) = reader.next_batch().unwrap() {
            sorting.sort(&batch, &mut sorted);
            alone.classify(&batch, |row, verdict| {
                if sorted[row] == ALONE {
                    assert_eq!(sorting.judge(&batch, row), verdict);
                    return;
                }
                sorted_records += 1;
                let same = Verdict { bytes: 0, packets: 0, time: None, ..verdict };
                assert_eq!(*sorting.verdict(sorted[row]), same, "seed {seed}, row {row}, {columns:?}");
            });
        }
        assert_eq!(sorting.into_missing_az_ids(), alone.into_missing_az_ids());
    }
    assert!(sorted_records > 10_000, "{sorted_records}");
}

/// More addresses and AZ ids than are remembered: what is forgotten is learned anew, and means the same.
#[test]
fn what_is_forgotten_means_the_same_when_it_is_learned_anew() {
    let rules = Rules { zones: rules(&mut fastrand::Rng::with_seed(1)).zones, ..Rules::default() };
    let classifier = Classifier::new(
        Rules {
            zones: rules.zones.into_iter().filter(|zone| zone.az_id.is_some()).collect(),
            ..Rules::default()
        },
        "here",
        Prices::default(),
    );
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
                flow_direction: Direction::Egress,
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
        Column::FlowDirection,
        Column::AzId,
        Column::LogStatus,
    ];
    for dictionaries in [true, false] {
        let options = EncodeOptions { columns: &columns, dictionaries, ..EncodeOptions::default() };
        let file = parquet(&records, &options).unwrap();
        let limits_of_object = DecodeLimits { decompressed_bytes: 1 << 30 };
        let mut reader = Reader::open(Input::Whole(file.into()), &limits_of_object).unwrap();
        let mut sorting = ObjectClassifier::new(&classifier);
        let mut alone = ObjectClassifier::new(&classifier);
        let mut sorted = Vec::new();
        while let Some(batch) = reader.next_batch().unwrap() {
            if sorting.verdicts() > 10_000 {
                sorting.forget_verdicts();
            }
            sorting.sort(&batch, &mut sorted);
            alone.classify(&batch, |row, verdict| {
                let same = Verdict { bytes: 0, packets: 0, time: None, ..verdict };
                assert_eq!(*sorting.verdict(sorted[row]), same, "row {}", batch.first_row + row as u64);
            });
        }
        assert!(sorting.values.epoch > 0, "AZ ids were forgotten");
        assert!(
            sorting.values.book.len() <= limits::ADDRESSES + 5 * limits::SHARED_VALUES,
            "{}",
            sorting.values.book.len()
        );
    }
}
