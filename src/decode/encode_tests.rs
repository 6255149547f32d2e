use bytes::Bytes;
use parquet::{
    basic::{Compression, LogicalType, Type as Physical},
    file::reader::{FileReader, SerializedFileReader},
    record::{Field as Cell, Row},
};

use super::*;

fn sample() -> Record {
    Record {
        version: Some(11),
        account_id: Some("123456789012".into()),
        interface_id: Some("eni-1".into()),
        srcaddr: Some([10, 0, 0, 1].into()),
        dstaddr: Some("2001:db8::1".parse().unwrap()),
        srcport: Some(70_000),
        dstport: Some(4101),
        protocol: Some(6),
        packets: Some(3),
        bytes: Some(-1),
        start: Some(1_765_274_400),
        end: Some(1_765_274_459),
        action: Some(Action::Reject),
        log_status: LogStatus::Ok,
        traffic_type: Some(TrafficType::Ipv6),
        flow_direction: Direction::Ingress,
        traffic_path: Some(7),
        interface_type: InterfaceType::NatGateway,
        pkt_dst_aws_service: Some("S3".into()),
        ..Record::default()
    }
}

fn read(bytes: Vec<u8>) -> (SerializedFileReader<Bytes>, Vec<Row>) {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    (reader, rows)
}

fn cells(row: &Row) -> Vec<(String, Cell)> {
    row.get_column_iter().map(|(name, cell)| (name.clone(), cell.clone())).collect()
}

/// What a reader is to see, said once more without the code under test.
fn expected(record: &Record, column: Column) -> Cell {
    match column.value(record) {
        Value::Text(text) => Cell::Str(text.unwrap_or("-").to_owned()),
        Value::Address(address) => Cell::Str(address.map_or("-".to_owned(), |ip| ip.to_string())),
        Value::Int(value) => value.map_or(Cell::Null, Cell::Int),
        Value::Long(value) => value.map_or(Cell::Null, Cell::Long),
    }
}

#[test]
fn every_codec_gives_the_records_back() {
    let records: Vec<Record> =
        (0..10_000).map(|i| if i % 7 == 0 { Record::default() } else { sample() }).collect();
    for (codec, is) in [
        (Codec::Gzip, Compression::GZIP(GzipLevel::default())),
        (Codec::Snappy, Compression::SNAPPY),
        (Codec::Uncompressed, Compression::UNCOMPRESSED),
        (Codec::Zstd, Compression::ZSTD(ZstdLevel::default())),
    ] {
        let options = EncodeOptions { codec, row_group_rows: 3_000, ..EncodeOptions::default() };
        let (reader, rows) = read(parquet(&records, &options).unwrap());
        assert_eq!(reader.metadata().num_row_groups(), 4);
        let group = reader.metadata().row_group(0);
        assert_eq!(group.num_rows(), 3_000);
        let written = group.column(0).compression();
        assert_eq!(std::mem::discriminant(&written), std::mem::discriminant(&is));
        assert_eq!(rows.len(), records.len());
        for (row, record) in rows.iter().zip(&records) {
            let want: Vec<_> =
                Column::ALL.iter().map(|c| (c.name().to_owned(), expected(record, *c))).collect();
            assert_eq!(cells(row), want);
        }
    }
}

#[test]
fn types_are_those_of_the_field_list() {
    let (reader, _) = read(parquet(&[sample()], &EncodeOptions::default()).unwrap());
    let schema = reader.metadata().file_metadata().schema_descr();
    let int32 = ["version", "srcport", "dstport", "protocol", "tcp_flags", "traffic_path"];
    let int64 = ["packets", "bytes", "start", "end"];
    assert_eq!(schema.num_columns(), 34);
    for column in schema.columns() {
        let physical = column.physical_type();
        match column.name() {
            name if int32.contains(&name) => assert_eq!(physical, Physical::INT32, "{name}"),
            name if int64.contains(&name) => assert_eq!(physical, Physical::INT64, "{name}"),
            name => {
                assert_eq!(physical, Physical::BYTE_ARRAY, "{name}");
                assert_eq!(column.logical_type_ref(), Some(&LogicalType::String), "{name}");
            }
        }
        assert_eq!(column.max_def_level(), 1, "{} is optional", column.name());
    }
    let metadata = reader.metadata().file_metadata().key_value_metadata();
    assert!(metadata.is_none_or(Vec::is_empty), "no trace of Arrow in the footer: {metadata:?}");
}

#[test]
fn columns_are_written_in_the_order_asked_for() {
    let columns = [Column::Bytes, Column::PktDstAddr, Column::Action, Column::InterfaceType, Column::Type];
    let options = EncodeOptions { columns: &columns, ..EncodeOptions::default() };
    let (_, rows) = read(parquet(&[sample()], &options).unwrap());
    let text = |text: &str| Cell::Str(text.to_owned());
    assert_eq!(
        cells(&rows[0]),
        [
            ("bytes".to_owned(), Cell::Long(-1)),
            ("pkt_dstaddr".to_owned(), text("-")),
            ("action".to_owned(), text("REJECT")),
            ("interface_type".to_owned(), text("nat_gateway")),
            ("type".to_owned(), text("IPv6")),
        ]
    );
}

#[test]
fn formats_end_where_their_version_ends() {
    assert_eq!(Column::V2.last(), Some(&Column::LogStatus));
    assert_eq!(Column::V5.last(), Some(&Column::TrafficPath));
}

#[test]
fn no_records_are_a_file_all_the_same() {
    let (reader, rows) = read(parquet(&[], &EncodeOptions::default()).unwrap());
    assert_eq!((reader.metadata().file_metadata().num_rows(), rows.len()), (0, 0));
}
