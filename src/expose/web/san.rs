//! The subject alternative names of a certificate, as `client_allowed_sans` compares them.
//!
//! Invariant: a certificate that is not as it should be has no names, so that nobody is let in because of it.

use std::net::{Ipv4Addr, Ipv6Addr};

use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _, x509::X509Version,
};

/// A certificate and nothing behind it.
pub(super) fn parse(certificate: &[u8]) -> Option<X509Certificate<'_>> {
    let (rest, certificate) = X509Certificate::from_der(certificate).ok()?;
    rest.is_empty().then_some(certificate)
}

/// Whether it is of a version before 3, which has no extensions.
pub(super) fn is_old(certificate: &[u8]) -> bool {
    parse(certificate).is_some_and(|certificate| certificate.version() != X509Version::V3)
}

/// DNS, e-mail, URI and IP names.
pub(super) fn names(certificate: &[u8]) -> Vec<String> {
    let Some(certificate) = parse(certificate) else { return Vec::new() };
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::RFC822Name(text) | GeneralName::DNSName(text) | GeneralName::URI(text) => {
            Some(Some((*text).to_owned()))
        }
        GeneralName::IPAddress(address) => Some(ip(address)),
        GeneralName::Invalid(..) => Some(None),
        _ => None,
    });
    names.collect::<Option<_>>().unwrap_or_default()
}

fn ip(content: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(content) {
        return Some(Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(content).ok().map(|v6| Ipv6Addr::from(v6).to_string())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType, string::Ia5String};

    use super::*;

    fn certificate() -> Vec<u8> {
        let mut params =
            CertificateParams::new(["prometheus.example".to_owned(), "10.0.0.1".to_owned()]).unwrap();
        let text = |text: &str| Ia5String::try_from(text).unwrap();
        params.subject_alt_names.push(SanType::Rfc822Name(text("ops@example.com")));
        params.subject_alt_names.push(SanType::URI(text("spiffe://example/ns/prometheus")));
        params.subject_alt_names.push(SanType::IpAddress("2001:db8::1".parse().unwrap()));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn all_kinds_of_names_are_found() {
        let expected = [
            "prometheus.example",
            "10.0.0.1",
            "ops@example.com",
            "spiffe://example/ns/prometheus",
            "2001:db8::1",
        ];
        assert_eq!(names(&certificate()), expected);
        let none = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_eq!(names(none.der()), [""; 0]);
    }

    #[test]
    fn what_is_cut_has_no_names_and_nothing_panics() {
        let whole = certificate();
        for end in 0..whole.len() {
            assert_eq!(names(&whole[..end]), [""; 0], "{end}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                names(&changed);
            }
        }
    }
}
