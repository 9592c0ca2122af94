# ^C leaves nothing half under the final name, nor under any other, and the status of an interruption.
mkfifo pipe
exec 3<> pipe
"$GMEMFS" cp - "$MNT/file" < pipe & copy=$!
head -c 3000000 /dev/zero >&3
timeout 20 bash -c "until [ -n \"\$(ls -A '$MNT')\" ]; do :; done"
fails test -e "$MNT/file"
kill -TERM "$copy"
status=0
wait "$copy" || status=$?
is "$status" 130
is "$(ls -A "$MNT")" ""
exec 3>&-
