//! Every layout that AWS writes, side by side in one bucket; what is no flow log; and what listing it all costs.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use bytes::Bytes;
use flowcost_exporter::{
    discover::layout::Layout,
    event::{Event, Observer, ScanKind},
    limits,
    model::{
        Hour, IgnoreReason, IgnoredKey, ObjectDelta, ObjectOutcome, PartitionSpan, QuarantineReason,
        Timestamp,
    },
};
use parquet::arrow::ArrowWriter;
use tokio_util::sync::CancellationToken;

use crate::support::{
    bucket::Bucket,
    events::Recorder,
    world::{NOON, World, assert_totals, cycles},
};

const A: u64 = 111_111_111_111;
const B: u64 = 222_222_222_222;
const LAYOUTS: [&str; 4] = ["daily", "hourly", "hive-daily", "hive-hourly"];
const EXTENSIONS: [&str; 2] = ["log.gz", "log.parquet"];

fn nobody() -> Observer {
    Arc::new(|_| {})
}

/// What is told apart by where it lies.
#[derive(Clone, Copy)]
struct Place<'a> {
    prefix: &'a str,
    layout: &'a str,
    account: u64,
    region: &'a str,
    flow_log: &'a str,
    extension: &'a str,
}

const PLACE: Place<'static> = Place {
    prefix: "",
    layout: "hive-hourly",
    account: A,
    region: "us-east-1",
    flow_log: "fl-0a",
    extension: "log.parquet",
};

impl Place<'_> {
    fn key(&self, hours_ago: i64, number: u32) -> String {
        let Self { prefix, account, region, flow_log, extension, .. } = self;
        let utc = Timestamp(NOON - hours_ago * 3600).to_utc().unwrap();
        let (year, month, day, hour) = (utc.year(), u8::from(utc.month()), utc.day(), utc.hour());
        let plain = format!("{prefix}AWSLogs/{account}/vpcflowlogs/{region}/{year}/{month:02}/{day:02}");
        let hive = format!(
            "{prefix}AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/year={year}/month={month:02}/day={day:02}"
        );
        let folder = match self.layout {
            "daily" => plain,
            "hourly" => format!("{plain}/{hour:02}"),
            "hive-daily" => hive,
            "hive-hourly" => format!("{hive}/hour={hour:02}"),
            other => panic!("{other}"),
        };
        format!("{folder}/{account}_vpcflowlogs_{region}_{flow_log}_20260310T0000Z_{number:08x}.{extension}")
    }

    fn put(&self, world: &World, hours_ago: i64, number: u32) -> ObjectDelta {
        let key = self.key(hours_ago, number);
        world.bucket.put(&key, world.content(hours_ago, number));
        let hour = Hour(NOON / 3600 - hours_ago);
        match self.layout.contains("daily") {
            true => world.delta_in(&key, Hour(hour.0 - hour.0.rem_euclid(24)), PartitionSpan::Day),
            false => world.delta_in(&key, hour, PartitionSpan::Hour),
        }
    }
}

#[test]
fn all_eight_layouts_are_read_side_by_side_wherever_awslogs_begins() {
    for prefix in ["", "team/a/"] {
        for wanted in ["auto"].iter().chain(&LAYOUTS) {
            let world = World::new();
            let mut deltas = Vec::new();
            for (at, layout) in LAYOUTS.into_iter().enumerate() {
                for (of, extension) in EXTENSIONS.into_iter().enumerate() {
                    for (on, account) in [A, B].into_iter().enumerate() {
                        // The names of text files, too: what a file is, its first bytes say.
                        let place = Place { prefix, layout, extension, account, ..PLACE };
                        let number = u32::try_from(at * 4 + of * 2 + on).unwrap();
                        for hours_ago in [0, 15, 40] {
                            let delta = place.put(&world, hours_ago, number);
                            if *wanted == "auto" || *wanted == layout {
                                deltas.push(delta);
                            }
                        }
                    }
                }
            }
            let pipeline = world.start_with(nobody(), |spec| {
                spec.prefix = prefix.to_owned();
                spec.layout = Layout::parse(wanted).unwrap();
            });
            cycles(pipeline, 3, &CancellationToken::new()).unwrap();
            assert_totals(&world.last(), deltas.into_iter());
        }
    }
}

#[test]
fn government_and_china_regions_are_regions_and_each_is_told_of() {
    let world = World::new();
    let mut deltas = Vec::new();
    for (number, region) in (0_u32..).zip(["us-east-1", "us-gov-west-1", "cn-north-1", "ap-southeast-7"]) {
        for layout in LAYOUTS {
            deltas.push(Place { region, layout, ..PLACE }.put(&world, 1, number));
        }
    }
    let recorder = Recorder::new();
    cycles(world.start(recorder.observer()), 1, &CancellationToken::new()).unwrap();
    assert_totals(&world.last(), deltas.into_iter());
    let mut foreign: Vec<_> = recorder.events().into_iter().filter_map(foreign_region).collect();
    foreign.sort();
    assert_eq!(foreign, ["ap-southeast-7", "cn-north-1", "us-gov-west-1"]);
}

fn foreign_region(event: Event) -> Option<String> {
    match event {
        Event::ForeignRegion { region, .. } => Some(region.to_string()),
        _ => None,
    }
}

#[test]
fn accounts_regions_and_flow_logs_that_are_not_wanted_are_left_out_until_they_are() {
    let world = World::new();
    let mut wanted = Vec::new();
    let mut others = Vec::new();
    for layout in LAYOUTS {
        wanted.push(Place { layout, ..PLACE }.put(&world, 1, 1));
        others.push(Place { layout, account: B, ..PLACE }.put(&world, 1, 2));
        others.push(Place { layout, region: "us-gov-west-1", ..PLACE }.put(&world, 1, 3));
        others.push(Place { layout, flow_log: "fl-0b", ..PLACE }.put(&world, 1, 4));
    }
    let filtered = world.start_with(nobody(), |spec| {
        spec.accounts = vec![A.to_string()];
        spec.regions = vec!["us-east-1".to_owned()];
        spec.flow_log_ids = vec!["fl-0a".to_owned()];
    });
    cycles(filtered, 2, &CancellationToken::new()).unwrap();
    assert_totals(&world.last(), wanted.iter().cloned());
    assert_eq!(world.last().objects.get(ObjectOutcome::Ignored), 4, "by flow log; the others are not listed");
    cycles(world.start(nobody()), 2, &CancellationToken::new()).unwrap();
    assert_totals(&world.last(), wanted.into_iter().chain(others));
}

/// The pairs that were told of.
fn overlaps(recorder: &Recorder) -> Vec<(String, String)> {
    let pair = |event| match event {
        Event::OverlappingFlowLogs { source, interface, first, second } => {
            assert!(&*source == "logs" && interface.starts_with("eni-"), "{source} {interface}");
            Some((first.to_string(), second.to_string()))
        }
        _ => None,
    };
    recorder.events().into_iter().filter_map(pair).collect()
}

#[test]
fn two_flow_logs_over_the_same_interfaces_are_told_of_once_and_counted_both() {
    let world = World::new();
    let mut deltas = Vec::new();
    // One for the VPC by the hour, one for a subnet by the day, with the same records.
    let number = |hours_ago: i64| 11 * u32::try_from(hours_ago).unwrap();
    let subnet = Place { flow_log: "fl-0b", layout: "daily", ..PLACE };
    for hours_ago in 0..6 {
        deltas.push(PLACE.put(&world, hours_ago, number(hours_ago)));
        deltas.push(subnet.put(&world, hours_ago, number(hours_ago)));
    }
    let recorder = Recorder::new();
    cycles(world.start(recorder.observer()), 2, &CancellationToken::new()).unwrap();
    assert_totals(&world.last(), deltas.into_iter());
    assert_eq!(overlaps(&recorder), [("fl-0a".to_owned(), "fl-0b".to_owned())]);

    let recorder = Recorder::new();
    let world = World::new();
    for hours_ago in 0..6 {
        PLACE.put(&world, hours_ago, number(hours_ago));
        subnet.put(&world, hours_ago, number(hours_ago));
    }
    let one = world.start_with(recorder.observer(), |spec| spec.flow_log_ids = vec!["fl-0b".to_owned()]);
    cycles(one, 2, &CancellationToken::new()).unwrap();
    assert_eq!(overlaps(&recorder), [], "one of them was chosen");
}

#[test]
fn a_flow_log_that_was_made_anew_with_other_fields_is_no_overlap() {
    let world = World::new();
    let (old, new) = (PLACE, Place { flow_log: "fl-0b", ..PLACE });
    let deltas: Vec<_> = (0..40)
        .flat_map(|hours_ago| {
            let mut objects = Vec::new();
            // In the hour of the change there are both.
            if hours_ago >= 20 {
                objects.push(old.put(&world, hours_ago, 1));
            }
            if hours_ago <= 20 {
                objects.push(new.put(&world, hours_ago, 1));
            }
            objects
        })
        .collect();
    let recorder = Recorder::new();
    cycles(world.start(recorder.observer()), 2, &CancellationToken::new()).unwrap();
    assert_totals(&world.last(), deltas.into_iter());
    assert_eq!(overlaps(&recorder), []);
}

/// What README says a large organisation's bucket costs: 200 accounts with 4 regions each.
const ACCOUNTS: usize = 200;
const REGIONS: [&str; 4] = ["us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1"];

fn put_everywhere(bucket: &Bucket, hours_ago: i64, number: u32) {
    for account in 0..ACCOUNTS as u64 {
        for region in REGIONS {
            let place = Place { account: 100_000_000_000 + account, region, ..PLACE };
            // Zero bytes are an object without records: listed, settled, not fetched.
            bucket.put(&place.key(hours_ago, number), Bytes::new());
        }
    }
}

#[test]
fn listing_a_large_organisation_stays_within_the_budget() {
    let world = World::new();
    world.bucket.set_page(limits::LIST_PAGE_KEYS as usize);
    for hours_ago in [0, 1, 30] {
        put_everywhere(&world.bucket, hours_ago, 1);
    }
    let recorder = Recorder::new();
    let (bucket, observer) = (world.bucket.clone(), recorder.observer());
    let roots = ACCOUNTS * REGIONS.len();
    let mut polls = Vec::new();
    let mut pipeline = world.start(observer);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let all = || world.last().objects.get(ObjectOutcome::Empty);
    runtime.block_on(async {
        let stop = CancellationToken::new();
        for poll in 0..20_usize {
            let before = bucket.lists();
            pipeline.cycle(&stop).await.unwrap();
            polls.push(bucket.lists() - before);
            match poll {
                0 => {
                    assert_eq!(all(), 3 * roots as u64);
                    put_everywhere(&bucket, 0, 2);
                }
                // Every account and region has had its turn after five polls, which are five minutes.
                4 => assert_eq!(all(), 3 * roots as u64 + 4 * roots as u64 / 5),
                5 => {
                    assert_eq!(all(), 4 * roots as u64);
                    // Hours late: found by the next full scan, in all accounts and regions at once.
                    put_everywhere(&bucket, 30, 3);
                }
                9 => assert_eq!(all(), 4 * roots as u64),
                10 => assert_eq!(all(), 5 * roots as u64, "a full scan lists everything"),
                _ => {}
            }
        }
    });
    // One for the accounts, one for the regions of each, one for each account and region.
    let full = 1 + ACCOUNTS + roots;
    let recent = roots / 5;
    assert_eq!((full, recent), (1_001, 160));
    let expected: Vec<usize> = (0..20).map(|poll| if poll % 10 == 0 { full } else { recent }).collect();
    assert_eq!(polls, expected);
    let kinds = |kind: ScanKind| {
        let of = |event: &Event| matches!(event, Event::ScanFinished { kind: k, .. } if *k == kind);
        recorder.events().iter().filter(|event| of(event)).count()
    };
    assert_eq!((kinds(ScanKind::Full), kinds(ScanKind::Recent)), (2, 18));

    // At the default poll interval of a minute.
    let a_day = 144 * full + (24 * 60 - 144) * recent;
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert_eq!(a_day, 351_504);
    for figure in ["1,001", "160", "351,504", "1.76 USD"] {
        assert!(readme.contains(figure), "README has other figures: no {figure}");
    }
    assert!((a_day as f64 * 0.005 / 1_000.0 - 1.76).abs() < 0.005, "at 0.005 USD for 1,000 requests");
}

#[test]
fn a_small_source_is_listed_whole_at_every_poll() {
    let world = World::new();
    world.bucket.set_page(limits::LIST_PAGE_KEYS as usize);
    for account in 0..limits::ROOTS_PER_POLL as u64 {
        Place { account: A + account, ..PLACE }.put(&world, 0, 1);
    }
    let mut pipeline = world.start(nobody());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let stop = CancellationToken::new();
        pipeline.cycle(&stop).await.unwrap();
        let before = world.bucket.lists();
        pipeline.cycle(&stop).await.unwrap();
        assert_eq!(world.bucket.lists() - before, limits::ROOTS_PER_POLL);
    });
}

/// The same key without leading zeros: of the month, of the day, of the hour.
fn without_zeros(key: &str, [month, day, hour]: [bool; 3]) -> String {
    let (folder, name) = key.rsplit_once('/').unwrap();
    let mut segments: Vec<String> = folder.split('/').map(str::to_owned).collect();
    let year = segments.iter().position(|segment| segment.ends_with("2026")).unwrap();
    for (segment, cut) in segments[year + 1..].iter_mut().zip([month, day, hour]) {
        if cut {
            *segment = match segment.split_once('=') {
                Some((name, number)) => format!("{name}={}", number.parse::<u8>().unwrap()),
                None => segment.parse::<u8>().unwrap().to_string(),
            };
        }
    }
    format!("{}/{name}", segments.join("/"))
}

#[test]
fn dates_without_leading_zeros_are_counted_in_every_layout_and_beside_those_with() {
    let all = [false, true];
    let cuts: Vec<[bool; 3]> =
        all.into_iter().flat_map(|m| all.into_iter().flat_map(move |d| all.map(|h| [m, d, h]))).collect();
    for prefix in ["", "team/a/"] {
        for layout in LAYOUTS {
            for wanted in ["auto", layout] {
                let world = World::new();
                let mut deltas = Vec::new();
                // NOON is that of March 10: the ninth and the eighth, and hours of one digit.
                for (number, hours_ago) in (0_u32..).zip([0, 1, 3, 11, 12, 13, 27, 30, 36, 40]) {
                    let place = Place { prefix, layout, ..PLACE };
                    let key =
                        without_zeros(&place.key(hours_ago, number), cuts[number as usize % cuts.len()]);
                    world.bucket.put(&key, world.content(hours_ago, number));
                    let hour = Hour(NOON / 3600 - hours_ago);
                    deltas.push(match layout.contains("daily") {
                        true => {
                            world.delta_in(&key, Hour(hour.0 - hour.0.rem_euclid(24)), PartitionSpan::Day)
                        }
                        false => world.delta_in(&key, hour, PartitionSpan::Hour),
                    });
                }
                let pipeline = world.start_with(nobody(), |spec| {
                    spec.prefix = prefix.to_owned();
                    spec.layout = Layout::parse(wanted).unwrap();
                });
                cycles(pipeline, 12, &CancellationToken::new()).unwrap();
                assert_totals(&world.last(), deltas.into_iter());
            }
        }
    }
}

#[test]
fn a_tree_without_leading_zeros_costs_a_few_requests_more_and_one_with_them_none() {
    // From January on, two files an hour of one account and region: 3,264 keys.
    let cost = |cut: bool, layout: &str| {
        let world = World::new();
        world.bucket.set_page(limits::LIST_PAGE_KEYS as usize);
        for hours_ago in 0..68 * 24 {
            let key = Place { layout: "hourly", ..PLACE }.key(hours_ago, 1);
            let key = if cut { without_zeros(&key, [true; 3]) } else { key };
            world.bucket.put(&key, Bytes::new());
            // Others of the same hour, so that an hour is no page.
            world.bucket.put(&key.replace("_00000001", "_00000002"), Bytes::new());
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let layout = Layout::parse(layout).unwrap();
        let mut pipeline = world.start_with(nobody(), |spec| spec.layout = layout);
        let polls: Vec<usize> = runtime.block_on(async {
            let stop = CancellationToken::new();
            let mut polls = Vec::new();
            for _ in 0..12 {
                let before = world.bucket.lists();
                pipeline.cycle(&stop).await.unwrap();
                polls.push(world.bucket.lists() - before);
            }
            polls
        });
        assert_eq!(world.last().objects.get(ObjectOutcome::Empty), 2 * 49, "the lookback");
        polls
    };
    for layout in ["auto", "hourly"] {
        // A full scan looks for accounts and regions as well.
        assert_eq!(cost(false, layout), [3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 1], "{layout}");
        let polls = cost(true, layout);
        println!("without leading zeros, {layout}: {polls:?}");
        assert!(polls.iter().all(|requests| *requests <= 9), "{polls:?}");
        assert!(polls[1..10].iter().all(|requests| *requests <= 6), "{polls:?}");
    }
}

/// What was said of flow logs that are not read: the reason and how many.
fn unread(recorder: &Recorder) -> Vec<(IgnoredKey, u64)> {
    let said = |event| match event {
        Event::FlowLogsUnread { reason, objects, .. } => Some((reason, objects)),
        _ => None,
    };
    recorder.events().into_iter().filter_map(said).collect()
}

/// Keys of a kind that the last full scan left alone.
fn ignored(recorder: &Recorder, kind: IgnoredKey) -> u64 {
    let count = |event: Event| match event {
        Event::KeysIgnored { keys, .. } => Some(keys.count(kind)),
        _ => None,
    };
    recorder.events().into_iter().filter_map(count).next_back().unwrap()
}

#[test]
fn a_layout_that_no_longer_fits_is_warned_of_once_an_hour_and_counted() {
    for wanted in LAYOUTS {
        for now in LAYOUTS.into_iter().filter(|now| *now != wanted) {
            for organization in [false, true] {
                let world = World::new();
                let of = |key: String| match organization {
                    true => key.replace("AWSLogs/", "AWSLogs/o-a1b2c3d4e5/"),
                    false => key,
                };
                for (layout, hours) in [(wanted, 20..22), (now, 0..3)] {
                    for hours_ago in hours {
                        let number = u32::try_from(hours_ago).unwrap();
                        let key = of(Place { layout, ..PLACE }.key(hours_ago, number));
                        world.bucket.put(&key, world.content(hours_ago, number));
                    }
                }
                let recorder = Recorder::new();
                let layout = Layout::parse(wanted).unwrap();
                let mut pipeline = world.start_with(recorder.observer(), |spec| spec.layout = layout.clone());
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let stop = CancellationToken::new();
                    // An hour and a half of polls.
                    for _ in 0..90 {
                        pipeline.cycle(&stop).await.unwrap();
                        world.pass(60);
                    }
                });
                drop(pipeline);
                assert_eq!(world.last().objects.get(ObjectOutcome::Counted), 2, "{wanted}, now {now}");
                let expected = [(IgnoredKey::OtherLayout, 3); 2];
                assert_eq!(unread(&recorder), expected, "{wanted}, now {now}: once an hour");
                assert_eq!(ignored(&recorder, IgnoredKey::OtherLayout), 3);

                let recorder = Recorder::new();
                cycles(world.start(recorder.observer()), 2, &CancellationToken::new()).unwrap();
                assert_eq!(unread(&recorder), []);
                assert_eq!(ignored(&recorder, IgnoredKey::OtherLayout), 0);
                assert_eq!(world.last().objects.get(ObjectOutcome::Counted), 5, "auto reads both");
            }
        }
    }
}

#[test]
fn looking_into_other_layouts_costs_a_few_requests_and_comes_to_all_in_turn() {
    let world = World::new();
    world.bucket.set_page(limits::LIST_PAGE_KEYS as usize);
    Place { account: B, ..PLACE }.put(&world, 1, 1);
    // Twenty accounts with plain folders, one of which has flow logs.
    for account in 0..20 {
        world.bucket.put(&format!("AWSLogs/{}/CloudTrail/x", A + account), Bytes::new());
    }
    Place { account: A + 17, layout: "hourly", ..PLACE }.put(&world, 1, 1);
    let recorder = Recorder::new();
    let layout = Layout::parse("hive-hourly").unwrap();
    let mut pipeline = world.start_with(recorder.observer(), |spec| spec.layout = layout);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut found = 0;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        for poll in 0..100 {
            let before = world.bucket.lists();
            pipeline.cycle(&stop).await.unwrap();
            let requests = world.bucket.lists() - before;
            // The accounts, the regions of one, its keys; and of others four accounts and the keys of one.
            assert!(requests <= if poll % 10 == 0 { 3 + 4 + 1 } else { 1 }, "poll {poll}: {requests}");
            if poll % 10 == 0 {
                found += ignored(&recorder, IgnoredKey::OtherLayout);
            }
            world.pass(60);
        }
    });
    assert_eq!(found, 2, "ten full scans look at each of 20 accounts twice");
}

#[test]
fn a_url_below_which_nothing_fits_is_warned_of() {
    let world = World::new();
    PLACE.put(&world, 1, 1);
    let said = |prefix: &str, accounts: &[String]| {
        let recorder = Recorder::new();
        let pipeline = world.start_with(recorder.observer(), |spec| {
            spec.prefix = prefix.to_owned();
            spec.accounts = accounts.to_vec();
        });
        cycles(pipeline, 2, &CancellationToken::new()).unwrap();
        let count = |event: &&Event| matches!(event, Event::NothingFits { .. });
        recorder.events().iter().filter(count).count()
    };
    assert_eq!(said("elsewhere/", &[]), 1);
    assert_eq!(said("", &[]), 0);
    assert_eq!(said("", &[B.to_string()]), 0, "that is what was asked for");
}

/// A Parquet file of a transit gateway's flow log.
fn transit_gateway() -> Bytes {
    let texts = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let columns = [
        ("version", Arc::new(Int64Array::from(vec![6])) as ArrayRef),
        ("resource_type", texts("TransitGateway")),
        ("tgw_id", texts("tgw-0a1b2c3d")),
        ("tgw_attachment_id", texts("tgw-attach-0a1b2c3d")),
        ("srcaddr", texts("10.0.0.1")),
        ("dstaddr", texts("10.1.0.1")),
        ("bytes", Arc::new(Int64Array::from(vec![1_000]))),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, DataType::clone(column.data_type()), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(schema.clone(), arrays).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file.into()
}

#[test]
fn what_is_no_flow_log_has_its_own_word_each_and_is_read_at_most_once() {
    let world = World::new();
    let deltas = vec![PLACE.put(&world, 1, 1), Place { layout: "daily", ..PLACE }.put(&world, 1, 2)];
    let put = |key: &str, content: &'static [u8]| world.bucket.put(key, Bytes::from_static(content));
    let at = |number| PLACE.key(1, number);
    let folder = at(0)[..=at(0).rfind('/').unwrap()].to_owned();

    let transit = at(10);
    world.bucket.put(&transit, transit_gateway());
    let text = at(11);
    put(&text, b"version account-id interface-id srcaddr dstaddr bytes\n2 1 eni-1 10.0.0.1 10.0.0.2 5\n");
    put(&at(12), b"");
    put(&folder, b"");
    let athena = "d41d8cd9-8f00-b204-e980-0998ecf8427e";
    let foreign = [
        format!("{folder}{athena}.csv"),
        format!("{folder}{athena}.csv.metadata"),
        format!("{folder}{athena}-manifest.csv"),
        format!("{folder}_SUCCESS"),
        format!("{folder}part-00000-{athena}.c000.snappy.parquet"),
        format!("{folder}compacted.parquet"),
        format!("{folder}{}", PLACE.key(1, 13).rsplit('/').next().unwrap().replace("vpcflowlogs", "elb")),
    ];
    for key in &foreign {
        put(key, b"\"bytes\"\n\"5\"\n");
    }
    // Beside the flow logs: not even listed.
    for key in [
        format!("athena-results/Unsaved/2026/03/10/{athena}.csv"),
        "AWSLogs/111111111111/CloudTrail/us-east-1/2026/03/10/x.json.gz".to_owned(),
        "AWSLogs/111111111111/elasticloadbalancing/us-east-1/2026/03/10/x.log.gz".to_owned(),
        "AWSLogs/aws-account-id=111111111111/aws-service=elb/aws-region=us-east-1/x.gz".to_owned(),
        "notes.txt".to_owned(),
    ] {
        put(&key, b"x");
    }

    let recorder = Recorder::new();
    cycles(world.start(recorder.observer()), 2, &CancellationToken::new()).unwrap();
    cycles(world.start(recorder.observer()), 11, &CancellationToken::new()).unwrap();
    assert_totals(&world.last(), deltas.into_iter());

    let mut ignored = Vec::new();
    let mut quarantined = Vec::new();
    for event in recorder.events() {
        match event {
            Event::ObjectIgnored { object, reason, .. } => ignored.push((reason, object.key)),
            Event::ObjectQuarantined { object, why, .. } => quarantined.push((why.reason, object.key)),
            _ => {}
        }
    }
    ignored.sort();
    let mut expected: Vec<_> = foreign.into_iter().map(|key| (IgnoreReason::Foreign, key)).collect();
    expected.push((IgnoreReason::Folder, folder));
    expected.push((IgnoreReason::TransitGateway, transit.clone()));
    expected.sort();
    assert_eq!(ignored, expected, "each told of once");
    assert_eq!(quarantined, [(QuarantineReason::Format, text.clone())]);
    assert_eq!(world.last().objects.get(ObjectOutcome::Empty), 1);
    let mut gets = world.bucket.gets();
    gets.sort();
    let mut read = vec![PLACE.key(1, 1), Place { layout: "daily", ..PLACE }.key(1, 2), transit, text];
    read.sort();
    assert_eq!(gets, read);
}
