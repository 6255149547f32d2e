//! The web server over real sockets: what it answers, and what it does not put up with.

use std::{collections::BTreeMap, io::Read, net::SocketAddr, sync::Arc, time::Duration};

use flowcost_exporter::{
    event::{Event, Progress, ScanKind},
    expose::{
        Bounds, Drained, Exposition, Format, Site, serve,
        web::{WebHandle, WebOptions},
    },
    model::{Clock, FlowCounts, FlowKey, NatDirection, Snapshot, SourceProgress},
    store::FailureReason,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::exposition::{NOW, settings, snapshot};

struct Server {
    address: SocketAddr,
    exposition: Arc<Exposition>,
    stop: CancellationToken,
    ended: JoinHandle<Drained>,
}

impl Server {
    async fn start(bounds: Bounds) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let exposition = Arc::new(Exposition::new(settings()));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let site = Site {
            exposition: exposition.clone(),
            clock: Clock::fixed(NOW),
            web: WebHandle::new(WebOptions::default()),
            lifecycle: None,
        };
        let ended = tokio::spawn(serve(vec![listener], site, bounds, stopped));
        Self { address, exposition, stop, ended }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }

    /// One request on its own connection.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> Response {
        let mut stream = self.connect().await;
        send(&mut stream, method, path, &format!("{headers}Connection: close\r\n")).await;
        Response::parse(&read_out(&mut stream).await)
    }

    async fn get(&self, path: &str) -> Response {
        self.ask("GET", path, "").await
    }

    /// A state whose scrape is larger than what the sockets' buffers can take.
    fn publish_much(&self) {
        let long = "z".repeat(128);
        let key = |index: usize| FlowKey {
            src_zone: long.as_str().into(),
            dst_zone: long.as_str().into(),
            port_group: format!("{long}{index}").into(),
            nat_direction: NatDirection::None,
        };
        let traffic: BTreeMap<_, _> = (0..10_000).map(|index| (key(index), FlowCounts::default())).collect();
        self.exposition.publish(Arc::new(Snapshot {
            traffic,
            first_scan_complete: true,
            ..Snapshot::default()
        }));
    }
}

async fn send(stream: &mut TcpStream, method: &str, path: &str, headers: &str) {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
}

struct Response {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Response {
    fn parse(answer: &[u8]) -> Self {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Self { status, head, body: answer[end + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }
}

/// Reads what there is until the server closes; a reset is a close too.
async fn read_out(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let _ = in_time(stream.read_to_end(&mut answer)).await;
    answer
}

/// A test fails rather than hangs. Far more than any bound that a test sets, far less than the defaults add up to.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), work).await.expect("an end within 30 seconds")
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let server = Server::start(Bounds::default()).await;
    server.exposition.publish(Arc::new(snapshot()));

    let plain = server.get("/metrics").await;
    assert_eq!(plain.status, 200);
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(plain.header("vary"), Some("accept, accept-encoding"));
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.text(), server.exposition.render(NOW, Format::Text));

    let accept = "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6\r\n\
                  Accept: text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\nAccept-Encoding: gzip\r\n";
    let open = server.ask("GET", "/metrics?name=x", accept).await;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(content_type));
    assert_eq!(open.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*open.body).read_to_string(&mut text).expect("gzip");
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn probes_tell_alive_from_ready() {
    let server = Server::start(Bounds::default()).await;
    let ready = server.get("/-/ready").await;
    assert_eq!((ready.status, ready.text().as_str()), (503, "the state is not loaded yet\n"));
    assert_eq!(server.get("/-/healthy").await.status, 200);

    server.exposition.publish(Arc::new(Snapshot::default()));
    server.exposition.observe(&scan_failed("eks-ops"), NOW);
    let ready = server.get("/-/ready").await;
    let expected = "the first full scan is not committed yet\n\
                    source eks-ops: list s3://logs/: denied: HTTP 403; next try at 2025-12-09T10:00:04Z\n\
                    source new & <empty>: not listed to its end yet\n";
    assert_eq!((ready.status, ready.text().as_str()), (503, expected));

    // Shown without a source that cannot be read.
    server.exposition.publish(Arc::new(snapshot()));
    server.exposition.observe(&scan_failed("new & <empty>"), NOW);
    server.exposition.observe(&finished("eks-ops"), NOW);
    let ready = server.get("/-/ready").await;
    let expected = "ready\n\
                    source new & <empty>: list s3://logs/: denied: HTTP 403; next try at 2025-12-09T10:00:04Z\n";
    assert_eq!((ready.status, ready.text().as_str()), (200, expected));
    let page = server.get("/").await.text();
    let said = "<dt>Cannot read new &amp; &lt;empty&gt;</dt><dd class=\"wait\">list s3://logs/: denied: HTTP 403; \
                next try at 2025-12-09T10:00:04Z</dd>";
    assert!(page.contains(said), "{page}");

    let progress = SourceProgress { last_full_scan: Some(NOW), ..SourceProgress::default() };
    let names = ["eks-ops", "new & <empty>"].map(Arc::from);
    let sources = names.into_iter().map(|name| (name, progress)).collect();
    server.exposition.publish(Arc::new(Snapshot { sources, ..snapshot() }));
    server.exposition.observe(&finished("new & <empty>"), NOW);
    let ready = server.get("/-/ready").await;
    assert_eq!((ready.status, ready.text().as_str()), (200, "ready\n"));
}

fn scan_failed(source: &str) -> Event {
    Event::ScanFailed {
        source: source.into(),
        kind: ScanKind::Full,
        reason: FailureReason::Denied,
        error: "list s3://logs/: denied: HTTP 403".to_owned(),
        retry_in: Duration::from_secs(4),
    }
}

fn finished(source: &str) -> Event {
    let (kind, duration) = (ScanKind::Full, Duration::ZERO);
    Event::ScanFinished { source: source.into(), kind, listed: 1, found: 0, duration }
}

#[tokio::test]
async fn only_the_known_paths_and_methods_are_answered() {
    let server = Server::start(Bounds::default()).await;
    for path in ["/metrics/", "/-/reload/", "/-/quit", "/favicon.ico", "//metrics"] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let response = server.ask(method, "/metrics", "Content-Length: 0\r\n").await;
        assert_eq!((response.status, response.header("allow")), (405, Some("get, head")), "{method}");
        assert_eq!(server.ask(method, "/nothing", "Content-Length: 0\r\n").await.status, 404, "{method}");
    }
    for path in ["/", "/metrics", "/-/healthy"] {
        let full = server.get(path).await;
        let head = server.ask("HEAD", path, "").await;
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(head.header("content-type"), full.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), Some(full.body.len().to_string().as_str()), "{path}");
        assert!(head.body.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn the_landing_page_shows_freshness_and_escapes_names() {
    let server = Server::start(Bounds::default()).await;
    server.exposition.publish(Arc::new(snapshot()));
    let progress = Progress { objects: 400, settled: 100, records: 7_000, ..Progress::default() };
    let pending = Event::Pending { source: "new & <empty>".into(), objects: 300, progress };
    server.exposition.observe(&pending, NOW);
    let page = server.get("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text();
    for expected in [
        "1.2.3",
        "href=\"/metrics\"",
        "eks-ops",
        "2025-12-09T09:50:00Z",
        "new &amp; &lt;empty&gt;",
        "never",
        "<dt>Reading new &amp; &lt;empty&gt;</dt><dd class=\"wait\">100 of 400 objects (25 %), 7000 records",
        ">ready<",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(!text.contains("<empty>") && !text.contains("http://") && !text.contains("https://"));
}

#[tokio::test]
async fn slow_headers_and_idle_connections_are_cut() {
    let bounds = Bounds { header_timeout: Duration::from_millis(100), ..Bounds::default() };
    let server = Server::start(bounds).await;
    let mut silent = server.connect().await;
    assert!(read_out(&mut silent).await.is_empty());

    let mut slow = server.connect().await;
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: lo").await.expect("it reads");
    assert!(!String::from_utf8_lossy(&read_out(&mut slow).await).contains("200 OK"));

    let mut kept = server.connect().await;
    send(&mut kept, "GET", "/-/healthy", "").await;
    let answer = Response::parse(&read_out(&mut kept).await);
    assert_eq!(answer.status, 200, "it was kept open after the answer, and closed in the end");
}

#[tokio::test]
async fn a_connection_takes_several_requests() {
    let server = Server::start(Bounds::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "GET", "/-/healthy", "").await;
    send(&mut stream, "GET", "/-/healthy", "Connection: close\r\n").await;
    let answers = String::from_utf8(read_out(&mut stream).await).expect("UTF-8");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2);
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused() {
    let server = Server::start(Bounds::default()).await;
    let mut stream = server.connect().await;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nX-Padding: {}\r\n", "p".repeat(20_000));
    let _ = stream.write_all(request.as_bytes()).await;
    assert!(read_out(&mut stream).await.starts_with(b"HTTP/1.1 431 "));
    assert_eq!(server.get("/-/healthy").await.status, 200);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let server = Server::start(Bounds::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await.expect("it reads");
    assert!(read_out(&mut stream).await.starts_with(b"HTTP/1.1 400 "));
}

#[tokio::test]
async fn idle_sockets_cannot_keep_a_scraper_out() {
    let bounds = Bounds {
        connections: 16,
        patience: Duration::from_millis(50),
        header_timeout: Duration::from_secs(3600),
        ..Bounds::default()
    };
    let server = Server::start(bounds).await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(server.connect().await);
    }
    assert_eq!(server.get("/metrics").await.status, 200);
    assert!(read_out(&mut idle[0]).await.is_empty(), "the oldest was closed");
}

#[tokio::test]
async fn a_connection_over_the_cap_waits_for_a_free_place() {
    let bounds = Bounds { connections: 1, patience: Duration::from_secs(3600), ..Bounds::default() };
    let server = Server::start(bounds).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    send(&mut second, "GET", "/-/healthy", "Connection: close\r\n").await;
    // The server answers the first one again and again: it had every occasion to answer the second one too.
    for _ in 0..20 {
        send(&mut first, "GET", "/-/healthy", "").await;
        answered(&mut first).await;
    }
    let early = second.try_read(&mut [0]).expect_err("it waits");
    assert_eq!(early.kind(), std::io::ErrorKind::WouldBlock);
    drop(first);
    assert_eq!(Response::parse(&read_out(&mut second).await).status, 200);
}

/// Reads one answer of `/-/healthy` from a connection that stays open.
async fn answered(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"healthy\n") {
        answer.push(in_time(stream.read_u8()).await.expect("an answer"));
    }
}

#[tokio::test]
async fn a_response_that_is_not_read_is_cut() {
    let bounds = Bounds { connection_timeout: Duration::from_millis(200), ..Bounds::default() };
    let server = Server::start(bounds).await;
    server.publish_much();
    let mut lazy = server.connect().await;
    send(&mut lazy, "GET", "/metrics", "").await;
    let mut byte = [0];
    lazy.read_exact(&mut byte).await.expect("the answer has begun");
    // The other end of the socket is gone: what is written to it is answered with a reset.
    in_time(async {
        while lazy.write_all(b"x").await.is_ok() {
            tokio::task::yield_now().await
        }
    })
    .await;
}

#[tokio::test]
async fn scrapes_that_are_not_read_keep_nobody_out() {
    let bounds = Bounds {
        scrapes: 2,
        scrape_patience: Duration::from_millis(50),
        connection_timeout: Duration::from_secs(3600),
        ..Bounds::default()
    };
    let server = Server::start(bounds).await;
    server.publish_much();
    let mut lazy = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        send(&mut stream, "GET", "/metrics", "").await;
        stream.read_exact(&mut [0]).await.expect("the answer has begun");
        lazy.push(stream);
    }
    assert_eq!(server.get("/-/healthy").await.status, 200, "probes are not scrapes");
    assert_eq!(server.get("/metrics").await.status, 200, "the lazy ones made room");
    for stream in &mut lazy {
        assert!(!read_out(stream).await.is_empty(), "its connection was closed: this read ends");
    }
}

#[tokio::test]
async fn more_scrapes_than_places_are_told_to_come_back() {
    let bounds = Bounds { scrapes: 0, scrape_patience: Duration::from_millis(20), ..Bounds::default() };
    let server = Server::start(bounds).await;
    let refused = server.get("/metrics").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
}

#[tokio::test]
async fn shutdown_finishes_the_responses_under_way() {
    // Longer than the test may take: no timeout may be what ends it.
    let long = Duration::from_secs(3600);
    let bounds = Bounds { grace: long, header_timeout: long, connection_timeout: long, ..Bounds::default() };
    let server = Server::start(bounds).await;
    server.publish_much();
    let silent = server.connect().await;
    let mut partial = server.connect().await;
    partial.write_all(b"GET /metr").await.expect("it reads");
    let mut kept = server.connect().await;
    send(&mut kept, "GET", "/-/healthy", "").await;
    let mut reader = server.connect().await;
    send(&mut reader, "GET", "/metrics", "").await;
    let mut answer = vec![0];
    reader.read_exact(&mut answer).await.expect("the answer has begun");

    server.stop.cancel();
    reader.read_to_end(&mut answer).await.expect("to the end");
    let response = Response::parse(&answer);
    let length = response.header("content-length").and_then(|length| length.parse().ok());
    assert_eq!(length, Some(response.body.len()));
    assert_eq!(in_time(server.ended).await.expect("no panic"), Drained { cut: 0 });
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
    drop((silent, partial, kept));
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let bounds = Bounds { grace: Duration::from_millis(100), ..Bounds::default() };
    let server = Server::start(bounds).await;
    server.publish_much();
    let mut lazy = server.connect().await;
    send(&mut lazy, "GET", "/metrics", "").await;
    let mut byte = [0];
    lazy.read_exact(&mut byte).await.expect("the answer has begun");
    server.stop.cancel();
    assert_eq!(in_time(server.ended).await.expect("no panic"), Drained { cut: 1 });
}
