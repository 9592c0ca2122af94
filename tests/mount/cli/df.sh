# df tells of one mount, or of all.
truncate -s 8M "$MNT/f"
says "$MNT" "$GMEMFS" df "$MNT"
"$GMEMFS" df > all 2> /dev/null || true # 1 where another mount of this machine is dead: not this one's affair
grep -q "$MNT" all
is "$("$GMEMFS" df "$MNT" --json | json '[(m["size"], m["used"]) for m in d]')" "[($((256 << 20)), $((8 << 20)))]"
refuses "/proc is on no gmemfs mount" "$GMEMFS" df /proc
