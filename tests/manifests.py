#!/usr/bin/env python3
"""config/kubernetes: the schemas of Kubernetes, what the manifests say of each other, and that the rules are those of alerts/.

Kubernetes' own kinds go through the schemas that `kubernetes-validate` brings along, strictly and for several versions. The two kinds
of the Prometheus operator and the kustomization are not among them: they are held against the fields written down below,
which refuse whatever is not named; the rules inside are the text that promtool has checked.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "config" / "kubernetes"
VERSIONS = ("1.28", "1.32", "1.37")
NAME = "flowcost-exporter"
LABELS = {"app.kubernetes.io/name": NAME}


def fields(required=(), **properties):
    """An object with these fields and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required) or list(properties),
    }


TEXT = {"type": "string", "minLength": 1}
DURATION = {"type": "string", "pattern": "^(([0-9]+)(ms|[smhdwy]))+$"}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
METADATA = fields(name={"const": NAME}, labels=TEXTS)
RULE = {
    **fields(
        required=["expr"],
        record=TEXT,
        alert=TEXT,
        expr=TEXT,
        **{"for": DURATION},
        keep_firing_for=DURATION,
        labels=TEXTS,
        annotations=TEXTS,
    ),
    "oneOf": [{"required": ["record"]}, {"required": ["alert"]}],
}
# monitoring.coreos.com/v1, https://prometheus-operator.dev/docs/api-reference/api/
OPERATOR = {
    "PrometheusRule": fields(
        apiVersion={"const": "monitoring.coreos.com/v1"},
        kind=TEXT,
        metadata=METADATA,
        spec=fields(
            groups={"type": "array", "items": fields(name=TEXT, interval=DURATION, rules={"type": "array", "items": RULE})}
        ),
    ),
    "ServiceMonitor": fields(
        apiVersion={"const": "monitoring.coreos.com/v1"},
        kind=TEXT,
        metadata=METADATA,
        spec=fields(
            jobLabel=TEXT,
            selector=fields(matchLabels=TEXTS),
            endpoints={
                "type": "array",
                "items": fields(
                    port=TEXT,
                    path=TEXT,
                    interval=DURATION,
                    scrapeTimeout=DURATION,
                    relabelings={
                        "type": "array",
                        "items": fields(sourceLabels={"type": "array", "items": TEXT}, targetLabel=TEXT),
                    },
                ),
            },
        ),
    ),
    "Kustomization": fields(
        apiVersion={"const": "kustomize.config.k8s.io/v1beta1"},
        kind=TEXT,
        namespace=TEXT,
        resources={"type": "array", "items": TEXT},
        images={"type": "array", "items": fields(name=TEXT, newName=TEXT, newTag=TEXT)},
    ),
}


class Problems(list):
    def must(self, condition, text):
        if not condition:
            self.append(text)


def schemas(files, problems):
    for name, document in files.items():
        if document["kind"] in OPERATOR:
            validator = jsonschema.Draft202012Validator(OPERATOR[document["kind"]])
            problems += [f"{name}: {error.json_path}: {error.message}" for error in validator.iter_errors(document)]
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                problems.append(f"{name}, Kubernetes {version}: {error}")


def one_app(kinds, problems):
    """What one manifest says must be what the others count on."""
    stateful, service, monitor = kinds["StatefulSet"], kinds["Service"], kinds["ServiceMonitor"]
    pod = stateful["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    must = problems.must
    for kind, document in kinds.items():
        if kind != "Kustomization":
            must(document["metadata"]["name"] == NAME, f"{kind} is not called {NAME}")
            must(document["metadata"]["labels"] == LABELS, f"{kind} has other labels")
    for what, labels in {
        "pod": pod["metadata"]["labels"],
        "StatefulSet's selector": stateful["spec"]["selector"]["matchLabels"],
        "Service's selector": service["spec"]["selector"],
        "NetworkPolicy's selector": kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        "ServiceMonitor's selector": monitor["spec"]["selector"]["matchLabels"],
    }.items():
        must(labels == LABELS, f"the {what} has other labels")
    must(stateful["spec"]["serviceName"] == NAME, "serviceName is not the Service")
    must(pod["spec"]["serviceAccountName"] == NAME, "serviceAccountName is not the ServiceAccount")
    role = kinds["ServiceAccount"]["metadata"].get("annotations", {}).get("eks.amazonaws.com/role-arn", "")
    must(role.startswith("arn:aws:iam::"), "the ServiceAccount names no role")

    (port,) = container["ports"]
    must(port["containerPort"] == 9843, "the exporter's default port is 9843")
    must(service["spec"]["ports"] == [{"name": "http", "port": 9843, "targetPort": port["name"]}], "the Service's port")
    must(monitor["spec"]["endpoints"][0]["port"] == "http", "the ServiceMonitor's port")
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    must(container["image"] == f"{NAME}:{version}", f"the image's tag is not {version}")
    (image,) = kinds["Kustomization"]["images"]
    must((image["name"], image["newTag"]) == (NAME, version), f"the image of the kustomization is not {NAME}, {version}")

    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    config = tomllib.loads(kinds["ConfigMap"]["data"]["flowcost.toml"])
    state = config["state"]["path"]
    must(str(Path(state).parent) == mounts["state"]["mountPath"], "the state is not on its volume")
    must(mounts["config"]["mountPath"] + "/flowcost.toml" in container["args"], "args and the configuration's mount differ")
    must(pod["spec"]["volumes"] == [{"name": "config", "configMap": {"name": NAME}}], "the configuration's volume")
    claims = [claim["metadata"]["name"] for claim in stateful["spec"]["volumeClaimTemplates"]]
    must(set(claims) | {"config"} == set(mounts), "a mount without a volume")


def least_power(kinds, problems):
    """One writer, no rights, and nobody who kills it while it opens its state or reads a long backlog."""
    stateful = kinds["StatefulSet"]["spec"]
    spec, must = stateful["template"]["spec"], problems.must
    (container,) = spec["containers"]
    must(stateful["replicas"] == 1, "more than one replica")
    must(spec["automountServiceAccountToken"] is False, "a token of the API server is mounted")
    wanted = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
    wanted["seccompProfile"] = {"type": "RuntimeDefault"}
    for key, value in wanted.items():
        must(spec["securityContext"].get(key) == value, f"{key} of the pod is not {value}")
    must(
        container["securityContext"]
        == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        "the container may do more than it needs",
    )
    writable = [mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    must(writable == ["state"], f"{writable} can be written, only the state should be")
    must("USER 65532:65532" in (ROOT / "Dockerfile").read_text(), "the image has another user")
    probes = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    # A readiness probe takes a pod out of service and kills nothing; a liveness probe on /-/ready would kill a first scan.
    must(
        probes == {"startupProbe": "/-/healthy", "livenessProbe": "/-/healthy", "readinessProbe": "/-/ready"},
        f"the probes ask {probes}",
    )
    startup = container["startupProbe"]
    must(startup["periodSeconds"] * startup["failureThreshold"] >= 1800, "less than half an hour to open the state")
    must(spec["terminationGracePeriodSeconds"] >= 30, "less than 30 s to stop")


def everything_applied(files, problems):
    listed = set(files["kustomization.yaml"]["resources"])
    problems.must(listed == set(files) - {"kustomization.yaml"}, f"the kustomization lists {sorted(listed)}")


def same_rules(problems):
    made = subprocess.run([ROOT / "scripts/prometheus-rule.sh"], check=True, capture_output=True, text=True).stdout
    shipped = (FOLDER / "prometheusrule.yaml").read_text()
    again = "run scripts/prometheus-rule.sh > config/kubernetes/prometheusrule.yaml"
    problems.must(made == shipped, f"prometheusrule.yaml is not what the script makes: {again}")
    rules = yaml.safe_load((ROOT / "alerts/flowcost.rules.yaml").read_text())
    problems.must(yaml.safe_load(shipped)["spec"] == rules, f"prometheusrule.yaml has other rules: {again}")


def valid_configuration(kinds, exporter, problems):
    """The exporter itself reads what is in the ConfigMap."""
    with tempfile.TemporaryDirectory(prefix="flowcost-manifests-") as folder:
        path = Path(folder) / "flowcost.toml"
        path.write_text(kinds["ConfigMap"]["data"]["flowcost.toml"])
        env = {"PATH": os.defpath, "FLOWCOST__STATE__PATH": f"{folder}/flowcost.db"}
        command = [exporter, "check", "--config.file", path]
        found = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        problems.must(found.returncode == 0, f"flowcost-exporter check: {found.stdout}{found.stderr}")
        problems.must("warn" not in found.stderr.lower(), f"flowcost-exporter check warns: {found.stderr}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--exporter", default=str(ROOT / "target/release/flowcost-exporter"))
    given = arguments.parse_args()
    files = {path.name: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml"))}
    kinds = {document["kind"]: document for document in files.values()}
    problems = Problems()
    schemas(files, problems)
    same_rules(problems)
    # What has the wrong shape need not be read any further.
    if not problems:
        one_app(kinds, problems)
        least_power(kinds, problems)
        everything_applied(files, problems)
        valid_configuration(kinds, given.exporter, problems)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(files)} manifests, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
