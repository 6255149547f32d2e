//! Which clients' certificates are let in.
//!
//! rustls judges first. Three kinds that it refuses are let in by Go, and people have them: a certificate that stands in the
//! client CA itself, whatever it says of being an authority (`openssl req -x509` makes such); one that an authority of the
//! client CA has issued and that says it is an authority too; and one of version 1. Those are judged here by the rules of
//! Go's crypto/x509, as far as a chain of two goes. Invariant: nothing is let in that the client CA has not issued or does
//! not hold, that is not valid now, or whose purpose is another than a client's.

use std::sync::Arc;

use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, RootCertStore,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{
        CryptoProvider, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
    },
    pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use x509_parser::{certificate::X509Certificate, extensions::ParsedExtension, x509::X509Version};

use super::{
    names::ClientAuth,
    san::{self, parse},
};

/// Holds a client's certificate against the client CA where there is one, and against the allowed names.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    /// `None`: any issuer will do. That the client has the key of its certificate is verified all the same.
    issuer: Option<Arc<dyn ClientCertVerifier>>,
    /// The certificates of the client CA.
    authorities: Vec<CertificateDer<'static>>,
    mandatory: bool,
    allowed_sans: Vec<String>,
    hints: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

impl ClientVerifier {
    /// `None`: clients are not asked for a certificate.
    ///
    /// # Errors
    /// What is wrong with the client CA.
    pub(super) fn new(
        auth: ClientAuth,
        authorities: Vec<CertificateDer<'static>>,
        allowed_sans: Vec<String>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Self>, String> {
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            roots.add(authority.clone()).map_err(|error| format!("has a certificate of no use: {error}"))?;
        }
        if auth == ClientAuth::None {
            return Ok(None);
        }
        let hints = roots.subjects();
        let issuer = if auth.verifies() {
            let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
            let builder = if auth.requires() { builder } else { builder.allow_unauthenticated() };
            Some(builder.build().map_err(|error| error.to_string())?)
        } else {
            None
        };
        let (mandatory, provider) = (auth.requires(), provider.clone());
        Ok(Some(Self { issuer, authorities, mandatory, allowed_sans, hints, provider }))
    }

    /// Whether the client CA holds a certificate or has issued it; the error says why not.
    fn by_go(&self, own: &CertificateDer<'_>, now: UnixTime) -> Result<(), &'static str> {
        let client = parse(own).ok_or("cannot be read")?;
        is_usable(&client, now)?;
        if self.authorities.iter().any(|authority| authority.as_ref() == own.as_ref()) {
            return Ok(());
        }
        let mut why = "is not issued by the client CA itself";
        for authority in self.authorities.iter().filter_map(|authority| parse(authority)) {
            if authority.subject().as_raw() != client.issuer().as_raw() {
                continue;
            }
            match may_issue(&authority, now) {
                Ok(()) if client.verify_signature(Some(authority.public_key())).is_ok() => return Ok(()),
                Ok(()) => why = "is not signed by the key of the client CA",
                Err(of_authority) => why = of_authority,
            }
        }
        Err(why)
    }

    /// Verifies a signature of the handshake with the key of a certificate that rustls cannot read.
    fn by_raw_key(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
        of_tls13: bool,
    ) -> Result<HandshakeSignatureValid, Error> {
        let certificate = parse(cert).ok_or(CertificateError::BadEncoding)?;
        let key = certificate.public_key();
        let algorithms = &self.provider.signature_verification_algorithms;
        if of_tls13 {
            let key = SubjectPublicKeyInfoDer::from(key.raw);
            return verify_tls13_signature_with_raw_key(message, &key, dss, algorithms);
        }
        let of_scheme = algorithms.mapping.iter().find(|(scheme, _)| *scheme == dss.scheme);
        let (_, of_scheme) = of_scheme.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let key = &key.subject_public_key.data;
        if of_scheme.iter().any(|one| one.verify_signature(key, message, dss.signature()).is_ok()) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        Err(CertificateError::BadSignature.into())
    }
}

/// Whether a certificate is one of a client, and valid now.
fn is_usable(client: &X509Certificate<'_>, now: UnixTime) -> Result<(), &'static str> {
    is_valid(client, now)?;
    let is_known = |extension: &ParsedExtension<'_>| {
        matches!(
            extension,
            ParsedExtension::BasicConstraints(_)
                | ParsedExtension::KeyUsage(_)
                | ParsedExtension::ExtendedKeyUsage(_)
                | ParsedExtension::SubjectAlternativeName(_)
        )
    };
    let mut critical = client.extensions().iter().filter(|extension| extension.critical);
    if critical.any(|extension| !is_known(extension.parsed_extension())) {
        return Err("has a critical extension that is not known here");
    }
    is_for_clients(client)
}

/// Whether a certificate of the client CA may issue others (RFC 5280, 4.2.1.3 and 4.2.1.9; version 1 says nothing).
fn may_issue(authority: &X509Certificate<'_>, now: UnixTime) -> Result<(), &'static str> {
    is_valid(authority, now).map_err(|_| "is issued by a client CA that is not valid now")?;
    is_for_clients(authority).map_err(|_| "is issued by a client CA that is not for clients")?;
    let (constraints, usage) = (authority.basic_constraints(), authority.key_usage());
    let is_authority = matches!(&constraints, Ok(Some(constraints)) if constraints.value.ca)
        || authority.version() != X509Version::V3;
    let signs =
        matches!(&usage, Ok(None)) || matches!(&usage, Ok(Some(usage)) if usage.value.key_cert_sign());
    if !is_authority || !signs {
        return Err("is issued by a certificate that is not an authority");
    }
    match authority.name_constraints() {
        Ok(None) => Ok(()),
        _ => Err("is issued by a client CA with name constraints"),
    }
}

fn is_valid(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), &'static str> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        return Err("is not valid yet");
    }
    if now > validity.not_after.timestamp() {
        return Err("has expired");
    }
    Ok(())
}

/// A certificate that names no purpose is for all.
fn is_for_clients(certificate: &X509Certificate<'_>) -> Result<(), &'static str> {
    match certificate.extended_key_usage() {
        Ok(None) => Ok(()),
        Ok(Some(usage)) if usage.value.any || usage.value.client_auth => Ok(()),
        _ => Err("is not for clients: its extendedKeyUsage lacks clientAuth"),
    }
}

/// Whether rustls could make nothing of a certificate, which is its word for a version and a role.
fn is_of_a_form(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(_)))
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(issuer) = &self.issuer
            && let Err(error) = issuer.verify_client_cert(end_entity, intermediates, now)
        {
            if !is_of_a_form(&error) {
                return Err(error);
            }
            self.by_go(end_entity, now)
                .map_err(|why| Error::General(format!("the client's certificate {why} ({error})")))?;
        }
        let allowed = |name: &String| self.allowed_sans.contains(name);
        if self.allowed_sans.is_empty() || san::names(end_entity).iter().any(allowed) {
            return Ok(ClientCertVerified::assertion());
        }
        Err(Error::General("the client's certificate has none of client_allowed_sans".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms) {
            Err(error) if is_of_a_form(&error) => self.by_raw_key(message, cert, dss, false),
            verified => verified,
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms) {
            Err(error) if is_of_a_form(&error) => self.by_raw_key(message, cert, dss, true),
            verified => verified,
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
