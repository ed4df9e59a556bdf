#!/usr/bin/env bash
# Builds `shoal` and `shoal-compile` into one folder: the first starts the second from beside itself. Two invocations,
# because in one Cargo would unite their features, and `shoal` would link the compiler. Arguments go to both.
set -euo pipefail
cd "$(dirname "$0")/.."
# In the dev profile all programs, with the features that `cargo test --workspace` builds with, so that nothing is built twice.
if [ $# -eq 0 ]; then cargo build --locked --workspace --bins; else cargo build --locked -p shoal "$@"; fi
cargo build --locked -p shoal-compile --features cranelift --bin shoal-compile "$@"
