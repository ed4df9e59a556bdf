#!/usr/bin/env bash
# scripts/fuzz.sh [build]: runs every target of e2e/fuzz for FUZZ_SECONDS (by default 60), side by side; with `build` it only builds them.
# An input that crashes, hangs or eats memory fails; its path is printed. What the runs learn is kept in the cache and is where the next
# one starts.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}
seconds=${FUZZ_SECONDS:-60}
export CARGO_TARGET_DIR=$cache/fuzz-target
targets=(manifest artifact_layer compile_input)

# From its folder, for e2e/fuzz/.cargo/config.toml. What the caller has set would replace what is set there.
(cd e2e/fuzz && env -u RUSTFLAGS -u RUSTC_WRAPPER cargo build --locked)
[ "${1:-}" != build ] || exit 0
programs=$CARGO_TARGET_DIR/$(rustc -vV | sed -n 's/^host: //p')/debug

running=()
trap '[ ${#running[@]} -eq 0 ] || kill "${running[@]}" 2>/dev/null || true' EXIT
logs=$(mktemp -d)
for target in "${targets[@]}"; do
    corpus=$cache/fuzz-corpus/$target found=$cache/fuzz-found/$target
    mkdir -p "$corpus" "$found"
    "$programs/$target" "$corpus" "e2e/fuzz/seeds/$target" -artifact_prefix="$found/" -max_total_time="$seconds" \
        -timeout=25 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 >"$logs/$target" 2>&1 &
    running+=($!)
done

passed=0 failed=0
for i in "${!targets[@]}"; do
    target=${targets[$i]}
    status=0
    wait "${running[$i]}" || status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/$target")
    if [ "$status" -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
        passed=$((passed + 1))
        echo "fuzz $target: ok, $runs runs"
    else
        failed=$((failed + 1))
        echo "fuzz $target: FAILED with status $status"
        tail -n 40 "$logs/$target"
        input=$(sed -n 's/.*Test unit written to //p' "$logs/$target")
        [ -z "$input" ] || echo "fuzz $target: the input is $input; again: $programs/$target $input"
    fi
done
running=()
rm -rf "$logs"
echo "fuzz result: $passed passed; $failed failed; 0 ignored"
[ "$failed" -eq 0 ]
