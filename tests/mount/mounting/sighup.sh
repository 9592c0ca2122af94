# SIGHUP, to the server or its supervisor, opens the log anew where it was, and ends nothing.
# mount: none
"$GMEMFS" mount "$MNT" --simulate=64M --log="$PWD/log"
echo text > "$MNT/f"
pid=$(server_pid)
supervisor=$(ps -o ppid= -p "$pid" | tr -d ' ')
for who in "$pid" "$supervisor"; do
    mv log old
    kill -HUP "$who"
    for _ in $(seq 100); do [ -e log ] && break; sleep 0.05; done
    [ -e log ]
    is "$(server_pid)" "$pid"
done
crash_server
is "$(cat "$MNT/f")" text
for _ in $(seq 100); do grep -q "took over" log && break; sleep 0.05; done
grep -q "supervisor warning" log
grep -q "took over" log
fails grep -q "took over" old
"$GMEMFS" umount "$MNT"
grep -q "unmounted" log
