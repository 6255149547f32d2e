"""The real parts of the end-to-end test: an S3 server, the exporter, Prometheus. All on loopback, all ended here."""

import argparse
import http.client
import json
import logging
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
TEXT = "text/plain;version=0.0.4"


class Failure(Exception):
    """The exporter did not do what it must."""


def until(what, condition, seconds=30.0):
    """Asks until the condition holds, and gives what it returned. The pause only spares the processor."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(port, path, accept="*/*", timeout=5.0):
    """(status, content type, body), or None while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Accept": accept})
        response = connection.getresponse()
        return response.status, response.headers.get("Content-Type", ""), response.read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Store:
    """moto's S3 server in threads of this process, and a bucket in it."""

    def __init__(self, bucket, prefix):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.bucket, self.prefix = bucket, prefix
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        _, port = self.server.get_host_and_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )
        self.client.create_bucket(Bucket=bucket)

    def put(self, key, body):
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def stop(self):
        self.server.stop()


class Process:
    """A child that writes to a log file and is ended by its own process id."""

    def __init__(self, name, arguments, log, env=None):
        self.name, self.log = name, log
        with open(log, "ab") as sink:
            self.child = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=env, cwd=Path(log).parent
            )

    def alive(self):
        code = self.child.poll()
        if code is not None:
            raise Failure(f"{self.name} ended by itself with code {code}")
        return True

    def end(self, how=signal.SIGTERM, seconds=15.0):
        """Sends a signal and gives the exit code; a child that ignores it is killed and told on."""
        if self.child.poll() is None:
            self.child.send_signal(how)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise Failure(f"{self.name} still ran {seconds:.0f} s after {how.name}") from None


class Exporter:
    """The exporter under test, over all its lives. Every life has the same state, configuration and address."""

    def __init__(self, binary, folder, config):
        self.binary, self.folder = str(Path(binary).resolve()), Path(folder)
        self.port = free_port()
        self.config = self.folder / "flowcost.toml"
        self.config.write_text(config)
        self.log = self.folder / "exporter.log"
        self.process = None
        self.lives = 0

    def start(self):
        env = {"PATH": os.defpath, "HOME": str(self.folder), **CREDENTIALS}
        address = f"127.0.0.1:{self.port}"
        arguments = [self.binary, "serve", "--config.file", str(self.config), "--web.listen-address", address]
        self.process = Process("the exporter", arguments, self.log, env)
        self.lives += 1

    def scrape(self, accept=OPENMETRICS):
        """(content type, body), once it serves. It has to be up or coming up."""

        def answer():
            found = self.process.alive() and fetch(self.port, "/metrics", accept)
            return found if found and found[0] == 200 else None

        _, content_type, body = until("an answer of /metrics", answer)
        return content_type, body

    def wait_ready(self):
        def ready():
            found = self.process.alive() and fetch(self.port, "/-/ready")
            return found and found[0] == 200

        until("/-/ready is 200", ready)

    def kill(self):
        self.process.end(signal.SIGKILL)

    def stop(self):
        return self.process.end(signal.SIGTERM)


class Prometheus:
    """A Prometheus that scrapes one address every second. `more` is added to its configuration."""

    def __init__(self, binary, folder, target_port, more="", flags=()):
        self.port = free_port()
        folder = Path(folder)
        config = folder / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            "scrape_configs:\n"
            f"  - {{job_name: flowcost, static_configs: [{{targets: ['127.0.0.1:{target_port}']}}]}}\n" + more
        )
        self.process = Process(
            "Prometheus",
            [
                binary,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=warn",
                *flags,
            ],
            folder / "prometheus.log",
        )
        until("Prometheus is ready", self._ready)

    def _ready(self):
        found = self.process.alive() and fetch(self.port, "/-/ready")
        return found and found[0] == 200

    def at(self, expression, moment):
        """The result of an instant query at a moment in unix seconds."""
        return self.query(expression, {"time": moment})

    def query(self, expression, more=None):
        """The result of an instant query: a list of (labels, value) pairs, value as text, or pairs for a range."""
        found = fetch(self.port, "/api/v1/query?" + urlencode({"query": expression, **(more or {})}))
        if found is None:
            raise Failure("Prometheus does not answer")
        answer = json.loads(found[2])
        if answer["status"] != "success":
            raise Failure(f"Prometheus refuses {expression}: {answer.get('error')}")
        kind = "values" if answer["data"]["resultType"] == "matrix" else "value"
        return [(series["metric"], series[kind]) for series in answer["data"]["result"]]

    def number(self, expression):
        """The one value of a query, or None when there is no series."""
        result = self.query(expression)
        return float(result[0][1][1]) if result else None

    def series(self, name, labels):
        """{label values: value} of a family. Exact: values are printed so that they read back the same."""
        return {tuple(found[label] for label in labels): float(value[1]) for found, value in self.query(name)}


def arguments(doc):
    """The options that every script has; more may be added."""
    found = argparse.ArgumentParser(description=doc.splitlines()[0])
    found.add_argument("--exporter", default="target/release/flowcost-exporter")
    found.add_argument("--prometheus", default=shutil.which("prometheus") or "prometheus")
    promtool = os.environ.get("FLOWCOST_PROMTOOL") or shutil.which("promtool") or "promtool"
    found.add_argument("--promtool", default=promtool)
    return found


def start_demo(binary, folder, days):
    """The demo with a past of so many days, in a folder below, ready; and its port."""
    port = free_port()
    command = [binary, "demo", "--dir", str(folder / "demo"), "--history", f"{days}d"]
    command += ["--web.listen-address", f"127.0.0.1:{port}"]
    env = {"PATH": os.defpath, "HOME": str(folder)}
    demo = Process("the demo", command, folder / "demo.log", env)

    def ready():
        found = demo.alive() and fetch(port, "/-/ready")
        return found and found[0] == 200

    until("the demo is ready", ready, 180.0)
    return demo, port


def ledger(state, query, values=()):
    """The rows of a query to the state file, which is only read."""
    connection = sqlite3.connect(f"file:{state}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()
