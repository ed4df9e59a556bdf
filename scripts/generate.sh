#!/usr/bin/env bash
# Writes the files that are generated from the code; with --check, fails where one differs.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal/target}
scripts/xtask.sh crds "$@"
scripts/xtask.sh manifest-docs "$@"
# After crds: the chart has a copy of them.
scripts/xtask.sh chart "$@"

# The command describes itself; xtask would have to link all of it.
cargo build --quiet --locked --workspace --bin shoal
new=$(mktemp)
trap 'rm -f "$new"' EXIT
"$CARGO_TARGET_DIR/debug/shoal" docs >"$new"
if [ "${1:-}" != --check ]; then
    cat "$new" >docs/cli.md
elif ! diff -u docs/cli.md "$new"; then
    echo "docs/cli.md is not what cli/ says: run \`make generate\` and commit what changed" >&2
    exit 1
fi
