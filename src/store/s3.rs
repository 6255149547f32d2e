//! Objects in S3, or in a store that speaks its protocol.
//!
//! The SDK's own retries are off: they stop at the headers of an answer and hide how many requests were made. One
//! loop here covers whole answers, bodies included, and tells the observer of every attempt. What is returned has
//! exactly the length that listing, request and answer agree on; everything else is an error.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::{Region, ResponseChecksumValidation, StalledStreamProtectionConfig, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::{RequestId, list_objects_v2::ListObjectsV2Output},
    primitives::ByteStream,
    types::{ChecksumMode, EncodingType, RequestPayer},
};
use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::{
    Failure, FailureReason, ListRequest, ObjectStore, Operation, Page, Patience, StoreError,
    answer::decoded,
    chain,
    retry::Retry,
    s3_errors::{advised, check_headers, failure_of, has_checksum},
    spare::{Lent, Spare},
};
use crate::{
    aws::{self, Routes, Shared, Unreachable},
    event::{Event, Observer},
    limits,
    model::{Listed, ObjectId},
};

/// The target of a warning of the SDK about each object whose checksum is one of checksums of its parts: it cannot be
/// compared, nothing is wrong, and every object of a bucket may be like that.
pub const PART_CHECKSUM_LOG: &str = "aws_sdk_s3::http_response_checksum";

/// What there is to know about a bucket before the first request.
pub struct S3Options {
    /// Name of the source, for events.
    pub source: Arc<str>,
    /// Name of the bucket.
    pub bucket: String,
    /// Region of the bucket.
    pub region: String,
    /// URL of an S3-compatible store; AWS itself if there is none.
    pub endpoint: Option<String>,
    /// Bucket in the path instead of in the host name.
    pub path_style: bool,
    /// Says with each request that whoever asks pays for it, without which a requester-pays bucket denies it.
    pub request_payer: bool,
    /// Is told of every request.
    pub observer: Observer,
    /// Deadlines and pauses; [`Patience::default`] outside tests.
    pub patience: Patience,
}

/// One bucket.
pub struct S3Store {
    client: Client,
    source: Arc<str>,
    bucket: String,
    /// That of the bucket, as far as the configuration knows.
    region: String,
    payer: Option<RequestPayer>,
    routes: Routes,
    /// `s3://bucket`, as object ids have it.
    url: Arc<str>,
    observer: Observer,
    patience: Patience,
    spare: Spare,
}

impl S3Store {
    /// A client of the bucket. Makes no request.
    pub fn new(shared: &Shared, options: S3Options) -> Self {
        let mut config =
            aws_sdk_s3::config::Builder::from(&shared.sdk).region(Region::new(options.region.clone()));
        if let Some(endpoint) = options.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let config = config
            .force_path_style(options.path_style)
            .retry_config(RetryConfig::disabled())
            // Replaced by a stricter rule on the bodies that are read here.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // Asked for by hand: a checksum can only be verified on a whole object.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Self {
            client: Client::from_conf(config),
            url: format!("s3://{}", options.bucket).into(),
            source: options.source,
            bucket: options.bucket,
            region: options.region,
            payer: options.request_payer.then_some(RequestPayer::Requester),
            routes: shared.routes.clone(),
            observer: options.observer,
            patience: options.patience,
            spare: Spare::default(),
        }
    }

    /// Tells of one attempt, and hands its result on.
    fn observed<T>(&self, operation: Operation, result: Result<T, Failure>) -> Result<T, Failure> {
        let failure = result.as_ref().err().map(|failure| failure.reason);
        (self.observer)(&Event::StoreRequest { source: Arc::clone(&self.source), operation, failure });
        result
    }

    /// What to report when the deadline of a request ends: the attempt under way has failed too.
    fn out_of_time(&self, operation: Operation, under_way: Option<&Asked>, deadline: Duration) -> Failure {
        let failure = Failure::new(FailureReason::Timeout, format!("not done within {deadline:?}"));
        match under_way {
            Some(asked) => {
                let failure = self.from(asked, failure);
                self.observed::<()>(operation, Err(failure)).expect_err("it was a failure")
            }
            None => failure,
        }
    }

    async fn list_with_retries(
        &self,
        request: ListRequest<'_>,
        under_way: &mut Option<Asked>,
    ) -> Result<Page, Failure> {
        let mut retry = Retry::new(&self.patience);
        loop {
            let asked = under_way.insert(Asked::default()).clone();
            let result = self.list_once(request, &asked).await;
            *under_way = None;
            let failure = match self.observed(Operation::List, result) {
                Ok(page) => return Ok(page),
                Err(failure) => failure,
            };
            match retry.after(failure.reason) {
                Some(pause) => sleep(pause).await,
                None => return Err(failure),
            }
        }
    }

    async fn list_once(&self, request: ListRequest<'_>, asked: &Asked) -> Result<Page, Failure> {
        let asking = Arc::clone(&asked.0);
        let answer = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(request.prefix)
            .set_start_after(request.start_after.map(str::to_owned))
            .set_delimiter(request.delimited.then(|| "/".to_owned()))
            .set_continuation_token(request.page.map(str::to_owned))
            .max_keys(limits::LIST_PAGE_KEYS)
            // XML cannot carry every character that a key may have.
            .encoding_type(EncodingType::Url)
            .set_request_payer(self.payer.clone())
            .customize()
            .mutate_request(move |request| drop(asking.set(request.uri().to_owned())))
            .send();
        let output = self.answered(Operation::List, answer, asked).await?;
        self.page(output).map_err(|failure| self.from(asked, failure))
    }

    /// Waits for an answer, but not for ever.
    async fn answered<T, E>(
        &self,
        operation: Operation,
        answer: impl Future<Output = Result<T, SdkError<E>>>,
        asked: &Asked,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + RequestId + std::error::Error + 'static,
    {
        match timeout(self.patience.answer, answer).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error @ SdkError::DispatchFailure(_))) if asked.0.get().is_none() => {
                if let Some(wrong) = aws::no_endpoint(&error) {
                    return Err(Failure::new(FailureReason::Other, wrong));
                }
                let (source, tried) = (Arc::clone(&self.source), chain(&error));
                (self.observer)(&Event::CredentialsMissing { source, tried });
                Err(Failure::new(FailureReason::Denied, aws::no_credentials(&error)))
            }
            Ok(Err(error)) => Err(match Unreachable::among(&error) {
                Some(unreachable) => {
                    Failure::new(failure_of(operation, &error).reason, unreachable.to_string())
                }
                None => self.from(asked, advised(&error, &self.region, failure_of(operation, &error))),
            }),
            Err(_) => {
                let detail = format!("no answer within {:?}", self.patience.answer);
                Err(self.from(asked, Failure::new(FailureReason::Timeout, detail)))
            }
        }
    }

    /// The failure, which says what answered it.
    fn from(&self, asked: &Asked, failure: Failure) -> Failure {
        match asked.0.get().map(|url| self.routes.to(url)) {
            Some(route) => Failure::new(failure.reason, format!("{route}: {}", failure.detail)),
            None => failure,
        }
    }

    fn page(&self, output: ListObjectsV2Output) -> Result<Page, Failure> {
        let nonsense = |detail: &str| Failure::new(FailureReason::Other, format!("listing {detail}"));
        let encoded = output.encoding_type() == Some(&EncodingType::Url);
        let mut page = Page::default();
        for object in output.contents() {
            let key = object.key().ok_or_else(|| nonsense("has an object without a key"))?;
            let size = object.size().and_then(|size| u64::try_from(size).ok());
            page.objects.push(Listed {
                id: ObjectId { bucket: Arc::clone(&self.url), key: decoded(key, encoded)? },
                size: size.ok_or_else(|| nonsense("has an object without a size"))?,
                version: object.e_tag().filter(|tag| !tag.is_empty()).map(str::to_owned),
            });
        }
        for prefix in output.common_prefixes().iter().filter_map(|common| common.prefix()) {
            page.prefixes.push(decoded(prefix, encoded)?);
        }
        // The SDK takes XML that breaks off for complete; the count stands before the keys.
        let announced = output.key_count().map_or(0, |count| usize::try_from(count).unwrap_or(0));
        if page.objects.len() + page.prefixes.len() < announced {
            return Err(nonsense("has fewer keys than it announces"));
        }
        match (output.is_truncated(), output.next_continuation_token()) {
            (Some(false), _) => {}
            (Some(true), Some(token)) if !token.is_empty() => page.next = Some(token.to_owned()),
            (Some(true), _) => return Err(nonsense("is truncated but has no continuation token")),
            (None, _) => return Err(nonsense("does not say whether it is truncated")),
        }
        Ok(page)
    }

    async fn get_with_retries(&self, wanted: &Wanted<'_>, download: &mut Download) -> Result<(), Failure> {
        let mut retry = Retry::new(&self.patience);
        loop {
            let asked = download.under_way.insert(Asked::default()).clone();
            let result = self.get_once(wanted, download.lent.bytes(), &asked).await;
            download.under_way = None;
            let Err(failure) = self.observed(Operation::Get, result) else { return Ok(()) };
            match retry.after(failure.reason) {
                Some(pause) => sleep(pause).await,
                None => return Err(failure),
            }
        }
    }

    /// Asks for what `bytes` still lacks and appends it. After a failure `bytes` is what a later attempt can go on
    /// from.
    async fn get_once(&self, wanted: &Wanted<'_>, bytes: &mut Vec<u8>, asked: &Asked) -> Result<(), Failure> {
        let rest = wanted.range.start + bytes.len() as u64..wanted.range.end;
        let whole = wanted.whole && bytes.is_empty();
        let asking = Arc::clone(&asked.0);
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(&wanted.object.id.key)
            .set_if_match(wanted.object.version.clone())
            .set_range((!whole).then(|| format!("bytes={}-{}", rest.start, rest.end - 1)))
            .set_checksum_mode(whole.then_some(ChecksumMode::Enabled))
            .set_request_payer(self.payer.clone())
            .customize()
            .mutate_request(move |request| drop(asking.set(request.uri().to_owned())))
            .send();
        let output = self.answered(Operation::Get, answer, asked).await?;
        check_headers(&output, wanted, &rest, whole).map_err(|failure| self.from(asked, failure))?;
        let has_checksum = has_checksum(&output);
        let result = self.read(output.body, rest.end - rest.start, bytes).await;
        // To go on from the middle needs a pinned version, and gives up the checksum of the whole.
        let complete = bytes.len() as u64 == wanted.range.end - wanted.range.start;
        if result.is_err() && (has_checksum || complete || wanted.object.version.is_none()) {
            bytes.clear();
        }
        result.map_err(|failure| self.from(asked, failure))
    }

    /// Appends exactly `length` bytes of a body. Beyond the room that there is, memory follows what arrives, not what is
    /// announced.
    async fn read(&self, mut body: ByteStream, length: u64, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        let mut left = length;
        let mut progress = 0;
        let mut window = std::pin::pin!(sleep(self.patience.stall));
        loop {
            tokio::select! {
                biased;
                chunk = body.next() => match chunk {
                    Some(Ok(chunk)) => {
                        let room = usize::try_from(left).unwrap_or(usize::MAX);
                        if chunk.len() > room {
                            let detail = format!("body is longer than {length} bytes");
                            return Err(Failure::new(FailureReason::Other, detail));
                        }
                        if bytes.capacity() - bytes.len() < chunk.len() {
                            // Doubles, but never beyond the end.
                            bytes.reserve_exact(chunk.len().max(bytes.len()).min(room));
                        }
                        bytes.extend_from_slice(&chunk);
                        left -= chunk.len() as u64;
                        progress += chunk.len();
                    }
                    Some(Err(error)) => return Err(Failure::new(FailureReason::Network, chain(&error))),
                    None if left == 0 => return Ok(()),
                    None => {
                        let detail = format!("body ended {left} bytes before its {length}");
                        return Err(Failure::new(FailureReason::Network, detail));
                    }
                },
                () = &mut window => {
                    if progress < limits::STORE_STALL_BYTES {
                        let detail = format!("{progress} bytes within {:?}", self.patience.stall);
                        return Err(Failure::new(FailureReason::Timeout, detail));
                    }
                    progress = 0;
                    window.set(sleep(self.patience.stall));
                }
            }
        }
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn list(&self, request: ListRequest<'_>) -> Result<Page, StoreError> {
        let mut under_way = None;
        let deadline = self.patience.list;
        timeout(deadline, self.list_with_retries(request, &mut under_way))
            .await
            .unwrap_or_else(|_| Err(self.out_of_time(Operation::List, under_way.as_ref(), deadline)))
            .map_err(|failure| {
                failure.into_error(Operation::List, format!("{}/{}", self.url, request.prefix))
            })
    }

    async fn get(&self, object: &Listed, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
        let fail = |failure: Failure| failure.into_error(Operation::Get, object.id.to_string());
        let whole = range.is_none();
        let range = range.unwrap_or(0..object.size);
        if range.start > range.end || range.end > object.size {
            let detail = format!("range {range:?} of an object of {} bytes", object.size);
            return Err(fail(Failure::new(FailureReason::Other, detail)));
        }
        if range.is_empty() && !whole {
            return Ok(Bytes::new());
        }
        let wanted = Wanted { object, range, whole };
        // Room for a part of a usual size. What is larger grows as it arrives.
        let length = usize::try_from(wanted.range.end - wanted.range.start).unwrap_or(usize::MAX);
        let lent = self.spare.lend(length.min(limits::SPARE_BYTES));
        let mut download = Download { lent, under_way: None };
        let deadline = self.patience.object;
        timeout(deadline, self.get_with_retries(&wanted, &mut download))
            .await
            .unwrap_or_else(|_| Err(self.out_of_time(Operation::Get, download.under_way.as_ref(), deadline)))
            .map_err(fail)?;
        Ok(download.lent.freeze())
    }
}

/// The url of a request, from when it is about to be signed: before that, there were no credentials.
#[derive(Clone, Default)]
struct Asked(Arc<OnceLock<String>>);

/// What a get is to return.
pub(super) struct Wanted<'a> {
    pub(super) object: &'a Listed,
    pub(super) range: Range<u64>,
    pub(super) whole: bool,
}

/// What a get has so far.
struct Download {
    lent: Lent,
    /// The attempt under way.
    under_way: Option<Asked>,
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};

    use super::*;

    #[tokio::test]
    async fn without_credentials_everything_is_denied() {
        let failures = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&failures);
        let options = S3Options {
            source: "test".into(),
            bucket: "logs".to_owned(),
            region: "eu-central-1".to_owned(),
            // Nobody listens there, and nobody is asked.
            endpoint: Some("http://127.0.0.1:1".to_owned()),
            path_style: true,
            request_payer: false,
            observer: Arc::new(move |event| {
                if let Event::StoreRequest { failure, .. } = event {
                    seen.lock().unwrap().push(*failure);
                }
            }),
            patience: Patience::default(),
        };
        let no_token = WebIdentityTokenCredentialsProvider::builder()
            .static_configuration(StaticConfiguration {
                web_identity_token_file: "/nonexistent/token".into(),
                role_arn: "arn:aws:iam::123456789012:role/none".to_owned(),
                session_name: "test".to_owned(),
            })
            .build();
        let shared = aws::connect_as(&options.region, no_token).await.unwrap();
        let store = S3Store::new(&shared, options);
        let request = ListRequest { prefix: "", start_after: None, delimited: false, page: None };
        let error = store.list(request).await.expect_err("there is no token");
        assert_eq!(error.reason, FailureReason::Denied, "{}", chain(&error));
        assert_eq!(*failures.lock().unwrap(), [Some(FailureReason::Denied)]);
        let said = chain(&error);
        assert!(said.contains("credentials cannot be loaded (") && said.lines().count() == 1, "{said}");
        assert!(!said.contains("dispatch failure"), "the words of the SDK stay in the debug log: {said}");
    }
}
