"""Flow-log objects as AWS delivers them: hive-hourly keys, gzip-coded Parquet, two record formats in one bucket."""

import io
from datetime import datetime, timezone

import pyarrow as pa
import pyarrow.parquet as pq

from oracle import NAT_ADDRESS, NAT_INTERFACE, REGION

ACCOUNT, SECOND_ACCOUNT = "123456789012", "210987654321"
FLOW_LOG = "fl-0123456789abcdef0"

# (first three parts of the address, az_id, whether its interfaces are logged)
ZONE_A, ZONE_C = ("10.0.129", "apne1-az4", True), ("10.0.133", "apne1-az1", True)
DATABASES, NO_CIDR = ("10.0.135", "apne1-az2", False), ("10.0.140", "apne1-az9", True)
FREE_A, ELSEWHERE = ("10.0.131", "apne1-az4", True), ("10.1.7", "use1-az1", False)
V6_A, V6_C = ("2001:db8:0:a:", "apne1-az4", True), ("2001:db8:0:c:", "apne1-az1", True)
# In no network, and no interface of it is ever seen.
NOBODYS = "10.0.150.9"
PODS = [ZONE_A, ZONE_A, ZONE_C, ZONE_C, FREE_A, NO_CIDR]

INTEGERS = "version srcport dstport protocol packets bytes start end tcp_flags traffic_path".split()
# What the older flow log of the account leaves out: nothing then says which interface wrote a record, or which way it went.
NEWER_ONLY = "interface_id az_id flow_direction traffic_path pkt_src_aws_service pkt_dst_aws_service".split()


def host(rng, place):
    prefix, az_id, logged = place
    last = rng.randint(2, 60)
    address = f"{prefix}:{last:x}" if ":" in prefix else f"{prefix}.{last}"
    return {"address": address, "az_id": az_id, "logged": logged, "interface_id": f"eni-{prefix}-{last % 3}"}


def record(rng, at, src, dst, ports, direction, interface_id, az_id, size, **more):
    """One record. Start and end differ from record to record, also between the two sides of one flow."""
    end = at - rng.randint(0, 290)
    row = {
        "version": 5,
        "account_id": ACCOUNT,
        "interface_id": interface_id,
        "srcaddr": src,
        "dstaddr": dst,
        "srcport": ports[0],
        "dstport": ports[1],
        "protocol": 6,
        "packets": max(1, size // 1200),
        "bytes": size,
        "start": end - rng.randint(1, 59),
        "end": end,
        "action": "ACCEPT",
        "log_status": "OK",
        "tcp_flags": 19,
        "pkt_srcaddr": src,
        "pkt_dstaddr": dst,
        "az_id": az_id,
        "pkt_src_aws_service": None,
        "pkt_dst_aws_service": None,
        "flow_direction": direction,
        "traffic_path": 1 if direction == "egress" else None,
    }
    row.update(more)
    return row


def one_way(rng, at, sender, receiver, ports, size):
    """What a transfer leaves at each interface that is logged. Pods sit on secondary addresses of their node."""
    src, dst = sender["address"], receiver["address"]
    if sender["logged"]:
        plain = rng.choice([src, src.rsplit(".", 1)[0] + ".250" if "." in src else src])
        yield record(rng, at, src, dst, ports, "egress", sender["interface_id"], sender["az_id"], size, srcaddr=plain)
    if receiver["logged"]:
        yield record(rng, at, src, dst, ports, "ingress", receiver["interface_id"], receiver["az_id"], size)


def conversation(rng, at, client, server, port):
    ports = (rng.randint(32768, 60999), port)
    yield from one_way(rng, at, client, server, ports, transfer(rng))
    yield from one_way(rng, at, server, client, ports[::-1], transfer(rng))


def transfer(rng):
    """Mostly kilobytes, sometimes gigabytes, so that money is visible; sums stay below 2^53."""
    return rng.randint(10**9, 3 * 10**10) if rng.random() < 0.02 else rng.randint(40, 5_000_000)


def through_nat(rng, at, client, remote, ports):
    """The four legs at the gateway, and the client's own view of the same bytes."""
    sent, received, inside, back = transfer(rng), transfer(rng), client["address"], ports[::-1]
    own = (client["interface_id"], client["az_id"])
    gateway = (NAT_INTERFACE, "apne1-az4")
    nat = NAT_ADDRESS
    yield record(rng, at, inside, remote, ports, "egress", *own, sent)
    yield record(rng, at, remote, inside, back, "ingress", *own, received)
    yield record(rng, at, inside, remote, ports, "ingress", *gateway, sent, dstaddr=nat)
    yield record(rng, at, nat, remote, ports, "egress", *gateway, sent, traffic_path=8)
    yield record(rng, at, remote, nat, back, "ingress", *gateway, received)
    yield record(rng, at, remote, inside, back, "egress", *gateway, received, srcaddr=nat)


def outside(rng, at, pod):
    """Towards AWS services and the internet, refused connections, a host that nobody knows, and intervals without data."""
    address, own = pod["address"], (pod["interface_id"], pod["az_id"])
    ports, internet, s3 = (rng.randint(32768, 60999), 443), f"203.0.113.{rng.randint(1, 9)}", "52.219.0.7"
    yield record(rng, at, address, s3, ports, "egress", *own, transfer(rng), traffic_path=7, pkt_dst_aws_service="S3")
    yield record(rng, at, s3, address, ports[::-1], "ingress", *own, transfer(rng), pkt_src_aws_service="S3")
    yield record(rng, at, address, internet, ports, "egress", *own, transfer(rng), traffic_path=8)
    yield record(rng, at, internet, address, ports[::-1], "ingress", *own, transfer(rng))
    yield record(rng, at, internet, address, (40000, 22), "ingress", *own, 40, action="REJECT")
    yield record(rng, at, NOBODYS, address, (50000, 4108), "ingress", *own, rng.randint(40, 5_000_000))
    nothing = dict.fromkeys("srcport dstport protocol packets bytes tcp_flags traffic_path".split())
    nothing.update(dict.fromkeys("srcaddr dstaddr pkt_srcaddr pkt_dstaddr action flow_direction".split()))
    for status in ("NODATA", "SKIPDATA"):
        yield record(rng, at, "-", "-", (0, 0), None, *own, 0, **nothing | {"log_status": status})


def rows(rng, at, count):
    """About `count` records that end in the five minutes before `at`."""
    made = []
    while len(made) < count:
        pod, peer = host(rng, rng.choice(PODS)), host(rng, rng.choice(PODS))
        made += conversation(rng, at, pod, peer, rng.choice([4080, 4101, 4107, 4108, 9095]))
        made += conversation(rng, at, pod, host(rng, DATABASES), 5432)
        made += conversation(rng, at, pod, host(rng, ELSEWHERE), 4080)
        made += conversation(rng, at, host(rng, V6_A), host(rng, V6_C), 4103)
        made += through_nat(rng, at, host(rng, rng.choice([ZONE_A, ZONE_C])), "198.51.100.7", (50000, 443))
        made += outside(rng, at, pod)
    if rng.random() < 0.3:
        made = [{name: cell for name, cell in row.items() if name not in NEWER_ONLY} for row in made]
    rng.shuffle(made)
    return made


def parquet(rng, made, columns=("bytes", "srcaddr", "dstaddr")):
    """The records as a file. What AWS does not promise (widths, order, dictionaries, nulls) differs from file to file."""
    names = list(made[0]) if made else list(columns)
    rng.shuffle(names)
    wide, dash = rng.random() < 0.5, rng.random() < 0.5
    arrays = {}
    for name in names:
        cells = [row[name] for row in made]
        if name in INTEGERS:
            kind = pa.int64() if wide or name in ("packets", "bytes", "start", "end") else pa.int32()
        else:
            kind = pa.string()
            cells = ["-" if dash and cell is None else cell for cell in cells]
        arrays[name] = pa.array(cells, type=kind)
    sink = io.BytesIO()
    pq.write_table(
        pa.table(arrays),
        sink,
        compression=rng.choice(["gzip", "gzip", "gzip", "snappy", "zstd", "none"]),
        use_dictionary=rng.random() < 0.7,
        row_group_size=rng.choice([50, 10_000]),
        write_statistics=rng.random() < 0.5,
    )
    return sink.getvalue()


def partition(prefix, at, account=ACCOUNT):
    hour = datetime.fromtimestamp(at, timezone.utc)
    return (
        f"{prefix}AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={REGION}/"
        f"{hour:year=%Y/month=%m/day=%d/hour=%H/}"
    )


def key(rng, prefix, at, account=ACCOUNT):
    slot = datetime.fromtimestamp(at - at % 300, timezone.utc)
    name = f"{account}_vpcflowlogs_{REGION}_{FLOW_LOG}_{slot:%Y%m%dT%H%MZ}_{rng.getrandbits(32):08x}.log.parquet"
    return partition(prefix, at, account) + name
