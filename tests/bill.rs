//! What the bill says: small logs of ordinary set-ups, each with its configuration and the right numbers.
//!
//! A case is a folder of tests/bill: `config.toml` (without state and source), objects as text (`{account}_{region}_{n}.log`),
//! and `expected.txt`, whose lines are looked up in the sums of all objects. Each case is read four times: as text and as
//! Parquet, small, and above the size from which objects are read in parts, its records far apart.

use std::{collections::BTreeMap, fs, io::Write as _, path::Path, sync::Arc};

use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::Classifier,
    config::Config,
    decode::{
        Action, Direction, InterfaceType, LogStatus,
        encode::{Codec, Column, EncodeOptions, Record, parquet},
    },
    discover::{Discovery, SourceSpec, layout::Layout, window::Window},
    limits,
    model::{ObjectDelta, RecordOutcome, Settlement, Timestamp},
    reader::{Limits, Reader, SharedClassifier, Source},
    store::local::LocalStore,
};

/// 2026-11-30T12:00:00Z, the hour of the cases.
const HOUR: i64 = 1_796_040_000;
const FOLDER: &str = "2026/11/30/12";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    SmallText,
    SmallParquet,
    LargeText,
    LargeParquet,
}

impl Shape {
    const ALL: [Self; 4] = [Self::SmallText, Self::SmallParquet, Self::LargeText, Self::LargeParquet];

    fn extension(self) -> &'static str {
        match self {
            Self::SmallText | Self::LargeText => "log.gz",
            Self::SmallParquet | Self::LargeParquet => "log.parquet",
        }
    }

    fn is_large(self) -> bool {
        matches!(self, Self::LargeText | Self::LargeParquet)
    }
}

/// Records without traffic between those of a case, which make an object large, and how long one is.
const PADDING: (usize, usize) = (36_000, 240);

/// The header and the records of an object, with padding in between where it is to be large.
fn lines(text: &str, shape: Shape) -> (Vec<String>, Vec<String>) {
    let mut all = text.lines();
    let mut header: Vec<String> = all.next().expect("a header").split(' ').map(str::to_owned).collect();
    let mut records: Vec<String> = all.map(str::to_owned).collect();
    if !shape.is_large() {
        return (header, records);
    }
    if !header.iter().any(|field| field == "subnet-id") {
        header.push("subnet-id".to_owned());
        records.iter_mut().for_each(|record| record.push_str(" -"));
    }
    let (rows, length) = PADDING;
    let subnet = "x".repeat(length);
    let padding: Vec<&str> = header
        .iter()
        .map(|field| match field.as_str() {
            "log-status" => "NODATA",
            "subnet-id" => subnet.as_str(),
            _ => "-",
        })
        .collect();
    let padding = padding.join(" ");
    let every = rows / (records.len() + 1) + 1;
    let mut spread = Vec::with_capacity(rows + 2 * records.len());
    for record in records {
        spread.resize(spread.len() + every, padding.clone());
        spread.push(record);
    }
    spread.resize(spread.len() + every, padding);
    (header, spread)
}

fn text_file(header: &[String], records: &[String]) -> Vec<u8> {
    // Not compressed, so that it is large at once.
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    writeln!(file, "{}", header.join(" ")).unwrap();
    for record in records {
        writeln!(file, "{record}").unwrap();
    }
    file.finish().unwrap()
}

fn parquet_file(header: &[String], records: &[String]) -> Vec<u8> {
    let columns: Vec<Column> = header
        .iter()
        .filter_map(|field| {
            let name = field.replace('-', "_");
            Column::ALL.iter().copied().find(|column| column.name() == name)
        })
        .collect();
    let records: Vec<Record> = records
        .iter()
        .map(|line| {
            let mut record = Record::default();
            for (field, value) in header.iter().zip(line.split(' ')) {
                let name = field.replace('-', "_");
                if let Some(column) = Column::ALL.iter().find(|column| column.name() == name) {
                    set(&mut record, *column, value);
                }
            }
            record
        })
        .collect();
    let options = EncodeOptions {
        codec: Codec::Uncompressed,
        columns: &columns,
        row_group_rows: 8_000,
        dictionaries: false,
    };
    parquet(&records, &options).unwrap()
}

/// Puts a value as text has it into a record.
fn set(record: &mut Record, column: Column, value: &str) {
    let text = || (value != "-").then(|| Arc::from(value));
    let kind = || match value {
        "nat_gateway" => InterfaceType::NatGateway,
        "regional_nat_gateway" => InterfaceType::RegionalNatGateway,
        "transit_gateway" => InterfaceType::TransitGateway,
        "network_load_balancer" => InterfaceType::NetworkLoadBalancer,
        "vpc_endpoint" => InterfaceType::VpcEndpoint,
        "gateway_load_balancer_endpoint" => InterfaceType::GatewayLoadBalancerEndpoint,
        _ => InterfaceType::Plain,
    };
    match column {
        Column::Version => record.version = value.parse().ok(),
        Column::AccountId => record.account_id = text(),
        Column::InterfaceId => record.interface_id = text(),
        Column::SrcAddr => record.srcaddr = value.parse().ok(),
        Column::DstAddr => record.dstaddr = value.parse().ok(),
        Column::SrcPort => record.srcport = value.parse().ok(),
        Column::DstPort => record.dstport = value.parse().ok(),
        Column::Protocol => record.protocol = value.parse().ok(),
        Column::Packets => record.packets = value.parse().ok(),
        Column::Bytes => record.bytes = value.parse().ok(),
        Column::Start => record.start = value.parse().ok(),
        Column::End => record.end = value.parse().ok(),
        Column::Action => {
            record.action = match value {
                "ACCEPT" => Some(Action::Accept),
                "REJECT" => Some(Action::Reject),
                _ => None,
            }
        }
        Column::LogStatus => {
            record.log_status = match value {
                "OK" => LogStatus::Ok,
                "NODATA" => LogStatus::NoData,
                "SKIPDATA" => LogStatus::SkipData,
                _ => LogStatus::Null,
            }
        }
        Column::VpcId => record.vpc_id = text(),
        Column::SubnetId => record.subnet_id = text(),
        Column::InstanceId => record.instance_id = text(),
        Column::TcpFlags => record.tcp_flags = value.parse().ok(),
        Column::Type => record.traffic_type = None,
        Column::PktSrcAddr => record.pkt_srcaddr = value.parse().ok(),
        Column::PktDstAddr => record.pkt_dstaddr = value.parse().ok(),
        Column::Region => record.region = text(),
        Column::AzId => record.az_id = text(),
        Column::PktSrcAwsService => record.pkt_src_aws_service = text(),
        Column::PktDstAwsService => record.pkt_dst_aws_service = text(),
        Column::FlowDirection => {
            record.flow_direction = match value {
                "ingress" => Direction::Ingress,
                "egress" => Direction::Egress,
                _ => Direction::Unknown,
            }
        }
        Column::TrafficPath => record.traffic_path = value.parse().ok(),
        Column::ResourceId => record.resource_id = text(),
        Column::InterfaceType => record.interface_type = kind(),
        Column::NextHopInterfaceId => record.next_hop_interface_id = text(),
        Column::NextHopSubnetId => record.next_hop_subnet_id = text(),
        Column::NextHopAzId => record.next_hop_az_id = text(),
        Column::NextHopVpcId => record.next_hop_vpc_id = text(),
        Column::NextHopInterfaceType => record.next_hop_interface_type = kind(),
    }
}

/// Reads all objects of a case, as the exporter does.
async fn read(case: &Path, shape: Shape) -> (Vec<ObjectDelta>, Config) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let text =
        fs::read_to_string(case.join("config.toml")).unwrap().replace("{case}", case.to_str().unwrap());
    let text = format!(
        "[state]\npath = \"{root}/state.db\"\n[[source]]\nname = \"logs\"\nurl = \"file://{root}/\"\nregion = \"us-east-1\"\n{text}"
    );
    let config = Config::parse("config.toml", &text, &[]).unwrap_or_else(|error| panic!("{error}"));
    let mut objects: Vec<_> = fs::read_dir(case)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    objects.sort();
    for path in &objects {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let [account, region, number] = name.split('_').collect::<Vec<_>>()[..] else { panic!("{name}") };
        let text = fs::read_to_string(path).unwrap();
        let (header, records) = lines(&text, shape);
        let file = match shape {
            Shape::SmallText | Shape::LargeText => text_file(&header, &records),
            Shape::SmallParquet | Shape::LargeParquet => parquet_file(&header, &records),
        };
        assert_eq!(shape.is_large(), file.len() as u64 > limits::IN_PARTS_BYTES, "{} bytes", file.len());
        let folder = format!("{root}/AWSLogs/{account}/vpcflowlogs/{region}/{FOLDER}");
        fs::create_dir_all(&folder).unwrap();
        let name =
            format!("{account}_vpcflowlogs_{region}_fl-{number}_20261130T1200Z_a.{}", shape.extension());
        fs::write(format!("{folder}/{name}"), file).unwrap();
    }
    let (rules, prices) = (config.rules.clone(), config.prices.clone());
    let classifier = Classifier::new(rules, &config.sources[0].scope(), prices, config.ip_ranges());
    let spec = SourceSpec {
        name: "logs".into(),
        bucket: "file://".into(),
        prefix: format!("{}/", root.trim_matches('/')),
        region: "us-east-1".into(),
        layout: Layout::parse("auto").unwrap(),
        accounts: Vec::new(),
        regions: Vec::new(),
        flow_log_ids: Vec::new(),
    };
    let store = Arc::new(LocalStore::new("logs".into(), root, Arc::new(|_| {})));
    let mut discovery = Discovery::new(spec, store);
    discovery.find_roots().await.unwrap();
    let mut scan =
        discovery.scan(Window { from: Timestamp(HOUR - 3600), until: Timestamp(HOUR + 7200) }, true);
    let mut found = Vec::new();
    while let Some(page) = scan.next().await {
        found.extend(page);
    }
    let source = Source { discovery, classifier: SharedClassifier::new(classifier) };
    let reader = Reader::new(Limits { concurrency: 1, object_bytes: 256 << 20 });
    let mut deltas = Vec::new();
    for one in found {
        assert_eq!(one.ignored, None, "{}", one.listed.id.key);
        let mut candidate = one.into_candidate("logs".into());
        let limits = DigestLimits { decompressed_bytes: 2 << 30, bad_rows: 0 };
        let read = reader
            .read(&source, &mut candidate, move |object| {
                digest(object.input, object.origin, object.classifier, &limits)
            })
            .await
            .unwrap();
        match read.value.unwrap() {
            Settlement::Counted(delta) => deltas.push(delta),
            other => panic!("{}: {other:?}", case.display()),
        }
    }
    assert_eq!(deltas.len(), objects.len());
    (deltas, config)
}

/// Sums by the words that `expected.txt` uses.
fn sums(deltas: &[ObjectDelta]) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    let mut add = |key: String, value: u64| *sums.entry(key).or_default() += value;
    for delta in deltas {
        for outcome in RecordOutcome::ALL {
            add(format!("records {}", outcome.as_str()), delta.records.get(outcome));
        }
        for ((_, series), counts) in &delta.traffic {
            let key = &series.key;
            match key.nat_direction.as_str() {
                "none" => {
                    add("bytes".into(), counts.bytes);
                    add("inter_az".into(), counts.inter_az_bytes);
                    add(format!("series {} {}", key.src_zone, key.dst_zone), counts.bytes);
                }
                nat => add(format!("nat {nat}"), counts.bytes),
            }
        }
        for ((_, _, charge), counts) in &delta.charges {
            add(format!("charge {}", charge.as_str()), counts.bytes);
            add(format!("cost {}", charge.as_str()), counts.cost.0);
        }
        for ((_, kind), bytes) in &delta.doubts {
            add(format!("doubt {}", kind.as_str()), *bytes);
            add("doubt".into(), *bytes);
        }
        for ((_, kind), records) in &delta.contradictions {
            add(format!("contradiction {}", kind.as_str()), *records);
            add("contradiction".into(), *records);
        }
    }
    sums
}

fn check(case: &Path, deltas: &[ObjectDelta], what: &str) -> Vec<String> {
    let sums = sums(deltas);
    let expected = fs::read_to_string(case.join("expected.txt")).unwrap();
    let mut wrong = Vec::new();
    for line in expected.lines() {
        let mut words: Vec<&str> = line.split(' ').collect();
        if let ["remark", text] = words[..] {
            if !deltas.iter().any(|delta| format!("{:?}", delta.hints.remarks).contains(text)) {
                wrong.push(format!("{what}: no remark names {text}"));
            }
            continue;
        }
        let mut find = |key: String, wanted: &str| {
            let found = sums.get(&key).copied().unwrap_or(0);
            if found.to_string() != wanted {
                wrong.push(format!("{what}: {key} is {found}, not {wanted}"));
            }
        };
        if let ["charge", charge, bytes, cost] = words[..] {
            find(format!("charge {charge}"), bytes);
            find(format!("cost {charge}"), cost);
            continue;
        }
        let wanted = words.pop().expect("a value");
        find(words.join(" "), wanted);
    }
    if !wrong.is_empty() {
        wrong.push(format!("{what}: all of it: {sums:?}"));
    }
    wrong
}

#[tokio::test]
async fn every_set_up_is_what_the_bill_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bill");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 40, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        for shape in Shape::ALL {
            let (deltas, _) = read(&case, shape).await;
            let what = format!("{} {shape:?}", case.file_name().unwrap().to_str().unwrap());
            wrong.extend(check(&case, &deltas, &what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
