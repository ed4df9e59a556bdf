#!/usr/bin/env bash
# scripts/test.sh all|lint|unit: the checks, those first that find a mistake soonest. Prints each step's name and time, a
# table of them, and as its last line `N passed, N failed`: each test counts, and each step that is no run of tests.
# Fails where anything failed, and where a run of tests ran none.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
suite=${1:?which checks: all, lint or unit}
cache=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
export FUZZ_SECONDS=${FUZZ_SECONDS:-60}
# A registry that does not answer for a moment is no mistake of ours.
export CARGO_NET_RETRY=${CARGO_NET_RETRY:-10}
# Where the end-to-end tests find the guests.
export SHOAL_GUESTS=$cache/guests/components

logs=$(mktemp -d)
declare -A begun
trap 'for group in "${begun[@]}"; do kill -- "-$group" 2>/dev/null; done; rm -rf "$logs"' EXIT
passed=0 failed=0 began=$SECONDS table=() flaky=()

# run KIND NAME COMMAND...: KIND is `check` (counts as one) or `tests` (counts what it reports, which must be something).
run() {
    local kind=$1 name=$2 start=$EPOCHREALTIME status
    shift 2
    printf '\n==> %s\n' "$name"
    "$@" 2>&1 | tee "$logs/run"
    status=${PIPESTATUS[0]}
    counted "$kind" "$name" "$status" "$logs/run" "$start" "$EPOCHREALTIME"
}

# counted KIND NAME STATUS LOG START END: a line of the table; whether nothing failed.
counted() {
    local kind=$1 name=$2 status=$3 log=$4 good=0 bad=0 ignored=0 line
    if [ "$kind" = tests ]; then
        read -r good bad ignored < <(awk -f scripts/count.awk "$log")
        [ $((good + bad)) -gt 0 ] || { echo "$name: no test ran" && bad=1; }
        [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
        mapfile -t -O "${#flaky[@]}" flaky < <(grep '^flaky: ' "$log")
    elif [ "$status" -eq 0 ]; then
        good=1
    else
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    line=$(awk -v name="$name" -v start="$5" -v end="$6" -v good="$good" -v bad="$bad" -v ignored="$ignored" 'BEGIN {
        printf "%-44s %7.1f s %6d passed %4d failed%s", name, end - start, good, bad, ignored ? ", " ignored " ignored" : ""
    }')
    table+=("$line")
    echo "<== $line"
    [ "$bad" -eq 0 ]
}

finish() {
    printf '\n'
    printf '%s\n' "${table[@]}"
    [ ${#flaky[@]} -eq 0 ] || printf '%s\n' "${flaky[@]}"
    printf 'total: %d min %d s\n' $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60))
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# need ...: a step without which the later ones say nothing.
need() { run "$@" || finish; }

# All that is behind one: the compiler, and the tests that need more than this machine.
features=shoal-compile/cranelift,shoal-e2e/templates,shoal-pods/cluster,shoal-operated/cluster,shoal-services/cluster,shoal-machines/nodes
features+=,shoal-machines/machines

lint() {
    run check "formatting" scripts/fmt.sh --check
    # As the compiler of what is ours, not as `cargo clippy`, which would check the dependencies that the tests then
    # compile. Without what makes compiling ours longer: the tests have their own, by rustc.
    run check "clippy" env RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings__CLIPPY_HACKERY__ \
        CARGO_PROFILE_DEV_DEBUG=false CARGO_INCREMENTAL=0 \
        cargo build --quiet --locked --workspace --all-targets --features "$features"
    run check "arrows between crates" scripts/xtask.sh arrows
    run check "files" scripts/xtask.sh check-files
    run check "licences, bans and sources of crates" scripts/deny.sh
}

# Not among the first: one of them is written by the command, which must be built for it.
generated() { run check "generated files" scripts/generate.sh --check; }

# background NICE NAME COMMAND...: begins something in the background; its output goes to a file of that name.
background() {
    local nice=$1 name=$2
    shift 2
    # Where the kernel groups by session, nice(1) counts within one alone (sched(7), autogroup).
    # shellcheck disable=SC2016  # to be expanded by the inner shell
    setsid nice -n "$nice" bash -c '{ echo "$1" >/proc/self/autogroup; } 2>/dev/null; file=$2; shift 2
        date +%s.%N >"$file.start"; "$@"; status=$?; date +%s.%N >"$file.end"; exit $status' - "$nice" "$logs/$name" "$@" \
        >"$logs/$name" 2>&1 </dev/null &
    begun[$name]=$!
}

# ahead NAME COMMAND...: begins in the background what a later step takes long for, where others leave a processor idle. The step itself
# does what is left of it, after `ended NAME`.
ahead() { background 19 "$@"; }
ended() {
    [ -z "${begun[$1]:-}" ] || wait "${begun[$1]}" || true
    unset "begun[$1]"
}

# beside NICE NAME COMMAND...: begins tests in the background, for `joined NAME` to wait for, show and count.
beside() { background "$@"; }
joined() {
    local name=$1 status=0
    [ -n "${begun[$name]:-}" ] || return 0
    wait "${begun[$name]}" || status=$?
    unset "begun[$name]"
    printf '\n==> %s, beside others\n' "$name"
    cat "$logs/$name"
    counted tests "$name" "$status" "$logs/$name" "$(cat "$logs/$name.start")" "$(cat "$logs/$name.end" 2>/dev/null || date +%s.%N)"
}

# on CLUSTER NAME COMMAND...: tests, in the environment of that cluster.
on() {
    local cluster=$1 name=$2
    shift 2
    # shellcheck disable=SC2016  # to be expanded by the inner shell
    run tests "$name" bash -c 'eval "$(scripts/cluster.sh env --name "$0")" && exec "$@"' "$cluster" "$@"
}

# cluster_test NAME THREADS TEST [OPTION...]: the command for tests that need a cluster. Those that failed are tried once more. All of
# them have the same features, so that what they share is built once. They wait for kubelets most of the time: more threads than
# processors. Those that need the cluster for themselves say so in their code.
fuzzed=false fuzzing="fuzzing, $FUZZ_SECONDS s each"
clusters=shoal-pods/cluster,shoal-operated/cluster,shoal-services/cluster,shoal-machines/nodes,shoal-machines/machines
cluster_test() {
    command=(scripts/again.sh "$1" cargo test --locked --no-fail-fast --workspace --features "$clusters" --test "$3" --
        --test-threads "$2" "${@:4}")
}

# The tests of pods, on a cluster of their own; on another one where KUBECONFIG names it.
pods() {
    local pods operator autoscale command
    cluster_test pods 12 pods && pods=("${command[@]}")
    # kubelet (1.36) with figures from containerd ends where it finds a pod without an interface, as one that goes may be: for one test alone.
    cluster_test operator 12 operator --show-output --skip autoscale && operator=("${command[@]}")
    cluster_test autoscaling 1 operator --show-output autoscale && autoscale=("${command[@]}")
    if [ -n "${KUBECONFIG:-}" ]; then
        run tests "pods on the cluster of $KUBECONFIG" "${pods[@]}"
        run tests "operator on the cluster of $KUBECONFIG" "${operator[@]}"
        run tests "autoscaling on the cluster of $KUBECONFIG" "${autoscale[@]}"
        return
    fi
    ended programs
    run check "the programs of a cluster" scripts/cluster.sh build || return
    ahead more "$CARGO_TARGET_DIR/debug/shoal-cluster" build metrics-server helm
    ahead fuzz scripts/fuzz.sh build
    [ "$(id -u)" != 0 ] || beside 10 "fresh machines" scripts/fresh.sh
    run check "the programs of the version before" scripts/previous.sh
    local up=false
    if run check "a cluster" scripts/cluster.sh up --name test; then
        on test "pods" "${pods[@]}"
        on test "operator" "${operator[@]}"
        run check "figures of pods" scripts/cluster.sh up --name test --metrics --stats-from-cri && up=true
    fi
    joined "fresh machines"
    ended fuzz
    # Autoscalers look each quarter of a minute.
    fuzzed=true
    beside 5 "$fuzzing" scripts/fuzz.sh
    ! $up || on test "autoscaling" "${autoscale[@]}"
    run check "the cluster's end" scripts/cluster.sh down --name test
    joined "$fuzzing"
}

# The installer on machines of their own. They are Debian's for amd64, and their disk is made as root.
has_machines() { [ "$(id -u)" = 0 ] && [ "$(uname -m)" = x86_64 ]; }

# The chart and the installer, on a cluster whose nodes have no shim: they put it there, and take it off again. Beside these, which wait
# most of the time, the machines, which compute.
installed() {
    local machines nodes chart end command
    cluster_test machines 2 machines && machines=("${command[@]}")
    cluster_test nodes 1 nodes && nodes=("${command[@]}")
    cluster_test chart 4 services && chart=("${command[@]}")
    cluster_test "the chart's end" 1 services-end && end=("${command[@]}")
    local images=true
    if [ -z "${KUBECONFIG:-}" ]; then
        ended more
        run check "helm" scripts/cluster.sh build helm &&
            run check "the images" env IMAGES_PROFILE=dev scripts/images.sh || images=false
    fi
    if has_machines; then
        run check "the programs of machines" scripts/cluster.sh build containerd && beside 5 machines "${machines[@]}"
    else
        echo "machines: left out: they need root on x86_64"
    fi
    if [ -z "${KUBECONFIG:-}" ] && $images; then
        export SHOAL_IMAGES=$cache/images/dev
        if run check "a cluster of bare nodes" scripts/cluster.sh up --name bare --nodes 2 --bare; then
            on bare "the installer on nodes" "${nodes[@]}" &&
                { on bare "the chart" "${chart[@]}"; on bare "the chart's end" "${end[@]}"; }
        fi
        run check "the bare cluster's end" scripts/cluster.sh down --name bare
    fi
    joined machines
}

case $suite in
lint)
    lint
    generated
    ;;
unit)
    run tests "tests of the crates" cargo test --quiet --locked --no-fail-fast --workspace --exclude shoal-e2e --exclude shoal-bench --exclude shoal-worker
    ;;
all)
    # All packages at once. The tools of templates' languages follow in the background.
    need check "what this needs" scripts/setup.sh test cluster images machines fresh
    lint
    need check "shoal and shoal-compile" scripts/build.sh
    generated
    need check "guests" env CARGO_TARGET_DIR="$cache/guests" e2e/guests/build.sh
    for example in greeter counter malicious worker report; do
        need check "the example $example" env CARGO_TARGET_DIR="$cache/examples" "examples/$example/build.sh"
    done
    if [ -z "${KUBECONFIG:-}" ] && run check "all programs" cargo build --quiet --locked --workspace --bins; then
        # Not cluster.sh, which would wait for cargo.
        ahead programs "$CARGO_TARGET_DIR/debug/shoal-cluster" build
    fi
    ahead tools scripts/setup.sh templates
    run tests "tests" cargo test --locked --no-fail-fast --workspace
    ended tools
    run check "the tools of templates' languages" scripts/setup.sh templates &&
        run check "make demo-shop" env CI=true scripts/demo-shop.sh &&
        run tests "templates" cargo test --locked --workspace --features shoal-e2e/templates --test templates
    run tests "tests of the compiler" cargo test --locked --no-fail-fast --workspace --features shoal-compile/cranelift --test child
    pods
    $fuzzed || run tests "$fuzzing" scripts/fuzz.sh
    installed
    ;;
*)
    echo "test.sh: no checks called $suite; there are all, lint and unit" >&2
    exit 2
    ;;
esac
finish
