//! Files that are cut short, or whose footer does not fit their data.

use ::parquet::file::metadata::{
    ColumnChunkMetaData, ColumnChunkMetaDataBuilder, ParquetMetaData, ParquetMetaDataReader,
    ParquetMetaDataWriter,
};

use super::*;

#[test]
fn every_truncation_is_refused() {
    let columns = log_with("az_id", text(&[Some("use1-az1"), None, Some("use1-az2")]));
    for codec in [Compression::GZIP(Default::default()), Compression::UNCOMPRESSED] {
        let file = write(&columns, properties().set_compression(codec).set_max_row_group_row_count(Some(2)));
        assert_eq!(read(&file).unwrap().iter().map(|batch| batch.rows).sum::<usize>(), 3);
        for len in 1..file.len() {
            let why = refused(read(&file.slice(..len)));
            assert!(
                matches!(why.reason, QuarantineReason::Corrupt | QuarantineReason::Format),
                "{len}: {why}"
            );
        }
    }
}

#[test]
fn what_is_no_parquet_is_named() {
    let file = write(&log_with("az_id", same_text("use1-az1", 3)), properties());
    let with_tail = |magic: &[u8]| Bytes::from([&file[..file.len() - 4], magic].concat());
    let with_footer = |len: u32| Bytes::from([&file[..file.len() - 8], &len.to_le_bytes(), b"PAR1"].concat());
    for (object, reason, part) in [
        (Bytes::from_static(&[0x1f, 0x8b, 8, 0, 0]), QuarantineReason::Corrupt, "gzip member 1"),
        (Bytes::from_static(b"version account-id"), QuarantineReason::Format, "text that is not compressed"),
        (Bytes::from_static(b"P"), QuarantineReason::Format, "neither Parquet nor gzip"),
        (Bytes::from_static(b"PAR1"), QuarantineReason::Corrupt, "no footer"),
        (Bytes::from_static(b"PAR1\0\0\0\0PAR1"), QuarantineReason::Corrupt, "the footer"),
        (with_tail(b"PARE"), QuarantineReason::Format, "encrypted"),
        (with_tail(b"PAR2"), QuarantineReason::Corrupt, "cut short"),
        (with_footer(u32::MAX), QuarantineReason::TooLarge, "a footer of 4294967295 bytes"),
        (with_footer(file.len() as u32 - 8), QuarantineReason::Corrupt, "in an object of"),
        (with_footer(5), QuarantineReason::Corrupt, ""),
    ] {
        let why = refused(read(&object));
        assert!(why.reason == reason && why.detail.contains(part), "{why} instead of {part}");
    }
}

#[test]
fn a_detail_is_cut_at_a_character() {
    let why = quarantine(QuarantineReason::Schema, "ä".repeat(limits::DETAIL_BYTES));
    assert_eq!(why.detail.len(), limits::DETAIL_BYTES);
    let why = quarantine(QuarantineReason::Schema, format!("x{}", "ä".repeat(limits::DETAIL_BYTES)));
    assert_eq!(why.detail.len(), limits::DETAIL_BYTES - 1);
}

/// The same data under a footer that says something else.
fn with_footer(file: &Bytes, change: impl Fn(&ParquetMetaData) -> ParquetMetaData) -> Bytes {
    let len = u32::from_le_bytes(file[file.len() - 8..file.len() - 4].try_into().unwrap()) as usize;
    let data_end = file.len() - 8 - len;
    let meta = ParquetMetaDataReader::decode_metadata(&file[data_end..file.len() - 8]).unwrap();
    let mut out = file[..data_end].to_vec();
    let changed = change(&meta);
    ParquetMetaDataWriter::new(&mut out, &changed).finish().unwrap();
    out.into()
}

/// Changes the chunk of column 0 in every row group, and the claimed rows of the groups.
fn with_chunk(
    file: &Bytes,
    rows: impl Fn(i64) -> i64,
    change: impl Fn(ColumnChunkMetaData) -> ColumnChunkMetaData,
) -> Bytes {
    with_footer(file, |meta| {
        let groups = meta.row_groups().iter().map(|group| {
            let mut chunks = group.columns().to_vec();
            chunks[0] = change(chunks[0].clone());
            let rows = rows(group.num_rows());
            group.clone().into_builder().set_num_rows(rows).set_column_metadata(chunks).build().unwrap()
        });
        meta.clone().into_builder().set_row_groups(groups.collect()).build()
    })
}

#[test]
fn a_footer_that_contradicts_its_object_is_refused() {
    let file = write(
        &log_with("az_id", same_text("use1-az1", 10)),
        properties().set_dictionary_enabled(false).set_max_row_group_row_count(Some(5)),
    );
    assert_eq!(read(&with_chunk(&file, |rows| rows, |chunk| chunk)).unwrap().len(), 2);
    let negative = with_chunk(&file, |rows| -rows, |chunk| chunk);
    assert!(refused(read(&negative)).detail.contains("has -5 rows"));
    type Builder = ColumnChunkMetaDataBuilder;
    type Change = fn(Builder) -> Builder;
    let cases: [(&str, Change, QuarantineReason); 7] = [
        ("lies outside", |chunk| chunk.set_data_page_offset(-4), QuarantineReason::Corrupt),
        ("lies outside", |chunk| chunk.set_data_page_offset(i64::MAX), QuarantineReason::Corrupt),
        ("lies outside", |chunk| chunk.set_total_compressed_size(1 << 40), QuarantineReason::Corrupt),
        ("lies outside", |chunk| chunk.set_total_compressed_size(-1), QuarantineReason::Corrupt),
        ("an impossible size", |chunk| chunk.set_total_uncompressed_size(-1), QuarantineReason::Corrupt),
        ("decompresses to", |chunk| chunk.set_total_uncompressed_size(1 << 40), QuarantineReason::TooLarge),
        (
            "codec LZO of column srcaddr of row group 0 is not read: write it as GZIP, SNAPPY or ZSTD",
            |chunk| chunk.set_compression(Compression::LZO),
            QuarantineReason::Format,
        ),
    ];
    for (part, change, reason) in cases {
        let changed = with_chunk(&file, |rows| rows, |chunk| change(chunk.into_builder()).build().unwrap());
        let why = refused(read(&changed));
        assert!(why.reason == reason && why.detail.contains(part), "{why} instead of {part}");
    }
}

/// The sums agree, but the groups do not have what they claim.
#[test]
fn rows_that_are_missing_or_surplus_are_refused() {
    let file = write(
        &log_with("az_id", same_text("use1-az1", 10)),
        properties().set_max_row_group_row_count(Some(5)),
    );
    let moved = |by: i64| {
        let first = std::cell::Cell::new(true);
        with_chunk(&file, move |rows| if first.replace(false) { rows + by } else { rows - by }, |chunk| chunk)
    };
    assert_eq!(read(&moved(0)).unwrap().len(), 2);
    assert!(refused(read(&moved(1))).detail.contains("has 5 values for 6 rows"));
    assert!(refused(read(&moved(-1))).detail.contains("has 5 values for 4 rows"));
    // The chunks agree with their group, but the pages do not have as much.
    let all_moved = |by: i64| {
        with_footer(&file, |meta| {
            let groups = meta.row_groups().iter().zip([by, -by]).map(|(group, by)| {
                let rows = group.num_rows() + by;
                let chunks = group.columns().iter().cloned();
                let chunks = chunks.map(|chunk| chunk.into_builder().set_num_values(rows).build().unwrap());
                let chunks = chunks.collect();
                group.clone().into_builder().set_num_rows(rows).set_column_metadata(chunks).build().unwrap()
            });
            meta.clone().into_builder().set_row_groups(groups.collect()).build()
        })
    };
    assert_eq!(read(&all_moved(0)).unwrap().len(), 2);
    assert!(refused(read(&all_moved(1))).detail.contains("its pages lack 1 of its values"));
    assert!(refused(read(&all_moved(-1))).detail.contains("more values than it claims"));
}

#[test]
fn a_total_that_is_not_the_sum_of_the_groups_is_refused() {
    let columns = log_with("az_id", same_text("use1-az1", 10_000));
    let mut file = write(&columns, properties().set_max_row_group_row_count(Some(5_000))).to_vec();
    // Thrift compact: the next field, a 64-bit integer, zigzag 10,000; then 9,999 in its place.
    let total = [0x16, 0xa0, 0x9c, 0x01];
    let places: Vec<usize> = (0..file.len() - 4).filter(|at| file[*at..at + 4] == total).collect();
    assert_eq!(places.len(), 1);
    file[places[0] + 1] = 0x9e;
    let detail = "the footer claims 9999 rows, its row groups 10000";
    assert_eq!(refused(read(&file.into())), quarantine(QuarantineReason::Corrupt, detail));
}

/// Some writers give a dictionary page's offset although there is none.
#[test]
fn a_dictionary_offset_that_means_nothing_is_not_believed() {
    let file =
        write(&log_with("az_id", same_text("use1-az1", 10)), properties().set_dictionary_enabled(false));
    for offset in [0, -1, i64::MAX] {
        let change = |chunk: ColumnChunkMetaData| {
            chunk.into_builder().set_dictionary_page_offset(Some(offset)).build().unwrap()
        };
        assert_eq!(read_one(&with_chunk(&file, |rows| rows, change)).rows, 10, "{offset}");
    }
}

/// The whole object, all of it in parts as they are asked for.
#[derive(Debug)]
struct InParts(Bytes);

impl Parts for InParts {
    fn object_len(&self) -> u64 {
        self.0.len() as u64
    }

    fn get(&self, range: std::ops::Range<u64>) -> Option<Bytes> {
        Some(self.0.slice(range.start as usize..range.end as usize))
    }
}

/// At any size: of a large object the beginning is fetched for it.
#[test]
fn what_ends_like_parquet_begins_like_it() {
    let sound = write(&log_with("az_id", same_text("use1-az1", 3)), properties());
    let no_rows = write(&log_with("az_id", text(&[])), properties());
    for (file, rows) in [(sound, 1), (no_rows, 0)] {
        for (head, is_sound) in [(b"PAR1", true), (b"PAR2", false), (b"\0\0\0\0", false), (b"PARE", false)] {
            let file = Bytes::from([&head[..], &file[4..]].concat());
            let len = file.len() as u64;
            let Wanted::Ranges(ranges) = parquet::wanted_ranges(&file, len) else { panic!() };
            let end = ranges.last().unwrap().end;
            let ranges = ranges.into_iter().chain(std::iter::once(end..len));
            let chunks =
                ranges.map(|range| (range.start, file.slice(range.start as usize..range.end as usize)));
            let chunks = chunks.collect();
            for input in [
                Input::Whole(file.clone()),
                Input::Sparse(SparseBytes { len, chunks }),
                Input::Parts(Arc::new(InParts(file))),
            ] {
                match read_input(input) {
                    Ok(batches) => assert!(is_sound && batches.len() == rows, "{head:?}"),
                    other => {
                        let why = refused(other);
                        assert!(!is_sound && why.reason == QuarantineReason::Corrupt, "{head:?}: {why}");
                        assert!(why.detail.starts_with("ends like Parquet but begins with"), "{why}");
                    }
                }
            }
        }
    }
}
