#!/usr/bin/env bash
# What the demos have in common, for them to source: a `shoal up` of one manifest, requests to it, its end. They set `name` first.
# shellcheck disable=SC2154  # `name` is the demo's
cache=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
log=$(mktemp)
shoal='' follower='' url='' asked=0 wrong=0

stop() {
    trap '' INT TERM
    if [ -n "$shoal" ] && kill -TERM "$shoal" 2>/dev/null; then wait "$shoal" || true; fi
    [ -z "$follower" ] || kill "$follower" 2>/dev/null || true
    rm -f "$log"
}
trap stop EXIT
trap 'exit 130' INT TERM

# complain TEXT: the end of a demo that went wrong.
complain() {
    echo "$name: $1; shoal said:" >&2
    cat "$log" >&2
    exit 1
}

# up MANIFEST: starts it and waits for its address, in $url.
up() {
    echo "==> shoal up $1"
    "$CARGO_TARGET_DIR/debug/shoal" up --listen 127.0.0.1:0 "$1" >"$log" 2>&1 &
    shoal=$!
    for _ in $(seq "${PATIENCE:-600}"); do
        url=$(grep -aoE 'listening on http://[0-9.:]+' "$log" | head -n 1 | cut -d ' ' -f 3 || true)
        [ -n "$url" ] && break
        kill -0 "$shoal" 2>/dev/null || break
        sleep 0.1
    done
    [ -n "$url" ] || complain "shoal did not come up"
    echo "    $url"
}

# ask EXPECTED CURL-ARGUMENTS...: one request; the last argument is the path.
ask() {
    local expected=$1 answer it quoted=''
    shift
    local path=${*: -1}
    local arguments=("${@:1:$#-1}")
    asked=$((asked + 1))
    for it in "${arguments[@]}"; do
        [[ $it == *[[:space:]]* ]] && quoted+="'$it' " || quoted+="$it "
    done
    echo "\$ curl $quoted$url$path"
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

# answered: fails where an answer was not the expected one.
answered() {
    [ "$wrong" -eq 0 ] || complain "$wrong of $asked answers were wrong"
}

# finish: ends shoal, which has to end cleanly, and says how many requests there were.
finish() {
    kill -TERM "$shoal"
    wait "$shoal" || complain "shoal did not end cleanly"
    shoal=''
    echo "$name: $asked requests, $asked answers"
}
