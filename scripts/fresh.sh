#!/usr/bin/env bash
# scripts/fresh.sh [TARGET...]: checks that each target of `make help` (or these) finds what it needs as the first command on a fresh
# machine: a minimal Debian with make and the toolchains of Rust and Go. For each set of setup.sh's tasks, in a root of its own:
# setup.sh installs; all programs that the targets' scripts name are there; the crates that call protoc are compiled.
# scripts/fresh.sh run TARGET [VARIABLE=VALUE...]: runs `make TARGET` there, with the folders of built files of this machine.
# Needs root, debootstrap and overlayfs. Debian's packages are kept in the cache.
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD
cache=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}
target=${CARGO_TARGET_DIR:-$cache/target}
fresh=$cache/fresh
suite=trixie
cargo_bin=$(dirname "$(command -v cargo)")
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
go_root=$(go env GOROOT)
toolchain=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
# The crates whose build scripts call protoc, in which it is seen that setup.sh's is good for them.
protoc_crates=(containerd-client containerd-shim-protos)

# All mounts are of this process's own namespace, and gone with it.
if [ "${SHOAL_FRESH_INSIDE:-}" != true ]; then
    [ "$(id -u)" = 0 ] || { echo "fresh.sh: only root can make another root" >&2 && exit 1; }
    SHOAL_FRESH_INSIDE=true exec unshare --mount --propagation private "$0" "$@"
fi
work=
clean() {
    local status=$?
    [ -z "$work" ] || remove
    exit "$status"
}
trap clean EXIT
trap 'exit 130' INT TERM

# base: the minimal Debian, made anew where it is older than a month: security updates would pile up in each root.
base() {
    local made=$fresh/$suite
    mkdir -p "$fresh/archives/partial"
    [ -z "$(find "$made" -maxdepth 0 -mtime -30 2>/dev/null)" ] || return 0
    rm -rf "$made" "$made.new"
    debootstrap --variant=minbase --include=make "$suite" "$made.new" >"$fresh/debootstrap.log" ||
        { tail -n 20 "$fresh/debootstrap.log" >&2 && return 1; }
    rm -rf "$made.new"/dev/* "$made.new"/var/cache/apt/archives/*.deb
    # No package starts a server, and nothing is lost where the machine loses power.
    printf '#!/bin/sh\nexit 101\n' >"$made.new/usr/sbin/policy-rc.d"
    chmod 755 "$made.new/usr/sbin/policy-rc.d"
    echo force-unsafe-io >"$made.new/etc/dpkg/dpkg.cfg.d/unsafe"
    touch "$made.new"
    mv "$made.new" "$made"
}

# over LOWER NAME: a writable view of a folder, in $work/NAME. rustup renames folders that are in LOWER, which overlayfs allows with
# redirect_dir alone (Documentation/filesystems/overlayfs.rst).
over() {
    mkdir -p "$work/$2" "$work/upper/$2" "$work/scratch/$2"
    mount -t overlay overlay -o "redirect_dir=on,lowerdir=$1,upperdir=$work/upper/$2,workdir=$work/scratch/$2" "$work/$2"
}

# within FOLDER [FROM]: FROM, by default the same folder of this machine, is in the root as FOLDER.
within() {
    mkdir -p "$work/root$1"
    mount --rbind "${2:-$1}" "$work/root$1"
}

# prepare: a new root in $work/root, with this checkout, the toolchains, and how this machine reaches the network.
prepare() {
    work=$(mktemp -d "$fresh/work.XXXXXX")
    # In memory: a minimal Debian is written in thousands of small files.
    mount -t tmpfs -o size=4g tmpfs "$work"
    over "$fresh/$suite" root
    over "$rustup_home" rustup
    over "$checkout" checkout
    within /proc
    within /sys
    within /dev
    within /var/cache/apt/archives "$fresh/archives"
    within "$rustup_home" "$work/rustup"
    within "$checkout" "$work/checkout"
    within "$cargo_home"
    within "$cargo_bin"
    within "$go_root"
    cp --dereference /etc/resolv.conf /etc/hosts "$work/root/etc/"
    # The bundle is what a machine has that rustup was installed on.
    mkdir -p "$work/root/etc/ssl/certs" "$work/root/usr/local/share/ca-certificates"
    cp --dereference /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/"
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$work/root/usr/local/share/ca-certificates/" \;
    # What setup.sh adds to the toolchain may be there already.
    for it in "$work/rustup/toolchains/$toolchain"-*/lib/rustlib/*; do
        case ${it##*/} in manifest-*) ;; wasm32-wasip1 | *-linux-musl) inside rustup --quiet target remove "${it##*/}" || return ;; esac
    done
}

# inside COMMAND...: in the root, with little of this machine's environment.
inside() {
    local keep
    keep=$(env | grep -E '^([a-z]+_proxy|[A-Z]+_PROXY|CARGO_NET_[A-Z]+|RUSTUP_AUTO_INSTALL|GOPROXY|GOSUMDB|GOFLAGS|SHOAL_DEV_CACHE|CARGO_TARGET_DIR|CI)=' |
        tr '\n' ' ' || true)
    # shellcheck disable=SC2086  # each of them is a word
    env -i $keep HOME="$HOME" LANG=C.UTF-8 CARGO_HOME="$cargo_home" RUSTUP_HOME="$rustup_home" \
        PATH="$cargo_bin:$go_root/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        chroot "$work/root" /bin/sh -c 'cd "$0" && exec "$@"' "$checkout" "$@"
}

# remove: the root of `prepare`. Nothing is deleted by path, since this machine's folders are mounted in it.
remove() {
    umount --recursive --lazy "$work" && rmdir "$work"
    work=
}

# scripts_of TARGET: the scripts that it runs, and those that these run.
scripts_of() {
    local text found seen='' script
    text=$(make --dry-run "$1")
    # Of all that test.sh could do, these do a part.
    case $1 in lint | test-unit) text=$(sed -n '/^lint() {/,/^}/p; /^generated() {/p; /^unit)/,/;;/p' scripts/test.sh) ;; esac
    while :; do
        found=$(grep -oE '(scripts|e2e|examples|images)/[a-zA-Z0-9_./$-]+\.sh' <<<"$text" | sed 's/\$example/*/' | sort -u | grep -vxF "$seen" || true)
        [ -n "$found" ] || break
        seen+=$'\n'$found
        # shellcheck disable=SC2086  # patterns, to be expanded
        text=$(sed 's/^ *#.*//' $found)
    done
    for script in $seen; do printf '%s\n' $script; done | grep -vxE 'scripts/(setup|fresh)\.sh' | sort -u
}

# tasks_of TARGET: setup.sh's, in order.
tasks_of() {
    { make --dry-run "$1" && sed 's/^ *#.*//' /dev/null $(scripts_of "$1"); } |
        sed -nE 's/.*scripts\/setup\.sh (packages )?([a-z][a-z ]*[a-z]).*/\2/p' | tr ' ' '\n' | awk '!seen[$0]++' | xargs
}

# check TASKS TARGET...: in a root of its own.
check() {
    local tasks=$1 program script missing=()
    shift
    prepare || return
    # shellcheck disable=SC2086  # words
    if [ -n "$tasks" ]; then
        # The languages' packages take minutes, and are installed where they are used.
        inside scripts/setup.sh packages $tasks || missing+=("what setup.sh could not install")
        inside scripts/setup.sh ${tasks/templates/demo} || missing+=("what setup.sh could not add to Rust")
        for program in $(scripts/setup.sh list $tasks); do has "$program" || missing+=("$program (of setup.sh)"); done
    fi
    # Programs that some task installs, where they are named in what these targets run.
    for target_name in "$@"; do
        for script in $(scripts_of "$target_name"); do
            for program in "${programs[@]}"; do
                sed -E 's/^ *#.*|(echo|printf) .*//' "$script" | grep -qE "(^|[^a-zA-Z0-9_./\$-])$program([^a-zA-Z0-9_.=:/-]|\$)" || continue
                has "$program" || missing+=("$program ($script, of make $target_name)")
            done
        done
    done
    case " $tasks " in
    *" workspace "* | *" shim "* | *" cluster "* | *" bench "* | *" images "* | *" test "*) protoc || missing+=("what protoc is called for") ;;
    esac
    remove
    [ ${#missing[@]} -eq 0 ] || printf "missing for make $*: %s\n" "${missing[@]}" >&2
    [ ${#missing[@]} -eq 0 ]
}

has() { inside sh -c 'command -v "$1" >/dev/null || test -e "$1"' - "$1"; }

# protoc: compiles what calls it, as if for the first time.
protoc() {
    local it folder=$fresh/target
    mkdir -p "$folder"
    for it in "${protoc_crates[@]}"; do rm -rf "$folder"/debug/.fingerprint/"$it"-*; done
    within "$folder"
    inside env CARGO_TARGET_DIR="$folder" CARGO_PROFILE_DEV_DEBUG=false cargo check --quiet --locked "${protoc_crates[@]/#/--package=}"
}

mkdir -p "$fresh"
exec 8>"$fresh/lock"
flock 8
rmdir "$fresh"/work.* 2>/dev/null || true
base
if [ "${1:-}" = run ]; then
    shift
    prepare
    for it in "$target" "$cache"; do mkdir -p "$it" && within "$it"; done
    inside make "$@"
    exit
fi
mapfile -t programs < <(scripts/setup.sh list build workspace demo guests fuzz test templates bench shim cluster deny images machines fresh | grep -v /)
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(make help | awk '$1 == "make" { print $2 }')
# Targets of the same tasks share a root.
declare -A sharing
for it in "${targets[@]}"; do sharing["$(tasks_of "$it") "]+="$it "; done
passed=0 failed=0
for tasks in "${!sharing[@]}"; do
    tasks=${tasks% }
    began=$SECONDS
    read -ra them <<<"${sharing[$tasks ]}"
    if check "$tasks" "${them[@]}"; then good=ok; else good=FAILED; fi
    for it in "${them[@]}"; do
        [ $good = ok ] && passed=$((passed + 1)) || failed=$((failed + 1))
        echo "fresh make $it: $good (setup: ${tasks:-nothing}; $((SECONDS - began)) s)"
    done
done
echo "fresh result: $passed passed; $failed failed; 0 ignored"
[ "$failed" -eq 0 ]
