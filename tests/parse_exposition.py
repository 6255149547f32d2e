"""Parses an exposition with the parsers of prometheus_client and prints what they understood.

usage: python parse_exposition.py text|openmetrics < exposition

One line for each family ("# name type") and for each sample ("name<TAB>label=hex,...<TAB>value"). Label values are
printed as hexadecimal UTF-8, so that no value can break a line.
"""

import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

PARSERS = {
    "text": parser.text_string_to_metric_families,
    "openmetrics": openmetrics_parser.text_string_to_metric_families,
}


def main() -> None:
    exposition = sys.stdin.buffer.read().decode("utf-8")
    for family in PARSERS[sys.argv[1]](exposition):
        print(f"# {family.name} {family.type}")
        for sample in family.samples:
            labels = ",".join(f"{name}={value.encode().hex()}" for name, value in sorted(sample.labels.items()))
            print(f"{sample.name}\t{labels}\t{float(sample.value)!r}")


main()
