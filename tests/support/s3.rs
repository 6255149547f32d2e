//! An S3 server in the test's own process: the protocol by the `s3s` crate, the objects in memory, faults on request.
//!
//! ```ignore
//! let server = S3Server::start().await;
//! server.put("logs", "AWSLogs/1/a.parquet", bytes);
//! server.set_fault(|request| (request.number == 1).then_some(Fault::Throttle));
//! let store = server.store("logs", recorder.observer()).await;     // or hand server.url() to a child process
//! server.wait_until(|server| server.requests(Operation::Get) >= 3).await;
//! ```
//!
//! It runs on a thread of its own, so a test may block, use any kind of runtime, or wait for a child process. It ends
//! when it is dropped. Requests have to be signed: any access key with the secret [`SECRET_KEY`], any region.
//! A child process gets `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`; its source needs `path_style = true`.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::{
    collections::{BTreeMap, VecDeque},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use aws_credential_types::Credentials;
use bytes::Bytes;
use flowcost_exporter::{
    aws,
    event::Observer,
    store::{
        Operation, Patience,
        s3::{S3Options, S3Store},
    },
};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{Method, Request, Response, body::Frame, body::Incoming, header, service::service_fn};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::{net::TcpListener, sync::oneshot, sync::watch};

use super::memory::{AnyKey, Memory, Objects};

/// An access key; every other one is as good.
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";

/// The secret that requests have to be signed with.
pub(crate) const SECRET_KEY: &str = "not-a-secret-but-long-enough-for-a-key";

/// A store with keys of its own, whatever the environment has.
pub(crate) async fn connect(options: S3Options, secret: &str) -> S3Store {
    let keys = Credentials::new(ACCESS_KEY, secret, None, None, "test");
    S3Store::new(&aws::connect_as(&options.region, keys).await.unwrap(), options)
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, BoxError>;
type FaultFn = dyn Fn(&RequestInfo) -> Option<Fault> + Send + Sync;

/// One request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct RequestInfo {
    pub(crate) operation: Operation,
    /// 1 for the first request of this operation, and so on.
    pub(crate) number: u64,
    pub(crate) bucket: String,
    /// Empty for a listing.
    pub(crate) key: String,
    /// Decoded query, for example `prefix`, `start-after`, `continuation-token`.
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) range: Option<String>,
    pub(crate) if_match: Option<String>,
    /// `x-amz-request-payer`
    pub(crate) payer: Option<String>,
}

/// What goes wrong with one request. `n` counts bytes of the answer's body.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// 503 SlowDown.
    Throttle,
    /// 500 InternalError.
    InternalError,
    /// 403 AccessDenied.
    AccessDenied,
    /// 400 ExpiredToken.
    ExpiredToken,
    /// 403 RequestTimeTooSkewed: one of the two clocks is wrong.
    Skewed,
    /// 404 NoSuchKey.
    NoSuchKey,
    /// 403 InvalidObjectState: archived.
    Archived,
    /// Any status with any body.
    Answer(u16, String),
    /// 301 PermanentRedirect, which names the region of the bucket.
    Moved(&'static str),
    /// A checksum of the checksums of three parts, as multipart uploads leave it.
    ChecksumOfParts,
    /// The connection breaks after n bytes of the body.
    ResetMidBody(usize),
    /// The connection breaks before any answer.
    Reset,
    /// The body ends in good order after n bytes, and no length was announced.
    ShortBody(usize),
    /// One byte at a time.
    Drip(Duration),
    /// No answer, ever.
    Hang,
    /// n bytes of the body, then nothing, ever.
    HangMidBody(usize),
    /// The body is announced with another length; if it is longer than the body, the rest never comes.
    WrongContentLength(u64),
    /// Byte n is another one.
    FlipByte(usize),
    /// 200 with something that is no XML.
    BadXml,
    /// A listing page that gives the token it was asked with as the next one.
    RepeatToken,
    /// A listing page again that came before, with its token.
    StalePage,
    /// A listing that breaks off after n bytes, without an error.
    CutXml(usize),
    /// Just before the request is answered, the object gets this content.
    Replace(Bytes),
}

/// The server. See the module for how it is used.
pub(crate) struct S3Server {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl S3Server {
    /// Starts a server without buckets on a free port of 127.0.0.1.
    pub(crate) async fn start() -> Self {
        let state = Arc::new(State::default());
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = oneshot::channel();
        let served = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = serve(listener, served) => {}
                    _ = stopped => {}
                }
            });
        });
        let address = address.await.expect("the server has bound its port");
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a source of this server looks like.
    pub(crate) fn options(&self, bucket: &str, observer: Observer) -> S3Options {
        S3Options {
            source: "test".into(),
            bucket: bucket.to_owned(),
            region: "eu-central-1".to_owned(),
            endpoint: Some(self.url()),
            path_style: true,
            request_payer: false,
            observer,
            patience: Patience {
                backoff: Duration::from_millis(1),
                backoff_max: Duration::from_millis(4),
                ..Patience::default()
            },
        }
    }

    /// A store on a bucket, with short pauses between attempts and the usual deadlines.
    pub(crate) async fn store(&self, bucket: &str, observer: Observer) -> S3Store {
        connect(self.options(bucket, observer), SECRET_KEY).await
    }

    /// Makes an empty bucket, unless it is there.
    pub(crate) fn create_bucket(&self, bucket: &str) {
        self.state.objects.buckets.lock().unwrap().entry(bucket.to_owned()).or_default();
    }

    /// Stores an object, and makes its bucket if need be. Gives its ETag as listings have it, quotes included.
    pub(crate) fn put(&self, bucket: &str, key: &str, content: impl Into<Bytes>) -> String {
        self.state.objects.put(bucket, key, content.into())
    }

    /// Removes an object.
    pub(crate) fn delete(&self, bucket: &str, key: &str) {
        self.state.objects.buckets.lock().unwrap().get_mut(bucket).and_then(|objects| objects.remove(key));
    }

    /// Most keys in a page of a listing (1,000 at first; requests may ask for less).
    pub(crate) fn set_page_size(&self, keys: usize) {
        self.state.objects.page_size.store(keys.max(1), Ordering::SeqCst);
    }

    /// Leaves ETags out of listings.
    pub(crate) fn hide_etags(&self) {
        self.state.objects.hide_etags.store(true, Ordering::SeqCst);
    }

    /// Asks `fault` about every request from now on.
    pub(crate) fn set_fault(&self, fault: impl Fn(&RequestInfo) -> Option<Fault> + Send + Sync + 'static) {
        *self.state.fault.lock().unwrap() = Some(Arc::new(fault));
    }

    /// These faults for the next requests of an operation, in this order, then none.
    pub(crate) fn set_faults(&self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        let faults = Mutex::new(faults.into_iter().collect::<VecDeque<_>>());
        self.set_fault(move |request| {
            if request.operation == operation { faults.lock().unwrap().pop_front() } else { None }
        });
    }

    /// No faults any more.
    pub(crate) fn clear_fault(&self) {
        *self.state.fault.lock().unwrap() = None;
    }

    /// Number of requests so far, failed ones included.
    pub(crate) fn requests(&self, operation: Operation) -> u64 {
        self.state.log.borrow().iter().filter(|request| request.operation == operation).count() as u64
    }

    /// Every request so far.
    pub(crate) fn log(&self) -> Vec<RequestInfo> {
        self.state.log.borrow().clone()
    }

    /// Waits until a condition holds; it is looked at again after every request.
    pub(crate) async fn wait_until(&self, condition: impl Fn(&Self) -> bool) {
        let mut changes = self.state.log.subscribe();
        while !condition(self) {
            changes.changed().await.expect("the server is running");
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the S3 server panicked");
        }
    }
}

/// What the server's thread and its users share.
#[derive(Default)]
struct State {
    objects: Arc<Objects>,
    fault: Mutex<Option<Arc<FaultFn>>>,
    log: watch::Sender<Vec<RequestInfo>>,
}

impl State {
    /// A later page of a listing, made to mislead whoever reads it.
    fn misleading(&self, fault: &Fault, token: &str, page: &[u8]) -> String {
        let text = String::from_utf8(page.to_vec()).unwrap();
        let tagged = |token: &str| format!("<NextContinuationToken>{token}</NextContinuationToken>");
        match fault {
            Fault::CutXml(n) => text[..text.floor_char_boundary(*n)].to_owned(),
            // There is more, and it begins where this page began.
            Fault::RepeatToken => match text.split_once("<NextContinuationToken>") {
                Some((before, rest)) => {
                    let (_, after) = rest.split_once("</NextContinuationToken>").unwrap();
                    format!("{before}{}{after}", tagged(token))
                }
                None => text
                    .replace("<IsTruncated>false", "<IsTruncated>true")
                    .replace("</ListBucketResult>", &(tagged(token) + "</ListBucketResult>")),
            },
            // The first key of this page is one that has been seen: the last of the page before, whose token it is.
            Fault::StalePage => {
                let last = super::memory::from_hex(token).unwrap();
                let entry = format!(
                    "<Contents><Key>{}</Key><Size>1</Size></Contents>",
                    super::memory::url_encoded(&last)
                );
                text.replacen("<Contents>", &(entry + "<Contents>"), 1)
            }
            other => unreachable!("{other:?} is no fault of paging"),
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut builder = S3ServiceBuilder::new(Memory(Arc::clone(&state.objects)));
    builder.set_auth(AnyKey);
    let service = builder.build();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (service, state) = (service.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            let handler = service_fn(|request| handle(&service, &state, request));
            let connection = hyper::server::conn::http1::Builder::new();
            // Broken connections are what faults are for.
            let _ = connection.serve_connection(TokioIo::new(socket), handler).await;
        });
    }
}

async fn handle(
    service: &S3Service,
    state: &State,
    request: Request<Incoming>,
) -> Result<Response<Body>, BoxError> {
    let info = record(state, &request);
    let fault = info.as_ref().and_then(|info| {
        let fault = state.fault.lock().unwrap().clone();
        fault.and_then(|fault| fault(info))
    });
    // Of a page that is not the first; faults of paging need one.
    let token = info.as_ref().and_then(|info| info.query.get("continuation-token").cloned());
    let fault = match (fault, info) {
        (Some(Fault::Replace(content)), Some(info)) => {
            state.objects.put(&info.bucket, &info.key, content);
            None
        }
        (fault, _) => fault,
    };
    let error = |status, code: &str| {
        answer(status, format!("<Error><Code>{code}</Code><Message>As asked for</Message></Error>"))
    };
    match fault {
        None => Ok(hyper::service::Service::call(service, request).await?.map(|body| body.boxed_unsync())),
        Some(Fault::Throttle) => error(503, "SlowDown"),
        Some(Fault::InternalError) => error(500, "InternalError"),
        Some(Fault::AccessDenied) => error(403, "AccessDenied"),
        Some(Fault::ExpiredToken) => error(400, "ExpiredToken"),
        Some(Fault::Skewed) => error(403, "RequestTimeTooSkewed"),
        Some(Fault::NoSuchKey) => error(404, "NoSuchKey"),
        Some(Fault::Archived) => error(403, "InvalidObjectState"),
        Some(Fault::BadXml) => answer(200, "<html><p>Welcome to the hotel's network".to_owned()),
        Some(Fault::Answer(status, body)) => answer(status, body),
        Some(Fault::Moved(region)) => error(301, "PermanentRedirect").map(|mut answer| {
            answer.headers_mut().insert("x-amz-bucket-region", region.parse().unwrap());
            answer
        }),
        Some(Fault::Reset) => Err("connection broken on request".into()),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::RepeatToken | Fault::StalePage | Fault::CutXml(_)) if token.is_none() => {
            Ok(hyper::service::Service::call(service, request).await?.map(|body| body.boxed_unsync()))
        }
        Some(fault) => {
            let (mut head, body) = hyper::service::Service::call(service, request).await?.into_parts();
            let mut content = http_body_util::BodyExt::collect(body).await?.to_bytes();
            if let (Fault::RepeatToken | Fault::StalePage | Fault::CutXml(_), Some(token)) = (&fault, &token)
            {
                content = state.misleading(&fault, token, &content).into();
                head.headers.remove(header::CONTENT_LENGTH);
                return Ok(Response::from_parts(
                    head,
                    Full::from(content).map_err(Into::into).boxed_unsync(),
                ));
            }
            Ok(spoiled(fault, Response::from_parts(head, content)))
        }
    }
}

fn record(state: &State, request: &Request<Incoming>) -> Option<RequestInfo> {
    if request.method() != Method::GET {
        return None;
    }
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let path = request.uri().path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut info = RequestInfo {
        operation: if key.is_empty() { Operation::List } else { Operation::Get },
        number: 1,
        bucket: decode(bucket),
        key: decode(key),
        query: pairs.filter_map(|pair| pair.split_once('=')).map(|(k, v)| (decode(k), decode(v))).collect(),
        range: header(header::RANGE),
        if_match: header(header::IF_MATCH),
        payer: request.headers().get("x-amz-request-payer").map(|payer| payer.to_str().unwrap().to_owned()),
    };
    state.log.send_modify(|log| {
        info.number += log.iter().filter(|earlier| earlier.operation == info.operation).count() as u64;
        log.push(info.clone());
    });
    Some(info)
}

fn answer(status: u16, body: String) -> Result<Response<Body>, BoxError> {
    let body = Full::from(body).map_err(Into::into).boxed_unsync();
    Ok(Response::builder().status(status).header(header::CONTENT_TYPE, "application/xml").body(body)?)
}

/// An answer whose body does not come as it should.
fn spoiled(fault: Fault, answer: Response<Bytes>) -> Response<Body> {
    let (mut head, content) = answer.into_parts();
    let length = content.len();
    head.headers.insert(header::CONTENT_LENGTH, length.into());
    let first = |n: usize| stream::iter([Ok(Frame::data(content.slice(..n.min(length))))]);
    let body: stream::BoxStream<'static, Result<Frame<Bytes>, BoxError>> = match fault {
        Fault::ResetMidBody(n) => {
            // The broken part comes later than the first one, or both would be lost.
            let broken = tokio::task::yield_now().map(|()| Err("connection broken on request".into()));
            first(n).chain(broken.into_stream()).boxed()
        }
        Fault::ShortBody(n) => {
            head.headers.remove(header::CONTENT_LENGTH);
            first(n).boxed()
        }
        Fault::HangMidBody(n) => first(n).chain(stream::pending()).boxed(),
        Fault::WrongContentLength(announced) => {
            head.headers.insert(header::CONTENT_LENGTH, announced.into());
            // A body that ends too early would make hyper keep the headers back.
            first(length).chain(stream::pending()).boxed()
        }
        Fault::ChecksumOfParts => {
            let headers = &mut head.headers;
            headers.remove("x-amz-checksum-crc64nvme");
            headers.insert("x-amz-checksum-crc32", "i9aeUg==-3".parse().unwrap());
            first(length).boxed()
        }
        Fault::FlipByte(n) => {
            let mut content = content.to_vec();
            content[n] ^= 1;
            stream::iter([Ok(Frame::data(content.into()))]).boxed()
        }
        Fault::Drip(pause) => stream::unfold(content, move |mut rest| async move {
            tokio::time::sleep(pause).await;
            (!rest.is_empty()).then(|| (Ok(Frame::data(rest.split_to(1))), rest))
        })
        .boxed(),
        other => unreachable!("{other:?} has no body"),
    };
    Response::from_parts(head, StreamBody::new(body).boxed_unsync())
}
