//! Asks a running exporter whether it is healthy: for a container image that has no shell and no HTTP client.
//!
//! Refuses to know TLS, redirects and everything else of a real client: one plain request, one status line. Anything
//! but a timely 200 is an error.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
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
    #[error("{url}: not of the form http://host:port/path")]
    Url { url: String },
    /// No connection, or no answer in time.
    #[error("{url}: no answer")]
    NoAnswer {
        url: String,
        #[source]
        source: io::Error,
    },
    /// It answered something else than 200.
    #[error("{url}: answered \"{status_line}\"")]
    Unhealthy { url: String, status_line: String },
}

/// Ok when `url` answers 200. `timeout` bounds each step: connecting, writing, reading.
pub fn check(url: &str, timeout: Duration) -> Result<(), HealthError> {
    let (host, path) = split(url).ok_or_else(|| HealthError::Url { url: url.to_owned() })?;
    let status_line =
        ask(host, &path, timeout).map_err(|source| HealthError::NoAnswer { url: url.to_owned(), source })?;
    if status_line.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        Err(HealthError::Unhealthy { url: url.to_owned(), status_line })
    }
}

/// `host:port` and the path. White space is refused: it would end the request line early.
fn split(url: &str) -> Option<(&str, String)> {
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let (host, path) = match url.strip_prefix("http://")?.split_once('/') {
        Some((host, path)) => (host, format!("/{path}")),
        None => (url.strip_prefix("http://")?, "/".to_owned()),
    };
    let (name, port) = host.rsplit_once(':')?;
    (!name.is_empty() && port.parse::<u16>().is_ok()).then_some((host, path))
}

fn ask(host: &str, path: &str, timeout: Duration) -> io::Result<String> {
    let mut stream = connect(host, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(STATUS_LINE_BYTES).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
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
    fn only_200_is_healthy() {
        let (result, request) = asked("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(request, "GET /-/healthy HTTP/1.1");
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
        for url in
            ["", "localhost:9843", "https://h:1/", "http://h/", "http://:1/", "http://h:x/", "http://h:1/a b"]
        {
            assert!(matches!(check(url, TIMEOUT), Err(HealthError::Url { .. })), "{url}");
        }
    }

    #[test]
    fn the_default_url_can_be_asked() {
        assert_eq!(split(DEFAULT_URL), Some(("127.0.0.1:9843", "/-/healthy".to_owned())));
        assert_eq!(split("http://[::1]:9843"), Some(("[::1]:9843", "/".to_owned())));
    }
}
