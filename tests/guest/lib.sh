# lib: the words that scenarios in the guest share. The guest's init reads it before each; the shell is busybox's.
# shellcheck shell=dash

MNT=/mnt/gpu
HOG_GROUP=/sys/fs/cgroup/hog

fail() { echo "failed: $*"; exit 1; }
say() { read -r now _ < /proc/uptime; echo "[$now] $*"; }
is() { [ "$1" = "$2" ] && [ -n "$1" ] || fail "expected '$2', got '$1'"; }
# within SECONDS CMD...: asks again each second until it succeeds.
within() {
    local left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "not within its time: $*"
        sleep 1
    done
}

mount_gpu() { mkdir -p "$MNT" && gmemfs mount "$MNT" --simulate "$@"; }
# random FILE MIB: that many mebibytes of random bytes.
random() { dd if=/dev/urandom of="$1" bs=1M count="$2" 2> /dev/null; }

# hog_in_group LIMIT_MIB MIB [--stop]: hog in the background, as $HOG, in a group that has no more memory than this; hog.cpp
# says what it does. The rest of the guest isn't short of memory then: what it needs to look and to kill it has.
hog_in_group() {
    echo +memory > /sys/fs/cgroup/cgroup.subtree_control
    mkdir -p "$HOG_GROUP"
    echo $(($1 << 20)) > "$HOG_GROUP/memory.max"
    shift
    (read -r self _ < /proc/self/stat; echo "$self" > "$HOG_GROUP/cgroup.procs"; exec hog "$@") &
    HOG=$!
}
# hog_filled: waits until hog has stopped itself.
hog_filled() { within 90 grep -q '^State:.*stopped' "/proc/$HOG/status"; }
# hog_goes_on: to its end; the status is hog's.
hog_goes_on() { kill -CONT "$HOG"; wait "$HOG"; }
# swapped_out: mebibytes in swap.
swapped_out() { awk '/^SwapTotal/ { all = $2 } /^SwapFree/ { print int((all - $2) / 1024) }' /proc/meminfo; }
