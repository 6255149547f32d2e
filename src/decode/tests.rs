//! Whole files, written by another implementation of the format's writing half, read back.

use std::sync::Arc;

use ::arrow::{
    array::{
        Array, ArrayRef, FixedSizeBinaryArray, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
        ListArray, NullArray, RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
        TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
    },
    compute::cast,
    datatypes::{DataType, Field as ArrowField, Int32Type, Schema},
};
use ::parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, Int64Type, Int96, Int96Type},
    file::{
        metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter},
        properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
        writer::SerializedFileWriter,
    },
    schema::parser::parse_message_type,
};
use bytes::Bytes;

use super::{parquet::Wanted, *};

const LIMITS: DecodeLimits = DecodeLimits { decompressed_bytes: 64 << 20 };

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None)
}

fn write(columns: &[(&str, ArrayRef)], properties: WriterPropertiesBuilder) -> Bytes {
    write_nullable(
        &columns.iter().map(|(name, array)| (*name, array.clone(), true)).collect::<Vec<_>>(),
        properties,
    )
}

fn write_nullable(columns: &[(&str, ArrayRef, bool)], properties: WriterPropertiesBuilder) -> Bytes {
    let fields: Vec<ArrowField> = columns
        .iter()
        .map(|(name, array, nullable)| ArrowField::new(*name, array.data_type().clone(), *nullable))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.iter().map(|(_, array, _)| array.clone()).collect();
    let batch = RecordBatch::try_new(schema.clone(), arrays).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, schema, Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file.into()
}

fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn same_text(value: &str, rows: usize) -> ArrayRef {
    text(&vec![Some(value); rows])
}

/// The columns that every log has, so that a test can add the one it is about.
fn log_with(name: &str, column: ArrayRef) -> Vec<(&str, ArrayRef)> {
    let rows = column.len();
    let mut columns = vec![
        ("srcaddr", same_text("10.0.0.1", rows)),
        ("dstaddr", same_text("10.0.0.2", rows)),
        ("bytes", Arc::new(Int64Array::from(vec![100; rows])) as ArrayRef),
    ];
    columns.retain(|(known, _)| *known != name);
    columns.push((name, column));
    columns
}

fn read_input(input: Input) -> Result<Vec<FlowBatch>, DecodeError> {
    let mut reader = Reader::open(input, &LIMITS)?;
    let mut batches = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        batches.push(batch);
    }
    Ok(batches)
}

fn read(file: &Bytes) -> Result<Vec<FlowBatch>, DecodeError> {
    read_input(Input::Whole(file.clone()))
}

fn read_one(file: &Bytes) -> FlowBatch {
    let mut batches = read(file).unwrap();
    assert_eq!(batches.len(), 1);
    batches.remove(0)
}

fn refused(result: Result<Vec<FlowBatch>, DecodeError>) -> Quarantine {
    match result {
        Err(DecodeError::Quarantine(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

fn cells<T: Clone>(column: &DictColumn<T>) -> Vec<T> {
    (0..column.index.len()).map(|row| column.get(row).clone()).collect()
}

fn ints(column: &IntColumn) -> Vec<IntCell> {
    (0..column.len()).map(|row| column.get(row)).collect()
}

fn ip(text: &str) -> AddrCell {
    AddrCell::Ip(text.parse().unwrap())
}

fn string_types() -> Vec<DataType> {
    let mut types = vec![
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
    ];
    for key in [
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
    ] {
        for value in [DataType::Utf8, DataType::LargeUtf8, DataType::Binary] {
            types.push(DataType::Dictionary(Box::new(key.clone()), Box::new(value)));
        }
    }
    types
}

#[test]
fn every_string_type_encoding_codec_and_nullability_reads_alike() {
    let texts = ["10.0.0.1", "2001:db8::1", "::ffff:10.0.0.9", "-", "", "bogus", "10.0.0.1"];
    let expected = [
        ip("10.0.0.1"),
        ip("2001:db8::1"),
        ip("10.0.0.9"),
        AddrCell::Null,
        AddrCell::Null,
        AddrCell::Bad,
        ip("10.0.0.1"),
    ];
    for data_type in string_types() {
        for codec in [
            Compression::GZIP(Default::default()),
            Compression::SNAPPY,
            Compression::ZSTD(Default::default()),
            Compression::UNCOMPRESSED,
        ] {
            for (dictionary, nullable) in [(true, true), (true, false), (false, true), (false, false)] {
                let mut values = texts.map(Some).to_vec();
                let mut cells_expected = expected.to_vec();
                if nullable {
                    values.insert(2, None);
                    cells_expected.insert(2, AddrCell::Null);
                }
                let rows = values.len();
                let column = cast(&text(&values), &data_type).unwrap();
                let file = write_nullable(
                    &[
                        ("pkt_srcaddr", column, nullable),
                        ("dstaddr", same_text("10.0.0.2", rows), false),
                        ("bytes", Arc::new(Int64Array::from(vec![1; rows])), false),
                    ],
                    properties().set_compression(codec).set_dictionary_enabled(dictionary),
                );
                let batch = read_one(&file);
                let found = cells(batch.pkt_srcaddr.as_ref().unwrap());
                assert_eq!(found, cells_expected, "{data_type} {codec} {dictionary} {nullable}");
                assert!(batch.srcaddr.is_none());
            }
        }
    }
}

#[test]
fn fixed_size_binary_is_text() {
    let column = FixedSizeBinaryArray::try_from_sparse_iter_with_size(
        [Some(b"10.0.0.7"), None, Some(b"10.0.0.8")].into_iter(),
        8,
    );
    for dictionary in [true, false] {
        let columns = log_with("srcaddr", Arc::new(column.as_ref().unwrap().clone()));
        let batch = read_one(&write(&columns, properties().set_dictionary_enabled(dictionary)));
        assert_eq!(cells(&batch.srcaddr.unwrap()), [ip("10.0.0.7"), AddrCell::Null, ip("10.0.0.8")]);
    }
}

#[test]
fn integers_of_every_width_read_alike() {
    let plain: [ArrayRef; 9] = [
        Arc::new(Int8Array::from(vec![0, 6, 127])),
        Arc::new(Int16Array::from(vec![0, 6, 127])),
        Arc::new(Int32Array::from(vec![0, 6, 127])),
        Arc::new(Int64Array::from(vec![0, 6, 127])),
        Arc::new(UInt8Array::from(vec![0, 6, 127])),
        Arc::new(UInt16Array::from(vec![0, 6, 127])),
        Arc::new(UInt32Array::from(vec![0, 6, 127])),
        Arc::new(UInt64Array::from(vec![0, 6, 127])),
        text(&[Some("0"), Some("6"), Some("127")]),
    ];
    for required in plain {
        let data_type = required.data_type().clone();
        let with_null =
            ::arrow::compute::concat(&[&required, &::arrow::array::new_null_array(&data_type, 1)]).unwrap();
        for (column, nullable) in [(required, false), (with_null, true)] {
            for dictionary in [true, false] {
                let mut expected = vec![IntCell::Value(0), IntCell::Value(6), IntCell::Value(127)];
                expected.extend(nullable.then_some(IntCell::Null));
                for name in ["bytes", "packets", "srcport", "dstport", "start", "end", "traffic_path"] {
                    let columns: Vec<_> = log_with(name, column.clone())
                        .into_iter()
                        .map(|(column, array)| (column, array, nullable || column != name))
                        .collect();
                    let batch =
                        read_one(&write_nullable(&columns, properties().set_dictionary_enabled(dictionary)));
                    let found = match name {
                        "bytes" => Some(batch.bytes),
                        "packets" => batch.packets,
                        "srcport" => batch.srcport,
                        "dstport" => batch.dstport,
                        "start" => batch.start,
                        "end" => batch.end,
                        _ => batch.traffic_path,
                    };
                    let mut expected = expected.clone();
                    if name == "traffic_path" {
                        expected[0] = IntCell::Null;
                    }
                    assert_eq!(ints(&found.unwrap()), expected, "{name} {data_type} {nullable} {dictionary}");
                }
            }
        }
    }
}

#[test]
fn absurd_integers_are_values_or_bad_and_never_wrap() {
    for (column, expected) in [
        (
            Arc::new(UInt64Array::from(vec![u64::MAX, 1 << 63, (1 << 63) - 1])) as ArrayRef,
            vec![IntCell::Bad, IntCell::Bad, IntCell::Value(i64::MAX)],
        ),
        (
            Arc::new(Int64Array::from(vec![i64::MIN, i64::MIN + 1, i64::MIN + 2, -5])),
            vec![IntCell::Bad, IntCell::Bad, IntCell::Value(i64::MIN + 2), IntCell::Value(-5)],
        ),
        (
            text(&[Some("-"), Some(""), Some("12a"), Some("-7"), Some("99999999999999999999")]),
            vec![IntCell::Null, IntCell::Null, IntCell::Bad, IntCell::Value(-7), IntCell::Bad],
        ),
    ] {
        assert_eq!(ints(&read_one(&write(&log_with("bytes", column), properties())).bytes), expected);
    }
}

#[test]
fn timestamps_are_floored_to_seconds() {
    let columns: [ArrayRef; 5] = [
        Arc::new(TimestampSecondArray::from(vec![1_765_274_400, -1])),
        Arc::new(TimestampMillisecondArray::from(vec![1_765_274_400_999, -1]).with_timezone("UTC")),
        Arc::new(TimestampMicrosecondArray::from(vec![1_765_274_400_999_999, -1])),
        Arc::new(TimestampNanosecondArray::from(vec![1_765_274_400_999_999_999, -1]).with_timezone("+09:00")),
        Arc::new(TimestampNanosecondArray::from(vec![1_765_274_400_000_000_001, -1])),
    ];
    for column in columns {
        for name in ["start", "windowend"] {
            let batch = read_one(&write(&log_with(name, column.clone()), properties()));
            let found = if name == "start" { batch.start } else { batch.end };
            assert_eq!(
                ints(&found.unwrap()),
                [IntCell::Value(1_765_274_400), IntCell::Value(-1)],
                "{:?}",
                column.data_type()
            );
        }
    }
}

#[test]
fn every_field_arrives_in_its_place() {
    let one = |value: &str| text(&[Some(value), None]);
    let number = |value: i32| Arc::new(Int32Array::from(vec![Some(value), None])) as ArrayRef;
    let file = write(
        &[
            ("version", number(11)),
            ("traffic-path", number(8)),
            ("end", number(61)),
            ("start", number(1)),
            ("bytes", number(1000)),
            ("packets", number(10)),
            ("dstport", number(443)),
            ("srcport", number(55_000)),
            ("log-status", one("SKIPDATA")),
            ("action", one("REJECT")),
            ("flow-direction", one("egress")),
            ("pkt-dst-aws-service", one("S3")),
            ("pkt-src-aws-service", one("EC2")),
            ("pkt-dstaddr", one("10.0.0.4")),
            ("pkt-srcaddr", one("10.0.0.3")),
            ("dstaddr", one("10.0.0.2")),
            ("srcaddr", one("10.0.0.1")),
            ("next-hop-az-id", one("use1-az2")),
            ("next-hop-interface-type", one("transit_gateway")),
            ("next-hop-interface-id", one("eni-2")),
            ("az-id", one("use1-az1")),
            ("interface-type", one("nat_gateway")),
            ("resource-id", one("nat-1")),
            ("interface-id", one("eni-1")),
        ],
        properties(),
    );
    let batch = read_one(&file);
    assert_eq!((batch.rows, batch.first_row, batch.malformed.len()), (2, 0, 0));
    let words = |column: &Option<TextColumn>| cells(column.as_ref().unwrap());
    assert_eq!(words(&batch.interface_id), [Some("eni-1".into()), None]);
    assert_eq!(words(&batch.resource_id), [Some("nat-1".into()), None]);
    assert_eq!(words(&batch.az_id), [Some("use1-az1".into()), None]);
    assert_eq!(words(&batch.next_hop_interface_id), [Some("eni-2".into()), None]);
    assert_eq!(words(&batch.next_hop_az_id), [Some("use1-az2".into()), None]);
    assert_eq!(cells(&batch.interface_type.unwrap()), [InterfaceType::NatGateway, InterfaceType::Plain]);
    assert_eq!(
        cells(&batch.next_hop_interface_type.unwrap()),
        [InterfaceType::TransitGateway, InterfaceType::Plain]
    );
    assert_eq!(cells(&batch.srcaddr.unwrap()), [ip("10.0.0.1"), AddrCell::Null]);
    assert_eq!(cells(&batch.dstaddr.unwrap()), [ip("10.0.0.2"), AddrCell::Null]);
    assert_eq!(cells(&batch.pkt_srcaddr.unwrap()), [ip("10.0.0.3"), AddrCell::Null]);
    assert_eq!(cells(&batch.pkt_dstaddr.unwrap()), [ip("10.0.0.4"), AddrCell::Null]);
    assert_eq!(cells(&batch.pkt_src_aws_service.unwrap()), [AwsService::Ec2, AwsService::None]);
    assert_eq!(cells(&batch.pkt_dst_aws_service.unwrap()), [AwsService::Other, AwsService::None]);
    assert_eq!(cells(&batch.flow_direction.unwrap()), [Direction::Egress, Direction::Unknown]);
    assert_eq!(cells(&batch.action.unwrap()), [Action::Reject, Action::Accept]);
    assert_eq!(cells(&batch.log_status.unwrap()), [LogStatus::SkipData, LogStatus::Null]);
    for (column, value) in [
        (batch.srcport.unwrap(), 55_000),
        (batch.dstport.unwrap(), 443),
        (batch.packets.unwrap(), 10),
        (batch.bytes, 1000),
        (batch.start.unwrap(), 1),
        (batch.end.unwrap(), 61),
        (batch.traffic_path.unwrap(), 8),
    ] {
        assert_eq!(ints(&column), [IntCell::Value(value), IntCell::Null]);
    }
}

#[test]
fn a_column_of_nothing_but_nulls_may_have_the_null_type() {
    for name in ["srcport", "az_id", "srcaddr", "action", "start"] {
        let batch = read_one(&write(&log_with(name, Arc::new(NullArray::new(3))), properties()));
        assert_eq!(batch.rows, 3);
        match name {
            "srcport" => assert_eq!(ints(&batch.srcport.unwrap()), [IntCell::Null; 3]),
            "start" => assert_eq!(ints(&batch.start.unwrap()), [IntCell::Null; 3]),
            "az_id" => assert_eq!(cells(&batch.az_id.unwrap()), [None, None, None]),
            "srcaddr" => assert_eq!(cells(&batch.srcaddr.unwrap()), [AddrCell::Null; 3]),
            _ => assert_eq!(cells(&batch.action.unwrap()), [Action::Accept; 3]),
        }
        let all_null = text(&[None, None]);
        let batch = read_one(&write(&log_with(name, all_null), properties()));
        assert_eq!(batch.rows, 2, "{name}: a text column without a single value");
    }
}

#[test]
fn a_type_that_cannot_hold_its_field_is_named() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), Some(2)]),
        Some(vec![Some(3)]),
    ]);
    let floats = Arc::new(Float64Array::from(vec![1.0, 2.0])) as ArrayRef;
    let cases: [(&str, ArrayRef, &str); 5] = [
        ("bytes", floats.clone(), "column bytes: Float64 cannot hold bytes"),
        ("bytes", Arc::new(list), "column bytes: a nested type cannot hold bytes"),
        ("srcaddr", Arc::new(Int64Array::from(vec![1, 2])), "column srcaddr: Int64 cannot hold srcaddr"),
        ("windowstart", floats.clone(), "column windowstart: Float64 cannot hold start"),
        (
            "packets",
            Arc::new(TimestampMillisecondArray::from(vec![1, 2])),
            "column packets: Timestamp(ms) cannot hold packets",
        ),
    ];
    for (name, column, detail) in cases {
        let why = refused(read(&write(&log_with(name, column), properties())));
        assert_eq!((why.reason, why.detail.as_str()), (QuarantineReason::Schema, detail));
    }
    let batch = read_one(&write(&log_with("tcp_flags", floats), properties()));
    assert_eq!(batch.rows, 2, "columns that are not read may have any type");
}

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
            for batch in read(&file).unwrap() {
                assert!((1..=limits::BATCH_ROWS).contains(&batch.rows));
                assert_eq!(batch.first_row, next as u64);
                let sources = batch.srcaddr.unwrap();
                assert_eq!((sources.index.len(), batch.bytes.len()), (batch.rows, batch.rows));
                assert!(sources.values.len() <= batch.rows + 1);
                for row in 0..batch.rows {
                    let expected = if next % 7 == 3 { AddrCell::Null } else { ip(&address(next)) };
                    assert_eq!(*sources.get(row), expected);
                    assert_eq!(batch.bytes.get(row), IntCell::Value(i64::from(next)));
                    next += 1;
                }
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
            assert_eq!(batch.bytes.get(0), IntCell::Value(7), "the column, not the nested one of that name");
            assert_eq!(batch.start.unwrap().get(0), IntCell::Value(86_400 + 43_200));
        }
    }
}

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
        (Bytes::from_static(&[0x1f, 0x8b, 8, 0, 0]), QuarantineReason::Format, "gzip text is not read"),
        (Bytes::from_static(b"version account-id"), QuarantineReason::Format, "neither Parquet nor gzip"),
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
    let build = |builder: ::parquet::file::metadata::ColumnChunkMetaDataBuilder| builder.build().unwrap();
    type Change<'a> = &'a dyn Fn(ColumnChunkMetaData) -> ColumnChunkMetaData;
    let same: Change = &|chunk| chunk;
    let cases: [(&str, &dyn Fn(i64) -> i64, Change, QuarantineReason); 8] = [
        ("has -5 rows", &|rows| -rows, same, QuarantineReason::Corrupt),
        (
            "lies outside",
            &|rows| rows,
            &|chunk| build(chunk.into_builder().set_data_page_offset(-4)),
            QuarantineReason::Corrupt,
        ),
        (
            "lies outside",
            &|rows| rows,
            &|chunk| build(chunk.into_builder().set_data_page_offset(i64::MAX)),
            QuarantineReason::Corrupt,
        ),
        (
            "lies outside",
            &|rows| rows,
            &|chunk| build(chunk.into_builder().set_total_compressed_size(1 << 40)),
            QuarantineReason::Corrupt,
        ),
        (
            "lies outside",
            &|rows| rows,
            &|chunk| build(chunk.into_builder().set_total_compressed_size(-1)),
            QuarantineReason::Corrupt,
        ),
        (
            "an impossible size",
            &|rows| rows,
            &|chunk| build(chunk.into_builder().set_total_uncompressed_size(-1)),
            QuarantineReason::Corrupt,
        ),
        (
            "decompresses to",
            &|rows| rows,
            &|chunk| build(chunk.into_builder().set_total_uncompressed_size(1 << 40)),
            QuarantineReason::TooLarge,
        ),
        (
            "codec BROTLI of column srcaddr of row group 0",
            &|rows| rows,
            &|chunk| build(chunk.into_builder().set_compression(Compression::BROTLI(Default::default()))),
            QuarantineReason::Format,
        ),
    ];
    for (part, rows, change, reason) in cases {
        let why = refused(read(&with_chunk(&file, rows, change)));
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
    assert!(refused(read(&moved(1))).detail.contains("lacks 1 of its rows"));
    assert!(refused(read(&moved(-1))).detail.contains("more rows than it claims"));
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
    assert_eq!(ranges.len(), 8, "two gaps in each of four row groups: {ranges:?}");
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
