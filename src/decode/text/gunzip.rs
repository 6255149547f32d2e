//! The bytes of a gzip object, member after member.
//!
//! Invariant: the end is reported only after the checksum and the length of every member have been verified and nothing
//! but zeros follows the last.

use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

use crate::{
    decode::{DecodeError, Input, InputReader, refuse},
    model::QuarantineReason,
};

/// Decompresses an object.
#[derive(Debug)]
pub(super) struct Gunzip {
    input: InputReader,
    inflate: Decompress,
    at: At,
    /// The one that is being read, from 1.
    member: u64,
    limit: u64,
    /// Bytes that may still come.
    left: u64,
}

/// What comes next.
enum At {
    Header,
    /// With the checksum and the length of what came so far.
    Data(libdeflater::Crc, u32),
    Trailer(libdeflater::Crc, u32),
    /// The next member, or the end.
    Seam,
}

impl std::fmt::Debug for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "Header",
            Self::Data(..) => "Data",
            Self::Trailer(..) => "Trailer",
            Self::Seam => "Seam",
        })
    }
}

/// What a call to [`Gunzip::read`] met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// So many bytes, at least one.
    Bytes(usize),
    /// A member ended and another begins.
    Seam,
    /// The end of the object.
    End,
}

impl Gunzip {
    /// Begins an object that may become `limit` bytes.
    pub(super) fn new(input: &Input, limit: u64) -> Self {
        let inflate = Decompress::new(false);
        Self { input: input.reader(0), inflate, at: At::Header, member: 1, limit, left: limit }
    }

    /// Decompresses into `buffer`, which has room for a byte at least.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Piece, DecodeError> {
        loop {
            match std::mem::replace(&mut self.at, At::Seam) {
                At::Header => {
                    header(&mut self.input).map_err(|error| self.corrupt(&error))?;
                    self.inflate.reset(false);
                    self.at = At::Data(libdeflater::Crc::new(), 0);
                }
                At::Data(mut crc, length) => {
                    let (size, ended) = self.inflate(buffer).map_err(|error| self.corrupt(&error))?;
                    crc.update(&buffer[..size]);
                    let length = length.wrapping_add(size as u32);
                    self.at = if ended { At::Trailer(crc, length) } else { At::Data(crc, length) };
                    if size > 0 {
                        return self.within_limit(size);
                    }
                }
                At::Trailer(crc, length) => {
                    let mut trailer = [0; 8];
                    self.input.read_exact(&mut trailer).map_err(|error| self.corrupt(&error))?;
                    let [a, b, c, d, size @ ..] = trailer;
                    if (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(size)) != (crc.sum(), length) {
                        return Err(self.corrupt(&io::Error::other("its checksum or length does not fit")));
                    }
                }
                At::Seam => return self.next_member(),
            }
        }
    }

    /// How many bytes there were, and whether the data of the member ended with them.
    fn inflate(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        let input = self.input.fill_buf()?;
        if input.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, buffer, FlushDecompress::None)?;
        let size = (self.inflate.total_out() - written) as usize;
        let taken = (self.inflate.total_in() - read) as usize;
        if taken == 0 && size == 0 && status != Status::StreamEnd {
            return Err(io::Error::other("it stands still"));
        }
        self.input.consume(taken);
        Ok((size, status == Status::StreamEnd))
    }

    fn within_limit(&mut self, size: usize) -> Result<Piece, DecodeError> {
        match self.left.checked_sub(size as u64) {
            Some(left) => {
                self.left = left;
                Ok(Piece::Bytes(size))
            }
            None => {
                let detail = format!("decompresses to more than {} bytes", self.limit);
                Err(refuse(QuarantineReason::TooLarge, detail))
            }
        }
    }

    fn next_member(&mut self) -> Result<Piece, DecodeError> {
        let first = self.input.fill_buf().map(|bytes| bytes.first().copied());
        match first.map_err(|error| self.corrupt(&error))? {
            None => Ok(Piece::End),
            Some(0) => self.padding(),
            Some(_) => {
                self.at = At::Header;
                self.member += 1;
                Ok(Piece::Seam)
            }
        }
    }

    /// Zeros to the end: what is left of a block of a tape or disk.
    fn padding(&mut self) -> Result<Piece, DecodeError> {
        loop {
            let zeros = match self.input.fill_buf() {
                Ok([]) => return Ok(Piece::End),
                Ok(bytes) if bytes.iter().all(|byte| *byte == 0) => bytes.len(),
                Ok(_) => {
                    let detail = format!("bytes after the end of gzip member {}", self.member);
                    return Err(refuse(QuarantineReason::Corrupt, detail));
                }
                Err(error) => return Err(self.corrupt(&error)),
            };
            self.input.consume(zeros);
        }
    }

    fn corrupt(&self, error: &io::Error) -> DecodeError {
        refuse(QuarantineReason::Corrupt, format!("gzip member {}: {error}", self.member))
    }
}

/// Passes over the header of a member. Facts: RFC 1952, section 2.3.
fn header(input: &mut InputReader) -> io::Result<()> {
    let invalid = || io::Error::other("invalid gzip header");
    let mut crc = libdeflater::Crc::new();
    let mut fixed = [0; 10];
    input.read_exact(&mut fixed)?;
    crc.update(&fixed);
    let [0x1f, 0x8b, 8, flags, ..] = fixed else { return Err(invalid()) };
    let has = |bit: u8| flags & (1 << bit) != 0;
    if flags & 0b1110_0000 != 0 {
        return Err(invalid());
    }
    if has(2) {
        let mut size = [0; 2];
        input.read_exact(&mut size)?;
        crc.update(&size);
        let mut extra = vec![0; usize::from(u16::from_le_bytes(size))];
        input.read_exact(&mut extra)?;
        crc.update(&extra);
    }
    // A file name, and a comment.
    for _ in (3..5).filter(|bit| has(*bit)) {
        let mut left = HEADER_TEXT_BYTES;
        let mut byte = [1];
        while byte[0] != 0 {
            left = left.checked_sub(1).ok_or_else(invalid)?;
            input.read_exact(&mut byte)?;
            crc.update(&byte);
        }
    }
    if has(1) {
        let mut sum = [0; 2];
        input.read_exact(&mut sum)?;
        if u32::from(u16::from_le_bytes(sum)) != crc.sum() & 0xffff {
            return Err(invalid());
        }
    }
    Ok(())
}

/// Longest file name or comment of a header.
const HEADER_TEXT_BYTES: u32 = 1 << 16;
