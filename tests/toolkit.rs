//! The web configuration beside that of the Prometheus exporters: what Go's exporter-toolkit (main branch, September 2026) does
//! with a file, what this exporter does, and that docs/web-configuration.md has every difference.

use std::{fs, net::SocketAddr, path::Path};

use flowcost_exporter::{event::Event, expose::Bounds};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::rustls::{
    crypto::ring::{cipher_suite, kx_group},
    version::{TLS12, TLS13},
};

use crate::{
    support::{
        events::Recorder,
        tls::{Authority, Identity},
    },
    web::{Protected, TLS, basic, hash, load},
};

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    /// Refused, with this in the message. Of the toolkit only that it is.
    Refused(&'static str),
    /// Served over plain HTTP.
    Plain,
    /// Served over TLS.
    Tls,
}

use Outcome::{Plain, Refused, Tls};

/// A file, what the toolkit does, what is done here, and where that differs, words of the page that says so.
struct Case(&'static str, Outcome, Outcome, &'static str);

const SAME: &str = "";

fn keys(rest: &str) -> String {
    format!("{TLS}{rest}")
}

const CASES: &[Case] = &[
    // The file as a whole.
    Case("", Plain, Plain, SAME),
    Case("just words\n", Refused(""), Refused("is not a mapping"), SAME),
    Case("tls_server_cfg:\n  cert_file: cert.pem\n", Refused(""), Refused("unknown key"), SAME),
    Case("http_server_config:\n  http3: true\n", Refused(""), Refused("unknown key"), SAME),
    // What turns TLS on, and what it then needs.
    Case("TLS", Tls, Tls, SAME),
    Case(
        "tls_server_config:\n  cert_file: ''\n  key_file: key.pem\n",
        Refused(""),
        Refused("cert_file\n      is missing"),
        SAME,
    ),
    Case(
        "tls_server_config:\n  cert: ''\n  key_file: key.pem\n",
        Refused(""),
        Refused("cert_file\n      is missing"),
        SAME,
    ),
    Case(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: ''\n",
        Refused(""),
        Refused("key_file\n      is missing"),
        SAME,
    ),
    Case(
        "tls_server_config:\n  cert_file: cert.pem\n  key: ''\n",
        Refused(""),
        Refused("key_file\n      is missing"),
        SAME,
    ),
    Case("tls_server_config:\n  cert_file: ''\n  key_file: ''\n", Plain, Plain, SAME),
    Case(
        "tls_server_config:\n  client_auth_type: NoClientCert\n",
        Refused(""),
        Refused("cert_file\n      is missing"),
        SAME,
    ),
    Case("tls_server_config:\n  client_auth_type: ''\n", Plain, Plain, SAME),
    Case(
        "tls_server_config:\n  client_ca_file: ca.pem\n",
        Refused(""),
        Refused("cert_file\n      is missing"),
        SAME,
    ),
    Case("tls_server_config:\n  min_version: TLS13\n", Plain, Plain, SAME),
    Case("tls_server_config:\n  max_version: TLS12\n", Plain, Plain, SAME),
    Case("tls_server_config:\n  prefer_server_cipher_suites: false\n", Plain, Plain, SAME),
    Case("tls_server_config:\n  curve_preferences: [X25519]\n", Plain, Plain, SAME),
    Case("tls_server_config:\n  client_allowed_sans: [a]\n", Plain, Plain, SAME),
    Case(
        "tls_server_config:\n  cert_file: no.pem\n  key_file: key.pem\n",
        Refused(""),
        Refused("no.pem: cannot be read"),
        SAME,
    ),
    Case(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: no.pem\n",
        Refused(""),
        Refused("no.pem: cannot be read"),
        SAME,
    ),
    Case(
        "tls_server_config:\n  cert_file: no.pem\n  key_file: no2.pem\n",
        Refused(""),
        Refused("no2.pem: cannot be read"),
        SAME,
    ),
    Case(
        "tls_server_config:\n  cert: x\n  cert_file: cert.pem\n  key_file: key.pem\n",
        Tls,
        Refused("is there beside cert"),
        "both `cert` and `cert_file`",
    ),
    // Clients' certificates.
    Case("TLS  client_ca_file: ca.pem\n", Refused(""), Refused("does not ask"), SAME),
    Case(
        "TLS  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: no.pem\n",
        Refused(""),
        Refused("no.pem: cannot be read"),
        SAME,
    ),
    Case(
        "TLS  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: key.pem\n",
        Refused(""),
        Refused("has no certificate"),
        SAME,
    ),
    Case("TLS  client_auth_type: Perhaps\n", Refused(""), Refused("client_auth_type"), SAME),
    Case(
        "TLS  client_auth_type: RequireAndVerifyClientCert\n",
        Tls,
        Refused("client_ca_file\n      is missing"),
        "authorities of the system",
    ),
    Case(
        "TLS  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n  client_allowed_sans: [a]\n",
        Refused(""),
        Refused("needs client_auth_type"),
        SAME,
    ),
    Case(
        "TLS  client_auth_type: RequestClientCert\n  client_allowed_sans: [a]\n",
        Refused(""),
        Refused("needs client_auth_type"),
        SAME,
    ),
    Case("TLS  client_allowed_sans: [a]\n", Refused(""), Refused("needs client_auth_type"), SAME),
    Case("TLS  client_allowed_sans: []\n", Refused(""), Tls, "An empty `client_allowed_sans`"),
    // Versions, suites, curves.
    Case("TLS  min_version: TLS99\n", Refused(""), Refused("must be TLS12 or TLS13"), SAME),
    Case("TLS  min_version: TLS10\n", Tls, Refused("is not offered"), "`TLS10` and `TLS11`"),
    Case("TLS  cipher_suites: [TLS_MADE_UP]\n", Refused(""), Refused("is no cipher suite"), SAME),
    Case(
        "TLS  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA]\n",
        Tls,
        Refused("is not offered"),
        "Suites with CBC",
    ),
    Case(
        "TLS  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n",
        Tls,
        Tls,
        SAME,
    ),
    Case(
        "TLS  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n",
        Refused(""),
        Tls,
        "the suites that HTTP/2 requires",
    ),
    Case(
        "TLS  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\nhttp_server_config:\n  http2: false\n",
        Tls,
        Tls,
        SAME,
    ),
    Case("TLS  curve_preferences: [CurveMadeUp]\n", Refused(""), Refused("is no curve"), SAME),
    Case("TLS  curve_preferences: [CurveP256, CurveP384, X25519]\n", Tls, Tls, SAME),
    Case("TLS  curve_preferences: [CurveP521]\n", Tls, Refused("is no curve of this server"), "`CurveP521`"),
    // Headers.
    Case(
        "http_server_config:\n  headers:\n    X-Content-Type-Options: sniff\n",
        Refused(""),
        Refused("must be nosniff"),
        SAME,
    ),
    Case(
        "http_server_config:\n  headers:\n    X-Frame-Options: DENY\n",
        Refused(""),
        Refused("must be deny or sameorigin"),
        SAME,
    ),
    Case("http_server_config:\n  headers:\n    Server: x\n", Refused(""), Refused("unknown key"), SAME),
    Case(
        "http_server_config:\n  headers:\n    x-frame-options: deny\n",
        Refused(""),
        Refused("unknown key"),
        SAME,
    ),
    Case("http_server_config:\n  headers:\n    X-Frame-Options: ''\n", Refused(""), Plain, "A blank header"),
    // Users.
    Case("basic_auth_users:\n  ann: plain-password\n", Refused(""), Refused("must be a bcrypt hash"), SAME),
    Case(
        "basic_auth_users:\n  ann: $2y$17$.....................................................\n",
        Plain,
        Refused("has cost 17"),
        "A cost above 16",
    ),
    Case(
        "basic_auth_users:\n  'a:b': $2y$10$.....................................................\n",
        Plain,
        Refused("has a colon"),
        "A colon in a name",
    ),
    // The rate limit.
    Case("rate_limit:\n  burst: 2\n", Plain, Plain, SAME),
    Case("rate_limit:\n  interval: 0\n", Plain, Plain, SAME),
    Case("rate_limit:\n  interval: 0s\n  burst: 0\n", Plain, Plain, SAME),
    Case("rate_limit:\n  interval: 1.5s\n  burst: 2\n", Plain, Plain, SAME),
    Case("rate_limit:\n  interval: 5000000\n  burst: 2\n", Plain, Plain, SAME),
    Case("rate_limit:\n  interval: 1\n  burst: 2\n", Plain, Plain, SAME),
    Case("rate_limit:\n  interval: 1d\n  burst: 2\n", Refused(""), Refused("must be a duration"), SAME),
    Case("rate_limit:\n  interval: 1s\n", Plain, Refused("must be 1 at least"), "`burst` of 0"),
    Case("rate_limit:\n  interval: 1s\n  burst: 0\n", Plain, Refused("must be 1 at least"), "`burst` of 0"),
    Case("rate_limit:\n  interval: 1s\n  burst: -1\n", Plain, Refused("burst"), "negative"),
    Case("rate_limit:\n  interval: -1s\n  burst: 1\n", Plain, Refused("must be a duration"), "negative"),
];

fn docs() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/web-configuration.md");
    fs::read_to_string(page).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_file_is_taken_as_the_toolkit_takes_it_or_the_docs_say_how_not() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new().equip(folder.path());
    let docs = docs();
    for Case(file, toolkit, ours, difference) in CASES {
        let text = file.strip_prefix("TLS").map_or_else(|| (*file).to_owned(), keys);
        match (load(folder.path(), &text), ours) {
            (Err(error), Refused(part)) => assert!(error.contains(part), "{file}: {error}"),
            (Ok(web), Plain) => assert!(web.options.tls.is_none(), "{file}"),
            (Ok(web), Tls) => assert!(web.options.tls.is_some(), "{file}"),
            (got, _) => panic!("{file}: {:?}, wanted {ours:?}", got.map(|web| web.warnings)),
        }
        let is_same = match (toolkit, ours) {
            (Refused(_), Refused(_)) => true,
            (one, other) => one == other,
        };
        assert_eq!(is_same, difference.is_empty(), "{file}");
        assert!(docs.contains(difference), "docs/web-configuration.md does not have {difference:?}");
    }
    assert!(load(folder.path(), "").is_ok());
    fs::remove_file(folder.path().join("web.yml")).unwrap();
    let missing = flowcost_exporter::config::WebConfig::load(&folder.path().join("web.yml"));
    assert!(missing.is_err(), "a file that is not there");
}

#[test]
fn what_is_allowed_and_hardly_meant_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    for (text, part) in [
        ("tls_server_config:\n  min_version: TLS13\n", "TLS is off"),
        ("tls_server_config:\n  client_allowed_sans: [a]\n", "TLS is off"),
        ("rate_limit:\n  interval: 5\n  burst: 1\n", "5 is 5 nanoseconds"),
    ] {
        let warnings = load(folder.path(), text).unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.contains(part)), "{text}: {warnings:?}");
    }
    for text in
        ["rate_limit:\n  interval: 0\n", "rate_limit:\n  interval: 5s\n  burst: 1\n", "tls_server_config:\n"]
    {
        assert_eq!(load(folder.path(), text).unwrap().warnings, [""; 0], "{text}");
    }
}

/// One request over plain HTTP.
async fn plain(address: SocketAddr, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn plain_and_tls_do_not_mix() {
    let clear = Protected::start("").await;
    assert!(plain(clear.address, "").await.contains(" 200 "));
    assert!(clear.get(&clear.authority.client(), "").await.is_err(), "TLS where none is");
    let sealed = Protected::start(TLS).await;
    assert!(!plain(sealed.address, "").await.contains(" 200 "), "no TLS where it is");
    assert_eq!(sealed.get(&sealed.authority.client(), "").await.unwrap(), 200);
    let off = Protected::start("tls_server_config:\n  min_version: TLS13\n").await;
    assert!(plain(off.address, "").await.contains(" 200 "));
}

#[tokio::test]
async fn suites_and_curves_are_agreed_on_or_there_is_no_connection() {
    let suite = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    let server = Protected::start(&keys(&format!(
        "  max_version: TLS12\n  cipher_suites: [{suite}]\n  curve_preferences: [CurveP256]\n"
    )))
    .await;
    let (common, other) = (
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    );
    let client = || server.authority.client().speaking(&TLS12);
    for (suites, fits) in [(&[common][..], true), (&[other, common], true), (&[other], false)] {
        assert_eq!(server.get(&client().with_suites(suites), "").await.is_ok(), fits, "{suites:?}");
    }
    let p256: &[_] = &[kx_group::SECP256R1];
    assert_eq!(server.get(&client().with_curves(p256), "").await.unwrap(), 200);
    assert!(server.get(&client().with_curves(&[kx_group::SECP384R1]), "").await.is_err());
}

#[tokio::test]
async fn users_are_let_in_and_the_rate_is_kept_to() {
    let server = Protected::start(&format!("basic_auth_users:\n  dave: {}\n", hash("dave123"))).await;
    for (headers, status) in [
        (String::new(), "401"),
        (basic("dave:dave123"), "200"),
        (basic("dave:dave124"), "401"),
        (basic("eve:dave123"), "401"),
        // What Go compares with where there is no such user.
        (basic("fakeuser:fakepassword"), "401"),
    ] {
        let answer = plain(server.address, &headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {answer}");
    }
    for (limit, refused) in [
        ("interval: 1h\n  burst: 3", 2),
        ("interval: 3600000000000\n  burst: 3", 2),
        ("interval: 0\n  burst: 3", 0),
        ("burst: 3", 0),
    ] {
        let server = Protected::start(&format!("rate_limit:\n  {limit}\n")).await;
        let mut answers = 0;
        for _ in 0..5 {
            answers += usize::from(plain(server.address, "").await.starts_with("HTTP/1.1 429 "));
        }
        assert_eq!(answers, refused, "{limit}");
    }
}

fn named(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

fn as_authority(mut params: CertificateParams) -> CertificateParams {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// As `openssl req -x509` makes them, as older ones made them, and as they may not be: who gets in by Go's rules.
#[tokio::test]
async fn clients_get_in_with_the_certificates_that_go_lets_in() {
    let clients = Authority::new();
    let strangers = Authority::new();
    let mut other_name = as_authority(named(&[]));
    other_name.distinguished_name.push(rcgen::DnType::CommonName, "others");
    let others = Authority::of(other_name);
    let pinned = Identity::self_signed(&as_authority(named(&["pinned.example"])));
    let leaf = Identity::self_signed(&named(&["leaf.example"]));
    let old = Identity::self_signed(&named(&[])).old();
    let mut for_servers = as_authority(named(&["x"]));
    for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_only = Identity::self_signed(&for_servers);
    let mut past = as_authority(named(&["x"]));
    past.not_before = rcgen::date_time_ymd(2001, 1, 1);
    past.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let expired = Identity::self_signed(&past);
    let mut no_signer = as_authority(named(&[]));
    no_signer.distinguished_name.push(rcgen::DnType::CommonName, "signs nothing");
    no_signer.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let no_signer = Authority::of(no_signer);
    let mut no_authority = named(&[]);
    no_authority.distinguished_name.push(rcgen::DnType::CommonName, "no authority");
    let no_authority = Authority::of(no_authority);
    let ca: String =
        [&pinned.cert, &leaf.cert, &old.cert, &server_only.cert, &expired.cert].map(String::as_str).concat()
            + &[&clients, &no_signer, &no_authority].map(Authority::pem).concat();
    let recorder = Recorder::new();
    let start = async |rest: &str| {
        let files = [("clients.pem", ca.as_str())];
        let text = keys(&format!("  client_ca_file: clients.pem\n{rest}"));
        Protected::start_beside(&text, &files, recorder.observer(), Bounds::default(), None).await
    };
    let params = named(&["x.example"]);
    let both = as_authority(named(&["x.example"]));
    type Make<'a> = Box<dyn Fn() -> Identity + 'a>;
    let make: Vec<(&str, bool, Make<'_>)> = vec![
        ("issued", true, Box::new(|| clients.issue(&params))),
        ("issued, an authority itself", true, Box::new(|| clients.issue(&both))),
        ("issued, of version 1", true, Box::new(|| clients.issue_old(&params))),
        ("the client CA itself", true, Box::new(|| clients.itself())),
        ("by strangers of the same name", false, Box::new(|| strangers.issue(&params))),
        ("by strangers, an authority itself", false, Box::new(|| strangers.issue(&both))),
        ("by strangers, of version 1", false, Box::new(|| strangers.issue_old(&params))),
        ("by others, an authority itself", false, Box::new(|| others.issue(&both))),
        ("by others, of version 1", false, Box::new(|| others.issue_old(&params))),
        ("the strangers themselves", false, Box::new(|| strangers.itself())),
        ("self-signed, an authority", false, Box::new(|| Identity::self_signed(&both))),
        ("self-signed, of version 1", false, Box::new(|| Identity::self_signed(&params).old())),
        ("for servers only", false, Box::new(|| clients.issue(&for_servers))),
        ("expired", false, Box::new(|| clients.issue(&past))),
        ("expired, of version 1", false, Box::new(|| clients.issue_old(&past))),
        ("by one that may not sign", false, Box::new(|| no_signer.issue_old(&params))),
        ("by one that is no authority", false, Box::new(|| no_authority.issue(&both))),
    ];
    let held: Vec<(&str, bool, &Identity)> = vec![
        ("pinned, an authority", true, &pinned),
        ("pinned, a leaf", true, &leaf),
        ("pinned, of version 1", true, &old),
        ("pinned, for servers only", false, &server_only),
        ("pinned, expired", false, &expired),
    ];
    for auth in ["RequireAndVerifyClientCert", "VerifyClientCertIfGiven"] {
        let server = start(&format!("  client_auth_type: {auth}\n")).await;
        for version in [&TLS12, &TLS13] {
            let client = || server.authority.client().speaking(version);
            let enters = async |identity: Identity| {
                matches!(server.get(&client().showing(identity), "").await, Ok(200))
            };
            for (what, expected, make) in &make {
                assert_eq!(enters(make()).await, *expected, "{what}, {version:?}");
                // Whose it is has to be shown as well.
                let thief = make().with_key_of(&clients.issue(&params));
                assert!(!enters(thief).await, "{what} with another key, {version:?}");
            }
            for (what, expected, identity) in &held {
                assert_eq!(enters((*identity).clone()).await, *expected, "{what}, {version:?}");
                let thief = (*identity).clone().with_key_of(&clients.issue(&params));
                assert!(!enters(thief).await, "{what} with another key, {version:?}");
            }
        }
    }
    // Any issuer will do, also with the forms that rustls does not read; and names are looked at in all of them.
    let files = Protected::start(&keys("  client_auth_type: RequireAnyClientCert\n")).await;
    for version in [&TLS12, &TLS13] {
        let stranger = strangers.issue_old(&params);
        let client = files.authority.client().speaking(version).showing(stranger);
        assert_eq!(files.get(&client, "").await.unwrap(), 200);
        let thief = strangers.issue_old(&params).with_key_of(&clients.issue(&params));
        let client = files.authority.client().speaking(version).showing(thief);
        assert!(files.get(&client, "").await.is_err());
    }
    let server = start(
        "  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [pinned.example, x.example]\n",
    )
    .await;
    let named_only = async |identity: Identity| {
        matches!(server.get(&server.authority.client().showing(identity), "").await, Ok(200))
    };
    assert!(named_only(pinned.clone()).await);
    assert!(named_only(clients.issue(&both)).await);
    assert!(!named_only(leaf.clone()).await);
    assert!(!named_only(clients.issue_old(&params)).await, "version 1 has no names");

    let reasons: Vec<String> = recorder
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::HandshakeFailed { peer, error } => {
                assert!(peer.ip().is_loopback());
                Some(error)
            }
            _ => None,
        })
        .collect();
    for part in [
        "is not issued by the client CA itself",
        "is not signed by the key of the client CA",
        "has expired",
        "extendedKeyUsage lacks clientAuth",
        "is not an authority",
        "none of client_allowed_sans",
    ] {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "{part:?} in {reasons:#?}");
    }
}

#[tokio::test]
async fn handshakes_that_fail_leave_their_reason() {
    let recorder = Recorder::new();
    let require = keys("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n");
    let bounds = Bounds { handshake_timeout: std::time::Duration::from_millis(50), ..Bounds::default() };
    let server = Protected::start_beside(&require, &[], recorder.observer(), bounds, None).await;
    assert!(server.get(&server.authority.client(), "").await.is_err());
    assert!(!plain(server.address, "").await.contains(" 200 "));
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0, "it is cut");
    let reasons: Vec<String> = recorder
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::HandshakeFailed { error, .. } => Some(error),
            _ => None,
        })
        .collect();
    for part in ["peer sent no certificates", "corrupt message", "not finished within 0.05 s"] {
        let found = reasons.iter().any(|reason| reason.contains(part));
        assert!(found, "{part:?} in {reasons:?}");
    }
}

#[test]
fn a_server_certificate_of_version_1_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let old = Identity::self_signed(&named(&["localhost"])).old();
    fs::write(folder.path().join("cert.pem"), &old.cert).unwrap();
    fs::write(folder.path().join("key.pem"), &old.key).unwrap();
    let error = load(folder.path(), TLS).unwrap_err();
    assert!(error.contains("cert_file\n      is a certificate of version 1"), "{error}");
    assert!(docs().contains("of version 1"));
}
