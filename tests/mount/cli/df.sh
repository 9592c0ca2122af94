# df tells of one mount, or of all.
truncate -s 8M "$MNT/f"
"$GMEMFS" df "$MNT" | grep -q "$MNT"
"$GMEMFS" df | grep -q "$MNT"
"$GMEMFS" df "$MNT" --json | json 'len(str(d))' > /dev/null
refuses "/proc" "$GMEMFS" df /proc
