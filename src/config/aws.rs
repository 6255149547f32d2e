//! `[aws]`: what the network of AWS is like where neither the logs nor the topology can tell.

use std::{path::PathBuf, sync::Arc};

use super::{
    AwsConfig, IpRangesFile,
    problems::Problems,
    raw::{Node, Table},
    read_bytes,
    scope::{self, Placed},
    topology::items,
    values::{self, Parsed},
};
use crate::{
    classify::{GatewayPath, PublicNets, Rules, Scope},
    limits,
    store::chain,
    topology::IpRanges,
};

/// Where AWS publishes its address ranges.
const IP_RANGES_URL: &str = "https://ip-ranges.amazonaws.com/ip-ranges.json";

/// Reads `[aws]`; all but the address ranges goes into the rules.
pub(super) fn read(
    root: &mut Table<'_>,
    rules: &mut Rules,
    sources: &[Arc<str>],
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> AwsConfig {
    let mut section = root.table(problems, "aws");
    let ip_ranges = section.optional(problems, "ip_ranges", ip_ranges);
    let words = [("vpn", GatewayPath::Vpn), ("direct_connect", GatewayPath::DirectConnect)];
    rules.gateway_path =
        section.or(problems, "gateway_path", GatewayPath::Vpn, |node| values::one_of(node, &words));
    rules.peered = peered(&mut section, problems);
    rules.public_nets = public_nets(&mut section, sources, problems, warnings);
    section.finish(problems);
    AwsConfig { ip_ranges }
}

fn ip_ranges(node: &Node<'_>) -> Parsed<IpRangesFile> {
    IpRangesFile::read(PathBuf::from(values::text(node)?))
}

impl IpRangesFile {
    /// Reads the file as it is now.
    ///
    /// # Errors
    /// What would be right, in the words that follow the key.
    pub fn read(path: PathBuf) -> Result<Self, String> {
        let hint = format!("put a copy of {IP_RANGES_URL} there, or remove the key");
        let bytes = read_bytes(&path, limits::IP_RANGES_BYTES, &hint, "AWS's ip-ranges.json")?;
        match IpRanges::parse(&bytes) {
            Ok(ranges) => Ok(Self { path, ranges: Arc::new(ranges) }),
            Err(error) => Err(format!("{}; {hint}", chain(&error))),
        }
    }
}

/// Pairs of VPCs, each in order and once.
fn peered(section: &mut Table<'_>, problems: &mut Problems) -> Vec<(Arc<str>, Arc<str>)> {
    let mut pairs = Vec::new();
    for (node, _) in section.list(problems, "peered", |_| Ok(())) {
        let Some(ends) = node.items().filter(|ends| ends.len() == 2) else {
            problems.push(node.problem("must be a pair of VPCs, such as [\"vpc-0a\", \"vpc-0b\"]"));
            continue;
        };
        let mut ids = Vec::new();
        for end in ends {
            match values::aws_id(&end, "vpc-") {
                Ok(id) => ids.push(id),
                Err(wanted) => problems.push(end.problem(wanted)),
            }
        }
        ids.sort_unstable();
        match &ids[..] {
            [one, other] if one == other => {
                problems.push(node.problem("names one VPC twice; a peering has two"));
            }
            [one, other] => pairs.push((one.clone(), other.clone())),
            _ => {}
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Networks as they are, which hold everywhere, and tables of networks with a scope.
fn public_nets(
    section: &mut Table<'_>,
    sources: &[Arc<str>],
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Vec<PublicNets> {
    let mut everywhere: Vec<Placed<'_, ipnet::IpNet>> = Vec::new();
    let mut scoped = Vec::new();
    for (node, _) in section.list(problems, "public_cidrs", |_| Ok(())) {
        let Some(mut table) = node.table().filter(|_| node.text().is_none()) else {
            match values::cidr(&node) {
                Ok(network) => everywhere.push((node, network)),
                Err(wanted) => problems.push(node.problem(wanted)),
            }
            continue;
        };
        let cidrs = table.list(problems, "cidrs", values::cidr);
        let scope = scope::read(&mut table, sources, problems, warnings);
        let key = table.path_of("cidrs");
        if cidrs.is_empty() && !problems.any_below(&key) {
            let wanted = "is missing or empty: write the networks, such as cidrs = [\"10.0.250.0/24\"]";
            problems.at(key, wanted);
        }
        table.finish(problems);
        scoped.push(PublicNets { cidrs: items(cidrs), scope });
    }
    if !everywhere.is_empty() {
        scoped.insert(0, PublicNets { cidrs: items(everywhere), scope: Scope::default() });
    }
    scoped
}
