//! Records as gzip text.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use super::{Column, Record, Value};

const REASON: &str = "memory takes every byte";

/// One gzip text file with these records: a header, then a line for each.
pub fn text_gz(records: &[Record], columns: &[Column]) -> Vec<u8> {
    let mut file = TextEncoder::new(columns);
    file.write(records);
    file.finish()
}

/// A gzip text file being written, for more records than fit in memory at once.
pub struct TextEncoder<'a> {
    columns: &'a [Column],
    file: GzEncoder<Vec<u8>>,
}

impl<'a> TextEncoder<'a> {
    /// A file with nothing but a header.
    pub fn new(columns: &'a [Column]) -> Self {
        let mut file = GzEncoder::new(Vec::new(), Compression::default());
        for (at, column) in columns.iter().enumerate() {
            write!(file, "{}{}", separator(at), column.name().replace('_', "-")).expect(REASON);
        }
        file.write_all(b"\n").expect(REASON);
        Self { columns, file }
    }

    /// Appends records.
    pub fn write(&mut self, records: &[Record]) {
        for record in records {
            for (at, column) in self.columns.iter().enumerate() {
                self.file.write_all(separator(at).as_bytes()).expect(REASON);
                let file = &mut self.file;
                match column.value(record) {
                    Value::Text(Some(text)) => file.write_all(text.as_bytes()),
                    Value::Address(Some(address)) => write!(file, "{address}"),
                    Value::Int(Some(number)) => write!(file, "{number}"),
                    Value::Long(Some(number)) => write!(file, "{number}"),
                    Value::Text(None) | Value::Address(None) | Value::Int(None) | Value::Long(None) => {
                        file.write_all(b"-")
                    }
                }
                .expect(REASON);
            }
            self.file.write_all(b"\n").expect(REASON);
        }
    }

    /// The finished file.
    pub fn finish(self) -> Vec<u8> {
        self.file.finish().expect(REASON)
    }
}

fn separator(at: usize) -> &'static str {
    if at == 0 { "" } else { " " }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::decode::{Action, Direction, InterfaceType, LogStatus};

    #[test]
    fn a_file_is_as_aws_writes_it() {
        let record = Record {
            version: Some(2),
            account_id: Some("123456789012".into()),
            interface_id: Some("eni-1".into()),
            srcaddr: Some([10, 0, 0, 1].into()),
            dstaddr: Some("2001:db8::1".parse().unwrap()),
            srcport: Some(70_000),
            bytes: Some(-1),
            action: Some(Action::Reject),
            log_status: LogStatus::SkipData,
            flow_direction: Direction::Egress,
            interface_type: InterfaceType::NatGateway,
            ..Record::default()
        };
        let columns =
            [Column::V2, &[Column::PktSrcAddr, Column::FlowDirection, Column::InterfaceType]].concat();
        let mut text = String::new();
        let file = text_gz(&[record, Record::default()], &columns);
        flate2::read::GzDecoder::new(&*file).read_to_string(&mut text).unwrap();
        assert_eq!(
            text,
            "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
             action log-status pkt-srcaddr flow-direction interface-type\n\
             2 123456789012 eni-1 10.0.0.1 2001:db8::1 70000 - - - -1 - - REJECT SKIPDATA - egress nat_gateway\n\
             - - - - - - - - - - - - - - - - -\n"
        );
    }
}
