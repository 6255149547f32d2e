//! Which zone an address lies in: the longest matching CIDR, and what kind of address it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// A zone inside one classifier: the reserved ones, the configured ones, then zones known only by their az_id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(pub(super) u16);

impl ZoneId {
    /// A service of AWS.
    pub const AWS: Self = Self(0);
    /// A globally routable address.
    pub const INTERNET: Self = Self(1);
    /// None of the others.
    pub const UNKNOWN: Self = Self(2);
    pub(super) const FIRST_KNOWN: u16 = 3;

    /// Whether it is a place with a zone, not one of the reserved names.
    pub fn is_known(self) -> bool {
        self.0 >= Self::FIRST_KNOWN
    }

    /// A small integer that identifies it within one classifier and object.
    pub fn index(self) -> u16 {
        self.0
    }
}

/// Address ranges without overlap, each with the zone of its longest prefix: one binary search finds it.
#[derive(Debug, Default)]
pub(super) struct CidrTable {
    v4: Vec<(u32, u32, ZoneId)>,
    v6: Vec<(u128, u128, ZoneId)>,
}

impl CidrTable {
    pub(super) fn new(cidrs: &[(IpNet, ZoneId)]) -> Self {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for (net, zone) in cidrs {
            match net {
                IpNet::V4(net) => v4.push((
                    u128::from(u32::from(net.network())),
                    u128::from(u32::from(net.broadcast())),
                    net.prefix_len(),
                    *zone,
                )),
                IpNet::V6(net) => {
                    v6.push((
                        u128::from(net.network()),
                        u128::from(net.broadcast()),
                        net.prefix_len(),
                        *zone,
                    ));
                }
            }
        }
        let narrow = |value: u128| u32::try_from(value).expect("IPv4 ranges are built from u32");
        Self {
            v4: flatten(&v4)
                .into_iter()
                .map(|(first, last, zone)| (narrow(first), narrow(last), zone))
                .collect(),
            v6: flatten(&v6),
        }
    }

    pub(super) fn find(&self, address: IpAddr) -> Option<ZoneId> {
        match address {
            IpAddr::V4(address) => lookup(&self.v4, u32::from(address)),
            IpAddr::V6(address) => lookup(&self.v6, u128::from(address)),
        }
    }
}

fn lookup<T: Ord + Copy>(ranges: &[(T, T, ZoneId)], address: T) -> Option<ZoneId> {
    let after = ranges.partition_point(|(first, _, _)| *first <= address);
    let (_, last, zone) = ranges.get(after.checked_sub(1)?)?;
    (address <= *last).then_some(*zone)
}

/// Cuts nested ranges at each other's ends and keeps for every piece the zone of the longest prefix.
fn flatten(ranges: &[(u128, u128, u8, ZoneId)]) -> Vec<(u128, u128, ZoneId)> {
    let mut cuts: Vec<u128> =
        ranges.iter().flat_map(|(first, last, ..)| [Some(*first), last.checked_add(1)]).flatten().collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut pieces: Vec<(u128, u128, ZoneId)> = Vec::new();
    for (at, first) in cuts.iter().enumerate() {
        let last = cuts.get(at + 1).map_or(u128::MAX, |next| next - 1);
        let longest = ranges
            .iter()
            .filter(|(a, b, ..)| a <= first && first <= b)
            .max_by_key(|(_, _, length, _)| *length);
        if let Some((_, end, _, zone)) = longest {
            pieces.push((*first, last.min(*end), *zone));
        }
    }
    pieces
}

/// Whether an address is of the kinds that never reach the internet: RFC 1918, shared (RFC 6598), link-local,
/// loopback, unique local, unspecified, multicast, and the reserved 240/4. Documentation ranges are not: AWS's own
/// examples use them as internet addresses.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    v4.is_private()
        || (a == 100 && (64..128).contains(&b))
        || v4.is_link_local()
        || v4.is_loopback()
        || v4.is_unspecified()
        || a >= 224
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    v6.is_unique_local()
        || v6.is_unicast_link_local()
        || v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    #[test]
    fn the_longest_prefix_wins_in_any_nesting() {
        let zone = |n| ZoneId(ZoneId::FIRST_KNOWN + n);
        let net = |text: &str, n| (text.parse::<IpNet>().expect("cidr"), zone(n));
        let table = CidrTable::new(&[
            net("10.0.0.0/8", 0),
            net("10.0.128.0/22", 1),
            net("10.0.129.0/24", 2),
            net("10.0.129.7/32", 0),
            net("255.255.255.0/24", 3),
            net("2001:db8::/32", 1),
            net("2001:db8:1::/48", 2),
            net("ffff::/16", 3),
        ]);
        for (address, expected) in [
            ("10.0.0.0", Some(0)),
            ("9.255.255.255", None),
            ("10.0.127.255", Some(0)),
            ("10.0.128.0", Some(1)),
            ("10.0.129.0", Some(2)),
            ("10.0.129.6", Some(2)),
            ("10.0.129.7", Some(0)),
            ("10.0.129.8", Some(2)),
            ("10.0.130.0", Some(1)),
            ("10.0.131.255", Some(1)),
            ("10.0.132.0", Some(0)),
            ("10.255.255.255", Some(0)),
            ("11.0.0.0", None),
            ("255.255.255.255", Some(3)),
            ("2001:db8::1", Some(1)),
            ("2001:db8:1::1", Some(2)),
            ("2001:db8:2::", Some(1)),
            ("2001:db9::", None),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some(3)),
        ] {
            assert_eq!(table.find(ip(address)), expected.map(zone), "{address}");
        }
        assert_eq!(CidrTable::new(&[]).find(ip("10.0.0.1")), None);
    }

    #[test]
    fn private_is_what_the_design_lists() {
        for address in [
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "127.0.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "::1",
            "::",
            "ff02::1",
        ] {
            assert!(is_private(ip(address)), "{address}");
        }
        for address in [
            "8.8.8.8",
            "172.32.0.1",
            "172.15.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "203.0.113.5",
            "198.51.100.1",
            "192.0.2.1",
            "169.253.0.1",
            "0.0.0.1",
            "2001:db8::1",
            "2600::1",
            "fec0::1",
            "64:ff9b::1",
        ] {
            assert!(!is_private(ip(address)), "{address}");
        }
    }
}
