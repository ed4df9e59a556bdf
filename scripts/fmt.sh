#!/usr/bin/env bash
# Formats every workspace of the repository; with --check, fails where something would change.
set -euo pipefail
cd "$(dirname "$0")/.."
for manifest in Cargo.toml e2e/guests/Cargo.toml e2e/fuzz/Cargo.toml examples/*/Cargo.toml images/*/Cargo.toml; do
    [ -e "$manifest" ] || continue
    cargo fmt --all --manifest-path "$manifest" "$@"
done
