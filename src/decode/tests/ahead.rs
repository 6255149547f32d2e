//! Of an object that is read in parts: what the reader says it will want next.

use std::{ops::Range, sync::Mutex};

use ::parquet::{
    data_type::{ByteArray, ByteArrayType, Int64Type},
    file::writer::SerializedFileWriter,
    schema::parser::parse_message_type,
};

use super::*;

/// An object in parts that notes what is said to come next.
#[derive(Debug)]
struct Foretold {
    bytes: Bytes,
    ranges: Mutex<Vec<Vec<Range<u64>>>>,
}

impl Parts for Foretold {
    fn object_len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn get(&self, range: Range<u64>) -> Option<Bytes> {
        Some(self.bytes.slice(range.start as usize..range.end as usize))
    }

    fn expect(&self, ranges: &[Range<u64>]) {
        self.ranges.lock().unwrap().push(ranges.to_vec());
    }
}

#[test]
fn a_row_group_without_rows_is_not_expected() {
    let schema =
        "message m { required binary srcaddr (UTF8); required binary dstaddr (UTF8); required int64 bytes; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut groups = Vec::new();
    for rows in [3, 0, 0, 2, 0] {
        let mut group = writer.next_row_group().unwrap();
        for text in ["10.0.0.1", "10.0.0.2"] {
            let mut column = group.next_column().unwrap().unwrap();
            let values = vec![ByteArray::from(text); rows];
            column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
            column.close().unwrap();
        }
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&vec![7; rows], None, None).unwrap();
        column.close().unwrap();
        groups.push(group.close().unwrap().columns()[0].byte_range().0);
    }
    let bytes = Bytes::from(writer.into_inner().unwrap());
    let object = Arc::new(Foretold { bytes, ranges: Mutex::default() });
    let batches = read_input(Input::Parts(object.clone())).unwrap();
    assert_eq!(batches.iter().map(|batch| batch.rows).collect::<Vec<_>>(), [3, 2]);
    let ranges = object.ranges.lock().unwrap();
    assert_eq!(ranges.len(), 1, "after the last with rows comes nothing: {ranges:?}");
    assert_eq!(ranges[0][0].start, groups[3]);
}
