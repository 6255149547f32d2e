//! What the environment and the profile say about the way to AWS: proxies, trusted authorities, region.
//!
//! The names, the precedence and the spellings are those of the AWS tools and curl; docs/aws.md lists them. Values
//! that cannot be used are errors: a proxy or an authority that is silently ignored would send requests another way.

use std::path::Path;

use aws_smithy_http_client::{
    proxy::ProxyConfig,
    tls::{TlsContext, TrustStore},
};
use aws_types::os_shim_internal::{Env, Fs};
use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use tokio_rustls::rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::http::causes;
use crate::limits;

/// Never through a proxy, whatever NO_PROXY says: this machine, and the link-local services that hand out the
/// credentials of an instance, a task or a pod. No proxy can reach what they mean here.
const DIRECT: &str = "localhost,127.0.0.0/8,::1,169.254.0.0/16,fe80::/10,fd00:ec2::/32";

/// A variable or a profile that cannot be used. One sentence, which names the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EnvironmentError(String);

impl EnvironmentError {
    fn because(said: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let chain: Vec<String> = causes(error).map(|cause| words(&cause.to_string())).collect();
        Self(format!("{said}: {}", chain.join(": ")))
    }
}

/// On one line.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// All that is read once, before the first client is built.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) proxies: Proxies,
    pub(super) trust: Trust,
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`, else the profile's.
    pub(super) region: Option<String>,
    /// The profile in use.
    pub(super) profile: String,
}

impl Environment {
    pub(super) async fn read(env: &Env, fs: &Fs) -> Result<Self, EnvironmentError> {
        // Empty is how manifests and shells write "not set"; to the SDK it would be a profile without a name.
        let default = value(env, "AWS_PROFILE").is_none().then_some("default".into());
        let profile = aws_config::profile::load(fs, env, &Default::default(), default)
            .await
            .map_err(|error| EnvironmentError::because("the AWS profile files cannot be used", &error))?;
        let selected = profile.selected_profile();
        if selected != "default" && profile.get_profile(selected).is_none() {
            return Err(EnvironmentError(format!(
                "AWS_PROFILE = {selected} is not a profile in ~/.aws/config or ~/.aws/credentials (or AWS_CONFIG_FILE, \
                 AWS_SHARED_CREDENTIALS_FILE): write it there, or unset the variable"
            )));
        }
        let of_profile = |key: &str| profile.get(key).filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self {
            proxies: Proxies::read(env)?,
            trust: Trust::read(env, fs, of_profile("ca_bundle")).await?,
            region: value(env, "AWS_REGION")
                .or_else(|| value(env, "AWS_DEFAULT_REGION"))
                .or_else(|| of_profile("region")),
            profile: selected.to_owned(),
        })
    }
}

/// A variable that is set to something.
fn value(env: &Env, name: &str) -> Option<String> {
    env.get(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The proxies, and what is asked without them.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    /// For `http://`.
    pub(super) http: Option<Proxy>,
    /// For `https://`.
    pub(super) https: Option<Proxy>,
    rules: Option<Matcher>,
}

/// One proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    /// What the HTTP client is given; has the password.
    pub(super) config: ProxyConfig,
    /// Scheme, host and port: what may be shown.
    pub(super) shown: String,
    /// The variable that names it.
    pub(super) variable: &'static str,
}

impl Proxies {
    fn read(env: &Env) -> Result<Self, EnvironmentError> {
        let proxy =
            |names| Ok(first(env, names).map(|(name, url)| Proxy::new(name, &url)).transpose()?.unzip());
        let (http, http_url) = proxy(["http_proxy", "HTTP_PROXY"])?;
        let (https, https_url) = proxy(["https_proxy", "HTTPS_PROXY"])?;
        if http.is_none() && https.is_none() {
            return Ok(Self::default());
        }
        let (_, no) = first(env, ["no_proxy", "NO_PROXY"]).unwrap_or_default();
        let rules = Matcher::builder()
            .http(http_url.unwrap_or_default())
            .https(https_url.unwrap_or_default())
            .no(exceptions(&no))
            .build();
        Ok(Self { http, https, rules: Some(rules) })
    }

    /// The proxy through which a url is asked.
    pub(super) fn to(&self, url: &Uri) -> Option<&Proxy> {
        self.rules.as_ref()?.intercept(url)?;
        if url.scheme_str() == Some("https") { self.https.as_ref() } else { self.http.as_ref() }
    }
}

impl Proxy {
    /// The proxy and its url with a scheme.
    fn new(variable: &'static str, typed: &str) -> Result<(Self, String), EnvironmentError> {
        // The value may have a password: it is not shown.
        let wrong = |why: &str| {
            EnvironmentError(format!(
                "{variable} {why}; write http://host:port, or http://user:password@host:port with special characters \
                 percent-encoded"
            ))
        };
        let url = if typed.contains("://") { typed.to_owned() } else { format!("http://{typed}") };
        let uri: Uri = url.parse().map_err(|_| wrong("is not a valid url"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong(
                "is neither an http:// nor an https:// url, the only kinds of proxies that are used",
            ));
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        if place.contains('@') || authority.matches('@').count() > 1 || uri.host().is_none_or(str::is_empty) {
            return Err(wrong("is not a valid url"));
        }
        let shown = format!("{}://{place}", uri.scheme_str().unwrap_or("http"));
        let config = ProxyConfig::all(uri.clone()).map_err(|_| wrong("is not a valid url"))?;
        Ok((Self { config, shown, variable }, url))
    }
}

/// The first of two spellings that has a value: curl and the AWS CLI prefer the lower case.
fn first(env: &Env, names: [&'static str; 2]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| Some((name, value(env, name)?)))
}

/// NO_PROXY as the matcher reads it. Adds two spellings that are common though not curl's: `*.domain` is `.domain`, and
/// the port of `host:port` is ignored.
fn exceptions(typed: &str) -> String {
    let entries = typed.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).map(|entry| {
        let entry = entry.strip_prefix("*.").map_or_else(|| entry.to_owned(), |domain| format!(".{domain}"));
        let host = match entry.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &entry,
        };
        match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.to_owned(),
            None if host.contains(':') => entry,
            None => host.to_owned(),
        }
    });
    entries.chain([DIRECT.to_owned()]).collect::<Vec<_>>().join(",")
}

/// Whose certificates are believed.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) context: TlsContext,
    /// Variable or key, and file; `None`: the system's authorities.
    pub(super) bundle: Option<String>,
}

impl Trust {
    async fn read(env: &Env, fs: &Fs, of_profile: Option<String>) -> Result<Self, EnvironmentError> {
        let named = value(env, "AWS_CA_BUNDLE")
            .map(|file| ("AWS_CA_BUNDLE", file))
            .or_else(|| Some(("ca_bundle of the AWS profile", of_profile?)));
        let Some((name, file)) = named else {
            // The system's, or those of SSL_CERT_FILE and SSL_CERT_DIR.
            return Ok(Self { context: TlsContext::default(), bundle: None });
        };
        let bundle = format!("{name} = {file}");
        let pem = fs.read_to_end(Path::new(&file)).await.map_err(|error| {
            let said = format!("{bundle} is to name a file of PEM certificates, which cannot be read");
            EnvironmentError::because(&said, &error)
        })?;
        let mut store = TrustStore::empty();
        let mut usable = 0;
        for certificate in certificates(&String::from_utf8_lossy(&pem)) {
            store.add_pem_certificate(certificate);
            usable += 1;
        }
        if usable == 0 {
            return Err(EnvironmentError(format!(
                "{bundle} has no certificate that can be used: it must be a file of PEM certificates \
                 (-----BEGIN CERTIFICATE-----)"
            )));
        }
        let context = TlsContext::builder().with_trust_store(store).build();
        let context = context.map_err(|error| EnvironmentError::because(&bundle, &error))?;
        Ok(Self { context, bundle: Some(bundle) })
    }
}

/// The certificates of a bundle that can be authorities. Others are passed over, as OpenSSL does: large bundles have
/// ancient ones, and the HTTP client would panic at them.
fn certificates(pem: &str) -> impl Iterator<Item = &str> {
    const END: &str = "-----END CERTIFICATE-----";
    pem.split_inclusive(END).take(limits::CA_BUNDLE_CERTIFICATES).filter_map(|block| {
        let block = &block[block.find("-----BEGIN CERTIFICATE-----")?..];
        let der = CertificateDer::from_pem_slice(block.as_bytes()).ok()?;
        RootCertStore::empty().add(der).ok().map(|()| block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Environment, String> {
        let (env, fs) = (Env::from_slice(vars), Fs::from_slice(files));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Environment::read(&env, &fs)).map_err(|error| error.to_string())
    }

    fn way(vars: &[(&str, &str)], url: &str) -> Option<String> {
        let environment = read(vars, &[]).unwrap();
        environment
            .proxies
            .to(&url.parse().unwrap())
            .map(|proxy| format!("{} by {}", proxy.shown, proxy.variable))
    }

    #[test]
    fn each_scheme_has_its_proxy_and_the_lower_case_is_preferred() {
        let vars = [("HTTPS_PROXY", "http://secure:3128"), ("http_proxy", "plain:8080")];
        let https = way(&vars, "https://s3.eu-west-1.amazonaws.com/x").unwrap();
        assert_eq!(https, "http://secure:3128 by HTTPS_PROXY");
        assert_eq!(way(&vars, "http://store:9000/x").unwrap(), "http://plain:8080 by http_proxy");
        let both = [("HTTPS_PROXY", "http://upper:1"), ("https_proxy", "http://lower:2")];
        assert_eq!(way(&both, "https://x.invalid/").unwrap(), "http://lower:2 by https_proxy");
        let empty = [("HTTPS_PROXY", "http://upper:1"), ("https_proxy", " ")];
        assert_eq!(way(&empty, "https://x.invalid/").unwrap(), "http://upper:1 by HTTPS_PROXY");
        assert_eq!(way(&both, "http://x.invalid/"), None);
    }

    #[test]
    fn no_proxy_has_domains_networks_and_a_star() {
        for (no, url, direct) in [
            ("amazonaws.com", "https://s3.eu-west-1.amazonaws.com/", true),
            (".amazonaws.com", "https://S3.eu-west-1.AmazonAWS.com/", true),
            ("*.amazonaws.com", "https://s3.eu-west-1.amazonaws.com/", true),
            ("amazonaws.com", "https://notamazonaws.com/", false),
            ("other.com, amazonaws.com", "https://sts.amazonaws.com/", true),
            ("other.com amazonaws.com", "https://sts.amazonaws.com/", true),
            ("store.corp:9000", "https://store.corp:9000/", true),
            ("10.0.0.0/8", "https://10.1.2.3:9000/", true),
            ("10.0.0.0/8", "https://11.1.2.3:9000/", false),
            ("10.1.2.3", "https://10.1.2.3:9000/", true),
            ("fd00::/8", "https://[fd00::1]:9000/", true),
            ("[fd00::1]:9000", "https://[fd00::1]:9000/", true),
            ("fd00::1", "https://[fd00::1]/", true),
            ("*", "https://anything.invalid/", true),
            ("", "https://anything.invalid/", false),
        ] {
            let vars = [("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", no)];
            assert_eq!(way(&vars, url).is_none(), direct, "{no:?} {url}");
        }
    }

    #[test]
    fn credentials_of_this_machine_are_never_asked_through_a_proxy() {
        let vars = [("HTTP_PROXY", "http://proxy:3128"), ("NO_PROXY", "corp.example")];
        for direct in
            ["169.254.169.254", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "localhost:1338"]
        {
            assert_eq!(way(&vars, &format!("http://{direct}/")), None, "{direct}");
        }
        assert!(way(&vars, "http://10.0.0.1/").is_some());
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_that_does_not_show_the_password() {
        for wrong in [
            "socks5://user:secret@proxy:1080",
            "http://user:se cret@proxy",
            "http://u:secret@x@proxy:1",
            "http://",
        ] {
            let said = read(&[("https_proxy", wrong)], &[]).unwrap_err();
            assert!(
                said.starts_with("https_proxy is n") && said.contains("percent-encoded"),
                "{wrong}: {said}"
            );
            assert!(!said.contains("secret") && !said.contains('\n'), "{wrong}: {said}");
        }
        let fine = way(&[("https_proxy", "http://user:p%40ss@proxy:1")], "https://x.invalid/").unwrap();
        assert_eq!(fine, "http://proxy:1 by https_proxy");
    }

    #[test]
    fn the_region_is_that_of_the_environment_then_of_the_profile() {
        let config = "[default]\nregion = eu-south-1\n[profile ops]\nregion = eu-north-1\n";
        let files = [("/home/x/.aws/config", config)];
        let region = |vars: &[(&str, &str)]| {
            let vars: Vec<_> = vars.iter().copied().chain([("HOME", "/home/x")]).collect();
            read(&vars, &files).unwrap().region
        };
        assert_eq!(region(&[("AWS_REGION", "us-west-2"), ("AWS_PROFILE", "ops")]).unwrap(), "us-west-2");
        assert_eq!(region(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "us-east-2")]).unwrap(), "us-east-2");
        assert_eq!(region(&[("AWS_PROFILE", "ops")]).unwrap(), "eu-north-1");
        assert_eq!(region(&[("AWS_PROFILE", "")]).unwrap(), "eu-south-1");
        assert_eq!(read(&[("HOME", "/nowhere")], &files).unwrap().region, None);
    }

    #[test]
    fn a_bundle_without_a_usable_certificate_is_an_error_that_names_it() {
        let files = [
            ("/ca.der", "\u{30}\u{82}"),
            ("/broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            ("/home/x/.aws/config", "[default]\nca_bundle = /ca.der\n"),
        ];
        let said = read(&[("AWS_CA_BUNDLE", "/ca.der")], &files).unwrap_err();
        assert!(said.starts_with("AWS_CA_BUNDLE = /ca.der has no certificate"), "{said}");
        let said = read(&[("AWS_CA_BUNDLE", "/broken.pem")], &files).unwrap_err();
        assert!(said.starts_with("AWS_CA_BUNDLE = /broken.pem has no certificate"), "{said}");
        let said = read(&[("AWS_CA_BUNDLE", "/none")], &files).unwrap_err();
        assert!(
            said.starts_with(
                "AWS_CA_BUNDLE = /none is to name a file of PEM certificates, which cannot be read: "
            ),
            "{said}"
        );
        let said = read(&[("AWS_CA_BUNDLE", ""), ("HOME", "/home/x")], &files).unwrap_err();
        assert!(said.starts_with("ca_bundle of the AWS profile = /ca.der has no certificate"), "{said}");
    }

    #[test]
    fn a_profile_file_that_cannot_be_parsed_is_an_error() {
        let files = [("/home/x/.aws/config", "[default\nregion = eu-south-1\n")];
        let said = read(&[("HOME", "/home/x")], &files).unwrap_err();
        assert!(said.starts_with("the AWS profile files cannot be used: "), "{said}");
        assert!(said.contains("line 1") && !said.contains('\n'), "{said}");
    }

    #[test]
    fn a_profile_that_is_nowhere_is_an_error_as_with_the_aws_cli() {
        let files = [("/home/x/.aws/config", "[profile ops]\nregion = eu-south-1\n")];
        let said = read(&[("HOME", "/home/x"), ("AWS_PROFILE", "opps")], &files).unwrap_err();
        assert!(said.starts_with("AWS_PROFILE = opps is not a profile in "), "{said}");
        assert_eq!(read(&[("HOME", "/home/x"), ("AWS_PROFILE", "default")], &files).unwrap().region, None);
    }
}
