//! `http_server_config.headers`: the security headers that may be added to every response.

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};

/// A header and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityHeader {
    name: HeaderName,
    value: HeaderValue,
}

impl SecurityHeader {
    /// The headers that the format allows, as it spells them.
    pub const ALLOWED: [&str; 5] = [
        "Content-Security-Policy",
        "X-Frame-Options",
        "X-Content-Type-Options",
        "X-XSS-Protection",
        "Strict-Transport-Security",
    ];

    /// One of [`Self::ALLOWED`] with a value; `None` where the value is blank, which stands for no header.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(name: &'static str, value: &str) -> Result<Option<Self>, String> {
        let words: &[&str] = match name {
            "X-Frame-Options" => &["deny", "sameorigin"],
            "X-Content-Type-Options" => &["nosniff"],
            _ => &[],
        };
        if value.is_empty() {
            return Ok(None);
        }
        if !words.is_empty() && !words.contains(&value) {
            return Err(format!("must be {}", words.join(" or ")));
        }
        let value =
            HeaderValue::from_str(value).map_err(|_| "must be one line of visible characters".to_owned())?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
        Ok(Some(Self { name, value }))
    }

    /// Sets it, over a value that is there.
    pub(in super::super) fn set(&self, headers: &mut HeaderMap) {
        headers.insert(self.name.clone(), self.value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_as_far_as_they_are_known() {
        let parse = SecurityHeader::parse;
        assert!(parse("X-Frame-Options", "deny").unwrap().is_some());
        assert_eq!(parse("X-Frame-Options", "").unwrap(), None);
        assert_eq!(parse("X-Frame-Options", "allow"), Err("must be deny or sameorigin".to_owned()));
        assert!(parse("Content-Security-Policy", "default-src 'self'\r\nSet-Cookie: a").is_err());
        for name in SecurityHeader::ALLOWED {
            let value = if name == "X-Frame-Options" { "sameorigin" } else { "nosniff" };
            assert!(parse(name, value).unwrap().is_some(), "{name}");
        }
    }
}
