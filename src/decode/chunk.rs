//! One column chunk to one column, for the encodings that nearly all files have: values as they are or as places in a
//! dictionary, definition levels as run lengths.
//!
//! The general reader of the library goes by way of Arrow's arrays; from here a dictionary reaches the batches as it is
//! in the file. Refuses to know more encodings and types: [`parquet`](super::parquet) gives those to the
//! library. Invariant: what both give is the same; what is not sound may be refused by one of them only.

use std::ops::Range;

use super::{
    IntColumn,
    builder::{Builder, Check, Run, Texts},
    hybrid::Hybrid,
    lengths,
    pages::{Column, Content, Header, Pages},
    quarantine, unpack,
};
use crate::{
    limits,
    model::{Quarantine, QuarantineReason},
};
use ::parquet::basic::{Encoding, Type as PhysicalType};

/// A chunk that is being read.
#[derive(Debug)]
pub(super) struct Chunk {
    column: Column,
    pages: Pages,
    page: Option<Page>,
    /// The bytes of the page, decompressed.
    bytes: Vec<u8>,
    text: Text,
    /// Whether it begins with a dictionary.
    dictionary_page: bool,
    /// Of a column of integers.
    dictionary: IntColumn,
    /// Places in the dictionary, while they are looked up.
    places: Vec<u32>,
    /// What is there of the rows that are being read.
    runs: Vec<Run>,
}

/// What text may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// Annotated as such: UTF-8.
    Utf8,
    /// Any bytes.
    Bytes,
}

impl Text {
    fn check(self) -> Check {
        fn length(text: &[u8]) -> Result<(), String> {
            const MOST: usize = limits::PARQUET_VALUE_BYTES;
            if text.len() <= MOST { Ok(()) } else { Err(lengths::too_long(text.len() as u64)) }
        }
        match self {
            Self::Utf8 => |text| {
                length(text)?;
                std::str::from_utf8(text).map(|_| ()).map_err(|_| "a text that is no UTF-8".to_string())
            },
            Self::Bytes => length,
        }
    }
}

/// A data page, decompressed.
#[derive(Debug)]
struct Page {
    left: usize,
    /// Values that are left which may be there: a page of version 2 says how many are not.
    present: usize,
    /// `None`: every value is there.
    levels: Option<Hybrid>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Places(Hybrid),
    /// From here to the end of the page.
    Plain(usize),
}

impl Chunk {
    /// Begins a chunk. `bytes` is what another [gave back](Self::into_bytes), or nothing.
    pub(super) fn new(column: Column, pages: Pages, text: Text, bytes: Vec<u8>) -> Self {
        let dictionary_page = pages.begin_with_dictionary();
        let (dictionary, places, runs) = (IntColumn::default(), Vec::new(), Vec::new());
        Self { column, pages, page: None, bytes, text, dictionary_page, dictionary, places, runs }
    }

    /// The memory of its pages, for the next chunk, unless it is much.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        if self.bytes.capacity() <= limits::PARQUET_KEPT_BYTES { self.bytes } else { Vec::new() }
    }

    /// Whether it has no dictionary.
    pub(super) fn is_plain(&self) -> bool {
        !self.dictionary_page
    }

    /// Appends the next rows to a column, which has to be of the chunk's type.
    pub(super) fn read(&mut self, mut rows: usize, into: &mut Builder) -> Result<(), Quarantine> {
        while rows > 0 {
            let mut page = match self.page.take() {
                Some(page) => page,
                None => self.next_page(into)?,
            };
            let most = rows.min(page.left);
            let present = self.present(&mut page, most)?;
            if present > 0 {
                page.present = page
                    .present
                    .checked_sub(present)
                    .ok_or_else(|| corrupt("a page with more values than it has"))?;
                // All at once: between nulls there are few at a time.
                self.values(&mut page, present, into)?;
            }
            if present < most {
                match &mut *into {
                    Builder::Integer(column) => column.spread(&self.runs),
                    other => texts(other)?.spread(&self.runs),
                }
            }
            rows -= most;
            page.left -= most;
            if page.left > 0 {
                self.page = Some(page);
            } else if let Values::Plain(at) = page.values
                && self.column.physical == PhysicalType::BYTE_ARRAY
            {
                // The library looks at what is behind the last value as well.
                lengths::plain(&self.bytes[at..]).map_err(corrupt)?;
            }
        }
        Ok(())
    }

    /// Looks at the levels of the next rows: how many values there are, and in [`Self::runs`] where.
    fn present(&mut self, page: &mut Page, rows: usize) -> Result<usize, Quarantine> {
        let Some(levels) = &mut page.levels else { return Ok(rows) };
        self.runs.clear();
        let (mut left, mut present) = (rows, 0);
        while left > 0 {
            let stretch = levels.stretch(&self.bytes, left);
            let (level, rows) = stretch.ok_or_else(|| corrupt("a page lacks levels"))?;
            if level > 1 {
                return Err(corrupt(unpack::too_high(level)));
            }
            let is_there = level != 0;
            match self.runs.last_mut() {
                Some(last) if last.is_there == is_there => last.rows += rows,
                _ => self.runs.push(Run { is_there, rows }),
            }
            present += if is_there { rows } else { 0 };
            left -= rows;
        }
        Ok(present)
    }

    /// Opens the next data page, and the dictionary before it.
    fn next_page(&mut self, into: &mut Builder) -> Result<Page, Quarantine> {
        loop {
            let (header, body) = self.pages.next()?.ok_or_else(|| corrupt("it lacks values"))?;
            unpack::decompress(&self.column, &header, &body, &mut self.bytes).map_err(corrupt)?;
            match &header.content {
                Content::Dictionary { values, .. } => self.load(*values as usize, into)?,
                Content::Data { .. } | Content::DataV2 { .. } => return self.open(&header),
                Content::Index => return Err(corrupt("an index page among the data")),
            }
        }
    }

    fn load(&mut self, values: usize, into: &mut Builder) -> Result<(), Quarantine> {
        let short = || corrupt("a dictionary that ends too early");
        if let Builder::Integer(_) = into {
            let mut dictionary = IntColumn::with_capacity(values);
            push_integers(self.column.physical, &self.bytes, values, &mut dictionary).ok_or_else(short)?;
            self.dictionary = dictionary;
            return Ok(());
        }
        // Where all bytes are ASCII, the lengths between the texts included, so are the texts.
        let check = if self.bytes.is_ascii() { Text::Bytes } else { self.text }.check();
        // The guard has seen that there is room for so many lengths.
        let mut found: Vec<&[u8]> = Vec::with_capacity(values);
        let mut rest = &self.bytes[..];
        for _ in 0..values {
            // As the library does: it is fewer values then, and a place beyond them is refused.
            if rest.is_empty() {
                break;
            }
            let (text, behind) = lengths::text(rest).map_err(corrupt)?;
            check(text).map_err(corrupt)?;
            found.push(text);
            rest = behind;
        }
        lengths::plain(rest).map_err(corrupt)?;
        texts(into)?.give(&found);
        Ok(())
    }

    fn open(&self, header: &Header) -> Result<Page, Quarantine> {
        let optional = self.column.optional;
        let (levels, at) = match &header.content {
            Content::Data { values, .. } if optional => {
                let end = unpack::level_bytes(Encoding::RLE, *values, &self.bytes).map_err(corrupt)?;
                (Some(4..end), end)
            }
            Content::DataV2 { .. } => (optional.then_some(0..header.level_bytes()), header.level_bytes()),
            _ => (None, 0),
        };
        let Some(values) = self.bytes.get(at..) else {
            return Err(corrupt("a page that ends within its levels"));
        };
        let levels = levels.map(|levels| hybrid(levels, 1)).transpose()?;
        let values = if header.content.needs_dictionary() {
            // A page of nulls may have not even a width.
            let width = values.first().copied().unwrap_or_default();
            Values::Places(hybrid((at + 1).min(self.bytes.len())..self.bytes.len(), width)?)
        } else {
            Values::Plain(at)
        };
        let left = header.content.values() as usize;
        let present = match &header.content {
            Content::DataV2 { nulls, .. } => left.saturating_sub(*nulls as usize),
            _ => left,
        };
        Ok(Page { left, present, levels, values })
    }

    /// Appends values that are there.
    fn values(&mut self, page: &mut Page, count: usize, into: &mut Builder) -> Result<(), Quarantine> {
        match &mut page.values {
            Values::Places(places) => {
                let Self { bytes, dictionary, places: buffer, .. } = self;
                let mut read = 0;
                let inside = match into {
                    Builder::Integer(column) => {
                        buffer.resize(count, 0);
                        read = places.read(bytes, buffer);
                        look_up(dictionary, buffer, column)
                    }
                    other => texts(other)?.push_given(count, &mut |rows| read = places.read(bytes, rows)),
                };
                if read < count {
                    return Err(corrupt("a page lacks values"));
                }
                if inside { Ok(()) } else { Err(corrupt("a value beyond the end of its dictionary")) }
            }
            Values::Plain(at) => {
                let bytes = &self.bytes[*at..];
                *at += match into {
                    Builder::Integer(column) => {
                        let taken = push_integers(self.column.physical, bytes, count, column);
                        taken.ok_or_else(|| corrupt("a page lacks values"))?
                    }
                    other => texts(other)?.push_plain(bytes, count, self.text.check()).map_err(corrupt)?,
                };
                Ok(())
            }
        }
    }
}

/// Appends so many integers, and says how many bytes they took; `None` where there are not as many.
fn push_integers(kind: PhysicalType, bytes: &[u8], count: usize, column: &mut IntColumn) -> Option<usize> {
    let size: usize = if kind == PhysicalType::INT32 { 4 } else { 8 };
    let bytes = bytes.get(..count.checked_mul(size)?)?;
    if kind == PhysicalType::INT32 {
        column.extend(bytes.as_chunks::<4>().0.iter().map(|value| i64::from(i32::from_le_bytes(*value))));
    } else {
        column.extend(bytes.as_chunks::<8>().0.iter().map(|value| i64::from_le_bytes(*value)));
    }
    Some(bytes.len())
}

fn look_up(dictionary: &IntColumn, places: &[u32], column: &mut IntColumn) -> bool {
    let mut inside = true;
    let dictionary = dictionary.cells();
    column.extend_cells(places.iter().map(|place| {
        let value = dictionary.get(*place as usize);
        inside &= value.is_some();
        value.copied().unwrap_or_default()
    }));
    inside
}

fn texts(builder: &mut Builder) -> Result<&mut dyn Texts, Quarantine> {
    builder.texts().ok_or_else(|| corrupt("text among integers"))
}

fn hybrid(part: Range<usize>, width: u8) -> Result<Hybrid, Quarantine> {
    Hybrid::new(part, width).map_err(|_| corrupt(format!("places of {width} bits")))
}

fn corrupt(detail: impl Into<String>) -> Quarantine {
    quarantine(QuarantineReason::Corrupt, detail)
}
