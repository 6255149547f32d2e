#!/usr/bin/env bash
# Loads the exporter's history into a Prometheus: exports it, makes blocks of it, works the recording rules out over it, and
# puts the blocks where Prometheus finds them. Run it again as you like: what is there already stays, what has changed is
# replaced. docs/history.md has the steps in words, and those for the Prometheus operator.
#
#   scripts/load-history.sh --config.file flowcost.toml --prometheus http://localhost:9090 --into /var/lib/prometheus
#   scripts/load-history.sh --help    (or -h)
#
# Needs flowcost-exporter, promtool and prometheus; with --pod also kubectl.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: load-history.sh [what to export] [which labels] where to

what to export
  --config.file FILE     of the exporter
  --export COMMAND       what exports instead, such as "kubectl exec -n flowcost flowcost-exporter-0 --
                         /flowcost-exporter export-history --config.file /etc/flowcost/flowcost.toml"
  --from TIME, --to TIME, --step 5m|1h    as export-history has them

which labels: those that the scrape adds, or history and scrapes are not the same series
  --prometheus URL       asks this Prometheus which it adds, and ends the history an hour before its first scrape
  --job NAME             where it scrapes several exporters: the one to take
  --label NAME=VALUE     without a Prometheus to ask; may be given several times

where to
  --into DIR             the data folder of Prometheus (--storage.tsdb.path) on this machine
  --pod NAMESPACE/POD    a pod of the Prometheus operator, by kubectl
  --container NAME       in that pod [prometheus]
  --pod.path DIR         its data folder [/prometheus]

  --rules FILE           recording rules [alerts/flowcost.rules.yaml]; "" for none
  --work DIR             for texts and blocks on their way [a temporary folder]
TEXT
}

say() { echo "load-history: $*" >&2; }
fail() {
    say "$*"
    exit 1
}
wrong() {
    say "$*; --help says how"
    exit 2
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
config="" export_command="" prometheus="" job="" into="" pod="" container=prometheus pod_path=/prometheus work=""
rules="$here/alerts/flowcost.rules.yaml" to=""
more=() labels=()
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help)
            usage
            exit 0
            ;;
        --config.file | --export | --prometheus | --job | --into | --pod | --container | --pod.path | --rules | --work | \
            --from | --to | --step | --label) ;;
        *) wrong "$1 is not an option" ;;
    esac
    [ $# -ge 2 ] || wrong "$1 needs a value"
    case "$1" in
        --config.file) config=$2 ;;
        --export) export_command=$2 ;;
        --prometheus) prometheus=$2 ;;
        --job) job=$2 ;;
        --into) into=$2 ;;
        --pod) pod=$2 ;;
        --container) container=$2 ;;
        --pod.path) pod_path=$2 ;;
        --rules) rules=$2 ;;
        --work) work=$2 ;;
        --to) to=$2 ;;
        --from | --step) more+=("$1" "$2") ;;
        --label) labels+=(--label "$2") ;;
    esac
    shift 2
done
[ -n "$config$export_command" ] || wrong "--config.file or --export is missing"
[ -n "$into$pod" ] || wrong "--into or --pod is missing"
[ -z "$into" ] || [ -z "$pod" ] || wrong "--into and --pod are two places"
[ -n "$prometheus" ] || [ ${#labels[@]} -gt 0 ] || wrong "--prometheus or --label is missing"
tools=(promtool prometheus)
[ -n "$export_command" ] || tools+=(flowcost-exporter)
[ -z "$pod" ] || tools+=(kubectl)
for tool in "${tools[@]}"; do
    command -v "$tool" >/dev/null || fail "$tool is not in the PATH"
done

# Runs a POSIX shell where the blocks go; its stdin is passed on.
at_target() {
    if [ -n "$pod" ]; then
        kubectl exec -i -n "${pod%%/*}" "${pod#*/}" -c "$container" -- sh -c "$1"
    else
        sh -c "$1"
    fi
}
target=${into:-$pod_path}
quoted=$(printf "'%s'" "${target//\'/\'\\\'\'}")
at_target "test -d $quoted" </dev/null || fail "there is no folder $target: it must be the data folder of a Prometheus"

scratch=${work:-$(mktemp -d)}
mkdir -p "$scratch"
server=""
clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -n "$work" ] || rm -rf "$scratch"
}
trap clean_up EXIT

# The labels that a scrape adds, and the last hour before the first one.
if [ -n "$prometheus" ]; then
    series="flowcost_build_info${job:+{job=\"$job\"\}}"
    found=$(promtool query instant "$prometheus" "$series") || fail "$prometheus does not answer"
    case $(grep -c . <<<"$found") in
        1) ;;
        0) fail "$prometheus has no $series: let it scrape the exporter once, or give --label" ;;
        *) fail "$prometheus scrapes several exporters, name one with --job: $found" ;;
    esac
    while read -r label; do
        case "$label" in
            "" | version=* | revision=*) ;;
            *) labels+=(--label "$(sed 's/="\(.*\)"$/=\1/' <<<"$label")") ;;
        esac
    done < <(sed 's/^[^{]*{//; s/} => .*$//; s/", /"\n/g' <<<"$found")
    if [ -z "$to" ]; then
        first=$(promtool query instant "$prometheus" "min(min_over_time(timestamp($series)[400d:1m]) or timestamp($series))")
        first=$(sed 's/^.*=> \([0-9.e+]*\) @.*$/\1/' <<<"$first")
        # Up to the minute: that is what it will answer ever after, so that the same history is exported again.
        first=$((($(printf '%.0f' "$first") + 59) / 60 * 60))
        to=$(date -u -d "@$((first / 3600 * 3600 - 3600))" +%Y-%m-%dT%H:%M:%SZ)
        say "scraped since $(date -u -d "@$first" +%Y-%m-%dT%H:%M:%SZ): the history ends at $to"
    fi
fi
[ -z "$to" ] || more+=(--to "$to")

text="$scratch/history.om"
say "1/4 exporting with ${labels[*]}"
# A command of several words.
# shellcheck disable=SC2206
command=($export_command)
[ ${#command[@]} -gt 0 ] || command=(flowcost-exporter export-history --config.file "$config")
"${command[@]}" "${more[@]}" "${labels[@]}" >"$text" || fail "the export failed"
[ "$(tail -c 6 "$text")" = "# EOF" ] || fail "the export was cut short: it does not end in # EOF"
samples=$(grep -vc '^#' "$text" || true)
[ "$samples" -gt 0 ] || fail "no settled hour in this range, so there is nothing to load"

# What this load is made of. The same again has nothing to do.
print=$({ cat "$text"; [ -z "$rules" ] || cat "$rules"; } | sha256sum | cut -d' ' -f1)
manifest=$(at_target "cat $quoted/flowcost-history 2>/dev/null || true" </dev/null)
before=$(sed 1d <<<"$manifest")
# Prometheus merges blocks into larger ones, which name them. It removes those that its retention has left behind, and those whose
# series were all deleted.
states=$(at_target "cd $quoted; for block in $(echo $before); do
    if [ -d \"\$block\" ]; then echo there; elif grep -qs \"\$block\" ./*/meta.json; then echo merged; else echo gone; fi
done" </dev/null)
if [ "$(head -n 1 <<<"$manifest")" = "$print" ]; then
    grep -qE 'there|merged' <<<"$states" || fail "this history was loaded before and is not there any more: its series were deleted, \
or it is older than --storage.tsdb.retention.time allows. To load it again, remove $target/flowcost-history, and run this again"
    say "this history is there already, nothing to do"
    exit 0
fi
if grep -q merged <<<"$states"; then
    fail "another history was loaded before, and Prometheus has merged its blocks with others: delete its series \
(POST /api/v1/admin/tsdb/delete_series), remove $target/flowcost-history, and run this again"
fi

new="$scratch/blocks"
rm -rf "$new" && mkdir "$new"
say "2/4 making blocks of $samples samples"
promtool tsdb create-blocks-from openmetrics --max-block-duration=744h -q "$text" "$new" >/dev/null

# The recording rules whose expressions name other rules, or those that do not; alerts are left out.
rules_of() {
    awk -v wanted="$1" '
        function flush() {
            if (rule != "" && keep && (body ~ /job[a-z0-9_]*:/) == (wanted == "second")) {
                if (group != "") printf "%s", group
                group = ""
                printf "%s", rule
            }
            rule = ""
        }
        /^groups:/ { print; next }
        /^  - name:/ { flush(); group = $0 "\n"; next }
        /^    (interval|rules):/ { flush(); group = group $0 "\n"; next }
        /^      - / { flush(); keep = /^      - record:/; rule = $0 "\n"; body = ""; next }
        /^ *#/ || /^$/ { next }
        rule != "" { rule = rule $0 "\n"; body = body $0 "\n" }
        END { flush() }
    ' "$rules"
}

free_port() { shuf -i 20000-32000 -n 1; }

# A Prometheus of our own over the blocks, which nothing scrapes and nobody else asks.
serve() {
    local tries=0
    until [ "$tries" -eq 5 ]; do
        port=$(free_port)
        prometheus --config.file="$scratch/empty.yml" --storage.tsdb.path="$new" --storage.tsdb.retention.time=100y \
            --web.listen-address="127.0.0.1:$port" --log.level=error >"$scratch/prometheus.log" 2>&1 &
        server=$!
        while kill -0 "$server" 2>/dev/null; do
            if promtool query instant "http://127.0.0.1:$port" 'vector(1)' >/dev/null 2>&1; then return; fi
            sleep 0.2
        done
        tries=$((tries + 1))
    done
    fail "a Prometheus for the rules does not start: $(tail -n 3 "$scratch/prometheus.log")"
}

end_server() {
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=""
    rm -rf "$new/wal" "$new/chunks_head" "$new/lock" "$new/queries.active"
}

if [ -n "$rules" ]; then
    : >"$scratch/empty.yml"
    # Times of samples, in seconds, stand last on their lines.
    read -r begin end < <(awk '!/^#/ { at = $NF; if (!n++ || at < low) low = at; if (at > high) high = at }
        END { printf "%d %d\n", low, high }' "$text")
    for pass in first second; do
        rules_of "$pass" >"$scratch/$pass.rules.yaml"
        grep -q record: "$scratch/$pass.rules.yaml" || continue
        say "3/4 working out $(grep -c record: "$scratch/$pass.rules.yaml") recording rules, $pass pass of two"
        serve
        # A longer block has more points than Prometheus gives for one question, at the two minutes of the rules.
        promtool tsdb create-blocks-from rules --max-block-duration=162h -q --url="http://127.0.0.1:$port" \
            --start="$begin" --end="$end" --output-dir="$scratch/$pass" "$scratch/$pass.rules.yaml" >"$scratch/$pass.log" 2>&1 ||
            fail "promtool cannot work the rules out: $(tail -n 3 "$scratch/$pass.log")"
        end_server
        for block in "$scratch/$pass"/*/; do mv "$block" "$new/"; done
        rm -rf "${scratch:?}/$pass"
    done
fi

blocks=$(cd "$new" && echo *)
say "4/4 putting $(wc -w <<<"$blocks") blocks, $(du -sh "$new" | cut -f1), into $target"
# Beside the blocks first, under a name that Prometheus does not look at: it must never see half of one.
tar -C "$new" -cf - . | at_target "set -e; cd $quoted; rm -rf flowcost-history.tmp; mkdir flowcost-history.tmp
    tar -C flowcost-history.tmp -xf -"
# The list before the blocks: whatever ends this, the next run knows what to replace.
at_target "set -e; cd $quoted
    for block in $(echo $before); do rm -rf \"\$block\"; done
    printf '%s\n' $print $blocks >flowcost-history
    if [ \"\$(id -u)\" -eq 0 ]; then owner=\$(stat -c %u:%g .); chown -R \"\$owner\" flowcost-history flowcost-history.tmp; fi
    for block in $blocks; do mv flowcost-history.tmp/\"\$block\" .; done
    rmdir flowcost-history.tmp" </dev/null
say "done: a running Prometheus shows it within two minutes; its --storage.tsdb.retention.time must reach back to the first hour"
