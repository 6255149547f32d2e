//! Hands the pages of one column chunk to the decoder.
//!
//! The decoder of the library brings a page reader of its own, which decompresses whatever a page turns out to hold;
//! this one gives out what [`pages`](super::pages) let through, at the size it claimed.

use std::sync::{Arc, OnceLock};

use ::parquet::{
    column::page::{Page, PageIterator, PageMetadata, PageReader},
    errors::{ParquetError, Result as ParquetResult},
};
use bytes::Bytes;

use super::{
    pages::{Column, Content, Header, Pages},
    quarantine, unpack,
};
use crate::model::{Quarantine, QuarantineReason};

/// Why reading a chunk ended: the decoder passes on no more than the text of an error.
pub(super) type Fault = Arc<OnceLock<Quarantine>>;

/// The page reader of one chunk.
pub(super) struct Feed {
    /// For messages.
    name: String,
    column: Column,
    pages: Pages,
    peeked: Option<(Header, Bytes)>,
    fault: Fault,
}

impl Feed {
    pub(super) fn new(name: String, column: Column, pages: Pages, fault: Fault) -> Self {
        Self { name, column, pages, peeked: None, fault }
    }

    fn peek(&mut self) -> ParquetResult<Option<&Header>> {
        if self.peeked.is_none() {
            self.peeked = match self.pages.next() {
                Ok(page) => page,
                Err(why) => return Err(self.failed(why)),
            };
        }
        Ok(self.peeked.as_ref().map(|(header, _)| header))
    }

    fn failed(&self, why: Quarantine) -> ParquetError {
        let why = quarantine(why.reason, format!("column {}: {}", self.name, why.detail));
        let error = ParquetError::General(why.to_string());
        // Only the first matters, and there is none after it.
        let _ = self.fault.set(why);
        error
    }
}

impl Iterator for Feed {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Feed {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        self.peek()?;
        let Some((header, body)) = self.peeked.take() else { return Ok(None) };
        let buf = unpack::page(&self.column, &header, &body)
            .map_err(|detail| self.failed(quarantine(QuarantineReason::Corrupt, detail)))?;
        Ok(Some(match header.content {
            Content::Dictionary { values, encoding, sorted } => {
                Page::DictionaryPage { buf, num_values: values, encoding, is_sorted: sorted }
            }
            Content::Data { values, encoding, definition, repetition } => Page::DataPage {
                buf,
                num_values: values,
                encoding,
                def_level_encoding: definition,
                rep_level_encoding: repetition,
                statistics: None,
            },
            Content::DataV2 { values, nulls, rows, encoding, definition_bytes, repetition_bytes, .. } => {
                Page::DataPageV2 {
                    buf,
                    num_values: values,
                    encoding,
                    num_nulls: nulls,
                    num_rows: rows,
                    def_levels_byte_len: definition_bytes,
                    rep_levels_byte_len: repetition_bytes,
                    is_compressed: false,
                    statistics: None,
                }
            }
            Content::Index => {
                let why = quarantine(QuarantineReason::Corrupt, "an index page among the data");
                return Err(self.failed(why));
            }
        }))
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        Ok(self.peek()?.map(|header| match header.content {
            Content::Dictionary { .. } => PageMetadata { num_rows: None, num_levels: None, is_dict: true },
            _ => {
                // In a flat column a value is a row.
                let values = Some(header.content.values() as usize);
                PageMetadata { num_rows: values, num_levels: values, is_dict: false }
            }
        }))
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.peek()?;
        self.peeked = None;
        Ok(())
    }
}

/// The one chunk that a column has in a row group.
pub(super) struct OneChunk(pub(super) Option<Box<dyn PageReader>>);

impl Iterator for OneChunk {
    type Item = ParquetResult<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OneChunk {}
