#!/usr/bin/env bash
# `make demo`: builds Shoal and examples/greeter, starts it from its manifest, prints the URL, sends real requests and shows
# the answers. On a terminal it then serves until Ctrl-C; with CI=true, or without a terminal, it ends: with 0 where every
# answer was the expected one.
set -euo pipefail
cd "$(dirname "$0")/.."
name=demo
. scripts/demo-steps.sh

echo "==> building shoal (the first time this takes minutes)"
scripts/build.sh
echo "==> building examples/greeter"
CARGO_TARGET_DIR=$cache/examples examples/greeter/build.sh

up examples/greeter/shoal.yaml
ask "Greetings from the shoal" /
ask "Hello Ada, welcome" -d Ada /greet
ask "Hello again Ada, this is visit 2" -d Ada /greet
ask "Hello Grace, welcome" /greet/Grace
ask "Hello again Ada, this is visit 3" --http2-prior-knowledge -d Ada /greet
answered
if [ "${CI:-}" = true ] || ! [ -t 1 ]; then
    finish
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
