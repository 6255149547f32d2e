//! AWS's public file of its address ranges: which region and service an address belongs to (semantics 7.4).
//!
//! Source: <https://docs.aws.amazon.com/vpc/latest/userguide/aws-ip-ranges.html>. The user brings the file.

use std::{collections::BTreeMap, io::Read as _, sync::Arc};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;

use crate::limits;

/// Whose a range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RangeService {
    /// No service is named.
    Amazon,
    /// Instances, load balancers, and the front ends of some services.
    Ec2,
    /// Another service.
    Named,
}

/// The ranges of a file, each network once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpRanges {
    /// When AWS made the file, as it says.
    pub created: Option<String>,
    /// Network, region (`None`: global) and service.
    pub(super) ranges: Vec<(IpNet, Option<Arc<str>>, RangeService)>,
}

/// Networks in which two files differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IpRangesDifference {
    /// Only in the later one.
    pub added: usize,
    /// Only in the earlier one.
    pub removed: usize,
    /// In both, with another region or service.
    pub changed: usize,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IpRangesError {
    /// Larger than any file of AWS.
    #[error(
        "is larger than {} bytes, also after decompression: not AWS's ip-ranges.json",
        limits::IP_RANGES_BYTES
    )]
    TooLarge,
    /// Not gzip although it begins like it.
    #[error("cannot be decompressed")]
    Gzip(#[source] std::io::Error),
    /// Not the JSON of the file.
    #[error("is not in the format of AWS's ip-ranges.json")]
    Json(#[source] serde_json::Error),
    /// Well-formed, but without a single range.
    #[error("has no ranges: not AWS's ip-ranges.json")]
    Empty,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "createDate")]
    created: Option<String>,
    #[serde(default)]
    prefixes: Vec<V4>,
    #[serde(default)]
    ipv6_prefixes: Vec<V6>,
}

#[derive(Deserialize)]
struct V4 {
    ip_prefix: Ipv4Net,
    region: String,
    service: String,
}

#[derive(Deserialize)]
struct V6 {
    ipv6_prefix: Ipv6Net,
    region: String,
    service: String,
}

impl IpRanges {
    /// Reads the file, plain or gzip.
    ///
    /// # Errors
    /// See [`IpRangesError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, IpRangesError> {
        let most = limits::IP_RANGES_BYTES;
        let mut plain = Vec::new();
        let text = if bytes.starts_with(&[0x1f, 0x8b]) {
            let decoder = flate2::read::MultiGzDecoder::new(bytes);
            decoder.take(most + 1).read_to_end(&mut plain).map_err(IpRangesError::Gzip)?;
            &plain[..]
        } else {
            bytes
        };
        if text.len() as u64 > most {
            return Err(IpRangesError::TooLarge);
        }
        let file: File = serde_json::from_slice(text).map_err(IpRangesError::Json)?;
        let v4 = file
            .prefixes
            .into_iter()
            .map(|V4 { ip_prefix, region, service }| (IpNet::V4(ip_prefix.trunc()), region, service));
        let v6 = file
            .ipv6_prefixes
            .into_iter()
            .map(|V6 { ipv6_prefix, region, service }| (IpNet::V6(ipv6_prefix.trunc()), region, service));
        let mut regions: BTreeMap<String, Arc<str>> = BTreeMap::new();
        let mut best: BTreeMap<IpNet, (RangeService, Option<Arc<str>>)> = BTreeMap::new();
        for (network, region, service) in v4.chain(v6) {
            let region = (region != "GLOBAL")
                .then(|| regions.entry(region).or_insert_with_key(|region| region.as_str().into()).clone());
            let service = match service.as_str() {
                "AMAZON" => RangeService::Amazon,
                "EC2" => RangeService::Ec2,
                _ => RangeService::Named,
            };
            let found = best.entry(network).or_insert_with(|| (service, region.clone()));
            // Ties between named services by region, so that the order of the file does not matter.
            if (service, &region) > (found.0, &found.1) {
                *found = (service, region);
            }
        }
        if best.is_empty() {
            return Err(IpRangesError::Empty);
        }
        let ranges =
            best.into_iter().map(|(network, (service, region))| (network, region, service)).collect();
        Ok(Self { created: file.created, ranges })
    }

    /// How many networks there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Networks in order, with region (`None`: global) and service.
    pub fn iter(&self) -> impl Iterator<Item = (&IpNet, Option<&str>, RangeService)> {
        self.ranges.iter().map(|(network, region, service)| (network, region.as_deref(), *service))
    }

    /// What has changed since an earlier file.
    pub fn since(&self, before: &Self) -> IpRangesDifference {
        let of = |ranges: &Self| -> BTreeMap<IpNet, (Option<Arc<str>>, RangeService)> {
            let entry = |(network, region, service): &(IpNet, Option<Arc<str>>, RangeService)| {
                (*network, (region.clone(), *service))
            };
            ranges.ranges.iter().map(entry).collect()
        };
        let (old, new) = (of(before), of(self));
        let known = new.iter().filter_map(|(network, now)| Some((now, old.get(network)?)));
        let (kept, changed) =
            known.fold((0, 0), |(kept, changed), (now, then)| (kept + 1, changed + usize::from(now != then)));
        IpRangesDifference { added: new.len() - kept, removed: old.len() - kept, changed }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"syncToken": "1", "createDate": "2026-11-01-00-00-00", "prefixes": [
        {"ip_prefix": "3.0.0.0/15", "region": "us-east-1", "service": "AMAZON", "network_border_group": "us-east-1"},
        {"ip_prefix": "3.0.0.0/15", "region": "us-east-1", "service": "EC2", "network_border_group": "us-east-1"},
        {"ip_prefix": "52.216.0.0/15", "region": "us-east-1", "service": "S3", "network_border_group": "us-east-1"},
        {"ip_prefix": "52.216.0.0/15", "region": "us-east-1", "service": "AMAZON", "network_border_group": "us-east-1"},
        {"ip_prefix": "13.32.0.0/15", "region": "GLOBAL", "service": "CLOUDFRONT", "network_border_group": "GLOBAL"}
      ], "ipv6_prefixes": [
        {"ipv6_prefix": "2600:1f18::/33", "region": "us-east-1", "service": "EC2", "network_border_group": "us-east-1"}
      ]}"#;

    #[test]
    fn a_named_service_goes_before_ec2_before_amazon() {
        let ranges = IpRanges::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(ranges.created.as_deref(), Some("2026-11-01-00-00-00"));
        let found = |net: &str| {
            let net: IpNet = net.parse().unwrap();
            let (_, region, service) = ranges.ranges.iter().find(|(network, ..)| *network == net).unwrap();
            (region.as_deref(), *service)
        };
        assert_eq!(found("3.0.0.0/15"), (Some("us-east-1"), RangeService::Ec2));
        assert_eq!(found("52.216.0.0/15"), (Some("us-east-1"), RangeService::Named));
        assert_eq!(found("13.32.0.0/15"), (None, RangeService::Named));
        assert_eq!(found("2600:1f18::/33"), (Some("us-east-1"), RangeService::Ec2));
        assert_eq!(ranges.len(), 4);
    }

    #[test]
    fn a_difference_counts_networks_once() {
        let ranges = IpRanges::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(ranges.since(&ranges), IpRangesDifference::default());
        let later = TEXT
            .replace("52.216.0.0/15", "52.218.0.0/16")
            .replace(
                "\"2600:1f18::/33\", \"region\": \"us-east-1\"",
                "\"2600:1f18::/33\", \"region\": \"us-east-2\"",
            )
            .replace("2026-11-01", "2026-11-02");
        let later = IpRanges::parse(later.as_bytes()).unwrap();
        assert_eq!(later.since(&ranges), IpRangesDifference { added: 1, removed: 1, changed: 1 });
        assert_eq!(
            later.since(&IpRanges::default()),
            IpRangesDifference { added: 4, removed: 0, changed: 0 }
        );
    }

    #[test]
    fn gzip_is_read_and_what_is_no_such_file_is_refused() {
        use std::io::Write as _;
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(TEXT.as_bytes()).unwrap();
        let gz = gz.finish().unwrap();
        assert_eq!(IpRanges::parse(&gz).unwrap(), IpRanges::parse(TEXT.as_bytes()).unwrap());
        assert!(matches!(IpRanges::parse(&gz[..40]), Err(IpRangesError::Gzip(_))));
        assert!(matches!(IpRanges::parse(b"[]"), Err(IpRangesError::Json(_))));
        assert!(matches!(IpRanges::parse(b"{}"), Err(IpRangesError::Empty)));
        let odd = TEXT.replace("3.0.0.0/15", "3.0.0.0/99");
        assert!(matches!(IpRanges::parse(odd.as_bytes()), Err(IpRangesError::Json(_))));
    }
}
