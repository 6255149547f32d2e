use std::{collections::BTreeMap, ops::Range, sync::Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use super::{layout::Layout, window::Window, *};
use crate::{model::ObjectId, store::Page};

/// A listing in memory, three keys a page unless told otherwise.
struct Keys {
    page: usize,
    keys: Mutex<BTreeMap<String, ()>>,
    requests: Mutex<Vec<String>>,
    fault: Mutex<Option<Fault>>,
}

impl Default for Keys {
    fn default() -> Self {
        let (keys, requests, fault) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { page: 3, keys, requests, fault }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    RepeatToken,
    Unsorted,
    RepeatKeys,
    FailBelow(&'static str),
}

#[async_trait]
impl ObjectStore for Keys {
    async fn list(&self, request: ListRequest<'_>) -> Result<Page, StoreError> {
        self.requests.lock().unwrap().push(request.prefix.to_owned());
        let fault = *self.fault.lock().unwrap();
        if let Some(Fault::FailBelow(prefix)) = fault
            && request.prefix.starts_with(prefix)
        {
            return Err(listing_error(request.prefix, "made to fail"));
        }
        let keys = self.keys.lock().unwrap();
        let after = request.page.or(request.start_after).unwrap_or("");
        let below = keys.keys().filter(|key| key.starts_with(request.prefix) && key.as_str() > after);
        if request.delimited {
            let cut = |key: &String| {
                let slash = key[request.prefix.len()..].find('/')?;
                Some(key[..=request.prefix.len() + slash].to_owned())
            };
            let prefixes: BTreeSet<String> = below.filter_map(cut).collect();
            return Ok(Page { prefixes: prefixes.into_iter().collect(), ..Page::default() });
        }
        let mut found: Vec<String> = below.take(self.page + 1).cloned().collect();
        let mut next = (found.len() > self.page).then(|| found[self.page - 1].clone());
        found.truncate(self.page);
        match fault {
            Some(Fault::RepeatToken) => next = Some("same".to_owned()),
            Some(Fault::Unsorted) => found.reverse(),
            Some(Fault::RepeatKeys) => found.push(found[found.len() - 1].clone()),
            _ => {}
        }
        let listed =
            |key: String| Listed { id: ObjectId { bucket: "s3://b".into(), key }, size: 1, version: None };
        Ok(Page { objects: found.into_iter().map(listed).collect(), prefixes: Vec::new(), next })
    }

    async fn get(&self, _: &Listed, _: Option<Range<u64>>) -> Result<Bytes, StoreError> {
        Err(listing_error("get", "never asked"))
    }
}

impl Keys {
    fn with(keys: &[&str]) -> Arc<Self> {
        let store = Arc::new(Self::default());
        keys.iter().for_each(|key| store.add(key));
        store
    }

    fn add(&self, key: &str) {
        self.keys.lock().unwrap().insert(key.to_owned(), ());
    }
}

fn spec(prefix: &str, layout: &str) -> SourceSpec {
    SourceSpec {
        name: "s".into(),
        bucket: "s3://b".into(),
        prefix: prefix.to_owned(),
        region: "us-east-1".to_owned(),
        layout: Layout::parse(layout).unwrap(),
        accounts: Vec::new(),
        regions: Vec::new(),
        flow_log_ids: Vec::new(),
    }
}

// 2025-12-09T00:00:00Z in hours
const DAY: i64 = 490_344;

fn window(from: i64, until: i64) -> Window {
    Window { from: Hour(from).start(), until: Hour(until).start() }
}

fn name(account: u64, region: &str, id: &str) -> String {
    format!("{account}_vpcflowlogs_{region}_{id}_20251209T1000Z_abcd.log.parquet")
}

fn plain(account: u64, region: &str, folder: &str, id: &str) -> String {
    format!("AWSLogs/{account}/vpcflowlogs/{region}/{folder}/{}", name(account, region, id))
}

fn hive(account: u64, region: &str, folder: &str, id: &str) -> String {
    format!(
        "AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/{folder}/{}",
        name(account, region, id)
    )
}

const A: u64 = 111_111_111_111;
const B: u64 = 222_222_222_222;

/// Keys of a full scan, and those that are ignored.
async fn scan(discovery: &mut Discovery, window: Window) -> (Vec<String>, Vec<(String, IgnoreReason)>) {
    discovery.find_roots().await.unwrap();
    let mut scan = discovery.scan(window, true);
    let (mut keys, mut ignored) = (Vec::new(), Vec::new());
    while let Some(found) = scan.next().await {
        for one in found {
            match one.ignored {
                None => keys.push(one.listed.id.key),
                Some(reason) => ignored.push((one.listed.id.key, reason)),
            }
        }
    }
    assert!(scan.failure().is_none());
    discovery.learn(&scan);
    keys.sort();
    (keys, ignored)
}

#[tokio::test]
async fn auto_finds_all_layouts_of_all_accounts_and_regions_side_by_side() {
    let mut wanted = vec![
        plain(A, "us-east-1", "2025/12/09/10", "fl-1"),
        plain(A, "us-east-1", "2025/12/09", "fl-2"),
        plain(A, "us-gov-west-1", "2025/12/09/11", "fl-1"),
        plain(B, "cn-north-1", "2025/12/09", "fl-3"),
        hive(A, "us-east-1", "year=2025/month=12/day=09/hour=10", "fl-4"),
        hive(B, "us-east-1", "year=2025/month=12/day=09", "fl-5"),
    ];
    wanted.sort();
    let store = Keys::with(&wanted.iter().map(String::as_str).collect::<Vec<_>>());
    for other in
        ["AWSLogs/111111111111/CloudTrail/us-east-1/2025/12/09/x.json.gz", "AWSLogs/notes.txt", "other/x"]
    {
        store.add(other);
    }
    let old = plain(A, "us-east-1", "2025/12/07/10", "fl-1");
    store.add(&old);
    let mut discovery = Discovery::new(spec("", "auto"), store.clone());
    let (keys, ignored) = scan(&mut discovery, window(DAY, DAY + 12)).await;
    assert_eq!(keys, wanted);
    assert_eq!(ignored, []);
    let foreign: Vec<_> = discovery.foreign_regions().into_iter().collect();
    assert_eq!(foreign, ["cn-north-1", "us-gov-west-1"]);

    let new = plain(333_333_333_333, "eu-west-1", "2025/12/09/10", "fl-9");
    store.add(&new);
    let (keys, _) = scan(&mut discovery, window(DAY, DAY + 12)).await;
    assert!(keys.contains(&new), "an account that appears while running");
}

#[tokio::test]
async fn a_prefix_may_end_before_or_inside_the_aws_part() {
    let key = plain(A, "us-east-1", "2025/12/09/10", "fl-1");
    let other = plain(B, "us-east-1", "2025/12/09/10", "fl-1");
    let inside = [
        "AWSLogs/".to_owned(),
        format!("AWSLogs/{A}/"),
        format!("AWSLogs/{A}/vpcflowlogs/"),
        format!("AWSLogs/{A}/vpcflowlogs/us-east-1/"),
    ];
    for (at, prefix) in inside.iter().enumerate() {
        for front in ["", "team/logs/"] {
            let store = Keys::with(&[&format!("{front}{key}"), &format!("{front}{other}")]);
            let mut discovery = Discovery::new(spec(&format!("{front}{prefix}"), "auto"), store.clone());
            let (keys, _) = scan(&mut discovery, window(DAY, DAY + 12)).await;
            assert_eq!(keys.len(), if at == 0 { 2 } else { 1 }, "{front}{prefix}: {keys:?}");
        }
    }
}

#[tokio::test]
async fn filters_and_foreign_files() {
    let keys = [
        plain(A, "us-east-1", "2025/12/09/10", "fl-1"),
        plain(A, "us-east-1", "2025/12/09/10", "fl-2"),
        plain(A, "eu-west-1", "2025/12/09/10", "fl-1"),
        plain(B, "us-east-1", "2025/12/09/10", "fl-1"),
    ];
    let store = Keys::with(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    store.add("AWSLogs/111111111111/vpcflowlogs/us-east-1/2025/12/09/10/");
    store.add("AWSLogs/111111111111/vpcflowlogs/us-east-1/2025/12/09/10/report.csv");
    let mut spec = spec("", "auto");
    spec.accounts = vec![A.to_string()];
    spec.regions = vec!["us-east-1".to_owned()];
    spec.flow_log_ids = vec!["fl-1".to_owned()];
    let (found, mut ignored) = scan(&mut Discovery::new(spec, store.clone()), window(DAY, DAY + 12)).await;
    assert_eq!(found, [keys[0].clone()]);
    ignored.sort();
    let reasons: Vec<_> = ignored.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons, [IgnoreReason::Folder, IgnoreReason::Filtered, IgnoreReason::Foreign]);
}

#[tokio::test]
async fn a_template_follows_the_prefix() {
    let layout =
        "AWSLogs/{account}/vpcflowlogs/region={region}/year={year}/month={month}/day={day}/hour={hour}/";
    let at = |day: u8, hour: u8| {
        format!(
            "p/AWSLogs/{A}/vpcflowlogs/region=us-east-1/year=2025/month=12/day={day:02}/hour={hour:02}/fl-0a_x.parquet"
        )
    };
    let store = Keys::with(&[&at(8, 23), &at(9, 0), &at(9, 5), &at(9, 6), &at(12, 0)]);
    let (keys, _) = scan(&mut Discovery::new(spec("p/", layout), store.clone()), window(DAY, DAY + 5)).await;
    assert_eq!(keys, [at(9, 0), at(9, 5)]);
}

#[tokio::test]
async fn recent_scans_of_hourly_roots_do_not_list_the_day() {
    let store = Arc::new(Keys::default());
    for hour in 0..12 {
        store.add(&plain(A, "us-east-1", &format!("2025/12/09/{hour:02}"), "fl-1"));
    }
    let mut discovery = Discovery::new(spec("", "auto"), store.clone());
    scan(&mut discovery, window(DAY, DAY + 12)).await;
    store.requests.lock().unwrap().clear();
    let mut recent = discovery.scan(window(DAY + 11, DAY + 12), false);
    let mut count = 0;
    while let Some(found) = recent.next().await {
        count += found.len();
    }
    assert_eq!((count, store.requests.lock().unwrap().len()), (1, 1));
}

#[tokio::test]
async fn broken_paging_fails_the_root_and_not_the_others() {
    for fault in [Fault::RepeatToken, Fault::Unsorted, Fault::RepeatKeys] {
        let store = Arc::new(Keys::default());
        for hour in 0..6 {
            store.add(&plain(A, "us-east-1", &format!("2025/12/09/{hour:02}"), "fl-1"));
        }
        let mut discovery = Discovery::new(spec("", "hourly"), store.clone());
        discovery.find_roots().await.unwrap();
        *store.fault.lock().unwrap() = Some(fault);
        let mut scan = discovery.scan(window(DAY, DAY + 12), true);
        while scan.next().await.is_some() {}
        assert_eq!(scan.failure().map(|error| error.reason), Some(FailureReason::Other));
    }
    let (bad, good) =
        (plain(A, "us-east-1", "2025/12/09/10", "fl-1"), plain(B, "us-east-1", "2025/12/09/10", "fl-1"));
    let store = Keys::with(&[&bad, &good]);
    let mut discovery = Discovery::new(spec("", "hourly"), store.clone());
    discovery.find_roots().await.unwrap();
    *store.fault.lock().unwrap() = Some(Fault::FailBelow("AWSLogs/111111111111/"));
    let mut scan = discovery.scan(window(DAY, DAY + 12), true);
    let mut keys = Vec::new();
    while let Some(found) = scan.next().await {
        keys.extend(found.into_iter().map(|one| one.listed.id.key));
    }
    assert_eq!(keys, [good]);
    assert!(scan.failure().is_some());
}

#[tokio::test]
async fn organizations_are_found_below_any_prefix_in_every_layout() {
    let key = |org: &str, hive: bool, hour: &str, account: u64| {
        match hive {
            false => plain(account, "us-east-1", &format!("2025/12/09{hour}"), "fl-1"),
            true => {
                let hour = hour.replace('/', "/hour=");
                hive_key(account, &hour)
            }
        }
        .replacen("AWSLogs/", &format!("AWSLogs/{org}"), 1)
    };
    fn hive_key(account: u64, hour: &str) -> String {
        hive(account, "us-east-1", &format!("year=2025/month=12/day=09{hour}"), "fl-1")
    }
    let mut all = Vec::new();
    for org in ["", "o-a1b2c3d4e5/", "o-exampleorgid/"] {
        for is_hive in [false, true] {
            for hour in ["", "/10"] {
                for account in [A, B] {
                    all.push((is_hive, hour, key(org, is_hive, hour, account)));
                }
            }
        }
    }
    for front in ["", "team/logs/", "o-a1b2c3d4e5/"] {
        let store = Arc::new(Keys::default());
        all.iter().for_each(|(.., key)| store.add(&format!("{front}{key}")));
        for other in ["AWSLogs/o-A/x", "AWSLogs/orphan/1/x", "AWSLogs/o-a1b2c3d4e5/CloudTrail/x"] {
            store.add(&format!("{front}{other}"));
        }
        for (layout, hive, hour) in [
            ("auto", None, None),
            ("daily", Some(false), Some("")),
            ("hourly", Some(false), Some("/10")),
            ("hive-daily", Some(true), Some("")),
            ("hive-hourly", Some(true), Some("/10")),
        ] {
            let wanted = all.iter().filter(|(is_hive, of, _)| {
                hive.is_none_or(|hive| hive == *is_hive) && hour.is_none_or(|hour| hour == *of)
            });
            let mut wanted: Vec<_> = wanted.map(|(.., key)| format!("{front}{key}")).collect();
            wanted.sort();
            let mut discovery = Discovery::new(spec(front, layout), store.clone());
            let (keys, _) = scan(&mut discovery, window(DAY, DAY + 12)).await;
            assert_eq!(keys, wanted, "{front} {layout}");
        }
        let inside = format!("{front}AWSLogs/o-exampleorgid/{A}/");
        let mut discovery = Discovery::new(spec(&inside, "auto"), store.clone());
        let (keys, _) = scan(&mut discovery, window(DAY, DAY + 12)).await;
        assert_eq!(keys.len(), 2, "{keys:?}");
        let origin = discovery.origin(&keys[0], discovery.outside());
        assert_eq!(
            (origin.account.as_deref(), origin.region.as_deref()),
            (Some("111111111111"), Some("us-east-1"))
        );
    }
}

/// The folder of an hour as somebody spells it.
fn spelled(layout: &str, hour: i64, zeros: [bool; 3]) -> String {
    let utc = Hour(hour).start().to_utc().unwrap();
    let number = |value: u8, zero: bool| if zero { format!("{value:02}") } else { value.to_string() };
    let [month, day, hour] =
        [number(utc.month().into(), zeros[0]), number(utc.day(), zeros[1]), number(utc.hour(), zeros[2])];
    layout
        .replace("{year}", &utc.year().to_string())
        .replace("{month}", &month)
        .replace("{day}", &day)
        .replace("{hour}", &hour)
}

/// Every key of a window is found, in whatever spellings its tree has, and a scan costs a few requests for each stretch.
#[tokio::test]
async fn no_spelling_of_an_hour_is_jumped_over() {
    let mut random = fastrand::Rng::with_seed(14);
    let layouts = [
        "{year}/{month}/{day}/{hour}/",
        "{year}/{month}/{day}/",
        "year={year}/month={month}/day={day}/hour={hour}/",
        "{year}-{month}-{day}T{hour}/",
        "{year}-{month}-{day}/{hour}h/",
        "d{year}{month}{day}/{hour}/",
        "{year}/{month}.{day}/at-{hour}-o-clock/",
    ];
    let mut jumps = 0;
    for round in 0..600 {
        let layout = layouts[round % layouts.len()];
        let padded_date = layout.contains("{month}{day}");
        let daily = !layout.contains("{hour}");
        // The borders of months, years and days; a tree of some days, a window in it.
        let borders = [490_344, 489_960, 490_872, 488_496, 491_616, 484_080];
        let middle = borders[random.usize(0..borders.len())] + random.i64(-30..30);
        let (reach, step) = if random.bool() { (80, 1) } else { (24 * 200, random.i64(3..40)) };
        let style = random.u8(0..4);
        let store = Arc::new(Keys { page: [3, 10, 50][random.usize(0..3)], ..Keys::default() });
        let mut hours = BTreeMap::new();
        let mut hour = middle - reach;
        while hour < middle + reach {
            let zeros = match style {
                0 => [true; 3],
                1 => [false; 3],
                _ => [random.bool(), random.bool(), random.bool()],
            };
            let zeros = if padded_date { [true, true, zeros[2]] } else { zeros };
            let folder = spelled(layout, hour, zeros);
            for file in 0..random.u8(0..3) {
                let key = format!("r/{folder}{file}.gz");
                store.add(&key);
                hours.insert(key, hour);
            }
            hour += step;
        }
        for other in ["r/2025/x/y.csv", "r/2025/1", "r/~/z", "r/0/0"] {
            store.add(other);
        }
        let from = middle + random.i64(-40..40);
        let window = window(from, from + random.i64(0..60));
        let is_open = |hour: i64| {
            let begin = if daily { hour - hour.rem_euclid(24) } else { hour };
            let end = begin + if daily { 24 } else { 1 };
            Hour(end).start() > window.from && Hour(begin).start() <= window.until
        };
        let wanted: Vec<_> = hours.iter().filter(|(_, hour)| is_open(**hour)).map(|(key, _)| key).collect();
        let mut discovery = Discovery::new(spec("r/", layout), store.clone());
        let (keys, _) = scan(&mut discovery, window).await;
        assert_eq!(keys.iter().collect::<Vec<_>>(), wanted, "{layout} {window:?}, round {round}");
        // Every page ends in the window, or there is one more stretch.
        let requests = store.requests.lock().unwrap().len();
        let all = hours.len().div_ceil(store.page) + 1;
        assert!(requests <= all.min(wanted.len() / store.page + 8 * 14), "{layout}: {requests} of {all}");
        jumps += usize::from(requests * 2 < all);
    }
    assert!(jumps > 50, "in {jumps} trees most of what is not in the window is not listed");
}

/// What a poll costs at any time of a year, in a tree of that year that has two files an hour.
#[tokio::test]
async fn a_poll_of_a_tree_without_leading_zeros_lists_a_few_pages() {
    let mut random = fastrand::Rng::with_seed(4);
    for layout in ["{year}/{month}/{day}/{hour}/", "year={year}/month={month}/day={day}/hour={hour}/"] {
        let mut most = [0, 0];
        for (zeros, most) in [true, false].into_iter().zip(&mut most) {
            for _ in 0..60 {
                // Any hour of 2026, as often as not about a border.
                let mut now = 490_896 + random.i64(0..8_760);
                if random.bool() {
                    now = (now - now.rem_euclid(24) + random.i64(-2..12)).max(490_896);
                }
                let store = Arc::new(Keys { page: 1_000, ..Keys::default() });
                for hour in 490_896..=now {
                    let folder = spelled(layout, hour, [zeros; 3]);
                    store.add(&format!("r/{folder}0.gz"));
                    store.add(&format!("r/{folder}1.gz"));
                }
                let mut discovery = Discovery::new(spec("r/", layout), store.clone());
                discovery.find_roots().await.unwrap();
                let mut scan = discovery.scan(window(now - 1, now + 1), false);
                let mut found = 0;
                while let Some(page) = scan.next().await {
                    found += page.len();
                }
                assert_eq!(found, if now == 490_896 { 2 } else { 4 });
                *most = store.requests.lock().unwrap().len().max(*most);
            }
        }
        // docs/layouts.md has these.
        assert_eq!(most[0], 1, "{layout}");
        assert!(most[1] <= 6, "{layout}: {most:?}");
        println!("at most {most:?} requests");
    }
}
