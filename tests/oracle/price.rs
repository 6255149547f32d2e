//! Prices: semantics 6.17 to 6.20.

use super::OracleConfig;

/// Finds the price of a charge (semantics 6.19), in nano-dollars for a gigabyte.
pub(super) fn of(charge: &str, key_region: &str, config: &OracleConfig) -> Option<u64> {
    let region = config.price_region.as_deref().unwrap_or(key_region);
    let own = config.region_prices.get(region).and_then(|prices| prices.get(charge));
    own.or_else(|| config.prices.get(charge)).copied().or_else(|| built_in(region, charge))
}

/// The rows of the regions that cases and random objects have, copied from AWS's price lists.
fn built_in(region: &str, charge: &str) -> Option<u64> {
    let (nat_processing, internet_egress) = match region {
        "us-east-1" => (45_000_000, 90_000_000),
        "ap-northeast-1" => (62_000_000, 114_000_000),
        "sa-east-1" => (93_000_000, 150_000_000),
        "eu-west-1" => (48_000_000, 90_000_000),
        // Billed in another currency: no rows.
        "cn-north-1" => return None,
        _ => panic!("no case has prices of {region}"),
    };
    match charge {
        "inter_az" | "nat_hop" | "regional_public" | "vpc_endpoint_processing" => Some(10_000_000),
        "transit_gateway_processing" => Some(20_000_000),
        "nat_processing" => Some(nat_processing),
        "internet_egress" => Some(internet_egress),
        "inter_region" | "vpn_egress" | "direct_connect_egress" => None,
        _ => panic!("{charge} is not a charge"),
    }
}

/// Prices the bytes of one hour, series and charge (semantics 6.17); without a price at 0
/// (semantics 6.20).
pub(super) fn money(bytes: u128, nanos_per_gb: Option<u64>, bytes_per_gb: u64) -> u128 {
    let product = bytes * u128::from(nanos_per_gb.unwrap_or(0));
    let gb = u128::from(bytes_per_gb);
    let whole = product / gb;
    let rest = product % gb;
    if rest * 2 >= gb { whole + 1 } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_rounded_half_up() {
        assert_eq!(money(1 << 30, Some(10_000_000), 1 << 30), 10_000_000);
        assert_eq!(money(53, Some(10_000_000), 1 << 30), 0);
        assert_eq!(money(54, Some(10_000_000), 1 << 30), 1);
        assert_eq!(money(1, Some(500_000_000), 1_000_000_000), 1);
        assert_eq!(money(1, Some(499_999_999), 1_000_000_000), 0);
        assert_eq!(money(7, None, 1 << 30), 0);
    }

    #[test]
    fn the_more_specific_price_wins() {
        let mut config = OracleConfig::default();
        assert_eq!(of("nat_processing", "sa-east-1", &config), Some(93_000_000));
        config.prices.insert("nat_processing", 2);
        assert_eq!(of("nat_processing", "sa-east-1", &config), Some(2));
        config.region_prices.entry("sa-east-1".to_string()).or_default().insert("nat_processing", 3);
        assert_eq!(of("nat_processing", "sa-east-1", &config), Some(3));
        assert_eq!(of("nat_processing", "us-east-1", &config), Some(2));
        config.price_region = Some("sa-east-1".to_string());
        assert_eq!(of("nat_processing", "us-east-1", &config), Some(3));
        assert_eq!(of("inter_region", "us-east-1", &config), None);
        assert_eq!(of("inter_az", "cn-north-1", &OracleConfig::default()), None);
    }
}
