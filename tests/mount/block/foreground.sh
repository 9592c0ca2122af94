# -f: the command is the supervisor: it ends with the device, by ^C too, and tells what it does on its own terminal.
truncate -s 8M "$MNT/disk"
"$GMEMFS" block "$MNT/disk" --socket s -f > said 2> complaints &
supervisor=$!
timeout 20 bash -c 'until [ -s said ]; do :; done'
is "$(cat said)" "$PWD/s"
is "$(device_says "$MNT/disk" 'd["supervisor"]')" "$supervisor"
kill -TERM "$supervisor"
status=0
wait "$supervisor" || status=$?
is "$status" 0
fails test -e s
fails grep -q "$MNT/disk" <<< "$("$GMEMFS" block --list)"
