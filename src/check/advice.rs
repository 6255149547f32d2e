//! A sample in words, with the configuration that would mend what it shows.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    mends::{self, Kind, Piece},
    sample::Sample,
};
use crate::{
    classify::Rules,
    decode::Field,
    model::{Doubt, Relation},
};

/// What was said of earlier sources, so that nothing is said twice.
#[derive(Default)]
pub(super) struct Told {
    said: BTreeSet<String>,
    to_mend: usize,
    suggestions: usize,
}

/// Writes what a sample shows, and what to write into the configuration.
pub(super) fn write(text: &mut String, sample: &Sample, rules: &Rules, told: &mut Told) {
    let Sample { objects, records, bytes, .. } = sample;
    let s = if *objects == 1 { "" } else { "s" };
    let _ = writeln!(text, "sample: {objects} object{s}, {records} records, {} counted", gib(*bytes));
    if *bytes > 0 {
        write_shares(text, sample);
    }
    write_doubts(text, sample);
    write_pieces(text, mends::of(sample, rules), told);
}

/// Writes pieces that were not written before: what is to be mended, then what is only suggested.
fn write_pieces(text: &mut String, pieces: Vec<Piece>, told: &mut Told) {
    // Sizes differ from source to source: what to write is what would be repeated.
    let new = |piece: &Piece| {
        told.said.insert(if piece.toml.is_empty() { piece.reason.clone() } else { piece.toml.clone() })
    };
    let (to_mend, suggestions): (Vec<Piece>, Vec<Piece>) =
        pieces.into_iter().filter(new).partition(|piece| piece.kind == Kind::Mend);
    told.to_mend += to_mend.len();
    told.suggestions += suggestions.len();
    for (header, pieces) in
        [("to mend it, in the configuration:", to_mend), ("suggestions for the configuration:", suggestions)]
    {
        if !pieces.is_empty() {
            let _ = writeln!(text, "{header}");
        }
        for Piece { reason, toml, .. } in pieces {
            for line in reason.lines() {
                let _ = writeln!(text, "  # {line}");
            }
            for line in toml.lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
    }
}

/// The last line: how much of all samples has a name at both ends, and where to look first.
pub(super) fn verdict(sample: &Sample, unread: usize, told: &Told) -> (String, bool) {
    let unknown = sample.unknown();
    let known = sample.bytes.saturating_sub(unknown);
    let mut text = if sample.bytes == 0 {
        "verdict: no counted traffic in the sample".to_owned()
    } else {
        format!("verdict: {} % of bytes known", percent(known, sample.bytes))
    };
    let ok = u128::from(known) * 10 > u128::from(sample.bytes) * 9;
    let mut notes = Vec::new();
    if unread > 0 {
        let s = if unread == 1 { "" } else { "s" };
        notes.push(format!("{unread} source{s} cannot be read"));
    }
    if unknown > 0 {
        notes.push(format!("{} % have an end without a zone", percent(unknown, sample.bytes)));
    }
    let others = sample.doubts.iter().filter(|(doubt, bytes)| **doubt != Doubt::UnknownZone && **bytes > 0);
    if let Some((doubt, _)) = others.clone().max_by_key(|(_, bytes)| **bytes) {
        let more = others.count() - 1;
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        notes.push(format!("doubts: {}{more}", doubt.as_str()));
    }
    let s = |count: usize| if count == 1 { "" } else { "s" };
    match told.to_mend {
        0 if notes.is_empty() => notes.push("nothing to mend".to_owned()),
        0 => {}
        count => notes.push(format!("{count} thing{} to mend above", s(count))),
    }
    if told.suggestions > 0 {
        notes.push(format!("{} suggestion{} above", told.suggestions, s(told.suggestions)));
    }
    let _ = writeln!(text, "; {}", notes.join(", "));
    (text, ok && unread == 0)
}

fn write_shares(text: &mut String, sample: &Sample) {
    let share = |bytes: u64| percent(bytes, sample.bytes);
    let of = |relation: Relation| sample.relations.get(&relation).copied().unwrap_or(0);
    let _ = writeln!(text, "  {:>5} %  both AZs known", share(sample.both_azs));
    for (relation, words) in [
        (Relation::SameAz, "within one AZ"),
        (Relation::InterAz, "between AZs"),
        (Relation::InterRegion, "between regions"),
        (Relation::Internet, "to or from the internet"),
        (Relation::Aws, "to or from addresses of AWS"),
    ] {
        if of(relation) > 0 {
            let _ = writeln!(text, "  {:>5} %  {words}", share(of(relation)));
        }
    }
}

fn write_doubts(text: &mut String, sample: &Sample) {
    for (doubt, bytes) in sample.doubts.iter().filter(|(_, bytes)| **bytes > 0) {
        // The bytes of NAT records and of other sides are not among those that count.
        let share = match doubt {
            Doubt::NatLeg | Doubt::FarSide => gib(*bytes),
            _ => format!("{} %", percent(*bytes, sample.bytes)),
        };
        let _ = writeln!(text, "doubt {}: {share}: {}", doubt.as_str(), remedy(*doubt, sample));
    }
}

/// What a doubt means, and what ends it.
fn remedy(doubt: Doubt, sample: &Sample) -> &'static str {
    let has = |field| sample.columns.is_none_or(|columns| columns.contains(field));
    match doubt {
        Doubt::UnknownZone if !has(Field::AzId) || !has(Field::FlowDirection) => {
            "an end has no zone; list the networks of every zone, or log az-id and flow-direction"
        }
        Doubt::UnknownZone => "an end has no zone; see the networks below",
        Doubt::EgressPath if !has(Field::TrafficPath) => {
            "traffic to the internet whose way is not logged; log traffic-path, or list aws.public_cidrs"
        }
        Doubt::EgressPath => {
            "traffic to the internet whose way is not logged; list addresses without a NAT gateway in aws.public_cidrs"
        }
        Doubt::Interface => {
            "the recording interface may stand between the ends; log instance-id and interface-type"
        }
        Doubt::BetweenVpcs => {
            "two VPCs, and nothing says how they are connected; list pairs in aws.peered, or log traffic-path"
        }
        Doubt::RegionalPublic => {
            "public addresses of EC2 in the region; some services there cost nothing, exempt them in prices.no_charge"
        }
        Doubt::OwnSide => "whose record it is is not logged; log flow-direction and interface-id",
        Doubt::NatLeg => {
            "which side of a NAT gateway is the client's is not certain; list the networks of the zones"
        }
        Doubt::FarSide => {
            "left to the sender's record, which may not exist; list its network in a zone, with logged = false if it has no flow log"
        }
    }
}

pub(super) fn with_bytes(name: &str, bytes: u64) -> String {
    if bytes == 0 { name.to_owned() } else { format!("{name} ({})", gib(bytes)) }
}

/// Tenths of a percent, rounded down, so that only all of it is 100.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let tenths = (u128::from(part) * 1_000).checked_div(u128::from(whole)).unwrap_or(0);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// GiB with two places, or MiB and less where that would be 0.
pub(super) fn gib(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (unit, name) in UNITS {
        if bytes >= unit {
            let hundredths = u128::from(bytes) * 100 / u128::from(unit);
            return format!("{}.{:02} {name}", hundredths / 100, hundredths % 100);
        }
    }
    format!("{bytes} B")
}
