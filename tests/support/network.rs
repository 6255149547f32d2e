//! A network without names on loopback: a forward proxy that alone knows where hosts are, a TLS front with a
//! certificate of a private authority, and a server that answers what it is told.
//!
//! Each runs on a thread of its own and ends when it is dropped.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::Full;
use hyper::{Request, Response, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_rustls::TlsAcceptor;

use super::tls::Identity;

/// A listener on 127.0.0.1, on a thread that ends with it.
struct Listening {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    /// Does `serve` for each connection.
    fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    tokio::select! {
                        accepted = listener.accept() => {
                            tokio::spawn(serve(accepted.unwrap().0));
                        }
                        _ = &mut stopped => return,
                    }
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a proxy knows and has seen.
#[derive(Default)]
struct Known {
    /// By `host:port`.
    hosts: BTreeMap<String, SocketAddr>,
    password: Option<String>,
    asked: Mutex<Vec<String>>,
}

/// A forward proxy, for `CONNECT` and for urls. It refuses hosts that it does not know.
pub(crate) struct Proxy {
    listening: Listening,
    known: Arc<Known>,
}

impl Proxy {
    /// Knows some hosts, each as `host:port`.
    pub(crate) fn start(hosts: &[(&str, SocketAddr)]) -> Self {
        Self::start_with(hosts, None)
    }

    /// The same, for who has `user:password`.
    pub(crate) fn start_with(hosts: &[(&str, SocketAddr)], password: Option<&str>) -> Self {
        let hosts = hosts.iter().map(|(host, address)| ((*host).to_owned(), *address)).collect();
        let known = Arc::new(Known { hosts, password: password.map(str::to_owned), ..Known::default() });
        let shared = Arc::clone(&known);
        let listening = Listening::start(move |client| {
            let known = Arc::clone(&shared);
            async move {
                // Broken connections are the client's business.
                let _ = forward(client, &known).await;
            }
        });
        Self { listening, known }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// With `user:password@`, if any.
    pub(crate) fn url(&self, login: &str) -> String {
        format!("http://{login}{}", self.listening.address)
    }

    /// Method and `host:port` of each request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.known.asked.lock().unwrap().clone()
    }
}

async fn forward(mut client: TcpStream, known: &Known) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let (line, fields) = head.split_once("\r\n").unwrap();
    let [method, target, _] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
    let url = target.strip_prefix("http://");
    let (host, path) = url.map_or((target, ""), |url| url.split_at(url.find('/').unwrap_or(url.len())));
    known.asked.lock().unwrap().push(format!("{method} {host}"));
    if let Some(password) = &known.password {
        let wanted = format!("proxy-authorization: Basic {}", STANDARD.encode(password));
        let name = wanted.len() - wanted.split_once(": ").unwrap().1.len();
        let has = |field: &str| {
            field.len() == wanted.len()
                && field[..name].eq_ignore_ascii_case(&wanted[..name])
                && field[name..] == wanted[name..]
        };
        if !fields.lines().any(has) {
            return refuse(client, "407 Proxy Authentication Required").await;
        }
    }
    let Some(address) = known.hosts.get(host) else { return refuse(client, "403 Forbidden").await };
    let mut server = TcpStream::connect(address).await?;
    if method == "CONNECT" {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        // One request a connection: the next one's line would have to be changed as well.
        server
            .write_all(format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n{fields}").as_bytes())
            .await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

async fn refuse(mut client: TcpStream, status: &str) -> std::io::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 3\r\nconnection: close\r\n\r\nno\n");
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}

/// Ends TLS in front of a server that speaks none.
pub(crate) struct TlsFront(Listening);

impl TlsFront {
    pub(crate) fn start(identity: &Identity, behind: SocketAddr) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(identity.server()));
        Self(Listening::start(move |socket| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut client) = acceptor.accept(socket).await else { return };
                let mut server = TcpStream::connect(behind).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        }))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address
    }
}

/// A server with an answer, status and body, for each path.
pub(crate) struct Answers {
    listening: Listening,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Answers {
    pub(crate) fn start(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        let listening = Listening::start(move |socket| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let handler = service_fn(move |request: Request<Incoming>| {
                    let path = request.uri().path().to_owned();
                    log.lock().unwrap().push(format!("{} {path}", request.method()));
                    let (status, body) = answer(&path);
                    let answer = Response::builder().status(status).body(Full::<Bytes>::from(body));
                    std::future::ready(answer)
                });
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection.serve_connection(TokioIo::new(socket), handler).await;
            }
        });
        Self { listening, asked }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// Method and path of each request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}
