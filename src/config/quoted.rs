//! Text that goes into a configuration.

use std::fmt::Write as _;

/// Text as a TOML basic string.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(c)).expect("a string takes every text");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
