//! What `check` finds, for programs. Bytes are integers; the version of the schema goes up when a key changes its meaning or
//! goes away.

use serde_json::{Value, json};

use super::{
    Reach,
    mends::{self, Piece},
    sample::Sample,
};
use crate::{
    classify::Rules,
    config::{ConfigError, Setup, SetupError, SourceConfig, TOPIC},
};

/// Version of the schema.
const SCHEMA: u32 = 1;

/// A valid configuration, and what its sources hold where that was asked for.
pub fn summary(setup: &Setup, hints: &[String], reach: Option<&Reach>) -> Value {
    let Setup { config, web } = setup;
    let text = format!("{config}{web}");
    // Two columns: the topic, and what is said of it. The hints come as lists of their own.
    let lines = text.lines().filter_map(|line| {
        let (topic, text) = line.split_at_checked(TOPIC)?;
        (topic.trim() != "warning").then(|| json!({ "topic": topic.trim(), "text": text.trim_start() }))
    });
    let warnings: Vec<&String> = config.warnings.iter().chain(&web.warnings).chain(hints).collect();
    json!({
        "schema": SCHEMA,
        "ok": reach.is_none_or(|reach| reach.ok),
        "problems": [],
        "warnings": warnings,
        "summary": lines.collect::<Vec<_>>(),
        "reach": reach.map(|reach| &reach.json),
    })
}

/// Configurations that cannot be used.
pub fn problems(error: &SetupError) -> Value {
    let of_file = |ConfigError { file, problems }: &ConfigError| {
        let problem = |problem: &crate::config::Problem| {
            json!({
                "file": file,
                "key": problem.key,
                "line": problem.line,
                "variable": problem.variable,
                "value": problem.value,
                "wanted": problem.wanted,
            })
        };
        problems.iter().map(problem).collect::<Vec<_>>()
    };
    let problems: Vec<Value> = error.0.iter().flat_map(of_file).collect();
    json!({ "schema": SCHEMA, "ok": false, "problems": problems, "warnings": [], "summary": [], "reach": null })
}

/// What was found out about one source.
pub(super) fn source(
    source: &SourceConfig,
    said: &str,
    error: Option<&String>,
    sample: &Sample,
    rules: &Rules,
) -> Value {
    let mends = mends::of(sample, rules).into_iter();
    let doubts = sample.doubts.iter().map(|(kind, bytes)| (kind.as_str().to_owned(), json!(bytes)));
    let relations = sample.relations.iter().map(|(kind, bytes)| (kind.as_str().to_owned(), json!(bytes)));
    json!({
        "source": &*source.name,
        "url": source.url,
        "ok": error.is_none(),
        "error": error,
        "said": said.lines().map(str::trim_end).collect::<Vec<_>>(),
        "sample": {
            "objects": sample.objects,
            "records": sample.records,
            "bytes": sample.bytes,
            "unknown_bytes": sample.unknown(),
            "both_azs_bytes": sample.both_azs,
            "relation_bytes": relations.collect::<serde_json::Map<_, _>>(),
            "doubtful_bytes": doubts.collect::<serde_json::Map<_, _>>(),
        },
        "mend": mends.map(|piece| {
            let Piece { kind, reason, toml } = piece;
            json!({ "kind": kind.as_str(), "reason": reason, "toml": toml })
        }).collect::<Vec<_>>(),
    })
}
