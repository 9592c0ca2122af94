# A killed save leaves nothing; what a killed restore leaves, the next one removes, also where both have the same process id.
# A device that takes its time, so that what is killed is at work.
# env: GMEMFS_SIM_FAULTS=cuMemcpyHtoDAsync~20ms
needs_root
ended() { for _ in $(seq 200); do pgrep -f "$1" > /dev/null || return 0; sleep 0.05; done; return 1; } # unshare(1) ends before its child
# opens PID PATTERN: returns when the child of unshare(1) has a file open whose path matches; fails when it has ended before.
opens() {
    timeout 20 bash -c 'until child=$(pgrep -P "$0") && ls -l "/proc/$child/fd" 2> /dev/null | grep -q "$1"; do
        kill -0 "$0" || exit 1
    done' "$1" "$2"
}
mkdir source out
random_bytes 100M > source/large
cp source/large "$MNT/large"
for attempt in 1 2 3; do
    GMEMFS_SIM_FAULTS="cuMemcpyDtoHAsync~50ms" unshare -mpf --mount-proc --kill-child "$GMEMFS" save "$MNT" out/snapshot & save=$!
    opens "$save" "/out/#[0-9]*"
    kill -KILL "$save"
    status=0
    wait "$save" || status=$?
    is "$status" 137
    ended "save $MNT out/snapshot"
    fails test -e out/snapshot
    nothing ls -A out
done
rm "$MNT/large"
"$GMEMFS" save source out/snapshot
used() { "$GMEMFS" stat --json "$MNT" | json 'd["used"]'; }
before=$(used)
for attempt in 1 2; do
    unshare -mpf --mount-proc --kill-child "$GMEMFS" restore --threads 1 out/snapshot "$MNT" & restore=$!
    opens "$restore" "$MNT/.gmemfs-restore[^/]*/1$" # in a chroot, below what it is for others
    kill -KILL "$restore"
    status=0
    wait "$restore" || status=$?
    is "$status" 137
    ended "restore --threads 1 out/snapshot $MNT"
    [ -n "$(ls -A "$MNT")" ]
    fails test -e "$MNT/large"
done
"$GMEMFS" restore out/snapshot "$MNT"
is "$(ls -A "$MNT")" large
cmp source/large "$MNT/large"
rm "$MNT/large"
for _ in $(seq 100); do [ "$(used)" != "$before" ] || break; done
is "$(used)" "$before"
# One that is at work isn't disturbed by another one.
mkdir source/other
mv source/large source/other
"$GMEMFS" save source/other out/other
mkdir small
echo x > small/x
"$GMEMFS" save small out/small
"$GMEMFS" restore --threads 1 out/other "$MNT" & restore=$!
timeout 20 bash -c 'until [ -n "$(ls -A "$0")" ]; do :; done' "$MNT"
"$GMEMFS" restore out/small "$MNT"
wait "$restore"
cmp source/other/large "$MNT/large"
is "$(cat "$MNT/x")" x
