//! The two readers of Parquet, ours and the library's, of the same files.

use std::{
    fs,
    ops::Range,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::atomic::AtomicUsize,
};

use super::*;
use crate::decode::parquet::ParquetReader;

/// What a reader makes of a file: all cells of every row, or why it has none.
type Cells = Result<Vec<String>, DecodeError>;

fn rows_of(batch: &FlowBatch) -> Vec<String> {
    let row = |row: usize| {
        let cells = Field::ALL.map(|field| format!("{:?}", batch.shown(field, row))).join(" ");
        format!("{} {cells}", batch.first_row + row as u64)
    };
    (0..batch.rows).map(row).collect()
}

fn cells_of(file: &Bytes, by_library: bool) -> (Cells, bool) {
    let limits = DecodeLimits { decompressed_bytes: 4 << 20 };
    let mut reader = match ParquetReader::open(Input::Whole(file.clone()), &limits) {
        Ok(reader) => reader,
        Err(error) => return (Err(error), false),
    };
    let ours = reader.reads_itself();
    if by_library {
        reader.leave_to_library();
    }
    let mut rows = Vec::new();
    loop {
        match reader.next_batch() {
            Ok(Some(batch)) => rows.extend(rows_of(&batch)),
            Ok(None) => return (Ok(rows), ours),
            Err(error) => return (Err(error), ours),
        }
    }
}

fn fixtures(folder: &str) -> Vec<(String, Bytes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet" || extension == "gz"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap().into()))
        .collect();
    files.sort();
    files
}

fn reason(cells: &Cells) -> Option<String> {
    match cells {
        Ok(_) => None,
        Err(DecodeError::Quarantine(why)) => Some(why.reason.as_str().to_owned()),
        Err(DecodeError::Ignore(why)) => Some(why.as_str().to_owned()),
    }
}

#[test]
fn ours_and_the_librarys_give_the_same_cells() {
    let mut ours = 0;
    for folder in ["parquet", "refused"] {
        for (name, file) in fixtures(folder) {
            let (own, is_ours) = cells_of(&file, false);
            let (library, _) = cells_of(&file, true);
            assert_eq!(reason(&own), reason(&library), "{name}: {own:?} {library:?}");
            if let (Ok(own), Ok(library)) = (&own, &library) {
                assert_eq!(own, library, "{name}");
            }
            ours += usize::from(is_ours && own.is_ok());
        }
    }
    assert!(ours > 30, "the usual files are read by ourselves: {ours}");
}

/// One to three changes, the beginnings of pages among them.
fn mutated(file: &Bytes, random: &mut fastrand::Rng) -> Bytes {
    let mut file = file.to_vec();
    for _ in 0..random.usize(1..=3) {
        let at = random.usize(4..file.len() - 8);
        match random.u8(0..5) {
            0 | 1 => file[at] ^= 1 << random.u8(0..8),
            2 => file[at] = random.u8(..),
            3 => file[at] = *random.choice(&[0, 1, 2, 3, 0x7f, 0x80, 0xff]).unwrap(),
            _ => {
                let end = (at + random.usize(1..8)).min(file.len());
                let to = random.usize(4..file.len() - (end - at));
                file.copy_within(at..end, to);
            }
        }
    }
    file.into()
}

/// Where both count a damaged file they count the same, and what the library refuses we do not count. The other way round we
/// may be stricter, seldom: where a run of nothing is taken for the end of the page.
#[test]
fn ours_and_the_librarys_agree_about_damaged_files() {
    let rounds: u64 = std::env::var("FLOWCOST_READER_MUTATIONS").map_or(60, |rounds| rounds.parse().unwrap());
    let usual = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let (mut counted, mut refused, mut stricter, mut differ) = (0, 0, 0, Vec::new());
    for (at, (name, file)) in fixtures("parquet").into_iter().enumerate() {
        // The codecs' own checksums and lengths would refuse nearly everything.
        if !cells_of(&file, false).1 || file.len() < 64 {
            continue;
        }
        let mut random = fastrand::Rng::with_seed(1 + ((at as u64) << 32));
        for round in 0..rounds {
            let mutated = mutated(&file, &mut random);
            let read =
                |by_library| panic::catch_unwind(AssertUnwindSafe(|| cells_of(&mutated, by_library).0));
            match (read(false), read(true)) {
                (Ok(Ok(own)), Ok(Ok(library))) if own == library => counted += 1,
                (Ok(Err(_)) | Err(_), Ok(Err(_)) | Err(_)) => refused += 1,
                (Ok(Err(_)), Ok(Ok(_))) => stricter += 1,
                (own, library) => differ.push(format!(
                    "{name} {round}: {} {}",
                    own.map_or_else(
                        |_| "panic".to_owned(),
                        |cells| format!("{:?}", cells.map(|rows| rows.len()))
                    ),
                    library.map_or_else(
                        |_| "panic".to_owned(),
                        |cells| format!("{:?}", cells.map(|rows| rows.len()))
                    ),
                )),
            }
        }
    }
    panic::set_hook(usual);
    assert!(differ.is_empty(), "{} of {}: {differ:#?}", differ.len(), counted + refused + differ.len());
    assert!(counted > 100 && refused > 100, "{counted} counted, {refused} refused");
    assert!(stricter * 1_000 < counted + refused, "{stricter} of {counted} and {refused}");
}

/// An object in memory that pretends to be elsewhere, up to so many requests.
#[derive(Debug)]
struct Elsewhere {
    bytes: Bytes,
    requests: AtomicUsize,
}

impl Parts for Elsewhere {
    fn object_len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn get(&self, range: Range<u64>) -> Option<Bytes> {
        let left =
            self.requests.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.ok().map(|_| self.bytes.slice(range.start as usize..range.end as usize))
    }
}

fn in_parts(file: &Bytes, requests: usize) -> (Result<Vec<FlowBatch>, DecodeError>, usize) {
    let parts = Arc::new(Elsewhere { bytes: file.clone(), requests: requests.into() });
    (read_input(Input::Parts(parts.clone())), requests - parts.requests.load(Ordering::Relaxed))
}

/// What is read in parts is what is read as a whole, and when a part is missing nothing is read.
#[test]
fn an_object_in_parts_is_the_same_object() {
    let mut read_in_parts = 0;
    for folder in ["parquet", "refused", "text"] {
        for (name, file) in fixtures(folder) {
            let (whole, (parts, requests)) = (read(&file), in_parts(&file, usize::MAX));
            match (&whole, &parts) {
                (Ok(whole), Ok(parts)) => assert_eq!(format!("{whole:?}"), format!("{parts:?}"), "{name}"),
                (Err(DecodeError::Quarantine(whole)), Err(DecodeError::Quarantine(parts))) => {
                    assert_eq!(whole.reason, parts.reason, "{name}");
                }
                (whole, parts) => assert_eq!(whole.is_ok(), parts.is_ok(), "{name}"),
            }
            if parts.is_ok() {
                for fewer in 0..requests {
                    assert!(in_parts(&file, fewer).0.is_err(), "{name} {fewer} of {requests}");
                }
                read_in_parts += 1;
            }
        }
    }
    assert!(read_in_parts > 60, "{read_in_parts}");
}

/// Row groups whose dictionaries are of one size, each with other values: memory of one is used again for the next.
fn many_dictionaries(encodings: WriterPropertiesBuilder) -> Bytes {
    let address = |row: usize| format!("10.{}.{}.{}", row / 200 % 100, row / 200 / 100, row % 50);
    let column =
        || -> ArrayRef { Arc::new((0..20_000).map(|row| Some(address(row))).collect::<StringArray>()) };
    let columns = [
        ("srcaddr", column()),
        ("dstaddr", column()),
        ("bytes", Arc::new(Int64Array::from_iter_values(0..20_000)) as ArrayRef),
    ];
    write(&columns, encodings.set_max_row_group_row_count(Some(200)))
}

#[test]
fn no_two_dictionaries_go_by_one_id() {
    let delta = properties()
        .set_column_dictionary_enabled("bytes".into(), false)
        .set_column_encoding("bytes".into(), ::parquet::basic::Encoding::DELTA_BINARY_PACKED);
    for (file, is_ours) in [
        (many_dictionaries(properties()), true),
        (many_dictionaries(delta), false),
        (many_dictionaries(properties().set_dictionary_enabled(false)), true),
    ] {
        assert_eq!(cells_of(&file, false).1, is_ours);
        let mut reader = Reader::open(Input::Whole(file), &LIMITS).unwrap();
        let mut seen: Vec<(DictionaryId, Vec<AddrCell>)> = Vec::new();
        let mut batches = 0;
        // Each batch is gone before the next comes, as where objects are summed.
        while let Some(batch) = reader.next_batch().unwrap() {
            for column in [batch.srcaddr.unwrap(), batch.dstaddr.unwrap()] {
                for (id, values) in &seen {
                    let common = values.len().min(column.values.len());
                    assert!(*id != column.dictionary || values[..common] == column.values[..common]);
                }
                seen.push((column.dictionary, column.values.to_vec()));
            }
            batches += 1;
        }
        assert_eq!(batches, 100);
    }
}
