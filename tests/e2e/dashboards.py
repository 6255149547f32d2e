#!/usr/bin/env python3
"""The dashboards on the first afternoon: the demo's past goes from the ledger into Prometheus, the recording rules are worked
out over it, and every query of every panel and variable has to answer, over an hour and over all days.

The steps are those of grafana/README.md. At the end three numbers of the overview are held against the ledger.
"""

import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import boards
import history
from parts import Failure, Prometheus, arguments, fetch, ledger, start_demo, until

HOUR, DAY, DAYS = 3600, 86400, 15
# Two whole weeks are compared.
COMPARED = 14 * DAY
RETENTION = ["--storage.tsdb.retention.time=10y"]
# Texts of queries that may be empty here: every charge has a price, and no window of scrapes is full; the past has no sources;
# budgets and projections are known only from the first scrape on, when the last hour with recorded traffic may be more than an
# hour ago; and a saving is either within the noise or beyond it.
MAY_BE_EMPTY = (
    "flowcost_unpriced_bytes_total",
    "* $list_price",
    "job_charge_source:flowcost_source_cost_usd:increase1d",
    'min(flowcost_budget_inter_az_ratio{job=~"$job"}) and',
    '(min(flowcost_budget_inter_az_ratio{job=~"$job"}) - ',
    '- min(flowcost_budget_inter_az_ratio{job=~"$job"})',
    'charge=~"nat_processing|nat_hop"}) * (',
    "stdvar_over_time",
)
# What compares two ranges is empty where the time range does not hold both.
COMPARES = "$__range_s - 3600"
# Both ways to choose a value: none, and one with letters that mean something to a regular expression.
CHOICES = {"port_group": "loki-http", "source": "demo"}


def say(text):
    print(f"dashboards: {text}", flush=True)


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
    # Whole steps, as Grafana asks; but for the last one, which would come before the first scrape of this young Prometheus.
    return ask(port, "/api/v1/query_range", query=text, start=start // step * step, end=-(-end // step) * step, step=step)


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
            may_be_empty = any(part in target["expr"] for part in MAY_BE_EMPTY) or (COMPARES in target["expr"] and length < COMPARED)
            if not found and not may_be_empty:
                wrong.append(f"{name}: {where} has no data over {length // HOUR} h: {text}")
            for label in boards.legend_labels(target):
                if found and not any(label in labels for labels in found):
                    wrong.append(f"{name}: {where}: the legend names {label}, which the answer does not have: {found[0]}")
    return wrong, asked


def against_ledger(prometheus, state, board, end):
    """Numbers that a person reads on the overview over two weeks, against SQL."""
    start = end - COMPARED
    hours, first = f"hour >= {start} AND hour < {end}", f"hour >= {start} AND hour < {start + COMPARED // 2}"
    zones = "src_zone <> dst_zone AND src_zone LIKE 'us-%' AND dst_zone LIKE 'us-%'"
    must = {
        "Cost in this range": f"sum(nano_usd) / 1e9 FROM ledger_charges WHERE {hours}",
        "Cross-AZ share": f"1.0 * sum(iif({zones}, bytes, 0)) / sum(bytes) FROM ledger WHERE {hours} AND nat_direction = 'none'",
        "Cross-AZ cost of 30 days: before, after": f"30 * sum(nano_usd) / 7e9 FROM ledger_charges WHERE {first} AND charge = 'inter_az'",
    }
    for title, sql in must.items():
        ((want,),) = ledger(state, f"SELECT {sql}")
        target = next(target for panel, target in boards.queries(board) if panel["title"] == title)
        text = boards.fill(target["expr"], board, start=start, end=end)
        has = float(prometheus.at(text, end)[0][1][1])
        if not want or abs(has - want) > 1e-6 * want:
            raise Failure(f"{title} shows {has}, the ledger has {want}")
        say(f"{title}: {has:.6f}, as in the ledger")


def backfill(promtool, port, start, end, folder):
    """Works the recording rules out over the past, into blocks. One pass is enough: the dashboards use no rule of a rule."""
    rules = folder / "past.rules.yaml"
    rules.write_text(boards.RULES.read_text().split("  - name: flowcost-compare")[0])
    command = [promtool, "tsdb", "create-blocks-from", "rules", "--max-block-duration=162h", f"--url=http://127.0.0.1:{port}"]
    command += [f"--start={start}", f"--end={end}", f"--output-dir={folder / 'past'}", str(rules)]
    done = subprocess.run(command, capture_output=True, timeout=600, check=False)
    if done.returncode != 0:
        raise Failure(f"promtool ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    for block in (folder / "past").iterdir():
        block.rename(folder / "tsdb" / block.name)


def export(binary, folder, port, end):
    text = folder / "history.om"
    command = [binary, "export-history", "--config.file", str(folder / "demo" / "flowcost.toml"), "--to", str(end)]
    command += ["--label", "job=flowcost", "--label", f"instance=127.0.0.1:{port}"]
    with open(text, "wb") as sink:
        done = subprocess.run(command, stdout=sink, stderr=subprocess.PIPE, timeout=120, check=False)
    if done.returncode != 0:
        raise Failure(f"export-history ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    return text


def play(given, folder, running):
    demo, demo_port = start_demo(given.exporter, folder, DAYS)
    running.append(demo)
    state = folder / "demo" / "flowcost.db"
    # The end of the last hour that is settled.
    end = (int(time.time()) - HOUR // 2) // HOUR * HOUR
    ((start,),) = ledger(state, "SELECT min(hour) FROM ledger")
    stamp = datetime.datetime.fromtimestamp(end, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    history.blocks(given.promtool, export(given.exporter, folder, demo_port, stamp), folder / "tsdb")
    prometheus = Prometheus(given.prometheus, folder, demo_port, flags=RETENTION)
    running.append(prometheus.process)
    until("three scrapes", lambda: (prometheus.number("max(count_over_time(up[10m]))") or 0) >= 3)
    backfill(given.promtool, prometheus.port, start + HOUR, end, folder)
    # A Prometheus that begins sees the new blocks; one that runs would after a minute.
    prometheus.process.end()
    running.remove(prometheus.process)
    prometheus = Prometheus(given.prometheus, folder, demo_port, flags=RETENTION)
    running.append(prometheus.process)
    until("three more scrapes", lambda: (prometheus.number("max(count_over_time(up[10s]))") or 0) >= 3)
    # What the exporter says of itself has no past: its counters have grown only once an object came between two scrapes.
    for counter in ("flowcost_objects_total", "flowcost_records_total"):
        growth = f'sum(increase({counter}{{outcome="counted"}}[1h]))'
        until(f"{counter} grows", lambda growth=growth: (prometheus.number(growth) or 0) > 1)
    say(f"{(end - start) // HOUR} hours are in Prometheus, with the rules over them")

    found, wrong, asked = boards.read_all(), [], 0
    moments = (end, int(time.time()))
    for name, board in found.items():
        # The exporter's own metrics have no past: over weeks a step is longer than they have been there.
        longest = DAY if name == "flowcost-exporter.json" else DAYS * DAY
        complaints, count = check(prometheus.port, name, board, moments, (HOUR, longest))
        wrong, asked = wrong + complaints, asked + count
    if wrong:
        raise Failure("\n  ".join([f"{len(wrong)} queries do not answer", *wrong]))
    say(f"{asked} questions of {len(found)} dashboards are answered")
    against_ledger(prometheus, state, found["flowcost-overview.json"], end)


def main():
    given = arguments(__doc__).parse_args()
    given.exporter = str(Path(given.exporter).resolve())
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
