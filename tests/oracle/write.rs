//! Rows as a Parquet file, in any of the physical shapes that files are found in.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BinaryArray, DictionaryArray, Int32Array, Int64Array, LargeBinaryArray, LargeStringArray,
        RecordBatch, StringArray, StringViewArray,
    },
    datatypes::{DataType, Field, Int32Type, Schema},
};
use fastrand::Rng;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, GzipLevel, ZstdLevel},
    file::properties::{WriterProperties, WriterVersion},
};

use super::{Columns, NUMBERS, Row, TEXTS};

/// The file of these rows. `physical` 0 is plain: UTF-8, INT64, optional, GZIP, one row group, AWS's names in AWS's
/// order; every other value mixes types, codecs, order and names at random.
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
            numbers(&rows.iter().map(|row| row.number(column)).collect::<Vec<_>>(), &mut dice)
        };
        // Without nulls a column may be required.
        let required = array.null_count() == 0 && dice.roll(2) == 1;
        fields.push(Field::new(name(column, hyphens, &mut dice), array.data_type().clone(), !required));
        arrays.push(array);
    }
    if dice.roll(2) == 1 {
        // Fields that decide nothing.
        let account: Vec<_> = rows.iter().map(|_| Some("123456789012")).collect();
        fields.push(Field::new(if hyphens { "account-id" } else { "account_id" }, DataType::Utf8, true));
        arrays.push(Arc::new(StringArray::from(account)));
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

/// AWS's name, with underscores or hyphens, or what converted files and older scripts call it.
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

fn numbers(cells: &[Option<i64>], dice: &mut Dice) -> ArrayRef {
    let narrow: Option<Vec<Option<i32>>> =
        cells.iter().map(|cell| cell.map(i32::try_from).transpose().ok()).collect();
    match narrow {
        Some(narrow) if dice.roll(2) == 1 => Arc::new(Int32Array::from(narrow)),
        _ => Arc::new(Int64Array::from(cells.to_vec())),
    }
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
            assert!(columns == 23 || columns == 25, "{columns}");
        }
    }
}
