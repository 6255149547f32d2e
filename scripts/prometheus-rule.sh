#!/usr/bin/env bash
# The alert rules as a PrometheusRule of the Prometheus operator, on stdout. In config/kubernetes/prometheusrule.yaml after a change:
#   scripts/prometheus-rule.sh > config/kubernetes/prometheusrule.yaml
# An address in front of the runbook's path, where it is published, can be given:
#   scripts/prometheus-rule.sh https://wiki.example.org/flowcost/
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

base=${1:-}
cat <<'HEAD'
# Made from alerts/flowcost.rules.yaml by scripts/prometheus-rule.sh: change that file, then run the script.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: flowcost-exporter
  labels:
    app.kubernetes.io/name: flowcost-exporter
spec:
HEAD
# Indented by two and from the groups on: the text stays the same, comments and line breaks as well.
sed -e '1,/^groups:/ { /^groups:/!d }' -e "s|runbook_url: alerts/|runbook_url: ${base}alerts/|" -e 's/^\(.\)/  \1/' alerts/flowcost.rules.yaml
