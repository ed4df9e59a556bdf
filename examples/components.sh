# What the examples' build.sh have in common, for them to source from their folder: `components NAME...` builds their workspace and
# puts NAME.wasm beside the manifest.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR

components() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-wasip2" ] || rustup target add wasm32-wasip2
    cargo build --quiet --release --locked --target wasm32-wasip2
    for name in "$@"; do
        # Renamed into place: a `shoal up --watch` that runs meanwhile never sees half a file.
        cp "$CARGO_TARGET_DIR/wasm32-wasip2/release/$name.wasm" "$name.wasm.new"
        mv "$name.wasm.new" "$name.wasm"
    done
}
