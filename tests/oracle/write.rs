//! Rows as a Parquet file, in any of the physical shapes that files are found in.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BinaryArray, Decimal128Array, DictionaryArray, Float64Array, Int16Array, Int32Array,
        Int64Array, LargeBinaryArray, LargeStringArray, RecordBatch, StringArray, StringViewArray,
        TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt16Array,
        UInt32Array, UInt64Array,
    },
    datatypes::{DataType, Field, Int32Type, Schema},
};
use fastrand::Rng;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, GzipLevel, ZstdLevel},
    file::properties::{WriterProperties, WriterVersion},
};

use super::{Columns, NUMBERS, Row, TEXTS, text::UNREADABLE};

/// The file of these rows. `physical` 0 is plain: UTF-8, INT64, optional, GZIP, one row group,
/// AWS's names in AWS's order; every other value mixes types, codecs, order and names at random.
pub(crate) fn parquet(rows: &[Row], columns: &Columns, physical: u64) -> Vec<u8> {
    let mut dice = Dice((physical != 0).then(|| Rng::with_seed(physical)));
    let mut order: Vec<&'static str> =
        TEXTS.into_iter().chain(NUMBERS).filter(|name| columns.contains(name)).collect();
    dice.shuffle(&mut order);
    let hyphens = dice.roll(4) == 1;

    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for column in order {
        let array = if TEXTS.contains(&column) {
            texts(&rows.iter().map(|row| row.text(column)).collect::<Vec<_>>(), &mut dice)
        } else {
            let cell = |row: &Row| match row.number(column) {
                _ if row.unreadable.contains(column) => Cell::Unreadable,
                None => Cell::Null,
                Some(number) => Cell::Whole(number),
            };
            numbers(column, &rows.iter().map(cell).collect::<Vec<_>>(), &mut dice)
        };
        // Without nulls a column may be required.
        let required = array.null_count() == 0 && dice.roll(2) == 1;
        fields.push(Field::new(name(column, hyphens, &mut dice), array.data_type().clone(), !required));
        arrays.push(array);
    }
    if dice.roll(2) == 1 {
        // A field that decides nothing.
        fields.push(Field::new("protocol", DataType::Int32, false));
        arrays.push(Arc::new(Int32Array::from(vec![6; rows.len()])));
    }

    let schema = Arc::new(Schema::new_with_metadata(fields, HashMap::new()));
    let batch = RecordBatch::try_new(schema.clone(), arrays).expect("arrays of one length and type");
    let mut file = Vec::new();
    let options = ArrowWriterOptions::new()
        .with_properties(properties(rows.len(), &mut dice))
        .with_skip_arrow_metadata(dice.roll(2) == 1);
    let mut writer =
        ArrowWriter::try_new_with_options(&mut file, schema, options).expect("a schema Parquet has");
    writer.write(&batch).expect("memory takes everything");
    writer.close().expect("memory takes everything");
    file
}

/// Chooses the first way always, or any way at random.
pub(super) struct Dice(pub(super) Option<Rng>);

impl Dice {
    /// 0 to `sides - 1`.
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0.as_mut().map_or(0, |rng| rng.usize(..sides))
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        if let Some(rng) = &mut self.0 {
            rng.shuffle(items);
        }
    }
}

/// AWS's name, with underscores or hyphens (semantics 1.1), or what converted files and older
/// scripts call it (semantics 1.2).
pub(super) fn name(column: &str, hyphens: bool, dice: &mut Dice) -> String {
    let alias = match column {
        "start" => Some("windowstart"),
        "end" => Some("windowend"),
        "log_status" => Some("flowlogstatus"),
        "srcaddr" => Some("src_addr"),
        "dstaddr" => Some("dst_addr"),
        "pkt_srcaddr" => Some("pkt_src_addr"),
        "pkt_dstaddr" => Some("pkt_dst_addr"),
        "srcport" => Some("src_port"),
        "dstport" => Some("dst_port"),
        _ => None,
    };
    match alias {
        Some(alias) if dice.roll(4) == 1 => alias.to_string(),
        _ if hyphens => column.replace('_', "-"),
        _ => column.to_string(),
    }
}

fn texts(cells: &[Option<&str>], dice: &mut Dice) -> ArrayRef {
    let cells = cells.to_vec();
    match dice.roll(7) {
        1 => Arc::new(LargeStringArray::from(cells)),
        2 => Arc::new(StringViewArray::from(cells)),
        3 => Arc::new(BinaryArray::from(
            cells.into_iter().map(|cell| cell.map(str::as_bytes)).collect::<Vec<_>>(),
        )),
        4 => Arc::new(cells.into_iter().collect::<DictionaryArray<Int32Type>>()),
        5 => Arc::new(LargeBinaryArray::from(
            cells.into_iter().map(|cell| cell.map(str::as_bytes)).collect::<Vec<_>>(),
        )),
        _ => Arc::new(StringArray::from(cells)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Null,
    Whole(i64),
    Unreadable,
}

/// A column of numbers in one of the types of semantics 1.8 that can hold them.
fn numbers(column: &str, cells: &[Cell], dice: &mut Dice) -> ArrayRef {
    const EXACT: i64 = (1 << 53) - 1;
    let readable: Vec<i64> = cells
        .iter()
        .filter_map(|cell| if let Cell::Whole(number) = cell { Some(*number) } else { None })
        .collect();
    let floats = readable.iter().all(|number| (-EXACT..=EXACT).contains(number));
    if cells.contains(&Cell::Unreadable) {
        return if floats && dice.roll(2) == 1 {
            as_floats(column, cells, dice)
        } else {
            as_texts(cells, dice)
        };
    }
    let whole: Vec<Option<i64>> =
        cells.iter().map(|cell| if let Cell::Whole(number) = cell { Some(*number) } else { None }).collect();
    let choice = dice.roll(18);
    narrow::<i32, Int32Array>(&whole, matches!(choice, 1..=6))
        .or_else(|| narrow::<i16, Int16Array>(&whole, choice == 7))
        .or_else(|| narrow::<u16, UInt16Array>(&whole, choice == 8))
        .or_else(|| narrow::<u32, UInt32Array>(&whole, choice == 9))
        .or_else(|| narrow::<u64, UInt64Array>(&whole, choice == 10))
        .or_else(|| (choice == 11 && floats).then(|| as_floats(column, cells, dice)))
        .or_else(|| (choice == 12).then(|| as_texts(cells, dice)))
        .or_else(|| (choice == 13).then(|| as_decimals(&whole, dice)))
        .or_else(|| {
            (choice == 14 && ["start", "end"].contains(&column))
                .then(|| in_another_unit(&whole, dice))
                .flatten()
        })
        .or_else(|| {
            (choice > 14 && ["start", "end"].contains(&column)).then(|| as_times(&whole, dice)).flatten()
        })
        .unwrap_or_else(|| Arc::new(Int64Array::from(whole)))
}

fn narrow<N: TryFrom<i64>, A: From<Vec<Option<N>>> + arrow::array::Array + 'static>(
    cells: &[Option<i64>],
    wanted: bool,
) -> Option<ArrayRef> {
    let cells = cells.iter().map(|cell| cell.map(N::try_from).transpose().ok());
    let cells: Option<Vec<Option<N>>> = wanted.then_some(cells)?.collect();
    Some(Arc::new(A::from(cells?)))
}

fn as_floats(column: &str, cells: &[Cell], dice: &mut Dice) -> ArrayRef {
    const UNREADABLE: [f64; 5] = [1.5, f64::NEG_INFINITY, f64::INFINITY, 1e300, 9_007_199_254_740_992.0];
    // A fraction of a time is rounded down.
    let is_time = ["start", "end"].contains(&column);
    let unreadable = &UNREADABLE[usize::from(is_time)..];
    let floats = cells.iter().map(|cell| match cell {
        Cell::Null => [None, Some(f64::NAN)][dice.roll(2)],
        Cell::Whole(number) => Some(*number as f64),
        Cell::Unreadable => Some(unreadable[dice.roll(unreadable.len())]),
    });
    Arc::new(floats.collect::<Float64Array>())
}

fn as_texts(cells: &[Cell], dice: &mut Dice) -> ArrayRef {
    let text = |cell: &Cell, dice: &mut Dice| match cell {
        Cell::Null => [None, Some("-"), Some("")][dice.roll(3)].map(str::to_owned),
        Cell::Whole(number) => Some(number.to_string()),
        Cell::Unreadable => Some(UNREADABLE[dice.roll(UNREADABLE.len())].to_owned()),
    };
    Arc::new(cells.iter().map(|cell| text(cell, dice)).collect::<StringArray>())
}

/// With or without digits behind the point.
fn as_decimals(cells: &[Option<i64>], dice: &mut Dice) -> ArrayRef {
    let scale = [0, 3][dice.roll(2)];
    let decimals = cells.iter().map(|cell| cell.map(|number| i128::from(number) * 10_i128.pow(scale)));
    let decimals = Decimal128Array::from(decimals.collect::<Vec<_>>());
    Arc::new(decimals.with_precision_and_scale(38, scale as i8).expect("an i64 has 19 digits"))
}

/// Times of which each shows by its size that it is not in seconds, somewhere within their seconds.
fn in_another_unit(seconds: &[Option<i64>], dice: &mut Dice) -> Option<ArrayRef> {
    let a_second = [1_000, 1_000_000, 1_000_000_000][dice.roll(3)];
    let times = seconds.iter().map(|second| match second {
        None => Some(None),
        Some(second) if (100_000_000..9_000_000_000).contains(second) => {
            Some(Some(second * a_second + dice.roll(a_second as usize) as i64))
        }
        Some(_) => None,
    });
    let times: Vec<Option<i64>> = times.collect::<Option<_>>()?;
    Some(Arc::new(Int64Array::from(times)))
}

/// Timestamps somewhere within their seconds.
fn as_times(seconds: &[Option<i64>], dice: &mut Dice) -> Option<ArrayRef> {
    let (unit, per_second) = [(0, 1_000), (1, 1_000_000), (2, 1_000_000_000)][dice.roll(3)];
    let times = seconds.iter().map(|second| match second {
        None => Some(None),
        Some(second) => {
            let rest = dice.roll(per_second as usize) as i64;
            second.checked_mul(per_second).and_then(|time| time.checked_add(rest)).map(Some)
        }
    });
    let times: Vec<Option<i64>> = times.collect::<Option<_>>()?;
    Some(match unit {
        0 => Arc::new(TimestampMillisecondArray::from(times).with_timezone("UTC")),
        1 => Arc::new(TimestampMicrosecondArray::from(times)),
        _ => Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")),
    })
}

fn properties(rows: usize, dice: &mut Dice) -> WriterProperties {
    let codec = match dice.roll(4) {
        1 => Compression::UNCOMPRESSED,
        2 => Compression::SNAPPY,
        3 => Compression::ZSTD(ZstdLevel::default()),
        _ => Compression::GZIP(GzipLevel::default()),
    };
    let version = if dice.roll(3) == 1 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
    let group = match dice.roll(3) {
        1 => 1 + dice.roll(rows.max(1)),
        2 => 3,
        _ => rows.max(1),
    };
    WriterProperties::builder()
        .set_compression(codec)
        .set_writer_version(version)
        .set_dictionary_enabled(dice.roll(3) != 1)
        .set_max_row_group_row_count(Some(group))
        .set_data_page_row_count_limit(if dice.roll(3) == 1 { 2 } else { 20_000 })
        .set_write_batch_size(if dice.roll(3) == 1 { 2 } else { 1024 })
        .build()
}

#[cfg(test)]
mod tests {
    use parquet::file::{reader::FileReader, serialized_reader::SerializedFileReader};

    use super::*;
    use crate::oracle::all_columns;

    #[test]
    fn files_have_the_rows_and_columns_asked_for_in_every_shape() {
        let rows = vec![Row { bytes: Some(1), srcaddr: Some("10.0.0.1".to_string()), ..Row::default() }; 5];
        for physical in 0..50 {
            let file = parquet(&rows, &all_columns(), physical);
            let reader = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
            assert_eq!(reader.metadata().file_metadata().num_rows(), 5);
            let columns = reader.metadata().file_metadata().schema_descr().num_columns();
            assert!(columns == 26 || columns == 27, "{columns}");
        }
    }
}
