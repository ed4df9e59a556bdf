#!/bin/sh
# Cargo's rustc wrapper for fuzzing: `rustc.sh RUSTC ARGUMENTS`. What reads bytes from outside is compiled with the coverage
# that libFuzzer steers by, which LLVM has on the stable toolchain too; the rest (the code generator, TLS, Kubernetes' types)
# goes without and builds and runs several times faster.
rustc=$1
shift

case " $* " in
# Build scripts and procedural macros are compiled without --target, and can't be linked with coverage.
*" --target "*) ;;
*) exec "$rustc" "$@" ;;
esac
case " $* " in
*" --crate-name shoal_"* | *" --crate-name manifest "* | *" --crate-name artifact_layer "* | *" --crate-name compile_input "* | \
    *" --crate-name serde_"* | *" --crate-name saphyr_"* | *" --crate-name granit_"* | *" --crate-name tar "* | *" --crate-name flate2 "* | \
    *" --crate-name miniz_oxide "* | *" --crate-name oci_"* | *" --crate-name wasmparser "* | *" --crate-name wit_"* | \
    *" --crate-name wasmtime_environ "*) ;;
*) exec "$rustc" "$@" ;;
esac
exec "$rustc" "$@" \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
