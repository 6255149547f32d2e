"""The same sums by other engines: bytes, packets and flows by source zone, destination zone, port group and NAT
direction. Each is written as its users would write it when speed matters: only the columns in use, zones by a join with
all addresses of the configured networks, port groups by ranges.

A record counts unless it is REJECT or has no data; of a NAT gateway only the legs towards its clients count.
"""

import ipaddress

COLUMNS = (
    "interface_id pkt_srcaddr srcaddr srcport pkt_dstaddr dstaddr dstport packets bytes action log_status".split()
)


def zone_of_address(setup):
    """Every address of the configured networks, longest prefixes last, so that they win."""
    networks = [(ipaddress.ip_network(cidr), zone) for zone, cidrs in setup["zones"].items() for cidr in cidrs]
    table = {}
    for network, zone in sorted(networks, key=lambda entry: entry[0].prefixlen):
        table.update((str(address), zone) for address in network)
    return table


def sql(setup, source, text):
    """One query for the engines that speak SQL. `source` is what to select from."""
    ranges = [(group, low, high) for group, pairs in setup["groups"].items() for low, high in pairs]

    def groups(port):
        return " ".join(f"WHEN {port} BETWEEN {low} AND {high} THEN '{group}'" for group, low, high in ranges)

    nat, address = setup["nat_interface"], setup["nat_address"]
    return f"""
        WITH legs AS (
            SELECT pkt_srcaddr, pkt_dstaddr, srcport, dstport, packets, bytes,
                CASE WHEN interface_id <> '{nat}' THEN 'none'
                     WHEN dstaddr = '{address}' AND pkt_dstaddr <> '{address}' THEN 'out'
                     WHEN srcaddr = '{address}' AND pkt_srcaddr <> '{address}' THEN 'in'
                     ELSE 'public' END AS nat
            FROM {source}
            WHERE log_status = 'OK' AND action = 'ACCEPT'
        )
        SELECT coalesce(s.zone, 'internet') AS src_zone, coalesce(d.zone, 'internet') AS dst_zone,
            CASE {groups("CAST(dstport AS INTEGER)")} {groups("CAST(srcport AS INTEGER)")} ELSE 'other' END AS port_group,
            nat, sum(CAST(bytes AS BIGINT)), sum(CAST(packets AS BIGINT)), count(*)
        FROM legs LEFT JOIN zones s ON pkt_srcaddr = s.address LEFT JOIN zones d ON pkt_dstaddr = d.address
        WHERE nat <> 'public'
        GROUP BY 1, 2, 3, 4
    """


def text_names():
    return {name: name.replace("_", "-") for name in COLUMNS}


def duckdb(setup, files, text):
    import duckdb
    import pyarrow

    connection = duckdb.connect()
    connection.execute(f"SET threads = {setup['threads']}")
    table = zone_of_address(setup)
    zones = pyarrow.table({"address": list(table), "zone": list(table.values())})
    connection.register("zones_arrow", zones)
    connection.execute("CREATE TABLE zones AS SELECT * FROM zones_arrow")
    if text:
        names = ", ".join(f'"{written}" AS {name}' for name, written in text_names().items())
        source = f"(SELECT {names} FROM read_csv({files!r}, delim = ' ', header = true, quote = '', all_varchar = true))"
        # Only what is read as a number has to be one: rows without data have '-'.
    else:
        source = f"read_parquet({files!r})"
    return connection.execute(sql(setup, source, text)).fetchall()


def datafusion(setup, files, text):
    import datafusion
    import pyarrow

    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(setup["threads"]))
    table = zone_of_address(setup)
    zones = pyarrow.record_batch({"address": list(table), "zone": list(table.values())})
    context.register_record_batches("zones", [[zones]])
    if text:
        return None
    source = " UNION ALL ".join(f"SELECT {', '.join(COLUMNS)} FROM f{at}" for at in range(len(files)))
    for at, file in enumerate(files):
        context.register_parquet(f"f{at}", file)
    rows = context.sql(sql(setup, f"({source})", text)).to_arrow_table().to_pydict()
    return list(zip(*rows.values()))


def polars(setup, files, text):
    import polars as pl

    table = zone_of_address(setup)
    zones = pl.LazyFrame({"address": list(table), "zone": list(table.values())})
    if text:
        numbers = {"srcport": pl.Int32, "dstport": pl.Int32, "packets": pl.Int64, "bytes": pl.Int64}
        frame = pl.scan_csv(
            files, separator=" ", null_values=["-"], quote_char=None,
            schema_overrides={written: numbers.get(name, pl.String) for name, written in text_names().items()},
        ).select(pl.col(written).alias(name) for name, written in text_names().items())
    else:
        frame = pl.scan_parquet(files).select(COLUMNS)
    address = pl.lit(setup["nat_address"])
    nat = (
        pl.when(pl.col("interface_id") != setup["nat_interface"]).then(pl.lit("none"))
        .when((pl.col("dstaddr") == address) & (pl.col("pkt_dstaddr") != address)).then(pl.lit("out"))
        .when((pl.col("srcaddr") == address) & (pl.col("pkt_srcaddr") != address)).then(pl.lit("in"))
    )
    group = pl.lit("other")
    for port in ["srcport", "dstport"]:
        for name, pairs in setup["groups"].items():
            for low, high in pairs:
                group = pl.when(pl.col(port).is_between(low, high)).then(pl.lit(name)).otherwise(group)
    query = (
        frame.filter((pl.col("log_status") == "OK") & (pl.col("action") == "ACCEPT"))
        .with_columns(nat=nat, port_group=group)
        .filter(pl.col("nat").is_not_null())
        .join(zones, left_on="pkt_srcaddr", right_on="address", how="left")
        .join(zones, left_on="pkt_dstaddr", right_on="address", how="left", suffix="_dst")
        .group_by(
            pl.col("zone").fill_null("internet"), pl.col("zone_dst").fill_null("internet"), "port_group", "nat"
        )
        .agg(pl.col("bytes").sum(), pl.col("packets").sum(), pl.len())
    )
    return query.collect(engine="streaming").rows()


def pandas(setup, files, text):
    """As the older scripts did it: file after file into a frame."""
    import pandas as pd

    table = zone_of_address(setup)
    sums = None
    for file in files:
        if text:
            frame = pd.read_csv(
                file, sep=" ", na_values=["-"], keep_default_na=False, usecols=list(text_names().values())
            )
            frame.columns = [name.replace("-", "_") for name in frame.columns]
        else:
            frame = pd.read_parquet(file, columns=COLUMNS)
        frame = frame[(frame["log_status"] == "OK") & (frame["action"] == "ACCEPT")].copy()
        address = setup["nat_address"]
        at_nat = frame["interface_id"] == setup["nat_interface"]
        out = at_nat & (frame["dstaddr"] == address) & (frame["pkt_dstaddr"] != address)
        back = at_nat & (frame["srcaddr"] == address) & (frame["pkt_srcaddr"] != address)
        frame["nat"] = "none"
        frame.loc[out, "nat"] = "out"
        frame.loc[back, "nat"] = "in"
        frame = frame[~at_nat | out | back].copy()
        frame["src_zone"] = frame["pkt_srcaddr"].map(table).fillna("internet")
        frame["dst_zone"] = frame["pkt_dstaddr"].map(table).fillna("internet")
        frame["port_group"] = "other"
        for port in ["srcport", "dstport"]:
            for name, pairs in setup["groups"].items():
                for low, high in pairs:
                    frame.loc[frame[port].between(low, high), "port_group"] = name
        keys = ["src_zone", "dst_zone", "port_group", "nat"]
        part = frame.groupby(keys).agg(
            bytes=("bytes", "sum"), packets=("packets", "sum"), flows=("bytes", "size")
        )
        sums = part if sums is None else sums.add(part, fill_value=0)
    return list(sums.reset_index().itertuples(index=False, name=None))


ENGINES = {"polars": polars, "duckdb": duckdb, "datafusion": datafusion, "pandas": pandas}
