//! The pages of one column chunk, as their headers describe them.
//!
//! The same reading serves the guard, which walks all headers before anything is decoded, and the decoder, which gets
//! its pages from here: what was checked is what is decoded. Refuses to know what the values mean. Invariant: a page
//! that is given out lies inside its chunk, claims a size that its codec can reach, and the pages of a chunk have
//! exactly the chunk's number of values. Field ids are those of `PageHeader` in `parquet.thrift`.

use ::parquet::{
    basic::{CompressionCodec, Encoding, Type as PhysicalType},
    file::metadata::ColumnChunkMetaData,
};
use bytes::Bytes;

use super::{
    quarantine,
    thrift::{Compact, Kind, Malformed, Read},
};
use crate::{
    limits,
    model::{Quarantine, QuarantineReason},
};

/// The header of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) content: Content,
    /// Bytes in the object.
    pub(super) compressed: usize,
    /// Bytes once decompressed.
    pub(super) size: usize,
    pub(super) crc: Option<u32>,
}

/// What a page holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Dictionary {
        values: u32,
        encoding: Encoding,
        sorted: bool,
    },
    Data {
        values: u32,
        encoding: Encoding,
        definition: Encoding,
        repetition: Encoding,
    },
    DataV2 {
        values: u32,
        nulls: u32,
        rows: u32,
        encoding: Encoding,
        definition_bytes: u32,
        repetition_bytes: u32,
        compressed: bool,
    },
    /// Passed over.
    Index,
}

impl Content {
    /// Values of a data page, nulls included.
    pub(super) fn values(&self) -> u32 {
        match self {
            Self::Data { values, .. } | Self::DataV2 { values, .. } => *values,
            Self::Dictionary { .. } | Self::Index => 0,
        }
    }

    fn is_usual(&self, optional: bool) -> bool {
        let values =
            |encoding| matches!(encoding, Encoding::PLAIN | DICTIONARY_PLAIN | Encoding::RLE_DICTIONARY);
        match self {
            Self::Data { encoding, definition, .. } => {
                values(*encoding) && (!optional || *definition == Encoding::RLE)
            }
            Self::DataV2 { encoding, repetition_bytes, .. } => values(*encoding) && *repetition_bytes == 0,
            Self::Dictionary { .. } | Self::Index => true,
        }
    }

    /// Whether its values are places in the dictionary.
    pub(super) fn needs_dictionary(&self) -> bool {
        match self {
            Self::Data { encoding, .. } | Self::DataV2 { encoding, .. } => {
                matches!(*encoding, DICTIONARY_PLAIN | Encoding::RLE_DICTIONARY)
            }
            Self::Dictionary { .. } | Self::Index => false,
        }
    }
}

/// What has to be known of a column to read its pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) codec: CompressionCodec,
    pub(super) physical: PhysicalType,
    /// Of a `FIXED_LEN_BYTE_ARRAY`.
    fixed_bytes: usize,
    /// Whether values can be null, that is, whether pages have definition levels.
    pub(super) optional: bool,
    /// Whether pages of version 2 are compressed whatever they say.
    always_compressed: bool,
}

impl Column {
    /// `always_compressed`: see [`is_always_compressed`].
    pub(super) fn of(chunk: &ColumnChunkMetaData, always_compressed: bool) -> Self {
        let column = chunk.column_descr();
        Self {
            codec: chunk.compression_codec(),
            physical: column.physical_type(),
            fixed_bytes: usize::try_from(column.type_length()).unwrap_or(0),
            optional: column.max_def_level() > 0,
            always_compressed,
        }
    }

    /// The codec that a page is compressed with. Pages of version 2 say whether they are; where the sizes differ, one
    /// that says no is compressed all the same.
    pub(super) fn codec_of(&self, header: &Header) -> CompressionCodec {
        match header.content {
            Content::DataV2 { compressed: false, .. }
                if !self.always_compressed && header.compressed == header.size =>
            {
                CompressionCodec::UNCOMPRESSED
            }
            Content::DataV2 { .. } | Content::Data { .. } | Content::Dictionary { .. } | Content::Index => {
                self.codec
            }
        }
    }

    /// The least that a value takes in a dictionary page; `None` where there can be no dictionary.
    fn least_bytes(&self) -> Option<usize> {
        match self.physical {
            PhysicalType::BOOLEAN => None,
            PhysicalType::INT32 | PhysicalType::FLOAT | PhysicalType::BYTE_ARRAY => Some(4),
            PhysicalType::INT64 | PhysicalType::DOUBLE => Some(8),
            PhysicalType::INT96 => Some(12),
            PhysicalType::FIXED_LEN_BYTE_ARRAY => (self.fixed_bytes > 0).then_some(self.fixed_bytes),
        }
    }
}

/// Whether the writer compressed pages of version 2 and said that it did not: Arrow C++ before 3.0.0, which had another
/// name then, and so pyarrow, R and others on it. Source: ARROW-10353, ARROW-17100.
pub(super) fn is_always_compressed(created_by: Option<&str>) -> bool {
    let version = created_by.and_then(|by| by.strip_prefix("parquet-cpp version "));
    let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    major.is_some_and(|major| major < 2)
}

/// The pages of a chunk in order, up to the one that has the chunk's last value. Pages that have no values are passed
/// over, and so is what a writer put behind the last.
#[derive(Debug)]
pub(super) struct Pages {
    column: Column,
    bytes: Bytes,
    at: usize,
    values_left: u64,
    begun: bool,
    dictionary: bool,
}

impl Pages {
    /// Begins a chunk: its bytes, and the number of values that it claims.
    pub(super) fn new(column: Column, bytes: Bytes, values: u64) -> Self {
        Self { column, bytes, at: 0, values_left: values, begun: false, dictionary: false }
    }

    /// Whether the next page is a dictionary. One that cannot be read is none; reading it will say why.
    pub(super) fn begin_with_dictionary(&self) -> bool {
        self.read().is_ok_and(|(header, _)| matches!(header.content, Content::Dictionary { .. }))
    }

    /// The next page: its header, and its bytes as they are in the object.
    pub(super) fn next(&mut self) -> Result<Option<(Header, Bytes)>, Quarantine> {
        while self.values_left > 0 {
            let (header, body) = self.read()?;
            let body = body..body + header.compressed;
            self.at = body.end;
            let first = !std::mem::replace(&mut self.begun, true);
            match header.content {
                Content::Index => continue,
                Content::Dictionary { .. } if !first => {
                    return Err(corrupt("a dictionary page that is not the first".to_string()));
                }
                Content::Dictionary { .. } => self.dictionary = true,
                _ if header.content.values() == 0 => continue,
                _ => {
                    if header.content.needs_dictionary() && !self.dictionary {
                        return Err(corrupt("a page without the dictionary that it needs".to_string()));
                    }
                    let values = u64::from(header.content.values());
                    self.values_left = self
                        .values_left
                        .checked_sub(values)
                        .ok_or_else(|| corrupt("its pages have more values than it claims".to_string()))?;
                }
            }
            return Ok(Some((header, self.bytes.slice(body))));
        }
        Ok(None)
    }

    /// Reads and checks a header; also says where its page begins.
    fn read(&self) -> Result<(Header, usize), Quarantine> {
        if self.at == self.bytes.len() {
            return Err(corrupt(format!("its pages lack {} of its values", self.values_left)));
        }
        let mut reader = Compact::new(&self.bytes[self.at..]);
        let header = header(&mut reader).map_err(|error| corrupt(format!("a page header: {error}")))?;
        let body = self.at + reader.offset();
        if header.compressed > self.bytes.len() - body {
            return Err(corrupt("a page that ends beyond its column".to_string()));
        }
        self.check(&header)?;
        Ok((header, body))
    }

    fn check(&self, header: &Header) -> Result<(), Quarantine> {
        if header.size > limits::PARQUET_PAGE_BYTES {
            let most = limits::PARQUET_PAGE_BYTES;
            let detail = format!("a page that decompresses to {} bytes, more than {most}", header.size);
            return Err(quarantine(QuarantineReason::TooLarge, detail));
        }
        let mut plain = 0;
        match header.content {
            Content::Dictionary { values, encoding, .. } => {
                if !matches!(encoding, Encoding::PLAIN | DICTIONARY_PLAIN) {
                    return Err(encoded(encoding));
                }
                let least = self.column.least_bytes().and_then(|least| least.checked_mul(values as usize));
                if least.is_none_or(|least| least > header.size) {
                    let detail = format!("a dictionary of {values} values in {} bytes", header.size);
                    return Err(corrupt(detail));
                }
            }
            Content::Data { encoding, definition, .. } => {
                data_encoding(encoding)?;
                if self.column.optional && !matches!(definition, Encoding::RLE | LEVELS_BIT_PACKED) {
                    return Err(encoded(definition));
                }
            }
            Content::DataV2 { values, nulls, rows, encoding, .. } => {
                data_encoding(encoding)?;
                if rows != values || nulls > values {
                    let detail = format!("a page of {values} values with {rows} rows and {nulls} nulls");
                    return Err(corrupt(detail));
                }
                plain = header.level_bytes();
                if plain > header.size.min(header.compressed) {
                    return Err(corrupt(format!("a page of {} bytes with more levels", header.size)));
                }
            }
            Content::Index => return Ok(()),
        }
        let codec = self.column.codec_of(header);
        match reach(codec, header.compressed - plain) {
            Some(reach) if reach.contains(&(header.size - plain)) => Ok(()),
            Some(_) => {
                let Header { compressed, size, .. } = header;
                Err(corrupt(format!("a page of {compressed} bytes cannot be {size} bytes of {codec}")))
            }
            None => Err(quarantine(QuarantineReason::Format, format!("codec {codec}"))),
        }
    }
}

impl Header {
    /// Bytes of repetition levels that a data page of version 2 begins with.
    pub(super) fn repetition_bytes(&self) -> usize {
        match self.content {
            Content::DataV2 { repetition_bytes, .. } => repetition_bytes as usize,
            Content::Data { .. } | Content::Dictionary { .. } | Content::Index => 0,
        }
    }

    /// Bytes of levels that a data page of version 2 has before its values, never compressed.
    pub(super) fn level_bytes(&self) -> usize {
        match self.content {
            Content::DataV2 { definition_bytes, repetition_bytes, .. } => {
                (definition_bytes as usize).saturating_add(repetition_bytes as usize)
            }
            _ => 0,
        }
    }
}

#[allow(deprecated, reason = "old writers' name for plain values in a dictionary page")]
const DICTIONARY_PLAIN: Encoding = Encoding::PLAIN_DICTIONARY;

#[allow(deprecated, reason = "old writers' levels")]
const LEVELS_BIT_PACKED: Encoding = Encoding::BIT_PACKED;

/// The sizes that so many compressed bytes can have decompressed; `None` for a codec that is not read.
///
/// Snappy copies at most 64 bytes for an element of 3, deflate 258 for two bits, LZ4 255 for a byte of length after the
/// first few; Zstandard repeats 128 KiB in a block of 4, and Brotli 16 MiB in a few bytes, which leaves both to the limit
/// on pages.
fn reach(codec: CompressionCodec, compressed: usize) -> Option<std::ops::RangeInclusive<usize>> {
    match codec {
        CompressionCodec::UNCOMPRESSED => Some(compressed..=compressed),
        CompressionCodec::SNAPPY => Some(0..=compressed.saturating_mul(22)),
        CompressionCodec::GZIP => Some(0..=compressed.saturating_mul(1_032)),
        CompressionCodec::ZSTD => Some(0..=compressed.saturating_mul(32 << 10)),
        CompressionCodec::LZ4 | CompressionCodec::LZ4_RAW => Some(0..=compressed.saturating_mul(255)),
        CompressionCodec::BROTLI => Some(0..=compressed.saturating_mul(16 << 20)),
        _ => None,
    }
}

fn corrupt(detail: String) -> Quarantine {
    quarantine(QuarantineReason::Corrupt, detail)
}

fn encoded(encoding: Encoding) -> Quarantine {
    quarantine(QuarantineReason::Format, format!("encoding {encoding}"))
}

fn data_encoding(encoding: Encoding) -> Result<(), Quarantine> {
    match encoding {
        Encoding::PLAIN
        | DICTIONARY_PLAIN
        | Encoding::RLE_DICTIONARY
        | Encoding::RLE
        | Encoding::DELTA_BINARY_PACKED
        | Encoding::DELTA_LENGTH_BYTE_ARRAY
        | Encoding::DELTA_BYTE_ARRAY
        | Encoding::BYTE_STREAM_SPLIT => Ok(()),
        other => Err(encoded(other)),
    }
}

fn header(reader: &mut Compact<'_>) -> Read<Header> {
    let (mut kind, mut size, mut compressed, mut crc) = (None, None, None, None);
    let mut numbers = [None; 9];
    let mut contents = None;
    reader.fields(|reader, id, field| {
        match (id, field) {
            (1, _) => kind = Some(reader.i32(field)?),
            (2, _) => size = Some(reader.i32(field)?),
            (3, _) => compressed = Some(reader.i32(field)?),
            (4, _) => crc = Some(reader.i32(field)?.cast_unsigned()),
            (5 | 7 | 8, Kind::Struct) if contents.replace(id).is_none() => {
                numbers = values(reader)?;
            }
            (5 | 7 | 8, _) => return Err(Malformed("two descriptions of one page")),
            _ => reader.skip(field)?,
        }
        Ok(())
    })?;
    let content = match (kind, contents) {
        (Some(0), Some(5)) => Content::Data {
            values: count(numbers[1])?,
            encoding: encoding(numbers[2])?,
            definition: encoding(numbers[3])?,
            repetition: encoding(numbers[4])?,
        },
        (Some(1), _) => Content::Index,
        (Some(2), Some(7)) => Content::Dictionary {
            values: count(numbers[1])?,
            encoding: encoding(numbers[2])?,
            sorted: numbers[3] == Some(1),
        },
        (Some(3), Some(8)) => Content::DataV2 {
            values: count(numbers[1])?,
            nulls: count(numbers[2])?,
            rows: count(numbers[3])?,
            encoding: encoding(numbers[4])?,
            definition_bytes: count(numbers[5])?,
            repetition_bytes: count(numbers[6])?,
            compressed: numbers[7] != Some(0),
        },
        _ => return Err(Malformed("a page of no known type")),
    };
    let (size, compressed) = (count(size)? as usize, count(compressed)? as usize);
    Ok(Header { content, compressed, size, crc })
}

/// The numbers and truth values of the structure that describes a page, by field id.
fn values(reader: &mut Compact<'_>) -> Read<[Option<i32>; 9]> {
    let mut values = [None; 9];
    reader.fields(|reader, id, kind| {
        let place = usize::try_from(id).ok().and_then(|id| values.get_mut(id));
        match (kind, place) {
            (Kind::Int, Some(place)) => *place = Some(reader.i32(kind)?),
            (Kind::True, Some(place)) => *place = Some(1),
            (Kind::False, Some(place)) => *place = Some(0),
            (kind, _) => reader.skip(kind)?,
        }
        Ok(())
    })?;
    Ok(values)
}

fn count(number: Option<i32>) -> Read<u32> {
    number
        .and_then(|number| u32::try_from(number).ok())
        .ok_or(Malformed("a size or count that is missing or negative"))
}

fn encoding(number: Option<i32>) -> Read<Encoding> {
    Ok(match number {
        Some(0) => Encoding::PLAIN,
        Some(2) => DICTIONARY_PLAIN,
        Some(3) => Encoding::RLE,
        Some(4) => LEVELS_BIT_PACKED,
        Some(5) => Encoding::DELTA_BINARY_PACKED,
        Some(6) => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        Some(7) => Encoding::DELTA_BYTE_ARRAY,
        Some(8) => Encoding::RLE_DICTIONARY,
        Some(9) => Encoding::BYTE_STREAM_SPLIT,
        _ => return Err(Malformed("an encoding of no known name")),
    })
}

/// What the pages of one chunk become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// Bytes of all pages, decompressed.
    pub(super) bytes: u64,
    /// Bytes that are held at a time: the dictionary, parsed, and the largest page.
    pub(super) open: u64,
    /// Whether all pages are of the few encodings that nearly all writers use for nearly everything: values as they
    /// are or by a dictionary, levels as run lengths.
    pub(super) usual: bool,
}

/// Reads all headers of a chunk.
pub(super) fn walk(mut pages: Pages) -> Result<Cost, Quarantine> {
    let (mut bytes, mut dictionary, mut largest, mut usual) = (0, 0, 0, true);
    let optional = pages.column.optional;
    while let Some((header, _)) = pages.next()? {
        let size = header.size as u64;
        bytes += size;
        usual &= header.content.is_usual(optional);
        match header.content {
            Content::Dictionary { values, .. } => {
                dictionary = size + u64::from(values) * limits::PARQUET_DICTIONARY_VALUE_BYTES;
            }
            Content::Data { values, encoding, .. } | Content::DataV2 { values, encoding, .. } => {
                largest = largest.max(size + lengths_bytes(values, encoding));
            }
            Content::Index => {}
        }
    }
    Ok(Cost { bytes, open: dictionary + largest, usual })
}

/// Text of delta encodings has its lengths beside it, twice, and they need not take any bytes in the page.
fn lengths_bytes(values: u32, encoding: Encoding) -> u64 {
    match encoding {
        Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY => u64::from(values) * 16,
        _ => 0,
    }
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
