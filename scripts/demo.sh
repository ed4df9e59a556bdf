#!/usr/bin/env bash
# `make demo`: builds Shoal and examples/greeter, starts it from its manifest, prints the URL, sends real requests and shows
# the answers. On a terminal it then serves until Ctrl-C; with CI=true, or without a terminal, it ends: with 0 where every
# answer was the expected one.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
manifest=examples/greeter/shoal.yaml

scripts/setup.sh demo
echo "==> building shoal (the first time this takes minutes)"
scripts/build.sh
echo "==> building examples/greeter"
CARGO_TARGET_DIR=$cache/examples examples/greeter/build.sh

log=$(mktemp)
shoal='' follower=''
stop() {
    trap '' INT TERM
    if [ -n "$shoal" ] && kill -TERM "$shoal" 2>/dev/null; then wait "$shoal" || true; fi
    [ -z "$follower" ] || kill "$follower" 2>/dev/null || true
    rm -f "$log"
}
trap stop EXIT
trap 'exit 130' INT TERM

echo "==> shoal up $manifest"
"$CARGO_TARGET_DIR/debug/shoal" up --listen 127.0.0.1:0 "$manifest" >"$log" 2>&1 &
shoal=$!
url=
for _ in $(seq 600); do
    url=$(grep -aoE 'listening on http://[0-9.:]+' "$log" | head -n 1 | cut -d ' ' -f 3 || true)
    [ -n "$url" ] && break
    kill -0 "$shoal" 2>/dev/null || break
    sleep 0.1
done
if [ -z "$url" ]; then
    echo "demo: shoal did not come up; it said:" >&2
    cat "$log" >&2
    exit 1
fi
echo "    $url"

wrong=0
# ask EXPECTED CURL-ARGUMENTS...: one request; the last argument is the path.
ask() {
    local expected=$1 answer
    shift
    local path=${*: -1}
    local arguments=("${@:1:$#-1}")
    echo "\$ curl ${arguments[*]+${arguments[*]} }$url$path"
    if ! answer=$(curl -sS --fail --max-time 20 "${arguments[@]}" "$url$path" 2>&1); then
        wrong=$((wrong + 1))
        printf '%s\n    ^ failed\n' "$answer"
        return
    fi
    printf '%s\n' "$answer"
    if [[ $answer != *"$expected"* ]]; then
        wrong=$((wrong + 1))
        printf '    ^ expected: %s\n' "$expected"
    fi
}
ask "Greetings from the shoal" /
ask "Hello Ada, welcome" -d Ada /greet
ask "Hello again Ada, this is visit 2" -d Ada /greet
ask "Hello Grace, welcome" /greet/Grace
ask "Hello again Ada, this is visit 3" --http2-prior-knowledge -d Ada /greet

if [ "$wrong" -gt 0 ]; then
    echo "demo: $wrong of 5 answers were wrong; shoal said:" >&2
    cat "$log" >&2
    exit 1
fi
if [ "${CI:-}" = true ] || ! [ -t 1 ]; then
    kill -TERM "$shoal"
    if ! wait "$shoal"; then
        echo "demo: shoal did not end cleanly; it said:" >&2
        cat "$log" >&2
        exit 1
    fi
    shoal=''
    echo "demo: 5 requests, 5 answers"
    exit 0
fi
echo "==> serving $url until Ctrl-C"
# The terminal sends Ctrl-C to shoal as well, which then finishes the requests that it has. A second one would cut them off.
trap : INT
trap 'kill -TERM "$shoal"' TERM
tail -n +1 -f "$log" &
follower=$!
status=0
wait "$shoal" || status=$?
# A signal ends the wait, not shoal.
while kill -0 "$shoal" 2>/dev/null; do
    status=0
    wait "$shoal" || status=$?
done
shoal=''
exit "$status"
