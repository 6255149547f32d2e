//! What one record is.
//!
//! What depends on a single value of a column (an address, an interface id) is known already, once per value of its
//! dictionary. What is read here of a record beside its numbers has to be in its shape: see [`super::shapes`].

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use super::{
    Classifier, GroupId, Vantage, ZoneId,
    charges::{ChargeSet, Facts},
    meanings::{self, ABSENT, AddrInfo, AzInfo, Values},
    vantage::{Leg, Side, regional_leg, sender_counts, zonal_leg},
};
use crate::{
    decode::{
        Action, AddrCell, AwsService, DictColumn, Direction, FlowBatch, IntCell, IntColumn, InterfaceType,
        LogStatus,
    },
    limits,
    model::{NatDirection, RecordOutcome},
};

/// What one record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of it.
    pub outcome: RecordOutcome,
    /// What it adds to. Meaningful only for records that are counted or charged.
    pub key: VerdictKey,
    /// Whether both zones are known, differ, and share a region.
    pub inter_az: bool,
    /// What it is charged for.
    pub charges: ChargeSet,
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// `end`, else `start`: Unix seconds as written.
    pub time: Option<i64>,
}

/// The four labels as small integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerdictKey {
    /// Source zone.
    pub src_zone: ZoneId,
    /// Destination zone.
    pub dst_zone: ZoneId,
    /// Port group.
    pub port_group: GroupId,
    /// NAT leg.
    pub nat_direction: NatDirection,
}

impl Verdict {
    pub(super) fn without_traffic(outcome: RecordOutcome) -> Self {
        Self {
            outcome,
            key: VerdictKey {
                src_zone: ZoneId::UNKNOWN,
                dst_zone: ZoneId::UNKNOWN,
                port_group: GroupId::OTHER,
                nat_direction: NatDirection::None,
            },
            inter_az: false,
            charges: ChargeSet::default(),
            bytes: 0,
            packets: 0,
            time: None,
        }
    }
}

/// How a record was recognised as one of a NAT gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nat {
    No,
    Zonal(Option<usize>),
    Regional(Option<usize>),
}

/// The four addresses of a record.
#[derive(Clone, Copy)]
struct Addresses<'v> {
    src: &'v AddrInfo,
    dst: &'v AddrInfo,
    pkt_src: &'v AddrInfo,
    pkt_dst: &'v AddrInfo,
}

impl<'v> Addresses<'v> {
    fn source(&self) -> &'v AddrInfo {
        if matches!(self.pkt_src.cell, AddrCell::Null) { self.src } else { self.pkt_src }
    }

    fn destination(&self) -> &'v AddrInfo {
        if matches!(self.pkt_dst.cell, AddrCell::Null) { self.dst } else { self.pkt_dst }
    }

    fn any_bad(&self) -> bool {
        [self.src, self.dst, self.pkt_src, self.pkt_dst].iter().any(|info| matches!(info.cell, AddrCell::Bad))
    }
}

/// One record, with what the values of its batch mean.
pub(super) struct Row<'b> {
    pub classifier: &'b Classifier,
    pub batch: &'b FlowBatch,
    pub values: &'b Values,
    pub row: usize,
}

impl Row<'_> {
    pub(super) fn judge(&self, missing_az_ids: &mut BTreeSet<(Arc<str>, Arc<str>)>) -> Verdict {
        if self.batch.malformed.get(self.row).copied().unwrap_or(false) {
            return Verdict::without_traffic(RecordOutcome::Bad);
        }
        let addresses = self.addresses();
        if let Some(outcome) = self.no_data(addresses) {
            return Verdict::without_traffic(outcome);
        }
        let Some((bytes, packets, ports)) = self.numbers() else {
            return Verdict::without_traffic(RecordOutcome::Bad);
        };
        let (source, destination) = (addresses.source(), addresses.destination());
        if addresses.any_bad() || source.ip().is_none() || destination.ip().is_none() {
            return Verdict::without_traffic(RecordOutcome::Bad);
        }
        if !self.classifier.rules.count_rejected && self.get(&self.batch.action) == Some(Action::Reject) {
            return Verdict::without_traffic(RecordOutcome::Rejected);
        }
        let direction = self.direction();
        let nat = self.nat(addresses, direction);
        let nat_direction = match self.leg(nat, addresses, direction) {
            None => NatDirection::None,
            Some(Leg::Client(leg)) => leg,
            Some(Leg::Public) => return Verdict::without_traffic(RecordOutcome::NatPublicLeg),
        };
        let middlebox = nat != Nat::No || self.is_middlebox();
        if let Some(missing) = self.missing_az_id(addresses, direction, middlebox)
            && missing_az_ids.len() < limits::HINTS
        {
            missing_az_ids.insert(missing);
        }
        let key = VerdictKey {
            src_zone: self.zone(addresses, direction, middlebox, true),
            dst_zone: self.zone(addresses, direction, middlebox, false),
            port_group: self.classifier.ports.find(ports.0, ports.1),
            nat_direction,
        };
        let known = key.src_zone.is_known() && key.dst_zone.is_known();
        let same_region =
            known && self.classifier.region(key.src_zone) == self.classifier.region(key.dst_zone);
        let different_zones = known && key.src_zone != key.dst_zone;
        let facts = Facts {
            nat: nat_direction,
            different_zones,
            same_zone: known && !different_zones,
            same_region,
            different_regions: known && !same_region,
            ingress: direction == Direction::Ingress,
            hop: self.hop(nat, key),
            from_inside: key.src_zone.is_known() || source.private,
            to_internet: key.dst_zone == ZoneId::INTERNET,
            traffic_path: self.traffic_path(),
            gateway_in_region: self.classifier.gateway_in_region,
        };
        let counted = nat != Nat::No || self.counts(direction, key.src_zone);
        Verdict {
            outcome: if counted { RecordOutcome::Counted } else { RecordOutcome::OtherSide },
            key,
            inter_az: different_zones && same_region,
            charges: facts.charges().without(source.exempt.union(destination.exempt)),
            bytes,
            packets,
            time: self.time(),
        }
    }

    fn get<T: Copy>(&self, column: &Option<DictColumn<T>>) -> Option<T> {
        column.as_ref().map(|column| *column.get(self.row))
    }

    fn int(&self, column: &Option<IntColumn>) -> IntCell {
        column.as_ref().map_or(IntCell::Null, |column| column.get(self.row))
    }

    fn value_of<'v, T, V>(&self, column: &Option<DictColumn<T>>, values: &'v [V]) -> Option<&'v V> {
        column.as_ref().map(|column| &values[column.index[self.row] as usize])
    }

    fn addresses(&self) -> Addresses<'_> {
        let pick = |column, values: &meanings::Addresses| {
            let place = self.value_of(column, &values.places);
            place.map_or(&ABSENT, |place| self.values.book.info(*place))
        };
        Addresses {
            src: pick(&self.batch.srcaddr, &self.values.srcaddr),
            dst: pick(&self.batch.dstaddr, &self.values.dstaddr),
            pkt_src: pick(&self.batch.pkt_srcaddr, &self.values.pkt_srcaddr),
            pkt_dst: pick(&self.batch.pkt_dstaddr, &self.values.pkt_dstaddr),
        }
    }

    fn no_data(&self, addresses: Addresses<'_>) -> Option<RecordOutcome> {
        match self.get(&self.batch.log_status).unwrap_or(LogStatus::Null) {
            LogStatus::NoData => Some(RecordOutcome::NoData),
            LogStatus::SkipData => Some(RecordOutcome::SkipData),
            LogStatus::Ok => None,
            LogStatus::Null => {
                let null = |info: &AddrInfo| matches!(info.cell, AddrCell::Null);
                let empty = matches!(self.batch.bytes.get(self.row), IntCell::Null)
                    && null(addresses.source())
                    && null(addresses.destination());
                empty.then_some(RecordOutcome::NoData)
            }
        }
    }

    /// Bytes, packets and ports, or `None` where one of them makes the record bad.
    #[allow(clippy::type_complexity, reason = "used once, right below its definition")]
    fn numbers(&self) -> Option<(u64, u64, (Option<u16>, Option<u16>))> {
        let IntCell::Value(bytes) = self.batch.bytes.get(self.row) else { return None };
        let packets = match self.int(&self.batch.packets) {
            IntCell::Null => 0,
            IntCell::Value(packets) => packets,
            IntCell::Bad => return None,
        };
        let port = |cell| match cell {
            IntCell::Null => Some(None),
            IntCell::Value(port) => u16::try_from(port).ok().map(Some),
            IntCell::Bad => None,
        };
        let ports = (port(self.int(&self.batch.srcport))?, port(self.int(&self.batch.dstport))?);
        Some((u64::try_from(bytes).ok()?, u64::try_from(packets).ok()?, ports))
    }

    fn direction(&self) -> Direction {
        self.get(&self.batch.flow_direction).unwrap_or(Direction::Unknown)
    }

    fn interface_type(&self) -> InterfaceType {
        self.get(&self.batch.interface_type).unwrap_or(InterfaceType::Plain)
    }

    fn traffic_path(&self) -> Option<i64> {
        match self.int(&self.batch.traffic_path) {
            IntCell::Value(0) | IntCell::Null | IntCell::Bad => None,
            IntCell::Value(path) => Some(path),
        }
    }

    fn time(&self) -> Option<i64> {
        let value = |cell| match cell {
            IntCell::Value(seconds) => Some(seconds),
            IntCell::Null | IntCell::Bad => None,
        };
        value(self.int(&self.batch.end)).or_else(|| value(self.int(&self.batch.start)))
    }

    fn nat(&self, addresses: Addresses<'_>, direction: Direction) -> Nat {
        let (by_interface, has_interface) = self
            .value_of(&self.batch.interface_id, &self.values.interface_id.values)
            .copied()
            .unwrap_or_default();
        if let Some(gateway) = by_interface {
            return Nat::Zonal(Some(gateway));
        }
        let resource = self
            .value_of(&self.batch.resource_id, &self.values.resource_id.values)
            .copied()
            .unwrap_or_default();
        if resource.regional || self.interface_type() == InterfaceType::RegionalNatGateway {
            return Nat::Regional(resource.gateway);
        }
        let captured_at = |info: &AddrInfo, fits: Direction| {
            let gateway = info.gateway?;
            let here = direction == fits || direction == Direction::Unknown;
            // An interface that the gateway does not have is another host that talks to the gateway. A gateway
            // whose interfaces are not configured cannot rule any out.
            let elsewhere =
                has_interface && !self.classifier.rules.gateways[gateway].interface_ids.is_empty();
            (here && !elsewhere).then_some(gateway)
        };
        let by_address = captured_at(addresses.dst, Direction::Ingress)
            .or_else(|| captured_at(addresses.src, Direction::Egress));
        match by_address {
            Some(gateway) => Nat::Zonal(Some(gateway)),
            None if self.interface_type() == InterfaceType::NatGateway => Nat::Zonal(None),
            None => Nat::No,
        }
    }

    fn leg(&self, nat: Nat, addresses: Addresses<'_>, direction: Direction) -> Option<Leg> {
        let gateway = match nat {
            Nat::No => return None,
            Nat::Regional(_) => {
                return Some(regional_leg(
                    addresses.source().is_inside(),
                    addresses.destination().is_inside(),
                ));
            }
            Nat::Zonal(gateway) => gateway,
        };
        let side = |plain: &AddrInfo, packet: &AddrInfo, endpoint: &AddrInfo| Side {
            is_gateway: gateway.is_some() && plain.gateway == gateway,
            translated: plain.ip().zip(packet.ip()).map(|(plain, packet)| plain != packet),
            has_packet: packet.ip().is_some(),
            inside: endpoint.is_inside(),
        };
        let source = side(addresses.src, addresses.pkt_src, addresses.source());
        let destination = side(addresses.dst, addresses.pkt_dst, addresses.destination());
        Some(zonal_leg(source, destination, direction))
    }

    /// Whether the record was captured at an interface that stands between the endpoints.
    fn is_middlebox(&self) -> bool {
        let of_gateway =
            |found: Option<&(Option<usize>, bool)>| found.is_some_and(|(gateway, _)| gateway.is_some());
        self.interface_type() != InterfaceType::Plain
            || of_gateway(self.value_of(&self.batch.interface_id, &self.values.interface_id.values))
    }

    fn own_az_id(&self) -> Option<&AzInfo> {
        self.value_of(&self.batch.az_id, &self.values.az_id.values)
    }

    /// The side that the recording interface is on, where its plain address is the packet's.
    fn is_own_address(plain: &AddrInfo, packet: &AddrInfo) -> bool {
        plain.ip().is_some() && (packet.ip().is_none() || packet.ip() == plain.ip())
    }

    fn zone(
        &self,
        addresses: Addresses<'_>,
        direction: Direction,
        middlebox: bool,
        source_side: bool,
    ) -> ZoneId {
        let (endpoint, plain, packet, service) = if source_side {
            (addresses.source(), addresses.src, addresses.pkt_src, &self.batch.pkt_src_aws_service)
        } else {
            (addresses.destination(), addresses.dst, addresses.pkt_dst, &self.batch.pkt_dst_aws_service)
        };
        if let Some(zone) = endpoint.zone {
            return zone;
        }
        let own = direction == if source_side { Direction::Egress } else { Direction::Ingress };
        let by_az_id = if !self.classifier.az_ids_speak || direction == Direction::Unknown {
            None
        } else if own {
            let may_speak = !middlebox && Self::is_own_address(plain, packet);
            self.own_az_id().filter(|_| may_speak).and_then(|az_id| az_id.zone)
        } else {
            self.next_hop_zone(endpoint)
        };
        by_az_id.unwrap_or_else(|| match self.get(service).unwrap_or(AwsService::None) {
            AwsService::Other => ZoneId::AWS,
            AwsService::None | AwsService::Ec2 if endpoint.private => ZoneId::UNKNOWN,
            AwsService::None | AwsService::Ec2 => ZoneId::INTERNET,
        })
    }

    fn next_hop_zone(&self, far: &AddrInfo) -> Option<ZoneId> {
        let zone = (*self.value_of(&self.batch.next_hop_az_id, &self.values.next_hop_az_id.values)?)?;
        let next_hop = self.get(&self.batch.next_hop_interface_type).unwrap_or(InterfaceType::Plain);
        let gateway = self
            .value_of(&self.batch.next_hop_interface_id, &self.values.next_hop_interface_id.values)
            .copied()
            .unwrap_or(false);
        let believable = far.private || matches!(far.ip(), Some(IpAddr::V6(_)));
        (believable && next_hop == InterfaceType::Plain && !gateway).then_some(zone)
    }

    fn missing_az_id(
        &self,
        addresses: Addresses<'_>,
        direction: Direction,
        middlebox: bool,
    ) -> Option<(Arc<str>, Arc<str>)> {
        let (plain, packet) = match direction {
            Direction::Egress => (addresses.src, addresses.pkt_src),
            Direction::Ingress => (addresses.dst, addresses.pkt_dst),
            Direction::Unknown => return None,
        };
        let spec = self.classifier.spec(plain.zone?)?;
        let wanted = spec.az_id.is_none() && !middlebox && Self::is_own_address(plain, packet);
        let az_id = self.own_az_id().filter(|_| wanted)?.name.clone()?;
        Some((spec.name.clone(), az_id))
    }

    /// Whether the client of a NAT record is in another known zone than its gateway.
    fn hop(&self, nat: Nat, key: VerdictKey) -> bool {
        let client = match key.nat_direction {
            NatDirection::None => return false,
            NatDirection::Out => key.src_zone,
            NatDirection::In => key.dst_zone,
        };
        let gateway = match nat {
            Nat::No => None,
            Nat::Zonal(Some(gateway)) | Nat::Regional(Some(gateway)) => {
                self.classifier.gateway_zones[gateway]
            }
            Nat::Zonal(None) | Nat::Regional(None) if self.interface_type() == InterfaceType::NatGateway => {
                self.own_az_id().and_then(|az_id| az_id.zone)
            }
            Nat::Zonal(None) | Nat::Regional(None) => None,
        };
        gateway.is_some_and(|zone| client.is_known() && zone.is_known() && client != zone)
    }

    fn counts(&self, direction: Direction, src_zone: ZoneId) -> bool {
        let by_sender =
            self.classifier.rules.vantage != Vantage::Every && self.batch.flow_direction.is_some();
        !by_sender || sender_counts(self.interface_type(), direction, self.classifier.is_logged(src_zone))
    }
}
