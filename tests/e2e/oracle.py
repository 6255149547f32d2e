"""What the counters must be, worked out record by record in the plainest way.

It shares nothing with the exporter but the rules. The configuration that it assumes is written out below as TOML, so that
the two cannot drift apart. It covers the records that traffic.py makes, not every record that can exist.
"""

import ipaddress
from collections import defaultdict

REGION = "ap-northeast-1"
NAT_INTERFACE = "eni-0aaaaaaaaaaaaaaa1"
NAT_ADDRESS = "10.0.136.5"

# name, az_id, region, addresses, whether its interfaces are logged
ZONES = [
    ("ap-northeast-1a", "apne1-az4", REGION, ["10.0.128.0/22", "10.0.136.0/28", "2001:db8:0:a::/64"], True),
    ("ap-northeast-1c", "apne1-az1", REGION, ["10.0.132.0/22", "2001:db8:0:c::/64"], True),
    # Inside 1c, longer prefix: the database subnet, whose interfaces nobody logs.
    ("ap-northeast-1d", "apne1-az2", REGION, ["10.0.135.0/24"], False),
    # No addresses at all: known only by the az_id of its own records.
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


NETWORKS = [(ipaddress.ip_network(cidr), zone) for zone in ZONES for cidr in zone[3]]
NOT_GLOBAL = [
    ipaddress.ip_network(cidr)
    for cidr in (
        "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16 127.0.0.0/8 0.0.0.0/32 224.0.0.0/4 "
        "240.0.0.0/4 fc00::/7 fe80::/10 ::1/128 ::/128 ff00::/8"
    ).split()
]
FREE = [ipaddress.ip_network(cidr) for cidr in FREE_OF_INTER_AZ]
ZONE_BY_NAME = {zone[0]: zone for zone in ZONES}


def value(row, column):
    """A column's value; absent, null, `-` and empty are all None."""
    found = row.get(column)
    return None if found in ("-", "") else found


def within(address, networks):
    return any(network.version == address.version and address in network for network in networks)


def zone_of(row, side, address):
    """Rules 1, 2, 4, 5 and 6 of an endpoint's zone; the traffic has no next-hop columns, so rule 3 never speaks."""
    holding = [(net.prefixlen, zone[0]) for net, zone in NETWORKS if within(address, [net])]
    if holding:
        return max(holding)[1]
    own_side = {"egress": "src", "ingress": "dst"}.get(value(row, "flow_direction"))
    if own_side == side and value(row, "az_id") and value(row, "interface_id") != NAT_INTERFACE:
        if address == ipaddress.ip_address(row[f"{side}addr"]):
            return next((zone[0] for zone in ZONES if zone[1] == row["az_id"]), row["az_id"])
    if value(row, f"pkt_{side}_aws_service") not in (None, "EC2"):
        return "aws"
    return "unknown" if within(address, NOT_GLOBAL) else "internet"


def port_group(row):
    for port in (row["dstport"], row["srcport"]):
        for name, ranges in PORT_GROUPS:
            if any(low <= port <= high for low, high in ranges):
                return name
    return "other"


def nat_leg(row):
    """none, out, in or public."""
    if "interface_id" in row:
        if row["interface_id"] != NAT_INTERFACE:
            return "none"
    elif NAT_ADDRESS not in (row["srcaddr"], row["dstaddr"]):
        return "none"
    if row["dstaddr"] == NAT_ADDRESS:
        return "public" if row["pkt_dstaddr"] == NAT_ADDRESS else "out"
    return "public" if row["pkt_srcaddr"] == NAT_ADDRESS else "in"


def charges(row, leg, src, dst, src_address, dst_address):
    """The charges of one accepted record that is no public leg."""
    direction = value(row, "flow_direction")
    src_zone, dst_zone = ZONE_BY_NAME.get(src), ZONE_BY_NAME.get(dst)
    both_known = src_zone is not None and dst_zone is not None
    if leg != "none":
        yield "nat_processing"
        client = src_zone if leg == "out" else dst_zone
        if client is not None and client[0] != "ap-northeast-1a":
            yield "nat_hop"
        if leg == "out" and dst == "internet" and value(row, "traffic_path") != 7:
            yield "internet_egress"
        return
    if both_known and src_zone[2] == dst_zone[2] and src != dst and value(row, "traffic_path") != 7:
        if not within(src_address, FREE) and not within(dst_address, FREE):
            yield "inter_az"
    if both_known and src_zone[2] != dst_zone[2] and direction != "ingress" and value(row, "traffic_path") != 7:
        yield "inter_region"
    from_inside = src_zone is not None or within(src_address, NOT_GLOBAL)
    if from_inside and dst == "internet" and direction != "ingress" and value(row, "traffic_path") in (8, 2):
        yield "internet_egress"


class Totals:
    """Sums over objects, as the exporter must show them."""

    def __init__(self):
        self.bytes = defaultdict(int)
        self.packets = defaultdict(int)
        self.flows = defaultdict(int)
        self.inter_az_bytes = defaultdict(int)
        self.charged_bytes = defaultdict(int)
        self.nano_usd = defaultdict(int)
        self.records = defaultdict(int)
        self.objects = defaultdict(int)
        self.hourly = defaultdict(int)  # bytes by (hour, labels)
        self.hourly_nano_usd = defaultdict(int)

    def add(self, rows):
        """One object. `rows` are dicts whose keys are the columns that the object has."""
        self.objects["counted" if rows else "empty"] += 1
        billed = defaultdict(int)
        for row in rows:
            self.records[self._record(row, billed)] += 1
        for (hour, charge, labels), count in billed.items():
            # Half up, once for each hour, label set and charge of the object.
            cost = (2 * PRICES[charge] * count + 2**30) // 2**31
            self.nano_usd[(charge, *labels)] += cost
            self.hourly_nano_usd[(hour, charge, *labels)] += cost

    def _record(self, row, billed):
        status = value(row, "log_status")
        if status in ("NODATA", "SKIPDATA"):
            return status.lower()
        if value(row, "action") == "REJECT":
            return "rejected"
        leg = nat_leg(row)
        if leg == "public":
            return "nat_public_leg"
        src_address, dst_address = (ipaddress.ip_address(row[f"pkt_{side}addr"]) for side in ("src", "dst"))
        src, dst = zone_of(row, "src", src_address), zone_of(row, "dst", dst_address)
        labels = (src, dst, port_group(row), leg)
        hour = row["end"] - row["end"] % 3600
        for charge in charges(row, leg, src, dst, src_address, dst_address):
            self.charged_bytes[(charge, *labels)] += row["bytes"]
            billed[(hour, charge, labels)] += row["bytes"]
        src_logged = src in ZONE_BY_NAME and ZONE_BY_NAME[src][4]
        if leg == "none" and value(row, "flow_direction") == "ingress" and src_logged:
            return "other_side"
        self.bytes[labels] += row["bytes"]
        self.hourly[(hour, *labels)] += row["bytes"]
        self.packets[labels] += row["packets"]
        self.flows[labels] += 1
        if src in ZONE_BY_NAME and dst in ZONE_BY_NAME and src != dst:
            if ZONE_BY_NAME[src][2] == ZONE_BY_NAME[dst][2]:
                self.inter_az_bytes[labels] += row["bytes"]
        return "counted"
