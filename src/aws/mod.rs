//! What all clients of AWS share: credentials and their cache, the HTTP client, timeouts.
//!
//! The one place that decides how AWS is reached. A client is built from the [`SdkConfig`] that is
//! made here and sets its own region and retries; an endpoint that it does not set is AWS's own, or
//! that of `AWS_ENDPOINT_URL*`. Refuses to know any service.

use std::error::Error;

use aws_config::{BehaviorVersion, ConfigLoader, Region, identity::IdentityCache, timeout::TimeoutConfig};
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

pub use aws_config::SdkConfig;

use crate::limits;

/// Takes credentials from the default chain: environment, profile and SSO, web identity, container,
/// instance.
///
/// STS and SSO are asked in `region`, by the first call of a client. Here only profile files are
/// read.
pub async fn connect(region: &str) -> SdkConfig {
    shared(loader(region)).await
}

/// Takes credentials from `provider`, whatever the environment has.
pub async fn connect_as(region: &str, provider: impl ProvideCredentials + 'static) -> SdkConfig {
    shared(loader(region).credentials_provider(provider)).await
}

/// Sets what holds for clients and for the providers of their credentials.
fn loader(region: &str) -> ConfigLoader {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new(region.to_owned()))
        .identity_cache(IdentityCache::lazy().load_timeout(limits::AWS_CREDENTIALS).build())
}

/// Sets what holds for clients only: providers of credentials keep their own timeouts.
async fn shared(loader: ConfigLoader) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(limits::AWS_CONNECT).build();
    loader.load().await.into_builder().timeout_config(timeouts).build()
}

/// Says in one sentence why a request has no credentials, and what would help. The causes of `error` say it in many.
pub fn no_credentials(error: &(dyn Error + 'static)) -> String {
    let causes = || std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    let errors = || causes().filter_map(|cause| cause.downcast_ref::<CredentialsError>());
    let only_absent = errors().all(|error| matches!(error, CredentialsError::CredentialsNotLoaded(_)));
    if errors().next().is_some() && only_absent {
        return "no AWS credentials found: give the process a role (EKS Pod Identity, IRSA, a task or an instance \
                profile), or set AWS_PROFILE or AWS_ACCESS_KEY_ID; --log.level=debug shows what was tried"
            .to_owned();
    }
    let last = causes().last().map_or_else(String::new, |cause| format!(" ({cause})"));
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
        let shared = connect_as("eu-central-1", keys).await;
        let timeouts = shared.timeout_config().unwrap();
        assert_eq!((timeouts.connect_timeout(), timeouts.read_timeout()), (Some(limits::AWS_CONNECT), None));
        assert_eq!(shared.region().map(Region::as_ref), Some("eu-central-1"));
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
