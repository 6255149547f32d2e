//! `check --reach`: lists each source, opens one object, says what its columns enable and what they rule out.
//!
//! Reads only; neither state nor metrics know of it.

use std::{fmt::Write as _, sync::Arc};

use crate::{
    app,
    config::{Config, SourceConfig},
    decode::{DecodeError, DecodeLimits, Reader, features},
    discover::{Discovery, Found, window},
    fetch::{FetchError, fetch},
    limits,
    model::{IgnoreReason, Timestamp},
    store::{ObjectStore, chain},
};

/// What was found out about the sources of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// For a person.
    pub text: String,
    /// Whether every source could be listed and every object that was opened is a flow log.
    pub ok: bool,
}

/// Asks every source. Problems are part of the answer.
pub async fn reach(config: &Config, now: Timestamp) -> Reach {
    let mut all = Reach { text: String::new(), ok: true };
    for source in &config.sources {
        let _ = writeln!(all.text, "source \"{}\" {}", source.name, source.url);
        let (text, ok) = match reach_source(config, source, now).await {
            Ok(text) => (text, true),
            Err(text) => (text, false),
        };
        for line in text.lines() {
            let _ = writeln!(all.text, "  {line}");
        }
        all.ok &= ok;
    }
    all
}

async fn reach_source(config: &Config, source: &SourceConfig, now: Timestamp) -> Result<String, String> {
    let store = app::store(source, Arc::new(|_| {})).await;
    let mut discovery = Discovery::new(app::source_spec(source));
    discovery.find_roots(&*store).await.map_err(|error| format!("cannot be listed: {}", chain(&error)))?;
    let mut text = String::new();
    let roots: Vec<&str> = discovery.roots().collect();
    if roots.is_empty() {
        return Err(format!(
            "no account and region found below it that fit layout = \"{}\": look at url and layout",
            source.layout.as_str()
        ));
    }
    let _ = writeln!(text, "layout {}, below:", source.layout.as_str());
    for root in &roots {
        let _ = writeln!(text, "  {root}");
    }
    let foreign: Vec<&str> = discovery.foreign_regions().into_iter().collect();
    if !foreign.is_empty() {
        let _ = writeln!(
            text,
            "warning: logs of {} are priced at the rates of {}; give each region a [[source]] of its own",
            foreign.join(", "),
            source.region
        );
    }
    let window = window::open(now, config.ingest.lookback, now.minus(config.ingest.lookback), None);
    let mut scan = discovery.scan(window.recent(now), true);
    let mut listing = Listing::default();
    listing.take(&mut scan, &*store).await;
    if listing.newest.is_none() {
        scan = discovery.scan(window, true);
        listing.take(&mut scan, &*store).await;
    }
    if let Some(error) = scan.failure() {
        return Err(format!("{text}cannot be listed: {}", chain(&error)));
    }
    let _ = writeln!(
        text,
        "listed {} flow log objects and {} other keys{}",
        listing.flow_logs,
        listing.others,
        if listing.cut { " in the first pages" } else { "" }
    );
    match listing.newest {
        None => Err(format!(
            "{text}no flow log within ingest.lookback ({}): is the flow log active, and are url and layout right?",
            humantime::format_duration(config.ingest.lookback)
        )),
        Some(newest) => open_one(config, &*store, &newest, text).await,
    }
}

async fn open_one(
    config: &Config,
    store: &dyn ObjectStore,
    found: &Found,
    mut text: String,
) -> Result<String, String> {
    let key = &found.listed.id.key;
    let _ = writeln!(text, "opened {key}");
    let fetched = match fetch(store, &found.listed, config.limits.object_bytes).await {
        Ok(fetched) => fetched,
        Err(FetchError::Store(error)) => return Err(format!("{text}cannot be read: {}", chain(&error))),
        Err(FetchError::Quarantine(why)) => return Err(format!("{text}would be quarantined: {why}")),
    };
    let decode_limits = DecodeLimits { decompressed_bytes: config.limits.decompressed_bytes };
    let reader = match Reader::open(fetched.input, &decode_limits) {
        Ok(reader) => reader,
        Err(DecodeError::Quarantine(why)) => return Err(format!("{text}would be quarantined: {why}")),
        Err(DecodeError::Ignore(IgnoreReason::TransitGateway)) => {
            return Err(format!("{text}is a transit gateway flow log: those are ignored"));
        }
        Err(DecodeError::Ignore(reason)) => {
            return Err(format!("{text}would be ignored: {}", reason.as_str()));
        }
    };
    for feature in features(reader.columns()) {
        if feature.enabled {
            let _ = writeln!(text, "  yes  {}", feature.name);
        } else {
            let _ = writeln!(text, "  no   {} (needs {})", feature.name, feature.missing);
        }
    }
    Ok(text)
}

/// What some pages of a listing have shown.
#[derive(Default)]
struct Listing {
    flow_logs: u64,
    others: u64,
    newest: Option<Found>,
    cut: bool,
}

impl Listing {
    async fn take(&mut self, scan: &mut crate::discover::Scan, store: &dyn ObjectStore) {
        (self.flow_logs, self.others) = (0, 0);
        let mut pages = 0;
        while let Some(found) = scan.next(store).await {
            for one in found {
                if one.ignored.is_some() {
                    self.others += 1;
                    continue;
                }
                self.flow_logs += 1;
                // A zero-byte object says nothing about columns.
                let newer =
                    self.newest.as_ref().is_none_or(|newest| newest.partition.start <= one.partition.start);
                if newer && one.listed.size > 0 {
                    self.newest = Some(one);
                }
            }
            pages += 1;
            if pages >= limits::REACH_PAGES {
                self.cut = true;
                return;
            }
        }
    }
}
