"""What the counters must be, worked out record by record in the plainest way, from docs/semantics.md.

It shares nothing with the exporter but the rules. The configuration that it assumes is written out below as TOML, so that
the two cannot drift apart. It covers the records that traffic.py makes, not every record that can exist: all ends are
private or IPv6 addresses of ours or public ones of others, and nothing is known of VPCs, next hops or AWS's address ranges.
"""

import ipaddress
from collections import defaultdict, namedtuple

SOURCE, REGION = "e2e", "ap-northeast-1"
NAT_INTERFACE = "eni-0aaaaaaaaaaaaaaa1"
NAT_ADDRESS = "10.0.136.5"
NAT_AZ = "apne1-az4"

# name, az_id, region, addresses, whether its interfaces are logged
ZONES = [
    ("ap-northeast-1a", "apne1-az4", REGION, ["10.0.128.0/22", "10.0.136.0/28", "2001:db8:0:a::/64"], True),
    ("ap-northeast-1c", "apne1-az1", REGION, ["10.0.132.0/22", "2001:db8:0:c::/64"], True),
    # Inside 1c, longer prefix: the database subnet, whose interfaces nobody logs.
    ("ap-northeast-1d", "apne1-az2", REGION, ["10.0.135.0/24"], False),
    # No addresses at all: known only by the az_id of its own records, and there for other records of the object as well.
    ("ap-northeast-1-local", "apne1-az9", REGION, [], True),
    ("us-east-1a", "use1-az1", "us-east-1", ["10.1.0.0/16"], False),
]
PORT_GROUPS = [("loki-gateway", [(4080, 4080)]), ("loki-http", [(4101, 4107)]), ("postgres", [(5432, 5432)])]
# Nano-dollars for 2^30 bytes. inter_region has no built-in row, so the configuration names it.
PRICES = {
    "inter_az": 10_000_000,
    "inter_region": 90_000_000,
    "nat_processing": 62_000_000,
    "nat_hop": 10_000_000,
    "internet_egress": 114_000_000,
}
FREE_OF_INTER_AZ = ["10.0.131.0/26"]

CONFIG = """\
[state]
path = "{state}"

[ingest]
poll_interval = "1s"
lookback = "48h"

[[source]]
name = "e2e"
url = "s3://{bucket}/{prefix}"
region = "ap-northeast-1"
layout = "hive-hourly"
endpoint = "{endpoint}"
path_style = true

[prices]
inter_region = 0.09
no_charge = [{{ charge = "inter_az", cidrs = ["10.0.131.0/26"] }}]

[[nat_gateway]]
name = "nat-1a"
zone = "ap-northeast-1a"
interface_ids = ["eni-0aaaaaaaaaaaaaaa1"]
private_ips = ["10.0.136.5"]
"""


def config(**values):
    """The exporter's configuration file."""
    text = CONFIG.format(**values)
    for name, az_id, region, cidrs, logged in ZONES:
        lines = [f'name = "{name}"', f'az_id = "{az_id}"', f'region = "{region}"', f"logged = {str(logged).lower()}"]
        if cidrs:
            lines.append("cidrs = [" + ", ".join(f'"{cidr}"' for cidr in cidrs) + "]")
        text += "\n[[zone]]\n" + "\n".join(lines) + "\n"
    for name, ranges in PORT_GROUPS:
        ports = ", ".join(f'"{low}-{high}"' if low != high else str(low) for low, high in ranges)
        text += f'\n[[port_group]]\nname = "{name}"\nports = [{ports}]\n'
    return text


ZONE_BY_AZ = {zone[1]: zone for zone in ZONES}
NETWORKS = [(ipaddress.ip_network(cidr), zone) for zone in ZONES for cidr in zone[3]]
PRIVATE = [
    ipaddress.ip_network(cidr)
    for cidr in (
        "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 198.18.0.0/15 169.254.0.0/16 127.0.0.0/8 0.0.0.0/32 "
        "224.0.0.0/4 240.0.0.0/4 fc00::/7 fe80::/10 ff00::/8 ::1/128 ::/128"
    ).split()
]
FREE = [ipaddress.ip_network(cidr) for cidr in FREE_OF_INTER_AZ]

# One end of a record. `az` is None where it is not known, `logged` says whether its interface is taken to write records too.
End = namedtuple("End", "address label az region inside logged")


def value(row, column):
    """A column's value; absent, null, `-` and empty are all None."""
    found = row.get(column)
    return None if found in ("-", "") else found


def within(address, networks):
    return any(network.version == address.version and address in network for network in networks)


def configured_zone(address):
    """The zone of the longest network around an address."""
    holding = [(net.prefixlen, zone) for net, zone in NETWORKS if within(address, [net])]
    return max(holding)[1] if holding else None


def plain(row, side):
    return ipaddress.ip_address(row[f"{side}addr"])


def packet(row, side):
    return ipaddress.ip_address(row[f"pkt_{side}addr"])


def nat_leg(row):
    """none, out, in or public (semantics 3.1, 3.2, 3.4)."""
    if "interface_id" in row:
        if row["interface_id"] != NAT_INTERFACE:
            return "none"
    elif NAT_ADDRESS not in (row["srcaddr"], row["dstaddr"]):
        return "none"
    if row["dstaddr"] == NAT_ADDRESS:
        return "public" if row["pkt_dstaddr"] == NAT_ADDRESS else "out"
    return "public" if row["pkt_srcaddr"] == NAT_ADDRESS else "in"


def own_side(row):
    """The side of a plain interface that wrote the record, or None. Every interface but the NAT gateway's is plain."""
    side = {"egress": "src", "ingress": "dst"}.get(value(row, "flow_direction"))
    return side if nat_leg(row) == "none" else None


def no_data(row):
    return value(row, "log_status") in ("NODATA", "SKIPDATA")


class Shown:
    """What an object shows as a whole: where the addresses are that its interfaces have (semantics 2.17)."""

    def __init__(self, rows):
        self.sure, self.likely = defaultdict(set), defaultdict(set)
        for row in rows:
            side = None if no_data(row) else own_side(row)
            if side and self.teaches(row, side):
                address, sure = packet(row, side), packet(row, side) == plain(row, side)
                (self.sure if sure else self.likely)[address].add(value(row, "az_id"))
        self.addresses = set(self.sure) | set(self.likely)
        # Whether the configured networks are all there is (semantics 4.4).
        self.networks_known = all(configured_zone(address) for address in self.addresses)

    @staticmethod
    def teaches(row, side):
        address = packet(row, side)
        ours = within(address, PRIVATE) or address.version == 6 or configured_zone(address) is not None
        return ours or address == plain(row, side)

    def zone(self, address):
        """The zone that was taught for an address. Two AZs are none."""
        for taught in (self.sure, self.likely):
            zones = taught.get(address, set()) - {None}
            if zones:
                return ZONE_BY_AZ[next(iter(zones))] if len(zones) == 1 else None
        return None

    def beside(self, address):
        """Whether an IPv6 address lies in one /56 with an interface of the object (semantics 2.23)."""
        return address.version == 6 and any(
            other.version == 6 and int(other) >> 72 == int(address) >> 72 for other in self.addresses
        )


def end_of(row, side, shown):
    """One end: steps 1, 2, 3, 6, 8 and 9 of semantics 2.14. The configuration and the traffic give the others nothing."""
    address, own, zone = packet(row, side), own_side(row) == side, configured_zone(packet(row, side))
    inside = within(address, PRIVATE) or zone is not None or shown.beside(address)
    if own:
        inside = inside or shown.teaches(row, side)
        if zone is None and value(row, "az_id") and shown.teaches(row, side):
            zone = ZONE_BY_AZ[row["az_id"]]
    elif zone is None:
        zone = shown.zone(address)
    if zone is not None:
        return End(address, zone[0], zone[1], zone[2], inside, zone[4])
    if inside:
        return End(address, "unknown", None, REGION, True, not shown.networks_known)
    service = value(row, f"pkt_{side}_aws_service")
    return End(address, "internet" if service in (None, "EC2") else "aws", None, None, False, False)


def port_group(row):
    for port in (row["dstport"], row["srcport"]):
        for name, ranges in PORT_GROUPS:
            if any(low <= port <= high for low, high in ranges):
                return name
    return "other"


def between_azs(src, dst):
    return src.az is not None and dst.az is not None and src.az != dst.az and src.region == dst.region


def relation(src, dst):
    """How the ends of a series lie to each other (semantics 9.4)."""
    if src.az is not None and dst.az is not None:
        if src.az == dst.az:
            return "same-az"
        return "inter-az" if src.region == dst.region else "inter-region"
    labels = (src.label, dst.label)
    return "internet" if "internet" in labels else "aws" if "aws" in labels else "unknown"


def charges(row, leg, src, dst):
    """The charges of one record that counts here or at the other side (semantics 6.2 to 6.6, 6.10, 6.13, 6.16)."""
    path = value(row, "traffic_path")
    # To and from AWS's services only the NAT gateway costs something.
    free_way = path == 7 or "aws" in (src.label, dst.label)
    if leg != "none":
        yield "nat_processing"
        client = src if leg == "out" else dst
        if client.az is not None and client.az != NAT_AZ:
            yield "nat_hop"
        if leg == "out" and dst.label == "internet" and not free_way:
            yield "internet_egress"
        return
    if free_way:
        return
    if between_azs(src, dst) and not within(src.address, FREE) and not within(dst.address, FREE):
        yield "inter_az"
    if value(row, "flow_direction") == "ingress":
        return
    if src.region == REGION and dst.region not in (None, REGION):
        yield "inter_region"
    # Without a path it may have gone through the NAT gateway.
    if (src.inside or src.az is not None) and dst.label == "internet" and path in (8, 2, 6):
        yield "internet_egress"


def doubts(row, src, dst):
    """The doubts of one counted record that is not the NAT gateway's (semantics 8.2 to 8.4)."""
    if "unknown" in (src.label, dst.label):
        yield "unknown_zone"
    outbound = (src.inside or src.az is not None) and value(row, "flow_direction") != "ingress"
    if outbound and dst.label == "internet" and value(row, "traffic_path") is None and dst.address.version == 4:
        yield "egress_path"
    side = own_side(row)
    if side and plain(row, side) != packet(row, side):
        yield "interface"


class Totals:
    """Sums over objects, as the exporter must show them."""

    def __init__(self):
        self.bytes = defaultdict(int)
        self.packets = defaultdict(int)
        self.flows = defaultdict(int)
        self.inter_az_bytes = defaultdict(int)
        self.charged_bytes = defaultdict(int)
        self.nano_usd = defaultdict(int)
        self.source_bytes = defaultdict(int)
        self.source_nano_usd = defaultdict(int)
        self.doubtful_bytes = defaultdict(int)
        self.contradictions = defaultdict(int)
        self.records = defaultdict(int)
        self.objects = defaultdict(int)
        # By hour, and by what the views of the state file tell apart.
        self.hourly = defaultdict(int)
        self.hourly_nano_usd = defaultdict(int)
        self.hourly_doubts = defaultdict(int)
        self.hourly_contradictions = defaultdict(int)

    def add(self, rows):
        """One object. `rows` are dicts whose keys are the columns that the object has."""
        self.objects["counted" if rows else "empty"] += 1
        billed, shown = defaultdict(int), Shown(rows)
        for row in rows:
            self.records[self._record(row, shown, billed)] += 1
        for (hour, charge, places, labels), count in billed.items():
            # Half up, once for each hour, series and charge of the object (semantics 6.17).
            cost = (2 * PRICES[charge] * count + 2**30) // 2**31
            self.nano_usd[(charge, *labels)] += cost
            self.source_nano_usd[(SOURCE, charge)] += cost
            self.hourly_nano_usd[(hour, charge, *places, *labels)] += cost

    def _record(self, row, shown, billed):
        if no_data(row):
            return row["log_status"].lower()
        hour, side = row["end"] - row["end"] % 3600, own_side(row)
        if side and shown.teaches(row, side) and configured_zone(packet(row, side)) is None:
            self.contradictions[("outside_networks",)] += 1
            self.hourly_contradictions[(hour, SOURCE, "outside_networks")] += 1
        if value(row, "action") == "REJECT":
            return "rejected"
        leg = nat_leg(row)
        if leg == "public":
            return "nat_public_leg"
        src, dst = end_of(row, "src", shown), end_of(row, "dst", shown)
        labels, places = (src.label, dst.label, port_group(row), leg), (SOURCE, relation(src, dst), src.az, dst.az)
        for charge in charges(row, leg, src, dst):
            self.charged_bytes[(charge, *labels)] += row["bytes"]
            billed[(hour, charge, places, labels)] += row["bytes"]
        if leg == "none" and value(row, "flow_direction") == "ingress" and src.logged:
            if src.label == "unknown":
                self._doubt(hour, "far_side", row["bytes"])
            return "other_side"
        self.bytes[labels] += row["bytes"]
        self.hourly[(hour, *places, *labels)] += row["bytes"]
        self.packets[labels] += row["packets"]
        self.flows[labels] += 1
        if between_azs(src, dst):
            self.inter_az_bytes[labels] += row["bytes"]
        if leg == "none":
            self.source_bytes[(SOURCE,)] += row["bytes"]
            for kind in doubts(row, src, dst):
                self._doubt(hour, kind, row["bytes"])
        return "counted"

    def _doubt(self, hour, kind, count):
        self.doubtful_bytes[(kind,)] += count
        self.hourly_doubts[(hour, SOURCE, kind)] += count
