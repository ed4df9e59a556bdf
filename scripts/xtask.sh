#!/usr/bin/env bash
# Runs xtask, built with the features that the whole workspace has, so that no dependency is compiled a second time for it.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal/target}
cargo build --quiet --locked --workspace --bin xtask
exec "$CARGO_TARGET_DIR/debug/xtask" "$@"
