# A server in the background that dies is there again within a second, and what was open goes on.
# mount: none
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log"
echo before > "$MNT/f"
exec 7<> "$MNT/f"
(for index in $(seq 1 200); do echo "line $index"; sleep 0.005; done > "$MNT/lines") &
writer=$!
crash=SEGV
[[ ${SANITIZE:-} != address* ]] || crash=ABRT # AddressSanitizer reports the other one
for signal in KILL $crash; do
    pid=$(server_pid)
    kill -$signal "$pid"
    gone "$pid"
    differs "$(server_pid)" "$pid"
done
is "$(cat <&7)" before
echo after >&7
is "$(cat "$MNT/f")" "$(printf 'before\nafter')"
rm "$MNT/f"
pid=$(server_pid)
crash_server "$pid"
echo "without a name" >&7
is "$(cat "/dev/fd/7" | tail -1)" "without a name"
exec 7>&-
wait "$writer"
for index in $(seq 1 200); do echo "line $index"; done | cmp - "$MNT/lines"
grep -q "ended by signal $(kill -l $crash): starting another one" log
"$GMEMFS" umount "$MNT"
