//! Which port group a record belongs to: section 5 of docs/semantics.md.

use super::{PortGroup, PortMatch};

/// A port group inside one classifier; 0 is `other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GroupId(u16);

impl GroupId {
    /// The group of everything that no group names.
    pub const OTHER: Self = Self(0);

    /// Index into the configured groups, `None` for `other`.
    pub fn configured(self) -> Option<usize> {
        usize::from(self.0).checked_sub(1)
    }

    /// A small integer that identifies it within one classifier.
    pub fn index(self) -> u16 {
        self.0
    }
}

/// One entry for every port number.
#[derive(Debug)]
pub(super) struct PortTable {
    /// Of every number, and behind them of what is none.
    groups: Box<[GroupId; NO_PORT + 1]>,
    /// All bits where the source port is looked at, else none (semantics 5.2).
    source: u16,
    bits: u32,
}

const NO_PORT: usize = 1 << 16;

impl PortTable {
    pub(super) fn new(groups: &[PortGroup], port_match: PortMatch) -> Self {
        let mut table = Box::new([GroupId::OTHER; NO_PORT + 1]);
        for (at, group) in groups.iter().enumerate() {
            // No port is in two groups, so there are at most 65,536 of them with a port.
            let id = GroupId(u16::try_from(at + 1).unwrap_or(u16::MAX));
            for port in group.ports.iter().cloned().flatten() {
                table[usize::from(port)] = id;
            }
        }
        let most = table.iter().map(|group| group.0).max().unwrap_or(0);
        let source = if port_match == PortMatch::Either { u16::MAX } else { 0 };
        Self { groups: table, source, bits: u16::BITS - most.leading_zeros() }
    }

    /// Bits that hold the number of every group.
    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    pub(super) fn find(&self, source: Option<u16>, destination: Option<u16>) -> GroupId {
        let cell = |port: Option<u16>| port.map_or(-1, i64::from);
        self.find_cells(cell(source), cell(destination))
    }

    /// Finds the group of numbers that may be null: those have none (semantics 5.1). Always looks
    /// up both: which of them decides cannot be foreseen, half of all records are replies.
    #[inline]
    pub(super) fn find_cells(&self, source: i64, destination: i64) -> GroupId {
        let group = |port: i64| self.groups[(port.cast_unsigned() as usize).min(NO_PORT)];
        let (source, destination) = (group(source).0 & self.source, group(destination).0);
        GroupId(if destination == 0 { source } else { destination })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destination_first_then_source_where_either_matches() {
        let groups = [
            PortGroup { name: "http".into(), ports: vec![4101..=4107, 80..=80] },
            PortGroup { name: "edge".into(), ports: vec![0..=0, 65535..=65535] },
        ];
        let either = PortTable::new(&groups, PortMatch::Either);
        let only = PortTable::new(&groups, PortMatch::Destination);
        for (source, destination, with_either, with_destination) in [
            (Some(50000), Some(4101), Some(0), Some(0)),
            (Some(4107), Some(50000), Some(0), None),
            (Some(4108), Some(4100), None, None),
            (Some(4101), Some(65535), Some(1), Some(1)),
            (Some(80), None, Some(0), None),
            (None, Some(0), Some(1), Some(1)),
            (None, None, None, None),
        ] {
            assert_eq!(either.find(source, destination).configured(), with_either);
            assert_eq!(only.find(source, destination).configured(), with_destination);
        }
    }
}
