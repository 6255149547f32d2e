//! `source.layout`, until the grammar of keys is read here too.

pub(super) fn default() -> String {
    "auto".to_owned()
}

pub(super) fn parse(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}
