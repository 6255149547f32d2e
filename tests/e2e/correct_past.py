#!/usr/bin/env python3
"""docs/correcting-the-past.md end to end, with a real Prometheus and a real VictoriaMetrics.

A zone has the wrong name, and both databases have scraped it for days: what they have is the history as it was then, later by
a quarter of an hour, because logs are delivered late. Then the name is corrected, the hours are recounted, the series are deleted
and the corrected history is loaded, as the page says. Of every series, `increase()` over the recounted days is what the
ledger has, what was scraped since is what the ledger has since, and no counter falls where the two meet.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from history import DAY, Victoria, blocks, compare_day, labels_of
from parts import Exporter, Failure, Prometheus, arguments, ledger, start_demo, until

HOUR = 3_600
# How long after its hour a record is delivered and read here, and how much the page leaves for that.
DELIVERY, GAP = 900, 2 * HOUR
FAMILIES = ("flowcost_bytes_total", "flowcost_packets_total", "flowcost_flows_total", "flowcost_inter_az_bytes_total",
            "flowcost_charged_bytes_total", "flowcost_cost_usd_total")
DELETED = '{__name__=~"flowcost_(bytes|packets|flows|inter_az_bytes|charged_bytes|cost_usd)_total"}'
RIGHT, WRONG = "us-east-1c", "us-east-1x"


def say(text):
    print(f"correct-past: {text}", flush=True)


def stamp(moment):
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def post(port, path, parameters):
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", path, urlencode(parameters), {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    if answer.status not in (200, 204):
        raise Failure(f"{path} answers {answer.status}: {answer.read().decode()}")
    connection.close()


def command(exporter, *words):
    """What a command beside the exporter writes."""
    line = [exporter.binary, *words, "--config.file", str(exporter.config)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise Failure(f"{words} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def export(exporter, path, *words):
    labels = ["--label", "job=flowcost", "--label", f"instance=127.0.0.1:{exporter.port}"]
    path.write_text(command(exporter, "export-history", *words, *labels))
    return path


def as_scraped(text, path):
    """The history as it came into a database that scraped it: each sample as much later as logs are delivered."""
    with open(path, "w", encoding="utf-8") as later:
        for line in text.read_text().splitlines():
            if not line.startswith("#"):
                sample, at = line.rsplit(" ", 1)
                line = f"{sample} {float(at) + DELIVERY:.0f}"
            later.write(line + "\n")
    return path


def values(ask, family, moment):
    names = labels_of(family)
    return {tuple(metric[name] for name in names): float(value[1]) for metric, value in ask(family, moment)}


def check_seam(ask, what, state, seam, now, live):
    """What each live series has grown by since the seam, against SQL, and that none of all fell. Label sets that the recount was the
    first to have end with it, and begin at 0 when they have traffic: that is a start, and counts as one."""
    series = 0
    for family in FAMILIES:
        charged = "charge" in labels_of(family)
        column = "nano_usd" if "_cost_usd_" in family else family.removeprefix("flowcost_").removesuffix("_total").replace("charged_", "")
        names = ", ".join(labels_of(family))
        view = "ledger_charges" if charged else "ledger"
        rows = ledger(state, f"SELECT {names}, sum({column}) FROM {view} WHERE hour >= ? GROUP BY {names}", (seam,))
        since = {row[:-1]: row[-1] for row in rows}
        scale = 1e9 if column == "nano_usd" else 1
        before, after = values(ask, family, seam), values(ask, family, now)
        shown = {labels for name, labels in live if name == family}
        if not shown or not shown <= set(after):
            raise Failure(f"{what}: {family} is scraped as {len(shown)} series, {len(after)} are there")
        for labels in shown:
            begun = RIGHT in labels and after[labels] < before.get(labels, 0.0)
            found = round((after[labels] - (0.0 if begun else before.get(labels, 0.0))) * scale)
            if found != since.get(labels, 0):
                raise Failure(f"{what}: {family}{labels} grew by {found} over the seam, the ledger has {since.get(labels, 0)}")
        fallen = [
            metric
            for metric, value in ask(f"resets({family}[10d]) > 0", now)
            if float(value[1]) > 1 or RIGHT not in (metric["src_zone"], metric["dst_zone"])
        ]
        if fallen:
            raise Failure(f"{what}: {len(fallen)} series of {family} fall, such as {fallen[0]}")
        series += len(shown)
    return series


def check(ask, what, state, seam, now, live):
    sums = sum(compare_day(ask, what, state, day) for day in (seam - 2 * DAY, seam - DAY))
    wrong = ask(f'sum(increase(flowcost_bytes_total{{src_zone="{WRONG}"}}[2d])) > 0', seam)
    right = ask(f'sum(increase(flowcost_bytes_total{{src_zone="{RIGHT}"}}[2d])) > 0', seam)
    if wrong or not right:
        raise Failure(f"{what}: {WRONG} has {wrong}, {RIGHT} has {right} in the corrected days")
    series = check_seam(ask, what, state, seam, now, live)
    say(f"{what}: {sums} sums of a series and a day are exact, {series} series go on over the seam, none falls")


def run(given, folder):
    demo, _ = start_demo(given.exporter, folder, 4)
    running = []
    try:
        (folder / "serve").mkdir()
        right = (folder / "demo" / "flowcost.toml").read_text().replace("demo/flowcost.db", "serve/flowcost.db")
        exporter = Exporter(given.exporter, folder / "serve", right.replace(f'"{RIGHT}"', f'"{WRONG}"'))
        state = folder / "serve" / "flowcost.db"
        exporter.start()
        running.append(exporter.process)
        exporter.wait_ready()

        # Days of scrapes under the wrong name, and then the real ones.
        scraped = as_scraped(export(exporter, folder / "wrong.om"), folder / "scraped.om")
        (folder / "prometheus").mkdir()
        data = folder / "prometheus" / "tsdb"
        blocks(given.promtool, scraped, data)
        flags = ["--storage.tsdb.retention.time=10y", "--web.enable-admin-api"]
        prometheus = Prometheus(given.prometheus, folder / "prometheus", exporter.port, flags=flags)
        running.append(prometheus.process)
        victoria = Victoria(given.victoria, folder, exporter.port)
        running.append(victoria.process)
        victoria.load(scraped)
        wrong = f'count(flowcost_bytes_total{{src_zone="{WRONG}"}})'
        until("the wrong name is scraped", lambda: prometheus.number(wrong))
        until("VictoriaMetrics scrapes too", lambda: victoria.at("up", time.time()))

        # 1: the configuration is corrected, and new traffic comes under the right name.
        exporter.config.write_text(right)
        exporter.process.child.send_signal(signal.SIGHUP)
        until("the exporter has the right name", lambda: "new traffic gets the new labels" in exporter.log.read_text())
        until("the right name is scraped", lambda: prometheus.number(wrong.replace(WRONG, RIGHT)), 60.0)
        # 2 and 4: two days are recounted, up to four hours ago.
        seam = int(time.time()) // HOUR * HOUR - 4 * HOUR
        range_ = ["--from", stamp(seam - 2 * DAY), "--to", stamp(seam)]
        dry = command(exporter, "recount", *range_, "--dry-run")
        if f"would recount {range_[1]} to {range_[3]}: 48 hours" not in dry or "nothing was changed" not in dry:
            raise Failure(f"the dry run says {dry}")
        done = command(exporter, "recount", *range_)
        if not done.startswith(f"recounted {range_[1]} to {range_[3]}: 48 hours\n") or RIGHT not in done:
            raise Failure(f"the recount says {done}")

        # Prometheus: deleted up to two hours later, loaded up to the seam.
        post(prometheus.port, "/api/v1/admin/tsdb/delete_series", {"match[]": DELETED, "end": seam + GAP})
        post(prometheus.port, "/api/v1/admin/tsdb/clean_tombstones", {})
        blocks(given.promtool, export(exporter, folder / "right.om", "--to", stamp(seam)), folder / "blocks")
        prometheus.process.end()
        running.remove(prometheus.process)
        for block in (folder / "blocks").iterdir():
            block.rename(data / block.name)
        # Started anew it finds them at once, and not within two minutes.
        prometheus = Prometheus(given.prometheus, folder / "prometheus", exporter.port, flags=flags)
        running.append(prometheus.process)
        # VictoriaMetrics knows no range: all goes, and all settled hours come.
        post(victoria.port, "/api/v1/admin/tsdb/delete_series", {"match[]": DELETED})
        victoria.load(export(exporter, folder / "all.om"))

        # Nothing more arrives, and both have scraped what there is.
        if demo.end() != 0:
            raise Failure("the demo failed")
        counted = "SELECT sum(bytes) FROM ledger"

        def at_rest():
            # Ledger and scrapes of one moment after the last commit agree three polls long.
            ((before,),) = ledger(state, counted)
            time.sleep(3)
            return ((before,),) == tuple(ledger(state, counted))

        until("the last objects are counted", at_rest, 60.0)
        _, body = exporter.scrape()
        shown = sum(float(line.split(" ")[1]) for line in body.splitlines() if line.startswith("flowcost_bytes_total{"))
        until("Prometheus has scraped it", lambda: prometheus.number("sum(flowcost_bytes_total)") == shown)
        scraped = {family: prometheus.series(family, labels_of(family)) for family in FAMILIES}
        live = {(family, labels) for family, series in scraped.items() for labels in series}

        def same():
            # It looks further back, and has series besides that are not scraped any more.
            there = {family: values(victoria.at, family, time.time()) for family in FAMILIES}
            return all(series.items() <= there[family].items() for family, series in scraped.items())

        until("VictoriaMetrics has scraped it", same)
        now = time.time()
        check(prometheus.at, "Prometheus", state, seam, now, live)
        check(victoria.at, "VictoriaMetrics", state, seam, now, live)
    finally:
        for process in running:
            process.end(signal.SIGKILL)
        demo.end(signal.SIGKILL)


def main():
    wanted = arguments(__doc__)
    wanted.add_argument("--victoria", default=shutil.which("victoria-metrics") or "victoria-metrics")
    given = wanted.parse_args()
    given.exporter = str(Path(given.exporter).resolve())
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    folder = Path(tempfile.mkdtemp(prefix="flowcost-correct-"))
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
