//! What is wrong with a bad record, for a person.
//!
//! Whether a record is bad is decided where records are judged; this only finds the column that made it so.

use super::{AddrCell, DictColumn, Field, FlowBatch, IntCell, IntColumn};

impl FlowBatch {
    /// The column that makes a record bad, and what is wrong with it.
    pub fn fault(&self, row: usize) -> String {
        if self.malformed.get(row).copied().unwrap_or(false) {
            return "it does not have the fields of the header".to_owned();
        }
        let int =
            |column: &Option<IntColumn>| column.as_ref().map_or(IntCell::Null, |column| column.get(row));
        let numbers = [
            (Field::Bytes, int(&self.bytes), i64::MAX),
            (Field::Packets, int(&self.packets), i64::MAX),
            (Field::Srcport, int(&self.srcport), i64::from(u16::MAX)),
            (Field::Dstport, int(&self.dstport), i64::from(u16::MAX)),
        ];
        for (field, cell, most) in numbers {
            let name = field.name();
            match cell {
                IntCell::Bad => {
                    let found = self.unreadable.iter().find(|found| (found.field, found.row) == (field, row));
                    let value = found.map_or("no 64-bit integer", |found| &found.value);
                    return format!("column {name}: {value}");
                }
                IntCell::Value(value) if !(0..=most).contains(&value) => {
                    return format!("column {name}: {value}");
                }
                IntCell::Null if field == Field::Bytes => return format!("column {name}: no value"),
                IntCell::Value(_) | IntCell::Null => {}
            }
        }
        let addr = |column: &Option<DictColumn<AddrCell>>| {
            column.as_ref().map_or(AddrCell::Null, |column| *column.get(row))
        };
        let ends = [
            [(Field::Srcaddr, addr(&self.srcaddr)), (Field::PktSrcaddr, addr(&self.pkt_srcaddr))],
            [(Field::Dstaddr, addr(&self.dstaddr)), (Field::PktDstaddr, addr(&self.pkt_dstaddr))],
        ];
        for end in ends {
            for (field, cell) in end {
                if cell == AddrCell::Bad {
                    return format!("column {}: no address", field.name());
                }
            }
            if end.iter().all(|(_, cell)| *cell == AddrCell::Null) {
                return format!("columns {} and {}: no value", end[0].0.name(), end[1].0.name());
            }
        }
        "it cannot be read".to_owned()
    }
}
