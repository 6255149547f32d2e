#!/usr/bin/env python3
"""scripts/load-history.sh end to end: a running Prometheus that scrapes as the operator's does gets the demo's past.

The script asks that Prometheus for the labels and for the first scrape. Then, of every series, `increase()` over whole days is
what the ledger has, history and scrapes are the same series without a reset, and the recording rules are there, those made
of other rules as well. Run again it changes nothing. A second Prometheus gets its blocks the way a pod does, through a
stand-in for kubectl that runs the commands here; another range replaces the blocks of the one before.
"""

import datetime
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import history
from parts import Failure, Prometheus, arguments, ledger, start_demo, until

ROOT = Path(__file__).resolve().parents[2]
DAY, HOUR = 86_400, 3_600
RETENTION = ["--storage.tsdb.retention.time=10y"]
LABELS = {"namespace": "flowcost", "service": "flowcost-exporter", "pod": "flowcost-exporter-0", "container": "exporter", "endpoint": "http"}
KUBECTL = """#!/bin/sh
# kubectl exec -i -n NAMESPACE POD -c CONTAINER -- COMMAND...
[ "$1 $2 $3 $4 $5 $6 $7 $8" = "exec -i -n monitoring prometheus-k8s-0 -c prometheus --" ] || exit 64
shift 8
exec "$@"
"""


def say(text):
    print(f"load-history: {text}", flush=True)


def scrape_as_the_operator(port):
    """A second job, whose labels an operator would add."""
    labels = ", ".join(f"{name}: {value}" for name, value in LABELS.items())
    target = f"{{targets: ['127.0.0.1:{port}'], labels: {{{labels}, instance: flowcost-exporter-0}}}}"
    return f"  - {{job_name: operator, static_configs: [{target}]}}\n"


class Script:
    """The script, with the programs that it needs in its path."""

    def __init__(self, given, folder):
        programs = folder / "bin"
        programs.mkdir()
        for name, path in (("flowcost-exporter", given.exporter), ("prometheus", given.prometheus), ("promtool", given.promtool)):
            (programs / name).symlink_to(shutil.which(path))
        (programs / "kubectl").write_text(KUBECTL)
        (programs / "kubectl").chmod(0o755)
        self.env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}

    def run(self, *arguments, code=0):
        command = [str(ROOT / "scripts" / "load-history.sh"), *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != code:
            raise Failure(f"load-history.sh ended with {done.returncode}, not {code}: {done.stderr}")
        return done.stderr


def loaded(data):
    """The blocks that a load has put there, by its own list."""
    names = (data / "flowcost-history").read_text().splitlines()[1:]
    missing = [name for name in names if not (data / name / "meta.json").exists()]
    if missing or not names or (data / "flowcost-history.tmp").exists():
        raise Failure(f"of {names} are missing: {missing}")
    return set(names)


def check_rules(prometheus, state, day):
    """A rule of rules at the end of a day, against SQL. It is worked out every four minutes, so the day is not exactly that."""
    query = "SELECT sum(bytes) FROM ledger WHERE nat_direction = 'none' AND hour >= ? AND hour < ?"
    ((want,),) = ledger(state, query, (day, day + DAY))
    found = prometheus.at('job:flowcost_bytes:increase1d{job="operator"}', day + DAY)
    if len(found) != 1 or abs(float(found[0][1][1]) - want) > 1e-2 * want:
        raise Failure(f"the recorded bytes of a day are {found}, the ledger has {want}")
    if found[0][0].get("namespace") != "flowcost" or "pod" in found[0][0]:
        raise Failure(f"the recorded labels are {found[0][0]}")


def run(given, folder):
    # A day more than is compared: the first is cut.
    demo, port = start_demo(given.exporter, folder, 4)
    others = []
    try:
        script, state = Script(given, folder), folder / "demo" / "flowcost.db"
        config = str(folder / "demo" / "flowcost.toml")
        (folder / "one").mkdir()
        prometheus = Prometheus(given.prometheus, folder / "one", port, scrape_as_the_operator(port), RETENTION)
        others.append(prometheus.process)
        until("both scrapes", lambda: prometheus.number("count(flowcost_build_info)") == 2)
        data = folder / "one" / "tsdb"
        load = ["--config.file", config, "--prometheus", f"http://127.0.0.1:{prometheus.port}"]
        said = script.run(*load, "--into", str(data), code=1)
        if "name one with --job" not in said:
            raise Failure(f"two jobs are not told apart: {said}")
        load += ["--job", "operator", "--into", str(data)]
        say(script.run(*load).strip().replace("\n", "\n  "))
        listed = (data / "flowcost-history").read_text()
        loaded(data)

        # The running Prometheus finds them by itself.
        midnight = int(datetime.datetime.now(datetime.timezone.utc).timestamp() - 3 * HOUR) // DAY * DAY
        past = f'count(flowcost_bytes_total{{job="operator"}} @ {midnight})'
        until("the past is there", lambda: prometheus.number(past), 180.0)
        days = [midnight - 2 * DAY, midnight - DAY]
        sums = sum(history.compare_day(prometheus.at, "Prometheus", state, day) for day in days)
        for family in ("flowcost_bytes_total", "flowcost_cost_usd_total"):
            scraped = prometheus.number(f'count({family}{{job="operator"}})')
            ever = prometheus.number(f'count(last_over_time({family}{{job="operator"}}[10d]))')
            resets = prometheus.number(f'max(resets({family}{{job="operator"}}[10d]))')
            if scraped != ever or resets != 0:
                raise Failure(f"{family}: {scraped} series are scraped, {ever} with the past, {resets} resets")
        check_rules(prometheus, state, midnight - DAY)
        say(f"{sums} sums of a series and a day are exact, with the operator's labels; the rules are there")

        # By now it has merged them.
        said = script.run(*load)
        if "nothing to do" not in said or (data / "flowcost-history").read_text() != listed:
            raise Failure(f"a second load changes something: {said}")

        # Into a pod, with labels by hand, twice: the second range replaces the first.
        two = folder / "two" / "it's" / "tsdb"
        two.mkdir(parents=True)
        given_labels = {"job": "operator", "instance": "flowcost-exporter-0", **LABELS}
        into = ["--export", f"{given.exporter} export-history --config.file {config}", "--pod", "monitoring/prometheus-k8s-0"]
        into += ["--pod.path", str(two)] + [word for name, value in given_labels.items() for word in ("--label", f"{name}={value}")]
        before = None
        for to in (midnight - DAY, midnight):
            stamp = datetime.datetime.fromtimestamp(to, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            script.run(*into, "--to", stamp)
            blocks = loaded(two)
            there = {path.parent.name for path in two.glob("*/meta.json")}
            if there != blocks or before == blocks:
                raise Failure(f"{there} are in the pod, {blocks} were loaded, before were {before}")
            before = blocks
        shutil.copytree(two, folder / "two" / "tsdb")
        other = Prometheus(given.prometheus, folder / "two", port, flags=RETENTION)
        others.append(other.process)
        sums = sum(history.compare_day(other.at, "a pod", state, day) for day in days)
        check_rules(other, state, midnight - DAY)
        said = script.run("--config.file", config, "--into", str(folder / "nowhere"), "--label", "job=x", code=1)
        if "must be the data folder" not in said:
            raise Failure(f"a folder that is missing is made or misnamed: {said}")
        say(f"through kubectl {sums} sums are exact, and another range replaces the one before")
    finally:
        for process in others:
            process.end(signal.SIGKILL)
        code = demo.end()
    if code != 0:
        raise Failure(f"the demo ended with {code}")


def main():
    given = arguments(__doc__).parse_args()
    given.exporter = str(Path(given.exporter).resolve())
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    folder = Path(tempfile.mkdtemp(prefix="flowcost-load-"))
    try:
        run(given, folder)
    except Failure as failure:
        say(f"FAILED: {failure}")
        say(f"logs are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
