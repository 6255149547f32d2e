//! Certificates, and a client that shows them.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
        version::{TLS12, TLS13},
    },
};

/// An authority that certifies whoever asks.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) cert: String,
    pub(crate) key: String,
    chain: Vec<CertificateDer<'static>>,
    key_der: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for names and addresses.
    pub(crate) fn certify(&self, names: &[&str]) -> Identity {
        let params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        Identity {
            cert: cert.pem(),
            key: key.serialize_pem(),
            chain: vec![cert.der().clone()],
            key_der: key.serialize_der(),
        }
    }

    /// Certificate and key of the server at loopback, as `cert.pem` and `key.pem`, and its own as `ca.pem`.
    pub(crate) fn equip(&self, folder: &Path) {
        let server = self.certify(&["127.0.0.1", "localhost"]);
        fs::write(folder.join("cert.pem"), &server.cert).unwrap();
        fs::write(folder.join("key.pem"), &server.key).unwrap();
        fs::write(folder.join("ca.pem"), self.pem()).unwrap();
    }

    /// A client that trusts this authority.
    pub(crate) fn client(&self) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Client { roots, identity: None, versions: vec![&TLS13, &TLS12] }
    }
}

impl Identity {
    /// What a server shows.
    pub(crate) fn server(&self) -> ServerConfig {
        let key = PrivateKeyDer::try_from(self.key_der.clone()).unwrap();
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)
            .unwrap()
    }
}

/// What a client shows and speaks.
pub(crate) struct Client {
    roots: RootCertStore,
    identity: Option<Identity>,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl Client {
    pub(crate) fn showing(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    pub(crate) fn speaking(self, version: &'static SupportedProtocolVersion) -> Self {
        Self { versions: vec![version], ..self }
    }

    /// A handshake. With TLS 1.3 a refusal of the client's certificate comes only with the answer.
    pub(crate) async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            Some(one) => {
                let key = PrivateKeyDer::try_from(one.key_der.clone()).unwrap();
                builder.with_client_auth_cert(one.chain.clone(), key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from(address.ip().to_string()).unwrap();
        let stream = TcpStream::connect(address).await?;
        in_time(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }

    /// One request; status, head and body.
    pub(crate) async fn get(
        &self,
        address: SocketAddr,
        path: &str,
        headers: &str,
    ) -> std::io::Result<(u16, String)> {
        let mut stream = self.connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        in_time(stream.read_to_string(&mut answer)).await?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        Ok((status.ok_or_else(cut)?, answer))
    }
}

/// A test fails rather than hangs.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), work).await.expect("an end within 30 seconds")
}
