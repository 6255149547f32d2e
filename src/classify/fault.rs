//! What is wrong with a bad record, for a person: the columns of its rules, in their order.
//!
//! Only explains. That a record is bad has been decided by the rules themselves.

use crate::decode::{AddrCell, DictColumn, FlowBatch, IntCell, IntColumn};

/// The column that makes a record of a batch bad, and why.
pub fn fault(batch: &FlowBatch, row: usize) -> String {
    if batch.malformed.get(row).copied().unwrap_or(false) {
        return "wrong number of fields".to_owned();
    }
    let port = |value| !(0..=i64::from(u16::MAX)).contains(&value);
    let numbers = [
        ("bytes", Some(&batch.bytes), (|value| value < 0) as fn(i64) -> bool),
        ("packets", batch.packets.as_ref(), |value| value < 0),
        ("srcport", batch.srcport.as_ref(), port),
        ("dstport", batch.dstport.as_ref(), port),
    ];
    let of_number = numbers.into_iter().find_map(|(name, column, is_absurd)| {
        number(column?, row, name == "bytes", is_absurd).map(|what| format!("{name} {what}"))
    });
    let addresses = [
        ("srcaddr", &batch.srcaddr),
        ("dstaddr", &batch.dstaddr),
        ("pkt_srcaddr", &batch.pkt_srcaddr),
        ("pkt_dstaddr", &batch.pkt_dstaddr),
    ];
    let is = |column: &Option<DictColumn<AddrCell>>, cell: AddrCell| {
        column.as_ref().map_or(cell == AddrCell::Null, |column| *column.get(row) == cell)
    };
    let of_address = || {
        let (name, _) = addresses.iter().find(|(_, column)| is(column, AddrCell::Bad))?;
        Some(format!("{name} is no address"))
    };
    let missing = || {
        let no_source = is(&batch.srcaddr, AddrCell::Null) && is(&batch.pkt_srcaddr, AddrCell::Null);
        format!("no {} address", if no_source { "source" } else { "destination" })
    };
    of_number.or_else(of_address).unwrap_or_else(missing)
}

fn number(column: &IntColumn, row: usize, required: bool, is_absurd: fn(i64) -> bool) -> Option<String> {
    match column.get(row) {
        IntCell::Null if required => Some("is missing".to_owned()),
        IntCell::Bad => Some("is no number".to_owned()),
        IntCell::Value(value) if is_absurd(value) => Some(format!("is {value}")),
        IntCell::Null | IntCell::Value(_) => None,
    }
}
