//! AWS's address ranges (semantics 7.4).

use super::{OracleConfig, addr, addr::Addr};

/// Finds the region (`None` for global addresses) and the service of a globally routable address.
/// `service` is what the record names.
pub(super) fn look_up(
    address: Addr,
    service: Option<&str>,
    config: &OracleConfig,
) -> Option<(Option<String>, String)> {
    if address.is_private() {
        return None;
    }
    let mut found: Vec<_> =
        config.ip_ranges.iter().flatten().filter(|range| address.is_in(&range.prefix)).collect();
    // The longest prefix, in it a named service, then EC2, then AMAZON.
    found.sort_by_key(|range| {
        let rank = match range.service.as_str() {
            "AMAZON" => 2,
            "EC2" => 1,
            _ => 0,
        };
        (std::cmp::Reverse(addr::prefix_len(&range.prefix)), rank)
    });
    let range = found.first()?;
    let region = (range.region != "GLOBAL").then(|| range.region.clone());
    let named = service.filter(|service| *service != "EC2" && *service != "AMAZON");
    Some((region, named.unwrap_or(&range.service).to_string()))
}
