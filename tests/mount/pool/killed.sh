# The files of a program that is killed go, and their directory, also where nothing was left in it.
needs_plain_pool
start_run "$BUILD/pool/program" needed alloc=3000 alloc=40000000 wait
said ready
is "$(ls "$MNT/work/program.$PROGRAM_PID" | wc -l)" 2
kill -KILL "$PROGRAM_PID"
wait "$PROGRAM_PID" || true
soon test ! -e "$MNT/work/program.$PROGRAM_PID"
start_run "$BUILD/pool/program" needed alloc=40000000 free wait
said ready
is "$(ls "$MNT/work/program.$PROGRAM_PID" | wc -l)" 0
kill -KILL "$PROGRAM_PID"
wait "$PROGRAM_PID" || true
soon test ! -e "$MNT/work/program.$PROGRAM_PID"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
