# A server that follows one that has dropped files which nobody had looked at.
# mount: none
# size: 512M
needs_plain_pool
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
start_run "$BUILD/pool/program" needed alloc=40000000 free wait alloc=50000000 wait
said ready
crash_server
is "$(ls -A "$MNT/work")" "program.$PROGRAM_PID"
go_on
said ready
kill -KILL "$PROGRAM_PID"
wait "$PROGRAM_PID" || true
no_peers_left
crash_server
soon test ! -e "$MNT/work/program.$PROGRAM_PID"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
"$GMEMFS" umount "$MNT"
