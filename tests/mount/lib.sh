# lib: the few words that the scenarios in tests/mount share. The runner reads it before each script.
# shellcheck shell=bash

# fails CMD...: the command must fail by itself: not by a signal, not for want of the command, and not because it couldn't
# look, which test, grep and cmp tell by 2. For whatever reason, though: expect_error and refuses ask for the right one.
fails() {
    local status=0 most=125
    case $1 in test | '[' | grep | cmp) most=1 ;; esac
    "$@" || status=$?
    { [ "$status" != 0 ] && [ "$status" -le "$most" ]; } || { echo "expected a failure, got status $status: $*"; return 1; }
}

# expect_error TEXT CMD...: the command must fail and say TEXT.
expect_error() {
    local text=${1:?any line holds nothing} said
    shift
    if said=$("$@" 2>&1); then
        echo "expected '$text', but this succeeded: $*"
        return 1
    fi
    [[ $said == *"$text"* ]] || { echo "expected '$text', got '$said': $*"; return 1; }
}

# refuses TEXT CMD...: status 1, and one line on standard error that begins with "gmemfs: " and holds TEXT.
refuses() {
    local text=${1:?any line holds nothing} said status=0
    shift
    said=$("$@" 2>&1 >/dev/null) || status=$?
    is "$status" 1 && is "$(printf '%s\n' "$said" | wc -l)" 1 && [[ $said == "gmemfs: "*"$text"* ]] ||
        { echo "expected one line 'gmemfs: ...$text...' and status 1, got status $status: $said"; return 1; }
}

status_of() { local status=0; "$@" >/dev/null 2>&1 || status=$?; echo "$status"; }

# errno_of STATEMENT: the name of the errno with which a line of Python fails, or OK.
errno_of() {
    python3 -c 'import errno, os, sys
try:
    exec(sys.argv[1])
    print("OK")
except OSError as error:
    print(errno.errorcode[error.errno])' "$1"
}

# is VALUE EXPECTED: the two are the same text, and there is one: of a command that failed there is none.
is() {
    [ "$1" = "$2" ] || { echo "expected '$2', got '$1'"; return 1; }
    [ -n "$1" ] || { echo "two empty texts are the same, whatever failed: say nothing CMD"; return 1; }
}
# differs VALUE OTHER: two texts that aren't the same.
differs() { [ -n "$1" ] && [ -n "$2" ] && [ "$1" != "$2" ] || { echo "expected two different texts, got '$1' and '$2'"; return 1; }; }
# nothing CMD...: the command must succeed and print nothing; it may complain. quiet CMD...: nor that.
nothing() {
    local said status=0
    said=$("$@") || status=$?
    [ "$status:$said" = 0: ] || { echo "expected nothing, got status $status and '$said': $*"; return 1; }
}
quiet() {
    local said status=0
    said=$("$@" 2>&1) || status=$?
    [ "$status:$said" = 0: ] || { echo "expected silence, got status $status and '$said': $*"; return 1; }
}
# says PATTERN CMD...: the command must succeed, and print a line like that. (A pipe to grep -q may end the command early.)
says() {
    local pattern=$1 said
    shift
    said=$("$@") || { echo "status $?: $*"; return 1; }
    grep -a -e "$pattern" <<< "$said" > /dev/null || { echo "expected '$pattern', got '$said': $*"; return 1; }
}

sha() { sha256sum "$1" | cut -d ' ' -f 1; }
size_of() { stat -c %s "$1"; }
mode_of() { stat -c %a "$1"; }
xattr() { getfattr --absolute-names --only-values -n "$1" "$2"; }
random_bytes() { head -c "$1" /dev/urandom; }
# weights SIZE [--seed N] [--mixed]: bytes like a model's, which packing makes a third smaller. where FILE: packed or device.
weights() { python3 "$TESTS/cold/weights.py" "$@"; }
where() { xattr user.gmemfs.residence "$1" | json 'd["where"]'; }
zeros() { head -c "$1" /dev/zero | sha256sum | cut -d ' ' -f 1; }

# json EXPRESSION: evaluates Python over `d`, the JSON on standard input: json 'len(d["extents"])'
json() { python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }

server_pid() { "$GMEMFS" stat --json "$MNT" | json 'd["server_pid"]'; }
# The keeper of this test's mounts, or of the one at $1; nothing where there is none.
keeper_pid() { pgrep -f "^gmemfs keeper .* ${1:-$MNT}\$" || true; }
# journal_end FILE: where its last record ends; zeros follow, up to what was reserved.
journal_end() {
    python3 -c 'import struct, sys
data, at = open(sys.argv[1], "rb").read(), 8
while at + 8 <= len(data) and (length := struct.unpack_from("<I", data, at)[0]): at += 8 + length
print(at)' "$1"
}
# kill_server: by SIGKILL, the supervisor first where there is one; returns when they are gone.
kill_server() {
    local server parent
    server=$(server_pid)
    parent=$(ps -o ppid= -p "$server" | tr -d ' ')
    if [ "$(cat "/proc/$parent/comm")" = gmemfs ]; then
        kill -KILL "$parent"
        gone "$parent"
    fi
    crash_server "$server"
}
mounted() { grep -q " $1 " /proc/self/mountinfo; }
# gone PID: waits until the process has ended (10 s at the most). A server that is killed may still be copying a request:
# that one Linux answers with EIO by itself (docs/keeper.md), and none that comes when it is gone.
gone() {
    python3 -c 'import os, select, sys
try:
    sys.exit(0 if select.select([os.pidfd_open(int(sys.argv[1]))], [], [], 10)[0] else 1)
except ProcessLookupError:
    pass' "$1"
}

# crash_server [PID]: the server alone, or the process with this number, by SIGKILL; returns when it is gone. A server's
# supervisor starts another one.
crash_server() {
    local server=${1:-}
    [ -n "$server" ] || server=$(server_pid)
    kill -KILL "$server"
    gone "$server"
}

# lets_go_of_mounts [PATH]: in a mount namespace of its own: of all gmemfs mounts but that at PATH, which would not end while
# they are here, too.
lets_go_of_mounts() {
    mount --make-rprivate /
    awk -v kept="${1:-}" '$3 == "fuse.gmemfs" && $2 != kept { print $2 }' /proc/self/mounts | while read -r place; do
        umount -l "$place" || true
    done
}
has_driver() { grep -q libcuda.so.1 <<< "$(ldconfig -p)"; }
skip() { echo "skip: $*"; exit 77; }
needs_mount_namespaces() {
    needs_root
    unshare --mount true 2> /dev/null || skip "no mount namespace can be made here ($(unshare --mount true 2>&1)): a chroot's / is no mount point"
}
# remount_by_kernel OPTIONS: by mount(2). What a newer libmount does instead, fsconfig(2), Linux refuses for every FUSE mount.
remount_by_kernel() { LIBMOUNT_FORCE_MOUNT2=always mount -i -o "remount,$1" "$MNT"; }
needs_root() { [ "$(id -u)" = 0 ] || skip "this test needs root"; }
needs_linux_that_asks_again() {
    python3 -c 'import os, sys; sys.exit(tuple(map(int, os.uname().release.split(".")[:2])) < (6, 9))' ||
        skip "before Linux 6.9 the mount dies with its server"
}
needs_nobody_to_reach_it() {
    needs_root
    as_nobody test -x "$GMEMFS" -a -w /dev/fuse || skip "nobody can't reach $GMEMFS, or /dev/fuse, here"
    [ -e /etc/mtab ] || skip "no /etc/mtab here, without which fusermount3 unmounts nothing"
}
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
# same_on_tmpfs FUNCTION: in an empty folder of a tmpfs it prints what it prints in one of the mount; needs root.
same_on_tmpfs() {
    needs_root
    mkdir tmpfs "$MNT/same"
    mount -t tmpfs -o mode=755 none tmpfs
    mkdir tmpfs/same
    (set +ex; cd tmpfs/same && "$1") > tmpfs.said 2>&1 || true
    umount tmpfs
    (set +ex; cd "$MNT/same" && "$1") > gmemfs.said 2>&1 || true
    [ -s tmpfs.said ] || { echo "$1 said nothing"; return 1; }
    diff tmpfs.said gmemfs.said
}
# sanitizer_runtime: what an interpreter that isn't instrumented has to load before libraries that are.
sanitizer_runtime() {
    case ${SANITIZE:-} in
        address*) realpath "$("${CXX:-g++}" -print-file-name=libasan.so)" ;;
        thread*) realpath "$("${CXX:-g++}" -print-file-name=libtsan.so)" ;;
    esac
}
# peer_python [ARGUMENT...]: Python as a peer has it: the package gmemfs with this build's library and simulator, and
# tests/mount/peers/lives.py. What Python itself leaks isn't looked at.
peer_python() {
    LD_PRELOAD="$(sanitizer_runtime)" ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" \
        PYTHONPATH="$TESTS/peers:$TESTS/../../client/python" GMEMFS_LIBRARY="$BUILD/libgmemfs.so" \
        GMEMFS_DRIVER="$BUILD/sim/libcuda.so.1" python3 "$@"
}
# no_peers_left: waits until the server has heard that its peers have ended (10 s at the most).
no_peers_left() {
    local counts
    for _ in $(seq 200); do
        counts=$("$GMEMFS" stat --json "$MNT" | json 'd["peers"], d["leases"]')
        [ "$counts" != "(0, 0)" ] || return 0
        sleep 0.05
    done
    echo "peers and leases are left: $counts"
    return 1
}
# ring_requests: how many requests have come by io_uring.
ring_requests() { "$GMEMFS" stat --json "$MNT" | json 'd["ring_requests"]'; }

# ---- block devices
# serve FILE [OPTION...]: an NBD socket for a file; $NBD_SOCKET and $NBD are its path and its address.
serve() {
    local file=$1
    shift
    NBD_SOCKET=$PWD/nbd.socket
    NBD="nbd+unix:///?socket=$NBD_SOCKET"
    is "$("$GMEMFS" block "$file" --socket "$NBD_SOCKET" "$@")" "$NBD_SOCKET"
}
# device_says FILE EXPRESSION: Python over what the supervisor of FILE's device says of it.
device_says() {
    "$GMEMFS" block --list --json | python3 -c 'import json, sys
d = [device for device in json.load(sys.stdin) if device["file"] == sys.argv[1]][0]
print(eval(sys.argv[2]))' "$@"
}
# kill_supervisor FILE: that of FILE's device; waits until there is an orphan (20 s at the most).
kill_supervisor() {
    local supervisor
    supervisor=$(device_says "$1" 'd["supervisor"]')
    kill -KILL "$supervisor"
    gone "$supervisor"
    timeout 20 bash -c 'until "$1" block --list | grep -q "WITHOUT A SUPERVISOR"; do :; done' - "$GMEMFS"
}
# has_spare FILE: waits until a spare worker is warm (20 s at the most).
has_spare() {
    local end=$((SECONDS + 20))
    until [ "$(device_says "$1" 'd.get("spare", {}).get("state")')" = warm ]; do [ "$SECONDS" -lt "$end" ]; done
}
# has_parts FOLDER N: waits until a thin disk has memory for so many parts (10 s at the most), and no more than that.
has_parts() {
    local end=$((SECONDS + 10))
    until [ "$(find "$1" -name '[0-9]*' -size 64M | wc -l)" = "$2" ]; do
        [ "$SECONDS" -lt "$end" ] || { echo "expected $2 parts: $(ls "$1")"; return 1; }
    done
    is "$(du --block-size=1M --exclude=size --separate-dirs "$1" | cut -f 1)" $((64 * $2))
}
nbd_shell() { PATH=/usr/bin:$PATH nbdsh -u "$NBD" -c "$1"; } # Debian's Python has libnbd

# ---- programs whose memory is files
# soon CMD...: the command succeeds within 10 s.
soon() {
    for _ in $(seq 200); do
        ! "$@" > /dev/null 2>&1 || return 0
        sleep 0.05
    done
    echo "not within 10 s: $*"
    return 1
}
# needs_plain_pool: a sanitizer's runtime must be loaded before all else, and programs under `gmemfs run` have none.
needs_plain_pool() { ! grep -q '__[at]san_init' "$BUILD/libgmemfs-pool.so" || skip "the pool's library is built for a sanitizer"; }
# start_run OPTION... PROGRAM STEP...: `gmemfs run --pool $MNT/work ...`, until it waits; $PROGRAM_PID is the program's number.
# said LINE: what it says next. go_on: it goes on. end_run: it goes on, and ends well.
start_run() {
    coproc RUN { exec "$GMEMFS" run --pool "$MNT/work" "$@"; }
    PROGRAM_PID=$RUN_PID
}
said() {
    local line
    read -r -t 30 line <&"${RUN[0]}" || { echo "the program said nothing, for want of '$1'"; return 1; }
    is "$line" "$1"
}
go_on() { echo >&"${RUN[1]}"; }
end_run() { go_on; wait "$PROGRAM_PID"; }

# ---- other hosts
# here_as_host: commands `pull` and `push`, which run here what they would run on another host; by $RSH, or what that is then.
# (No functions: what `set -x` prints of one would be part of what it says.)
here_as_host() {
    export RSH=$PWD/rsh GMEMFS
    mkdir -p commands
    # shellcheck disable=SC2016
    [ -e rsh ] || printf '#!/bin/sh\nshift\nexec "$@"\n' > rsh
    for command in pull push; do
        # shellcheck disable=SC2016
        printf '#!/bin/sh\nexec "$GMEMFS" %s -e "$RSH" --remote-program "$GMEMFS" "$@"\n' "$command" > "commands/$command"
    done
    chmod +x rsh commands/*
    PATH=$PWD/commands:$PATH
}
# two_hosts NET: network namespaces $there and $here, joined by a veth pair with NET.1 and NET.2; `umount other` at the end.
# (A command goes there by nsenter --net: the mount namespace of `ip netns exec` would hold every mount of this machine.)
two_hosts() {
    needs_root
    there=gmemfs-there-$$ here=gmemfs-here-$$
    ip netns add "$there" || skip "no network namespaces"
    trap 'ip netns del "$there"; ip netns del "$here"; "$GMEMFS" umount other || true' EXIT
    ip netns add "$here"
    ip -n "$there" link add eth0 type veth peer name eth0 netns "$here" || skip "no veth"
    ip -n "$there" addr add "$1.1/24" dev eth0
    ip -n "$here" addr add "$1.2/24" dev eth0
    for host in "$there" "$here"; do ip -n "$host" link set eth0 up; ip -n "$host" link set lo up; done
}
needs_nixl() { [ -n "${GMEMFS_NIXL:-}" ] || [ -e "$TESTS/../../.nixl" ] || skip "no NIXL: make deps-nixl"; }
