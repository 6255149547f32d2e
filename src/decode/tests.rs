//! Whole files, written by another implementation of the format's writing half, read back.

mod ahead;
mod contradictions;
mod files;
mod readers;
mod types;

use std::sync::Arc;

use ::arrow::{
    array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field as ArrowField, Schema},
};
use ::parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
    },
};
use bytes::Bytes;

use super::*;

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

/// A log with `padding` bytes a row in columns that are not read, before, between and after those that are, and
/// `footer_padding` bytes in its footer.
pub(crate) fn padded_log(rows: i64, padding: usize, group_rows: usize, footer_padding: usize) -> Bytes {
    let pad = |seed: i64| -> ArrayRef {
        let one = |row| if padding == 0 { String::new() } else { format!("{:0padding$}", row + seed) };
        Arc::new((0..rows).map(|row| Some(one(row))).collect::<StringArray>())
    };
    let addresses = || -> ArrayRef {
        let text = (0..rows).map(|row| Some(format!("2001:db8:0:0:0:0:{:x}:{:x}", row >> 8, row & 255)));
        Arc::new(text.collect::<StringArray>())
    };
    let columns = [
        ("ecs_task_arn", pad(1)),
        ("srcaddr", addresses()),
        ("subnet_id", pad(2)),
        ("dstaddr", addresses()),
        ("bytes", Arc::new(Int64Array::from_iter_values(0..rows)) as ArrayRef),
        ("ecs_service_name", pad(3)),
    ];
    let note = KeyValue::new("note".to_string(), "x".repeat(footer_padding));
    write(
        &columns,
        properties()
            .set_max_row_group_row_count(Some(group_rows))
            .set_dictionary_enabled(false)
            .set_key_value_metadata(Some(vec![note])),
    )
}

/// A transit gateway's log of a few megabytes.
pub(crate) fn large_transit_gateway_log() -> Bytes {
    let column = same_text(&"x".repeat(200), 20_000);
    write(&[("tgw_id", column)], properties().set_dictionary_enabled(false))
}
