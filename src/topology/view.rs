//! What the objects of one account and region see of a topology, and the records of one VPC among them.
//!
//! Objects with the same matching entries share a view. Of a VPC only the networks that name it are kept apart: what
//! holds there goes before what holds everywhere (semantics 2.3).

use std::{
    collections::{BTreeSet, HashMap},
    hash::{Hash, Hasher},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use ipnet::IpNet;

use super::{
    Entries, IpRanges, RangeService, RegionId, Scope, SourceScope, ZoneIndex, Zones,
    nets::{NetTable, Piece},
};
use crate::{limits, model::ChargeSet};

/// What is known of an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetInfo {
    /// The configured zone (step 1 of semantics 2.14).
    pub zone: Option<ZoneIndex>,
    /// That zone is outside.
    pub outside: bool,
    /// The configured zone of another scope, if exactly one other scope has one (step 5).
    pub elsewhere: Option<ZoneIndex>,
    /// A NAT gateway's private address.
    pub gateway: Option<u32>,
    /// A service's address.
    pub service: Option<u32>,
    /// Charges that are not taken.
    pub exempt: ChargeSet,
    /// Reaches the internet without a NAT gateway.
    pub public: bool,
    /// AWS's public address.
    pub range: Option<AwsRange>,
}

/// Each address of an object is hashed: what tells most of them apart is enough, in few steps.
impl Hash for NetInfo {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let one = |number: Option<u32>| number.map_or(0, |number| u64::from(number) + 1);
        state.write_u64(one(self.zone) << 32 ^ one(self.service));
        let region = self.range.and_then(|range| range.region).map(|region| region.0);
        state.write_u64(one(self.gateway) << 32 ^ one(region) << 1 ^ u64::from(self.public));
    }
}

/// Where AWS's file has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AwsRange {
    /// `None`: global.
    pub region: Option<RegionId>,
    /// Whose it is.
    pub service: RangeService,
}

/// An entry of a rank: a lower one goes before, whatever the prefix.
type Ranked = Option<(u8, u32)>;

/// What the networks around an address say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Layers {
    zone: Ranked,
    gateway: Ranked,
    service: Ranked,
    exempt: ChargeSet,
    public: bool,
    range: Option<AwsRange>,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Zone(u8, u32),
    Gateway(u8, u32),
    Service(u8, u32),
    Exempt(ChargeSet),
    Public,
    Range(AwsRange),
}

impl Piece for Layers {
    type Entry = Entry;

    fn add(&mut self, entry: Entry) {
        // Of one rank the longer prefix goes before, and it comes later.
        let put = |into: &mut Ranked, rank: u8, index: u32| {
            if into.is_none_or(|(known, _)| rank <= known) {
                *into = Some((rank, index));
            }
        };
        match entry {
            Entry::Zone(rank, index) => put(&mut self.zone, rank, index),
            Entry::Gateway(rank, index) => put(&mut self.gateway, rank, index),
            Entry::Service(rank, index) => put(&mut self.service, rank, index),
            Entry::Exempt(charges) => self.exempt = self.exempt.union(charges),
            Entry::Public => self.public = true,
            Entry::Range(range) => self.range = Some(range),
        }
    }
}

/// Which scope's zones have an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Elsewhere {
    #[default]
    Nowhere,
    /// Scope and zone of the longest prefix.
    One(u32, ZoneIndex),
    Several,
}

impl Piece for Elsewhere {
    type Entry = (u32, ZoneIndex);

    fn add(&mut self, (scope, zone): Self::Entry) {
        *self = match *self {
            Self::Nowhere => Self::One(scope, zone),
            Self::One(known, _) if known == scope => Self::One(scope, zone),
            Self::One(..) | Self::Several => Self::Several,
        };
    }
}

/// What records of one VPC, or of none, see beside addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Networks {
    /// Whether AZ ids speak (semantics 2.13).
    pub az_ids_speak: bool,
    /// Whether a zone that is not outside has networks.
    pub has_networks: bool,
    /// Whether a forwarder may be on the way.
    pub has_forwarder: bool,
}

/// What objects with the same matching entries see.
#[derive(Debug)]
pub struct View {
    base: NetTable<Layers>,
    seen: Networks,
    vpcs: HashMap<Arc<str>, Vpc>,
    elsewhere: Arc<NetTable<Elsewhere>>,
    /// Zones outside.
    outside: Arc<BTreeSet<ZoneIndex>>,
}

#[derive(Debug)]
struct Vpc {
    table: NetTable<Layers>,
    seen: Networks,
}

/// A view with what an object's key says.
#[derive(Debug, Clone)]
pub struct Sight {
    /// What is seen.
    pub view: Arc<View>,
    /// Region of the key, else of the source.
    pub region: Arc<str>,
    /// Account of the key.
    pub account: Option<Arc<str>>,
}

impl View {
    /// What a VPC's records see; `None` stands for records without a VPC.
    pub fn networks(&self, vpc_id: Option<&str>) -> Networks {
        vpc_id.and_then(|id| self.vpcs.get(id)).map_or(self.seen, |vpc| vpc.seen)
    }

    /// Whether some entries hold in this VPC only.
    pub fn has_vpc(&self, vpc_id: &str) -> bool {
        self.vpcs.contains_key(vpc_id)
    }

    /// What is known of an address in records of a VPC.
    pub fn find(&self, address: IpAddr, vpc_id: Option<&str>) -> NetInfo {
        let nothing = Layers::default();
        let base = self.base.find(address);
        let narrow = vpc_id.and_then(|id| self.vpcs.get(id)).map_or(&nothing, |vpc| vpc.table.find(address));
        let index = |narrow: Ranked, base: Ranked| narrow.or(base).map(|(_, index)| index);
        let zone = index(narrow.zone, base.zone);
        NetInfo {
            zone,
            outside: zone.is_some_and(|zone| self.outside.contains(&zone)),
            elsewhere: match self.elsewhere.find(address) {
                Elsewhere::One(_, zone_elsewhere) if zone.is_none() => Some(*zone_elsewhere),
                _ => None,
            },
            gateway: index(narrow.gateway, base.gateway),
            service: index(narrow.service, base.service),
            exempt: narrow.exempt.union(base.exempt),
            public: narrow.public || base.public,
            range: base.range,
        }
    }
}

/// An entry with networks, and where it holds.
#[derive(Debug)]
struct Scoped {
    /// Index into [`Views::scopes`].
    scope: u32,
    network: IpNet,
    entry: Entry,
}

/// The views of a source, made when an object first asks for one.
#[derive(Debug)]
pub(super) struct Views {
    source: SourceScope,
    scopes: Vec<Scope>,
    entries: Vec<Scoped>,
    /// Scope, whether it has networks and is not outside, and whether it has its AZ by id: of each zone.
    zones: Vec<(u32, bool, bool)>,
    /// Scope of each forwarder.
    forwarders: Vec<u32>,
    elsewhere: Arc<NetTable<Elsewhere>>,
    outside: Arc<BTreeSet<ZoneIndex>>,
    made: Mutex<Made>,
}

/// Account and region of a key.
type Place = (Option<Arc<str>>, Arc<str>);

#[derive(Debug, Default)]
struct Made {
    /// By the scopes that match.
    views: HashMap<Vec<bool>, Arc<View>>,
    sights: HashMap<Place, Arc<View>>,
}

impl Views {
    pub(super) fn new(
        entries: &Entries<'_>,
        source: &SourceScope,
        ranges: Option<&IpRanges>,
        zones: &mut Zones,
    ) -> Self {
        zones.region(&source.region);
        let mut views = Self {
            source: source.clone(),
            scopes: Vec::new(),
            entries: Vec::new(),
            zones: Vec::new(),
            forwarders: Vec::new(),
            elsewhere: Arc::new(NetTable::new([])),
            outside: Arc::new(
                (0..).zip(zones.iter()).filter(|(_, zone)| zone.outside).map(|(at, _)| at).collect(),
            ),
            made: Mutex::default(),
        };
        // Of one network a named service is fed last: it wins.
        if let Some(ranges) = ranges {
            let everywhere = views.scope(&Scope::default());
            for (network, region, service) in &ranges.ranges {
                let region = region.as_ref().map(|region| zones.region(region));
                let entry = Entry::Range(AwsRange { region, service: *service });
                views.entries.push(Scoped { scope: everywhere, network: *network, entry });
            }
        }
        let mut all = Vec::new();
        for (index, (spec, zone)) in (0..).zip(entries.zones.iter().zip(zones.iter())) {
            let scope = views.add(&spec.scope, &spec.cidrs, |rank| Entry::Zone(rank, index));
            views.zones.push((scope, zone.has_networks, zone.has_az_id));
            all.extend(spec.cidrs.iter().map(|net| (*net, (scope, index))));
        }
        if views.zones.iter().any(|(scope, ..)| views.scopes[*scope as usize] != Scope::default()) {
            views.elsewhere = Arc::new(NetTable::new(all));
        }
        for (index, spec) in (0..).zip(entries.gateways) {
            let networks: Vec<IpNet> = spec.private_ips.iter().map(|ip| IpNet::from(*ip)).collect();
            views.add(&spec.scope, &networks, |rank| Entry::Gateway(rank, index));
        }
        for (index, spec) in (0..).zip(entries.services) {
            views.add(&spec.scope, &spec.cidrs, |rank| Entry::Service(rank, index));
        }
        for spec in entries.no_charge {
            let charges = ChargeSet::NONE.with(spec.charge, true);
            views.add(&spec.scope, &spec.cidrs, |_| Entry::Exempt(charges));
        }
        for spec in entries.public_nets {
            views.add(&spec.scope, &spec.cidrs, |_| Entry::Public);
        }
        for spec in entries.forwarders {
            let scope = views.scope(&spec.scope);
            views.forwarders.push(scope);
        }
        views
    }

    fn scope(&mut self, scope: &Scope) -> u32 {
        let known = self.scopes.iter().position(|known| known == scope);
        known.unwrap_or_else(|| {
            self.scopes.push(scope.clone());
            self.scopes.len() - 1
        }) as u32
    }

    fn add(&mut self, scope: &Scope, networks: &[IpNet], entry: impl Fn(u8) -> Entry) -> u32 {
        let rank = scope.rank();
        let scope = self.scope(scope);
        let of_network = |network: &IpNet| Scoped { scope, network: *network, entry: entry(rank) };
        self.entries.extend(networks.iter().map(of_network));
        scope
    }

    pub(super) fn sight(&self, account: Option<&str>, region: &str) -> Sight {
        let region = if region.is_empty() { &*self.source.region } else { region };
        let (account, region): (Option<Arc<str>>, Arc<str>) = (account.map(Arc::from), region.into());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (account, region);
        let view = made.sights.get(&key).cloned().unwrap_or_else(|| {
            let has = |scope: &Scope| scope.has_object(&self.source.name, key.0.as_deref(), &key.1);
            let matching: Vec<bool> = self.scopes.iter().map(has).collect();
            let view = made.views.get(&matching).cloned().unwrap_or_else(|| {
                let view = Arc::new(self.view(&matching));
                if made.views.len() >= limits::VIEWS {
                    made.views.clear();
                    made.sights.clear();
                }
                made.views.insert(matching, view.clone());
                view
            });
            if made.sights.len() >= limits::ROOTS {
                made.sights.clear();
            }
            made.sights.insert(key.clone(), view.clone());
            view
        });
        Sight { view, region: key.1, account: key.0 }
    }

    fn view(&self, matching: &[bool]) -> View {
        let matches = |scope: u32| matching[scope as usize];
        let vpcs_of = |scope: u32| &self.scopes[scope as usize].vpc_ids;
        let (mut base, mut by_vpc) = (Vec::new(), HashMap::<&Arc<str>, Vec<(IpNet, Entry)>>::new());
        for Scoped { scope, network, entry } in self.entries.iter().filter(|one| matches(one.scope)) {
            if vpcs_of(*scope).is_empty() {
                base.push((*network, *entry));
            }
            for vpc in vpcs_of(*scope) {
                by_vpc.entry(vpc).or_default().push((*network, *entry));
            }
        }
        let scoped = self.zones.iter().map(|(scope, ..)| *scope).chain(self.forwarders.iter().copied());
        for vpc in scoped.filter(|scope| matches(*scope)).flat_map(vpcs_of) {
            by_vpc.entry(vpc).or_default();
        }
        let networks = |vpc: Option<&Arc<str>>| {
            let here = |scope: u32| {
                let vpcs = vpcs_of(scope);
                matches(scope) && (vpcs.is_empty() || vpc.is_some_and(|vpc| vpcs.contains(vpc)))
            };
            let mut with_networks =
                self.zones.iter().filter(|(scope, has_networks, _)| *has_networks && here(*scope)).peekable();
            Networks {
                has_networks: with_networks.peek().is_some(),
                az_ids_speak: with_networks.all(|(_, _, has_az_id)| *has_az_id),
                has_forwarder: self.forwarders.iter().any(|scope| here(*scope)),
            }
        };
        View {
            base: NetTable::new(base),
            seen: networks(None),
            vpcs: by_vpc
                .into_iter()
                .map(|(vpc, entries)| {
                    let seen = networks(Some(vpc));
                    (vpc.clone(), Vpc { table: NetTable::new(entries), seen })
                })
                .collect(),
            elsewhere: self.elsewhere.clone(),
            outside: self.outside.clone(),
        }
    }
}
