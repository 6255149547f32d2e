#!/usr/bin/env python3
"""The main job from end to end: flow logs arrive in S3, the exporter is killed and restarted, Prometheus has exact sums.

Objects of two days are there at first, then new ones keep arriving; one is hours late, one account is new, one object is
overwritten, and some are no flow logs. Meanwhile the exporter dies by SIGKILL again and again and is stopped by SIGTERM
once. At the end what Prometheus has is compared, series by series and to the byte, with oracle.py.
"""

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

import oracle
import traffic
from parts import TEXT, Exporter, Failure, Prometheus, Store, arguments, until

LABELS = ("src_zone", "dst_zone", "port_group", "nat_direction")
COUNTERS = (
    "bytes packets flows inter_az_bytes charged_bytes cost_usd source_bytes source_cost_usd doubtful_bytes "
    "topology_contradictions records objects object_bytes"
).split()
HOUR = 3600
MOST_ARRIVALS = 400


def say(text):
    print(f"e2e: {text}", flush=True)


class Scenario:
    """The bucket's contents as they grow, and what they must add up to."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.expected = oracle.Totals()
        self.store = Store("flow-logs", "cluster/")

    def put(self, at, count, account=traffic.ACCOUNT):
        made = traffic.rows(self.rng, at, count) if count else []
        key = traffic.key(self.rng, self.store.prefix, at, account)
        # First the expectation: Prometheus may never be ahead of it.
        self.expected.add(made)
        self.store.put(key, traffic.parquet(self.rng, made))
        return key

    def settled(self):
        """Objects that will have been counted or found empty once all that was put is read."""
        return self.expected.objects["counted"] + self.expected.objects["empty"]


class Monotone:
    """What direct scrapes have shown: no counter may ever be lower, or missing, in a later one."""

    def __init__(self):
        self.last = {}

    def look(self, body):
        seen = {}
        for family in openmetrics_parser.text_string_to_metric_families(body):
            for sample in family.samples:
                if sample.name.removeprefix("flowcost_").removesuffix("_total") in COUNTERS:
                    seen[(sample.name, tuple(sorted(sample.labels.items())))] = sample.value
        for series, value in self.last.items():
            if series not in seen:
                raise Failure(f"{series} was {value} and is gone")
            if seen[series] < value:
                raise Failure(f"{series} went down from {value} to {seen[series]}")
        self.last = seen
        return seen

    def objects(self, body):
        """Objects read so far."""
        seen = self.look(body)
        return sum(seen.get(("flowcost_objects_total", (("outcome", one),)), 0) for one in ("counted", "empty"))


def arrivals(scenario, stop, errors):
    """Puts objects one after the other until told to stop. The pause sets the pace of arrival and nothing else."""
    try:
        for number in range(MOST_ARRIVALS):
            account = traffic.SECOND_ACCOUNT if number % 5 == 4 else traffic.ACCOUNT
            scenario.put(int(time.time()), 150, account)
            if stop.wait(0.25):
                return
    except Exception as error:  # noqa: BLE001 - handed to the main thread
        errors.append(error)


def deaths(exporter, monotone, prometheus, arriving):
    """Kills while objects arrive: three times without mercy, the last time by the book."""

    def read_more_than(count):
        def look():
            read = monotone.objects(exporter.scrape()[1])
            return read if read > count else None

        return look

    read = monotone.objects(exporter.scrape()[1])
    for how in ("in the middle of reading", "as soon as it serves", "in the middle of reading"):
        if how == "in the middle of reading":
            read = until("it reads on while objects arrive", read_more_than(read))
        exporter.kill()
        exporter.start()
        monotone.look(exporter.scrape()[1])
    until("Prometheus has seen the last life", lambda: seen_by(prometheus, exporter))
    if not arriving.is_alive():
        raise Failure("objects stopped arriving before the last stop: it shows nothing")
    code = exporter.stop()
    if code != 0:
        raise Failure(f"exit code after SIGTERM is {code}, not 0")
    exporter.start()
    monotone.look(exporter.scrape()[1])


def seen_by(prometheus, exporter):
    """Whether Prometheus has scraped this very life of the exporter."""
    for line in exporter.scrape(TEXT)[1].splitlines():
        if line.startswith("process_start_time_seconds "):
            return prometheus.number("process_start_time_seconds") == float(line.split()[1])
    raise Failure("/metrics has no process_start_time_seconds")


def caught_up(prometheus, scenario):
    """Whether Prometheus' latest scrape has every object that was put."""
    total = prometheus.number('sum(flowcost_objects_total{outcome=~"counted|empty"})') or 0
    if total > scenario.settled():
        raise Failure(f"{total:.0f} objects are counted, only {scenario.settled()} were put")
    return total == scenario.settled()


def differences(name, expected, actual, tolerance=0.0):
    """Series that differ. A series that is not there is zero."""
    for labels in sorted(set(expected) | set(actual), key=str):
        must, has = expected.get(labels, 0), actual.get(labels, 0)
        if abs(must - has) > tolerance:
            yield f"{name}{list(labels)}: must be {must}, is {has}"


def compare(prometheus, expected):
    """Every counter of the ledger against the oracle, series by series."""
    wrong = []
    for name in ("bytes", "packets", "flows", "inter_az_bytes"):
        wrong += differences(name, getattr(expected, name), prometheus.series(f"flowcost_{name}_total", LABELS))
    charged = prometheus.series("flowcost_charged_bytes_total", ("charge", *LABELS))
    wrong += differences("charged_bytes", expected.charged_bytes, charged)
    cost = prometheus.series("flowcost_cost_usd_total", ("charge", *LABELS))
    # Dollars are shown as floating point; in whole nano-dollars they must be the same.
    wrong += differences("cost_nano_usd", expected.nano_usd, {key: round(usd * 1e9) for key, usd in cost.items()})
    of_sources = prometheus.series("flowcost_source_bytes_total", ("source",))
    wrong += differences("source_bytes", expected.source_bytes, of_sources)
    cost = prometheus.series("flowcost_source_cost_usd_total", ("source", "charge"))
    wrong += differences("source_nano_usd", expected.source_nano_usd, {key: round(usd * 1e9) for key, usd in cost.items()})
    doubtful = prometheus.series("flowcost_doubtful_bytes_total", ("kind",))
    wrong += differences("doubtful_bytes", expected.doubtful_bytes, doubtful)
    contradictions = prometheus.series("flowcost_topology_contradictions_total", ("kind",))
    wrong += differences("contradictions", expected.contradictions, contradictions)
    for name in ("records", "objects"):
        must = {(outcome,): count for outcome, count in getattr(expected, name).items()}
        wrong += differences(name, must, prometheus.series(f"flowcost_{name}_total", ("outcome",)))
    total = prometheus.number("sum(flowcost_bytes_total)")
    if total != sum(expected.bytes.values()):
        wrong.append(f"sum(flowcost_bytes_total) is {total}, must be {sum(expected.bytes.values())}")
    if wrong:
        raise Failure("\n  ".join([f"{len(wrong)} sums are wrong", *wrong[:20]]))


def compare_ledger(state, expected):
    """The hours of the state file, read as a user would: with SQL, read-only, beside the running exporter."""
    labels = "source, relation, src_az, dst_az, " + ", ".join(LABELS)
    views = {
        f"hour, {labels}, bytes FROM ledger": expected.hourly,
        f"hour, charge, {labels}, nano_usd FROM ledger_charges": expected.hourly_nano_usd,
        "hour, source, kind, bytes FROM ledger_doubts": expected.hourly_doubts,
        "hour, source, kind, records FROM ledger_contradictions": expected.hourly_contradictions,
    }
    wrong = []
    connection = sqlite3.connect(f"file:{state}?mode=ro", uri=True, timeout=10)
    try:
        for columns, must in views.items():
            rows = connection.execute(f"SELECT {columns}").fetchall()
            wrong += differences(columns.split()[-1], must, {row[:-1]: row[-1] for row in rows})
    finally:
        connection.close()
    if wrong:
        raise Failure("\n  ".join([f"{len(wrong)} hourly sums of the state file are wrong", *wrong[:20]]))


def no_resets(prometheus, lives):
    """No counter was ever seen lower than before, although Prometheus saw several lives."""
    seen = prometheus.number("changes(process_start_time_seconds[1h])")
    if seen is None or seen < 2:
        raise Failure(f"Prometheus saw the process start anew {seen} times of {lives - 1}: the test shows nothing")
    for name in COUNTERS:
        resets = prometheus.number(f"max(resets(flowcost_{name}_total[1h]))")
        if resets != 0:
            raise Failure(f"resets(flowcost_{name}_total) is {resets}, must be 0")


def no_burst(prometheus, backlog_flows):
    """The first sample of the flow families already has the whole first backlog."""
    history = prometheus.query("flowcost_flows_total[1h]")
    samples = [(float(at), float(value)) for _, values in history for at, value in values]
    first = min(at for at, _ in samples)
    total = sum(value for at, value in samples if at == first)
    if total < backlog_flows:
        raise Failure(f"the first scrape with flows had {total} of the {backlog_flows} that were there before the start")


def formats(exporter, promtool):
    """Both formats say what they are, and parsers that are not ours read the same from them."""
    open_type, open_body = exporter.scrape()
    text_type, text_body = exporter.scrape(TEXT)
    for content_type, must in ((open_type, "application/openmetrics-text"), (text_type, "text/plain")):
        version = "1.0.0" if must.startswith("application") else "0.0.4"
        if not content_type.startswith(must) or f"version={version}" not in content_type:
            raise Failure(f"content type is {content_type}, must be {must} of version {version}")

    def ledger(families):
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
            if sample.name.removeprefix("flowcost_").removesuffix("_total") in COUNTERS
        }

    as_open = ledger(openmetrics_parser.text_string_to_metric_families(open_body))
    as_text = ledger(parser.text_string_to_metric_families(text_body))
    if not as_open or as_open != as_text:
        raise Failure("the two formats do not have the same counters")
    # It takes a count of settled hours for a time in another unit than seconds.
    linted = text_body.replace("_projection_hours", "_projection")
    lint = subprocess.run([promtool, "check", "metrics"], input=linted, capture_output=True, text=True, timeout=30)
    if lint.returncode != 0 or lint.stderr.strip():
        raise Failure(f"promtool check metrics: {lint.stdout}{lint.stderr}")


def readme_queries(exporter, prometheus):
    """Each query of README.md is one, and asks for metrics that exist, or that METRICS.md says may be absent."""
    root = Path(__file__).resolve().parents[2]
    readme, metrics = (root / "README.md").read_text(), (root / "METRICS.md").read_text()
    section = readme.split("## Questions and queries")[1].split("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    queries = [query for line in table for query in re.findall(r"`([^`]*flowcost_[^`]*)`", line)]
    if len(queries) < 10:
        raise Failure("the queries of README.md were not found")
    shown = set(re.findall(r"^# TYPE (\w+)", exporter.scrape(TEXT)[1], re.MULTILINE))
    shown |= set(re.findall(r"^\| `(\w+)` \|.*\bAbsent\b", metrics, re.MULTILINE))
    for query in queries:
        prometheus.query(query)
        unknown = set(re.findall(r"flowcost_\w+", query)) - shown
        if unknown:
            raise Failure(f"README.md asks for {unknown}, which /metrics does not have")


def strangers(scenario, at):
    """Things in the prefix that are no flow logs. None may stop or change anything else."""
    folder = traffic.partition(scenario.store.prefix, at)
    scenario.store.put(folder, b"")
    scenario.store.put(folder + "notes.txt", b"left here by a person")
    scenario.expected.objects["ignored"] += 2
    scenario.store.put(traffic.key(scenario.rng, scenario.store.prefix, at), b"not what its name says " * 50)
    scenario.expected.objects["quarantined"] += 1


def play(scenario, exporter_binary, prometheus_binary, promtool, folder, running):
    """The whole scenario. What it starts goes into `running`, to be ended by the caller whatever happens."""
    now = int(time.time())
    overwritten = scenario.put(now - 30 * HOUR, 120)
    for age in (40, 26, 20, 9, 6, 4, 3, 3, 2, 1, 0, 0):
        scenario.put(now - age * HOUR, 120)
    scenario.put(now - 5 * HOUR, 0)
    strangers(scenario, now - 7 * HOUR)
    backlog_flows = sum(scenario.expected.flows.values())
    say(f"{scenario.settled()} objects wait, {backlog_flows} flows count in them")

    config = oracle.config(
        state=folder / "flowcost.db",
        bucket=scenario.store.bucket,
        prefix=scenario.store.prefix,
        endpoint=scenario.store.endpoint,
    )
    exporter = Exporter(exporter_binary, folder, config)
    prometheus = Prometheus(prometheus_binary, folder, exporter.port)
    running += [prometheus.process, exporter]
    monotone = Monotone()
    # Prometheus first: it has to be looking when the backlog is read.
    until("Prometheus scrapes", lambda: prometheus.number("up") is not None)
    exporter.start()
    exporter.wait_ready()
    until("Prometheus has the first backlog", lambda: caught_up(prometheus, scenario))
    compare(prometheus, scenario.expected)
    no_burst(prometheus, backlog_flows)
    say("the first backlog is exact")

    stop, errors = threading.Event(), []
    arriving = threading.Thread(target=arrivals, args=(scenario, stop, errors), daemon=True)
    arriving.start()
    try:
        deaths(exporter, monotone, prometheus, arriving)
    finally:
        stop.set()
        arriving.join()
    if errors:
        raise Failure(f"putting objects failed: {errors[0]!r}")
    until("Prometheus has all that arrived", lambda: caught_up(prometheus, scenario), 60)
    say(f"three kills and one stop while {scenario.settled()} objects arrived")

    late = scenario.put(now - 3 * HOUR - 600, 120)
    scenario.store.put(overwritten, traffic.parquet(scenario.rng, traffic.rows(scenario.rng, now, 30)))
    scenario.expected.objects["mutated"] += 1
    say(f"late: {late.rsplit('/', 1)[1]}")
    until("Prometheus has the late object", lambda: caught_up(prometheus, scenario), 40)
    mutated = 'flowcost_objects_total{outcome="mutated"}'
    until("the overwritten object is noticed", lambda: prometheus.number(mutated) == 1, 40)
    monotone.look(exporter.scrape()[1])
    compare(prometheus, scenario.expected)
    formats(exporter, promtool)
    readme_queries(exporter, prometheus)
    exporter.kill()
    exporter.start()
    until("Prometheus has seen the last life", lambda: seen_by(prometheus, exporter))
    compare(prometheus, scenario.expected)
    compare_ledger(folder / "flowcost.db", scenario.expected)
    no_resets(prometheus, exporter.lives)
    code = exporter.stop()
    if code != 0:
        raise Failure(f"exit code after SIGTERM is {code}, not 0")
    return exporter.lives


def main():
    options = arguments(__doc__)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    for tool in (given.exporter, given.prometheus, given.promtool):
        if shutil.which(tool) is None:
            print(f"e2e: {tool} is missing", file=sys.stderr)
            return 2
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="flowcost-e2e-"))
    scenario, running = Scenario(given.seed), []
    try:
        lives = play(scenario, given.exporter, given.prometheus, given.promtool, folder, running)
    except Failure as failure:
        print(f"e2e: FAILED: {failure}", file=sys.stderr)
        for log in sorted(folder.glob("*.log")):
            print(f"--- end of {log.name}", file=sys.stderr)
            print(*log.read_text(errors="replace").splitlines()[-25:], sep="\n", file=sys.stderr)
        return 1
    finally:
        for process in running:
            child = process if hasattr(process, "child") else process.process
            if child is not None and child.child.poll() is None:
                child.end(signal.SIGKILL)
        scenario.store.stop()
        shutil.rmtree(folder, ignore_errors=True)
    records = sum(scenario.expected.records.values())
    say(
        f"exact: {scenario.settled()} objects, {records} records, {sum(scenario.expected.bytes.values())} bytes, "
        f"{sum(scenario.expected.nano_usd.values()) / 1e9:.6f} USD over {lives} lives of the exporter, "
        f"{time.monotonic() - began:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
