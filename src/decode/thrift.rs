//! Thrift's compact protocol, as far as it takes to look into Parquet's structures.
//!
//! Allocates nothing, believes no length that is longer than what is left, and does not follow nesting deeper than
//! any sound file has. Stricter than a general reader may be: numbers have one form, field ids fit. Facts: the
//! Thrift compact protocol specification.

/// Nesting that is followed. Parquet's own structures are seven deep.
const DEPTH: u32 = 24;

/// Bytes that are not what the protocol allows, or end too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);

pub(super) type Read<T> = Result<T, Malformed>;

/// What a field or the elements of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    True,
    False,
    Byte,
    Int,
    Double,
    Binary,
    List,
    Map,
    Struct,
    Uuid,
}

impl Kind {
    fn of(nibble: u8) -> Read<Self> {
        Ok(match nibble {
            1 => Self::True,
            2 => Self::False,
            3 => Self::Byte,
            4..=6 => Self::Int,
            7 => Self::Double,
            8 => Self::Binary,
            9 | 10 => Self::List,
            11 => Self::Map,
            12 => Self::Struct,
            13 => Self::Uuid,
            _ => return Err(Malformed("a field of no known type")),
        })
    }
}

/// Reads from the beginning of some bytes.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    elements: u64,
}

impl<'a> Compact<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0, elements: 0 }
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Elements of all lists so far.
    pub(super) fn elements(&self) -> u64 {
        self.elements
    }

    /// Reads one structure; `each` is told the id and kind of every field and must read or skip its value.
    pub(super) fn fields(&mut self, mut each: impl FnMut(&mut Self, i16, Kind) -> Read<()>) -> Read<()> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Malformed("nested too deeply"));
        }
        let mut id: i16 = 0;
        loop {
            let head = self.byte()?;
            if head & 0x0f == 0 {
                self.depth -= 1;
                return Ok(());
            }
            let kind = Kind::of(head & 0x0f)?;
            let step = i16::from(head >> 4);
            let next = if step == 0 { i16::try_from(self.zigzag()?).ok() } else { id.checked_add(step) };
            id = next.ok_or(Malformed("a field id out of range"))?;
            each(self, id, kind)?;
        }
    }

    /// Reads the beginning of a list: what its elements are, and how many.
    pub(super) fn list(&mut self) -> Read<(Kind, usize)> {
        let head = self.byte()?;
        // Some writers give an empty list no type.
        if head == 0 {
            return Ok((Kind::Byte, 0));
        }
        let kind = Kind::of(head & 0x0f)?;
        let size = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        self.elements = self.elements.saturating_add(size);
        match usize::try_from(size) {
            // Each element is a byte at least.
            Ok(size) if size <= self.left() => Ok((kind, size)),
            _ => Err(Malformed("a list longer than what is left")),
        }
    }

    /// Reads a 32-bit integer.
    pub(super) fn i32(&mut self, kind: Kind) -> Read<i32> {
        if kind != Kind::Int {
            return Err(Malformed("a field of another type"));
        }
        i32::try_from(self.zigzag()?).map_err(|_| Malformed("an integer out of range"))
    }

    /// Passes over a field's value.
    pub(super) fn skip(&mut self, kind: Kind) -> Read<()> {
        match kind {
            Kind::True | Kind::False => Ok(()),
            other => self.skip_element(other),
        }
    }

    /// Passes over an element of a list; unlike a field's, a boolean there is a byte.
    pub(super) fn skip_element(&mut self, kind: Kind) -> Read<()> {
        match kind {
            Kind::True | Kind::False | Kind::Byte => self.byte().map(|_| ()),
            Kind::Int => self.varint().map(|_| ()),
            Kind::Double => self.pass(8),
            Kind::Uuid => self.pass(16),
            Kind::Binary => {
                let size = self.varint()?;
                self.pass(size)
            }
            Kind::Struct => self.fields(|reader, _, kind| reader.skip(kind)),
            Kind::List => self.nested(|reader| {
                let (kind, size) = reader.list()?;
                (0..size).try_for_each(|_| reader.skip_element(kind))
            }),
            Kind::Map => self.nested(|reader| {
                let size = reader.varint()?;
                if size == 0 {
                    return Ok(());
                }
                let kinds = reader.byte()?;
                let (key, value) = (Kind::of(kinds >> 4)?, Kind::of(kinds & 0x0f)?);
                if size > reader.left() as u64 {
                    return Err(Malformed("a map larger than what is left"));
                }
                (0..size).try_for_each(|_| {
                    reader.skip_element(key)?;
                    reader.skip_element(value)
                })
            }),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Read<()>) -> Read<()> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Malformed("nested too deeply"));
        }
        read(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn pass(&mut self, size: u64) -> Read<()> {
        match usize::try_from(size) {
            Ok(size) if size <= self.left() => {
                self.at += size;
                Ok(())
            }
            _ => Err(Malformed("ends too early")),
        }
    }

    fn byte(&mut self) -> Read<u8> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed("ends too early"))?;
        self.at += 1;
        Ok(byte)
    }

    /// An unsigned integer of variable length.
    pub(super) fn varint(&mut self) -> Read<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("an integer out of range"))
    }

    /// A signed integer of variable length.
    pub(super) fn zigzag(&mut self) -> Read<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(bytes: &[u8]) -> Read<usize> {
        let mut reader = Compact::new(bytes);
        reader.skip(Kind::Struct)?;
        Ok(reader.offset())
    }

    #[test]
    fn every_kind_is_passed_over() {
        let all = [
            0x11, // 1: true
            0x12, // 2: false
            0x13, 0xff, // 3: byte
            0x15, 0x80, 0x01, // 4: i32
            0x17, 1, 2, 3, 4, 5, 6, 7, 8, // 5: double
            0x18, 2, b'a', b'b', // 6: binary
            0x19, 0x25, 1, 2, // 7: list of two i32
            0x19, 0x21, 1, 2, // 8: list of two booleans
            0x19, 0x00, // 9: empty list without a type
            0x1b, 0, // 10: empty map
            0x1b, 1, 0x85, 1, b'k', 3, // 11: map
            0x1c, 0x15, 2, 0, // 12: struct
            0x0c, 0xc8, 0x01, 0x15, 2, 0, // 100: struct
            0, b'!',
        ];
        assert_eq!(skipped(&all), Ok(all.len() - 1));
        for len in 0..all.len() - 1 {
            assert!(skipped(&all[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn what_is_claimed_must_be_there() {
        for bytes in [
            &[0x18, 0xff, 0xff, 0xff, 0xff, 0x0f][..],      // binary of 4 GiB
            &[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0], // list of 2^31 structs
            &[0x19, 0xf1, 0x05, 1],                         // list of five booleans
            &[0x1b, 0x05, 0x11, 1],                         // map of five booleans
            &[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0], // an integer of 65 bits
            &[0x1e, 0],                                     // no such type
            &[0x05, 0xff, 0xff, 0x0f, 1, 0],                // field 65535
        ] {
            assert!(skipped(bytes).is_err(), "{bytes:x?}");
        }
        assert!(skipped(&[0x1c; 1 << 20]).is_err(), "structs in structs");
        assert!(skipped(&[0x19; 1 << 20]).is_err(), "lists in lists");
    }

    #[test]
    fn integers_have_their_ranges() {
        let one = |bytes: &[u8]| Compact::new(bytes).i32(Kind::Int);
        assert_eq!(one(&[0x01]), Ok(-1));
        assert_eq!(one(&[0xfe, 0xff, 0xff, 0xff, 0x0f]), Ok(i32::MAX));
        assert!(one(&[0x80, 0x80, 0x80, 0x80, 0x10]).is_err());
        assert!(Compact::new(&[1]).i32(Kind::Binary).is_err());
        let all = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Compact::new(&all).zigzag(), Ok(i64::MIN));
    }
}
