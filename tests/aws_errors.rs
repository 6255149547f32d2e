//! What is said when AWS, a store or a proxy cannot be asked or refuses: one sentence that names the host and the
//! remedy.

use flowcost_exporter::store::{ListRequest, ObjectStore as _, chain};

use crate::{
    aws_environment::Place,
    support::{network::Proxy, s3::Fault},
};

/// The line that says why the source cannot be listed.
fn line(said: &str) -> &str {
    said.lines().find(|line| line.contains("cannot be listed: ")).unwrap_or_else(|| panic!("{said}")).trim()
}

#[tokio::test]
async fn an_answer_names_the_host_that_gave_it() {
    let place = Place::new("").await;
    place.configure(&format!("endpoint = \"{}\"", place.server.url()));
    place.server.set_fault(|_| Some(Fault::AccessDenied));
    let (said, host) = (place.check(&[]), place.server.address());
    let start = format!(
        "cannot be listed: list s3://logs/AWSLogs/: denied: {host}: HTTP 403 AccessDenied: As asked for"
    );
    assert!(line(&said).starts_with(&start), "{said}");
    place.server.set_fault(|_| Some(Fault::Answer(200, "<html>hello".to_owned())));
    let said = place.check(&[]);
    assert!(line(&said).contains(&host.to_string()), "{said}");
}

#[tokio::test]
async fn a_bucket_in_another_region_is_named_with_the_key_to_set() {
    let place = Place::new("").await;
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong</Message>\
                     <Region>eu-west-1</Region></Error>";
    place.configure(&format!("endpoint = \"{}\"", place.server.url()));
    for fault in [Fault::Moved("eu-west-1"), Fault::Answer(400, malformed.to_owned())] {
        place.server.set_fault(move |_| Some(fault.clone()));
        let said = place.check(&[]);
        let wanted = "the bucket is in eu-west-1 and was asked for in eu-central-1: set bucket_region = \"eu-west-1\" in \
                      this source";
        assert!(line(&said).contains(wanted), "{said}");
    }
}

#[tokio::test]
async fn no_network_is_one_sentence_with_host_and_remedy() {
    let place = Place::new("endpoint = \"https://127.0.0.1:1\"").await;
    let said = place.check(&[]);
    let wanted = "cannot be listed: list s3://logs/AWSLogs/: network: cannot connect to 127.0.0.1:1: Connection refused (os error \
                  111); look at region, endpoint and the network (DNS, routes, VPC endpoints), or set HTTPS_PROXY \
                  where a proxy is the way out";
    assert_eq!(line(&said), wanted);
    let host = format!("{}.invalid", "x".repeat(64));
    place.configure(&format!("endpoint = \"http://{host}\""));
    let said = place.check(&[]);
    assert!(line(&said).starts_with(&format!(
        "cannot be listed: list s3://logs/AWSLogs/: network: cannot resolve {host}: "
    )));
    assert!(line(&said).ends_with("or set HTTPS_PROXY where a proxy is the way out"), "{said}");
    assert!(!said.contains("dispatch failure") && !said.contains("client error"), "{said}");
}

#[tokio::test]
async fn a_proxy_that_is_away_or_refuses_is_named() {
    let place = Place::new("").await;
    let said = place.check(&[("HTTPS_PROXY", "http://127.0.0.1:1")]);
    let wanted = "cannot connect to the proxy http://127.0.0.1:1 (HTTPS_PROXY) on the way to \
                  s3.eu-central-1.amazonaws.com: Connection refused (os error 111); look at HTTPS_PROXY";
    assert!(line(&said).ends_with(wanted), "{said}");
    let proxy = Proxy::start(&[]);
    let said = place.check(&[("https_proxy", &proxy.url(""))]);
    let wanted = format!(
        "the proxy {} (https_proxy) does not connect to s3.eu-central-1.amazonaws.com: have it allowed there, or name \
         the host in NO_PROXY where the way without the proxy is open",
        proxy.url("")
    );
    assert!(line(&said).ends_with(&wanted), "{said}");
    // The library knows IPv6 addresses only with their brackets, which is not how certificates have them.
    let behind = Proxy::start(&[("[fd00::1]:9000", place.server.address())]);
    place.configure("endpoint = \"https://[fd00::1]:9000\"");
    let said = place.check(&[("HTTPS_PROXY", &behind.url(""))]);
    assert!(
        line(&said).contains("[fd00::1]:9000 cannot be asked over TLS through the proxy http://127"),
        "{said}"
    );
    // Without TLS the refusal is an answer.
    place.configure("endpoint = \"http://store.corp.invalid:9000\"");
    let said = place.check(&[("HTTP_PROXY", &proxy.url(""))]);
    let wanted =
        format!("store.corp.invalid:9000 through the proxy {} (HTTP_PROXY): HTTP 403", proxy.url(""));
    assert!(line(&said).contains(&wanted), "{said}");
}

#[tokio::test]
async fn sts_that_cannot_be_reached_is_named_with_its_proxy() {
    let place = Place::new("").await;
    std::fs::write(place.path().join("token"), "token").unwrap();
    let token = place.path().join("token").display().to_string();
    let said = place.check(&[
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
        ("AWS_ROLE_ARN", "arn:aws:iam::111111111111:role/r"),
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
    ]);
    let wanted = "denied: AWS credentials cannot be loaded: cannot connect to the proxy http://127.0.0.1:1 (HTTPS_PROXY) on \
                  the way to sts.eu-central-1.amazonaws.com: Connection refused (os error 111); look at HTTPS_PROXY";
    assert!(line(&said).ends_with(wanted), "{said}");
}

#[tokio::test]
async fn an_endpoint_of_the_environment_that_is_no_url_is_not_taken_for_missing_credentials() {
    let place = Place::new("").await;
    for (name, typed) in [("AWS_ENDPOINT_URL_S3", ""), ("AWS_ENDPOINT_URL", "not a url")] {
        let said = place.check(&[(name, typed)]);
        let wanted = "look at AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL and endpoint_url of the AWS profile";
        assert!(line(&said).ends_with(wanted) && !said.contains("credentials"), "{said}");
    }
}

#[tokio::test]
async fn a_deadline_names_the_host_that_was_waited_for() {
    let place = Place::new("").await;
    place.server.create_bucket("logs");
    let recorder = crate::support::events::Recorder::new();
    let mut options = place.server.options("logs", recorder.observer());
    options.patience.list = std::time::Duration::from_millis(200);
    place.server.set_fault(|_| Some(Fault::Hang));
    let store = crate::support::s3::connect(options, crate::support::s3::SECRET_KEY).await;
    let request = ListRequest { prefix: "", start_after: None, delimited: false, page: None };
    let said = chain(&store.list(request).await.unwrap_err());
    let host = place.server.address();
    assert_eq!(said, format!("list s3://logs/: timeout: {host}: not done within 200ms"));
}
