//! Single values: from what stands at a key to what it means, or to a sentence that says what would be right.

use std::{
    net::{IpAddr, Ipv6Addr},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use bytesize::ByteSize;
use ipnet::IpNet;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{problems::nearest, raw::Node};
use crate::{
    discover::layout::{is_account, is_region},
    limits,
    model::{AWS_LABEL, NanoUsd, RESERVED_ZONES, Timestamp},
    pricing::{NanoGb, REGIONS, parse_gb, parse_usd},
};

/// What every parser returns: the value, or what would be right.
pub(super) type Parsed<T> = Result<T, String>;

/// A text that is not empty.
pub(super) fn text<'a>(node: &Node<'a>) -> Parsed<&'a str> {
    match node.text() {
        Some("") => Err("must not be empty".to_owned()),
        Some(text) => Ok(text),
        None => Err("must be a text in quotes".to_owned()),
    }
}

/// A name: 1 to 128 characters of any kind.
pub(super) fn name(node: &Node<'_>) -> Parsed<Arc<str>> {
    let text = text(node)?;
    match text.chars().count() {
        1..=limits::NAME_CHARS => Ok(Arc::from(text)),
        count => Err(format!("has {count} characters; a name has 1 to {}", limits::NAME_CHARS)),
    }
}

/// A name that becomes the value of a label, where some values have a meaning of their own.
pub(super) fn label(node: &Node<'_>) -> Parsed<Arc<str>> {
    let name = name(node)?;
    if RESERVED_ZONES.contains(&&*name) {
        return Err(format!(
            "is a reserved name ({} mean something to the exporter); choose another",
            RESERVED_ZONES.join(", ")
        ));
    }
    Ok(name)
}

/// The name of a zone. `aws:` begins the labels of AWS's own addresses.
pub(super) fn zone_name(node: &Node<'_>) -> Parsed<Arc<str>> {
    let name = label(node)?;
    if name.starts_with(AWS_LABEL) {
        return Err("begins with aws:, as the labels of AWS's own addresses do; choose another".to_owned());
    }
    Ok(name)
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(node: &Node<'_>, words: &[(&str, T)]) -> Parsed<T> {
    let wanted = || {
        let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        format!("must be one of {}", words.join(", "))
    };
    let typed = node.text().ok_or_else(wanted)?;
    words.iter().find(|(word, _)| *word == typed).map(|(_, value)| *value).ok_or_else(wanted)
}

/// `true` or `false`.
pub(super) fn boolean(node: &Node<'_>) -> Parsed<bool> {
    node.boolean().ok_or_else(|| "must be true or false, without quotes".to_owned())
}

/// A whole number in a range.
pub(super) fn integer(node: &Node<'_>, range: &RangeInclusive<u64>) -> Parsed<u64> {
    node.number().and_then(|digits| digits.parse().ok()).filter(|number| range.contains(number)).ok_or_else(
        || {
            let (low, high) = (range.start(), range.end());
            if *high == u64::MAX {
                format!("must be a whole number of at least {low}, without quotes")
            } else {
                format!("must be a whole number from {low} to {high}, without quotes")
            }
        },
    )
}

/// A share: 0 to 1.
pub(super) fn ratio(node: &Node<'_>) -> Parsed<f64> {
    let number = node.number().and_then(|digits| digits.parse::<f64>().ok());
    match number {
        Some(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Some(percent) if percent > 1.0 && percent <= 100.0 => {
            Err(format!("must be a share from 0 to 1; {percent} percent are {}", percent / 100.0))
        }
        _ => Err("must be a share from 0 to 1, such as 0.30, without quotes".to_owned()),
    }
}

/// Dollars, exactly.
pub(super) fn usd(node: &Node<'_>, max: u64) -> Parsed<NanoUsd> {
    let digits = node.number().ok_or("must be a number of USD without quotes, such as 0.045")?;
    parse_usd(&digits, max).map_err(|error| error.to_string())
}

/// Gigabytes, exactly.
pub(super) fn gigabytes(node: &Node<'_>) -> Parsed<NanoGb> {
    node.number().and_then(|digits| parse_gb(&digits, limits::TIER_GB)).ok_or_else(|| {
        format!("must be a number of GB from 0 to {} without quotes, with up to 9 decimals", limits::TIER_GB)
    })
}

/// A span of time, as humantime writes it.
pub(super) fn duration(node: &Node<'_>, range: &RangeInclusive<Duration>) -> Parsed<Duration> {
    let wanted = || {
        let (low, high) = (show_duration(*range.start()), show_duration(*range.end()));
        format!(
            "must be a duration in quotes from \"{low}\" to \"{high}\", such as \"90s\", \"5m\" or \"48h\""
        )
    };
    let typed = node.text().ok_or_else(wanted)?;
    humantime::parse_duration(typed.trim()).ok().filter(|span| range.contains(span)).ok_or_else(wanted)
}

/// A span of time in its largest whole unit up to days, readable by [`duration`].
pub(super) fn show_duration(span: Duration) -> String {
    // From how many on a unit reads better than the next smaller one: 48h and 60s are what people write.
    let units = [(86_400, "d", 3), (3_600, "h", 1), (60, "m", 2), (1, "s", 0)];
    let seconds = span.as_secs();
    let whole =
        |(size, _, least): &&(u64, &str, u64)| seconds.is_multiple_of(*size) && seconds / size >= *least;
    match units.iter().find(whole) {
        Some((size, unit, _)) if span.subsec_nanos() == 0 => format!("{}{unit}", seconds / size),
        _ => humantime::format_duration(span).to_string(),
    }
}

/// A number of bytes, as `64MiB` or a plain number.
pub(super) fn size(node: &Node<'_>, range: &RangeInclusive<u64>) -> Parsed<u64> {
    let typed = node.number().filter(|digits| !digits.contains('.')).or(node.text().map(str::to_owned));
    typed
        .and_then(|text| text.trim().parse::<ByteSize>().ok())
        .map(|size| size.as_u64())
        .filter(|bytes| range.contains(bytes))
        .ok_or_else(|| {
            let (low, high) = (show_size(*range.start()), show_size(*range.end()));
            format!("must be a size in quotes from \"{low}\" to \"{high}\", such as \"64MiB\"")
        })
}

/// A number of bytes in its largest whole unit, readable by [`size`].
pub(super) fn show_size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift)) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

/// A moment.
pub(super) fn moment(node: &Node<'_>) -> Parsed<Timestamp> {
    let wanted = "must be an RFC 3339 time with its zone, such as \"2025-12-09T00:00:00Z\"";
    let at = OffsetDateTime::parse(text(node).map_err(|_| wanted)?, &Rfc3339).map_err(|_| wanted)?;
    if !(2015..2100).contains(&at.year()) {
        return Err("must lie after 2015, the year of the first flow log, and before 2100".to_owned());
    }
    Ok(Timestamp(at.unix_timestamp()))
}

/// Something that has the form of an AWS region. Whether it exists is another question: new ones open every year.
pub(super) fn region(node: &Node<'_>) -> Parsed<Arc<str>> {
    let typed = text(node)?;
    if is_region(typed) {
        return Ok(Arc::from(typed));
    }
    let zone_letter =
        typed.strip_suffix(|last: char| last.is_ascii_lowercase()).filter(|rest| is_region(rest));
    match zone_letter.or_else(|| nearest(typed, REGIONS)) {
        Some(near) => Err(format!("is no AWS region; did you mean \"{near}\"?")),
        None => Err("is no AWS region, such as \"ap-northeast-1\"".to_owned()),
    }
}

/// An availability zone id, which is the same in every account.
pub(super) fn az_id(node: &Node<'_>) -> Parsed<Arc<str>> {
    let typed = text(node)?;
    let how =
        "must be a zone id such as \"use1-az1\"; `aws ec2 describe-availability-zones` shows it as ZoneId";
    let has_form = typed.chars().count() <= limits::NAME_CHARS
        && (typed.contains("az") || typed.contains("wlz"))
        && typed.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if has_form { Ok(Arc::from(typed)) } else { Err(how.to_owned()) }
}

/// A network, without host bits.
pub(super) fn cidr(node: &Node<'_>) -> Parsed<IpNet> {
    let typed = text(node).map_err(|_| "must be a network in quotes, such as \"10.0.128.0/22\"")?;
    if let Ok(address) = typed.parse::<IpAddr>() {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        return Err(format!("has no prefix length; for this one address write \"{address}/{bits}\""));
    }
    let net: IpNet =
        typed.parse().map_err(|_| "is no network, such as \"10.0.128.0/22\" or \"2001:db8::/56\"")?;
    if let IpNet::V6(v6) = net
        && v6.prefix_len() >= 96
        && let Some(v4) = v6.network().to_ipv4_mapped()
    {
        let bits = v6.prefix_len() - 96;
        return Err(format!("is an IPv4 network written as IPv6; write \"{v4}/{bits}\""));
    }
    if net.trunc() != net {
        return Err(format!("has bits set behind its prefix; write \"{}\"", net.trunc()));
    }
    Ok(net)
}

/// An address. IPv4-mapped IPv6 is IPv4, as in the records.
pub(super) fn address(node: &Node<'_>) -> Parsed<IpAddr> {
    let typed = text(node).map_err(|_| "must be an address in quotes, such as \"10.0.136.5\"")?;
    match typed.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) => Ok(unmapped(v6)),
        Ok(v4) => Ok(v4),
        Err(_) if typed.contains('/') => {
            Err("must be one address, not a network: leave out the / part".to_owned())
        }
        Err(_) => Err("is no address, such as \"10.0.136.5\"".to_owned()),
    }
}

fn unmapped(v6: Ipv6Addr) -> IpAddr {
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
}

/// A port or an inclusive range of ports.
pub(super) fn ports(node: &Node<'_>) -> Parsed<RangeInclusive<u16>> {
    let wanted = || {
        "must be a port from 0 to 65535 such as 4101, or a range in quotes such as \"4102-4107\"".to_owned()
    };
    let port = |digits: &str| digits.trim().parse::<u16>().map_err(|_| wanted());
    let typed = node.number().or(node.text().map(str::to_owned)).ok_or_else(wanted)?;
    let (first, last) = match typed.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(&typed)?, port(&typed)?),
    };
    if first > last {
        return Err(format!("runs backwards; write \"{last}-{first}\""));
    }
    Ok(first..=last)
}

/// An id of AWS: a prefix, and letters or digits. AWS's are hexadecimal, those of documentation need not be.
pub(super) fn aws_id(node: &Node<'_>, prefix: &str) -> Parsed<Arc<str>> {
    let typed = node.text().unwrap_or_default();
    match typed.strip_prefix(prefix) {
        Some(hex)
            if !hex.is_empty() && hex.len() <= 64 && hex.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            Ok(Arc::from(typed))
        }
        _ => Err(format!(
            "must be an id in quotes that begins with {prefix}, such as \"{prefix}0352f8c82da6aa229\""
        )),
    }
}

/// An account number: text, because it may begin with zeros.
pub(super) fn account(node: &Node<'_>) -> Parsed<String> {
    match node.text() {
        Some(digits) if is_account(digits) => Ok(digits.to_owned()),
        _ => Err("must be an account number of 12 digits in quotes, such as \"123456789012\"".to_owned()),
    }
}
