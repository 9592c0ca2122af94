# A file that fills its device is packed all the same, by way of host memory, and lies on the device then.
# options: --capacity 16M
weights 14680064 > model
cp model "$MNT/model"
is "$("$GMEMFS" pack "$MNT/model")" "$MNT/model: 14 MiB -> 10 MiB (1.40)"
is "$(where "$MNT/model")" packed
is "$(xattr user.gmemfs.stats "$MNT" | json 'd["used"], d["host"]["used"]')" "(10485760, 0)"
cmp model "$MNT/model"
is "$("$GMEMFS" pack --host "$MNT/model")" "$MNT/model: 14 MiB -> 10 MiB in host memory (1.40)"
cp model "$MNT/other"
refuses "it is as it was, and whole" "$GMEMFS" unpack "$MNT/model"
is "$(where "$MNT/model")" host-packed
cmp model "$MNT/model"
rm "$MNT/other"
"$GMEMFS" unpack -q "$MNT/model"
cmp model "$MNT/model"
