#!/usr/bin/env python3
"""Grafana's dashboards, as far as the files tell: form, queries that parse, names that exist. And this check itself: every
mistake below, made in a copy of a real dashboard, has to be found. Whether the queries answer is asked in e2e/dashboards.py.
"""

import copy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "e2e"))

import yaml

import boards


def first_query(board, part):
    """The first query with this text in it."""
    return next(target for _, target in boards.queries(board) if part in target["expr"])


def replaced(part, by):
    def change(board):
        target = first_query(board, part)
        target["expr"] = target["expr"].replace(part, by)

    return change


def on_panel(number, change):
    return lambda board: change(list(boards.panels(board))[number])


def rename_variable(board):
    boards.variables(board)[2]["name"] = "elsewhere"


def without_a_charge(board):
    """Takes one charge out of the first panel that gives each its colour."""
    for panel in boards.panels(board):
        overrides = panel.get("fieldConfig", {}).get("overrides", [])
        named = [one for one in overrides if one["matcher"]["options"] == "vpn_egress"]
        if named:
            return overrides.remove(named[0])
    return None


AWS = {"matcher": {"id": "byName", "options": "aws"}, "properties": []}

# (what is done to a copy of flowcost-overview.json, words that the complaint must have)
MISTAKES = [
    (replaced("flowcost_projected_month_usd", "flowcost_projected_usd"), "neither in METRICS.md nor recorded"),
    (replaced("job_flow:flowcost_bytes:increase1h", "job_flow:flowcost_bytes:increase2h"), "neither in METRICS.md nor recorded"),
    (replaced("job_flow:flowcost_bytes:increase1h", "job_src_zone_dst_zone:flowcost_bytes:increase1h"), "is made from other rules"),
    (replaced("sum by (charge) (", "sum by (charge) (("), "does not parse"),
    (replaced("sum by (charge)", "sum by (charges)"), "no metric of it has the label charges"),
    (replaced("src_zone=~", "source_zone=~"), "has no label source_zone"),
    (replaced('nat_direction="none"', 'nat_direction="no"'), "nat_direction of"),
    (replaced('charge="inter_az"', 'charge="interaz"'), "is never interaz"),
    (replaced('src_zone=~"$src_zone"', 'src_zone=~"aws|internet"'), "leaves out aws:REGION"),
    (on_panel(0, lambda panel: panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0].update(color="green")), "first colour is green"),
    (on_panel(0, lambda panel: panel["fieldConfig"]["defaults"].update(noValue="-")), "must say why nothing is shown"),
    (on_panel(7, lambda panel: panel["fieldConfig"]["defaults"]["custom"].update(spanNulls=900000)), "lines over gaps"),
    (without_a_charge, "names charges, but not vpn_egress"),
    (on_panel(0, lambda panel: panel["fieldConfig"]["overrides"].append(AWS)), "names the zone aws, but not aws:REGION"),
    (replaced("$job", "$jobs"), "unknown variable jobs"),
    (replaced("${__from:date:seconds}", "${__from:date:iso}"), "unknown variable __from:date:iso"),
    (on_panel(0, lambda panel: panel.pop("description")), "description is missing"),
    (on_panel(0, lambda panel: panel.update(description=" ")), "description is missing"),
    (on_panel(0, lambda panel: panel.update(title="")), "title is missing"),
    (on_panel(0, lambda panel: panel["fieldConfig"]["defaults"].pop("unit")), "unit is missing"),
    (on_panel(0, lambda panel: panel.update(targets=[])), "no query"),
    (on_panel(0, lambda panel: panel.update(datasource={"type": "prometheus", "uid": "PBFA97CFB590B2093"})), "must be the variable"),
    (on_panel(0, lambda panel: panel["targets"][0].pop("datasource")), "must be the variable"),
    (on_panel(4, lambda panel: panel["targets"][1].update(refId="A")), "refId"),
    (on_panel(1, lambda panel: panel.update(id=1)), "another panel's too"),
    (on_panel(1, lambda panel: panel["gridPos"].update(x=2)), "lies over"),
    (on_panel(1, lambda panel: panel["gridPos"].update(x=23)), "not inside the 24 columns"),
    (rename_variable, "is never used"),
    (lambda board: board.update(uid="something"), "uid is 'something'"),
    (lambda board: board.update(id=7), "id must be null"),
    (lambda board: board.update(schemaVersion=36), "schemaVersion"),
    (lambda board: board.update(timezone="browser"), "timezone must be utc"),
    (lambda board: board.pop("tags"), "tags is missing"),
    (lambda board: boards.variables(board)[1].update(definition="label_values(up, job)"), "query and definition differ"),
    (lambda board: boards.variables(board)[0].update(type="custom", current={"value": "x"}), "of type datasource"),
]


def unnoticed(board, catalogue):
    """The mistakes that no complaint speaks of."""
    for number, (change, words) in enumerate(MISTAKES):
        wrong = copy.deepcopy(board)
        change(wrong)
        if wrong == board:
            yield f"mistake {number} ({words}) changes nothing: there is no such text any more"
            continue
        complaints = boards.problems("flowcost-overview.json", wrong, catalogue)
        if not any(words in complaint for complaint in complaints):
            yield f"mistake {number} ({words}) was not found; the complaints are {complaints}"


def provisioning():
    """Grafana reads only files of this form, and says nothing of the others."""
    for folder, key in (("datasources", "datasources"), ("dashboards", "providers")):
        files = list((boards.ROOT / "grafana" / "provisioning" / folder).glob("*.yaml"))
        contents = [yaml.safe_load(path.read_text()) for path in files]
        if not contents or any(one.get("apiVersion") != 1 or not one.get(key) for one in contents):
            yield f"grafana/provisioning/{folder} needs files with apiVersion 1 and {key}"


def main():
    catalogue, found = boards.Catalogue.read(), boards.read_all()
    wrong = [f"{name}: {why}" for name, board in found.items() for why in boards.problems(name, board, catalogue)]
    wrong += provisioning()
    wanted = {"flowcost-overview.json", "flowcost-nat.json", "flowcost-exporter.json"}
    wrong += [f"{name} is missing" for name in sorted(wanted - set(found))]
    if not wrong:
        wrong = list(unnoticed(found["flowcost-overview.json"], catalogue))
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    if not wrong:
        count = sum(len(boards.queries(board)) for board in found.values())
        print(f"{len(found)} dashboards with {count} queries, {len(MISTAKES)} mistakes of {len(MISTAKES)} found in copies")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
