//! Money as integer nano-dollars. No floating point on the way from a price to a sum.

use std::fmt;

/// A sum of money in 10^-9 USD. Never negative in this program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(pub u64);

impl NanoUsd {
    /// Nano-dollars in a dollar.
    pub const PER_USD: u64 = 1_000_000_000;

    /// Sum, or `None` above 2^63 - 1 nano-dollars (9.2 thousand million dollars), the range of the ledger.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).filter(|sum| *sum <= i64::MAX as u64).map(Self)
    }

    /// Dollars, for the exposition only: never feed the result back into a sum.
    #[allow(clippy::cast_precision_loss, reason = "the exposition is floating point by its format")]
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / Self::PER_USD as f64
    }
}

impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / Self::PER_USD, self.0 % Self::PER_USD)
    }
}

/// What a gigabyte is on the bill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Gigabyte {
    /// 2^30 bytes, as AWS counts.
    #[default]
    Binary,
    /// 10^9 bytes.
    Decimal,
}

impl Gigabyte {
    /// Bytes in one gigabyte.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Binary => 1 << 30,
            Self::Decimal => 1_000_000_000,
        }
    }
}

/// A price: nano-dollars for one gigabyte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Nano-dollars per gigabyte.
    pub per_gigabyte: NanoUsd,
    /// The gigabyte that is meant.
    pub unit: Gigabyte,
}

impl Price {
    /// Price x bytes, rounded half up to a whole nano-dollar; `None` when the result leaves the ledger's range.
    pub fn of(self, bytes: u64) -> Option<NanoUsd> {
        let unit = u128::from(self.unit.bytes());
        let product = u128::from(self.per_gigabyte.0) * u128::from(bytes);
        let rounded = (product + unit / 2) / unit;
        u64::try_from(rounded).ok().filter(|nanos| *nanos <= i64::MAX as u64).map(NanoUsd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gigabyte_costs_its_price_and_halves_round_up() {
        let price = Price { per_gigabyte: NanoUsd(10_000_000), unit: Gigabyte::Binary };
        assert_eq!(price.of(1 << 30), Some(NanoUsd(10_000_000)));
        // 10^7 / 2^30 nano-dollars a byte = 0.0093: 53 bytes are 0.494, 54 bytes are 0.503.
        assert_eq!(price.of(53), Some(NanoUsd(0)));
        assert_eq!(price.of(54), Some(NanoUsd(1)));
        let half = Price { per_gigabyte: NanoUsd(500_000_000), unit: Gigabyte::Decimal };
        assert_eq!(half.of(1), Some(NanoUsd(1)), "exactly one half rounds up");
    }

    #[test]
    fn a_price_that_leaves_the_range_is_none_and_never_wraps() {
        let price = Price { per_gigabyte: NanoUsd(u64::MAX), unit: Gigabyte::Decimal };
        assert_eq!(price.of(u64::MAX), None);
    }

    #[test]
    fn a_million_objects_sum_without_drift() {
        let price = Price { per_gigabyte: NanoUsd(10_000_000), unit: Gigabyte::Binary };
        let each = price.of(1 << 20).expect("small");
        let sum = (0..1_000_000).try_fold(NanoUsd(0), |sum, _| sum.checked_add(each)).expect("in range");
        // 10^7 / 1024 = 9765.625, rounded half up once an object.
        assert_eq!(sum, NanoUsd(9_766 * 1_000_000));
    }
}
