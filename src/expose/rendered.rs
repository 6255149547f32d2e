//! The flow families of one snapshot as text, made once: nearly all of a scrape, and the same from commit to commit.
//!
//! Refuses to know anything that changes without a commit: clock, configuration and own counters are written for each
//! scrape. Invariant: texts live and die with the snapshot that they were made of, so none can be that of another; at
//! most one for each format, and one compressed.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use prometheus_client::{encoding::text, registry::Registry};

use super::{
    flows::Flows,
    format::{self, Deflated, Format},
};
use crate::model::Snapshot;

/// The last line of an OpenMetrics text.
const END: &str = "# EOF\n";

/// A text, and itself compressed where that was asked for.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    pub(super) text: String,
    deflated: OnceLock<Deflated>,
    /// Whether it was made for a scrape, or since scraped; and whether compressed.
    scraped: AtomicBool,
    scraped_compressed: AtomicBool,
}

impl Rendered {
    /// Compressed, so that the rest of a scrape can follow.
    pub(super) fn deflated(&self) -> &Deflated {
        self.scraped_compressed.store(true, Ordering::Relaxed);
        self.deflate()
    }

    fn deflate(&self) -> &Deflated {
        self.deflated.get_or_init(|| format::deflate(self.text.as_bytes()))
    }
}

/// A snapshot with its texts.
#[derive(Debug, Default)]
pub(super) struct FlowTexts {
    openmetrics: OnceLock<Arc<Rendered>>,
    text: OnceLock<Arc<Rendered>>,
}

impl FlowTexts {
    /// Those of another snapshot, as far as these have been scraped.
    pub(super) fn made_of(&self, snapshot: &Arc<Snapshot>) -> Self {
        let texts = Self::default();
        for (format, before) in [(Format::OpenMetrics, &self.openmetrics), (Format::Text, &self.text)] {
            let Some(before) = before.get().filter(|text| text.scraped.load(Ordering::Relaxed)) else {
                continue;
            };
            let made = texts.make(snapshot, format);
            if before.scraped_compressed.load(Ordering::Relaxed) {
                made.deflate();
            }
        }
        texts
    }

    /// For a scrape of the snapshot that these texts belong to, which is always the same one. Whoever comes while it is
    /// being made waits for it.
    pub(super) fn of(&self, snapshot: &Arc<Snapshot>, format: Format) -> &Arc<Rendered> {
        let made = self.make(snapshot, format);
        made.scraped.store(true, Ordering::Relaxed);
        made
    }

    fn make(&self, snapshot: &Arc<Snapshot>, format: Format) -> &Arc<Rendered> {
        match format {
            Format::OpenMetrics => self.openmetrics.get_or_init(|| {
                let mut registry = Registry::default();
                registry.register_collector(Box::new(Flows(snapshot.clone())));
                let mut text = encoded(&registry);
                text.truncate(text.len() - END.len());
                Arc::new(Rendered { text, ..Rendered::default() })
            }),
            Format::Text => self.text.get_or_init(|| {
                let text = match self.openmetrics.get() {
                    Some(known) => format::text_from_openmetrics(&known.text),
                    // Not kept: most exporters are only ever asked for one format.
                    None => {
                        let openmetrics = Self::default();
                        format::text_from_openmetrics(&openmetrics.make(snapshot, Format::OpenMetrics).text)
                    }
                };
                Arc::new(Rendered { text, ..Rendered::default() })
            }),
        }
    }
}

/// Everything that is registered, as OpenMetrics.
pub(super) fn encoded(registry: &Registry) -> String {
    let mut exposition = String::new();
    text::encode(&mut exposition, registry).expect("a string takes every write");
    debug_assert!(exposition.ends_with(END));
    exposition
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::model::{FlowCounts, FlowKey, NatDirection};

    fn snapshot(bytes: u64) -> Arc<Snapshot> {
        let key = FlowKey {
            src_zone: "a".into(),
            dst_zone: "b".into(),
            port_group: "other".into(),
            nat_direction: NatDirection::None,
        };
        let counts = FlowCounts { bytes, ..FlowCounts::default() };
        let traffic = std::iter::once((key, counts)).collect();
        Arc::new(Snapshot { traffic, first_scan_complete: true, ..Snapshot::default() })
    }

    #[test]
    fn a_text_is_made_once_for_each_format() {
        let (texts, snapshot) = (FlowTexts::default(), snapshot(7));
        for format in [Format::Text, Format::OpenMetrics] {
            let first = texts.of(&snapshot, format);
            assert!(first.text.contains("nat_direction=\"none\"} 7\n"), "{}", first.text);
            assert!(!first.text.contains(END));
            let again = texts.of(&snapshot, format);
            assert!(std::ptr::eq(first, again) && std::ptr::eq(first.deflated(), again.deflated()));
        }
    }

    #[test]
    fn what_was_asked_for_is_made_again_and_no_more() {
        let made = |texts: &FlowTexts| {
            [&texts.openmetrics, &texts.text].map(|text| text.get().map(|text| text.deflated.get().is_some()))
        };
        let texts = FlowTexts::default();
        assert_eq!(made(&texts.made_of(&snapshot(1))), [None, None]);
        texts.of(&snapshot(1), Format::Text);
        assert_eq!(made(&texts.made_of(&snapshot(2))), [None, Some(false)]);
        texts.of(&snapshot(1), Format::OpenMetrics).deflated();
        let next = texts.made_of(&snapshot(2));
        assert_eq!(made(&next), [Some(true), Some(false)]);
        assert_eq!(made(&next.made_of(&snapshot(3))), [None, None], "nobody has scraped these");
        for format in [Format::Text, Format::OpenMetrics] {
            assert_eq!(
                next.of(&snapshot(2), format).text,
                FlowTexts::default().of(&snapshot(2), format).text
            );
        }
    }

    #[test]
    fn what_follows_a_compressed_text_is_one_gzip_member_with_it() {
        let long = "a line that comes again and again\n".repeat(40_000);
        for first in ["", "x", long.as_str()] {
            for rest in ["", "y", long.as_str()] {
                let whole = format::gzip(&format::deflate(first.as_bytes()), rest.as_bytes());
                let mut text = String::new();
                // Reads one member, and compares length and checksum.
                let mut decoder = flate2::bufread::GzDecoder::new(&*whole);
                decoder.read_to_string(&mut text).unwrap();
                assert!(text == format!("{first}{rest}"));
                assert!(decoder.into_inner().is_empty(), "nothing after it");
            }
        }
    }
}
