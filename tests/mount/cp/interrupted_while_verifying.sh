# ^C is heard at once while a copy is verified, as in every phase, and the status is 130.
# size: 1G
# timeout: 120
truncate -s 250M "$MNT/source"
"$GMEMFS" cp --verify --quiet "$MNT/source" "$MNT/target" & copy=$!
# The digest of so much takes the simulator seconds; it is asked for when all is copied.
used() { "$GMEMFS" stat --json "$MNT" | json 'd["used"]'; }
until [ "$(used)" -ge 500000000 ]; do kill -0 "$copy"; done
timeout 60 bash -c 'until pgrep -P "$0" > /dev/null; do kill -0 "$0" || exit 1; done' "$copy"
asking=$(pgrep -P "$copy")
began=$(date +%s%N)
kill -INT "$copy"
status=0
wait "$copy" || status=$?
is "$status" 130
[ $(( ($(date +%s%N) - began) / 1000000 )) -lt 1500 ]
fails test -e "$MNT/target"
for process in $asking; do timeout 60 tail --pid="$process" -f /dev/null; done # the kernel lets them go when the server has answered
