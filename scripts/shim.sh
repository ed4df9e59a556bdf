#!/usr/bin/env bash
# scripts/shim.sh [--release]: builds the shim's programs into one folder: the launcher finds the daemon beside itself, the daemon
# the worker and the compiler. Optimised, the launcher is static, since containerd starts it for every pod.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal/target}
programs=(--bin shoald --bin shoal-worker --bin containerd-shim-null-v1)
if [ "${1:-}" != --release ]; then
    cargo build --quiet --locked --workspace "${programs[@]}" --bin containerd-shim-shoal-v1
    exec scripts/build.sh --quiet
fi
target=$(uname -m)-unknown-linux-musl
rustup target add "$target" >/dev/null 2>&1 || { echo "shim.sh: the Rust target $target is missing: rustup adds it" >&2 && exit 1; }
# Not the whole workspace: the programs that run guests are not to have the features that the operator asks of its crates.
cargo build --locked --release -p shoal-daemon -p shoal-worker -p shoal-null-shim "${programs[@]}"
scripts/build.sh --release
cargo build --locked --profile launcher --target "$target" -p shoal-launcher
install "$CARGO_TARGET_DIR/$target/launcher/containerd-shim-shoal-v1" "$CARGO_TARGET_DIR/release/"
