//! What was typed: the file and the environment as one tree of values, which [`Table`] reads key by key.
//!
//! Refuses to know what any key means.

mod table;

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    providers::{Format as _, Toml},
    value::{Dict, Map, Value},
};

pub(super) use table::{Node, Table};

use super::problems::{Problems, nearest};

/// What the names of environment overrides begin with.
pub const ENV_PREFIX: &str = "FLOWCOST__";

/// The keys that an environment variable can set: plain keys of plain sections.
pub(super) const OVERRIDABLE: [(&str, &[&str]); 8] = [
    ("state", &["path", "keep"]),
    ("ingest", &["poll_interval", "lookback", "start", "concurrency"]),
    ("ports", &["match"]),
    ("aws", &["ip_ranges", "gateway_path"]),
    ("counting", &["vantage", "endpoint_processing_at", "rejected"]),
    (
        "prices",
        &[
            "region",
            "gb",
            "free_gb",
            "elsewhere_gb",
            "inter_az",
            "inter_region",
            "nat_processing",
            "nat_hop",
            "internet_egress",
            "regional_public",
            "vpc_endpoint_processing",
            "transit_gateway_processing",
            "vpn_egress",
            "direct_connect_egress",
        ],
    ),
    ("budget", &["monthly_usd", "inter_az_ratio"]),
    ("limits", &["series", "object_bytes", "decompressed_bytes", "bad_rows_per_object"]),
];

/// Keys that hold lists or tables, by the start of the variable's name.
const FILE_ONLY: [&str; 10] = [
    "SOURCE",
    "ZONE",
    "PORT_GROUP",
    "NAT_GATEWAY",
    "FORWARDER",
    "SERVICE",
    "AWS__PEERED",
    "AWS__PUBLIC_CIDRS",
    "PRICES__REGIONS",
    "PRICES__NO_CHARGE",
];

/// File and environment, merged.
pub(super) struct Raw {
    figment: Figment,
    tree: Dict,
    syntax: Syntax,
}

/// How the file is written, for what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Toml,
    Yaml,
}

/// One environment variable as a layer of its own, so that a problem can name it.
struct Variable {
    name: String,
    section: &'static str,
    key: &'static str,
    text: String,
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let keys = Dict::from([(self.key.to_owned(), Value::from(self.text.clone()))]);
        let tree = Dict::from([(self.section.to_owned(), Value::from(keys))]);
        Ok(Profile::Default.collect(tree))
    }
}

impl Raw {
    /// Merges the text of a file with the `FLOWCOST__` variables of an environment; the rest of it is not looked at.
    pub(super) fn merge(text: &str, environment: &[(String, String)], problems: &mut Problems) -> Self {
        let mut figment = Figment::from(Toml::string(text));
        for (name, text) in environment.iter().filter(|(name, _)| name.starts_with(ENV_PREFIX)) {
            match overridable(name) {
                Some((section, key)) => {
                    figment =
                        figment.merge(Variable { name: name.clone(), section, key, text: text.clone() });
                }
                None => problems.at(name, unknown_variable(name)),
            }
        }
        let tree = match figment.find_value("") {
            Ok(Value::Dict(_, tree)) => tree,
            Ok(_) => Dict::new(),
            Err(error) => {
                problems.at("", format!("is not valid TOML:\n{}", error.kind));
                Dict::new()
            }
        };
        Self { figment, tree, syntax: Syntax::Toml }
    }

    /// A text in YAML. Keys that are there twice are a problem; no part of the text is repeated in one, because it may
    /// be a secret.
    pub(super) fn yaml(text: &str, problems: &mut Problems) -> Self {
        let options = serde_saphyr::options! { with_snippet: false, reject_unsupported_tags: true };
        let tree = match serde_saphyr::from_str_with_options(text, options) {
            Ok(Value::Dict(_, tree)) => tree,
            Ok(Value::Empty(..)) => Dict::new(),
            Ok(_) => {
                problems.at("", "is not a mapping of keys to values, as YAML has it");
                Dict::new()
            }
            // With comments only it has no document.
            Err(error) if matches!(error.without_snippet(), serde_saphyr::Error::Eof { .. }) => Dict::new(),
            Err(error) => {
                problems.at("", format!("is not valid YAML:\n{}", error.without_snippet()));
                Dict::new()
            }
        };
        Self { figment: Figment::new(), tree, syntax: Syntax::Yaml }
    }
}

fn overridable(variable: &str) -> Option<(&'static str, &'static str)> {
    OVERRIDABLE
        .iter()
        .flat_map(|(section, keys)| keys.iter().map(move |key| (*section, *key)))
        .find(|(section, key)| variable_name(section, key) == variable)
}

/// The variable that sets a key.
fn variable_name(section: &str, key: &str) -> String {
    format!("{ENV_PREFIX}{}__{}", section.to_uppercase(), key.to_uppercase())
}

fn unknown_variable(name: &str) -> String {
    let rest = name[ENV_PREFIX.len()..].to_uppercase();
    if FILE_ONLY.iter().any(|table| rest.starts_with(table)) {
        return "lists and tables ([[source]], [[zone]], [[port_group]], [[nat_gateway]], [[forwarder]], [[service]], \
                aws.peered, aws.public_cidrs, [prices.regions], no_charge) can be set in the file only; unset this \
                variable"
            .to_owned();
    }
    let names: Vec<String> = OVERRIDABLE
        .iter()
        .flat_map(|(section, keys)| keys.iter().map(move |key| variable_name(section, key)))
        .collect();
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("unknown variable; did you mean {near}?"),
        None => {
            let sections: Vec<&str> = OVERRIDABLE.iter().map(|(section, _)| *section).collect();
            format!(
                "unknown variable; {ENV_PREFIX}<SECTION>__<KEY> sets a key of the sections {}: unset it or correct it",
                sections.join(", ")
            )
        }
    }
}
