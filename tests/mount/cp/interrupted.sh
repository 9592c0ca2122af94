# ^C leaves nothing half under the final name, nor under any other, and the status of an interruption.
used() { "$GMEMFS" stat --json "$MNT" | json 'd["used"]'; }
before=$(used)
mkfifo pipe
exec 3<> pipe
"$GMEMFS" cp - "$MNT/file" < pipe & copy=$!
head -c 3000000 /dev/zero >&3
for attempt in $(seq 100); do [ "$(used)" -lt 2000000 ] || break; done
[ "$(used)" -ge 2000000 ]
nothing ls -A "$MNT" # nobody sees it before it is whole
kill -TERM "$copy"
status=0
wait "$copy" || status=$?
is "$status" 130
nothing ls -A "$MNT"
is "$(used)" "$before"
exec 3>&-
