//! Every type that a column can have (semantics 1.8).

use ::arrow::{
    array::{
        Decimal128Array, Decimal256Array, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array,
        Int16Array, ListArray, NullArray, TimestampMicrosecondArray, TimestampMillisecondArray,
        TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
    },
    compute::{cast, concat},
    datatypes::{Int32Type, i256},
};

use super::*;

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
        let with_null = concat(&[&required, &::arrow::array::new_null_array(&data_type, 1)]).unwrap();
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
                        "bytes" => batch.bytes,
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

/// Semantics 1.10.
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
        let batch = read_one(&write(&log_with("bytes", column), properties()));
        assert_eq!(ints(&batch.bytes.unwrap()), expected);
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
        (batch.bytes.unwrap(), 1000),
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
    let cases: [(&str, ArrayRef, &str); 4] = [
        ("bytes", Arc::new(list), "column bytes: a nested type cannot hold bytes"),
        ("srcaddr", Arc::new(Int64Array::from(vec![1, 2])), "column srcaddr: Int64 cannot hold srcaddr"),
        ("dstaddr", floats.clone(), "column dstaddr: Float64 cannot hold dstaddr"),
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

/// Tools that know no null in a column of integers make floats of them (semantics 1.8, 1.10).
#[test]
fn whole_numbers_in_floats_are_numbers() {
    let values = [0.0, -0.0, 6.0, 16_777_215.0, -5.0, f64::NAN, 1.5, f64::INFINITY, 9.3e18, -9.3e18];
    let expected = |null: bool| {
        let mut cells = vec![
            IntCell::Value(0),
            IntCell::Value(0),
            IntCell::Value(6),
            IntCell::Value((1 << 24) - 1),
            IntCell::Value(-5),
            IntCell::Null,
        ];
        cells.extend([IntCell::Bad; 4]);
        cells.extend(null.then_some(IntCell::Null));
        cells
    };
    for null in [false, true] {
        let with_null: Vec<Option<f64>> = values.into_iter().map(Some).chain(null.then_some(None)).collect();
        let wide: ArrayRef = Arc::new(Float64Array::from(with_null.clone()));
        let narrow: Vec<Option<f32>> =
            with_null.iter().map(|value| value.map(|value| value as f32)).collect();
        let narrow: ArrayRef = Arc::new(Float32Array::from(narrow));
        for column in [wide, narrow] {
            for name in ["bytes", "packets", "srcport", "end", "traffic_path"] {
                let batch = read_one(&write(&log_with(name, column.clone()), properties()));
                let found = match name {
                    "bytes" => batch.bytes.clone(),
                    "packets" => batch.packets.clone(),
                    "srcport" => batch.srcport.clone(),
                    "end" => batch.end.clone(),
                    _ => batch.traffic_path.clone(),
                };
                let mut expected = expected(null);
                if name == "end" {
                    expected[6] = IntCell::Value(1);
                } else {
                    let why = [" of a FLOAT column", " of a DOUBLE column"]
                        [usize::from(column.data_type() == &DataType::Float64)];
                    let fault = &batch.unreadable[0];
                    assert_eq!((fault.field.name(), fault.row), (name, 6));
                    assert_eq!(fault.value, format!("1.5{why} is not a whole number"));
                }
                if name == "traffic_path" {
                    expected
                        .iter_mut()
                        .filter(|cell| **cell == IntCell::Value(0))
                        .for_each(|cell| *cell = IntCell::Null);
                }
                assert_eq!(ints(&found.unwrap()), expected, "{name} {}", column.data_type());
            }
        }
    }
}

/// Semantics 1.10: above 2^53 and 2^24 neighbours are not told apart.
#[test]
fn floats_that_may_have_been_rounded_are_unreadable() {
    let wide: ArrayRef = Arc::new(Float64Array::from(vec![9_007_199_254_740_991.0, 9_007_199_254_740_992.0]));
    let narrow: ArrayRef = Arc::new(Float32Array::from(vec![16_777_215.0, 16_777_216.0]));
    for (column, exact, kind) in [(wide, (1 << 53) - 1, "DOUBLE"), (narrow, (1 << 24) - 1, "FLOAT")] {
        let batch = read_one(&write(&log_with("bytes", column), properties()));
        assert_eq!(ints(batch.bytes.as_ref().unwrap()), [IntCell::Value(exact), IntCell::Bad]);
        let value = exact + 1;
        let says = format!("column bytes: {value} of a {kind} column is too large to be exact");
        assert_eq!(batch.fault(1), says);
    }
}

/// Semantics 1.8: decimals of every physical type.
#[test]
fn whole_decimals_are_numbers() {
    let values = [Some(600_i128), None, Some(-500), Some(650), Some(i128::from(i64::MAX) * 100 + 100)];
    let whole = [IntCell::Value(6), IntCell::Null, IntCell::Value(-5), IntCell::Bad, IntCell::Bad];
    for precision in [4, 9, 18, 19, 38, 76] {
        // INT32, INT64, and bytes of a fixed length, as the writer has them.
        let rows = if precision < 38 { 4 } else { 5 };
        let column: ArrayRef = if precision == 76 {
            let values = values.map(|value| value.map(i256::from_i128));
            Arc::new(Decimal256Array::from(values.to_vec()).with_precision_and_scale(76, 2).unwrap())
        } else {
            let column = Decimal128Array::from(values[..rows].to_vec());
            Arc::new(column.with_precision_and_scale(precision, 2).unwrap())
        };
        for dictionary in [true, false] {
            let file = |name| {
                write(&log_with(name, column.clone()), properties().set_dictionary_enabled(dictionary))
            };
            let batch = read_one(&file("bytes"));
            assert_eq!(ints(batch.bytes.as_ref().unwrap()), whole[..rows], "{precision} {dictionary}");
            let says = "column bytes: 650e-2 of a DECIMAL column is not a 64-bit integer";
            assert_eq!(batch.fault(3), says);
            let batch = read_one(&file("end"));
            let mut times = whole;
            times[3] = IntCell::Value(6);
            assert_eq!(ints(&batch.end.unwrap()), times[..rows], "rounded down: {precision} {dictionary}");
        }
    }
    let one = |precision, scale| -> ArrayRef {
        let column = Decimal128Array::from(vec![7, -7]).with_precision_and_scale(precision, scale);
        Arc::new(column.unwrap())
    };
    for precision in [9, 18, 38] {
        let file = write(&log_with("bytes", one(precision, 0)), properties());
        assert_eq!(ints(&read_one(&file).bytes.unwrap()), [IntCell::Value(7), IntCell::Value(-7)]);
        let reader = parquet::ParquetReader::open(Input::Whole(file), &LIMITS).unwrap();
        assert_eq!(reader.reads_itself(), precision < 38, "without a point they are integers");
    }
    let why = refused(read(&write(&log_with("srcaddr", one(9, 0)), properties())));
    assert_eq!(why.detail, "column srcaddr: DECIMAL cannot hold srcaddr");
}

/// Semantics 1.8: plain integers, floats, decimals and text, by their size alone.
#[test]
fn times_in_smaller_units_are_seconds() {
    let second = 1_765_274_400_i64;
    for (unit, a_second) in [
        (TimeUnit::Seconds, 1),
        (TimeUnit::Milliseconds, 1_000),
        (TimeUnit::Microseconds, 1_000_000),
        (TimeUnit::Nanoseconds, 1_000_000_000),
    ] {
        let times = [Some(second * a_second + a_second - 1), None];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(times.to_vec())),
            text(&[Some(&times[0].unwrap().to_string()), None]),
            Arc::new(UInt64Array::from(times.map(|time| time.map(i64::unsigned_abs)).to_vec())),
            Arc::new(
                Decimal128Array::from(times.map(|time| time.map(i128::from)).to_vec())
                    .with_precision_and_scale(38, 0)
                    .unwrap(),
            ),
        ];
        if unit < TimeUnit::Nanoseconds {
            columns
                .push(Arc::new(Float64Array::from(times.map(|time| time.map(|time| time as f64)).to_vec())));
        }
        for column in columns {
            let kind = column.data_type().clone();
            for name in ["start", "end", "windowend"] {
                let batch = read_one(&write(&log_with(name, column.clone()), properties()));
                let found = if name == "start" { batch.start } else { batch.end };
                assert_eq!(ints(&found.unwrap()), [IntCell::Value(second), IntCell::Null], "{kind} {unit:?}");
                assert_eq!(batch.time_unit, unit, "{kind}");
            }
            // Nothing else is a time.
            if let DataType::Int64 = kind {
                let batch = read_one(&write(&log_with("bytes", column), properties()));
                assert_eq!(ints(&batch.bytes.unwrap())[0], IntCell::Value(times[0].unwrap()));
                assert_eq!(batch.time_unit, TimeUnit::Seconds);
            }
        }
    }
}

/// Tools make numbers of what looks like them, and lose the zeros that an account begins with.
#[test]
fn accounts_may_be_numbers() {
    let ids = [Some(123_456_789_012_i64), None, Some(123_456_789), Some(-1), Some(1_000_000_000_000)];
    let id = |id| Account::Id(id);
    let expected = [id(123_456_789_012), Account::Null, id(123_456_789), Account::Other, Account::Other];
    let floats = ids.map(|id| id.map(|id| id as f64));
    let columns: [ArrayRef; 2] =
        [Arc::new(Int64Array::from(ids.to_vec())), Arc::new(Float64Array::from(floats.to_vec()))];
    for column in columns {
        let mut columns = log_with("account_id", column);
        columns.push(("flow_direction", same_text("egress", 5)));
        columns.push(("instance_id", same_text("i-1", 5)));
        let batch = read_one(&write(&columns, properties()));
        assert_eq!(cells(&batch.account_id.unwrap()), expected);
    }
}
