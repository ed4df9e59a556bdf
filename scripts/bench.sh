#!/usr/bin/env bash
# scripts/bench.sh host|all: builds everything optimised and runs the benches of e2e/bench.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:?which benches: host or all}
cache=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
export SHOAL_GUESTS=$cache/guests/components

scripts/setup.sh bench
scripts/build.sh --release
CARGO_TARGET_DIR=$cache/guests e2e/guests/build.sh
cargo run --release --locked -p shoal-bench -- "$suite"
