//! What stands between a socket and an answer: TLS, authentication, limits of requests, and headers of responses.
//!
//! The values of `--web.config.file`, whose format is that of the Prometheus exporters
//! (<https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>). Refuses to know how the
//! file is written: the configuration asks each type here what a text means. Invariant: what is accepted is done, and
//! what this server cannot do is refused with a reason.

mod auth;
mod clients;
mod headers;
mod names;
mod rate;
mod san;
mod tls;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

pub use auth::PasswordHash;
pub(super) use auth::Verdict;
pub use headers::SecurityHeader;
pub use names::{CipherSuite, ClientAuth, Curve, TlsVersion};
pub use rate::RateLimit;
pub use tls::{Material, Pem, Tls, TlsFault, TlsOptions};

use auth::Auth;
use rate::Bucket;

use crate::event::{Event, Observer};

/// What a web configuration file says; the default is what is done without one.
#[derive(Debug, Clone, Default)]
pub struct WebOptions {
    /// `tls_server_config`, loaded; `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// `http_server_config.headers`
    pub headers: Vec<SecurityHeader>,
    /// `basic_auth_users`; empty: nobody is asked.
    pub users: BTreeMap<String, PasswordHash>,
    /// `rate_limit`
    pub rate_limit: Option<RateLimit>,
}

/// A web configuration in force, with what it remembers.
#[derive(Debug)]
pub struct Web {
    /// TLS, if connections begin with it.
    pub tls: Option<Tls>,
    pub(super) headers: Vec<SecurityHeader>,
    pub(super) auth: Arc<Auth>,
    pub(super) rate: Option<Arc<Bucket>>,
}

impl From<WebOptions> for Web {
    fn from(options: WebOptions) -> Self {
        let WebOptions { tls, headers, users, rate_limit } = options;
        let rate = rate_limit.map(|limit| Arc::new(Bucket::new(limit)));
        Self { tls, headers, auth: Arc::new(Auth::new(users)), rate }
    }
}

/// The web configuration that the next connection and the next request see.
#[derive(Clone)]
pub struct WebHandle {
    current: Arc<RwLock<Arc<Web>>>,
    /// Is told of handshakes that fail.
    observer: Observer,
}

impl fmt::Debug for WebHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current.fmt(f)
    }
}

impl WebHandle {
    /// With this configuration in force.
    pub fn new(options: WebOptions) -> Self {
        Self { current: Arc::new(RwLock::new(Arc::new(options.into()))), observer: Arc::new(|_| {}) }
    }

    /// Tells `observer` of handshakes that fail.
    #[must_use]
    pub fn observed_by(self, observer: Observer) -> Self {
        Self { observer, ..self }
    }

    pub(super) fn handshake_failed(&self, peer: SocketAddr, error: String) {
        (self.observer)(&Event::HandshakeFailed { peer, error });
    }

    /// What is in force now.
    pub fn current(&self) -> Arc<Web> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another configuration in force.
    pub fn replace(&self, options: WebOptions) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(options.into());
    }

    /// Puts other certificates in force, unless the configuration is no longer the one that they were read for.
    pub fn replace_tls(&self, of: &Arc<Web>, tls: Tls) -> bool {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let same = Arc::ptr_eq(&current, of);
        if same {
            let Web { headers, auth, rate, .. } = &**of;
            let (headers, auth, rate) = (headers.clone(), auth.clone(), rate.clone());
            *current = Arc::new(Web { tls: Some(tls), headers, auth, rate });
        }
        same
    }
}
