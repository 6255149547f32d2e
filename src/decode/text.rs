//! Gzip text to batches: a header line of names, then one record a line.
//!
//! Fields are parted by single spaces and bound by the names of the header; a line with another number of them is a
//! malformed record. Blank lines are none. A header may come again, as in files that were put together, and may
//! name other columns then. Refuses to know what a field means. Invariant: whatever the object becomes when it is
//! decompressed, a fixed amount of it is held at a time.

mod gunzip;
mod header;
mod lines;
mod table;

#[cfg(test)]
mod tests;

use gunzip::Gunzip;
use header::Look;
pub(super) use header::names_of_flow_logs;
use lines::{Line, Lines};
use table::Table;

use super::{ColumnSet, DecodeError, DecodeLimits, FlowBatch, Input, IntCell, refuse, sniff};
use crate::{limits, model::QuarantineReason};

/// What a gzip file begins with.
pub const MAGIC: &[u8] = &[0x1f, 0x8b];

/// A gzip text object that is being read.
#[derive(Debug)]
pub struct TextReader {
    lines: Lines,
    columns: ColumnSet,
    /// `None`: there is not even a header.
    table: Option<Table>,
    /// What binds the records from here on, when a header came in the middle of a batch.
    next: Option<Table>,
    headers: Headers,
    first_row: u64,
}

impl TextReader {
    /// Reads the header.
    pub(super) fn open(input: Input, limits: &DecodeLimits) -> Result<Self, DecodeError> {
        let mut lines = Lines::new(Gunzip::new(&input, limits.decompressed_bytes));
        // Before there is a line: JSON may be one without an end.
        if let Some(other) = sniff::document(lines.head()?) {
            return Err(refuse(QuarantineReason::Format, format!("gzip, and in it {other}")));
        }
        let table = match lines.next(Table::are_headers)? {
            None => None,
            Some(line) => Some(Table::of_first_line(line.text)?),
        };
        let columns = table.as_ref().map(Table::columns).unwrap_or_default();
        Ok(Self { lines, columns, table, next: None, headers: Headers(1), first_row: 0 })
    }

    pub(super) fn columns(&self) -> &ColumnSet {
        &self.columns
    }

    pub(super) fn next_batch(&mut self) -> Result<Option<FlowBatch>, DecodeError> {
        let Some(mut table) = self.next.take().or_else(|| self.table.take()) else { return Ok(None) };
        let mut text = 0;
        while table.rows() < limits::BATCH_ROWS && text < limits::BATCH_TEXT_BYTES {
            let Some(line) = self.lines.next(|line, next| table.ends_before(line, next))? else { break };
            let bytes = table.split(line.text);
            // A header among the records is never taken for one of them: what it has for `bytes` is a name.
            if matches!(bytes, None | Some(IntCell::Bad)) {
                if table.is_bound_by(line.text) {
                    continue;
                }
                match header::look(line.text) {
                    Look::Record => {}
                    Look::Fragment => {
                        let detail = format!("line {}: a header that is not whole", line.number);
                        return Err(refuse(QuarantineReason::Corrupt, detail));
                    }
                    Look::Header => {
                        let next = self.headers.bind(line)?;
                        if table.rows() == 0 {
                            table = next;
                            continue;
                        }
                        self.next = Some(next);
                        break;
                    }
                }
            }
            text += line.text.len();
            match bytes {
                Some(bytes) => table.push(line.text, bytes),
                None => table.push_malformed(),
            }
        }
        if table.rows() == 0 {
            return Ok(None);
        }
        self.columns = table.columns();
        let batch = table.take(self.first_row);
        self.first_row += batch.rows as u64;
        self.table = Some(table);
        Ok(Some(batch))
    }
}

/// How many different headers there were in a row.
#[derive(Debug)]
struct Headers(u32);

impl Headers {
    fn bind(&mut self, line: Line<'_>) -> Result<Table, DecodeError> {
        self.0 += 1;
        if self.0 > limits::TEXT_HEADERS {
            let detail = format!("line {}: one header more than {}", line.number, limits::TEXT_HEADERS);
            return Err(refuse(QuarantineReason::Corrupt, detail));
        }
        Table::of_later_header(line)
    }
}
