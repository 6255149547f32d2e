//! What all clients of AWS share: credentials and their cache, the HTTP client with its proxies and trusted
//! authorities, timeouts.
//!
//! The one place that decides how AWS is reached. A client is built from the [`SdkConfig`] that is
//! made here and sets its own region and retries; an endpoint that it does not set is AWS's own, or
//! that of `AWS_ENDPOINT_URL*`. Refuses to know any service. docs/aws.md says what is honoured.

mod environment;
mod http;

use std::{error::Error, sync::Arc};

use aws_config::{BehaviorVersion, ConfigLoader, Region, identity::IdentityCache, timeout::TimeoutConfig};
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError};
use aws_types::os_shim_internal::{Env, Fs};

pub use aws_config::SdkConfig;
pub use environment::EnvironmentError;
pub use http::{Route, Routes, Unreachable};

use crate::limits;
use environment::Environment;

/// Targets of log lines of the SDK that warn of every provider of credentials that fails, with all causes. Whoever is
/// without credentials for it says so in one sentence, which these lines would drown.
pub const CREDENTIALS_LOG: [&str; 3] =
    ["aws_config::meta", "aws_config::profile::credentials", "aws_config::web_identity_token"];

/// What a client is built from.
#[derive(Debug, Clone)]
pub struct Shared {
    /// For the clients of the SDK.
    pub sdk: SdkConfig,
    /// For what their errors say.
    pub routes: Routes,
}

/// Takes credentials from the default chain: environment, profile and SSO, web identity, container,
/// instance.
///
/// STS is asked by the first call of a client: in the region of the environment, else of the profile, else in
/// `region`. Here only profile files and a bundle of certificates are read.
///
/// # Errors
/// When a variable or a profile cannot be used.
pub async fn connect(region: &str) -> Result<Shared, EnvironmentError> {
    let environment = read().await?;
    let loader = loader(&environment, region);
    Ok(shared(environment, loader).await)
}

/// Takes credentials from `provider`, whatever the environment has.
///
/// # Errors
/// When a variable or a profile cannot be used.
pub async fn connect_as(
    region: &str,
    provider: impl ProvideCredentials + 'static,
) -> Result<Shared, EnvironmentError> {
    let environment = read().await?;
    let loader = loader(&environment, region).credentials_provider(provider);
    Ok(shared(environment, loader).await)
}

async fn read() -> Result<Arc<Environment>, EnvironmentError> {
    Environment::read(&Env::real(), &Fs::real()).await.map(Arc::new)
}

/// Sets what holds for clients and for the providers of their credentials.
fn loader(environment: &Arc<Environment>, region: &str) -> ConfigLoader {
    let region = environment.region.clone().unwrap_or_else(|| region.to_owned());
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http::Client::new(environment))
        .profile_name(&environment.profile)
        .region(Region::new(region))
        .identity_cache(IdentityCache::lazy().load_timeout(limits::AWS_CREDENTIALS).build())
}

/// Sets what holds for clients only: providers of credentials keep their own timeouts.
async fn shared(environment: Arc<Environment>, loader: ConfigLoader) -> Shared {
    let timeouts = TimeoutConfig::builder().connect_timeout(limits::AWS_CONNECT).build();
    let sdk = loader.load().await.into_builder().timeout_config(timeouts).build();
    Shared { sdk, routes: Routes::new(environment) }
}

/// Says in one sentence what is wrong where a request could not be sent because its endpoint is not a url.
pub fn no_endpoint(error: &(dyn Error + 'static)) -> Option<String> {
    // The SDK keeps the type to itself.
    let wrong =
        http::causes(error).map(ToString::to_string).find(|cause| cause.contains("Custom endpoint"))?;
    Some(format!(
        "{wrong}: look at AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL and endpoint_url of the AWS profile"
    ))
}

/// Says in one sentence why a request has no credentials, and what would help. The causes of `error` say it in many.
pub fn no_credentials(error: &(dyn Error + 'static)) -> String {
    let errors = || http::causes(error).filter_map(|cause| cause.downcast_ref::<CredentialsError>());
    let only_absent = errors().all(|error| matches!(error, CredentialsError::CredentialsNotLoaded(_)));
    if errors().next().is_some() && only_absent {
        return "no AWS credentials found: give the process a role (EKS Pod Identity, IRSA, a task or an instance \
                profile), or set AWS_PROFILE or AWS_ACCESS_KEY_ID; --log.level=debug shows what was tried"
            .to_owned();
    }
    if let Some(unreachable) = Unreachable::among(error) {
        return format!("AWS credentials cannot be loaded: {unreachable}");
    }
    let last = http::causes(error).last().map_or_else(String::new, |cause| format!(" ({cause})"));
    format!(
        "AWS credentials cannot be loaded{last}: look at the role, the token file or the profile of the process; \
         --log.level=debug shows what was tried"
    )
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;

    #[tokio::test]
    async fn a_client_that_sets_nothing_gets_what_is_shared() {
        let keys = Credentials::new("key", "secret", None, None, "test");
        let shared = connect_as("eu-central-1", keys).await.unwrap().sdk;
        let timeouts = shared.timeout_config().unwrap();
        assert_eq!((timeouts.connect_timeout(), timeouts.read_timeout()), (Some(limits::AWS_CONNECT), None));
        assert!(shared.region().is_some(), "that of the environment, or this one");
        assert!(shared.http_client().is_some() && shared.identity_cache().is_some());
    }

    #[test]
    fn absent_credentials_and_broken_ones_are_told_apart_in_one_sentence() {
        let absent = CredentialsError::not_loaded(CredentialsError::not_loaded("no providers in chain"));
        let text = no_credentials(&absent);
        assert!(text.starts_with("no AWS credentials found: give the process a role"), "{text}");
        let broken = CredentialsError::not_loaded(CredentialsError::provider_error("HTTP 403 from STS"));
        let text = no_credentials(&broken);
        assert!(text.starts_with("AWS credentials cannot be loaded (HTTP 403 from STS): "), "{text}");
        assert!(text.contains("--log.level=debug") && !text.contains('\n'), "{text}");
    }
}
