//! The subject alternative names of a certificate, as `client_allowed_sans` compares them.
//!
//! Reads just enough DER (X.690) for the one extension (RFC 5280, 4.2.1.6). Invariant: input that is not as it should
//! be has no names, so that nobody is let in because of it.

use std::net::{Ipv4Addr, Ipv6Addr};

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
/// `[3]`, which holds the extensions of a certificate.
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// DNS, e-mail, URI and IP names.
pub(super) fn names(certificate: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    if collect(certificate, &mut names).is_none() {
        names.clear();
    }
    names
}

fn collect(certificate: &[u8], names: &mut Vec<String>) -> Option<()> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (mut fields, _) = expect(certificate, SEQUENCE)?;
    while !fields.is_empty() {
        let (tag, content, rest) = element(fields)?;
        fields = rest;
        if tag == EXTENSIONS {
            let (mut extensions, _) = expect(content, SEQUENCE)?;
            while !extensions.is_empty() {
                let (extension, rest) = expect(extensions, SEQUENCE)?;
                extensions = rest;
                add_names(extension, names)?;
            }
        }
    }
    Some(())
}

/// Adds the names of one extension, if it is the one that has names.
fn add_names(extension: &[u8], names: &mut Vec<String>) -> Option<()> {
    let (id, rest) = expect(extension, OBJECT_IDENTIFIER)?;
    if id != SUBJECT_ALT_NAME {
        return Some(());
    }
    // Whether it is critical comes first, where it is there at all.
    let rest = match element(rest)? {
        (BOOLEAN, _, rest) => rest,
        _ => rest,
    };
    let (value, _) = expect(rest, OCTET_STRING)?;
    let (mut list, _) = expect(value, SEQUENCE)?;
    while !list.is_empty() {
        let (tag, content, rest) = element(list)?;
        list = rest;
        match tag {
            EMAIL | DNS | URI => names.push(std::str::from_utf8(content).ok()?.to_owned()),
            IP => names.push(ip(content)?),
            _ => {}
        }
    }
    Some(())
}

fn ip(content: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(content) {
        return Some(Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(content).ok().map(|v6| Ipv6Addr::from(v6).to_string())
}

fn expect(input: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(input)?;
    (tag == wanted).then_some((content, rest))
}

/// Tag, content and what comes after the first element.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = input.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
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
