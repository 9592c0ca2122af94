# What is there is written into: no room for both is needed, a peer that has it mapped sees the new bytes, and its memory stays.
# size: 128M
# options: -o allow_other
random_bytes 70M > one
random_bytes 70M > two
cp one "$MNT/f"
ids() { "$GMEMFS" stat --json "$MNT/f" | json '[e["id"] for e in d["extents"]]'; }
before=$(ids)
"$GMEMFS" cp two "$MNT/f"
is "$(sha "$MNT/f")" "$(sha two)"
is "$(ids)" "$before"
is "$("$GMEMFS" cp --verify --json one "$MNT/f" | json 'd["bytes"]')" $((70 << 20))
is "$(sha "$MNT/f")" "$(sha one)"
refuses "No space left" "$GMEMFS" cp --atomic two "$MNT/f"
is "$(sha "$MNT/f")" "$(sha one)"
# Shorter and longer ones end where they end.
random_bytes 30000001 > short
"$GMEMFS" cp short "$MNT/f"
cmp short "$MNT/f"
"$GMEMFS" cp two "$MNT/f"
cmp two "$MNT/f"
printf x > tiny
"$GMEMFS" cp tiny "$MNT/f"
is "$(cat "$MNT/f")" x
# Out into a file that is there, as well; by a user who may write to it but not read it.
cp two "$MNT/f"
random_bytes 80M > out
inode=$(stat -c %i out)
"$GMEMFS" cp "$MNT/f" out
cmp two out
is "$(stat -c %i out)" "$inode"
needs_root
chmod 755 .
rm "$MNT/f"
head -c 4500000 two > "$MNT/read"
install -m 222 /dev/null "$MNT/write_only"
as_nobody "$GMEMFS" cp "$MNT/read" "$MNT/write_only"
cmp "$MNT/read" "$MNT/write_only"
