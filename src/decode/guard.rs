//! What is checked of a Parquet object before any of its data is decoded.
//!
//! Takes nothing from the footer on trust: sizes and places that it claims are compared with the object that is there.
//! Refuses to know what the columns mean. Invariant: after [`chunks`] every column chunk that will be read lies
//! inside the object and has a value for each row, and what it claims to become is within the limit; after [`PageGuard`]
//! so has every page, and what is held at a time is bounded too. That pages become what they claim is seen to when
//! they are decompressed.

use std::ops::Range;

use ::parquet::{
    basic::CompressionCodec,
    file::metadata::{ColumnChunkMetaData, ParquetMetaData},
};
use bytes::Bytes;

use super::{
    DecodeError, DecodeLimits, Input,
    pages::{Column, Pages, is_always_compressed, walk},
    quarantine, refuse,
};
use crate::{limits, model::QuarantineReason};

const MAGIC: &[u8] = b"PAR1";
const MAGIC_ENCRYPTED: &[u8] = b"PARE";

/// Bytes after the footer: its length and the magic.
pub const TAIL_BYTES: u64 = 8;

/// Whether an object that begins or ends with these four bytes is Parquet, encrypted or not.
pub fn is_parquet(magic: &[u8]) -> bool {
    magic == MAGIC || magic == MAGIC_ENCRYPTED
}

/// Where the first magic is.
pub(super) const HEAD: Range<u64> = 0..4;

/// Refuses an object that ends like Parquet and does not begin like it.
pub(super) fn begins_like_parquet(input: &Input) -> Result<(), DecodeError> {
    let head = input.range(HEAD);
    let head = head.ok_or_else(|| refuse(QuarantineReason::Corrupt, "its first bytes are not there"))?;
    if &head[..] == MAGIC {
        return Ok(());
    }
    let detail = format!(
        "ends like Parquet but begins with the bytes {:02x?}: overwritten or put together",
        &head[..]
    );
    Err(refuse(QuarantineReason::Corrupt, detail))
}

/// The refusal of what is encrypted inside the file. What S3 encrypts arrives as it was.
pub(super) fn is_encrypted(what: &str) -> DecodeError {
    let detail =
        format!("{what} encrypted: write the file without Parquet's own encryption, that of S3 is enough");
    refuse(QuarantineReason::Format, detail)
}

/// Where the footer is, from the last bytes of an object. Refuses an encrypted one, one that is cut short, and a
/// footer that cannot be.
pub fn footer_range(tail: &[u8], object_len: u64) -> Result<Range<u64>, DecodeError> {
    let corrupt = |detail: String| refuse(QuarantineReason::Corrupt, detail);
    let Some((_, tail)) = tail.split_last_chunk::<{ TAIL_BYTES as usize }>() else {
        return Err(corrupt(format!("an object of {object_len} bytes has no footer")));
    };
    let [a, b, c, d, magic @ ..] = *tail;
    if magic == MAGIC_ENCRYPTED {
        return Err(is_encrypted("the footer is"));
    }
    if magic != MAGIC {
        return Err(corrupt("begins like Parquet but does not end like it: cut short".to_string()));
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    if footer > limits::PARQUET_FOOTER_BYTES {
        let most = limits::PARQUET_FOOTER_BYTES;
        return Err(refuse(
            QuarantineReason::TooLarge,
            format!("a footer of {footer} bytes, more than {most}"),
        ));
    }
    let end = object_len.saturating_sub(TAIL_BYTES);
    match end.checked_sub(footer) {
        Some(start) if start >= MAGIC.len() as u64 => Ok(start..end),
        _ => Err(corrupt(format!("a footer of {footer} bytes in an object of {object_len}"))),
    }
}

/// The bytes of the footer.
pub fn footer(input: &Input) -> Result<Bytes, DecodeError> {
    let len = input.len();
    let missing = || refuse(QuarantineReason::Corrupt, "the footer is not there");
    let tail = input.range(len.saturating_sub(TAIL_BYTES)..len).ok_or_else(missing)?;
    input.range(footer_range(&tail, len)?).ok_or_else(missing)
}

/// The bytes that a column chunk says it occupies. Writers that have no dictionary page may give its offset as 0 or
/// as that of the first data page.
pub fn chunk_range(chunk: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let data = chunk.data_page_offset();
    let start = chunk.dictionary_page_offset().filter(|offset| (1..data).contains(offset)).unwrap_or(data);
    let start = u64::try_from(start).ok()?;
    Some(start..start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?)
}

/// Checks row counts and all chunks of the columns that will be read. `data_end` is where the footer begins.
pub fn chunks(
    meta: &ParquetMetaData,
    leaves: &[usize],
    data_end: u64,
    limits: &DecodeLimits,
) -> Result<(), DecodeError> {
    let corrupt = |detail: String| Err(refuse(QuarantineReason::Corrupt, detail));
    let mut rows: u64 = 0;
    let mut decompressed: u64 = 0;
    let mut compressed: u64 = 0;
    for (number, group) in meta.row_groups().iter().enumerate() {
        match u64::try_from(group.num_rows()).ok().and_then(|count| rows.checked_add(count)) {
            Some(sum) => rows = sum,
            None => return corrupt(format!("row group {number} has {} rows", group.num_rows())),
        }
        // Nothing is read of a group without rows, and writers put anything into its chunks.
        let read = if group.num_rows() > 0 { leaves } else { &[] };
        for leaf in read {
            let Some(chunk) = group.columns().get(*leaf) else {
                return corrupt(format!("row group {number} has no column {leaf}"));
            };
            let place = || format!("column {} of row group {number}", chunk.column_path().string());
            codec(chunk.compression_codec(), place)?;
            if chunk.num_values() != group.num_rows() {
                let (values, rows) = (chunk.num_values(), group.num_rows());
                return corrupt(format!("{} has {values} values for {rows} rows", place()));
            }
            if chunk.file_path().is_some_and(|path| !path.is_empty()) {
                return Err(refuse(QuarantineReason::Format, format!("{} is in another file", place())));
            }
            match chunk_range(chunk) {
                Some(range) if range.start >= MAGIC.len() as u64 && range.end <= data_end => {
                    compressed = compressed.saturating_add(range.end - range.start);
                }
                _ => return corrupt(format!("{} lies outside the object", place())),
            }
            // Else the same bytes could be fetched and decompressed a hundred thousand times.
            if compressed > data_end {
                return corrupt(format!("{} shares its bytes with others", place()));
            }
            let size = u64::try_from(chunk.uncompressed_size());
            match size.ok().and_then(|size| decompressed.checked_add(size)) {
                Some(sum) => decompressed = sum,
                None => return corrupt(format!("{} has an impossible size", place())),
            }
        }
    }
    if u64::try_from(meta.file_metadata().num_rows()) != Ok(rows) {
        let claimed = meta.file_metadata().num_rows();
        return corrupt(format!("the footer claims {claimed} rows, its row groups {rows}"));
    }
    within(decompressed.max(rows.saturating_mul(limits::RECORD_BYTES)), limits)
}

fn within(decompressed: u64, limits: &DecodeLimits) -> Result<(), DecodeError> {
    if decompressed <= limits.decompressed_bytes {
        return Ok(());
    }
    let most = limits.decompressed_bytes;
    let detail =
        format!("decompresses to {decompressed} bytes, more than limits.decompressed_bytes = {most}");
    Err(refuse(QuarantineReason::TooLarge, detail))
}

/// The pages of a chunk that [`chunks`] has let through.
pub(super) fn chunk_pages(
    meta: &ParquetMetaData,
    chunk: &ColumnChunkMetaData,
    input: &Input,
) -> Result<(Column, Pages), DecodeError> {
    let bytes = chunk_range(chunk).and_then(|range| input.range(range));
    let bytes = bytes.ok_or_else(|| {
        let name = chunk.column_path().string();
        refuse(QuarantineReason::Corrupt, format!("column {name} was not fetched"))
    })?;
    let column = Column::of(chunk, is_always_compressed(meta.file_metadata().created_by()));
    Ok((column, Pages::new(column, bytes, u64::try_from(chunk.num_values()).unwrap_or(0))))
}

/// Checks the headers of the pages that will be read, row group by row group.
#[derive(Debug)]
pub(super) struct PageGuard {
    limits: DecodeLimits,
    decompressed: u64,
}

impl PageGuard {
    pub(super) fn new(limits: &DecodeLimits) -> Self {
        Self { limits: *limits, decompressed: 0 }
    }

    /// Checks the next row group; says whether all its pages are [usual](super::pages::Cost::usual).
    pub(super) fn check(
        &mut self,
        meta: &ParquetMetaData,
        number: usize,
        leaves: &[usize],
        input: &Input,
    ) -> Result<bool, DecodeError> {
        let group = meta.row_group(number);
        let (mut open, mut usual) = (0_u64, true);
        // Nothing is read of a group without rows.
        let read = if group.num_rows() > 0 { leaves } else { &[] };
        for leaf in read {
            let chunk = group.column(*leaf);
            let (_, pages) = chunk_pages(meta, chunk, input)?;
            let cost = walk(pages).map_err(|why| {
                let name = chunk.column_path().string();
                let detail = format!("column {name} of row group {number}: {}", why.detail);
                DecodeError::Quarantine(quarantine(why.reason, detail))
            })?;
            self.decompressed = self.decompressed.saturating_add(cost.bytes);
            open = open.saturating_add(cost.open);
            usual &= cost.usual;
        }
        within(self.decompressed, &self.limits)?;
        if open > limits::PARQUET_OPEN_BYTES {
            let most = limits::PARQUET_OPEN_BYTES;
            let detail = format!("row group {number} needs {open} bytes at a time, more than {most}");
            return Err(refuse(QuarantineReason::TooLarge, detail));
        }
        Ok(usual)
    }
}

fn codec(codec: CompressionCodec, place: impl Fn() -> String) -> Result<(), DecodeError> {
    match codec {
        CompressionCodec::UNCOMPRESSED
        | CompressionCodec::SNAPPY
        | CompressionCodec::GZIP
        | CompressionCodec::ZSTD
        | CompressionCodec::LZ4
        | CompressionCodec::LZ4_RAW
        | CompressionCodec::BROTLI => Ok(()),
        other => {
            let detail =
                format!("codec {other} of {} is not read: write it as GZIP, SNAPPY or ZSTD", place());
            Err(refuse(QuarantineReason::Format, detail))
        }
    }
}
