#!/usr/bin/env bash
# Writes the files that are generated from the code; with --check, fails where one differs.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo run --quiet --locked -p xtask -- crds "$@"
