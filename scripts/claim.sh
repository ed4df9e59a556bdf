#!/usr/bin/env bash
# Makes the shared build folders this checkout's. Cargo knows a crate of a workspace by its path inside it and by the age of
# its files, so in a folder that two clones share it takes the one's crates for the other's. Where the last to build was
# another checkout, ours are built anew; what comes from a registry stays. Not for two clones that build at the same time:
# give one of them a CARGO_TARGET_DIR and a SHOAL_DEV_CACHE of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}
shopt -s nullglob

for folder in "${CARGO_TARGET_DIR:-$cache/target}" "$cache"/{guests,examples,fuzz-target}; do
    mkdir -p "$folder"
    [ "$(cat "$folder/.checkout" 2>/dev/null)" != "$PWD" ] || continue
    # Names of programs are among these too; nothing is kept under them. The lint's fixtures are never built.
    names=$(find . -name Cargo.toml -not -path '*/target/*' -not -path './xtask/tests/*' \
        -exec sed -n 's/^name = "\(.*\)"$/\1/p' {} +)
    for name in $names; do
        # A name, a dash and a hash of 16 digits: `shoal` is not `shoal-api`.
        rm -rf "$folder"/{*/,*/*/}.fingerprint/"$name"-????????????????
    done
    printf '%s\n' "$PWD" >"$folder/.checkout"
done
