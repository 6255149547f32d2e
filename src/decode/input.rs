//! The bytes of an object, or those of its parts that are wanted.
//!
//! Invariant: a byte that was not fetched is an error when it is read. It is never a zero.

use std::{collections::BTreeMap, fmt, io, ops::Range, sync::Arc};

use ::parquet::{
    errors::ParquetError,
    file::reader::{ChunkReader, Length},
};
use bytes::{Buf as _, Bytes, BytesMut};

use super::guard;
use crate::limits;

/// An object as it was fetched. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Input {
    /// All of it.
    Whole(Bytes),
    /// Parts of it.
    Sparse(SparseBytes),
    /// None of it yet.
    Parts(Arc<dyn Parts>),
}

/// An object whose parts are fetched as they are read, so that memory does not follow its size. Blocks while it does.
pub trait Parts: fmt::Debug + Send + Sync {
    /// Size of the whole object in bytes.
    fn object_len(&self) -> u64;

    /// The bytes of a range inside the object. `None`: they cannot be had. Why is known to whoever made this, who must
    /// not believe what is read from then on.
    fn get(&self, range: Range<u64>) -> Option<Bytes>;

    /// Says which ranges will be asked for next, so that they can be on their way by then. What was said before is
    /// wanted no more. It may be left undone.
    fn expect(&self, _ranges: &[Range<u64>]) {}
}

/// Some ranges of an object. They may touch, they do not overlap.
#[derive(Debug, Clone, Default)]
pub struct SparseBytes {
    /// Size of the whole object in bytes.
    pub len: u64,
    /// What was fetched, by offset.
    pub chunks: BTreeMap<u64, Bytes>,
}

impl SparseBytes {
    /// What was fetched from an offset on, up to the end of its chunk; `None` where nothing was.
    fn from(&self, offset: u64) -> Option<Bytes> {
        let (start, chunk) = self.chunks.range(..=offset).next_back()?;
        let skip = usize::try_from(offset - start).ok()?;
        (skip < chunk.len()).then(|| chunk.slice(skip..))
    }

    fn range(&self, range: Range<u64>) -> Option<Bytes> {
        let want = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        if want == 0 {
            return Some(Bytes::new());
        }
        let first = self.from(range.start)?;
        if first.len() >= want {
            return Some(first.slice(..want));
        }
        // Only where two requests met; the buffer grows with what is there, not with what is claimed.
        let mut joined = BytesMut::from(&first[..]);
        while joined.len() < want {
            let next = self.from(range.start + joined.len() as u64)?;
            joined.extend_from_slice(&next[..next.len().min(want - joined.len())]);
        }
        Some(joined.freeze())
    }
}

impl Input {
    /// Size of the whole object in bytes, fetched or not.
    pub fn len(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Sparse(sparse) => sparse.len,
            Self::Parts(parts) => parts.object_len(),
        }
    }

    /// Whether the object has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of a range, or `None` when any of them is outside the object or was not fetched.
    pub fn range(&self, range: Range<u64>) -> Option<Bytes> {
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        match self {
            Self::Whole(bytes) => {
                Some(bytes.slice(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?))
            }
            Self::Sparse(sparse) => sparse.range(range),
            Self::Parts(parts) => {
                let size = range.end - range.start;
                parts.get(range).filter(|bytes| bytes.len() as u64 == size)
            }
        }
    }

    /// These ranges of an object that is read in parts, as one that is in memory; one that is there stays as it is. `None`
    /// when they cannot be had.
    pub(super) fn load(&self, ranges: Vec<Range<u64>>) -> Option<Self> {
        let Self::Parts(_) = self else { return Some(self.clone()) };
        let chunks = coalesced(ranges).into_iter().map(|range| Some((range.start, self.range(range)?)));
        Some(Self::Sparse(SparseBytes { len: self.len(), chunks: chunks.collect::<Option<_>>()? }))
    }

    /// Says that these ranges will be loaded next. Those that are outside the object are told of when they are.
    pub(super) fn expect(&self, ranges: Vec<Range<u64>>) {
        if let Self::Parts(parts) = self
            && ranges.iter().all(|range| range.start <= range.end && range.end <= self.len())
        {
            parts.expect(&coalesced(ranges));
        }
    }

    /// Whether it is fetched as it is read.
    pub(super) fn is_in_parts(&self) -> bool {
        matches!(self, Self::Parts(_))
    }

    /// The first four bytes, fewer of a smaller object; `None` when they were not fetched and the end is Parquet's.
    pub fn magic(&self) -> Option<Bytes> {
        // The end is read first of what ends like Parquet.
        if self.is_in_parts()
            && self.range(self.len().saturating_sub(4)..self.len()).is_some_and(|end| guard::is_parquet(&end))
        {
            return None;
        }
        self.range(0..self.len().min(4))
    }

    /// Reads from an offset to the end of the object; a hole on the way is an error.
    pub fn reader(&self, offset: u64) -> InputReader {
        InputReader { input: self.clone(), offset, at_hand: Bytes::new() }
    }
}

/// The requests for some ranges: small gaps are fetched along.
fn coalesced(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut requests: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match requests.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(limits::COALESCE_GAP_BYTES) => {
                last.end = last.end.max(range.end);
            }
            _ => requests.push(range),
        }
    }
    requests
}

/// Reads an [`Input`] in order.
#[derive(Debug)]
pub struct InputReader {
    input: Input,
    offset: u64,
    at_hand: Bytes,
}

impl io::Read for InputReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at_hand = io::BufRead::fill_buf(self)?;
        let size = buffer.len().min(at_hand.len());
        buffer[..size].copy_from_slice(&at_hand[..size]);
        io::BufRead::consume(self, size);
        Ok(size)
    }
}

/// Nothing is copied: what was fetched is the buffer.
impl io::BufRead for InputReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at_hand.is_empty() && self.offset < self.input.len() {
            let next = match &self.input {
                Input::Whole(bytes) => usize::try_from(self.offset).ok().map(|offset| bytes.slice(offset..)),
                Input::Sparse(sparse) => sparse.from(self.offset),
                Input::Parts(_) => {
                    let part =
                        |from: u64| from..from.saturating_add(limits::PART_BYTES).min(self.input.len());
                    let this = part(self.offset);
                    let next = part(this.end);
                    let bytes = self.input.range(this);
                    if !next.is_empty() {
                        self.input.expect(std::iter::once(next).collect());
                    }
                    bytes
                }
            };
            self.at_hand = next.ok_or_else(|| io::Error::other(hole(self.offset)))?;
            self.offset += self.at_hand.len() as u64;
        }
        Ok(&self.at_hand)
    }

    fn consume(&mut self, amount: usize) {
        self.at_hand.advance(amount);
    }
}

/// Reads nothing.
impl Default for InputReader {
    fn default() -> Self {
        Input::Whole(Bytes::new()).reader(0)
    }
}

fn hole(offset: u64) -> String {
    format!("byte {offset} belongs to no column that is read")
}

impl Length for Input {
    fn len(&self) -> u64 {
        self.len()
    }
}

impl ChunkReader for Input {
    type T = InputReader;

    fn get_read(&self, start: u64) -> Result<InputReader, ParquetError> {
        Ok(self.reader(start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.len());
        let end = end.ok_or_else(|| {
            ParquetError::EOF(format!("{length} bytes at {start} of an object of {} bytes", self.len()))
        })?;
        self.range(start..end).ok_or_else(|| ParquetError::General(hole(start)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, Read as _};

    use super::*;

    fn sparse() -> Input {
        let chunks = [(2, "cde"), (5, "fg"), (9, "j")].map(|(at, text)| (at, Bytes::from(text)));
        Input::Sparse(SparseBytes { len: 12, chunks: chunks.into() })
    }

    #[test]
    fn only_fetched_bytes_can_be_read() {
        let input = sparse();
        assert_eq!(input.len(), 12);
        assert_eq!(input.range(2..5).as_deref(), Some(&b"cde"[..]));
        assert_eq!(input.range(3..7).as_deref(), Some(&b"defg"[..]), "touching chunks are one");
        assert_eq!(input.range(9..10).as_deref(), Some(&b"j"[..]));
        assert_eq!(input.range(4..4).as_deref(), Some(&b""[..]));
        for hole in [0..1, 1..3, 6..8, 7..8, 8..10, 10..12, 11..13, 12..13] {
            assert_eq!(input.range(hole.clone()), None, "{hole:?}");
        }
        assert_eq!(input.magic(), None);
        assert!(input.get_bytes(6, 2).is_err());
        assert!(input.get_bytes(u64::MAX, 2).is_err());
        assert!(input.get_bytes(0, usize::MAX).is_err());
    }

    #[test]
    fn a_reader_stops_at_a_hole_with_an_error() {
        let mut text = String::new();
        let error = sparse().reader(3).read_to_string(&mut text).unwrap_err();
        assert_eq!(text, "defg");
        assert!(error.to_string().contains("byte 7"), "{error}");
        let mut all = String::new();
        Input::Whole(Bytes::from("abc")).reader(1).read_to_string(&mut all).unwrap();
        assert_eq!(all, "bc");
        assert_eq!(Input::Whole(Bytes::from("abc")).reader(7).read(&mut [0; 4]).unwrap(), 0);
    }

    #[test]
    fn chunks_are_read_where_they_lie() {
        let mut reader = sparse().reader(3);
        assert_eq!(reader.fill_buf().unwrap(), b"de");
        reader.consume(1);
        assert_eq!(reader.fill_buf().unwrap(), b"e");
        reader.consume(1);
        assert_eq!(reader.fill_buf().unwrap(), b"fg", "the next chunk");
        assert_eq!(InputReader::default().fill_buf().unwrap(), b"");
    }

    #[test]
    fn whole_objects_have_all_their_ranges_and_no_more() {
        let input = Input::Whole(Bytes::from("abc"));
        assert_eq!(input.range(1..3).as_deref(), Some(&b"bc"[..]));
        assert_eq!(input.range(1..4), None);
        assert_eq!(input.magic().as_deref(), Some(&b"abc"[..]));
    }
}
