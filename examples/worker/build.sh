#!/bin/sh
# Builds worker.wasm beside the manifest.
set -eu
cd "$(dirname "$0")"
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR

[ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-wasip2" ] || rustup target add wasm32-wasip2
cargo build --quiet --release --locked --target wasm32-wasip2
# Renamed into place: a `shoal up --watch` that runs meanwhile never sees half a file.
cp "$CARGO_TARGET_DIR/wasm32-wasip2/release/worker.wasm" worker.wasm.new
mv worker.wasm.new worker.wasm
