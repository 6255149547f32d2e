#!/usr/bin/env bash
# Builds the binary of the container image on this machine: static, for musl. Checks that it is, and prints where it lies.
# Needs Rust by rustup; installs the musl target, and Debian's musl-tools when it is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

machine=$(uname -m)
target="$machine-unknown-linux-musl"
binary="${CARGO_TARGET_DIR:-target}/$target/release/flowcost-exporter"

if ! command -v musl-gcc >/dev/null; then
    root=()
    if [ "$(id -u)" -ne 0 ]; then root=(sudo -n); fi
    if ! command -v apt-get >/dev/null || ! "${root[@]}" true 2>/dev/null; then
        echo "build-static: musl-gcc is missing and cannot be installed from here (Debian: musl-tools)" >&2
        exit 1
    fi
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends musl-tools >/dev/null
fi
if ! rustup target list --installed | grep -qx "$target"; then
    rustup target add "$target"
fi

# The C code of ring, zstd and SQLite has to be compiled against musl as well.
export "CC_${target//-/_}=musl-gcc"
# What --version and flowcost_build_info say.
FLOWCOST_REVISION=${FLOWCOST_REVISION:-$(git rev-parse --short=12 HEAD 2>/dev/null || true)}
export FLOWCOST_REVISION
cargo build --locked --release --target "$target" --bin flowcost-exporter

# A program without an interpreter and without needed libraries loads nothing. ldd says the same in words that differ.
# First into variables: a pipe would hide that readelf failed.
headers=$(readelf --wide --program-headers "$binary")
dynamic=$(readelf --wide --dynamic "$binary")
if grep -q INTERP <<<"$headers" || grep -q NEEDED <<<"$dynamic"; then
    echo "build-static: $binary is not static:" >&2
    ldd "$binary" >&2
    exit 1
fi
# And it runs with an empty environment.
env -i "$binary" --version
echo "$binary: static, $(du -h "$binary" | cut -f1)"
