#!/usr/bin/env python3
"""What promtool cannot know of the alert rules: names against METRICS.md, the runbook, both cases of each alert in the tests, and
annotations that always find what they ask for. The last of these checks is checked itself, with the mistakes below.

METRICS.md is the catalogue: a test of the exporter keeps the two equal.
"""

import copy
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "alerts" / "flowcost.rules.yaml"
RUNBOOK = ROOT / "alerts" / "runbook.md"
TESTS = sorted((ROOT / "alerts" / "tests").glob("*.test.yaml"))
SEVERITIES = {"critical", "warning", "info"}
# What Prometheus itself has, and what it adds to every sample. `pod` comes from the operator.
PROMETHEUS_METRICS = {"up": set()}
TARGET_LABELS = {"job", "instance", "pod"}
WORDS = set(
    "sum min max avg count topk by without on ignoring group_left group_right and or unless offset bool increase rate "
    "last_over_time min_over_time max_over_time resets time vector absent first value query printf".split()
)
# How long an annotation may look for the last value of a gauge, at the least: a restart, or an exporter that was stopped.
BRIDGES = {"15m", "1h", "6h", "1d"}
# (the text of an annotation, words of the complaint about it) for FlowcostInterAzShareHigh
MISTAKES = [
    ('{{ printf "min(flowcost_budget_inter_az_ratio{job=%q})" $labels.job | query | first | value }}', "as it is now"),
    ('{{ printf "time() - flowcost_ready{job=%q}" $labels.job | query | first | value }}', "as it is now"),
    ('{{ printf "sum(last_over_time(flowcost_ready{job=%q}[5m]))" $labels.job | query | first | value }}', "as it is now"),
    ('{{ printf "sum(last_over_time(flowcost_ready{job=%q}[15m]))" $labels.job | query | first | value }}', "may be gone"),
    ('{{ printf "sum(job:flowcost_cost_usd:increase1d{job=%q})" $labels.job | query | first | value }}', "may be gone"),
    ('{{ with printf "flowcost_ready{job=%q}" $labels.job | query }}{{ . | first | value }}{{ end }}', "as it is now"),
    ('{{ query "flowcost_ready" | first | value }}', "as it is now"),
    ("{{ range query `flowcost_ready` }}{{ . | value }}{{ end }}", "no query is found"),
]
DURATION = re.compile(r"\b\d+[smhdwy]\b")


def catalogue():
    """({metric: its labels}, {label: its closed set of values, per metric group}) of METRICS.md."""
    metrics, values = {}, {}
    for line in (ROOT / "METRICS.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = re.fullmatch(r"`(\w+)`", cells[0])
        if name and len(cells) == 6:
            metrics[name[1]] = set(re.findall(r"`(\w+)`", cells[2]))
        elif len(cells) == 2 and (label := re.match(r"`(\w+)", cells[0])) and re.fullmatch(r"(`\w+`(, )?)+", cells[1]):
            values.setdefault(label[1], set()).update(re.findall(r"`(\w+)`", cells[1]))
    assert len(metrics) > 30 and {"charge", "nat_direction", "outcome"} <= set(values), "METRICS.md is not what it was"
    return metrics, values


def uses(expression):
    """({metric: the matchers written behind it}, labels of by, without, on, ignoring and group_left)."""
    text = re.sub(r"\[[^\]]*\]", " ", expression)
    grouped = set()
    for labels in re.findall(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", text):
        grouped |= set(re.findall(r"\w+", labels))
    text = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    metrics = {}
    for name, matchers in re.findall(r"([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?", DURATION.sub(" ", text_without_strings(text))):
        if name not in WORDS:
            metrics.setdefault(name, []).extend(re.findall(r"(\w+)\s*(=~|!~|!=|=)\s*@(\d+)@", matchers))
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    found = {name: [(label, strings[int(at)]) for label, _, at in pairs] for name, pairs in metrics.items()}
    return found, grouped


def text_without_strings(text):
    """Each quoted string by its number, so that nothing inside one is taken for a name."""
    numbers = iter(range(10_000))
    return re.sub(r'"(?:[^"\\]|\\.)*"', lambda _: f"@{next(numbers)}@", text)


def template_queries(annotation):
    """The queries inside an annotation, with what printf fills in left as it is."""
    for printed, plain in re.findall(r'printf "((?:[^"\\]|\\.)*)"[^|}]*\| query|query "((?:[^"\\]|\\.)*)"', annotation):
        yield (printed or plain).replace('\\"', '"').replace("%q", '"x"')


def rules_of(document):
    return [rule for group in document["groups"] for rule in group["rules"]]


def names(rules, problems):
    metrics, values = catalogue()
    known = {name: labels | TARGET_LABELS for name, labels in {**metrics, **PROMETHEUS_METRICS}.items()}
    recorded = {rule["record"] for rule in rules if "record" in rule}
    all_labels = set().union(*metrics.values()) | TARGET_LABELS
    for name in recorded:
        level = name.split(":")[0]
        left = level.replace("flow", "src_zone_dst_zone_port_group_nat_direction")
        labels = {label for label in all_labels if re.search(rf"(^|_){label}(_|$)", left)}
        known[name] = labels | TARGET_LABELS
        if not re.fullmatch(r"job(_[a-z_]+)?:flowcost_[a-z_]+:[a-z0-9_]+", name):
            problems.append(f"{name} is not level:metric:operations")
    for rule in rules:
        title = rule.get("record") or rule["alert"]
        texts = [rule["expr"]]
        texts += [query for text in rule.get("annotations", {}).values() for query in template_queries(text)]
        for text in texts:
            found, grouped = uses(text)
            if not found:
                problems.append(f"{title}: no metric found in {text}")
            problems += [f"{title}: label {label} does not exist" for label in sorted(grouped - all_labels)]
            for metric, matchers in found.items():
                if metric not in known:
                    problems.append(f"{title}: metric {metric} does not exist")
                    continue
                for label, value in matchers:
                    if label not in known[metric]:
                        problems.append(f"{title}: {metric} has no label {label}")
                    elif label in values:
                        wrong = set(value.split("|")) - values[label] - {"x"}
                        problems += [f"{title}: {label} is never {one}" for one in sorted(wrong)]


def shapes(alerts, problems):
    """Severity, the annotations, and a section of the runbook for each alert and for nothing else."""
    for name, alert in alerts.items():
        annotations = alert.get("annotations", {})
        if alert.get("labels", {}).get("severity") not in SEVERITIES:
            problems.append(f"{name}: severity must be one of {sorted(SEVERITIES)}")
        if set(annotations) != {"summary", "description", "runbook_url"}:
            problems.append(f"{name}: has the annotations {sorted(annotations)}")
        if annotations.get("runbook_url") != f"alerts/runbook.md#{name.lower()}":
            problems.append(f"{name}: runbook_url must be alerts/runbook.md#{name.lower()}")
    sections = dict(re.findall(r"^## (Flowcost\w+)\n(.*?)(?=^## |\Z)", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL))
    for name in sorted(set(alerts) ^ set(sections)):
        problems.append(f"{name}: is in only one of {RULES.name} and {RUNBOOK.name}")
    for name, section in sections.items():
        for part in ("**Meaning.**", "**First query.**", "**Remedy.**"):
            if part not in section:
                problems.append(f"runbook, {name}: {part} is missing")
        severity = alerts.get(name, {}).get("labels", {}).get("severity")
        if f"Severity: {severity}." not in section:
            problems.append(f"runbook, {name}: does not say \"Severity: {severity}.\"")


def annotation_queries(alerts, problems):
    """No template asks for what may be gone while its alert fires: it would show an error instead of a number."""
    for name, alert in alerts.items():
        asked = {metric for metric in uses(alert["expr"])[0]}
        for text in alert["annotations"].values():
            queries = list(template_queries(text))
            if len(re.findall(r"\bquery\b", text)) != len(queries):
                problems.append(f"{name}: a query, but no query is found in the form of the others: {text}")
            for query in queries:
                bridged = re.sub(r"\w+_over_time\(\w+(\{[^}]*\})?\[(\w+)\]\)", lambda found: "" if found[2] in BRIDGES else found[0], query)
                bare = [metric for metric in uses(bridged)[0] if ":" not in metric]
                problems += [f"{name}: an annotation asks for {metric} as it is now: {query}" for metric in bare]
                if not query.endswith(" or vector(0)"):
                    gone = set(uses(query)[0]) - asked
                    problems += [f"{name}: {metric} may be gone while the alert fires: {query}" for metric in sorted(gone)]


def unnoticed_mistakes(alerts):
    """The mistakes in annotations that no complaint speaks of."""
    for text, words in MISTAKES:
        wrong, found = copy.deepcopy({"FlowcostInterAzShareHigh": alerts["FlowcostInterAzShareHigh"]}), []
        wrong["FlowcostInterAzShareHigh"]["annotations"]["summary"] = text
        annotation_queries(wrong, found)
        if not any(words in problem for problem in found):
            yield f"a mistake was not found: {text}; the complaints are {found}"


def runbook_queries(rules, problems):
    """Queries of the runbook ask for what exists."""
    blocks = re.findall(r"```promql\n(.*?)```", RUNBOOK.read_text(), re.DOTALL)
    pseudo = [{"record": "job:flowcost_x:runbook", "expr": block} for block in blocks]
    found = []
    names([rule for rule in rules if "record" in rule] + pseudo, found)
    problems += [problem.replace("job:flowcost_x:runbook", "runbook") for problem in found]


def readme(rules, problems):
    """README.md names every alert, and no rule that does not exist."""
    found = set(re.findall(r"`(job\w*:flowcost_\w+:\w+)`", (ROOT / "README.md").read_text()))
    if len(found) < 10:
        problems.append("the recording rules of README.md were not found")
    found |= set(re.findall(r"`(Flowcost\w+)`", (ROOT / "README.md").read_text()))
    alerts = {rule["alert"] for rule in rules if "alert" in rule}
    there = {rule.get("record") for rule in rules} | alerts
    problems += [f"README.md names {name}, which does not exist" for name in sorted(found - there)]
    problems += [f"README.md does not name {name}" for name in sorted(alerts - found)]


def both_cases(alerts, problems):
    """Each alert is seen firing, with a number in its summary, and is seen not firing."""
    fires, silent = set(), set()
    for path in TESTS:
        for group in yaml.safe_load(path.read_text())["tests"]:
            for case in group.get("alert_rule_test", []):
                (fires if case["exp_alerts"] else silent).add(case["alertname"])
                for alert in case["exp_alerts"]:
                    if not re.search(r"\d", alert["exp_annotations"]["summary"]):
                        problems.append(f"{path.name}: the summary of {case['alertname']} has no number")
    problems += [f"{name}: no test in which it fires" for name in sorted(set(alerts) - fires)]
    problems += [f"{name}: no test in which it does not fire" for name in sorted(set(alerts) - silent)]
    problems += [f"{name}: is tested and does not exist" for name in sorted((fires | silent) - set(alerts))]


def main():
    rules, problems = rules_of(yaml.safe_load(RULES.read_text())), []
    alerts = {rule["alert"]: rule for rule in rules if "alert" in rule}
    names(rules, problems)
    shapes(alerts, problems)
    annotation_queries(alerts, problems)
    problems += unnoticed_mistakes(alerts)
    runbook_queries(rules, problems)
    readme(rules, problems)
    both_cases(alerts, problems)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(rules) - len(alerts)} recording rules, {len(alerts)} alerts, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
