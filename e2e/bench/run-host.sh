#!/usr/bin/env bash
# e2e/bench/run-host.sh [OPTIONS]: builds everything optimised, installs the peer where it is missing, and runs `make bench-host`.
# OPTIONS go to the bench: see `shoal-bench host --help`.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
export SHOAL_GUESTS=${SHOAL_GUESTS:-$cache/guests/components}

# The peer is of the version that Shoal itself is built on.
version=$(sed -n 's/^wasmtime = .*"=\([0-9.]*\)".*/\1/p' Cargo.toml)
export SHOAL_BENCH_WASMTIME=${SHOAL_BENCH_WASMTIME:-$cache/peers/bin/wasmtime}
if [ "$("$SHOAL_BENCH_WASMTIME" --version 2>/dev/null | cut -d' ' -f2)" != "$version" ]; then
    echo "bench: installing wasmtime $version as a peer, which takes some minutes"
    cargo install wasmtime-cli --version "$version" --locked --root "$cache/peers"
fi
command -v wrk >/dev/null || {
    echo "bench: wrk is missing; Debian has it as a package: apt-get install wrk" >&2
    exit 1
}

scripts/build.sh --release
cargo build --release --locked --workspace --bin shoal-bench
[ -f "$SHOAL_GUESTS/http_hello.wasm" ] || CARGO_TARGET_DIR=$cache/guests e2e/guests/build.sh

# What is compiled for it is kept between runs; results go beside what was built.
export SHOAL_BENCH_DIR=${SHOAL_BENCH_DIR:-$cache/bench}
mkdir -p "$CARGO_TARGET_DIR/bench"
exec "$CARGO_TARGET_DIR/release/shoal-bench" host --out "$CARGO_TARGET_DIR/bench/host.json" "$@"
