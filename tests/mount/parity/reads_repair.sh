# options: --ecc=on --verify-reads --allow-inject
# Bits that turn in device memory are put right before a reader sees them, and counted.
random_bytes 8000000 > good
cp good "$MNT/f"
sync "$MNT/f"
"$GMEMFS" inject "$MNT/f" --bits 60 --seed 7
fails "$GMEMFS" verify "$MNT/f" > said
grep -qE 'f: [0-9]+ of 62 blocks wrong: bytes ' said
is "$("$GMEMFS" stat --json "$MNT" | json 'd["parity"]["blocks_repaired"]')" 0
cmp good "$MNT/f"
[ "$("$GMEMFS" stat --json "$MNT" | json 'd["parity"]["blocks_repaired"]')" -gt 20 ]
"$GMEMFS" verify "$MNT/f"
is "$(xattr user.gmemfs.ecc "$MNT/f")" current
