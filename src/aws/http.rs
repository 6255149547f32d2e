//! The HTTP client of all clients of AWS: the way to a host, through a proxy or not, and errors that name it.

use std::{error::Error, fmt, sync::Arc};

use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{self, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::HttpRequest,
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
};
use hyper::Uri;

use super::environment::{Environment, Proxy};

/// Knows through which proxy a url is asked.
#[derive(Debug, Clone)]
pub struct Routes(Arc<Environment>);

/// The host that is asked, and the proxy on the way to it. As text: what errors say after "from" or "to".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// With its port, where the url has one.
    pub host: String,
    /// Its url, and the variable that names it.
    pub proxy: Option<(String, &'static str)>,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match &self.proxy {
            Some((proxy, variable)) => write!(f, " through the proxy {proxy} ({variable})"),
            None => Ok(()),
        }
    }
}

impl Routes {
    pub(super) fn new(environment: Arc<Environment>) -> Self {
        Self(environment)
    }

    /// The way to a url.
    pub fn to(&self, url: &str) -> Route {
        let uri: Option<Uri> = url.parse().ok();
        let proxy = uri.as_ref().and_then(|uri| self.proxy(uri));
        Route {
            host: uri
                .as_ref()
                .and_then(Uri::authority)
                .map_or(url, |authority| authority.as_str())
                .to_owned(),
            proxy: proxy.map(|proxy| (proxy.shown.clone(), proxy.variable)),
        }
    }

    fn proxy(&self, uri: &Uri) -> Option<&Proxy> {
        self.0.proxies.to(uri)
    }
}

/// Three clients, of which each request takes one: a client of the library has one proxy or none.
#[derive(Debug)]
pub(super) struct Client {
    routes: Routes,
    direct: SharedHttpClient,
    http: Option<SharedHttpClient>,
    https: Option<SharedHttpClient>,
}

impl Client {
    pub(super) fn new(environment: &Arc<Environment>) -> Self {
        let proxies = &environment.proxies;
        let through = |proxy: Option<&Proxy>| proxy.map(|proxy| client(environment, proxy.config.clone()));
        Self {
            direct: client(environment, ProxyConfig::disabled()),
            http: through(proxies.http.as_ref()),
            https: through(proxies.https.as_ref()),
            routes: Routes::new(Arc::clone(environment)),
        }
    }
}

/// rustls with ring: no cmake, static binary.
fn client(environment: &Environment, proxy: ProxyConfig) -> SharedHttpClient {
    let trust = environment.trust.context.clone();
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder();
        builder.set_proxy_config(Some(proxy.clone()));
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        builder.tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).tls_context(trust.clone()).build()
    })
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let of = |client: &SharedHttpClient| client.http_connector(settings, components);
        SharedHttpConnector::new(Ways {
            routes: self.routes.clone(),
            direct: of(&self.direct),
            http: self.http.as_ref().map(of),
            https: self.https.as_ref().map(of),
        })
    }
}

/// The connectors of the three clients.
#[derive(Debug)]
struct Ways {
    routes: Routes,
    direct: SharedHttpConnector,
    http: Option<SharedHttpConnector>,
    https: Option<SharedHttpConnector>,
}

impl HttpConnector for Ways {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let url = request.uri().to_owned();
        let uri: Option<Uri> = url.parse().ok();
        let proxied = uri.filter(|uri| self.routes.proxy(uri).is_some());
        let connector = match proxied.as_ref().map(|uri| uri.scheme_str()) {
            Some(Some("https")) => self.https.as_ref(),
            Some(_) => self.http.as_ref(),
            None => None,
        };
        let answer = connector.unwrap_or(&self.direct).call(request);
        let routes = self.routes.clone();
        HttpConnectorFuture::new(async move {
            answer.await.map_err(|error| {
                let bundle = routes.0.trust.bundle.as_deref();
                named(error, &routes.to(&url), bundle)
            })
        })
    }
}

/// The same error, which says in one sentence where it happened and what would help.
fn named(error: ConnectorError, route: &Route, bundle: Option<&str>) -> ConnectorError {
    let connection = error.connection_metadata().cloned();
    let rewrap: fn(BoxError) -> ConnectorError = match () {
        () if error.is_timeout() => ConnectorError::timeout,
        () if error.is_user() => ConnectorError::user,
        () if error.is_io() => ConnectorError::io,
        () => |source| ConnectorError::other(source, None),
    };
    let kind = error.as_other();
    let is_timeout = error.is_timeout();
    let source = error.into_source();
    let said = sentence(&*source, is_timeout, route, bundle);
    let unreachable = Box::new(Unreachable { said, source });
    let error = match kind {
        Some(kind) => ConnectorError::other(unreachable, Some(kind)),
        None => rewrap(unreachable),
    };
    match connection {
        Some(connection) => error.with_connection(connection),
        None => error,
    }
}

/// A host could not be asked. Its text is one sentence with the remedy; the causes have the words of the libraries.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub struct Unreachable {
    said: String,
    #[source]
    source: BoxError,
}

impl Unreachable {
    /// The one among the causes of an error.
    pub fn among<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        causes(error).find_map(|cause| cause.downcast_ref())
    }
}

/// An error and its causes, outermost first.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The libraries keep the types of these errors to themselves: their texts are all that tells one from another. A text
/// that is not known gives a sentence without a remedy.
fn sentence(error: &(dyn Error + 'static), is_timeout: bool, route: &Route, bundle: Option<&str>) -> String {
    let chain: Vec<String> = causes(error).map(ToString::to_string).collect();
    let has = |text: &str| chain.iter().any(|cause| cause.contains(text));
    let last = chain.last().map_or("", String::as_str);
    let host = &route.host;
    if let Some((proxy, variable)) = &route.proxy {
        if has("proxy authorization required") {
            return format!(
                "the proxy {proxy} on the way to {host} asks for a password that is right: write it in {variable} as \
                 http://user:password@host:port"
            );
        }
        if has("tunnel error: unsuccessful") {
            return format!(
                "the proxy {proxy} ({variable}) does not connect to {host}: have it allowed there, or name the host in \
                 NO_PROXY where the way without the proxy is open"
            );
        }
        if has("invalid server name") {
            return format!(
                "{host} cannot be asked over TLS through the proxy {proxy} ({variable}): give it a name, or name it in \
                 NO_PROXY where the way without the proxy is open"
            );
        }
    }
    if has("invalid peer certificate") {
        let believed = match bundle {
            Some(bundle) => format!("with {bundle}"),
            None => "with the system's authorities".to_owned(),
        };
        return format!(
            "the certificate of {route} cannot be trusted {believed}: {last}; where a private authority signs it, name \
             its certificates in AWS_CA_BUNDLE"
        );
    }
    let by_proxy = route.proxy.as_ref().map(|(proxy, variable)| {
        (format!("the proxy {proxy} ({variable}) on the way to {host}"), format!("look at {variable}"))
    });
    let (reached, remedy) = by_proxy.unwrap_or_else(|| {
        let remedy = "look at region, endpoint and the network (DNS, routes, VPC endpoints), or set HTTPS_PROXY \
                      where a proxy is the way out";
        (host.clone(), remedy.to_owned())
    });
    if has("dns error") {
        return format!("cannot resolve {reached}: {last}; {remedy}");
    }
    if has("client error (Connect)") || has("error trying to connect") {
        let why = if is_timeout { "no connection in time" } else { last };
        return format!("cannot connect to {reached}: {why}; {remedy}");
    }
    format!("{route}: {}", chain.join(": "))
}
