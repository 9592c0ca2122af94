# ^C is heard at once while a copy is verified, as in every phase, and the status is 130.
# size: 2G
# timeout: 120
truncate -s 700M "$MNT/source"
"$GMEMFS" cp --verify --quiet "$MNT/source" "$MNT/target" & copy=$!
# The digest of so much takes the simulator seconds; it is asked for when all is copied.
timeout 60 bash -c 'until [ "$("$GMEMFS" stat --json "$MNT" | python3 -c "import json, sys; print(json.load(sys.stdin)[\"used\"])")" -ge 1400000000 ]; do :; done'
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
