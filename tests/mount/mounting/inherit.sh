# Whatever the process that starts a mount has open, ignored, blocked or limited: server, supervisor and keeper have nothing of it,
# the command returns, a crash is survived, a save is made, and nothing is held when it is over.
# mount: none
# timeout: 240
needs_linux_that_asks_again
mkdir kept
hostile() { timeout 60 python3 "$TESTS/mounting/inherit.py" "$@" 2> said; }
parent_of() { ps -o ppid= -p "$1" | tr -d ' '; }
kinds=$(python3 "$TESTS/mounting/inherit.py" --kinds)
[ "$(wc -w <<< "$kinds")" -gt 10 ]
for kind in $kinds; do
    hostile "$kind" "$GMEMFS" mount "$MNT" --simulate=64M --on-shutdown="save:$PWD/kept/$kind"
    pid=$(server_pid)
    supervisor=$(parent_of "$pid")
    python3 "$TESTS/mounting/inherit.py" --look "$pid" "$supervisor" "$(keeper_pid)"
    echo "$kind" > "$MNT/f"
    crash_server
    is "$(cat "$MNT/f")" "$kind"
    pid=$(server_pid)
    is "$(parent_of "$pid")" "$supervisor"
    python3 "$TESTS/mounting/inherit.py" --look "$pid" "$(keeper_pid)"
    hostile "$kind" "$GMEMFS" umount "$MNT"
    gone "$supervisor"
    says " f$" "$GMEMFS" restore --list "kept/$kind"
done
# A script's lock is free when the script has ended, though the mount goes on; a pipeline ends.
exec 9> lock
flock -n 9
{ "$GMEMFS" mount "$MNT" --simulate=64M 4>&1 > /dev/null; } | cat
exec 9>&-
flock -n lock true
"$GMEMFS" umount "$MNT"
# In the foreground, too.
hostile all-ignored "$GMEMFS" mount -f "$MNT" --simulate=64M 9> lock < /dev/null &
for _ in $(seq 200); do mounted "$MNT" && break; sleep 0.05; done
flock -n lock true
kill -INT "$(server_pid)"
wait $!
fails mounted "$MNT"
