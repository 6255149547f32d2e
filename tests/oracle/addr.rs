//! Addresses and networks as integers, written again from the rules so that nothing is shared with
//! the exporter.

use std::net::IpAddr;

/// An address: its family and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Addr {
    six: bool,
    bits: u128,
}

impl Addr {
    /// Reads an address. One that is IPv4-mapped or NAT64 is the IPv4 address that it carries
    /// (semantics 1.11), so that nothing is left to ask of NAT64 in semantics 6.10.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.parse::<IpAddr>().ok()? {
            IpAddr::V4(four) => Some(Self { six: false, bits: u128::from(u32::from(four)) }),
            IpAddr::V6(six) => {
                let bits = u128::from(six);
                if bits >> 32 == 0xffff || bits >> 32 == 0x0064_ff9b << 64 {
                    Some(Self { six: false, bits: bits & 0xffff_ffff })
                } else {
                    Some(Self { six: true, bits })
                }
            }
        }
    }

    pub(crate) fn is_six(self) -> bool {
        self.six
    }

    /// Whether this is an IPv4 address that is not private (semantics 2.21).
    pub(crate) fn is_public_four(self) -> bool {
        !self.six && !self.is_private()
    }

    /// Whether both are IPv6 and in one /56.
    pub(crate) fn shares_56(self, other: Self) -> bool {
        self.six && other.six && self.bits >> 72 == other.bits >> 72
    }

    /// Whether the address is in the network `text`, such as `10.0.0.0/8`.
    pub(crate) fn is_in(self, text: &str) -> bool {
        let (net, len) = split_cidr(text);
        if net.six != self.six {
            return false;
        }
        let width = if self.six { 128 } else { 32 };
        // Bit by bit from the top: slow, and plainly right.
        (0..len).all(|bit| {
            let position = width - 1 - bit;
            (self.bits >> position) & 1 == (net.bits >> position) & 1
        })
    }

    /// Returns whether the address is in the networks of semantics 2.22.
    pub(crate) fn is_private(self) -> bool {
        const PRIVATE: [&str; 15] = [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "198.18.0.0/15",
            "169.254.0.0/16",
            "127.0.0.0/8",
            "fc00::/7",
            "fe80::/10",
            "::1/128",
            "0.0.0.0/32",
            "::/128",
            "224.0.0.0/4",
            "ff00::/8",
            "240.0.0.0/4",
        ];
        PRIVATE.into_iter().any(|net| self.is_in(net))
    }
}

/// Length of a network's prefix.
pub(crate) fn prefix_len(text: &str) -> u32 {
    split_cidr(text).1
}

/// Whether every address of the network `inner` is in the network `outer`.
pub(crate) fn contains(outer: &str, inner: &str) -> bool {
    let (first, len) = split_cidr(inner);
    len >= prefix_len(outer) && first.is_in(outer)
}

/// How many addresses networks have together. Beyond 2^120 a network counts as that, so that sums
/// fit.
pub(crate) fn addresses(texts: &[String]) -> u128 {
    let inside_another = |at: usize| {
        texts.iter().enumerate().any(|(other, outer)| {
            other != at && contains(outer, &texts[at]) && (!contains(&texts[at], outer) || other < at)
        })
    };
    let width = |text: &str| if split_cidr(text).0.six { 128 } else { 32 };
    (0..texts.len())
        .filter(|at| !inside_another(*at))
        .map(|at| 1_u128 << (width(&texts[at]) - prefix_len(&texts[at])).min(120))
        .sum()
}

fn split_cidr(text: &str) -> (Addr, u32) {
    let (net, len) = text.split_once('/').expect("networks in tests have a length");
    (Addr::parse(net).expect("networks in tests are addresses"), len.parse().expect("a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_is_the_list_of_the_design_and_no_more() {
        let private = [
            "10.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.0",
            "100.127.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "169.254.169.254",
            "127.0.0.53",
            "0.0.0.0",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "::1",
            "::",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
        ];
        for text in private {
            assert!(Addr::parse(text).unwrap().is_private(), "{text}");
        }
        let public = [
            "9.255.255.255",
            "11.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "0.0.0.1",
            "223.255.255.255",
            "203.0.113.5",
            "198.51.100.1",
            "198.17.255.255",
            "198.20.0.0",
            "192.0.2.1",
            "2001:db8::1",
            "2600::1",
            "fec0::1",
            "::10.0.0.1",
            "::ffff:203.0.113.5",
            "64:ff9b::203.0.113.5",
            "64:ff9b:1::10.0.0.1",
        ];
        for text in public {
            assert!(!Addr::parse(text).unwrap().is_private(), "{text}");
        }
    }

    #[test]
    fn nat64_is_the_address_it_carries() {
        assert_eq!(Addr::parse("64:ff9b::cb00:7105"), Addr::parse("203.0.113.5"));
        assert!(Addr::parse("64:ff9b:0:0:0:1:0:1").unwrap().is_six());
        assert!(Addr::parse("64:ff9b::8.8.8.8").unwrap().is_public_four());
    }

    #[test]
    fn addresses_are_counted_once() {
        let count = |texts: &[&str]| addresses(&texts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(count(&["10.0.0.0/24"]), 256);
        assert_eq!(count(&["10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/24", "10.0.1.0/32"]), 257);
        assert!(count(&["2001:db8::/64"]) > count(&["0.0.0.0/0"]));
        assert_eq!(count(&[]), 0);
    }

    #[test]
    fn networks_hold_their_first_and_last_address_and_their_family_only() {
        let is_in = |addr: &str, net| Addr::parse(addr).unwrap().is_in(net);
        assert!(is_in("10.0.128.0", "10.0.128.0/22") && is_in("10.0.131.255", "10.0.128.0/22"));
        assert!(!is_in("10.0.127.255", "10.0.128.0/22") && !is_in("10.0.132.0", "10.0.128.0/22"));
        assert!(is_in("8.8.8.8", "0.0.0.0/0") && !is_in("2600::1", "0.0.0.0/0") && !is_in("8.8.8.8", "::/0"));
        assert!(is_in("::ffff:10.0.128.7", "10.0.128.0/22"));
        assert!(is_in("2001:db8:a::1", "2001:db8:a::/48") && !is_in("2001:db8:b::1", "2001:db8:a::/48"));
    }
}
