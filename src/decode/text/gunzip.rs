//! The bytes of a gzip object, member after member.
//!
//! Invariant: the end is reported only after the checksum and the length of every member have been verified and nothing
//! but zeros follows the last.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use crate::{
    decode::{DecodeError, Input, InputReader, refuse},
    model::QuarantineReason,
};

/// Decompresses an object.
#[derive(Debug)]
pub(super) struct Gunzip {
    decoder: GzDecoder<InputReader>,
    /// The one that is being read, from 1.
    member: u64,
    limit: u64,
    /// Bytes that may still come.
    left: u64,
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
        Self { decoder: GzDecoder::new(input.reader(0)), member: 1, limit, left: limit }
    }

    /// Decompresses into `buffer`, which has room for a byte at least.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Piece, DecodeError> {
        match self.decoder.read(buffer) {
            Ok(0) => self.next_member(),
            Ok(size) => match self.left.checked_sub(size as u64) {
                Some(left) => {
                    self.left = left;
                    Ok(Piece::Bytes(size))
                }
                None => {
                    let detail = format!("decompresses to more than {} bytes", self.limit);
                    Err(refuse(QuarantineReason::TooLarge, detail))
                }
            },
            Err(error) => Err(self.corrupt(&error)),
        }
    }

    fn next_member(&mut self) -> Result<Piece, DecodeError> {
        let first = self.decoder.get_mut().fill_buf().map(|bytes| bytes.first().copied());
        match first.map_err(|error| self.corrupt(&error))? {
            None => Ok(Piece::End),
            Some(0) => self.padding(),
            Some(_) => {
                let reader = std::mem::take(self.decoder.get_mut());
                self.decoder.reset(reader);
                self.member += 1;
                Ok(Piece::Seam)
            }
        }
    }

    /// Zeros to the end: what is left of a block of a tape or disk.
    fn padding(&mut self) -> Result<Piece, DecodeError> {
        loop {
            let zeros = match self.decoder.get_mut().fill_buf() {
                Ok([]) => return Ok(Piece::End),
                Ok(bytes) if bytes.iter().all(|byte| *byte == 0) => bytes.len(),
                Ok(_) => {
                    let detail = format!("bytes after the end of gzip member {}", self.member);
                    return Err(refuse(QuarantineReason::Corrupt, detail));
                }
                Err(error) => return Err(self.corrupt(&error)),
            };
            self.decoder.get_mut().consume(zeros);
        }
    }

    fn corrupt(&self, error: &io::Error) -> DecodeError {
        refuse(QuarantineReason::Corrupt, format!("gzip member {}: {error}", self.member))
    }
}
