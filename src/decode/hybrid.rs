//! Small numbers as Parquet packs them: runs of one number, and stretches of a few bits each.
//!
//! Facts: "Run Length Encoding / Bit-Packing Hybrid" of `Encodings.md` of the Parquet format. Believes no length: what
//! is not there is not read. As some writers do, the last packed stretch may be cut short.

use std::ops::Range;

/// Reads one such sequence, of bytes that have to be the same each time.
#[derive(Debug)]
pub(super) struct Hybrid {
    at: usize,
    end: usize,
    width: u32,
    /// The run that is being read.
    same: u32,
    same_left: usize,
    /// Groups of eight that are left of a packed stretch.
    groups_left: usize,
    /// A group that is being read.
    group: [u32; GROUP],
    group_at: usize,
    group_end: usize,
}

/// Numbers that are packed together: of any width they are whole bytes.
const GROUP: usize = 8;

/// More bits than any number has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooWide;

impl Hybrid {
    /// Numbers of `width` bits, in a part of some bytes.
    pub(super) fn new(part: Range<usize>, width: u8) -> Result<Self, TooWide> {
        if width > 32 {
            return Err(TooWide);
        }
        Ok(Self {
            at: part.start,
            end: part.end,
            width: u32::from(width),
            same: 0,
            same_left: 0,
            groups_left: 0,
            group: [0; GROUP],
            group_at: 0,
            group_end: 0,
        })
    }

    /// Fills `out`; says how many numbers there were.
    pub(super) fn read(&mut self, bytes: &[u8], out: &mut [u32]) -> usize {
        let bytes = &bytes[..self.end];
        let mut done = 0;
        while done < out.len() && self.more(bytes, true) {
            let out = &mut out[done..];
            if self.same_left > 0 {
                let count = out.len().min(self.same_left);
                out[..count].fill(self.same);
                self.same_left -= count;
                done += count;
            } else if self.group_at < self.group_end {
                let count = out.len().min(self.group_end - self.group_at);
                out[..count].copy_from_slice(&self.group[self.group_at..self.group_at + count]);
                self.group_at += count;
                done += count;
            } else {
                let there = (bytes.len() - self.at) / self.width as usize;
                let count = (out.len() / GROUP).min(self.groups_left).min(there);
                if count == 0 {
                    self.load_group(bytes);
                    continue;
                }
                let size = count * self.width as usize;
                unpack(self.width, &bytes[self.at..], &mut out[..count * GROUP]);
                self.at += size;
                self.groups_left -= count;
                done += count * GROUP;
            }
        }
        done
    }

    /// Passes over equal numbers, at most `most` and at least one where there are any: which, and how many.
    pub(super) fn stretch(&mut self, bytes: &[u8], most: usize) -> Option<(u32, usize)> {
        let bytes = &bytes[..self.end];
        if !self.more(bytes, false) {
            return None;
        }
        if self.same_left > 0 {
            let count = most.min(self.same_left);
            self.same_left -= count;
            return Some((self.same, count));
        }
        if self.group_at == self.group_end {
            self.load_group(bytes);
            if self.group_at == self.group_end {
                return self.stretch(bytes, most);
            }
        }
        let rest = &self.group[self.group_at..self.group_end];
        let count = rest.iter().take(most).take_while(|number| **number == rest[0]).count();
        let number = rest[0];
        self.group_at += count;
        Some((number, count))
    }

    /// Whether there is a number to read: finds the next run or stretch. What is `strict` ends with a number that is too
    /// wide, and with a run of nothing: some writers pad pages with zeros. Levels are read as the library reads them.
    fn more(&mut self, bytes: &[u8], strict: bool) -> bool {
        while self.same_left == 0 && self.group_at == self.group_end && self.groups_left == 0 {
            let Some(header) = self.header(bytes) else { return false };
            if header == 0 && strict {
                self.at = self.end;
                return false;
            }
            let length = usize::try_from(header >> 1).unwrap_or(usize::MAX);
            if header & 1 == 1 && self.width > 0 {
                self.groups_left = length;
            } else if header & 1 == 1 {
                (self.same, self.same_left) = (0, length.saturating_mul(GROUP));
            } else {
                let size = self.width.div_ceil(8) as usize;
                let Some(value) = bytes.get(self.at..self.at + size) else { return false };
                let value = value.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte));
                if strict && value >> self.width != 0 {
                    self.at = self.end;
                    return false;
                }
                self.same = value as u32;
                self.same_left = length;
                self.at += size;
            }
        }
        true
    }

    /// An unsigned integer of variable length.
    fn header(&mut self, bytes: &[u8]) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Unpacks one group, of which not all may be there.
    fn load_group(&mut self, bytes: &[u8]) {
        let width = self.width as usize;
        let mut padded = [0; 32];
        let there = (bytes.len() - self.at).min(width);
        padded[..there].copy_from_slice(&bytes[self.at..self.at + there]);
        unpack(self.width, &padded[..width], &mut self.group);
        self.at += there;
        self.group_at = 0;
        self.group_end = there * 8 / width;
        self.groups_left = if there < width { 0 } else { self.groups_left - 1 };
    }
}

/// Groups of eight numbers of `width` bits: as many as `out` has room for, and they have to be there. More may follow.
fn unpack(width: u32, bytes: &[u8], out: &mut [u32]) {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                $($width => groups::<$width, { $width + WORD }>(bytes, out),)*
                _ => out.fill(0),
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

const WORD: usize = 8;

/// `PADDED` is a word more than `WIDTH`, so that every number can be read as part of a word.
fn groups<const WIDTH: usize, const PADDED: usize>(bytes: &[u8], out: &mut [u32]) {
    let (out, _) = out.as_chunks_mut::<GROUP>();
    for (at, out) in out.iter_mut().enumerate() {
        let rest = bytes.get(at * WIDTH..).unwrap_or_default();
        *out = match rest.first_chunk::<PADDED>() {
            Some(padded) => group::<WIDTH, PADDED>(padded),
            // Near the end of the page there is no word more.
            None => {
                let mut padded = [0; PADDED];
                let there = rest.len().min(WIDTH);
                padded[..there].copy_from_slice(&rest[..there]);
                group::<WIDTH, PADDED>(&padded)
            }
        };
    }
}

#[inline]
fn group<const WIDTH: usize, const PADDED: usize>(bytes: &[u8; PADDED]) -> [u32; GROUP] {
    let mask = u32::MAX >> (32 - WIDTH);
    let word = |at: usize| {
        let [a, b, c, d, e, f, g, h] = [
            bytes[at],
            bytes[at + 1],
            bytes[at + 2],
            bytes[at + 3],
            bytes[at + 4],
            bytes[at + 5],
            bytes[at + 6],
            bytes[at + 7],
        ];
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    };
    if WIDTH <= 8 {
        let all = word(0);
        std::array::from_fn(|at| (all >> (at * WIDTH)) as u32 & mask)
    } else if WIDTH <= 16 {
        // Four numbers fit into a word, also where the second four begin within a byte.
        let (low, high) = (word(0), word(WIDTH / 2) >> (WIDTH * 4 % 8));
        std::array::from_fn(|at| {
            if at < 4 {
                (low >> (at * WIDTH)) as u32 & mask
            } else {
                (high >> ((at - 4) * WIDTH)) as u32 & mask
            }
        })
    } else {
        std::array::from_fn(|at| (word(at * WIDTH / 8) >> (at * WIDTH % 8)) as u32 & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(mut value: usize, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    /// Runs and packed stretches in turn, and the numbers that they stand for.
    fn packed(width: u8, random: &mut fastrand::Rng) -> (Vec<u8>, Vec<u32>) {
        let mask = if width == 0 { 0 } else { u32::MAX >> (32 - u32::from(width)) };
        let (mut bytes, mut numbers) = (Vec::new(), Vec::new());
        for at in 0..12 {
            if at % 2 == 0 {
                let (number, length) = (random.u32(..) & mask, random.usize(1..40));
                varint(length << 1, &mut bytes);
                bytes.extend(&number.to_le_bytes()[..usize::from(width.div_ceil(8))]);
                numbers.extend(std::iter::repeat_n(number, length));
            } else {
                let groups = random.usize(0..6);
                varint((groups << 1) | 1, &mut bytes);
                let more: Vec<u32> = (0..groups * GROUP).map(|_| random.u32(..) & mask).collect();
                let mut bits = vec![0_u8; groups * usize::from(width)];
                for (at, number) in more.iter().enumerate() {
                    for bit in 0..usize::from(width) {
                        let place = at * usize::from(width) + bit;
                        bits[place / 8] |= ((number >> bit & 1) as u8) << (place % 8);
                    }
                }
                bytes.extend(bits);
                numbers.extend(more);
            }
        }
        (bytes, numbers)
    }

    #[test]
    fn numbers_of_all_widths_come_back_in_pieces_of_all_sizes() {
        let mut random = fastrand::Rng::with_seed(5);
        for width in 0..=32 {
            for _ in 0..20 {
                let (bytes, numbers) = packed(width, &mut random);
                let mut hybrid = Hybrid::new(0..bytes.len(), width).unwrap();
                let mut read: Vec<u32> = Vec::new();
                loop {
                    let mut piece = vec![7; random.usize(1..50)];
                    let count = hybrid.read(&bytes, &mut piece);
                    read.extend(&piece[..count]);
                    if count < piece.len() {
                        break;
                    }
                }
                assert_eq!(read, numbers, "{width}");
                let mut hybrid = Hybrid::new(0..bytes.len(), width).unwrap();
                let mut read: Vec<u32> = Vec::new();
                while let Some((number, count)) = hybrid.stretch(&bytes, random.usize(1..50)) {
                    assert!(count > 0);
                    read.extend(std::iter::repeat_n(number, count));
                }
                assert_eq!(read, numbers, "{width}");
            }
        }
        assert_eq!(Hybrid::new(0..0, 33).err(), Some(TooWide));
    }

    #[test]
    fn what_is_cut_short_gives_what_is_there() {
        let mut random = fastrand::Rng::with_seed(6);
        for width in 0..=32 {
            let (bytes, numbers) = packed(width, &mut random);
            for end in 0..bytes.len() {
                let mut read = vec![7; numbers.len() + 1];
                let mut hybrid = Hybrid::new(0..end, width).unwrap();
                let count = hybrid.read(&bytes, &mut read);
                assert!(count <= numbers.len());
                assert_eq!(read[..count], numbers[..count], "{width} {end}");
            }
        }
    }
}
