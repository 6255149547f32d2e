//! Which charges a record carries. What they cost is not known here.

use crate::model::{Charge, NatDirection};

/// A set of charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChargeSet(u8);

impl ChargeSet {
    /// No charge.
    pub const NONE: Self = Self(0);

    /// Adds a charge where a condition holds.
    #[must_use]
    pub fn with(self, charge: Charge, holds: bool) -> Self {
        Self(self.0 | (u8::from(holds) << charge as u8))
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

/// What the charges of a record depend on.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is one condition of the table in the documentation")]
pub(super) struct Facts {
    pub nat: NatDirection,
    /// Both zones are known and differ.
    pub different_zones: bool,
    /// Both zones are known and the same.
    pub same_zone: bool,
    /// Both zones are known and in one region.
    pub same_region: bool,
    /// Both zones are known and in two regions.
    pub different_regions: bool,
    /// Captured as ingress.
    pub ingress: bool,
    /// The client's zone and the gateway's zone are known and differ.
    pub hop: bool,
    /// The source is in a known zone or has a private address.
    pub from_inside: bool,
    /// The destination zone is `internet`.
    pub to_internet: bool,
    pub traffic_path: Option<i64>,
    /// Some NAT gateway stands in the region of the source.
    pub gateway_in_region: bool,
}

/// Traffic path 7: a gateway endpoint in the same region, free of transfer charges.
const GATEWAY_ENDPOINT: i64 = 7;

impl Facts {
    /// The charges. Public legs of a NAT gateway must not be asked about: they carry none.
    pub(super) fn charges(&self) -> ChargeSet {
        let nat = self.nat != NatDirection::None;
        let set = ChargeSet::NONE.with(Charge::NatProcessing, nat).with(Charge::NatHop, nat && self.hop);
        if self.same_zone || self.traffic_path == Some(GATEWAY_ENDPOINT) {
            return set;
        }
        // Paths 8 and 2 leave through an internet gateway. Without the field that is known only where there is no
        // NAT gateway that the traffic could have taken.
        let through_internet_gateway = match self.traffic_path {
            Some(path) => path == 8 || path == 2,
            None => !self.gateway_in_region,
        };
        let egress = match self.nat {
            NatDirection::Out => self.to_internet,
            NatDirection::In => false,
            NatDirection::None => {
                self.from_inside && self.to_internet && !self.ingress && through_internet_gateway
            }
        };
        set.with(Charge::InterAz, !nat && self.different_zones && self.same_region)
            .with(Charge::InterRegion, !nat && self.different_regions && !self.ingress)
            .with(Charge::InternetEgress, egress)
    }
}
