"""The dashboards as their checks see them: panels, queries, and what Grafana would put in for the variables.

`problems` is what can be said of a dashboard without a server. Names come from METRICS.md, which a test holds equal to the
catalogue, and from the recording rules; nothing here knows a metric.
"""

import json
import re
from pathlib import Path

import promql_parser as promql
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "grafana" / "dashboards"
RULES = ROOT / "alerts" / "flowcost.rules.yaml"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
TARGET_LABELS = {"job", "instance"}
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
# Grafana 11.0 writes this version; what is older would be migrated on import.
OLDEST_SCHEMA = 39
REFERENCE = re.compile(r"\$(\w+)|\$\{(\w+)(?::([^}]+))?\}")


class Catalogue:
    """Every name that a query may use: {metric: its labels}, and {label: its values} where they are few and fixed."""

    def __init__(self, metrics_md, rules):
        self.labels, self.values, self.made_of_rules = {}, {}, set()
        for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", metrics_md, re.MULTILINE):
            own = set(re.findall(r"`(\w+)`", labels))
            for suffix in SUFFIXES.get(kind, ()):
                more = {"le"} if suffix == "_bucket" else set()
                self.labels[name + suffix] = own | more | TARGET_LABELS
        section = metrics_md.split("## Label values")[1]
        for label, values in re.findall(r"^\| `(\w+)[^`]*` \| ((?:`\w+`(?:, )?)+) \|$", section, re.MULTILINE):
            self.values.setdefault(label, set()).update(re.findall(r"`(\w+)`", values))
        flow = self.labels["flowcost_bytes_total"] - TARGET_LABELS
        for group in yaml.safe_load(rules)["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    self.labels[rule["record"]] = level(rule["record"].split(":")[0], flow)
                    if ":" in re.sub(r"\[[^]]*\]", "", rule["expr"]):
                        self.made_of_rules.add(rule["record"])

    @classmethod
    def read(cls):
        return cls((ROOT / "METRICS.md").read_text(), RULES.read_text())


def level(text, flow):
    """The labels that a level names, such as job_charge_flow."""
    names = {"flow": flow} | {name: {name} for name in ("job", "instance", "charge", "kind", "source", *flow)}
    left, labels = text, set()
    while left:
        word = next((name for name in names if re.match(rf"{name}(_|\Z)", left)), None)
        if word is None:
            raise ValueError(f"the level {text} of a recording rule names an unknown label at {left}")
        labels |= names[word]
        left = left[len(word) + 1 :]
    return labels


def read_all():
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(board):
    """Everything that is drawn; rows are not, what is inside them is."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", [])
        else:
            yield panel


def queries(board):
    """(panel, target) of every query."""
    return [(panel, target) for panel in panels(board) for target in panel.get("targets", [])]


def legend_labels(target):
    return re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", ""))


def variables(board):
    return board["templating"]["list"]


def fill(text, board, values=None, *, start, end):
    """The text as Grafana sends it for a time range in Unix seconds. `values` are the chosen ones of some variables."""
    known = {
        "__interval": f"{max(300, (end - start) // 1000)}s",
        "__range": f"{end - start}s",
        "__range_s": end - start,
        "__from": start,
        "__to": end,
    }
    for variable in variables(board):
        if variable["type"] == "interval":
            # The choice "auto": a part of the range, never below the least. Grafana rounds it, and writes it in one unit.
            least = {"30m": 30, "1h": 60}[variable["auto_min"]]
            known[variable["name"]] = f"{max(least, (end - start) // variable['auto_count'] // 60)}m"
        elif variable["type"] in ("textbox", "custom"):
            known[variable["name"]] = variable["current"]["value"]
        elif variable["type"] == "query":
            known[variable["name"]] = variable["allValue"]
    known.update(values or {})

    def put(match):
        name, form = match[1] or match[2], match[3]
        if match[1] and name.isdigit():
            return match[0]
        value = known[name]
        if form not in (None, "date:seconds"):
            raise KeyError(f"{name}:{form}")
        return str(value)

    return REFERENCE.sub(put, text)


def problems(name, board, catalogue):
    """What is wrong with a dashboard, as far as the file itself tells."""
    found = list(identity(name, board))
    found += placement(board)
    for panel in panels(board):
        complaints = (*panel_problems(panel), *named_fields(panel, catalogue))
        found += [f"panel {panel.get('id')} {panel.get('title')!r}: {why}" for why in complaints]
    found += variable_problems(board)
    now = 1_700_000_000
    texts = [(f"panel {panel['id']} {panel['title']!r}, query {target.get('refId')}", target["expr"]) for panel, target in queries(board)]
    texts += [(f"variable {one['name']}", variable_query(one)) for one in variables(board) if one["type"] == "query"]
    for where, text in texts:
        try:
            filled = fill(text, board, start=now - 3600, end=now)
        except KeyError as error:
            found.append(f"{where}: unknown variable {error.args[0]}")
            continue
        found += [f"{where}: {why}" for why in query_problems(filled, catalogue)]
    return found


def identity(name, board):
    if board.get("uid") != name.removesuffix(".json"):
        yield f"uid is {board.get('uid')!r}, must be the name of the file"
    if board.get("id") is not None:
        yield "id must be null: it belongs to one server"
    for key in ("title", "description", "tags", "refresh", "schemaVersion"):
        if not board.get(key):
            yield f"{key} is missing"
    if board.get("schemaVersion", 0) < OLDEST_SCHEMA:
        yield f"schemaVersion is {board.get('schemaVersion')}, at least {OLDEST_SCHEMA} is that of Grafana 11"
    if board.get("timezone") != "utc":
        yield "timezone must be utc: days and months of the ledger are"
    if set(board.get("time", {})) != {"from", "to"}:
        yield "time is missing"


def placement(board):
    """Ids and places. A row that is not collapsed stands beside its panels, so all of them share one grid."""
    seen, placed = set(), []
    for panel in [row for row in board["panels"] if row["type"] == "row"] + list(panels(board)):
        title = f"panel {panel.get('id')} {panel.get('title')!r}"
        if not isinstance(panel.get("id"), int) or panel["id"] in seen:
            yield f"{title}: the id is missing, or another panel's too"
        seen.add(panel.get("id"))
        x, y, w, h = (panel.get("gridPos", {}).get(key, -1) for key in "xywh")
        if x < 0 or y < 0 or w < 1 or h < 1 or x + w > 24:
            yield f"{title}: gridPos is not inside the 24 columns"
        for other, (left, top, wide, high) in placed:
            if x < left + wide and left < x + w and y < top + high and top < y + h:
                yield f"{title}: lies over {other}"
        placed.append((title, (x, y, w, h)))


def panel_problems(panel):
    for key in ("title", "description"):
        if not panel.get(key, "").strip():
            yield f"{key} is missing"
    if panel["type"] == "text":
        return
    if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        yield "unit is missing"
    if not panel.get("targets"):
        yield "no query"
    defaults = panel["fieldConfig"]["defaults"]
    if panel["type"] != "barchart" and not defaults.get("noValue", "-").strip("-"):
        yield "noValue must say why nothing is shown"
    if panel["type"] in ("stat", "gauge", "bargauge") and defaults["thresholds"]["steps"][0]["color"] == "green":
        yield "the first colour is green, and so would be what is missing"
    if panel["type"] == "timeseries" and defaults["custom"].get("spanNulls") is not False:
        yield "draws lines over gaps"
    refs = [target.get("refId") for target in panel.get("targets", [])]
    if len(set(refs)) != len(refs) or None in refs:
        yield "a refId is missing or used twice"
    for owner in (panel, *panel.get("targets", [])):
        if owner.get("datasource") != SOURCE:
            yield f"the data source is {owner.get('datasource')}, must be the variable"


def named_fields(panel, catalogue):
    """Fields that a panel names one by one: all charges or none, and never AWS without its regions."""
    overrides = panel.get("fieldConfig", {}).get("overrides", [])
    named = {one["matcher"]["options"] for one in overrides if one["matcher"]["id"] == "byName"}
    charges = catalogue.values["charge"]
    if named & charges:
        yield from (f"names charges, but not {charge}" for charge in sorted(charges - named))
    if "aws" in named:
        yield "names the zone aws, but not aws:REGION"


def variable_query(variable):
    """The selector inside label_values(selector, label)."""
    query = variable["query"]["query"]
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    if not match:
        raise ValueError(f"variable {variable['name']} is not asked with label_values: {query}")
    return f"count by ({match[2]}) ({match[1]})"


def variable_problems(board):
    names = [one["name"] for one in variables(board)]
    if names.count("datasource") != 1 or next(one for one in variables(board) if one["name"] == "datasource")["type"] != "datasource":
        yield "there must be one variable datasource, of type datasource"
    if len(set(names)) != len(names):
        yield "two variables have one name"
    for one in variables(board):
        rest = json.dumps([board["panels"], [other for other in variables(board) if other is not one]])
        used = {match[1] or match[2] for match in REFERENCE.finditer(rest)}
        if one["name"] not in used:
            yield f"variable {one['name']} is never used"
        if one["type"] == "query" and one.get("datasource") != SOURCE:
            yield f"variable {one['name']}: the data source must be the variable"
        if one["type"] == "query" and one["query"]["query"] != one["definition"]:
            yield f"variable {one['name']}: query and definition differ"
    for used in {match[1] or match[2] for match in REFERENCE.finditer(json.dumps(board["panels"]))}:
        if not (used in names or used.startswith("__") or used.isdigit()):
            yield f"unknown variable {used}"


def query_problems(text, catalogue):
    """A query that does not parse, or names and values that nothing has."""
    try:
        tree = promql.parse(text)
    except ValueError as error:
        return [f"does not parse: {error}: {text}"]
    found, metrics, made, grouped = [], set(), set(), set()

    def visit(node):
        if isinstance(node, promql.VectorSelector):
            metrics.add(node.name)
            found.extend(selector_problems(node, catalogue))
        elif isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            grouped.update(node.modifier.labels)
        elif isinstance(node, promql.Call) and node.func.name == "label_replace":
            made.add(node.args[1].val)
            grouped.add(node.args[3].val)
        elif isinstance(node, promql.BinaryExpr) and node.modifier is not None and node.modifier.matching is not None:
            grouped.update(node.modifier.matching.labels)
        return True

    promql.walk(tree, pre_visit=visit)
    known = made.union(*(catalogue.labels.get(metric, set()) for metric in metrics))
    found += [f"no metric of it has the label {label}: {text}" for label in sorted(grouped - known)]
    return found


def selector_problems(selector, catalogue):
    labels = catalogue.labels.get(selector.name)
    if labels is None:
        return [f"{selector.name} is neither in METRICS.md nor recorded"]
    found = []
    if selector.name in catalogue.made_of_rules:
        found.append(f"{selector.name} is made from other rules: promtool would need a second pass to work it out for the past")
    for matcher in selector.matchers.matchers:
        if matcher.name not in labels:
            found.append(f"{selector.name} has no label {matcher.name}")
        if matcher.name.endswith("_zone") and re.fullmatch(matcher.value, "aws") and not re.fullmatch(matcher.value, "aws:eu-west-1"):
            found.append(f"{matcher.name} of {selector.name} leaves out aws:REGION")
        # A plain value, or plain ones with | between them.
        for value in matcher.value.split("|") if re.fullmatch(r"[\w|]+", matcher.value) else ():
            if value not in catalogue.values.get(matcher.name, {value}):
                found.append(f"{matcher.name} of {selector.name} is never {value}")
    return found
