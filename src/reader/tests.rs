//! One object at a time, from a store that has only that one.

use std::{ops::Range, sync::Mutex, task::Poll};

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::{
    classify::{Rules, SourceScope},
    decode::tests::padded_log,
    discover::{SourceSpec, layout::Layout},
    model::{Hour, ObjectId, Partition, PartitionSpan},
    pricing::PriceBook,
    store::{ListRequest, ObjectStore, Operation, Page},
};

const LIMITS: DecodeLimits = DecodeLimits { decompressed_bytes: 1 << 30 };

/// One object as it is now, and the sizes of what was asked of it.
struct OneObject {
    bytes: Bytes,
    version: &'static str,
    /// Requests that are answered.
    answers: usize,
    asked: Mutex<Vec<u64>>,
}

impl OneObject {
    fn listed(&self, version: &str) -> Listed {
        let id = ObjectId { bucket: "s3://bucket".into(), key: "key".to_owned() };
        Listed { id, size: self.bytes.len() as u64, version: Some(version.to_owned()) }
    }
}

#[async_trait]
impl ObjectStore for OneObject {
    async fn list(&self, request: ListRequest<'_>) -> Result<Page, StoreError> {
        assert_eq!(request.prefix, "key");
        Ok(Page { objects: vec![self.listed(self.version)], ..Page::default() })
    }

    async fn get(&self, object: &Listed, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
        let range = range.unwrap_or(0..object.size);
        let mut asked = self.asked.lock().unwrap();
        asked.push(range.end - range.start);
        let reason = if object.version.as_deref() != Some(self.version) {
            FailureReason::Changed
        } else if asked.len() > self.answers {
            FailureReason::Denied
        } else {
            return Ok(self.bytes.slice(range.start as usize..range.end as usize));
        };
        Err(StoreError { operation: Operation::Get, target: object.id.to_string(), reason, source: None })
    }
}

/// A reader, a source that has this object, and the object as version `v1`.
fn scene(bytes: Bytes, version: &'static str, answers: usize) -> (Reader, Source, Candidate, Arc<OneObject>) {
    let store = Arc::new(OneObject { bytes, version, answers, asked: Mutex::default() });
    let spec = SourceSpec {
        name: "logs".into(),
        bucket: "s3://bucket".into(),
        prefix: String::new(),
        region: "us-east-1".to_owned(),
        layout: Layout::parse("auto").unwrap(),
        accounts: Vec::new(),
        regions: Vec::new(),
        flow_log_ids: Vec::new(),
    };
    let scope = SourceScope { name: "logs".into(), region: "us-east-1".into() };
    let rules = Classifier::new(Rules::default(), &scope, PriceBook::default(), None);
    let classifier = SharedClassifier::new(rules);
    let source = Source { discovery: Discovery::new(spec, store.clone()), classifier };
    let partition = Partition {
        bucket: "s3://bucket".into(),
        prefix: "".into(),
        start: Hour(490_354),
        span: PartitionSpan::Hour,
    };
    let candidate = Candidate { listed: store.listed("v1"), source: "logs".into(), partition };
    let reader = Reader::new(Limits { concurrency: 1, object_bytes: 1 << 30 });
    (reader, source, candidate, store)
}

/// The rows of each batch that is taken.
fn rows(object: Object<'_>, most: usize) -> Result<Vec<usize>, DecodeError> {
    let mut batches = Vec::new();
    let (columns, _) = object.each_batch(&LIMITS, |batch, classifier| {
        let mut numbers = Vec::new();
        classifier.sort(batch, &mut numbers);
        assert_eq!(numbers.len(), batch.rows);
        batches.push(batch.rows);
        Ok(if batches.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    assert!(columns.contains(crate::decode::Field::Bytes));
    Ok(batches)
}

#[tokio::test]
async fn records_come_batch_by_batch_until_they_are_enough() {
    let (reader, source, mut candidate, _) = scene(padded_log(20_000, 0, 20_000, 0), "v1", usize::MAX);
    let all = reader.read(&source, &mut candidate, |object| rows(object, usize::MAX)).await.unwrap();
    assert_eq!(all.value.unwrap().unwrap(), [8_192, 8_192, 3_616]);
    let some = reader.read(&source, &mut candidate, |object| rows(object, 2)).await.unwrap();
    assert_eq!(some.value.unwrap().unwrap(), [8_192, 8_192]);
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let (reader, source, mut candidate, _) = scene(Bytes::from_static(b"bytes"), "v1", usize::MAX);
    let read = reader.read(&source, &mut candidate, |_| -> () { panic!("at offset {}", 7) }).await.unwrap();
    let why = read.value.unwrap_err().to_string();
    assert_eq!((why.as_str(), read.bytes), ("corrupt: the decoder panicked: at offset 7", 5));
    let read = reader.read(&source, &mut candidate, |object| object.input.is_empty()).await.unwrap();
    assert_eq!(read.value, Ok(false), "the next one is read as if nothing had happened");
}

#[tokio::test]
async fn what_was_replaced_after_it_was_listed_is_read_as_it_is_now() {
    let (reader, source, mut candidate, store) = scene(Bytes::from_static(b"bytes"), "v2", usize::MAX);
    let read = reader.read(&source, &mut candidate, |_| ()).await.unwrap();
    assert_eq!((read.bytes, &candidate.listed), (5, &store.listed("v2")));
}

#[tokio::test]
async fn what_is_larger_than_the_limit_is_refused_without_a_request() {
    let (mut reader, source, mut candidate, store) = scene(Bytes::from_static(b"bytes"), "v1", usize::MAX);
    reader.set_limits(Limits { concurrency: 1, object_bytes: 4 });
    let unread = reader.read(&source, &mut candidate, |_| ()).await.unwrap_err();
    let Unread::Quarantined(why) = unread else { panic!("{unread}") };
    assert_eq!(why.reason, QuarantineReason::TooLarge);
    assert!(store.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_part_that_cannot_be_had_outweighs_what_was_made_of_the_others() {
    for answers in [0, 1] {
        let (reader, source, mut candidate, store) = scene(vec![0; 32 << 20].into(), "v1", answers);
        let unread = reader.read(&source, &mut candidate, |object| {
            let mut reader = object.input.reader(0);
            let mut byte = [0];
            // Whatever it says: a fold may well take it for the end.
            let _ = std::io::Read::read(&mut reader, &mut byte);
        });
        let error = "get s3://bucket/key: denied".to_owned();
        assert_eq!(unread.await.unwrap_err(), Unread::Failed { reason: FailureReason::Denied, error });
        assert_eq!(store.asked.lock().unwrap().len(), answers + 1);
    }
}

#[tokio::test]
async fn so_many_objects_are_under_way_and_no_more() {
    let (reader, source, mut candidate, store) = scene(Bytes::from_static(b"bytes"), "v1", usize::MAX);
    let mut other = candidate.clone();
    let first = reader.open(&source, &mut candidate).await.unwrap();
    let mut second = Box::pin(reader.open(&source, &mut other));
    assert!(matches!(futures_util::poll!(&mut second), Poll::Pending));
    assert_eq!(store.asked.lock().unwrap().len(), 1);
    drop(first);
    second.await.unwrap().fold(|_| ()).await.unwrap();
    assert_eq!(store.asked.lock().unwrap().len(), 2);
}
