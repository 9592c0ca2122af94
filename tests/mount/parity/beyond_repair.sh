# options: --ecc=on --verify-reads --allow-inject
# More than can be mended: EIO on that block, the range on the log, all else as it was, and the state says it.
random_bytes 2000000 > good
cp good "$MNT/f"
sync "$MNT/f"
"$GMEMFS" inject "$MNT/f" --block 3 --bits 30000
is "$(errno_of "f = os.open('$MNT/f', os.O_RDONLY); os.pread(f, 100, 3 * 131072 + 5)")" EIO
is "$(xattr user.gmemfs.ecc "$MNT/f")" damaged
grep -q 'bytes 393221 to 393321 are damaged beyond repair' "$LOG"
cmp -n $((3 << 17)) good "$MNT/f"
cmp -i $((4 << 17)) good "$MNT/f"
expect_error "Input/output error" cp "$MNT/f" copy
fails "$GMEMFS" scrub "$MNT/f" > said
grep -q '1 of 16 blocks wrong, 0 repaired, the others beyond repair: bytes 393216 to 524288' said
is "$("$GMEMFS" scrub --json "$MNT" | json 'd["files"][0]["left_wrong_blocks"]')" "[3]"
# Written anew, it is whole.
dd if=good of="$MNT/f" bs=128K skip=3 seek=3 count=1 conv=notrunc status=none
is "$(xattr user.gmemfs.ecc "$MNT/f")" current
cmp good "$MNT/f"
"$GMEMFS" verify -q "$MNT"
