//! The one table of charges: what AWS bills, its label value, and its code in the state file.
//!
//! Names, codes, sets and arrays by charge follow from it. To add a charge, see CONTRIBUTING.md.

macro_rules! charges {
    ($($(#[$doc:meta])* $charge:ident $label:literal $code:literal;)*) => {
        /// What AWS bills a record for. One record can carry several.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Charge { $($(#[$doc])* $charge),* }

        impl Charge {
            /// All charges, in label order of the exposition.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$charge),*];

            /// Number of charges, the length of arrays by charge.
            pub const COUNT: usize = [$($code),*].len();

            /// The label value and the configuration key.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$charge => $label),* }
            }

            /// The code in the state file, for as long as the file lives: a code is never used again.
            pub fn code(self) -> i64 {
                match self { $(Self::$charge => $code),* }
            }
        }
    };
}

charges! {
    /// Between two zones of a region, at the interface that logged it.
    InterAz "inter_az" 1;
    /// Between two regions, at the sender.
    InterRegion "inter_region" 2;
    /// Processing by a NAT gateway.
    NatProcessing "nat_processing" 3;
    /// Between the client's zone and the zone of its NAT gateway.
    NatHop "nat_hop" 4;
    /// To the internet.
    InternetEgress "internet_egress" 5;
    /// To and from public addresses of EC2 in the same region.
    RegionalPublic "regional_public" 6;
    /// Processing by an interface endpoint.
    VpcEndpointProcessing "vpc_endpoint_processing" 7;
    /// Sent into a transit gateway.
    TransitGatewayProcessing "transit_gateway_processing" 8;
    /// Out through a VPN.
    VpnEgress "vpn_egress" 9;
    /// Out through Direct Connect.
    DirectConnectEgress "direct_connect_egress" 10;
}

impl Charge {
    /// The charge of a label value.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|charge| charge.as_str() == text)
    }

    /// The charge of a code in the state file.
    pub fn of_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|charge| charge.code() == code)
    }
}

/// A set of charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChargeSet(u32);

const _: () = assert!(Charge::COUNT <= u32::BITS as usize, "a set of charges has a bit for each");

impl ChargeSet {
    /// No charge.
    pub const NONE: Self = Self(0);

    /// Adds a charge where a condition holds.
    #[must_use]
    pub fn with(self, charge: Charge, holds: bool) -> Self {
        Self(self.0 | (u32::from(holds) << charge as u8))
    }

    /// The charges that are not in another set.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The charges of either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a charge is in it.
    pub fn contains(self, charge: Charge) -> bool {
        self.0 & (1 << charge as u8) != 0
    }

    /// Its charges, in the order of [`Charge::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Charge> {
        Charge::ALL.into_iter().filter(move |charge| self.contains(*charge))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_and_a_code_belong_to_one_charge() {
        for charge in Charge::ALL {
            assert_eq!(Charge::parse(charge.as_str()), Some(charge));
            assert_eq!(Charge::of_code(charge.code()), Some(charge));
        }
        assert_eq!(Charge::of_code(0), None);
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        for one in Charge::ALL {
            let set = ChargeSet::NONE.with(one, true);
            assert_eq!(set.iter().collect::<Vec<_>>(), [one]);
            let all = Charge::ALL.into_iter().fold(ChargeSet::NONE, |set, charge| set.with(charge, true));
            assert_eq!(all.without(set).iter().count(), Charge::COUNT - 1);
            assert!(set.without(all).is_empty());
            assert_eq!(all.without(set).union(set), all);
        }
    }
}
