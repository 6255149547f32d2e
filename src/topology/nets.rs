//! Networks, flattened: one binary search says all that is known of an address.
//!
//! Networks of all kinds are cut at each other's ends. CIDRs lie inside one another or apart, so a sweep with a stack
//! does it: the piece inside a network has what its surroundings have, and what the network adds.

use std::{collections::HashMap, hash::Hash, net::IpAddr};

use ipnet::IpNet;

/// What pieces of the address space know.
pub(super) trait Piece: Clone + Default + Eq + Hash {
    /// What a network adds.
    type Entry: Copy;

    /// Adds what a network says to what its surroundings say. Called for wider networks first; of equal ones in the
    /// order in which they were given.
    fn add(&mut self, entry: Self::Entry);
}

/// Pieces of the address space, in order and without gaps, each with a place in [`Self::infos`].
#[derive(Debug)]
pub(super) struct NetTable<P> {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u32)>,
    /// The first is that of addresses in no network.
    infos: Vec<P>,
}

impl<P: Piece> NetTable<P> {
    pub(super) fn new(networks: impl IntoIterator<Item = (IpNet, P::Entry)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, entry) in networks {
            match network {
                IpNet::V4(net) => v4.push(Range {
                    first: u128::from(u32::from(net.network())),
                    last: u128::from(u32::from(net.broadcast())),
                    entry,
                }),
                IpNet::V6(net) => v6.push(Range {
                    first: u128::from(net.network()),
                    last: u128::from(net.broadcast()),
                    entry,
                }),
            }
        }
        let mut infos = Infos { list: vec![P::default()], places: HashMap::from([(P::default(), 0)]) };
        let v4 = sweep(v4, u128::from(u32::MAX), &mut infos);
        let v6 = sweep(v6, u128::MAX, &mut infos);
        let narrow = |first: u128| u32::try_from(first).expect("IPv4 ranges are built from u32");
        Self {
            v4: v4.into_iter().map(|(first, info)| (narrow(first), info)).collect(),
            v6,
            infos: infos.list,
        }
    }

    /// What is known of an address.
    pub(super) fn find(&self, address: IpAddr) -> &P {
        let place = match address {
            IpAddr::V4(address) => lookup(&self.v4, u32::from(address)),
            IpAddr::V6(address) => lookup(&self.v6, u128::from(address)),
        };
        &self.infos[place as usize]
    }
}

fn lookup<T: Ord + Copy>(pieces: &[(T, u32)], address: T) -> u32 {
    let after = pieces.partition_point(|(first, _)| *first <= address);
    after.checked_sub(1).map_or(0, |at| pieces[at].1)
}

struct Range<E> {
    first: u128,
    last: u128,
    entry: E,
}

struct Infos<P> {
    list: Vec<P>,
    places: HashMap<P, u32>,
}

impl<P: Piece> Infos<P> {
    fn place(&mut self, info: &P) -> u32 {
        if let Some(place) = self.places.get(info) {
            return *place;
        }
        let place = self.list.len() as u32;
        self.list.push(info.clone());
        self.places.insert(info.clone(), place);
        place
    }
}

/// Where each piece begins, and what is known of it. A piece ends where the next one begins.
fn sweep<P: Piece>(
    mut ranges: Vec<Range<P::Entry>>,
    highest: u128,
    infos: &mut Infos<P>,
) -> Vec<(u128, u32)> {
    ranges.sort_by_key(|range| (range.first, std::cmp::Reverse(range.last)));
    let mut pieces: Vec<(u128, u32)> = Vec::new();
    let mut begin = |first: u128, info: u32| match pieces.last_mut() {
        // A network of the same beginning goes before the wider one.
        Some(last) if last.0 == first => last.1 = info,
        Some(last) if last.1 == info => {}
        None if info == 0 => {}
        _ => pieces.push((first, info)),
    };
    // The networks around the place that the sweep has come to: their ends, and what is known inside.
    let mut around: Vec<(u128, P)> = Vec::new();
    let leave = |around: &mut Vec<(u128, P)>,
                 before: Option<u128>,
                 begin: &mut dyn FnMut(u128, u32),
                 infos: &mut Infos<P>| {
        while let Some((last, _)) = around.last() {
            let last = *last;
            if before.is_some_and(|before| last >= before) {
                return;
            }
            around.pop();
            if last < highest {
                let outer = around.last().map_or(0, |(_, info)| infos.place(info));
                begin(last + 1, outer);
            }
        }
    };
    for range in ranges {
        leave(&mut around, Some(range.first), &mut begin, infos);
        let mut info = around.last().map(|(_, info)| info.clone()).unwrap_or_default();
        info.add(range.entry);
        begin(range.first, infos.place(&info));
        around.push((range.last, info));
    }
    leave(&mut around, None, &mut begin, infos);
    pieces
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// The last network that was added.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
    struct Last(Option<u32>);

    impl Piece for Last {
        type Entry = u32;

        fn add(&mut self, entry: u32) {
            self.0 = Some(entry);
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    #[test]
    fn the_longest_prefix_wins_in_any_nesting() {
        let net = |text: &str, n| (text.parse::<IpNet>().expect("cidr"), n);
        let table = NetTable::<Last>::new([
            net("10.0.129.7/32", 0),
            net("10.0.0.0/8", 0),
            net("10.0.128.0/22", 1),
            net("10.0.129.0/24", 2),
            net("255.255.255.0/24", 3),
            net("2001:db8::/32", 1),
            net("2001:db8:1::/48", 2),
            net("ffff::/16", 3),
        ]);
        for (address, expected) in [
            ("10.0.0.0", Some(0)),
            ("9.255.255.255", None),
            ("10.0.127.255", Some(0)),
            ("10.0.128.0", Some(1)),
            ("10.0.129.0", Some(2)),
            ("10.0.129.6", Some(2)),
            ("10.0.129.7", Some(0)),
            ("10.0.129.8", Some(2)),
            ("10.0.130.0", Some(1)),
            ("10.0.131.255", Some(1)),
            ("10.0.132.0", Some(0)),
            ("10.255.255.255", Some(0)),
            ("11.0.0.0", None),
            ("255.255.255.255", Some(3)),
            ("2001:db8::1", Some(1)),
            ("2001:db8:1::1", Some(2)),
            ("2001:db8:2::", Some(1)),
            ("2001:db9::", None),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some(3)),
        ] {
            assert_eq!(table.find(ip(address)).0, expected, "{address}");
        }
        assert_eq!(NetTable::<Last>::new([]).find(ip("10.0.0.1")).0, None);
        let all = NetTable::<Last>::new([net("0.0.0.0/0", 1), net("::/0", 2)]);
        assert_eq!((all.find(ip("255.255.255.255")).0, all.find(ip("::")).0), (Some(1), Some(2)));
    }

    /// Any networks, against a look at each of them.
    #[test]
    fn a_piece_has_what_the_networks_around_it_say() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            let count = random.u32(0..40);
            let nets: Vec<(IpNet, u32)> = (0..count)
                .map(|number| {
                    let prefix = random.u8(24..=32);
                    let address = std::net::Ipv4Addr::from(0x0a00_0000 | random.u32(..256));
                    (IpNet::new(address.into(), prefix).unwrap().trunc(), number)
                })
                .collect();
            let table = NetTable::<Last>::new(nets.iter().copied());
            for host in 0..=257_u32 {
                let address = IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + host));
                let best = nets.iter().filter(|(net, _)| net.contains(&address));
                let longest = best.clone().map(|(net, _)| net.prefix_len()).max();
                let last =
                    best.filter(|(net, _)| Some(net.prefix_len()) == longest).map(|(_, n)| *n).next_back();
                assert_eq!(table.find(address).0, last, "{address} {nets:?}");
            }
        }
    }

    #[test]
    fn forty_thousand_networks_take_no_time() {
        let nets = (0..40_000_u32).map(|at| {
            let address = std::net::Ipv4Addr::from(0x0a00_0000 + at * 64);
            (IpNet::new(address.into(), 26).unwrap(), at)
        });
        let began = Instant::now();
        let table = NetTable::<Last>::new(nets);
        assert_eq!(table.find(ip("10.0.0.65")).0, Some(1));
        assert!(began.elapsed().as_secs() < 1, "{:?}", began.elapsed());
    }
}
