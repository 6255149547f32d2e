//! The environment of AWS tools, as docs/aws.md says: the program itself in networks where nothing but the right way
//! leads to the store. Most names here are known to the proxy alone.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use flowcost_exporter::{
    decode::encode::{Column, EncodeOptions, parquet},
    demo::Cluster,
    model::Timestamp,
    store::Operation,
};
use tempfile::TempDir;

use crate::support::{
    exporter::{Exporter, S3_KEYS},
    network::{Answers, Proxy, TlsFront},
    now,
    s3::{ACCESS_KEY, S3Server, SECRET_KEY},
    tls::Authority,
};

/// A host that no name server knows.
const STORE: &str = "store.corp.invalid:9000";

/// A host that is too long for a name, so that no name server is asked.
fn nameless() -> String {
    format!("{}.invalid", "x".repeat(64))
}

/// A store with a flow log, and a folder with a configuration that names it.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) server: S3Server,
    authority: Authority,
    tls: TlsFront,
}

impl Place {
    /// Its source has these lines besides name, url and region.
    pub(crate) async fn new(source: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (server, authority) = (S3Server::start().await, Authority::new());
        let names = [
            "127.0.0.1",
            "localhost",
            "store.corp.invalid",
            "*.eu-central-1.amazonaws.com",
            "*.eu-west-3.amazonaws.com",
            "*.eu-north-1.amazonaws.com",
        ];
        let tls = TlsFront::start(&authority.certify(&names), server.address());
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        std::fs::write(dir.path().join("other-ca.pem"), Authority::new().pem()).unwrap();
        std::fs::create_dir(dir.path().join(".aws")).unwrap();
        let utc = now().to_utc().unwrap();
        let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
        let folder = format!("AWSLogs/111111111111/vpcflowlogs/eu-central-1/{year}/{month:02}/{day:02}");
        let records = Cluster::new(7).records(Timestamp(now().0 - 300), 300, 20);
        let columns = [Column::SrcAddr, Column::DstAddr, Column::Bytes];
        let content = parquet(&records, &EncodeOptions { columns: &columns, ..EncodeOptions::default() });
        let name =
            "111111111111_vpcflowlogs_eu-central-1_fl-0c85eb0f571261fac_20260310T0000Z_abcd.log.parquet";
        server.put("logs", &format!("{folder}/{name}"), content.unwrap());
        let place = Self { dir, server, authority, tls };
        place.configure(source);
        place
    }

    pub(crate) fn configure(&self, source: &str) {
        let config = format!(
            "[state]\npath = \"{}/flowcost.db\"\n[[source]]\nname = \"ops\"\nurl = \"s3://logs/\"\n\
             region = \"eu-central-1\"\npath_style = true\n{source}\n",
            self.path().display()
        );
        std::fs::write(self.config(), config).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn config(&self) -> std::path::PathBuf {
        self.path().join("flowcost.toml")
    }

    fn file(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    fn profile(&self, text: &str) {
        std::fs::write(self.path().join(".aws/config"), text).unwrap();
    }

    /// The program with these variables and no others.
    fn command(&self, vars: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowcost-exporter"));
        command.env_clear().env("HOME", self.path());
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(vars.iter().copied());
        command
    }

    /// `check --reach` with these variables and keys: what it says, errors included.
    pub(crate) fn check(&self, vars: &[(&str, &str)]) -> String {
        let vars: Vec<_> = S3_KEYS.iter().chain(vars).copied().collect();
        said(&self.check_as(&vars))
    }

    fn check_as(&self, vars: &[(&str, &str)]) -> Output {
        let mut command = self.command(vars);
        command.args(["check", "--reach", "--config.file"]).arg(self.config());
        command.output().unwrap()
    }

    /// Checks, and the store must have been read.
    fn reads(&self, vars: &[(&str, &str)]) {
        let before = self.server.requests(Operation::Get);
        let said = self.check(vars);
        assert!(said.contains("vpcflowlogs/eu-central-1"), "{vars:?}: {said}");
        assert!(self.server.requests(Operation::Get) > before, "{vars:?}: {said}");
    }

    /// Checks, and the store must not have been asked.
    fn fails(&self, vars: &[(&str, &str)]) -> String {
        let before = self.server.log().len();
        let said = self.check(vars);
        assert_eq!(self.server.log().len(), before, "{vars:?}: {said}");
        said
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn https_goes_through_its_proxy_which_knows_the_names() {
    let place = Place::new(&format!("endpoint = \"https://{STORE}\"")).await;
    let ca = place.file("ca.pem");
    for name in ["HTTPS_PROXY", "https_proxy"] {
        let proxy = Proxy::start(&[(STORE, place.tls.address())]);
        place.reads(&[(name, &proxy.url("")), ("AWS_CA_BUNDLE", &ca)]);
        let asked = proxy.asked();
        assert!(!asked.is_empty() && asked.iter().all(|one| *one == format!("CONNECT {STORE}")), "{asked:?}");
    }
}

#[tokio::test]
async fn http_goes_through_its_proxy() {
    let place = Place::new(&format!("endpoint = \"http://{STORE}\"")).await;
    for name in ["HTTP_PROXY", "http_proxy"] {
        let proxy = Proxy::start(&[(STORE, place.server.address())]);
        place.reads(&[(name, &proxy.url("")), ("HTTPS_PROXY", "http://127.0.0.1:1")]);
        let asked = proxy.asked();
        assert!(!asked.is_empty() && asked.iter().all(|one| *one == format!("GET {STORE}")), "{asked:?}");
    }
}

#[tokio::test]
async fn a_proxy_gets_its_password_over_both() {
    for (scheme, variable) in [("http", "HTTP_PROXY"), ("https", "HTTPS_PROXY")] {
        let place = Place::new(&format!("endpoint = \"{scheme}://{STORE}\"")).await;
        let behind = if scheme == "http" { place.server.address() } else { place.tls.address() };
        let proxy = Proxy::start_with(&[(STORE, behind)], Some("me:p@ss/word"));
        let ca = ("AWS_CA_BUNDLE", &*place.file("ca.pem"));
        place.reads(&[(variable, &proxy.url("me:p%40ss%2Fword@")), ca]);
        let said = place.fails(&[(variable, &proxy.url("me:guess@")), ca]);
        assert!(said.contains("407") || said.contains("asks for a password"), "{said}");
        assert!(said.contains(&proxy.url("")) && said.contains(variable) && said.contains(STORE), "{said}");
        assert!(!said.contains("guess"), "{said}");
    }
}

#[tokio::test]
async fn a_proxy_that_speaks_tls_is_believed_by_the_same_authorities() {
    for (scheme, variable) in [("http", "HTTP_PROXY"), ("https", "HTTPS_PROXY")] {
        let place = Place::new(&format!("endpoint = \"{scheme}://{STORE}\"")).await;
        let behind = if scheme == "http" { place.server.address() } else { place.tls.address() };
        let proxy = Proxy::start_with(&[(STORE, behind)], Some("me:word"));
        let front = TlsFront::start(&place.authority.certify(&["localhost"]), proxy.address());
        let url = format!("https://me:word@localhost:{}", front.address().port());
        place.reads(&[(variable, &url), ("AWS_CA_BUNDLE", &place.file("ca.pem"))]);
        let said = place.fails(&[(variable, &url), ("AWS_CA_BUNDLE", &place.file("other-ca.pem"))]);
        assert!(
            said.contains("through the proxy https://localhost:") && said.contains("cannot be trusted"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn no_proxy_keeps_hosts_from_the_proxy() {
    let host = nameless();
    let place = Place::new(&format!("endpoint = \"http://{host}\"")).await;
    let proxy = Proxy::start(&[]);
    for (name, no) in [("NO_PROXY", "a.example, .invalid"), ("no_proxy", "*")] {
        let said = place.fails(&[("HTTP_PROXY", &proxy.url("")), (name, no)]);
        assert!(said.contains(&format!("cannot resolve {host}: ")), "{no}: {said}");
    }
    assert_eq!(proxy.asked(), [""; 0]);
    let _ = place.check(&[("HTTP_PROXY", &proxy.url("")), ("NO_PROXY", "a.example")]);
    assert!(!proxy.asked().is_empty());
}

#[tokio::test]
async fn this_machine_is_not_asked_through_a_proxy() {
    let place = Place::new("").await;
    place.configure(&format!("endpoint = \"{}\"", place.server.url()));
    place.reads(&[("HTTP_PROXY", "http://127.0.0.1:1"), ("HTTPS_PROXY", "http://127.0.0.1:1")]);
}

#[tokio::test]
async fn a_private_authority_is_named_by_variable_or_profile() {
    let place = Place::new("").await;
    place.configure(&format!("endpoint = \"https://localhost:{}\"", place.tls.address().port()));
    let (ca, other) = (place.file("ca.pem"), place.file("other-ca.pem"));
    place.reads(&[("AWS_CA_BUNDLE", &ca)]);
    place.reads(&[("SSL_CERT_FILE", &ca)]);
    place.reads(&[("AWS_CA_BUNDLE", ""), ("SSL_CERT_FILE", &ca)]);
    place.profile(&format!("[default]\nca_bundle = {other}\n[profile ops]\nca_bundle = {ca}\n"));
    place.reads(&[("AWS_PROFILE", "ops")]);
    // The variable is stronger than the profile, and either than SSL_CERT_FILE.
    place.reads(&[("AWS_CA_BUNDLE", &ca)]);
    let said = place.fails(&[("SSL_CERT_FILE", &ca)]);
    let host = format!("localhost:{}", place.tls.address().port());
    assert!(
        said.contains(&format!("the certificate of {host} cannot be trusted with ca_bundle of")),
        "{said}"
    );
    let said = place.fails(&[("AWS_PROFILE", "ops"), ("AWS_CA_BUNDLE", &other)]);
    assert!(said.contains(&format!("cannot be trusted with AWS_CA_BUNDLE = {other}: ")), "{said}");
    assert!(said.contains("invalid peer certificate: ") && !said.contains("dispatch failure"), "{said}");
}

#[tokio::test]
async fn the_authority_of_a_proxy_that_looks_into_tls_is_enough() {
    // Such a proxy answers CONNECT itself, with a certificate of its own authority.
    let place = Place::new("").await;
    let proxy = Proxy::start(&[("s3.eu-central-1.amazonaws.com:443", place.tls.address())]);
    place.reads(&[("HTTPS_PROXY", &proxy.url("")), ("AWS_CA_BUNDLE", &place.file("ca.pem"))]);
    assert!(!place.authority.pem().is_empty());
}

/// Answers of STS, SSO, as far as credentials are read from them.
fn credentials(path: &str) -> (u16, String) {
    let (id, secret) = (ACCESS_KEY, SECRET_KEY);
    match path {
        "/federation/credentials" => (
            200,
            format!(
                "{{\"roleCredentials\":{{\"accessKeyId\":\"{id}\",\"secretAccessKey\":\"{secret}\",\"sessionToken\":\"t\",\
                 \"expiration\":4102444800000}}}}"
            ),
        ),
        _ => (
            200,
            format!(
                "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn>arn:aws:sts::111111111111:assumed-role/r/s</Arn>\
                 <AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>{id}</AccessKeyId>\
                 <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>t</SessionToken>\
                 <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
                 </AssumeRoleWithWebIdentityResponse>"
            ),
        ),
    }
}

/// A token that STS can be asked with.
fn web_identity(place: &Place) -> [(&'static str, String); 2] {
    std::fs::write(place.path().join("token"), "token").unwrap();
    [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", place.file("token")),
        ("AWS_ROLE_ARN", "arn:aws:iam::111111111111:role/r".to_owned()),
    ]
}

/// A proxy to the store at AWS and to these hosts, all of which `answers` is.
fn all_of_aws(place: &Place, hosts: &[&str], answers: SocketAddr) -> (Proxy, TlsFront) {
    let names: Vec<&str> = hosts.iter().map(|host| host.split(':').next().unwrap()).collect();
    let front = TlsFront::start(&place.authority.certify(&names), answers);
    let mut known = vec![("s3.eu-central-1.amazonaws.com:443", place.tls.address())];
    known.extend(hosts.iter().map(|host| (*host, front.address())));
    (Proxy::start(&known), front)
}

#[tokio::test]
async fn sts_is_asked_in_the_region_of_the_environment_then_of_the_profile_through_the_proxy() {
    let place = Place::new("").await;
    place.profile("[profile ops]\nregion = eu-north-1\n");
    let answers = Answers::start(credentials);
    let sts = |region: &str| format!("sts.{region}.amazonaws.com:443");
    let hosts = [sts("eu-west-3"), sts("eu-north-1"), sts("eu-central-1")];
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    for (vars, region) in [
        (&[("AWS_REGION", "eu-west-3"), ("AWS_DEFAULT_REGION", "eu-north-1")][..], "eu-west-3"),
        (&[("AWS_DEFAULT_REGION", "eu-west-3"), ("AWS_PROFILE", "ops")], "eu-west-3"),
        (&[("AWS_PROFILE", "ops"), ("AWS_REGION", "")], "eu-north-1"),
        (&[], "eu-central-1"),
    ] {
        let (proxy, _front) = all_of_aws(&place, &hosts, answers.address());
        let (url, ca, identity) = (proxy.url(""), place.file("ca.pem"), web_identity(&place));
        let mut vars = vars.to_vec();
        vars.extend([("HTTPS_PROXY", &*url), ("AWS_CA_BUNDLE", &ca)]);
        vars.extend(identity.iter().map(|(name, value)| (*name, value.as_str())));
        let said = said(&place.check_as(&vars));
        assert!(said.contains("vpcflowlogs/eu-central-1"), "{vars:?}: {said}");
        let mut asked = proxy.asked();
        asked.dedup();
        let wanted =
            [format!("CONNECT {}", sts(region)), "CONNECT s3.eu-central-1.amazonaws.com:443".to_owned()];
        assert_eq!(asked, wanted, "{vars:?}");
    }
}

#[tokio::test]
async fn sso_is_asked_through_the_proxy() {
    let place = Place::new("").await;
    place.profile(
        "[profile ops]\nsso_session = corp\nsso_account_id = 111111111111\nsso_role_name = reader\n\
         [sso-session corp]\nsso_region = eu-north-1\nsso_start_url = https://corp.awsapps.com/start\n",
    );
    let cache = place.path().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    // The name is the SHA-1 of `corp`.
    std::fs::write(
        cache.join("ee0bfd2552fbd840c02cc48b6e823320543c450f.json"),
        "{\"accessToken\":\"t\",\"expiresAt\":\"2100-01-01T00:00:00Z\",\"region\":\"eu-north-1\",\
         \"startUrl\":\"https://corp.awsapps.com/start\"}",
    )
    .unwrap();
    let answers = Answers::start(credentials);
    let host = "portal.sso.eu-north-1.amazonaws.com:443";
    let (proxy, _front) = all_of_aws(&place, &[host], answers.address());
    let (url, ca) = (proxy.url(""), place.file("ca.pem"));
    let vars = [("HTTPS_PROXY", &*url), ("AWS_CA_BUNDLE", &ca), ("AWS_PROFILE", "ops")];
    let text = said(&place.check_as(&vars));
    assert!(text.contains("vpcflowlogs/eu-central-1"), "{text}");
    assert_eq!(proxy.asked().first().unwrap(), &format!("CONNECT {host}"));
    // And at an endpoint of its own.
    let (s3, sso) = (place.server.url(), format!("http://{}", answers.address()));
    let before = answers.asked().len();
    let vars = [("AWS_ENDPOINT_URL_S3", &*s3), ("AWS_ENDPOINT_URL_SSO", &sso), ("AWS_PROFILE", "ops")];
    let said = said(&place.check_as(&vars));
    assert!(said.contains("vpcflowlogs/eu-central-1") && answers.asked().len() > before, "{said}");
}

#[tokio::test]
async fn endpoints_of_the_environment_and_the_profile_are_asked() {
    let place = Place::new("").await;
    let (s3, nobody) = (place.server.url(), "http://127.0.0.1:1");
    place.reads(&[("AWS_ENDPOINT_URL", &s3)]);
    place.reads(&[("AWS_ENDPOINT_URL", nobody), ("AWS_ENDPOINT_URL_S3", &s3)]);
    place.profile(&format!(
        "[profile all]\nendpoint_url = {s3}\n[profile each]\nservices = mine\nendpoint_url = {nobody}\n\
         [services mine]\ns3 =\n  endpoint_url = {s3}\n"
    ));
    place.reads(&[("AWS_PROFILE", "all")]);
    place.reads(&[("AWS_PROFILE", "each")]);
    for profile in ["all", "each"] {
        let said = place.fails(&[("AWS_PROFILE", profile), ("AWS_ENDPOINT_URL", nobody)]);
        assert!(said.contains("cannot connect to 127.0.0.1:1: "), "{said}");
        place.reads(&[("AWS_PROFILE", profile), ("AWS_ENDPOINT_URL", nobody), ("AWS_ENDPOINT_URL_S3", &s3)]);
    }
    let proxy = Proxy::start(&[]);
    let off = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    place.fails(&[("AWS_ENDPOINT_URL_S3", &s3), off, ("HTTPS_PROXY", &proxy.url(""))]);
    assert_eq!(proxy.asked().first().unwrap(), "CONNECT s3.eu-central-1.amazonaws.com:443");
    place.configure(&format!("endpoint = \"{s3}\""));
    place.reads(&[("AWS_ENDPOINT_URL_S3", nobody), ("AWS_ENDPOINT_URL", nobody)]);
}

#[tokio::test]
async fn sts_has_an_endpoint_of_its_own() {
    let place = Place::new("").await;
    let answers = Answers::start(credentials);
    let (s3, sts) = (place.server.url(), format!("http://{}", answers.address()));
    let identity = web_identity(&place);
    let mut vars = vec![("AWS_ENDPOINT_URL_S3", &*s3), ("AWS_ENDPOINT_URL_STS", &sts)];
    vars.extend(identity.iter().map(|(name, value)| (*name, value.as_str())));
    let said = said(&place.check_as(&vars));
    assert!(said.contains("vpcflowlogs/eu-central-1"), "{said}");
    assert_eq!(answers.asked().first().unwrap(), "POST /");
}

#[tokio::test]
async fn fips_and_dual_stack_change_the_host() {
    let place = Place::new("").await;
    place.profile("[profile both]\nuse_fips_endpoint = true\nuse_dualstack_endpoint = true\n");
    for (vars, host) in [
        (&[][..], "s3.eu-central-1.amazonaws.com"),
        (&[("AWS_USE_DUALSTACK_ENDPOINT", "true")], "s3.dualstack.eu-central-1.amazonaws.com"),
        (&[("AWS_USE_FIPS_ENDPOINT", "true")], "s3-fips.eu-central-1.amazonaws.com"),
        (&[("AWS_PROFILE", "both")], "s3-fips.dualstack.eu-central-1.amazonaws.com"),
    ] {
        let proxy = Proxy::start(&[]);
        let url = proxy.url("");
        let vars: Vec<_> = vars.iter().copied().chain([("HTTPS_PROXY", &*url)]).collect();
        let said = place.fails(&vars);
        assert_eq!(proxy.asked().first().unwrap(), &format!("CONNECT {host}:443"), "{said}");
    }
}

#[tokio::test]
async fn a_switch_with_a_value_of_its_own_is_a_warning() {
    let place = Place::new("").await;
    place.configure(&format!("endpoint = \"{}\"", place.server.url()));
    let said = place.check(&[("AWS_USE_FIPS_ENDPOINT", "yes")]);
    assert!(said.contains("invalid value for FIPS setting"), "{said}");
}

#[tokio::test]
async fn a_checksum_of_parts_is_no_line_of_the_log() {
    use crate::support::s3::Fault;
    let place = Place::new("").await;
    place.configure(&format!("endpoint = \"{}\"", place.server.url()));
    place.server.set_fault(|request| (!request.key.is_empty()).then_some(Fault::ChecksumOfParts));
    let before = place.server.requests(Operation::Get);
    let said = place.check(&[]);
    assert!(place.server.requests(Operation::Get) > before && said.contains("vpcflowlogs"), "{said}");
    assert!(!said.contains("part-level") && !said.contains("WARN"), "{said}");
}

#[tokio::test]
async fn who_asks_a_requester_pays_bucket_pays() {
    use crate::support::s3::Fault;
    let place = Place::new("").await;
    place
        .server
        .set_fault(|request| (request.payer.as_deref() != Some("requester")).then_some(Fault::AccessDenied));
    let endpoint = format!("endpoint = \"{}\"", place.server.url());
    place.configure(&endpoint);
    let said = place.check(&[]);
    assert!(said.contains("AccessDenied"), "{said}");
    place.configure(&format!("{endpoint}\nrequest_payer = true"));
    place.reads(&[]);
}

#[tokio::test]
async fn a_variable_that_cannot_be_used_ends_the_program_with_2_and_its_name() {
    let place = Place::new("").await;
    let (config, none) = (place.config(), place.file("none.pem"));
    for (vars, said_so) in [
        (("HTTPS_PROXY", "socks5://user:secret@127.0.0.1:1080"), "HTTPS_PROXY is neither an http://"),
        (("AWS_CA_BUNDLE", &*none), "none.pem is to name a file of PEM certificates"),
        (("AWS_PROFILE", "opps"), "AWS_PROFILE = opps is not a profile in"),
    ] {
        for arguments in [&["check"][..], &["check", "--format", "json"], &["serve"]] {
            let mut command = place.command(&[vars]);
            command.args(arguments).arg("--config.file").arg(&config);
            if arguments == ["serve"] {
                command.args(["--web.listen-address", "127.0.0.1:0"]);
            }
            let output = command.output().unwrap();
            let said = said(&output);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
            assert!(said.contains(said_so) && !said.contains("secret"), "{arguments:?}: {said}");
        }
    }
}

#[tokio::test]
async fn refused_instance_metadata_is_one_sentence_and_no_business_of_a_proxy() {
    let place = Place::new("").await;
    place.configure(&format!("endpoint = \"{}\"", place.server.url()));
    let metadata = Answers::start(|_| (403, "no".to_owned()));
    let proxy = Proxy::start(&[]);
    let (imds, url) = (format!("http://{}", metadata.address()), proxy.url(""));
    for level in ["info", "debug"] {
        let mut command =
            place.command(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds), ("HTTP_PROXY", &url)]);
        command.env_remove("AWS_EC2_METADATA_DISABLED").args(["--log.level", level]);
        command.args(["--web.listen-address", "127.0.0.1:0", "--config.file"]).arg(place.config());
        let mut exporter = Exporter::spawn(command);
        exporter.wait_for("AWS credentials cannot be loaded");
        // What comes with it is there at once.
        while exporter.line(Duration::from_millis(200)).is_ok() {}
        let log = exporter.log();
        let of_sdk = log.lines().filter(|line| line.contains("provider failed")).count();
        assert_eq!(of_sdk > 0, level == "debug", "{log}");
        assert_eq!(log.contains("no credentials"), level == "debug", "{log}");
        let sentences = log.lines().filter(|line| line.contains("cannot be loaded")).count();
        assert_eq!(sentences, 1, "{log}");
    }
    assert_eq!(proxy.asked(), [""; 0]);
    assert!(metadata.asked().contains(&"PUT /latest/api/token".to_owned()), "{:?}", metadata.asked());
}
