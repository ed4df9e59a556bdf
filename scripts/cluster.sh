#!/usr/bin/env bash
# scripts/cluster.sh up|down|env|build [OPTION...]: builds shoal-cluster, and what it starts, and runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal/target}
program=$CARGO_TARGET_DIR/debug/shoal-cluster

case ${1:-} in
# What runs already needs no newer program to be described or ended.
env | down) [ -x "$program" ] || cargo build --quiet --locked --workspace --bin shoal-cluster ;;
# The shims are run from beside it.
*)
    cargo build --quiet --locked --workspace --bin shoal-cluster
    scripts/shim.sh
    ;;
esac
exec "$program" "$@"
