//! `check --reach`: lists each source, says what the columns of its objects enable and what they rule out, and reads a
//! sample: how much of the traffic is known, and what would mend the rest.
//!
//! Reads only; neither state nor metrics know of it. How it is listed and read, it leaves to the reader.

mod advice;
mod filters;
mod json;
mod mends;
mod sample;
mod times;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    ops::ControlFlow,
    sync::Arc,
};

use serde_json::{Value, json};
use tokio::time::timeout;

pub use self::json::{problems, summary};
use self::{sample::Sample, times::Times};

use crate::{
    app::{self, AppError},
    classify::ObjectClassifier,
    config::{Config, Location, SourceConfig},
    decode::{ColumnSet, DecodeError, DecodeLimits, FlowBatch, features},
    discover::{
        Discovery, Found, Scan,
        layout::{delivery_of, flow_log_of},
        window::{self, Window},
    },
    event::unread_advice,
    limits,
    model::{Candidate, Hour, IgnoreReason, IgnoredKey, IgnoredKeys, PartitionSpan, Timestamp},
    reader::{Limits, Read, Reader, Source, Unread},
    store::chain,
};

/// What was found out about the sources of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Reach {
    /// For a person.
    pub text: String,
    /// For a program.
    pub json: Value,
    /// Whether every source could be listed, every object that was opened is a flow log, and of the sampled bytes more
    /// than nine tenths have a place or a name at both ends.
    pub ok: bool,
}

/// Asks every source, on a runtime of its own. Problems are part of the answer.
///
/// # Errors
/// When there can be no runtime.
pub fn reach(config: &Config, now: Timestamp) -> Result<Reach, AppError> {
    app::block_on(ask(config, now))
}

async fn ask(config: &Config, now: Timestamp) -> Reach {
    let mut text = String::new();
    let limits = Limits { concurrency: config.ingest.concurrency, object_bytes: config.limits.object_bytes };
    let reader = Reader::new(limits);
    let mut all = Sample::default();
    let mut told = advice::Told::default();
    let mut unread = 0;
    let mut sources = Vec::new();
    for source in &config.sources {
        let _ = writeln!(text, "source \"{}\" {}", source.name, source.url);
        let (mut said, mut sample) = (String::new(), Sample::default());
        let reached = reach_source(config, &reader, source, now, (&mut said, &mut sample, &mut told)).await;
        sources.push(json::source(source, &said, reached.as_ref().err(), &sample, &config.rules));
        if let Err(problem) = reached {
            let _ = writeln!(said, "{problem}");
            unread += 1;
        }
        all.merge(sample);
        for line in said.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    let (verdict, ok) = advice::verdict(&all, unread, &told);
    text.push_str(&verdict);
    let json = json!({ "ok": ok, "verdict": verdict.trim_end(), "sources": sources });
    Reach { text, json, ok }
}

/// Writes what it finds; the error is what is wrong at the end of it.
async fn reach_source(
    config: &Config,
    reader: &Reader,
    source: &SourceConfig,
    now: Timestamp,
    (text, sample, told): (&mut String, &mut Sample, &mut advice::Told),
) -> Result<(), String> {
    let logs = app::source(config, source, Arc::new(|_| {})).await;
    let mut logs = logs.map_err(|error| format!("cannot be listed: {}", chain(&error)))?;
    let discovery = &mut logs.discovery;
    discovery.find_roots().await.map_err(|error| format!("cannot be listed: {}", chain(&error)))?;
    let window = window::open(now, config.ingest.lookback, now.minus(config.ingest.lookback), None);
    let roots: Vec<String> = discovery.roots().map(str::to_owned).collect();
    let excluded = filters::of_folders(source, discovery.excluded());
    for line in &excluded {
        let _ = writeln!(text, "{line}");
    }
    if roots.is_empty() && !excluded.is_empty() {
        return Err("nothing is left to read: name what was found in these lists, or empty them".to_owned());
    }
    if roots.is_empty() {
        write_unread(text, discovery, window, IgnoredKeys::default()).await?;
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
    let mut listing = Listing::default();
    let mut scan = discovery.scan(window.recent(now), true);
    listing.take(source, &mut scan).await;
    if listing.groups.is_empty() && !scan.has_failed() {
        scan = discovery.scan(window, true);
        listing.take(source, &mut scan).await;
    }
    if let Some(error) = scan.failure() {
        return Err(format!("cannot be listed: {}", chain(&error)));
    }
    listing.write(text);
    write_unread(text, discovery, window, scan.ignored().clone()).await?;
    let excluded = filters::of_flow_logs(source, &listing.filtered);
    for line in &excluded {
        let _ = writeln!(text, "{line}");
    }
    if listing.groups.is_empty() && !excluded.is_empty() {
        return Err("nothing is left to read: name what was found in flow_log_ids, or empty it".to_owned());
    }
    if listing.groups.is_empty() {
        return Err(format!(
            "no flow log within ingest.lookback ({}): is the flow log active, and are url and layout right?",
            humantime::format_duration(config.ingest.lookback)
        ));
    }
    let decoding = DecodeLimits { decompressed_bytes: config.limits.decompressed_bytes };
    let mut unreadable = 0;
    let chosen = listing.sample();
    for (kind, group) in listing.groups {
        let Some(found) = group.newest else { continue };
        let _ = writeln!(text, "opened {} ({kind})", found.listed.id.key);
        match columns(decoding, reader, &logs, found.into_candidate(source.name.clone())).await {
            Ok((columns, times)) => {
                write_features(text, &columns);
                times.write(text);
            }
            Err(why) => {
                let _ = writeln!(text, "  {why}");
                unreadable += 1;
            }
        }
    }
    *sample = read_sample(decoding, reader, &logs, source, chosen).await;
    advice::write(text, sample, &config.rules, told);
    if unreadable > 0 { Err(format!("{unreadable} of what was opened cannot be read")) } else { Ok(()) }
}

/// Keys that look like flow logs and are not read, here or in folders of other layouts.
async fn write_unread(
    text: &mut String,
    discovery: &mut Discovery,
    window: Window,
    mut keys: IgnoredKeys,
) -> Result<(), String> {
    let looked = discovery.look_elsewhere(window, &mut keys).await;
    looked.map_err(|error| format!("cannot be listed: {}", chain(&error)))?;
    for kind in IgnoredKey::ALL {
        let Some(example) = keys.example(kind) else { continue };
        let (objects, word) = (keys.count(kind), kind.as_str());
        let s = if objects == 1 { "" } else { "s" };
        let _ = writeln!(text, "not read, {word}: {objects} key{s} like {example}");
        let _ = writeln!(text, "  {}", unread_advice(kind));
    }
    Ok(())
}

/// Reads the objects one after another, as far as time goes. One that cannot be read says nothing here.
async fn read_sample(
    decoding: DecodeLimits,
    reader: &Reader,
    logs: &Source,
    source: &SourceConfig,
    chosen: Vec<Found>,
) -> Sample {
    let mut all = Sample::default();
    let reading = async {
        for found in chosen {
            let mut candidate = found.into_candidate(source.name.clone());
            let reading = reader.read(logs, &mut candidate, move |object| sample::take(object, &decoding));
            if let Ok(Read { value: Ok(Ok(sample)), .. }) = reading.await {
                all.merge(sample);
            }
        }
    };
    // What was read until then is the sample.
    let _ = timeout(limits::REACH_TIME, reading).await;
    all
}

/// Sources whose folder is missing now, in words. Looks at the disk, and waits for it.
pub fn missing_folders(config: &Config) -> Vec<String> {
    let missing = |source: &SourceConfig| match &source.location {
        Location::Local { root } if !root.is_dir() => {
            Some(format!("source {:?}: there is no folder {}", source.name, root.display()))
        }
        Location::Local { .. } | Location::S3 { .. } => None,
    };
    config.sources.iter().filter_map(missing).collect()
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

/// The columns of an object, and how it has its times, after its first records have been decoded.
async fn columns(
    limits: DecodeLimits,
    reader: &Reader,
    logs: &Source,
    mut candidate: Candidate,
) -> Result<(ColumnSet, Times), String> {
    let sample = reader.read(logs, &mut candidate, move |object| {
        let mut times = Times::default();
        let first = |batch: &FlowBatch, _: &mut ObjectClassifier<'_>| {
            times = Times::of(batch);
            Ok(ControlFlow::Break(()))
        };
        object.each_batch(&limits, first).map(|(columns, _)| (columns, times))
    });
    let sample = match sample.await {
        Ok(read) => read.value.unwrap_or_else(|why| Err(DecodeError::Quarantine(why))),
        Err(Unread::Failed { error, .. }) => return Err(format!("cannot be read: {error}")),
        Err(Unread::Quarantined(why)) => Err(DecodeError::Quarantine(why)),
    };
    match sample {
        Ok(columns) => Ok(columns),
        Err(DecodeError::Quarantine(why)) => Err(format!("would be quarantined: {why}")),
        Err(DecodeError::Ignore(IgnoreReason::TransitGateway)) => {
            Err("is a transit gateway flow log: those are ignored".to_owned())
        }
        Err(DecodeError::Ignore(reason)) => Err(format!("would be ignored: {}", reason.as_str())),
    }
}

/// What some pages of a listing have shown.
#[derive(Default)]
struct Listing {
    /// By layout and format, as for a person.
    groups: BTreeMap<String, Group>,
    /// All flow logs that are not empty.
    flow_logs: Vec<Found>,
    others: u64,
    /// Objects that `flow_log_ids` keeps out, by flow log; without an id, by an empty one.
    filtered: BTreeMap<String, u64>,
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
    async fn take(&mut self, source: &SourceConfig, scan: &mut Scan) {
        self.others = 0;
        self.filtered.clear();
        let mut pages = 0;
        while let Some(found) = scan.next().await {
            for one in found {
                if one.ignored == Some(IgnoreReason::Filtered) {
                    let id = flow_log_of(&one.listed.id.key).unwrap_or_default();
                    if self.filtered.len() < limits::HINTS || self.filtered.contains_key(id) {
                        *self.filtered.entry(id.to_owned()).or_default() += 1;
                    }
                } else if one.ignored.is_some() {
                    self.others += 1;
                } else {
                    self.groups.entry(kind(source, &one)).or_default().take(&one);
                    if one.listed.size > 0 {
                        self.flow_logs.push(one);
                    }
                }
            }
            pages += 1;
            if pages >= limits::REACH_PAGES {
                self.cut = true;
                return;
            }
        }
    }

    /// Objects of one time, so that both sides of a flow may be among them: of the newest slot that has enough, else
    /// of the one with the most, and then the newest of the others.
    fn sample(&mut self) -> Vec<Found> {
        let mut slots: BTreeMap<(Hour, String), Vec<Found>> = BTreeMap::new();
        for found in self.flow_logs.drain(..) {
            let slot =
                (found.partition.start, delivery_of(&found.listed.id.key).unwrap_or_default().to_owned());
            slots.entry(slot).or_default().push(found);
        }
        let full = slots.iter().rev().find(|(_, objects)| objects.len() >= limits::REACH_SLOT);
        let best = full.or_else(|| slots.iter().max_by_key(|(_, objects)| objects.len()));
        let best = best.map(|(slot, _)| slot.clone()).and_then(|slot| slots.remove(&slot));
        let others = slots.into_values().rev().flatten();
        let mut bytes = 0_u64;
        let mut chosen: Vec<Found> = best.into_iter().flatten().chain(others).collect();
        chosen.truncate(limits::REACH_OBJECTS);
        chosen.retain(|found| {
            let first = bytes == 0;
            let fits = bytes.saturating_add(found.listed.size) <= limits::REACH_BYTES;
            if first || fits {
                bytes = bytes.saturating_add(found.listed.size);
            }
            first || fits
        });
        chosen
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
    fn take(&mut self, one: &Found) {
        self.objects += 1;
        if let Some(id) = flow_log_of(&one.listed.id.key).filter(|_| self.flow_logs.len() < limits::HINTS) {
            self.flow_logs.insert(id.to_owned());
        }
        // A zero-byte object says nothing about columns.
        let newer = self.newest.as_ref().is_none_or(|newest| newest.partition.start <= one.partition.start);
        if newer && one.listed.size > 0 {
            self.newest = Some(one.clone());
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
