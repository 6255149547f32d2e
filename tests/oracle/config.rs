//! The part of the configuration that the rules read, in words.

use std::collections::BTreeMap;

/// Where an entry holds (semantics 2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ScopeConfig {
    pub(crate) sources: Vec<String>,
    pub(crate) accounts: Vec<String>,
    pub(crate) regions: Vec<String>,
    pub(crate) vpc_ids: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZoneConfig {
    pub(crate) name: String,
    pub(crate) az_id: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) cidrs: Vec<String>,
    pub(crate) logged: bool,
    /// `in`
    pub(crate) within: Option<String>,
    pub(crate) outside: bool,
    pub(crate) scope: ScopeConfig,
}

impl Default for ZoneConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            az_id: None,
            region: None,
            cidrs: Vec::new(),
            logged: true,
            within: None,
            outside: false,
            scope: ScopeConfig::default(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GatewayConfig {
    pub(crate) name: String,
    /// A regional gateway need not have one.
    pub(crate) zone: Option<String>,
    pub(crate) interface_ids: Vec<String>,
    pub(crate) private_ips: Vec<String>,
    pub(crate) resource_ids: Vec<String>,
    pub(crate) scope: ScopeConfig,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ForwarderConfig {
    pub(crate) name: String,
    pub(crate) interface_ids: Vec<String>,
    pub(crate) scope: ScopeConfig,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServiceConfig {
    pub(crate) name: String,
    pub(crate) cidrs: Vec<String>,
    pub(crate) interface_ids: Vec<String>,
    /// `both`, `far_side` or `free`.
    pub(crate) billing: &'static str,
    pub(crate) scope: ScopeConfig,
}

/// An entry of `prices.no_charge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoChargeConfig {
    pub(crate) charge: &'static str,
    pub(crate) cidrs: Vec<String>,
    pub(crate) scope: ScopeConfig,
}

/// An entry of `aws.public_cidrs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicConfig {
    pub(crate) cidrs: Vec<String>,
    pub(crate) scope: ScopeConfig,
}

/// A network of AWS's address ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RangeConfig {
    pub(crate) prefix: String,
    /// A region or `GLOBAL`.
    pub(crate) region: String,
    pub(crate) service: String,
}

/// Charge to nano-dollars for one gigabyte.
pub(crate) type PriceList = BTreeMap<&'static str, u64>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OracleConfig {
    /// Name and region of the source that the object came from, and the region of the first source.
    pub(crate) source: String,
    pub(crate) source_region: String,
    pub(crate) home_region: String,
    pub(crate) zones: Vec<ZoneConfig>,
    pub(crate) gateways: Vec<GatewayConfig>,
    pub(crate) forwarders: Vec<ForwarderConfig>,
    pub(crate) services: Vec<ServiceConfig>,
    pub(crate) public_cidrs: Vec<PublicConfig>,
    pub(crate) peered: Vec<(String, String)>,
    /// `vpn` or `direct_connect`.
    pub(crate) gateway_path: &'static str,
    pub(crate) ip_ranges: Option<Vec<RangeConfig>>,
    /// Name, and inclusive ranges of ports.
    pub(crate) port_groups: Vec<(String, Vec<(u16, u16)>)>,
    /// `either` or `destination`.
    pub(crate) port_match: &'static str,
    /// `auto`, `every` or `sender`.
    pub(crate) vantage: &'static str,
    /// `endpoint` or `client`.
    pub(crate) endpoint_at: &'static str,
    pub(crate) rejected: bool,
    pub(crate) no_charge: Vec<NoChargeConfig>,
    /// `prices.region`
    pub(crate) price_region: Option<String>,
    /// `[prices]`
    pub(crate) prices: PriceList,
    /// `[prices.regions.*]`
    pub(crate) region_prices: BTreeMap<String, PriceList>,
    /// 2^30 or 10^9 (semantics 6.18).
    pub(crate) bytes_per_gb: u64,
    pub(crate) bad_rows_per_object: u64,
}

impl Default for OracleConfig {
    fn default() -> Self {
        Self {
            source: "logs".to_string(),
            source_region: "us-east-1".to_string(),
            home_region: "us-east-1".to_string(),
            zones: Vec::new(),
            gateways: Vec::new(),
            forwarders: Vec::new(),
            services: Vec::new(),
            public_cidrs: Vec::new(),
            peered: Vec::new(),
            gateway_path: "vpn",
            ip_ranges: None,
            port_groups: Vec::new(),
            port_match: "either",
            vantage: "auto",
            endpoint_at: "endpoint",
            rejected: false,
            no_charge: Vec::new(),
            price_region: None,
            prices: PriceList::new(),
            region_prices: BTreeMap::new(),
            bytes_per_gb: 1 << 30,
            bad_rows_per_object: 0,
        }
    }
}

impl OracleConfig {
    /// A configuration whose only source has logs of this region.
    pub(crate) fn of_region(region: &str) -> Self {
        Self { source_region: region.to_string(), home_region: region.to_string(), ..Self::default() }
    }
}
