# options: --ecc=on --allow-inject
# A packed file has parity of its own: verify and scrub work on what is packed; reading and waking mend what can be mended.
weights 9000001 --mixed > model
pack() {
    cp model "$MNT/$1"
    "$GMEMFS" pack "$MNT/$1"
    is "$(where "$MNT/$1") $(xattr user.gmemfs.ecc "$MNT/$1")" "packed current"
}
pack scrubbed
"$GMEMFS" verify "$MNT/scrubbed"
"$GMEMFS" inject "$MNT/scrubbed" --bits 12
is "$(status_of "$GMEMFS" verify "$MNT/scrubbed")" 1
"$GMEMFS" scrub --json "$MNT/scrubbed" > said
is "$(json '[(f["wrong"] == f["repaired"] > 0, f["left_wrong"]) for f in d["files"]]' < said)" "[(True, 0)]"
"$GMEMFS" verify "$MNT/scrubbed"
is "$(where "$MNT/scrubbed")" packed
cmp model "$MNT/scrubbed"
# Read, and woken, with damage in a chunk and in the table.
for block in 0 2; do
    pack "read$block"
    "$GMEMFS" inject "$MNT/read$block" --block $block --bits 20 --seed $block
    cmp model "$MNT/read$block"
    is "$(where "$MNT/read$block")" packed
    pack "woken$block"
    "$GMEMFS" inject "$MNT/woken$block" --block $block --bits 20
    "$GMEMFS" unpack "$MNT/woken$block"
    cmp model "$MNT/woken$block"
    "$GMEMFS" verify "$MNT/woken$block"
done
# What was damaged before it is packed is mended first, and what is beyond that isn't packed.
cp model "$MNT/before"
sync "$MNT/before"
"$GMEMFS" inject "$MNT/before" --bits 12
"$GMEMFS" pack "$MNT/before"
is "$(where "$MNT/before")" packed
cmp model "$MNT/before"
cp model "$MNT/lost"
sync "$MNT/lost"
"$GMEMFS" inject "$MNT/lost" --block 3 --bits 30000
refuses "can't be packed: it is damaged" "$GMEMFS" pack "$MNT/lost"
is "$(where "$MNT/lost")" device
# After a change the parity of the plain bytes is current again.
printf x | dd of="$MNT/scrubbed" bs=1 seek=3000000 conv=notrunc status=none
printf x | dd of=model bs=1 seek=3000000 conv=notrunc status=none
is "$(where "$MNT/scrubbed") $(xattr user.gmemfs.ecc "$MNT/scrubbed")" "device current"
"$GMEMFS" verify "$MNT/scrubbed"
cmp model "$MNT/scrubbed"
