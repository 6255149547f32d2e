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

/// The first text of a `PLAIN` page, of any length, and what is behind it.
pub(super) fn text(page: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (length, behind) = page.split_first_chunk::<4>().ok_or("a page that ends within a length")?;
    let text = behind.split_at_checked(u32::from_le_bytes(*length) as usize);
    text.ok_or_else(|| "a value that ends beyond its page".to_string())
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

pub(super) fn too_long(length: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers by number: a header, then blocks of 128 in four miniblocks of 32, each of one width.
    fn packed(first: i64, least: i64, width: u8, more: &[u32]) -> Vec<u8> {
        let mut out = vec![0x80, 0x01, 4, (more.len() + 1) as u8, zigzag(first)];
        for block in more.chunks(128) {
            out.push(zigzag(least));
            out.extend([width; 4]);
            for mini in block.chunks(32) {
                let mut bits = vec![0_u8; 4 * usize::from(width)];
                for (at, value) in mini.iter().enumerate() {
                    for bit in 0..usize::from(width) {
                        let place = at * usize::from(width) + bit;
                        bits[place / 8] |= ((value >> bit & 1) as u8) << (place % 8);
                    }
                }
                out.extend(bits);
            }
        }
        out
    }

    fn zigzag(value: i64) -> u8 {
        u8::try_from((value << 1) ^ (value >> 63)).unwrap()
    }

    fn read(bytes: &[u8], most: usize) -> Result<(Vec<i64>, usize), String> {
        let mut values = Vec::new();
        let end = delta(bytes, most, |value| {
            values.push(value);
            Ok(())
        })?;
        Ok((values, end))
    }

    #[test]
    fn differences_add_up() {
        for width in [0, 1, 3, 7, 8, 13, 32] {
            let mask = (1_u64 << width) as u32;
            let more: Vec<u32> =
                (0..100_u32).map(|at| at.wrapping_mul(2_654_435_761) & mask.wrapping_sub(1)).collect();
            let mut bytes = packed(5, -3, width, &more);
            let end = bytes.len();
            bytes.extend(b"rest");
            let (values, found) = read(&bytes, 101).unwrap();
            let sums = more.iter().scan(5_i32, |sum, more| {
                *sum = sum.wrapping_add(*more as i32).wrapping_sub(3);
                Some(i64::from(*sum))
            });
            assert_eq!(values, std::iter::once(5).chain(sums).collect::<Vec<_>>(), "{width}");
            assert_eq!(found, end, "{width}");
            assert!(read(&bytes, 100).is_err(), "more than there are values");
        }
    }

    #[test]
    fn streams_that_cannot_be_are_refused() {
        for bytes in [
            &[][..],
            &[0x80, 0x01, 0, 1, 2],          // no miniblocks
            &[0x81, 0x01, 1, 1, 2],          // blocks of 129
            &[0x80, 0x01, 8, 1, 2],          // miniblocks of 16
            &[0x80, 0x01, 4, 2, 2],          // a block that is not there
            &[0x80, 0x01, 4, 2, 2, 0, 9, 9], // two widths of four
            &[0x80, 0x01, 4, 2, 2, 0, 33, 0, 0, 0],
            &[0, 1, 2, 2, 0, 0],
        ] {
            assert!(read(bytes, 100).is_err(), "{bytes:x?}");
        }
        assert_eq!(read(&[0x80, 0x01, 4, 0, 2], 0).unwrap(), (vec![], 5));
        assert_eq!(read(&[0x80, 0x01, 4, 1, 2], 1).unwrap(), (vec![1], 5));
    }

    #[test]
    fn values_stay_inside_their_page_and_below_the_limit() {
        let text = |length: u32, there: usize| [&length.to_le_bytes()[..], &vec![b'x'; there]].concat();
        assert_eq!(plain(&text(256, 256)), Ok(()));
        for (length, there) in [(257, 257), (9, 8), (u32::MAX, 8)] {
            assert!(plain(&text(length, there)).is_err(), "{length}");
        }
        assert!(plain(&[text(3, 3), vec![1, 0]].concat()).is_err());

        let lengths = packed(3, 1, 0, &[0, 0]);
        let with = |bytes: &[u8], there: usize| [bytes, &vec![b'x'; there]].concat();
        assert_eq!(delta_lengths(&with(&lengths, 12), 3), Ok(()));
        assert!(delta_lengths(&with(&lengths, 11), 3).is_err(), "3 + 4 + 5 bytes");
        assert!(delta_lengths(&with(&packed(3, -4, 0, &[0]), 12), 3).is_err(), "negative");
        assert!(delta_lengths(&with(&packed(3, 0, 9, &[254]), 999), 3).is_err(), "257 bytes");

        let prefixes = |prefixes: &[u8], suffixes: &[u8], there| with(&[prefixes, suffixes].concat(), there);
        let keeps = packed(0, 3, 0, &[0, 0]);
        assert!(delta_prefixes(&prefixes(&keeps, &lengths, 12), 3).is_ok(), "3, 3 + 4, 6 + 5");
        assert!(delta_prefixes(&prefixes(&keeps, &lengths, 11), 3).is_err());
        assert!(delta_prefixes(&prefixes(&packed(1, 0, 0, &[0, 0]), &lengths, 12), 3).is_err(), "of nothing");
        assert!(delta_prefixes(&prefixes(&packed(0, 0, 0, &[0]), &lengths, 12), 3).is_err(), "two and three");
    }
}
