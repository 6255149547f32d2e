//! The lines of a text that is being decompressed.
//!
//! Invariant: one buffer of fixed size; a line is a slice of it, at most [`limits::TEXT_LINE_BYTES`] long.

use memchr::memchr;

use super::gunzip::{Gunzip, Piece};
use crate::{
    decode::{DecodeError, refuse, sniff},
    limits,
    model::QuarantineReason,
};

/// A line without its LF or CRLF.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'l> {
    /// From 1; blank lines have numbers too.
    pub(super) number: u64,
    pub(super) text: &'l [u8],
}

/// Reads a text line by line.
#[derive(Debug)]
pub(super) struct Lines {
    gunzip: Gunzip,
    buffer: Box<[u8]>,
    /// What of the buffer is not yet a line.
    start: usize,
    end: usize,
    /// Where in the line that is not yet complete gzip members began, at most [`limits::TEXT_SEAMS`].
    seams: Vec<usize>,
    ended: bool,
    number: u64,
}

impl Lines {
    /// Begins a text.
    pub(super) fn new(gunzip: Gunzip) -> Self {
        let buffer = vec![0; limits::TEXT_BUFFER_BYTES].into_boxed_slice();
        Self { gunzip, buffer, start: 0, end: 0, seams: Vec::new(), ended: false, number: 0 }
    }

    /// What the text begins with: [`sniff::HEAD_BYTES`] at least, or the first line. Seams have to lie in a line that
    /// is not complete, so it reads no further.
    pub(super) fn head(&mut self) -> Result<&[u8], DecodeError> {
        loop {
            let head = &self.buffer[self.start..self.end];
            if self.ended || head.len() as u64 >= sniff::HEAD_BYTES || memchr(b'\n', head).is_some() {
                return Ok(&self.buffer[self.start..self.end]);
            }
            self.fill()?;
        }
    }

    /// The next line that is not blank. The last may lack its line end, and so may the last of a gzip member: a line
    /// that goes on into the next member is cut there if `are_two` says so of the halves.
    pub(super) fn next(
        &mut self,
        mut are_two: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<Option<Line<'_>>, DecodeError> {
        loop {
            let Some((mut end, mut next)) = self.find_end()? else { return Ok(None) };
            let start = self.start;
            let line = |from: usize, to: usize| without_cr(&self.buffer[from..to]);
            let cut = self.seams.iter().position(|seam| are_two(line(start, *seam), line(*seam, end)));
            match cut {
                Some(at) => {
                    next = self.seams[at];
                    end = next;
                    self.seams.drain(..=at);
                }
                None => self.seams.clear(),
            }
            self.start = next;
            self.number += 1;
            let len = without_cr(&self.buffer[start..end]).len();
            if len > 0 {
                return Ok(Some(Line { number: self.number, text: &self.buffer[start..start + len] }));
            }
        }
    }

    /// Where the first line ends, and where the next begins.
    fn find_end(&mut self) -> Result<Option<(usize, usize)>, DecodeError> {
        let mut searched = 0;
        loop {
            let text = &self.buffer[self.start..self.end];
            let found = memchr(b'\n', &text[searched..]).map(|at| searched + at);
            let len = found.unwrap_or(text.len());
            if len > limits::TEXT_LINE_BYTES {
                let (line, most) = (self.number + 1, limits::TEXT_LINE_BYTES);
                let detail = format!("line {line} is longer than {most} bytes");
                return Err(refuse(QuarantineReason::Corrupt, detail));
            }
            match found {
                Some(len) => return Ok(Some((self.start + len, self.start + len + 1))),
                None if self.ended => return Ok((len > 0).then_some((self.end, self.end))),
                None => searched = len,
            }
            self.fill()?;
        }
    }

    /// Puts more text behind what there is, which is no whole line and so leaves room.
    fn fill(&mut self) -> Result<(), DecodeError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.seams.iter_mut().for_each(|seam| *seam -= self.start);
        self.end -= self.start;
        self.start = 0;
        match self.gunzip.read(&mut self.buffer[self.end..])? {
            Piece::Bytes(size) => self.end += size,
            Piece::Seam if self.end > 0 && self.seams.len() < limits::TEXT_SEAMS => self.seams.push(self.end),
            Piece::Seam => {}
            Piece::End => self.ended = true,
        }
        Ok(())
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
