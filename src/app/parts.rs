//! From the configuration to the parts: what each stage needs to know of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::AppError;
use crate::{
    accumulate::DigestLimits,
    aws::{self, EnvironmentError},
    classify::Classifier,
    config::{Config, Location, SourceConfig},
    discover::{Discovery, SourceSpec},
    event::{Event, Observer},
    expose::{self, BuildInfo, SourceInfo, Static},
    ledger::{self, Ledger},
    model::{Charge, NanoUsd, Timestamp},
    pipeline::Settings,
    reader::{self, SharedClassifier},
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
        keep: config.keep,
        start: config.ingest.start,
        concurrency: config.ingest.concurrency,
        object_bytes: config.limits.object_bytes,
        digest: DigestLimits {
            decompressed_bytes: config.limits.decompressed_bytes,
            bad_rows: config.limits.bad_rows_per_object,
        },
    }
}

pub(super) async fn sources(config: &Config, observer: &Observer) -> Result<Vec<reader::Source>, AppError> {
    let mut sources = Vec::new();
    for one in &config.sources {
        sources.push(source(config, one, observer.clone()).await?);
    }
    Ok(sources)
}

/// One source as it is read. Makes no request yet.
///
/// # Errors
/// When the environment of a source in S3 cannot be used.
pub(crate) async fn source(
    config: &Config,
    source: &SourceConfig,
    observer: Observer,
) -> Result<reader::Source, AppError> {
    Ok(reader::Source {
        discovery: Discovery::new(source_spec(source), store(source, observer).await?),
        classifier: SharedClassifier::new(classifier(config, source)),
    })
}

/// The classifiers of the sources, which can be replaced while these are read.
pub(super) fn classifiers(sources: &[reader::Source]) -> Vec<SharedClassifier> {
    sources.iter().map(|source| source.classifier.clone()).collect()
}

/// What the records of a source mean.
pub(super) fn classifier(config: &Config, source: &SourceConfig) -> Classifier {
    Classifier::new(config.rules.clone(), &source.scope(), config.prices.clone(), config.ip_ranges())
}

async fn store(source: &SourceConfig, observer: Observer) -> Result<Arc<dyn ObjectStore>, EnvironmentError> {
    Ok(match &source.location {
        Location::S3 { bucket, .. } => {
            let region = source.bucket_region.clone().unwrap_or_else(|| source.region.to_string());
            let options = S3Options {
                source: source.name.clone(),
                bucket: bucket.clone(),
                region,
                endpoint: source.endpoint.clone(),
                path_style: source.path_style,
                request_payer: source.request_payer,
                observer,
                patience: Patience::default(),
            };
            Arc::new(S3Store::new(&aws::connect(&options.region).await?, options))
        }
        Location::Local { root } => {
            Arc::new(LocalStore::new(source.name.clone(), &root.display().to_string(), observer))
        }
    })
}

/// What is looked for in a source.
fn source_spec(source: &SourceConfig) -> SourceSpec {
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

/// The sources as the ledger knows them.
pub(crate) fn ledger_sources(config: &Config) -> Vec<ledger::SourceSpec> {
    let spec =
        |source: &SourceConfig| ledger::SourceSpec { name: source.name.clone(), url: source.url.clone() };
    config.sources.iter().map(spec).collect()
}

pub(super) fn ledger_options(config: &Config) -> ledger::Options {
    ledger::Options {
        series_limit: config.limits.series,
        sources: ledger_sources(config),
        classifier_fingerprint: config.fingerprint(),
        prices: noted_prices(config),
    }
}

/// The sources of the state that began elsewhere than `ingest.start` says.
pub(super) fn ignored_starts(config: &Config, ledger: &Ledger) -> Vec<Event> {
    let Some(start) = config.ingest.start else { return Vec::new() };
    let began = config.sources.iter().filter_map(|source| {
        let begin = ledger.scan_progress(&source.name)?.begin;
        (begin != start).then(|| Event::StartIgnored { source: source.name.clone(), start, begin })
    });
    began.collect()
}

pub(super) fn fixed(config: &Config, loaded_at: Timestamp) -> Static {
    Static {
        loaded_at,
        build: BuildInfo::current(),
        sources: config.sources.iter().map(|source| (source.name.clone(), info(source))).collect(),
        prices: prices(config),
        book: config.prices.clone(),
        budget_monthly_usd: config.budget.monthly.map(NanoUsd::as_usd),
        budget_inter_az_ratio: config.budget.inter_az_ratio,
        source_budgets: config
            .sources
            .iter()
            .filter_map(|source| Some((source.name.clone(), source.monthly?.as_usd())))
            .collect(),
        series_limit: config.limits.series,
        process: expose::read_process,
    }
}

fn info(source: &SourceConfig) -> SourceInfo {
    SourceInfo { url: source.url.clone(), region: source.region.clone(), filters: source.filters() }
}

type Prices = BTreeMap<(Charge, Arc<str>), crate::model::Price>;

/// Every charge in the sources' regions with its price, which may have gone since it was last noted.
fn noted_prices(config: &Config) -> Vec<ledger::PriceInForce> {
    let prices = prices(config);
    let regions: BTreeSet<&str> = config.sources.iter().flat_map(SourceConfig::known_regions).collect();
    let of = |region: &str| {
        let region: Arc<str> = region.into();
        let noted = Charge::ALL.map(|charge| ledger::PriceInForce {
            aws_region: region.to_string(),
            charge,
            price: prices.get(&(charge, region.clone())).copied(),
        });
        noted.into_iter()
    };
    regions.into_iter().flat_map(of).collect()
}

/// The prices that the sources' regions have.
fn prices(config: &Config) -> Prices {
    let regions = config.sources.iter().flat_map(SourceConfig::known_regions);
    let of = |region: &str| {
        let region: Arc<str> = Arc::from(region);
        let prices = config.prices.for_region(&region);
        prices.iter().map(|(charge, price)| ((charge, region.clone()), price)).collect::<Vec<_>>()
    };
    regions.flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_is_not_where_the_state_began_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let config = |start: &str| {
            let path = dir.path().join("flowcost.db");
            let text = format!(
                "[state]\npath = {path:?}\n[ingest]\n{start}\n[[source]]\nname = \"s\"\nurl = \"s3://logs/\"\n\
                 region = \"us-east-1\"\n"
            );
            Config::parse("test", &text, &[]).unwrap()
        };
        let began = config("start = \"2025-12-09T00:00:00Z\"");
        let now = Timestamp(1_800_000_000);
        let mut ledger = Ledger::open(&began.state, &ledger_options(&began), now).unwrap().0;
        assert_eq!(ignored_starts(&began, &ledger).len(), 0, "it will begin there");
        let begin = began.ingest.start.unwrap();
        ledger.set_begin("s", begin).unwrap();
        assert_eq!(ignored_starts(&began, &ledger).len(), 0, "it began there");
        assert_eq!(ignored_starts(&config(""), &ledger).len(), 0);
        let told = ignored_starts(&config("start = \"2025-11-01T00:00:00Z\""), &ledger);
        assert!(matches!(&told[..], [Event::StartIgnored { begin: at, .. }] if *at == begin), "{told:?}");
    }

    #[test]
    fn prices_are_those_of_the_regions_that_sources_name() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "[state]\npath = {:?}\n[[source]]\nname = \"s\"\nurl = \"s3://flow-logs/\"\nregion = \"us-east-1\"\n\
             regions = [\"us-east-1\", \"cn-north-1\"]\n[prices.regions.cn-north-1]\nnat_hop = 0.02\n",
            dir.path().join("flowcost.db")
        );
        let config = Config::parse("test", &text, &[]).unwrap();
        let prices = prices(&config);
        let of = |region: &str| -> Vec<Charge> {
            prices.keys().filter(|(_, of)| **of == *region).map(|(charge, _)| *charge).collect()
        };
        assert_eq!(of("cn-north-1"), [Charge::NatHop], "no charge without a price");
        let without = [Charge::InterRegion, Charge::VpnEgress, Charge::DirectConnectEgress];
        let rest: Vec<Charge> = Charge::ALL.into_iter().filter(|charge| !without.contains(charge)).collect();
        assert_eq!(of("us-east-1"), rest);
        assert_eq!(prices.len(), 1 + rest.len(), "no other regions");
        let noted = noted_prices(&config);
        assert_eq!(noted.len(), 2 * Charge::COUNT, "those too that have none");
        assert_eq!(noted.iter().filter(|one| one.price.is_some()).count(), prices.len());
    }
}
