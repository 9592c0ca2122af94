# The keeper is dead: `stat` says so at once, `restart` refuses, because another server would have no files, and a crash ends the mount.
# mount: none
# server: killed
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log"
random_bytes 3M > "$MNT/f"
sum=$(sha "$MNT/f")
pid=$(server_pid)
crash_server "$(keeper_pid)"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["keeper"]')" dead
refuses "copy out first what matters" "$GMEMFS" restart "$MNT"
kill -USR2 "$pid"
for _ in $(seq 100); do grep -q "asked to restart, which would lose the files" log && break; sleep 0.05; done
is "$(server_pid)" "$pid"
is "$(sha "$MNT/f")" "$sum"
supervisor=$(ps -o ppid= -p "$pid" | tr -d ' ')
kill -KILL "$pid"
gone "$supervisor"
is "$(errno_of "os.listdir('$MNT')")" ENOTCONN
"$GMEMFS" umount "$MNT"
