"""Lets all engines answer the same question about the same files in turn, and compares answers, times and memory.

Each answer is a process of its own. The time is that of the query, without starting a process or importing a library;
the memory is the highest resident size of the process. What differs in one sum ends the run.
"""

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import tomllib
from datetime import date
from pathlib import Path

import engines

FILES = 4
NAMES = {
    "gzip": "Parquet, GZIP",
    "snappy": "Parquet, SNAPPY",
    "plain": "Parquet, GZIP, no dictionaries",
    "text": "text, gzip",
}
# What the engine cannot read, or not within a bearable time.
LEFT_OUT = {("datafusion", "text"), ("pandas", "plain"), ("pandas", "snappy")}


def answer(engine, variant, data, setup):
    """The part of a child process: one query."""
    importlib.import_module(engine)
    began = time.perf_counter()
    files = sorted(str(path) for path in data.glob(f"{variant}-*"))
    rows = engines.ENGINES[engine](setup, files, variant == "text")
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "sums": [[str(word) for word in row] for row in rows]}))


def measured(command):
    """What a process printed, and its highest resident size in bytes."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process.stdout:
        text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    return text, usage.ru_maxrss * 1024


def sums_of(rows):
    """Integers by labels; an engine may write an integer as 12.0."""
    return {tuple(row[:4]): tuple(int(float(word)) if "." in word else int(word) for word in row[4:]) for row in rows}


def exporter(flows, variant, data, threads):
    text, memory = measured([flows, "digest", data, variant, str(threads)])
    lines = [line.split("\t") for line in text.splitlines()]
    facts = {line[0]: line[1] for line in lines if len(line) == 2}
    return float(facts["seconds"]), memory, sums_of(line for line in lines if len(line) == 7)


def peer(engine, variant, data, setup):
    text, memory = measured(
        [sys.executable, __file__, "--answer", engine, variant, "--data", data, "--setup", json.dumps(setup)]
    )
    result = json.loads(text)
    return result["seconds"], memory, sums_of(result["sums"])


def spread(values, form):
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{form(middle)} ({form(low)} to {form(high)})"


def compare(variant, arguments, setup):
    names = ["exporter"] + [name for name in engines.ENGINES if (name, variant) not in LEFT_OUT]
    if arguments.engines:
        names = [name for name in names if name == "exporter" or name in arguments.engines.split(",")]
    seconds, memory, expected = {name: [] for name in names}, {name: [] for name in names}, None
    for number in range(arguments.rounds):
        for name in names[number % len(names):] + names[: number % len(names)]:
            if name == "exporter":
                took, peak, sums = exporter(arguments.flows, variant, arguments.data, arguments.threads)
            else:
                took, peak, sums = peer(name, variant, arguments.data, setup)
            expected = expected or sums
            if sums != expected:
                differing = {key for key in sums.keys() | expected.keys() if sums.get(key) != expected.get(key)}
                sys.exit(f"{variant}: {name} has other sums, for example of {sorted(differing)[:3]}")
            seconds[name].append(took)
            memory[name].append(peak)
    best = min(names[1:], key=lambda name: statistics.median(seconds[name]))
    print(f"\n### {NAMES[variant]}\n")
    print("| | million rows a second | peak memory, MiB | exporter is faster by |")
    print("|---|---|---|---|")
    for name in names:
        rates = [arguments.rows / took / 1e6 for took in seconds[name]]
        ratios = [theirs / ours for theirs, ours in zip(seconds[name], seconds["exporter"])]
        ratio = "" if name == "exporter" else spread(ratios, lambda value: f"{value:.2f}")
        label = f"**{name}**" if name in ("exporter", best) else name
        peak = max(memory[name]) / 2**20
        print(f"| {label} | {spread(rates, lambda value: f'{value:.1f}')} | {peak:.0f} | {ratio} |")
    print(f"\nAll sums are equal: {len(expected)} series, {sum(sums[2] for sums in expected.values())} flows.", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--flows", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, default=8_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--variants", default=",".join(NAMES))
    parser.add_argument("--engines", default="", help="only these beside the exporter")
    parser.add_argument("--answer", nargs=2)
    parser.add_argument("--setup", type=json.loads)
    arguments = parser.parse_args()
    if arguments.answer:
        return answer(*arguments.answer, arguments.data, arguments.setup)
    setup = tomllib.loads(subprocess.check_output([arguments.flows, "setup"], text=True))
    setup["threads"] = arguments.threads
    arguments.data = arguments.data / str(arguments.rows)
    processor = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    print(f"{date.today()}, {processor}, {os.cpu_count()} processors, {arguments.threads} threads, {platform.system()}")
    print(f"{arguments.rows} rows in {FILES} files, {arguments.rounds} rounds, engines in turn: median (min to max)")
    for variant in arguments.variants.split(","):
        if len(list(arguments.data.glob(f"{variant}-*"))) < FILES:
            rows = str(arguments.rows // FILES)
            subprocess.check_call([arguments.flows, "generate", arguments.data, variant, str(FILES), rows])
        compare(variant, arguments, setup)


if __name__ == "__main__":
    main()
