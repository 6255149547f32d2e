//! The words of a `tls_server_config`: client authentication, versions, cipher suites, curves.
//!
//! They are those of Go's crypto/tls, which the format takes over. What rustls does not do is refused: a configuration that
//! asks for it would otherwise be less, or more, secure than it looks.

use std::fmt;

use tokio_rustls::rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{SupportedKxGroup, ring},
    version::{TLS12, TLS13},
};

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// They are asked; one that shows any certificate, or none, is let in.
    Request,
    /// They must show a certificate, whoever has issued it.
    RequireAny,
    /// One that shows a certificate must show one of the client CA.
    VerifyIfGiven,
    /// They must show a certificate of the client CA.
    RequireAndVerify,
}

impl ClientAuth {
    /// The words of the format.
    pub const WORDS: [(&str, Self); 6] = [
        ("NoClientCert", Self::None),
        ("RequestClientCert", Self::Request),
        ("RequireAnyClientCert", Self::RequireAny),
        ("RequireClientCert", Self::RequireAny),
        ("VerifyClientCertIfGiven", Self::VerifyIfGiven),
        ("RequireAndVerifyClientCert", Self::RequireAndVerify),
    ];

    /// Whether a certificate is compared with the client CA.
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }

    /// Whether nobody gets in without one.
    pub fn requires(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

impl TlsVersion {
    /// Of its name in the format.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "TLS12" => Ok(Self::Tls12),
            "TLS13" => Ok(Self::Tls13),
            "TLS10" | "TLS11" => {
                Err("is not offered: the versions before TLS 1.2 are broken; write TLS12 or TLS13".to_owned())
            }
            _ => Err("must be TLS12 or TLS13".to_owned()),
        }
    }

    pub(super) fn between(from: Self, to: Self) -> Vec<&'static SupportedProtocolVersion> {
        let known = [(Self::Tls12, &TLS12), (Self::Tls13, &TLS13)];
        known
            .into_iter()
            .filter(|(version, _)| (from..=to).contains(version))
            .map(|(_, known)| known)
            .collect()
    }
}

/// A cipher suite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CipherSuite(pub(super) SupportedCipherSuite);

impl CipherSuite {
    /// Of its name in Go.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        // Those of TLS 1.3 have shorter names in Go than here.
        let go_name = |suite: &SupportedCipherSuite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
        let found = ring::ALL_CIPHER_SUITES.iter().find(|suite| go_name(suite) == text);
        found.copied().map(Self).ok_or_else(|| {
            let why = if text.contains("_CBC_") || text.starts_with("TLS_RSA_") || text.contains("RC4") {
                "is not offered: it is not safe"
            } else {
                "is no cipher suite of this server"
            };
            let names: Vec<String> = ring::ALL_CIPHER_SUITES.iter().map(go_name).collect();
            format!("{why}; there are {}", names.join(", "))
        })
    }

    pub(super) fn is_of_tls13(self) -> bool {
        self.0.tls13().is_some()
    }
}

/// A curve for the exchange of keys.
#[derive(Clone, Copy)]
pub struct Curve(pub(super) &'static dyn SupportedKxGroup);

impl fmt::Debug for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.name().fmt(f)
    }
}

impl Curve {
    /// Of its name in Go.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "X25519" => Ok(Self(ring::kx_group::X25519)),
            "CurveP256" => Ok(Self(ring::kx_group::SECP256R1)),
            "CurveP384" => Ok(Self(ring::kx_group::SECP384R1)),
            _ => Err("is no curve of this server; there are X25519, CurveP256, CurveP384".to_owned()),
        }
    }
}
