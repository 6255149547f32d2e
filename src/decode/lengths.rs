//! The lengths of text in a page, before it is decoded.
//!
//! Refuses to look at the text. Invariant: in a page that passes no value is longer than
//! [`limits::PARQUET_VALUE_BYTES`], and no list of lengths is longer than the page has values. Encodings are those of
//! `Encodings.md` of the Parquet format; an error is a text for a person.

use super::thrift::{Compact, Malformed};
use crate::limits;

const MOST: usize = limits::PARQUET_VALUE_BYTES;

/// `PLAIN`: each length before its value.
pub(super) fn plain(mut text: &[u8]) -> Result<(), String> {
    while let Some((length, rest)) = text.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        text = match rest.get(length..) {
            Some(next) if length <= MOST => next,
            Some(_) => return Err(too_long(length as u64)),
            None => return Err("a value that ends beyond its page".to_string()),
        };
    }
    if text.is_empty() { Ok(()) } else { Err("a page that ends within a length".to_string()) }
}

/// `DELTA_LENGTH_BYTE_ARRAY`: all lengths, then all values.
pub(super) fn delta_lengths(text: &[u8], values: usize) -> Result<(), String> {
    let mut sum = 0;
    let end = delta(text, values, |length| {
        let length = in_bounds(length)?;
        sum += length;
        Ok(())
    })?;
    if sum > text.len().saturating_sub(end) {
        return Err("a value that ends beyond its page".to_string());
    }
    Ok(())
}

/// `DELTA_BYTE_ARRAY`: how much of the value before is kept, then what is new, as above.
pub(super) fn delta_prefixes(text: &[u8], values: usize) -> Result<(), String> {
    let mut prefixes = Vec::new();
    let end = delta(text, values, |length| {
        prefixes.push(in_bounds(length)?);
        Ok(())
    })?;
    let suffixes = text.get(end..).ok_or("a page that ends within its lengths")?;
    let mut prefixes = prefixes.into_iter();
    let (mut before, mut sum) = (0, 0);
    let end = delta(suffixes, values, |length| {
        let (Some(prefix), suffix) = (prefixes.next(), in_bounds(length)?) else {
            return Err("more suffixes than prefixes".to_string());
        };
        if prefix > before {
            return Err("a prefix longer than the value before".to_string());
        }
        before = prefix + suffix;
        sum += suffix;
        in_bounds(before as i64).map(|_| ())
    })?;
    if sum > suffixes.len().saturating_sub(end) {
        return Err("a value that ends beyond its page".to_string());
    }
    Ok(())
}

fn in_bounds(length: i64) -> Result<usize, String> {
    match usize::try_from(length) {
        Ok(length) if length <= MOST => Ok(length),
        Ok(length) => Err(too_long(length as u64)),
        Err(_) => Err("a negative length".to_string()),
    }
}

fn too_long(length: u64) -> String {
    format!("a text of {length} bytes, more than {MOST}")
}

/// `DELTA_BINARY_PACKED` integers of 32 bits, at most `most` of them; says where the bytes end that belong to them.
fn delta(
    bytes: &[u8],
    most: usize,
    mut each: impl FnMut(i64) -> Result<(), String>,
) -> Result<usize, String> {
    let malformed = |error: Malformed| format!("lengths: {error}");
    let mut reader = Compact::new(bytes);
    let block = reader.varint().map_err(malformed)?;
    let miniblocks = reader.varint().map_err(malformed)?;
    let count = reader.varint().map_err(malformed)?;
    let first = reader.zigzag().map_err(malformed)?;
    if miniblocks == 0 || block % 128 != 0 || block % miniblocks != 0 || (block / miniblocks) % 32 != 0 {
        return Err(format!("lengths in blocks of {block} by {miniblocks}"));
    }
    if count > most as u64 {
        return Err(format!("{count} lengths of {most} values"));
    }
    if count == 0 {
        return Ok(reader.offset());
    }
    let mut left = count - 1;
    let mut value = first as i32;
    each(i64::from(value))?;
    let mut at = reader.offset();
    while left > 0 {
        let mut reader = Compact::new(&bytes[at..]);
        let least = reader.zigzag().map_err(malformed)?;
        at += reader.offset();
        let ended = || "a page that ends within its lengths".to_string();
        let widths_end =
            usize::try_from(miniblocks).ok().and_then(|size| at.checked_add(size)).ok_or_else(ended)?;
        let widths = bytes.get(at..widths_end).ok_or_else(ended)?;
        at = widths_end;
        for width in widths {
            if left == 0 {
                break;
            }
            if *width > 32 {
                return Err(format!("lengths of {width} bits"));
            }
            let mini = block / miniblocks;
            let mut bits = Bits { bytes: &bytes[at..], at: 0 };
            for _ in 0..left.min(mini) {
                let more = bits.take(u32::from(*width)).ok_or_else(ended)?;
                value = value.wrapping_add(least as i32).wrapping_add(more.cast_signed());
                each(i64::from(value))?;
            }
            left -= left.min(mini);
            // The last miniblock may lack its padding.
            let size = usize::try_from(u64::from(*width) * mini / 8).map_err(|_| ended())?;
            at = at.saturating_add(size).min(bytes.len());
        }
    }
    Ok(at)
}

/// Numbers of a few bits each, lowest bits first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: u64,
}

impl Bits<'_> {
    fn take(&mut self, width: u32) -> Option<u32> {
        if width == 0 {
            return Some(0);
        }
        let end = self.at + u64::from(width);
        let first = usize::try_from(self.at / 8).ok()?;
        let bytes = self.bytes.get(first..usize::try_from(end.div_ceil(8)).ok()?)?;
        let all = bytes.iter().rev().fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
        let value = (all >> (self.at % 8)) & ((1 << width) - 1);
        self.at = end;
        u32::try_from(value).ok()
    }
}
