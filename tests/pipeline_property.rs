//! The whole pipeline against the oracle: random records, random objects, random order of arrival, restarts.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use fastrand::Rng;
use flowcost_exporter::{
    ledger::{Ledger, Measure, Options, SourceSpec, Sum, Table},
    model::{Candidate, Charge, Listed, ObjectId, ObjectOutcome, Settled, Settlement, Snapshot, Timestamp},
};
use proptest::{collection::vec, prelude::*, test_runner::TestCaseError};

use crate::oracle::{
    self, Labels, OracleConfig, Tables, cases,
    exporter::{self, BUCKET, Format},
    random::{self, File},
};

/// As many runs as PROPTEST_CASES says, else `runs`; a failure is made smaller at most `shrinks` times.
fn runs(runs: u32, shrinks: u32) -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = runs;
    }
    config.max_shrink_iters = shrinks;
    config
}

fn judge(file: &File, config: &OracleConfig) -> Tables {
    oracle::judge(&file.rows, &file.columns, file.part, config)
}

fn settle(file: &File, config: &OracleConfig) -> Settlement {
    let format = if file.text { Format::Text } else { Format::Parquet };
    exporter::settle(&file.rows, &file.columns, file.part, (format, file.physical), config)
}

proptest! {
    #![proptest_config(runs(1_500, 20_000))]

    /// One record at a time: a failure shrinks to what matters.
    #[test]
    fn a_record_means_what_the_design_says(config in random::config(), file in random::file(1, false)) {
        let want = exporter::without_nothing(judge(&file, &config));
        let got = exporter::without_nothing(exporter::tables(&settle(&file, &config)));
        prop_assert_eq!(got, want);
    }
}

proptest! {
    #![proptest_config(runs(300, 5_000))]

    #[test]
    fn an_object_adds_what_the_design_says(config in random::config(), file in random::file(60, true)) {
        let settlement = settle(&file, &config);
        let want = exporter::without_nothing(judge(&file, &config));
        let got = exporter::without_nothing(exporter::tables(&settlement));
        prop_assert_eq!(got, want, "{:?}", settlement);
        if file.rows.is_empty() {
            prop_assert!(!matches!(settlement, Settlement::Counted(_)));
        }
    }

    /// One classifier serves both formats: nothing shows which of them a record came in.
    #[test]
    fn text_and_parquet_settle_alike(
        config in random::config(),
        file in random::file(60, true),
        physical in any::<u64>(),
    ) {
        let text = settle(&File { text: true, ..file.clone() }, &config);
        let parquet = settle(&File { text: false, physical, ..file }, &config);
        match (text, parquet) {
            // What is met first depends on where batches end.
            (Settlement::Quarantined(_), Settlement::Quarantined(_)) => {}
            (text, parquet) => prop_assert_eq!(text, parquet),
        }
    }

    /// An object teaches about its own records, whichever comes first.
    #[test]
    fn the_order_of_rows_decides_nothing(
        config in random::config(),
        file in random::file(60, false),
        order in any::<u64>(),
    ) {
        let mut shuffled = file.clone();
        Rng::with_seed(order).shuffle(&mut shuffled.rows);
        let [one, other] = [&file, &shuffled].map(|file| exporter::tables(&settle(file, &config)));
        prop_assert_eq!(one, other);
    }

    /// The same rows in other objects, of which none teaches anything: the same traffic, records and doubts; money
    /// differs by its roundings only.
    #[test]
    fn object_boundaries_change_roundings_only(
        config in random::config(),
        file in random::file(60, false),
        cuts in vec(0..60_usize, 0..6),
    ) {
        let mut config = config;
        config.bad_rows_per_object = 1_000;
        // Without directions nothing is an own side, and these say what an object has.
        config.gateways.clear();
        let mut file = file;
        for teacher in ["flow_direction", "interface_id", "resource_id", "interface_type", "vpc_id", "traffic_path"] {
            file.columns.remove(teacher);
        }
        let whole = exporter::tables(&settle(&file, &config));
        let pieces: Vec<Tables> =
            cut(&file, &cuts).iter().map(|piece| exporter::tables(&settle(piece, &config))).collect();
        let sum = oracle::add_up(&pieces);
        if pieces.iter().any(|piece| piece.quarantined) || whole.quarantined {
            // The columns decide that, not the rows.
            prop_assert!(file.rows.is_empty() || whole.quarantined);
            return Ok(());
        }
        prop_assert_eq!(&sum.traffic, &whole.traffic);
        prop_assert_eq!(&sum.records, &whole.records);
        prop_assert_eq!(&sum.doubts, &whole.doubts);
        prop_assert_eq!(sum.newest, whole.newest);
        for (key, [bytes, nanos, unpriced]) in &whole.charges {
            let [cut_bytes, cut_nanos, cut_unpriced] = sum.charges[key];
            prop_assert_eq!(cut_unpriced, *unpriced);
            prop_assert_eq!(cut_bytes, *bytes);
            // Half a nano-dollar for each rounding.
            prop_assert!(2 * cut_nanos.abs_diff(*nanos) <= pieces.len() as u128 + 1, "{} {}", cut_nanos, nanos);
        }
    }
}

proptest! {
    #![proptest_config(runs(60, 200))]

    /// I1, I3: whatever the order, the batches, the repetitions and the restarts, totals are the sums of the objects.
    #[test]
    fn totals_are_the_sums_of_the_objects(
        config in random::config(),
        files in vec(random::file(20, false), 1..8),
        order in any::<u64>(),
    ) {
        let objects: Vec<Settled> =
            files.iter().enumerate().map(|(at, file)| settled(at, file, &config)).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flowcost.db");
        let snapshot = commit_at_random(&path, &objects, 10_000, order)?;

        let judged: Vec<Tables> = files.iter().map(|file| judge(file, &config)).collect();
        let want = oracle::add_up(&judged);
        prop_assert_eq!(exporter::records(&snapshot.records), want.records.clone());
        prop_assert_eq!(traffic(&snapshot), by_labels(&want));
        prop_assert_eq!(charges(&snapshot), charges_by_labels(&want));
        prop_assert_eq!(cost_by_hour(&snapshot), cost_of_hours(&want));
        let quarantined = judged.iter().filter(|tables| tables.quarantined).count() as u64;
        prop_assert_eq!(snapshot.objects.get(ObjectOutcome::Quarantined), quarantined);
        if quarantined == 0 {
            // A quarantined object may be read again, and its bytes are fetched again.
            prop_assert_eq!(snapshot.object_bytes, objects.iter().map(|object| object.fetched).sum::<u64>());
        }
        let all: u64 = ObjectOutcome::ALL.into_iter().map(|outcome| snapshot.objects.get(outcome)).sum();
        prop_assert_eq!(all, files.len() as u64);
        prop_assert_eq!(hours(&path), sums_of(want));
    }

    /// I6: a small limit moves series into the overflow series and loses nothing.
    #[test]
    fn sums_stay_exact_beyond_the_series_limit(
        config in random::config(),
        files in vec(random::file(20, false), 1..5),
        limit in 1..6_usize,
        order in any::<u64>(),
    ) {
        let objects: Vec<Settled> =
            files.iter().enumerate().map(|(at, file)| settled(at, file, &config)).collect();
        let folder = tempfile::tempdir().unwrap();
        let snapshot = commit_at_random(&folder.path().join("flowcost.db"), &objects, limit, order)?;

        let want = oracle::add_up(&files.iter().map(|file| judge(file, &config)).collect::<Vec<_>>());
        prop_assert!(snapshot.traffic.len() <= limit, "{} series", snapshot.traffic.len());
        prop_assert_eq!(total(traffic(&snapshot).into_values()), total(by_labels(&want).into_values()));
        for charge in Charge::ALL {
            let of = |charges: BTreeMap<(String, Labels), [u128; 3]>| {
                total(charges.into_iter().filter(|((name, _), _)| name == charge.as_str()).map(|(_, sums)| sums))
            };
            prop_assert_eq!(of(charges(&snapshot)), of(charges_by_labels(&want)));
        }
        prop_assert_eq!(exporter::records(&snapshot.records), want.records);
    }
}

/// The rows of a file in several files.
fn cut(file: &File, cuts: &[usize]) -> Vec<File> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(file.rows.len())).collect();
    cuts.extend([0, file.rows.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| File { rows: file.rows[cut[0]..cut[1]].to_vec(), ..file.clone() }).collect()
}

fn settled(at: usize, file: &File, config: &OracleConfig) -> Settled {
    let partition = exporter::partition(file.part);
    let size = 1_000 + at as u64;
    Settled {
        candidate: Candidate {
            listed: Listed {
                id: ObjectId { bucket: BUCKET.into(), key: format!("{}{at}.log.parquet", partition.prefix) },
                size,
                version: Some(format!("etag-{at}")),
            },
            source: "logs".into(),
            partition,
        },
        settlement: settle(file, config),
        fetched: size,
    }
}

fn options(limit: usize) -> Options {
    Options {
        series_limit: limit,
        sources: vec![SourceSpec { name: "logs".into(), url: format!("{BUCKET}/logs/") }],
        classifier_fingerprint: "one".to_string(),
        prices: Vec::new(),
    }
}

/// Commits all objects, in random order and batches, some of them again, with the file closed and opened in between.
fn commit_at_random(
    path: &Path,
    objects: &[Settled],
    limit: usize,
    order: u64,
) -> Result<Arc<Snapshot>, TestCaseError> {
    let now = Timestamp(cases::START + 7200);
    let mut rng = Rng::with_seed(order);
    let mut queue: Vec<&Settled> = objects.iter().collect();
    for _ in 0..rng.usize(0..=objects.len()) {
        queue.push(&objects[rng.usize(..objects.len())]);
    }
    rng.shuffle(&mut queue);

    let (mut ledger, report) = Ledger::open(path, &options(limit), now).unwrap();
    prop_assert!(report.created && report.fresh);
    while !queue.is_empty() {
        let batch: Vec<Settled> = queue.drain(..rng.usize(1..=queue.len().min(5))).cloned().collect();
        ledger.commit(&batch, now).unwrap();
        if rng.usize(..4) == 0 {
            let before = ledger.snapshot();
            drop(ledger);
            (ledger, _) = Ledger::open(path, &options(limit), now).unwrap();
            let after = ledger.snapshot();
            // The size of the file is the file's affair.
            prop_assert_eq!(
                Snapshot { state_bytes: 0, ..(*before).clone() },
                Snapshot { state_bytes: 0, ..(*after).clone() }
            );
        }
    }
    Ok(ledger.snapshot())
}

fn traffic(snapshot: &Snapshot) -> BTreeMap<Labels, [u128; 4]> {
    snapshot
        .traffic
        .iter()
        .map(|(key, counts)| (exporter::labels(key), exporter::traffic_sums(counts)))
        .collect()
}

fn charges(snapshot: &Snapshot) -> BTreeMap<(String, Labels), [u128; 3]> {
    snapshot
        .charges
        .iter()
        .map(|((charge, key), counts)| {
            ((charge.as_str().to_string(), exporter::labels(key)), exporter::charge_sums(counts))
        })
        .filter(|(_, sums)| *sums != [0, 0, 0])
        .collect()
}

fn cost_by_hour(snapshot: &Snapshot) -> BTreeMap<(i64, String), u128> {
    let mut all = BTreeMap::new();
    for (hour, charge, _, _, cost) in snapshot.by_source.values().flat_map(|sums| sums.hourly_cost.iter()) {
        *all.entry((hour.0, charge.as_str().to_string())).or_default() += u128::from(cost.0);
    }
    all.retain(|_, cost| *cost > 0);
    all
}

/// The traffic and charges of an expectation, by labels.
fn sums_of(tables: Tables) -> Tables {
    exporter::without_nothing(Tables { records: BTreeMap::new(), ..tables.labels_only() })
}

/// The hourly ledger, as a second reader sees it.
fn hours(path: &Path) -> Tables {
    let reader = Ledger::open_read_only(path).unwrap();
    let traffic =
        reader.sums(Table::Traffic, .., |row| (row.hour.0, exporter::labels(row.labels).into())).unwrap();
    let charges = reader.sums(Table::Charges, .., |row| {
        (row.hour.0, exporter::labels(row.labels).into(), row.charge.unwrap().as_str().to_string())
    });
    let of = |sum: &Sum, measure| u128::from(sum.amounts.of(measure));
    let four = [Measure::Flows, Measure::Packets, Measure::Bytes, Measure::InterAzBytes];
    let mut tables = Tables::default();
    tables.traffic.extend(traffic.iter().map(|(key, sum)| (key.clone(), four.map(|one| of(sum, one)))));
    let three = [Measure::ChargedBytes, Measure::Cost, Measure::UnpricedBytes];
    let charges = charges.unwrap();
    tables.charges.extend(charges.iter().map(|(key, sum)| (key.clone(), three.map(|one| of(sum, one)))));
    exporter::without_nothing(tables)
}

fn by_labels(tables: &Tables) -> BTreeMap<Labels, [u128; 4]> {
    let mut sums: BTreeMap<Labels, [u128; 4]> = BTreeMap::new();
    for ((_, series), values) in &tables.traffic {
        add(sums.entry(series.labels.clone()).or_default(), values);
    }
    sums
}

fn charges_by_labels(tables: &Tables) -> BTreeMap<(String, Labels), [u128; 3]> {
    let mut sums: BTreeMap<(String, Labels), [u128; 3]> = BTreeMap::new();
    for ((_, series, charge), values) in &tables.charges {
        add(sums.entry((charge.clone(), series.labels.clone())).or_default(), values);
    }
    sums.retain(|_, sums| *sums != [0, 0, 0]);
    sums
}

fn cost_of_hours(tables: &Tables) -> BTreeMap<(i64, String), u128> {
    let mut sums = BTreeMap::new();
    for ((hour, _, charge), [_, nanos, _]) in &tables.charges {
        *sums.entry((*hour, charge.clone())).or_default() += nanos;
    }
    sums.retain(|_, cost| *cost > 0);
    sums
}

fn total<const N: usize>(rows: impl Iterator<Item = [u128; N]>) -> [u128; N] {
    rows.fold([0; N], |mut sum, row| {
        add(&mut sum, &row);
        sum
    })
}

fn add<const N: usize>(sum: &mut [u128; N], values: &[u128; N]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += value;
    }
}
