//! What a gigabyte costs: list prices by region, each with its date and source, and the overrides of the user.
//!
//! Refuses to know records, zones and totals: it turns (region, charge) into a price, or says that none is known.
//! Invariant: no price is invented. A region that the table below does not name has none, and only the user can
//! give it one.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::model::{Charge, Gigabyte, NanoUsd, Price};

/// AWS regions by name. A region outside this list is not wrong (new ones open every year), it only has no prices.
pub const REGIONS: [&str; 39] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// Where the per-gigabyte prices of data transfer are published.
pub const TRANSFER_SOURCE: &str = "https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer";

/// Where the per-gigabyte prices of NAT gateways are published.
pub const NAT_SOURCE: &str = "https://aws.amazon.com/vpc/pricing/";

/// One built-in price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// AWS region.
    pub region: &'static str,
    /// What is charged.
    pub charge: Charge,
    /// List price of a gigabyte, first paid tier.
    pub per_gigabyte: NanoUsd,
    /// When the figure was last compared with its source.
    pub as_of: &'static str,
    /// Where the figure is published.
    pub source: &'static str,
}

/// Regions that share a figure. Bills of `cn-*` are in CNY and those of `eusc-*` in EUR: they have no rows in USD.
struct Figure {
    nano_usd: u64,
    as_of: &'static str,
    regions: &'static [&'static str],
}

const RECHECKED: &str = "2026";
const OLDER: &str = "before 2026";

/// Per GB processed. Regions that are not named are not established.
const NAT_PROCESSING: &[Figure] = &[
    Figure { nano_usd: 45_000_000, as_of: RECHECKED, regions: &["us-east-1"] },
    Figure { nano_usd: 62_000_000, as_of: RECHECKED, regions: &["ap-northeast-1"] },
    Figure { nano_usd: 59_000_000, as_of: RECHECKED, regions: &["ap-southeast-1"] },
    Figure { nano_usd: 45_000_000, as_of: OLDER, regions: &["us-east-2", "us-west-2"] },
    Figure { nano_usd: 46_000_000, as_of: OLDER, regions: &["eu-north-1"] },
    Figure { nano_usd: 48_000_000, as_of: OLDER, regions: &["eu-west-1", "us-west-1"] },
    Figure { nano_usd: 50_000_000, as_of: OLDER, regions: &["ca-central-1", "eu-west-2", "eu-west-3"] },
    Figure { nano_usd: 52_000_000, as_of: OLDER, regions: &["eu-central-1"] },
    Figure { nano_usd: 52_800_000, as_of: OLDER, regions: &["me-south-1"] },
    Figure { nano_usd: 54_000_000, as_of: OLDER, regions: &["us-gov-east-1", "us-gov-west-1"] },
    Figure { nano_usd: 56_000_000, as_of: OLDER, regions: &["ap-south-1"] },
    Figure { nano_usd: 59_000_000, as_of: OLDER, regions: &["ap-northeast-2", "ap-southeast-2"] },
    Figure { nano_usd: 62_000_000, as_of: OLDER, regions: &["ap-northeast-3"] },
    Figure { nano_usd: 65_000_000, as_of: OLDER, regions: &["ap-east-1"] },
    Figure { nano_usd: 93_000_000, as_of: OLDER, regions: &["sa-east-1"] },
];

/// To the internet, first paid tier. The tier that applies depends on all of the payer's accounts and services.
const INTERNET_EGRESS: &[Figure] = &[
    Figure {
        nano_usd: 90_000_000,
        as_of: OLDER,
        regions: &[
            "ca-central-1",
            "ca-west-1",
            "eu-central-1",
            "eu-central-2",
            "eu-north-1",
            "eu-south-1",
            "eu-south-2",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
        ],
    },
    Figure { nano_usd: 109_300_000, as_of: OLDER, regions: &["ap-south-1"] },
    Figure { nano_usd: 114_000_000, as_of: OLDER, regions: &["ap-northeast-1", "ap-southeast-2"] },
    Figure { nano_usd: 117_000_000, as_of: OLDER, regions: &["me-south-1"] },
    Figure { nano_usd: 120_000_000, as_of: OLDER, regions: &["ap-southeast-1"] },
    Figure { nano_usd: 150_000_000, as_of: OLDER, regions: &["sa-east-1"] },
    Figure { nano_usd: 154_000_000, as_of: OLDER, regions: &["af-south-1"] },
];

/// Per GB and side between two zones, the same wherever the bill is in USD; it also is the hop to a NAT gateway in
/// another zone.
const ZONE_CROSSING: u64 = 10_000_000;

/// Whether a region's bills are in USD. A price in another currency must come from the user, converted.
fn billed_in_usd(region: &str) -> bool {
    !region.starts_with("cn-") && !region.starts_with("eusc-")
}

/// The built-in price of a charge in a region.
pub fn built_in(region: &str, charge: Charge) -> Option<Row> {
    let region = *REGIONS.iter().find(|known| **known == region)?;
    let (nano_usd, as_of, source) = match charge {
        Charge::InterAz | Charge::NatHop => {
            billed_in_usd(region).then_some((ZONE_CROSSING, RECHECKED, TRANSFER_SOURCE))
        }
        Charge::InterRegion => None,
        Charge::NatProcessing => figure(NAT_PROCESSING, region).map(|f| (f.nano_usd, f.as_of, NAT_SOURCE)),
        Charge::InternetEgress => {
            figure(INTERNET_EGRESS, region).map(|f| (f.nano_usd, f.as_of, TRANSFER_SOURCE))
        }
    }?;
    Some(Row { region, charge, per_gigabyte: NanoUsd(nano_usd), as_of, source })
}

fn figure(table: &'static [Figure], region: &str) -> Option<&'static Figure> {
    table.iter().find(|figure| figure.regions.contains(&region))
}

/// Every built-in price, by region and charge.
pub fn rows() -> impl Iterator<Item = Row> {
    REGIONS.into_iter().flat_map(|region| Charge::ALL.into_iter().filter_map(move |c| built_in(region, c)))
}

/// Prices that the user set, in nano-USD per gigabyte.
pub type Overrides = BTreeMap<Charge, NanoUsd>;

/// Where a price in force comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `[prices.regions.<region>]`
    RegionOverride,
    /// `[prices]`
    Override,
    /// The built-in table.
    BuiltIn(Row),
}

/// A price in force, with where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// The price.
    pub price: Price,
    /// Why it is this one.
    pub origin: Origin,
}

/// All prices of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceBook {
    /// What a gigabyte is.
    pub unit: Gigabyte,
    /// Overrides for every region.
    pub overrides: Overrides,
    /// Overrides for one region; they win over the others.
    pub regions: BTreeMap<Arc<str>, Overrides>,
    /// `prices.region`: the region whose rows hold for every source.
    pub forced_region: Option<Arc<str>>,
}

impl PriceBook {
    /// The region whose rows hold for a source whose logs are of `source_region`.
    pub fn priced_as<'a>(&'a self, source_region: &'a str) -> &'a str {
        self.forced_region.as_deref().unwrap_or(source_region)
    }

    /// The price of a charge: the override of the region, else the general override, else the built-in row.
    pub fn quote(&self, source_region: &str, charge: Charge) -> Option<Quote> {
        let region = self.priced_as(source_region);
        let specific = self.regions.get(region).and_then(|overrides| overrides.get(&charge));
        let (per_gigabyte, origin) = match (specific, self.overrides.get(&charge)) {
            (Some(price), _) => (*price, Origin::RegionOverride),
            (None, Some(price)) => (*price, Origin::Override),
            (None, None) => {
                let row = built_in(region, charge)?;
                (row.per_gigabyte, Origin::BuiltIn(row))
            }
        };
        Some(Quote { price: Price { per_gigabyte, unit: self.unit }, origin })
    }

    /// All prices for a source whose logs are of `source_region`.
    pub fn for_region(&self, source_region: &str) -> Prices {
        Prices(Charge::ALL.map(|charge| self.quote(source_region, charge).map(|quote| quote.price)))
    }
}

/// The prices in force for one source while the process runs.
///
/// A charge without a price is still a charge: whoever sums adds its bytes to the charged bytes at a cost of zero,
/// so that the amount stays visible and can be priced by hand. This is rare: a charge that the configuration lets
/// occur must have a price for the program to start. What is left are NAT records of gateways that nobody configured,
/// in a region without a built-in price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prices([Option<Price>; Charge::ALL.len()]);

impl Prices {
    /// The price of a charge, where there is one.
    pub fn get(&self, charge: Charge) -> Option<Price> {
        self.0[charge as usize]
    }

    /// Sets the price of a charge.
    pub fn set(&mut self, charge: Charge, price: Option<Price>) {
        self.0[charge as usize] = price;
    }

    /// The charges that have a price, in the order of [`Charge::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Charge, Price)> + '_ {
        Charge::ALL.into_iter().filter_map(|charge| Some((charge, self.get(charge)?)))
    }
}

/// Why a text is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not digits with at most one decimal point.
    NotDecimal,
    /// Below zero.
    Negative,
    /// More digits after the point than a nano-dollar has.
    TooFine,
    /// Above the limit given, in whole USD.
    TooLarge(u64),
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDecimal => f.write_str("must be a decimal number of USD, such as 0.045"),
            Self::Negative => f.write_str("must not be negative"),
            Self::TooFine => f.write_str("has more than 9 decimals; nano-dollars are the smallest unit"),
            Self::TooLarge(max) => write!(f, "must be at most {max} USD"),
        }
    }
}

/// Reads decimal dollars exactly: `0.045` is 45,000,000 nano-dollars. At most `max_usd` whole dollars.
pub fn parse_usd(text: &str, max_usd: u64) -> Result<NanoUsd, PriceError> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    if whole.is_empty() || fraction.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(PriceError::NotDecimal);
    }
    if text.starts_with('-') {
        return Err(PriceError::Negative);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 9 {
        return Err(PriceError::TooFine);
    }
    let too_large = PriceError::TooLarge(max_usd);
    let whole: u64 = whole.parse().map_err(|_| too_large)?;
    let nanos: u64 = format!("{fraction:0<9}").parse().map_err(|_| PriceError::NotDecimal)?;
    if whole > max_usd || (whole == max_usd && nanos > 0) {
        return Err(too_large);
    }
    whole
        .checked_mul(NanoUsd::PER_USD)
        .and_then(|whole| whole.checked_add(nanos))
        .map(NanoUsd)
        .ok_or(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    fn cost(book: &PriceBook, region: &str, charge: Charge) -> Option<u64> {
        book.for_region(region).get(charge).and_then(|price| price.of(GB)).map(|nanos| nanos.0)
    }

    #[test]
    fn the_table_has_the_published_figures() {
        let cases = [
            ("us-east-1", Charge::InterAz, Some(10_000_000)),
            ("ap-southeast-7", Charge::InterAz, Some(10_000_000)),
            ("us-gov-west-1", Charge::NatHop, Some(10_000_000)),
            ("us-east-1", Charge::NatProcessing, Some(45_000_000)),
            ("us-west-1", Charge::NatProcessing, Some(48_000_000)),
            ("me-south-1", Charge::NatProcessing, Some(52_800_000)),
            ("us-gov-east-1", Charge::NatProcessing, Some(54_000_000)),
            ("ap-northeast-1", Charge::NatProcessing, Some(62_000_000)),
            ("sa-east-1", Charge::NatProcessing, Some(93_000_000)),
            ("me-central-1", Charge::NatProcessing, None),
            ("us-east-1", Charge::InternetEgress, Some(90_000_000)),
            ("ap-northeast-1", Charge::InternetEgress, Some(114_000_000)),
            ("ap-south-1", Charge::InternetEgress, Some(109_300_000)),
            ("af-south-1", Charge::InternetEgress, Some(154_000_000)),
            ("ap-northeast-2", Charge::InternetEgress, None),
            ("us-gov-west-1", Charge::InternetEgress, None),
            ("us-east-1", Charge::InterRegion, None),
            ("cn-north-1", Charge::InterAz, None),
            ("mars-north-1", Charge::InterAz, None),
        ];
        for (region, charge, nanos) in cases {
            assert_eq!(cost(&PriceBook::default(), region, charge), nanos, "{region} {}", charge.as_str());
        }
    }

    #[test]
    fn every_row_is_of_a_known_region_once_and_has_date_and_source() {
        for table in [NAT_PROCESSING, INTERNET_EGRESS] {
            let mut named: Vec<&str> = table.iter().flat_map(|figure| figure.regions).copied().collect();
            let all = named.len();
            named.sort_unstable();
            named.dedup();
            assert_eq!(named.len(), all, "a region has two figures");
            assert!(named.iter().all(|region| REGIONS.contains(region)), "{named:?}");
        }
        assert!(REGIONS.is_sorted(), "in order, so that a missing one is seen");
        for row in rows() {
            assert!(!row.as_of.is_empty() && row.source.starts_with("https://"), "{row:?}");
            assert!(row.per_gigabyte.0 > 0 && row.per_gigabyte.0 < NanoUsd::PER_USD, "{row:?}");
        }
    }

    #[test]
    fn the_more_specific_override_wins_and_a_forced_region_picks_all_rows() {
        let mut book = PriceBook::default();
        book.overrides.insert(Charge::NatProcessing, NanoUsd(1));
        book.regions.insert(Arc::from("us-east-1"), BTreeMap::from([(Charge::NatProcessing, NanoUsd(2))]));
        assert_eq!(cost(&book, "us-east-1", Charge::NatProcessing), Some(2));
        assert_eq!(cost(&book, "eu-west-1", Charge::NatProcessing), Some(1));
        assert_eq!(cost(&book, "eu-west-1", Charge::InternetEgress), Some(90_000_000));
        assert_eq!(book.quote("us-east-1", Charge::NatProcessing).unwrap().origin, Origin::RegionOverride);
        assert_eq!(book.quote("eu-west-1", Charge::NatProcessing).unwrap().origin, Origin::Override);

        book.forced_region = Some(Arc::from("us-east-1"));
        assert_eq!(cost(&book, "eu-west-1", Charge::NatProcessing), Some(2));
        assert_eq!(cost(&book, "ap-northeast-2", Charge::InternetEgress), Some(90_000_000));
        assert_eq!(book.priced_as("ap-northeast-2"), "us-east-1");
    }

    #[test]
    fn a_charge_has_its_own_slot_and_an_override_can_be_free() {
        let mut book = PriceBook::default();
        for (index, charge) in Charge::ALL.into_iter().enumerate() {
            book.overrides.insert(charge, NanoUsd(index as u64));
        }
        let prices = book.for_region("us-east-1");
        let seen: Vec<_> = prices.iter().map(|(charge, price)| (charge, price.per_gigabyte.0)).collect();
        let want: Vec<_> = Charge::ALL.into_iter().zip(0..).collect();
        assert_eq!(seen, want);
    }

    #[test]
    fn the_unit_is_carried_into_the_price() {
        let book = PriceBook { unit: Gigabyte::Decimal, ..PriceBook::default() };
        let price = book.for_region("us-east-1").get(Charge::InterAz).unwrap();
        assert_eq!(price.of(1_000_000_000), Some(NanoUsd(10_000_000)));
    }

    #[test]
    fn dollars_are_read_exactly() {
        let cases = [
            ("0", Ok(0)),
            ("0.0", Ok(0)),
            ("0.01", Ok(10_000_000)),
            ("0.0528", Ok(52_800_000)),
            ("0.000000001", Ok(1)),
            ("0.1000000000000", Ok(100_000_000)),
            ("1", Ok(1_000_000_000)),
            ("1000", Ok(1_000_000_000_000)),
            ("1000.000000001", Err(PriceError::TooLarge(1_000))),
            ("99999999999999999999999", Err(PriceError::TooLarge(1_000))),
            ("0.0000000001", Err(PriceError::TooFine)),
            ("-0.01", Err(PriceError::Negative)),
            ("-inf", Err(PriceError::NotDecimal)),
            ("NaN", Err(PriceError::NotDecimal)),
            ("inf", Err(PriceError::NotDecimal)),
            ("1e3", Err(PriceError::NotDecimal)),
            ("1.", Err(PriceError::NotDecimal)),
            (".5", Err(PriceError::NotDecimal)),
            ("", Err(PriceError::NotDecimal)),
            ("0,01", Err(PriceError::NotDecimal)),
        ];
        for (text, want) in cases {
            assert_eq!(parse_usd(text, crate::limits::PRICE_USD), want.map(NanoUsd), "{text}");
        }
    }
}
