# When both die the memory is gone: the next mount begins empty, and its log says how much was lost.
# server: killed
random_bytes 1M > "$MNT/f"
pid=$(server_pid)
kill -KILL "$(keeper_pid)" "$pid"
gone "$pid"
"$GMEMFS" umount "$MNT"
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
nothing ls -A "$MNT"
"$GMEMFS" umount "$MNT"
