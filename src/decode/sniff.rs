//! What an object is that is not a flow log in a format that is read, and what to do about it.
//!
//! Looks at first bytes only, after everything else has failed or cannot be: what is said here decides nothing but the
//! text of a refusal. Facts: the magic numbers of each format's own specification; for what CloudWatch Logs and Amazon
//! Data Firehose write, their user guides.

use super::text::names_of_flow_logs;

/// Bytes that are looked at.
pub(super) const HEAD_BYTES: u64 = 1_024;

const TO_S3: &str = "let the flow log deliver to S3 itself (destination type s3), as text or Parquet";
const GZIP: &str = "store it as gzip text or Parquet";
const CONVERT: &str = "convert it to Parquet, or to gzip text with a header line";
const AGAIN: &str = "copy the object again";

/// What it begins with, what it is, and what to do.
const FORMATS: [(&[u8], &str, &str); 15] = [
    (b"PAR1", "Parquet", "store it as it is, without gzip around it"),
    (b"\x1f\x8b", "gzip", "decompress it once: it was compressed twice"),
    (b"PK\x03\x04", "a ZIP archive", "store each file in it by itself, text as gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard", GZIP),
    (b"BZh", "bzip2", GZIP),
    (b"\xfd7zXZ\0", "xz", GZIP),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "store each file in it by itself, text as gzip"),
    (b"\x04\x22\x4d\x18", "LZ4", GZIP),
    (b"\xff\x06\0\0sNaPpY", "framed Snappy", GZIP),
    (b"Obj\x01", "Avro", CONVERT),
    (b"ORC", "ORC", CONVERT),
    (b"ARROW1", "an Arrow file", CONVERT),
    (b"SQLite format 3\0", "an SQLite database", CONVERT),
    (b"\xff\xfe", "UTF-16 text", "convert it to UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "convert it to UTF-8"),
];

/// Says what an object is that begins like neither Parquet nor gzip.
pub(super) fn object(head: &[u8]) -> String {
    if let Some(known) = document(head) {
        return known;
    }
    let line = first_line(head);
    if names_of_flow_logs(line) > 1 || is_record(line) {
        return "flow log text that is not compressed: store it as gzip".to_owned();
    }
    if let Some(known) = without_header(head) {
        return known;
    }
    if !head.is_empty() && head.iter().all(|byte| *byte == 0) {
        return format!("begins with {} zeros, a copy that was cut off or a hole: {AGAIN}", head.len());
    }
    let some = &head[..head.len().min(4)];
    let text = if is_text(head) { ", which is text" } else { "" };
    format!("begins with the bytes {some:02x?}{text}: neither Parquet nor gzip")
}

/// Says what cannot be flow log text, whatever its first line is.
pub(super) fn document(head: &[u8]) -> Option<String> {
    let format = FORMATS.iter().find(|(magic, ..)| head.starts_with(magic));
    if let Some((_, name, remedy)) = format {
        return Some(format!("{name}: {remedy}"));
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some("a tar archive: store each file in it by itself, text as gzip".to_owned());
    }
    let text = without_mark(head).trim_ascii_start();
    let has = |word: &str| contains(text, word.as_bytes());
    match text.first()? {
        b'{' | b'[' if has("\"logEvents\"") || has("\"messageType\"") => {
            Some(format!("JSON of a CloudWatch Logs subscription: {TO_S3}"))
        }
        b'{' if has("\"message\"") => Some(format!("JSON lines of Amazon Data Firehose: {TO_S3}")),
        b'{' | b'[' => Some(format!("JSON: {TO_S3}")),
        b'<' if has("<Error>") => Some(format!("an error of S3 in XML: {AGAIN}")),
        b'<' if has("<?xml") => Some(format!("XML: {AGAIN}")),
        b'<' => Some(format!("an HTML page, as proxies and login pages answer: {AGAIN}")),
        _ => None,
    }
}

/// Says what text is whose first line is not a header.
pub(super) fn without_header(head: &[u8]) -> Option<String> {
    let line = without_mark(first_line(head));
    if line.len() < first_line(head).len() && names_of_flow_logs(line) > 1 {
        return Some("a byte order mark before the header: store the text without it".to_owned());
    }
    let (first, rest) = line.split_at(line.iter().position(|byte| *byte == b' ').unwrap_or(line.len()));
    if first.ends_with(b"Z") && first.contains(&b'T') && is_record(rest.trim_ascii_start()) {
        return Some(format!("an export of CloudWatch Logs, a time before each record: {TO_S3}"));
    }
    if is_record(line) {
        return Some(format!(
            "records without a header line, as CloudWatch Logs and Firehose have them: {TO_S3}"
        ));
    }
    for (separator, name) in [(b',', "commas"), (b'\t', "tabs"), (b';', "semicolons"), (b'|', "bars")] {
        let parted = |byte: &u8| match *byte {
            b'"' => None,
            byte if byte == separator => Some(b' '),
            byte => Some(byte),
        };
        if line.contains(&separator)
            && names_of_flow_logs(&line.iter().filter_map(parted).collect::<Vec<_>>()) > 1
        {
            return Some(format!("columns parted by {name}: part them by single spaces, without quotes"));
        }
    }
    None
}

/// Whether a line has the values of a flow log: an interface among numbers and addresses, or a status at its end.
fn is_record(line: &[u8]) -> bool {
    let mut fields = 0;
    let (mut interface, mut status) = (false, false);
    for field in line.split(|byte| *byte == b' ') {
        fields += 1;
        interface |= field.starts_with(b"eni-");
        status = matches!(field, b"OK" | b"NODATA" | b"SKIPDATA");
    }
    fields >= 8 && (interface || status)
}

fn first_line(head: &[u8]) -> &[u8] {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn without_mark(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head)
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}

fn is_text(head: &[u8]) -> bool {
    !head.is_empty() && head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str =
        "2 123456789012 eni-0a 10.0.1.4 10.0.1.5 443 40000 6 10 840 1765249200 1765249260 ACCEPT OK";

    #[test]
    fn other_formats_are_named_with_a_remedy() {
        let mut tar = [0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (head, says) in [
            (&b"PK\x03\x04\x14"[..], "a ZIP archive: store each file"),
            (b"\x28\xb5\x2f\xfd\x04", "Zstandard: store it as gzip"),
            (b"BZh91AY", "bzip2: store it as gzip"),
            (b"\xfd7zXZ\0\0", "xz: store it as gzip"),
            (b"\x04\x22\x4d\x18\x64", "LZ4: store it as gzip"),
            (b"\xff\x06\0\0sNaPpY", "framed Snappy: store it as gzip"),
            (b"Obj\x01\x04", "Avro: convert it to Parquet"),
            (b"ORC\n\x0b", "ORC: convert it to Parquet"),
            (b"ARROW1\0\0", "an Arrow file: convert it to Parquet"),
            (b"\xff\xfev\0e\0", "UTF-16 text: convert it to UTF-8"),
            (&tar, "a tar archive"),
            (
                b"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>",
                "an error of S3 in XML: copy",
            ),
            (b"<?xml version=\"1.0\"?><Feed/>", "XML: copy the object again"),
            (b"\n<!DOCTYPE html>", "an HTML page"),
            (
                b"{\"message\":\"2 123456789012 eni-0a\"}",
                "JSON lines of Amazon Data Firehose: let the flow log",
            ),
            (
                b"{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[]}",
                "JSON of a CloudWatch Logs subscription",
            ),
            (b"[{\"srcaddr\":1}]", "JSON: let the flow log deliver to S3 itself"),
            (b"\xef\xbb\xbf{}", "JSON: "),
            (b"version account-id interface-id\n", "flow log text that is not compressed: store it as gzip"),
            (RECORD.as_bytes(), "flow log text that is not compressed: store it as gzip"),
            (b"version,account-id\n2,1", "columns parted by commas"),
            (b"\0\0\0\0\0", "begins with 5 zeros, a copy that was cut off"),
            (
                b"hello world",
                "begins with the bytes [68, 65, 6c, 6c], which is text: neither Parquet nor gzip",
            ),
            (b"\x80\x02}q", "begins with the bytes [80, 02, 7d, 71]: neither Parquet nor gzip"),
            (b"P", "begins with the bytes [50], which is text"),
        ] {
            let said = object(head);
            assert!(said.starts_with(says), "{said} instead of {says}");
        }
    }

    #[test]
    fn text_without_a_header_is_named() {
        let exported = format!("2025-12-09T03:00:00.000Z {RECORD}");
        for (text, says) in [
            (RECORD, "records without a header line, as CloudWatch Logs and Firehose"),
            ("2 1 - - - - - - - - 1 2 - NODATA", "records without a header line"),
            (&exported, "an export of CloudWatch Logs, a time before each record"),
            ("\"version\",\"account-id\",\"bytes\"", "columns parted by commas"),
            ("srcaddr\tdstaddr\tbytes", "columns parted by tabs"),
            ("\u{feff}srcaddr dstaddr bytes", "a byte order mark before the header"),
        ] {
            let said = without_header(text.as_bytes()).unwrap_or_default();
            assert!(said.starts_with(says), "{said} instead of {says}");
        }
        for text in ["", "srcaddr dstaddr bytes", "hello, world", "a b c d e f g h i j"] {
            assert_eq!(without_header(text.as_bytes()), None, "{text}");
            assert_eq!(document(text.as_bytes()), None, "{text}");
        }
    }
}
