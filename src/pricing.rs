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

/// Where the per-gigabyte price of interface endpoints is published.
pub const ENDPOINT_SOURCE: &str = "https://aws.amazon.com/privatelink/pricing/";

/// Where the per-gigabyte price of transit gateways is published.
pub const TRANSIT_SOURCE: &str = "https://aws.amazon.com/transit-gateway/pricing/";

/// Where the per-gigabyte prices of VPN connections are published.
pub const VPN_SOURCE: &str = "https://aws.amazon.com/vpn/pricing/";

/// Where the per-gigabyte prices of Direct Connect are published.
pub const DIRECT_CONNECT_SOURCE: &str = "https://aws.amazon.com/directconnect/pricing/";

/// One built-in price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// AWS region.
    pub region: &'static str,
    /// What is charged.
    pub charge: Charge,
    /// List price of a gigabyte, first paid tier.
    pub per_gigabyte: NanoUsd,
    /// When the figure was last compared with its source, or what it was seen in since.
    pub as_of: &'static str,
    /// Whether that was done: the others come from an older table without a date.
    pub verified: bool,
    /// Where the figure is published.
    pub source: &'static str,
}

/// What a figure was last compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// AWS's page.
    Rechecked,
    /// Bills of two accounts.
    TwoBills,
    /// AWS's public price list file.
    OfferFile,
    /// Nothing since an older table without a date.
    Older,
}

impl Seen {
    fn as_of(self) -> &'static str {
        match self {
            Self::Rechecked => "2026",
            Self::TwoBills => "seen in two bills",
            Self::OfferFile => "seen in AWS's price list file",
            Self::Older => "before 2026",
        }
    }
}

/// Regions that share a figure. Bills of `cn-*` are in CNY and those of `eusc-*` in EUR: they have no rows in USD.
struct Figure {
    nano_usd: u64,
    seen: Seen,
    regions: &'static [&'static str],
}

/// Per GB processed. Regions that are not named are not established.
const NAT_PROCESSING: &[Figure] = &[
    Figure { nano_usd: 45_000_000, seen: Seen::Rechecked, regions: &["us-east-1"] },
    Figure { nano_usd: 62_000_000, seen: Seen::Rechecked, regions: &["ap-northeast-1"] },
    Figure { nano_usd: 59_000_000, seen: Seen::Rechecked, regions: &["ap-southeast-1"] },
    Figure { nano_usd: 45_000_000, seen: Seen::Older, regions: &["us-east-2", "us-west-2"] },
    // Open: 0.045 stands in one other place, neither is dated.
    Figure { nano_usd: 46_000_000, seen: Seen::Older, regions: &["eu-north-1"] },
    Figure { nano_usd: 48_000_000, seen: Seen::Older, regions: &["eu-west-1", "us-west-1"] },
    Figure { nano_usd: 50_000_000, seen: Seen::Older, regions: &["ca-central-1", "eu-west-2", "eu-west-3"] },
    Figure { nano_usd: 52_000_000, seen: Seen::Older, regions: &["eu-central-1"] },
    Figure { nano_usd: 52_800_000, seen: Seen::Older, regions: &["me-south-1"] },
    Figure { nano_usd: 54_000_000, seen: Seen::Older, regions: &["us-gov-east-1", "us-gov-west-1"] },
    Figure { nano_usd: 56_000_000, seen: Seen::Older, regions: &["ap-south-1"] },
    Figure { nano_usd: 59_000_000, seen: Seen::TwoBills, regions: &["ap-northeast-2"] },
    Figure { nano_usd: 59_000_000, seen: Seen::Older, regions: &["ap-southeast-2"] },
    Figure { nano_usd: 62_000_000, seen: Seen::Older, regions: &["ap-northeast-3"] },
    Figure { nano_usd: 65_000_000, seen: Seen::Older, regions: &["ap-east-1"] },
    Figure { nano_usd: 93_000_000, seen: Seen::Older, regions: &["sa-east-1"] },
];

/// To the internet, first paid tier. The tier that applies depends on all of the payer's accounts and services.
const INTERNET_EGRESS: &[Figure] = &[
    Figure {
        nano_usd: 90_000_000,
        seen: Seen::Older,
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
    Figure { nano_usd: 109_300_000, seen: Seen::Older, regions: &["ap-south-1"] },
    Figure { nano_usd: 114_000_000, seen: Seen::Older, regions: &["ap-northeast-1", "ap-southeast-2"] },
    Figure { nano_usd: 117_000_000, seen: Seen::Older, regions: &["me-south-1"] },
    Figure { nano_usd: 120_000_000, seen: Seen::Older, regions: &["ap-southeast-1"] },
    Figure { nano_usd: 126_000_000, seen: Seen::TwoBills, regions: &["ap-northeast-2"] },
    Figure { nano_usd: 132_000_000, seen: Seen::OfferFile, regions: &["ap-southeast-3"] },
    Figure { nano_usd: 150_000_000, seen: Seen::Older, regions: &["sa-east-1"] },
    Figure { nano_usd: 154_000_000, seen: Seen::Older, regions: &["af-south-1"] },
];

/// Per GB and side between two zones, the same wherever the bill is in USD; it also is the hop to a NAT gateway in
/// another zone.
const ZONE_CROSSING: u64 = 10_000_000;

/// Per GB through an interface endpoint, first tier.
const ENDPOINT_PROCESSING: u64 = 10_000_000;

/// Per GB sent into a transit gateway.
const TRANSIT_PROCESSING: u64 = 20_000_000;

/// Whether a region's bills are in USD. A price in another currency must come from the user, converted.
fn billed_in_usd(region: &str) -> bool {
    !region.starts_with("cn-") && !region.starts_with("eusc-")
}

/// The page on which AWS publishes the price of a charge.
pub fn source_of(charge: Charge) -> &'static str {
    match charge {
        Charge::InterAz
        | Charge::InterRegion
        | Charge::NatHop
        | Charge::InternetEgress
        | Charge::RegionalPublic => TRANSFER_SOURCE,
        Charge::NatProcessing => NAT_SOURCE,
        Charge::VpcEndpointProcessing => ENDPOINT_SOURCE,
        Charge::TransitGatewayProcessing => TRANSIT_SOURCE,
        Charge::VpnEgress => VPN_SOURCE,
        Charge::DirectConnectEgress => DIRECT_CONNECT_SOURCE,
    }
}

/// The built-in price of a charge in a region.
pub fn built_in(region: &str, charge: Charge) -> Option<Row> {
    let region = *REGIONS.iter().find(|known| **known == region)?;
    let in_usd = |nano_usd, seen| billed_in_usd(region).then_some((nano_usd, seen));
    let (nano_usd, seen) = match charge {
        Charge::InterAz | Charge::NatHop | Charge::RegionalPublic => in_usd(ZONE_CROSSING, Seen::Rechecked),
        Charge::NatProcessing => figure(NAT_PROCESSING, region),
        Charge::InternetEgress => figure(INTERNET_EGRESS, region),
        Charge::VpcEndpointProcessing => in_usd(ENDPOINT_PROCESSING, Seen::Older),
        Charge::TransitGatewayProcessing => in_usd(TRANSIT_PROCESSING, Seen::Older),
        Charge::InterRegion | Charge::VpnEgress | Charge::DirectConnectEgress => None,
    }?;
    Some(Row {
        region,
        charge,
        per_gigabyte: NanoUsd(nano_usd),
        as_of: seen.as_of(),
        verified: seen != Seen::Older,
        source: source_of(charge),
    })
}

fn figure(table: &[Figure], region: &str) -> Option<(u64, Seen)> {
    table.iter().find(|figure| figure.regions.contains(&region)).map(|figure| (figure.nano_usd, figure.seen))
}

/// Every built-in price, by region and charge.
pub fn rows() -> impl Iterator<Item = Row> {
    REGIONS.into_iter().flat_map(|region| Charge::ALL.into_iter().filter_map(move |c| built_in(region, c)))
}

/// Prices that the user set, in nano-USD per gigabyte.
pub type Overrides = BTreeMap<Charge, NanoUsd>;

/// Billionths of a gigabyte, exactly as typed. How many bytes that is, [`PriceBook::unit`] says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoGb(pub u64);

impl fmt::Display for NanoGb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:09}", self.0 / BILLION, self.0 % BILLION);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A step of a price that falls with the amount of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// Where it ends; `None` for the last one, which never does.
    pub to: Option<NanoGb>,
    /// The price inside it.
    pub per_gigabyte: NanoUsd,
}

/// Tiers that the user set: ascending, at least one, and only the last is open.
pub type Tiers = BTreeMap<Charge, Vec<Tier>>;

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
    /// `[prices.regions.*] tiers`, for the gauges of a month: counters are at list price.
    pub tiers: BTreeMap<Arc<str>, Tiers>,
    /// `prices.free_gb`: what a month of the payer has for nothing, over all regions.
    pub free: NanoGb,
    /// `prices.elsewhere_gb`: what the payer moves in a month outside these logs.
    pub elsewhere: NanoGb,
}

impl PriceBook {
    /// The region whose rows hold for a source whose logs are of `source_region`.
    pub fn priced_as<'a>(&'a self, source_region: &'a str) -> &'a str {
        self.forced_region.as_deref().unwrap_or(source_region)
    }

    /// Finds the price of a charge: the override of the region, else the general one, else the
    /// built-in row (semantics 6.19).
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
/// so that the amount stays visible and can be priced by hand (semantics 6.20).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prices([Option<Price>; Charge::COUNT]);

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

/// Billionths in a whole.
const BILLION: u64 = 1_000_000_000;

/// Reads decimal dollars exactly: `0.045` is 45,000,000 nano-dollars. At most `max_usd` whole dollars.
pub fn parse_usd(text: &str, max_usd: u64) -> Result<NanoUsd, PriceError> {
    billionths(text, max_usd).map(NanoUsd)
}

/// Reads decimal gigabytes exactly. At most `max_gb` whole ones.
pub fn parse_gb(text: &str, max_gb: u64) -> Option<NanoGb> {
    billionths(text, max_gb).ok().map(NanoGb)
}

fn billionths(text: &str, max: u64) -> Result<u64, PriceError> {
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
    let too_large = PriceError::TooLarge(max);
    let whole: u64 = whole.parse().map_err(|_| too_large)?;
    let part: u64 = format!("{fraction:0<9}").parse().map_err(|_| PriceError::NotDecimal)?;
    if whole > max || (whole == max && part > 0) {
        return Err(too_large);
    }
    whole.checked_mul(BILLION).and_then(|whole| whole.checked_add(part)).ok_or(too_large)
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
            ("ap-northeast-2", Charge::InternetEgress, Some(126_000_000)),
            ("ap-southeast-3", Charge::InternetEgress, Some(132_000_000)),
            ("ap-southeast-4", Charge::InternetEgress, None),
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

    /// Semantics 6.19.
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
        assert_eq!(cost(&book, "ap-southeast-4", Charge::InternetEgress), Some(90_000_000));
        assert_eq!(book.priced_as("ap-southeast-4"), "us-east-1");
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

    /// Semantics 6.18.
    #[test]
    fn the_unit_is_carried_into_the_price() {
        let book = PriceBook { unit: Gigabyte::Decimal, ..PriceBook::default() };
        let price = book.for_region("us-east-1").get(Charge::InterAz).unwrap();
        assert_eq!(price.of(1_000_000_000), Some(NanoUsd(10_000_000)));
    }

    #[test]
    fn only_figures_of_the_older_table_are_not_verified() {
        let row = |region, charge| built_in(region, charge).unwrap();
        for (region, charge, as_of, verified) in [
            ("us-east-1", Charge::NatProcessing, "2026", true),
            ("us-east-1", Charge::InterAz, "2026", true),
            ("eu-north-1", Charge::NatProcessing, "before 2026", false),
            ("us-east-1", Charge::InternetEgress, "before 2026", false),
            ("ap-northeast-2", Charge::NatProcessing, "seen in two bills", true),
            ("ap-northeast-2", Charge::InternetEgress, "seen in two bills", true),
            ("ap-southeast-3", Charge::InternetEgress, "seen in AWS's price list file", true),
        ] {
            let row = row(region, charge);
            assert_eq!((row.as_of, row.verified), (as_of, verified), "{region} {}", charge.as_str());
        }
    }

    #[test]
    fn gigabytes_are_read_exactly() {
        for (text, want) in [
            ("0", Some((0, "0"))),
            ("100", Some((100_000_000_000, "100"))),
            ("10240.5", Some((10_240_500_000_000, "10240.5"))),
            ("0.000000001", Some((1, "0.000000001"))),
            ("1000000000", Some((1_000_000_000_000_000_000, "1000000000"))),
            ("1000000000.1", None),
            ("-1", None),
            ("1e3", None),
        ] {
            let got = parse_gb(text, crate::limits::TIER_GB);
            assert_eq!(got, want.map(|(nanos, _)| NanoGb(nanos)), "{text}");
            assert_eq!(got.map(|gb| gb.to_string()).as_deref(), want.map(|(_, shown)| shown));
        }
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
