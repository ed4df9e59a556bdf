#!/usr/bin/env bash
# scripts/again.sh NAME COMMAND...: runs tests (COMMAND is a `cargo test`, with `--` in it). Where some fail, each of these is run once
# more by its name, alone. One that passes then counts as passed and is listed as flaky: its name, and where both outputs are kept. What
# is no failure of tests (they can't be built, or their program crashes) is not tried again.
set -uo pipefail
cd "$(dirname "$0")/.."
name=$1
shift
cache=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}
folder=$cache/flaky/$(date -u +%Y%m%d-%H%M%S)-${name//[^a-zA-Z0-9]/-}
first=$(mktemp)
trap 'rm -f "$first"' EXIT

"$@" 2>&1 | tee "$first"
status=${PIPESTATUS[0]}
[ "$status" -ne 0 ] || exit 0

# libtest lists those that failed after its last `failures:`, each on a line of its own.
mapfile -t failed < <(awk '
    /^failures:$/ { names = ""; listed = 1; next }
    /^    [^ ]+$/ && listed { names = names substr($0, 5) "\n" }
    /^test result: / { printf "%s", names; names = ""; listed = 0 }' "$first")
read -r _ counted _ < <(awk -f scripts/count.awk "$first")
# Cargo says this of a program that ended in another way than tests that failed do.
if [ ${#failed[@]} -eq 0 ] || [ "$counted" -ne ${#failed[@]} ] || grep -qF "process didn't exit successfully" "$first"; then
    exit "$status"
fi

mkdir -p "$folder"
cp "$first" "$folder/first.log"
good=0
for test in "${failed[@]}"; do
    log=$folder/${test//[^a-zA-Z0-9_]/-}.again.log
    printf '\n--- %s failed: once more\n' "$test"
    # Indented, so that nobody counts it.
    "$@" --exact "$test" 2>&1 | tee "$log" | sed 's/^/    /'
    if [ "${PIPESTATUS[0]}" -eq 0 ] && grep -q '^test result: ok\. 1 passed' "$log"; then
        good=$((good + 1))
        echo "flaky: $test (failed, then passed: $folder)"
    fi
done
# For count.awk: what passed the second time has not failed.
echo "again result: $good passed; -$good failed; 0 ignored"
[ "$good" -eq ${#failed[@]} ]
