//! Columns, rows, row groups and ranges of sound files.

use ::parquet::{
    data_type::{ByteArray, ByteArrayType, Int64Type, Int96, Int96Type},
    file::writer::SerializedFileWriter,
    schema::parser::parse_message_type,
};

use super::*;

#[test]
fn missing_columns_and_transit_gateways() {
    let mut columns = log_with("tgw_id", same_text("tgw-1", 1));
    assert_eq!(
        read(&write(&columns, properties())).unwrap_err(),
        DecodeError::Ignore(IgnoreReason::TransitGateway)
    );
    columns.push(("interface_id", same_text("eni-1", 1)));
    assert_eq!(read_one(&write(&columns, properties())).rows, 1);
    columns.retain(|(name, _)| *name != "bytes");
    let why = refused(read(&write(&columns, properties())));
    assert_eq!((why.reason, why.detail.as_str()), (QuarantineReason::Schema, "no column bytes"));
}

#[test]
fn no_rows_are_no_batches() {
    let file = write(&log_with("az_id", text(&[])), properties());
    let mut reader = Reader::open(Input::Whole(file), &LIMITS).unwrap();
    assert!(reader.columns().contains(Field::AzId) && !reader.columns().contains(Field::Srcport));
    assert!(reader.next_batch().unwrap().is_none());
    assert!(reader.next_batch().unwrap().is_none());
    assert!(read(&Bytes::new()).unwrap().is_empty(), "an object of no bytes has no records");
}

/// More distinct addresses than a batch has rows, in several row groups, with and without the dictionary being given
/// up half-way.
#[test]
fn batches_are_bounded_and_complete_across_row_groups_and_dictionaries() {
    let rows = 40_000_i32;
    let address = |row: i32| format!("10.{}.{}.{}", row % 2, (row / 2 % 20_000) >> 8, row / 2 % 256);
    let sources: StringArray = (0..rows).map(|row| (row % 7 != 3).then(|| address(row))).collect();
    let columns = [
        ("srcaddr", Arc::new(sources) as ArrayRef),
        ("dstaddr", same_text("10.0.0.2", rows as usize)),
        ("bytes", Arc::new((0..rows).collect::<Int32Array>())),
    ];
    for (page_limit, dictionary) in [(1 << 20, true), (64 << 10, true), (1 << 20, false)] {
        for group_rows in [rows as usize, 15_000, 8_192, 100] {
            let file = write(
                &columns,
                properties()
                    .set_dictionary_enabled(dictionary)
                    .set_dictionary_page_size_limit(page_limit)
                    .set_data_page_row_count_limit(1_000)
                    .set_write_batch_size(500)
                    .set_max_row_group_row_count(Some(group_rows)),
            );
            let mut next = 0;
            let mut before: Option<DictColumn<AddrCell>> = None;
            for batch in read(&file).unwrap() {
                assert!((1..=limits::BATCH_ROWS).contains(&batch.rows));
                assert_eq!(batch.first_row, next as u64);
                let sources = batch.srcaddr.unwrap();
                assert_eq!(
                    (sources.index.len(), batch.bytes.as_ref().unwrap().len()),
                    (batch.rows, batch.rows)
                );
                // Each distinct value as a value of the dictionary, and beside it, and null.
                assert!(sources.values.len() <= 2 * 40_000 + 1);
                if let Some(before) = before.filter(|before| before.dictionary == sources.dictionary) {
                    assert!(sources.values.starts_with(&before.values), "a dictionary goes on");
                }
                for row in 0..batch.rows {
                    let expected = if next % 7 == 3 { AddrCell::Null } else { ip(&address(next)) };
                    assert_eq!(*sources.get(row), expected);
                    assert_eq!(batch.bytes.as_ref().unwrap().get(row), IntCell::Value(i64::from(next)));
                    next += 1;
                }
                before = Some(sources);
            }
            assert_eq!(next, rows, "{page_limit} {dictionary} {group_rows}");
        }
    }
}

/// Groups of the given numbers of rows, written column by column: what Arrow's writer cannot be made to write.
fn low_level(groups: &[usize]) -> Bytes {
    let schema =
        "message log { required binary srcaddr; optional binary dstaddr (UTF8); required int64 bytes;
        required int96 start; repeated int64 tags; optional group nested { required int64 bytes; } }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut file = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut file, schema, Arc::new(properties().build())).unwrap();
    for rows in groups {
        let mut group = writer.next_row_group().unwrap();
        let address = vec![ByteArray::from("10.0.0.1"); *rows];
        let levels = vec![1; *rows];
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&address, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&address, Some(&levels), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&vec![7; *rows], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let mut noon = Int96::new();
        // Julian day 2,440,589 is 1970-01-02; 12 h 0.5 s in nanoseconds.
        let nanos: u64 = 43_200_500_000_000;
        noon.set_data(nanos as u32, (nanos >> 32) as u32, 2_440_589);
        column.typed::<Int96Type>().write_batch(&vec![noon; *rows], None, None).unwrap();
        column.close().unwrap();
        for repeated in [true, false] {
            let mut column = group.next_column().unwrap().unwrap();
            let absent = vec![0; *rows];
            let repetition = repeated.then_some(&absent[..]);
            column.typed::<Int64Type>().write_batch(&[], Some(&absent), repetition).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    file.into()
}

#[test]
fn empty_row_groups_unannotated_bytes_int96_and_strange_neighbours() {
    for (groups, rows) in [(&[2, 0, 3][..], 5), (&[0], 0), (&[], 0), (&[0, 0, 1], 1)] {
        let batches = read(&low_level(groups)).unwrap();
        assert_eq!(batches.iter().map(|batch| batch.rows).sum::<usize>(), rows);
        for batch in batches {
            assert_eq!(*batch.srcaddr.as_ref().unwrap().get(0), ip("10.0.0.1"));
            assert_eq!(*batch.dstaddr.as_ref().unwrap().get(0), ip("10.0.0.1"));
            assert_eq!(
                batch.bytes.as_ref().unwrap().get(0),
                IntCell::Value(7),
                "the column, not the nested one of that name"
            );
            assert_eq!(batch.start.unwrap().get(0), IntCell::Value(86_400 + 43_200));
        }
    }
}

#[test]
fn the_wanted_ranges_are_enough_and_nothing_else_is_read() {
    let rows = 1_000;
    let mut columns =
        vec![("padding_1", (0..rows).map(|row| Some(format!("{row:0100}"))).collect::<StringArray>())];
    columns
        .push(("srcaddr", (0..rows).map(|row| Some(format!("10.0.{}.{}", row / 256, row % 256))).collect()));
    columns.push(("padding_2", columns[0].1.clone()));
    columns.push(("dstaddr", columns[1].1.clone()));
    let mut columns: Vec<(&str, ArrayRef)> =
        columns.into_iter().map(|(name, column)| (name, Arc::new(column) as ArrayRef)).collect();
    columns.push(("bytes", Arc::new(Int64Array::from_iter_values(0..rows))));
    let file = write(&columns, properties().set_max_row_group_row_count(Some(300)));
    let len = file.len() as u64;
    let Wanted::Footer(rest) = parquet::wanted_ranges(&file[file.len() - 8..], len) else { panic!() };
    assert_eq!(rest.end, len - 8);
    let Wanted::Ranges(ranges) = parquet::wanted_ranges(&file[rest.start as usize..], len) else { panic!() };
    assert_eq!(ranges[0], 0..4, "what Parquet begins with");
    assert_eq!(ranges.len(), 1 + 8, "two gaps in each of four row groups: {ranges:?}");
    let mut chunks: std::collections::BTreeMap<u64, Bytes> = ranges
        .iter()
        .map(|range| (range.start, file.slice(range.start as usize..range.end as usize)))
        .collect();
    chunks.insert(rest.start, file.slice(rest.start as usize..));
    let fetched: usize = chunks.values().map(Bytes::len).sum();
    assert!(fetched < file.len() / 2, "{fetched} of {len}");
    let sparse = |chunks| Input::Sparse(SparseBytes { len, chunks });
    let whole = read(&file).unwrap();
    let parts = read_input(sparse(chunks.clone())).unwrap();
    assert_eq!(format!("{whole:?}"), format!("{parts:?}"));
    for lost in chunks.keys() {
        let mut fewer = chunks.clone();
        fewer.remove(lost);
        assert_eq!(refused(read_input(sparse(fewer))).reason, QuarantineReason::Corrupt, "without {lost}");
    }
}

#[test]
fn an_object_that_will_be_refused_wants_nothing_more() {
    let transit = write(&log_with("tgw_id", same_text("tgw-1", 1)), properties());
    let mut encrypted = transit.to_vec();
    encrypted.truncate(encrypted.len() - 4);
    encrypted.extend_from_slice(b"PARE");
    let mut garbage = transit.to_vec();
    let end = garbage.len() - 8;
    garbage[end - 60..end].fill(0xff);
    for object in [&transit[..], &encrypted, &garbage, b"PAR1\0\0\0\xffPAR1"] {
        assert_eq!(parquet::wanted_ranges(object, object.len() as u64), Wanted::Ranges(Vec::new()));
    }
    for object in [&b"version account-id"[..], b"", b"PAR"] {
        assert_eq!(parquet::wanted_ranges(object, object.len() as u64), Wanted::All);
    }
}
