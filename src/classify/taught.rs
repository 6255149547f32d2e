//! What an object teaches of its own addresses: AZ, VPC, service; and what it shows as a whole.
//!
//! Records teach one by one, in any order, and what they taught is asked for when all of them have been read
//! (semantics 2.17 to 2.20). Bounded: an object with too much to remember teaches nothing at all.

use std::{collections::BTreeSet, net::Ipv6Addr, sync::Arc};

use hashbrown::{HashMap, HashSet};

use crate::{limits, topology::AzId};

/// The VPCs of an object. 0 stands for none.
#[derive(Debug, Default)]
pub(super) struct Vpcs {
    ids: Vec<Arc<str>>,
    known: HashMap<Arc<str>, u16>,
}

impl Vpcs {
    /// The number of a VPC; 0 where there are too many, or its id is too long to be one.
    pub(super) fn number(&mut self, id: &Arc<str>) -> u16 {
        if id.len() > limits::NAME_CHARS {
            return 0;
        }
        if let Some(number) = self.known.get(id) {
            return *number;
        }
        let Some(number) =
            u16::try_from(self.ids.len() + 1).ok().filter(|n| usize::from(*n) <= limits::OBJECT_VPCS)
        else {
            return 0;
        };
        self.ids.push(id.clone());
        self.known.insert(id.clone(), number);
        number
    }

    pub(super) fn id(&self, number: u16) -> Option<&Arc<str>> {
        self.ids.get(usize::from(number).checked_sub(1)?)
    }

    /// How many numbers there are, that of none included.
    pub(super) fn len(&self) -> usize {
        self.ids.len() + 1
    }
}

/// What one interface said of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lesson {
    pub vpc: u16,
    /// Number of the interface in this object.
    pub interface: u32,
    pub az: Option<AzId>,
    /// The interface is plain for sure.
    pub sure: bool,
    /// The service that lists the interface.
    pub service: Option<u32>,
    /// Lies in no network although there are some.
    pub outside: bool,
    /// It is an interface endpoint's own address.
    pub endpoint: bool,
}

/// What stands between a record's interface and its far side, by a next hop of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Via {
    TransitGateway,
    Endpoint,
}

#[derive(Debug, Clone, Copy)]
struct Taught {
    lesson: Lesson,
    records: u64,
    /// The lesson before of the same address, or [`NOTHING`].
    next: u32,
}

const NOTHING: u32 = u32::MAX;

/// What the object taught of an address, for records of one VPC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// AZ, and whether an interface that is plain for sure taught it.
    pub az: Option<(AzId, bool)>,
    pub vpc: Option<u16>,
    pub service: Option<u32>,
    /// IPv6 in one /56 with an own side.
    pub beside_own: bool,
    /// Its interface forwards packets of others (semantics 4.8).
    pub forwards: bool,
    /// Found to be a NAT gateway's address (semantics 3.7).
    pub is_nat: bool,
    /// What stands before it (semantics 6.13).
    pub via: Option<Via>,
}

/// Two interfaces that show one address: the records of those that may forward it (semantics 8.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shared {
    pub interface: u32,
    pub records: u64,
}

/// All that an object has taught so far.
#[derive(Debug, Default)]
pub(super) struct Lessons {
    /// For each place of the address book the newest lesson.
    newest: Vec<u32>,
    list: Vec<Taught>,
    /// /56 of own sides.
    v6: HashSet<u64>,
    /// Plain addresses of interfaces that forward, with an interface.
    forwarders: HashMap<(u16, u32), u32>,
    /// For each NAT interface without known address those that stand in all its records so far.
    nats: HashMap<u32, [Option<u32>; 2]>,
    /// Own plain addresses of NAT interfaces without known address.
    nat_sides: HashSet<u32>,
    /// By VPC and far address.
    via: HashMap<(u16, u32), Via>,
    /// VPCs, by number, of which an own side lies outside all networks.
    pub(super) outside: BTreeSet<u16>,
    /// It was too much: nothing is taught.
    pub(super) given_up: bool,
}

impl Lessons {
    /// Takes a lesson of the address at a place.
    #[inline]
    pub(super) fn take(&mut self, place: u32, lesson: &Lesson, v6: impl FnOnce() -> Option<Ipv6Addr>) {
        if let Some(taught) = self.newest.get(place as usize).and_then(|at| self.list.get_mut(*at as usize))
            && taught.lesson == *lesson
        {
            taught.records += 1;
            return;
        }
        self.take_another(place, lesson, v6());
    }

    #[cold]
    #[inline(never)]
    fn take_another(&mut self, place: u32, lesson: &Lesson, v6: Option<Ipv6Addr>) {
        if lesson.outside {
            self.outside.insert(lesson.vpc);
        }
        if self.given_up {
            return;
        }
        if self.newest.len() <= place as usize {
            self.newest.resize(place as usize + 1, NOTHING);
        }
        let (mut at, mut of_address) = (self.newest[place as usize], 0);
        while let Some(taught) = self.list.get_mut(at as usize) {
            if taught.lesson == *lesson {
                taught.records += 1;
                return;
            }
            at = taught.next;
            of_address += 1;
        }
        if self.list.len() >= limits::LESSONS || of_address >= limits::ADDRESS_LESSONS {
            self.give_up();
            return;
        }
        let next = self.newest[place as usize];
        self.newest[place as usize] = self.list.len() as u32;
        self.list.push(Taught { lesson: *lesson, records: 1, next });
        if let Some(v6) = v6 {
            self.v6.insert(prefix_56(v6));
        }
    }

    /// Notes that an interface forwards packets.
    pub(super) fn note_forwarder(&mut self, vpc: u16, plain: u32, interface: u32) {
        if self.forwarders.len() < limits::LESSONS {
            self.forwarders.entry((vpc, plain)).or_insert(interface);
        }
    }

    /// Notes the plain addresses of a record of a NAT gateway whose address is not known.
    pub(super) fn note_nat(&mut self, interface: u32, plain: [Option<u32>; 2]) {
        if self.nats.len() >= limits::LESSONS {
            return;
        }
        let common = self.nats.entry(interface).or_insert(plain);
        for one in common {
            *one = one.filter(|place| plain.contains(&Some(*place)));
        }
    }

    /// Notes an own side of a NAT interface whose address is not known.
    pub(super) fn note_nat_side(&mut self, plain: u32) {
        if self.nat_sides.len() < limits::LESSONS {
            self.nat_sides.insert(plain);
        }
    }

    /// Notes what stands before a far side.
    pub(super) fn note_via(&mut self, vpc: u16, far: u32, via: Via) {
        if self.via.len() < limits::LESSONS {
            let known = self.via.entry((vpc, far)).or_insert(via);
            *known = via.min(*known);
        }
    }

    /// Forgets what addresses taught, for good. What the whole object shows stays.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
        self.newest = Vec::new();
        self.list = Vec::new();
        self.v6 = HashSet::new();
    }

    /// The NAT gateways' addresses that were found.
    pub(super) fn nat_addresses(&self) -> HashSet<u32> {
        let found = self.nats.values().filter_map(|common| match common {
            [Some(one), None] | [None, Some(one)] => Some(*one),
            [Some(a), Some(b)] if a == b => Some(*a),
            _ => None,
        });
        found.chain(self.nat_sides.iter().copied()).collect()
    }

    /// Interfaces that forward packets, by what they show.
    pub(super) fn forwarding_interfaces(&self) -> impl Iterator<Item = u32> {
        self.forwarders.values().copied()
    }

    fn lessons(&self, place: u32) -> impl Iterator<Item = &Taught> {
        let mut at = self.newest.get(place as usize).copied().unwrap_or(NOTHING);
        std::iter::from_fn(move || {
            let taught = self.list.get(at as usize)?;
            at = taught.next;
            Some(taught)
        })
    }

    /// What was taught of an address, for records of a VPC.
    pub(super) fn answer(&self, place: u32, vpc: u16, v6: Option<Ipv6Addr>) -> Answer {
        let lessons = || self.lessons(place).map(|taught| &taught.lesson);
        // The record's own VPC first, then another if exactly one knows the address.
        let vpcs =
            || lessons().filter(|lesson| lesson.vpc != 0 || lesson.az.is_some()).map(|known| known.vpc);
        let vpc_of_lessons = vpcs().find(|known| *known == vpc).or_else(|| {
            let mut others = vpcs();
            others.next().filter(|first| others.all(|other| other == *first))
        });
        let az_of = |sure: bool| {
            let of_vpc = lessons().filter(|lesson| Some(lesson.vpc) == vpc_of_lessons && lesson.sure == sure);
            let mut azs = of_vpc.filter_map(|lesson| lesson.az);
            let first = azs.next();
            (first, first.filter(|first| azs.all(|az| az == *first)))
        };
        let az = match az_of(true) {
            (Some(_), agreed) => agreed.map(|az| (az, true)),
            (None, _) => az_of(false).1.map(|az| (az, false)),
        };
        let mut services = lessons().filter_map(|lesson| lesson.service);
        let service = services.next().filter(|first| services.all(|other| other == *first));
        Answer {
            az,
            vpc: vpc_of_lessons.filter(|vpc| *vpc != 0),
            service,
            beside_own: v6.is_some_and(|v6| self.v6.contains(&prefix_56(v6))),
            forwards: false,
            is_nat: false,
            via: lessons()
                .any(|lesson| lesson.endpoint && lesson.vpc == vpc)
                .then_some(Via::Endpoint)
                .or_else(|| self.via.get(&(vpc, place)).copied()),
        }
    }

    /// Whether the plain address at a place is of an interface that forwards.
    pub(super) fn forwards(&self, place: u32, vpc: u16) -> bool {
        self.forwarders.contains_key(&(vpc, place))
    }

    /// Interfaces that show an address of another interface, with the records in which they do.
    pub(super) fn shared(&self) -> Vec<Shared> {
        let mut found = Vec::new();
        for place in 0..self.newest.len() as u32 {
            // An interface without an id may be any.
            let named = || self.lessons(place).filter(|taught| taught.lesson.interface != 0);
            for taught in named().filter(|taught| !taught.lesson.sure) {
                let Lesson { vpc, interface, .. } = taught.lesson;
                let another =
                    named().any(|other| other.lesson.vpc == vpc && other.lesson.interface != interface);
                if another {
                    found.push(Shared { interface, records: taught.records });
                }
            }
        }
        found
    }

    /// Places of own sides outside all networks, with what their interfaces said of the AZ.
    pub(super) fn outside_networks(&self) -> impl Iterator<Item = (u32, Option<AzId>)> {
        (0..self.newest.len() as u32).flat_map(move |place| {
            self.lessons(place)
                .filter(|taught| taught.lesson.outside)
                .map(move |taught| (place, taught.lesson.az))
        })
    }
}

fn prefix_56(v6: Ipv6Addr) -> u64 {
    (u128::from(v6) >> 72) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: Lesson = Lesson {
        vpc: 0,
        interface: 1,
        az: None,
        sure: false,
        service: None,
        outside: false,
        endpoint: false,
    };

    fn taught(lessons: &[Lesson]) -> Lessons {
        let mut all = Lessons::default();
        lessons.iter().for_each(|lesson| all.take(0, lesson, || None));
        all
    }

    #[test]
    fn only_interfaces_with_an_id_are_told_apart() {
        let shared = |one, other| {
            let of = |interface| Lesson { interface, ..OF };
            taught(&[of(one), of(other)]).shared().iter().map(|one| one.interface).collect::<Vec<_>>()
        };
        assert_eq!(shared(1, 2), [2, 1]);
        assert_eq!(shared(1, 0), [] as [u32; 0]);
    }

    #[test]
    fn a_vpc_that_is_not_logged_teaches_nothing_without_an_az() {
        let az = Some(AzId(3));
        let answer = |lessons: &[Lesson], vpc| taught(lessons).answer(0, vpc, None);
        let other = Lesson { vpc: 1, az, ..OF };
        let nothing = answer(&[other, OF], 0);
        assert_eq!((nothing.az, nothing.vpc), (Some((AzId(3), false)), Some(1)));
        let own = answer(&[other, Lesson { az: Some(AzId(4)), ..OF }], 0);
        assert_eq!((own.az, own.vpc), (Some((AzId(4), false)), None));
        let vpc = answer(&[other, Lesson { vpc: 2, ..OF }], 2);
        assert_eq!((vpc.az, vpc.vpc), (None, Some(2)), "a VPC is something");
    }

    #[test]
    fn an_endpoint_and_a_service_need_no_az() {
        let answer = taught(&[Lesson { endpoint: true, service: Some(5), ..OF }]).answer(0, 0, None);
        assert_eq!((answer.via, answer.service), (Some(Via::Endpoint), Some(5)));
    }
}
