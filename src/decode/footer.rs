//! The shape of a Parquet footer, before it is decoded.
//!
//! The decoder of the footer builds a tree by recursion and tables as long as the footer says: this bounds both.
//! Refuses to know what the footer means. Field ids are those of `FileMetaData` in `parquet.thrift`.

use super::{
    DecodeError, refuse,
    thrift::{Compact, Kind, Malformed, Read},
};
use crate::{limits, model::QuarantineReason};

#[derive(Debug, Default)]
struct Shape {
    schema_elements: usize,
    /// Children that are still to come, of each group that is open.
    open: Vec<i32>,
    deepest: usize,
    chunks: usize,
}

/// Refuses a footer that is not well-formed, whose schema is too large or too deep, or that lists more than the
/// memory of one object allows.
pub(super) fn check(footer: &[u8]) -> Result<(), DecodeError> {
    let mut shape = Shape::default();
    let mut reader = Compact::new(footer);
    reader
        .fields(|reader, id, kind| match (id, kind) {
            (2, Kind::List) => schema(reader, &mut shape),
            (4, Kind::List) => row_groups(reader, &mut shape),
            (_, kind) => reader.skip(kind),
        })
        .map_err(|error| refuse(QuarantineReason::Corrupt, format!("the footer: {error}")))?;
    for (what, found, most) in [
        ("schema elements", shape.schema_elements as u64, limits::PARQUET_SCHEMA_ELEMENTS as u64),
        ("levels of nesting", shape.deepest as u64, limits::PARQUET_SCHEMA_DEPTH as u64),
        ("column chunks", shape.chunks as u64, limits::PARQUET_CHUNKS as u64),
        ("list elements", reader.elements(), limits::PARQUET_FOOTER_ELEMENTS),
    ] {
        if found > most {
            let detail = format!("the footer has {found} {what}, more than {most}");
            return Err(refuse(QuarantineReason::TooLarge, detail));
        }
    }
    Ok(())
}

fn schema(reader: &mut Compact<'_>, shape: &mut Shape) -> Read<()> {
    structs(reader, |reader| {
        let mut children = 0;
        reader.fields(|reader, id, kind| match id {
            5 => reader.i32(kind).map(|count| children = count),
            _ => reader.skip(kind),
        })?;
        shape.schema_elements += 1;
        if let Some(open) = shape.open.last_mut() {
            *open -= 1;
        }
        if children > 0 {
            shape.open.push(children);
            shape.deepest = shape.deepest.max(shape.open.len());
        }
        while shape.open.last() == Some(&0) {
            shape.open.pop();
        }
        Ok(())
    })
}

fn row_groups(reader: &mut Compact<'_>, shape: &mut Shape) -> Read<()> {
    structs(reader, |reader| {
        reader.fields(|reader, id, kind| match (id, kind) {
            (1, Kind::List) => structs(reader, |reader| {
                shape.chunks += 1;
                reader.skip(Kind::Struct)
            }),
            (_, kind) => reader.skip(kind),
        })
    })
}

fn structs<'a>(reader: &mut Compact<'a>, mut each: impl FnMut(&mut Compact<'a>) -> Read<()>) -> Read<()> {
    let (kind, size) = reader.list()?;
    if size > 0 && kind != Kind::Struct {
        return Err(Malformed("a list of another type"));
    }
    (0..size).try_for_each(|_| each(reader))
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

    fn list_of(count: usize, field: u8, element: &[u8]) -> Vec<u8> {
        let mut out = vec![(field << 4) | 9, 0xfc];
        varint(count, &mut out);
        (0..count).for_each(|_| out.extend(element));
        out.push(0);
        out
    }

    fn refused(footer: &[u8]) -> String {
        match check(footer) {
            Err(DecodeError::Quarantine(why)) => why.to_string(),
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn what_would_not_fit_the_decoder_is_refused() {
        // Groups of one child each: only deep. Groups of no children: only many.
        let group = [0x55, 0x02, 0];
        let most = limits::PARQUET_SCHEMA_DEPTH;
        assert!(check(&list_of(most, 2, &group)).is_ok());
        assert!(refused(&list_of(most + 1, 2, &group)).contains("levels of nesting"));
        let most = limits::PARQUET_SCHEMA_ELEMENTS;
        assert!(check(&list_of(most, 2, &[0])).is_ok());
        assert!(refused(&list_of(most + 1, 2, &[0])).contains("schema elements"));
        let most = limits::PARQUET_CHUNKS;
        assert!(check(&list_of(1, 4, &list_of(most, 1, &[0]))).is_ok());
        assert!(refused(&list_of(1, 4, &list_of(most + 1, 1, &[0]))).contains("column chunks"));
        let most = limits::PARQUET_FOOTER_ELEMENTS as usize;
        assert!(check(&list_of(most, 5, &[0])).is_ok());
        assert!(refused(&list_of(most + 1, 5, &[0])).contains("list elements"));
    }

    #[test]
    fn siblings_are_no_nesting() {
        // A root of 200 groups of one leaf each: as the root closes its groups, depth stays 2.
        let mut footer = vec![0x29, 0xfc, 0x91, 0x03, 0x55, 0x90, 0x03, 0];
        (0..200).for_each(|_| footer.extend([0x55, 0x02, 0, 0]));
        footer.push(0);
        assert!(check(&footer).is_ok());
    }

    #[test]
    fn a_footer_that_is_none_is_corrupt() {
        for footer in [&[][..], &[0x29], &[0x29, 0x15, 2, 0], &[0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07]] {
            assert!(refused(footer).contains("the footer: "), "{footer:x?}");
        }
    }
}
