//! Lines to columns, under one header.

use super::{
    header::{Look, begins_with_name, look, names},
    lines::Line,
};
use crate::{
    decode::{
        AddrCell, ColumnSet, DecodeError, Field, FlowBatch, IntCell, IntColumn,
        builder::{Builder, begin_anew},
        columns::{Binding, bind},
        field::{Column, Kind},
        interned::Interned,
        refuse, sniff, values,
    },
    limits,
    model::{Quarantine, QuarantineReason},
};

/// Finds where each field begins, and where one more would: fields are a few bytes each, so the spaces of 64 bytes are
/// found at once. Says how many fields there are; `None`: more than there is room for.
fn begin_fields(line: &[u8], starts: &mut [usize]) -> Option<usize> {
    let mut fields = 1;
    let (blocks, rest) = line.as_chunks::<64>();
    let mut last = [0; 64];
    last[..rest.len()].copy_from_slice(rest);
    for (at, block) in blocks.iter().chain([&last]).enumerate() {
        let mut spaces = spaces(block);
        while spaces != 0 {
            *starts.get_mut(fields)? = at * 64 + spaces.trailing_zeros() as usize + 1;
            fields += 1;
            spaces &= spaces - 1;
        }
    }
    *starts.get_mut(fields)? = line.len() + 1;
    Some(fields)
}

/// A bit for each byte, set where it is a space.
fn spaces(block: &[u8; 64]) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const SPACES: u64 = 0x2020_2020_2020_2020;
    let (words, _) = block.as_chunks::<8>();
    words.iter().enumerate().fold(0, |bits, (at, word)| {
        let others = u64::from_le_bytes(*word) ^ SPACES;
        // The highest bit of each byte that is zero, and of no other.
        let zeros = !(((others & LOW) + LOW) | others | LOW);
        // The eight bits come together in the highest byte.
        bits | ((zeros >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (at * 8)
    })
}

/// A batch in the making, and what its lines are bound by.
#[derive(Debug)]
pub(super) struct Table {
    header: Vec<u8>,
    set: ColumnSet,
    /// Where each field of a line begins, and where one more would.
    starts: Vec<usize>,
    bytes_at: usize,
    bytes: IntColumn,
    /// Other numbers.
    integers: Vec<(Field, usize, IntColumn)>,
    /// Those of addresses. They have the same ones, which are remembered together.
    addresses: Vec<(Field, usize, Vec<u32>)>,
    known_addresses: Interned<AddrCell>,
    /// All others.
    columns: Vec<(Field, usize, Builder)>,
    rows: usize,
    /// Empty until the first such row.
    malformed: Vec<bool>,
}

impl Table {
    /// Binds the header of an object.
    pub(super) fn of_first_line(line: &[u8]) -> Result<Self, DecodeError> {
        Self::new(line).map_err(|error| match error {
            DecodeError::Quarantine(why) if look(line) == Look::Record => {
                let what = sniff::without_header(line).unwrap_or(why.detail);
                refuse(why.reason, format!("the first line is not a header: {what}"))
            }
            other => other,
        })
    }

    /// Binds a header among the records.
    pub(super) fn of_later_header(line: Line<'_>) -> Result<Self, DecodeError> {
        let number = line.number;
        Self::new(line.text).map_err(|error| match error {
            DecodeError::Quarantine(Quarantine { reason, detail }) => {
                refuse(reason, format!("line {number}: {detail}"))
            }
            // Not after records that count.
            DecodeError::Ignore(reason) => {
                refuse(QuarantineReason::Schema, format!("line {number}: a {} header", reason.as_str()))
            }
        })
    }

    fn new(header: &[u8]) -> Result<Self, DecodeError> {
        let names = names(header);
        if names.len() > limits::TEXT_COLUMNS {
            let detail = format!("more than {} columns", limits::TEXT_COLUMNS);
            return Err(refuse(QuarantineReason::Schema, detail));
        }
        let Binding { columns, set } = bind(names.iter().map(String::as_str))?;
        let bytes = columns.iter().find(|(field, _)| *field == Field::Bytes);
        let (_, bytes_at) = *bytes.expect("without `bytes` nothing is bound");
        Ok(Self {
            header: header.to_vec(),
            set,
            starts: vec![0; names.len() + 1],
            bytes_at,
            bytes: IntColumn::with_capacity(limits::BATCH_ROWS),
            integers: columns
                .iter()
                .filter(|(field, _)| field.kind().is_integer() && *field != Field::Bytes)
                .map(|(field, at)| (*field, *at, IntColumn::with_capacity(limits::BATCH_ROWS)))
                .collect(),
            addresses: columns
                .iter()
                .filter(|(field, _)| field.kind() == Kind::Address)
                .map(|(field, at)| (*field, *at, Vec::with_capacity(limits::BATCH_ROWS)))
                .collect(),
            known_addresses: Interned::new(values::address),
            columns: columns
                .into_iter()
                .filter(|(field, _)| !field.kind().is_integer() && field.kind() != Kind::Address)
                .map(|(field, at)| (field, at, Builder::new(field)))
                .collect(),
            rows: 0,
            malformed: Vec::new(),
        })
    }

    /// The fields that the header names.
    pub(super) fn columns(&self) -> ColumnSet {
        self.set
    }

    /// Whether this line is the header.
    pub(super) fn is_bound_by(&self, line: &[u8]) -> bool {
        self.header == line
    }

    /// Whether a line is a header and what follows it without a line end another.
    pub(super) fn are_headers(line: &[u8], next: &[u8]) -> bool {
        begins_with_name(next) && Self::new(line).is_ok() && Self::new(next).is_ok()
    }

    /// Whether a line is whole and what follows it without a line end a header: text that was put together from
    /// files whose last lines had no end.
    pub(super) fn ends_before(&mut self, line: &[u8], next: &[u8]) -> bool {
        match self.split(line) {
            // With its first name whole nothing of it can belong to the line before.
            Some(IntCell::Value(_) | IntCell::Null) => {
                begins_with_name(next) && look(next) == Look::Header && look(line) == Look::Record
            }
            Some(IntCell::Bad) | None => self.is_bound_by(line) && Self::are_headers(line, next),
        }
    }

    /// Records of the batch so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Finds the fields of a line. `None`: too many or too few. Else what its `bytes` is.
    pub(super) fn split(&mut self, line: &[u8]) -> Option<IntCell> {
        let fields = self.starts.len() - 1;
        if begin_fields(line, &mut self.starts) != Some(fields) {
            return None;
        }
        Some(values::integer(self.field(line, self.bytes_at)))
    }

    fn field<'l>(&self, line: &'l [u8], at: usize) -> &'l [u8] {
        &line[self.starts[at]..self.starts[at + 1] - 1]
    }

    /// Appends the record that [`Self::split`] has just been given, with what it gave.
    pub(super) fn push(&mut self, line: &[u8], bytes: IntCell) {
        self.bytes.push(bytes);
        for (_, at, cells) in &mut self.integers {
            cells.push(values::integer(&line[self.starts[*at]..self.starts[*at + 1] - 1]));
        }
        for (_, at, index) in &mut self.addresses {
            index.push(self.known_addresses.place(&line[self.starts[*at]..self.starts[*at + 1] - 1]));
        }
        for (_, at, cells) in &mut self.columns {
            cells.push(&line[self.starts[*at]..self.starts[*at + 1] - 1]);
        }
        self.rows += 1;
    }

    /// Appends a line that is no record of these columns.
    pub(super) fn push_malformed(&mut self) {
        self.malformed.resize(self.rows, false);
        self.malformed.push(true);
        self.bytes.push(IntCell::Null);
        for (_, _, cells) in &mut self.integers {
            cells.push(IntCell::Null);
        }
        for (_, _, index) in &mut self.addresses {
            index.push(self.known_addresses.place(b"-"));
        }
        for (_, _, cells) in &mut self.columns {
            cells.push(b"-");
        }
        self.rows += 1;
    }

    /// The batch; the next one begins.
    pub(super) fn take(&mut self, first_row: u64) -> FlowBatch {
        let rows = std::mem::take(&mut self.rows);
        let mut malformed = std::mem::take(&mut self.malformed);
        if !malformed.is_empty() {
            malformed.resize(rows, false);
        }
        let mut batch = FlowBatch { rows, first_row, malformed, ..FlowBatch::default() };
        batch.put(Field::Bytes, Column::Integer(begin_anew(&mut self.bytes)));
        for (field, _, cells) in &mut self.integers {
            batch.put(*field, Column::Integer(begin_anew(cells)));
        }
        for (field, _, index) in &mut self.addresses {
            let index = std::mem::replace(index, Vec::with_capacity(limits::BATCH_ROWS));
            batch.put(*field, Column::Address(self.known_addresses.column(index)));
        }
        self.known_addresses.trim();
        for (field, _, cells) in &mut self.columns {
            batch.put(*field, cells.take());
        }
        batch
    }
}
