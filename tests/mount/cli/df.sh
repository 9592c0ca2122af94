# df tells of one mount, or of all.
truncate -s 8M "$MNT/f"
"$GMEMFS" df "$MNT" | grep -q "$MNT"
"$GMEMFS" df > all 2> /dev/null || true # 1 where another mount of this machine is dead: not this one's affair
grep -q "$MNT" all
"$GMEMFS" df "$MNT" --json | json 'len(str(d))' > /dev/null
refuses "/proc" "$GMEMFS" df /proc
