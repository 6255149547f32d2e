//! The bytes of one object, and no more of them than are needed.
//!
//! A small object is one request. Of a larger Parquet object the footer is read first, then the columns that count;
//! other objects are read whole. A large object is read in parts while it is decoded. Refuses to know what a column means and to retry: a failed request fails the object,
//! which is then put back. Invariant: no byte is fetched twice, so never more bytes than the object has.

mod parts;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use bytes::Bytes;

use crate::{
    decode::{Input, SparseBytes, Wanted, wanted_ranges},
    limits,
    model::{Listed, Quarantine, QuarantineReason},
    store::{FailureReason, ObjectStore, Operation, StoreError},
};

pub use parts::ObjectParts;

/// An object that can be decoded.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Its bytes, or those that are needed.
    pub input: Input,
    /// How many were fetched.
    pub bytes_fetched: u64,
    /// What fetches the rest of them while they are decoded, and knows afterwards whether it could.
    pub parts: Option<Arc<ObjectParts>>,
}

/// Why there is nothing to decode.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A request failed; [`FailureReason`] says whether it is worth trying again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object will not be read at all; nothing was fetched.
    #[error("{0}")]
    Quarantine(Quarantine),
}

/// Fetches it at once. One that is too large is refused by its listed size, without a request; one of no bytes needs
/// none.
async fn fetch(
    store: &dyn ObjectStore,
    listed: &Listed,
    object_bytes_limit: u64,
) -> Result<Fetched, FetchError> {
    let len = listed.size;
    if len > object_bytes_limit {
        let detail = format!("{len} bytes, more than limits.object_bytes = {object_bytes_limit}");
        return Err(FetchError::Quarantine(Quarantine { reason: QuarantineReason::TooLarge, detail }));
    }
    if len == 0 {
        return Ok(Fetched { input: Input::Whole(Bytes::new()), bytes_fetched: 0, parts: None });
    }
    if len <= limits::WHOLE_OBJECT_BYTES {
        let whole = exactly(store.get(listed, None).await?, len, listed)?;
        return Ok(Fetched { input: Input::Whole(whole), bytes_fetched: len, parts: None });
    }
    let mut parts = Parts { store, listed, chunks: BTreeMap::new(), fetched: 0 };
    let (wanted, have_from) = parts.end().await?;
    for range in requests(&wanted, have_from) {
        parts.get(range).await?;
    }
    Ok(Fetched {
        input: Input::Sparse(SparseBytes { len, chunks: parts.chunks }),
        bytes_fetched: parts.fetched,
        parts: None,
    })
}

/// Fetches what is needed to decode an object of up to `object_bytes_limit` bytes (`limits.object_bytes`).
///
/// Of one of more than [`limits::IN_PARTS_BYTES`] it fetches only the end; the rest comes while it is decoded. That
/// blocks: where [`Fetched::parts`] is there, decode where blocking is allowed, and ask it for its failure afterwards.
pub async fn fetch_or_begin(
    store: &Arc<dyn ObjectStore>,
    listed: &Listed,
    object_bytes_limit: u64,
) -> Result<Fetched, FetchError> {
    if listed.size <= limits::IN_PARTS_BYTES || listed.size > object_bytes_limit {
        return fetch(&**store, listed, object_bytes_limit).await;
    }
    let parts = Arc::new(ObjectParts::begin(Arc::clone(store), listed).await?);
    let bytes_fetched = parts.bytes_fetched();
    Ok(Fetched { input: Input::Parts(parts.clone()), bytes_fetched, parts: Some(parts) })
}

/// What was fetched so far of one object.
struct Parts<'a> {
    store: &'a dyn ObjectStore,
    listed: &'a Listed,
    chunks: BTreeMap<u64, Bytes>,
    fetched: u64,
}

impl Parts<'_> {
    /// Fetches the end of the object, with all of a Parquet footer, and says what else is wanted and from where on
    /// everything is there.
    async fn end(&mut self) -> Result<(Vec<Range<u64>>, u64), FetchError> {
        let len = self.listed.size;
        let start = len - limits::FOOTER_BYTES;
        let tail = self.get(start..len).await?;
        match wanted_ranges(&tail, len) {
            Wanted::All => Ok((all_of(start), start)),
            Wanted::Ranges(ranges) => Ok((ranges, start)),
            Wanted::Footer(rest) => {
                let footer_start = rest.start;
                let rest = self.get(rest).await?;
                let joined = [&rest[..], &tail[..]].concat();
                match wanted_ranges(&joined, len) {
                    Wanted::Ranges(ranges) => Ok((ranges, footer_start)),
                    // Asked with a whole footer, it has no reason to answer anything else.
                    Wanted::All | Wanted::Footer(_) => Ok((all_of(footer_start), footer_start)),
                }
            }
        }
    }

    async fn get(&mut self, range: Range<u64>) -> Result<Bytes, FetchError> {
        let size = range.end - range.start;
        let bytes = exactly(self.store.get(self.listed, Some(range.clone())).await?, size, self.listed)?;
        self.fetched += size;
        self.chunks.insert(range.start, bytes.clone());
        Ok(bytes)
    }
}

/// What a store returns has exactly the length asked for; one that breaks this must not lose records in silence.
fn exactly(bytes: Bytes, size: u64, listed: &Listed) -> Result<Bytes, StoreError> {
    if bytes.len() as u64 == size {
        return Ok(bytes);
    }
    Err(StoreError {
        operation: Operation::Get,
        target: listed.id.to_string(),
        reason: FailureReason::Other,
        source: Some(format!("{} bytes instead of {size}", bytes.len()).into()),
    })
}

/// The requests for some ranges, given in order, where everything from `have_from` on is there already. Small gaps are
/// fetched along, and where nearly everything is wanted, everything is.
fn requests(wanted: &[Range<u64>], have_from: u64) -> Vec<Range<u64>> {
    let mut requests: Vec<Range<u64>> = Vec::new();
    for range in wanted {
        let end = range.end.min(have_from);
        match requests.last_mut() {
            _ if range.start >= end => {}
            Some(last) if range.start.saturating_sub(last.end) <= limits::COALESCE_GAP_BYTES => {
                last.end = last.end.max(end);
            }
            _ => requests.push(range.start..end),
        }
    }
    let bytes: u64 = requests.iter().map(|range| range.end - range.start).sum();
    // One request for all of the rest costs at most a third more bytes.
    if requests.len() > 1 && bytes > have_from / 4 * 3 {
        return all_of(have_from);
    }
    requests
}

fn all_of(bytes: u64) -> Vec<Range<u64>> {
    std::iter::once(0..bytes).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init, reason = "lists of ranges, some with one")]

    use std::{
        sync::{Mutex, mpsc},
        time::Duration,
    };

    use async_trait::async_trait;
    use tokio::runtime::Handle;

    use super::*;
    use crate::{
        decode::{
            DecodeError, DecodeLimits, FlowBatch, Reader,
            tests::{large_transit_gateway_log, padded_log},
        },
        model::{IgnoreReason, ObjectId},
        store::{ListRequest, Page},
    };

    /// One object, and what was asked of it.
    struct OneObject {
        bytes: Bytes,
        short_by: usize,
        /// Requests that are answered.
        fail_after: usize,
        asked: Mutex<Vec<Range<u64>>>,
        /// Where else each request is told of.
        told: Option<mpsc::Sender<Range<u64>>>,
        local: bool,
        /// Requests that were not answered.
        failures: std::sync::atomic::AtomicUsize,
    }

    #[async_trait]
    impl ObjectStore for OneObject {
        async fn list(&self, _: ListRequest<'_>) -> Result<Page, StoreError> {
            unreachable!("fetching does not list")
        }

        async fn get(&self, object: &Listed, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
            assert_eq!(object.version.as_deref(), Some("v1"), "every read is pinned");
            let range = range.unwrap_or(0..self.bytes.len() as u64);
            let mut asked = self.asked.lock().unwrap();
            if asked.len() == self.fail_after {
                self.failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let (operation, target) = (Operation::Get, object.id.to_string());
                return Err(StoreError { operation, target, reason: FailureReason::Changed, source: None });
            }
            asked.push(range.clone());
            if let Some(told) = &self.told {
                told.send(range.clone()).unwrap();
            }
            Ok(self.bytes.slice(range.start as usize..range.end as usize - self.short_by))
        }

        fn is_local(&self) -> bool {
            self.local
        }
    }

    fn store_of(bytes: Bytes) -> (OneObject, Listed) {
        let id = ObjectId { bucket: "s3://bucket".into(), key: "key".to_string() };
        let listed = Listed { id, size: bytes.len() as u64, version: Some("v1".to_string()) };
        let (short_by, fail_after, asked) = (0, usize::MAX, Mutex::default());
        (
            OneObject { bytes, short_by, fail_after, asked, told: None, local: false, failures: 0.into() },
            listed,
        )
    }

    async fn fetched(bytes: Bytes) -> (Fetched, Vec<Range<u64>>) {
        let (store, listed) = store_of(bytes);
        let fetched = fetch(&store, &listed, u64::MAX).await.unwrap();
        let asked = store.asked.into_inner().unwrap();
        let sum: u64 = asked.iter().map(|range| range.end - range.start).sum();
        assert_eq!(fetched.bytes_fetched, sum, "the count is what was asked for");
        assert!(sum <= listed.size, "never more than the object");
        (fetched, asked)
    }

    fn decoded(input: Input) -> Result<Vec<FlowBatch>, DecodeError> {
        let mut reader = Reader::open(input, &DecodeLimits { decompressed_bytes: 1 << 30 })?;
        let mut batches = Vec::new();
        while let Some(batch) = reader.next_batch()? {
            batches.push(batch);
        }
        Ok(batches)
    }

    async fn reads_like_the_whole(file: Bytes) -> (Fetched, Vec<Range<u64>>) {
        let (fetched, asked) = fetched(file.clone()).await;
        let whole = decoded(Input::Whole(file)).unwrap();
        assert_eq!(format!("{:?}", decoded(fetched.input.clone()).unwrap()), format!("{whole:?}"));
        (fetched, asked)
    }

    #[tokio::test]
    async fn a_small_object_is_one_request() {
        let file = padded_log(1_000, 20, 1_000, 0);
        let len = file.len() as u64;
        assert!(len <= limits::WHOLE_OBJECT_BYTES);
        let (_, asked) = reads_like_the_whole(file).await;
        assert_eq!(asked, [0..len]);
    }

    #[tokio::test]
    async fn of_a_large_object_only_the_columns_that_count_are_read() {
        let file = padded_log(20_000, 200, 10_000, 0);
        let len = file.len() as u64;
        let (fetched, asked) = reads_like_the_whole(file).await;
        assert_eq!(asked[0], len - limits::FOOTER_BYTES..len);
        assert_eq!(asked[1], 0..4, "the columns that count are far from the beginning");
        assert_eq!(asked.len(), 2 + 4, "srcaddr apart from dstaddr with bytes, in two row groups: {asked:?}");
        assert!(fetched.bytes_fetched < len / 5, "{} of {len}", fetched.bytes_fetched);
    }

    #[tokio::test]
    async fn a_footer_longer_than_the_guess_is_one_more_request() {
        let file = padded_log(20_000, 200, 10_000, 200_000);
        let len = file.len() as u64;
        let (_, asked) = reads_like_the_whole(file).await;
        assert_eq!(asked[0], len - limits::FOOTER_BYTES..len);
        assert_eq!(asked[1].end, asked[0].start, "only the part that is not there yet");
        assert!(asked[1].end - asked[1].start < 300_000);
        assert_eq!(asked.len(), 3 + 4, "the end, the rest of the footer, the beginning");
    }

    #[tokio::test]
    async fn where_nearly_all_is_wanted_the_rest_is_one_request() {
        let file = padded_log(100_000, 0, 50_000, 0);
        let len = file.len() as u64;
        assert!(len > limits::WHOLE_OBJECT_BYTES);
        let (fetched, asked) = reads_like_the_whole(file).await;
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert!(fetched.bytes_fetched <= len);
    }

    #[tokio::test]
    async fn what_is_no_parquet_is_read_whole_and_no_byte_twice() {
        let text = Bytes::from(vec![b'x'; 3 << 20]);
        let (fetched, asked) = fetched(text.clone()).await;
        let split = text.len() as u64 - limits::FOOTER_BYTES;
        assert_eq!(asked, [split..text.len() as u64, 0..split]);
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut fetched.input.reader(0), &mut all).unwrap();
        assert_eq!(all, text);
    }

    #[tokio::test]
    async fn an_object_that_the_footer_condemns_is_not_read_further() {
        let (fetched, asked) = fetched(large_transit_gateway_log()).await;
        assert_eq!(asked.len(), 1);
        assert_eq!(decoded(fetched.input).unwrap_err(), DecodeError::Ignore(IgnoreReason::TransitGateway));
    }

    #[tokio::test]
    async fn too_large_and_empty_objects_cost_no_request() {
        let (store, mut listed) = store_of(Bytes::new());
        let empty = fetch(&store, &listed, 100).await.unwrap();
        assert!(empty.bytes_fetched == 0 && decoded(empty.input).unwrap().is_empty());
        listed.size = 101;
        let Err(FetchError::Quarantine(why)) = fetch(&store, &listed, 100).await else { panic!() };
        assert_eq!(why.reason, QuarantineReason::TooLarge);
        assert_eq!(why.detail, "101 bytes, more than limits.object_bytes = 100");
        assert!(store.asked.into_inner().unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_answer_of_the_wrong_length_is_a_failure() {
        for size in [1_000, 2 << 20] {
            let (mut store, listed) = store_of(Bytes::from(vec![0; size]));
            store.short_by = 1;
            let Err(FetchError::Store(error)) = fetch(&store, &listed, u64::MAX).await else { panic!() };
            assert_eq!(error.reason, FailureReason::Other);
        }
    }

    /// Reads as the pipeline does: where blocking is allowed.
    async fn decoded_in_parts(
        store: Arc<dyn ObjectStore>,
        listed: &Listed,
    ) -> (Result<Vec<FlowBatch>, DecodeError>, Arc<ObjectParts>) {
        let Fetched { input, parts, .. } = fetch_or_begin(&store, listed, u64::MAX).await.unwrap();
        let batches = tokio::task::spawn_blocking(|| decoded(input)).await.unwrap();
        (batches, parts.expect("a large object"))
    }

    #[tokio::test]
    async fn a_large_object_is_read_in_parts() {
        let parquet = padded_log(100_000, 200, 20_000, 0);
        let mut text = "srcaddr dstaddr bytes\n".to_owned();
        let mut random = fastrand::Rng::with_seed(1);
        while text.len() < 30 << 20 {
            text += &format!(
                "10.0.{}.{} 10.0.0.{} {}\n",
                random.u8(..),
                random.u8(..),
                random.u8(..),
                random.u64(..) >> 8
            );
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
        for (file, most_at_a_time) in
            [(parquet, 2 << 20), (gzip.finish().unwrap().into(), limits::PART_BYTES)]
        {
            let (store, listed) = store_of(file.clone());
            assert!(listed.size > limits::IN_PARTS_BYTES, "{}", listed.size);
            let store = Arc::new(store);
            let (batches, parts) = decoded_in_parts(store.clone(), &listed).await;
            let whole = decoded(Input::Whole(file)).unwrap();
            assert_eq!(format!("{:?}", batches.unwrap()), format!("{whole:?}"));
            let asked = store.asked.lock().unwrap();
            let sizes: Vec<u64> = asked.iter().map(|range| range.end - range.start).collect();
            assert!(sizes.iter().all(|size| *size <= most_at_a_time), "{sizes:?}");
            assert_eq!(parts.bytes_fetched(), sizes.iter().sum::<u64>());
            assert!(parts.bytes_fetched() <= listed.size + limits::FOOTER_BYTES);
            assert!(parts.failure().is_none());
        }
    }

    /// Reads the first batch only, and waits for a request of what is behind a place.
    async fn asked_ahead(file: Bytes, behind: u64) -> Range<u64> {
        let (mut store, listed) = store_of(file);
        assert!(listed.size > limits::IN_PARTS_BYTES, "{}", listed.size);
        let (told, requests) = mpsc::channel();
        store.told = Some(told);
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        let fetched = fetch_or_begin(&store, &listed, u64::MAX).await.unwrap();
        requests.recv().expect("the end of the object");
        let reading = tokio::task::spawn_blocking(move || {
            let mut reader =
                Reader::open(fetched.input, &DecodeLimits { decompressed_bytes: 1 << 30 }).unwrap();
            reader.next_batch().unwrap().expect("rows");
            let next = || requests.recv_timeout(Duration::from_secs(60)).expect("a request");
            std::iter::repeat_with(next).find(|range| range.start >= behind).expect("it has no end")
        });
        reading.await.unwrap()
    }

    #[tokio::test]
    async fn what_comes_next_is_on_its_way_while_a_part_is_decoded() {
        let text = "srcaddr dstaddr bytes\n".to_owned() + &"10.0.0.1 10.0.0.2 7\n".repeat(1 << 20);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
        let next = asked_ahead(gzip.finish().unwrap().into(), 1).await;
        assert_eq!(next, limits::PART_BYTES..2 * limits::PART_BYTES);
        // Two row groups of the same size.
        let parquet = padded_log(200_000, 200, 100_000, 0);
        let half = parquet.len() as u64 / 2;
        let next = asked_ahead(parquet, half - limits::FOOTER_BYTES).await;
        assert!(next.end - next.start > limits::FOOTER_BYTES, "{next:?}");
    }

    /// Says what will come next, each after the other, and then asks for the last of it: what the store was asked for.
    async fn asked_of(local: bool, size: u64, expected: Vec<Vec<Range<u64>>>) -> Vec<Range<u64>> {
        let (store, listed) = store_of(vec![0; size as usize].into());
        let (told, requests) = mpsc::channel();
        let store: Arc<dyn ObjectStore> = Arc::new(OneObject { told: Some(told), local, ..store });
        let Fetched { parts, .. } = fetch_or_begin(&store, &listed, u64::MAX).await.unwrap();
        let parts = parts.expect("a large object");
        let asking = tokio::task::spawn_blocking(move || {
            use crate::decode::Parts as _;
            for ranges in &expected {
                parts.expect(ranges);
                // Whatever was begun has been when one more task ends.
                Handle::current().block_on(tokio::spawn(async {})).unwrap();
            }
            let asked: Vec<_> = requests.try_iter().skip(1).collect();
            let last = expected.into_iter().flatten().next_back().unwrap();
            assert_eq!(parts.get(last.clone()).map(|bytes| bytes.len() as u64), Some(last.end - last.start));
            let more: Vec<_> = requests.try_iter().collect();
            assert!(asked.contains(&last) != more.contains(&last), "once, ahead or not: {more:?}");
            asked
        });
        asking.await.unwrap()
    }

    #[tokio::test]
    async fn what_is_too_much_small_there_or_near_is_waited_for() {
        let most = limits::AHEAD_BYTES;
        let (size, end) = (4 * most, 4 * most - limits::FOOTER_BYTES);
        let part = 4 * most - limits::PART_BYTES..end;
        assert_eq!(asked_of(false, size, vec![vec![part.clone()]]).await, std::slice::from_ref(&part));
        let whole = [0..most];
        assert_eq!(asked_of(false, size, vec![whole.to_vec()]).await, whole);
        assert!(asked_of(false, size, vec![vec![0..most, most..2 * most]]).await.is_empty(), "too much");
        assert!(asked_of(true, size, vec![vec![part.clone()]]).await.is_empty(), "on this machine");
        let some = vec![0..10, end..size, part.clone()];
        assert_eq!(asked_of(false, size, vec![some]).await, [part], "small, and there already");
    }

    #[tokio::test]
    async fn after_a_failure_nothing_is_asked_for_any_more() {
        let (store, listed) = store_of(vec![0; 32 << 20].into());
        let store = Arc::new(OneObject { fail_after: 1, ..store });
        let any: Arc<dyn ObjectStore> = store.clone();
        let parts = fetch_or_begin(&any, &listed, u64::MAX).await.unwrap().parts.unwrap();
        let asking = tokio::task::spawn_blocking(move || {
            use crate::decode::Parts as _;
            let part = |at: u64| at * limits::PART_BYTES..(at + 1) * limits::PART_BYTES;
            assert_eq!(parts.get(part(0)), None);
            parts.expect(&[part(1)]);
            Handle::current().block_on(tokio::spawn(async {})).unwrap();
            assert_eq!(parts.get(part(1)), None);
        });
        asking.await.unwrap();
        assert_eq!(store.failures.load(std::sync::atomic::Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_part_that_fails_is_told_of() {
        let (mut store, listed) = store_of(padded_log(100_000, 200, 20_000, 0));
        store.fail_after = 3;
        let (batches, parts) = decoded_in_parts(Arc::new(store), &listed).await;
        assert!(batches.is_err());
        assert_eq!(parts.failure().map(|error| error.reason), Some(FailureReason::Changed));
    }

    #[test]
    fn gaps_are_paid_for_by_request_or_by_byte() {
        let gap = limits::COALESCE_GAP_BYTES;
        let far = 100 * gap;
        for (wanted, have_from, expected) in [
            (vec![], far, vec![]),
            (vec![4..10, 10 + gap..20 + gap], far, vec![4..20 + gap]),
            (vec![4..10, 11 + gap..20 + gap], far, vec![4..10, 11 + gap..20 + gap]),
            (vec![4..10, far..far + 10], far, vec![4..10]),
            (vec![4..10, far - 5..far + 10], far, vec![4..10, far - 5..far]),
            (vec![0..60 * gap, 62 * gap..90 * gap], far, vec![0..far]),
            (vec![0..90 * gap], far, vec![0..90 * gap]),
        ] {
            assert_eq!(requests(&wanted, have_from), expected, "{wanted:?}");
        }
    }
}
