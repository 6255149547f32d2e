//! Chunks, page by page.

use super::*;

const COLUMN: Column = Column {
    codec: CompressionCodec::UNCOMPRESSED,
    physical: PhysicalType::BYTE_ARRAY,
    fixed_bytes: 0,
    optional: true,
    always_compressed: false,
};

fn int(value: i32) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 31)).cast_unsigned();
    let mut out = vec![0x15];
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

/// Kind, decompressed size, bytes that follow, the field of the description, and its numbers.
fn page(kind: i32, size: i32, body: usize, field: u8, numbers: &[i32]) -> Vec<u8> {
    let mut out = [int(kind), int(size), int(body as i32)].concat();
    out.push(((field - 3) << 4) | 12);
    numbers.iter().for_each(|number| out.extend(int(*number)));
    out.extend([0, 0]);
    out.resize(out.len() + body, b'x');
    out
}

fn data(values: i32) -> Vec<u8> {
    page(0, 8, 8, 5, &[values, 0, 3, 3])
}

fn read(bytes: &[u8], values: u64) -> Result<Vec<Header>, String> {
    let mut pages = Pages::new(COLUMN, bytes.to_vec().into(), values);
    let mut headers = Vec::new();
    loop {
        match pages.next() {
            Ok(Some((header, body))) => {
                assert_eq!(body.len(), header.compressed);
                headers.push(header);
            }
            Ok(None) => return Ok(headers),
            Err(why) => return Err(why.to_string()),
        }
    }
}

#[test]
fn pages_are_read_up_to_the_last_value() {
    let dictionary = page(2, 8, 8, 7, &[2, 2]);
    let index = [int(1), int(3), int(3), vec![0, b'i', b'i', b'i']].concat();
    let v2 = page(3, 8, 8, 8, &[4, 1, 4, 8, 2, 0]);
    let empty = page(0, 0, 0, 5, &[0, 0, 3, 3]);
    let chunk = [dictionary, index, empty, data(3), v2, b"whatever follows".to_vec()].concat();
    let headers = read(&chunk, 7).unwrap();
    assert_eq!(headers.len(), 3);
    assert_eq!(
        headers[0].content,
        Content::Dictionary { values: 2, encoding: DICTIONARY_PLAIN, sorted: false }
    );
    assert_eq!((headers[1].content.values(), headers[2].content.values()), (3, 4));
    assert_eq!(headers[2].level_bytes(), 2);
    let cost = walk(Pages::new(COLUMN, chunk.into(), 7)).unwrap();
    let open = 8 + 2 * limits::PARQUET_DICTIONARY_VALUE_BYTES + 8;
    assert_eq!(cost, Cost { bytes: 24, open, usual: true });
}

#[test]
fn pages_that_cannot_be_are_refused() {
    let dictionary = || page(2, 8, 8, 7, &[2, 0]);
    for (chunk, says) in [
        (vec![], "lack 5 of its values"),
        (data(4), "lack 1 of its values"),
        (data(6), "more values than it claims"),
        (data(5)[..20].to_vec(), "ends beyond its column"),
        (data(5)[..6].to_vec(), "a page header: ends too early"),
        ([data(2), dictionary(), data(3)].concat(), "not the first"),
        (page(0, 8, 8, 5, &[5, 8, 3, 3]), "without the dictionary"),
        (page(0, 9, 8, 5, &[5, 0, 3, 3]), "a page of 8 bytes cannot be 9 bytes"),
        (page(0, 1 << 30, 8, 5, &[5, 0, 3, 3]), "more than 67108864"),
        (page(0, -8, 8, 5, &[5, 0, 3, 3]), "missing or negative"),
        (page(0, 8, 8, 5, &[-5, 0, 3, 3]), "missing or negative"),
        (page(0, 8, 8, 5, &[5, 4, 3, 3]), "encoding BIT_PACKED"),
        (page(0, 8, 8, 5, &[5, 1, 3, 3]), "an encoding of no known name"),
        (page(0, 8, 8, 5, &[5, 0, 0, 3]), "encoding PLAIN"),
        (page(4, 8, 8, 5, &[5, 0, 3, 3]), "a page of no known type"),
        (page(0, 8, 8, 7, &[5, 0]), "a page of no known type"),
        (page(2, 8, 8, 7, &[3, 0]), "a dictionary of 3 values in 8 bytes"),
        (page(2, 8, 8, 7, &[2, 5]), "encoding DELTA_BINARY_PACKED"),
        (page(3, 8, 8, 8, &[5, 1, 4, 0, 2, 0]), "5 values with 4 rows"),
        (page(3, 8, 8, 8, &[5, 6, 5, 0, 2, 0]), "6 nulls"),
        (page(3, 8, 8, 8, &[5, 1, 5, 0, 7, 2]), "with more levels"),
        (page(3, 8, 8, 8, &[5, 1, 5, 0, i32::MAX, i32::MAX]), "with more levels"),
    ] {
        let error = read(&chunk, 5).unwrap_err();
        assert!(error.contains(says), "{error} instead of {says}");
    }
}

#[test]
fn codecs_have_their_reach() {
    assert!(reach(CompressionCodec::LZO, 1).is_none());
    for (codec, most) in [
        (CompressionCodec::SNAPPY, 22),
        (CompressionCodec::GZIP, 1_032),
        (CompressionCodec::ZSTD, 32 << 10),
        (CompressionCodec::LZ4, 255),
        (CompressionCodec::LZ4_RAW, 255),
        (CompressionCodec::BROTLI, 16 << 20),
    ] {
        assert_eq!(reach(codec, 3), Some(0..=3 * most));
    }
}

#[test]
fn pages_of_version_2_may_be_compressed_whatever_they_say() {
    let snappy = Column { codec: CompressionCodec::SNAPPY, ..COLUMN };
    let header = |compressed, size, is_compressed| Header {
        content: Content::DataV2 {
            values: 1,
            nulls: 0,
            rows: 1,
            encoding: Encoding::PLAIN,
            definition_bytes: 0,
            repetition_bytes: 0,
            compressed: is_compressed,
        },
        compressed,
        size,
        crc: None,
    };
    assert_eq!(snappy.codec_of(&header(8, 8, true)), CompressionCodec::SNAPPY);
    assert_eq!(snappy.codec_of(&header(8, 8, false)), CompressionCodec::UNCOMPRESSED);
    assert_eq!(snappy.codec_of(&header(7, 8, false)), CompressionCodec::SNAPPY, "what else could it be");
    let old = Column { always_compressed: true, ..snappy };
    assert_eq!(old.codec_of(&header(8, 8, false)), CompressionCodec::SNAPPY);
    for (by, always) in [
        (Some("parquet-cpp version 1.5.1-SNAPSHOT"), true),
        (Some("parquet-cpp version 2.0.0"), false),
        (Some("parquet-cpp-arrow version 3.0.0"), false),
        (Some("parquet-cpp-arrow version 26.0.1"), false),
        (Some("parquet-mr version 1.12.0 (build db75a6815f2ba1d1ee89d1a90aeb296f1f3a8f20)"), false),
        (Some("parquet-cpp-arrow"), false),
        (None, false),
    ] {
        assert_eq!(is_always_compressed(by), always, "{by:?}");
    }
}
