#!/bin/sh
# Builds every guest and collects them as <suite>_<case>.wasm in $CARGO_TARGET_DIR/components (by default
# ~/.cache/shoal/guests/components). Prints one line for each that changed, nothing where all were up to date.
set -eu
cd "$(dirname "$0")"
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/shoal/guests}
export CARGO_TARGET_DIR
components=$CARGO_TARGET_DIR/components
mkdir -p "$components"

for target in wasm32-wasip1 wasm32-wasip2; do
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || rustup target add "$target"
done

# check NAME: refuses one that belongs to no suite, since no test would ever pick it up.
check() {
    case $1 in
    http_?* | http3_?* | service_?* | command_?* | command3_?* | module_?* | hostile_?* | link_?*) ;;
    *)
        echo "e2e/guests: $1 is not named <suite>_<case>; the suites are http, http3, service, command, command3," \
            "module, hostile and link" >&2
        exit 1
        ;;
    esac
}

# collect FILE: copies it where it differs from what is there. Renamed into place, so that a test that runs meanwhile
# never reads half a file.
collect() {
    name=$(basename "$1")
    cmp -s "$1" "$components/$name" && return
    cp "$1" "$components/.$name.new"
    mv "$components/.$name.new" "$components/$name"
    printf '%-44s %8d bytes\n' "$name" "$(wc -c <"$components/$name")"
}

for source in */examples/*.rs wat/*.wat; do
    name=$(basename "${source%.*}")
    check "$name"
    names="${names:-} $name"
done

cargo build --quiet --release --locked --target wasm32-wasip2 --examples --workspace \
    --exclude build-wat --exclude guest-module
cargo build --quiet --release --locked --target wasm32-wasip1 --examples --package guest-module
cargo run --quiet --locked --package build-wat -- wat "$CARGO_TARGET_DIR/wat"

for name in $names; do
    for directory in wasm32-wasip1/release/examples wasm32-wasip2/release/examples wat; do
        [ -e "$CARGO_TARGET_DIR/$directory/$name.wasm" ] && collect "$CARGO_TARGET_DIR/$directory/$name.wasm"
    done
done

# What has lost its source would be tested for ever.
for file in "$components"/*.wasm; do
    name=$(basename "$file" .wasm)
    case " $names " in
    *" $name "*) ;;
    *) rm "$file" && echo "$name.wasm removed: it has no source" ;;
    esac
done
