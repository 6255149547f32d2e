//! AZs and regions of zones, and what AZ ids say: semantics 2.9 to 2.13. 100 GiB each.

use super::{
    bill::{TWO_AZS, TWO_ZONES, and},
    written::page,
    *,
};

pub(super) fn cases() -> Vec<Case> {
    [names(), containment(), az_ids(), codes(), regions()].into_iter().flatten().collect()
}

/// Finer names do not move anything to another AZ (semantics 2.10).
fn names() -> Vec<Case> {
    let rows = "
        srcaddr    dstaddr    flow_direction
        10.0.1.18  10.0.1.77  egress
        10.0.1.18  10.0.2.10  egress
        ";
    let right = "
        counted 2
        loki-read-0 -> a: 100 GiB
        loki-read-0 -> b: 100 GiB crossing
        relation loki-read-0 -> a: same-az use1-az1 use1-az1
        relation loki-read-0 -> b: inter-az use1-az1 use1-az2
        inter_az 100 GiB 1.00
        ";
    let zone = |rest: &str| and(TWO_AZS, &format!("[[zone]]\nname = \"loki-read-0\"\n{rest}"));
    vec![
        page("a pod as a zone inside another", &zone("cidrs = [\"10.0.1.18/32\"]"), rows, right),
        page("a pod as a zone in another", &zone("in = \"a\"\ncidrs = [\"10.0.1.18/32\"]"), rows, right),
        page(
            "a pod as a zone in another whose AZ nobody says",
            &and(TWO_ZONES, "[[zone]]\nname = \"loki-read-0\"\nin = \"a\"\ncidrs = [\"10.0.1.18/32\"]"),
            rows,
            "
            counted 2
            loki-read-0 -> a: 100 GiB
            loki-read-0 -> b: 100 GiB crossing
            relation loki-read-0 -> a: same-az a a
            relation loki-read-0 -> b: inter-az a b
            inter_az 100 GiB 1.00
            ",
        ),
        // Nothing says in which AZ the pod is, since the zone around it does not say either.
        page(
            "a pod as a zone inside another whose AZ nobody says",
            &and(TWO_ZONES, "[[zone]]\nname = \"loki-read-0\"\ncidrs = [\"10.0.1.18/32\"]"),
            rows,
            "
            counted 2
            loki-read-0 -> a: 100 GiB crossing
            loki-read-0 -> b: 100 GiB crossing
            relation loki-read-0 -> a: inter-az loki-read-0 a
            relation loki-read-0 -> b: inter-az loki-read-0 b
            inter_az 200 GiB 2.00
            ",
        ),
        page(
            "a pod as a zone with the AZ of the other",
            &zone("az_id = \"use1-az1\"\ncidrs = [\"10.0.1.18/32\"]"),
            rows,
            right,
        ),
        page(
            "pods as a zone inside two others: an AZ of its own",
            &zone("cidrs = [\"10.0.1.18/32\", \"10.0.2.18/32\"]"),
            rows,
            "
            counted 2
            loki-read-0 -> a: 100 GiB crossing
            loki-read-0 -> b: 100 GiB crossing
            relation loki-read-0 -> a: inter-az loki-read-0 use1-az1
            relation loki-read-0 -> b: inter-az loki-read-0 use1-az2
            inter_az 200 GiB 2.00
            ",
        ),
        page(
            "a pod as a zone outside all others: an AZ of its own",
            &zone("cidrs = [\"10.0.1.18/32\", \"10.7.0.0/24\"]"),
            rows,
            "
            counted 2
            loki-read-0 -> a: 100 GiB crossing
            loki-read-0 -> b: 100 GiB crossing
            inter_az 200 GiB 2.00
            ",
        ),
        page(
            "a finer name and the AZ id of its AZ: the name stays",
            &zone("cidrs = [\"10.0.1.18/32\"]"),
            "
            interface_id az_id    srcaddr    dstaddr    pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        use1-az1 10.0.1.18  10.0.1.77  10.0.1.18   10.0.1.77   egress
            eni-2        use1-az1 10.0.1.18  10.0.1.77  10.0.1.18   10.0.1.77   ingress
            ",
            "
            counted 1
            other_side 1
            loki-read-0 -> a: 100 GiB
            ",
        ),
        // The log wins, the name goes.
        page(
            "a finer name and another AZ id",
            &zone("cidrs = [\"10.0.1.18/32\"]"),
            "
            interface_id az_id    srcaddr    dstaddr    pkt_srcaddr pkt_dstaddr flow_direction
            eni-1        use1-az2 10.0.1.18  10.0.1.77  10.0.1.18   10.0.1.77   egress
            eni-2        use1-az1 10.0.1.18  10.0.1.77  10.0.1.18   10.0.1.77   ingress
            ",
            "
            counted 1
            other_side 1
            b -> a: 100 GiB crossing
            inter_az 200 GiB 2.00
            contradiction az_id 1
            ",
        ),
    ]
}

/// A zone inside others (semantics 2.10): the traffic is within its network, then to the zone
/// around.
fn containment() -> Vec<Case> {
    let az = |name: &str, rest: &str| format!("[[zone]]\nname = \"{name}\"\n{rest}\n");
    let rows = "
        srcaddr   dstaddr    flow_direction
        10.0.1.18 10.0.1.200 egress
        ";
    let right = |relation: &str, crossing: bool| {
        let (crossing, charge) = if crossing { (" crossing", "inter_az 100 GiB 1.00") } else { ("", "") };
        format!("counted 1\nx -> a: 100 GiB{crossing}\n{charge}\nrelation x -> a: {relation}")
    };
    let same = right("same-az use1-az1 use1-az1", false);
    let own = right("inter-az x use1-az1", true);
    let a = az("a", "az_id = \"use1-az1\"\ncidrs = [\"10.0.1.0/24\"]");
    let x = az("x", "cidrs = [\"10.0.1.16/28\"]");
    vec![
        page("a zone inside one with an AZ id", &(a.clone() + &x), rows, &same),
        page("a zone inside one with an AZ id, in the other order", &(x.clone() + &a), rows, &same),
        // The longest network around it decides.
        page(
            "a zone inside two: the closer one",
            &(a.clone() + &x + &az("wide", "az_id = \"use1-az2\"\ncidrs = [\"10.0.0.0/16\"]")),
            rows,
            &same,
        ),
        page(
            "a zone with the network of another, which holds elsewhere",
            &(a.clone()
                + &x
                + &az(
                    "other",
                    "az_id = \"use1-az2\"\ncidrs = [\"10.0.1.16/28\"]\naccounts = [\"444455556666\"]",
                )),
            rows,
            // Their scopes can meet, and the other's network is the closest around it: the label is
            // x, the AZ the other's.
            &right("inter-az use1-az2 use1-az1", true),
        ),
        page(
            "a zone inside one whose scope cannot meet its own",
            &(a.replace("cidrs", "accounts = [\"444455556666\"]\ncidrs")
                + &x.replace("cidrs", "accounts = [\"111122223333\"]\ncidrs")),
            rows,
            // 10.0.1.200 is of another scope.
            &right("inter-az x use1-az1", true),
        ),
        page(
            "networks inside two zones of one AZ",
            &(a.clone()
                + &az("b", "az_id = \"use1-az1\"\ncidrs = [\"10.0.2.0/24\"]")
                + &az("x", "cidrs = [\"10.0.1.16/28\", \"10.0.2.16/28\"]")),
            rows,
            &same,
        ),
        page(
            "networks inside two zones of two AZs",
            &(a.clone()
                + &az("b", "az_id = \"use1-az2\"\ncidrs = [\"10.0.2.0/24\"]")
                + &az("x", "cidrs = [\"10.0.1.16/28\", \"10.0.2.16/28\"]")),
            rows,
            &own,
        ),
        page(
            "networks of which one is inside none",
            &(a.clone() + &az("x", "cidrs = [\"10.0.1.16/28\", \"10.0.2.16/28\"]")),
            rows,
            &own,
        ),
        page(
            "a zone inside one without an AZ id that is in another",
            &(az("z", "az_id = \"use1-az1\"")
                + &az("a", "in = \"z\"\ncidrs = [\"10.0.1.0/24\"]")
                + &az("x", "cidrs = [\"10.0.1.16/28\"]")),
            rows,
            // Only zones with an az_id of their own are asked.
            &own,
        ),
        page(
            "in a zone that is in a zone",
            &(az("z", "az_id = \"use1-az1\"")
                + &az("a", "in = \"z\"\ncidrs = [\"10.0.1.0/24\"]")
                + &az("x", "in = \"a\"\ncidrs = [\"10.0.1.16/28\"]")),
            rows,
            &same,
        ),
        page(
            "in a zone whose AZ is that of the zone around it",
            &(a.clone()
                + &az("y", "cidrs = [\"10.0.1.64/28\"]")
                + &az("x", "in = \"y\"\ncidrs = [\"10.0.1.16/28\"]")),
            rows,
            &same,
        ),
        // `in` before containment.
        page(
            "in a zone, inside another",
            &(a.clone()
                + &az("b", "az_id = \"use1-az2\"")
                + &az("x", "in = \"b\"\ncidrs = [\"10.0.1.16/28\"]")),
            rows,
            &right("inter-az use1-az2 use1-az1", true),
        ),
        page(
            "an outside zone inside another",
            &(a + &az("x", "outside = true\ncidrs = [\"10.0.1.16/28\"]")),
            rows,
            "
            counted 1
            x -> a: 100 GiB
            relation x -> a: unknown - use1-az1
            ",
        ),
    ]
}

/// The zone of an AZ id (semantics 2.11).
fn az_ids() -> Vec<Case> {
    let rows =
        |az_id: &str| format!("az_id srcaddr dstaddr flow_direction\n{az_id} 10.7.0.10 10.7.0.11 egress");
    let zone = |name: &str, cidrs: &str| {
        format!("[[zone]]\nname = \"{name}\"\naz_id = \"use1-az1\"\ncidrs = [{cidrs}]\n")
    };
    let right = |label: &str| {
        format!(
            "counted 1\n{label} -> unknown: 100 GiB\ndoubt unknown_zone 100 GiB\ncontradiction outside_networks 1"
        )
    };
    let unknown = "
        counted 1
        unknown -> unknown: 100 GiB
        doubt unknown_zone 100 GiB
        ";
    let long = "z".repeat(128);
    vec![
        page(
            "zones of one AZ id: the one without networks",
            &(zone("a", "\"10.0.0.0/16\"") + &zone("b", "")),
            &rows("use1-az1"),
            &right("b"),
        ),
        page(
            "zones of one AZ id: the one with the most addresses",
            &(zone("a", "\"10.0.1.0/24\", \"10.0.3.0/24\"") + &zone("b", "\"10.0.4.0/22\"")),
            &rows("use1-az1"),
            &right("b"),
        ),
        page(
            "zones of one AZ id: addresses are counted once",
            &(zone("a", "\"10.0.1.0/24\", \"10.0.1.0/25\", \"10.0.1.128/25\"")
                + &zone("b", "\"10.0.2.0/24\", \"10.0.9.0/25\"")),
            &rows("use1-az1"),
            &right("b"),
        ),
        page(
            "zones of one AZ id: IPv6 has more addresses",
            &(zone("a", "\"172.16.0.0/12\"") + &zone("b", "\"2001:db8::/64\"")),
            &rows("use1-az1"),
            &right("b"),
        ),
        page(
            "zones of one AZ id: as many addresses, by name",
            &(zone("b", "\"10.0.1.0/24\"") + &zone("a", "\"10.0.2.0/24\"")),
            &rows("use1-az1"),
            &right("a"),
        ),
        page(
            "an AZ id that no zone has",
            "",
            &rows("usw2-lax1-az1"),
            "
            counted 1
            usw2-lax1-az1 -> unknown: 100 GiB
            relation usw2-lax1-az1 -> unknown: unknown usw2-lax1-az1 -
            doubt unknown_zone 100 GiB
            ",
        ),
        page(
            "an AZ id of 128 bytes",
            "",
            &rows(&long),
            &format!("counted 1\n{long} -> unknown: 100 GiB\ndoubt unknown_zone 100 GiB"),
        ),
        page("an AZ id of 129 bytes says nothing", "", &rows(&(long + "z")), unknown),
        page("the AZ id `unknown` says nothing", "", &rows("unknown"), unknown),
        page("the AZ id `internet` says nothing", "", &rows("internet"), unknown),
        page("the AZ id `aws` says nothing", "", &rows("aws"), unknown),
        page("the AZ id `other` says nothing", "", &rows("other"), unknown),
        page("the AZ id `aws:us-east-1` says nothing", "", &rows("aws:us-east-1"), unknown),
        // The next hop's is asked in the same way.
        page(
            "a next hop whose AZ id says nothing",
            "",
            "
            next_hop_az_id srcaddr   dstaddr   flow_direction
            internet       10.7.0.10 10.7.0.11 egress
            ",
            unknown,
        ),
        page(
            "a zone by its AZ id that is not logged",
            "[[zone]]\nname = \"x\"\naz_id = \"use1-az2\"\nlogged = false",
            "
            interface_id az_id    next_hop_az_id srcaddr   dstaddr   flow_direction
            eni-1        use1-az1 use1-az2       10.7.0.10 10.7.0.11 ingress
            eni-1        use1-az1 use1-az3       10.7.0.12 10.7.0.11 ingress
            ",
            "
            counted 1
            other_side 1
            x -> use1-az1: 100 GiB crossing
            inter_az 200 GiB 2.00
            ",
        ),
    ]
}

/// What every code says: one pair of AZs in each region, and one AZ in another.
fn codes() -> Vec<Case> {
    let codes = [
        ("afs1", "af-south-1"),
        ("ape1", "ap-east-1"),
        ("ape2", "ap-east-2"),
        ("apne1", "ap-northeast-1"),
        ("apne2", "ap-northeast-2"),
        ("apne3", "ap-northeast-3"),
        ("aps1", "ap-south-1"),
        ("aps2", "ap-south-2"),
        ("apse1", "ap-southeast-1"),
        ("apse2", "ap-southeast-2"),
        ("apse3", "ap-southeast-3"),
        ("apse4", "ap-southeast-4"),
        ("apse5", "ap-southeast-5"),
        ("apse6", "ap-southeast-6"),
        ("apse7", "ap-southeast-7"),
        ("cac1", "ca-central-1"),
        ("caw1", "ca-west-1"),
        ("cnn1", "cn-north-1"),
        ("cnnw1", "cn-northwest-1"),
        ("euc1", "eu-central-1"),
        ("euc2", "eu-central-2"),
        ("eun1", "eu-north-1"),
        ("eus1", "eu-south-1"),
        ("eus2", "eu-south-2"),
        ("euw1", "eu-west-1"),
        ("euw2", "eu-west-2"),
        ("euw3", "eu-west-3"),
        ("ilc1", "il-central-1"),
        ("mec1", "me-central-1"),
        ("mes1", "me-south-1"),
        ("mxc1", "mx-central-1"),
        ("sae1", "sa-east-1"),
        ("use1", "us-east-1"),
        ("use2", "us-east-2"),
        ("usge1", "us-gov-east-1"),
        ("usgw1", "us-gov-west-1"),
        ("usw1", "us-west-1"),
        ("usw2", "us-west-2"),
    ];
    let case = |(code, region): (&'static str, &'static str)| {
        // A known zone of the region beside the AZ id: inter-AZ if the id says the same region.
        page(
            &format!("AZ ids of {region}"),
            &format!(
                "[[zone]]\nname = \"known\"\naz_id = \"x-az1\"\nregion = \"{region}\"\ncidrs = [\"10.0.1.0/24\"]\n\
                 [key]\nregion = \"{region}\"\n[prices]\ninter_az = 0.01"
            ),
            &format!("next_hop_az_id srcaddr dstaddr flow_direction\n{code}-az2 10.0.1.10 10.0.2.10 egress"),
            &format!("counted 1\nknown -> {code}-az2: 100 GiB crossing\ninter_az 100 GiB 1.00"),
        )
    };
    codes.into_iter().map(case).collect()
}

/// The region of a zone (semantics 2.12), by what the traffic to one of us-east-1 is.
fn regions() -> Vec<Case> {
    let rows = "
        srcaddr   dstaddr   flow_direction
        10.0.1.10 10.7.0.10 egress
        ";
    let config = |rest: &str| {
        format!(
            "[[zone]]\nname = \"a\"\naz_id = \"use1-az1\"\ncidrs = [\"10.0.1.0/24\"]\n[[zone]]\nname = \"x\"\n\
             cidrs = [\"10.7.0.0/16\"]\n{rest}\n[prices]\ninter_region = 0.02"
        )
    };
    let here = "
        counted 1
        a -> x: 100 GiB crossing
        inter_az 100 GiB 1.00
        ";
    let elsewhere = "
        counted 1
        a -> x: 100 GiB
        inter_region 100 GiB 2.00
        ";
    let key = "[key]\nregion = \"us-east-1\"\n";
    vec![
        page(
            "a zone's region before its AZ id's",
            &config("region = \"eu-west-1\"\naz_id = \"use1-az2\""),
            rows,
            elsewhere,
        ),
        page("the region of a zone's AZ id", &config("az_id = \"euw1-az2\""), rows, elsewhere),
        page("the region of a zone's Local Zone", &config("az_id = \"use1-bos1-az1\""), rows, here),
        page(
            "an AZ id whose code nobody knows: the first source's region",
            &config("az_id = \"az-2\""),
            rows,
            here,
        ),
        page(
            "the first source's region",
            &(config("[source]\nname = \"logs\"\nregion = \"us-east-1\"\nfirst = \"eu-west-1\"")
                + "\n"
                + key),
            rows,
            elsewhere,
        ),
        page(
            "the region of the zone that `in` names",
            &config("in = \"z\"\n[[zone]]\nname = \"z\"\naz_id = \"euw1-az1\""),
            rows,
            elsewhere,
        ),
        page(
            "the region of the zone that `in` names, by its own",
            &config("in = \"z\"\n[[zone]]\nname = \"z\"\nregion = \"eu-west-1\""),
            rows,
            elsewhere,
        ),
        page(
            "a zone's region before that of the zone that `in` names",
            &config("in = \"z\"\nregion = \"us-east-1\"\n[[zone]]\nname = \"z\"\naz_id = \"euw1-az1\""),
            rows,
            here,
        ),
        // One AZ lies in one region: that of the zone around it.
        page(
            "the region of the zone around it",
            &config("[[zone]]\nname = \"z\"\naz_id = \"euw1-az1\"\ncidrs = [\"10.0.0.0/8\"]"),
            rows,
            elsewhere,
        ),
        page(
            "a zone of the AZ around it is not in another region",
            &and(
                TWO_AZS,
                "[[zone]]\nname = \"x\"\ncidrs = [\"10.0.1.18/32\"]\n\
                 [source]\nregion = \"eu-west-1\"\n[prices]\ninter_region = 0.02",
            ),
            "
            srcaddr   dstaddr   flow_direction
            10.0.1.18 10.0.1.10 egress
            10.0.1.18 10.0.2.10 egress
            ",
            "
            counted 2
            x -> a: 100 GiB
            x -> b: 100 GiB crossing
            relation x -> a: same-az use1-az1 use1-az1
            relation x -> b: inter-az use1-az1 use1-az2
            inter_az 100 GiB 1.00
            ",
        ),
        page(
            "an AZ id without a zone whose code nobody knows: the key's region",
            "[key]\nregion = \"eu-west-1\"\n[prices]\ninter_region = 0.02",
            "
            az_id srcaddr   dstaddr   flow_direction next_hop_az_id
            az-1  10.0.1.10 10.7.0.10 egress         euw1-az1
            az-1  10.0.1.10 10.7.0.10 egress         use1-az1
            ",
            "
            counted 2
            az-1 -> euw1-az1: 100 GiB crossing
            az-1 -> use1-az1: 100 GiB
            inter_az 100 GiB 1.00
            inter_region 100 GiB 2.00
            ",
        ),
    ]
}
