# A target without room: one line with ENOSPC, the file that is there stays, nothing else is left, and smaller files still come.
# size: 64M
here_as_host
mkdir there
random_bytes 100000000 > there/large
echo small > there/small
echo old > "$MNT/large"
free() { "$GMEMFS" df --json | json '[m["available"] for m in d if m["mount"] == "'"$MNT"'"][0]'; }
before=$(free)
refuses "95.4 MiB: \`gmemfs df\` tells what is free" pull host:"$PWD/there/large" "$MNT/large"
refuses "No space left on device" pull -r host:"$PWD/there" "$MNT"
is "$(cat "$MNT/large")" old
is "$(cat "$MNT/small")" small
is "$(find "$MNT" -type f | sort | xargs -n 1 basename | tr '\n' ' ')" "large small "
[ "$(free)" -ge $((before - 4194304)) ] || { free; exit 1; }
# With --resume a part stays where there is room for it, and none where there isn't.
refuses "No space left on device" pull --resume host:"$PWD/there/large" "$MNT/large"
is "$(find "$MNT" -name '.gmemfs-part*' -size +0 | wc -l)" 0
