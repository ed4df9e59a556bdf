#!/usr/bin/env bash
# `make demo-shop`: builds Shoal and examples/shop, three components in three languages, starts it, sends it requests and shows the
# answers. Where a network namespace may be made, all of that happens in one with nothing but a loopback of its own, in which the kernel
# counts connections: there must be as many as requests, since the components' calls of each other make none. With CI=true it must be so.
set -euo pipefail
cd "$(dirname "$0")/.."
name=demo-shop
. scripts/demo-steps.sh

prepare() {
    echo "==> building shoal (the first time this takes minutes)"
    scripts/build.sh
    echo "==> building examples/shop: Rust, JavaScript, Python"
    SHOAL=$CARGO_TARGET_DIR/debug/shoal CARGO_TARGET_DIR=$cache/examples examples/shop/build.sh
}

# alone COMMAND...: in a network of its own. As root without a namespace of users, which some machines allow to root alone.
alone() {
    local as=(unshare --net)
    [ "$(id -u)" = 0 ] || as=(unshare --user --map-root-user --net)
    # shellcheck disable=SC2016  # for the inner shell
    "${as[@]}" sh -c 'ip link set lo up && exec "$@"' sh "$@"
}

# Connections that were begun in this network namespace.
connections() { awk '/^Tcp:/ && ++lines == 2 { print $6 }' /proc/net/snmp; }

serve() {
    local before during children
    # Three languages' runtimes are compiled as one, once.
    PATIENCE=6000
    up examples/shop/shoal.yaml
    before=$(connections)
    ask "pearl" /
    ask "Python" /about
    ask "total         104.00" -d "2 kelp, 1 pearl" /
    ask "discount       -2.50" -d "10 kelp" /
    ask "there is no anchor" -d "3 anchor" /
    answered
    during=$(($(connections) - before))
    children=$(awk -v shoal="$shoal" '/^PPid:/ && $2 == shoal' /proc/[0-9]*/status 2>/dev/null || true)
    [ -z "$children" ] || complain "it has other processes"
    echo "    one process; of its three components only web has a store, and none may connect to anything"
    if [ "${1:-}" = counted ]; then
        [ "$during" -eq "$asked" ] || complain "$during connections were made for $asked requests"
        echo "    $during connections, those of curl: the components' calls of each other made none"
    fi
    finish
}

case ${1:-} in
serve) serve "${2:-}" ;;
'')
    prepare
    if alone true 2>/dev/null; then
        alone "$0" serve counted
    elif [ "${CI:-}" = true ]; then
        echo "demo-shop: no network namespace can be made here" >&2
        exit 1
    else
        echo "    (connections are not counted: no network namespace can be made here)"
        serve
    fi
    ;;
*) echo "demo-shop.sh takes no arguments" >&2 && exit 2 ;;
esac
