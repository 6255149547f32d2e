//! From the configuration to the parts: what each stage needs to know of it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    accumulate::DigestLimits,
    classify::Classifier,
    config::{Config, Location, SourceConfig},
    discover::SourceSpec,
    event::Observer,
    expose::{self, BuildInfo, Static},
    ledger,
    model::Timestamp,
    pipeline::{Settings, SourceParts},
    store::{
        ObjectStore, Patience,
        local::LocalStore,
        s3::{S3Options, S3Store},
    },
};

pub(super) fn settings(config: &Config) -> Settings {
    Settings {
        poll_interval: config.ingest.poll_interval,
        lookback: config.ingest.lookback,
        start: config.ingest.start,
        concurrency: config.ingest.concurrency,
        object_bytes: config.limits.object_bytes,
        digest: DigestLimits {
            decompressed_bytes: config.limits.decompressed_bytes,
            bad_rows: config.limits.bad_rows_per_object,
        },
    }
}

pub(super) async fn sources(config: &Config, observer: &Observer) -> Vec<SourceParts> {
    let mut parts = Vec::new();
    for source in &config.sources {
        let prices = config.prices.for_region(&source.region);
        parts.push(SourceParts {
            spec: source_spec(source),
            store: store(source, observer.clone()).await,
            classifier: Arc::new(Classifier::new(config.rules.clone(), &source.region, prices)),
        });
    }
    parts
}

/// Where a source's objects are read from. Makes no request yet.
pub(crate) async fn store(source: &SourceConfig, observer: Observer) -> Arc<dyn ObjectStore> {
    match &source.location {
        Location::S3 { bucket, .. } => Arc::new(
            S3Store::connect(S3Options {
                source: source.name.clone(),
                bucket: bucket.clone(),
                region: source.bucket_region.clone().unwrap_or_else(|| source.region.to_string()),
                endpoint: source.endpoint.clone(),
                path_style: source.path_style,
                observer,
                patience: Patience::default(),
            })
            .await,
        ),
        Location::Local { root } => {
            Arc::new(LocalStore::new(source.name.clone(), &root.display().to_string(), observer))
        }
    }
}

/// What is looked for in a source.
pub(crate) fn source_spec(source: &SourceConfig) -> SourceSpec {
    let (bucket, prefix) = match &source.location {
        Location::S3 { bucket, prefix } => (Arc::from(format!("s3://{bucket}")), prefix.clone()),
        Location::Local { root } => {
            let path = root.display().to_string();
            let inner = path.trim_matches('/');
            let prefix = if inner.is_empty() { String::new() } else { format!("{inner}/") };
            (Arc::from(crate::store::local::BUCKET), prefix)
        }
    };
    SourceSpec {
        name: source.name.clone(),
        bucket,
        prefix,
        region: source.region.to_string(),
        layout: source.layout.clone(),
        accounts: source.accounts.clone(),
        regions: source.regions.clone(),
        flow_log_ids: source.flow_log_ids.clone(),
    }
}

pub(super) fn ledger_options(config: &Config) -> ledger::Options {
    ledger::Options {
        series_limit: config.limits.series,
        sources: config
            .sources
            .iter()
            .map(|source| ledger::SourceSpec { name: source.name.clone(), url: source.url.clone() })
            .collect(),
        classifier_fingerprint: config.fingerprint(),
        prices: prices(config)
            .into_iter()
            .map(|((charge, region), price)| ledger::PriceInForce {
                aws_region: region.to_string(),
                charge,
                price,
            })
            .collect(),
    }
}

pub(super) fn fixed(config: &Config, loaded_at: Timestamp) -> Static {
    Static {
        loaded_at,
        build: BuildInfo::current(),
        sources: config.sources.iter().map(|source| source.name.clone()).collect(),
        prices: prices(config),
        budget_monthly_usd: Some(config.budget.monthly.as_usd()),
        budget_inter_az_ratio: Some(config.budget.inter_az_ratio),
        series_limit: config.limits.series,
        process: expose::read_process,
    }
}

type Prices = BTreeMap<(crate::model::Charge, Arc<str>), crate::model::Price>;

/// The prices that the sources' regions have.
fn prices(config: &Config) -> Prices {
    let of = |source: &SourceConfig| {
        let region = source.region.clone();
        let prices = config.prices.for_region(&source.region);
        prices.iter().map(|(charge, price)| ((charge, region.clone()), price)).collect::<Vec<_>>()
    };
    config.sources.iter().flat_map(of).collect()
}
