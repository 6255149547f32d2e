//! What the answers of S3 mean. Pure, and without the SDK.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{Failure, FailureReason, Operation};

/// What an answer other than success means: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
pub(super) fn reason_of(operation: Operation, status: u16, code: Option<&str>) -> FailureReason {
    match (status, code.unwrap_or_default()) {
        (
            _,
            "SlowDown" | "RequestLimitExceeded" | "Throttling" | "ThrottlingException" | "TooManyRequests",
        )
        | (429 | 503, _) => FailureReason::Throttled,
        (_, "RequestTimeout") | (408 | 504, _) => FailureReason::Timeout,
        (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => FailureReason::Denied,
        // Neither a permission nor a matter of time, whatever the status says.
        (_, "InvalidObjectState") => FailureReason::Archived,
        (401 | 403, _) => FailureReason::Denied,
        // An object that is not found is settled for good, so only the store's own word for it counts: a proxy's
        // 404, or a bucket that is away for a moment, must not lose objects.
        (_, "NoSuchKey") => FailureReason::NotFound,
        (_, "NoSuchBucket") if operation == Operation::List => FailureReason::NotFound,
        (412 | 416, _) => FailureReason::Changed,
        (500.., _) => FailureReason::Server,
        _ => FailureReason::Other,
    }
}

/// The region that an answer names for a bucket, where that is not the one it was asked for in: in a header of S3, or in
/// the text of the errors by which S3 and its likes refuse a wrong region.
pub(super) fn other_region(
    code: Option<&str>,
    header: Option<&str>,
    body: &[u8],
    ours: &str,
) -> Option<String> {
    let wrong = [
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "PermanentRedirect",
        "TemporaryRedirect",
    ];
    let in_body = || {
        let text =
            std::str::from_utf8(body).ok().filter(|_| code.is_some_and(|code| wrong.contains(&code)))?;
        Some(text.split_once("<Region>")?.1.split_once("</Region>")?.0.trim())
    };
    let named = header.map(str::trim).or_else(in_body)?;
    let is_region = (1..=64).contains(&named.len())
        && named.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_region && named != ours).then(|| named.to_owned())
}

/// A key as the listing meant it: `encoding-type=url` is that of HTML forms, with a plus for a space.
pub(super) fn decoded(key: &str, encoded: bool) -> Result<String, Failure> {
    if !encoded {
        return Ok(key.to_owned());
    }
    percent_decode_str(&key.replace('+', " "))
        .decode_utf8()
        .map(Cow::into_owned)
        .map_err(|_| Failure::new(FailureReason::Other, format!("listing has a key that is no UTF-8: {key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_reason() {
        use FailureReason::{Archived, Changed, Denied, NotFound, Other, Server, Throttled, Timeout};
        use Operation::{Get, List};
        for (operation, status, code, reason) in [
            (Get, 503, Some("SlowDown"), Throttled),
            (List, 503, None, Throttled),
            (List, 429, None, Throttled),
            (List, 400, Some("RequestTimeout"), Timeout),
            (Get, 504, None, Timeout),
            (Get, 500, Some("InternalError"), Server),
            (Get, 502, None, Server),
            (Get, 403, Some("AccessDenied"), Denied),
            (List, 403, Some("RequestTimeTooSkewed"), Denied),
            (List, 403, Some("SignatureDoesNotMatch"), Denied),
            (List, 400, Some("ExpiredToken"), Denied),
            (List, 401, None, Denied),
            (Get, 403, Some("InvalidObjectState"), Archived),
            (Get, 404, Some("NoSuchKey"), NotFound),
            (List, 404, Some("NoSuchBucket"), NotFound),
            (Get, 404, Some("NoSuchBucket"), Other),
            (Get, 404, None, Other),
            (Get, 412, Some("PreconditionFailed"), Changed),
            (Get, 416, Some("InvalidRange"), Changed),
            (List, 301, Some("PermanentRedirect"), Other),
            (List, 400, Some("AuthorizationHeaderMalformed"), Other),
            (List, 200, None, Other),
        ] {
            assert_eq!(reason_of(operation, status, code), reason, "{operation:?} {status} {code:?}");
        }
    }

    #[test]
    fn the_region_of_a_bucket_is_in_a_header_or_in_the_text_of_some_errors() {
        let body = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
        let region = |code, header, body| other_region(code, header, body, "us-east-1");
        assert_eq!(region(Some("PermanentRedirect"), Some("eu-west-3"), b"").expect("named"), "eu-west-3");
        assert_eq!(region(None, Some("eu-west-3"), b"").expect("named"), "eu-west-3");
        assert_eq!(region(Some("AuthorizationHeaderMalformed"), None, body).expect("named"), "eu-west-1");
        assert_eq!(region(Some("AccessDenied"), None, body), None, "Garage names its region in every error");
        assert_eq!(region(Some("AccessDenied"), Some("us-east-1"), b""), None, "it is the one");
        assert_eq!(region(Some("PermanentRedirect"), Some("a b\"c"), b""), None, "nothing to write down");
        assert_eq!(region(Some("PermanentRedirect"), None, b"<Region>"), None);
    }

    #[test]
    fn keys_are_decoded_like_forms_or_not_at_all() {
        assert_eq!(decoded("a+b%2Bc%41/%C3%A9%0A", true).expect("UTF-8"), "a b+cA/é\n");
        assert_eq!(decoded("a+b%2B", false).expect("as it is"), "a+b%2B");
        assert_eq!(decoded("%FF", true).expect_err("no UTF-8").reason, FailureReason::Other);
    }
}
