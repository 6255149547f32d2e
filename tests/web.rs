//! TLS, clients' certificates, passwords and headers over real sockets, from web configuration files to answers.

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flowcost_exporter::{
    config::WebConfig,
    event::Observer,
    expose::{
        Bounds, Drained, Exposition, Lifecycle, Site, serve,
        web::{Tls, WebHandle, WebOptions},
    },
    healthcheck,
    model::Clock,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_util::sync::CancellationToken;

use crate::{
    exposition::{NOW, settings, snapshot},
    support::tls::{Authority, Client, Identity},
};

pub(crate) const TLS: &str = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n";

/// A folder with certificates, and a server with a configuration that lies in it.
pub(crate) struct Protected {
    folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) address: SocketAddr,
    web: WebHandle,
    stop: CancellationToken,
    ended: JoinHandle<Drained>,
}

impl Protected {
    pub(crate) async fn start(text: &str) -> Self {
        Self::start_with(text, Bounds::default(), None).await
    }

    async fn start_with(text: &str, bounds: Bounds, lifecycle: Lifecycle) -> Self {
        Self::start_beside(text, &[], Arc::new(|_| {}), bounds, lifecycle).await
    }

    /// With more files beside the configuration, and an observer.
    pub(crate) async fn start_beside(
        text: &str,
        files: &[(&str, &str)],
        observer: Observer,
        bounds: Bounds,
        lifecycle: Lifecycle,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.equip(folder.path());
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let web = WebHandle::new(load(folder.path(), text).unwrap().options).observed_by(observer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let exposition = Arc::new(Exposition::new(settings()));
        exposition.publish(Arc::new(snapshot()));
        let stop = CancellationToken::new();
        let site = Site { exposition, clock: Clock::fixed(NOW), web: web.clone(), lifecycle };
        let ended = tokio::spawn(serve(vec![listener], site, bounds, stop.clone().cancelled_owned()));
        Self { folder, authority, address, web, stop, ended }
    }

    pub(crate) async fn get(&self, client: &Client, headers: &str) -> std::io::Result<u16> {
        client.get(self.address, "/metrics", headers).await.map(|(status, _)| status)
    }
}

pub(crate) fn load(folder: &Path, text: &str) -> Result<WebConfig, String> {
    fs::write(folder.join("web.yml"), text).unwrap();
    WebConfig::load(&folder.join("web.yml")).map_err(|error| error.to_string())
}

pub(crate) fn hash(password: &str) -> String {
    bcrypt::hash_with_salt(password, 4, [3; 16]).unwrap().format_for_version(bcrypt::Version::TwoY)
}

pub(crate) fn basic(text: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(text))
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_and_http_is_what_is_offered() {
    let server = Protected::start(TLS).await;
    for version in [&TLS12, &TLS13] {
        let client = server.authority.client().speaking(version);
        let stream = client.connect(server.address).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(server.get(&client, "").await.unwrap(), 200);
    }
    let stranger = Authority::new().client();
    assert!(server.get(&stranger, "").await.is_err(), "the certificate is of another authority");
}

#[tokio::test]
async fn versions_suites_and_curves_are_kept_to() {
    let only13 = Protected::start(&format!("{TLS}  min_version: TLS13\n")).await;
    assert!(only13.get(&only13.authority.client().speaking(&TLS12), "").await.is_err());
    assert_eq!(only13.get(&only13.authority.client(), "").await.unwrap(), 200);

    let suite = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    let text =
        format!("{TLS}  max_version: TLS12\n  cipher_suites: [{suite}]\n  curve_preferences: [CurveP384]\n");
    let only12 = Protected::start(&text).await;
    assert!(only12.get(&only12.authority.client().speaking(&TLS13), "").await.is_err());
    let stream = only12.authority.client().connect(only12.address).await.unwrap();
    let session = stream.get_ref().1;
    assert_eq!(format!("{:?}", session.negotiated_cipher_suite().unwrap().suite()), suite);
    assert_eq!(format!("{:?}", session.negotiated_key_exchange_group().unwrap().name()), "secp384r1");
}

#[tokio::test]
async fn clients_show_the_certificates_that_are_asked_for() {
    let strangers = Authority::new();
    // Nothing shown, one of another authority, one of the right authority.
    for (word, ca, expected) in [
        ("NoClientCert", false, [true, true, true]),
        ("RequestClientCert", false, [true, true, true]),
        ("RequireAnyClientCert", false, [false, true, true]),
        ("RequireClientCert", true, [false, true, true]),
        ("VerifyClientCertIfGiven", true, [true, false, true]),
        ("RequireAndVerifyClientCert", true, [false, false, true]),
    ] {
        let ca = if ca { "  client_ca_file: ca.pem\n" } else { "" };
        let server = Protected::start(&format!("{TLS}  client_auth_type: {word}\n{ca}")).await;
        for version in [&TLS12, &TLS13] {
            let client = || server.authority.client().speaking(version);
            let clients = [
                client(),
                client().showing(Authority::certify(&strangers, &["x"])),
                client().showing(server.authority.certify(&["x"])),
            ];
            for (client, expected) in clients.iter().zip(expected) {
                let got = server.get(client, "").await;
                assert_eq!(matches!(got, Ok(200)), expected, "{word}, {version:?}: {got:?}");
            }
        }
    }
}

#[tokio::test]
async fn only_allowed_names_get_in() {
    let auth = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n";
    let sans = "  client_allowed_sans: [prometheus.example, 10.1.2.3]\n";
    let server = Protected::start(&format!("{TLS}{auth}{sans}")).await;
    let tried = async |identity: Identity| {
        matches!(server.get(&server.authority.client().showing(identity), "").await, Ok(200))
    };
    assert!(tried(server.authority.certify(&["other.example", "prometheus.example"])).await);
    assert!(tried(server.authority.certify(&["10.1.2.3"])).await);
    for names in [&["other.example"][..], &["*.example"], &["Prometheus.example"], &["10.1.2.30"], &[]] {
        assert!(!tried(server.authority.certify(names)).await, "{names:?}");
    }
    assert!(!tried(Authority::new().certify(&["prometheus.example"])).await, "of another authority");
}

#[tokio::test]
async fn a_password_is_asked_for_on_every_path() {
    let server = Protected::start(&format!("basic_auth_users:\n  ann: {}\n", hash("s3cret"))).await;
    let ask = async |path: &str, headers: &str| {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    for path in ["/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/nothing"] {
        let refused = ask(path, "").await;
        assert!(refused.starts_with("HTTP/1.1 401 "), "{path}: {refused}");
        assert!(refused.contains("www-authenticate: Basic realm="), "{path}: {refused}");
        assert!(!refused.contains("flowcost_"), "{path}");
    }
    assert!(ask("/metrics", &basic("ann:wrong")).await.starts_with("HTTP/1.1 401 "));
    assert!(ask("/metrics", &basic("ann:s3cret")).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn headers_and_the_rate_limit_are_on_every_answer() {
    let text = "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: 0\n    \
                Strict-Transport-Security: max-age=31536000\n    Content-Security-Policy: ''\n\
                rate_limit:\n  interval: 1h\n  burst: 2\n";
    let server = Protected::start(&format!("{TLS}{text}")).await;
    let client = server.authority.client();
    for (path, status) in [("/nothing", 404), ("/", 200), ("/metrics", 429)] {
        let (got, answer) = client.get(server.address, path, "").await.unwrap();
        assert_eq!(got, status, "{answer}");
        for header in
            ["x-frame-options: deny", "x-xss-protection: 0", "strict-transport-security: max-age=31536000"]
        {
            assert!(answer.contains(&format!("\r\n{header}\r\n")), "{header} in {answer}");
        }
    }
}

#[tokio::test]
async fn handshakes_that_do_not_end_are_cut_and_count_as_connections() {
    let bounds = Bounds {
        connections: 8,
        patience: Duration::from_millis(50),
        handshake_timeout: Duration::from_secs(3600),
        ..Bounds::default()
    };
    let server = Protected::start_with(TLS, bounds, None).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // The beginning of a record.
        stream.write_all(&[0x16, 3, 1, 2, 0]).await.unwrap();
        silent.push(stream);
    }
    assert_eq!(server.get(&server.authority.client(), "").await.unwrap(), 200);

    let bounds = Bounds { handshake_timeout: Duration::from_millis(100), ..Bounds::default() };
    let server = Protected::start_with(TLS, bounds, None).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let read = timeout(Duration::from_secs(30), silent.read(&mut [0])).await.expect("it is cut");
    assert_eq!(read.unwrap_or(0), 0);
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("flowcost_"), "plain text is no way in");
    server.stop.cancel();
    assert_eq!(server.ended.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn another_configuration_holds_from_the_next_connection_on() {
    let server = Protected::start(&format!("{TLS}basic_auth_users:\n  ann: {}\n", hash("old"))).await;
    let client = server.authority.client();
    assert_eq!(server.get(&client, &basic("ann:old")).await.unwrap(), 200);
    let text = format!("{TLS}basic_auth_users:\n  ann: {}\n", hash("new"));
    server.web.replace(load(server.folder.path(), &text).unwrap().options);
    assert_eq!(server.get(&client, &basic("ann:old")).await.unwrap(), 401);
    assert_eq!(server.get(&client, &basic("ann:new")).await.unwrap(), 200);

    // Certificates of another authority, for this configuration; then for one that is no longer in force.
    let before = server.web.current();
    let other = Authority::new();
    other.equip(server.folder.path());
    let renewed = Tls::load(&before.tls.as_ref().unwrap().options).unwrap();
    assert!(server.web.replace_tls(&before, renewed.clone()));
    assert!(server.get(&client, &basic("ann:new")).await.is_err());
    assert_eq!(server.get(&other.client(), &basic("ann:new")).await.unwrap(), 200);
    assert!(!server.web.replace_tls(&before, renewed));
}

#[tokio::test]
async fn the_health_check_asks_servers_of_every_kind() {
    let require = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n";
    let users = format!("basic_auth_users:\n  ann: {}\n", hash("s3cret"));
    let old = format!("{TLS}  max_version: TLS12\n{require}");
    for text in [TLS.to_owned(), format!("{TLS}{users}"), format!("{TLS}{require}"), old] {
        let server = Protected::start(&text).await;
        let check = async |scheme: &str| {
            let url = format!("{scheme}://{}/-/healthy", server.address);
            let check = move || healthcheck::check(&url, Duration::from_secs(20));
            tokio::task::spawn_blocking(check).await.unwrap()
        };
        check("https").await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert!(check("http").await.is_err(), "{text}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_no_secret_with_it() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new().equip(folder.path());
    fs::write(folder.path().join("junk.pem"), "hunter2").unwrap();
    let text = "tls_server_config:\n  cert_file: junk.pem\n  key: hunter2\n  key_file: key.pem\n  \
                client_auth_type: Sometimes\n  client_ca_file: no-such.pem\n  client_allowed_sans: [a]\n  \
                min_version: TLS10\n  max_version: SSL3\n  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA, TLS_NULL]\n  \
                curve_preferences: [CurveP521]\n  prefer_server_cipher_suites: perhaps\n  crt_file: x\n\
                http_server_config:\n  http2: 3\n  headers:\n    X-Frame-Options: allow\n    Server: x\n\
                basic_auth_users:\n  ann: hunter2\n  bob: [hunter2]\n  a:b: hunter2\n\
                rate_limit:\n  interval: often\n  burst: -1\nbasic_auth_user: {}\n";
    let error = load(folder.path(), text).unwrap_err();
    for part in [
        "tls_server_config.cert_file",
        "tls_server_config.key_file\n      is there beside key",
        "client_auth_type = \"Sometimes\"",
        "no-such.pem: cannot be read",
        "client_allowed_sans = \"a\"",
        "min_version = \"TLS10\"\n      is not offered",
        "max_version = \"SSL3\"",
        "TLS_RSA_WITH_AES_128_CBC_SHA\"\n      is not offered: it is not safe",
        "TLS_NULL\"\n      is no cipher suite",
        "CurveP521\"\n      is no curve",
        "prefer_server_cipher_suites = \"perhaps\"",
        "crt_file = \"x\"\n      unknown key; did you mean cert_file?",
        "http2 = 3",
        "X-Frame-Options = \"allow\"\n      must be deny or sameorigin",
        "Server = \"x\"\n      unknown key",
        "basic_auth_users.ann = (not shown)\n      must be a bcrypt hash",
        "basic_auth_users.bob = (not shown)",
        "basic_auth_users.a:b = (not shown)\n      has a colon",
        "interval = \"often\"",
        "burst = -1",
        "basic_auth_user\n      unknown key; did you mean basic_auth_users?",
    ] {
        assert!(error.contains(part), "{part:?} in {error}");
    }
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn files_that_are_no_certificates_and_keys_are_told_by_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.equip(folder.path());
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("other.pem", &authority.certify(&["x"]).key);
    write("empty.pem", "");
    let case = |cert: &str, key: &str, rest: &str| {
        load(folder.path(), &format!("tls_server_config:\n  cert_file: {cert}\n  key_file: {key}\n{rest}"))
            .unwrap_err()
    };
    assert!(case("cert.pem", "other.pem", "").contains("key_file\n      is not the key of the certificate"));
    assert!(case("key.pem", "cert.pem", "").contains("cert_file\n      has no certificate in PEM"));
    assert!(case("key.pem", "cert.pem", "").contains("key_file\n      has no private key in PEM"));
    let verify = "  client_auth_type: RequireAndVerifyClientCert\n";
    assert!(case("cert.pem", "key.pem", verify).contains("client_ca_file\n      is missing"));
    let empty = format!("{verify}  client_ca_file: empty.pem\n");
    assert!(case("cert.pem", "key.pem", &empty).contains("client_ca_file\n      has no certificate in PEM"));
    assert!(
        case("cert.pem", "key.pem", "  client_ca_file: ca.pem\n")
            .contains("client_auth_type\n      does not ask")
    );
    assert!(
        case("cert.pem", "key.pem", "  min_version: TLS13\n  max_version: TLS12\n")
            .contains("no version is left")
    );
    let suites = "  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n";
    assert!(case("cert.pem", "key.pem", suites).contains("cipher_suites"));
    for (text, part) in [
        (
            "tls_server_config:\n  client_auth_type: NoClientCert\n",
            "cert_file\n      is missing: TLS needs cert or",
        ),
        ("tls_server_config:\n  cert_file: cert.pem\n", "key_file\n      is missing"),
        ("tls_server_config: yes\n", "tls_server_config\n      must be a mapping"),
        ("- a\n", "is not a mapping"),
        ("a: [\n", "is not valid YAML"),
        ("basic_auth_users:\n  ann: hunter2\n  ann: hunter2\n", "is not valid YAML"),
        ("basic_auth_users:\n  ann: \"hunter2\n", "is not valid YAML"),
        ("basic_auth_users:\n  ann: !!int hunter2\n", "1 problem"),
        ("a: &a [x, x]\nb: &b [*a, *a, *a]\nc: !x [*b, *b]\n", "problem"),
    ] {
        let error = load(folder.path(), text).unwrap_err();
        assert!(error.contains(part) && !error.contains("hunter2"), "{text}: {error}");
    }
}

#[test]
fn the_commented_file_can_be_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.equip(folder.path());
    for (name, made) in [("tls.crt", "cert.pem"), ("tls.key", "key.pem"), ("clients.crt", "ca.pem")] {
        fs::rename(folder.path().join(made), folder.path().join(name)).unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/web.yml");
    let text = fs::read_to_string(file).unwrap();
    assert!(load(folder.path(), &text).unwrap().options.tls.is_none());
    let uncommented: Vec<&str> =
        text.lines().skip(2).map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
    let text = uncommented.join("\n").replace("NoClientCert", "RequireAndVerifyClientCert");
    let web = load(folder.path(), &text).unwrap();
    let WebOptions { tls, headers, users, rate_limit } = web.options;
    assert!(tls.is_some() && rate_limit.is_some());
    assert_eq!((headers.len(), users.len()), (5, 1));
}

#[test]
fn what_says_nothing_changes_nothing_and_inline_certificates_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for text in [
        "",
        "# nothing\n",
        "---\n",
        "tls_server_config:\nbasic_auth_users:\nhttp_server_config:\n  headers:\n",
    ] {
        let web = load(folder.path(), text).unwrap();
        let options = &web.options;
        assert!(options.tls.is_none() && options.users.is_empty() && options.headers.is_empty(), "{text:?}");
        assert!(web.warnings.is_empty());
    }
    let identity = Authority::new().certify(&["x"]);
    let indented = |pem: &str| pem.trim().replace('\n', "\n    ");
    let (cert, key) = (indented(&identity.cert), indented(&identity.key));
    let text = format!("tls_server_config:\n  cert: |\n    {cert}\n  key: |\n    {key}\n");
    let web = load(folder.path(), &text).unwrap();
    assert!(web.options.tls.is_some());
    let shown = format!("{web:?} {:?}", WebHandle::new(web.options.clone()));
    let secret = identity.key.lines().nth(1).unwrap();
    assert!(!shown.contains(secret) && !shown.contains("PRIVATE"), "{shown}");
    let users = load(folder.path(), &format!("basic_auth_users:\n  ann: {}\n", hash("x"))).unwrap();
    assert!(!format!("{users:?}").contains("$2"), "{users:?}");
    assert!(users.warnings[0].contains("in the clear"));
}
