//! What a number may be wrong by: doubts, contradictions, and how two endpoints stand to each other.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $($(#[$word_doc:meta])* $word:ident $label:literal $code:literal;)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$word_doc])* $word),* }

        impl $name {
            /// Number of words, the length of arrays by them.
            pub const COUNT: usize = [$($code),*].len();

            /// All words, in label order of the exposition.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$word),*];

            /// The label value.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$word => $label),* }
            }

            /// The code in the state file, for as long as the file lives: a code is never used again.
            pub fn code(self) -> i64 {
                match self { $(Self::$word => $code),* }
            }

            /// The word of a label value.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|word| word.as_str() == text)
            }

            /// The word of a code in the state file.
            pub fn of_code(code: i64) -> Option<Self> {
                Self::ALL.into_iter().find(|word| word.code() == code)
            }
        }
    };
}

words! {
    /// Why bytes may have been counted or charged wrongly. One record can stand in several.
    Doubt:
    /// An endpoint inside the network has no zone.
    UnknownZone "unknown_zone" 1;
    /// Traffic to the internet whose path is not logged.
    EgressPath "egress_path" 2;
    /// The recording interface may stand between the endpoints.
    Interface "interface" 3;
    /// The endpoints lie in two VPCs, and nothing says what connects them.
    BetweenVpcs "between_vpcs" 4;
    /// Public addresses of EC2 in the own region: some services there are free.
    RegionalPublic "regional_public" 5;
    /// Which side of a service's traffic was recorded is not known.
    OwnSide "own_side" 6;
    /// Which leg of a NAT gateway was recorded is not certain.
    NatLeg "nat_leg" 7;
    /// Bytes that were left to the record of a sender that may not be logged.
    FarSide "far_side" 8;
}

words! {
    /// What the logs and the topology disagree about.
    Contradiction:
    /// The interface's AZ id is not that of its zone.
    AzId "az_id" 1;
    /// The AZ id belongs to another region than the zone.
    Region "region" 2;
    /// The traffic path does not fit the regions of the endpoints.
    Path "path" 3;
    /// An interface lies outside all networks of a scope that has networks.
    OutsideNetworks "outside_networks" 4;
    /// An interface records packets of other hosts.
    Forwarder "forwarder" 5;
    /// Clients name an interface endpoint that has no records of its own.
    Endpoint "endpoint" 6;
}

words! {
    /// How the endpoints of a record stand to each other.
    Relation:
    /// Both AZs are known and the same.
    SameAz "same-az" 1;
    /// Both AZs are known, differ, and share a region.
    InterAz "inter-az" 2;
    /// Both AZs are known and lie in two regions.
    InterRegion "inter-region" 3;
    /// One end is on the internet.
    Internet "internet" 4;
    /// One end is a service or a public address of AWS.
    Aws "aws" 5;
    /// Anything else.
    Unknown "unknown" 6;
}

/// A set of doubts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DoubtSet(u16);

const _: () = assert!(Doubt::COUNT <= u16::BITS as usize, "a set of doubts has a bit for each");

impl DoubtSet {
    /// No doubt.
    pub const NONE: Self = Self(0);

    /// Adds a doubt where a condition holds.
    #[must_use]
    pub fn with(self, doubt: Doubt, holds: bool) -> Self {
        Self(self.0 | (u16::from(holds) << doubt as u8))
    }

    /// Whether a doubt is in it.
    pub fn contains(self, doubt: Doubt) -> bool {
        self.0 & (1 << doubt as u8) != 0
    }

    /// Its doubts, in the order of [`Doubt::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Doubt> {
        Doubt::ALL.into_iter().filter(move |doubt| self.contains(*doubt))
    }
}

/// A set of contradictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ContradictionSet(u16);

const _: () =
    assert!(Contradiction::COUNT <= u16::BITS as usize, "a set of contradictions has a bit for each");

impl ContradictionSet {
    /// No contradiction.
    pub const NONE: Self = Self(0);

    /// Adds a contradiction where a condition holds.
    #[must_use]
    pub fn with(self, kind: Contradiction, holds: bool) -> Self {
        Self(self.0 | (u16::from(holds) << kind as u8))
    }

    /// Its contradictions, in the order of [`Contradiction::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Contradiction> {
        Contradiction::ALL.into_iter().filter(move |kind| self.0 & (1 << *kind as u8) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_and_a_code_belong_to_one_word() {
        macro_rules! check {
            ($($words:ident)*) => {$(
                for word in $words::ALL {
                    assert_eq!($words::parse(word.as_str()), Some(word));
                    assert_eq!($words::of_code(word.code()), Some(word));
                }
            )*};
        }
        check!(Doubt Contradiction Relation);
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let set = DoubtSet::NONE.with(Doubt::FarSide, true).with(Doubt::NatLeg, false);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Doubt::FarSide]);
        let set = ContradictionSet::NONE.with(Contradiction::AzId, true).with(Contradiction::Endpoint, true);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Contradiction::AzId, Contradiction::Endpoint]);
    }
}
