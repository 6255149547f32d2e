//! The objects of the in-process S3 server, and the two operations on them.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{
    S3Request, S3Response, S3Result,
    auth::{S3Auth, SecretKey},
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Crc64Nvme},
    dto::{
        CommonPrefix, ETag, ETagCondition, EncodingType, GetObjectInput, GetObjectOutput, ListObjectsV2Input,
        ListObjectsV2Output, Object, StreamingBlob, Timestamp,
    },
    s3_error,
};
use sha2::{Digest as _, Sha256};

use super::s3::SECRET_KEY;

/// An object.
pub(crate) struct Stored {
    pub(crate) content: Bytes,
    /// Its ETag without quotes.
    pub(crate) tag: String,
}

/// Buckets of objects, and how they are listed.
pub(crate) struct Objects {
    pub(crate) buckets: Mutex<BTreeMap<String, BTreeMap<String, Stored>>>,
    pub(crate) page_size: AtomicUsize,
    pub(crate) hide_etags: AtomicBool,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            buckets: Mutex::default(),
            page_size: AtomicUsize::new(1_000),
            hide_etags: AtomicBool::new(false),
        }
    }
}

impl Objects {
    /// Stores an object, and gives its ETag in quotes.
    pub(crate) fn put(&self, bucket: &str, key: &str, content: Bytes) -> String {
        let tag: String =
            Sha256::digest(&content).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let quoted = format!("\"{tag}\"");
        let mut buckets = self.buckets.lock().unwrap();
        buckets.entry(bucket.to_owned()).or_default().insert(key.to_owned(), Stored { content, tag });
        quoted
    }
}

/// Every access key, with one secret.
pub(crate) struct AnyKey;

#[async_trait::async_trait]
impl S3Auth for AnyKey {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(SECRET_KEY))
    }
}

/// The two operations.
pub(crate) struct Memory(pub(crate) Arc<Objects>);

#[async_trait::async_trait]
impl s3s::S3 for Memory {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let buckets = self.0.buckets.lock().unwrap();
        let objects = buckets.get(&input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let object = objects.get(&input.key).ok_or_else(|| s3_error!(NoSuchKey))?;
        let tag = ETag::Strong(object.tag.clone());
        if let Some(ETagCondition::ETag(asked)) = &input.if_match
            && !asked.strong_cmp(&tag)
        {
            return Err(s3_error!(PreconditionFailed));
        }
        let total = object.content.len() as u64;
        let range = input.range.map(|range| range.check(total)).transpose()?;
        let content = match &range {
            Some(range) => object.content.slice(range.start as usize..range.end as usize),
            None => object.content.clone(),
        };
        let checksum = (input.checksum_mode.is_some() && range.is_none()).then(|| {
            let mut hasher = ChecksumHasher { crc64nvme: Some(Crc64Nvme::new()), ..Default::default() };
            hasher.update(&content);
            hasher.finalize()
        });
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(content.len() as i64),
            content_range: range.map(|range| format!("bytes {}-{}/{total}", range.start, range.end - 1)),
            checksum_crc64nvme: checksum.and_then(|checksum| checksum.checksum_crc64nvme),
            body: Some(StreamingBlob::from(s3s::Body::from(content))),
            e_tag: Some(tag),
            ..Default::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let buckets = self.0.buckets.lock().unwrap();
        let objects = buckets.get(&input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let encoded = input.encoding_type.is_some();
        let name = |key: &str| Some(if encoded { url_encoded(key) } else { key.to_owned() });
        let limit = usize::try_from(input.max_keys.unwrap_or(1_000)).unwrap_or(0);
        let limit = limit.min(self.0.page_size.load(Ordering::SeqCst));
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let after = match &input.continuation_token {
            Some(token) => from_hex(token).ok_or_else(|| s3_error!(InvalidArgument))?,
            None => input.start_after.unwrap_or_default(),
        };
        let mut contents = Vec::new();
        let mut folders: Vec<String> = Vec::new();
        let mut last = String::new();
        let mut next = None;
        for (key, object) in objects.range::<str, _>((Bound::Excluded(after.as_str()), Bound::Unbounded)) {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            let cut = input.delimiter.as_deref().and_then(|delimiter| rest.split_once(delimiter));
            let folder = cut.map(|(segment, _)| format!("{prefix}{segment}/"));
            if folder.as_ref().is_some_and(|folder| *folder == after || folders.last() == Some(folder)) {
                continue;
            }
            if contents.len() + folders.len() == limit {
                next = Some(to_hex(&last));
                break;
            }
            if let Some(folder) = folder {
                last.clone_from(&folder);
                folders.push(folder);
                continue;
            }
            last.clone_from(key);
            let tag = (!self.0.hide_etags.load(Ordering::SeqCst)).then(|| ETag::Strong(object.tag.clone()));
            contents.push(Object {
                key: name(key),
                size: Some(object.content.len() as i64),
                e_tag: tag,
                last_modified: Some(Timestamp::from(UNIX_EPOCH)),
                ..Default::default()
            });
        }
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: i32::try_from(contents.len() + folders.len()).ok(),
            contents: Some(contents),
            common_prefixes: Some(folders.iter().map(|key| CommonPrefix { prefix: name(key) }).collect()),
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            encoding_type: encoded.then(|| EncodingType::from_static(EncodingType::URL)),
            name: Some(input.bucket),
            prefix: name(prefix),
            ..Default::default()
        }))
    }
}

/// As S3 does it: like an HTML form, but slashes stay.
pub(crate) fn url_encoded(key: &str) -> String {
    const KEPT: AsciiSet =
        NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b' ');
    utf8_percent_encode(key, &KEPT).to_string().replace(' ', "+")
}

/// Continuation tokens are opaque, and safe in XML whatever the key.
fn to_hex(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn from_hex(token: &str) -> Option<String> {
    let digits = token.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Option<Vec<u8>> = digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    String::from_utf8(bytes?).ok()
}
