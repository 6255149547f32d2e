#!/usr/bin/env python3
"""The dashboards on the first afternoon: the demo's past goes from the ledger into Prometheus, the recording rules are worked
out over it, and every query of every panel and variable has to answer, over an hour and over all days.

The steps are those of grafana/README.md. At the end three numbers of the overview are held against the ledger.
"""

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import boards
from parts import Failure, Process, Prometheus, fetch, free_port, until

HOUR, DAY, DAYS = 3600, 86400, 3
# Queries that may be empty in a demo where nothing fails.
MAY_BE_EMPTY = ("flowcost_store_request_failures_total",)
# Both ways to choose a value: none, and one with letters that mean something to a regular expression.
CHOICES = {"port_group": "loki-http", "source": "demo"}


def say(text):
    print(f"dashboards: {text}", flush=True)


class Demo:
    """The demo with a past, in a folder of its own."""

    def __init__(self, binary, folder):
        self.binary, self.folder, self.port = binary, folder / "demo", free_port()
        self.address = f"127.0.0.1:{self.port}"
        arguments = [binary, "demo", "--dir", str(self.folder), "--history", f"{DAYS}d"]
        self.process = Process("the demo", [*arguments, "--web.listen-address", self.address], folder / "demo.log")

    def ready(self):
        found = self.process.alive() and fetch(self.port, "/-/ready")
        return found and found[0] == 200

    def export(self, path):
        labels = ["--label", "job=flowcost", "--label", f"instance={self.address}"]
        command = [self.binary, "export-history", "--config.file", str(self.folder / "flowcost.toml"), *labels]
        with open(path, "wb") as sink:
            run(command, stdout=sink)

    def ledger(self, query):
        connection = sqlite3.connect(f"file:{self.folder / 'flowcost.db'}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


def run(command, **more):
    done = subprocess.run(command, stderr=subprocess.PIPE, timeout=600, **more)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: {done.stderr.decode(errors='replace')}")


def ask(port, path, **parameters):
    found = fetch(port, f"{path}?{urlencode(parameters)}", timeout=60.0)
    if found is None:
        raise Failure("Prometheus does not answer")
    answer = json.loads(found[2])
    if answer["status"] != "success":
        raise Failure(f"{parameters['query']}: {answer.get('error')}")
    return [series["metric"] for series in answer["data"]["result"]]


def answer(port, text, target, start, end):
    """The label sets of an answer, asked for as the panel does."""
    if target.get("instant"):
        return ask(port, "/api/v1/query", query=text, time=end)
    step = max(DAY if target.get("interval") == "1d" else 300, (end - start) // 1000)
    # Grafana begins and ends range queries at whole steps.
    return ask(port, "/api/v1/query_range", query=text, start=start // step * step, end=end // step * step, step=step)


def check(port, name, board, moments, lengths):
    """Each query has an answer at one of the moments, over each length; none is refused; legends name labels that are there."""
    wrong, asked = [], 0
    targets = [(f"{panel['title']!r} {target['refId']}", target) for panel, target in boards.queries(board)]
    for variable in boards.variables(board):
        if variable["type"] == "query":
            where = f"variable {variable['name']}"
            targets.append((where, {"expr": boards.variable_query(variable), "instant": True, "refId": "variable"}))
    chosen = {one["name"]: CHOICES[one["name"]] for one in boards.variables(board) if one["name"] in CHOICES}
    for where, target in targets:
        for length in lengths:
            found = []
            for values in ({}, chosen):
                for end in moments:
                    text = boards.fill(target["expr"], board, values, start=end - length, end=end)
                    found += answer(port, text, target, end - length, end)
                    asked += 1
            if not found and not any(metric in target["expr"] for metric in MAY_BE_EMPTY):
                wrong.append(f"{name}: {where} has no data over {length // HOUR} h: {text}")
            for label in boards.legend_labels(target):
                if found and not any(label in labels for labels in found):
                    wrong.append(f"{name}: {where}: the legend names {label}, which the answer does not have: {found[0]}")
    return wrong, asked


def against_ledger(port, demo, board, end):
    """Numbers that a person reads on the overview, against SQL over the last day."""
    start = end - DAY
    hours = f"hour >= {start} AND hour < {end}"
    must = {
        "Cost in this range": f"SELECT sum(nano_usd) / 1e9 FROM ledger_charges WHERE {hours}",
        "Cross-AZ share": f"SELECT sum(iif(src_zone <> dst_zone AND src_zone LIKE 'us-%' AND dst_zone LIKE 'us-%', bytes, 0)) * 1.0 / sum(bytes)"
        f" FROM ledger WHERE {hours} AND nat_direction = 'none'",
        "Cross-AZ cost of 30 days: before, after": f"SELECT 30 * sum(nano_usd) / 1e9 FROM ledger_charges WHERE {hours} AND charge = 'inter_az'",
    }
    for title, sql in must.items():
        (want,) = demo.ledger(sql)[0]
        target = next(target for panel, target in boards.queries(board) if panel["title"] == title)
        text = boards.fill(target["expr"], board, start=start, end=end)
        found = json.loads(fetch(port, "/api/v1/query?" + urlencode({"query": text, "time": end}), timeout=60.0)[2])
        (one,) = found["data"]["result"]
        has = float(one["value"][1])
        if not want or abs(has - want) > 1e-6 * abs(want):
            raise Failure(f"{title} shows {has}, the ledger has {want}")
        say(f"{title}: {has:.6f}, as in the ledger")


def play(given, folder, running):
    demo = Demo(str(Path(given.exporter).resolve()), folder)
    running.append(demo.process)
    until("the demo is ready", demo.ready, 120)
    history = folder / "history.om"
    demo.export(history)
    tsdb = folder / "tsdb"
    run([given.promtool, "tsdb", "create-blocks-from", "openmetrics", str(history), str(tsdb)], stdout=subprocess.DEVNULL)
    history.unlink()
    prometheus = Prometheus(given.prometheus, folder, demo.port)
    running.append(prometheus.process)
    (last,) = [float(found[1][1]) for found in prometheus.query(f"max(timestamp(last_over_time(flowcost_bytes_total[{DAYS}d])))")] or [0]
    (end,) = demo.ledger("SELECT max(hour) FROM ledger")[0]
    raise Failure(f"{last} {end}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--exporter", default="target/release/flowcost-exporter")
    arguments.add_argument("--prometheus", default=shutil.which("prometheus") or "prometheus")
    promtool = os.environ.get("FLOWCOST_PROMTOOL") or shutil.which("promtool") or "promtool"
    arguments.add_argument("--promtool", default=promtool)
    given = arguments.parse_args()
    for tool in (given.exporter, given.prometheus, given.promtool):
        if shutil.which(tool) is None:
            print(f"dashboards: {tool} is missing", file=sys.stderr)
            return 2
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="flowcost-dashboards-"))
    running = []
    try:
        play(given, folder, running)
    except Failure as failure:
        print(f"dashboards: FAILED: {failure}", file=sys.stderr)
        for log in sorted(folder.glob("*.log")):
            print(f"--- end of {log.name}", file=sys.stderr)
            print(*log.read_text(errors="replace").splitlines()[-25:], sep="\n", file=sys.stderr)
        return 1
    finally:
        for process in running:
            if process.child.poll() is None:
                process.end(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
    say(f"every query answers, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
