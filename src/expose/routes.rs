//! From a request to a response: paths, methods, negotiation.
//!
//! Refuses to know sockets and timeouts. Invariant: every response has a content type and an exact length, and the
//! state is only ever read.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Frame, SizeHint},
    header::{
        ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
        HeaderName, HeaderValue, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Exposition, Readiness,
    format::{self, Format},
    landing,
};
use crate::{limits, model::Timestamp};

/// The paths, once: the landing page links to them.
pub(super) const METRICS: &str = "/metrics";
pub(super) const HEALTHY: &str = "/-/healthy";
pub(super) const READY: &str = "/-/ready";

const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers one request. `scrapes` bounds the expositions that are rendered and not yet sent.
pub(super) fn respond<B>(
    request: &Request<B>,
    exposition: &Exposition,
    now: Timestamp,
    scrapes: &Arc<Semaphore>,
) -> Response<Chunks> {
    let path = request.uri().path();
    if !matches!(path, "/" | METRICS | HEALTHY | READY) {
        return page(StatusCode::NOT_FOUND, PLAIN, "not found\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = page(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        METRICS => metrics(request.headers(), exposition, now, scrapes),
        HEALTHY => page(StatusCode::OK, PLAIN, "healthy\n"),
        READY => {
            let readiness = exposition.readiness();
            let status = match readiness {
                Readiness::Ready => StatusCode::OK,
                Readiness::Loading | Readiness::FirstScan => StatusCode::SERVICE_UNAVAILABLE,
            };
            page(status, PLAIN, format!("{}\n", readiness.as_str()))
        }
        _ => {
            let body = landing::page(exposition, now);
            let mut response = page(StatusCode::OK, "text/html; charset=utf-8", body);
            // Nothing is loaded from anywhere, and nothing in a label can run.
            let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            response
        }
    }
}

fn metrics(
    headers: &HeaderMap,
    exposition: &Exposition,
    now: Timestamp,
    scrapes: &Arc<Semaphore>,
) -> Response<Chunks> {
    let Ok(permit) = scrapes.clone().try_acquire_owned() else {
        let mut response =
            page(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "too many scrapes are under way; try again\n");
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    let format = Format::negotiate(list(headers, &ACCEPT).as_deref());
    let text = exposition.render(now, format);
    let gzip = format::wants_gzip(list(headers, &ACCEPT_ENCODING).as_deref());
    let mut response = if gzip {
        page(StatusCode::OK, format.content_type(), format::gzip(text.as_bytes()))
    } else {
        page(StatusCode::OK, format.content_type(), text)
    };
    if gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response.body_mut().permit = Some(permit);
    response
}

/// All lines of a list header as one; lines that are no text are left out.
fn list(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

fn page(status: StatusCode, content_type: &'static str, body: impl Into<Vec<u8>>) -> Response<Chunks> {
    let mut response = Response::new(Chunks { data: body.into(), sent: 0, permit: None });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A response body in pieces of [`limits::RESPONSE_CHUNK`]. Each piece is a copy: what waits in a connection's buffer
/// must not keep the whole body alive.
#[derive(Debug)]
pub(super) struct Chunks {
    data: Vec<u8>,
    sent: usize,
    /// Given back when the last piece is handed over, or the connection ends.
    permit: Option<OwnedSemaphorePermit>,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.sent == self.data.len() {
            return Poll::Ready(None);
        }
        let end = self.data.len().min(self.sent + limits::RESPONSE_CHUNK);
        let piece = Bytes::copy_from_slice(&self.data[self.sent..end]);
        self.sent = end;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.sent == self.data.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.data.len() - self.sent) as u64)
    }
}
