# A snapshot that can't be restored is no reason to begin empty, and to save that over it: the mount is refused.
# mount: none
# timeout: 120
mkdir kept
file=$PWD/kept/snapshot
options="--on-shutdown=save:$file --log=$PWD/log"
start() { "$GMEMFS" mount "$MNT" --simulate="$1" $options; }
start 256M
random_bytes 150M > "$MNT/f"
sum=$(sha "$MNT/f")
"$GMEMFS" umount "$MNT"
cp kept/snapshot whole
nothing_is_left() {
    fails mounted "$MNT"
    nothing keeper_pid
    nothing ls -A "$GMEMFS_RUNTIME_DIR"
}
# A device that is too small.
refuses "to begin empty, move $file away" "$GMEMFS" mount "$MNT" --simulate=64M $options
nothing_is_left
# Damage.
python3 -c 'with open("kept/snapshot", "r+b") as file:
    file.seek(60 << 20); file.write(b"damage")'
cp kept/snapshot damaged
refuses "to begin empty, move $file away" "$GMEMFS" mount "$MNT" --simulate=256M $options
nothing_is_left
cmp kept/snapshot damaged
cp whole kept/snapshot
# A server that is killed while it restores leaves half a snapshot to its keeper, which nobody is to see or save.
start 256M 2> said &
job=$!
for _ in $(seq 2000); do grep -q "$GMEMFS_RUNTIME_DIR" /proc/self/mountinfo && break; sleep 0.002; done
server=$(cat "$GMEMFS_RUNTIME_DIR"/*/lock)
kill -KILL "$server"
fails wait "$job"
[ -n "$(keeper_pid)" ]
fails mounted "$MNT"
start 256M
is "$(ls "$MNT")" f
is "$(sha "$MNT/f")" "$sum"
"$GMEMFS" umount "$MNT"
nothing_is_left
fails grep -q "$GMEMFS_RUNTIME_DIR" /proc/self/mountinfo
