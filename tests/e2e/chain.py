#!/usr/bin/env python3
"""From a flow log to a person: exporter, Prometheus with the shipped rules, Alertmanager, a webhook that this test owns.

The same records come three times: three hours ago and lately, which is the first backlog, and once more under the eyes of
Prometheus. So everything that the rules see grow is one set of records, and what the alerts must say follows from it by
oracle.py and a calendar. The rules are the shipped ones; only their intervals and waiting times are shortened.
VictoriaMetrics scrapes the same exporter and must have the same sums.
"""

import argparse
import calendar
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

import oracle
import traffic
from parts import Exporter, Failure, Process, Prometheus, Store, fetch, free_port, until
from run import COUNTERS, LABELS, differences

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "alerts" / "flowcost.rules.yaml"
HOUR, SETTLES_AFTER, MEAN_HOURS = 3600, 1800, 7 * 24
# Records of traffic.py of which about a third of the bytes cross zones.
SEED = 9
BUDGET_RATIO = 0.3
# The part of the projection that the budget is.
BUDGET_SHARE = 0.7
# What these records set off with these budgets, and nothing else: there is SKIPDATA among them.
EXPECTED = {
    "FlowcostInterAzShareHigh",
    "FlowcostInterAzShareHighPortGroup",
    "FlowcostProjectedCostOverBudget",
    "FlowcostSkipdataSeen",
}


def say(text):
    print(f"chain: {text}", flush=True)


class Webhook:
    """Takes what Alertmanager sends and keeps the latest word on each alert."""

    def __init__(self):
        self.lock, self.alerts, self.port = threading.Lock(), {}, free_port()
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with webhook.lock:
                    for alert in message["alerts"]:
                        webhook.alerts[alert["fingerprint"]] = alert
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def firing(self):
        """{name of the alert: the alerts of this name that fire}."""
        found = {}
        with self.lock:
            for alert in self.alerts.values():
                if alert["status"] == "firing":
                    found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found


def alertmanager(binary, folder, webhook_port):
    """(process, port) of an Alertmanager that tells the webhook everything at once."""
    port = free_port()
    config = folder / "alertmanager.yml"
    config.write_text(
        "route: {receiver: test, group_by: ['...'], group_wait: 0s, group_interval: 1s}\n"
        f"receivers: [{{name: test, webhook_configs: [{{url: 'http://127.0.0.1:{webhook_port}/'}}]}}]\n"
    )
    process = Process(
        "Alertmanager",
        [
            binary,
            f"--config.file={config}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ],
        folder / "alertmanager.log",
    )
    return process, port


class VictoriaMetrics(Prometheus):
    """A VictoriaMetrics that scrapes one address every second. It asks for the text format 0.0.4, and is asked as Prometheus is."""

    def __init__(self, binary, folder, target_port):
        self.port = free_port()
        config = folder / "victoria.yml"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs:\n"
            f"  - {{job_name: flowcost, static_configs: [{{targets: ['127.0.0.1:{target_port}']}}]}}\n"
        )
        self.process = Process(
            "VictoriaMetrics",
            [
                binary,
                f"-promscrape.config={config}",
                f"-storageDataPath={folder / 'victoria'}",
                f"-httpListenAddr=127.0.0.1:{self.port}",
                "-memory.allowedBytes=64MiB",
                # Otherwise an instant query sees nothing of the last 30 seconds.
                "-search.latencyOffset=0s",
                "-search.disableCache",
                "-loggerLevel=WARN",
            ],
            folder / "victoria.log",
        )


def hurried(folder):
    """The shipped rules with every interval and waiting time cut to seconds. The expressions stay as they are."""
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            for key in {"for", "keep_firing_for"} & set(rule):
                rule[key] = "3s"
    path = folder / "rules.yml"
    path.write_text(json.dumps(rules))
    return path


def projected(expected, now):
    """The cost expected for the month of `now`, in USD: docs/months.md, done with a calendar."""
    hourly_nano_usd, first_hour = expected.hourly_nano_usd, min(key[0] for key in expected.hourly)
    today = datetime.fromtimestamp(now, timezone.utc)
    start = calendar.timegm((today.year, today.month, 1, 0, 0, 0))
    end = start + calendar.monthrange(today.year, today.month)[1] * 24 * HOUR
    opens = (now - SETTLES_AFTER) // HOUR * HOUR
    mean_from = max(first_hour, opens - MEAN_HOURS * HOUR)
    covered = max(0, opens - max(start, first_hour)) // HOUR
    uncovered, mean_hours = (end - start) // HOUR - covered, max(0, opens - mean_from) // HOUR
    total = 0
    for charge in oracle.PRICES:
        hours = [(key[0], cost) for key, cost in hourly_nano_usd.items() if key[1] == charge]
        to_date = sum(cost for hour, cost in hours if start <= hour < opens)
        mean_of = sum(cost for hour, cost in hours if mean_from <= hour < opens)
        total += to_date + (mean_of * uncovered / mean_hours if mean_hours else 0)
    return total / 1e9


def later(rows, seconds):
    """The same records, that many seconds later."""
    return [row | {"start": row["start"] + seconds, "end": row["end"] + seconds} for row in rows]


def check(alert, **annotations):
    for name, must in annotations.items():
        has = alert["annotations"][name]
        if has not in must:
            raise Failure(f"{name} of {alert['labels']['alertname']} is\n  {has}\nmust be\n  {must[0]}")


def percent(ratio):
    return f"{100 * ratio:.4g}%"


def one_set(rows):
    """What one set of the records adds, by the oracle: (bytes, bytes between zones) of all traffic and of each port group."""
    totals, groups = oracle.Totals(), {}
    totals.add(rows)
    for labels, count in totals.bytes.items():
        if labels[3] == "none":
            for group in (None, labels[2]):
                whole, part = groups.get(group, (0, 0))
                groups[group] = (whole + count, part + totals.inter_az_bytes.get(labels, 0))
    return groups


def check_alerts(firing, rows, expected, began, budget):
    """The numbers that a person reads, against those of the records."""
    groups = one_set(rows)
    whole, part = groups.pop(None)
    (share,) = firing["FlowcostInterAzShareHigh"]
    check(share, summary=[f"{percent(part / whole)} of the bytes of the last day crossed zones; the budget is 30%."])
    must = {
        f"{percent(part / whole)} of the bytes of {group} crossed zones in the last day; the budget is 30%."
        for group, (whole, part) in groups.items()
        if whole > 2**30 and part / whole > BUDGET_RATIO
    }
    has = {alert["annotations"]["summary"] for alert in firing["FlowcostInterAzShareHighPortGroup"]}
    if has != must:
        raise Failure(f"port groups: Alertmanager says {has}, must be {must}")
    # Between the two an hour may have settled, or a month begun.
    moments = [projected(expected, at) for at in (began, int(time.time()))]
    (cost,) = firing["FlowcostProjectedCostOverBudget"]
    text = "This month is expected to cost {:.2f} USD; the budget is {:.2f} USD."
    check(cost, summary=[text.format(usd, budget) for usd in moments])
    for alerts in firing.values():
        for alert in alerts:
            if "error expanding" in json.dumps(alert["annotations"]):
                raise Failure(f"a template of {alert['labels']['alertname']} does not work: {alert['annotations']}")
    return share["annotations"]["summary"], cost["annotations"]["summary"]


def compare_databases(victoria, prometheus, expected):
    """VictoriaMetrics has what Prometheus has, and both have what the oracle says."""
    wrong = []
    for name in ("bytes", "packets", "flows", "inter_az_bytes"):
        for database in (victoria, prometheus):
            found = database.series(f"flowcost_{name}_total", LABELS)
            wrong += differences(name, getattr(expected, name), found)
    for database in (victoria, prometheus):
        cost = database.series("flowcost_cost_usd_total", ("charge", *LABELS))
        wrong += differences("cost", expected.nano_usd, {key: round(usd * 1e9) for key, usd in cost.items()})
    for name in COUNTERS:
        one, other = (database.number(f"sum(flowcost_{name}_total)") for database in (victoria, prometheus))
        if one is None or other is None or abs(one - other) > 1e-9 * abs(other):
            wrong.append(f"sum(flowcost_{name}_total) is {one} in VictoriaMetrics, {other} in Prometheus")
    if wrong:
        raise Failure("\n  ".join([f"{len(wrong)} sums are wrong", *wrong[:20]]))


def play(given, store, webhook, folder, running):
    """The scenario. What it starts goes into `running`, to be ended by the caller whatever happens."""
    rng, began = random.Random(SEED), int(time.time())
    expected = oracle.Totals()
    rows = traffic.rows(rng, began - 3 * HOUR, 400)

    def put(at):
        made = later(rows, at - (began - 3 * HOUR))
        expected.add(made)
        store.put(traffic.key(rng, store.prefix, at), traffic.parquet(rng, made))

    # Alerts rely on a projection that has seven days behind it.
    put(began - 8 * 24 * HOUR)
    put(began - 3 * HOUR)
    put(began - 300)
    config = oracle.config(
        state=folder / "flowcost.db", bucket=store.bucket, prefix=store.prefix, endpoint=store.endpoint
    )
    start = datetime.fromtimestamp(began - 9 * 24 * HOUR, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = config.replace("[ingest]\n", f'[ingest]\nstart = "{start}"\n')
    budget = round(BUDGET_SHARE * projected(expected, began), 2)
    config += f"\n[budget]\nmonthly_usd = {budget}\ninter_az_ratio = {BUDGET_RATIO}\n"
    exporter = Exporter(given.exporter, folder, config)
    running.append(exporter)
    exporter.start()
    exporter.wait_ready()

    manager, manager_port = alertmanager(given.alertmanager, folder, webhook.port)
    running.append(manager)
    victoria = VictoriaMetrics(given.victoria_metrics, folder, exporter.port)
    running.append(victoria.process)
    more = (
        f"rule_files: ['{hurried(folder)}']\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{manager_port}']}}]}}]}}\n"
    )
    prometheus = Prometheus(given.prometheus, folder, exporter.port, more=more)
    running.append(prometheus.process)
    until("Alertmanager is ready", lambda: manager.alive() and fetch(manager_port, "/-/ready"))

    def has(database, objects):
        return lambda: database.process.alive() and database.number(
            'sum(flowcost_objects_total{outcome="counted"})'
        ) == objects

    # Two scrapes with the backlog: what comes now is growth.
    until("Prometheus has the backlog", lambda: (prometheus.number("count_over_time(flowcost_ready[1h])") or 0) >= 2)
    until("Prometheus has three objects", has(prometheus, 3))
    put(began)
    until("Prometheus has the fourth object", has(prometheus, 4))
    until("VictoriaMetrics has the fourth object", has(victoria, 4))
    compare_databases(victoria, prometheus, expected)
    say(f"VictoriaMetrics and Prometheus agree with the records: {sum(expected.bytes.values())} bytes")

    until("exactly the alerts that must fire reached the webhook", lambda: set(webhook.firing()) == EXPECTED)
    for line in check_alerts(webhook.firing(), rows, expected, began, budget):
        say(line)
    query = [given.amtool, f"--alertmanager.url=http://127.0.0.1:{manager_port}", "alert", "query", "-o", "json"]
    listed = json.loads(subprocess.run(query, check=True, capture_output=True, text=True, timeout=30).stdout)
    if {alert["labels"]["alertname"] for alert in listed} != EXPECTED:
        raise Failure(f"amtool lists {listed}")
    if given.show:
        print(subprocess.run([*query[:-1], "extended"], check=True, capture_output=True, text=True).stdout)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--exporter", default="target/release/flowcost-exporter")
    for tool in ("prometheus", "victoria-metrics", "amtool"):
        arguments.add_argument(f"--{tool}", default=tool)
    arguments.add_argument("--alertmanager", default="prometheus-alertmanager")
    arguments.add_argument("--show", action="store_true", help="print what Alertmanager has")
    given = arguments.parse_args()
    for tool in (given.exporter, given.prometheus, given.victoria_metrics, given.amtool, given.alertmanager):
        if shutil.which(tool) is None:
            print(f"chain: {tool} is missing", file=sys.stderr)
            return 2
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="flowcost-chain-"))
    store, webhook, running = Store("flow-logs", "cluster/"), Webhook(), []
    try:
        play(given, store, webhook, folder, running)
    except Failure as failure:
        print(f"chain: FAILED: {failure}", file=sys.stderr)
        print(json.dumps(webhook.firing(), indent=1), file=sys.stderr)
        for log in sorted(folder.glob("*.log")):
            print(f"--- end of {log.name}", file=sys.stderr)
            print(*log.read_text(errors="replace").splitlines()[-25:], sep="\n", file=sys.stderr)
        return 1
    finally:
        for process in running:
            child = process if hasattr(process, "child") else process.process
            if child is not None and child.child.poll() is None:
                child.end(signal.SIGKILL)
        webhook.server.shutdown()
        store.stop()
        shutil.rmtree(folder, ignore_errors=True)
    say(f"{len(EXPECTED)} kinds of alerts arrived with the right numbers, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
