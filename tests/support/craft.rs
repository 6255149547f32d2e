//! Parquet files that no writer would write: page by page, with headers that say anything.

use std::{io::Write, sync::Arc};

use bytes::Bytes;
use parquet::{
    basic::Compression,
    file::metadata::{
        ColumnChunkMetaData, FileMetaData, ParquetMetaDataBuilder, ParquetMetaDataReader,
        ParquetMetaDataWriter, RowGroupMetaData,
    },
    schema::{parser::parse_message_type, types::SchemaDescriptor},
};

/// Encodings by their number in the format.
pub(crate) const PLAIN: i64 = 0;
pub(crate) const RLE: i64 = 3;
pub(crate) const DELTA_LENGTH_BYTE_ARRAY: i64 = 6;
pub(crate) const DELTA_BYTE_ARRAY: i64 = 7;
pub(crate) const RLE_DICTIONARY: i64 = 8;

/// One page, its header still in words.
#[derive(Clone)]
pub(crate) struct RawPage {
    dictionary: bool,
    values: i64,
    encoding: i64,
    size: i64,
    body: Vec<u8>,
}

/// A data page of version 1. `size` is what it claims to decompress to.
pub(crate) fn data(values: i64, encoding: i64, size: i64, body: Vec<u8>) -> RawPage {
    RawPage { dictionary: false, values, encoding, size, body }
}

/// A dictionary page.
pub(crate) fn dictionary(values: i64, size: i64, body: Vec<u8>) -> RawPage {
    RawPage { dictionary: true, values, encoding: PLAIN, size, body }
}

impl RawPage {
    fn write(&self, out: &mut Vec<u8>) {
        integer(0x15, if self.dictionary { 2 } else { 0 }, out);
        integer(0x15, self.size, out);
        integer(0x15, self.body.len() as i64, out);
        out.push(if self.dictionary { 0x4c } else { 0x2c });
        integer(0x15, self.values, out);
        integer(0x15, self.encoding, out);
        if !self.dictionary {
            integer(0x15, RLE, out);
            integer(0x15, RLE, out);
        }
        out.extend([0, 0]);
        out.extend(&self.body);
    }
}

fn integer(head: u8, value: i64, out: &mut Vec<u8>) {
    out.push(head);
    varint(((value << 1) ^ (value >> 63)) as u64, out);
}

/// An unsigned integer of variable length.
pub(crate) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The file of one row group. Columns are written as in a schema, `required int64 bytes`.
pub(crate) fn file(rows: i64, codec: Compression, columns: &[(&str, Vec<RawPage>)]) -> Vec<u8> {
    let fields: String = columns.iter().map(|(field, _)| format!("{field}; ")).collect();
    let schema = parse_message_type(&format!("message flows {{ {fields} }}")).unwrap();
    let schema = Arc::new(SchemaDescriptor::new(Arc::new(schema)));
    let mut out = b"PAR1".to_vec();
    let mut chunks = Vec::new();
    for (at, (_, pages)) in columns.iter().enumerate() {
        let start = out.len() as i64;
        let mut data_start = start;
        let mut size = 0;
        for page in pages {
            page.write(&mut out);
            size += page.size;
            if page.dictionary {
                data_start = out.len() as i64;
            }
        }
        let mut chunk = ColumnChunkMetaData::builder(schema.column(at))
            .set_compression(codec)
            .set_num_values(rows)
            .set_total_compressed_size(out.len() as i64 - start)
            .set_total_uncompressed_size(size)
            .set_data_page_offset(data_start);
        if data_start > start {
            chunk = chunk.set_dictionary_page_offset(Some(start));
        }
        chunks.push(chunk.build().unwrap());
    }
    let group = RowGroupMetaData::builder(schema.clone()).set_num_rows(rows).set_column_metadata(chunks);
    let meta = FileMetaData::new(1, rows, None, None, schema, None);
    let meta = ParquetMetaDataBuilder::new(meta).add_row_group(group.build().unwrap()).build();
    ParquetMetaDataWriter::new(&mut out, &meta).finish().unwrap();
    out
}

/// A file whose footer says many times what it says of its one row group.
pub(crate) fn same_row_group(file: Vec<u8>, times: usize) -> Vec<u8> {
    let meta = ParquetMetaDataReader::new().parse_and_finish(&Bytes::from(file.clone())).unwrap();
    let schema = meta.file_metadata().schema_descr_ptr();
    let rows = meta.file_metadata().num_rows() * times as i64;
    let groups = vec![meta.row_group(0).clone(); times];
    let meta = ParquetMetaDataBuilder::new(FileMetaData::new(1, rows, None, None, schema, None));
    let meta = meta.set_row_groups(groups).build();
    let footer = u32::from_le_bytes(file[file.len() - 8..][..4].try_into().unwrap()) as usize;
    let mut out = file[..file.len() - 8 - footer].to_vec();
    ParquetMetaDataWriter::new(&mut out, &meta).finish().unwrap();
    out
}

/// A file that is nothing but a footer of these bytes.
pub(crate) fn footer(footer: &[u8]) -> Vec<u8> {
    let size = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [b"PAR1".as_slice(), footer, &size, b"PAR1"].concat()
}

/// Zeros, many times over, as gzip: members of 1 MiB, a thousandth of it each.
pub(crate) fn gzip_zeros(mebibytes: usize) -> Vec<u8> {
    gzip(&vec![0; 1 << 20]).repeat(mebibytes)
}

/// Bytes as gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
