# A program doesn't notice that the server is replaced, or killed: its files are there again, it makes others, and all of them
# go with it.
# mount: none
# size: 512M
needs_plain_pool
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
start_run "$BUILD/pool/program" needed alloc=40000000 write=4 read=4 wait alloc=50000000 write=5 read=5 wait free free alloc=60000000 wait
said ready
here=$MNT/work/program.$PROGRAM_PID
crash_server
expect_error "Device or resource busy" rm -f "$here"/alloc-000000*
is "$(head -c 40000000 "$here"/alloc-000000* | tr -d '\4' | wc -c)" 0
go_on
said ready
is "$(head -c 50000000 "$here"/alloc-000001* | tr -d '\5' | wc -c)" 0
"$GMEMFS" restart "$MNT"
go_on
said ready
is "$(ls "$here" | wc -l)" 1
crash_server
kill -KILL "$PROGRAM_PID"
wait "$PROGRAM_PID" || true
soon test ! -e "$here"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
"$GMEMFS" umount "$MNT"
