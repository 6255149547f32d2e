//! `tls_server_config`: certificates, clients' certificates, versions, cipher suites and curves, by rustls.
//!
//! Certificates and keys are read apart from being made use of, so that those on the disk can be compared with those in
//! force. Invariant: what is in force was complete and consistent when it was read.

use std::{
    fmt,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        Error, InconsistentKeys, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::danger::ClientCertVerifier,
    },
};

use super::{
    clients::ClientVerifier,
    names::{CipherSuite, ClientAuth, Curve, TlsVersion},
    san,
};
use crate::limits;

/// Where a certificate or key is.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// In the configuration itself.
    Inline(String),
    /// In a file.
    File(PathBuf),
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What a `tls_server_config` says.
#[derive(Debug, Clone)]
pub struct TlsOptions {
    /// `cert` or `cert_file`: the chain, the server's own certificate first.
    pub cert: Pem,
    /// `key` or `key_file`
    pub key: Pem,
    /// `client_ca` or `client_ca_file`
    pub client_ca: Option<Pem>,
    /// `client_auth_type`
    pub client_auth: ClientAuth,
    /// `client_allowed_sans`; empty: all.
    pub client_allowed_sans: Vec<String>,
    /// `min_version`
    pub min_version: TlsVersion,
    /// `max_version`
    pub max_version: TlsVersion,
    /// `cipher_suites`: of TLS 1.2, in order of preference; empty: all. Those of TLS 1.3 are always on.
    pub cipher_suites: Vec<CipherSuite>,
    /// `curve_preferences`, in order of preference; empty: all.
    pub curves: Vec<Curve>,
    /// `prefer_server_cipher_suites`
    pub prefer_server_order: bool,
}

/// What is wrong with one key of a `tls_server_config`, without the content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    /// The key, as far as it is known which one.
    pub key: &'static str,
    /// What is wrong and what would be right.
    pub wanted: String,
}

/// The bytes of certificates and key.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material")
    }
}

impl TlsOptions {
    /// Reads the files. Blocks.
    ///
    /// # Errors
    /// All that cannot be read.
    pub fn read(&self) -> Result<Material, Vec<TlsFault>> {
        let mut faults = Vec::new();
        let mut bytes = |keys: [&'static str; 2], pem: &Pem| {
            let (key, read) = match pem {
                Pem::Inline(text) => (keys[0], Ok(text.clone().into_bytes())),
                Pem::File(path) => (keys[1], read(path)),
            };
            read.map_err(|wanted| faults.push(TlsFault { key, wanted })).ok()
        };
        let cert = bytes(["cert", "cert_file"], &self.cert);
        let key = bytes(["key", "key_file"], &self.key);
        let client_ca = self.client_ca.as_ref().map(|pem| bytes(["client_ca", "client_ca_file"], pem));
        match (cert, key, client_ca) {
            (Some(cert), Some(key), None) => Ok(Material { cert, key, client_ca: None }),
            (Some(cert), Some(key), Some(Some(ca))) => Ok(Material { cert, key, client_ca: Some(ca) }),
            (cert, key, client_ca) => {
                // What can be read may be wrong as well, and is told along.
                let chains = [(self.cert_key(), cert), (self.ca_key(), client_ca.flatten())];
                let wrong = |(key, pem): (_, Option<Vec<u8>>)| Some((key, certificates(&pem?).err()?));
                faults.extend(
                    chains.into_iter().filter_map(wrong).map(|(key, wanted)| TlsFault { key, wanted }),
                );
                let wrong = key.and_then(|pem| private_key(&pem).err());
                faults.extend(wrong.map(|wanted| TlsFault { key: self.key_key(), wanted }));
                Err(faults)
            }
        }
    }

    /// Makes TLS of them.
    ///
    /// # Errors
    /// All that does not fit.
    pub fn with(&self, material: Material) -> Result<Tls, Vec<TlsFault>> {
        let mut faults = Vec::new();
        let mut fault = |key, wanted: String| faults.push(TlsFault { key, wanted });
        let (cert_key, key_key) = (self.cert_key(), self.key_key());
        let chain = certificates(&material.cert).map_err(|wanted| fault(cert_key, wanted)).ok();
        let key = private_key(&material.key).map_err(|wanted| fault(key_key, wanted)).ok();
        let provider = Arc::new(self.provider());
        let verifier = self.verifier(&provider, material.client_ca.as_deref());
        let verifier = verifier.map_err(|wanted| fault(self.ca_key(), wanted)).ok();
        let (Some(chain), Some(key), Some(verifier)) = (chain, key, verifier) else { return Err(faults) };
        let versions = TlsVersion::between(self.min_version, self.max_version);
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|error| vec![TlsFault { key: "cipher_suites", wanted: error.to_string() }])?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let is_old = chain.first().is_some_and(|own| san::is_old(own));
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            let (key, wanted) = match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    (key_key, "is not the key of the certificate".to_owned())
                }
                Error::InvalidCertificate(_) if is_old => (
                    cert_key,
                    "is a certificate of version 1, which has no names for clients to verify: make one with subjectAltName"
                        .to_owned(),
                ),
                Error::InvalidCertificate(_) => (cert_key, format!("is no certificate: {error}")),
                _ => (key_key, format!("cannot be used: {error}")),
            };
            vec![TlsFault { key, wanted }]
        })?;
        config.ignore_client_order = self.prefer_server_order;
        // What the server speaks; a client that offers HTTP/2 as well takes it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls { options: self.clone(), material, config: Arc::new(config) })
    }

    fn provider(&self) -> CryptoProvider {
        let mut provider = ring::default_provider();
        if !self.cipher_suites.is_empty() {
            provider.cipher_suites.retain(|suite| CipherSuite(*suite).is_of_tls13());
            let of_tls12 = self.cipher_suites.iter().filter(|suite| !suite.is_of_tls13());
            provider.cipher_suites.extend(of_tls12.map(|suite| suite.0));
        }
        if !self.curves.is_empty() {
            provider.kx_groups = self.curves.iter().map(|curve| curve.0).collect();
        }
        provider
    }

    fn cert_key(&self) -> &'static str {
        self.cert.key("cert", "cert_file")
    }

    fn key_key(&self) -> &'static str {
        self.key.key("key", "key_file")
    }

    fn ca_key(&self) -> &'static str {
        self.client_ca.as_ref().map_or("client_ca_file", |pem| pem.key("client_ca", "client_ca_file"))
    }

    /// What clients' certificates are held against; `None`: they are not asked for one.
    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
        client_ca: Option<&[u8]>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
        let authorities = client_ca.map(certificates).transpose()?.unwrap_or_default();
        let (auth, sans) = (self.client_auth, self.client_allowed_sans.clone());
        ClientVerifier::new(auth, authorities, sans, provider)
            .map(|verifier| verifier.map(|verifier| Arc::new(verifier) as Arc<dyn ClientCertVerifier>))
    }
}

impl Pem {
    fn key(&self, inline: &'static str, file: &'static str) -> &'static str {
        match self {
            Self::Inline(_) => inline,
            Self::File(_) => file,
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limits::PEM_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > limits::PEM_BYTES => {
            Err(format!("{}: is larger than {} bytes", path.display(), limits::PEM_BYTES))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(format!("{}: cannot be read: {error}", path.display())),
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err("has no certificate in PEM: -----BEGIN CERTIFICATE-----".to_owned()),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| "has no private key in PEM: -----BEGIN PRIVATE KEY-----".to_owned())
}

/// TLS that is ready for connections.
#[derive(Clone)]
pub struct Tls {
    /// What it is made of.
    pub options: TlsOptions,
    /// What the files held when it was made.
    pub material: Material,
    config: Arc<ServerConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files and makes TLS of them. Blocks.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn load(options: &TlsOptions) -> Result<Self, Vec<TlsFault>> {
        options.with(options.read()?)
    }

    pub(in super::super) fn acceptor(&self) -> TlsAcceptor {
        self.config.clone().into()
    }
}
