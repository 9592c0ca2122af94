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

# told_of WORD: the process that `gmemfs block --list` says is the only device's worker, spare or supervisor.
told_of() {
    gmemfs block --list --json | tr -d ' \n' > told
    sed -n "s/.*\"$1\":{\"pid\":\([0-9]*\).*/\1/p; s/.*\"$1\":\([0-9]*\).*/\1/p" told
}
worker_pid() { told_of worker; }
supervisor_pid() { told_of supervisor; }
server_pid() { gmemfs stat --json "$MNT" | tr -d ' \n' | sed -n 's/.*"server_pid":\([0-9]*\).*/\1/p'; }
has_spare() { [ -n "$(told_of spare)" ]; }
door() { [ "$1" = nbd ] && echo --nbd=/dev/nbd0 || echo "--$1"; }
# block DOOR SIZE [OPTION...]: $DEVICE, over a file of a mount that is made for it.
block() {
    local door size=$2
    door=$(door "$1")
    shift 2
    mount_gpu
    DEVICE=$(gmemfs block "$MNT/disk" --size "$size" "$door" "$@")
    say "$DEVICE"
    within 30 has_spare
}
detach() {
    gmemfs block --detach "$DEVICE"
    gmemfs umount "$MNT"
}
# swap_on DOOR SIZE [OPTION...]: swap on $DEVICE, over such a file.
swap_on() {
    local door size=$2
    door=$(door "$1")
    [ "$1" != nbd ] || sysctl -w vm.min_free_kbytes=16384
    shift 2
    mount_gpu
    DEVICE=$(gmemfs swap on "$MNT/swap" --size "$size" "$door" "$@")
    say "$DEVICE"
    within 30 has_spare
}
swap_off() {
    gmemfs swap off
    gmemfs umount "$MNT"
}

# swapped_and_killed VICTIM: in each of $ROUNDS, pages go out, the process that this command prints is killed, and all
# comes back; a supervisor is replaced afterwards.
swapped_and_killed() {
    local round=0 victim
    while [ "$round" -lt "$ROUNDS" ]; do
        round=$((round + 1))
        hog_in_group 64 224 --stop
        hog_filled
        [ "$(swapped_out)" -ge 155 ] || fail "only $(swapped_out) MiB are out"
        victim=$("$1")
        say "round $round: $(swapped_out) MiB are out, $victim is killed"
        kill -KILL "$victim"
        hog_goes_on
        [ "$1" != supervisor_pid ] || gmemfs block --adopt "$DEVICE"
    done
}
# under_pressure MIB [--kill PID COUNTER COUNT]: hog with more memory than the guest has, and a witness. Nothing that isn't
# locked can be relied on meanwhile, this shell included.
under_pressure() {
    local size=$1
    shift
    # shellcheck disable=SC2046
    witness "$@" --stacks $(pidof gmemfs-block) &
    WITNESS=$!
    hog "$size"
    kill "$WITNESS"
    wait "$WITNESS" || true
}
# pressed MIB: ROUNDS times.
pressed() {
    local round=0
    while [ "$round" -lt "$ROUNDS" ]; do
        round=$((round + 1))
        under_pressure "$1"
    done
}
# under_pressure_and_killed: $ROUNDS times; the worker is killed while pages go out, or come in, at another moment each time.
under_pressure_and_killed() {
    local round=0 counter
    while [ "$round" -lt "$ROUNDS" ]; do
        round=$((round + 1))
        within 60 has_spare
        [ $((round % 2)) = 1 ] && counter=pswpout || counter=pswpin
        under_pressure 230 --kill "$(worker_pid)" "$counter" $((round * 7919 % 60000))
    done
}

# ext4_and_killed VICTIM: in each of $ROUNDS, files are written and one is removed, the process that this command prints is
# killed meanwhile, and the filesystem is whole and has the bytes.
ext4_and_killed() {
    local round=0 writer
    random in 24
    mkfs.ext4 -q "$DEVICE"
    mkdir -p /mnt/disk
    while [ "$round" -lt "$ROUNDS" ]; do
        round=$((round + 1))
        within 60 has_spare
        mount "$DEVICE" /mnt/disk
        (cp in /mnt/disk/first && sync && cp in /mnt/disk/second && sync && rm /mnt/disk/first &&
            cp -r /scenario /mnt/disk/small) &
        writer=$!
        usleep $((round * 7919 % 1500 * 1000))
        kill -KILL "$("$1")"
        wait "$writer" || fail "round $round: the writer saw an error"
        umount /mnt/disk
        e2fsck -fn "$DEVICE" || fail "round $round: e2fsck found damage"
        mount "$DEVICE" /mnt/disk
        cmp in /mnt/disk/second
        rm -r /mnt/disk/second /mnt/disk/small
        umount /mnt/disk
    done
}
