# What the installer does on a machine of its own, in the order in which somebody would see it. Prints `ok NAME` or `not ok NAME`.
# Run by bash as root in a machine that is thrown away.
set -u
export SHOAL_TIMEOUT=60
brought=/brought
work=$(mktemp -d)
cp -r $brought/payload "$work/payload"
install=(timeout 300 $brought/shoal-installer --host-root / install --payload "$work/payload" --once)
remove=(timeout 300 $brought/shoal-installer --host-root / remove --payload "$work/payload" --once)

# show NAME COMMAND...: whether it succeeds.
show() {
    local name=$1 began=$SECONDS
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok $name ($((SECONDS - began)) s)"
    else
        echo "not ok $name: exit $?"
        sed 's/^/    /' "$work/out"
    fi
}
# fails WORDS COMMAND...: whether it fails with these words in its last line.
fails() {
    local words=$1
    shift
    "$@" >"$work/said" 2>&1 && echo "it succeeded" && return 1
    cat "$work/said"
    tail -n 1 "$work/said" | grep -qF -- "$words"
}
# running COMMAND: the processes whose arguments begin like this.
running() {
    local file
    for file in /proc/[0-9]*; do
        [[ $(tr '\0' ' ' 2>/dev/null <"$file/cmdline") =~ ^([^ ]*/)?$1 ]] && echo "${file#/proc/}"
    done
}
main_pid() { systemctl show -p MainPID --value containerd; }
healthy() { systemctl is-active --quiet containerd && ctr version >/dev/null && $brought/shoal-installer --host-root / check --payload "$work/payload" >/dev/null; }
as_before() { diff -r "$work/before" /etc/containerd; }
# containerd's own view, without what is allowed to differ: our table, and which files are imported.
others() {
    containerd config dump | awk '/^ *\[/ { ours = /runtimes\.shoal(\]|\.)/ } !ours && !/^ *imports = / && NF'
}

if [ -d $brought/containerd ]; then
    mkdir -p /etc/systemd/system/containerd.service.d
    printf '[Service]\nExecStart=\nExecStart=/usr/local/bin/containerd\n' >/etc/systemd/system/containerd.service.d/newer.conf
    install -m 755 $brought/containerd/* /usr/local/bin/
    systemctl daemon-reload
    systemctl restart containerd
fi
hash -r
# debootstrap makes neither, and containerd copies both for a pod.
[ -e /etc/hosts ] || echo "127.0.0.1 localhost" >/etc/hosts
[ -e /etc/resolv.conf ] || : >/etc/resolv.conf
containerd --version
ctr -n k8s.io images import $brought/pause.tar >/dev/null
pause=$(containerd config dump | awk -F "[\"']" '/^ *(sandbox_image|sandbox) = / { print $2; exit }')
ctr -n k8s.io images tag shoal.dev/test/pause:1 "$pause"
cp -a /etc/containerd "$work/before"
others >"$work/others"

show "the machine has cgroup v2 alone" test "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs

checked() { pid=$(main_pid) && $brought/shoal-installer --host-root / check --payload "$work/payload" -o json && as_before && test ! -e /opt/shoal && test "$(main_pid)" = "$pid"; }
show "check says what it would do and does nothing" checked

refused() {
    printf 'ID=talos\n' >"$work/os-release"
    mount --bind "$work/os-release" /etc/os-release
    fails "can't be changed" "${install[@]}"
    local status=$?
    umount /etc/os-release
    [ $status -eq 0 ] && as_before && test ! -e /opt/shoal
}
show "a system that can't be changed is left alone" refused

broken() {
    cp /etc/containerd/config.toml "$work/config.toml"
    echo '[plugins."io' >>/etc/containerd/config.toml
    fails "/etc/containerd/config.toml, line $(wc -l </etc/containerd/config.toml): " "${install[@]}"
    local status=$?
    cp "$work/config.toml" /etc/containerd/config.toml
    [ $status -eq 0 ] && as_before
}
show "broken TOML is named by file and line" broken

rolled_back() {
    SHOAL_TIMEOUT=20 fails "the node is as it was before" "${install[@]}" --runtime-option "$1" && diff -r "$2" /etc/containerd && healthy
}
show "a configuration that CRI does not take is rolled back" rolled_back 'base_runtime_spec="/nowhere.json"' "$work/before"
again() { pid=$(main_pid) && fails "not tried again" "${install[@]}" --runtime-option 'base_runtime_spec="/nowhere.json"' && test "$(main_pid)" = "$pid"; }
show "what failed is not tried again at once" again

# A version that is not there yet: what was rolled back has left its programs.
echo >>"$work/payload/shoal-worker"
# Each run takes up what the one before left, and is killed one stage later.
for stage in binaries links journal file configuration restart daemon canary; do
    killed() { SHOAL_INSTALLER_STOP_AFTER=$stage "${install[@]}"; test $? -eq 137; }
    show "killed after the stage $stage" killed
done
show "installed, and the canary ran" "${install[@]}"
found() { test -n "$(running shoald)" && test "$(readlink /opt/shoal/bin/current)" = "$(ls /opt/shoal/bin | grep -v current)" && others | diff "$work/others" -; }
show "containerd's own dump differs by our runtime alone" found
handlers() { containerd config dump | grep -q 'runtimes.shoal\]'; }
show "containerd's own dump has our runtime" handlers
second() { pid=$(main_pid) && "${install[@]}" && test "$(main_pid)" = "$pid"; }
show "a second run restarts nothing" second

cp -a /etc/containerd "$work/installed"
show "a bad change of what is installed is rolled back" rolled_back 'privileged_without_host_devices="x"' "$work/installed"
show "and the canary still runs" second

upgraded() {
    pid=$(main_pid) daemon=$(running shoald) keeper=$(running 'containerd-shim-shoal-v1 keep')
    echo >>"$work/payload/shoald"
    "${install[@]}" && test "$(main_pid)" = "$pid" && test "$(running 'containerd-shim-shoal-v1 keep')" = "$keeper" &&
        test "$(running shoald)" != "$daemon" && test "$(readlink -f "/proc/$(running shoald)/exe")" = "$(readlink -f /opt/shoal/bin/current/shoald)"
}
show "an upgrade replaces the daemon, and neither keeper nor containerd" upgraded

for stage in journal file configuration restart daemon; do
    removed_until() { SHOAL_INSTALLER_STOP_AFTER=$stage "${remove[@]}"; test $? -eq 137; }
    show "removal killed after the stage $stage" removed_until
done
show "removed" "${remove[@]}"
gone() { as_before && others | diff "$work/others" - && [ -z "$(running "(shoald|containerd-shim-shoal)")" ] && test ! -e /opt/shoal && test ! -e /var/lib/shoal && test ! -e /usr/local/bin/containerd-shim-shoal-v1; }
show "nothing is left of it" gone
still() { pid=$(main_pid) && "${remove[@]}" && test "$(main_pid)" = "$pid"; }
show "a second removal restarts nothing" still
echo "the end"
