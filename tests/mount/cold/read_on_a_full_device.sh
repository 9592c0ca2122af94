# A packed file can be read where its device has not a byte left.
# size: 48M
weights 14680064 > model
cp model "$MNT/model"
"$GMEMFS" pack "$MNT/model"
cmp model "$MNT/model"
index=0
while truncate -s 2M "$MNT/f$index" 2> /dev/null; do index=$((index + 1)); done
[ "$index" -ge 8 ]
cmp model "$MNT/model"
dd if="$MNT/model" bs=100001 skip=3 count=20 status=none | cmp - <(dd if=model bs=100001 skip=3 count=20 status=none)
is "$(where "$MNT/model")" packed
