#!/usr/bin/env bash
# Builds `shoal` and `shoal-compile` into one folder: the first starts the second from beside itself. Two invocations,
# because in one Cargo would unite their features, and `shoal` would link the compiler. Arguments go to both.
set -euo pipefail
cd "$(dirname "$0")/.."
# --workspace: with the features that `cargo test --workspace` builds with, so that no dependency is compiled twice.
cargo build --locked --workspace --bin shoal "$@"
# With the whole workspace, so that what both have in common is built once.
cargo build --locked --workspace --features shoal-compile/cranelift --bin shoal-compile "$@"
