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

cargo build --quiet --release --locked --target wasm32-wasip2 --examples \
    --package guest-http --package guest-service

# collect FILE: copies it where it differs from what is there, and refuses a name that belongs to no suite.
collect() {
    name=$(basename "$1")
    case $name in
    *-*.wasm) return ;; # cargo's own copy, named with a hash
    http_?* | http3_?* | service_?* | command_?* | command3_?* | module_?* | hostile_?*) ;;
    *)
        echo "e2e/guests: $name is not named <suite>_<case>; the suites are http, http3, service, command," \
            "command3, module and hostile" >&2
        exit 1
        ;;
    esac
    cmp -s "$1" "$components/$name" && return
    # Renamed into place, so that a test that runs meanwhile never reads half a file.
    cp "$1" "$components/.$name.new"
    mv "$components/.$name.new" "$components/$name"
    printf '%-44s %8d bytes\n' "$name" "$(wc -c <"$components/$name")"
}

for file in "$CARGO_TARGET_DIR"/wasm32-wasip2/release/examples/*.wasm; do
    collect "$file"
done
