//! `--web.config.file`: TLS, authentication and headers of the web server, in the format of the Prometheus exporters.
//!
//! Like the main configuration: every problem at once, and no secret in any of them.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    ConfigError, Problem, TOPIC,
    problems::Problems,
    raw::{Node, Raw, Table},
    read_file,
    values::{self, Parsed},
};
use crate::expose::web::{
    CipherSuite, ClientAuth, Curve, PasswordHash, Pem, RateLimit, SecurityHeader, Tls, TlsOptions,
    TlsVersion, WebOptions,
};

const TLS: &str = "tls_server_config";

/// What a web configuration file means, and what is allowed in it and perhaps not meant.
#[derive(Debug, Clone, Default)]
pub struct WebConfig {
    /// For the server.
    pub options: WebOptions,
    /// For the log at start-up and for `check`.
    pub warnings: Vec<String>,
}

impl WebConfig {
    /// Reads a file, and the certificates that it names.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let name = file.display().to_string();
        match read_file(
            file,
            "is to have the format of https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md",
        ) {
            Ok(text) => Self::parse(&name, &text, file.parent().unwrap_or(Path::new(""))),
            Err(wanted) => {
                let key = "--web.config.file".to_owned();
                let problem = Problem { key, value: Some(name.clone()), wanted, ..Problem::default() };
                Err(ConfigError { file: name, problems: vec![problem] })
            }
        }
    }

    /// Makes sense of the text of a file. Paths in it are relative to `folder`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(name: &str, text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let mut warnings = Vec::new();
        let raw = Raw::yaml(text, &mut problems);
        if problems.any_below("") {
            return Err(ConfigError { file: name.to_owned(), problems: problems.into_vec() });
        }
        let mut root = raw.root();
        let tls = tls(&mut root, folder, &mut problems, &mut warnings);
        let headers = http(&mut root, &mut problems);
        let users = users(&mut root, &mut problems);
        let rate_limit = rate_limit(&mut root, &mut problems, &mut warnings);
        root.finish(&mut problems);
        if tls.is_none() && !users.is_empty() {
            warnings
                .push("basic_auth_users without tls_server_config: passwords travel in the clear".to_owned());
        }
        let problems = problems.into_vec();
        if !problems.is_empty() {
            return Err(ConfigError { file: name.to_owned(), problems });
        }
        Ok(Self { options: WebOptions { tls, headers, users, rate_limit }, warnings })
    }
}

/// Prints what was configured, one line for each thing; nothing where nothing was.
impl fmt::Display for WebConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |topic: &str, text: String| writeln!(f, "{topic:<TOPIC$} {text}");
        if let Some(tls) = &self.options.tls {
            let TlsOptions { cert, client_auth, .. } = &tls.options;
            let word =
                ClientAuth::WORDS.iter().find(|(_, auth)| auth == client_auth).map_or("", |(word, _)| word);
            line("web", format!("TLS, certificate {cert:?}, {word}, HTTP/1.1"))?;
        }
        if !self.options.users.is_empty() {
            let users: Vec<&str> = self.options.users.keys().map(String::as_str).collect();
            line("web", format!("basic authentication of {}", users.join(", ")))?;
        }
        self.warnings.iter().try_for_each(|warning| line("warning", warning.clone()))
    }
}

fn tls(
    root: &mut Table<'_>,
    folder: &Path,
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Option<Tls> {
    let mut table = root.table(problems, TLS);
    let cert = pem(&mut table, ["cert", "cert_file"], folder, problems);
    let key = pem(&mut table, ["key", "key_file"], folder, problems);
    let client_ca = pem(&mut table, ["client_ca", "client_ca_file"], folder, problems);
    let auth = table.placed(problems, "client_auth_type", |node| match node.text() {
        Some("") => Ok(None),
        _ => values::one_of(node, &ClientAuth::WORDS).map(Some),
    });
    let auth = auth.and_then(|(node, auth)| Some((node, auth?)));
    let sans = table.list(problems, "client_allowed_sans", |node| values::text(node).map(str::to_owned));
    let version = |node: &Node<'_>| TlsVersion::parse(values::text(node)?);
    let min = table.placed(problems, "min_version", version);
    let max = table.placed(problems, "max_version", version);
    let suites = table.list(problems, "cipher_suites", |node| CipherSuite::parse(values::text(node)?));
    let curves = table.list(problems, "curve_preferences", |node| Curve::parse(values::text(node)?));
    let prefer_server_order = table.or(problems, "prefer_server_cipher_suites", true, values::boolean);
    let is_empty = table.is_empty();
    table.finish(problems);
    // What turns TLS on is as in the exporters that share the format; keys that are wrong count as well.
    let is_on = ["cert", "key", "client_ca", "client_auth_type"];
    let is_on = is_on.iter().any(|key| {
        let key = format!("{TLS}.{key}");
        problems.any_below(&key) || problems.any_below(&format!("{key}_file"))
    });
    if !is_on && cert.is_none() && key.is_none() && client_ca.is_none() && auth.is_none() {
        if !is_empty {
            warnings.push(format!(
                "{TLS} has no cert_file and key_file: TLS is off, and its other keys do nothing"
            ));
        }
        return None;
    }
    for (pem, keys) in [(&cert, "cert or cert_file"), (&key, "key or key_file")] {
        let first = keys.split(' ').next().unwrap_or_default();
        if pem.is_none()
            && !problems.any_below(&format!("{TLS}.{first}"))
            && !problems.any_below(&format!("{TLS}.{first}_file"))
        {
            problems.at(format!("{TLS}.{first}_file"), format!("is missing: TLS needs {keys}"));
        }
    }
    let client_auth = auth.as_ref().map_or(ClientAuth::None, |(_, auth)| *auth);
    let auth_key = format!("{TLS}.client_auth_type");
    if client_auth.verifies() && client_ca.is_none() && !problems.any_below(&format!("{TLS}.client_ca_file"))
    {
        problems.at(
            format!("{TLS}.client_ca_file"),
            "is missing: it has the certificates whose clients client_auth_type lets in",
        );
    }
    if client_ca.is_some() && client_auth == ClientAuth::None && !problems.any_below(&auth_key) {
        problems.at(
            auth_key,
            "does not ask for certificates, so the client CA has no effect: write RequireAndVerifyClientCert, or remove the client CA",
        );
    } else if let Some((_, ClientAuth::Request | ClientAuth::RequireAny)) = auth {
        warnings.push(format!(
            "{TLS}.client_auth_type lets in clients with certificates of any issuer; RequireAndVerifyClientCert compares them with client_ca_file"
        ));
    }
    if let Some((node, _)) = sans.first()
        && !client_auth.requires()
    {
        problems.push(node.problem(
            "needs client_auth_type: RequireAndVerifyClientCert (or RequireAnyClientCert): a client without a certificate has no names to compare",
        ));
    }
    let min_version = min.as_ref().map_or(TlsVersion::Tls12, |(_, version)| *version);
    let max_version = max.as_ref().map_or(TlsVersion::Tls13, |(_, version)| *version);
    if let Some((node, _)) = min.as_ref().filter(|_| min_version > max_version) {
        problems.push(node.problem("is above max_version: no version is left"));
    }
    // Files are looked at even when something else is wrong, so that all of it is told at once; what is wrong already
    // is not told twice.
    let missing = || Pem::Inline(String::new());
    let options = TlsOptions {
        cert: cert.unwrap_or_else(missing),
        key: key.unwrap_or_else(missing),
        client_ca,
        client_auth: if problems.any_below(TLS) { ClientAuth::None } else { client_auth },
        client_allowed_sans: sans.into_iter().map(|(_, name)| name).collect(),
        min_version: min_version.min(max_version),
        max_version,
        cipher_suites: suites.into_iter().map(|(_, suite)| suite).collect(),
        curves: curves.into_iter().map(|(_, curve)| curve).collect(),
        prefer_server_order,
    };
    match Tls::load(&options) {
        Ok(tls) => Some(tls),
        Err(faults) => {
            for fault in faults {
                let key = format!("{TLS}.{}", fault.key);
                if !problems.any_below(&key) && !problems.any_below(&format!("{key}_file")) {
                    problems.at(key, fault.wanted);
                }
            }
            None
        }
    }
}

/// A certificate or key, in the file itself or by its path.
fn pem(
    table: &mut Table<'_>,
    [inline, file]: [&'static str; 2],
    folder: &Path,
    problems: &mut Problems,
) -> Option<Pem> {
    // An empty text is none.
    let here = table.secret(problems, inline, |text| Ok(text.to_owned())).filter(|text| !text.is_empty());
    let path = table.optional(problems, file, |node| match node.text() {
        Some("") => Ok(PathBuf::new()),
        _ => values::text(node).map(PathBuf::from),
    });
    let path = path.filter(|path| !path.as_os_str().is_empty());
    match (here, path) {
        (Some(_), Some(_)) => {
            problems.at(format!("{TLS}.{file}"), format!("is there beside {inline}: remove one of the two"));
            None
        }
        (Some(text), None) => Some(Pem::Inline(text)),
        (None, Some(path)) => Some(Pem::File(folder.join(path))),
        (None, None) => None,
    }
}

fn http(root: &mut Table<'_>, problems: &mut Problems) -> Vec<SecurityHeader> {
    let mut table = root.table(problems, "http_server_config");
    // Only HTTP/1.1 is offered, which every client of HTTP/2 speaks: both values are kept to.
    table.or(problems, "http2", true, values::boolean);
    let mut list = table.table(problems, "headers");
    let mut headers = Vec::new();
    for name in SecurityHeader::ALLOWED {
        // X-XSS-Protection is a number as often as not.
        let parse = |node: &Node<'_>| match node.text().map(str::to_owned).or_else(|| node.number()) {
            Some(value) => SecurityHeader::parse(name, &value),
            None => Err("must be a text".to_owned()),
        };
        headers.extend(list.optional(problems, name, parse).flatten());
    }
    list.finish(problems);
    table.finish(problems);
    headers
}

fn users(root: &mut Table<'_>, problems: &mut Problems) -> BTreeMap<String, PasswordHash> {
    let mut users = BTreeMap::new();
    for (name, node) in root.table(problems, "basic_auth_users").entries() {
        let hash = match node.text() {
            _ if name.contains(':') => {
                Err("has a colon in its name, which basic authentication cannot carry".to_owned())
            }
            Some(text) => PasswordHash::parse(text),
            None => PasswordHash::parse(""),
        };
        match hash {
            Ok(hash) => drop(users.insert(name.to_owned(), hash)),
            Err(wanted) => problems.push(node.secret_problem(wanted)),
        }
    }
    users
}

fn rate_limit(
    root: &mut Table<'_>,
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Option<RateLimit> {
    let mut table = root.table(problems, "rate_limit");
    let interval = table.placed(problems, "interval", interval);
    if let Some((node, interval)) = &interval
        && let Some(number) = node.number().filter(|_| !interval.is_zero())
    {
        warnings.push(format!(
            "rate_limit.interval: {number} is {number} nanoseconds; write a unit, such as {number}s"
        ));
    }
    let interval = interval.map_or(Duration::ZERO, |(_, interval)| interval);
    let burst = table.placed(problems, "burst", |node| values::integer(node, &(0..=u64::from(u32::MAX))));
    let at = table.path_of("burst");
    table.finish(problems);
    if interval.is_zero() {
        return None;
    }
    let burst = burst.and_then(|(_, burst)| u32::try_from(burst).ok()).unwrap_or(0);
    if burst == 0 && !problems.any_below(&at) {
        problems.at(at, "must be 1 at least where interval is set, or no request is ever answered");
        return None;
    }
    Some(RateLimit { interval, burst })
}

/// A duration as Go writes it: numbers with units, or a plain number of nanoseconds.
fn interval(node: &Node<'_>) -> Parsed<Duration> {
    let wanted = || "must be a duration, such as 100ms, 1s or 1m30s".to_owned();
    if let Some(number) = node.number() {
        return number.parse().map(Duration::from_nanos).map_err(|_| wanted());
    }
    go_duration(values::text(node).map_err(|_| wanted())?).ok_or_else(wanted)
}

/// Nanoseconds of each unit.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    // The micro sign and the Greek letter.
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The durations of Go's `time.ParseDuration` that are not negative.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total: u64 = 0;
    while {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(*nanos)?)?;
        let mut place = *nanos;
        for digit in fraction.chars() {
            place /= 10;
            total = total.checked_add(u64::from(digit.to_digit(10)?) * place)?;
        }
        rest = after;
        !rest.is_empty()
    } {}
    Some(Duration::from_nanos(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, nanos) in [
            ("0", 0),
            ("1s", 1_000_000_000),
            ("+1s", 1_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1h1m1s1ms1us1ns", 3_661_001_001_001),
            ("100\u{b5}s", 100_000),
            ("100\u{3bc}s", 100_000),
            ("0.1ns", 0),
            ("0s", 0),
        ] {
            assert_eq!(go_duration(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
        for text in ["", "1", "s", ".s", "-1s", "1 s", "1d", "1sec", "1.2.3s", "often", "1s ", "99999999999h"]
        {
            assert_eq!(go_duration(text), None, "{text:?}");
        }
    }
}
