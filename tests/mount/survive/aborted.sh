# Whoever aborts the connection of a mount loses what was open, and no file: it is mounted again, as it was.
# mount: none
needs_root
[ -d /sys/fs/fuse/connections ] || skip "no /sys/fs/fuse/connections here"
mountpoint -q /sys/fs/fuse/connections || mount -t fusectl none /sys/fs/fuse/connections || skip "no fusectl here"
abort() { echo 1 > "/sys/fs/fuse/connections/$(awk -v at="$MNT" '$5 == at { split($3, n, ":"); print n[2] }' /proc/self/mountinfo | tail -1)/abort"; }
back() { for _ in $(seq 100); do cat "$MNT/f" 2> /dev/null && return; sleep 0.1; done; cat log >&2; return 1; }
mkdir kept moved
for how in background foreground --keeper=off --on-shutdown="save:$PWD/kept/snapshot"; do
    case $how in
    background) "$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log" ;;
    foreground)
        "$GMEMFS" mount -f "$MNT" --simulate="$SIZE" --log="$PWD/log" &
        for _ in $(seq 200); do mounted "$MNT" && break; sleep 0.05; done
        ;;
    *) "$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log" "$how" ;;
    esac
    echo "$how" > "$MNT/f"
    random_bytes 5M > "$MNT/large"
    sum=$(sha "$MNT/large")
    exec 7< "$MNT/f"
    fails umount -f "$MNT" # busy; the kernel has aborted it by then
    is "$(back)" "$how"
    exec 7<&-
    abort
    is "$(back)" "$how"
    mount --move "$MNT" moved 2> /dev/null && { # not where mounts propagate
        mount --move moved "$MNT"
        is "$(back)" "$how"
    }
    is "$(sha "$MNT/large")" "$sum"
    case $how in background | --on-shutdown*)
        abort # and the server dies of something else meanwhile
        kill -KILL "$(sed -n 's/.*gmemfs\[\([0-9]*\)\] fuse info: mounted .*/\1/p' log | tail -1)"
        is "$(back)" "$how"
        "$GMEMFS" restart "$MNT" ;;
    esac
    is "$(sha "$MNT/large")" "$sum"
    pid=$(server_pid)
    fails [ -s kept/snapshot ] # nobody has ended it on purpose
    if [ "$how" = foreground ]; then umount -f "$MNT"; else "$GMEMFS" umount "$MNT"; fi # idle: that is the end
    gone "$pid"
    fails mounted "$MNT"
    nothing ls -A "$MNT"
done
grep -q "was aborted: mounting it again" log
[ -s kept/snapshot ]
