//! One record: its facts, and its numbers.
//!
//! What depends on a single value of a column (an address, an interface id) is known already, once per value of its
//! dictionary. What is read here of a record beside its numbers has to be in its signature: see [`super::signature`].

use super::{
    Rules, Vantage,
    facts::{Captured, Facts, NatRules, NextHop, Path, Side, Status},
    ports::PortTable,
    signature::path_class,
    values::{ABSENT, AddrInfo, Addresses, InterfaceInfo, Owner, ResourceInfo, Values},
};
use crate::{
    decode::{
        Action, AwsService, DictColumn, Direction, FlowBatch, IntCell, IntColumn, InterfaceType, LogStatus,
    },
    topology::Topology,
};

/// What a record adds, whatever it means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub bytes: u64,
    pub packets: u64,
}

/// The record cannot be read as one (semantics 1.15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bad;

/// The four addresses of a record.
#[derive(Clone, Copy)]
struct Four<'v> {
    src: &'v AddrInfo,
    dst: &'v AddrInfo,
    pkt_src: &'v AddrInfo,
    pkt_dst: &'v AddrInfo,
}

impl Four<'_> {
    fn all(&self) -> [&AddrInfo; 4] {
        [self.src, self.dst, self.pkt_src, self.pkt_dst]
    }
}

/// One record, with what the values of its batch mean.
pub(super) struct Row<'b> {
    pub topology: &'b Topology,
    pub rules: &'b Rules,
    pub ports: &'b PortTable,
    pub batch: &'b FlowBatch,
    pub values: &'b Values,
    pub row: usize,
}

impl Row<'_> {
    /// Reads the record: first what it is, then its numbers where they matter (semantics 1.14).
    pub(super) fn read(&self) -> Result<(Facts, Numbers), Bad> {
        if self.batch.malformed.get(self.row).copied().unwrap_or(false) {
            return Err(Bad);
        }
        let four = self.four();
        let status = self.status(four);
        if status != Status::Accepted {
            // Its numbers are nobody's business, and its addresses only if all of them can be read.
            let is_bad = four.all().iter().any(|info| info.is_bad());
            let facts = if is_bad { Err(Bad) } else { self.facts(four, status, (None, None)) };
            return Ok((facts.unwrap_or_else(|_| self.without_ends(status)), Numbers::default()));
        }
        let (numbers, ports) = self.numbers()?;
        if four.all().iter().any(|info| info.is_bad()) {
            return Err(Bad);
        }
        Ok((self.facts(four, status, ports)?, numbers))
    }

    fn get<T: Copy>(&self, column: &Option<DictColumn<T>>) -> Option<T> {
        column.as_ref().map(|column| *column.get(self.row))
    }

    fn int(&self, column: &Option<IntColumn>) -> IntCell {
        column.as_ref().map_or(IntCell::Null, |column| column.get(self.row))
    }

    fn value_of<T, V: Copy + Default>(&self, column: &Option<DictColumn<T>>, values: &[V]) -> V {
        column.as_ref().map(|column| values[column.index[self.row] as usize]).unwrap_or_default()
    }

    fn four(&self) -> Four<'_> {
        let pick = |column, values: &Addresses| {
            let column: &Option<DictColumn<_>> = column;
            column.as_ref().map_or(&*ABSENT, |column| {
                self.values.book.info(values.places[column.index[self.row] as usize])
            })
        };
        Four {
            src: pick(&self.batch.srcaddr, &self.values.srcaddr),
            dst: pick(&self.batch.dstaddr, &self.values.dstaddr),
            pkt_src: pick(&self.batch.pkt_srcaddr, &self.values.pkt_srcaddr),
            pkt_dst: pick(&self.batch.pkt_dstaddr, &self.values.pkt_dstaddr),
        }
    }

    fn status(&self, four: Four<'_>) -> Status {
        let nothing = || {
            matches!(self.int(&self.batch.bytes), IntCell::Null)
                && four.all().iter().all(|info| info.is_null())
        };
        match self.get(&self.batch.log_status).unwrap_or(LogStatus::Null) {
            LogStatus::NoData => Status::NoData,
            LogStatus::SkipData => Status::SkipData,
            LogStatus::Null if nothing() => Status::NoData,
            LogStatus::Ok | LogStatus::Null if !self.rules.count_rejected && self.is_rejected() => {
                Status::Rejected
            }
            LogStatus::Ok | LogStatus::Null => Status::Accepted,
        }
    }

    fn is_rejected(&self) -> bool {
        self.get(&self.batch.action) == Some(Action::Reject)
    }

    /// Bytes, packets and ports.
    #[allow(clippy::type_complexity, reason = "used once, right above its definition")]
    fn numbers(&self) -> Result<(Numbers, (Option<u16>, Option<u16>)), Bad> {
        let count = |cell, null: Option<u64>| match cell {
            IntCell::Null => null.ok_or(Bad),
            IntCell::Value(value) => u64::try_from(value).map_err(|_| Bad),
            IntCell::Bad => Err(Bad),
        };
        // Block Public Access rejects without bytes.
        let bytes = count(self.int(&self.batch.bytes), self.is_rejected().then_some(0))?;
        let packets = count(self.int(&self.batch.packets), Some(0))?;
        let port = |cell| match cell {
            IntCell::Null => Ok(None),
            IntCell::Value(port) => u16::try_from(port).map(Some).map_err(|_| Bad),
            IntCell::Bad => Err(Bad),
        };
        let ports = (port(self.int(&self.batch.srcport))?, port(self.int(&self.batch.dstport))?);
        Ok((Numbers { bytes, packets }, ports))
    }

    fn facts(&self, four: Four<'_>, status: Status, ports: (Option<u16>, Option<u16>)) -> Result<Facts, Bad> {
        let Values { vpc_id, interface_id, .. } = self.values;
        let vpc = self.value_of(&self.batch.vpc_id, &vpc_id.values);
        let same = |plain: &Addresses, packet: &Addresses, columns: [&Option<DictColumn<_>>; 2]| {
            let tag = |values: &Addresses, column: &Option<DictColumn<_>>| {
                column.as_ref().map(|column| values.tags[column.index[self.row] as usize])
            };
            let (plain, packet) = (tag(plain, columns[0]), tag(packet, columns[1]));
            plain.zip(packet).is_some_and(|(plain, packet)| super::values::is_same(plain, packet))
        };
        let same_src = same(
            &self.values.srcaddr,
            &self.values.pkt_srcaddr,
            [&self.batch.srcaddr, &self.batch.pkt_srcaddr],
        );
        let same_dst = same(
            &self.values.dstaddr,
            &self.values.pkt_dstaddr,
            [&self.batch.dstaddr, &self.batch.pkt_dstaddr],
        );
        let service = |column| self.get(column).unwrap_or(AwsService::None);
        let source =
            AddrInfo::end(four.src, four.pkt_src, same_src, vpc, service(&self.batch.pkt_src_aws_service));
        let destination =
            AddrInfo::end(four.dst, four.pkt_dst, same_dst, vpc, service(&self.batch.pkt_dst_aws_service));
        let interface = self.value_of(&self.batch.interface_id, &interface_id.values);
        let by_sender = self.rules.vantage != Vantage::Every && self.batch.flow_direction.is_some();
        let next =
            self.value_of(&self.batch.next_hop_interface_id, &self.values.next_hop_interface_id.values);
        let kind = self.get(&self.batch.interface_type).unwrap_or(InterfaceType::Plain);
        let mut facts = Facts {
            status,
            learns: self.batch.flow_direction.is_some(),
            has_vpcs: self.batch.vpc_id.is_some(),
            has_next_hops: self.batch.next_hop_interface_type.is_some(),
            sender: by_sender,
            direction: self.get(&self.batch.flow_direction).unwrap_or(Direction::Unknown),
            captured: Captured::Plain { sure: false, doubtful: false },
            source: source.ok_or(Bad)?,
            destination: destination.ok_or(Bad)?,
            own_az: self.value_of(&self.batch.az_id, &self.values.az_id.values),
            next_az: self.value_of(&self.batch.next_hop_az_id, &self.values.next_hop_az_id.values),
            next_hop: NextHop {
                kind: self.get(&self.batch.next_hop_interface_type).unwrap_or(InterfaceType::Plain),
                gateway: next.gateway.is_some(),
                forwarder: next.forwarder,
            },
            vpc,
            path: self.path(),
            port_group: self.ports.find(ports.0, ports.1),
            own_service: interface.role.service,
            has_interface: interface.there,
            typed_nat: kind == InterfaceType::NatGateway,
        };
        facts.captured = self.captured(&facts, interface, kind);
        if let Captured::Nat { gateway: Some(gateway), .. } = facts.captured {
            let is_nat = |info: &AddrInfo| info.is_of_gateway(gateway);
            facts.source.plain_is_nat = is_nat(four.src);
            facts.source.packet_is_nat = is_nat(four.pkt_src);
            facts.destination.plain_is_nat = is_nat(four.dst);
            facts.destination.packet_is_nat = is_nat(four.pkt_dst);
        }
        Ok(facts)
    }

    /// A record that will not count and has no addresses to speak of.
    fn without_ends(&self, status: Status) -> Facts {
        let nowhere = AddrInfo::nowhere();
        Facts {
            status,
            learns: self.batch.flow_direction.is_some(),
            has_vpcs: false,
            has_next_hops: false,
            sender: false,
            direction: Direction::Unknown,
            captured: Captured::Plain { sure: false, doubtful: false },
            source: nowhere,
            destination: nowhere,
            own_az: None,
            next_az: None,
            next_hop: NextHop { kind: InterfaceType::Plain, gateway: false, forwarder: false },
            vpc: 0,
            path: Path(0),
            port_group: super::GroupId::OTHER,
            own_service: None,
            has_interface: false,
            typed_nat: false,
        }
    }

    fn path(&self) -> Path {
        let cell = self.batch.traffic_path.as_ref().map_or(0, |column| column.cells()[self.row]);
        Path(path_class(cell) as u8)
    }

    /// What the recording interface is, first match (semantics 2.5, 3.1).
    fn captured(&self, facts: &Facts, interface: InterfaceInfo, kind: InterfaceType) -> Captured {
        if let Some((rules, gateway)) = self.nat(facts, interface, kind) {
            return Captured::Nat { rules, gateway };
        }
        if interface.role.forwarder {
            return Captured::Forwarder;
        }
        if kind != InterfaceType::Plain {
            return Captured::Middlebox(kind);
        }
        let has_instance = self.value_of(&self.batch.instance_id, &self.values.instance_id.values);
        let own = facts.own_end();
        if has_instance || own.is_some_and(|own| own.same) {
            return Captured::Plain { sure: true, doubtful: false };
        }
        let translated = own.is_some_and(|own| own.is_translated());
        let owner = self.value_of(&self.batch.account_id, &self.values.account_id.values);
        if self.batch.instance_id.is_some() && owner != Owner::Another && translated {
            return Captured::Between;
        }
        Captured::Plain { sure: false, doubtful: translated && self.batch.interface_type.is_none() }
    }

    /// Whose rules a NAT record follows, and which configured gateway it is of.
    fn nat(
        &self,
        facts: &Facts,
        interface: InterfaceInfo,
        kind: InterfaceType,
    ) -> Option<(NatRules, Option<u32>)> {
        if interface.role.gateway.is_some() {
            return Some((NatRules::Zonal, interface.role.gateway));
        }
        let resource: ResourceInfo = self.value_of(&self.batch.resource_id, &self.values.resource_id.values);
        let is_regional = resource.regional && kind != InterfaceType::NatGateway;
        if is_regional || kind == InterfaceType::RegionalNatGateway {
            return Some((NatRules::Regional, resource.gateway));
        }
        let captured_at = |side: Side, fits: Direction| {
            let gateway = facts.end(side).plain_gateway?;
            let here = facts.direction == fits || facts.direction == Direction::Unknown;
            // An interface that the gateway does not have is another host that talks to the gateway. A gateway
            // whose interfaces are not configured cannot rule any out.
            let elsewhere = interface.there && self.topology.gateways[gateway as usize].has_interfaces;
            (here && !elsewhere).then_some(gateway)
        };
        let by_address = captured_at(Side::Destination, Direction::Ingress)
            .or_else(|| captured_at(Side::Source, Direction::Egress));
        match by_address {
            // A forwarder that is listed is one, whatever it is called.
            Some(gateway) if !interface.role.forwarder => Some((NatRules::Zonal, Some(gateway))),
            _ if kind == InterfaceType::NatGateway && !interface.role.forwarder => {
                Some((NatRules::Zonal, None))
            }
            _ => None,
        }
    }
}
