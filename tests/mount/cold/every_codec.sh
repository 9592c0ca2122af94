# Zeros, one word again and again, values of 2 and of 4 bytes, and what can't be packed: each chunk by its own codec.
weights 9000001 --mixed > model
cp model "$MNT/model"
is "$("$GMEMFS" pack "$MNT/model")" "$MNT/model: 10 MiB -> 6 MiB (1.67)"
is "$(xattr user.gmemfs.residence "$MNT/model" | json 'd["codecs"]')" "{'bf16': 25, 'fill': 9, 'fp32': 17, 'raw': 9, 'zero': 9}"
cmp model "$MNT/model"
"$GMEMFS" unpack "$MNT/model"
cmp model "$MNT/model"
# A file of zeros alone takes one granule.
truncate -s 64M "$MNT/zeros"
is "$("$GMEMFS" pack "$MNT/zeros")" "$MNT/zeros: 64 MiB -> 2 MiB (32.00)"
is "$(xattr user.gmemfs.residence "$MNT/zeros" | json 'd["codecs"]')" "{'zero': 512}"
is "$(sha "$MNT/zeros")" "$(zeros 64M)"
# Sizes about the edges of a chunk, of a window and of a granule.
for size in 8388608 4194305 4325375 4325376 4325377 6291455 6291457; do
    weights $size --mixed --seed $size > model
    cp model "$MNT/edge"
    "$GMEMFS" pack "$MNT/edge"
    is "$(where "$MNT/edge")" packed
    cmp model "$MNT/edge"
    "$GMEMFS" unpack "$MNT/edge"
    cmp model "$MNT/edge"
done
