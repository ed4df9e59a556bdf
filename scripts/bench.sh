#!/usr/bin/env bash
# scripts/bench.sh host|shim|links|all: builds everything optimised and runs the benches of e2e/bench.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:?which benches: host, shim, links or all}
cache=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
export SHOAL_GUESTS=$cache/guests/components
bench=$CARGO_TARGET_DIR/release/shoal-bench

CARGO_TARGET_DIR=$cache/guests e2e/guests/build.sh

host() {
    e2e/bench/run-host.sh
}

# On a cluster of its own with one node, whose shims are the optimised ones.
shim() {
    scripts/shim.sh --release
    cargo build --release --locked --workspace --bin shoal-bench
    scripts/cluster.sh up --name bench --nodes 1 --shim-dir "$CARGO_TARGET_DIR/release"
    trap 'scripts/cluster.sh down --name bench' EXIT
    eval "$(scripts/cluster.sh env --name bench)"
    mkdir -p "$cache/bench"
    "$bench" shim --out "$cache/bench/shim.json"
}

links() {
    scripts/build.sh --release
    cargo build --release --locked --workspace --bin shoal-bench
    mkdir -p "$cache/bench"
    "$bench" links --folder "$cache/bench" --out "$cache/bench/links.json"
}

case $suite in
host) host ;;
shim) shim ;;
links) links ;;
all) host && shim && links ;;
*)
    echo "bench.sh: no suite $suite; there are host, shim, links and all" >&2
    exit 2
    ;;
esac
