//! A page decompressed to exactly the size that it claims, and looked at before it is decoded.
//!
//! Invariant: never more memory than the claimed size, which the guard has bounded; a page that is shorter or longer
//! is an error, and so is one whose checksum is another.

use std::io::Read;

use ::parquet::basic::{CompressionCodec, Encoding, Type as PhysicalType};
use bytes::Bytes;
use flate2::{Crc, read::MultiGzDecoder};

use super::{
    hybrid::Hybrid,
    lengths,
    pages::{Column, Content, Header},
};

/// The bytes of a page, decompressed and looked at. An error is a text for a person.
pub(super) fn page(column: &Column, header: &Header, body: &Bytes) -> Result<Bytes, String> {
    let page = if column.codec_of(header) == CompressionCodec::UNCOMPRESSED {
        checksum(header, body)?;
        body.clone()
    } else {
        let mut page = Vec::new();
        decompress(column, header, body, &mut page)?;
        page.into()
    };
    check(column, header, &page)?;
    Ok(page)
}

/// Puts the bytes of a page in place of others. Nothing is known of them but that they are as many as it claims.
pub(super) fn decompress(
    column: &Column,
    header: &Header,
    body: &[u8],
    into: &mut Vec<u8>,
) -> Result<(), String> {
    checksum(header, body)?;
    let codec = column.codec_of(header);
    if codec == CompressionCodec::UNCOMPRESSED {
        into.clear();
        into.extend_from_slice(body);
        return Ok(());
    }
    let levels = header.level_bytes();
    into.truncate(header.size);
    into.reserve_exact(header.size - into.len());
    into.resize(header.size, 0);
    into[..levels].copy_from_slice(&body[..levels]);
    // No values at all may be no bytes at all.
    if header.size > levels {
        exactly(codec, &body[levels..], &mut into[levels..])?;
    }
    Ok(())
}

fn checksum(header: &Header, body: &[u8]) -> Result<(), String> {
    let Some(expected) = header.crc else { return Ok(()) };
    let mut crc = Crc::new();
    crc.update(body);
    if crc.sum() == expected { Ok(()) } else { Err("a page's checksum does not fit".to_string()) }
}

/// Fills a buffer, with nothing missing and nothing left.
fn exactly(codec: CompressionCodec, compressed: &[u8], page: &mut [u8]) -> Result<(), String> {
    let size = page.len();
    let fits = match codec {
        CompressionCodec::GZIP if gunzip_at_once(compressed, page) => true,
        CompressionCodec::GZIP => {
            let mut decoder = MultiGzDecoder::new(compressed);
            decoder.read_exact(page).map_err(|error| format!("gzip: {error}"))?;
            // Asking for one more byte also makes the decoder look at its own checksum.
            decoder.read(&mut [0]).map_err(|error| format!("gzip: {error}"))? == 0
        }
        CompressionCodec::SNAPPY => {
            let mut decoder = snap::raw::Decoder::new();
            decoder.decompress(compressed, page).map_err(|error| error.to_string())? == size
        }
        CompressionCodec::ZSTD => {
            let mut decoder = zstd::bulk::Decompressor::new().map_err(|error| error.to_string())?;
            decoder.decompress_to_buffer(compressed, page).map_err(|error| format!("zstd: {error}"))? == size
        }
        CompressionCodec::LZ4_RAW => lz4_block(compressed, page)?,
        // What Hadoop wrote under this name, else what others did.
        CompressionCodec::LZ4 => lz4_of_hadoop(compressed, page) || lz4_block(compressed, page)?,
        CompressionCodec::BROTLI => brotli(compressed, page)?,
        other => return Err(format!("codec {other}")),
    };
    if fits { Ok(()) } else { Err(format!("a page that does not decompress to the {size} bytes it claims")) }
}

/// Fills a buffer from gzip as nearly all pages are: one member with nothing in its header. The checksum and the length at
/// the end of it have to be those of the buffer; what may stand before them and behind the data is not looked at. `false`: it
/// is something else, which has to be looked at with more care.
fn gunzip_at_once(compressed: &[u8], page: &mut [u8]) -> bool {
    let Some(member) = compressed.strip_prefix(&[0x1f, 0x8b, 8, 0]) else { return false };
    let Some((member, [a, b, c, d, size @ ..])) = member.split_last_chunk::<8>() else { return false };
    let Some(data) = member.get(6..) else { return false };
    libdeflater::Decompressor::new().deflate_decompress(data, page) == Ok(page.len())
        && u32::from_le_bytes(*size) as usize == page.len()
        && u32::from_le_bytes([*a, *b, *c, *d]) == libdeflater::crc32(page)
}

fn lz4_block(compressed: &[u8], page: &mut [u8]) -> Result<bool, String> {
    let size = lz4_flex::block::decompress_into(compressed, page).map_err(|error| format!("lz4: {error}"))?;
    Ok(size == page.len())
}

/// Fills a buffer from LZ4 blocks that have their two sizes before them, big-endian. Facts: `LZ4` in `Compression.md`
/// of the Parquet format. `false`: it is something else.
fn lz4_of_hadoop(mut compressed: &[u8], mut page: &mut [u8]) -> bool {
    while let Some((head, rest)) = compressed.split_first_chunk::<8>() {
        let [a, b, c, d, sizes @ ..] = *head;
        let (size, packed) = (u32::from_be_bytes([a, b, c, d]) as usize, u32::from_be_bytes(sizes) as usize);
        let Some((block, behind)) = rest.split_at_checked(packed) else { return false };
        let Some((into, more)) = page.split_at_mut_checked(size) else { return false };
        if !lz4_flex::block::decompress_into(block, into).is_ok_and(|done| done == size) {
            return false;
        }
        (compressed, page) = (behind, more);
    }
    compressed.is_empty() && page.is_empty()
}

/// Refuses windows larger than those of RFC 7932, which the decoder would make room for: 16 MiB are enough.
fn brotli(compressed: &[u8], page: &mut [u8]) -> Result<bool, String> {
    if compressed.first().is_some_and(|first| first & 0x7f == 0b001_0001) {
        return Err("brotli: a window that is too large".to_owned());
    }
    let done = brotli_decompressor::brotli_decode(compressed, page);
    match done.result {
        brotli_decompressor::BrotliResult::ResultSuccess => Ok(done.decoded_size == page.len()),
        _ => Err("brotli: not a whole stream".to_owned()),
    }
}

/// Looks at the levels, and at the lengths of text: the library takes both on trust.
fn check(column: &Column, header: &Header, page: &[u8]) -> Result<(), String> {
    if column.optional {
        levels(header, page)?;
    }
    texts(column, header, page)
}

/// Looks at definition levels: in a flat column there are two.
fn levels(header: &Header, page: &[u8]) -> Result<(), String> {
    let part = match header.content {
        Content::Data { values, definition: Encoding::RLE, .. } => {
            4..level_bytes(Encoding::RLE, values, page)?
        }
        Content::DataV2 { .. } => header.repetition_bytes()..header.level_bytes(),
        // A bit each.
        Content::Data { .. } | Content::Dictionary { .. } | Content::Index => return Ok(()),
    };
    if part.end > page.len() {
        return Err("a page that ends within its levels".to_owned());
    }
    let mut levels = Hybrid::new(part, 1).map_err(|_| "levels of more than one bit")?;
    let mut left = header.content.values() as usize;
    while left > 0 {
        let Some((level, count)) = levels.stretch(page, left) else { break };
        if level > 1 {
            return Err(too_high(level));
        }
        left -= count;
    }
    Ok(())
}

/// What is said of a definition level that a flat column cannot have.
pub(super) fn too_high(level: u32) -> String {
    format!("a definition level of {level} where the highest is 1")
}

/// Looks at the lengths of text: decoders take them on trust, and multiply them.
fn texts(column: &Column, header: &Header, page: &[u8]) -> Result<(), String> {
    if !matches!(column.physical, PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY) {
        return Ok(());
    }
    let (values, encoding, levels) = match header.content {
        Content::Dictionary { values, .. } => (values, Encoding::PLAIN, 0),
        Content::Data { values, encoding, definition, .. } => {
            let levels = if column.optional { level_bytes(definition, values, page)? } else { 0 };
            (values, encoding, levels)
        }
        Content::DataV2 { values, encoding, .. } => (values, encoding, header.level_bytes()),
        Content::Index => return Ok(()),
    };
    let text = page.get(levels..).ok_or("a page that ends within its levels")?;
    match encoding {
        Encoding::PLAIN if column.physical == PhysicalType::BYTE_ARRAY => lengths::plain(text),
        Encoding::DELTA_LENGTH_BYTE_ARRAY => lengths::delta_lengths(text, values as usize),
        Encoding::DELTA_BYTE_ARRAY => lengths::delta_prefixes(text, values as usize),
        _ => Ok(()),
    }
}

/// Bytes that the definition levels take at the beginning of a data page of version 1: one bit each, or run lengths
/// with their size before them.
pub(super) fn level_bytes(encoding: Encoding, values: u32, page: &[u8]) -> Result<usize, String> {
    if encoding != Encoding::RLE {
        return Ok(values.div_ceil(8) as usize);
    }
    let (size, _) = page.split_first_chunk::<4>().ok_or("a page that ends within its levels")?;
    (u32::from_le_bytes(*size) as usize).checked_add(4).ok_or_else(|| "levels too long".to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn hadoop(blocks: &[&[u8]]) -> Vec<u8> {
        let mut packed = Vec::new();
        for block in blocks {
            let one = lz4_flex::block::compress(block);
            packed.extend(u32::try_from(block.len()).unwrap().to_be_bytes());
            packed.extend(u32::try_from(one.len()).unwrap().to_be_bytes());
            packed.extend(one);
        }
        packed
    }

    /// RFC 7932: a window of 16 bits, an uncompressed meta-block, an empty last one. Texts of up to 64 KiB.
    fn brotli_stored(text: &[u8]) -> Vec<u8> {
        // WBITS 0; ISLAST 0; MNIBBLES 00; MLEN - 1 in 16 bits; ISUNCOMPRESSED 1; then whole bytes; ISLAST 1, ISLASTEMPTY 1.
        let bits = u32::try_from(text.len() - 1).unwrap() << 4 | 1 << 20;
        [&bits.to_le_bytes()[..3], text, &[3]].concat()
    }

    #[test]
    fn every_codec_gives_exactly_what_was_claimed() {
        let text = b"10.0.0.1 10.0.0.2 10.0.0.1 10.0.0.2 10.0.0.1 10.0.0.2".as_slice();
        let packed = [
            (CompressionCodec::GZIP, gzip(text)),
            (CompressionCodec::GZIP, [gzip(&text[..10]), gzip(&text[10..])].concat()),
            (CompressionCodec::SNAPPY, snap::raw::Encoder::new().compress_vec(text).unwrap()),
            (CompressionCodec::ZSTD, zstd::bulk::compress(text, 3).unwrap()),
            (CompressionCodec::LZ4_RAW, lz4_flex::block::compress(text)),
            (CompressionCodec::LZ4, lz4_flex::block::compress(text)),
            (CompressionCodec::LZ4, hadoop(&[text])),
            (CompressionCodec::LZ4, hadoop(&[&text[..10], b"", &text[10..]])),
            (CompressionCodec::BROTLI, brotli_stored(text)),
        ];
        for (codec, packed) in packed {
            let mut page = vec![0; text.len()];
            exactly(codec, &packed, &mut page).unwrap();
            assert_eq!(page, text);
            for size in [1, text.len() - 1, text.len() + 1, text.len() * 20] {
                assert!(exactly(codec, &packed, &mut vec![0; size]).is_err(), "{codec} {size}");
            }
            for len in 0..packed.len() {
                assert!(exactly(codec, &packed[..len], &mut page).is_err(), "{codec} cut to {len}");
            }
        }
        assert!(exactly(CompressionCodec::LZO, text, &mut [0; 9]).is_err());
        // The escape to windows of up to 62 bits, which RFC 7932 does not have.
        let large = [0x11, 0x1e, 3];
        assert!(exactly(CompressionCodec::BROTLI, &large, &mut [0; 9]).unwrap_err().contains("window"));
    }

    #[test]
    fn levels_of_version_1_are_passed_over() {
        assert_eq!(level_bytes(Encoding::RLE, 9, &[2, 0, 0, 0, 18, 1]), Ok(6));
        assert!(level_bytes(Encoding::RLE, 9, &[2, 0, 0]).is_err());
        #[allow(deprecated, reason = "old writers' levels")]
        let packed = Encoding::BIT_PACKED;
        assert_eq!(level_bytes(packed, 9, &[]), Ok(2));
    }
}
