//! The demo's folder, read back with the Parquet crate's own reader.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Instant,
};

use flowcost_exporter::{
    decode::encode::{Column, Record, Value},
    demo::{Cluster, Demo, HISTORY_ROWS, SEED, SLOT_SECONDS, slot_of},
    model::Timestamp,
};
use parquet::{
    basic::Compression,
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};

/// Tuesday 2025-12-09, 14:02:03 UTC.
const NOW: Timestamp = Timestamp(1_765_288_923);

fn rows(path: &Path) -> Vec<Vec<(String, Field)>> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    for column in reader.metadata().row_group(0).columns() {
        assert!(matches!(column.compression(), Compression::GZIP(_)), "the codec of AWS");
    }
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|row| row.get_column_iter().map(|(name, field)| (name.clone(), field.clone())).collect())
        .collect()
}

fn expected(record: &Record) -> Vec<(String, Field)> {
    let field = |column: &Column| match column.value(record) {
        Value::Text(text) => Field::Str(text.unwrap_or("-").to_owned()),
        Value::Address(address) => Field::Str(address.map_or("-".to_owned(), |ip| ip.to_string())),
        Value::Int(value) => value.map_or(Field::Null, Field::Int),
        Value::Long(value) => value.map_or(Field::Null, Field::Long),
    };
    Column::ALL.iter().map(|column| (column.name().to_owned(), field(column))).collect()
}

/// The slot that a file's name says, from the name alone.
fn slot_in_name(path: &Path) -> (String, String) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let parts: Vec<&str> = name.strip_suffix(".log.parquet").unwrap().split('_').collect();
    let [account, "vpcflowlogs", "us-east-1", flow_log, stamp, hash] = parts[..] else { panic!("{name}") };
    assert!(account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
    assert!(flow_log.starts_with("fl-") && hash.len() == 8 && u32::from_str_radix(hash, 16).is_ok());
    let (date, time) = stamp.strip_suffix('Z').unwrap().split_once('T').unwrap();
    (date.to_owned(), time.to_owned())
}

#[test]
fn two_days_of_history_are_written_fast_and_can_be_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let mut demo = Demo::prepare(Some(dir.path().to_owned()), 600, None, NOW).unwrap();
    let elapsed = begin.elapsed();
    let size: u64 = demo.history.iter().map(|path| path.metadata().unwrap().len()).sum();
    println!("{} files, {size} bytes, {elapsed:?}", demo.history.len());
    assert_eq!(demo.history.len(), 2 * 288);
    assert!(size < 24 << 20, "{size} bytes");
    // Generous for a machine that is busy with other tests; see the printed figure.
    assert!(elapsed.as_secs() < 20, "{elapsed:?}");

    for path in &demo.history {
        let (date, time) = slot_in_name(path);
        let (year, month, day, hour) = (&date[..4], &date[4..6], &date[6..], &time[..2]);
        let folder = format!("year={year}/month={month}/day={day}/hour={hour}");
        assert!(path.parent().unwrap().ends_with(folder), "{path:?}");
    }
    let first = Timestamp(slot_of(NOW).0 - 2 * 86_400);
    let cluster = Cluster::new(SEED);
    for (index, path) in [(0, &demo.history[0]), (575, &demo.history[575])] {
        let slot = Timestamp(first.0 + index * i64::from(SLOT_SECONDS));
        let records = cluster.records(slot, SLOT_SECONDS, HISTORY_ROWS);
        assert_eq!(rows(path), records.iter().map(expected).collect::<Vec<_>>());
    }

    let live: PathBuf = demo.write_until(NOW).unwrap().unwrap();
    let ends = rows(&live).into_iter().map(|row| match row.iter().find(|(name, _)| name == "end") {
        Some((_, Field::Long(end))) => *end,
        other => panic!("{other:?}"),
    });
    assert!(ends.into_iter().all(|end| (slot_of(NOW).0..NOW.0).contains(&end)));
}
