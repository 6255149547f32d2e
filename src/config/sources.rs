//! `[[source]]`: where flow logs are kept.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
    sync::Arc,
};

use super::{
    Location, SourceConfig,
    problems::{Problems, nearest},
    raw::{Node, Table},
    scope::set,
    sections::monthly_usd,
    topology::once,
    values::{self, Parsed},
};
use crate::{discover::layout::Layout, pricing::REGIONS};

/// All sources.
pub(super) struct Sources {
    /// The good ones.
    pub(super) list: Vec<SourceConfig>,
    /// Names of all of them, which scopes can have.
    pub(super) names: Vec<Arc<str>>,
    /// The region of the first, as far as it is readable.
    pub(super) home: Option<Arc<str>>,
}

/// Reads all sources.
pub(super) fn read(root: &mut Table<'_>, problems: &mut Problems, warnings: &mut Vec<String>) -> Sources {
    let tables = root.tables(problems, "source");
    if tables.is_empty() && !problems.any_below("source") {
        problems.at(
            "source",
            "is missing: at least one place to read flow logs from is needed:\n\
             [[source]]\n\
             name = \"main\"\n\
             url = \"s3://my-flow-log-bucket/\"\n\
             region = \"us-east-1\"",
        );
    }
    let mut home = None;
    let (mut names, mut seen) = (Vec::new(), BTreeMap::new());
    let mut sources: Vec<(Node<'_>, SourceConfig)> = Vec::new();
    for (index, mut table) in tables.into_iter().enumerate() {
        let name = table.required(
            problems,
            "name",
            "any name; it is the label `source` of the metrics",
            values::name,
        );
        if let Some(name) = &name {
            once(problems, &mut seen, name, "give each source its own name");
            names.push(name.1.clone());
        }
        let url =
            table.required(problems, "url", "write \"s3://bucket/prefix/\" or \"file:///folder/\"", location);
        let region = table.required(
            problems,
            "region",
            "the AWS region of the logs, such as \"us-east-1\"",
            values::region,
        );
        if index == 0 {
            home = region.as_ref().map(|(_, region)| region.clone());
        }
        warnings.extend(region.as_ref().and_then(|(node, region)| unfamiliar(&node.path, region)));
        let source = rest(&mut table, url.as_ref().map(|(_, location)| location), problems, warnings);
        table.finish(problems);
        if let (Some((_, name)), Some((node, location)), Some((_, region))) = (name, url, region) {
            let source = SourceConfig { name, url: location.url(), location, region, ..source };
            warnings.extend(odd_bucket(&node.path, &source));
            if let Some(why) = sources.iter().find_map(|(_, other)| clash(&source, other)) {
                problems.push(node.problem(why));
            }
            sources.push((node, source));
        }
    }
    Sources { list: sources.into_iter().map(|(_, source)| source).collect(), names, home }
}

/// A region that this version has never heard of may be new, or mistyped.
pub(super) fn unfamiliar(path: &str, region: &str) -> Option<String> {
    if REGIONS.contains(&region) {
        return None;
    }
    let hint = nearest(region, REGIONS).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    Some(format!("{path}: {region:?} is not a region that this version knows{hint}"))
}

/// Everything but name, url and region, which stay empty.
fn rest(
    table: &mut Table<'_>,
    location: Option<&Location>,
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> SourceConfig {
    let layout = table.or(problems, "layout", auto(), |node| {
        Layout::parse(values::text(node)?).map_err(|error| error.to_string())
    });
    let accounts = set(table.list(problems, "accounts", values::account));
    let regions =
        set(table.list(problems, "regions", |node| values::region(node).map(|region| region.to_string())));
    warnings.extend(regions.iter().filter_map(|region| unfamiliar(&table.path_of("regions"), region)));
    for (list, token) in [(&accounts, "account"), (&regions, "region")] {
        if !list.is_empty() && !has_token(&layout, token) {
            warnings.push(format!(
                "{} has no effect: there is no {{{token}}} in layout = {:?}",
                table.path_of(&format!("{token}s")),
                layout.as_str()
            ));
        }
    }
    let flow_log_ids = set(
        table.list(problems, "flow_log_ids", |node| values::aws_id(node, "fl-").map(|id| id.to_string()))
    );
    let bucket_region = table.placed(problems, "bucket_region", bucket_region);
    let endpoint = table.placed(problems, "endpoint", endpoint);
    let path_style = table.placed(problems, "path_style", values::boolean);
    let request_payer = table.placed(problems, "request_payer", values::boolean);
    if let Some(Location::Local { .. }) = location {
        let s3_only = [
            bucket_region.as_ref().map(|(node, _)| node),
            endpoint.as_ref().map(|(node, _)| node),
            path_style.as_ref().map(|(node, _)| node),
            request_payer.as_ref().map(|(node, _)| node),
        ];
        for node in s3_only.into_iter().flatten() {
            problems.push(node.problem("is for s3:// urls only; remove it from this file:// source"));
        }
    }
    SourceConfig {
        name: Arc::from(""),
        url: String::new(),
        location: Location::S3 { bucket: String::new(), prefix: String::new() },
        region: Arc::from(""),
        bucket_region: bucket_region.map(|(_, region)| region),
        layout,
        accounts,
        regions,
        flow_log_ids,
        endpoint: endpoint.map(|(_, endpoint)| endpoint),
        path_style: path_style.is_some_and(|(_, path_style)| path_style),
        request_payer: request_payer.is_some_and(|(_, request_payer)| request_payer),
        monthly: table.optional(problems, "monthly_usd", monthly_usd),
    }
}

/// The layout of a source that names none.
fn auto() -> Layout {
    Layout::parse("auto").expect("a word of the grammar")
}

/// Whether keys of a layout say what a token stands for. Those of AWS all do.
pub(super) fn has_token(layout: &Layout, token: &str) -> bool {
    let text = layout.as_str();
    !text.contains('{') || text.contains(&format!("{{{token}}}"))
}

/// Why two sources cannot stand side by side, if so.
fn clash(new: &SourceConfig, other: &SourceConfig) -> Option<String> {
    let nested = match (&new.location, &other.location) {
        (Location::S3 { bucket, prefix: one }, Location::S3 { bucket: same, prefix: two })
            if bucket == same =>
        {
            if new.endpoint != other.endpoint {
                // An object is known by bucket and key, whichever store it is in.
                return Some(format!(
                    "is in a bucket of the same name as that of source {:?} ({}), at another endpoint: objects are told apart by bucket and key, so those of one store would pass for those of the other; give one of them an exporter with a state of its own",
                    other.name, other.url
                ));
            }
            one.starts_with(two.as_str()) || two.starts_with(one.as_str())
        }
        (Location::Local { root: one }, Location::Local { root: two }) => {
            one.starts_with(two) || two.starts_with(one)
        }
        _ => false,
    };
    (nested && !are_kept_apart(new, other)).then(|| {
        format!(
            "overlaps source {:?} ({}): the same objects would be counted twice; use one source for both, folders that do not contain each other, or accounts (or regions) in both that have nothing in common, where the layouts of both have {{account}} (or {{region}})",
            other.name, other.url
        )
    })
}

/// Whether both sources are limited to accounts, or to regions, that the other one does not read.
fn are_kept_apart(one: &SourceConfig, other: &SourceConfig) -> bool {
    let apart = |list: fn(&SourceConfig) -> &[String], token: &str| {
        let (left, right) = (list(one), list(other));
        !left.is_empty()
            && !right.is_empty()
            && !left.iter().any(|item| right.contains(item))
            && [one, other].iter().all(|source| has_token(&source.layout, token))
    };
    apart(|source| &source.accounts, "account") || apart(|source| &source.regions, "region")
}

/// `s3://bucket/prefix/` or `file:///folder/`, with or without the last slash.
fn location(node: &Node<'_>) -> Parsed<Location> {
    let typed = values::text(node)?;
    if let Some(rest) = typed.strip_prefix("s3://") {
        if let Some(why) = no_bucket(rest) {
            return Err(why);
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(bucket) {
            return Err("names no bucket; write \"s3://bucket/\" or \"s3://bucket/prefix/\"".to_owned());
        }
        if prefix.starts_with('/') || prefix.contains("//") {
            return Err("has an empty folder (//) in its prefix; remove the second slash".to_owned());
        }
        let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
        return Ok(Location::S3 { bucket: bucket.to_owned(), prefix: format!("{prefix}{slash}") });
    }
    if let Some(path) = typed.strip_prefix("file://") {
        let root = Path::new(path);
        let plain = root.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !root.is_absolute() || !plain {
            return Err(
                "must be an absolute path without . and .., with three slashes: \"file:///var/flowlogs/\""
                    .to_owned(),
            );
        }
        return Ok(Location::Local { root: root.components().collect() });
    }
    Err("must begin with s3:// or file://, such as \"s3://bucket/prefix/\" or \"file:///var/flowlogs/\""
        .to_owned())
}

/// Why what has the look of a bucket cannot be read as one, if so.
fn no_bucket(rest: &str) -> Option<String> {
    if rest.starts_with("arn:") {
        let remedy = if rest.contains(":accesspoint/") && rest.contains(".mrap") {
            "a multi-region access point has no alias that requests could be sent to, so name the bucket behind it"
        } else if rest.contains(":accesspoint") {
            "name the access point by its alias, such as \"s3://name-1a2b3c-s3alias/prefix/\" (Alias in `aws s3control \
             get-access-point`)"
        } else {
            "name the bucket, such as \"s3://bucket/prefix/\""
        };
        return Some(format!("is an ARN and not the name of a bucket: {remedy}"));
    }
    // Its listings are in no order, which finding what is new by its key depends on.
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-differences.html
    rest.split('/').next().is_some_and(|bucket| bucket.ends_with("--x-s3")).then(|| {
        "is a directory bucket (S3 Express One Zone), whose listings have no order; flow logs are delivered to general \
         purpose buckets: name one"
            .to_owned()
    })
}

/// Liberal: S3-compatible stores and old buckets allow more than new AWS buckets do.
fn is_bucket(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// A bucket that AWS cannot have. A warning: another store may be behind an endpoint of the environment, and in
/// us-east-1 there are buckets from before these rules.
fn odd_bucket(path: &str, source: &SourceConfig) -> Option<String> {
    let Location::S3 { bucket, .. } = &source.location else { return None };
    let region = source.bucket_region.as_deref().unwrap_or(&source.region);
    if source.endpoint.is_some() || region == "us-east-1" || is_aws_bucket(bucket) {
        return None;
    }
    Some(format!(
        "{path}: AWS has no bucket {bucket:?} in {region}: a name is 3 to 63 lowercase letters, digits, dots and hyphens, \
         and begins and ends with a letter or digit; look for a typing error, or set endpoint if it is another store"
    ))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_aws_bucket(name: &str) -> bool {
    let is_end =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| is_end(Some(byte)) || b".-".contains(byte))
        && is_end(bytes.first())
        && is_end(bytes.last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
}

fn bucket_region(node: &Node<'_>) -> Parsed<String> {
    let typed = values::text(node)?;
    // S3-compatible stores have regions of their own, such as `garage` or `auto`: only the characters are checked.
    if typed.len() <= 64 && typed.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        Ok(typed.to_owned())
    } else {
        Err("is no region, such as \"eu-west-1\"".to_owned())
    }
}

fn endpoint(node: &Node<'_>) -> Parsed<String> {
    let typed = values::text(node)?;
    let host = typed.strip_prefix("https://").or(typed.strip_prefix("http://")).unwrap_or_default();
    let host = host.trim_end_matches('/');
    if host.is_empty() || host.contains(|c: char| c == '?' || c == '#' || c == '@' || c.is_whitespace()) {
        return Err("must be the url of a store, such as \"http://127.0.0.1:9000\"".to_owned());
    }
    Ok(typed.trim_end_matches('/').to_owned())
}
