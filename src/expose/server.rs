//! The web server: sockets, TLS handshakes, timeouts, caps and a graceful end.
//!
//! Refuses to know what is served ([`super::routes`]) and where it listens: sockets are bound by the caller. The only
//! module besides the composition root that spawns tasks: one for each connection, all of them owned and awaited by
//! [`serve`]. Invariant: however many sockets are opened and however slowly they are used, a scraper that connects is
//! served within seconds and memory stays bounded.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Exposition, Lifecycle, routes,
    scrapes::Scrapes,
    web::{Tls, WebHandle},
};
use crate::{limits, model::Clock};

/// What is served, and to whom.
#[derive(Debug, Clone)]
pub struct Site {
    /// What the pages show.
    pub exposition: Arc<Exposition>,
    /// What time it is.
    pub clock: Clock,
    /// TLS, authentication and headers.
    pub web: WebHandle,
    /// Who reloads the configuration.
    pub lifecycle: Lifecycle,
}

/// The bounds of the server; the default is what [`limits`] says.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// [`limits::CONNECTIONS`]
    pub connections: usize,
    /// [`limits::CONNECTION_PATIENCE`]
    pub patience: Duration,
    /// [`limits::SCRAPES`]
    pub scrapes: usize,
    /// [`limits::SCRAPE_PATIENCE`]
    pub scrape_patience: Duration,
    /// [`limits::HANDSHAKE_TIMEOUT`]
    pub handshake_timeout: Duration,
    /// [`limits::HEADER_TIMEOUT`]
    pub header_timeout: Duration,
    /// [`limits::CONNECTION_TIMEOUT`]
    pub connection_timeout: Duration,
    /// [`limits::SHUTDOWN_GRACE`]
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: limits::CONNECTIONS,
            patience: limits::CONNECTION_PATIENCE,
            scrapes: limits::SCRAPES,
            scrape_patience: limits::SCRAPE_PATIENCE,
            handshake_timeout: limits::HANDSHAKE_TIMEOUT,
            header_timeout: limits::HEADER_TIMEOUT,
            connection_timeout: limits::CONNECTION_TIMEOUT,
            grace: limits::SHUTDOWN_GRACE,
        }
    }
}

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because they had not finished within the grace period.
    pub cut: usize,
}

/// Serves until `shutdown` is ready, then finishes the responses under way and returns.
///
/// While all connections are taken, new ones wait in the kernel's queue. When that lasts, connections that have begun
/// no request meanwhile are closed. Dropping the future closes everything at once.
pub async fn serve(
    listeners: Vec<TcpListener>,
    site: Site,
    bounds: Bounds,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let shared = Arc::new(Shared {
        site,
        bounds,
        scrapes: Scrapes::new(bounds.scrapes, bounds.scrape_patience),
        activity: AtomicU64::new(0),
        open: Mutex::new(HashMap::new()),
        draining: CancellationToken::new(),
    });
    let mut shutdown = pin!(shutdown);
    let mut tasks = JoinSet::new();
    loop {
        let full = tasks.len() >= bounds.connections;
        let mark = shared.activity.load(Ordering::Relaxed);
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            stream = accept(&listeners), if !full => {
                let connection = shared.open();
                tasks.spawn(connection.run(stream));
            }
            () = sleep(bounds.patience), if full => shared.close_silent_since(mark),
        }
    }
    drop(listeners);
    shared.draining.cancel();
    let all_ended = async { while tasks.join_next().await.is_some() {} };
    let cut = match timeout(bounds.grace, all_ended).await {
        Ok(()) => 0,
        Err(_) => tasks.len(),
    };
    tasks.shutdown().await;
    Drained { cut }
}

/// The next connection of any listener.
async fn accept(listeners: &[TcpListener]) -> TcpStream {
    loop {
        let accepted = poll_fn(|context| {
            for listener in listeners {
                if let Poll::Ready(accepted) = listener.poll_accept(context) {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        });
        match accepted.await {
            Ok((stream, _)) => return stream,
            Err(error) if is_of_the_peer(&error) => {}
            // Out of descriptors or memory: the queue keeps the peer, and connections that end make room.
            Err(_) => sleep(limits::ACCEPT_PAUSE).await,
        }
    }
}

/// The peer was gone before it was accepted.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What the connections share.
struct Shared {
    site: Site,
    bounds: Bounds,
    scrapes: Arc<Scrapes>,
    /// Counts accepted connections and begun requests: an order of activity that needs no clock.
    activity: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Handle>>>,
    draining: CancellationToken,
}

/// What others may know of a connection, and do to it.
struct Handle {
    last_activity: AtomicU64,
    close: CancellationToken,
}

impl Shared {
    fn open(self: &Arc<Self>) -> Connection {
        let id = self.activity.fetch_add(1, Ordering::Relaxed) + 1;
        let handle = Arc::new(Handle { last_activity: AtomicU64::new(id), close: CancellationToken::new() });
        self.table().insert(id, handle.clone());
        Connection { id, handle, shared: self.clone() }
    }

    /// Closes the connections whose last activity is not after `mark`.
    fn close_silent_since(&self, mark: u64) {
        for handle in self.table().values() {
            if handle.last_activity.load(Ordering::Relaxed) <= mark {
                handle.close.cancel();
            }
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Handle>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open connection; leaves the table when it is dropped, however it ends.
struct Connection {
    id: u64,
    handle: Arc<Handle>,
    shared: Arc<Shared>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.table().remove(&self.id);
    }
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        // Responses are written whole; without this the last segment could wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.shared.site.web.current().tls.as_ref().map(Tls::acceptor) else {
            return self.converse(stream).await;
        };
        let peer = stream.peer_addr();
        // It went away, speaks no TLS, or has not the certificate that is wanted: nothing else says which.
        let failed = |error: String| {
            if let Ok(peer) = peer {
                self.shared.site.web.handshake_failed(peer, error);
            }
        };
        // No request has begun, so this is the time of a silent connection: it makes room when room is wanted.
        let stream = tokio::select! {
            handshake = timeout(self.shared.bounds.handshake_timeout, tls.accept(stream)) => match handshake {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return failed(error.to_string()),
                Err(_) => {
                    let limit = self.shared.bounds.handshake_timeout.as_secs_f64();
                    return failed(format!("not finished within {limit} s"));
                }
            },
            () = self.handle.close.cancelled() => return,
            () = self.shared.draining.cancelled() => return,
        };
        self.converse(stream).await;
    }

    /// Requests and responses, until one side has enough.
    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let shared = &self.shared;
        let begun = Notify::new();
        let service = service_fn(|request| {
            let tick = shared.activity.fetch_add(1, Ordering::Relaxed) + 1;
            self.handle.last_activity.store(tick, Ordering::Relaxed);
            begun.notify_one();
            let close = &self.handle.close;
            async move {
                Ok::<_, Infallible>(routes::respond(&request, &shared.site, &shared.scrapes, close).await)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(shared.bounds.header_timeout)
            .max_header_size(limits::HEADER_BYTES)
            .max_buf_size(limits::RESPONSE_CHUNK)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut draining = false;
        loop {
            tokio::select! {
                // An error is the peer's: it went away, or what it sent was no HTTP.
                _ = connection.as_mut() => return,
                () = self.handle.close.cancelled() => return,
                () = sleep(shared.bounds.connection_timeout) => return,
                () = begun.notified() => {}
                () = shared.draining.cancelled(), if !draining => {
                    draining = true;
                    // A connection that has never sent a request has no response to finish.
                    if self.handle.last_activity.load(Ordering::Relaxed) == self.id {
                        return;
                    }
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}
