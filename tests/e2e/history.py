#!/usr/bin/env python3
"""The history end to end: the demo's days before this one, in a Prometheus and a VictoriaMetrics that were not there.

A demo with eight days of flow logs is read. Then, beside it, its history is exported twice (the same bytes), turned into
blocks by promtool, and served by a Prometheus that also scrapes the demo from now on. Of every series, `increase()` over
every whole day must be what the ledger has for that day, read here with nothing but SQL; where backfill and scrapes
meet there is one series and no reset. VictoriaMetrics gets the same text.
"""

import datetime
import http.client
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from parts import Failure, Process, Prometheus, arguments, fetch, free_port, start_demo, until

DAYS = 8
DAY = 86_400
TRAFFIC = ("bytes", "packets", "flows", "inter_az_bytes")
FLOW_LABELS = ("src_zone", "dst_zone", "port_group", "nat_direction")


def say(text):
    print(f"history: {text}", flush=True)


def export(binary, folder, port, step, to):
    """The path of the exported text, after the export was made twice."""
    command = [binary, "export-history", "--config.file", str(folder / "demo" / "flowcost.toml")]
    command += ["--step", step, "--to", to]
    command += ["--label", "job=flowcost", "--label", f"instance=127.0.0.1:{port}"]
    texts = []
    for number in (1, 2):
        path = folder / f"history-{step}-{number}.om"
        with open(path, "wb") as sink:
            done = subprocess.run(command, stdout=sink, stderr=subprocess.PIPE, timeout=120, check=False)
        if done.returncode != 0:
            raise Failure(f"export-history ended with {done.returncode}: {done.stderr.decode()}")
        texts.append(path.read_bytes())
    if texts[0] != texts[1]:
        raise Failure(f"two exports of one history differ at --step {step}")
    return path


def blocks(promtool, text, folder):
    """A data folder for Prometheus. Few large blocks: promtool reads the whole text once for each of them."""
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=744h", "-q"]
    done = subprocess.run([*command, str(text), str(folder)], capture_output=True, timeout=300, check=False)
    if done.returncode != 0:
        raise Failure(f"promtool ended with {done.returncode}: {done.stderr.decode()}")


def ledger_day(state, day):
    """{(family, labels): what the ledger has for the day}; money in nano-dollars."""
    database = sqlite3.connect(f"file:{state}?mode=ro", uri=True)
    range_ = (day, day + DAY)
    found = {}
    labels = ", ".join(FLOW_LABELS)
    sums = ", ".join(f"sum({column})" for column in TRAFFIC)
    rows = f"SELECT {labels}, {sums} FROM ledger WHERE hour >= ? AND hour < ? GROUP BY {labels}"
    for row in database.execute(rows, range_):
        for column, value in zip(TRAFFIC, row[4:]):
            found[(f"flowcost_{column}_total", row[:4])] = value
    rows = f"""SELECT charge, {labels}, sum(bytes), sum(nano_usd) FROM ledger_charges
        WHERE hour >= ? AND hour < ? GROUP BY charge, {labels}"""
    for row in database.execute(rows, range_):
        found[("flowcost_charged_bytes_total", row[:5])] = row[5]
        found[("flowcost_cost_usd_total", row[:5])] = row[6]
    database.close()
    return found


def labels_of(family):
    charged = "charged" in family or "_cost_usd_" in family
    return ("charge", *FLOW_LABELS) if charged else FLOW_LABELS


def compare_day(ask, what, state, day):
    """Compares all series of a day; gives how many there were. `ask` answers an instant query at a moment."""
    expected = ledger_day(state, day)
    for family in sorted({family for family, _ in expected}):
        names = labels_of(family)
        scale = 1e9 if "_cost_usd_" in family else 1
        of_ledger = {labels: value for (name, labels), value in expected.items() if name == family}
        grown = {}
        for metric, value in ask(f"increase({family}[1d])", day + DAY):
            grown[tuple(metric[name] for name in names)] = float(value[1])
        for labels, value in of_ledger.items():
            found = grown.get(labels, 0.0)
            # Dollars are floating point in the database: to the nano-dollar is exact.
            if (round(found * scale) if scale != 1 else found) != value:
                raise Failure(f"{what}: increase of {family}{labels} on {day}: {found!r}, the ledger has {value}")
        strangers = {labels for labels, found in grown.items() if found != 0} - set(of_ledger)
        if strangers:
            raise Failure(f"{what}: {family} grew on {day} where the ledger has nothing: {strangers}")
        # The form that does not depend on how a range selects its samples.
        total = ask(f"sum({family}) - sum({family} offset 1d)", day + DAY)
        found = float(total[0][1][1]) if total else None
        if found is not None and round(found * scale) != sum(of_ledger.values()):
            raise Failure(f"{what}: {family} differs by {found!r} on {day}, not {sum(of_ledger.values())}")
    return len(expected)


class Victoria:
    """A VictoriaMetrics that is given a text. Instant queries of it look half a minute back unless told not to. Where there is a
    target, it scrapes that every second as well."""

    def __init__(self, binary, folder, target_port=None):
        self.port = free_port()
        command = [binary, f"-storageDataPath={folder / 'victoria'}", f"-httpListenAddr=127.0.0.1:{self.port}"]
        command += ["-retentionPeriod=10y", "-search.latencyOffset=0s"]
        if target_port is not None:
            config = folder / "victoria.yml"
            config.write_text(
                "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
                "scrape_configs:\n"
                f"  - {{job_name: flowcost, static_configs: [{{targets: ['127.0.0.1:{target_port}']}}]}}\n"
            )
            command += [f"-promscrape.config={config}"]
        self.process = Process("VictoriaMetrics", command, folder / "victoria.log")
        until("VictoriaMetrics is ready", lambda: self.process.alive() and fetch(self.port, "/health"))

    def load(self, text):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with open(text, "rb") as body:
            connection.request("POST", "/api/v1/import/prometheus", body, {"Content-Length": text.stat().st_size})
        answer = connection.getresponse()
        if answer.status not in (200, 204):
            raise Failure(f"VictoriaMetrics answers {answer.status}: {answer.read().decode()}")
        connection.close()
        fetch(self.port, "/internal/force_flush", timeout=60.0)

    def at(self, expression, moment):
        """Asks a second later, between two samples: VictoriaMetrics 1.79 now and then leaves out, after some loads and for
        single series, a sample that stands at the very end of what is asked for, though its export has it."""
        path = "/api/v1/query?" + urlencode({"query": expression, "time": moment + 1, "nocache": 1, "step": "1d"})
        answer = json.loads(fetch(self.port, path, timeout=60.0)[2])
        return [(series["metric"], series["value"]) for series in answer["data"]["result"]]


def check_seam(prometheus, port):
    """Where backfill and scrapes meet: one series, the scraped one, and no counter that falls."""
    until("three scrapes", lambda: (prometheus.number("max(count_over_time(up[10m]))") or 0) >= 3)
    for family in [*(f"flowcost_{name}_total" for name in TRAFFIC), "flowcost_cost_usd_total"]:
        now, ever = prometheus.number(f"count({family})"), prometheus.number(f"count(last_over_time({family}[20d]))")
        if not now or now != ever:
            raise Failure(f"{family}: {now} series are scraped, {ever} are there with the backfill")
        resets = prometheus.number(f"max(resets({family}[20d]))")
        if resets != 0:
            raise Failure(f"{family} has {resets} resets")
    begin = prometheus.number("min(min_over_time(flowcost_bytes_total[20d]))")
    if begin != 0:
        raise Failure(f"the history begins at {begin}")


def run(options, folder):
    demo, port = start_demo(options.exporter, folder, DAYS)
    others = []
    try:
        state = folder / "demo" / "flowcost.db"
        # The last midnight whose hours are all settled, however short ago midnight was.
        settled = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
        midnight = settled.replace(hour=0, minute=0, second=0, microsecond=0)
        to = midnight.strftime("%Y-%m-%dT%H:%M:%SZ")
        last = int(midnight.timestamp())
        days = [last - back * DAY for back in range(DAYS - 1, 0, -1)]
        if not all(ledger_day(state, day) for day in days):
            raise Failure("the demo has days without traffic")
        for step in ("5m", "1h"):
            text = export(options.exporter, folder, port, step, to)
            data = folder / f"prometheus-{step}"
            data.mkdir()
            blocks(options.promtool, text, data / "tsdb")
            prometheus = Prometheus(options.prometheus, data, port, flags=["--storage.tsdb.retention.time=10y"])
            others.append(prometheus.process)
            series = sum(compare_day(prometheus.at, f"Prometheus, {step}", state, day) for day in days)
            check_seam(prometheus, port)
            prometheus.process.end()
            others.remove(prometheus.process)
            say(f"Prometheus, --step {step}: {len(days)} days, {series} sums of a series and a day are exact, no reset")
            victoria = Victoria(options.victoria, data)
            others.append(victoria.process)
            victoria.load(text)
            series = sum(compare_day(victoria.at, f"VictoriaMetrics, {step}", state, day) for day in days)
            victoria.process.end()
            others.remove(victoria.process)
            say(f"VictoriaMetrics, --step {step}: {len(days)} days, {series} sums of a series and a day are exact")
    finally:
        for process in others:
            process.end(signal.SIGKILL)
        code = demo.end()
    if code != 0:
        raise Failure(f"the demo ended with {code}")


def main():
    wanted = arguments(__doc__)
    wanted.add_argument("--victoria", default=shutil.which("victoria-metrics") or "victoria-metrics")
    options = wanted.parse_args()
    options.exporter = str(Path(options.exporter).resolve())
    folder = Path(tempfile.mkdtemp(prefix="flowcost-history-"))
    try:
        run(options, folder)
    except Failure as failure:
        say(f"FAILED: {failure}")
        say(f"logs are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
