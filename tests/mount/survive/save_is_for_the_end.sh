# gmemfs restart and a server that dies save nothing, and what goes on afterwards is the mount, not the old snapshot.
# mount: none
needs_linux_that_asks_again
mkdir kept
file=$PWD/kept/snapshot
start() { "$GMEMFS" mount "$MNT" --simulate="$SIZE" --on-shutdown="save:$file" --log="$PWD/log"; }
start
echo old > "$MNT/f"
"$GMEMFS" umount "$MNT"
start
is "$(cat "$MNT/f")" old
echo new > "$MNT/f"
sum=$(sha "$file")
"$GMEMFS" restart "$MNT"
is "$(cat "$MNT/f")" new
pid=$(server_pid)
crash_server "$pid"
is "$(cat "$MNT/f")" new
differs "$(server_pid)" "$pid"
is "$(sha "$file")" "$sum"
# Supervisor and server: `gmemfs umount` doesn't give up what is to be saved, and `gmemfs mount` has it.
kill_server
refuses "the keeper has its files" "$GMEMFS" umount "$MNT"
start
is "$(cat "$MNT/f")" new
"$GMEMFS" umount "$MNT"
start
is "$(cat "$MNT/f")" new
# When the keeper is gone, too, there is nothing but the snapshot.
echo lost > "$MNT/f"
server=$(server_pid)
kill -KILL "$(ps -o ppid= -p "$server" | tr -d ' ')" "$(keeper_pid)" "$server"
gone "$server"
"$GMEMFS" umount "$MNT"
start
is "$(cat "$MNT/f")" new
kill_server
"$GMEMFS" umount --discard "$MNT"
nothing keeper_pid
