//! Asks a running exporter whether it is healthy: for a container image that has no shell and no HTTP client.
//!
//! Refuses to know redirects and everything else of a real client: one request, one status line. Like the probes of
//! Kubernetes it does not verify the server's certificate: it asks the process beside it, and has no secret to lose. An
//! exporter that wants a password or a client's certificate has answered, which is all that is asked. Invariant: anything
//! but a timely answer is an error.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, TcpStream, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error as TlsError, SignatureScheme, StreamOwned,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
};

/// Where an exporter with the default listen address answers.
pub const DEFAULT_URL: &str = "http://127.0.0.1:9843/-/healthy";

/// Bytes of the answer that are read: the longest status line that is needed.
const STATUS_LINE_BYTES: u64 = 64;

/// Why an exporter is not healthy.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the messages show")]
pub enum HealthError {
    /// The URL cannot be asked.
    #[error("{url}: not of the form http://host:port/path or https://host:port/path")]
    Url { url: String },
    /// No connection, or no answer in time.
    #[error("{url}: no answer")]
    NoAnswer {
        url: String,
        #[source]
        source: io::Error,
    },
    /// It answered something else than 200 or 401.
    #[error("{url}: answered \"{status_line}\"")]
    Unhealthy { url: String, status_line: String },
}

/// Ok when `url` answers 200, or asks who wants to know. `timeout` bounds each step: connecting, writing, reading.
pub fn check(url: &str, timeout: Duration) -> Result<(), HealthError> {
    let place = split(url).ok_or_else(|| HealthError::Url { url: url.to_owned() })?;
    let asked = Arc::new(Asked::default());
    match ask(&place, timeout, &asked) {
        Ok(status_line) if matches!(status_line.split(' ').nth(1), Some("200" | "401")) => Ok(()),
        // Shown no certificate it has closed the connection, with an alert that may or may not have come through.
        Ok(status_line) if status_line.is_empty() && asked.was() => Ok(()),
        Err(error) if asked.was() && !is_timeout(&error) => Ok(()),
        Ok(status_line) => Err(HealthError::Unhealthy { url: url.to_owned(), status_line }),
        Err(source) => Err(HealthError::NoAnswer { url: url.to_owned(), source }),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A URL taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    tls: bool,
    /// `host:port`
    host: &'a str,
    path: String,
}

/// White space is refused: it would end the request line early.
fn split(url: &str) -> Option<Place<'_>> {
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let (tls, rest) = match url.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => (false, url.strip_prefix("http://")?),
    };
    let (host, path) = match rest.split_once('/') {
        Some((host, path)) => (host, format!("/{path}")),
        None => (rest, "/".to_owned()),
    };
    let (name, port) = host.rsplit_once(':')?;
    let valid = !name.is_empty() && !name.contains('@') && port.parse::<u16>().is_ok();
    valid.then_some(Place { tls, host, path })
}

fn ask(place: &Place<'_>, timeout: Duration, asked: &Arc<Asked>) -> io::Result<String> {
    let stream = connect(place.host, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    if place.tls {
        converse(StreamOwned::new(client(place.host, asked.clone())?, stream), place)
    } else {
        converse(stream, place)
    }
}

fn converse(mut stream: impl Read + Write, place: &Place<'_>) -> io::Result<String> {
    let Place { host, path, .. } = place;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    stream.flush()?;
    let mut answer = Vec::new();
    stream.take(STATUS_LINE_BYTES).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn client(host: &str, asked: Arc<Asked>) -> io::Result<ClientConnection> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_client_cert_resolver(asked);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let name = match bare.parse::<IpAddr>() {
        Ok(ip) => ServerName::IpAddress(ip.into()),
        Err(_) => ServerName::try_from(bare.to_owned()).map_err(io::Error::other)?,
    };
    ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)
}

/// Has no certificate to show, and notes that it was asked for one.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl Asked {
    fn was(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Takes any certificate, from a server that has its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The first of the host's addresses that accepts.
fn connect(host: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        net::TcpListener,
    };

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    /// Serves one connection with `answer`; gives the result of the check and the request line that it sent.
    fn asked(answer: &'static str) -> (Result<(), HealthError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/-/healthy", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let lines: Vec<String> = BufReader::new(&stream)
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            (&stream).write_all(answer.as_bytes()).unwrap();
            lines[0].clone()
        });
        let result = check(&url, TIMEOUT);
        (result, server.join().unwrap())
    }

    #[test]
    fn only_200_and_401_are_healthy() {
        let (result, request) = asked("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(request, "GET /-/healthy HTTP/1.1");
        let (result, _) = asked("HTTP/1.1 401 Unauthorized\r\n\r\n");
        assert!(result.is_ok(), "{result:?}");
        for answer in ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 2000 x\r\n\r\n", "junk", ""] {
            let (result, _) = asked(answer);
            assert!(matches!(result, Err(HealthError::Unhealthy { .. })), "{answer:?}: {result:?}");
        }
    }

    #[test]
    fn nobody_there_is_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        assert!(matches!(check(&url, TIMEOUT), Err(HealthError::NoAnswer { .. })));
    }

    #[test]
    fn a_silent_server_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        // The backlog of the listener completes the connection; nobody ever answers on it.
        assert!(matches!(check(&url, Duration::from_millis(50)), Err(HealthError::NoAnswer { .. })));
    }

    #[test]
    fn urls_that_cannot_be_asked_are_refused() {
        for url in [
            "",
            "localhost:9843",
            "ftp://h:1/",
            "https://h/",
            "https://u:p@h:1/",
            "http://h/",
            "http://:1/",
            "http://h:x/",
            "http://h:1/a b",
        ] {
            assert!(matches!(check(url, TIMEOUT), Err(HealthError::Url { .. })), "{url}");
        }
    }

    #[test]
    fn the_default_url_can_be_asked() {
        let place = |tls, host, path: &str| Some(Place { tls, host, path: path.to_owned() });
        assert_eq!(split(DEFAULT_URL), place(false, "127.0.0.1:9843", "/-/healthy"));
        assert_eq!(split("https://[::1]:9843"), place(true, "[::1]:9843", "/"));
    }
}
