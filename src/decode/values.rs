//! One value as the file has it, to one cell. Shared by all formats, so that the same text means the same in each.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use super::{Account, Action, AddrCell, AwsService, Direction, IntCell, InterfaceType, LogStatus};

/// How flow logs write "there is none".
pub(super) fn is_null(text: &[u8]) -> bool {
    text.is_empty() || text == b"-"
}

pub(super) fn address(text: &[u8]) -> AddrCell {
    if is_null(text) {
        return AddrCell::Null;
    }
    if let Some(ip) = plain_v4(text) {
        return AddrCell::Ip(IpAddr::V4(ip));
    }
    match std::str::from_utf8(text).ok().and_then(|text| text.parse::<IpAddr>().ok()) {
        Some(ip) => canonical(ip),
        None => AddrCell::Bad,
    }
}

/// An IPv6 address that carries an IPv4 address is that one (semantics 1.11).
fn canonical(ip: IpAddr) -> AddrCell {
    const NAT64: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
    match ip.to_canonical() {
        IpAddr::V6(v6) => match v6.octets() {
            [prefix @ .., a, b, c, d] if prefix == NAT64 => AddrCell::Nat64([a, b, c, d].into()),
            _ => AddrCell::Ip(v6.into()),
        },
        v4 => AddrCell::Ip(v4),
    }
}

/// Four numbers as nearly all addresses have them; what is not like that is left to the standard library.
fn plain_v4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut octets, mut at, mut value, mut digits) = ([0; 4], 0, 0_u32, 0);
    for byte in text {
        match byte {
            b'0'..=b'9' if digits < 3 && (digits == 0 || value > 0) => {
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && at < 3 => {
                octets[at] = u8::try_from(value).ok()?;
                (at, value, digits) = (at + 1, 0, 0);
            }
            _ => return None,
        }
    }
    octets[3] = u8::try_from(value).ok()?;
    (at == 3 && digits > 0).then(|| octets.into())
}

/// What `str::parse` would make of it, without going through `str`: text has several integers a line.
pub(super) fn integer(text: &[u8]) -> IntCell {
    if let Some(value) = digits(text) {
        return IntCell::Value(value);
    }
    if is_null(text) {
        return IntCell::Null;
    }
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let value = if digits.len() <= SAFE_DIGITS { small(digits) } else { large(digits) };
    match value {
        Some(value) if negative => IntCell::Value(value),
        // Only the lowest value has no positive counterpart.
        Some(value) => value.checked_neg().map_or(IntCell::Bad, IntCell::Value),
        None => IntCell::Bad,
    }
}

/// Up to 16 digits and nothing else, eight at a time.
fn digits(text: &[u8]) -> Option<i64> {
    match text.len() {
        1..=8 => eight_digits(text),
        9..=16 => {
            let (high, low) = text.split_at(text.len() - 8);
            Some(eight_digits(high)? * 100_000_000 + eight_digits(low)?)
        }
        _ => None,
    }
}

/// At most eight digits, at least one: their values come together in pairs, fours and eights.
fn eight_digits(text: &[u8]) -> Option<i64> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let word = match text {
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
        fewer => match (fewer.first_chunk::<4>(), fewer.last_chunk::<4>()) {
            // Four digits at the end, and before them those that the first four have more.
            (Some(first), Some(last)) => {
                let more = 8 * (fewer.len() as u32 - 4);
                let first = u64::from(u32::from_le_bytes(*first)) & ((1 << more) - 1);
                let zeros = ZEROS & ((1 << (32 - more)) - 1);
                u64::from(u32::from_le_bytes(*last)) << 32 | first << (32 - more) | zeros
            }
            _ => fewer.iter().fold(ZEROS, |word, byte| (word >> 8) | (u64::from(*byte) << 56)),
        },
    };
    let all_digits = (word & 0xf0f0_f0f0_f0f0_f0f0) == ZEROS
        && (word.wrapping_add(0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0) == ZEROS;
    let values = word & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (values.wrapping_mul(2_561) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
    let all = fours.wrapping_mul(42_949_672_960_001) >> 32;
    all_digits.then_some(all.cast_signed())
}

/// Digits of which no number leaves the range of `i64`.
const SAFE_DIGITS: usize = 18;

/// The negative of a number of at most [`SAFE_DIGITS`].
fn small(digits: &[u8]) -> Option<i64> {
    let mut value = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 - i64::from(digit);
    }
    (!digits.is_empty()).then_some(value)
}

/// The negative of a number of any length.
fn large(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |value, digit| {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 { None } else { value.checked_mul(10)?.checked_sub(i64::from(digit)) }
    })
}

/// Text that is not UTF-8 is kept with replacement characters: it can equal no configured name.
pub(super) fn text(text: &[u8]) -> Option<Arc<str>> {
    (!is_null(text)).then(|| String::from_utf8_lossy(text).into())
}

pub(super) fn account(text: &[u8]) -> Account {
    match text {
        none if is_null(none) => Account::Null,
        id if id.len() == 12 => digits(id).map_or(Account::Other, |id| Account::Id(id.unsigned_abs())),
        _ => Account::Other,
    }
}

/// Whether there is a value.
pub(super) fn presence(text: &[u8]) -> bool {
    !is_null(text)
}

pub(super) fn interface_type(text: &[u8]) -> InterfaceType {
    match text {
        b"nat_gateway" => InterfaceType::NatGateway,
        b"regional_nat_gateway" => InterfaceType::RegionalNatGateway,
        b"transit_gateway" => InterfaceType::TransitGateway,
        b"network_load_balancer" => InterfaceType::NetworkLoadBalancer,
        b"vpc_endpoint" => InterfaceType::VpcEndpoint,
        b"gateway_load_balancer_endpoint" => InterfaceType::GatewayLoadBalancerEndpoint,
        _ => InterfaceType::Plain,
    }
}

pub(super) fn aws_service(text: &[u8]) -> AwsService {
    match text {
        b"EC2" => AwsService::Ec2,
        b"AMAZON" => AwsService::Amazon,
        other if is_null(other) => AwsService::None,
        _ => AwsService::Other,
    }
}

pub(super) fn direction(text: &[u8]) -> Direction {
    match text {
        b"ingress" => Direction::Ingress,
        b"egress" => Direction::Egress,
        _ => Direction::Unknown,
    }
}

pub(super) fn action(text: &[u8]) -> Action {
    if text == b"REJECT" { Action::Reject } else { Action::Accept }
}

pub(super) fn log_status(text: &[u8]) -> LogStatus {
    match text {
        b"NODATA" => LogStatus::NoData,
        b"SKIPDATA" => LogStatus::SkipData,
        other if is_null(other) => LogStatus::Null,
        _ => LogStatus::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let ip = |text: &str| AddrCell::Ip(text.parse().unwrap());
        for (text, cell) in [
            ("10.0.1.5", ip("10.0.1.5")),
            ("2001:db8::1", ip("2001:db8::1")),
            ("2001:0DB8:0:0:0:0:0:1", ip("2001:db8::1")),
            ("::ffff:10.0.1.5", ip("10.0.1.5")),
            ("::ffff:a00:105", ip("10.0.1.5")),
            ("::10.0.1.5", ip("::a00:105")),
            ("-", AddrCell::Null),
            ("", AddrCell::Null),
            ("10.0.1", AddrCell::Bad),
            ("10.0.1.256", AddrCell::Bad),
            ("10.0.01.5", AddrCell::Bad),
            (" 10.0.1.5", AddrCell::Bad),
            ("10.0.1.5/32", AddrCell::Bad),
            ("fe80::1%eth0", AddrCell::Bad),
            ("amazon.com", AddrCell::Bad),
            ("--", AddrCell::Bad),
        ] {
            assert_eq!(address(text.as_bytes()), cell, "{text}");
        }
        assert_eq!(address(&[0xff, 0xfe]), AddrCell::Bad);
    }

    #[test]
    fn integers() {
        for (text, cell) in [
            ("0", IntCell::Value(0)),
            ("-1", IntCell::Value(-1)),
            ("9223372036854775807", IntCell::Value(i64::MAX)),
            ("9223372036854775808", IntCell::Bad),
            ("", IntCell::Null),
            ("-", IntCell::Null),
            ("1.0", IntCell::Bad),
            ("0x10", IntCell::Bad),
            (" 1", IntCell::Bad),
            ("NaN", IntCell::Bad),
            ("-9223372036854775808", IntCell::Value(i64::MIN)),
            ("-9223372036854775809", IntCell::Bad),
            ("000000000000000000000000042", IntCell::Value(42)),
            ("999999999999999999", IntCell::Value(999_999_999_999_999_999)),
            ("99999999999999999999999999", IntCell::Bad),
            ("+", IntCell::Bad),
            ("--1", IntCell::Bad),
            ("12:3", IntCell::Bad),
            ("12/3", IntCell::Bad),
        ] {
            assert_eq!(integer(text.as_bytes()), cell, "{text}");
        }
    }

    #[test]
    fn words() {
        assert_eq!(action(b"REJECT"), Action::Reject);
        for accepted in ["ACCEPT", "reject", "-", "", "REJECTED"] {
            assert_eq!(action(accepted.as_bytes()), Action::Accept, "{accepted}");
        }
        assert_eq!(direction(b"ingress"), Direction::Ingress);
        assert_eq!(direction(b"egress"), Direction::Egress);
        assert_eq!(direction(b"-"), Direction::Unknown);
        assert_eq!(log_status(b"OK"), LogStatus::Ok);
        assert_eq!(log_status(b"NODATA"), LogStatus::NoData);
        assert_eq!(log_status(b"SKIPDATA"), LogStatus::SkipData);
        assert_eq!(log_status(b"-"), LogStatus::Null);
        assert_eq!(log_status(b"FINE"), LogStatus::Ok, "an unknown status counts");
        assert_eq!(aws_service(b"-"), AwsService::None);
        assert_eq!(aws_service(b"EC2"), AwsService::Ec2);
        assert_eq!(aws_service(b"S3"), AwsService::Other);
        assert_eq!(interface_type(b"vpc_endpoint"), InterfaceType::VpcEndpoint);
        assert_eq!(interface_type(b"-"), InterfaceType::Plain);
        assert_eq!(interface_type(b"interface"), InterfaceType::Plain);
        assert_eq!(text(b"-"), None);
        assert_eq!(text(b"use1-az1").as_deref(), Some("use1-az1"));
        assert_eq!(text(&[b'a', 0xff]).as_deref(), Some("a\u{fffd}"));
    }

    proptest::proptest! {
        #[test]
        fn addresses_are_what_the_standard_library_says(text in "[0-9]{1,3}(\\.[0-9]{1,4}){2,4}|[0-9.]{0,16}") {
            let want = match text.as_str() {
                "" => AddrCell::Null,
                text => text.parse::<IpAddr>().map_or(AddrCell::Bad, AddrCell::Ip),
            };
            proptest::prop_assert_eq!(address(text.as_bytes()), want);
        }

        #[test]
        fn integers_are_what_the_standard_library_says(text in "[-+]?[0-9]{0,21}[^0-9]?|.{0,6}") {
            let want = match text.as_str() {
                "" | "-" => IntCell::Null,
                text => text.parse().map_or(IntCell::Bad, IntCell::Value),
            };
            proptest::prop_assert_eq!(integer(text.as_bytes()), want);
        }
    }
}
