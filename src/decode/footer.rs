//! The shape of a Parquet footer, before it is decoded.
//!
//! The decoder of the footer builds a tree by recursion and tables as long as the footer says, and takes the type of a
//! field for granted: this bounds the first two and checks the third. Refuses to know what the footer means. Field ids are those of `FileMetaData` in `parquet.thrift`.

use std::collections::BTreeSet;

use super::{
    DecodeError, refuse,
    thrift::{
        Compact,
        Kind::{self, Binary, Int, List, Struct},
        Malformed, Read,
    },
};
use crate::{limits, model::QuarantineReason};

#[derive(Debug, Default)]
struct Shape {
    schema_elements: usize,
    /// Children that are still to come, of each group that is open.
    open: Vec<i32>,
    deepest: usize,
    chunks: usize,
    /// The first field that has another type than it should.
    odd: Option<(&'static Structure, i16)>,
    /// Columns that are encrypted, by their number in a row group.
    encrypted: BTreeSet<usize>,
}

/// A structure of `parquet.thrift`: its name, and the kinds of its fields from 1 on.
#[derive(Debug)]
struct Structure(&'static str, &'static [Kind]);

const FILE: Structure =
    Structure("FileMetaData", &[Int, List, Int, List, List, Binary, List, Struct, Binary]);
const ELEMENT: Structure =
    Structure("SchemaElement", &[Int, Int, Int, Binary, Int, Int, Int, Int, Int, Struct]);
const GROUP: Structure = Structure("RowGroup", &[List, Int, Int, List, Int, Int, Int]);
const CHUNK: Structure = Structure("ColumnChunk", &[Binary, Int, Struct, Int, Int, Int, Int, Struct, Binary]);
const CHUNK_META: Structure = Structure(
    "ColumnMetaData",
    &[Int, List, List, Int, Int, Int, Int, List, Int, Int, Int, Struct, List, Int, Int, Struct, Struct],
);

impl Shape {
    /// Looks at the type of a field. Fields of later versions may have any.
    fn look(&mut self, structure: &'static Structure, id: i16, kind: Kind) {
        let place = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let is_odd = place.and_then(|place| structure.1.get(place)).is_some_and(|wanted| *wanted != kind);
        if is_odd && self.odd.is_none() {
            self.odd = Some((structure, id));
        }
    }
}

/// Refuses a footer that is not well-formed, whose schema is too large or too deep, or that lists more than the
/// memory of one object allows. Returns the columns that are encrypted, by their number in a row group.
pub(super) fn check(footer: &[u8]) -> Result<BTreeSet<usize>, DecodeError> {
    let mut shape = Shape::default();
    let mut reader = Compact::new(footer);
    reader
        .fields(|reader, id, kind| {
            shape.look(&FILE, id, kind);
            match (id, kind) {
                (2, List) => schema(reader, &mut shape),
                (4, List) => row_groups(reader, &mut shape),
                (_, kind) => reader.skip(kind),
            }
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
    if let Some((Structure(name, _), id)) = shape.odd {
        let detail = format!(
            "field {id} of {name} in the footer has a type that Parquet does not give it: write the file with another tool or version"
        );
        return Err(refuse(QuarantineReason::Format, detail));
    }
    Ok(shape.encrypted)
}

fn schema(reader: &mut Compact<'_>, shape: &mut Shape) -> Read<()> {
    structs(reader, |reader| {
        let mut children = 0;
        reader.fields(|reader, id, kind| {
            shape.look(&ELEMENT, id, kind);
            match (id, kind) {
                (5, Int) => reader.i32(kind).map(|count| children = count),
                _ => reader.skip(kind),
            }
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
        reader.fields(|reader, id, kind| {
            shape.look(&GROUP, id, kind);
            match (id, kind) {
                (1, List) => {
                    let before = shape.chunks;
                    structs(reader, |reader| {
                        shape.chunks += 1;
                        chunk(reader, shape, before)
                    })
                }
                (_, kind) => reader.skip(kind),
            }
        })
    })
}

/// A column chunk of a row group that begins after so many others.
fn chunk(reader: &mut Compact<'_>, shape: &mut Shape, before: usize) -> Read<()> {
    reader.fields(|reader, id, kind| {
        shape.look(&CHUNK, id, kind);
        match (id, kind) {
            (3, Struct) => reader.fields(|reader, id, kind| {
                shape.look(&CHUNK_META, id, kind);
                reader.skip(kind)
            }),
            (8 | 9, kind) => {
                shape.encrypted.insert(shape.chunks - before - 1);
                reader.skip(kind)
            }
            (_, kind) => reader.skip(kind),
        }
    })
}

fn structs<'a>(reader: &mut Compact<'a>, mut each: impl FnMut(&mut Compact<'a>) -> Read<()>) -> Read<()> {
    let (kind, size) = reader.list()?;
    if size > 0 && kind != Struct {
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

    /// Field 15 of `ColumnMetaData` is `bloom_filter_length`, of which a reader takes for granted that it is a number.
    #[test]
    fn fields_of_other_types_are_named() {
        // Row groups of one row group of one chunk whose metadata is this.
        let of_chunk = |meta: &[u8]| [&[0x49, 0x1c, 0x19, 0x1c, 0x3c][..], meta, &[0, 0, 0, 0]].concat();
        assert!(check(&of_chunk(&[0x05, 30, 2])).is_ok(), "15: a number");
        assert!(check(&of_chunk(&[0x08, 38, 1, b'x'])).is_ok(), "19: of a later version");
        for (footer, says) in [
            (of_chunk(&[0x08, 30, 1, b'x']), "format: field 15 of ColumnMetaData"),
            (of_chunk(&[0x01, 30]), "field 15 of ColumnMetaData"),
            (of_chunk(&[0x15, 2, 0x48, 1, b'x']), "field 5 of ColumnMetaData"),
            (vec![0x38, 1, b'x', 0], "field 3 of FileMetaData"),
            (vec![0x29, 0x1c, 0x45, 2, 0, 0], "field 4 of SchemaElement"),
            (vec![0x49, 0x1c, 0x28, 0, 0, 0], "field 2 of RowGroup"),
            (vec![0x49, 0x1c, 0x19, 0x1c, 0x15, 2, 0, 0, 0], "field 1 of ColumnChunk"),
        ] {
            let said = refused(&footer);
            assert!(said.contains(says), "{said} instead of {says}");
        }
    }

    #[test]
    fn encrypted_columns_are_known_by_their_number() {
        // Two row groups: in the first the second column is encrypted, in the other the first.
        let (plain, encrypted) = ([0x25, 2, 0], [0x8c, 0, 0]);
        let group = |chunks: [&[u8]; 2]| [&[0x19, 0x2c][..], chunks[0], chunks[1], &[0]].concat();
        let one = [&[0x49, 0x1c][..], &group([&plain, &encrypted]), &[0]].concat();
        assert_eq!(check(&one).unwrap(), BTreeSet::from([1]));
        let two = [group([&plain, &encrypted]), group([&encrypted, &plain])].concat();
        assert_eq!(check(&[&[0x49, 0x2c][..], &two, &[0]].concat()).unwrap(), BTreeSet::from([0, 1]));
        assert_eq!(check(&[0x49, 0x0c, 0]).unwrap(), BTreeSet::new());
    }

    #[test]
    fn a_footer_that_is_none_is_corrupt() {
        for footer in [&[][..], &[0x29], &[0x29, 0x15, 2, 0], &[0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07]] {
            assert!(refused(footer).contains("the footer: "), "{footer:x?}");
        }
    }
}
