# A server that is stopped can be let go, and keeps nobody who asks: stat and df say so within seconds, umount --lazy at once.
# mount: none
"$GMEMFS" mount "$MNT" --simulate=64M
echo text > "$MNT/f"
pid=$(server_pid)
kill -STOP "$pid"
trap 'kill -CONT "$pid" 2> /dev/null || true' EXIT
for command in "stat $MNT" "stat $MNT/f" "df $MNT" "df $MNT/f" "restart $MNT" "umount $MNT"; do
    refuses "doesn't answer" timeout 20 "$GMEMFS" $command
done
timeout 60 "$GMEMFS" df > all 2>&1 || true
grep -q "$MNT: it doesn't answer" all
mounted "$MNT"
timeout 3 "$GMEMFS" umount --lazy "$MNT"
fails mounted "$MNT"
kill -CONT "$pid"
gone "$pid"
trap - EXIT
