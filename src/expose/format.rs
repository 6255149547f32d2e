//! The two exposition formats: which one a scraper gets, and one text made from the other.
//!
//! Refuses to know any metric. Invariant: both formats carry the same samples; they differ in metadata lines only.
//! Formats: <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md> and
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use flate2::{Compress, Compression, Crc, FlushCompress};

/// An exposition format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Prometheus text 0.0.4: what everybody reads, and what is sent when nothing else is asked for.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type` of a response. Prometheus 3 refuses a response without a known one.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format for an `Accept` header: the one with the higher quality, [`Format::Text`] for a tie, for a header
    /// that allows neither, and for none. Never refuses: a scrape in the wrong format says more than none.
    pub fn negotiate(accept: Option<&str>) -> Self {
        let Some(accept) = accept else { return Self::Text };
        let quality = |format: Self| {
            let ranges = accept.split(',').filter_map(MediaRange::parse);
            // The most specific range that matches decides (RFC 9110, 12.5.1), whatever its quality.
            let best = ranges.filter_map(|range| Some((range.matches(format)?, range.quality))).max();
            best.map_or(0, |(_, quality)| quality)
        };
        if quality(Self::OpenMetrics) > quality(Self::Text) { Self::OpenMetrics } else { Self::Text }
    }
}

/// One entry of an `Accept` header.
struct MediaRange<'a> {
    kind: &'a str,
    subtype: &'a str,
    version: Option<&'a str>,
    /// Thousandths.
    quality: u16,
}

impl<'a> MediaRange<'a> {
    /// `None` for what is no media range.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let (mut version, mut quality) = (None, 1000);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "version" => version = Some(value),
                "q" => quality = thousandths(value)?,
                // charset is always utf-8; escaping cannot matter, because all names are plain.
                _ => {}
            }
        }
        Some(Self { kind: kind.trim(), subtype: subtype.trim(), version, quality })
    }

    /// How specifically it names a format, or `None` if it does not.
    fn matches(&self, format: Format) -> Option<u8> {
        let (kind, subtype, version) = match format {
            Format::Text => ("text", "plain", "0.0.4"),
            Format::OpenMetrics => ("application", "openmetrics-text", "1.0.0"),
        };
        if self.kind == "*" && self.subtype == "*" {
            return Some(0);
        }
        if !self.kind.eq_ignore_ascii_case(kind) {
            return None;
        }
        match (self.subtype, self.version) {
            ("*", _) => Some(1),
            (named, None) if named.eq_ignore_ascii_case(subtype) => Some(2),
            (named, Some(asked)) if named.eq_ignore_ascii_case(subtype) && asked == version => Some(3),
            _ => None,
        }
    }
}

/// A quality value as RFC 9110 writes it: 0 to 1 with at most three digits after the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1")
        || fraction.len() > 3
        || !fraction.bytes().all(|digit| digit.is_ascii_digit())
    {
        return None;
    }
    let value: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (value <= 1000).then_some(value)
}

/// Whether an `Accept-Encoding` header asks for gzip at least as much as for the plain body.
pub(super) fn wants_gzip(accept_encoding: Option<&str>) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for entry in accept_encoding.unwrap_or_default().split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default().to_ascii_lowercase();
        let stated = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let Some(quality) = stated.map_or(Some(1000), thousandths) else { continue };
        match coding.as_str() {
            "gzip" | "x-gzip" => gzip = Some(quality),
            "*" => any = Some(quality),
            "identity" => identity = Some(quality),
            _ => {}
        }
    }
    let quality = gzip.or(any).unwrap_or(0);
    quality > 0 && quality >= identity.unwrap_or(0)
}

/// The header of a gzip member without time and name, compressed for speed (RFC 1952, 2.3).
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff];

/// A compressed text that another one may follow: it ends with a whole byte, and is not the last.
#[derive(Debug)]
pub(super) struct Deflated {
    bytes: Vec<u8>,
    crc: Crc,
}

/// Compresses the first part of a body.
pub(super) fn deflate(first: &[u8]) -> Deflated {
    let mut crc = Crc::new();
    crc.update(first);
    Deflated { bytes: deflated(first, FlushCompress::Sync, Vec::with_capacity(first.len() / 8 + 64)), crc }
}

/// A compressed body whose first part is compressed already. The same body in the same parts gives the same bytes.
pub(super) fn gzip(first: &Deflated, rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(GZIP_HEADER.len() + first.bytes.len() + rest.len() / 4 + 64);
    out.extend(GZIP_HEADER);
    out.extend(&first.bytes);
    let mut out = deflated(rest, FlushCompress::Finish, out);
    let mut crc = Crc::new();
    crc.update(rest);
    let mut whole = Crc::new();
    whole.combine(&first.crc);
    whole.combine(&crc);
    out.extend(whole.sum().to_le_bytes());
    out.extend(whole.amount().to_le_bytes());
    out
}

fn deflated(body: &[u8], flush: FlushCompress, mut out: Vec<u8>) -> Vec<u8> {
    // Level 1: repeated label sets shrink by a factor of ten at every level, and a scrape must be quick.
    let mut compress = Compress::new(Compression::fast(), false);
    loop {
        // Room to spare after a call says that all of it has come out.
        if out.capacity() - out.len() < 64 {
            out.reserve(out.len().max(4_096));
        }
        let done = usize::try_from(compress.total_in()).unwrap_or(body.len());
        compress.compress_vec(&body[done..], &mut out, flush).expect("a sound stream");
        if compress.total_in() == body.len() as u64 && out.len() < out.capacity() {
            return out;
        }
    }
}

/// Text 0.0.4 from OpenMetrics 1.0.0.
///
/// Counters are named with their `_total` in the metadata, `# UNIT` and `# EOF` do not exist, and help escapes no
/// quotes. Sample lines are the same in both as long as there are no exemplars, `_created` samples and timestamps,
/// and this program has none.
pub(super) fn text_from_openmetrics(exposition: &str) -> String {
    let mut text = String::with_capacity(exposition.len() + exposition.len() / 16);
    let mut help = None;
    for line in exposition.split_terminator('\n') {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // Held back: its name depends on the type, which follows.
            help = rest.split_once(' ');
        } else if let Some((family, kind)) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, help)) = help.take().filter(|(name, _)| *name == family) {
                text.extend(["# HELP ", family, suffix, " ", &unescape_quotes(help), "\n"]);
            }
            text.extend(["# TYPE ", family, suffix, " ", kind, "\n"]);
        } else if line == "# EOF" {
            break;
        } else if !line.starts_with("# UNIT ") {
            text.extend([line, "\n"]);
        }
    }
    text
}

/// `\"` becomes `"`; the other escapes stay as they are.
fn unescape_quotes(help: &str) -> String {
    let mut plain = String::with_capacity(help.len());
    let mut characters = help.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('"') => plain.push('"'),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn real_scrapers_get_the_format_they_prefer() {
        let openmetrics = [
            // Prometheus 2.34 to 2.49
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            // Prometheus 2.50 with native histograms
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5,\
             application/openmetrics-text;version=1.0.0;q=0.4,application/openmetrics-text;version=0.0.1;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            // Prometheus 3
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,text/plain;version=0.0.4;q=0.3",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "application/openmetrics-text",
            "Application/OpenMetrics-Text;VERSION=\"1.0.0\"",
            "text/plain;version=0.0.4;q=0, */*",
        ];
        for accept in openmetrics {
            assert_eq!(Format::negotiate(Some(accept)), Format::OpenMetrics, "{accept}");
        }
        let text = [
            // Prometheus before 2.34: no 1.0.0 yet
            "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            // Prometheus 3 told to use text
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2",
            // VictoriaMetrics, old and new
            "text/plain; version=0.0.4;q=1",
            "text/plain;version=0.0.4;q=1,*/*;q=0.1",
            // Telegraf
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
             text/plain;version=0.0.4;q=0.3",
            // A browser
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            // curl
            "*/*",
            "application/json",
            "application/openmetrics-text;version=1.0.0;q=0",
            "application/openmetrics-text;version=2.0.0",
            "",
            ",;=,/;q=,text",
        ];
        for accept in text {
            assert_eq!(Format::negotiate(Some(accept)), Format::Text, "{accept}");
        }
        assert_eq!(Format::negotiate(None), Format::Text);
    }

    #[test]
    fn quality_values_are_what_the_standard_allows() {
        for (text, value) in [("0", 0), ("1", 1000), ("0.5", 500), ("0.125", 125), ("1.000", 1000), ("0.", 0)]
        {
            assert_eq!(thousandths(text), Some(value), "{text}");
        }
        for text in ["", "2", "1.001", "0.1234", "-1", "0.x", "NaN", "01"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }

    #[test]
    fn gzip_is_used_only_when_it_is_asked_for() {
        for header in
            ["gzip", "gzip, deflate", "deflate, GZIP;q=0.5", "*", "*;q=0.1", "x-gzip", "br,gzip;q=1.0"]
        {
            assert!(wants_gzip(Some(header)), "{header}");
        }
        for header in
            ["", "identity", "gzip;q=0", "gzip;q=0.0", "*;q=0", "*, gzip;q=0", "deflate", "gzip;q=9"]
        {
            assert!(!wants_gzip(Some(header)), "{header}");
        }
        assert!(!wants_gzip(Some("gzip;q=0.5, identity")), "the plain body is preferred");
        assert!(!wants_gzip(None));
    }

    #[test]
    fn gzip_is_reproducible_and_reversible() {
        let body = "flow ".repeat(1000);
        let compressed = gzip(&deflate(b""), body.as_bytes());
        assert_eq!(compressed, gzip(&deflate(b""), body.as_bytes()));
        let mut back = String::new();
        flate2::read::GzDecoder::new(&*compressed).read_to_string(&mut back).expect("valid");
        assert_eq!(back, body);
    }

    #[test]
    fn the_text_format_names_counters_with_total_and_has_no_unit_and_no_eof() {
        let openmetrics = concat!(
            "# HELP a_bytes Bytes of \\\"a\\\", a \\\\ and a\\nline.\n",
            "# TYPE a_bytes counter\n",
            "# UNIT a_bytes bytes\n",
            "a_bytes_total{x=\"# UNIT \\\" \\\\ \\n # EOF\"} 1\n",
            "# HELP b B.\n",
            "# TYPE b gauge\n",
            "b 2.5\n",
            "# HELP c C.\n",
            "# TYPE c histogram\n",
            "c_sum 0.0\n",
            "c_count 0\n",
            "c_bucket{le=\"+Inf\"} 0\n",
            "# EOF\n",
        );
        let text = concat!(
            "# HELP a_bytes_total Bytes of \"a\", a \\\\ and a\\nline.\n",
            "# TYPE a_bytes_total counter\n",
            "a_bytes_total{x=\"# UNIT \\\" \\\\ \\n # EOF\"} 1\n",
            "# HELP b B.\n",
            "# TYPE b gauge\n",
            "b 2.5\n",
            "# HELP c C.\n",
            "# TYPE c histogram\n",
            "c_sum 0.0\n",
            "c_count 0\n",
            "c_bucket{le=\"+Inf\"} 0\n",
        );
        assert_eq!(text_from_openmetrics(openmetrics), text);
    }

    #[test]
    fn an_escaped_backslash_before_a_quote_stays_a_backslash() {
        assert_eq!(unescape_quotes(r#"a\\"b\"c\nd\"#), "a\\\\\"b\"c\\nd\\");
    }
}
