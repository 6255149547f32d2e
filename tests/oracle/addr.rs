//! Addresses and networks as integers, written again from the rules so that nothing is shared with the exporter.

use std::net::IpAddr;

/// An address: its family and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addr {
    six: bool,
    bits: u128,
}

impl Addr {
    /// 5.2: "IPv4-mapped IPv6 addresses are IPv4."
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.parse::<IpAddr>().ok()? {
            IpAddr::V4(four) => Some(Self { six: false, bits: u128::from(u32::from(four)) }),
            IpAddr::V6(six) => {
                let bits = u128::from(six);
                if bits >> 32 == 0xffff {
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

    /// 5.2, "Private": the list of that paragraph, as networks.
    pub(crate) fn is_private(self) -> bool {
        const PRIVATE: [&str; 14] = [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
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
            "192.0.2.1",
            "2001:db8::1",
            "2600::1",
            "fec0::1",
            "::10.0.0.1",
            "::ffff:203.0.113.5",
        ];
        for text in public {
            assert!(!Addr::parse(text).unwrap().is_private(), "{text}");
        }
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
