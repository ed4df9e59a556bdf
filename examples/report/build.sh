#!/bin/sh
# Builds till.wasm and report.wasm beside the manifest.
set -eu
cd "$(dirname "$0")"
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR

[ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-wasip2" ] || rustup target add wasm32-wasip2
cargo build --quiet --release --locked --target wasm32-wasip2
for name in till report; do
    # Renamed into place: a `shoal up --watch` that runs meanwhile never sees half a file.
    cp "$CARGO_TARGET_DIR/wasm32-wasip2/release/$name.wasm" "$name.wasm.new"
    mv "$name.wasm.new" "$name.wasm"
done
