#!/usr/bin/env bash
# scripts/images.sh [IMAGE...]: builds the images in images/ (all of them unless named) without a Docker engine, each as an OCI layout
# with its list of crates (CycloneDX) beside it, in $XDG_CACHE_HOME/shoal/images/PROFILE. The same Dockerfiles build with Docker from
# the folder `context` there.
#   IMAGES_PROFILE=release   (default) everything optimised and static
#   IMAGES_PROFILE=dev       for tests: the shim's programs are those of `scripts/shim.sh`, which run on the machine they were built on
#   PUSH=HOST[:PORT]/FOLDER  pushes them there as well; PUSH_PLAIN=true where that speaks no TLS
#   TAG=...                  the workspace's version unless set
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
profile=${IMAGES_PROFILE:-release}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
tag=${TAG:-$version}
gnu=$(uname -m)-unknown-linux-gnu
musl=$(uname -m)-unknown-linux-musl
out=$cache/images/$profile
images=("$@")
[ ${#images[@]} -gt 0 ] || images=(shoal-operator shoal-node shoal-check)
case $profile in dev | release) ;; *) echo "images.sh: IMAGES_PROFILE is dev or release, not $profile" >&2 && exit 2 ;; esac

wants() { [[ " ${images[*]} " == *" $1 "* ]]; }

# program PATH FOLDER: without what only a debugger reads.
program() {
    mkdir -p "$2"
    strip --strip-debug -o "$2/$(basename "$1")" "$1"
}

# Folders with the programs of containers, and of nodes.
if wants shoal-operator || wants shoal-node; then
    if [ "$profile" = dev ]; then
        containers=$CARGO_TARGET_DIR/debug nodes=$CARGO_TARGET_DIR/debug
        ! wants shoal-node || scripts/shim.sh
        # Linked statically, with the dependencies that are built already.
        RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/static-rustc.sh cargo build --quiet --locked --workspace \
            --bin shoal-operator --bin shoal-installer
    else
        containers=$CARGO_TARGET_DIR/$gnu/release nodes=$containers
        rustflags=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$gnu")_RUSTFLAGS
        # For these alone: with it nothing can be built that runs while something is compiled, as the tool that lists the crates needs.
        static=(env "$rustflags=-C target-feature=+crt-static" cargo build --locked --release --target "$gnu")
        "${static[@]}" -p shoal-controller -p shoal-installer --bin shoal-operator --bin shoal-installer
        if wants shoal-node; then
            "${static[@]}" -p shoal-daemon -p shoal-worker --bin shoald --bin shoal-worker
            "${static[@]}" -p shoal-compile --features cranelift --bin shoal-compile
            rustup target add "$musl" >/dev/null 2>&1 || { echo "images.sh: the Rust target $musl is missing" >&2 && exit 1; }
            cargo build --locked --profile launcher --target "$musl" -p shoal-launcher
            install "$CARGO_TARGET_DIR/$musl/launcher/containerd-shim-shoal-v1" "$nodes/"
        fi
    fi
fi

storage=$(mktemp -d)
# What buildah keeps in vfs may be read-only.
trap 'chmod -R u+w "$storage"; rm -rf "$storage"' EXIT
for image in "${images[@]}"; do
    context=$out/context/$image
    rm -rf "$context" "${out:?}/$image"
    mkdir -p "$context"
    sbom=(--image "$image" --target "$gnu")
    case $image in
    shoal-operator)
        program "$containers/shoal-operator" "$context"
        cp /etc/ssl/certs/ca-certificates.crt "$context/"
        sbom+=(--package shoal-controller)
        ;;
    shoal-node)
        program "$containers/shoal-installer" "$context"
        for name in containerd-shim-shoal-v1 shoald shoal-worker shoal-compile; do
            program "$nodes/$name" "$context/payload"
        done
        sbom+=(--package shoal-installer --package shoal-launcher --package shoal-daemon --package shoal-worker
            --package shoal-compile --features shoal-compile/cranelift)
        ;;
    shoal-check)
        CARGO_TARGET_DIR=$cache/examples cargo build --quiet --locked --release --target wasm32-wasip2 \
            --manifest-path images/shoal-check/Cargo.toml
        cp "$cache/examples/wasm32-wasip2/release/shoal-check.wasm" "$context/check.wasm"
        sbom=(--image "$image" --target wasm32-wasip2 --package shoal-check --manifest-path images/shoal-check/Cargo.toml)
        ;;
    *)
        echo "images.sh: no image $image; there are shoal-operator, shoal-node and shoal-check" >&2
        exit 2
        ;;
    esac
    scripts/xtask.sh sbom "${sbom[@]}" --out "$context/sbom.cdx.json"
    cp "$context/sbom.cdx.json" "$out/$image.cdx.json"
    build=(buildah --root "$storage/root" --runroot "$storage/run" --storage-driver vfs)
    # The same bytes for the same programs: a node that has them does not pull them again.
    "${build[@]}" bud --quiet --isolation chroot --timestamp 0 --build-arg VERSION="$version" \
        --file "images/$image/Dockerfile" --tag "$image:$tag" "$context" >/dev/null
    "${build[@]}" push --quiet "$image:$tag" "oci:$out/$image:$tag"
    "${build[@]}" rmi "$image:$tag" >/dev/null
    digest=$(sed -n 's/.*"manifests":\[{[^}]*"digest":"\(sha256:[0-9a-f]*\)".*/\1/p' "$out/$image/index.json")
    echo "$image:$tag $digest $(du -sh "$out/$image" | cut -f 1) $out/$image"
    if [ -n "${PUSH:-}" ]; then
        skopeo copy --quiet --dest-tls-verify="$([ "${PUSH_PLAIN:-}" = true ] && echo false || echo true)" \
            "oci:$out/$image:$tag" "docker://$PUSH/$image:$tag"
        echo "pushed to $PUSH/$image:$tag"
    fi
done
