//! `check --reach`: lists each source, opens an object of each layout and format that is found, and says what its
//! columns enable and what they rule out.
//!
//! Reads only; neither state nor metrics know of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use crate::{
    app,
    config::{Config, SourceConfig},
    decode::{ColumnSet, DecodeError, DecodeLimits, Input, Reader, features},
    discover::{Discovery, Found, Scan, layout::flow_log_of, window},
    fetch::{FetchError, fetch},
    limits,
    model::{IgnoreReason, PartitionSpan, Timestamp},
    pipeline,
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
        let mut text = String::new();
        if let Err(problem) = reach_source(config, source, now, &mut text).await {
            let _ = writeln!(text, "{problem}");
            all.ok = false;
        }
        for line in text.lines() {
            let _ = writeln!(all.text, "  {line}");
        }
    }
    all
}

/// Writes what it finds; the error is what is wrong at the end of it.
async fn reach_source(
    config: &Config,
    source: &SourceConfig,
    now: Timestamp,
    text: &mut String,
) -> Result<(), String> {
    let store = app::store(source, Arc::new(|_| {})).await;
    let mut discovery = Discovery::new(app::source_spec(source));
    discovery.find_roots(&*store).await.map_err(|error| format!("cannot be listed: {}", chain(&error)))?;
    let roots: Vec<&str> = discovery.roots().collect();
    if roots.is_empty() {
        return Err(format!(
            "no account and region found below it that fit layout = \"{}\": look at url and layout",
            source.layout.as_str()
        ));
    }
    let _ = writeln!(text, "layout {}, below:", source.layout.as_str());
    for root in roots.iter().take(limits::REACH_ROOTS) {
        let _ = writeln!(text, "  {root}");
    }
    if let Some(more) = roots.len().checked_sub(limits::REACH_ROOTS).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more");
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
    let mut listing = Listing::default();
    let mut scan = discovery.scan(window.recent(now), true);
    listing.take(source, &mut scan, &*store).await;
    if listing.groups.is_empty() && !scan.has_failed() {
        scan = discovery.scan(window, true);
        listing.take(source, &mut scan, &*store).await;
    }
    if let Some(error) = scan.failure() {
        return Err(format!("cannot be listed: {}", chain(&error)));
    }
    listing.write(text);
    if listing.groups.is_empty() {
        return Err(format!(
            "no flow log within ingest.lookback ({}): is the flow log active, and are url and layout right?",
            humantime::format_duration(config.ingest.lookback)
        ));
    }
    let mut unreadable = 0;
    for (kind, group) in &listing.groups {
        let Some(found) = &group.newest else { continue };
        let _ = writeln!(text, "opened {} ({kind})", found.listed.id.key);
        match open_one(config, &*store, found).await {
            Ok(columns) => write_features(text, &columns),
            Err(why) => {
                let _ = writeln!(text, "  {why}");
                unreadable += 1;
            }
        }
    }
    if unreadable > 0 { Err(format!("{unreadable} of what was opened cannot be read")) } else { Ok(()) }
}

fn write_features(text: &mut String, columns: &ColumnSet) {
    let mut missing: Vec<String> = Vec::new();
    for feature in features(columns) {
        if feature.enabled {
            let _ = writeln!(text, "  yes  {}", feature.name);
            continue;
        }
        let _ = writeln!(text, "  no   {} (needs {})", feature.name, feature.missing);
        // As the fields are called where a flow log is made.
        let fields = feature.missing.split(", ").map(|field| field.replace('_', "-"));
        for field in fields {
            if !missing.contains(&field) {
                missing.push(field);
            }
        }
    }
    if !missing.is_empty() {
        let _ = writeln!(text, "  for the rest, make a flow log that also has: {}", missing.join(", "));
    }
}

/// The columns of an object, after its first records have been decoded.
async fn open_one(config: &Config, store: &dyn ObjectStore, found: &Found) -> Result<ColumnSet, String> {
    let fetched = match fetch(store, &found.listed, config.limits.object_bytes).await {
        Ok(fetched) => fetched,
        Err(FetchError::Store(error)) => return Err(format!("cannot be read: {}", chain(&error))),
        Err(FetchError::Quarantine(why)) => return Err(format!("would be quarantined: {why}")),
    };
    let limits = DecodeLimits { decompressed_bytes: config.limits.decompressed_bytes };
    match guarded(move || decode(fetched.input, &limits)).await? {
        Ok(columns) => Ok(columns),
        Err(DecodeError::Quarantine(why)) => Err(format!("would be quarantined: {why}")),
        Err(DecodeError::Ignore(IgnoreReason::TransitGateway)) => {
            Err("is a transit gateway flow log: those are ignored".to_owned())
        }
        Err(DecodeError::Ignore(reason)) => Err(format!("would be ignored: {}", reason.as_str())),
    }
}

fn decode(input: Input, limits: &DecodeLimits) -> Result<ColumnSet, DecodeError> {
    let mut reader = Reader::open(input, limits)?;
    reader.next_batch()?;
    Ok(*reader.columns())
}

/// Runs what may panic over other people's data where a panic ends nothing else.
async fn guarded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| format!("would be quarantined: {}", pipeline::panicked(error)))
}

/// What some pages of a listing have shown.
#[derive(Default)]
struct Listing {
    /// By layout and format, as for a person.
    groups: BTreeMap<String, Group>,
    others: u64,
    cut: bool,
}

/// Objects of one layout and format.
#[derive(Default)]
struct Group {
    objects: u64,
    flow_logs: BTreeSet<String>,
    newest: Option<Found>,
}

impl Listing {
    async fn take(&mut self, source: &SourceConfig, scan: &mut Scan, store: &dyn ObjectStore) {
        self.others = 0;
        let mut pages = 0;
        while let Some(found) = scan.next(store).await {
            for one in found {
                if one.ignored.is_some() {
                    self.others += 1;
                } else {
                    self.groups.entry(kind(source, &one)).or_default().take(one);
                }
            }
            pages += 1;
            if pages >= limits::REACH_PAGES {
                self.cut = true;
                return;
            }
        }
    }

    fn write(&self, text: &mut String) {
        for (kind, group) in &self.groups {
            let ids: Vec<&str> = group.flow_logs.iter().map(String::as_str).collect();
            let of = if ids.is_empty() { String::new() } else { format!(" of {}", ids.join(", ")) };
            let s = if group.objects == 1 { "" } else { "s" };
            let _ = writeln!(text, "found {kind}: {} object{s}{of}", group.objects);
        }
        let cut = if self.cut { "; more was not listed" } else { "" };
        let _ = writeln!(text, "other keys: {}{cut}", self.others);
    }
}

impl Group {
    fn take(&mut self, one: Found) {
        self.objects += 1;
        if let Some(id) = flow_log_of(&one.listed.id.key).filter(|_| self.flow_logs.len() < limits::HINTS) {
            self.flow_logs.insert(id.to_owned());
        }
        // A zero-byte object says nothing about columns.
        let newer = self.newest.as_ref().is_none_or(|newest| newest.partition.start <= one.partition.start);
        if newer && one.listed.size > 0 {
            self.newest = Some(one);
        }
    }
}

/// Layout, by the folders of an object, and format, by its name.
fn kind(source: &SourceConfig, found: &Found) -> String {
    let hive = found.partition.prefix.contains("/aws-service=vpcflowlogs/");
    let template = source.layout.as_str();
    let layout = match (hive, found.partition.span) {
        _ if template.contains('{') => template,
        (false, PartitionSpan::Day) => "daily",
        (false, PartitionSpan::Hour) => "hourly",
        (true, PartitionSpan::Day) => "hive-daily",
        (true, PartitionSpan::Hour) => "hive-hourly",
    };
    let format = if found.listed.id.key.ends_with(".parquet") { "Parquet" } else { "text" };
    format!("{layout}, {format}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        assert_eq!(guarded(|| 1).await, Ok(1));
        let panicked: Result<(), String> = guarded(|| panic!("at offset {}", 7)).await;
        assert_eq!(
            panicked,
            Err("would be quarantined: corrupt: the decoder panicked: at offset 7".to_owned())
        );
    }
}
