# Somebody removes the runtime folder: it is made again, and restart and crash lose nothing. Where it can't be, restart refuses, and a
# crash ends the mount, which never comes back without its files.
# mount: none
# server: killed
needs_linux_that_asks_again
mkdir base
export GMEMFS_RUNTIME_DIR=$PWD/base/gmemfs
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log"
random_bytes 5M > "$MNT/f"
sum=$(sha "$MNT/f")
again() { for _ in $(seq 100); do ls base/gmemfs/*/{keeper.sock,lock,journal} > all 2>&1 && return; sleep 0.05; done; false; }
for what in base/gmemfs 'base/gmemfs/*/journal' 'base/gmemfs/*/lock' 'base/gmemfs/*/keeper.sock'; do
    for _ in 1 2; do
        pid=$(server_pid)
        rm -rf $what
        "$GMEMFS" restart "$MNT"
        differs "$(server_pid)" "$pid"
        is "$(sha "$MNT/f")" "$sum"
    done
    rm -rf $what
    again
    pid=$(server_pid)
    crash_server "$pid"
    is "$(sha "$MNT/f")" "$sum"
    echo "$what" > "$MNT/last"
done
is "$(pgrep -fc "^gmemfs keeper .* $MNT\$")" 1
# Also where supervisor and server are killed: `gmemfs mount` finds it.
rm -rf base/gmemfs
again
kill_server
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log"
is "$(sha "$MNT/f")" "$sum"
is "$(cat "$MNT/last")" 'base/gmemfs/*/keeper.sock'
# It can't be made again.
rm -rf base
pid=$(server_pid)
refuses "its runtime folder was removed" "$GMEMFS" restart "$MNT"
refuses "its runtime folder was removed" "$GMEMFS" restart "$MNT"
is "$(server_pid)" "$pid"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["runtime_folder"]["lost"]')" True
grep -q "can't be made again" log
is "$(sha "$MNT/f")" "$sum"
supervisor=$(ps -o ppid= -p "$pid" | tr -d ' ')
kill -KILL "$pid"
gone "$supervisor"
is "$(errno_of "os.listdir('$MNT')")" ENOTCONN
grep -q "supervisor error: .*make runtime folder" log
umount "$MNT" || fusermount3 -u "$MNT"
kill "$(keeper_pid)"
