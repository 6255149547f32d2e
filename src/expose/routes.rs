//! From a request to a response: paths, methods, negotiation.
//!
//! Refuses to know sockets and timeouts, and what a reload is. Invariant: every response has a content type and an exact
//! length, and the state is only ever read.

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
        HeaderName, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    Readiness, Site,
    format::{self, Format},
    landing,
    rendered::Rendered,
    scrapes::{Place, Scrapes},
    web::Verdict,
};
use crate::limits;

/// The paths, once: the landing page links to them.
pub(super) const METRICS: &str = "/metrics";
pub(super) const HEALTHY: &str = "/-/healthy";
pub(super) const READY: &str = "/-/ready";
const RELOAD: &str = "/-/reload";

const PLAIN: &str = "text/plain; charset=utf-8";

/// Asks for a reload of the configuration; takes the outcome, a failure with its reason.
pub type ReloadRequest = oneshot::Sender<Result<(), String>>;

/// Where requests to reload go; `None`: nobody may ask for one over HTTP.
pub type Lifecycle = Option<mpsc::Sender<ReloadRequest>>;

/// Answers one request of the connection that `close` ends.
pub(super) async fn respond<B>(
    request: &Request<B>,
    site: &Site,
    scrapes: &Arc<Scrapes>,
    close: &CancellationToken,
) -> Response<Chunks> {
    let web = site.web.current();
    let mut response = if web.rate.as_ref().is_some_and(|rate| !rate.take(site.clock.elapsed())) {
        later(StatusCode::TOO_MANY_REQUESTS, "more requests than rate_limit allows; try again\n")
    } else {
        match web.auth.judge(request.headers()).await {
            Verdict::Admitted => answer(request, site, scrapes, close).await,
            Verdict::Busy => later(StatusCode::SERVICE_UNAVAILABLE, "too many passwords are being checked\n"),
            Verdict::Refused => {
                let mut response =
                    page(StatusCode::UNAUTHORIZED, PLAIN, "a user and a password are needed\n");
                let scheme = HeaderValue::from_static("Basic realm=\"flowcost-exporter\", charset=\"UTF-8\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
                response
            }
        }
    };
    for header in &web.headers {
        header.set(response.headers_mut());
    }
    response
}

async fn answer<B>(
    request: &Request<B>,
    site: &Site,
    scrapes: &Arc<Scrapes>,
    close: &CancellationToken,
) -> Response<Chunks> {
    let path = request.uri().path();
    if path == RELOAD {
        return reload(request.method(), &site.lifecycle).await;
    }
    if !matches!(path, "/" | METRICS | HEALTHY | READY) {
        return page(StatusCode::NOT_FOUND, PLAIN, "not found\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return not_allowed("only GET and HEAD\n", "GET, HEAD");
    }
    match path {
        METRICS => metrics(request.headers(), site, scrapes, close).await,
        HEALTHY => page(StatusCode::OK, PLAIN, "healthy\n"),
        READY => {
            let (readiness, text) = site.exposition.readiness_text();
            let status = match readiness {
                Readiness::Ready => StatusCode::OK,
                Readiness::Loading | Readiness::FirstScan => StatusCode::SERVICE_UNAVAILABLE,
            };
            page(status, PLAIN, text)
        }
        _ => {
            let body = landing::page(&site.exposition, site.clock.now());
            let mut response = page(StatusCode::OK, "text/html; charset=utf-8", body);
            // Nothing is loaded from anywhere, and nothing in a label can run.
            let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            response
        }
    }
}

/// As Prometheus has it: POST and PUT, if the operator allows them, and the reason of a failure in the answer.
async fn reload(method: &Method, lifecycle: &Lifecycle) -> Response<Chunks> {
    if !matches!(*method, Method::POST | Method::PUT) {
        return not_allowed("only POST and PUT\n", "POST, PUT");
    }
    let Some(requests) = lifecycle else {
        return page(
            StatusCode::FORBIDDEN,
            PLAIN,
            "the lifecycle API is not enabled; --web.enable-lifecycle does\n",
        );
    };
    let (request, outcome) = oneshot::channel();
    // Both ends are closed only when the exporter is about to end.
    let outcome = match requests.send(request).await {
        Ok(()) => outcome.await.ok(),
        Err(_) => None,
    };
    match outcome {
        Some(Ok(())) => page(StatusCode::OK, PLAIN, "the configuration is reloaded\n"),
        Some(Err(reason)) => {
            let text =
                format!("the configuration is not reloaded, the one before stays in force\n\n{reason}\n");
            page(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, text)
        }
        None => page(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "the exporter is stopping\n"),
    }
}

async fn metrics(
    headers: &HeaderMap,
    site: &Site,
    scrapes: &Arc<Scrapes>,
    close: &CancellationToken,
) -> Response<Chunks> {
    let Some(place) = scrapes.admit(close).await else {
        return later(StatusCode::SERVICE_UNAVAILABLE, "too many scrapes are under way; try again\n");
    };
    let now = site.clock.now();
    let format = Format::negotiate(list(headers, &ACCEPT).as_deref());
    let gzip = format::wants_gzip(list(headers, &ACCEPT_ENCODING).as_deref());
    let mut response = if gzip {
        page(StatusCode::OK, format.content_type(), site.exposition.render_gzip(now, format))
    } else {
        let (flows, rest) = site.exposition.parts(now, format);
        let mut response = page(StatusCode::OK, format.content_type(), rest);
        response.body_mut().flows = flows;
        response
    };
    if gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response.body_mut().place = Some(place);
    response
}

fn not_allowed(text: &'static str, allow: &'static str) -> Response<Chunks> {
    let mut response = page(StatusCode::METHOD_NOT_ALLOWED, PLAIN, text);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

fn later(status: StatusCode, text: &'static str) -> Response<Chunks> {
    let mut response = page(status, PLAIN, text);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// All lines of a list header as one; lines that are no text are left out.
fn list(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

fn page(status: StatusCode, content_type: &'static str, body: impl Into<Vec<u8>>) -> Response<Chunks> {
    let mut response = Response::new(Chunks { flows: None, rest: body.into(), sent: 0, place: None });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A response body in pieces of [`limits::RESPONSE_CHUNK`]. Each piece is a copy: what waits in a connection's buffer
/// must not keep the whole body alive.
#[derive(Debug)]
pub(super) struct Chunks {
    /// Shared with other scrapes, so that nobody keeps a copy of it.
    flows: Option<Arc<Rendered>>,
    /// What follows.
    rest: Vec<u8>,
    sent: usize,
    /// Given back when the last piece is handed over, or the connection ends.
    place: Option<Place>,
}

impl Chunks {
    /// What has not been sent, as far as it is in one place.
    fn next(&self) -> &[u8] {
        let flows = self.flows.as_ref().map_or(&[][..], |flows| flows.text.as_bytes());
        if self.sent < flows.len() { &flows[self.sent..] } else { &self.rest[self.sent - flows.len()..] }
    }

    fn left(&self) -> usize {
        self.flows.as_ref().map_or(0, |flows| flows.text.len()) + self.rest.len() - self.sent
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let next = self.next();
        let piece = Bytes::copy_from_slice(&next[..next.len().min(limits::RESPONSE_CHUNK)]);
        self.sent += piece.len();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left() as u64)
    }
}
