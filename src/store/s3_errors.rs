//! What the answers and the errors of the SDK mean: which are failures, why, and what would help.

use std::ops::Range;

use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    operation::{RequestId, get_object::GetObjectOutput},
};

use super::{
    Failure, FailureReason, Operation,
    answer::{other_region, reason_of},
    chain,
    s3::Wanted,
};

/// The headers of an answer must agree with what was asked for.
pub(super) fn check_headers(
    output: &GetObjectOutput,
    wanted: &Wanted<'_>,
    rest: &Range<u64>,
    whole: bool,
) -> Result<(), Failure> {
    let version = wanted.object.version.as_deref();
    // Not every store heeds If-Match.
    if let (Some(asked), Some(got)) = (version, output.e_tag())
        && asked.trim_matches('"') != got.trim_matches('"')
    {
        return Err(Failure::new(FailureReason::Changed, format!("ETag {got} instead of {asked}")));
    }
    // Without a version, another length is how a replaced object shows.
    let mismatch = if version.is_none() { FailureReason::Changed } else { FailureReason::Other };
    let length = rest.end - rest.start;
    if let Some(announced) = output.content_length()
        && u64::try_from(announced) != Ok(length)
    {
        return Err(Failure::new(mismatch, format!("{announced} bytes announced instead of {length}")));
    }
    if !whole {
        let asked = format!("bytes {}-{}/", rest.start, rest.end - 1);
        let got = output.content_range().unwrap_or("none");
        let total = got
            .strip_prefix(&asked)
            .ok_or_else(|| Failure::new(FailureReason::Other, format!("range {got} instead of {asked}*")))?;
        if total.parse::<u64>().is_ok_and(|total| total != wanted.object.size) {
            return Err(Failure::new(mismatch, format!("object has {total} bytes")));
        }
    }
    Ok(())
}

/// Whether the store sent a checksum of the whole object, which the SDK compares at the end of the body. One of the
/// checksums of its parts (`...-3`), as multipart uploads leave it, is not compared.
pub(super) fn has_checksum(output: &GetObjectOutput) -> bool {
    [
        output.checksum_crc32(),
        output.checksum_crc32_c(),
        output.checksum_crc64_nvme(),
        output.checksum_sha1(),
        output.checksum_sha256(),
    ]
    .into_iter()
    .flatten()
    .any(|checksum| !checksum.contains('-'))
}

/// What an error of the SDK means.
pub(super) fn failure_of<E>(operation: Operation, error: &SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + 'static,
{
    let reason = match error {
        SdkError::ServiceError(context) => {
            let (status, error) = (context.raw().status().as_u16(), context.err());
            let code = error.code();
            let mut detail = format!("HTTP {status}");
            for (before, text) in [(" ", code), (": ", error.message()), (", request ", error.request_id())] {
                if let Some(text) = text {
                    detail.push_str(before);
                    detail.push_str(text);
                }
            }
            if code.is_none() {
                detail = format!("{detail}: {}", chain(error));
            }
            return Failure::new(reason_of(operation, status, code), detail);
        }
        // The headers came, the rest did not.
        SdkError::ResponseError(_) => FailureReason::Network,
        SdkError::TimeoutError(_) => FailureReason::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => FailureReason::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_user() => FailureReason::Other,
        SdkError::DispatchFailure(_) => FailureReason::Network,
        _ => FailureReason::Other,
    };
    Failure::new(reason, chain(error))
}

/// The failure, with the key to set where the answer says that the bucket is not in `region`.
pub(super) fn advised<E>(error: &SdkError<E>, region: &str, failure: Failure) -> Failure
where
    E: ProvideErrorMetadata,
{
    let SdkError::ServiceError(context) = error else { return failure };
    let (raw, code) = (context.raw(), context.err().code());
    let header = raw.headers().get("x-amz-bucket-region");
    let body = raw.body().bytes().unwrap_or_default();
    let Some(other) = other_region(code, header, body, region) else { return failure };
    let detail = format!(
        "the bucket is in {other} and was asked for in {region}: set bucket_region = {other:?} in this source ({})",
        failure.detail
    );
    Failure::new(failure.reason, detail)
}
