//! Certificates, and a client that shows them.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SigningKey as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig, SignatureScheme, SupportedCipherSuite,
        SupportedProtocolVersion,
        client::ResolvesClientCert,
        crypto::{CryptoProvider, SupportedKxGroup, ring},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
        sign::CertifiedKey,
        version::{TLS12, TLS13},
    },
};

/// An authority that certifies whoever asks.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The key of the issuer, for what it does not sign itself.
    key: KeyPair,
}

/// A certificate and its key.
#[derive(Clone)]
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
        // Authorities of one name: only their keys tell them apart.
        params.distinguished_name.push(DnType::CommonName, "clients");
        Self::of(params)
    }

    pub(crate) fn of(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let own = KeyPair::try_from(key.serialize_der()).unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, own).unwrap(), key }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority itself, as somebody who shows a certificate.
    pub(crate) fn itself(&self) -> Identity {
        Identity::new(self.issuer.der().clone(), &self.key)
    }

    /// A certificate of this form.
    pub(crate) fn issue(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        Identity::new(params.signed_by(&key, &self.issuer).unwrap().der().clone(), &key)
    }

    /// The same without version and extensions, which is version 1.
    pub(crate) fn issue_old(&self, params: &CertificateParams) -> Identity {
        self.issue(params).of_version_1(&self.key)
    }

    /// A certificate for names and addresses.
    pub(crate) fn certify(&self, names: &[&str]) -> Identity {
        self.issue(
            &CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap(),
        )
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
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = ring::default_provider();
        Client { roots, identity: None, versions: vec![&TLS13, &TLS12], provider }
    }
}

impl Identity {
    fn new(cert: CertificateDer<'static>, key: &KeyPair) -> Self {
        let (pem, key_der) = (pem(&cert), key.serialize_der());
        Self { cert: pem, key: key.serialize_pem(), chain: vec![cert], key_der }
    }

    /// One that nobody else has issued.
    pub(crate) fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        Self::new(params.self_signed(&key).unwrap().der().clone(), &key)
    }

    /// The same of version 1, signed by the key of its issuer.
    pub(crate) fn of_version_1(self, issuer: &KeyPair) -> Self {
        let own = KeyPair::try_from(self.key_der.as_slice()).unwrap();
        Self::new(old(&self.chain[0], issuer), &own)
    }

    /// The same of version 1, signed by its own key.
    pub(crate) fn old(self) -> Self {
        let own = KeyPair::try_from(self.key_der.as_slice()).unwrap();
        self.of_version_1(&own)
    }

    /// With the key of another: the certificate is not its own.
    pub(crate) fn with_key_of(self, other: &Self) -> Self {
        Self { key_der: other.key_der.clone(), ..self }
    }
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// Tag, whole and content of each element of a text in DER whose lengths have two bytes at most.
fn elements(mut input: &[u8]) -> Vec<(u8, &[u8], &[u8])> {
    let mut all = Vec::new();
    while let [tag, first, ..] = *input {
        let (head, length) = match first {
            0x81 => (3, usize::from(input[2])),
            0x82 => (4, usize::from(input[2]) << 8 | usize::from(input[3])),
            short => (2, usize::from(short)),
        };
        let (whole, rest) = input.split_at(head + length);
        all.push((tag, whole, &whole[head..]));
        input = rest;
    }
    all
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match content.len() {
        0..=0x7f => vec![tag, length[1]],
        0x80..=0xff => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [head, content.to_vec()].concat()
}

/// A certificate without version and extensions (RFC 5280, 4.1), signed anew.
fn old(certificate: &[u8], issuer: &KeyPair) -> CertificateDer<'static> {
    let parts = elements(elements(certificate)[0].2);
    let fields = elements(parts[0].2).into_iter().filter(|(tag, ..)| !matches!(tag, 0xa0 | 0xa3));
    let fields = wrap(0x30, &fields.flat_map(|(_, whole, _)| whole.to_vec()).collect::<Vec<_>>());
    let signature = wrap(0x03, &[&[0], issuer.sign(&fields).unwrap().as_slice()].concat());
    wrap(0x30, &[&fields, parts[1].1, &signature].concat()).into()
}

/// Shows a certificate whatever is asked for, and whatever it is.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
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
    provider: CryptoProvider,
}

impl Client {
    pub(crate) fn showing(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    pub(crate) fn speaking(self, version: &'static SupportedProtocolVersion) -> Self {
        Self { versions: vec![version], ..self }
    }

    pub(crate) fn with_suites(mut self, suites: &[SupportedCipherSuite]) -> Self {
        self.provider.cipher_suites = suites.to_vec();
        self
    }

    pub(crate) fn with_curves(mut self, curves: &[&'static dyn SupportedKxGroup]) -> Self {
        self.provider.kx_groups = curves.to_vec();
        self
    }

    /// A handshake. With TLS 1.3 a refusal of the client's certificate comes only with the answer.
    pub(crate) async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let builder = ClientConfig::builder_with_provider(Arc::new(self.provider.clone()))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            Some(one) => {
                let key = PrivateKeyDer::try_from(one.key_der.clone()).unwrap();
                let key = ring::sign::any_supported_type(&key).unwrap();
                builder.with_client_cert_resolver(Arc::new(Shows(Arc::new(CertifiedKey::new(
                    one.chain.clone(),
                    key,
                )))))
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
