# A save that fails leaves everything: the mount is there again, `gmemfs umount` says why and what to do, no half snapshot is left.
# mount: none
needs_root
mkdir disk
mount -t tmpfs -o size=4m none disk
trap 'umount -l disk' EXIT
file=$PWD/disk/snapshot
# The log says a reason that is the same as before only once.
gave_up() { for _ in $(seq 200); do [ "$(grep -c "info: mounted $MNT" log)" = $(($1 + 1)) ] && mounted "$MNT" && return; sleep 0.05; done; false; }
for way in background foreground; do
    rm -f log disk/snapshot
    mount -o remount,size=4m disk
    options="--simulate=$SIZE --on-shutdown=save:$file --log=$PWD/log"
    if [ $way = background ]; then
        "$GMEMFS" mount "$MNT" $options
    else
        "$GMEMFS" mount "$MNT" $options -f < /dev/null &
        for _ in $(seq 400); do grep -qs "listens on" log && break; sleep 0.05; done
    fi
    grep -q "when it is full it can't be saved" log # the disk is smaller than the memory
    echo first > "$MNT/f"
    random_bytes 9M > "$MNT/large"
    sum=$(sha "$MNT/large")
    refuses "No space left on device); nothing is lost, $MNT is mounted again" "$GMEMFS" umount "$MNT"
    nothing ls -A disk
    is "$(sha "$MNT/large")" "$sum"
    # It is a mount as any other: its names come and go, its memory comes back, peers find its broker.
    is "$(xattr user.gmemfs.socket "$MNT")" "$MNT/.gmemfs.socket"
    used=$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')
    rm "$MNT/large"
    [ "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" -lt $((used - (8 << 20))) ]
    random_bytes 9M > "$MNT/large"
    sum=$(sha "$MNT/large")
    # A signal is answered in the same way.
    pid=$(server_pid)
    kill -TERM "$pid"
    gave_up 2
    is "$(server_pid)" "$pid"
    is "$(sha "$MNT/large")" "$sum"
    if [ $way = background ]; then # recovery is as ever
        kill -KILL "$pid"
        for _ in $(seq 100); do [ "$(server_pid 2> /dev/null || echo "$pid")" != "$pid" ] && break; sleep 0.05; done
        is "$(sha "$MNT/large")" "$sum"
        mount -o remount,size=20m disk
        "$GMEMFS" umount "$MNT"
        says large "$GMEMFS" restore --list "$file"
        mount -o remount,size=10m disk
        "$GMEMFS" mount "$MNT" $options
        is "$(sha "$MNT/large")" "$sum"
        random_bytes 3M > "$MNT/more"
        # What was saved before stays until something better is whole.
        refuses "No space" "$GMEMFS" umount "$MNT"
        "$GMEMFS" restore --check "$file"
    fi
    "$GMEMFS" umount --discard "$MNT"
    [ $way = background ] || wait $!
    nothing ls -A "$GMEMFS_RUNTIME_DIR"
done
