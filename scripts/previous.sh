#!/usr/bin/env bash
# scripts/previous.sh: builds the shim's daemon and worker as they speak the version of the protocol before, into `previous` beside the
# folder of today's (scripts/shim.sh), for tests of upgrades and rollbacks.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal/target}
programs=(--bin shoald --bin shoal-worker)
cargo build --quiet --locked --workspace --features shoal-daemon/previous-protocol,shoal-worker/previous-protocol "${programs[@]}"
mkdir -p "$CARGO_TARGET_DIR/previous"
for program in shoald shoal-worker; do
    install "$CARGO_TARGET_DIR/debug/$program" "$CARGO_TARGET_DIR/previous/$program"
done
# Both have the same place in the folder of today's.
scripts/shim.sh
install "$CARGO_TARGET_DIR/debug/shoal-compile" "$CARGO_TARGET_DIR/previous/shoal-compile"
